/* slabs/pages.c - handing out pages and chunks.
 *
 * A thread takes and gives chunks through its magazine and takes the class lock only
 * to fill or empty half of it. A class cuts its newest page from the front as chunks
 * are needed, so getting a page costs nothing but a number.
 */
#include "slabs/pages_priv.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slabs/cache_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

/* What a thread keeps, no other thread can have. So it is little, and of large chunks none
 * at all. */
enum { MAGAZINE_BYTES = 8 << 10 };

/* Each class may have a few chunks, whatever the limit says, or the limit could make a
 * size impossible to store: one is being read, another arrives, and an append wants one
 * besides. In need it is a MiB, for all those may be ends of chains, which nobody can evict
 * from there; and of the largest class some more, so that the same is true of a chain of a
 * MiB. */
enum { CHUNKS_GRANTED = 4, NEEDED = 1 << 20, LARGEST_NEEDED = 4 << 20 };

/* Memory that is asked for before it is needed: a huge page at a time, and as much as a part of
 * what is in use, but no more than the kernel clears in some ten milliseconds. Where small pages
 * are larger, huge ones are up to 512 MiB: those are not for everybody. */
enum {
    SMALL_PAGE_BYTES = 4096,
    HUGE_BYTES = 2 << 20,
    AHEAD_PART = 8,
    AHEAD_MOST = 64 << 20,
};

/* Chunks of a draining page that are met while a lock is held once. */
enum { KEEP_BACK_MOST = 64 };

uint32_t
pages_granted(const struct pages *pages, unsigned size_class)
{
    uint32_t chunks = pages_chunks(pages, size_class);

    return (CHUNKS_GRANTED + chunks - 1) / chunks;
}

static uint32_t
granted_in_need(const struct pages *pages, unsigned size_class)
{
    uint32_t granted = pages_granted(pages, size_class);
    uint32_t needed = size_class == pages->classes.count ? LARGEST_NEEDED : NEEDED;

    needed >>= pages->page_shift;
    return needed > granted ? needed : granted;
}

/* Pages beyond the limit. */
static uint32_t
spare_pages(const struct pages *pages)
{
    uint32_t sum = 0;

    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        sum += granted_in_need(pages, size_class);
    return sum;
}

static unsigned
unit_shift_for(size_t bytes)
{
    unsigned shift = UNIT_SHIFT_LEAST;

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
            .page_bytes = pages->page_bytes,
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
    size_t             bytes = (size_t)pages->capacity << pages->page_shift;

    pages->base = map_anonymous(bytes);
    if (pages->base == NULL)
        return false;
    if (file->head == NULL ||
        mmap(pages_at(pages, 1), bytes - pages->page_bytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file->fd,
             (off_t)file->head_bytes) != MAP_FAILED)
        return true;
    munmap(pages->base, bytes);
    return false;
}

/* Where the pages end that are within the limit. */
static size_t
bytes_in_limit(const struct pages *pages)
{
    return ((size_t)atomic_load(&pages->limit) + 1) << pages->page_shift;
}

/* Walks through items miss fewer translations of addresses in huge pages. A cache that holds little
 * does without, and so do pages beyond the limit, as it is now: they are used in part, and huge
 * ones would be used as a whole. */
static bool
want_huge(struct pages *pages)
{
    size_t end = bytes_in_limit(pages);

    return pages->file.head != NULL || end <= HUGE_BYTES ||
           madvise(pages->base + HUGE_BYTES, end - HUGE_BYTES, MADV_HUGEPAGE) == 0;
}

/* Nothing depends on it. After the limit has become lower there are parts of huge pages that go back,
 * and the system would make the rest whole again. */
static void
advise(struct pages *pages, bool lower)
{
    if (!lower && sysconf(_SC_PAGESIZE) == SMALL_PAGE_BYTES)
        (void)want_huge(pages);
    if (lower && pages->file.head == NULL)
        (void)madvise(pages->base, (size_t)pages->capacity << pages->page_shift,
                      MADV_NOHUGEPAGE);
}

void
pages_own_locked(struct pages *pages, uint32_t page, unsigned size_class)
{
    unsigned before = pages_class_of(pages, page);

    atomic_store_explicit(&pages->class_of[page], (uint8_t)size_class,
                          memory_order_relaxed);
    if (before != 0)
        pages->in_use -= --pages->owned[before] == 0;
    if (size_class != 0)
        pages->in_use += pages->owned[size_class]++ == 0;
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

        pages_own_locked(pages, page, size_class);
        if (size_class == 0)
            pages_pool_give(pages, page);
        else
            pages->used++;
    }
}

