/* slabs/store.c - storing values.
 *
 * A store looks its key up once under the stripe. Where the old item's chunk has the
 * right size and nobody has it pinned, the new value is written over the old one: no
 * allocation, no list, no table. Otherwise a chunk is needed, which is not to be had
 * under a stripe (eviction takes stripes), so the stripe is let go, a chunk is fetched,
 * and the whole decision is taken anew.
 */
#include "slabs/cache_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

/* What a store knows while it runs. */
struct storing {
    struct cache_thread      *thread;
    const struct cache_store *store;
    struct span               value;
    struct item              *prepared; /* an upload that holds the value, or NULL  */
    struct spare              spare;
    struct cache_result      *result;

    /* The new item, as plan_locked() wants it. */
    struct item_shape shape;
    uint32_t          deadline;
    bool              joins; /* append or prepend to something                   */
    size_t            kept;  /* bytes of the old value that stay                 */
    unsigned          size_class;
};

/* May a stale value with an id that was overtaken be stored over `old`? */
static bool
overrules(const struct cache_store *store, const struct item *old)
{
    return store->invalidates && store->mode == CACHE_CAS && old != NULL &&
           store->cas != 0 && store->cas < item_cas(old);
}

/* Does the mode allow a store over `old` (NULL: nothing there)? */
static enum cache_status
rule(const struct cache_store *store, const struct item *old)
{
    switch (store->mode) {
    case CACHE_SET:
        return CACHE_OK;
    case CACHE_ADD:
        return old == NULL ? CACHE_OK : CACHE_NOT_STORED;
    case CACHE_REPLACE:
        return old != NULL ? CACHE_OK : CACHE_NOT_STORED;
    case CACHE_APPEND:
    case CACHE_PREPEND:
        if (old == NULL)
            return store->creates ? CACHE_OK : CACHE_NOT_STORED;
        return store->compares && !item_has_cas(old, store->cas) ? CACHE_EXISTS
                                                                 : CACHE_OK;
    case CACHE_CAS:
        if (old == NULL)
            return CACHE_MISS;
        return item_has_cas(old, store->cas) || overrules(store, old) ? CACHE_OK
                                                                      : CACHE_EXISTS;
    }
    must(!"a known store mode");
    return CACHE_NOT_STORED;
}

static size_t
size_of(const struct item_shape *shape)
{
    return item_size_of(shape->key.length, shape->client_flags, shape->own_era,
                        shape->value_length);
}

void
item_write_head(struct item *item, const struct item_shape *shape)
{
    poison_lift(item, size_of(shape));
    item->key_length = (uint8_t)shape->key.length;
    memcpy(item->bytes, shape->key.at, shape->key.length);
    item->traits = ITEM_TAKEN | (shape->own_era ? ITEM_OWN_ERA : 0);
    item_set_client_flags(item, shape->client_flags);
    item_set_value_length(item, shape->value_length);
    atomic_init(&item->marks, 0);
    atomic_init(&item->references, 1);
}

/* Where the old and the new part of a value go. */
static void
write_value(const struct storing *s, char *to, const char *old, size_t old_length)
{
    bool before = s->store->mode == CACHE_PREPEND;

    memmove(to + (before ? s->value.length : 0), old, old_length);
    memcpy(to + (before ? 0 : old_length), s->value.at, s->value.length);
}

/* What the new item looks like; false where no item may be that large. */
static bool
plan_locked(struct storing *s, const struct item *old)
{
    const struct cache_store *store = s->store;
    struct cache             *cache = s->thread->cache;

    s->joins = cache_store_joins(store->mode) && old != NULL;
    s->kept = s->joins ? item_value_length(old) : 0;
    s->shape = (struct item_shape){
        .key = store->key.bytes,
        .client_flags = s->joins ? item_client_flags(old) : store->client_flags,
        .own_era = store->new_cas != 0,
        .value_length = s->kept + s->value.length,
    };
    s->deadline = s->joins || overrules(store, old)
                      ? item_deadline(old)
                      : clock_deadline(cache->clock, store->expiry);
    s->size_class = item_class_for(cache, &s->shape);
    return s->size_class != 0;
}

/* The marks that the new item begins with. */
static uint8_t
marks_locked(const struct storing *s, const struct item *old)
{
    uint8_t marks = 0;

    if (s->store->binary_key && !s->joins)
        marks |= ITEM_BINARY_KEY;
    if (overrules(s->store, old))
        marks |= ITEM_STALE | (item_marks(old) & ITEM_LEASED);
    return marks;
}

/* The chunk of `old` holds the new item as well, and nobody looks at it. */
static void
overwrite_locked(struct storing *s, struct item *old)
{
    struct cache_class_counters *counters = item_counters(s->thread, old);
    const char                  *value = item_value(old);
    uint8_t                      marks = marks_locked(s, old) | ITEM_ACTIVE;
    size_t                       before = item_size(old), after = size_of(&s->shape);

    poison_lift(old, after);
    counter_add(&counters->items_unlinked, 1);
    counter_add(&counters->bytes_unlinked, before);
    item_track_size(s->thread, old, -1);
    old->traits &= (uint8_t)~ITEM_OWN_ERA;
    item_set_client_flags(old, s->shape.client_flags);
    write_value(s, item_value(old), value, s->kept);
    item_set_value_length(old, s->shape.value_length);
    atomic_store_explicit(&old->marks, marks, memory_order_relaxed);
    counter_add(&counters->items_linked, 1);
    counter_add(&counters->bytes_linked, after);
    item_track_size(s->thread, old, 1);
    if (after < before)
        poison_lay((const char *)old + after, before - after);
}

