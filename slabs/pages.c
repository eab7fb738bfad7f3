/* slabs/pages.c - handing out pages and chunks.
 *
 * A thread takes and gives chunks through its magazine and takes the class lock only
 * to fill or empty half of it. A class cuts its newest page from the front as chunks
 * are needed, so getting a page costs nothing but a number; what is counted is the memory
 * of the strips that chunks reach into.
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

/* When all that is granted comes to more than this share of the limit, or than this many
 * strips beyond it, who has more than he is granted gives some up. */
enum { BEYOND_SHARE = 8, BEYOND_LEAST = 16 * STRIPS };

/* Chunks of a draining page that are met while a lock is held once. */
enum { KEEP_BACK_MOST = 64 };

uint32_t
pages_granted(const struct pages *pages, unsigned size_class)
{
    uint32_t chunks = PAGE_BYTES / pages->classes.bytes[size_class];

    if (size_class == pages->classes.count)
        return CHUNKS_GRANTED;
    return (CHUNKS_GRANTED + chunks - 1) / chunks;
}

/* Pages beyond the limit: those granted, and one more for each class, the newest, of which
 * only a part may be counted. */
static uint32_t
spare_pages(const struct pages *pages)
{
    uint32_t sum = 0;

    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        sum += pages_granted(pages, size_class) + 1;
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

/* Let there be no more strips than this. */
static void
shrink_locked(struct pages *pages, uint64_t strips)
{
    pages->shrink_to = pages->used > strips ? (uint32_t)strips : UINT32_MAX;
}

/* Pages of the process before belong to their classes. If there is more than the limit
 * allows now, they give it up. */
static void
keep_pages(struct pages *pages)
{
    if (pages->file.head == NULL)
        return;
    for (; pages->numbered <= pages->file.kept_pages; pages->numbered++) {
        uint32_t page = pages->numbered;
        unsigned size_class = file_page_class(&pages->file, page);

        atomic_init(&pages->class_of[page], (uint8_t)size_class);
        if (size_class == 0) {
            pages_erase(pages, page);
            pages->next[page] = pages->pool;
            pages->pool = page;
            pages->pool_count++;
        } else {
            pages->used += STRIPS;
        }
    }
    shrink_locked(pages, (uint64_t)atomic_load(&pages->limit) * STRIPS);
}

bool
pages_init(struct pages *pages, const struct cache_config *config,
           uint32_t smallest_chunk, uint32_t largest_chunk)
{
    size_t limit = config->memory_bytes / PAGE_BYTES;
    size_t most = config->memory_most / PAGE_BYTES;

    if (most < limit)
        most = limit;
    *pages = (struct pages){ .numbered = 1, .shrink_to = UINT32_MAX };
    pages->unit_shift =
        unit_shift_for((most + 1 + (CHUNKS_GRANTED + 1) * CLASS_MAX) * PAGE_BYTES);
    classes_init(&pages->classes, smallest_chunk, largest_chunk, PAGE_BYTES,
                 config->growth, 1u << pages->unit_shift);
    atomic_init(&pages->limit, (uint32_t)limit);
    pages->capacity = (uint32_t)most + 1 + spare_pages(pages);
    if (config->file != NULL && !open_file(pages, config))
        return false;
    pages->class_of = calloc(pages->capacity, sizeof(*pages->class_of));
    pages->next = calloc(pages->capacity, sizeof(*pages->next));
    if (pages->class_of == NULL || pages->next == NULL || !map_region(pages)) {
        free(pages->class_of);
        free(pages->next);
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
    poison_lift(pages->base, (size_t)pages->numbered * PAGE_BYTES);
    munmap(pages->base, (size_t)pages->capacity * PAGE_BYTES);
    file_close(&pages->file);
    free(pages->class_of);
    free(pages->next);
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
    atomic_store(&pages->limit, (uint32_t)limit);
    lock_take(&pages->lock);
    shrink_locked(pages, (uint64_t)limit * STRIPS);
    lock_drop(&pages->lock);
    return true;
}

bool
pages_must_shrink(struct pages *pages)
{
    uint64_t limit = (uint64_t)atomic_load(&pages->limit) * STRIPS;
    bool     shrinks;

    lock_take(&pages->lock);
    if (pages->used <= pages->shrink_to)
        shrink_locked(pages,
                      limit + (limit / BEYOND_SHARE > BEYOND_LEAST ? limit / BEYOND_SHARE
                                                                   : BEYOND_LEAST));
    shrinks = pages->shrink_to != UINT32_MAX;
    lock_drop(&pages->lock);
    return shrinks;
}

void
pages_stop_shrinking(struct pages *pages)
{
    lock_take(&pages->lock);
    pages->shrink_to = UINT32_MAX;
    lock_drop(&pages->lock);
}

bool
pages_may_use_locked(const struct pages *pages, uint32_t strips)
{
    uint64_t limit = atomic_load_explicit(&pages->limit, memory_order_relaxed);

    return pages->used + strips <= limit * STRIPS;
}

bool
pages_are_full(struct pages *pages)
{
    bool full;

    lock_take(&pages->lock);
    full = !pages_may_use_locked(pages, 1);
    lock_drop(&pages->lock);
    return full;
}

/* The pages lock is held. */
static uint32_t
in_pool_locked(const struct pages *pages)
{
    uint64_t limit = (uint64_t)atomic_load_explicit(&pages->limit, memory_order_relaxed);
    uint64_t most =
        limit * STRIPS > pages->used ? limit - (pages->used + STRIPS - 1) / STRIPS : 0;

    return pages->pool_count < most ? pages->pool_count : (uint32_t)most;
}

uint32_t
pages_in_pool(struct pages *pages)
{
    uint32_t count;

    lock_take(&pages->lock);
    count = in_pool_locked(pages);
    lock_drop(&pages->lock);
    return count;
}

/* Fresh chunks that have memory. The class lock is held. */
static uint32_t
backed_locked(const struct pages *pages, unsigned size_class)
{
    const struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t                   used = pages_chunks(pages, size_class) - memory->fresh;
    uint32_t                   chunks =
        memory->newest_strips * STRIP_BYTES / pages->classes.bytes[size_class];

    return memory->fresh > 0 && chunks > used ? chunks - used : 0;
}

uint32_t
pages_free_chunks(struct pages *pages, unsigned size_class, uint32_t *owned)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             count;

    lock_take(&memory->lock);
    count = memory->free_count + backed_locked(pages, size_class);
    *owned = memory->pages;
    lock_drop(&memory->lock);
    return count;
}

/* Is one of the class's pages on its way out? Then it is not to get another one for it. */
static bool
is_shrinking(const struct pages *pages, unsigned size_class)
{
    uint32_t page = atomic_load_explicit(&pages->draining, memory_order_relaxed);

    return page != 0 && pages_class_of(pages, page) == size_class;
}

/* May the class use so many strips more? While one of its pages leaves it, it is not to take
 * what is in the pool in exchange. */
static bool
may_grow_locked(const struct pages *pages, unsigned size_class, uint32_t strips)
{
    uint32_t kept = is_shrinking(pages, size_class) ? in_pool_locked(pages) * STRIPS : 0;

    return pages_may_use_locked(pages, kept + strips) ||
           pages->class_memory[size_class].strips + strips <=
               pages_granted(pages, size_class) * STRIPS;
}

/* Strips of a page that have a part in its first `chunks` chunks; all belong to the last. */
static uint32_t
strips_for(const struct pages *pages, unsigned size_class, uint32_t chunks)
{
    if (chunks == pages_chunks(pages, size_class))
        return STRIPS;
    return (chunks * pages->classes.bytes[size_class] + STRIP_BYTES - 1) / STRIP_BYTES;
}

/* What the file system does not give is not asked for again. */
static bool
file_gives_locked(struct pages *pages, uint32_t page)
{
    if (pages->file.head == NULL || file_reserve_page(&pages->file, page))
        return true;
    if (pages->used / STRIPS < atomic_load(&pages->limit))
        atomic_store(&pages->limit, pages->used / STRIPS);
    return false;
}

uint32_t
pages_pool_take_locked(struct pages *pages, uint32_t strips)
{
    uint32_t page = pages->pool;

    if (strips > 0 && (page == 0 || !pages_may_use_locked(pages, strips)))
        return 0;
    if (page == 0)
        page = pages->numbered;
    must(page < pages->capacity);
    if (!file_gives_locked(pages, page))
        return 0;
    if (page == pages->numbered) {
        pages->numbered++;
    } else {
        pages->pool = pages->next[page];
        pages->pool_count--;
    }
    return page;
}

/* Give the class one more page; false when there is none. Its class lock is held. */
static bool
class_grow_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    bool                 in_file = pages->file.head != NULL; /* which gives all at once */
    uint32_t             least = in_file ? STRIPS : strips_for(pages, size_class, 1);
    uint32_t             strips = in_file ? STRIPS : 0, page = 0;

    lock_take(&pages->lock);
    if (may_grow_locked(pages, size_class, least))
        page = pages_pool_take_locked(pages, 0);
    if (page != 0) {
        pages_set_class_locked(pages, page, size_class);
        pages->used += strips;
    }
    lock_drop(&pages->lock);
    if (page == 0)
        return false;
    memory->pages++;
    memory->strips += strips;
    memory->newest_strips = strips;
    memory->fresh = pages_chunks(pages, size_class);
    memory->fresh_at = pages->base + (size_t)page * PAGE_BYTES;
    poison_lay(memory->fresh_at, PAGE_BYTES);
    return true;
}

