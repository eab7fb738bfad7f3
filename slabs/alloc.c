/* slabs/alloc.c - memory for items, by eviction when it has to be.
 *
 * Order of locks: a victim is named under the LRU lock, which ranks above the stripe,
 * so that lock is let go before the stripe is taken. In between the victim may have been
 * deleted, read or replaced by another item in the same chunk; evict() looks again.
 */
#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

enum {
    ROUNDS_MAX = 16,        /* searches before an allocation gives up        */
    VICTIMS_MAX = 8,        /* found in one search...                        */
    VICTIM_BYTES = 16 << 10 /* ...but no more than about this much memory    */
};

static unsigned
victims_wanted(const struct cache *cache, unsigned size_class)
{
    uint32_t wanted = VICTIM_BYTES / cache->pages.classes.bytes[size_class];

    if (wanted == 0)
        return 1;
    return wanted < VICTIMS_MAX ? wanted : VICTIMS_MAX;
}

static struct lru_policy
policy_of(struct cache_thread *thread, unsigned size_class)
{
    struct cache *cache = thread->cache;

    return (struct lru_policy){
        .pages = &cache->pages,
        .table = &cache->table,
        .counters = &thread->counters.of_class[size_class],
        .now = clock_now(cache->clock),
        .flushed_below =
            atomic_load_explicit(&cache->flushed_below, memory_order_relaxed),
        .lru = cache_lru(cache),
    };
}

/* Count an eviction; what is to be remembered of the item. */
static unsigned
count_eviction(struct cache_thread *thread, struct item *item)
{
    struct cache_class_counters *counters = item_counters(thread, item);
    uint8_t                      marks = item_marks(item);

    if (item_is_dead(thread->cache, item)) {
        counter_add(&counters->reclaimed, 1);
        if (!(marks & ITEM_FETCHED))
            counter_add(&counters->expired_unfetched, 1);
        return 0;
    }
    if (thread->on_eviction != NULL) {
        struct cache_reading reading = item_describe_locked(thread->cache, item);

        thread->on_eviction(thread->on_eviction_ctx, item_key(item), &reading);
    }
    counter_add(&counters->evictions, 1);
    if (item_deadline(item) != CLOCK_NEVER)
        counter_add(&counters->evicted_nonzero, 1);
    if (!(marks & ITEM_FETCHED))
        counter_add(&counters->evicted_unfetched, 1);
    if (marks & ITEM_ACTIVE)
        counter_add(&counters->evicted_active, 1);
    return lru_note_eviction(&thread->cache->lru[item_class(thread->cache, item)],
                             clock_now(thread->cache->clock) - item_accessed(item));
}

/* Evict one item, if it is still linked and idle, and dead where only the dead may go. */
static void
evict(struct cache_thread *thread, struct victim victim, bool dead_only)
{
    struct cache  *cache = thread->cache;
    struct stripe *stripe = table_stripe(&cache->table, victim.hash);

    lock_take(&stripe->lock);
    if (table_has(&cache->table, victim.hash, victim.handle)) {
        struct item *item = pages_item(&cache->pages, victim.handle);

        if (!item_is_pinned(item) && (!dead_only || item_is_dead(cache, item))) {
            unsigned note = count_eviction(thread, item);

            item_evict_locked(thread, victim.hash, item, note);
        }
    }
    lock_drop(&stripe->lock);
}

/* Look for victims once and evict them. Only the last round takes active items; where
 * nothing may be evicted, only dead items go. */
static void
evict_some(struct cache_thread *thread, unsigned size_class, bool last_round)
{
    struct cache     *cache = thread->cache;
    struct lru_policy policy = policy_of(thread, size_class);
    struct victim     victims[VICTIMS_MAX];
    struct lru_search search = {
        .spare_active = cache->evicts && !last_round,
        .dead_only = !cache->evicts,
        .most = victims_wanted(cache, size_class),
    };
    unsigned found;

    counter_add(&thread->counters.of_class[size_class].direct_reclaims, 1);
    found = lru_find_victims(&cache->lru[size_class], &policy, &search, victims);
    for (unsigned i = 0; i < found; i++)
        evict(thread, victims[i], search.dead_only);
}

bool
cache_upkeep_step(struct cache_thread *thread, unsigned size_class)
{
    struct lru_policy policy = policy_of(thread, size_class);
    struct victim     victims[VICTIMS_MAX];
    unsigned          found, moved;

    locks_must_be_none();
    found =
        lru_keep(&thread->cache->lru[size_class], &policy, VICTIMS_MAX, victims, &moved);
    for (unsigned i = 0; i < found; i++)
        evict(thread, victims[i], true);
    return found + moved > 0;
}

/* `in_need`: where nothing can be evicted, the class may have what it is granted then. */
static struct item *
take(struct cache_thread *thread, unsigned size_class, bool in_need)
{
    struct cache *cache = thread->cache;

    locks_must_be_none();
    for (unsigned round = 0;; round++) {
        struct item *item =
            pages_take_chunk(&cache->pages, &thread->magazine[size_class], size_class);

        if (item != NULL) {
            item_set_traits(item, ITEM_TAKEN);
            poison_lay(item->bytes, cache->pages.classes.bytes[size_class] - ITEM_HEADER);
            return item;
        }
        if (round == ROUNDS_MAX)
            return NULL;
        if (round + 1 < ROUNDS_MAX || !in_need ||
            !pages_grow_in_need(&cache->pages, size_class))
            evict_some(thread, size_class, round + 1 == ROUNDS_MAX);
    }
}

struct item *
item_take(struct cache_thread *thread, unsigned size_class)
{
    struct item *item = take(thread, size_class, true);

    if (item == NULL)
        counter_add(&thread->counters.of_class[size_class].out_of_memory, 1);
    return item;
}

/* The chunks of a small class may all be parts of chains, which are in the list of the
 * largest class: that is where something can be evicted then. */
struct item *
item_take_part(struct cache_thread *thread, unsigned size_class)
{
    unsigned     largest = thread->cache->pages.classes.count;
    struct item *item = NULL;

    if (size_class != largest)
        item = take(thread, size_class, true);
    return item != NULL ? item : item_take(thread, largest);
}

struct item *
item_take_to_move(struct cache_thread *thread, unsigned size_class, bool is_part)
{
    unsigned     largest = thread->cache->pages.classes.count;
    struct item *item = take(thread, size_class, false);

    if (item == NULL && is_part && size_class != largest)
        item = take(thread, largest, false);
    return item;
}

void
item_give(struct cache_thread *thread, struct item *item)
{
    struct pages *pages = &thread->cache->pages;
    unsigned      size_class = pages_class(pages, item);

    if (item_is_chained(item))
        chain_give(thread, item);
    pages_give_chunk(pages, &thread->magazine[size_class], size_class, item);
}

void
item_unref(struct cache_thread *thread, struct item *item)
{
    uint16_t before =
        atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel);

    must(before > 0);
    if (before == 1)
        item_give(thread, item);
}

bool
spare_has(struct spare *spare, unsigned size_class)
{
    if (spare->item != NULL && spare->size_class == size_class)
        return true;
    spare->wanted = size_class;
    return false;
}

bool
spare_fetch(struct cache_thread *thread, struct spare *spare)
{
    spare_return(thread, spare);
    spare->size_class = spare->wanted;
    spare->wanted = 0;
    spare->item = item_take(thread, spare->size_class);
    return spare->item != NULL;
}

void
spare_return(struct cache_thread *thread, struct spare *spare)
{
    if (spare->item != NULL)
        item_give(thread, spare->item);
    spare->item = NULL;
}
