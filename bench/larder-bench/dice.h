/* bench/larder-bench/dice.h - random numbers that a seed repeats, and a mixer of bits.
 *
 * splitmix64: a roll is a mixed counter, so any seed is a good one.
 */
#ifndef LARDER_BENCH_DICE_H
#define LARDER_BENCH_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state;
};

/* Each bit of the result depends on all bits of the number; no two numbers share a result. */
static inline uint64_t
dice_mix(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

static inline uint64_t
dice_roll(struct dice *dice)
{
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    return dice_mix(dice->state);
}

/* The upper 53 bits of a number as a fraction in [0, 1). */
static inline double
dice_fraction_of(uint64_t number)
{
    return (double)(number >> 11) * 0x1p-53;
}

static inline double
dice_fraction(struct dice *dice)
{
    return dice_fraction_of(dice_roll(dice));
}

/* In [0, limit), each as likely as the next: the upper half of a product has no bias to
 * speak of. */
static inline uint64_t
dice_below(struct dice *dice, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)dice_roll(dice) * limit >> 64);
}

#endif
