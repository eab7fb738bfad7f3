/* server/mover.h - the upkeep thread's duty to move memory between size classes.
 *
 * It does what `slabs reassign` asks for, gives memory back when `cache_memlimit` has lowered
 * the limit, and on its own (`slabs automove`) takes pages from classes that lose little by
 * it to those that gain. The engine does all of that in steps (slabs/cache.h); here is only
 * when.
 */
#ifndef LARDER_SERVER_MOVER_H
#define LARDER_SERVER_MOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/options.h"
#include "server/pulse.h"
#include "server/watch.h"
#include "slabs/cache.h"

struct mover {
    struct cache      *cache;
    struct watch_ring *ring;     /* to tell watchers of pages         */
    struct pulse      *pulse;    /* of its thread, beaten at each step */
    bool               moves;    /* slab_reassign; frozen             */
    uint64_t           look_us;  /* when to look again what to move   */
    uint64_t           pause_us; /* between two looks                 */
    /* What clients can change: */
    _Atomic unsigned automove;
    _Atomic double   ratio;
    _Atomic double   free_ratio; /* without effect, like the next */
    _Atomic unsigned window_s;
};

/* It borrows all but the options. */
void mover_init(struct mover *mover, struct cache *cache, struct watch_ring *ring,
                struct pulse *pulse, const struct options *options);
/* Move for a while; when to go on. For the upkeep thread. */
uint64_t mover_turn(struct mover *mover, struct cache_thread *thread, uint64_t now_us);

#endif
