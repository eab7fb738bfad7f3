/* bench/larder-bench/histogram.h - how often which time was taken, to within 0.4 %.
 *
 * Times are nanoseconds. Up to 2^9 each has a counter of its own; above, a power of two is cut
 * into 256 equal parts, up to some 18 minutes, where longer ones are counted too:
 *
 *     0 .. 511 | 512, 514 .. 1022 | 1024, 1028 .. 2044 | ...
 *
 * So a percentile is off by less than 1/256, whatever its size, adding is a shift and an
 * increment, and histograms of many threads are merged by adding counters.
 */
#ifndef LARDER_BENCH_HISTOGRAM_H
#define LARDER_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_PART_BITS = 8, /* 2^8 parts of each power of two */
    HISTOGRAM_TOP_BITS = 40, /* times from 2^40 ns on are counted as the longest */
    HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
    HISTOGRAM_COUNTERS = (HISTOGRAM_TOP_BITS - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS,
};

/* All zero is empty, but for `least`, which counts only if `count` is not 0. */
struct histogram {
    uint64_t count, sum_ns;
    uint64_t least_ns, most_ns; /* exact */
    uint64_t counters[HISTOGRAM_COUNTERS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* Adds all of `other`. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* The least time that so large a share (0 to 1) of all is not above; 0 if there are none. It is
 * the upper end of a counter's times, but never above the longest. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, double share);

/* 0 if there are none. */
double histogram_mean_ns(const struct histogram *histogram);

#endif
