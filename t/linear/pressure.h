/* t/linear/pressure.h - what the server has to do besides: fill, evict, grow, move, expire.
 *
 * Two threads with connections of their own. The ballast sets new keys of ever changing
 * sizes, many of which expire; the administrator has pages moved, expired items dropped, and
 * the memory limit lowered and raised. Their keys are no other's, and nothing is checked.
 */
#ifndef LARDER_T_LINEAR_PRESSURE_H
#define LARDER_T_LINEAR_PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "t/linear/load.h"

struct pressure;

/* `ops` counts what the clients have done: the ballast keeps pace with it, */
struct pressure *pressure_start(const struct options *opt, const _Atomic uint64_t *ops,
                                const char *prefix);
/* and they with the ballast: a client that is far ahead waits here. */
void pressure_wait(struct pressure *pressure);
/* False, with a line on stdout, if a connection was lost. */
bool pressure_stop(struct pressure **pressure);

/* What the server's own figures tell. */
struct figures {
    bool evicted;            /* evictions is not 0                  */
    bool there[FIGURES_MAX]; /* nor is this one of options.figures */
};

/* Prints them. False: the server does not answer. */
bool pressure_show(const struct options *opt, struct figures *figures);

#endif
