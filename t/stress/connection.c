/* t/stress/connection.c - a client's connections: opened, used with cuts and pauses, ended.
 *
 * A connection ends with quit, by a shutdown of our side that leaves the server to answer
 * what it was asked, by a shutdown within a request, or by a close with all under way. In
 * the last case nobody knows which writes will still happen, nor when: client_forget().
 */
#include "t/stress/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/stress/make.h"
#include "t/stress/model.h"
#include "t/stress/reply.h"

static void
buffer_drop(struct buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

/* `small`: with a small receive buffer, which has to be set before the connection is made:
 * a window that shrinks afterwards makes TCP wait for its timers. */
static int
socket_tcp(const struct options *opt, unsigned number, bool small)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    char            port[16];
    int             fd, one = 1, little = 4096;

    snprintf(port, sizeof(port), "%u", number);
    if (getaddrinfo(opt->host, port, &hints, &found) != 0)
        return -1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int
socket_unix(const struct options *opt)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", opt->path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
socket_open(const struct options *opt)
{
    return opt->path != NULL ? socket_unix(opt) : socket_tcp(opt, opt->port, false);
}

/* ---- TLS ------------------------------------------------------------------------------ */

/* Shake hands on a socket that still blocks. */
static bool
tls_open(struct client *c)
{
    c->stuck = 0;
    c->tls = SSL_new(c->world->tls);
    if (c->tls != NULL && SSL_set_fd(c->tls, c->fd) == 1 && SSL_connect(c->tls) == 1)
        return true;
    ERR_clear_error();
    SSL_free(c->tls);
    c->tls = NULL;
    errno = EPROTO;
    return false;
}

/* The result of an operation of TLS as that of a socket. */
static ssize_t
tls_result(struct client *c, int result)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(c->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        errno = EPIPE;
        return -1;
    }
}

static ssize_t
client_receive(struct client *c, char *to, size_t bytes)
{
    if (c->tls == NULL)
        return recv(c->fd, to, bytes, 0);
    return tls_result(c, SSL_read(c->tls, to, (int)bytes));
}

static ssize_t
client_send(struct client *c, const char *from, size_t bytes)
{
    ssize_t n;

    if (c->tls == NULL)
        return send(c->fd, from, bytes, MSG_NOSIGNAL);
    if (c->stuck > 0)
        bytes = c->stuck;
    n = tls_result(c, SSL_write(c->tls, from, (int)bytes));
    c->stuck = n < 0 && errno == EAGAIN ? bytes : 0;
    return n;
}

/* ---- a connection's life -------------------------------------------------------------- */

/* True where a socket, and with TLS a handshake, has come about. */
static bool
client_connect(struct client *c)
{
    const struct options *opt = &c->world->opt;
    bool                  small = !c->world->sweeping && dice_one_in(&c->dice, 8);
    unsigned              port = opt->tls_port != 0 ? opt->tls_port : opt->port;

    c->fd = opt->path != NULL ? socket_unix(opt) : socket_tcp(opt, port, small);
    if (c->fd < 0 || opt->tls_port == 0 || tls_open(c))
        return c->fd >= 0;
    close(c->fd);
    c->fd = -1;
    return false;
}

