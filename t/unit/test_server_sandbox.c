/* t/unit/test_server_sandbox.c - what a thread may still do: of each role, that it can do its
 * work, and that whatever else it tries ends the process and is named.
 *
 * A filter stays for good, so each trial has a process of its own. The calls are made by
 * syscall(2): it is the kernel that is asked, not the C library. Sanitizers have no filter.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "server/options.h"
#include "server/sandbox.h"
#include "t/unit/suite.h"

#if HAVE_SECCOMP && !LARDER_DEBUG

#include <seccomp.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum { CODE_OF_ANOTHER_END = 99 };

/* ---- Trials ---------------------------------------------------------------------- */

struct trial {
    int  status;    /* as waitpid() has it */
    char said[512]; /* on standard error   */
};

/* Run `what` as a thread of this role, in a process of its own. */
static struct trial
try_as(enum sandbox_role role, const struct options *options, void (*what)(void))
{
    struct trial trial = { 0 };
    int          ends[2];
    size_t       used = 0;
    ssize_t      n;
    pid_t        child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct sandbox sandbox;
        char           text[256];

        dup2(ends[1], STDERR_FILENO);
        sandbox_init(&sandbox, options);
        sandbox_enter(&sandbox, role);
        if (sandbox_await(&sandbox, 1, text, sizeof(text)) != SANDBOX_OK)
            _exit(CODE_OF_ANOTHER_END);
        what();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], trial.said + used, sizeof(trial.said) - 1 - used)) > 0)
        used += (size_t)n;
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &trial.status, 0), child);
    return trial;
}

static void
assert_allowed(struct trial trial, const char *what)
{
    ck_assert_msg(WIFEXITED(trial.status) && WEXITSTATUS(trial.status) == 0,
                  "%s: status %x, %s", what, (unsigned)trial.status, trial.said);
    ck_assert_str_eq(trial.said, "");
}

/* ---- Calls ----------------------------------------------------------------------- */

/* A call for each role to try. Those that are let through come to nothing: no descriptor
 * has the number -1, and no process is sent the signal 0. */
