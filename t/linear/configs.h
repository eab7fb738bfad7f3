/* t/linear/configs.h - a set of configurations: what may be the case, given what was seen.
 *
 * A configuration is a state of the item and which of the operations under way have taken
 * place already. Two that differ only in how low an unknown CAS id may be are one: the
 * lower bound allows whatever the higher one does.
 */
#ifndef LARDER_T_LINEAR_CONFIGS_H
#define LARDER_T_LINEAR_CONFIGS_H

#include <stddef.h>
#include <stdint.h>

#include "t/linear/model.h"

struct config {
    struct state state;
    uint32_t     done; /* a bit for each operation under way */
};

struct configs {
    struct config *at;
    size_t         count, room;
    uint32_t      *slots; /* open addressing: an index into `at`, plus one */
    size_t         nslots, slots_room;
};

/* All zero is an empty set. */
void configs_clear(struct configs *set);
void configs_free(struct configs *set);
void configs_copy(struct configs *to, const struct configs *from);

/* What is in it was changed in place. */
void configs_changed(struct configs *set);

/* Adds one that is not in it. Where one like it with a higher bound is among the first
 * `settled`, it is added all the same, to be looked at again; after these it is lowered. */
void configs_add(struct configs *set, const struct config *config, size_t settled);

#endif
