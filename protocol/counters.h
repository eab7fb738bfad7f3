/* protocol/counters.h - what the commands count.
 *
 * One table. Each worker counts in its own memory (see slabs/counters.h); who wants a
 * figure sums over the workers. Names are those of memcached's `stats`.
 */
#ifndef LARDER_PROTOCOL_COUNTERS_H
#define LARDER_PROTOCOL_COUNTERS_H

#include <stdint.h>

#include "slabs/cache.h"
#include "slabs/counters.h"

/* Of all items of a size class. */
#define CLASS_COUNTERS(X)                                                                \
    X(cmd_set, "values stored or refused, once there was memory for them")               \
    X(touch_hits, "keys found that got a new expiry")                                    \
    X(delete_hits, "keys deleted")                                                       \
    X(incr_hits, "counters added to")                                                    \
    X(decr_hits, "counters subtracted from")                                             \
    X(cas_hits, "cas whose id was right")                                                \
    X(cas_badval, "cas whose id was another")

/* Of no size class. */
#define COMMAND_COUNTERS(X)                                                              \
    X(get_misses, "keys read and not found")                                             \
    X(touch_misses, "keys not found that should get a new expiry")                       \
    X(delete_misses, "keys not found that should be deleted")                            \
    X(incr_misses, "counters not found that should be added to")                         \
    X(decr_misses, "counters not found that should be subtracted from")                  \
    X(cas_misses, "cas on a key that is not there")                                      \
    X(cmd_flush, "flush_all, allowed or not")                                            \
    X(cmd_touch, "touch, gat, gats: keys")                                               \
    X(cmd_meta, "meta debug commands")                                                   \
    X(store_too_large, "values larger than an item may be")                              \
    X(store_no_memory, "values that there was no memory for")                            \
    X(auth_cmds, "attempts to authenticate")                                             \
    X(auth_errors, "of these, refused")

struct class_counters {
#define COUNTER_FIELD(name, meaning) uint64_t name;
    CLASS_COUNTERS(COUNTER_FIELD)
};

struct command_counters {
    COMMAND_COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
    struct class_counters of_class[CACHE_CLASS_MAX + 1];
    /* Keys read and found, by size class and segment. */
    uint64_t get_hits[CACHE_CLASS_MAX + 1][CACHE_SEGMENTS];
};

/* Keys of a size class that were read and found. */
static inline uint64_t
command_get_hits(const struct command_counters *counters, unsigned size_class)
{
    const uint64_t *hits = counters->get_hits[size_class];

    return hits[CACHE_HOT] + hits[CACHE_WARM] + hits[CACHE_COLD] + hits[CACHE_TEMP];
}

#endif