/* Have memory for the first fresh chunk of the newest page; false where the class may not
 * use more. Its class lock is held. */
static bool
class_back_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             used = pages_chunks(pages, size_class) - memory->fresh;
    uint32_t             want = strips_for(pages, size_class, used + 1), more;
    bool                 may;

    if (want <= memory->newest_strips)
        return true;
    more = want - memory->newest_strips;
    lock_take(&pages->lock);
    may = may_grow_locked(pages, size_class, more);
    pages->used += may ? more : 0;
    lock_drop(&pages->lock);
    if (!may)
        return false;
    memory->strips += more;
    memory->newest_strips = want;
    return true;
}

size_t
pages_reach(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             strips, used, granted = pages_granted(pages, size_class);
    uint64_t             limit = (uint64_t)atomic_load(&pages->limit) * STRIPS;

    lock_take(&memory->lock);
    strips = memory->strips;
    lock_take(&pages->lock);
    used = pages->used;
    lock_drop(&pages->lock);
    lock_drop(&memory->lock);
    if (used < limit)
        strips += (uint32_t)(limit - used);
    if (strips < granted * STRIPS)
        strips = granted * STRIPS;
    return (size_t)strips * pages_chunks(pages, size_class) / STRIPS;
}

/* The count changes under the lock; others may look at it without. */
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
    chunks = (uint64_t)memory->pages * pages_chunks(pages, size_class) -
             memory->free_count - memory->fresh;
    if (is_shrinking(pages, size_class))
        chunks -= pages->drained;
    lock_drop(&memory->lock);
    return chunks;
}

