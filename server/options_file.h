/* server/options_file.h - configuration files, line by line.
 *
 *     # a comment
 *     memory-limit = 1024          a setting
 *     listen = "127.0.0.1,::1"     quotes keep blanks and #
 *     disable-cas                  a setting without a value
 *     -c 4096                      options, as on the command line
 *
 * Nothing here knows which options there are.
 */
#ifndef LARDER_SERVER_OPTIONS_FILE_H
#define LARDER_SERVER_OPTIONS_FILE_H

#include <stddef.h>

enum options_line {
    OPTIONS_LINE_EMPTY,
    OPTIONS_LINE_SETTING, /* *name and *value, or NULL                        */
    OPTIONS_LINE_WORDS,   /* *name is text for options_split()                */
    OPTIONS_LINE_BAD,     /* *wrong says why                                  */
};

/* Take a line apart, in place. */
enum options_line options_take_line(char *line, char **name, char **value,
                                    const char **wrong);

/* Cut text into words at blanks, in place; what stands in quotes is one word, or a part of
 * one. How many: at most `most`, or -1 if a quote is left open or there are more. */
int options_split(char *text, char **words, int most);

#endif
