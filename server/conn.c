/* server/conn.c - reading, running, sending. See conn.h.
 *
 * Nearly always: one recv, one session_run, one send, and no memory of the connection's
 * own. The rest of this file is for when a client sends half a request, does not read,
 * or has more to do than its turn allows.
 */
#include "server/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/direct.h"
#include "server/limits.h"
#include "server/server.h"
#include "server/tls.h"
#include "server/trace.h"
#include "server/worker.h"
#include "slabs/must.h"

enum {
    VECTORS = 2 * REPLY_PIECES + 2,
    TURN_BYTES = 512 << 10, /* with so much sent, others have their turn...     */
    SEND_BYTES = 1 << 20,   /* ...and with this much, in the midst of an answer */
};

_Static_assert(WORKER_INPUT_BYTES <= UINT16_MAX, "kept input has a length of 16 bits");

static void conn_on_event(evutil_socket_t fd, short what, void *arg);

/* ---- birth and death ------------------------------------------------------------- */

enum session_protocol
conn_protocol(const struct listener *listener)
{
    switch (listener->protocol) {
    case OPTIONS_PROTOCOL_ASCII:
        return SESSION_TEXT;
    case OPTIONS_PROTOCOL_BINARY:
        return SESSION_BINARY;
    case OPTIONS_PROTOCOL_AUTO:
        break;
    }
    return SESSION_AUTO;
}

