/* slabs/decimal.h - numbers as decimal text. */
#ifndef LARDER_SLABS_DECIMAL_H
#define LARDER_SLABS_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

enum { DECIMAL_MAX = 20 }; /* digits of a 64-bit number */

/* Write the digits at `to` (room for DECIMAL_MAX); the end is returned. */
char *decimal_write(char *to, uint64_t number);

/* What C's isspace() calls white space in the C locale. */
static inline bool
decimal_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif
