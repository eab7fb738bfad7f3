/* t/unit/test_slabs_automove.c - which class should give a page to which, by made-up counts. */
#include "slabs/automove_priv.h"

#include "t/unit/fixture.h"

enum { CLASSES = 4, A_PAGE = 1000, PAGES = 10 };

/* Counts as they are found at one look after the other. */
struct scene {
    struct automove       automove;
    struct automove_class classes[CLASS_MAX + 1];
    struct automove_how   how;
    unsigned              from, to;
};

static void
scene_init(struct scene *s)
{
    *s = (struct scene){ .how = { .ratio = 0.8 } };
    for (unsigned i = 1; i <= CLASSES; i++)
        s->classes[i] =
            (struct automove_class){ .pages = PAGES, .least = 1, .a_page = A_PAGE };
}

/* The same, but that none but the first two classes can give. */
static void
scene_init_of_two(struct scene *s)
{
    scene_init(s);
    for (unsigned i = 3; i <= CLASSES; i++)
        s->classes[i].least = PAGES;
}

/* In one class a page's worth has been evicted, of which so many were back soon. */
static void
misses(struct scene *s, unsigned size_class, uint32_t returned)
{
    s->classes[size_class].returned += returned;
    s->classes[size_class].evicted += A_PAGE;
    s->classes[size_class].added += A_PAGE;
    s->classes[size_class].filled += A_PAGE;
}

static bool
look(struct scene *s)
{
    return automove_look(&s->automove, s->classes, CLASSES);
}

/* A look, and does a page move? It does, then. */
static bool
moves(struct scene *s)
{
    look(s);
    if (!automove_decide(&s->automove, s->classes, CLASSES, &s->how, &s->from, &s->to))
        return false;
    s->classes[s->from].pages--;
    s->classes[s->to].pages++;
    return true;
}

START_TEST(nothing_moves_where_nothing_is_missed)
{
    struct scene s;

    scene_init(&s);
    ck_assert(!moves(&s));
    for (unsigned i = 1; i <= CLASSES; i++)
        misses(&s, i, 0);
    ck_assert(!moves(&s));
}
END_TEST

START_TEST(who_loses_least_gives_to_who_gains_most)
{
    struct scene s;

    scene_init(&s);
    misses(&s, 1, 30);
    misses(&s, 2, 5);
    misses(&s, 3, 60);
    misses(&s, 4, 20);
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 2);
    ck_assert_uint_eq(s.to, 3);
}
END_TEST

START_TEST(alike_classes_leave_each_other_alone)
{
    struct scene s;

    scene_init(&s);
    for (unsigned look = 0; look < 100; look++) {
        for (unsigned i = 1; i <= CLASSES; i++)
            misses(&s, i, 10 + (look + i) % 3);
        ck_assert(!moves(&s));
    }
}
END_TEST

START_TEST(what_may_be_chance_moves_nothing)
{
    struct scene s;

    scene_init(&s);
    s.classes[1].returned = s.classes[1].evicted = s.classes[1].added = 1;
    ck_assert(!moves(&s)); /* too few */
    scene_init(&s);
    misses(&s, 1, 12);
    for (unsigned i = 2; i <= CLASSES; i++)
        misses(&s, i, 10);
    ck_assert(!moves(&s)); /* too close */
}
END_TEST

START_TEST(a_class_that_evicts_little_has_the_chance_of_all)
{
    struct scene s;

    scene_init(&s);
    for (unsigned i = 1; i <= CLASSES; i++)
        misses(&s, i, 50);
    s.classes[2].returned =
        9; /* nine of ten: twice as much as the others, if it were so */
    s.classes[2].evicted = s.classes[2].added = 10;
    s.classes[2].pages = 1;
    s.classes[4].evicted = s.classes[4].added = 20; /* and none of twenty */
    s.classes[4].returned = 0;
    s.classes[4].pages = 1;
    ck_assert(!moves(&s));
    s.classes[2].returned = 450; /* but of 500 it is */
    s.classes[2].evicted = s.classes[2].added = 500;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.to, 2);
}
END_TEST

START_TEST(the_ratio_binds)
{
    struct scene s;

    scene_init(&s);
    s.how.ratio = 0.3;
    for (unsigned look = 0; look < 50; look++) {
        misses(&s, 1, 100);
        for (unsigned i = 2; i <= CLASSES; i++)
            misses(&s, i, 50);
        ck_assert(!moves(&s));
    }
    s.how.ratio = 0.8;
    ck_assert(moves(&s));
}
END_TEST

