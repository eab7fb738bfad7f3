/* slabs/sum_priv.h - checksums of items in a memory file.
 *
 *    +--------+-----+-------+-------+-----+
 *    | header | key | extra | value | sum |
 *    +--------+-----+-------+-------+-----+
 *
 * A file that its process could not seal has no checksums of pages, so there every item and
 * every piece of a chain brings its own, in the four bytes behind what item_chunk_size()
 * counts: without it a flipped bit in a value would be served. It covers whatever a client
 * is told as the item's: key, flags, value, lengths, deadline, CAS id, that it is stale or leased. It
 * does not cover what other items change, or the eviction lists: links, references, the time
 * of last use and that it was used. Of a chain the item's sum covers the length and each
 * piece's its bytes. The sum of an item that is unlinked is made wrong, or it would be one
 * bit away from being there again.
 *
 * A cache without a file has none, and does not compute any (cache->sum_bytes is 0).
 */
#ifndef LARDER_SLABS_SUM_PRIV_H
#define LARDER_SLABS_SUM_PRIV_H

#include "slabs/item_priv.h"

enum { SUM_BYTES = 4 };

/* Write the sum of an item or piece that has its last byte, or see if it is right. The item
 * is the caller's alone, or its stripe is held. */
void sum_write(struct item *item);
bool sum_is_right(const struct item *item);
/* The item ends at another time, or is leased or no longer so: change that, and its sum. */
void sum_write_deadline(struct item *item, uint32_t deadline);
void sum_write_lease(struct item *item, bool leased);
/* The item is gone for good. */
void sum_spoil(struct item *item);

#endif
