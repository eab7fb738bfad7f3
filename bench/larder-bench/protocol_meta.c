/* bench/larder-bench/protocol_meta.c - memcached's meta commands: mg, ms, ma, md, mn. */
#include "bench/larder-bench/protocol.h"

#include "protocol/number.h"

static void
add_command(struct buffer *out, const char *command, const struct key *key)
{
    buffer_add(out, command, 2);
    buffer_add(out, " ", 1);
    buffer_add(out, key->text, key->length);
}

static void
add_set(struct buffer *out, const struct request *request)
{
    add_command(out, "ms", request->keys);
    buffer_add(out, " ", 1);
    buffer_add_number(out, protocol_value_bytes(request));
    if (request->op == OP_SET_CAS) {
        buffer_add_text(out, " C");
        buffer_add_number(out, request->cas);
    }
    buffer_add(out, "\r\n", 2);
    protocol_add_value(out, request);
    buffer_add(out, "\r\n", 2);
}

/* Misses say nothing, and mn tells when all has been said. */
static void
add_many(struct buffer *out, const struct request *request)
{
    for (unsigned i = 0; i < request->count; i++) {
        add_command(out, "mg", &request->keys[i]);
        buffer_add_text(out, " v k q\r\n");
    }
    buffer_add_text(out, "mn\r\n");
}

static void
compose(struct buffer *out, const struct request *request)
{
    switch (request->op) {
    case OP_SET:
    case OP_SET_CAS:
    case OP_ZERO:
        add_set(out, request);
        break;
    case OP_MGET:
        add_many(out, request);
        break;
    case OP_INCR:
        add_command(out, "ma", request->keys);
        buffer_add_text(out, " v\r\n");
        break;
    case OP_DELETE:
        add_command(out, "md", request->keys);
        buffer_add(out, "\r\n", 2);
        break;
    case OP_CAS:
        add_command(out, "mg", request->keys);
        buffer_add_text(out, " v k c\r\n");
        break;
    default:
        add_command(out, "mg", request->keys);
        buffer_add_text(out, " v k\r\n");
        break;
    }
}

/* What stands behind "VA bytes", in any order: k and the key, c and the CAS id. */
static bool
read_flags(struct span line, struct answer *answer)
{
    while (line.length > 0) {
        struct span word = protocol_take_word(&line);
        struct span rest = { word.at + 1, word.length - 1 };

        if (word.length == 0)
            continue;
        if (word.at[0] == 'k')
            answer->key = rest;
        else if (word.at[0] == 'c' && !number_strict_u64(rest, &answer->cas))
            return false;
    }
    return true;
}

static enum parsed
parse_value(struct span data, struct span line, const struct request *request,
            struct answer *answer, size_t *used)
{
    uint64_t    bytes;
    enum parsed parsed;

    if (!number_strict_u64(protocol_take_word(&line), &bytes) ||
        !read_flags(line, answer))
        return PARSED_WRONG;
    parsed = protocol_take_value(data, bytes, &answer->value, used);
    if (parsed != PARSED || request->op != OP_INCR)
        return parsed;
    answer->outcome = OUTCOME_NUMBER;
    return number_strict_u64(answer->value, &answer->number) ? PARSED : PARSED_WRONG;
}

static enum parsed
parse(struct span data, const struct request *request, struct answer *answer,
      size_t *used)
{
    static const struct {
        const char  *code;
        enum outcome outcome;
    } codes[] = {
        { "HD", OUTCOME_STORED },  { "EN", OUTCOME_MISS },    { "NF", OUTCOME_MISS },
        { "NS", OUTCOME_REFUSED }, { "EX", OUTCOME_REFUSED },
    };
    struct span line, word;
    enum parsed parsed = protocol_take_line(data, &line, used);

    if (parsed != PARSED)
        return parsed;
    word = protocol_take_word(&line);
    *answer = (struct answer){ .outcome = OUTCOME_HIT, .last = request->op != OP_MGET };
    if (protocol_is(word, "VA"))
        return parse_value(data, line, request, answer, used);
    answer->last = true;
    if (request->op == OP_MGET) {
        answer->outcome = OUTCOME_NONE;
        return protocol_is(word, "MN") ? PARSED : PARSED_WRONG;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        answer->outcome = codes[i].outcome;
        if (protocol_is(word, codes[i].code))
            return PARSED;
    }
    return PARSED_WRONG;
}

const struct protocol protocol_meta = { "meta", true, compose, parse };
