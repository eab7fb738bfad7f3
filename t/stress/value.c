/* t/stress/value.c - values whose every byte can be checked, and the check.
 *
 * The first check that fails complains and ends the matter: what follows it would only be
 * its consequence.
 */
#include "t/stress/value.h"

#include <inttypes.h>
#include <string.h>

static uint64_t
part_check(const struct world *w, const struct part *p)
{
    uint64_t h = mix(w->run ^ p->key);

    h = mix(h ^ ((uint64_t)p->length << 32 | (uint32_t)p->place << 16 | p->writer));
    h = mix(h ^ p->sequence);
    return mix(h ^ p->number ^ UINT64_C(0x5bd1e9955bd1e995));
}

void
bytes_draw(uint64_t from, char *to, size_t length)
{
    struct dice d = { from };

    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = dice_roll(&d);

        memcpy(to + at, &word, length - at < 8 ? length - at : 8);
    }
}

size_t
bytes_verify(uint64_t from, const char *data, size_t length)
{
    struct dice d = { from };

    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = dice_roll(&d);
        size_t   n = length - at < 8 ? length - at : 8;

        if (memcmp(data + at, &word, n) != 0) {
            for (const char *p = (const char *)&word; *p == data[at]; p++)
                at++;
            return at;
        }
    }
    return length;
}

void
part_write(const struct world *w, struct part p, char *to)
{
    p.check = part_check(w, &p);
    memcpy(to, &p, sizeof(p));
    bytes_draw(p.check, to + sizeof(p), p.length - sizeof(p));
}

uint32_t
flags_for(const struct world *w, uint64_t what)
{
    uint64_t h = mix(w->run + what);

    return h >> 63 ? (uint32_t)h : 0;
}

bool
part_read(struct client *c, const struct request *r, const struct key *key, uint64_t hash,
          const char *data, size_t left, struct part *p)
{
    size_t good;

    if (left < sizeof(*p)) {
        complain(c, r, key, data, left, "a value ends within a part's header");
        return false;
    }
    memcpy(p, data, sizeof(*p));
    if (p->check != part_check(c->world, p)) {
        complain(c, r, key, data, left, "a part's header is damaged");
        return false;
    }
    if (p->key != hash) {
        complain(c, r, key, data, left, "the value is another key's");
        return false;
    }
    if (p->length > left) {
        complain(c, r, key, data, left, "only %zu bytes of a part's %u", left, p->length);
        return false;
    }
    good = bytes_verify(p->check, data + sizeof(*p), p->length - sizeof(*p));
    if (good != p->length - sizeof(*p)) {
        complain(c, r, key, data + sizeof(*p) + good, p->length - sizeof(*p) - good,
                 "byte %zu of a part of %u bytes is wrong", good + sizeof(*p), p->length);
        return false;
    }
    return true;
}

/* Was this sequence number given, and was its request sent to its end? */
static bool
part_was_sent(struct client *c, const struct request *r, const struct key *key,
              const struct part *p)
{
    struct mark *m;

    if (p->writer >= c->world->opt.clients) {
        complain(c, r, key, NULL, 0, "a part by a client that does not exist: %u",
                 p->writer);
        return false;
    }
    m = &c->world->marks[p->writer];
    if (p->sequence > atomic_load(&m->issued)) {
        complain(c, r, key, NULL, 0, "a part that was not written yet: %" PRIu64,
                 p->sequence);
        return false;
    }
    for (unsigned i = 0; i < VOIDS; i++) {
        uint64_t to = atomic_load(&m->void_[i].to);

        if (p->sequence <= to && p->sequence >= atomic_load(&m->void_[i].from)) {
            complain(c, r, key, NULL, 0,
                     "a part that was never sent to its end: %" PRIu64, p->sequence);
            return false;
        }
    }
    return true;
}

bool
value_read(struct client *c, const struct request *r, const struct key *key,
           const char *data, size_t length, struct value *v)
{
    char        name[KEY_BYTES];
    uint64_t    hash = hash_bytes(name, key_name(c->world, *key, name));
    bool        whole = false, one_writer = key->kind == KEY_OWNED;
    struct part p, last = { .sequence = 0 };

    memset(v, 0, sizeof(*v));
    for (size_t at = 0; at < length; at += p.length) {
        if (!part_read(c, r, key, hash, data + at, length - at, &p) ||
            !part_was_sent(c, r, key, &p))
            return false;
        if (p.place != (whole ? PART_AFTER : PART_BEFORE) &&
            (p.place != PART_WHOLE || whole)) {
            complain(c, r, key, data, length, "part %u is out of place", v->parts);
            return false;
        }
        if (one_writer && v->parts > 0 &&
            (p.place == PART_AFTER ? p.sequence <= last.sequence
                                   : p.sequence >= last.sequence)) {
            complain(c, r, key, data, length,
                     "part %u, %" PRIu64 ", is older or newer than "
                     "its neighbour, %" PRIu64,
                     v->parts, p.sequence, last.sequence);
            return false;
        }
        if (p.place == PART_WHOLE) {
            whole = true;
            v->whole = p;
        }
        if (p.sequence > v->newest)
            v->newest = p.sequence;
        v->parts++;
        last = p;
    }
    if (!whole)
        complain(c, r, key, data, length, "a value without its main part");
    return whole;
}

bool
value_is_flushed(struct client *c, const struct request *r, const struct wanted *q,
                 const struct value *v)
{
    const struct world *w = c->world;

    for (unsigned i = 0; i < q->flushes; i++) {
        const uint64_t *dead = w->flushes[i].dead[v->whole.writer];

        if (v->whole.sequence >= dead[0] && v->whole.sequence <= dead[1]) {
            complain(c, r, &q->key, NULL, 0,
                     "version %" PRIu64 " of client %u survived a flush",
                     v->whole.sequence, v->whole.writer);
            return true;
        }
    }
    return false;
}

uint64_t
tiny_seed(const struct world *w, struct key key, size_t length)
{
    return mix(w->run ^ (uint64_t)key.index << 8 ^ length);
}
