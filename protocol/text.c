/* protocol/text.c - the classic text protocol: requests in, answers out.
 *
 * A line is split into tokens at spaces; the first one picks a row of the table of
 * commands, whose function fills in the request. Only get, gets, gat and gats are
 * different: their keys become a request each, and struct text_state remembers the
 * command from key to key, so such a line may be longer than any buffer.
 */
#include "protocol/text.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "protocol/admin.h"
#include "protocol/meta.h"
#include "protocol/number.h"
#include "protocol/text_priv.h"
#include "slabs/decimal.h"

enum {
    LINE_MIN = 4, /* shorter ones, with their end, are malformed      */
};

static const struct span bad_expiry = SPAN("CLIENT_ERROR invalid exptime argument\r\n");

/* ---- lines ----------------------------------------------------------------------- */

#ifdef __SSE2__
enum { WIDTH = 16 };

/* A bit for each of these bytes that is a space or a line feed. */
static unsigned
match_word_ends(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    __m128i feed = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(space, feed));
}
#endif

/* The first space or line feed from `at` on, or `end`; what lies before, from `begin` on, may
 * be looked at as well. */
static const char *
find_word_end(const char *begin, const char *at, const char *end)
{
#ifdef __SSE2__
    unsigned bits;

    for (; end - at >= WIDTH; at += WIDTH) {
        bits = match_word_ends(at);
        if (bits != 0)
            return at + __builtin_ctz(bits);
    }
    if (end - begin >= WIDTH && at < end) {
        bits = match_word_ends(end - WIDTH) >> (WIDTH - (end - at));
        return bits != 0 ? at + __builtin_ctz(bits) : end;
    }
#else
    (void)begin;
#endif
    while (at < end && *at != ' ' && *at != '\n')
        at++;
    return at;
}

static void
split(struct span text, struct line *line)
{
    const char *at = text.at, *end = at + text.length;

    line->count = 0;
    line->indented = text.length > 0 && text.at[0] == ' ';
    while (line->count < TOKENS_MAX) {
        const char *start;

        while (at < end && *at == ' ')
            at++;
        if (at == end)
            break;
        start = at;
        at = find_word_end(text.at, at, end);
        line->token[line->count++] = (struct span){ start, (size_t)(at - start) };
    }
    line->silent =
        line->count > 0 && span_equal(line->token[line->count - 1], SPAN("noreply"));
}

bool
text_abbreviates(struct span token, struct span word)
{
    return token.length > 0 && span_starts_with(word, token);
}

static bool
take_expiry(struct span token, struct request *request)
{
    int32_t expiry;

    if (!number_strict_i32(token, &expiry))
        return false;
    request->expiry = expiry;
    return true;
}

static bool
take_key(const struct line *line, struct request *request)
{
    if (line->token[1].length > CACHE_KEY_MAX) {
        text_say(request, TEXT_BAD_FORMAT);
        return false;
    }
    request->key.bytes = line->token[1];
    return true;
}

/* ---- commands -------------------------------------------------------------------- */

void
text_take_value(const struct line *line, struct request *request)
{
    if (request->operation == OP_SAY) {
        request->flags |= REQUEST_SWALLOW;
        return;
    }
    if (line->rest.length < request->value_length + VALUE_TAIL) {
        request->flags |= REQUEST_ARRIVING;
        return;
    }
    request->value = (struct span){ line->rest.at, request->value_length };
    request->length += (uint32_t)(request->value_length + VALUE_TAIL);
    if (memcmp(request->value.at + request->value_length, "\r\n", VALUE_TAIL) != 0)
        request->flags |= REQUEST_BAD_CHUNK;
}

static void
parse_store(const struct command *command, const struct line *line,
            struct request *request)
{
    unsigned cas_at = command->mode == CACHE_CAS ? 5 : 0;
    int32_t  length, expiry;

    /* Before the length is known nothing is skipped, and noreply is not heard. */
    request->flags &= ~(uint32_t)REQUEST_SILENT;
    if (!number_strict_i32(line->token[4], &length) || length < 0 ||
        length > TEXT_VALUE_MAX) {
        text_say(request, TEXT_BAD_FORMAT);
        return;
    }
    request->flags |= line->silent ? REQUEST_SILENT : 0;
    request->value_length = (size_t)length;
    request->tail = VALUE_TAIL;
    if (line->token[1].length > CACHE_KEY_MAX ||
        !number_lenient_flags(line->token[2], &request->client_flags) ||
        !number_lenient_expiry(line->token[3], &expiry) ||
        (cas_at != 0 && (line->count <= cas_at ||
                         !number_strict_u64(line->token[cas_at], &request->cas)))) {
        text_say(request, TEXT_BAD_FORMAT);
    } else {
        request->key.bytes = line->token[1];
        request->expiry = expiry;
    }
    text_take_value(line, request);
}

