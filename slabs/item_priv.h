/* slabs/item_priv.h - what lies in a chunk.
 *
 *    0        8        16       20       24       27 28   30 31 32
 *    +--------+--------+--------+--------+--------+--+----+--+--+-----+-------+------+-------+
 *    | list   | CAS id |deadline|accessed| value  |k | r  |m |t | key | extra | gap  | value |
 *    | links  |        |        |        | length |  |    |  |  |     | 0/4/8 | 0/64 |       |
 *    +--------+--------+--------+--------+--------+--+----+--+--+-----+-------+------+-------+
 *             k key length   r references   m marks   t traits
 *
 * Extra are four bytes of client flags, only where they are not zero, and four bytes of
 * era, only where a client chose the CAS id. In a memory file a checksum of four bytes
 * follows the value (sum_priv.h). A free chunk in the list of its class is
 * linked there by `next` and `prev`; one that a thread keeps has no traits.
 *
 * The gap is there before large values, for the sake of the processor. What a client sends lies in
 * the kernel from the start of a page, if nothing was on its way, and a large chunk often starts a
 * page as well. A request line is a little shorter than a header with its key is, so the value
 * would go to places that are a few bytes further in their page than those it comes from; with such
 * a distance, of 1 to 31 bytes, AMD's `rep movsb` copies at a quarter of its speed. Smaller caches
 * have smaller chunks, and no gaps. (An era stands next to the value, in the gap.)
 *
 * A value that no chunk holds is a chain. The item then ends with a struct item_chain in
 * place of the value, and always has an era; the value is in pieces: chunks with the same
 * header, no key and no extra. In a piece `next` is the next piece, `prev` the item, the
 * value's length that of the piece. All but the last are chunks of the largest class, and
 * full. See chain_priv.h.
 *
 * Who may touch what:
 *   next, prev          under the LRU lock of the class; while free, under the class lock;
 *                       of a piece as everything else
 *   marks               atomic; written under the stripe, cleared under the LRU lock too;
 *                       the upper two bits are the item's segment, under the LRU lock
 *   deadline, cas_high, accessed
 *                       atomic; written under the stripe, read under the LRU lock too
 *   references          atomic; raised only under the stripe by who found the item in the
 *                       table, so it cannot rise again once it fell to zero
 *   traits              as everything else, but written as atomics: who empties a page
 *                       looks at chunks that are not its own (mover.c). What is linked is
 *                       so with release, for who reads the key then
 *   everything else     under the stripe once linked, and only while nobody has a pin;
 *                       before that by whoever allocated the chunk
 * The key of a linked item never changes, so who holds the LRU lock may read it.
 *
 * Who starts after this process was killed finds its pages and takes for an item what has
 * ITEM_LINKED (restore.c). So that is set last, and an item that is linked is hidden while
 * its bytes change; of two items under one key the old one is hidden first. A process is
 * killed between two instructions, so the order that the compiler keeps is enough. Who
 * changes this layout raises FILE_VERSION (file_priv.h).
 */
#ifndef LARDER_SLABS_ITEM_PRIV_H
#define LARDER_SLABS_ITEM_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "slabs/clock.h"
#include "slabs/span.h"

/* Offset of a chunk in the region, in units (4 bytes up to 16 GiB). 0 is no chunk. */
typedef uint32_t handle_t;

enum item_trait {
    ITEM_TAKEN = 1,        /* the chunk holds an item, or one that is being made    */
    ITEM_LINKED = 2,       /* it is in the table and in a list                      */
    ITEM_CLIENT_FLAGS = 4, /* four bytes of flags stand behind the key              */
    ITEM_OWN_ERA = 8,      /* four bytes of era stand before the value              */
    ITEM_CHAINED = 16,     /* the value is in pieces                                */
    ITEM_PIECE = 32,       /* no item, but a piece of one                           */
    CHUNK_FREE = 64,       /* nothing, but in the free list of its class            */
    CHUNK_DRAINED = 128,   /* nothing, and kept back: its page is being emptied     */
};

enum item_mark {
    ITEM_FETCHED = 1,     /* somebody has read it since it was stored                   */
    ITEM_ACTIVE = 2,      /* used since the eviction list last looked at it             */
    ITEM_STALE = 4,       /* a client has said that the value is out of date            */
    ITEM_LEASED = 8,      /* one reader has been told to refresh the value              */
    ITEM_BINARY_KEY = 16, /* stored under a key that came in base64                     */
    ITEM_CHOSEN_CAS = 32, /* a client has chosen the id, so it tells no era             */
    ITEM_SEGMENT = 192,   /* enum cache_segment: the list that it is in                 */
    /* What only the operations on its key change: */
    ITEM_SETTLED = ITEM_STALE | ITEM_BINARY_KEY | ITEM_CHOSEN_CAS,
};

