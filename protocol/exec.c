/* protocol/exec.c - one short function for each operation. */
#include "protocol/exec.h"

#include "protocol/tell.h"

static struct class_counters *
class_counters(struct executor *executor, const struct result *result)
{
    return &executor->counters.of_class[result->cache.size_class];
}

static void
count_touch(struct executor *executor, bool hit, unsigned size_class)
{
    counter_add(&executor->counters.cmd_touch, 1);
    if (hit)
        counter_add(&executor->counters.of_class[size_class].touch_hits, 1);
    else
        counter_add(&executor->counters.touch_misses, 1);
}

/* Only the classic and the binary commands count for prefixes, a touch as a get. */
static void
count_prefix(const struct executor *executor, const struct request *request, bool hit)
{
    const struct host *host = executor->host;

    if (request->codec == CODEC_META ||
        !atomic_load_explicit(host->counts_prefixes, memory_order_relaxed))
        return;
    host->prefixes_count(
        host->server, request->key.bytes,
        request->operation == OP_TOUCH ? OP_GET : (enum operation)request->operation,
        hit);
}

/* A meta get with a new expiry is a touch if it hits, and a get if it does not. */
static void
count_get(struct executor *executor, const struct request *request,
          const struct result *result)
{
    const struct cache_reading *reading = &result->reading;
    bool                        hit = result->status == CACHE_OK;

    if (request->flags & REQUEST_DESCRIBE)
        counter_add(&executor->counters.cmd_meta, 1);
    else if (request->flags & REQUEST_TOUCH && (hit || request->codec != CODEC_META))
        count_touch(executor, hit, reading->size_class);
    else if (hit)
        counter_add(&executor->counters.get_hits[reading->size_class][reading->segment],
                    1);
    else
        counter_add(&executor->counters.get_misses, 1);
}

/* A reading that is more than that. */
static enum cache_status
read_as(const struct executor *executor, const struct request *request,
        struct cache_reading *reading)
{
    struct cache_read_how how = {
        .unnoticed = request->flags & REQUEST_UNNOTICED,
        .touches = request->flags & REQUEST_TOUCH,
        .creates = request->flags & REQUEST_CREATE,
        .touches_first = request->flags & REQUEST_TOUCH_FIRST,
        .touches_created = request->flags & REQUEST_TOUCH_LAST,
        .names_cas = request->flags & REQUEST_NAME_CAS,
        .leases = request->codec == CODEC_META &&
                  !(request->flags & (REQUEST_DESCRIBE | REQUEST_BAD_OPAQUE)),
        .refreshes = request->flags & REQUEST_REFRESH,
        .expiry = request->expiry,
        .create_expiry = request->create_expiry,
        .refresh_expiry = request->refresh_expiry,
        .new_cas = request->new_cas,
    };

    return cache_read_as(executor->thread, &request->key, &how, reading);
}

static void
exec_get(struct executor *executor, const struct request *request, struct result *result)
{
    bool plain = request->codec != CODEC_META && !(request->flags & REQUEST_TOUCH);

    result->status = plain ? cache_read(executor->thread, &request->key, &result->reading)
                           : read_as(executor, request, &result->reading);
    count_get(executor, request, result);
    count_prefix(executor, request, result->status == CACHE_OK);
}

static void
exec_touch(struct executor *executor, const struct request *request,
           struct result *result)
{
    result->status =
        cache_touch(executor->thread, &request->key, request->expiry, &result->cache);
    count_touch(executor, result->status == CACHE_OK, result->cache.size_class);
    if (request->codec == CODEC_BINARY) /* that of the classic protocol is not counted */
        count_prefix(executor, request, result->status == CACHE_OK);
}

static struct cache_store
store_of(const struct executor *executor, const struct request *request)
{
    bool create = request->flags & REQUEST_CREATE;

    return (struct cache_store){
        .mode = request->mode,
        .compares = request->flags & REQUEST_COMPARE,
        .invalidates = request->flags & REQUEST_INVALIDATE,
        .creates = create,
        .binary_key = request->flags & REQUEST_BINARY_KEY,
        .key = request->key,
        .client_flags = request->client_flags,
        .expiry = create && cache_store_joins(request->mode) ? request->create_expiry
                                                             : request->expiry,
        .cas = executor->host->cas_enabled ? request->cas : 0, /* 0 is nobody's */
        .new_cas = request->new_cas,
    };
}

