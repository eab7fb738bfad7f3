/* protocol/meta.c - the meta commands: flags in, flags out.
 *
 * All commands share one parser of flags, which accepts every known flag on every command
 * and checks its argument there; what a command does with a flag is another matter. The
 * rules, and the order in which mistakes are found, are memcached 1.6.45's.
 */
#include "protocol/meta.h"

#include <string.h>

#include "protocol/base64.h"
#include "protocol/number.h"
#include "protocol/text.h"
#include "protocol/text_priv.h"
#include "slabs/decimal.h"

enum {
    LINE_TOKENS_MAX = 20, /* of one command: its name, key, length and flags */
    OPAQUE_MAX = 32,      /* bytes of an O flag, its letter included         */
    FLAGS_KNOWN = 128,
};

/* What the flags of a line say. */
struct flags {
    struct span error; /* length 0: none */
    char        mode;  /* of M; 0: not given */
    bool        seen[FLAGS_KNOWN];
};

static const struct span bad_token =
    SPAN("CLIENT_ERROR bad token in command line format\r\n");

static const struct span long_opaque = SPAN("CLIENT_ERROR opaque token too long\r\n");

/* ---- flags in -------------------------------------------------------------------- */

/* What may begin a flag at all: letters, digits and what stands between them in ASCII. */
static bool
begins_flag(char c)
{
    return (c >= 'A' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
take_seconds(struct span argument, int64_t *seconds)
{
    int32_t number;

    if (!number_strict_i32(argument, &number))
        return false;
    *seconds = number;
    return true;
}

static bool
decode_key(const struct line *line, struct request *request)
{
    size_t length;

    if (!base64_decode(request->key.bytes, line->key_room, TEXT_KEY_ROOM, &length))
        return false;
    request->key.bytes = (struct span){ line->key_room, length };
    return true;
}

/* Note a bad argument. Of several the last one's text is said. */
static void
refuse(struct flags *flags, bool good, struct span text)
{
    if (!good)
        flags->error = text;
}

/* Take in one flag; false where nothing more is to be looked at. */
static bool
take_flag(const struct line *line, struct span token, struct flags *flags,
          struct request *request)
{
    struct span argument = { token.at + 1, token.length - 1 };

    switch (token.at[0]) {
    case 'b':
        refuse(flags, decode_key(line, request),
               SPAN("CLIENT_ERROR error decoding key\r\n"));
        request->flags |= REQUEST_BINARY_KEY;
        break;
    case 'N':
        refuse(flags, take_seconds(argument, &request->create_expiry), bad_token);
        request->flags |= REQUEST_CREATE;
        break;
    case 'T':
        refuse(flags, take_seconds(argument, &request->expiry), bad_token);
        request->flags |= REQUEST_TOUCH;
        if (flags->seen['N'])
            request->flags |= REQUEST_TOUCH_LAST;
        break;
    case 'R':
        refuse(flags, take_seconds(argument, &request->refresh_expiry), bad_token);
        request->flags |= REQUEST_REFRESH;
        if (flags->seen['T'])
            request->flags |= REQUEST_TOUCH_FIRST;
        break;
    case 'C':
        refuse(flags, number_strict_u64(argument, &request->cas), bad_token);
        request->flags |= REQUEST_COMPARE;
        break;
    case 'E':
        refuse(flags, number_strict_u64(argument, &request->new_cas), bad_token);
        request->flags |= REQUEST_NAME_CAS;
        break;
    case 'F':
        if (!number_strict_u32(argument, &request->client_flags) &&
            flags->error.length == 0)
            flags->error = TEXT_BAD_FORMAT;
        break;
    case 'D':
        refuse(flags, number_strict_u64(argument, &request->delta),
               SPAN("CLIENT_ERROR invalid numeric delta value\r\n"));
        break;
    case 'J':
        refuse(flags, number_strict_u64(argument, &request->initial),
               SPAN("CLIENT_ERROR invalid numeric initial value\r\n"));
        break;
    case 'M':
        flags->mode = argument.length > 0 ? argument.at[0] : '?';
        break;
    case 'I':
        request->flags |= REQUEST_INVALIDATE;
        break;
    case 'q':
        request->flags |= REQUEST_QUIET;
        break;
    case 'u':
        request->flags |= REQUEST_UNNOTICED;
        break;
    case 'v':
        request->flags |= REQUEST_WITH_VALUE;
        break;
    case 'x':
        request->flags |= REQUEST_EMPTY;
        break;
    case 'O':
        if (token.length > OPAQUE_MAX)
            request->flags |= REQUEST_BAD_OPAQUE;
        break;
    case 'P':
    case 'L':
    case 'k':
    case 's':
    case 't':
    case 'c':
    case 'f':
    case 'h':
    case 'l':
        break;
    default:
        flags->error = SPAN("CLIENT_ERROR invalid flag\r\n");
        return false;
    }
    return true;
}

/* The line has flags from token `first` on. False, with the answer in the request, where
 * something is wrong with them or with the key. */
static bool
take_flags(const struct line *line, unsigned first, struct flags *flags,
           struct request *request)
{
    *flags = (struct flags){ 0 };
    request->codec = CODEC_META;
    request->key.bytes = line->token[1];
    request->flags &= ~(uint32_t)REQUEST_SILENT;
    if (line->token[1].length > CACHE_KEY_MAX) {
        text_say(request, TEXT_BAD_FORMAT);
        return false;
    }
    if (line->count > LINE_TOKENS_MAX) {
        text_say(request, SPAN("CLIENT_ERROR options flags are too long\r\n"));
        return false;
    }
    for (unsigned i = first; i < line->count; i++) {
        uint8_t letter = (uint8_t)line->token[i].at[0];

        if (flags->seen[letter % FLAGS_KNOWN]) {
            flags->error = SPAN("CLIENT_ERROR duplicate flag\r\n");
            break;
        }
        flags->seen[letter % FLAGS_KNOWN] = true;
        if (!take_flag(line, line->token[i], flags, request))
            break;
    }
    if (first < line->count)
        request->text = (struct span){ line->token[first].at,
                                       (size_t)(line->token[line->count - 1].at +
                                                line->token[line->count - 1].length -
                                                line->token[first].at) };
    if (flags->error.length == 0)
        return true;
    text_say(request, flags->error);
    return false;
}

/* What the tokenizer would not have let through. */
static bool
flags_are_tokens(const struct line *line, unsigned first)
{
    for (unsigned i = first; i < line->count; i++) {
        if (!begins_flag(line->token[i].at[0]))
            return false;
    }
    return true;
}

/* A line of a key and flags. False where its flags were not looked at. */
static bool
parse_simple(const struct line *line, struct flags *flags, struct request *request)
{
    if (flags_are_tokens(line, 2)) {
        (void)take_flags(line, 2, flags, request);
        return true;
    }
    text_say(request, TEXT_BAD_FORMAT);
    request->flags = 0;
    return false;
}

void
meta_parse_get(const struct command *command, const struct line *line,
               struct request *request)
{
    struct flags flags;

    (void)command;
    parse_simple(line, &flags, request);
}

void
meta_parse_delete(const struct command *command, const struct line *line,
                  struct request *request)
{
    struct flags flags;

    (void)command;
    parse_simple(line, &flags, request);
    if (request->flags & REQUEST_BAD_OPAQUE && request->operation != OP_SAY)
        text_say(request, long_opaque);
    /* A new expiry is for what stays. */
    if (!(request->flags & (REQUEST_INVALIDATE | REQUEST_EMPTY)))
        request->flags &= ~(uint32_t)REQUEST_TOUCH;
}

void
meta_parse_debug(const struct command *command, const struct line *line,
                 struct request *request)
{
    request->codec = CODEC_META;
    request->flags = command->flags;
    request->key.bytes = line->token[1];
    /* b counts only where one more token follows it. */
    if (line->token[1].length > CACHE_KEY_MAX)
        text_say(request, TEXT_BAD_FORMAT);
    else if (line->count > 3 && span_equal(line->token[2], SPAN("b")) &&
             !decode_key(line, request))
        text_say(request, SPAN("CLIENT_ERROR error decoding key\r\n"));
}

static bool
take_set_mode(const struct flags *flags, struct request *request)
{
    switch (flags->mode) {
    case 0:
    case 'S':
        request_set_mode(request, CACHE_SET);
        return true;
    case 'R':
        request_set_mode(request, CACHE_REPLACE);
        return true;
    case 'E': /* whatever the id */
        request->mode = CACHE_ADD;
        return true;
    case 'A':
        request_set_mode(request, CACHE_APPEND);
        return true;
    case 'P':
        request_set_mode(request, CACHE_PREPEND);
        return true;
    default:
        text_say(request, SPAN("CLIENT_ERROR invalid mode for ms M token\r\n"));
        return false;
    }
}

void
meta_parse_set(const struct command *command, const struct line *line,
               struct request *request)
{
    struct flags flags;
    int32_t      length = -1;

    (void)command;
    if (!flags_are_tokens(line, 3) || line->count < 3 ||
        !number_strict_i32(line->token[2], &length) || length < 0 ||
        length > TEXT_VALUE_MAX) {
        text_say(request, TEXT_BAD_FORMAT);
        request->flags = 0;
        return;
    }
    request->value_length = (size_t)length;
    request->tail = VALUE_TAIL;
    if (take_flags(line, 3, &flags, request) && take_set_mode(&flags, request) &&
        request->flags & REQUEST_BAD_OPAQUE)
        text_say(request, long_opaque);
    text_take_value(line, request);
}

static bool
take_count_mode(const struct flags *flags, struct request *request)
{
    switch (flags->mode) {
    case 0:
    case 'I':
    case '+':
        return true;
    case 'D':
    case '-':
        request->flags |= REQUEST_SUBTRACT;
        return true;
    default:
        text_say(request, SPAN("CLIENT_ERROR invalid mode for ma M token\r\n"));
        return false;
    }
}

void
meta_parse_arithmetic(const struct command *command, const struct line *line,
                      struct request *request)
{
    struct flags flags;

    (void)command;
    request->delta = 1;
    if (!parse_simple(line, &flags, request))
        return;
    if (request->operation == OP_SAY) {
        text_say(request, SPAN("CLIENT_ERROR invalid or duplicate flag\r\n"));
        return;
    }
    if (request->cas == 0)
        request->flags &= ~(uint32_t)REQUEST_COMPARE;
    take_count_mode(&flags, request);
}

/* ---- flags out ------------------------------------------------------------------- */

/* What a flag of the request is answered with. */
struct answer {
    const struct host    *host;
    const struct request *request;
    bool                  miss; /* only O and k are said                          */
    bool                  binary_key;
    bool                  created; /* by N: nothing was there                         */
    int32_t               ttl_s;
    uint64_t              cas;
    size_t                value_length;
    const struct cache_reading *reading; /* NULL but for mg */
};

static char *
put_number(char *to, char letter, uint64_t number)
{
    *to++ = ' ';
    *to++ = letter;
    return decimal_write(to, number);
}

static char *
put_ttl(char *to, int32_t ttl_s)
{
    if (ttl_s < 0)
        return span_put(to, SPAN(" t-1"));
    return put_number(to, 't', (uint64_t)ttl_s);
}

static char *
put_key(char *to, const struct answer *answer)
{
    struct span key = answer->request->key.bytes;

    to = span_put(to, SPAN(" k"));
    if (!answer->binary_key)
        return span_put(to, key);
    return span_put(base64_encode(to, key), SPAN(" b"));
}

/* A new expiry takes effect where it stands among the flags. */
static void
pass_expiry(struct answer *answer, char letter)
{
    const struct request *request = answer->request;

    if (letter == 'T' && request->flags & REQUEST_TOUCH)
        answer->ttl_s = answer->host->ttl_of(answer->host->server, request->expiry);
    if (letter == 'N' && answer->created)
        answer->ttl_s =
            answer->host->ttl_of(answer->host->server, request->create_expiry);
}

static char *
put_flag(char *to, struct answer *answer, struct span flag)
{
    const struct cache_reading *reading = answer->reading;

    switch (flag.at[0]) {
    case 'O':
        *to++ = ' ';
        return span_put(to, flag);
    case 'k':
        return put_key(to, answer);
    }
    if (answer->miss)
        return to;
    switch (flag.at[0]) {
    case 'T':
    case 'N':
        pass_expiry(answer, flag.at[0]);
        return to;
    case 'c':
        return put_number(to, 'c', answer->cas);
    }
    if (flag.at[0] == 't' && answer->request->operation != OP_STORE)
        return put_ttl(to, answer->ttl_s);
    if (flag.at[0] == 's' && answer->request->operation != OP_ARITHMETIC)
        return put_number(to, 's', answer->value_length);
    if (reading == NULL)
        return to;
    switch (flag.at[0]) {
    case 'f':
        return put_number(to, 'f', reading->client_flags);
    case 'l':
        return put_number(to, 'l', reading->idle_s);
    case 'h':
        return put_number(to, 'h', reading->fetched);
    }
    return to;
}

/* Each flag that is answered, in the order of the request. */
static char *
put_flags(char *to, struct answer *answer)
{
    struct span text = answer->request->text;

    while (text.length > 0) {
        const char *end = memchr(text.at, ' ', text.length);
        size_t      length = end != NULL ? (size_t)(end - text.at) : text.length;
        size_t      next = length + (end != NULL);

        if (length > 0)
            to = put_flag(to, answer, (struct span){ text.at, length });
        text = (struct span){ text.at + next, text.length - next };
    }
    return to;
}

/* The longest line of flags: key, opaque, and a dozen numbers. */
enum {
    FLAGS_ROOM = BASE64_ROOM(CACHE_KEY_MAX) + OPAQUE_MAX + 12 * (DECIMAL_MAX + 2) + 32
};

static char *
begin(struct reply *reply)
{
    return reply_room(reply, FLAGS_ROOM);
}

static void
end(struct reply *reply, char *to)
{
    reply_wrote(reply, span_put(to, SPAN("\r\n")));
}

static void
render_get(const struct host *host, const struct request *request, struct result *result,
           struct reply *reply)
{
    struct cache_reading *reading = &result->reading;
    struct answer         answer = {
                .host = host,
                .request = request,
                .miss = result->status != CACHE_OK,
                .binary_key = reading->binary_key,
                .created = reading->created,
                .ttl_s = reading->ttl_s,
                .cas = reading->cas,
                .value_length = reading->value_length,
                .reading = reading,
    };
    bool unchanged = request->flags & REQUEST_COMPARE && request->cas != 0 &&
                     request->cas == reading->cas;
    bool  with_value = request->flags & REQUEST_WITH_VALUE && !unchanged;
    char *to;

    if (answer.miss) {
        answer.binary_key = request->flags & REQUEST_BINARY_KEY;
        if (!(request->flags & REQUEST_QUIET))
            end(reply, put_flags(span_put(begin(reply), SPAN("EN")), &answer));
        return;
    }
    to = reply_line_room(reply, FLAGS_ROOM);
    to = with_value ? decimal_write(span_put(to, SPAN("VA ")), reading->value_length)
                    : span_put(to, SPAN("HD"));
    to = put_flags(to, &answer);
    to = reading->leased ? span_put(to, SPAN(" Z")) : to;
    to = reading->stale ? span_put(to, SPAN(" X")) : to;
    to = reading->won ? span_put(to, SPAN(" W")) : to;
    to = span_put(to, SPAN("\r\n"));
    if (with_value) {
        reply_line_and_value(reply, to, reading);
    } else {
        reply_wrote(reply, to);
        cache_read_end(reply->thread, reading);
    }
}

/* me: what is known of an item, in words. */
static void
render_debug(const struct request *request, struct result *result, struct reply *reply)
{
    struct cache_reading *reading = &result->reading;
    struct span           key = request->key.bytes;
    char                 *to;

    if (result->status != CACHE_OK) {
        reply_say(reply, SPAN("EN\r\n"));
        return;
    }
    to = span_put(reply_room(reply, FLAGS_ROOM + 64), SPAN("ME "));
    to = reading->binary_key ? base64_encode(to, key) : span_put(to, key);
    to = span_put(to, SPAN(" exp="));
    to = reading->ttl_s < 0 ? span_put(to, SPAN("-1"))
                            : decimal_write(to, (uint64_t)reading->ttl_s);
    to = decimal_write(span_put(to, SPAN(" la=")), reading->idle_s);
    to = decimal_write(span_put(to, SPAN(" cas=")), reading->cas);
    to = span_put(to, reading->fetched ? SPAN(" fetch=yes") : SPAN(" fetch=no"));
    to = decimal_write(span_put(to, SPAN(" cls=")), reading->size_class);
    to = decimal_write(
        span_put(to, SPAN(" size=")),
        cache_item_weight(key.length, reading->client_flags, reading->value_length));
    end(reply, to);
    cache_read_end(reply->thread, reading);
}

static struct span
code_of(enum cache_status status)
{
    return status == CACHE_OK       ? SPAN("HD")
           : status == CACHE_MISS   ? SPAN("NF")
           : status == CACHE_EXISTS ? SPAN("EX")
                                    : SPAN("NS");
}

/* ms, md, ma. */
static void
render_write(const struct host *host, const struct request *request,
             const struct result *result, struct reply *reply)
{
    bool          done = result->status == CACHE_OK;
    bool          counted = done && request->operation == OP_ARITHMETIC;
    bool          with_value = counted && request->flags & REQUEST_WITH_VALUE;
    struct span   failure = text_failure(request, result);
    struct answer answer = {
        .host = host,
        .request = request,
        .miss = !counted && request->operation != OP_STORE,
        .binary_key = request->flags & REQUEST_BINARY_KEY,
        .created = result->cache.created,
        .ttl_s = result->cache.ttl_s,
        .cas = done ? result->cache.cas : 0,
        .value_length = result->cache.value_length,
    };
    char        digits[DECIMAL_MAX], *to;
    struct span number = { digits, 0 };

    if (failure.length > 0) {
        reply_say(reply, failure);
        return;
    }
    if (done && request->flags & REQUEST_QUIET)
        return;
    if (with_value)
        number.length = (size_t)(decimal_write(digits, result->cache.number) - digits);
    to = begin(reply);
    to = with_value ? decimal_write(span_put(to, SPAN("VA ")), number.length)
                    : span_put(to, code_of(result->status));
    end(reply, put_flags(to, &answer));
    if (with_value) {
        reply_say(reply, number);
        reply_say(reply, SPAN("\r\n"));
    }
}

/* An opaque that is too long is only found by who echoes it: after other mistakes. */
static bool
stumbles_at_opaque(const struct request *request, const struct result *result)
{
    return request->flags & REQUEST_BAD_OPAQUE && request->operation != OP_SAY &&
           text_failure(request, result).length == 0;
}

void
meta_render(const struct host *host, const struct request *request, struct result *result,
            struct reply *reply)
{
    if (stumbles_at_opaque(request, result)) {
        cache_read_end(reply->thread, &result->reading);
        reply_say(reply, long_opaque);
        return;
    }
    switch ((enum operation)request->operation) {
    case OP_GET:
        if (request->flags & REQUEST_DESCRIBE)
            render_debug(request, result, reply);
        else
            render_get(host, request, result, reply);
        break;
    case OP_STORE:
    case OP_DELETE:
    case OP_ARITHMETIC:
        render_write(host, request, result, reply);
        break;
    case OP_SAY:
        reply_say(reply, request->text);
        break;
    case OP_TOUCH: /* these are no meta commands */
    case OP_FLUSH:
    case OP_NOOP:
    case OP_VERSION:
    case OP_VERBOSITY:
    case OP_STATS:
    case OP_DUMP:
    case OP_ORDER:
    case OP_WATCH:
    case OP_LOGIN:
    case OP_MECHANISMS:
    case OP_DEBUG_TIME:
    case OP_QUIT:
    case OP_COUNT:
        break;
    }
}
