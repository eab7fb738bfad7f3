/* slabs/classes.h - which chunk sizes there are.
 *
 * A size class is a chunk size. Class 0 does not exist (it names the free pages);
 * classes 1..count grow. Small classes step by a unit and then by a fifteenth, since most
 * items are small and every byte of theirs counts; from CLASS_FINE_BYTES on by a third of
 * what the growth factor adds. Each chunk size is widened to what divides its page best. The
 * largest chunk is a page, or a part of one: what does not fit it is a chain of chunks.
 */
#ifndef LARDER_SLABS_CLASSES_H
#define LARDER_SLABS_CLASSES_H

#include <stddef.h>
#include <stdint.h>

enum { CLASS_MAX = 127, CLASS_FINE_BYTES = 1024 };

struct classes {
    unsigned count;                /* classes are 1..count                    */
    uint32_t bytes[CLASS_MAX + 1]; /* chunk size; bytes[0] is 0               */
    uint8_t  of_small[CLASS_FINE_BYTES / 4 + 1]; /* class by (size + 3) / 4      */
};

/* Sizes from `smallest` to `largest`, all multiples of `unit` (4 or more, a power of two).
 * `largest` is a power of two, at least CLASS_FINE_BYTES and at most page_bytes. `growth`
 * is that factor, > 1; it is raised where CLASS_MAX classes would not
 * reach the largest with it. */
void classes_init(struct classes *classes, uint32_t smallest, uint32_t largest,
                  uint32_t page_bytes, double growth, uint32_t unit);

unsigned classes_find_large(const struct classes *classes, size_t bytes);

/* The smallest class whose chunks hold `bytes`, or 0 where none does. */
static inline unsigned
classes_find(const struct classes *classes, size_t bytes)
{
    if (bytes <= CLASS_FINE_BYTES)
        return classes->of_small[(bytes + 3) / 4];
    return classes_find_large(classes, bytes);
}

#endif
