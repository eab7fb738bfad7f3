/* t/linear/wire.c - a blocking connection. */
#include "t/linear/wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "t/linear/load.h"
#include "t/linear/memory.h"

enum { ROOM_LEAST = 16384 };

uint64_t
wire_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool
wire_open(struct wire *w, const struct options *opt, bool slow)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    struct timeval  stall = { .tv_sec = opt->stall_s };
    char            service[16];
    int             one = 1, little = 4096;

    *w = (struct wire){ .fd = -1 };
    snprintf(service, sizeof(service), "%u", opt->port);
    if (getaddrinfo(opt->host, service, &hints, &found) != 0)
        return false;
    w->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd >= 0 && slow) /* before the window is told: it cannot shrink in peace */
        setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    if (w->fd >= 0 && connect(w->fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(w->fd);
        w->fd = -1;
    }
    freeaddrinfo(found);
    if (w->fd < 0)
        return false;
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
    return true;
}

void
wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->in);
    free(w->out);
    *w = (struct wire){ .fd = -1 };
}

/* ---- out --------------------------------------------------------------------------- */

static void
make_room(char **data, size_t *room, size_t wanted)
{
    size_t more = *room > 0 ? *room : ROOM_LEAST;

    while (more < wanted)
        more *= 2;
    if (more != *room)
        *data = memory_resize(*data, more, 1);
    *room = more;
}

void
wire_put(struct wire *w, const char *bytes, size_t length)
{
    make_room(&w->out, &w->out_room, w->length + length);
    memcpy(w->out + w->length, bytes, length);
    w->length += length;
}

void
wire_say(struct wire *w, const char *format, ...)
{
    char    text[512];
    va_list arguments;
    int     length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    wire_put(w, text, (size_t)length);
}

/* Who is stopped and goes on finds a call with a time limit interrupted, without any signal
 * being handled. */
static bool
was_interrupted(ssize_t result)
{
    return result < 0 && errno == EINTR;
}

bool
wire_send(struct wire *w)
{
    const char *from = w->out;
    ssize_t     sent;

    w->sent_ns = wire_now_ns();
    for (; w->length > 0; from += sent, w->length -= (size_t)sent) {
        do
            sent = send(w->fd, from, w->length, MSG_NOSIGNAL);
        while (was_interrupted(sent));
        if (sent < 0)
            return false;
    }
    return true;
}

/* ---- in ---------------------------------------------------------------------------- */

static bool
hear(struct wire *w)
{
    ssize_t more;

    if (w->at > 0) {
        memmove(w->in, w->in + w->at, w->end - w->at);
        w->end -= w->at;
        w->at = 0;
    }
    if (w->end == w->in_room)
        make_room(&w->in, &w->in_room, w->in_room + 1);
    do
        more = recv(w->fd, w->in + w->end, w->in_room - w->end, 0);
    while (was_interrupted(more));
    w->heard_ns = wire_now_ns();
    if (more == 0)
        errno = 0;
    if (more <= 0)
        return false;
    w->end += (size_t)more;
    return true;
}

bool
wire_line(struct wire *w, char **line)
{
    char *end;

    while (w->at == w->end ||
           (end = memchr(w->in + w->at, '\n', w->end - w->at)) == NULL) {
        if (!hear(w))
            return false;
    }
    *line = w->in + w->at;
    w->at = (size_t)(end + 1 - w->in);
    *end = '\0';
    if (end > *line && end[-1] == '\r')
        end[-1] = '\0';
    snprintf(w->said, sizeof(w->said), "%s", *line);
    return true;
}

bool
wire_bytes(struct wire *w, size_t length, char **bytes)
{
    while (w->end - w->at < length + 2) {
        if (!hear(w))
            return false;
    }
    *bytes = w->in + w->at;
    w->at += length + 2;
    errno = EBADMSG;
    return (*bytes)[length] == '\r' && (*bytes)[length + 1] == '\n';
}
