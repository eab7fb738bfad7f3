/* t/fuzz/world.c - see world.h. */
#include "t/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/number.h"
#include "slabs/must.h"

enum {
    UNIX_S = 1700000000,
    TICKS_FIRST = CLOCK_START_S * CLOCK_HZ,
    TICKS_MAX = 1 << 30,
    MOST_TIMES = 4, /* what memory may be raised to                         */
    STATS = 3,      /* lines, and of settings so many that they fill a tail */
    STATS_MANY = 120,
    LONG_VALUE = 1000,
};

static void
some_stats(void *server, enum stats_kind kind, host_emit *emit, void *ctx)
{
    bool     many = kind == STATS_SETTINGS;
    unsigned count = many ? STATS_MANY : STATS;
    char     value[LONG_VALUE + 1] = "short";

    (void)server;
    if (many)
        memset(value, 'v', LONG_VALUE);
    for (unsigned i = 0; i < count; i++)
        emit(ctx, "a_name", value);
}

static char *
some_prefixes(void *server, size_t *length)
{
    static const char text[] = "PREFIX a get 1 hit 1 set 0 del 0\r\nEND\r\n";

    (void)server;
    *length = sizeof(text) - 1;
    return strdup(text);
}

static void
turn_prefixes(void *server, bool on)
{
    atomic_store(&((struct stub *)server)->counts_prefixes, on);
}

/* Reads the key, so that a sanitizer sees one that is nowhere. */
static void
count_prefix(void *server, struct span key, enum operation what, bool hit)
{
    (void)server, (void)what, (void)hit;
    must(key.length > 0);
    must(memchr(key.at, 256, key.length) == memchr(key.at, 0, key.length));
}

static void
tell(void *ring, uint32_t kind, struct span line)
{
    (void)ring, (void)kind;
    must(memchr(line.at, '\n', line.length) == NULL);
}

static bool
authenticate(void *server, struct span user, struct span password)
{
    (void)server;
    return span_equal(user, SPAN("u")) && span_equal(password, SPAN("p"));
}

static struct span
obey(void *server, const struct request *order)
{
    struct world *world = server;

    if (order->mode == ORDER_MEMORY_LIMIT && world->tight)
        (void)cache_memory_set_limit(world->cache, (size_t)(order->delta % 5) << 20);
    return order->delta % 2 == 0 ? SPAN("OK\r\n") : SPAN("BADCLASS\r\n");
}

static bool
debug_time(void *server, struct cache_thread *thread, struct span what)
{
    int32_t seconds;

    (void)thread;
    if (span_equal(what, SPAN("p")) || span_equal(what, SPAN("r")))
        return true;
    if (!number_strict_i32(what, &seconds))
        return false;
    world_shift(server, seconds);
    return true;
}

static struct host
host_of(struct world *world)
{
    struct host host = stub_host(&world->stub, world->cache, &world->clock);

    host.debug_enabled = host.watch_enabled = true;
    host.stats = some_stats;
    host.prefixes = some_prefixes;
    host.prefixes_turn = turn_prefixes;
    host.prefixes_count = count_prefix;
    host.tell = tell;
    host.authenticate = authenticate;
    host.order = obey;
    host.debug_time = debug_time;
    return host;
}

struct world *
world_create(size_t memory_bytes, bool evicts, bool tight)
{
    struct world       *world = calloc(1, sizeof(*world));
    struct cache_config config = {
        .memory_bytes = memory_bytes,
        .memory_most = tight ? MOST_TIMES * memory_bytes : memory_bytes,
        .page_bytes = CACHE_PAGE_MOST,
        .item_bytes_max = CACHE_PAGE_MOST,
        .chunk_bytes_max = 4096, /* so that there are chains */
        .smallest_value = 48,
        .growth = 1.25,
        .evicts = evicts,
        .lru = { .segmented = !tight,
                 .hot_percent = 20,
                 .warm_percent = 40,
                 .hot_factor = 0.2,
                 .warm_factor = 2 },
        .hash_seed = 20240229,
    };

    must(world != NULL);
    world->tight = tight;
    world->memory_bytes = memory_bytes;
    clock_init(&world->clock, UNIX_S);
    config.clock = &world->clock;
    world->cache = cache_create(&config);
    must(world->cache != NULL);
    world->thread = cache_thread_create(world->cache);
    must(world->thread != NULL);
    world->host = host_of(world);
    world->worker.executor.cache = world->cache;
    world->worker.executor.thread = world->thread;
    world->worker.executor.host = &world->host;
    world->reply = reply_create(world->thread);
    must(world->reply != NULL);
    return world;
}

void
world_destroy(struct world **world)
{
    struct world *dead = *world;

    *world = NULL;
    if (dead == NULL)
        return;
    reply_destroy(&dead->reply);
    cache_thread_destroy(&dead->thread);
    cache_destroy(&dead->cache);
    free(dead);
}

void
world_set_terms(struct world *world, unsigned terms)
{
    world->host.auth_required = world->host.sasl_enabled = terms & TERMS_LOGIN;
    world->host.dump_enabled = terms & TERMS_DUMPS;
    atomic_store(&world->stub.watched, terms & TERMS_WATCHED ? UINT32_MAX : 0);
}

void
world_reset(struct world *world)
{
    clock_set(&world->clock, TICKS_FIRST);
    cache_flush(world->thread);
    atomic_store(&world->stub.counts_prefixes, false);
    if (world->tight)
        must(cache_memory_set_limit(world->cache, world->memory_bytes));
}

void
world_shift(struct world *world, int32_t seconds)
{
    int64_t ticks = clock_now(&world->clock) + (int64_t)seconds * CLOCK_HZ;

    if (ticks < TICKS_FIRST)
        ticks = TICKS_FIRST;
    if (ticks > TICKS_MAX)
        ticks = TICKS_MAX;
    clock_set(&world->clock, (uint32_t)ticks);
    cache_tick(world->thread);
}

void
world_check(struct world *world)
{
    must(reply_left(world->reply) == 0);
    cache_check(world->cache, true);
}
