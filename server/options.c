/* server/options.c - from argv to struct options, by the table in options_table.c.
 *
 * Every value goes through set_value(), defaults too. What concerns more than one option
 * is looked at once everything has been read, in finish(): all that the order of options
 * decides is which of two values for one option counts. It is the last.
 */
#include "server/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/listen.h"
#include "server/options_table.h"

enum {
    NAME_BYTES = 64,         /* for an option's name in a message             */
    LETTERS_BYTES = 256,     /* for getopt's list of letters                  */
    LISTEN_TEXT_BYTES = 256, /* for what is wrong with -l                     */
    LONG_BASE = 256,         /* getopt's value of a long option: this + row   */
    THREADS_USUAL = 64,      /* above it there is a warning                   */
    SEGMENTS_PERCENT = 80,   /* hot and warm together                         */
};

/* One run of options_parse(). */
struct parser {
    struct options          *o;
    const struct option_row *rows;
    size_t                   row_count;
    bool                    *said; /* by row: to be noted at -v if it has no effect */
    FILE                    *out;
    FILE                    *err;
};

static void complain(const struct parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(const struct parser *p, const char *format, ...)
{
    va_list arguments;

    fputs("larder: ", p->err);
    va_start(arguments, format);
    vfprintf(p->err, format, arguments);
    va_end(arguments);
    fputc('\n', p->err);
}

void
options_name_row(const struct option_row *row, char *text, size_t text_bytes)
{
    if (row->place == PLACE_EXTENDED)
        snprintf(text, text_bytes, "-o %s", row->name);
    else if (row->name == NULL)
        snprintf(text, text_bytes, "-%c", row->letter);
    else
        snprintf(text, text_bytes, "-%c, --%s", row->letter, row->name);
}

/* ---- Values ---------------------------------------------------------------------- */

/* Digits up to anything else; *end is where they stop. False if there are none, or more
 * than the type holds. */
static bool
read_digits(const char *text, unsigned base, uint64_t *value, const char **end)
{
    *value = 0;
    for (*end = text; **end >= '0' && **end < (char)('0' + base); (*end)++) {
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)(**end - '0'), value))
            return false;
    }
    return *end > text;
}

