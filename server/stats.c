/* server/stats.c - the table of figures, and where each comes from.
 *
 * `stats reset` does not touch a counter (only its thread writes it): the sums of that
 * moment are remembered and subtracted from then on.
 */
#include "server/stats.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/server.h"
#include "server/stats_priv.h"
#include "slabs/decimal.h"

/*
 * Every figure of plain `stats`, in wire order, memcached's and then our own: kind, name,
 * meaning.
 *
 *   NUMBER    a plain number            TIME   microseconds, shown as S.UUUUUU
 *   TEXT      a static string
 *   FAST, IDLE, REASSIGN, CRAWLER, MAINTAINER, SECURE, SESSIONS   a number that is shown
 *             only with maxconns_fast, idle_timeout, slab_reassign, lru_crawler,
 *             lru_maintainer, -Z, -Z and ssl_session_cache
 *   BUSY      a static string that is shown only with slab_reassign
 */
#define FIGURES(X)                                                                       \
    X(NUMBER, pid, "process id")                                                         \
    X(NUMBER, uptime, "seconds since the start, plus 2")                                 \
    X(NUMBER, time, "Unix time by the server's clock")                                   \
    X(TEXT, version, "what the version command answers")                                 \
    X(TEXT, libevent, "version of libevent")                                             \
    X(NUMBER, pointer_size, "bits of a pointer")                                         \
    X(TIME, rusage_user, "CPU time in user space")                                       \
    X(TIME, rusage_system, "CPU time in the kernel")                                     \
    X(NUMBER, max_connections, "-c")                                                     \
    X(NUMBER, curr_connections, "open now, listeners included, less one")                \
    X(NUMBER, total_connections, "taken in so far")                                      \
    X(FAST, rejected_connections, "sent away at the limit")                              \
    X(NUMBER, connection_structures, "most that were open at once")                      \
    X(NUMBER, response_obj_oom, "connections closed for want of memory for output")      \
    X(NUMBER, response_obj_count, "reply buffers: one a worker")                         \
    X(NUMBER, response_obj_bytes, "their bytes")                                         \
    X(NUMBER, read_buf_count, "input buffers: one a worker")                             \
    X(NUMBER, read_buf_bytes, "their bytes")                                             \
    X(NUMBER, read_buf_bytes_free, "of these not in use")                                \
    X(NUMBER, read_buf_oom, "connections closed for want of memory for input")           \
    X(NUMBER, reserved_fds, "descriptors that the server itself needs")                  \
    X(NUMBER, cmd_get, "keys read")                                                      \
    X(NUMBER, cmd_set, "values stored or refused, once there was memory for them")       \
    X(NUMBER, cmd_flush, "flush_all")                                                    \
    X(NUMBER, cmd_touch, "keys of touch, gat, gats")                                     \
    X(NUMBER, cmd_meta, "meta debug commands")                                           \
    X(NUMBER, get_hits, "keys read and found")                                           \
    X(NUMBER, get_misses, "keys read and not found")                                     \
    X(NUMBER, get_expired, "keys whose item had expired")                                \
    X(NUMBER, get_flushed, "keys whose item had been flushed")                           \
    X(NUMBER, delete_misses, "deletes that found nothing")                               \
    X(NUMBER, delete_hits, "deletes")                                                    \
    X(NUMBER, incr_misses, "incr that found nothing")                                    \
    X(NUMBER, incr_hits, "incr")                                                         \
    X(NUMBER, decr_misses, "decr that found nothing")                                    \
    X(NUMBER, decr_hits, "decr")                                                         \
    X(NUMBER, cas_misses, "cas that found nothing")                                      \
    X(NUMBER, cas_hits, "cas with the right id")                                         \
    X(NUMBER, cas_badval, "cas with another id")                                         \
    X(NUMBER, touch_hits, "touch, gat, gats that found their key")                       \
    X(NUMBER, touch_misses, "those that did not")                                        \
    X(NUMBER, store_too_large, "values larger than -I")                                  \
    X(NUMBER, store_no_memory, "values that there was no memory for")                    \
    X(NUMBER, auth_cmds, "attempts to authenticate")                                     \
    X(NUMBER, auth_errors, "of these, refused")                                          \
    X(IDLE, idle_kicks, "connections closed for idleness")                               \
    X(NUMBER, bytes_read, "from clients")                                                \
    X(NUMBER, bytes_written, "to clients")                                               \
    X(NUMBER, limit_maxbytes, "-m, in bytes")                                            \
    X(NUMBER, accepting_conns, "1, or 0 while at the limit")                             \
    X(NUMBER, listen_disabled_num, "times that accepting stopped")                       \
    X(NUMBER, time_in_listen_disabled_us, "microseconds until it went on")               \
    X(NUMBER, threads, "workers")                                                        \
    X(NUMBER, conn_yields, "turns that ended with requests left")                        \
    X(NUMBER, hash_power_level, "log2 of the table's slots")                             \
    X(NUMBER, hash_bytes, "bytes of the table")                                          \
    X(NUMBER, hash_is_expanding, "always 0: the table grows at every write")             \
    X(REASSIGN, slab_reassign_rescues, "page mover: items moved")                        \
    X(REASSIGN, slab_reassign_chunk_rescues, "page mover: chunks moved")                 \
    X(REASSIGN, slab_reassign_inline_reclaim, "page mover: dead items dropped")          \
    X(REASSIGN, slab_reassign_busy_items, "page mover: items in use")                    \
    X(REASSIGN, slab_reassign_busy_deletes, "always 0: what is in use stays")            \
    X(REASSIGN, slab_reassign_busy_nomem, "page mover: no room for an item")             \
    X(BUSY, slab_reassign_last_busy_status, "page mover: why it last waited")            \
    X(REASSIGN, slab_reassign_running, "page mover: 1 while at work")                    \
    X(REASSIGN, slabs_moved, "page mover: pages moved")                                  \
    X(CRAWLER, lru_crawler_running, "crawler: 1 while at work")                          \
    X(CRAWLER, lru_crawler_starts, "crawler: times started")                             \
    X(MAINTAINER, lru_maintainer_juggles, "turns of the list keeper")                    \
    X(NUMBER, malloc_fails, "allocations that failed outside of the cache")              \
    X(NUMBER, log_worker_dropped, "watch: lines that found no room")                     \
    X(NUMBER, log_worker_written, "watch: lines written")                                \
    X(NUMBER, log_watcher_skipped, "watch: lines not sent to a slow watcher")            \
    X(NUMBER, log_watcher_sent, "watch: lines sent")                                     \
    X(NUMBER, log_watchers, "watch: watchers now")                                       \
    X(SESSIONS, ssl_new_sessions, "TLS: handshakes that resumed no session")             \
    X(SECURE, ssl_handshake_errors, "TLS: handshakes that came to nothing")              \
    X(SECURE, ssl_proto_errors, "TLS: connections that were broken later")               \
    X(SECURE, time_since_server_cert_refresh,                                            \
      "TLS: seconds since certificates were read")                                       \
    X(NUMBER, unexpected_napi_ids, "always 0: -N has no effect")                         \
    X(NUMBER, round_robin_fallback, "always 0: -N has no effect")                        \
    X(NUMBER, bytes, "bytes of all items, headers included")                             \
    X(NUMBER, curr_items, "items now")                                                   \
    X(NUMBER, total_items, "items stored")                                               \
    X(NUMBER, slab_global_page_pool,                                                     \
      "pages that a class has given back and any may have")                              \
    X(NUMBER, expired_unfetched, "items that expired and were never read")               \
    X(NUMBER, evicted_unfetched, "items evicted that were never read")                   \
    X(MAINTAINER, evicted_active, "items evicted that were in use")                      \
    X(NUMBER, evictions, "live items dropped for memory")                                \
    X(NUMBER, reclaimed, "chunks got by dropping a dead item")                           \
    X(NUMBER, crawler_reclaimed, "crawler: dead items dropped")                          \
    X(NUMBER, crawler_items_checked, "crawler: items looked at")                         \
    X(NUMBER, lrutail_reflocked, "coldest items that were in use")                       \
    X(MAINTAINER, moves_to_cold, "list moves")                                           \
    X(MAINTAINER, moves_to_warm, "list moves")                                           \
    X(MAINTAINER, moves_within_lru, "list moves")                                        \
    X(MAINTAINER, direct_reclaims, "evictions by who needed memory")                     \
    X(MAINTAINER, lru_bumps_dropped, "always 0: reads queue nothing")                    \
    X(SECURE, handshake_kicks, "connections closed because of ssl_handshake_timeout")    \
    X(SECURE, handshakes_waiting, "TLS: handshakes that wait for room now")              \
    X(SECURE, handshakes_deferred, "TLS: handshakes that had to wait for room")          \
    X(SECURE, server_cert_not_before, "TLS: Unix time when the certificate begins")      \
    X(SECURE, server_cert_not_after, "TLS: Unix time when it ends")                      \
    X(NUMBER, header_kicks, "connections closed because of header_timeout")              \
    X(NUMBER, body_kicks, "connections closed because of body_timeout")                  \
    X(NUMBER, write_kicks, "connections closed because of write_timeout")                \
    X(NUMBER, conn_mem_kicks, "connections closed because of conn_mem_limit")            \
    X(NUMBER, conn_mem_bytes, "bytes of input and output that connections keep")         \
    X(NUMBER, log_watchers_rejected, "watch: refused, for there were too many watchers") \
    X(NUMBER, prefixes_rejected,                                                         \
      "commands not counted, for there were too many prefixes")                          \
    X(NUMBER, log_messages_dropped, "messages that who reads them had no room for")      \
    X(NUMBER, log_messages_suppressed, "messages of which there were too many")

