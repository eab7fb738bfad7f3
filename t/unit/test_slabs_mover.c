/* t/unit/test_slabs_mover.c - pages that go from one class to another.
 *
 * Every test ends with cache_check(), in fixture_fini() and often before: whatever becomes
 * of a page, no chunk may be lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "slabs/cache_priv.h"

#include "t/unit/fixture.h"

enum {
    SMALL = 200, /* a value of many a page; a page has some 4,000 */
    LARGE = 100000,
    STEPS_MOST = 1000000,
    CHUNK = 64 << 10,      /* the largest, where there are chains */
    CHAIN = 300000,        /* four full pieces and a bit          */
    GAP_CHUNK = 256 << 10, /* the largest, where pieces have gaps */
    GAP_CHAIN = 600000, /* two full pieces and one of a smaller class, also with a gap */
};

static unsigned
class_of_size(const struct fixture *f, size_t value_length)
{
    return cache_class_for(f->cache, 8, 0, value_length);
}

static const char *
name_of(unsigned number)
{
    static char name[16];

    snprintf(name, sizeof(name), "k%07u", number);
    return name;
}

/* Values know their key, so that none can be taken for another's. */
static enum cache_status
put_number(struct fixture *f, unsigned number, size_t length)
{
    char *value = malloc(length);

    pattern_fill(value, length, number);
    enum cache_status status =
        put_span(f, name_of(number), (struct span){ value, length }, 0);

    free(value);
    return status;
}

static void
put_numbers(struct fixture *f, unsigned from, unsigned to, size_t length)
{
    for (unsigned number = from; number < to; number++)
        quick_assert(put_number(f, number, length) == CACHE_OK);
}

/* Is all of it what pattern_fill() makes? It may be in pieces. */
static bool
reading_is(struct cache_reading *reading, uint64_t seed)
{
    char  *all = malloc(reading->value_length + 1);
    size_t from = 0;
    bool   right;

    while (from < reading->value_length) {
        struct span piece = cache_read_value(reading, from);

        quick_assert(piece.length > 0);
        memcpy(all + from, piece.at, piece.length);
        from += piece.length;
    }
    right = pattern_holds((struct span){ all, from }, seed);
    free(all);
    return right;
}

/* Is it there? Then it has to be right. */
static bool
has_number(struct fixture *f, unsigned number, size_t length)
{
    struct cache_key     key = key_of(f, name_of(number));
    struct cache_reading reading;

    if (cache_read(f->thread, &key, &reading) != CACHE_OK)
        return false;
    quick_assert(reading.value_length == length);
    quick_assert(reading_is(&reading, number));
    cache_read_end(f->thread, &reading);
    return true;
}

static unsigned
count_numbers(struct fixture *f, unsigned from, unsigned to, size_t length)
{
    unsigned count = 0;

    for (unsigned number = from; number < to; number++)
        count += has_number(f, number, length);
    return count;
}

/* Go on until there is nothing to do; what is in use is not waited for long. */
static void
move_all(struct fixture *f)
{
    unsigned steps = 0;

    while (cache_move_step(f->thread) != CACHE_MOVE_NOTHING)
        ck_assert_uint_lt(++steps, STEPS_MOST);
    ck_assert(!cache_is_moving(f->cache));
}

static void
move_page(struct fixture *f, unsigned from, unsigned to)
{
    ck_assert_int_eq(cache_move_ask(f->cache, from, to), CACHE_MOVE_OK);
    move_all(f);
    cache_check(f->cache, true);
}

static uint32_t
pages_owned(const struct fixture *f, unsigned size_class)
{
    struct cache_class shown;

    cache_class_show(f->cache, size_class, &shown);
    return shown.pages;
}

static size_t
memory_used(const struct fixture *f)
{
    return (size_t)f->cache->pages.used * CACHE_PAGE_MOST;
}

static unsigned
a_page_of(const struct fixture *f, size_t value_length)
{
    return pages_chunks(&f->cache->pages, class_of_size(f, value_length));
}

