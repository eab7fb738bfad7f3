/* protocol/events.h - what watchers are told, as lines of text.
 *
 * The lines are memcached 1.6.45's: type=..., then names and values; keys are percent-
 * encoded. Each function writes one line, without its end, to room for EVENTS_LINE_MAX.
 */
#ifndef LARDER_PROTOCOL_EVENTS_H
#define LARDER_PROTOCOL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/request.h"
#include "slabs/cache.h"
#include "slabs/span.h"

/* What can be watched, in the order in which shortened names are tried. */
enum watch_kind {
    WATCH_RAWCMDS = 1 << 0, /* nothing is ever told of it */
    WATCH_EVICTIONS = 1 << 1,
    WATCH_FETCHERS = 1 << 2,
    WATCH_MUTATIONS = 1 << 3,
    WATCH_SYSEVENTS = 1 << 4,
    WATCH_CONNEVENTS = 1 << 5,
    WATCH_PROXYREQS = 1 << 6, /* these three too: there is no proxy */
    WATCH_PROXYEVENTS = 1 << 7,
    WATCH_PROXYUSER = 1 << 8,
    WATCH_DELETIONS = 1 << 9,
};

enum { WATCH_KINDS = 10 };

enum { EVENTS_LINE_MAX = 1200 };

/* The kind with this name, which may be shortened; 0: there is none. */
uint32_t events_kind(struct span name);

/* An item, or where there is none all but its key is 0. */
struct events_item {
    struct span key;
    bool        found;
    unsigned    size_class;
    size_t      value_length;
};

/* A key was looked up. */
struct span events_item_get(char *line, const struct events_item *item, int client);
/* A store was carried out, or not; ttl_s is that of the item, -1 for none. */
struct span events_item_store(char *line, const struct events_item *item,
                              const char *command, enum cache_status status,
                              int32_t ttl_s, int client);
struct span events_deleted(char *line, const struct events_item *item,
                           const char *command);
struct span events_eviction(char *line, struct span key,
                            const struct cache_reading *item);

/* What a round of the crawler has come to. */
struct events_crawl {
    unsigned size_class;
    uint64_t examined, reclaimed;
    int64_t  elapsed_s;
    int64_t  next_run_s; /* from now */
};

struct span events_crawl(char *line, const struct events_crawl *round);

/* A page of one size class has moved to another, or could not. */
struct span events_move(char *line, unsigned from, unsigned to, bool moved);

/* Who a client is. */
struct events_peer {
    char        address[48]; /* an IP address, or `unix` */
    unsigned    port;
    const char *transport; /* tcp, udp, local */
};

struct span events_conn_new(char *line, int client, const struct events_peer *peer);
/* No TLS has come about, or what there was is broken. */
struct span events_conn_tls_error(char *line, int client, const char *what);
enum events_closed {
    EVENTS_CLOSED_NORMALLY,
    EVENTS_CLOSED_BY_ERROR,
    EVENTS_CLOSED_BY_IDLENESS,
    EVENTS_CLOSED_BY_SHUTDOWN,
    /* memcached has no such limits. */
    EVENTS_CLOSED_BY_HEADER_TIMEOUT,
    EVENTS_CLOSED_BY_BODY_TIMEOUT,
    EVENTS_CLOSED_BY_WRITE_TIMEOUT,
    EVENTS_CLOSED_BY_MEMORY_LIMIT,
};
struct span events_conn_close(char *line, int client, const struct events_peer *peer,
                              enum events_closed reason);

#endif
