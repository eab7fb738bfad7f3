/* slabs/drain.c - emptying pages, and those that belong to no class.
 *
 * While a page drains, its chunks are found in four places: unused at the end of the newest
 * page, in the free list, in magazines, and with whoever uses them. The first three are
 * gone through here; what is in use comes back through pages_give_chunk(), because others
 * drop it or because mover.c has put something else in its place.
 *
 * The order that makes it work: pages.draining is set first, then each magazine is gone
 * through under its lock, and who gives a chunk back looks at pages.draining under that
 * lock too. So a chunk is in the magazine when it is gone through, or it is kept back.
 * Who fills a magazine or empties one looks again under the class lock.
 */
#include <string.h>
#include <sys/mman.h>

#include "slabs/must.h"
#include "slabs/pages_priv.h"
#include "slabs/poison_priv.h"

void
pages_set_class_locked(struct pages *pages, uint32_t page, unsigned size_class)
{
    if (pages->file.head != NULL)
        file_set_page(&pages->file, page, size_class);
    pages_own_locked(pages, page, size_class);
}

/* ---- a page that drains ---------------------------------------------------------- */

void
pages_drain_begin(struct pages *pages, uint32_t page)
{
    unsigned             size_class = pages_class_of(pages, page);
    struct class_memory *memory = &pages->class_memory[size_class];

    must(atomic_load(&pages->draining) == 0 && page != 0 && size_class != 0);
    lock_take(&memory->lock);
    pages->unused = pages_unused_locked(pages, page);
    if (pages->unused > 0)
        memory->fresh = 0;
    pages->drained = pages->unused;
    atomic_store_explicit(&pages->draining, page, memory_order_relaxed);
    lock_drop(&memory->lock);
}

bool
pages_keep_back_locked(struct pages *pages, struct item *chunk)
{
    if (!pages_is_draining(pages, chunk))
        return false;
    item_set_traits(chunk, CHUNK_DRAINED);
    pages->drained++;
    return true;
}

void
pages_drain_magazine(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint16_t             kept = 0;

    lock_take(&magazine->lock);
    if (magazine->count > 0) {
        lock_take(&memory->lock);
        for (unsigned i = 0; i < magazine->count; i++) {
            handle_t handle = magazine->chunk[i];

            if (!pages_keep_back_locked(pages, pages_item(pages, handle)))
                magazine->chunk[kept++] = handle;
        }
        __atomic_store_n(&magazine->count, kept, __ATOMIC_RELAXED);
        lock_drop(&memory->lock);
    }
    lock_drop(&magazine->lock);
}

static void
free_remove_locked(struct pages *pages, struct class_memory *memory, struct item *chunk)
{
    handle_t handle = pages_handle(pages, chunk);

    if (memory->free == handle)
        memory->free = chunk->next;
    else
        pages_item(pages, chunk->prev)->next = chunk->next;
    if (chunk->next != 0)
        item_set_prev(pages_item(pages, chunk->next), chunk->prev);
    memory->free_count--;
}

void
pages_drain_free(struct pages *pages, struct item *chunk)
{
    struct class_memory *memory = &pages->class_memory[pages_class(pages, chunk)];

    lock_take(&memory->lock);
    if (item_traits(chunk) == CHUNK_FREE) {
        free_remove_locked(pages, memory, chunk);
        pages_keep_back_locked(pages, chunk);
    }
    lock_drop(&memory->lock);
}

uint32_t
pages_drained(struct pages *pages)
{
    uint32_t             page = atomic_load(&pages->draining), drained;
    struct class_memory *memory = &pages->class_memory[pages_class_of(pages, page)];

    lock_take(&memory->lock);
    drained = pages->drained;
    lock_drop(&memory->lock);
    return drained;
}

/* What was never used is the class's newest page again, unless it has another one by now.
 * Its class lock is held. How many chunks have to go into the free list, from the first. */
static uint32_t
give_unused_back_locked(struct pages *pages, uint32_t page, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             chunks = pages_chunks(pages, size_class);
    uint32_t             used = chunks - pages->unused;

    if (pages->unused > 0 && memory->fresh == 0) {
        memory->fresh = pages->unused;
        memory->fresh_at = (char *)pages_chunk(pages, page, size_class, used);
        return used;
    }
    return chunks;
}

/* Some dozens at a time go back into the free list. */
enum { BACK_AT_ONCE = 32 };

