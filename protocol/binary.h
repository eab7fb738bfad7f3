/* protocol/binary.h - the binary protocol.
 *
 *    0     1      2      4      5      6      8        12       16        24
 *    +-----+------+------+------+------+------+--------+--------+---------+
 *    |magic|opcode| key  |extras| type |status| body   | opaque | CAS     | extras key value
 *    |     |      |length|length|      |      | length |        |         |
 *    +-----+------+------+------+------+------+--------+--------+---------+
 *
 * Numbers are big-endian. The body is extras, key and value; every length is checked
 * against the others and against what the opcode wants before anything else is read. The
 * rules are memcached 1.6.45's, but for one: what follows an unknown request is skipped by
 * its true length, where memcached loses its place.
 */
#ifndef LARDER_PROTOCOL_BINARY_H
#define LARDER_PROTOCOL_BINARY_H

#include "protocol/host.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* Does a connection that begins with this byte speak the binary protocol? */
bool binary_begins_with(char byte);

/* The same contract as text_parse(). `sasl`: there are opcodes to log in. */
enum parse_status binary_parse(bool sasl, struct span input, struct request *request);

/* Make of a request that it is refused for want of a login, and the connection closed. */
void binary_deny(struct request *request);

/* Answer a request, and end its reading. There is REPLY_RESERVE room. */
void binary_render(const struct host *host, const struct request *request,
                   struct result *result, struct reply *reply);

/* Say of a request, of which its whole header is there, that its answer is too large. */
void binary_say_too_large(struct span request, struct reply *reply);

#endif
