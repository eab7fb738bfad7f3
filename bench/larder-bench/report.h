/* bench/larder-bench/report.h - results as a table, as JSON, and as a picture. */
#ifndef LARDER_BENCH_REPORT_H
#define LARDER_BENCH_REPORT_H

#include <stdio.h>

#include "bench/larder-bench/load.h"
#include "bench/larder-bench/plan.h"

/* For people. Of one server all that is known; of several, what compares them. */
void report_table(FILE *out, const struct plan *plan, const struct results *results);

/* For programs: every figure of every round, their medians, and the ratios of the first server
 * to the others. What is not known is null. */
void report_json(FILE *out, const struct plan *plan, const struct results *results);

/* Percentiles as lines and what a key costs as bars. */
void report_svg(FILE *out, const struct plan *plan, const struct results *results);

/* "get:90,set:10, 16 at once on 50 connections", for a title: at most `length` bytes. */
void report_title(const struct plan *plan, char *text, size_t length);

#endif
