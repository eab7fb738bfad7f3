/* protocol/events.c - writing lines for watchers. See events.h. */
#include "protocol/events.h"

#include <stdio.h>

#include "protocol/percent.h"

static const struct {
    struct span     name;
    enum watch_kind kind;
} kinds[] = {
    { SPAN("rawcmds"), WATCH_RAWCMDS },     { SPAN("evictions"), WATCH_EVICTIONS },
    { SPAN("fetchers"), WATCH_FETCHERS },   { SPAN("mutations"), WATCH_MUTATIONS },
    { SPAN("sysevents"), WATCH_SYSEVENTS }, { SPAN("connevents"), WATCH_CONNEVENTS },
    { SPAN("proxyreqs"), WATCH_PROXYREQS }, { SPAN("proxyevents"), WATCH_PROXYEVENTS },
    { SPAN("proxyuser"), WATCH_PROXYUSER }, { SPAN("deletions"), WATCH_DELETIONS },
};

uint32_t
events_kind(struct span name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (name.length > 0 && name.length <= kinds[i].name.length &&
            memcmp(kinds[i].name.at, name.at, name.length) == 0)
            return kinds[i].kind;
    }
    return 0;
}

/* The line that a printf-like format and a key make: `before`, the key, and the rest. */
static struct span
write_line(char *line, const char *before, struct span key, const char *rest)
{
    size_t length = (size_t)snprintf(line, EVENTS_LINE_MAX, "%s", before);
    char  *end = percent_encode(line + length, key);

    end += snprintf(end, EVENTS_LINE_MAX - (size_t)(end - line), "%s", rest);
    return (struct span){ line, (size_t)(end - line) };
}

enum { REST_MAX = 256 };

struct span
events_item_get(char *line, const struct events_item *item, int client)
{
    char rest[REST_MAX];

    snprintf(rest, sizeof(rest), " status=%s clsid=%u cfd=%d size=%zu",
             item->found ? "found" : "not_found", item->size_class, client,
             item->value_length);
    return write_line(line, "type=item_get key=", item->key, rest);
}

static const char *
name_of(enum cache_status status)
{
    switch (status) {
    case CACHE_OK:
        return "stored";
    case CACHE_MISS:
        return "not_found";
    case CACHE_EXISTS:
        return "exists";
    case CACHE_TOO_LARGE:
        return "too_large";
    case CACHE_NO_MEMORY:
        return "no_memory";
    case CACHE_NOT_STORED:
    case CACHE_NOT_NUMERIC:
        break;
    }
    return "not_stored";
}

struct span
events_item_store(char *line, const struct events_item *item, const char *command,
                  enum cache_status status, int32_t ttl_s, int client)
{
    char rest[REST_MAX];

    snprintf(rest, sizeof(rest), " status=%s cmd=%s ttl=%d clsid=%u cfd=%d size=%zu",
             name_of(status), command, ttl_s < 0 ? 0 : ttl_s, item->size_class, client,
             item->value_length);
    return write_line(line, "type=item_store key=", item->key, rest);
}

struct span
events_deleted(char *line, const struct events_item *item, const char *command)
{
    char rest[REST_MAX];

    snprintf(rest, sizeof(rest), " cmd=%s clsid=%u size=%zu", command, item->size_class,
             item->value_length);
    return write_line(line, "type=deleted key=", item->key, rest);
}

struct span
events_eviction(char *line, struct span key, const struct cache_reading *item)
{
    char rest[REST_MAX];

    snprintf(rest, sizeof(rest), " fetch=%s ttl=%d la=%u clsid=%u size=%zu",
             item->fetched ? "yes" : "no", item->ttl_s, item->idle_s, item->size_class,
             item->value_length);
    return write_line(line, "type=eviction key=", key, rest);
}

struct span
events_crawl(char *line, const struct events_crawl *round)
{
    int length = snprintf(
        line, EVENTS_LINE_MAX,
        "type=lru_crawler crawler=%u lru=cold low_mark=0 next_reclaims=0 since_run=0 "
        "next_run=%lld elapsed=%lld examined=%llu reclaimed=%llu",
        round->size_class, (long long)round->next_run_s, (long long)round->elapsed_s,
        (unsigned long long)round->examined, (unsigned long long)round->reclaimed);

    return (struct span){ line, (size_t)length };
}

struct span
events_move(char *line, unsigned from, unsigned to, bool moved)
{
    int length = snprintf(line, EVENTS_LINE_MAX, "type=slab_move src=%u dst=%u state=%s",
                          from, to, moved ? "ok" : "fail");

    return (struct span){ line, (size_t)length };
}

struct span
events_conn_new(char *line, int client, const struct events_peer *peer)
{
    int length = snprintf(line, EVENTS_LINE_MAX,
                          "type=conn_new rip=%s rport=%u transport=%s cfd=%d",
                          peer->address, peer->port, peer->transport, client);

    return (struct span){ line, (size_t)length };
}

struct span
events_conn_tls_error(char *line, int client, const char *what)
{
    int length =
        snprintf(line, EVENTS_LINE_MAX, "type=conntlserr fd=%d msg=%s", client, what);

    return (struct span){ line, (size_t)length };
}

struct span
events_conn_close(char *line, int client, const struct events_peer *peer,
                  enum events_closed reason)
{
    static const char *const reasons[] = { "normal",         "error",
                                           "idle_timeout",   "shutdown",
                                           "header_timeout", "body_timeout",
                                           "write_timeout",  "conn_mem_limit" };
    int                      length =
        snprintf(line, EVENTS_LINE_MAX,
                 "type=conn_close rip=%s rport=%u transport=%s reason=%s cfd=%d",
                 peer->address, peer->port, peer->transport, reasons[reason], client);

    return (struct span){ line, (size_t)length };
}
