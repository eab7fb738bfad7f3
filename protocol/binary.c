/* protocol/binary.c - the binary protocol: requests in, answers out. See binary.h. */
#include "protocol/binary.h"

#include <endian.h>
#include <string.h>

#include "protocol/figures.h"
#include "protocol/login.h"

enum {
    MAGIC_REQUEST = 0x80,
    MAGIC_RESPONSE = 0x81,
    HEADER = 24,
    BODY_MAX = 1 << 30,
};

enum status {
    STATUS_OK = 0x00,
    STATUS_NOT_FOUND = 0x01,
    STATUS_EXISTS = 0x02,
    STATUS_TOO_LARGE = 0x03,
    STATUS_INVALID = 0x04,
    STATUS_NOT_STORED = 0x05,
    STATUS_NOT_NUMERIC = 0x06,
    STATUS_AUTH = 0x20,
    STATUS_AUTH_CONTINUE = 0x21,
    STATUS_UNKNOWN = 0x81,
    STATUS_NO_MEMORY = 0x82,
};

/* What stands in a request's header, in the machine's byte order. */
struct header {
    uint8_t  opcode;
    uint8_t  extras_length;
    uint16_t key_length;
    uint32_t body_length;
    uint32_t opaque;
    uint64_t cas;
};

/* ---- opcodes --------------------------------------------------------------------- */

/* Which parts of a body an opcode wants. */
enum shape {
    SHAPE_UNKNOWN = 0,
    SHAPE_EMPTY, /* nothing                                         */
    SHAPE_KEY,   /* a key, no value                                 */
    SHAPE_VALUE, /* a key and perhaps a value                       */
    SHAPE_OPTIONAL_KEY,
};

struct opcode {
    uint8_t  shape;
    uint8_t  operation;
    uint8_t  mode;
    uint8_t  extras;          /* their length...                        */
    bool     extras_optional; /* ...or none                             */
    uint32_t flags;
};

#define QUIET REQUEST_QUIET
#define WITH_KEY REQUEST_WITH_KEY
#define OR_NOTHING REQUEST_OR_NOTHING
#define OPEN REQUEST_OPEN

