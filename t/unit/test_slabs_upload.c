/* t/unit/test_slabs_upload.c - values that arrive piece by piece, and what others do to
 * their key meanwhile. */
#include <signal.h>
#include <stdio.h>

#include "slabs/cache.h"
#include "t/unit/fixture.h"

/* Fill in all of a value, `step` bytes at a time. */
static void
fill(struct fixture *f, struct cache_upload *upload, struct span value, size_t step)
{
    size_t at = 0, room;
    char  *to;

    while (to = cache_upload_room(f->thread, upload, &room), room > 0) {
        size_t here = room < step ? room : step;

        quick_assert(here <= value.length - at);
        memcpy(to, value.at + at, here);
        cache_upload_fill(upload, here);
        at += here;
    }
    quick_assert(at == value.length);
}

static struct cache_upload
begin(struct fixture *f, const struct cache_store *store, size_t length)
{
    struct cache_upload upload;

    quick_assert(cache_upload_begin(f->thread, store, length, &upload) == CACHE_OK);
    return upload;
}

static enum cache_status
commit(struct fixture *f, const struct cache_store *store, struct cache_upload *upload)
{
    struct cache_result result;

    return cache_upload_commit(f->thread, store, upload, &result);
}

START_TEST(a_value_is_whole_whatever_pieces_it_came_in)
{
    static const size_t steps[] = { 1, 2, 7, 1000, 1 << 20 };
    static const size_t lengths[] = { 0, 1, 5, 100, 4096, 4097, 70000, 900000 };
    struct fixture      f;
    char               *value = malloc(MIB);

    fixture_init(&f);
    for (size_t i = 0; i < LENGTH(steps) * LENGTH(lengths); i++) {
        size_t              length = lengths[i % LENGTH(lengths)];
        struct cache_store  store = store_of(&f, CACHE_SET, "k");
        struct cache_upload upload = begin(&f, &store, length);

        pattern_fill(value, length, i);
        fill(&f, &upload, (struct span){ value, length }, steps[i / LENGTH(lengths)]);
        ck_assert_int_eq(commit(&f, &store, &upload), CACHE_OK);
        assert_value_span(&f, "k", (struct span){ value, length });
    }
    free(value);
    fixture_fini(&f);
}
END_TEST

START_TEST(nobody_sees_it_before_it_is_committed)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    upload = begin(&f, &store, 3);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fill(&f, &upload, SPAN("new"), 1);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    put(&f, "k", "old", 0);
    assert_value(&f, "k", "old");
    ck_assert_int_eq(commit(&f, &store, &upload), CACHE_OK);
    assert_value(&f, "k", "new");
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(flags_expiry_and_result_are_those_of_the_store)
{
    struct fixture       f;
    struct cache_store   store;
    struct cache_upload  upload;
    struct cache_result  result;
    struct cache_reading reading;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    store.client_flags = 99;
    store.expiry = 10;
    upload = begin(&f, &store, 5);
    fill(&f, &upload, SPAN("value"), 5);
    ck_assert_int_eq(cache_upload_commit(f.thread, &store, &upload, &result), CACHE_OK);
    ck_assert_int_eq(cache_read(f.thread, &store.key, &reading), CACHE_OK);
    ck_assert_uint_eq(reading.client_flags, 99);
    ck_assert_uint_eq(reading.cas, result.cas);
    ck_assert_uint_eq(reading.size_class, result.size_class);
    cache_read_end(f.thread, &reading);
    advance(&f, 11);
    ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(the_stores_key_is_not_read_at_the_end)
{
    struct fixture      f;
    char                name[] = "the key";
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, name);
    upload = begin(&f, &store, 1);
    fill(&f, &upload, SPAN("v"), 1);
    memset(name, 'x', sizeof(name) - 1);
    store.key.bytes = (struct span){ 0 };
    ck_assert_int_eq(commit(&f, &store, &upload), CACHE_OK);
    assert_value(&f, "the key", "v");
    fixture_fini(&f);
}
END_TEST

START_TEST(what_is_given_up_leaves_no_trace)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    put(&f, "k", "old", 0);
    store = store_of(&f, CACHE_SET, "k");
    upload = begin(&f, &store, 100000);
    cache_upload_abandon(f.thread, &upload);
    upload = begin(&f, &store, 3);
    fill(&f, &upload, SPAN("new"), 2);
    cache_upload_abandon(f.thread, &upload);
    cache_upload_abandon(f.thread, &upload); /* nothing is left to give up */
    assert_value(&f, "k", "old");
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

/* ---- modes, and what others do meanwhile ----------------------------------------- */

enum meanwhile { NOTHING, STORED, DELETED, FLUSHED, EXPIRED };

