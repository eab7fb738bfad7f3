/* bench/loris.c - how long requests take while many clients trickle bytes (slow loris).
 *
 * ACTIVE connections read keys at a steady rate, all together. A reading counts from the time
 * when it was due, so that a server that stands still is charged for all that wait. Each round
 * takes the servers one after the other, and measures each of them twice:
 *
 *   before   the active ones are alone
 *   during   TRICKLERS more have sent part of a line, and send a byte of it in ten seconds
 *
 * The tricklers belong to another process, which does not wait for anything. They leave at the
 * end of their phase, and come anew in the next round. What is said at the end is the median,
 * over the rounds, of each server's p99 and of their ratio, and the least p99. Whatever else
 * the machine has to do can only make these larger, so where it has much to do the least ones
 * are what can be compared. Every reply is looked at.
 *
 * usage: loris TRICKLERS ACTIVE READS-A-SECOND SECONDS-A-PHASE ROUNDS NAME=PORT ...
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_NAME "loris"
#include "bench/client.h"

enum {
    KEYS = 1000,
    ACTIVE_MOST = 1000,
    ROUNDS_MOST = 100,
    SERVERS_MOST = 8,
    BYTE_EACH_S = 10,
    SETTLE_MS = 2000, /* after many have come or gone */
};

static const char VALUE[] = "a value of 20 bytes.";

struct plan {
    unsigned tricklers, active, rate, seconds, rounds;
};

struct active {
    int      fd;
    uint64_t due_ns; /* of the reading that is under way; 0: none is */
    char     reply[128];
    size_t   length;
};

struct server {
    const char   *name;
    uint16_t      port;
    struct active active[ACTIVE_MOST];
    double        before_us[ROUNDS_MOST], during_us[ROUNDS_MOST], ratio[ROUNDS_MOST];
};

struct times {
    uint32_t *ns;
    size_t    count, room;
};

static void
wait_ms(unsigned ms)
{
    poll(NULL, 0, (int)ms);
}

/* ---- who trickles ---------------------------------------------------------------- */

/* A byte of each in ten seconds, evenly, for ever. */
static void
trickle(const int *fds, unsigned count)
{
    uint64_t pause_ns = (uint64_t)BYTE_EACH_S * 1000000000 / count, due = now_ns();

    for (unsigned i = 0;; i = (i + 1) % count) {
        struct timespec until;

        due += pause_ns;
        until = (struct timespec){ (time_t)(due / 1000000000), (long)(due % 1000000000) };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        send(fds[i], "k", 1, MSG_NOSIGNAL); /* it may have been hung up on */
    }
}

