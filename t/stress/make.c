/* t/stress/make.c - requests: what is asked, written into a client's output.
 *
 * The dice decide everything: the kind of key, the operation, the length, noreply. Half of
 * the time a key is one of the first hundredth of its kind, so that there are hits, and
 * clients meet on keys.
 */
#include "t/stress/make.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/stress/value.h"

char *
buffer_reserve(struct buffer *b, size_t room)
{
    if (b->at == b->end)
        b->at = b->end = 0;
    if (b->end + room > b->capacity) {
        b->capacity = (b->end + room) * 2;
        b->data = realloc(b->data, b->capacity);
        if (b->data == NULL)
            abort();
    }
    return b->data + b->end;
}

__attribute__((format(printf, 2, 3))) static void
buffer_text(struct buffer *b, const char *format, ...)
{
    char   *to = buffer_reserve(b, LINE_MAX_BYTES);
    va_list list;
    int     n;

    va_start(list, format);
    n = vsnprintf(to, LINE_MAX_BYTES, format, list);
    va_end(list);
    b->end += (size_t)n;
}

static struct request *
request_add(struct client *c, enum op op)
{
    struct request *r = client_request(c, c->next++);

    *r = (struct request){ .op = op, .made_ms = now_ms() };
    return r;
}

/* As request_add, for a request that changes a key: it gets a sequence number. */
static struct request *
request_add_write(struct client *c, enum op op, struct key key)
{
    struct request *r = request_add(c, op);

    r->key = key;
    r->sequence = ++c->sequence;
    atomic_store(&c->world->marks[c->number].issued, c->sequence);
    return r;
}

/* The request's last byte is in the buffer. */
static void
request_end(struct client *c, struct request *r)
{
    r->end = c->sent + (c->out.end - c->out.at);
    c->counts.requests++;
}

/* An index below n; half of the time one of the first hundredth. */
static uint32_t
index_pick(struct client *c, unsigned n)
{
    return (uint32_t)dice_below(&c->dice, dice_one_in(&c->dice, 2) ? n / 100 + 1 : n);
}

static struct key
key_pick_owned(struct client *c)
{
    unsigned clients = c->world->opt.clients;
    unsigned mine = (c->world->nowned - c->number + clients - 1) / clients;

    return key_current(c->world, KEY_OWNED, c->number + clients * index_pick(c, mine));
}

static struct key
key_pick_counter(struct client *c)
{
    uint32_t i = (uint32_t)dice_below(&c->dice, COUNTERS);

    return key_current(c->world, KEY_COUNTER, c->number * COUNTERS + i);
}

/* Any key to be read. Its generation may be old: request_want() takes it anew. */
static struct key
key_pick(struct client *c)
{
    struct world *w = c->world;
    uint64_t      n = dice_below(&c->dice, 100);

    if (n < 30)
        return key_pick_owned(c);
    if (n < 50)
        return (struct key){ .kind = KEY_OWNED, .index = index_pick(c, w->nowned) };
    if (n < 75)
        return (struct key){ .kind = KEY_SHARED, .index = index_pick(c, w->nshared) };
    if (n < 82)
        return (struct key){ .kind = KEY_TINY, .index = index_pick(c, w->ntiny) };
    if (n < 88)
        return key_pick_counter(c);
    if (n < 90)
        return (struct key){ .kind = KEY_COUNTER,
                             .index = index_pick(c, w->opt.clients * COUNTERS) };
    if (n < 95)
        return (struct key){ .kind = KEY_TICKET, .index = index_pick(c, TICKETS) };
    return (struct key){ .kind = KEY_RACED, .index = index_pick(c, RACED) };
}

/* Appends one key to the retrieval that is being made, and what is known about it now. */
static void
request_want(struct client *c, struct request *r, struct key key)
{
    struct world  *w = c->world;
    struct wanted *q = client_wanted(c, c->next_wanted++);
    char           name[KEY_BYTES];

    q->flushes = atomic_load(&w->nflushes);
    q->floor = key.kind == KEY_OWNED ? atomic_load(&w->owned[key.index].floor) : 0;
    q->key = key_current(w, key.kind, key.index);
    key_name(w, q->key, name);
    buffer_text(&c->out, " %s", name);
    r->keys++;
}