static void
count_store(struct executor *executor, const struct request *request,
            const struct result *result)
{
    struct class_counters *counters = class_counters(executor, result);

    if (result->status == CACHE_NO_MEMORY)
        counter_add(&executor->counters.store_no_memory, 1);
    if (request->mode != CACHE_CAS)
        return;
    if (result->status == CACHE_OK)
        counter_add(&counters->cas_hits, 1);
    else if (result->status == CACHE_EXISTS)
        counter_add(&counters->cas_badval, 1);
    else if (result->status == CACHE_MISS)
        counter_add(&executor->counters.cas_misses, 1);
}

/* A set that cannot be done leaves nothing behind: the old value would be stale. */
static void
drop_stale(struct executor *executor, const struct request *request,
           struct result *result)
{
    struct cache_drop_how plainly = { 0 };

    result->cache = (struct cache_result){ 0 };
    if (request->flags & REQUEST_OR_NOTHING)
        (void)cache_drop(executor->thread, &request->key, &plainly, &result->cache);
}

static void
exec_store(struct executor *executor, const struct request *request,
           struct cache_upload *upload, struct result *result)
{
    struct cache_store store = store_of(executor, request);
    unsigned size_class = cache_class_for(executor->cache, request->key.bytes.length,
                                          request->client_flags, request->value_length);

    count_prefix(executor, request, false);
    if (size_class == 0) {
        result->status = CACHE_TOO_LARGE;
        counter_add(&executor->counters.store_too_large, 1);
    } else if (request->flags & REQUEST_ARRIVING) {
        result->status =
            cache_upload_begin(executor->thread, &store, request->value_length, upload);
        if (result->status == CACHE_NO_MEMORY)
            counter_add(&executor->counters.store_no_memory, 1);
    } else if (request->flags & REQUEST_BAD_CHUNK) {
        result->status = CACHE_NOT_STORED;
    } else {
        result->status =
            cache_store(executor->thread, &store, request->value, &result->cache);
        count_store(executor, request, result);
    }
    if (result->status == CACHE_TOO_LARGE || result->status == CACHE_NO_MEMORY) {
        drop_stale(executor, request, result);
        return;
    }
    if (!(request->flags & REQUEST_ARRIVING))
        counter_add(&executor->counters.of_class[size_class].cmd_set, 1);
}

/* Without ids, clients are shown 0. */
static void
blank_id(const struct executor *executor, struct result *result)
{
    if (!executor->host->cas_enabled)
        result->cache.cas = result->reading.cas = 0;
}

void
exec_refuse(struct executor *executor, const struct request *request,
            struct cache_upload *upload, struct result *result)
{
    cache_upload_abandon(executor->thread, upload);
    counter_add(&executor->counters.store_no_memory, 1);
    drop_stale(executor, request, result);
    result->status = CACHE_NO_MEMORY;
    tell_request(executor, request, result);
}

void
exec_commit(struct executor *executor, const struct request *request,
            struct cache_upload *upload, struct result *result)
{
    struct cache_store store = store_of(executor, request);
    unsigned size_class = cache_class_for(executor->cache, request->key.bytes.length,
                                          request->client_flags, request->value_length);

    *result = (struct result){ .status = CACHE_NOT_STORED };
    counter_add(&executor->counters.of_class[size_class].cmd_set, 1);
    if (request->flags & REQUEST_BAD_CHUNK) {
        cache_upload_abandon(executor->thread, upload);
        return;
    }
    result->status =
        cache_upload_commit(executor->thread, &store, upload, &result->cache);
    blank_id(executor, result);
    count_store(executor, request, result);
    tell_request(executor, request, result);
}

