/* slabs/sum.c - checksums of items. See sum_priv.h.
 *
 * Deadline and lease are mixed in last, by exclusive or, so that changing these need not read
 * the value.
 */
#include "slabs/sum_priv.h"

#include "slabs/file_priv.h"

static const uint32_t LEASE = 0x5bd1e995;

/* A change of any bits of it changes the result. */
static uint32_t
mix(uint32_t deadline)
{
    return deadline * 0x9e3779b1; /* odd, so no two have the same */
}

static uint32_t
mix_lease(const struct item *item)
{
    return item_marks(item) & ITEM_LEASED ? LEASE : 0;
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
           mix(item_deadline(item)) ^ mix_lease(item);
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

static void
put_sum(struct item *item, uint32_t sum)
{
    memcpy(place(item), &sum, sizeof(sum));
}

void
sum_write(struct item *item)
{
    put_sum(item, sum_of(item));
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
    put_sum(item, sum);
}

void
sum_write_lease(struct item *item, bool leased)
{
    uint32_t before = mix_lease(item);

    if (leased)
        item_mark(item, ITEM_LEASED);
    else
        item_unmark(item, ITEM_LEASED);
    put_sum(item, read_sum(item) ^ before ^ mix_lease(item));
}

void
sum_spoil(struct item *item)
{
    put_sum(item, ~read_sum(item));
}
