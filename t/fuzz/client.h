/* t/fuzz/client.h - a connection as in server/conn.c, over a transport that is made up.
 *
 * The transport delivers in chunks of any size, takes less than it is offered, and at
 * times takes nothing. What is kept of the input, what is saved of the reply, when reading
 * stops and when it goes on: that follows conn.c step by step, and has to follow it when
 * it changes.
 */
#ifndef LARDER_T_FUZZ_CLIENT_H
#define LARDER_T_FUZZ_CLIENT_H

#include "protocol/session.h"
#include "t/fuzz/world.h"

enum {
    CLIENT_INPUT_BYTES = 16 << 10, /* WORKER_INPUT_BYTES                    */
    CLIENT_OUTPUT_MAX = 1 << 20,   /* bytes from one client that are looked at */
    CLIENT_QUEUE = 32,
};

/* How the transport behaves. All zero: whatever comes goes through as a whole. */
struct schedule {
    const uint8_t *bytes; /* each decides one step, over and over */
    size_t         count;
    size_t         at;
    unsigned       turn; /* requests that a client may make in one go, 0: any number */
};

/* All that a client was sent, with a limit. */
struct record {
    size_t length;
    char   bytes[CLIENT_OUTPUT_MAX];
};

struct client {
    struct world    *world;
    struct schedule *schedule;
    struct record   *record;   /* written to, or...                                 */
    bool             compares; /* ...what is sent must be the same                  */
    size_t           sent;

    struct session session;
    struct span    queue[CLIENT_QUEUE]; /* on the way to the server */
    unsigned       queued;
    char          *kept; /* input that is not used yet */
    size_t         kept_length;
    struct reply  *pending;  /* what the socket did not take...      */
    char          *promised; /* ...and what it was at that time      */
    size_t         promised_at;
    bool           starved; /* the socket took nothing, so it takes something next */
    bool           stalled; /* the peer does not read              */
    bool           again;   /* it has had its turn, and has more to do */
    bool           closing, closed;

    /* Why its output may depend on how the input comes. */
    bool differs;  /* it was not what it had to be                       */
    bool dropped;  /* what was unsent is lost                            */
    bool too_long; /* a line that has to come in one read, and may not have */
    bool too_much; /* more than a record holds                           */
};

void client_open(struct client *client, struct world *world, struct schedule *schedule,
                 struct record *record, bool compares);
/* The peer or the server closes. */
void client_close(struct client *client);
/* The peer sends. False where too much is on the way already. */
bool client_send(struct client *client, struct span bytes);
/* Let one event happen; false where none is due. */
bool client_step(struct client *client);

#endif
