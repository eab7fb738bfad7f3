/* t/unit/test_slabs_decimal.c - numbers as decimal text, held against printf. */
#include "slabs/decimal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "t/unit/fixture.h"

/* Write it into the middle of some paint and compare; the paint is to stay. */
static void
assert_written(uint64_t number)
{
    char room[DECIMAL_MAX + 8], expected[DECIMAL_MAX + 1];
    int  length = snprintf(expected, sizeof(expected), "%" PRIu64, number);

    memset(room, '#', sizeof(room));
    quick_assert(decimal_write(room + 4, number) == room + 4 + length);
    quick_assert(memcmp(room + 4, expected, (size_t)length) == 0);
    quick_assert(memcmp(room, "####", 4) == 0);
    quick_assert(memcmp(room + 4 + length, "####", 4) == 0);
}

START_TEST(small_numbers_are_written_as_printf_writes_them)
{
    for (uint64_t number = 0; number < 100000; number++)
        assert_written(number);
}
END_TEST

START_TEST(numbers_around_each_power_of_ten_are_written_right)
{
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        assert_written(power - 1);
        assert_written(power);
        assert_written(power + 1);
        assert_written(power * 9);
    }
    assert_written(10000000000000000000u);
    assert_written(UINT64_MAX - 1);
    assert_written(UINT64_MAX);
}
END_TEST

START_TEST(numbers_of_every_width_are_written_right)
{
    struct dice dice = { 7 };

    for (int i = 0; i < 100000; i++)
        assert_written(dice_bits(&dice) >> (i % 64));
}
END_TEST

START_TEST(space_is_what_isspace_calls_so_in_the_c_locale)
{
    for (int c = 0; c < 256; c++)
        ck_assert_int_eq(decimal_is_space((char)c), c < 128 && isspace(c));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/decimal");
    TCase *decimal = fixture_case(suite, "decimal");

    tcase_add_test(decimal, small_numbers_are_written_as_printf_writes_them);
    tcase_add_test(decimal, numbers_around_each_power_of_ten_are_written_right);
    tcase_add_test(decimal, numbers_of_every_width_are_written_right);
    tcase_add_test(decimal, space_is_what_isspace_calls_so_in_the_c_locale);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
