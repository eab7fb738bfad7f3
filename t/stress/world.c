/* t/stress/world.c - making and ending the world, names of keys, and complaints.
 *
 * A complaint says what is wrong, the seed, the operation, the key with what its own client
 * did to it of late, and the bytes that came: enough to look for the bug without a rerun,
 * since a rerun with the same seed asks the same but meets another order of threads.
 */
#include "t/stress/world.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAN_REFUSE (CAN(OUT_NO_MEMORY) | CAN(OUT_NO_MEMORY_READING) | CAN(OUT_TOO_LARGE))

/* clang-format off */
const struct verb verbs[] = {
    { "get", 0 },
    { "gets", 0 },
    { "gat", 0 },
    { "gats", 0 },
    { "set", CAN(OUT_STORED) | CAN_REFUSE },
    { "add", CAN(OUT_STORED) | CAN(OUT_NOT_STORED) | CAN_REFUSE },
    { "replace", CAN(OUT_STORED) | CAN(OUT_NOT_STORED) | CAN_REFUSE },
    { "append", CAN(OUT_STORED) | CAN(OUT_NOT_STORED) | CAN_REFUSE },
    { "prepend", CAN(OUT_STORED) | CAN(OUT_NOT_STORED) | CAN_REFUSE },
    { "cas", CAN(OUT_STORED) | CAN(OUT_EXISTS) | CAN(OUT_NOT_FOUND) | CAN_REFUSE },
    { "set", CAN(OUT_BAD_CHUNK) | CAN_REFUSE },
    { "delete", CAN(OUT_DELETED) | CAN(OUT_NOT_FOUND) },
    { "incr", CAN(OUT_NUMBER) | CAN(OUT_NOT_FOUND) | CAN(OUT_NO_MEMORY_COUNTING) },
    { "decr", CAN(OUT_NUMBER) | CAN(OUT_NOT_FOUND) | CAN(OUT_NO_MEMORY_COUNTING) },
    { "touch", CAN(OUT_TOUCHED) | CAN(OUT_NOT_FOUND) },
    { "flush_all", CAN(OUT_OK) },
    { "version", CAN(OUT_VERSION) },
    { "mn", CAN(OUT_MN) },
    { "stats", 0 },
    { "nonsense", CAN(OUT_ERROR) },
    { "quit", 0 },
};
/* clang-format on */

const struct answer answers[] = {
    { "STORED", OUT_STORED },
    { "NOT_STORED", OUT_NOT_STORED },
    { "EXISTS", OUT_EXISTS },
    { "NOT_FOUND", OUT_NOT_FOUND },
    { "DELETED", OUT_DELETED },
    { "TOUCHED", OUT_TOUCHED },
    { "OK", OUT_OK },
    { "MN", OUT_MN },
    { "ERROR", OUT_ERROR },
    { "CLIENT_ERROR bad data chunk", OUT_BAD_CHUNK },
    { "SERVER_ERROR out of memory storing object", OUT_NO_MEMORY },
    { "SERVER_ERROR Out of memory during read", OUT_NO_MEMORY_READING },
    { "SERVER_ERROR out of memory", OUT_NO_MEMORY_COUNTING },
    { "SERVER_ERROR object too large for cache", OUT_TOO_LARGE },
};

const size_t answers_count = sizeof(answers) / sizeof(answers[0]);

/* ---- keys ------------------------------------------------------------------------------ */

size_t
key_name(const struct world *w, struct key key, char name[KEY_BYTES])
{
    static const char letters[] = "ostnkr"; /* in the order of enum kind */
    uint64_t          h = mix(w->run ^ (uint64_t)key.kind << 32 ^ key.index);
    size_t            length, padded = h % 16 == 0 ? 40 + h / 64 % 211 : 0;
    int               n;

    n = snprintf(name, KEY_BYTES, "%c%06x.%x.%x", letters[key.kind],
                 (unsigned)(w->run & 0xffffff), key.index, key.generation);
    for (length = (size_t)n; length < padded; length++)
        name[length] = h % 32 == 0 ? '_' : (char)(0x80 + length % 100);
    name[length] = '\0';
    return length;
}

