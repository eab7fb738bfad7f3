/* t/stress/connection.h - a client's connections: opened, used with cuts and pauses, ended.
 *
 * Called by the client's thread in this order, again and again: advance, events, poll,
 * watch_stall, serve.
 */
#ifndef LARDER_T_STRESS_CONNECTION_H
#define LARDER_T_STRESS_CONNECTION_H

#include "t/stress/world.h"

/* A connected socket without TLS, or -1. */
int socket_open(const struct options *opt);

/* Makes requests when it is time to; opens and ends connections. */
void client_advance(struct client *c, uint64_t now);

/* What to poll for. */
short client_events(const struct client *c, uint64_t now);

/* Complains if the server has not done anything for too long. */
void client_watch_stall(struct client *c, uint64_t now);

/* Does what poll found. */
void client_serve(struct client *c, short events);

#endif
