/* bench/larder-bench/options.c - see options.h.
 *
 * A row of the table is an option: how it is called, where its value goes, and what --help says
 * of it. What concerns more than one is looked at in check_together().
 */
#include "bench/larder-bench/options.h"

#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/keys.h"
#include "config.h"

enum {
    SECONDS_USUAL = 10,
    ROUNDS_USUAL = 5,
    DEPTH_MOST = 100000,
    LONG_BASE = 256, /* getopt's value of an option: this + its row */
};

enum option_kind {
    KIND_HEADING,
    KIND_FLAG,   /* bool */
    KIND_TEXT,   /* const char * */
    KIND_COUNT,  /* uint64_t, from least to most; may end with k, m or g */
    KIND_NUMBER, /* double, the same */
    KIND_OTHER,  /* its own function */
};

struct option_row {
    enum option_kind kind;
    char             letter; /* 0: none */
    const char      *name, *argument, *help;
    size_t           offset; /* into struct plan */
    double           least, most;
    const char      *expected; /* of KIND_OTHER: what it is, where it is wrong */
    bool (*take)(const char *text, struct plan *plan);
};

_Noreturn void
options_refuse(const char *format, ...)
{
    va_list arguments;

    fputs("larder-bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nlarder-bench --help lists the options\n", stderr);
    exit(2);
}

/* ---- values with a form of their own ---------------------------------------------- */

bool
options_parse_address(const char *text, struct address *address)
{
    const char   *colon = strrchr(text, ':'), *host = text;
    char         *rest;
    unsigned long port;
    size_t        length;

    if (strchr(text, '/') != NULL) {
        address->path = text;
        return true;
    }
    if (colon == NULL || !isdigit((unsigned char)colon[1]))
        return false;
    port = strtoul(colon + 1, &rest, 10);
    length = (size_t)(colon - host);
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    if (*rest != '\0' || port == 0 || port > UINT16_MAX || length == 0 ||
        length >= sizeof(address->host))
        return false;
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    address->port = (uint16_t)port;
    address->path = NULL;
    return true;
}

static bool
take_server(const char *text, struct plan *plan)
{
    return options_parse_address(text, &plan->address);
}

static bool
take_protocol(const char *text, struct plan *plan)
{
    plan->protocol = protocol_find(text);
    return plan->protocol != NULL;
}

static bool
take_mix(const char *text, struct plan *plan)
{
    return op_mix_parse(text, &plan->mix);
}

static bool
take_pick(const char *text, struct plan *plan)
{
    return pick_parse(text, &plan->pick);
}

static bool
take_size(const char *text, struct plan *plan)
{
    return sizes_parse(text, &plan->sizes);
}

static bool
take_trace(const char *text, struct plan *plan)
{
    trace_fini(&plan->trace);
    trace_read(text, &plan->trace);
    return true;
}

static bool
take_arrivals(const char *text, struct plan *plan)
{
    plan->poisson = strcmp(text, "poisson") == 0;
    return plan->poisson || strcmp(text, "even") == 0;
}

static bool
take_patience(const char *text, struct plan *plan)
{
    char         *rest;
    unsigned long seconds = strtoul(text, &rest, 10);

    plan->address.patience_s = (unsigned)seconds;
    return isdigit((unsigned char)*text) && *rest == '\0' && seconds >= 1 &&
           seconds <= 86400;
}

static bool
take_vs(const char *text, struct plan *plan)
{
    if (plan->server_count == PLAN_SERVERS_MOST)
        return false;
    plan->servers[plan->server_count++] = text;
    return *text != '\0';
}

/* ---- the table -------------------------------------------------------------------- */

#define HEADING(text)                                                                    \
    {                                                                                    \
        .kind = KIND_HEADING, .help = text                                               \
    }
#define FLAG(key, field, text)                                                           \
    {                                                                                    \
        .kind = KIND_FLAG, .name = key, .offset = offsetof(struct plan, field),          \
        .help = text                                                                     \
    }
#define TEXT(key, argument_name, field, text)                                            \
    {                                                                                    \
        .kind = KIND_TEXT, .name = key, .argument = argument_name,                       \
        .offset = offsetof(struct plan, field), .help = text                             \
    }
#define COUNT(short_name, key, field, from, to, text)                                    \
    {                                                                                    \
        .kind = KIND_COUNT, .letter = short_name, .name = key, .argument = "N",          \
        .offset = offsetof(struct plan, field), .least = from, .most = to, .help = text  \
    }
