/* server/options.c - from a file, the environment and argv to struct options, by the table
 * in options_table.c.
 *
 * Every value goes through options_set_value(), defaults too. What concerns more than one
 * option is looked at once everything has been read, in finish(): all that the order of
 * options decides is which of two values for one option counts. It is the last; and what
 * the command line says counts before the environment, and that before a file.
 */
#include "server/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "server/listen.h"
#include "server/options_file.h"
#include "server/options_priv.h"
#include "server/process.h"

enum {
    LETTERS_BYTES = 256,     /* for getopt's list of letters                  */
    LISTEN_TEXT_BYTES = 256, /* for what is wrong with -l                     */
    LONG_BASE = 256,         /* getopt's value of a long option: this + row   */
    FILE_WORDS = 16,         /* of options in a line of a file                */
    VARIABLE_WORDS = 256,    /* of LARDER_OPTIONS                             */
    THREADS_USUAL = 64,      /* above it there is a warning                   */
    SEGMENTS_PERCENT = 80,   /* hot and warm together                         */
};

static const char usual_file[] = "/etc/larder/larder.conf";
static const char variable[] = "LARDER_OPTIONS";

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

    if (row->state == OPTION_LEFT_OUT)
        return refuse_left_out(p, row);
    if (row->argument == NULL)
        status = options_set_value(p, row, on == (row->type != TYPE_OFF) ? "on" : "off",
                                   false);
    else if (text != NULL)
        status = options_set_value(p, row, text, false);
    else if (!row->optional && on)
        status = options_bad_value(p, row, "");
    p->origins[row - p->rows] = (struct option_origin){ p->now, p->line };
    if (status == OPTIONS_OK && row->then != NULL && (on || row->negatable))
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
        row = options_nearest(p, name, 1u << PLACE_EXTENDED);
        fprintf(p->err, "Illegal suboption \"%s%s%s\"\n", name, value == NULL ? "" : "=",
                value == NULL ? "" : value);
        if (row != NULL)
            options_complain(p, "did you mean -o %s?", row->name);
        return OPTIONS_BAD_VALUE;
    }
    return take(p, row, on ? value : NULL, on);
}