static bool
read_integer(const char *text, unsigned base, int64_t *value)
{
    bool        negative = *text == '-';
    uint64_t    magnitude;
    const char *end;

    if (!read_digits(text + negative, base, &magnitude, &end) || *end != '\0' ||
        magnitude > INT64_MAX)
        return false;
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* A number of `unit`s, or with a suffix of KiB, MiB or GiB. */
static bool
read_bytes(const char *text, uint64_t unit, int64_t *value)
{
    uint64_t    count, bytes;
    const char *end;

    if (!read_digits(text, 10, &count, &end))
        return false;
    switch (*end) {
    case '\0':
        break;
    case 'k':
    case 'K':
        unit = UINT64_C(1) << 10;
        break;
    case 'm':
    case 'M':
        unit = UINT64_C(1) << 20;
        break;
    case 'g':
    case 'G':
        unit = UINT64_C(1) << 30;
        break;
    default:
        return false;
    }
    if (*end != '\0' && end[1] != '\0')
        return false;
    if (__builtin_mul_overflow(count, unit, &bytes) || bytes > INT64_MAX)
        return false;
    *value = (int64_t)bytes;
    return true;
}

static bool
read_ratio(const char *text, double *value)
{
    char *end;

    if (*text == '\0' || strspn(text, "0123456789.eE+-") != strlen(text))
        return false; /* strtod() knows more than we want to: nan, inf, 0x */
    *value = strtod(text, &end);
    return *end == '\0';
}

static bool
read_word(const char *text, const char *const *words, unsigned *index)
{
    for (*index = 0; words[*index] != NULL; (*index)++) {
        if (strcmp(words[*index], text) == 0)
            return true;
    }
    return false;
}

static void
complain_words(const struct parser *p, const struct option_row *row, const char *name,
               const char *text)
{
    char   list[128];
    size_t used = 0;

    list[0] = '\0';
    for (size_t i = 0; row->words[i] != NULL && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
                                 i == 0 ? "" : ", ", row->words[i]);
    complain(p, "%s takes one of %s, not \"%s\"", name, list, text);
}

/* Say what the option would have taken. */
static enum options_status
bad_value(const struct parser *p, const struct option_row *row, const char *text)
{
    char      name[NAME_BYTES];
    long long min = row->min, max = row->max;

    options_name_row(row, name, sizeof(name));
    switch (row->type) {
    case TYPE_OCTAL:
        complain(p, "%s takes an octal number up to %llo, not \"%s\"", name, max, text);
        break;
    case TYPE_BYTES:
        complain(p,
                 "%s takes an amount from %lld to %lld bytes, in %s or with a suffix "
                 "k, m or g, not \"%s\"",
                 name, min, max,
                 row->unit == 1      ? "bytes"
                 : row->unit == 1024 ? "kilobytes"
                                     : "megabytes",
                 text);
        break;
    case TYPE_RATIO:
        complain(p, "%s takes a number above %g and up to %g, not \"%s\"", name,
                 row->above, row->top, text);
        break;
    case TYPE_CHOICE:
        complain_words(p, row, name, text);
        break;
    case TYPE_NUMBER:
    case TYPE_SIGNED:
        complain(p, "%s takes a whole number from %lld to %lld, not \"%s\"", name, min,
                 max, text);
        break;
    default:
        complain(p, "%s needs a value", name);
        break;
    }
    return row->usage ? OPTIONS_CONFLICT : OPTIONS_BAD_VALUE;
}

static bool
list_has(const char *list, const char *element)
{
    size_t length = strlen(element);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, element, length) == 0 &&
            (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* Put `text` behind what is there, or in its place. */
static enum options_status
set_text(const struct parser *p, const struct option_row *row, char **field,
         const char *text)
{
    char *value;
    int   made;

    if (*text == '\0')
        return bad_value(p, row, text);
    if (row->type == TYPE_LIST && *field != NULL) {
        if (list_has(*field, text))
            return OPTIONS_OK;
        made = asprintf(&value, "%s,%s", *field, text);
    } else {
        value = strdup(text);
        made = value == NULL ? -1 : 0;
    }
    if (made < 0) {
        complain(p, "out of memory");
        return OPTIONS_NO_MEMORY;
    }
    free(*field);
    *field = value;
    return OPTIONS_OK;
}

static enum options_status
set_whole(const struct parser *p, const struct option_row *row, void *field,
          const char *text, bool is_preset)
{
    int64_t value;
    bool    good;

    if (row->type == TYPE_BYTES)
        good = read_bytes(text, row->unit, &value);
    else
        good = read_integer(text, row->type == TYPE_OCTAL ? 8 : 10, &value);
    /* A default may lie outside: 0 for what is off as long as nobody says it. */
    if (!good || (!is_preset && (value < row->min || value > row->max)))
        return bad_value(p, row, text);

    if (row->type == TYPE_BYTES)
        *(uint64_t *)field = (uint64_t)value;
    else if (row->type == TYPE_SIGNED)
        *(int *)field = (int)value;
    else
        *(unsigned *)field = (unsigned)value;
    return OPTIONS_OK;
}

static enum options_status
set_ratio(const struct parser *p, const struct option_row *row, double *field,
          const char *text)
{
    double value;

    if (!read_ratio(text, &value) || value <= row->above || value > row->top)
        return bad_value(p, row, text);
    *field = value;
    return OPTIONS_OK;
}

static enum options_status
set_choice(const struct parser *p, const struct option_row *row, void *field,
           const char *text)
{
    unsigned index;

    if (!read_word(text, row->words, &index))
        return bad_value(p, row, text);
    memcpy(field, &index, sizeof(index)); /* whatever enum it is */
    return OPTIONS_OK;
}

/* Give the row's field the value that `text` stands for. Where the option takes none,
 * `text` is "on" or "off". */
static enum options_status
set_value(const struct parser *p, const struct option_row *row, const char *text,
          bool is_preset)
{
    void *field = (char *)p->o + row->offset;

    switch (row->type) {
    case TYPE_ON:
    case TYPE_OFF:
        *(bool *)field = strcmp(text, "on") == 0;
        return OPTIONS_OK;
    case TYPE_COUNTED:
        *(unsigned *)field = is_preset ? 0 : *(unsigned *)field + 1;
        return OPTIONS_OK;
    case TYPE_NUMBER:
    case TYPE_SIGNED:
    case TYPE_OCTAL:
    case TYPE_BYTES:
        return set_whole(p, row, field, text, is_preset);
    case TYPE_RATIO:
        return set_ratio(p, row, field, text);
    case TYPE_CHOICE:
        return set_choice(p, row, field, text);
    case TYPE_TEXT:
    case TYPE_LIST:
        return set_text(p, row, field, text);
    case TYPE_LETTER:
        if (*text == '\0')
            return bad_value(p, row, text);
        *(char *)field = *text;
        return OPTIONS_OK;
    default:
        return OPTIONS_OK;
    }
}

static enum options_status
set_presets(const struct parser *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        const struct option_row *row = &p->rows[i];
        enum options_status      status;

        if (row->type == TYPE_NONE || row->preset == NULL)
            continue;
        status = set_value(p, row, row->preset, true);
        if (status != OPTIONS_OK)
            return status;
    }
    return OPTIONS_OK;
}

/* ---- One option ------------------------------------------------------------------ */

static enum options_status
not_yet(const struct parser *p, const char *what, const char *it)
{
    complain(p, "%s is not there yet: %s with a later version", what, it);
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
    complain(p, "%s is left out on purpose: %s", name, row->help);
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
        status = set_value(p, row, on == (row->type != TYPE_OFF) ? "on" : "off", false);
    else if (text != NULL)
        status = set_value(p, row, text, false);
    else if (!row->optional && on)
        status = bad_value(p, row, "");
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
        complain(p, "out of memory");
        return OPTIONS_NO_MEMORY;
    }
    while (status == OPTIONS_OK && *rest != '\0') {
        if (cut_suboption(&rest, &name, &value)) {
            status = take_suboption(p, name, value);
        } else {
            complain(p, "-o %s: a quote is not closed", text);
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
        complain(p, "invalid option -- '%c'", optopt);
    } else if (row == NULL) {
        complain(p, "unrecognized or ambiguous option '%s'", word);
    } else {
        options_name_row(row, name, sizeof(name));
        complain(p, missing ? "%s needs a value" : "%s takes no value", name);
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
    complain(p, "%s", wrong);
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
    complain(p, "%s", text);
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
        complain(p, "%s has no effect: %s", name, p->rows[i].help);
    }
    if (getenv("MEMCACHED_HASH_BULK_MOVE") != NULL)
        complain(p, "MEMCACHED_HASH_BULK_MOVE has no effect: "
                    "the table grows by itself, without a stop");
}

static void
note_at_start(const struct parser *p)
{
    if (p->o->threads > THREADS_USUAL)
        complain(p, "warning: %u threads (-t) are more than most machines have use for",
                 p->o->threads);
    if (p->o->tcp_port == 0 && p->o->udp_port == 0 && p->o->unix_path == NULL)
        complain(p, "warning: with -p 0 and without -s, nobody can reach it");
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
