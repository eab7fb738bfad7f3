/* t/unit/test_slabs_poison.c - what AddressSanitizer is told of pages and items.
 *
 * Only builds with it can tell; in the others there is nothing to see, and these tests
 * are content with that.
 */
#include "slabs/cache_priv.h"
#include "slabs/poison_priv.h"

#include "t/unit/fixture.h"

/* How many bytes from `at` on may be touched; `most` where all may. */
static size_t
usable(const void *at, size_t most)
{
#ifdef POISON_WORKS
    const char *bad = __asan_region_is_poisoned((void *)(uintptr_t)at, most);

    return bad != NULL ? (size_t)(bad - (const char *)at) : most;
#else
    (void)at;
    return most;
#endif
}

/* What usable() says where n of `most` bytes are in use. */
static size_t
expected(size_t n, size_t most)
{
#ifdef POISON_WORKS
    (void)most;
    return n;
#else
    (void)n;
    return most;
#endif
}

START_TEST(a_chunk_is_usable_while_it_is_taken)
{
    struct cache_config config = fixture_config(4 * MIB);
    struct pages        pages;
    struct magazine     magazine;
    struct item        *chunk;
    size_t              bytes;

    ck_assert(pages_init(&pages, &config, 40, MIB));
    bytes = pages.classes.bytes[3];
    magazine_init(&magazine, &pages, 3);
    chunk = pages_take_chunk(&pages, &magazine, 3);
    ck_assert_uint_eq(usable(chunk, bytes), bytes);
    /* The one behind it was never taken, so not even its header was. */
    ck_assert_uint_eq(usable((char *)chunk + bytes, 1), expected(0, 1));
    pages_give_chunk(&pages, &magazine, 3, chunk);
    ck_assert_uint_eq(usable(chunk, bytes), expected(ITEM_HEADER, bytes));
    ck_assert_uint_eq(usable(pages_item(&pages, 0), 1), expected(0, 1));
    pages_fini(&pages);
}
END_TEST

/* Exactly the bytes of the item are usable, up to the end of its chunk. */
static void
check_item(struct fixture *f, const char *name)
{
    struct item *item = item_of(f, name);
    size_t bytes = f->cache->pages.classes.bytes[pages_class(&f->cache->pages, item)];

    ck_assert_uint_le(item_size(item), bytes);
    ck_assert_uint_eq(usable(item, bytes), expected(item_size(item), bytes));
}

START_TEST(an_item_is_usable_to_its_last_byte)
{
    struct fixture f;
    static char    value[20000];

    fixture_init(&f);
    for (size_t length = 0; length < 300; length++) {
        ck_assert_int_eq(put_span(&f, "a", (struct span){ value, length }, 0), CACHE_OK);
        check_item(&f, "a");
    }
    ck_assert_int_eq(put_span(&f, "l", (struct span){ value, 20000 }, 0), CACHE_OK);
    check_item(&f, "l");
    fixture_fini(&f);
}
END_TEST

START_TEST(an_item_that_is_written_over_ends_where_the_new_value_does)
{
    struct fixture     f;
    struct cache_store store;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "key");
    for (unsigned round = 0; round < 200; round++) {
        struct cache_result result;
        struct span         value = { "abcdefghijklmnopqrstuvwxyz", round * 7 % 27 };

        store.client_flags = round % 3;
        store.new_cas = round % 5 == 0 ? round + 1 : 0;
        ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
        check_item(&f, "key");
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(joined_counted_and_emptied_items_are_usable_as_well)
{
    struct fixture         f;
    struct cache_store     join;
    struct cache_result    result;
    struct cache_key       key;
    struct cache_count_how count = { .delta = UINT64_MAX / 2 };
    struct cache_drop_how  empty = { .empties = true, .client_flags = 7 };

    fixture_init(&f);
    put(&f, "key", "1", 0);
    key = key_of(&f, "key");
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &count, &result), CACHE_OK);
    check_item(&f, "key");
    join = store_of(&f, CACHE_APPEND, "key");
    ck_assert_int_eq(cache_store(f.thread, &join, SPAN("and more"), &result), CACHE_OK);
    check_item(&f, "key");
    ck_assert_int_eq(cache_drop(f.thread, &key, &empty, &result), CACHE_OK);
    check_item(&f, "key");
    fixture_fini(&f);
}
END_TEST

