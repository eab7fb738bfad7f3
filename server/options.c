/* server/options.c - from argv to struct options, by the table in options_table.c.
 *
 * Every value goes through options_set_value(), defaults too. What concerns more than one
 * option is looked at once everything has been read, in finish(): all that the order of
 * options decides is which of two values for one option counts. It is the last.
 */
#include "server/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "server/listen.h"
#include "server/options_priv.h"

enum {
    LETTERS_BYTES = 256,     /* for getopt's list of letters                  */
    LISTEN_TEXT_BYTES = 256, /* for what is wrong with -l                     */
    LONG_BASE = 256,         /* getopt's value of a long option: this + row   */
    THREADS_USUAL = 64,      /* above it there is a warning                   */
    SEGMENTS_PERCENT = 80,   /* hot and warm together                         */
};

static enum options_status
set_presets(const struct parser *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        const struct option_row *row = &p->rows[i];
        enum options_status      status;

        if (row->type == TYPE_NONE || row->preset == NULL)
            continue;
        status = options_set_value(p, row, row->preset, true);
        if (status != OPTIONS_OK)
            return status;
    }
    return OPTIONS_OK;
}

/* ---- One option ------------------------------------------------------------------ */

static enum options_status
not_yet(const struct parser *p, const char *what, const char *it)
{
    options_complain(p, "%s is not there yet: %s with a later version", what, it);
    return OPTIONS_NOT_YET;
}

static enum options_status
refuse_later(const struct parser *p, const struct option_row *row)
{
    char name[NAME_BYTES], it[NAME_BYTES];

    options_name_row(row, name, sizeof(name));
    snprintf(it, sizeof(it), "%s comes", row->help);
    return not_yet(p, name, it);
}

static enum options_status
refuse_left_out(const struct parser *p, const struct option_row *row)
{
    char name[NAME_BYTES];

    options_name_row(row, name, sizeof(name));
    options_complain(p, "%s is left out on purpose: %s", name, row->help);
    return OPTIONS_BAD_VALUE;
}

/* Take what was said: `text` is NULL when nothing came with it; `on` is false for no_. */
static enum options_status
take(const struct parser *p, const struct option_row *row, const char *text, bool on)
{
    enum options_status status = OPTIONS_OK;

    if (row->state == OPTION_LATER)
        return refuse_later(p, row);
    if (row->state == OPTION_LEFT_OUT)
        return refuse_left_out(p, row);
    p->said[row - p->rows] = true;

    if (row->argument == NULL)
        status = options_set_value(p, row, on == (row->type != TYPE_OFF) ? "on" : "off",
                                   false);
    else if (text != NULL)
        status = options_set_value(p, row, text, false);
    else if (!row->optional && on)
        status = options_bad_value(p, row, "");
    if (status == OPTIONS_OK && row->then != NULL)
        row->then(p->o, on);
    return status;
}

/* ---- -o -------------------------------------------------------------------------- */

/*
 * Cut the first sub-option off *rest: its name, and its value or NULL. A value that
 * begins with a quote, or a sub-option that does as a whole, ends with the next one
 * and may hold commas. False if the quote is left open.
 */
static bool
cut_suboption(char **rest, char **name, char **value)
{
    char *at = *rest, *equals;
    char  quote = '\0';

    *name = at;
    if (*at == '\'' || *at == '"') {
        quote = *at;
        *name = ++at;
    } else {
        at += strcspn(at, "=,");
        if (*at == '=' && (at[1] == '\'' || at[1] == '"')) {
            quote = at[1];
            memmove(at + 1, at + 2, strlen(at + 2) + 1);
        }
    }
    if (quote != '\0') {
        at = strchr(at, quote);
        if (at == NULL || (at[1] != ',' && at[1] != '\0'))
            return false;
        *at++ = '\0';
    } else {
        at += strcspn(at, ",");
    }
    *rest = at;
    if (*at == ',') {
        *at = '\0';
        *rest = at + 1;
    }
    equals = strchr(*name, '=');
    *value = NULL;
    if (equals != NULL) {
        *equals = '\0';
        *value = equals + 1;
    }
    return true;
}

