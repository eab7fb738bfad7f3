/* server/options_priv.h - what the files that read options share.
 *
 * Threads: the one that calls options_parse().
 */
#ifndef LARDER_SERVER_OPTIONS_PRIV_H
#define LARDER_SERVER_OPTIONS_PRIV_H

#include "server/options.h"
#include "server/options_table.h"

enum { NAME_BYTES = 64 }; /* for an option's name in a message */

/* One run of options_parse(). */
struct parser {
    struct options          *o;
    const struct option_row *rows;
    size_t                   row_count;
    bool                    *said; /* by row: to be noted at -v if it has no effect */
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

#endif
