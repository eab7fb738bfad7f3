/* t/unit/test_slabs_cas.c - CAS ids: they grow, they differ, and they do not run out. */
#include "slabs/cache_priv.h"

#include <stdio.h>

#include "t/unit/fixture.h"

enum { COUNTER_LAST = (1 << (CAS_ERA_SHIFT - CAS_COUNTER_SHIFT)) - 1 };

static uint64_t
store(struct fixture *f, enum cache_store_mode mode, const char *name, uint64_t cas)
{
    struct cache_store  how = store_of(f, mode, name);
    struct cache_result result;

    how.cas = cas;
    quick_assert(cache_store(f->thread, &how, SPAN("7"), &result) == CACHE_OK);
    quick_assert(result.cas == cas_of(f, name));
    return result.cas;
}

START_TEST(every_write_of_a_key_gives_it_a_higher_id)
{
    const struct cache_count_how plus_one = { .delta = 1 };
    struct fixture               f;
    struct cache_key             key;
    struct cache_result          result;
    uint64_t                     id;

    fixture_init(&f);
    key = key_of(&f, "k");
    id = store(&f, CACHE_ADD, "k", 0);
    ck_assert_uint_gt(id, 0);
    for (unsigned i = 0; i < 1000; i++) {
        static const enum cache_store_mode modes[] = { CACHE_SET, CACHE_REPLACE,
                                                       CACHE_APPEND, CACHE_PREPEND,
                                                       CACHE_CAS };
        uint64_t next = store(&f, modes[i % LENGTH(modes)], "k", id);

        quick_assert(next > id);
        id = next;
        if (i % 100 == 99)
            store(&f, CACHE_SET, "k", 0); /* or the number grows for ever */
    }
    store(&f, CACHE_SET, "k", 0);
    id = cas_of(&f, "k");
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &plus_one, &result), CACHE_OK);
    ck_assert_uint_gt(result.cas, id);
    ck_assert_uint_eq(cas_of(&f, "k"), result.cas);
    fixture_fini(&f);
}
END_TEST

START_TEST(deleted_and_stored_again_a_key_has_a_higher_id)
{
    struct fixture f;
    uint64_t       id;

    fixture_init(&f);
    id = store(&f, CACHE_SET, "k", 0);
    ck_assert_int_eq(drop(&f, "k"), CACHE_OK);
    ck_assert_uint_gt(store(&f, CACHE_SET, "k", 0), id);
    id = cas_of(&f, "k");
    cache_flush(f.thread);
    ck_assert_uint_gt(store(&f, CACHE_SET, "k", 0), id);
    fixture_fini(&f);
}
END_TEST

START_TEST(reading_and_touching_leave_the_id)
{
    const struct cache_read_how touching = { .touches = true, .expiry = 100 };
    struct fixture              f;
    struct cache_key            key;
    struct cache_result         result;
    struct cache_reading        reading;
    uint64_t                    id;

    fixture_init(&f);
    key = key_of(&f, "k");
    id = store(&f, CACHE_SET, "k", 0);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    ck_assert_int_eq(cache_touch(f.thread, &key, 50, &result), CACHE_OK);
    ck_assert_uint_eq(result.cas, id);
    ck_assert_int_eq(cache_read_as(f.thread, &key, &touching, &reading), CACHE_OK);
    ck_assert_uint_eq(reading.cas, id);
    cache_read_end(f.thread, &reading);
    ck_assert_uint_eq(cas_of(&f, "k"), id);
    fixture_fini(&f);
}
END_TEST

static int
compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

START_TEST(no_two_writes_of_any_keys_have_the_same_id)
{
    enum { WRITES = 50000 };
    struct fixture f;
    struct dice    dice = { 6 };
    uint64_t      *ids = calloc(WRITES, sizeof(*ids));

    fixture_init(&f);
    for (unsigned i = 0; i < WRITES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%u", (unsigned)dice_roll(&dice, 5000));
        ids[i] = store(&f, CACHE_SET, name, 0);
        if (dice_roll(&dice, 5000) == 0)
            cache_flush(f.thread);
    }
    qsort(ids, WRITES, sizeof(*ids), compare_ids);
    for (unsigned i = 1; i < WRITES; i++)
        quick_assert(ids[i - 1] < ids[i]);
    free(ids);
    fixture_fini(&f);
}
END_TEST

