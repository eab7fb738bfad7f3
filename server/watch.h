/* server/watch.h - the watch command: a stream of what happens, to whoever asks.
 *
 * Whoever has something to tell writes a line into a ring of its own and goes on; where
 * the ring is full the line is dropped and counted. A thread of its own takes the lines
 * in their order, gives them a date, and sends them to the connections that watch. A
 * watcher that does not read loses lines, too, and is told of how many it has lost by
 * the one or the other: `skipped=N`.
 *
 * Threads: a ring belongs to one thread, that of a worker or of upkeep. A connection
 * that begins to watch leaves its worker and belongs to the watch thread from then on.
 */
#ifndef LARDER_SERVER_WATCH_H
#define LARDER_SERVER_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/peer.h"
#include "server/pulse.h"
#include "slabs/lock.h"
#include "slabs/span.h"

struct cache_reading;
struct tls;
struct watch;
struct watcher;

enum { WATCHERS_MOST = 20 };

/* Lines on their way from one thread to the watch thread. */
struct watch_ring {
    struct watch    *watch;
    char            *bytes; /* `size` of them, a power of two */
    size_t           size;
    _Atomic uint64_t written;              /* bytes ever, by the ring's thread */
    _Atomic uint64_t taken;                /* bytes ever, by the watch thread  */
    uint64_t         lines;                /* written; counters of the ring's thread */
    uint64_t         dropped[WATCH_KINDS]; /* for want of room         */
    uint64_t         noted[WATCH_KINDS];   /* of these, by the watch thread */
};

/* A connection that watches. */
struct watch_client {
    int         fd;
    struct tls *tls;      /* NULL: the socket takes text as it is */
    uint32_t    heard_at; /* clock, when it began */
    struct peer peer;
};

struct sandbox;

struct watch {
    _Atomic uint32_t   kinds; /* that anybody watches, enum watch_kind          */
    _Atomic uint64_t   sequence;
    struct watch_ring *rings; /* ring_count of them, the last for the watch thread */
    unsigned           ring_count;
    size_t             buffer_bytes; /* of a watcher; frozen                        */
    int                wake_fd;
    pthread_t          thread;
    bool               started;
    struct pulse       pulse; /* by which the thread is known to go on */
    _Atomic bool       sleeping;
    _Atomic bool       stopping;
    _Atomic uint64_t   skipped; /* lines not sent to a watcher that was slow */
    _Atomic uint64_t   sent;
    _Atomic unsigned   watchers;
    _Atomic uint64_t   rejected; /* that came when there were WATCHERS_MOST */
    struct lock        lock;     /* RANK_LEAF; guards the next two       */
    struct watcher    *arrived;  /* not yet taken over by the thread     */
    struct watcher    *present[WATCHERS_MOST]; /* changed by the thread alone, which
                                                  reads it without the lock   */

    /* A watcher has gone, with its connection. */
    void (*closed)(void *server);
    void           *server;
    struct sandbox *sandbox; /* for the thread to enter */
};

/* With `producers` rings of ring_bytes, which are rounded up to a power of two. */
bool watch_start(struct watch *watch, unsigned producers, size_t ring_bytes,
                 size_t buffer_bytes);
void watch_stop(struct watch *watch);

/* Does anybody want to know of this kind? */
static inline bool
watch_wants(const struct watch *watch, uint32_t kind)
{
    return atomic_load_explicit(&watch->kinds, memory_order_relaxed) & kind;
}

static inline bool
watch_is_on(const struct watch *watch)
{
    return atomic_load_explicit(&watch->kinds, memory_order_relaxed) != 0;
}

/* Tell what happened: text without an end of line. It is sent by and by; watch_wake() sees
 * to it, which is a system call and so not to be made under a lock. */
void watch_tell(struct watch_ring *ring, uint32_t kind, struct span text);

/* The same of an eviction, where anybody wants to know: for cache_watch_evictions(), with
 * the ring of the cache thread that evicts. */
void watch_tell_eviction(void *ring, struct span key, const struct cache_reading *item);

void watch_wake(struct watch *watch);

/* Call the thread; has it answered the last call? Any thread, but one at a time. */
bool watch_answers(struct watch *watch);

/* What has become of lines so far. Any thread. */
struct watch_counters {
    uint64_t written, dropped; /* into rings, or not for want of room    */
    uint64_t sent, skipped;    /* to watchers, or not for their slowness */
    uint64_t rejected;         /* watchers, for there were WATCHERS_MOST */
};

void watch_count(const struct watch *watch, struct watch_counters *counters);

/* Take over a connection, with its TLS, that wants to watch these kinds; false when there are
 * too many of them, or else no memory. */
bool watch_add(struct watch *watch, const struct watch_client *client, uint32_t kinds,
               bool *too_many);

/* Those who watch, in no order. visit() may take no lock. Any thread. */
typedef void watch_visit(void *ctx, const struct watch_client *client);
void         watch_each(struct watch *watch, watch_visit *visit, void *ctx);

#endif
