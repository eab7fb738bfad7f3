/* server/options_suggest.c - what somebody may have meant who has mistyped an option. */
#include "server/options_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARED = 40 }; /* characters of a name; longer ones are like no other */

static bool
is_same(char one, char other)
{
    if (one == '_')
        one = '-';
    if (other == '_')
        other = '-';
    return tolower((unsigned char)one) == tolower((unsigned char)other);
}

static unsigned
least(unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* How many characters one has to put in, take out, change, or swap with the next one. */
static unsigned
distance(const char *from, const char *to)
{
    unsigned rows[3][COMPARED + 1]; /* the row before the last, the last, this one */
    size_t   from_length = strlen(from), to_length = strlen(to);

    if (from_length > COMPARED || to_length > COMPARED)
        return COMPARED;
    for (size_t k = 0; k <= to_length; k++)
        rows[1][k] = (unsigned)k;
    for (size_t i = 1; i <= from_length; i++) {
        rows[2][0] = (unsigned)i;
        for (size_t k = 1; k <= to_length; k++) {
            bool same = is_same(from[i - 1], to[k - 1]);

            rows[2][k] =
                least(rows[1][k - 1] + !same, least(rows[1][k], rows[2][k - 1]) + 1);
            if (i > 1 && k > 1 && is_same(from[i - 1], to[k - 2]) &&
                is_same(from[i - 2], to[k - 1]))
                rows[2][k] = least(rows[2][k], rows[0][k - 2] + 1);
        }
        memmove(rows[0], rows[1], 2 * sizeof(rows[0]));
    }
    return rows[1][to_length];
}

const struct option_row *
options_nearest(const struct parser *p, const char *name, unsigned places)
{
    unsigned                 nearest = 1 + (unsigned)strlen(name) / 4;
    const struct option_row *found = NULL;

    for (size_t i = 0; i < p->row_count; i++) {
        const struct option_row *row = &p->rows[i];
        unsigned                 far;

        if (!(places & 1u << row->place) || row->name == NULL)
            continue;
        far = distance(name, row->name);
        if (far < nearest || (far == nearest && found == NULL)) {
            nearest = far;
            found = row;
        }
    }
    return found;
}
