/* slabs/lru.c - the eviction list of a size class. See lru_priv.h. */
#include "slabs/lru_priv.h"

#include "slabs/cache_priv.h"
#include "slabs/must.h"

enum { LOOK_AT_MOST = 64 }; /* items in one search, so that the lock is held briefly */

void
lru_init(struct lru *lru)
{
    *lru = (struct lru){ 0 };
    lock_init(&lru->lock, RANK_LRU);
}

void
lru_fini(struct lru *lru)
{
    lock_fini(&lru->lock);
}

static void
add_locked(struct lru *lru, const struct pages *pages, struct item *item)
{
    handle_t handle = pages_handle(pages, item);

    item->prev = 0;
    item->next = lru->newest;
    if (lru->newest != 0)
        pages_item(pages, lru->newest)->prev = handle;
    else
        lru->oldest = handle;
    lru->newest = handle;
    lru->count++;
}

static void
remove_locked(struct lru *lru, const struct pages *pages, struct item *item)
{
    handle_t handle = pages_handle(pages, item);

    if (item->prev != 0) {
        pages_item(pages, item->prev)->next = item->next;
    } else {
        must_hot(lru->newest == handle);
        lru->newest = item->next;
    }
    if (item->next != 0) {
        pages_item(pages, item->next)->prev = item->prev;
    } else {
        must_hot(lru->oldest == handle);
        lru->oldest = item->prev;
    }
    lru->count--;
    (void)handle;
}

void
lru_add(struct lru *lru, const struct pages *pages, struct item *item)
{
    lock_take(&lru->lock);
    add_locked(lru, pages, item);
    lock_drop(&lru->lock);
}

void
lru_remove(struct lru *lru, const struct pages *pages, struct item *item)
{
    lock_take(&lru->lock);
    remove_locked(lru, pages, item);
    lock_drop(&lru->lock);
}

void
lru_replace(struct lru *lru, const struct pages *pages, struct item *from,
            struct item *to)
{
    lock_take(&lru->lock);
    remove_locked(lru, pages, from);
    add_locked(lru, pages, to);
    lock_drop(&lru->lock);
}

void
lru_note_eviction(struct lru *lru, uint32_t idle_s)
{
    lock_take(&lru->lock);
    lru->evicted_idle_s = idle_s;
    lock_drop(&lru->lock);
}

/* A guess without the stripe: whoever evicts looks again. Where the id tells no era, the
 * stripe has to be asked if only the dead will do. */
static bool
looks_dead(const struct item *item, const struct search *search)
{
    if (clock_is_past(item_deadline(item), search->now))
        return true;
    if (item_marks(item) & ITEM_CHOSEN_CAS)
        return search->dead_only;
    return item_cas(item) >> CAS_ERA_SHIFT < search->flushed_below;
}

static void
to_head_locked(struct lru *lru, const struct pages *pages, struct item *item)
{
    item_unmark(item, ITEM_ACTIVE);
    remove_locked(lru, pages, item);
    add_locked(lru, pages, item);
}

unsigned
lru_find_victims(struct lru *lru, const struct pages *pages, const struct table *table,
                 const struct search *search, struct victim *victims)
{
    unsigned found = 0;
    handle_t next, handle;

    lock_take(&lru->lock);
    handle = lru->oldest;
    for (unsigned looked = 0;
         handle != 0 && found < search->most && looked < LOOK_AT_MOST;
         looked++, handle = next) {
        struct item *item = pages_item(pages, handle);
        bool         spared = search->spare_active && item_marks(item) & ITEM_ACTIVE &&
                      !looks_dead(item, search);

        next = item->prev;
        spared |= item_is_pinned(item);
        if (!spared && (!search->dead_only || looks_dead(item, search)))
            victims[found++] =
                (struct victim){ table_hash(table, item_key(item)), handle };
        if (spared || search->dead_only)
            to_head_locked(lru, pages, item);
    }
    lock_drop(&lru->lock);
    return found;
}
