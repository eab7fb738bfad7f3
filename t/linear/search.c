/* t/linear/search.c - follows all orders at once. */
#include "t/linear/search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "t/linear/memory.h"

struct event {
    uint64_t         time;
    const struct op *op;
    bool             returns;
};

struct search {
    const struct model  *model;
    struct configs       now, next, base;
    const struct op     *pending[SEARCH_PENDING_MAX];
    uint32_t             busy, observers; /* bits of `pending`                      */
    uint32_t             alone;           /* those that no other one has met        */
    struct event        *events;
    size_t               events_room;
    struct search_counts counts;
};

struct search *
search_create(const struct model *model)
{
    struct search *s = memory_resize(NULL, 1, sizeof(*s));

    *s = (struct search){ .model = model };
    return s;
}

void
search_destroy(struct search **search)
{
    struct search *s = *search;

    configs_free(&s->now);
    configs_free(&s->next);
    configs_free(&s->base);
    free(s->events);
    free(s);
    *search = NULL;
}

const struct search_counts *
search_counts(const struct search *s)
{
    return &s->counts;
}

/* ---- what is possible between rounds ----------------------------------------------- */

struct possible
possible_fresh(void)
{
    struct possible p = { memory_resize(NULL, 1, sizeof(*p.at)), 1 };

    p.at[0] = (struct state){ 0 };
    return p;
}

void
possible_free(struct possible *p)
{
    free(p->at);
    *p = (struct possible){ 0 };
}

static void
possible_take(struct possible *p, const struct configs *set)
{
    p->at = memory_resize(p->at, set->count, sizeof(*p->at));
    p->count = set->count;
    for (size_t i = 0; i < set->count; i++)
        p->at[i] = set->at[i].state;
}

static void
possible_give(const struct possible *p, struct configs *set)
{
    configs_clear(set);
    for (size_t i = 0; i < p->count; i++)
        configs_add(set, &(struct config){ .state = p->at[i] }, 0);
}

/* ---- orders ------------------------------------------------------------------------ */

/* Lets all observers under way take place that see this very state; true if one did. */
static bool
settle(const struct search *s, struct config *c)
{
    uint32_t     before = c->done, left = s->observers & ~before;
    struct nexts nexts;

    for (; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);

        model_apply(s->model, s->pending[i], &c->state, &nexts);
        if (nexts.count > 0 && memcmp(&nexts.at[0], &c->state, sizeof(c->state)) == 0)
            c->done |= UINT32_C(1) << i;
    }
    return c->done != before;
}

/* Follows the orders in which one more operation under way takes place. */
static void
branch(struct search *s, size_t from)
{
    uint32_t     left = s->busy & ~s->now.at[from].done;
    struct nexts nexts;

    for (; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);

        model_apply(s->model, s->pending[i], &s->now.at[from].state, &nexts);
        for (unsigned n = 0; n < nexts.count; n++) {
            struct config c = { .state = nexts.at[n],
                                .done = s->now.at[from].done | UINT32_C(1) << i };

            settle(s, &c);
            configs_add(&s->now, &c, from + 1);
        }
    }
}

/* Leaves only the orders in which the operation of this bit has taken place. */
static bool
require(struct search *s, uint32_t bit)
{
    struct configs old;

    configs_clear(&s->next);
    for (size_t i = 0; i < s->now.count && s->now.count < SEARCH_CONFIGS_MAX; i++) {
        struct config c = s->now.at[i];

        if (c.done & bit) {
            c.done &= ~bit;
            configs_add(&s->next, &c, 0);
        } else {
            branch(s, i);
        }
    }
    if (s->now.count > s->counts.configs_most)
        s->counts.configs_most = s->now.count;
    if (s->next.count == 0 || s->now.count >= SEARCH_CONFIGS_MAX)
        return false;
    old = s->now;
    s->now = s->next;
    s->next = old;
    return true;
}

/* ---- events ------------------------------------------------------------------------ */

