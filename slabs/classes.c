/* slabs/classes.c - the table of chunk sizes. */
#include "slabs/classes.h"

#include <stdbool.h>

#include "slabs/must.h"

static const double FINE_GROWTH = 1.0675; /* at most, below CLASS_FINE_BYTES */
static const double GROWTH_RAISED =
    1.01; /* times the growth factor, until CLASS_MAX classes suffice */

static uint32_t
round_up(uint32_t bytes, uint32_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

/* As large as a chunk may be without lowering how many a page holds. */
static uint32_t
widen(uint32_t bytes, uint32_t page_bytes, uint32_t unit)
{
    return page_bytes / (page_bytes / bytes) & ~(unit - 1);
}

static uint32_t
next_size(uint32_t bytes, double growth, uint32_t unit)
{
    double third = 1.0 + (growth - 1.0) / 3;
    double factor = bytes < CLASS_FINE_BYTES && third > FINE_GROWTH ? FINE_GROWTH : third;
    uint32_t next = (uint32_t)((double)bytes * factor) & ~(unit - 1);

    return next > bytes ? next : bytes + unit;
}

/* False when there are not enough classes for steps so small. */
static bool
fill(struct classes *classes, uint32_t smallest, uint32_t largest, uint32_t page_bytes,
     double growth, uint32_t unit)
{
    uint32_t bytes = round_up(smallest, unit);
    bool     reached = false;

    *classes = (struct classes){ 0 };
    while (!reached && classes->count < CLASS_MAX - 1) {
        uint32_t wide = bytes < largest ? widen(bytes, page_bytes, unit) : largest;

        reached = wide >= largest;
        if (!reached)
            classes->bytes[++classes->count] = wide;
        bytes = next_size(wide, growth, unit);
    }
    classes->bytes[++classes->count] = largest;
    return reached;
}

void
classes_init(struct classes *classes, uint32_t smallest, uint32_t largest,
             uint32_t page_bytes, double growth, uint32_t unit)
{
    must(unit >= 4 && (unit & (unit - 1)) == 0 && growth > 1.0);
    must(largest >= CLASS_FINE_BYTES && largest <= page_bytes);
    must((largest & (largest - 1)) == 0);
    while (!fill(classes, smallest, largest, page_bytes, growth, unit))
        growth *= GROWTH_RAISED;
    for (uint32_t i = 0; i <= CLASS_FINE_BYTES / 4; i++)
        classes->of_small[i] = (uint8_t)classes_find_large(classes, (size_t)i * 4);
}

unsigned
classes_find_large(const struct classes *classes, size_t bytes)
{
    unsigned low = 1, high = classes->count;

    if (bytes > classes->bytes[high])
        return 0;
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (classes->bytes[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