void
pages_drain_abandon(struct pages *pages)
{
    uint32_t             page = atomic_load(&pages->draining);
    unsigned             size_class = pages_class_of(pages, page);
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             used = pages_chunks(pages, size_class) - pages->unused, chunks;

    lock_take(&memory->lock);
    atomic_store_explicit(&pages->draining, 0, memory_order_relaxed);
    chunks = give_unused_back_locked(pages, page, size_class);
    lock_drop(&memory->lock);
    for (uint32_t from = 0; from < chunks; from += BACK_AT_ONCE) {
        lock_take(&memory->lock);
        for (uint32_t at = from; at < from + BACK_AT_ONCE && at < chunks; at++) {
            struct item *chunk = pages_chunk(pages, page, size_class, at);

            if (at >= used)
                poison_lift(chunk, ITEM_HEADER);
            else if (item_traits(chunk) != CHUNK_DRAINED)
                continue;
            pages_free_add_locked(pages, size_class, chunk);
        }
        lock_drop(&memory->lock);
    }
}

/* ---- pages of no class ----------------------------------------------------------- */

/* Take away the memory of a page of no class, or at least what is in it. */
static void
erase(struct pages *pages, uint32_t page)
{
    char *at = pages_at(pages, page);
    int   how = pages->file.head != NULL ? MADV_REMOVE : MADV_DONTNEED;

    poison_lift(at, pages->page_bytes);
    if (madvise(at, pages->page_bytes, how) != 0)
        memset(at, 0, pages->page_bytes);
    poison_lay(at, pages->page_bytes);
}

void
pages_pool_give(struct pages *pages, uint32_t page)
{
    erase(pages, page);
    lock_take(&pages->lock);
    pages->next[page] = pages->pool;
    pages->pool = page;
    pages->pool_count++;
    lock_drop(&pages->lock);
}

/* Cut a page of no class into free chunks. Nobody knows of them until the end. */
static void
to_class(struct pages *pages, uint32_t page, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             chunks = pages_chunks(pages, size_class);
    struct item         *last = pages_chunk(pages, page, size_class, chunks - 1);

    poison_lay(pages_at(pages, page), pages->page_bytes);
    for (uint32_t at = 0; at < chunks; at++) {
        struct item *chunk = pages_chunk(pages, page, size_class, at);
        handle_t     handle = pages_handle(pages, chunk);
        handle_t     step = pages->classes.bytes[size_class] >> pages->unit_shift;

        poison_lift(chunk, ITEM_HEADER);
        item_set_traits(chunk, CHUNK_FREE);
        item_set_prev(chunk, handle - step);
        chunk->next = handle + step;
    }
    lock_take(&pages->lock);
    pages_set_class_locked(pages, page, size_class);
    lock_drop(&pages->lock);
    lock_take(&memory->lock);
    last->next = memory->free;
    if (memory->free != 0)
        item_set_prev(pages_item(pages, memory->free), pages_handle(pages, last));
    memory->free = pages_handle(pages, pages_chunk(pages, page, size_class, 0));
    memory->free_count += chunks;
    memory->pages++;
    lock_drop(&memory->lock);
}

void
pages_drain_end(struct pages *pages, unsigned to)
{
    uint32_t             page = atomic_load(&pages->draining);
    unsigned             size_class = pages_class_of(pages, page);
    struct class_memory *memory = &pages->class_memory[size_class];
    bool                 kept;

    lock_take(&memory->lock);
    must(pages->drained == pages_chunks(pages, size_class));
    atomic_store_explicit(&pages->draining, 0, memory_order_relaxed);
    memory->pages--;
    lock_drop(&memory->lock);
    lock_take(&pages->lock);
    pages_set_class_locked(pages, page, 0);
    kept = to != 0 && pages_may_use_locked(pages, 0);
    pages->used -= kept ? 0 : 1;
    lock_drop(&pages->lock);
    if (kept)
        to_class(pages, page, to);
    else
        pages_pool_give(pages, page);
}

bool
pages_give_from_pool(struct pages *pages, unsigned to)
{
    uint32_t page = 0;

    lock_take(&pages->lock);
    if (pages->pool != 0 && pages_may_use_locked(pages, 1))
        page = pages_pool_take_locked(pages);
    if (page != 0)
        pages->used++;
    lock_drop(&pages->lock);
    if (page != 0)
        to_class(pages, page, to);
    return page != 0;
}
