/* t/unit/test_server_crawler.c - when the crawler goes through everything. */
#include "server/crawler.h"
#include "t/unit/fixture.h"

enum { SECOND_US = 1000000, ITEMS = 8000, FEW = 100, VALUE_BYTES = 900 };

struct crawling {
    struct fixture    f;
    struct watch      watch;
    struct watch_ring ring;
    struct pulse      pulse;
    struct crawler    crawler;
    uint64_t          now_us;
};

/* An item under this name and number. */
static void
put_numbered(struct crawling *c, const char *name, unsigned number, size_t bytes,
             unsigned ttl_s)
{
    static const char value[100000];
    char              key[24];

    quick_assert(bytes <= sizeof(value));
    snprintf(key, sizeof(key), "%s%u", name, number);
    quick_assert(put_span(&c->f, key, (struct span){ value, bytes }, ttl_s) == CACHE_OK);
}

/* A cache with so many items; with ITEMS its memory is short. Every other one ends after
 * `ttl_s`, 0: never. */
static void
begin(struct crawling *c, unsigned items, unsigned ttl_s)
{
    static const struct options options = { .lru_crawler = true,
                                            .lru_crawler_sleep_us = 100 };

    *c = (struct crawling){ .now_us = SECOND_US };
    c->ring.watch = &c->watch;
    fixture_init(&c->f);
    for (unsigned i = 0; i < items; i++)
        put_numbered(c, "", i, VALUE_BYTES, i % 2 ? ttl_s : 0);
    ck_assert_uint_eq(items_in(&c->f), items);
    ck_assert(cache_memory_is_short(c->f.cache) == (items == ITEMS));
    crawler_init(&c->crawler, c->f.cache, &c->ring, &c->pulse, &options, c->now_us);
}

static void
end(struct crawling *c)
{
    crawler_fini(&c->crawler);
    fixture_fini(&c->f);
}

static void
crawl(struct crawling *c, unsigned seconds)
{
    uint64_t until_us = c->now_us + (uint64_t)seconds * SECOND_US;

    while (c->now_us < until_us)
        c->now_us = crawler_turn(&c->crawler, c->f.thread, c->now_us);
}

START_TEST(it_walks_once_a_minute)
{
    struct crawling c;

    for (unsigned items = FEW; items <= ITEMS; items += ITEMS - FEW) {
        begin(&c, items, 0);
        crawl(&c, 302);
        ck_assert_uint_eq(atomic_load(&c.crawler.starts), 5);
        end(&c);
    }
}
END_TEST

START_TEST(where_there_is_room_the_dead_can_wait)
{
    struct crawling c;

    begin(&c, FEW, 10);
    advance(&c.f, 11);
    crawl(&c, 50);
    ck_assert_uint_eq(items_in(&c.f), FEW);
    crawl(&c, 15);
    ck_assert_uint_eq(items_in(&c.f), FEW / 2);
    end(&c);
}
END_TEST

START_TEST(where_memory_is_short_they_go_at_once)
{
    struct crawling c;

    begin(&c, ITEMS, 1000);
    crawl(&c, 45); /* however long nothing was dead */
    ck_assert_uint_eq(atomic_load(&c.crawler.starts), 0);
    advance(&c.f, 1001);
    crawl(&c, 2);
    ck_assert_uint_eq(atomic_load(&c.crawler.starts), 1);
    ck_assert_uint_eq(items_in(&c.f), ITEMS / 2);
    end(&c);
}
END_TEST

/* A few large ones among many small ones. */
START_TEST(it_is_bytes_that_count)
{
    enum { LARGE = 30, LARGE_BYTES = 100000 };
    struct crawling c;
    unsigned        small = 0;

    begin(&c, FEW, 0);
    for (unsigned i = 0; i < LARGE; i++)
        put_numbered(&c, "large", i, LARGE_BYTES, 10);
    for (; !cache_memory_is_short(c.f.cache); small++)
        put_numbered(&c, "small", small, 0, 0);
    ck_assert_uint_gt(small, 100 * LARGE);
    ck_assert_uint_eq(items_in(&c.f), FEW + LARGE + small);
    advance(&c.f, 11);
    crawl(&c, 40);
    ck_assert_uint_eq(items_in(&c.f), FEW + small);
    end(&c);
}
END_TEST

START_TEST(it_rests_ten_times_as_long_as_it_has_worked)
{
    struct crawling c;

    begin(&c, ITEMS, 10);
    advance(&c.f, 11);
    c.now_us = crawler_turn(&c.crawler, c.f.thread, c.now_us);
    ck_assert(c.crawler.under_way);
    c.now_us += 4 * SECOND_US; /* a turn that takes long */
    crawl(&c, 1);
    ck_assert(!c.crawler.under_way);
    for (unsigned i = 0; i < ITEMS / 2; i++)
        put_numbered(&c, "again", i, VALUE_BYTES, 10);
    advance(&c.f, 11);
    crawl(&c, 37);
    ck_assert_uint_eq(atomic_load(&c.crawler.starts), 1);
    crawl(&c, 5);
    ck_assert_uint_eq(atomic_load(&c.crawler.starts), 2);
    end(&c);
}
END_TEST

/* Of a slow disk a sample, or a turn, may take longer than anybody waits for a sign of life. */
START_TEST(it_answers_within_a_sample_and_within_a_turn)
{
    struct crawling c;

    begin(&c, ITEMS, 10);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(pulse_call(&c.pulse));
        crawl(&c, 1);
        ck_assert_uint_eq(atomic_load(&c.crawler.starts), i);
        ck_assert(pulse_call(&c.pulse));
        pulse_beat(&c.pulse);
        advance(&c.f, 11);
    }
    end(&c);
}
END_TEST

START_TEST(who_is_switched_off_does_not_even_look)
{
    struct crawling c;

    begin(&c, ITEMS, 10);
    advance(&c.f, 11);
    ck_assert(crawler_enable(&c.crawler, false));
    crawl(&c, 100);
    ck_assert_uint_eq(items_in(&c.f), ITEMS);
    end(&c);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server/crawler");
    TCase *when = fixture_case_of_one(suite, "when");

    tcase_add_test(when, it_walks_once_a_minute);
    tcase_add_test(when, where_there_is_room_the_dead_can_wait);
    tcase_add_test(when, where_memory_is_short_they_go_at_once);
    tcase_add_test(when, it_is_bytes_that_count);
    tcase_add_test(when, it_rests_ten_times_as_long_as_it_has_worked);
    tcase_add_test(when, it_answers_within_a_sample_and_within_a_turn);
    tcase_add_test(when, who_is_switched_off_does_not_even_look);
    return fixture_run(suite);
}
