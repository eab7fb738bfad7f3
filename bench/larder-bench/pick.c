/* bench/larder-bench/pick.c - see pick.h.
 *
 * Zipf by rejection-inversion (Hörmann and Derflinger, 1996), which needs no sum over all keys
 * and takes any exponent: below the curve h(x) = x^-theta, a point is drawn evenly by area, from
 * 1/2 to keys + 1/2. The rank next to its x is taken if the point is under that rank's own bar,
 * else another one is drawn, which is rare.
 */
#include "bench/larder-bench/pick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---------------------------------------------------------------------- */

/* A number from `least` to `most` that ends at `end`; false if there is none. */
static bool
take_number(const char **text, char end, double least, double most, double *number)
{
    char *rest;

    *number = strtod(*text, &rest);
    if (rest == *text || *rest != end || !(*number >= least && *number <= most))
        return false;
    *text = rest + (end != '\0');
    return true;
}

bool
pick_parse(const char *text, struct pick *pick)
{
    *pick = (struct pick){ .kind = PICK_ZIPF, .theta = 0.99 };
    if (strcmp(text, "zipf") == 0)
        return true;
    if (strncmp(text, "zipf:", 5) == 0) {
        text += 5;
        return take_number(&text, '\0', 0.01, 10, &pick->theta);
    }
    if (strncmp(text, "hot:", 4) == 0) {
        pick->kind = PICK_HOT;
        text += 4;
        if (!take_number(&text, ':', 0, 100, &pick->hot_keys) ||
            !take_number(&text, '\0', 0, 100, &pick->hot_share))
            return false;
        pick->hot_keys /= 100;
        pick->hot_share /= 100;
        return true;
    }
    pick->kind = strcmp(text, "uniform") == 0 ? PICK_UNIFORM : PICK_SEQUENTIAL;
    return pick->kind == PICK_UNIFORM || strcmp(text, "sequential") == 0;
}

/* ---- Zipf ------------------------------------------------------------------------- */

static double
height(const struct pick *pick, double x)
{
    return pow(x, -pick->theta);
}

/* The area under the curve from 1 to x: (x^(1-theta) - 1) / (1-theta), or log x for 1. */
static double
area_to(const struct pick *pick, double x)
{
    double power = 1 - pick->theta, log_x = log(x);

    return fabs(power * log_x) < 1e-9 ? log_x : expm1(power * log_x) / power;
}

/* The x up to which there is so much area. */
static double
reach_of(const struct pick *pick, double area)
{
    double power = 1 - pick->theta, grown = power * area;

    if (fabs(grown) < 1e-9)
        return exp(area);
    return exp(log1p(grown > -1 ? grown : -1) / power);
}

static void
prepare_zipf(struct pick *pick)
{
    pick->area_first = area_to(pick, 1.5) - 1;
    pick->area_all = area_to(pick, (double)pick->keys + 0.5);
    pick->shortcut = 2 - reach_of(pick, area_to(pick, 2.5) - height(pick, 2));
}

/* From 0, the rank wanted most. */
static uint64_t
rank_by_zipf(const struct pick *pick, struct dice *dice)
{
    for (;;) {
        double area =
            pick->area_all + dice_fraction(dice) * (pick->area_first - pick->area_all);
        double x = reach_of(pick, area), rank = floor(x + 0.5);

        if (rank < 1)
            rank = 1;
        if (rank > (double)pick->keys)
            rank = (double)pick->keys;
        if (rank - x <= pick->shortcut ||
            area >= area_to(pick, rank + 0.5) - height(pick, rank))
            return (uint64_t)rank - 1;
    }
}

/* ---- all -------------------------------------------------------------------------- */

static uint64_t
common_factor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

void
pick_prepare(struct pick *pick, uint64_t keys)
{
    pick->keys = keys;
    pick->hot_count = (uint64_t)ceil(pick->hot_keys * (double)keys);
    if (pick->hot_count == 0)
        pick->hot_count = 1;
    pick->stride = UINT64_C(0x9e3779b97f4a7c15) % keys;
    while (common_factor(keys, pick->stride) != 1)
        pick->stride++;
    if (pick->kind == PICK_ZIPF)
        prepare_zipf(pick);
}

/* A division of 128 bits takes long, and few have that many keys. */
static uint64_t
scatter(const struct pick *pick, uint64_t rank)
{
    if (pick->keys <= UINT32_MAX)
        return rank * pick->stride % pick->keys;
    return (uint64_t)((unsigned __int128)rank * pick->stride % pick->keys);
}

/* The hot ones come first; if all are hot there are no others. */
static uint64_t
rank_by_heat(const struct pick *pick, struct dice *dice)
{
    uint64_t cold = pick->keys - pick->hot_count;

    if (cold == 0 || dice_fraction(dice) < pick->hot_share)
        return dice_below(dice, pick->hot_count);
    return pick->hot_count + dice_below(dice, cold);
}

uint64_t
pick_next(const struct pick *pick, struct dice *dice, uint64_t turn)
{
    switch (pick->kind) {
    case PICK_SEQUENTIAL:
        return turn % pick->keys;
    case PICK_UNIFORM:
        return dice_below(dice, pick->keys);
    case PICK_ZIPF:
        return scatter(pick, rank_by_zipf(pick, dice));
    default:
        return scatter(pick, rank_by_heat(pick, dice));
    }
}
