/* t/unit/fixture.h - what the suites of slabs/ and protocol/ have in common.
 *
 * A fixture is a cache, one handle and a clock that stands still until the test moves
 * it. fixture_fini() runs cache_check(): a chunk that is lost, a list that is broken or
 * a pin that is left over fails the test, whatever it was about.
 *
 * The helpers are static inline, since each t/unit/test_*.c is a program of its own and
 * none uses all of them. Randomness is a fixed sequence: a failure is there again at the
 * next run.
 */
#ifndef LARDER_T_UNIT_FIXTURE_H
#define LARDER_T_UNIT_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slabs/cache.h"
#include "slabs/clock.h"
#include "slabs/counters.h"
#include "t/unit/suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* For loops of many rounds: Check's own assertions tell its parent of each success, by
 * a system call. */
#define quick_assert(x)                                                                  \
    do {                                                                                 \
        if (!(x))                                                                        \
            ck_abort_msg("this must hold and does not: %s", #x);                         \
    } while (0)

enum {
    TEST_UNIX_S = 1700000000,
    MIB = 1 << 20,
};

/* ---- chance ---------------------------------------------------------------------- */

struct dice {
    uint64_t state;
};

/* The next 64 bits (splitmix64). */
static inline uint64_t
dice_bits(struct dice *dice)
{
    uint64_t bits = dice->state += 0x9e3779b97f4a7c15;

    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return bits ^ bits >> 31;
}

/* 0 .. sides - 1 */
static inline uint64_t
dice_roll(struct dice *dice, uint64_t sides)
{
    return dice_bits(dice) % sides;
}

/* Bytes that no other seed gives, so that a value tells whose it is. */
static inline void
pattern_fill(char *to, size_t length, uint64_t seed)
{
    struct dice dice = { seed * 2 + 1 };

    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        uint64_t bits = dice_bits(&dice);
        size_t   left = length - at;

        memcpy(to + at, &bits, left < sizeof(bits) ? left : sizeof(bits));
    }
}

static inline bool
pattern_holds(struct span bytes, uint64_t seed)
{
    struct dice dice = { seed * 2 + 1 };

    for (size_t at = 0; at < bytes.length; at += sizeof(uint64_t)) {
        uint64_t bits = dice_bits(&dice);
        size_t   left = bytes.length - at;

        if (memcmp(bytes.at + at, &bits, left < sizeof(bits) ? left : sizeof(bits)) != 0)
            return false;
    }
    return true;
}

/* ---- the cache ------------------------------------------------------------------- */

struct fixture {
    struct clock         clock;
    struct cache        *cache;
    struct cache_thread *thread;
};

static inline struct cache_config
fixture_config(size_t memory_bytes)
{
    return (struct cache_config){
        .memory_bytes = memory_bytes,
        .page_bytes = CACHE_PAGE_MOST,
        .item_bytes_max = CACHE_PAGE_MOST,
        .chunk_bytes_max = CACHE_PAGE_MOST,
        .smallest_value = 8,
        .growth = 1.25,
        .evicts = true,
        .lru = { .segmented = true,
                 .hot_percent = 20,
                 .warm_percent = 40,
                 .hot_factor = 0.2,
                 .warm_factor = 2,
                 .temporary_ttl_s = 61 },
        .hash_seed = 20240229,
    };
}

/* config.clock is set to the fixture's. */
static inline void
fixture_init_with(struct fixture *f, struct cache_config config)
{
    clock_init(&f->clock, TEST_UNIX_S);
    config.clock = &f->clock;
    f->cache = cache_create(&config);
    ck_assert_ptr_nonnull(f->cache);
    f->thread = cache_thread_create(f->cache);
    ck_assert_ptr_nonnull(f->thread);
}

static inline void
fixture_init(struct fixture *f)
{
    fixture_init_with(f, fixture_config(8 * MIB));
}

static inline void
fixture_fini(struct fixture *f)
{
    cache_check(f->cache, true);
    cache_thread_destroy(&f->thread);
    ck_assert_ptr_null(f->thread);
    cache_check(f->cache, true);
    cache_destroy(&f->cache);
    ck_assert_ptr_null(f->cache);
}

/* Let time pass, in ticks of the clock. */
static inline void
advance_ticks(struct fixture *f, uint32_t ticks)
{
    clock_set(&f->clock, clock_now(&f->clock) + ticks);
    cache_tick(f->thread);
}

