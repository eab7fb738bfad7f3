/* t/fuzz/fuzz.h - what the entries of the fuzzer have in common.
 *
 * An entry is a program: fuzz_<entry>.c with the other files of this folder, but for the
 * other entries. clang links it with libFuzzer (`make fuzz`), gcc with replay.c, which
 * runs what lies in corpus/<entry>/ (`make check`). What must hold is said by must(), in
 * every build.
 */
#ifndef LARDER_T_FUZZ_FUZZ_H
#define LARDER_T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slabs/span.h"

/* libFuzzer's name. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called by replay.c behind the last input: a corpus is too small for the checks that are
 * made every so many inputs. */
void fuzz_end(void);

/* Numbers that depend on the input and on nothing else (splitmix64). */
struct dice {
    uint64_t state;
};

static inline struct dice
dice_of(struct span input)
{
    struct dice dice = { input.length };
    uint64_t    first = 0, last = 0;
    size_t      n = input.length < sizeof(first) ? input.length : sizeof(first);

    if (n > 0) {
        memcpy(&first, input.at, n);
        memcpy(&last, input.at + input.length - n, n);
    }
    dice.state ^= first ^ (last << 7 | last >> 57);
    return dice;
}

/* 0 .. sides - 1 */
static inline uint64_t
dice_roll(struct dice *dice, uint64_t sides)
{
    uint64_t bits = dice->state += 0x9e3779b97f4a7c15;

    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return (bits ^ bits >> 31) % sides;
}

#endif
