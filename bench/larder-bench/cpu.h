/* bench/larder-bench/cpu.h - how much CPU time a local server has taken. Linux's /proc. */
#ifndef LARDER_BENCH_CPU_H
#define LARDER_BENCH_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/larder-bench/link.h"

/* Since the start, of all threads. */
struct cpu_time {
    double all_ns;             /* to the nanosecond, where the kernel counts so */
    double user_ns, system_ns; /* in whole ticks of 10 ms: for their ratio */
};

/* The process that listens there; 0 if none is found, or it is not ours to look at. */
pid_t cpu_find_listener(const struct address *address);

/* False if there is no such process, or it may not be looked at. */
bool cpu_read(pid_t pid, struct cpu_time *time);

/* What was taken from `before` until `time`. */
void cpu_subtract(struct cpu_time *time, const struct cpu_time *before);

/* The calling thread, and those that it starts from now on, run on these CPUs only: "0" or
 * "1-3,5". False if there is no such list, or none of them is there. */
bool cpu_pin(const char *list);

#endif
