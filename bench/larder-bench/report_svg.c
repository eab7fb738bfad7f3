/* bench/larder-bench/report_svg.c - results as a picture.
 *
 *     +---------------------------------------------------+
 *     | title                                             |
 *     |  time                   |  server CPU, a key       |
 *     |   |            __/      |  larder     ======       |
 *     |   |    _______/         |  memcached  ==========   |
 *     |   |___/                 |  operations a second     |
 *     |   +----------------     |  larder     ==========   |
 *     |    50 90 99 99.9 %      |  memcached  ======       |
 *     +---------------------------------------------------+
 *
 * Both axes of the lines are logarithmic: upwards the time, to the right how few are slower, so
 * that each further nine is as far as the one before.
 */
#include "bench/larder-bench/report.h"

#include <math.h>
#include <stdlib.h>

#include "bench/larder-bench/figures.h"

enum {
    WIDTH = 960,
    LINES_LEFT = 70,
    LINES_RIGHT = 500,
    LINES_TOP = 70,
    LINES_BOTTOM = 330,
    BARS_LEFT = 570,
    BARS_FROM = 680, /* behind the names */
    BARS_RIGHT = 890,
    BAR_STEP = 24,
    BAR_HIGH = 15,
    GROUP_GAP = 30,
    STEPS_A_NINE = 20,
    NINES = 4,
};

static const char *const colours[PLAN_SERVERS_MOST] = {
    "#1f6f54", "#c2571a", "#3b5b92", "#9b3d73",
    "#8a7a1f", "#4f4f4f", "#2e9e9e", "#b03030",
};

/* The times that the upward axis goes from and to, as powers of ten of microseconds. */
struct range {
    double low, high;
};

static void
write_text(FILE *out, double x, double y, const char *anchor, const char *text)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc(*text, out);
    }
    fputs("</text>\n", out);
}

/* ---- lines ------------------------------------------------------------------------ */

static double
x_of(double nines)
{
    return LINES_LEFT + nines / NINES * (LINES_RIGHT - LINES_LEFT);
}

static double
y_of(const struct range *range, double us)
{
    double part = (log10(us) - range->low) / (range->high - range->low);

    return LINES_BOTTOM - part * (LINES_BOTTOM - LINES_TOP);
}

static double
percentile_us(const struct histogram *times, double nines)
{
    double ns = (double)histogram_percentile_ns(times, 1 - pow(10, -nines));

    return fmax(ns, 1) / 1e3;
}

/* How far a line goes: not to where less than one operation was slower. */
static double
nines_of(const struct histogram *times)
{
    return times->count > 1 ? fmin(NINES, log10((double)times->count)) : 0;
}

static struct range
range_of(struct histogram *const *times, unsigned servers)
{
    double low = INFINITY, high = 0;

    for (unsigned i = 0; i < servers; i++) {
        low = fmin(low, percentile_us(times[i], 0));
        high = fmax(high, percentile_us(times[i], nines_of(times[i])));
    }
    return (struct range){ floor(log10(low)), floor(log10(high)) + 1 };
}

static void
write_axes(FILE *out, const struct range *range)
{
    static const double shares[] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };
    char                label[32];

    for (double power = range->low; power <= range->high; power++) {
        double y = y_of(range, pow(10, power));

        fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LINES_LEFT, y,
                LINES_RIGHT);
        snprintf(label, sizeof(label), power < 3 ? "%g us" : "%g ms",
                 pow(10, power < 3 ? power : power - 3));
        write_text(out, LINES_LEFT - 8, y + 4, "end", label);
    }
    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double x = x_of(-log10(1 - shares[i]));

        fprintf(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, LINES_TOP,
                LINES_BOTTOM);
        snprintf(label, sizeof(label), "%g", 100 * shares[i]);
        write_text(out, x, LINES_BOTTOM + 18, "middle", label);
    }
    write_text(out, (LINES_LEFT + LINES_RIGHT) / 2.0, LINES_BOTTOM + 38, "middle",
               "percent of all operations took at most so long");
}

static void
write_line(FILE *out, const struct range *range, const struct histogram *times,
           const char *colour)
{
    int last = (int)(nines_of(times) * STEPS_A_NINE);

    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
            colour);
    for (int step = 0; step <= last; step++) {
        double nines = (double)step / STEPS_A_NINE;

        fprintf(out, "%s%.1f,%.1f", step > 0 ? " " : "", x_of(nines),
                y_of(range, percentile_us(times, nines)));
    }
    fputs("\"/>\n", out);
}

static void
write_lines(FILE *out, const struct results *results)
{
    struct histogram *times[PLAN_SERVERS_MOST];
    struct range      range;

    for (unsigned i = 0; i < results->servers; i++)
        times[i] = figures_times(results, i);
    range = range_of(times, results->servers);
    write_axes(out, &range);
    for (unsigned i = 0; i < results->servers; i++) {
        write_line(out, &range, times[i], colours[i]);
        free(times[i]);
    }
}

/* ---- bars ------------------------------------------------------------------------- */

/* A bar for each server; where the next group begins. What is not known has none. */
static double
write_bars(FILE *out, const struct results *results, enum figure figure,
           const char *title, double y)
{
    double medians[PLAN_SERVERS_MOST], most = 0;
    char   label[32];

    for (unsigned i = 0; i < results->servers; i++) {
        medians[i] = figures_median(results, i, figure);
        if (medians[i] > most)
            most = medians[i];
    }
    write_text(out, BARS_LEFT, y, "start", title);
    for (unsigned i = 0; i < results->servers; i++) {
        double width = most > 0 && !isnan(medians[i])
                           ? medians[i] / most * (BARS_RIGHT - BARS_FROM)
                           : 0;

        y += BAR_STEP;
        write_text(out, BARS_FROM - 8, y, "end", results->names[i]);
        fprintf(out,
                "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
                BARS_FROM, y - 12, width, BAR_HIGH, colours[i]);
        snprintf(label, sizeof(label), isnan(medians[i]) ? "not known" : "%.0f",
                 medians[i]);
        write_text(out, BARS_FROM + width + 6, y, "start", label);
    }
    return y + GROUP_GAP;
}

void
report_svg(FILE *out, const struct plan *plan, const struct results *results)
{
    double bars_high = (results->servers * BAR_STEP + GROUP_GAP) * 2 + LINES_TOP;
    double high = fmax(LINES_BOTTOM + 60, bars_high), y;
    char   title[200];

    report_title(plan, title, sizeof(title));
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
        "<style>.grid{stroke:#ddd;fill:none}</style>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<g font-size=\"16\">\n",
        WIDTH, high);
    write_text(out, 20, 32, "start", title);
    fputs("</g>\n", out);
    write_lines(out, results);
    y = write_bars(out, results, FIGURE_CPU, "server CPU in ns a key: less is better",
                   LINES_TOP + 5);
    write_bars(out, results, FIGURE_OPERATIONS, "operations a second: more is better", y);
    fputs("</svg>\n", out);
}
