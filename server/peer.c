/* server/peer.c - asking the system who a client is, and telling watchers. See peer.h. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/watch.h"

static void
peer_of(int fd, struct events_peer *peer)
{
    union {
        struct sockaddr         any;
        struct sockaddr_in      in;
        struct sockaddr_in6     in6;
        struct sockaddr_storage room;
    } address = { 0 };
    socklen_t length = sizeof(address);

    *peer = (struct events_peer){ .address = "unknown", .transport = "tcp" };
    if (getpeername(fd, &address.any, &length) != 0)
        return;
    switch (address.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address.in.sin_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(address.in.sin_port);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address.in6.sin6_addr, peer->address, sizeof(peer->address));
        peer->port = ntohs(address.in6.sin6_port);
        break;
    default:
        *peer = (struct events_peer){ .address = "unix", .transport = "local" };
        break;
    }
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
