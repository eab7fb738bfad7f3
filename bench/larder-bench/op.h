/* bench/larder-bench/op.h - operations, and how often each of them is done. */
#ifndef LARDER_BENCH_OP_H
#define LARDER_BENCH_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/larder-bench/dice.h"

enum op {
    OP_GET,    /* one key */
    OP_MGET,   /* several keys in one request */
    OP_SET,    /* one value, as value.h has it */
    OP_CAS,    /* read with its id, then set under that id: two requests */
    OP_INCR,   /* of a counter, which is a key of its own */
    OP_DELETE, /* one key */
    OP_USERS,  /* those above can be asked for; each has times of its own */

    OP_SET_CAS = OP_USERS, /* the second request of OP_CAS */
    OP_ZERO,               /* a counter is set to 0 */
};

/* The sum of the weights up to each operation; op_mix_draw() looks where a point falls. */
struct op_mix {
    double up_to[OP_USERS];
};

/* The name of one that can be asked for. */
const char *op_name(enum op op);

/* The operation of that name, of `length` letters; OP_USERS if there is none. */
enum op op_find(const char *name, size_t length);

/* Reads NAME or NAME:WEIGHT,...; false if it is no such list, or weighs nothing. */
bool op_mix_parse(const char *text, struct op_mix *mix);

/* Is this one ever drawn? */
bool op_mix_has(const struct op_mix *mix, enum op op);

enum op op_mix_draw(const struct op_mix *mix, struct dice *dice);

#endif
