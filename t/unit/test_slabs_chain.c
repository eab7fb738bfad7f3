/* t/unit/test_slabs_chain.c - values that no chunk holds. */
#include <pthread.h>
#include <stdio.h>

#include "slabs/cache_priv.h"
#include "slabs/chain_priv.h"
#include "t/unit/fixture.h"

enum { CHUNK = 4096, FULL = CHUNK - ITEM_HEADER, VALUE_MAX = 12 * CHUNK };

static struct cache_config
config_of(size_t memory_bytes)
{
    struct cache_config config = fixture_config(memory_bytes);

    config.chunk_bytes_max = CHUNK;
    return config;
}

static void
begin_test(struct fixture *f)
{
    fixture_init_with(f, config_of(64 * (size_t)MIB));
}

/* A patterned value, to be freed. */
static struct span
value_of(size_t length, uint64_t seed)
{
    char *bytes = malloc(length + 1);

    quick_assert(bytes != NULL);
    pattern_fill(bytes, length, seed);
    return (struct span){ bytes, length };
}

static void
forget(struct span value)
{
    free((void *)(uintptr_t)value.at);
}

/* Store it at once. */
static enum cache_status
put_value(struct fixture *f, const char *name, size_t length, uint64_t seed)
{
    struct span       value = value_of(length, seed);
    enum cache_status status = put_span(f, name, value, 0);

    forget(value);
    return status;
}

static void
assert_patterned(struct fixture *f, const char *name, size_t length, uint64_t seed)
{
    struct span value = value_of(length, seed);

    assert_value_span(f, name, value);
    forget(value);
}

static struct cache_class
largest_class(struct fixture *f)
{
    struct cache_class shown;

    cache_class_show(f->cache, cache_class_count(f->cache), &shown);
    return shown;
}

static struct cache_reading
pin(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;

    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    quick_assert(reading.pinned);
    return reading;
}

/* ---- borders --------------------------------------------------------------------- */

START_TEST(values_around_every_border_come_back)
{
    struct fixture f;

    begin_test(&f);
    for (size_t pieces = 1; pieces <= 5; pieces++) {
        for (size_t length = pieces * CHUNK - 300; length <= pieces * CHUNK + 40;
             length++) {
            quick_assert(put_value(&f, "key", length, length) == CACHE_OK);
            assert_patterned(&f, "key", length, length);
        }
        cache_check(f.cache, true);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(an_item_is_a_chain_from_the_first_byte_on_that_its_chunk_has_no_room_for)
{
    struct fixture f;
    size_t         most = FULL - 3 - sizeof(uint32_t); /* with room for an era */

    begin_test(&f);
    ck_assert_int_eq(put_value(&f, "key", most, 1), CACHE_OK);
    ck_assert(!item_is_chained(item_of(&f, "key")));
    ck_assert_int_eq(put_value(&f, "key", most + 1, 2), CACHE_OK);
    ck_assert(item_is_chained(item_of(&f, "key")));
    assert_patterned(&f, "key", most + 1, 2);
    ck_assert_int_eq(put_value(&f, "key", most, 3), CACHE_OK);
    ck_assert(!item_is_chained(item_of(&f, "key")));
    put(&f, "key", "small", 0);
    assert_value(&f, "key", "small");
    fixture_fini(&f);
}
END_TEST

START_TEST(all_pieces_but_the_last_are_full_and_the_last_is_small)
{
    struct fixture      f;
    const struct item  *item, *piece;
    const struct pages *pages;

    begin_test(&f);
    pages = &f.cache->pages;
    ck_assert_int_eq(put_value(&f, "key", 3 * FULL + 10, 1), CACHE_OK);
    item = item_of(&f, "key");
    ck_assert_uint_eq(item_value_length(item), 3 * FULL + 10);
    piece = chain_first(f.cache, item);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(item_value_length(piece), FULL);
        ck_assert_uint_eq(pages_class(pages, piece), pages->classes.count);
        piece = pages_item(pages, piece->next);
    }
    ck_assert_uint_eq(item_value_length(piece), 10);
    ck_assert_uint_eq(pages_class(pages, piece),
                      classes_find(&pages->classes, ITEM_HEADER + 10));
    ck_assert_uint_eq(piece->next, 0);
    ck_assert_uint_eq(largest_class(&f).items, 1);
    ck_assert_uint_eq(largest_class(&f).chunks_used, 3);
    fixture_fini(&f);
}
END_TEST

START_TEST(flags_expiry_and_ids_are_as_those_of_any_item)
{
    struct fixture       f;
    struct span          value = value_of(3 * CHUNK, 1);
    struct cache_store   store;
    struct cache_result  result;
    struct cache_reading reading;

    begin_test(&f);
    for (unsigned i = 0; i < 4; i++) {
        store = store_of(&f, CACHE_SET, "key");
        store.client_flags = i % 2 ? 12345 : 0;
        store.new_cas = i / 2 ? 77 : 0;
        store.expiry = 10;
        ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
        ck_assert_uint_eq(result.size_class, cache_class_count(f.cache));
        ck_assert_uint_eq(result.value_length, value.length);
        ck_assert_int_eq(cache_read(f.thread, &store.key, &reading), CACHE_OK);
        ck_assert_uint_eq(reading.client_flags, store.client_flags);
        ck_assert_uint_eq(reading.cas, result.cas);
        ck_assert_uint_eq(reading.size_class, cache_class_count(f.cache));
        if (i / 2)
            ck_assert_uint_eq(reading.cas, 77);
        ck_assert(reading_holds(&reading, value));
        cache_read_end(f.thread, &reading);
    }
    advance(&f, 11);
    ck_assert_int_eq(peek(&f, "key"), CACHE_MISS);
    forget(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_flush_takes_chains_too)
{
    struct fixture      f;
    struct cache_key    key;
    struct cache_store  store;
    struct cache_result result;
    struct span         value = value_of(3 * CHUNK, 1);

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "a", value, 0), CACHE_OK);
    store = store_of(&f, CACHE_SET, "b");
    store.new_cas = UINT64_MAX;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
    cache_flush(f.thread);
    key = key_of(&f, "c");
    store.key = key;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
    ck_assert_int_eq(peek(&f, "a"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "b"), CACHE_MISS);
    ck_assert_int_eq(peek(&f, "c"), CACHE_OK);
    forget(value);
    fixture_fini(&f);
}
END_TEST

