/* slabs/chain_priv.h - values that no chunk holds: chains of pieces.
 *
 *    item                    piece                   piece
 *    +--------+-----+----+   +--------+----------+   +--------+------+
 *    | header | key | *---->| next *-->| value  |   | next 0 | value |
 *    |        |     | len|   | prev   | ...      |   | prev   | ...  |
 *    +--------+-----+----+   +--------+----------+   +--------+------+
 *       a small class           the largest class      any class
 *
 * The item has a chunk of the class that fits, and so have the first and the last piece;
 * where there was none, they have one of the largest. The pieces between are full, and the
 * first is unless something was put before it. item_priv.h draws both.
 *
 * Threads: a chain is made by one thread, which alone knows it. Once the item is linked
 * nothing in it changes until the last reference to the item goes, but that the mover lets
 * other chunks take the place of some while nobody has a pin: who has one may walk it without
 * a lock. What nobody else has a pin on may be taken apart.
 */
#ifndef LARDER_SLABS_CHAIN_PRIV_H
#define LARDER_SLABS_CHAIN_PRIV_H

#include "slabs/cache_priv.h"

/* Bytes of the value in a full piece. */
size_t chain_piece_bytes(const struct cache *cache);
/* Add a piece for so many bytes to a new chain, behind `last` (NULL: as its first). NULL
 * when there is no memory. No lock may be held. */
struct item *chain_add(struct cache_thread *thread, struct item *item, struct item *last,
                       size_t bytes);
/* Give all pieces back; there may be none yet. */
void chain_give(struct cache_thread *thread, const struct item *item);

/* Tell all pieces that the item is now in this chunk. Stripe held, as for the next two; no
 * one has a pin. */
void chain_follow(const struct cache *cache, const struct item *item);
/* Is the piece one of the chain? Then *before is the one before it, NULL: it is the first. */
bool chain_has(const struct cache *cache, struct item *item, const struct item *piece,
               struct item **before);
/* Let one piece take the place of another. */
void chain_replace(const struct cache *cache, struct item *item, struct item *before,
                   const struct item *from, struct item *to);

/* What is added to a value goes before its first piece, or behind its last one. */
enum chain_end { CHAIN_FIRST, CHAIN_LAST };

/* How many bytes of the value are in other pieces than that one. */
size_t chain_rest(const struct cache *cache, const struct item *item, enum chain_end end);
/* Let these other pieces be pieces of `to`, next to those that it has. Stripe held; no one
 * else has a pin on `from`. */
void chain_hand_over(const struct cache *cache, struct item *from, struct item *to,
                     enum chain_end end);

struct item *chain_first(const struct cache *cache, const struct item *item);
/* What cache_read_value() does for a chain. */
struct span chain_read(struct cache_reading *reading, size_t from);

#endif