enum {
    ITEM_HEADER = 32,
    ITEM_LARGE_VALUE = 1 << 16,  /* bytes; from here on there is a gap...     */
    ITEM_GAP = 64,               /* ...of so many                             */
    ITEM_REFERENCES_MAX = 60000, /* one by the link, the rest pins            */
    ITEM_SEGMENT_SHIFT = 6,
};

struct item {
    handle_t next;
    handle_t prev;
    uint32_t cas_low;
    _Atomic uint32_t
        cas_high; /* the era that the id was drawn in, unless a client chose it */
    _Atomic uint32_t deadline; /* ticks, see clock.h */
    _Atomic uint32_t accessed; /* ticks               */
    uint8_t          value_length[3];
    uint8_t          key_length;
    _Atomic uint16_t references;
    _Atomic uint8_t  marks;
    uint8_t          traits;
    char             bytes[];
};

_Static_assert(sizeof(struct item) == ITEM_HEADER, "an item's header is 32 bytes");
_Static_assert(_Alignof(struct item) == 4, "chunks begin at multiples of four");

/* What a chunk is that may be another thread's. */
static inline uint8_t
item_traits(const struct item *item)
{
    return __atomic_load_n(&item->traits, __ATOMIC_ACQUIRE);
}

static inline void
item_set_traits(struct item *item, unsigned traits)
{
    __atomic_store_n(&item->traits, (uint8_t)traits, __ATOMIC_RELEASE);
}

/* The one before it in a list, or the item that it is a piece of: the mover looks at that
 * without a lock, too. */
static inline void
item_set_prev(struct item *item, handle_t prev)
{
    __atomic_store_n(&item->prev, prev, __ATOMIC_RELAXED);
}

/* From now on it is an item, for others and for a rebuild; all of it has been written. See
 * item_settle_locked(). */
static inline void
item_show(struct item *item)
{
    item_set_traits(item, item->traits | ITEM_LINKED);
    atomic_signal_fence(memory_order_seq_cst);
}

