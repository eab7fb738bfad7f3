/* t/stress/model.c - what replies mean for the keys, and whether that can be.
 *
 * The first half takes outcomes of writes, the second values that were read. world.h tells
 * the rule of each kind of key.
 */
#include "t/stress/model.h"

#include <ctype.h>
#include <inttypes.h>

#include "t/stress/value.h"

/* ---- what an outcome means for a key --------------------------------------------------- */

static void
owned_raise(struct owned *k, uint64_t floor)
{
    if (floor > atomic_load(&k->floor))
        atomic_store(&k->floor, floor);
}

static bool
owned_is_missing(const struct owned *k)
{
    return atomic_load(&k->floor) > k->top;
}

/* A whole write is there. */
static void
owned_renew(struct owned *k, const struct request *r)
{
    if (r->number > 0 && r->number < TTL_LONG_S) {
        atomic_store(&k->dying, 0);
        atomic_store(&k->dies_ms, now_ms() + r->number * 1000);
        atomic_store(&k->dying, r->sequence);
    }
    k->top = k->base = r->sequence;
    k->parts = 1;
    k->maybe = 0;
    owned_raise(k, r->sequence);
}

static void
owned_settle_store(struct owned *k, const struct request *r, enum outcome o)
{
    bool joins = op_joins(r->op);

    if (o == OUT_STORED) {
        if (!joins) {
            owned_renew(k, r);
        } else {
            k->parts++;
            k->top = r->sequence;
            owned_raise(k, r->sequence);
        }
    } else if (r->op == OP_SET || r->op == OP_BAD_CHUNK) {
        /* A set that is refused at once deletes what was there (PROTOCOL.md 2.4). */
        if (o == OUT_SILENT)
            owned_renew(k, r);
        else if (o == OUT_NO_MEMORY || o == OUT_TOO_LARGE)
            owned_raise(k, r->sequence);
    } else if (o == OUT_SILENT) {
        k->top = r->sequence;
        k->maybe += joins;
    } else if (o == OUT_NOT_STORED && r->op == OP_REPLACE) {
        owned_raise(k, k->top + 1);
    }
}

static void
owned_settle(struct client *c, const struct request *r, enum outcome o)
{
    struct owned *k = &c->world->owned[r->key.index];
    bool          missing = owned_is_missing(k);
    bool          hit = o == OUT_DELETED || o == OUT_TOUCHED ||
               (o == OUT_STORED && r->op != OP_SET && r->op != OP_ADD) ||
               (o == OUT_NOT_STORED && r->op == OP_ADD);

    if (hit && missing) {
        complain(c, r, &r->key, NULL, 0,
                 "the key was known to be missing, and %s found it", verbs[r->op].word);
        return;
    }
    if (r->op == OP_DELETE || r->kill)
        owned_raise(k, r->sequence);
    else if (r->op == OP_TOUCH && o == OUT_NOT_FOUND)
        owned_raise(k, k->top + 1);
    else if (r->op >= OP_SET && r->op <= OP_BAD_CHUNK)
        owned_settle_store(k, r, o);
}

static void
counter_expect(struct client *c, const struct request *r, const struct key *key,
               const struct counter *k, uint64_t expected, uint64_t number)
{
    if (k->missing)
        complain(c, r, key, NULL, 0, "a counter known to be missing is %" PRIu64, number);
    else if (number != expected)
        complain(c, r, key, NULL, 0, "a counter is %" PRIu64 ", and should be %" PRIu64,
                 number, expected);
}

static void
counter_settle_arithmetic(struct client *c, const struct request *r, struct counter *k,
                          enum outcome o, uint64_t number)
{
    uint64_t less = k->value > r->number ? k->value - r->number : 0;
    uint64_t expected = r->op == OP_INCR ? k->value + r->number : less;

    if (o == OUT_NUMBER)
        counter_expect(c, r, &r->key, k, expected, number);
    if (o == OUT_NUMBER || o == OUT_SILENT)
        k->value = expected;
    if (o == OUT_NOT_FOUND)
        k->missing = true;
}