static bool
op_is_gat(enum op op)
{
    return op == OP_GAT || op == OP_GATS;
}

static struct request *
make_retrieval_start(struct client *c, enum op op, int ttl)
{
    struct request *r = request_add(c, op);

    buffer_text(&c->out, "%s", verbs[op].word);
    if (op_is_gat(op))
        buffer_text(&c->out, " %d", ttl);
    return r;
}

static void
make_retrieval_end(struct client *c, struct request *r)
{
    buffer_text(&c->out, "\r\n");
    request_end(c, r);
}

static void
make_retrieval(struct client *c)
{
    bool    gat = dice_one_in(&c->dice, 8), multi = dice_one_in(&c->dice, 4);
    enum op op = (gat ? OP_GAT : OP_GET) + (enum op)dice_below(&c->dice, 2);
    /* A gat line without its end may not have more than 2048 bytes (PROTOCOL.md 1.5). */
    uint64_t        n = multi ? dice_log(&c->dice, 2, gat ? 7 : MULTIGET_MAX) : 1;
    struct request *r;

    r = make_retrieval_start(c, op, dice_one_in(&c->dice, 2) ? 0 : TTL_LONG_S);
    while (n > 0) {
        struct key key = key_pick(c);

        if (gat && key_expires(c->world, key))
            continue;
        request_want(c, r, key);
        n--;
    }
    make_retrieval_end(c, r);
}

static struct request *
make_get(struct client *c, struct key key)
{
    struct request *r =
        make_retrieval_start(c, OP_GET + (enum op)dice_below(&c->dice, 2), 0);

    request_want(c, r, key);
    make_retrieval_end(c, r);
    return r;
}

/* Mostly small; one in a hundred up to the largest there may be. */
static size_t
length_pick(struct client *c)
{
    uint64_t n = dice_below(&c->dice, 100);
    size_t   most = c->world->opt.max_value;
    size_t   high = n < 80 ? 400 : n < 95 ? 8192 : n < 99 ? 65536 : most;

    return (size_t)dice_log(&c->dice, n < 80 ? PART_MIN : high / 32,
                            high < most ? high : most);
}

static const char *
noreply_pick(struct client *c, struct request *r)
{
    /* What happened to a large value without a reply could not be known: it may be refused. */
    r->noreply = r->length < 65536 && r->op != OP_BAD_CHUNK && dice_one_in(&c->dice, 6);
    return r->noreply ? " noreply" : "";
}

/* Writes all of a storage command but its value, and returns where that belongs. */
static char *
make_store(struct client *c, struct request *r, uint32_t flags, int ttl, uint64_t cas)
{
    char  name[KEY_BYTES], unique[24] = "";
    char *value;

    key_name(c->world, r->key, name);
    if (r->op == OP_CAS)
        snprintf(unique, sizeof(unique), " %" PRIu64, cas);
    buffer_text(&c->out, "%s %s %" PRIu32 " %d %zu%s%s\r\n", verbs[r->op].word, name,
                flags, ttl, r->length, unique, r->noreply ? " noreply" : "");
    value = buffer_reserve(&c->out, r->length + 2);
    memcpy(value + r->length, r->op == OP_BAD_CHUNK ? "\n\r" : "\r\n", 2);
    c->out.end += r->length + 2;
    request_end(c, r);
    return value;
}

/* A storage command whose value is one part by this client. */
static void
make_part(struct client *c, struct request *r, int ttl, uint64_t cas)
{
    struct world *w = c->world;
    char          name[KEY_BYTES];
    struct part   p = { .length = (uint32_t)r->length, .writer = (uint16_t)c->number };
    bool          raced = r->key.kind == KEY_RACED;
    uint64_t      base;

    p.key = hash_bytes(name, key_name(w, r->key, name));
    p.place = r->op == OP_APPEND    ? PART_AFTER
              : r->op == OP_PREPEND ? PART_BEFORE
                                    : PART_WHOLE;
    p.sequence = raced ? r->chain : r->sequence;
    p.number = raced ? r->version + 1 : (uint64_t)ttl;
    base = p.sequence * 31 + p.writer + (raced ? p.number << 32 : 0);
    part_write(w, p, make_store(c, r, flags_for(w, base), ttl, cas));
}

