/* bench/growth_cpu.c - how much processor time the slowest single store takes while a cache
 * grows: what bench/growth.c measures, without client, kernel and scheduler.
 *
 * A thread stores, first over items that are there, then new ones until there are ITEMS, then
 * over the last ones, and asks after each store how much processor time it has used. So
 * whatever a store does besides, for the table or for memory, is in the figure of that store,
 * and what other processes do is not. Another thread does what the server's upkeep does.
 *
 * usage: growth_cpu [ITEMS [MEGABYTES]]     bench/grow -c builds and runs it
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slabs/cache.h"
#include "slabs/clock.h"

enum {
    FIRST_ITEMS = 20000, /* that are there from the start         */
    STORES = 4000000,    /* over what is there, before and after  */
    SLOWEST = 8,         /* times that are shown                  */
};

static const char VALUE[] = "a value of 20 bytes.";

/* What a phase has taken. */
struct phase {
    uint64_t stores, sum_ns;
    uint64_t slowest_ns[SLOWEST]; /* the slowest first */
};

static uint64_t
used_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
note(struct phase *phase, uint64_t ns)
{
    unsigned at = SLOWEST;

    phase->stores++;
    phase->sum_ns += ns;
    for (; at > 0 && ns > phase->slowest_ns[at - 1]; at--) {
        if (at < SLOWEST)
            phase->slowest_ns[at] = phase->slowest_ns[at - 1];
    }
    if (at < SLOWEST)
        phase->slowest_ns[at] = ns;
}

static _Atomic bool done;

/* As the server's upkeep does. */
static void *
look_ahead(void *cache)
{
    struct cache_thread *thread = cache_thread_create(cache);

    while (thread != NULL && !done) {
        struct timespec pause = { .tv_nsec = 100000000 };

        while (cache_populate_step(thread))
            continue;
        nanosleep(&pause, NULL);
    }
    cache_thread_destroy(&thread);
    return NULL;
}

static void
store(struct cache_thread *thread, uint64_t number)
{
    char   name[24];
    size_t length = (size_t)snprintf(name, sizeof(name), "key%012" PRIu64, number);
    struct cache_store  set = { .mode = CACHE_SET };
    struct cache_result result;

    set.key = cache_key(cache_of(thread), (struct span){ name, length });
    if (cache_store(thread, &set, (struct span){ VALUE, sizeof(VALUE) - 1 }, &result) !=
        CACHE_OK) {
        fprintf(stderr, "growth_cpu: item %" PRIu64 " is not stored: more MEGABYTES\n",
                number);
        exit(1);
    }
}

/* Store the items from..to - 1, over and over, so many times in all. */
static void
run(struct cache_thread *thread, const char *name, uint64_t from, uint64_t to,
    uint64_t stores)
{
    struct phase phase = { 0 };

    for (uint64_t i = 0; i < stores; i++) {
        uint64_t before = used_ns();

        store(thread, from + i % (to - from));
        note(&phase, used_ns() - before);
    }
    printf("%-8s %10" PRIu64 " stores, %5" PRIu64 " ns each; slowest, us:", name,
           phase.stores, phase.sum_ns / phase.stores);
    for (unsigned i = 0; i < SLOWEST; i++)
        printf(" %.0f", (double)phase.slowest_ns[i] / 1000);
    printf("\n");
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    uint64_t            items = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000000;
    size_t              megabytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 4000;
    struct clock        clock;
    struct cache_config config = {
        .memory_bytes = megabytes << 20,
        .page_bytes = CACHE_PAGE_MOST,
        .item_bytes_max = CACHE_PAGE_MOST,
        .chunk_bytes_max = CACHE_PAGE_MOST / 2,
        .growth = 1.25,
        .clock = &clock,
    };
    struct cache        *cache;
    struct cache_thread *thread;
    pthread_t            upkeep;

    if (items <= FIRST_ITEMS || megabytes == 0) {
        fputs("usage: growth_cpu [ITEMS [MEGABYTES]]\n", stderr);
        return 2;
    }
    clock_init(&clock, (int64_t)time(NULL));
    cache = cache_create(&config);
    thread = cache != NULL ? cache_thread_create(cache) : NULL;
    if (thread == NULL || pthread_create(&upkeep, NULL, look_ahead, cache) != 0) {
        fputs("growth_cpu: no memory\n", stderr);
        return 1;
    }
    for (uint64_t i = 0; i < FIRST_ITEMS; i++)
        store(thread, i);
    run(thread, "before", 0, FIRST_ITEMS, STORES);
    run(thread, "growth", FIRST_ITEMS, items, items - FIRST_ITEMS);
    run(thread, "after", items - FIRST_ITEMS, items, STORES);
    done = true;
    pthread_join(upkeep, NULL);
    cache_thread_destroy(&thread);
    cache_destroy(&cache);
    return 0;
}