/* An upload of so many bytes may touch as many and no more, before it is stored and after. */
static void
check_upload(size_t length)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_result result;
    struct cache_upload upload;
    char               *to;
    size_t              room;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "key");
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, length, &upload), CACHE_OK);
    to = cache_upload_room(f.thread, &upload, &room);
    ck_assert_uint_eq(room, length);
    ck_assert_uint_eq(usable(to, length + 1), expected(length, length + 1));
    memset(to, 'v', length);
    cache_upload_fill(&upload, length);
    ck_assert_int_eq(cache_upload_commit(f.thread, &store, &upload, &result), CACHE_OK);
    check_item(&f, "key");
    fixture_fini(&f);
}

START_TEST(an_upload_has_room_for_its_value_and_no_more)
{
    check_upload(5);
}
END_TEST

START_TEST(an_upload_behind_a_gap_has_room_for_its_value_and_no_more)
{
    check_upload(ITEM_LARGE_VALUE - 1);
    check_upload(ITEM_LARGE_VALUE);
    check_upload(ITEM_LARGE_VALUE + 1);
}
END_TEST

/* Lengths on both sides of where the gap begins, also one behind the other in one chunk. */
START_TEST(an_item_with_a_gap_is_usable_to_its_last_byte)
{
    static const size_t lengths[] = { ITEM_LARGE_VALUE, ITEM_LARGE_VALUE - 1,
                                      ITEM_LARGE_VALUE + 7, 100, 300000 };
    struct fixture      f;
    struct cache_result result;
    char               *value = calloc(1, 300000);

    fixture_init(&f);
    for (unsigned i = 0; i < LENGTH(lengths); i++) {
        struct cache_store store = store_of(&f, CACHE_SET, "key");

        store.client_flags = i % 2;
        store.new_cas = i % 3;
        ck_assert_int_eq(
            cache_store(f.thread, &store, (struct span){ value, lengths[i] }, &result),
            CACHE_OK);
        check_item(&f, "key");
    }
    free(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_joined_over_the_border_of_the_gap_is_usable_as_well)
{
    static const enum cache_store_mode modes[] = { CACHE_APPEND, CACHE_PREPEND };
    struct fixture                     f;
    struct cache_result                result;
    char                              *value = calloc(1, ITEM_LARGE_VALUE);

    fixture_init(&f);
    for (unsigned i = 0; i < LENGTH(modes); i++) {
        struct cache_store join = store_of(&f, modes[i], "key");

        ck_assert_int_eq(
            put_span(&f, "key", (struct span){ value, ITEM_LARGE_VALUE - 1 }, 0),
            CACHE_OK);
        check_item(&f, "key");
        for (unsigned n = 0; n < 3; n++) {
            ck_assert_int_eq(cache_store(f.thread, &join, SPAN("1"), &result), CACHE_OK);
            check_item(&f, "key");
        }
        ck_assert(item_value_offset(item_of(&f, "key")) == 3 + ITEM_GAP);
    }
    free(value);
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/poison");
    TCase *tcase = fixture_case(suite, "poison");

    tcase_add_test(tcase, a_chunk_is_usable_while_it_is_taken);
    tcase_add_test(tcase, an_item_is_usable_to_its_last_byte);
    tcase_add_test(tcase, an_item_that_is_written_over_ends_where_the_new_value_does);
    tcase_add_test(tcase, joined_counted_and_emptied_items_are_usable_as_well);
    tcase_add_test(tcase, an_item_with_a_gap_is_usable_to_its_last_byte);
    tcase_add_test(tcase, what_is_joined_over_the_border_of_the_gap_is_usable_as_well);
    tcase_add_test(tcase, an_upload_has_room_for_its_value_and_no_more);
    tcase_add_test(tcase, an_upload_behind_a_gap_has_room_for_its_value_and_no_more);
    return fixture_run(suite);
}