void
make_word(struct client *c, enum op op)
{
    struct request *r = request_add(c, op);

    buffer_text(&c->out, "%s%s\r\n", verbs[op].word, op == OP_UNKNOWN ? " k 0 0 1" : "");
    request_end(c, r);
}

static void
make_delete(struct client *c, struct key key)
{
    struct request *r = request_add_write(c, OP_DELETE, key);
    char            name[KEY_BYTES];

    key_name(c->world, key, name);
    buffer_text(&c->out, "delete %s%s\r\n", name, noreply_pick(c, r));
    request_end(c, r);
}

static void
make_touch(struct client *c, struct key key, bool kill)
{
    struct request *r = request_add_write(c, OP_TOUCH, key);
    char            name[KEY_BYTES];
    int             ttl = dice_one_in(&c->dice, 2) ? 0 : TTL_LONG_S;

    r->kill = kill;
    key_name(c->world, key, name);
    buffer_text(&c->out, "touch %s %d%s\r\n", name, kill ? -1 : ttl, noreply_pick(c, r));
    request_end(c, r);
}

/* A gat that ends the item it reads. */
static void
make_kill(struct client *c, struct key key)
{
    struct request *r = make_retrieval_start(c, OP_GAT, -1);

    r->key = key;
    r->kill = true;
    r->sequence = ++c->sequence;
    atomic_store(&c->world->marks[c->number].issued, c->sequence);
    request_want(c, r, key);
    make_retrieval_end(c, r);
}

/* A storage command on an owned or shared key. */
static void
make_value(struct client *c, enum op op, struct key key)
{
    struct world   *w = c->world;
    struct request *r = request_add_write(c, op, key);
    int             ttl = dice_one_in(&c->dice, 4) ? TTL_LONG_S : 0;
    bool            expires = key_expires(w, key);

    if (expires)
        ttl = 1 + (int)dice_below(&c->dice, 2);
    r->length = op_joins(op) ? (size_t)dice_log(&c->dice, PART_MIN, 400) : length_pick(c);
    if (op == OP_SET && dice_one_in(&c->dice, 20000))
        r->length = w->opt.max_value + 4096 + (size_t)dice_below(&c->dice, 65536);
    r->number = (uint64_t)ttl;
    noreply_pick(c, r);
    make_part(c, r, ttl, 0);
    if (op == OP_SET && key.kind == KEY_OWNED && !expires && !r->noreply &&
        r->length < 65536 && dice_one_in(&c->dice, 4))
        make_get(c, key)->fresh = true;
}

/* More sets than anything that makes a value longer. */
static enum op
op_pick_store(struct client *c)
{
    uint64_t n = dice_below(&c->dice, 86);

    if (n < 45)
        return OP_SET;
    if (n < 55)
        return OP_ADD;
    if (n < 67)
        return OP_REPLACE;
    return n < 78 ? OP_APPEND : OP_PREPEND;
}

static void
make_owned(struct client *c)
{
    struct key key = key_pick_owned(c);
    uint64_t   n = dice_below(&c->dice, 100);

    if (n < 86)
        make_value(c, op_pick_store(c), key);
    else if (n < 92)
        make_delete(c, key);
    else if (n < 96)
        make_touch(c, key, key_expires(c->world, key) || dice_one_in(&c->dice, 3));
    else if (n < 98)
        make_kill(c, key);
    else
        make_value(c, OP_BAD_CHUNK, key);
}

static void
make_shared(struct client *c)
{
    struct key key = { .kind = KEY_SHARED, .index = index_pick(c, c->world->nshared) };
    uint64_t   n = dice_below(&c->dice, 100);

    if (n < 88)
        make_value(c, op_pick_store(c), key);
    else if (n < 94)
        make_delete(c, key);
    else
        make_touch(c, key, n < 96);
}

