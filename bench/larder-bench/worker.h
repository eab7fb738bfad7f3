/* bench/larder-bench/worker.h - a thread, its connections, and when it asks for what.
 *
 * Closed loop: a connection asks for `depth` operations at once, and for the next ones when all
 * are answered. How fast that goes is the server's affair.
 *
 * Open loop: operations are due at times that are known beforehand, whatever the server does.
 * One that is due goes to the next connection that has room; where none has, it waits. Its time
 * counts from when it was due, so a server that stands still is charged for all that would have
 * come meanwhile (no "coordinated omission").
 */
#ifndef LARDER_BENCH_WORKER_H
#define LARDER_BENCH_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "bench/larder-bench/conn.h"
#include "bench/larder-bench/plan.h"
#include "bench/larder-bench/tally.h"

enum phase_kind {
    PHASE_FILL, /* each key is set, each once */
    PHASE_ZERO, /* each counter is set to 0 */
    PHASE_RUN,  /* as the plan says */
};

/* What all workers do at a time. One of the limits may be 0. */
struct phase {
    enum phase_kind kind;
    uint64_t        begins_ns, ends_ns;
    uint64_t        operations; /* of all workers */
    double          rate;       /* of all workers; 0: closed loop */
};

struct worker {
    const struct plan  *plan;
    const struct phase *phase;
    unsigned            number; /* of plan->threads */
    struct conn        *conns;
    unsigned            conn_count;
    int                 poll;  /* epoll; a connection's data is its place in conns */
    struct dice         dice;  /* goes on from phase to phase */
    uint64_t            turn;  /* entries of the trace that were played */
    struct tally        tally; /* of this phase */
    atomic_ulong        done;  /* operations of this phase, for who tells of it */
    /* Of this phase; the worker's own. */
    uint64_t asked, quota; /* operations; how many there may be */
    double   due_ns;       /* open loop: of the next one, from the begin on */
    unsigned next_conn;    /* open loop: that is asked first if it has room */
    unsigned pending;      /* on all connections */
    uint64_t last_ns;      /* the last answer */
};

/* Connects its share of plan->connections. `number` below plan->threads. */
void worker_init(struct worker *worker, const struct plan *plan, unsigned number,
                 const struct address *address, const char *server,
                 struct ssl_ctx_st *context);
void worker_fini(struct worker *worker);

/* Plays the phase to its end, when all is answered; the tally is of this phase alone. */
void worker_play(struct worker *worker, const struct phase *phase);

#endif