enum kind {
    NUMBER,
    TIME,
    TEXT,
    FAST,
    IDLE,
    REASSIGN,
    BUSY,
    CRAWLER,
    MAINTAINER,
    SECURE,
    SESSIONS
};

/* A value of any kind; a TEXT is a pointer. */
union figure {
    uint64_t    number;
    const char *text;
};

struct figures {
#define FIELD(kind, name, meaning) union figure name;
    FIGURES(FIELD)
#undef FIELD
};

struct row {
    enum kind   kind;
    const char *name;
};

static const struct row rows[] = {
#define ROW(kind, name, meaning) { kind, #name },
    FIGURES(ROW)
#undef ROW
};

/* ---- where they come from -------------------------------------------------------- */

static void
subtract(void *from, const void *part, size_t bytes)
{
    uint64_t       *to = from;
    const uint64_t *less = part;

    for (size_t i = 0; i < bytes / sizeof(*to); i++)
        to[i] -= less[i];
}

/* What all counters were at the last reset is taken off. They are summed under the lock,
 * or a reset could have the later sums. */
void
stats_totals(struct server *server, struct totals *all, struct totals *since)
{
    lock_take(&server->reset_lock);
    server_sum(server, all);
    *since = *all;
    subtract(since, &server->reset_at, sizeof(*since));
    lock_drop(&server->reset_lock);
}

