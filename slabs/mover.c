/* slabs/mover.c - taking a page from one class to another without losing what is on it.
 *
 * A page that is to go is drained (drain.c): chunks that come back stay away. What is in
 * use is made to come back: a dead item is dropped, a live one is moved, with everything
 * that it has, into another chunk of its class, which item_take_to_move() finds or makes by evicting
 * the class's coldest item. So what is lost for want of memory is what is worth least, and
 * not what lies on the page. What somebody has in his hands cannot be moved: it is passed
 * over and tried again, for a while. Then the page is left to its class, and another one is
 * tried, so that no client can hold the mover up.
 *
 * Threads: one at a time calls cache_move_step(); anybody asks.
 * Locks:   none is held from one chunk to the next. An item is named under its LRU lock,
 *          where what is linked keeps its key, and looked at again under its stripe, as an
 *          eviction does.
 */
#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "slabs/must.h"
#include "slabs/poison_priv.h"

enum {
    CHUNKS_A_STEP = 32,
    BYTES_A_STEP = 64 << 10,    /* copied in a step, and one item more          */
    CHUNKS_LOOKED_AT = 1 << 14, /* to find a page with none in use           */
    IDLE_MOST = 50,             /* passes over a page that yield nothing        */
    PAGES_MOST = 4,             /* of a class that are tried for one request    */
};

void
page_mover_init(struct page_mover *mover)
{
    *mover = (struct page_mover){ .next = 1 };
    lock_init(&mover->lock, RANK_LEAF);
}

void
page_mover_fini(struct page_mover *mover)
{
    lock_fini(&mover->lock);
}

/* ---- one item -------------------------------------------------------------------- */

/* What a step has: a chunk for the next item, and how much it has copied. */
struct moving {
    struct cache_thread *thread;
    unsigned             size_class;
    struct item         *spare;
    size_t               copied;
    bool                 out_of_memory;
};

/* Where bytes are and where their copy will be. */
struct copying {
    const char *from;
    char       *to;
    size_t      length;
};

static void
copy(struct moving *moving, const struct copying *copying)
{
    memcpy(copying->to, copying->from, copying->length);
    moving->copied += copying->length;
}

/* Name what is linked in the chunk, if anything is; `size_class` says in which list. */
static bool
name_item(struct cache *cache, const struct item *item, unsigned size_class,
          struct victim *named)
{
    enum { LINKED = ITEM_TAKEN | ITEM_LINKED };
    struct lru *lru = &cache->lru[size_class];
    uint8_t     traits;
    unsigned    list;
    bool        linked;

    lock_take(&lru->lock);
    traits = item_traits(item);
    list = traits & ITEM_CHAINED ? cache->pages.classes.count
                                 : pages_class(&cache->pages, item);
    linked = (traits & LINKED) == LINKED && list == size_class;
    if (linked) {
        named->hash = table_hash(&cache->table, item_key(item));
        named->handle = pages_handle(&cache->pages, item);
    }
    lock_drop(&lru->lock);
    return linked;
}

/* Have a chunk of the class; for parts of a chain a larger one will do. */
static bool
get_spare(struct moving *moving, bool is_part)
{
    const struct pages *pages = &moving->thread->cache->pages;
    struct item        *spare = moving->spare;

    if (spare != NULL && (is_part || pages_class(pages, spare) == moving->size_class)) {
        poison_lay(spare->bytes,
                   pages->classes.bytes[pages_class(pages, spare)] - ITEM_HEADER);
        return true;
    }
    if (spare != NULL)
        item_give(moving->thread, spare);
    moving->spare = item_take_to_move(moving->thread, moving->size_class, is_part);
    if (moving->spare != NULL)
        return true;
    counter_add(&moving->thread->counters.rescue_no_memory, 1);
    moving->out_of_memory = true;
    return false;
}

/* Is the item still there, and nobody's but ours? Otherwise *item is NULL, or it is in use.
 * A dead one is dropped. Its stripe is held. */
