/* server/options_priv.h - what the files that read options share.
 *
 * Threads: the one that calls options_parse().
 */
#ifndef LARDER_SERVER_OPTIONS_PRIV_H
#define LARDER_SERVER_OPTIONS_PRIV_H

#include "server/options.h"
#include "server/options_table.h"

enum { NAME_BYTES = 64 }; /* for an option's name in a message */

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
    unsigned           line; /* of a file */
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
    bool                     checks; /* to say whether all is good is all that is asked */
    FILE                    *out;
    FILE                    *err;
};

/* Say what is wrong, a line. */
void options_complain(const struct parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Say what the option would have taken. */
enum options_status options_bad_value(const struct parser     *p,
                                      const struct option_row *row, const char *text);
/* Give the row's field the value that `text` stands for. Where the option takes none,
 * `text` is "on" or "off". A default may lie outside of the bounds. */
enum options_status options_set_value(const struct parser     *p,
                                      const struct option_row *row, const char *text,
                                      bool is_preset);

/* The option whose name is most like this one; NULL if none is much like it. `places` has a
 * bit for each enum option_place in which to look. */
const struct option_row *options_nearest(const struct parser *p, const char *name,
                                         unsigned places);

#endif
