/* bench/larder-bench/sizes.c - see sizes.h. */
#include "bench/larder-bench/sizes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/dice.h"

/* Of the clusters that Twitter published in 2020 (Yang, Yue and Rashmi, OSDI), a tenth have
 * values of at most 28 bytes, half of at most 224, nine tenths of at most 4270. Each length here
 * stands for a fifth; the two between the known ones are geometric means. */
static const char twitter[] = "list:28,79,224,978,4270";

/* A number of bytes that ends at one of `ends`; false if there is none. */
static bool
take_bytes(const char **text, const char *ends, uint32_t *bytes)
{
    char         *rest;
    unsigned long number = strtoul(*text, &rest, 10);

    if (**text < '0' || **text > '9' || number > SIZES_BYTES_MOST ||
        (*rest != '\0' && strchr(ends, *rest) == NULL))
        return false;
    *bytes = (uint32_t)number;
    *text = rest;
    return true;
}

static bool
parse_uniform(const char *text, struct sizes *sizes)
{
    sizes->kind = SIZES_UNIFORM;
    if (!take_bytes(&text, ":", &sizes->low) || *text++ != ':')
        return false;
    return take_bytes(&text, "", &sizes->high) && sizes->low <= sizes->high;
}

static bool
parse_lognormal(const char *text, struct sizes *sizes)
{
    uint32_t median;
    char    *rest;

    sizes->kind = SIZES_LOGNORMAL;
    if (!take_bytes(&text, ":", &median) || *text++ != ':' || median == 0)
        return false;
    sizes->log_median = log(median);
    sizes->sigma = strtod(text, &rest);
    return rest != text && *rest == '\0' && sizes->sigma >= 0 && sizes->sigma <= 10;
}

/* BYTES or BYTESxWEIGHT. */
static bool
take_entry(const char **text, struct sizes *sizes)
{
    double weight = 1;
    char  *rest;

    if (sizes->count == SIZES_MOST ||
        !take_bytes(text, "x,", &sizes->bytes[sizes->count]))
        return false;
    if (**text == 'x') {
        weight = strtod(*text + 1, &rest);
        if (rest == *text + 1 || !(weight > 0 && weight < 1e9))
            return false;
        *text = rest;
    }
    sizes->up_to[sizes->count] =
        weight + (sizes->count > 0 ? sizes->up_to[sizes->count - 1] : 0);
    sizes->count++;
    return true;
}

static bool
parse_list(const char *text, struct sizes *sizes)
{
    sizes->kind = SIZES_LIST;
    while (take_entry(&text, sizes)) {
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

bool
sizes_parse(const char *text, struct sizes *sizes)
{
    memset(sizes, 0, sizeof(*sizes));
    if (strcmp(text, "twitter") == 0)
        text = twitter;
    if (strncmp(text, "uniform:", 8) == 0)
        return parse_uniform(text + 8, sizes);
    if (strncmp(text, "lognormal:", 10) == 0)
        return parse_lognormal(text + 10, sizes);
    if (strncmp(text, "list:", 5) == 0)
        return parse_list(text + 5, sizes);
    sizes->kind = SIZES_FIXED;
    return take_bytes(&text, "", &sizes->low) && *text == '\0';
}

/* Box and Muller: two even numbers make a normal one. The second comes from the same hash. */
static uint32_t
lognormal_of(const struct sizes *sizes, uint64_t hash)
{
    double radius = sqrt(-2 * log(1 - dice_fraction_of(hash)));
    double turn = 2 * M_PI * dice_fraction_of(dice_mix(hash + 1));
    double bytes = exp(sizes->log_median + sizes->sigma * radius * cos(turn));

    return bytes < SIZES_BYTES_MOST ? (uint32_t)(bytes + 0.5) : SIZES_BYTES_MOST;
}

static uint32_t
listed_of(const struct sizes *sizes, uint64_t hash)
{
    double   point = dice_fraction_of(hash) * sizes->up_to[sizes->count - 1];
    unsigned i = 0;

    while (i < sizes->count - 1 && point >= sizes->up_to[i])
        i++;
    return sizes->bytes[i];
}

uint32_t
sizes_of(const struct sizes *sizes, uint64_t hash)
{
    switch (sizes->kind) {
    case SIZES_UNIFORM:
        return sizes->low + (uint32_t)(dice_fraction_of(hash) *
                                       ((double)sizes->high - sizes->low + 1));
    case SIZES_LOGNORMAL:
        return lognormal_of(sizes, hash);
    case SIZES_LIST:
        return listed_of(sizes, hash);
    default:
        return sizes->low;
    }
}
