/* protocol/dump.c - lists of items: lru_crawler metadump and mgdump, stats cachedump.
 *
 * A dump walks the table a bucket at a time and writes as much as the reply takes; then it
 * waits for the client. So no dump holds up another client, a slow reader holds nothing
 * but its place in the walk, and any number of dumps may be under way.
 *
 * A line is ended when the next one is there. So a list that is sent in parts has none that ends
 * with a line; clients (node's memcached) would take it for the whole.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/admin.h"
#include "protocol/base64.h"
#include "protocol/percent.h"
#include "protocol/text_priv.h"
#include "slabs/decimal.h"

struct dump {
    const struct host   *host;
    struct cache_thread *thread;
    struct cache_walk    walk;
    enum dump_kind       kind;
    bool                 classes[CACHE_CLASS_MAX + 1];
    bool                 in_line; /* the last line has yet to be ended */
    uint64_t             left;    /* items to list yet                 */
    struct reply        *reply;   /* of the step                       */
};

static char *
put_number(char *to, struct span name, uint64_t number)
{
    return decimal_write(span_put(to, name), number);
}

/* Unix times by the server's clock. */
static uint64_t
unix_time(const struct dump *dump, int64_t offset_s)
{
    return (uint64_t)(dump->host->unix_time(dump->host->server) + offset_s);
}

static char *
put_meta(char *to, const struct dump *dump, struct span key,
         const struct cache_reading *item)
{
    to = percent_encode(span_put(to, SPAN("key=")), key);
    to = item->ttl_s < 0 ? span_put(to, SPAN(" exp=-1"))
                         : put_number(to, SPAN(" exp="), unix_time(dump, item->ttl_s));
    to = put_number(to, SPAN(" la="), unix_time(dump, -(int64_t)item->idle_s));
    to = put_number(to, SPAN(" cas="), dump->host->cas_enabled ? item->cas : 0);
    to = span_put(to, item->fetched ? SPAN(" fetch=yes") : SPAN(" fetch=no"));
    to = put_number(to, SPAN(" cls="), item->size_class);
    to =
        put_number(to, SPAN(" size="),
                   cache_item_weight(key.length, item->client_flags, item->value_length));
    to = put_number(to, SPAN(" flags="), item->client_flags);
    return span_put(to, SPAN(" "));
}

static char *
put_get(char *to, struct span key, const struct cache_reading *item)
{
    to = span_put(to, SPAN("mg "));
    if (item->binary_key)
        return span_put(base64_encode(to, key), SPAN(" b"));
    return span_put(to, key);
}

static char *
put_cache(char *to, const struct dump *dump, struct span key,
          const struct cache_reading *item)
{
    to = span_put(span_put(to, SPAN("ITEM ")), key);
    to = put_number(to, SPAN(" ["), item->value_length);
    to = put_number(to, SPAN(" b; "), item->ttl_s < 0 ? 0 : unix_time(dump, item->ttl_s));
    return span_put(to, SPAN(" s]"));
}

enum { LINE_ROOM = PERCENT_ROOM(CACHE_KEY_MAX) + 7 * (DECIMAL_MAX + 8) + 32 };

/* What ends the last line, if nothing has yet. */
static struct span
line_end(const struct dump *dump)
{
    return !dump->in_line            ? SPAN("")
           : dump->kind == DUMP_META ? SPAN("\n")
                                     : SPAN("\r\n");
}

static void
list(void *ctx, struct span key, const struct cache_reading *item)
{
    struct dump *dump = ctx;
    char        *to;

    if (!dump->classes[item->size_class] || dump->left == 0 ||
        (dump->kind == DUMP_CACHE && item->binary_key))
        return;
    to = reply_room(dump->reply, LINE_ROOM);
    if (to == NULL)
        return;
    dump->left--;
    to = span_put(to, line_end(dump));
    dump->in_line = true;
    switch (dump->kind) {
    case DUMP_META:
        to = put_meta(to, dump, key, item);
        break;
    case DUMP_KEYS:
        to = put_get(to, key, item);
        break;
    case DUMP_CACHE:
        to = put_cache(to, dump, key, item);
        break;
    }
    reply_wrote(dump->reply, to);
}