static void
client_open(struct client *c)
{
    struct world *w = c->world;

    if (!client_connect(c)) {
        if (now_ms() - c->progress_ms > w->opt.stall_s * 1000) {
            complain(c, NULL, NULL, NULL, 0, "no connection: %s", strerror(errno));
            atomic_store(&w->stop, true);
            c->finished = true;
        }
        c->pause_ms = now_ms() + 20;
        return;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->sent = 0;
    c->broken = false;
    c->ending = GOES_ON;
    c->bursts = (unsigned)(dice_one_in(&c->dice, 4) ? dice_below(&c->dice, 4)
                                                    : dice_log(&c->dice, 4, 512));
    c->depth = (unsigned)dice_log(&c->dice, 1, REQUESTS / 2);
    c->progress_ms = now_ms();
    c->read_ms = 0;
    c->counts.connections++;
}

/* Requests from this sequence number on were not sent to their end, so never happened. */
static void
client_void(struct client *c, uint64_t from)
{
    struct mark  *m = &c->world->marks[c->number];
    struct range *v = &m->void_[m->voids++ % VOIDS];

    /* `from` first: until `to` follows, the range is empty. */
    atomic_store(&v->from, from);
    atomic_store(&v->to, c->sequence);
}

/* Forgets what is pending: what was sent may still happen, what was not cannot. */
static void
client_forget(struct client *c)
{
    struct mark *m = &c->world->marks[c->number];
    uint64_t     void_from = 0;
    bool         unsure = false;

    for (; client_pending(c); c->first++) {
        struct request *r = client_request(c, c->first);

        c->first_wanted += r->keys;
        if (r->op == OP_FLUSH)
            c->flush_ms = now_ms();
        if (r->sequence == 0)
            continue;
        if (r->end <= c->sent) {
            key_retire(c, r->key);
            unsure = true;
        } else if (void_from == 0) {
            void_from = r->sequence;
        }
    }
    if (unsure)
        atomic_store(&m->settled.from, c->sequence + 1);
    if (void_from != 0)
        client_void(c, void_from);
}

static void
client_close(struct client *c)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    if (dice_one_in(&c->dice, 2) && client_pending(c))
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    SSL_free(c->tls); /* without a word: so a stream may end anywhere */
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    client_forget(c);
    if (c->in.capacity > 4 * READ_CHUNK)
        buffer_drop(&c->in);
    if (c->out.capacity > 4 * READ_CHUNK)
        buffer_drop(&c->out);
    c->in.at = c->in.end = c->out.at = c->out.end = 0;
    c->progress_ms = now_ms();
}

/* The server closed. All it was asked to the end must have been answered; memcached,
 * though, drops replies that wait when it finds that the client sends no more. */
static void
client_ended(struct client *c)
{
    struct request *r = NULL;
    bool            half = c->ending == SHUTS || c->ending == STOPS_HALFWAY;

    if (half && c->world->opt.half_closed_drops) {
        c->counts.unanswered += client_pending(c);
        client_close(c);
        return;
    }
    if (c->in.at < c->in.end)
        complain(c, client_request(c, c->first), NULL, c->in.data + c->in.at,
                 c->in.end - c->in.at, "the connection ends within a reply");
    for (; client_pending(c); c->first++) {
        r = client_request(c, c->first);
        if (r->end > c->sent || !r->noreply)
            break;
        request_settle(c, r, OUT_SILENT, 0);
    }
    if (c->ending == GOES_ON ||
        (client_pending(c) && r->end <= c->sent && r->op != OP_QUIT))
        complain(c, client_pending(c) ? r : NULL, NULL, NULL, 0,
                 "the server closed the connection");
    client_close(c);
}

static void
client_abort(struct client *c)
{
    c->counts.aborts++;
    client_close(c);
}

static void
client_read(struct client *c)
{
    bool    slow = c->slow_reads > 0;
    char   *to = buffer_reserve(&c->in, READ_CHUNK);
    ssize_t n = client_receive(c, to, slow ? 1 + dice_below(&c->dice, 1500) : READ_CHUNK);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_ended(c);
        return;
    }
    c->progress_ms = now_ms();
    if (slow) {
        c->slow_reads--;
        c->read_ms = c->progress_ms + dice_below(&c->dice, 10);
    }
    c->in.end += (size_t)n;
    client_check(c);
    if (c->in.at > READ_CHUNK) {
        memmove(c->in.data, c->in.data + c->in.at, c->in.end - c->in.at);
        c->in.end -= c->in.at;
        c->in.at = 0;
    }
}

/* Much at once, or one byte, or anything between. */
static size_t
cut_pick(struct client *c, size_t left)
{
    if (c->small_cuts > 0) {
        c->small_cuts--;
        return 1 + (size_t)dice_below(&c->dice, left < 40 ? left : 40);
    }
    return dice_one_in(&c->dice, 4) ? 1 + (size_t)dice_below(&c->dice, left) : left;
}

static void
client_shut_if_sent(struct client *c)
{
    if (c->out.at == c->out.end && (c->ending == SHUTS || c->ending == STOPS_HALFWAY))
        shutdown(c->fd, SHUT_WR);
}

