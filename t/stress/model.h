/* t/stress/model.h - what replies mean for the keys, and whether that can be.
 *
 * All replies of a connection come here in order, silent requests once a later one was
 * answered. So what is known of an owned key or a counter is exact at each of these calls.
 */
#ifndef LARDER_T_STRESS_MODEL_H
#define LARDER_T_STRESS_MODEL_H

#include "t/stress/world.h"

/* One VALUE of a reply. */
struct hit {
    const char *data;
    size_t      length;
    uint32_t    flags;
    uint64_t    cas; /* gets and gats */
};

/* The request is answered, or known to be done without an answer. */
void request_settle(struct client *c, struct request *r, enum outcome o, uint64_t number);

/* One key of a retrieval was there: its value must be one that can be. */
void wanted_hit(struct client *c, const struct request *r, const struct wanted *q,
                const struct hit *h);

/* One key of a retrieval was not there. */
void wanted_missed(struct client *c, const struct request *r, const struct wanted *q);

/* What this key's pending writes did will never be known, nor when they happen: the key goes
 * on under another name. */
void key_retire(struct client *c, struct key key);

#endif
