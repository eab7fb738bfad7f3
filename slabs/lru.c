/* slabs/lru.c - the segments of a size class. See lru_priv.h. */
#include "slabs/lru_priv.h"

#include "slabs/cache_priv.h"
#include "slabs/must.h"

/* Items that are looked at while the lock is held once, so that it is held briefly. */
enum {
    LOOK_AT_MOST = 64, /* by a search for victims...                      */
    MOVE_AT_MOST = 32, /* ...of these, to bring the segments into balance */
    KEEP_AT_MOST = 64, /* in the background                               */
};

enum { RECENT_PERCENT = 25 }; /* of the class's items that were evicted since */

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

/* ---- lists ----------------------------------------------------------------------- */

static void
add_locked(struct lru *lru, const struct pages *pages, struct item *item,
           enum cache_segment segment)
{
    struct lru_list *list = &lru->list[segment];
    handle_t         handle = pages_handle(pages, item);

    item_set_segment(item, segment);
    item_set_prev(item, 0);
    item->next = list->newest;
    if (list->newest != 0)
        item_set_prev(pages_item(pages, list->newest), handle);
    else
        list->oldest = handle;
    list->newest = handle;
    list->count++;
}

/* At the other end: it is the next to go. */
static void
add_oldest_locked(struct lru *lru, const struct pages *pages, struct item *item,
                  enum cache_segment segment)
{
    struct lru_list *list = &lru->list[segment];
    handle_t         handle = pages_handle(pages, item);

    item_set_segment(item, segment);
    item->next = 0;
    item_set_prev(item, list->oldest);
    if (list->oldest != 0)
        pages_item(pages, list->oldest)->next = handle;
    else
        list->newest = handle;
    list->oldest = handle;
    list->count++;
}

static void
remove_locked(struct lru *lru, const struct pages *pages, struct item *item)
{
    struct lru_list *list = &lru->list[item_segment(item)];
    handle_t         handle = pages_handle(pages, item);

    if (item->prev != 0) {
        pages_item(pages, item->prev)->next = item->next;
    } else {
        must_hot(list->newest == handle);
        list->newest = item->next;
    }
    if (item->next != 0) {
        item_set_prev(pages_item(pages, item->next), item->prev);
    } else {
        must_hot(list->oldest == handle);
        list->oldest = item->prev;
    }
    list->count--;
    (void)handle;
}

/* ---- what was evicted ------------------------------------------------------------ */

static uint64_t
count_locked(const struct lru *lru)
{
    return lru->list[CACHE_HOT].count + lru->list[CACHE_WARM].count +
           lru->list[CACHE_COLD].count;
}

/* Evictions are noted in steps of about a thousandth of the class. */
static unsigned
note_shift_locked(const struct lru *lru)
{
    return (unsigned)(63 - __builtin_clzll(count_locked(lru) >> 10 | 1));
}

static unsigned
note_locked(const struct lru *lru)
{
    return (unsigned)((lru->evicted >> note_shift_locked(lru)) % NOTES) + 1;
}

/* Was it evicted so few evictions ago that a somewhat larger memory would have kept it? */
static bool
is_recent_locked(const struct lru *lru, unsigned note)
{
    uint64_t ago = (note_locked(lru) + NOTES - note) % NOTES;

    return (ago << note_shift_locked(lru)) * 100 <= RECENT_PERCENT * count_locked(lru);
}

/* ---- in and out ------------------------------------------------------------------ */

/* Of the class in whose list it is; parts of one do not count. */
static uint64_t
chunks_of(const struct pages *pages, const struct item *item)
{
    if (!item_is_chained(item))
        return 1;
    return item_value_length(item) / pages->classes.bytes[pages->classes.count] + 1;
}

void
lru_add(struct lru *lru, const struct pages *pages, struct item *item,
        enum cache_segment segment, unsigned note)
{
    lock_take(&lru->lock);
    lru->added++;
    lru->filled += chunks_of(pages, item);
    if (note != 0 && is_recent_locked(lru, note)) {
        lru->returned++;
        if (segment == CACHE_HOT)
            segment = CACHE_WARM;
    }
    add_locked(lru, pages, item, segment);
    lock_drop(&lru->lock);
}

void
lru_chain_add(struct lru_chain *chain, const struct pages *pages, struct item *item)
{
    handle_t handle = pages_handle(pages, item);

    item_set_prev(item, chain->oldest);
    item->next = 0;
    if (chain->oldest != 0)
        pages_item(pages, chain->oldest)->next = handle;
    else
        chain->newest = handle;
    chain->oldest = handle;
    chain->count++;
}