void
stats_emit(host_emit *emit, void *ctx, uint64_t number, const char *name, ...)
{
    char    full[64], text[DECIMAL_MAX + 1];
    va_list arguments;

    va_start(arguments, name);
    vsnprintf(full, sizeof(full), name, arguments);
    va_end(arguments);
    *decimal_write(text, number) = '\0';
    emit(ctx, full, text);
}

static void
acceptor_since_reset(struct server *server, struct acceptor_counters *counters)
{
    lock_take(&server->reset_lock);
    acceptor_count(&server->acceptor, counters);
    subtract(counters, &server->reset_acceptor, sizeof(*counters));
    lock_drop(&server->reset_lock);
}

static uint64_t
microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void
fill_process(const struct server *server, struct figures *f)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    f->pid.number = (uint64_t)getpid();
    f->uptime.number = clock_seconds(&server->clock);
    f->time.number = (uint64_t)clock_unix_s(&server->clock);
    f->version.text = LARDER_WIRE_VERSION;
    f->libevent.text = event_get_version();
    f->pointer_size.number = 8 * sizeof(void *);
    f->rusage_user.number = microseconds(usage.ru_utime);
    f->rusage_system.number = microseconds(usage.ru_stime);
    f->threads.number = server->options.threads;
}

static void
fill_certificates(struct server *server, struct figures *f)
{
    struct certificate_dates dates;

    if (!server->options.tls)
        return;
    certificates_look(&server->certificates, &dates);
    f->time_since_server_cert_refresh.number =
        clock_seconds(&server->clock) - atomic_load(&server->certificates_read_at_s);
    f->server_cert_not_before.number = (uint64_t)dates.not_before;
    f->server_cert_not_after.number = (uint64_t)dates.not_after;
}