/* ---- the counter of a stripe runs out -------------------------------------------- */

static struct stripe *
stripe_of(struct fixture *f, const char *name)
{
    return table_stripe(&f->cache->table, key_of(f, name).hash);
}

START_TEST(when_a_stripes_ids_run_out_they_go_on_and_no_item_dies)
{
    struct fixture f;
    uint64_t       id, next;
    uint32_t       era;

    fixture_init(&f);
    put(&f, "other", "v", 0);
    store(&f, CACHE_SET, "k", 0);
    era = atomic_load(&f.cache->era);
    stripe_of(&f, "k")->cas_counter = COUNTER_LAST - 3;
    id = cas_of(&f, "k");
    for (unsigned i = 0; i < 10; i++) {
        next = store(&f, CACHE_SET, "k", 0);
        ck_assert_uint_gt(next, id);
        id = next;
    }
    ck_assert_uint_eq(atomic_load(&f.cache->era), era + 1);
    ck_assert_int_eq(peek(&f, "other"), CACHE_OK);
    ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_after_an_era_has_run_out_is_as_exact)
{
    struct fixture f;

    fixture_init(&f);
    store(&f, CACHE_SET, "k", 0);
    put(&f, "other", "v", 0);
    stripe_of(&f, "k")->cas_counter = COUNTER_LAST - 1;
    store(&f, CACHE_SET, "k", 0);
    store(&f, CACHE_SET, "k", 0);
    put(&f, "newer", "v", 0);
    cache_flush(f.thread);
    put(&f, "newest", "v", 0);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "other"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "newer"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "newest"), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

START_TEST(two_stripes_that_run_out_in_one_era_raise_it_once)
{
    struct fixture f;
    uint32_t       era;

    fixture_init(&f);
    store(&f, CACHE_SET, "one", 0);
    store(&f, CACHE_SET, "two", 0);
    ck_assert_ptr_ne(stripe_of(&f, "one"), stripe_of(&f, "two"));
    era = atomic_load(&f.cache->era);
    stripe_of(&f, "one")->cas_counter = COUNTER_LAST;
    stripe_of(&f, "two")->cas_counter = COUNTER_LAST;
    store(&f, CACHE_SET, "one", 0);
    store(&f, CACHE_SET, "two", 0);
    ck_assert_uint_eq(atomic_load(&f.cache->era), era + 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(at_the_last_era_ids_come_round_but_stay_in_it)
{
    struct fixture f;

    fixture_init(&f);
    atomic_store(&f.cache->era, UINT32_MAX);
    store(&f, CACHE_SET, "k", 0);
    stripe_of(&f, "k")->cas_counter = COUNTER_LAST - 2;
    for (unsigned i = 0; i < 10; i++) {
        uint64_t id = store(&f, CACHE_SET, "k", 0);

        ck_assert_uint_eq(id >> CAS_ERA_SHIFT, UINT32_MAX);
        ck_assert_uint_eq(id & ((1u << STRIPE_BITS) - 1),
                          (uint64_t)(stripe_of(&f, "k") - f.cache->table.stripes));
    }
    fixture_fini(&f);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/cas");
    TCase *ids = fixture_case(suite, "ids");
    TCase *end = fixture_case(suite, "exhaustion");

    tcase_add_test(ids, every_write_of_a_key_gives_it_a_higher_id);
    tcase_add_test(ids, deleted_and_stored_again_a_key_has_a_higher_id);
    tcase_add_test(ids, reading_and_touching_leave_the_id);
    tcase_add_test(ids, no_two_writes_of_any_keys_have_the_same_id);
    tcase_add_test(end, when_a_stripes_ids_run_out_they_go_on_and_no_item_dies);
    tcase_add_test(end, a_flush_after_an_era_has_run_out_is_as_exact);
    tcase_add_test(end, two_stripes_that_run_out_in_one_era_raise_it_once);
    tcase_add_test(end, at_the_last_era_ids_come_round_but_stay_in_it);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
