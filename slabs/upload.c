/* slabs/upload.c - values that are filled in piece by piece before they are stored.
 *
 * An upload belongs to one thread, and no other knows its memory. A chain gets a piece
 * only when bytes for it are there, so a length that was only promised costs nothing.
 */
#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"

/* Could all of it be had at once, if everything else in the class went? Otherwise nothing
 * need be evicted for it just now, but pages are to come for who tries again. */
static bool
is_within_reach(struct cache *cache, const struct item_shape *shape)
{
    unsigned largest = cache->pages.classes.count;
    size_t   pieces = shape->value_length / chain_piece_bytes(cache);

    if (pieces <= pages_reach(&cache->pages, largest))
        return true;
    balance_want(cache, pieces / pages_chunks(&cache->pages, largest) + 1);
    return false;
}

static struct item *
take(struct cache_thread *thread, const struct item_shape *shape, unsigned size_class)
{
    if (!shape->chained)
        return item_take(thread, size_class);
    if (is_within_reach(thread->cache, shape))
        return item_take_part(thread, size_class);
    size_class = thread->cache->pages.classes.count;
    counter_add(&thread->counters.of_class[size_class].out_of_memory, 1);
    return NULL;
}

enum cache_status
upload_begin(struct cache_thread *thread, struct item_shape *shape,
             struct cache_upload *upload)
{
    unsigned size_class = item_class_for(thread->cache, shape);

    *upload = (struct cache_upload){
        .length = shape->value_length,
        .sums = thread->cache->sum_bytes > 0,
    };
    if (size_class == 0)
        return CACHE_TOO_LARGE;
    upload->item = take(thread, shape, size_class);
    if (upload->item == NULL)
        return CACHE_NO_MEMORY;
    item_write_head(thread->cache, upload->item, shape);
    if (!shape->chained) {
        upload->to = item_value(upload->item);
        upload->room = upload->length;
    }
    return CACHE_OK;
}

enum cache_status
cache_upload_begin(struct cache_thread *thread, const struct cache_store *store,
                   size_t length, struct cache_upload *upload)
{
    struct item_shape shape = {
        .key = store->key.bytes,
        .client_flags = store->client_flags,
        .own_era = store->new_cas != 0,
        .value_length = length,
    };

    return upload_begin(thread, &shape, upload);
}

static void
add_piece(struct cache_thread *thread, struct cache_upload *upload)
{
    size_t       most = chain_piece_bytes(thread->cache);
    size_t       left = upload->length - upload->filled;
    size_t       bytes = left < most ? left : most;
    struct item *piece;

    if (upload->piece == NULL && upload->first > 0)
        bytes = upload->first;
    piece = chain_add(thread, upload->item, upload->piece, bytes);
    if (piece == NULL)
        return;
    upload->piece = piece;
    upload->to = item_value(piece);
    upload->room = bytes;
}

char *
cache_upload_room(struct cache_thread *thread, struct cache_upload *upload, size_t *room)
{
    if (upload->room == 0 && !cache_upload_is_full(upload))
        add_piece(thread, upload);
    *room = upload->room;
    return upload->to;
}

void
cache_upload_fill(struct cache_upload *upload, size_t bytes)
{
    must(bytes <= upload->room);
    upload->filled += bytes;
    upload->to += bytes;
    upload->room -= bytes;
    if (upload->sums && upload->room == 0 && upload->piece != NULL)
        sum_write(upload->piece);
}

bool
upload_copy(struct cache_thread *thread, struct cache_upload *upload,
            struct value_part part)
{
    while (part.from < part.to) {
        struct span bytes = cache_read_value(part.of, part.from);
        size_t      room;
        char       *to = cache_upload_room(thread, upload, &room);

        if (room == 0)
            return false;
        if (room > bytes.length)
            room = bytes.length;
        if (room > part.to - part.from)
            room = part.to - part.from;
        memcpy(to, bytes.at, room);
        cache_upload_fill(upload, room);
        part.from += room;
    }
    return true;
}

void
cache_upload_abandon(struct cache_thread *thread, struct cache_upload *upload)
{
    if (upload->item != NULL)
        item_give(thread, upload->item);
    *upload = (struct cache_upload){ 0 };
}
