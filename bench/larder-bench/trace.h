/* bench/larder-bench/trace.h - recorded requests, one a line:
 *
 *     OP KEY [SIZE]
 *
 * OP is get, set, cas, incr or delete. KEY has 1 to 250 bytes, none of them a blank or a control
 * character. SIZE is the length of the value in bytes; get may have one as well, for when the
 * key is missing and is to be stored (--refill). Where there is none, --size decides. Blanks
 * separate; empty lines, and those that begin with #, are passed over.
 */
#ifndef LARDER_BENCH_TRACE_H
#define LARDER_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/larder-bench/op.h"

enum { TRACE_NO_SIZE = UINT32_MAX };

struct trace_entry {
    const char *key; /* into the trace's text, not terminated */
    uint32_t    size;
    uint8_t     key_length;
    uint8_t     op; /* enum op */
};

struct trace {
    struct trace_entry *entries;
    size_t              count;
    char               *text; /* owned */
};

/* Why a line is refused: a sentence without its full stop; NULL when it is not. */
struct trace_error {
    size_t      line; /* from 1 */
    const char *why;
};

/* Reads `text`, which the trace owns from then on, and which ends with a 0. False, and why in
 * *error, if a line is wrong or there is not one request. */
bool trace_parse(char *text, struct trace *trace, struct trace_error *error);

/* The same for a file; whatever is wrong ends the program with a message. */
void trace_read(const char *path, struct trace *trace);

void trace_fini(struct trace *trace);

#endif