/* The list is linked both ways so that a chunk can be taken from its middle. */
void
pages_free_add_locked(struct pages *pages, unsigned size_class, struct item *chunk)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    handle_t             handle = pages_handle(pages, chunk);

    item_set_traits(chunk, CHUNK_FREE);
    chunk->next = memory->free;
    if (memory->free != 0)
        pages_item(pages, memory->free)->prev = handle;
    memory->free = handle;
    memory->free_count++;
}

struct item *
pages_free_take_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    struct item         *chunk = pages_item(pages, memory->free);

    memory->free = chunk->next;
    memory->free_count--;
    item_set_traits(chunk, 0);
    return chunk;
}

static struct item *
fresh_take_locked(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    struct item         *chunk = (struct item *)(void *)memory->fresh_at;

    poison_lift(chunk, ITEM_HEADER);
    memory->fresh_at += pages->classes.bytes[size_class];
    memory->fresh--;
    return chunk;
}

/* Fill half of an empty magazine and one more, for who asks. False when there is more to
 * look through: what was found is to be kept back. */
static bool
magazine_fill_locked(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    unsigned             want = magazine->room / 2 + 1, kept_back = 0;

    while (magazine->count < want) {
        struct item *chunk;

        if (memory->free != 0)
            chunk = pages_free_take_locked(pages, size_class);
        else if ((memory->fresh > 0 ||
                  (magazine->count == 0 && class_grow_locked(pages, size_class))) &&
                 class_back_locked(pages, size_class))
            chunk = fresh_take_locked(pages, size_class);
        else
            break;
        if (!pages_keep_back_locked(pages, chunk))
            magazine_put(magazine, pages_handle(pages, chunk));
        else if (++kept_back == KEEP_BACK_MOST)
            return magazine->count > 0;
    }
    return true;
}

