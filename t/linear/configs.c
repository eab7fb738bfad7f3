/* t/linear/configs.c - a growing array, and a hash table of what is in it. */
#include "t/linear/configs.h"

#include <stdlib.h>
#include <string.h>

#include "t/linear/memory.h"
#include "t/stress/dice.h"

enum { SLOTS_LEAST = 64 };

/* What two have to have in common to be one. The id comes last, and counts if known. */
static size_t
compared_bytes(const struct state *s)
{
    return s->cas_known ? sizeof(*s) : offsetof(struct state, cas);
}

static uint64_t
config_hash(const struct config *c)
{
    uint64_t hash = mix(c->done + 1), word;
    size_t   bytes = compared_bytes(&c->state);

    for (size_t at = 0; at < bytes; at += sizeof(word)) {
        memcpy(&word, (const char *)&c->state + at, sizeof(word));
        hash = mix(hash ^ word) + at;
    }
    return hash;
}

static bool
config_alike(const struct config *a, const struct config *b)
{
    return a->done == b->done && a->state.cas_known == b->state.cas_known &&
           memcmp(&a->state, &b->state, compared_bytes(&a->state)) == 0;
}

/* The slot of the like, or the empty one where it would be. */
static uint32_t *
slot_of(const struct configs *set, const struct config *config)
{
    size_t i = config_hash(config) & (set->nslots - 1);

    while (set->slots[i] != 0 && !config_alike(&set->at[set->slots[i] - 1], config))
        i = (i + 1) & (set->nslots - 1);
    return &set->slots[i];
}

static void
use_slots(struct configs *set, size_t nslots)
{
    if (nslots > set->slots_room) {
        set->slots = memory_resize(set->slots, nslots, sizeof(*set->slots));
        set->slots_room = nslots;
    }
    set->nslots = nslots;
    memset(set->slots, 0, nslots * sizeof(*set->slots));
}

void
configs_clear(struct configs *set)
{
    set->count = 0;
    use_slots(set, SLOTS_LEAST);
}

void
configs_free(struct configs *set)
{
    free(set->at);
    free(set->slots);
    *set = (struct configs){ 0 };
}

static void
append(struct configs *set, const struct config *config)
{
    if (set->count == set->room) {
        set->room = set->room > 0 ? set->room * 2 : SLOTS_LEAST;
        set->at = memory_resize(set->at, set->room, sizeof(*set->at));
    }
    set->at[set->count++] = *config;
}

/* The latest of those alike is the one that is found. */
static void
rehash(struct configs *set, size_t nslots)
{
    use_slots(set, nslots);
    for (size_t i = 0; i < set->count; i++)
        *slot_of(set, &set->at[i]) = (uint32_t)i + 1;
}

void
configs_add(struct configs *set, const struct config *config, size_t settled)
{
    struct config *like;
    uint32_t      *slot;

    if (set->nslots == 0)
        configs_clear(set);
    if (set->count * 2 >= set->nslots)
        rehash(set, set->nslots * 2);
    slot = slot_of(set, config);
    like = *slot != 0 ? &set->at[*slot - 1] : NULL;
    if (like != NULL && like->state.cas <= config->state.cas)
        return;
    if (like != NULL && *slot > settled) {
        like->state.cas = config->state.cas;
        return;
    }
    append(set, config);
    *slot = (uint32_t)set->count;
}

void
configs_changed(struct configs *set)
{
    rehash(set, set->nslots);
}

void
configs_copy(struct configs *to, const struct configs *from)
{
    configs_clear(to);
    for (size_t i = 0; i < from->count; i++)
        configs_add(to, &from->at[i], 0);
}