static enum options_status
take_extended(const struct parser *p, const char *text)
{
    enum options_status status = OPTIONS_OK;
    char               *copy = strdup(text), *rest = copy, *name, *value;

    if (copy == NULL)
        return OPTIONS_NO_MEMORY;
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

/* What makes sense on the command line alone. */
static bool
is_for_people(const struct option_row *row)
{
    return row->type >= TYPE_CONFIG;
}

static enum options_status
take_option(const struct parser *p, const struct option_row *row, const char *text)
{
    if (is_for_people(row) && p->now != SOURCE_COMMAND_LINE) {
        options_complain(p, "--%s is for the command line alone", row->name);
        return OPTIONS_BAD_VALUE;
    }
    switch (row->type) {
    case TYPE_CONFIG:
    case TYPE_CHECK_CONFIG:
        return OPTIONS_OK; /* find_file() has seen them */
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

/* getopt_long()'s two lists, made from the table. */
static void
build_lists(const struct parser *p)
{
    struct option *longs = p->longs;
    char          *letters = p->letters;
    size_t         used = 0;

    letters[used++] = ':'; /* tell a missing argument from an unknown letter */
    for (size_t i = 0; i < p->row_count; i++) {
        const struct option_row *row = &p->rows[i];

        if (row->place != PLACE_COMMAND_LINE)
            continue;
        if (row->letter != '\0')
            letters[used++] = row->letter;
        if (row->letter != '\0' && row->argument != NULL)
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
        if (p->rows[i].place == PLACE_COMMAND_LINE && value != 0 &&
            p->rows[i].letter == value)
            return &p->rows[i];
    }
    return NULL;
}

/* An option of the command line that is much like this word of it, NULL: none. */
static const struct option_row *
nearest_to(const struct parser *p, const char *word)
{
    char name[NAME_BYTES];

    word += strspn(word, "-");
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    return options_nearest(p, name, 1u << PLACE_COMMAND_LINE);
}

/* getopt_long() is told to be silent; this says what it would have said. */
static enum options_status
complain_getopt(const struct parser *p, bool missing, char **argv)
{
    const struct option_row *row = find_row(p, optopt);
    const char              *word = argv[optind - 1];
    const struct option_row *nearest = nearest_to(p, word);
    char                     name[NAME_BYTES];

    if (row == NULL && optopt != 0) {
        options_complain(p, "invalid option -- '%c'", optopt);
    } else if (row == NULL && nearest != NULL) {
        options_complain(p, "unrecognized or ambiguous option '%s'; did you mean --%s?",
                         word, nearest->name);
    } else if (row == NULL) {
        options_complain(p, "unrecognized or ambiguous option '%s'", word);
    } else {
        options_name_row(row, name, sizeof(name));
        options_complain(p, missing ? "%s needs a value" : "%s takes no value", name);
    }
    fputs("Illegal argument \"?\"\n", p->err);
    return OPTIONS_BAD_VALUE;
}

/* Begin to read words with next_argument(). */
static void
begin_arguments(void)
{
    opterr = 0;
    optind = 0; /* glibc: start afresh */
}

static int
next_argument(const struct parser *p, int argc, char **argv)
{
    return getopt_long(argc, argv, p->letters, p->longs, NULL);
}

static enum options_status
read_arguments(const struct parser *p, int argc, char **argv)
{
    enum options_status status = OPTIONS_OK;
    int                 value;

    begin_arguments();
    while (status == OPTIONS_OK && (value = next_argument(p, argc, argv)) != -1) {
        if (value == '?' || value == ':')
            status = complain_getopt(p, value == ':', argv);
        else
            status = take_option(p, find_row(p, value), optarg);
    }
    return status;
}

/* See whether a file is to be read, and whether that is all. What is wrong with the rest
 * shows when it is read. */
static void
find_file(struct parser *p, int argc, char **argv)
{
    int value;

    begin_arguments();
    while ((value = next_argument(p, argc, argv)) != -1) {
        const struct option_row *row = value == ':' ? NULL : find_row(p, value);

        if (row != NULL && row->type == TYPE_CONFIG)
            p->file = optarg;
        if (row != NULL && row->type == TYPE_CHECK_CONFIG)
            p->checks = true;
    }
    if (p->checks && p->file == NULL)
        p->file = usual_file;
}

/* ---- A file, and the environment ------------------------------------------------- */

/* Options as on the command line; `words` has the first one in [1]. */
static enum options_status
read_words(const struct parser *p, int count, char **words)
{
    enum options_status status;

    words[0] = p->program;
    words[count + 1] = NULL;
    status = read_arguments(p, count + 1, words);
    if (status == OPTIONS_OK && optind <= count) {
        options_complain(p, "\"%s\" is no option", words[optind]);
        return OPTIONS_BAD_VALUE;
    }
    return status;
}

static bool
is_called(const char *name, const char *row_name)
{
    for (; *name != '\0' && *row_name != '\0'; name++, row_name++) {
        if ((*name == '_' ? '-' : *name) != (*row_name == '_' ? '-' : *row_name))
            return false;
    }
    return *name == *row_name;
}

/* The option that a file calls so: by its long name, or the name of a sub-option. */
static const struct option_row *
find_named(const struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].place != PLACE_SETTING && p->rows[i].name != NULL &&
            is_called(name, p->rows[i].name))
            return &p->rows[i];
    }
    return NULL;
}

static bool
read_switch(const char *text, bool *on)
{
    static const char *const words[] = { "no", "yes", "off", "on", "false", "true" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *on = i % 2;
            return true;
        }
    }
    return false;
}

