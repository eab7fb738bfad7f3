/* protocol/reply.c - gathering what is to be sent. */
#include "protocol/reply.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "slabs/must.h"

enum { TAIL_FIRST = 64 << 10 }; /* bytes that a tail has at first */

static struct reply *
create(struct cache_thread *thread, size_t flat_room, unsigned pieces)
{
    size_t        pieces_bytes = pieces * sizeof(struct reply_piece);
    struct reply *reply = malloc(sizeof(*reply) + pieces_bytes + flat_room);

    if (reply == NULL)
        return NULL;
    *reply = (struct reply){ .thread = thread, .flat_room = flat_room };
    reply->pieces = (struct reply_piece *)(reply + 1);
    reply->flat = (char *)(reply + 1) + pieces_bytes;
    return reply;
}

struct reply *
reply_create(struct cache_thread *thread)
{
    return create(thread, REPLY_BYTES, REPLY_PIECES);
}

void
reply_destroy(struct reply **reply)
{
    if (*reply != NULL)
        reply_clear(*reply);
    free(*reply);
    *reply = NULL;
}

size_t
reply_memory(const struct reply *reply)
{
    return sizeof(*reply) + reply->count * sizeof(*reply->pieces) + reply->flat_room +
           reply->tail_room;
}

void
reply_clear(struct reply *reply)
{
    reply_retract(reply, 0, 0);
    reply->sent = 0;
}

void
reply_retract(struct reply *reply, size_t flat_used, unsigned count)
{
    must(flat_used <= reply->flat_used && count <= reply->count);
    reply->total -= reply->tail_used;
    free(reply->tail);
    reply->tail = NULL;
    reply->tail_used = reply->tail_room = 0;
    reply->lacks_memory = false;
    while (reply->count > count) {
        struct cache_reading *value = &reply->pieces[--reply->count].value;

        reply->total -= value->value_length;
        cache_read_end(reply->thread, value);
    }
    reply->total -= reply->flat_used - flat_used;
    reply->flat_used = flat_used;
}

char *
reply_tail_room(struct reply *reply, size_t n)
{
    size_t room = reply->tail_room != 0 ? reply->tail_room : TAIL_FIRST;
    char  *grown;

    while (room - reply->tail_used < n)
        room *= 2;
    if (room == reply->tail_room)
        return reply->tail + reply->tail_used;
    grown = realloc(reply->tail, room);
    if (grown == NULL) {
        reply->lacks_memory = true;
        return NULL;
    }
    reply->tail = grown;
    reply->tail_room = room;
    return reply->tail + reply->tail_used;
}

/* Copy a small value and end its reading. */
static char *
copy_value(struct reply *reply, char *to, struct cache_reading *reading)
{
    struct span piece;

    must(to != NULL);
    for (size_t from = 0; from < reading->value_length; from += piece.length) {
        piece = cache_read_value(reading, from);
        to = span_put(to, piece);
    }
    cache_read_end(reply->thread, reading);
    return to;
}

/* Keep a large value until it is sent. */
static void
keep_value(struct reply *reply, const struct cache_reading *reading)
{
    must(reply->count < REPLY_PIECES);
    reply->pieces[reply->count++] = (struct reply_piece){ reply->flat_used, *reading };
    reply->total += reading->value_length;
}

void
reply_value(struct reply *reply, struct cache_reading *reading)
{
    char *to;

    if (reading->pinned) {
        keep_value(reply, reading);
        return;
    }
    to = reply_room(reply, reading->value_length);
    reply_wrote(reply, copy_value(reply, to, reading));
}

void
reply_line_and_value(struct reply *reply, char *to, struct cache_reading *reading)
{
    if (!reading->pinned) {
        to = copy_value(reply, to, reading);
        reply_wrote(reply, span_put(to, SPAN("\r\n")));
        return;
    }
    reply_wrote(reply, to);
    keep_value(reply, reading);
    reply_say(reply, SPAN("\r\n"));
}

