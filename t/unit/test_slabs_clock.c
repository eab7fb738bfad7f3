/* t/unit/test_slabs_clock.c - from the protocols' expiry times to deadlines.
 *
 * The rule that all of this serves: an item never dies before its time, and at most a
 * quarter of a second after it.
 */
#include "slabs/clock.h"

#include "t/unit/fixture.h"

#define THIRTY_DAYS_S 2592000

/* A clock that has run for so many ticks. */
static void
clock_run(struct clock *clock, uint32_t ticks)
{
    clock_init(clock, TEST_UNIX_S);
    clock_set(clock, clock_now(clock) + ticks);
}

START_TEST(a_new_clock_shows_the_unix_time_it_was_given)
{
    struct clock clock;

    clock_init(&clock, TEST_UNIX_S);
    ck_assert_int_eq(clock_unix_s(&clock), TEST_UNIX_S);
    ck_assert_uint_eq(clock_seconds(&clock), CLOCK_START_S);
    ck_assert_uint_eq(clock_now(&clock), CLOCK_START_S * CLOCK_HZ);
}
END_TEST

START_TEST(seconds_are_whole_and_never_run_ahead)
{
    struct clock clock;

    for (uint32_t ticks = 0; ticks < 5 * CLOCK_HZ; ticks++) {
        clock_run(&clock, ticks);
        ck_assert_uint_eq(clock_seconds(&clock), CLOCK_START_S + ticks / CLOCK_HZ);
        ck_assert_int_eq(clock_unix_s(&clock), TEST_UNIX_S + ticks / CLOCK_HZ);
    }
}
END_TEST

START_TEST(zero_means_never_and_never_does_not_pass)
{
    struct clock clock;

    clock_run(&clock, 12345);
    ck_assert_uint_eq(clock_deadline(&clock, 0), CLOCK_NEVER);
    ck_assert(!clock_is_past(CLOCK_NEVER, 0));
    ck_assert(!clock_is_past(CLOCK_NEVER, clock_now(&clock)));
    ck_assert(!clock_is_past(CLOCK_NEVER, UINT32_MAX));
}
END_TEST

START_TEST(a_deadline_is_past_from_its_tick_on)
{
    ck_assert(!clock_is_past(100, 99));
    ck_assert(clock_is_past(100, 100));
    ck_assert(clock_is_past(100, 101));
    ck_assert(clock_is_past(CLOCK_PAST, CLOCK_START_S * CLOCK_HZ));
}
END_TEST

START_TEST(negative_times_have_passed_already)
{
    static const int64_t times[] = { -1, -2, -THIRTY_DAYS_S, INT32_MIN, INT64_MIN };
    struct clock         clock;

    clock_init(&clock, TEST_UNIX_S);
    for (size_t i = 0; i < LENGTH(times); i++) {
        uint32_t deadline = clock_deadline(&clock, times[i]);

        ck_assert_uint_ne(deadline, CLOCK_NEVER);
        ck_assert(clock_is_past(deadline, clock_now(&clock)));
    }
}
END_TEST

/* The clock may show a tick just begun or nearly over: a deadline has to suffice for the
 * latter, and be at most a quarter of a second late for the former. */
START_TEST(a_ttl_never_ends_early_and_at_most_a_quarter_second_late)
{
    static const int64_t ttls[] = { 1, 2, 3, 59, 60, 86400, THIRTY_DAYS_S };

    for (uint32_t phase = 0; phase < 2 * CLOCK_HZ; phase++) {
        struct clock clock;

        clock_run(&clock, phase);
        for (size_t i = 0; i < LENGTH(ttls); i++) {
            uint32_t length = clock_deadline(&clock, ttls[i]) - clock_now(&clock);
            uint32_t least = (uint32_t)ttls[i] * CLOCK_HZ;

            ck_assert_uint_gt(length, least);
            ck_assert_uint_le(length, least + CLOCK_HZ / 4);
        }
    }
}
END_TEST

START_TEST(thirty_days_are_a_duration_and_one_second_more_is_a_unix_time)
{
    struct clock clock;

    clock_run(&clock, 777);
    ck_assert_uint_gt(clock_deadline(&clock, THIRTY_DAYS_S),
                      clock_now(&clock) + THIRTY_DAYS_S * (uint32_t)CLOCK_HZ);
    /* the 31st of January 1970 */
    ck_assert_uint_eq(clock_deadline(&clock, THIRTY_DAYS_S + 1), CLOCK_PAST);
}
END_TEST

