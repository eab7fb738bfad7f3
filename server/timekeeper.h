/* server/timekeeper.h - moves the cache's clock along with the monotonic clock.
 *
 * Workers set the clock before they serve a client, so that what a client sees of
 * expiry is exact to a tick; the main thread sets it at every tick besides. Tests may
 * pause the clock or shift it (`debugtime`). Any thread may call any of this.
 */
#ifndef LARDER_SERVER_TIMEKEEPER_H
#define LARDER_SERVER_TIMEKEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slabs/clock.h"

struct timekeeper {
    struct clock   *clock;       /* that it moves; frozen                            */
    int64_t         start_ticks; /* monotonic time at the clock's tick 0; frozen     */
    _Atomic int64_t shift_ticks; /* by tests                                         */
    _Atomic bool    paused;      /* by tests                                         */
};

/* Starts the clock at the system's time. */
void timekeeper_init(struct timekeeper *timekeeper, struct clock *clock);
/* Let the clock go on from the origin of another process, at the system's time, or where that
 * is behind `least`, there. Before anybody asks the clock. */
void timekeeper_resume(struct timekeeper *timekeeper, int64_t origin_s, uint32_t least);
/* Set the clock to now; a tick never sets it back. */
void timekeeper_tick(struct timekeeper *timekeeper);
/* Stop the clock, or let it go on from where the system's time is. */
void timekeeper_pause(struct timekeeper *timekeeper, bool paused);
/* Move the clock by so many seconds, paused or not. */
void timekeeper_shift(struct timekeeper *timekeeper, int32_t seconds);

#endif
