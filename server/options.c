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
#include <sys/stat.h>
#include <unistd.h>

#include "server/options_file.h"
#include "server/options_priv.h"
#include "server/process.h"

enum {
    LETTERS_BYTES = 256,  /* for getopt's list of letters                  */
    LONG_BASE = 256,      /* getopt's value of a long option: this + row   */
    FILE_WORDS = 16,      /* of options in a line of a file                */
    VARIABLE_WORDS = 256, /* of LARDER_OPTIONS                             */
    THREADS_USUAL = 64,   /* above it there is a warning                   */
};

static const char usual_file[] = "/etc/larder/larder.conf";

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
    p->origins[row - p->rows] =
        (struct option_origin){ p->now, p->line, status != OPTIONS_OK };
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

/* On the command line in the words that scripts know from memcached; elsewhere it has to be said
 * where that is. */
static enum options_status
refuse_suboption(const struct parser *p, const char *name, const char *value)
{
    const struct option_row *row = options_nearest(p, name, 1u << PLACE_EXTENDED);

    if (p->now == SOURCE_COMMAND_LINE) {
        options_print(p->err, "Illegal suboption \"%s%s%s\"", name,
                      value == NULL ? "" : "=", value == NULL ? "" : value);
        fputc('\n', p->err);
        if (row != NULL)
            options_complain(p, "did you mean -o %s?", row->name);
    } else if (row != NULL) {
        options_complain(p, "unknown option \"-o %s\"; did you mean \"-o %s\"?", name,
                         row->name);
    } else {
        options_complain(p, "unknown option \"-o %s\"", name);
    }
    return OPTIONS_BAD_VALUE;
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
    if (row == NULL)
        return refuse_suboption(p, name, value);
    return take(p, row, on ? value : NULL, on);
}

