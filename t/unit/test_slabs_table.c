/* t/unit/test_slabs_table.c - the striped hash table, against a model. */
#include "slabs/table_priv.h"

#include <stdio.h>

#include "slabs/cache_priv.h"

#include "t/unit/fixture.h"

enum { ITEMS = 100000, KEY_ROOM = 16 };

/* A table with items of its own: chunks of one class, each with its number as key. */
struct stand {
    struct pages    pages;
    struct magazine magazine;
    struct table    table;
    unsigned        size_class;
    handle_t       *handles; /* by number; 0: not in the table */
};

static void
stand_init(struct stand *s)
{
    struct cache_config config = fixture_config(64 * MIB);

    ck_assert(pages_init(&s->pages, &config, 64, MIB));
    ck_assert(table_init(&s->table, 2 * ITEMS, 42));
    s->size_class = classes_find(&s->pages.classes, 64);
    magazine_init(&s->magazine, &s->pages, s->size_class);
    s->handles = calloc(ITEMS, sizeof(*s->handles));
    ck_assert_ptr_nonnull(s->handles);
}

static void
stand_fini(struct stand *s)
{
    pages_empty_magazine(&s->pages, &s->magazine, s->size_class);
    table_fini(&s->table);
    pages_fini(&s->pages);
    free(s->handles);
}

static struct span
name_of(uint32_t number, char *room)
{
    return (struct span){ room, (size_t)snprintf(room, KEY_ROOM, "key:%u", number) };
}

/* Look a number up; NULL if it is not there. */
static struct item *
find(struct stand *s, uint32_t number)
{
    char           room[KEY_ROOM];
    struct span    name = name_of(number, room);
    uint64_t       hash = table_hash(&s->table, name);
    struct stripe *stripe = table_stripe(&s->table, hash);
    struct item   *item;

    lock_take(&stripe->lock);
    item = table_find(&s->table, &s->pages, hash, name);
    lock_drop(&stripe->lock);
    return item;
}

static struct item *
make(struct stand *s, uint32_t number)
{
    struct item *item = pages_take_chunk(&s->pages, &s->magazine, s->size_class);
    char         room[KEY_ROOM];
    struct span  name = name_of(number, room);

    ck_assert_ptr_nonnull(item);
    item->key_length = (uint8_t)name.length;
    memcpy(item->bytes, name.at, name.length);
    return item;
}

/* Insert a key; the note that its last removal has left, if it is still there. */
static unsigned
insert(struct stand *s, uint32_t number)
{
    struct item   *item = make(s, number);
    uint64_t       hash = table_hash(&s->table, item_key(item));
    struct stripe *stripe = table_stripe(&s->table, hash);
    unsigned       note;
    bool           inserted;

    s->handles[number] = pages_handle(&s->pages, item);
    lock_take(&stripe->lock);
    inserted = table_insert(&s->table, &s->pages, hash, s->handles[number], &note);
    lock_drop(&stripe->lock);
    quick_assert(inserted);
    return note;
}

static void
take_out_noting(struct stand *s, uint32_t number, unsigned note)
{
    struct item   *item = pages_item(&s->pages, s->handles[number]);
    uint64_t       hash = table_hash(&s->table, item_key(item));
    struct stripe *stripe = table_stripe(&s->table, hash);

    lock_take(&stripe->lock);
    table_remove(&s->table, hash, s->handles[number], note);
    lock_drop(&stripe->lock);
    s->handles[number] = 0;
    pages_give_chunk(&s->pages, &s->magazine, s->size_class, item);
}

/* Every second key leaves a note. */
static void
take_out(struct stand *s, uint32_t number)
{
    take_out_noting(s, number, number % 2 == 0 ? 1 + number % 4095 : 0);
}

static void
assert_same_as_model(struct stand *s)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct item *item = find(s, i);

        quick_assert((item == NULL) == (s->handles[i] == 0));
        quick_assert(item == NULL || pages_handle(&s->pages, item) == s->handles[i]);
    }
}

START_TEST(what_goes_in_is_found_while_the_table_grows)
{
    struct stand s;

    stand_init(&s);
    for (uint32_t i = 0; i < ITEMS; i++) {
        insert(&s, i);
        quick_assert(find(&s, i) != NULL);
        quick_assert(find(&s, i / 2) != NULL);
    }
    assert_same_as_model(&s);
    stand_fini(&s);
}
END_TEST

START_TEST(random_inserts_and_removals_agree_with_a_model)
{
    struct dice  dice = { 7 };
    struct stand s;

    stand_init(&s);
    for (unsigned round = 0; round < 5 * ITEMS; round++) {
        uint32_t number = (uint32_t)dice_roll(&dice, ITEMS);

        if (s.handles[number] == 0)
            insert(&s, number);
        else
            take_out(&s, number);
    }
    assert_same_as_model(&s);
    stand_fini(&s);
}
END_TEST

