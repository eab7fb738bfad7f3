/* bench/larder-bench/main.c - larder-bench: asks a cache server and tells how it did.
 *
 *     options -> plan -> load (workers -> connections -> protocol) -> results -> report
 *
 * README beside this file says what each file is for. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench/larder-bench/compare.h"
#include "bench/larder-bench/cpu.h"
#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/options.h"
#include "bench/larder-bench/plan.h"
#include "bench/larder-bench/report.h"
#include "bench/larder-bench/value.h"

static void
write_picture(const struct plan *plan, const struct results *results)
{
    FILE *out = fopen(plan->svg, "w");

    if (out == NULL)
        fail("%s: %s", plan->svg, strerror(errno));
    report_svg(out, plan, results);
    if (fclose(out) != 0)
        fail("%s: %s", plan->svg, strerror(errno));
}

int
main(int argc, char **argv)
{
    struct plan    plan;
    struct results results;

    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is told of as an error */
    options_parse(argc, argv, &plan);
    value_init();
    compare_servers(&plan, &results);
    if (plan.json)
        report_json(stdout, &plan, &results);
    else
        report_table(stdout, &plan, &results);
    if (fflush(stdout) != 0)
        fail("standard output: %s", strerror(errno));
    if (plan.svg != NULL)
        write_picture(&plan, &results);
    compare_fini(&results);
    trace_fini(&plan.trace);
    return 0;
}
