/* t/stress/stats.h - the server's own numbers, held against ours.
 */
#ifndef LARDER_T_STRESS_STATS_H
#define LARDER_T_STRESS_STATS_H

#include "t/stress/world.h"

struct stats {
    uint64_t cmd_get, get_hits, get_misses, evictions, curr_connections, curr_items,
        bytes, limit_maxbytes;
};

/* Asks the server. False if there is no whole answer. */
bool stats_read(const struct world *w, struct stats *s);

/* The last phase asked for so many keys and saw so many: the server must have counted so. */
void stats_compare(struct world *w, const struct stats *before, const struct stats *after,
                   uint64_t asked, uint64_t hits);

/* All our connections are closed: the server must notice before long. */
void stats_wait_for_connections(struct world *w, const struct stats *before);

#endif