/* Pieces are read in order, or from anywhere. */
START_TEST(a_value_can_be_read_from_any_offset)
{
    struct fixture       f;
    struct dice          dice = { 1 };
    struct span          value = value_of(VALUE_MAX, 1);
    struct cache_reading reading;

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
    reading = pin(&f, "key");
    for (unsigned i = 0; i < 2000; i++) {
        size_t      from = dice_roll(&dice, value.length);
        struct span part = cache_read_value(&reading, from);

        quick_assert(part.length > 0 && part.length <= value.length - from);
        quick_assert(memcmp(part.at, value.at + from, part.length) == 0);
    }
    ck_assert_uint_eq(cache_read_value(&reading, value.length).length, 0);
    cache_read_end(f.thread, &reading);
    forget(value);
    fixture_fini(&f);
}
END_TEST

/* A chain of small chunks may be short enough to be copied and not pinned. */
START_TEST(a_short_chain_is_read_under_its_stripe)
{
    struct cache_config  config = config_of(8 * MIB);
    struct fixture       f;
    struct cache_key     key;
    struct cache_reading reading;
    struct span          value = value_of(3500, 1);

    config.chunk_bytes_max = 1024;
    fixture_init_with(&f, config);
    ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
    ck_assert(item_is_chained(item_of(&f, "key")));
    key = key_of(&f, "key");
    ck_assert_int_eq(cache_read(f.thread, &key, &reading), CACHE_OK);
    ck_assert(!reading.pinned);
    ck_assert(reading_holds(&reading, value));
    cache_read_end(f.thread, &reading);
    forget(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(however_small_the_chunks_a_chain_has_some_two_thousand_at_most)
{
    struct cache_config config = config_of(8 * MIB);
    struct fixture      f;

    config.item_bytes_max = 8 << 20;
    config.chunk_bytes_max = 1024;
    fixture_init_with(&f, config);
    ck_assert_uint_eq(largest_class(&f).chunk_bytes, 4096);
    fixture_fini(&f);
    config.item_bytes_max = 1 << 30;
    fixture_init_with(&f, config);
    ck_assert_uint_eq(largest_class(&f).chunk_bytes, 512 << 10);
    fixture_fini(&f);
}
END_TEST

/* ---- arriving -------------------------------------------------------------------- */

START_TEST(a_chain_is_whole_whatever_pieces_it_came_in)
{
    static const size_t steps[] = { 1, 7, 1000, FULL, FULL + 1, VALUE_MAX };
    static const size_t lengths[] = { FULL,     FULL + 1,     2 * FULL - 1,
                                      2 * FULL, 2 * FULL + 1, 5 * FULL + 100 };
    struct fixture      f;

    begin_test(&f);
    for (size_t i = 0; i < LENGTH(steps) * LENGTH(lengths); i++) {
        struct span         value = value_of(lengths[i % LENGTH(lengths)], i);
        size_t              step = steps[i / LENGTH(lengths)], room;
        struct cache_store  store = store_of(&f, CACHE_SET, "key");
        struct cache_upload upload;
        struct cache_result result;

        quick_assert(cache_upload_begin(f.thread, &store, value.length, &upload) ==
                     CACHE_OK);
        while (!cache_upload_is_full(&upload)) {
            char  *to = cache_upload_room(f.thread, &upload, &room);
            size_t here = room < step ? room : step;

            quick_assert(room > 0);
            memcpy(to, value.at + upload.filled, here);
            cache_upload_fill(&upload, here);
        }
        cache_upload_room(f.thread, &upload, &room);
        ck_assert_uint_eq(room, 0);
        quick_assert(cache_upload_commit(f.thread, &store, &upload, &result) == CACHE_OK);
        assert_value_span(&f, "key", value);
        forget(value);
    }
    fixture_fini(&f);
}
END_TEST

/* A length that was only promised costs nothing. */
START_TEST(a_chain_holds_what_has_arrived_and_no_more)
{
    enum { CLIENTS = 200 };
    struct fixture             f;
    struct cache_store         store;
    static struct cache_upload upload[CLIENTS];
    size_t                     room;

    fixture_init_with(&f, config_of(2 * MIB));
    store = store_of(&f, CACHE_SET, "key");
    for (unsigned i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(cache_upload_begin(f.thread, &store, 100 * CHUNK, &upload[i]),
                         CACHE_OK);
    ck_assert_uint_eq(largest_class(&f).chunks_used, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        cache_upload_room(f.thread, &upload[i], &room);
        cache_upload_fill(&upload[i], room);
    }
    ck_assert_uint_eq(largest_class(&f).chunks_used, CLIENTS);
    cache_check(f.cache, false);
    for (unsigned i = 0; i < CLIENTS; i++)
        cache_upload_abandon(f.thread, &upload[i]);
    ck_assert_uint_eq(largest_class(&f).chunks_used, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(midway_without_memory_there_is_no_room_until_there_is_some_again)
{
    enum { CLIENTS = 3 };
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload[CLIENTS];
    size_t              room = 1, taken = 0;

    fixture_init_with(&f, config_of(0));
    store = store_of(&f, CACHE_SET, "key");
    for (unsigned i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(cache_upload_begin(f.thread, &store, 1000000, &upload[i]),
                         CACHE_OK);
    put(&f, "old", "value", 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        while (cache_upload_room(f.thread, &upload[i], &room), room > 0) {
            cache_upload_fill(&upload[i], room);
            taken++;
        }
    }
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 0);
    ck_assert_uint_ge(taken, CLIENTS * (1000000 / FULL));
    for (unsigned i = 0; i < CLIENTS; i++)
        cache_upload_abandon(f.thread, &upload[i]);

    for (unsigned round = 0; round < 2; round++) {
        struct cache_upload many[6];
        unsigned            refused = 0;

        for (unsigned i = 0; i < LENGTH(many); i++)
            ck_assert_int_eq(cache_upload_begin(f.thread, &store, 1000000, &many[i]),
                             CACHE_OK);
        for (unsigned i = 0; i < LENGTH(many); i++) {
            while (cache_upload_room(f.thread, &many[i], &room), room > 0)
                cache_upload_fill(&many[i], room);
            refused += !cache_upload_is_full(&many[i]);
        }
        ck_assert_uint_eq(refused, 2);
        ck_assert_uint_ge(counters_of(&f).out_of_memory, 2);
        cache_check(f.cache, false);
        cache_upload_abandon(f.thread, &many[0]);
        cache_upload_room(f.thread, &many[5], &room);
        ck_assert_uint_gt(room, 0);
        for (unsigned i = 1; i < LENGTH(many); i++)
            cache_upload_abandon(f.thread, &many[i]);
    }
    assert_value(&f, "old", "value");
    fixture_fini(&f);
}
END_TEST

START_TEST(for_what_can_never_fit_nothing_is_evicted)
{
    struct cache_config config = config_of(6 * MIB);
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    config.item_bytes_max = 8 << 20;
    fixture_init_with(&f, config);
    ck_assert_int_eq(put_value(&f, "a", 1000000, 1), CACHE_OK);
    ck_assert_int_eq(put_value(&f, "b", 2000000, 2), CACHE_OK);
    store = store_of(&f, CACHE_SET, "c");
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, 5000000, &upload),
                     CACHE_NO_MEMORY);
    ck_assert_int_eq(put_value(&f, "c", 5000000, 3), CACHE_NO_MEMORY);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 2);
    assert_patterned(&f, "a", 1000000, 1);
    assert_patterned(&f, "b", 2000000, 2);
    ck_assert_int_eq(put_value(&f, "c", 4000000, 3), CACHE_OK);
    ck_assert_int_eq(peek(&f, "a"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

/* ---- joining --------------------------------------------------------------------- */

/* A value of old_length bytes, and then so many more at one end: by a store or an upload. */
static void
join(struct fixture *f, enum cache_store_mode mode, size_t old_length, size_t more,
     bool arrives)
{
    struct span         old = value_of(old_length, 1), added = value_of(more, 2);
    bool                before = mode == CACHE_PREPEND;
    char               *both = malloc(old_length + more + 1);
    struct cache_store  store = store_of(f, CACHE_SET, "key");
    struct cache_result result;

    store.client_flags = 9;
    quick_assert(cache_store(f->thread, &store, old, &result) == CACHE_OK);
    store.mode = mode;
    store.client_flags = 1;
    if (arrives) {
        struct cache_upload  upload;
        struct cache_reading reading = { .value = added.at, .value_length = more };

        quick_assert(cache_upload_begin(f->thread, &store, more, &upload) == CACHE_OK);
        quick_assert(
            upload_copy(f->thread, &upload, (struct value_part){ &reading, 0, more }));
        quick_assert(cache_upload_commit(f->thread, &store, &upload, &result) ==
                     CACHE_OK);
    } else {
        quick_assert(cache_store(f->thread, &store, added, &result) == CACHE_OK);
    }
    quick_assert(result.value_length == old_length + more);
    span_put(span_put(both, before ? added : old), before ? old : added);
    assert_value_span(f, "key", (struct span){ both, old_length + more });
    quick_assert(item_client_flags(item_of(f, "key")) == 9);
    forget(old);
    forget(added);
    free(both);
}

START_TEST(append_and_prepend_go_over_every_border)
{
    static const size_t lengths[] = {
        0,    1,        100,          FULL - 4, FULL - 3,     FULL - 2,
        FULL, FULL + 1, 2 * FULL - 1, 2 * FULL, 2 * FULL + 1, 70000,
    };
    struct fixture f;

    begin_test(&f);
    for (unsigned i = 0; i < LENGTH(lengths); i++) {
        for (unsigned k = 0; k < LENGTH(lengths); k++) {
            join(&f, CACHE_APPEND, lengths[i], lengths[k], false);
            join(&f, CACHE_PREPEND, lengths[i], lengths[k], false);
            join(&f, CACHE_APPEND, lengths[i], lengths[k], true);
            join(&f, CACHE_PREPEND, lengths[i], lengths[k], true);
        }
        cache_check(f.cache, true);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_joined_to_a_pinned_chain_leaves_the_reader_his_own)
{
    struct fixture       f;
    struct span          value = value_of(VALUE_MAX, 1);
    struct cache_reading reading;
    struct cache_store   store;
    struct cache_result  result;
    char                *both = malloc(VALUE_MAX + 3);

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
    reading = pin(&f, "key");
    store = store_of(&f, CACHE_APPEND, "key");
    ck_assert_int_eq(cache_store(f.thread, &store, SPAN("abc"), &result), CACHE_OK);
    ck_assert(reading_holds(&reading, value));
    span_put(span_put(both, value), SPAN("abc"));
    assert_value_span(&f, "key", (struct span){ both, VALUE_MAX + 3 });
    ck_assert_int_eq(drop(&f, "key"), CACHE_OK);
    ck_assert(reading_holds(&reading, value));
    cache_check(f.cache, false);
    cache_read_end(f.thread, &reading);
    free(both);
    forget(value);
    fixture_fini(&f);
}
END_TEST

/* Add some text to a value. */
static enum cache_status
add_text(struct fixture *f, enum cache_store_mode mode, const char *text)
{
    struct cache_store  store = store_of(f, mode, "key");
    struct cache_result result;

    return cache_store(f->thread, &store, (struct span){ text, strlen(text) }, &result);
}

static unsigned
pieces_of(struct fixture *f, const char *name)
{
    const struct item *piece = chain_first(f->cache, item_of(f, name));
    unsigned           count = 0;

    for (; piece != NULL; count++)
        piece = piece->next != 0 ? pages_item(&f->cache->pages, piece->next) : NULL;
    return count;
}

static struct item *
piece_number(struct fixture *f, const char *name, unsigned number)
{
    struct item *piece = chain_first(f->cache, item_of(f, name));

    while (number-- > 0)
        piece = pages_item(&f->cache->pages, piece->next);
    return piece;
}

START_TEST(what_is_joined_to_a_chain_takes_its_pieces_over)
{
    struct fixture f;
    struct item   *pieces[6];

    begin_test(&f);
    ck_assert_int_eq(put_value(&f, "key", 6 * FULL, 1), CACHE_OK);
    for (unsigned i = 0; i < 6; i++)
        pieces[i] = piece_number(&f, "key", i);
    ck_assert_int_eq(add_text(&f, CACHE_APPEND, "behind"), CACHE_OK);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_ptr_eq(piece_number(&f, "key", i), pieces[i]);
    ck_assert_uint_eq(pieces_of(&f, "key"), 7);
    for (unsigned i = 0; i < 6; i++)
        pieces[i] = piece_number(&f, "key", i);
    ck_assert_int_eq(add_text(&f, CACHE_PREPEND, "before"), CACHE_OK);
    for (unsigned i = 1; i < 6; i++)
        ck_assert_ptr_eq(piece_number(&f, "key", i + 1), pieces[i]);
    ck_assert_uint_eq(pieces_of(&f, "key"), 8);
    cache_check(f.cache, true);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_chain_that_grows_bit_by_bit_has_no_more_pieces_than_it_needs)
{
    struct fixture f;
    char          *whole = malloc(12 * FULL);
    size_t         from = 6 * FULL, to = from + 3 * FULL;

    begin_test(&f);
    pattern_fill(whole, 12 * FULL, 1);
    ck_assert_int_eq(put_span(&f, "key", (struct span){ whole + from, to - from }, 0),
                     CACHE_OK);
    for (unsigned i = 0; i < 400; i++) {
        struct cache_store  store = store_of(&f, CACHE_PREPEND, "key");
        struct cache_result result;
        struct span         more = { whole + from - 37, 37 };

        if (i % 3 == 0) {
            more = (struct span){ whole + to, 29 };
            store.mode = CACHE_APPEND;
        }
        ck_assert_int_eq(cache_store(f.thread, &store, more, &result), CACHE_OK);
        from -= i % 3 == 0 ? 0 : 37;
        to += i % 3 == 0 ? 29 : 0;
        ck_assert_uint_le(pieces_of(&f, "key"), (to - from) / FULL + 2);
        if (i % 32 == 0)
            cache_check(f.cache, true);
    }
    cache_check(f.cache, true);
    assert_value_span(&f, "key", (struct span){ whole + from, to - from });
    free(whole);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_append_needs_no_second_place_for_the_whole_value)
{
    struct cache_config config = config_of(0);
    struct fixture      f;

    config.item_bytes_max = 8 << 20;
    fixture_init_with(&f, config);
    ck_assert_int_eq(put_value(&f, "key", 3000000, 1), CACHE_OK);
    ck_assert_int_eq(add_text(&f, CACHE_APPEND, "more"), CACHE_OK);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    cache_check(f.cache, true);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_append_that_does_not_fit_says_so_and_changes_nothing)
{
    struct cache_config config = config_of(7 * (size_t)MIB);
    struct fixture      f;
    struct cache_store  store;
    struct cache_result result;
    struct span         more = value_of(1000000, 2);

    config.item_bytes_max = 8 << 20;
    config.evicts = false; /* or it might be what is evicted for it */
    fixture_init_with(&f, config);
    ck_assert_int_eq(put_value(&f, "key", 3000000, 1), CACHE_OK);
    store = store_of(&f, CACHE_APPEND, "key");
    /* there is room for it once, but not for its copy behind the other */
    ck_assert_int_eq(cache_store(f.thread, &store, more, &result), CACHE_NOT_STORED);
    assert_patterned(&f, "key", 3000000, 1);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    forget(more);
    fixture_fini(&f);
}
END_TEST

START_TEST(cas_and_add_and_replace_look_at_chains_as_at_any_item)
{
    struct fixture      f;
    struct span         value = value_of(VALUE_MAX, 1);
    struct cache_store  store;
    struct cache_result result;

    begin_test(&f);
    store = store_of(&f, CACHE_REPLACE, "key");
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_NOT_STORED);
    store.mode = CACHE_ADD;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_NOT_STORED);
    store.mode = CACHE_CAS;
    store.cas = result.cas + 1;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_EXISTS);
    store.cas = result.cas;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
    store.mode = CACHE_APPEND;
    store.compares = true;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_EXISTS);
    store.cas = result.cas;
    ck_assert_int_eq(cache_store(f.thread, &store, value, &result), CACHE_OK);
    ck_assert_uint_eq(result.value_length, 2 * VALUE_MAX);
    forget(value);
    fixture_fini(&f);
}
END_TEST

/* Several threads that append to one value and prepend to it: nothing is lost, nothing is
 * twice there, and what each has added stands in its order. */
enum { JOINERS = 4, JOINS = 200, TOKEN = 8, BASE = 70000 };

struct joiner {
    struct fixture *f;
    unsigned        number;
    unsigned        stored;
};

static void *
keep_joining(void *arg)
{
    struct joiner       *joiner = arg;
    struct cache_thread *thread = cache_thread_create(joiner->f->cache);
    struct cache_store   store = store_of(joiner->f, CACHE_APPEND, "key");
    struct cache_result  result;

    store.mode = joiner->number % 2 ? CACHE_PREPEND : CACHE_APPEND;
    for (unsigned i = 0; i < JOINS; i++) {
        char token[TOKEN + 1];

        snprintf(token, sizeof(token), "<%u:%04u>", joiner->number % 10,
                 joiner->stored % 10000);
        if (cache_store(thread, &store, text_span(token), &result) == CACHE_OK)
            joiner->stored++;
    }
    cache_thread_destroy(&thread);
    return NULL;
}

static void
count_token(const char *token, bool backwards, unsigned *seen, const unsigned *stored)
{
    unsigned number = (unsigned)(token[1] - '0');
    unsigned expected = seen[number]++;
    char     text[TOKEN + 1];

    quick_assert(number < JOINERS && expected < stored[number]);
    if (backwards)
        expected = stored[number] - 1 - expected;
    snprintf(text, sizeof(text), "<%u:%04u>", number % 10, expected % 10000);
    quick_assert(memcmp(token, text, TOKEN) == 0);
}

START_TEST(threads_that_join_to_one_value_lose_nothing)
{
    struct fixture       f;
    struct joiner        joiners[JOINERS];
    pthread_t            threads[JOINERS];
    struct span          base = value_of(BASE, 1);
    struct cache_reading reading;
    unsigned             stored[JOINERS], seen[JOINERS] = { 0 };
    size_t               before = 0, after = 0, at = 0;
    char                *whole;

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "key", base, 0), CACHE_OK);
    for (unsigned i = 0; i < JOINERS; i++) {
        joiners[i] = (struct joiner){ &f, i, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_joining, &joiners[i]), 0);
    }
    for (unsigned i = 0; i < JOINERS; i++) {
        pthread_join(threads[i], NULL);
        stored[i] = joiners[i].stored;
        *(i % 2 ? &before : &after) += stored[i] * (size_t)TOKEN;
    }
    ck_assert_uint_gt(before + after, 0);
    reading = pin(&f, "key");
    ck_assert_uint_eq(reading.value_length, before + BASE + after);
    whole = malloc(reading.value_length);
    while (at < reading.value_length) {
        struct span part = cache_read_value(&reading, at);

        memcpy(whole + at, part.at, part.length);
        at += part.length;
    }
    cache_read_end(f.thread, &reading);
    ck_assert_mem_eq(whole + before, base.at, BASE);
    for (at = 0; at < before; at += TOKEN)
        count_token(whole + at, true, seen, stored);
    for (at = before + BASE; at < before + BASE + after; at += TOKEN)
        count_token(whole + at, false, seen, stored);
    free(whole);
    forget(base);
    fixture_fini(&f);
}
END_TEST

