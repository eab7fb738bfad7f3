/* t/unit/test_slabs_model.c - random operations, held against a model that is simple
 * enough to be right.
 *
 * The model is an array: what each key holds, until when, and its id. A key that the
 * cache does not have although the model does may only have been evicted, so those are
 * counted and never exceed what the cache itself counts. Meanwhile some readers keep
 * large values pinned and look at the end whether the bytes are still the same.
 */
#include <stdio.h>

#include "slabs/cache.h"
#include "slabs/decimal.h"
#include "t/unit/fixture.h"

enum { KEYS = 1600, STEPS = 100000, READERS = 6, VALUE_MAX = 40000 };

struct entry {
    bool     there;
    uint32_t flags;
    uint32_t deadline; /* as clock_deadline() says              */
    uint64_t cas;
    char    *value;
    size_t   length;
};

struct reader {
    struct cache_reading reading;
    char                *expected;
};

struct world {
    struct fixture f;
    struct dice    dice;
    struct entry   entry[KEYS];
    struct reader  reader[READERS];
    uint32_t       flush_at;   /* ticks; 0: none is pending         */
    uint64_t       large_from; /* of 100 values, this one and up    */
    size_t         chunk_most; /* a longer value is no number       */
    uint64_t       vanished;
    char           scratch[VALUE_MAX];
};

static struct cache_key
key_number(struct world *w, unsigned i, char name[16])
{
    snprintf(name, 16, "%s%u", i % 7 == 0 ? "longer-key-" : "k", i);
    return key_of(&w->f, name);
}

static void
forget(struct entry *entry)
{
    free(entry->value);
    *entry = (struct entry){ 0 };
}

/* Is there an entry that lives? What has expired is forgotten. */
static bool
lives(struct world *w, struct entry *entry)
{
    if (entry->there && clock_is_past(entry->deadline, clock_now(&w->f.clock)))
        forget(entry);
    return entry->there;
}

/* The cache says that nothing is there: right, or an eviction. */
static void
accept_miss(struct world *w, struct entry *entry)
{
    if (!lives(w, entry))
        return;
    w->vanished++;
    if (w->vanished > counters_of(&w->f).evictions)
        ck_abort_msg("a key has vanished without an eviction");
    forget(entry);
}

static void
set_entry(struct entry *entry, struct span value, uint32_t flags, uint32_t deadline,
          uint64_t cas)
{
    char *copy = malloc(value.length + 1);

    quick_assert(copy != NULL);
    memcpy(copy, value.at, value.length);
    forget(entry);
    *entry = (struct entry){ true, flags, deadline, cas, copy, value.length };
}

static struct span
value_of(const struct entry *entry)
{
    return (struct span){ entry->value, entry->length };
}

/* Mostly small, some numbers, some large. */
static struct span
random_value(struct world *w)
{
    uint64_t kind = dice_roll(&w->dice, 100);
    size_t   length;

    if (kind < 30) {
        char *end = decimal_write(w->scratch, dice_bits(&w->dice) >> kind * 2);

        return (struct span){ w->scratch, (size_t)(end - w->scratch) };
    }
    if (kind < 80)
        length = dice_roll(&w->dice, 300);
    else if (kind < w->large_from)
        length = dice_roll(&w->dice, 6000);
    else
        length = dice_roll(&w->dice, VALUE_MAX);
    pattern_fill(w->scratch, length, dice_bits(&w->dice));
    return (struct span){ w->scratch, length };
}

static int64_t
random_expiry(struct world *w)
{
    switch (dice_roll(&w->dice, 10)) {
    case 0:
        return -1;
    case 1:
        return clock_unix_s(&w->f.clock) + (int64_t)dice_roll(&w->dice, 30);
    case 2:
    case 3:
        return (int64_t)dice_roll(&w->dice, 60);
    default:
        return 0;
    }
}

/* ---- operations ------------------------------------------------------------------ */

/* Would a join make more of the entry than an item may be? */
static bool
is_too_long(struct world *w, const struct entry *entry, const struct cache_store *store,
            size_t length)
{
    return store->mode != CACHE_REPLACE &&
           cache_class_for(w->f.cache, store->key.bytes.length, entry->flags,
                           entry->length + length) == 0;
}

/* The status that the model wants of a store. */
static enum cache_status
expected_status(struct world *w, struct entry *entry, const struct cache_store *store,
                size_t length)
{
    bool there = lives(w, entry);

    switch (store->mode) {
    case CACHE_SET:
        return CACHE_OK;
    case CACHE_ADD:
        return there ? CACHE_NOT_STORED : CACHE_OK;
    case CACHE_CAS:
        if (!there)
            return CACHE_MISS;
        return store->cas == entry->cas ? CACHE_OK : CACHE_EXISTS;
    case CACHE_REPLACE:
    case CACHE_APPEND:
    case CACHE_PREPEND:
        break;
    }
    return there && !is_too_long(w, entry, store, length) ? CACHE_OK : CACHE_NOT_STORED;
}

