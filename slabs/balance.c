/* slabs/balance.c - what automove.c is to decide by, and what becomes of it.
 *
 * Threads: the one that calls cache_move_step().
 */
#include "slabs/cache_priv.h"

enum {
    WANTED_S = 10,
    POOL_PART = 16, /* of all pages is enough to be nobody's */
};

void
balance_want(struct cache *cache, size_t pages)
{
    uint32_t limit = atomic_load(&cache->pages.limit);

    if (!cache->evicts || pages > limit - limit / 4)
        return;
    atomic_store(&cache->wanted_until, clock_now(cache->clock) + WANTED_S * CLOCK_HZ);
    atomic_store(&cache->wanted_pages, (uint32_t)pages);
}

/* How many pages the largest class is to have just now. */
static uint32_t
wanted(struct cache *cache)
{
    return clock_is_past(atomic_load(&cache->wanted_until), clock_now(cache->clock))
               ? 0
               : atomic_load(&cache->wanted_pages);
}

bool
balance_is_wanting(struct cache *cache)
{
    uint32_t owned, pages = wanted(cache);

    if (pages == 0)
        return false;
    pages_free_chunks(&cache->pages, cache->pages.classes.count, &owned);
    return owned < pages;
}

static void
fill(struct cache *cache, struct automove_class classes[CLASS_MAX + 1])
{
    uint32_t now = clock_now(cache->clock), largest = cache->pages.classes.count;

    for (unsigned i = 1; i <= cache->pages.classes.count; i++) {
        struct automove_class *class = &classes[i];
        struct lru_want        want = lru_want(&cache->lru[i], &cache->pages, now);

        *class = (struct automove_class){
            .least = pages_granted(&cache->pages, i),
            .a_page = pages_chunks(&cache->pages, i),
            .added = (uint32_t)want.added,
            .filled = (uint32_t)want.filled,
            .evicted = (uint32_t)want.evicted,
            .returned = (uint32_t)want.returned,
            .idle = want.idle,
            .evicted_idle = want.evicted_idle,
        };
        class->free = pages_free_chunks(&cache->pages, i, &class->pages);
    }
    if (classes[largest].least < wanted(cache))
        classes[largest].least = wanted(cache);
}

unsigned
balance_give(struct cache *cache)
{
    struct automove_class classes[CLASS_MAX + 1];

    fill(cache, classes);
    return automove_give(&cache->automove, classes, cache->pages.classes.count);
}

/* Is there so much that is nobody's that a class which begins to grow need not evict before
 * the next look? */
static bool
has_enough(struct cache *cache)
{
    return pages_may_use(&cache->pages, atomic_load(&cache->pages.limit) / POOL_PART + 1);
}

/* Ask for what automove.c finds right. */
static void
balance(struct cache *cache, const struct automove_class *classes,
        const struct cache_automove *how)
{
    const struct automove_how plainly = { how->mode == CACHE_AUTOMOVE_EAGER, how->ratio };
    unsigned                  count = cache->pages.classes.count;
    unsigned from = automove_spare(&cache->automove, classes, count), to = CACHE_POOL;

    cache->has_spare = from != 0;
    if (has_enough(cache))
        return;
    if (from != 0 ||
        (cache->evicts && !pages_may_use(&cache->pages, 1) &&
         automove_decide(&cache->automove, classes, count, &plainly, &from, &to)))
        mover_ask(cache, from, to);
}

bool
cache_has_spare(const struct cache *cache)
{
    return cache->has_spare;
}

/* For this look: then it is tried again. */
static void
spare_barren(struct cache *cache, struct automove_class *classes)
{
    unsigned barren = cache->mover.barren;

    if (barren != 0)
        classes[barren].least = classes[barren].pages;
    cache->mover.barren = 0;
}

bool
cache_balance(struct cache_thread *thread, const struct cache_automove *how)
{
    struct cache         *cache = thread->cache;
    struct automove_class classes[CLASS_MAX + 1];
    bool                  busy;

    fill(cache, classes);
    spare_barren(cache, classes);
    busy = automove_look(&cache->automove, classes, cache->pages.classes.count);
    if (how->mode == CACHE_AUTOMOVE_NEVER)
        cache->has_spare = false;
    else if (!cache_is_moving(cache))
        balance(cache, classes, how);
    return busy;
}
