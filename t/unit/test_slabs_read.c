/* t/unit/test_slabs_read.c - readings: copies, pins, and what a pinned reader sees while
 * others change the item. */
#include <signal.h>
#include <stdio.h>

#include "slabs/cache_priv.h"
#include "t/unit/fixture.h"

enum { LARGE = CACHE_COPY_MAX + 1000 };

/* Put a value of LARGE patterned bytes, and begin to read it. */
static struct cache_reading
pin_large(struct fixture *f, const char *name, uint64_t seed)
{
    static char          value[LARGE];
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;

    pattern_fill(value, LARGE, seed);
    quick_assert(put_span(f, name, (struct span){ value, LARGE }, 0) == CACHE_OK);
    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    quick_assert(reading.pinned);
    return reading;
}

static bool
still_holds(struct cache_reading *reading, uint64_t seed)
{
    struct span value = cache_read_value(reading, 0);

    return value.length == LARGE && pattern_holds(value, seed);
}

START_TEST(a_miss_leaves_nothing_to_end)
{
    struct fixture       f;
    struct cache_reading reading;
    struct cache_key     key;

    fixture_init(&f);
    key = key_of(&f, "k");
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_MISS);
    put(&f, "k", "v", 0); /* the stripe is not held */
    fixture_fini(&f);
}
END_TEST

START_TEST(a_reading_tells_all_about_its_item)
{
    struct fixture       f;
    struct cache_store   store;
    struct cache_result  result;
    struct cache_reading reading;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    store.client_flags = 4711;
    ck_assert_int_eq(cache_store(f.thread, &store, SPAN("value"), &result), CACHE_OK);
    ck_assert_int_eq(cache_read(f.thread, &store.key, &reading), CACHE_OK);
    ck_assert_uint_eq(reading.cas, result.cas);
    ck_assert_uint_eq(reading.client_flags, 4711);
    ck_assert_uint_eq(reading.size_class, result.size_class);
    ck_assert_uint_eq(reading.value_length, 5);
    ck_assert(!reading.pinned);
    ck_assert(reading_holds(&reading, SPAN("value")));
    cache_read_end(f.thread, &reading);
    ck_assert(!reading.pinned);
    ck_assert_ptr_null(reading.stripe);
    fixture_fini(&f);
}
END_TEST

START_TEST(ending_a_reading_twice_does_no_harm)
{
    struct fixture       f;
    struct cache_reading reading;

    fixture_init(&f);
    reading = pin_large(&f, "k", 1);
    cache_read_end(f.thread, &reading);
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_is_read_on_from_any_offset)
{
    struct fixture       f;
    struct cache_reading reading;
    char                 expected[LARGE];

    fixture_init(&f);
    reading = pin_large(&f, "k", 1);
    pattern_fill(expected, LARGE, 1);
    for (size_t from = 0; from < LARGE; from++) {
        struct span piece = cache_read_value(&reading, from);

        quick_assert(piece.length > 0 && piece.length <= LARGE - from);
        quick_assert(memcmp(piece.at, expected + from, piece.length) == 0);
    }
    ck_assert_uint_eq(cache_read_value(&reading, LARGE).length, 0);
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

/* ---- what happens meanwhile ------------------------------------------------------ */

static void
overwrite(struct fixture *f)
{
    char value[LARGE];

    memset(value, 'w', sizeof(value));
    ck_assert_int_eq(put_span(f, "k", (struct span){ value, LARGE }, 0), CACHE_OK);
    assert_value_span(f, "k", (struct span){ value, LARGE });
}

static void
join(struct fixture *f, enum cache_store_mode mode)
{
    struct cache_store  store = store_of(f, mode, "k");
    struct cache_result result;

    ck_assert_int_eq(cache_store(f->thread, &store, SPAN("x"), &result), CACHE_OK);
}

static void
append(struct fixture *f)
{
    join(f, CACHE_APPEND);
}

static void
prepend(struct fixture *f)
{
    join(f, CACHE_PREPEND);
}

static void
shrink(struct fixture *f)
{
    put(f, "k", "small", 0);
}

static void
remove_it(struct fixture *f)
{
    ck_assert_int_eq(drop(f, "k"), CACHE_OK);
    overwrite(f); /* the chunk must not be given to this one */
}

static void
empty_it(struct fixture *f)
{
    const struct cache_drop_how how = { .empties = true };
    struct cache_key            key = key_of(f, "k");
    struct cache_result         result;

    ck_assert_int_eq(cache_drop(f->thread, &key, &how, &result), CACHE_OK);
    assert_value(f, "k", "");
}

static void
mark_stale(struct fixture *f)
{
    const struct cache_drop_how how = { .invalidates = true };
    struct cache_key            key = key_of(f, "k");
    struct cache_result         result;

    ck_assert_int_eq(cache_drop(f->thread, &key, &how, &result), CACHE_OK);
}

static void
choose_id(struct fixture *f)
{
    const struct cache_drop_how how = { .invalidates = true, .new_cas = 12345 };
    struct cache_key            key = key_of(f, "k");
    struct cache_result         result;

    ck_assert_int_eq(cache_drop(f->thread, &key, &how, &result), CACHE_OK);
    ck_assert_uint_eq(cas_of(f, "k"), 12345);
}

static void
touch(struct fixture *f)
{
    struct cache_key    key = key_of(f, "k");
    struct cache_result result;

    ck_assert_int_eq(cache_touch(f->thread, &key, 1, &result), CACHE_OK);
}

static void
expire(struct fixture *f)
{
    touch(f);
    advance(f, 2);
    ck_assert_int_eq(peek(f, "k"), CACHE_MISS);
    overwrite(f);
}

static void
flush(struct fixture *f)
{
    cache_flush(f->thread);
    ck_assert_int_eq(peek(f, "k"), CACHE_MISS);
    overwrite(f);
}

/* Store until others had to go, several times over. */
static void
press(struct fixture *f)
{
    char value[LARGE];

    for (unsigned i = 0; counters_of(f).evictions < 5000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "press%u", i);
        pattern_fill(value, LARGE, i + 1000);
        quick_assert(put_span(f, name, (struct span){ value, LARGE }, 0) == CACHE_OK);
    }
}

