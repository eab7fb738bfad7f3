/* t/linear/model.c - the sequential cache, an operation at a time.
 *
 * Every operation has two functions, for an item that is there and for none. `outcome` is
 * passed beside the operation, since a silent one is tried with each that it may have had.
 */
#include "t/linear/model.h"

#include <assert.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

enum {
    REFRESH_SLACK_NS = 200000000, /* a server's clock may count in ticks             */
    PINNED_LEAST = 4096,          /* bytes of a value that a reader may hold on to   */
};

static void
allow(struct nexts *nexts, const struct state *s)
{
    assert(nexts->count < NEXT_STATES);
    nexts->at[nexts->count++] = *s;
}

/* ---- parts of a state -------------------------------------------------------------- */

/* Nothing, but ids go on from where they were. */
static struct state
gone(const struct state *s)
{
    return (struct state){ .cas = s->cas };
}

static bool
cas_may_be(const struct state *s, uint64_t id)
{
    return s->cas_known ? id == s->cas : id > s->cas;
}

static bool
cas_may_differ(const struct state *s, uint64_t id)
{
    return !s->cas_known || id != s->cas;
}

/* Is the id older than the item's? */
static bool
cas_may_be_past(const struct state *s, uint64_t id)
{
    return !s->cas_known || id < s->cas;
}

static bool
cas_must_be_past(const struct state *s, uint64_t id)
{
    return s->cas_known ? id < s->cas : id <= s->cas;
}

static void
cas_learn(struct state *s, uint64_t id)
{
    s->cas = id;
    s->cas_known = true;
}

/* A change draws a new id, or has the one that was chosen; the answer may tell. */
static bool
cas_renew(struct state *s, const struct op *op)
{
    if (op->asks & ASK_CHOOSE) {
        cas_learn(s, op->new_cas);
        return !(op->tells & TELL_CAS) || op->got_cas == op->new_cas;
    }
    s->cas_known = false;
    if (!(op->tells & TELL_CAS))
        return true;
    if (!cas_may_be(s, op->got_cas))
        return false;
    cas_learn(s, op->got_cas);
    return true;
}

/* The item's time is counted anew, from some moment within the operation. */
static void
expire(const struct model *m, const struct op *op, int32_t ttl, struct state *s)
{
    s->lives_until = s->dies_by = NEVER;
    if (ttl < 0)
        *s = gone(s);
    if (ttl <= 0)
        return;
    s->lives_until = op->invoked + (uint64_t)ttl * SECOND;
    s->lives_until -= m->early_ns < s->lives_until ? m->early_ns : s->lives_until;
    s->dies_by = op->returned + (uint64_t)ttl * SECOND + m->late_ns;
}

/* How much time the item may have had left, at the least and at the most. */
static uint64_t
left_least(const struct op *op, const struct state *s)
{
    return s->lives_until > op->returned ? s->lives_until - op->returned : 0;
}

static uint64_t
left_most(const struct op *op, const struct state *s)
{
    return s->dies_by > op->invoked ? s->dies_by - op->invoked : 0;
}

/* Whether the seconds are rounded up or down. */
static bool
ttl_fits(const struct op *op, const struct state *s)
{
    if (!(op->tells & TELL_TTL) || !s->present)
        return true;
    if (s->dies_by == NEVER || op->got_ttl < 0)
        return s->dies_by == NEVER && op->got_ttl == -1;
    return (uint64_t)op->got_ttl >= left_least(op, s) / SECOND &&
           (uint64_t)op->got_ttl * SECOND <= left_most(op, s) + SECOND;
}

/* Allows a new or changed item, if what was told of it fits. */
static void
allow_told(struct nexts *nexts, const struct op *op, const struct state *s)
{
    if (ttl_fits(op, s))
        allow(nexts, s);
}

/* ---- reading ----------------------------------------------------------------------- */

