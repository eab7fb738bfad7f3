/* server/sandbox.h - what a thread may still do once the server serves: a list of system calls
 * for each role, held by the kernel (seccomp(2)), and no capabilities.
 *
 * A thread enters by itself, before it does anything for clients: what it asks the kernel for
 * from then on has to be on the list of its role. No role may run a program, make a process
 * or a thread, open a socket, or make memory executable; only the main thread may open a file,
 * and only to read it. What is not on the list ends the process by SIGABRT, with a line on
 * standard error that names the call: a server in which somebody tries such a thing is not
 * one that should go on.
 *
 * To add a call: a line in sandbox.c, for the roles that make it, with as few arguments
 * allowed as it is made with. A call that is made for each request is allowed whatever its
 * arguments: such calls the kernel lets pass without running the filter.
 *
 * Threads: sandbox_enter() from each of them; the rest is main's.
 * Without libseccomp, and where sanitizers look on (their runtime opens files and traces
 * threads), nothing but the capabilities is taken away.
 */
#ifndef LARDER_SERVER_SANDBOX_H
#define LARDER_SERVER_SANDBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct options;

enum sandbox_role {
    SANDBOX_MAIN,   /* accepts, ticks, reads certificates and passwords again */
    SANDBOX_WORKER, /* serves connections and datagrams                       */
    SANDBOX_WATCH,  /* sends lines to watchers                                */
    SANDBOX_UPKEEP, /* works on the cache's memory, and talks to nobody       */
};

struct sandbox {
    const struct options *options; /* frozen */
    pthread_mutex_t       mutex;   /* guards the rest, and libseccomp */
    pthread_cond_t        told;
    unsigned              entered; /* threads */
    int                   error;   /* errno of one that has no filter, or 0 */
    bool                  capable; /* one of them could not give up its capabilities */
};

enum sandbox_status {
    SANDBOX_OK,
    SANDBOX_WITHOUT, /* there is no filter, or capabilities are left: a warning will do */
    SANDBOX_REFUSED, /* the same, and -o drop_privileges was said: the end */
};

/* For a server with these options, which outlive it. Takes over SIGSYS. */
void sandbox_init(struct sandbox *sandbox, const struct options *options);
/* The calling thread plays this role from now on. With `-o no_drop_privileges` it only loses
 * its capabilities. */
void sandbox_enter(struct sandbox *sandbox, enum sandbox_role role);
/* Wait until so many threads have entered. What is not SANDBOX_OK has one line in `text`. */
enum sandbox_status sandbox_await(struct sandbox *sandbox, unsigned threads, char *text,
                                  size_t text_bytes) __attribute__((warn_unused_result));
void                sandbox_fini(struct sandbox *sandbox);

#endif