static void
fill_connections(struct server *server, const struct worker_counters *w,
                 struct figures *f)
{
    struct acceptor         *acceptor = &server->acceptor;
    struct acceptor_counters a;
    uint64_t                 workers = server->options.threads;
    uint64_t listeners = server->listeners.count + server->udp_sockets.count;

    acceptor_since_reset(server, &a);
    f->max_connections.number = server->options.connections_max;
    f->curr_connections.number = atomic_load(&acceptor->open) + listeners - 1;
    f->total_connections.number = a.total_connections;
    f->rejected_connections.number = a.rejected_connections;
    f->connection_structures.number = atomic_load(&acceptor->most) + listeners;
    f->response_obj_oom.number = w->response_obj_oom;
    f->response_obj_count.number = workers;
    f->response_obj_bytes.number = workers * REPLY_BYTES;
    f->read_buf_count.number = workers;
    f->read_buf_bytes.number = workers * WORKER_INPUT_BYTES;
    f->read_buf_oom.number = w->read_buf_oom;
    f->reserved_fds.number = 5 * workers;
    f->idle_kicks.number = w->idle_kicks;
    f->handshake_kicks.number = w->handshake_kicks;
    f->header_kicks.number = w->header_kicks;
    f->body_kicks.number = w->body_kicks;
    f->write_kicks.number = w->write_kicks;
    f->conn_mem_kicks.number = w->conn_mem_kicks;
    f->handshakes_deferred.number = w->handshakes_deferred;
    for (unsigned i = 0; i < server->options.threads; i++) {
        f->conn_mem_bytes.number += counter_read(&server->workers[i].kept_bytes);
        f->handshakes_waiting.number += counter_read(&server->workers[i].waiting_count);
    }
    f->bytes_read.number = w->bytes_read;
    f->bytes_written.number = w->bytes_written;
    f->conn_yields.number = w->conn_yields;
    f->ssl_new_sessions.number = w->ssl_new_sessions;
    f->ssl_handshake_errors.number = w->ssl_handshake_errors;
    f->ssl_proto_errors.number = w->ssl_proto_errors;
    f->accepting_conns.number = !atomic_load(&acceptor->paused);
    f->listen_disabled_num.number = a.listen_disabled_num;
    f->time_in_listen_disabled_us.number = a.time_in_listen_disabled;
}

/* Both are sums over threads that go on counting, so the second may be ahead. */
static uint64_t
less(uint64_t in, uint64_t out)
{
    return in > out ? in - out : 0;
}

static uint64_t
sum_get_hits(const struct command_counters *c)
{
    uint64_t hits = 0;

    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++)
        hits += command_get_hits(c, i);
    return hits;
}

static void
fill_commands(const struct command_counters *c, struct figures *f)
{
    struct class_counters sum = { 0 };

    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++) {
#define SUM(name, meaning) sum.name += c->of_class[i].name;
        CLASS_COUNTERS(SUM)
#undef SUM
    }
    f->get_hits.number = sum_get_hits(c);
#define COPY_SUM(name, meaning) f->name.number = sum.name;
#define COPY(name, meaning) f->name.number = c->name;
    CLASS_COUNTERS(COPY_SUM)
    COMMAND_COUNTERS(COPY)
