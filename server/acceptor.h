/* server/acceptor.h - takes connections in and gives each to the worker with fewest.
 *
 * At the limit of connections it does what memcached does: with maxconns_fast a client
 * is told so and sent away; without, accepting stops and new clients wait in the kernel's
 * queue until somebody leaves. The same happens when the system itself has run out, which
 * may end without anybody leaving; so it is tried again after a second at most.
 *
 * Threads: the main thread's, but for acceptor_connection_closed() and the counters.
 */
#ifndef LARDER_SERVER_ACCEPTOR_H
#define LARDER_SERVER_ACCEPTOR_H

#include <event2/event.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/listen.h"

struct server;

struct acceptor_counters {
    uint64_t total_connections;
    uint64_t rejected_connections;
    uint64_t listen_disabled_num;     /* times that accepting stopped        */
    uint64_t time_in_listen_disabled; /* microseconds until it went on again */
};

struct acceptor {
    struct server           *server;
    struct event           **events; /* one a listener                                 */
    size_t                   count;
    struct event            *retry_event; /* looks whether accepting can go on         */
    uint64_t                 paused_at_us;
    _Atomic bool             paused;
    _Atomic unsigned         open;          /* connections that are open now           */
    _Atomic unsigned         most;          /* that ever were open at once             */
    _Atomic bool             somebody_left; /* since the last accept()                 */
    struct acceptor_counters counters;
};

bool acceptor_start(struct acceptor *acceptor, struct server *server,
                    struct event_base *base, const struct listeners *listeners);
void acceptor_stop(struct acceptor *acceptor);

/* What it has counted since its start. Any thread. */
void acceptor_count(const struct acceptor *acceptor, struct acceptor_counters *counters);

#endif
