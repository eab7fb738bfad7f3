/* server/udp.h - requests that come as datagrams, for a worker.
 *
 * A datagram is a request, or several, and a dialogue of its own: what is not complete in
 * it is dropped, and nothing is remembered for the next. Its answer is a message of as many
 * datagrams as it needs. What cannot be sent at once is lost, as datagrams may be.
 *
 * Whoever sends a datagram can forge its sender. So that this server is no use for hitting
 * others, it sends at most `udp_amplification` times what it was sent; it is silent where
 * it was sent what no client says, which may be the answer of another server; and what
 * changes the server itself or goes on for long is refused (session.c).
 *
 * Threads: each worker has one of these; the sockets are shared by all, and the kernel
 *          hands out each datagram once.
 */
#ifndef LARDER_SERVER_UDP_H
#define LARDER_SERVER_UDP_H

#include <stdbool.h>
#include <stdint.h>

struct udp;
struct worker;

/* Read the server's UDP sockets, before the worker's thread runs. True with NULL in *udp
 * where there is nothing to read; false where the system does not give what it takes. */
bool udp_start(struct udp **udp, struct worker *worker);
/* Once the worker's thread has ended. */
void udp_stop(struct udp **udp);

/* Does this worker read this socket of the server's? */
bool udp_reads(const struct worker *worker, unsigned socket);
/* When it last got something from that socket, or 0. Any thread. */
uint32_t udp_heard_at(const struct udp *udp, unsigned socket);

#endif
