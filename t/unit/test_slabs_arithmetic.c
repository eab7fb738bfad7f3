/* t/unit/test_slabs_arithmetic.c - counters: values that are decimal numbers. */
#include <stdio.h>

#include "slabs/cache.h"
#include "slabs/decimal.h"
#include "t/unit/fixture.h"

static enum cache_status
count(struct fixture *f, const char *name, bool subtracts, uint64_t delta,
      uint64_t *number)
{
    const struct cache_count_how how = { .subtracts = subtracts, .delta = delta };
    struct cache_key             key = key_of(f, name);
    struct cache_result          result = { 0 };
    enum cache_status status = cache_arithmetic(f->thread, &key, &how, &result);

    *number = result.number;
    return status;
}

static void
assert_incr(struct fixture *f, uint64_t delta, uint64_t expected)
{
    uint64_t number;

    ck_assert_int_eq(count(f, "n", false, delta, &number), CACHE_OK);
    ck_assert_uint_eq(number, expected);
}

static void
assert_decr(struct fixture *f, uint64_t delta, uint64_t expected)
{
    uint64_t number;

    ck_assert_int_eq(count(f, "n", true, delta, &number), CACHE_OK);
    ck_assert_uint_eq(number, expected);
}

/* ---- what is a number ------------------------------------------------------------ */

#define TEXT(literal)                                                                    \
    {                                                                                    \
        literal, sizeof(literal) - 1                                                     \
    }

static const struct {
    struct span text;
    uint64_t    number;
} numbers[] = {
    { TEXT("0"), 0 },
    { TEXT("7"), 7 },
    { TEXT("42"), 42 },
    { TEXT("007"), 7 },
    { TEXT("18446744073709551615"), UINT64_MAX },
    { TEXT("000000000000000000000000000000018446744073709551615"), UINT64_MAX },
    { TEXT(" 12"), 12 },
    { TEXT("\t\n\v\f\r 12"), 12 },
    { TEXT("12 "), 12 },
    { TEXT("12\t"), 12 },
    { TEXT("+12"), 12 },
    { TEXT(" +12 "), 12 },
    { TEXT("1 2"), 1 },
    { TEXT("1 abc"), 1 },
    { TEXT("1\0002"), 1 },
    { TEXT("1\0"), 1 },
    { TEXT("-0"), 0 },
    { TEXT("-18446744073709551615"), 1 },
    { TEXT(" -9223372036854775809 "), INT64_MAX },
};

START_TEST(a_number_may_have_blanks_around_it_and_one_sign)
{
    struct fixture f;
    uint64_t       number;

    fixture_init(&f);
    ck_assert_int_eq(put_span(&f, "n", numbers[_i].text, 0), CACHE_OK);
    ck_assert_int_eq(count(&f, "n", false, 0, &number), CACHE_OK);
    ck_assert_uint_eq(number, numbers[_i].number);
    fixture_fini(&f);
}
END_TEST

static const struct span others[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("+"),
    TEXT("-"),
    TEXT("-1"),
    TEXT("-9223372036854775808"),
    TEXT("-18446744073709551616"),
    TEXT("--1"),
    TEXT("-+1"),
    TEXT("++1"),
    TEXT("+ 1"),
    TEXT("+-1"),
    TEXT("12a"),
    TEXT("a12"),
    TEXT("0x1"),
    TEXT("1.5"),
    TEXT("1,000"),
    TEXT("\0001"),
    TEXT("1\x80"),
    TEXT("\xb9"),
    TEXT("1-"),
    TEXT("18446744073709551616"),
    TEXT("99999999999999999999"),
    TEXT("118446744073709551615"),
};

START_TEST(anything_else_is_no_number_and_stays_as_it_is)
{
    struct fixture f;
    uint64_t       number, id;

    fixture_init(&f);
    ck_assert_int_eq(put_span(&f, "n", others[_i], 0), CACHE_OK);
    id = cas_of(&f, "n");
    ck_assert_int_eq(count(&f, "n", false, 1, &number), CACHE_NOT_NUMERIC);
    ck_assert_int_eq(count(&f, "n", true, 1, &number), CACHE_NOT_NUMERIC);
    assert_value_span(&f, "n", others[_i]);
    ck_assert_uint_eq(cas_of(&f, "n"), id);
    fixture_fini(&f);
}
END_TEST

