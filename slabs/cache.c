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
};

/* ---- birth and death ------------------------------------------------------------- */

static struct cache *
cache_aligned(size_t bytes)
{
    return aligned_alloc(128, (bytes + 127) & ~(size_t)127);
}

struct cache *
cache_create(const struct cache_config *config)
{
    uint32_t room = config->smallest_value;
    uint32_t smallest = ITEM_HEADER + (room > SMALLEST_VALUE ? room : SMALLEST_VALUE);
    struct cache *cache = cache_aligned(sizeof(*cache));
    size_t        items_max;

    if (cache == NULL)
        return NULL;
    *cache = (struct cache){
        .clock = config->clock,
        .item_bytes_max = config->item_bytes_max,
        .evicts = config->evicts,
    };
    atomic_init(&cache->era, ERA_FIRST);
    if (!pages_init(&cache->pages, config->memory_bytes, smallest, config->growth,
                    config->large_pages))
        goto fail;
    items_max =
        (size_t)cache->pages.capacity * (PAGE_BYTES / cache->pages.classes.bytes[1]);
    if (!table_init(&cache->table, items_max, config->hash_seed))
        goto fail_pages;
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count; size_class++)
        lru_init(&cache->lru[size_class]);
    lock_init(&cache->threads_lock, RANK_LEAF);
    lock_init(&cache->flush_lock, RANK_LEAF);
    return cache;

fail_pages:
    pages_fini(&cache->pages);
fail:
    free(cache);
    return NULL;
}

void
cache_destroy(struct cache **cache)
{
    struct cache *dead = *cache;

    *cache = NULL;
    if (dead == NULL)
        return;
    must(dead->threads == NULL);
    for (unsigned size_class = 1; size_class <= dead->pages.classes.count; size_class++)
        lru_fini(&dead->lru[size_class]);
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
    for (unsigned size_class = 1; size_class <= cache->pages.classes.count; size_class++)
        magazine_init(&thread->magazine[size_class], &cache->pages, size_class);
    lock_take(&cache->threads_lock);
    thread->next = cache->threads;
    cache->threads = thread;
    lock_drop(&cache->threads_lock);
    return thread;
}

static void
counters_add(struct cache_counters *sum, const struct cache_counters *part)
{
#define ADD(name, meaning) sum->name += counter_read(&part->name);
    CACHE_COUNTERS(ADD)
#undef ADD
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
    counters_add(&cache->ended, &dead->counters);
    lock_drop(&cache->threads_lock);
    free(dead);
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

unsigned
item_class_for(const struct cache *cache, const struct item_shape *shape)
{
    if (cache_item_weight(shape->key.length, shape->client_flags, shape->value_length) >
        cache->item_bytes_max)
        return 0;
    return classes_find(&cache->pages.classes,
                        item_size_of(shape->key.length, shape->client_flags,
                                     shape->own_era, shape->value_length));
}

unsigned
cache_class_for(const struct cache *cache, size_t key_length, uint32_t client_flags,
                size_t value_length)
{
    struct item_shape shape = { { NULL, key_length }, client_flags, false, value_length };

    return item_class_for(cache, &shape);
}

/* ---- flushes --------------------------------------------------------------------- */

/* When there is no further era, a flush has to walk. */
static void
unlink_everything(struct cache_thread *thread)
{
    struct cache *cache = thread->cache;

    for (size_t i = 0; i < (size_t)1 << cache->table.stripe_bits; i++) {
        struct stripe *stripe = &cache->table.stripes[i];
        uint32_t       bucket = 0;
        struct item   *item;

        lock_take(&stripe->lock);
        while ((item = table_any(&cache->table, &cache->pages, stripe, &bucket)) != NULL)
            item_unlink_locked(thread, table_hash(&cache->table, item_key(item)), item);
        lock_drop(&stripe->lock);
    }
}

/* Begin a new era that everything before is dead in; false when there is none left. */
static bool
flush_locked(struct cache *cache)
{
    uint32_t era = atomic_load(&cache->era);

    cache->flush_at = CLOCK_NEVER;
    if (era == UINT32_MAX)
        return false;
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
    lock_drop(&cache->flush_lock);
    if (!flushed)
        unlink_everything(thread);
}

/* ---- sums ------------------------------------------------------------------------ */

void
cache_counters_sum(struct cache *cache, struct cache_counters *sum)
{
    lock_take(&cache->threads_lock);
    *sum = cache->ended;
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next)
        counters_add(sum, &thread->counters);
    lock_drop(&cache->threads_lock);
}

size_t
cache_memory_limit(const struct cache *cache)
{
    return (size_t)(atomic_load(&cache->pages.limit) - 1) * PAGE_BYTES;
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
cache_page_bytes(void)
{
    return PAGE_BYTES;
}

uint32_t
cache_class_bytes(const struct cache *cache, unsigned size_class)
{
    if (size_class > cache->pages.classes.count)
        return 0;
    return cache->pages.classes.bytes[size_class];
}