static void
model_join(struct entry *entry, const struct cache_store *store, struct span value,
           uint64_t cas)
{
    static char joined[64 * VALUE_MAX];
    bool        before = store->mode == CACHE_PREPEND;
    struct span whole = { joined, entry->length + value.length };

    memcpy(joined + (before ? value.length : 0), entry->value, entry->length);
    memcpy(joined + (before ? 0 : entry->length), value.at, value.length);
    set_entry(entry, whole, entry->flags, entry->deadline, cas);
}

/* Store at once, or by an upload in two pieces. */
static enum cache_status
run_store(struct world *w, const struct cache_store *store, struct span value,
          struct cache_result *result)
{
    struct cache_upload upload;
    size_t              room;

    if (dice_roll(&w->dice, 3) > 0)
        return cache_store(w->f.thread, store, value, result);
    if (cache_upload_begin(w->f.thread, store, value.length, &upload) != CACHE_OK)
        return CACHE_NO_MEMORY;
    if (dice_roll(&w->dice, 10) == 0) {
        cache_upload_abandon(w->f.thread, &upload);
        return CACHE_NO_MEMORY;
    }
    for (size_t at = 0; at < value.length;) {
        char  *to = cache_upload_room(w->f.thread, &upload, &room);
        size_t here = room / 2 + 1;

        if (room == 0) { /* no memory for another piece */
            cache_upload_abandon(w->f.thread, &upload);
            return CACHE_NO_MEMORY;
        }
        memcpy(to, value.at + at, here);
        cache_upload_fill(&upload, here);
        at += here;
    }
    return cache_upload_commit(w->f.thread, store, &upload, result);
}

static void
do_store(struct world *w, unsigned i, enum cache_store_mode mode)
{
    struct entry       *entry = &w->entry[i];
    struct span         value = random_value(w);
    char                name[16];
    struct cache_store  store = { .mode = mode, .key = key_number(w, i, name) };
    struct cache_result result;
    enum cache_status   expected, status;
    uint64_t            refusals = counters_of(&w->f).out_of_memory;
    uint32_t            deadline;

    store.client_flags = dice_roll(&w->dice, 2) ? (uint32_t)dice_bits(&w->dice) : 0;
    store.expiry = random_expiry(w);
    store.cas = entry->cas + (dice_roll(&w->dice, 4) == 0);
    deadline = clock_deadline(&w->f.clock, store.expiry);
    expected = expected_status(w, entry, &store, value.length);
    status = run_store(w, &store, value, &result);
    if (status == CACHE_NO_MEMORY || counters_of(&w->f).out_of_memory > refusals)
        return; /* given up on purpose, or all is pinned */
    if (status != expected) {
        accept_miss(w, entry);
        expected = expected_status(w, entry, &store, value.length);
        if (mode == CACHE_APPEND || mode == CACHE_PREPEND)
            quick_assert(status == CACHE_NOT_STORED);
        else
            quick_assert(status == expected);
    }
    if (status != CACHE_OK)
        return;
    quick_assert(!entry->there || result.cas > entry->cas);
    if (mode == CACHE_APPEND || mode == CACHE_PREPEND)
        model_join(entry, &store, value, result.cas);
    else
        set_entry(entry, value, store.client_flags, deadline, result.cas);
}

/* Compare, and now and then keep the reading open. */
static void
end_reading(struct world *w, struct entry *entry, struct cache_reading *reading)
{
    struct reader *reader = &w->reader[dice_roll(&w->dice, READERS)];

    quick_assert(reading_holds(reading, value_of(entry)));
    quick_assert(reading->client_flags == entry->flags);
    quick_assert(reading->cas == entry->cas);
    if (!reading->pinned || reader->expected != NULL) {
        cache_read_end(w->f.thread, reading);
        return;
    }
    reader->reading = *reading;
    reader->expected = malloc(entry->length);
    memcpy(reader->expected, entry->value, entry->length);
}

static void
do_read(struct world *w, unsigned i, bool touch)
{
    struct entry         *entry = &w->entry[i];
    char                  name[16];
    struct cache_key      key = key_number(w, i, name);
    struct cache_read_how how = { .touches = touch, .expiry = random_expiry(w) };
    struct cache_reading  reading;
    enum cache_status     status;

    status = touch ? cache_read_as(w->f.thread, &key, &how, &reading)
                   : cache_read(w->f.thread, &key, &reading);
    if (status == CACHE_MISS) {
        accept_miss(w, entry);
        return;
    }
    quick_assert(lives(w, entry));
    end_reading(w, entry, &reading);
    if (touch)
        entry->deadline = clock_deadline(&w->f.clock, how.expiry);
}