/* Of an item that may soon end: is a reader with R told to refresh it? */
static bool
refresh_fits(const struct op *op, const struct state *s, bool won)
{
    uint64_t wanted;

    if (!(op->asks & ASK_REFRESH) || s->dies_by == NEVER)
        return !won;
    wanted = op->refresh_ttl > 0 ? (uint64_t)op->refresh_ttl * SECOND : 0;
    if (won)
        return left_least(op, s) < wanted + REFRESH_SLACK_NS;
    return left_most(op, s) + REFRESH_SLACK_NS >= wanted;
}

/* W goes to one reader, X and Z to all. */
static bool
lease_fits(const struct op *op, struct state *s)
{
    bool won = op->tells & TELL_WON, was_leased = s->leased;

    if (!(op->asks & ASK_META))
        return true;
    s->leased |= won;
    if (was_leased != !!(op->tells & TELL_LEASED) ||
        s->stale != !!(op->tells & TELL_STALE))
        return false;
    if (was_leased || s->stale)
        return won == !was_leased;
    return refresh_fits(op, s, won);
}

/* With C the value is left out where the id is the one that was given. */
static bool
comparison_fits(const struct op *op, struct state *s)
{
    if (!(op->asks & ASK_COMPARE))
        return true;
    if (op->tells & TELL_VALUE)
        return cas_may_differ(s, op->cas);
    if (!cas_may_be(s, op->cas))
        return false;
    cas_learn(s, op->cas);
    return true;
}

static void
read_present(const struct model *m, const struct op *op, enum op_outcome outcome,
             const struct state *s, struct nexts *nexts)
{
    struct state next = *s;

    if (outcome != OUT_OK)
        return;
    if ((op->tells & TELL_VALUE && !value_equal(&op->got, &s->value)) ||
        (op->tells & TELL_FLAGS && op->got_flags != s->flags))
        return;
    if (op->tells & TELL_CAS) {
        if (!cas_may_be(s, op->got_cas))
            return;
        cas_learn(&next, op->got_cas);
    }
    if (!comparison_fits(op, &next) || !lease_fits(op, &next))
        return;
    if (op->asks & ASK_TOUCH)
        expire(m, op, op->ttl, &next);
    allow_told(nexts, op, &next);
}

/* N makes an empty item, which its maker is to fill. */
static void
read_absent(const struct model *m, const struct op *op, enum op_outcome outcome,
            const struct state *s, struct nexts *nexts)
{
    struct state next = *s;

    if (outcome == OUT_MISS && (!(op->asks & ASK_CREATE) || m->scarce))
        allow(nexts, s);
    if (outcome != OUT_OK || !(op->asks & ASK_CREATE) || !(op->tells & TELL_WON) ||
        op->tells & (TELL_LEASED | TELL_STALE))
        return;
    if ((op->tells & TELL_VALUE && op->got.length != 0) ||
        (op->tells & TELL_FLAGS && op->got_flags != 0) || !cas_renew(&next, op))
        return;
    next.present = true;
    next.leased = true;
    expire(m, op, op->create_ttl, &next);
    allow_told(nexts, op, &next);
}

/* ---- storing ----------------------------------------------------------------------- */

static bool
is_join(const struct op *op)
{
    return op->mode == MODE_APPEND || op->mode == MODE_PREPEND;
}

static struct value
joined(const struct op *op, const struct state *s)
{
    return op->mode == MODE_APPEND ? value_join(&s->value, &op->value)
                                   : value_join(&op->value, &s->value);
}

/* The value that was sent, with what was sent along. */
static void
store_new(const struct model *m, const struct op *op, int32_t ttl, const struct state *s,
          struct nexts *nexts)
{
    struct state next = gone(s);

    next.present = true;
    next.value = op->value;
    next.flags = op->flags;
    if (!cas_renew(&next, op))
        return;
    expire(m, op, ttl, &next);
    allow(nexts, &next);
}

