/* slabs/check.c - cache_check(): is everything where it should be?
 *
 * Walks all memory of a cache that nobody uses meanwhile and aborts at the first thing
 * that is wrong. Every chunk must be in exactly one place: in the table and a list, in the
 * chain of such an item, in a free list, in a thread's magazine, kept back because its page
 * is being emptied, or never used yet; what is left over is held by somebody (a pin, an
 * upload), which a quiet cache does not allow. Every page must be of a class, or in the
 * pool.
 */
#include <stdlib.h>

#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"

/* What the walk has found. */
struct census {
    struct cache *cache;
    uint8_t      *seen;                /* a byte a unit of the region: visited already */
    uint64_t      used[CLASS_MAX + 1]; /* chunks of a class: by items and pieces       */
    uint64_t      free[CLASS_MAX + 1];
    uint64_t      items, bytes;
};

/* A chunk is met; its class. */
static unsigned
visit(struct census *census, handle_t handle)
{
    const struct pages *pages = &census->cache->pages;

    must(handle != 0);
    must(census->seen[handle] == 0);
    census->seen[handle] = 1;
    return pages_class(pages, pages_item(pages, handle));
}

static void
visit_free(struct census *census, handle_t handle, unsigned size_class)
{
    unsigned of_class = visit(census, handle);

    must(of_class == size_class);
}

static void
check_chain(struct census *census, const struct item *item)
{
    struct cache *cache = census->cache;
    size_t        left = item_value_length(item), full = chain_piece_bytes(cache);
    handle_t      handle = item_get_chain(item).first;

    must(item->traits & ITEM_OWN_ERA);
    while (handle != 0) {
        const struct item *piece = pages_item(&cache->pages, handle);
        size_t             bytes = item_value_length(piece);
        unsigned           size_class = visit(census, handle);

        census->used[size_class]++;
        must(piece->traits == (ITEM_TAKEN | ITEM_PIECE));
        must(piece->prev == pages_handle(&cache->pages, item));
        must(bytes > 0 && bytes <= left && bytes <= full);
        must(bytes == left || bytes == full || handle == item_get_chain(item).first);
        must(item_room(cache, piece) <= cache->pages.classes.bytes[size_class]);
        must(cache->sum_bytes == 0 || sum_is_right(piece));
        left -= bytes;
        handle = piece->next;
    }
    must(left == 0);
}

static void
check_list(struct census *census, unsigned size_class, enum cache_segment segment)
{
    struct cache          *cache = census->cache;
    const struct lru_list *list = &cache->lru[size_class].list[segment];
    handle_t               before = 0, handle;
    uint64_t               count = 0;

    for (handle = list->newest; handle != 0; count++) {
        struct item   *item = pages_item(&cache->pages, handle);
        uint64_t       hash = table_hash(&cache->table, item_key(item));
        struct stripe *stripe = table_stripe(&cache->table, hash);
        unsigned       chunk_class = visit(census, handle);

        census->used[chunk_class]++;
        must(item_class(cache, item) == size_class);
        must(item->prev == before);
        must(item_segment(item) == segment);
        must((item->traits & (ITEM_TAKEN | ITEM_LINKED)) == (ITEM_TAKEN | ITEM_LINKED));
        must(!(item->traits & ITEM_PIECE));
        must(atomic_load(&item->references) >= 1);
        must(item_room(cache, item) <= cache->pages.classes.bytes[chunk_class]);
        if (item_is_chained(item))
            check_chain(census, item);
        lock_take(&stripe->lock);
        must(table_find(&cache->table, &cache->pages, hash, item_key(item)) == item);
        must(cache->sum_bytes == 0 || sum_is_right(item));
        lock_drop(&stripe->lock);
        census->bytes += item_size(item);
        before = handle;
        handle = item->next;
    }
    must(list->oldest == before);
    must(count == list->count);
    census->items += count;
}

