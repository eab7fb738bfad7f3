/* slabs/pages.c - handing out pages and chunks.
 *
 * A thread takes and gives chunks through its magazine and takes the class lock only
 * to fill or empty half of it. A class cuts its newest page from the front as chunks
 * are needed, so getting a page costs nothing but a number.
 */
#include "slabs/pages_priv.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "slabs/must.h"
#include "slabs/poison_priv.h"

/* What a thread keeps, no other thread can have. So it is little: 64 threads together
 * keep at most half of the chunks of one page, and of large ones none at all. */
enum { MAGAZINE_SHARE = 128 };

/* Each class may have a few chunks, whatever the limit says, or the limit could make a
 * size impossible to store: one is being read, another arrives, and an append wants one
 * besides. Of the largest a few pages, so that the same is true of a chain of a page. */
enum { CHUNKS_GRANTED = 4 };

static uint32_t
pages_granted(const struct pages *pages, unsigned size_class)
{
    uint32_t chunks = PAGE_BYTES / pages->classes.bytes[size_class];

    if (size_class == pages->classes.count)
        return CHUNKS_GRANTED;
    return (CHUNKS_GRANTED + chunks - 1) / chunks;
}

static uint32_t
spare_pages(const struct pages *pages)
{
    uint32_t sum = 0;

    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        sum += pages_granted(pages, size_class);
    return sum;
}

static unsigned
unit_shift_for(size_t bytes)
{
    unsigned shift = 3;

    while (bytes >> shift > UINT32_MAX)
        shift++;
    return shift;
}

bool
pages_init(struct pages *pages, size_t limit_bytes, size_t most_bytes,
           uint32_t smallest_chunk, uint32_t largest_chunk, double growth,
           bool large_pages)
{
    size_t limit = limit_bytes / PAGE_BYTES;
    size_t most = most_bytes > limit_bytes ? most_bytes / PAGE_BYTES : limit;
    size_t bytes;

    *pages = (struct pages){ 0 };
    pages->unit_shift =
        unit_shift_for((most + 1 + CHUNKS_GRANTED * CLASS_MAX) * PAGE_BYTES);
    classes_init(&pages->classes, smallest_chunk, largest_chunk, PAGE_BYTES, growth,
                 1u << pages->unit_shift);
    atomic_init(&pages->limit, (uint32_t)limit + 1);
    pages->capacity = (uint32_t)most + 1 + spare_pages(pages);
    bytes = (size_t)pages->capacity * PAGE_BYTES;
    pages->used = 1;
    pages->class_of = calloc(pages->capacity, sizeof(*pages->class_of));
    if (pages->class_of == NULL)
        return false;
    pages->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages->base == MAP_FAILED) {
        free(pages->class_of);
        return false;
    }
    if (large_pages)
        madvise(pages->base, bytes, MADV_HUGEPAGE); /* advice: nothing depends on it */
    poison_lay(pages->base, PAGE_BYTES);            /* where handle 0 would lead */
    lock_init(&pages->lock, RANK_PAGES);
    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        lock_init(&pages->class_memory[size_class].lock, RANK_CLASS);
    return true;
}

void
pages_fini(struct pages *pages)
{
    /* The addresses may come to be somebody else's. */
    poison_lift(pages->base, (size_t)pages->used * PAGE_BYTES);
    munmap(pages->base, (size_t)pages->capacity * PAGE_BYTES);
    free(pages->class_of);
    lock_fini(&pages->lock);
    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        lock_fini(&pages->class_memory[size_class].lock);
}

bool
pages_set_limit(struct pages *pages, size_t limit_bytes)
{
    size_t limit = limit_bytes / PAGE_BYTES;

    if (limit > pages->capacity - 1 - spare_pages(pages))
        return false;
    atomic_store(&pages->limit, (uint32_t)limit + 1);
    return true;
}

/* Give the class one more page; false when there is none. Its class lock is held. */
static bool
class_grow_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             page = 0;

    lock_take(&pages->lock);
    if (pages->used < atomic_load(&pages->limit) ||
        (memory->pages < pages_granted(pages, size_class) &&
         pages->used < pages->capacity)) {
        page = pages->used++;
        pages->class_of[page] = (uint8_t)size_class;
    }
    lock_drop(&pages->lock);
    if (page == 0)
        return false;
    memory->pages++;
    memory->fresh = PAGE_BYTES / pages->classes.bytes[size_class];
    memory->fresh_at = pages->base + (size_t)page * PAGE_BYTES;
    poison_lay(memory->fresh_at, PAGE_BYTES);
    return true;
}