static bool
may_move_locked(struct moving *moving, struct victim named, struct item **item)
{
    struct cache_thread *thread = moving->thread;
    struct cache        *cache = thread->cache;

    *item = NULL;
    if (!table_has(&cache->table, named.hash, named.handle))
        return false;
    *item = pages_item(&cache->pages, named.handle);
    if (item_is_pinned(*item)) {
        counter_add(&thread->counters.rescue_busy, 1);
        return false;
    }
    if (!item_is_dead(cache, *item))
        return true;
    counter_add(&thread->counters.rescue_reclaims, 1);
    if (!(item_marks(*item) & ITEM_FETCHED))
        counter_add(&item_counters(thread, *item)->expired_unfetched, 1);
    item_unlink_locked(thread, named.hash, *item);
    return false;
}

/* Let a pin go that was taken under the stripe, which is held again. Is the item still
 * there, and nobody's but ours? What had been pinned has not changed meanwhile. */
static bool
unpin_locked(struct moving *moving, struct victim named, struct item *item)
{
    struct cache_thread *thread = moving->thread;
    uint16_t             before =
        atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel);

    must(before > 0);
    if (before == 1) {
        item_give(thread, item);
        return false;
    }
    if (!table_has(&thread->cache->table, named.hash, named.handle))
        return false;
    if (before > 2)
        counter_add(&thread->counters.rescue_busy, 1);
    return before == 2;
}

/* Copy all that stands before the value, but links, and marks that others may change. */
static void
copy_head(struct item *to, const struct item *from)
{
    item_set_cas(to, item_cas(from));
    item_set_deadline(to, item_deadline(from));
    item_set_accessed(to, item_accessed(from));
    memcpy(to->value_length, from->value_length, sizeof(to->value_length));
    to->key_length = from->key_length;
    atomic_init(&to->references, 1);
    atomic_init(&to->marks, item_marks(from) & (ITEM_SETTLED | ITEM_LEASED));
    memcpy(to->bytes, from->bytes, item_value_offset(from));
    item_set_traits(to, from->traits & ~(unsigned)ITEM_LINKED);
}

/* The value is in the spare chunk already: let that be the item. */
static void
place_locked(struct moving *moving, struct victim named, struct item *item)
{
    struct item *spare = moving->spare;

    copy_head(spare, item);
    item_hide(item); /* a rebuild is to find a chain with its head, or none */
    if (item_is_chained(spare))
        chain_follow(moving->thread->cache, spare);
    item_move_locked(moving->thread, named.hash, item, spare);
    moving->spare = NULL;
    counter_add(&moving->thread->counters.items_rescued, 1);
}

/* A large value is copied while it is pinned, and not while its stripe is held: who wants
 * to change it meanwhile takes another chunk, and then this one comes back by itself. */
static void
move_large(struct moving *moving, struct victim named, struct item *item,
           const struct copying *value)
{
    struct stripe *stripe = table_stripe(&moving->thread->cache->table, named.hash);

    copy(moving, value);
    lock_take(&stripe->lock);
    if (unpin_locked(moving, named, item))
        place_locked(moving, named, item);
    lock_drop(&stripe->lock);
}

/* Copy what stands in the place of the value, and let the copy be the item; false where that
 * is to be done while it is pinned. */
static bool
move_small_locked(struct moving *moving, struct victim named, struct item *item,
                  struct copying *value)
{
    size_t offset = item_value_offset(item);

    *value = (struct copying){
        .from = item->bytes + offset,
        .to = moving->spare->bytes + offset,
        .length = item_chunk_size(item) - ITEM_HEADER - offset,
    };
    poison_lift(moving->spare, item_room(moving->thread->cache, item));
    if (value->length > CACHE_COPY_MAX)
        return false;
    copy(moving, value);
    place_locked(moving, named, item);
    return true;
}