#define NUMBER(short_name, key, argument_name, field, to, text)                          \
    {                                                                                    \
        .kind = KIND_NUMBER, .letter = short_name, .name = key,                          \
        .argument = argument_name, .offset = offsetof(struct plan, field), .least = 0,   \
        .most = to, .help = text                                                         \
    }
#define OTHER(short_name, key, argument_name, function, form, text)                      \
    {                                                                                    \
        .kind = KIND_OTHER, .letter = short_name, .name = key,                           \
        .argument = argument_name, .take = function, .expected = form, .help = text      \
    }

/* clang-format off */
static const struct option_row rows[] = {
    HEADING("The server:"),
    OTHER('s', "server", "ADDRESS", take_server, "host:port or the path of a socket",
          "host:port, or the path of a unix socket (127.0.0.1:11211)"),
    OTHER('p', "protocol", "NAME", take_protocol, "text, meta, binary or resp",
          "text, meta, binary, or resp for Redis (text)"),
    FLAG("tls", address.tls, "over TLS"),
    TEXT("tls-ca", "FILE", address.tls_ca, "who must have signed the server's certificate (anybody)"),
    TEXT("tls-cert", "FILE", address.tls_cert, "our certificate (none)"),
    TEXT("tls-key", "FILE", address.tls_key, "and its key"),
    COUNT(0, "pid", pid, 1, 1 << 30, "whose CPU time is told (the process that listens there)"),
    OTHER(0, "patience", "SECONDS", take_patience, "a number of seconds from 1 to 86400",
          "so long an answer may take, or the run has failed (10)"),

    HEADING("What it is asked:"),
    OTHER('m', "mix", "OP[:WEIGHT],...", take_mix, "a list of get, mget, set, cas, incr, delete",
          "of get, mget, set, cas, incr, delete: get:90,set:10 (get)"),
    OTHER(0, "trace", "FILE", take_trace, "a file",
          "recorded requests instead, a line each: OP KEY [SIZE]"),
    COUNT('k', "keys", keys, 1, 1e10, "how many keys there are (100k)"),
    COUNT(0, "key-size", key_bytes, 4, KEY_MOST, "bytes of a key (20)"),
    OTHER(0, "pick", "HOW", take_pick, "uniform, zipf[:THETA], hot:KEYS:SHARE or sequential",
          "uniform, zipf[:THETA], hot:KEYS%:SHARE% or sequential (zipf:0.99)"),
    OTHER('z', "size", "HOW", take_size,
          "BYTES, uniform:LOW:HIGH, lognormal:MEDIAN:SIGMA, list:BYTESxWEIGHT,... or twitter",
          "of values: BYTES, uniform:LOW:HIGH, lognormal:MEDIAN:SIGMA,\n"
          "list:BYTESxWEIGHT,... or twitter (100)"),
    COUNT(0, "keys-per-mget", keys_at_once, 1, KEYS_MOST, "keys in a request of mget (50)"),
    FLAG("no-fill", no_fill, "do not set all keys first"),
    FLAG("refill", refill, "set what get does not find"),
    FLAG("no-verify", no_verify, "do not compare values with what was set"),
    COUNT(0, "seed", seed, 0, 1e15, "of chance (1)"),

    HEADING("By whom, and how long:"),
    COUNT('c', "connections", connections, 1, 1e6, "of all threads (50)"),
    COUNT('t', "threads", threads, 1, 1024, "that ask (1)"),
    COUNT('d', "depth", depth, 1, DEPTH_MOST, "requests under way on a connection (1)"),
    NUMBER('r', "rate", "N", rate, 1e9, "operations a second: open loop (0: closed loop)"),
    OTHER(0, "arrivals", "HOW", take_arrivals, "even or poisson",
          "in an open loop: even or poisson (even)"),
    NUMBER('S', "seconds", "N", seconds, 1e7, "how long (10, unless -n or --trace says it)"),
    COUNT('n', "operations", operations, 1, 1e15, "or how many"),
    NUMBER(0, "warmup", "SECONDS", warmup_s, 1e7, "the same before, without being measured (0)"),

    HEADING("Servers side by side:"),
    OTHER(0, "vs", "NAME=COMMAND", take_vs, "one of at most 8 servers",
          "one of them, started with %P for a port or %S for a unix socket, and\n"
          "anew each time; or NAME=@ADDRESS for one that runs"),
    COUNT(0, "rounds", rounds, 1, 1000, "in each of which they take turns (5; 1 without --vs)"),
    TEXT("server-cpus", "LIST", server_cpus, "on which they run (any)"),
    TEXT("load-cpus", "LIST", load_cpus, "on which larder-bench runs (any)"),

    HEADING("What is told:"),
    FLAG("json", json, "all figures as JSON instead of a table"),
    TEXT("svg", "FILE", svg, "a picture as well"),
    TEXT("title", "TEXT", title, "what is written over it (the mix)"),
};
/* clang-format on */

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct plan usual = {
    .address = { .host = "127.0.0.1", .port = 11211, .patience_s = 10 },
    .protocol = &protocol_text,
    .keys = 100000,
    .key_bytes = 20,
    .keys_at_once = 50,
    .connections = 50,
    .threads = 1,
    .depth = 1,
    .seed = 1,
};

