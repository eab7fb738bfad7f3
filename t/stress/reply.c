/* t/stress/reply.c - takes replies apart, to the byte.
 *
 * Each reply is held against the first pending request. A reply that is no reply to it gives
 * the connection up, since nobody could say where the next one begins.
 */
#include "t/stress/reply.h"

#include <ctype.h>
#include <string.h>

#include "t/stress/model.h"

enum step {
    STEP_MORE,
    STEP_NEXT,
    STEP_DONE
}; /* need bytes; took some; request finished */

/* The next line without its end; false if it is not complete. `*skip` includes the end. */
static bool
line_next(struct client *c, const char **line, size_t *length, size_t *skip)
{
    const char *from = c->in.data + c->in.at, *end;

    end = memchr(from, '\n', c->in.end - c->in.at);
    if (end == NULL) {
        if (c->in.end - c->in.at > LINE_MAX_BYTES)
            complain(c, client_request(c, c->first), NULL, from, c->in.end - c->in.at,
                     "a line without an end");
        return false;
    }
    *skip = (size_t)(end - from) + 1;
    *line = from;
    *length = *skip - 1;
    if (*length == 0 || from[*length - 1] != '\r') {
        complain(c, client_request(c, c->first), NULL, from, *skip,
                 "a line ends without CR");
        return false;
    }
    (*length)--;
    return true;
}

static enum outcome
outcome_of(const char *line, size_t length, uint64_t *number)
{
    size_t at = 0;

    for (size_t i = 0; i < answers_count; i++)
        if (strlen(answers[i].line) == length &&
            memcmp(answers[i].line, line, length) == 0)
            return answers[i].outcome;
    if (length > 8 && memcmp(line, "VERSION ", 8) == 0)
        return OUT_VERSION;
    for (*number = 0; at < length && isdigit((unsigned char)line[at]); at++)
        *number = *number * 10 + (uint64_t)(line[at] - '0');
    return at > 0 && at == length && at <= 20 ? OUT_NUMBER : OUT_UNKNOWN;
}

static enum step
step_line(struct client *c, struct request *r)
{
    const char  *line;
    size_t       length, skip;
    uint64_t     number = 0;
    enum outcome o;

    if (!line_next(c, &line, &length, &skip))
        return STEP_MORE;
    o = outcome_of(line, length, &number);
    if (!(verbs[r->op].replies & CAN(o)) || o == OUT_UNKNOWN ||
        (o == OUT_TOO_LARGE && r->length <= c->world->opt.max_value)) {
        complain(c, r, r->sequence ? &r->key : NULL, line, length, "an unexpected reply");
        return STEP_MORE;
    }
    c->in.at += skip;
    request_settle(c, r, o, number);
    return STEP_DONE;
}

static enum step
step_stats(struct client *c, struct request *r)
{
    const char *line;
    size_t      length, skip;

    if (!line_next(c, &line, &length, &skip))
        return STEP_MORE;
    c->in.at += skip;
    if (length == 3 && memcmp(line, "END", 3) == 0)
        return STEP_DONE;
    if (length < 5 || memcmp(line, "STAT ", 5) != 0)
        complain(c, r, NULL, line, length, "not a statistic");
    return STEP_NEXT;
}

/* Reads ` <number>`; false if something else is there. */
static bool
number_read(const char **p, const char *end, uint64_t *number)
{
    const char *from = *p + 1;

    if (*p == end || **p != ' ')
        return false;
    *number = 0;
    for (*p = from; *p < end && isdigit((unsigned char)**p); (*p)++)
        *number = *number * 10 + (uint64_t)(**p - '0');
    return *p > from && *p - from <= 20;
}

/* Takes `VALUE <key> <flags> <bytes>[ <cas>]` apart. */
static bool
hit_parse(const struct request *r, const char *line, size_t length, const char **key,
          size_t *nkey, struct hit *h)
{
    const char *end = line + length, *p;
    uint64_t    flags, bytes;

    if (length < 6 || memcmp(line, "VALUE ", 6) != 0)
        return false;
    *key = line + 6;
    p = memchr(*key, ' ', (size_t)(end - *key));
    if (p == NULL)
        return false;
    *nkey = (size_t)(p - *key);
    if (!number_read(&p, end, &flags) || !number_read(&p, end, &bytes))
        return false;
    h->flags = (uint32_t)flags;
    h->length = (size_t)bytes;
    h->cas = 0;
    if ((r->op == OP_GETS || r->op == OP_GATS) && !number_read(&p, end, &h->cas))
        return false;
    return p == end && flags <= UINT32_MAX && bytes <= UINT32_MAX;
}

/* The next of the keys asked for that has this name; those before it were missed. */
static struct wanted *
wanted_find(struct client *c, struct request *r, const char *key, size_t nkey)
{
    while (r->answered < r->keys) {
        struct wanted *q = client_wanted(c, c->first_wanted + r->answered);
        char           name[KEY_BYTES];

        r->answered++;
        if (key_name(c->world, q->key, name) == nkey && memcmp(name, key, nkey) == 0)
            return q;
        wanted_missed(c, r, q);
    }
    return NULL;
}

static void
retrieval_end(struct client *c, struct request *r)
{
    for (; r->answered < r->keys; r->answered++)
        wanted_missed(c, r, client_wanted(c, c->first_wanted + r->answered));
    c->counts.asked += r->keys;
    c->first_wanted += r->keys;
    request_settle(c, r, OUT_UNKNOWN, 0);
}

static enum step
step_value(struct client *c, struct request *r)
{
    const char    *line, *key;
    size_t         length, skip, nkey;
    struct hit     h;
    struct wanted *q;

    if (!line_next(c, &line, &length, &skip))
        return STEP_MORE;
    if (length == 3 && memcmp(line, "END", 3) == 0) {
        c->in.at += skip;
        retrieval_end(c, r);
        return STEP_DONE;
    }
    if (!hit_parse(r, line, length, &key, &nkey, &h)) {
        complain(c, r, NULL, line, length, "neither VALUE nor END");
        return STEP_MORE;
    }
    if (c->in.end - c->in.at < skip + h.length + 2)
        return STEP_MORE;
    h.data = line + skip;
    q = wanted_find(c, r, key, nkey);
    if (q == NULL)
        complain(c, r, NULL, line, length, "a key that was not asked for, or not here");
    else if (memcmp(h.data + h.length, "\r\n", 2) != 0)
        complain(c, r, &q->key, h.data + h.length, 2, "no CR LF after a value");
    else
        wanted_hit(c, r, q, &h);
    c->in.at += skip + h.length + 2;
    return STEP_NEXT;
}

static enum step
step_request(struct client *c, struct request *r)
{
    if (r->op <= OP_GATS)
        return step_value(c, r);
    if (r->op == OP_STATS)
        return step_stats(c, r);
    return step_line(c, r);
}

void
client_check(struct client *c)
{
    while (c->in.at < c->in.end && !c->broken) {
        struct request *r = client_request(c, c->first);
        enum step       step;

        if (!client_pending(c)) {
            complain(c, NULL, NULL, c->in.data + c->in.at, c->in.end - c->in.at,
                     "bytes that nobody asked for");
            return;
        }
        if (r->noreply) {
            request_settle(c, r, OUT_SILENT, 0);
            c->first++;
            continue;
        }
        step = step_request(c, r);
        if (step == STEP_MORE)
            return;
        if (step == STEP_DONE)
            c->first++;
    }
}
