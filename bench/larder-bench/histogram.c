/* bench/larder-bench/histogram.c - see histogram.h. */
#include "bench/larder-bench/histogram.h"

#include <math.h>
#include <stddef.h>

/* The counter of a time: the parts of all powers of two below, and its part in its own. */
static size_t
counter_of(uint64_t ns)
{
    unsigned shift;

    if (ns >> HISTOGRAM_TOP_BITS != 0)
        return HISTOGRAM_COUNTERS - 1;
    if (ns < HISTOGRAM_PARTS)
        return (size_t)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_PART_BITS;
    return shift * HISTOGRAM_PARTS + (size_t)(ns >> shift);
}

/* The longest time that this counter counts. */
static uint64_t
upper_end(size_t counter)
{
    size_t shift;

    if (counter < 2 * HISTOGRAM_PARTS)
        return counter;
    shift = counter / HISTOGRAM_PARTS - 1;
    return ((counter - shift * HISTOGRAM_PARTS + 1) << shift) - 1;
}

void
histogram_add(struct histogram *histogram, uint64_t ns)
{
    if (histogram->count == 0 || ns < histogram->least_ns)
        histogram->least_ns = ns;
    if (ns > histogram->most_ns)
        histogram->most_ns = ns;
    histogram->count++;
    histogram->sum_ns += ns;
    histogram->counters[counter_of(ns)]++;
}

void
histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    if (other->count == 0)
        return;
    if (histogram->count == 0 || other->least_ns < histogram->least_ns)
        histogram->least_ns = other->least_ns;
    if (other->most_ns > histogram->most_ns)
        histogram->most_ns = other->most_ns;
    histogram->count += other->count;
    histogram->sum_ns += other->sum_ns;
    for (size_t i = 0; i < HISTOGRAM_COUNTERS; i++)
        histogram->counters[i] += other->counters[i];
}

uint64_t
histogram_percentile_ns(const struct histogram *histogram, double share)
{
    double   rank = ceil(share * (double)histogram->count);
    uint64_t wanted = rank > 1 ? (uint64_t)rank : 1, seen = 0;

    for (size_t i = 0; i < HISTOGRAM_COUNTERS - 1; i++) {
        seen += histogram->counters[i];
        if (seen >= wanted)
            return upper_end(i) < histogram->most_ns ? upper_end(i) : histogram->most_ns;
    }
    return histogram->most_ns;
}

double
histogram_mean_ns(const struct histogram *histogram)
{
    return histogram->count > 0 ? (double)histogram->sum_ns / (double)histogram->count
                                : 0;
}
