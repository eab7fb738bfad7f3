/* server/peer.h - who is at the other end of a socket. */
#ifndef LARDER_SERVER_PEER_H
#define LARDER_SERVER_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "protocol/events.h"

struct watch_ring;

/* Kept as long as the connection: a socket that was reset has no name any more. */
struct peer {
    uint8_t     address[16]; /* one of IPv4 is the first four of these */
    in_port_t   port;        /* in network order                       */
    sa_family_t family;
};

struct peer peer_at(const struct sockaddr_storage *address);
/* It came by a unix socket, and has no address. */
bool peer_is_local(const struct peer *peer);
/* In text. The transport of an IP address is taken to be TCP. */
void peer_describe(const struct peer *peer, struct events_peer *text);

/* Tell those who watch `connevents` of a connection that begins, of one whose TLS has come
 * to grief, and of one that is about to be closed, by the ring of the calling thread. */
void peer_tell_opened(struct watch_ring *ring, int fd, const struct peer *peer);
void peer_tell_tls_error(struct watch_ring *ring, int fd, const char *what);
void peer_tell_closed(struct watch_ring *ring, int fd, const struct peer *peer,
                      enum events_closed reason);

#endif
