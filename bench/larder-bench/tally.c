/* bench/larder-bench/tally.c - see tally.h. */
#include "bench/larder-bench/tally.h"

void
tally_merge(struct tally *tally, const struct tally *other)
{
    for (enum op op = 0; op < OP_USERS; op++)
        histogram_merge(&tally->times[op], &other->times[op]);
    tally->keys += other->keys;
    tally->hits += other->hits;
    tally->misses += other->misses;
    tally->refused += other->refused;
    tally->refills += other->refills;
    tally->unsent += other->unsent;
    tally->sent_bytes += other->sent_bytes;
    tally->received_bytes += other->received_bytes;
}

uint64_t
tally_operations(const struct tally *tally)
{
    uint64_t operations = 0;

    for (enum op op = 0; op < OP_USERS; op++)
        operations += tally->times[op].count;
    return operations;
}
