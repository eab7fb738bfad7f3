/* bench/larder-bench/protocol_binary.c - memcached's binary protocol.
 *
 * A request and an answer are a header and, if it says so, a body of extras, key and value:
 *
 *      0       1       2..3    4       5       6..7     8..11   12..15   16..23
 *     magic   opcode  key     extras  type    status   body    opaque   cas id
 *                     length  length          (answer) length
 *
 * Numbers have their highest byte first.
 */
#include "bench/larder-bench/protocol.h"

#include <endian.h>
#include <string.h>

#include "bench/larder-bench/sizes.h"

enum { HEADER_BYTES = 24, ASKED = 0x80, ANSWERED = 0x81 };

enum opcode {
    GET = 0x00,
    SET = 0x01,
    DELETE = 0x04,
    INCREMENT = 0x05,
    NOOP = 0x0a,
    GETKQ = 0x0d
};

enum status { FINE = 0x00, NOT_FOUND = 0x01, EXISTS = 0x02, NOT_STORED = 0x05 };

struct header {
    uint8_t  magic, opcode;
    uint16_t key_length;
    uint8_t  extras_length, type;
    uint16_t status;
    uint32_t body_length;
    uint32_t opaque;
    uint64_t cas;
};
_Static_assert(sizeof(struct header) == HEADER_BYTES, "a header has no padding");

/* ---- requests --------------------------------------------------------------------- */

/* All but the value, for which the body's length leaves room. */
static void
add(struct buffer *out, enum opcode opcode, const struct key *key, const char *extras,
    size_t extras_length, size_t value_length, uint64_t cas)
{
    size_t        key_length = key != NULL ? key->length : 0;
    struct header header = {
        .magic = ASKED,
        .opcode = (uint8_t)opcode,
        .key_length = htobe16((uint16_t)key_length),
        .extras_length = (uint8_t)extras_length,
        .body_length = htobe32((uint32_t)(extras_length + key_length + value_length)),
        .cas = htobe64(cas),
    };

    buffer_add(out, (const char *)&header, sizeof(header));
    buffer_add(out, extras, extras_length);
    if (key != NULL)
        buffer_add(out, key->text, key_length);
}

static void
compose(struct buffer *out, const struct request *request)
{
    static const char flags_and_expiry[8];
    /* By 1; never created, for it does not expire but in the year 2106. */
    static const char delta_initial_and_expiry[20] = { 0, 0, 0, 0, 0, 0, 0,  1,  0,  0,
                                                       0, 0, 0, 0, 0, 0, -1, -1, -1, -1 };

    switch (request->op) {
    case OP_SET:
    case OP_SET_CAS:
    case OP_ZERO:
        add(out, SET, request->keys, flags_and_expiry, sizeof(flags_and_expiry),
            protocol_value_bytes(request), request->op == OP_SET_CAS ? request->cas : 0);
        protocol_add_value(out, request);
        break;
    case OP_INCR:
        add(out, INCREMENT, request->keys, delta_initial_and_expiry,
            sizeof(delta_initial_and_expiry), 0, 0);
        break;
    case OP_DELETE:
        add(out, DELETE, request->keys, "", 0, 0, 0);
        break;
    case OP_MGET:
        for (unsigned i = 0; i < request->count; i++)
            add(out, GETKQ, &request->keys[i], "", 0, 0, 0);
        add(out, NOOP, NULL, "", 0, 0, 0);
        break;
    default:
        add(out, GET, request->keys, "", 0, 0, 0);
        break;
    }
}

/* ---- answers ---------------------------------------------------------------------- */

static enum opcode
opcode_of(const struct request *request, uint8_t answered)
{
    switch (request->op) {
    case OP_SET:
    case OP_SET_CAS:
    case OP_ZERO:
        return SET;
    case OP_INCR:
        return INCREMENT;
    case OP_DELETE:
        return DELETE;
    case OP_MGET:
        return answered == NOOP ? NOOP : GETKQ;
    default:
        return GET;
    }
}

static bool
read_outcome(const struct request *request, const struct header *header,
             struct answer *answer)
{
    switch (be16toh(header->status)) {
    case NOT_FOUND:
        answer->outcome = OUTCOME_MISS;
        return true;
    case EXISTS:
    case NOT_STORED:
        answer->outcome = OUTCOME_REFUSED;
        return true;
    case FINE:
        break;
    default:
        return false;
    }
    if (header->opcode == GET || header->opcode == GETKQ)
        answer->outcome = OUTCOME_HIT;
    else if (header->opcode == NOOP)
        answer->outcome = OUTCOME_NONE;
    else
        answer->outcome = request->op == OP_INCR ? OUTCOME_NUMBER : OUTCOME_STORED;
    return true;
}

static enum parsed
parse(struct span data, const struct request *request, struct answer *answer,
      size_t *used)
{
    struct header header;
    size_t        body, before;

    *used = HEADER_BYTES;
    if (data.length < HEADER_BYTES)
        return PARSED_LESS;
    memcpy(&header, data.at, sizeof(header));
    body = be32toh(header.body_length);
    before = (size_t)header.extras_length + be16toh(header.key_length);
    if (header.magic != ANSWERED || header.opcode != opcode_of(request, header.opcode) ||
        before > body || body - before > SIZES_BYTES_MOST)
        return PARSED_WRONG;
    *used += body;
    if (data.length < *used)
        return PARSED_LESS;
    *answer = (struct answer){
        .last = header.opcode != GETKQ,
        .key = { data.at + HEADER_BYTES + header.extras_length,
                 be16toh(header.key_length) },
        .value = { data.at + HEADER_BYTES + before, body - before },
        .cas = be64toh(header.cas),
    };
    if (!read_outcome(request, &header, answer))
        return PARSED_WRONG;
    if (answer->outcome != OUTCOME_NUMBER)
        return PARSED;
    if (answer->value.length != sizeof(answer->number))
        return PARSED_WRONG;
    memcpy(&answer->number, answer->value.at, sizeof(answer->number));
    answer->number = be64toh(answer->number);
    return PARSED;
}

const struct protocol protocol_binary = { "binary", true, compose, parse };
