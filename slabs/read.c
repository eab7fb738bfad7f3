/* slabs/read.c - reading and touching items. */
#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"

bool
item_pin_locked(struct item *item)
{
    if (atomic_load_explicit(&item->references, memory_order_relaxed) >=
        ITEM_REFERENCES_MAX)
        return false;
    atomic_fetch_add_explicit(&item->references, 1, memory_order_relaxed);
    return true;
}

/* What every reader wants to know. */
static inline void
describe_value_locked(const struct cache *cache, struct item *item,
                      struct cache_reading *reading)
{
    *reading = (struct cache_reading){
        .cas = item_cas(item),
        .client_flags = item_client_flags(item),
        .size_class = item_class(cache, item),
        .value_length = item_value_length(item),
        .value = item_value(item),
        .chained = item_is_chained(item) ? cache : NULL,
        .piece = item_is_chained(item) ? chain_first(cache, item) : NULL,
        .item = item,
    };
}

struct cache_reading
item_describe_locked(const struct cache *cache, struct item *item)
{
    struct cache_reading reading;
    uint8_t              marks = item_marks(item);

    describe_value_locked(cache, item, &reading);
    reading.ttl_s = item_ttl_s(cache, item);
    reading.idle_s = item_idle_s(item, clock_now(cache->clock));
    reading.fetched = marks & ITEM_FETCHED;
    reading.binary_key = marks & ITEM_BINARY_KEY;
    reading.stale = marks & ITEM_STALE;
    return reading;
}

void
item_note_found(const struct cache *cache, const struct item *item,
                struct cache_result *result)
{
    result->found = item != NULL;
    result->found_class = item != NULL ? item_class(cache, item) : 0;
    result->found_length = item != NULL ? item_value_length(item) : 0;
}

/* Begin to read a described item; a large value is pinned. False where it has too many
 * pins: then it is as good as not there. Its stripe is held. */
static bool
begin_locked(struct cache_reading *reading)
{
    reading->segment = (uint8_t)item_segment(reading->item);
    reading->pinned = reading->value_length > CACHE_COPY_MAX;
    return !reading->pinned || item_pin_locked(reading->item);
}

/* Hold the stripe for a small value, let it go for one that is pinned. */
static void
hold_locked(struct stripe *stripe, struct cache_reading *reading)
{
    if (reading->pinned)
        lock_drop(&stripe->lock);
    else
        reading->stripe = stripe;
}

enum cache_status
cache_read(struct cache_thread *thread, const struct cache_key *key,
           struct cache_reading *reading)
{
    struct cache  *cache = thread->cache;
    struct stripe *stripe = table_stripe(&cache->table, key->hash);
    struct item   *item;

    lock_take(&stripe->lock);
    item = item_find_live_locked(thread, key);
    if (item != NULL)
        describe_value_locked(cache, item, reading);
    if (item == NULL || !begin_locked(reading)) {
        lock_drop(&stripe->lock);
        return CACHE_MISS;
    }
    item_used_locked(cache, item);
    hold_locked(stripe, reading);
    return CACHE_OK;
}

/* An empty item in place of nothing; NULL while the spare has no chunk for it. */
static struct item *
create_locked(struct cache_thread *thread, const struct cache_key *key,
              const struct cache_read_how *how, struct spare *spare)
{
    struct cache     *cache = thread->cache;
    struct item_shape shape = { .key = key->bytes, .own_era = how->names_cas };
    struct item      *item;

    if (!spare_has(spare, item_class_for(cache, &shape)))
        return NULL;
    item = spare->item;
    item_write_head(cache, item, &shape);
    item_set_accessed(item, clock_now(cache->clock));
    item_set_deadline(item, clock_deadline(cache->clock, how->create_expiry));
    item_stamp_locked(cache, key->hash, item, 0);
    if (how->names_cas) {
        item_set_cas(item, how->new_cas);
        item_mark(item, ITEM_CHOSEN_CAS);
    }
    if (!item_link_locked(thread, key->hash, item))
        return NULL;
    spare->item = NULL;
    return item;
}

