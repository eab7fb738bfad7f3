/* bench/larder-bench/keys.c - see keys.h. */
#include "bench/larder-bench/keys.h"

#include <string.h>

enum { PREFIX_BYTES = 2 };

unsigned
keys_least_bytes(uint64_t count)
{
    unsigned bytes = PREFIX_BYTES + 1;

    for (uint64_t highest = count - 1; highest > 9; highest /= 10)
        bytes++;
    return bytes;
}

void
keys_name(const struct plan *plan, enum op op, uint64_t number, struct key *key)
{
    char *at;

    if (plan->trace.count > 0) {
        const struct trace_entry *entry = &plan->trace.entries[number];

        key->length = entry->key_length;
        memcpy(key->text, entry->key, entry->key_length);
        return;
    }
    key->length = (uint8_t)plan->key_bytes;
    memcpy(key->text, op == OP_INCR || op == OP_ZERO ? "n:" : "k:", PREFIX_BYTES);
    at = key->text + key->length;
    for (; number > 0; number /= 10)
        *--at = (char)('0' + number % 10);
    memset(key->text + PREFIX_BYTES, '0', (size_t)(at - key->text) - PREFIX_BYTES);
}
