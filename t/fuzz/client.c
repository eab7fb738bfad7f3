/* t/fuzz/client.c - see client.h. */
#include "t/fuzz/client.h"

#include <stdlib.h>
#include <sys/uio.h>

#include "slabs/must.h"

enum {
    VECTORS = 2 * REPLY_PIECES + 2,
    VECTORS_ALL = 1024, /* values may be chains */
    TURN_BYTES = 512 << 10,
    STEPS_MAX = 256,
};

/* ---- what the transport does ----------------------------------------------------- */

static unsigned
next_byte(struct schedule *schedule)
{
    unsigned byte = schedule->bytes[schedule->at];

    schedule->at = (schedule->at + 1) % schedule->count;
    return byte;
}

/* Of so many bytes, how many go through now? A large amount takes no more than STEPS_MAX
 * steps or so. */
static size_t
allowance(struct schedule *schedule, size_t bytes)
{
    unsigned byte;
    size_t   n;

    if (schedule->count == 0)
        return bytes;
    byte = next_byte(schedule);
    n = byte < 192 ? byte : (size_t)(byte - 191) << 8;
    if (n > 0 && n < bytes / STEPS_MAX)
        n = bytes / STEPS_MAX;
    return n < bytes ? n : bytes;
}

/* ---- birth and death ------------------------------------------------------------- */

void
client_open(struct client *client, struct world *world, struct schedule *schedule,
            struct record *record, bool compares)
{
    *client = (struct client){
        .world = world, .schedule = schedule, .record = record, .compares = compares
    };
    session_init(&client->session, SESSION_AUTO);
}

void
client_close(struct client *client)
{
    session_fini(&client->session, &client->world->worker);
    reply_destroy(&client->pending);
    free(client->promised);
    free(client->kept);
    client->promised = client->kept = NULL;
    client->kept_length = 0;
    client->queued = 0;
    client->again = false;
    client->closed = true;
}

/* ---- sending --------------------------------------------------------------------- */

static void
put_on_record(struct client *client, const char *at, size_t n)
{
    struct record *record = client->record;

    if (client->compares) {
        if (n > record->length - client->sent ||
            memcmp(record->bytes + client->sent, at, n) != 0)
            client->differs = true;
    } else if (record != NULL) {
        if (n > sizeof(record->bytes) - record->length) {
            client->too_much = true;
            n = sizeof(record->bytes) - record->length;
        }
        memcpy(record->bytes + record->length, at, n);
        record->length += n;
    }
}

static void
emit(struct client *client, const char *at, size_t n)
{
    /* A value that waits to be sent must not change meanwhile. */
    if (client->promised != NULL) {
        must(memcmp(client->promised + client->promised_at, at, n) == 0);
        client->promised_at += n;
    }
    if (!client->differs && !client->too_much)
        put_on_record(client, at, n);
    client->sent += n;
}

/* Like send(): takes n bytes of the reply. */
static void
take(struct client *client, struct reply *reply, size_t n)
{
    struct iovec vectors[VECTORS];
    unsigned     count;

    while (n > 0) {
        size_t here = 0;

        count = reply_vectors(reply, vectors, VECTORS);
        for (unsigned i = 0; i < count && here < n; i++) {
            size_t bytes = vectors[i].iov_len < n - here ? vectors[i].iov_len : n - here;

            emit(client, vectors[i].iov_base, bytes);
            here += bytes;
        }
        must(here > 0);
        reply_advance(reply, here);
        n -= here;
    }
}

/* True when all is gone. */
static bool
send_some(struct client *client, struct reply *reply)
{
    while (reply_left(reply) > 0) {
        size_t n = allowance(client->schedule, reply_left(reply));

        if (n == 0 && client->starved)
            n = 1;
        client->starved = n == 0;
        if (n == 0 || client->stalled)
            return false;
        take(client, reply, n);
    }
    reply_clear(reply);
    return true;
}

/* Remember what is still to come, as it stands before it is saved: then a reply that was
 * saved wrongly is found in every world, whatever it is compared with. */
static void
promise(struct client *client, const struct reply *reply)
{
    struct iovec vectors[VECTORS_ALL];
    unsigned     count = reply_vectors(reply, vectors, VECTORS_ALL);
    size_t       at = 0;

    client->promised = malloc(reply_left(reply));
    client->promised_at = 0;
    must(client->promised != NULL);
    for (unsigned i = 0; i < count; i++) {
        memcpy(client->promised + at, vectors[i].iov_base, vectors[i].iov_len);
        at += vectors[i].iov_len;
    }
    must(at == reply_left(reply));
}

static bool
send_reply(struct client *client)
{
    struct reply *reply = client->world->reply;
    size_t        left;

    if (send_some(client, reply))
        return true;
    promise(client, reply);
    left = reply_left(reply);
    client->pending = reply_save(reply);
    must(client->pending != NULL);
    must(reply_left(client->pending) == left);
    must(reply_left(reply) == 0);
    return false;
}

