/* slabs/automove_priv.h - which class should give a page to which.
 *
 * A page is worth to a class what it would hit more, or less, with one page more, or less.
 * The first is measured: misses of keys that were evicted within the last page's worth of
 * evictions (ghosts_priv.h). The second is what the curve says: next to each other one page
 * is worth about as much as the one before it, and the fewer there are, the more the last
 * one is worth. A class that evicts nothing tells nothing; it may give a page only where
 * its coldest item has not been used for longer than what the other class has to evict,
 * and if it then turns out to have needed that page, it is left alone for a while.
 *
 * Nothing here knows of a cache: counts in, a decision out.
 */
#ifndef LARDER_SLABS_AUTOMOVE_PRIV_H
#define LARDER_SLABS_AUTOMOVE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "slabs/classes.h"

/* What there is to know of a class just now. Counts are since the start. */
struct automove_class {
    uint32_t pages;
    uint32_t least;        /* pages that it keeps in any case                    */
    uint32_t a_page;       /* chunks of a page                                   */
    uint32_t free;         /* chunks                                             */
    uint32_t hits;         /* ghosts that were missed, of the sample; wraps      */
    uint32_t evicted;      /* items; wraps                                       */
    uint32_t idle;         /* since the coldest item was used                    */
    uint32_t evicted_idle; /* the same of the last one that was evicted          */
    unsigned shift;        /* one in 1 << shift is in the sample                 */
};

struct automove_how {
    bool   eager; /* take the first sign for the truth */
    double ratio; /* what is lost to what is gained    */
};

struct automove_state {
    uint32_t hits, evicted; /* as they were last                                   */
    double   missed;        /* hits of the sample with one page more; fades        */
    double   flow;          /* evictions; fades                                    */
    uint32_t held;          /* looks during which it gives nothing that it may need */
    uint32_t hold;          /* for how many the next time                          */
    bool     gave;          /* a page without knowing what it was worth            */
};

struct automove {
    double                samples; /* in all classes; fades */
    struct automove_state of_class[CLASS_MAX + 1];
};

/* Take note of what has happened; `over` when a window has passed, after which what was
 * before counts half. False if nothing was evicted. */
bool automove_look(struct automove *automove, const struct automove_class *classes,
                   unsigned count, bool over);
/* Should a page go from one class to another? Then it is taken for done. */
bool automove_decide(struct automove *automove, const struct automove_class *classes,
                     unsigned count, const struct automove_how *how, unsigned *from,
                     unsigned *to);
/* The class that has more free memory than it needs; 0: none. */
unsigned automove_spare(const struct automove_class *classes, unsigned count);
/* The class that loses least by a page less; 0: none may. It is taken for done. */
unsigned automove_give(struct automove *automove, const struct automove_class *classes,
                       unsigned count);

#endif
