/* bench/larder-bench/figures.h - the few numbers that a round is told in, and their names. */
#ifndef LARDER_BENCH_FIGURES_H
#define LARDER_BENCH_FIGURES_H

#include <stdbool.h>

#include "bench/larder-bench/load.h"

enum figure {
    FIGURE_OPERATIONS,
    FIGURE_KEYS,
    FIGURE_CPU,
    FIGURE_USER,
    FIGURE_MEAN,
    FIGURE_P50,
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_P9999,
    FIGURE_MOST,
    FIGURES
};

struct figure_name {
    const char *title;    /* of a column */
    const char *json;     /* with its unit */
    bool        compared; /* between servers */
    double      share;    /* of a percentile; 0: it is none */
};

extern const struct figure_name figure_names[FIGURES];

/* Those of a round. What is not known is NAN. */
void figures_of(const struct measured *measured, double figures[FIGURES]);

/* The median of all rounds of a server. */
double figures_median(const struct results *results, unsigned server, enum figure figure);

/* A figure of `server` by that of `base` in the same round: the median, the least and the most
 * over all rounds. False if it is not known. */
struct ratio {
    double median, least, most;
};
bool figures_ratio(const struct results *results, unsigned server, unsigned base,
                   enum figure figure, struct ratio *ratio);

/* All rounds and operations of a server in one; to be freed. */
struct histogram *figures_times(const struct results *results, unsigned server);

#endif