/* I: a value that comes too late is better than none, but is marked. */
static void
store_stale(const struct op *op, const struct state *s, struct nexts *nexts)
{
    struct state next = *s;

    next.value = op->value;
    next.flags = op->flags;
    next.stale = true;
    if (cas_renew(&next, op))
        allow(nexts, &next);
}

static void
store_joined(const struct model *m, const struct op *op, const struct state *s,
             struct nexts *nexts)
{
    struct state next = *s;

    next.value = joined(op, s);
    next.stale = next.leased = false;
    if (next.value.length <= m->item_max && cas_renew(&next, op))
        allow(nexts, &next);
}

/* A store that was done, over an item. */
static void
store_over(const struct model *m, const struct op *op, const struct state *s,
           struct nexts *nexts)
{
    struct state found = *s;
    bool         compares = op->asks & ASK_COMPARE;

    if (op->mode == MODE_ADD)
        return;
    if (compares && op->asks & ASK_INVALIDATE && !is_join(op) &&
        cas_may_be_past(s, op->cas))
        store_stale(op, s, nexts);
    if (compares && !cas_may_be(s, op->cas))
        return;
    if (compares)
        cas_learn(&found, op->cas);
    if (is_join(op))
        store_joined(m, op, &found, nexts);
    else
        store_new(m, op, op->ttl, &found, nexts);
}

/* Why a store over an item may have been refused. What is a little smaller than an item may
 * be too large with its key. */
static bool
refusal_fits(const struct model *m, const struct op *op, enum op_outcome outcome,
             const struct state *s)
{
    bool compares = op->asks & ASK_COMPARE && op->mode != MODE_ADD;

    if (outcome == OUT_EXISTS)
        return compares && cas_may_differ(s, op->cas) &&
               !(op->asks & ASK_INVALIDATE && !is_join(op) &&
                 cas_must_be_past(s, op->cas));
    if (outcome != OUT_NOT_STORED)
        return false;
    return op->mode == MODE_ADD ||
           (is_join(op) && (m->scarce || joined(op, s).length > m->item_max / 16 * 15));
}

/* Of a set that was refused for want of memory nothing may be left that is out of date. */
static void
store_without_memory(const struct op *op, const struct state *s, struct nexts *nexts)
{
    bool drops =
        op->asks & ASK_META || (op->mode == MODE_SET && !(op->asks & ASK_COMPARE));
    struct state next = drops ? gone(s) : *s;

    allow(nexts, &next);
}

static void
store_present(const struct model *m, const struct op *op, enum op_outcome outcome,
              const struct state *s, struct nexts *nexts)
{
    if (outcome == OUT_OK)
        store_over(m, op, s, nexts);
    else if (outcome == OUT_NO_MEMORY)
        store_without_memory(op, s, nexts);
    else if (refusal_fits(m, op, outcome, s))
        allow(nexts, s);
}

static void
store_absent(const struct model *m, const struct op *op, enum op_outcome outcome,
             const struct state *s, struct nexts *nexts)
{
    bool compares = op->asks & ASK_COMPARE && !is_join(op) && op->mode != MODE_ADD;
    bool creates = is_join(op) && op->asks & ASK_CREATE;
    bool stores = creates || op->mode == MODE_ADD || (op->mode == MODE_SET && !compares);

    if (outcome == OUT_OK && stores)
        store_new(m, op, creates ? op->create_ttl : op->ttl, s, nexts);
    else if (outcome == OUT_NO_MEMORY || (outcome == OUT_MISS && compares) ||
             (outcome == OUT_NOT_STORED && !compares && !stores))
        allow(nexts, s);
}

/* ---- counting ---------------------------------------------------------------------- */

/* memcached takes a new item where somebody else refers to the old one: then padding and
 * marks are lost, and a new expiry goes to the old item. Before 1.6.22 it may find no number
 * from 2^63 on, because it reads past the end of the value. */
static bool
may_be_unreadable(const struct model *m, const struct state *s)
{
    return m->old_counters && s->value.number >> 63;
}

