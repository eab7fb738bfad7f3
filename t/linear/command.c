/* t/linear/command.c - operations as memcached commands. */
#include "t/linear/command.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- requests ---------------------------------------------------------------------- */

static const char *const store_words[] = { "set", "add", "replace", "append", "prepend" };
static const char        store_modes[] = { 'S', 'E', 'R', 'A', 'P' };

static void
say_data(struct wire *w, const struct command *c)
{
    wire_put(w, c->data, c->ops[0].value.length);
    wire_put(w, "\r\n", 2);
}

static void
say_read(struct wire *w, const struct command *c)
{
    const struct op *op = c->ops;
    const char      *plural = op->asks & ASK_CAS ? "s" : "";

    if (op->asks & ASK_TOUCH)
        wire_say(w, "gat%s %" PRId32, plural, op->ttl);
    else
        wire_say(w, "get%s", plural);
    for (unsigned i = 0; i < c->count; i++)
        wire_say(w, " %s", c->keys[i]);
}

static void
say_store(struct wire *w, const struct command *c)
{
    const struct op *op = c->ops;
    bool             cas = op->asks & ASK_COMPARE;

    wire_say(w, "%s %s %" PRIu32 " %" PRId32 " %" PRIu32,
             cas ? "cas" : store_words[op->mode], c->keys[0], op->flags, op->ttl,
             op->value.length);
    if (cas)
        wire_say(w, " %" PRIu64, op->cas);
}

static void
say_classic(struct wire *w, const struct command *c)
{
    const struct op *op = c->ops;

    switch ((enum op_kind)op->kind) {
    case OP_READ:
        say_read(w, c);
        break;
    case OP_STORE:
        say_store(w, c);
        break;
    case OP_DELETE:
        wire_say(w, "delete %s", c->keys[0]);
        break;
    case OP_COUNT:
        wire_say(w, "%s %s %" PRIu64, op->asks & ASK_SUBTRACT ? "decr" : "incr",
                 c->keys[0], op->delta);
        break;
    case OP_TOUCH:
        wire_say(w, "touch %s %" PRId32, c->keys[0], op->ttl);
        break;
    case OP_FLUSH:
        wire_say(w, "flush_all");
        break;
    }
    if (op->asks & ASK_QUIET)
        wire_say(w, " noreply");
}

/* An expiry stands before what is shown, and so is shown. */
static void
say_meta_flags(struct wire *w, const struct op *op)
{
    bool touches = op->asks & ASK_TOUCH || (op->kind == OP_STORE && op->ttl != 0);

    if (op->flags != 0)
        wire_say(w, " F%" PRIu32, op->flags);
    if (op->asks & ASK_COMPARE)
        wire_say(w, " C%" PRIu64, op->cas);
    if (op->asks & ASK_CHOOSE)
        wire_say(w, " E%" PRIu64, op->new_cas);
    if (op->asks & ASK_CREATE)
        wire_say(w, " N%" PRId32, op->create_ttl);
    if (touches)
        wire_say(w, " T%" PRId32, op->ttl);
    if (op->asks & ASK_REFRESH)
        wire_say(w, " R%" PRId32, op->refresh_ttl);
    wire_say(w, "%s%s%s%s%s%s%s", op->asks & ASK_INVALIDATE ? " I" : "",
             op->asks & ASK_EMPTY ? " x" : "", op->asks & ASK_VALUE ? " v" : "",
             op->asks & ASK_CAS ? " c" : "", op->asks & ASK_TTL ? " t" : "",
             op->asks & ASK_FLAGS ? " f" : "", op->asks & ASK_QUIET ? " q" : "");
}

static void
say_meta(struct wire *w, const struct command *c)
{
    const struct op *op = c->ops;

    switch ((enum op_kind)op->kind) {
    case OP_READ:
        wire_say(w, "mg %s", c->keys[0]);
        break;
    case OP_STORE:
        wire_say(w, "ms %s %" PRIu32 " M%c", c->keys[0], op->value.length,
                 store_modes[op->mode]);
        break;
    case OP_DELETE:
        wire_say(w, "md %s", c->keys[0]);
        break;
    case OP_COUNT:
        wire_say(w, "ma %s M%c D%" PRIu64, c->keys[0],
                 op->asks & ASK_SUBTRACT ? 'D' : 'I', op->delta);
        if (op->asks & ASK_CREATE)
            wire_say(w, " J%" PRIu64, op->initial);
        break;
    case OP_TOUCH:
    case OP_FLUSH:
        break;
    }
    say_meta_flags(w, op);
}

