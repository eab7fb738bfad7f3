/* protocol/reply.h - what is to be sent.
 *
 * A flat buffer, and large values gathered from where they lie: each piece is a pinned
 * reading that goes out at a certain offset of the flat bytes. Whoever writes makes sure
 * first, with reply_is_full(), that there is room for one more answer: that much
 * (REPLY_RESERVE) is always left. Longer answers, which are statistics alone, go on in a
 * tail of allocated memory, and nothing is added until it was sent. Nothing here blocks,
 * and only the tail and reply_save() allocate. What every answer calls is inline here.
 */
#ifndef LARDER_PROTOCOL_REPLY_H
#define LARDER_PROTOCOL_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/cache.h"
#include "slabs/must.h"
#include "slabs/span.h"

struct iovec;

enum {
    REPLY_BYTES = 96 << 10,  /* flat bytes of a worker's reply                   */
    REPLY_RESERVE = 8 << 10, /* the longest answer: a copied value, or statistics */
    REPLY_PIECES = 32,
    REPLY_TOTAL = 512 << 10, /* with this much it is sent before more is added: what a
                                client that does not read can hold on to, and one value */
};

_Static_assert(CACHE_COPY_MAX + 1024 <= REPLY_RESERVE, "a copied value with its line");

struct reply_piece {
    size_t               at; /* it stands before this flat offset */
    struct cache_reading value;
};

struct reply {
    struct cache_thread *thread; /* ends the readings      */
    char                *flat;
    size_t               flat_used;
    size_t               flat_room;
    char                *tail; /* what did not fit the flat bytes any more; or NULL */
    size_t               tail_used;
    size_t               tail_room;
    bool                 lacks_memory; /* something was not written for want of it  */
    size_t               total;        /* bytes, flat, pieces and tail              */
    size_t               sent;         /* of these                                  */
    unsigned             count;
    struct reply_piece  *pieces; /* REPLY_PIECES of them   */
};

/* A reply with room of its own; NULL when out of memory. */
struct reply *reply_create(struct cache_thread *thread);
void          reply_destroy(struct reply **reply);

/* Forget everything and end the readings. */
void reply_clear(struct reply *reply);
/* Bytes of memory that a saved reply takes, besides values that are pinned. */
size_t reply_memory(const struct reply *reply);
/* Go back to what it was when flat_used and count were these, without a tail. */
void reply_retract(struct reply *reply, size_t flat_used, unsigned count);

static inline size_t
reply_left(const struct reply *reply)
{
    return reply->total - reply->sent;
}

/* What is still to be sent where all of it lies in a row, as it nearly always does; else nothing. */
static inline struct span
reply_left_in_a_row(const struct reply *reply)
{
    if (reply->count > 0 || reply->tail != NULL)
        return SPAN("");
    return (struct span){ reply->flat + reply->sent, reply_left(reply) };
}

static inline bool
reply_is_full(const struct reply *reply)
{
    return reply->flat_room - reply->flat_used < REPLY_RESERVE ||
           reply->count == REPLY_PIECES || reply->total >= REPLY_TOTAL ||
           reply->tail != NULL;
}

/* The same as reply_room() for what does not fit the flat bytes. */
char *reply_tail_room(struct reply *reply, size_t n);

/* The place for n more bytes; NULL, and lacks_memory is set, where there is none. It is
 * never NULL for what REPLY_RESERVE is meant for. */
static inline char *
reply_room(struct reply *reply, size_t n)
{
    if (reply->tail != NULL || n > reply->flat_room - reply->flat_used)
        return reply_tail_room(reply, n);
    return reply->flat + reply->flat_used;
}

/* Bytes were written up to `end`, from where reply_room() said. */
static inline void
reply_wrote(struct reply *reply, const char *end)
{
    bool    in_tail = reply->tail != NULL;
    size_t *used = in_tail ? &reply->tail_used : &reply->flat_used;
    size_t  now = (size_t)(end - (in_tail ? reply->tail : reply->flat));

    must(now >= *used && now <= (in_tail ? reply->tail_room : reply->flat_room));
    reply->total += now - *used;
    *used = now;
}
/* Append bytes; without room nothing is done but to set lacks_memory. */
static inline void
reply_say(struct reply *reply, struct span text)
{
    char *to = reply_room(reply, text.length);

    if (to == NULL)
        return;
    reply_wrote(reply, span_put(to, text));
}
/* Append the value and end the reading, or keep it until it is sent. */
void reply_value(struct reply *reply, struct cache_reading *reading);

/* The place for a line of up to n bytes that a value may follow, both within
 * REPLY_RESERVE... */
static inline char *
reply_line_room(struct reply *reply, size_t n)
{
    return reply_room(reply, n + CACHE_COPY_MAX + 2);
}

/* ...of which it was written up to `to`: append it, the value and CR LF. */
void reply_line_and_value(struct reply *reply, char *to, struct cache_reading *reading);

/* Up to `most` vectors of what is still to be sent; their number. */
unsigned reply_vectors(const struct reply *reply, struct iovec *vectors, unsigned most);
/* Count bytes as sent. */
void reply_advance(struct reply *reply, size_t bytes);
/* What is still to be sent, in memory of its own; `reply` is empty after it. NULL, with
 * `reply` as it was, when out of memory. */
struct reply *reply_save(struct reply *reply);

#endif
