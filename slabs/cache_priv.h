/* slabs/cache_priv.h - how the parts of the engine hang together.
 *
 * CAS ids. An id is drawn under the stripe's lock:
 *
 *    63              32 31             12 11        0
 *    +-----------------+-----------------+-----------+
 *    | era             | counter         | stripe    |
 *    +-----------------+-----------------+-----------+
 *
 * so ids of a key only grow, ids of two keys differ, and no two threads share a counter.
 * The era is the cache's. A flush moves `flushed_below` up by one and then the era to it:
 * an item whose era is lower is dead. So a flush costs nothing and is exact.
 *
 * An operation takes place in the era that it finds before it looks its key up, and ids
 * are drawn in that one: if a flush comes between, what it makes of the old item is as
 * dead as the old item.
 */
#ifndef LARDER_SLABS_CACHE_PRIV_H
#define LARDER_SLABS_CACHE_PRIV_H

#include "slabs/automove_priv.h"
#include "slabs/cache.h"
#include "slabs/clock.h"
#include "slabs/counters.h"
#include "slabs/item_priv.h"
#include "slabs/lock.h"
#include "slabs/lru_priv.h"
#include "slabs/pages_priv.h"
#include "slabs/sum_priv.h"
#include "slabs/table_priv.h"

_Static_assert((int)CACHE_CLASS_MAX == (int)CLASS_MAX, "one number of size classes");
_Static_assert(CACHE_KEY_MAX <= UINT8_MAX, "an item's key length has 8 bits");

enum {
    CAS_ERA_SHIFT = 32,
    CAS_COUNTER_SHIFT = STRIPE_BITS_MAX,
    CAS_COUNTER_LIMIT = 1 << (CAS_ERA_SHIFT - CAS_COUNTER_SHIFT),
};

/* What a thread has counted. */
struct cache_counts {
#define CACHE_COUNTER_FIELD(name, meaning) uint64_t name;
    CACHE_PLAIN_COUNTERS(CACHE_COUNTER_FIELD)
#undef CACHE_COUNTER_FIELD
    struct cache_class_counters of_class[CLASS_MAX + 1];
};

struct cache_thread {
    _Alignas(128) struct cache_counts counters;
    struct cache        *cache;
    cache_on_eviction   *on_eviction; /* or NULL */
    void                *on_eviction_ctx;
    struct cache_thread *next; /* under cache->threads_lock */
    uint64_t       *sizes; /* CACHE_SIZES, modulo 2^64: linked less unlinked; or NULL */
    struct magazine magazine[CLASS_MAX + 1];
};

/* struct cache_lru, as it is changed while threads go by it. */
struct lru_tuning {
    _Atomic bool     segmented;
    _Atomic bool     temporary;
    _Atomic uint32_t temporary_ttl_s;
    _Atomic uint32_t hot_percent;
    _Atomic uint32_t warm_percent;
    _Atomic double   hot_factor;
    _Atomic double   warm_factor;
};

/* A page on its way from one class to another. */
struct page_mover {
    struct lock  lock;  /* RANK_LEAF; guards the next five            */
    bool         asked; /* to move a page between these:             */
    unsigned     asked_from;
    unsigned     asked_to;     /* 0: the pool                        */
    bool         asked_by_us;  /* by balance.c or for the limit, and not by a client */
    bool         works_for_us; /* the same of what is under way      */
    _Atomic bool running;      /* asked, or at work                  */
    /* Of the thread that calls cache_move_step(): */
    uint32_t page; /* that is being emptied, 0: none                 */
    unsigned from;
    unsigned to;
    uint32_t at;       /* the next chunk of it to be looked at       */
    uint32_t drained;  /* chunks kept back when this pass began      */
    bool     copied;   /* something that was on it                   */
    unsigned idle;     /* passes without a chunk more                */
    unsigned given_up; /* pages that were, one after the other       */
    uint32_t next;     /* where to look for another                  */
    unsigned barren;   /* class whose pages are all in use, 0: none  */
};

struct cache {
    /* Read at every request, written at a flush. */
    const struct clock *clock;
    _Atomic uint32_t    era;
    _Atomic uint32_t    flushed_below;
    size_t              item_bytes_max;
    size_t       chunk_bytes_max; /* of the largest class; larger items are chains */
    size_t       sum_bytes;       /* of the checksum behind each item, 0: none     */
    bool         evicts;
    bool         tracks_sizes;
    struct table table;
    struct pages pages;

