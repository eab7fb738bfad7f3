/* server/server.c - putting the daemon together and taking it apart. See server.h. */
#include "server/server.h"

#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "protocol/number.h"
#include "server/orders.h"
#include "server/process.h"
#include "server/stats.h"
#include "slabs/must.h"

enum {
    REQUESTS_A_STEP = 64, /* -R counts steps of so many requests          */
    THREADS_BESIDES = 2,  /* workers and main: watch, upkeep                */
};

/* ---- what sessions ask for ------------------------------------------------------- */

static void
host_set_verbosity(void *arg, unsigned level)
{
    struct server *server = arg;

    atomic_store(&server->verbosity, level);
}

static bool
host_debug_time(void *arg, struct cache_thread *thread, struct span what)
{
    struct server     *server = arg;
    struct timekeeper *timekeeper = &server->timekeeper;
    int32_t            seconds;

    if (span_equal(what, SPAN("p")))
        timekeeper_pause(timekeeper, true);
    else if (span_equal(what, SPAN("r")))
        timekeeper_pause(timekeeper, false);
    else if (number_strict_i32(what, &seconds))
        timekeeper_shift(timekeeper, seconds);
    else
        return false;
    cache_tick(thread);
    return true;
}

static int32_t
host_ttl_of(void *arg, int64_t expiry)
{
    struct server *server = arg;

    return cache_ttl_of(server->cache, expiry);
}

static int64_t
host_unix_time(void *arg)
{
    struct server *server = arg;

    return clock_unix_s(&server->clock);
}

static char *
host_prefixes(void *arg, size_t *length)
{
    struct server *server = arg;

    return prefixes_show(&server->prefixes, length);
}

static void
host_prefixes_turn(void *arg, bool on)
{
    struct server *server = arg;

    atomic_store(&server->prefixes.counts, on);
}

static void
host_prefixes_count(void *arg, struct span key, enum operation what, bool hit)
{
    struct server *server = arg;

    prefixes_count(&server->prefixes, key, what, hit);
}

static void
host_tell(void *ring, uint32_t kind, struct span line)
{
    watch_tell(ring, kind, line);
}

static void
on_watcher_gone(void *arg)
{
    server_connection_closed(arg);
}

static bool
host_authenticate(void *arg, struct span user, struct span password)
{
    struct server *server = arg;

    return passwords_check(&server->passwords, user, password);
}

static bool
asks_for_login(const struct options *options)
{
    return options->sasl || options->auth_file != NULL;
}

static void
fill_host(struct server *server)
{
    const struct options *options = &server->options;

    server->host = (struct host){
        .server = server,
        .version = SPAN(LARDER_WIRE_VERSION),
        .flush_enabled = options->flush,
        .debug_enabled = options->debug_commands,
        .cas_enabled = options->cas,
        .dump_enabled = options->dump,
        .auth_required = asks_for_login(options),
        .sasl_enabled = options->sasl,
        .authenticate = host_authenticate,
        .ttl_of = host_ttl_of,
        .unix_time = host_unix_time,
        .stats = stats_show,
        .stats_reset = stats_reset,
        .prefixes = host_prefixes,
        .prefixes_turn = host_prefixes_turn,
        .prefixes_count = host_prefixes_count,
        .counts_prefixes = &server->prefixes.counts,
        .crawls = &server->upkeep.crawler.enabled,
        .watched = &server->watch.kinds,
        .tell = host_tell,
        .watch_enabled = options->watch,
        .order = orders_run,
        .set_verbosity = host_set_verbosity,
        .debug_time = host_debug_time,
    };
}

/* ---- events of the main thread --------------------------------------------------- */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd, (void)what;
    timekeeper_tick(&server->timekeeper);
    cache_tick(server->cache_thread);
    log_tick(&server->log);
    server->ticks++;
    for (unsigned i = 0; i < server->workers_started; i++) {
        if (server->ticks % CLOCK_HZ == 0)
            worker_look(&server->workers[i]);
        else
            worker_help_waiting(&server->workers[i]);
    }
}

static void
on_stop_signal(evutil_socket_t signal_number, short what, void *arg)
{
    struct server *server = arg;

    (void)what;
    if (signal_number == SIGUSR1)
        log_say(&server->log, LOG_STOPPING_GRACEFULLY, NULL, "Gracefully stopping");
    else
        log_say(&server->log, LOG_STOPPING, NULL, "Exiting normally");
    systemd_tell_stopping(&server->systemd);
    event_base_loopbreak(server->base);
}

