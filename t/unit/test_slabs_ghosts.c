/* t/unit/test_slabs_ghosts.c - keys that were evicted lately, and who misses them. */
#include "slabs/ghosts_priv.h"

#include <stdio.h>

#include "slabs/cache_priv.h"
#include "t/unit/fixture.h"

/* Ghosts of a cache of class 1 chunks of 64 bytes, class 2 of 1 KiB and class 3 of 256. */
static void
ghosts_make(struct ghosts *ghosts)
{
    struct classes classes = { .count = 3, .bytes = { 0, 64, 1 << 10, 256 << 10 } };

    ck_assert(ghosts_init(ghosts, &classes, MIB));
}

static uint32_t
hits(const struct ghosts *ghosts, unsigned size_class)
{
    return atomic_load(&ghosts->hits[size_class]);
}

START_TEST(a_miss_of_what_was_evicted_is_a_hit_for_its_class_once)
{
    struct ghosts ghosts;

    ghosts_make(&ghosts);
    ghosts_note(&ghosts, 0x1234567800000077, 3);
    ghosts_miss(&ghosts, 0x1234567900000077);
    ck_assert_uint_eq(hits(&ghosts, 3), 0);
    ghosts_miss(&ghosts, 0x1234567800000077);
    ck_assert_uint_eq(hits(&ghosts, 3), 1);
    ghosts_miss(&ghosts, 0x1234567800000077);
    ck_assert_uint_eq(hits(&ghosts, 3), 1);
    ck_assert_uint_eq(hits(&ghosts, 1) + hits(&ghosts, 2), 0);
    ghosts_fini(&ghosts);
}
END_TEST

START_TEST(only_the_last_pages_worth_of_a_class_counts)
{
    struct ghosts ghosts;
    struct dice   dice = { 1 };
    uint64_t      first = dice_bits(&dice), second = dice_bits(&dice);

    ghosts_make(&ghosts);
    ghosts_note(&ghosts, first, 3);
    ghosts_note(&ghosts, second, 3);
    for (unsigned i = 0; i < 3; i++)
        ghosts_note(&ghosts, dice_bits(&dice), 3); /* a page has four */
    for (unsigned i = 0; i < 100; i++)
        ghosts_note(&ghosts, dice_bits(&dice), 2); /* others do not matter */
    ghosts_miss(&ghosts, first);
    ck_assert_uint_eq(hits(&ghosts, 3), 1);
    for (unsigned i = 0; i < 2; i++)
        ghosts_note(&ghosts, dice_bits(&dice), 3);
    ghosts_miss(&ghosts, second);
    ck_assert_uint_eq(hits(&ghosts, 3), 1);
    ghosts_fini(&ghosts);
}
END_TEST

START_TEST(of_small_items_a_sample_is_kept_that_stands_for_all)
{
    enum { ROUNDS = 1 << 14 }; /* chunks of 64 bytes on a page */
    struct ghosts ghosts;
    struct dice   dice = { 2 };
    uint64_t     *all = malloc(ROUNDS * sizeof(*all));
    double        scale;

    ghosts_make(&ghosts);
    scale = (double)(1u << ghosts.shift[1]);
    ck_assert_uint_eq(ghosts.a_page[1], ROUNDS);
    ck_assert_uint_le(ROUNDS >> ghosts.shift[1], GHOST_SAMPLES);
    ck_assert_uint_eq(ghosts.shift[3], 0);
    for (unsigned i = 0; i < ROUNDS; i++)
        ghosts_note(&ghosts, all[i] = dice_bits(&dice), 1);
    for (unsigned i = 0; i < ROUNDS; i++)
        ghosts_miss(&ghosts, all[i]);
    ck_assert_double_gt(hits(&ghosts, 1) * scale, ROUNDS / 2.0);
    ck_assert_double_lt(hits(&ghosts, 1) * scale, ROUNDS * 1.5);
    free(all);
    ghosts_fini(&ghosts);
}
END_TEST

START_TEST(all_classes_together_have_room)
{
    struct classes classes;
    struct ghosts  ghosts;
    struct dice    dice = { 3 }, again = { 3 };
    double         part = 0;

    classes_init(&classes, 40, MIB, MIB, 1.25, 8);
    ck_assert(ghosts_init(&ghosts, &classes, MIB));
    for (unsigned i = 1; i <= classes.count; i++) {
        for (unsigned n = 0; n < ghosts.a_page[i]; n++)
            ghosts_note(&ghosts, dice_bits(&dice), i);
    }
    for (unsigned i = 1; i <= classes.count; i++) {
        for (unsigned n = 0; n < ghosts.a_page[i]; n++)
            ghosts_miss(&ghosts, dice_bits(&again));
        part += (double)hits(&ghosts, i) * (1u << ghosts.shift[i]) / ghosts.a_page[i];
    }
    ck_assert_double_gt(part / classes.count, 0.8);
    ghosts_fini(&ghosts);
}
END_TEST

/* ---- in a cache ------------------------------------------------------------------ */

static const char *
name_of(unsigned number)
{
    static char name[16];

    snprintf(name, sizeof(name), "k%07u", number);
    return name;
}

static void
put_large(struct fixture *f, unsigned number)
{
    static char value[100000];

    ck_assert_int_eq(
        put_span(f, name_of(number), (struct span){ value, sizeof(value) }, 0), CACHE_OK);
}

START_TEST(a_cache_counts_what_one_page_more_would_have_brought)
{
    struct fixture f;
    unsigned       size_class, a_page, count = 200;

    fixture_init(&f);
    size_class = cache_class_for(f.cache, 8, 0, 100000);
    a_page = pages_chunks(&f.cache->pages, size_class);
    for (unsigned number = 0; number < count; number++)
        put_large(&f, number);
    for (unsigned number = 0; number < count; number++)
        peek(&f, name_of(number));
    ck_assert_uint_gt(hits(&f.cache->ghosts, size_class), a_page / 2);
    ck_assert_uint_le(hits(&f.cache->ghosts, size_class), a_page + 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_was_deleted_or_has_expired_is_no_ghost)
{
    struct fixture f;
    unsigned       size_class;

    fixture_init(&f);
    size_class = cache_class_for(f.cache, 8, 0, 100000);
    for (unsigned number = 0; number < 20; number++)
        put_large(&f, number);
    for (unsigned number = 0; number < 20; number++)
        drop(&f, name_of(number));
    for (unsigned number = 0; number < 20; number++)
        ck_assert_int_eq(peek(&f, name_of(number)), CACHE_MISS);
    ck_assert_uint_eq(hits(&f.cache->ghosts, size_class), 0);
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/ghosts");
    TCase *tcase = fixture_case(suite, "ghosts");

    tcase_add_test(tcase, a_miss_of_what_was_evicted_is_a_hit_for_its_class_once);
    tcase_add_test(tcase, only_the_last_pages_worth_of_a_class_counts);
    tcase_add_test(tcase, of_small_items_a_sample_is_kept_that_stands_for_all);
    tcase_add_test(tcase, all_classes_together_have_room);
    tcase = fixture_case(suite, "in a cache");
    tcase_add_test(tcase, a_cache_counts_what_one_page_more_would_have_brought);
    tcase_add_test(tcase, what_was_deleted_or_has_expired_is_no_ghost);
    return fixture_run(suite);
}