START_TEST(an_emptied_table_has_no_item_and_gives_its_overflow_back)
{
    struct stand s;
    uint32_t     used;

    stand_init(&s);
    for (uint32_t i = 0; i < ITEMS; i++)
        insert(&s, i);
    for (uint32_t i = 0; i < ITEMS; i++)
        take_out(&s, i);
    assert_same_as_model(&s);
    for (size_t i = 0; i < (size_t)1 << STRIPE_BITS; i++)
        ck_assert_uint_eq(s.table.stripes[i].items, 0);
    used = atomic_load(&s.table.overflow_used);
    for (uint32_t i = 0; i < ITEMS; i++)
        insert(&s, i);
    /* What was given back is used again before anything new is. */
    ck_assert_uint_le(atomic_load(&s.table.overflow_used), used);
    stand_fini(&s);
}
END_TEST

START_TEST(a_replaced_item_is_found_in_place_of_the_old_one)
{
    struct stand   s;
    struct item   *item;
    uint64_t       hash;
    struct stripe *stripe;

    stand_init(&s);
    insert(&s, 1);
    item = make(&s, 1);
    hash = table_hash(&s.table, item_key(item));
    stripe = table_stripe(&s.table, hash);
    lock_take(&stripe->lock);
    table_replace(&s.table, hash, s.handles[1], pages_handle(&s.pages, item));
    ck_assert(!table_has(&s.table, hash, s.handles[1]));
    ck_assert(table_has(&s.table, hash, pages_handle(&s.pages, item)));
    lock_drop(&stripe->lock);
    ck_assert_ptr_eq(find(&s, 1), item);
    stand_fini(&s);
}
END_TEST

START_TEST(keys_whose_hashes_are_the_same_are_told_apart)
{
    struct stand   s;
    uint64_t       hash = 0x0123456789abcdef;
    struct stripe *stripe;

    stand_init(&s);
    stripe = table_stripe(&s.table, hash);
    lock_take(&stripe->lock);
    /* Many more than a bucket holds: they go into a chain of overflow buckets. (No more
     * than the stripe takes without growing, which would hash them truly.) */
    for (uint32_t i = 0; i < 7; i++) {
        struct item *item = make(&s, i);
        unsigned     note;

        s.handles[i] = pages_handle(&s.pages, item);
        ck_assert(table_insert(&s.table, &s.pages, hash, s.handles[i], &note));
        ck_assert_uint_eq(note, 0);
    }
    for (uint32_t i = 0; i < 7; i++) {
        char room[KEY_ROOM];

        ck_assert_uint_eq(pages_handle(&s.pages, table_find(&s.table, &s.pages, hash,
                                                            name_of(i, room))),
                          s.handles[i]);
    }
    lock_drop(&stripe->lock);
    stand_fini(&s);
}
END_TEST

START_TEST(a_full_table_says_so_and_keeps_what_it_has)
{
    struct stand s;
    uint32_t     number = 0;
    bool         full = false;

    stand_init(&s);
    s.table.overflow_max = 0; /* as if all were used */
    for (; number < ITEMS && !full; number++) {
        struct item   *item = make(&s, number);
        uint64_t       hash = table_hash(&s.table, item_key(item));
        struct stripe *stripe = table_stripe(&s.table, hash);
        unsigned       note;

        lock_take(&stripe->lock);
        full =
            !table_insert(&s.table, &s.pages, hash, pages_handle(&s.pages, item), &note);
        lock_drop(&stripe->lock);
    }
    ck_assert(full);
    for (uint32_t i = 0; i + 1 < number; i++)
        quick_assert(find(&s, i) != NULL);
    ck_assert_ptr_null(find(&s, number - 1));
    stand_fini(&s);
}
END_TEST

START_TEST(hints_may_be_given_for_any_hash_at_any_time)
{
    struct dice  dice = { 3 };
    struct stand s;

    stand_init(&s);
    for (uint32_t i = 0; i < 10000; i++) {
        table_prefetch_bucket(&s.table, dice_bits(&dice));
        table_prefetch_item(&s.table, &s.pages, dice_bits(&dice));
        insert(&s, i);
    }
    ck_assert_uint_gt(table_bytes(&s.table),
                      10000 / BUCKET_SLOTS * sizeof(struct bucket));
    stand_fini(&s);
}
END_TEST