struct key
key_current(struct world *w, enum kind kind, uint32_t index)
{
    struct key key = { .kind = kind, .index = index };

    if (kind == KEY_OWNED)
        key.generation = atomic_load(&w->owned[index].generation);
    else if (kind == KEY_COUNTER)
        key.generation = atomic_load(&w->counters[index].generation);
    return key;
}

/* ---- complaints ------------------------------------------------------------------------ */

static void
print_bytes(const char *data, size_t length)
{
    for (size_t i = 0; i < length && i < 300; i++) {
        unsigned char byte = (unsigned char)data[i];

        if (byte == '\r' || byte == '\n')
            fputs(byte == '\r' ? "\\r" : "\\n", stderr);
        else if (byte == '\\' || !isprint(byte))
            fprintf(stderr, "\\x%02x", byte);
        else
            putc(byte, stderr);
    }
    fprintf(stderr, length > 300 ? "... (%zu bytes)\n" : "\n", length);
}

static bool
key_same(struct key a, struct key b)
{
    return a.kind == b.kind && a.index == b.index;
}

static void
print_key(const struct world *w, struct key key)
{
    static const char *const kinds[] = { "owned",   "shared", "tiny",
                                         "counter", "ticket", "raced" };
    char                     name[KEY_BYTES];

    fprintf(stderr, "  %s key of client %u: ", kinds[key.kind],
            key.kind == KEY_OWNED || key.kind == KEY_COUNTER ? owner_of(w, key) : 0);
    print_bytes(name, key_name(w, key, name));
    if (key.kind == KEY_OWNED) {
        const struct owned *k = &w->owned[key.index];

        fprintf(stderr, "  floor %" PRIu64 ", generation %" PRIu32 "\n",
                atomic_load(&k->floor), atomic_load(&k->generation));
    }
}

/* What this client did to the key of late, the latest first. */
static void
print_history(const struct client *c, struct key key)
{
    uint64_t oldest = c->ndone > DONE ? c->ndone - DONE : 0;
    unsigned printed = 0;

    for (uint64_t n = c->ndone; n > oldest && printed < HISTORY; n--) {
        const struct done *d = &c->done[(n - 1) % DONE];
        const char        *line = d->noreply ? "(silent)" : "(no line)";

        if (!key_same(d->key, key) || d->sequence == 0)
            continue;
        printed++;
        for (size_t i = 0; i < answers_count; i++)
            if (answers[i].outcome == d->outcome)
                line = answers[i].line;
        fprintf(stderr, "  before: %s, sequence %" PRIu64 ": %s\n", verbs[d->op].word,
                d->sequence, line);
    }
}

__attribute__((format(printf, 6, 7))) void
complain(struct client *c, const struct request *r, const struct key *key,
         const char *seen, size_t length, const char *format, ...)
{
    struct world *w = c->world;
    va_list       list;

    c->broken = true;
    if (atomic_fetch_add(&w->violations, 1) >= VIOLATIONS_MAX) {
        atomic_store(&w->stop, true);
        return;
    }
    pthread_mutex_lock(&w->print_lock);
    fprintf(stderr, "VIOLATION: ");
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n  seed %" PRIu64 ", client %u, at %" PRIu64 " ms", w->opt.seed,
            c->number, now_ms() - w->start_ms);
    if (r != NULL)
        fprintf(stderr, ", %s%s, sequence %" PRIu64 ", %u keys, %zu bytes",
                verbs[r->op].word, r->noreply ? " noreply" : "", r->sequence, r->keys,
                r->length);
    fprintf(stderr, "\n");
    if (key != NULL) {
        print_key(w, *key);
        print_history(c, *key);
    }
    if (seen != NULL) {
        fprintf(stderr, "  got: ");
        print_bytes(seen, length);
    }
    pthread_mutex_unlock(&w->print_lock);
}

