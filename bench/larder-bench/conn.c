/* bench/larder-bench/conn.c - see conn.h. */
#include "bench/larder-bench/conn.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/keys.h"
#include "bench/larder-bench/value.h"

#define BENCH_NAME "larder-bench"
#include "bench/client.h"

enum {
    READ_BYTES = 64 << 10, /* that are read at once, unless a value is longer */
    SHOWN_BYTES = 60,      /* of an answer that is wrong */
};

void
conn_open(struct conn *conn, const struct plan *plan, const struct address *address,
          const char *server, struct ssl_ctx_st *context)
{
    *conn = (struct conn){ .plan = plan, .server = server };
    conn->slots = plan->depth > CONN_FILL_DEPTH ? (unsigned)plan->depth : CONN_FILL_DEPTH;
    conn->ring = allot(conn->slots, sizeof(*conn->ring));
    conn->keys = allot(plan->keys_at_once, sizeof(*conn->keys));
    for (unsigned i = 0; i < conn->slots; i++)
        conn->ring[i].numbers = allot(plan->keys_at_once, sizeof(uint64_t));
    link_open(&conn->link, address, context);
}

void
conn_close(struct conn *conn)
{
    link_close(&conn->link);
    for (unsigned i = 0; i < conn->slots; i++)
        free(conn->ring[i].numbers);
    free(conn->ring);
    free(conn->keys);
    buffer_fini(&conn->in);
    buffer_fini(&conn->out);
}

/* ---- messages --------------------------------------------------------------------- */

/* "get k:000000000042", of the request's key at that place. */
static void
name_request(const struct conn *conn, const struct slot *slot, unsigned at, char *text,
             size_t length)
{
    static const char *const inner[] = { [OP_SET_CAS - OP_USERS] = "cas",
                                         [OP_ZERO - OP_USERS] = "set" };
    struct key               key;

    keys_name(conn->plan, slot->op, slot->numbers[at], &key);
    snprintf(text, length, "%s %.*s",
             slot->op < OP_USERS ? op_name(slot->op) : inner[slot->op - OP_USERS],
             (int)key.length, key.text);
}

static const struct slot *
oldest(const struct conn *conn)
{
    return &conn->ring[conn->first];
}

/* What has come instead of an answer, as far as it can be shown in a line. */
static _Noreturn void
fail_wrong(const struct conn *conn)
{
    struct span data = { conn->in.data + conn->in.start, buffer_length(&conn->in) };
    char        shown[4 * SHOWN_BYTES + 1], request[KEY_MOST + 16];
    size_t      length = 0;

    for (size_t i = 0; i < data.length && i < SHOWN_BYTES && data.at[i] != '\r'; i++) {
        bool plain = isprint((unsigned char)data.at[i]);

        length += (size_t)snprintf(shown + length, sizeof(shown) - length,
                                   plain ? "%c" : "\\x%02x", (unsigned char)data.at[i]);
    }
    shown[length] = '\0';
    if (conn->pending == 0)
        fail("%s: it has sent what nobody asked for: %s", conn->server, shown);
    name_request(conn, oldest(conn), 0, request, sizeof(request));
    fail("%s: a wrong answer to %s: %s", conn->server, request, shown);
}

static _Noreturn void
fail_cut_off(const struct conn *conn, ssize_t result, int error)
{
    char        request[KEY_MOST + 16];
    const char *why = result == LINK_CLOSED ? "it has hung up" : strerror(error);

    if (conn->pending == 0)
        fail("%s: %s", conn->server, why);
    name_request(conn, oldest(conn), 0, request, sizeof(request));
    fail("%s: %s; answers due: %u, the first one to %s", conn->server, why, conn->pending,
         request);
}

void
conn_watch(const struct conn *conn, uint64_t now)
{
    uint64_t patience_ns = conn->plan->address.patience_s * UINT64_C(1000000000);
    char     request[KEY_MOST + 16];

    if (conn->pending == 0 || now < oldest(conn)->sent_ns + patience_ns)
        return;
    name_request(conn, oldest(conn), 0, request, sizeof(request));
    fail("%s: no answer to %s for %u seconds (--patience)", conn->server, request,
         conn->plan->address.patience_s);
}

