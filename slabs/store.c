/* slabs/store.c - storing values.
 *
 * A store looks its key up once under the stripe. Where the old item's chunk has the
 * right size and nobody has it pinned, the new value is written over the old one: no
 * allocation, no list, no table. Otherwise a chunk is needed, which is not to be had
 * under a stripe (eviction takes stripes), so the stripe is let go, a chunk is fetched,
 * and the whole decision is taken anew.
 *
 * A value that takes a chain is filled in beforehand, like one that arrives. Where append
 * or prepend make a large value, the old one is pinned and the joined one is made while
 * no lock is held; it is stored if the old item is still there then. Of a chain it takes the
 * pieces over, so that only what is added, and one piece, is copied.
 */
#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

enum {
    JOIN_LOCKED_MAX = 64 << 10, /* joined values up to this are copied under the stripe */
    JOIN_TRIES_MAX = 100,       /* others: if the old item is always another by then    */
    JOIN_TRIES_LEAST = 4,       /* however much is copied in vain                       */
    JOIN_COPIED_MAX = 64 << 20, /* bytes copied in vain that are enough after these     */
};

/* A joined value that is made while no lock is held. */
struct joining {
    bool                 wanted;
    unsigned             tries;
    size_t               copied;
    struct cache_reading base;  /* what is joined to, pinned; base.item NULL: nothing */
    struct item         *made;  /* the two together, or NULL                          */
    size_t               kept;  /* but for so many bytes: those pieces are handed over */
    bool                 whole; /* nothing is to be kept: somebody else reads it       */
};

