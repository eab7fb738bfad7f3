/* bench/growth.c - how long the slowest request takes while a cache grows.
 *
 * One connection reads, one key at a time, at a steady rate; another one sets items in
 * pipelines, at a rate as well, or the fastest server would have the busiest machine. There
 * are three phases, and the same is done in all of them, but to other keys:
 *
 *   before   sets overwrite the few items that are there
 *   growth   each set adds an item, until there are ITEMS
 *   after    sets overwrite the last ones
 *
 * So what growth costs is the difference of its times to those before and after, of readings
 * and of pipelines of sets, which is where a table grows. Both count from the time when they
 * were due, so that a server that stands still is charged for all that wait. Every reply is
 * looked at.
 *
 * The slowest one of millions is the machine's more often than the server's. What a server does
 * shows in how many of a million took more than a millisecond: during growth no more than before
 * it, or growth is to blame.
 *
 * usage: growth PORT [ITEMS [READS A SECOND [SECONDS BEFORE AND AFTER [SETS A SECOND]]]]
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BENCH_NAME "growth"
#include "bench/client.h"

enum {
    FIRST_ITEMS = 20000, /* that are there from the start; these are read */
    PIPELINE = 16,
    KEEP_MOST = 1 << 22, /* times, of a phase */
};

static const char VALUE[] = "a value of 20 bytes.";

struct times {
    uint32_t *ns;
    size_t    count;
};

struct phase {
    const char  *name;
    uint64_t     from, to; /* items that are set */
    uint64_t     lasts_ns; /* 0: until they all are set */
    struct times reads, pipelines;
    uint64_t     sets, took_ns;
};

struct run {
    int      reader, writer;
    uint64_t every_ns;
    uint64_t due_ns; /* when the next reading is to be sent, or was */
    uint64_t sets_every_ns;
    uint64_t sets_due_ns; /* the next pipeline */
    bool     reading;
    char     reply[512];
    size_t   reply_length;
    size_t   pending; /* bytes of replies to sets that are to come */
    uint64_t dice;
};

static uint64_t
throw_dice(struct run *run)
{
    run->dice ^= run->dice << 13;
    run->dice ^= run->dice >> 7;
    run->dice ^= run->dice << 17;
    return run->dice;
}

/* ---- one reading, one pipeline --------------------------------------------------- */

static void
begin_reading(struct run *run)
{
    char request[64];
    int  length = snprintf(request, sizeof(request), "get %012" PRIu64 "\r\n",
                           throw_dice(run) % FIRST_ITEMS);

    send_all(run->reader, request, (size_t)length);
    run->reading = true;
    run->reply_length = 0;
}

static void
times_add(struct times *times, uint64_t took_ns)
{
    if (times->count < KEEP_MOST)
        times->ns[times->count++] = took_ns < UINT32_MAX ? (uint32_t)took_ns : UINT32_MAX;
}

static void
take_reading(struct run *run, struct phase *phase)
{
    ssize_t  got = recv(run->reader, run->reply + run->reply_length,
                        sizeof(run->reply) - run->reply_length, 0);
    uint64_t now = now_ns(), took = now - run->due_ns;

    if (got <= 0)
        die("the reader is cut off");
    run->reply_length += (size_t)got;
    if (run->reply_length < 5 ||
        memcmp(run->reply + run->reply_length - 5, "END\r\n", 5) != 0)
        return;
    if (run->reply_length == 5 || memcmp(run->reply, "VALUE ", 6) != 0)
        die("an item is not there: is there memory for all?");
    run->reading = false;
    times_add(&phase->reads, took);
    run->due_ns += run->every_ns;
}

static void
begin_sets(struct run *run, struct phase *phase)
{
    char   requests[PIPELINE * 64];
    size_t length = 0;

    for (unsigned i = 0; i < PIPELINE; i++, phase->sets++)
        length += (size_t)snprintf(requests + length, sizeof(requests) - length,
                                   "set %012" PRIu64 " 0 0 %zu\r\n%s\r\n",
                                   phase->from + phase->sets % (phase->to - phase->from),
                                   sizeof(VALUE) - 1, VALUE);
    send_all(run->writer, requests, length);
    run->pending = PIPELINE * sizeof("STORED\r\n") - PIPELINE;
    run->sets_due_ns += run->sets_every_ns;
}

static void
take_stored(struct run *run, struct phase *phase)
{
    char    replies[PIPELINE * 8];
    ssize_t got = recv(run->writer, replies, sizeof(replies), 0);

    if (got <= 0)
        die("the writer is cut off");
    if ((size_t)got > run->pending || memchr(replies, '_', (size_t)got) != NULL ||
        memchr(replies, ' ', (size_t)got) != NULL) /* of NOT_STORED, SERVER_ERROR ... */
        die("unexpected replies to sets");
    run->pending -= (size_t)got;
    if (run->pending == 0 && phase->pipelines.ns != NULL)
        times_add(&phase->pipelines, now_ns() - (run->sets_due_ns - run->sets_every_ns));
}

