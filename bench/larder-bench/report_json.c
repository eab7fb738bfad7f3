/* bench/larder-bench/report_json.c - results for programs. */
#include "bench/larder-bench/report.h"

#include <inttypes.h>
#include <math.h>

#include "bench/larder-bench/figures.h"

static void
write_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void
write_number(FILE *out, double number)
{
    if (isfinite(number))
        fprintf(out, "%.6g", number);
    else
        fputs("null", out);
}

static void
write_plan(FILE *out, const struct plan *plan)
{
    char title[200];

    report_title(plan, title, sizeof(title));
    fputs("  \"title\": ", out);
    write_text(out, title);
    fprintf(out,
            ",\n  \"connections\": %" PRIu64 ", \"threads\": %" PRIu64
            ", \"depth\": %" PRIu64 ", \"rate\": ",
            plan->connections, plan->threads, plan->depth);
    write_number(out, plan->rate);
    fprintf(out,
            ", \"keys\": %" PRIu64 ", \"key_bytes\": %" PRIu64 ", \"verified\": %s,\n",
            plan->keys, plan->key_bytes, plan->no_verify ? "false" : "true");
}

static void
write_figures(FILE *out, const double figures[FIGURES])
{
    for (enum figure i = 0; i < FIGURES; i++) {
        fprintf(out, "%s\"%s\": ", i > 0 ? ", " : "", figure_names[i].json);
        write_number(out, figures[i]);
    }
}

static void
write_operations(FILE *out, const struct tally *tally)
{
    const char *comma = "";

    fputs("\"by_operation\": {", out);
    for (enum op op = 0; op < OP_USERS; op++) {
        const struct histogram *times = &tally->times[op];

        if (times->count == 0)
            continue;
        fprintf(out,
                "%s\"%s\": {\"count\": %" PRIu64 ", \"min_us\": %.3f, \"mean_us\": %.3f",
                comma, op_name(op), times->count, (double)times->least_ns / 1e3,
                histogram_mean_ns(times) / 1e3);
        for (enum figure i = FIGURE_P50; i <= FIGURE_MOST; i++)
            fprintf(out, ", \"%s\": %.3f", figure_names[i].json,
                    (double)histogram_percentile_ns(times, figure_names[i].share) / 1e3);
        fputc('}', out);
        comma = ", ";
    }
    fputc('}', out);
}

static void
write_round(FILE *out, const struct measured *measured)
{
    const struct tally *tally = &measured->tally;
    double              figures[FIGURES];

    figures_of(measured, figures);
    fprintf(out,
            "{\"seconds\": %.6f, \"operations\": %" PRIu64 ", \"keys\": %" PRIu64
            ", \"hits\": %" PRIu64 ", \"misses\": %" PRIu64 ", \"refused\": %" PRIu64
            ", \"refills\": %" PRIu64 ", \"unsent\": %" PRIu64
            ", \"sent_bytes\": %" PRIu64 ", \"received_bytes\": %" PRIu64 ",\n       ",
            measured->seconds, tally_operations(tally) - tally->unsent, tally->keys,
            tally->hits, tally->misses, tally->refused, tally->refills, tally->unsent,
            tally->sent_bytes, tally->received_bytes);
    write_figures(out, figures);
    fputs(",\n       ", out);
    write_operations(out, tally);
    fputc('}', out);
}

static void
write_server(FILE *out, const struct results *results, unsigned server)
{
    double medians[FIGURES];

    for (enum figure i = 0; i < FIGURES; i++)
        medians[i] = figures_median(results, server, i);
    fputs("    {\"name\": ", out);
    write_text(out, results->names[server]);
    fputs(",\n     \"median\": {", out);
    write_figures(out, medians);
    fputs("},\n     \"rounds\": [", out);
    for (unsigned round = 0; round < results->rounds; round++) {
        fputs(round > 0 ? ",\n      " : "\n      ", out);
        write_round(out, &results->measured[server][round]);
    }
    fputs("\n     ]}", out);
}

static void
write_ratios(FILE *out, const struct results *results, unsigned server)
{
    struct ratio ratio;

    fputs("    {\"of\": ", out);
    write_text(out, results->names[0]);
    fputs(", \"by\": ", out);
    write_text(out, results->names[server]);
    for (enum figure i = 0; i < FIGURES; i++) {
        if (!figure_names[i].compared)
            continue;
        fprintf(out, ", \"%s\": ", figure_names[i].json);
        if (figures_ratio(results, 0, server, i, &ratio))
            fprintf(out, "{\"median\": %.4f, \"min\": %.4f, \"max\": %.4f}", ratio.median,
                    ratio.least, ratio.most);
        else
            fputs("null", out);
    }
    fputc('}', out);
}

void
report_json(FILE *out, const struct plan *plan, const struct results *results)
{
    fputs("{\n", out);
    write_plan(out, plan);
    fputs("  \"servers\": [\n", out);
    for (unsigned server = 0; server < results->servers; server++) {
        write_server(out, results, server);
        fputs(server + 1 < results->servers ? ",\n" : "\n", out);
    }
    fputs("  ],\n  \"ratios\": [\n", out);
    for (unsigned server = 1; server < results->servers; server++) {
        write_ratios(out, results, server);
        fputs(server + 1 < results->servers ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
