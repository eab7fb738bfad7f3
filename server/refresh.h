/* server/refresh.h - `refresh_certs`: a worker is asked, and the main thread reads the files.
 *
 * Only the main thread may open a file while the server serves (server/sandbox.h), so a
 * worker that is told to have the certificates read asks it and waits for the answer. Files that
 * have not changed since are not read again.
 *
 * Threads: refresh_ask() is for workers, the rest for main. Main waits for no worker before
 *          refresh_close() has let go all that wait for it: the other order is a deadlock.
 */
#ifndef LARDER_SERVER_REFRESH_H
#define LARDER_SERVER_REFRESH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/certificates.h"

struct event;
struct event_base;
struct server;

enum { REFRESH_FILES = 3 };

struct refresh_file {
    uint64_t device, number;
    int64_t  bytes, changed_s, changed_ns;
};

struct refresh {
    int                      wake_fd; /* an eventfd; written to by who asks */
    struct event            *event;
    bool                     started;
    pthread_mutex_t          mutex; /* guards the rest */
    pthread_cond_t           told;
    bool                     closed;
    uint64_t                 asked; /* how often */
    uint64_t                 done;  /* how many of these have their answer */
    enum certificates_status answer;
    /* Main's: the files as they were when they were read, and Unix time then. */
    struct refresh_file seen[REFRESH_FILES];
    int64_t             read_at_s;
};

/* Be there for workers, in this loop of the main thread; false where the system does not
 * give what that needs. What was begun is undone by refresh_fini(). */
bool refresh_start(struct refresh *refresh, struct server *server,
                   struct event_base *base);
/* Have the certificates read; what came of it. */
enum certificates_status refresh_ask(struct refresh *refresh);
/* From now on nobody is answered any more. */
void refresh_close(struct refresh *refresh);
void refresh_fini(struct refresh *refresh);

#endif