static const struct option_row *
find_extended(const struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].place == PLACE_EXTENDED && strcmp(p->rows[i].name, name) == 0)
            return &p->rows[i];
    }
    return NULL;
}

static enum options_status
take_suboption(const struct parser *p, const char *name, const char *value)
{
    const struct option_row *row = find_extended(p, name);
    bool                     on = true;

    if (row == NULL && strncmp(name, "no_", 3) == 0) {
        row = find_extended(p, name + 3);
        on = false;
        if (row != NULL && !row->negatable)
            row = NULL;
    }
    if (row == NULL) {
        fprintf(p->err, "Illegal suboption \"%s%s%s\"\n", name, value == NULL ? "" : "=",
                value == NULL ? "" : value);
        return OPTIONS_BAD_VALUE;
    }
    return take(p, row, on ? value : NULL, on);
}

static enum options_status
take_extended(const struct parser *p, const char *text)
{
    enum options_status status = OPTIONS_OK;
    char               *copy = strdup(text), *rest = copy, *name, *value;

    if (copy == NULL) {
        options_complain(p, "out of memory");
        return OPTIONS_NO_MEMORY;
    }
    while (status == OPTIONS_OK && *rest != '\0') {
        if (cut_suboption(&rest, &name, &value)) {
            status = take_suboption(p, name, value);
        } else {
            options_complain(p, "-o %s: a quote is not closed", text);
            status = OPTIONS_BAD_VALUE;
        }
    }
    free(copy);
    return status;
}

/* ---- The command line ------------------------------------------------------------ */

static enum options_status
take_option(const struct parser *p, const struct option_row *row, const char *text)
{
    switch (row->type) {
    case TYPE_HELP:
        options_print_help(p->out);
        return OPTIONS_DONE;
    case TYPE_LICENSE:
        options_print_license(p->out);
        return OPTIONS_DONE;
    case TYPE_VERSION:
        options_print_version(p->out);
        return OPTIONS_DONE;
    case TYPE_EXTENDED:
        return take_extended(p, text);
    default:
        return take(p, row, text, true);
    }
}

/* getopt_long()'s two lists, made from the table. `longs` has room for a row each and an
 * end. */
static void
build_lists(const struct parser *p, char letters[LETTERS_BYTES], struct option *longs)
{
    size_t used = 0;

    letters[used++] = ':'; /* tell a missing argument from an unknown letter */
    for (size_t i = 0; i < p->row_count; i++) {
        const struct option_row *row = &p->rows[i];

        if (row->place != PLACE_COMMAND_LINE)
            continue;
        letters[used++] = row->letter;
        if (row->argument != NULL)
            letters[used++] = ':';
        if (row->name != NULL)
            *longs++ = (struct option){
                .name = row->name,
                .has_arg = row->argument != NULL ? required_argument : no_argument,
                .val = LONG_BASE + (int)i,
            };
    }
    letters[used] = '\0';
    *longs = (struct option){ 0 };
}

static const struct option_row *
find_row(const struct parser *p, int value)
{
    if (value >= LONG_BASE)
        return &p->rows[value - LONG_BASE];
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].place == PLACE_COMMAND_LINE && p->rows[i].letter == value)
            return &p->rows[i];
    }
    return NULL;
}

/* getopt_long() is told to be silent; this says what it would have said. */
static enum options_status
complain_getopt(const struct parser *p, bool missing, char **argv)
{
    const struct option_row *row = find_row(p, optopt);
    const char              *word = argv[optind - 1];
    char                     name[NAME_BYTES];

    if (row == NULL && optopt != 0) {
        options_complain(p, "invalid option -- '%c'", optopt);
    } else if (row == NULL) {
        options_complain(p, "unrecognized or ambiguous option '%s'", word);
    } else {
        options_name_row(row, name, sizeof(name));
        options_complain(p, missing ? "%s needs a value" : "%s takes no value", name);
    }
    fputs("Illegal argument \"?\"\n", p->err);
    return OPTIONS_BAD_VALUE;
}

