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

/* ---- segments -------------------------------------------------------------------- */

/* The only class that has items; *class is set to it. */
static unsigned
class_in_use(struct fixture *f, struct cache_class *class)
{
    for (unsigned i = 1; i <= cache_class_count(f->cache); i++) {
        cache_class_show(f->cache, i, class);
        if (class->items > 0)
            return i;
    }
    ck_abort_msg("there are items");
}

static uint64_t
count_in(struct fixture *f, enum cache_segment segment)
{
    struct cache_class class;

    class_in_use(f, &class);
    return class.segment[segment].items;
}

/* Let the background do what it has to do; how many steps that took. */
static unsigned
keep(struct fixture *f)
{
    struct cache_class class;
    unsigned           size_class = class_in_use(f, &class), steps = 0;

    while (cache_upkeep_step(f->thread, size_class))
        steps++;
    cache_check(f->cache, true);
    return steps;
}

static void
put_for(struct fixture *f, const char *name, int64_t expiry)
{
    static char value[VALUE_BYTES];

    ck_assert_int_eq(put_span(f, name, (struct span){ value, VALUE_BYTES }, expiry),
                     CACHE_OK);
}

static void
tune(struct fixture *f, struct cache_lru lru)
{
    cache_set_lru(f->cache, &lru);
}

START_TEST(what_is_new_is_hot_and_grows_cold_unless_it_is_read)
{
    struct fixture f;

    small_init(&f);
    put_number(&f, 1);
    ck_assert_uint_eq(count_in(&f, CACHE_HOT), 1);
    ck_assert_uint_gt(keep(&f), 0);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 1);
    ck_assert_uint_eq(keep(&f), 0);
    for (unsigned i = 2; i < 12; i++)
        put_number(&f, i);
    ck_assert(has_number(&f, 5));
    tune(&f, (struct cache_lru){ true, false, 0, 0, 80, 1, 1 });
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_HOT), 0);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 1);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 10);
    ck_assert_uint_eq(counters_of(&f).moves_to_warm, 1);
    ck_assert_uint_eq(counters_of(&f).moves_to_cold, 11 - 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(no_segment_keeps_more_than_its_share)
{
    struct fixture f;

    small_init(&f);
    for (unsigned i = 0; i < 1000; i++)
        put_number(&f, i);
    for (unsigned i = 0; i < 1000; i++)
        quick_assert(has_number(&f, i));
    ck_assert_uint_gt(keep(&f), 1000 / 64);
    ck_assert_uint_eq(count_in(&f, CACHE_HOT), 100);  /* half of 20 % */
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 800); /* twice 40 % */
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 100);
    tune(&f, (struct cache_lru){ true, false, 0, 40, 5, 0.2, 2 });
    keep(&f);
    ck_assert_uint_le(count_in(&f, CACHE_HOT), 200);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 100);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_cold_always_have_a_share)
{
    struct fixture f;

    small_init(&f);
    tune(&f, (struct cache_lru){ true, false, 0, 0, 80, 0.2, 2 });
    for (unsigned i = 0; i < 1000; i++)
        put_number(&f, i);
    for (unsigned i = 0; i < 1000; i++)
        quick_assert(has_number(&f, i));
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 950);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 50);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_older_than_its_segment_may_be_leaves_it)
{
    struct fixture f;

    small_init(&f);
    tune(&f, (struct cache_lru){ true, false, 0, 79, 1, 0.5, 2 });
    for (unsigned i = 0; i < 10; i++)
        put_number(&f, i);
    advance(&f, 10);
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 10); /* idle for 10 s */
    for (unsigned i = 10; i < 13; i++)
        put_number(&f, i);
    ck_assert_uint_eq(keep(&f), 0);
    advance(&f, 9);
    ck_assert_uint_eq(keep(&f), 0); /* 9 of 19 */
    advance(&f, 2);
    keep(&f); /* 11 of 21 */
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 13);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_scan_of_any_length_leaves_alone_what_was_read_twice)
{
    struct fixture f;
    unsigned       count = 100;

    small_init(&f);
    fill(&f);
    for (unsigned i = 0; i < 100; i++)
        put_number(&f, i);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 100; i++)
            quick_assert(has_number(&f, i));
        for (unsigned i = 0; i < 3000; i++)
            put_number(&f, 10000 + count++);
    }
    for (unsigned i = 0; i < 50000; i++)
        put_number(&f, 10000 + count++);
    for (unsigned i = 0; i < 100; i++)
        quick_assert(has_number(&f, i));
    ck_assert_uint_ge(count_in(&f, CACHE_WARM), 100);
    ck_assert_uint_gt(counters_of(&f).evictions, 50000);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_comes_back_soon_after_its_eviction_is_warm)
{
    struct fixture f;
    unsigned       count;

    small_init(&f);
    count = fill(&f);
    put_number(&f, count + 1000); /* its own chunk is the only free one now */
    ck_assert(!has_number(&f, 0));
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 0);
    put_number(&f, 0);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 1);
    ck_assert_int_eq(drop(&f, name_of(0, (char[32]){ 0 })), CACHE_OK);
    put_number(&f, 0); /* that was no eviction */
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_comes_back_long_after_its_eviction_is_new)
{
    struct fixture f;
    unsigned       count, first;

    small_init(&f);
    count = first = fill(&f);
    for (unsigned i = 0; i < first / 2; i++)
        put_number(&f, count++);
    for (unsigned i = 0; i < 100; i++)
        put_number(&f, i); /* evicted more than a quarter of the class ago */
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 0);
    for (unsigned i = first / 2 - 100; i < first / 2; i++)
        put_number(&f, i);
    ck_assert_uint_gt(count_in(&f, CACHE_WARM), 30);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_written_again_but_not_read_begins_anew)
{
    struct fixture f;

    small_init(&f);
    for (unsigned i = 0; i < 100; i++)
        put_number(&f, i);
    for (unsigned i = 0; i < 10; i++)
        put_number(&f, i); /* they are the oldest */
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_HOT), 10);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 0);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 90);
    ck_assert_uint_eq(counters_of(&f).moves_within_lru, 10);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_item_that_is_overwritten_stays_where_it_is)
{
    struct fixture f;

    small_init(&f);
    for (unsigned i = 0; i < 100; i++)
        put_number(&f, i);
    for (unsigned i = 0; i < 10; i++)
        ck_assert(has_number(&f, i));
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 10);
    for (unsigned i = 0; i < 100; i++)
        put_number(&f, i);
    cache_check(f.cache, true);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 10);
    ck_assert_uint_eq(count_in(&f, CACHE_HOT), 10);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 80);
    fixture_fini(&f);
}
END_TEST

