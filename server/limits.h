/* server/limits.h - how long a connection may keep us waiting, and how much memory it may keep.
 *
 * Once a second each worker looks at all its connections (limits_look). What a connection
 * waits for is its state, and each has a limit of its own:
 *
 *   the handshake of TLS   its time in all
 *   nothing has begun      idle_timeout, since it last said or took something
 *   part of a command      header_timeout, its time in all
 *   part of a value        body_timeout    \ in so many seconds it ends, or goes on by
 *   output is to be taken  write_timeout   / LIMITS_BYTES_A_SECOND on average
 *
 * So who sends or takes a byte now and then gains nothing by it. Serving a request costs
 * nothing: what is needed is noted only where something is left over at the end of a turn.
 *
 * Memory that connections keep is counted by their worker. When it has more than its share of
 * conn_mem_limit, those of its connections that keep most are closed (limits_relieve). A
 * handshake that has begun counts like input that is kept; one that there is no room for waits
 * (conn_begin_waiting), for handshake_s at most. Anybody can begin one, so handshakes have at most
 * half of the share, and nobody who is through has to go for their sake, but for an eighth. They
 * are closed for the time that they take alone, and then before anybody else.
 *
 * Room is made at most once a tick of the clock, for it is a walk through all connections: when
 * somebody wants to begin, and at each tick while somebody waits.
 *
 * Threads: the worker's own; limits are read by workers and set by main.
 */
#ifndef LARDER_SERVER_LIMITS_H
#define LARDER_SERVER_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct options;
struct worker;

/* What is allowed, as the options of these names say; HUP may change it. */
struct limits {
    _Atomic unsigned handshake_s;
    _Atomic unsigned idle_s; /* 0, here and in the rest: no limit */
    _Atomic unsigned header_s;
    _Atomic unsigned body_s;
    _Atomic unsigned write_s;
    _Atomic uint64_t conn_memory_bytes; /* of all workers */
};

void limits_init(struct limits *limits, const struct options *options);
/* What is allowed now, into the fields that limits_init() reads. */
void limits_show(const struct limits *limits, struct options *options);

/* What OpenSSL takes for a handshake until it is done, with the keys and chains that are in use:
 * 40 KB were measured with a short chain on an elliptic curve, 58 KB with RSA. */
enum { LIMITS_HANDSHAKE_BYTES = 60 << 10 };

/* So many may be under way in each thread, or as many as an eighth of its share holds, whatever
 * its other connections keep. */
enum { LIMITS_HANDSHAKES_LEAST = 4 };

/* With a memory limit of so many bytes for connections, 0: none, each thread has to have room for
 * as many of them. */
bool limits_leave_room_for_tls(uint64_t bytes, unsigned threads);

/* Nobody who works is as slow as that, over a minute. */
enum { LIMITS_BYTES_A_SECOND = 1 << 10 };

/* Close the connections that have run into a limit of time, or of memory if that is less now. */
void limits_look(struct worker *worker);

/* Does the worker keep more than its share of memory? */
bool limits_is_over(const struct worker *worker);
/* Is there room for one more handshake? */
bool limits_let_shake_hands(const struct worker *worker);
/* Has a client that shakes hands had its turn for more than a second? What it has said is heard,
 * so the time that the worker takes, with as many as there are, is not the client's. */
bool limits_is_stale(const struct conn *conn);
/* Close one, because there is no room for others, or for itself. */
void limits_end_handshake(struct conn *conn);
/* There may be no room for a handshake: close all that are stale. Clients that mean it are through
 * by then, however many begin at once, for the others wait. If there are few, close those that
 * keep most and are through, until there is room for as many as there may be at least. */
void limits_make_room(struct worker *worker);
/* It keeps too much: close who is stale, and if that does not help those that keep most and are
 * through with their handshakes, until it is less by an eighth. The one that is served may be
 * among them: its caller must not touch it after this. */
void limits_relieve(struct worker *worker, const struct conn *served);

#endif
