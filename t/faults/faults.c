/* t/faults/faults.c - makes what a server asks the system for fail when a test says so.
 *
 * It is linked with all of larder, main() included (`make build/release/t/faults/faults`),
 * and the linker's --wrap sends the calls named below through here: allocations of
 * larder's own, of libevent and of OpenSSL, chunks, pages of a memory file, events,
 * threads. The Makefile reads the names off this file.
 *
 * The test and the server share a file, $FAULTS: struct control, which t/faults/Faults.pm
 * writes. With $FAULTS_OPENSSL the calls of OpenSSL fail, too. Threads: any may call; calls
 * are numbered by an atomic.
 */
#include <errno.h>
#include <event2/event.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* How often a chunk is refused in a row: an allocation evicts and tries again before it
 * gives up (ROUNDS_MAX of slabs/alloc.c, and once more). */
enum { CHUNK_TRIES = 17 };

enum mode {
    FAULTS_OFF,
    FAULTS_ONCE, /* call number `number` fails            */
    FAULTS_EVERY /* every call number divisible by it does */
};

struct control {
    _Atomic uint64_t mode, number;
    _Atomic uint64_t calls, failures; /* since the test wrote 0 */
};

static struct control *control;
static bool traced; /* $FAULTS_TRACE: say on standard error where a call fails */

static void
trace(const char *what)
{
    void *frames[32];

    fprintf(stderr, "no %s:\n", what);
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
}

static bool
fails(const char *what)
{
    uint64_t mode = control != NULL ? atomic_load(&control->mode) : FAULTS_OFF, call;

    if (mode == FAULTS_OFF)
        return false;
    call = atomic_fetch_add(&control->calls, 1) + 1;
    if (mode == FAULTS_ONCE ? call != control->number : call % control->number != 0)
        return false;
    atomic_fetch_add(&control->failures, 1);
    if (traced)
        trace(what);
    errno = ENOMEM;
    return true;
}

#define WRAP(type, name, parameters, arguments, failure)                                 \
    type __real_##name parameters;                                                       \
    type __wrap_##name parameters;                                                       \
    type __wrap_##name parameters                                                        \
    {                                                                                    \
        return fails(#name) ? (failure) : __real_##name arguments;                       \
    }

struct file;

/* clang-format off */
WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *at, size_t n), (at, n), NULL)
WRAP(void *, aligned_alloc, (size_t border, size_t n), (border, n), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(FILE *, fopen, (const char *path, const char *how), (path, how), NULL)
WRAP(FILE *, open_memstream, (char **text, size_t *n), (text, n), NULL)
WRAP(int, getaddrinfo, (const char *host, const char *port, const struct addrinfo *hints,
     struct addrinfo **found), (host, port, hints, found), EAI_MEMORY)
WRAP(int, pthread_create, (pthread_t *thread, const pthread_attr_t *how,
     void *(*run)(void *), void *arg), (thread, how, run, arg), EAGAIN)
WRAP(void *, mmap, (void *at, size_t n, int access, int flags, int fd, off_t from),
     (at, n, access, flags, fd, from), MAP_FAILED)
WRAP(int, eventfd, (unsigned first, int flags), (first, flags), -1)
WRAP(int, madvise, (void *at, size_t n, int what), (at, n, what), -1)
WRAP(int, event_add, (struct event *event, const struct timeval *time), (event, time), -1)
/* The file system is full: slabs/file_priv.h. */
WRAP(bool, file_reserve_page, (struct file *file, uint32_t page), (file, page), false)
/* clang-format on */

struct pages;
struct magazine;
struct item;

/* No memory for an item: slabs/pages_priv.h. */
struct item *__real_pages_take_chunk(struct pages *pages, struct magazine *magazine,
                                     unsigned size_class);
struct item *__wrap_pages_take_chunk(struct pages *pages, struct magazine *magazine,
                                     unsigned size_class);

struct item *
__wrap_pages_take_chunk(struct pages *pages, struct magazine *magazine,
                        unsigned size_class)
{
    static _Thread_local unsigned tries;

    if (tries == 0 && fails("chunk"))
        tries = CHUNK_TRIES;
    if (tries == 0)
        return __real_pages_take_chunk(pages, magazine, size_class);
    tries--;
    return NULL;
}

/* Text into memory, with and without _FORTIFY_SOURCE. */
int __wrap_asprintf(char **text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **text, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int write_or_fail(char **text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static int
write_or_fail(char **text, const char *format, va_list arguments)
{
    return fails("asprintf") ? -1 : vasprintf(text, format, arguments);
}

int
__wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    int     n;

    va_start(arguments, format);
    n = write_or_fail(text, format, arguments);
    va_end(arguments);
    return n;
}

int
__wrap___asprintf_chk(char **text, int flag, const char *format, ...)
{
    va_list arguments;
    int     n;

    (void)flag;
    va_start(arguments, format);
    n = write_or_fail(text, format, arguments);
    va_end(arguments);
    return n;
}

/* OpenSSL says besides where it asks. */
static void *
crypto_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return __wrap_malloc(n);
}

static void *
crypto_realloc(void *at, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return __wrap_realloc(at, n);
}

static void
crypto_free(void *at, const char *file, int line)
{
    (void)file, (void)line;
    free(at);
}

/* Before main(): of these libraries nothing may be allocated yet. */
static void begin(void) __attribute__((constructor));

static void
begin(void)
{
    const char *path = getenv("FAULTS");
    int         fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void       *at;

    traced = getenv("FAULTS_TRACE") != NULL;
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
    if (fd < 0 ||
        (getenv("FAULTS_OPENSSL") != NULL &&
         !CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))) {
        fprintf(stderr, "faults: no file $FAULTS, or OpenSSL has begun already\n");
        exit(EXIT_FAILURE);
    }
    at = __real_mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        control = at;
}
