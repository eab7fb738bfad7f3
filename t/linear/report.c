/* t/linear/report.c - cuts a violation down and prints it.
 *
 * The window begins where nothing was under way for the last time. Of what it holds,
 * operations that only observe are left out as long as it stays a violation: they forbid
 * things, and never make any possible. A change is never left out, for without it the rest
 * may be wrong for another reason.
 */
#include "t/linear/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "t/linear/history.h"
#include "t/linear/memory.h"

enum { STATES_SHOWN = 6, WINDOW_MAX = 2000 };

struct window {
    struct search    *search;
    struct possible   from;
    const struct op **ops;
    size_t            count;
    uint64_t          until;
};

static struct search_end
window_run(const struct window *w)
{
    return search_run(w->search, &w->from, w->ops, w->count, w->until, NULL);
}

static void
window_fill(struct window *w, const struct search_end *found, const struct op *const *ops,
            size_t count)
{
    w->ops = memory_resize(NULL, count, sizeof(*w->ops));
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->invoked > found->cut && ops[i]->invoked <= w->until)
            w->ops[w->count++] = ops[i];
    }
    w->from.at = memory_resize(NULL, found->base->count, sizeof(*w->from.at));
    for (; w->from.count < found->base->count; w->from.count++)
        w->from.at[w->from.count] = found->base->at[w->from.count].state;
}

static void
window_remove(struct window *w, size_t i)
{
    w->count--;
    for (; i < w->count; i++)
        w->ops[i] = w->ops[i + 1];
}

static void
window_insert(struct window *w, size_t i, const struct op *op)
{
    for (size_t n = w->count; n > i; n--)
        w->ops[n] = w->ops[n - 1];
    w->ops[i] = op;
    w->count++;
}

static void
window_shrink(struct window *w)
{
    for (size_t i = w->count; i-- > 0 && w->count <= WINDOW_MAX;) {
        const struct op *op = w->ops[i];

        if (!model_observes(op))
            continue;
        window_remove(w, i);
        if (window_run(w).verdict != SEARCH_VIOLATION)
            window_insert(w, i, op);
    }
}

static void
print_states(FILE *to, const struct configs *set, uint64_t origin)
{
    for (size_t i = 0; i < set->count && i < STATES_SHOWN; i++) {
        fputs("#     ", to);
        history_print_state(to, &set->at[i].state, origin);
    }
    if (set->count > STATES_SHOWN)
        fprintf(to, "#     and %zu more\n", set->count - STATES_SHOWN);
}

static void
window_print(FILE *to, struct window *w)
{
    struct search_end found = window_run(w);
    uint64_t          origin;

    qsort(w->ops, w->count, sizeof(*w->ops), op_compare);
    origin = w->count > 0 ? w->ops[0]->invoked : 0;
    fputs("# before, with nothing under way, there was one of\n", to);
    print_states(to, found.base, origin);
    for (size_t i = 0; i < w->count; i++) {
        fputs(w->ops[i] == found.op ? "    " : "  ", to);
        history_print_op(to, w->ops[i], origin);
    }
    fputs("# no order explains the answer that is indented; when it came there was one "
          "of\n",
          to);
    print_states(to, found.before, origin);
}

void
report_violation(FILE *to, struct search *s, const struct search_end *found,
                 const struct op *const *ops, size_t count)
{
    struct window w = { .search = s, .until = found->op->returned };

    if (found->verdict == SEARCH_GAVE_UP)
        fputs("# too many orders to follow: this is no violation, but no proof either\n",
              to);
    window_fill(&w, found, ops, count);
    if (found->verdict == SEARCH_VIOLATION)
        window_shrink(&w);
    window_print(to, &w);
    free(w.ops);
    possible_free(&w.from);
}