START_TEST(a_page_with_room_elsewhere_goes_and_no_item_is_lost)
{
    struct fixture f;
    unsigned       size_class, count;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    count = 3 * a_page_of(&f, SMALL);
    put_numbers(&f, 0, count, SMALL);
    for (unsigned number = 0; number < count; number += 2)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    ck_assert_uint_eq(pages_owned(&f, size_class), 3);
    move_page(&f, size_class, CACHE_POOL);
    ck_assert_uint_eq(pages_owned(&f, size_class), 2);
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 1);
    ck_assert_uint_eq(count_numbers(&f, 0, count, SMALL), count / 2);
    ck_assert_uint_eq(counters_of(&f).pages_moved, 1);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_full_class_loses_its_coldest_items_and_not_those_on_the_page)
{
    struct fixture f;
    unsigned       size_class, a_page, count, lost;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    a_page = a_page_of(&f, SMALL);
    count = 8 * a_page;
    put_numbers(&f, 0, count, SMALL);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    move_page(&f, size_class, class_of_size(&f, LARGE));
    lost = count - count_numbers(&f, 0, count, SMALL);
    ck_assert_uint_ge(lost, a_page);
    ck_assert_uint_le(lost, a_page + a_page / 8);
    ck_assert_uint_eq(count_numbers(&f, 0, lost, SMALL), 0); /* the oldest, all */
    ck_assert_uint_eq(pages_owned(&f, size_class), 7);
    ck_assert_uint_eq(pages_owned(&f, class_of_size(&f, LARGE)), 1);
    put_numbers(&f, count, count + a_page_of(&f, LARGE), LARGE);
    ck_assert_uint_eq(count_numbers(&f, lost, count, SMALL), count - lost);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_page_goes_round_through_classes)
{
    struct fixture f;
    unsigned       size_class;

    fixture_init_with(&f, fixture_config((size_t)512 * MIB));
    size_class = class_of_size(&f, SMALL);
    put_numbers(&f, 0, 4 * a_page_of(&f, SMALL), SMALL);
    for (unsigned i = 1; i <= cache_class_count(f.cache); i += 9) {
        size_t length = cache_class_bytes(f.cache, i) - ITEM_HEADER - 8;

        if (i == size_class || class_of_size(&f, length) != i)
            continue;
        move_page(&f, size_class, i);
        put_numbers(&f, 0, pages_chunks(&f.cache->pages, i) + 1, length);
        move_page(&f, i, CACHE_POOL);
        put_numbers(&f, 0, 4 * a_page_of(&f, SMALL), SMALL);
        ck_assert_uint_eq(count_numbers(&f, 0, 100, SMALL), 100);
    }
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

static void
store_with_everything(struct fixture *f, const char *name, size_t length)
{
    struct cache_store store = {
        .mode = CACHE_SET,
        .key = key_of(f, name),
        .client_flags = 0xfeed,
        .expiry = 1000,
        .new_cas = 77,
        .binary_key = true,
    };
    struct cache_result result;
    char               *value = malloc(length);

    pattern_fill(value, length, length);
    ck_assert_int_eq(
        cache_store(f->thread, &store, (struct span){ value, length }, &result),
        CACHE_OK);
    free(value);
}

static void
check_everything(size_t length)
{
    struct fixture        f;
    struct cache_read_how how = { .unnoticed = true };
    struct cache_reading  reading;
    struct item          *before;
    struct cache_key      key;
    size_t                alike = length + 8; /* flags and era take as much */
    unsigned              size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, alike);
    key = key_of(&f, "the-item");
    store_with_everything(&f, "the-item", length);
    put_numbers(&f, 0, 2 * a_page_of(&f, alike) - 1, alike);
    ck_assert_int_eq(cache_read_as(f.thread, &key, &how, &reading), CACHE_OK);
    before = reading.item;
    cache_read_end(f.thread, &reading);
    move_page(&f, size_class, CACHE_POOL);
    ck_assert_int_eq(cache_read_as(f.thread, &key, &how, &reading), CACHE_OK);
    ck_assert_ptr_ne(reading.item, before);
    ck_assert_uint_eq(reading.cas, 77);
    ck_assert_uint_eq(reading.client_flags, 0xfeed);
    ck_assert_int_eq(reading.ttl_s, 1000);
    ck_assert(reading.binary_key && !reading.stale && !reading.fetched);
    ck_assert_uint_eq(reading.value_length, length);
    ck_assert(pattern_holds(cache_read_value(&reading, 0), length));
    cache_read_end(f.thread, &reading);
    cache_flush(f.thread); /* its era has come along */
    ck_assert_int_eq(peek(&f, "the-item"), CACHE_MISS);
    fixture_fini(&f);
}

START_TEST(an_item_takes_all_that_it_has_along)
{
    check_everything(SMALL);
    check_everything(CACHE_COPY_MAX + 1);
    check_everything(ITEM_LARGE_VALUE - 1); /* no gap yet */
    check_everything(ITEM_LARGE_VALUE);
    check_everything(LARGE);
}
END_TEST

START_TEST(dead_items_are_dropped_and_not_moved)
{
    struct fixture f;
    unsigned       count;

    fixture_init(&f);
    count = 2 * a_page_of(&f, SMALL);
    for (unsigned number = 0; number < count; number++)
        ck_assert_int_eq(put_span(&f, name_of(number), text_span("v"), 10), CACHE_OK);
    put_numbers(&f, 0, count, SMALL);
    for (unsigned number = 0; number < count; number++) {
        struct cache_key    key = key_of(&f, name_of(number));
        struct cache_result result;

        ck_assert_int_eq(cache_touch(f.thread, &key, 10, &result), CACHE_OK);
    }
    advance(&f, 11);
    move_page(&f, class_of_size(&f, SMALL), CACHE_POOL);
    ck_assert_uint_eq(counters_of(&f).items_rescued, 0);
    ck_assert_uint_eq(counters_of(&f).rescue_reclaims, a_page_of(&f, SMALL));
    fixture_fini(&f);
}
END_TEST

/* ---- what is in use -------------------------------------------------------------- */

/* Pin this number; the reading is to be ended. */
static struct cache_reading
pin_number(struct fixture *f, unsigned number)
{
    struct cache_key     key = key_of(f, name_of(number));
    struct cache_reading reading;

    ck_assert_int_eq(cache_read(f->thread, &key, &reading), CACHE_OK);
    ck_assert(reading.pinned);
    return reading;
}

START_TEST(a_pinned_item_stays_and_another_page_goes)
{
    struct fixture       f;
    struct cache_reading reading;
    unsigned             size_class, count;

    fixture_init(&f);
    size_class = class_of_size(&f, LARGE);
    count = 4 * a_page_of(&f, LARGE);
    put_numbers(&f, 0, count, LARGE);
    reading = pin_number(&f, 0); /* the coldest: its page is tried first */
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, CACHE_POOL), CACHE_MOVE_OK);
    move_all(&f);
    cache_check(f.cache, false);
    ck_assert_uint_eq(pages_owned(&f, size_class), 4); /* one came for the rescued */
    ck_assert_uint_eq(counters_of(&f).pages_moved, 1);
    ck_assert_uint_gt(counters_of(&f).rescue_busy, 0);
    ck_assert(pattern_holds((struct span){ reading.value, LARGE }, 0));
    cache_read_end(f.thread, &reading);
    ck_assert_uint_eq(count_numbers(&f, 0, count, LARGE), count);
    fixture_fini(&f);
}
END_TEST

