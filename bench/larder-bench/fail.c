/* bench/larder-bench/fail.c - see fail.h. */
#include "bench/larder-bench/fail.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How the process ends is one matter for all of its threads. */
static atomic_flag failing = ATOMIC_FLAG_INIT;
static void (*hint_first)(void);
static volatile sig_atomic_t interrupted_by;

void
fail_hint(void (*hint)(void))
{
    hint_first = hint;
}

void
fail(const char *format, ...)
{
    va_list arguments;

    while (atomic_flag_test_and_set(&failing))
        pause();
    fflush(stdout);
    fputs("larder-bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    if (hint_first != NULL)
        hint_first();
    exit(1);
}

static void
note_signal(int number)
{
    interrupted_by = number;
}

void
fail_on_signals(void)
{
    struct sigaction action = { .sa_handler = note_signal };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void
fail_if_interrupted(void)
{
    if (interrupted_by != 0)
        fail("interrupted by %s", interrupted_by == SIGINT ? "SIGINT" : "SIGTERM");
}

void *
allot(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);

    if (memory == NULL)
        fail("no memory for %zu times %zu bytes", count, bytes);
    return memory;
}
