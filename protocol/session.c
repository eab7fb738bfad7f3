/* protocol/session.c - the pipeline: parse ahead, prefetch, execute in order, render.
 *
 * Requests are parsed into a batch first, so that their memory can be asked for all at
 * once. When the reply is full in the middle of a batch, the rest of the batch is
 * forgotten and parsed again later: parsing is pure.
 */
#include "protocol/session.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/admin.h"
#include "protocol/binary.h"
#include "protocol/meta.h"

void
session_init(struct session *session, enum session_protocol protocol)
{
    *session = (struct session){ .protocol = (uint8_t)protocol };
}

void
session_fini(struct session *session, struct session_worker *worker)
{
    if (session->task == TASK_ARRIVING) {
        cache_upload_abandon(worker->executor.thread, &session->arriving->upload);
        free(session->arriving);
    }
    if (session->task == TASK_DUMPING)
        dump_end(&session->dump);
    session_init(session, SESSION_AUTO);
}

static void
begin_to_skip(struct session *session, uint64_t bytes)
{
    session->task = bytes > 0 ? TASK_SKIPPING : TASK_NONE;
    session->skip = bytes;
}

uint32_t
session_watches(const struct session *session)
{
    return session->watches;
}

void
session_refuse_watch(struct session *session, bool too_many, struct reply *reply)
{
    session->watches = 0;
    reply_say(reply, too_many ? SPAN("WATCHER_TOO_MANY log watcher limit reached\r\n")
                              : SPAN("WATCHER_FAILED failed to add log watcher\r\n"));
}

static void
begin_to_watch(struct session *session, const struct host *host,
               const struct request *request, struct reply *reply)
{
    struct span refusal = admin_refuse_watch(host, request, reply_left(reply) > 0);

    if (refusal.length > 0)
        reply_say(reply, refusal);
    else
        session->watches = (uint16_t)request->delta;
}

void
session_say_too_much(const struct session *session, struct span request,
                     struct reply *reply)
{
    if (session->protocol == SESSION_BINARY)
        binary_say_too_large(request, reply);
    else
        reply_say(reply, SPAN("SERVER_ERROR answer too large for UDP\r\n"));
}

bool
session_has_more_to_say(const struct session *session)
{
    return session->task == TASK_DUMPING;
}

bool
session_is_receiving(const struct session *session)
{
    return session->task == TASK_ARRIVING || session->task == TASK_SKIPPING;
}

uint64_t
session_to_come(const struct session *session)
{
    const struct arriving *arriving = session->arriving;

    if (session->task != TASK_ARRIVING)
        return session->task == TASK_SKIPPING ? session->skip : 0;
    return arriving->upload.length - arriving->upload.filled + arriving->request.tail;
}

bool
session_is_idle(const struct session *session)
{
    return session->task == TASK_NONE && !session->text.in_keys &&
           !session->text.in_long_line;
}

static void
render(struct session_worker *worker, const struct request *request,
       struct result *result, struct reply *reply)
{
    const struct host *host = worker->executor.host;

    switch ((enum codec)request->codec) {
    case CODEC_TEXT:
        text_render(host, request, result, reply);
        break;
    case CODEC_META:
        meta_render(host, request, result, reply);
        break;
    case CODEC_BINARY:
        binary_render(host, request, result, reply);
        break;
    }
}

/* ---- the gate -------------------------------------------------------------------- */

static bool
needs_login(const struct session *session, const struct session_worker *worker)
{
    return worker->executor.host->auth_required && !session->login.done;
}

/* What changes the server itself, or goes on for long, is not for those whose sender can be
 * forged and who do not wait for an answer. */
static bool
is_for_connections(const struct request *request)
{
    switch ((enum operation)request->operation) {
    case OP_VERBOSITY:
    case OP_DUMP:
    case OP_ORDER:
    case OP_WATCH:
    case OP_DEBUG_TIME:
        return true;
    case OP_SAY:
    case OP_GET:
    case OP_STORE:
    case OP_DELETE:
    case OP_ARITHMETIC:
    case OP_TOUCH:
    case OP_FLUSH:
    case OP_NOOP:
    case OP_VERSION:
    case OP_STATS:
    case OP_LOGIN:
    case OP_MECHANISMS:
    case OP_QUIT:
    case OP_COUNT:
        break;
    }
    return false;
}

/* The one gate: nothing is run that has not gone through here. */
static void
pass_gate(const struct session *session, const struct session_worker *worker,
          struct request *request)
{
    if (session->over_datagrams && is_for_connections(request)) {
        request->operation = OP_SAY;
        request->text = SPAN("CLIENT_ERROR not over UDP\r\n");
    }
    if (!needs_login(session, worker) || login_may_run(request))
        return;
    if (request->codec == CODEC_BINARY)
        binary_deny(request);
    else
        login_deny(request);
}

static bool
is_full(const struct session *session, const struct session_worker *worker,
        const struct reply *reply)
{
    return reply_is_full(reply) ||
           (needs_login(session, worker) && reply->total >= LOGIN_REPLY_MAX);
}

