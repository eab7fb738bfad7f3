/* slabs/automove.c - which class should give a page to which. See automove_priv.h. */
#include "slabs/automove_priv.h"

static const double ADDED_SHARE = 0.1; /* of what is stored, to what is evicted        */
static const double EVICTED_PRIOR =
    100;                               /* evictions that the chance of all counts for  */
static const double EVICTED_LEAST = 2; /* that one must have seen to give a page for it */
static const double FREE_PAGES = 2.5;  /* that a class may have                         */

enum { EARLY_MOST = 16 }; /* evictions at a time */

/* ---- what it is worth ------------------------------------------------------------ */

/* What one page is worth where there are so many. */
static double
worth(const struct automove *automove, unsigned size_class, double pages)
{
    const struct automove_state *state = &automove->of_class[size_class];
    double chance = (state->returned + EVICTED_PRIOR * automove->chance) /
                    (state->evicted + EVICTED_PRIOR);

    return (state->evicted + ADDED_SHARE * state->added) * chance / pages;
}

static double
gain(const struct automove *automove, const struct automove_class *classes, unsigned to)
{
    return worth(automove, to, classes[to].pages + 0.5);
}

/* Chunks that are free because an item has gone for the next one, which fills them again. */
static double
between_items(const struct automove *automove, unsigned size_class)
{
    const struct automove_state *state = &automove->of_class[size_class];

    return state->added > 0 ? state->filled / state->added - 1 : 0;
}

static bool
has_free_page(const struct automove *automove, const struct automove_class *classes,
              unsigned size_class)
{
    const struct automove_class *class = &classes[size_class];

    return class->free >=
           class->a_page + class->a_page / 2 + between_items(automove, size_class);
}

static double
loss(const struct automove *automove, const struct automove_class *classes, unsigned from)
{
    return has_free_page(automove, classes, from)
               ? 0
               : worth(automove, from, classes[from].pages - 0.5);
}

/* ---- looking --------------------------------------------------------------------- */

/* What was evicted without anything being stored has made room for a page to leave, and is
 * no sign of want; but a few are evicted before they are needed. */
static void
look_at(struct automove_state *state, const struct automove_class *class)
{
    uint32_t added = class->added - state->added_last;
    uint32_t evicted = class->evicted - state->evicted_last + state->evicted_early;
    uint32_t counted = evicted < added ? evicted : added;

    state->evicted_early =
        evicted - counted < EARLY_MOST ? evicted - counted : EARLY_MOST;
    state->added += added;
    state->filled += class->filled - state->filled_last;
    state->evicted += counted;
    state->returned += class->returned - state->returned_last;
    state->added_last = class->added;
    state->filled_last = class->filled;
    state->evicted_last = class->evicted;
    state->returned_last = class->returned;
}

bool
automove_look(struct automove *automove, const struct automove_class *classes,
              unsigned count)
{
    double   evicted = 0, returned = 0, stored = 0;
    uint32_t pages = 0;
    bool     busy = false;

    for (unsigned i = 1; i <= count; i++) {
        struct automove_state *state = &automove->of_class[i];

        busy |= classes[i].evicted != state->evicted_last;
        look_at(state, &classes[i]);
        evicted += state->evicted;
        returned += state->returned;
        stored += state->filled / classes[i].a_page;
        pages += classes[i].pages;
    }
    busy |= pages != automove->pages;
    automove->pages = pages;
    automove->chance = (returned + 1) / (evicted + 1);
    /* When twice as much as there is has been stored, that is enough to know. */
    for (unsigned i = 1; i <= count && stored > 2 * pages; i++) {
        automove->of_class[i].added /= 2;
        automove->of_class[i].filled /= 2;
        automove->of_class[i].evicted /= 2;
        automove->of_class[i].returned /= 2;
    }
    return busy;
}

/* ---- deciding -------------------------------------------------------------------- */

static unsigned
hungriest(const struct automove *automove, const struct automove_class *classes,
          unsigned count)
{
    unsigned best = 0;
    double   most = 0;

    for (unsigned i = 1; i <= count; i++) {
        double gained = gain(automove, classes, i);

        if (automove->of_class[i].evicted >= EVICTED_LEAST && gained > most &&
            classes[i].free < classes[i].a_page / 4 + 1 + between_items(automove, i)) {
            best = i;
            most = gained;
        }
    }
    return best;
}

/* May a class of which nothing is known give a page for the other one? */
static bool
is_colder(const struct automove_class *class, const struct automove_class *to)
{
    return (uint64_t)class->idle * to->a_page >=
           (uint64_t)to->evicted_idle * class->a_page;
}

/* Is the first the better one to give? */
static bool
gives_rather(const struct automove *automove, const struct automove_class *classes,
             unsigned one, unsigned other)
{
    double cost = loss(automove, classes, one),
           other_cost = loss(automove, classes, other);
    bool free = has_free_page(automove, classes, one);

    if (cost != other_cost)
        return cost < other_cost;
    if (free != has_free_page(automove, classes, other))
        return free;
    return classes[one].pages > classes[other].pages;
}

/* The class that loses least; `to` is to gain, 0: nobody in particular. */
static unsigned
poorest(const struct automove *automove, const struct automove_class *classes,
        unsigned count, unsigned to)
{
    unsigned best = 0;

    for (unsigned i = 1; i <= count; i++) {
        if (i == to || classes[i].pages <= classes[i].least)
            continue;
        if (to != 0 && loss(automove, classes, i) == 0 &&
            !has_free_page(automove, classes, i) && !is_colder(&classes[i], &classes[to]))
            continue;
        if (best == 0 || gives_rather(automove, classes, i, best))
            best = i;
    }
    return best;
}

bool
automove_decide(const struct automove *automove, const struct automove_class *classes,
                unsigned count, const struct automove_how *how, unsigned *from,
                unsigned *to)
{
    *to = hungriest(automove, classes, count);
    *from = *to != 0 ? poorest(automove, classes, count, *to) : 0;
    return *from != 0 && loss(automove, classes, *from) <
                             (how->eager ? 1 : how->ratio) * gain(automove, classes, *to);
}

unsigned
automove_spare(const struct automove *automove, const struct automove_class *classes,
               unsigned count)
{
    unsigned best = 0;
    double   most = 0;

    for (unsigned i = 1; i <= count; i++) {
        const struct automove_class *class = &classes[i];
        double                       pages = (double)class->free / class->a_page;

        if (class->pages > class->least && pages > most &&
            class->free > FREE_PAGES * class->a_page + between_items(automove, i)) {
            best = i;
            most = pages;
        }
    }
    return best;
}

unsigned
automove_give(const struct automove *automove, const struct automove_class *classes,
              unsigned count)
{
    return poorest(automove, classes, count, 0);
}
