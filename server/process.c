/* server/process.c - what a daemon does to its process before it serves.
 *
 * Rights are given up for good: root's identity is dropped from the real, effective and
 * saved ids, and that it cannot be taken back is tried, not trusted.
 */
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PID_BYTES = 32, LARGE_ALLOCATION = 64 << 10 };

static enum process_status fail(char *text, size_t text_bytes, enum process_status status,
                                const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum process_status
fail(char *text, size_t text_bytes, enum process_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, text_bytes, format, arguments);
    va_end(arguments);
    return status;
}

int
process_exit_code(enum process_status status)
{
    switch (status) {
    case PROCESS_OK:
    case PROCESS_PARENT:
        return 0;
    case PROCESS_FEW:
    case PROCESS_NO_MEMORY_FILE:
        return 1;
    case PROCESS_USAGE:
        return 64; /* EX_USAGE */
    case PROCESS_NO_USER:
        return 67; /* EX_NOUSER */
    default:
        return 71; /* EX_OSERR */
    }
}

void
process_hear_hangup(bool hear)
{
    sigset_t hangup;

    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(hear ? SIG_UNBLOCK : SIG_BLOCK, &hangup, NULL);
}

/* ---- Limits ---------------------------------------------------------------------- */

void
process_return_memory(void)
{
    /* Sanitizers have a malloc of their own, which may refuse. */
    mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION);
}

enum process_status
process_raise_core_limit(char *text, size_t text_bytes)
{
    struct rlimit limit = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

    if (setrlimit(RLIMIT_CORE, &limit) == 0)
        return PROCESS_OK;
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max > 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_CORE, &limit) == 0)
            return PROCESS_OK;
    }
    return fail(text, text_bytes, PROCESS_OS_ERROR,
                "cannot raise the limit of core files (-r)");
}

enum process_status
process_limit_descriptors(unsigned wanted, char *text, size_t text_bytes)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail(text, text_bytes, PROCESS_OS_ERROR,
                    "cannot learn the limit of open files: %s", strerror(errno));
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail(text, text_bytes, PROCESS_OS_ERROR,
                    "cannot raise the limit of open files to %u: start as root, raise it "
                    "from outside, or ask for fewer connections (-c)",
                    wanted);
    return PROCESS_OK;
}

enum process_status
process_check_descriptors(unsigned connections_max, unsigned wanted, char *text,
                          size_t text_bytes)
{
    int     *opened = calloc(wanted, sizeof(*opened));
    unsigned count = 0;
    bool     enough = true;

    if (opened == NULL)
        return fail(text, text_bytes, PROCESS_OS_ERROR, "out of memory");
    while (enough && count < wanted) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
            opened[count++] = fd;
        /* The acceptor refuses what gets the last number: see `maxconns_fast`. */
        enough = fd >= 0 && (unsigned)fd + 1 < connections_max;
    }
    while (count > 0)
        close(opened[--count]);
    free(opened);
    if (!enough)
        return fail(text, text_bytes, PROCESS_FEW, "%s", PROCESS_FEW_TEXT);
    return PROCESS_OK;
}

