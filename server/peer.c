/* server/peer.c - who a client is, and telling watchers of it. See peer.h. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/watch.h"

void
peer_at(const struct sockaddr_storage *address, struct events_peer *peer)
{
    const struct sockaddr_in  *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;

    *peer = (struct events_peer){ .transport = "tcp" };
    switch (address->ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &in->sin_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(in->sin_port);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &in6->sin6_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(in6->sin6_port);
        break;
    default:
        *peer = (struct events_peer){ .address = "unix", .transport = "local" };
        break;
    }
}

static void
peer_of(int fd, struct events_peer *peer)
{
    struct sockaddr_storage address = { 0 };
    socklen_t               length = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &length) == 0)
        peer_at(&address, peer);
    else
        *peer = (struct events_peer){ .address = "unknown", .transport = "tcp" };
}

void
peer_tell_opened(struct watch_ring *ring, int fd)
{
    struct events_peer peer;
    char               line[EVENTS_LINE_MAX];

    if (!watch_wants(ring->watch, WATCH_CONNEVENTS))
        return;
    peer_of(fd, &peer);
    watch_tell(ring, WATCH_CONNEVENTS, events_conn_new(line, fd, &peer));
    watch_wake(ring->watch);
}

void
peer_tell_closed(struct watch_ring *ring, int fd, enum events_closed reason)
{
    struct events_peer peer;
    char               line[EVENTS_LINE_MAX];

    if (!watch_wants(ring->watch, WATCH_CONNEVENTS))
        return;
    peer_of(fd, &peer);
    watch_tell(ring, WATCH_CONNEVENTS, events_conn_close(line, fd, &peer, reason));
    watch_wake(ring->watch);
}
