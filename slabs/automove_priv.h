/* slabs/automove_priv.h - which class should give a page to which.
 *
 * A page is worth to a class what it would hit more, or less, with one page more, or less.
 * What is evicted leaves a note (table_priv.h), so two counts tell: how many items the class
 * evicts, and how many of them come back so soon that a little more memory would have kept
 * them. With that little shared out over its pages,
 *
 *    worth of a page = (evicted + stored / 10) * chance that one comes back / pages
 *
 * What is stored stands for what would be evicted, had the class less: one that has enough
 * just now evicts nothing.
 * Small items are worth more than large ones so, just because a page has more of them. Where
 * a class has evicted too few to tell its own chance, that of all classes stands in for it.
 *
 * A class that stores nothing tells nothing. It may give a page where its coldest item, for
 * its size, has not been used for longer than what the other class has to evict; what that
 * costs is then counted like everything else.
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
    uint32_t least;        /* pages that it keeps in any case           */
    uint32_t a_page;       /* chunks of a page                          */
    uint32_t free;         /* chunks                                    */
    uint32_t added;        /* items; wraps                              */
    uint32_t filled;       /* chunks that these took; wraps             */
    uint32_t evicted;      /* items; wraps                              */
    uint32_t returned;     /* of these, that were back soon; wraps      */
    uint32_t idle;         /* since the coldest item was used           */
    uint32_t evicted_idle; /* the same of the last one that was evicted */
};

struct automove_how {
    bool   eager; /* take the first sign for the truth */
    double ratio; /* what is lost to what is gained    */
};

struct automove_state {
    /* As they were at the last look: */
    uint32_t added_last, filled_last, evicted_last, returned_last;
    uint32_t evicted_early;                    /* before something was stored   */
    double   added, filled, evicted, returned; /* these fade                    */
};

struct automove {
    double                chance; /* that what any class evicts comes back */
    uint32_t              pages;  /* that all have, when last looked at    */
    struct automove_state of_class[CLASS_MAX + 1];
};

/* Take note of what has happened. False if nothing was evicted, and no memory given out. */
bool automove_look(struct automove *automove, const struct automove_class *classes,
                   unsigned count);
/* Should a page go from one class to another? */
bool automove_decide(const struct automove       *automove,
                     const struct automove_class *classes, unsigned count,
                     const struct automove_how *how, unsigned *from, unsigned *to);
/* Of the classes with more free memory than they need, the one with most; 0: none. */
unsigned automove_spare(const struct automove       *automove,
                        const struct automove_class *classes, unsigned count);
/* The class that loses least by a page less; 0: none may. */
unsigned automove_give(const struct automove       *automove,
                       const struct automove_class *classes, unsigned count);

#endif
