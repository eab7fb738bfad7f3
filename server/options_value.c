/* server/options_value.c - from text to the field of an option, or to what is wrong with it.
 */
#include "server/options_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/printable.h"

bool
options_may_go_on(enum options_status status)
{
    return status == OPTIONS_OK || status == OPTIONS_BAD_VALUE ||
           status == OPTIONS_CONFLICT;
}

enum options_status
options_first(enum options_status so_far, enum options_status next)
{
    return so_far == OPTIONS_OK || next == OPTIONS_NO_MEMORY ? next : so_far;
}

/* What is quoted may hold anything, and goes to a terminal. */
static void
print_escaped(FILE *to, const char *text)
{
    struct span rest = { text, strlen(text) };

    while (rest.length > 0) {
        size_t length = printable_length(rest);

        if (length > 0)
            fwrite(rest.at, 1, length, to);
        else
            fprintf(to, "\\x%02x", (unsigned char)*rest.at);
        length += length == 0;
        rest = (struct span){ rest.at + length, rest.length - length };
    }
}

static void print_arguments(FILE *to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void
print_arguments(FILE *to, const char *format, va_list arguments)
{
    char *text;

    if (vasprintf(&text, format, arguments) < 0) {
        fputs("out of memory", to);
        return;
    }
    print_escaped(to, text);
    free(text);
}

void
options_print(FILE *to, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_arguments(to, format, arguments);
    va_end(arguments);
}

static void
print_place(FILE *to, const struct parser *p)
{
    if (p->line > 0)
        options_print(to, "%s:%u: ", p->where, p->line);
    else if (p->where != NULL)
        options_print(to, "%s: ", p->where);
}

static void hear(const struct parser *p, enum options_level level, const char *format,
                 va_list arguments) __attribute__((format(printf, 3, 0)));

static void
hear(const struct parser *p, enum options_level level, const char *format,
     va_list arguments)
{
    char  *line = NULL;
    size_t bytes;
    FILE  *to = open_memstream(&line, &bytes);
    bool   whole = false;

    if (to != NULL) {
        print_place(to, p);
        print_arguments(to, format, arguments);
        whole = fclose(to) == 0;
    }
    p->hear(p->hear_arg, level, whole ? line : "out of memory");
    free(line);
}

void
options_say(const struct parser *p, enum options_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (p->hear != NULL) {
        hear(p, level, format, arguments);
    } else {
        fputs("larder: ", p->err);
        print_place(p->err, p);
        fputs(level == OPTIONS_WARNING ? "warning: " : "", p->err);
        print_arguments(p->err, format, arguments);
        fputc('\n', p->err);
    }
    va_end(arguments);
}

void
options_name_row(const struct option_row *row, char *text, size_t text_bytes)
{
    if (row->place == PLACE_EXTENDED)
        snprintf(text, text_bytes, "-o %s", row->name);
    else if (row->name == NULL)
        snprintf(text, text_bytes, "-%c", row->letter);
    else if (row->letter == '\0')
        snprintf(text, text_bytes, "--%s", row->name);
    else
        snprintf(text, text_bytes, "-%c, --%s", row->letter, row->name);
}

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
    options_complain(p, "%s takes one of %s, not \"%s\"", name, list, text);
}

/* Say what the option would have taken. */
enum options_status
options_bad_value(const struct parser *p, const struct option_row *row, const char *text)
{
    char      name[NAME_BYTES];
    long long min = row->min, max = row->max;

    options_name_row(row, name, sizeof(name));
    switch (row->type) {
    case TYPE_OCTAL:
        options_complain(p, "%s takes an octal number up to %llo, not \"%s\"", name, max,
                         text);
        break;
    case TYPE_BYTES:
        options_complain(
            p,
            "%s takes an amount from %lld to %lld bytes, in %s or with a suffix "
            "k, m or g, not \"%s\"",
            name, min, max,
            row->unit == 1      ? "bytes"
            : row->unit == 1024 ? "kilobytes"
                                : "megabytes",
            text);
        break;
    case TYPE_RATIO:
        options_complain(p, "%s takes a number above %g and up to %g, not \"%s\"", name,
                         row->above, row->top, text);
        break;
    case TYPE_CHOICE:
        complain_words(p, row, name, text);
        break;
    case TYPE_NUMBER:
    case TYPE_SIGNED:
        options_complain(p, "%s takes a whole number from %lld to %lld, not \"%s\"", name,
                         min, max, text);
        break;
    default:
        options_complain(p, "%s needs a value", name);
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

/* Put `text` behind what was said in the same place before, or instead of what is there. */
static enum options_status
set_text(const struct parser *p, const struct option_row *row, char **field,
         const char *text)
{
    char *value;
    int   made;

    if (*text == '\0')
        return options_bad_value(p, row, text);
    if (row->type == TYPE_LIST && *field != NULL &&
        p->origins[row - p->rows].source == p->now) {
        if (list_has(*field, text))
            return OPTIONS_OK;
        made = asprintf(&value, "%s,%s", *field, text);
    } else {
        value = strdup(text);
        made = value == NULL ? -1 : 0;
    }
    if (made < 0)
        return OPTIONS_NO_MEMORY;
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
        return options_bad_value(p, row, text);

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
        return options_bad_value(p, row, text);
    *field = value;
    return OPTIONS_OK;
}

static enum options_status
set_choice(const struct parser *p, const struct option_row *row, void *field,
           const char *text)
{
    unsigned index;

    if (!read_word(text, row->words, &index))
        return options_bad_value(p, row, text);
    memcpy(field, &index, sizeof(index)); /* whatever enum it is */
    return OPTIONS_OK;
}

/* Give the row's field the value that `text` stands for. Where the option takes none,
 * `text` is "on" or "off". */
enum options_status
options_set_value(const struct parser *p, const struct option_row *row, const char *text,
                  bool is_preset)
{
    void *field = (char *)p->o + row->offset;

    switch (row->type) {
    case TYPE_ON:
    case TYPE_OFF:
        *(bool *)field = strcmp(text, "on") == 0;
        return OPTIONS_OK;
    case TYPE_COUNTED:
        *(unsigned *)field = is_preset ? 0
                             : p->origins[row - p->rows].source == p->now
                                 ? *(unsigned *)field + 1
                                 : 1;
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
            return options_bad_value(p, row, text);
        *(char *)field = *text;
        return OPTIONS_OK;
    default:
        return OPTIONS_OK;
    }
}