static void
parse_key(const struct command *command, const struct line *line, struct request *request)
{
    (void)command;
    take_key(line, request);
}

static void
parse_touch(const struct command *command, const struct line *line,
            struct request *request)
{
    (void)command;
    if (take_key(line, request) && !take_expiry(line->token[2], request))
        text_say(request, bad_expiry);
}

static void
parse_arithmetic(const struct command *command, const struct line *line,
                 struct request *request)
{
    (void)command;
    if (take_key(line, request) && !number_strict_u64(line->token[2], &request->delta))
        text_say(request, SPAN("CLIENT_ERROR invalid numeric delta argument\r\n"));
}

static void
parse_flush(const struct command *command, const struct line *line,
            struct request *request)
{
    (void)command;
    /* noreply counts as a token, but `flush_all noreply` has no other. */
    if (line->count > (line->silent ? 2u : 1u) && !take_expiry(line->token[1], request))
        request->text = bad_expiry;
}

static void
parse_debug_time(const struct command *command, const struct line *line,
                 struct request *request)
{
    (void)command;
    request->text = line->count > 1 ? line->token[1] : SPAN("");
}

/* What needs no argument and says nothing of noreply. */
static void
parse_plain(const struct command *command, const struct line *line,
            struct request *request)
{
    (void)command, (void)line;
    request->flags &= ~(uint32_t)REQUEST_SILENT;
}

/* The keys of these follow one by one: parse_key_of_line(). */
static void
parse_keys(const struct command *command, const struct line *line,
           struct request *request)
{
    (void)command, (void)line, (void)request;
}

/* Sorted by how often clients send them. */
static const struct command commands[] = {
    { SPAN("get"), parse_keys, OP_GET, 0, 0, 2, false },
    { SPAN("gets"), parse_keys, OP_GET, 0, REQUEST_WITH_CAS, 2, false },
    { SPAN("set"), parse_store, OP_STORE, CACHE_SET, REQUEST_OR_NOTHING, 5, false },
    { SPAN("delete"), parse_key, OP_DELETE, 0, 0, 2, false },
    { SPAN("add"), parse_store, OP_STORE, CACHE_ADD, 0, 5, false },
    { SPAN("incr"), parse_arithmetic, OP_ARITHMETIC, 0, 0, 3, false },
    { SPAN("decr"), parse_arithmetic, OP_ARITHMETIC, 0, REQUEST_SUBTRACT, 3, false },
    { SPAN("cas"), parse_store, OP_STORE, CACHE_CAS, 0, 5, false },
    { SPAN("touch"), parse_touch, OP_TOUCH, 0, 0, 3, false },
    { SPAN("gat"), parse_keys, OP_GET, 0, REQUEST_TOUCH, 3, false },
    { SPAN("gats"), parse_keys, OP_GET, 0, REQUEST_TOUCH | REQUEST_WITH_CAS, 3, false },
    { SPAN("replace"), parse_store, OP_STORE, CACHE_REPLACE, 0, 5, false },
    { SPAN("append"), parse_store, OP_STORE, CACHE_APPEND, 0, 5, false },
    { SPAN("prepend"), parse_store, OP_STORE, CACHE_PREPEND, 0, 5, false },
    { SPAN("mg"), meta_parse_get, OP_GET, 0, 0, 2, false },
    { SPAN("ms"), meta_parse_set, OP_STORE, CACHE_SET, REQUEST_OR_NOTHING, 2, false },
    { SPAN("md"), meta_parse_delete, OP_DELETE, 0, 0, 2, false },
    { SPAN("ma"), meta_parse_arithmetic, OP_ARITHMETIC, 0, 0, 2, false },
    { SPAN("mn"), parse_plain, OP_NOOP, 0, 0, 1, false },
    { SPAN("me"), meta_parse_debug, OP_GET, 0, REQUEST_DESCRIBE | REQUEST_UNNOTICED, 2,
      false },
    { SPAN("version"), parse_plain, OP_VERSION, 0, 0, 1, false },
    { SPAN("stats"), admin_parse_stats, OP_STATS, 0, 0, 1, false },
    { SPAN("flush_all"), parse_flush, OP_FLUSH, 0, 0, 1, true },
    { SPAN("verbosity"), admin_parse_verbosity, OP_VERBOSITY, 0, 0, 2, true },
    { SPAN("cache_memlimit"), admin_parse_memlimit, OP_ORDER, 0, 0, 1, true },
    { SPAN("slabs"), admin_parse_slabs, OP_ORDER, 0, 0, 1, true },
    { SPAN("lru"), admin_parse_lru, OP_ORDER, 0, 0, 1, true },
    { SPAN("lru_crawler"), admin_parse_crawler, OP_ORDER, 0, 0, 1, true },
    { SPAN("watch"), admin_parse_watch, OP_WATCH, 0, 0, 1, false },
    { SPAN("shutdown"), admin_parse_shutdown, OP_ORDER, 0, 0, 1, true },
    { SPAN("refresh_certs"), admin_parse_certificates, OP_ORDER, 0, 0, 1, true },
    { SPAN("quit"), parse_plain, OP_QUIT, 0, 0, 1, false },
    { SPAN("debugtime"), parse_debug_time, OP_DEBUG_TIME, 0, 0, 1, false },
};