/* ---- reading ---------------------------------------------------------------------- */

/* "0.5", "100", "100k", "2.5m"; false if it is none, or out of range. */
static bool
read_number(const struct option_row *row, const char *text, double *number)
{
    static const char suffixes[] = "kmg";
    const char       *suffix;
    char             *rest;

    *number = strtod(text, &rest);
    if (rest == text)
        return false;
    suffix = *rest != '\0' ? strchr(suffixes, *rest) : NULL;
    for (const char *at = suffixes; suffix != NULL && at <= suffix; at++)
        *number *= 1000;
    rest += suffix != NULL;
    return *rest == '\0' && *number >= row->least && *number <= row->most;
}

/* The same of things, of which there are no parts. */
static bool
read_count(const struct option_row *row, const char *text, uint64_t *count)
{
    double number;

    if (!read_number(row, text, &number))
        return false;
    *count = (uint64_t)number;
    return (double)*count == number;
}

static void
take(const struct option_row *row, const char *text, struct plan *plan)
{
    void *field = (char *)plan + row->offset;
    bool  good = true;

    switch (row->kind) {
    case KIND_FLAG:
        *(bool *)field = true;
        break;
    case KIND_TEXT:
        *(const char **)field = text;
        good = *text != '\0';
        break;
    case KIND_COUNT:
        good = read_count(row, text, field);
        break;
    case KIND_NUMBER:
        good = read_number(row, text, field);
        break;
    default:
        good = row->take(text, plan);
        break;
    }
    if (good)
        return;
    if (row->kind == KIND_OTHER)
        options_refuse("--%s: '%s' is not %s", row->name, text, row->expected);
    if (row->kind == KIND_TEXT)
        options_refuse("--%s is empty", row->name);
    options_refuse("--%s: '%s' is no number from %.15g to %.15g", row->name, text,
                   row->least, row->most);
}

/* ---- help ------------------------------------------------------------------------- */

/* "  -k, --keys=N              how many keys there are (100k)", and the lines that follow. */
static void
show_row(const struct option_row *row)
{
    enum { COLUMN = 30 };
    char        letter[] = { '-', row->letter, ',', '\0' };
    const char *help = row->help;
    int width = printf("  %3s --%s%s%s", row->letter != 0 ? letter : "", row->name,
                       row->argument != NULL ? "=" : "",
                       row->argument != NULL ? row->argument : "");

    for (; help != NULL; help = *help != '\0' ? help + 1 : NULL) {
        size_t length = strcspn(help, "\n");

        printf("%*s%.*s\n", width < COLUMN ? COLUMN - width : 1, "", (int)length, help);
        help += length;
        width = 0;
    }
}

static void
show_help(void)
{
    printf("usage: larder-bench [OPTION]...\n\n"
           "Asks a cache server, checks every byte of what it answers, and tells how "
           "long that\n"
           "took. In brackets: what is taken if nothing is said. larder-bench(1) tells "
           "more.\n");
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].kind == KIND_HEADING)
            printf("\n%s\n", rows[i].help);
        else
            show_row(&rows[i]);
    }
    printf("\n  -h, --help%*sthis text\n  -V, --version%*sits version\n", 18, "", 15, "");
}

/* ---- what concerns several of them ------------------------------------------------ */

static bool
asks_for(const struct plan *plan, enum op op)
{
    for (size_t i = 0; i < plan->trace.count; i++) {
        if (plan->trace.entries[i].op == op)
            return true;
    }
    return plan->trace.count == 0 && op_mix_has(&plan->mix, op);
}