static void
counter_settle(struct client *c, const struct request *r, enum outcome o, uint64_t number)
{
    struct counter *k = &c->world->counters[r->key.index];

    if (k->missing && (o == OUT_DELETED || o == OUT_TOUCHED || o == OUT_NOT_STORED))
        complain(c, r, &r->key, NULL, 0, "a counter known to be missing was found");
    if (r->op == OP_INCR || r->op == OP_DECR) {
        counter_settle_arithmetic(c, r, k, o, number);
    } else if (r->op == OP_DELETE || o == OUT_NOT_FOUND) {
        k->missing = true;
    } else if (o == OUT_STORED || (r->op == OP_SET && o == OUT_SILENT)) {
        k->missing = false;
        k->value = r->number;
    } else if (r->op == OP_SET) {
        k->missing = true;
    }
}

static void
ticket_settle(struct client *c, const struct request *r, enum outcome o, uint64_t number)
{
    struct ticket *t = &c->world->tickets[r->key.index];
    bool           twice;

    if (r->op == OP_ADD)
        c->ticket_missing[r->key.index] = false;
    if (o == OUT_NOT_FOUND)
        c->ticket_missing[r->key.index] = true;
    if (o != OUT_NUMBER)
        return;
    pthread_mutex_lock(&t->lock);
    twice = t->seen[number % SEEN] == number;
    t->seen[number % SEEN] = number;
    pthread_mutex_unlock(&t->lock);
    c->counts.increments++;
    if (twice)
        complain(c, r, &r->key, NULL, 0, "two increments by one both gave %" PRIu64,
                 number);
}

static void
raced_settle(struct client *c, const struct request *r, enum outcome o)
{
    struct raced *k = &c->world->raced[r->key.index];
    uint64_t      at = mix(r->chain ^ r->version) % SEEN;
    bool          twice;

    c->counts.cas_lost += r->op == OP_CAS && o == OUT_EXISTS;
    if (r->op != OP_CAS || o != OUT_STORED)
        return;
    c->counts.cas_won++;
    pthread_mutex_lock(&k->lock);
    twice = k->won[at].chain == r->chain && k->won[at].version == r->version;
    k->won[at].chain = r->chain;
    k->won[at].version = r->version;
    pthread_mutex_unlock(&k->lock);
    if (twice)
        complain(c, r, &r->key, NULL, 0,
                 "two cas both replaced version %" PRIu64 " of chain %" PRIx64,
                 r->version, r->chain);
}

void
key_retire(struct client *c, struct key key)
{
    struct world *w = c->world;

    if (key.kind == KEY_OWNED) {
        struct owned *k = &w->owned[key.index];

        atomic_fetch_add(&k->generation, 1);
        k->top = k->base = 0;
        k->parts = k->maybe = 0;
        owned_raise(k, c->sequence + 1);
    } else if (key.kind == KEY_COUNTER) {
        atomic_fetch_add(&w->counters[key.index].generation, 1);
        w->counters[key.index].missing = true;
    }
}

void
request_settle(struct client *c, struct request *r, enum outcome o, uint64_t number)
{
    c->done[c->ndone++ % DONE] =
        (struct done){ r->op, o, r->noreply, r->key, r->sequence };
    c->counts.stored += o == OUT_STORED;
    c->counts.refused += o >= OUT_NO_MEMORY && o <= OUT_TOO_LARGE;
    if (r->op == OP_FLUSH) {
        atomic_fetch_add(&c->world->nflushes, 1);
        c->counts.flushes++;
        c->flush_ms = now_ms() + c->world->opt.flush_s * 1000;
    }
    if (r->sequence == 0)
        return;
    if (r->key.kind == KEY_OWNED)
        owned_settle(c, r, o);
    else if (r->key.kind == KEY_COUNTER)
        counter_settle(c, r, o, number);
    else if (r->key.kind == KEY_TICKET)
        ticket_settle(c, r, o, number);
    else if (r->key.kind == KEY_RACED)
        raced_settle(c, r, o);
    atomic_store(&c->world->marks[c->number].settled.to, r->sequence);
}

