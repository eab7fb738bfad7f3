/* bench/larder-bench/protocol_text.c - memcached's text protocol, without its meta commands. */
#include "bench/larder-bench/protocol.h"

#include "protocol/number.h"

static void
add_words(struct buffer *out, const char *command, const struct request *request)
{
    buffer_add_text(out, command);
    for (unsigned i = 0; i < request->count; i++) {
        buffer_add(out, " ", 1);
        buffer_add(out, request->keys[i].text, request->keys[i].length);
    }
}

static void
add_storage(struct buffer *out, const char *command, const struct request *request)
{
    add_words(out, command, request);
    buffer_add_text(out, " 0 0 ");
    buffer_add_number(out, protocol_value_bytes(request));
    if (request->op == OP_SET_CAS) {
        buffer_add(out, " ", 1);
        buffer_add_number(out, request->cas);
    }
    buffer_add(out, "\r\n", 2);
    protocol_add_value(out, request);
    buffer_add(out, "\r\n", 2);
}

static void
compose(struct buffer *out, const struct request *request)
{
    switch (request->op) {
    case OP_SET:
    case OP_ZERO:
        add_storage(out, "set", request);
        return;
    case OP_SET_CAS:
        add_storage(out, "cas", request);
        return;
    case OP_INCR:
        add_words(out, "incr", request);
        buffer_add_text(out, " 1\r\n");
        return;
    case OP_DELETE:
        add_words(out, "delete", request);
        break;
    case OP_CAS:
        add_words(out, "gets", request);
        break;
    default:
        add_words(out, "get", request);
        break;
    }
    buffer_add(out, "\r\n", 2);
}

/*
 *     VALUE key flags bytes [cas]\r\n
 *     the value\r\n
 *     END\r\n                              which alone is a miss
 *
 * For a single key both are one answer: a server sends them together.
 */
static enum parsed
parse_values(struct span data, struct span line, const struct request *request,
             struct answer *answer, size_t *used)
{
    static const char end[] = "END\r\n";
    uint64_t          bytes;
    struct span       rest;
    enum parsed       parsed;

    if (protocol_is(line, "END")) {
        *answer = (struct answer){ .outcome = request->op == OP_MGET ? OUTCOME_NONE
                                                                     : OUTCOME_MISS,
                                   .last = true };
        return PARSED;
    }
    if (!protocol_is(protocol_take_word(&line), "VALUE"))
        return PARSED_WRONG;
    *answer = (struct answer){ .outcome = OUTCOME_HIT, .key = protocol_take_word(&line) };
    protocol_take_word(&line);
    if (!number_strict_u64(protocol_take_word(&line), &bytes) ||
        (request->op == OP_CAS && !number_strict_u64(line, &answer->cas)))
        return PARSED_WRONG;
    parsed = protocol_take_value(data, bytes, &answer->value, used);
    if (parsed != PARSED || request->op == OP_MGET)
        return parsed;
    rest = (struct span){ data.at + *used, data.length - *used };
    *used += sizeof(end) - 1;
    if (rest.length < sizeof(end) - 1)
        return PARSED_LESS;
    answer->last = true;
    return protocol_is((struct span){ rest.at, sizeof(end) - 1 }, end) ? PARSED
                                                                       : PARSED_WRONG;
}

static enum parsed
parse(struct span data, const struct request *request, struct answer *answer,
      size_t *used)
{
    static const struct {
        const char  *line;
        enum outcome outcome;
    } lines[] = {
        { "STORED", OUTCOME_STORED },      { "EXISTS", OUTCOME_REFUSED },
        { "NOT_FOUND", OUTCOME_MISS },     { "DELETED", OUTCOME_STORED },
        { "NOT_STORED", OUTCOME_REFUSED },
    };
    struct span line;
    enum parsed parsed = protocol_take_line(data, &line, used);

    if (parsed != PARSED)
        return parsed;
    if (request->op == OP_GET || request->op == OP_MGET || request->op == OP_CAS)
        return parse_values(data, line, request, answer, used);
    *answer = (struct answer){ .outcome = OUTCOME_NUMBER, .last = true };
    if (request->op == OP_INCR && number_strict_u64(line, &answer->number))
        return PARSED;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        answer->outcome = lines[i].outcome;
        if (protocol_is(line, lines[i].line))
            return PARSED;
    }
    return PARSED_WRONG;
}

const struct protocol protocol_text = { "text", true, compose, parse };