/* This and the next out of line, so that there is room to have exec_get() inline. */
__attribute__((noinline)) static void
exec_delete(struct executor *executor, const struct request *request,
            struct result *result)
{
    /* Without ids every item's is 0. */
    bool                  without_cas = !executor->host->cas_enabled;
    struct cache_drop_how how = {
        .compares =
            request->flags & REQUEST_COMPARE && !(without_cas && request->cas == 0),
        .invalidates = request->flags & REQUEST_INVALIDATE,
        .empties = request->flags & REQUEST_EMPTY,
        .touches = request->flags & REQUEST_TOUCH,
        .expiry = request->expiry,
        .client_flags = request->client_flags,
        .cas = without_cas ? 0 : request->cas,
        .new_cas = request->new_cas,
    };

    result->status = cache_drop(executor->thread, &request->key, &how, &result->cache);
    count_prefix(executor, request, false);
    /* An id that is another one is a miss to the meta commands alone. */
    if (result->status == CACHE_EXISTS && request->codec == CODEC_BINARY)
        return;
    if (result->status != CACHE_OK)
        counter_add(&executor->counters.delete_misses, 1);
    else if (!how.invalidates)
        counter_add(&class_counters(executor, result)->delete_hits, 1);
}

__attribute__((noinline)) static void
exec_arithmetic(struct executor *executor, const struct request *request,
                struct result *result)
{
    struct cache_count_how how = {
        .subtracts = request->flags & REQUEST_SUBTRACT,
        .compares = request->flags & REQUEST_COMPARE,
        .creates = request->flags & REQUEST_CREATE,
        .touches = request->flags & REQUEST_TOUCH,
        .touches_created = request->flags & REQUEST_TOUCH_LAST,
        .expiry = request->expiry,
        .create_expiry = request->create_expiry,
        .delta = request->delta,
        .initial = request->initial,
        .cas = executor->host->cas_enabled ? request->cas : 0,
        .new_cas = request->new_cas,
    };
    struct class_counters *hits;

    result->status =
        cache_arithmetic(executor->thread, &request->key, &how, &result->cache);
    hits = class_counters(executor, result);
    if (result->status == CACHE_OK && !result->cache.created)
        counter_add(how.subtracts ? &hits->decr_hits : &hits->incr_hits, 1);
    else if (result->status == CACHE_MISS)
        counter_add(how.subtracts ? &executor->counters.decr_misses
                                  : &executor->counters.incr_misses,
                    1);
}

static void
exec_flush(struct executor *executor, const struct request *request,
           struct result *result)
{
    result->refused = !executor->host->flush_enabled;
    /* One that is refused is counted too, but not in the binary protocol. */
    if (!result->refused || request->codec != CODEC_BINARY)
        counter_add(&executor->counters.cmd_flush, 1);
    if (!result->refused && request->text.length == 0)
        cache_flush_later(executor->thread, request->expiry);
}

void
exec_request(struct executor *executor, const struct request *request,
             struct cache_upload *upload, struct result *result)
{
    const struct host *host = executor->host;

    request_clear_bytes(result, sizeof(*result)); /* that is CACHE_OK */
    switch ((enum operation)request->operation) {
    case OP_GET:
        exec_get(executor, request, result);
        break;
    case OP_STORE:
        exec_store(executor, request, upload, result);
        break;
    case OP_DELETE:
        exec_delete(executor, request, result);
        break;
    case OP_ARITHMETIC:
        exec_arithmetic(executor, request, result);
        break;
    case OP_TOUCH:
        exec_touch(executor, request, result);
        break;
    case OP_FLUSH:
        exec_flush(executor, request, result);
        break;
    case OP_VERBOSITY:
        host->set_verbosity(host->server, (unsigned)request->expiry);
        break;
    case OP_DEBUG_TIME:
        result->refused =
            !host->debug_enabled ||
            !host->debug_time(host->server, executor->thread, request->text);
        break;
    case OP_ORDER:
        result->text = host->order(host->server, request);
        break;
    case OP_DUMP:
    case OP_LOGIN:
    case OP_MECHANISMS:
    case OP_SAY:
    case OP_NOOP:
    case OP_VERSION:
    case OP_STATS:
    case OP_QUIT:
    case OP_WATCH:
    case OP_COUNT:
        break;
    }
    blank_id(executor, result);
    /* A value that is arriving is told of when it has come. */
    if (!(request->flags & REQUEST_ARRIVING && result->status == CACHE_OK))
        tell_request(executor, request, result);
}
