/* bench/larder-bench/server.h - a server of --vs: what it is called, how it starts and stops.
 *
 *     NAME[/WORD...]=COMMAND       started by the shell, with %P or %S put in; else with -p PORT
 *     NAME[/WORD...]=@ADDRESS      it runs already
 *     COMMAND                      named after its program
 *
 * A WORD is how this one server is asked otherwise than the plan says: a protocol, `unverified`,
 * or `unfilled`.
 */
#ifndef LARDER_BENCH_SERVER_H
#define LARDER_BENCH_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "bench/larder-bench/plan.h"

struct server {
    char          *name;    /* owned */
    const char    *command; /* NULL: it runs already */
    struct plan    plan;    /* for this one */
    struct address address; /* once it is started */
    pid_t          pid;     /* of the process that serves; 0: not known, or stopped */
    char          *path;    /* owned: of its unix socket, in a folder of its own */
    int            said;    /* a file with what it has written on stderr; -1 */
};

/* Reads one of the forms above, or ends the program, with exit status 2. */
void server_init(struct server *server, const struct plan *plan, const char *text);
void server_fini(struct server *server);

/* Starts it, and waits until it accepts connections; if it does not, the program ends, with what
 * the server has said. It is killed when this process ends, however it does. */
void server_start(struct server *server);

/* Tells it to end, and kills it if it does not. One that runs elsewhere is left alone. */
void server_stop(struct server *server);

/* Before this process ends because of a failure: says on stderr how the server has ended, if it did
 * so by itself, with its last words; and takes away what it would leave behind. */
void server_abandon(struct server *server);

#endif
