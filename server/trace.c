/* server/trace.c - telling the dialogue. See trace.h. */
#include "server/trace.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SHOWN = 160 }; /* bytes of a line */

void
trace_classes(struct log *log, const struct cache *cache)
{
    uint32_t bytes;

    for (unsigned size_class = 1; (bytes = cache_class_bytes(cache, size_class)) != 0;
         size_class++)
        log_say(
            log, LOG_SIZE_CLASS,
            LOG_FIELDS(LOG_NUMBER("class", size_class), LOG_NUMBER("chunk_size", bytes),
                       LOG_NUMBER("chunks_per_page", cache_page_bytes(cache) / bytes)),
            "slab class %3u: chunk size %9u perslab %7u", size_class, bytes,
            cache_page_bytes(cache) / bytes);
}

static void
tell_line(struct log *log, enum log_event event, int fd, struct span line)
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
    log_say(log, event,
            LOG_FIELDS(LOG_NUMBER("fd", (uint64_t)fd),
                       LOG_TEXT("line", ((struct span){ text, at })),
                       LOG_NUMBER("length", line.length)),
            "%c%d %.*s%s", event == LOG_REQUEST ? '<' : '>', fd, (int)at, text,
            line.length > LINE_SHOWN ? "..." : "");
}

static void
tell_lines(struct log *log, enum log_event event, int fd, struct span bytes)
{
    while (bytes.length > 0) {
        const char *end = memchr(bytes.at, '\n', bytes.length);
        size_t      length = end != NULL ? (size_t)(end - bytes.at) : bytes.length;
        size_t      next = length + (end != NULL);

        if (length > 0 && bytes.at[length - 1] == '\r')
            length--;
        tell_line(log, event, fd, (struct span){ bytes.at, length });
        bytes = (struct span){ bytes.at + next, bytes.length - next };
    }
}

void
trace_input(struct log *log, int fd, struct span bytes)
{
    tell_lines(log, LOG_REQUEST, fd, bytes);
}

void
trace_secret(struct log *log, int fd, size_t bytes)
{
    if (bytes > 0)
        log_say(log, LOG_REQUEST,
                LOG_FIELDS(LOG_NUMBER("fd", (uint64_t)fd), LOG_NUMBER("length", bytes)),
                "<%d %zu bytes to log in", fd, bytes);
}

void
trace_reply(struct log *log, int fd, const struct reply *reply)
{
    tell_lines(log, LOG_REPLY, fd, (struct span){ reply->flat, reply->flat_used });
    if (reply->count > 0)
        log_say(log, LOG_REPLY,
                LOG_FIELDS(LOG_NUMBER("fd", (uint64_t)fd),
                           LOG_NUMBER("large_values", reply->count)),
                ">%d and %u large values", fd, reply->count);
}

void
trace_event(struct log *log, int fd, const char *what)
{
    log_say(log, LOG_CONNECTION, LOG_FIELDS(LOG_NUMBER("fd", (uint64_t)fd)), "<%d %s", fd,
            what);
}
