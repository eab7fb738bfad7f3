/* slabs/check.c - cache_check(): is everything where it should be?
 *
 * Walks all memory of a cache that nobody uses meanwhile and aborts at the first thing
 * that is wrong. Every chunk must be in exactly one place: in the table and a list, in a
 * free list, in a thread's magazine, or never used yet; what is left over is held by
 * somebody (a pin, an upload), which a quiet cache does not allow.
 */
#include <stdlib.h>

#include "slabs/cache_priv.h"
#include "slabs/must.h"

/* What the walk has found of one class. */
struct census {
    struct cache *cache;
    unsigned      size_class;
    uint8_t      *seen; /* a byte a unit of the region: visited already */
    uint64_t      linked, free, bytes;
};

static void
visit(struct census *census, handle_t handle)
{
    const struct pages *pages = &census->cache->pages;

    must(handle != 0);
    must(pages_class(pages, pages_item(pages, handle)) == census->size_class);
    must(census->seen[handle] == 0);
    census->seen[handle] = 1;
}

static void
check_list(struct census *census)
{
    struct cache     *cache = census->cache;
    const struct lru *lru = &cache->lru[census->size_class];
    handle_t          before = 0, handle;
    uint64_t          count = 0;

    for (handle = lru->newest; handle != 0; count++) {
        struct item   *item = pages_item(&cache->pages, handle);
        uint64_t       hash = table_hash(&cache->table, item_key(item));
        struct stripe *stripe = table_stripe(&cache->table, hash);

        visit(census, handle);
        must(item->prev == before);
        must((item->traits & (ITEM_TAKEN | ITEM_LINKED)) == (ITEM_TAKEN | ITEM_LINKED));
        must(atomic_load(&item->references) >= 1);
        must(item_size(item) <= cache->pages.classes.bytes[census->size_class]);
        lock_take(&stripe->lock);
        must(table_find(&cache->table, &cache->pages, hash, item_key(item)) == item);
        lock_drop(&stripe->lock);
        census->bytes += item_size(item);
        before = handle;
        handle = item->next;
    }
    must(lru->oldest == before);
    must(count == lru->count);
    census->linked = count;
}

static void
check_free(struct census *census)
{
    struct cache              *cache = census->cache;
    const struct class_memory *memory = &cache->pages.class_memory[census->size_class];
    uint32_t                   count = 0;

    for (handle_t handle = memory->free; handle != 0; count++) {
        visit(census, handle);
        handle = pages_item(&cache->pages, handle)->next;
    }
    must(count == memory->free_count);
    census->free += count + memory->fresh;
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next) {
        const struct magazine *magazine = &thread->magazine[census->size_class];

        must(magazine->count <= magazine->room);
        for (unsigned i = 0; i < magazine->count; i++)
            visit(census, magazine->chunk[i]);
        census->free += magazine->count;
    }
}

static uint64_t
count_table(struct cache *cache)
{
    uint64_t items = 0;

    for (size_t i = 0; i < (size_t)1 << cache->table.stripe_bits; i++)
        items += cache->table.stripes[i].items;
    return items;
}

static void
check_pins(struct cache *cache, unsigned size_class)
{
    for (handle_t handle = cache->lru[size_class].newest; handle != 0;) {
        struct item *item = pages_item(&cache->pages, handle);

        must(atomic_load(&item->references) == 1);
        handle = item->next;
    }
}

void
cache_check(struct cache *cache, bool quiet)
{
    size_t units = (size_t)cache->pages.capacity * PAGE_BYTES >> cache->pages.unit_shift;
    uint8_t              *seen = calloc(units, 1);
    uint64_t              linked = 0, bytes = 0, pages = 1;
    struct cache_counters counters;

    must(seen != NULL);
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count;
         size_class++) {
        struct census census = { .cache = cache, .size_class = size_class, .seen = seen };
        uint32_t      owned = cache->pages.class_memory[size_class].pages;
        uint64_t      chunks =
            (uint64_t)owned * (PAGE_BYTES / cache->pages.classes.bytes[size_class]);

        check_list(&census);
        check_free(&census);
        must(census.linked + census.free <= chunks);
        if (quiet) {
            must(census.linked + census.free == chunks);
            check_pins(cache, size_class);
        }
        linked += census.linked;
        bytes += census.bytes;
        pages += owned;
    }
    must(pages == cache->pages.used);
    must(linked == count_table(cache));
    cache_counters_sum(cache, &counters, NULL);
    must(counters.items_linked - counters.items_unlinked == linked);
    must(counters.bytes_linked - counters.bytes_unlinked == bytes);
    free(seen);
}
