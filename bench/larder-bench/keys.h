/* bench/larder-bench/keys.h - the names of keys.
 *
 * A key is known by its number. It is named after it, in as many bytes as were asked for:
 *
 *     k:000000000042      a value
 *     n:000000000042      a counter
 *
 * Those of a trace have the names that are there; then a number is an entry's.
 */
#ifndef LARDER_BENCH_KEYS_H
#define LARDER_BENCH_KEYS_H

#include <stdint.h>

#include "bench/larder-bench/plan.h"

/* The least bytes in which so many keys can have names of their own. */
unsigned keys_least_bytes(uint64_t count);

/* The name of the key that such an operation has. */
void keys_name(const struct plan *plan, enum op op, uint64_t number, struct key *key);

#endif