static inline void
advance(struct fixture *f, uint32_t seconds)
{
    advance_ticks(f, seconds * CLOCK_HZ);
}

static inline struct cache_counters
counters_of(const struct fixture *f)
{
    struct cache_counters counters;

    cache_counters_sum(f->cache, &counters, NULL);
    return counters;
}

static inline uint64_t
items_in(const struct fixture *f)
{
    struct cache_counters counters = counters_of(f);

    return counters.items_linked - counters.items_unlinked;
}

/* ---- operations in one line ------------------------------------------------------ */

static inline struct span
text_span(const char *text)
{
    return (struct span){ text, strlen(text) };
}

static inline struct cache_key
key_of(const struct fixture *f, const char *name)
{
    return cache_key(f->cache, text_span(name));
}

/* A store of this key, with no flags, no expiry and no CAS id. */
static inline struct cache_store
store_of(const struct fixture *f, enum cache_store_mode mode, const char *name)
{
    return (struct cache_store){ .mode = mode, .key = key_of(f, name) };
}

static inline enum cache_status
put_span(struct fixture *f, const char *name, struct span value, int64_t expiry)
{
    struct cache_store  store = store_of(f, CACHE_SET, name);
    struct cache_result result;

    store.expiry = expiry;
    return cache_store(f->thread, &store, value, &result);
}

/* Set a value that must be taken. */
static inline void
put(struct fixture *f, const char *name, const char *value, int64_t expiry)
{
    quick_assert(put_span(f, name, text_span(value), expiry) == CACHE_OK);
}

/* Is it there? */
static inline enum cache_status
peek(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    enum cache_status    status = cache_read(f->thread, &key, &reading);

    if (status == CACHE_OK)
        cache_read_end(f->thread, &reading);
    return status;
}

/* Are the bytes of a reading these? All pieces are looked at. */
static inline bool
reading_holds(struct cache_reading *reading, struct span value)
{
    if (reading->value_length != value.length)
        return false;
    for (size_t from = 0; from < value.length;) {
        struct span piece = cache_read_value(reading, from);

        if (piece.length == 0 || piece.length > value.length - from ||
            memcmp(piece.at, value.at + from, piece.length) != 0)
            return false;
        from += piece.length;
    }
    return cache_read_value(reading, value.length).length == 0;
}

/* It is there and its value is this. */
static inline void
assert_value_span(struct fixture *f, const char *name, struct span value)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    bool                 same;

    if (cache_read(f->thread, &key, &reading) != CACHE_OK)
        ck_abort_msg("%s is missing", name);
    same = reading_holds(&reading, value);
    cache_read_end(f->thread, &reading);
    if (!same)
        ck_abort_msg("%s has not the value expected", name);
}

static inline void
assert_value(struct fixture *f, const char *name, const char *value)
{
    assert_value_span(f, name, text_span(value));
}

static inline enum cache_status
drop(struct fixture *f, const char *name)
{
    struct cache_key      key = key_of(f, name);
    struct cache_drop_how plainly = { 0 };
    struct cache_result   result;

    return cache_drop(f->thread, &key, &plainly, &result);
}

/* The item under a key that is there. */
static inline struct item *
item_of(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    struct item         *item;

    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    item = reading.item;
    cache_read_end(f->thread, &reading);
    return item;
}

/* The CAS id of an item that is there. */
static inline uint64_t
cas_of(struct fixture *f, const char *name)
{
    struct cache_key     key = key_of(f, name);
    struct cache_reading reading;
    uint64_t             cas;

    quick_assert(cache_read(f->thread, &key, &reading) == CACHE_OK);
    cas = reading.cas;
    cache_read_end(f->thread, &reading);
    return cas;
}

/* How many bytes from there on, of whole pages of the system's, are in memory. */
static inline size_t
fixture_resident(const void *from, size_t bytes)
{
    size_t         page_bytes = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *there = malloc(bytes / page_bytes);

    ck_assert_ptr_nonnull(there);
    ck_assert_int_eq(mincore((void *)(uintptr_t)from, bytes, there), 0);
    for (size_t i = 0; i < bytes / page_bytes; i++)
        count += there[i] & 1;
    free(there);
    return count * page_bytes;
}

#endif