void
lru_adopt(struct lru *lru, const struct pages *pages, const struct lru_chain *chain,
          enum cache_segment segment)
{
    struct lru_list *list = &lru->list[segment];

    if (chain->count == 0)
        return;
    lock_take(&lru->lock);
    item_set_prev(pages_item(pages, chain->newest), list->oldest);
    if (list->oldest != 0)
        pages_item(pages, list->oldest)->next = chain->newest;
    else
        list->newest = chain->newest;
    list->oldest = chain->oldest;
    list->count += chain->count;
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
            struct item *to, enum cache_segment segment)
{
    lock_take(&lru->lock);
    remove_locked(lru, pages, from);
    add_locked(lru, pages, to, segment);
    lock_drop(&lru->lock);
}

void
lru_swap(struct lru *lru, const struct pages *pages, struct item *from, struct item *to)
{
    handle_t         handle = pages_handle(pages, to);
    struct lru_list *list;

    lock_take(&lru->lock);
    list = &lru->list[item_segment(from)];
    atomic_store_explicit(&to->marks, item_marks(from), memory_order_relaxed);
    to->next = from->next;
    item_set_prev(to, from->prev);
    if (to->prev != 0)
        pages_item(pages, to->prev)->next = handle;
    else
        list->newest = handle;
    if (to->next != 0)
        item_set_prev(pages_item(pages, to->next), handle);
    else
        list->oldest = handle;
    lock_drop(&lru->lock);
}

unsigned
lru_note_eviction(struct lru *lru, uint32_t idle)
{
    unsigned note;

    lock_take(&lru->lock);
    lru->evicted_idle = idle;
    lru->evicted++;
    note = note_locked(lru);
    lock_drop(&lru->lock);
    return note;
}

bool
lru_is_temporary(const struct cache_lru *lru, uint32_t deadline, uint32_t now)
{
    /* A deadline lies a tick behind its time, see clock.h. */
    return lru->temporary && deadline != CLOCK_NEVER &&
           deadline <= now + (uint64_t)lru->temporary_ttl_s * CLOCK_HZ + 1;
}

/* ---- from one segment to the next ------------------------------------------------ */

/* A guess without the stripe: whoever evicts looks again. Where the id tells no era, the
 * stripe would have to be asked: the answer is `if_unknown` then. */
static bool
looks_dead(const struct item *item, const struct lru_policy *policy, bool if_unknown)
{
    if (clock_is_past(item_deadline(item), policy->now))
        return true;
    if (item_marks(item) & ITEM_CHOSEN_CAS)
        return if_unknown;
    return item_cas_high(item) < policy->flushed_below;
}

static struct item *
oldest_locked(const struct lru *lru, const struct pages *pages,
              enum cache_segment segment)
{
    handle_t oldest = lru->list[segment].oldest;

    return oldest != 0 ? pages_item(pages, oldest) : NULL;
}

/* The item that would go first. */
static const struct item *
coldest_locked(const struct lru *lru, const struct pages *pages)
{
    static const enum cache_segment order[] = { CACHE_COLD, CACHE_HOT, CACHE_WARM,
                                                CACHE_TEMP };
    const struct item              *item = NULL;

    for (size_t i = 0; i < CACHE_SEGMENTS && item == NULL; i++)
        item = oldest_locked(lru, pages, order[i]);
    return item;
}

const struct item *
lru_coldest(struct lru *lru, const struct pages *pages)
{
    const struct item *item;

    lock_take(&lru->lock);
    item = coldest_locked(lru, pages);
    lock_drop(&lru->lock);
    return item;
}

struct lru_want
lru_want(struct lru *lru, const struct pages *pages, uint32_t now)
{
    struct lru_want    want;
    const struct item *item;

    lock_take(&lru->lock);
    item = coldest_locked(lru, pages);
    want = (struct lru_want){
        .added = lru->added,
        .filled = lru->filled,
        .evicted = lru->evicted,
        .returned = lru->returned,
        .idle = item != NULL ? now - item_accessed(item) : UINT32_MAX,
        .evicted_idle = lru->evicted_idle,
    };
    lock_drop(&lru->lock);
    return want;
}

