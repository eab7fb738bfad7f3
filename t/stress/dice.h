/* t/stress/dice.h - random numbers that a seed repeats, hashes, and the time.
 *
 * Small and pure, so it is all inline. The generator is splitmix64: each roll is a hash of a
 * counter, and any 64-bit number is a good seed.
 */
#ifndef LARDER_T_STRESS_DICE_H
#define LARDER_T_STRESS_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct dice {
    uint64_t state;
};

static inline uint64_t
mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t
dice_roll(struct dice *d)
{
    return mix(d->state += UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t
dice_below(struct dice *d, uint64_t limit)
{
    return dice_roll(d) % limit;
}

static inline bool
dice_one_in(struct dice *d, uint64_t n)
{
    return dice_below(d, n) == 0;
}

/* Between low and high, every power of two as likely as the next. */
static inline uint64_t
dice_log(struct dice *d, uint64_t low, uint64_t high)
{
    unsigned steps = 0;
    uint64_t floor, ceiling;

    while (low << steps < high)
        steps++;
    if (steps == 0)
        return low;
    floor = low << dice_below(d, steps);
    ceiling = floor * 2 < high ? floor * 2 : high;
    return floor + dice_below(d, ceiling - floor + 1);
}

static inline uint64_t
hash_bytes(const char *data, size_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return mix(h ^ length);
}

static inline uint64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