static void
happen(struct fixture *f, enum meanwhile what)
{
    switch (what) {
    case NOTHING:
        break;
    case STORED:
        put(f, "k", "other", 0);
        break;
    case DELETED:
        ck_assert_int_eq(drop(f, "k"), CACHE_OK);
        break;
    case FLUSHED:
        cache_flush(f->thread);
        break;
    case EXPIRED:
        put(f, "k", "other", -1);
        break;
    }
}

static const struct {
    enum cache_store_mode mode;
    bool                  old; /* there was "old" before */
    enum meanwhile        what;
    enum cache_status     status;
    const char           *then; /* NULL: nothing is there */
} cases[] = {
    { CACHE_SET, false, NOTHING, CACHE_OK, "new" },
    { CACHE_SET, true, NOTHING, CACHE_OK, "new" },
    { CACHE_SET, true, STORED, CACHE_OK, "new" },
    { CACHE_SET, true, DELETED, CACHE_OK, "new" },
    { CACHE_SET, true, FLUSHED, CACHE_OK, "new" },
    { CACHE_ADD, false, NOTHING, CACHE_OK, "new" },
    { CACHE_ADD, true, NOTHING, CACHE_NOT_STORED, "old" },
    { CACHE_ADD, false, STORED, CACHE_NOT_STORED, "other" },
    { CACHE_ADD, true, DELETED, CACHE_OK, "new" },
    { CACHE_ADD, true, FLUSHED, CACHE_OK, "new" },
    { CACHE_ADD, true, EXPIRED, CACHE_OK, "new" },
    { CACHE_REPLACE, false, NOTHING, CACHE_NOT_STORED, NULL },
    { CACHE_REPLACE, true, NOTHING, CACHE_OK, "new" },
    { CACHE_REPLACE, false, STORED, CACHE_OK, "new" },
    { CACHE_REPLACE, true, DELETED, CACHE_NOT_STORED, NULL },
    { CACHE_REPLACE, true, FLUSHED, CACHE_NOT_STORED, NULL },
    { CACHE_REPLACE, true, EXPIRED, CACHE_NOT_STORED, NULL },
    { CACHE_APPEND, false, NOTHING, CACHE_NOT_STORED, NULL },
    { CACHE_APPEND, true, NOTHING, CACHE_OK, "oldnew" },
    { CACHE_APPEND, true, STORED, CACHE_OK, "othernew" },
    { CACHE_APPEND, true, DELETED, CACHE_NOT_STORED, NULL },
    { CACHE_PREPEND, true, NOTHING, CACHE_OK, "newold" },
    { CACHE_PREPEND, true, STORED, CACHE_OK, "newother" },
    { CACHE_PREPEND, false, NOTHING, CACHE_NOT_STORED, NULL },
    { CACHE_CAS, true, NOTHING, CACHE_OK, "new" },
    { CACHE_CAS, true, STORED, CACHE_EXISTS, "other" },
    { CACHE_CAS, true, DELETED, CACHE_MISS, NULL },
    { CACHE_CAS, true, FLUSHED, CACHE_MISS, NULL },
    { CACHE_CAS, false, NOTHING, CACHE_MISS, NULL },
};

START_TEST(the_rule_is_asked_when_the_value_is_there)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    if (cases[_i].old)
        put(&f, "k", "old", 0);
    store = store_of(&f, cases[_i].mode, "k");
    store.cas = cases[_i].old ? cas_of(&f, "k") : 1;
    upload = begin(&f, &store, 3);
    fill(&f, &upload, SPAN("new"), 1);
    happen(&f, cases[_i].what);
    ck_assert_int_eq(commit(&f, &store, &upload), cases[_i].status);
    if (cases[_i].then != NULL)
        assert_value(&f, "k", cases[_i].then);
    else
        ck_assert_int_eq(peek(&f, "k"), CACHE_MISS);
    fixture_fini(&f);
}
END_TEST