#define CALLS(X)                                                                         \
    X(execve, 0, execve, "/bin/true", NULL, NULL)                                        \
    X(ptrace, 0, ptrace, 0, 0, 0, 0)                                                     \
    X(socket, 0, socket, AF_INET, SOCK_STREAM, 0)                                        \
    X(unix_socket, 0, socket, AF_UNIX, SOCK_DGRAM, 0)                                    \
    X(connect, 0, connect, -1, NULL, 0)                                                  \
    X(bind, 0, bind, -1, NULL, 0)                                                        \
    X(listen, 0, listen, -1, 1)                                                          \
    X(fork, 0, clone, SIGCHLD, 0, 0, 0, 0)                                               \
    X(clone3, 0, clone3, NULL, 0)                                                        \
    X(prctl, 0, prctl, PR_GET_DUMPABLE, 0, 0, 0, 0)                                      \
    X(another_filter, 0, seccomp, 0, 0, NULL)                                            \
    X(io_uring, 0, io_uring_setup, 1, NULL)                                              \
    X(bpf, 0, bpf, 0, NULL, 0)                                                           \
    X(memory_of_others, 0, process_vm_writev, 1, NULL, 0, NULL, 0, 0)                    \
    X(become_root, 0, setuid, 0)                                                         \
    X(rename, 0, renameat, AT_FDCWD, "/nowhere/at", AT_FDCWD, "/nowhere/all")            \
    X(remove, 0, unlinkat, AT_FDCWD, "/nowhere/at/all", 0)                               \
    X(change_a_socket, 0, setsockopt, -1, SOL_SOCKET, SO_KEEPALIVE, NULL, 0)             \
    X(map_code, 0, mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_ANONYMOUS, -1, 0)        \
    X(make_code, 0, mprotect, NULL, 4096, PROT_READ | PROT_EXEC)                         \
    X(signal_others, 0, kill, 1, 0)                                                      \
    X(signal_threads_of_others, 0, tgkill, 1, 1, 0)                                      \
    X(signal_ourselves, WORKER, kill, getpid(), 0)                                       \
    X(accept, MAIN, accept4, -1, NULL, NULL, 0)                                          \
    X(msync, MAIN, msync, NULL, 0, MS_SYNC)                                              \
    X(readv, WORKER, readv, -1, NULL, 0)                                                 \
    X(recvmsg, WORKER, recvmsg, -1, NULL, 0)                                             \
    X(getsockname, WORKER, getsockname, -1, NULL, NULL)                                  \
    X(ask_what_is_unsent, WORKER, ioctl, -1, SIOCOUTQ, NULL)                             \
    X(ask_what_is_unread, WORKER, ioctl, -1, SIOCINQ, NULL)                              \
    X(type_into_a_terminal, 0, ioctl, -1, TIOCSTI, NULL)                                 \
    X(sendmsg, WORKER | WATCH, sendmsg, -1, NULL, 0)                                     \
    X(fallocate, WORKER | UPKEEP, fallocate, -1, 0, 0, 1)                                \
    X(epoll_wait, MAIN | WORKER, epoll_pwait, -1, NULL, 1, 0, NULL, 0)                   \
    X(timerfd_settime, MAIN | WORKER, timerfd_settime, -1, 0, NULL, NULL)                \
    X(read, MAIN | WORKER | WATCH, read, -1, NULL, 0)                                    \
    X(recvfrom, MAIN | WORKER | WATCH, recvfrom, -1, NULL, 0, 0, NULL, NULL)             \
    X(close, MAIN | WORKER | WATCH, close, -1)                                           \
    X(write, ALL, write, -1, NULL, 0)                                                    \
    X(sendto, ALL, sendto, -1, NULL, 0, 0, NULL, 0)                                      \
    X(poll, ALL, ppoll, NULL, 0, &at_once, NULL, 0)                                      \
    X(futex, ALL, futex, NULL, 1, 1)                                                     \
    X(mmap, ALL, mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)        \
    X(madvise, ALL, madvise, NULL, 0, MADV_NORMAL)

static const struct timespec at_once;

enum {
    MAIN = 1 << SANDBOX_MAIN,
    WORKER = 1 << SANDBOX_WORKER,
    WATCH = 1 << SANDBOX_WATCH,
    UPKEEP = 1 << SANDBOX_UPKEEP,
    ALL = MAIN | WORKER | WATCH | UPKEEP,
};

#define FUNCTION(name, roles, call, ...)                                                 \
    static void try_##name(void)                                                         \
    {                                                                                    \
        syscall(SYS_##call, __VA_ARGS__);                                                \
    }
CALLS(FUNCTION)
#undef FUNCTION

#define ROW(name, roles, call, ...) { #name, #call, (roles), try_##name },
static const struct {
    const char *what;
    const char *call;
    unsigned    roles; /* that may */
    void (*try)(void);
} calls[] = { CALLS(ROW) };
#undef ROW

static const struct options filtered = { .filter = true, .filter_demanded = true };

START_TEST(each_role_may_do_what_it_has_to_and_nothing_else)
{
    for (size_t i = 0; i < LENGTH(calls); i++) {
        struct trial trial = try_as((enum sandbox_role)_i, &filtered, calls[i].try);
        char         named[64];

        if (calls[i].roles & 1U << _i) {
            assert_allowed(trial, calls[i].what);
            continue;
        }
        snprintf(named, sizeof(named),
                 "(%s) is not allowed to this thread: ", calls[i].call);
        ck_assert_msg(WIFSIGNALED(trial.status) && WTERMSIG(trial.status) == SIGABRT &&
                          strstr(trial.said, named) != NULL,
                      "role %d, %s: status %x, %s", _i, calls[i].what,
                      (unsigned)trial.status, trial.said);
    }
}
END_TEST

static void
sigsys_was_blocked(void)
{
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (sigismember(&blocked, SIGSYS) || !sigismember(&blocked, SIGTERM))
        _exit(CODE_OF_ANOTHER_END);
}

START_TEST(a_thread_without_signals_still_says_what_it_was_refused)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    assert_allowed(try_as(SANDBOX_WORKER, &filtered, sigsys_was_blocked), "mask");
    ck_assert_int_eq(WTERMSIG(try_as(SANDBOX_WORKER, &filtered, try_execve).status),
                     SIGABRT);
}
END_TEST

