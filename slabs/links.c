/* slabs/links.c - putting items into the table and its list, and taking them out.
 *
 * An item is in the table exactly while it is in the list of its class and its link
 * holds one reference. All of that changes together, under the item's stripe.
 */
#include "slabs/cache_priv.h"
#include "slabs/must.h"

bool
item_is_expired(const struct cache *cache, const struct item *item)
{
    return clock_is_past(item_deadline(item), clock_now(cache->clock));
}

bool
item_is_flushed(const struct cache *cache, const struct item *item)
{
    return item_era(item) <
           atomic_load_explicit(&cache->flushed_below, memory_order_acquire);
}

bool
item_is_dead(const struct cache *cache, const struct item *item)
{
    return item_is_flushed(cache, item) || item_is_expired(cache, item);
}

static struct lru *
lru_of(struct cache *cache, const struct item *item)
{
    return &cache->lru[item_class(cache, item)];
}

/* The segment that a new item begins in. */
static enum cache_segment
first_segment(const struct cache *cache, const struct item *item)
{
    struct cache_lru lru = cache_lru(cache);

    if (lru_is_temporary(&lru, item_deadline(item), clock_now(cache->clock)))
        return CACHE_TEMP;
    return lru.segmented ? CACHE_HOT : CACHE_COLD;
}

struct cache_class_counters *
item_counters(struct cache_thread *thread, const struct item *item)
{
    return &thread->counters.of_class[item_class(thread->cache, item)];
}

void
item_track_size(struct cache_thread *thread, const struct item *item, int change)
{
    size_t step;

    if (thread->sizes == NULL)
        return;
    step = cache_item_weight(item->key_length, item_client_flags(item),
                             item_value_length(item));
    step = (step + CACHE_SIZE_STEP - 1) / CACHE_SIZE_STEP;
    counter_add(&thread->sizes[step < CACHE_SIZES ? step : CACHE_SIZES - 1],
                (uint64_t)(int64_t)change);
}

void
item_count_linked(struct cache_thread *thread, const struct item *item)
{
    struct cache_class_counters *counters = item_counters(thread, item);

    counter_add(&counters->items_linked, 1);
    counter_add(&counters->bytes_linked, item_size(item));
    item_track_size(thread, item, 1);
}

static void
count_unlinked(struct cache_thread *thread, const struct item *item)
{
    struct cache_class_counters *counters = item_counters(thread, item);

    counter_add(&counters->items_unlinked, 1);
    counter_add(&counters->bytes_unlinked, item_size(item));
    item_track_size(thread, item, -1);
}

bool
item_link_locked(struct cache_thread *thread, uint64_t hash, struct item *item)
{
    struct cache *cache = thread->cache;
    unsigned      note;

    must_hot(atomic_load(&item->references) == 1);
    if (!table_insert(&cache->table, &cache->pages, hash,
                      pages_handle(&cache->pages, item), &note))
        return false;
    item_settle_locked(cache, item);
    lru_add(lru_of(cache, item), &cache->pages, item, first_segment(cache, item), note);
    item_count_linked(thread, item);
    return true;
}

/* Nobody finds it any more, and neither does who reads the file later. */
static void
bury(const struct cache *cache, struct item *item)
{
    item_hide(item);
    if (cache->sum_bytes > 0)
        sum_spoil(item);
}

static void
unlink_locked(struct cache_thread *thread, uint64_t hash, struct item *item,
              unsigned note)
{
    struct cache *cache = thread->cache;

    bury(cache, item);
    table_remove(&cache->table, hash, pages_handle(&cache->pages, item), note);
    lru_remove(lru_of(cache, item), &cache->pages, item);
    count_unlinked(thread, item);
    item_unref(thread, item);
}

void
item_unlink_locked(struct cache_thread *thread, uint64_t hash, struct item *item)
{
    unlink_locked(thread, hash, item, 0);
}

void
item_evict_locked(struct cache_thread *thread, uint64_t hash, struct item *item,
                  unsigned note)
{
    unlink_locked(thread, hash, item, note);
}

void
item_replace_locked(struct cache_thread *thread, uint64_t hash, struct item *from,
                    struct item *to)
{
    struct cache *cache = thread->cache;
    struct lru   *before = lru_of(cache, from), *after = lru_of(cache, to);

    must_hot(atomic_load(&to->references) == 1);
    bury(cache, from);
    table_replace(&cache->table, hash, pages_handle(&cache->pages, from),
                  pages_handle(&cache->pages, to));
    item_settle_locked(cache, to);
    if (before == after) {
        lru_replace(before, &cache->pages, from, to, first_segment(cache, to));
    } else {
        lru_remove(before, &cache->pages, from);
        lru_add(after, &cache->pages, to, first_segment(cache, to), 0);
    }
    item_count_linked(thread, to);
    count_unlinked(thread, from);
    item_unref(thread, from);
}

void
item_move_locked(struct cache_thread *thread, uint64_t hash, struct item *from,
                 struct item *to)
{
    struct cache *cache = thread->cache;

    bury(cache, from);
    table_replace(&cache->table, hash, pages_handle(&cache->pages, from),
                  pages_handle(&cache->pages, to));
    item_settle_locked(cache, to);
    lru_swap(lru_of(cache, from), &cache->pages, from, to);
    item_set_traits(from, ITEM_TAKEN); /* nothing of it is its own any more */
    item_unref(thread, from);
}