START_TEST(of_two_uploads_of_a_key_the_later_end_wins)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload first, second;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    first = begin(&f, &store, 5);
    second = begin(&f, &store, 6);
    fill(&f, &second, SPAN("second"), 3);
    fill(&f, &first, SPAN("first"), 3);
    ck_assert_int_eq(commit(&f, &store, &second), CACHE_OK);
    ck_assert_int_eq(commit(&f, &store, &first), CACHE_OK);
    assert_value(&f, "k", "first");
    ck_assert_uint_eq(items_in(&f), 1);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_reader_of_the_old_value_is_not_disturbed)
{
    struct fixture       f;
    struct cache_store   store;
    struct cache_upload  upload;
    struct cache_reading reading;
    char                 value[10000];

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    pattern_fill(value, sizeof(value), 1);
    put_span(&f, "k", (struct span){ value, sizeof(value) }, 0);
    ck_assert_int_eq(cache_read(f.thread, &store.key, &reading), CACHE_OK);
    upload = begin(&f, &store, sizeof(value));
    pattern_fill(value, sizeof(value), 2);
    fill(&f, &upload, (struct span){ value, sizeof(value) }, 100);
    ck_assert_int_eq(commit(&f, &store, &upload), CACHE_OK);
    ck_assert(pattern_holds(cache_read_value(&reading, 0), 1));
    assert_value_span(&f, "k", (struct span){ value, sizeof(value) });
    cache_read_end(f.thread, &reading);
    fixture_fini(&f);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------- */

START_TEST(what_is_too_large_is_refused_at_the_start)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    put(&f, "k", "old", 0);
    store = store_of(&f, CACHE_SET, "k");
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, MIB, &upload), CACHE_TOO_LARGE);
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, INT32_MAX, &upload),
                     CACHE_TOO_LARGE);
    assert_value(&f, "k", "old");
    fixture_fini(&f);
}
END_TEST

START_TEST(what_grows_too_large_is_refused_at_the_end)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;
    char               *half = calloc(1, 600000);

    fixture_init(&f);
    put_span(&f, "k", (struct span){ half, 600000 }, 0);
    store = store_of(&f, CACHE_APPEND, "k");
    upload = begin(&f, &store, 600000);
    fill(&f, &upload, (struct span){ half, 600000 }, 4096);
    ck_assert_int_eq(commit(&f, &store, &upload), CACHE_NOT_STORED);
    assert_value_span(&f, "k", (struct span){ half, 600000 });
    free(half);
    fixture_fini(&f);
}
END_TEST

/* The largest class: one chunk a page. */
enum { A_PAGES_WORTH = 900000 };

START_TEST(uploads_hold_their_memory_and_give_it_back)
{
    struct cache_config config = fixture_config(2 * MIB);
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload uploads[4], one_more;

    fixture_init_with(&f, config);
    store = store_of(&f, CACHE_SET, "k");
    for (unsigned i = 0; i < LENGTH(uploads); i++)
        uploads[i] = begin(&f, &store, A_PAGES_WORTH);
    ck_assert_int_eq(cache_upload_begin(f.thread, &store, A_PAGES_WORTH, &one_more),
                     CACHE_NO_MEMORY);
    ck_assert_uint_eq(counters_of(&f).out_of_memory, 1);
    cache_check(f.cache, false);
    cache_upload_abandon(f.thread, &uploads[0]);
    uploads[0] = begin(&f, &store, A_PAGES_WORTH);
    for (unsigned i = 0; i < LENGTH(uploads); i++)
        cache_upload_abandon(f.thread, &uploads[i]);
    fixture_fini(&f);
}
END_TEST

START_TEST(an_upload_that_is_left_over_fails_the_fixture)
{
    struct fixture      f;
    struct cache_store  store;
    struct cache_upload upload;

    fixture_init(&f);
    store = store_of(&f, CACHE_SET, "k");
    upload = begin(&f, &store, 10);
    ck_assert_uint_eq(upload.length, 10);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    cache_check(f.cache, true);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/upload");
    TCase *pieces = fixture_case(suite, "pieces");
    TCase *meanwhile = fixture_case(suite, "meanwhile");
    TCase *limits = fixture_case(suite, "limits");

    tcase_add_test(pieces, a_value_is_whole_whatever_pieces_it_came_in);
    tcase_add_test(pieces, nobody_sees_it_before_it_is_committed);
    tcase_add_test(pieces, flags_expiry_and_result_are_those_of_the_store);
    tcase_add_test(pieces, the_stores_key_is_not_read_at_the_end);
    tcase_add_test(pieces, what_is_given_up_leaves_no_trace);
    tcase_add_loop_test(meanwhile, the_rule_is_asked_when_the_value_is_there, 0,
                        (int)LENGTH(cases));
    tcase_add_test(meanwhile, of_two_uploads_of_a_key_the_later_end_wins);
    tcase_add_test(meanwhile, a_reader_of_the_old_value_is_not_disturbed);
    tcase_add_test(limits, what_is_too_large_is_refused_at_the_start);
    tcase_add_test(limits, what_grows_too_large_is_refused_at_the_end);
    tcase_add_test(limits, uploads_hold_their_memory_and_give_it_back);
    tcase_add_test_raise_signal(limits, an_upload_that_is_left_over_fails_the_fixture,
                                SIGABRT);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