static enum options_status
read_arguments(const struct parser *p, int argc, char **argv, struct option *longs)
{
    enum options_status status = OPTIONS_OK;
    char                letters[LETTERS_BYTES];
    int                 value;

    build_lists(p, letters, longs);
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    while (status == OPTIONS_OK &&
           (value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (value == '?' || value == ':')
            status = complain_getopt(p, value == ':', argv);
        else
            status = take_option(p, find_row(p, value), optarg);
    }
    return status;
}

/* ---- All together ---------------------------------------------------------------- */

/* What memcached refuses for reasons of its own engine is refused too: a start script
 * that fails there fails here. */
static enum options_status
check_together(const struct parser *p)
{
    const struct options *o = p->o;
    const char           *wrong = NULL;

    if (o->item_bytes_max > o->memory_bytes / 2)
        wrong = "the largest item (-I) is more than half of the memory (-m)";
    else if ((1 << 20) % o->chunk_bytes_max != 0)
        wrong = "-o slab_chunk_max does not divide 1024";
    else if (o->item_bytes_max % o->chunk_bytes_max != 0)
        wrong = "the largest item (-I) is no multiple of -o slab_chunk_max";
    else if (o->lru_hot_percent + o->lru_warm_percent > SEGMENTS_PERCENT)
        wrong = "-o hot_lru_pct and warm_lru_pct together are more than 80";
    else if (o->temporary_lru && !o->lru_maintainer)
        wrong = "-o temporary_ttl needs lru_maintainer";
    else if (o->napi_ids > o->threads)
        wrong = "there are more NAPI ids (-N) than threads (-t)";
    else if (o->sasl && o->protocol == OPTIONS_PROTOCOL_ASCII)
        wrong = "SASL (-S) is for the binary protocol, which -B ascii turns off";
    else if (o->auth_file != NULL && !o->sasl && o->protocol == OPTIONS_PROTOCOL_BINARY)
        wrong = "-Y without -S is for the text protocol, which -B binary turns off";
    else if ((o->auth_file != NULL || o->sasl) && o->udp_port != 0)
        wrong = "who has to log in (-S, -Y) cannot do so by UDP (-U)";
    if (wrong == NULL)
        return OPTIONS_OK;
    options_complain(p, "%s", wrong);
    return OPTIONS_CONFLICT;
}

/* One way to log in without the other leaves one protocol. */
static void
set_protocol(const struct parser *p)
{
    struct options *o = p->o;

    if (o->sasl && o->auth_file == NULL)
        o->protocol = OPTIONS_PROTOCOL_BINARY;
    else if (o->auth_file != NULL && !o->sasl)
        o->protocol = OPTIONS_PROTOCOL_ASCII;
}

static enum options_status
set_listeners(const struct parser *p)
{
    struct options *o = p->o;

    /* Who asks for UDP alone gets TCP on the same port, as memcached does it. */
    if (o->udp_port != 0 && !p->said[find_row(p, 'p') - p->rows])
        o->tcp_port = (int)o->udp_port;
    o->threads_per_udp =
        o->listen != NULL && strchr(o->listen, ',') != NULL ? 1 : o->threads;
    if (o->listen != NULL || o->unix_path != NULL ||
        (o->tcp_port == 0 && o->udp_port == 0))
        return OPTIONS_OK;
    o->listen_is_default = true;
    o->listen = strdup("127.0.0.1,::1");
    return o->listen == NULL ? OPTIONS_NO_MEMORY : OPTIONS_OK;
}

static enum options_status
check_listeners(const struct parser *p)
{
    char               text[LISTEN_TEXT_BYTES];
    enum listen_status status = listen_check(p->o, text, sizeof(text));

    if (status == LISTEN_OK)
        return OPTIONS_OK;
    options_complain(p, "%s", text);
    return status == LISTEN_NOT_YET ? OPTIONS_NOT_YET : OPTIONS_BAD_VALUE;
}

static enum options_status
read_variable(const char *name, char **field)
{
    const char *path = getenv(name);

    if (path == NULL || *path == '\0')
        return OPTIONS_OK;
    *field = strdup(path);
    return *field == NULL ? OPTIONS_NO_MEMORY : OPTIONS_OK;
}

static enum options_status
read_environment(const struct parser *p)
{
    enum options_status status = OPTIONS_OK;

    /* A unix socket has no port, and memcached then leaves the file alone. */
    if (p->o->unix_path == NULL)
        status = read_variable("MEMCACHED_PORT_FILENAME", &p->o->port_file);
    if (status == OPTIONS_OK)
        status = read_variable("MEMCACHED_SASL_PWDB", &p->o->sasl_file);
    return status;
}

static void
note_ignored(const struct parser *p)
{
    char name[NAME_BYTES];

    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].state != OPTION_IGNORED || !p->said[i])
            continue;
        options_name_row(&p->rows[i], name, sizeof(name));
        options_complain(p, "%s has no effect: %s", name, p->rows[i].help);
    }
    if (getenv("MEMCACHED_HASH_BULK_MOVE") != NULL)
        options_complain(p, "MEMCACHED_HASH_BULK_MOVE has no effect: "
                            "the table grows by itself, without a stop");
}