START_TEST(the_fewer_pages_a_class_has_the_dearer_they_are)
{
    struct scene s;

    scene_init(&s);
    s.classes[1].pages = 2;
    misses(&s, 1, 10);
    for (unsigned i = 2; i <= CLASSES; i++)
        misses(&s, i, i == 4 ? 100 : 12);
    ck_assert(moves(&s));
    ck_assert_uint_ne(s.from, 1);
}
END_TEST

START_TEST(a_class_keeps_the_least_that_it_is_granted)
{
    struct scene s;

    scene_init(&s);
    for (unsigned i = 1; i <= CLASSES; i++)
        s.classes[i].least = PAGES;
    misses(&s, 1, 100);
    ck_assert(!moves(&s));
    ck_assert_uint_eq(automove_give(&s.automove, s.classes, CLASSES), 0);
    s.classes[3].least = PAGES - 1;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 3);
}
END_TEST

START_TEST(free_chunks_are_given_first)
{
    struct scene s;

    scene_init(&s);
    for (unsigned i = 1; i <= CLASSES; i++)
        misses(&s, i, i == 1 ? 100 : 1);
    misses(&s, 3, 20);
    s.classes[3].free = 2 * A_PAGE;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 3);
}
END_TEST

START_TEST(more_than_two_pages_and_a_half_of_free_chunks_are_too_many)
{
    struct scene s;

    scene_init(&s);
    s.classes[2].free = 5 * A_PAGE / 2;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 0);
    s.classes[2].free++;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 2);
    s.classes[2].least = PAGES;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 0);
}
END_TEST

START_TEST(who_has_most_to_spare_gives)
{
    struct scene s;

    scene_init(&s);
    s.classes[2].free = 3 * A_PAGE;
    s.classes[3].free = 4 * A_PAGE;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 3);
    s.classes[2].free = 5 * A_PAGE;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 2);
}
END_TEST

START_TEST(what_is_evicted_to_give_a_page_is_no_sign_of_want)
{
    struct scene s;

    scene_init(&s);
    misses(&s, 1, 50);
    for (unsigned i = 2; i <= CLASSES; i++) {
        s.classes[i].idle = 1;
        s.classes[i].evicted = 5 * A_PAGE; /* and nothing stored */
    }
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.to, 1);
    for (unsigned i = 2; i <= CLASSES; i++)
        s.classes[i].added = 5 * A_PAGE;
    look(&s);
    ck_assert(s.automove.of_class[2].evicted < 20); /* but for the last few */
}
END_TEST

START_TEST(who_stores_much_and_evicts_nothing_yet_keeps_what_it_has)
{
    struct scene s;

    scene_init(&s);
    misses(&s, 1, 50);
    misses(&s, 3, 25);
    misses(&s, 4, 25);
    for (unsigned i = 1; i <= CLASSES; i++)
        s.classes[i].idle = 1;
    s.classes[2].added = 20 * A_PAGE;
    ck_assert(moves(&s));
    ck_assert_uint_ne(s.from, 2);
    scene_init(&s);
    misses(&s, 1, 50);
    misses(&s, 3, 25);
    misses(&s, 4, 25);
    s.classes[2].idle = 1;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 2);
}
END_TEST

START_TEST(who_evicts_nothing_gives_only_what_is_older_than_what_others_evict)
{
    struct scene s;

    scene_init(&s);
    misses(&s, 1, 100);
    s.classes[1].evicted_idle = 50;
    for (unsigned i = 2; i <= CLASSES; i++)
        s.classes[i].idle = 49;
    ck_assert(!moves(&s));
    s.classes[3].idle = 50;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 3);
    s.classes[3].idle = 0;
    ck_assert(!moves(&s));
    s.classes[4].a_page = A_PAGE / 10; /* large items have to be used more */
    s.classes[4].idle = 5;
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.from, 4);
}
END_TEST

START_TEST(what_a_class_missed_when_it_still_evicted_is_soon_of_no_account)
{
    struct scene s;
    unsigned     looks = 0;

    scene_init_of_two(&s);
    for (unsigned i = 0; i < 20; i++) {
        misses(&s, 2, 40);
        misses(&s, 1, 40);
        ck_assert(!moves(&s));
    }
    s.classes[2].idle = 1000; /* nobody asks for it any more */
    do
        misses(&s, 1, 40);
    while (!moves(&s) && ++looks < 1000);
    ck_assert_uint_lt(looks, 200);
    ck_assert_uint_eq(s.from, 2);
}
END_TEST

/* Each of these takes so many chunks, and a page has two. */
enum { CHAIN = 31 };

static void
misses_chains(struct scene *s, unsigned size_class, uint32_t items)
{
    s->classes[size_class].a_page = 2;
    s->classes[size_class].evicted += items;
    s->classes[size_class].added += items;
    s->classes[size_class].filled += items * CHAIN;
}

