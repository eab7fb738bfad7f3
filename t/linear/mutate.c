/* t/linear/mutate.c - falsifies histories.
 *
 * Not each falsehood can be found: an item that was added twice may have vanished between,
 * an old value that two concurrent writers leave is as good as the other. So each kind has
 * a share that must be found at the least. What nothing can explain has nearly a hundred:
 * of an operation that is under way when the history ends not everything is known.
 */
#include "t/linear/mutate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/linear/memory.h"
#include "t/linear/search.h"
#include "t/stress/dice.h"

enum {
    OPS_MAX = 600, /* of a history that is falsified                            */
    OPS_LEAST = 50,
    TRIES = 12, /* a kind and a history                                      */
};

/* Falsifies one of the first half; false if there was nothing to be falsified. */
typedef bool mutation(struct dice *dice, struct op *ops, size_t count);

struct mutations {
    const struct model *model;
    struct dice         dice;
    struct {
        unsigned tried, found;
    } kinds[16];
};

/* Some operation of the first half for which `is` says so, from a random one on; NULL if
 * there is none. It was over before the last one began: what is not known of later ones
 * cannot explain it. */
static struct op *
pick(struct dice *dice, struct op *ops, size_t count, bool (*is)(const struct op *op))
{
    size_t half = count / 2, from = dice_below(dice, half);

    for (size_t i = 0; i < half; i++) {
        struct op *op = &ops[(from + i) % half];

        if (is(op) && op->returned < ops[count - 1].invoked)
            return op;
    }
    return NULL;
}

static bool
is_hit(const struct op *op)
{
    return op->kind == OP_READ && op->outcome == OUT_OK && op->tells & TELL_VALUE &&
           op->got.length > 0 && !(op->tells & (TELL_WON | TELL_LEASED | TELL_STALE));
}

static bool
is_hit_with_id(const struct op *op)
{
    return is_hit(op) && op->tells & TELL_CAS;
}

/* A hit whose value is another one, and which was over before or began after. */
static struct op *
pick_other(struct dice *dice, struct op *ops, size_t count, const struct op *than,
           bool before)
{
    size_t from = dice_below(dice, count);

    for (size_t i = 0; i < count; i++) {
        struct op *op = &ops[(from + i) % count];

        if (is_hit_with_id(op) && op->got_cas != than->got_cas &&
            !value_equal(&op->got, &than->got) &&
            (before ? op->returned < than->invoked : op->invoked > than->returned))
            return op;
    }
    return NULL;
}

static bool
two_replies_change_places(struct dice *dice, struct op *ops, size_t count)
{
    struct op *a = pick(dice, ops, count, is_hit_with_id);
    struct op *b = a != NULL ? pick_other(dice, ops, count, a, false) : NULL;
    struct op  first;

    if (b == NULL)
        return false;
    first = *a;
    a->got = b->got;
    a->got_cas = b->got_cas;
    b->got = first.got;
    b->got_cas = first.got_cas;
    return true;
}

static bool
an_old_value_is_read(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_hit_with_id);
    struct op *old = op != NULL ? pick_other(dice, ops, count, op, true) : NULL;

    if (old == NULL)
        return false;
    op->got = old->got;
    op->tells &= (uint8_t)~TELL_CAS;
    return true;
}

static bool
an_id_comes_back(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_hit_with_id);
    struct op *old = op != NULL ? pick_other(dice, ops, count, op, true) : NULL;

    if (old == NULL)
        return false;
    op->got_cas = old->got_cas;
    return true;
}

static bool
a_value_is_damaged(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_hit);

    if (op != NULL)
        op->got.hash ^= 1;
    return op != NULL;
}

static bool
tells_flags(const struct op *op)
{
    return op->outcome == OUT_OK && op->tells & TELL_FLAGS;
}

static bool
flags_change(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, tells_flags);

    if (op != NULL)
        op->got_flags ^= 1;
    return op != NULL;
}

static bool
is_counted(const struct op *op)
{
    return op->kind == OP_COUNT && op->outcome == OUT_OK && op->tells & TELL_VALUE &&
           op->delta > 0 && !(op->asks & (ASK_SUBTRACT | ASK_CREATE));
}

static bool
an_increment_is_lost(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_counted);

    if (op != NULL)
        op->got = value_count(op->got.number - op->delta, 0);
    return op != NULL;
}

static bool
is_lost_cas(const struct op *op)
{
    return op->kind == OP_STORE && op->asks & ASK_COMPARE && op->outcome == OUT_EXISTS;
}

static bool
a_lost_cas_wins(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_lost_cas);

    if (op != NULL)
        op->outcome = OUT_OK;
    return op != NULL;
}

static bool
is_lost_add(const struct op *op)
{
    return op->kind == OP_STORE && op->mode == MODE_ADD && op->outcome == OUT_NOT_STORED;
}

static bool
two_adds_win(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_lost_add);

    if (op != NULL)
        op->outcome = OUT_OK;
    return op != NULL;
}

static bool
is_set(const struct op *op)
{
    return op->kind == OP_STORE && op->mode == MODE_SET && op->outcome == OUT_OK;
}