static void
check_free(struct census *census, unsigned size_class)
{
    struct cache              *cache = census->cache;
    const struct class_memory *memory = &cache->pages.class_memory[size_class];
    uint32_t                   count = 0;
    handle_t                   before = 0;

    for (handle_t handle = memory->free; handle != 0; count++) {
        struct item *chunk = pages_item(&cache->pages, handle);

        visit_free(census, handle, size_class);
        must(chunk->traits == CHUNK_FREE && (before == 0 || chunk->prev == before));
        before = handle;
        handle = chunk->next;
    }
    must(count == memory->free_count);
    census->free[size_class] = count + memory->fresh;
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next) {
        const struct magazine *magazine = &thread->magazine[size_class];

        must(magazine->count <= magazine->room);
        for (unsigned i = 0; i < magazine->count; i++) {
            struct item *chunk = pages_item(&cache->pages, magazine->chunk[i]);

            visit_free(census, magazine->chunk[i], size_class);
            must(chunk->traits == 0 && !pages_is_draining(&cache->pages, chunk));
        }
        census->free[size_class] += magazine->count;
    }
}

static void
check_draining(struct census *census)
{
    const struct pages *pages = &census->cache->pages;
    uint32_t            page = atomic_load(&pages->draining), count = 0;
    unsigned            size_class = pages_class_of(pages, page);

    if (page == 0)
        return;
    for (uint32_t at = 0; at < pages_chunks(pages, size_class) - pages->unused; at++) {
        struct item *chunk = pages_chunk(pages, page, size_class, at);

        if (chunk->traits != CHUNK_DRAINED)
            continue;
        visit_free(census, pages_handle(pages, chunk), size_class);
        count++;
    }
    must(count + pages->unused == pages->drained);
    census->free[size_class] += pages->drained;
}

static uint32_t
count_pages(const struct pages *pages, uint32_t list)
{
    uint32_t count = 0;

    for (; list != 0; list = pages->next[list], count++)
        must(pages_class_of(pages, list) == 0 && list < pages->numbered);
    return count;
}

/* `owned`: by classes. */
static void
check_pages(const struct pages *pages, uint64_t owned)
{
    must(count_pages(pages, pages->pool) == pages->pool_count);
    must(owned == pages->used);
    must(1 + owned + pages->pool_count == pages->numbered);
    must(pages->numbered <= pages->capacity);
}

static uint64_t
count_table(struct cache *cache)
{
    uint64_t items = 0;

    for (size_t i = 0; i < (size_t)1 << STRIPE_BITS; i++)
        items += cache->table.stripes[i].items;
    return items;
}

static void
check_pins(struct cache *cache, const struct lru_list *list)
{
    for (handle_t handle = list->newest; handle != 0;) {
        struct item *item = pages_item(&cache->pages, handle);

        must(atomic_load(&item->references) == 1);
        handle = item->next;
    }
}

void
cache_check(struct cache *cache, bool quiet)
{
    size_t units = (size_t)cache->pages.numbered << cache->pages.page_shift >>
                   cache->pages.unit_shift;
    struct census         census = { .cache = cache, .seen = calloc(units, 1) };
    unsigned              classes = cache->pages.classes.count;
    uint64_t              pages = 0;
    uint32_t              in_use = 0;
    struct cache_counters counters;

    must(census.seen != NULL);
    for (unsigned size_class = 1; size_class <= classes; size_class++) {
        for (unsigned i = 0; i < CACHE_SEGMENTS; i++)
            check_list(&census, size_class, i);
        check_free(&census, size_class);
        for (unsigned i = 0; quiet && i < CACHE_SEGMENTS; i++)
            check_pins(cache, &cache->lru[size_class].list[i]);
    }
    check_draining(&census);
    for (unsigned size_class = 1; size_class <= classes; size_class++) {
        uint32_t owned = cache->pages.class_memory[size_class].pages;
        uint64_t chunks = (uint64_t)owned * pages_chunks(&cache->pages, size_class);
        uint64_t found = census.used[size_class] + census.free[size_class];

        must(quiet ? found == chunks : found <= chunks);
        must(owned == cache->pages.owned[size_class]);
        pages += owned;
        in_use += owned > 0;
    }
    must(in_use == cache->pages.in_use);
    check_pages(&cache->pages, pages);
    must(census.items == count_table(cache));
    cache_counters_sum(cache, &counters, NULL);
    must(counters.items_linked - counters.items_unlinked == census.items);
    must(counters.bytes_linked - counters.bytes_unlinked == census.bytes);
    free(census.seen);
}
