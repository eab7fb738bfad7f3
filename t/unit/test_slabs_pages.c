/* t/unit/test_slabs_pages.c - pages, chunks and magazines. */
#include "slabs/pages_priv.h"

#include "t/unit/fixture.h"

/* The pages of a cache with so much memory. */
static bool
init_pages(struct pages *pages, size_t memory_bytes)
{
    struct cache_config config = fixture_config(memory_bytes);

    return pages_init(pages, &config, 40, MIB);
}

static unsigned
take_all(struct pages *pages, struct magazine *magazine, unsigned size_class,
         struct item **chunks, unsigned most)
{
    unsigned count = 0;

    while (count < most) {
        struct item *chunk = pages_take_chunk(pages, magazine, size_class);

        if (chunk == NULL)
            break;
        chunks[count++] = chunk;
    }
    return count;
}

START_TEST(chunks_are_disjoint_and_of_their_class)
{
    struct pages    pages;
    struct magazine magazine;
    unsigned        size_class;
    unsigned        per_page;
    struct item   **chunks = calloc(1 << 20, sizeof(*chunks));
    unsigned        count;

    ck_assert(init_pages(&pages, 4 * MIB));
    size_class = classes_find(&pages.classes, 100);
    per_page = CACHE_PAGE_MOST / pages.classes.bytes[size_class];
    magazine_init(&magazine, &pages, size_class);
    count = take_all(&pages, &magazine, size_class, chunks, 1 << 20);
    ck_assert_uint_eq(count, 4 * per_page);
    for (unsigned i = 0; i < count; i++) {
        quick_assert(pages_class(&pages, chunks[i]) == size_class);
        memset((void *)chunks[i], (int)i, pages.classes.bytes[size_class]);
    }
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *bytes = (const unsigned char *)chunks[i];

        for (uint32_t at = 0; at < pages.classes.bytes[size_class]; at++)
            quick_assert(bytes[at] == (unsigned char)i);
    }
    pages_fini(&pages);
    free(chunks);
}
END_TEST

START_TEST(a_handle_leads_back_to_its_chunk_and_is_never_0)
{
    struct pages    pages;
    struct magazine magazine;
    struct item    *chunk;

    ck_assert(init_pages(&pages, 4 * MIB));
    magazine_init(&magazine, &pages, 1);
    while ((chunk = pages_take_chunk(&pages, &magazine, 1)) != NULL) {
        handle_t handle = pages_handle(&pages, chunk);

        quick_assert(handle != 0 && pages_item(&pages, handle) == chunk);
    }
    pages_fini(&pages);
}
END_TEST

START_TEST(every_class_gets_a_few_chunks_beyond_the_limit)
{
    struct pages    pages;
    struct magazine small, large;
    unsigned        last;

    ck_assert(init_pages(&pages, 2 * MIB));
    last = pages.classes.count;
    magazine_init(&small, &pages, 1);
    magazine_init(&large, &pages, last);
    while (pages_take_chunk(&pages, &small, 1) != NULL)
        ;
    ck_assert_uint_eq(pages.class_memory[1].pages, 2);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(pages_take_chunk(&pages, &large, last));
    ck_assert_ptr_null(pages_take_chunk(&pages, &large, last));
    ck_assert_uint_eq(pages.class_memory[last].pages, 4);
    pages_fini(&pages);
}
END_TEST

static uint32_t
allowed(struct pages *pages)
{
    uint32_t count;

    lock_take(&pages->lock);
    count = pages_allowed_locked(pages);
    lock_drop(&pages->lock);
    return count;
}

START_TEST(classes_in_use_raise_a_limit_below_the_floor)
{
    struct cache_config config = fixture_config(4 * MIB);
    struct pages        pages;
    struct magazine     magazine;
    unsigned            classes;

    config.memory_floor = 300 * (size_t)MIB;
    ck_assert(pages_init(&pages, &config, 40, MIB));
    classes = pages.classes.count;
    ck_assert_uint_eq(allowed(&pages), 4);
    for (unsigned i = 1; i <= classes; i++) {
        magazine_init(&magazine, &pages, i);
        ck_assert_ptr_nonnull(pages_take_chunk(&pages, &magazine, i));
        ck_assert_uint_eq(allowed(&pages), 4 + 296 * i / classes);
    }
    while (pages_take_chunk(&pages, &magazine, classes) != NULL)
        ;
    ck_assert_uint_eq(pages.used, 300);
    ck_assert(pages_set_limit(&pages, 310 * (size_t)MIB) == false);
    ck_assert(pages_set_limit(&pages, 100 * (size_t)MIB));
    ck_assert_uint_eq(allowed(&pages), 300);
    pages_fini(&pages);
}
END_TEST

