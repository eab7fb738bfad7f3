/* server/limits.c - who has kept us waiting for too long, or keeps too much. See limits.h. */
#include "server/limits.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "server/conn.h"
#include "server/peer.h"
#include "server/server.h"
#include "server/tls.h"
#include "server/worker.h"

enum {
    STALE_S = 1,       /* a client's turn in one, where there is no room    */
    HANDSHAKES_IN = 2, /* of so many parts of the memory they may have one  */
    LEAST_IN = 8,      /* of so many they may always have one               */
};

void
limits_init(struct limits *limits, const struct options *options)
{
    atomic_init(&limits->handshake_s, options->tls_handshake_s);
    atomic_init(&limits->idle_s, options->idle_timeout_s);
    atomic_init(&limits->header_s, options->header_timeout_s);
    atomic_init(&limits->body_s, options->body_timeout_s);
    atomic_init(&limits->write_s, options->write_timeout_s);
    atomic_init(&limits->conn_memory_bytes, options->conn_memory_bytes);
}

void
limits_show(const struct limits *limits, struct options *options)
{
    options->tls_handshake_s = atomic_load(&limits->handshake_s);
    options->idle_timeout_s = atomic_load(&limits->idle_s);
    options->header_timeout_s = atomic_load(&limits->header_s);
    options->body_timeout_s = atomic_load(&limits->body_s);
    options->write_timeout_s = atomic_load(&limits->write_s);
    options->conn_memory_bytes = atomic_load(&limits->conn_memory_bytes);
}

/* ---- time ------------------------------------------------------------------------ */

/* Are more than so many seconds over? 0 is no limit. The clock can be set back, by who has
 * debug_commands. */
static bool
is_over(uint32_t since, uint32_t now, unsigned limit_s)
{
    return limit_s > 0 && now > since && now - since > limit_s * CLOCK_HZ;
}

/* Bytes that are to come, or to be taken by the client: those in the kernel, too, which says
 * that it has room only from time to time. */
static uint64_t
bytes_left(const struct conn *conn)
{
    int unsent = 0;

    if (conn->pending == NULL)
        return session_to_come(&conn->session);
    if (ioctl(conn->fd, SIOCOUTQ, &unsent) != 0 || unsent < 0)
        unsent = 0;
    return reply_left(conn->pending) + (uint64_t)unsent;
}

/* Has too little come, or gone, in so many seconds of what began at began_at? */
static bool
is_slow(struct conn *conn, uint32_t now, unsigned limit_s)
{
    bool     looked = conn->looked_at > conn->began_at;
    uint64_t left_s;

    if (limit_s == 0 || (looked && !is_over(conn->looked_at, now, limit_s)))
        return false;
    left_s = bytes_left(conn) / LIMITS_BYTES_A_SECOND;
    if (looked && conn->left_s < left_s + limit_s)
        return true;
    conn->looked_at = now;
    conn->left_s = left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX;
    return false;
}

/* Part of a record of TLS has come, and nothing that can be read. */
static bool
is_amid_record(struct conn *conn, uint32_t now, unsigned limit_s)
{
    if (conn->tls == NULL || !tls_is_amid_record(conn->tls)) {
        conn->looked_at = 0;
        return false;
    }
    if (conn->looked_at <= conn->heard_at)
        conn->looked_at = now;
    return is_over(conn->looked_at, now, limit_s);
}

/* What memcached closes, of those that wait for a request. */
static bool
is_idle(const struct conn *conn, uint32_t now, unsigned limit_s)
{
    return !peer_is_local(&conn->peer) && is_over(conn->heard_at, now, limit_s);
}

static void
end(struct conn *conn, uint64_t *counter, enum events_closed reason)
{
    counter_add(counter, 1);
    conn_close(conn, reason);
}

static void
look_at(struct conn *conn, uint32_t now)
{
    const struct limits    *limits = &conn->worker->server->limits;
    struct worker_counters *counters = &conn->worker->counters;
    enum conn_state         state = conn->state;

    if (conn->tls != NULL && !tls_is_ready(conn->tls)) {
        if (is_over(conn->heard_at, now, limits->handshake_s)) {
            if (conn->deferred) { /* it is not the client that is slow */
                limits_end_handshake(conn);
                return;
            }
            counter_add(&counters->handshake_kicks, 1);
            conn_refuse(conn, "the handshake takes too long");
        }
        return;
    }
    if (conn->in_again) /* it waits for us */
        return;
    switch (state) {
    case CONN_WAITING:
    case CONN_READING:
        if (state == CONN_WAITING ? is_amid_record(conn, now, limits->header_s)
                                  : is_over(conn->began_at, now, limits->header_s))
            end(conn, &counters->header_kicks, EVENTS_CLOSED_BY_HEADER_TIMEOUT);
        else if (is_idle(conn, now, limits->idle_s))
            end(conn, &counters->idle_kicks, EVENTS_CLOSED_BY_IDLENESS);
        break;
    case CONN_RECEIVING:
        if (is_slow(conn, now, limits->body_s))
            end(conn, &counters->body_kicks, EVENTS_CLOSED_BY_BODY_TIMEOUT);
        break;
    case CONN_WRITING:
        if (is_slow(conn, now, limits->write_s))
            end(conn, &counters->write_kicks, EVENTS_CLOSED_BY_WRITE_TIMEOUT);
        break;
    case CONN_RUNNING:
    case CONN_WATCHING:
        break;
    }
}