bool
pages_init(struct pages *pages, const struct cache_config *config,
           uint32_t smallest_chunk, uint32_t largest_chunk)
{
    unsigned shift = (unsigned)__builtin_ctz(config->page_bytes);
    size_t   limit = config->memory_bytes >> shift, most = config->memory_most >> shift;
    size_t   floor = config->memory_floor >> shift;

    if (most < limit)
        most = limit;
    if (most < floor)
        most = floor;
    *pages = (struct pages){
        .numbered = 1,
        .floor = (uint32_t)floor,
        .page_bytes = config->page_bytes,
        .page_shift = shift,
    };
    pages->unit_shift =
        unit_shift_for(((most + 1 + CHUNKS_GRANTED * CLASS_MAX) << shift) +
                       (size_t)NEEDED * CLASS_MAX + LARGEST_NEEDED);
    classes_init(&pages->classes, smallest_chunk, largest_chunk, config->page_bytes,
                 config->growth, 1u << pages->unit_shift);
    atomic_init(&pages->limit, (uint32_t)limit);
    atomic_init(&pages->room, UINT32_MAX);
    pages->capacity = (uint32_t)most + 1 + spare_pages(pages);
    if (config->file != NULL && !open_file(pages, config))
        return false;
    if (pages->floor > pages->capacity - 1 - spare_pages(pages))
        pages->floor = pages->capacity - 1 - spare_pages(pages);
    pages->class_of = calloc(pages->capacity, sizeof(*pages->class_of));
    pages->next = calloc(pages->capacity, sizeof(*pages->next));
    if (pages->class_of == NULL || pages->next == NULL || !map_region(pages)) {
        free(pages->class_of);
        free(pages->next);
        file_close(&pages->file);
        return false;
    }
    lock_init(&pages->lock, RANK_PAGES);
    advise(pages, false);
    keep_pages(pages);
    poison_lay(pages->base, pages->page_bytes); /* where handle 0 would lead */
    for (unsigned size_class = 1; size_class <= pages->classes.count; size_class++)
        lock_init(&pages->class_memory[size_class].lock, RANK_CLASS);
    return true;
}

bool
pages_take_memory(struct pages *pages)
{
    size_t end = bytes_in_limit(pages);

    if (pages->file.head != NULL)
        return true;
    pages->populated = end;
    return want_huge(pages) &
           (madvise(pages->base + pages->page_bytes, end - pages->page_bytes,
                    MADV_POPULATE_WRITE) == 0);
}

/* Of what was asked for in advance, something goes back: the limit has become lower. The lock keeps
 * others from using it meanwhile. */
static bool
depopulate(struct pages *pages)
{
    bool has;

    lock_take(&pages->lock);
    has = pages->populated >= ((size_t)pages->numbered << pages->page_shift) + HUGE_BYTES;
    if (has) {
        pages->populated -= HUGE_BYTES;
        (void)madvise(pages->base + pages->populated, HUGE_BYTES, MADV_DONTNEED);
    }
    lock_drop(&pages->lock);
    return has;
}

bool
pages_populate(struct pages *pages)
{
    size_t end = bytes_in_limit(pages), used, wanted;

    if (pages->populated > end)
        return depopulate(pages);
    lock_take(&pages->lock);
    used = (size_t)pages->numbered << pages->page_shift;
    lock_drop(&pages->lock);
    if (pages->file.head != NULL || used < HUGE_BYTES)
        return false;
    wanted = used / AHEAD_PART < AHEAD_MOST ? used / AHEAD_PART : AHEAD_MOST;
    wanted += used;
    if (pages->populated < used) /* whose memory is there, or is not needed yet */
        pages->populated = used / HUGE_BYTES * HUGE_BYTES;
    if (pages->populated >= wanted || pages->populated + HUGE_BYTES > end)
        return false;
    /* As for the table, it may not be known: table_populate(). */
    (void)madvise(pages->base + pages->populated, HUGE_BYTES, MADV_POPULATE_WRITE);
    pages->populated += HUGE_BYTES;
    return true;
}

void
pages_fini(struct pages *pages)
{
    /* The addresses may come to be somebody else's. */
    poison_lift(pages->base, (size_t)pages->numbered << pages->page_shift);
    munmap(pages->base, (size_t)pages->capacity << pages->page_shift);
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
    size_t limit = limit_bytes >> pages->page_shift;
    bool   lower;

    if (limit > pages->capacity - 1 - spare_pages(pages))
        return false;
    lower = limit < atomic_exchange(&pages->limit, (uint32_t)limit);
    advise(pages, lower);
    lock_take(&pages->lock);
    atomic_store(&pages->room, UINT32_MAX); /* somebody may have made room */
    lock_drop(&pages->lock);
    return true;
}

uint32_t
pages_allowed_locked(const struct pages *pages)
{
    uint32_t limit = atomic_load_explicit(&pages->limit, memory_order_relaxed);
    uint32_t room = atomic_load_explicit(&pages->room, memory_order_relaxed);

    if (limit < pages->floor)
        limit += (pages->floor - limit) * pages->in_use / pages->classes.count;
    return limit < room ? limit : room;
}

