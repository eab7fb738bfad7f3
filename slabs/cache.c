/* slabs/cache.c - the cache as a whole: birth, death, flushes, sums.
 *
 * Operations on one key are in read.c, store.c and arithmetic.c.
 */
#include "slabs/cache.h"

#include <stdlib.h>

#include "slabs/cache_priv.h"
#include "slabs/must.h"

enum {
    SMALLEST_VALUE = 8, /* a chunk has room for this much at least            */
    ERA_FIRST = 1,      /* so that no id is 0                                 */
    PIECES_MAX = 2048,  /* of a chain, about                                  */
};

/* ---- birth and death ------------------------------------------------------------- */

static struct cache *
cache_aligned(size_t bytes)
{
    return aligned_alloc(128, (bytes + 127) & ~(size_t)127);
}

/* A chain has a bounded number of pieces: they are given back while a stripe is held. */
static uint32_t
largest_chunk(const struct cache_config *config)
{
    size_t bytes = config->chunk_bytes_max;

    while (bytes < config->page_bytes && config->item_bytes_max / bytes > PIECES_MAX)
        bytes *= 2;
    return (uint32_t)(bytes < config->page_bytes ? bytes : config->page_bytes);
}

/* Go on after the last era of the process before, so that no id is drawn twice. */
static bool
resume(struct cache *cache)
{
    const struct pages *pages = &cache->pages;
    struct file_state   state = pages->file.state;
    size_t              chunks = 0;

    atomic_store(&cache->flushed_below, state.flushed_below);
    cache->flush_at = state.flush_at;
    atomic_store(&cache->era, state.era + ERA_FIRST);
    atomic_store(&cache->restore_next, 1);
    cache->piece_pages = calloc(pages->numbered, sizeof(*cache->piece_pages));
    for (uint32_t page = 1; page < pages->numbered; page++) {
        if (pages_class_of(pages, page) != 0)
            chunks += pages_chunks(pages, pages_class_of(pages, page));
    }
    table_expect(&cache->table, chunks);
    return cache->piece_pages != NULL;
}

/* A file that is in use is never like one that is not, whatever reaches the disk. */
static void
begin_file(struct cache *cache)
{
    struct file *file = &cache->pages.file;

    lock_take(&cache->flush_lock);
    file->state.era = atomic_load(&cache->era);
    file->state.flushed_below = atomic_load(&cache->flushed_below);
    file->state.flush_at = cache->flush_at;
    file_write_state(file);
    lock_drop(&cache->flush_lock);
    file_sync(file);
}

struct cache *
cache_create(const struct cache_config *config)
{
    uint32_t sum_bytes = config->file != NULL ? SUM_BYTES : 0,
             room = config->smallest_value;
    uint32_t smallest =
        ITEM_HEADER + (room > SMALLEST_VALUE ? room : SMALLEST_VALUE) + sum_bytes;
    struct cache *cache = cache_aligned(sizeof(*cache));
    struct file  *file;
    size_t        items_max;

    if (cache == NULL)
        return NULL;
    *cache = (struct cache){
        .clock = config->clock,
        .item_bytes_max = config->item_bytes_max,
        .sum_bytes = sum_bytes,
        .evicts = config->evicts,
        .tracks_sizes = config->tracks_sizes,
    };
    atomic_init(&cache->era, ERA_FIRST);
    cache_set_lru(cache, &config->lru);
    cache->chunk_bytes_max = largest_chunk(config);
    if (!pages_init(&cache->pages, config, smallest, cache->chunk_bytes_max))
        goto fail;
    file = &cache->pages.file;
    items_max = (size_t)cache->pages.capacity * pages_chunks(&cache->pages, 1);
    if (!table_init(&cache->table, items_max,
                    file->head != NULL ? file->head->hash_seed : config->hash_seed))
        goto fail_pages;
    if (file->head != NULL && config->file->found == CACHE_FILE_WARM && !resume(cache))
        goto fail_table;
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count; size_class++)
        lru_init(&cache->lru[size_class]);
    page_mover_init(&cache->mover);
    lock_init(&cache->threads_lock, RANK_THREADS);
    lock_init(&cache->flush_lock, RANK_LEAF);
    if (file->head != NULL)
        begin_file(cache);
    return cache;