enum certificates_status
server_reload_certificates(struct server *server)
{
    char                     text[512];
    enum certificates_status status =
        certificates_reload(&server->certificates, text, sizeof(text));

    if (status != CERTIFICATES_OK) {
        log_say(&server->log, LOG_CERTIFICATES_REFUSED, NULL,
                "%s; the old certificates stay in force", text);
        return status;
    }
    atomic_store(&server->certificates_read_at_s, clock_seconds(&server->clock));
    log_say(&server->log, LOG_CERTIFICATES_READ, NULL,
            "the certificates were read again");
    if (certificates_warn(&server->certificates, CERTIFICATES_EXPOSED, text,
                          sizeof(text)))
        log_say(&server->log, LOG_SECRET_EXPOSED, NULL, "%s", text);
    if (certificates_warn(&server->certificates, CERTIFICATES_DATED, text, sizeof(text)))
        log_say(&server->log, LOG_CERTIFICATES_DATED, NULL, "%s", text);
    return status;
}

void
server_warn_of_passwords(struct server *server)
{
    if (server->passwords.list != NULL && passwords_are_exposed(&server->passwords))
        log_say(&server->log, LOG_SECRET_EXPOSED, NULL,
                "everybody can read the passwords in %s", server->passwords.path);
}

static void
reload_passwords(struct server *server)
{
    char text[256];

    if (!passwords_reload(&server->passwords, text, sizeof(text))) {
        log_say(&server->log, LOG_PASSWORDS_REFUSED, NULL,
                "%s; the old passwords stay in force", text);
        return;
    }
    log_say(&server->log, LOG_PASSWORDS_READ, NULL, "the passwords were read again");
    server_warn_of_passwords(server);
}

/* Reload what can be; and a HUP must not end a server that has nothing of the kind. */
static void
on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
    struct server *server = arg;

    (void)signal_number, (void)what;
    systemd_tell_reloading(&server->systemd);
    reload_settings(server);
    if (asks_for_login(&server->options))
        reload_passwords(server);
    if (server->options.tls)
        server_reload_certificates(server);
    systemd_tell_ready(&server->systemd);
}

static bool
start_events(struct server *server)
{
    static const struct timeval tick = { 0, 1000000 / CLOCK_HZ };
    static const int            numbers[] = { SIGINT, SIGTERM, SIGUSR1, SIGHUP };

    server->base = event_base_new();
    if (server->base == NULL)
        return false;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        event_callback_fn what = numbers[i] == SIGHUP ? on_hangup : on_stop_signal;

        server->signal_events[i] = evsignal_new(server->base, numbers[i], what, server);
        if (server->signal_events[i] == NULL ||
            event_add(server->signal_events[i], NULL) != 0)
            return false;
    }
    process_hear_hangup(true);
    server->tick_event = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    return server->tick_event != NULL && event_add(server->tick_event, &tick) == 0 &&
           (!server->options.tls ||
            refresh_start(&server->refresh, server, server->base)) &&
           systemd_start(&server->systemd, server, server->base);
}

static void
stop_events(struct server *server)
{
    for (size_t i = 0; i < sizeof(server->signal_events) / sizeof(struct event *); i++) {
        if (server->signal_events[i] != NULL)
            event_free(server->signal_events[i]);
    }
    if (server->tick_event != NULL)
        event_free(server->tick_event);
    refresh_fini(&server->refresh);
    systemd_stop(&server->systemd);
    if (server->base != NULL)
        event_base_free(server->base);
}

/* ---- start ----------------------------------------------------------------------- */

enum { PAGES_WANTED = 1024, MEMORY_FLOOR = 34 << 20 };

/* What `cache_memlimit` may ask for: all that the machine has, as far as the smallest
 * handles reach, and in small pages a hundred times of what a cache of these has. It is
 * address space alone, but for some bytes a page. */
static size_t
memory_most(uint32_t page, size_t memory_bytes)
{
    static const size_t small = (size_t)15 << 30, large = (size_t)31 << 30;
    size_t              handles_reach = memory_bytes <= small ? small : large;
    long                pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    size_t              all = pages > 0 && bytes > 0 ? (size_t)pages * (size_t)bytes : 0;
    size_t              most = (size_t)page * 100 * PAGES_WANTED;

    most = most < handles_reach ? most : handles_reach;
    return all < most ? all : most;
}

static bool
is_usable(enum cache_file_found found)
{
    return found != CACHE_FILE_FOREIGN && found != CACHE_FILE_NO_SPACE;
}

