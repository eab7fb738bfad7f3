/* server/options_priv.h - what the files that read options share.
 *
 * Threads: the one that calls options_parse().
 */
#ifndef LARDER_SERVER_OPTIONS_PRIV_H
#define LARDER_SERVER_OPTIONS_PRIV_H

#include "server/options.h"
#include "server/options_table.h"

enum { NAME_BYTES = 64 }; /* for an option's name in a message */

#define OPTIONS_VARIABLE "LARDER_OPTIONS" /* of the environment */

/* Where an option was said. What comes later here overrides what comes before. */
enum option_source {
    SOURCE_PRESET,
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_COMMAND_LINE,
};

/* Where the value of an option is from. */
struct option_origin {
    enum option_source source;
    unsigned           line; /* of a file                                          */
    bool               bad;  /* what was said there was refused: it has another one */
};

/* One run of options_parse(). */
struct parser {
    struct options          *o;
    const struct option_row *rows;
    size_t                   row_count;
    char                    *program; /* argv[0]                                       */
    char                    *letters; /* for getopt_long(), like the next             */
    struct option           *longs;   /* for getopt_long()                              */
    struct option_origin    *origins; /* by row                                         */
    enum option_source       now;     /* what is being read                             */
    const char              *where;  /* what to call that in a message, NULL: not       */
    unsigned                 line;   /* of a file                                      */
    const char              *file;   /* that is to be read; NULL: none                 */
    bool                     again;  /* the server runs already                        */
    bool                     checks; /* to say whether all is good is all that is asked */
    FILE                    *out;
    FILE                    *err;
    options_hear            *hear; /* NULL: what is said goes to `err`               */
    void                    *hear_arg;
};

/* May reading go on after this? What is wrong is told, all of it, and only then is it the
 * end. */
bool options_may_go_on(enum options_status status);
/* What has come of two steps: the first that went wrong decides, but there is no way on
 * without memory. */
enum options_status options_first(enum options_status so_far, enum options_status next);

/* As fprintf(), with what cannot be shown as \xNN. */
void options_print(FILE *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Say something, a line; in the same way. */
void options_say(const struct parser *p, enum options_level level, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));
/* Say what is wrong. */
#define options_complain(p, ...) options_say((p), OPTIONS_WRONG, __VA_ARGS__)
/* Say what the option would have taken. */
enum options_status options_bad_value(const struct parser     *p,
                                      const struct option_row *row, const char *text);
/* Give the row's field the value that `text` stands for. Where the option takes none,
 * `text` is "on" or "off". A default may lie outside of the bounds. */
enum options_status options_set_value(const struct parser     *p,
                                      const struct option_row *row, const char *text,
                                      bool is_preset);

/* Say something of these two fields (offsets in struct options) together, and where the one is from
 * that was said last. */
void options_say_of(const struct parser *p, enum options_level level, size_t first,
                    size_t second, const char *text);
/* Say all that is wrong with the options together, and with where to listen. */
enum options_status options_check_together(const struct parser *p);
enum options_status options_check_listeners(const struct parser *p);
/* For --check-config: say all that the start would find wrong with the options. It becomes the user who
 * would serve, so this is the last that the process does. */
enum options_status options_inspect(const struct parser *p);

/* The option whose name is most like this one; NULL if none is much like it. `places` has a
 * bit for each enum option_place in which to look. */
const struct option_row *options_nearest(const struct parser *p, const char *name,
                                         unsigned places);

#endif