static void
make_tiny(struct client *c)
{
    static const enum op ops[] = { OP_SET, OP_SET, OP_SET, OP_ADD, OP_REPLACE };
    struct key      key = { .kind = KEY_TINY, .index = index_pick(c, c->world->ntiny) };
    struct request *r;
    uint64_t        seed;

    if (dice_one_in(&c->dice, 10)) {
        make_delete(c, key);
        return;
    }
    r = request_add_write(c, ops[dice_below(&c->dice, 5)], key);
    r->length = 1 + (size_t)dice_below(&c->dice, TINY_MAX);
    noreply_pick(c, r);
    seed = tiny_seed(c->world, key, r->length);
    bytes_draw(seed, make_store(c, r, flags_for(c->world, seed), 0, 0), r->length);
}

/* set or add of a number. */
static void
make_number(struct client *c, enum op op, struct key key, uint64_t number, bool noreply)
{
    struct request *r = request_add_write(c, op, key);
    char            text[24];

    r->number = number;
    r->noreply = noreply;
    r->length = (size_t)snprintf(text, sizeof(text), "%" PRIu64, number);
    memcpy(make_store(c, r, flags_for(c->world, key.index), 0, 0), text, r->length);
}

static void
make_arithmetic(struct client *c, enum op op, struct key key, uint64_t delta)
{
    struct request *r = request_add_write(c, op, key);
    char            name[KEY_BYTES];

    r->number = delta;
    key_name(c->world, key, name);
    buffer_text(&c->out, "%s %s %" PRIu64 "%s\r\n", verbs[op].word, name, delta,
                noreply_pick(c, r));
    request_end(c, r);
}

static void
make_counter(struct client *c)
{
    struct key key = key_pick_counter(c);
    uint64_t   n = dice_below(&c->dice, 100),
             number = dice_log(&c->dice, 1, UINT64_C(1) << 40);

    if (n < 10)
        make_number(c, OP_SET, key, number, dice_one_in(&c->dice, 6));
    else if (n < 25) /* add noreply would leave the value unknown */
        make_number(c, OP_ADD, key, number, false);
    else if (n < 60)
        make_arithmetic(c, OP_INCR, key, dice_log(&c->dice, 1, UINT64_C(1) << 30));
    else if (n < 85)
        make_arithmetic(c, OP_DECR, key, dice_log(&c->dice, 1, UINT64_C(1) << 40));
    else if (n < 88)
        make_delete(c, key);
    else if (n < 90)
        make_touch(c, key, false);
    else
        make_get(c, key);
}

static void
make_ticket(struct client *c)
{
    struct key key = { .kind = KEY_TICKET, .index = index_pick(c, TICKETS) };

    if (c->ticket_missing[key.index])
        make_number(c, OP_ADD, key, atomic_fetch_add(&c->world->ticket_serial, 1) << 32,
                    dice_one_in(&c->dice, 6));
    else if (dice_one_in(&c->dice, 200))
        make_delete(c, key);
    else
        make_arithmetic(c, OP_INCR, key, 1);
}

static void
make_raced_store(struct client *c, enum op op, struct key key, const struct memo *m)
{
    struct request *r = request_add_write(c, op, key);

    r->length =
        (size_t)dice_log(&c->dice, PART_MIN, dice_one_in(&c->dice, 50) ? 100000 : 500);
    r->noreply = r->length < 65536 && dice_one_in(&c->dice, 10);
    r->chain = op == OP_ADD ? (uint64_t)c->number << 40 | r->sequence : m->chain;
    r->version = op == OP_ADD ? 0 : m->version;
    make_part(c, r, 0, m->id);
}

static void
make_raced(struct client *c)
{
    struct key      key = { .kind = KEY_RACED, .index = index_pick(c, RACED) };
    struct memo    *m = &c->memos[key.index];
    struct request *r;

    if (m->add) {
        make_raced_store(c, OP_ADD, key, m);
        m->add = false;
    } else if (m->known && !dice_one_in(&c->dice, 4)) {
        /* The id is kept half of the time, so used ones are tried again. */
        make_raced_store(c, OP_CAS, key, m);
        m->known = dice_one_in(&c->dice, 2);
    } else if (dice_one_in(&c->dice, 50)) {
        make_delete(c, key);
    } else if (dice_one_in(&c->dice, 50)) {
        make_touch(c, key, false);
    } else {
        r = make_retrieval_start(c, OP_GETS, 0);
        request_want(c, r, key);
        make_retrieval_end(c, r);
    }
}

