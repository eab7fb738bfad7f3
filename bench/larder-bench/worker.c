/* bench/larder-bench/worker.c - see worker.h. */
#include "bench/larder-bench/worker.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/larder-bench/fail.h"

#define BENCH_NAME "larder-bench"
#include "bench/client.h"

enum {
    EVENTS = 64,
    FILL_BYTES = 64 << 10, /* of a batch that fills, and the value that goes beyond */
    WATCH_NS =
        100000000, /* how often it looks for connections that have waited too long */
};

/* What belongs to this worker of so many that are shared out. */
static uint64_t
share_of(const struct worker *worker, uint64_t all)
{
    uint64_t threads = worker->plan->threads;

    return all / threads + (worker->number < all % threads);
}

void
worker_init(struct worker *worker, const struct plan *plan, unsigned number,
            const struct address *address, const char *server, struct ssl_ctx_st *context)
{
    memset(worker, 0, sizeof(*worker));
    worker->plan = plan;
    worker->number = number;
    worker->dice.state = dice_mix(plan->seed + number);
    worker->conn_count = (unsigned)share_of(worker, plan->connections);
    worker->conns = allot(worker->conn_count, sizeof(*worker->conns));
    worker->poll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->poll < 0)
        fail("epoll: %s", strerror(errno));
    for (unsigned i = 0; i < worker->conn_count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

        conn_open(&worker->conns[i], plan, address, server, context);
        if (epoll_ctl(worker->poll, EPOLL_CTL_ADD, worker->conns[i].link.fd, &event) != 0)
            fail("epoll: %s", strerror(errno));
    }
}

void
worker_fini(struct worker *worker)
{
    for (unsigned i = 0; i < worker->conn_count; i++)
        conn_close(&worker->conns[i]);
    free(worker->conns);
    close(worker->poll);
}

/* ---- what is asked ---------------------------------------------------------------- */

static uint64_t
pick_key(struct worker *worker)
{
    const struct plan *plan = worker->plan;

    return pick_next(&plan->pick, &worker->dice,
                     worker->asked * plan->threads + worker->number);
}

/* The next line of the trace; threads take turns at them. */
static void
fill_in_recorded(struct worker *worker, struct slot *slot)
{
    const struct trace *trace = &worker->plan->trace;
    uint64_t            line = worker->turn++ * worker->plan->threads + worker->number;

    slot->numbers[0] = line % trace->count;
    slot->op = trace->entries[slot->numbers[0]].op;
}

static void
fill_in_drawn(struct worker *worker, struct slot *slot)
{
    slot->op = op_mix_draw(&worker->plan->mix, &worker->dice);
    slot->count = slot->op == OP_MGET ? (unsigned)worker->plan->keys_at_once : 1;
    for (unsigned i = 0; i < slot->count; i++)
        slot->numbers[i] = pick_key(worker);
}

static void
fill_in(struct worker *worker, struct slot *slot)
{
    slot->count = 1;
    if (worker->phase->kind != PHASE_RUN) {
        slot->op = worker->phase->kind == PHASE_FILL ? OP_SET : OP_ZERO;
        slot->numbers[0] = worker->asked * worker->plan->threads + worker->number;
    } else if (worker->plan->trace.count > 0) {
        fill_in_recorded(worker, slot);
    } else {
        fill_in_drawn(worker, slot);
    }
    slot->counts_as = slot->op < OP_USERS ? slot->op : OP_USERS;
}

static void
ask(struct worker *worker, struct conn *conn, uint64_t due, uint64_t now)
{
    struct slot *slot = conn_next_slot(conn);

    fill_in(worker, slot);
    slot->due_ns = due;
    conn_ask(conn, slot, now);
    worker->asked++;
    worker->pending++;
}

