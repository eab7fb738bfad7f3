/* t/unit/test_server_mover.c - a turn of who moves memory. */
#include "server/mover.h"
#include "t/unit/fixture.h"

START_TEST(it_answers_within_a_turn)
{
    static const struct options options = { .slab_reassign = true };
    struct watch                watch = { 0 };
    struct watch_ring           ring = { .watch = &watch };
    struct pulse                pulse = { 0 };
    struct mover                mover;
    struct fixture              f;

    fixture_init(&f);
    mover_init(&mover, f.cache, &ring, &pulse, &options);
    ck_assert(pulse_call(&pulse));
    mover_turn(&mover, f.thread, 0);
    ck_assert(pulse_call(&pulse));
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server/mover");
    TCase *turn = fixture_case_of_one(suite, "turn");

    tcase_add_test(turn, it_answers_within_a_turn);
    return fixture_run(suite);
}
