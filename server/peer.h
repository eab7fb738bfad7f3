/* server/peer.h - who is at the other end of a socket. */
#ifndef LARDER_SERVER_PEER_H
#define LARDER_SERVER_PEER_H

#include "protocol/events.h"

void peer_of(int fd, struct events_peer *peer);

#endif
