/* t/linear/mutate.h - falsifies what was recorded, to see how much of it the checker finds. */
#ifndef LARDER_T_LINEAR_MUTATE_H
#define LARDER_T_LINEAR_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "t/linear/model.h"
#include "t/linear/op.h"

struct mutations; /* what was tried, and what was found */

struct mutations *mutations_create(const struct model *model, uint64_t seed);

/* All operations on a key that nobody has used before, which are in order. */
void mutations_try(struct mutations *m, const struct op *const *ops, size_t count);

/* Prints how much was found. The number of kinds of which too little was. */
unsigned mutations_finish(struct mutations **m);

#endif
