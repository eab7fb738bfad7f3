/* protocol/text.h - the classic text protocol.
 *
 * text_parse() turns bytes into one request, text_render() a result into bytes. Parsing
 * is pure: no cache, no clock, no allocation, and the same bytes always give the same
 * answer. The rules, to the byte, are memcached 1.6.45's.
 */
#ifndef LARDER_PROTOCOL_TEXT_H
#define LARDER_PROTOCOL_TEXT_H

#include "protocol/host.h"
#include "protocol/reply.h"
#include "protocol/request.h"

enum {
    TEXT_LINE_MAX = 2048, /* longer lines must come in one read, but for get and gets */
};

/*
 * key_room: TEXT_KEY_ROOM bytes, where a key that came in base64 is decoded to; it lasts as
 * long as the request.
 */
enum { TEXT_KEY_ROOM = 187 };

/*
 * Where a dialogue stands between two requests. All zero at the start; request by request
 * it is set to what text_state_after() says.
 */
struct text_state {
    bool     in_keys;      /* the rest of the line are keys of the command below */
    bool     in_long_line; /* skip what is left of the line */
    uint32_t flags;        /* enum request_flag */
    int64_t  expiry;
};

enum parse_status text_parse(const struct text_state *state, struct span input,
                             char *key_room, struct request *request);
struct text_state text_state_after(const struct request *request);

/* Answer a request, and end its reading. There is REPLY_RESERVE room. */
void text_render(const struct host *host, const struct request *request,
                 struct result *result, struct reply *reply);

#endif
