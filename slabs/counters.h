/* slabs/counters.h - what the engine counts.
 *
 * Each thread counts in memory of its own: plain additions, no shared cache line. Who
 * wants a figure sums over the threads. A counter is only ever written by its thread;
 * resetting is done by who reads, who remembers what to subtract.
 */
#ifndef LARDER_SLABS_COUNTERS_H
#define LARDER_SLABS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* name, meaning; of the items of a size class */
#define CACHE_CLASS_COUNTERS(X)                                                          \
    X(items_linked, "items that entered the table")                                      \
    X(items_unlinked, "items that left it")                                              \
    X(bytes_linked, "their sizes, with headers")                                         \
    X(bytes_unlinked, "their sizes, with headers")                                       \
    X(evictions, "live items dropped for memory")                                        \
    X(evicted_nonzero, "of these, with an expiry")                                       \
    X(evicted_unfetched, "of these, never read")                                         \
    X(evicted_active, "of these, recently used")                                         \
    X(reclaimed, "chunks got by dropping a dead item")                                   \
    X(expired_unfetched, "items that expired and were never read")                       \
    X(direct_reclaims, "searches for a victim by who needed memory")                     \
    X(out_of_memory, "allocations that found none")                                      \
    X(crawler_reclaimed, "dead items dropped by cache_reap()")                           \
    X(crawler_items_checked, "items that it looked at")                                  \
    X(lrutail_reflocked, "coldest items that were in use")                               \
    X(moves_to_cold, "items moved to the cold segment")                                  \
    X(moves_to_warm, "items moved to the warm segment")                                  \
    X(moves_within_lru, "items moved to the head of their segment")

/* of no size class */
#define CACHE_PLAIN_COUNTERS(X)                                                          \
    X(expired_found, "look-ups that met an expired item")                                \
    X(flushed_found, "look-ups that met a flushed item")                                 \
    X(pages_moved, "pages that have left their class")                                   \
    X(items_rescued, "items that were moved to other chunks for that")                   \
    X(pieces_rescued, "pieces of chains that were")                                      \
    X(rescue_reclaims, "dead items that were dropped instead")                           \
    X(rescue_busy, "attempts at an item in use")                                         \
    X(rescue_no_memory, "items that stayed for want of a chunk")

#define CACHE_COUNTER_FIELD(name, meaning) uint64_t name;
struct cache_class_counters {
    CACHE_CLASS_COUNTERS(CACHE_COUNTER_FIELD)
};

/* Sums over all size classes, and what is of none. */
struct cache_counters {
    CACHE_CLASS_COUNTERS(CACHE_COUNTER_FIELD)
    CACHE_PLAIN_COUNTERS(CACHE_COUNTER_FIELD)
};
#undef CACHE_COUNTER_FIELD

/* Add to a counter that only the calling thread writes. */
static inline void
counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Read a counter of any thread. */
static inline uint64_t
counter_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
