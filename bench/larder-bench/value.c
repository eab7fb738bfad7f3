/* bench/larder-bench/value.c - see value.h. */
#include "bench/larder-bench/value.h"

#include <string.h>

#include "bench/larder-bench/dice.h"

enum { POOL_BYTES = 65521, HEAD_BYTES = sizeof(uint64_t) };

/* Constant once value_init() has been called. */
static char pool[POOL_BYTES];

void
value_init(void)
{
    struct dice dice = { 0 };

    for (size_t i = 0; i < POOL_BYTES; i++)
        pool[i] = (char)(dice_roll(&dice) >> 56);
}

uint64_t
value_hash(const char *key, size_t key_length)
{
    uint64_t hash = key_length;

    for (size_t at = 0; at < key_length; at += 8) {
        uint64_t word = 0;

        memcpy(&word, key + at, key_length - at < 8 ? key_length - at : 8);
        hash = dice_mix(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    return dice_mix(hash);
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void
value_write(uint64_t key_hash, char *to, size_t length)
{
    uint64_t head = dice_mix(key_hash ^ length);
    size_t   from = head % POOL_BYTES, part = least(length, HEAD_BYTES);

    memcpy(to, &head, part);
    for (size_t at = part; at < length; at += part, from = 0) {
        part = least(length - at, POOL_BYTES - from);
        memcpy(to + at, pool + from, part);
    }
}

/* The place of the first byte in which these differ; `length` if they are the same. */
static size_t
same_up_to(const char *one, const char *other, size_t length)
{
    size_t at = 0;

    if (memcmp(one, other, length) == 0)
        return length;
    while (one[at] == other[at])
        at++;
    return at;
}

size_t
value_verify(uint64_t key_hash, const char *data, size_t length)
{
    uint64_t head = dice_mix(key_hash ^ length);
    size_t   from = head % POOL_BYTES, part = least(length, HEAD_BYTES);
    size_t   good = same_up_to(data, (const char *)&head, part);

    for (size_t at = part; good == at && at < length; at += part, from = 0) {
        part = least(length - at, POOL_BYTES - from);
        good = at + same_up_to(data + at, pool + from, part);
    }
    return good;
}
