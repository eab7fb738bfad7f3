/* t/system/timing.c - does the time of a refusal tell anything? Run by `make timing`.
 *
 *    timing check TRIES          passwords_check(), in this process
 *    timing hash  TRIES          the same, where two users have hashes
 *    timing wire  TRIES LARDER   logins in text, sent to a larder that it starts
 *
 * Every kind of attempt is wrong, in its own way, and sends as many bytes as the others.
 * Kinds take turns in random order. Each is held against the first, who is nobody, by
 * Welch's t, over all tries and over the quicker nine tenths; |t| from 4.5 on means that
 * the two can be told apart (the bound of dudect). It is no test of `make check`: another
 * program on the machine can spoil it, and once in some thirty runs a nanosecond shows that
 * comes from where things lie. What is real is there again, with the same sign, and grows
 * with TRIES.
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/passwords.h"
#include "slabs/must.h"

enum {
    NAME_BYTES = 8,
    WORD_BYTES = 16,
    WARM_UP = 500,
    PORT = 21987,
    A_CONNECTION = 9, /* logins; after one more the server closes */
};

static const double bound = 4.5;

/* Names have NAME_BYTES, attempts WORD_BYTES. */
static const char users[] = "firstone:sixteen-letters!\n"
                            "shortest:four\n"
                            "longest!:long-long-long-long-long-long-long-long-long-long-"
                            "long-long-long-long-long-long-long-long-long-long-long\n"
                            "lastname:sixteen-letters?\n";

/* The first and the last one as hashes. */
static const char users_hashed[] =
    "firstone:$pbkdf2-sha256$1000$c2FsdC1vZi1zaXh0ZWVuIQ==$"
    "z+B1QotQWTrZxoKD7DsLXm2fl0UaePyCNW9JBSWMrKg=\n"
    "shortest:four\n"
    "longest!:long-long-long-long-long-long-long-long-long-long-long\n"
    "lastname:$pbkdf2-sha256$1000$c2FsdC1vZi1zaXh0ZWVuIQ==$"
    "DW4WfZTxl2uHSrGcuuy69m1RJkVkJ3zYS2JiG+tDMks=\n";

static const struct {
    const char *name, *user, *password;
} kinds[] = {
    { "nobody", "nobody!!", "aaaaaaaaaaaaaaaa" },
    { "nobody, begins as a user", "lastnamf", "aaaaaaaaaaaaaaaa" },
    { "nobody, with a password of somebody", "nobody!!", "sixteen-letters?" },
    { "the first user", "firstone", "aaaaaaaaaaaaaaaa" },
    { "the last user", "lastname", "aaaaaaaaaaaaaaaa" },
    { "the last user, all but one byte", "lastname", "sixteen-letters." },
    { "a user with a short password", "shortest", "aaaaaaaaaaaaaaaa" },
    { "a user with a long password", "longest!", "aaaaaaaaaaaaaaaa" },
    { "a user with a long password, its first 16", "longest!", "long-long-long-l" },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct place {
    struct passwords passwords;
    bool             wire;
    int              fd;
    unsigned         used; /* logins on that connection */
};

static double
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* ---- one attempt ----------------------------------------------------------------- */

static void
reconnect(struct place *place)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int                on = 1;

    if (place->fd >= 0)
        close(place->fd);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 500; tries++) {
        place->fd = socket(AF_INET, SOCK_STREAM, 0);
        must(place->fd >= 0);
        setsockopt(place->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(place->fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            place->used = 0;
            return;
        }
        close(place->fd);
        usleep(10000);
    }
    must(!"nobody listens");
}

static double
ask(struct place *place, unsigned kind)
{
    static const char refusal[] = "CLIENT_ERROR authentication failure\r\n";
    char              request[128], answer[128];
    int     length = snprintf(request, sizeof(request), "set x 0 0 25\r\n%s %s\r\n",
                              kinds[kind].user, kinds[kind].password);
    ssize_t sent, got;
    double  before, after;

    if (place->fd < 0 || place->used++ == A_CONNECTION)
        reconnect(place);
    before = now_ns();
    sent = send(place->fd, request, (size_t)length, 0);
    got = recv(place->fd, answer, sizeof(answer), 0);
    after = now_ns();
    must(sent == length);
    must(got == (ssize_t)sizeof(refusal) - 1 &&
         memcmp(answer, refusal, (size_t)got) == 0);
    return after - before;
}

static double
attempt(struct place *place, unsigned kind)
{
    char        bytes[NAME_BYTES + WORD_BYTES];
    struct span user = { bytes, NAME_BYTES },
                password = { bytes + NAME_BYTES, WORD_BYTES };
    double before, after;
    bool   right;

    if (place->wire)
        return ask(place, kind);
    /* At one address for all: whether a load meets a store of the same low bits counts. */
    memcpy(bytes, kinds[kind].user, NAME_BYTES);
    memcpy(bytes + NAME_BYTES, kinds[kind].password, WORD_BYTES);
    /* And behind the same thing, so that what came before leaves no trace. */
    right = passwords_check(&place->passwords, SPAN("somebody"), SPAN("else"));
    must(!right);
    before = now_ns();
    right = passwords_check(&place->passwords, user, password);
    after = now_ns();
    must(!right);
    return after - before;
}

