/* t/linear/op.h - one operation on one key: when, what was asked, what was answered.
 *
 * Classic and meta commands are the same few operations here; `asks` and `tells` say what
 * of an operation there was. So a get, a gats and an mg are OP_READ, and a cas is the
 * OP_STORE of MODE_SET with ASK_COMPARE. A command of several keys is several operations
 * with the same times, and a flush is one on every key.
 */
#ifndef LARDER_T_LINEAR_OP_H
#define LARDER_T_LINEAR_OP_H

#include <stdint.h>

#include "t/linear/value.h"

enum op_kind { OP_READ, OP_STORE, OP_DELETE, OP_COUNT, OP_TOUCH, OP_FLUSH };

enum op_mode { MODE_SET, MODE_ADD, MODE_REPLACE, MODE_APPEND, MODE_PREPEND };

enum op_outcome {
    OUT_OK,
    OUT_MISS,
    OUT_EXISTS,
    OUT_NOT_STORED,
    OUT_NOT_NUMERIC,
    OUT_NO_MEMORY,
    OUT_ANY, /* nobody was told: noreply */
};

enum op_asks {
    ASK_META = 1 << 0,
    ASK_COMPARE = 1 << 1,    /* only with the id `cas`; of a read: no value with it   */
    ASK_INVALIDATE = 1 << 2, /* I                                                     */
    ASK_EMPTY = 1 << 3,      /* x                                                     */
    ASK_TOUCH = 1 << 4,      /* T of a command that does not need one; gat            */
    ASK_CREATE = 1 << 5,     /* N                                                     */
    ASK_REFRESH = 1 << 6,    /* R                                                     */
    ASK_SUBTRACT = 1 << 7,   /* decr                                                  */
    ASK_QUIET = 1 << 8,      /* q, noreply: sent together with an mn                  */
    ASK_VALUE = 1 << 9,      /* v, and all classic reads                              */
    ASK_CAS = 1 << 10,       /* c, gets                                               */
    ASK_FLAGS = 1 << 11,     /* f, and all classic reads                              */
    ASK_TTL = 1 << 12,       /* t                                                     */
    ASK_CHOOSE = 1 << 13,    /* E: the id that the item is to have is `new_cas`       */
};

enum op_tells {
    TELL_VALUE = 1 << 0, /* of a count: the number                                     */
    TELL_CAS = 1 << 1,
    TELL_FLAGS = 1 << 2,
    TELL_TTL = 1 << 3,
    TELL_WON = 1 << 4,    /* W */
    TELL_STALE = 1 << 5,  /* X */
    TELL_LEASED = 1 << 6, /* Z */
};

enum { OP_EVERY_KEY = UINT32_MAX };

struct op {
    uint64_t invoked, returned; /* ns of CLOCK_MONOTONIC                              */
    uint32_t key;
    uint16_t client;
    uint8_t  kind, mode, outcome;
    uint8_t  tells;
    uint16_t asks;

    /* What was sent. */
    int32_t      ttl; /* as the protocol has it: 0 never, negative at once           */
    int32_t      create_ttl, refresh_ttl;
    uint32_t     flags;
    uint64_t     cas, new_cas, delta, initial;
    struct value value;

    /* What came back. */
    uint32_t     got_flags;
    int32_t      got_ttl;
    uint64_t     got_cas;
    struct value got;
};

/* For qsort() of pointers: by when they began. */
static inline int
op_compare(const void *left, const void *right)
{
    const struct op *a = *(const struct op *const *)left;
    const struct op *b = *(const struct op *const *)right;

    return (a->invoked > b->invoked) - (a->invoked < b->invoked);
}

#endif
