/* t/unit/test_slabs_store.c - set, add, replace, append, prepend, cas, delete, and the
 * lengths at which things change. */
#include "slabs/cache_priv.h"
#include "t/unit/fixture.h"

/* A store with its result, which starts out painted. */
struct outcome {
    enum cache_status   status;
    struct cache_result result;
};

static struct outcome
store(struct fixture *f, const struct cache_store *how, struct span value)
{
    struct outcome outcome = { 0 };

    outcome.status = cache_store(f->thread, how, value, &outcome.result);
    return outcome;
}

static enum cache_status
store_text(struct fixture *f, enum cache_store_mode mode, const char *name,
           const char *value)
{
    struct cache_store how = store_of(f, mode, name);

    return store(f, &how, text_span(value)).status;
}

static uint32_t
flags_of(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    uint32_t             flags;

    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    flags = reading.client_flags;
    cache_read_end(f->thread, &reading);
    return flags;
}

/* ---- rules ----------------------------------------------------------------------- */

static const struct {
    enum cache_store_mode mode;
    enum cache_status     on_nothing;
    const char           *then; /* what is there afterwards, NULL: nothing */
    enum cache_status     on_old;
    const char           *after_old;
} rules[] = {
    { CACHE_SET, CACHE_OK, "new", CACHE_OK, "new" },
    { CACHE_ADD, CACHE_OK, "new", CACHE_NOT_STORED, "old" },
    { CACHE_REPLACE, CACHE_NOT_STORED, NULL, CACHE_OK, "new" },
    { CACHE_APPEND, CACHE_NOT_STORED, NULL, CACHE_OK, "oldnew" },
    { CACHE_PREPEND, CACHE_NOT_STORED, NULL, CACHE_OK, "newold" },
    { CACHE_CAS, CACHE_MISS, NULL, CACHE_EXISTS, "old" },
};

START_TEST(each_mode_keeps_its_rule_where_nothing_is)
{
    struct fixture f;

    fixture_init(&f);
    ck_assert_int_eq(store_text(&f, rules[_i].mode, "k", "new"), rules[_i].on_nothing);
    if (rules[_i].then != NULL)
        assert_value(&f, "k", rules[_i].then);
    else
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    ck_assert_uint_eq(items_in(&f), rules[_i].then != NULL);
    fixture_fini(&f);
}
END_TEST

