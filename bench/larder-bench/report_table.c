/* bench/larder-bench/report_table.c - results for people. */
#include "bench/larder-bench/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/figures.h"

void
report_title(const struct plan *plan, char *text, size_t length)
{
    size_t at = 0;
    double before = 0, all = plan->mix.up_to[OP_USERS - 1];

    if (plan->title != NULL) {
        snprintf(text, length, "%s", plan->title);
        return;
    }
    if (plan->trace.count > 0)
        at += (size_t)snprintf(text, length, "a trace");
    for (enum op op = 0; plan->trace.count == 0 && op < OP_USERS && at < length; op++) {
        double weight = plan->mix.up_to[op] - before;

        before = plan->mix.up_to[op];
        if (weight == 0)
            continue;
        at += (size_t)snprintf(text + at, length - at, "%s%s", at > 0 ? ", " : "",
                               op_name(op));
        if (weight != all && at < length)
            at +=
                (size_t)snprintf(text + at, length - at, " %.3g %%", 100 * weight / all);
    }
    if (at < length)
        snprintf(text + at, length - at, ": %" PRIu64 " connections, depth %" PRIu64,
                 plan->connections, plan->depth);
}

/* ---- one server ------------------------------------------------------------------- */

/* A line of times, in microseconds. */
static void
show_times(FILE *out, const char *name, const struct histogram *times)
{
    fprintf(out, "%-8s %12" PRIu64 " %9.1f", name, times->count,
            histogram_mean_ns(times) / 1e3);
    for (enum figure i = FIGURE_P50; i <= FIGURE_MOST; i++)
        fprintf(out, " %9.1f",
                (double)histogram_percentile_ns(times, figure_names[i].share) / 1e3);
    fputc('\n', out);
}

static void
show_all_times(FILE *out, const struct results *results)
{
    const struct tally *tally = &results->measured[0][0].tally;
    struct histogram   *all = figures_times(results, 0);

    fprintf(out, "\n%-8s %12s", "us", "operations");
    for (enum figure i = FIGURE_MEAN; i <= FIGURE_MOST; i++)
        fprintf(out, " %9.*s", (int)strcspn(figure_names[i].title, " "),
                figure_names[i].title);
    fputc('\n', out);
    for (enum op op = 0; op < OP_USERS; op++) {
        if (tally->times[op].count > 0 && tally->times[op].count < all->count)
            show_times(out, op_name(op), &tally->times[op]);
    }
    show_times(out, "all", all);
    free(all);
}

static void
show_server(FILE *out, const struct plan *plan, const struct results *results)
{
    const struct measured *measured = &results->measured[0][0];
    const struct tally    *tally = &measured->tally;
    double                 figures[FIGURES];

    figures_of(measured, figures);
    fprintf(out, "%" PRIu64 " operations in %.3f s: %.0f a second, %.0f keys a second\n",
            tally_operations(tally) - tally->unsent, measured->seconds,
            figures[FIGURE_OPERATIONS], figures[FIGURE_KEYS]);
    if (tally->hits + tally->misses > 0)
        fprintf(out, "hits %.3f %%, %" PRIu64 " misses\n",
                100 * (double)tally->hits / (double)(tally->hits + tally->misses),
                tally->misses);
    if (tally->refills > 0)
        fprintf(out, "%" PRIu64 " keys were set after a miss\n", tally->refills);
    if (tally->refused > 0)
        fprintf(out, "%" PRIu64 " cas came too late\n", tally->refused);
    if (tally->unsent > 0)
        fprintf(out,
                "%" PRIu64
                " operations were due and not sent: the server or this machine "
                "cannot do %.0f a second\n",
                tally->unsent, plan->rate);
    fprintf(out, "sent %.1f MB/s, received %.1f MB/s\n",
            (double)tally->sent_bytes / measured->seconds / 1e6,
            (double)tally->received_bytes / measured->seconds / 1e6);
    if (!isnan(figures[FIGURE_CPU]))
        fprintf(out, "server CPU %.0f ns a key", figures[FIGURE_CPU]);
    if (!isnan(figures[FIGURE_USER]))
        fprintf(out, ", %.0f %% of it in user space", figures[FIGURE_USER]);
    if (!isnan(figures[FIGURE_CPU]))
        fputc('\n', out);
    show_all_times(out, results);
}

/* ---- several ---------------------------------------------------------------------- */

/* The figures that are compared, one line for each server. */
static void
show_medians(FILE *out, const struct results *results)
{
    fprintf(out, "%-16s", "medians");
    for (enum figure i = 0; i < FIGURES; i++) {
        if (figure_names[i].compared)
            fprintf(out, " %11s", figure_names[i].title);
    }
    for (unsigned server = 0; server < results->servers; server++) {
        fprintf(out, "\n%-16s", results->names[server]);
        for (enum figure i = 0; i < FIGURES; i++) {
            double number = figures_median(results, server, i);

            if (figure_names[i].compared && isnan(number))
                fprintf(out, " %11s", "-");
            else if (figure_names[i].compared)
                fprintf(out, " %11.*f", number < 100 ? 1 : 0, number);
        }
    }
    fputc('\n', out);
}

/* The same figures, one line each, of the first server by another one. */
static void
show_ratios(FILE *out, const struct results *results, unsigned other)
{
    struct ratio ratio;

    fprintf(out, "\n%s by %s, %u rounds\n%-16s %11s %11s %11s\n", results->names[0],
            results->names[other], results->rounds, "", "median", "least", "most");
    for (enum figure i = 0; i < FIGURES; i++) {
        if (figure_names[i].compared && figures_ratio(results, 0, other, i, &ratio))
            fprintf(out, "%-16s %11.3f %11.3f %11.3f\n", figure_names[i].title,
                    ratio.median, ratio.least, ratio.most);
    }
}

void
report_table(FILE *out, const struct plan *plan, const struct results *results)
{
    char title[200];

    report_title(plan, title, sizeof(title));
    fprintf(out, "%s\n", title);
    if (results->servers == 1 && results->rounds == 1) {
        show_server(out, plan, results);
        return;
    }
    show_medians(out, results);
    for (unsigned other = 1; other < results->servers; other++)
        show_ratios(out, results, other);
}
