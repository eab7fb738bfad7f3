/* bench/floor.c - what the kernel alone costs: a server that looks at nothing.
 *
 * All requests have one length and all answers are the same bytes, so it counts what has come and
 * sends an answer for each request's worth of it: one thread, one epoll, one recv and one send for
 * what a client has sent at once. No server that speaks to clients in this way can need less.
 * The answers have the form of memcached's text protocol, but are not those to the questions.
 *
 * usage: floor PORT get|set|mget KEY-BYTES VALUE-BYTES [KEYS-PER-MGET]
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BENCH_NAME "floor"
#include "bench/client.h"

enum {
    EVENTS = 64,
    CONNECTIONS_MOST = 65536, /* descriptors */
    INPUT_BYTES = 1 << 20,
    ANSWERS_BYTES =
        1 << 20, /* that are sent at once, or a single one if that is longer */
};

struct floor {
    size_t request_bytes, answer_bytes;
    char  *answers; /* one behind the other */
    size_t answers_at_once;
    size_t came[CONNECTIONS_MOST]; /* of a request that is not all there, by descriptor */
};

/* ---- how long a request is, and what answers it ----------------------------------- */

static size_t
digits(size_t number)
{
    return (size_t)snprintf(NULL, 0, "%zu", number);
}

/* "VALUE key 0 length\r\n", the value, "\r\n". */
static char *
put_value(char *to, size_t key_bytes, size_t value_bytes)
{
    memcpy(to, "VALUE ", 6);
    memset(to + 6, 'k', key_bytes);
    to += 6 + key_bytes;
    to += snprintf(to, 32, " 0 %zu\r\n", value_bytes);
    memset(to, 'v', value_bytes);
    memcpy(to + value_bytes, "\r\n", 2);
    return to + value_bytes + 2;
}

static void
make_answer(struct floor *floor, const char *what, size_t key_bytes, size_t value_bytes,
            size_t keys)
{
    char *end = floor->answers =
        malloc(keys * (key_bytes + value_bytes + 48) + ANSWERS_BYTES);

    if (end == NULL)
        die("no memory");
    if (strcmp(what, "set") == 0) {
        floor->request_bytes =
            strlen("set  0 0 \r\n\r\n") + key_bytes + digits(value_bytes) + value_bytes;
        memcpy(end, "STORED\r\n", 8);
        end += 8;
    } else {
        floor->request_bytes = strlen("get\r\n") + keys * (1 + key_bytes);
        for (size_t i = 0; i < keys; i++)
            end = put_value(end, key_bytes, value_bytes);
        memcpy(end, "END\r\n", 5);
        end += 5;
    }
    floor->answer_bytes = (size_t)(end - floor->answers);
    floor->answers_at_once = 1;
    for (; (floor->answers_at_once + 1) * floor->answer_bytes <= ANSWERS_BYTES;
         floor->answers_at_once++, end += floor->answer_bytes)
        memcpy(end, floor->answers, floor->answer_bytes);
}

/* ---- serving ---------------------------------------------------------------------- */

static int
listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, 1024) != 0)
        die("cannot listen");
    return fd;
}

static void
poll_for(int poll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("cannot poll");
}

static void
accept_one(struct floor *floor, int poll, int listener)
{
    int fd = accept(listener, NULL, NULL), yes = 1;

    if (fd < 0)
        return;
    if (fd >= CONNECTIONS_MOST)
        die("too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    floor->came[fd] = 0;
    poll_for(poll, fd);
}

static void
serve(struct floor *floor, int fd)
{
    static char input[INPUT_BYTES];
    ssize_t     got = recv(fd, input, sizeof(input), 0);
    size_t      requests;

    if (got <= 0) {
        close(fd);
        return;
    }
    floor->came[fd] += (size_t)got;
    requests = floor->came[fd] / floor->request_bytes;
    floor->came[fd] %= floor->request_bytes;
    while (requests > 0) {
        size_t answers =
            requests < floor->answers_at_once ? requests : floor->answers_at_once;

        send_all(fd, floor->answers, answers * floor->answer_bytes);
        requests -= answers;
    }
}

int
main(int argc, char **argv)
{
    static struct floor floor;
    size_t              keys = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    struct epoll_event  events[EVENTS];
    int                 listener, poll = epoll_create1(0);

    if (argc < 5 || keys == 0) {
        fprintf(stderr,
                "usage: floor PORT get|set|mget KEY-BYTES VALUE-BYTES [KEYS-PER-MGET]\n");
        return 2;
    }
    make_answer(&floor, argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                keys);
    listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    poll_for(poll, listener);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(&floor, poll, listener);
            else
                serve(&floor, events[i].data.fd);
        }
    }
}
