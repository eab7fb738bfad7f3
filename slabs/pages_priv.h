/* slabs/pages_priv.h - memory: a region of pages, cut into chunks.
 *
 * One range of address space is reserved at start and cut into pages: of 1 MiB, or of less
 * in a small cache, so that the many classes that have a few items each do not take much. A
 * page belongs to one size class or is free. The first page is the region's own: it keeps
 * handle 0 from being a chunk. A class cuts its newest page from the front.
 *
 * A page comes to another class, or to none, once it is empty (drain.c): it is declared to
 * be draining, and from then on no chunk of it is handed out, and each that comes back is
 * kept back, until all have. That they come back is the work of mover.c. Pages of no class
 * are in the pool: their memory has gone back to the system, and below the limit any class may
 * use as much. Bytes of a page that a class has not written to are zero, so a chunk has no
 * traits before it is used.
 *
 * With a memory file (file_priv.h) all pages but the first are mapped from there, and a
 * class gets a page only if the file has room for it. Pages that the process before has
 * filled are of their class already, but have no chunks until pages_adopt().
 *
 * With AddressSanitizer all but the chunks that were taken is poisoned, see
 * poison_priv.h: a fresh chunk as a whole, any other free one behind its header, which
 * may link it; and of a taken one what its item does not use, by those who make items.
 *
 * Threads: a `struct magazine` belongs to one thread; only who drains a page touches
 *          another's.
 * Locks:   RANK_MAGAZINE guards a magazine, RANK_CLASS the free chunks of a class and the
 *          draining of one of its pages, RANK_PAGES the pages.
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

enum { MAGAZINE_MAX = 16 };

_Static_assert((int)CACHE_PAGE_MOST <= 1 << 24, "an item's value length has 24 bits");

/* A thread's own free chunks of one class. */
struct magazine {
    struct lock lock; /* guards the rest, RANK_MAGAZINE */
    uint16_t    count;
    uint16_t    room; /* set at start by the chunk size; 0: keeps none */
    handle_t    chunk[MAGAZINE_MAX + 1];
};

struct class_memory {
    _Alignas(64) struct lock lock; /* guards the rest, RANK_CLASS */
    handle_t free; /* list of free chunks; the `prev` of the first means nothing */
    uint32_t free_count;
    uint32_t fresh;    /* chunks never used in the newest page, at its end */
    char    *fresh_at; /* the first of them                                */
    uint32_t pages;    /* pages that the class owns                        */
};

struct pages {
    char            *base; /* of the region; frozen                        */
    unsigned         unit_shift;
    unsigned         page_shift;
    uint32_t         page_bytes; /* 1 << page_shift                            */
    uint32_t         capacity;   /* pages in the region, the first included      */
    _Atomic uint32_t draining;   /* the page that is to be emptied, 0: none; written under
                                  the lock of its class */
    uint32_t         floor;      /* pages: a lower limit is raised, see
                                  pages_allowed_locked(); frozen               */
    struct classes   classes;    /* frozen                                       */
    _Atomic uint8_t *class_of; /* by page number; 0: of none. Changes under the lock, and
                                  only while the page is empty                     */
    _Atomic uint32_t limit;    /* pages that classes may have; it does not bind a class
                               that has less than it is granted                 */
    _Atomic uint32_t room; /* pages that the file system has room for; written under the
                                  lock, when one was not to be had, and with the limit */

    struct lock lock;     /* RANK_PAGES; guards the next eight                     */
    uint32_t    used;     /* pages that classes have                               */
    uint32_t    numbered; /* pages that ever were some class's, and the first      */
    uint32_t    in_use;   /* classes that have a page                              */
    uint32_t    owned[CLASS_MAX + 1]; /* pages of each class                       */
    uint32_t    pool; /* list of pages of no class; they have no memory         */
    uint32_t    pool_count;
    uint32_t   *next; /* by page number: what links the list                    */
    struct file file; /* of the memory; its head is NULL: none                 */

    size_t
        populated; /* bytes from base on that have memory; of the thread that populates */

    uint32_t drained; /* chunks of the draining page that are kept back; under the lock
                         of its class                                                   */
    uint32_t unused;  /* those of them, at its end, that were never used: of who drains */
    struct class_memory class_memory[CLASS_MAX + 1];
};

/* config->memory_bytes is rounded down to pages; the limit may be raised up to memory_most
 * later. False where the address space is not to be had, or the memory file cannot be
 * used. */
bool pages_init(struct pages *pages, const struct cache_config *config,
                uint32_t smallest_chunk, uint32_t largest_chunk);
/* Change the limit. Pages above it stay with their classes until these give them up. False
 * where it is more than was reserved for. */
bool pages_set_limit(struct pages *pages, size_t limit_bytes);
/* As cache_take_memory(). */
bool pages_take_memory(struct pages *pages);
/* Get memory for a part of the pages that are needed next, from where the last call has ended,
 * or give back what is beyond a limit that has become lower. False where all is as it should be.
 * One thread at a time. */