START_TEST(where_everything_is_in_use_the_mover_gives_up_and_nothing_changes)
{
    enum { PAGES = 4 };
    struct fixture       f;
    struct cache_reading readings[PAGES * 16];
    unsigned             size_class, a_page, count;

    fixture_init(&f);
    size_class = class_of_size(&f, LARGE);
    a_page = a_page_of(&f, LARGE);
    count = PAGES * a_page;
    ck_assert_uint_le(a_page, 16);
    put_numbers(&f, 0, count, LARGE);
    for (unsigned number = 0; number < count; number++)
        readings[number] = pin_number(&f, number);
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, CACHE_POOL), CACHE_MOVE_OK);
    move_all(&f);
    ck_assert_uint_eq(counters_of(&f).pages_moved, 0);
    for (unsigned number = 0; number < count; number++)
        cache_read_end(f.thread, &readings[number]);
    cache_check(f.cache, true);
    ck_assert_uint_eq(count_numbers(&f, 0, count, LARGE), count);
    move_page(&f, size_class, CACHE_POOL); /* now it can */
    ck_assert_uint_eq(counters_of(&f).pages_moved, 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_a_client_asks_for_comes_before_what_the_limit_demands)
{
    enum { PAGES = 7 };
    struct fixture       f;
    struct cache_reading readings[PAGES * 16];
    unsigned             size_class, count, from, to;

    fixture_init(&f);
    size_class = class_of_size(&f, LARGE);
    count = PAGES * a_page_of(&f, LARGE);
    put_numbers(&f, 0, count, LARGE);
    for (unsigned number = 0; number < count; number++)
        readings[number] = pin_number(&f, number);
    ck_assert(cache_memory_set_limit(f.cache, MIB));
    ck_assert_int_eq(cache_move_step(f.thread), CACHE_MOVE_MORE);
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, 1), CACHE_MOVE_OK);
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, 1), CACHE_MOVE_BUSY);
    while (cache_move_step(f.thread) != CACHE_MOVE_FAILED)
        continue;
    cache_last_move(f.cache, &from, &to);
    ck_assert_uint_eq(to, CACHE_POOL);
    ck_assert(cache_is_moving(f.cache)); /* it waits */
    for (unsigned number = 0; number < count; number++)
        cache_read_end(f.thread, &readings[number]);
    while (cache_move_step(f.thread) != CACHE_MOVE_DONE)
        continue;
    cache_last_move(f.cache, &from, &to);
    ck_assert_uint_eq(to, 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_pinned_item_that_is_deleted_meanwhile_lets_the_page_go)
{
    struct fixture       f;
    struct cache_reading reading;
    unsigned             size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, LARGE);
    put_numbers(&f, 0, 2 * a_page_of(&f, LARGE), LARGE);
    reading = pin_number(&f, 0);
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, CACHE_POOL), CACHE_MOVE_OK);
    for (unsigned i = 0; i < 10; i++)
        cache_move_step(f.thread);
    ck_assert(cache_is_moving(f.cache));
    ck_assert_int_eq(drop(&f, name_of(0)), CACHE_OK);
    cache_check(f.cache, false);
    for (unsigned i = 0; i < 3; i++)
        cache_move_step(f.thread);
    cache_read_end(f.thread, &reading);
    move_all(&f);
    ck_assert_uint_eq(counters_of(&f).pages_moved, 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_that_is_arriving_is_waited_for_and_then_the_page_is_given_up)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;
    struct cache_result result;
    size_t              room;
    unsigned            size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, LARGE);
    put_numbers(&f, 0, a_page_of(&f, LARGE) + 1, LARGE);
    store = store_of(&f, CACHE_SET, "arriving");
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, LARGE, &upload), CACHE_OK);
    /* The page with the upload goes last, when no other is left. */
    for (unsigned i = 0; i < 3 && pages_owned(&f, size_class) > 1; i++) {
        if (cache_move_ask(f.cache, size_class, CACHE_POOL) == CACHE_MOVE_OK)
            move_all(&f);
        cache_check(f.cache, false);
    }
    pattern_fill(cache_upload_room(f.thread, &upload, &room), LARGE, 1);
    cache_upload_fill(&upload, LARGE);
    ck_assert_int_eq(cache_upload_commit(f.thread, &store, &upload, &result), CACHE_OK);
    ck_assert_int_eq(peek(&f, "arriving"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_another_thread_keeps_comes_back_although_it_does_nothing)
{
    struct fixture       f;
    struct cache_thread *other, *mine;
    unsigned             size_class, count;

    fixture_init(&f);
    mine = f.thread;
    other = cache_thread_create(f.cache);
    size_class = class_of_size(&f, SMALL);
    count = 2 * a_page_of(&f, SMALL);
    f.thread = other;
    put_numbers(&f, 0, count, SMALL);
    for (unsigned number = 0; number < 100; number++)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    ck_assert_uint_gt(other->magazine[size_class].count, 0);
    f.thread = mine;
    for (unsigned i = 0; i < 4; i++)
        move_page(&f, size_class, CACHE_POOL);
    ck_assert_uint_eq(counters_of(&f).pages_moved, 4);
    cache_thread_destroy(&other);
    fixture_fini(&f);
}
END_TEST

/* ---- chains ---------------------------------------------------------------------- */

static void
fixture_init_chains(struct fixture *f, size_t memory_bytes)
{
    struct cache_config config = fixture_config(memory_bytes);

    config.chunk_bytes_max = CHUNK;
    fixture_init_with(f, config);
}

static void
fixture_init_gaps(struct fixture *f, size_t memory_bytes)
{
    struct cache_config config = fixture_config(memory_bytes);

    config.chunk_bytes_max = GAP_CHUNK;
    fixture_init_with(f, config);
}

static unsigned
class_of_pieces(const struct fixture *f)
{
    return cache_class_count(f->cache);
}

START_TEST(the_pieces_of_a_chain_move_one_by_one)
{
    struct fixture f;
    unsigned       largest;

    fixture_init_chains(&f, 32 * MIB);
    largest = class_of_pieces(&f);
    put_numbers(&f, 0, 40, CHAIN);
    for (unsigned number = 0; number < 40; number += 2)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    while (pages_owned(&f, largest) > 6)
        move_page(&f, largest, CACHE_POOL);
    ck_assert_uint_eq(count_numbers(&f, 0, 40, CHAIN), 20);
    ck_assert_uint_gt(counters_of(&f).pieces_rescued, 20);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

/* How many pieces of a chain have a gap, as all must that are large. */
static unsigned
count_gaps(const struct fixture *f, const struct item *item)
{
    const struct pages *pages = &f->cache->pages;
    unsigned            count = 0;

    for (handle_t at = item_get_chain(item).first; at != 0;) {
        const struct item *piece = pages_item(pages, at);
        bool               large = item_value_length(piece) >= ITEM_LARGE_VALUE;

        quick_assert(item_value_offset(piece) == (large ? ITEM_GAP : 0));
        count += large;
        at = piece->next;
    }
    return count;
}

START_TEST(pieces_behind_a_gap_move_one_by_one)
{
    struct fixture f;
    unsigned       largest;

    fixture_init_gaps(&f, 64 * MIB);
    largest = class_of_pieces(&f);
    put_numbers(&f, 0, 40, GAP_CHAIN);
    ck_assert_uint_eq(count_gaps(&f, item_of(&f, name_of(1))), 3);
    for (unsigned number = 0; number < 40; number += 2)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    while (pages_owned(&f, largest) > 14)
        move_page(&f, largest, CACHE_POOL);
    ck_assert_uint_gt(counters_of(&f).pieces_rescued, 10);
    for (unsigned number = 1; number < 40; number += 2)
        ck_assert_uint_eq(count_gaps(&f, item_of(&f, name_of(number))), 3);
    ck_assert_uint_eq(count_numbers(&f, 0, 40, GAP_CHAIN), 20);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

/* Of values around the border some have a gap and lie beside those that have none. */
START_TEST(values_around_the_border_of_the_gap_move_and_are_read)
{
    enum { LEAST = ITEM_LARGE_VALUE - 20, COUNT = 48 };
    struct fixture f;
    unsigned       size_class, number;

    fixture_init_gaps(&f, 64 * MIB);
    size_class = class_of_size(&f, LEAST);
    ck_assert_uint_eq(class_of_size(&f, LEAST + COUNT), size_class);
    for (number = 0; number < COUNT; number++)
        quick_assert(put_number(&f, number, LEAST + number) == CACHE_OK);
    for (number = 0; number < COUNT; number += 3)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    move_page(&f, size_class, CACHE_POOL);
    ck_assert_uint_gt(counters_of(&f).items_rescued, 0);
    for (number = 0; number < COUNT; number++)
        ck_assert(has_number(&f, number, LEAST + number) == (number % 3 != 0));
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_head_of_a_chain_moves_and_its_pieces_follow)
{
    struct fixture f;
    struct item   *head;
    unsigned       size_class, number = 0;

    fixture_init_chains(&f, 32 * MIB);
    put_numbers(&f, 0, 10, CHAIN);
    head = item_of(&f, name_of(0));
    ck_assert(item_is_chained(head));
    size_class = pages_class(&f.cache->pages, head);
    for (number = 10; pages_owned(&f, size_class) < 3; number++)
        ck_assert_int_eq(put_number(&f, number, 12), CACHE_OK);
    put_numbers(&f, number, 4 * number / 3, 12); /* no page is hardly used */
    move_page(&f, size_class, CACHE_POOL);
    ck_assert_ptr_ne(item_of(&f, name_of(0)), head);
    ck_assert_uint_eq(count_numbers(&f, 0, 10, CHAIN), 10);
    ck_assert_int_eq(drop(&f, name_of(0)), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_chain_that_is_read_stays_where_it_is)
{
    struct fixture       f;
    struct cache_reading reading;
    unsigned             largest;

    fixture_init_chains(&f, 32 * MIB);
    largest = class_of_pieces(&f);
    put_numbers(&f, 0, 20, CHAIN);
    reading = pin_number(&f, 0);
    for (unsigned i = 0; i < 10; i++) {
        if (cache_move_ask(f.cache, largest, CACHE_POOL) == CACHE_MOVE_OK)
            move_all(&f);
        cache_check(f.cache, false);
    }
    ck_assert(reading_is(&reading, 0));
    cache_read_end(f.thread, &reading);
    ck_assert_uint_gt(counters_of(&f).pages_moved, 3);
    ck_assert_uint_eq(count_numbers(&f, 0, 20, CHAIN), 20);
    fixture_fini(&f);
}
END_TEST

START_TEST(chains_make_room_where_the_limit_is_lowered)
{
    struct fixture f;
    unsigned       left;

    fixture_init_chains(&f, 32 * MIB);
    put_numbers(&f, 0, 100, CHAIN);
    ck_assert(cache_memory_set_limit(f.cache, 10 * MIB));
    move_all(&f);
    ck_assert_uint_le(memory_used(&f), 10 * MIB);
    cache_check(f.cache, true);
    left = count_numbers(&f, 0, 100, CHAIN);
    ck_assert_uint_gt(left, 20);
    ck_assert_uint_eq(count_numbers(&f, 100 - left, 100, CHAIN), left);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_larger_than_what_its_class_has_is_stored_once_pages_have_come)
{
    enum { VALUE_BYTES_OF_ONE = 10000000, KEYS = 70000, BIG = KEYS };
    struct cache_config config = fixture_config(32 * MIB);
    struct fixture      f;
    uint64_t            evictions;
    unsigned            before;

    config.page_bytes = 64 << 10;
    config.chunk_bytes_max = 32 << 10;
    config.item_bytes_max = 16 * MIB;
    fixture_init_with(&f, config);
    put_numbers(&f, 0, KEYS, 500);
    before = count_numbers(&f, 0, KEYS, 500);
    evictions = counters_of(&f).evictions;
    ck_assert_int_eq(put_number(&f, BIG, 32 * MIB), CACHE_TOO_LARGE);
    move_all(&f);
    ck_assert_int_eq(put_number(&f, BIG, VALUE_BYTES_OF_ONE), CACHE_NO_MEMORY);
    ck_assert_uint_eq(counters_of(&f).evictions, evictions); /* not for nothing */
    move_all(&f);
    ck_assert_int_eq(put_number(&f, BIG, VALUE_BYTES_OF_ONE), CACHE_OK);
    ck_assert(has_number(&f, BIG, VALUE_BYTES_OF_ONE));
    ck_assert_uint_gt(count_numbers(&f, 0, KEYS, 500) + VALUE_BYTES_OF_ONE / 500,
                      before * 97 / 100);
    cache_check(f.cache, true);
    fixture_fini(&f);
}
END_TEST

START_TEST(pages_that_came_for_a_value_nobody_sends_again_go_back)
{
    const struct cache_automove how = { .mode = CACHE_AUTOMOVE_SURE, .ratio = 0.8 };
    struct cache_config         config = fixture_config(32 * MIB);
    struct fixture              f;
    unsigned                    largest;

    config.page_bytes = 64 << 10;
    config.chunk_bytes_max = 32 << 10;
    config.item_bytes_max = 16 * MIB;
    fixture_init_with(&f, config);
    largest = cache_class_count(f.cache);
    put_numbers(&f, 0, 70000, 500);
    ck_assert_int_eq(put_number(&f, 70000, 10000000), CACHE_NO_MEMORY);
    move_all(&f);
    ck_assert_uint_ge(pages_owned(&f, largest), 10000000 / (64 << 10));
    for (unsigned i = 0; i < 10; i++) {
        cache_balance(f.thread, &how);
        move_all(&f);
    }
    ck_assert_uint_ge(pages_owned(&f, largest),
                      10000000 / (64 << 10)); /* it may come yet */
    advance(&f, 11);
    for (unsigned i = 0; i < 20000; i++) {
        put_number(&f, 70001 + i, 500);
        if (i % 50 == 0) {
            cache_balance(f.thread, &how);
            move_all(&f);
        }
    }
    ck_assert_uint_lt(pages_owned(&f, largest), 10);
    fixture_fini(&f);
}
END_TEST

/* ---- the limit ------------------------------------------------------------------- */

START_TEST(a_lower_limit_is_met_and_the_warmest_items_stay)
{
    struct fixture f;
    unsigned       count, left;

    fixture_init(&f);
    count = 8 * a_page_of(&f, SMALL);
    put_numbers(&f, 0, count, SMALL);
    ck_assert(cache_memory_set_limit(f.cache, 3 * MIB));
    ck_assert_uint_ge(memory_used(&f), 8 * MIB);
    move_all(&f);
    ck_assert_uint_le(memory_used(&f), 3 * MIB);
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 0);
    cache_check(f.cache, true);
    left = count_numbers(&f, 0, count, SMALL);
    ck_assert_uint_ge(left, 5 * a_page_of(&f, SMALL) / 2);
    ck_assert_uint_eq(count_numbers(&f, count - left, count, SMALL), left);
    put_numbers(&f, 0, count, SMALL);
    ck_assert_uint_le(memory_used(&f), 3 * MIB);
    ck_assert(cache_memory_set_limit(f.cache, 6 * MIB));
    put_numbers(&f, 0, count, SMALL);
    ck_assert_uint_eq(memory_used(&f), 6 * MIB);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_lower_limit_takes_from_the_pool_first)
{
    struct fixture f;
    unsigned       size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    put_numbers(&f, 0, 8 * a_page_of(&f, SMALL), SMALL);
    for (unsigned i = 0; i < 3; i++)
        move_page(&f, size_class, CACHE_POOL);
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 3);
    ck_assert(cache_memory_set_limit(f.cache, 6 * MIB));
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 1);
    ck_assert_int_eq(cache_move_step(f.thread), CACHE_MOVE_NOTHING);
    cache_check(f.cache, true);
    put_numbers(&f, 0, 8 * a_page_of(&f, SMALL), SMALL);
    ck_assert_uint_eq(pages_owned(&f, size_class), 6);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_granted_far_beyond_the_limit_is_paid_for_by_the_richest)
{
    struct fixture f;
    unsigned       size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    put_numbers(&f, 0, 8 * a_page_of(&f, SMALL), SMALL);
    for (unsigned i = 1; i <= cache_class_count(f.cache); i += 2) {
        size_t length = cache_class_bytes(f.cache, i) - ITEM_HEADER - 8;

        if (i != size_class && class_of_size(&f, length) == i)
            put_numbers(&f, 0, pages_chunks(&f.cache->pages, i), length);
    }
    ck_assert_uint_gt(memory_used(&f), 24 * MIB);
    move_all(&f);
    ck_assert_uint_gt(memory_used(&f), 24 * MIB); /* by what all are granted */
    ck_assert_uint_eq(pages_owned(&f, size_class), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(where_nothing_is_evicted_the_limit_is_met_only_as_far_as_items_fit)
{
    struct fixture      f;
    struct cache_config config = fixture_config(8 * MIB);
    unsigned            count;

    config.evicts = false;
    fixture_init_with(&f, config);
    count = 6 * a_page_of(&f, SMALL);
    put_numbers(&f, 0, count, SMALL);
    for (unsigned number = 0; number < count; number += 3)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    ck_assert(cache_memory_set_limit(f.cache, 2 * MIB));
    for (unsigned i = 0; i < 100000; i++)
        cache_move_step(f.thread);
    ck_assert_uint_le(memory_used(&f), 5 * MIB);
    ck_assert_uint_eq(count_numbers(&f, 0, count, SMALL), count - (count + 2) / 3);
    ck_assert(cache_memory_set_limit(f.cache, 8 * MIB));
    move_all(&f);
    fixture_fini(&f);
}
END_TEST

/* ---- asking ---------------------------------------------------------------------- */

START_TEST(what_cannot_be_is_refused)
{
    struct fixture f;
    unsigned       size_class;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    ck_assert_int_eq(cache_move_ask(f.cache, 3, 3), CACHE_MOVE_SAME);
    ck_assert_int_eq(cache_move_ask(f.cache, 999, 999), CACHE_MOVE_SAME);
    ck_assert_int_eq(cache_move_ask(f.cache, -2, 3), CACHE_MOVE_BAD_CLASS);
    ck_assert_int_eq(cache_move_ask(f.cache, 3, cache_class_count(f.cache) + 1),
                     CACHE_MOVE_BAD_CLASS);
    ck_assert_int_eq(cache_move_ask(f.cache, CACHE_ANY_CLASS, 3), CACHE_MOVE_BAD_CLASS);
    ck_assert_int_eq(cache_move_ask(f.cache, CACHE_POOL, 3), CACHE_MOVE_NO_SPARE);
    put(&f, "k", "v", 0);
    ck_assert_int_eq(cache_move_ask(f.cache, class_of_size(&f, 1), 3),
                     CACHE_MOVE_NO_SPARE);
    put_numbers(&f, 0, 2 * a_page_of(&f, SMALL), SMALL);
    ck_assert_int_eq(cache_move_ask(f.cache, CACHE_ANY_CLASS, CACHE_POOL), CACHE_MOVE_OK);
    ck_assert(cache_is_moving(f.cache));
    ck_assert_int_eq(cache_move_ask(f.cache, size_class, CACHE_POOL), CACHE_MOVE_BUSY);
    move_all(&f);
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 1);
    move_page(&f, CACHE_POOL, 1);
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 0);
    ck_assert_uint_eq(pages_owned(&f, 1), 2);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_order_of_eviction_stays)
{
    struct fixture f;
    unsigned       size_class, count, left;

    fixture_init(&f);
    size_class = class_of_size(&f, SMALL);
    count = 6 * a_page_of(&f, SMALL);
    put_numbers(&f, 0, count, SMALL);
    for (unsigned i = 0; i < 6; i++)
        move_page(&f, size_class, CACHE_POOL), put_number(&f, count + i, SMALL);
    ck_assert(cache_memory_set_limit(f.cache, 4 * MIB));
    move_all(&f);
    left = count_numbers(&f, 0, count, SMALL);
    ck_assert_uint_gt(left, 0);
    ck_assert_uint_eq(count_numbers(&f, count - left, count, SMALL), left);
    fixture_fini(&f);
}
END_TEST

/* ---- without being asked --------------------------------------------------------- */

/* Ask for values of this size, some more often than others, and store what is missing; how
 * many of a thousand were there at the end. */
static unsigned
load(struct fixture *f, struct dice *dice, unsigned keys, size_t length, unsigned rounds,
     enum cache_automove_mode mode)
{
    const struct cache_automove how = { .mode = mode, .ratio = 0.8 };
    unsigned                    there = 0;

    for (unsigned round = 0; round < rounds; round++) {
        there = 0;
        for (unsigned i = 0; i < 1000; i++) {
            unsigned number =
                (unsigned)(dice_roll(dice, keys) * dice_roll(dice, keys) / keys);

            if (peek(f, name_of(number + (unsigned)length * 100000)) == CACHE_OK)
                there++;
            else
                put_number(f, number + (unsigned)length * 100000, length);
        }
        advance_ticks(f, 1);
        cache_balance(f->thread, &how);
        move_all(f);
    }
    return there;
}

static void
follow_a_shift(enum cache_automove_mode mode, unsigned *before, unsigned *after,
               uint32_t *pages)
{
    struct fixture f;
    struct dice    dice = { 5 };

    fixture_init(&f);
    *before = load(&f, &dice, 40000, SMALL, 300, mode);
    *after = load(&f, &dice, 4000, 2000, 500, mode);
    *pages = pages_owned(&f, class_of_size(&f, 2000));
    fixture_fini(&f);
}

START_TEST(memory_follows_a_shift_of_sizes)
{
    unsigned before, after;
    uint32_t pages;

    follow_a_shift(CACHE_AUTOMOVE_SURE, &before, &after, &pages);
    ck_assert_uint_gt(before, 850);
    ck_assert_uint_gt(after, 850);
    ck_assert_uint_ge(pages, 7);
    follow_a_shift(CACHE_AUTOMOVE_EAGER, &before, &after, &pages);
    ck_assert_uint_ge(pages, 7);
}
END_TEST

START_TEST(memory_stays_where_it_is_if_so_told)
{
    unsigned before, after;
    uint32_t pages;

    follow_a_shift(CACHE_AUTOMOVE_NEVER, &before, &after, &pages);
    ck_assert_uint_lt(after, 600);
    ck_assert_uint_eq(pages, 1);
}
END_TEST

START_TEST(a_class_with_much_free_memory_gives_it_to_the_pool)
{
    struct fixture              f;
    const struct cache_automove how = { .mode = CACHE_AUTOMOVE_SURE, .ratio = 0.8 };
    unsigned                    count;

    fixture_init(&f);
    count = 8 * a_page_of(&f, SMALL);
    put_numbers(&f, 0, count, SMALL);
    for (unsigned number = 0; number < count; number += 2)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    for (unsigned i = 0; i < 10; i++) {
        cache_balance(f.thread, &how);
        move_all(&f);
    }
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), 1); /* then memory is not full */
    ck_assert_uint_eq(count_numbers(&f, 0, count, SMALL), count / 2);
    fixture_fini(&f);
}
END_TEST