/* The cache is at work on all of the memory file, at the start or at the end. */
static void
on_progress(void *arg, uint32_t pages, uint32_t all)
{
    struct server *server = arg;

    systemd_tell_progress(&server->systemd, server->sealing ? "Sealing" : "Restoring",
                          pages, all);
}

/* Bring back what the memory file holds, and say what it was. */
static bool
restore_cache(struct server *server)
{
    struct memory_file *memory = &server->memory;
    char                text[512];

    if (memory_file_is_tight(memory, server->options.memory_bytes, text, sizeof(text)))
        log_say(&server->log, LOG_MEMORY_SMALL, NULL, "%s", text);
    if (memory_file_cold(memory, text, sizeof(text)))
        log_say(&server->log, LOG_MEMORY_EMPTY, NULL, "%s", text);
    if (memory->file.found != CACHE_FILE_WARM)
        return true;
    timekeeper_resume(&server->timekeeper, memory->file.origin_s, memory->file.now);
    if (!memory_file_restore(memory, server->cache, server->cache_thread,
                             server->options.threads, text, sizeof(text)))
        return false;
    log_say(&server->log, LOG_MEMORY_RESTORED, NULL, "%s", text);
    return true;
}

/* A small cache has small pages, or the many size classes could not share what there is; and
 * no value is in more pieces than PAGES_WANTED. */
static uint32_t
page_bytes(const struct options *options)
{
    uint32_t bytes;

    for (bytes = CACHE_PAGE_LEAST; bytes < CACHE_PAGE_MOST; bytes *= 2) {
        if (options->memory_bytes / PAGES_WANTED <= bytes &&
            options->item_bytes_max / PAGES_WANTED <= bytes)
            break;
    }
    return bytes;
}

/* In small pages the largest chunk is half of one. */
static uint32_t
chunk_bytes_max(const struct server *server, uint32_t page)
{
    uint32_t most = page < CACHE_PAGE_MOST ? page / 2 : page;
    size_t   wanted = server->options.chunk_bytes_max;

    return wanted < most ? (uint32_t)wanted : most;
}

static struct cache_config
config_for(struct server *server, uint32_t page, uint64_t seed)
{
    const struct options *options = &server->options;

    return (struct cache_config){
        .memory_bytes = options->memory_bytes,
        .memory_most = memory_most(page, options->memory_bytes),
        .memory_floor = MEMORY_FLOOR,
        .item_bytes_max = options->item_bytes_max,
        .page_bytes = page,
        .chunk_bytes_max = chunk_bytes_max(server, page),
        .smallest_value = options->value_bytes_min_given ? options->value_bytes_min : 0,
        .growth = options->growth,
        .evicts = options->evicts,
        .tracks_sizes = options->track_sizes,
        .lru = { .segmented = options->lru_segmented,
                 .temporary = options->temporary_lru,
                 .temporary_ttl_s = options->temporary_ttl_s,
                 .hot_percent = options->lru_hot_percent,
                 .warm_percent = options->lru_warm_percent,
                 .hot_factor = options->lru_hot_factor,
                 .warm_factor = options->lru_warm_factor },
        .clock = &server->clock,
        .file = server->memory.path != NULL ? &server->memory.file : NULL,
        .hash_seed = seed,
    };
}

/* What is in a memory file keeps the pages that it has. Where it cannot be restored, pages are
 * as they would be without. */
static struct cache *
new_cache(struct server *server, uint64_t seed)
{
    struct cache_file  *file = server->memory.path != NULL ? &server->memory.file : NULL;
    uint32_t            own = page_bytes(&server->options);
    uint32_t            page = file != NULL ? cache_file_page_bytes(file) : 0;
    struct cache_config config = config_for(server, page != 0 ? page : own, seed);
    struct cache       *cache;

    if (file != NULL)
        file->only_warm = page != 0 && page != own;
    cache = cache_create(&config);
    if (cache == NULL && file != NULL && file->only_warm && is_usable(file->found)) {
        enum cache_file_found why = file->found;

        file->only_warm = false;
        config = config_for(server, own, seed);
        cache = cache_create(&config);
        if (cache != NULL)
            file->found = why;
    }
    return cache;
}