static void
move_item(struct moving *moving, const struct item *found)
{
    struct cache  *cache = moving->thread->cache;
    bool           is_part = item_traits(found) & ITEM_CHAINED;
    unsigned       list = is_part ? cache->pages.classes.count : moving->size_class;
    struct stripe *stripe;
    struct victim  named;
    struct item   *item;
    struct copying value;
    bool           is_large;

    if (!name_item(cache, found, list, &named) || !get_spare(moving, is_part))
        return;
    stripe = table_stripe(&cache->table, named.hash);
    lock_take(&stripe->lock);
    is_large = may_move_locked(moving, named, &item) &&
               item_is_chained(item) == is_part &&
               !move_small_locked(moving, named, item, &value) && item_pin_locked(item);
    lock_drop(&stripe->lock);
    if (is_large)
        move_large(moving, named, item, &value);
}

/* ---- one piece of a chain -------------------------------------------------------- */

/* What is to be known of a piece while its item is pinned. */
struct moving_piece {
    struct item   *item;
    struct item   *before;
    struct item   *piece;
    struct copying value;
};

/* Pin the item that the piece is of. Its stripe is held. */
static bool
pin_piece_locked(struct moving *moving, struct victim named, struct moving_piece *m)
{
    const struct cache *cache = moving->thread->cache;

    if (!may_move_locked(moving, named, &m->item) || !item_is_chained(m->item) ||
        !chain_has(cache, m->item, m->piece, &m->before) || !item_pin_locked(m->item))
        return false;
    m->value = (struct copying){
        .from = m->piece->bytes,
        .to = moving->spare->bytes,
        .length = item_room(cache, m->piece) - ITEM_HEADER,
    };
    poison_lift(moving->spare, ITEM_HEADER + m->value.length);
    return true;
}

static void
place_piece_locked(struct moving *moving, const struct moving_piece *m)
{
    struct cache_thread *thread = moving->thread;

    copy_head(moving->spare, m->piece);
    atomic_init(&moving->spare->references, 0); /* it is the item that is referred to */
    chain_replace(thread->cache, m->item, m->before, m->piece, moving->spare);
    moving->spare = NULL;
    item_give(thread, m->piece);
    counter_add(&thread->counters.pieces_rescued, 1);
}

/* A piece knows its item, whose chunk is no other's as long as the piece is one. */
static void
move_piece(struct moving *moving, struct item *piece)
{
    struct cache       *cache = moving->thread->cache;
    const struct item  *head = pages_item(&cache->pages, piece->prev);
    struct moving_piece m = { .piece = piece };
    struct stripe      *stripe;
    struct victim       named;
    bool                pinned;

    if (!name_item(cache, head, cache->pages.classes.count, &named) ||
        !get_spare(moving, true))
        return;
    stripe = table_stripe(&cache->table, named.hash);
    lock_take(&stripe->lock);
    pinned = pin_piece_locked(moving, named, &m);
    lock_drop(&stripe->lock);
    if (!pinned)
        return;
    copy(moving, &m.value);
    lock_take(&stripe->lock);
    if (unpin_locked(moving, named, m.item))
        place_piece_locked(moving, &m);
    lock_drop(&stripe->lock);
}

static void
move_chunk(struct moving *moving, struct item *chunk)
{
    uint8_t traits = item_traits(chunk);

    if (traits == CHUNK_FREE)
        pages_drain_free(&moving->thread->cache->pages, chunk);
    else if (traits & ITEM_LINKED)
        move_item(moving, chunk);
    else if (traits == (ITEM_TAKEN | ITEM_PIECE))
        move_piece(moving, chunk);
}

/* ---- one page -------------------------------------------------------------------- */

/* What threads keep goes first, or it would stay as long as they have nothing to do. */
static void
go_through_magazines(struct cache *cache, unsigned size_class)
{
    lock_take(&cache->threads_lock);
    for (struct cache_thread *thread = cache->threads; thread != NULL;
         thread = thread->next)
        pages_drain_magazine(&cache->pages, &thread->magazine[size_class], size_class);
    lock_drop(&cache->threads_lock);
}

