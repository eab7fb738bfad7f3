/* slabs/arithmetic.c - counters: values that are decimal numbers.
 *
 * A counter is text, so that get, set and append work on it too. What counts as a number
 * is memcached's rule: white space and one sign may lead, white space or a NUL ends it and
 * what follows is ignored. A minus sign counts down from 2^64, as strtoull() does, but what
 * is still negative by the highest bit is no number.
 */
#include "slabs/cache_priv.h"
#include "slabs/decimal.h"
#include "slabs/must.h"

static bool
parse_counter(struct span text, uint64_t *number)
{
    size_t at = 0, first;
    bool   negative;

    *number = 0;
    while (at < text.length && decimal_is_space(text.at[at]))
        at++;
    negative = at < text.length && text.at[at] == '-';
    if (negative || (at < text.length && text.at[at] == '+'))
        at++;
    for (first = at; at < text.length && text.at[at] >= '0' && text.at[at] <= '9'; at++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text.at[at] - '0'), number))
            return false;
    }
    if (at == first)
        return false;
    if (negative) {
        *number = 0 - *number;
        if (*number > INT64_MAX)
            return false;
    }
    return at == text.length || text.at[at] == '\0' || decimal_is_space(text.at[at]);
}

/* memcached keeps items above this in chunks, and finds no numbers there. */
enum { NUMBER_WEIGHT_MAX = 512 << 10 };

/* Can it hold none, whatever its first bytes are? */
static bool
is_no_number(const struct item *item)
{
    size_t length = item_value_length(item);

    return length == 0 || cache_item_weight(item->key_length, item_client_flags(item),
                                            length) > NUMBER_WEIGHT_MAX;
}

static uint64_t
apply(uint64_t number, const struct cache_count_how *how)
{
    if (!how->subtracts)
        return number + how->delta;
    return how->delta < number ? number - how->delta : 0;
}

static void
write_in_place(struct item *item, struct span text)
{
    size_t length = item_value_length(item);

    memcpy(item_value(item), text.at, text.length);
    memset(item_value(item) + text.length, ' ', length - text.length);
    item_mark(item, ITEM_ACTIVE);
}

struct counting {
    struct cache_thread          *thread;
    const struct cache_key       *key;
    const struct cache_count_how *how;
    struct spare                  spare;
    struct cache_result          *result;
};

/* An item with this value, in the spare chunk, in place of `old` or of nothing; NULL while
 * there is no chunk. */
static struct item *
place_locked(struct counting *c, struct item *old, struct span text)
{
    struct cache     *cache = c->thread->cache;
    struct item_shape shape = {
        .key = c->key->bytes,
        .client_flags = old != NULL ? item_client_flags(old) : 0,
        .own_era = c->how->new_cas != 0,
        .value_length = text.length,
    };
    struct item *item;

    if (!spare_has(&c->spare, item_class_for(cache, &shape)))
        return NULL;
    item = c->spare.item;
    item_write_head(cache, item, &shape);
    memcpy(item_value(item), text.at, text.length);
    item_mark(item, ITEM_ACTIVE);
    item_set_deadline(item, old != NULL
                                ? item_deadline(old)
                                : clock_deadline(cache->clock, c->how->create_expiry));
    /* Before it can be seen: a look-up by others waits for the stripe. */
    item_stamp_locked(cache, c->key->hash, item, c->how->new_cas);
    if (old != NULL)
        item_replace_locked(c->thread, c->key->hash, old, item);
    else if (!item_link_locked(c->thread, c->key->hash, item))
        return NULL;
    c->spare.item = NULL;
    return item;
}

/* The new value, in the item or in one that takes its place. */
static struct item *
write_locked(struct counting *c, struct item *item, struct span text)
{
    bool rooms_id = c->how->new_cas == 0 || item->traits & ITEM_OWN_ERA;

    if (text.length > item_value_length(item) || item_is_pinned(item) || !rooms_id)
        return place_locked(c, item, text);
    item_hide(item);
    write_in_place(item, text);
    item_stamp_locked(c->thread->cache, c->key->hash, item, c->how->new_cas);
    item_settle_locked(c->thread->cache, item);
    return item;
}

static enum cache_status
count_locked(struct counting *c)
{
    const struct cache_count_how *how = c->how;
    struct cache                 *cache = c->thread->cache;
    struct cache_result          *result = c->result;
    struct item                  *item = item_find_live_locked(c->thread, c->key);
    char                          digits[DECIMAL_MAX];
    struct span                   text;

    item_note_found(cache, item, result);
    result->created = item == NULL;
    if (item == NULL && !how->creates)
        return CACHE_MISS;
    result->number = how->initial;
    result->ttl_s = -1;
    if (item != NULL) {
        result->size_class = item_class(cache, item);
        result->ttl_s = item_ttl_s(cache, item);
        if (is_no_number(item)) /* whatever its id */
            return CACHE_NOT_NUMERIC;
        if (how->compares && !item_has_cas(item, how->cas))
            return CACHE_EXISTS;
        if (item_is_chained(item) ||
            !parse_counter((struct span){ item_value(item), item_value_length(item) },
                           &result->number))
            return CACHE_NOT_NUMERIC;
        result->number = apply(result->number, how);
    }
    text =
        (struct span){ digits, (size_t)(decimal_write(digits, result->number) - digits) };
    item = item != NULL ? write_locked(c, item, text) : place_locked(c, NULL, text);
    if (item == NULL)
        return CACHE_NO_MEMORY; /* or with a chunk, the next time */
    if (how->touches && (!result->created || how->touches_created))
        item_touch_locked(cache, item, clock_deadline(cache->clock, how->expiry));
    item_set_accessed(item, clock_now(cache->clock));
    result->cas = item_cas(item);
    result->size_class = item_class(cache, item);
    return CACHE_OK;
}

enum cache_status
cache_arithmetic(struct cache_thread *thread, const struct cache_key *key,
                 const struct cache_count_how *how, struct cache_result *result)
{
    struct stripe    *stripe = table_stripe(&thread->cache->table, key->hash);
    struct counting   c = { thread, key, how, { 0 }, result };
    enum cache_status status;

    do {
        lock_take(&stripe->lock);
        status = count_locked(&c);
        lock_drop(&stripe->lock);
    } while (c.spare.wanted != 0 && spare_fetch(thread, &c.spare));
    spare_return(thread, &c.spare);
    return status;
}