/* A look, and what becomes of a page that is to move then. */
static enum cache_move_state
look_and_move(struct fixture *f)
{
    const struct cache_automove how = { .mode = CACHE_AUTOMOVE_SURE, .ratio = 0.8 };
    enum cache_move_state       state;

    cache_balance(f->thread, &how);
    while ((state = cache_move_step(f->thread)) == CACHE_MOVE_MORE)
        continue;
    return state;
}

/* Of a class whose items have gone there is always memory for another one before that has
 * to evict, and at no cost: nothing is copied. */
START_TEST(what_nobody_uses_any_more_is_there_for_others)
{
    struct fixture f;
    unsigned       count, a_page;

    fixture_init_with(&f, fixture_config(32 * MIB));
    a_page = a_page_of(&f, SMALL);
    count = 31 * a_page_of(&f, LARGE);
    put_numbers(&f, 0, count, LARGE);
    for (unsigned number = 0; number < count; number++)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    for (unsigned page = 0; page < 26; page++) {
        while (look_and_move(&f) == CACHE_MOVE_FREE)
            continue;
        ck_assert(cache_has_spare(f.cache));
        put_numbers(&f, count + page * a_page, count + (page + 1) * a_page, SMALL);
    }
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    ck_assert_uint_eq(counters_of(&f).items_rescued, 0);
    fixture_fini(&f);
}
END_TEST

