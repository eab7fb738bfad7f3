/* server/conn.h - one client's connection.
 *
 * Reads into its worker's buffer, runs the session, sends what comes of it. It owns
 * memory only for what could not be finished at once: input that is not a whole request
 * yet, and output that the client does not take. While there is such output nothing is
 * read, so a client that does not read is not served either.
 *
 * Threads: created by the main thread, then its worker's alone.
 */
#ifndef LARDER_SERVER_CONN_H
#define LARDER_SERVER_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/events.h"
#include "protocol/session.h"
#include "server/limits.h"
#include "server/peer.h"

struct certificates;
struct listener;
struct tls;
struct worker;

/* What it does just now, for `stats conns`. */
enum conn_state {
    CONN_WAITING,   /* for a request                       */
    CONN_READING,   /* the rest of a command               */
    CONN_RUNNING,   /* one                                 */
    CONN_RECEIVING, /* a value that is arriving            */
    CONN_WRITING,   /* for the client to take its output   */
    CONN_WATCHING,  /* and belongs to the watch thread     */
};

/* Ordered so that nothing is lost between the members: an idle one is little else. */
struct conn {
    struct event     event; /* reading, or writing while there is pending output */
    struct worker   *worker;
    int              fd;
    _Atomic uint32_t heard_at;     /* clock, when it last sent or took something */
    _Atomic uint8_t  state;        /* enum conn_state                            */
    bool             closing : 1;  /* once the pending output is gone            */
    bool             in_again : 1; /* on the worker's list for another turn...   */
    bool           shaking : 1;  /* hands, and has begun to: see LIMITS_HANDSHAKE_BYTES */
    bool           deferred : 1; /* its handshake waits for room, and is in `waiting` */
    bool           hungry : 1;   /* ...to read what its TLS holds              */
    uint16_t       kept_length;
    uint32_t       began_at;       /* clock, what it waits for: unless CONN_WAITING     */
    uint32_t       looked_at;      /* limits.c: clock; and the seconds that what was... */
    uint32_t       left_s;         /* ...left then may take: LIMITS_BYTES_A_SECOND      */
    uint32_t       pending_memory; /* bytes of `pending`                                */
    struct peer    peer;
    char          *kept;        /* input that is not a whole request yet, or NULL       */
    struct tls    *tls;         /* NULL: the bytes of the socket are the client's       */
    struct reply  *pending;     /* output that the socket would not take, or NULL       */
    struct conn   *next, *prev; /* of the worker's connections; under its conns_lock    */
    struct conn   *next_again;  /* on the list of `again`, or of `waiting` */
    struct session session;
};

_Static_assert(sizeof(struct conn) - sizeof(struct event) <= 136,
               "of an idle connection this is all: t/system/idle.t");

/* Bytes of memory that it keeps, for input, output and a handshake. */
static inline size_t
conn_keeps(const struct conn *conn)
{
    return conn->kept_length + conn->pending_memory +
           (conn->shaking ? LIMITS_HANDSHAKE_BYTES : 0);
}

/* What the clients of a listener speak. */
enum session_protocol conn_protocol(const struct listener *listener);
/* Takes over the descriptor (non-blocking) that this listener has accepted; NULL when out
 * of memory, with fd open. The certificates are for TLS, and are not looked at here. */
struct conn *conn_create(int fd, const struct peer *peer, const struct listener *listener,
                         struct certificates *certificates);
/* Begin to serve, on the worker's thread. False: it could not, and is closed. */
bool conn_start(struct conn *conn, struct worker *worker);
/* Go on with input that was kept because its turn was over, or that is still to be read. */
void conn_continue(struct conn *conn);
/* Let handshakes begin that wait for room, as many as there is room for. */
void conn_begin_waiting(struct worker *worker);
/* Close a connection that no TLS has come about with. */
void conn_refuse(struct conn *conn, const char *why);
/* Close and free. */
void conn_close(struct conn *conn, enum events_closed reason);

#endif
