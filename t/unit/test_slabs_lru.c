/* t/unit/test_slabs_lru.c - what goes first when memory is needed. */
#include "slabs/cache_priv.h"

#include <stdio.h>

#include "t/unit/fixture.h"

enum { VALUE_BYTES = 1000, MEMORY = 4 * MIB };

/* A cache of one size of values; `count` of them fit. */
static void
small_init(struct fixture *f)
{
    fixture_init_with(f, fixture_config(MEMORY));
}

static const char *
name_of(unsigned number, char room[32])
{
    snprintf(room, 32, "key%08u", number);
    return room;
}

static void
put_number(struct fixture *f, unsigned number)
{
    static char value[VALUE_BYTES];
    char        room[32];

    quick_assert(put_span(f, name_of(number, room), (struct span){ value, VALUE_BYTES },
                          0) == CACHE_OK);
}

static bool
has_number(struct fixture *f, unsigned number)
{
    char room[32];

    return peek(f, name_of(number, room)) == CACHE_OK;
}

/* Put 0, 1, 2, ... until the first one is evicted; how many were put. */
static unsigned
fill(struct fixture *f)
{
    unsigned number = 0;

    while (counters_of(f).evictions == 0)
        put_number(f, number++);
    return number;
}

START_TEST(the_oldest_goes_first_and_the_newest_stay)
{
    struct fixture f;
    unsigned       count;

    small_init(&f);
    count = fill(&f);
    ck_assert(!has_number(&f, 0));
    ck_assert(has_number(&f, count - 1));
    ck_assert(has_number(&f, count / 2));
    fixture_fini(&f);
}
END_TEST

START_TEST(what_was_read_outlives_what_was_not)
{
    struct fixture f;
    unsigned       count;

    small_init(&f);
    count = fill(&f);
    ck_assert(has_number(&f, 100)); /* this reads it */
    for (unsigned i = 0; i < count / 2; i++)
        put_number(&f, count + i);
    ck_assert(has_number(&f, 100));
    ck_assert(!has_number(&f, 101));
    fixture_fini(&f);
}
END_TEST

START_TEST(a_popular_run_longer_than_one_search_outlives_a_scan)
{
    struct fixture f;
    unsigned       count;
    enum { POPULAR = 200 };

    small_init(&f);
    for (unsigned i = 0; i < POPULAR; i++)
        put_number(&f, i);
    count = POPULAR;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < POPULAR; i++)
            ck_assert(has_number(&f, i));
        for (unsigned i = 0; i < 500; i++)
            put_number(&f, count++);
    }
    ck_assert_uint_gt(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(when_everything_is_in_use_something_goes_all_the_same)
{
    struct fixture f;
    unsigned       count;

    small_init(&f);
    count = fill(&f);
    for (unsigned i = 0; i < count; i++)
        has_number(&f, i);
    for (unsigned i = 0; i < count; i++)
        put_number(&f, count + i);
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(dead_items_go_before_live_ones_that_are_colder_do_not)
{
    struct fixture f;
    static char    value[VALUE_BYTES];
    unsigned       count;

    small_init(&f);
    put_span(&f, "dead", (struct span){ value, VALUE_BYTES }, 1);
    ck_assert_int_eq(peek(&f, "dead"), CACHE_OK); /* active, but that does not save it */
    advance(&f, 3);
    count = fill(&f);
    ck_assert_uint_eq(counters_of(&f).reclaimed, 1);
    ck_assert(has_number(&f, count - 1));
    fixture_fini(&f);
}
END_TEST

START_TEST(a_pinned_item_is_not_evicted)
{
    struct fixture       f;
    static char          large[100000];
    struct cache_reading reading;
    struct cache_key     key;
    char                 room[32];

    small_init(&f);
    pattern_fill(large, sizeof(large), 5);
    ck_assert_int_eq(put_span(&f, "pinned", (struct span){ large, sizeof(large) }, 0),
                     CACHE_OK);
    key = key_of(&f, "pinned");
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    ck_assert(reading.pinned);
    for (unsigned i = 0; i < 200; i++)
        put_span(&f, name_of(i, room), (struct span){ large, sizeof(large) - 1 }, 0);
    ck_assert_uint_gt(counters_of(&f).evictions, 0);
    ck_assert(reading_holds(&reading, (struct span){ large, sizeof(large) }));
    cache_check(f.cache, false);
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_eviction_only_the_dead_make_room)
{
    struct cache_config config = fixture_config(MEMORY);
    static char         value[VALUE_BYTES];
    struct fixture      f;
    char                room[32];
    unsigned            count = 0;

    config.evicts = false;
    fixture_init_with(&f, config);
    while (put_span(&f, name_of(count, room), (struct span){ value, VALUE_BYTES }, 10) ==
           CACHE_OK)
        count++;
    ck_assert_uint_gt(count, 1000);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    ck_assert(has_number(&f, 0));
    advance(&f, 11);
    put_number(&f, count);
    ck_assert_uint_gt(counters_of(&f).reclaimed, 0);
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/lru");
    TCase *tcase = fixture_case(suite, "lru");

    tcase_add_test(tcase, the_oldest_goes_first_and_the_newest_stay);
    tcase_add_test(tcase, what_was_read_outlives_what_was_not);
    tcase_add_test(tcase, a_popular_run_longer_than_one_search_outlives_a_scan);
    tcase_add_test(tcase, when_everything_is_in_use_something_goes_all_the_same);
    tcase_add_test(tcase, dead_items_go_before_live_ones_that_are_colder_do_not);
    tcase_add_test(tcase, a_pinned_item_is_not_evicted);
    tcase_add_test(tcase, without_eviction_only_the_dead_make_room);
    return fixture_run(suite);
}
