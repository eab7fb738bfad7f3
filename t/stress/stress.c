/* t/stress/stress.c - many clients at once against a running server, with every byte checked.
 *
 * Threads drive many connections each: pipelines of random depth, sent in random cuts, read
 * fast or slowly, ended politely or not. More is stored than the server can hold, so an item
 * may be missing at any time; whatever IS there must be right (world.h tells what that
 * means). At the end all keys are read once more while nobody writes, and the server's own
 * statistics must agree to the number.
 *
 *   dice        random numbers, time          world       types, keys, complaints
 *   value       bytes and their check         make        requests
 *   reply       takes replies apart           model       what they mean for the keys
 *   connection  cuts, pauses, endings         stats       the server's own numbers
 *
 * t/stress/run builds and runs it; t/stress/selftest proves that it finds what is wrong.
 */
#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "t/stress/connection.h"
#include "t/stress/stats.h"
#include "t/stress/world.h"

/* ---- threads and phases ---------------------------------------------------------------- */

struct crew {
    struct world *world;
    unsigned      first, count; /* its clients                                     */
    pthread_t     thread;
};

/* Serves the crew's clients once. True while one of them is not finished. */
static bool
crew_turn(struct crew *crew, struct pollfd *polls)
{
    struct client *clients = crew->world->clients + crew->first;
    uint64_t       now = now_ms();
    bool           wait = true, busy = false;

    for (unsigned i = 0; i < crew->count; i++) {
        struct client *c = &clients[i];

        if (!c->finished)
            client_advance(c, now);
        polls[i] = (struct pollfd){ .fd = c->fd, .events = client_events(c, now) };
        busy |= !c->finished;
        wait &= c->finished || (now >= c->read_ms && now >= c->pause_ms && c->fd >= 0);
    }
    poll(polls, crew->count, wait ? 20 : 1);
    now = now_ms();
    for (unsigned i = 0; i < crew->count; i++) {
        if (polls[i].fd >= 0) {
            client_watch_stall(&clients[i], now);
            client_serve(&clients[i], polls[i].revents);
        }
    }
    return busy;
}

static void *
crew_work(void *argument)
{
    struct crew   *crew = argument;
    struct pollfd *polls = allocate(crew->count, sizeof(*polls));

    while (crew_turn(crew, polls))
        continue;
    free(polls);
    return NULL;
}

/* Has the load gone on for long enough? Where the server has to evict, it goes on until it
 * did, but not for ever. */
static bool
load_is_over(struct world *w)
{
    uint64_t     now = now_ms();
    struct stats s;

    if (atomic_load(&w->stop))
        return true;
    if (w->opt.seconds == 0 || now < w->ends_ms)
        return false;
    return !w->opt.must_evict || now >= w->ends_ms + w->opt.stall_s * 1000 ||
           (stats_read(w, &s) && s.evictions > 0);
}

/* Runs all clients until they are finished. */
static void
world_run(struct world *w)
{
    struct crew    *crews = allocate(w->opt.threads, sizeof(*crews));
    unsigned        first = 0;
    struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };

    w->ends_ms = now_ms() + w->opt.seconds * 1000;
    for (unsigned i = 0; i < w->opt.threads; i++) {
        unsigned count = (w->opt.clients - first) / (w->opt.threads - i);

        crews[i] = (struct crew){ .world = w, .first = first, .count = count };
        first += count;
        if (pthread_create(&crews[i].thread, NULL, crew_work, &crews[i]) != 0)
            abort();
    }
    if (!w->sweeping) {
        while (!load_is_over(w))
            nanosleep(&tick, NULL);
        atomic_store(&w->stop, true);
    }
    for (unsigned i = 0; i < w->opt.threads; i++)
        pthread_join(crews[i].thread, NULL);
    free(crews);
}

static void
world_judge(struct world *w)
{
    struct counts c = world_counts(w);

    world_expect(w, c.hits > 0 && c.stored > 0, "nothing was stored, or nothing found");
    world_expect(w, c.fresh_missed * 50 <= c.fresh,
                 "%" PRIu64 " of %" PRIu64
                 " values were gone right after they were stored",
                 c.fresh_missed, c.fresh);
    world_expect(w, c.refused * 50 <= c.stored,
                 "%" PRIu64 " stores were refused, %" PRIu64 " done", c.refused,
                 c.stored);
}

/* Load, then the sweep, with the server's numbers around it. */
static void
world_play(struct world *w)
{
    struct stats  start, before, after;
    struct counts loaded, swept;
    bool          known = stats_read(w, &start);

    world_expect(w, known, "no answer to stats at the start");
    if (!known)
        return;
    world_prepare_clients(w);
    world_run(w);
    stats_wait_for_connections(w, &start);
    loaded = world_counts(w);
    world_judge(w);
    known = stats_read(w, &before);
    w->sweeping = true;
    for (unsigned i = 0; i < w->opt.clients; i++)
        w->clients[i].finished = false;
    world_run(w);
    swept = world_counts(w);
    known = known && stats_read(w, &after);
    world_expect(w, known, "no answer to stats at the end");
    if (known)
        stats_compare(w, &before, &after, swept.asked - loaded.asked,
                      swept.hits - loaded.hits);
    printf("last phase: %" PRIu64 " of %" PRIu64 " keys were there; %" PRIu64
           " evictions\n",
           swept.hits - loaded.hits, swept.asked - loaded.asked,
           known ? after.evictions : 0);
}

