/* server/crawler.c - dropping the dead in the background. See crawler.h. */
#include "server/crawler.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "protocol/events.h"
#include "slabs/counters.h"

enum {
    ROUND_S = 60,         /* from the end of a round to the next one              */
    BUCKETS_A_SLEEP = 64, /* steps between two sleeps: some hundred items at most */
};

/* Wait until somebody asks or the time is up; what to crawl. False at the end. */
static bool
wait_for_work(struct crawler *crawler, uint64_t left[CACHE_CLASS_MAX + 1])
{
    uint32_t        most = atomic_load(&crawler->most);
    struct timespec until;
    int             waited = 0;
    bool            goes_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ROUND_S;
    pthread_mutex_lock(&crawler->mutex);
    while (!crawler->stopping && !crawler->asked && waited == 0)
        waited = pthread_cond_timedwait(&crawler->told, &crawler->mutex, &until);
    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++) {
        bool wanted = !crawler->asked || crawler->classes[i];

        left[i] = !wanted ? 0 : most != 0 ? most : UINT64_MAX;
    }
    crawler->asked = false;
    goes_on = !crawler->stopping;
    atomic_store(&crawler->running, goes_on && atomic_load(&crawler->enabled));
    pthread_mutex_unlock(&crawler->mutex);
    return goes_on;
}

static int64_t
monotonic_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static bool
is_stopping(struct crawler *crawler)
{
    bool stopping;

    pthread_mutex_lock(&crawler->mutex);
    stopping = crawler->stopping || !atomic_load(&crawler->enabled);
    pthread_mutex_unlock(&crawler->mutex);
    return stopping;
}

/* What a round has come to, a line for each class that had items. */
static void
tell(struct crawler *crawler, const struct cache_class_counters *before, int64_t began_s)
{
    struct cache_class_counters after[CACHE_CLASS_MAX + 1];
    struct cache_counters       sum;
    char                        line[EVENTS_LINE_MAX];

    cache_counters_sum(crawler->cache, &sum, after);
    for (unsigned i = 1; i <= cache_class_count(crawler->cache); i++) {
        struct events_crawl round = {
            .size_class = i,
            .examined = after[i].crawler_items_checked - before[i].crawler_items_checked,
            .reclaimed = after[i].crawler_reclaimed - before[i].crawler_reclaimed,
            .elapsed_s = monotonic_s() - began_s,
            .next_run_s = ROUND_S,
        };

        if (round.examined > 0)
            watch_tell(crawler->ring, WATCH_SYSEVENTS, events_crawl(line, &round));
    }
    watch_wake(crawler->ring->watch);
}

static void
crawl(struct crawler *crawler, uint64_t left[CACHE_CLASS_MAX + 1])
{
    struct cache_class_counters before[CACHE_CLASS_MAX + 1];
    struct cache_counters       sum;
    struct cache_walk           walk = { 0 };
    int64_t                     began_s = monotonic_s();

    atomic_fetch_add(&crawler->starts, 1);
    cache_counters_sum(crawler->cache, &sum, before);
    for (unsigned steps = 1; cache_reap_step(crawler->cache_thread, &walk, left);
         steps++) {
        uint32_t        us = atomic_load(&crawler->sleep_us);
        struct timespec pause = { us / 1000000, us % 1000000 * 1000 };

        if (steps % BUCKETS_A_SLEEP != 0)
            continue;
        if (is_stopping(crawler))
            break;
        if (us > 0)
            nanosleep(&pause, NULL);
    }
    if (watch_wants(crawler->ring->watch, WATCH_SYSEVENTS))
        tell(crawler, before, began_s);
    atomic_store(&crawler->running, false);
}

static void *
run(void *arg)
{
    struct crawler *crawler = arg;
    uint64_t        left[CACHE_CLASS_MAX + 1];

    while (wait_for_work(crawler, left)) {
        if (atomic_load(&crawler->running))
            crawl(crawler, left);
    }
    return NULL;
}

/* Waits are measured by the clock that nobody sets. */
static bool
init_told(pthread_cond_t *told)
{
    pthread_condattr_t attributes;
    bool               good;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(told, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return good;
}

bool
crawler_start(struct crawler *crawler, struct cache *cache, struct watch_ring *ring,
              bool enabled, uint32_t sleep_us, uint32_t most)
{
    sigset_t all, before;

    crawler->cache = cache;
    crawler->ring = ring;
    atomic_init(&crawler->enabled, enabled);
    atomic_init(&crawler->sleep_us, sleep_us);
    atomic_init(&crawler->most, most);
    crawler->cache_thread = cache_thread_create(cache);
    if (crawler->cache_thread == NULL || !init_told(&crawler->told))
        goto fail;
    pthread_mutex_init(&crawler->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    crawler->started = pthread_create(&crawler->thread, NULL, run, crawler) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (crawler->started)
        return true;
    pthread_mutex_destroy(&crawler->mutex);
    pthread_cond_destroy(&crawler->told);
fail:
    cache_thread_destroy(&crawler->cache_thread);
    return false;
}

void
crawler_stop(struct crawler *crawler)
{
    if (!crawler->started)
        return;
    pthread_mutex_lock(&crawler->mutex);
    crawler->stopping = true;
    pthread_cond_signal(&crawler->told);
    pthread_mutex_unlock(&crawler->mutex);
    pthread_join(crawler->thread, NULL);
    pthread_mutex_destroy(&crawler->mutex);
    pthread_cond_destroy(&crawler->told);
    cache_thread_destroy(&crawler->cache_thread);
    crawler->started = false;
}

bool
crawler_ask(struct crawler *crawler, const bool classes[CACHE_CLASS_MAX + 1])
{
    bool free;

    pthread_mutex_lock(&crawler->mutex);
    free = !crawler->asked && !atomic_load(&crawler->running);
    if (free) {
        memcpy(crawler->classes, classes, sizeof(crawler->classes));
        crawler->asked = true;
        atomic_store(&crawler->running, true); /* to whoever waits for it to end */
        pthread_cond_signal(&crawler->told);
    }
    pthread_mutex_unlock(&crawler->mutex);
    return free;
}

bool
crawler_enable(struct crawler *crawler, bool enabled)
{
    return atomic_exchange(&crawler->enabled, enabled) != enabled;
}