START_TEST(three_hundred_leading_zeros_are_kept_in_place)
{
    struct fixture f;
    char           text[300];

    fixture_init(&f);
    memset(text, '0', sizeof(text));
    text[299] = '5';
    ck_assert_int_eq(put_span(&f, "n", (struct span){ text, 300 }, 0), CACHE_OK);
    assert_incr(&f, 1, 6);
    memset(text, ' ', sizeof(text));
    text[0] = '6';
    assert_value_span(&f, "n", (struct span){ text, 300 });
    fixture_fini(&f);
}
END_TEST

/* ---- adding and subtracting ------------------------------------------------------ */

START_TEST(adding_wraps_round_and_subtracting_ends_at_zero)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "n", "18446744073709551615", 0);
    assert_incr(&f, 1, 0);
    assert_decr(&f, 1, 0);
    assert_incr(&f, UINT64_MAX, UINT64_MAX);
    assert_incr(&f, UINT64_MAX, UINT64_MAX - 1);
    assert_decr(&f, UINT64_MAX - 2, 1);
    assert_decr(&f, UINT64_MAX, 0);
    put(&f, "n", "5", 0);
    assert_decr(&f, 5, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_longer_result_takes_a_new_item_a_shorter_one_is_padded)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "n", "9", 0);
    assert_incr(&f, 1, 10);
    assert_value(&f, "n", "10");
    assert_decr(&f, 5, 5);
    assert_value(&f, "n", "5 ");
    assert_incr(&f, 4, 9);
    assert_value(&f, "n", "9 ");
    assert_incr(&f, 1, 10);
    assert_value(&f, "n", "10");
    assert_incr(&f, 1000000000, 1000000010);
    assert_value(&f, "n", "1000000010");
    assert_incr(&f, 0, 1000000010);
    assert_value(&f, "n", "1000000010");
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_number_grows_through_every_length_and_back)
{
    struct fixture f;
    uint64_t       model = 0, number;
    char           text[DECIMAL_MAX];

    fixture_init(&f);
    put(&f, "n", "0", 0);
    for (uint64_t delta = 9; model < UINT64_MAX / 10; delta *= 10) {
        model += delta;
        ck_assert_int_eq(count(&f, "n", false, delta, &number), CACHE_OK);
        ck_assert_uint_eq(number, model);
        assert_value_span(
            &f, "n", (struct span){ text, (size_t)(decimal_write(text, model) - text) });
    }
    while (model > 0) {
        uint64_t delta = model / 2 + 1;

        model = model > delta ? model - delta : 0;
        ck_assert_int_eq(count(&f, "n", true, delta, &number), CACHE_OK);
        ck_assert_uint_eq(number, model);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(flags_and_expiry_stay_and_the_id_is_new)
{
    struct fixture       f;
    struct cache_store   store;
    struct cache_result  result;
    struct cache_reading reading;
    uint64_t             id;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "n");
    store.client_flags = 31337;
    store.expiry = 100;
    ck_assert_int_eq(cache_store(f.thread, &store, SPAN("98"), &result), CACHE_OK);
    id = result.cas;
    for (uint64_t expected = 99; expected < 102; expected++) { /* in place, then not */
        assert_incr(&f, 1, expected);
        ck_assert_int_eq(cache_read(f.thread, &store.key, &reading), CACHE_OK);
        ck_assert_uint_eq(reading.client_flags, 31337);
        ck_assert_uint_gt(reading.cas, id);
        id = reading.cas;
        cache_read_end(f.thread, &reading);
    }
    advance(&f, 99);
    ck_assert_int_eq(peek(&f, "n"), CACHE_OK);
    advance(&f, 2);
    ck_assert_int_eq(peek(&f, "n"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_missing_expired_or_flushed_is_not_counted)
{
    struct fixture f;
    uint64_t       number;

    fixture_init(&f);
    ck_assert_int_eq(count(&f, "n", false, 1, &number), CACHE_MISS);
    put(&f, "n", "1", -1);
    ck_assert_int_eq(count(&f, "n", false, 1, &number), CACHE_MISS);
    put(&f, "n", "1", 0);
    cache_flush(f.thread);
    ck_assert_int_eq(count(&f, "n", true, 1, &number), CACHE_MISS);
    ck_assert_uint_eq(items_in(&f), 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_number_in_a_large_value_is_counted)
{
    struct fixture f;
    char          *text = malloc(MIB / 4);

    fixture_init(&f);
    memset(text, ' ', MIB / 4);
    text[MIB / 4 - 1] = '4';
    ck_assert_int_eq(put_span(&f, "n", (struct span){ text, MIB / 4 }, 0), CACHE_OK);
    assert_incr(&f, 3, 7);
    text[0] = '7';
    text[MIB / 4 - 1] = ' ';
    assert_value_span(&f, "n", (struct span){ text, MIB / 4 });
    free(text);
    fixture_fini(&f);
}
END_TEST

/* It is written in its place behind the gap, and anew where somebody reads it or an id is
 * chosen; then what is left is the number. */
START_TEST(a_number_behind_a_gap_is_counted)
{
    enum { LENGTH_OF_IT = 1 << 16 };
    struct fixture               f;
    struct cache_reading         reading;
    struct cache_key             key;
    struct cache_result          result;
    const struct cache_count_how chosen = { .delta = 1, .new_cas = 77 };
    char                        *text = malloc(LENGTH_OF_IT);

    fixture_init(&f);
    key = key_of(&f, "n");
    memset(text, ' ', LENGTH_OF_IT);
    text[0] = '8';
    ck_assert_int_eq(put_span(&f, "n", (struct span){ text, LENGTH_OF_IT }, 0), CACHE_OK);
    assert_incr(&f, 1, 9);
    assert_incr(&f, 1, 10);
    memcpy(text, "10", 2);
    assert_value_span(&f, "n", (struct span){ text, LENGTH_OF_IT });
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    ck_assert(reading.pinned);
    assert_incr(&f, 1, 11);
    ck_assert(reading_holds(&reading, (struct span){ text, LENGTH_OF_IT }));
    cache_read_end(f.thread, &reading);
    assert_value(&f, "n", "11");

    ck_assert_int_eq(put_span(&f, "n", (struct span){ text, LENGTH_OF_IT }, 0), CACHE_OK);
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &chosen, &result), CACHE_OK);
    assert_value(&f, "n", "11");
    ck_assert_uint_eq(cas_of(&f, "n"), 77);
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_memory_for_a_longer_result_nothing_changes)
{
    struct cache_config config = fixture_config(MIB);
    struct fixture      f;
    uint64_t            number, id;
    char                name[16];

    config.evicts = false;
    fixture_init_with(&f, config);
    /* 32 + 1 + 7 bytes fill a chunk of the first class; another digit needs the second */
    put(&f, "n", "9999999", 0);
    id = cas_of(&f, "n");
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof(name), "%05u", i);
        if (put_span(&f, name, SPAN("1234567"), 0) != CACHE_OK)
            break;
    }
    ck_assert_int_eq(count(&f, "n", false, 1, &number), CACHE_NO_MEMORY);
    assert_value(&f, "n", "9999999");
    ck_assert_uint_eq(cas_of(&f, "n"), id);
    assert_decr(&f, 1, 9999998);
    ck_assert_int_eq(drop(&f, "00000"), CACHE_OK);
    assert_incr(&f, 2, 10000000);
    fixture_fini(&f);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/arithmetic");
    TCase *text = fixture_case(suite, "numbers");
    TCase *results = fixture_case(suite, "results");

    tcase_add_loop_test(text, a_number_may_have_blanks_around_it_and_one_sign, 0,
                        (int)LENGTH(numbers));
    tcase_add_loop_test(text, anything_else_is_no_number_and_stays_as_it_is, 0,
                        (int)LENGTH(others));
    tcase_add_test(text, three_hundred_leading_zeros_are_kept_in_place);
    tcase_add_test(results, adding_wraps_round_and_subtracting_ends_at_zero);
    tcase_add_test(results, a_longer_result_takes_a_new_item_a_shorter_one_is_padded);
    tcase_add_test(results, a_number_grows_through_every_length_and_back);
    tcase_add_test(results, flags_and_expiry_stay_and_the_id_is_new);
    tcase_add_test(results, what_is_missing_expired_or_flushed_is_not_counted);
    tcase_add_test(results, a_number_in_a_large_value_is_counted);
    tcase_add_test(results, a_number_behind_a_gap_is_counted);
    tcase_add_test(results, without_memory_for_a_longer_result_nothing_changes);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