static bool
create_cache(struct server *server, char *text, size_t text_bytes)
{
    bool     has_file = server->memory.path != NULL;
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return false;
    server->cache = new_cache(server, seed);
    if (server->cache == NULL && has_file && !is_usable(server->memory.file.found))
        memory_file_refused(&server->memory, text, text_bytes);
    if (server->cache == NULL)
        return false;
    server->cache_thread = cache_thread_create(server->cache);
    if (server->cache_thread == NULL)
        return false;
    return !has_file || restore_cache(server);
}

static bool
start_watch(struct server *server)
{
    const struct options *options = &server->options;

    server->watch.closed = on_watcher_gone;
    server->watch.server = server;
    server->watch.sandbox = &server->sandbox;
    return watch_start(&server->watch, options->threads + 1, options->worker_log_bytes,
                       options->watcher_log_bytes);
}

static bool
start_workers(struct server *server)
{
    unsigned count = server->options.threads;

    server->workers = calloc(count, sizeof(*server->workers));
    if (server->workers == NULL)
        return false;
    for (; server->workers_started < count; server->workers_started++) {
        if (!worker_start(&server->workers[server->workers_started], server))
            return false;
    }
    return true;
}

static bool
open_listeners(struct server *server, char *text, size_t text_bytes, int *exit_code)
{
    const struct options *options = &server->options;
    enum listen_status    status;

    if (server->activation.count > 0)
        status = activation_listen(&server->activation, false, &server->listeners,
                                   options, text, text_bytes);
    else
        status = listen_open(&server->listeners, options, text, text_bytes);
    if (status == LISTEN_OK && options->port_file != NULL)
        status = listen_write_ports(&server->listeners, &server->udp_sockets,
                                    options->port_file, text, text_bytes);
    *exit_code = status != LISTEN_OK ? listen_exit_code(status) : 0;
    return status == LISTEN_OK;
}

/* Before the workers, which read them. */
static bool
open_udp(struct server *server, char *text, size_t text_bytes, int *exit_code)
{
    const struct options *options = &server->options;
    enum listen_status    status;

    if (server->activation.count > 0)
        status = activation_listen(&server->activation, true, &server->udp_sockets,
                                   options, text, text_bytes);
    else
        status = listen_open_udp(&server->udp_sockets, options, text, text_bytes);
    *exit_code = status != LISTEN_OK ? listen_exit_code(status) : 0;
    return status == LISTEN_OK;
}

static unsigned
turn_requests(unsigned steps)
{
    return steps < UINT_MAX / REQUESTS_A_STEP ? steps * REQUESTS_A_STEP : UINT_MAX;
}

bool
server_read_passwords(struct server *server, char *text, size_t text_bytes)
{
    const struct options *options = &server->options;
    const char           *path = options->auth_file;

    if (!asks_for_login(options))
        return true;
    if (path == NULL)
        path = options->sasl_file;
    if (path != NULL)
        return passwords_open(&server->passwords, path, text, text_bytes);
    snprintf(text, text_bytes, "%s", PASSWORDS_WANTED);
    return false;
}

bool
server_read_certificates(struct server *server, char *text, size_t text_bytes)
{
    return !server->options.tls ||
           certificates_open(&server->certificates, &server->options, text, text_bytes) ==
               CERTIFICATES_OK;
}

bool
server_open_memory(struct server *server, char *text, size_t text_bytes)
{
    const char *path = server->options.memory_file;

    return path == NULL || memory_file_open(&server->memory, path, text, text_bytes);
}

bool
server_start(struct server *server, char *text, size_t text_bytes, int *exit_code)
{
    const char *lacks = NULL;

    text[0] = '\0';
    server->turn_requests = turn_requests(server->options.requests_max);
    atomic_init(&server->verbosity, server->options.verbosity);
    limits_init(&server->limits, &server->options);
    lock_init(&server->reset_lock, RANK_OWNER);
    prefixes_init(&server->prefixes, server->options.prefix_delimiter[0],
                  server->options.prefix_stats);
    timekeeper_init(&server->timekeeper, &server->clock);
    fill_host(server);
    sandbox_init(&server->sandbox, &server->options);
    if (!open_udp(server, text, text_bytes, exit_code)) {
        server_stop(server);
        return false;
    }
    server->memory.file.progress = on_progress;
    server->memory.file.progress_arg = server;
    if (!create_cache(server, text, text_bytes))
        lacks = "memory for the cache";
    else if (!start_events(server))
        lacks = "what the event loop needs";
    else if (!start_watch(server))
        lacks = "what the watch command needs";
    else if (!start_workers(server))
        lacks = "what the worker threads need";
    else if (!upkeep_start(&server->upkeep, server->cache,
                           &server->watch.rings[server->options.threads],
                           &server->options, &server->sandbox))
        lacks = "what the upkeep thread needs";
    if (lacks != NULL && text[0] != '\0') {
        *exit_code = EXIT_FAILURE;
    } else if (lacks != NULL) {
        snprintf(text, text_bytes, "the system does not give %s", lacks);
        *exit_code = EX_OSERR;
    } else if (open_listeners(server, text, text_bytes, exit_code)) {
        if (acceptor_start(&server->acceptor, server, server->base, &server->listeners)) {
            atomic_store(&server->serving, true);
            return true;
        }
        snprintf(text, text_bytes, "the system does not give what accepting needs");
        *exit_code = EX_OSERR;
    }
    server_stop(server);
    return false;
}

