/* t/linear/search.h - is there an order in which one key's operations make sense?
 *
 * The answers are gone through by the time when they came. All orders that can still be
 * right are followed at once, as a set of configurations; an operation is put into an order
 * only when its answer is due, with those before it that can have made it possible (Lowe,
 * "Testing for linearizability", calls it just-in-time). Where no order is left, there is a
 * violation, found at the first answer that shows it.
 *
 * What only observes takes place as soon as it can, which loses nothing: whatever is
 * possible afterwards was possible before. So the set grows with concurrent changes alone,
 * and the time is near linear in the number of operations.
 */
#ifndef LARDER_T_LINEAR_SEARCH_H
#define LARDER_T_LINEAR_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "t/linear/configs.h"
#include "t/linear/model.h"
#include "t/linear/op.h"

enum {
    SEARCH_PENDING_MAX = 32,      /* operations under way on one key at a time      */
    SEARCH_CONFIGS_MAX = 1 << 20, /* then the search gives up                      */
};

/* What a key may be while nothing is under way; carried from one round to the next. */
struct possible {
    struct state *at;
    size_t        count;
};

struct search_counts {
    uint64_t ops, overlapped; /* those with another one under way at some time      */
    uint64_t vanished;        /* items that were there and, for sure, were dropped  */
    size_t   configs_most;
    unsigned pending_most;
};

enum search_verdict { SEARCH_OK, SEARCH_VIOLATION, SEARCH_GAVE_UP };

/* Where a search ended. `before` and `base` belong to the search. */
struct search_end {
    enum search_verdict   verdict;
    const struct op      *op;   /* whose answer no order explains                      */
    uint64_t              cut;  /* the last time when nothing was under way            */
    const struct configs *base; /* what was possible then                          */
    const struct configs *before; /* and just before that answer                     */
};

struct search; /* memory to search with, and sums of what was searched */

struct search *search_create(const struct model *model);
void           search_destroy(struct search **search);

/* Goes through one key's operations, in any order, up to the answers of time `until`, and
 * brings `p` up to date if they are all in order and it is not NULL. */
struct search_end search_run(struct search *s, const struct possible *from,
                             const struct op *const *ops, size_t count, uint64_t until,
                             struct possible *p);

const struct search_counts *search_counts(const struct search *s);

/* Of a key that was never used: nothing is there, no id was seen. */
struct possible possible_fresh(void);
void            possible_free(struct possible *p);

#endif
