/* server/stats_classes.c - `stats items`, `stats slabs` and `stats sizes`.
 *
 * Names, order and conditions are memcached 1.6.45's.
 */
#include <stdlib.h>

#include "server/server.h"
#include "server/stats_priv.h"

/* Figures of one class. */
struct of_class {
    unsigned                           number;
    struct cache_class                 now;
    const struct cache_class_counters *all;
    const struct cache_class_counters *since;
    const struct class_counters       *commands; /* since */
    const uint64_t                    *hits;     /* since, by segment */
    uint64_t                           get_hits; /* their sum         */
};

typedef void show_class(const struct server *server, const struct of_class *class,
                        host_emit *emit, void *ctx);

#define ITEM(name, value) stats_emit(emit, ctx, value, "items:%u:" name, class->number)

static void
show_moves(const struct of_class *class, host_emit *emit, void *ctx)
{
    ITEM("moves_to_cold", class->since->moves_to_cold);
    ITEM("moves_to_warm", class->since->moves_to_warm);
    ITEM("moves_within_lru", class->since->moves_within_lru);
    ITEM("direct_reclaims", class->since->direct_reclaims);
    ITEM("hits_to_hot", class->hits[CACHE_HOT]);
    ITEM("hits_to_warm", class->hits[CACHE_WARM]);
    ITEM("hits_to_cold", class->hits[CACHE_COLD]);
    ITEM("hits_to_temp", class->hits[CACHE_TEMP]);
}

static void
show_items(const struct server *server, const struct of_class *class, host_emit *emit,
           void *ctx)
{
    bool segments = server->options.lru_maintainer;

    if (class->now.items == 0)
        return;
    ITEM("number", class->now.items);
    if (segments) {
        ITEM("number_hot", class->now.segment[CACHE_HOT].items);
        ITEM("number_warm", class->now.segment[CACHE_WARM].items);
        ITEM("number_cold", class->now.segment[CACHE_COLD].items);
        if (cache_lru(server->cache).temporary)
            ITEM("number_temp", class->now.segment[CACHE_TEMP].items);
        ITEM("age_hot", class->now.segment[CACHE_HOT].oldest_idle_s);
        ITEM("age_warm", class->now.segment[CACHE_WARM].oldest_idle_s);
    }
    ITEM("age", class->now.segment[CACHE_COLD].oldest_idle_s);
    ITEM("mem_requested", class->all->bytes_linked - class->all->bytes_unlinked);
    ITEM("evicted", class->since->evictions);
    ITEM("evicted_nonzero", class->since->evicted_nonzero);
    ITEM("evicted_time", class->now.evicted_idle_s);
    ITEM("outofmemory", class->since->out_of_memory);
    ITEM("tailrepairs", 0);
    ITEM("reclaimed", class->since->reclaimed);
    ITEM("expired_unfetched", class->since->expired_unfetched);
    ITEM("evicted_unfetched", class->since->evicted_unfetched);
    if (segments)
        ITEM("evicted_active", class->since->evicted_active);
    ITEM("crawler_reclaimed", class->since->crawler_reclaimed);
    ITEM("crawler_items_checked", class->since->crawler_items_checked);
    ITEM("lrutail_reflocked", class->since->lrutail_reflocked);
    if (segments)
        show_moves(class, emit, ctx);
}

#undef ITEM

#define SLAB(name, value) stats_emit(emit, ctx, value, "%u:" name, class->number)

static void
show_slabs(const struct server *server, const struct of_class *class, host_emit *emit,
           void *ctx)
{
    uint64_t chunks_a_page = cache_page_bytes(server->cache) / class->now.chunk_bytes;
    uint64_t chunks = class->now.pages * chunks_a_page;

    if (class->now.pages == 0)
        return;
    SLAB("chunk_size", class->now.chunk_bytes);
    SLAB("chunks_per_page", chunks_a_page);
    SLAB("total_pages", class->now.pages);
    SLAB("total_chunks", chunks);
    SLAB("used_chunks", class->now.chunks_used);
    SLAB("free_chunks", chunks - class->now.chunks_used);
    SLAB("free_chunks_end", 0);
    SLAB("get_hits", class->get_hits);
    SLAB("cmd_set", class->commands->cmd_set);
    SLAB("delete_hits", class->commands->delete_hits);
    SLAB("incr_hits", class->commands->incr_hits);
    SLAB("decr_hits", class->commands->decr_hits);
    SLAB("cas_hits", class->commands->cas_hits);
    SLAB("cas_badval", class->commands->cas_badval);
    SLAB("touch_hits", class->commands->touch_hits);
}

#undef SLAB

/* Show each class in turn; sums of pages and of classes that have some are returned. */
static uint64_t
each_class(struct server *server, show_class *show, host_emit *emit, void *ctx,
           unsigned *active)
{
    struct totals *all = malloc(2 * sizeof(*all)), *since;
    uint64_t       pages = 0;

    if (all == NULL)
        return 0;
    since = all + 1;
    stats_totals(server, all, since);
    for (unsigned i = 1; i <= cache_class_count(server->cache); i++) {
        struct of_class class = {
            .number = i,
            .all = &all->cache_classes[i],
            .since = &since->cache_classes[i],
            .commands = &since->commands.of_class[i],
            .hits = since->commands.get_hits[i],
            .get_hits = command_get_hits(&since->commands, i),
        };

        cache_class_show(server->cache, i, &class.now);
        show(server, &class, emit, ctx);
        pages += class.now.pages;
        *active += class.now.pages > 0;
    }
    free(all);
    return pages;
}

void
stats_items(struct server *server, host_emit *emit, void *ctx)
{
    unsigned active = 0;

    each_class(server, show_items, emit, ctx, &active);
}

void
stats_slabs(struct server *server, host_emit *emit, void *ctx)
{
    unsigned active = 0;
    uint64_t pages = each_class(server, show_slabs, emit, ctx, &active);

    stats_emit(emit, ctx, active, "active_slabs");
    stats_emit(emit, ctx, pages * cache_page_bytes(server->cache), "total_malloced");
}

void
stats_sizes(struct server *server, host_emit *emit, void *ctx)
{
    int64_t *sums;

    if (!server->options.track_sizes) {
        emit(ctx, "sizes_status", "disabled");
        return;
    }
    sums = malloc(CACHE_SIZES * sizeof(*sums));
    if (sums == NULL)
        return;
    cache_sizes_sum(server->cache, sums);
    for (unsigned i = 0; i < CACHE_SIZES; i++) {
        if (sums[i] > 0)
            stats_emit(emit, ctx, (uint64_t)sums[i], "%u", i * CACHE_SIZE_STEP);
    }
    free(sums);
}