/* ---- asking ----------------------------------------------------------------------- */

struct slot *
conn_next_slot(struct conn *conn)
{
    return &conn->ring[(conn->first + conn->pending) % conn->slots];
}

void
conn_ask(struct conn *conn, struct slot *slot, uint64_t now)
{
    const struct plan *plan = conn->plan;
    struct request     request = { .op = slot->op, .count = slot->count };

    for (unsigned i = 0; i < slot->count; i++)
        keys_name(plan, slot->op, slot->numbers[i], &conn->keys[i]);
    if (slot->op == OP_SET || slot->op == OP_SET_CAS)
        request.value_bytes = plan_value_bytes(
            plan, slot->numbers[0], value_hash(conn->keys->text, conn->keys->length));
    request.keys = conn->keys;
    request.cas = slot->cas;
    slot->parts = slot->at = slot->hits = 0;
    slot->sent_ns = now;
    plan->protocol->compose(&conn->out, &request);
    conn->pending++;
}

void
conn_send(struct conn *conn, struct tally *tally)
{
    conn->waits_to_send = false;
    while (buffer_length(&conn->out) > 0) {
        ssize_t sent = link_write(&conn->link, conn->out.data + conn->out.start,
                                  buffer_length(&conn->out));

        if (sent == LINK_WAIT) {
            conn->waits_to_send = true;
            return;
        }
        if (sent < 0)
            fail_cut_off(conn, sent, errno);
        buffer_take(&conn->out, (size_t)sent);
        tally->sent_bytes += (size_t)sent;
    }
}

/* ---- answers ---------------------------------------------------------------------- */

/* Go on to the key that an answer is about; those passed over were not there. */
static void
find_key(const struct conn *conn, struct slot *slot, struct span named, struct key *key)
{
    for (; slot->at < slot->count; slot->at++) {
        keys_name(conn->plan, slot->op, slot->numbers[slot->at], key);
        if (named.length == 0 ||
            span_equal(named, (struct span){ key->text, key->length }))
            return;
    }
    fail_wrong(conn);
}

static void
check_value(const struct conn *conn, struct slot *slot, const struct answer *answer)
{
    struct key key;
    size_t     good;
    char       request[KEY_MOST + 16];

    if (slot->at == slot->count)
        fail_wrong(conn); /* more values than keys */
    if (conn->plan->no_verify)
        return;
    find_key(conn, slot, answer->key, &key);
    good = value_verify(value_hash(key.text, key.length), answer->value.at,
                        answer->value.length);
    if (good == answer->value.length)
        return;
    name_request(conn, slot, slot->at, request, sizeof(request));
    fail("%s: %s: byte %zu of %zu of the value is wrong", conn->server, request, good,
         answer->value.length);
}

/* One answer, or a part of one. */
static void
take_part(struct conn *conn, struct slot *slot, const struct answer *answer,
          struct tally *tally)
{
    slot->parts++;
    switch (answer->outcome) {
    case OUTCOME_HIT:
        check_value(conn, slot, answer);
        slot->hits++;
        slot->at++;
        break;
    case OUTCOME_NUMBER:
        if (answer->number == 0)
            fail_wrong(conn);
        slot->hits++;
        break;
    case OUTCOME_STORED:
        slot->hits += slot->op == OP_DELETE;
        break;
    case OUTCOME_REFUSED:
        /* Without an id there is nothing that a set could be refused for. */
        if (slot->op != OP_SET_CAS)
            fail_wrong(conn);
        tally->refused++;
        break;
    case OUTCOME_MISS:
        if (slot->op == OP_SET || slot->op == OP_ZERO)
            fail_wrong(conn);
        tally->refused += slot->op == OP_SET_CAS;
        slot->at++;
        break;
    case OUTCOME_NONE:
        break;
    }
}