/* What a store knows while it runs. */
struct storing {
    struct cache_thread      *thread;
    const struct cache_store *store;
    struct span               value;    /* of a chain, the length alone             */
    struct item              *prepared; /* an upload that holds the value, or NULL  */
    struct spare              spare;
    struct joining           *join; /* NULL: neither append nor prepend             */
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

void
item_write_head(const struct cache *cache, struct item *item,
                const struct item_shape *shape)
{
    poison_lift(item, item_room_of(cache, shape));
    item->key_length = (uint8_t)shape->key.length;
    memcpy(item->bytes, shape->key.at, shape->key.length);
    item_set_traits(item, ITEM_TAKEN | (shape->own_era ? ITEM_OWN_ERA : 0u) |
                              (shape->chained ? ITEM_CHAINED : 0u));
    item_set_client_flags(item, shape->client_flags);
    item_set_value_length(item, shape->chained ? 0 : shape->value_length);
    if (shape->chained)
        item_set_chain(item, (struct item_chain){ 0, (uint32_t)shape->value_length });
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
    const struct cache          *cache = s->thread->cache;
    struct cache_class_counters *counters = item_counters(s->thread, old);
    const char                  *value = item_value(old);
    uint8_t                      marks = marks_locked(s, old) | ITEM_ACTIVE;
    size_t before = item_room(cache, old), after = item_room_of(cache, &s->shape);

    poison_lift(old, after);
    counter_add(&counters->items_unlinked, 1);
    counter_add(&counters->bytes_unlinked, item_size(old));
    item_track_size(s->thread, old, -1);
    item_set_traits(old, old->traits & ~(unsigned)ITEM_OWN_ERA);
    item_set_client_flags(old, s->shape.client_flags);
    item_set_value_length(old, s->shape.value_length);
    write_value(s, item_value(old), value, s->kept);
    item_remark(old, marks);
    counter_add(&counters->items_linked, 1);
    counter_add(&counters->bytes_linked, item_size(old));
    item_track_size(s->thread, old, 1);
    if (after < before)
        poison_lay((const char *)old + after, before - after);
}

/* Make the new item in the spare chunk. */
static void
build_locked(struct storing *s, const struct item *old)
{
    struct item *item = s->spare.item;

    item_write_head(s->thread->cache, item, &s->shape);
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
    s->result->size_class = item_class(cache, item);
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

/* ---- joining without a lock ------------------------------------------------------ */

static bool
is_large_join(const struct storing *s, const struct item *old)
{
    return s->joins && (s->shape.chained || item_is_chained(old) ||
                        (s->prepared != NULL && item_is_chained(s->prepared)) ||
                        s->shape.value_length > JOIN_LOCKED_MAX);
}

static enum chain_end
join_end(const struct storing *s)
{
    return s->store->mode == CACHE_PREPEND ? CHAIN_FIRST : CHAIN_LAST;
}

/* Take the pieces that are kept over from the old value. Not when others read that. */
static bool
complete_locked(struct storing *s, struct item *old)
{
    enum { TABLE_AND_WE = 2 };
    struct joining *join = s->join;

    if (join->kept == 0)
        return true;
    join->whole = atomic_load(&old->references) > TABLE_AND_WE;
    if (join->whole)
        return false;
    item_hide(old);
    chain_hand_over(s->thread->cache, old, join->made, join_end(s));
    return true;
}

/* Store what was made, if it was made of `old`; otherwise note what to make it of. A pinned
 * item is not written to, and its chunk is no other's: it is the same if it is there. */
static enum cache_status
join_locked(struct storing *s, struct item *old)
{
    struct joining *join = s->join;

    if (join->made != NULL && join->base.item == old && complete_locked(s, old))
        return place_locked(s, old, &join->made);
    join->wanted = true;
    if (join->base.item == NULL && item_pin_locked(old)) {
        join->base = item_describe_locked(s->thread->cache, old);
        join->base.pinned = true;
        join->kept = !join->whole && item_is_chained(old)
                         ? chain_rest(s->thread->cache, old, join_end(s))
                         : 0;
    }
    return CACHE_NOT_STORED;
}

static void
join_forget(struct storing *s)
{
    if (s->join->made != NULL)
        item_give(s->thread, s->join->made);
    s->join->made = NULL;
    cache_read_end(s->thread, &s->join->base);
}

/* What is joined to the old value. */
static struct cache_reading
added_value(const struct storing *s)
{
    if (s->prepared != NULL)
        return item_describe_locked(s->thread->cache, s->prepared); /* nobody else's */
    return (struct cache_reading){ .value = s->value.at,
                                   .value_length = s->value.length };
}

/* Of a chain only the piece next to what is added is copied; this one is then as full as it
 * was, or more. False when there is no memory. */
static bool
join_make(struct storing *s)
{
    struct joining      *join = s->join;
    struct cache_reading added = added_value(s), *base = &join->base;
    bool                 before = join_end(s) == CHAIN_FIRST;
    struct value_part    new = { &added, 0, added.value_length };
    struct value_part    old = { base, 0, base->value_length };
    struct cache_upload  upload;

    if (upload_begin(s->thread, &s->shape, &upload) != CACHE_OK)
        return false;
    upload.length -= join->kept;
    if (before && join->kept > 0) {
        old.to -= join->kept;
        upload.first = upload.length % chain_piece_bytes(s->thread->cache);
    } else {
        old.from = join->kept;
    }
    if (!upload_copy(s->thread, &upload, before ? new : old) ||
        !upload_copy(s->thread, &upload, before ? old : new)) {
        cache_upload_abandon(s->thread, &upload);
        return false;
    }
    join->made = upload.item;
    join->copied += upload.length;
    return true;
}

/* Do what join_locked() has found wanting. False where the store has to be given up: for
 * want of memory, or because others have always been faster. */
static bool
join_go_on(struct storing *s)
{
    struct joining *join = s->join;

    join->wanted = false;
    if (join->made == NULL)
        return join->base.item != NULL && join_make(s);
    join_forget(s);
    join->tries++;
    return join->tries < JOIN_TRIES_LEAST ||
           (join->tries < JOIN_TRIES_MAX && join->copied < JOIN_COPIED_MAX);
}

/* ---- the store ------------------------------------------------------------------- */

static enum cache_status
store_locked(struct storing *s)
{
    const struct cache_store *store = s->store;
    struct item              *old = item_find_live_locked(s->thread, &store->key);
    enum cache_status         status = rule(store, old);

    item_note_found(s->thread->cache, old, s->result);
    if (old != NULL) {
        s->result->cas = item_cas(old);
        s->result->size_class = item_class(s->thread->cache, old);
        if (store->mode == CACHE_ADD)
            item_mark(old, ITEM_ACTIVE);
    }
    if (status != CACHE_OK)
        return status;
    if (!plan_locked(s, old))
        return cache_store_joins(store->mode) ? CACHE_NOT_STORED : CACHE_TOO_LARGE;

    if (is_large_join(s, old))
        return join_locked(s, old);
    if (s->prepared != NULL && !s->joins)
        return place_locked(s, old, &s->prepared);
    if (old != NULL && store->new_cas == 0 && s->size_class == s->result->size_class &&
        !item_is_chained(old) && !item_is_pinned(old)) {
        item_hide(old);
        overwrite_locked(s, old);
        stamp_locked(s, old);
        item_settle_locked(s->thread->cache, old);
        return CACHE_OK;
    }
    if (!spare_has(&s->spare, s->size_class)) /* with one, the next time */
        return cache_store_joins(store->mode) ? CACHE_NOT_STORED : CACHE_NO_MEMORY;
    build_locked(s, old);
    return place_locked(s, old, &s->spare.item);
}

/* Get what the store has found that it needs; false where it needs nothing or gets none. */
static bool
fetch(struct storing *s)
{
    if (s->join != NULL && s->join->wanted)
        return join_go_on(s);
    return s->spare.wanted != 0 && spare_fetch(s->thread, &s->spare);
}

static enum cache_status
store_run(struct storing *s)
{
    struct stripe    *stripe = table_stripe(&s->thread->cache->table, s->store->key.hash);
    struct joining    join;
    enum cache_status status;

    if (cache_store_joins(s->store->mode)) {
        join = (struct joining){ 0 };
        s->join = &join;
    }
    s->result->value_length = s->value.length;
    do {
        lock_take(&stripe->lock);
        status = store_locked(s);
        lock_drop(&stripe->lock);
    } while (fetch(s));
    spare_return(s->thread, &s->spare);
    if (s->join != NULL && s->join->base.item != NULL)
        join_forget(s);
    s->join = NULL;
    return status;
}

/* Store a value that takes a chain. */
static enum cache_status
store_chain(struct cache_thread *thread, const struct cache_store *store,
            struct span value, struct cache_result *result)
{
    struct cache_reading reading = { .value = value.at, .value_length = value.length };
    struct cache_upload  upload;
    enum cache_status status = cache_upload_begin(thread, store, value.length, &upload);

    if (status != CACHE_OK)
        return status;
    if (upload_copy(thread, &upload, (struct value_part){ &reading, 0, value.length }))
        return cache_upload_commit(thread, store, &upload, result);
    cache_upload_abandon(thread, &upload);
    return CACHE_NO_MEMORY;
}

static bool
takes_chain(const struct cache *cache, const struct cache_store *store, size_t length)
{
    struct item_shape shape = {
        .key = store->key.bytes,
        .client_flags = store->client_flags,
        .value_length = length,
    };

    return item_takes_chain(cache, &shape);
}

enum cache_status
cache_store(struct cache_thread *thread, const struct cache_store *store,
            struct span value, struct cache_result *result)
{
    struct storing s = {
        .thread = thread, .store = store, .value = value, .result = result
    };

    must_hot(store->key.bytes.length >= 1 && store->key.bytes.length <= CACHE_KEY_MAX);
    if (takes_chain(thread->cache, store, value.length))
        return store_chain(thread, store, value, result);
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

/* A value in one piece; it is not asked for one in several. */
static const char *
upload_value(const struct cache_upload *upload)
{
    return item_is_chained(upload->item) ? NULL : item_value(upload->item);
}

enum cache_status
cache_upload_commit(struct cache_thread *thread, const struct cache_store *store,
                    struct cache_upload *upload, struct cache_result *result)
{
    struct cache_store filled = *store;
    struct storing     s = {
            .thread = thread,
            .store = &filled,
            .value = { upload_value(upload), upload->length },
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
