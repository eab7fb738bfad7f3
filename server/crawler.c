/* server/crawler.c - dropping the dead in the background. See crawler.h. */
#include "server/crawler.h"

#include <signal.h>
#include <string.h>
#include <time.h>

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

static bool
is_stopping(struct crawler *crawler)
{
    bool stopping;

    pthread_mutex_lock(&crawler->mutex);
    stopping = crawler->stopping || !atomic_load(&crawler->enabled);
    pthread_mutex_unlock(&crawler->mutex);
    return stopping;
}

static void
crawl(struct crawler *crawler, uint64_t left[CACHE_CLASS_MAX + 1])
{
    struct cache_walk walk = { 0 };

    atomic_fetch_add(&crawler->starts, 1);
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
crawler_start(struct crawler *crawler, struct cache *cache, bool enabled,
              uint32_t sleep_us, uint32_t most)
{
    sigset_t all, before;

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