/* Take an option that is on or off. */
static enum options_status
take_switch(const struct parser *p, const struct option_row *row, const char *value)
{
    bool on = true;

    if (value == NULL || read_switch(value, &on))
        return take(p, row, NULL, on);
    options_complain(p, "%s is on or off, not \"%s\"", row->name, value);
    return OPTIONS_BAD_VALUE;
}

/* Take an option that counts how often it was said. */
static enum options_status
take_counted(const struct parser *p, const struct option_row *row, const char *value)
{
    enum options_status status = OPTIONS_OK;

    if (value != NULL && (value[0] < '0' || value[0] > '9' || value[1] != '\0')) {
        options_complain(p, "%s takes a number from 0 to 9, not \"%s\"", row->name,
                         value);
        return OPTIONS_BAD_VALUE;
    }
    for (int i = value == NULL ? 1 : value[0] - '0'; i > 0 && status == OPTIONS_OK; i--)
        status = take(p, row, NULL, true);
    return status;
}

static enum options_status
refuse_unknown(const struct parser *p, const char *name)
{
    const struct option_row *row =
        options_nearest(p, name, 1u << PLACE_COMMAND_LINE | 1u << PLACE_EXTENDED);

    if (row != NULL)
        options_complain(p, "unknown option \"%s\"; did you mean \"%s\"?", name,
                         row->name);
    else
        options_complain(p, "unknown option \"%s\"", name);
    return OPTIONS_BAD_VALUE;
}

static enum options_status
take_setting(const struct parser *p, const char *name, const char *value)
{
    const struct option_row *row = find_named(p, name);
    bool                     on = true;

    if (row == NULL && (strncmp(name, "no_", 3) == 0 || strncmp(name, "no-", 3) == 0)) {
        row = find_named(p, name + 3);
        if (row != NULL && row->negatable && value == NULL)
            return take(p, row, NULL, false);
        row = NULL;
    }
    if (row == NULL)
        return refuse_unknown(p, name);
    if (is_for_people(row) || row->type == TYPE_EXTENDED)
        return take_option(p, row, value != NULL ? value : "");
    if (row->type == TYPE_COUNTED)
        return take_counted(p, row, value);
    if (row->argument == NULL)
        return take_switch(p, row, value);
    if (row->negatable && value != NULL && read_switch(value, &on))
        return take(p, row, NULL, on);
    return take(p, row, value, true);
}

static enum options_status
take_line(const struct parser *p, char *line, size_t length)
{
    char       *words[FILE_WORDS + 2], *name, *value;
    const char *wrong;
    int         count;

    if (strlen(line) != length) {
        options_complain(p, "a character of code 0");
        return OPTIONS_BAD_VALUE;
    }
    switch (options_take_line(line, &name, &value, &wrong)) {
    case OPTIONS_LINE_EMPTY:
        return OPTIONS_OK;
    case OPTIONS_LINE_SETTING:
        return take_setting(p, name, value);
    case OPTIONS_LINE_WORDS:
        count = options_split(name, words + 1, FILE_WORDS);
        if (count >= 0)
            return read_words(p, count, words);
        options_complain(p, "a quote is not closed, or these are too many words");
        return OPTIONS_BAD_VALUE;
    case OPTIONS_LINE_BAD:
        break;
    }
    options_complain(p, "%s", wrong);
    return OPTIONS_BAD_VALUE;
}

static enum options_status
read_lines(struct parser *p, FILE *file)
{
    enum options_status status = OPTIONS_OK;
    char               *line = NULL;
    size_t              room = 0;
    ssize_t             length;

    for (p->line = 1; status == OPTIONS_OK; p->line++) {
        errno = 0;
        length = getline(&line, &room, file);
        if (length < 0)
            break;
        status = take_line(p, line, (size_t)length);
    }
    p->line = 0;
    if (status == OPTIONS_OK && !feof(file)) {
        options_complain(p, "%s", strerror(errno));
        status = OPTIONS_BAD_VALUE;
    }
    free(line);
    return status;
}