/* From now on it is not; what follows may change it. */
static inline void
item_hide(struct item *item)
{
    item_set_traits(item, item->traits & ~(unsigned)ITEM_LINKED);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline struct span
item_key(const struct item *item)
{
    return (struct span){ item->bytes, item->key_length };
}

/* What a chained item has in place of a value. */
struct item_chain {
    handle_t first; /* piece */
    uint32_t length;
};

static inline size_t
item_gap(size_t value_length)
{
    return value_length >= ITEM_LARGE_VALUE ? ITEM_GAP : 0;
}

/* The third byte of the length tells whether there is a gap: from ITEM_LARGE_VALUE on. */
static inline size_t
item_value_offset(const struct item *item)
{
    return item->key_length + (item->traits & ITEM_CLIENT_FLAGS ? 4u : 0u) +
           (item->traits & ITEM_OWN_ERA ? 4u : 0u) +
           (item->value_length[2] != 0 ? ITEM_GAP : 0u);
}

static inline bool
item_is_chained(const struct item *item)
{
    return item->traits & ITEM_CHAINED;
}

/* Of a chained item. */
static inline struct item_chain
item_get_chain(const struct item *item)
{
    struct item_chain chain;

    memcpy(&chain, item->bytes + item_value_offset(item), sizeof(chain));
    return chain;
}

static inline void
item_set_chain(struct item *item, struct item_chain chain)
{
    memcpy(item->bytes + item_value_offset(item), &chain, sizeof(chain));
}

static inline size_t
item_value_length(const struct item *item)
{
    const uint8_t *bytes = item->value_length;

    if (item_is_chained(item))
        return item_get_chain(item).length;
    return bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16;
}

/* Of a chained item it is 0: its length stands with the chain. */
static inline void
item_set_value_length(struct item *item, size_t length)
{
    item->value_length[0] = (uint8_t)length;
    item->value_length[1] = (uint8_t)(length >> 8);
    item->value_length[2] = (uint8_t)(length >> 16);
}

static inline uint32_t
item_deadline(const struct item *item)
{
    return atomic_load_explicit(&item->deadline, memory_order_relaxed);
}

static inline void
item_set_deadline(struct item *item, uint32_t deadline)
{
    atomic_store_explicit(&item->deadline, deadline, memory_order_relaxed);
}

static inline uint32_t
item_accessed(const struct item *item)
{
    return atomic_load_explicit(&item->accessed, memory_order_relaxed);
}

static inline void
item_set_accessed(struct item *item, uint32_t now)
{
    atomic_store_explicit(&item->accessed, now, memory_order_relaxed);
}

static inline uint32_t
item_idle_s(const struct item *item, uint32_t now)
{
    return (now - item_accessed(item)) / CLOCK_HZ;
}

static inline uint32_t
item_cas_high(const struct item *item)
{
    return atomic_load_explicit(&item->cas_high, memory_order_relaxed);
}

static inline uint64_t
item_cas(const struct item *item)
{
    return (uint64_t)item_cas_high(item) << 32 | item->cas_low;
}

/* Has the item the id that a client names? 0 is the id of nothing, even of an item whose
 * client has chosen 0. */
static inline bool
item_has_cas(const struct item *item, uint64_t cas)
{
    return cas != 0 && cas == item_cas(item);
}

static inline void
item_set_cas(struct item *item, uint64_t cas)
{
    item->cas_low = (uint32_t)cas;
    atomic_store_explicit(&item->cas_high, (uint32_t)(cas >> 32), memory_order_relaxed);
}

static inline size_t
item_flags_room(uint32_t client_flags)
{
    return client_flags != 0 ? sizeof(client_flags) : 0;
}

/* Bytes of the chunk that an item of this shape uses. */
static inline size_t
item_size_of(size_t key_length, uint32_t client_flags, bool own_era, size_t value_length)
{
    return ITEM_HEADER + key_length + item_flags_room(client_flags) +
           (own_era ? sizeof(uint32_t) : 0) + item_gap(value_length) + value_length;
}

/* Not of a chained item. */
static inline char *
item_value(struct item *item)
{
    return item->bytes + item_value_offset(item);
}

static inline const char *
item_cvalue(const struct item *item)
{
    return item->bytes + item_value_offset(item);
}

/* What the item counts as. */
static inline size_t
item_size(const struct item *item)
{
    return ITEM_HEADER + item_value_offset(item) + item_value_length(item);
}

/* What it uses of its own chunk. */
static inline size_t
item_chunk_size(const struct item *item)
{
    if (item_is_chained(item))
        return ITEM_HEADER + item_value_offset(item) + sizeof(struct item_chain);
    return item_size(item);
}

static inline uint32_t
item_client_flags(const struct item *item)
{
    uint32_t flags = 0;

    if (item->traits & ITEM_CLIENT_FLAGS)
        memcpy(&flags, item->bytes + item->key_length, sizeof(flags));
    return flags;
}

/* Write the client flags; the value's place depends on them. */
static inline void
item_set_client_flags(struct item *item, uint32_t flags)
{
    item_set_traits(item, item->traits & ~(unsigned)ITEM_CLIENT_FLAGS);
    if (flags == 0)
        return;
    item_set_traits(item, item->traits | ITEM_CLIENT_FLAGS);
    memcpy(item->bytes + item->key_length, &flags, sizeof(flags));
}

/* The era beside a CAS id that a client chose; it stands behind the client flags. */
static inline uint32_t
item_own_era(const struct item *item)
{
    uint32_t era;

    memcpy(&era, item->bytes + item_value_offset(item) - sizeof(era), sizeof(era));
    return era;
}

/* The era that decides whether a flush has ended it. */
static inline uint32_t
item_era(const struct item *item)
{
    return item->traits & ITEM_OWN_ERA ? item_own_era(item) : item_cas_high(item);
}

static inline void
item_set_own_era(struct item *item, uint32_t era)
{
    item_set_traits(item, item->traits | ITEM_OWN_ERA);
    memcpy(item->bytes + item_value_offset(item) - sizeof(era), &era, sizeof(era));
}

static inline uint8_t
item_marks(const struct item *item)
{
    return atomic_load_explicit(&item->marks, memory_order_relaxed);
}

/* Set marks; writes only when one is missing, so that reads of a hot item leave its
 * cache line alone. */
static inline void
item_mark(struct item *item, uint8_t marks)
{
    if ((item_marks(item) & marks) != marks)
        atomic_fetch_or_explicit(&item->marks, marks, memory_order_relaxed);
}

static inline void
item_unmark(struct item *item, uint8_t marks)
{
    atomic_fetch_and_explicit(&item->marks, (uint8_t)~marks, memory_order_relaxed);
}

/* Have these marks and no others, but stay in the segment. */
static inline void
item_remark(struct item *item, uint8_t marks)
{
    uint8_t before = item_marks(item), after;

    do {
        after = (before & ITEM_SEGMENT) | marks;
    } while (before != after && !atomic_compare_exchange_weak_explicit(
                                    &item->marks, &before, after, memory_order_relaxed,
                                    memory_order_relaxed));
}

static inline unsigned
item_segment(const struct item *item)
{
    return item_marks(item) >> ITEM_SEGMENT_SHIFT;
}

/* The LRU lock is held: nobody else changes these two bits. */
static inline void
item_set_segment(struct item *item, unsigned segment)
{
    unsigned change = item_segment(item) ^ segment;

    if (change != 0)
        atomic_fetch_xor_explicit(&item->marks, (uint8_t)(change << ITEM_SEGMENT_SHIFT),
                                  memory_order_relaxed);
}

static inline bool
item_is_pinned(const struct item *item)
{
    return atomic_load_explicit(&item->references, memory_order_acquire) > 1;
}

#endif
