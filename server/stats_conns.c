/* server/stats_conns.c - `stats conns`: every socket, what it is and what it waits for. */
#include <stdio.h>
#include <sys/socket.h>

#include "server/conn.h"
#include "server/peer.h"
#include "server/server.h"
#include "server/stats_priv.h"
#include "server/udp.h"

enum { ADDRESS_TEXT = sizeof(struct events_peer) + 32 };

/* As tcp:127.0.0.1:11211, tcp6:[::1]:11211, udp... or unix:?:1. A client of a unix socket
 * has no name; memcached shows the family where the port would be. */
static void
show_address(const char *transport, const struct sockaddr_storage *address,
             char text[ADDRESS_TEXT])
{
    struct events_peer peer;

    peer_at(address, &peer);
    if (address->ss_family == AF_UNIX)
        snprintf(text, ADDRESS_TEXT, "unix:?:%u", AF_UNIX);
    else
        snprintf(text, ADDRESS_TEXT,
                 address->ss_family == AF_INET6 ? "%s6:[%s]:%u" : "%s:%s:%u", transport,
                 peer.address, peer.port);
}

typedef int get_name(int fd, struct sockaddr *address, socklen_t *length);

static void
emit_named(const char *transport, int fd, const char *what, get_name *get,
           host_emit *emit, void *ctx)
{
    struct sockaddr_storage address = { .ss_family = AF_UNIX };
    socklen_t               length = sizeof(address);
    char                    name[32], text[ADDRESS_TEXT];

    if (get(fd, (struct sockaddr *)&address, &length) != 0)
        return;
    snprintf(name, sizeof(name), "%d:%s", fd, what);
    show_address(transport, &address, text);
    emit(ctx, name, text);
}

static void
emit_address(int fd, const char *what, get_name *get, host_emit *emit, void *ctx)
{
    emit_named("tcp", fd, what, get, emit, ctx);
}

static void
emit_state(int fd, const char *state, uint32_t idle_s, host_emit *emit, void *ctx)
{
    char name[32];

    snprintf(name, sizeof(name), "%d:state", fd);
    emit(ctx, name, state);
    stats_emit(emit, ctx, idle_s, "%d:secs_since_last_cmd", fd);
}

static const char *
name_of_state(enum conn_state state)
{
    switch (state) {
    case CONN_WAITING:
        return "conn_waiting";
    case CONN_RUNNING:
        return "conn_parse_cmd";
    case CONN_RECEIVING:
        return "conn_nread";
    case CONN_WRITING:
        return "conn_mwrite";
    }
    return "conn_closed";
}

static void
emit_worker(struct worker *worker, host_emit *emit, void *ctx)
{
    uint32_t now = clock_now(&worker->server->clock);

    lock_take(&worker->conns_lock);
    for (struct conn *conn = worker->conns; conn != NULL; conn = conn->next) {
        uint32_t heard_at = atomic_load_explicit(&conn->heard_at, memory_order_relaxed);
        uint32_t idle_s = now > heard_at ? (now - heard_at) / CLOCK_HZ : 0;

        emit_address(conn->fd, "addr", getpeername, emit, ctx);
        emit_address(conn->fd, "listen_addr", getsockname, emit, ctx);
        emit_state(conn->fd, name_of_state(atomic_load(&conn->state)), idle_s, emit, ctx);
    }
    lock_drop(&worker->conns_lock);
}

/* A socket is one here, with the worker that heard last on it; memcached has a descriptor
 * for each worker. */
static void
emit_udp(struct server *server, unsigned socket, host_emit *emit, void *ctx)
{
    int      fd = server->udp_sockets.list[socket].fd;
    uint32_t now = clock_now(&server->clock), heard_at = 0;
    char     name[32];

    for (unsigned i = 0; i < server->options.threads; i++) {
        uint32_t heard = udp_heard_at(server->workers[i].udp, socket);

        if (heard > heard_at)
            heard_at = heard;
    }
    snprintf(name, sizeof(name), "%d:UDP", fd);
    emit(ctx, name, "UDP");
    emit_named("udp", fd, "addr", getsockname, emit, ctx);
    emit_state(fd, "conn_read", now > heard_at ? (now - heard_at) / CLOCK_HZ : 0, emit,
               ctx);
}

void
stats_conns(struct server *server, host_emit *emit, void *ctx)
{
    for (size_t i = 0; i < server->listeners.count; i++) {
        int fd = server->listeners.list[i].fd;

        emit_address(fd, "addr", getsockname, emit, ctx);
        emit_state(fd, "conn_listening", clock_seconds(&server->clock), emit, ctx);
    }
    for (unsigned i = 0; i < server->udp_sockets.count; i++)
        emit_udp(server, i, emit, ctx);
    for (unsigned i = 0; i < server->options.threads; i++)
        emit_worker(&server->workers[i], emit, ctx);
}
