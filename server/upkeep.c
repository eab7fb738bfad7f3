/* server/upkeep.c - the background thread. See upkeep.h. */
#include "server/upkeep.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "server/monotonic.h"
#include "server/sandbox.h"

enum {
    STEPS_A_CLASS = 8, /* of cache_upkeep_step() before it is another class's turn  */
    PAUSE_LEAST_US = 1000,
    PAUSE_MOST_US = 1000000, /* where there is nothing to do                         */
    NICE = 10,               /* where there are not cores enough, workers go first */
    POPULATE_US = 100000,    /* between two looks at table and pages                  */
};

/* Look at the lists of all classes; when they are to be looked at again. */
static uint64_t
lists_turn(struct upkeep *upkeep, uint64_t now_us)
{
    unsigned count = cache_class_count(upkeep->cache);
    bool     worked = false;

    if (!upkeep->keeps_lists)
        return UINT64_MAX;
    for (unsigned size_class = 1; size_class <= count; size_class++) {
        for (unsigned i = 0; i < STEPS_A_CLASS; i++) {
            pulse_beat(&upkeep->pulse);
            if (!cache_upkeep_step(upkeep->cache_thread, size_class))
                break;
            worked = true;
        }
    }
    atomic_fetch_add(&upkeep->juggles, 1);
    if (worked)
        upkeep->lists_pause_us = PAUSE_LEAST_US;
    else if (upkeep->lists_pause_us < PAUSE_MOST_US / 2)
        upkeep->lists_pause_us *= 2;
    else
        upkeep->lists_pause_us = PAUSE_MOST_US;
    return now_us + upkeep->lists_pause_us;
}

/* See to it that table and pages have memory to grow into; when to do so again. */
static uint64_t
memory_turn(struct upkeep *upkeep, uint64_t now_us)
{
    while (cache_populate_step(upkeep->cache_thread))
        pulse_beat(&upkeep->pulse);
    return now_us + POPULATE_US;
}

/* Sleep until then, or until somebody tells. The mutex is held. */
static void
sleep_until(struct upkeep *upkeep, uint64_t us)
{
    struct timespec until = { (time_t)(us / 1000000), (long)(us % 1000000 * 1000) };

    pthread_cond_timedwait(&upkeep->told, &upkeep->mutex, &until);
}

/* When the duties want their next turns. */
struct due {
    uint64_t lists_us;
    uint64_t crawler_us;
    uint64_t mover_us;
    uint64_t memory_us;
};

static uint64_t
earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* A turn for each that is due. What they tell watchers is sent at its end. */
static void
take_turns(struct upkeep *upkeep, struct due *due, uint64_t now_us)
{
    uint64_t lines = upkeep->ring->lines;

    if (now_us >= due->lists_us)
        due->lists_us = lists_turn(upkeep, now_us);
    if (now_us >= due->crawler_us)
        due->crawler_us = crawler_turn(&upkeep->crawler, upkeep->cache_thread, now_us);
    if (now_us >= due->mover_us)
        due->mover_us = mover_turn(&upkeep->mover, upkeep->cache_thread, now_us);
    if (now_us >= due->memory_us)
        due->memory_us = memory_turn(upkeep, now_us);
    if (upkeep->ring->lines != lines)
        watch_wake(upkeep->ring->watch);
}

static void *
run(void *arg)
{
    struct upkeep *upkeep = arg;
    struct due     due = { 0 };

    pthread_setname_np(pthread_self(), "upkeep");
    /* Of this thread alone; it does its work as well where that is not allowed. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
    sandbox_enter(upkeep->sandbox, SANDBOX_UPKEEP);
    pthread_mutex_lock(&upkeep->mutex);
    while (!upkeep->stopping) {
        uint64_t now_us = monotonic_us();
        uint64_t next_us = earlier(earlier(due.lists_us, due.memory_us),
                                   earlier(due.crawler_us, due.mover_us));

        pulse_beat(&upkeep->pulse);
        if (upkeep->crawls)
            due.crawler_us = now_us;
        if (upkeep->moves)
            due.mover_us = now_us;
        if (now_us < next_us && !upkeep->crawls && !upkeep->moves) {
            sleep_until(upkeep, next_us);
            continue;
        }
        upkeep->crawls = upkeep->moves = false;
        pthread_mutex_unlock(&upkeep->mutex);
        take_turns(upkeep, &due, now_us);
        pthread_mutex_lock(&upkeep->mutex);
    }
    pthread_mutex_unlock(&upkeep->mutex);
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
upkeep_start(struct upkeep *upkeep, struct cache *cache, struct watch_ring *ring,
             const struct options *options, struct sandbox *sandbox)
{
    sigset_t all, before;

    upkeep->cache = cache;
    upkeep->ring = ring;
    upkeep->keeps_lists = options->lru_maintainer;
    upkeep->sandbox = sandbox;
    upkeep->lists_pause_us = PAUSE_LEAST_US;
    crawler_init(&upkeep->crawler, cache, ring, &upkeep->pulse, options, monotonic_us());
    mover_init(&upkeep->mover, cache, ring, &upkeep->pulse, options);
    upkeep->cache_thread = cache_thread_create(cache);
    if (upkeep->cache_thread == NULL || !init_told(&upkeep->told))
        goto fail;
    cache_watch_evictions(upkeep->cache_thread, watch_tell_eviction, ring);
    pthread_mutex_init(&upkeep->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    upkeep->started = pthread_create(&upkeep->thread, NULL, run, upkeep) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (upkeep->started)
        return true;
    pthread_mutex_destroy(&upkeep->mutex);
    pthread_cond_destroy(&upkeep->told);
fail:
    crawler_fini(&upkeep->crawler);
    cache_thread_destroy(&upkeep->cache_thread);
    return false;
}

static void
tell(struct upkeep *upkeep, bool *what)
{
    pthread_mutex_lock(&upkeep->mutex);
    *what = true;
    pthread_cond_signal(&upkeep->told);
    pthread_mutex_unlock(&upkeep->mutex);
}

void
upkeep_stop(struct upkeep *upkeep)
{
    if (!upkeep->started)
        return;
    tell(upkeep, &upkeep->stopping);
    pthread_join(upkeep->thread, NULL);
    pthread_mutex_destroy(&upkeep->mutex);
    pthread_cond_destroy(&upkeep->told);
    crawler_fini(&upkeep->crawler);
    cache_thread_destroy(&upkeep->cache_thread);
    upkeep->started = false;
}

bool
upkeep_crawl(struct upkeep *upkeep, const bool classes[CACHE_CLASS_MAX + 1])
{
    if (!crawler_ask(&upkeep->crawler, classes))
        return false;
    tell(upkeep, &upkeep->crawls);
    return true;
}

void
upkeep_look(struct upkeep *upkeep)
{
    tell(upkeep, &upkeep->moves);
}

enum cache_move_answer
upkeep_move(struct upkeep *upkeep, int64_t from, int64_t to)
{
    enum cache_move_answer answer = cache_move_ask(upkeep->cache, from, to);

    upkeep_look(upkeep);
    return answer;
}

bool
upkeep_answers(struct upkeep *upkeep)
{
    return pulse_call(&upkeep->pulse);
}

void
upkeep_count(const struct upkeep *upkeep, struct upkeep_counters *counters)
{
    *counters =
        (struct upkeep_counters){ .juggles = atomic_load(&upkeep->juggles),
                                  .crawls = atomic_load(&upkeep->crawler.starts) };
}
