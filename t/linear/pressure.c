/* t/linear/pressure.c - ballast, an administrator, and the server's own figures. */
#include "t/linear/pressure.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/linear/memory.h"
#include "t/linear/wire.h"
#include "t/stress/dice.h"

enum {
    BURST = 32,   /* sets between two answers                          */
    PHASE = 4096, /* sets of one kind of sizes                         */
    AHEAD = 1024, /* sets that the ballast may be behind                */
    BYTES_MAX = 200000,
    ORDER_MS = 20, /* between two orders of the administrator           */
    ORDERS = 8,    /* kinds of them, the memory limit the last          */
    CLASSES = 80,  /* numbers of size classes that pages are moved among */
};

struct pressure {
    const struct options   *opt;
    const _Atomic uint64_t *ops;
    const char             *prefix;
    pthread_t               ballast, administrator;
    _Atomic bool            stop, lost;
    _Atomic uint64_t        sets;
    uint64_t                bytes, orders, accepted;
};

static void
pause_ms(unsigned ms)
{
    struct timespec t = { .tv_nsec = (long)ms * 1000000 };

    nanosleep(&t, NULL);
}

static bool
done(struct pressure *p)
{
    return atomic_load_explicit(&p->stop, memory_order_relaxed);
}

/* ---- ballast ----------------------------------------------------------------------- */

/* Phases of small, of large and of mixed items; where nothing may be evicted small ones. */
static size_t
choose_bytes(const struct pressure *p, struct dice *dice, uint64_t set)
{
    if (!p->opt->model.vanishes)
        return dice_log(dice, 1, 300);
    switch (set / PHASE % 3) {
    case 0:
        return dice_log(dice, 1, 200);
    case 1:
        return dice_log(dice, 1, 20000);
    default:
        return dice_one_in(dice, 50) ? dice_log(dice, 20000, BYTES_MAX)
                                     : dice_log(dice, 500, 4000);
    }
}

static bool
burst(struct pressure *p, struct wire *w, struct dice *dice, const char *bytes)
{
    char *line;

    for (unsigned i = 0; i < BURST; i++) {
        uint64_t set = atomic_load_explicit(&p->sets, memory_order_relaxed);
        size_t   length = choose_bytes(p, dice, set);
        unsigned ttl = dice_one_in(dice, 4) ? 1 + (unsigned)dice_below(dice, 3) : 0;

        wire_say(w, "set %sb%" PRIu64 " 0 %u %zu noreply\r\n", p->prefix, set, ttl,
                 length);
        wire_put(w, bytes, length);
        wire_put(w, "\r\n", 2);
        atomic_store_explicit(&p->sets, set + 1, memory_order_relaxed);
        p->bytes += length;
    }
    wire_say(w, "mn\r\n");
    return wire_send(w) && wire_line(w, &line);
}

/* How many sets the ballast owes to what the clients have done. */
static uint64_t
behind(const struct pressure *p)
{
    uint64_t owed =
        atomic_load_explicit(p->ops, memory_order_relaxed) * p->opt->ballast / 100;
    uint64_t sets = atomic_load_explicit(&p->sets, memory_order_relaxed);

    return owed > sets ? owed - sets : 0;
}

static void *
run_ballast(void *argument)
{
    struct pressure *p = argument;
    struct dice      dice = { mix(p->opt->seed + 1) };
    char            *bytes = memory_resize(NULL, BYTES_MAX, 1);
    struct wire      w;
    bool             well = wire_open(&w, p->opt, false);

    memset(bytes, '.', BYTES_MAX);
    while (well && !done(p)) {
        if (behind(p) > 0)
            well = burst(p, &w, &dice, bytes);
        else
            pause_ms(1);
    }
    if (!well)
        atomic_store(&p->lost, true);
    wire_close(&w);
    free(bytes);
    return NULL;
}

void
pressure_wait(struct pressure *p)
{
    while (behind(p) > AHEAD && !atomic_load_explicit(&p->lost, memory_order_relaxed))
        pause_ms(1);
}

/* ---- the administrator ------------------------------------------------------------- */

