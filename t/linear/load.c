/* t/linear/load.c - clients in rounds, and the search behind them. */
#include "t/linear/load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/linear/client.h"
#include "t/linear/memory.h"
#include "t/linear/mutate.h"
#include "t/linear/pressure.h"
#include "t/linear/report.h"
#include "t/linear/search.h"

enum {
    ROUND = 32768,        /* commands                              */
    VIOLATIONS_SHOWN = 3, /* then the run ends                     */
};

/* A client of the load, with what it has recorded in this round and in the one before. */
struct worker {
    struct load  *load;
    struct client client;
    struct record records[2];
    pthread_t     thread;
};

struct load {
    const struct options *opt;
    char                  prefix[16];
    struct key           *keys;
    struct possible  *possible; /* of each key, before the round that is searched    */
    struct worker    *workers;
    pthread_barrier_t barrier;
    _Atomic int64_t   left[2]; /* commands of a round                                */
    _Atomic unsigned  last;    /* the round that is the last one                     */
    _Atomic bool      broken;  /* a client could not go on                           */
    _Atomic uint64_t  ops;     /* commands that were answered                        */
    struct pressure  *pressure;

    /* The main thread's: */
    struct search    *search;
    struct mutations *mutations;
    const struct op **sorted; /* those of a round, by key                             */
    size_t           *starts; /* where each key's begin                               */
    size_t            sorted_room;
    unsigned          violations, wrong;
    uint64_t          outcomes[OUT_ANY + 1];
};

/* ---- clients ----------------------------------------------------------------------- */

static void
work(struct worker *k, unsigned round)
{
    struct load   *l = k->load;
    struct record *record = &k->records[round % 2];

    record->count = 0;
    k->client.round = round;
    while (!atomic_load_explicit(&l->broken, memory_order_relaxed) &&
           atomic_fetch_sub_explicit(&l->left[round % 2], 1, memory_order_relaxed) > 0) {
        if (!client_turn(&k->client, record))
            atomic_store(&l->broken, true);
        atomic_fetch_add_explicit(&l->ops, 1, memory_order_relaxed);
        pressure_wait(l->pressure);
    }
}

static void *
run_worker(void *argument)
{
    struct worker *k = argument;
    unsigned       round = 0;

    do {
        work(k, round);
        pthread_barrier_wait(&k->load->barrier);
    } while (round++ < atomic_load(&k->load->last));
    return NULL;
}

/* ---- searching --------------------------------------------------------------------- */

static void
count_ops(struct load *l, unsigned round)
{
    size_t *counts = l->starts + 1;

    memset(l->starts, 0, (l->opt->keys + 2) * sizeof(*l->starts));
    for (unsigned c = 0; c < l->opt->clients; c++) {
        const struct record *r = &l->workers[c].records[round % 2];

        for (size_t i = 0; i < r->count; i++) {
            const struct op *op = &r->ops[i];

            l->outcomes[op->outcome]++;
            if (op->key != OP_EVERY_KEY)
                counts[op->key + 1]++;
            for (unsigned k = 0; op->key == OP_EVERY_KEY && k < l->opt->keys; k++)
                counts[k + 1]++;
        }
    }
    for (unsigned k = 0; k < l->opt->keys; k++)
        counts[k + 1] += counts[k];
}

static void
sort_op(struct load *l, const struct op *op)
{
    size_t *next = l->starts + 1; /* in the end it is where the following key begins */

    if (op->key != OP_EVERY_KEY)
        l->sorted[next[op->key]++] = op;
    for (unsigned k = 0; op->key == OP_EVERY_KEY && k < l->opt->keys; k++)
        l->sorted[next[k]++] = op;
}

/* By counting: afterwards key k's operations are [starts[k], starts[k + 1]). */
static void
sort_ops(struct load *l, unsigned round)
{
    size_t total;

    count_ops(l, round);
    total = l->starts[l->opt->keys + 1];
    if (total > l->sorted_room) {
        l->sorted_room = total * 2;
        l->sorted = memory_resize(l->sorted, l->sorted_room, sizeof(*l->sorted));
    }
    for (unsigned c = 0; c < l->opt->clients; c++) {
        const struct record *r = &l->workers[c].records[round % 2];

        for (size_t i = 0; i < r->count; i++)
            sort_op(l, &r->ops[i]);
    }
}