/* Poll for room to send only while there is something to send. */
static void
send_asked(struct worker *worker, struct conn *conn)
{
    bool               waited = conn->waits_to_send;
    struct epoll_event event = { .data.u32 = (uint32_t)(conn - worker->conns) };

    conn_send(conn, &worker->tally);
    if (conn->waits_to_send == waited)
        return;
    event.events = EPOLLIN | (conn->waits_to_send ? EPOLLOUT : 0);
    if (epoll_ctl(worker->poll, EPOLL_CTL_MOD, conn->link.fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

/* ---- closed loop ------------------------------------------------------------------ */

static bool
is_over(const struct worker *worker, uint64_t now)
{
    return worker->asked >= worker->quota ||
           (worker->phase->ends_ns != 0 && now >= worker->phase->ends_ns);
}

/* May this connection ask for more in its batch? */
static bool
may_ask(const struct worker *worker, const struct conn *conn)
{
    if (worker->phase->kind == PHASE_RUN)
        return conn->pending < worker->plan->depth;
    return conn->pending < CONN_FILL_DEPTH && buffer_length(&conn->out) < FILL_BYTES;
}

static void
ask_batch(struct worker *worker, struct conn *conn)
{
    uint64_t now = now_ns();

    while (may_ask(worker, conn) && !is_over(worker, now))
        ask(worker, conn, now, now);
    send_asked(worker, conn);
}

/* ---- open loop -------------------------------------------------------------------- */

static bool
is_open(const struct worker *worker)
{
    return worker->phase->rate > 0;
}

static uint64_t
next_due(const struct worker *worker)
{
    return worker->phase->begins_ns + (uint64_t)worker->due_ns;
}

/* Each worker has its share of the rate. Even ones of all workers interleave. */
static void
set_first_due(struct worker *worker)
{
    double all_ns = 1e9 / worker->phase->rate;

    worker->due_ns = all_ns * worker->number;
}

static void
set_next_due(struct worker *worker)
{
    double pause_ns = 1e9 / worker->phase->rate * (double)worker->plan->threads;

    if (worker->plan->poisson)
        pause_ns *= -log(1 - dice_fraction(&worker->dice));
    worker->due_ns += pause_ns;
}

/* The next connection that has room; there has to be one. */
static struct conn *
find_room(struct worker *worker)
{
    struct conn *conn;

    do {
        conn = &worker->conns[worker->next_conn];
        worker->next_conn = (worker->next_conn + 1) % worker->conn_count;
    } while (conn->pending >= worker->plan->depth);
    return conn;
}

static bool
has_room(const struct worker *worker)
{
    return worker->pending < worker->conn_count * worker->plan->depth;
}

static void
ask_what_is_due(struct worker *worker, uint64_t now)
{
    while (next_due(worker) <= now && has_room(worker) &&
           !is_over(worker, next_due(worker))) {
        struct conn *conn = find_room(worker);

        ask(worker, conn, next_due(worker), now_ns());
        send_asked(worker, conn);
        set_next_due(worker);
    }
}

/* What was due before the end but found nobody free is not left out: it has waited so long, at
 * least. */
static void
count_unsent(struct worker *worker)
{
    uint64_t end = worker->phase->ends_ns;

    while (end != 0 && next_due(worker) < end && worker->asked < worker->quota) {
        enum op op = op_mix_draw(&worker->plan->mix, &worker->dice);

        histogram_add(&worker->tally.times[op], now_ns() - next_due(worker));
        worker->tally.unsent++;
        worker->asked++;
        set_next_due(worker);
    }
}

/* ---- the loop --------------------------------------------------------------------- */

static void
watch(struct worker *worker, uint64_t now, uint64_t *next)
{
    if (now < *next)
        return;
    *next = now + WATCH_NS;
    for (unsigned i = 0; i < worker->conn_count; i++)
        conn_watch(&worker->conns[i], now);
}

static void
serve(struct worker *worker, const struct epoll_event *event)
{
    struct conn *conn = &worker->conns[event->data.u32];
    unsigned     before = conn->pending;

    if (event->events & ~(unsigned)EPOLLOUT)
        conn_receive(conn, &worker->tally);
    worker->pending -= before - conn->pending;
    if (conn->pending == 0 && !is_open(worker))
        ask_batch(worker, conn);
    else
        send_asked(worker, conn);
}

/* Wait for answers, or until something is due. */
static void
serve_events(struct worker *worker, uint64_t until)
{
    struct epoll_event events[EVENTS];
    uint64_t           now = now_ns(), ns = until > now ? until - now : 0;
    struct timespec    patience = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
    int count = epoll_pwait2(worker->poll, events, EVENTS, &patience, NULL);

    if (count < 0 && errno != EINTR)
        fail("epoll: %s", strerror(errno));
    for (int i = 0; i < count; i++)
        serve(worker, &events[i]);
    if (count > 0)
        worker->last_ns = now_ns();
    atomic_store_explicit(&worker->done, worker->asked - worker->pending,
                          memory_order_relaxed);
}

static void
begin(struct worker *worker, const struct phase *phase)
{
    memset(&worker->tally, 0, sizeof(worker->tally));
    worker->phase = phase;
    worker->asked = 0;
    worker->quota =
        phase->operations > 0 ? share_of(worker, phase->operations) : UINT64_MAX;
    worker->last_ns = phase->begins_ns;
    if (is_open(worker))
        set_first_due(worker);
    for (unsigned i = 0; !is_open(worker) && i < worker->conn_count; i++)
        ask_batch(worker, &worker->conns[i]);
}

/* When it has to look around again, answers or not. */
static uint64_t
wake_at(const struct worker *worker, uint64_t watch_ns)
{
    bool asks = is_open(worker) && has_room(worker);

    return asks && next_due(worker) < watch_ns ? next_due(worker) : watch_ns;
}

void
worker_play(struct worker *worker, const struct phase *phase)
{
    uint64_t watch_ns = 0, now;
    bool     over = false;

    /* Or the kernel lets what is due wait for up to 50 us, to wake for more at once. */
    prctl(PR_SET_TIMERSLACK, 1);
    begin(worker, phase);
    for (;;) {
        now = now_ns();
        if (is_open(worker) && !over)
            ask_what_is_due(worker, now);
        over = over || is_over(worker, now);
        if (over && worker->pending == 0)
            break;
        watch(worker, now, &watch_ns);
        serve_events(worker, over ? watch_ns : wake_at(worker, watch_ns));
    }
    if (is_open(worker))
        count_unsent(worker);
}
