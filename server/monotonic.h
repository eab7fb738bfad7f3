/* server/monotonic.h - the clock that nobody sets, for how long something takes. */
#ifndef LARDER_SERVER_MONOTONIC_H
#define LARDER_SERVER_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
