/* t/unit/suite.h - the cases of a suite, and running it. */
#ifndef LARDER_T_UNIT_SUITE_H
#define LARDER_T_UNIT_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline TCase *
fixture_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);

    suite_add_tcase(suite, tcase);
    return tcase;
}

/* The same for tests in which one thread does all: the thread sanitizer sees nothing in them, and
 * takes long for it. The Makefile knows the tag. */
static inline TCase *
fixture_case_of_one(Suite *suite, const char *name)
{
    TCase *tcase = fixture_case(suite, name);

    tcase_set_tags(tcase, "one-thread");
    return tcase;
}

/* With CI in the environment nothing may be left out: what this system does not let us test
 * fails. The same words turn it off as in t/clients. */
static inline bool
fixture_wants_all(void)
{
    const char *ci = getenv("CI");

    return ci != NULL && strcmp(ci, "") != 0 && strcmp(ci, "0") != 0 &&
           strcmp(ci, "false") != 0;
}

/* Run it; what main() returns. */
static inline int
fixture_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int      failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
