/* protocol/meta.h - the meta commands: mg, ms, md, ma, me.
 *
 * Their lines stand in text.c's table of commands; the functions here turn tokens into
 * requests, with all of a line's flags in request->text, since an answer repeats some of
 * them in the client's order. mn is text.c's own.
 */
#ifndef LARDER_PROTOCOL_META_H
#define LARDER_PROTOCOL_META_H

#include "protocol/host.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct command;
struct line;

void meta_parse_get(const struct command *command, const struct line *line,
                    struct request *request);
void meta_parse_set(const struct command *command, const struct line *line,
                    struct request *request);
void meta_parse_delete(const struct command *command, const struct line *line,
                       struct request *request);
void meta_parse_arithmetic(const struct command *command, const struct line *line,
                           struct request *request);
void meta_parse_debug(const struct command *command, const struct line *line,
                      struct request *request);

/* Answer a meta request, and end its reading. There is REPLY_RESERVE room. */
void meta_render(const struct host *host, const struct request *request,
                 struct result *result, struct reply *reply);

#endif
