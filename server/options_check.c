/* server/options_check.c - what is wrong with options together, and where that was said.
 *
 * All of it is told, not only the first: who mends a file wants to do so once. What follows
 * from a value that was refused by itself is not told again.
 */
#include "server/options_priv.h"

#include <stddef.h>

#include "server/limits.h"
#include "server/listen.h"

enum {
    LISTEN_TEXT_BYTES = 256, /* for what is wrong with -l */
    SEGMENTS_PERCENT = 80,   /* hot and warm together     */
};

/* The option that has this field of struct options, and was said. */
static const struct option_origin *
find_origin(const struct parser *p, size_t field)
{
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].type != TYPE_NONE && p->rows[i].offset == field &&
            p->origins[i].source != SOURCE_PRESET)
            return &p->origins[i];
    }
    return NULL;
}

void
options_say_of(const struct parser *p, enum options_level level, size_t first,
               size_t second, const char *text)
{
    const struct option_origin *of = find_origin(p, first),
                               *other = find_origin(p, second);
    struct parser there = *p;

    if (of == NULL ||
        (other != NULL && (other->source > of->source ||
                           (other->source == of->source && other->line > of->line))))
        of = other;
    if (of != NULL && of->source == SOURCE_FILE) {
        there.where = p->file;
        there.line = of->line;
    } else if (of != NULL && of->source == SOURCE_ENVIRONMENT) {
        there.where = OPTIONS_VARIABLE;
    }
    options_say(&there, level, "%s", text);
}

/* ---- together -------------------------------------------------------------------- */

/* What options do not go together, and the fields that make it so. */
struct conflict {
    bool        found;
    size_t      first, second;
    const char *wrong;
};

#define FIELDS(a, b) offsetof(struct options, a), offsetof(struct options, b)

/* Has this field a value that its option refused? Then it is not what was meant. */
static bool
is_bad(const struct parser *p, size_t field)
{
    const struct option_origin *origin = find_origin(p, field);

    return origin != NULL && origin->bad;
}

/* What memcached refuses for reasons of its own engine is refused too: a start script
 * that fails there fails here. */
enum options_status
options_check_together(const struct parser *p)
{
    const struct options *o = p->o;
    bool                  divides = (1 << 20) % o->chunk_bytes_max == 0;
    bool                  logs_in = o->sasl || o->auth_file != NULL;
    enum options_status   status = OPTIONS_OK;
    const struct conflict conflicts[] = {
        { o->item_bytes_max > o->memory_bytes / 2, FIELDS(memory_bytes, item_bytes_max),
          "the largest item (-I) is more than half of the memory (-m)" },
        { !divides, FIELDS(chunk_bytes_max, chunk_bytes_max),
          "-o slab_chunk_max does not divide 1024" },
        { divides && o->item_bytes_max % o->chunk_bytes_max != 0,
          FIELDS(item_bytes_max, chunk_bytes_max),
          "the largest item (-I) is no multiple of -o slab_chunk_max" },
        { o->lru_hot_percent + o->lru_warm_percent > SEGMENTS_PERCENT,
          FIELDS(lru_hot_percent, lru_warm_percent),
          "-o hot_lru_pct and warm_lru_pct together are more than 80" },
        { o->temporary_lru && !o->lru_maintainer, FIELDS(temporary_ttl_s, lru_maintainer),
          "-o temporary_ttl needs lru_maintainer" },
        { o->napi_ids > o->threads, FIELDS(napi_ids, threads),
          "there are more NAPI ids (-N) than threads (-t)" },
        { o->sasl && o->protocol == OPTIONS_PROTOCOL_ASCII, FIELDS(sasl, protocol),
          "SASL (-S) is for the binary protocol, which -B ascii turns off" },
        { logs_in && !o->sasl && o->protocol == OPTIONS_PROTOCOL_BINARY,
          FIELDS(auth_file, protocol),
          "-Y without -S is for the text protocol, which -B binary turns off" },
        { logs_in && o->udp_port != 0, FIELDS(udp_port, udp_port),
          "who has to log in (-S, -Y) cannot do so by UDP (-U)" },
        { o->tls && o->tls_chain == NULL, FIELDS(tls, tls_chain),
          "TLS (-Z) needs the server's certificate, -o ssl_chain_cert" },
        { o->tls && o->tls_verify_mode > 0 && o->tls_ca == NULL,
          FIELDS(tls_verify_mode, tls_ca), "-o ssl_verify_mode needs -o ssl_ca_cert" },
        { o->tls && !limits_leave_room_for_tls(o->conn_memory_bytes, o->threads),
          FIELDS(conn_memory_bytes, threads),
          "-o conn_mem_limit leaves a thread (-t) no room for the handshakes of TLS" },
    };

    for (size_t i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
        const struct conflict *conflict = &conflicts[i];

        if (!conflict->found || is_bad(p, conflict->first) || is_bad(p, conflict->second))
            continue;
        options_say_of(p, OPTIONS_WRONG, conflict->first, conflict->second,
                       conflict->wrong);
        status = OPTIONS_CONFLICT;
    }
    return status;
}

enum options_status
options_check_listeners(const struct parser *p)
{
    char text[LISTEN_TEXT_BYTES];

    if (listen_check(p->o, text, sizeof(text)) == LISTEN_OK)
        return OPTIONS_OK;
    options_say_of(p, OPTIONS_WRONG, offsetof(struct options, listen),
                   offsetof(struct options, unix_path), text);
    return OPTIONS_BAD_VALUE;
}
