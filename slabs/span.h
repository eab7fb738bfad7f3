/* slabs/span.h - some bytes that belong to somebody else.
 *
 * Network, item and file bytes are handed round as spans: a pointer and a length,
 * never a string that somebody has to search for its end.
 */
#ifndef LARDER_SLABS_SPAN_H
#define LARDER_SLABS_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *at;
    size_t      length;
};

/* A span over a string literal. */
#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

static inline bool
span_equal(struct span a, struct span b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static inline bool
span_starts_with(struct span text, struct span prefix)
{
    return text.length >= prefix.length && memcmp(text.at, prefix.at, prefix.length) == 0;
}

/* Copy the bytes to `to`; the end there is returned. */
static inline char *
span_put(char *to, struct span bytes)
{
    if (bytes.length > 0)
        memcpy(to, bytes.at, bytes.length);
    return to + bytes.length;
}

#endif
