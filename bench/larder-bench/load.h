/* bench/larder-bench/load.h - all workers against one server, phase by phase. */
#ifndef LARDER_BENCH_LOAD_H
#define LARDER_BENCH_LOAD_H

#include "bench/larder-bench/cpu.h"
#include "bench/larder-bench/link.h"
#include "bench/larder-bench/plan.h"
#include "bench/larder-bench/tally.h"

/* What was measured of a server in one go. */
struct measured {
    struct tally    tally;
    double          seconds; /* from the begin to the last answer */
    bool            has_cpu; /* false: the server's process is not known */
    struct cpu_time cpu;     /* that it has taken meanwhile */
};

/* All that was measured. */
struct results {
    const char      *names[PLAN_SERVERS_MOST];
    unsigned         servers, rounds;
    struct measured *measured[PLAN_SERVERS_MOST]; /* of each round; owned */
};

/* Connects, fills, warms up and measures. `name` is the server's in messages, `pid` the process
 * whose CPU time counts; 0: it is not known. What goes wrong ends the program. */
void load_measure(const struct plan *plan, const struct address *address,
                  const char *name, pid_t pid, struct measured *measured);

#endif
