/* t/unit/test_slabs_lock.c - ranked mutexes, and assertions that stay on.
 *
 * What must abort is run in a child, and what it says on its way out is read: which
 * condition, which file, and in debug builds which locks were held.
 */
#include "slabs/lock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slabs/must.h"
#include "t/unit/fixture.h"

enum { WORDS_MAX = 4096 };

/* Run it in a child; false unless that aborts. What it said is in `words`. */
static bool
dies(void (*run)(void), char words[WORDS_MAX])
{
    int     ends[2], status;
    size_t  length = 0;
    ssize_t n;
    pid_t   child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        run();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], words + length, WORDS_MAX - 1 - length)) > 0)
        length += (size_t)n;
    words[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* ---- must ------------------------------------------------------------------------ */

START_TEST(what_holds_passes)
{
    int truth = 1;

    must(truth);
    must(truth == 1 && truth != 2);
    must_hot(truth);
}
END_TEST

static void
claim_what_is_not(void)
{
    int two = 2;

    must(two + two == 5);
}

START_TEST(what_does_not_hold_aborts_and_names_the_condition_and_the_file)
{
    char words[WORDS_MAX];

    ck_assert(dies(claim_what_is_not, words));
    ck_assert_ptr_nonnull(strstr(words, "two + two == 5"));
    ck_assert_ptr_nonnull(strstr(words, "test_slabs_lock.c:"));
}
END_TEST

static void
claim_in_a_hot_loop_what_is_not(void)
{
    must_hot(getpid() < 0);
}

START_TEST(hot_assertions_are_checked_in_debug_builds_alone)
{
    char words[WORDS_MAX];
    bool died = dies(claim_in_a_hot_loop_what_is_not, words);

#if LARDER_DEBUG
    ck_assert(died);
    ck_assert_ptr_nonnull(strstr(words, "getpid() < 0"));
#else
    ck_assert(!died);
#endif
}
END_TEST

/* ---- locks ----------------------------------------------------------------------- */

static const enum lock_rank ranks[] = { RANK_STRIPE, RANK_LRU, RANK_CLASS, RANK_PAGES,
                                        RANK_LEAF };

static void
init_all(struct lock locks[LENGTH(ranks)])
{
    for (size_t i = 0; i < LENGTH(ranks); i++)
        lock_init(&locks[i], ranks[i]);
}

static void
fini_all(struct lock locks[LENGTH(ranks)])
{
    for (size_t i = 0; i < LENGTH(ranks); i++)
        lock_fini(&locks[i]);
}

START_TEST(all_ranks_may_be_held_at_once_when_taken_upwards)
{
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    for (size_t i = 0; i < LENGTH(ranks); i++)
        lock_take(&locks[i]);
    for (size_t i = 0; i < LENGTH(ranks); i++)
        lock_must_be_held(&locks[i]);
    for (size_t i = LENGTH(ranks); i-- > 0;)
        lock_drop(&locks[i]);
    locks_must_be_none();
    fini_all(locks);
}
END_TEST

START_TEST(locks_may_be_dropped_in_any_order)
{
    static const size_t orders[][LENGTH(ranks)] = {
        { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 0, 4, 1, 3 }, { 1, 4, 0, 3, 2 }
    };
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    for (size_t order = 0; order < LENGTH(orders); order++) {
        for (size_t i = 0; i < LENGTH(ranks); i++)
            lock_take(&locks[i]);
        for (size_t i = 0; i < LENGTH(ranks); i++) {
            lock_drop(&locks[orders[order][i]]);
            for (size_t j = i + 1; j < LENGTH(ranks); j++)
                lock_must_be_held(&locks[orders[order][j]]);
        }
        locks_must_be_none();
    }
    fini_all(locks);
}
END_TEST

START_TEST(after_a_drop_a_lower_rank_may_be_taken_again)
{
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    lock_take(&locks[3]);
    lock_drop(&locks[3]);
    lock_take(&locks[0]);
    lock_take(&locks[3]);
    lock_drop(&locks[0]);
    lock_drop(&locks[3]);
    fini_all(locks);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };

struct shared {
    struct lock lock;
    long        count; /* guarded by the lock, and not atomic */
};

static void *
count_under_the_lock(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&shared->lock);
        shared->count++;
        lock_drop(&shared->lock);
    }
    return NULL;
}

