/* bench/larder-bench/compare.h - one server, or several that take turns. */
#ifndef LARDER_BENCH_COMPARE_H
#define LARDER_BENCH_COMPARE_H

#include "bench/larder-bench/load.h"

/* All rounds. In each of them every server is measured once, so that what else the machine does
 * meets all of them. *plan outlives the results. What goes wrong ends the program. */
void compare_servers(const struct plan *plan, struct results *results);
void compare_fini(struct results *results);

#endif
