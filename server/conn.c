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

#include "server/server.h"
#include "server/trace.h"
#include "server/worker.h"
#include "slabs/must.h"

enum {
    VECTORS = 2 * REPLY_PIECES + 2,
    TURN_BYTES = 512 << 10, /* with so much sent, others have their turn...     */
    SEND_BYTES = 1 << 20,   /* ...and with this much, in the midst of an answer */
};

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
conn_create(int fd, const struct peer *peer, const struct listener *listener)
{
    struct conn *conn = malloc(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    *conn = (struct conn){ .fd = fd, .peer = *peer };
    session_init(&conn->session, conn_protocol(listener));
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

static void
note_heard(struct conn *conn)
{
    atomic_store_explicit(&conn->heard_at, clock_now(&conn->worker->server->clock),
                          memory_order_relaxed);
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
        trace_event(conn->fd, "new client connection");
    peer_tell_opened(worker->session_worker.executor.ring, conn->fd, &conn->peer);
    if (wait_for(conn, EV_READ))
        return true;
    conn_close(conn, EVENTS_CLOSED_BY_ERROR);
    return false;
}

static void
leave_again_list(struct conn *conn)
{
    struct worker *worker = conn->worker;
    struct conn  **at = &worker->again;

    while (*at != conn)
        at = &(*at)->next_again;
    *at = conn->next_again;
    if (*at == NULL)
        worker->again_end = at;
}

/* Leave the worker, and free all but the descriptor. */
static void
leave(struct conn *conn)
{
    struct worker *worker = conn->worker;

    event_del(&conn->event);
    if (conn->in_again)
        leave_again_list(conn);
    lock_take(&worker->conns_lock);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    lock_drop(&worker->conns_lock);
    session_fini(&conn->session, &worker->session_worker);
    reply_destroy(&conn->pending);
    free(conn->kept);
    free(conn);
    atomic_fetch_sub(&worker->connections, 1);
}

void
conn_close(struct conn *conn, enum events_closed reason)
{
    struct worker *worker = conn->worker;
    int            fd = conn->fd;

    if (is_traced(conn))
        trace_event(fd, "connection closed.");
    peer_tell_closed(worker->session_worker.executor.ring, fd, &conn->peer, reason);
    leave(conn);
    close(fd);
    server_connection_closed(worker->server);
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

static enum sent
send_some(struct conn *conn, struct reply *reply)
{
    struct iovec  vectors[VECTORS];
    struct msghdr message = { .msg_iov = vectors };
    size_t        sent = 0;
    ssize_t       n;

    while (reply_left(reply) > 0) {
        if (sent >= SEND_BYTES)
            return SENT_PART; /* as if the socket took no more: it is asked again */
        message.msg_iovlen =
            count_to_send(vectors, reply_vectors(reply, vectors, VECTORS));
        n = message.msg_iovlen == 1
                ? send(conn->fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL)
                : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SENT_PART : SENT_FAILED;
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
        conn->pending = reply_save(reply);
        if (conn->pending == NULL) {
            counter_add(&conn->worker->counters.response_obj_oom, 1);
            sent = SENT_FAILED;
        } else {
            event_del(&conn->event);
            if (!wait_for(conn, EV_WRITE))
                sent = SENT_FAILED;
        }
    }
    if (sent == SENT_FAILED)
        reply_clear(reply);
    return sent;
}

/* ---- running --------------------------------------------------------------------- */

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
    conn->kept_length = (uint32_t)rest.length;
    return true;
}

static size_t
fetch_kept(struct conn *conn)
{
    size_t length = conn->kept_length;

    if (conn->kept == NULL)
        return 0;
    memcpy(conn->worker->input, conn->kept, length);
    free(conn->kept);
    conn->kept = NULL;
    conn->kept_length = 0;
    return length;
}

/* What the connection waits for when its turn has ended. */
static enum conn_state
state_between_turns(const struct conn *conn)
{
    if (conn->pending != NULL)
        return CONN_WRITING;
    return session_is_idle(&conn->session) ? CONN_WAITING : CONN_RECEIVING;
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
    struct watch_client client = { conn->fd, conn->heard_at, conn->peer };
    uint32_t            kinds = session_watches(&conn->session);
    bool                too_many;

    event_del(&conn->event);
    set_state(conn, CONN_WATCHING);
    if (watch_add(&worker->server->watch, &client, kinds, &too_many)) {
        leave(conn);
        return true;
    }
    session_refuse_watch(&conn->session, too_many, worker->reply);
    if (wait_for(conn, EV_READ))
        return false;
    conn_close(conn, EVENTS_CLOSED_BY_ERROR);
    return true;
}

/* Run the session over the input, as far as input, turn and socket allow. */
static void
conn_run(struct conn *conn, struct span input)
{
    struct worker *worker = conn->worker;
    unsigned       budget = worker->server->turn_requests;
    size_t         said = 0;

    set_state(conn, CONN_RUNNING);
    worker->session_worker.executor.client = conn->fd;
    for (;;) {
        size_t              used;
        enum session_status status = session_run(&conn->session, &worker->session_worker,
                                                 input, &used, worker->reply, &budget);
        enum sent           sent;

        if (is_traced(conn)) {
            if (conn->session.login.secret)
                trace_secret(conn->fd, used);
            else
                trace_input(conn->fd, (struct span){ input.at, used });
            trace_reply(conn->fd, worker->reply);
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
        if (sent == SENT_ALL && status == SESSION_YIELD) {
            counter_add(&worker->counters.conn_yields, 1);
            if (!worker_serve_again(worker, conn)) {
                conn_close(conn, EVENTS_CLOSED_BY_ERROR);
                return;
            }
        }
        set_state(conn, state_between_turns(conn));
        return;
    }
}

void
conn_continue(struct conn *conn)
{
    note_heard(conn); /* it has taken what its last turn has said */
    conn_run(conn, (struct span){ conn->worker->input, fetch_kept(conn) });
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
    if (*direct == 0)
        return recv(conn->fd, buffer->iov_base, buffer->iov_len, 0);
    return readv(conn->fd, vectors, 2);
}

static void
conn_read(struct conn *conn)
{
    size_t  kept = fetch_kept(conn), direct;
    ssize_t n = receive(conn, kept, &direct);

    if (n <= 0) {
        bool again = n < 0 && (errno == EAGAIN || errno == EINTR);

        if (!again || !keep_input(conn, (struct span){ conn->worker->input, kept }))
            conn_close(conn, n == 0 ? EVENTS_CLOSED_NORMALLY : EVENTS_CLOSED_BY_ERROR);
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
    reply_destroy(&conn->pending);
    event_del(&conn->event);
    if (conn->closing || !wait_for(conn, EV_READ)) {
        conn_close(conn, conn->closing ? reason_of_end(&conn->session)
                                       : EVENTS_CLOSED_BY_ERROR);
        return;
    }
    if (conn->kept != NULL || session_has_more_to_say(&conn->session))
        conn_continue(conn);
}

static void
conn_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd, (void)what;
    if (conn->pending != NULL)
        conn_write(conn);
    else if (!conn->in_again)
        conn_read(conn);
}