static void
begin_page(struct cache *cache, uint32_t page)
{
    struct page_mover *mover = &cache->mover;

    mover->page = page;
    mover->at = 0;
    mover->idle = 0;
    mover->copied = false;
    pages_drain_begin(&cache->pages, page);
    go_through_magazines(cache, mover->from);
    mover->drained = 0;
}

/* Any page of the class, another one each time. */
static uint32_t
next_page(struct cache *cache, unsigned size_class)
{
    struct pages *pages = &cache->pages;
    uint32_t      numbered;

    lock_take(&pages->lock);
    numbered = pages->numbered;
    lock_drop(&pages->lock);
    for (uint32_t i = 0; i < numbered; i++) {
        uint32_t page = cache->mover.next + 1;

        cache->mover.next = page = page < numbered ? page : 1;
        if (page < numbered && pages_class_of(pages, page) == size_class)
            return page;
    }
    return 0;
}

/* Where the class has chunks that are free, or will be next. */
static uint32_t
best_page(struct cache *cache, unsigned size_class)
{
    struct pages        *pages = &cache->pages;
    struct class_memory *memory = &pages->class_memory[size_class];
    const struct item   *chunk = NULL;

    lock_take(&memory->lock);
    if (memory->fresh > pages_chunks(pages, size_class) / 2)
        chunk = (struct item *)(void *)memory->fresh_at;
    else if (memory->free_count >= pages_chunks(pages, size_class))
        chunk = pages_item(pages, memory->free);
    lock_drop(&memory->lock);
    if (chunk == NULL)
        chunk = lru_coldest(&cache->lru[size_class], pages);
    if (chunk == NULL || pages_class(pages, chunk) != size_class)
        return next_page(cache, size_class);
    return pages_number(pages, chunk);
}

/* Is something in the chunk that cannot be moved just now? A guess, for no lock is held: a
 * piece is in use where its item is, and what is not linked is read, or arrives. */
static bool
is_in_use(const struct cache *cache, const struct item *chunk)
{
    uint8_t traits = item_traits(chunk);

    if (!(traits & ITEM_TAKEN))
        return false;
    if (traits & ITEM_PIECE) {
        handle_t head = __atomic_load_n(&chunk->prev, __ATOMIC_RELAXED);

        if (head == 0)
            return true;
        chunk = pages_item(&cache->pages, head);
        traits = item_traits(chunk);
    }
    return !(traits & ITEM_LINKED) || item_is_pinned(chunk);
}

/* How many chunks of the page have been used; the others are not to be looked at. */
static uint32_t
chunks_used(struct cache *cache, unsigned size_class, uint32_t page)
{
    struct pages        *pages = &cache->pages;
    struct class_memory *memory = &pages->class_memory[size_class];
    uint32_t             unused;

    lock_take(&memory->lock);
    unused = pages_unused_locked(pages, page);
    lock_drop(&memory->lock);
    return pages_chunks(pages, size_class) - unused;
}

static bool
is_quiet(struct cache *cache, unsigned size_class, uint32_t page)
{
    uint32_t chunks = chunks_used(cache, size_class, page);

    for (uint32_t at = 0; at < chunks; at++) {
        if (is_in_use(cache, pages_chunk(&cache->pages, page, size_class, at)))
            return false;
    }
    return true;
}

/* Has a page to go, whoever has it in his hands? */
static bool
is_demanded(struct cache *cache)
{
    return !pages_may_use(&cache->pages, 0) || balance_is_wanting(cache);
}

/* The page that is to go, 0: none. Rather one that nobody has in his hands: else clients that
 * read slowly would have each page waited for. Where it is only better that one goes, no other
 * will do, and the class is left alone for a look. */
static uint32_t
choose_page(struct cache *cache, unsigned size_class)
{
    uint32_t best = best_page(cache, size_class), page = best;
    uint32_t tries = CHUNKS_LOOKED_AT / pages_chunks(&cache->pages, size_class) + 1,
             owned;

    if (!cache->mover.works_for_us)
        return best;
    (void)pages_used(&cache->pages, size_class, &owned);
    if (tries > owned)
        tries = owned;
    for (; page != 0 && tries > 0; tries--) {
        if (is_quiet(cache, size_class, page))
            return page;
        page = next_page(cache, size_class);
    }
    if (is_demanded(cache))
        return best;
    cache->mover.barren = size_class;
    return 0;
}

