/* t/unit/test_slabs_expiry.c - the end of items: by time, and by flushes. */
#include <stdio.h>

#include "slabs/cache_priv.h"
#include "t/unit/fixture.h"

static enum cache_status
touch(struct fixture *f, const char *name, int64_t expiry)
{
    struct cache_key    key = key_of(f, name);
    struct cache_result result;

    return cache_touch(f->thread, &key, expiry, &result);
}

/* Read and touch; the value is compared when it is there. */
static enum cache_status
get_and_touch(struct fixture *f, const char *name, int64_t expiry, const char *value)
{
    const struct cache_read_how how = { .touches = true, .expiry = expiry };
    struct cache_key            key = key_of(f, name);
    struct cache_reading        reading;
    enum cache_status           status = cache_read_as(f->thread, &key, &how, &reading);

    if (status == CACHE_OK) {
        ck_assert(reading_holds(&reading, text_span(value)));
        cache_read_end(f->thread, &reading);
    }
    return status;
}

/* ---- expiry ---------------------------------------------------------------------- */

START_TEST(a_ttl_of_five_lives_at_five_and_is_gone_a_quarter_later)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 5);
    advance(&f, 4);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    advance(&f, 1);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    advance_ticks(&f, CLOCK_HZ / 4);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_expired_item_stays_in_memory_until_somebody_meets_it)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "read", "v", 1);
    put(&f, "unread", "v", 1);
    ck_assert_int_eq(peek(&f, "read"), CACHE_OK);
    advance(&f, 2);
    ck_assert_uint_eq(items_in(&f), 2);
    ck_assert_int_eq(peek(&f, "read"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "unread"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "unread"), CACHE_MISS); /* now it is a plain miss */
    ck_assert_uint_eq(items_in(&f), 0);
    ck_assert_uint_eq(counters_of(&f).expired_found, 2);
    ck_assert_uint_eq(counters_of(&f).expired_unfetched, 1);
    ck_assert_uint_eq(counters_of(&f).flushed_found, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(negative_and_passed_times_are_stored_and_never_seen)
{
    static const int64_t times[] = { -1, INT32_MIN, TEST_UNIX_S - 1000, TEST_UNIX_S };
    struct fixture       f;

    fixture_init(&f);
    for (size_t i = 0; i < LENGTH(times); i++) {
        put(&f, "k", "v", times[i]);
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
        ck_assert_int_eq(drop(&f, "k"), CACHE_MISS);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(a_unix_time_ends_an_item_when_it_comes)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", TEST_UNIX_S + 100);
    advance(&f, 99);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    advance(&f, 1);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(zero_lives_for_ever)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 0);
    clock_set(&f.clock, UINT32_MAX);
    cache_tick(f.thread);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(touch_gives_a_new_end_and_keeps_id_and_value)
{
    struct fixture f;
    uint64_t       id;

    fixture_init(&f);
    ck_assert_int_eq(touch(&f, "k", 10), CACHE_MISS);
    put(&f, "k", "v", 2);
    id = cas_of(&f, "k");
    ck_assert_int_eq(touch(&f, "k", 10), CACHE_OK);
    advance(&f, 9);
    assert_value(&f, "k", "v");
    ck_assert_uint_eq(cas_of(&f, "k"), id);
    ck_assert_int_eq(touch(&f, "k", 0), CACHE_OK);
    advance(&f, 100000);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    ck_assert_int_eq(touch(&f, "k", -1), CACHE_OK);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    ck_assert_int_eq(touch(&f, "k", 0), CACHE_MISS); /* what is gone stays so */
    fixture_fini(&f);
}
END_TEST

START_TEST(reading_and_touching_returns_the_value_even_of_what_ends_by_it)
{
    struct fixture f;

    fixture_init(&f);
    ck_assert_int_eq(get_and_touch(&f, "k", 10, "v"), CACHE_MISS);
    put(&f, "k", "v", 2);
    ck_assert_int_eq(get_and_touch(&f, "k", 10, "v"), CACHE_OK);
    advance(&f, 9);
    ck_assert_int_eq(get_and_touch(&f, "k", 0, "v"), CACHE_OK);
    advance(&f, 9);
    ck_assert_int_eq(get_and_touch(&f, "k", -1, "v"), CACHE_OK);
    ck_assert_int_eq(get_and_touch(&f, "k", 10, "v"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_store_sets_the_end_anew)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 2);
    put(&f, "k", "w", 0);
    advance(&f, 100);
    assert_value(&f, "k", "w");
    put(&f, "k", "x", 2);
    advance(&f, 3);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

/* ---- flushes --------------------------------------------------------------------- */

START_TEST(a_flush_takes_everything_before_it_and_nothing_after)
{
    struct fixture f;
    char           name[16];

    fixture_init(&f);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "before%u", i);
        put(&f, name, "v", 0);
    }
    put(&f, "again", "before", 0);
    cache_flush(f.thread);
    put(&f, "again", "after", 0); /* at the same tick */
    put(&f, "after", "v", 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "before%u", i);
        quick_assert(peek(&f, name) == CACHE_MISS);
    }
    assert_value(&f, "again", "after");
    assert_value(&f, "after", "v");
    ck_assert_uint_eq(items_in(&f), 2);
    ck_assert_uint_eq(counters_of(&f).flushed_found, 1001);
    ck_assert_uint_eq(counters_of(&f).expired_found, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(flushes_may_follow_one_another)
{
    struct fixture f;

    fixture_init(&f);
    cache_flush(f.thread);
    cache_flush(f.thread);
    put(&f, "k", "1", 0);
    assert_value(&f, "k", "1");
    cache_flush(f.thread);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    put(&f, "k", "2", 0);
    assert_value(&f, "k", "2");
    fixture_fini(&f);
}
END_TEST

START_TEST(an_id_that_a_client_chose_saves_no_item_and_dooms_none)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_result result;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    store.new_cas = UINT64_MAX;
    ck_assert_int_eq(cache_store(f.thread, &store, SPAN("high"), &result), CACHE_OK);
    cache_flush(f.thread);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    store.new_cas = 1;
    ck_assert_int_eq(cache_store(f.thread, &store, SPAN("low"), &result), CACHE_OK);
    assert_value(&f, "k", "low");
    ck_assert_uint_eq(cas_of(&f, "k"), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_to_come_takes_what_was_stored_until_then)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "before", "v", 0);
    cache_flush_later(f.thread, 3);
    put(&f, "meanwhile", "v", 0);
    advance_ticks(&f, 3 * CLOCK_HZ - 1);
    ck_assert_int_eq(peek(&f, "before"), CACHE_OK);
    ck_assert_int_eq(peek(&f, "meanwhile"), CACHE_OK);
    advance_ticks(&f, 1);
    ck_assert_int_eq(peek(&f, "before"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "meanwhile"), CACHE_MISS);
    put(&f, "after", "v", 0);
    advance(&f, 100);
    ck_assert_int_eq(peek(&f, "after"), CACHE_OK); /* it happens once */
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_to_come_may_be_told_as_unix_time)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 0);
    cache_flush_later(f.thread, TEST_UNIX_S + 50);
    advance_ticks(&f, 50 * CLOCK_HZ - 1);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    advance_ticks(&f, 1);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(of_flushes_to_come_only_the_latest_counts)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 0);
    cache_flush_later(f.thread, 3);
    cache_flush_later(f.thread, 100);
    advance(&f, 50);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    cache_flush_later(f.thread, 10);
    advance(&f, 10);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    put(&f, "k", "v", 0);
    advance(&f, 100);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_time_of_zero_or_less_means_now_and_replaces_what_was_to_come)
{
    static const int64_t times[] = { 0, -1, INT32_MIN };
    struct fixture       f;

    fixture_init(&f);
    for (size_t i = 0; i < LENGTH(times); i++) {
        put(&f, "k", "v", 0);
        cache_flush_later(f.thread, 10);
        cache_flush_later(f.thread, times[i]);
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
        put(&f, "k", "v", 0);
        advance(&f, 20);
        ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(a_unix_time_that_has_passed_only_takes_back_what_was_to_come)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "v", 0);
    cache_flush_later(f.thread, 10);
    cache_flush_later(f.thread, TEST_UNIX_S - 100);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    advance(&f, 20);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_unix_time_that_has_passed_since_the_start_flushes_now)
{
    struct fixture f;

    fixture_init(&f);
    advance(&f, 100);
    for (int64_t ago = 0; ago < 100; ago += 33) {
        put(&f, "k", "v", 0);
        cache_flush_later(f.thread, 10);
        cache_flush_later(f.thread, clock_unix_s(&f.clock) - ago);
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
        put(&f, "k", "v", 0);
        advance(&f, 20);
        ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(what_began_before_a_flush_does_not_survive_it)
{
    struct fixture   f;
    struct cache_key key;
    struct stripe   *stripe;
    struct item     *item;

    fixture_init(&f);
    key = key_of(&f, "k");
    put(&f, "k", "v", 0);
    /* The middle of an append, or of an incr. */
    stripe = table_stripe(&f.cache->table, key.hash);
    lock_take(&stripe->lock);
    item = item_find_live_locked(f.thread, &key);
    ck_assert_ptr_nonnull(item);
    cache_flush(f.thread);
    item_stamp_locked(f.cache, key.hash, item, 0);
    lock_drop(&stripe->lock);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    put(&f, "k", "v", 0);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_now_takes_back_what_was_to_come)
{
    struct fixture f;

    fixture_init(&f);
    cache_flush_later(f.thread, 10);
    cache_flush(f.thread);
    put(&f, "k", "v", 0);
    advance(&f, 20);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

/* ---- the last era ---------------------------------------------------------------- */

static void
flush_in_a_second(struct fixture *f)
{
    cache_flush_later(f->thread, 1);
    advance(f, 1);
}

START_TEST(at_the_last_era_a_flush_walks)
{
    struct fixture f;
    char           name[16];

    fixture_init(&f);
    atomic_store(&f.cache->era, UINT32_MAX - 1);
    put(&f, "before", "v", 0);
    cache_flush(f.thread); /* the last era begins */
    ck_assert_int_eq(peek(&f, "before"), CACHE_MISS);
    ck_assert_uint_eq(atomic_load(&f.cache->era), UINT32_MAX);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5000; i++) {
            snprintf(name, sizeof(name), "k%u", i);
            put(&f, name, "v", 0);
        }
        ck_assert_uint_eq(items_in(&f), 5000);
        if (round < 2)
            cache_flush(f.thread);
        else
            flush_in_a_second(&f);
        ck_assert_uint_eq(items_in(&f), 0);
        ck_assert_int_eq(peek(&f, "k1"), CACHE_MISS);
    }
    put(&f, "after", "v", 0);
    ck_assert_int_eq(peek(&f, "after"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_that_walks_spares_pinned_readers)
{
    struct fixture       f;
    struct cache_reading reading;
    struct cache_key     key;
    char                 value[10000];

    fixture_init(&f);
    key = key_of(&f, "k");
    atomic_store(&f.cache->era, UINT32_MAX);
    pattern_fill(value, sizeof(value), 1);
    put_span(&f, "k", (struct span){ value, sizeof(value) }, 0);
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    cache_flush(f.thread);
    ck_assert_uint_eq(items_in(&f), 0);
    ck_assert(reading_holds(&reading, (struct span){ value, sizeof(value) }));
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/expiry");
    TCase *expiry = fixture_case(suite, "expiry");
    TCase *flushes = fixture_case(suite, "flushes");
    TCase *last = fixture_case(suite, "last era");

    tcase_add_test(expiry, a_ttl_of_five_lives_at_five_and_is_gone_a_quarter_later);
    tcase_add_test(expiry, an_expired_item_stays_in_memory_until_somebody_meets_it);
    tcase_add_test(expiry, negative_and_passed_times_are_stored_and_never_seen);
    tcase_add_test(expiry, a_unix_time_ends_an_item_when_it_comes);
    tcase_add_test(expiry, zero_lives_for_ever);
    tcase_add_test(expiry, touch_gives_a_new_end_and_keeps_id_and_value);
    tcase_add_test(expiry,
                   reading_and_touching_returns_the_value_even_of_what_ends_by_it);
    tcase_add_test(expiry, a_store_sets_the_end_anew);

    tcase_add_test(flushes, a_flush_takes_everything_before_it_and_nothing_after);
    tcase_add_test(flushes, flushes_may_follow_one_another);
    tcase_add_test(flushes, an_id_that_a_client_chose_saves_no_item_and_dooms_none);
    tcase_add_test(flushes, a_flush_to_come_takes_what_was_stored_until_then);
    tcase_add_test(flushes, a_flush_to_come_may_be_told_as_unix_time);
    tcase_add_test(flushes, of_flushes_to_come_only_the_latest_counts);
    tcase_add_test(flushes,
                   a_time_of_zero_or_less_means_now_and_replaces_what_was_to_come);
    tcase_add_test(flushes, a_unix_time_that_has_passed_only_takes_back_what_was_to_come);
    tcase_add_test(flushes, a_unix_time_that_has_passed_since_the_start_flushes_now);
    tcase_add_test(flushes, what_began_before_a_flush_does_not_survive_it);
    tcase_add_test(flushes, a_flush_now_takes_back_what_was_to_come);

    tcase_add_test(last, at_the_last_era_a_flush_walks);
    tcase_add_test(last, a_flush_that_walks_spares_pinned_readers);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