/* ---- phases ---------------------------------------------------------------------- */

/* What is read has to be there. */
static void
fill(struct run *run)
{
    struct phase first = { .from = 0, .to = FIRST_ITEMS };

    while (first.sets < FIRST_ITEMS) {
        begin_sets(run, &first);
        while (run->pending > 0)
            take_stored(run, &first);
    }
}

static bool
is_over(const struct phase *phase, uint64_t began)
{
    return phase->lasts_ns > 0 ? now_ns() - began >= phase->lasts_ns
                               : phase->sets >= phase->to - phase->from;
}

static void
play(struct run *run, struct phase *phase)
{
    uint64_t began = now_ns();

    phase->reads.ns = malloc(KEEP_MOST * sizeof(*phase->reads.ns));
    phase->pipelines.ns = malloc(KEEP_MOST * sizeof(*phase->pipelines.ns));
    if (phase->reads.ns == NULL || phase->pipelines.ns == NULL)
        die("no memory");
    run->due_ns = began;
    run->sets_due_ns = began;
    for (;;) {
        struct pollfd polls[] = { { .fd = run->reader, .events = POLLIN },
                                  { .fd = run->writer, .events = POLLIN } };
        bool          over = is_over(phase, began);

        if (over && run->pending == 0 && !run->reading)
            break;
        if (!over && run->pending == 0 && now_ns() >= run->sets_due_ns)
            begin_sets(run, phase);
        if (!over && !run->reading && now_ns() >= run->due_ns)
            begin_reading(run);
        if (poll(polls, 2, 0) < 0 && errno != EINTR)
            die("cannot wait");
        if (polls[0].revents)
            take_reading(run, phase);
        if (polls[1].revents)
            take_stored(run, phase);
    }
    phase->took_ns = now_ns() - began;
}

static double
percentile_us(const struct times *times, double share)
{
    size_t at = (size_t)((double)times->count * share);

    return times->ns[at < times->count ? at : times->count - 1] / 1e3;
}

/* Of a million, those that took more than a millisecond. */
static double
slow_of_a_million(const struct times *times)
{
    size_t fast = 0;

    while (fast < times->count && times->ns[fast] <= 1000000)
        fast++;
    return (double)(times->count - fast) * 1e6 / (double)times->count;
}

static void
tell_times(struct times *times)
{
    if (times->count == 0)
        die("nothing was timed");
    qsort(times->ns, times->count, sizeof(*times->ns), compare_times);
    printf(" %9zu %7.0f %7.0f %8.0f %7.0f %7.0f", times->count, percentile_us(times, 0.5),
           percentile_us(times, 0.999), percentile_us(times, 0.9999),
           percentile_us(times, 1), slow_of_a_million(times));
    free(times->ns);
}

static void
tell(struct phase *phase)
{
    printf("%-7s %6.1f %9" PRIu64, phase->name, (double)phase->took_ns / 1e9,
           phase->sets);
    tell_times(&phase->reads);
    tell_times(&phase->pipelines);
    printf("\n");
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    uint64_t     port = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t     items = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000000;
    uint64_t     rate = argc > 3 ? strtoull(argv[3], NULL, 10) : 5000;
    uint64_t     seconds = argc > 4 ? strtoull(argv[4], NULL, 10) : 20;
    uint64_t     sets = argc > 5 ? strtoull(argv[5], NULL, 10) : 200000;
    struct phase phases[] = {
        { .name = "before",
          .from = 0,
          .to = FIRST_ITEMS,
          .lasts_ns = seconds * 1000000000 },
        { .name = "growth", .from = FIRST_ITEMS, .to = items },
        { .name = "after",
          .from = items - FIRST_ITEMS,
          .to = items,
          .lasts_ns = seconds * 1000000000 },
    };
    struct run run = { .dice = 88172645463325252 };

    if (port == 0 || port > UINT16_MAX || items < 2 * FIRST_ITEMS || rate == 0 ||
        sets == 0) {
        fprintf(stderr, "usage: growth PORT [ITEMS [READS A SECOND [SECONDS BEFORE AND "
                        "AFTER [SETS A SECOND]]]]\n");
        return 2;
    }
    run.every_ns = 1000000000 / rate;
    run.sets_every_ns = PIPELINE * UINT64_C(1000000000) / sets;
    run.reader = connect_to((uint16_t)port);
    run.writer = connect_to((uint16_t)port);
    printf("%-7s %6s %9s %9s %7s %7s %8s %7s %7s %9s %7s %7s %8s %7s %7s\n", "phase", "s",
           "sets", "reads", "p50us", "p99.9us", "p99.99us", "maxus", ">1ms/M",
           "pipelines", "p50us", "p99.9us", "p99.99us", "maxus", ">1ms/M");
    fill(&run);
    for (unsigned i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        play(&run, &phases[i]);
        tell(&phases[i]);
    }
    return 0;
}