/* clang-format off */
static const struct opcode opcodes[256] = {
    /*       shape               operation      mode           extras   flags          */
    [0x00] = { SHAPE_KEY,          OP_GET,        0,             0, false, 0 },
    [0x09] = { SHAPE_KEY,          OP_GET,        0,             0, false, QUIET },
    [0x0c] = { SHAPE_KEY,          OP_GET,        0,             0, false, WITH_KEY },
    [0x0d] = { SHAPE_KEY,          OP_GET,        0,             0, false, WITH_KEY | QUIET },
    [0x01] = { SHAPE_VALUE,        OP_STORE,      CACHE_SET,     8, false, OR_NOTHING },
    [0x11] = { SHAPE_VALUE,        OP_STORE,      CACHE_SET,     8, false, OR_NOTHING | QUIET },
    [0x02] = { SHAPE_VALUE,        OP_STORE,      CACHE_ADD,     8, false, 0 },
    [0x12] = { SHAPE_VALUE,        OP_STORE,      CACHE_ADD,     8, false, QUIET },
    [0x03] = { SHAPE_VALUE,        OP_STORE,      CACHE_REPLACE, 8, false, 0 },
    [0x13] = { SHAPE_VALUE,        OP_STORE,      CACHE_REPLACE, 8, false, QUIET },
    [0x04] = { SHAPE_KEY,          OP_DELETE,     0,             0, false, 0 },
    [0x14] = { SHAPE_KEY,          OP_DELETE,     0,             0, false, QUIET },
    [0x05] = { SHAPE_KEY,          OP_ARITHMETIC, 0,            20, false, 0 },
    [0x15] = { SHAPE_KEY,          OP_ARITHMETIC, 0,            20, false, QUIET },
    [0x06] = { SHAPE_KEY,          OP_ARITHMETIC, 0,            20, false, REQUEST_SUBTRACT },
    [0x16] = { SHAPE_KEY,          OP_ARITHMETIC, 0,            20, false, REQUEST_SUBTRACT | QUIET },
    [0x07] = { SHAPE_EMPTY,        OP_QUIT,       0,             0, false, 0 },
    [0x17] = { SHAPE_EMPTY,        OP_QUIT,       0,             0, false, QUIET },
    [0x08] = { SHAPE_EMPTY,        OP_FLUSH,      0,             4, true,  0 },
    [0x18] = { SHAPE_EMPTY,        OP_FLUSH,      0,             4, true,  QUIET },
    [0x0a] = { SHAPE_EMPTY,        OP_NOOP,       0,             0, false, 0 },
    [0x0b] = { SHAPE_EMPTY,        OP_VERSION,    0,             0, false, OPEN },
    [0x0e] = { SHAPE_VALUE,        OP_STORE,      CACHE_APPEND,  0, false, 0 },
    [0x19] = { SHAPE_VALUE,        OP_STORE,      CACHE_APPEND,  0, false, QUIET },
    [0x0f] = { SHAPE_VALUE,        OP_STORE,      CACHE_PREPEND, 0, false, 0 },
    [0x1a] = { SHAPE_VALUE,        OP_STORE,      CACHE_PREPEND, 0, false, QUIET },
    [0x10] = { SHAPE_OPTIONAL_KEY, OP_STATS,      0,             0, false, 0 },
    [0x1c] = { SHAPE_KEY,          OP_TOUCH,      0,             4, false, 0 },
    [0x1d] = { SHAPE_KEY,          OP_GET,        0,             4, false, REQUEST_TOUCH },
    [0x1e] = { SHAPE_KEY,          OP_GET,        0,             4, false, REQUEST_TOUCH | QUIET },
    [0x20] = { SHAPE_EMPTY,        OP_MECHANISMS, 0,             0, false, OPEN },
    [0x21] = { SHAPE_VALUE,        OP_LOGIN,      LOGIN_TRY,     0, false, OPEN },
    [0x22] = { SHAPE_VALUE,        OP_LOGIN,      LOGIN_STEP,    0, false, OPEN },
    [0x23] = { SHAPE_KEY,          OP_GET,        0,             4, false, REQUEST_TOUCH | WITH_KEY },
    [0x24] = { SHAPE_KEY,          OP_GET,        0,             4, false, REQUEST_TOUCH | WITH_KEY | QUIET },
};
/* clang-format on */

#undef QUIET
#undef WITH_KEY
#undef OR_NOTHING
#undef OPEN

/* ---- requests in ----------------------------------------------------------------- */

bool
binary_begins_with(char byte)
{
    return (uint8_t)byte == MAGIC_REQUEST;
}

static uint32_t
read32(const char *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof(number));
    return be32toh(number);
}

static uint64_t
read64(const char *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof(number));
    return be64toh(number);
}

static struct header
read_header(const char *at)
{
    return (struct header){
        .opcode = (uint8_t)at[1],
        .key_length = (uint16_t)(read32(at) & 0xffff),
        .extras_length = (uint8_t)at[4],
        .body_length = read32(at + 8),
        .opaque = read32(at + 12),
        .cas = read64(at + 16),
    };
}

/* Answer with a status; `delta` carries it, so that no reply is lost on the way. */
static void
refuse(struct request *request, enum status status)
{
    request->operation = OP_SAY;
    request->delta = status;
    request->key.bytes = (struct span){ 0 };
}

static enum parse_status
refuse_and_close(struct request *request, enum status status, uint32_t flags)
{
    request->length = HEADER;
    request->flags = REQUEST_CLOSE | (flags & REQUEST_OPEN);
    refuse(request, status);
    return PARSE_OK;
}

void
binary_deny(struct request *request)
{
    (void)refuse_and_close(request, STATUS_AUTH, 0);
}

