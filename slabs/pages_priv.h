/* slabs/pages_priv.h - memory: a region of pages, cut into chunks.
 *
 * One range of address space is reserved at start and cut into pages of 1 MiB. A page
 * belongs to one size class or is free. The first page is the region's own: it keeps
 * handle 0 from being a chunk. Memory is only used once a chunk is handed out; a page
 * is not written to when a class gets it.
 *
 * With a memory file (file_priv.h) all pages but the first are mapped from there, and a
 * class gets a page only if the file has room for it. Pages that the process before has
 * filled are of their class already, but have no chunks until pages_adopt().
 *
 * With AddressSanitizer all but the chunks that were taken is poisoned, see
 * poison_priv.h: a fresh chunk as a whole, any other free one behind its header, which
 * may link it; and of a taken one what its item does not use, by those who make items.
 *
 * Threads: a `struct magazine` belongs to one thread and is used without a lock.
 * Locks:   RANK_CLASS guards the free chunks of a class, RANK_PAGES the pages.
 */
#ifndef LARDER_SLABS_PAGES_PRIV_H
#define LARDER_SLABS_PAGES_PRIV_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/classes.h"
#include "slabs/file_priv.h"
#include "slabs/item_priv.h"
#include "slabs/lock.h"

enum { PAGE_BYTES = 1 << 20, MAGAZINE_MAX = 16 };

_Static_assert(PAGE_BYTES <= 1 << 24, "an item's value length has 24 bits");

/* A thread's own free chunks of one class. */
struct magazine {
    uint16_t count;
    uint16_t room; /* set at start by the chunk size; 0: keeps none */
    handle_t chunk[MAGAZINE_MAX + 1];
};

struct class_memory {
    _Alignas(64) struct lock lock; /* guards the rest, RANK_CLASS */
    handle_t free;                 /* list of free chunks         */
    uint32_t free_count;
    uint32_t fresh;    /* chunks never used in the newest page, at its end */
    char    *fresh_at; /* the first of them                                */
    uint32_t pages;    /* pages that the class owns                        */
};

struct pages {
    char               *base; /* of the region; frozen                      */
    unsigned            unit_shift;
    uint32_t            capacity; /* pages in the region, the first included    */
    struct classes      classes;  /* frozen                                     */
    struct lock         lock;     /* guards `used` and `class_of`; RANK_PAGES   */
    uint32_t            used;     /* pages handed out, the first included       */
    _Atomic uint32_t    limit;    /* pages that may be, the first included      */
    uint8_t            *class_of; /* by page number; written once, then frozen  */
    struct file         file;     /* of the memory; its head is NULL: none      */
    struct class_memory class_memory[CLASS_MAX + 1];
};

/* config->memory_bytes is rounded down to pages; the limit may be raised up to memory_most
 * later. False where the address space is not to be had, or the memory file cannot be
 * used. */
bool pages_init(struct pages *pages, const struct cache_config *config,
                uint32_t smallest_chunk, uint32_t largest_chunk);
/* Change the limit. Pages above it stay with their classes. False where it is more than
 * was reserved for. */
bool pages_set_limit(struct pages *pages, size_t limit_bytes);
void pages_fini(struct pages *pages);

void magazine_init(struct magazine *magazine, const struct pages *pages,
                   unsigned size_class);

/* A chunk of the class, or NULL when neither a free one nor a page is left. Its bytes
 * are undefined. */
struct item *pages_take_chunk(struct pages *pages, struct magazine *magazine,
                              unsigned size_class);
void pages_give_chunk(struct pages *pages, struct magazine *magazine, unsigned size_class,
                      struct item *chunk);
/* How many free chunks a thread, maybe another one, keeps. */
unsigned magazine_count(const struct magazine *magazine);
/* Chunks that the class has given to threads and not got back; *owned: its pages. */
uint64_t pages_used(struct pages *pages, unsigned size_class, uint32_t *owned);
/* Chunks that the class has, in use or free, or could still get. */
size_t pages_reach(struct pages *pages, unsigned size_class);
/* Restoring: so many pages are the class's from now on, and of their chunks a list of
 * `count`, from `first` to `last`, is free. */
void pages_adopt(struct pages *pages, unsigned size_class, uint32_t owned,
                 struct item *first, struct item *last, uint32_t count);
/* Give all that a thread has kept back to the class. */
void pages_empty_magazine(struct pages *pages, struct magazine *magazine,
                          unsigned size_class);

static inline struct item *
pages_item(const struct pages *pages, handle_t handle)
{
    return (struct item *)(void *)(pages->base + ((size_t)handle << pages->unit_shift));
}

static inline handle_t
pages_handle(const struct pages *pages, const struct item *item)
{
    size_t offset = (size_t)((const char *)item - pages->base);

    return (handle_t)(offset >> pages->unit_shift);
}

/* The class of a chunk that is in use. */
static inline unsigned
pages_class(const struct pages *pages, const struct item *item)
{
    return pages->class_of[(size_t)((const char *)item - pages->base) / PAGE_BYTES];
}

#endif