START_TEST(a_limit_above_the_floor_stays)
{
    struct cache_config config = fixture_config(4 * MIB);
    struct pages        pages;
    struct magazine     magazine;

    config.memory_floor = 4 * MIB;
    ck_assert(pages_init(&pages, &config, 40, MIB));
    magazine_init(&magazine, &pages, 1);
    ck_assert_ptr_nonnull(pages_take_chunk(&pages, &magazine, 1));
    ck_assert_uint_eq(allowed(&pages), 4);
    pages_fini(&pages);
}
END_TEST

START_TEST(what_one_thread_gives_back_another_can_have)
{
    struct pages    pages;
    struct magazine one, two;
    struct item   **chunks = calloc(1 << 20, sizeof(*chunks));
    unsigned        count;

    ck_assert(init_pages(&pages, 2 * MIB));
    magazine_init(&one, &pages, 1);
    magazine_init(&two, &pages, 1);
    count = take_all(&pages, &one, 1, chunks, 1 << 20);
    ck_assert_ptr_null(pages_take_chunk(&pages, &two, 1));
    for (unsigned i = 0; i < count; i++)
        pages_give_chunk(&pages, &one, 1, chunks[i]);
    ck_assert_uint_le(one.count, one.room);
    pages_empty_magazine(&pages, &one, 1);
    ck_assert_uint_eq(one.count, 0);
    ck_assert_uint_eq(take_all(&pages, &two, 1, chunks, 1 << 20), count);
    pages_fini(&pages);
    free(chunks);
}
END_TEST

START_TEST(magazines_keep_a_small_share_of_a_page_and_no_large_chunks)
{
    struct pages pages;

    ck_assert(init_pages(&pages, 2 * MIB));
    for (unsigned size_class = 1; size_class <= pages.classes.count; size_class++) {
        struct magazine magazine;

        magazine_init(&magazine, &pages, size_class);
        ck_assert_uint_le(magazine.room, MAGAZINE_MAX);
        ck_assert_uint_le(64 * magazine.room * pages.classes.bytes[size_class], MIB / 2);
    }
    pages_fini(&pages);
}
END_TEST

/* ---- memory ahead of need --------------------------------------------------------- */

static void
populate(struct pages *pages)
{
    while (pages_populate(pages))
        continue;
}

START_TEST(pages_that_are_needed_next_have_memory_and_those_beyond_the_limit_have_not)
{
    enum { LIMIT = 64, FIRST = 16 };
    struct pages    pages;
    struct magazine magazine;

    ck_assert(init_pages(&pages, LIMIT * MIB));
    magazine_init(&magazine, &pages, pages.classes.count);
    populate(&pages);
    ck_assert_uint_eq(fixture_resident(pages.base, LIMIT * MIB), 0);
    for (unsigned i = 0; i < FIRST; i++)
        ck_assert_ptr_nonnull(pages_take_chunk(&pages, &magazine, pages.classes.count));
    populate(&pages);
    ck_assert_uint_ge(fixture_resident(pages.base + (FIRST + 1) * MIB, MIB), MIB);
    ck_assert_uint_le(fixture_resident(pages.base, LIMIT * MIB), 6 * MIB);
    for (unsigned i = FIRST; i < LIMIT; i++)
        ck_assert_ptr_nonnull(pages_take_chunk(&pages, &magazine, pages.classes.count));
    populate(&pages);
    ck_assert_uint_eq(fixture_resident(pages.base + (LIMIT + 2) * MIB, 2 * MIB), 0);
    pages_fini(&pages);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slabs/pages");
    TCase *tcase = fixture_case(suite, "pages");

    tcase_add_test(tcase, chunks_are_disjoint_and_of_their_class);
    tcase_add_test(tcase, a_handle_leads_back_to_its_chunk_and_is_never_0);
    tcase_add_test(tcase, every_class_gets_a_few_chunks_beyond_the_limit);
    tcase_add_test(tcase, classes_in_use_raise_a_limit_below_the_floor);
    tcase_add_test(tcase, a_limit_above_the_floor_stays);
    tcase_add_test(tcase, what_one_thread_gives_back_another_can_have);
    tcase_add_test(tcase, magazines_keep_a_small_share_of_a_page_and_no_large_chunks);
    tcase_add_test(
        tcase,
        pages_that_are_needed_next_have_memory_and_those_beyond_the_limit_have_not);
    return fixture_run(suite);
}