static enum options_status
take_extended(const struct parser *p, const char *text)
{
    enum options_status status = OPTIONS_OK;
    char               *copy = strdup(text), *rest = copy, *name, *value;

    if (copy == NULL)
        return OPTIONS_NO_MEMORY;
    while (options_may_go_on(status) && *rest != '\0') {
        if (!cut_suboption(&rest, &name, &value)) {
            options_complain(p, "-o %s: a quote is not closed", text);
            status = options_first(status, OPTIONS_BAD_VALUE);
            break;
        }
        status = options_first(status, take_suboption(p, name, value));
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
    if (p->now == SOURCE_COMMAND_LINE)
        fputs("Illegal argument \"?\"\n", p->err); /* memcached's words */
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
    while (options_may_go_on(status) && (value = next_argument(p, argc, argv)) != -1) {
        enum options_status one;

        if (value == '?' || value == ':')
            one = complain_getopt(p, value == ':', argv);
        else
            one = take_option(p, find_row(p, value), optarg);
        status = options_first(status, one);
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

/* Some editors put a byte order mark before the first line, which nobody sees. */
static size_t
mark_length(const char *line)
{
    static const char mark[] = "\xef\xbb\xbf";

    return strncmp(line, mark, sizeof(mark) - 1) == 0 ? sizeof(mark) - 1 : 0;
}

static enum options_status
read_lines(struct parser *p, FILE *file)
{
    enum options_status status = OPTIONS_OK;
    char               *line = NULL;
    size_t              room = 0, begin;
    ssize_t             length;

    for (p->line = 1; options_may_go_on(status); p->line++) {
        errno = 0;
        length = getline(&line, &room, file);
        if (length < 0)
            break;
        begin = p->line == 1 ? mark_length(line) : 0;
        status =
            options_first(status, take_line(p, line + begin, (size_t)length - begin));
    }
    p->line = 0;
    if (options_may_go_on(status) && !feof(file)) {
        options_complain(p, "%s", strerror(errno));
        status = options_first(status, OPTIONS_BAD_VALUE);
    }
    free(line);
    return status;
}

/* Who can write to the file decides what the server does, and for whom. */
static void
warn_of_writers(const struct parser *p, int fd)
{
    struct stat about;

    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return;
    if (about.st_mode & S_IWOTH)
        options_say(p, OPTIONS_WARNING, "everybody can write to this file");
    else if (about.st_mode & S_IWGRP && about.st_gid != 0)
        options_say(p, OPTIONS_WARNING, "a group can write to this file");
    else if (about.st_uid != 0 && about.st_uid != geteuid())
        options_say(p, OPTIONS_WARNING, "this file belongs to another user");
}

static enum options_status
open_file(struct parser *p, FILE **file)
{
    struct stat about;

    *file = NULL;
    if (p->file == NULL)
        return OPTIONS_OK;
    p->now = SOURCE_FILE;
    p->where = p->file;
    if (p->again && stat(p->file, &about) == 0 && !S_ISREG(about.st_mode)) {
        options_complain(p,
                         "it is not a regular file"); /* it might keep a server waiting */
        return OPTIONS_BAD_VALUE;
    }
    *file = fopen(p->file, "re");
    if (*file == NULL) {
        options_complain(p, "%s", strerror(errno));
        return OPTIONS_BAD_VALUE;
    }
    warn_of_writers(p, fileno(*file));
    return OPTIONS_OK;
}

static enum options_status
read_variable_options(struct parser *p)
{
    const char         *text = getenv(OPTIONS_VARIABLE);
    char               *copy, *words[VARIABLE_WORDS + 2];
    int                 count;
    enum options_status status = OPTIONS_BAD_VALUE;

    if (text == NULL)
        return OPTIONS_OK;
    p->now = SOURCE_ENVIRONMENT;
    p->where = OPTIONS_VARIABLE;
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
        options_say(p, OPTIONS_NOTE, "%s has no effect: %s", name, p->rows[i].help);
    }
    if (getenv("MEMCACHED_HASH_BULK_MOVE") != NULL)
        options_say(p, OPTIONS_NOTE,
                    "MEMCACHED_HASH_BULK_MOVE has no effect: "
                    "the table grows by itself, without a stop");
}

static void
note_at_start(const struct parser *p)
{
    if (p->o->threads > THREADS_USUAL)
        options_say(p, OPTIONS_WARNING,
                    "%u threads (-t) are more than most machines have use for",
                    p->o->threads);
    if (p->o->tcp_port == 0 && p->o->udp_port == 0 && p->o->unix_path == NULL)
        options_say(p, OPTIONS_WARNING, "with -p 0 and without -s, nobody can reach it");
    if (p->o->verbosity > 0)
        note_ignored(p);
}

static enum options_status
finish(const struct parser *p)
{
    enum options_status status = set_listeners(p);

    if (status != OPTIONS_OK)
        return status;
    status = options_check_together(p);
    set_protocol(p);
    status = options_first(status, options_check_listeners(p));
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
read_sources(struct parser *p, int argc, char **argv)
{
    FILE               *file;
    enum options_status status = open_file(p, &file);

    if (status != OPTIONS_OK)
        return status; /* without it nothing can be said of the rest */
    if (file != NULL) {
        status = read_lines(p, file);
        fclose(file);
    }
    if (options_may_go_on(status))
        status = options_first(status, read_variable_options(p));
    if (options_may_go_on(status))
        status = options_first(status, read_command_line(p, argc, argv));
    if (options_may_go_on(status))
        status = options_first(status, finish(p));
    return status;
}

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
        status = read_sources(p, argc, argv);
    if (status == OPTIONS_OK && p->checks)
        status = options_inspect(p);
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
                    char **argv, options_hear *hear, void *arg)
{
    struct parser p = { .o = o,
                        .file = before->config_file,
                        .again = true,
                        .out = stderr,
                        .err = stderr,
                        .hear = hear,
                        .hear_arg = arg };

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