/* Values of which each so manyth is still read by somebody when all have been deleted. */
enum { READ_VALUES = 200, READ_PAGES = 26 };

static unsigned
begin_reading(struct fixture *f, unsigned each,
              struct cache_reading readings[READ_VALUES])
{
    unsigned count = 0;

    put_numbers(f, 0, READ_VALUES, LARGE);
    for (unsigned number = 0; number < READ_VALUES; number += each)
        readings[count++] = pin_number(f, number);
    for (unsigned number = 0; number < READ_VALUES; number++)
        ck_assert_int_eq(drop(f, name_of(number)), CACHE_OK);
    put_numbers(f, READ_VALUES, READ_VALUES + 7 * a_page_of(f, SMALL), SMALL);
    return count;
}

static void
end_reading(struct fixture *f, unsigned count, struct cache_reading *readings)
{
    for (unsigned i = 0; i < count; i++)
        cache_read_end(f->thread, &readings[i]);
}

START_TEST(pages_that_somebody_reads_are_not_waited_for_where_others_are_free)
{
    struct fixture        f;
    struct cache_reading  readings[READ_VALUES];
    enum cache_move_state state;
    unsigned              count, size_class, free_ones = 0;

    fixture_init_with(&f, fixture_config(READ_PAGES * MIB));
    size_class = class_of_size(&f, LARGE);
    count = begin_reading(&f, 3 * a_page_of(&f, LARGE), readings);
    ck_assert_uint_ge(pages_owned(&f, size_class), 20);
    for (unsigned looks = 0, next = 100000; looks < 100; looks++) {
        state = look_and_move(&f);
        ck_assert_int_ne(state, CACHE_MOVE_WAITS);
        free_ones += state == CACHE_MOVE_FREE;
        if (state == CACHE_MOVE_NOTHING) { /* enough: somebody takes it */
            put_numbers(&f, next, next + a_page_of(&f, SMALL), SMALL);
            next += a_page_of(&f, SMALL);
        }
    }
    ck_assert_uint_ge(free_ones, 10);
    cache_check(f.cache, false);
    end_reading(&f, count, readings);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_class_all_of_whose_pages_are_read_is_left_alone_for_a_look)
{
    struct fixture       f;
    struct cache_reading readings[READ_VALUES];
    unsigned             count, size_class, owned;

    fixture_init_with(&f, fixture_config(READ_PAGES * MIB));
    size_class = class_of_size(&f, LARGE);
    count = begin_reading(&f, a_page_of(&f, LARGE), readings);
    owned = pages_owned(&f, size_class);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(look_and_move(&f), CACHE_MOVE_FAILED);
        ck_assert_int_eq(look_and_move(&f), CACHE_MOVE_NOTHING);
    }
    ck_assert_uint_eq(pages_owned(&f, size_class), owned);
    end_reading(&f, count, readings);
    ck_assert_int_eq(look_and_move(&f), CACHE_MOVE_FREE);
    fixture_fini(&f);
}
END_TEST

