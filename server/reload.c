/* server/reload.c - the configuration file, read again. See reload.h. */
#include "server/reload.h"

#include <stddef.h>
#include <stdlib.h>

#include "server/options.h"
#include "server/options_table.h"
#include "server/server.h"

/* ---- what a running server can change ---------------------------------------------- */

static bool
apply_verbosity(struct server *server, const struct options *o)
{
    atomic_store(&server->verbosity, o->verbosity);
    return true;
}

static bool
apply_memory(struct server *server, const struct options *o)
{
    return server_set_memory_limit(server, o->memory_bytes);
}

static bool
apply_automove(struct server *server, const struct options *o)
{
    if (!server->options.slab_reassign)
        return false;
    server_set_automove(server, o->slab_automove);
    return true;
}

static bool
apply_automove_ratio(struct server *server, const struct options *o)
{
    atomic_store(&server->upkeep.mover.ratio, o->slab_automove_ratio);
    return true;
}

static bool
apply_crawler(struct server *server, const struct options *o)
{
    /* False is no failure: a client may have done so before. */
    crawler_enable(&server->upkeep.crawler, o->lru_crawler);
    return true;
}

static bool
apply_crawler_sleep(struct server *server, const struct options *o)
{
    atomic_store(&server->upkeep.crawler.sleep_us, o->lru_crawler_sleep_us);
    return true;
}

static bool
apply_crawler_most(struct server *server, const struct options *o)
{
    atomic_store(&server->upkeep.crawler.most, o->lru_crawler_tocrawl);
    return true;
}

static bool
apply_log_format(struct server *server, const struct options *o)
{
    atomic_store(&server->log.format, o->log_format);
    return true;
}

/* One field of struct limits from one of struct options. */
#define LIMIT(field, option)                                                             \
    static bool apply_##field(struct server *server, const struct options *o)            \
    {                                                                                    \
        atomic_store(&server->limits.field, o->option);                                  \
        return true;                                                                     \
    }

LIMIT(handshake_s, tls_handshake_s)
LIMIT(idle_s, idle_timeout_s)
LIMIT(header_s, header_timeout_s)
LIMIT(body_s, body_timeout_s)
LIMIT(write_s, write_timeout_s)

/* By the threads and listeners that there are: others need a restart. */
static bool
apply_conn_memory_bytes(struct server *server, const struct options *o)
{
    if (server->options.tls &&
        !limits_leave_room_for_tls(o->conn_memory_bytes, server->options.threads))
        return false;
    atomic_store(&server->limits.conn_memory_bytes, o->conn_memory_bytes);
    return true;
}

/* One field of struct cache_lru from one of struct options, where there are segments. */
#define LRU(field, option)                                                               \
    static bool apply_##field(struct server *server, const struct options *o)            \
    {                                                                                    \
        struct cache_lru lru = cache_lru(server->cache);                                 \
                                                                                         \
        if (!server->options.lru_maintainer)                                             \
            return false;                                                                \
        lru.field = o->option;                                                           \
        cache_set_lru(server->cache, &lru);                                              \
        return true;                                                                     \
    }

LRU(hot_percent, lru_hot_percent)
LRU(warm_percent, lru_warm_percent)
LRU(hot_factor, lru_hot_factor)
LRU(warm_factor, lru_warm_factor)
LRU(temporary, temporary_lru)
LRU(temporary_ttl_s, temporary_ttl_s)

/* Carry out what `o` says; false where that needs a restart. */
typedef bool apply_option(struct server *server, const struct options *o);

static const struct {
    size_t        offset;
    apply_option *apply;
} changeable[] = {
    { offsetof(struct options, verbosity), apply_verbosity },
    { offsetof(struct options, memory_bytes), apply_memory },
    { offsetof(struct options, slab_automove), apply_automove },
    { offsetof(struct options, slab_automove_ratio), apply_automove_ratio },
    { offsetof(struct options, lru_crawler), apply_crawler },
    { offsetof(struct options, lru_crawler_sleep_us), apply_crawler_sleep },
    { offsetof(struct options, lru_crawler_tocrawl), apply_crawler_most },
    { offsetof(struct options, lru_hot_percent), apply_hot_percent },
    { offsetof(struct options, lru_warm_percent), apply_warm_percent },
    { offsetof(struct options, lru_hot_factor), apply_hot_factor },
    { offsetof(struct options, lru_warm_factor), apply_warm_factor },
    { offsetof(struct options, temporary_lru), apply_temporary },
    { offsetof(struct options, temporary_ttl_s), apply_temporary_ttl_s },
    { offsetof(struct options, log_format), apply_log_format },
    { offsetof(struct options, tls_handshake_s), apply_handshake_s },
    { offsetof(struct options, idle_timeout_s), apply_idle_s },
    { offsetof(struct options, header_timeout_s), apply_header_s },
    { offsetof(struct options, body_timeout_s), apply_body_s },
    { offsetof(struct options, write_timeout_s), apply_write_s },
    { offsetof(struct options, conn_memory_bytes), apply_conn_memory_bytes },
};