/* ---- memory ---------------------------------------------------------------------- */

static uint64_t
share(const struct worker *worker)
{
    const struct server *server = worker->server;

    return atomic_load_explicit(&server->limits.conn_memory_bytes, memory_order_relaxed) /
           server->options.threads;
}

bool
limits_leave_room_for_tls(uint64_t bytes, unsigned threads)
{
    return bytes == 0 || bytes / threads / HANDSHAKES_IN >=
                             LIMITS_HANDSHAKES_LEAST * LIMITS_HANDSHAKE_BYTES;
}

static bool
keeps_more(const struct worker *worker, uint64_t allowed)
{
    return worker->kept_bytes > allowed && allowed > 0;
}

bool
limits_is_over(const struct worker *worker)
{
    return keeps_more(worker, share(worker));
}

static bool
has_room(const struct worker *worker, uint64_t allowed)
{
    return allowed == 0 ||
           (worker->kept_bytes + LIMITS_HANDSHAKE_BYTES <= allowed &&
            (worker->shaking + 1) * LIMITS_HANDSHAKE_BYTES <= allowed / HANDSHAKES_IN);
}

bool
limits_let_shake_hands(const struct worker *worker)
{
    return has_room(worker, share(worker));
}

/* Has it said something that is not read yet? Then it is the worker's turn. */
static bool
has_said_more(const struct conn *conn)
{
    int unread = 0;

    return ioctl(conn->fd, SIOCINQ, &unread) == 0 && unread > 0;
}

bool
limits_is_stale(const struct conn *conn)
{
    return conn->shaking &&
           is_over(conn->began_at, clock_now(&conn->worker->server->clock), STALE_S) &&
           !has_said_more(conn);
}

void
limits_end_handshake(struct conn *conn)
{
    end(conn, &conn->worker->counters.conn_mem_kicks, EVENTS_CLOSED_BY_MEMORY_LIMIT);
}

/* For the first time in this tick? */
static bool
may_walk(struct worker *worker)
{
    uint32_t now = clock_now(&worker->server->clock), before = worker->relieved_at;

    worker->relieved_at = now;
    return now != before;
}

static void
end_stale(struct worker *worker)
{
    struct conn *next;

    for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (limits_is_stale(conn))
            limits_end_handshake(conn);
    }
}

/* Those that are about to have a turn stay: they are on a list that is being walked. */
static bool
may_go(const struct conn *conn, const struct conn *served)
{
    return !conn->shaking && (!conn->in_again || (served != NULL && conn == served));
}

static size_t
most_kept(const struct worker *worker, const struct conn *served)
{
    size_t most = 0;

    for (const struct conn *conn = worker->conns; conn != NULL; conn = conn->next) {
        if (may_go(conn, served) && conn_keeps(conn) > most)
            most = conn_keeps(conn);
    }
    return most;
}

static struct conn *
oldest(const struct worker *worker)
{
    struct conn *conn = worker->conns;

    while (conn != NULL && conn->next != NULL)
        conn = conn->next;
    return conn;
}

/* Each round closes those that keep more than half of what anyone does, so there are few. The
 * oldest go first. */
static void
relieve(struct worker *worker, uint64_t enough, const struct conn *served)
{
    size_t       most = most_kept(worker, served);
    struct conn *before;

    for (; most > 0 && worker->kept_bytes > enough; most = most_kept(worker, served)) {
        for (struct conn *conn = oldest(worker); conn != NULL; conn = before) {
            before = conn->prev;
            if (worker->kept_bytes > enough && may_go(conn, served) &&
                conn_keeps(conn) > most / 2)
                end(conn, &worker->counters.conn_mem_kicks,
                    EVENTS_CLOSED_BY_MEMORY_LIMIT);
        }
    }
}

void
limits_relieve(struct worker *worker, const struct conn *served)
{
    /* Asked once: HUP may say meanwhile that there is no limit, which is 0. */
    uint64_t allowed = share(worker);

    if (may_walk(worker))
        end_stale(worker);
    if (keeps_more(worker, allowed))
        relieve(worker, allowed / 8 * 7, served);
}

static uint64_t
least_handshakes(uint64_t allowed)
{
    uint64_t part = allowed / LEAST_IN / LIMITS_HANDSHAKE_BYTES;

    return part > LIMITS_HANDSHAKES_LEAST ? part : LIMITS_HANDSHAKES_LEAST;
}

/* What clients do not take must not keep others from beginning. */
void
limits_make_room(struct worker *worker)
{
    uint64_t allowed = share(worker), least = least_handshakes(allowed);

    if (!may_walk(worker))
        return;
    end_stale(worker);
    if (worker->shaking < least && !has_room(worker, allowed))
        relieve(worker, allowed - (least - worker->shaking) * LIMITS_HANDSHAKE_BYTES,
                NULL);
}

/* ---- once a second ----------------------------------------------------------- */

void
limits_look(struct worker *worker)
{
    uint32_t     now = clock_now(&worker->server->clock);
    struct conn *next;

    for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
        next = conn->next;
        look_at(conn, now);
    }
    if (limits_is_over(worker))
        limits_relieve(worker, NULL);
}