static bool
has_shape(const struct opcode *opcode, const struct header *header)
{
    uint32_t value = header->body_length - header->extras_length - header->key_length;

    if (header->extras_length != opcode->extras &&
        !(opcode->extras_optional && header->extras_length == 0))
        return false;
    switch ((enum shape)opcode->shape) {
    case SHAPE_EMPTY:
        return header->key_length == 0 && value == 0;
    case SHAPE_KEY:
        return header->key_length > 0 && value == 0;
    case SHAPE_VALUE:
        return header->key_length > 0;
    case SHAPE_OPTIONAL_KEY:
        return value == 0;
    case SHAPE_UNKNOWN:
        break;
    }
    return false;
}

/* Their length, which is the opcode's, tells what they are. Expiry times are unsigned
 * here: there is no negative one. */
static void
take_extras(struct request *request, const struct header *header, const char *extras)
{
    switch (header->extras_length) {
    case 4:
        request->expiry = read32(extras);
        break;
    case 8:
        request->client_flags = read32(extras);
        request->expiry = read32(extras + 4);
        break;
    case 20:
        request->delta = read64(extras);
        request->initial = read64(extras + 8);
        request->create_expiry = read32(extras + 16);
        if (request->create_expiry != UINT32_MAX)
            request->flags |= REQUEST_CREATE;
        break;
    }
}

static void
take_cas(struct request *request, const struct header *header)
{
    request->cas = header->cas;
    if (header->cas != 0)
        request->flags |= REQUEST_COMPARE;
    if (request->operation == OP_STORE)
        request_set_mode(request, request->mode);
}

static void
take_value(struct request *request, struct span rest, size_t length)
{
    request->value_length = length;
    if (rest.length < length) {
        request->flags |= REQUEST_ARRIVING;
        return;
    }
    request->value = (struct span){ rest.at, length };
    request->length += (uint32_t)length;
}

static void
take_stats(struct request *request)
{
    struct span     what = request->key.bytes, detail = SPAN("detail ");
    bool            is_detail = span_starts_with(what, detail);
    enum stats_kind kind = STATS_GENERAL;

    request->key.bytes = (struct span){ 0 };
    if (is_detail)
        what = (struct span){ what.at + detail.length, what.length - detail.length };
    if ((is_detail || what.length > 0) &&
        !figures_find(CODEC_BINARY, is_detail, what, &kind))
        refuse(request, STATUS_NOT_FOUND);
    request->mode = (uint8_t)kind;
}

/* Skip the body of what is not known. */
static enum parse_status
parse_unknown(const struct header *header, struct request *request)
{
    request->length = HEADER;
    request->value_length = header->body_length;
    request->flags = REQUEST_SWALLOW;
    refuse(request, STATUS_UNKNOWN);
    return PARSE_OK;
}

/* Whoever logs in is not known yet, so there is little that he may send. */
static enum parse_status
parse_login(struct span input, const struct header *header, struct request *request)
{
    struct span mechanism = { input.at + HEADER, header->key_length };
    struct span message = { mechanism.at + mechanism.length,
                            header->body_length - header->key_length };

    if (header->body_length > LOGIN_TOKEN_MAX)
        return refuse_and_close(request, STATUS_AUTH, REQUEST_OPEN);
    if (input.length < HEADER + header->body_length)
        return PARSE_MORE;
    request->length = HEADER + header->body_length;
    request->flags = REQUEST_OPEN;
    request->operation = OP_LOGIN;
    request->mode = opcodes[header->opcode].mode;
    if (mechanism.length > LOGIN_MECHANISM_MAX)
        refuse(request, STATUS_INVALID);
    else if (!span_equal(mechanism, SPAN("PLAIN")))
        request->mode = LOGIN_HOPELESS;
    else if (message.length == 0 && request->mode == LOGIN_TRY)
        request->mode = LOGIN_BEGIN;
    else if (!login_read_plain(message, &request->text, &request->value))
        request->mode = LOGIN_HOPELESS;
    return PARSE_OK;
}