static void
client_write(struct client *c)
{
    size_t  cut = cut_pick(c, c->out.end - c->out.at);
    ssize_t n = client_send(c, c->out.data + c->out.at, cut);

    if (n < 0) {
        /* If the server closed, reading tells what it said before. */
        if (errno != EAGAIN && errno != EINTR)
            c->out.at = c->out.end;
        return;
    }
    c->out.at += (size_t)n;
    c->sent += (uint64_t)n;
    c->progress_ms = now_ms();
    client_shut_if_sent(c);
    if (dice_one_in(&c->dice, 100))
        c->pause_ms = c->progress_ms + dice_below(&c->dice, 40);
    if (dice_one_in(&c->dice, 3000) && !c->world->sweeping && c->ending == GOES_ON)
        client_abort(c);
}

/* Cuts off what was made, somewhere within the last request. */
static void
client_cut_short(struct client *c)
{
    struct request *last = client_request(c, c->next - 1);
    uint64_t        before = c->sent;

    if (c->next - c->first > 1)
        before = client_request(c, c->next - 2)->end;
    if (before < c->sent)
        before = c->sent;
    c->out.end -= 1 + (size_t)dice_below(&c->dice, last->end - before);
}

/* The last requests of this connection, and how it ends. */
static void
client_finish(struct client *c)
{
    static const enum ending endings[] = { QUITS, QUITS, SHUTS, STOPS_HALFWAY };
    bool                     polite = c->world->sweeping || atomic_load(&c->world->stop);

    polite |= !client_has_room(c);
    c->ending = polite ? QUITS : endings[dice_below(&c->dice, 4)];
    if (c->ending == QUITS) {
        make_word(c, OP_QUIT);
        return;
    }
    make_burst(c);
    if (c->ending == STOPS_HALFWAY)
        client_cut_short(c);
    client_shut_if_sent(c);
}

void
client_advance(struct client *c, uint64_t now)
{
    struct world *w = c->world;
    struct key    key;
    bool over = w->sweeping ? !sweep_key(c, c->sweep, &key) : atomic_load(&w->stop);

    if (now < c->pause_ms)
        return;
    if (c->fd < 0) {
        c->finished = over;
        if (!over)
            client_open(c);
        return;
    }
    if (c->ending != GOES_ON || c->out.at < c->out.end)
        return;
    if (over || (c->bursts == 0 && !w->sweeping)) {
        if (over || !dice_one_in(&c->dice, 4))
            client_finish(c);
        else
            client_abort(c);
    } else if (c->next - c->first < c->depth && client_has_room(c)) {
        make_burst(c);
        c->bursts -= !w->sweeping;
        if (dice_one_in(&c->dice, 60) && !w->sweeping)
            c->pause_ms = now + dice_below(&c->dice, 300);
    }
}

short
client_events(const struct client *c, uint64_t now)
{
    short events = 0;

    if (c->fd < 0)
        return 0;
    if (now >= c->read_ms)
        events |= POLLIN;
    if (now >= c->pause_ms && c->out.at < c->out.end)
        events |= POLLOUT;
    return events;
}

void
client_watch_stall(struct client *c, uint64_t now)
{
    const struct options *opt = &c->world->opt;

    if (c->fd < 0 || (!client_pending(c) && c->ending == GOES_ON) ||
        now < c->progress_ms + opt->stall_s * 1000)
        return;
    complain(c, client_pending(c) ? client_request(c, c->first) : NULL, NULL,
             c->in.data + c->in.at, c->in.end - c->in.at,
             "nothing came or went for %u s; %" PRIu64
             " requests are pending, %zu bytes unsent",
             opt->stall_s, c->next - c->first, c->out.end - c->out.at);
}

void
client_serve(struct client *c, short events)
{
    if (c->fd >= 0 && events & (POLLIN | POLLHUP | POLLERR))
        client_read(c);
    while (c->tls != NULL && !c->broken && SSL_pending(c->tls) > 0)
        client_read(c); /* poll() does not know of it */
    if (c->fd >= 0 && !c->broken && events & POLLOUT && c->out.at < c->out.end)
        client_write(c);
    if (c->fd >= 0 && c->broken)
        client_abort(c);
}