    struct lru        lru[CLASS_MAX + 1];
    struct lru_tuning tuning;
    struct page_mover mover;
    struct automove   automove;  /* of the thread that calls cache_move_step() */
    bool              has_spare; /* the same: some class did at the last look  */
    /* For a chain that does not fit what the largest class has: */
    _Atomic uint32_t     wanted_pages; /* that it is to have, 0: none... */
    _Atomic uint32_t     wanted_until; /* ...until then                  */
    struct lock          threads_lock; /* RANK_THREADS; guards the next three */
    struct cache_thread *threads;
    struct cache_counts  ended;       /* what destroyed handles have counted */
    uint64_t            *ended_sizes; /* the same for sizes, or NULL          */
    struct lock          flush_lock;  /* RANK_LEAF; guards raising the era and the next */
    uint32_t             flush_at;    /* deadline of the pending flush, or CLOCK_NEVER  */

    _Atomic uint32_t     restore_next; /* the page that the next thread restores        */
    struct restore_part *restored;     /* what threads have done; under threads_lock    */
    bool                *piece_pages;  /* while restoring: which pages have pieces      */
};

/*
 * A chunk that an operation has got beforehand, to build an item in. Chunks are not to be
 * had under a stripe, so an operation that finds that it needs one notes which
 * (spare_has), does nothing, and is run again with it.
 */
struct spare {
    struct item *item;       /* NULL: none                              */
    unsigned     size_class; /* that it is of                           */
    unsigned     wanted;     /* class of the chunk to be fetched, or 0  */
};

/* ---- cache.c: what a memory file is told of -------------------------------------- */

/* Note time, era and pending flush in the memory file, if there is one; `era` and
 * `flushed_below` are those that come next. flush_lock is held. */
void cache_note_state_locked(struct cache *cache, uint32_t era, uint32_t flushed_below);

/* ---- alloc.c: memory for items --------------------------------------------------- */

/* A chunk of the class, by evicting if need be; NULL when there is none. No lock may be
 * held. */
struct item *item_take(struct cache_thread *thread, unsigned size_class);
/* The same for a part of a chain: where there is none of that class, one of the largest. */
struct item *item_take_part(struct cache_thread *thread, unsigned size_class);
/* For what is to leave its chunk: as the first, or for a part as the second, but nothing
 * beyond the limit, which would not make less of the memory in use. */
struct item *item_take_to_move(struct cache_thread *thread, unsigned size_class,
                               bool is_part);
/* Give back a chunk that nobody refers to, with its chain. */
void item_give(struct cache_thread *thread, struct item *item);
/* Drop a reference; the last one frees the chunk. */
void item_unref(struct cache_thread *thread, struct item *item);
/* Does the spare have a chunk of this class? Otherwise note that it should. */
bool spare_has(struct spare *spare, unsigned size_class);
/* Get the chunk that is wanted, in place of what the spare has. */
bool spare_fetch(struct cache_thread *thread, struct spare *spare);
void spare_return(struct cache_thread *thread, struct spare *spare);

/* ---- balance.c ------------------------------------------------------------------- */

/* The class that loses least by a page less; 0: none can give any. */
unsigned balance_give(struct cache *cache);
/* Let the largest class have so many pages for a while. */
void balance_want(struct cache *cache, size_t pages);
/* Has it fewer? */
bool balance_is_wanting(struct cache *cache);

/* ---- mover.c ---------------------------------------------------------------------- */

void page_mover_init(struct page_mover *mover);
void page_mover_fini(struct page_mover *mover);
/* As cache_move_ask(), but clients come first. */
void mover_ask(struct cache *cache, unsigned from, unsigned to);

/* ---- links.c: what is in the table and in the lists ------------------------------ */

bool item_is_expired(const struct cache *cache, const struct item *item);
bool item_is_flushed(const struct cache *cache, const struct item *item);
bool item_is_dead(const struct cache *cache, const struct item *item);
/* The class in whose list an item is and under which it counts: that of its chunk, or the
 * class of a chain's full pieces, since they are what evicting it brings. */
static inline unsigned
item_class(const struct cache *cache, const struct item *item)
{
    return item_is_chained(item) ? cache->pages.classes.count
                                 : pages_class(&cache->pages, item);
}

/* The thread's counters of the item's class. */
struct cache_class_counters *item_counters(struct cache_thread *thread,
                                           const struct item   *item);
/* Begin an operation: the live item under the key; a dead one that it meets is unlinked.
 * Stripe held until the operation has ended. */