static const struct command *
find_command(struct span name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (span_equal(commands[i].name, name))
            return &commands[i];
    }
    return NULL;
}

/* No such command. A web browser that got lost here is sent away. */
static void
parse_unknown(const struct line *line, struct request *request)
{
    text_say(request, TEXT_ERROR);
    request->flags = line->silent ? REQUEST_SILENT : 0;
    if (line->count >= 2 &&
        span_starts_with(line->token[line->count - 1], SPAN("HTTP/"))) {
        request->operation = OP_QUIT;
        request->flags = REQUEST_DROP;
    }
}

static void
parse_command(const struct line *line, struct request *request)
{
    const struct command *command = line->count > 0 ? find_command(line->token[0]) : NULL;

    if (command == NULL || (line->indented && !command->indentable)) {
        parse_unknown(line, request);
        return;
    }
    request->operation = command->operation;
    request->mode = command->mode;
    request->flags = command->flags | (line->silent ? REQUEST_SILENT : 0);
    if (line->count < command->arity) {
        text_say(request, TEXT_BAD_FORMAT);
        request->flags = 0; /* noreply is not heard where it may be an argument */
        return;
    }
    command->parse(command, line, request);
}

/* ---- keys of a multi-get --------------------------------------------------------- */

/* A key in the middle of a line may not be longer than this; one at the end has a CR. */
static bool
is_too_long(const char *start, const char *end)
{
    return end - start > CACHE_KEY_MAX + 1 ||
           (end - start == CACHE_KEY_MAX + 1 && end[-1] != '\r');
}

static enum parse_status
refuse_long_key(struct request *request)
{
    /* The empty line is memcached's. */
    text_say(request, SPAN(TEXT_BAD_FORMAT_LINE "\r\n"));
    request->flags = REQUEST_RETRACT | REQUEST_SKIP_LINE;
    return PARSE_OK;
}

/* `request` knows its command; the next key of the line is at `at`. */
static enum parse_status
parse_key_of_line(struct span input, const char *at, struct request *request)
{
    const char *end = input.at + input.length, *start, *stop;

    while (at < end && *at == ' ')
        at++;
    start = at;
    at = find_word_end(input.at, at, end);
    request->length = (uint32_t)(start - input.at);
    if (is_too_long(start, at))
        return refuse_long_key(request);
    if (at == end)
        return PARSE_MORE;
    stop = at;
    while (at < end && *at == ' ')
        at++;
    if (*stop == '\n' && stop > start && stop[-1] == '\r')
        stop--;
    if (stop - start > CACHE_KEY_MAX)
        return refuse_long_key(request);
    /* Only the input's end may hide whether there is one more key. */
    if (at == end)
        return PARSE_MORE;
    request->key.bytes = (struct span){ start, (size_t)(stop - start) };
    if (*at == '\r' && at + 1 == end)
        return PARSE_MORE;
    if (*at == '\r' && at[1] == '\n')
        at++;
    if (*at == '\n') {
        request->flags |= REQUEST_LAST_KEY;
        at++;
    }
    request->length = (uint32_t)(at - input.at);
    return PARSE_OK;
}

