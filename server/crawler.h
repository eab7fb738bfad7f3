/* server/crawler.h - dropping dead items before anybody looks for them.
 *
 * The crawler goes through the whole table once a minute and when a client says so. Where
 * memory is short it looks at a sample each second, and goes through all when a hundredth of the
 * bytes is dead, unless it would be at work for more than a tenth of the time. A turn takes it some
 * hundred items further. memcached's `lru_crawler` commands steer it. crawler_turn() is
 * for the thread of upkeep.h, the rest for any.
 */
#ifndef LARDER_SERVER_CRAWLER_H
#define LARDER_SERVER_CRAWLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/options.h"
#include "server/pulse.h"
#include "server/watch.h"
#include "slabs/cache.h"
#include "slabs/counters.h"
#include "slabs/lock.h"

/* What all counters were at the beginning of a round. */
struct crawler_sums {
    struct cache_counters       all;
    struct cache_class_counters of_class[CACHE_CLASS_MAX + 1];
};

struct crawler {
    struct cache      *cache;
    struct watch_ring *ring;  /* for `watch sysevents`    */
    struct pulse      *pulse; /* of its thread, beaten at each step  */
    _Atomic bool       enabled;
    _Atomic bool       running;  /* ...or was asked for       */
    _Atomic uint64_t   starts;   /* rounds that have begun    */
    _Atomic uint32_t   sleep_us; /* between two turns         */
    _Atomic uint32_t   most;     /* items a class, 0: all     */

    /* The round that is under way, if any. */
    bool                under_way;
    struct cache_walk   walk;
    uint64_t            left[CACHE_CLASS_MAX + 1];
    uint64_t            began_us;
    struct crawler_sums before;
    uint64_t            ended_us; /* the last one             */

    struct cache_walk sample; /* where the next one begins */

    struct lock lock; /* RANK_LEAF; guards the rest */
    bool        asked;
    bool        classes[CACHE_CLASS_MAX + 1];
};

/* It borrows all but the options. */
void crawler_init(struct crawler *crawler, struct cache *cache, struct watch_ring *ring,
                  struct pulse *pulse, const struct options *options, uint64_t now_us);
void crawler_fini(struct crawler *crawler);
/* Do what there is to do now; when to call it again. */
uint64_t crawler_turn(struct crawler *crawler, struct cache_thread *cache_thread,
                      uint64_t now_us);
/* Have these classes crawled at the next turn; false while a round is under way. */
bool crawler_ask(struct crawler *crawler, const bool classes[CACHE_CLASS_MAX + 1]);
/* Switch it on or off; false where it is so already. */
bool crawler_enable(struct crawler *crawler, bool enabled);

#endif
