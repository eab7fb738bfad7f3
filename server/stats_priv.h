/* server/stats_priv.h - the parts of `stats`. */
#ifndef LARDER_SERVER_STATS_PRIV_H
#define LARDER_SERVER_STATS_PRIV_H

#include <stdint.h>

#include "protocol/host.h"

struct server;
struct totals;

/* Emit a number under a name made like printf's. */
void stats_emit(host_emit *emit, void *ctx, uint64_t number, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
/* All counters, since the last `stats reset` and since the start. */
void stats_totals(struct server *server, struct totals *all, struct totals *since);

void stats_items(struct server *server, host_emit *emit, void *ctx);
void stats_slabs(struct server *server, host_emit *emit, void *ctx);
void stats_sizes(struct server *server, host_emit *emit, void *ctx);
void stats_conns(struct server *server, host_emit *emit, void *ctx);

#endif