/* ---- many, and what they tell ---------------------------------------------------- */

static uint64_t
roll(uint64_t *state)
{
    uint64_t bits = *state += 0x9e3779b97f4a7c15;

    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return bits ^ bits >> 31;
}

/* In each round every kind once, in another order. */
static void
measure(struct place *place, size_t tries, double *times[KINDS])
{
    uint64_t state = 1;

    for (size_t i = 0; i < WARM_UP; i++)
        attempt(place, (unsigned)(i % KINDS));
    for (size_t round = 0; round < tries; round++) {
        unsigned order[KINDS];

        for (unsigned i = 0; i < KINDS; i++) {
            unsigned j = (unsigned)(roll(&state) % (i + 1));

            order[i] = order[j];
            order[j] = i;
        }
        for (unsigned i = 0; i < KINDS; i++)
            times[order[i]][round] = attempt(place, order[i]);
    }
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The time that this part of all tries took at most. */
static double
quantile(double *times[KINDS], size_t tries, double part)
{
    double *all = malloc(KINDS * tries * sizeof(*all)), value;

    must(all != NULL);
    for (unsigned i = 0; i < KINDS; i++)
        memcpy(all + i * tries, times[i], tries * sizeof(*all));
    qsort(all, KINDS * tries, sizeof(*all), compare);
    value = all[(size_t)((double)(KINDS * tries - 1) * part)];
    free(all);
    return value;
}

static void
moments(const double *times, size_t tries, double most, double *mean, double *error)
{
    double sum = 0, squares = 0;
    size_t count = 0;

    for (size_t i = 0; i < tries; i++) {
        if (times[i] > most)
            continue;
        sum += times[i];
        count++;
    }
    *mean = sum / (double)count;
    for (size_t i = 0; i < tries; i++) {
        if (times[i] <= most)
            squares += (times[i] - *mean) * (times[i] - *mean);
    }
    *error = squares / (double)(count - 1) / (double)count;
}

static double
welch(const double *a, const double *b, size_t tries, double most)
{
    double mean_a, mean_b, error_a, error_b;

    moments(a, tries, most, &mean_a, &error_a);
    moments(b, tries, most, &mean_b, &error_b);
    return (mean_b - mean_a) / sqrt(error_a + error_b);
}

static bool
report(double *times[KINDS], size_t tries)
{
    double all = quantile(times, tries, 1), most = quantile(times, tries, 0.9), worst = 0;

    printf("%-44s %9s %9s %9s\n", "", "mean us", "t, all", "t, 90 %");
    for (unsigned i = 0; i < KINDS; i++) {
        double t = welch(times[0], times[i], tries, all);
        double quick = welch(times[0], times[i], tries, most);
        double mean, error;

        moments(times[i], tries, most, &mean, &error);
        printf("%-44s %9.3f %9.2f %9.2f\n", kinds[i].name, mean / 1000, t, quick);
        worst = fmax(worst, fmax(fabs(t), fabs(quick)));
    }
    printf("largest |t| over %zu tries of each: %.2f, %s\n", tries, worst,
           worst < bound ? "which tells nothing" : "which TELLS SOMETHING");
    return worst < bound;
}

/* ---- where ----------------------------------------------------------------------- */

static pid_t
start_server(const char *program, const char *path)
{
    char  port[16];
    pid_t child;

    snprintf(port, sizeof(port), "%d", PORT);
    child = fork();
    if (child == 0) {
        execl(program, program, "-u", getuid() == 0 ? "root" : "", "-l", "127.0.0.1",
              "-p", port, "-t", "1", "-Y", path, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void
write_users(int fd, const char *text)
{
    size_t length = strlen(text);

    must(fd >= 0);
    must(write(fd, text, length) == (ssize_t)length);
    close(fd);
}

int
main(int argc, char **argv)
{
    struct place place = { .fd = -1 };
    char         path[] = "/tmp/larder-timing.XXXXXX", text[256];
    int          fd = mkstemp(path);
    size_t       tries = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    double      *times[KINDS];
    pid_t        server = -1;
    bool         hashed, good;

    place.wire = argc == 4 && strcmp(argv[1], "wire") == 0;
    hashed = argc == 3 && strcmp(argv[1], "hash") == 0;
    if (tries < 100 || (!place.wire && !hashed && strcmp(argv[1], "check") != 0)) {
        fprintf(stderr, "usage: timing check|hash TRIES | timing wire TRIES LARDER\n");
        return EXIT_FAILURE;
    }
    write_users(fd, hashed ? users_hashed : users);
    for (unsigned i = 0; i < KINDS; i++) {
        times[i] = calloc(tries, sizeof(**times));
        must(times[i] != NULL);
    }
    if (place.wire)
        server = start_server(argv[3], path);
    else if (!passwords_open(&place.passwords, path, text, sizeof(text)))
        fprintf(stderr, "%s\n", text);
    measure(&place, tries, times);
    printf("%s\n", place.wire ? "logins in text, over loopback"
                   : hashed   ? "passwords_check(), two users have hashes"
                              : "passwords_check()");
    good = report(times, tries);
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    passwords_close(&place.passwords);
    unlink(path);
    for (unsigned i = 0; i < KINDS; i++)
        free(times[i]);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
