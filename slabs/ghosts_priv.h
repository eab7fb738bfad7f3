/* slabs/ghosts_priv.h - keys that were evicted lately.
 *
 * A miss that finds its key here would have been a hit if the size class of the item had
 * had a little more memory: so much as was evicted of the class since. Where that is at
 * most a page, one more page is worth a hit to the class (automove.h).
 *
 * Only a sample is kept, chosen by hash: of each class about as many as SAMPLES for one
 * page. So the table is small, whatever the size of the cache, and entries that are older
 * than a page are overwritten first.
 *
 *    63            32 31      25 24                     0
 *    +---------------+----------+------------------------+
 *    | fingerprint   | class    | evictions of the class |    0: free
 *    +---------------+----------+------------------------+
 *
 * Locks: none. An entry is one atomic word; one that is lost costs one sample.
 */
#ifndef LARDER_SLABS_GHOSTS_PRIV_H
#define LARDER_SLABS_GHOSTS_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slabs/classes.h"

enum {
    GHOST_SLOTS = 8,     /* a set; one cache line                       */
    GHOST_SETS = 4096,   /* 256 KiB                                     */
    GHOST_SAMPLES = 128, /* of a page's items, at most; more than half of it where
                            a page has so many                          */
};

struct ghosts {
    _Atomic uint64_t *slots;
    /* By class, frozen: items of a page; of 1 << shift items one is sampled. */
    uint32_t         a_page[CLASS_MAX + 1];
    uint8_t          shift[CLASS_MAX + 1];
    _Atomic uint32_t evicted[CLASS_MAX + 1]; /* ever, modulo 2^32 */
    _Atomic uint32_t hits[CLASS_MAX + 1];    /* of the sample that one page more would
                                                have brought, modulo 2^32 */
};

/* False where memory is not to be had. */
bool ghosts_init(struct ghosts *ghosts, const struct classes *classes,
                 uint32_t page_bytes);
void ghosts_fini(struct ghosts *ghosts);
/* An item of this class is evicted. */
void ghosts_note(struct ghosts *ghosts, uint64_t hash, unsigned size_class);
/* A key is missed. If its class would have it still, had it one page more, that is a hit. */
void ghosts_miss(struct ghosts *ghosts, uint64_t hash);

#endif