static void
make_flush(struct client *c)
{
    struct world *w = c->world;
    unsigned      n = atomic_load(&w->nflushes);
    uint64_t(*dead)[2];

    if (n == FLUSHES)
        return;
    dead = w->flushes[n].dead;
    if (dead == NULL)
        dead = w->flushes[n].dead = allocate(w->opt.clients, sizeof(*dead));
    for (unsigned i = 0; i < w->opt.clients; i++) {
        /* `to` first: who abandons a connection moves `from` before `to` goes on. */
        dead[i][1] = atomic_load(&w->marks[i].settled.to);
        dead[i][0] = atomic_load(&w->marks[i].settled.from);
    }
    make_word(c, OP_FLUSH);
    c->flush_ms = NEVER; /* until this one is answered */
}

static void
make_one(struct client *c)
{
    static const enum op words[] = { OP_VERSION, OP_VERSION, OP_MN,
                                     OP_MN,      OP_MN,      OP_UNKNOWN };
    uint64_t             n = dice_below(&c->dice, 100);

    if (n < 42)
        make_retrieval(c);
    else if (n < 64)
        make_owned(c);
    else if (n < 76)
        make_shared(c);
    else if (n < 82)
        make_tiny(c);
    else if (n < 89)
        make_counter(c);
    else if (n < 93)
        make_ticket(c);
    else if (n < 98)
        make_raced(c);
    else
        make_word(c,
                  dice_one_in(&c->dice, 20) ? OP_STATS : words[dice_below(&c->dice, 6)]);
}

bool
sweep_key(const struct client *c, uint64_t n, struct key *key)
{
    const struct world *w = c->world;
    const unsigned sizes[] = { w->nowned, w->nshared, w->ntiny, w->opt.clients * COUNTERS,
                               TICKETS,   RACED };

    for (unsigned kind = 0; kind < sizeof(sizes) / sizeof(sizes[0]); kind++) {
        uint64_t mine = (sizes[kind] - c->number + w->opt.clients - 1) / w->opt.clients;

        if (sizes[kind] <= c->number)
            mine = 0;
        if (n < mine) {
            key->kind = (enum kind)kind;
            key->index = (uint32_t)(kind == KEY_COUNTER ? c->number * COUNTERS + n
                                                        : c->number + n * w->opt.clients);
            return true;
        }
        n -= mine;
    }
    return false;
}

static void
make_sweep(struct client *c)
{
    struct key      key;
    struct request *r;

    if (!sweep_key(c, c->sweep, &key))
        return;
    r = make_retrieval_start(c, OP_GETS, 0);
    while (r->keys < MULTIGET_MAX && sweep_key(c, c->sweep, &key)) {
        request_want(c, r, key);
        c->sweep++;
    }
    make_retrieval_end(c, r);
}

bool
client_has_room(const struct client *c)
{
    return c->next - c->first < REQUESTS - 2 * BURST_MAX &&
           c->next_wanted - c->first_wanted < WANTED - 2 * MULTIGET_MAX;
}

void
make_burst(struct client *c)
{
    struct world *w = c->world;
    uint64_t      n = dice_log(&c->dice, 1, BURST_MAX), before = c->next;

    if (w->sweeping) {
        make_sweep(c);
        return;
    }
    if (now_ms() >= c->flush_ms && (w->opt.seconds == 0 || now_ms() < w->ends_ms))
        make_flush(c);
    while (n-- > 0 && client_has_room(c) && c->out.end - c->out.at < w->opt.max_value)
        make_one(c);
    /* Nobody could say when the last request, if silent, was done. */
    if (client_request(c, c->next - 1)->noreply)
        make_word(c, OP_MN);
    c->small_cuts = dice_one_in(&c->dice, 4) ? (unsigned)dice_below(&c->dice, 40) : 0;
    c->slow_reads = dice_one_in(&c->dice, 20) ? (unsigned)dice_below(&c->dice, 60) : 0;
    if (w->opt.operations != 0 &&
        atomic_fetch_add(&w->operations, c->next - before) >= w->opt.operations)
        atomic_store(&w->stop, true);
}
