/* t/unit/test_server_process.c - what larder does to its own process.
 *
 * Check runs each test in a process of its own, so a test may change limits, user and
 * memory locks for good. What only root can do is tested when root runs the tests; then
 * the user to become is `nobody`.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process.h"
#include "t/unit/suite.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LOCKS_ARE_REAL = 0 }; /* sanitizers answer mlockall() themselves */
#else
enum { LOCKS_ARE_REAL = 1 };
#endif

enum { TEXT_BYTES = 256 };

/* ---- Help -------------------------------------------------------------------------- */

static bool
is_root(void)
{
    return geteuid() == 0;
}

/* Root in a container may lack this: ask the kernel, not the user id. */
static bool
may_raise_limits(void)
{
    enum { SYS_RESOURCE = 24 }; /* CAP_SYS_RESOURCE, in linux/capability.h */
    unsigned long long rights = 0;
    char               line[256];
    FILE              *status = fopen("/proc/self/status", "r");

    ck_assert_ptr_nonnull(status);
    while (fgets(line, sizeof(line), status) != NULL)
        sscanf(line, "CapEff: %llx", &rights);
    fclose(status);
    return rights >> SYS_RESOURCE & 1;
}

static struct passwd *
nobody(void)
{
    struct passwd *entry = getpwnam("nobody");

    ck_assert_ptr_nonnull(entry);
    return entry;
}

static void
assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
}

/* ---- Limits ------------------------------------------------------------------------ */

START_TEST(the_limit_of_descriptors_becomes_exactly_what_c_says)
{
    char          text[TEXT_BYTES] = "";
    struct rlimit limit;

    ck_assert_int_eq(process_limit_descriptors(60, text, sizeof(text)), PROCESS_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 60);
    ck_assert_uint_ge(limit.rlim_max, 60);
    ck_assert_int_eq(process_limit_descriptors(50, text, sizeof(text)), PROCESS_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 50);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_hard_limit_of_descriptors_is_raised_by_who_may)
{
    char          text[TEXT_BYTES];
    struct rlimit limit = { .rlim_cur = 50, .rlim_max = 50 };

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(process_limit_descriptors(100, text, sizeof(text)),
                     may_raise_limits() ? PROCESS_OK : PROCESS_OS_ERROR);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, may_raise_limits() ? 100 : 50);
}
END_TEST

START_TEST(others_are_told_when_the_hard_limit_is_too_low)
{
    char          text[TEXT_BYTES];
    struct rlimit limit = { .rlim_cur = 50, .rlim_max = 50 };

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (is_root())
        ck_assert_int_eq(setuid(nobody()->pw_uid), 0);
    ck_assert_int_eq(process_limit_descriptors(51, text, sizeof(text)), PROCESS_OS_ERROR);
    assert_has(text, "limit of open files to 51");
    assert_has(text, "-c");
    ck_assert_int_eq(process_limit_descriptors(50, text, sizeof(text)), PROCESS_OK);
}
END_TEST

/* The next descriptor's number, which is how many are open when there is no gap. */
static unsigned
next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return (unsigned)fd;
}