/* Account for a dead item that a look-up met. */
static void
count_dead(struct cache_thread *thread, const struct item *item)
{
    if (item_is_flushed(thread->cache, item)) {
        counter_add(&thread->counters.flushed_found, 1);
        return;
    }
    counter_add(&thread->counters.expired_found, 1);
    if (!(item_marks(item) & ITEM_FETCHED))
        counter_add(&item_counters(thread, item)->expired_unfetched, 1);
}

/* ---- eras and ids ---------------------------------------------------------------- */

/* Begin a new era because a stripe has used up its ids of this one; kills nothing. */
static uint32_t
era_advance(struct cache *cache, uint32_t used_up)
{
    uint32_t era;

    lock_take(&cache->flush_lock);
    era = atomic_load(&cache->era);
    if (era == used_up && era < UINT32_MAX) {
        era++;
        cache_note_state_locked(cache, era, atomic_load(&cache->flushed_below));
        atomic_store(&cache->era, era);
    }
    lock_drop(&cache->flush_lock);
    return era;
}

/* Let the operation that begins take place in the present era, with one id to draw. */
static void
era_enter_locked(struct cache *cache, struct stripe *stripe)
{
    uint32_t era = atomic_load_explicit(&cache->era, memory_order_acquire);

    lock_must_be_held(&stripe->lock);
    if (stripe->cas_era == era && stripe->cas_counter + 1 == CAS_COUNTER_LIMIT)
        era = era_advance(cache, era);
    if (stripe->cas_era == era)
        return;
    stripe->cas_era = era;
    stripe->cas_counter = 0;
}

static uint64_t
cas_draw_locked(struct cache *cache, struct stripe *stripe)
{
    lock_must_be_held(&stripe->lock);
    /* When even the eras are used up, after 2^32 flushes, ids come round again. */
    stripe->cas_counter = (stripe->cas_counter + 1) & (CAS_COUNTER_LIMIT - 1);
    return (uint64_t)stripe->cas_era << CAS_ERA_SHIFT |
           (uint64_t)stripe->cas_counter << CAS_COUNTER_SHIFT |
           (uint64_t)(stripe - cache->table.stripes);
}

void
item_stamp_locked(struct cache *cache, uint64_t hash, struct item *item, uint64_t new_cas)
{
    struct stripe *stripe = table_stripe(&cache->table, hash);

    must(new_cas == 0 || item->traits & ITEM_OWN_ERA);
    if (new_cas != 0)
        item_mark(item, ITEM_CHOSEN_CAS); /* first, or it could look flushed */
    item_set_cas(item, new_cas != 0 ? new_cas : cas_draw_locked(cache, stripe));
    if (item->traits & ITEM_OWN_ERA)
        item_set_own_era(item, stripe->cas_era);
}

/* ---- looking up ------------------------------------------------------------------ */

struct item *
item_find_live_locked(struct cache_thread *thread, const struct cache_key *key)
{
    struct cache *cache = thread->cache;
    struct item  *item;

    era_enter_locked(cache, table_stripe(&cache->table, key->hash));
    item = table_find(&cache->table, &cache->pages, key->hash, key->bytes);
    if (item == NULL)
        return NULL;
    if (!item_is_dead(cache, item))
        return item;
    count_dead(thread, item);
    item_unlink_locked(thread, key->hash, item);
    return NULL;
}

void
item_used_locked(struct cache *cache, struct item *item)
{
    uint32_t now = clock_now(cache->clock);

    item_mark(item, ITEM_FETCHED | ITEM_ACTIVE);
    /* Not at every use: a hot item's cache line is better left alone. */
    if (now - item_accessed(item) >= CLOCK_HZ)
        item_set_accessed(item, now);
}

static int32_t
ttl_s(const struct cache *cache, uint32_t deadline)
{
    uint32_t now = clock_now(cache->clock), left;

    if (deadline == CLOCK_NEVER)
        return -1;
    if (deadline <= now)
        return 0;
    /* Rounded up, less the tick that a deadline is put later: what lives has never 0. */
    left = (deadline - now + CLOCK_HZ - 2) / CLOCK_HZ;
    return left > 0 ? (int32_t)left : 1;
}

void
item_touch_locked(const struct cache *cache, struct item *item, uint32_t deadline)
{
    if (cache->sum_bytes == 0) {
        item_set_deadline(item, deadline);
        return;
    }
    item_hide(item); /* or a kill could leave a sum that is wrong */
    sum_write_deadline(item, deadline);
    item_show(item);
}

void
item_lease_locked(const struct cache *cache, struct item *item)
{
    if (cache->sum_bytes == 0) {
        item_mark(item, ITEM_LEASED);
        return;
    }
    item_hide(item);
    sum_write_lease(item, true);
    item_show(item);
}

int32_t
item_ttl_s(const struct cache *cache, const struct item *item)
{
    return ttl_s(cache, item_deadline(item));
}

int32_t
cache_ttl_of(const struct cache *cache, int64_t expiry)
{
    return ttl_s(cache, clock_deadline(cache->clock, expiry));
}