fail_table:
    table_fini(&cache->table);
fail_pages:
    pages_fini(&cache->pages);
fail:
    free(cache);
    return NULL;
}

static void
end_file(struct cache *cache)
{
    lock_take(&cache->flush_lock);
    cache_note_state_locked(cache, atomic_load(&cache->era),
                            atomic_load(&cache->flushed_below));
    lock_drop(&cache->flush_lock);
    file_seal(&cache->pages.file, cache->pages.base, cache->pages.numbered);
}

void
cache_destroy(struct cache **cache)
{
    struct cache *dead = *cache;

    *cache = NULL;
    if (dead == NULL)
        return;
    must(dead->threads == NULL && dead->restored == NULL);
    free(dead->piece_pages);
    if (dead->pages.file.head != NULL)
        end_file(dead);
    for (unsigned size_class = 1; size_class <= dead->pages.classes.count; size_class++)
        lru_fini(&dead->lru[size_class]);
    page_mover_fini(&dead->mover);
    free(dead->ended_sizes);
    lock_fini(&dead->threads_lock);
    lock_fini(&dead->flush_lock);
    table_fini(&dead->table);
    pages_fini(&dead->pages);
    free(dead);
}

struct cache_thread *
cache_thread_create(struct cache *cache)
{
    struct cache_thread *thread =
        aligned_alloc(128, (sizeof(*thread) + 127) & ~(size_t)127);

    if (thread == NULL)
        return NULL;
    *thread = (struct cache_thread){ .cache = cache };
    if (cache->tracks_sizes) {
        thread->sizes = calloc(CACHE_SIZES, sizeof(*thread->sizes));
        if (thread->sizes == NULL) {
            free(thread);
            return NULL;
        }
    }
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count; size_class++)
        magazine_init(&thread->magazine[size_class], &cache->pages, size_class);
    lock_take(&cache->threads_lock);
    thread->next = cache->threads;
    cache->threads = thread;
    lock_drop(&cache->threads_lock);
    return thread;
}

/* The structs of counters are uint64_t throughout, so they are added as arrays. */
static void
counts_add(struct cache_counts *sum, const struct cache_counts *part)
{
    uint64_t       *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += counter_read(&from[i]);
}

static void
sizes_add(int64_t *sums, const uint64_t *sizes)
{
    for (size_t i = 0; sizes != NULL && i < CACHE_SIZES; i++)
        sums[i] += (int64_t)counter_read(&sizes[i]);
}

void
cache_thread_destroy(struct cache_thread **thread)
{
    struct cache_thread *dead = *thread;
    struct cache        *cache;

    *thread = NULL;
    if (dead == NULL)
        return;
    cache = dead->cache;
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count; size_class++)
        pages_empty_magazine(&cache->pages, &dead->magazine[size_class], size_class);
    lock_take(&cache->threads_lock);
    for (struct cache_thread **at = &cache->threads; *at != NULL; at = &(*at)->next) {
        if (*at == dead) {
            *at = dead->next;
            break;
        }
    }
    counts_add(&cache->ended, &dead->counters);
    if (cache->ended_sizes == NULL) {
        cache->ended_sizes = dead->sizes;
    } else {
        sizes_add((int64_t *)cache->ended_sizes, dead->sizes);
        free(dead->sizes);
    }
    lock_drop(&cache->threads_lock);
    free(dead);
}

void
cache_watch_evictions(struct cache_thread *thread, cache_on_eviction *tell, void *ctx)
{
    thread->on_eviction_ctx = ctx;
    thread->on_eviction = tell;
}

struct cache *
cache_of(const struct cache_thread *thread)
{
    return thread->cache;
}

/* ---- keys ------------------------------------------------------------------------ */

