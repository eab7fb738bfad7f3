/* server/options_table.h - the one list of options, for the files server/options*.c.
 *
 * A row is an option of the command line, a sub-option of -o, or a line of
 * `stats settings` that no option sets. The rows that `stats settings` shows come first
 * and in its order (PROTOCOL.md section 4.4); where a row stands in -h follows from its
 * state and section.
 *
 * To add an option: a field in struct options, a row here, a paragraph in doc/larder.1,
 * a line in t/unit/test_server_options.c.
 */
#ifndef LARDER_SERVER_OPTIONS_TABLE_H
#define LARDER_SERVER_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct options;

enum option_place {
    PLACE_COMMAND_LINE, /* has a letter or a long name, or both     */
    PLACE_EXTENDED,     /* a sub-option of -o                       */
    PLACE_SETTING,      /* shown, not set                           */
};

enum option_state {
    OPTION_WORKS,
    OPTION_IGNORED,  /* accepted without effect; `help` tells why, in a note at -v    */
    OPTION_LEFT_OUT, /* the start is refused; `help` tells why it will stay so */
};

/* How text becomes a value, and the type of the field that takes it. */
enum option_type {
    TYPE_NONE,     /* no field; what `stats settings` shows is `preset` */
    TYPE_ON,       /* bool: true when said                              */
    TYPE_OFF,      /* bool: false when said                             */
    TYPE_COUNTED,  /* unsigned: how often it was said                   */
    TYPE_NUMBER,   /* unsigned                                          */
    TYPE_SIGNED,   /* int                                               */
    TYPE_OCTAL,    /* unsigned                                          */
    TYPE_BYTES,    /* uint64_t: in `unit`, or with a suffix k, m or g   */
    TYPE_RATIO,    /* double                                            */
    TYPE_CHOICE,   /* an enum: the index in `words`                     */
    TYPE_TEXT,     /* char *                                            */
    TYPE_LIST,     /* char *: what is said twice is joined by a comma   */
    TYPE_LETTER,   /* char[2]: the first character of what is said      */
    TYPE_EXTENDED, /* -o itself                                         */
    /* These are for people at a command line alone: */
    TYPE_CONFIG,
    TYPE_CHECK_CONFIG,
    TYPE_HELP,
    TYPE_LICENSE,
    TYPE_VERSION,
};

/* The headings of -h for what works. */
enum option_section {
    SECTION_NONE, /* not in -h, or under the heading of its state */
    SECTION_LISTEN,
    SECTION_CONNECTIONS,
    SECTION_TLS,
    SECTION_MEMORY,
    SECTION_CLIENTS,
    SECTION_PROCESS,
    SECTION_HELP,
};

struct option_row {
    enum option_place   place;
    enum option_state   state;
    enum option_section section;
    char                letter;    /* of the command line; 0: none                     */
    const char         *name;      /* long, or of the sub-option; NULL: none           */
    const char         *argument;  /* as -h shows it; NULL: takes none                 */
    bool                optional;  /* the argument may be left out                     */
    bool                negatable; /* no_NAME is an option too                         */
    enum option_type    type;
    size_t              offset;     /* in struct options, unless TYPE_NONE              */
    const char         *preset;     /* the default, as one would write it               */
    int64_t             min, max;   /* of numbers and (in bytes) amounts, both allowed  */
    double              above, top; /* of ratios: above < value <= top                  */
    uint64_t            unit;       /* of amounts without a suffix, in bytes            */
    const char *const  *words;      /* of a choice, up to a NULL                        */
    const char *const  *shown;      /* its words, a bool's, or that of no text, there   */
    const char         *setting;    /* the name in `stats settings`; NULL: not there    */
    const char         *changed_by; /* the command that changes it at run time, or NULL */
    bool                usage;      /* a bad value counts as bad usage: exit code 64    */
    void (*then)(struct options *o, bool on); /* what else it changes; on: not by no_   */
    const char *help;
};

const struct option_row *options_table(size_t *count);

/* The parts of server/options_show.c that options_parse() answers with. */
void options_print_help(FILE *out);
void options_print_license(FILE *out);
void options_print_version(FILE *out);

/* The value of an option, as `stats settings` writes it; in `text` where it has to be made. */
const char *options_value(const struct options *o, const struct option_row *row,
                          char *text, size_t text_bytes);
/* Let it have the value that it has in `from`; it is no text. */
void options_copy(struct options *to, const struct options *from,
                  const struct option_row *row);
/* Is it the same in both? */
bool options_agree(const struct options *a, const struct options *b,
                   const struct option_row *row);

/* "-p, --port", "-D" or "-o idle_timeout": how messages call an option. */
void options_name_row(const struct option_row *row, char *text, size_t text_bytes);

#endif