/* ---- what else is done to them --------------------------------------------------- */

START_TEST(a_chain_is_no_number)
{
    struct fixture         f;
    struct cache_key       key;
    struct cache_count_how how = { .delta = 1 };
    struct cache_result    result;
    char                  *zeros = malloc(3 * CHUNK);

    begin_test(&f);
    memset(zeros, '0', 3 * CHUNK);
    put_span(&f, "key", (struct span){ zeros, 3 * CHUNK }, 0);
    key = key_of(&f, "key");
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &how, &result), CACHE_NOT_NUMERIC);
    how.compares = true;
    how.cas = cas_of(&f, "key") + 1;
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &how, &result), CACHE_EXISTS);
    how.compares = false;
    put_span(&f, "key", (struct span){ zeros, 300 }, 0);
    ck_assert_int_eq(cache_arithmetic(f.thread, &key, &how, &result), CACHE_OK);
    free(zeros);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_chain_can_be_touched_invalidated_and_emptied)
{
    struct fixture        f;
    struct cache_key      key;
    struct cache_result   result;
    struct cache_reading  reading;
    struct cache_read_how plainly = { 0 };
    struct cache_drop_how how = { .invalidates = true, .new_cas = 1234 };
    struct cache_drop_how empty = { .empties = true, .client_flags = 5 };
    struct span           value = value_of(VALUE_MAX, 1);

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
    key = key_of(&f, "key");
    ck_assert_int_eq(cache_touch(f.thread, &key, 5, &result), CACHE_OK);
    ck_assert_int_eq(cache_drop(f.thread, &key, &how, &result), CACHE_OK);
    ck_assert_int_eq(cache_read_as(f.thread, &key, &plainly, &reading), CACHE_OK);
    ck_assert(reading.stale);
    ck_assert_uint_eq(reading.cas, 1234);
    ck_assert_int_eq(reading.ttl_s, 5);
    ck_assert(reading_holds(&reading, value));
    ck_assert_int_eq(cache_drop(f.thread, &key, &empty, &result), CACHE_OK);
    assert_value(&f, "key", "");
    ck_assert(reading_holds(&reading, value)); /* pinned */
    cache_read_end(f.thread, &reading);
    forget(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_id_that_is_chosen_makes_no_chain_of_what_is_none)
{
    struct fixture        f;
    struct cache_result   result;
    struct cache_reading  reading;
    struct cache_read_how plainly = { 0 };
    struct cache_drop_how how = { .invalidates = true, .new_cas = 1234 };

    begin_test(&f);
    for (size_t length = FULL - 16; length <= FULL + 4; length++) {
        struct cache_key key = key_of(&f, "key");
        struct span      value = value_of(length, length);
        bool             chained;

        ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
        chained = item_is_chained(item_of(&f, "key"));
        ck_assert_int_eq(cache_drop(f.thread, &key, &how, &result), CACHE_OK);
        ck_assert(item_is_chained(item_of(&f, "key")) == chained);
        ck_assert_int_eq(cache_read_as(f.thread, &key, &plainly, &reading), CACHE_OK);
        ck_assert_uint_eq(reading.cas, 1234);
        ck_assert(reading_holds(&reading, value));
        cache_read_end(f.thread, &reading);
        cache_check(f.cache, true);
        forget(value);
    }
    fixture_fini(&f);
}
END_TEST

START_TEST(a_walk_meets_chains)
{
    struct fixture    f;
    struct cache_walk walk = { 0 };
    uint64_t          left[CACHE_CLASS_MAX + 1];
    struct span       value = value_of(VALUE_MAX, 1);

    begin_test(&f);
    ck_assert_int_eq(put_span(&f, "key", value, 0), CACHE_OK);
    put_span(&f, "dead", value, 1);
    forget(value);
    advance(&f, 2);
    memset(left, 0, sizeof(left));
    left[cache_class_count(f.cache)] = 10;
    while (cache_reap_step(f.thread, &walk, left))
        ;
    ck_assert_uint_eq(left[cache_class_count(f.cache)], 8);
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

/* ---- eviction -------------------------------------------------------------------- */

START_TEST(chains_evict_chains_and_the_oldest_go)
{
    struct fixture f;
    char           name[32];
    unsigned       kept = 0;

    fixture_init_with(&f, config_of(8 * MIB));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key%u", i);
        quick_assert(put_value(&f, name, 40000 + i, i) == CACHE_OK);
    }
    ck_assert_uint_gt(counters_of(&f).evictions, 500);
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key%u", i);
        if (peek(&f, name) != CACHE_OK)
            continue;
        quick_assert(i > 700);
        assert_patterned(&f, name, 40000 + i, i);
        kept++;
    }
    ck_assert_uint_eq(kept, items_in(&f));
    ck_assert_uint_gt(kept, 80);
    fixture_fini(&f);
}
END_TEST

