/* t/unit/test_slabs_evict.c - what happens when memory is full: who has to go, who may
 * not, and what is said when nobody can. */
#include "slabs/cache.h"

#include <stdio.h>

#include "t/unit/fixture.h"

enum { VALUE = 2050, CHUNK = 2160 }; /* and its chunk, about */

/* Store a patterned value of VALUE bytes under a name with a number. */
static enum cache_status
put_numbered(struct fixture *f, const char *prefix, unsigned number)
{
    char name[32], value[VALUE];

    snprintf(name, sizeof(name), "%s%u", prefix, number);
    pattern_fill(value, VALUE, number);
    return put_span(f, name, (struct span){ value, VALUE }, 0);
}

static bool
has_numbered(struct fixture *f, const char *prefix, unsigned number)
{
    struct cache_reading reading;
    struct cache_key     key;
    char                 name[32];
    bool                 same;

    snprintf(name, sizeof(name), "%s%u", prefix, number);
    key = key_of(f, name);
    if (cache_read(f->thread, &key, &reading) != CACHE_OK)
        return false;
    same = pattern_holds(cache_read_value(&reading, 0), number);
    cache_read_end(f->thread, &reading);
    quick_assert(same);
    return true;
}

/* Store 0, 1, ... until nothing more fits; the number that did not. */
static unsigned
fill_up(struct fixture *f, const char *prefix)
{
    unsigned number = 0;

    while (counters_of(f).evictions == 0 && put_numbered(f, prefix, number) == CACHE_OK)
        number++;
    return number;
}

static struct cache_config
without_eviction(void)
{
    struct cache_config config = fixture_config(MIB);

    config.evicts = false;
    return config;
}

/* ---- with evictions -------------------------------------------------------------- */

START_TEST(everything_is_stored_and_the_oldest_go)
{
    struct fixture        f;
    struct cache_counters counters;
    unsigned              room, kept = 0;

    fixture_init_with(&f, fixture_config(MIB));
    room = fill_up(&f, "k");
    ck_assert_uint_ge(room, MIB / CHUNK);
    for (unsigned i = room; i < 5 * room; i++)
        quick_assert(put_numbered(&f, "k", i) == CACHE_OK);
    counters = counters_of(&f);
    ck_assert_uint_eq(items_in(&f), 5 * room - counters.evictions);
    ck_assert_uint_le(items_in(&f), room);
    ck_assert_uint_ge(items_in(&f), room - 16);
    ck_assert_uint_eq(counters.evicted_unfetched, counters.evictions);
    ck_assert_uint_eq(counters.evicted_active, 0);
    ck_assert_uint_eq(counters.reclaimed, 0);
    ck_assert_uint_eq(counters.out_of_memory, 0);
    for (unsigned i = 0; i < 5 * room; i++)
        kept += has_numbered(&f, "k", i);
    ck_assert_uint_eq(kept, items_in(&f));
    for (unsigned i = 4 * room + 16; i < 5 * room; i++)
        quick_assert(has_numbered(&f, "k", i));
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_read_again_and_again_outlives_a_scan)
{
    struct fixture f;

    fixture_init_with(&f, fixture_config(MIB));
    for (unsigned i = 0; i < 50; i++)
        quick_assert(put_numbered(&f, "hot", i) == CACHE_OK);
    for (unsigned i = 0; i < 20 * (MIB / CHUNK); i++) {
        quick_assert(put_numbered(&f, "scan", i) == CACHE_OK);
        if (i % 2 == 0)
            quick_assert(has_numbered(&f, "hot", i / 2 % 50));
    }
    for (unsigned i = 0; i < 50; i++)
        ck_assert(has_numbered(&f, "hot", i));
    ck_assert_uint_gt(counters_of(&f).evictions, 18 * (MIB / CHUNK));
    fixture_fini(&f);
}
END_TEST

