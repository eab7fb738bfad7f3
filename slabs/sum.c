/* slabs/sum.c - checksums of items. See sum_priv.h.
 *
 * The deadline is mixed in last, by exclusive or, so that a touch need not read the value.
 */
#include "slabs/sum_priv.h"

#include "slabs/file_priv.h"

/* A change of any bits of it changes the result. */
static uint32_t
mix(uint32_t deadline)
{
    return deadline * 0x9e3779b1; /* odd, so no two have the same */
}

/* Bytes that the sum covers: of a chain not where it begins, for the mover changes that. */
static size_t
covered_bytes(const struct item *item)
{
    return item_is_chained(item) ? item_value_offset(item)
                                 : item_chunk_size(item) - ITEM_HEADER;
}

static uint32_t
sum_of(const struct item *item)
{
    uint64_t shape = (item->traits & ~(unsigned)ITEM_LINKED) |
                     (uint64_t)(item_marks(item) & ITEM_SETTLED) << 8 |
                     (uint64_t)item->key_length << 16 |
                     (uint64_t)item_value_length(item) << 24;
    uint64_t seed = file_sum(&shape, sizeof(shape), item_cas(item));

    return (uint32_t)file_sum(item->bytes, covered_bytes(item), seed) ^
           mix(item_deadline(item));
}

/* Behind the item; it need not be aligned. */
static char *
place(const struct item *item)
{
    return (char *)(uintptr_t)item + item_chunk_size(item);
}

static uint32_t
read_sum(const struct item *item)
{
    uint32_t sum;

    memcpy(&sum, place(item), sizeof(sum));
    return sum;
}

void
sum_write(struct item *item)
{
    uint32_t sum = sum_of(item);

    memcpy(place(item), &sum, sizeof(sum));
}

bool
sum_is_right(const struct item *item)
{
    return read_sum(item) == sum_of(item);
}

void
sum_write_deadline(struct item *item, uint32_t deadline)
{
    uint32_t sum = read_sum(item) ^ mix(item_deadline(item)) ^ mix(deadline);

    item_set_deadline(item, deadline);
    memcpy(place(item), &sum, sizeof(sum));
}
