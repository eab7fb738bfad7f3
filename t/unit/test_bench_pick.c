/* t/unit/test_bench_pick.c - which key comes how often, held against what its name promises. */
#include "bench/larder-bench/pick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/suite.h"

enum { KEYS = 100, DRAWS = 1000000 };

/* How often each key was drawn. */
static void
draw(const char *text, uint64_t keys, uint64_t *counts)
{
    struct pick pick;
    struct dice dice = { 17 };

    ck_assert(pick_parse(text, &pick));
    pick_prepare(&pick, keys);
    memset(counts, 0, keys * sizeof(*counts));
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint64_t key = pick_next(&pick, &dice, i);

        if (key >= keys) /* an assertion writes a file each time */
            ck_abort_msg("%lu is no key", (unsigned long)key);
        counts[key]++;
    }
}

static int
most_first(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a < b) - (a > b);
}

/* What chance may add or take: five standard deviations. */
static void
assert_about(uint64_t count, double expected)
{
    double most = 5 * sqrt(expected) + 1;

    ck_assert_msg(fabs((double)count - expected) <= most, "%lu is not about %.1f",
                  (unsigned long)count, expected);
}

static void
assert_zipf(const char *text, double theta)
{
    uint64_t counts[KEYS];
    double   sum = 0;

    draw(text, KEYS, counts);
    qsort(counts, KEYS, sizeof(counts[0]), most_first);
    for (int rank = 1; rank <= KEYS; rank++)
        sum += pow(rank, -theta);
    /* Of the rare ones the order says nothing: neighbours change places. */
    for (int rank = 1; rank <= 5; rank++)
        assert_about(counts[rank - 1], DRAWS * pow(rank, -theta) / sum);
}

START_TEST(the_kth_key_of_zipf_is_wanted_one_by_k_to_the_theta_times_as_often)
{
    assert_zipf("zipf", 0.99);
    assert_zipf("zipf:0.5", 0.5);
    assert_zipf("zipf:1", 1);
    assert_zipf("zipf:1.2", 1.2);
    assert_zipf("zipf:3", 3);
}
END_TEST

START_TEST(zipf_is_right_down_to_its_last_key)
{
    struct pick pick;
    struct dice dice = { 5 };
    uint64_t    counts[KEYS] = { 0 };
    double      sum = 0;

    ck_assert(pick_parse("zipf:0.8", &pick));
    pick_prepare(&pick, KEYS);
    pick.stride = 1; /* a key's number is its rank */
    for (int i = 0; i < DRAWS; i++)
        counts[pick_next(&pick, &dice, 0)]++;
    for (int rank = 1; rank <= KEYS; rank++)
        sum += pow(rank, -0.8);
    for (int rank = 1; rank <= KEYS; rank++)
        assert_about(counts[rank - 1], DRAWS * pow(rank, -0.8) / sum);
}
END_TEST

START_TEST(uniform_keys_are_all_wanted_alike)
{
    uint64_t counts[KEYS];

    draw("uniform", KEYS, counts);
    for (int key = 0; key < KEYS; key++)
        assert_about(counts[key], DRAWS / KEYS);
}
END_TEST

START_TEST(a_tenth_of_the_keys_that_is_hot_gets_its_nine_tenths)
{
    uint64_t counts[KEYS], hot = 0;

    draw("hot:10:90", KEYS, counts);
    qsort(counts, KEYS, sizeof(counts[0]), most_first);
    for (int i = 0; i < KEYS / 10; i++)
        hot += counts[i];
    assert_about(hot, DRAWS * 0.9);
    assert_about(counts[KEYS / 2], DRAWS * 0.1 / (KEYS * 0.9));
}
END_TEST

START_TEST(all_keys_may_be_hot_and_one_key_may_be_all)
{
    uint64_t counts[KEYS];

    draw("hot:100:50", KEYS, counts);
    assert_about(counts[3], DRAWS / KEYS);
    draw("hot:0:0", 1, counts);
    ck_assert_uint_eq(counts[0], DRAWS);
    draw("zipf", 1, counts);
    ck_assert_uint_eq(counts[0], DRAWS);
}
END_TEST

START_TEST(sequential_keys_come_in_turn_and_from_the_first_again)
{
    struct pick pick;
    struct dice dice = { 0 };

    ck_assert(pick_parse("sequential", &pick));
    pick_prepare(&pick, 3);
    for (uint64_t turn = 0; turn < 10; turn++)
        ck_assert_uint_eq(pick_next(&pick, &dice, turn), turn % 3);
}
END_TEST

START_TEST(ranks_are_scattered_so_that_no_two_meet)
{
    static const uint64_t counts[] = { 1, 2, 3, 10, 64, 97, 1000, 4096 };

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct pick pick;
        char       *seen = calloc(counts[i], 1);

        ck_assert(pick_parse("zipf", &pick));
        pick_prepare(&pick, counts[i]);
        for (uint64_t rank = 0; rank < counts[i]; rank++) {
            uint64_t key = (uint64_t)((unsigned __int128)rank * pick.stride % counts[i]);

            ck_assert_int_eq(seen[key]++, 0);
        }
        free(seen);
    }
}
END_TEST

START_TEST(what_is_no_way_to_pick_is_refused)
{
    static const char *const wrong[] = { "",          "zip",       "zipf:",   "zipf:0",
                                         "zipf:x",    "zipf:1x",   "zipf:11", "hot",
                                         "hot:1",     "hot:1:",    "hot:1:x", "hot:-1:5",
                                         "hot:5:101", "uniform:1", "zipf:nan" };
    struct pick              pick;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!pick_parse(wrong[i], &pick), "%s", wrong[i]);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/pick");
    TCase *tcase = fixture_case_of_one(suite, "pick");

    tcase_add_test(tcase,
                   the_kth_key_of_zipf_is_wanted_one_by_k_to_the_theta_times_as_often);
    tcase_add_test(tcase, zipf_is_right_down_to_its_last_key);
    tcase_add_test(tcase, uniform_keys_are_all_wanted_alike);
    tcase_add_test(tcase, a_tenth_of_the_keys_that_is_hot_gets_its_nine_tenths);
    tcase_add_test(tcase, all_keys_may_be_hot_and_one_key_may_be_all);
    tcase_add_test(tcase, sequential_keys_come_in_turn_and_from_the_first_again);
    tcase_add_test(tcase, ranks_are_scattered_so_that_no_two_meet);
    tcase_add_test(tcase, what_is_no_way_to_pick_is_refused);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
