/* slabs/restore.c - the index of a cache, made again from its pages.
 *
 * Pages are the truth: what a process has left in a memory file is gone through chunk by
 * chunk. An item that is linked, alive and plausible enters the table and the list of its
 * class again, and every other chunk is free. Nothing that is read is believed: whatever is
 * in the file, a chunk is looked at within its bounds, and the worst that can happen is that
 * an item is missing.
 *
 * What is plausible: lengths that fit the chunk, traits that exist, a checksum that is right,
 * an era that has been, and a CAS id that was drawn in the stripe of the key, which is known
 * again since a cache keeps its hash seed. In a file that was sealed, a page whose checksum
 * is wrong is dropped as a whole before that, and those of items are not looked at.
 *
 * Any number of threads take pages in turn. Each links the items that it finds into chains
 * of its own, a chain for each class, segment and age. cache_restore_end() puts these one behind
 * the other, so lists are in order of last use again, and only among items of about one age
 * in order of pages.
 *
 * Chains come last, when every page has been gone through: an item with one is linked if all
 * its pieces are there and name it, and pieces that no item has claimed are free.
 *
 * Locks: the stripe of an item while it enters the table, the class lock once a page.
 */
#include <stdlib.h>

#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

enum {
    AHEAD = 32, /* items whose buckets are asked for before they are linked  */
    AGES = 64,  /* two for each power of two of ticks since an item was used */
    TRAITS = ITEM_TAKEN | ITEM_LINKED | ITEM_CLIENT_FLAGS | ITEM_OWN_ERA |
             ITEM_CHAINED,                  /* of an item    */
    PIECE_TRAITS = ITEM_TAKEN | ITEM_PIECE, /* all of them   */
    PIECE_CLAIMED = 1,                      /* a mark of one */
};

/* What one thread has done. */
struct restore_part {
    struct restore_part  *next;
    struct cache_restored restored;
    handle_t              doubles; /* items whose key is there already, by `next`     */
    handle_t              heads;   /* items whose chains are to be looked at, by `next` */
    struct lru_chain      chains[CLASS_MAX + 1][CACHE_SEGMENTS][AGES];
};

/* A page that a thread is at work on. */
struct restoring {
    struct cache_thread *thread;
    struct restore_part *part;
    uint32_t             page;
    unsigned             size_class;
    uint32_t             chunk_bytes;
    uint32_t             now;
    struct item         *first_free; /* a list, up to the last one */
    struct item         *last_free;
    uint32_t             free_count;
    unsigned             ahead; /* items that wait to be linked */
    struct item         *items[AHEAD];
    uint64_t             hashes[AHEAD];
};

static void
free_chunk(struct restoring *r, struct item *chunk)
{
    const struct pages *pages = &r->thread->cache->pages;

    item_set_traits(chunk, CHUNK_FREE);
    chunk->next = r->first_free != NULL ? pages_handle(pages, r->first_free) : 0;
    if (r->first_free != NULL)
        r->first_free->prev = pages_handle(pages, chunk);
    r->first_free = chunk;
    if (r->last_free == NULL)
        r->last_free = chunk;
    r->free_count++;
    poison_lay(chunk->bytes, r->chunk_bytes - ITEM_HEADER);
}

/* Does the chunk hold an item that can be looked at? */
static bool
is_item(const struct restoring *r, const struct item *item)
{
    if (item_is_chained(item) && !(item->traits & ITEM_OWN_ERA))
        return false;
    return item->traits & ITEM_TAKEN && !(item->traits & ~TRAITS) &&
           item->key_length >= 1 && item->key_length <= CACHE_KEY_MAX &&
           item_room(r->thread->cache, item) <= r->chunk_bytes;
}

/* Is it byte for byte what was stored? Where the page has a checksum, that has told. */
static bool
is_whole(const struct restoring *r, const struct item *item)
{
    return r->thread->cache->pages.file.was_sealed || sum_is_right(item);
}

/* Can it have been made by the cache that the file is from? */
static bool
is_plausible(const struct restoring *r, const struct item *item, uint64_t hash)
{
    struct cache *cache = r->thread->cache;
    uint64_t      drawn_in = item_cas(item) & ((1u << CAS_COUNTER_SHIFT) - 1);

    if (item_era(item) >= atomic_load_explicit(&cache->era, memory_order_relaxed))
        return false;
    if (item_marks(item) & ITEM_CHOSEN_CAS)
        return item->traits & ITEM_OWN_ERA;
    return drawn_in == table_lane(hash);
}