size_t
pages_reach(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             owned, used, limit, granted = pages_granted(pages, size_class);

    lock_take(&memory->lock);
    owned = memory->pages;
    lock_take(&pages->lock);
    used = pages->used;
    lock_drop(&pages->lock);
    lock_drop(&memory->lock);
    limit = atomic_load(&pages->limit);
    if (used < limit)
        owned += limit - used;
    return (size_t)(owned > granted ? owned : granted) *
           (PAGE_BYTES / pages->classes.bytes[size_class]);
}

/* Only its thread changes the count; others may look at it. */
static void
magazine_put(struct magazine *magazine, handle_t chunk)
{
    magazine->chunk[magazine->count] = chunk;
    __atomic_store_n(&magazine->count, magazine->count + 1, __ATOMIC_RELAXED);
}

static handle_t
magazine_get(struct magazine *magazine)
{
    __atomic_store_n(&magazine->count, magazine->count - 1, __ATOMIC_RELAXED);
    return magazine->chunk[magazine->count];
}

unsigned
magazine_count(const struct magazine *magazine)
{
    return __atomic_load_n(&magazine->count, __ATOMIC_RELAXED);
}

uint64_t
pages_used(struct pages *pages, unsigned size_class, uint32_t *owned)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint64_t             chunks;

    lock_take(&memory->lock);
    *owned = memory->pages;
    chunks = (uint64_t)memory->pages * (PAGE_BYTES / pages->classes.bytes[size_class]) -
             memory->free_count - memory->fresh;
    lock_drop(&memory->lock);
    return chunks;
}

/* Fill half of an empty magazine and one more, for who asks. */
static void
magazine_fill(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    unsigned             want = magazine->room / 2 + 1;

    lock_take(&memory->lock);
    while (magazine->count < want) {
        struct item *chunk;

        if (memory->free != 0) {
            chunk = pages_item(pages, memory->free);
            memory->free = chunk->next;
            memory->free_count--;
        } else if (memory->fresh > 0 ||
                   (magazine->count == 0 && class_grow_locked(pages, size_class))) {
            chunk = (struct item *)(void *)memory->fresh_at;
            poison_lift(chunk, ITEM_HEADER);
            memory->fresh_at += pages->classes.bytes[size_class];
            memory->fresh--;
        } else {
            break;
        }
        magazine_put(magazine, pages_handle(pages, chunk));
    }
    lock_drop(&memory->lock);
}

/* Give chunks back until `keep` are left. */
static void
magazine_drain(struct pages *pages, struct magazine *magazine, unsigned size_class,
               unsigned keep)
{
    struct class_memory *memory = &pages->class_memory[size_class];

    lock_take(&memory->lock);
    while (magazine->count > keep) {
        handle_t     handle = magazine_get(magazine);
        struct item *chunk = pages_item(pages, handle);

        chunk->next = memory->free;
        memory->free = handle;
        memory->free_count++;
    }
    lock_drop(&memory->lock);
}

void
magazine_init(struct magazine *magazine, const struct pages *pages, unsigned size_class)
{
    unsigned room = PAGE_BYTES / pages->classes.bytes[size_class] / MAGAZINE_SHARE;

    magazine->count = 0;
    magazine->room = (uint16_t)(room > MAGAZINE_MAX ? MAGAZINE_MAX : room);
}

struct item *
pages_take_chunk(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct item *chunk;

    if (magazine->count == 0)
        magazine_fill(pages, magazine, size_class);
    if (magazine->count == 0)
        return NULL;
    chunk = pages_item(pages, magazine_get(magazine));
    poison_lift(chunk, pages->classes.bytes[size_class]);
    return chunk;
}

void
pages_give_chunk(struct pages *pages, struct magazine *magazine, unsigned size_class,
                 struct item *chunk)
{
    must_hot(pages_class(pages, chunk) == size_class);
    chunk->traits = 0;
    poison_lay(chunk->bytes, pages->classes.bytes[size_class] - ITEM_HEADER);
    magazine_put(magazine, pages_handle(pages, chunk));
    if (magazine->count > magazine->room)
        magazine_drain(pages, magazine, size_class, magazine->room / 2);
}

void
pages_empty_magazine(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    if (magazine->count > 0)
        magazine_drain(pages, magazine, size_class, 0);
}
