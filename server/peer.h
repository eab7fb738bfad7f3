/* server/peer.h - who is at the other end of a socket. */
#ifndef LARDER_SERVER_PEER_H
#define LARDER_SERVER_PEER_H

#include <sys/socket.h>

#include "protocol/events.h"

struct watch_ring;

/* Who has this address. The transport of an IP address is taken to be TCP. */
void peer_at(const struct sockaddr_storage *address, struct events_peer *peer);

/* Tell those who watch `connevents` of a connection that begins, and of one that is about
 * to be closed, by the ring of the calling thread. */
void peer_tell_opened(struct watch_ring *ring, int fd);
void peer_tell_closed(struct watch_ring *ring, int fd, enum events_closed reason);

#endif
