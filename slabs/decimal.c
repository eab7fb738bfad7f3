/* slabs/decimal.c - writing decimal numbers, two digits at a time. */
#include "slabs/decimal.h"

#include <string.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

char *
decimal_write(char *to, uint64_t number)
{
    char  room[DECIMAL_MAX];
    char *at = room + sizeof(room);

    if (number < 10) {
        *to = (char)('0' + number);
        return to + 1;
    }
    while (number >= 100) {
        at -= 2;
        memcpy(at, pairs + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, pairs + 2 * number, 2);
    } else {
        *--at = (char)('0' + number);
    }
    memcpy(to, at, (size_t)(room + sizeof(room) - at));
    return to + (room + sizeof(room) - at);
}