static struct span
refusal(const struct host *host, enum dump_kind kind, bool pipelined)
{
    if (kind != DUMP_CACHE && !atomic_load(host->crawls))
        return SPAN("CLIENT_ERROR lru crawler disabled\r\n");
    if (!host->dump_enabled)
        return kind == DUMP_CACHE  ? SPAN("CLIENT_ERROR stats cachedump not allowed\r\n")
               : kind == DUMP_META ? SPAN("ERROR metadump not allowed\r\n")
                                   : SPAN("ERROR key dump not allowed\r\n");
    if (pipelined && kind == DUMP_META)
        return SPAN("ERROR cannot pipeline other commands before metadump\r\n");
    if (pipelined && kind == DUMP_KEYS)
        return SPAN("ERROR cannot pipeline other commands before mgdump\r\n");
    return SPAN("");
}

/* memcached has no more classes, so its tools ask for no more: the last one stands for all that
 * follow. */
enum { MEMCACHED_CLASSES = 63 };

static void
widen(bool classes[CACHE_CLASS_MAX + 1])
{
    for (unsigned i = MEMCACHED_CLASSES + 1; i <= CACHE_CLASS_MAX; i++)
        classes[i] |= classes[MEMCACHED_CLASSES];
}

/* The size classes that are asked for; what is wrong with them, or nothing. */
static struct span
choose_classes(struct dump *dump, const struct request *request)
{
    unsigned    count = cache_class_count(cache_of(dump->thread));
    struct span text = request->text;

    if (dump->kind == DUMP_CACHE) /* a number that was looked at; 0 and too large: none */
        count = CACHE_CLASS_MAX;
    else if (span_equal(text, SPAN("hash")))
        text = SPAN("all");
    switch (admin_read_classes(text, count, dump->classes)) {
    case ADMIN_CLASSES_OK:
        if (dump->kind == DUMP_CACHE)
            widen(dump->classes);
        return SPAN("");
    case ADMIN_CLASSES_NONE:
        return SPAN("NOTSTARTED no items to crawl\r\n");
    case ADMIN_CLASSES_BAD:
        break;
    }
    return dump->kind == DUMP_CACHE ? SPAN("") : SPAN("BADCLASS invalid class id\r\n");
}

struct dump *
dump_begin(const struct host *host, struct cache_thread *thread,
           const struct request *request, struct reply *reply)
{
    struct span  problem = refusal(host, request->mode, reply_left(reply) > 0);
    struct dump *dump = NULL;

    if (problem.length == 0) {
        dump = malloc(sizeof(*dump));
        if (dump == NULL) {
            problem = TEXT_NO_MEMORY;
        } else {
            *dump =
                (struct dump){ .host = host, .thread = thread, .kind = request->mode };
            dump->left = request->delta > 0 ? request->delta : UINT64_MAX;
            problem = choose_classes(dump, request);
        }
    }
    if (problem.length > 0) {
        dump_end(&dump);
        if (!(request->flags & REQUEST_SILENT))
            reply_say(reply, problem);
    } else if (dump->kind != DUMP_CACHE) {
        reply_say(reply, SPAN("OK\r\n"));
    }
    return dump;
}

bool
dump_step(struct dump *dump, struct reply *reply)
{
    dump->reply = reply;
    if (dump->left > 0 && cache_walk_step(dump->thread, &dump->walk, list, dump))
        return true;
    reply_say(reply, line_end(dump));
    reply_say(reply, dump->kind == DUMP_KEYS ? SPAN("EN\r\n") : SPAN("END\r\n"));
    return false;
}

void
dump_end(struct dump **dump)
{
    free(*dump);
    *dump = NULL;
}