/* What is free here and there is gathered only as far as somebody may need it soon. */
START_TEST(what_is_free_here_and_there_is_gathered_for_a_sixteenth)
{
    enum { PAGES = 64 };
    struct fixture              f;
    const struct cache_automove how = { .mode = CACHE_AUTOMOVE_SURE, .ratio = 0.8 };
    unsigned                    count;

    fixture_init_with(&f, fixture_config(PAGES * MIB));
    count = PAGES * a_page_of(&f, 2000);
    put_numbers(&f, 0, count, 2000);
    for (unsigned number = 0; number < count; number += 3)
        ck_assert_int_eq(drop(&f, name_of(number)), CACHE_OK);
    for (unsigned i = 0; i < PAGES; i++) {
        cache_balance(f.thread, &how);
        move_all(&f);
    }
    ck_assert_uint_eq(cache_pages_in_pool(f.cache), PAGES / 16 + 1);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

/* ---- threads --------------------------------------------------------------------- */

static const size_t lengths[] = { 10,    100,   300,   1000,   3000,  9000,
                                  50000, 65535, 65536, 200000, 600000 };

/* A thread that stores, reads and deletes values that it can recognise. */
struct client {
    struct fixture *f;
    struct dice     dice;
    _Atomic bool   *stopping;
    pthread_t       thread;
};

static void
check_one(struct cache_thread *thread, const struct cache_key *key, unsigned number)
{
    struct cache_reading reading;

    if (cache_read(thread, key, &reading) != CACHE_OK)
        return;
    quick_assert(reading_is(&reading, number * 1000003 + reading.value_length));
    cache_read_end(thread, &reading);
}

static void
store_one(struct cache_thread *thread, const struct cache_key *key, unsigned number,
          size_t length)
{
    struct cache_store  store = { .mode = CACHE_SET, .key = *key };
    struct cache_result result;
    char               *value = malloc(length + 8);

    pattern_fill(value, length, number * 1000003 + length);
    quick_assert(cache_store(thread, &store, (struct span){ value, length }, &result) !=
                 CACHE_TOO_LARGE);
    free(value);
}

static void *
be_client(void *arg)
{
    struct client       *client = arg;
    struct cache_thread *thread = cache_thread_create(client->f->cache);

    while (!atomic_load(client->stopping)) {
        unsigned         number = (unsigned)dice_roll(&client->dice, 4000);
        char             name[16];
        struct cache_key key;

        snprintf(name, sizeof(name), "c%u", number);
        key = cache_key(client->f->cache, text_span(name));
        if (dice_roll(&client->dice, 2) == 0) {
            store_one(thread, &key, number,
                      lengths[dice_roll(&client->dice, LENGTH(lengths))]);
        } else if (dice_roll(&client->dice, 20) == 0) {
            struct cache_drop_how plainly = { 0 };
            struct cache_result   result;

            cache_drop(thread, &key, &plainly, &result);
        } else {
            check_one(thread, &key, number);
        }
    }
    cache_thread_destroy(&thread);
    return NULL;
}

static const size_t chunks_under_load[] = { CHUNK, GAP_CHUNK };

START_TEST(pages_move_under_load)
{
    struct fixture      f;
    struct dice         dice = { 7 };
    _Atomic bool        stopping = false;
    struct client       clients[3];
    struct cache_config config = fixture_config(24 * MIB);

    config.chunk_bytes_max = chunks_under_load[_i];
    fixture_init_with(&f, config);
    for (unsigned i = 0; i < LENGTH(clients); i++) {
        clients[i] = (struct client){ &f, { i }, &stopping, 0 };
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, be_client, &clients[i]),
                         0);
    }
    for (unsigned moves = 0, steps = 0; moves < 300 && steps < STEPS_MOST; steps++) {
        unsigned to = class_of_size(&f, lengths[dice_roll(&dice, LENGTH(lengths))]);

        if (dice_roll(&dice, 50) == 0)
            cache_memory_set_limit(f.cache, (16 + dice_roll(&dice, 9)) * MIB);
        if (dice_roll(&dice, 4) == 0)
            to = CACHE_POOL;
        moves += cache_move_ask(f.cache, CACHE_ANY_CLASS, to) == CACHE_MOVE_OK;
        if (cache_move_step(f.thread) != CACHE_MOVE_MORE)
            sched_yield();
    }
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < LENGTH(clients); i++)
        pthread_join(clients[i].thread, NULL);
    move_all(&f);
    ck_assert_uint_gt(counters_of(&f).pages_moved, 100);
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/mover");
    TCase *tcase = fixture_case_of_one(suite, "mover");

    tcase_add_test(tcase, a_page_with_room_elsewhere_goes_and_no_item_is_lost);
    tcase_add_test(tcase, a_full_class_loses_its_coldest_items_and_not_those_on_the_page);
    tcase_add_test(tcase, a_page_goes_round_through_classes);
    tcase_add_test(tcase, an_item_takes_all_that_it_has_along);
    tcase_add_test(tcase, dead_items_are_dropped_and_not_moved);
    tcase_add_test(tcase, the_order_of_eviction_stays);
    tcase = fixture_case_of_one(suite, "in use");
    tcase_add_test(tcase, a_pinned_item_stays_and_another_page_goes);
    tcase_add_test(tcase,
                   where_everything_is_in_use_the_mover_gives_up_and_nothing_changes);
    tcase_add_test(tcase, what_a_client_asks_for_comes_before_what_the_limit_demands);
    tcase_add_test(tcase, a_pinned_item_that_is_deleted_meanwhile_lets_the_page_go);
    tcase_add_test(tcase,
                   a_value_that_is_arriving_is_waited_for_and_then_the_page_is_given_up);
    tcase_add_test(tcase, what_another_thread_keeps_comes_back_although_it_does_nothing);
    tcase = fixture_case_of_one(suite, "chains");
    tcase_add_test(tcase, the_pieces_of_a_chain_move_one_by_one);
    tcase_add_test(tcase, pieces_behind_a_gap_move_one_by_one);
    tcase_add_test(tcase, values_around_the_border_of_the_gap_move_and_are_read);
    tcase_add_test(tcase, the_head_of_a_chain_moves_and_its_pieces_follow);
    tcase_add_test(tcase, a_chain_that_is_read_stays_where_it_is);
    tcase_add_test(tcase, chains_make_room_where_the_limit_is_lowered);
    tcase_add_test(tcase,
                   a_value_larger_than_what_its_class_has_is_stored_once_pages_have_come);
    tcase_add_test(tcase, pages_that_came_for_a_value_nobody_sends_again_go_back);
    tcase = fixture_case_of_one(suite, "limit");
    tcase_add_test(tcase, a_lower_limit_is_met_and_the_warmest_items_stay);
    tcase_add_test(tcase, a_lower_limit_takes_from_the_pool_first);
    tcase_add_test(tcase,
                   what_is_granted_far_beyond_the_limit_is_paid_for_by_the_richest);
    tcase_add_test(tcase,
                   where_nothing_is_evicted_the_limit_is_met_only_as_far_as_items_fit);
    tcase = fixture_case_of_one(suite, "asking");
    tcase_add_test(tcase, what_cannot_be_is_refused);
    tcase = fixture_case_of_one(suite, "without being asked");
    tcase_add_test(tcase, memory_follows_a_shift_of_sizes);
    tcase_add_test(tcase, memory_stays_where_it_is_if_so_told);
    tcase_add_test(tcase, a_class_with_much_free_memory_gives_it_to_the_pool);
    tcase_add_test(tcase, what_nobody_uses_any_more_is_there_for_others);
    tcase_add_test(tcase, what_is_free_here_and_there_is_gathered_for_a_sixteenth);
    tcase_add_test(tcase,
                   pages_that_somebody_reads_are_not_waited_for_where_others_are_free);
    tcase_add_test(tcase, a_class_all_of_whose_pages_are_read_is_left_alone_for_a_look);
    tcase = fixture_case(suite, "threads");
    tcase_add_loop_test(tcase, pages_move_under_load, 0, LENGTH(chunks_under_load));
    return fixture_run(suite);
}
