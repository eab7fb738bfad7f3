/* t/unit/test_bench_value.c - values that anybody can check, to the byte. */
#include "bench/larder-bench/value.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/suite.h"

static const size_t lengths[] = {
    0, 1, 7, 8, 9, 100, 65520, 65521, 65529, 65530, 200000
};

enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static char *
make_value(const char *key, size_t length)
{
    char *value = malloc(length + 1);

    value_init();
    value_write(value_hash(key, strlen(key)), value, length);
    return value;
}

static size_t
verify(const char *key, const char *value, size_t length)
{
    return value_verify(value_hash(key, strlen(key)), value, length);
}

START_TEST(what_was_written_is_right)
{
    for (int i = 0; i < LENGTHS; i++) {
        char *value = make_value("a key", lengths[i]);

        ck_assert_uint_eq(verify("a key", value, lengths[i]), lengths[i]);
        free(value);
    }
}
END_TEST

START_TEST(a_flipped_bit_is_found_wherever_it_is)
{
    for (int i = 0; i < LENGTHS; i++) {
        char  *value = make_value("a key", lengths[i]);
        size_t step = lengths[i] < 1000 ? 1 : 997;

        for (size_t at = 0; at < lengths[i]; at += step) {
            value[at] ^= 4;
            ck_assert_uint_eq(verify("a key", value, lengths[i]), at);
            value[at] ^= 4;
        }
        free(value);
    }
}
END_TEST

START_TEST(another_keys_value_is_wrong_and_so_is_one_of_another_length)
{
    char *value = make_value("a key", 100);

    ck_assert_uint_lt(verify("b key", value, 100), 8);
    ck_assert_uint_lt(verify("a kez", value, 100), 8);
    ck_assert_uint_lt(verify("a key", value, 99), 8);
    free(value);
}
END_TEST

START_TEST(parts_of_a_long_value_that_have_changed_places_are_found)
{
    enum { LONG = 1 << 20 };

    for (size_t part = 1 << 14; part < LONG / 2; part *= 2) {
        char *value = make_value("a key", LONG), *kept = malloc(part);

        memcpy(kept, value + part, part);
        memmove(value + part, value + LONG - part, part);
        memcpy(value + LONG - part, kept, part);
        ck_assert_uint_lt(verify("a key", value, LONG), part + 64);
        free(value);
        free(kept);
    }
}
END_TEST

START_TEST(keys_that_differ_have_hashes_that_differ)
{
    ck_assert(value_hash("", 0) != value_hash("\0", 1));
    ck_assert(value_hash("12345678", 8) != value_hash("12345678\0", 9));
    ck_assert(value_hash("1234567812345678", 16) != value_hash("12345678", 8));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/value");
    TCase *tcase = fixture_case_of_one(suite, "value");

    tcase_add_test(tcase, what_was_written_is_right);
    tcase_add_test(tcase, a_flipped_bit_is_found_wherever_it_is);
    tcase_add_test(tcase, another_keys_value_is_wrong_and_so_is_one_of_another_length);
    tcase_add_test(tcase, parts_of_a_long_value_that_have_changed_places_are_found);
    tcase_add_test(tcase, keys_that_differ_have_hashes_that_differ);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
