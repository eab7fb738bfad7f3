/* slabs/automove.c - which class should give a page to which. See automove_priv.h. */
#include "slabs/automove_priv.h"

/* How sure one has to be. */
static const double SAMPLES_LEAST = 4;  /* of what is to gain                          */
static const double DEVIATIONS = 2;     /* by which gain is above loss                 */
static const double SAMPLES_MOST = 256; /* then all counts half: so much is enough   */
static const double FLOW_PAGES = 4;     /* evictions that are remembered...           */
static const double FLOW_STAYS = 0.95;  /* ...after a look that saw none              */
static const double FLOW_KNOWN = 0.1;   /* pages' worth of them that one can tell from */
static const double FREE_PAGES = 2.5;   /* that a class may have                       */

enum {
    HOLD_LEAST = 16, /* looks */
    HOLD_MOST = 1024,
};

/* ---- what it is worth ------------------------------------------------------------ */

static double
scale(const struct automove_class *class)
{
    return (double)(1u << class->shift);
}

/* Requests that would hit with one page more. */
static double
gain(const struct automove_class *class, const struct automove_state *state)
{
    return state->missed * scale(class);
}

/* How much more the last page is worth than the one that would come next. */
static double
steepness(const struct automove_class *class)
{
    double pages = class->pages;

    return pages > 1 ? (pages + 0.5) / (pages - 0.5) : 3;
}

static double
variance(const struct automove_class *class, const struct automove_state *state)
{
    return state->missed * scale(class) * scale(class);
}

static double
square_root(double x)
{
    double root = x > 1 ? x : 1;

    for (unsigned i = 0; i < 40 && root * root > x * 1.0001; i++)
        root = (root + x / root) / 2;
    return root;
}

/* ---- looking --------------------------------------------------------------------- */

static void
fade(struct automove *automove, unsigned count)
{
    automove->samples /= 2;
    for (unsigned i = 1; i <= count; i++)
        automove->of_class[i].missed /= 2;
}

/* What a class missed when it still evicted is soon of no account. */
static void
note_flow(struct automove_state *state, const struct automove_class *class,
          uint32_t evicted)
{
    double most = FLOW_PAGES * class->a_page;

    state->flow = evicted > 0 ? state->flow + evicted : state->flow * FLOW_STAYS;
    if (state->flow > most)
        state->flow = most;
}

bool
automove_look(struct automove *automove, const struct automove_class *classes,
              unsigned count, bool over)
{
    bool busy = false;

    for (unsigned i = 1; i <= count; i++) {
        struct automove_state *state = &automove->of_class[i];
        uint32_t               hits = classes[i].hits - state->hits;

        busy |= classes[i].evicted != state->evicted;
        state->missed += hits;
        note_flow(state, &classes[i], classes[i].evicted - state->evicted);
        state->hits = classes[i].hits;
        state->evicted = classes[i].evicted;
        automove->samples += hits;
        if (state->held > 0)
            state->held--;
    }
    if (over || automove->samples > SAMPLES_MOST)
        fade(automove, count);
    return busy;
}

/* ---- deciding -------------------------------------------------------------------- */

static bool
has_free_page(const struct automove_class *class)
{
    return class->free >= class->a_page + class->a_page / 2;
}

/* Does it evict so much that what it misses tells what a page is worth to it? */
static bool
is_known(const struct automove_class *class, const struct automove_state *state)
{
    return state->flow >= FLOW_KNOWN * class->a_page;
}

static bool
may_give(const struct automove_class *class, const struct automove_state *state)
{
    return class->pages > class->least && (state->held == 0 || has_free_page(class));
}

/* What a page less would cost. */
static double
loss(const struct automove_class *class, const struct automove_state *state)
{
    if (has_free_page(class) || !is_known(class, state))
        return 0;
    return gain(class, state) * steepness(class);
}

/* Is the first the better one to give? */
static bool
gives_rather(const struct automove_class *class, double cost,
             const struct automove_class *other, double other_cost)
{
    if (cost != other_cost)
        return cost < other_cost;
    if (has_free_page(class) != has_free_page(other))
        return has_free_page(class);
    if (class->idle != other->idle)
        return class->idle > other->idle;
    return class->pages > other->pages;
}

/* The class that loses least; `to` is to gain, 0: nobody in particular. */
static unsigned
poorest(const struct automove *automove, const struct automove_class *classes,
        unsigned count, unsigned to)
{
    unsigned best = 0;
    double   least = 0;

    for (unsigned i = 1; i <= count; i++) {
        const struct automove_state *state = &automove->of_class[i];
        double                       cost = loss(&classes[i], state);

        if (i == to || !may_give(&classes[i], state))
            continue;
        if (to != 0 && !is_known(&classes[i], state) && !has_free_page(&classes[i]) &&
            classes[i].idle < classes[to].evicted_idle)
            continue;
        if (best == 0 || gives_rather(&classes[i], cost, &classes[best], least)) {
            best = i;
            least = cost;
        }
    }
    return best;
}

static unsigned
hungriest(const struct automove *automove, const struct automove_class *classes,
          unsigned count)
{
    unsigned best = 0;
    double   most = 0;

    for (unsigned i = 1; i <= count; i++) {
        double worth = gain(&classes[i], &automove->of_class[i]);

        if (worth > most) {
            best = i;
            most = worth;
        }
    }
    return best;
}

/* A page has left the class. */
static void
note_given(struct automove_state *state, const struct automove_class *class)
{
    double pages = class->pages;

    state->gave = !is_known(class, state) && !has_free_page(class);
    if (pages > 2)
        state->missed *= (pages - 0.5) / (pages - 1.5);
}

static void
note_got(struct automove_state *state)
{
    if (state->gave) {
        state->hold = state->hold == 0 ? HOLD_LEAST : state->hold * 2;
        if (state->hold > HOLD_MOST)
            state->hold = HOLD_MOST;
        state->held = state->hold;
    }
    state->gave = false;
    state->missed /= 2;
}

bool
automove_decide(struct automove *automove, const struct automove_class *classes,
                unsigned count, const struct automove_how *how, unsigned *from,
                unsigned *to)
{
    struct automove_state *states = automove->of_class;
    double                 gained, lost, doubt, ratio = how->eager ? 1 : how->ratio;

    *to = hungriest(automove, classes, count);
    *from = *to != 0 ? poorest(automove, classes, count, *to) : 0;
    if (*from == 0)
        return false;
    gained = gain(&classes[*to], &states[*to]);
    lost = loss(&classes[*from], &states[*from]);
    doubt = square_root(variance(&classes[*to], &states[*to]) +
                        variance(&classes[*from], &states[*from]));
    if (how->eager ? lost >= gained
                   : states[*to].missed < SAMPLES_LEAST ||
                         lost + DEVIATIONS * doubt > ratio * gained)
        return false;
    note_given(&states[*from], &classes[*from]);
    note_got(&states[*to]);
    return true;
}

unsigned
automove_spare(const struct automove_class *classes, unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        if (classes[i].pages > classes[i].least &&
            classes[i].free > FREE_PAGES * classes[i].a_page)
            return i;
    }
    return 0;
}

unsigned
automove_give(struct automove *automove, const struct automove_class *classes,
              unsigned count)
{
    unsigned from = poorest(automove, classes, count, 0);

    if (from != 0)
        note_given(&automove->of_class[from], &classes[from]);
    return from;
}