/* Start them; returns when all are connected and have sent something. */
static pid_t
begin_trickling(const struct plan *plan, uint16_t port)
{
    int   ready[2];
    char  byte;
    pid_t child;

    if (pipe(ready) != 0 || (child = fork()) < 0)
        die("no process for those who trickle");
    if (child == 0) {
        int *fds = malloc(plan->tricklers * sizeof(*fds));

        if (fds == NULL)
            die("no memory");
        for (unsigned i = 0; i < plan->tricklers; i++) {
            fds[i] = connect_to(port);
            send_all(fds[i], "get k", 5);
        }
        send_all(fds[0], "k", 1);
        if (write(ready[1], "", 1) != 1)
            die("nobody waits");
        trickle(fds, plan->tricklers);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        die("those who trickle do not come in");
    close(ready[0]);
    return child;
}

static void
end_trickling(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- who works ------------------------------------------------------------------- */

static void
fill(struct server *server)
{
    char request[128], reply[64];

    for (unsigned i = 0; i < KEYS; i++) {
        int length = snprintf(request, sizeof(request), "set key%u 0 0 %zu\r\n%s\r\n", i,
                              sizeof(VALUE) - 1, VALUE);

        send_all(server->active[0].fd, request, (size_t)length);
        if (recv(server->active[0].fd, reply, sizeof(reply), 0) != 8 ||
            memcmp(reply, "STORED\r\n", 8) != 0)
            die("an item was not stored");
    }
}

static void
begin_reading(struct active *active, uint64_t due_ns, unsigned key)
{
    char request[64];
    int  length = snprintf(request, sizeof(request), "get key%u\r\n", key);

    active->due_ns = due_ns;
    active->length = 0;
    send_all(active->fd, request, (size_t)length);
}

static void
take_reading(struct active *active, struct times *times)
{
    ssize_t  got = recv(active->fd, active->reply + active->length,
                        sizeof(active->reply) - active->length, 0);
    uint64_t took = now_ns() - active->due_ns;

    if (got <= 0)
        die("somebody who works is cut off");
    active->length += (size_t)got;
    if (active->length < 5 ||
        memcmp(active->reply + active->length - 5, "END\r\n", 5) != 0)
        return;
    if (memmem(active->reply, active->length, VALUE, sizeof(VALUE) - 1) == NULL)
        die("a wrong answer");
    active->due_ns = 0;
    if (times->count < times->room)
        times->ns[times->count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

/* For answers, or until then; 0: for answers alone. */
static void
wait_until(struct pollfd *polled, unsigned count, uint64_t due_ns)
{
    uint64_t        now = now_ns(), ns = due_ns > now ? due_ns - now : 0;
    struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

    if (ppoll(polled, count, due_ns != 0 ? &time : NULL, NULL) < 0 && errno != EINTR)
        die("cannot wait");
}

/* Read for so long; all connections take turns, and who has no answer yet is passed over. */
static void
work(struct server *server, const struct plan *plan, struct times *times)
{
    struct pollfd polled[ACTIVE_MOST];
    uint64_t      every_ns = 1000000000 / plan->rate, due = now_ns() + every_ns;
    uint64_t      end = due + (uint64_t)plan->seconds * 1000000000;
    unsigned      next = 0, key = 0, open = 0;

    times->count = 0;
    for (unsigned i = 0; i < plan->active; i++)
        polled[i] = (struct pollfd){ server->active[i].fd, POLLIN, 0 };
    while (due < end || open > 0) {
        while (due < end && now_ns() >= due && open < plan->active) {
            while (server->active[next].due_ns != 0)
                next = (next + 1) % plan->active;
            key = (key + 7919) % KEYS;
            begin_reading(&server->active[next], due, key);
            due += every_ns;
            open++;
        }
        wait_until(polled, plan->active, due < end && open < plan->active ? due : 0);
        for (unsigned i = 0; i < plan->active; i++) {
            if (polled[i].revents == 0)
                continue;
            take_reading(&server->active[i], times);
            open -= server->active[i].due_ns == 0;
        }
    }
}

/* ---- figures --------------------------------------------------------------------- */

static int
compare_numbers(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* Of numbers in order. */
static double
median(const double *numbers, unsigned count)
{
    return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

static void
sum_up(struct server *server, unsigned rounds)
{
    double *lists[] = { server->before_us, server->during_us, server->ratio };

    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        qsort(lists[i], rounds, sizeof(double), compare_numbers);
    printf("%s: p99 before %.1f us, during %.1f us, ratio %.3f (medians); the least %.1f "
           "and "
           "%.1f us, ratio %.3f\n",
           server->name, median(server->before_us, rounds),
           median(server->during_us, rounds), median(server->ratio, rounds),
           server->before_us[0], server->during_us[0],
           server->during_us[0] / server->before_us[0]);
}

/* Print a phase; its p99. */
static double
tell(const char *name, const char *phase, const struct times *times)
{
    static const double shares[] = { 0.5, 0.99, 0.999 };
    double              us[3];

    if (times->count == 0)
        die("nothing was read");
    qsort(times->ns, times->count, sizeof(*times->ns), compare_times);
    for (unsigned i = 0; i < 3; i++)
        us[i] = times->ns[(size_t)((double)times->count * shares[i])] / 1e3;
    printf("%-12s %-8s %8zu %8.1f %8.1f %8.1f\n", name, phase, times->count, us[0], us[1],
           us[2]);
    fflush(stdout);
    return us[1];
}

static void
measure(struct server *server, const struct plan *plan, unsigned round,
        struct times *times)
{
    pid_t child;

    work(server, plan, times);
    server->before_us[round] = tell(server->name, "before", times);
    child = begin_trickling(plan, server->port);
    wait_ms(SETTLE_MS);
    work(server, plan, times);
    server->during_us[round] = tell(server->name, "during", times);
    server->ratio[round] = server->during_us[round] / server->before_us[round];
    end_trickling(child);
    wait_ms(SETTLE_MS);
}

/* "larder=11211" */
static void
open_server(struct server *server, char *text, const struct plan *plan)
{
    char *equals = strchr(text, '=');

    if (equals == NULL)
        die("a server is NAME=PORT");
    *equals = '\0';
    server->name = text;
    server->port = (uint16_t)strtoul(equals + 1, NULL, 10);
    for (unsigned i = 0; i < plan->active; i++)
        server->active[i].fd = connect_to(server->port);
    fill(server);
}

int
main(int argc, char **argv)
{
    static struct server servers[SERVERS_MOST];
    struct plan          plan = { 0 };
    struct times         times = { 0 };
    unsigned             count = argc > 6 ? (unsigned)argc - 6 : 0;

    if (argc > 6)
        plan = (struct plan){ .tricklers = (unsigned)strtoul(argv[1], NULL, 10),
                              .active = (unsigned)strtoul(argv[2], NULL, 10),
                              .rate = (unsigned)strtoul(argv[3], NULL, 10),
                              .seconds = (unsigned)strtoul(argv[4], NULL, 10),
                              .rounds = (unsigned)strtoul(argv[5], NULL, 10) };
    if (count > SERVERS_MOST || plan.tricklers == 0 || plan.active == 0 ||
        plan.active > ACTIVE_MOST || plan.rate == 0 || plan.seconds == 0 ||
        plan.rounds == 0 || plan.rounds > ROUNDS_MOST) {
        fprintf(stderr, "usage: loris TRICKLERS ACTIVE READS-A-SECOND SECONDS-A-PHASE "
                        "ROUNDS NAME=PORT ...\n");
        return 2;
    }
    times.room = (size_t)plan.rate * plan.seconds + ACTIVE_MOST;
    times.ns = malloc(times.room * sizeof(*times.ns));
    if (times.ns == NULL)
        die("no memory");
    for (unsigned i = 0; i < count; i++)
        open_server(&servers[i], argv[6 + i], &plan);
    printf("%-12s %-8s %8s %8s %8s %8s\n", "server", "phase", "reads", "p50us", "p99us",
           "p99.9us");
    for (unsigned round = 0; round < plan.rounds; round++) {
        for (unsigned i = 0; i < count; i++)
            measure(&servers[i], &plan, round, &times);
    }
    for (unsigned i = 0; i < count; i++)
        sum_up(&servers[i], plan.rounds);
    return 0;
}