/* The command of a line of keys was just read: go on to its first key. */
static enum parse_status
parse_first_key(struct span input, const struct line *line, struct request *request)
{
    const char *after = line->token[0].at + line->token[0].length;

    request->flags &= ~(uint32_t)REQUEST_SILENT; /* it is a key like any other */
    if (request->flags & REQUEST_TOUCH) {
        if (!take_expiry(line->token[1], request)) {
            text_say(request, bad_expiry);
            return PARSE_OK;
        }
        after = line->token[1].at + line->token[1].length;
    }
    return parse_key_of_line(input, after, request);
}

/* ---- one request ----------------------------------------------------------------- */

/* More than a line may be, and no end in sight: only lines of get and gets go on. */
static enum parse_status
parse_endless_line(struct span input, struct request *request)
{
    bool with_cas = span_starts_with(input, SPAN("gets "));

    if (!with_cas && !span_starts_with(input, SPAN("get ")))
        return PARSE_BAD;
    request->operation = OP_GET;
    request->flags = with_cas ? REQUEST_WITH_CAS : 0;
    return parse_key_of_line(input, input.at + (with_cas ? 4 : 3), request);
}

static enum parse_status
skip_line(struct span input, struct request *request)
{
    const char *end = memchr(input.at, '\n', input.length);

    text_say(request, SPAN(""));
    request->flags = end == NULL ? REQUEST_SKIP_LINE : 0;
    request->length =
        (uint32_t)(end != NULL ? (size_t)(end - input.at) + 1 : input.length);
    return PARSE_OK;
}

/* Out of line, for the sake of text_parse(), which needs none of its room. */
__attribute__((noinline)) static enum parse_status
parse_line(struct span input, char *key_room, struct request *request)
{
    const char *end = memchr(input.at, '\n', input.length);
    size_t      length;
    struct line line;

    if (end == NULL)
        return input.length <= TEXT_LINE_MAX ? PARSE_MORE
                                             : parse_endless_line(input, request);
    length = (size_t)(end - input.at);
    request->length = (uint32_t)length + 1;
    if (length + 1 < LINE_MIN) {
        text_say(request, TEXT_BAD_FORMAT);
        return PARSE_OK;
    }
    if (input.at[length - 1] == '\r')
        length--;
    split((struct span){ input.at, length }, &line);
    line.key_room = key_room;
    line.rest =
        (struct span){ input.at + request->length, input.length - request->length };
    parse_command(&line, request);
    if (request->operation == OP_GET && request->codec == CODEC_TEXT)
        return parse_first_key(input, &line, request);
    return PARSE_OK;
}

enum parse_status
text_parse(const struct text_state *state, struct span input, char *key_room,
           struct request *request)
{
    request_clear_bytes(request, sizeof(*request));
    if (input.length == 0)
        return PARSE_MORE;
    if (state->in_long_line)
        return skip_line(input, request);
    if (!state->in_keys)
        return parse_line(input, key_room, request);
    request->operation = OP_GET;
    request->flags = state->flags;
    request->expiry = state->expiry;
    return parse_key_of_line(input, input.at, request);
}

struct text_state
text_state_after(const struct request *request)
{
    if (request->flags & REQUEST_SKIP_LINE)
        return (struct text_state){ .in_long_line = true };
    if (request->operation != OP_GET || request->codec != CODEC_TEXT ||
        request->flags & REQUEST_LAST_KEY)
        return (struct text_state){ 0 };
    return (struct text_state){
        .in_keys = true,
        .flags = request->flags & (REQUEST_WITH_CAS | REQUEST_TOUCH),
        .expiry = request->expiry,
    };
}

/* ---- answers --------------------------------------------------------------------- */

static void
render_value(const struct request *request, struct cache_reading *reading,
             struct reply *reply)
{
    char *to = reply_line_room(reply, CACHE_KEY_MAX + 4 * (DECIMAL_MAX + 1) + 16);

    to = span_put(to, SPAN("VALUE "));
    to = span_put(to, request->key.bytes);
    *to++ = ' ';
    to = decimal_write(to, reading->client_flags);
    *to++ = ' ';
    to = decimal_write(to, reading->value_length);
    if (request->flags & REQUEST_WITH_CAS) {
        *to++ = ' ';
        to = decimal_write(to, reading->cas);
    }
    to = span_put(to, SPAN("\r\n"));
    reply_line_and_value(reply, to, reading);
}