/* ---- values that arrive ---------------------------------------------------------- */

char *
session_upload_room(struct session *session, struct session_worker *worker, size_t *room)
{
    *room = 0;
    if (session->task != TASK_ARRIVING)
        return NULL;
    return cache_upload_room(worker->executor.thread, &session->arriving->upload, room);
}

void
session_upload_fill(struct session *session, size_t bytes)
{
    cache_upload_fill(&session->arriving->upload, bytes);
}

/* Take over an upload that has begun, with what its answer needs of the input. */
static bool
arriving_begin(struct session *session, const struct request *request,
               const struct cache_upload *upload)
{
    size_t           key = request->key.bytes.length, text = request->text.length;
    struct arriving *arriving = malloc(sizeof(*arriving) + key + text);

    if (arriving == NULL)
        return false;
    arriving->request = *request;
    arriving->upload = *upload;
    memcpy(arriving->copied, request->key.bytes.at, key);
    arriving->request.key.bytes.at = arriving->copied;
    if (text > 0)
        memcpy(arriving->copied + key, request->text.at, text);
    arriving->request.text.at = arriving->copied + key;
    session->task = TASK_ARRIVING;
    session->arriving = arriving;
    return true;
}

enum taken {
    TAKEN_PART, /* the end, tail included, is not there  */
    TAKEN_ALL,
    TAKEN_NO_MORE /* there is no memory for the rest of it */
};

/* Take input into the upload. */
static enum taken
arriving_take(struct cache_thread *thread, struct arriving *arriving, struct span input,
              size_t *used)
{
    struct cache_upload *upload = &arriving->upload;
    size_t               tail = arriving->request.tail;

    while (!cache_upload_is_full(upload)) {
        size_t here = input.length - *used, room;
        char  *to;

        if (here == 0)
            return TAKEN_PART;
        to = cache_upload_room(thread, upload, &room);
        if (room == 0)
            return TAKEN_NO_MORE;
        if (here > room)
            here = room;
        memcpy(to, input.at + *used, here);
        cache_upload_fill(upload, here);
        *used += here;
    }
    if (input.length - *used < tail)
        return TAKEN_PART;
    if (memcmp(input.at + *used, "\r\n", tail) != 0)
        arriving->request.flags |= REQUEST_BAD_CHUNK;
    *used += tail;
    return TAKEN_ALL;
}

/* Store it, or skip the rest of it. */
static void
arriving_end(struct session *session, struct session_worker *worker, enum taken taken,
             struct reply *reply)
{
    struct arriving     *arriving = session->arriving;
    struct cache_upload *upload = &arriving->upload;
    struct result        result = { 0 };

    session->task = TASK_NONE;
    if (taken == TAKEN_ALL) {
        exec_commit(&worker->executor, &arriving->request, upload, &result);
    } else {
        begin_to_skip(session, upload->length - upload->filled + arriving->request.tail);
        exec_refuse(&worker->executor, &arriving->request, upload, &result);
    }
    render(worker, &arriving->request, &result, reply);
    free(arriving);
}

/* ---- batches --------------------------------------------------------------------- */

/* Requests after which the input is not to be parsed as commands right away. */
static bool
ends_batch(const struct request *request)
{
    return request->operation == OP_QUIT || request->operation == OP_DUMP ||
           request->operation == OP_WATCH || request->operation == OP_LOGIN ||
           request->flags &
               (REQUEST_ARRIVING | REQUEST_SWALLOW | REQUEST_RETRACT | REQUEST_CLOSE);
}

static enum parse_status
parse_one(const struct session *session, const struct session_worker *worker,
          const struct text_state *state, struct span input, char *key_room,
          struct request *request)
{
    if (session->protocol == SESSION_BINARY)
        return binary_parse(worker->executor.host->sasl_enabled, input, request);
    if (needs_login(session, worker))
        return login_parse(input, request);
    return text_parse(state, input, key_room, request);
}

/* Fill the batch and ask for the memory that it will touch; returns its size, and in
 * *status how the parsing ended. */
static unsigned
parse_ahead(const struct session *session, struct session_worker *worker,
            struct span input, unsigned most, enum parse_status *status)
{
    struct cache     *cache = worker->executor.cache;
    struct text_state state = session->text;
    bool              locked = needs_login(session, worker);
    unsigned          count = 0;

    *status = PARSE_MORE;
    while (count < most && input.length > 0) {
        struct request *request = &worker->batch[count];

        *status =
            parse_one(session, worker, &state, input, worker->key_room[count], request);
        if (*status != PARSE_OK)
            break;
        count++;
        if (request->key.bytes.length > 0 && !locked) {
            request->key = cache_key(cache, request->key.bytes);
            cache_prefetch_bucket(cache, &request->key);
        }
        if (ends_batch(request))
            break;
        state = text_state_after(request);
        input =
            (struct span){ input.at + request->length, input.length - request->length };
    }
    for (unsigned i = 0; count > 1 && !locked && i < count; i++) {
        if (worker->batch[i].key.bytes.length > 0)
            cache_prefetch_item(cache, &worker->batch[i].key);
    }
    return count;
}