static uint64_t
counted(const struct op *op, uint64_t number)
{
    if (!(op->asks & ASK_SUBTRACT))
        return number + op->delta;
    return op->delta < number ? number - op->delta : 0;
}

/* A number that fits is written over the old one, which stays the same item. For an id that
 * is chosen there may be no room in it, and what is large may just be read. */
static bool
may_take_new_item(const struct model *m, const struct op *op, const struct state *s)
{
    return m->old_counters || op->asks & ASK_CHOOSE || s->value.length > PINNED_LEAST;
}

static void
count_as(const struct model *m, const struct op *op, const struct state *s,
         uint64_t number, bool in_place, struct nexts *nexts)
{
    struct state next = *s;

    next.value = value_count(number, in_place ? s->value.length : 0);
    if (!in_place)
        next.stale = next.leased = false;
    if (!cas_renew(&next, op))
        return;
    if (!in_place && m->old_counters && op->asks & ASK_TOUCH) {
        allow(nexts, &next);
        return;
    }
    if (op->asks & ASK_TOUCH)
        expire(m, op, op->ttl, &next);
    allow_told(nexts, op, &next);
}

static void
count_done(const struct model *m, const struct op *op, const struct state *s,
           struct nexts *nexts)
{
    struct state found = *s;
    uint64_t     number = counted(op, s->value.number);
    bool         fits = value_count(number, 0).length <= s->value.length;

    if (s->value.kind == VALUE_TEXT ||
        (op->tells & TELL_VALUE && op->got.number != number))
        return;
    if (op->asks & ASK_COMPARE) {
        if (!cas_may_be(s, op->cas))
            return;
        cas_learn(&found, op->cas);
    }
    if (fits)
        count_as(m, op, &found, number, true, nexts);
    if (!fits || may_take_new_item(m, op, s))
        count_as(m, op, &found, number, false, nexts);
}

static void
count_present(const struct model *m, const struct op *op, enum op_outcome outcome,
              const struct state *s, struct nexts *nexts)
{
    bool empty = s->value.length == 0; /* which is found out before ids are compared */
    bool compares = op->asks & ASK_COMPARE && !empty;

    if (outcome == OUT_OK)
        count_done(m, op, s, nexts);
    else if (outcome == OUT_NO_MEMORY ||
             (outcome == OUT_EXISTS && compares && cas_may_differ(s, op->cas)) ||
             (outcome == OUT_NOT_NUMERIC &&
              (s->value.kind == VALUE_TEXT || may_be_unreadable(m, s)) &&
              (!compares || cas_may_be(s, op->cas))))
        allow(nexts, s);
}

static void
count_absent(const struct model *m, const struct op *op, enum op_outcome outcome,
             const struct state *s, struct nexts *nexts)
{
    struct state next = *s;

    if (outcome == OUT_NO_MEMORY || (outcome == OUT_MISS && !(op->asks & ASK_CREATE)))
        allow(nexts, s);
    if (outcome != OUT_OK || !(op->asks & ASK_CREATE) ||
        (op->tells & TELL_VALUE && op->got.number != op->initial) ||
        !cas_renew(&next, op))
        return;
    next.present = true;
    next.value = value_count(op->initial, 0);
    expire(m, op, op->create_ttl, &next);
    allow_told(nexts, op, &next);
}

/* ---- the rest ---------------------------------------------------------------------- */

/* What md leaves of an item that it does not delete. */
static void
worsen(const struct model *m, const struct op *op, struct state *s, struct nexts *nexts)
{
    if (op->asks & ASK_EMPTY) {
        s->value = (struct value){ 0 };
        s->flags = op->flags;
        s->stale = s->leased = false;
        expire(m, op, 0, s);
    }
    if (op->asks & ASK_INVALIDATE) {
        s->stale = true;
        s->leased = false;
    }
    if (op->asks & (ASK_INVALIDATE | ASK_CHOOSE) && !cas_renew(s, op))
        return;
    if (op->asks & ASK_TOUCH)
        expire(m, op, op->ttl, s);
    allow(nexts, s);
}