START_TEST(each_mode_keeps_its_rule_where_something_is)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "old", 0);
    ck_assert_int_eq(store_text(&f, rules[_i].mode, "k", "new"), rules[_i].on_old);
    assert_value(&f, "k", rules[_i].after_old);
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_expired_item_is_nothing_to_any_mode)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "old", -1);
    ck_assert_int_eq(store_text(&f, rules[_i].mode, "k", "new"), rules[_i].on_nothing);
    if (rules[_i].then != NULL)
        assert_value(&f, "k", rules[_i].then);
    else
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(cas_stores_over_its_own_id_and_no_other)
{
    struct fixture     f;
    struct cache_store how;
    struct outcome     outcome;
    uint64_t           id;

    fixture_init(&f);
    put(&f, "k", "one", 0);
    id = cas_of(&f, "k");
    how = store_of(&f, CACHE_CAS, "k");
    how.cas = id + 1;
    outcome = store(&f, &how, SPAN("two"));
    ck_assert_int_eq(outcome.status, CACHE_EXISTS);
    ck_assert_uint_eq(outcome.result.cas, id);
    how.cas = 0;
    ck_assert_int_eq(store(&f, &how, SPAN("two")).status, CACHE_EXISTS);
    assert_value(&f, "k", "one");

    how.cas = id;
    outcome = store(&f, &how, SPAN("two"));
    ck_assert_int_eq(outcome.status, CACHE_OK);
    ck_assert_uint_gt(outcome.result.cas, id);
    ck_assert_uint_eq(outcome.result.cas, cas_of(&f, "k"));
    assert_value(&f, "k", "two");
    ck_assert_int_eq(store(&f, &how, SPAN("three")).status, CACHE_EXISTS);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_result_names_the_item_that_is_there)
{
    struct fixture       f;
    struct cache_store   set, add;
    struct cache_key     key;
    struct outcome       stored, refused;
    struct cache_reading reading;

    fixture_init(&f);
    set = store_of(&f, CACHE_SET, "k");
    add = store_of(&f, CACHE_ADD, "k");
    key = key_of(&f, "k");
    stored = store(&f, &set, SPAN("a value of a certain length"));
    refused = store(&f, &add, SPAN("other"));
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    ck_assert_uint_eq(stored.result.cas, reading.cas);
    ck_assert_uint_eq(stored.result.size_class, reading.size_class);
    ck_assert_uint_eq(stored.result.size_class, cache_class_for(f.cache, 1, 0, 27));
    ck_assert_uint_eq(refused.result.cas, reading.cas);
    ck_assert_uint_eq(refused.result.size_class, reading.size_class);
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

START_TEST(append_and_prepend_keep_flags_and_expiry)
{
    static const enum cache_store_mode modes[] = { CACHE_APPEND, CACHE_PREPEND };
    struct fixture                     f;

    fixture_init(&f);
    for (size_t i = 0; i < LENGTH(modes); i++) {
        struct cache_store set = store_of(&f, CACHE_SET, "k");
        struct cache_store join = store_of(&f, modes[i], "k");

        set.client_flags = 77;
        set.expiry = 10;
        join.client_flags = 88;
        join.expiry = 1000;
        ck_assert_int_eq(store(&f, &set, SPAN("v")).status, CACHE_OK);
        ck_assert_int_eq(store(&f, &join, SPAN("w")).status, CACHE_OK);
        ck_assert_uint_eq(flags_of(&f, "k"), 77);
        advance(&f, 9);
        ck_assert_int_eq(peek(&f, "k"), CACHE_OK);
        advance(&f, 2);
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(joining_nothing_to_a_value_makes_it_newer)
{
    static const enum cache_store_mode modes[] = { CACHE_APPEND, CACHE_PREPEND };
    struct fixture                     f;

    fixture_init(&f);
    put(&f, "k", "value", 0);
    for (size_t i = 0; i < LENGTH(modes); i++) {
        uint64_t id = cas_of(&f, "k");

        ck_assert_int_eq(store_text(&f, modes[i], "k", ""), CACHE_OK);
        assert_value(&f, "k", "value");
        ck_assert_uint_gt(cas_of(&f, "k"), id);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(values_may_be_empty)
{
    struct fixture f;

    fixture_init(&f);
    put(&f, "k", "", 0);
    assert_value(&f, "k", "");
    put(&f, "k", "v", 0);
    put(&f, "k", "", 0);
    assert_value(&f, "k", "");
    ck_assert_int_eq(store_text(&f, CACHE_APPEND, "k", "tail"), CACHE_OK);
    assert_value(&f, "k", "tail");
    fixture_fini(&f);
}
END_TEST

START_TEST(a_deleted_item_is_gone_and_may_be_stored_again)
{
    struct fixture f;

    fixture_init(&f);
    ck_assert_int_eq(drop(&f, "k"), CACHE_MISS);
    put(&f, "k", "v", 0);
    ck_assert_int_eq(drop(&f, "k"), CACHE_OK);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    ck_assert_int_eq(drop(&f, "k"), CACHE_MISS);
    ck_assert_uint_eq(items_in(&f), 0);
    put(&f, "k", "w", 0);
    assert_value(&f, "k", "w");
    fixture_fini(&f);
}
END_TEST

START_TEST(a_delete_that_compares_spares_other_ids)
{
    struct fixture        f;
    struct cache_key      key;
    struct cache_drop_how how = { .compares = true };
    struct cache_result   result;

    fixture_init(&f);
    key = key_of(&f, "k");
    put(&f, "k", "v", 0);
    how.cas = cas_of(&f, "k") + 1;
    ck_assert_int_eq(cache_drop(f.thread, &key, &how, &result), CACHE_EXISTS);
    how.cas--;
    ck_assert_int_eq(cache_drop(f.thread, &key, &how, &result), CACHE_OK);
    ck_assert_int_eq(cache_drop(f.thread, &key, &how, &result), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

/* ---- keys ------------------------------------------------------------------------ */

START_TEST(keys_of_every_length_and_of_any_bytes_are_told_apart)
{
    struct fixture      f;
    struct cache_result result;
    char                bytes[CACHE_KEY_MAX];

    fixture_init(&f);
    for (size_t length = 1; length <= CACHE_KEY_MAX; length++) {
        for (unsigned variant = 0; variant < 3; variant++) {
            struct cache_store how = { .mode = CACHE_ADD };

            memset(bytes, 0, sizeof(bytes)); /* prefixes of one another... */
            bytes[length - 1] = (char)(variant * 127);
            how.key = cache_key(f.cache, (struct span){ bytes, length });
            quick_assert(cache_store(f.thread, &how, (struct span){ bytes, length },
                                     &result) == CACHE_OK);
        }
    }
    ck_assert_uint_eq(items_in(&f), 3 * CACHE_KEY_MAX);
    for (size_t length = 1; length <= CACHE_KEY_MAX; length++) {
        struct cache_reading reading;
        struct cache_key     key;

        memset(bytes, 0, sizeof(bytes));
        bytes[length - 1] = (char)254;
        key = cache_key(f.cache, (struct span){ bytes, length });
        quick_assert(cache_read(f.thread, &key, &reading) == CACHE_OK);
        quick_assert(reading_holds(&reading, (struct span){ bytes, length }));
        cache_read_end(f.thread, &reading);
    }
    fixture_fini(&f);
}
END_TEST

/* ---- lengths --------------------------------------------------------------------- */

/* Store a value of this length under a key of that one, read it back and drop it. */
static void
try_length(struct fixture *f, size_t key_length, uint32_t flags, size_t length)
{
    static char                 key_bytes[CACHE_KEY_MAX], value[MIB];
    struct cache_store          how = { .mode = CACHE_SET, .client_flags = flags };
    const struct span           bytes = { value, length };
    struct cache_result         result;
    struct cache_reading        reading;
    const struct cache_drop_how plainly = { 0 };

    pattern_fill(value, length, length);
    memset(key_bytes, 'k', key_length);
    how.key = cache_key(f->cache, (struct span){ key_bytes, key_length });
    quick_assert(cache_store(f->thread, &how, bytes, &result) == CACHE_OK);
    quick_assert(cache_read(f->thread, &how.key, &reading) == CACHE_OK);
    quick_assert(reading_holds(&reading, bytes));
    quick_assert(reading.client_flags == flags);
    quick_assert(reading.pinned == (length > CACHE_COPY_MAX));
    quick_assert(reading.size_class ==
                 cache_class_for(f->cache, key_length, flags, length));
    cache_read_end(f->thread, &reading);
    quick_assert(cache_drop(f->thread, &how.key, &plainly, &result) == CACHE_OK);
}

START_TEST(values_that_just_fill_a_chunk_or_just_do_not_are_kept)
{
    static const size_t   key_lengths[] = { 1, 7, CACHE_KEY_MAX };
    static const uint32_t flags[] = { 0, 1, UINT32_MAX };
    struct fixture        f;
    unsigned              tried = 0;

    fixture_init(&f);
    for (unsigned c = 1; cache_class_bytes(f.cache, c) != 0; c++) {
        for (size_t i = 0; i < LENGTH(key_lengths) * LENGTH(flags); i++) {
            size_t   key_length = key_lengths[i / LENGTH(flags)];
            uint32_t flag = flags[i % LENGTH(flags)];
            size_t   head = item_size_of(key_length, flag, false, 0);
            size_t   chunk = cache_class_bytes(f.cache, c);

            for (size_t size = chunk - 1; size <= chunk + 1; size++) {
                size_t length = size - head;

                if (size < head || cache_item_weight(key_length, flag, length) > MIB)
                    continue;
                try_length(&f, key_length, flag, length);
                tried++;
            }
        }
    }
    ck_assert_uint_gt(tried, 1000);
    ck_assert_uint_eq(items_in(&f), 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(values_of_every_small_length_are_kept)
{
    struct fixture f;

    fixture_init(&f);
    for (size_t length = 0; length < 1200; length++)
        try_length(&f, 1 + length % CACHE_KEY_MAX, length % 2 ? 5 : 0, length);
    for (size_t length = CACHE_COPY_MAX - 3; length <= CACHE_COPY_MAX + 3; length++)
        try_length(&f, 10, 0, length);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_limit_counts_as_memcached_counts)
{
    struct cache_config config = fixture_config(4 * MIB);
    struct fixture      f;
    struct cache_store  how;
    struct cache_result result;
    char               *value = calloc(1, MIB);
    size_t              most;

    config.item_bytes_max = 100000;
    fixture_init_with(&f, config);
    most = 100000 - cache_item_weight(1, 0, 0);
    put(&f, "k", "old", 0);
    how = store_of(&f, CACHE_SET, "k");
    ck_assert_int_eq(
        cache_store(f.thread, &how, (struct span){ value, most + 1 }, &result),
        CACHE_TOO_LARGE);
    assert_value(&f, "k", "old");
    ck_assert_int_eq(cache_store(f.thread, &how, (struct span){ value, most }, &result),
                     CACHE_OK);
    how.client_flags = 1;
    ck_assert_int_eq(cache_store(f.thread, &how, (struct span){ value, most }, &result),
                     CACHE_TOO_LARGE);
    ck_assert_int_eq(
        cache_store(f.thread, &how, (struct span){ value, most - 4 }, &result), CACHE_OK);
    ck_assert_uint_eq(cache_class_for(f.cache, 1, 0, most + 1), 0);
    ck_assert_uint_eq(cache_class_for(f.cache, 1, 0, INT32_MAX), 0);
    free(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(what_would_grow_beyond_the_limit_is_not_joined)
{
    struct cache_config config = fixture_config(4 * MIB);
    struct fixture      f;
    char                value[1000];
    struct span         whole;

    config.item_bytes_max = 1024;
    fixture_init_with(&f, config);
    pattern_fill(value, sizeof(value), 1);
    whole = (struct span){ value, 1024 - cache_item_weight(1, 0, 0) };
    ck_assert_int_eq(put_span(&f, "k", whole, 0), CACHE_OK);
    ck_assert_int_eq(store_text(&f, CACHE_APPEND, "k", "x"), CACHE_NOT_STORED);
    ck_assert_int_eq(store_text(&f, CACHE_PREPEND, "k", "x"), CACHE_NOT_STORED);
    ck_assert_int_eq(store_text(&f, CACHE_APPEND, "k", ""), CACHE_OK);
    assert_value_span(&f, "k", whole);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_grows_byte_by_byte_at_either_end)
{
    struct fixture f;
    char           model[6000];
    size_t         front = 3000, back = 3000;

    fixture_init(&f);
    put(&f, "k", "", 0);
    for (unsigned i = 0; i < 5000; i++) {
        char byte[1] = { (char)('a' + i % 26) };
        bool before = i % 2 == 0;

        struct cache_store how = store_of(&f, before ? CACHE_PREPEND : CACHE_APPEND, "k");

        quick_assert(store(&f, &how, (struct span){ byte, 1 }).status == CACHE_OK);
        model[before ? --front : back++] = byte[0];
        if (i % 17 == 0 || i > 4990)
            assert_value_span(&f, "k", (struct span){ model + front, back - front });
    }
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

/* ---- overwriting ----------------------------------------------------------------- */

/* Where an item lies, to see whether it has moved. */
static const struct item *
place_of(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    const struct item   *item;

    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    item = reading.item;
    cache_read_end(f->thread, &reading);
    return item;
}

START_TEST(a_value_of_the_same_class_is_written_over_the_old_one)
{
    struct fixture      f;
    struct cache_store  how;
    const struct item  *place;
    struct cache_result result;

    fixture_init(&f);
    how = store_of(&f, CACHE_SET, "key");
    put(&f, "key", "12345", 0);
    place = place_of(&f, "key");
    put(&f, "key", "123", 0);
    assert_value(&f, "key", "123");
    ck_assert_ptr_eq(place_of(&f, "key"), place);

    how.client_flags = 0xabcdef01; /* the value moves behind the flags, and back */
    ck_assert_int_eq(cache_store(f.thread, &how, SPAN("1"), &result), CACHE_OK);
    assert_value(&f, "key", "1");
    ck_assert_uint_eq(flags_of(&f, "key"), 0xabcdef01);
    ck_assert_ptr_eq(place_of(&f, "key"), place);
    put(&f, "key", "54321", 0);
    assert_value(&f, "key", "54321");
    ck_assert_uint_eq(flags_of(&f, "key"), 0);
    ck_assert_ptr_eq(place_of(&f, "key"), place);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_that_becomes_large_or_small_in_its_chunk_moves_by_the_gap)
{
    static const size_t lengths[] = { 65536, 65535, 65600, 65510, 65536 };
    struct fixture      f;
    char               *value = malloc(2 * ITEM_LARGE_VALUE);
    const struct item  *place = NULL;

    fixture_init(&f);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        pattern_fill(value, lengths[i], i);
        put_span(&f, "k", (struct span){ value, lengths[i] }, 0);
        ck_assert(i == 0 || place_of(&f, "k") == place);
        place = place_of(&f, "k");
        assert_value_span(&f, "k", (struct span){ value, lengths[i] });
    }
    pattern_fill(value, 65710, 7);
    for (unsigned i = 0; i < 2; i++) {
        struct cache_store how = store_of(&f, i == 0 ? CACHE_APPEND : CACHE_PREPEND, "k");

        put_span(&f, "k", (struct span){ value + (i == 0 ? 0 : 200), 65510 }, 0);
        ck_assert_int_eq(
            store(&f, &how, (struct span){ value + (i == 0 ? 65510 : 0), 200 }).status,
            CACHE_OK);
        assert_value_span(&f, "k", (struct span){ value, 65710 });
    }
    free(value);
    fixture_fini(&f);
}
END_TEST

/* With flags and an id that is chosen there is more before the gap. */
START_TEST(a_value_grows_over_the_border_of_the_gap_at_either_end)
{
    enum { BEGIN = ITEM_LARGE_VALUE - 10, GROWTH = 100 };
    struct fixture f;
    char          *model = malloc(BEGIN + 2 * GROWTH);

    fixture_init(&f);
    pattern_fill(model, BEGIN + 2 * GROWTH, 1);
    for (unsigned traits = 0; traits < 4; traits++) {
        struct cache_store how = store_of(&f, CACHE_SET, "k");
        char              *front = model + GROWTH, *back = front + BEGIN;

        how.client_flags = traits & 1 ? 0xabcdef01 : 0;
        how.new_cas = traits & 2 ? 7 : 0;
        ck_assert_int_eq(store(&f, &how, (struct span){ front, BEGIN }).status, CACHE_OK);
        for (unsigned i = 0; i < GROWTH; i++) {
            struct span byte = { i % 2 == 0 ? --front : back++, 1 };

            how.mode = i % 2 == 0 ? CACHE_PREPEND : CACHE_APPEND;
            how.new_cas = traits & 2 ? i + 8 : 0;
            quick_assert(store(&f, &how, byte).status == CACHE_OK);
            assert_value_span(&f, "k", (struct span){ front, (size_t)(back - front) });
            quick_assert(flags_of(&f, "k") == (traits & 1 ? 0xabcdef01 : 0));
        }
        ck_assert(item_value_offset(place_of(&f, "k")) >= ITEM_GAP);
    }
    free(model);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_value_of_another_class_moves)
{
    struct fixture     f;
    const struct item *place;

    fixture_init(&f);
    put(&f, "key", "small", 0);
    place = place_of(&f, "key");
    put(&f, "key", "one that does not fit into the chunk of the small one", 0);
    ck_assert_ptr_ne(place_of(&f, "key"), place);
    put(&f, "yek", "small", 0);
    ck_assert_ptr_eq(place_of(&f, "yek"), place); /* the chunk is free again */
    fixture_fini(&f);
}
END_TEST

START_TEST(any_length_may_follow_any_other_under_one_key)
{
    struct fixture f;
    struct dice    dice = { 4 };
    char          *value = malloc(MIB);

    fixture_init(&f);
    for (unsigned i = 0; i < 3000; i++) {
        size_t             most = dice_roll(&dice, 50) == 0 ? 500000 : 6000;
        struct span        bytes = { value, dice_roll(&dice, most) };
        struct cache_store how = store_of(&f, CACHE_SET, "k");

        pattern_fill(value, bytes.length, i);
        how.client_flags = dice_roll(&dice, 2) ? i : 0;
        quick_assert(store(&f, &how, bytes).status == CACHE_OK);
        assert_value_span(&f, "k", bytes);
        quick_assert(flags_of(&f, "k") == how.client_flags);
    }
    ck_assert_uint_eq(items_in(&f), 1);
    free(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(bytes_in_use_are_the_sizes_of_what_is_there)
{
    struct fixture        f;
    struct cache_counters counters;

    fixture_init(&f);
    put(&f, "key", "12345", 0);
    counters = counters_of(&f);
    ck_assert_uint_eq(counters.bytes_linked - counters.bytes_unlinked,
                      ITEM_HEADER + 3 + 5);
    put(&f, "key", "12", 0);
    counters = counters_of(&f);
    ck_assert_uint_eq(counters.bytes_linked - counters.bytes_unlinked,
                      ITEM_HEADER + 3 + 2);
    ck_assert_uint_eq(counters.items_linked, 2);
    ck_assert_uint_eq(counters.items_unlinked, 1);
    ck_assert_int_eq(drop(&f, "key"), CACHE_OK);
    counters = counters_of(&f);
    ck_assert_uint_eq(counters.bytes_linked, counters.bytes_unlinked);
    fixture_fini(&f);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/store");
    TCase *rule = fixture_case(suite, "rules");
    TCase *lengths = fixture_case(suite, "lengths");
    TCase *overwriting = fixture_case(suite, "overwriting");

    tcase_add_loop_test(rule, each_mode_keeps_its_rule_where_nothing_is, 0,
                        (int)LENGTH(rules));
    tcase_add_loop_test(rule, each_mode_keeps_its_rule_where_something_is, 0,
                        (int)LENGTH(rules));
    tcase_add_loop_test(rule, an_expired_item_is_nothing_to_any_mode, 0,
                        (int)LENGTH(rules));
    tcase_add_test(rule, cas_stores_over_its_own_id_and_no_other);
    tcase_add_test(rule, the_result_names_the_item_that_is_there);
    tcase_add_test(rule, append_and_prepend_keep_flags_and_expiry);
    tcase_add_test(rule, joining_nothing_to_a_value_makes_it_newer);
    tcase_add_test(rule, values_may_be_empty);
    tcase_add_test(rule, a_deleted_item_is_gone_and_may_be_stored_again);
    tcase_add_test(rule, a_delete_that_compares_spares_other_ids);

    tcase_add_test(lengths, keys_of_every_length_and_of_any_bytes_are_told_apart);
    tcase_add_test(lengths, values_that_just_fill_a_chunk_or_just_do_not_are_kept);
    tcase_add_test(lengths, values_of_every_small_length_are_kept);
    tcase_add_test(lengths, the_limit_counts_as_memcached_counts);
    tcase_add_test(lengths, what_would_grow_beyond_the_limit_is_not_joined);
    tcase_add_test(lengths, a_value_grows_byte_by_byte_at_either_end);

    tcase_add_test(overwriting, a_value_of_the_same_class_is_written_over_the_old_one);
    tcase_add_test(overwriting,
                   a_value_that_becomes_large_or_small_in_its_chunk_moves_by_the_gap);
    tcase_add_test(overwriting, a_value_grows_over_the_border_of_the_gap_at_either_end);
    tcase_add_test(overwriting, a_value_of_another_class_moves);
    tcase_add_test(overwriting, any_length_may_follow_any_other_under_one_key);
    tcase_add_test(overwriting, bytes_in_use_are_the_sizes_of_what_is_there);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