/* Where an item goes from the tail of a segment. */
static enum cache_segment
next_segment(const struct item *item, const struct lru_policy *policy)
{
    uint8_t marks = item_marks(item);

    if (!policy->lru.segmented || !(marks & ITEM_ACTIVE))
        return CACHE_COLD;
    return marks & ITEM_FETCHED ? CACHE_WARM : CACHE_HOT;
}

static void
count_move(const struct lru_policy *policy, enum cache_segment from,
           enum cache_segment to)
{
    struct cache_class_counters *counters = policy->counters;

    if (from == to)
        counter_add(&counters->moves_within_lru, 1);
    else if (to == CACHE_COLD)
        counter_add(&counters->moves_to_cold, 1);
    else if (to == CACHE_WARM)
        counter_add(&counters->moves_to_warm, 1);
}

/* Let an item move on. The mark is cleared: what it was good for, it has got. */
static void
move_on_locked(struct lru *lru, const struct lru_policy *policy, struct item *item)
{
    enum cache_segment from = item_segment(item), to = next_segment(item, policy);

    remove_locked(lru, policy->pages, item);
    if (looks_dead(item, policy, false)) {
        add_oldest_locked(lru, policy->pages, item, CACHE_COLD);
        return;
    }
    if (item_marks(item) & ITEM_ACTIVE)
        item_unmark(item, ITEM_ACTIVE);
    add_locked(lru, policy->pages, item, to);
    count_move(policy, from, to);
}

/*
 * What the shares of HOT and WARM mean here. Recorded traffic of several kinds is served
 * best with little HOT and much WARM, since what leaves COLD too early is remembered (see
 * table_priv.h): there are up to a tenth fewer misses than with 20 and 40 % and without
 * memory. So these numbers, which people know, stand for half and twice of it.
 */
enum { COLD_LEAST_PERCENT = 5 };

static uint32_t
hot_share(const struct cache_lru *lru)
{
    return lru->hot_percent / 2;
}

static uint32_t
warm_share(const struct cache_lru *lru)
{
    uint32_t most = 100 - COLD_LEAST_PERCENT - hot_share(lru);

    return 2 * lru->warm_percent < most ? 2 * lru->warm_percent : most;
}

/* Has the segment more than its share, or is its tail too old beside that of COLD? */
static bool
is_over_locked(const struct lru *lru, const struct lru_policy *policy,
               enum cache_segment segment, uint32_t percent, double factor, bool by_age)
{
    const struct item *tail = oldest_locked(lru, policy->pages, segment), *cold;
    uint32_t           cold_ticks;

    if (tail == NULL)
        return false;
    if (!policy->lru.segmented ||
        lru->list[segment].count * 100 > percent * count_locked(lru))
        return true;
    if (!by_age)
        return false;
    cold = oldest_locked(lru, policy->pages, CACHE_COLD);
    cold_ticks = cold != NULL ? policy->now - item_accessed(cold) : 0;
    return policy->now - item_accessed(tail) > cold_ticks * factor;
}

/* Move one tail that has to move; false where none has. */
static bool
balance_locked(struct lru *lru, const struct lru_policy *policy, bool by_age)
{
    const struct cache_lru *how = &policy->lru;
    struct item            *temporary = oldest_locked(lru, policy->pages, CACHE_TEMP);
    enum cache_segment      from;

    if (is_over_locked(lru, policy, CACHE_HOT, hot_share(how), how->hot_factor, by_age))
        from = CACHE_HOT;
    else if (is_over_locked(lru, policy, CACHE_WARM, warm_share(how), how->warm_factor,
                            by_age))
        from = CACHE_WARM;
    else if (temporary != NULL && /* its expiry may have changed, or what is short */
             !lru_is_temporary(&policy->lru, item_deadline(temporary), policy->now))
        from = CACHE_TEMP;
    else
        return false;
    move_on_locked(lru, policy, oldest_locked(lru, policy->pages, from));
    return true;
}

/* ---- victims --------------------------------------------------------------------- */

static struct victim
victim_of(const struct lru_policy *policy, const struct item *item)
{
    return (struct victim){ table_hash(policy->table, item_key(item)),
                            pages_handle(policy->pages, item) };
}

/* Name what is dead at the tail of a segment; what is in use is passed over. */
static unsigned
dead_at_tail_locked(const struct lru *lru, const struct lru_policy *policy,
                    enum cache_segment segment, unsigned most, struct victim *victims)
{
    struct item *item = oldest_locked(lru, policy->pages, segment);
    unsigned     found = 0;

