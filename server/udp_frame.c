/* server/udp_frame.c - frames, and messages cut into datagrams. See udp_frame.h. */
#include "server/udp_frame.h"

#include <endian.h>
#include <string.h>

bool
udp_frame_read(struct span datagram, struct udp_frame *frame, struct span *payload)
{
    uint16_t numbers[UDP_HEADER / 2];

    if (datagram.length <= UDP_HEADER)
        return false;
    memcpy(numbers, datagram.at, sizeof(numbers));
    frame->request = be16toh(numbers[0]);
    frame->sequence = be16toh(numbers[1]);
    frame->total = be16toh(numbers[2]);
    *payload = (struct span){ datagram.at + UDP_HEADER, datagram.length - UDP_HEADER };
    return frame->total == 1;
}

void
udp_frame_write(char header[UDP_HEADER], const struct udp_frame *frame)
{
    uint16_t numbers[UDP_HEADER / 2] = { htobe16(frame->request),
                                         htobe16(frame->sequence), htobe16(frame->total),
                                         0 };

    memcpy(header, numbers, sizeof(numbers));
}

size_t
udp_frame_count(size_t bytes)
{
    return (bytes + UDP_PAYLOAD_MAX - 1) / UDP_PAYLOAD_MAX;
}

size_t
udp_frame_wire(size_t bytes)
{
    return bytes + udp_frame_count(bytes) * UDP_HEADER;
}

/* ---- cutting --------------------------------------------------------------------- */

/* Where in the gathered vectors the next datagram begins. */
struct place {
    const struct iovec *vector, *end;
    size_t              offset;
};

/* Put `length` bytes from `place` on into vectors at `to`, of which there are `most`; how
 * many it took, 0 where they or the bytes do not suffice. */
static unsigned
take(struct place *place, size_t length, struct iovec *to, unsigned most)
{
    unsigned count = 0;

    while (length > 0) {
        size_t here;

        if (place->vector == place->end || count == most)
            return 0;
        here = place->vector->iov_len - place->offset;
        if (here > length)
            here = length;
        to[count++] =
            (struct iovec){ (char *)place->vector->iov_base + place->offset, here };
        length -= here;
        place->offset += here;
        if (place->offset == place->vector->iov_len) {
            place->vector++;
            place->offset = 0;
        }
    }
    return count;
}

void
udp_batch_cut(struct udp_batch *batch, const struct udp_frame *frame,
              const struct iovec *vectors, unsigned count, size_t left,
              const struct msghdr *to)
{
    struct place     place = { vectors, vectors + count, 0 };
    struct udp_frame next = *frame;
    unsigned         used = 0;

    batch->count = 0;
    batch->bytes = 0;
    while (left > 0 && batch->count < UDP_BATCH && used + 1 < UDP_BATCH_VECTORS) {
        size_t         length = left < UDP_PAYLOAD_MAX ? left : UDP_PAYLOAD_MAX;
        struct iovec  *first = &batch->vectors[used];
        char          *header = batch->headers[batch->count];
        struct msghdr *message = &batch->messages[batch->count].msg_hdr;
        unsigned parts = take(&place, length, first + 1, UDP_BATCH_VECTORS - used - 1);

        if (parts == 0)
            return;
        udp_frame_write(header, &next);
        *first = (struct iovec){ header, UDP_HEADER };
        *message = *to;
        message->msg_iov = first;
        message->msg_iovlen = parts + 1;
        next.sequence++;
        used += parts + 1;
        left -= length;
        batch->bytes += length;
        batch->count++;
    }
}
