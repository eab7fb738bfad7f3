/* server/stats.h - the figures that `stats` shows.
 *
 * Names, order and formats are memcached 1.6.45's; tools parse them. One table in stats.c
 * lists every figure. These are functions of struct host; `server` is a struct server.
 */
#ifndef LARDER_SERVER_STATS_H
#define LARDER_SERVER_STATS_H

#include "protocol/host.h"

void stats_general(void *server, host_emit *emit, void *ctx);
void stats_settings(void *server, host_emit *emit, void *ctx);
/* Forget what has been counted, but not what is: items, bytes, connections. */
void stats_reset(void *server);

#endif