static void
complain(struct load *l, unsigned key, const struct search_end *found,
         const struct op *const *ops, size_t count)
{
    l->violations++;
    if (l->violations > VIOLATIONS_SHOWN)
        return;
    printf("\n# %s: key %s, seed %" PRIu64 "\n",
           found->verdict == SEARCH_VIOLATION ? "VIOLATION" : "UNDECIDED",
           l->keys[key].name, l->opt->seed);
    report_violation(stdout, l->search, found, ops, count);
    fflush(stdout);
}

static void
search_round(struct load *l, unsigned round)
{
    sort_ops(l, round);
    for (unsigned k = 0; k < l->opt->keys && l->violations < VIOLATIONS_SHOWN; k++) {
        const struct op *const *ops = l->sorted + l->starts[k];
        size_t                  count = l->starts[k + 1] - l->starts[k];
        struct search_end       found;

        if (count == 0)
            continue;
        found = search_run(l->search, &l->possible[k], ops, count, UINT64_MAX,
                           &l->possible[k]);
        if (found.verdict != SEARCH_OK)
            complain(l, k, &found, ops, count);
        else if (round == 0 && l->mutations != NULL)
            mutations_try(l->mutations, ops, count);
    }
}

/* ---- the whole --------------------------------------------------------------------- */

static struct load *
load_create(const struct options *opt)
{
    struct load *l = calloc(1, sizeof(*l));

    if (l == NULL)
        abort();
    l->opt = opt;
    snprintf(l->prefix, sizeof(l->prefix), "l%x.", (unsigned)getpid());
    l->keys = calloc(opt->keys, sizeof(*l->keys));
    l->possible = calloc(opt->keys, sizeof(*l->possible));
    l->workers = calloc(opt->clients, sizeof(*l->workers));
    l->starts = calloc(opt->keys + 2, sizeof(*l->starts));
    if (l->keys == NULL || l->possible == NULL || l->workers == NULL || l->starts == NULL)
        abort();
    for (unsigned k = 0; k < opt->keys; k++) {
        snprintf(l->keys[k].name, sizeof(l->keys[k].name), "%s%u", l->prefix, k);
        l->possible[k] = possible_fresh();
    }
    l->search = search_create(&opt->model);
    if (opt->mutates)
        l->mutations = mutations_create(&opt->model, opt->seed);
    pthread_barrier_init(&l->barrier, NULL, opt->clients + 1);
    return l;
}

static void
load_destroy(struct load *l)
{
    for (unsigned c = 0; c < l->opt->clients; c++) {
        client_stop(&l->workers[c].client);
        free(l->workers[c].records[0].ops);
        free(l->workers[c].records[1].ops);
    }
    for (unsigned k = 0; k < l->opt->keys; k++)
        possible_free(&l->possible[k]);
    search_destroy(&l->search);
    pthread_barrier_destroy(&l->barrier);
    free(l->keys);
    free(l->possible);
    free(l->workers);
    free(l->starts);
    free(l->sorted);
    free(l);
}

static bool
connect_all(struct load *l)
{
    for (unsigned c = 0; c < l->opt->clients; c++) {
        struct worker *k = &l->workers[c];

        k->load = l;
        if (!client_start(&k->client, l->opt, l->keys, c)) {
            perror("no connection");
            return false;
        }
    }
    return true;
}

/* How many commands a round has; 0 after the last one. */
static int64_t
round_commands(const struct load *l, unsigned round)
{
    uint64_t before = (uint64_t)round * ROUND;
    uint64_t left = l->opt->ops > before ? l->opt->ops - before : 0;

    return (int64_t)(left < ROUND ? left : ROUND);
}

/* While a round is recorded, the one before it is searched. */
static void
run_rounds(struct load *l)
{
    atomic_store(&l->last, UINT32_MAX);
    atomic_store(&l->left[0], round_commands(l, 0));
    for (unsigned c = 0; c < l->opt->clients; c++) {
        if (pthread_create(&l->workers[c].thread, NULL, run_worker, &l->workers[c]) != 0)
            abort();
    }
    for (unsigned round = 0; round <= atomic_load(&l->last); round++) {
        if (round > 0)
            search_round(l, round - 1);
        atomic_store(&l->left[(round + 1) % 2], round_commands(l, round + 1));
        if (round_commands(l, round + 1) == 0 || l->violations > 0 ||
            atomic_load(&l->broken))
            atomic_store(&l->last, round);
        pthread_barrier_wait(&l->barrier);
    }
    for (unsigned c = 0; c < l->opt->clients; c++)
        pthread_join(l->workers[c].thread, NULL);
}

