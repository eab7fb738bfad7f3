/* t/unit/test_slabs_classes.c - which chunk sizes there are, for settings of all kinds. */
#include "slabs/classes.h"

#include "slabs/item_priv.h"
#include "t/unit/fixture.h"

enum { PAGE = MIB };

struct setting {
    uint32_t smallest;
    double   growth;
    uint32_t unit;
};

/* The smallest chunk is a header and what -n asks for. */
static const struct setting settings[] = {
    { ITEM_HEADER + 8, 1.25, 4 },
    { ITEM_HEADER + 8, 1.25, 8 },
    { ITEM_HEADER + 8, 1.05, 4 },
    { ITEM_HEADER + 8, 1.05, 8 },
    { ITEM_HEADER + 8, 1.08, 8 },
    { ITEM_HEADER + 8, 1.1, 8 },
    { ITEM_HEADER + 8, 1.5, 8 },
    { ITEM_HEADER + 8, 2.0, 8 },
    { ITEM_HEADER + 8, 16.0, 4 },
    { ITEM_HEADER + 8, 16.0, 8 },
    { ITEM_HEADER + 8, 1.0001, 4 },
    { ITEM_HEADER + 8, 1.0001, 8 },
    { ITEM_HEADER + 48, 1.25, 8 },
    { ITEM_HEADER + 49, 1.25, 8 },
    { ITEM_HEADER + 1000, 1.25, 8 },
    { ITEM_HEADER + 100000, 1.25, 8 },
    { ITEM_HEADER + 524256, 1.25, 8 },
    { ITEM_HEADER + 524257, 1.25, 8 },
    { PAGE, 1.25, 8 },
    { ITEM_HEADER + 8, 1.25, 16 },
    { ITEM_HEADER + 8, 1.05, 16 },
    { ITEM_HEADER + 48, 2.0, 16 },
    { ITEM_HEADER + 8, 1.25, 64 },
    { ITEM_HEADER + 8, 1.25, 128 },
    { ITEM_HEADER + 1000, 1.0001, 16 },
};

static struct classes
classes_for(int i)
{
    struct classes classes;

    classes_init(&classes, settings[i].smallest, PAGE, PAGE, settings[i].growth,
                 settings[i].unit);
    return classes;
}

START_TEST(every_size_finds_the_smallest_class_that_holds_it)
{
    struct classes classes = classes_for(_i);

    for (size_t bytes = 0; bytes <= PAGE; bytes++) {
        unsigned found = classes_find(&classes, bytes);

        quick_assert(found >= 1 && found <= classes.count);
        quick_assert(classes.bytes[found] >= bytes);
        quick_assert(classes.bytes[found - 1] < bytes || found == 1);
    }
}
END_TEST

START_TEST(what_is_larger_than_a_page_finds_none)
{
    struct classes classes = classes_for(_i);

    ck_assert_uint_eq(classes_find(&classes, PAGE), classes.count);
    ck_assert_uint_eq(classes_find(&classes, PAGE + 1), 0);
    ck_assert_uint_eq(classes_find(&classes, SIZE_MAX), 0);
}
END_TEST

START_TEST(sizes_grow_from_the_smallest_to_a_page_in_whole_units)
{
    struct classes classes = classes_for(_i);

    ck_assert_uint_ge(classes.count, 1);
    ck_assert_uint_le(classes.count, CLASS_MAX);
    ck_assert_uint_eq(classes.bytes[0], 0);
    ck_assert_uint_ge(classes.bytes[1], settings[_i].smallest);
    ck_assert_uint_eq(classes.bytes[classes.count], PAGE);
    for (unsigned i = 1; i <= classes.count; i++) {
        ck_assert_uint_gt(classes.bytes[i], classes.bytes[i - 1]);
        ck_assert_uint_eq(classes.bytes[i] % settings[_i].unit, 0);
    }
}
END_TEST

START_TEST(no_chunk_could_be_wider_at_the_same_number_a_page)
{
    struct classes classes = classes_for(_i);

    for (unsigned i = 1; i <= classes.count; i++) {
        uint32_t chunks = PAGE / classes.bytes[i];

        ck_assert_uint_lt(PAGE / (classes.bytes[i] + settings[_i].unit), chunks);
    }
}
END_TEST

/* From one class to the next it is never further than the growth factor, one unit and
 * what the widening adds: less than one chunk's share of a page. */
START_TEST(no_step_is_longer_than_the_growth_asked_for)
{
    struct classes classes = classes_for(_i);

    for (unsigned i = 2; i <= classes.count; i++) {
        double before = classes.bytes[i - 1];
        double reach = before * settings[_i].growth + settings[_i].unit;
        double chunks = PAGE / classes.bytes[i];

        /* growth that no table of classes has room for may be exceeded, but not twofold */
        if (settings[_i].growth < 1.06 && reach < before * 2)
            reach = before * 2;
        ck_assert_msg(classes.bytes[i] <= reach * (chunks + 1) / chunks,
                      "growth %g: after %u comes %u", settings[_i].growth,
                      classes.bytes[i - 1], classes.bytes[i]);
    }
}
END_TEST

START_TEST(small_items_waste_a_fifteenth_and_a_unit_at_most)
{
    struct classes classes = classes_for(_i);

    for (size_t bytes = settings[_i].smallest; bytes <= CLASS_FINE_BYTES; bytes++) {
        size_t chunk = classes.bytes[classes_find(&classes, bytes)];

        /* widened by less than a unit: a page holds over a thousand of these */
        quick_assert(chunk - bytes <= bytes / 14 + 2 * settings[_i].unit);
    }
}
END_TEST

START_TEST(the_default_wastes_four_bytes_of_a_small_item_on_average)
{
    struct classes classes = classes_for(0);
    size_t         waste = 0;

    for (size_t bytes = 41; bytes <= 256; bytes++)
        waste += classes.bytes[classes_find(&classes, bytes)] - bytes;
    ck_assert_uint_le(waste, 4 * (256 - 40));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/classes");
    TCase *sizes = fixture_case(suite, "sizes");
    int    all = (int)LENGTH(settings);

    tcase_add_loop_test(sizes, every_size_finds_the_smallest_class_that_holds_it, 0, all);
    tcase_add_loop_test(sizes, what_is_larger_than_a_page_finds_none, 0, all);
    tcase_add_loop_test(sizes, sizes_grow_from_the_smallest_to_a_page_in_whole_units, 0,
                        all);
    tcase_add_loop_test(sizes, no_chunk_could_be_wider_at_the_same_number_a_page, 0, all);
    tcase_add_loop_test(sizes, no_step_is_longer_than_the_growth_asked_for, 0, all);
    tcase_add_loop_test(sizes, small_items_waste_a_fifteenth_and_a_unit_at_most, 0, all);
    tcase_add_test(sizes, the_default_wastes_four_bytes_of_a_small_item_on_average);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
