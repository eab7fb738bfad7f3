/* server/mover.c - when memory moves between size classes. See mover.h. */
#include "server/mover.h"

enum {
    STEPS_A_TURN = 32,
    NOTHING_US = 1000000, /* where there is nothing to do        */
    WAITS_US = 10000,     /* for what is in use                  */
};

void
mover_init(struct mover *mover, struct cache *cache, const struct options *options)
{
    mover->cache = cache;
    mover->moves = options->slab_reassign;
    atomic_init(&mover->automove, options->slab_automove);
    atomic_init(&mover->ratio, options->slab_automove_ratio);
    atomic_init(&mover->free_ratio, options->slab_automove_freeratio);
    atomic_init(&mover->window_s, options->slab_automove_window);
}

uint64_t
mover_turn(struct mover *mover, struct cache_thread *thread, uint64_t now_us)
{
    if (!mover->moves)
        return UINT64_MAX;
    for (unsigned i = 0; i < STEPS_A_TURN; i++) {
        switch (cache_move_step(thread)) {
        case CACHE_MOVE_MORE:
            break;
        case CACHE_MOVE_WAITS:
            return now_us + WAITS_US;
        case CACHE_MOVE_NOTHING:
            return now_us + NOTHING_US;
        }
    }
    return now_us;
}