static void
note_at_start(const struct parser *p)
{
    if (p->o->threads > THREADS_USUAL)
        options_complain(
            p, "warning: %u threads (-t) are more than most machines have use for",
            p->o->threads);
    if (p->o->tcp_port == 0 && p->o->udp_port == 0 && p->o->unix_path == NULL)
        options_complain(p, "warning: with -p 0 and without -s, nobody can reach it");
    if (p->o->verbosity > 0)
        note_ignored(p);
}

static enum options_status
finish(const struct parser *p)
{
    enum options_status status = check_together(p);

    if (status == OPTIONS_OK)
        set_protocol(p);
    if (status == OPTIONS_OK)
        status = set_listeners(p);
    if (status == OPTIONS_OK)
        status = check_listeners(p);
    if (status == OPTIONS_OK)
        status = read_environment(p);
    if (status == OPTIONS_OK)
        note_at_start(p);
    return status;
}

enum options_status
options_parse(struct options *o, int argc, char **argv, FILE *out, FILE *err)
{
    struct parser       p = { .o = o, .out = out, .err = err };
    struct option      *longs;
    enum options_status status = OPTIONS_NO_MEMORY;

    *o = (struct options){ 0 };
    p.rows = options_table(&p.row_count);
    p.said = calloc(p.row_count, sizeof(*p.said));
    longs = calloc(p.row_count + 1, sizeof(*longs));
    if (p.said != NULL && longs != NULL)
        status = set_presets(&p);
    if (status == OPTIONS_OK)
        status = read_arguments(&p, argc, argv, longs);
    if (status == OPTIONS_OK)
        status = finish(&p);
    free(longs);
    free(p.said);
    return status;
}

void
options_fini(struct options *o)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);

    for (size_t i = 0; i < count; i++) {
        char **field = (char **)(void *)((char *)o + rows[i].offset);

        if (rows[i].type != TYPE_TEXT && rows[i].type != TYPE_LIST)
            continue;
        free(*field);
        *field = NULL;
    }
    free(o->port_file);
    o->port_file = NULL;
    free(o->sasl_file);
    o->sasl_file = NULL;
}

int
options_exit_code(enum options_status status)
{
    switch (status) {
    case OPTIONS_OK:
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_CONFLICT:
        return 64; /* EX_USAGE */
    default:
        return 1;
    }
}
