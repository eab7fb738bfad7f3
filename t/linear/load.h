/* t/linear/load.h - clients that record what they are answered, and those who make it hard.
 *
 * Rounds: the clients record some ten thousand operations, wait for each other, and go on
 * with another buffer while the main thread searches what they have recorded. Nothing is
 * under way between two rounds, so a key is carried over as what it may be. Memory is that
 * of two rounds, whatever the number of operations.
 */
#ifndef LARDER_T_LINEAR_LOAD_H
#define LARDER_T_LINEAR_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "t/linear/model.h"

enum { FIGURES_MAX = 8 };

struct options {
    const char  *host;
    unsigned     port;
    unsigned     clients;
    unsigned     keys, hot; /* hot: how many of them most operations go to, at a time  */
    unsigned     flush_ops; /* one flush_all in so many operations; 0: none            */
    unsigned     ballast;   /* sets of other keys for each 100 operations              */
    unsigned     memory_mb; /* the server's limit, to be moved; 0: not to be moved     */
    unsigned     stall_s;   /* an answer may take so long                              */
    uint32_t     value_max; /* bytes of the largest value                              */
    uint32_t     border;    /* some values are about as long as its multiples; 0: none */
    const char  *figures[FIGURES_MAX]; /* of stats, that must not be 0 in the end      */
    unsigned     nfigures;
    bool         old;     /* memcached 1.6.18: not all of the meta commands          */
    bool         mutates; /* what was recorded is falsified, to see that it shows    */
    uint64_t     ops, seed;
    struct model model;
};

/* Runs the load and says what came out. 0, or 1 if anything was wrong. */
int load_run(const struct options *opt);

#endif
