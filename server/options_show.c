/* server/options_show.c - the table of options as people and clients see it: -h, -i, -V
 * and `stats settings`.
 */
#include "server/options_table.h"

#include <inttypes.h>
#include <string.h>

#include "config.h"
#include "server/options.h"
#include "slabs/must.h"

enum {
    HELP_COLUMN = 30,    /* where explanations begin in -h */
    HELP_WIDTH = 80,     /* of a line of it                */
    RIGHT_BYTES = 512,   /* of an explanation              */
    LEFT_BYTES = 128,    /* of what stands before them     */
    SETTING_BYTES = 512, /* of a value that has to be made */
};

/* ---- -h, -i, -V ------------------------------------------------------------------ */

void
options_print_version(FILE *out)
{
    fputs("larder " PACKAGE_VERSION " (speaks memcached 1.6.45)\n", out);
}

/* "-p, --port=<num>", "-D <char>", "-o [no_]slab_automove[=<num>]" */
static void
left_side(const struct option_row *row, char *text, size_t text_bytes)
{
    const char *no = row->negatable ? "[no_]" : "";
    const char *argument = row->argument == NULL ? "" : row->argument;
    const char *equals = row->argument == NULL ? "" : "=";

    if (row->place == PLACE_EXTENDED)
        snprintf(text, text_bytes, row->optional ? "-o %s%s[%s%s]" : "-o %s%s%s%s", no,
                 row->name, equals, argument);
    else if (row->name == NULL)
        snprintf(text, text_bytes, "-%c %s", row->letter, argument);
    else if (row->letter == '\0')
        snprintf(text, text_bytes, "--%s%s%s", row->name, equals, argument);
    else
        snprintf(text, text_bytes, "-%c, --%s%s%s", row->letter, row->name, equals,
                 argument);
}

/* Whether -h shows the default: where it is not plain from the option. */
static bool
shows_preset(const struct option_row *row)
{
    return row->state == OPTION_WORKS && row->preset != NULL &&
           (row->argument != NULL || row->negatable);
}

/* `text` in the right column, broken between words; the left one is filled already. */
static void
print_column(FILE *out, const char *text)
{
    int column = HELP_COLUMN;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        column += fprintf(out, "%s%.*s", column > HELP_COLUMN ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void
print_row(FILE *out, const struct option_row *row)
{
    char left[LEFT_BYTES], right[RIGHT_BYTES];
    bool fits;

    left_side(row, left, sizeof(left));
    fits = strlen(left) + 3 <= HELP_COLUMN;
    fprintf(out, " %s%s%*s", left, fits ? "" : "\n",
            fits ? HELP_COLUMN - 1 - (int)strlen(left) : HELP_COLUMN, "");
    snprintf(right, sizeof(right), "%s%s%s%s%s%s", row->help,
             row->changed_by != NULL ? "; clients change it with " : "",
             row->changed_by != NULL ? row->changed_by : "",
             shows_preset(row) ? " (default: " : "", shows_preset(row) ? row->preset : "",
             shows_preset(row) ? ")" : "");
    print_column(out, right);
}

static void
print_rows(FILE *out, const char *title, enum option_state state,
           enum option_section section)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);

    fprintf(out, "\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];

        if (row->place == PLACE_SETTING || row->state != state)
            continue;
        if (state != OPTION_WORKS || row->section == section)
            print_row(out, row);
    }
}

void
options_print_help(FILE *out)
{
    options_print_version(out);
    fputs("usage: larder [option ...]\n", out);
    print_rows(out, "Where to listen:", OPTION_WORKS, SECTION_LISTEN);
    print_rows(out, "Connections:", OPTION_WORKS, SECTION_CONNECTIONS);
    print_rows(out, "TLS:", OPTION_WORKS, SECTION_TLS);
    print_rows(out, "Memory:", OPTION_WORKS, SECTION_MEMORY);
    print_rows(out, "What clients may do:", OPTION_WORKS, SECTION_CLIENTS);
    print_rows(out, "The process:", OPTION_WORKS, SECTION_PROCESS);
    print_rows(out, "Other:", OPTION_WORKS, SECTION_HELP);
    print_rows(out, "Accepted because memcached has them, without effect here:",
               OPTION_IGNORED, SECTION_NONE);
    print_rows(out,
               "Left out on purpose, larder does not start with them:", OPTION_LEFT_OUT,
               SECTION_NONE);
    fputs("\nEnvironment:\n", out);
    fprintf(out, " %-*s%s\n", HELP_COLUMN - 1, "MEMCACHED_PORT_FILENAME",
            "write the ports to this file");
    fprintf(out, " %-*s%s\n", HELP_COLUMN - 1, "MEMCACHED_SASL_PWDB",
            "passwords for -S, where -Y names no file");
    fprintf(out, " %-*s%s\n", HELP_COLUMN - 1, "LARDER_OPTIONS",
            "options; the command line overrides them");
}

