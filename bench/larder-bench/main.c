/* bench/larder-bench/main.c - larder-bench: asks a cache server and tells how it did.
 *
 *     options -> plan -> load (workers -> connections -> protocol) -> results -> report
 *
 * README beside this file says what each file is for. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/larder-bench/compare.h"
#include "bench/larder-bench/cpu.h"
#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/options.h"
#include "bench/larder-bench/plan.h"
#include "bench/larder-bench/report.h"
#include "bench/larder-bench/value.h"

/* Before anything is measured: a place that cannot be written to is not to be found out after an
 * hour. */
static FILE *
open_picture(const struct plan *plan)
{
    FILE *out = fopen(plan->svg, "w");

    if (out == NULL)
        fail("%s: %s", plan->svg, strerror(errno));
    return out;
}

static void
close_written(FILE *out, const char *name)
{
    if (fclose(out) != 0)
        fail("%s: %s", name, strerror(errno));
}

/* A descriptor for each connection: the limit is raised as far as we may. What is still missing is
 * told when a connection fails. */
static void
raise_descriptors(const struct plan *plan)
{
    enum { OTHERS = 64 };
    struct rlimit limit;
    rlim_t        wanted = plan->connections + plan->threads + OTHERS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("no more than %ju files may be open: %s", (uintmax_t)limit.rlim_cur,
             strerror(errno));
}

int
main(int argc, char **argv)
{
    struct plan    plan;
    struct results results;
    FILE          *picture = NULL;

    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is told of as an error */
    fail_on_signals();
    options_parse(argc, argv, &plan);
    raise_descriptors(&plan);
    if (plan.svg != NULL)
        picture = open_picture(&plan);
    value_init();
    compare_servers(&plan, &results);
    if (plan.json)
        report_json(stdout, &plan, &results);
    else
        report_table(stdout, &plan, &results);
    close_written(stdout, "standard output");
    if (picture != NULL) {
        report_svg(picture, &plan, &results);
        close_written(picture, plan.svg);
    }
    compare_fini(&results);
    trace_fini(&plan.trace);
    return 0;
}