/* Does it end before one would that was stored now with this expiry? */
static bool
is_about_to_end(struct cache *cache, const struct item *item, int64_t refresh_expiry)
{
    uint32_t deadline = item_deadline(item);

    return deadline != CLOCK_NEVER &&
           deadline < clock_deadline(cache->clock, refresh_expiry);
}

/* Of the readers of an item that needs refreshing, one wins. */
static void
lease_locked(struct cache *cache, const struct cache_read_how *how,
             struct cache_reading *reading)
{
    struct item *item = reading->item;

    reading->leased = item_marks(item) & ITEM_LEASED;
    reading->won =
        !reading->leased &&
        (reading->created || reading->stale ||
         (how->refreshes && is_about_to_end(cache, item, how->refresh_expiry)));
    if (reading->won)
        item_lease_locked(cache, item);
}

static void
apply_locked(struct cache *cache, const struct cache_read_how *how,
             struct cache_reading *reading)
{
    struct item *item = reading->item;

    if (how->leases && !how->touches_first)
        lease_locked(cache, how, reading);
    if (how->touches && (!reading->created || how->touches_created))
        item_touch_locked(cache, item, clock_deadline(cache->clock, how->expiry));
    if (how->leases && how->touches_first)
        lease_locked(cache, how, reading);
    if (!how->unnoticed)
        item_used_locked(cache, item);
}

enum cache_status
cache_read_as(struct cache_thread *thread, const struct cache_key *key,
              const struct cache_read_how *how, struct cache_reading *reading)
{
    struct cache  *cache = thread->cache;
    struct stripe *stripe = table_stripe(&cache->table, key->hash);
    struct spare   spare = { 0 };
    struct item   *item;
    bool           created;

    do {
        lock_take(&stripe->lock);
        item = item_find_live_locked(thread, key);
        created = item == NULL && how->creates;
        if (created)
            item = create_locked(thread, key, how, &spare);
        if (item != NULL)
            break;
        lock_drop(&stripe->lock);
    } while (spare.wanted != 0 && spare_fetch(thread, &spare));
    spare_return(thread, &spare);
    if (item == NULL)
        return CACHE_MISS;
    *reading = item_describe_locked(cache, item);
    if (!begin_locked(reading)) {
        lock_drop(&stripe->lock);
        return CACHE_MISS;
    }
    reading->created = created;
    if (created)
        reading->ttl_s = -1;
    apply_locked(cache, how, reading);
    hold_locked(stripe, reading);
    return CACHE_OK;
}

struct span
cache_read_value(struct cache_reading *reading, size_t from)
{
    /* A pinned item's header is not to be read: it may be unlinked meanwhile. */
    if (reading->chained != NULL)
        return chain_read(reading, from);
    return (struct span){ reading->value + from, reading->value_length - from };
}

void
cache_read_end(struct cache_thread *thread, struct cache_reading *reading)
{
    if (reading->stripe != NULL)
        lock_drop(&reading->stripe->lock);
    if (reading->pinned)
        item_unref(thread, reading->item);
    reading->item = NULL;
    reading->stripe = NULL;
    reading->pinned = false;
}

enum cache_status
cache_touch(struct cache_thread *thread, const struct cache_key *key, int64_t expiry,
            struct cache_result *result)
{
    struct cache  *cache = thread->cache;
    struct stripe *stripe = table_stripe(&cache->table, key->hash);
    struct item   *item;

    lock_take(&stripe->lock);
    item = item_find_live_locked(thread, key);
    item_note_found(cache, item, result);
    if (item != NULL) {
        item_used_locked(cache, item);
        item_touch_locked(cache, item, clock_deadline(cache->clock, expiry));
        result->cas = item_cas(item);
        result->client_flags = item_client_flags(item);
        result->size_class = item_class(cache, item);
    }
    lock_drop(&stripe->lock);
    return item != NULL ? CACHE_OK : CACHE_MISS;
}
