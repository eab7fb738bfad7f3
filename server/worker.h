/* server/worker.h - a thread that serves connections.
 *
 * Each worker owns an event base and the connections given to it; nothing else touches
 * those. Other threads give it a connection (worker_give) or tell it to stop
 * (worker_stop), through a queue and an eventfd.
 */
#ifndef LARDER_SERVER_WORKER_H
#define LARDER_SERVER_WORKER_H

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/session.h"
#include "server/pulse.h"
#include "slabs/lock.h"

struct conn;
struct server;
struct udp;

/* What one read may bring, and the longest line of a command. Not more: what does not fit
 * of a large value is read straight into its chunk. */
enum { WORKER_INPUT_BYTES = 16 << 10 };

/* name, meaning; counted by the worker, see slabs/counters.h */
#define WORKER_COUNTERS(X)                                                               \
    X(bytes_read, "bytes received from clients")                                         \
    X(bytes_written, "bytes sent to clients")                                            \
    X(conn_yields, "times a client with more to do had to let others go first")          \
    X(idle_kicks, "connections closed for idleness")                                     \
    X(handshake_kicks, "connections closed because of ssl_handshake_timeout")            \
    X(handshakes_deferred, "TLS handshakes that had to wait for room")                   \
    X(header_kicks, "connections closed because of header_timeout")                      \
    X(body_kicks, "connections closed because of body_timeout")                          \
    X(write_kicks, "connections closed because of write_timeout")                        \
    X(conn_mem_kicks, "connections closed because of conn_mem_limit")                    \
    X(read_buf_oom, "connections closed for want of memory for input")                   \
    X(response_obj_oom, "connections closed for want of memory for output")              \
    X(ssl_new_sessions, "TLS handshakes that resumed no session")                        \
    X(ssl_handshake_errors, "TLS handshakes that came to nothing")                       \
    X(ssl_proto_errors, "connections whose TLS was broken later")

struct worker_counters {
#define WORKER_COUNTER_FIELD(name, meaning) uint64_t name;
    WORKER_COUNTERS(WORKER_COUNTER_FIELD)
#undef WORKER_COUNTER_FIELD
};

struct worker {
    struct server     *server;
    pthread_t          thread;
    struct event_base *base;
    struct event      *wake_event;
    struct event      *again_event; /* fires at once while `again` is not empty    */
    int                wake_fd;     /* eventfd: there is something to be done          */
    _Atomic bool       stopping;
    struct pulse       pulse;      /* by which it is known to go on                     */
    _Atomic bool       is_to_look; /* at its connections, as worker_look() tells      */
    _Atomic unsigned   connections; /* given to it and not closed yet                 */

    struct lock  queue_lock; /* RANK_LEAF; guards the next */
    struct conn *queue;      /* given, not yet taken over  */

    struct lock conns_lock; /* RANK_LEAF; guards the list of `conns`, for who looks on */

    /* The worker's own. */
    struct conn  *conns;     /* all of them; others look under conns_lock */
    struct conn  *again;     /* that have used up their turn              */
    struct conn **again_end; /* where the next of them is put             */
    struct conn  *waiting;   /* for room to begin their handshakes        */
    struct conn **waiting_end;
    uint64_t      waiting_count; /* of these; others look, too              */
    uint32_t      relieved_at;   /* clock: limits_make_room()                */
    struct reply *reply;         /* of the connection that is served          */
    char         *input;         /* WORKER_INPUT_BYTES                        */
    struct udp   *udp;           /* NULL without -U                           */
    uint64_t      kept_bytes;    /* sum of conn_keeps(); others look, too    */
    uint64_t      shaking; /* of its handshakes, so many have begun and are under way */
    struct session_worker  session_worker;
    struct worker_counters counters;
};

/* Set up and start; false with nothing left behind. */
bool worker_start(struct worker *worker, struct server *server);
/* Tell it to end, and wait. Others may still look at it. */
void worker_stop(struct worker *worker);
/* When all have been stopped: close its connections and free what it has. */
void worker_fini(struct worker *worker);
/* Hand over a connection; any thread may do this. */
void worker_give(struct worker *worker, struct conn *conn);

/* Call it; has it answered the last call? Any thread, but one at a time. */
bool worker_answers(struct worker *worker);

/* Let it look which of its connections have run into a limit; any thread may do this. A timer
 * of its own would make each turn of its loop ask what time it is. */
void worker_look(struct worker *worker);
/* Let it begin handshakes that wait, if there are any and it has room; any thread may do this. */
void worker_help_waiting(struct worker *worker);

/* For connections: come back to this one after the others had their turn. False: that
 * cannot be, and the connection would wait forever. */
bool worker_serve_again(struct worker *worker, struct conn *conn)
    __attribute__((warn_unused_result));

#endif