#undef COPY
#undef COPY_SUM
    f->cmd_get.number = f->get_hits.number + c->get_misses;
}

static void
fill_cache(const struct server *server, const struct cache_counters *all,
           const struct cache_counters *since, struct figures *f)
{
    f->limit_maxbytes.number = cache_memory_limit(server->cache);
    f->hash_power_level.number = cache_table_power(server->cache);
    f->hash_bytes.number = cache_table_bytes(server->cache);
    f->get_expired.number = since->expired_found;
    f->get_flushed.number = since->flushed_found;
    f->bytes.number = less(all->bytes_linked, all->bytes_unlinked);
    f->curr_items.number = less(all->items_linked, all->items_unlinked);
    f->total_items.number = since->items_linked;
    f->expired_unfetched.number = since->expired_unfetched;
    f->evicted_unfetched.number = since->evicted_unfetched;
    f->evicted_active.number = since->evicted_active;
    f->evictions.number = since->evictions;
    f->reclaimed.number = since->reclaimed;
    f->direct_reclaims.number = since->direct_reclaims;
    f->lrutail_reflocked.number = since->lrutail_reflocked;
    f->moves_to_cold.number = since->moves_to_cold;
    f->moves_to_warm.number = since->moves_to_warm;
    f->moves_within_lru.number = since->moves_within_lru;
    f->crawler_reclaimed.number = since->crawler_reclaimed;
    f->crawler_items_checked.number = since->crawler_items_checked;
    f->lru_crawler_running.number = atomic_load(&server->upkeep.crawler.running);
    f->slab_reassign_rescues.number = since->items_rescued;
    f->slab_reassign_chunk_rescues.number = since->pieces_rescued;
    f->slab_reassign_inline_reclaim.number = since->rescue_reclaims;
    f->slab_reassign_busy_items.number = since->rescue_busy;
    f->slab_reassign_busy_nomem.number = since->rescue_no_memory;
    f->slab_reassign_last_busy_status.text = "none";
    f->slab_reassign_running.number = cache_is_moving(server->cache);
    f->slabs_moved.number = since->pages_moved;
    f->slab_global_page_pool.number = cache_pages_in_pool(server->cache);
}

static void
fill_background(const struct server *server, const struct totals *since,
                struct figures *f)
{
    f->lru_maintainer_juggles.number = since->upkeep.juggles;
    f->lru_crawler_starts.number = since->upkeep.crawls;
    f->log_worker_written.number = since->watch.written;
    f->log_worker_dropped.number = since->watch.dropped;
    f->log_watcher_sent.number = since->watch.sent;
    f->log_watcher_skipped.number = since->watch.skipped;
    f->log_watchers.number = atomic_load(&server->watch.watchers);
    f->log_watchers_rejected.number = since->watch.rejected;
    f->prefixes_rejected.number = atomic_load(&server->prefixes.rejected);
    f->log_messages_dropped.number = since->log.dropped;
    f->log_messages_suppressed.number = since->log.suppressed;
}

/* ---- showing them ---------------------------------------------------------------- */

static bool
is_shown(const struct server *server, enum kind kind)
{
    const struct options *options = &server->options;

    switch (kind) {
    case FAST:
        return options->connections_fast;
    case IDLE:
        return atomic_load(&server->limits.idle_s) > 0;
    case REASSIGN:
    case BUSY:
        return options->slab_reassign;
    case CRAWLER:
        return atomic_load(&server->upkeep.crawler.enabled);
    case MAINTAINER:
        return options->lru_maintainer;
    case SECURE:
        return options->tls;
    case SESSIONS:
        return options->tls && options->tls_sessions;
    case NUMBER:
    case TIME:
    case TEXT:
        break;
    }
    return true;
}

static void
emit_row(const struct row *row, union figure figure, host_emit *emit, void *ctx)
{
    char text[2 * DECIMAL_MAX];

    if (row->kind == TEXT || row->kind == BUSY) {
        emit(ctx, row->name, figure.text);
        return;
    }
    if (row->kind == TIME)
        snprintf(text, sizeof(text), "%llu.%06llu",
                 (unsigned long long)(figure.number / 1000000),
                 (unsigned long long)(figure.number % 1000000));
    else
        *decimal_write(text, figure.number) = '\0';
    emit(ctx, row->name, text);
}

