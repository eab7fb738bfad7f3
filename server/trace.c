/* server/trace.c - printing the dialogue. See trace.h. */
#include "server/trace.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SHOWN = 160 }; /* bytes of a line */

void
trace_classes(const struct cache *cache)
{
    uint32_t bytes;

    for (unsigned size_class = 1; (bytes = cache_class_bytes(cache, size_class)) != 0;
         size_class++)
        fprintf(stderr, "slab class %3u: chunk size %9u perslab %7u\n", size_class, bytes,
                cache_page_bytes(cache) / bytes);
}

static void
print_line(int fd, char direction, struct span line)
{
    char   text[4 * LINE_SHOWN + 1];
    size_t at = 0;

    for (size_t i = 0; i < line.length && i < LINE_SHOWN; i++) {
        unsigned char c = (unsigned char)line.at[i];

        if (c >= ' ' && c < 0x7f)
            text[at++] = (char)c;
        else
            at += (size_t)snprintf(text + at, sizeof(text) - at, "\\x%02x", c);
    }
    text[at] = '\0';
    fprintf(stderr, "%c%d %s%s\n", direction, fd, text,
            line.length > LINE_SHOWN ? "..." : "");
}

static void
print_lines(int fd, char direction, struct span bytes)
{
    while (bytes.length > 0) {
        const char *end = memchr(bytes.at, '\n', bytes.length);
        size_t      length = end != NULL ? (size_t)(end - bytes.at) : bytes.length;
        size_t      next = length + (end != NULL);

        if (length > 0 && bytes.at[length - 1] == '\r')
            length--;
        print_line(fd, direction, (struct span){ bytes.at, length });
        bytes = (struct span){ bytes.at + next, bytes.length - next };
    }
}

void
trace_input(int fd, struct span bytes)
{
    print_lines(fd, '<', bytes);
}

void
trace_secret(int fd, size_t bytes)
{
    if (bytes > 0)
        fprintf(stderr, "<%d %zu bytes to log in\n", fd, bytes);
}

void
trace_reply(int fd, const struct reply *reply)
{
    print_lines(fd, '>', (struct span){ reply->flat, reply->flat_used });
    if (reply->count > 0)
        fprintf(stderr, ">%d and %u large values\n", fd, reply->count);
}

void
trace_event(int fd, const char *what)
{
    fprintf(stderr, "<%d %s\n", fd, what);
}