static void (*const events[])(struct fixture *f) = { overwrite,  append,    prepend,
                                                     shrink,     remove_it, empty_it,
                                                     mark_stale, choose_id, touch,
                                                     expire,     flush,     press };

START_TEST(a_pinned_reader_sees_the_old_bytes_whatever_happens)
{
    struct fixture       f;
    struct cache_reading first, second;

    fixture_init(&f);
    first = pin_large(&f, "k", 42);
    second = first;
    ck_assert(still_holds(&first, 42));
    events[_i](&f);
    ck_assert(still_holds(&second, 42)); /* a reading may be moved */
    cache_check(f.cache, false);
    cache_read_end(f.thread, &second);
    fixture_fini(&f);
}
END_TEST

START_TEST(readers_of_several_generations_each_see_their_own)
{
    struct fixture       f;
    struct cache_reading readings[20];

    fixture_init(&f);
    for (uint64_t i = 0; i < LENGTH(readings); i++)
        readings[i] = pin_large(&f, "k", i);
    for (uint64_t i = 0; i < LENGTH(readings); i++)
        ck_assert(still_holds(&readings[i], i));
    for (size_t i = 0; i < LENGTH(readings); i++)
        cache_read_end(f.thread, &readings[i * 7 % LENGTH(readings)]);
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_counter_may_be_raised_while_it_is_read)
{
    const struct cache_count_how how = { .delta = 1 };
    struct fixture               f;
    struct cache_reading         reading;
    struct cache_result          result;
    struct cache_key             key;
    char                         number[LARGE];

    fixture_init(&f);
    key = key_of(&f, "k");
    memset(number, '0', LARGE);
    number[LARGE - 1] = '7';
    ck_assert_int_eq(put_span(&f, "k", (struct span){ number, LARGE }, 0), CACHE_OK);
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &how, &result), CACHE_OK);
    ck_assert(reading_holds(&reading, (struct span){ number, LARGE }));
    assert_value(&f, "k", "8"); /* a new item, of exactly its length */
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

START_TEST(when_no_more_pins_are_to_be_had_it_is_a_miss)
{
    struct fixture        f;
    struct cache_reading *readings = calloc(ITEM_REFERENCES_MAX, sizeof(*readings));
    struct cache_key      key;
    unsigned              count = 1;

    fixture_init(&f);
    key = key_of(&f, "k");
    readings[0] = pin_large(&f, "k", 1);
    while (cache_read(f.thread, &key, &readings[count]) == CACHE_OK)
        quick_assert(++count < ITEM_REFERENCES_MAX);
    ck_assert_uint_eq(count, ITEM_REFERENCES_MAX - 1);
    cache_read_end(f.thread, &readings[0]);
    ck_assert_int_eq(cache_read(f.thread, &key, &readings[0]), CACHE_OK);
    ck_assert_int_eq(cache_read(f.thread, &key, &readings[count]), CACHE_MISS);
    overwrite(&f); /* others may still write, and read what is new */
    for (unsigned i = 0; i < count; i++) {
        quick_assert(i % 1000 != 0 || still_holds(&readings[i], 1));
        cache_read_end(f.thread, &readings[i]);
    }
    free(readings);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_pin_that_is_left_over_fails_the_fixture)
{
    struct fixture       f;
    struct cache_reading reading;

    fixture_init(&f);
    reading = pin_large(&f, "k", 1);
    ck_assert(reading.pinned);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    cache_check(f.cache, true);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/read");
    TCase *readings = fixture_case(suite, "readings");
    TCase *pins = fixture_case(suite, "pins");

    tcase_add_test(readings, a_miss_leaves_nothing_to_end);
    tcase_add_test(readings, a_reading_tells_all_about_its_item);
    tcase_add_test(readings, ending_a_reading_twice_does_no_harm);
    tcase_add_test(readings, a_value_is_read_on_from_any_offset);
    tcase_add_loop_test(pins, a_pinned_reader_sees_the_old_bytes_whatever_happens, 0,
                        (int)LENGTH(events));
    tcase_add_test(pins, readers_of_several_generations_each_see_their_own);
    tcase_add_test(pins, a_counter_may_be_raised_while_it_is_read);
    tcase_add_test(pins, when_no_more_pins_are_to_be_had_it_is_a_miss);
    tcase_add_test_raise_signal(pins, a_pin_that_is_left_over_fails_the_fixture, SIGABRT);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
