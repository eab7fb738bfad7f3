/* protocol/figures.h - statistics, whatever the protocol: their names, and their answer.
 *
 * A codec says how it writes figures; what is asked of the server, what is refused, and
 * that an answer is whole or not there at all, stands here.
 */
#ifndef LARDER_PROTOCOL_FIGURES_H
#define LARDER_PROTOCOL_FIGURES_H

#include "protocol/host.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* How an answer ends. */
enum figures_end {
    FIGURES_SHOWN,
    FIGURES_RESET,
    FIGURES_TURNED, /* the counting by prefixes: on or off                */
    FIGURES_NOT_ALLOWED,
    FIGURES_NO_MEMORY, /* what was written of the answer has been taken back */
};

struct figures_sink {
    const struct request *request; /* an OP_STATS */
    struct reply         *reply;
    void (*figure)(struct figures_sink *sink, struct span name, struct span value);
    void (*prefixes)(struct figures_sink *sink, struct span lines); /* host.prefixes */
    void (*end)(struct figures_sink *sink, enum figures_end end);
};

/* Write the whole answer. */
void figures_render(const struct host *host, struct figures_sink *sink);

/* The kind that a word names, or, with `detail`, the word after that one. In the text
 * protocol it may be cut short, in the binary one go on; there are names that may not.
 * False if it names none. */
bool figures_find(enum codec codec, bool detail, struct span word, enum stats_kind *kind);

#endif
