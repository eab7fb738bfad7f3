/* bench/larder-bench/op.c - see op.h. */
#include "bench/larder-bench/op.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[OP_USERS] = {
    [OP_GET] = "get", [OP_MGET] = "mget", [OP_SET] = "set",
    [OP_CAS] = "cas", [OP_INCR] = "incr", [OP_DELETE] = "delete",
};

const char *
op_name(enum op op)
{
    return names[op];
}

enum op
op_find(const char *name, size_t length)
{
    enum op op = 0;

    while (op < OP_USERS &&
           (strlen(names[op]) != length || memcmp(names[op], name, length) != 0))
        op++;
    return op;
}

/* One NAME or NAME:WEIGHT; false if it is neither. */
static bool
take_share(const char **text, double weights[OP_USERS])
{
    size_t  length = strcspn(*text, ":,");
    enum op op = op_find(*text, length);
    double  weight = 1;
    char   *rest;

    *text += length;
    if (op == OP_USERS)
        return false;
    if (**text == ':') {
        weight = strtod(*text + 1, &rest);
        if (rest == *text + 1 || !(weight >= 0 && weight < 1e9))
            return false;
        *text = rest;
    }
    weights[op] += weight;
    return **text == ',' || **text == '\0';
}

bool
op_mix_parse(const char *text, struct op_mix *mix)
{
    double weights[OP_USERS] = { 0 }, sum = 0;

    for (;; text++) {
        if (!take_share(&text, weights))
            return false;
        if (*text == '\0')
            break;
    }
    for (enum op op = 0; op < OP_USERS; op++) {
        sum += weights[op];
        mix->up_to[op] = sum;
    }
    return sum > 0;
}

bool
op_mix_has(const struct op_mix *mix, enum op op)
{
    return mix->up_to[op] > (op > 0 ? mix->up_to[op - 1] : 0);
}

enum op
op_mix_draw(const struct op_mix *mix, struct dice *dice)
{
    double  point = dice_fraction(dice) * mix->up_to[OP_USERS - 1];
    enum op op = 0;

    while (op < OP_USERS - 1 && point >= mix->up_to[op])
        op++;
    return op;
}
