/* t/fuzz/parse.c - see parse.h. */
#include "t/fuzz/parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/binary.h"
#include "protocol/login.h"
#include "protocol/text.h"
#include "slabs/must.h"
#include "t/fuzz/fuzz.h"

enum {
    REQUESTS_MAX = 64, /* looked at in one input                          */
    CUTS = 3,          /* a request, at random, beside those at its end   */
    BINARY_HEADER = 24,
};

/* Where a dialogue stands. */
struct stand {
    enum parse_kind   kind;
    struct text_state text;
};

/* What came of one call of a parser. */
struct parsed {
    enum parse_status status;
    struct request    request;
    struct span       input;
    char              key_room[TEXT_KEY_ROOM];
};

static void
parse(const struct stand *stand, struct span input, struct parsed *parsed)
{
    /* Two results are compared, so what a parser leaves as it was must not differ. */
    memset(&parsed->request, 0, sizeof(parsed->request));
    parsed->input = input;
    parsed->status = PARSE_BAD;
    switch (stand->kind) {
    case PARSE_TEXT:
        parsed->status =
            text_parse(&stand->text, input, parsed->key_room, &parsed->request);
        break;
    case PARSE_LOGIN:
        parsed->status = login_parse(input, &parsed->request);
        break;
    case PARSE_BINARY:
    case PARSE_SASL:
        parsed->status = binary_parse(stand->kind == PARSE_SASL, input, &parsed->request);
        break;
    }
}

/* ---- where spans point ----------------------------------------------------------- */

static bool
is_within(struct span inner, struct span outer)
{
    uintptr_t from = (uintptr_t)inner.at, start = (uintptr_t)outer.at;

    return from >= start && from + inner.length <= start + outer.length;
}

static struct span
room_of(const struct parsed *parsed)
{
    return (struct span){ parsed->key_room, sizeof(parsed->key_room) };
}

