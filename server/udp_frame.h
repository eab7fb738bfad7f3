/* server/udp_frame.h - the frame that UDP datagrams have, and messages cut into them.
 *
 *    0           2           4           6           8
 *    +-----------+-----------+-----------+-----------+
 *    | request   | sequence  | datagrams | reserved  | text or binary
 *    | id        | number    | of it     |           |
 *    +-----------+-----------+-----------+-----------+
 *
 * Numbers are big-endian (PROTOCOL.md section 8). A request is one datagram. An answer is
 * as many as it needs, with the request's id, numbered from 0, and none is longer than
 * UDP_DATAGRAM_MAX.
 *
 * Threads: no state of its own. Nothing here sends.
 */
#ifndef LARDER_SERVER_UDP_FRAME_H
#define LARDER_SERVER_UDP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "slabs/span.h"

enum {
    UDP_HEADER = 8,
    UDP_DATAGRAM_MAX = 1400, /* of an answer: fits what Ethernet and tunnels carry */
    UDP_PAYLOAD_MAX = UDP_DATAGRAM_MAX - UDP_HEADER,
    UDP_MESSAGE_MAX = UINT16_MAX * UDP_PAYLOAD_MAX, /* bytes that can be numbered */
};

struct udp_frame {
    uint16_t request;
    uint16_t sequence;
    uint16_t total;
};

/* Take the frame off a request. False: it is empty, or not one datagram. */
bool udp_frame_read(struct span datagram, struct udp_frame *frame, struct span *payload);
void udp_frame_write(char header[UDP_HEADER], const struct udp_frame *frame);

/* How many datagrams so many bytes make, and their bytes on the wire. */
size_t udp_frame_count(size_t bytes);
size_t udp_frame_wire(size_t bytes);

enum {
    UDP_BATCH = 32, /* datagrams that are sent at once */
    UDP_BATCH_VECTORS =
        4 * UDP_BATCH, /* a header each, and what follows in a few parts */
};

/* Datagrams that are ready to be sent. */
struct udp_batch {
    unsigned       count;
    size_t         bytes; /* of the message in them */
    struct mmsghdr messages[UDP_BATCH];
    struct iovec   vectors[UDP_BATCH_VECTORS];
    char           headers[UDP_BATCH][UDP_HEADER];
};

/*
 * Cut the next bytes of a message into datagrams, the first of them numbered
 * frame->sequence. They lie in `count` vectors; `left` bytes are left of the message in
 * all, of which the vectors may hold the beginning alone: a datagram is cut only if it is
 * full or the last. `to` says where all of them go. An empty batch: the parts are too small
 * to fill a datagram.
 */
void udp_batch_cut(struct udp_batch *batch, const struct udp_frame *frame,
                   const struct iovec *vectors, unsigned count, size_t left,
                   const struct msghdr *to);

#endif