    for (unsigned looked = 0; item != NULL && found < most && looked < LOOK_AT_MOST &&
                              looks_dead(item, policy, false);
         looked++) {
        if (!item_is_pinned(item))
            victims[found++] = victim_of(policy, item);
        item = item->prev != 0 ? pages_item(policy->pages, item->prev) : NULL;
    }
    return found;
}

/* Let something come to COLD, whatever the shares are; false where nothing is left. What is
 * to be spared may go elsewhere. */
static bool
refill_locked(struct lru *lru, const struct lru_policy *policy, bool spare_active)
{
    static const enum cache_segment order[] = { CACHE_HOT, CACHE_WARM, CACHE_TEMP };

    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        struct item *item = oldest_locked(lru, policy->pages, order[i]);

        if (item == NULL)
            continue;
        if (order[i] == CACHE_TEMP || !spare_active)
            item_unmark(item, ITEM_ACTIVE);
        move_on_locked(lru, policy, item);
        return true;
    }
    return false;
}

/* May it go? Otherwise it has moved on. */
static bool
is_victim_locked(struct lru *lru, const struct lru_policy *policy,
                 const struct lru_search *search, struct item *item)
{
    bool active = item_marks(item) & ITEM_ACTIVE && !looks_dead(item, policy, false);

    if (item_is_pinned(item)) {
        item_mark(item, ITEM_ACTIVE);
        counter_add(&policy->counters->lrutail_reflocked, 1);
        active = true;
    } else if (!search->spare_active) {
        active = false;
    }
    if (active)
        move_on_locked(lru, policy, item);
    return !active;
}

static unsigned
find_idle_locked(struct lru *lru, const struct lru_policy *policy,
                 const struct lru_search *search, struct victim *victims)
{
    unsigned found = dead_at_tail_locked(lru, policy, CACHE_TEMP, search->most, victims);
    unsigned looked = 0;
    handle_t handle;

    while (looked < MOVE_AT_MOST && balance_locked(lru, policy, false))
        looked++;
    handle = lru->list[CACHE_COLD].oldest;
    for (; found < search->most && looked < LOOK_AT_MOST; looked++) {
        struct item *item;

        if (handle == 0) {
            if (found > 0 || !refill_locked(lru, policy, search->spare_active))
                break;
            handle = lru->list[CACHE_COLD].oldest;
            continue;
        }
        item = pages_item(policy->pages, handle);
        handle = item->prev;
        if (is_victim_locked(lru, policy, search, item))
            victims[found++] = victim_of(policy, item);
    }
    return found;
}

/* The next item in turn; the segments take turns too. */
static struct item *
next_in_turn_locked(struct lru *lru, const struct pages *pages)
{
    for (unsigned i = 0; i < CACHE_SEGMENTS; i++) {
        struct item *item = oldest_locked(lru, pages, lru->turn);

        lru->turn = (lru->turn + 1) % CACHE_SEGMENTS;
        if (item != NULL)
            return item;
    }
    return NULL;
}

static unsigned
find_dead_locked(struct lru *lru, const struct lru_policy *policy, unsigned most,
                 struct victim *victims)
{
    unsigned found = 0;

    for (unsigned looked = 0; looked < LOOK_AT_MOST && found < most; looked++) {
        struct item *item = next_in_turn_locked(lru, policy->pages);

        if (item == NULL)
            break;
        if (!item_is_pinned(item) && looks_dead(item, policy, true))
            victims[found++] = victim_of(policy, item);
        remove_locked(lru, policy->pages, item);
        add_locked(lru, policy->pages, item, item_segment(item));
    }
    return found;
}

unsigned
lru_find_victims(struct lru *lru, const struct lru_policy *policy,
                 const struct lru_search *search, struct victim *victims)
{
    unsigned found;

    lock_take(&lru->lock);
    found = search->dead_only ? find_dead_locked(lru, policy, search->most, victims)
                              : find_idle_locked(lru, policy, search, victims);
    lock_drop(&lru->lock);
    return found;
}

unsigned
lru_keep(struct lru *lru, const struct lru_policy *policy, unsigned most,
         struct victim *victims, unsigned *moved)
{
    unsigned found;

    lock_take(&lru->lock);
    for (*moved = 0; *moved < KEEP_AT_MOST; ++*moved) {
        if (!balance_locked(lru, policy, true))
            break;
    }
    found = dead_at_tail_locked(lru, policy, CACHE_TEMP, most, victims);
    lock_drop(&lru->lock);
    return found;
}
