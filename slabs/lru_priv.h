/* slabs/lru_priv.h - which item of a size class goes first.
 *
 * One list a class, newest first. Reading an item does not move it: a read only sets
 * ITEM_ACTIVE. When memory is needed, active items that have come to the tail lose the
 * mark and go back to the head; the first one that is not active is the victim.
 *
 * Locks: RANK_LRU guards the list, its links and the clearing of ITEM_ACTIVE. An item
 * is in the list exactly while it is linked in the table; linking and unlinking are done
 * under the item's stripe. A victim is only named here: who evicts it must take its
 * stripe and look whether it is still there.
 */
#ifndef LARDER_SLABS_LRU_PRIV_H
#define LARDER_SLABS_LRU_PRIV_H

#include <stdint.h>

#include "slabs/lock.h"
#include "slabs/pages_priv.h"
#include "slabs/table_priv.h"

struct lru {
    _Alignas(64) struct lock lock; /* guards the rest, RANK_LRU */
    handle_t newest;
    handle_t oldest;
    uint64_t count;
    uint32_t evicted_idle_s; /* of the last one that was evicted */
};

/* An item that may be evicted; by the time it is looked at it may be another's. */
struct victim {
    uint64_t hash;
    handle_t handle;
};

void lru_init(struct lru *lru);
void lru_fini(struct lru *lru);

void lru_add(struct lru *lru, const struct pages *pages, struct item *item);
void lru_remove(struct lru *lru, const struct pages *pages, struct item *item);
/* Let `to`, which is in no list, take the place of `from` at the head. */
void lru_replace(struct lru *lru, const struct pages *pages, struct item *from,
                 struct item *to);

/* Note that an item is evicted that has been idle for so long. */
void lru_note_eviction(struct lru *lru, uint32_t idle_s);

/* How an eviction looks for victims. */
struct search {
    uint32_t now; /* by the clock: dead items are idle whatever their marks      */
    uint32_t
         flushed_below; /* items of an older era are dead                              */
    bool spare_active;  /* active items go to the head; otherwise they are victims too */
    bool dead_only;     /* who asks will only take dead ones: go through all in turn   */
    unsigned most;      /* victims wanted                                              */
};

/* Name idle items, coldest first; returns how many. Looks at a bounded number of items,
 * so it may find none where a second search will: what it spares goes to the head. */
unsigned lru_find_victims(struct lru *lru, const struct pages *pages,
                          const struct table *table, const struct search *search,
                          struct victim *victims);

#endif
