/* bench/larder-bench/protocol.h - requests as bytes, and bytes as answers; no I/O.
 *
 * A protocol is two functions. One appends a request to what is to be sent, the other looks at
 * what has come and takes one answer from it, or a part of one: several keys are answered one
 * after the other. Answers come in the order of requests.
 */
#ifndef LARDER_BENCH_PROTOCOL_H
#define LARDER_BENCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/larder-bench/buffer.h"
#include "bench/larder-bench/op.h"
#include "slabs/span.h"

enum {
    KEY_MOST = 250,            /* bytes of a key */
    KEYS_MOST = 1000,          /* in one request */
    PROTOCOL_LINE_MOST = 1000, /* bytes of a line of an answer, without its end */
};

struct key {
    char    text[KEY_MOST];
    uint8_t length;
};

struct request {
    enum op           op;
    unsigned          count; /* of keys; 1 but for OP_MGET */
    const struct key *keys;
    uint32_t          value_bytes; /* OP_SET, OP_SET_CAS */
    uint64_t          cas;         /* OP_SET_CAS */
    unsigned          parts;       /* answers that were taken for it */
};

enum outcome {
    OUTCOME_NONE,    /* of a part that only frames others */
    OUTCOME_HIT,     /* there is a value */
    OUTCOME_MISS,    /* there is no such key */
    OUTCOME_STORED,  /* also: deleted */
    OUTCOME_REFUSED, /* not stored: somebody else has changed it */
    OUTCOME_NUMBER,  /* a counter has this number now */
};

struct answer {
    enum outcome outcome;
    bool         last;   /* nothing more comes for this request */
    struct span  key;    /* HIT: the key it names; no bytes if it names none */
    struct span  value;  /* HIT */
    uint64_t     cas;    /* HIT of OP_CAS */
    uint64_t     number; /* NUMBER */
};

enum parsed {
    PARSED,       /* *answer is filled in, *used bytes belong to it */
    PARSED_LESS,  /* it is not all there; it has at least *used bytes */
    PARSED_WRONG, /* no protocol has this as an answer to such a request */
};

struct protocol {
    const char *name;
    bool        has_cas;
    void (*compose)(struct buffer *out, const struct request *request);
    /* Of the request it needs to know `op`, `count` and `parts`. Spans point into `data`. */
    enum parsed (*parse)(struct span data, const struct request *request,
                         struct answer *answer, size_t *used);
};

extern const struct protocol protocol_text, protocol_meta, protocol_binary, protocol_resp;

/* NULL if none has that name. */
const struct protocol *protocol_find(const char *name);

/* ---- what several of them need ---------------------------------------------------- */

/* Appends the value that belongs to the request's key: for OP_ZERO a 0. */
void   protocol_add_value(struct buffer *out, const struct request *request);
size_t protocol_value_bytes(const struct request *request);

/* The line that data begins with, without its \r\n, and how long it is with that. */
enum parsed protocol_take_line(struct span data, struct span *line, size_t *used);

/* Cuts the word off that the line begins with, and the blank behind it. */
struct span protocol_take_word(struct span *line);

/* Is it exactly this? */
bool protocol_is(struct span text, const char *expected);

/* A value of `bytes` bytes and its \r\n stand at *used; then *used is behind them. */
enum parsed protocol_take_value(struct span data, uint64_t bytes, struct span *value,
                                size_t *used);

#endif
