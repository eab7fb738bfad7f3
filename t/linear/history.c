/* t/linear/history.c - operations and states as text. */
#include "t/linear/history.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ------------------------------------------------------------------------- */

/* `asks` has to be there, and nothing of `lacks`. */
static const struct verb {
    const char *word;
    uint8_t     kind, mode;
    uint16_t    asks, lacks;
} verbs[] = {
    { "get", OP_READ, 0, 0, ASK_META | ASK_TOUCH | ASK_CAS },
    { "gets", OP_READ, 0, ASK_CAS, ASK_META | ASK_TOUCH },
    { "gat", OP_READ, 0, ASK_TOUCH, ASK_META | ASK_CAS },
    { "gats", OP_READ, 0, ASK_TOUCH | ASK_CAS, ASK_META },
    { "mg", OP_READ, 0, ASK_META, 0 },
    { "cas", OP_STORE, MODE_SET, ASK_COMPARE, ASK_META },
    { "set", OP_STORE, MODE_SET, 0, ASK_META },
    { "add", OP_STORE, MODE_ADD, 0, ASK_META },
    { "replace", OP_STORE, MODE_REPLACE, 0, ASK_META },
    { "append", OP_STORE, MODE_APPEND, 0, ASK_META },
    { "prepend", OP_STORE, MODE_PREPEND, 0, ASK_META },
    { "ms", OP_STORE, MODE_SET, ASK_META, 0 },
    { "ms-add", OP_STORE, MODE_ADD, ASK_META, 0 },
    { "ms-replace", OP_STORE, MODE_REPLACE, ASK_META, 0 },
    { "ms-append", OP_STORE, MODE_APPEND, ASK_META, 0 },
    { "ms-prepend", OP_STORE, MODE_PREPEND, ASK_META, 0 },
    { "delete", OP_DELETE, 0, 0, ASK_META },
    { "md", OP_DELETE, 0, ASK_META, 0 },
    { "incr", OP_COUNT, 0, 0, ASK_META | ASK_SUBTRACT },
    { "decr", OP_COUNT, 0, ASK_SUBTRACT, ASK_META },
    { "ma", OP_COUNT, 0, ASK_META, ASK_SUBTRACT },
    { "ma-decr", OP_COUNT, 0, ASK_META | ASK_SUBTRACT, 0 },
    { "touch", OP_TOUCH, 0, 0, 0 },
    { "flush_all", OP_FLUSH, 0, 0, 0 },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static const char *const outcomes[] = {
    [OUT_OK] = "ok",
    [OUT_MISS] = "miss",
    [OUT_EXISTS] = "exists",
    [OUT_NOT_STORED] = "not_stored",
    [OUT_NOT_NUMERIC] = "not_numeric",
    [OUT_NO_MEMORY] = "no_memory",
    [OUT_ANY] = "?",
};

enum { OUTCOMES = sizeof(outcomes) / sizeof(outcomes[0]) };

static const struct verb *
verb_of(const struct op *op)
{
    const struct verb *v = verbs;

    while (v->kind != op->kind || v->mode != op->mode ||
           (op->asks & v->asks) != v->asks || op->asks & v->lacks)
        v++;
    return v;
}

/* ---- out --------------------------------------------------------------------------- */

static bool
is_readable(const struct value *v)
{
    if (v->length > VALUE_HEAD)
        return false;
    for (uint32_t i = 0; i < v->length; i++) {
        if (!isprint((unsigned char)v->head[i]) || v->head[i] == '_')
            return false;
    }
    return true;
}

static void
print_value(FILE *to, const struct value *v)
{
    uint32_t shown = v->length < VALUE_HEAD ? v->length : VALUE_HEAD;

    if (!is_readable(v))
        fprintf(to, " #%" PRIu32 ":%" PRIx64 ":", v->length, v->hash);
    else
        fputs(" =", to);
    for (uint32_t i = 0; i < shown; i++)
        fputc(isgraph((unsigned char)v->head[i]) ? v->head[i] : '_', to);
}

static void
print_time(FILE *to, uint64_t time, uint64_t origin)
{
    fprintf(to, "%" PRIu64 ".%03" PRIu64, (time - origin) / 1000, (time - origin) % 1000);
}

static void
print_asked(FILE *to, const struct op *op)
{
    if (op->kind == OP_STORE)
        print_value(to, &op->value);
    if (op->flags != 0)
        fprintf(to, " F%" PRIu32, op->flags);
    if (op->asks & ASK_COMPARE)
        fprintf(to, " C%" PRIu64, op->cas);
    if (op->asks & ASK_CHOOSE)
        fprintf(to, " E%" PRIu64, op->new_cas);
    if (op->ttl != 0 || op->asks & ASK_TOUCH)
        fprintf(to, " T%" PRId32, op->ttl);
    if (op->asks & ASK_CREATE)
        fprintf(to, " N%" PRId32, op->create_ttl);
    if (op->asks & ASK_REFRESH)
        fprintf(to, " R%" PRId32, op->refresh_ttl);
    if (op->kind == OP_COUNT)
        fprintf(to, " D%" PRIu64, op->delta);
    if (op->kind == OP_COUNT && op->asks & ASK_CREATE)
        fprintf(to, " J%" PRIu64, op->initial);
    if (op->asks & ASK_INVALIDATE)
        fputs(" I", to);
    if (op->asks & ASK_EMPTY)
        fputs(" x", to);
}

static void
print_told(FILE *to, const struct op *op)
{
    fprintf(to, " -> %s", outcomes[op->outcome]);
    if (op->tells & TELL_VALUE)
        print_value(to, &op->got);
    if (op->tells & TELL_FLAGS)
        fprintf(to, " f%" PRIu32, op->got_flags);
    if (op->tells & TELL_CAS)
        fprintf(to, " c%" PRIu64, op->got_cas);
    if (op->tells & TELL_TTL)
        fprintf(to, " t%" PRId32, op->got_ttl);
    if (op->tells & TELL_WON)
        fputs(" W", to);
    if (op->tells & TELL_STALE)
        fputs(" X", to);
    if (op->tells & TELL_LEASED)
        fputs(" Z", to);
}

void
history_print_op(FILE *to, const struct op *op, uint64_t origin)
{
    fprintf(to, "%u ", op->client);
    print_time(to, op->invoked, origin);
    fputc('-', to);
    print_time(to, op->returned, origin);
    fprintf(to, " %s", verb_of(op)->word);
    print_asked(to, op);
    print_told(to, op);
    fputc('\n', to);
}

void
history_print_state(FILE *to, const struct state *s, uint64_t origin)
{
    if (!s->present) {
        fprintf(to, "nothing; ids are above %" PRIu64 "\n", s->cas);
        return;
    }
    fputs("an item", to);
    print_value(to, &s->value);
    fprintf(to, " f%" PRIu32 "%s%s, id %s %" PRIu64, s->flags, s->stale ? " stale" : "",
            s->leased ? " leased" : "", s->cas_known ? "is" : "above", s->cas);
    if (s->dies_by != NEVER) {
        fputs(", ends between ", to);
        print_time(to, s->lives_until > origin ? s->lives_until : origin, origin);
        fputs(" and ", to);
        print_time(to, s->dies_by > origin ? s->dies_by : origin, origin);
    }
    fputc('\n', to);
}

/* ---- in ---------------------------------------------------------------------------- */

static bool
parse_number(const char **at, int base, uint64_t *number)
{
    char *end;

    if (!isalnum((unsigned char)**at))
        return false;
    *number = strtoull(*at, &end, base);
    if (end == *at)
        return false;
    *at = end;
    return true;
}

/* Microseconds, with up to three decimals. */
static bool
parse_time(const char **at, uint64_t *time)
{
    uint64_t unit = 1000;

    if (!parse_number(at, 10, time))
        return false;
    *time *= unit;
    if (**at != '.')
        return true;
    for (++*at; isdigit((unsigned char)**at) && unit > 1; ++*at)
        *time += (uint64_t)(**at - '0') * (unit /= 10);
    return true;
}

static bool
parse_value(const char *word, struct value *v)
{
    char     bytes[256];
    size_t   length = strlen(word + 1);
    uint64_t number;

    if (*word == '#') {
        word++;
        *v = (struct value){ .kind = VALUE_TEXT };
        if (!parse_number(&word, 10, &number) || *word++ != ':' ||
            !parse_number(&word, 16, &v->hash) || *word++ != ':')
            return false;
        v->length = (uint32_t)number;
        memcpy(v->head, word, strnlen(word, VALUE_HEAD));
        return true;
    }
    if (length > sizeof(bytes))
        return false;
    for (size_t i = 0; i < length; i++)
        bytes[i] = word[i + 1] == '_' ? ' ' : word[i + 1];
    *v = value_of(bytes, length);
    return true;
}

/* A number behind a letter: to be put into 32 bits, or into 64. */
static bool
parse_argument(const char *word, int32_t *small, uint64_t *large)
{
    bool        minus = word[1] == '-';
    const char *at = word + 1 + minus;
    uint64_t    number;

    if (!parse_number(&at, 10, &number) || *at != '\0')
        return false;
    if (small != NULL)
        *small = minus ? -(int32_t)number : (int32_t)number;
    else if (!minus)
        *large = number;
    return small != NULL || !minus;
}

static bool
parse_asked(const char *word, struct op *op)
{
    switch (word[0]) {
    case '=':
    case '#':
        return parse_value(word, &op->value);
    case 'F':
        return parse_argument(word, (int32_t *)&op->flags, NULL);
    case 'C':
        op->asks |= ASK_COMPARE;
        return parse_argument(word, NULL, &op->cas);
    case 'E':
        op->asks |= ASK_CHOOSE;
        return parse_argument(word, NULL, &op->new_cas);
    case 'T':
        op->asks |= op->kind == OP_STORE ? 0 : ASK_TOUCH;
        return parse_argument(word, &op->ttl, NULL);
    case 'N':
        op->asks |= ASK_CREATE;
        return parse_argument(word, &op->create_ttl, NULL);
    case 'R':
        op->asks |= ASK_REFRESH;
        return parse_argument(word, &op->refresh_ttl, NULL);
    case 'D':
        return parse_argument(word, NULL, &op->delta);
    case 'J':
        return parse_argument(word, NULL, &op->initial);
    case 'I':
        op->asks |= ASK_INVALIDATE;
        return word[1] == '\0';
    case 'x':
        op->asks |= ASK_EMPTY;
        return word[1] == '\0';
    }
    return false;
}

static bool
parse_told(const char *word, struct op *op)
{
    switch (word[0]) {
    case '=':
    case '#':
        op->tells |= TELL_VALUE;
        return parse_value(word, &op->got);
    case 'f':
        op->tells |= TELL_FLAGS;
        return parse_argument(word, (int32_t *)&op->got_flags, NULL);
    case 'c':
        op->tells |= TELL_CAS;
        return parse_argument(word, NULL, &op->got_cas);
    case 't':
        op->tells |= TELL_TTL;
        return parse_argument(word, &op->got_ttl, NULL);
    case 'W':
        op->tells |= TELL_WON;
        return word[1] == '\0';
    case 'X':
        op->tells |= TELL_STALE;
        return word[1] == '\0';
    case 'Z':
        op->tells |= TELL_LEASED;
        return word[1] == '\0';
    }
    return false;
}

static bool
parse_verb(const char *word, struct op *op)
{
    for (const struct verb *v = verbs; v < verbs + VERBS; v++) {
        if (strcmp(v->word, word) == 0) {
            op->kind = v->kind;
            op->mode = v->mode;
            op->asks = v->asks;
            return true;
        }
    }
    return false;
}

static bool
parse_outcome(const char *word, struct op *op)
{
    for (int i = 0; i < OUTCOMES; i++) {
        if (strcmp(outcomes[i], word) == 0) {
            op->outcome = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool
parse_when(const char *who, const char *when, struct op *op)
{
    uint64_t client;

    if (!parse_number(&who, 36, &client) || *who != '\0')
        return false;
    op->client = (uint16_t)client;
    return parse_time(&when, &op->invoked) && *when++ == '-' &&
           parse_time(&when, &op->returned) && *when == '\0' &&
           op->invoked <= op->returned;
}

/* Calls for each word up to `end`, a word or NULL. */
static bool
parse_words(char **rest, const char *end, bool (*parse)(const char *, struct op *),
            struct op *op)
{
    char *word;

    while ((word = strsep(rest, " ")) != NULL) {
        if (end != NULL && strcmp(word, end) == 0)
            return true;
        if (*word != '\0' && !parse(word, op))
            return false;
    }
    return end == NULL;
}

/* The next word that is not empty. */
static char *
next_word(char **rest)
{
    char *word;

    do
        word = strsep(rest, " ");
    while (word != NULL && *word == '\0');
    return word != NULL ? word : "";
}

bool
history_parse_op(char *line, struct op *op)
{
    char *who = next_word(&line), *when = next_word(&line);

    *op = (struct op){ 0 };
    return parse_when(who, when, op) && parse_verb(next_word(&line), op) &&
           parse_words(&line, "->", parse_asked, op) &&
           parse_outcome(next_word(&line), op) &&
           parse_words(&line, NULL, parse_told, op);
}