static apply_option *
find_apply(const struct option_row *row)
{
    for (size_t i = 0; i < sizeof(changeable) / sizeof(changeable[0]); i++) {
        if (changeable[i].offset == row->offset && row->type != TYPE_NONE)
            return changeable[i].apply;
    }
    return NULL;
}

/* ---- one reading ------------------------------------------------------------------- */

/* Where there was no text, `stats settings` shows what memcached does. */
static const char *
value_in_words(const struct options *o, const struct option_row *row, char *text,
               size_t text_bytes)
{
    const char *field = (const char *)o + row->offset;

    if ((row->type == TYPE_TEXT || row->type == TYPE_LIST) &&
        *(char *const *)(const void *)field == NULL)
        return "not set";
    return options_value(o, row, text, text_bytes);
}

static void
say(struct server *server, const struct option_row *row, const struct options *was,
    const struct options *is, const char *what)
{
    char        from[512], to[512];
    const char *name = row->name != NULL ? row->name : row->setting;

    log_say(&server->log, LOG_SETTING_CHANGED, NULL, "%s: %s was %s and is %s%s",
            server->options.config_file, name,
            value_in_words(was, row, from, sizeof(from)),
            value_in_words(is, row, to, sizeof(to)), what);
}

/* What differs from the last reading is carried out. Where that cannot be, `fresh` keeps the value
 * of before: it is tried and said again each time, as long as the file says so. What no running
 * server can change is said each time that it is not what the server was started with. */
static unsigned
take_over(struct server *server, const struct options *last, struct options *fresh)
{
    static const char        restart[] = ", which needs a restart";
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    unsigned                 changes = 0;

    for (size_t i = 0; i < count; i++) {
        apply_option         *apply = find_apply(&rows[i]);
        const struct options *was = apply != NULL ? last : &server->options;
        bool                  done;

        if (apply == NULL &&
            (rows[i].place == PLACE_SETTING || rows[i].state != OPTION_WORKS))
            continue;
        if (options_agree(was, fresh, &rows[i]))
            continue;
        done = apply != NULL && apply(server, fresh);
        say(server, &rows[i], was, fresh, done ? "" : restart);
        if (apply != NULL && !done)
            options_copy(fresh, last, &rows[i]);
        changes++;
    }
    return changes;
}

/* What is said of them. The log says itself what is a warning. */
static void
hear(void *arg, enum options_level level, const char *line)
{
    static const enum log_event events[] = {
        [OPTIONS_WRONG] = LOG_SETTINGS_REFUSED,
        [OPTIONS_WARNING] = LOG_SETTINGS_WARNING,
        [OPTIONS_NOTE] = LOG_SETTINGS_NOTE,
    };
    struct server *server = arg;

    log_say(&server->log, events[level], NULL, "%s%s",
            level == OPTIONS_WRONG ? "larder: " : "", line);
}

/* Read it all; NULL if it is not good, which has been said then. */
static struct options *
read_again(struct server *server)
{
    const struct reload *reload = &server->reload;
    struct options      *fresh = calloc(1, sizeof(*fresh));

    if (fresh == NULL)
        hear(server, OPTIONS_WRONG, "out of memory");
    else if (options_parse_again(fresh, &server->options, reload->argc, reload->argv,
                                 hear, server) == OPTIONS_OK)
        return fresh;
    log_say(&server->log, LOG_SETTINGS_REFUSED, NULL,
            "%s: the old settings stay in force", server->options.config_file);
    if (fresh != NULL)
        options_fini(fresh);
    free(fresh);
    return NULL;
}

void
reload_settings(struct server *server)
{
    struct reload  *reload = &server->reload;
    struct options *fresh;
    unsigned        changes;

    if (server->options.config_file == NULL)
        return;
    fresh = read_again(server);
    if (fresh == NULL)
        return;
    changes =
        take_over(server, reload->last != NULL ? reload->last : &server->options, fresh);
    if (changes == 0)
        log_say(&server->log, LOG_SETTINGS_SAME, NULL,
                "%s was read again; nothing has changed", server->options.config_file);
    reload_fini(reload);
    reload->last = fresh;
}

void
reload_fini(struct reload *reload)
{
    if (reload->last != NULL)
        options_fini(reload->last);
    free(reload->last);
    reload->last = NULL;
}