START_TEST(an_item_whose_id_a_client_chose_is_not_taken_for_dead)
{
    struct fixture      f;
    struct cache_store  how;
    struct cache_result result;
    char                value[VALUE];

    fixture_init_with(&f, fixture_config(MIB));
    cache_flush(f.thread); /* so that a small id looks like one of an older era */
    how = store_of(&f, CACHE_SET, "popular1");
    how.new_cas = 7;
    pattern_fill(value, VALUE, 1);
    ck_assert_int_eq(cache_store(f.thread, &how, (struct span){ value, VALUE }, &result),
                     CACHE_OK);
    for (unsigned i = 0; i < 20 * (MIB / CHUNK); i++) {
        quick_assert(put_numbered(&f, "scan", i) == CACHE_OK);
        ck_assert(has_numbered(&f, "popular", 1));
    }
    ck_assert_uint_gt(counters_of(&f).evictions, 18 * (MIB / CHUNK));
    fixture_fini(&f);
}
END_TEST

START_TEST(fetched_and_active_victims_are_counted_as_such)
{
    struct fixture        f;
    struct cache_counters counters;
    unsigned              room;

    fixture_init_with(&f, fixture_config(MIB));
    room = fill_up(&f, "k");
    for (unsigned i = 0; i < room; i++)
        has_numbered(&f, "k", i);
    for (unsigned i = 0; i < room / 2; i++) {
        quick_assert(put_numbered(&f, "new", i) == CACHE_OK);
        quick_assert(has_numbered(&f, "new", i));
    }
    counters = counters_of(&f);
    ck_assert_uint_ge(counters.evictions, room / 2 - 16);
    ck_assert_uint_lt(counters.evicted_unfetched, counters.evictions / 2);
    ck_assert_uint_gt(counters.direct_reclaims, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_dead_at_the_tail_go_even_if_they_were_active)
{
    struct fixture        f;
    struct cache_counters counters;

    fixture_init_with(&f, fixture_config(MIB));
    for (unsigned i = 0; i < 200; i++) {
        char name[32], value[VALUE];

        snprintf(name, sizeof(name), "dead%u", i);
        pattern_fill(value, VALUE, i);
        ck_assert_int_eq(put_span(&f, name, (struct span){ value, VALUE }, 1), CACHE_OK);
        quick_assert(has_numbered(&f, "dead", i)); /* active, but that saves no dead */
    }
    for (unsigned i = 200; i < MIB / CHUNK; i++)
        quick_assert(put_numbered(&f, "live", i) == CACHE_OK);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    advance(&f, 2);
    for (unsigned i = 1000; i < 1000 + 190; i++)
        quick_assert(put_numbered(&f, "live", i) == CACHE_OK);
    counters = counters_of(&f);
    ck_assert_uint_ge(counters.reclaimed, 190 - 16);
    ck_assert_uint_eq(counters.evictions, 0);
    for (unsigned i = 200; i < MIB / CHUNK; i++)
        quick_assert(has_numbered(&f, "live", i));
    fixture_fini(&f);
}
END_TEST

START_TEST(what_was_flushed_is_reclaimed_and_not_evicted)
{
    struct fixture        f;
    struct cache_counters before, after;
    unsigned              room;

    fixture_init_with(&f, fixture_config(MIB));
    room = fill_up(&f, "k");
    before = counters_of(&f);
    cache_flush(f.thread);
    for (unsigned i = 0; i < room / 2; i++)
        quick_assert(put_numbered(&f, "new", i) == CACHE_OK);
    after = counters_of(&f);
    ck_assert_uint_eq(after.evictions, before.evictions);
    ck_assert_uint_ge(after.reclaimed, room / 2 - 32);
    fixture_fini(&f);
}
END_TEST

START_TEST(one_class_does_not_evict_from_another)
{
    struct fixture f;
    char           name[16];
    unsigned       small = 0;

    fixture_init_with(&f, fixture_config(2 * MIB));
    for (; small < 1000; small++) {
        snprintf(name, sizeof(name), "s%u", small);
        put(&f, name, "small", 0);
    }
    for (unsigned i = 0; i < 5000; i++)
        quick_assert(put_numbered(&f, "large", i) == CACHE_OK);
    ck_assert_uint_gt(counters_of(&f).evictions, 1000);
    for (unsigned i = 0; i < small; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        quick_assert(peek(&f, name) == CACHE_OK);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_of_any_size_is_stored_however_little_memory_there_is)
{
    struct fixture f;
    char          *value = malloc(MIB);

    fixture_init_with(&f, fixture_config(0));
    for (unsigned round = 0; round < 3; round++) {
        for (size_t length = 0; length < MIB - 100; length = length * 5 / 4 + 1) {
            struct span bytes = { value, length };

            pattern_fill(value, length, length);
            ck_assert_int_eq(put_span(&f, "k", bytes, 0), CACHE_OK);
            assert_value_span(&f, "k", bytes);
        }
    }
    free(value);
    fixture_fini(&f);
}
END_TEST

/* A full cache; one thread stores and deletes the only item of its size, then another
 * thread wants such a chunk. */
static void
check_that_chunks_are_shared(bool evicts)
{
    struct cache_config   config = fixture_config(2 * MIB);
    struct cache_drop_how plainly = { 0 };
    struct fixture        f;
    struct cache_thread  *other;
    static char           value[700000];

    config.evicts = evicts;
    fixture_init_with(&f, config);
    other = cache_thread_create(f.cache);
    fill_up(&f, "k");
    for (size_t length = 3000; length < sizeof(value); length *= 2) {
        struct cache_store   how = store_of(&f, CACHE_SET, "large");
        struct cache_result  result;
        struct cache_thread *threads[] = { f.thread, other };

        for (unsigned i = 0; i < 8; i++) {
            struct cache_thread *thread = threads[i % 2];

            ck_assert_int_eq(
                cache_store(thread, &how, (struct span){ value, length }, &result),
                CACHE_OK);
            ck_assert_int_eq(cache_drop(thread, &how.key, &plainly, &result), CACHE_OK);
        }
    }
    cache_thread_destroy(&other);
    fixture_fini(&f);
}

START_TEST(what_one_thread_frees_another_can_have)
{
    check_that_chunks_are_shared(true);
    check_that_chunks_are_shared(false);
}
END_TEST

START_TEST(an_append_that_evicts_does_not_evict_its_own_item_unseen)
{
    struct fixture f;
    char           value[VALUE];
    unsigned       lost = 0;

    fixture_init_with(&f, fixture_config(MIB));
    pattern_fill(value, VALUE, 1);
    for (unsigned round = 0; round < 200; round++) {
        struct cache_store  store = store_of(&f, CACHE_APPEND, "k");
        struct cache_result result;
        enum cache_status   status;

        put_span(&f, "k", (struct span){ value, VALUE / 2 }, 0);
        for (unsigned i = 0; i < 20; i++)
            quick_assert(put_numbered(&f, "other", 20 * round + i) == CACHE_OK);
        status = cache_store(f.thread, &store,
                             (struct span){ value + VALUE / 2, VALUE / 2 }, &result);
        quick_assert(status == CACHE_OK || status == CACHE_NOT_STORED);
        if (status == CACHE_OK)
            assert_value_span(&f, "k", (struct span){ value, VALUE });
        else
            quick_assert(peek(&f, "k") == CACHE_MISS);
        lost += status != CACHE_OK;
    }
    ck_assert_uint_gt(counters_of(&f).evictions, 1000);
    ck_assert_uint_le(lost, counters_of(&f).evictions);
    fixture_fini(&f);
}
END_TEST

/* ---- pins ------------------------------------------------------------------------ */

enum { LARGE = 100000, PINS = 16 };

/* Fill the one page that a class has with pinned items. */
static unsigned
pin_a_page(struct fixture *f, struct cache_reading readings[PINS])
{
    char    *value = malloc(LARGE);
    unsigned count = 0;

    for (; counters_of(f).out_of_memory == 0; count++) {
        struct cache_key key;
        char             name[16];

        snprintf(name, sizeof(name), "pin%u", count);
        key = key_of(f, name);
        pattern_fill(value, LARGE, count);
        if (put_span(f, name, (struct span){ value, LARGE }, 0) != CACHE_OK)
            break;
        quick_assert(count < PINS);
        quick_assert(cache_read(f->thread, &key, &readings[count]) == CACHE_OK);
    }
    free(value);
    return count;
}

START_TEST(when_all_is_pinned_there_is_no_memory_until_a_pin_goes)
{
    struct fixture       f;
    struct cache_reading readings[PINS];
    char                *value = malloc(LARGE);
    unsigned             count;

    fixture_init_with(&f, fixture_config(MIB));
    count = pin_a_page(&f, readings);
    ck_assert_uint_ge(count, 2);
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 1);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    pattern_fill(value, LARGE, 100);
    ck_assert_int_eq(put_span(&f, "pin0", (struct span){ value, LARGE }, 0),
                     CACHE_NO_MEMORY); /* what is there stays as it is */
    for (unsigned i = 0; i < count; i++)
        ck_assert(pattern_holds(cache_read_value(&readings[i], 0), i));
    cache_read_end(f.thread, &readings[1]);
    ck_assert_int_eq(put_span(&f, "new", (struct span){ value, LARGE }, 0), CACHE_OK);
    ck_assert_int_eq(peek(&f, "pin1"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "pin0"), CACHE_OK);
    ck_assert_uint_eq(counters_of(&f).evictions, 1);
    for (unsigned i = 0; i < count; i++)
        cache_read_end(f.thread, &readings[i]);
    free(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_chunk_of_a_deleted_item_is_free_when_its_last_pin_goes)
{
    struct fixture       f;
    struct cache_reading readings[PINS], again;
    struct cache_key     key;
    char                *value = malloc(LARGE);
    struct span          bytes = { value, LARGE };
    unsigned             count;

    fixture_init_with(&f, fixture_config(MIB));
    count = pin_a_page(&f, readings);
    pattern_fill(value, LARGE, 100);
    key = key_of(&f, "pin0");
    ck_assert_int_eq(cache_read(f.thread, &key, &again), CACHE_OK);
    ck_assert_int_eq(drop(&f, "pin0"), CACHE_OK);
    ck_assert_int_eq(put_span(&f, "new", bytes, 0), CACHE_NO_MEMORY);
    cache_read_end(f.thread, &readings[0]);
    ck_assert_int_eq(put_span(&f, "new", bytes, 0), CACHE_NO_MEMORY);
    ck_assert(pattern_holds(cache_read_value(&again, 0), 0));
    cache_read_end(f.thread, &again);
    ck_assert_int_eq(put_span(&f, "new", bytes, 0), CACHE_OK);
    for (unsigned i = 1; i < count; i++)
        cache_read_end(f.thread, &readings[i]);
    free(value);
    fixture_fini(&f);
}
END_TEST

/* ---- without evictions ----------------------------------------------------------- */

START_TEST(without_eviction_a_full_cache_keeps_what_it_has)
{
    struct fixture f;
    unsigned       room;

    fixture_init_with(&f, without_eviction());
    room = fill_up(&f, "k");
    ck_assert_uint_ge(room, MIB / CHUNK);
    ck_assert_int_eq(put_numbered(&f, "new", 1), CACHE_NO_MEMORY);
    ck_assert_uint_ge(counters_of(&f).out_of_memory, 2);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    for (unsigned i = 0; i < room; i++)
        quick_assert(has_numbered(&f, "k", i));
    ck_assert_uint_eq(items_in(&f), room);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_eviction_a_delete_makes_room_for_one)
{
    struct fixture f;

    fixture_init_with(&f, without_eviction());
    fill_up(&f, "k");
    ck_assert_int_eq(drop(&f, "k3"), CACHE_OK);
    ck_assert_int_eq(put_numbered(&f, "new", 1), CACHE_OK);
    ck_assert_int_eq(put_numbered(&f, "new", 2), CACHE_NO_MEMORY);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_eviction_the_dead_still_make_room)
{
    struct fixture f;
    unsigned       room, stored = 0;

    fixture_init_with(&f, without_eviction());
    put(&f, "k0", "v", 0);
    room = fill_up(&f, "k");
    ck_assert_int_eq(put_numbered(&f, "new", 0), CACHE_NO_MEMORY);
    for (unsigned i = 0; i < room; i += 3) {
        struct cache_result result;
        struct cache_key    key;
        char                name[32];

        snprintf(name, sizeof(name), "k%u", i);
        key = key_of(&f, name);
        ck_assert_int_eq(cache_touch(f.thread, &key, 1, &result), CACHE_OK);
    }
    advance(&f, 2);
    while (put_numbered(&f, "new", stored) == CACHE_OK)
        stored++;
    ck_assert_uint_eq(stored, (room + 2) / 3);
    for (unsigned i = 0; i < room; i++)
        quick_assert(has_numbered(&f, "k", i) == (i % 3 != 0));
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    ck_assert_uint_eq(counters_of(&f).reclaimed, stored);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_eviction_a_flush_makes_room_for_all)
{
    struct fixture f;
    unsigned       room;

    fixture_init_with(&f, without_eviction());
    room = fill_up(&f, "k");
    cache_flush(f.thread);
    for (unsigned i = 0; i < room; i++)
        quick_assert(put_numbered(&f, "new", i) == CACHE_OK);
    ck_assert_int_eq(put_numbered(&f, "new", room), CACHE_NO_MEMORY);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    fixture_fini(&f);
}
END_TEST

/* The answer must not depend on how a value arrives. */
START_TEST(without_eviction_a_store_and_an_upload_are_refused_alike)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;
    unsigned            room;

    fixture_init_with(&f, without_eviction());
    room = fill_up(&f, "k");
    store = store_of(&f, CACHE_SET, "k1");
    ck_assert_int_eq(put_numbered(&f, "k", 1), CACHE_NO_MEMORY);
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, VALUE, &upload),
                     CACHE_NO_MEMORY);
    ck_assert(has_numbered(&f, "k", 1));
    ck_assert_uint_eq(items_in(&f), room);
    fixture_fini(&f);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/evict");
    TCase *evicting = fixture_case(suite, "evicting");
    TCase *pins = fixture_case(suite, "pins");
    TCase *keeping = fixture_case(suite, "without eviction");

    tcase_add_test(evicting, everything_is_stored_and_the_oldest_go);
    tcase_add_test(evicting, what_is_read_again_and_again_outlives_a_scan);
    tcase_add_test(evicting, an_item_whose_id_a_client_chose_is_not_taken_for_dead);
    tcase_add_test(evicting, fetched_and_active_victims_are_counted_as_such);
    tcase_add_test(evicting, the_dead_at_the_tail_go_even_if_they_were_active);
    tcase_add_test(evicting, what_was_flushed_is_reclaimed_and_not_evicted);
    tcase_add_test(evicting, one_class_does_not_evict_from_another);
    tcase_add_test(evicting,
                   a_value_of_any_size_is_stored_however_little_memory_there_is);
    tcase_add_test(evicting, what_one_thread_frees_another_can_have);
    tcase_add_test(evicting, an_append_that_evicts_does_not_evict_its_own_item_unseen);

    tcase_add_test(pins, when_all_is_pinned_there_is_no_memory_until_a_pin_goes);
    tcase_add_test(pins, the_chunk_of_a_deleted_item_is_free_when_its_last_pin_goes);

    tcase_add_test(keeping, without_eviction_a_full_cache_keeps_what_it_has);
    tcase_add_test(keeping, without_eviction_a_delete_makes_room_for_one);
    tcase_add_test(keeping, without_eviction_the_dead_still_make_room);
    tcase_add_test(keeping, without_eviction_a_flush_makes_room_for_all);
    tcase_add_test(keeping, without_eviction_a_store_and_an_upload_are_refused_alike);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