static bool
same_bytes(struct span a, struct span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* Two parsers say the same with their own buffers: so do spans into these. */
static bool
same_span(const struct parsed *a, struct span in_a, const struct parsed *b,
          struct span in_b)
{
    if (!same_bytes(in_a, in_b))
        return false;
    if (in_a.length > 0 && is_within(in_a, a->input))
        return in_a.at - a->input.at == in_b.at - b->input.at;
    if (in_a.length > 0 && is_within(in_a, room_of(a)))
        return in_a.at - a->key_room == in_b.at - b->key_room;
    return true;
}

static bool
needs_key(const struct request *request)
{
    switch ((enum operation)request->operation) {
    case OP_GET:
    case OP_STORE:
    case OP_DELETE:
    case OP_ARITHMETIC:
    case OP_TOUCH:
        return true;
    default:
        return false;
    }
}

static void
check_spans(const struct parsed *parsed)
{
    const struct request *request = &parsed->request;
    struct span           own = { parsed->input.at, request->length };

    if (request->key.bytes.length > 0)
        must(is_within(request->key.bytes, own) ||
             is_within(request->key.bytes, room_of(parsed)));
    if (needs_key(request))
        must(request->key.bytes.length >= 1 &&
             request->key.bytes.length <= CACHE_KEY_MAX);
    if (request->value.length > 0)
        must(is_within(request->value, own));
    /* Read, so that a sanitizer sees a text that is nowhere. */
    if (request->text.length > 0)
        must(memchr(request->text.at, 0, request->text.length) == NULL ||
             is_within(request->text, own));
}

static void
check_request(const struct parsed *parsed)
{
    const struct request *request = &parsed->request;

    must(request->length <= parsed->input.length);
    must(request->operation < OP_COUNT);
    must(request->value_length <= INT32_MAX); /* no length has been cut or turned round */
    must(request->length > 0 || request->flags & REQUEST_SKIP_LINE);
    if (request->operation == OP_STORE && !(request->flags & REQUEST_ARRIVING))
        must(request->value.length == request->value_length);
    check_spans(parsed);
}

/* ---- the same request ------------------------------------------------------------ */

static bool
same_numbers(const struct request *a, const struct request *b)
{
    return a->operation == b->operation && a->mode == b->mode && a->codec == b->codec &&
           a->opcode == b->opcode && a->opaque == b->opaque &&
           a->client_flags == b->client_flags && a->refresh_expiry == b->refresh_expiry &&
           a->expiry == b->expiry && a->create_expiry == b->create_expiry &&
           a->cas == b->cas && a->new_cas == b->new_cas && a->delta == b->delta &&
           a->initial == b->initial && a->value_length == b->value_length &&
           a->tail == b->tail;
}

static bool
same_but_value(const struct parsed *a, const struct parsed *b)
{
    const struct request *in_a = &a->request, *in_b = &b->request;

    return same_numbers(in_a, in_b) &&
           same_span(a, in_a->key.bytes, b, in_b->key.bytes) &&
           same_span(a, in_a->text, b, in_b->text);
}

static bool
same(const struct parsed *a, const struct parsed *b)
{
    return a->status == b->status && a->request.flags == b->request.flags &&
           a->request.length == b->request.length && same_but_value(a, b) &&
           same_span(a, a->request.value, b, b->request.value);
}

/* Bytes of a request without its value. */
static size_t
head_of(const struct request *request)
{
    if (request->operation != OP_STORE || request->flags & REQUEST_ARRIVING)
        return request->length;
    return request->length - request->value_length - request->tail;
}

/* The same request, but its value is not there as a whole. */
static bool
is_arriving(const struct parsed *less, const struct parsed *whole)
{
    uint32_t later = REQUEST_ARRIVING | REQUEST_BAD_CHUNK;

    return less->status == PARSE_OK && whole->request.operation == OP_STORE &&
           less->request.flags & REQUEST_ARRIVING &&
           (less->request.flags | later) == (whole->request.flags | later) &&
           less->request.length == head_of(&whole->request) &&
           less->request.length + whole->request.value_length + whole->request.tail >
               less->input.length &&
           same_but_value(less, whole);
}

static bool
agrees(const struct parsed *less, const struct parsed *whole)
{
    return same(less, whole) || is_arriving(less, whole);
}

/* ---- less of the input ----------------------------------------------------------- */

static void
check_binary_cut(const struct parsed *less, const struct parsed *whole)
{
    size_t n = less->input.length;

    if (whole->status == PARSE_BAD)
        must(less->status == (n == 0 ? PARSE_MORE : PARSE_BAD));
    else if (whole->status == PARSE_MORE || n < BINARY_HEADER)
        must(less->status == PARSE_MORE);
    else if (n < head_of(&whole->request))
        must(less->status == PARSE_MORE || agrees(less, whole));
    else
        must(agrees(less, whole));
}

static void
check_login_cut(const struct parsed *less, const struct parsed *whole)
{
    if (less->status == PARSE_MORE)
        must(whole->status != PARSE_OK || less->input.length < whole->request.length);
    else
        must(less->status == whole->status &&
             (less->status != PARSE_OK || same(less, whole)));
}

/* Of a line that is being skipped, all there is. */
static void
check_skipped_cut(const struct parsed *less, const struct parsed *whole)
{
    size_t n = less->input.length;

    if (n == 0) {
        must(less->status == PARSE_MORE);
        return;
    }
    must(less->status == PARSE_OK);
    must(less->request.length == (n < whole->request.length ? n : whole->request.length));
    must(n < whole->request.length || same(less, whole));
}

static void
check_key_cut(const struct parsed *less, const struct parsed *whole)
{
    size_t n = less->input.length, needed = whole->request.length;

    if (whole->request.flags & REQUEST_RETRACT)
        needed += CACHE_KEY_MAX + 2;
    else if (n > needed && less->input.at[needed] == '\r')
        needed++; /* it may be the end of the line, or the next key's first byte */
    if (less->status == PARSE_MORE)
        must(whole->status == PARSE_MORE || n <= needed);
    else
        must(same(less, whole));
}

static void
check_line_cut(const struct parsed *less, const struct parsed *whole)
{
    size_t n = less->input.length;

    if (n > 0 && memchr(less->input.at, '\n', n) != NULL)
        must(agrees(less, whole));
    else if (n <= TEXT_LINE_MAX)
        must(less->status == PARSE_MORE);
    else /* such a line is to come in one read */
        must(less->status != PARSE_OK || same(less, whole));
}

static void
check_cut(const struct stand *stand, const struct parsed *whole, size_t n)
{
    char         *copy = malloc(n > 0 ? n : 1); /* a sanitizer knows its end */
    struct parsed less = { 0 };

    must(copy != NULL);
    if (n > 0)
        memcpy(copy, whole->input.at, n);
    parse(stand, (struct span){ copy, n }, &less);
    if (less.status == PARSE_OK)
        check_request(&less);
    if (stand->kind == PARSE_LOGIN)
        check_login_cut(&less, whole);
    else if (stand->kind != PARSE_TEXT)
        check_binary_cut(&less, whole);
    else if (stand->text.in_long_line)
        check_skipped_cut(&less, whole);
    else if (stand->text.in_keys)
        check_key_cut(&less, whole);
    else
        check_line_cut(&less, whole);
    free(copy);
}

static void
check_cuts(const struct stand *stand, const struct parsed *whole, struct dice *dice)
{
    size_t length = whole->input.length, own = length;

    if (whole->status == PARSE_OK && whole->request.length < length)
        own = whole->request.length;
    if (own == 0)
        return;
    check_cut(stand, whole, own - 1);
    if (own < length)
        check_cut(stand, whole, own + dice_roll(dice, 2));
    for (unsigned i = 0; i < CUTS && own > 1; i++)
        check_cut(stand, whole, dice_roll(dice, own));
}

/* ---- request by request ---------------------------------------------------------- */

/* Go on behind a request and what is skipped or taken with it; false at the end. */
static bool
advance(struct stand *stand, const struct request *request, struct span *input)
{
    uint64_t next = request->length;

    if (request->operation == OP_QUIT || request->flags & (REQUEST_CLOSE | REQUEST_DROP))
        return false;
    if (request->flags & (REQUEST_ARRIVING | REQUEST_SWALLOW))
        next += request->value_length + request->tail;
    if (next > input->length)
        return false;
    *input = (struct span){ input->at + next, input->length - next };
    stand->text = text_state_after(request);
    return true;
}

void
parse_check(struct span input, enum parse_kind kind)
{
    struct stand stand = { .kind = kind };
    struct dice  dice = dice_of(input);

    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        struct parsed first, second;

        parse(&stand, input, &first);
        parse(&stand, input, &second);
        must(same(&first, &second));
        if (first.status == PARSE_OK)
            check_request(&first);
        check_cuts(&stand, &first, &dice);
        if (first.status != PARSE_OK || !advance(&stand, &first.request, &input))
            break;
    }
}
