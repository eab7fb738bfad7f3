/* server/reload.h - the configuration file, read again while the server serves.
 *
 * All of it is read first, with the environment and the command line as they were at the
 * start, and what is not good as a whole changes nothing. Then what differs from the last
 * reading is carried out where a running server can do so, and told of where it cannot, each time.
 * What clients have changed meanwhile (`verbosity`, `lru tune` ...) stays as long as the file
 * says the same as before.
 *
 * Threads: the main thread.
 */
#ifndef LARDER_SERVER_RELOAD_H
#define LARDER_SERVER_RELOAD_H

struct options;
struct server;

struct reload {
    int             argc; /* of main(); frozen */
    char          **argv;
    struct options *last; /* as last read and carried out; NULL: server->options */
};

/* Do it, if there is such a file. What comes of it is logged. */
void reload_settings(struct server *server);
void reload_fini(struct reload *reload);

#endif