static bool
is_right_piece(const struct restoring *r, const struct item *piece)
{
    return piece->key_length == 0 &&
           item_room(r->thread->cache, piece) <= r->chunk_bytes && is_whole(r, piece);
}

/* Is it an item of that cache? Then its hash is told. */
static bool
is_right(const struct restoring *r, const struct item *item, uint64_t *hash)
{
    if (!is_item(r, item) || !is_whole(r, item))
        return false;
    *hash = table_hash(&r->thread->cache->table, item_key(item));
    return is_plausible(r, item, *hash);
}

/* An empty item that a reader was to fill: to others it would look like a value. */
static bool
is_promise(const struct item *item)
{
    return item_value_length(item) == 0 &&
           (item_marks(item) & (ITEM_LEASED | ITEM_STALE)) == ITEM_LEASED;
}

static unsigned
age_of(const struct restoring *r, const struct item *item)
{
    uint32_t used = item_accessed(item);
    uint32_t ticks = used < r->now ? r->now - used : 0;
    unsigned power;

    if (ticks < 2)
        return ticks;
    power = 31 - (unsigned)__builtin_clz(ticks);
    return 2 * power + (ticks >> (power - 1) & 1);
}

_Static_assert(2 * 31 + 1 < AGES, "every age has a chain");

/* ---- chains ---------------------------------------------------------------------- */

/* The piece of this item that a handle leads to; NULL if there is none. */
static struct item *
piece_of(const struct cache *cache, const struct item *item, handle_t handle)
{
    const struct pages *pages = &cache->pages;
    size_t              offset = (size_t)handle << pages->unit_shift;
    size_t page = offset >> pages->page_shift, within = offset & (pages->page_bytes - 1);
    struct item *piece = pages_item(pages, handle);
    uint32_t     chunk_bytes;

    if (page == 0 || page >= pages->numbered || pages_class_of(pages, page) == 0)
        return NULL;
    chunk_bytes = pages->classes.bytes[pages_class_of(pages, page)];
    if (within % chunk_bytes != 0 || within + chunk_bytes > pages->page_bytes ||
        piece->traits != PIECE_TRAITS || piece->prev != pages_handle(pages, item) ||
        item_room(cache, piece) > chunk_bytes)
        return NULL;
    return piece;
}

/* Take the pieces for the item's own. False where they are not all there, and no others. */
static bool
claim_chain(const struct cache *cache, const struct item *item)
{
    struct item_chain chain = item_get_chain(item);
    size_t            left = chain.length, full = chain_piece_bytes(cache), bytes;
    handle_t          handle = chain.first;

    if (left == 0)
        return false;
    while (left > 0) {
        struct item *piece = piece_of(cache, item, handle);

        if (piece == NULL || item_marks(piece) & PIECE_CLAIMED)
            return false;
        bytes = item_value_length(piece);
        if (bytes == 0 || bytes > left || bytes > full ||
            (bytes < full && bytes < left && handle != chain.first))
            return false;
        item_mark(piece, PIECE_CLAIMED);
        left -= bytes;
        handle = piece->next;
    }
    return handle == 0;
}

static void
disclaim_chain(const struct cache *cache, const struct item *item)
{
    struct item *piece = piece_of(cache, item, item_get_chain(item).first);

    while (piece != NULL && item_marks(piece) & PIECE_CLAIMED) {
        item_unmark(piece, PIECE_CLAIMED);
        piece = piece_of(cache, item, piece->next);
    }
}

/* ---- pages ----------------------------------------------------------------------- */

/* Enter the table: false where it is full, or the key is there already. */
static bool
enter_table(struct restoring *r, struct item *item, uint64_t hash)
{
    struct cache  *cache = r->thread->cache;
    struct stripe *stripe = table_stripe(&cache->table, hash);
    unsigned       ignored;
    bool           there, entered;

    lock_take(&stripe->lock);
    there = table_find(&cache->table, &cache->pages, hash, item_key(item)) != NULL;
    entered = !there && table_insert(&cache->table, &cache->pages, hash,
                                     pages_handle(&cache->pages, item), &ignored);
    lock_drop(&stripe->lock);
    if (there) {
        item_hide(item);
        item->next = r->part->doubles;
        r->part->doubles = pages_handle(&cache->pages, item);
    } else if (!entered) {
        if (item_is_chained(item))
            disclaim_chain(cache, item);
        r->part->restored.bad++;
        free_chunk(r, item);
    }
    return entered;
}