__attribute__((format(printf, 3, 4))) void
world_expect(struct world *w, bool ok, const char *format, ...)
{
    va_list list;

    if (ok)
        return;
    atomic_fetch_add(&w->violations, 1);
    fprintf(stderr, "VIOLATION: ");
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n  seed %" PRIu64 "\n", w->opt.seed);
}

/* ---- the world ------------------------------------------------------------------------- */

void *
allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);

    if (p == NULL)
        abort();
    return p;
}

struct world *
world_create(const struct options *opt)
{
    struct world *w = allocate(1, sizeof(*w));

    w->opt = *opt;
    w->tls = opt->tls_port != 0 ? SSL_CTX_new(TLS_client_method()) : NULL;
    if (w->tls != NULL)
        SSL_CTX_set_mode(w->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    w->run = mix(opt->seed ^ (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid());
    w->start_ms = now_ms();
    w->nowned = opt->keys / 20 * 11 + opt->clients;
    w->nshared = opt->keys / 20 * 8 + 1;
    w->ntiny = opt->keys / 20 + 1;
    w->owned = allocate(w->nowned, sizeof(*w->owned));
    w->counters = allocate(opt->clients * COUNTERS, sizeof(*w->counters));
    w->marks = allocate(opt->clients, sizeof(*w->marks));
    w->clients = allocate(opt->clients, sizeof(*w->clients));
    w->tickets = allocate(TICKETS, sizeof(*w->tickets));
    w->raced = allocate(RACED, sizeof(*w->raced));
    w->flushes = allocate(FLUSHES, sizeof(*w->flushes));
    atomic_store(&w->ticket_serial, 1);
    pthread_mutex_init(&w->print_lock, NULL);
    for (unsigned i = 0; i < TICKETS; i++)
        pthread_mutex_init(&w->tickets[i].lock, NULL);
    for (unsigned i = 0; i < RACED; i++)
        pthread_mutex_init(&w->raced[i].lock, NULL);
    for (unsigned i = 0; i < opt->clients * COUNTERS; i++)
        w->counters[i].missing = true;
    for (unsigned i = 0; i < w->nowned; i++)
        atomic_store(&w->owned[i].floor, 1); /* above `top`: missing */
    return w;
}

void
world_prepare_clients(struct world *w)
{
    for (unsigned i = 0; i < w->opt.clients; i++) {
        struct client *c = &w->clients[i];

        c->world = w;
        c->number = i;
        c->dice.state = mix(w->opt.seed) + mix(i);
        c->fd = -1;
        c->finished = false;
        c->progress_ms = now_ms();
        c->pause_ms = 0;
        c->flush_ms = i == 0 && w->opt.flush_s ? now_ms() + w->opt.flush_s * 1000 : NEVER;
        for (unsigned n = 0; n < TICKETS; n++)
            c->ticket_missing[n] = true;
        atomic_store(&w->marks[i].settled.from, 1);
        for (unsigned n = 0; n < VOIDS; n++)
            atomic_store(&w->marks[i].void_[n].from, NEVER);
    }
}

struct counts
world_counts(const struct world *w)
{
    struct counts sum = { 0 };
    uint64_t     *to = (uint64_t *)&sum;

    for (unsigned i = 0; i < w->opt.clients; i++) {
        const uint64_t *from = (const uint64_t *)&w->clients[i].counts;

        for (size_t n = 0; n < sizeof(sum) / sizeof(*to); n++)
            to[n] += from[n];
    }
    return sum;
}

void
world_destroy(struct world **world)
{
    struct world *w = *world;

    for (unsigned i = 0; i < w->opt.clients; i++) {
        free(w->clients[i].in.data);
        free(w->clients[i].out.data);
    }
    for (unsigned i = 0; i < FLUSHES; i++)
        free(w->flushes[i].dead);
    SSL_CTX_free(w->tls);
    free(w->owned);
    free(w->counters);
    free(w->marks);
    free(w->clients);
    free(w->tickets);
    free(w->raced);
    free(w->flushes);
    free(w);
    *world = NULL;
}