/* Does the server end, and so the dialogue? */
static bool
has_shut_down(const struct request *request, const struct result *result)
{
    return request->operation == OP_ORDER && request->mode == ORDER_SHUTDOWN &&
           result->text.length == 0;
}

static void
run_request(struct session *session, struct session_worker *worker,
            struct request *request, struct reply *reply)
{
    struct executor    *executor = &worker->executor;
    struct cache_upload upload = { 0 };
    struct result       result;

    pass_gate(session, worker, request);
    if (request->operation == OP_DUMP) {
        session->dump = dump_begin(executor->host, executor->thread, request, reply);
        session->task = session->dump != NULL ? TASK_DUMPING : TASK_NONE;
        return;
    }
    if (request->operation == OP_WATCH) {
        begin_to_watch(session, executor->host, request, reply);
        return;
    }
    if (request->operation == OP_LOGIN)
        login_run(&session->login, executor->host, &executor->counters, request, &result);
    else
        exec_request(executor, request, &upload, &result);
    session->text = text_state_after(request);
    if (request->flags & REQUEST_ARRIVING && result.status == CACHE_OK) {
        if (arriving_begin(session, request, &upload))
            return;
        exec_refuse(executor, request, &upload, &result);
    }
    if (request->flags & (REQUEST_SWALLOW | REQUEST_ARRIVING))
        begin_to_skip(session, request->value_length + request->tail);
    render(worker, request, &result, reply);
    if (has_shut_down(request, &result))
        request->operation = OP_QUIT;
    if (needs_login(session, worker) &&
        login_note_refusal(&session->login, request, &result))
        request->flags |= REQUEST_CLOSE;
}

/* Skip and take what is not commands; false when that needs more input. */
static bool
pass_data(struct session *session, struct session_worker *worker, struct span input,
          size_t *used, struct reply *reply)
{
    if (session->task == TASK_ARRIVING) {
        enum taken taken =
            arriving_take(worker->executor.thread, session->arriving, input, used);

        if (taken == TAKEN_PART)
            return false;
        arriving_end(session, worker, taken, reply);
    }
    if (session->task == TASK_SKIPPING) {
        size_t here = input.length - *used;

        if (here > session->skip)
            here = session->skip;
        begin_to_skip(session, session->skip - here);
        *used += here;
    }
    return session->task == TASK_NONE;
}

static void
choose_protocol(struct session *session, struct span input)
{
    if (session->protocol == SESSION_AUTO && input.length > 0)
        session->protocol =
            binary_begins_with(input.at[0]) ? SESSION_BINARY : SESSION_TEXT;
}

static enum session_status
end_offended(struct session *session)
{
    session->offended = true;
    return SESSION_CLOSE;
}

enum session_status
session_run(struct session *session, struct session_worker *worker, struct span input,
            size_t *used, struct reply *reply, unsigned *budget)
{
    size_t   line_flat = reply->flat_used;
    unsigned line_count = reply->count;

    *used = 0;
    session->login.secret = needs_login(session, worker);
    choose_protocol(session, input);
    for (;;) {
        enum parse_status status;
        struct span       rest;
        unsigned          count, most;

        if (is_full(session, worker, reply))
            return SESSION_FULL;
        if (*budget == 0)
            return *used == input.length && session->task != TASK_DUMPING ? SESSION_MORE
                                                                          : SESSION_YIELD;
        if (session->task == TASK_DUMPING) {
            --*budget;
            if (!dump_step(session->dump, reply)) {
                dump_end(&session->dump);
                session->task = TASK_NONE;
            }
            if (reply->lacks_memory) /* rather that than a list with gaps */
                return SESSION_CLOSE;
            continue;
        }
        if (session->task != TASK_NONE && !pass_data(session, worker, input, used, reply))
            return SESSION_MORE;
        rest = (struct span){ input.at + *used, input.length - *used };
        most = *budget < SESSION_BATCH ? *budget : SESSION_BATCH;
        count = parse_ahead(session, worker, rest, most, &status);
        if (count == 0)
            return status == PARSE_BAD ? end_offended(session) : SESSION_MORE;
        for (unsigned i = 0; i < count; i++) {
            struct request *request = &worker->batch[i];

            if (is_full(session, worker, reply))
                return SESSION_FULL;
            if (!session->text.in_keys) {
                line_flat = reply->flat_used;
                line_count = reply->count;
            }
            if (request->flags & REQUEST_RETRACT)
                reply_retract(reply, line_flat, line_count);
            *used += request->length;
            --*budget;
            run_request(session, worker, request, reply);
            if (request->operation == OP_LOGIN || request->operation == OP_ORDER)
                *budget = 0; /* it may have taken long */
            if (request->flags & REQUEST_DROP)
                return SESSION_DROP;
            if (request->operation == OP_QUIT)
                return SESSION_CLOSE;
            if (request->flags & REQUEST_CLOSE)
                return end_offended(session);
            if (session->watches != 0)
                return SESSION_WATCH;
            if (*budget == 0)
                break;
        }
    }
}