static void
do_touch(struct world *w, unsigned i)
{
    struct entry       *entry = &w->entry[i];
    char                name[16];
    struct cache_key    key = key_number(w, i, name);
    int64_t             expiry = random_expiry(w);
    struct cache_result result;

    if (cache_touch(w->f.thread, &key, expiry, &result) == CACHE_MISS) {
        accept_miss(w, entry);
        return;
    }
    quick_assert(lives(w, entry) && result.cas == entry->cas);
    entry->deadline = clock_deadline(&w->f.clock, expiry);
}

static void
do_drop(struct world *w, unsigned i)
{
    struct entry         *entry = &w->entry[i];
    char                  name[16];
    struct cache_key      key = key_number(w, i, name);
    struct cache_drop_how how = { .compares = dice_roll(&w->dice, 2) };
    struct cache_result   result;

    how.cas = entry->cas + (dice_roll(&w->dice, 3) == 0);
    switch (cache_drop(w->f.thread, &key, &how, &result)) {
    case CACHE_OK:
        quick_assert(lives(w, entry) && (!how.compares || how.cas == entry->cas));
        forget(entry);
        break;
    case CACHE_EXISTS:
        quick_assert(lives(w, entry) && how.compares && how.cas != entry->cas);
        break;
    default:
        accept_miss(w, entry);
        break;
    }
}

/* A number in the model's value: digits and then nothing or padding. */
static bool
is_number(const struct entry *entry, uint64_t *number)
{
    size_t at = 0;

    *number = 0;
    for (; at < entry->length && entry->value[at] >= '0' && entry->value[at] <= '9';
         at++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(entry->value[at] - '0'), number))
            return false;
    }
    return at > 0 && (at == entry->length || entry->value[at] == ' ');
}

static void
do_count(struct world *w, unsigned i)
{
    struct entry          *entry = &w->entry[i];
    char                   name[16];
    struct cache_key       key = key_number(w, i, name);
    struct cache_count_how how = { .subtracts = dice_roll(&w->dice, 2) };
    struct cache_result    result;
    struct cache_reading   reading;
    enum cache_status      status;
    uint64_t               number;

    how.delta = dice_bits(&w->dice) >> dice_roll(&w->dice, 64);
    status = cache_arithmetic(w->f.thread, &key, &how, &result);
    if (status == CACHE_MISS) {
        accept_miss(w, entry);
        return;
    }
    if (status == CACHE_NO_MEMORY)
        return;
    quick_assert(lives(w, entry));
    if (status == CACHE_NOT_NUMERIC) {
        /* patterns may look like numbers with blanks before: not to the model */
        quick_assert(!is_number(entry, &number) ||
                     entry->length + 2 * CACHE_KEY_MAX > w->chunk_most);
        return;
    }
    quick_assert(entry->length < w->chunk_most);
    if (is_number(entry, &number)) {
        if (how.subtracts)
            number = number > how.delta ? number - how.delta : 0;
        else
            number += how.delta;
        quick_assert(result.number == number);
    }
    quick_assert(result.cas > entry->cas);
    /* in place or not: padded to the old length, or of its own */
    quick_assert(cache_read(w->f.thread, &key, &reading) == CACHE_OK);
    {
        char        digits[DECIMAL_MAX];
        size_t      length = (size_t)(decimal_write(digits, result.number) - digits);
        struct span value = cache_read_value(&reading, 0);

        quick_assert(value.length == length || value.length == entry->length);
        quick_assert(value.length >= length);
        quick_assert(memcmp(value.at, digits, length) == 0);
        for (size_t at = length; at < value.length; at++)
            quick_assert(value.at[at] == ' ');
        set_entry(entry, value, entry->flags, entry->deadline, result.cas);
    }
    cache_read_end(w->f.thread, &reading);
}

static void
forget_all(struct world *w)
{
    for (unsigned i = 0; i < KEYS; i++)
        forget(&w->entry[i]);
}

static void
do_flush(struct world *w)
{
    int64_t expiry;

    switch (dice_roll(&w->dice, 3)) {
    case 0:
        cache_flush(w->f.thread);
        w->flush_at = 0;
        forget_all(w);
        break;
    case 1:
        expiry = 1 + (int64_t)dice_roll(&w->dice, 40);
        cache_flush_later(w->f.thread, expiry);
        w->flush_at = clock_now(&w->f.clock) + (uint32_t)expiry * CLOCK_HZ;
        break;
    default: /* before the clock's start: takes back what is pending */
        cache_flush_later(w->f.thread, w->f.clock.origin_s);
        w->flush_at = 0;
        break;
    }
}