static void
end_request(struct cache *cache)
{
    struct page_mover *mover = &cache->mover;

    mover->page = 0;
    mover->given_up = 0;
    lock_take(&mover->lock);
    atomic_store(&mover->running, mover->asked);
    lock_drop(&mover->lock);
}

/* Has a client asked while a page moves for our sake? */
static bool
is_waited_for(struct page_mover *mover)
{
    bool asked;

    lock_take(&mover->lock);
    asked = mover->asked;
    lock_drop(&mover->lock);
    return asked;
}

/* The page is not to be had. */
static enum cache_move_state
give_page_up(struct cache *cache)
{
    struct page_mover *mover = &cache->mover;
    uint32_t           page;

    pages_drain_abandon(&cache->pages);
    mover->page = 0;
    if (++mover->given_up < PAGES_MOST && !is_waited_for(mover) &&
        (page = next_page(cache, mover->from)) != 0) {
        begin_page(cache, page);
        return CACHE_MOVE_MORE;
    }
    end_request(cache);
    return CACHE_MOVE_FAILED;
}

/* All chunks of the page have been looked at. */
static enum cache_move_state
end_pass(struct cache_thread *thread)
{
    struct cache      *cache = thread->cache;
    struct page_mover *mover = &cache->mover;
    uint32_t           drained = pages_drained(&cache->pages);

    if (drained == pages_chunks(&cache->pages, mover->from)) {
        pages_drain_end(&cache->pages, mover->to);
        pages_empty_magazine(&cache->pages, &thread->magazine[mover->from], mover->from);
        counter_add(&thread->counters.pages_moved, 1);
        end_request(cache);
        return mover->copied ? CACHE_MOVE_DONE : CACHE_MOVE_FREE;
    }
    mover->idle = drained > mover->drained ? 0 : mover->idle + 1;
    mover->drained = drained;
    mover->at = 0;
    return mover->idle < IDLE_MOST ? CACHE_MOVE_WAITS : give_page_up(cache);
}

static enum cache_move_state
go_on(struct cache_thread *thread)
{
    struct cache      *cache = thread->cache;
    struct page_mover *mover = &cache->mover;
    struct moving      moving = { .thread = thread, .size_class = mover->from };
    uint32_t chunks = pages_chunks(&cache->pages, mover->from) - cache->pages.unused;

    for (unsigned i = 0; i < CHUNKS_A_STEP && mover->at < chunks &&
                         moving.copied < BYTES_A_STEP && !moving.out_of_memory;
         i++)
        move_chunk(&moving,
                   pages_chunk(&cache->pages, mover->page, mover->from, mover->at++));
    if (moving.spare != NULL)
        item_give(thread, moving.spare);
    mover->copied |= moving.copied > 0;
    if (moving.out_of_memory)
        return give_page_up(cache);
    return mover->at < chunks ? CACHE_MOVE_MORE : end_pass(thread);
}

/* ---- what is to be moved --------------------------------------------------------- */

/* How many pages the class could give. */
static uint32_t
spare_pages(struct cache *cache, unsigned size_class)
{
    uint32_t owned;

    if (size_class == CACHE_POOL)
        return pages_in_pool(&cache->pages);
    pages_free_chunks(&cache->pages, size_class, &owned);
    return owned > 1 ? owned - 1 : 0;
}

/* The class that misses a page least: with most free chunks, or else, where items may be
 * evicted, with most pages. 0: none. */
static unsigned
richest_class(struct cache *cache)
{
    struct pages *pages = &cache->pages;
    uint64_t      most = 0;
    unsigned      richest = 0;

    for (unsigned i = 1; i <= pages->classes.count; i++) {
        uint32_t owned;
        uint64_t free = pages_free_chunks(pages, i, &owned) / pages_chunks(pages, i);

        if (owned > 1 && (cache->evicts || free > 0) && (free << 32 | owned) > most) {
            most = free << 32 | owned;
            richest = i;
        }
    }
    return richest;
}

