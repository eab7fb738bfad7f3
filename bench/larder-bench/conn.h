/* bench/larder-bench/conn.h - one connection, and the operations under way on it.
 *
 * Answers come in the order of requests, so those under way are a ring: what is asked is added
 * at its end, what is answered is taken from its front. What an answer leads to (the second
 * request of a cas, a refill) is added at the end again, and is the same operation.
 *
 * A connection and its tally belong to one worker's thread.
 */
#ifndef LARDER_BENCH_CONN_H
#define LARDER_BENCH_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/larder-bench/buffer.h"
#include "bench/larder-bench/link.h"
#include "bench/larder-bench/plan.h"
#include "bench/larder-bench/tally.h"

/* Filling is not measured, so it may be done in the quickest way. */
enum { CONN_FILL_DEPTH = 32 };

/* An operation under way. */
struct slot {
    enum op   counts_as; /* whose times it is added to; OP_USERS: nobody's */
    enum op   op;        /* of the request */
    unsigned  count;     /* of its keys */
    uint64_t *numbers;   /* of its keys; owned by the connection */
    uint64_t  cas;       /* OP_SET_CAS */
    uint64_t  due_ns;    /* its time counts from here */
    uint64_t  sent_ns;   /* and the server's patience from here */
    unsigned  parts;     /* answers that have come */
    unsigned  at, hits;  /* keys passed by them; found */
};

struct conn {
    const struct plan *plan;
    const char        *server; /* its name in messages */
    struct link        link;
    struct buffer      in, out;
    size_t             wanted; /* bytes that the next answer has at least */
    struct slot       *ring;   /* `slots` of them */
    unsigned           slots;  /* plan->depth, or CONN_FILL_DEPTH if that is more */
    unsigned           first, pending;
    struct key        *keys;          /* of the request that is being composed */
    bool               waits_to_send; /* the socket takes no more */
};

/* Connects; ends the program if that fails. */
void conn_open(struct conn *conn, const struct plan *plan, const struct address *address,
               const char *server, struct ssl_ctx_st *context);
void conn_close(struct conn *conn);

/* The slot behind those under way, to be filled in: op, counts_as, count, numbers, due_ns. There
 * has to be one: pending < slots. */
struct slot *conn_next_slot(struct conn *conn);

/* What that slot says is asked: composed, but not sent yet. */
void conn_ask(struct conn *conn, struct slot *slot, uint64_t now_ns);

/* Sends what the socket takes. */
void conn_send(struct conn *conn, struct tally *tally);

/* Reads what is there and looks at each answer. A wrong one ends the program. */
void conn_receive(struct conn *conn, struct tally *tally);

/* Ends the program if it has waited for an answer for longer than plan->address.patience_s. */
void conn_watch(const struct conn *conn, uint64_t now_ns);

#endif
