/* t/unit/test_bench_sizes.c - how long values are, held against what a distribution promises. */
#include "bench/larder-bench/sizes.h"

#include <math.h>
#include <stdlib.h>

#include "bench/larder-bench/dice.h"
#include "t/unit/suite.h"

enum { DRAWS = 200000 };

static int
compare(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

/* Lengths of many keys, in order; to be freed. */
static uint32_t *
draw(const char *text)
{
    struct sizes sizes;
    struct dice  dice = { 23 };
    uint32_t    *lengths = malloc(DRAWS * sizeof(*lengths));

    ck_assert_msg(sizes_parse(text, &sizes), "%s", text);
    for (int i = 0; i < DRAWS; i++)
        lengths[i] = sizes_of(&sizes, dice_roll(&dice));
    qsort(lengths, DRAWS, sizeof(*lengths), compare);
    return lengths;
}

static double
share_of(const uint32_t *lengths, uint32_t length)
{
    double count = 0;

    for (int i = 0; i < DRAWS; i++)
        count += lengths[i] == length;
    return count / DRAWS;
}

static void
assert_near(double is, double expected, double part)
{
    ck_assert_msg(fabs(is / expected - 1) < part, "%g is not near %g", is, expected);
}

START_TEST(a_fixed_length_is_that_of_all)
{
    uint32_t *lengths = draw("100");

    ck_assert_uint_eq(lengths[0], 100);
    ck_assert_uint_eq(lengths[DRAWS - 1], 100);
    free(lengths);
}
END_TEST

START_TEST(uniform_lengths_go_from_one_end_to_the_other)
{
    uint32_t *lengths = draw("uniform:10:19");

    ck_assert_uint_eq(lengths[0], 10);
    ck_assert_uint_eq(lengths[DRAWS - 1], 19);
    for (uint32_t length = 10; length <= 19; length++)
        assert_near(share_of(lengths, length), 0.1, 0.05);
    free(lengths);
}
END_TEST

START_TEST(lognormal_lengths_have_their_median_and_their_spread)
{
    uint32_t *lengths = draw("lognormal:500:0.8");

    assert_near(lengths[DRAWS / 2], 500, 0.03);
    /* A standard deviation to each side: 15.87 % are beyond. */
    assert_near(lengths[(int)(DRAWS * 0.1587)], 500 * exp(-0.8), 0.03);
    assert_near(lengths[(int)(DRAWS * 0.8413)], 500 * exp(0.8), 0.03);
    free(lengths);
}
END_TEST

START_TEST(listed_lengths_come_by_their_weights)
{
    uint32_t *lengths = draw("list:5x1,700x2.5,30");

    assert_near(share_of(lengths, 5), 1 / 4.5, 0.03);
    assert_near(share_of(lengths, 700), 2.5 / 4.5, 0.03);
    assert_near(share_of(lengths, 30), 1 / 4.5, 0.03);
    free(lengths);
}
END_TEST

START_TEST(twitters_lengths_have_twitters_quantiles)
{
    uint32_t *lengths = draw("twitter");

    ck_assert_uint_eq(lengths[DRAWS / 10], 28);
    ck_assert_uint_eq(lengths[DRAWS / 2], 224);
    ck_assert_uint_eq(lengths[DRAWS / 10 * 9], 4270);
    free(lengths);
}
END_TEST

START_TEST(a_key_has_the_same_length_whenever_it_is_asked)
{
    struct sizes sizes;

    ck_assert(sizes_parse("lognormal:100:2", &sizes));
    for (uint64_t hash = 0; hash < 1000; hash++)
        ck_assert_uint_eq(sizes_of(&sizes, dice_mix(hash)),
                          sizes_of(&sizes, dice_mix(hash)));
}
END_TEST

START_TEST(no_length_is_beyond_the_longest)
{
    uint32_t *lengths = draw("lognormal:100000000:10");

    ck_assert_uint_eq(lengths[DRAWS - 1], SIZES_BYTES_MOST);
    free(lengths);
}
END_TEST

START_TEST(what_is_no_length_is_refused)
{
    static const char *const wrong[] = {
        "",
        "x",
        "-1",
        "1x",
        "134217729",
        "uniform",
        "uniform:1",
        "uniform:2:1",
        "uniform:1:",
        "uniform:1:2:3",
        "lognormal:",
        "lognormal:0:1",
        "lognormal:5",
        "lognormal:5:-1",
        "lognormal:5:x",
        "list:",
        "list:1,",
        "list:1x",
        "list:1x0",
        "list:1xnan",
        "list:,1",
        "twitter:1",
    };
    struct sizes sizes;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!sizes_parse(wrong[i], &sizes), "%s", wrong[i]);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/sizes");
    TCase *tcase = fixture_case_of_one(suite, "sizes");

    tcase_add_test(tcase, a_fixed_length_is_that_of_all);
    tcase_add_test(tcase, uniform_lengths_go_from_one_end_to_the_other);
    tcase_add_test(tcase, lognormal_lengths_have_their_median_and_their_spread);
    tcase_add_test(tcase, listed_lengths_come_by_their_weights);
    tcase_add_test(tcase, twitters_lengths_have_twitters_quantiles);
    tcase_add_test(tcase, a_key_has_the_same_length_whenever_it_is_asked);
    tcase_add_test(tcase, no_length_is_beyond_the_longest);
    tcase_add_test(tcase, what_is_no_length_is_refused);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
