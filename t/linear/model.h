/* t/linear/model.h - what one item may do: the sequential cache that histories are held to.
 *
 * A state is what is known of one key at one moment: nothing, or a value with its flags,
 * expiry, CAS id and the marks of the meta commands. model_apply() tells what an operation
 * with THIS answer makes of it, if it can have had this answer at all. An item may vanish
 * before any operation, if the model says so; nothing but a store ever brings one.
 *
 * CAS ids of one key that the server draws only grow. So an id that nobody has seen yet is
 * known to be above the last one that somebody saw, and an id that was seen never comes back
 * with other contents. An id that a client chooses may be any; but here none chooses one that
 * the server has not gone past when it draws the next.
 */
#ifndef LARDER_T_LINEAR_MODEL_H
#define LARDER_T_LINEAR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "t/linear/op.h"
#include "t/linear/value.h"

#define NEVER UINT64_MAX

struct model {
    bool vanishes; /* items are evicted; otherwise they go only when their time is up */
    bool scarce;   /* memory may be so short that what is answered hides it           */
    bool old_counters; /* incr and decr as in memcached 1.6.18: see model.c           */
    uint32_t item_max; /* bytes of a value that no item can hold (-I)                 */
    uint64_t early_ns; /* an item may end so long before its TTL is over              */
    uint64_t late_ns;  /* and may be there so long after                              */
};

/* Without padding, and zero where nothing is said: compared as memory. */
struct state {
    struct value value;
    uint64_t lives_until; /* it does not end by itself before                        */
    uint64_t dies_by;     /* it is surely gone after; NEVER: it has no expiry        */
    uint32_t flags;
    bool     present;
    bool     cas_known;
    bool     stale;  /* I: readers are told X                                        */
    bool     leased; /* W was given: readers are told Z                              */
    uint64_t cas;    /* if known; otherwise the id is, or the next one will be, above */
};

_Static_assert(sizeof(struct state) == 80, "a state has no padding");

enum { NEXT_STATES = 16 };

struct nexts {
    unsigned     count;
    struct state at[NEXT_STATES];
};

/* All states that the operation may leave `s` in. None: it cannot have happened there. */
void model_apply(const struct model *m, const struct op *op, const struct state *s,
                 struct nexts *nexts);

/* Nothing that it was answered tells of a change. */
bool model_observes(const struct op *op);

#endif
