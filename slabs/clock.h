/* slabs/clock.h - the one clock that everything asks.
 *
 * Time is a 32-bit count of ticks since an origin: CLOCK_HZ a second, which lasts 11
 * years, enough for every Unix time of 31 bits. Whoever owns the clock sets `now`: the
 * daemon at every tick and before it serves a client, a test when it likes. Nothing
 * below server/ asks the system what time it is.
 *
 * Deadlines: 0 means never; an item is dead once now >= deadline. `now` is the true time
 * rounded down, so a deadline is put one tick later: an item never dies before its time,
 * and at most a tick after it. Who depends on that sets the clock before he asks it.
 */
#ifndef LARDER_SLABS_CLOCK_H
#define LARDER_SLABS_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CLOCK_HZ = 12,
    CLOCK_START_S = 2, /* what a new clock shows, so that 1 is always in the past */
};

#define CLOCK_NEVER 0u
#define CLOCK_PAST 1u

/* Longest expiry that clients mean as a duration; beyond it is a Unix time. */
#define CLOCK_RELATIVE_MAX_S (60 * 60 * 24 * 30)

struct clock {
    _Atomic uint32_t now;      /* ticks since the origin                            */
    int64_t          origin_s; /* Unix time at tick 0; frozen once in use           */
};

/* A clock that stands at CLOCK_START_S while the Unix time is unix_s. */
void clock_init(struct clock *clock, int64_t unix_s);

static inline uint32_t
clock_now(const struct clock *clock)
{
    return atomic_load_explicit(&clock->now, memory_order_relaxed);
}

static inline void
clock_set(struct clock *clock, uint32_t ticks)
{
    atomic_store_explicit(&clock->now, ticks, memory_order_relaxed);
}

/* Whole seconds since the origin. */
static inline uint32_t
clock_seconds(const struct clock *clock)
{
    return clock_now(clock) / CLOCK_HZ;
}

static inline int64_t
clock_unix_s(const struct clock *clock)
{
    return clock->origin_s + clock_seconds(clock);
}

static inline bool
clock_is_past(uint32_t deadline, uint32_t now)
{
    return deadline != CLOCK_NEVER && deadline <= now;
}

/* The deadline that an expiry time of the memcached protocols means: 0 never,
 * negative already past, up to 30 days from now on, beyond that Unix time. */
uint32_t clock_deadline(const struct clock *clock, int64_t expiry);

#endif
