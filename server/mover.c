/* server/mover.c - when memory moves between size classes. See mover.h. */
#include "server/mover.h"

#include "protocol/events.h"

enum {
    STEPS_A_TURN = 32,
    WAITS_US = 10000,      /* for what is in use                  */
    RETRY_US = 100000,     /* after a page could not be moved     */
    LOOK_LEAST_US = 5000,  /* from one look to the next, unless a page was to move */
    LOOK_SPARE_US = 20000, /* at the most, where a class has memory for others      */
    LOOK_MOST_US = 1000000,
    MOVED_A_US = 64, /* bytes: so fast may pages follow each other */
};

void
mover_init(struct mover *mover, struct cache *cache, struct watch_ring *ring,
           struct pulse *pulse, const struct options *options)
{
    mover->cache = cache;
    mover->ring = ring;
    mover->pulse = pulse;
    mover->pause_us = LOOK_LEAST_US;
    mover->moves = options->slab_reassign;
    atomic_init(&mover->automove, options->slab_automove);
    atomic_init(&mover->ratio, options->slab_automove_ratio);
    atomic_init(&mover->free_ratio, options->slab_automove_freeratio);
    atomic_init(&mover->window_s, options->slab_automove_window);
}

/* See whether something ought to move; seldom, where nothing happens anyway. */
static void
look(struct mover *mover, struct cache_thread *thread, uint64_t now_us)
{
    const struct cache_automove how = {
        .mode = atomic_load(&mover->automove),
        .ratio = atomic_load(&mover->ratio),
    };

    if (cache_balance(thread, &how))
        mover->pause_us = LOOK_LEAST_US;
    else if (mover->pause_us < LOOK_MOST_US)
        mover->pause_us *= 2;
    if (cache_has_spare(mover->cache) && mover->pause_us > LOOK_SPARE_US)
        mover->pause_us = LOOK_SPARE_US;
    mover->look_us = now_us + (cache_is_moving(mover->cache)
                                   ? cache_page_bytes(mover->cache) / MOVED_A_US
                                   : mover->pause_us);
}

static void
tell(struct mover *mover, bool moved)
{
    char     line[EVENTS_LINE_MAX];
    unsigned from, to;

    cache_last_move(mover->cache, &from, &to);
    watch_tell(mover->ring, WATCH_SYSEVENTS, events_move(line, from, to, moved));
}

uint64_t
mover_turn(struct mover *mover, struct cache_thread *thread, uint64_t now_us)
{
    if (!mover->moves)
        return UINT64_MAX;
    if (now_us >= mover->look_us)
        look(mover, thread, now_us);
    for (unsigned i = 0; i < STEPS_A_TURN; i++) {
        enum cache_move_state state = cache_move_step(thread);

        pulse_beat(mover->pulse);
        switch (state) {
        case CACHE_MOVE_MORE:
            break;
        case CACHE_MOVE_FREE:
            mover->look_us = now_us; /* it was cheap, and there may be more */
            tell(mover, true);
            return now_us;
        case CACHE_MOVE_DONE:
            tell(mover, true);
            break;
        case CACHE_MOVE_FAILED:
            tell(mover, false);
            return now_us + RETRY_US;
        case CACHE_MOVE_WAITS:
            return now_us + WAITS_US;
        case CACHE_MOVE_NOTHING:
            return mover->look_us;
        }
    }
    return now_us;
}
