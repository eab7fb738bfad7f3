/* bench/larder-bench/fail.h - the end of a run that cannot go on: a message, exit status 1. */
#ifndef LARDER_BENCH_FAIL_H
#define LARDER_BENCH_FAIL_H

#include <stddef.h>

/* Says it on stderr, after the program's name, and exits. Any thread may call it; where several
 * do at a time, one of them speaks and the others wait for the end. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is called before that end, to add what else is known and to clear away. NULL: nothing. */
void fail_hint(void (*hint)(void));

/* From now on SIGINT and SIGTERM do not end the process at once: fail_if_interrupted() does, so that
 * nothing is left behind. The main thread calls that now and then. */
void fail_on_signals(void);
void fail_if_interrupted(void);

/* Zeroed memory for so many things of that size, or fail(). Freed with free(). */
void *allot(size_t count, size_t bytes);

#endif