START_TEST(a_lock_lets_one_thread_in_at_a_time)
{
    struct shared shared = { .count = 0 };
    pthread_t     threads[THREADS];

    lock_init(&shared.lock, RANK_LEAF);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_under_the_lock, &shared),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(shared.count, (long)THREADS * ROUNDS);
    lock_fini(&shared.lock);
}
END_TEST

#if LARDER_DEBUG

static void
take_downwards(void)
{
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    lock_take(&locks[1]);
    lock_take(&locks[0]);
}

START_TEST(a_lower_rank_may_not_be_taken)
{
    char words[WORDS_MAX], rank[32];

    snprintf(rank, sizeof(rank), "holds a lock of rank %d", (int)ranks[1]);
    ck_assert(dies(take_downwards, words));
    ck_assert_ptr_nonnull(strstr(words, rank));
}
END_TEST

static void
take_two_of_a_rank(void)
{
    struct lock first, second;

    lock_init(&first, RANK_STRIPE);
    lock_init(&second, RANK_STRIPE);
    lock_take(&first);
    lock_take(&second);
}

static void
take_downwards_below_the_newest(void)
{
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    lock_take(&locks[0]);
    lock_take(&locks[4]);
    lock_take(&locks[2]);
}

static void
take_twice(void)
{
    struct lock lock;

    lock_init(&lock, RANK_STRIPE);
    lock_take(&lock);
    lock_take(&lock);
}

static void
drop_what_is_not_held(void)
{
    struct lock lock;

    lock_init(&lock, RANK_STRIPE);
    lock_drop(&lock);
}

static void
claim_to_hold_what_is_not_held(void)
{
    struct lock locks[LENGTH(ranks)];

    init_all(locks);
    lock_take(&locks[0]);
    lock_must_be_held(&locks[1]);
}

static void *
claim_to_hold(void *lock)
{
    lock_must_be_held(lock);
    return NULL;
}

static void
claim_to_hold_what_another_thread_holds(void)
{
    struct lock lock;
    pthread_t   thread;

    lock_init(&lock, RANK_STRIPE);
    lock_take(&lock);
    pthread_create(&thread, NULL, claim_to_hold, &lock);
    pthread_join(thread, NULL);
}

static void
claim_to_hold_none(void)
{
    struct lock lock;

    lock_init(&lock, RANK_LEAF);
    lock_take(&lock);
    locks_must_be_none();
}

static void (*const violations[])(void) = {
    take_two_of_a_rank,
    take_downwards_below_the_newest,
    take_twice,
    drop_what_is_not_held,
    claim_to_hold_what_is_not_held,
    claim_to_hold_what_another_thread_holds,
    claim_to_hold_none,
};

START_TEST(a_broken_rule_of_locks_aborts)
{
    char words[WORDS_MAX];

    ck_assert(dies(violations[_i], words));
    ck_assert_ptr_nonnull(strstr(words, "this must hold and does not"));
}
END_TEST

#endif

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/lock");
    TCase *assertions = fixture_case(suite, "must");
    TCase *locks = fixture_case(suite, "locks");

    tcase_add_test(assertions, what_holds_passes);
    tcase_add_test(assertions,
                   what_does_not_hold_aborts_and_names_the_condition_and_the_file);
    tcase_add_test(assertions, hot_assertions_are_checked_in_debug_builds_alone);
    tcase_add_test(locks, all_ranks_may_be_held_at_once_when_taken_upwards);
    tcase_add_test(locks, locks_may_be_dropped_in_any_order);
    tcase_add_test(locks, after_a_drop_a_lower_rank_may_be_taken_again);
    tcase_add_test(locks, a_lock_lets_one_thread_in_at_a_time);
#if LARDER_DEBUG
    tcase_add_test(locks, a_lower_rank_may_not_be_taken);
    tcase_add_loop_test(locks, a_broken_rule_of_locks_aborts, 0, (int)LENGTH(violations));
#endif
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
