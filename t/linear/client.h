/* t/linear/client.h - a client: what it asks next, and what it has recorded. */
#ifndef LARDER_T_LINEAR_CLIENT_H
#define LARDER_T_LINEAR_CLIENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "t/linear/command.h"
#include "t/linear/load.h"
#include "t/linear/op.h"
#include "t/linear/wire.h"
#include "t/stress/dice.h"

enum { KEY_BYTES = 40 };

struct key {
    char             name[KEY_BYTES];
    _Atomic uint64_t last_id; /* the CAS id that somebody was told last */
};

/* What one client did in one round. */
struct record {
    struct op *ops;
    size_t     count, room;
};

struct client {
    const struct options *opt;
    struct key           *keys;
    unsigned              number;
    unsigned              round; /* decides which keys are hot */
    struct dice           dice;
    struct wire           wire;
    uint64_t              serial; /* makes values unique */
    char                 *data;   /* bytes of the value that is sent */
    char                  wrong[400];
};

/* `run` makes the values of this run its own. False: no connection. */
bool client_start(struct client *c, const struct options *opt, struct key *keys,
                  unsigned number);
void client_stop(struct client *c);

/* One command, random, and its answer. False where the server does not answer as it should:
 * `wrong` tells. */
bool client_turn(struct client *c, struct record *record);

/* Reads a key by all means, for the last round. */
bool client_look(struct client *c, unsigned key, struct record *record);

#endif
