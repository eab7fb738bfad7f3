/* server/udp.c - reading datagrams, running them, answering. See udp.h. */
#include "server/udp.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/binary.h"
#include "server/conn.h"
#include "server/server.h"
#include "server/trace.h"
#include "server/udp_frame.h"
#include "server/worker.h"

enum {
    INPUT_BYTES = 64 << 10, /* the largest datagram that there is                     */
    DATAGRAMS_A_TURN = 32,  /* then others have theirs                                */
    VECTORS = 2 * REPLY_PIECES + 2,
    CONTROL_BYTES = 64, /* for the address that a datagram was sent to            */
    MESSAGES_BYTES =
        4 << 20, /* after so much no further message is begun for a request */
};

_Static_assert(CONTROL_BYTES >= CMSG_SPACE(sizeof(struct in6_pktinfo)),
               "IPv6's is larger");

struct udp_socket {
    struct udp      *udp;
    struct event    *event;
    int              fd;
    uint8_t          protocol; /* enum session_protocol                */
    _Atomic uint32_t heard_at; /* clock, when a request last came here */
};

struct udp {
    struct worker    *worker;
    struct udp_batch  batch;
    char              input[INPUT_BYTES];
    unsigned          count;
    struct udp_socket sockets[]; /* those of the server; without event where not read */
};

/* A request that is being answered. */
struct dialogue {
    struct udp      *udp;
    int              fd;
    struct udp_frame frame;
    struct msghdr    whom;    /* whose address and, in `control`, from which of ours */
    size_t           allowed; /* bytes that may still be sent to it                  */
    size_t           sent;    /* bytes that were                                     */
};

/* ---- sending --------------------------------------------------------------------- */

/* Send what was cut; false where not all of it went. */
static bool
send_batch(struct dialogue *d)
{
    struct udp_batch *batch = &d->udp->batch;
    unsigned          sent = 0;

    while (sent < batch->count) {
        int n = sendmmsg(d->fd, batch->messages + sent, batch->count - sent, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        for (int i = 0; i < n; i++)
            counter_add(&d->udp->worker->counters.bytes_written,
                        batch->messages[sent + (unsigned)i].msg_len);
        sent += (unsigned)n;
    }
    return true;
}

/* Send the worker's reply as one message; false where not all of it went. */
static bool
send_message(struct dialogue *d)
{
    struct reply     *reply = d->udp->worker->reply;
    struct udp_batch *batch = &d->udp->batch;
    struct iovec      vectors[VECTORS];

    d->frame.sequence = 0;
    d->frame.total = (uint16_t)udp_frame_count(reply_left(reply));
    while (reply_left(reply) > 0) {
        unsigned count = reply_vectors(reply, vectors, VECTORS);

        udp_batch_cut(batch, &d->frame, vectors, count, reply_left(reply), &d->whom);
        if (batch->count == 0 || !send_batch(d))
            return false;
        reply_advance(reply, batch->bytes);
        d->frame.sequence = (uint16_t)(d->frame.sequence + batch->count);
    }
    return true;
}

/* No client begins with what is no command, but another server's answer does, if somebody
 * forged a request to either in the name of the other. They would go on for ever. */
static bool
is_answer_to_an_answer(const struct dialogue *d)
{
    const struct reply *reply = d->udp->worker->reply;
    const struct span   error = SPAN("ERROR\r\n");

    return d->sent == 0 && reply->flat_used >= error.length &&
           memcmp(reply->flat, error.at, error.length) == 0;
}

static bool
may_send(const struct dialogue *d)
{
    size_t left = reply_left(d->udp->worker->reply);

    return left <= UDP_MESSAGE_MAX && udp_frame_wire(left) <= d->allowed;
}

/* Send the reply if it is not too much, and an error if it is; false: that was the end. */
static bool
answer(struct dialogue *d, const struct session *session, struct span request)
{
    struct reply *reply = d->udp->worker->reply;
    bool          fits = may_send(d), good;
    size_t        wire;

    if (is_answer_to_an_answer(d))
        return false;
    if (!fits) {
        reply_clear(reply);
        session_say_too_much(session, request, reply);
        if (!may_send(d))
            return false;
    }
    wire = udp_frame_wire(reply_left(reply));
    good = send_message(d);
    reply_clear(reply);
    d->allowed -= wire;
    d->sent += wire;
    return fits && good && d->sent < MESSAGES_BYTES;
}

/* ---- running --------------------------------------------------------------------- */

static bool
is_traced(const struct server *server)
{
    return atomic_load_explicit(&server->verbosity, memory_order_relaxed) >=
           TRACE_DIALOGUE;
}

/* A line that does not end here is no request: the keys of a `get` would be answered one
 * by one otherwise, before it is known where they end. */
static struct span
whole_lines(struct span input, uint8_t protocol)
{
    const char *end;

    if (protocol == SESSION_BINARY ||
        (protocol == SESSION_AUTO && binary_begins_with(input.at[0])))
        return input;
    end = memrchr(input.at, '\n', input.length);
    return (struct span){ input.at, end == NULL ? 0 : (size_t)(end - input.at) + 1 };
}

/* Run what a datagram says. Its length bounds that, so there is no budget. */
static void
run(struct dialogue *d, uint8_t protocol, struct span input)
{
    struct worker      *worker = d->udp->worker;
    unsigned            budget = UINT_MAX;
    struct span         request = input;
    struct session      session;
    enum session_status status;

    session_init(&session, protocol);
    session.over_datagrams = true;
    worker->session_worker.executor.client = d->fd;
    do {
        size_t used;

        status = session_run(&session, &worker->session_worker, input, &used,
                             worker->reply, &budget);
        if (is_traced(worker->server)) {
            trace_input(&worker->server->log, d->fd, (struct span){ input.at, used });
            trace_reply(&worker->server->log, d->fd, worker->reply);
        }
        input = (struct span){ input.at + used, input.length - used };
    } while (status != SESSION_DROP && reply_left(worker->reply) > 0 &&
             answer(d, &session, request) && status == SESSION_FULL);
    reply_clear(worker->reply);
    session_fini(&session, &worker->session_worker);
    if (watch_is_on(&worker->server->watch))
        watch_wake(&worker->server->watch);
}

/* ---- receiving ------------------------------------------------------------------- */

/* From which of our addresses to answer: the one that was asked. By which interface is for
 * the routes to say, as it is for TCP. */
static void
keep_address_alone(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);

    if (control == NULL)
        return;
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof(info));
        info.ipi_ifindex = 0;
        memcpy(CMSG_DATA(control), &info, sizeof(info));
    } else if (control->cmsg_level == IPPROTO_IPV6 &&
               control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof(info));
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(control), &info, sizeof(info));
    }
}