static void
link_item(struct restoring *r, struct item *item, uint64_t hash)
{
    const struct pages *pages = &r->thread->cache->pages;
    size_t              size = item_room(r->thread->cache, item);
    struct lru_chain   *chain;

    atomic_store_explicit(&item->references, 1, memory_order_relaxed);
    if (item_accessed(item) >
        r->now) /* the clock may be a tick behind, or the file damaged */
        item_set_accessed(item, r->now);
    sum_write_lease(item, false); /* whoever was to refresh it may have given up */
    poison_lay((const char *)item + size, r->chunk_bytes - size);
    if (!enter_table(r, item, hash))
        return;
    chain = &r->part->chains[item_class(r->thread->cache, item)][item_segment(item)]
                            [age_of(r, item)];
    lru_chain_add(chain, pages, item);
    item_count_linked(r->thread, item);
    r->part->restored.items++;
}

static void
link_waiting(struct restoring *r)
{
    for (unsigned i = 0; i < r->ahead; i++)
        link_item(r, r->items[i], r->hashes[i]);
    r->ahead = 0;
}

/* An item whose chain is looked at when all pages have been gone through. */
static void
keep_head(struct restoring *r, struct item *item)
{
    item->next = r->part->heads;
    r->part->heads = pages_handle(&r->thread->cache->pages, item);
}

/* An item is made ready to be linked, anything else is free, but for pieces, of which nobody
 * knows yet whose they are. */
static void
sort_chunk(struct restoring *r, struct item *item)
{
    struct cache *cache = r->thread->cache;
    uint64_t      hash;

    if (item->traits == PIECE_TRAITS && !is_right_piece(r, item)) {
        free_chunk(r, item); /* and its item will be found to lack it */
    } else if (item->traits == PIECE_TRAITS) {
        atomic_store_explicit(&item->marks, 0, memory_order_relaxed);
        cache->piece_pages[r->page] = true;
    } else if (!(item->traits & ITEM_LINKED)) {
        free_chunk(r, item);
    } else if (!is_right(r, item, &hash)) {
        r->part->restored.bad++;
        free_chunk(r, item);
    } else if (item_is_dead(cache, item) || is_promise(item)) {
        r->part->restored.dead++;
        free_chunk(r, item);
    } else if (item_is_chained(item)) {
        keep_head(r, item);
    } else {
        table_prefetch_bucket(&cache->table, hash);
        r->items[r->ahead] = item;
        r->hashes[r->ahead++] = hash;
        if (r->ahead == AHEAD)
            link_waiting(r);
    }
}

static void
restore_page(struct cache_thread *thread, struct restore_part *part, uint32_t page)
{
    struct cache    *cache = thread->cache;
    struct pages    *pages = &cache->pages;
    unsigned         size_class = pages_class_of(pages, page);
    struct restoring r = {
        .thread = thread,
        .part = part,
        .page = page,
        .size_class = size_class,
        .chunk_bytes = pages->classes.bytes[size_class],
        .now = clock_now(cache->clock),
    };
    bool whole = file_page_is_whole(&pages->file, page, pages_at(pages, page));

    if (!whole)
        part->restored.bad_pages++;
    /* From the last to the first: then the first free one is taken first. */
    for (uint32_t i = pages_chunks(pages, size_class); i-- > 0;) {
        struct item *item = pages_chunk(pages, page, size_class, i);

        if (whole)
            sort_chunk(&r, item);
        else
            free_chunk(&r, item);
    }
    link_waiting(&r);
    pages_adopt(pages, size_class, 1, r.first_free, r.last_free, r.free_count);
}

bool
cache_restore(struct cache_thread *thread)
{
    struct cache        *cache = thread->cache;
    struct restore_part *part = calloc(1, sizeof(*part));
    uint32_t             page;

    if (part == NULL)
        return false;
    while ((page = atomic_fetch_add(&cache->restore_next, 1)) < cache->pages.numbered) {
        file_tell_progress(&cache->pages.file, page - 1, cache->pages.numbered - 1);
        if (pages_class_of(&cache->pages, page) != 0)
            restore_page(thread, part, page);
    }
    lock_take(&cache->threads_lock);
    part->next = cache->restored;
    cache->restored = part;
    lock_drop(&cache->threads_lock);
    return true;
}

/* ---- the end ---------------------------------------------------------------------- */

static void
tell_all_done(const struct cache *cache)
{
    file_tell_progress(&cache->pages.file, cache->pages.numbered - 1,
                       cache->pages.numbered - 1);
}