bool pages_populate(struct pages *pages);
void pages_fini(struct pages *pages);

void magazine_init(struct magazine *magazine, const struct pages *pages,
                   unsigned size_class);

/* A chunk of the class, or NULL when neither a free one nor a page is left. Its bytes
 * are undefined. */
struct item *pages_take_chunk(struct pages *pages, struct magazine *magazine,
                              unsigned size_class);
/* The class has no chunk, and nothing in it can be evicted. May it have a page more? */
bool pages_grow_in_need(struct pages *pages, unsigned size_class);
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

/* How many pages the class may have whatever the limit says. */
uint32_t pages_granted(const struct pages *pages, unsigned size_class);
/* How many pages all classes together may have: the limit, and where that is below the floor,
 * for each class in use an equal share of what is missing; but not more than the file system
 * has room for. The pages lock is held. */
uint32_t pages_allowed_locked(const struct pages *pages);
/* Note in memory alone whose the page is, as in the next. */
void pages_own_locked(struct pages *pages, uint32_t page, unsigned size_class);
/* Let a page be of this class, 0: of none, for a rebuild as well. The pages lock is held. */
void pages_set_class_locked(struct pages *pages, uint32_t page, unsigned size_class);
/* Take a page off the pool, or one that never was a class's, if the file has room for it; 0
 * when there is none. The pages lock is held. */
uint32_t pages_pool_take_locked(struct pages *pages);
/* Put a page of no class into the pool, without its memory, which is not counted any more. */
void pages_pool_give(struct pages *pages, uint32_t page);
/* May classes have so many pages more? With 0: or is memory to be given up, because the limit
 * was lowered, or because classes have taken what they are granted beyond it? */
bool pages_may_use(struct pages *pages, uint32_t more);
/* The same where the pages lock is held. */
bool pages_may_use_locked(const struct pages *pages, uint32_t more);
/* Pages that classes have. */
uint32_t pages_in_use(struct pages *pages);
/* How many pages in the pool a class could have. */
uint32_t pages_in_pool(struct pages *pages);
/* How many chunks at the end of the page were never used. The lock of its class is held. */
uint32_t pages_unused_locked(const struct pages *pages, uint32_t page);
/* Free chunks of the class, and its pages; those that threads keep are not counted. */
uint32_t pages_free_chunks(struct pages *pages, unsigned size_class, uint32_t *owned);

/* ---- drain.c: emptying a page; one thread at a time ------------------------------ */

/* Hand out no chunk of this page any more. */
void pages_drain_begin(struct pages *pages, uint32_t page);
/* Take the page's chunks out of a magazine. */
void pages_drain_magazine(struct pages *pages, struct magazine *magazine,
                          unsigned size_class);
/* Take a chunk of the page out of the free list, if it is there. */
void pages_drain_free(struct pages *pages, struct item *chunk);
/* How many chunks of the page are kept back. */
uint32_t pages_drained(struct pages *pages);
/* Leave the page to its class after all. */
void pages_drain_abandon(struct pages *pages);
/* All chunks are kept back: give the page to a class, or with 0, or where there is more memory
 * than there may be, to the pool. */
void pages_drain_end(struct pages *pages, unsigned to_class);
/* Give a class a page of the pool, with memory; false when that is not to be had. */
bool pages_give_from_pool(struct pages *pages, unsigned to_class);
/* Keep back a chunk of the draining page that nobody uses any more; false if the page is
 * not draining. The lock of its class is held. */
bool pages_keep_back_locked(struct pages *pages, struct item *chunk);
void pages_free_add_locked(struct pages *pages, unsigned size_class, struct item *chunk);

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

static inline uint32_t
pages_number(const struct pages *pages, const struct item *item)
{
    return (uint32_t)((size_t)((const char *)item - pages->base) >> pages->page_shift);
}

static inline char *
pages_at(const struct pages *pages, uint32_t page)
{
    return pages->base + ((size_t)page << pages->page_shift);
}

/* The class that a page belongs to, 0: none. */
static inline unsigned
pages_class_of(const struct pages *pages, uint32_t page)
{
    return atomic_load_explicit(&pages->class_of[page], memory_order_relaxed);
}

/* The class of a chunk that is in use. */
static inline unsigned
pages_class(const struct pages *pages, const struct item *item)
{
    return pages_class_of(pages, pages_number(pages, item));
}

static inline bool
pages_is_draining(const struct pages *pages, const struct item *item)
{
    return atomic_load_explicit(&pages->draining, memory_order_relaxed) ==
           pages_number(pages, item);
}

static inline uint32_t
pages_chunks(const struct pages *pages, unsigned size_class)
{
    return pages->page_bytes / pages->classes.bytes[size_class];
}

static inline struct item *
pages_chunk(const struct pages *pages, uint32_t page, unsigned size_class, uint32_t at)
{
    return (struct item *)(void *)(pages_at(pages, page) +
                                   (size_t)at * pages->classes.bytes[size_class]);
}

#endif
