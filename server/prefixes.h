/* server/prefixes.h - what the prefixes of keys are used for: `stats detail`.
 *
 * A prefix is what stands before the first delimiter of a key (-D, a colon by default).
 * Off unless somebody wants it, for all workers share one lock here.
 */
#ifndef LARDER_SERVER_PREFIXES_H
#define LARDER_SERVER_PREFIXES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/request.h"
#include "slabs/lock.h"
#include "slabs/span.h"

struct prefix;

struct prefixes {
    char         delimiter; /* frozen */
    _Atomic bool counts;
    _Atomic uint64_t
                   rejected; /* commands that were not counted: their prefix was new, and
                                  there were too many */
    struct lock    lock;     /* RANK_LEAF; guards the rest */
    struct prefix *list[1024]; /* by a hash of the prefix    */
    size_t         count;
};

void prefixes_init(struct prefixes *prefixes, char delimiter, bool counts);
void prefixes_fini(struct prefixes *prefixes);
/* Count a get, a store or a delete of a key. Any thread. */
void prefixes_count(struct prefixes *prefixes, struct span key, enum operation what,
                    bool hit);
/* Forget all. */
void prefixes_reset(struct prefixes *prefixes);
/* A line for each: to be freed, NULL when out of memory. */
char *prefixes_show(struct prefixes *prefixes, size_t *length);

#endif