static size_t
bytes_allowed(const struct server *server, size_t received)
{
    unsigned times = server->options.udp_amplification;

    return times == 0 ? SIZE_MAX : received * times;
}

/* Read one datagram and answer it; false if there was none. */
static bool
serve_one(struct udp_socket *socket)
{
    struct udp             *udp = socket->udp;
    struct server          *server = udp->worker->server;
    struct sockaddr_storage address;
    struct iovec            vector = { udp->input, sizeof(udp->input) };
    struct span             payload;
    ssize_t                 n;
    union {
        struct cmsghdr aligned;
        char           bytes[CONTROL_BYTES];
    } control;
    struct dialogue d = {
        .udp = udp,
        .fd = socket->fd,
        .whom = { .msg_name = &address,
                  .msg_namelen = sizeof(address),
                  .msg_iov = &vector,
                  .msg_iovlen = 1,
                  .msg_control = &control,
                  .msg_controllen = sizeof(control) },
    };

    n = recvmsg(socket->fd, &d.whom, 0);
    if (n < 0)
        return errno != EAGAIN && errno != EWOULDBLOCK;
    counter_add(&udp->worker->counters.bytes_read, (uint64_t)n);
    timekeeper_tick(&server->timekeeper);
    atomic_store_explicit(&socket->heard_at, clock_now(&server->clock),
                          memory_order_relaxed);
    if (d.whom.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
        !udp_frame_read((struct span){ udp->input, (size_t)n }, &d.frame, &payload))
        return true;
    d.whom.msg_flags = 0;
    keep_address_alone(&d.whom);
    d.allowed = bytes_allowed(server, (size_t)n);
    payload = whole_lines(payload, socket->protocol);
    if (payload.length > 0)
        run(&d, socket->protocol, payload);
    return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_socket *socket = arg;

    (void)fd, (void)what;
    /* A worker may run before all is there that `stats` looks at: let it wait. */
    if (!atomic_load(&socket->udp->worker->server->serving))
        return;
    for (unsigned i = 0; i < DATAGRAMS_A_TURN && serve_one(socket); i++)
        ;
}

/* ---- start and stop -------------------------------------------------------------- */

/* As `stats settings` shows it (num_threads_per_udp): with several addresses a worker for
 * each, else all of them. */
bool
udp_reads(const struct worker *worker, unsigned socket)
{
    const struct server *server = worker->server;

    return server->options.threads_per_udp != 1 ||
           socket % server->options.threads == (unsigned)(worker - server->workers);
}

uint32_t
udp_heard_at(const struct udp *udp, unsigned socket)
{
    return atomic_load_explicit(&udp->sockets[socket].heard_at, memory_order_relaxed);
}

bool
udp_start(struct udp **udp, struct worker *worker)
{
    const struct listeners *from = &worker->server->udp_sockets;
    struct udp             *made;

    *udp = NULL;
    if (from->count == 0)
        return true;
    made = calloc(1, sizeof(*made) + from->count * sizeof(made->sockets[0]));
    if (made == NULL)
        return false;
    *udp = made;
    made->worker = worker;
    made->count = (unsigned)from->count;
    for (unsigned i = 0; i < made->count; i++) {
        struct udp_socket *socket = &made->sockets[i];

        socket->udp = made;
        socket->fd = from->list[i].fd;
        socket->protocol = (uint8_t)conn_protocol(&from->list[i]);
        if (!udp_reads(worker, i))
            continue;
        socket->event = event_new(worker->base, socket->fd, EV_READ | EV_PERSIST,
                                  on_readable, socket);
        if (socket->event == NULL || event_add(socket->event, NULL) != 0)
            return false; /* udp_stop() frees what is there */
    }
    return true;
}

void
udp_stop(struct udp **udp)
{
    for (unsigned i = 0; *udp != NULL && i < (*udp)->count; i++) {
        if ((*udp)->sockets[i].event != NULL)
            event_free((*udp)->sockets[i].event);
    }
    free(*udp);
    *udp = NULL;
}
