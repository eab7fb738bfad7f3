/* t/linear/command.h - operations as memcached commands: says them, and takes the answer. */
#ifndef LARDER_T_LINEAR_COMMAND_H
#define LARDER_T_LINEAR_COMMAND_H

#include <stdbool.h>

#include "t/linear/op.h"
#include "t/linear/wire.h"

enum { COMMAND_KEYS_MAX = 4 };

/* More than one operation: a classic read of several keys. */
struct command {
    struct op  *ops;
    unsigned    count;
    const char *keys[COMMAND_KEYS_MAX];
    const char *data; /* of a store: the bytes of ops[0].value */
};

/* Fills in what the operations were answered, and when. False where there was no answer, or
 * none that makes sense: `wrong` then tells so, and the connection is of no more use. */
bool command_run(struct wire *w, struct command *c, char *wrong, size_t wrong_room);

#endif