/* Link the items whose chains are right. */
static void
link_heads(struct cache_thread *thread, struct restore_part *part)
{
    struct cache *cache = thread->cache;

    while (part->heads != 0) {
        struct item     *item = pages_item(&cache->pages, part->heads);
        unsigned         size_class = pages_class(&cache->pages, item);
        struct restoring r = {
            .thread = thread,
            .part = part,
            .size_class = size_class,
            .chunk_bytes = cache->pages.classes.bytes[size_class],
            .now = clock_now(cache->clock),
        };

        tell_all_done(cache); /* but for chains, which may lie anywhere */
        part->heads = item->next;
        if (claim_chain(cache, item)) {
            link_item(&r, item, table_hash(&cache->table, item_key(item)));
        } else {
            disclaim_chain(cache, item);
            part->restored.bad++;
            free_chunk(&r, item);
        }
        pages_adopt(&cache->pages, size_class, 0, r.first_free, r.last_free,
                    r.free_count);
    }
}

/* Free the pieces that are nobody's. */
static void
sweep_page(struct cache_thread *thread, uint32_t page)
{
    struct pages    *pages = &thread->cache->pages;
    unsigned         size_class = pages_class_of(pages, page);
    struct restoring r = {
        .thread = thread,
        .chunk_bytes = pages->classes.bytes[size_class],
    };

    for (uint32_t i = pages_chunks(pages, size_class); i-- > 0;) {
        struct item *piece = pages_chunk(pages, page, size_class, i);

        if (piece->traits != PIECE_TRAITS)
            continue;
        if (item_marks(piece) & PIECE_CLAIMED) {
            size_t size = item_room(r.thread->cache, piece);

            item_unmark(piece, PIECE_CLAIMED);
            poison_lay((const char *)piece + size, r.chunk_bytes - size);
        } else {
            free_chunk(&r, piece);
        }
    }
    pages_adopt(pages, size_class, 0, r.first_free, r.last_free, r.free_count);
}

static void
fill_list(struct cache *cache, unsigned size_class, enum cache_segment segment)
{
    for (unsigned age = 0; age < AGES; age++) {
        for (struct restore_part *part = cache->restored; part != NULL; part = part->next)
            lru_adopt(&cache->lru[size_class], &cache->pages,
                      &part->chains[size_class][segment][age], segment);
    }
}

/* Two items with one key can only be the work of whoever damaged the file. The one with
 * the higher CAS id stays. */
static void
settle_double(struct cache_thread *thread, struct item *item)
{
    struct cache    *cache = thread->cache;
    struct cache_key key = cache_key(cache, item_key(item));
    struct stripe   *stripe = table_stripe(&cache->table, key.hash);
    struct item     *other;
    bool             linked = false;

    lock_take(&stripe->lock);
    other = table_find(&cache->table, &cache->pages, key.hash, key.bytes);
    if (other != NULL && item_cas(item) > item_cas(other)) {
        item_unlink_locked(thread, key.hash, other);
        other = NULL;
    }
    if (other == NULL)
        linked = item_link_locked(thread, key.hash, item);
    lock_drop(&stripe->lock);
    if (!linked)
        item_give(thread, item);
}

static void
settle_doubles(struct cache_thread *thread, struct restore_part *part)
{
    while (part->doubles != 0) {
        struct item *item = pages_item(&thread->cache->pages, part->doubles);

        part->doubles = item->next;
        part->restored.bad++;
        settle_double(thread, item);
    }
}

void
cache_restore_end(struct cache_thread *thread, struct cache_restored *restored)
{
    struct cache        *cache = thread->cache;
    struct restore_part *part;

    *restored = (struct cache_restored){ 0 };
    for (part = cache->restored; part != NULL; part = part->next)
        link_heads(thread, part);
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count;
         size_class++) {
        for (unsigned segment = 0; segment < CACHE_SEGMENTS; segment++)
            fill_list(cache, size_class, segment);
    }
    for (part = cache->restored; part != NULL; part = part->next)
        settle_doubles(thread, part);
    for (uint32_t page = 1; page < cache->pages.numbered; page++) {
        if (!cache->piece_pages[page])
            continue;
        tell_all_done(cache);
        sweep_page(thread, page);
    }
    free(cache->piece_pages);
    cache->piece_pages = NULL;
    while ((part = cache->restored) != NULL) {
        cache->restored = part->next;
        restored->items += part->restored.items;
        restored->dead += part->restored.dead;
        restored->bad += part->restored.bad;
        restored->bad_pages += part->restored.bad_pages;
        free(part);
    }
}
