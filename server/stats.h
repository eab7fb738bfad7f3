/* server/stats.h - the figures that `stats` shows.
 *
 * Names, order and formats are memcached 1.6.45's; tools parse them. One table in stats.c
 * lists every figure of plain `stats`; those of size classes and of connections are in
 * stats_classes.c and stats_conns.c. These are functions of struct host; `server` is a struct server.
 */
#ifndef LARDER_SERVER_STATS_H
#define LARDER_SERVER_STATS_H

#include "protocol/host.h"

struct server;

/* One kind of figures, line by line; see enum stats_kind. */
void stats_show(void *server, enum stats_kind kind, host_emit *emit, void *ctx);
/* The state of a server in a few numbers, since its start. */
struct stats_brief {
    uint64_t items, connections, gets, hits;
};

void stats_tell_brief(struct server *server, struct stats_brief *brief);
/* Forget what has been counted, but not what is: items, bytes, connections. */
void stats_reset(void *server);

#endif
