/* bench/larder-bench/load.c - see load.h. */
#include "bench/larder-bench/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/worker.h"

#define BENCH_NAME "larder-bench"
#include "bench/client.h"

enum {
    TELL_EACH_MS = 500, /* on a terminal; as often it is seen that a signal came */
};

struct load {
    const struct plan *plan;
    const char        *name;
    struct worker     *workers;
    struct phase       phase;
    pthread_mutex_t    lock; /* guards `playing` */
    pthread_cond_t     ended;
    unsigned           playing; /* workers that have not yet ended */
};

/* A thread's argument. */
struct player {
    struct load   *load;
    struct worker *worker;
};

/* ---- a line on the terminal ------------------------------------------------------- */

static uint64_t
done_so_far(const struct load *load)
{
    uint64_t done = 0;

    for (uint64_t i = 0; i < load->plan->threads; i++)
        done += atomic_load_explicit(&load->workers[i].done, memory_order_relaxed);
    return done;
}

/* Over the last one. */
static void
tell_progress(const struct load *load)
{
    static const char *const names[] = {
        [PHASE_FILL] = "filling", [PHASE_ZERO] = "filling", [PHASE_RUN] = "running"
    };
    const struct phase *phase = &load->phase;
    uint64_t            done = done_so_far(load);
    double              seconds = (double)(now_ns() - phase->begins_ns) / 1e9;

    fprintf(stderr, "\r%s: %s, %.0f s", load->name, names[phase->kind], seconds);
    if (phase->ends_ns > 0)
        fprintf(stderr, " of %.0f", (double)(phase->ends_ns - phase->begins_ns) / 1e9);
    if (phase->operations > 0)
        fprintf(stderr, ", %.0f %%", 100.0 * (double)done / (double)phase->operations);
    fprintf(stderr, ", %.0f operations a second\033[K", (double)done / seconds);
}

static void
clear_progress(void)
{
    fputs("\r\033[K", stderr);
}

/* ---- phases ----------------------------------------------------------------------- */

static void *
play(void *argument)
{
    const struct player *player = argument;
    struct load         *load = player->load;

    worker_play(player->worker, &load->phase);
    pthread_mutex_lock(&load->lock);
    load->playing--;
    pthread_cond_signal(&load->ended);
    pthread_mutex_unlock(&load->lock);
    return NULL;
}

static void
wait_for_workers(struct load *load)
{
    bool            told = false, tells = isatty(STDERR_FILENO) == 1;
    struct timespec until;

    pthread_mutex_lock(&load->lock);
    while (load->playing > 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TELL_EACH_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&load->ended, &load->lock, &until) != ETIMEDOUT)
            continue;
        fail_if_interrupted();
        if (!tells)
            continue;
        tell_progress(load);
        told = true;
    }
    pthread_mutex_unlock(&load->lock);
    if (told)
        clear_progress();
}

/* Let all workers play load->phase. */
static void
play_phase(struct load *load, struct measured *measured)
{
    uint64_t       threads = load->plan->threads, last = 0;
    pthread_t     *ids = allot(threads, sizeof(*ids));
    struct player *players = allot(threads, sizeof(*players));

    memset(&measured->tally, 0, sizeof(measured->tally));
    load->playing = (unsigned)threads;
    for (uint64_t i = 0; i < threads; i++) {
        players[i] = (struct player){ load, &load->workers[i] };
        atomic_store(&load->workers[i].done, 0);
        errno = pthread_create(&ids[i], NULL, play, &players[i]);
        if (errno != 0)
            fail("no thread: %s", strerror(errno));
    }
    wait_for_workers(load);
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        tally_merge(&measured->tally, &load->workers[i].tally);
        if (load->workers[i].last_ns > last)
            last = load->workers[i].last_ns;
    }
    measured->seconds = (double)(last - load->phase.begins_ns) / 1e9;
    free(players);
    free(ids);
}

static void
set_phase(struct load *load, enum phase_kind kind, double seconds, uint64_t operations)
{
    uint64_t now = now_ns();

    load->phase =
        (struct phase){ .kind = kind,
                        .begins_ns = now,
                        .ends_ns = seconds > 0 ? now + (uint64_t)(seconds * 1e9) : 0,
                        .operations = operations,
                        .rate = kind == PHASE_RUN ? load->plan->rate : 0 };
}

/* What comes before the measuring. */
static void
prepare(struct load *load, struct measured *measured)
{
    const struct plan *plan = load->plan;

    if (!plan->no_fill) {
        set_phase(load, PHASE_FILL, 0, plan->keys);
        play_phase(load, measured);
    }
    if (!plan->no_fill && op_mix_has(&plan->mix, OP_INCR)) {
        set_phase(load, PHASE_ZERO, 0, plan->keys);
        play_phase(load, measured);
    }
    if (plan->warmup_s > 0) {
        set_phase(load, PHASE_RUN, plan->warmup_s, 0);
        play_phase(load, measured);
    }
}

void
load_measure(const struct plan *plan, const struct address *address, const char *name,
             pid_t pid, struct measured *measured)
{
    struct load        load = { .plan = plan, .name = name };
    struct ssl_ctx_st *context = link_context(address);
    struct cpu_time    before = { 0 };

    pthread_mutex_init(&load.lock, NULL);
    pthread_cond_init(&load.ended, NULL);
    load.workers = allot(plan->threads, sizeof(*load.workers));
    for (unsigned i = 0; i < plan->threads; i++)
        worker_init(&load.workers[i], plan, i, address, name, context);
    prepare(&load, measured);
    measured->has_cpu = pid != 0 && cpu_read(pid, &before);
    set_phase(&load, PHASE_RUN, plan->seconds, plan->operations);
    play_phase(&load, measured);
    measured->has_cpu = measured->has_cpu && cpu_read(pid, &measured->cpu);
    cpu_subtract(&measured->cpu, &before);
    for (unsigned i = 0; i < plan->threads; i++)
        worker_fini(&load.workers[i]);
    free(load.workers);
    link_context_free(context);
    pthread_cond_destroy(&load.ended);
    pthread_mutex_destroy(&load.lock);
}