static enum options_status
read_file(struct parser *p)
{
    enum options_status status;
    FILE               *file;

    if (p->file == NULL)
        return OPTIONS_OK;
    p->now = SOURCE_FILE;
    p->where = p->file;
    file = fopen(p->file, "re");
    if (file == NULL) {
        options_complain(p, "%s", strerror(errno));
        return OPTIONS_BAD_VALUE;
    }
    status = read_lines(p, file);
    fclose(file);
    return status;
}

static enum options_status
read_variable_options(struct parser *p)
{
    const char         *text = getenv(variable);
    char               *copy, *words[VARIABLE_WORDS + 2];
    int                 count;
    enum options_status status = OPTIONS_BAD_VALUE;

    if (text == NULL)
        return OPTIONS_OK;
    p->now = SOURCE_ENVIRONMENT;
    p->where = variable;
    copy = strdup(text);
    if (copy == NULL)
        return OPTIONS_NO_MEMORY;
    count = options_split(copy, words + 1, VARIABLE_WORDS);
    if (count < 0)
        options_complain(p, "a quote is not closed, or these are too many words");
    else
        status = read_words(p, count, words);
    free(copy);
    return status;
}

static enum options_status
read_command_line(struct parser *p, int argc, char **argv)
{
    p->now = SOURCE_COMMAND_LINE;
    p->where = NULL;
    return read_arguments(p, argc, argv);
}

/* ---- All together ---------------------------------------------------------------- */

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

/* Say what is wrong with these two fields together, and where the one is from that was said
 * last. */
static void
complain_of(const struct parser *p, size_t first, size_t second, const char *wrong)
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
        there.where = variable;
    }
    options_complain(&there, "%s", wrong);
}

/* What options do not go together, and the fields that make it so. */
struct conflict {
    const char *wrong;
    size_t      first, second;
};

#define CONFLICT(a, b, text)                                                             \
    ((struct conflict){ (text), offsetof(struct options, a),                             \
                        offsetof(struct options, b) })

/* What memcached refuses for reasons of its own engine is refused too: a start script
 * that fails there fails here. */