/* Does this answer lead to another request? *next is filled in for it. */
static bool
leads_on(const struct plan *plan, const struct slot *slot, const struct answer *answer,
         enum op *next)
{
    if (slot->op == OP_CAS && answer->outcome == OUTCOME_HIT) {
        *next = OP_SET_CAS;
        return true;
    }
    *next = OP_SET;
    return plan->refill && slot->op == OP_GET && answer->outcome == OUTCOME_MISS;
}

/* Put the same operation behind all others; its slot may be the same one. */
static void
ask_on(struct conn *conn, const struct slot *slot, enum op next, uint64_t cas,
       uint64_t now)
{
    struct slot *to = conn_next_slot(conn);

    to->counts_as = slot->counts_as;
    to->numbers[0] = slot->numbers[0];
    to->due_ns = slot->due_ns;
    to->count = 1;
    to->op = next;
    to->cas = cas;
    conn_ask(conn, to, now);
}

/* An operation's request is answered: count it, and go on where it leads. */
static void
finish(struct conn *conn, struct slot *slot, const struct answer *answer, uint64_t now,
       struct tally *tally)
{
    bool    reads = slot->op != OP_SET && slot->op != OP_SET_CAS && slot->op != OP_ZERO;
    bool    counts = slot->op != OP_SET_CAS;
    enum op next;

    conn->first = (conn->first + 1) % conn->slots;
    conn->pending--;
    tally->hits += slot->hits;
    tally->misses += reads ? slot->count - slot->hits : 0;
    tally->keys += counts ? slot->count : 0;
    if (leads_on(conn->plan, slot, answer, &next)) {
        tally->refills += next == OP_SET;
        ask_on(conn, slot, next, answer->cas, now);
        return;
    }
    if (slot->counts_as != OP_USERS)
        histogram_add(&tally->times[slot->counts_as], now - slot->due_ns);
}

/* Take answers as long as they are there. */
static void
take_answers(struct conn *conn, uint64_t now, struct tally *tally)
{
    conn->wanted = 0;
    while (buffer_length(&conn->in) > 0) {
        struct span  data = { conn->in.data + conn->in.start, buffer_length(&conn->in) };
        struct slot *slot = &conn->ring[conn->first];
        struct request request = { .op = slot->op,
                                   .count = slot->count,
                                   .parts = slot->parts };
        struct answer  answer;
        size_t         used;
        enum parsed    parsed = PARSED_WRONG;

        if (conn->pending > 0)
            parsed = conn->plan->protocol->parse(data, &request, &answer, &used);
        if (parsed == PARSED_WRONG)
            fail_wrong(conn);
        if (parsed == PARSED_LESS) {
            conn->wanted = used;
            return;
        }
        take_part(conn, slot, &answer, tally);
        if (answer.last)
            finish(conn, slot, &answer, now, tally);
        buffer_take(&conn->in, used);
    }
}

/* Read once; false if there is nothing more to read for now. */
static bool
read_some(struct conn *conn, struct tally *tally)
{
    size_t  length = buffer_length(&conn->in), room;
    size_t  missing = conn->wanted > length ? conn->wanted - length : 0;
    char   *to = buffer_reserve(&conn->in, missing > READ_BYTES ? missing : READ_BYTES);
    ssize_t got;

    room = conn->in.room - conn->in.end;
    got = link_read(&conn->link, to, room);
    if (got == LINK_WAIT)
        return false;
    if (got < 0)
        fail_cut_off(conn, got, errno);
    conn->in.end += (size_t)got;
    tally->received_bytes += (size_t)got;
    /* OpenSSL may hold more than the socket does; the socket is polled again. */
    return conn->link.ssl != NULL || (size_t)got == room;
}

void
conn_receive(struct conn *conn, struct tally *tally)
{
    bool more;

    do {
        more = read_some(conn, tally);
        if (buffer_length(&conn->in) >= conn->wanted)
            take_answers(conn, now_ns(), tally);
    } while (more);
}