START_TEST(what_is_free_between_two_chains_is_not_given_away)
{
    struct scene s;

    scene_init(&s);
    s.classes[1].free = CHAIN;
    misses_chains(&s, 1, 1);
    look(&s);
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 0);
    s.classes[1].free = 2 * CHAIN;
    ck_assert_uint_eq(automove_spare(&s.automove, s.classes, CLASSES), 1);
}
END_TEST

START_TEST(chains_soon_outweigh_what_nobody_asks_for)
{
    struct scene s;
    unsigned     looks = 0;

    scene_init_of_two(&s);
    for (unsigned i = 0; i < 20; i++) {
        misses(&s, 2, 40);
        look(&s);
    }
    s.classes[2].idle = 1000;
    do
        misses_chains(&s, 1, 5);
    while (!(moves(&s) && s.to == 1) && ++looks < 1000);
    ck_assert_uint_lt(looks, 40);
    ck_assert_uint_eq(s.from, 2);
}
END_TEST

START_TEST(the_eager_do_not_wait_to_be_sure)
{
    struct scene s;

    scene_init(&s);
    s.how.eager = true;
    misses(&s, 1, 12);
    for (unsigned i = 2; i <= CLASSES; i++)
        misses(&s, i, 10);
    ck_assert(moves(&s));
    ck_assert_uint_eq(s.to, 1);
}
END_TEST

START_TEST(a_look_tells_whether_anything_was_evicted_or_given_out)
{
    struct scene s;

    scene_init(&s);
    ck_assert(look(&s)); /* there are pages */
    ck_assert(!look(&s));
    misses(&s, 2, 0);
    ck_assert(look(&s));
    ck_assert(!look(&s));
    s.classes[3].pages++;
    ck_assert(look(&s));
    ck_assert(!look(&s));
}
END_TEST

/* Two classes of 20 pages together, one with twice the requests: each page more brings it
 * less, as 1/pages. */
START_TEST(memory_comes_to_rest_where_a_page_is_worth_the_same_everywhere)
{
    struct scene s;
    unsigned     late = 0;

    scene_init(&s);
    s.classes[3].least = s.classes[4].least = PAGES;
    s.classes[1].pages = 2;
    s.classes[2].pages = 18;
    for (unsigned look = 0; look < 2000; look++) {
        misses(&s, 1, 400 / s.classes[1].pages);
        misses(&s, 2, 200 / s.classes[2].pages);
        late += moves(&s) && look >= 1000;
    }
    ck_assert_uint_ge(s.classes[1].pages, 11);
    ck_assert_uint_le(s.classes[1].pages, 15);
    ck_assert_uint_eq(late, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/automove");
    TCase *tcase = fixture_case(suite, "automove");

    tcase_add_test(tcase, nothing_moves_where_nothing_is_missed);
    tcase_add_test(tcase, who_loses_least_gives_to_who_gains_most);
    tcase_add_test(tcase, alike_classes_leave_each_other_alone);
    tcase_add_test(tcase, what_may_be_chance_moves_nothing);
    tcase_add_test(tcase, a_class_that_evicts_little_has_the_chance_of_all);
    tcase_add_test(tcase, the_ratio_binds);
    tcase_add_test(tcase, the_fewer_pages_a_class_has_the_dearer_they_are);
    tcase_add_test(tcase, a_class_keeps_the_least_that_it_is_granted);
    tcase_add_test(tcase, free_chunks_are_given_first);
    tcase_add_test(tcase, more_than_two_pages_and_a_half_of_free_chunks_are_too_many);
    tcase_add_test(tcase, who_has_most_to_spare_gives);
    tcase_add_test(tcase, what_is_evicted_to_give_a_page_is_no_sign_of_want);
    tcase_add_test(tcase, who_stores_much_and_evicts_nothing_yet_keeps_what_it_has);
    tcase_add_test(tcase,
                   who_evicts_nothing_gives_only_what_is_older_than_what_others_evict);
    tcase_add_test(tcase,
                   what_a_class_missed_when_it_still_evicted_is_soon_of_no_account);
    tcase_add_test(tcase, what_is_free_between_two_chains_is_not_given_away);
    tcase_add_test(tcase, chains_soon_outweigh_what_nobody_asks_for);
    tcase_add_test(tcase, the_eager_do_not_wait_to_be_sure);
    tcase_add_test(tcase, a_look_tells_whether_anything_was_evicted_or_given_out);
    tcase_add_test(tcase, memory_comes_to_rest_where_a_page_is_worth_the_same_everywhere);
    return fixture_run(suite);
}
