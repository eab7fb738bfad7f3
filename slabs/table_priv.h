/* slabs/table_priv.h - the hash table: from a key's hash to an item's handle.
 *
 * The table is striped. The low bits of a hash choose the stripe, which has a lock, a
 * count and a CAS counter; the bits above choose the bucket within it, the top byte is
 * the tag. A bucket is one cache line of twelve slots:
 *
 *    0                    12     16                                     64
 *    +--------------------+------+--------------------------------------+
 *    | 12 tags of a byte  | next | 12 handles of 32 bits                |
 *    +--------------------+------+--------------------------------------+
 *
 * A slot is free where the tag is 0. Then its 32 bits are 0, or a ghost: 20 bits of the
 * hash of an item that was there, and a note that was left when it was evicted. An insert
 * of the same key is told of it. Ghosts cost no memory: a bucket has some five free slots,
 * so all of them together remember nearly as many items as the table holds.
 *
 * A stripe grows by linear hashing: bucket n is split off from bucket n - 2^k when
 * there are too many items for n buckets, one bucket at a write, so no write waits
 * for the table and a stripe never knows a "resize". Buckets that are full meanwhile
 * continue in an overflow bucket (`next`).
 *
 * Bucket i of stripe s lies at [i * stripes + s]: row i. All stripes grow at the same pace, so
 * the memory in use is one range from the start of a reservation that never moves. It is of
 * huge pages, and to clear one takes the kernel up to some milliseconds; so a thread that has
 * time for it asks for them before a store needs them (table_populate()).
 *
 * Locks: a stripe's lock (RANK_STRIPE) guards its buckets and the items linked there.
 * table_prefetch_* read without it: they only guess what to load, with relaxed atomics.
 */
#ifndef LARDER_SLABS_TABLE_PRIV_H
#define LARDER_SLABS_TABLE_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/lock.h"
#include "slabs/pages_priv.h"

enum { BUCKET_SLOTS = 12, STRIPE_BITS = 10, STRIPE_BITS_MAX = 12, NOTE_BITS = 12 };

struct bucket {
    _Alignas(64) uint64_t tags_low; /* tags of slots 0..7, in memory order         */
    uint32_t tags_high;             /* tags of slots 8..11                         */
    uint32_t next;                  /* 1 + index of an overflow bucket, 0: none    */
    handle_t slot[BUCKET_SLOTS];    /* or a ghost                                  */
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct stripe {
    _Alignas(64) struct lock lock;
    uint32_t items;
    uint32_t cas_counter;   /* of the era below                               */
    uint32_t cas_era;       /* in which its latest operation took place */
    uint32_t free_overflow; /* list of overflow buckets given back          */
};

#if !LARDER_DEBUG
_Static_assert(sizeof(struct stripe) == 64, "a stripe is one cache line");
#endif

struct table {
    struct stripe *stripes; /* frozen */
    /* How many buckets each stripe has: written under its lock, read by prefetches too, and
     * apart from it, for these few lines stay in the nearest cache. */
    _Atomic uint32_t *sizes;
    struct bucket    *buckets; /* frozen: the reservation          */
    struct bucket    *overflow;
    uint64_t          seed;        /* of the hash; frozen              */
    uint32_t          buckets_max; /* a stripe                         */
    uint32_t          overflow_max;
    _Atomic uint32_t  overflow_used; /* buckets ever taken from overflow */
    _Atomic uint32_t  rows;          /* that any stripe has a bucket in  */
    size_t            populated; /* bytes of main memory; of the thread that populates */
};

/* Room for `items_max` items. False where memory is not to be had. */
bool table_init(struct table *table, size_t items_max, uint64_t seed);
void table_fini(struct table *table);
/* Give a table that is empty as many buckets as it would have with so many items. */
void table_expect(struct table *table, size_t items);

/* Get memory for a part of the first so many rows, from where the last call has ended. False
 * where they have all they can get. One thread at a time. */
bool table_populate(struct table *table, uint32_t rows);

/* Which of the stripes a key is in. */
static inline size_t
table_lane(uint64_t hash)
{
    return hash & ((1u << STRIPE_BITS) - 1);
}

static inline struct stripe *
table_stripe(const struct table *table, uint64_t hash)
{
    return &table->stripes[table_lane(hash)];
}

/* How many buckets a stripe has. */
static inline uint32_t
table_size(const struct table *table, size_t lane)
{
    return atomic_load_explicit(&table->sizes[lane], memory_order_relaxed);
}

/* The item under the key, or NULL. The stripe is held. */
struct item *table_find(const struct table *table, const struct pages *pages,
                        uint64_t hash, struct span key);
/* True if this very chunk is linked under the hash. The stripe is held. */
bool table_has(const struct table *table, uint64_t hash, handle_t handle);
/* Link an item whose key is not there. False when no bucket is to be had. *note is what was
 * left when such an item was removed, or 0. The stripe is held; it may grow by a bucket. */
bool table_insert(struct table *table, const struct pages *pages, uint64_t hash,
                  handle_t handle, unsigned *note);
/* Point the slot of an item to another that takes its place. The stripe is held. */
void table_replace(struct table *table, uint64_t hash, handle_t from, handle_t to);
/* Unlink an item, and leave a note of NOTE_BITS unless it is 0. The stripe is held. */
void table_remove(struct table *table, uint64_t hash, handle_t handle, unsigned note);
/* Any item of the stripe, or NULL when it is empty: for emptying it. The stripe is
 * held. `*bucket` starts at 0 and remembers where to look on. */
struct item *table_any(const struct table *table, const struct pages *pages,
                       const struct stripe *stripe, uint32_t *bucket);

/* The items of one bucket of a stripe, at most `most` of them; returns how many. The stripe
 * is held. */
unsigned table_list(const struct table *table, const struct pages *pages,
                    const struct stripe *stripe, uint32_t bucket, struct item **items,
                    unsigned most);

uint64_t table_hash(const struct table *table, struct span key);

/* Load what a look-up will need: first the bucket, later what its slots point to. */
void table_prefetch_bucket(const struct table *table, uint64_t hash);
void table_prefetch_item(const struct table *table, const struct pages *pages,
                         uint64_t hash);

/* Bytes of buckets in use, for statistics. */
size_t table_bytes(const struct table *table);

#endif