static void
render_get(const struct request *request, struct result *result, struct reply *reply)
{
    if (result->status == CACHE_OK)
        render_value(request, &result->reading, reply);
    if (request->flags & REQUEST_LAST_KEY)
        reply_say(reply, SPAN("END\r\n"));
}

struct span
text_failure(const struct request *request, const struct result *result)
{
    switch (result->status) {
    case CACHE_TOO_LARGE:
        return SPAN("SERVER_ERROR object too large for cache\r\n");
    case CACHE_NO_MEMORY:
        return request->operation == OP_STORE
                   ? SPAN("SERVER_ERROR out of memory storing object\r\n")
                   : TEXT_NO_MEMORY;
    case CACHE_NOT_NUMERIC:
        return SPAN("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
    case CACHE_NOT_STORED:
        if (request->flags & REQUEST_BAD_CHUNK)
            return SPAN("CLIENT_ERROR bad data chunk\r\n");
        break;
    case CACHE_OK:
    case CACHE_MISS:
    case CACHE_EXISTS:
        break;
    }
    return SPAN("");
}

/* `done` is said where it was. */
static struct span
answer_of_write(const struct request *request, const struct result *result,
                struct span done)
{
    struct span failure = text_failure(request, result);

    if (failure.length > 0)
        return failure;
    return result->status == CACHE_OK       ? done
           : result->status == CACHE_MISS   ? SPAN("NOT_FOUND\r\n")
           : result->status == CACHE_EXISTS ? SPAN("EXISTS\r\n")
                                            : SPAN("NOT_STORED\r\n");
}

static void
render_number(const struct result *result, struct reply *reply)
{
    char *to = reply_room(reply, DECIMAL_MAX + 2);

    to = decimal_write(to, result->cache.number);
    reply_wrote(reply, span_put(to, SPAN("\r\n")));
}

static struct span
answer_of_flush(const struct request *request, const struct result *result)
{
    if (result->refused)
        return SPAN("CLIENT_ERROR flush_all not allowed\r\n");
    return request->text.length > 0 ? request->text : SPAN("OK\r\n");
}

static void
render_version(const struct host *host, struct reply *reply)
{
    reply_say(reply, SPAN("VERSION "));
    reply_say(reply, host->version);
    reply_say(reply, SPAN("\r\n"));
}

void
text_render(const struct host *host, const struct request *request, struct result *result,
            struct reply *reply)
{
    if (request->flags & REQUEST_SILENT) {
        cache_read_end(reply->thread, &result->reading);
        return;
    }
    switch ((enum operation)request->operation) {
    case OP_SAY:
        reply_say(reply, request->text);
        break;
    case OP_GET:
        render_get(request, result, reply);
        break;
    case OP_STORE:
        reply_say(reply, answer_of_write(request, result, SPAN("STORED\r\n")));
        break;
    case OP_DELETE:
        reply_say(reply, answer_of_write(request, result, SPAN("DELETED\r\n")));
        break;
    case OP_TOUCH:
        reply_say(reply, answer_of_write(request, result, SPAN("TOUCHED\r\n")));
        break;
    case OP_ARITHMETIC:
        if (result->status == CACHE_OK)
            render_number(result, reply);
        else
            reply_say(reply, answer_of_write(request, result, SPAN("")));
        break;
    case OP_FLUSH:
        reply_say(reply, answer_of_flush(request, result));
        break;
    case OP_VERBOSITY:
        reply_say(reply, SPAN("OK\r\n"));
        break;
    case OP_DEBUG_TIME:
        reply_say(reply, result->refused ? TEXT_ERROR : SPAN("OK\r\n"));
        break;
    case OP_VERSION:
        render_version(host, reply);
        break;
    case OP_STATS:
        admin_render_stats(host, request, reply);
        break;
    case OP_ORDER:
        reply_say(reply, result->text);
        break;
    case OP_LOGIN:
        reply_say(reply, result->refused ? SPAN("CLIENT_ERROR authentication failure\r\n")
                                         : SPAN("STORED\r\n"));
        break;
    case OP_NOOP:
        reply_say(reply, SPAN("MN\r\n"));
        break;
    case OP_MECHANISMS:
    case OP_DUMP:
    case OP_WATCH:
    case OP_QUIT:
    case OP_COUNT:
        break;
    }
}