/* ---- what a read shows ----------------------------------------------------------------- */

static void
hit_flags(struct client *c, const struct request *r, const struct key *key,
          const struct hit *h, uint32_t flags)
{
    if (h->flags != flags)
        complain(c, r, key, h->data, h->length,
                 "the flags are %" PRIu32 ", and should be %" PRIu32, h->flags, flags);
}

/* The owner has seen every answer up to here, so it knows more. */
static void
hit_owned_by_me(struct client *c, const struct request *r, const struct wanted *q,
                const struct hit *h, const struct value *v)
{
    struct owned *k = &c->world->owned[q->key.index];
    uint64_t      floor = atomic_load(&k->floor);

    if (v->newest < floor || v->newest > k->top) {
        complain(c, r, &q->key, h->data, h->length,
                 "version %" PRIu64 " is there; it should be %" PRIu64 " to %" PRIu64,
                 v->newest, floor, k->top);
    } else if (v->whole.sequence == k->base) {
        if (v->parts < k->parts || v->parts > k->parts + k->maybe)
            complain(c, r, &q->key, h->data, h->length,
                     "%u parts are there; it should be %u to %u", v->parts, k->parts,
                     k->parts + k->maybe);
    }
    k->base = v->whole.sequence;
    k->parts = v->parts;
    k->maybe = 0;
    k->top = v->newest;
    owned_raise(k, v->newest);
}

/* Is this a value whose TTL was over when it was asked for? */
static bool
hit_is_expired(const struct client *c, const struct request *r, const struct wanted *q,
               const struct value *v)
{
    struct owned *k = &c->world->owned[q->key.index];
    uint64_t      dies_ms;

    if (atomic_load(&k->dying) != v->whole.sequence)
        return false;
    dies_ms = atomic_load(&k->dies_ms);
    return atomic_load(&k->dying) == v->whole.sequence &&
           r->made_ms > dies_ms + c->world->opt.grace_ms;
}

static void
hit_owned(struct client *c, const struct request *r, const struct wanted *q,
          const struct hit *h)
{
    struct value v;
    bool         mine = owner_of(c->world, q->key) == c->number;

    if (!value_read(c, r, &q->key, h->data, h->length, &v))
        return;
    hit_flags(c, r, &q->key, h,
              flags_for(c->world, v.whole.sequence * 31 + v.whole.writer));
    if (v.whole.writer != owner_of(c->world, q->key))
        complain(c, r, &q->key, h->data, h->length, "written by client %u",
                 v.whole.writer);
    else if (hit_is_expired(c, r, q, &v))
        complain(c, r, &q->key, h->data, h->length, "the value should have expired");
    else if (value_is_flushed(c, r, q, &v))
        return;
    else if (mine)
        hit_owned_by_me(c, r, q, h, &v);
    else if (v.newest < q->floor)
        complain(c, r, &q->key, h->data, h->length,
                 "version %" PRIu64 " is there; it should be at least %" PRIu64, v.newest,
                 q->floor);
}

static void
hit_shared(struct client *c, const struct request *r, const struct wanted *q,
           const struct hit *h)
{
    struct value v;

    if (!value_read(c, r, &q->key, h->data, h->length, &v))
        return;
    hit_flags(c, r, &q->key, h,
              flags_for(c->world, v.whole.sequence * 31 + v.whole.writer));
    value_is_flushed(c, r, q, &v);
}

static void
hit_tiny(struct client *c, const struct request *r, const struct key *key,
         const struct hit *h)
{
    uint64_t seed = tiny_seed(c->world, *key, h->length);

    if (h->length == 0 || h->length > TINY_MAX ||
        bytes_verify(seed, h->data, h->length) != h->length)
        complain(c, r, key, h->data, h->length, "not the bytes of this key and length");
    else
        hit_flags(c, r, key, h, flags_for(c->world, seed));
}