static void
delete_present(const struct model *m, const struct op *op, enum op_outcome outcome,
               const struct state *s, struct nexts *nexts)
{
    struct state next = *s, none = gone(s);
    bool         compares = op->asks & ASK_COMPARE;

    if (outcome == OUT_NO_MEMORY ||
        (outcome == OUT_EXISTS && compares && cas_may_differ(s, op->cas)))
        allow(nexts, s);
    if (outcome != OUT_OK || (compares && !cas_may_be(s, op->cas)))
        return;
    if (compares) {
        cas_learn(&next, op->cas);
        none.cas = op->cas;
    }
    if (op->asks & (ASK_EMPTY | ASK_INVALIDATE))
        worsen(m, op, &next, nexts);
    else
        allow(nexts, &none);
}

static void
touch_present(const struct model *m, const struct op *op, enum op_outcome outcome,
              const struct state *s, struct nexts *nexts)
{
    struct state next = *s;

    if (outcome != OUT_OK)
        return;
    expire(m, op, op->ttl, &next);
    allow(nexts, &next);
}

static void
miss_absent(const struct model *m, const struct op *op, enum op_outcome outcome,
            const struct state *s, struct nexts *nexts)
{
    (void)m;
    (void)op;
    if (outcome == OUT_MISS)
        allow(nexts, s);
}

static void
flush_any(const struct model *m, const struct op *op, enum op_outcome outcome,
          const struct state *s, struct nexts *nexts)
{
    struct state none = gone(s);

    (void)m;
    (void)op;
    if (outcome == OUT_OK)
        allow(nexts, &none);
}

/* ---- all --------------------------------------------------------------------------- */

typedef void apply(const struct model *m, const struct op *op, enum op_outcome outcome,
                   const struct state *s, struct nexts *nexts);

static const struct {
    apply *present, *absent;
} steps[] = {
    [OP_READ] = { read_present, read_absent },
    [OP_STORE] = { store_present, store_absent },
    [OP_DELETE] = { delete_present, miss_absent },
    [OP_COUNT] = { count_present, count_absent },
    [OP_TOUCH] = { touch_present, miss_absent },
    [OP_FLUSH] = { flush_any, flush_any },
};

/* From a state that is what it seems to be. */
static void
apply_outcomes(const struct model *m, const struct op *op, const struct state *s,
               struct nexts *nexts)
{
    apply *step = s->present ? steps[op->kind].present : steps[op->kind].absent;

    if (op->outcome != OUT_ANY) {
        step(m, op, op->outcome, s, nexts);
        return;
    }
    for (int outcome = OUT_OK; outcome < OUT_ANY; outcome++) {
        if (outcome != OUT_NO_MEMORY || m->scarce)
            step(m, op, (enum op_outcome)outcome, s, nexts);
    }
}

void
model_apply(const struct model *m, const struct op *op, const struct state *s,
            struct nexts *nexts)
{
    struct state none = gone(s);

    nexts->count = 0;
    if (s->present && op->invoked <= s->dies_by)
        apply_outcomes(m, op, s, nexts);
    if (!s->present || m->vanishes || s->lives_until <= op->returned)
        apply_outcomes(m, op, &none, nexts);
}

bool
model_observes(const struct op *op)
{
    switch ((enum op_outcome)op->outcome) {
    case OUT_OK:
        return op->kind == OP_READ && !(op->asks & ASK_TOUCH) && !(op->tells & TELL_WON);
    case OUT_MISS:
    case OUT_EXISTS:
    case OUT_NOT_STORED:
    case OUT_NOT_NUMERIC:
        return true;
    case OUT_NO_MEMORY:
    case OUT_ANY:
        return false;
    }
    return false;
}