static void
say_order(struct pressure *p, struct wire *w, struct dice *dice)
{
    switch (dice_below(dice, p->opt->memory_mb > 1 ? ORDERS : ORDERS - 1)) {
    case 0:
        wire_say(w, "lru_crawler crawl all\r\n");
        break;
    case 1:
        wire_say(w, "slabs automove %u\r\n", (unsigned)dice_below(dice, 3));
        break;
    case 2:
        wire_say(w, "lru tune %u %u 0.2 2.0\r\n", 5 + (unsigned)dice_below(dice, 30),
                 5 + (unsigned)dice_below(dice, 30));
        break;
    case ORDERS - 1:
        wire_say(w, "cache_memlimit %u\r\n",
                 p->opt->memory_mb - (unsigned)dice_below(dice, p->opt->memory_mb / 2));
        break;
    default:
        /* From any class, or from one that may have no page to give. */
        wire_say(w, "slabs reassign %d %u\r\n",
                 dice_one_in(dice, 2) ? -1 : 1 + (int)dice_below(dice, CLASSES),
                 1 + (unsigned)dice_below(dice, CLASSES));
        break;
    }
}

static void *
run_administrator(void *argument)
{
    struct pressure *p = argument;
    struct dice      dice = { mix(p->opt->seed + 2) };
    struct wire      w;
    bool             well = wire_open(&w, p->opt, false);
    char            *line;

    while (well && !done(p)) {
        say_order(p, &w, &dice);
        well = wire_send(&w) && wire_line(&w, &line);
        p->orders++;
        p->accepted += well && strcmp(line, "OK") == 0;
        pause_ms(ORDER_MS);
    }
    if (!well)
        atomic_store(&p->lost, true);
    wire_close(&w);
    return NULL;
}

struct pressure *
pressure_start(const struct options *opt, const _Atomic uint64_t *ops, const char *prefix)
{
    struct pressure *p = memory_resize(NULL, 1, sizeof(*p));

    *p = (struct pressure){ .opt = opt, .ops = ops, .prefix = prefix };
    if (pthread_create(&p->ballast, NULL, run_ballast, p) != 0 ||
        pthread_create(&p->administrator, NULL, run_administrator, p) != 0)
        abort();
    return p;
}

bool
pressure_stop(struct pressure **pressure)
{
    struct pressure *p = *pressure;
    bool             lost;

    atomic_store(&p->stop, true);
    pthread_join(p->ballast, NULL);
    pthread_join(p->administrator, NULL);
    lost = atomic_load(&p->lost);
    printf("beside it: %" PRIu64 " other items of %.1f MB set, %" PRIu64 " of %" PRIu64
           " orders carried out\n",
           atomic_load(&p->sets), (double)p->bytes / 1e6, p->accepted, p->orders);
    if (lost)
        printf("the server has closed a connection\n");
    free(p);
    *pressure = NULL;
    return !lost;
}

/* ---- figures ----------------------------------------------------------------------- */

static const char *const shown[] = {
    "evictions",     "reclaimed",        "crawler_reclaimed",
    "get_expired",   "get_flushed",      "slabs_moved",
    "curr_items",    "hash_power_level", "slab_reassign_rescues",
    "moves_to_warm", "moves_to_cold",    "store_no_memory",
};

static void
take_figure(const struct options *opt, const char *name, const char *value,
            struct figures *figures)
{
    bool there = strcmp(value, "0") != 0;

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        if (strcmp(shown[i], name) == 0)
            printf(" %s=%s", name, value);
    }
    for (unsigned i = 0; i < opt->nfigures; i++) {
        if (strcmp(opt->figures[i], name) == 0)
            figures->there[i] = there;
    }
    figures->evicted |= there && strcmp(name, "evictions") == 0;
}

bool
pressure_show(const struct options *opt, struct figures *figures)
{
    struct wire w;
    char       *line, *name;
    bool        well = wire_open(&w, opt, false);

    *figures = (struct figures){ 0 };
    wire_say(&w, "stats\r\n");
    well = well && wire_send(&w);
    printf("the server:");
    while (well && (well = wire_line(&w, &line)) && strcmp(line, "END") != 0) {
        strsep(&line, " ");
        name = strsep(&line, " ");
        if (name != NULL && line != NULL)
            take_figure(opt, name, line, figures);
    }
    printf("\n");
    wire_close(&w);
    return well;
}