/* ---- Files ------------------------------------------------------------------------- */

static void
open_is_refused(void)
{
    if (open("/dev/null", O_RDONLY) >= 0 || errno != EACCES)
        _exit(CODE_OF_ANOTHER_END);
}

static void
open_is_allowed(void)
{
    struct stat about;

    if (open("/dev/null", O_RDONLY) < 0 || stat("/dev/null", &about) != 0)
        _exit(CODE_OF_ANOTHER_END);
}

static void
open_to_write(void)
{
    syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY, 0);
}

static void
open_to_create(void)
{
    syscall(SYS_openat, AT_FDCWD, "/nowhere/at/all", O_RDONLY | O_CREAT, 0600);
}

/* Malloc may try, and must not die of it. */
START_TEST(no_role_opens_files_where_nothing_is_read_again)
{
    assert_allowed(try_as((enum sandbox_role)_i, &filtered, open_is_refused), "open");
}
END_TEST

START_TEST(main_alone_opens_them_where_there_is_and_only_to_read)
{
    static char    file[] = "/passwords";
    struct options options = filtered;

    options.auth_file = file;
    assert_allowed(try_as(SANDBOX_MAIN, &options, open_is_allowed), "main");
    assert_allowed(try_as(SANDBOX_WORKER, &options, open_is_refused), "a worker");
    ck_assert_int_eq(WTERMSIG(try_as(SANDBOX_MAIN, &options, open_to_write).status),
                     SIGABRT);
    ck_assert_int_eq(WTERMSIG(try_as(SANDBOX_MAIN, &options, open_to_create).status),
                     SIGABRT);
}
END_TEST

static void
remove_file(void)
{
    (void)unlink("/nowhere/at/all");
}

START_TEST(a_daemon_may_remove_its_pid_file)
{
    static char    file[] = "/run/pid";
    struct options options = filtered;

    options.daemon = true;
    options.pid_file = file;
    assert_allowed(try_as(SANDBOX_MAIN, &options, remove_file), "main");
    ck_assert_int_eq(WTERMSIG(try_as(SANDBOX_WORKER, &options, remove_file).status),
                     SIGABRT);
}
END_TEST

static void
turn_on_kernel_tls(void)
{
    syscall(SYS_setsockopt, -1, IPPROTO_TCP, TCP_ULP, "tls", 4);
    syscall(SYS_setsockopt, -1, 282 /* SOL_TLS */, 1, NULL, 0);
}

START_TEST(tls_may_be_handed_to_the_kernel_where_that_is_wanted)
{
    struct options options = filtered;

    ck_assert_int_eq(
        WTERMSIG(try_as(SANDBOX_WORKER, &options, turn_on_kernel_tls).status), SIGABRT);
    options.tls_kernel = true;
    assert_allowed(try_as(SANDBOX_WORKER, &options, turn_on_kernel_tls), "a worker");
    ck_assert_int_eq(
        WTERMSIG(try_as(SANDBOX_WORKER, &options, try_change_a_socket).status), SIGABRT);
    assert_allowed(try_as(SANDBOX_MAIN, &options, try_sendmsg), "main");
    assert_allowed(try_as(SANDBOX_WATCH, &options, try_recvmsg), "watch");
}
END_TEST

/* ---- Without a filter ---------------------------------------------------------------- */

START_TEST(no_drop_privileges_allows_everything)
{
    static const struct options open_to_all = { .filter = false };

    assert_allowed(try_as((enum sandbox_role)_i, &open_to_all, try_socket), "socket");
}
END_TEST

