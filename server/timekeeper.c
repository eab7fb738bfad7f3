/* server/timekeeper.c - the only place that asks the system for the time of the cache. */
#include "server/timekeeper.h"

#include <time.h>

enum { TICK_NS = 1000000000 / CLOCK_HZ };

/* By the clock that the kernel keeps anyway: it is asked at each request, and some milliseconds
 * are nothing to a tick. */
static int64_t
monotonic_ticks(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * CLOCK_HZ + now.tv_nsec / TICK_NS;
}

void
timekeeper_init(struct timekeeper *timekeeper, struct clock *clock)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    clock_init(clock, now.tv_sec);
    clock_set(clock, clock_now(clock) + (uint32_t)(now.tv_nsec / TICK_NS));
    *timekeeper = (struct timekeeper){
        .clock = clock,
        .start_ticks = monotonic_ticks() - clock_now(clock),
    };
}

void
timekeeper_resume(struct timekeeper *timekeeper, int64_t origin_s, uint32_t least)
{
    struct clock   *clock = timekeeper->clock;
    struct timespec now;
    int64_t         ticks;

    clock_gettime(CLOCK_REALTIME, &now);
    ticks = (now.tv_sec - origin_s) * CLOCK_HZ + now.tv_nsec / TICK_NS;
    if (ticks < least)
        ticks = least;
    if (ticks > UINT32_MAX)
        ticks = UINT32_MAX;
    clock->origin_s = origin_s;
    clock_set(clock, (uint32_t)ticks);
    timekeeper->start_ticks = monotonic_ticks() - ticks;
}

/* Set the clock forward, unless another thread has set it further. */
static void
advance(struct clock *clock, int64_t ticks)
{
    uint32_t now = clock_now(clock);

    if (ticks > UINT32_MAX)
        ticks = UINT32_MAX;
    while (ticks > now &&
           !atomic_compare_exchange_weak(&clock->now, &now, (uint32_t)ticks))
        ;
}

void
timekeeper_tick(struct timekeeper *timekeeper)
{
    if (atomic_load_explicit(&timekeeper->paused, memory_order_relaxed))
        return;
    advance(timekeeper->clock,
            monotonic_ticks() - timekeeper->start_ticks +
                atomic_load_explicit(&timekeeper->shift_ticks, memory_order_relaxed));
}

void
timekeeper_pause(struct timekeeper *timekeeper, bool paused)
{
    atomic_store(&timekeeper->paused, paused);
}

void
timekeeper_shift(struct timekeeper *timekeeper, int32_t seconds)
{
    int64_t ticks = (int64_t)seconds * CLOCK_HZ;
    int64_t shifted = (int64_t)clock_now(timekeeper->clock) + ticks;

    if (shifted <= 0 || shifted > UINT32_MAX)
        return;
    atomic_fetch_add(&timekeeper->shift_ticks, ticks);
    clock_set(timekeeper->clock, (uint32_t)shifted);
}