struct conn *
conn_create(int fd, const struct peer *peer, const struct listener *listener,
            struct certificates *certificates)
{
    struct conn *conn = malloc(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    *conn = (struct conn){ .fd = fd, .peer = *peer };
    session_init(&conn->session, conn_protocol(listener));
    if (listener->tls != LISTEN_PLAIN) {
        conn->tls = tls_create(certificates, fd, listener->tls);
        if (conn->tls == NULL) {
            free(conn);
            return NULL;
        }
    }
    return conn;
}

static bool
is_traced(const struct conn *conn)
{
    return atomic_load_explicit(&conn->worker->server->verbosity, memory_order_relaxed) >=
           TRACE_DIALOGUE;
}

static bool
wait_for(struct conn *conn, short what)
{
    event_assign(&conn->event, conn->worker->base, conn->fd, what | EV_PERSIST,
                 conn_on_event, conn);
    return event_add(&conn->event, NULL) == 0;
}

/* The same, where it may be waiting for something else. */
static bool
wait_instead(struct conn *conn, short what)
{
    if (event_get_events(&conn->event) & what)
        return true;
    event_del(&conn->event);
    return wait_for(conn, what);
}

static void
note_heard(struct conn *conn)
{
    atomic_store_explicit(&conn->heard_at, clock_now(&conn->worker->server->clock),
                          memory_order_relaxed);
}

static void
note_began(struct conn *conn)
{
    conn->began_at = clock_now(&conn->worker->server->clock);
}

static void
set_state(struct conn *conn, enum conn_state state)
{
    atomic_store_explicit(&conn->state, state, memory_order_relaxed);
}

bool
conn_start(struct conn *conn, struct worker *worker)
{
    conn->worker = worker;
    note_heard(conn);
    lock_take(&worker->conns_lock);
    conn->next = worker->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    worker->conns = conn;
    lock_drop(&worker->conns_lock);
    if (is_traced(conn))
        trace_event(&worker->server->log, conn->fd, "new client connection");
    peer_tell_opened(worker->session_worker.executor.ring, conn->fd, &conn->peer);
    if (wait_for(conn, EV_READ))
        return true;
    conn_close(conn, EVENTS_CLOSED_BY_ERROR);
    return false;
}

static void
leave_list(struct conn *conn, struct conn **at, struct conn ***end)
{
    while (*at != conn)
        at = &(*at)->next_again;
    *at = conn->next_again;
    if (*at == NULL)
        *end = at;
}

static void
leave_waiting(struct conn *conn)
{
    leave_list(conn, &conn->worker->waiting, &conn->worker->waiting_end);
    conn->deferred = false;
    counter_add(&conn->worker->waiting_count, -(uint64_t)1);
}

/* ---- what it keeps --------------------------------------------------------------- */

static void
forget_kept(struct conn *conn)
{
    counter_add(&conn->worker->kept_bytes, -(uint64_t)conn->kept_length);
    free(conn->kept);
    conn->kept = NULL;
    conn->kept_length = 0;
}

static void
forget_pending(struct conn *conn)
{
    counter_add(&conn->worker->kept_bytes, -(uint64_t)conn->pending_memory);
    reply_destroy(&conn->pending);
    conn->pending_memory = 0;
}

/* A handshake is done, or given up: who waits may begin. */
static void
forget_handshake(struct conn *conn)
{
    if (!conn->shaking)
        return;
    counter_add(&conn->worker->kept_bytes, -(uint64_t)LIMITS_HANDSHAKE_BYTES);
    conn->shaking = false;
    conn->worker->shaking--;
    conn_begin_waiting(conn->worker);
}

/* Keep what is to be sent; false where there is no memory for it. */
static bool
keep_reply(struct conn *conn, struct reply *reply)
{
    conn->pending = reply_save(reply);
    if (conn->pending == NULL) {
        counter_add(&conn->worker->counters.response_obj_oom, 1);
        return false;
    }
    conn->pending_memory = (uint32_t)reply_memory(conn->pending);
    counter_add(&conn->worker->kept_bytes, conn->pending_memory);
    return true;
}

/* Keep input for later; it lies in the worker's buffer now. */
static bool
keep_input(struct conn *conn, struct span rest)
{
    if (rest.length == 0)
        return true;
    conn->kept = malloc(rest.length);
    if (conn->kept == NULL) {
        counter_add(&conn->worker->counters.read_buf_oom, 1);
        return false;
    }
    memcpy(conn->kept, rest.at, rest.length);
    conn->kept_length = (uint16_t)rest.length;
    counter_add(&conn->worker->kept_bytes, rest.length);
    return true;
}

static size_t
fetch_kept(struct conn *conn)
{
    size_t length = conn->kept_length;

    if (conn->kept == NULL)
        return 0;
    memcpy(conn->worker->input, conn->kept, length);
    forget_kept(conn);
    return length;
}

/* ---- its end --------------------------------------------------------------------- */

/* Leave the worker, and free all but the descriptor. */
static void
leave(struct conn *conn)
{
    struct worker *worker = conn->worker;

    event_del(&conn->event);
    if (conn->in_again)
        leave_list(conn, &worker->again, &worker->again_end);
    if (conn->deferred)
        leave_waiting(conn);
    lock_take(&worker->conns_lock);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    lock_drop(&worker->conns_lock);
    session_fini(&conn->session, &worker->session_worker);
    forget_pending(conn);
    forget_kept(conn);
    forget_handshake(conn);
    tls_destroy(&conn->tls);
    free(conn);
    atomic_fetch_sub(&worker->connections, 1);
}

void
conn_close(struct conn *conn, enum events_closed reason)
{
    struct worker *worker = conn->worker;
    int            fd = conn->fd;

    if (is_traced(conn))
        trace_event(&worker->server->log, fd, "connection closed.");
    peer_tell_closed(worker->session_worker.executor.ring, fd, &conn->peer, reason);
    leave(conn);
    close(fd);
    server_connection_closed(worker->server);
}

/* For a connection whose TLS has come to grief. */
static void
tell_of_trouble(struct conn *conn, uint64_t *counter, const char *what)
{
    counter_add(counter, 1);
    peer_tell_tls_error(conn->worker->session_worker.executor.ring, conn->fd, what);
}

void
conn_refuse(struct conn *conn, const char *why)
{
    tell_of_trouble(conn, &conn->worker->counters.ssl_handshake_errors, why);
    conn_close(conn, EVENTS_CLOSED_BY_ERROR);
}

/* Reading or sending has failed, and errno says why. */
static void
look_for_trouble(struct conn *conn)
{
    if (conn->tls != NULL && errno == EPROTO)
        tell_of_trouble(conn, &conn->worker->counters.ssl_proto_errors,
                        tls_trouble(conn->tls));
}

/* ---- sending --------------------------------------------------------------------- */

enum sent { SENT_ALL, SENT_PART, SENT_FAILED };

/* Of so many vectors, how many hold what is sent at a time: the kernel copies it. */
static unsigned
count_to_send(const struct iovec *vectors, unsigned count)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        bytes += vectors[i].iov_len;
        if (bytes >= SEND_BYTES)
            return i + 1;
    }
    return count;
}

static ssize_t
send_gathered(const struct conn *conn, const struct reply *reply)
{
    struct iovec  vectors[VECTORS];
    unsigned      count = reply_vectors(reply, vectors, VECTORS);
    struct msghdr message = { .msg_iov = vectors };

    count = count_to_send(vectors, count);
    if (conn->tls != NULL)
        return tls_send(conn->tls, vectors, count);
    message.msg_iovlen = count;
    return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
}