/* Of all sizes, and items that are no chains in between. */
START_TEST(whatever_there_is_a_chain_finds_room)
{
    struct fixture f;
    struct dice    dice = { 7 };
    char           name[32];

    fixture_init_with(&f, config_of(4 * MIB));
    for (unsigned i = 0; i < 20000; i++) {
        size_t length = dice_roll(&dice, 2) ? dice_roll(&dice, CHUNK)
                                            : dice_roll(&dice, 30 * (uint64_t)CHUNK);

        snprintf(name, sizeof(name), "key%u", (unsigned)dice_roll(&dice, 2000));
        quick_assert(put_value(&f, name, length, i) == CACHE_OK);
        assert_patterned(&f, name, length, i);
    }
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_pinned_chain_is_not_evicted_and_a_deleted_one_goes_with_its_last_pin)
{
    struct fixture       f;
    struct cache_reading first, second;
    struct span          value = value_of(1000000, 1);

    fixture_init_with(&f, config_of(0));
    ck_assert_int_eq(put_span(&f, "pinned", value, 0), CACHE_OK);
    first = pin(&f, "pinned");
    second = pin(&f, "pinned");
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(put_value(&f, i % 2 ? "a" : "b", 1000000, i), CACHE_OK);
    ck_assert(reading_holds(&first, value));
    ck_assert_int_eq(peek(&f, "pinned"), CACHE_OK);
    ck_assert_int_eq(drop(&f, "pinned"), CACHE_OK);
    cache_read_end(f.thread, &first);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(put_value(&f, i % 2 ? "a" : "b", 1000000, i), CACHE_OK);
    ck_assert(reading_holds(&second, value));
    cache_read_end(f.thread, &second);
    forget(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(without_eviction_chains_are_refused_when_memory_is_full)
{
    struct cache_config config = config_of(2 * MIB);
    struct fixture      f;
    char                name[32];
    unsigned            room = 0;

    config.evicts = false;
    fixture_init_with(&f, config);
    for (;; room++) {
        snprintf(name, sizeof(name), "key%u", room);
        if (put_value(&f, name, 100000, room) != CACHE_OK)
            break;
    }
    ck_assert_uint_ge(room, 35);
    ck_assert_uint_eq(counters_of(&f).evictions, 0);
    for (unsigned i = 0; i < room; i++) {
        snprintf(name, sizeof(name), "key%u", i);
        assert_patterned(&f, name, 100000, i);
    }
    ck_assert_int_eq(drop(&f, "key3"), CACHE_OK);
    ck_assert_int_eq(put_value(&f, "new", 100000, 1), CACHE_OK);
    fixture_fini(&f);
}
END_TEST

static void
add_tests_of_values(Suite *suite)
{
    TCase *borders = fixture_case_of_one(suite, "borders");
    TCase *arriving = fixture_case_of_one(suite, "arriving");
    TCase *joining = fixture_case(suite, "joining");

    tcase_add_test(borders, values_around_every_border_come_back);
    tcase_add_test(
        borders,
        an_item_is_a_chain_from_the_first_byte_on_that_its_chunk_has_no_room_for);
    tcase_add_test(borders, all_pieces_but_the_last_are_full_and_the_last_is_small);
    tcase_add_test(borders, flags_expiry_and_ids_are_as_those_of_any_item);
    tcase_add_test(borders, a_flush_takes_chains_too);
    tcase_add_test(borders, a_value_can_be_read_from_any_offset);
    tcase_add_test(borders, a_short_chain_is_read_under_its_stripe);
    tcase_add_test(borders,
                   however_small_the_chunks_a_chain_has_some_two_thousand_at_most);
    tcase_add_test(arriving, a_chain_is_whole_whatever_pieces_it_came_in);
    tcase_add_test(arriving, a_chain_holds_what_has_arrived_and_no_more);
    tcase_add_test(arriving,
                   midway_without_memory_there_is_no_room_until_there_is_some_again);
    tcase_add_test(arriving, for_what_can_never_fit_nothing_is_evicted);
    tcase_add_test(joining, append_and_prepend_go_over_every_border);
    tcase_add_test(joining, what_is_joined_to_a_pinned_chain_leaves_the_reader_his_own);
    tcase_add_test(joining, what_is_joined_to_a_chain_takes_its_pieces_over);
    tcase_add_test(joining,
                   a_chain_that_grows_bit_by_bit_has_no_more_pieces_than_it_needs);
    tcase_add_test(joining, an_append_needs_no_second_place_for_the_whole_value);
    tcase_add_test(joining, an_append_that_does_not_fit_says_so_and_changes_nothing);
    tcase_add_test(joining, threads_that_join_to_one_value_lose_nothing);
    tcase_add_test(joining, cas_and_add_and_replace_look_at_chains_as_at_any_item);
}

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/chain");
    TCase *others = fixture_case_of_one(suite, "others");
    TCase *evicting = fixture_case_of_one(suite, "evicting");

    add_tests_of_values(suite);
    tcase_add_test(others, a_chain_is_no_number);
    tcase_add_test(others, a_chain_can_be_touched_invalidated_and_emptied);
    tcase_add_test(others, an_id_that_is_chosen_makes_no_chain_of_what_is_none);
    tcase_add_test(others, a_walk_meets_chains);
    tcase_add_test(evicting, chains_evict_chains_and_the_oldest_go);
    tcase_add_test(evicting, whatever_there_is_a_chain_finds_room);
    tcase_add_test(
        evicting, a_pinned_chain_is_not_evicted_and_a_deleted_one_goes_with_its_last_pin);
    tcase_add_test(evicting, without_eviction_chains_are_refused_when_memory_is_full);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
