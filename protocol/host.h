/* protocol/host.h - what a dialogue asks of the server that it takes place in.
 *
 * The server fills in one of these and hands it to every session; the libraries call
 * back through it and know no more of the server. `server` is passed to each function.
 */
#ifndef LARDER_PROTOCOL_HOST_H
#define LARDER_PROTOCOL_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/request.h"
#include "slabs/span.h"

/* Called once for each line of statistics. */
typedef void host_emit(void *ctx, const char *name, const char *value);

struct cache_thread;

struct host {
    void       *server;
    struct span version; /* what the version command answers, without VERSION */
    bool        flush_enabled;
    bool        debug_enabled; /* debugtime is there */
    bool        cas_enabled;   /* otherwise ids are shown as 0 and never match */
    bool        dump_enabled;  /* clients may list keys                        */
    bool        auth_required; /* who has not logged in may do nothing else    */
    bool        sasl_enabled;  /* the binary protocol has opcodes to log in    */

    /* Is that somebody's password? Not asked unless auth_required or sasl_enabled. Any
     * worker calls it. */
    bool (*authenticate)(void *server, struct span user, struct span password);
    /* Seconds that an item with this expiry would have left, -1 for ever. */
    int32_t (*ttl_of)(void *server, int64_t expiry);
    int64_t (*unix_time)(void *server);
    /* The figures of a kind but for STATS_PREFIXES..., line by line. */
    void (*stats)(void *server, enum stats_kind kind, host_emit *emit, void *ctx);
    void (*stats_reset)(void *server);
    /* What the keys' prefixes were used for, a line each; to be freed, NULL when out of
     * memory. While `counts_prefixes` is true, exec.c tells what it does to a key. */
    char *(*prefixes)(void *server, size_t *length);
    void (*prefixes_turn)(void *server, bool on);
    void (*prefixes_count)(void *server, struct span key, enum operation what, bool hit);
    const _Atomic bool *counts_prefixes;
    const _Atomic bool *crawls; /* the crawler is on, and with it come dumps      */
    /* What is watched just now, enum watch_kind, and how to tell of it: one line without
     * its end, to the ring of who tells. */
    const _Atomic uint32_t *watched;
    void (*tell)(void *ring, uint32_t kind, struct span line);
    bool watch_enabled; /* clients may watch */
    /* Carry out an order and say what came of it, a whole line. Any worker calls it. */
    struct span (*order)(void *server, const struct request *order);
    void (*set_verbosity)(void *server, unsigned level);
    /* `p` pauses the clock, `r` resumes it, a number shifts it by so many seconds; false
     * where it is none of these. */
    bool (*debug_time)(void *server, struct cache_thread *thread, struct span what);
};

#endif
