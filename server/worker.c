/* server/worker.c - the life of a worker thread. See worker.h. */
#include "server/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/events.h"
#include "server/conn.h"
#include "server/limits.h"
#include "server/server.h"
#include "server/udp.h"
#include "server/wake.h"
#include "slabs/must.h"

/* ---- another turn ---------------------------------------------------------------- */

bool
worker_serve_again(struct worker *worker, struct conn *conn)
{
    static const struct timeval at_once = { 0, 0 };

    if (worker->again == NULL && event_add(worker->again_event, &at_once) != 0)
        return false;
    conn->in_again = true;
    conn->next_again = NULL;
    *worker->again_end = conn;
    worker->again_end = &conn->next_again;
    return true;
}

/* Serve those that wait now; who yields once more waits for the next time. */
static void
on_again(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct conn   *conn = worker->again, *next;

    (void)fd, (void)what;
    worker->again = NULL;
    worker->again_end = &worker->again;
    for (; conn != NULL; conn = next) {
        next = conn->next_again;
        pulse_beat(&worker->pulse);
        conn->in_again = false; /* until then it is not closed for others' sake */
        conn_continue(conn);
    }
}

/* ---- what others ask of it ------------------------------------------------------- */

void
worker_give(struct worker *worker, struct conn *conn)
{
    atomic_fetch_add(&worker->connections, 1);
    lock_take(&worker->queue_lock);
    conn->next = worker->queue;
    worker->queue = conn;
    lock_drop(&worker->queue_lock);
    wake_up(worker->wake_fd);
}

bool
worker_answers(struct worker *worker)
{
    bool answered = pulse_call(&worker->pulse);

    wake_up(worker->wake_fd);
    return answered;
}

void
worker_look(struct worker *worker)
{
    atomic_store(&worker->is_to_look, true);
    wake_up(worker->wake_fd);
}

void
worker_help_waiting(struct worker *worker)
{
    if (counter_read(&worker->waiting_count) > 0)
        wake_up(worker->wake_fd);
}

/* Connections that the acceptor has handed over. */
static void
take_given(struct worker *worker)
{
    struct conn *given, *next;

    lock_take(&worker->queue_lock);
    given = worker->queue;
    worker->queue = NULL;
    lock_drop(&worker->queue_lock);
    for (; given != NULL; given = next) {
        next = given->next;
        given->next = NULL;
        conn_start(given, worker);
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    uint64_t       times;
    ssize_t        n = read(fd, &times, sizeof(times));

    (void)what, (void)n; /* nothing to read is as good as something: look and see */
    pulse_beat(&worker->pulse);
    take_given(worker);
    if (atomic_exchange(&worker->is_to_look, false))
        limits_look(worker);
    if (worker->waiting != NULL) {
        limits_make_room(worker);
        conn_begin_waiting(worker);
    }
    if (atomic_load(&worker->stopping))
        event_base_loopbreak(worker->base);
}

/* ---- birth and death ------------------------------------------------------------- */

static void *
run(void *arg)
{
    struct worker *worker = arg;
    char           name[16]; /* no more than that: pthread_setname_np(3) */

    snprintf(name, sizeof(name), "worker %u",
             (unsigned)(worker - worker->server->workers));
    pthread_setname_np(pthread_self(), name);
    sandbox_enter(&worker->server->sandbox, SANDBOX_WORKER);
    event_base_dispatch(worker->base);
    return NULL;
}

static void
free_events(struct worker *worker)
{
    struct event **events[] = { &worker->wake_event, &worker->again_event };

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (*events[i] != NULL)
            event_free(*events[i]);
        *events[i] = NULL;
    }
    udp_stop(&worker->udp);
}

static void
fini(struct worker *worker)
{
    free_events(worker);
    if (worker->base != NULL)
        event_base_free(worker->base);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    reply_destroy(&worker->reply);
    cache_thread_destroy(&worker->session_worker.executor.thread);
    free(worker->input);
    lock_fini(&worker->queue_lock);
    lock_fini(&worker->conns_lock);
}

/* An event base that is used by one thread alone needs no locks, and one that has no timers
 * but those that are due at once need not know what time it is. */
static struct event_base *
make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base   *base = NULL;

    if (config == NULL)
        return NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
                                          EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool
make_events(struct worker *worker)
{
    worker->wake_event =
        event_new(worker->base, worker->wake_fd, EV_READ | EV_PERSIST, on_wake, worker);
    worker->again_event = event_new(worker->base, -1, 0, on_again, worker);
    return worker->wake_event != NULL && worker->again_event != NULL &&
           event_add(worker->wake_event, NULL) == 0;
}

/* Signals are the main thread's business. */
static bool
start_thread(struct worker *worker)
{
    sigset_t all, before;
    bool     started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

bool
worker_start(struct worker *worker, struct server *server)
{
    struct executor *executor = &worker->session_worker.executor;

    worker->server = server;
    worker->again_end = &worker->again;
    worker->waiting_end = &worker->waiting;
    lock_init(&worker->queue_lock, RANK_LEAF);
    lock_init(&worker->conns_lock, RANK_LEAF);
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->base = make_base();
    worker->input = malloc(WORKER_INPUT_BYTES);
    executor->cache = server->cache;
    executor->host = &server->host;
    executor->ring = &server->watch.rings[worker - server->workers];
    executor->thread = cache_thread_create(server->cache);
    if (executor->thread != NULL)
        cache_watch_evictions(executor->thread, watch_tell_eviction, executor->ring);
    if (executor->thread != NULL)
        worker->reply = reply_create(executor->thread);
    if (worker->wake_fd >= 0 && worker->base != NULL && worker->input != NULL &&
        worker->reply != NULL && make_events(worker) && udp_start(&worker->udp, worker) &&
        start_thread(worker))
        return true;
    fini(worker);
    return false;
}

void
worker_stop(struct worker *worker)
{
    int joined;

    atomic_store(&worker->stopping, true);
    wake_up(worker->wake_fd);
    joined = pthread_join(worker->thread, NULL);
    must(joined == 0);
}

void
worker_fini(struct worker *worker)
{
    take_given(worker); /* at the last moment */
    while (worker->conns != NULL)
        conn_close(worker->conns, EVENTS_CLOSED_BY_SHUTDOWN);
    fini(worker);
}
