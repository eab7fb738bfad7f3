/* protocol/tell.c - which events a request is, for watchers. See tell.h. */
#include "protocol/tell.h"

#include "slabs/decimal.h"

/* The item that the request's look-up has met. */
static struct events_item
item_found(const struct request *request, const struct result *result)
{
    const struct cache_reading *reading = &result->reading;
    bool                        read = result->status == CACHE_OK && !reading->created;

    if (request->operation != OP_GET)
        return (struct events_item){ request->key.bytes, result->cache.found,
                                     result->cache.found_class,
                                     result->cache.found_length };
    return (struct events_item){ request->key.bytes, read, read ? reading->size_class : 0,
                                 read ? reading->value_length : 0 };
}

static void
tell_get(const struct executor *executor, const struct request *request,
         const struct result *result)
{
    struct events_item item = item_found(request, result);
    char               line[EVENTS_LINE_MAX];

    if (tell_is_wanted(executor, WATCH_FETCHERS))
        executor->host->tell(executor->ring, WATCH_FETCHERS,
                             events_item_get(line, &item, executor->client));
}

static void
tell_store(const struct executor *executor, const struct events_item *item,
           const char *command, enum cache_status status, int32_t ttl_s)
{
    char line[EVENTS_LINE_MAX];

    if (tell_is_wanted(executor, WATCH_MUTATIONS))
        executor->host->tell(
            executor->ring, WATCH_MUTATIONS,
            events_item_store(line, item, command, status, ttl_s, executor->client));
}

/* What is joined, or stored as stale, keeps the time that the item had: look at it. */
static int32_t
ttl_of_store(const struct executor *executor, const struct request *request,
             const struct result *result)
{
    static const struct cache_read_how look = { .unnoticed = true };
    const struct host                 *host = executor->host;
    struct cache_reading               reading;
    int32_t                            ttl_s;
    bool keeps = request->mode == CACHE_APPEND || request->mode == CACHE_PREPEND ||
                 request->flags & REQUEST_INVALIDATE;

    if (!keeps || result->status != CACHE_OK ||
        cache_read_as(executor->thread, &request->key, &look, &reading) != CACHE_OK)
        return host->ttl_of(host->server, request->expiry);
    ttl_s = reading.ttl_s;
    cache_read_end(executor->thread, &reading);
    return ttl_s;
}

static bool
is_refused(const struct result *result)
{
    return result->status == CACHE_TOO_LARGE || result->status == CACHE_NO_MEMORY;
}

static void
tell_stored(const struct executor *executor, const struct request *request,
            const struct result *result)
{
    static const char *const names[] = { "set",    "add",     "replace",
                                         "append", "prepend", "cas" };
    struct events_item       item = { request->key.bytes, true, result->cache.size_class,
                                      request->value_length };

    if (result->status == CACHE_OK)
        item.value_length = result->cache.value_length;
    if (item.size_class == 0 || is_refused(result)) /* what it would have been of */
        item.size_class = cache_class_for(executor->cache, request->key.bytes.length,
                                          request->client_flags, request->value_length);
    tell_store(executor, &item, names[request->mode], result->status,
               ttl_of_store(executor, request, result));
}

/* What was malformed is not told of. Without memory for it nothing is looked up, but for
 * what a set must not leave behind. */
static void
tell_look_up_and_store(const struct executor *executor, const struct request *request,
                       const struct result *result)
{
    if (request->flags & REQUEST_BAD_CHUNK)
        return;
    if (!is_refused(result))
        tell_get(executor, request, result);
    tell_stored(executor, request, result);
    if (is_refused(result) && request->flags & REQUEST_OR_NOTHING)
        tell_get(executor, request, result);
}

static void
tell_count(const struct executor *executor, const struct request *request,
           const struct result *result)
{
    const struct host *host = executor->host;
    char               digits[DECIMAL_MAX];
    struct events_item item = { request->key.bytes, true, result->cache.size_class, 0 };

    if (result->status != CACHE_OK || !result->cache.created)
        return;
    item.value_length = (size_t)(decimal_write(digits, result->cache.number) - digits);
    tell_get(executor, request, result);
    /* The meta commands give it its expiry afterwards. */
    tell_store(executor, &item, "add", CACHE_OK,
               request->codec == CODEC_META
                   ? 0
                   : host->ttl_of(host->server, request->create_expiry));
}

static void
tell_delete(const struct executor *executor, const struct request *request,
            const struct result *result)
{
    struct events_item item = item_found(request, result);
    char               line[EVENTS_LINE_MAX];

    if (result->status != CACHE_OK || request->flags & REQUEST_INVALIDATE ||
        request->codec == CODEC_BINARY || !tell_is_wanted(executor, WATCH_DELETIONS))
        return;
    if (request->flags & REQUEST_EMPTY)
        item.value_length = 0;
    executor->host->tell(
        executor->ring, WATCH_DELETIONS,
        events_deleted(line, &item, request->codec == CODEC_META ? "md" : "delete"));
}

void
tell_watched_request(const struct executor *executor, const struct request *request,
                     const struct result *result)
{
    switch ((enum operation)request->operation) {
    case OP_GET:
    case OP_TOUCH:
        tell_get(executor, request, result);
        break;
    case OP_STORE:
        tell_look_up_and_store(executor, request, result);
        break;
    case OP_DELETE:
        tell_get(executor, request, result);
        tell_delete(executor, request, result);
        break;
    case OP_ARITHMETIC:
        tell_get(executor, request, result);
        tell_count(executor, request, result);
        break;
    case OP_SAY:
    case OP_FLUSH:
    case OP_NOOP:
    case OP_VERSION:
    case OP_VERBOSITY:
    case OP_STATS:
    case OP_DUMP:
    case OP_ORDER:
    case OP_WATCH:
    case OP_LOGIN:
    case OP_MECHANISMS:
    case OP_DEBUG_TIME:
    case OP_QUIT:
    case OP_COUNT:
        break;
    }
}