void
options_print_license(FILE *out)
{
    options_print_version(out);
    fputs(
        "\n"
        "Copyright (c) 2026, the Larder authors\n"
        "All rights reserved.\n"
        "\n"
        "Redistribution and use in source and binary forms, with or without\n"
        "modification, are permitted provided that the following conditions are met:\n"
        "\n"
        "1. Redistributions of source code must retain the above copyright notice,\n"
        "   this list of conditions and the following disclaimer.\n"
        "\n"
        "2. Redistributions in binary form must reproduce the above copyright notice,\n"
        "   this list of conditions and the following disclaimer in the documentation\n"
        "   and/or other materials provided with the distribution.\n"
        "\n"
        "3. Neither the name of the copyright holder nor the names of its\n"
        "   contributors may be used to endorse or promote products derived from this\n"
        "   software without specific prior written permission.\n"
        "\n"
        "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\"\n"
        "AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE\n"
        "IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE\n"
        "ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE\n"
        "LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR\n"
        "CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF\n"
        "SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS\n"
        "INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN\n"
        "CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE)\n"
        "ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE\n"
        "POSSIBILITY OF SUCH DAMAGE.\n"
        "\n"
        "It is linked with libevent, which is under a license like this one, and with\n"
        "OpenSSL, which is under the Apache License 2.0, and holds\n"
        "code of xxHash, which is under the BSD license in two clauses.\n",
        out);
}

/* ---- stats settings -------------------------------------------------------------- */

static const char *
bool_word(const struct option_row *row, bool value)
{
    if (row->shown != NULL)
        return row->shown[value];
    return value ? "yes" : "no";
}

static const char *
choice_word(const struct option_row *row, const void *field)
{
    unsigned index;

    memcpy(&index, field, sizeof(index)); /* whatever enum it is */
    return (row->shown != NULL ? row->shown : row->words)[index];
}

const char *
options_value(const struct options *o, const struct option_row *row, char *text,
              size_t text_bytes)
{
    const void *field = (const char *)o + row->offset;

    switch (row->type) {
    case TYPE_ON:
    case TYPE_OFF:
        return bool_word(row, *(const bool *)field);
    case TYPE_COUNTED:
    case TYPE_NUMBER:
        snprintf(text, text_bytes, "%u", *(const unsigned *)field);
        return text;
    case TYPE_SIGNED:
        snprintf(text, text_bytes, "%d", *(const int *)field);
        return text;
    case TYPE_OCTAL:
        snprintf(text, text_bytes, "%o", *(const unsigned *)field);
        return text;
    case TYPE_BYTES:
        snprintf(text, text_bytes, "%" PRIu64, *(const uint64_t *)field);
        return text;
    case TYPE_RATIO:
        snprintf(text, text_bytes, "%.2f", *(const double *)field);
        return text;
    case TYPE_CHOICE:
        return choice_word(row, field);
    case TYPE_TEXT:
    case TYPE_LIST:
        if (*(char *const *)field != NULL)
            return *(char *const *)field;
        return row->shown != NULL ? row->shown[0] : "NULL";
    case TYPE_LETTER:
        return field;
    default:
        return row->preset;
    }
}

bool
options_agree(const struct options *a, const struct options *b,
              const struct option_row *row)
{
    const void *of_a = (const char *)a + row->offset;
    const void *of_b = (const char *)b + row->offset;
    const char *text_a, *text_b;

    switch (row->type) {
    case TYPE_ON:
    case TYPE_OFF:
        return *(const bool *)of_a == *(const bool *)of_b;
    case TYPE_COUNTED:
    case TYPE_NUMBER:
    case TYPE_SIGNED:
    case TYPE_OCTAL:
    case TYPE_CHOICE:
        return memcmp(of_a, of_b, sizeof(unsigned)) == 0;
    case TYPE_BYTES:
        return *(const uint64_t *)of_a == *(const uint64_t *)of_b;
    case TYPE_RATIO:
        return memcmp(of_a, of_b, sizeof(double)) == 0;
    case TYPE_TEXT:
    case TYPE_LIST:
        text_a = *(char *const *)of_a;
        text_b = *(char *const *)of_b;
        if (text_a == NULL || text_b == NULL)
            return text_a == text_b;
        return strcmp(text_a, text_b) == 0;
    case TYPE_LETTER:
        return *(const char *)of_a == *(const char *)of_b;
    default:
        return true; /* there is no value */
    }
}

/* Of the fields that are no text. */
static size_t
size_of(enum option_type type)
{
    switch (type) {
    case TYPE_ON:
    case TYPE_OFF:
        return sizeof(bool);
    case TYPE_COUNTED:
    case TYPE_NUMBER:
    case TYPE_SIGNED:
    case TYPE_OCTAL:
    case TYPE_CHOICE:
        return sizeof(unsigned);
    case TYPE_BYTES:
        return sizeof(uint64_t);
    case TYPE_RATIO:
        return sizeof(double);
    case TYPE_LETTER:
        return sizeof(((struct options *)NULL)->prefix_delimiter);
    default:
        return 0;
    }
}

void
options_copy(struct options *to, const struct options *from, const struct option_row *row)
{
    must(size_of(row->type) > 0);
    memcpy((char *)to + row->offset, (const char *)from + row->offset,
           size_of(row->type));
}

void
options_emit_settings(const struct options *o,
                      void (*emit)(void *ctx, const char *name, const char *value),
                      void *ctx)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    char                     text[SETTING_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (rows[i].setting != NULL)
            emit(ctx, rows[i].setting, options_value(o, &rows[i], text, sizeof(text)));
    }
}
