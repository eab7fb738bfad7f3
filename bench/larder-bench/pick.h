/* bench/larder-bench/pick.h - which key is next: numbers from 0 to below that of all keys.
 *
 *     uniform          each as likely as the next
 *     zipf[:THETA]     the k-th most wanted key is wanted 1/k^THETA times as often as the
 *                      first; 0.99 unless said otherwise
 *     hot:KEYS:SHARE   KEYS percent of the keys get SHARE percent of the requests
 *     sequential       one after the other, and from the first again
 *
 * What is wanted most lies anywhere among the numbers: ranks are scattered, always the same
 * way, so that two runs agree about it.
 */
#ifndef LARDER_BENCH_PICK_H
#define LARDER_BENCH_PICK_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/larder-bench/dice.h"

enum pick_kind { PICK_UNIFORM, PICK_ZIPF, PICK_HOT, PICK_SEQUENTIAL };

struct pick {
    enum pick_kind kind;
    double         theta;                /* zipf: above 0 */
    double         hot_keys, hot_share;  /* hot: 0 to 1 */
    uint64_t       keys;                 /* of here on: pick_prepare() */
    uint64_t       hot_count;            /* hot: 1 to keys */
    uint64_t       stride;               /* scatters ranks; shares no factor with keys */
    double         area_first, area_all; /* zipf: see pick.c */
    double         shortcut;
};

/* Reads one of the forms above; false if it is none. */
bool pick_parse(const char *text, struct pick *pick);

/* To be called once the number of keys, at least 1, is known. */
void pick_prepare(struct pick *pick, uint64_t keys);

/* The next key. `turn` counts the calls of one user, for sequential. */
uint64_t pick_next(const struct pick *pick, struct dice *dice, uint64_t turn);

#endif