/* Takes a set out of the history whose value somebody has read. */
static bool
a_value_comes_from_nowhere(struct dice *dice, struct op *ops, size_t count)
{
    struct op *set = pick(dice, ops, count, is_set);

    for (size_t i = 0; set != NULL && i < count; i++) {
        if (is_hit(&ops[i]) && value_equal(&ops[i].got, &set->value)) {
            *set = ops[i];
            return true;
        }
    }
    return false;
}

static bool
is_token(const struct op *op)
{
    return op->tells & TELL_LEASED;
}

static bool
two_readers_win(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_token);

    if (op != NULL)
        op->tells ^= TELL_LEASED | TELL_WON;
    return op != NULL;
}

static bool
is_gone(const struct op *op)
{
    return op->kind == OP_READ && op->outcome == OUT_MISS && !(op->asks & ASK_TOUCH);
}

/* What somebody read before is read again after it was gone. */
static bool
an_item_comes_back(struct dice *dice, struct op *ops, size_t count)
{
    struct op *op = pick(dice, ops, count, is_gone), *last = NULL;

    for (size_t i = 0; op != NULL && i < count; i++) {
        if (is_hit_with_id(&ops[i]) && ops[i].returned < op->invoked &&
            (last == NULL || ops[i].returned > last->returned))
            last = &ops[i];
    }
    if (last == NULL)
        return false;
    op->outcome = OUT_OK;
    op->tells = last->tells;
    op->asks &= (uint16_t)~ASK_META;
    op->got = last->got;
    op->got_flags = last->got_flags;
    op->got_cas = last->got_cas;
    return true;
}

static const struct {
    const char *name;
    mutation   *mutate;
    unsigned    least; /* percent that must be found */
} kinds[] = {
    { "two replies change places", two_replies_change_places, 97 },
    { "an old value is read", an_old_value_is_read, 90 },
    { "a CAS id comes back", an_id_comes_back, 97 },
    { "a value is damaged", a_value_is_damaged, 97 },
    { "flags change", flags_change, 97 },
    { "an increment is lost", an_increment_is_lost, 80 },
    { "a lost cas wins", a_lost_cas_wins, 60 },
    { "two adds win", two_adds_win, 30 },
    { "a value comes from nowhere", a_value_comes_from_nowhere, 90 },
    { "two readers win", two_readers_win, 60 },
    { "an item comes back", an_item_comes_back, 50 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct mutations *
mutations_create(const struct model *model, uint64_t seed)
{
    struct mutations *m = memory_resize(NULL, 1, sizeof(*m));

    *m = (struct mutations){ .model = model, .dice = { mix(seed + 3) } };
    return m;
}

/* The first operations by time, copied. */
static size_t
take_first(const struct op *const *ops, size_t count, struct op *first)
{
    const struct op **sorted = memory_resize(NULL, count, sizeof(*sorted));
    size_t            taken = count < OPS_MAX ? count : OPS_MAX;

    memcpy(sorted, ops, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), op_compare);
    for (size_t i = 0; i < taken; i++)
        first[i] = *sorted[i];
    free(sorted);
    return taken;
}

static bool
is_found(struct search *search, const struct op *ops, size_t count, uint64_t until)
{
    const struct op *pointers[OPS_MAX];
    struct possible  fresh = possible_fresh();
    bool             found;

    for (size_t i = 0; i < count; i++)
        pointers[i] = &ops[i];
    found = search_run(search, &fresh, pointers, count, until, NULL).verdict ==
            SEARCH_VIOLATION;
    possible_free(&fresh);
    return found;
}

void
mutations_try(struct mutations *m, const struct op *const *ops, size_t count)
{
    struct op     *first, *false_ones;
    struct search *search = search_create(m->model);
    size_t         taken;

    first = memory_resize(NULL, OPS_MAX, sizeof(*first));
    false_ones = memory_resize(NULL, OPS_MAX, sizeof(*false_ones));
    taken = take_first(ops, count, first);
    for (unsigned i = 0; i < KINDS * TRIES && taken >= OPS_LEAST; i++) {
        unsigned kind = i % KINDS;

        memcpy(false_ones, first, taken * sizeof(*first));
        if (!kinds[kind].mutate(&m->dice, false_ones, taken))
            continue;
        m->kinds[kind].tried++;
        /* What begins later than the last one taken is not known. */
        m->kinds[kind].found +=
            is_found(search, false_ones, taken, first[taken - 1].invoked);
    }
    free(first);
    free(false_ones);
    search_destroy(&search);
}

unsigned
mutations_finish(struct mutations **mutations)
{
    struct mutations *m = *mutations;
    unsigned          few = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        unsigned tried = m->kinds[i].tried, found = m->kinds[i].found;
        bool     enough = tried > 0 && found * 100 >= tried * kinds[i].least;

        printf("%s - falsified: %s: %u of %u found\n", enough ? "ok" : "not ok",
               kinds[i].name, found, tried);
        few += !enough;
    }
    free(m);
    *mutations = NULL;
    return few;
}
