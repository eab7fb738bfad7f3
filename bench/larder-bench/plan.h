/* bench/larder-bench/plan.h - what is to be measured, and how: the options, read. */
#ifndef LARDER_BENCH_PLAN_H
#define LARDER_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/larder-bench/link.h"
#include "bench/larder-bench/op.h"
#include "bench/larder-bench/pick.h"
#include "bench/larder-bench/protocol.h"
#include "bench/larder-bench/sizes.h"
#include "bench/larder-bench/trace.h"

enum { PLAN_SERVERS_MOST = 8 };

/* Constant once measuring begins. */
struct plan {
    /* The server, if it is one. */
    struct address         address;
    const struct protocol *protocol;
    uint64_t               pid; /* whose CPU time is told; 0: who listens there */

    /* What it is asked. */
    struct op_mix mix;
    struct trace  trace; /* its requests instead, unless it has none */
    struct pick   pick;
    struct sizes  sizes;
    uint64_t      keys;
    uint64_t      key_bytes;
    uint64_t      keys_at_once; /* of OP_MGET */
    bool          no_fill;      /* the keys are there already */
    bool          refill;       /* what is missing is set */
    bool          no_verify;    /* values are taken as they come */

    /* By whom, and how long. */
    uint64_t connections, threads;
    uint64_t depth;   /* requests that a connection has under way */
    double   rate;    /* operations a second, of all; 0: closed loop */
    bool     poisson; /* they come by chance, else evenly */
    double   seconds; /* 0: until `operations` are done */
    double   warmup_s;
    uint64_t operations; /* 0: until `seconds` are over */
    uint64_t seed;

    /* Servers side by side. */
    const char *servers[PLAN_SERVERS_MOST];
    unsigned    server_count;
    uint64_t    rounds;
    const char *server_cpus, *load_cpus; /* "0", "1-3,5"; NULL: any */

    /* What is told of it. */
    bool        json;
    const char *svg; /* a file; NULL: none */
    const char *title;
};

/* The length of the value of a key. */
static inline uint32_t
plan_value_bytes(const struct plan *plan, uint64_t number, uint64_t key_hash)
{
    uint32_t recorded =
        plan->trace.count > 0 ? plan->trace.entries[number].size : TRACE_NO_SIZE;

    return recorded != TRACE_NO_SIZE ? recorded : sizes_of(&plan->sizes, key_hash);
}

#endif