enum sandbox_status
server_await_sandbox(struct server *server, char *text, size_t text_bytes)
{
    return sandbox_await(&server->sandbox, server->options.threads + THREADS_BESIDES,
                         text, text_bytes);
}

enum sandbox_status
server_enter_sandbox(struct server *server, char *text, size_t text_bytes)
{
    sandbox_enter(&server->sandbox, SANDBOX_MAIN);
    return server_await_sandbox(server, text, text_bytes);
}

void
server_run(struct server *server)
{
    event_base_dispatch(server->base);
}

/* From here on nobody listens to signals, and they must not end what is ending; but for the
 * one that names a system call which is not allowed. */
static void
block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* When all have left nothing may be held for them. That is a walk through all memory, so it
 * is for tests. */
static void
check_what_is_left(struct server *server)
{
#if !LARDER_DEBUG
    if (!server->options.debug_commands)
        return;
#endif
    must(atomic_load(&server->acceptor.open) == 0);
    if (server->cache != NULL)
        cache_check(server->cache, true);
}

void
server_stop(struct server *server)
{
    bool served = atomic_exchange(&server->serving, false);

    block_signals();
    refresh_close(&server->refresh);
    acceptor_stop(&server->acceptor);
    /* All of them first: each looks at the others when it is asked for statistics. */
    for (unsigned i = 0; i < server->workers_started; i++)
        worker_stop(&server->workers[i]);
    while (server->workers_started > 0)
        worker_fini(&server->workers[--server->workers_started]);
    free(server->workers);
    listen_close(&server->udp_sockets);
    listen_close(&server->listeners); /* `stats` counts them until the last worker ends */
    stop_events(server);
    upkeep_stop(&server->upkeep);
    watch_stop(&server->watch);
    prefixes_fini(&server->prefixes);
    if (served) /* what could not be started may be half made */
        check_what_is_left(server);
    cache_thread_destroy(&server->cache_thread);
    server->sealing = true;
    cache_destroy(&server->cache);
    lock_fini(&server->reset_lock);
    sandbox_fini(&server->sandbox);
}

/* ---- sums ------------------------------------------------------------------------ */

/* The structs are uint64_t throughout, so they are added as arrays. */
static void
add_counters(void *sum, const void *part, size_t bytes)
{
    uint64_t       *to = sum;
    const uint64_t *from = part;

    for (size_t i = 0; i < bytes / sizeof(*to); i++)
        to[i] += counter_read(&from[i]);
}

bool
server_set_memory_limit(struct server *server, size_t bytes)
{
    if (!cache_memory_set_limit(server->cache, bytes))
        return false;
    upkeep_look(&server->upkeep);
    return true;
}

void
server_set_automove(struct server *server, unsigned mode)
{
    atomic_store(&server->upkeep.mover.automove, mode);
    upkeep_look(&server->upkeep);
}

void
server_sum(struct server *server, struct totals *totals)
{
    *totals = (struct totals){ 0 };
    cache_counters_sum(server->cache, &totals->cache, totals->cache_classes);
    for (unsigned i = 0; i < server->options.threads; i++) {
        const struct worker *worker = &server->workers[i];

        add_counters(&totals->commands, &worker->session_worker.executor.counters,
                     sizeof(totals->commands));
        add_counters(&totals->workers, &worker->counters, sizeof(totals->workers));
    }
    watch_count(&server->watch, &totals->watch);
    upkeep_count(&server->upkeep, &totals->upkeep);
    log_count(&server->log, &totals->log);
}

void
server_connection_closed(struct server *server)
{
    atomic_fetch_sub(&server->acceptor.open, 1);
    atomic_store(&server->acceptor.somebody_left, true);
}