static enum options_status
check_together(const struct parser *p)
{
    const struct options *o = p->o;
    struct conflict       found = { 0 };

    if (o->item_bytes_max > o->memory_bytes / 2)
        found = CONFLICT(memory_bytes, item_bytes_max,
                         "the largest item (-I) is more than half of the memory (-m)");
    else if ((1 << 20) % o->chunk_bytes_max != 0)
        found = CONFLICT(chunk_bytes_max, chunk_bytes_max,
                         "-o slab_chunk_max does not divide 1024");
    else if (o->item_bytes_max % o->chunk_bytes_max != 0)
        found = CONFLICT(item_bytes_max, chunk_bytes_max,
                         "the largest item (-I) is no multiple of -o slab_chunk_max");
    else if (o->lru_hot_percent + o->lru_warm_percent > SEGMENTS_PERCENT)
        found = CONFLICT(lru_hot_percent, lru_warm_percent,
                         "-o hot_lru_pct and warm_lru_pct together are more than 80");
    else if (o->temporary_lru && !o->lru_maintainer)
        found = CONFLICT(temporary_ttl_s, lru_maintainer,
                         "-o temporary_ttl needs lru_maintainer");
    else if (o->napi_ids > o->threads)
        found =
            CONFLICT(napi_ids, threads, "there are more NAPI ids (-N) than threads (-t)");
    else if (o->sasl && o->protocol == OPTIONS_PROTOCOL_ASCII)
        found =
            CONFLICT(sasl, protocol,
                     "SASL (-S) is for the binary protocol, which -B ascii turns off");
    else if (o->auth_file != NULL && !o->sasl && o->protocol == OPTIONS_PROTOCOL_BINARY)
        found =
            CONFLICT(auth_file, protocol,
                     "-Y without -S is for the text protocol, which -B binary turns off");
    else if ((o->auth_file != NULL || o->sasl) && o->udp_port != 0)
        found = CONFLICT(udp_port, udp_port,
                         "who has to log in (-S, -Y) cannot do so by UDP (-U)");
    else if (o->tls && o->tls_chain == NULL)
        found = CONFLICT(tls, tls,
                         "TLS (-Z) needs the server's certificate, -o ssl_chain_cert");
    else if (o->tls && o->tls_verify_mode > 0 && o->tls_ca == NULL)
        found = CONFLICT(tls_verify_mode, tls, "-o ssl_verify_mode needs -o ssl_ca_cert");
    if (found.wrong == NULL)
        return OPTIONS_OK;
    complain_of(p, found.first, found.second, found.wrong);
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
    if (o->udp_port != 0 &&
        p->origins[find_row(p, 'p') - p->rows].source == SOURCE_PRESET)
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
    char text[LISTEN_TEXT_BYTES];

    if (listen_check(p->o, text, sizeof(text)) == LISTEN_OK)
        return OPTIONS_OK;
    complain_of(p, offsetof(struct options, listen), offsetof(struct options, unix_path),
                text);
    return OPTIONS_BAD_VALUE;
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
        if (p->rows[i].state != OPTION_IGNORED || p->origins[i].source == SOURCE_PRESET)
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

/* Where the file is found after a chdir(), too. */
static enum options_status
keep_file(const struct parser *p)
{
    if (p->file == NULL)
        return OPTIONS_OK;
    p->o->config_file = process_full_path(p->file);
    return p->o->config_file != NULL ? OPTIONS_OK : OPTIONS_NO_MEMORY;
}

/* All sources, in the order in which one overrides another. */
static enum options_status
read_all(struct parser *p, int argc, char **argv)
{
    enum options_status status = set_presets(p);

    build_lists(p);
    if (p->file == NULL)
        find_file(p, argc, argv);
    if (status == OPTIONS_OK)
        status = keep_file(p);
    if (status == OPTIONS_OK)
        status = read_file(p);
    if (status == OPTIONS_OK)
        status = read_variable_options(p);
    if (status == OPTIONS_OK)
        status = read_command_line(p, argc, argv);
    if (status == OPTIONS_OK)
        status = finish(p);
    if (status != OPTIONS_OK || !p->checks)
        return status;
    fprintf(p->out, "%s: good\n", p->file);
    return OPTIONS_DONE;
}

static enum options_status
run_parser(struct parser *p, int argc, char **argv)
{
    enum options_status status = OPTIONS_NO_MEMORY;

    *p->o = (struct options){ 0 };
    p->program = argv[0];
    p->rows = options_table(&p->row_count);
    p->origins = calloc(p->row_count, sizeof(*p->origins));
    p->letters = calloc(1, LETTERS_BYTES);
    p->longs = calloc(p->row_count + 1, sizeof(*p->longs));
    if (p->origins != NULL && p->letters != NULL && p->longs != NULL)
        status = read_all(p, argc, argv);
    if (status == OPTIONS_NO_MEMORY)
        options_complain(p, "out of memory");
    free(p->longs);
    free(p->letters);
    free(p->origins);
    return status;
}

enum options_status
options_parse(struct options *o, int argc, char **argv, FILE *out, FILE *err)
{
    struct parser p = { .o = o, .out = out, .err = err };

    return run_parser(&p, argc, argv);
}

enum options_status
options_parse_again(struct options *o, const struct options *before, int argc,
                    char **argv, FILE *err)
{
    struct parser p = { .o = o, .file = before->config_file, .out = err, .err = err };

    return run_parser(&p, argc, argv);
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
    free(o->config_file);
    o->config_file = NULL;
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
