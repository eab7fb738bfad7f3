/* slabs/ghosts.c - keys that were evicted lately. See ghosts_priv.h. */
#include "slabs/ghosts_priv.h"

#include <stdlib.h>

enum { COUNT_BITS = 25, CLASS_BITS = 7, SAMPLE_SHIFT = 20 };

_Static_assert(CLASS_MAX < 1 << CLASS_BITS, "an entry has room for a class");
_Static_assert((1 << SAMPLE_SHIFT) >= GHOST_SETS, "a sample spreads over all sets");

bool
ghosts_init(struct ghosts *ghosts, const struct classes *classes, uint32_t page_bytes)
{
    *ghosts = (struct ghosts){ 0 };
    ghosts->slots =
        aligned_alloc(64, (size_t)GHOST_SETS * GHOST_SLOTS * sizeof(*ghosts->slots));
    if (ghosts->slots == NULL)
        return false;
    for (size_t i = 0; i < (size_t)GHOST_SETS * GHOST_SLOTS; i++)
        atomic_init(&ghosts->slots[i], 0);
    for (unsigned i = 1; i <= classes->count; i++) {
        ghosts->a_page[i] = page_bytes / classes->bytes[i];
        while (ghosts->a_page[i] >> ghosts->shift[i] > GHOST_SAMPLES)
            ghosts->shift[i]++;
    }
    return true;
}

void
ghosts_fini(struct ghosts *ghosts)
{
    free(ghosts->slots);
}

static _Atomic uint64_t *
set_of(const struct ghosts *ghosts, uint64_t hash)
{
    return &ghosts->slots[hash % GHOST_SETS * GHOST_SLOTS];
}

static unsigned
class_in(uint64_t entry)
{
    return (unsigned)(entry >> COUNT_BITS) & ((1u << CLASS_BITS) - 1);
}

/* How many of the class have been evicted since. */
static uint32_t
age_of(const struct ghosts *ghosts, uint64_t entry)
{
    uint32_t now =
        atomic_load_explicit(&ghosts->evicted[class_in(entry)], memory_order_relaxed);

    return (now - (uint32_t)entry) & ((1u << COUNT_BITS) - 1);
}

void
ghosts_note(struct ghosts *ghosts, uint64_t hash, unsigned size_class)
{
    _Atomic uint64_t *set = set_of(ghosts, hash);
    uint32_t count = 1 + atomic_fetch_add_explicit(&ghosts->evicted[size_class], 1,
                                                   memory_order_relaxed);
    uint32_t sampled = (1u << ghosts->shift[size_class]) - 1, oldest = 0;
    unsigned at = 0;

    if (hash >> SAMPLE_SHIFT & sampled)
        return;
    for (unsigned i = 0; i < GHOST_SLOTS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        uint32_t age;

        if (entry == 0) {
            at = i;
            break;
        }
        age = age_of(ghosts, entry) >> ghosts->shift[class_in(entry)];
        if (age >= oldest) {
            oldest = age;
            at = i;
        }
    }
    atomic_store_explicit(&set[at],
                          hash >> 32 << 32 | (uint64_t)size_class << COUNT_BITS |
                              (count & ((1u << COUNT_BITS) - 1)),
                          memory_order_relaxed);
}

void
ghosts_miss(struct ghosts *ghosts, uint64_t hash)
{
    _Atomic uint64_t *set = set_of(ghosts, hash);

    for (unsigned i = 0; i < GHOST_SLOTS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        unsigned size_class = class_in(entry);

        if (entry >> 32 != hash >> 32 || entry == 0)
            continue;
        atomic_store_explicit(&set[i], 0, memory_order_relaxed); /* once is enough */
        if (age_of(ghosts, entry) <= ghosts->a_page[size_class])
            atomic_fetch_add_explicit(&ghosts->hits[size_class], 1, memory_order_relaxed);
        return;
    }
}