struct cache_key
cache_key(const struct cache *cache, struct span bytes)
{
    return (struct cache_key){ bytes, table_hash(&cache->table, bytes) };
}

void
cache_prefetch_bucket(const struct cache *cache, const struct cache_key *key)
{
    table_prefetch_bucket(&cache->table, key->hash);
}

void
cache_prefetch_item(const struct cache *cache, const struct cache_key *key)
{
    table_prefetch_item(&cache->table, &cache->pages, key->hash);
}

/* ---- sizes ----------------------------------------------------------------------- */

/* memcached's header, its CAS field, the key's NUL, the value's CRLF. */
enum { MEMCACHED_OVERHEAD = 48 + 8 + 1 + 2 };

size_t
cache_item_weight(size_t key_length, uint32_t client_flags, size_t value_length)
{
    return MEMCACHED_OVERHEAD + key_length + item_flags_room(client_flags) + value_length;
}

bool
item_takes_chain(const struct cache *cache, const struct item_shape *shape)
{
    struct item_shape whole = *shape;

    whole.own_era = true;
    whole.chained = false;
    return item_room_of(cache, &whole) > cache->chunk_bytes_max;
}

/* A chain always has room for an era, so that its id can be anything without a copy. */
unsigned
item_class_for(const struct cache *cache, struct item_shape *shape)
{
    const struct classes *classes = &cache->pages.classes;

    if (cache_item_weight(shape->key.length, shape->client_flags, shape->value_length) >
        cache->item_bytes_max)
        return 0;
    shape->chained = item_takes_chain(cache, shape);
    shape->own_era |= shape->chained;
    return classes_find(classes, item_room_of(cache, shape));
}

unsigned
cache_class_for(const struct cache *cache, size_t key_length, uint32_t client_flags,
                size_t value_length)
{
    struct item_shape shape = {
        .key = { NULL, key_length },
        .client_flags = client_flags,
        .value_length = value_length,
    };
    unsigned size_class = item_class_for(cache, &shape);

    return shape.chained ? cache->pages.classes.count : size_class;
}

/* ---- segments -------------------------------------------------------------------- */

struct cache_lru
cache_lru(const struct cache *cache)
{
    const struct lru_tuning *t = &cache->tuning;

#define NOW(name) .name = atomic_load_explicit(&t->name, memory_order_relaxed)
    return (struct cache_lru){ NOW(segmented),   NOW(temporary),    NOW(temporary_ttl_s),
                               NOW(hot_percent), NOW(warm_percent), NOW(hot_factor),
                               NOW(warm_factor) };
#undef NOW
}

void
cache_set_lru(struct cache *cache, const struct cache_lru *lru)
{
    struct lru_tuning *t = &cache->tuning;

    atomic_store(&t->segmented, lru->segmented);
    atomic_store(&t->temporary, lru->temporary);
    atomic_store(&t->temporary_ttl_s, lru->temporary_ttl_s);
    atomic_store(&t->hot_percent, lru->hot_percent);
    atomic_store(&t->warm_percent, lru->warm_percent);
    atomic_store(&t->hot_factor, lru->hot_factor);
    atomic_store(&t->warm_factor, lru->warm_factor);
}

/* ---- flushes --------------------------------------------------------------------- */

/* When there is no further era, a flush has to walk. */
static void
unlink_everything(struct cache_thread *thread)
{
    struct cache *cache = thread->cache;

    for (size_t i = 0; i < (size_t)1 << STRIPE_BITS; i++) {
        struct stripe *stripe = &cache->table.stripes[i];
        uint32_t       bucket = 0;
        struct item   *item;

        lock_take(&stripe->lock);
        while ((item = table_any(&cache->table, &cache->pages, stripe, &bucket)) != NULL)
            item_unlink_locked(thread, table_hash(&cache->table, item_key(item)), item);
        lock_drop(&stripe->lock);
    }
}

