/* protocol/host.h - what a dialogue asks of the server that it takes place in.
 *
 * The server fills in one of these and hands it to every session; the libraries call
 * back through it and know no more of the server. `server` is passed to each function.
 */
#ifndef LARDER_PROTOCOL_HOST_H
#define LARDER_PROTOCOL_HOST_H

#include <stdbool.h>
#include <stdint.h>

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

    /* Seconds that an item with this expiry would have left, -1 for ever. */
    int32_t (*ttl_of)(void *server, int64_t expiry);
    void (*stats_general)(void *server, host_emit *emit, void *ctx);
    void (*stats_settings)(void *server, host_emit *emit, void *ctx);
    void (*stats_reset)(void *server);
    void (*set_verbosity)(void *server, unsigned level);
    /* `p` pauses the clock, `r` resumes it, a number shifts it by so many seconds; false
     * where it is none of these. */
    bool (*debug_time)(void *server, struct cache_thread *thread, struct span what);
};

#endif