static void
magazine_fill(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    bool                 done;

    do {
        lock_take(&memory->lock);
        done = magazine_fill_locked(pages, magazine, size_class);
        lock_drop(&memory->lock);
    } while (!done);
}

/* Give chunks back until `keep` are left. */
static void
magazine_drain(struct pages *pages, struct magazine *magazine, unsigned size_class,
               unsigned keep)
{
    struct class_memory *memory = &pages->class_memory[size_class];

    lock_take(&memory->lock);
    while (magazine->count > keep) {
        struct item *chunk = pages_item(pages, magazine_get(magazine));

        if (!pages_keep_back_locked(pages, chunk))
            pages_free_add_locked(pages, size_class, chunk);
    }
    lock_drop(&memory->lock);
}

void
magazine_init(struct magazine *magazine, const struct pages *pages, unsigned size_class)
{
    unsigned room = PAGE_BYTES / pages->classes.bytes[size_class] / MAGAZINE_SHARE;

    lock_init(&magazine->lock, RANK_MAGAZINE);
    magazine->count = 0;
    magazine->room = (uint16_t)(room > MAGAZINE_MAX ? MAGAZINE_MAX : room);
}

struct item *
pages_take_chunk(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    struct item *chunk = NULL;

    lock_take(&magazine->lock);
    if (magazine->count == 0)
        magazine_fill(pages, magazine, size_class);
    if (magazine->count > 0)
        chunk = pages_item(pages, magazine_get(magazine));
    lock_drop(&magazine->lock);
    if (chunk != NULL)
        poison_lift(chunk, pages->classes.bytes[size_class]);
    return chunk;
}

/* The chunk is one of the draining page, or was just now. */
static void
keep_back(struct pages *pages, unsigned size_class, struct item *chunk)
{
    struct class_memory *memory = &pages->class_memory[size_class];

    lock_take(&memory->lock);
    if (!pages_keep_back_locked(pages, chunk))
        pages_free_add_locked(pages, size_class, chunk);
    lock_drop(&memory->lock);
}

void
pages_give_chunk(struct pages *pages, struct magazine *magazine, unsigned size_class,
                 struct item *chunk)
{
    must_hot(pages_class(pages, chunk) == size_class);
    item_set_traits(chunk, 0);
    poison_lay(chunk->bytes, pages->classes.bytes[size_class] - ITEM_HEADER);
    lock_take(&magazine->lock);
    if (pages_is_draining(pages, chunk)) {
        keep_back(pages, size_class, chunk);
    } else {
        magazine_put(magazine, pages_handle(pages, chunk));
        if (magazine->count > magazine->room)
            magazine_drain(pages, magazine, size_class, magazine->room / 2);
    }
    lock_drop(&magazine->lock);
}

void
pages_adopt(struct pages *pages, unsigned size_class, uint32_t owned, struct item *first,
            struct item *last, uint32_t count)
{
    struct class_memory *memory = &pages->class_memory[size_class];

    lock_take(&memory->lock);
    memory->pages += owned;
    memory->strips += owned * STRIPS;
    memory->free_count += count;
    if (count > 0) {
        last->next = memory->free;
        if (memory->free != 0)
            pages_item(pages, memory->free)->prev = pages_handle(pages, last);
        memory->free = pages_handle(pages, first);
    }
    lock_drop(&memory->lock);
}

void
pages_empty_magazine(struct pages *pages, struct magazine *magazine, unsigned size_class)
{
    lock_take(&magazine->lock);
    if (magazine->count > 0)
        magazine_drain(pages, magazine, size_class, 0);
    lock_drop(&magazine->lock);
}
