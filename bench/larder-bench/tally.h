/* bench/larder-bench/tally.h - what a worker has seen; those of all workers add up. */
#ifndef LARDER_BENCH_TALLY_H
#define LARDER_BENCH_TALLY_H

#include <stdint.h>

#include "bench/larder-bench/histogram.h"
#include "bench/larder-bench/op.h"

struct tally {
    struct histogram
             times[OP_USERS]; /* each operation counts once; both requests of OP_CAS
                                         are one */
    uint64_t keys;            /* that were asked for or changed */
    uint64_t hits, misses;    /* keys that were read, or counted up, or deleted */
    uint64_t refused;         /* OP_CAS that came too late */
    uint64_t refills;         /* sets after a miss */
    uint64_t unsent;          /* were due, but until the end there was nobody free */
    uint64_t sent_bytes, received_bytes;
};

void tally_merge(struct tally *tally, const struct tally *other);

/* Operations of all kinds. */
uint64_t tally_operations(const struct tally *tally);

#endif
