/* t/unit/test_bench_histogram.c - percentiles of many times, held against sorting them. */
#include "bench/larder-bench/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/dice.h"
#include "t/unit/suite.h"

enum { MANY = 20000 };

static const double shares[] = { 0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };

static struct histogram *
make_histogram(void)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    ck_assert_ptr_nonnull(histogram);
    return histogram;
}

static int
compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

/* The time at that rank, in a list that is in order. */
static uint64_t
percentile_of_list(const uint64_t *times, size_t count, double share)
{
    size_t rank = (size_t)ceil(share * (double)count);

    return times[rank > 0 ? rank - 1 : 0];
}

START_TEST(percentiles_are_those_of_the_sorted_times_to_within_a_256th)
{
    struct histogram *histogram = make_histogram();
    uint64_t         *times = malloc(MANY * sizeof(*times));
    struct dice       dice = { 3 };

    /* All sizes: each power of two as often as the next. */
    for (size_t i = 0; i < MANY; i++) {
        times[i] = dice_roll(&dice) >> (24 + dice_below(&dice, 40));
        histogram_add(histogram, times[i]);
    }
    qsort(times, MANY, sizeof(*times), compare);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t is = percentile_of_list(times, MANY, shares[i]);
        uint64_t told = histogram_percentile_ns(histogram, shares[i]);

        ck_assert_uint_ge(told, is);
        ck_assert_uint_le(told, is + is / 256);
    }
    free(times);
    free(histogram);
}
END_TEST

START_TEST(short_times_are_exact)
{
    for (uint64_t ns = 0; ns < 512; ns++) {
        struct histogram *histogram = make_histogram();

        histogram_add(histogram, ns);
        histogram_add(histogram, 100000);
        ck_assert_uint_eq(histogram_percentile_ns(histogram, 0.5), ns);
        free(histogram);
    }
}
END_TEST

START_TEST(the_longest_time_is_exact_and_so_is_the_shortest)
{
    struct histogram *histogram = make_histogram();

    histogram_add(histogram, 123456789);
    histogram_add(histogram, 987654);
    ck_assert_uint_eq(histogram_percentile_ns(histogram, 1), 123456789);
    ck_assert_uint_eq(histogram->most_ns, 123456789);
    ck_assert_uint_eq(histogram->least_ns, 987654);
    free(histogram);
}
END_TEST

START_TEST(a_time_beyond_all_counters_is_still_the_longest)
{
    struct histogram *histogram = make_histogram();

    histogram_add(histogram, 5);
    histogram_add(histogram, UINT64_C(1) << 50);
    ck_assert_uint_eq(histogram_percentile_ns(histogram, 0.5), 5);
    ck_assert_uint_eq(histogram_percentile_ns(histogram, 1), UINT64_C(1) << 50);
    free(histogram);
}
END_TEST

START_TEST(two_that_are_merged_are_one_that_had_all)
{
    struct histogram *one = make_histogram(), *other = make_histogram(),
                     *both = make_histogram();
    struct dice dice = { 9 };

    for (size_t i = 0; i < MANY; i++) {
        uint64_t ns = dice_roll(&dice) >> 40;

        histogram_add(i % 3 == 0 ? one : other, ns);
        histogram_add(both, ns);
    }
    histogram_merge(one, other);
    ck_assert_mem_eq(one, both, sizeof(*both));
    free(one);
    free(other);
    free(both);
}
END_TEST

START_TEST(an_empty_one_adds_nothing_and_has_percentiles_of_0)
{
    struct histogram *some = make_histogram(), *empty = make_histogram();

    histogram_add(some, 70);
    histogram_merge(some, empty);
    ck_assert_uint_eq(some->least_ns, 70);
    ck_assert_uint_eq(histogram_percentile_ns(empty, 0.5), 0);
    ck_assert(histogram_mean_ns(empty) == 0);
    free(some);
    free(empty);
}
END_TEST

START_TEST(the_mean_is_that_of_the_times_themselves)
{
    struct histogram *histogram = make_histogram();

    histogram_add(histogram, 1000001);
    histogram_add(histogram, 2000002);
    ck_assert(histogram_mean_ns(histogram) == 1500001.5);
    free(histogram);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/histogram");
    TCase *tcase = fixture_case_of_one(suite, "histogram");

    tcase_add_test(tcase, percentiles_are_those_of_the_sorted_times_to_within_a_256th);
    tcase_add_test(tcase, short_times_are_exact);
    tcase_add_test(tcase, the_longest_time_is_exact_and_so_is_the_shortest);
    tcase_add_test(tcase, a_time_beyond_all_counters_is_still_the_longest);
    tcase_add_test(tcase, two_that_are_merged_are_one_that_had_all);
    tcase_add_test(tcase, an_empty_one_adds_nothing_and_has_percentiles_of_0);
    tcase_add_test(tcase, the_mean_is_that_of_the_times_themselves);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