static bool
ask(struct wire *w, const struct command *c)
{
    if (c->ops[0].asks & ASK_META)
        say_meta(w, c);
    else
        say_classic(w, c);
    wire_put(w, "\r\n", 2);
    if (c->ops[0].kind == OP_STORE)
        say_data(w, c);
    if (c->ops[0].asks & ASK_QUIET)
        wire_say(w, "mn\r\n");
    return wire_send(w);
}

/* ---- answers ----------------------------------------------------------------------- */

static const struct {
    const char     *line;
    enum op_outcome outcome;
} answers[] = {
    { "STORED", OUT_OK },
    { "DELETED", OUT_OK },
    { "TOUCHED", OUT_OK },
    { "OK", OUT_OK },
    { "NOT_FOUND", OUT_MISS },
    { "EXISTS", OUT_EXISTS },
    { "NOT_STORED", OUT_NOT_STORED },
    { "CLIENT_ERROR cannot increment or decrement non-numeric value", OUT_NOT_NUMERIC },
    { "SERVER_ERROR out of memory storing object", OUT_NO_MEMORY },
    { "SERVER_ERROR out of memory", OUT_NO_MEMORY },
    { "SERVER_ERROR Out of memory during read", OUT_NO_MEMORY },
    { "SERVER_ERROR Out of memory allocating new item", OUT_NO_MEMORY },
};

static const struct {
    char            code[3];
    enum op_outcome outcome;
} meta_codes[] = {
    { "HD", OUT_OK },   { "VA", OUT_OK },         { "EN", OUT_MISS },
    { "NF", OUT_MISS }, { "NS", OUT_NOT_STORED }, { "EX", OUT_EXISTS },
};

static bool
take_line(struct op *op, const char *line)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strcmp(answers[i].line, line) == 0) {
            op->outcome = (uint8_t)answers[i].outcome;
            return true;
        }
    }
    if (op->kind != OP_COUNT || !isdigit((unsigned char)*line))
        return false;
    op->outcome = OUT_OK;
    op->tells |= TELL_VALUE;
    op->got = value_of(line, strlen(line));
    return op->got.kind == VALUE_NUMBER;
}

/* VALUE key flags bytes [id], of one of the keys that are left; then *next is after it. */
static bool
take_hit(struct wire *w, struct command *c, char *line, unsigned *next)
{
    char       *key, *bytes, *rest = line + strlen("VALUE ");
    struct op  *op;
    size_t      length;
    const char *flags, *size;

    key = strsep(&rest, " ");
    while (*next < c->count && strcmp(c->keys[*next], key) != 0)
        c->ops[(*next)++].outcome = OUT_MISS;
    flags = strsep(&rest, " ");
    size = strsep(&rest, " ");
    if (*next == c->count || size == NULL)
        return false;
    op = &c->ops[(*next)++];
    op->outcome = OUT_OK;
    op->tells = TELL_VALUE | TELL_FLAGS;
    op->got_flags = (uint32_t)strtoul(flags, NULL, 10);
    length = strtoul(size, NULL, 10);
    if ((rest != NULL) != !!(op->asks & ASK_CAS))
        return false;
    if (rest != NULL) {
        op->tells |= TELL_CAS;
        op->got_cas = strtoull(rest, NULL, 10);
    }
    if (!wire_bytes(w, length, &bytes))
        return false;
    op->got = value_of(bytes, length);
    return true;
}

static bool
take_hits(struct wire *w, struct command *c)
{
    unsigned next = 0;
    char    *line;

    while (wire_line(w, &line)) {
        errno = EBADMSG;
        if (strcmp(line, "END") == 0) {
            while (next < c->count)
                c->ops[next++].outcome = OUT_MISS;
            return true;
        }
        if (strncmp(line, "VALUE ", 6) != 0 || !take_hit(w, c, line, &next))
            return false;
    }
    return false;
}

