/* t/lib/host.h - a struct host without a server, for the tests of dialogues.
 *
 * It obeys all orders by doing nothing. A test puts functions of its own in the place of
 * those that it wants to do more; `server`, which they are given, is a struct stub, and so
 * also what begins with one.
 */
#ifndef LARDER_T_LIB_HOST_H
#define LARDER_T_LIB_HOST_H

#include "protocol/host.h"
#include "slabs/cache.h"
#include "slabs/clock.h"

struct stub {
    struct cache       *cache;
    const struct clock *clock;
    unsigned            orders; /* so many were obeyed */
    _Atomic bool        counts_prefixes;
    _Atomic bool        crawls;
    _Atomic uint32_t    watched;
};

static inline int32_t
stub_ttl_of(void *server, int64_t expiry)
{
    return cache_ttl_of(((struct stub *)server)->cache, expiry);
}

static inline int64_t
stub_unix_time(void *server)
{
    return clock_unix_s(((struct stub *)server)->clock);
}

static inline void
stub_stats(void *server, enum stats_kind kind, host_emit *emit, void *ctx)
{
    (void)server, (void)kind;
    emit(ctx, "pid", "1");
}

static inline void
stub_stats_reset(void *server)
{
    ((struct stub *)server)->orders++;
}

static inline struct span
stub_order(void *server, const struct request *order)
{
    (void)order;
    ((struct stub *)server)->orders++;
    return SPAN("OK\r\n");
}

static inline void
stub_set_verbosity(void *server, unsigned level)
{
    (void)level;
    ((struct stub *)server)->orders++;
}

/* What may be forbidden is not, but there is neither `debugtime` nor `watch`. */
static inline struct host
stub_host(struct stub *stub, struct cache *cache, const struct clock *clock)
{
    *stub = (struct stub){ .cache = cache, .clock = clock };
    atomic_init(&stub->crawls, true);
    return (struct host){
        .server = stub,
        .version = SPAN("1.6.45-test"),
        .flush_enabled = true,
        .cas_enabled = true,
        .dump_enabled = true,
        .ttl_of = stub_ttl_of,
        .unix_time = stub_unix_time,
        .stats = stub_stats,
        .stats_reset = stub_stats_reset,
        .counts_prefixes = &stub->counts_prefixes,
        .crawls = &stub->crawls,
        .watched = &stub->watched,
        .order = stub_order,
        .set_verbosity = stub_set_verbosity,
    };
}

#endif
