/* protocol/admin.h - what administrators say: statistics, dumps, orders.
 *
 * The commands stand in text.c's table. An order becomes a request that the server carries
 * out (host.order); a dump lists items a few at a time, as the client takes them. The
 * binary protocol knows statistics alone. Words and answers are memcached 1.6.45's.
 */
#ifndef LARDER_PROTOCOL_ADMIN_H
#define LARDER_PROTOCOL_ADMIN_H

#include "protocol/host.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct command;
struct line;

void admin_parse_stats(const struct command *command, const struct line *line,
                       struct request *request);
void admin_parse_verbosity(const struct command *command, const struct line *line,
                           struct request *request);
void admin_parse_memlimit(const struct command *command, const struct line *line,
                          struct request *request);
void admin_parse_slabs(const struct command *command, const struct line *line,
                       struct request *request);
void admin_parse_lru(const struct command *command, const struct line *line,
                     struct request *request);
void admin_parse_crawler(const struct command *command, const struct line *line,
                         struct request *request);
void admin_parse_watch(const struct command *command, const struct line *line,
                       struct request *request);
void admin_parse_shutdown(const struct command *command, const struct line *line,
                          struct request *request);
void admin_parse_certificates(const struct command *command, const struct line *line,
                              struct request *request);

/* Why the connection may not watch now; length 0: it may. */
struct span admin_refuse_watch(const struct host *host, const struct request *request,
                               bool pipelined);

/* The whole answer of an OP_STATS. */
void admin_render_stats(const struct host *host, const struct request *request,
                        struct reply *reply);

/* Which size classes a word names. */
enum admin_classes {
    ADMIN_CLASSES_OK,
    ADMIN_CLASSES_BAD,  /* there is no such class   */
    ADMIN_CLASSES_NONE, /* an empty list            */
};

/* Read a list of size classes, as in 1,3,4, or `all`. `count` is the highest there is. */
enum admin_classes admin_read_classes(struct span text, unsigned count,
                                      bool classes[CACHE_CLASS_MAX + 1]);

/* Read the shares of HOT and WARM and their factors, as in `20 40 0.2 2.0`; what is wrong
 * with them, or nothing. */
struct span admin_read_tuning(struct span text, struct cache_lru *lru);
/* Read a number with a point or without, as in `0.8`; it may have a minus. */
bool admin_read_fraction(struct span text, double *number);

/* ---- dumps ----------------------------------------------------------------------- */

/* A list of items that is under way. */
struct dump;

/* Begin what an OP_DUMP asks for, and say its first line. NULL where it was refused, which
 * was said. */
struct dump *dump_begin(const struct host *host, struct cache_thread *thread,
                        const struct request *request, struct reply *reply);
/* List a few more; false when the last line was said. There is REPLY_RESERVE room. */
bool dump_step(struct dump *dump, struct reply *reply);
void dump_end(struct dump **dump);

#endif
