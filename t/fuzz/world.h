/* t/fuzz/world.h - a cache and all that a worker has, without a server. */
#ifndef LARDER_T_FUZZ_WORLD_H
#define LARDER_T_FUZZ_WORLD_H

#include "protocol/session.h"
#include "slabs/clock.h"
#include "t/lib/host.h"

struct world {
    struct stub           stub; /* first: see there */
    struct clock          clock;
    struct cache         *cache;
    struct cache_thread  *thread;
    struct host           host;
    struct session_worker worker;
    struct reply         *reply;
    size_t                memory_bytes;
    bool                  tight;
};

/* Worlds that were made alike and did the same answer the same, CAS ids included. In a
 * tight one clients can change the limit of memory. */
struct world *world_create(size_t memory_bytes, bool evicts, bool tight);
void          world_destroy(struct world **world);

/* What clients meet there. */
enum world_terms {
    TERMS_LOGIN = 1 << 0,   /* the user is u, the password p           */
    TERMS_WATCHED = 1 << 1, /* watchers are told of all that happens   */
    TERMS_DUMPS = 1 << 2,   /* keys may be listed, which takes long    */
    TERMS = 3,
};

void world_set_terms(struct world *world, unsigned terms);

/* Make it as good as new: all items are flushed, and the clock is put back. */
void world_reset(struct world *world);
/* Let seconds pass, or take them back. */
void world_shift(struct world *world, int32_t seconds);
/* cache_check(), while no client is connected. */
void world_check(struct world *world);

#endif