/* A kernel, or a sandbox around us, that refuses a filter. */
static void
forbid_filters(void)
{
    scmp_filter_ctx *filter = seccomp_init(SCMP_ACT_ALLOW);

    ck_assert_int_eq(
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0), 0);
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                                      SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)),
                     0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

START_TEST(a_refusal_is_a_warning_unless_the_filter_was_demanded)
{
    struct options options = { .filter = true };
    struct sandbox sandbox;
    char           text[256] = "";

    forbid_filters();
    for (unsigned demanded = 0; demanded < 2; demanded++) {
        options.filter_demanded = demanded;
        sandbox_init(&sandbox, &options);
        sandbox_enter(&sandbox, SANDBOX_UPKEEP);
        ck_assert_int_eq(sandbox_await(&sandbox, 1, text, sizeof(text)),
                         demanded ? SANDBOX_REFUSED : SANDBOX_WITHOUT);
        ck_assert_msg(strstr(text, "(-o drop_privileges): Operation not") != NULL, "%s",
                      text);
        sandbox_fini(&sandbox);
    }
}
END_TEST

START_TEST(capabilities_that_stay_are_told_of)
{
    static const struct options unfiltered = { .filter = false };
    scmp_filter_ctx            *filter = seccomp_init(SCMP_ACT_ALLOW);
    struct sandbox              sandbox;
    char                        text[256] = "";

    if (geteuid() != 0)
        return;
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0),
                     0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
    sandbox_init(&sandbox, &unfiltered);
    sandbox_enter(&sandbox, SANDBOX_WORKER);
    ck_assert_int_eq(sandbox_await(&sandbox, 1, text, sizeof(text)), SANDBOX_WITHOUT);
    ck_assert_str_eq(text, "the system does not let capabilities be given up");
    sandbox_fini(&sandbox);
}
END_TEST

/* ------------------------------------------------------------------------------------ */

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/sandbox");
    TCase *roles = tcase_create("roles");

    tcase_add_loop_test(roles, each_role_may_do_what_it_has_to_and_nothing_else, 0,
                        SANDBOX_UPKEEP + 1);
    tcase_add_test(roles, a_thread_without_signals_still_says_what_it_was_refused);
    tcase_add_loop_test(roles, no_role_opens_files_where_nothing_is_read_again, 0,
                        SANDBOX_UPKEEP + 1);
    tcase_add_test(roles, main_alone_opens_them_where_there_is_and_only_to_read);
    tcase_add_test(roles, a_daemon_may_remove_its_pid_file);
    tcase_add_test(roles, tls_may_be_handed_to_the_kernel_where_that_is_wanted);
    tcase_add_loop_test(roles, no_drop_privileges_allows_everything, 0,
                        SANDBOX_UPKEEP + 1);
    tcase_add_test(roles, a_refusal_is_a_warning_unless_the_filter_was_demanded);
    tcase_add_test(roles, capabilities_that_stay_are_told_of);
    suite_add_tcase(suite, roles);
    return suite;
}

#else

/* Who asked for a filter has to hear that there is none; others go without. */
START_TEST(a_build_without_filters_says_so_to_who_demands_one)
{
    struct options options = { .filter = true };
    struct sandbox sandbox;
    char           text[256] = "";

    for (unsigned demanded = 0; demanded < 2; demanded++) {
        options.filter_demanded = demanded;
        sandbox_init(&sandbox, &options);
        sandbox_enter(&sandbox, SANDBOX_WORKER);
        ck_assert_int_eq(sandbox_await(&sandbox, 1, text, sizeof(text)),
                         demanded ? SANDBOX_REFUSED : SANDBOX_OK);
        sandbox_fini(&sandbox);
    }
    ck_assert_ptr_nonnull(strstr(text, "there is no filter of system calls"));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/sandbox");
    TCase *roles = tcase_create("roles");

    tcase_add_test(roles, a_build_without_filters_says_so_to_who_demands_one);
    suite_add_tcase(suite, roles);
    return suite;
}

#endif

int
main(void)
{
    return fixture_run(make_suite());
}
