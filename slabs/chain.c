/* slabs/chain.c - making, walking and giving back chains. See chain_priv.h. */
#include "slabs/chain_priv.h"

#include "slabs/must.h"
#include "slabs/poison_priv.h"

size_t
chain_piece_bytes(const struct cache *cache)
{
    size_t bytes = cache->chunk_bytes_max - ITEM_HEADER - cache->sum_bytes;

    return bytes - item_gap(bytes);
}

/* The piece that a handle leads to, NULL: none. */
static struct item *
piece_at(const struct cache *cache, handle_t handle)
{
    return handle != 0 ? pages_item(&cache->pages, handle) : NULL;
}

struct item *
chain_first(const struct cache *cache, const struct item *item)
{
    return piece_at(cache, item_get_chain(item).first);
}

static void
set_first(struct item *item, handle_t first)
{
    item_set_chain(item, (struct item_chain){ first, item_get_chain(item).length });
}

static size_t
piece_room(const struct cache *cache, size_t bytes)
{
    return item_room_of(cache, &(struct item_shape){ .value_length = bytes });
}

static void
write_head(const struct cache *cache, struct item *piece, handle_t of, size_t bytes)
{
    poison_lift(piece, piece_room(cache, bytes));
    piece->next = 0;
    item_set_prev(piece, of);
    piece->key_length = 0;
    item_set_cas(piece, 0);
    item_set_deadline(piece, CLOCK_NEVER);
    item_set_accessed(piece, 0);
    atomic_init(&piece->references, 0);
    atomic_init(&piece->marks, 0);
    item_set_value_length(piece, bytes);
    item_set_traits(piece, ITEM_TAKEN | ITEM_PIECE);
}

struct item *
chain_add(struct cache_thread *thread, struct item *item, struct item *last, size_t bytes)
{
    struct cache *cache = thread->cache;
    unsigned size_class = classes_find(&cache->pages.classes, piece_room(cache, bytes));
    struct item *piece = item_take_part(thread, size_class);
    handle_t     handle;

    if (piece == NULL)
        return NULL;
    write_head(cache, piece, pages_handle(&cache->pages, item), bytes);
    handle = pages_handle(&cache->pages, piece);
    if (last != NULL)
        last->next = handle;
    else
        set_first(item, handle);
    return piece;
}

void
chain_give(struct cache_thread *thread, const struct item *item)
{
    struct cache *cache = thread->cache;
    struct item  *piece = chain_first(cache, item);

    while (piece != NULL) {
        struct item *next = piece_at(cache, piece->next);

        must_hot(piece->traits == (ITEM_TAKEN | ITEM_PIECE));
        item_give(thread, piece);
        piece = next;
    }
}

void
chain_follow(const struct cache *cache, const struct item *item)
{
    handle_t head = pages_handle(&cache->pages, item);

    for (struct item *piece = chain_first(cache, item); piece != NULL;
         piece = piece_at(cache, piece->next))
        item_set_prev(piece, head);
}

bool
chain_has(const struct cache *cache, struct item *item, const struct item *piece,
          struct item **before)
{
    struct item *at = chain_first(cache, item);

    for (*before = NULL; at != NULL && at != piece; at = piece_at(cache, at->next))
        *before = at;
    return at != NULL;
}

void
chain_replace(const struct cache *cache, struct item *item, struct item *before,
              const struct item *from, struct item *to)
{
    handle_t handle = pages_handle(&cache->pages, to);

    to->next = from->next;
    item_set_prev(to, from->prev);
    if (before != NULL)
        before->next = handle;
    else
        set_first(item, handle);
}

size_t
chain_rest(const struct cache *cache, const struct item *item, enum chain_end end)
{
    size_t full = chain_piece_bytes(cache), length = item_value_length(item);
    size_t first = item_value_length(chain_first(cache, item));
    size_t last = (length - first) % full;

    if (end == CHAIN_FIRST || first == length)
        return length - first;
    return length - (last > 0 ? last : full);
}

static struct item *
last_piece(const struct cache *cache, const struct item *item, struct item **before)
{
    struct item *piece = chain_first(cache, item), *next;

    for (*before = NULL; (next = piece_at(cache, piece->next)) != NULL; piece = next)
        *before = piece;
    return piece;
}

void
chain_hand_over(const struct cache *cache, struct item *from, struct item *to,
                enum chain_end end)
{
    struct item *stays = chain_first(cache, from), *before;

    if (end == CHAIN_FIRST) {
        last_piece(cache, to, &before)->next = stays->next;
        stays->next = 0;
    } else {
        handle_t first = item_get_chain(from).first;

        stays = last_piece(cache, from, &before);
        must(before != NULL);
        before->next = item_get_chain(to).first;
        set_first(to, first);
        set_first(from, pages_handle(&cache->pages, stays));
    }
    chain_follow(cache, to);
}

struct span
chain_read(struct cache_reading *reading, size_t from)
{
    const struct cache *cache = reading->chained;
    size_t              length;

    if (from >= reading->value_length)
        return (struct span){ "", 0 };
    if (from < reading->piece_from) {
        reading->piece = chain_first(cache, reading->item);
        reading->piece_from = 0;
    }
    while (length = item_value_length(reading->piece),
           from - reading->piece_from >= length) {
        reading->piece_from += length;
        reading->piece = piece_at(cache, reading->piece->next);
        must(reading->piece != NULL);
    }
    return (struct span){ item_cvalue(reading->piece) + (from - reading->piece_from),
                          length - (from - reading->piece_from) };
}
