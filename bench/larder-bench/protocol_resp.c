/* bench/larder-bench/protocol_resp.c - Redis's protocol: GET, MGET, SET, INCR, DEL.
 *
 * It has no ids to compare with, so there is no cas.
 */
#include "bench/larder-bench/protocol.h"

#include <string.h>

#include "protocol/number.h"

/* ---- requests --------------------------------------------------------------------- */

static void
add_length(struct buffer *out, char kind, size_t length)
{
    buffer_add(out, &kind, 1);
    buffer_add_number(out, length);
    buffer_add(out, "\r\n", 2);
}

static void
add_string(struct buffer *out, const char *bytes, size_t length)
{
    add_length(out, '$', length);
    buffer_add(out, bytes, length);
    buffer_add(out, "\r\n", 2);
}

static void
compose(struct buffer *out, const struct request *request)
{
    static const char *const commands[] = {
        [OP_GET] = "GET",   [OP_MGET] = "MGET",  [OP_SET] = "SET",
        [OP_INCR] = "INCR", [OP_DELETE] = "DEL", [OP_ZERO] = "SET",
    };
    const char *command = commands[request->op];
    bool        stores = command[0] == 'S';

    add_length(out, '*', 1 + request->count + stores);
    add_string(out, command, strlen(command));
    for (unsigned i = 0; i < request->count; i++)
        add_string(out, request->keys[i].text, request->keys[i].length);
    if (!stores)
        return;
    add_length(out, '$', protocol_value_bytes(request));
    protocol_add_value(out, request);
    buffer_add(out, "\r\n", 2);
}

/* ---- answers ---------------------------------------------------------------------- */

/* "$5\r\nvalue\r\n", or "$-1\r\n" for a miss. */
static enum parsed
parse_string(struct span data, struct span line, struct answer *answer, size_t *used)
{
    uint64_t bytes;

    answer->outcome = OUTCOME_MISS;
    if (protocol_is(line, "-1"))
        return PARSED;
    answer->outcome = OUTCOME_HIT;
    if (!number_strict_u64(line, &bytes))
        return PARSED_WRONG;
    return protocol_take_value(data, bytes, &answer->value, used);
}

/* ":5": what a counter has now, or how many keys were deleted. */
static enum parsed
parse_number(struct span line, const struct request *request, struct answer *answer)
{
    if (!number_strict_u64(line, &answer->number))
        return PARSED_WRONG;
    answer->outcome = request->op == OP_INCR ? OUTCOME_NUMBER
                      : answer->number == 0  ? OUTCOME_MISS
                                             : OUTCOME_STORED;
    return PARSED;
}

/* Several values are framed by how many they are: "*2\r\n". */
static enum parsed
parse_frame(struct span line, const struct request *request)
{
    uint64_t count;

    return number_strict_u64(line, &count) && count == request->count ? PARSED
                                                                      : PARSED_WRONG;
}

static enum parsed
parse(struct span data, const struct request *request, struct answer *answer,
      size_t *used)
{
    struct span line, rest;
    enum parsed parsed = protocol_take_line(data, &line, used);
    bool        many = request->op == OP_MGET, reads = many || request->op == OP_GET;

    if (parsed != PARSED)
        return parsed;
    if (line.length == 0)
        return PARSED_WRONG;
    *answer = (struct answer){ .last = !many || request->parts == request->count };
    rest = (struct span){ line.at + 1, line.length - 1 };
    if (many && request->parts == 0)
        return line.at[0] == '*' ? parse_frame(rest, request) : PARSED_WRONG;
    if (reads)
        return line.at[0] == '$' ? parse_string(data, rest, answer, used) : PARSED_WRONG;
    if (request->op == OP_INCR || request->op == OP_DELETE)
        return line.at[0] == ':' ? parse_number(rest, request, answer) : PARSED_WRONG;
    answer->outcome = OUTCOME_STORED;
    return protocol_is(line, "+OK") ? PARSED : PARSED_WRONG;
}

const struct protocol protocol_resp = { "resp", false, compose, parse };
