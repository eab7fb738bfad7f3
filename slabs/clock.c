/* slabs/clock.c - from the protocols' expiry times to deadlines. */
#include "slabs/clock.h"

void
clock_init(struct clock *clock, int64_t unix_s)
{
    clock->origin_s = unix_s - CLOCK_START_S;
    atomic_init(&clock->now, CLOCK_START_S * CLOCK_HZ);
}

uint32_t
clock_deadline(const struct clock *clock, int64_t expiry)
{
    int64_t ticks;

    if (expiry == 0)
        return CLOCK_NEVER;
    if (expiry < 0)
        return CLOCK_PAST;
    if (expiry <= CLOCK_RELATIVE_MAX_S)
        ticks = (int64_t)clock_now(clock) + expiry * CLOCK_HZ + 1;
    else if (expiry <= clock->origin_s + CLOCK_START_S)
        return CLOCK_PAST;
    else if (expiry - clock->origin_s > UINT32_MAX / CLOCK_HZ)
        return UINT32_MAX;
    else
        ticks = (expiry - clock->origin_s) * CLOCK_HZ;
    return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}