static bool
is_said(const bool said[ROWS], const char *name)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].name != NULL && strcmp(rows[i].name, name) == 0)
            return said[i];
    }
    return false;
}

static void
check_together(const struct plan *plan, const bool said[ROWS])
{
    static const char *const not_with_trace[] = { "mix", "keys", "key-size", "pick",
                                                  NULL };

    if (plan->threads > plan->connections)
        options_refuse("--threads: each needs a connection: there are %" PRIu64
                       " for %" PRIu64 " threads",
                       plan->connections, plan->threads);
    for (unsigned i = 0; plan->trace.count > 0 && not_with_trace[i] != NULL; i++) {
        if (is_said(said, not_with_trace[i]))
            options_refuse("--trace does not go together with --%s", not_with_trace[i]);
    }
    if (plan->key_bytes < keys_least_bytes(plan->keys))
        options_refuse("--key-size: %" PRIu64 " keys need %u bytes", plan->keys,
                       keys_least_bytes(plan->keys));
    if (!plan->protocol->has_cas && asks_for(plan, OP_CAS))
        options_refuse("--protocol: %s has no cas", plan->protocol->name);
    if ((plan->address.tls_cert == NULL) != (plan->address.tls_key == NULL))
        options_refuse("--tls-cert and --tls-key go together");
    if (plan->server_count > 0 && plan->pid != 0)
        options_refuse("--pid does not go together with --vs");
    if (plan->server_count == 0 && plan->server_cpus != NULL)
        options_refuse("--server-cpus is for servers of --vs");
    if (plan->server_count > 0 && is_said(said, "server"))
        options_refuse("--server does not go together with --vs: use --vs NAME=@ADDRESS");
}

/* What is taken where nothing was said and it depends on others. */
static void
complete(struct plan *plan)
{
    if (plan->trace.count > 0) {
        plan->no_fill = true;
        plan->keys_at_once = 1;
    }
    if (plan->address.tls_ca != NULL || plan->address.tls_cert != NULL)
        plan->address.tls = true;
    if (plan->seconds == 0 && plan->operations == 0) {
        plan->operations = plan->trace.count;
        plan->seconds = plan->trace.count > 0 ? 0 : SECONDS_USUAL;
    }
    if (plan->rounds == 0)
        plan->rounds = plan->server_count > 0 ? ROUNDS_USUAL : 1;
    pick_prepare(&plan->pick, plan->keys);
}

/* ---- getopt ----------------------------------------------------------------------- */

static void
fill_getopt(struct option longs[ROWS + 3], char letters[2 * ROWS + 4])
{
    unsigned count = 0;

    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].kind == KIND_HEADING)
            continue;
        longs[count++] = (struct option){ rows[i].name, rows[i].argument != NULL, NULL,
                                          LONG_BASE + (int)i };
        if (rows[i].letter != 0) {
            *letters++ = rows[i].letter;
            *letters++ = ':';
        }
    }
    longs[count++] = (struct option){ "help", no_argument, NULL, 'h' };
    longs[count++] = (struct option){ "version", no_argument, NULL, 'V' };
    longs[count] = (struct option){ 0 };
    memcpy(letters, "hV", 3);
}

/* The row of what getopt has found. */
static unsigned
row_of(int found)
{
    unsigned i = 0;

    if (found >= LONG_BASE)
        return (unsigned)(found - LONG_BASE);
    while (rows[i].letter != found)
        i++;
    return i;
}

void
options_parse(int argc, char **argv, struct plan *plan)
{
    struct option longs[ROWS + 3];
    char          letters[2 * ROWS + 4];
    bool          said[ROWS] = { false };
    int           found;

    *plan = usual;
    op_mix_parse("get", &plan->mix);
    pick_parse("zipf", &plan->pick);
    sizes_parse("100", &plan->sizes);
    fill_getopt(longs, letters);
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        switch (found) {
        case 'h':
            show_help();
            exit(0);
        case 'V':
            printf("larder-bench %s\n", PACKAGE_VERSION);
            exit(0);
        case '?':
            fputs("larder-bench --help lists the options\n", stderr);
            exit(2);
        default:
            take(&rows[row_of(found)], optarg, plan);
            said[row_of(found)] = true;
        }
    }
    if (optind < argc)
        options_refuse("'%s' is no option", argv[optind]);
    check_together(plan, said);
    complete(plan);
}
