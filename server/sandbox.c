/* server/sandbox.c - filters of system calls. See sandbox.h. */
#include "server/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "server/options.h"
#include "server/process.h"

#if HAVE_SECCOMP && !LARDER_DEBUG

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "slabs/decimal.h"

enum {
    MAIN = 1 << SANDBOX_MAIN,
    WORKER = 1 << SANDBOX_WORKER,
    WATCH = 1 << SANDBOX_WATCH,
    UPKEEP = 1 << SANDBOX_UPKEEP,
    LOOPS = MAIN | WORKER, /* those with an event loop */
    TALKS = MAIN | WORKER | WATCH,
    ALL = MAIN | WORKER | WATCH | UPKEEP,
};

/* What only some servers need. */
enum {
    NEED_FILES = 1 << 0,      /* there is something that a HUP reads again */
    NEED_REMOVAL = 1 << 1,    /* of the pid file                           */
    NEED_KERNEL_TLS = 1 << 2, /* -o ssl_kernel_tls                         */
};

struct rule {
    int      call;
    unsigned roles;
    unsigned needs; /* any of these; 0: every server needs it */
    struct scmp_arg_cmp
             arguments[2]; /* what they have to be, as far as they are compared */
    unsigned compares;     /* so many of them */
};

#define CALL(name, who) .call = SCMP_SYS(name), .roles = (who)
#define TO_BE(index, compare, ...)                                                       \
    {                                                                                    \
        (index), SCMP_CMP_##compare, __VA_ARGS__                                         \
    }
#define IF(...) .arguments = { TO_BE(__VA_ARGS__) }, .compares = 1

enum { WRITES = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND, LEVEL_OF_TLS = 282 };

/* clang-format off */
static const struct rule rules[] = {
    /* Clients, and each other. */
    { CALL(recvfrom, TALKS) },
    { CALL(sendto, ALL) }, /* what is said to journald comes from any thread */
    { CALL(sendmsg, WORKER | WATCH) },
    { CALL(epoll_wait, LOOPS) },
    { CALL(epoll_pwait, LOOPS) },
    { CALL(epoll_pwait2, LOOPS) },
    { CALL(epoll_ctl, LOOPS) },
    { CALL(timerfd_settime, LOOPS) }, /* libevent with EVENT_PRECISE_TIMER */
    { CALL(futex, ALL) },
    { CALL(read, TALKS) },
    { CALL(write, ALL) },
    { CALL(readv, WORKER) },
    { CALL(recvmsg, WORKER) },
    { CALL(sendmmsg, WORKER) },
    { CALL(accept4, MAIN) },
    { CALL(close, TALKS) },
    { CALL(poll, ALL) }, /* has standard error room? */
    { CALL(ppoll, ALL) },
    { CALL(getsockname, WORKER) },
    { CALL(ioctl, WORKER), IF(1, EQ, SIOCOUTQ) }, /* has a client taken what it was sent? */
    { CALL(ioctl, WORKER), IF(1, EQ, SIOCINQ) },  /* has it said what is not read yet?    */
    { CALL(setsockopt, WORKER), .needs = NEED_KERNEL_TLS, IF(1, EQ, LEVEL_OF_TLS) },
    { CALL(setsockopt, WORKER), .needs = NEED_KERNEL_TLS,
      .arguments = { TO_BE(1, EQ, IPPROTO_TCP), TO_BE(2, EQ, TCP_ULP) }, .compares = 2 },
    /* Records that are no data: main says goodbye to whom it closes, watchers may, too. */
    { CALL(sendmsg, MAIN), .needs = NEED_KERNEL_TLS },
    { CALL(recvmsg, WATCH), .needs = NEED_KERNEL_TLS },

    /* Memory: malloc's, the cache's, and a memory file's. */
    { CALL(brk, ALL) },
    { CALL(mmap, ALL), IF(2, MASKED_EQ, PROT_EXEC, 0) },
    { CALL(mprotect, ALL), IF(2, MASKED_EQ, PROT_EXEC, 0) },
    { CALL(munmap, ALL) },
    { CALL(mremap, ALL) },
    { CALL(madvise, ALL) },
    { CALL(sched_getaffinity, ALL) }, /* malloc asks how many processors there are */
    { CALL(fallocate, WORKER | UPKEEP) },
    { CALL(msync, MAIN) },

    /* Files, to be read again. */
    { CALL(openat, MAIN), .needs = NEED_FILES | NEED_REMOVAL, IF(2, MASKED_EQ, WRITES, O_RDONLY) },
    { CALL(fstat, MAIN), .needs = NEED_FILES },
    { CALL(newfstatat, MAIN), .needs = NEED_FILES },
    { CALL(lseek, MAIN), .needs = NEED_FILES },
    { CALL(sysinfo, MAIN), .needs = NEED_FILES }, /* qsort() asks how much memory there is */
    { CALL(unlink, MAIN), .needs = NEED_REMOVAL },
    { CALL(unlinkat, MAIN), .needs = NEED_REMOVAL }, /* the same, where there is no unlink */

    /* What time it is, where the kernel has to be asked, and other questions. */
    { CALL(clock_gettime, ALL) },
    { CALL(gettimeofday, ALL) },
    { CALL(getrandom, TALKS) },
    { CALL(getrusage, WORKER) },
    { CALL(getpid, ALL) },
    { CALL(gettid, ALL) },

    /* Signals, a failing assertion, the end. */
    { CALL(rt_sigreturn, ALL) },
    { CALL(rt_sigprocmask, ALL) },
    { CALL(rt_sigaction, ALL) },
    { CALL(restart_syscall, ALL) },
    { CALL(sched_yield, ALL) },
    { CALL(writev, ALL) }, /* glibc's last words */
    { CALL(exit, ALL) },
    { CALL(exit_group, ALL) },
};
/* clang-format on */

