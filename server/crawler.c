/* server/crawler.c - dropping the dead in the background. See crawler.h. */
#include "server/crawler.h"

#include <string.h>

#include "protocol/events.h"

enum {
    ROUND_S = 60,         /* from the end of a round to the next one                 */
    PATIENCE_LEAST_S = 1, /* the same where memory is short, and how often it looks  */
    REST_TIMES = 10,      /* then it rests so many times as long as it has worked    */
    WORTH_PERCENT = 1,    /* of dead items in a round: it was worth it               */
    BUCKETS_A_TURN = 64,  /* some hundred items at most                              */
};

void
crawler_init(struct crawler *crawler, struct cache *cache, struct watch_ring *ring,
             const struct options *options, uint64_t now_us)
{
    crawler->cache = cache;
    crawler->ring = ring;
    atomic_init(&crawler->enabled, options->lru_crawler);
    atomic_init(&crawler->sleep_us, options->lru_crawler_sleep_us);
    atomic_init(&crawler->most, options->lru_crawler_tocrawl);
    crawler->began_us = crawler->ended_us = now_us;
    crawler->patience_s = PATIENCE_LEAST_S;
    lock_init(&crawler->lock, RANK_LEAF);
}

void
crawler_fini(struct crawler *crawler)
{
    lock_fini(&crawler->lock);
}

/* Seconds from the end of the last round until it is time by itself. */
static uint64_t
wait_s(struct crawler *crawler)
{
    struct cache_counters sum;
    uint64_t worked_s = (crawler->ended_us - crawler->began_us) / 1000000, least_s;

    cache_counters_sum(crawler->cache, &sum, NULL);
    if (!cache_memory_is_short(crawler->cache) &&
        sum.out_of_memory == crawler->before.all.out_of_memory)
        return ROUND_S;
    least_s = crawler->patience_s + REST_TIMES * worked_s;
    return least_s < ROUND_S ? least_s : ROUND_S;
}

/* Is there anything to do? Then what. */
static bool
has_work(struct crawler *crawler, uint64_t now_us)
{
    uint32_t most = atomic_load(&crawler->most);
    bool     is_time = now_us >= crawler->ended_us + wait_s(crawler) * 1000000;
    bool     works;

    lock_take(&crawler->lock);
    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++) {
        bool wanted = !crawler->asked || crawler->classes[i];

        crawler->left[i] = !wanted ? 0 : most != 0 ? most : UINT64_MAX;
    }
    works = (is_time || crawler->asked) && atomic_load(&crawler->enabled);
    crawler->asked = false;
    crawler->under_way = works;
    atomic_store(&crawler->running, works);
    lock_drop(&crawler->lock);
    return works;
}

static void
begin(struct crawler *crawler, uint64_t now_us)
{
    crawler->walk = (struct cache_walk){ 0 };
    crawler->began_us = now_us;
    cache_counters_sum(crawler->cache, &crawler->before.all, crawler->before.of_class);
    atomic_fetch_add(&crawler->starts, 1);
}

/* What a round has come to, a line for each class that had items. */
static void
tell(struct crawler *crawler, const struct crawler_sums *after)
{
    const struct cache_class_counters *was = crawler->before.of_class;
    const struct cache_class_counters *is = after->of_class;
    char                               line[EVENTS_LINE_MAX];
    int64_t                            next_run_s = (int64_t)wait_s(crawler);

    for (unsigned i = 1; i <= cache_class_count(crawler->cache); i++) {
        struct events_crawl round = {
            .size_class = i,
            .examined = is[i].crawler_items_checked - was[i].crawler_items_checked,
            .reclaimed = is[i].crawler_reclaimed - was[i].crawler_reclaimed,
            .elapsed_s = (int64_t)((crawler->ended_us - crawler->began_us) / 1000000),
            .next_run_s = next_run_s,
        };

        if (round.examined > 0)
            watch_tell(crawler->ring, WATCH_SYSEVENTS, events_crawl(line, &round));
    }
}

/* A round that finds next to nothing makes it more patient. */
static void
end(struct crawler *crawler, uint64_t now_us)
{
    struct crawler_sums after;
    uint64_t            examined, reclaimed;

    crawler->ended_us = now_us;
    cache_counters_sum(crawler->cache, &after.all, after.of_class);
    examined =
        after.all.crawler_items_checked - crawler->before.all.crawler_items_checked;
    reclaimed = after.all.crawler_reclaimed - crawler->before.all.crawler_reclaimed;
    if (reclaimed * 100 > examined * WORTH_PERCENT)
        crawler->patience_s = PATIENCE_LEAST_S;
    else if (crawler->patience_s < ROUND_S)
        crawler->patience_s *= 2;
    if (watch_wants(crawler->ring->watch, WATCH_SYSEVENTS))
        tell(crawler, &after);
    crawler->under_way = false;
    atomic_store(&crawler->running, false);
}

uint64_t
crawler_turn(struct crawler *crawler, struct cache_thread *cache_thread, uint64_t now_us)
{
    uint64_t next_us = now_us + PATIENCE_LEAST_S * 1000000;
    bool     goes_on = true;

    if (!crawler->under_way) {
        if (!has_work(crawler, now_us))
            return next_us;
        begin(crawler, now_us);
    }
    for (unsigned i = 0; i < BUCKETS_A_TURN && goes_on; i++)
        goes_on = cache_reap_step(cache_thread, &crawler->walk, crawler->left);
    if (goes_on && atomic_load(&crawler->enabled))
        return now_us + atomic_load(&crawler->sleep_us);
    end(crawler, now_us);
    return next_us;
}

bool
crawler_ask(struct crawler *crawler, const bool classes[CACHE_CLASS_MAX + 1])
{
    bool free;

    lock_take(&crawler->lock);
    free = !crawler->asked && !atomic_load(&crawler->running);
    if (free) {
        memcpy(crawler->classes, classes, sizeof(crawler->classes));
        crawler->asked = true;
        atomic_store(&crawler->running, true); /* to whoever waits for it to end */
    }
    lock_drop(&crawler->lock);
    return free;
}

bool
crawler_enable(struct crawler *crawler, bool enabled)
{
    return atomic_exchange(&crawler->enabled, enabled) != enabled;
}
