/* t/unit/test_slabs_item.c - what lies in a chunk: lengths, flags and where things are. */
#include "slabs/item_priv.h"

#include "t/unit/fixture.h"

enum { ROOM = 512 };

/* An item in memory of its own, painted all over first. */
static struct item *
item_make(unsigned char paint)
{
    struct item *item = malloc(ITEM_HEADER + ROOM);

    memset(item, paint, ITEM_HEADER + ROOM);
    item->traits = ITEM_TAKEN;
    item->key_length = 0;
    return item;
}

static void
item_set_key(struct item *item, const char *key)
{
    item->key_length = (uint8_t)strlen(key);
    memcpy(item->bytes, key, strlen(key));
}

START_TEST(value_lengths_of_24_bits_are_kept)
{
    static const size_t lengths[] = { 0,     1,       254,      255,      256,
                                      65535, 65536,   65537,    0x010203, MIB - 1,
                                      MIB,   MIB + 1, 0xfffffe, 0xffffff };
    struct item        *item = item_make(0xa5);

    for (size_t i = 0; i < LENGTH(lengths); i++) {
        item_set_value_length(item, lengths[i]);
        ck_assert_uint_eq(item_value_length(item), lengths[i]);
        ck_assert_uint_eq(item->key_length, 0);
    }
    free(item);
}
END_TEST

START_TEST(flags_of_zero_take_no_room)
{
    struct item *item = item_make(0);

    item_set_key(item, "key");
    item_set_client_flags(item, 0);
    item_set_value_length(item, 5);
    ck_assert_uint_eq(item_client_flags(item), 0);
    ck_assert_ptr_eq(item_value(item), item->bytes + 3);
    ck_assert_uint_eq(item_size(item), ITEM_HEADER + 3 + 5);
    ck_assert_uint_eq(item_size_of(3, 0, false, 5), ITEM_HEADER + 3 + 5);
    free(item);
}
END_TEST

START_TEST(other_flags_stand_between_key_and_value)
{
    static const uint32_t flags[] = { 1, 255, 256, 0x80000000, 0x01020304, UINT32_MAX };
    struct item          *item = item_make(0);

    item_set_key(item, "key");
    item_set_value_length(item, 5);
    for (size_t i = 0; i < LENGTH(flags); i++) {
        item_set_client_flags(item, flags[i]);
        ck_assert_uint_eq(item_client_flags(item), flags[i]);
        ck_assert_ptr_eq(item_value(item), item->bytes + 3 + 4);
        ck_assert_uint_eq(item_size(item), ITEM_HEADER + 3 + 4 + 5);
        ck_assert_uint_eq(item_size_of(3, flags[i], false, 5), ITEM_HEADER + 3 + 4 + 5);
        ck_assert_mem_eq(item->bytes, "key", 3);
    }
    item_set_client_flags(item, 0);
    ck_assert_uint_eq(item_client_flags(item), 0);
    ck_assert_ptr_eq(item_value(item), item->bytes + 3);
    ck_assert_uint_eq(item->traits, ITEM_TAKEN);
    free(item);
}
END_TEST

START_TEST(an_era_of_its_own_stands_between_the_flags_and_the_value)
{
    static const uint32_t flags[] = { 0, 0x01020304 };
    struct item          *item = item_make(0);

    item_set_key(item, "key");
    item_set_value_length(item, 5);
    item->traits |= ITEM_OWN_ERA;
    for (size_t i = 0; i < LENGTH(flags); i++) {
        size_t before = 3 + item_flags_room(flags[i]);

        item_set_client_flags(item, flags[i]);
        item_set_own_era(item, 0xfedcba98);
        ck_assert_uint_eq(item_own_era(item), 0xfedcba98);
        ck_assert_uint_eq(item_client_flags(item), flags[i]);
        ck_assert_ptr_eq(item_value(item), item->bytes + before + 4);
        ck_assert_uint_eq(item_size(item), item_size_of(3, flags[i], true, 5));
        ck_assert_uint_eq(item_size(item), ITEM_HEADER + before + 4 + 5);
    }
    free(item);
}
END_TEST

START_TEST(a_gap_stands_before_a_large_value)
{
    struct item *item = item_make(0);

    item_set_key(item, "key");
    item_set_value_length(item, ITEM_LARGE_VALUE - 1);
    ck_assert_ptr_eq(item_value(item), item->bytes + 3);
    item_set_value_length(item, ITEM_LARGE_VALUE);
    ck_assert_ptr_eq(item_value(item), item->bytes + 3 + ITEM_GAP);
    ck_assert_uint_eq(item_size(item), ITEM_HEADER + 3 + ITEM_GAP + ITEM_LARGE_VALUE);
    ck_assert_uint_eq(item_size_of(3, 0, false, ITEM_LARGE_VALUE), item_size(item));
    free(item);
}
END_TEST

START_TEST(a_key_is_any_bytes_of_up_to_250)
{
    struct item *item = item_make(0xff);
    char         key[CACHE_KEY_MAX];

    for (size_t length = 1; length <= sizeof(key); length++) {
        pattern_fill(key, length, length);
        item->key_length = (uint8_t)length;
        memcpy(item->bytes, key, length);
        quick_assert(span_equal(item_key(item), (struct span){ key, length }));
    }
    free(item);
}
END_TEST

START_TEST(marks_are_set_and_cleared_one_by_one)
{
    struct item *item = item_make(0);

    item_mark(item, ITEM_FETCHED);
    ck_assert_uint_eq(item_marks(item), ITEM_FETCHED);
    item_mark(item, ITEM_FETCHED | ITEM_ACTIVE);
    ck_assert_uint_eq(item_marks(item), ITEM_FETCHED | ITEM_ACTIVE);
    item_unmark(item, ITEM_ACTIVE);
    ck_assert_uint_eq(item_marks(item), ITEM_FETCHED);
    item_unmark(item, ITEM_ACTIVE);
    ck_assert_uint_eq(item_marks(item), ITEM_FETCHED);
    free(item);
}
END_TEST

START_TEST(the_links_reference_alone_is_no_pin)
{
    struct item *item = item_make(0);

    atomic_store(&item->references, 1);
    ck_assert(!item_is_pinned(item));
    atomic_store(&item->references, 2);
    ck_assert(item_is_pinned(item));
    atomic_store(&item->references, ITEM_REFERENCES_MAX);
    ck_assert(item_is_pinned(item));
    free(item);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/item");
    TCase *layout = fixture_case(suite, "layout");

    tcase_add_test(layout, value_lengths_of_24_bits_are_kept);
    tcase_add_test(layout, flags_of_zero_take_no_room);
    tcase_add_test(layout, other_flags_stand_between_key_and_value);
    tcase_add_test(layout, an_era_of_its_own_stands_between_the_flags_and_the_value);
    tcase_add_test(layout, a_gap_stands_before_a_large_value);
    tcase_add_test(layout, a_key_is_any_bytes_of_up_to_250);
    tcase_add_test(layout, marks_are_set_and_cleared_one_by_one);
    tcase_add_test(layout, the_links_reference_alone_is_no_pin);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
