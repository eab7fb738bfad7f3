/* server/orders.c - carrying out what administrators say. See orders.h. */
#include "server/orders.h"

#include <signal.h>
#include <unistd.h>

#include "protocol/admin.h"
#include "server/server.h"

static const struct span done = SPAN("OK\r\n");

static struct span
set_memory_limit(struct server *server, uint64_t mib)
{
    return server_set_memory_limit(server, (size_t)mib << 20)
               ? done
               : SPAN("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
}

static struct span
reassign_page(struct server *server, int64_t from, int64_t to)
{
    if (!server->options.slab_reassign)
        return SPAN("CLIENT_ERROR slab reassignment disabled\r\n");
    switch (upkeep_move(&server->upkeep, from, to)) {
    case CACHE_MOVE_SAME:
        return SPAN("SAME src and dst class are identical\r\n");
    case CACHE_MOVE_BAD_CLASS:
        return SPAN("BADCLASS invalid src or dst class id\r\n");
    case CACHE_MOVE_NO_SPARE:
        return SPAN("NOSPARE source class has no spare pages\r\n");
    case CACHE_MOVE_BUSY:
        return SPAN("BUSY currently processing reassign request\r\n");
    case CACHE_MOVE_OK:
        break;
    }
    return done;
}

static struct span
set_ratio(_Atomic double *ratio, struct span text)
{
    double number;

    if (!admin_read_fraction(text, &number))
        return SPAN("ERROR\r\n");
    atomic_store(ratio, number);
    return done;
}

static struct span
crawl(struct server *server, struct span names)
{
    bool classes[CACHE_CLASS_MAX + 1];

    if (!atomic_load(&server->upkeep.crawler.enabled))
        return SPAN("CLIENT_ERROR lru crawler disabled\r\n");
    if (span_equal(names, SPAN("hash")))
        return SPAN("ERROR an unknown error happened\r\n");
    switch (admin_read_classes(names, cache_class_count(server->cache), classes)) {
    case ADMIN_CLASSES_NONE:
        return SPAN("NOTSTARTED no items to crawl\r\n");
    case ADMIN_CLASSES_BAD:
        return SPAN("BADCLASS invalid class id\r\n");
    case ADMIN_CLASSES_OK:
        break;
    }
    if (!upkeep_crawl(&server->upkeep, classes))
        return SPAN("BUSY currently processing crawler request\r\n");
    return done;
}

static struct span
set_mode(struct server *server, bool segmented)
{
    struct cache_lru lru = cache_lru(server->cache);

    if (!server->options.lru_maintainer) /* nobody would keep the segments */
        return SPAN("ERROR\r\n");
    lru.segmented = segmented;
    cache_set_lru(server->cache, &lru);
    return done;
}

static struct span
tune(struct server *server, struct span text)
{
    struct cache_lru lru = cache_lru(server->cache);
    struct span      complaint = admin_read_tuning(text, &lru);

    if (complaint.length > 0)
        return complaint;
    cache_set_lru(server->cache, &lru);
    return done;
}

static struct span
set_temporary(struct server *server, int64_t ttl_s)
{
    struct cache_lru lru = cache_lru(server->cache);

    if (!server->options.lru_maintainer)
        return SPAN("ERROR\r\n");
    lru.temporary = ttl_s >= 0;
    if (lru.temporary)
        lru.temporary_ttl_s = (uint32_t)ttl_s;
    cache_set_lru(server->cache, &lru);
    return done;
}

static struct span
shut_down(struct server *server, struct span mode)
{
    bool gracefully = span_equal(mode, SPAN("graceful"));

    if (!server->options.shutdown_command)
        return SPAN("SERVER_ERROR: shutdown not enabled\r\n");
    if (mode.length > 0 && !gracefully)
        return SPAN("CLIENT_ERROR invalid shutdown mode\r\n");
    kill(getpid(), gracefully ? SIGUSR1 : SIGINT);
    return SPAN("");
}

/* Which file it is, and what is wrong with it, is nothing for clients. */
static struct span
reload_certificates(struct server *server)
{
    if (!server->options.tls)
        return SPAN("Error TLS not enabled\r\n");
    switch (refresh_ask(&server->refresh)) {
    case CERTIFICATES_OK:
        break;
    case CERTIFICATES_BAD_CHAIN:
        return SPAN("Error loading the certificate chain\r\n");
    case CERTIFICATES_BAD_KEY:
        return SPAN("Error loading the key\r\n");
    case CERTIFICATES_BAD_CA:
        return SPAN("Error loading the CA certificate\r\n");
    case CERTIFICATES_BAD_CIPHERS:
        return SPAN("Error setting the ciphers\r\n");
    case CERTIFICATES_NO_MEMORY:
        return SPAN("Error out of memory\r\n");
    case CERTIFICATES_STOPPING:
        return SPAN("Error the server is stopping\r\n");
    }
    return done;
}

struct span
orders_run(void *arg, const struct request *order)
{
    struct server *server = arg;

    switch ((enum order)order->mode) {
    case ORDER_MEMORY_LIMIT:
        return set_memory_limit(server, order->delta);
    case ORDER_SLABS_REASSIGN:
        return reassign_page(server, (int64_t)order->delta, (int64_t)order->initial);
    case ORDER_AUTOMOVE:
        server_set_automove(server, (unsigned)order->delta);
        return done;
    case ORDER_AUTOMOVE_RATIO:
        return set_ratio(&server->upkeep.mover.ratio, order->text);
    case ORDER_AUTOMOVE_FREE_RATIO:
        return set_ratio(&server->upkeep.mover.free_ratio, order->text);
    case ORDER_AUTOMOVE_WINDOW:
        atomic_store(&server->upkeep.mover.window_s, (unsigned)order->delta);
        return done;
    case ORDER_CRAWLER_ENABLE:
        return crawler_enable(&server->upkeep.crawler, true)
                   ? done
                   : SPAN("ERROR failed to start lru crawler thread\r\n");
    case ORDER_CRAWLER_DISABLE:
        crawler_enable(&server->upkeep.crawler, false);
        return done;
    case ORDER_CRAWLER_SLEEP:
        atomic_store(&server->upkeep.crawler.sleep_us, (uint32_t)order->delta);
        return done;
    case ORDER_CRAWLER_MOST:
        atomic_store(&server->upkeep.crawler.most, (uint32_t)order->delta);
        return done;
    case ORDER_CRAWLER_CRAWL:
        return crawl(server, order->text);
    case ORDER_LRU_TUNE:
        return tune(server, order->text);
    case ORDER_LRU_MODE:
        return set_mode(server, order->delta != 0);
    case ORDER_LRU_TEMPORARY:
        return set_temporary(server, (int64_t)order->delta);
    case ORDER_SHUTDOWN:
        return shut_down(server, order->text);
    case ORDER_RELOAD_CERTIFICATES:
        return reload_certificates(server);
    }
    return SPAN("ERROR\r\n");
}
