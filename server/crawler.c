/* server/crawler.c - dropping the dead in the background. See crawler.h. */
#include "server/crawler.h"

#include <string.h>

#include "protocol/events.h"

enum {
    ROUND_S = 60,         /* from the end of a round to the next one                  */
    LOOK_S = 1,           /* how often it looks whether one is needed earlier         */
    REST_TIMES = 10,      /* it rests so many times as long as it has worked          */
    WORTH_PERCENT = 1,    /* of a sample are dead: a round is worth it                */
    SAMPLE_BUCKETS = 256, /* some thousand items                                     */
    BUCKETS_A_TURN = 64,  /* some hundred items at most                               */
};

void
crawler_init(struct crawler *crawler, struct cache *cache, struct watch_ring *ring,
             struct pulse *pulse, const struct options *options, uint64_t now_us)
{
    crawler->cache = cache;
    crawler->ring = ring;
    crawler->pulse = pulse;
    atomic_init(&crawler->enabled, options->lru_crawler);
    atomic_init(&crawler->sleep_us, options->lru_crawler_sleep_us);
    atomic_init(&crawler->most, options->lru_crawler_tocrawl);
    crawler->began_us = crawler->ended_us = now_us;
    lock_init(&crawler->lock, RANK_LEAF);
}

void
crawler_fini(struct crawler *crawler)
{
    lock_fini(&crawler->lock);
}

/* Is there a use for what the dead take up? */
static bool
memory_is_short(const struct crawler *crawler)
{
    struct cache_counters sum;

    cache_counters_sum(crawler->cache, &sum, NULL);
    return cache_memory_is_short(crawler->cache) ||
           sum.out_of_memory != crawler->before.all.out_of_memory;
}

/* Of what lies between these sums, is enough dead, by bytes? */
static bool
is_worth_it(struct cache *cache, const struct crawler_sums *before,
            const struct crawler_sums *after)
{
    uint64_t dead = 0, all = 0;

    for (unsigned i = 1; i <= cache_class_count(cache); i++) {
        const struct cache_class_counters *was = &before->of_class[i];
        const struct cache_class_counters *is = &after->of_class[i];
        struct cache_class                 class;

        if (is->crawler_items_checked == was->crawler_items_checked)
            continue;
        cache_class_show(cache, i, &class);
        dead += (is->crawler_reclaimed - was->crawler_reclaimed) * class.chunk_bytes;
        all +=
            (is->crawler_items_checked - was->crawler_items_checked) * class.chunk_bytes;
    }
    return dead * 100 > all * WORTH_PERCENT;
}

/* Reap some items more. What is not in memory has to be read first, which may take long. */
static bool
step(struct crawler *crawler, struct cache_thread *cache_thread, struct cache_walk *walk,
     uint64_t left[CACHE_CLASS_MAX + 1])
{
    pulse_beat(crawler->pulse);
    return cache_reap_step(cache_thread, walk, left);
}

/* Reap a part of the table, the next one each time. Keys are spread evenly, so it tells what
 * a round would find. */
static bool
sample_is_worth_it(struct crawler *crawler, struct cache_thread *cache_thread)
{
    struct crawler_sums before, after;
    uint64_t            left[CACHE_CLASS_MAX + 1];

    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++)
        left[i] = UINT64_MAX;
    cache_counters_sum(crawler->cache, &before.all, before.of_class);
    for (unsigned i = 0; i < SAMPLE_BUCKETS; i++) {
        if (!step(crawler, cache_thread, &crawler->sample, left))
            crawler->sample = (struct cache_walk){ 0 };
    }
    cache_counters_sum(crawler->cache, &after.all, after.of_class);
    return is_worth_it(crawler->cache, &before, &after);
}

/* Is it time for a round that nobody has asked for? */
static bool
is_time(struct crawler *crawler, struct cache_thread *cache_thread, uint64_t now_us)
{
    uint64_t idle_us = now_us - crawler->ended_us;
    uint64_t worked_us = crawler->ended_us - crawler->began_us;

    if (!atomic_load(&crawler->enabled))
        return false;
    return idle_us >= (uint64_t)ROUND_S * 1000000 ||
           (memory_is_short(crawler) && idle_us >= REST_TIMES * worked_us &&
            sample_is_worth_it(crawler, cache_thread));
}

/* Is there anything to do? Then what. */
static bool
has_work(struct crawler *crawler, struct cache_thread *cache_thread, uint64_t now_us)
{
    uint32_t most = atomic_load(&crawler->most);
    bool     timely = is_time(crawler, cache_thread, now_us), works;

    lock_take(&crawler->lock);
    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++) {
        bool wanted = !crawler->asked || crawler->classes[i];

        crawler->left[i] = !wanted ? 0 : most != 0 ? most : UINT64_MAX;
    }
    works = (timely || crawler->asked) && atomic_load(&crawler->enabled);
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
    int64_t next_run_s = memory_is_short(crawler) ? LOOK_S : ROUND_S;

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

static void
end(struct crawler *crawler, uint64_t now_us)
{
    struct crawler_sums after;

    crawler->ended_us = now_us;
    cache_counters_sum(crawler->cache, &after.all, after.of_class);
    if (watch_wants(crawler->ring->watch, WATCH_SYSEVENTS))
        tell(crawler, &after);
    crawler->under_way = false;
    atomic_store(&crawler->running, false);
}

uint64_t
crawler_turn(struct crawler *crawler, struct cache_thread *cache_thread, uint64_t now_us)
{
    uint64_t next_us = now_us + LOOK_S * 1000000;
    bool     goes_on = true;

    if (!crawler->under_way) {
        if (!has_work(crawler, cache_thread, now_us))
            return next_us;
        begin(crawler, now_us);
    }
    for (unsigned i = 0; i < BUCKETS_A_TURN && goes_on; i++)
        goes_on = step(crawler, cache_thread, &crawler->walk, crawler->left);
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