bool
pages_may_use_locked(const struct pages *pages, uint32_t more)
{
    return (uint64_t)pages->used + more <= pages_allowed_locked(pages);
}

bool
pages_may_use(struct pages *pages, uint32_t more)
{
    bool may;

    lock_take(&pages->lock);
    may = pages_may_use_locked(pages, more);
    lock_drop(&pages->lock);
    return may;
}

uint32_t
pages_in_use(struct pages *pages)
{
    uint32_t used;

    lock_take(&pages->lock);
    used = pages->used;
    lock_drop(&pages->lock);
    return used;
}

/* The pages lock is held. */
static uint32_t
in_pool_locked(const struct pages *pages)
{
    uint32_t allowed = pages_allowed_locked(pages);
    uint32_t most = allowed > pages->used ? allowed - pages->used : 0;

    return pages->pool_count < most ? pages->pool_count : most;
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

uint32_t
pages_free_chunks(struct pages *pages, unsigned size_class, uint32_t *owned)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             count;

    lock_take(&memory->lock);
    count = memory->free_count + memory->fresh;
    *owned = memory->pages;
    lock_drop(&memory->lock);
    return count;
}

uint32_t
pages_unused_locked(const struct pages *pages, uint32_t page)
{
    const struct class_memory *memory = &pages->class_memory[pages_class_of(pages, page)];

    return memory->fresh > 0 &&
                   pages_number(pages, (struct item *)(void *)memory->fresh_at) == page
               ? memory->fresh
               : 0;
}

/* Is one of the class's pages on its way out? Then it is not to get another one for it. */
static bool
is_shrinking(const struct pages *pages, unsigned size_class)
{
    uint32_t page = atomic_load_explicit(&pages->draining, memory_order_relaxed);

    return page != 0 && pages_class_of(pages, page) == size_class;
}

/* May the class have a page more? While one of its pages leaves it, it is not to take what is
 * in the pool in exchange. */
static bool
may_grow_locked(const struct pages *pages, unsigned size_class, uint32_t granted)
{
    uint32_t kept = is_shrinking(pages, size_class) ? in_pool_locked(pages) : 0;

    return pages_may_use_locked(pages, kept + 1) ||
           pages->class_memory[size_class].pages < granted;
}

/* What the file system does not give is not asked for again. */
static bool
file_gives_locked(struct pages *pages, uint32_t page)
{
    if (pages->file.head == NULL || file_reserve_page(&pages->file, page))
        return true;
    atomic_store(&pages->room, pages->used);
    return false;
}

uint32_t
pages_pool_take_locked(struct pages *pages)
{
    uint32_t page = pages->pool != 0 ? pages->pool : pages->numbered;

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

/* Give the class one more page; false when there is none, and it has so many as are granted
 * to it. Its class lock is held. */
static bool
class_grow_locked(struct pages *pages, unsigned size_class, uint32_t granted)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             page = 0;

    lock_take(&pages->lock);
    if (may_grow_locked(pages, size_class, granted))
        page = pages_pool_take_locked(pages);
    if (page != 0) {
        pages_set_class_locked(pages, page, size_class);
        pages->used++;
    }
    lock_drop(&pages->lock);
    if (page == 0)
        return false;
    memory->pages++;
    memory->fresh = pages_chunks(pages, size_class);
    memory->fresh_at = pages_at(pages, page);
    poison_lay(memory->fresh_at, pages->page_bytes);
    return true;
}

bool
pages_grow_in_need(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    bool                 has;

    lock_take(&memory->lock);
    has = memory->fresh > 0 ||
          class_grow_locked(pages, size_class, granted_in_need(pages, size_class));
    lock_drop(&memory->lock);
    return has;
}

size_t
pages_reach(struct pages *pages, unsigned size_class)
{
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t owned, used, allowed, granted = granted_in_need(pages, size_class);

    lock_take(&memory->lock);
    owned = memory->pages;
    lock_take(&pages->lock);
    used = pages->used;
    allowed = pages_allowed_locked(pages);
    lock_drop(&pages->lock);
    lock_drop(&memory->lock);
    if (used < allowed)
        owned += allowed - used;
    if (owned < granted)
        owned = granted;
    return (size_t)owned * pages_chunks(pages, size_class);
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
        item_set_prev(pages_item(pages, memory->free), handle);
    memory->free = handle;
    memory->free_count++;
}

static struct item *
free_take_locked(struct pages *pages, unsigned size_class)
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
            chunk = free_take_locked(pages, size_class);
        else if (memory->fresh > 0 ||
                 (magazine->count == 0 &&
                  class_grow_locked(pages, size_class, pages_granted(pages, size_class))))
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
    unsigned room = MAGAZINE_BYTES / pages->classes.bytes[size_class];

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
    memory->free_count += count;
    if (count > 0) {
        last->next = memory->free;
        if (memory->free != 0)
            item_set_prev(pages_item(pages, memory->free), pages_handle(pages, last));
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
