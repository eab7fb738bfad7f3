/* t/linear/value.h - a value as the checker keeps it: what tells it apart, not its bytes.
 *
 * The hash is a polynomial modulo 2^64, so that of two values joined follows from theirs,
 * and the model can append and prepend without bytes. What incr would read is kept beside
 * it. White space before a number is not looked for: nothing here stores any.
 */
#ifndef LARDER_T_LINEAR_VALUE_H
#define LARDER_T_LINEAR_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
    VALUE_TEXT,       /* incr and decr refuse it                     */
    VALUE_NUMBER,     /* digits alone                                */
    VALUE_NUMBER_AND, /* digits, a space, and what is of no interest */
};

enum { VALUE_HEAD = 25 };

/* Without padding: two with the same bytes of memory are the same value. */
struct value {
    uint64_t hash;
    uint64_t number; /* 0 for a text                                     */
    uint32_t length;
    uint16_t digits; /* of number, leading zeros among them              */
    uint8_t  kind;
    char     head[VALUE_HEAD]; /* the first bytes, to be shown; then NUL */
};

_Static_assert(sizeof(struct value) == 48, "a value has no padding");

struct value value_of(const char *bytes, size_t length);

/* The bytes of one, then those of the other. */
struct value value_join(const struct value *first, const struct value *second);

/* The decimal number, padded with spaces to `length` where it is shorter. */
struct value value_count(uint64_t number, uint32_t length);

static inline bool
value_equal(const struct value *a, const struct value *b)
{
    return a->hash == b->hash && a->length == b->length;
}

#endif