struct item *item_find_live_locked(struct cache_thread    *thread,
                                   const struct cache_key *key);
/* Link an item under a key that has none. False when the table is full. Stripe held. */
bool item_link_locked(struct cache_thread *thread, uint64_t hash, struct item *item);
void item_unlink_locked(struct cache_thread *thread, uint64_t hash, struct item *item);
/* The same for want of memory; the note of lru_note_eviction() is kept in case it comes
 * back. */
void item_evict_locked(struct cache_thread *thread, uint64_t hash, struct item *item,
                       unsigned note);
/* Let `to` take the place of `from`, which is unlinked. Stripe held. */
void item_replace_locked(struct cache_thread *thread, uint64_t hash, struct item *from,
                         struct item *to);
/* Let `to`, which has all that the item `from` has but its marks, be that item. Both are of
 * one class. Stripe held. */
void item_move_locked(struct cache_thread *thread, uint64_t hash, struct item *from,
                      struct item *to);
/* Give the item a new id: new_cas, which needs an item that was made with room for its
 * era, or with 0 the next one of its stripe; once an operation. Stripe held. */
void item_stamp_locked(struct cache *cache, uint64_t hash, struct item *item,
                       uint64_t new_cas);
/* Let an item that ends at another time go on. Stripe held. */
void item_touch_locked(const struct cache *cache, struct item *item, uint32_t deadline);
/* One of its readers has been told to refresh it. Stripe held. */
void item_lease_locked(const struct cache *cache, struct item *item);
/* Show an item, old or new, as it is now to be. Stripe held. */
static inline void
item_settle_locked(const struct cache *cache, struct item *item)
{
    if (cache->sum_bytes > 0)
        sum_write(item);
    item_show(item);
}

/* Count the item as used. Stripe held. */
void item_used_locked(struct cache *cache, struct item *item);
/* Seconds until the item ends, -1 if it never does. */
int32_t item_ttl_s(const struct cache *cache, const struct item *item);

/* Count an item that has entered the table. */
void item_count_linked(struct cache_thread *thread, const struct item *item);
/* Count an item under its size, or no longer, where sizes are tracked. */
void item_track_size(struct cache_thread *thread, const struct item *item, int change);

/* ---- read.c ---------------------------------------------------------------------- */

/* Take a pin, unless there are too many. Stripe held. */
bool item_pin_locked(struct item *item);
/* Describe an item for readers, as it is now. Stripe held. */
struct cache_reading item_describe_locked(const struct cache *cache, struct item *item);
/* Note in the result what an operation has found under its key, NULL: nothing. */
void item_note_found(const struct cache *cache, const struct item *item,
                     struct cache_result *result);

/* ---- making items: cache.c, upload.c, store.c ------------------------------------ */

/* What an item is to look like. */
struct item_shape {
    struct span key;
    uint32_t    client_flags;
    bool        own_era;
    bool        chained; /* item_class_for() settles it */
    size_t      value_length;
};

/* Is it one that no chunk holds, or not with an era? Were there items without room for one, a client
 * that chooses the id of such an item would have to make a chain of it. */
bool item_takes_chain(const struct cache *cache, const struct item_shape *shape);
/* The class of the chunk that is to hold it, or to begin its chain; 0 where none may. */
unsigned item_class_for(const struct cache *cache, struct item_shape *shape);
/* Bytes of the chunk that an item of this shape uses, or one that is there. */
static inline size_t
item_room_of(const struct cache *cache, const struct item_shape *shape)
{
    return item_size_of(shape->key.length, shape->client_flags, shape->own_era,
                        shape->chained ? sizeof(struct item_chain)
                                       : shape->value_length) +
           cache->sum_bytes;
}

static inline size_t
item_room(const struct cache *cache, const struct item *item)
{
    return item_chunk_size(item) + cache->sum_bytes;
}

/* Write header, key and flags of a new item. The value is the caller's to fill; dates and
 * id come when it is linked. */
void item_write_head(const struct cache *cache, struct item *item,
                     const struct item_shape *shape);
/* Begin to fill a new item of this shape: OK, TOO_LARGE or NO_MEMORY. */
enum cache_status upload_begin(struct cache_thread *thread, struct item_shape *shape,
                               struct cache_upload *upload);
/* Fill in a part of a value; false when there is no memory. */
struct value_part {
    struct cache_reading *of;
    size_t                from, to; /* bytes of the value */
};
bool upload_copy(struct cache_thread *thread, struct cache_upload *upload,
                 struct value_part part);

#endif
