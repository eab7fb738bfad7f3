/* bench/larder-bench/sizes.h - how long the value of a key is.
 *
 *     100                       all of them are that long, in bytes
 *     uniform:LOW:HIGH          each length from LOW to HIGH is as likely as the next
 *     lognormal:MEDIAN:SIGMA    the logarithm is normal; SIGMA is its standard deviation
 *     list:BYTESxWEIGHT,...     one of these lengths; xWEIGHT may be left out for 1
 *     twitter                   a list with the quantiles of Twitter's clusters (see sizes.c)
 *
 * The length follows from a hash of the key: a key has one length, whoever asks.
 */
#ifndef LARDER_BENCH_SIZES_H
#define LARDER_BENCH_SIZES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SIZES_MOST = 64,              /* lengths in a list */
    SIZES_BYTES_MOST = 128 << 20, /* no value is longer */
};

enum sizes_kind { SIZES_FIXED, SIZES_UNIFORM, SIZES_LOGNORMAL, SIZES_LIST };

struct sizes {
    enum sizes_kind kind;
    uint32_t        low, high;         /* fixed: low */
    double          log_median, sigma; /* lognormal */
    unsigned        count;             /* list */
    uint32_t        bytes[SIZES_MOST];
    double          up_to[SIZES_MOST]; /* sum of the weights up to this one */
};

/* Reads one of the forms above; false if it is none, or a length is above SIZES_BYTES_MOST. */
bool sizes_parse(const char *text, struct sizes *sizes);

/* The length that belongs to this hash. */
uint32_t sizes_of(const struct sizes *sizes, uint64_t hash);

#endif
