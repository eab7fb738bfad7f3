/* server/orders.h - what clients may tell the server to do: host.order. */
#ifndef LARDER_SERVER_ORDERS_H
#define LARDER_SERVER_ORDERS_H

#include "protocol/request.h"
#include "slabs/span.h"

/* Carry out an OP_ORDER and say what came of it, a whole line; `server` is a struct server.
 * Any thread. */
struct span orders_run(void *server, const struct request *order);

#endif
