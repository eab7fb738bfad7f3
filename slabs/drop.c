/* slabs/drop.c - dropping items, or only what they are worth.
 *
 * An item can also be kept: as a stale value that somebody should refresh, or emptied.
 * An emptied item moves to a chunk of the right size, and one that gets an id of a
 * client's choice to a chunk with room for its era. A chain always has that room, and with it
 * no item becomes a chain (item_takes_chain()), so no value is copied here that is larger than
 * a chunk.
 */
#include "slabs/cache_priv.h"
#include "slabs/must.h"

struct dropping {
    struct cache_thread         *thread;
    const struct cache_key      *key;
    const struct cache_drop_how *how;
    struct spare                 spare;
    struct cache_result         *result;
};

/* A copy with or without the value, in the spare chunk; NULL while there is none. The
 * copy has the same dates and id; it has no other marks. */
static struct item *
copy_locked(struct dropping *d, const struct item *old)
{
    const struct cache_drop_how *how = d->how;
    struct item_shape            shape = {
                   .key = item_key(old),
                   .client_flags = how->empties ? how->client_flags : item_client_flags(old),
                   .own_era = how->new_cas != 0 || old->traits & ITEM_OWN_ERA,
                   .value_length = how->empties ? 0 : item_value_length(old),
    };
    struct item *item;

    if (!spare_has(&d->spare, item_class_for(d->thread->cache, &shape)))
        return NULL;
    must(!shape.chained);
    item = d->spare.item;
    item_write_head(d->thread->cache, item, &shape);
    if (shape.value_length > 0)
        memcpy(item_value(item), item_cvalue(old), shape.value_length);
    item_set_accessed(item, item_accessed(old));
    item_set_cas(item, item_cas(old));
    item_set_deadline(item, how->empties ? CLOCK_NEVER : item_deadline(old));
    if (old->traits & ITEM_OWN_ERA) {
        item_set_own_era(item, item_own_era(old));
        item_mark(item, item_marks(old) & ITEM_CHOSEN_CAS);
    }
    return item;
}

/* What becomes of the item that stays. */
static void
change_locked(struct dropping *d, struct item *item)
{
    const struct cache_drop_how *how = d->how;
    struct cache                *cache = d->thread->cache;

    if (how->touches)
        item_set_deadline(item, clock_deadline(cache->clock, how->expiry));
    if (how->invalidates) {
        item_unmark(item, ITEM_LEASED);
        item_mark(item, ITEM_STALE);
    }
    if (how->invalidates || how->new_cas != 0)
        item_stamp_locked(cache, d->key->hash, item, how->new_cas);
}

/* Change the item that stays: the old one, or a copy that takes its place. False while a
 * chunk for the copy is wanted. */
static bool
keep_locked(struct dropping *d, struct item *old)
{
    const struct cache_drop_how *how = d->how;
    bool         rooms_id = how->new_cas == 0 || old->traits & ITEM_OWN_ERA;
    struct item *item;

    if (!how->empties && rooms_id) {
        item_hide(old); /* or a kill could leave half of a CAS id */
        change_locked(d, old);
        item_settle_locked(d->thread->cache, old);
        return true;
    }
    item = copy_locked(d, old);
    if (item == NULL)
        return false;
    change_locked(d, item);
    item_replace_locked(d->thread, d->key->hash, old, item);
    d->spare.item = NULL;
    return true;
}

static enum cache_status
drop_locked(struct dropping *d)
{
    const struct cache_drop_how *how = d->how;
    struct cache                *cache = d->thread->cache;
    struct item                 *item = item_find_live_locked(d->thread, d->key);

    item_note_found(cache, item, d->result);
    if (item == NULL)
        return CACHE_MISS;
    d->result->size_class = item_class(cache, item);
    if (how->compares && !item_has_cas(item, how->cas))
        return CACHE_EXISTS;
    if (!how->invalidates && !how->empties) {
        item_unlink_locked(d->thread, d->key->hash, item);
        return CACHE_OK;
    }
    if (!keep_locked(d, item))
        return CACHE_NO_MEMORY; /* or with a chunk, the next time */
    return CACHE_OK;
}

enum cache_status
cache_drop(struct cache_thread *thread, const struct cache_key *key,
           const struct cache_drop_how *how, struct cache_result *result)
{
    struct stripe    *stripe = table_stripe(&thread->cache->table, key->hash);
    struct dropping   d = { thread, key, how, { 0 }, result };
    enum cache_status status;

    do {
        lock_take(&stripe->lock);
        status = drop_locked(&d);
        lock_drop(&stripe->lock);
    } while (d.spare.wanted != 0 && spare_fetch(thread, &d.spare));
    spare_return(thread, &d.spare);
    return status;
}
