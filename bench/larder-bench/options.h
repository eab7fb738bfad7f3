/* bench/larder-bench/options.h - the command line, read into a plan by a table. */
#ifndef LARDER_BENCH_OPTIONS_H
#define LARDER_BENCH_OPTIONS_H

#include <stddef.h>

#include "bench/larder-bench/plan.h"

/* Text in *plan points into argv. With --help or --version it prints and exits with 0; what is
 * wrong is said on stderr, and the exit status is 2. */
void options_parse(int argc, char **argv, struct plan *plan);

/* "host:port", "[v6]:port", or the path of a socket, which has a slash in it and is borrowed.
 * False if it is none of these. */
bool options_parse_address(const char *text, struct address *address);

/* The end of a run that was asked for in vain: exit status 2. */
_Noreturn void options_refuse(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