void
process_raise_lock_limit(void)
{
    struct rlimit limit = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

    (void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

enum process_status
process_lock_memory(char *text, size_t text_bytes)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return PROCESS_OK;
    return fail(text, text_bytes, PROCESS_OS_ERROR, "cannot lock memory (-k): %s",
                strerror(errno));
}

enum process_status
process_check_huge_pages(char *text, size_t text_bytes)
{
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char              said[64] = "";
    int               fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t           n = fd >= 0 ? read(fd, said, sizeof(said) - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (n > 0 && strstr(said, "[never]") == NULL)
        return PROCESS_OK;
    return fail(text, text_bytes, PROCESS_OS_ERROR, "no huge pages (-L): %s %s", path,
                n > 0 ? "says never" : "is not there");
}

/* ---- Who we are ------------------------------------------------------------------ */

/* What a program that we ran could have, if it were allowed to have anything. Without the
 * right to do so there is less to be given up. */
static void
drop_bounding_set(void)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

/* The last step away from root. */
static bool
become(const struct passwd *user)
{
    /* EPERM: a namespace without the right to set groups, and so without groups. */
    if (initgroups(user->pw_name, user->pw_gid) != 0 && errno != EPERM)
        return false;
    if (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        return false;
    if (setuid(0) == 0) {
        errno = EPERM;
        return false;
    }
    return true;
}

enum process_status
process_drop_privileges(const char *user, bool core_dumps, char *text, size_t text_bytes)
{
    const struct passwd *entry;

    drop_bounding_set();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(text, text_bytes, PROCESS_OS_ERROR,
                    "cannot give up what programs may grant: %s", strerror(errno));
    if (getuid() != 0 && geteuid() != 0)
        return PROCESS_OK;
    if (user == NULL)
        return fail(text, text_bytes, PROCESS_USAGE,
                    "must add '-u root' to start as root");
    entry = getpwnam(user);
    if (entry == NULL)
        return fail(text, text_bytes, PROCESS_NO_USER,
                    "can't find the user %s to switch to", user);
    if (entry->pw_uid == 0)
        return PROCESS_OK;
    if (!become(entry))
        return fail(text, text_bytes, PROCESS_OS_ERROR, "cannot become the user %s: %s",
                    user, strerror(errno));
    if (core_dumps)
        (void)prctl(PR_SET_DUMPABLE, 1);
    return PROCESS_OK;
}

bool
process_drop_capabilities(bool locks_memory)
{
    struct __user_cap_header_struct whose = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct   set[_LINUX_CAPABILITY_U32S_3];
    uint32_t                        kept = locks_memory ? 1U << CAP_IPC_LOCK : 0;

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &whose, set) != 0)
        return false;
    if (((set[0].permitted | set[0].inheritable) & ~kept) == 0 &&
        (set[1].permitted | set[1].inheritable) == 0)
        return true; /* a sandbox around us may forbid to say so again */
    set[0].permitted &= kept;
    set[0].effective &= kept;
    set[0].inheritable = 0;
    set[1] = (struct __user_cap_data_struct){ 0 };
    return syscall(SYS_capset, &whose, set) == 0;
}

void
process_forbid_dumps(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* ---- The daemon ------------------------------------------------------------------ */

/* Wait until the child serves, or has ended. */
static int
await_child(int ready_fd, pid_t child)
{
    char    byte;
    ssize_t got;
    int     how;

    do {
        got = read(ready_fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1)
        return 0;
    while (waitpid(child, &how, 0) < 0) {
        if (errno != EINTR)
            return process_exit_code(PROCESS_OS_ERROR);
    }
    return WIFEXITED(how) ? WEXITSTATUS(how) : process_exit_code(PROCESS_OS_ERROR);
}

char *
process_full_path(const char *path)
{
    char *here, *whole = NULL;

    if (path[0] == '/')
        return strdup(path);
    here = getcwd(NULL, 0);
    if (here != NULL && asprintf(&whole, "%s/%s", here, path) < 0)
        whole = NULL;
    free(here);
    return whole;
}

enum process_status
process_daemonize(struct process_daemon *daemon, bool keep_directory, bool keep_stdio,
                  char *text, size_t text_bytes)
{
    int   ends[2];
    pid_t child;

    *daemon = (struct process_daemon){ .ready_fd = -1, .keep_stdio = keep_stdio };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(text, text_bytes, PROCESS_OS_ERROR, "cannot go to the background: %s",
                    strerror(errno));
    fflush(NULL); /* or both would write what is in there */
    child = fork();
    if (child < 0) {
        fail(text, text_bytes, PROCESS_OS_ERROR, "cannot go to the background: %s",
             strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return PROCESS_OS_ERROR;
    }
    if (child > 0) {
        close(ends[1]);
        daemon->exit_code = await_child(ends[0], child);
        close(ends[0]);
        return PROCESS_PARENT;
    }
    close(ends[0]);
    daemon->ready_fd = ends[1];
    if (setsid() < 0 || (!keep_directory && chdir("/") != 0))
        return fail(text, text_bytes, PROCESS_OS_ERROR, "cannot go to the background: %s",
                    strerror(errno));
    return PROCESS_OK;
}

static bool
let_go_of_stdio(void)
{
    int  fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool good = fd >= 0;

    for (int i = STDIN_FILENO; good && i <= STDERR_FILENO; i++)
        good = dup2(fd, i) == i;
    if (fd > STDERR_FILENO)
        close(fd);
    return good;
}

enum process_status
process_daemon_ready(struct process_daemon *daemon, char *text, size_t text_bytes)
{
    if (daemon->ready_fd < 0)
        return PROCESS_OK;
    if (!daemon->keep_stdio && !let_go_of_stdio())
        return fail(text, text_bytes, PROCESS_OS_ERROR,
                    "cannot let go of the terminal: %s", strerror(errno));
    /* Whether the parent still waits or somebody killed it, this server serves. */
    (void)!send(daemon->ready_fd, "", 1, MSG_NOSIGNAL);
    close(daemon->ready_fd);
    daemon->ready_fd = -1;
    return PROCESS_OK;
}

/* ---- The pid file ---------------------------------------------------------------- */

static bool
write_own_pid(const char *path)
{
    char pid[PID_BYTES];
    int  length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool good;

    if (fd < 0)
        return false;
    good = write(fd, pid, (size_t)length) == length;
    return close(fd) == 0 && good;
}

enum process_status
process_write_pid(const char *path, char *text, size_t text_bytes)
{
    char *temporary;
    bool  good;

    if (asprintf(&temporary, "%s.tmp", path) < 0)
        return fail(text, text_bytes, PROCESS_OS_ERROR, "out of memory");
    good = write_own_pid(temporary) && rename(temporary, path) == 0;
    if (!good) {
        fail(text, text_bytes, PROCESS_OS_ERROR, "cannot write the pid file %s: %s", path,
             strerror(errno));
        (void)unlink(temporary);
    }
    free(temporary);
    return good ? PROCESS_OK : PROCESS_OS_ERROR;
}

void
process_remove_pid(const char *path)
{
    char    own[PID_BYTES], there[PID_BYTES];
    int     length = snprintf(own, sizeof(own), "%ld\n", (long)getpid());
    int     fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return;
    got = read(fd, there, sizeof(there));
    close(fd);
    if (got == length && memcmp(own, there, (size_t)length) == 0)
        (void)unlink(path);
}
