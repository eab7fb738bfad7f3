/* bench/larder-bench/value.h - values whose every byte follows from key and length.
 *
 * Who reads one checks it without having written it:
 *
 *     | 8 bytes: a hash of key and length | bytes of a pool, from a place that the hash gives |
 *
 * The pool is 65,521 random bytes, the same in every process, read around and around. A prime,
 * so that parts of a long value that change places by some power of two are found out as well.
 * Shorter values end within the hash.
 */
#ifndef LARDER_BENCH_VALUE_H
#define LARDER_BENCH_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* Fills the pool; once, before all else. */
void value_init(void);

/* The hash of a key. */
uint64_t value_hash(const char *key, size_t key_length);

/* Writes the value of that length which belongs to the key of this hash. */
void value_write(uint64_t key_hash, char *to, size_t length);

/* The place of the first byte that is wrong; `length` if all are right. */
size_t value_verify(uint64_t key_hash, const char *data, size_t length);

#endif