static bool
take_meta_flag(struct op *op, const char *flag)
{
    switch (*flag) {
    case 'c':
        op->tells |= op->outcome == OUT_OK ? TELL_CAS : 0;
        op->got_cas = strtoull(flag + 1, NULL, 10);
        return true;
    case 't':
        op->tells |= TELL_TTL;
        op->got_ttl = (int32_t)strtol(flag + 1, NULL, 10);
        return true;
    case 'f':
        op->tells |= TELL_FLAGS;
        op->got_flags = (uint32_t)strtoul(flag + 1, NULL, 10);
        return true;
    case 'W':
        op->tells |= TELL_WON;
        return true;
    case 'X':
        op->tells |= TELL_STALE;
        return true;
    case 'Z':
        op->tells |= TELL_LEASED;
        return true;
    }
    return false;
}

/* Everything that was asked for has to be told. */
static bool
is_complete(const struct op *op)
{
    bool value = op->asks & ASK_VALUE && !(op->asks & ASK_COMPARE && op->kind == OP_READ);

    if (op->outcome != OUT_OK)
        return true;
    return (!value || op->tells & TELL_VALUE) &&
           (!(op->asks & ASK_CAS) || op->tells & TELL_CAS) &&
           (!(op->asks & ASK_TTL) || op->tells & TELL_TTL) &&
           (!(op->asks & ASK_FLAGS) || op->tells & TELL_FLAGS);
}

static bool
take_meta_code(struct op *op, const char *line)
{
    for (size_t i = 0; i < sizeof(meta_codes) / sizeof(meta_codes[0]); i++) {
        if (strncmp(meta_codes[i].code, line, 2) == 0) {
            op->outcome = (uint8_t)meta_codes[i].outcome;
            return true;
        }
    }
    return false;
}

static bool
take_meta(struct wire *w, struct op *op, char *line)
{
    char  *word, *bytes, *rest = line + 3;
    bool   with_value = strncmp(line, "VA ", 3) == 0;
    size_t length = with_value ? strtoul(rest, &rest, 10) : 0;

    if (strncmp(line, "CLIENT_ERROR ", 13) == 0 ||
        strncmp(line, "SERVER_ERROR ", 13) == 0)
        return take_line(op, line);
    if (!take_meta_code(op, line) || (line[2] != '\0' && line[2] != ' '))
        return false;
    while (line[2] != '\0' && (word = strsep(&rest, " ")) != NULL) {
        if (*word != '\0' && !take_meta_flag(op, word))
            return false;
    }
    if (with_value) {
        if (!wire_bytes(w, length, &bytes))
            return false;
        op->tells |= TELL_VALUE;
        op->got = value_of(bytes, length);
    }
    return is_complete(op);
}

/* What no answer means. */
static enum op_outcome
silence(const struct op *op)
{
    if (!(op->asks & ASK_META))
        return OUT_ANY;
    return op->kind == OP_READ ? OUT_MISS : OUT_OK;
}

static bool
take(struct wire *w, struct command *c)
{
    struct op *op = c->ops;
    bool       quiet = op->asks & ASK_QUIET;
    char      *line;

    if (op->kind == OP_READ && !(op->asks & ASK_META))
        return take_hits(w, c);
    if (!wire_line(w, &line))
        return false;
    errno = EBADMSG;
    if (quiet && strcmp(line, "MN") == 0) {
        op->outcome = (uint8_t)silence(op);
        return true;
    }
    if (op->asks & ASK_META ? !take_meta(w, op, line) : !take_line(op, line))
        return false;
    return !quiet || (wire_line(w, &line) && strcmp(line, "MN") == 0);
}

bool
command_run(struct wire *w, struct command *c, char *wrong, size_t wrong_room)
{
    errno = 0;
    if (!ask(w, c) || !take(w, c)) {
        snprintf(wrong, wrong_room, "%s; the last line that came is: %s",
                 errno != 0 ? strerror(errno) : "closed by the server", w->said);
        return false;
    }
    for (unsigned i = 0; i < c->count; i++) {
        c->ops[i].invoked = w->sent_ns;
        c->ops[i].returned = w->heard_ns;
    }
    return true;
}