static void
world_report(struct world *w)
{
    struct counts c = world_counts(w);

    printf("connections: %" PRIu64 ", %" PRIu64 " of them broken off, %" PRIu64
           " half-closed and not answered\n",
           c.connections, c.aborts, c.unanswered);
    printf("%" PRIu64 " requests, %" PRIu64 " values (%.1f MB) verified of %" PRIu64
           " asked for, %" PRIu64 " stored, %" PRIu64 " refused, %" PRIu64 "/%" PRIu64
           " cas won/lost, %" PRIu64 " tickets, %" PRIu64 "/%" PRIu64
           " fresh reads missed, %" PRIu64 " flushes, %u violations\n",
           c.requests, c.values, (double)c.bytes / 1e6, c.asked, c.stored, c.refused,
           c.cas_won, c.cas_lost, c.increments, c.fresh_missed, c.fresh, c.flushes,
           atomic_load(&w->violations));
}

/* ---- main ------------------------------------------------------------------------------ */

static void
usage(FILE *to)
{
    fputs("usage: stress [-p port | -s path] [options]: load on a running server, all "
          "verified\n"
          "  -l host     address of the server (127.0.0.1)\n"
          "  -p port     TCP port (11211)\n"
          "  -s path     a unix socket instead\n"
          "  -T port     clients speak TLS on this port; -p is for statistics\n"
          "  -t threads  (2)\n"
          "  -c clients  connections at a time (64)\n"
          "  -n seconds  (10)\n"
          "  -o number   stop after so many requests; with -n 0 only then\n"
          "  -k keys     (200000)\n"
          "  -m bytes    largest value that the server must accept (1047552)\n"
          "  -S seed     (from the clock)\n"
          "  -F seconds  between two flush_all, 0: none (5)\n"
          "  -w seconds  how long an answer may take (30)\n"
          "  -g ms       how long a value may outlive its TTL (1500)\n"
          "  -E          a violation if the server does not evict (longer than -n, if "
          "need be)\n"
          "  -H          replies may be missing once we shut our side down (memcached)\n"
          "The server must be ours alone, and have CAS ids (no -C).\n"
          "Exit status: 0 clean, 1 violations, 2 usage.\n",
          to);
}

static uint64_t
option_number(const char *text, uint64_t low, uint64_t high)
{
    char    *end;
    uint64_t number = strtoull(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end != '\0' || number < low || number > high) {
        fprintf(stderr, "stress: not a number from %" PRIu64 " to %" PRIu64 ": %s\n", low,
                high, text);
        exit(2);
    }
    return number;
}

static void
option_set(struct options *opt, int letter, const char *value)
{
    switch (letter) {
    case 'l':
        opt->host = value;
        break;
    case 's':
        opt->path = value;
        break;
    case 'p':
        opt->port = (unsigned)option_number(value, 1, 65535);
        break;
    case 'T':
        opt->tls_port = (unsigned)option_number(value, 1, 65535);
        break;
    case 't':
        opt->threads = (unsigned)option_number(value, 1, 256);
        break;
    case 'c':
        opt->clients = (unsigned)option_number(value, 1, 60000);
        break;
    case 'n':
        opt->seconds = (unsigned)option_number(value, 0, 1000000);
        break;
    case 'o':
        opt->operations = option_number(value, 1, UINT64_MAX);
        break;
    case 'k':
        opt->keys = (unsigned)option_number(value, 20, 100000000);
        break;
    case 'm':
        opt->max_value = option_number(value, 65536, 1 << 30);
        break;
    case 'S':
        opt->seed = option_number(value, 0, UINT64_MAX);
        break;
    case 'F':
        opt->flush_s = (unsigned)option_number(value, 0, 1000000);
        break;
    case 'w':
        opt->stall_s = (unsigned)option_number(value, 1, 1000000);
        break;
    case 'g':
        opt->grace_ms = (unsigned)option_number(value, 0, 1000000);
        break;
    case 'E':
        opt->must_evict = true;
        break;
    case 'H':
        opt->half_closed_drops = true;
        break;
    case 'h':
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

int
main(int argc, char **argv)
{
    struct options opt = { .host = "127.0.0.1",
                           .port = 11211,
                           .threads = 2,
                           .clients = 64,
                           .seconds = 10,
                           .keys = 200000,
                           .max_value = 1047552,
                           .flush_s = 5,
                           .stall_s = 30,
                           .grace_ms = 1500,
                           .seed = (uint64_t)time(NULL) };
    struct world  *w;
    bool           clean;
    int            letter;

    while ((letter = getopt(argc, argv, "l:p:s:T:t:c:n:o:k:m:S:F:w:g:EHh")) != -1)
        option_set(&opt, letter, optarg);
    if (optind != argc || (opt.seconds == 0 && opt.operations == 0)) {
        usage(stderr);
        return 2;
    }
    if (opt.threads > opt.clients)
        opt.threads = opt.clients;
    w = world_create(&opt);
    world_play(w);
    world_report(w);
    clean = atomic_load(&w->violations) == 0;
    world_destroy(&w);
    return clean ? 0 : 1;
}
