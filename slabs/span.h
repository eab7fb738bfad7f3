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

#endif