/* Make the new item in the spare chunk. */
static void
build_locked(struct storing *s, const struct item *old)
{
    struct item *item = s->spare.item;

    item_write_head(item, &s->shape);
    write_value(s, item_value(item), old != NULL ? item_cvalue(old) : "", s->kept);
}

/* Date the item and give it a new id. */
static void
stamp_locked(struct storing *s, struct item *item)
{
    struct cache *cache = s->thread->cache;

    item_set_deadline(item, s->deadline);
    item_set_accessed(item, clock_now(cache->clock));
    item_stamp_locked(cache, s->store->key.hash, item, s->store->new_cas);
    s->result->cas = item_cas(item);
    s->result->size_class = s->size_class;
    s->result->value_length = s->shape.value_length;
}

/* Let a new item take the place of `old` (NULL: link it); then *owner has lost it. */
static enum cache_status
place_locked(struct storing *s, struct item *old, struct item **owner)
{
    uint64_t     hash = s->store->key.hash;
    struct item *item = *owner;

    item_mark(item, marks_locked(s, old));
    stamp_locked(s, item);
    if (old != NULL)
        item_replace_locked(s->thread, hash, old, item);
    else if (!item_link_locked(s->thread, hash, item))
        return CACHE_NO_MEMORY;
    *owner = NULL;
    return CACHE_OK;
}

static enum cache_status
store_locked(struct storing *s)
{
    const struct cache_store *store = s->store;
    struct item              *old = item_find_live_locked(s->thread, &store->key);
    enum cache_status         status = rule(store, old);

    item_note_found(s->thread->cache, old, s->result);
    if (old != NULL) {
        s->result->cas = item_cas(old);
        s->result->size_class = pages_class(&s->thread->cache->pages, old);
        if (store->mode == CACHE_ADD)
            item_mark(old, ITEM_ACTIVE);
    }
    if (status != CACHE_OK)
        return status;
    if (!plan_locked(s, old))
        return cache_store_joins(store->mode) ? CACHE_NOT_STORED : CACHE_TOO_LARGE;

    if (s->prepared != NULL && !s->joins)
        return place_locked(s, old, &s->prepared);
    if (old != NULL && store->new_cas == 0 && s->size_class == s->result->size_class &&
        !item_is_pinned(old)) {
        overwrite_locked(s, old);
        stamp_locked(s, old);
        return CACHE_OK;
    }
    if (!spare_has(&s->spare, s->size_class)) /* with one, the next time */
        return cache_store_joins(store->mode) ? CACHE_NOT_STORED : CACHE_NO_MEMORY;
    build_locked(s, old);
    return place_locked(s, old, &s->spare.item);
}

static enum cache_status
store_run(struct storing *s)
{
    struct stripe    *stripe = table_stripe(&s->thread->cache->table, s->store->key.hash);
    enum cache_status status;

    s->result->value_length = s->value.length;
    do {
        lock_take(&stripe->lock);
        status = store_locked(s);
        lock_drop(&stripe->lock);
    } while (s->spare.wanted != 0 && spare_fetch(s->thread, &s->spare));
    spare_return(s->thread, &s->spare);
    return status;
}

enum cache_status
cache_store(struct cache_thread *thread, const struct cache_store *store,
            struct span value, struct cache_result *result)
{
    struct storing s = {
        .thread = thread, .store = store, .value = value, .result = result
    };

    must_hot(store->key.bytes.length >= 1 && store->key.bytes.length <= CACHE_KEY_MAX);
    /* Where memory can be full for good, memory comes first, as it does for an upload:
     * the answer must not depend on how a value arrives. */
    if (!thread->cache->evicts) {
        s.spare.wanted = cache_class_for(thread->cache, store->key.bytes.length,
                                         store->client_flags, value.length);
        if (s.spare.wanted != 0 && !spare_fetch(thread, &s.spare))
            return CACHE_NO_MEMORY;
    }
    return store_run(&s);
}

enum cache_status
cache_upload_begin(struct cache_thread *thread, const struct cache_store *store,
                   size_t length, struct cache_upload *upload)
{
    struct item_shape shape = { store->key.bytes, store->client_flags,
                                store->new_cas != 0, length };
    unsigned          size_class = item_class_for(thread->cache, &shape);

    *upload = (struct cache_upload){ .length = length };
    if (size_class == 0)
        return CACHE_TOO_LARGE;
    upload->item = item_take(thread, size_class);
    if (upload->item == NULL)
        return CACHE_NO_MEMORY;
    item_write_head(upload->item, &shape);
    return CACHE_OK;
}

char *
cache_upload_room(const struct cache_upload *upload, size_t *room)
{
    *room = upload->length - upload->filled;
    return item_value(upload->item) + upload->filled;
}

void
cache_upload_fill(struct cache_upload *upload, size_t bytes)
{
    must(bytes <= upload->length - upload->filled);
    upload->filled += bytes;
}

enum cache_status
cache_upload_commit(struct cache_thread *thread, const struct cache_store *store,
                    struct cache_upload *upload, struct cache_result *result)
{
    struct cache_store filled = *store;
    struct storing     s = {
            .thread = thread,
            .store = &filled,
            .value = { item_value(upload->item), upload->length },
            .prepared = upload->item,
            .result = result,
    };
    enum cache_status status;

    must(upload->filled == upload->length);
    filled.key.bytes = item_key(upload->item);
    status = store_run(&s);
    upload->item = s.prepared;
    cache_upload_abandon(thread, upload);
    return status;
}

void
cache_upload_abandon(struct cache_thread *thread, struct cache_upload *upload)
{
    if (upload->item != NULL)
        item_give(thread, upload->item);
    *upload = (struct cache_upload){ 0 };
}
