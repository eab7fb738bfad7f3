/* slabs/pages.c - handing out pages and chunks.
 *
 * A thread takes and gives chunks through its magazine and takes the class lock only
 * to fill or empty half of it. A class cuts its newest page from the front as chunks
 * are needed, so getting a page costs nothing but a number.
 */
#include "slabs/pages_priv.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "slabs/cache_priv.h"
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

static void *
map_anonymous(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at != MAP_FAILED ? at : NULL;
}

/* Use the file, and note what it holds already. */
static bool
open_file(struct pages *pages, const struct cache_config *config)
{
    struct file_wish wish = {
        .layout = {
            .version = FILE_VERSION,
            .byte_order = FILE_BYTE_ORDER,
            .page_bytes = PAGE_BYTES,
            .item_header = ITEM_HEADER,
            .stripe_bits = STRIPE_BITS,
            .unit_shift = pages->unit_shift,
            .classes = file_sum(pages->classes.bytes, sizeof(pages->classes.bytes), 0),
        },
        .pages = pages->capacity,
        .limit = atomic_load(&pages->limit),
        .granted = spare_pages(pages),
        .classes = pages->classes.count,
        .seed = config->hash_seed,
        .origin_s = config->clock->origin_s,
        .now = clock_now(config->clock),
    };

    if (!file_open(&pages->file, config->file, &wish))
        return false;
    if (pages->capacity > file_capacity(&pages->file))
        pages->capacity = file_capacity(&pages->file);
    return true;
}

/* The region: page 0 is the process's own, the rest is the file's where there is one. */
static bool
map_region(struct pages *pages)
{
    const struct file *file = &pages->file;
    size_t             bytes = (size_t)pages->capacity * PAGE_BYTES;

    pages->base = map_anonymous(bytes);
    if (pages->base == NULL)
        return false;
    if (file->head == NULL ||
        mmap(pages->base + PAGE_BYTES, bytes - PAGE_BYTES, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file->fd,
             (off_t)file->head_bytes) != MAP_FAILED)
        return true;
    munmap(pages->base, bytes);
    return false;
}

/* Pages of the process before belong to their classes. */
static void
keep_pages(struct pages *pages)
{
    if (pages->file.head == NULL)
        return;
    for (; pages->used <= pages->file.kept_pages; pages->used++)
        pages->class_of[pages->used] =
            (uint8_t)file_page_class(&pages->file, pages->used);
}

bool
pages_init(struct pages *pages, const struct cache_config *config,
           uint32_t smallest_chunk, uint32_t largest_chunk)
{
    size_t limit = config->memory_bytes / PAGE_BYTES;
    size_t most = config->memory_most / PAGE_BYTES;

    if (most < limit)
        most = limit;
    *pages = (struct pages){ .used = 1 };
    pages->unit_shift =
        unit_shift_for((most + 1 + CHUNKS_GRANTED * CLASS_MAX) * PAGE_BYTES);
    classes_init(&pages->classes, smallest_chunk, largest_chunk, PAGE_BYTES,
                 config->growth, 1u << pages->unit_shift);
    atomic_init(&pages->limit, (uint32_t)limit + 1);
    pages->capacity = (uint32_t)most + 1 + spare_pages(pages);
    if (config->file != NULL && !open_file(pages, config))
        return false;
    pages->class_of = calloc(pages->capacity, sizeof(*pages->class_of));
    if (pages->class_of == NULL || !map_region(pages)) {
        free(pages->class_of);
        file_close(&pages->file);
        return false;
    }
    keep_pages(pages);
    if (config->large_pages) /* advice: nothing depends on it */
        madvise(pages->base, (size_t)pages->capacity * PAGE_BYTES, MADV_HUGEPAGE);
    poison_lay(pages->base, PAGE_BYTES); /* where handle 0 would lead */
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
    file_close(&pages->file);
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

/* The next page for the class; 0 when there is none. The pages lock is held. */
static uint32_t
page_take_locked(struct pages *pages, unsigned size_class)
{
    uint32_t page = pages->used;

    if (page >= atomic_load(&pages->limit) &&
        (pages->class_memory[size_class].pages >= pages_granted(pages, size_class) ||
         page >= pages->capacity))
        return 0;
    if (pages->file.head != NULL && !file_add_page(&pages->file, page, size_class)) {
        /* What the file system does not give is not asked for again. */
        if (page < atomic_load(&pages->limit))
            atomic_store(&pages->limit, page);
        return 0;
    }
    pages->used++;
    pages->class_of[page] = (uint8_t)size_class;
    return page;
}

/* Give the class one more page; false when there is none. Its class lock is held. */
static bool
class_grow_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             page;

    lock_take(&pages->lock);
    page = page_take_locked(pages, size_class);
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
pages_adopt(struct pages *pages, unsigned size_class, uint32_t owned, struct item *first,
            struct item *last, uint32_t count)
{
    struct class_memory *memory = &pages->class_memory[size_class];

    lock_take(&memory->lock);
    memory->pages += owned;
    memory->free_count += count;
    if (count > 0) {
        last->next = memory->free;
        memory->free = pages_handle(pages, first);
    }
    lock_drop(&memory->lock);
}

void
pages_empty_magazine(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    if (magazine->count > 0)
        magazine_drain(pages, magazine, size_class, 0);
}
