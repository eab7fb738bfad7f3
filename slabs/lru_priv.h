/* slabs/lru_priv.h - which item of a size class goes first.
 *
 * A class has four lists, its segments, each newest first:
 *
 *                +--- read since ---> WARM ---+      read since: to its head
 *    new ---> HOT                       |     |
 *                +--- not read ---> COLD <----+      not read
 *                                    |  +--- read since ---> WARM
 *                                    +--- not read ---> evicted
 *    new, with a short time to live ---> TEMP, until it ends
 *    new, but evicted not long ago ---> WARM
 *
 * Reading an item does not move it: a read only sets ITEM_ACTIVE. It counts when the item
 * has come to the tail of its list. HOT and WARM give up their tails when they have more
 * than their share of the class, or are too old beside the tail of COLD; so what is stored
 * once and never read passes through HOT and COLD and leaves WARM alone. What was written
 * since, but not read, begins anew in HOT. In flat mode there is only COLD, and an active
 * tail goes to its head.
 *
 * Locks: RANK_LRU guards the lists, their links, the segment in an item's marks and the
 * clearing of ITEM_ACTIVE. An item is in a list exactly while it is linked in the table;
 * linking and unlinking are done under the item's stripe. A victim is only named here: who
 * evicts it must take its stripe and look whether it is still there.
 */
#ifndef LARDER_SLABS_LRU_PRIV_H
#define LARDER_SLABS_LRU_PRIV_H

#include <stdint.h>

#include "slabs/cache.h"
#include "slabs/counters.h"
#include "slabs/lock.h"
#include "slabs/pages_priv.h"
#include "slabs/table_priv.h"

struct lru_list {
    handle_t newest;
    handle_t oldest;
    uint64_t count;
};

struct lru {
    _Alignas(64) struct lock lock; /* guards the rest, RANK_LRU */
    struct lru_list list[CACHE_SEGMENTS];
    uint32_t        evicted_idle; /* ticks, of the last one that was evicted     */
    uint32_t        turn;         /* segment to look through next for dead items */
    uint64_t        added;        /* items, ever                                 */
    uint64_t        filled;       /* chunks that they took, but for parts of one */
    uint64_t        evicted;      /* live items, ever                            */
    uint64_t        returned;     /* of these, soon after                        */
};

/* An item that may be evicted; by the time it is looked at it may be another's. */
struct victim {
    uint64_t hash;
    handle_t handle;
};

/* By what a thread goes that looks after lists: as it is when it begins. */
struct lru_policy {
    const struct pages          *pages;
    const struct table          *table;
    struct cache_class_counters *counters;      /* the thread's, of the class           */
    uint32_t                     now;           /* by the clock: dead items are idle    */
    uint32_t                     flushed_below; /* items of an older era are dead       */
    struct cache_lru             lru;
};

void lru_init(struct lru *lru);
void lru_fini(struct lru *lru);

/* Put an item at the head of a segment. With the note of its eviction, if it has come back
 * from one not long ago, HOT means WARM. */
void lru_add(struct lru *lru, const struct pages *pages, struct item *item,
             enum cache_segment segment, unsigned note);
void lru_remove(struct lru *lru, const struct pages *pages, struct item *item);
/* Take `from` out, and put `to`, which is in no list, at the head of a segment. */
void lru_replace(struct lru *lru, const struct pages *pages, struct item *from,
                 struct item *to, enum cache_segment segment);

/* Restoring: items of one segment that are linked with each other, and in no list yet. */
struct lru_chain {
    handle_t newest;
    handle_t oldest;
    uint64_t count;
};

/* Put an item of that segment behind the oldest of a chain of the caller's own. */
void lru_chain_add(struct lru_chain *chain, const struct pages *pages, struct item *item);
/* Put a whole chain behind the oldest item of its segment. */
void lru_adopt(struct lru *lru, const struct pages *pages, const struct lru_chain *chain,
               enum cache_segment segment);

/* Does an item with this deadline belong into TEMP? */
bool lru_is_temporary(const struct cache_lru *lru, uint32_t deadline, uint32_t now);

/* Let `to`, which is in no list, take the very place of `from`, with its marks. */
void lru_swap(struct lru *lru, const struct pages *pages, struct item *from,
              struct item *to);

/* Note that an item is evicted that has been idle for so many ticks; what is to be remembered
 * of it, 1 to NOTES: a time, in evictions. */
enum { NOTES = (1 << NOTE_BITS) - 1 };
unsigned lru_note_eviction(struct lru *lru, uint32_t idle);

/* What tells how much a class is in want of memory. */
struct lru_want {
    uint64_t added;        /* items, ever                                          */
    uint64_t filled;       /* chunks of the class that they took                   */
    uint64_t evicted;      /* live items, ever                                     */
    uint64_t returned;     /* of these, so soon that a little more would have done */
    uint32_t idle;         /* ticks, of the coldest item; UINT32_MAX: there is none */
    uint32_t evicted_idle; /* ticks, of the last one that was evicted               */
};

struct lru_want lru_want(struct lru *lru, const struct pages *pages, uint32_t now);

/* The item that would go first, by now maybe gone; NULL: none. */
const struct item *lru_coldest(struct lru *lru, const struct pages *pages);
/* How an eviction looks for victims. */
struct lru_search {
    bool spare_active; /* otherwise active items are victims too                      */
    bool dead_only;    /* who asks will only take dead ones: go through all in turn   */
    unsigned most;     /* victims wanted                                              */
};

/* Name idle items, coldest first; returns how many. Looks at a bounded number of items,
 * so it may find none where a second search will: what it spares moves on. */
unsigned lru_find_victims(struct lru *lru, const struct lru_policy *policy,
                          const struct lru_search *search, struct victim *victims);

/* What nobody waits for: let tails move on, and name what is dead in TEMP, at most `most`.
 * (Elsewhere a search finds the dead when it gets there.) A bounded number of items;
 * *moved says how many have moved. */
unsigned lru_keep(struct lru *lru, const struct lru_policy *policy, unsigned most,
                  struct victim *victims, unsigned *moved);

#endif