static void
stats_general(struct server *server, host_emit *emit, void *ctx)
{
    struct totals all, since;
    union {
        struct figures named;
        union figure   list[sizeof(rows) / sizeof(rows[0])];
    } figures = { 0 };

    stats_totals(server, &all, &since);
    fill_process(server, &figures.named);
    fill_connections(server, &since.workers, &figures.named);
    fill_certificates(server, &figures.named);
    fill_commands(&since.commands, &figures.named);
    fill_cache(server, &all.cache, &since.cache, &figures.named);
    fill_background(server, &since, &figures.named);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_shown(server, rows[i].kind))
            emit_row(&rows[i], figures.list[i], emit, ctx);
    }
}

static void
stats_settings(struct server *server, host_emit *emit, void *ctx)
{
    struct options   now = server->options;
    struct cache_lru lru = cache_lru(server->cache);

    now.verbosity = atomic_load(&server->verbosity);
    limits_show(&server->limits, &now);
    now.memory_bytes = cache_memory_limit(server->cache);
    now.prefix_stats = atomic_load(&server->prefixes.counts);
    now.lru_segmented = lru.segmented;
    now.lru_hot_percent = lru.hot_percent;
    now.lru_warm_percent = lru.warm_percent;
    now.lru_hot_factor = lru.hot_factor;
    now.lru_warm_factor = lru.warm_factor;
    now.temporary_lru = lru.temporary;
    now.temporary_ttl_s = lru.temporary_ttl_s;
    now.lru_crawler = atomic_load(&server->upkeep.crawler.enabled);
    now.lru_crawler_sleep_us = atomic_load(&server->upkeep.crawler.sleep_us);
    now.lru_crawler_tocrawl = atomic_load(&server->upkeep.crawler.most);
    now.slab_automove = atomic_load(&server->upkeep.mover.automove);
    now.slab_automove_ratio = atomic_load(&server->upkeep.mover.ratio);
    now.slab_automove_freeratio = atomic_load(&server->upkeep.mover.free_ratio);
    now.slab_automove_window = atomic_load(&server->upkeep.mover.window_s);
    options_emit_settings(&now, emit, ctx);
}

void
stats_show(void *arg, enum stats_kind kind, host_emit *emit, void *ctx)
{
    struct server *server = arg;

    switch (kind) {
    case STATS_GENERAL:
        stats_general(server, emit, ctx);
        break;
    case STATS_SETTINGS:
        stats_settings(server, emit, ctx);
        break;
    case STATS_ITEMS:
        stats_items(server, emit, ctx);
        break;
    case STATS_SLABS:
        stats_slabs(server, emit, ctx);
        break;
    case STATS_SIZES:
        stats_sizes(server, emit, ctx);
        break;
    case STATS_CONNS:
        stats_conns(server, emit, ctx);
        break;
    case STATS_EXTSTORE: /* there is none */
    case STATS_PREFIXES: /* host.prefixes */
    case STATS_PREFIXES_ON:
    case STATS_PREFIXES_OFF:
    case STATS_RESET:
        break;
    }
}

void
stats_tell_brief(struct server *server, struct stats_brief *brief)
{
    struct totals totals;

    server_sum(server, &totals);
    brief->items = less(totals.cache.items_linked, totals.cache.items_unlinked);
    brief->connections = atomic_load(&server->acceptor.open);
    brief->hits = sum_get_hits(&totals.commands);
    brief->gets = brief->hits + totals.commands.get_misses;
}

void
stats_reset(void *arg)
{
    struct server *server = arg;

    lock_take(&server->reset_lock);
    server_sum(server, &server->reset_at);
    acceptor_count(&server->acceptor, &server->reset_acceptor);
    lock_drop(&server->reset_lock);
    prefixes_reset(&server->prefixes);
}