void
cache_note_state_locked(struct cache *cache, uint32_t era, uint32_t flushed_below)
{
    struct file *file = &cache->pages.file;

    lock_must_be_held(&cache->flush_lock);
    if (file->head == NULL)
        return;
    file->state.now = clock_now(cache->clock);
    file->state.era = era;
    file->state.flushed_below = flushed_below;
    file->state.flush_at = cache->flush_at;
    file->state.limit = atomic_load(&cache->pages.limit);
    file_write_state(file);
}

/* Begin a new era that everything before is dead in; false when there is none left. */
static bool
flush_locked(struct cache *cache)
{
    uint32_t era = atomic_load(&cache->era);

    cache->flush_at = CLOCK_NEVER;
    if (era == UINT32_MAX)
        return false;
    cache_note_state_locked(cache, era + 1, era + 1);
    /* In this order: who enters the new era sees nothing of the old one any more. */
    atomic_store(&cache->flushed_below, era + 1);
    atomic_store(&cache->era, era + 1);
    return true;
}

void
cache_flush(struct cache_thread *thread)
{
    struct cache *cache = thread->cache;
    bool          flushed;

    lock_take(&cache->flush_lock);
    flushed = flush_locked(cache);
    lock_drop(&cache->flush_lock);
    if (!flushed)
        unlink_everything(thread);
}

void
cache_flush_later(struct cache_thread *thread, int64_t expiry)
{
    struct cache *cache = thread->cache;
    uint32_t      deadline = clock_deadline(cache->clock, expiry);

    bool before_start = expiry > 0 && deadline == CLOCK_PAST;

    if (expiry <= 0 ||
        (!before_start && clock_is_past(deadline, clock_now(cache->clock)))) {
        cache_flush(thread);
        return;
    }
    lock_take(&cache->flush_lock);
    if (before_start)
        cache->flush_at = CLOCK_NEVER;
    else /* an item lives a tick longer rather than shorter; a flush is on time */
        cache->flush_at = deadline - (expiry <= CLOCK_RELATIVE_MAX_S ? 1 : 0);
    cache_note_state_locked(cache, atomic_load(&cache->era),
                            atomic_load(&cache->flushed_below));
    lock_drop(&cache->flush_lock);
}

void
cache_tick(struct cache_thread *thread)
{
    struct cache *cache = thread->cache;
    bool          flushed = true;

    lock_take(&cache->flush_lock);
    if (clock_is_past(cache->flush_at, clock_now(cache->clock)))
        flushed = flush_locked(cache);
    cache_note_state_locked(cache, atomic_load(&cache->era),
                            atomic_load(&cache->flushed_below));
    lock_drop(&cache->flush_lock);
    if (!flushed)
        unlink_everything(thread);
}

/* ---- sums ------------------------------------------------------------------------ */

static void
counts_sum(struct cache *cache, struct cache_counts *sum)
{
    lock_take(&cache->threads_lock);
    *sum = cache->ended;
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next)
        counts_add(sum, &thread->counters);
    lock_drop(&cache->threads_lock);
}

void
cache_counters_sum(struct cache *cache, struct cache_counters *sum,
                   struct cache_class_counters *of_class)
{
    struct cache_counts counts;

    counts_sum(cache, &counts);
    *sum = (struct cache_counters){ 0 };
#define ADD(name, meaning) sum->name += counts.of_class[i].name;
    for (size_t i = 0; i <= CLASS_MAX; i++) {
        CACHE_CLASS_COUNTERS(ADD)
    }
#undef ADD
#define COPY(name, meaning) sum->name = counts.name;
    CACHE_PLAIN_COUNTERS(COPY)
#undef COPY
    if (of_class != NULL)
        memcpy(of_class, counts.of_class, sizeof(counts.of_class));
}

void
cache_sizes_sum(struct cache *cache, int64_t sums[CACHE_SIZES])
{
    memset(sums, 0, CACHE_SIZES * sizeof(*sums));
    lock_take(&cache->threads_lock);
    sizes_add(sums, cache->ended_sizes);
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next)
        sizes_add(sums, thread->sizes);
    lock_drop(&cache->threads_lock);
}

