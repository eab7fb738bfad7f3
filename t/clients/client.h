/* t/clients/client.h - what the clients in C have in common.
 *
 * They print what harness.drive() reads, and ask it for what they cannot do themselves.
 * All is static inline, since each of them is a program of its own and uses a part.
 */
#ifndef LARDER_T_CLIENTS_CLIENT_H
#define LARDER_T_CLIENTS_CLIENT_H

#include <libmemcached/memcached.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { DEADLINE_S = 20 };

struct place; /* where the servers are, as each client wants to know it */

struct section {
    const char *name;
    void (*run)(const struct place *);
};

static inline bool
check(bool good, const char *format, ...)
{
    va_list arguments;

    printf("%s - ", good ? "ok" : "not ok");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    return good;
}

static inline void
returns(memcached_return_t got, memcached_return_t want, const char *name)
{
    if (!check(got == want, "%s", name))
        printf("# got %s, want %s\n", memcached_strerror(NULL, got),
               memcached_strerror(NULL, want));
}

static inline void
ask(const char *order, long number, const char *name)
{
    printf("%s %ld\n", order, number);
    check(getchar() == '\n', "%s", name);
}

static inline void
sleep_a_little(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
}

/* Evaluate it until it is true; false if it does not become so. */
#define at_last(fact)                                                                    \
    ({                                                                                   \
        time_t until = time(NULL) + DEADLINE_S;                                          \
        bool   is_so;                                                                    \
                                                                                         \
        while (!(is_so = (fact)) && time(NULL) <= until)                                 \
            sleep_a_little();                                                            \
        is_so;                                                                           \
    })

/* A client without a server. */
static inline memcached_st *
new_client(void)
{
    memcached_st *m = memcached_create(NULL);

    /* Long enough for a sanitizer build on a busy machine. */
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 20000);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, 20000);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    return m;
}

static inline void
run_sections(const struct section *sections, size_t count, const struct place *place)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++) {
        printf("# %s\n", sections[i].name);
        sections[i].run(place);
    }
    printf("# done\n");
}

#endif
