/* server/upkeep.h - the thread that does what nobody should wait for.
 *
 * It has three duties: to let items move on from segment to segment (`lru_maintainer`), to
 * drop dead ones (`lru_crawler`, see crawler.h), and to move memory between size classes
 * (`slab_reassign`, see mover.h). Besides it has memory ready for what grows. A turn of each is
 * short, and says when it wants the next one; between them the thread sleeps. It is nicer than
 * the workers: on two cores that are busy, with one client that sets 200,000 items a second and
 * one that reads, the slowest of 200,000 readings took 7 to 8 ms while 8 million items came to
 * be, and 16 to 104 ms where it was not.
 */
#ifndef LARDER_SERVER_UPKEEP_H
#define LARDER_SERVER_UPKEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/crawler.h"
#include "server/mover.h"
#include "server/options.h"
#include "server/pulse.h"
#include "server/watch.h"
#include "slabs/cache.h"

struct sandbox;

struct upkeep {
    struct cache        *cache;
    struct cache_thread *cache_thread; /* its own */
    struct watch_ring   *ring;         /* its own: what the duties tell watchers */
    struct crawler       crawler;
    struct mover         mover;
    bool                 keeps_lists; /* frozen */
    struct sandbox      *sandbox;     /* for the thread to enter */
    uint64_t             lists_pause_us;
    _Atomic uint64_t     juggles; /* times that it looked at all lists */
    struct pulse         pulse;   /* by which the thread is known to go on */
    pthread_t            thread;
    bool                 started;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t  told;
    bool            stopping;
    bool            crawls; /* the crawler has got something to do */
    bool            moves;  /* the mover may have                  */
};

/* How often its duties have been done. */
struct upkeep_counters {
    uint64_t juggles; /* looks at all lists */
    uint64_t crawls;  /* rounds that began  */
};

/* Start the thread; false where it cannot be had. The ring is its own, for `watch
 * sysevents` and `watch evictions`. */
bool upkeep_start(struct upkeep *upkeep, struct cache *cache, struct watch_ring *ring,
                  const struct options *options, struct sandbox *sandbox);
void upkeep_stop(struct upkeep *upkeep);
/* There may be memory to move: look now. Any thread. */
void upkeep_look(struct upkeep *upkeep);
/* Move a page, as cache_move_ask() does. Any thread. */
enum cache_move_answer upkeep_move(struct upkeep *upkeep, int64_t from, int64_t to);
/* Crawl these classes now; false while the crawler is at work. Any thread. */
bool upkeep_crawl(struct upkeep *upkeep, const bool classes[CACHE_CLASS_MAX + 1]);
/* Call the thread, which wakes up ten times a second anyway; has it answered the last call? Any
 * thread, but one at a time. */
bool upkeep_answers(struct upkeep *upkeep);
/* Any thread. */
void upkeep_count(const struct upkeep *upkeep, struct upkeep_counters *counters);

#endif
