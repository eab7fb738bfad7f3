/* slabs/walk.c - going through all items, a bucket at a time.
 *
 * The order is the table's: stripe by stripe, and in a stripe bucket by bucket, upwards.
 * New buckets are added at the end, so a stripe that grows hides no item from a walk, but
 * may show it one a second time. Only one bucket is looked at under a stripe's lock.
 */
#include "slabs/cache_priv.h"

enum {
    EMPTY_MOST = 64,  /* buckets without an item that one step looks at        */
    BUCKET_MOST = 64, /* items of a bucket; one with more has lost its balance */
};

/* Take the stripe of the walk and list its next bucket that has items; false, and nothing
 * held, at the walk's end. *count may be 0 for want of patience. */
static bool
next_items(struct cache *cache, struct cache_walk *walk, struct stripe **held,
           struct item *items[BUCKET_MOST], unsigned *count)
{
    struct table  *table = &cache->table;
    struct stripe *stripe;

    *count = 0;
    if (walk->stripe >> STRIPE_BITS != 0)
        return false;
    stripe = *held = &table->stripes[walk->stripe];
    lock_take(&stripe->lock);
    for (unsigned i = 0; i < EMPTY_MOST && *count == 0; i++) {
        if (walk->bucket == table_size(table, walk->stripe)) {
            walk->stripe++;
            walk->bucket = 0;
            break;
        }
        *count =
            table_list(table, &cache->pages, stripe, walk->bucket++, items, BUCKET_MOST);
    }
    return true;
}

bool
cache_walk_step(struct cache_thread *thread, struct cache_walk *walk, cache_visit *visit,
                void *ctx)
{
    struct cache  *cache = thread->cache;
    struct item   *items[BUCKET_MOST];
    struct stripe *stripe;
    unsigned       count;

    if (!next_items(cache, walk, &stripe, items, &count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct cache_reading reading;

        if (item_is_dead(cache, items[i]))
            continue;
        reading = item_describe_locked(cache, items[i]);
        visit(ctx, item_key(items[i]), &reading);
    }
    lock_drop(&stripe->lock);
    return true;
}

/* Drop the item if it is dead. */
static void
reap_locked(struct cache_thread *thread, struct item *item)
{
    struct cache_class_counters *counters = item_counters(thread, item);

    counter_add(&counters->crawler_items_checked, 1);
    if (!item_is_dead(thread->cache, item))
        return;
    counter_add(&counters->crawler_reclaimed, 1);
    if (!(item_marks(item) & ITEM_FETCHED))
        counter_add(&counters->expired_unfetched, 1);
    item_unlink_locked(thread, table_hash(&thread->cache->table, item_key(item)), item);
}

bool
cache_reap_step(struct cache_thread *thread, struct cache_walk *walk,
                uint64_t left[CACHE_CLASS_MAX + 1])
{
    struct cache  *cache = thread->cache;
    struct item   *items[BUCKET_MOST];
    struct stripe *stripe;
    unsigned       count;

    if (!next_items(cache, walk, &stripe, items, &count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        uint64_t *of_class = &left[item_class(cache, items[i])];

        if (*of_class == 0)
            continue;
        --*of_class;
        reap_locked(thread, items[i]);
    }
    lock_drop(&stripe->lock);
    return true;
}