static void
do_advance(struct world *w)
{
    advance_ticks(&w->f, (uint32_t)dice_roll(&w->dice, 4 * CLOCK_HZ));
    if (w->flush_at != 0 && w->flush_at <= clock_now(&w->f.clock)) {
        w->flush_at = 0;
        forget_all(w);
    }
}

static void
end_reader(struct world *w, struct reader *reader)
{
    if (reader->expected == NULL)
        return;
    quick_assert(
        reading_holds(&reader->reading,
                      (struct span){ reader->expected, reader->reading.value_length }));
    cache_read_end(w->f.thread, &reader->reading);
    free(reader->expected);
    *reader = (struct reader){ 0 };
}

static void
step(struct world *w)
{
    unsigned i = (unsigned)dice_roll(&w->dice, KEYS);
    uint64_t what = dice_roll(&w->dice, 1000);

    if (what < 300)
        do_read(w, i, false);
    else if (what < 360)
        do_read(w, i, true);
    else if (what < 560)
        do_store(w, i, CACHE_SET);
    else if (what < 610)
        do_store(w, i, CACHE_ADD);
    else if (what < 650)
        do_store(w, i, CACHE_REPLACE);
    else if (what < 690)
        do_store(w, i, CACHE_APPEND);
    else if (what < 730)
        do_store(w, i, CACHE_PREPEND);
    else if (what < 780)
        do_store(w, i, CACHE_CAS);
    else if (what < 830)
        do_touch(w, i);
    else if (what < 870)
        do_drop(w, i);
    else if (what < 950)
        do_count(w, i);
    else if (what < 990)
        end_reader(w, &w->reader[dice_roll(&w->dice, READERS)]);
    else if (what < 999)
        do_advance(w);
    else if (dice_roll(&w->dice, 4) == 0)
        do_flush(w);
}

static struct world *
run(struct cache_config config, uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));

    quick_assert(w != NULL);
    /* The largest class has a few pages in any case: to fill them takes large values. */
    w->chunk_most = config.chunk_bytes_max;
    w->large_from = config.chunk_bytes_max < MIB ? 75 : 97;
    fixture_init_with(&w->f, config);
    w->dice.state = seed;
    for (unsigned i = 0; i < STEPS; i++) {
        step(w);
        if (i % 10000 == 0)
            cache_check(w->f.cache, false);
    }
    for (unsigned i = 0; i < KEYS; i++)
        do_read(w, i, false);
    for (unsigned i = 0; i < READERS; i++)
        end_reader(w, &w->reader[i]);
    return w;
}

static void
finish(struct world *w)
{
    forget_all(w);
    fixture_fini(&w->f);
    free(w);
}

/* Values are chains, if they are longer. */
static const uint32_t chunk_bytes[] = { MIB, MIB, 4096, 1024 };

START_TEST(with_memory_enough_the_cache_is_the_model)
{
    struct cache_config config = fixture_config(256 * (size_t)MIB);
    struct world       *w;

    config.item_bytes_max = 200000; /* so that joins end somewhere */
    config.chunk_bytes_max = chunk_bytes[_i];
    config.evicts = _i % 2 == 0;
    w = run(config, 100 + (uint64_t)_i);
    ck_assert_uint_eq(w->vanished, 0);
    ck_assert_uint_eq(counters_of(&w->f).evictions, 0);
    ck_assert_uint_eq(counters_of(&w->f).out_of_memory, 0);
    ck_assert_uint_gt(counters_of(&w->f).expired_found, 100);
    ck_assert_uint_gt(counters_of(&w->f).flushed_found, 10);
    finish(w);
}
END_TEST

START_TEST(with_little_memory_only_evictions_part_them)
{
    struct cache_config config = fixture_config(MIB);
    struct world       *w;

    config.item_bytes_max = 200000;
    config.chunk_bytes_max = chunk_bytes[_i];
    config.growth = _i % 2 == 0 ? 16.0 : 32.0; /* few classes fill up */
    w = run(config, 200 + (uint64_t)_i);
    ck_assert_uint_gt(w->vanished, 10);
    ck_assert_uint_le(w->vanished, counters_of(&w->f).evictions);
    finish(w);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("slabs/model");
    TCase *model = fixture_case(suite, "model");

    tcase_add_loop_test(model, with_memory_enough_the_cache_is_the_model, 0,
                        (int)LENGTH(chunk_bytes));
    tcase_add_loop_test(model, with_little_memory_only_evictions_part_them, 0,
                        (int)LENGTH(chunk_bytes));
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