/* To our own process alone: a failing assertion, and `shutdown`. */
static const struct rule signal_rules[] = {
    { CALL(tgkill, ALL) },
    { CALL(kill, WORKER) },
};

static unsigned
needs_of(const struct options *o)
{
    return (o->tls || o->sasl || o->auth_file != NULL || o->config_file != NULL
                ? NEED_FILES
                : 0) |
           (o->daemon && o->pid_file != NULL ? NEED_REMOVAL : 0) |
           (o->tls_kernel ? NEED_KERNEL_TLS : 0);
}

/* Who may open no file is told so, and lives on: malloc looks into /proc or /sys, once, when a
 * thread gives back memory for the first time, and copes with not being allowed to. */
static int
refuse_files(scmp_filter_ctx *filter, const struct options *options, unsigned role)
{
    if (role == MAIN && needs_of(options) & (NEED_FILES | NEED_REMOVAL))
        return 0;
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
}

/* 0 or an errno, below zero: as libseccomp has it. */
static int
add_rules(scmp_filter_ctx *filter, const struct options *options, unsigned role)
{
    unsigned needs = needs_of(options);
    int      error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];

        if (rule->roles & role && (rule->needs == 0 || rule->needs & needs))
            error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call,
                                           rule->compares, rule->arguments);
    }
    for (size_t i = 0; error == 0 && i < sizeof(signal_rules) / sizeof(rules[0]); i++) {
        if (signal_rules[i].roles & role)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, signal_rules[i].call, 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    }
    return error;
}

/* As a tree, for kernels that run it each time. Without SSB the kernel may speculate past
 * stores as it does for everybody: no foreign code runs here, and older kernels would make
 * each thread slower. */
static int
install(const struct options *options, enum sandbox_role role)
{
    scmp_filter_ctx *filter = seccomp_init(SCMP_ACT_TRAP);
    int              error;

    if (filter == NULL)
        return ENOMEM;
    /* What an older kernel does not know of these two can be done without. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0)
        error = add_rules(filter, options, 1U << role);
    if (error == 0)
        error = refuse_files(filter, options, 1U << role);
    if (error == 0)
        error = seccomp_load(filter) == 0 ? 0 : -errno; /* it has one number for all */
    seccomp_release(filter);
    return -error;
}

