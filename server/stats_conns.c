/* server/stats_conns.c - `stats conns`: every socket, what it is and what it waits for. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/conn.h"
#include "server/peer.h"
#include "server/server.h"
#include "server/stats_priv.h"
#include "server/udp.h"

enum { ADDRESS_TEXT = sizeof(struct sockaddr_un) + 32 };

/* As tcp:127.0.0.1:11211, tcp6:[::1]:11211 or udp... Who came by a unix socket has no
 * name; memcached shows the family of an address that was never filled in. */
static void
show_peer(const char *transport, const struct peer *peer, char text[ADDRESS_TEXT])
{
    struct events_peer described;

    peer_describe(peer, &described);
    if (peer_is_local(peer))
        snprintf(text, ADDRESS_TEXT, "?:<AF 0>");
    else
        snprintf(text, ADDRESS_TEXT,
                 peer->family == AF_INET6 ? "%s6:[%s]:%u" : "%s:%s:%u", transport,
                 described.address, described.port);
}

static void
emit_peer(int fd, const struct peer *peer, host_emit *emit, void *ctx)
{
    char name[32], text[ADDRESS_TEXT];

    snprintf(name, sizeof(name), "%d:addr", fd);
    show_peer("tcp", peer, text);
    emit(ctx, name, text);
}

/* What the socket itself is bound to. */
static void
emit_bound(const char *transport, int fd, const char *what, host_emit *emit, void *ctx)
{
    struct sockaddr_storage   address = { 0 };
    const struct sockaddr_un *local = (const void *)&address;
    socklen_t                 length = sizeof(address);
    struct peer               bound;
    char                      name[32], text[ADDRESS_TEXT];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return;
    snprintf(name, sizeof(name), "%d:%s", fd, what);
    bound = peer_at(&address);
    if (peer_is_local(&bound))
        snprintf(text, ADDRESS_TEXT, "unix:%.*s", (int)sizeof(local->sun_path),
                 local->sun_path);
    else
        show_peer(transport, &bound, text);
    emit(ctx, name, text);
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
    case CONN_READING:
        return "conn_read";
    case CONN_RUNNING:
        return "conn_parse_cmd";
    case CONN_RECEIVING:
        return "conn_nread";
    case CONN_WRITING:
        return "conn_mwrite";
    case CONN_WATCHING:
        return "conn_watch";
    }
    return "conn_closed";
}

/* What a list of connections is shown with. */
struct show {
    const struct server *server;
    host_emit           *emit;
    void                *ctx;
};

static void
emit_client(const struct show *show, const struct watch_client *client,
            enum conn_state state)
{
    uint32_t now = clock_now(&show->server->clock);
    uint32_t idle = now > client->heard_at ? now - client->heard_at : 0;

    emit_peer(client->fd, &client->peer, show->emit, show->ctx);
    emit_bound("tcp", client->fd, "listen_addr", show->emit, show->ctx);
    emit_state(client->fd, name_of_state(state), idle / CLOCK_HZ, show->emit, show->ctx);
}

static void
emit_worker(struct worker *worker, const struct show *show)
{
    lock_take(&worker->conns_lock);
    for (struct conn *conn = worker->conns; conn != NULL; conn = conn->next) {
        struct watch_client client = { .fd = conn->fd,
                                       .heard_at = conn->heard_at,
                                       .peer = conn->peer };

        /* One that is about to watch is among those who do. */
        if (conn->state != CONN_WATCHING)
            emit_client(show, &client, conn->state);
    }
    lock_drop(&worker->conns_lock);
}

static void
emit_watcher(void *ctx, const struct watch_client *client)
{
    emit_client(ctx, client, CONN_WATCHING);
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
    emit_bound("udp", fd, "addr", emit, ctx);
    emit_state(fd, "conn_read", now > heard_at ? (now - heard_at) / CLOCK_HZ : 0, emit,
               ctx);
}

void
stats_conns(struct server *server, host_emit *emit, void *ctx)
{
    struct show show = { server, emit, ctx };

    for (size_t i = 0; i < server->listeners.count; i++) {
        int fd = server->listeners.list[i].fd;

        emit_bound("tcp", fd, "addr", emit, ctx);
        emit_state(fd, "conn_listening", clock_seconds(&server->clock), emit, ctx);
    }
    for (unsigned i = 0; i < server->udp_sockets.count; i++)
        emit_udp(server, i, emit, ctx);
    for (unsigned i = 0; i < server->options.threads; i++)
        emit_worker(&server->workers[i], &show);
    watch_each(&server->watch, emit_watcher, &show);
}