START_TEST(as_many_descriptors_as_are_wanted_are_tried)
{
    char     text[TEXT_BYTES] = "";
    unsigned first = next_descriptor(), second;
    int      taken = open("/dev/null", O_RDONLY);

    second = next_descriptor();
    close(taken);
    ck_assert_int_eq(process_check_descriptors(second + 2, 2, text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_int_eq(process_check_descriptors(second + 1, 2, text, sizeof(text)),
                     PROCESS_FEW);
    ck_assert_uint_eq(next_descriptor(), first);
}
END_TEST

START_TEST(too_few_descriptors_are_found_out)
{
    char     text[TEXT_BYTES] = "";
    unsigned next = next_descriptor();

    /* A client gets the number `next`; the last one below the limit is refused. */
    ck_assert_int_eq(process_check_descriptors(next + 2, 1, text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(process_check_descriptors(next + 1, 1, text, sizeof(text)),
                     PROCESS_FEW);
    ck_assert_str_eq(text, "Maxconns setting is too low, use -c to increase.");
    ck_assert_int_eq(process_check_descriptors(1, 1, text, sizeof(text)), PROCESS_FEW);
    ck_assert_uint_eq(next_descriptor(), next);
}
END_TEST

START_TEST(no_descriptor_at_all_is_too_few)
{
    char text[TEXT_BYTES];

    ck_assert_int_eq(process_limit_descriptors(next_descriptor(), text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_int_eq(process_check_descriptors(1024, 1, text, sizeof(text)), PROCESS_FEW);
    /* A leak checker looks around when the test ends. */
    ck_assert_int_eq(process_limit_descriptors(64, text, sizeof(text)), PROCESS_OK);
}
END_TEST

START_TEST(the_limit_of_core_files_is_raised_as_far_as_it_goes)
{
    char          text[TEXT_BYTES];
    struct rlimit limit = { .rlim_cur = 0, .rlim_max = 4096 };

    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &limit), 0);
    if (may_raise_limits()) {
        ck_assert_int_eq(process_raise_core_limit(text, sizeof(text)), PROCESS_OK);
        ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
        ck_assert(limit.rlim_cur == RLIM_INFINITY);
        limit = (struct rlimit){ .rlim_cur = 0, .rlim_max = 4096 };
        ck_assert_int_eq(setrlimit(RLIMIT_CORE, &limit), 0);
    }
    if (is_root())
        ck_assert_int_eq(setuid(nobody()->pw_uid), 0);
    ck_assert_int_eq(process_raise_core_limit(text, sizeof(text)), PROCESS_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 4096);

    limit = (struct rlimit){ .rlim_cur = 0, .rlim_max = 0 };
    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_int_eq(process_raise_core_limit(text, sizeof(text)), PROCESS_OS_ERROR);
    assert_has(text, "core files (-r)");
}
END_TEST

/* ---- The user ---------------------------------------------------------------------- */

START_TEST(root_has_to_say_who_to_be)
{
    char text[TEXT_BYTES] = "";

    if (!is_root()) {
        ck_assert_int_eq(process_drop_privileges(NULL, false, text, sizeof(text)),
                         PROCESS_OK);
        return;
    }
    ck_assert_int_eq(process_drop_privileges(NULL, false, text, sizeof(text)),
                     PROCESS_USAGE);
    ck_assert_str_eq(text, "must add '-u root' to start as root");
    ck_assert_int_eq(process_drop_privileges("root", false, text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_uint_eq(geteuid(), 0);
}
END_TEST

START_TEST(an_unknown_user_is_named)
{
    char text[TEXT_BYTES] = "";

    if (!is_root())
        return;
    ck_assert_int_eq(process_drop_privileges("no-such-user", false, text, sizeof(text)),
                     PROCESS_NO_USER);
    ck_assert_str_eq(text, "can't find the user no-such-user to switch to");
    ck_assert_uint_eq(geteuid(), 0);
}
END_TEST

START_TEST(rights_are_dropped_for_good)
{
    static const gid_t roots[] = { 0, 3 };
    char               text[TEXT_BYTES] = "";
    uid_t              real, effective, saved;
    gid_t              groups[8];
    int                count;
    struct passwd     *user = nobody();

    if (!is_root())
        return;
    ck_assert_int_eq(setgroups(2, roots), 0);
    ck_assert_int_eq(process_drop_privileges("nobody", false, text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_int_eq(getresuid(&real, &effective, &saved), 0);
    ck_assert(real == user->pw_uid && effective == user->pw_uid && saved == user->pw_uid);
    ck_assert_int_eq(getresgid(&real, &effective, &saved), 0);
    ck_assert(real == user->pw_gid && effective == user->pw_gid && saved == user->pw_gid);
    count = getgroups(8, groups);
    for (int i = 0; i < count; i++)
        ck_assert(groups[i] != roots[0] && groups[i] != roots[1]);
    ck_assert_int_eq(setuid(0), -1);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);

    /* Who is not root stays who he is. */
    ck_assert_int_eq(process_drop_privileges("no-such-user", false, text, sizeof(text)),
                     PROCESS_OK);
}
END_TEST

START_TEST(with_core_dumps_they_stay_possible)
{
    char text[TEXT_BYTES];

    if (!is_root())
        return;
    ck_assert_int_eq(process_drop_privileges("nobody", true, text, sizeof(text)),
                     PROCESS_OK);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------ */

/* Pages of the range that are in memory. */
static size_t
count_resident(void *start, size_t bytes)
{
    size_t         pages = bytes / (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *there = calloc(1, pages);

    ck_assert_int_eq(mincore(start, bytes, there), 0);
    for (size_t i = 0; i < pages; i++)
        count += there[i] & 1;
    free(there);
    return count;
}

#if !LARDER_DEBUG
static void *
allocate(size_t bytes)
{
    void *volatile memory = malloc(bytes);

    ck_assert_ptr_nonnull(memory);
    return memory;
}

START_TEST(a_large_allocation_returns_to_the_system_when_it_is_freed)
{
    void  *large[16];
    size_t before, bytes = 64 << 10, count = sizeof(large) / sizeof(large[0]);

    process_return_memory();
    free(allocate(1 << 20)); /* after that malloc would keep what is smaller */
    before = mallinfo2().hblkhd;
    for (size_t i = 0; i < count; i++)
        large[i] = allocate(bytes);
    /* The first may have found a place. */
    ck_assert_uint_ge(mallinfo2().hblkhd, before + count / 2 * bytes);
    for (size_t i = 0; i < count; i++)
        free(large[i]);
    ck_assert_uint_eq(mallinfo2().hblkhd, before);
}
END_TEST
#endif

START_TEST(locking_does_not_populate_what_is_only_reserved)
{
    enum { BYTES = 64 << 20 };
    char  text[TEXT_BYTES];
    int   flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *before = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0), *after;

    process_raise_lock_limit();
    if (process_lock_memory(text, sizeof(text)) != PROCESS_OK) {
        ck_assert(!is_root());
        return;
    }
    after = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    ck_assert(before != MAP_FAILED && after != MAP_FAILED);
    ck_assert_uint_eq(count_resident(before, BYTES), 0);
    ck_assert_uint_eq(count_resident(after, BYTES), 0);
    *(char *)after = 1;
    ck_assert_uint_ge(count_resident(after, BYTES), 1);
}
END_TEST

START_TEST(what_is_locked_says_the_kernel)
{
    char  text[TEXT_BYTES], line[256];
    FILE *status = fopen("/proc/self/status", "r");
    long  locked_kib = -1;

    if (!LOCKS_ARE_REAL || !is_root()) {
        fclose(status);
        return;
    }
    ck_assert_int_eq(process_lock_memory(text, sizeof(text)), PROCESS_OK);
    while (fgets(line, sizeof(line), status) != NULL)
        sscanf(line, "VmLck: %ld", &locked_kib);
    fclose(status);
    ck_assert_int_gt(locked_kib, 0);
}
END_TEST

START_TEST(locking_that_is_not_allowed_is_reported)
{
    char          text[TEXT_BYTES];
    struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

    if (!LOCKS_ARE_REAL)
        return;
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (is_root())
        ck_assert_int_eq(setuid(nobody()->pw_uid), 0);
    ck_assert_int_eq(process_lock_memory(text, sizeof(text)), PROCESS_OS_ERROR);
    assert_has(text, "cannot lock memory (-k): ");
}
END_TEST

/* ---- The daemon -------------------------------------------------------------------- */

/* What the child has to tell: it cannot fail the test itself. */
struct told {
    pid_t pid;
    pid_t session;
    char  directory[PATH_MAX];
    dev_t device[3]; /* of standard input, output, error */
    ino_t inode[3];
};

static void
tell(int fd)
{
    struct told told = { .pid = getpid(), .session = getsid(0) };
    struct stat there;

    if (getcwd(told.directory, sizeof(told.directory)) == NULL)
        _exit(2);
    for (int i = 0; i < 3; i++) {
        if (fstat(i, &there) != 0)
            _exit(3);
        told.device[i] = there.st_dev;
        told.inode[i] = there.st_ino;
    }
    if (write(fd, &told, sizeof(told)) != (ssize_t)sizeof(told))
        _exit(4);
}

/* Become a daemon that tells how it is before and after it is ready, and lives until the
 * test closes its end of `life`. In the parent: what it told. */
static void
run_daemon(bool keep_directory, bool keep_stdio, struct told *before, struct told *after)
{
    struct process_daemon daemon = { .ready_fd = -1 };
    char                  text[TEXT_BYTES], byte;
    enum process_status   status;
    int                   talk[2], life[2];

    ck_assert_int_eq(pipe(talk), 0);
    ck_assert_int_eq(pipe(life), 0);
    status = process_daemonize(&daemon, keep_directory, keep_stdio, text, sizeof(text));
    if (status == PROCESS_OK) {
        close(life[1]);
        tell(talk[1]);
        if (process_daemon_ready(&daemon, text, sizeof(text)) != PROCESS_OK ||
            daemon.ready_fd != -1)
            _exit(5);
        tell(talk[1]);
        _exit(read(life[0], &byte, 1) == 0 ? 0 : 6);
    }
    close(life[0]);
    ck_assert_int_eq(status, PROCESS_PARENT);
    ck_assert_int_eq(daemon.exit_code, 0);
    ck_assert_int_eq(read(talk[0], before, sizeof(*before)), sizeof(*before));
    ck_assert_int_eq(read(talk[0], after, sizeof(*after)), sizeof(*after));
    ck_assert_int_eq(kill(after->pid, 0), 0); /* it outlives our return */
    close(life[1]);
}

static bool
same_file(const struct told *told, int fd, const char *path)
{
    struct stat there;

    ck_assert_int_eq(path != NULL ? stat(path, &there) : fstat(fd, &there), 0);
    return told->device[fd] == there.st_dev && told->inode[fd] == there.st_ino;
}

/* So that the terminal of the test is not /dev/null anyway. */
static void
take_stdio_from(const char *path)
{
    for (int i = 0; i < 3; i++) {
        int fd = open(path, O_RDWR);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(dup2(fd, i), i);
        close(fd);
    }
}

START_TEST(a_daemon_has_a_session_of_its_own_and_no_terminal)
{
    struct told before, after;

    take_stdio_from("/dev/zero");
    ck_assert_int_eq(chdir("/tmp"), 0);
    run_daemon(false, false, &before, &after);
    ck_assert_int_ne(after.pid, getpid());
    ck_assert_int_eq(after.session, after.pid);
    ck_assert_str_eq(after.directory, "/");
    for (int fd = 0; fd < 3; fd++) {
        ck_assert(same_file(&before, fd, "/dev/zero")); /* for what goes wrong at first */
        ck_assert(same_file(&after, fd, "/dev/null"));
    }
}
END_TEST

START_TEST(it_keeps_directory_and_terminal_when_asked_to)
{
    struct told before, after;

    take_stdio_from("/dev/zero");
    ck_assert_int_eq(chdir("/tmp"), 0);
    run_daemon(true, true, &before, &after);
    ck_assert_int_eq(after.session, after.pid);
    ck_assert_str_eq(after.directory, "/tmp");
    for (int fd = 0; fd < 3; fd++)
        ck_assert(same_file(&after, fd, "/dev/zero"));
}
END_TEST

START_TEST(a_start_that_fails_in_the_background_fails_in_the_foreground)
{
    struct process_daemon daemon;
    char                  text[TEXT_BYTES];
    enum process_status   status;

    status = process_daemonize(&daemon, false, true, text, sizeof(text));
    if (status == PROCESS_OK)
        _exit(71);
    ck_assert_int_eq(status, PROCESS_PARENT);
    ck_assert_int_eq(daemon.exit_code, 71);
}
END_TEST

START_TEST(a_start_that_is_killed_is_no_success)
{
    struct process_daemon daemon;
    char                  text[TEXT_BYTES];
    enum process_status   status;

    status = process_daemonize(&daemon, false, true, text, sizeof(text));
    if (status == PROCESS_OK)
        raise(SIGKILL);
    ck_assert_int_eq(status, PROCESS_PARENT);
    ck_assert_int_eq(daemon.exit_code, 71);
}
END_TEST

START_TEST(a_daemon_survives_the_death_of_who_started_it)
{
    struct process_daemon daemon;
    char                  text[TEXT_BYTES];
    int                   talk[2], go[2];
    char                  byte = 0;
    pid_t                 starter;

    ck_assert_int_eq(pipe(talk), 0);
    ck_assert_int_eq(pipe(go), 0);
    starter = fork();
    if (starter == 0) {
        enum process_status status =
            process_daemonize(&daemon, false, true, text, sizeof(text));

        if (status != PROCESS_OK)
            _exit(0);
        /* Until the one who waits for us is gone: then nobody hears that we are ready. */
        if (write(talk[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(2);
        status = process_daemon_ready(&daemon, text, sizeof(text));
        _exit(write(talk[1], status == PROCESS_OK ? "y" : "n", 1) == 1 ? 0 : 3);
    }
    close(talk[1]);
    ck_assert_int_eq(read(talk[0], &byte, 1), 1);
    ck_assert_int_eq(kill(starter, SIGKILL), 0);
    ck_assert_int_eq(waitpid(starter, NULL, 0), starter);
    ck_assert_int_eq(write(go[1], "", 1), 1);
    ck_assert_int_eq(read(talk[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
}
END_TEST

START_TEST(ready_does_nothing_in_the_foreground)
{
    struct process_daemon daemon = { .ready_fd = -1 };
    char                  text[TEXT_BYTES];
    struct stat           before, after;

    ck_assert_int_eq(fstat(STDERR_FILENO, &before), 0);
    ck_assert_int_eq(process_daemon_ready(&daemon, text, sizeof(text)), PROCESS_OK);
    ck_assert_int_eq(fstat(STDERR_FILENO, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

/* ---- The pid file ------------------------------------------------------------------ */

struct folder {
    char name[40];
    char path[64];
    char temporary[80];
};

static struct folder
make_folder(void)
{
    struct folder f = { .name = "/tmp/test_process.XXXXXX" };

    ck_assert_ptr_nonnull(mkdtemp(f.name));
    snprintf(f.path, sizeof(f.path), "%s/pid", f.name);
    snprintf(f.temporary, sizeof(f.temporary), "%s.tmp", f.path);
    return f;
}

/* Fails the test if something is left in it. */
static void
drop_folder(const struct folder *f)
{
    ck_assert_msg(rmdir(f->name) == 0, "%s: %s", f->name, strerror(errno));
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void
assert_holds(const char *path, const char *expected)
{
    char  there[64] = "";
    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(there, 1, sizeof(there) - 1, file), sizeof(there) - 1);
    fclose(file);
    ck_assert_str_eq(there, expected);
}

START_TEST(the_pid_file_holds_our_pid_and_can_be_taken_away)
{
    struct folder f = make_folder();
    char          text[TEXT_BYTES], own[32];

    snprintf(own, sizeof(own), "%ld\n", (long)getpid());
    write_file(f.path, "1\n"); /* what a server before us left */
    write_file(f.temporary, "999999999999\n");
    ck_assert_int_eq(process_write_pid(f.path, text, sizeof(text)), PROCESS_OK);
    assert_holds(f.path, own);
    ck_assert_int_eq(access(f.temporary, F_OK), -1);
    process_remove_pid(f.path);
    ck_assert_int_eq(access(f.path, F_OK), -1);
    process_remove_pid(f.path); /* nor is it there twice */
    drop_folder(&f);
}
END_TEST

START_TEST(a_pid_file_of_another_process_stays)
{
    struct folder f = make_folder();
    char          longer[64];

    write_file(f.path, "1\n");
    process_remove_pid(f.path);
    assert_holds(f.path, "1\n");

    snprintf(longer, sizeof(longer), "%ld0\n", (long)getpid());
    write_file(f.path, longer);
    process_remove_pid(f.path);
    assert_holds(f.path, longer);

    snprintf(longer, sizeof(longer), "%ld\n1\n", (long)getpid());
    write_file(f.path, longer);
    process_remove_pid(f.path);
    assert_holds(f.path, longer);
    ck_assert_int_eq(unlink(f.path), 0);
    drop_folder(&f);
}
END_TEST

START_TEST(a_link_in_its_place_is_not_followed)
{
    struct folder f = make_folder();
    char          text[TEXT_BYTES], victim[80];

    snprintf(victim, sizeof(victim), "%s/victim", f.name);
    write_file(victim, "precious");
    ck_assert_int_eq(symlink(victim, f.temporary), 0);
    ck_assert_int_eq(process_write_pid(f.path, text, sizeof(text)), PROCESS_OS_ERROR);
    assert_holds(victim, "precious");
    ck_assert_int_eq(access(f.path, F_OK), -1);
    ck_assert_int_eq(unlink(victim), 0);
    drop_folder(&f);
}
END_TEST

START_TEST(a_pid_file_that_cannot_be_written_is_named)
{
    char text[TEXT_BYTES];

    ck_assert_int_eq(process_write_pid("/nonexistent/pid", text, sizeof(text)),
                     PROCESS_OS_ERROR);
    ck_assert_str_eq(
        text, "cannot write the pid file /nonexistent/pid: No such file or directory");
}
END_TEST

START_TEST(exit_codes_are_memcacheds)
{
    ck_assert_int_eq(process_exit_code(PROCESS_OK), 0);
    ck_assert_int_eq(process_exit_code(PROCESS_FEW), 1);
    ck_assert_int_eq(process_exit_code(PROCESS_USAGE), 64);
    ck_assert_int_eq(process_exit_code(PROCESS_NO_USER), 67);
    ck_assert_int_eq(process_exit_code(PROCESS_OS_ERROR), 71);
}
END_TEST

/* ---- Suite ------------------------------------------------------------------------- */

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/process");
    TCase *limits = tcase_create("limits"), *user = tcase_create("user");
    TCase *memory = tcase_create("memory"), *background = tcase_create("daemon");
    TCase *pid = tcase_create("pid");

    tcase_add_test(limits, the_limit_of_descriptors_becomes_exactly_what_c_says);
    tcase_add_test(limits, the_hard_limit_of_descriptors_is_raised_by_who_may);
    tcase_add_test(limits, others_are_told_when_the_hard_limit_is_too_low);
    tcase_add_test(limits, too_few_descriptors_are_found_out);
    tcase_add_test(limits, as_many_descriptors_as_are_wanted_are_tried);
    tcase_add_test(limits, no_descriptor_at_all_is_too_few);
    tcase_add_test(limits, the_limit_of_core_files_is_raised_as_far_as_it_goes);
    suite_add_tcase(suite, limits);

    tcase_add_test(user, root_has_to_say_who_to_be);
    tcase_add_test(user, an_unknown_user_is_named);
    tcase_add_test(user, rights_are_dropped_for_good);
    tcase_add_test(user, with_core_dumps_they_stay_possible);
    suite_add_tcase(suite, user);

#if !LARDER_DEBUG /* sanitizers have a malloc of their own */
    tcase_add_test(memory, a_large_allocation_returns_to_the_system_when_it_is_freed);
#endif
    tcase_add_test(memory, locking_does_not_populate_what_is_only_reserved);
    tcase_add_test(memory, what_is_locked_says_the_kernel);
    tcase_add_test(memory, locking_that_is_not_allowed_is_reported);
    suite_add_tcase(suite, memory);

    tcase_add_test(background, a_daemon_has_a_session_of_its_own_and_no_terminal);
    tcase_add_test(background, it_keeps_directory_and_terminal_when_asked_to);
    tcase_add_test(background,
                   a_start_that_fails_in_the_background_fails_in_the_foreground);
    tcase_add_test(background, a_start_that_is_killed_is_no_success);
    tcase_add_test(background, a_daemon_survives_the_death_of_who_started_it);
    tcase_add_test(background, ready_does_nothing_in_the_foreground);
    suite_add_tcase(suite, background);

    tcase_add_test(pid, the_pid_file_holds_our_pid_and_can_be_taken_away);
    tcase_add_test(pid, a_pid_file_of_another_process_stays);
    tcase_add_test(pid, a_link_in_its_place_is_not_followed);
    tcase_add_test(pid, a_pid_file_that_cannot_be_written_is_named);
    tcase_add_test(pid, exit_codes_are_memcacheds);
    suite_add_tcase(suite, pid);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
