/* server/peer.c - who a client is, and telling watchers of it. See peer.h. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/watch.h"

struct peer
peer_at(const struct sockaddr_storage *address)
{
    const struct sockaddr_in  *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;
    struct peer                peer = { .family = address->ss_family };

    if (peer.family == AF_INET) {
        memcpy(peer.address, &in->sin_addr, sizeof(in->sin_addr));
        peer.port = in->sin_port;
    } else if (peer.family == AF_INET6) {
        memcpy(peer.address, &in6->sin6_addr, sizeof(in6->sin6_addr));
        peer.port = in6->sin6_port;
    }
    return peer;
}

bool
peer_is_local(const struct peer *peer)
{
    return peer->family == AF_UNIX;
}

void
peer_describe(const struct peer *peer, struct events_peer *text)
{
    *text = peer_is_local(peer)
                ? (struct events_peer){ .address = "unix", .transport = "local" }
                : (struct events_peer){ .port = ntohs(peer->port), .transport = "tcp" };
    if (!peer_is_local(peer))
        inet_ntop(peer->family, peer->address, text->address, sizeof(text->address));
}

void
peer_tell_opened(struct watch_ring *ring, int fd, const struct peer *peer)
{
    struct events_peer text;
    char               line[EVENTS_LINE_MAX];

    if (!watch_wants(ring->watch, WATCH_CONNEVENTS))
        return;
    peer_describe(peer, &text);
    watch_tell(ring, WATCH_CONNEVENTS, events_conn_new(line, fd, &text));
    watch_wake(ring->watch);
}

void
peer_tell_tls_error(struct watch_ring *ring, int fd, const char *what)
{
    char line[EVENTS_LINE_MAX];

    if (watch_wants(ring->watch, WATCH_CONNEVENTS))
        watch_tell(ring, WATCH_CONNEVENTS, events_conn_tls_error(line, fd, what));
}

void
peer_tell_closed(struct watch_ring *ring, int fd, const struct peer *peer,
                 enum events_closed reason)
{
    struct events_peer text;
    char               line[EVENTS_LINE_MAX];

    if (!watch_wants(ring->watch, WATCH_CONNEVENTS))
        return;
    peer_describe(peer, &text);
    watch_tell(ring, WATCH_CONNEVENTS, events_conn_close(line, fd, &text, reason));
    watch_wake(ring->watch);
}
