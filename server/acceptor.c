/* server/acceptor.c - accepting connections. See acceptor.h. */
#include "server/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/monotonic.h"
#include "server/server.h"
#include "slabs/counters.h"

enum {
    ACCEPTS_A_TURN = 64, /* then the clock and the signals have their turn */
    RETRY_US = 10 * 1000,
    PAUSE_MOST_US = 1000 * 1000, /* then it is tried again, whoever has left or not */
};

static struct worker *
least_loaded(struct server *server)
{
    struct worker *best = &server->workers[0];
    unsigned       fewest = atomic_load(&best->connections);

    for (unsigned i = 1; i < server->options.threads; i++) {
        unsigned connections = atomic_load(&server->workers[i].connections);

        if (connections < fewest) {
            fewest = connections;
            best = &server->workers[i];
        }
    }
    return best;
}

/* ---- at the limit ---------------------------------------------------------------- */

static void
reject(struct acceptor *acceptor, const struct listener *listener, int fd,
       const struct peer *peer, const char *why)
{
    static const char  text[] = "ERROR Too many open connections\r\n";
    struct events_peer who;

    /* A courtesy: who cannot take it is closed all the same. */
    if (listener->tls == LISTEN_PLAIN)
        (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
    close(fd);
    counter_add(&acceptor->counters.rejected_connections, 1);
    peer_describe(peer, &who);
    log_say(&acceptor->server->log, LOG_CONNECTION_REJECTED,
            LOG_FIELDS(LOG_STRING("address", who.address), LOG_NUMBER("port", who.port)),
            "a connection from %s was refused: %s", who.address, why);
}

/* Listen to all listeners again, or to none: false if the system has no room for that. */
static bool
enable_listeners(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++) {
        if (event_add(acceptor->events[i], NULL) != 0) {
            while (i-- > 0)
                event_del(acceptor->events[i]);
            return false;
        }
    }
    return true;
}

static void
pause_accepting(struct acceptor *acceptor, int error)
{
    static const struct timeval retry = { 0, RETRY_US };

    if (atomic_load(&acceptor->paused))
        return;
    /* Without the timer nobody would ever end the pause, so there must be none. */
    if (event_add(acceptor->retry_event, &retry) != 0)
        return;
    log_say(&acceptor->server->log, LOG_ACCEPT_PAUSED, NULL,
            "no connections are accepted for now: %s", strerror(error));
    atomic_store(&acceptor->paused, true);
    acceptor->paused_at_us = monotonic_us();
    counter_add(&acceptor->counters.listen_disabled_num, 1);
    for (size_t i = 0; i < acceptor->count; i++)
        event_del(acceptor->events[i]);
}

/* Somebody left, or nobody is there who could; or whatever was lacking, descriptors of
 * the system or memory of the kernel, may have become free elsewhere. */
static bool
may_go_on(struct acceptor *acceptor, uint64_t paused_us)
{
    return atomic_load(&acceptor->somebody_left) || atomic_load(&acceptor->open) == 0 ||
           paused_us >= PAUSE_MOST_US;
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;
    uint64_t         paused_us = monotonic_us() - acceptor->paused_at_us;

    (void)fd, (void)what;
    if (!may_go_on(acceptor, paused_us) || !enable_listeners(acceptor))
        return;
    event_del(acceptor->retry_event);
    counter_add(&acceptor->counters.time_in_listen_disabled, paused_us);
    atomic_store(&acceptor->paused, false);
}

/* ---- accepting ------------------------------------------------------------------- */

/* The listener with this descriptor. */
static const struct listener *
find_listener(const struct listeners *listeners, int fd)
{
    const struct listener *listener = listeners->list;

    while (listener->fd != fd)
        listener++;
    return listener;
}

static void
take_in(struct acceptor *acceptor, const struct listener *listener, int fd,
        const struct peer *peer)
{
    struct server *server = acceptor->server;
    struct conn   *conn;
    unsigned       open;

    if (server->options.connections_fast &&
        (unsigned)fd + 1 >= server->options.connections_max) {
        reject(acceptor, listener, fd, peer, "too many are open (-c)");
        return;
    }
    conn = conn_create(fd, peer, listener, &server->certificates);
    if (conn == NULL) {
        reject(acceptor, listener, fd, peer, "there is no memory");
        return;
    }
    counter_add(&acceptor->counters.total_connections, 1);
    open = atomic_fetch_add(&acceptor->open, 1) + 1;
    if (open > atomic_load(&acceptor->most))
        atomic_store(&acceptor->most, open);
    worker_give(least_loaded(server), conn);
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor        *acceptor = arg;
    const struct listener  *listener = find_listener(&acceptor->server->listeners, fd);
    struct sockaddr_storage address;

    (void)what;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        socklen_t   length = sizeof(address);
        struct peer peer;
        int         client, error;

        /* Whoever left until now has made room for this one already. */
        atomic_store(&acceptor->somebody_left, false);
        client = accept4(fd, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            peer = peer_at(&address);
            take_in(acceptor, listener, client, &peer);
            continue;
        }
        error = errno;
        /* ECONNABORTED and the like are about that one client. */
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
            pause_accepting(acceptor, error);
        if (error != ECONNABORTED && error != EINTR)
            return;
    }
}

/* ---- birth and death ------------------------------------------------------------- */

bool
acceptor_start(struct acceptor *acceptor, struct server *server, struct event_base *base,
               const struct listeners *listeners)
{
    acceptor->server = server;
    acceptor->events = calloc(listeners->count + 1, sizeof(*acceptor->events));
    acceptor->retry_event = event_new(base, -1, EV_PERSIST, on_retry, acceptor);
    if (acceptor->events == NULL || acceptor->retry_event == NULL)
        return false;
    for (; acceptor->count < listeners->count; acceptor->count++) {
        struct event *event = event_new(base, listeners->list[acceptor->count].fd,
                                        EV_READ | EV_PERSIST, on_connection, acceptor);

        if (event == NULL)
            return false;
        acceptor->events[acceptor->count] = event;
        if (event_add(event, NULL) != 0) {
            acceptor->count++;
            return false;
        }
    }
    return true;
}

void
acceptor_stop(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        event_free(acceptor->events[i]);
    if (acceptor->retry_event != NULL)
        event_free(acceptor->retry_event);
    free(acceptor->events);
    acceptor->events = NULL;
    acceptor->retry_event = NULL;
    acceptor->count = 0;
}

void
acceptor_count(const struct acceptor *acceptor, struct acceptor_counters *counters)
{
    const struct acceptor_counters *now = &acceptor->counters;

    *counters = (struct acceptor_counters){
        .total_connections = counter_read(&now->total_connections),
        .rejected_connections = counter_read(&now->rejected_connections),
        .listen_disabled_num = counter_read(&now->listen_disabled_num),
        .time_in_listen_disabled = counter_read(&now->time_in_listen_disabled),
    };
}