static ssize_t
send_once(const struct conn *conn, const struct reply *reply)
{
    struct span left = reply_left_in_a_row(reply);

    if (left.length == 0 || conn->tls != NULL)
        return send_gathered(conn, reply);
    return direct_send(conn->fd, left.at, left.length, MSG_NOSIGNAL);
}

static enum sent
send_some(struct conn *conn, struct reply *reply)
{
    size_t  sent = 0;
    ssize_t n;

    while (reply_left(reply) > 0) {
        if (sent >= SEND_BYTES)
            return SENT_PART; /* as if the socket took no more: it is asked again */
        n = send_once(conn, reply);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return SENT_PART;
        if (n < 0) {
            look_for_trouble(conn);
            return SENT_FAILED;
        }
        counter_add(&conn->worker->counters.bytes_written, (uint64_t)n);
        sent += (size_t)n;
        reply_advance(reply, (size_t)n);
    }
    reply_clear(reply);
    return SENT_ALL;
}

/* Send the worker's reply. What the socket does not take becomes the connection's own,
 * and reading stops until it is gone. */
static enum sent
send_reply(struct conn *conn)
{
    struct reply *reply = conn->worker->reply;
    enum sent     sent = send_some(conn, reply);

    if (sent == SENT_PART) {
        if (keep_reply(conn, reply)) {
            event_del(&conn->event);
            if (!wait_for(conn, EV_WRITE))
                sent = SENT_FAILED;
        } else {
            sent = SENT_FAILED;
        }
    }
    if (sent == SENT_FAILED)
        reply_clear(reply);
    return sent;
}

/* ---- running --------------------------------------------------------------------- */

/* What the connection waits for when its turn has ended. */
static enum conn_state
state_between_turns(const struct conn *conn)
{
    if (conn->pending != NULL)
        return CONN_WRITING;
    if (session_is_receiving(&conn->session))
        return CONN_RECEIVING;
    return conn->kept != NULL || !session_is_idle(&conn->session) ? CONN_READING
                                                                  : CONN_WAITING;
}

/* Its turn is over. What it waits for now has begun with this turn if it did not wait for
 * that before, or if requests were run. */
static void
end_turn(struct conn *conn, enum conn_state before, bool ran)
{
    enum conn_state now = state_between_turns(conn);

    set_state(conn, now);
    if (now == CONN_WAITING)
        return;
    if (now != before || ran)
        note_began(conn);
    if (limits_is_over(conn->worker))
        limits_relieve(conn->worker, conn);
}

static enum events_closed
reason_of_end(const struct session *session)
{
    return session->offended ? EVENTS_CLOSED_BY_ERROR : EVENTS_CLOSED_NORMALLY;
}

/* The client wants to watch: its socket becomes the watch thread's. False where it may
 * not: it is told so, and the dialogue goes on. */
static bool
begin_to_watch(struct conn *conn)
{
    struct worker      *worker = conn->worker;
    struct watch_client client = {
        .fd = conn->fd, .tls = conn->tls, .heard_at = conn->heard_at, .peer = conn->peer
    };
    uint32_t kinds = session_watches(&conn->session);
    bool     too_many;

    event_del(&conn->event);
    set_state(conn, CONN_WATCHING);
    if (watch_add(&worker->server->watch, &client, kinds, &too_many)) {
        conn->tls = NULL;
        leave(conn);
        return true;
    }
    session_refuse_watch(&conn->session, too_many, worker->reply);
    if (wait_for(conn, EV_READ))
        return false;
    conn_close(conn, EVENTS_CLOSED_BY_ERROR);
    return true;
}

static bool
holds_input(const struct conn *conn)
{
    return conn->tls != NULL && tls_holds_input(conn->tls);
}

