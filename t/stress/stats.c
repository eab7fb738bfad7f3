/* t/stress/stats.c - the server's own numbers, held against ours.
 *
 * They are exact only while nothing else talks to the server, which is so in the last phase
 * when the server is ours alone.
 */
#include "t/stress/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "t/stress/connection.h"

#define FIRST_PAGES (UINT64_C(63) << 20) /* of every size class, 1 MiB each */

static const struct stat_name {
    const char *name;
    size_t      offset;
} stat_names[] = {
    { "cmd_get", offsetof(struct stats, cmd_get) },
    { "get_hits", offsetof(struct stats, get_hits) },
    { "get_misses", offsetof(struct stats, get_misses) },
    { "evictions", offsetof(struct stats, evictions) },
    { "curr_connections", offsetof(struct stats, curr_connections) },
    { "curr_items", offsetof(struct stats, curr_items) },
    { "bytes", offsetof(struct stats, bytes) },
    { "limit_maxbytes", offsetof(struct stats, limit_maxbytes) },
};

/* Asks for `stats` on a connection of its own. False if there is no whole answer. */
static bool
stats_ask(const struct world *w, char *text, size_t room)
{
    int            fd = socket_open(&w->opt);
    struct timeval limit = { .tv_sec = w->opt.stall_s };
    size_t         end = 0;
    ssize_t        n = -1;

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (send(fd, "stats\r\n", 7, MSG_NOSIGNAL) == 7) {
        do {
            n = recv(fd, text + end, room - 1 - end, 0);
            end += n > 0 ? (size_t)n : 0;
            text[end] = '\0';
        } while (n > 0 && strstr(text, "\r\nEND\r\n") == NULL);
    }
    close(fd);
    return n > 0;
}

bool
stats_read(const struct world *w, struct stats *s)
{
    static const size_t room = 65536;
    char               *text = allocate(1, room);
    bool                ok = stats_ask(w, text, room);

    for (size_t i = 0; i < sizeof(stat_names) / sizeof(stat_names[0]) && ok; i++) {
        char        line[64];
        const char *at;
        uint64_t    number;

        snprintf(line, sizeof(line), "STAT %s ", stat_names[i].name);
        at = strstr(text, line);
        ok = at != NULL;
        number = ok ? strtoull(at + strlen(line), NULL, 10) : 0;
        memcpy((char *)s + stat_names[i].offset, &number, sizeof(number));
    }
    free(text);
    return ok;
}

void
stats_compare(struct world *w, const struct stats *before, const struct stats *after,
              uint64_t asked, uint64_t hits)
{
    uint64_t gets = after->cmd_get - before->cmd_get;
    uint64_t seen = after->get_hits - before->get_hits;
    uint64_t missed = after->get_misses - before->get_misses;

    world_expect(w, gets == asked && seen == hits && missed == asked - hits,
                 "%" PRIu64 " keys were asked for, %" PRIu64
                 " were there; the server counts "
                 "cmd_get %" PRIu64 ", get_hits %" PRIu64 ", get_misses %" PRIu64,
                 asked, hits, gets, seen, missed);
    /* A size class without a page may always take its first (PROTOCOL.md 9.2). */
    world_expect(w, after->bytes <= after->limit_maxbytes + FIRST_PAGES,
                 "%" PRIu64 " bytes are used; the limit is %" PRIu64, after->bytes,
                 after->limit_maxbytes);
    world_expect(w, after->curr_items + after->evictions - before->evictions >= hits,
                 "%" PRIu64 " items were there, the server counts %" PRIu64
                 " and evicted %" PRIu64,
                 hits, after->curr_items, after->evictions - before->evictions);
    world_expect(w, after->evictions > 0 || !w->opt.must_evict, "nothing was evicted");
}

void
stats_wait_for_connections(struct world *w, const struct stats *before)
{
    struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
    uint64_t        ends_ms = now_ms() + w->opt.stall_s * 1000;
    struct stats    s = { .curr_connections = NEVER };

    while (stats_read(w, &s) && s.curr_connections > before->curr_connections &&
           now_ms() < ends_ms)
        nanosleep(&tick, NULL);
    world_expect(w, s.curr_connections <= before->curr_connections,
                 "curr_connections is %" PRIu64 ", it was %" PRIu64 " before",
                 s.curr_connections, before->curr_connections);
}