/* Free chunks that threads keep, at most so many: they come and go meanwhile. */
static uint64_t
kept_chunks(struct cache *cache, unsigned size_class, uint64_t most)
{
    uint64_t kept = 0;

    lock_take(&cache->threads_lock);
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next)
        kept += magazine_count(&thread->magazine[size_class]);
    lock_drop(&cache->threads_lock);
    return kept < most ? kept : most;
}

void
cache_class_show(struct cache *cache, unsigned size_class, struct cache_class *shown)
{
    struct pages *pages = &cache->pages;
    struct lru   *lru = &cache->lru[size_class];

    *shown = (struct cache_class){ .chunk_bytes = pages->classes.bytes[size_class] };
    lock_take(&lru->lock);
    shown->evicted_idle_s = lru->evicted_idle / CLOCK_HZ;
    for (unsigned i = 0; i < CACHE_SEGMENTS; i++) {
        const struct lru_list *list = &lru->list[i];

        shown->items += shown->segment[i].items = list->count;
        if (list->oldest != 0)
            shown->segment[i].oldest_idle_s =
                item_idle_s(pages_item(pages, list->oldest), clock_now(cache->clock));
    }
    lock_drop(&lru->lock);
    shown->chunks_used = pages_used(pages, size_class, &shown->pages);
    shown->chunks_used -= kept_chunks(cache, size_class, shown->chunks_used);
}

uint32_t
cache_pages_in_pool(struct cache *cache)
{
    return pages_in_pool(&cache->pages);
}

size_t
cache_memory_limit(const struct cache *cache)
{
    uint32_t limit = atomic_load(&cache->pages.limit);
    uint32_t room = atomic_load(&cache->pages.room);

    return (size_t)(limit < room ? limit : room) << cache->pages.page_shift;
}

bool
cache_memory_is_short(struct cache *cache)
{
    enum { PART = 8 };

    return !pages_may_use(&cache->pages, atomic_load(&cache->pages.limit) / PART + 1);
}

bool
cache_take_memory(struct cache *cache)
{
    return pages_take_memory(&cache->pages);
}

bool
cache_memory_set_limit(struct cache *cache, size_t bytes)
{
    return pages_set_limit(&cache->pages, bytes);
}

/* Rows that the table would have with as many items to a page, and all pages in use. */
static uint64_t
rows_of_full(struct cache *cache, uint32_t rows)
{
    uint32_t used = pages_in_use(&cache->pages);

    return used > 0 ? (uint64_t)rows * atomic_load(&cache->pages.limit) / used + 1 : rows;
}

bool
cache_populate_step(struct cache_thread *thread)
{
    enum { AHEAD = 128, AHEAD_PART = 8 };
    struct cache *cache = thread->cache;
    uint32_t      rows = atomic_load(&cache->table.rows);
    uint64_t ahead = (uint64_t)rows + (rows < AHEAD ? rows : AHEAD) + rows / AHEAD_PART;
    uint64_t most = rows_of_full(cache, rows);

    return table_populate(&cache->table, (uint32_t)(ahead < most ? ahead : most)) ||
           pages_populate(&cache->pages);
}

size_t
cache_table_bytes(const struct cache *cache)
{
    return table_bytes(&cache->table);
}

unsigned
cache_table_power(const struct cache *cache)
{
    size_t slots = table_bytes(&cache->table) / sizeof(struct bucket) * BUCKET_SLOTS;

    return 63 - (unsigned)__builtin_clzll(slots);
}

uint32_t
cache_page_bytes(const struct cache *cache)
{
    return cache->pages.page_bytes;
}

unsigned
cache_class_count(const struct cache *cache)
{
    return cache->pages.classes.count;
}

uint32_t
cache_class_bytes(const struct cache *cache, unsigned size_class)
{
    if (size_class > cache->pages.classes.count)
        return 0;
    return cache->pages.classes.bytes[size_class];
}