/* Run the session over the input, as far as input, turn and socket allow. */
static void
conn_run(struct conn *conn, struct span input)
{
    struct worker  *worker = conn->worker;
    unsigned        budget = worker->server->turn_requests;
    size_t          said = 0;
    enum conn_state before = conn->state;

    set_state(conn, CONN_RUNNING);
    worker->session_worker.executor.client = conn->fd;
    for (;;) {
        size_t              used;
        enum session_status status = session_run(&conn->session, &worker->session_worker,
                                                 input, &used, worker->reply, &budget);
        enum sent           sent;

        if (is_traced(conn)) {
            if (conn->session.login.secret)
                trace_secret(&worker->server->log, conn->fd, used);
            else
                trace_input(&worker->server->log, conn->fd,
                            (struct span){ input.at, used });
            trace_reply(&worker->server->log, conn->fd, worker->reply);
        }
        input = (struct span){ input.at + used, input.length - used };
        if (status == SESSION_DROP) {
            reply_clear(worker->reply);
            conn_close(conn, EVENTS_CLOSED_BY_ERROR);
            return;
        }
        if (status == SESSION_WATCH) {
            if (begin_to_watch(conn))
                return;
            continue;
        }
        said += reply_left(worker->reply);
        sent = send_reply(conn);
        if (watch_is_on(&worker->server->watch))
            watch_wake(&worker->server->watch);
        if (sent == SENT_FAILED || (sent == SENT_ALL && status == SESSION_CLOSE)) {
            conn_close(conn, sent == SENT_FAILED ? EVENTS_CLOSED_BY_ERROR
                                                 : reason_of_end(&conn->session));
            return;
        }
        if (sent == SENT_ALL && status == SESSION_FULL) {
            if (said < TURN_BYTES)
                continue;
            status = SESSION_YIELD;
        }
        conn->closing = status == SESSION_CLOSE;
        /* A request that fills the whole buffer will never be whole. */
        if (input.length == WORKER_INPUT_BYTES || !keep_input(conn, input)) {
            conn_close(conn, EVENTS_CLOSED_BY_ERROR);
            return;
        }
        if (sent == SENT_ALL && status == SESSION_YIELD)
            counter_add(&worker->counters.conn_yields, 1);
        conn->hungry = status == SESSION_MORE && holds_input(conn);
        if (sent == SENT_ALL && (status == SESSION_YIELD || conn->hungry)) {
            if (!worker_serve_again(worker, conn)) {
                conn_close(conn, EVENTS_CLOSED_BY_ERROR);
                return;
            }
        }
        end_turn(conn, before, budget < worker->server->turn_requests);
        return;
    }
}

/* One read: first into a value that is arriving, then into the worker's buffer. */
static ssize_t
receive(struct conn *conn, size_t kept, size_t *direct)
{
    struct worker *worker = conn->worker;
    struct iovec   vectors[2];
    struct iovec  *buffer = &vectors[1];

    vectors[0].iov_base =
        session_upload_room(&conn->session, &worker->session_worker, direct);
    vectors[0].iov_len = *direct;
    buffer->iov_base = worker->input + kept;
    buffer->iov_len = WORKER_INPUT_BYTES - kept;
    if (conn->tls != NULL)
        return *direct == 0 ? tls_receive(conn->tls, buffer, 1)
                            : tls_receive(conn->tls, vectors, 2);
    if (*direct == 0)
        return direct_recv(conn->fd, buffer->iov_base, buffer->iov_len);
    return readv(conn->fd, vectors, 2);
}

/* TLS may have to send before it can read on. */
static bool
wait_to_read(struct conn *conn)
{
    return conn->tls == NULL ||
           wait_instead(conn, tls_waits_to_write(conn->tls) ? EV_WRITE : EV_READ);
}

static void
conn_read(struct conn *conn)
{
    size_t  kept = fetch_kept(conn), direct;
    ssize_t n = receive(conn, kept, &direct);

    if (n <= 0) {
        bool again = n < 0 && (errno == EAGAIN || errno == EINTR);

        if (n < 0 && !again)
            look_for_trouble(conn);
        if (!again || !wait_to_read(conn) ||
            !keep_input(conn, (struct span){ conn->worker->input, kept }))
            conn_close(conn, n == 0 ? EVENTS_CLOSED_NORMALLY : EVENTS_CLOSED_BY_ERROR);
        return;
    }
    if (!wait_to_read(conn)) {
        conn_close(conn, EVENTS_CLOSED_BY_ERROR);
        return;
    }
    counter_add(&conn->worker->counters.bytes_read, (uint64_t)n);
    timekeeper_tick(&conn->worker->server->timekeeper);
    note_heard(conn);
    if (direct > 0) {
        /* Nothing was kept: the session takes all there is while a value arrives. */
        size_t filled = (size_t)n < direct ? (size_t)n : direct;

        must(kept == 0);
        session_upload_fill(&conn->session, filled);
        n -= (ssize_t)filled;
    }
    conn_run(conn, (struct span){ conn->worker->input, kept + (size_t)n });
}