/* ---- running --------------------------------------------------------------------- */

/* `input` is what is left of the kept bytes; keep it, or give up. */
static void
keep(struct client *client, struct span input)
{
    char *kept = NULL;

    if (client->schedule->count > 0 && input.length >= CLIENT_INPUT_BYTES) {
        client->too_long = true;
        client_close(client);
        return;
    }
    if (input.length > 0) {
        kept = malloc(input.length);
        must(kept != NULL);
        memcpy(kept, input.at, input.length);
    }
    free(client->kept);
    client->kept = kept;
    client->kept_length = input.length;
}

static void
note_end(struct client *client, enum session_status status, struct span rest)
{
    if (status == SESSION_DROP)
        client->dropped = true;
    if (rest.length > TEXT_LINE_MAX && memchr(rest.at, '\n', TEXT_LINE_MAX) == NULL)
        client->too_long = true;
}

/* See conn_run(). */
static void
run(struct client *client)
{
    struct world *world = client->world;
    struct span input = { client->kept != NULL ? client->kept : "", client->kept_length };
    unsigned    budget = client->schedule->turn > 0 ? client->schedule->turn : 1u << 30;
    size_t      said = 0;

    client->again = false;
    for (;;) {
        size_t              used;
        bool                all;
        enum session_status status = session_run(&client->session, &world->worker, input,
                                                 &used, world->reply, &budget);

        must(used <= input.length);
        input = (struct span){ input.at + used, input.length - used };
        if (status == SESSION_CLOSE || status == SESSION_DROP)
            note_end(client, status, input);
        /* A watcher is none of ours any more. */
        if (status == SESSION_DROP || status == SESSION_WATCH) {
            reply_clear(world->reply);
            client_close(client);
            return;
        }
        said += reply_left(world->reply);
        all = send_reply(client);
        if (all && status == SESSION_CLOSE) {
            client_close(client);
            return;
        }
        if (all && status == SESSION_FULL) {
            if (said < TURN_BYTES)
                continue;
            status = SESSION_YIELD;
        }
        client->closing = status == SESSION_CLOSE;
        client->again = all && status == SESSION_YIELD;
        keep(client, input);
        return;
    }
}

/* ---- events ---------------------------------------------------------------------- */

bool
client_send(struct client *client, struct span bytes)
{
    if (client->closed || bytes.length == 0)
        return true;
    if (client->queued == CLIENT_QUEUE)
        return false;
    client->queue[client->queued++] = bytes;
    return true;
}

/* The next n bytes of the queue, to where the connection wants them. */
static void
receive(struct client *client, char *to, size_t n)
{
    while (n > 0) {
        struct span *next = &client->queue[0];
        size_t       here = n < next->length ? n : next->length;

        memcpy(to, next->at, here);
        to += here, n -= here;
        *next = (struct span){ next->at + here, next->length - here };
        if (next->length == 0)
            memmove(next, next + 1, --client->queued * sizeof(*next));
    }
}

static size_t
bytes_queued(const struct client *client)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < client->queued; i++)
        bytes += client->queue[i].length;
    return bytes;
}

/* See conn_read() and receive() there: first into a value that is arriving. */
static void
read_event(struct client *client)
{
    size_t n = allowance(client->schedule, bytes_queued(client)), direct;
    char  *to = session_upload_room(&client->session, &client->world->worker, &direct);
    char  *kept;

    if (client->schedule->count > 0) {
        size_t most = direct + CLIENT_INPUT_BYTES - client->kept_length;

        n = n == 0 ? 1 : n < most ? n : most;
    }
    if (direct > 0 && client->schedule->count > 0) {
        must(client->kept_length == 0);
        direct = direct < n ? direct : n;
        receive(client, to, direct);
        session_upload_fill(&client->session, direct);
        n -= direct;
    }
    /* A buffer of its own size: a sanitizer sees who reads on. */
    kept = malloc(client->kept_length + n > 0 ? client->kept_length + n : 1);
    must(kept != NULL);
    if (client->kept_length > 0)
        memcpy(kept, client->kept, client->kept_length);
    receive(client, kept + client->kept_length, n);
    free(client->kept);
    client->kept = kept;
    client->kept_length += n;
    run(client);
}

/* See conn_write(). */
static void
write_event(struct client *client)
{
    if (!send_some(client, client->pending))
        return;
    reply_destroy(&client->pending);
    free(client->promised);
    client->promised = NULL;
    if (client->closing)
        client_close(client);
    else if (client->kept != NULL || session_has_more_to_say(&client->session))
        run(client);
}

bool
client_step(struct client *client)
{
    if (client->closed)
        return false;
    if (client->pending != NULL) {
        if (client->stalled)
            return false;
        write_event(client);
    } else if (client->again) {
        run(client);
    } else if (client->queued > 0) {
        read_event(client);
    } else {
        return false;
    }
    return true;
}
