/* bench/larder-bench/figures.c - see figures.h. */
#include "bench/larder-bench/figures.h"

#include <math.h>
#include <stdlib.h>

#include "bench/larder-bench/fail.h"

const struct figure_name figure_names[FIGURES] = {
    [FIGURE_OPERATIONS] = { "ops/s", "operations_per_second", true, 0 },
    [FIGURE_KEYS] = { "keys/s", "keys_per_second", false, 0 },
    [FIGURE_CPU] = { "CPU ns/key", "server_cpu_ns_per_key", true, 0 },
    [FIGURE_USER] = { "user %", "server_cpu_user_percent", false, 0 },
    [FIGURE_MEAN] = { "mean us", "mean_us", false, 0 },
    [FIGURE_P50] = { "p50 us", "p50_us", true, 0.5 },
    [FIGURE_P90] = { "p90 us", "p90_us", false, 0.9 },
    [FIGURE_P99] = { "p99 us", "p99_us", true, 0.99 },
    [FIGURE_P999] = { "p99.9 us", "p99_9_us", true, 0.999 },
    [FIGURE_P9999] = { "p99.99 us", "p99_99_us", false, 0.9999 },
    [FIGURE_MOST] = { "max us", "max_us", false, 1 },
};

static void
merge_all(struct histogram *to, const struct tally *tally)
{
    for (enum op op = 0; op < OP_USERS; op++)
        histogram_merge(to, &tally->times[op]);
}

void
figures_of(const struct measured *measured, double figures[FIGURES])
{
    const struct tally    *tally = &measured->tally;
    const struct cpu_time *cpu = &measured->cpu;
    struct histogram      *times = allot(1, sizeof(*times));
    double                 done = (double)(tally_operations(tally) - tally->unsent);
    double                 ticks = cpu->user_ns + cpu->system_ns;

    merge_all(times, tally);
    figures[FIGURE_OPERATIONS] = done / measured->seconds;
    figures[FIGURE_KEYS] = (double)tally->keys / measured->seconds;
    figures[FIGURE_CPU] =
        measured->has_cpu && tally->keys > 0 ? cpu->all_ns / (double)tally->keys : NAN;
    figures[FIGURE_USER] =
        measured->has_cpu && ticks > 0 ? 100 * cpu->user_ns / ticks : NAN;
    figures[FIGURE_MEAN] = histogram_mean_ns(times) / 1e3;
    for (enum figure i = FIGURE_P50; i <= FIGURE_MOST; i++)
        figures[i] = (double)histogram_percentile_ns(times, figure_names[i].share) / 1e3;
    free(times);
}

static int
compare_numbers(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* Of numbers that are put in order; NAN if one is. */
static double
median(double *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (isnan(numbers[i]))
            return NAN;
    }
    qsort(numbers, count, sizeof(*numbers), compare_numbers);
    return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

static double
figure_of(const struct results *results, unsigned server, unsigned round,
          enum figure figure)
{
    double figures[FIGURES];

    figures_of(&results->measured[server][round], figures);
    return figures[figure];
}

double
figures_median(const struct results *results, unsigned server, enum figure figure)
{
    double *numbers = allot(results->rounds, sizeof(*numbers)), middle;

    for (unsigned round = 0; round < results->rounds; round++)
        numbers[round] = figure_of(results, server, round, figure);
    middle = median(numbers, results->rounds);
    free(numbers);
    return middle;
}

bool
figures_ratio(const struct results *results, unsigned server, unsigned base,
              enum figure figure, struct ratio *ratio)
{
    double *numbers = allot(results->rounds, sizeof(*numbers));

    for (unsigned round = 0; round < results->rounds; round++)
        numbers[round] = figure_of(results, server, round, figure) /
                         figure_of(results, base, round, figure);
    ratio->median = median(numbers, results->rounds);
    ratio->least = numbers[0];
    ratio->most = numbers[results->rounds - 1];
    free(numbers);
    return isfinite(ratio->median);
}

struct histogram *
figures_times(const struct results *results, unsigned server)
{
    struct histogram *times = allot(1, sizeof(*times));

    for (unsigned round = 0; round < results->rounds; round++)
        merge_all(times, &results->measured[server][round].tally);
    return times;
}
