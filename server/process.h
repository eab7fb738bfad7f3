/* server/process.h - what a daemon does to its process before it serves.
 *
 * Each function does one thing and reports; none of them exits or prints. main() calls
 * them in memcached's order, because file owners and rights follow from it:
 *
 *    process_hear_hangup(false)    first of all
 *    process_return_memory
 *    process_raise_core_limit      -r, while still root
 *    process_limit_descriptors     -c, while still root
 *    process_check_descriptors     for all that is going to be opened
 *    process_raise_lock_limit      -k, while still root
 *    process_drop_privileges       -u: sockets and pid file belong to that user
 *    (server_open_memory()         -e: as that user, in the directory of the start)
 *    process_daemonize             -d: before there are threads; the parent waits
 *    (the cache, the workers, listen_open())
 *    process_hear_hangup(true)     once events are there
 *    process_check_descriptors     with everything open, for one client
 *    process_lock_memory           -k: locks do not survive a fork
 *    process_write_pid             -P
 *    process_daemon_ready          -d: the parent may go, the terminal is let go
 *    process_forbid_dumps          but with -r
 *    (sandbox_enter(): capabilities and system calls, in each thread by itself)
 *
 * Threads: the main thread, before it starts others where the list says so.
 * Errors:  `text` gets one line for a person, without a newline.
 */
#ifndef LARDER_SERVER_PROCESS_H
#define LARDER_SERVER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

enum process_status {
    PROCESS_OK = 0,
    PROCESS_PARENT, /* this is what is left of the parent: end with daemon.exit_code */
    PROCESS_FEW,    /* -c leaves no descriptor for a client: exit 1                  */
    PROCESS_NO_MEMORY_FILE, /* -e names a file that cannot be used: exit 1             */
    PROCESS_USAGE,    /* root without -u: exit 64                                      */
    PROCESS_NO_USER,  /* no such user: exit 67                                         */
    PROCESS_OS_ERROR, /* the system said no: exit 71                                   */
};

/* memcached's words for PROCESS_FEW, whoever finds it out. */
#define PROCESS_FEW_TEXT "Maxconns setting is too low, use -c to increase."

/* A daemon between its fork and its first client; starts as { .ready_fd = -1 }. */
struct process_daemon {
    int  ready_fd;   /* the parent waits at the other end; -1 when nobody does */
    int  exit_code;  /* of the parent, after PROCESS_PARENT                    */
    bool keep_stdio; /* -v: standard output and error stay                     */
};

/* Let HUP come, or wait, where it would end a process that does not listen to it yet: from the
 * first line of main() until there is somebody who hears it. For the calling thread, and those
 * that it starts. */
void process_hear_hangup(bool hear);

/* From now on a large allocation, such as what a slow client has yet to read, returns to the system
 * when it is freed; malloc would keep it for as long as something small lies behind it. */
void process_return_memory(void);

/* The exit code main() ends with. */
int process_exit_code(enum process_status status);

/* -r: as much core file as the hard limit allows, more if we may raise it. */
enum process_status process_raise_core_limit(char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/*
 * Set the soft limit of open descriptors to exactly `wanted`, so that accept() fails with
 * EMFILE where memcached's does; raise the hard limit when it is lower and we may.
 */
enum process_status process_limit_descriptors(unsigned wanted, char *text,
                                              size_t text_bytes)
    __attribute__((warn_unused_result));

/* Can so many more be opened, with all numbers below `connections_max` but the last? It is
 * tried, so whatever was inherited counts. They are closed again. */
enum process_status process_check_descriptors(unsigned connections_max, unsigned wanted,
                                              char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* -k: let the user that we are going to be lock memory. A failure shows up in
 * process_lock_memory(). */
void process_raise_lock_limit(void);

/*
 * Become `user`, for good, if we are root; root stays root only when told `-u root`. Who
 * is not root stays who he is, whatever -u says. The groups are that user's. `core_dumps`
 * (-r) keeps core dumps possible, which a change of user forbids. Whoever it is, no program
 * that he ran would have more rights than he has (no_new_privs), nor any capability.
 */
enum process_status process_drop_privileges(const char *user, bool core_dumps, char *text,
                                            size_t text_bytes)
    __attribute__((warn_unused_result));

/*
 * Give up the capabilities of the calling thread, if it is root's too: once everything is
 * open there is no use for one, but for CAP_IPC_LOCK with -k, where later memory has to be
 * locked as well. False if the system does not allow that.
 */
bool process_drop_capabilities(bool locks_memory) __attribute__((warn_unused_result));

/* No core files, and nobody but root may trace us, or look into /proc of us: in memory
 * there are passwords, keys and what clients have stored. */
void process_forbid_dumps(void);

/* The path from / on, which still leads there after process_daemonize(); to be freed, NULL
 * with errno where it is not to be had. */
char *process_full_path(const char *path) __attribute__((warn_unused_result));

/*
 * -d: PROCESS_OK comes back in the child, a session of its own, in / unless
 * `keep_directory` (-r: that is where the core file goes). Its terminal is still there,
 * for the complaints of a failing start. The parent returns PROCESS_PARENT when the child
 * has called process_daemon_ready() or has ended, and with its exit code in the second
 * case: `larder -d` fails where larder fails. Call it before there are threads.
 */
enum process_status process_daemonize(struct process_daemon *daemon, bool keep_directory,
                                      bool keep_stdio, char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* The child serves: release the parent, and the terminal unless keep_stdio. Does nothing
 * where process_daemonize() was not called (ready_fd is -1). */
enum process_status process_daemon_ready(struct process_daemon *daemon, char *text,
                                         size_t text_bytes)
    __attribute__((warn_unused_result));

/*
 * -k: lock what is in memory and what will be. Address space that is reserved but was
 * never touched stays unpopulated. A failure is worth a warning, not an end.
 */
/* Does the system give huge pages to who asks for them? */
enum process_status process_check_huge_pages(char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
enum process_status process_lock_memory(char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* -P: write our pid to `path`; the file appears whole. A failure only deserves a warning,
 * as with memcached. */
enum process_status process_write_pid(const char *path, char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* Remove it again: with -d alone. A file that names another process is left alone. */
void process_remove_pid(const char *path);

#endif