START_TEST(a_unix_time_is_kept_to_the_second)
{
    struct clock clock;

    for (uint32_t phase = 0; phase < CLOCK_HZ; phase++) {
        clock_run(&clock, 100 * CLOCK_HZ + phase);
        for (int64_t ahead = 1; ahead < 100; ahead++) {
            uint32_t deadline = clock_deadline(&clock, clock_unix_s(&clock) + ahead);
            uint32_t second = clock_seconds(&clock) + (uint32_t)ahead;

            quick_assert(deadline == second * CLOCK_HZ);
            quick_assert(!clock_is_past(deadline, clock_now(&clock)));
        }
    }
}
END_TEST

START_TEST(the_present_second_and_those_before_it_have_passed)
{
    struct clock clock;

    for (uint32_t ticks = 0; ticks < 20 * CLOCK_HZ; ticks++) {
        clock_run(&clock, ticks);
        for (int64_t ago = 0; ago < 30; ago++) {
            uint32_t deadline = clock_deadline(&clock, clock_unix_s(&clock) - ago);

            quick_assert(deadline != CLOCK_NEVER);
            quick_assert(clock_is_past(deadline, clock_now(&clock)));
        }
    }
}
END_TEST

START_TEST(times_before_the_process_began_have_passed)
{
    static const int64_t times[] = { THIRTY_DAYS_S + 1,
                                     TEST_UNIX_S - 100000,
                                     TEST_UNIX_S - CLOCK_START_S - 1,
                                     TEST_UNIX_S - CLOCK_START_S,
                                     TEST_UNIX_S - 1,
                                     TEST_UNIX_S };
    struct clock         clock;

    clock_init(&clock, TEST_UNIX_S);
    for (size_t i = 0; i < LENGTH(times); i++)
        ck_assert_uint_eq(clock_deadline(&clock, times[i]), CLOCK_PAST);
}
END_TEST

START_TEST(what_is_further_off_than_a_deadline_reaches_is_as_far_as_it_reaches)
{
    static const int64_t times[] = { TEST_UNIX_S + (int64_t)UINT32_MAX / CLOCK_HZ,
                                     UINT32_MAX, INT64_MAX / 2, INT64_MAX - 1,
                                     INT64_MAX };
    struct clock         clock;

    clock_run(&clock, 3 * CLOCK_HZ);
    for (size_t i = 0; i < LENGTH(times); i++)
        ck_assert_uint_eq(clock_deadline(&clock, times[i]), UINT32_MAX);
}
END_TEST

START_TEST(a_duration_that_would_wrap_round_ends_at_the_last_tick)
{
    struct clock clock;

    clock_init(&clock, TEST_UNIX_S);
    clock_set(&clock, UINT32_MAX - 5);
    ck_assert_uint_eq(clock_deadline(&clock, 1), UINT32_MAX);
    ck_assert_uint_eq(clock_deadline(&clock, THIRTY_DAYS_S), UINT32_MAX);
}
END_TEST

START_TEST(a_later_expiry_never_has_an_earlier_deadline)
{
    struct dice  dice = { 1 };
    struct clock clock;

    clock_run(&clock, 1000000);
    for (int i = 0; i < 20000; i++) {
        int64_t a = (int64_t)(dice_bits(&dice) >> dice_roll(&dice, 63) >> 1);
        int64_t b = (int64_t)(dice_bits(&dice) >> dice_roll(&dice, 63) >> 1);
        int64_t sooner = a < b ? a : b, later = a < b ? b : a;

        if (sooner == 0 || (sooner <= THIRTY_DAYS_S) != (later <= THIRTY_DAYS_S))
            continue;
        quick_assert(clock_deadline(&clock, sooner) <= clock_deadline(&clock, later));
        quick_assert(clock_deadline(&clock, sooner) != CLOCK_NEVER);
    }
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/clock");
    TCase *times = fixture_case(suite, "times");

    tcase_add_test(times, a_new_clock_shows_the_unix_time_it_was_given);
    tcase_add_test(times, seconds_are_whole_and_never_run_ahead);
    tcase_add_test(times, zero_means_never_and_never_does_not_pass);
    tcase_add_test(times, a_deadline_is_past_from_its_tick_on);
    tcase_add_test(times, negative_times_have_passed_already);
    tcase_add_test(times, a_ttl_never_ends_early_and_at_most_a_quarter_second_late);
    tcase_add_test(times, thirty_days_are_a_duration_and_one_second_more_is_a_unix_time);
    tcase_add_test(times, a_unix_time_is_kept_to_the_second);
    tcase_add_test(times, the_present_second_and_those_before_it_have_passed);
    tcase_add_test(times, times_before_the_process_began_have_passed);
    tcase_add_test(times,
                   what_is_further_off_than_a_deadline_reaches_is_as_far_as_it_reaches);
    tcase_add_test(times, a_duration_that_would_wrap_round_ends_at_the_last_tick);
    tcase_add_test(times, a_later_expiry_never_has_an_earlier_deadline);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
