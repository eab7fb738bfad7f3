/* server/crawler.h - the thread that drops dead items before anybody looks for them.
 *
 * It goes through the whole table once a minute, and when a client says so, in steps of a
 * few items with a sleep between them. memcached's `lru_crawler` commands steer it.
 */
#ifndef LARDER_SERVER_CRAWLER_H
#define LARDER_SERVER_CRAWLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/watch.h"
#include "slabs/cache.h"

struct crawler {
    struct cache        *cache;
    struct watch_ring   *ring;         /* its own, for `watch sysevents`           */
    struct cache_thread *cache_thread; /* its own                                  */
    pthread_t            thread;
    bool                 started;
    _Atomic bool         enabled;
    _Atomic bool         running;  /* at work just now          */
    _Atomic uint64_t     starts;   /* times that it began       */
    _Atomic uint32_t     sleep_us; /* between two steps         */
    _Atomic uint32_t     most;     /* items a class, 0: all     */

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t  told;
    bool            stopping;
    bool            asked; /* to crawl these classes: */
    bool            classes[CACHE_CLASS_MAX + 1];
};

/* Start the thread; false where it cannot be had. */
bool crawler_start(struct crawler *crawler, struct cache *cache, struct watch_ring *ring,
                   bool enabled, uint32_t sleep_us, uint32_t most);
void crawler_stop(struct crawler *crawler);
/* Crawl these classes; false while it is at work. Any thread. */
bool crawler_ask(struct crawler *crawler, const bool classes[CACHE_CLASS_MAX + 1]);
/* Switch it on or off; false where it is so already. Any thread. */
bool crawler_enable(struct crawler *crawler, bool enabled);

#endif