/* At the same time, what begins comes first: then the two overlap. */
static int
compare_events(const void *left, const void *right)
{
    const struct event *a = left, *b = right;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->returns - b->returns;
}

static size_t
sort_events(struct search *s, const struct op *const *ops, size_t count)
{
    if (count * 2 > s->events_room) {
        s->events_room = count * 2;
        s->events = memory_resize(s->events, s->events_room, sizeof(*s->events));
    }
    for (size_t i = 0; i < count; i++) {
        s->events[2 * i] = (struct event){ ops[i]->invoked, ops[i], false };
        s->events[2 * i + 1] = (struct event){ ops[i]->returned, ops[i], true };
    }
    qsort(s->events, count * 2, sizeof(*s->events), compare_events);
    return count * 2;
}

/* An observer has come to those under way. */
static void
observe(struct search *s)
{
    bool changed = false;

    for (size_t i = 0; i < s->now.count; i++)
        changed |= settle(s, &s->now.at[i]);
    if (changed)
        configs_changed(&s->now);
}

static void
begin(struct search *s, const struct op *op)
{
    uint32_t bit;
    int      i = __builtin_ctz(~s->busy);

    assert(s->busy != UINT32_MAX);
    bit = UINT32_C(1) << i;
    s->pending[i] = op;
    s->alone = s->busy == 0 ? bit : 0;
    s->busy |= bit;
    if (model_observes(op)) {
        s->observers |= bit;
        observe(s);
    }
    if ((unsigned)__builtin_popcount(s->busy) > s->counts.pending_most)
        s->counts.pending_most = (unsigned)__builtin_popcount(s->busy);
}

static uint32_t
pending_bit(const struct search *s, const struct op *op)
{
    uint32_t left = s->busy;

    while (s->pending[__builtin_ctz(left)] != op)
        left &= left - 1;
    return left & -left;
}

/* Was an item there that is not there any more, though nobody said that it should go? */
static bool
sees_vanish(const struct search *s, const struct op *op)
{
    return op->outcome == OUT_MISS && s->now.count == 1 && s->now.at[0].state.present;
}

static bool
end(struct search *s, const struct op *op)
{
    uint32_t bit = pending_bit(s, op);
    bool     vanish = sees_vanish(s, op), possible = require(s, bit);

    if (op->kind != OP_FLUSH) { /* which is one for each key */
        s->counts.ops++;
        s->counts.overlapped += !(s->alone & bit);
    }
    s->counts.vanished += vanish && possible;
    s->busy &= ~bit;
    s->observers &= ~bit;
    s->alone &= ~bit;
    return possible;
}

/* Nothing is under way: what follows can be told without what was before. */
static void
cut(struct search *s, struct search_end *found, uint64_t time)
{
    found->cut = time;
    configs_copy(&s->base, &s->now);
}

static enum search_verdict
step(struct search *s, const struct event *e)
{
    if (!e->returns) {
        begin(s, e->op);
        return SEARCH_OK;
    }
    if (!end(s, e->op))
        return s->now.count < SEARCH_CONFIGS_MAX ? SEARCH_VIOLATION : SEARCH_GAVE_UP;
    return SEARCH_OK;
}

struct search_end
search_run(struct search *s, const struct possible *from, const struct op *const *ops,
           size_t count, uint64_t until, struct possible *p)
{
    struct search_end found = { .base = &s->base, .before = &s->now };
    size_t            nevents = sort_events(s, ops, count);

    s->busy = s->observers = s->alone = 0;
    possible_give(from, &s->now);
    cut(s, &found, 0);
    for (size_t i = 0; i < nevents && s->events[i].time <= until; i++) {
        found.op = s->events[i].op;
        found.verdict = step(s, &s->events[i]);
        if (found.verdict != SEARCH_OK)
            return found;
        if (s->busy == 0)
            cut(s, &found, s->events[i].time);
    }
    if (p != NULL && s->busy == 0)
        possible_take(p, &s->now);
    return found;
}