START_TEST(a_note_is_there_when_its_key_comes_back_and_only_then)
{
    struct stand s;

    stand_init(&s);
    ck_assert_uint_eq(insert(&s, 1), 0);
    take_out_noting(&s, 1, 4095);
    ck_assert_uint_eq(insert(&s, 1), 4095);
    take_out_noting(&s, 1, 0);
    ck_assert_uint_eq(insert(&s, 1), 0);
    take_out_noting(&s, 1, 1);
    for (uint32_t i = 2; i < 1000; i++)
        ck_assert_uint_eq(insert(&s, i), 0);
    for (uint32_t i = 2; i < 1000; i++)
        take_out_noting(&s, i, i);
    assert_same_as_model(&s);
    ck_assert_uint_eq(insert(&s, 1), 1);
    stand_fini(&s);
}
END_TEST

START_TEST(most_of_as_many_keys_as_there_are_items_are_remembered)
{
    struct stand s;
    enum { HALF = ITEMS / 2 };
    uint32_t remembered = 0;

    stand_init(&s);
    for (uint32_t i = 0; i < HALF; i++)
        insert(&s, i);
    for (uint32_t i = 0; i < HALF; i++) {
        insert(&s, HALF + i);
        take_out_noting(&s, i, 7);
    }
    for (uint32_t i = 0; i < HALF; i++) {
        unsigned note;

        take_out_noting(&s, HALF + i, 0);
        note = insert(&s, i);
        quick_assert(note == 0 || note == 7);
        remembered += note == 7;
    }
    ck_assert_uint_gt(remembered, HALF / 3);
    stand_fini(&s);
}
END_TEST

/* ---- memory ahead of need --------------------------------------------------------- */

enum { ROW_BYTES = sizeof(struct bucket) << STRIPE_BITS };

/* How many bytes of these rows are there. */
static size_t
resident(const struct table *table, uint32_t from, uint32_t to)
{
    return fixture_resident((char *)table->buckets + (size_t)from * ROW_BYTES,
                            (size_t)(to - from) * ROW_BYTES);
}

START_TEST(rows_that_were_asked_for_have_memory)
{
    enum { ROWS = 100, SMALL = 32, FAR = 200 };
    struct table table;

    ck_assert(table_init(&table, 4000000, 42));
    ck_assert_uint_gt(table.buckets_max, FAR);
    while (table_populate(&table, ROWS))
        continue;
    ck_assert_uint_eq(resident(&table, SMALL, ROWS), (ROWS - SMALL) * ROW_BYTES);
    ck_assert_uint_eq(resident(&table, FAR, table.buckets_max), 0);
    while (table_populate(&table, UINT32_MAX)) /* more than there are */
        continue;
    ck_assert_uint_eq(resident(&table, SMALL, table.buckets_max),
                      (table.buckets_max - SMALL) * ROW_BYTES);
    table_fini(&table);
}
END_TEST

static void
put_numbers(struct fixture *f, unsigned from, unsigned to)
{
    char room[KEY_ROOM];

    for (unsigned i = from; i < to; i++) {
        name_of(i, room);
        put(f, room, "", 0);
    }
}

START_TEST(a_table_that_grows_is_ahead_and_a_full_one_is_not)
{
    struct fixture f;
    uint32_t       rows;
    size_t         before;

    fixture_init_with(&f, fixture_config(48 * MIB));
    put_numbers(&f, 0, 400000);
    while (cache_populate_step(f.thread))
        continue;
    rows = atomic_load(&f.cache->table.rows);
    ck_assert_uint_eq(resident(&f.cache->table, rows, rows + 50), 50 * ROW_BYTES);
    put_numbers(&f, 400000, 1500000);
    ck_assert_uint_gt(counters_of(&f).evictions, 0);
    rows = atomic_load(&f.cache->table.rows);
    before = f.cache->table.populated;
    while (cache_populate_step(f.thread))
        continue;
    ck_assert(f.cache->table.populated == before ||
              f.cache->table.populated < (rows + 1) * (size_t)ROW_BYTES + 2 * MIB);
    fixture_fini(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/table");
    TCase *tcase = fixture_case(suite, "table");

    tcase_add_test(tcase, what_goes_in_is_found_while_the_table_grows);
    tcase_add_test(tcase, random_inserts_and_removals_agree_with_a_model);
    tcase_add_test(tcase, an_emptied_table_has_no_item_and_gives_its_overflow_back);
    tcase_add_test(tcase, a_replaced_item_is_found_in_place_of_the_old_one);
    tcase_add_test(tcase, keys_whose_hashes_are_the_same_are_told_apart);
    tcase_add_test(tcase, a_full_table_says_so_and_keeps_what_it_has);
    tcase_add_test(tcase, hints_may_be_given_for_any_hash_at_any_time);
    tcase_add_test(tcase, a_note_is_there_when_its_key_comes_back_and_only_then);
    tcase_add_test(tcase, most_of_as_many_keys_as_there_are_items_are_remembered);
    tcase_add_test(tcase, rows_that_were_asked_for_have_memory);
    tcase_add_test(tcase, a_table_that_grows_is_ahead_and_a_full_one_is_not);
    return fixture_run(suite);
}