/* The last round, and what all keys are in the end. */
static void
finish_rounds(struct load *l)
{
    struct worker *k = &l->workers[0];
    unsigned       last = atomic_load(&l->last);

    if (atomic_load(&l->broken) || l->violations > 0)
        return;
    search_round(l, last);
    for (unsigned c = 0; c < l->opt->clients; c++)
        l->workers[c].records[0].count = l->workers[c].records[1].count = 0;
    for (unsigned i = 0; i < l->opt->keys && !atomic_load(&l->broken); i++) {
        if (!client_look(&k->client, i, &k->records[(last + 1) % 2]))
            atomic_store(&l->broken, true);
    }
    if (!atomic_load(&l->broken))
        search_round(l, last + 1);
}

static void
tell(struct load *l, bool ok, const char *what)
{
    printf("%s - %s\n", ok ? "ok" : "not ok", what);
    l->wrong += !ok;
}

static void
show(struct load *l)
{
    const struct search_counts *n = search_counts(l->search);

    printf("%" PRIu64 " operations searched, %" PRIu64
           " overlapped, up to %u at a time, up to %zu orders, %" PRIu64
           " items seen to vanish\n",
           n->ops, n->overlapped, n->pending_most, n->configs_most, n->vanished);
    printf("answers: %" PRIu64 " ok, %" PRIu64 " miss, %" PRIu64 " exists, %" PRIu64
           " not stored, %" PRIu64 " not numeric, %" PRIu64 " no memory, %" PRIu64
           " silent\n",
           l->outcomes[OUT_OK], l->outcomes[OUT_MISS], l->outcomes[OUT_EXISTS],
           l->outcomes[OUT_NOT_STORED], l->outcomes[OUT_NOT_NUMERIC],
           l->outcomes[OUT_NO_MEMORY], l->outcomes[OUT_ANY]);
}

static void
judge(struct load *l)
{
    const struct search_counts *n = search_counts(l->search);

    for (unsigned c = 0; c < l->opt->clients; c++) {
        if (l->workers[c].client.wrong[0] != '\0')
            printf("client %u: %s\n", c, l->workers[c].client.wrong);
    }
    tell(l, !atomic_load(&l->broken), "every answer makes sense on its own");
    tell(l, l->violations == 0, "there is an order for each key in which all make sense");
    tell(l, n->ops >= l->opt->ops || l->violations > 0, "enough was searched");
    tell(l, n->overlapped * 10 > n->ops * 3, "operations on one key overlap");
    tell(l, l->outcomes[OUT_NO_MEMORY] * 50 <= l->outcomes[OUT_OK], "memory is found");
    if (l->mutations != NULL && l->violations == 0)
        l->wrong += mutations_finish(&l->mutations);
}

/* Was there what the run is meant for? */
static void
judge_figures(struct load *l, const struct figures *figures)
{
    char what[80];

    for (unsigned i = 0; i < l->opt->nfigures; i++) {
        snprintf(what, sizeof(what), "%s is not 0", l->opt->figures[i]);
        tell(l, figures->there[i], what);
    }
    if (!l->opt->model.vanishes)
        tell(l, !figures->evicted, "nothing was evicted");
}

int
load_run(const struct options *opt)
{
    struct load   *l = load_create(opt);
    struct figures figures;
    int            status = 1;

    if (connect_all(l)) {
        l->pressure = pressure_start(opt, &l->ops, l->prefix);
        run_rounds(l);
        finish_rounds(l);
        tell(l, pressure_stop(&l->pressure), "the others' connections hold");
        show(l);
        tell(l, pressure_show(opt, &figures), "the server tells its figures");
        judge(l);
        if (l->violations == 0)
            judge_figures(l, &figures);
        status = l->wrong > 0;
    }
    load_destroy(l);
    return status;
}
