/* t/unit/options_run.h - what a command line leads to, for the suites of server/options. */
#ifndef LARDER_T_UNIT_OPTIONS_RUN_H
#define LARDER_T_UNIT_OPTIONS_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/options.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum { ARGUMENTS_MAX = 24 };

struct run {
    struct options      o;
    enum options_status status;
    char                path[32]; /* of a configuration file, if there was one */
    char               *out;
    char               *err;
};

/* Parse the words up to a NULL; NULL words in the middle cannot be. */
static inline struct run
run_words(const char *const *words)
{
    struct run run = { 0 };
    char      *argv[ARGUMENTS_MAX + 1] = { (char *)(uintptr_t) "larder" };
    int        argc = 1;
    size_t     out_bytes, err_bytes;
    FILE      *out = open_memstream(&run.out, &out_bytes);
    FILE      *err = open_memstream(&run.err, &err_bytes);

    for (; words[argc - 1] != NULL; argc++) {
        ck_assert_int_lt(argc, ARGUMENTS_MAX);
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    argv[argc] = NULL;
    run.status = options_parse(&run.o, argc, argv, out, err);
    fclose(out);
    fclose(err);
    return run;
}

static inline void
drop(struct run *run)
{
    options_fini(&run->o);
    free(run->out);
    free(run->err);
}

#endif