START_TEST(in_flat_mode_everything_comes_to_one_list)
{
    struct fixture f;

    small_init(&f);
    for (unsigned i = 0; i < 300; i++)
        put_number(&f, i);
    for (unsigned i = 0; i < 100; i++)
        quick_assert(has_number(&f, i));
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_WARM), 100);
    tune(&f, (struct cache_lru){ .segmented = false });
    put_number(&f, 300);
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 301);
    put_number(&f, 301);
    ck_assert_uint_eq(count_in(&f, CACHE_COLD), 302);
    fixture_fini(&f);
}
END_TEST

static const struct cache_lru with_temporaries = { true, true, 10, 20, 40, 0.2, 2 };

START_TEST(what_is_to_live_briefly_has_its_own_list_until_it_dies)
{
    struct fixture f;

    small_init(&f);
    tune(&f, with_temporaries);
    put_for(&f, "ten", 10);
    put_for(&f, "eleven", 11);
    put_for(&f, "ever", 0);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 1);
    ck_assert_int_eq(peek(&f, "ten"), CACHE_OK);
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 1);
    advance(&f, 9);
    ck_assert_uint_eq(keep(&f), 0);
    advance(&f, 3);
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 0);
    ck_assert_uint_eq(items_in(&f), 2); /* eleven is dead, but not in the way */
    ck_assert_uint_eq(counters_of(&f).reclaimed, 1);
    ck_assert_uint_eq(counters_of(&f).expired_unfetched, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_to_live_longer_after_all_leaves_the_brief_ones)
{
    struct fixture      f;
    struct cache_result result;
    struct cache_key    key;

    small_init(&f);
    tune(&f, with_temporaries);
    put_for(&f, "a", 10);
    put_for(&f, "b", 10);
    put_for(&f, "c", 10);
    put_for(&f, "d", 10);
    key = key_of(&f, "a");
    ck_assert_int_eq(cache_touch(f.thread, &key, 1000, &result), CACHE_OK);
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 3);
    put_for(&f, "b", 0); /* over the old one, where it lies */
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 2);
    tune(&f, (struct cache_lru){ true, false, 10, 20, 40, 0.2, 2 });
    keep(&f);
    ck_assert_uint_eq(count_in(&f, CACHE_TEMP), 0);
    ck_assert_uint_eq(items_in(&f), 4);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_brief_are_evicted_when_there_is_nothing_else)
{
    struct fixture f;
    char           room[32];
    unsigned       count = 0;

    small_init(&f);
    tune(&f, with_temporaries);
    put_for(&f, "long", 0);
    while (counters_of(&f).evictions == 0)
        put_for(&f, name_of(count++, room), 10);
    ck_assert_int_eq(peek(&f, "long"), CACHE_MISS);
    for (unsigned i = 0; i < 1000; i++)
        put_for(&f, name_of(count++, room), 10);
    ck_assert_uint_ge(counters_of(&f).evictions, 1000);
    ck_assert(!has_number(&f, 0));
    ck_assert(has_number(&f, count - 1));
    fixture_fini(&f);
}
END_TEST

