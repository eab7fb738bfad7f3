/* slabs/decimal.c - writing decimal numbers, two digits at a time. */
#include "slabs/decimal.h"

#include <string.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* Two digits. */
static char *
put_pair(char *to, unsigned number)
{
    memcpy(to, pairs + 2 * number, 2);
    return to + 2;
}

/* A number below 100, without a leading zero. */
static char *
put_first(char *to, unsigned number)
{
    if (number >= 10)
        return put_pair(to, number);
    *to = (char)('0' + number);
    return to + 1;
}

char *
decimal_write(char *to, uint64_t number)
{
    unsigned last;

    if (number < 100)
        return put_first(to, (unsigned)number);
    last = (unsigned)(number % 10000);
    if (number >= 10000)
        to = put_pair(decimal_write(to, number / 10000), last / 100);
    else
        to = put_first(to, last / 100);
    return put_pair(to, last % 100);
}