/* Digits, and the spaces that a decrement in place may leave behind (PROTOCOL.md 3.5). */
static void
hit_number(struct client *c, const struct request *r, const struct key *key,
           const struct hit *h)
{
    struct world *w = c->world;
    uint64_t      number = 0;
    size_t        at = 0, digits;

    for (; at < h->length && isdigit((unsigned char)h->data[at]); at++)
        number = number * 10 + (uint64_t)(h->data[at] - '0');
    digits = at;
    while (at < h->length && h->data[at] == ' ')
        at++;
    if (digits == 0 || at != h->length) {
        complain(c, r, key, h->data, h->length, "not a number");
        return;
    }
    hit_flags(c, r, key, h, flags_for(w, key->index));
    if (key->kind == KEY_COUNTER && owner_of(w, *key) == c->number)
        counter_expect(c, r, key, &w->counters[key->index], w->counters[key->index].value,
                       number);
}

/* True if the id was seen before, with another value. */
static bool
raced_id_differs(struct raced *k, uint64_t id, const struct part *p)
{
    uint64_t at = mix(id) % SEEN;
    bool     differs;

    pthread_mutex_lock(&k->lock);
    differs = k->ids[at].id == id &&
              (k->ids[at].chain != p->sequence || k->ids[at].version != p->number);
    k->ids[at].id = id;
    k->ids[at].chain = p->sequence;
    k->ids[at].version = p->number;
    pthread_mutex_unlock(&k->lock);
    return differs;
}

static void
hit_raced(struct client *c, const struct request *r, const struct key *key,
          const struct hit *h)
{
    struct world *w = c->world;
    struct memo  *m = &c->memos[key->index];
    char          name[KEY_BYTES];
    struct part   p;

    if (!part_read(c, r, key, hash_bytes(name, key_name(w, *key, name)), h->data,
                   h->length, &p))
        return;
    if (p.length != h->length || p.place != PART_WHOLE)
        complain(c, r, key, h->data, h->length, "the value is longer than its part");
    hit_flags(c, r, key, h, flags_for(w, p.sequence * 31 + p.writer + (p.number << 32)));
    if (m->chain == p.sequence && m->version > p.number)
        complain(c, r, key, h->data, h->length,
                 "version %" PRIu64 " came after version %" PRIu64, p.number, m->version);
    if (r->op == OP_GETS || r->op == OP_GATS) {
        if (h->cas == 0 || raced_id_differs(&w->raced[key->index], h->cas, &p))
            complain(c, r, key, h->data, h->length,
                     "CAS id %" PRIu64 " was another value's", h->cas);
        *m = (struct memo){ true, false, h->cas, p.sequence, p.number };
    }
}

void
wanted_hit(struct client *c, const struct request *r, const struct wanted *q,
           const struct hit *h)
{
    c->counts.hits++;
    c->counts.values++;
    c->counts.bytes += h->length;
    switch (q->key.kind) {
    case KEY_OWNED:
        hit_owned(c, r, q, h);
        break;
    case KEY_SHARED:
        hit_shared(c, r, q, h);
        break;
    case KEY_TINY:
        hit_tiny(c, r, &q->key, h);
        break;
    case KEY_COUNTER:
    case KEY_TICKET:
        hit_number(c, r, &q->key, h);
        break;
    case KEY_RACED:
        hit_raced(c, r, &q->key, h);
        break;
    }
    c->counts.fresh += r->fresh;
}

void
wanted_missed(struct client *c, const struct request *r, const struct wanted *q)
{
    struct world *w = c->world;
    bool          mine = owner_of(w, q->key) == c->number;

    if (q->key.kind == KEY_OWNED && mine) {
        struct owned *k = &w->owned[q->key.index];

        if (r->fresh && !owned_is_missing(k)) {
            c->counts.fresh++;
            c->counts.fresh_missed++;
        }
        owned_raise(k, k->top + 1);
    } else if (q->key.kind == KEY_COUNTER && mine) {
        w->counters[q->key.index].missing = true;
    } else if (q->key.kind == KEY_TICKET) {
        c->ticket_missing[q->key.index] = true;
    } else if (q->key.kind == KEY_RACED) {
        c->memos[q->key.index].known = false;
        c->memos[q->key.index].add = true;
    }
}