/* Walks over a reply and leaves out what was sent. */
struct gathering {
    struct iovec *vectors;
    unsigned      count, most;
    size_t        skip; /* bytes still to leave out */
};

static void
gather(struct gathering *g, const char *at, size_t length)
{
    size_t skipped = g->skip < length ? g->skip : length;

    g->skip -= skipped;
    if (skipped == length || g->count == g->most)
        return;
    g->vectors[g->count++] =
        (struct iovec){ (void *)(uintptr_t)(at + skipped), length - skipped };
}

/* `value` is a copy: the reply's own stays where the sent part ends. */
static void
gather_value(struct gathering *g, struct cache_reading value)
{
    size_t from = g->skip < value.value_length ? g->skip : value.value_length;

    g->skip -= from;
    while (from < value.value_length && g->count < g->most) {
        struct span part = cache_read_value(&value, from);

        gather(g, part.at, part.length);
        from += part.length;
    }
}

unsigned
reply_vectors(const struct reply *reply, struct iovec *vectors, unsigned most)
{
    struct gathering g = { .vectors = vectors, .most = most, .skip = reply->sent };
    size_t           flat = 0;

    for (unsigned i = 0; i < reply->count; i++) {
        const struct reply_piece *piece = &reply->pieces[i];

        gather(&g, reply->flat + flat, piece->at - flat);
        flat = piece->at;
        gather_value(&g, piece->value);
    }
    gather(&g, reply->flat + flat, reply->flat_used - flat);
    if (reply->tail != NULL)
        gather(&g, reply->tail, reply->tail_used);
    return g.count;
}

/* What has gone out as a whole: flat bytes and pieces; and how much of the next piece, or
 * of the tail. */
struct gone {
    size_t   flat;
    unsigned pieces;
    size_t   part;
};

static struct gone
count_gone(const struct reply *reply)
{
    struct gone gone = { 0 };
    size_t      left = reply->sent;

    for (; gone.pieces < reply->count; gone.pieces++) {
        const struct reply_piece *piece = &reply->pieces[gone.pieces];
        size_t                    before = piece->at - gone.flat;

        if (left < before)
            break;
        gone.flat += before;
        left -= before;
        if (left < piece->value.value_length) {
            gone.part = left;
            return gone;
        }
        left -= piece->value.value_length;
    }
    if (left > reply->flat_used - gone.flat) {
        gone.part = left - (reply->flat_used - gone.flat);
        gone.flat = reply->flat_used;
        return gone;
    }
    gone.flat += left;
    return gone;
}

void
reply_advance(struct reply *reply, size_t bytes)
{
    struct gone gone;

    must(bytes <= reply_left(reply));
    reply->sent += bytes;
    gone = count_gone(reply);
    /* So that gathering goes on there, and need not walk a chain from its start. */
    if (gone.pieces < reply->count && gone.part > 0)
        (void)cache_read_value(&reply->pieces[gone.pieces].value, gone.part);
}

struct reply *
reply_save(struct reply *reply)
{
    struct gone   gone = count_gone(reply);
    struct reply *saved =
        create(reply->thread, reply->flat_used - gone.flat, reply->count - gone.pieces);

    if (saved == NULL)
        return NULL;
    memcpy(saved->flat, reply->flat + gone.flat, saved->flat_room);
    saved->flat_used = saved->flat_room;
    saved->total = reply_left(reply) + gone.part;
    saved->sent = gone.part;
    saved->tail = reply->tail;
    saved->tail_used = reply->tail_used;
    saved->tail_room = reply->tail_room;
    for (unsigned i = gone.pieces; i < reply->count; i++) {
        saved->pieces[saved->count] = reply->pieces[i];
        saved->pieces[saved->count++].at -= gone.flat;
    }
    /* Tail and readings are the saved reply's now; readings that have gone are at an end. */
    reply->tail = NULL;
    reply->tail_used = 0;
    reply->count = gone.pieces;
    reply->total -= saved->total - saved->flat_used;
    reply_clear(reply);
    return saved;
}
