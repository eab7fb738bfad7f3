/* bench/larder-bench/report_svg.c - results as a picture. */
#include "bench/larder-bench/report.h"

void
report_svg(FILE *out, const struct plan *plan, const struct results *results)
{
    (void)out;
    (void)plan;
    (void)results;
}