enum parse_status
binary_parse(bool sasl, struct span input, struct request *request)
{
    const struct opcode *opcode;
    struct header        header;
    size_t               fixed;
    bool                 unknown;

    *request = (struct request){ .codec = CODEC_BINARY };
    if (input.length > 0 && !binary_begins_with(input.at[0]))
        return PARSE_BAD;
    if (input.length < HEADER)
        return PARSE_MORE;
    header = read_header(input.at);
    request->opcode = header.opcode;
    request->opaque = header.opaque;
    fixed = (size_t)header.extras_length + header.key_length;
    if (fixed > header.body_length)
        return refuse_and_close(request, STATUS_UNKNOWN, REQUEST_OPEN);
    if (header.body_length > BODY_MAX)
        return refuse_and_close(request, STATUS_INVALID, REQUEST_OPEN);
    opcode = &opcodes[header.opcode];
    unknown = opcode->shape == SHAPE_UNKNOWN;
    if (header.key_length > CACHE_KEY_MAX || (!unknown && !has_shape(opcode, &header)))
        return refuse_and_close(request, STATUS_INVALID, opcode->flags);
    if (unknown)
        return parse_unknown(&header, request);
    if (!sasl && (opcode->operation == OP_LOGIN || opcode->operation == OP_MECHANISMS))
        return parse_unknown(&header, request);
    if (opcode->operation == OP_LOGIN)
        return parse_login(input, &header, request);
    if (input.length < HEADER + fixed)
        return PARSE_MORE;

    request->operation = opcode->operation;
    request->mode = opcode->mode;
    request->flags = opcode->flags;
    request->length = (uint32_t)(HEADER + fixed);
    request->key.bytes =
        (struct span){ input.at + HEADER + header.extras_length, header.key_length };
    take_extras(request, &header, input.at + HEADER);
    take_cas(request, &header);
    if (opcode->shape == SHAPE_VALUE)
        take_value(
            request,
            (struct span){ input.at + request->length, input.length - request->length },
            header.body_length - fixed);
    if (request->operation == OP_STATS)
        take_stats(request);
    return PARSE_OK;
}

/* ---- answers out ----------------------------------------------------------------- */

/* The parts of an answer; the value, if there is one, follows them. */
struct answer {
    enum status status;
    struct span extras;
    struct span key;
    size_t      value_length;
    uint64_t    cas;
};

/* Header, extras and key; false when there is no room for them and the value. */
static bool
begin(struct reply *reply, const struct request *request, const struct answer *answer)
{
    size_t   fixed = answer->extras.length + answer->key.length;
    char    *to = reply_room(reply, HEADER + fixed);
    uint16_t key_length = htobe16((uint16_t)answer->key.length);
    uint16_t status = htobe16((uint16_t)answer->status);
    uint32_t body_length = htobe32((uint32_t)(fixed + answer->value_length));
    uint32_t opaque = htobe32(request->opaque);
    uint64_t cas = htobe64(answer->cas);

    if (to == NULL)
        return false;
    to[0] = (char)MAGIC_RESPONSE;
    to[1] = (char)request->opcode;
    memcpy(to + 2, &key_length, sizeof(key_length));
    to[4] = (char)answer->extras.length;
    to[5] = 0;
    memcpy(to + 6, &status, sizeof(status));
    memcpy(to + 8, &body_length, sizeof(body_length));
    memcpy(to + 12, &opaque, sizeof(opaque));
    memcpy(to + 16, &cas, sizeof(cas));
    to = span_put(to + HEADER, answer->extras);
    reply_wrote(reply, span_put(to, answer->key));
    return true;
}