void
conn_continue(struct conn *conn)
{
    if (conn->hungry) {
        conn_read(conn);
        return;
    }
    note_heard(conn); /* it has taken what its last turn has said */
    conn_run(conn, (struct span){ conn->worker->input, fetch_kept(conn) });
}

/* The client takes output again. */
static void
conn_write(struct conn *conn)
{
    note_heard(conn);
    switch (send_some(conn, conn->pending)) {
    case SENT_PART:
        return;
    case SENT_FAILED:
        conn_close(conn, EVENTS_CLOSED_BY_ERROR);
        return;
    case SENT_ALL:
        break;
    }
    forget_pending(conn);
    event_del(&conn->event);
    if (conn->closing || !wait_for(conn, EV_READ)) {
        conn_close(conn, conn->closing ? reason_of_end(&conn->session)
                                       : EVENTS_CLOSED_BY_ERROR);
        return;
    }
    if (conn->kept != NULL || session_has_more_to_say(&conn->session) ||
        holds_input(conn))
        conn_continue(conn);
    else
        end_turn(conn, CONN_WRITING, false);
}

/* Let it wait until there is room: what it has said stays in the kernel. */
static void
defer_handshake(struct conn *conn)
{
    struct worker *worker = conn->worker;

    event_del(&conn->event);
    conn->deferred = true;
    conn->next_again = NULL;
    *worker->waiting_end = conn;
    worker->waiting_end = &conn->next_again;
    counter_add(&worker->waiting_count, 1);
    counter_add(&worker->counters.handshakes_deferred, 1);
}

/* From now on it keeps more than an idle connection does. */
static void
count_handshake(struct conn *conn)
{
    if (conn->shaking)
        return;
    counter_add(&conn->worker->kept_bytes, LIMITS_HANDSHAKE_BYTES);
    conn->shaking = true;
    conn->worker->shaking++;
    note_began(conn);
}

/* The room is theirs from here on, so that nobody who has waited waits twice. Nothing is closed:
 * who calls may be on his way through all connections. */
void
conn_begin_waiting(struct worker *worker)
{
    while (worker->waiting != NULL && limits_let_shake_hands(worker)) {
        struct conn *conn = worker->waiting;

        if (!wait_for(conn, EV_READ))
            return;
        leave_waiting(conn);
        note_heard(conn); /* its time begins now */
        count_handshake(conn);
    }
}

/* Is there room, and nobody who came before? */
static bool
may_begin(struct worker *worker)
{
    if (!limits_let_shake_hands(worker))
        limits_make_room(worker);
    return worker->waiting == NULL && limits_let_shake_hands(worker);
}

/* It goes on when the client does. Who says a byte now and then, which cannot be answered yet,
 * gains nothing by it. */
static void
await_handshake(struct conn *conn, bool answered)
{
    count_handshake(conn);
    if (answered)
        note_began(conn);
    if (conn->worker->waiting != NULL && limits_is_stale(conn))
        limits_end_handshake(conn);
    else if (!wait_to_read(conn))
        conn_close(conn, EVENTS_CLOSED_BY_ERROR);
}

static void
shake_hands(struct conn *conn)
{
    if (!conn->shaking && !may_begin(conn->worker)) {
        defer_handshake(conn);
        return;
    }
    switch (tls_shake_hands(conn->tls)) {
    case TLS_READY:
        if (!tls_is_resumed(conn->tls))
            counter_add(&conn->worker->counters.ssl_new_sessions, 1);
        forget_handshake(conn);
        note_heard(conn);
        conn_read(conn); /* a request may have come along with it */
        break;
    case TLS_ANSWERED:
        await_handshake(conn, true);
        break;
    case TLS_WAITS:
        await_handshake(conn, false);
        break;
    case TLS_LEFT:
        conn_close(conn, EVENTS_CLOSED_NORMALLY);
        break;
    case TLS_REFUSED:
        conn_refuse(conn, tls_trouble(conn->tls));
        break;
    }
}

static void
conn_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd, (void)what;
    /* Its worker may have thousands to serve in one turn of the loop. */
    pulse_beat(&conn->worker->pulse);
    if (conn->tls != NULL && !tls_is_ready(conn->tls))
        shake_hands(conn);
    else if (conn->pending != NULL)
        conn_write(conn);
    else if (!conn->in_again)
        conn_read(conn);
}