static enum cache_move_answer
ask(struct cache *cache, int64_t from, int64_t to, bool by_us)
{
    struct page_mover     *mover = &cache->mover;
    int64_t                count = cache->pages.classes.count;
    unsigned               richest = richest_class(cache);
    enum cache_move_answer answer = CACHE_MOVE_BUSY;

    if (from == to)
        return CACHE_MOVE_SAME;
    if (from == CACHE_ANY_CLASS)
        from = richest != 0 ? (int64_t)richest : -1;
    if (from < 0 || from > count || to < 0 || to > count)
        return CACHE_MOVE_BAD_CLASS;
    if (spare_pages(cache, (unsigned)from) == 0)
        return CACHE_MOVE_NO_SPARE;
    lock_take(&mover->lock);
    if (!mover->asked &&
        (!atomic_load(&mover->running) || (mover->works_for_us && !by_us))) {
        atomic_store(&mover->running, true);
        mover->asked = true;
        mover->asked_by_us = by_us;
        mover->asked_from = (unsigned)from;
        mover->asked_to = (unsigned)to;
        answer = CACHE_MOVE_OK;
    }
    lock_drop(&mover->lock);
    return answer;
}

/* What clients ask for comes after the page that moves for our sake, and before the next. */
enum cache_move_answer
cache_move_ask(struct cache *cache, int64_t from, int64_t to)
{
    return ask(cache, from, to, false);
}

void
mover_ask(struct cache *cache, unsigned from, unsigned to)
{
    (void)ask(cache, from, to, true); /* whoever is faster has asked for another */
}

/* Take up what somebody has asked for. */
static bool
take_request(struct page_mover *mover)
{
    bool asked;

    lock_take(&mover->lock);
    asked = mover->asked;
    mover->asked = false;
    mover->from = mover->asked_from;
    mover->to = mover->asked_to;
    mover->works_for_us = mover->asked_by_us;
    lock_drop(&mover->lock);
    return asked;
}

/* Or see what there is to do anyway. */
static bool
find_work(struct cache *cache)
{
    struct page_mover *mover = &cache->mover;

    if (!pages_may_use(&cache->pages, 0))
        mover->to = CACHE_POOL;
    else if (balance_is_wanting(cache))
        mover->to = cache->pages.classes.count;
    else
        return false;
    mover->from = balance_give(cache);
    if (mover->from == 0)
        return false;
    mover_ask(cache, mover->from, mover->to);
    return take_request(mover);
}

static enum cache_move_state
begin(struct cache_thread *thread)
{
    struct cache      *cache = thread->cache;
    struct page_mover *mover = &cache->mover;
    uint32_t           page;

    if (!take_request(mover) && !find_work(cache))
        return CACHE_MOVE_NOTHING;
    if (mover->from == CACHE_POOL) {
        bool given = pages_give_from_pool(&cache->pages, mover->to);

        counter_add(&thread->counters.pages_moved, given);
        end_request(cache);
        return given ? CACHE_MOVE_DONE : CACHE_MOVE_FAILED;
    }
    page = spare_pages(cache, mover->from) > 0 ? choose_page(cache, mover->from) : 0;
    if (page == 0) {
        end_request(cache);
        return CACHE_MOVE_FAILED;
    }
    begin_page(cache, page);
    return CACHE_MOVE_MORE;
}

enum cache_move_state
cache_move_step(struct cache_thread *thread)
{
    return thread->cache->mover.page != 0 ? go_on(thread) : begin(thread);
}

bool
cache_is_moving(const struct cache *cache)
{
    return atomic_load(&cache->mover.running);
}

void
cache_last_move(const struct cache *cache, unsigned *from, unsigned *to)
{
    *from = cache->mover.from;
    *to = cache->mover.to;
}