static struct span
text_of(const struct request *request, enum status status)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return SPAN("Not found");
    case STATUS_EXISTS:
        return SPAN("Data exists for key.");
    case STATUS_TOO_LARGE:
        return SPAN("Too large.");
    case STATUS_INVALID:
        return SPAN("Invalid arguments");
    case STATUS_NOT_STORED:
        return SPAN("Not stored.");
    case STATUS_NOT_NUMERIC:
        return SPAN("Non-numeric server-side value for incr or decr");
    case STATUS_AUTH:
        return SPAN("Auth failure.");
    case STATUS_UNKNOWN:
        return SPAN("Unknown command");
    case STATUS_NO_MEMORY:
        return request->operation == OP_ARITHMETIC
                   ? SPAN("Out of memory incrementing value")
               : request->operation == OP_STATS ? SPAN("Out of memory generating stats")
                                                : SPAN("Out of memory allocating item");
    case STATUS_OK:
    case STATUS_AUTH_CONTINUE:
        break;
    }
    return SPAN("");
}

static void
say_status(struct reply *reply, const struct request *request, enum status status)
{
    struct span   text = text_of(request, status);
    struct answer answer = { .status = status, .value_length = text.length };

    if (begin(reply, request, &answer))
        reply_say(reply, text);
}

/* What all went well with: nothing but the id, and not even that for a quiet request. */
static void
say_done(struct reply *reply, const struct request *request, uint64_t cas)
{
    struct answer answer = { .cas = cas };

    if (!(request->flags & REQUEST_QUIET))
        begin(reply, request, &answer);
}

static void
render_miss(const struct request *request, struct reply *reply)
{
    struct answer answer = { .status = STATUS_NOT_FOUND, .key = request->key.bytes };

    if (request->flags & REQUEST_QUIET)
        return;
    if (request->flags & REQUEST_WITH_KEY)
        begin(reply, request, &answer);
    else
        say_status(reply, request, STATUS_NOT_FOUND);
}

static void
render_get(const struct request *request, struct result *result, struct reply *reply)
{
    struct cache_reading *reading = &result->reading;
    uint32_t              flags = htobe32(reading->client_flags);
    struct answer         answer = {
                .extras = { (const char *)&flags, sizeof(flags) },
                .value_length = reading->value_length,
                .cas = reading->cas,
    };

    if (result->status != CACHE_OK) {
        render_miss(request, reply);
        return;
    }
    if (request->flags & REQUEST_WITH_KEY)
        answer.key = request->key.bytes;
    begin(reply, request, &answer);
    reply_value(reply, reading);
}

static enum status
status_of(const struct request *request, enum cache_status status)
{
    switch (status) {
    case CACHE_OK:
        return STATUS_OK;
    case CACHE_MISS:
        return STATUS_NOT_FOUND;
    case CACHE_EXISTS:
        return STATUS_EXISTS;
    case CACHE_TOO_LARGE:
        return STATUS_TOO_LARGE;
    case CACHE_NO_MEMORY:
        return STATUS_NO_MEMORY;
    case CACHE_NOT_NUMERIC:
        return STATUS_NOT_NUMERIC;
    case CACHE_NOT_STORED:
        break;
    }
    if (cache_store_joins(request->mode))
        return STATUS_NOT_STORED;
    return request->mode == CACHE_ADD ? STATUS_EXISTS : STATUS_NOT_FOUND;
}

static void
render_write(const struct request *request, const struct result *result,
             struct reply *reply)
{
    enum status status = status_of(request, result->status);
    bool        shows_cas = request->operation != OP_DELETE;

    if (status != STATUS_OK)
        say_status(reply, request, status);
    else
        say_done(reply, request, shows_cas ? result->cache.cas : 0);
}

static void
render_arithmetic(const struct request *request, const struct result *result,
                  struct reply *reply)
{
    uint64_t      number = htobe64(result->cache.number);
    struct answer answer = { .value_length = sizeof(number), .cas = result->cache.cas };

    if (result->status != CACHE_OK) {
        say_status(reply, request, status_of(request, result->status));
        return;
    }
    if (request->flags & REQUEST_QUIET)
        return;
    if (begin(reply, request, &answer))
        reply_say(reply, (struct span){ (const char *)&number, sizeof(number) });
}