/* ---- a call that is not on the list ------------------------------------------------ */

struct name {
    int         call;
    const char *text;
};

static const struct name names[] = {
#include "build/syscalls.h"
};

static char *
append(char *to, const char *text)
{
    size_t length = strlen(text);

    memcpy(to, text, length);
    return to + length;
}

/* Whatever this thread was in the midst of: nothing here takes a lock or memory. */
static void
on_denied(int number, siginfo_t *info, void *context)
{
    const char *name = "unknown";
    char        text[256], *end = text;

    (void)number, (void)context;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].call == info->si_syscall)
            name = names[i].text;
    }
    end = append(end, "system call ");
    end = decimal_write(end, (uint64_t)(unsigned)info->si_syscall);
    end = append(end, " (");
    end = append(end, name);
    end = append(
        end, ") is not allowed to this thread: the server ends. If larder has need "
             "of it, that is a bug; -o no_drop_privileges helps until it is mended\n");
    (void)!write(STDERR_FILENO, text, (size_t)(end - text));
    abort();
}

static void
catch_denied(void)
{
    struct sigaction action = { .sa_sigaction = on_denied, .sa_flags = SA_SIGINFO };

    sigaction(SIGSYS, &action, NULL);
}

/* A signal that is blocked as it comes would end the process without a word. */
static void
unblock_denied(void)
{
    sigset_t denied;

    sigemptyset(&denied);
    sigaddset(&denied, SIGSYS);
    pthread_sigmask(SIG_UNBLOCK, &denied, NULL);
}

#else

static void
catch_denied(void)
{
}

static void
unblock_denied(void)
{
}

/* Nobody misses it who has not asked for it. */
static int
install(const struct options *options, enum sandbox_role role)
{
    (void)role;
    return options->filter_demanded ? ENOSYS : 0;
}

#endif

/* ---- what others call ------------------------------------------------------------ */

void
sandbox_init(struct sandbox *sandbox, const struct options *options)
{
    *sandbox = (struct sandbox){ .options = options };
    pthread_mutex_init(&sandbox->mutex, NULL);
    pthread_cond_init(&sandbox->told, NULL);
    catch_denied();
}

void
sandbox_enter(struct sandbox *sandbox, enum sandbox_role role)
{
    const struct options *options = sandbox->options;
    bool                  bare = process_drop_capabilities(options->lock_memory);
    int                   error = 0;

    unblock_denied();
    /* libseccomp says of no function that two threads may be in it. */
    pthread_mutex_lock(&sandbox->mutex);
    if (options->filter)
        error = install(options, role);
    if (error != 0)
        sandbox->error = error;
    sandbox->capable |= !bare;
    sandbox->entered++;
    pthread_cond_signal(&sandbox->told);
    pthread_mutex_unlock(&sandbox->mutex);
}

enum sandbox_status
sandbox_await(struct sandbox *sandbox, unsigned threads, char *text, size_t text_bytes)
{
    pthread_mutex_lock(&sandbox->mutex);
    while (sandbox->entered < threads)
        pthread_cond_wait(&sandbox->told, &sandbox->mutex);
    pthread_mutex_unlock(&sandbox->mutex);
    if (sandbox->error == 0 && !sandbox->capable)
        return SANDBOX_OK;
    if (sandbox->error != 0)
        snprintf(text, text_bytes,
                 "there is no filter of system calls (-o drop_privileges): %s",
                 strerror(sandbox->error));
    else
        snprintf(text, text_bytes, "the system does not let capabilities be given up");
    return sandbox->options->filter_demanded ? SANDBOX_REFUSED : SANDBOX_WITHOUT;
}

void
sandbox_fini(struct sandbox *sandbox)
{
    pthread_mutex_destroy(&sandbox->mutex);
    pthread_cond_destroy(&sandbox->told);
}