START_TEST(the_dead_brief_go_before_any_live_item)
{
    struct fixture f;
    char           room[32];
    unsigned       count = 0;

    small_init(&f);
    tune(&f, with_temporaries);
    for (; count < 1000; count++)
        put_for(&f, name_of(count, room), 10);
    advance(&f, 11);
    while (counters_of(&f).reclaimed == 0)
        put_for(&f, name_of(count++, room), 0);
    for (unsigned i = 0; i < 900; i++)
        put_for(&f, name_of(count++, room), 0);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_dead_of_all_segments_are_found_without_eviction)
{
    struct cache_config config = fixture_config(MEMORY);
    struct fixture      f;
    char                room[32];
    static char         value[VALUE_BYTES];
    unsigned            count = 0;

    config.evicts = false;
    config.lru = with_temporaries;
    fixture_init_with(&f, config);
    while (put_span(&f, name_of(count, room), (struct span){ value, VALUE_BYTES },
                    count % 2 == 0 ? 10 : 100) == CACHE_OK)
        count++;
    for (unsigned i = 0; i < count; i += 3)
        quick_assert(has_number(&f, i));
    keep(&f);
    for (unsigned i = 0; i < CACHE_SEGMENTS; i++)
        ck_assert_uint_gt(count_in(&f, i), 50);
    advance(&f, 101);
    for (unsigned i = 0; i < count; i++)
        put_number(&f, 100000 + i);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
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

    tcase = fixture_case(suite, "segments");
    tcase_add_test(tcase, what_is_new_is_hot_and_grows_cold_unless_it_is_read);
    tcase_add_test(tcase, no_segment_keeps_more_than_its_share);
    tcase_add_test(tcase, the_cold_always_have_a_share);
    tcase_add_test(tcase, what_comes_back_soon_after_its_eviction_is_warm);
    tcase_add_test(tcase, what_comes_back_long_after_its_eviction_is_new);
    tcase_add_test(tcase, what_is_older_than_its_segment_may_be_leaves_it);
    tcase_add_test(tcase, a_scan_of_any_length_leaves_alone_what_was_read_twice);
    tcase_add_test(tcase, what_is_written_again_but_not_read_begins_anew);
    tcase_add_test(tcase, an_item_that_is_overwritten_stays_where_it_is);
    tcase_add_test(tcase, in_flat_mode_everything_comes_to_one_list);
    tcase_add_test(tcase, what_is_to_live_briefly_has_its_own_list_until_it_dies);
    tcase_add_test(tcase, what_is_to_live_longer_after_all_leaves_the_brief_ones);
    tcase_add_test(tcase, the_brief_are_evicted_when_there_is_nothing_else);
    tcase_add_test(tcase, the_dead_brief_go_before_any_live_item);
    tcase_add_test(tcase, the_dead_of_all_segments_are_found_without_eviction);
    return fixture_run(suite);
}