static void
render_touch(const struct request *request, const struct result *result,
             struct reply *reply)
{
    uint32_t      flags = htobe32(result->cache.client_flags);
    struct answer answer = { .extras = { (const char *)&flags, sizeof(flags) },
                             .cas = result->cache.cas };

    if (result->status == CACHE_OK)
        begin(reply, request, &answer);
    else
        say_status(reply, request, STATUS_NOT_FOUND);
}

/* Statistics are an answer each, and an empty one at the end. */
static void
put_figure(struct figures_sink *sink, struct span name, struct span value)
{
    struct answer answer = { .key = name, .value_length = value.length };

    if (begin(sink->reply, sink->request, &answer))
        reply_say(sink->reply, value);
}

/* All of it is one text. */
static void
put_prefixes(struct figures_sink *sink, struct span lines)
{
    struct span   end = SPAN("END\r\n");
    struct answer answer = { .key = SPAN("detailed"),
                             .value_length = lines.length + end.length };

    if (!begin(sink->reply, sink->request, &answer))
        return;
    reply_say(sink->reply, lines);
    reply_say(sink->reply, end);
}

static void
put_end(struct figures_sink *sink, enum figures_end end)
{
    static const enum status statuses[] = {
        [FIGURES_NOT_ALLOWED] = STATUS_NOT_FOUND,
        [FIGURES_NO_MEMORY] = STATUS_NO_MEMORY,
    };

    say_status(sink->reply, sink->request, statuses[end]);
}

static void
render_stats(const struct host *host, const struct request *request, struct reply *reply)
{
    struct figures_sink sink = { request, reply, put_figure, put_prefixes, put_end };

    figures_render(host, &sink);
}

static void
say_text(struct reply *reply, const struct request *request, struct span text)
{
    struct answer answer = { .value_length = text.length };

    if (begin(reply, request, &answer))
        reply_say(reply, text);
}

static void
render_login(const struct request *request, const struct result *result,
             struct reply *reply)
{
    if (result->refused)
        say_status(reply, request, STATUS_AUTH);
    else if (request->mode == LOGIN_BEGIN)
        say_status(reply, request, STATUS_AUTH_CONTINUE);
    else
        say_text(reply, request, SPAN("Authenticated"));
}

void
binary_render(const struct host *host, const struct request *request,
              struct result *result, struct reply *reply)
{
    switch ((enum operation)request->operation) {
    case OP_SAY:
        say_status(reply, request, (enum status)request->delta);
        break;
    case OP_GET:
        render_get(request, result, reply);
        break;
    case OP_STORE:
    case OP_DELETE:
        render_write(request, result, reply);
        break;
    case OP_ARITHMETIC:
        render_arithmetic(request, result, reply);
        break;
    case OP_TOUCH:
        render_touch(request, result, reply);
        break;
    case OP_FLUSH:
        if (result->refused)
            say_status(reply, request, STATUS_AUTH);
        else
            say_done(reply, request, 0);
        break;
    case OP_STATS:
        render_stats(host, request, reply);
        break;
    case OP_LOGIN:
        render_login(request, result, reply);
        break;
    case OP_MECHANISMS:
        say_text(reply, request, SPAN("PLAIN"));
        break;
    case OP_VERSION:
        say_text(reply, request, host->version);
        break;
    case OP_NOOP:
    case OP_QUIT:
        say_done(reply, request, 0);
        break;
    case OP_VERBOSITY:
    case OP_DEBUG_TIME:
    case OP_DUMP:
    case OP_WATCH:
    case OP_ORDER:
    case OP_COUNT:
        break;
    }
}

void
binary_say_too_large(struct span input, struct reply *reply)
{
    struct header  header = read_header(input.at);
    struct request request = { .opcode = header.opcode, .opaque = header.opaque };

    say_status(reply, &request, STATUS_TOO_LARGE);
}
