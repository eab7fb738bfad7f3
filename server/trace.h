/* server/trace.h - what -vv logs: the size classes at the start, and every line from and to
 * a client.
 *
 * Lines are cut and bytes that are not printable are escaped, so that no client can
 * write to the terminal.
 */
#ifndef LARDER_SERVER_TRACE_H
#define LARDER_SERVER_TRACE_H

#include "protocol/reply.h"
#include "server/log.h"
#include "slabs/cache.h"
#include "slabs/span.h"

enum { TRACE_DIALOGUE = 2 }; /* verbosity that shows every line */

/* A table of the size classes. */
void trace_classes(struct log *log, const struct cache *cache);
/* What a client has said: `<fd line`. */
void trace_input(struct log *log, int fd, struct span bytes);
/* That it has said something which may hold a password. */
void trace_secret(struct log *log, int fd, size_t bytes);
/* What it is told: `>fd line`; of large values only that they are there. */
void trace_reply(struct log *log, int fd, const struct reply *reply);
/* Something that happened to a connection. */
void trace_event(struct log *log, int fd, const char *what);

#endif
