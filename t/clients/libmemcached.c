/* t/clients/libmemcached.c - libmemcached's own interface against live servers.
 *
 * Run by libmemcached.t, which compiles it, starts the servers and numbers what
 * this prints: "ok - name", "not ok - name" and "# remark". The line "@restart"
 * asks for the first server to be restarted; a line on stdin says that it was.
 *
 *   libmemcached text|binary PORT PORT PORT SOCKET VERSION PID
 *
 * VERSION and PID are those of the first server. Every section makes its own
 * connections, so none inherits another's behaviour or its unread replies.
 * Threads: one, but for those of the section on pools, which print nothing.
 */
#include <libmemcached/memcached.h>
#include <libmemcachedutil-1.0/util.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/clients/client.h"

enum {
    SERVERS = 3,
    MANY = 600, /* keys that are there, of twice as many asked for */
    KEY_BYTES = 251,
    LARGE = 1000 * 1000, /* near the limit of 1 MiB, with room for any header */
    TOO_LARGE = 1024 * 1024 + 1,
    THREADS = 4,
    ROUNDS = 500,
};

struct place { /* where the servers are; constant */
    in_port_t   port[SERVERS];
    const char *socket;
    const char *version;
    long        pid;
    bool        binary; /* the protocol to speak */
};

struct bytes { /* a value or a key, not terminated */
    const char *at;
    size_t      length;
};

struct sums { /* what a callback counted */
    unsigned count;
    unsigned wrong;
};

static struct bytes
text(const char *string)
{
    return (struct bytes){ string, strlen(string) };
}

/* --- the commands, with keys that are strings ----------------------------- */

typedef memcached_return_t store_fn(memcached_st *, const char *, size_t, const char *,
                                    size_t, time_t, uint32_t);

static memcached_return_t
store(memcached_st *m, store_fn *command, const char *key, const char *value)
{
    return command(m, key, strlen(key), value, strlen(value), 0, 0);
}

static memcached_return_t
set_for(memcached_st *m, const char *key, time_t expiry)
{
    return memcached_set(m, key, strlen(key), "v", 1, expiry, 0);
}

static memcached_return_t
forget(memcached_st *m, const char *key)
{
    return memcached_delete(m, key, strlen(key), 0);
}

static void
holds(memcached_st *m, const char *key, struct bytes want, uint32_t want_flags,
      const char *name)
{
    memcached_return_t rc;
    uint32_t           flags = 0;
    size_t             length = 0;
    char              *got;

    got = memcached_get(m, key, strlen(key), &length, &flags, &rc);
    if (!check(rc == MEMCACHED_SUCCESS && length == want.length && flags == want_flags &&
                   (length == 0 || memcmp(got, want.at, length) == 0),
               "%s", name))
        printf("# %s: %zu bytes, flags %u: %.60s\n", memcached_strerror(m, rc), length,
               flags, got == NULL ? "" : got);
    free(got);
}

static void
holds_text(memcached_st *m, const char *key, const char *want, const char *name)
{
    holds(m, key, text(want), 0, name);
}

static memcached_return_t
look_up(memcached_st *m, const char *key)
{
    memcached_return_t rc;
    uint32_t           flags;
    size_t             length;

    free(memcached_get(m, key, strlen(key), &length, &flags, &rc));
    return rc;
}

static void
lacks(memcached_st *m, const char *key, const char *name)
{
    returns(look_up(m, key), MEMCACHED_NOTFOUND, name);
}

/* --- connections ---------------------------------------------------------- */

static bool
wants_login(void)
{
    return getenv("CLIENT_LOGIN") != NULL;
}

/* Where the server wants a login. */
static void
log_in(memcached_st *m)
{
    const char *login = getenv("CLIENT_LOGIN");
    char       *user = login != NULL ? strdup(login) : NULL;
    char       *password = user != NULL ? strchr(user, ' ') : NULL;

    if (password != NULL) {
        *password++ = '\0';
        memcached_set_sasl_auth_data(m, user, password);
    }
    free(user);
}

static memcached_st *
client(const struct place *place)
{
    memcached_st *m = new_client();

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, place->binary);
    log_in(m);
    return m;
}

static memcached_st *
client_of_first(const struct place *place)
{
    memcached_st *m = client(place);

    memcached_server_add(m, "127.0.0.1", place->port[0]);
    return m;
}

static memcached_st *
client_of_all(const struct place *place)
{
    memcached_st *m = client(place);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_KETAMA, 1);
    for (unsigned i = 0; i < SERVERS; i++)
        memcached_server_add(m, "127.0.0.1", place->port[i]);
    return m;
}

/* --- sections ------------------------------------------------------------- */

static void
stores_answer_as_each_command_should(const struct place *place)
{
    memcached_st *m = client_of_first(place);

    /* The binary protocol says why a store was refused, the text protocol that it was. */
    returns(store(m, memcached_replace, "k", "r"),
            place->binary ? MEMCACHED_NOTFOUND : MEMCACHED_NOTSTORED, "replace nothing");
    returns(store(m, memcached_append, "k", "r"), MEMCACHED_NOTSTORED, "append nothing");
    returns(store(m, memcached_prepend, "k", "r"), MEMCACHED_NOTSTORED,
            "prepend nothing");
    lacks(m, "k", "none of them stored");
    returns(store(m, memcached_add, "k", "one"), MEMCACHED_SUCCESS, "add a new key");
    returns(store(m, memcached_add, "k", "two"),
            place->binary ? MEMCACHED_DATA_EXISTS : MEMCACHED_NOTSTORED,
            "add an old key");
    holds_text(m, "k", "one", "which keeps its value");
    returns(store(m, memcached_replace, "k", "three"), MEMCACHED_SUCCESS, "replace");
    returns(store(m, memcached_append, "k", "-end"), MEMCACHED_SUCCESS, "append");
    returns(store(m, memcached_prepend, "k", "start-"), MEMCACHED_SUCCESS, "prepend");
    holds_text(m, "k", "start-three-end", "all in place");
    returns(forget(m, "k"), MEMCACHED_SUCCESS, "delete");
    returns(forget(m, "k"), MEMCACHED_NOTFOUND, "delete nothing");
    lacks(m, "k", "it is gone");
    memcached_free(m);
}

static void
values_of_any_bytes_and_sizes_come_back(const struct place *place)
{
    static const size_t sizes[] = { 0, 1, 256, 1024, 16384, 65536, 524288, LARGE };
    memcached_st       *m = client_of_first(place);
    char               *value = malloc(TOO_LARGE);
    char                name[80];

    for (size_t i = 0; i < TOO_LARGE; i++)
        value[i] = (char)(i + i / 256);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t flags = i % 2 ? UINT32_MAX : 0x12345678;

        snprintf(name, sizeof(name), "%zu bytes, flags %u", sizes[i], flags);
        memcached_set(m, "sized", 5, value, sizes[i], 0, flags);
        holds(m, "sized", (struct bytes){ value, sizes[i] }, flags, name);
    }
    returns(memcached_set(m, "sized", 5, value, TOO_LARGE, 0, 0), MEMCACHED_E2BIG,
            "more than 1 MiB is refused");
    lacks(m, "sized", "and a refused set takes the old value away");
    memcached_set(m, "words", 5, "\r\nEND\r\nVALUE a 0 1\r\n", 21, 0, 0);
    holds(m, "words", (struct bytes){ "\r\nEND\r\nVALUE a 0 1\r\n", 21 }, 0,
          "words of the protocol inside a value");
    free(value);
    memcached_free(m);
}

static void
keys_may_be_long_and_prefixed(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    memcached_st *prefixed = client_of_first(place);
    char          key[KEY_BYTES + 1];

    memset(key, 'k', KEY_BYTES);
    key[KEY_BYTES - 1] = '\0';
    returns(store(m, memcached_set, key, "longest"), MEMCACHED_SUCCESS, "250 bytes");
    store(m, memcached_set, key + 1, "shorter");
    holds_text(m, key, "longest", "differ from 249");
    memcached_callback_set(prefixed, MEMCACHED_CALLBACK_PREFIX_KEY, "pre:");
    store(prefixed, memcached_set, "k", "with");
    holds_text(prefixed, "k", "with", "a prefix is taken off again");
    holds_text(m, "pre:k", "with", "and was on the wire");
    memcached_free(prefixed);
    memcached_free(m);
}

/* The CAS of a key by gets; 0 when it is not there. */
static uint64_t
cas_of(memcached_st *m, const char *key)
{
    const char         *keys[] = { key };
    size_t              lengths[] = { strlen(key) };
    memcached_result_st result, *found;
    memcached_return_t  rc;
    uint64_t            cas = 0;

    memcached_result_create(m, &result);
    memcached_mget(m, keys, lengths, 1);
    while ((found = memcached_fetch_result(m, &result, &rc)) != NULL)
        cas = memcached_result_cas(found);
    memcached_result_free(&result);
    return cas;
}

static memcached_return_t
set_if(memcached_st *m, const char *key, const char *value, uint64_t cas)
{
    return memcached_cas(m, key, strlen(key), value, strlen(value), 0, 0, cas);
}

static void
compare_and_set_notices_a_change(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    uint64_t      cas, value;

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    returns(set_if(m, "cas", "v", 1), MEMCACHED_NOTFOUND, "cas of nothing");
    store(m, memcached_set, "cas", "1");
    cas = cas_of(m, "cas");
    check(cas != 0 && cas == cas_of(m, "cas"), "gets gives a number, twice the same");
    returns(set_if(m, "cas", "2", cas), MEMCACHED_SUCCESS, "cas with it stores");
    returns(set_if(m, "cas", "3", cas), MEMCACHED_DATA_EXISTS, "and only once");
    holds_text(m, "cas", "2", "the second attempt changed nothing");
    cas = cas_of(m, "cas");
    memcached_increment(m, "cas", 3, 1, &value);
    returns(set_if(m, "cas", "4", cas), MEMCACHED_DATA_EXISTS, "incr spends it");
    cas = cas_of(m, "cas");
    memcached_touch(m, "cas", 3, 600);
    returns(set_if(m, "cas", "5", cas), MEMCACHED_SUCCESS, "touch does not");
    memcached_free(m);
}

static void
counters_wrap_at_64_bits_and_stop_at_nought(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    uint64_t      n = 0;

    returns(memcached_increment(m, "n", 1, 1, &n), MEMCACHED_NOTFOUND, "incr nothing");
    returns(memcached_decrement(m, "n", 1, 1, &n), MEMCACHED_NOTFOUND, "decr nothing");
    store(m, memcached_set, "n", "9");
    returns(memcached_increment(m, "n", 1, 1, &n), MEMCACHED_SUCCESS, "incr");
    check(n == 10, "over a digit");
    holds_text(m, "n", "10", "which the value shows");
    returns(memcached_decrement(m, "n", 1, 100, &n), MEMCACHED_SUCCESS, "decr");
    check(n == 0, "stops at nought");
    store(m, memcached_set, "n", "18446744073709551614");
    returns(memcached_increment(m, "n", 1, 1, &n), MEMCACHED_SUCCESS, "incr");
    check(n == UINT64_MAX, "to the largest");
    returns(memcached_increment(m, "n", 1, 2, &n), MEMCACHED_SUCCESS, "incr");
    check(n == 1, "wraps around");
    store(m, memcached_set, "n", "five");
    /* The library does not know the status by which the binary protocol says so. */
    returns(memcached_increment(m, "n", 1, 1, &n),
            place->binary ? MEMCACHED_UNKNOWN_READ_FAILURE : MEMCACHED_CLIENT_ERROR,
            "incr a word");
    holds_text(m, "n", "five", "leaves it");
    memcached_free(m);
}

/* In the binary protocol alone: the text protocol has no word for it. */
static void
missing_counters_begin_where_told(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    uint64_t      n = 0;

    if (!place->binary) {
        returns(memcached_increment_with_initial(m, "i", 1, 1, 40, 600, &n),
                MEMCACHED_INVALID_ARGUMENTS, "the text protocol has no initial value");
        memcached_free(m);
        return;
    }
    returns(memcached_increment_with_initial(m, "i", 1, 1, 40, 600, &n),
            MEMCACHED_SUCCESS, "incr with an initial value");
    check(n == 40, "begins with it");
    holds_text(m, "i", "40", "in decimal");
    returns(memcached_increment_with_initial(m, "i", 1, 2, 7, 600, &n), MEMCACHED_SUCCESS,
            "incr again");
    check(n == 42, "adds to what is there");
    returns(memcached_decrement_with_initial(m, "i", 1, 50, 7, 600, &n),
            MEMCACHED_SUCCESS, "decr");
    check(n == 0, "stops at nought");
    returns(memcached_decrement_with_initial(m, "j", 1, 1, UINT64_MAX, 600, &n),
            MEMCACHED_SUCCESS, "decr with the largest as initial value");
    check(n == UINT64_MAX, "begins with it");
    returns(memcached_increment_with_initial(m, "x", 1, 1, 5, 1000000000, &n),
            MEMCACHED_SUCCESS, "one that ended in 2001");
    lacks(m, "x", "is not there");
    forget(m, "i");
    returns(memcached_increment_with_initial(m, "i", 1, 1, 5,
                                             MEMCACHED_EXPIRATION_NOT_ADD, &n),
            MEMCACHED_NOTFOUND, "an expiry that means: do not begin");
    lacks(m, "i", "does not");
    forget(m, "j");
    memcached_free(m);
}

/* Key number i, as long as its number says; length, and the key in place. */
static size_t
key_of(char key[KEY_BYTES], unsigned i)
{
    return (size_t)snprintf(key, KEY_BYTES, "many:%u:%0*d", i, (int)(i % 180) + 1, 0);
}

/* Its value is its number, as often as its length asks for. */
static size_t
value_of(char value[KEY_BYTES], unsigned i)
{
    return (size_t)snprintf(value, KEY_BYTES, "%0*u", (int)(i % 90) + 1, i);
}

static void
set_many(memcached_st *m)
{
    char     key[KEY_BYTES], value[KEY_BYTES];
    unsigned wrong = 0;

    for (unsigned i = 0; i < MANY; i++) {
        size_t             length = key_of(key, i);
        memcached_return_t rc =
            memcached_set(m, key, length, value, value_of(value, i), 0, i);

        wrong += rc != MEMCACHED_SUCCESS && rc != MEMCACHED_BUFFERED;
    }
    check(wrong == 0, "%d keys are set", MANY);
}

/* Called for each value of a multi-get. */
static memcached_return_t
count_value(const memcached_st *m, memcached_result_st *result, void *context)
{
    struct sums *sums = context;
    unsigned     i = memcached_result_flags(result);
    char         key[KEY_BYTES], value[KEY_BYTES];
    size_t       key_length = key_of(key, i), length = value_of(value, i);

    (void)m;
    sums->count++;
    if (i >= MANY || memcached_result_key_length(result) != key_length ||
        memcmp(memcached_result_key_value(result), key, key_length) != 0 ||
        memcached_result_length(result) != length ||
        memcmp(memcached_result_value(result), value, length) != 0)
        sums->wrong++;
    return MEMCACHED_SUCCESS;
}

/* One multi-get of all keys and as many that are not there; true if it was done. */
static bool
count_many(memcached_st *m, struct sums *sums)
{
    static char          keys[2 * MANY][KEY_BYTES];
    const char          *pointers[2 * MANY];
    size_t               lengths[2 * MANY];
    memcached_execute_fn callbacks[] = { count_value };
    memcached_return_t   rc;

    *sums = (struct sums){ 0, 0 };
    for (unsigned i = 0; i < 2 * MANY; i++) {
        lengths[i] = key_of(keys[i], i);
        pointers[i] = keys[i];
    }
    rc = memcached_mget(m, pointers, lengths, 2 * MANY);
    memcached_fetch_execute(m, callbacks, sums, 1);
    return rc == MEMCACHED_SUCCESS;
}

static void
get_many(memcached_st *m, const char *name)
{
    struct sums sums;

    check(count_many(m, &sums), "%s: mget of %d keys", name, 2 * MANY);
    if (!check(sums.count == MANY && sums.wrong == 0, "%s: finds %d", name, MANY))
        printf("# found %u, of them wrong: %u\n", sums.count, sums.wrong);
}

static void
hundreds_of_keys_go_in_one_request(const struct place *place)
{
    memcached_st *m = client_of_first(place);

    set_many(m);
    get_many(m, "get");
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    get_many(m, "gets");
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_NO_BLOCK, 1);
    get_many(m, "non-blocking");
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_IO_KEY_PREFETCH, 10);
    get_many(m, "ten keys prefetched");
    memcached_free(m);
}

static void
buffered_requests_arrive_in_order(const struct place *place)
{
    memcached_st *m = client_of_all(place);
    memcached_st *other = client_of_all(place);
    struct sums   sums;

    memcached_flush(m, 0);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_NO_BLOCK, 1);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
    returns(store(m, memcached_set, "b", "lost"), MEMCACHED_BUFFERED,
            "a set is buffered");
    returns(store(m, memcached_set, "b", "b"), MEMCACHED_BUFFERED, "another one too");
    returns(store(m, memcached_append, "b", "c"), MEMCACHED_SUCCESS, "append follows it");
    /* Behind buffered sets the library takes a binary reply for that of another one. */
    returns(store(m, memcached_add, "b", "lost"),
            place->binary ? MEMCACHED_SUCCESS : MEMCACHED_NOTSTORED, "add fails");
    holds_text(m, "b", "bc", "a get sees them all");
    set_many(m);
    returns(memcached_flush_buffers(m), MEMCACHED_SUCCESS, "the rest is flushed");
    /* Nobody is told when they will be there. */
    check(at_last(count_many(other, &sums) && sums.count == MANY && sums.wrong == 0),
          "and seen by another client");
    get_many(m, "the same client");
    returns(forget(m, "b"), MEMCACHED_BUFFERED, "delete is buffered");
    memcached_quit(m);
    check(at_last(look_up(other, "b") == MEMCACHED_NOTFOUND), "and sent by quit");
    memcached_free(other);
    memcached_free(m);
}

static void
noreply_is_silent_and_still_happens(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    memcached_st *other = client_of_first(place);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_NOREPLY, 1);
    returns(store(m, memcached_set, "q", "b"), MEMCACHED_SUCCESS, "set");
    returns(store(m, memcached_add, "q", "lost"), MEMCACHED_SUCCESS, "add");
    returns(store(m, memcached_append, "q", "c"), MEMCACHED_SUCCESS, "append");
    returns(store(m, memcached_prepend, "q", "a"), MEMCACHED_SUCCESS, "prepend");
    holds_text(m, "q", "abc", "a get on the same connection sees them");
    returns(store(m, memcached_replace, "q", "new"), MEMCACHED_SUCCESS, "replace");
    holds_text(m, "q", "new", "replaced");
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    returns(set_if(m, "q", "cas", cas_of(m, "q")), MEMCACHED_SUCCESS, "cas");
    holds_text(m, "q", "cas", "stored");
    returns(forget(m, "q"), MEMCACHED_SUCCESS, "delete");
    lacks(m, "q", "deleted");
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
    memcached_flush(other, 0);
    set_many(m);
    get_many(m, "noreply and buffered");
    memcached_free(other);
    memcached_free(m);
}

static void
expiry_follows_the_time_given(const struct place *place)
{
    memcached_st *m = client_of_first(place);
    time_t        now = time(NULL);

    returns(set_for(m, "short", 2), MEMCACHED_SUCCESS, "set for two seconds");
    set_for(m, "prolonged", 2);
    returns(memcached_touch(m, "prolonged", 9, 600), MEMCACHED_SUCCESS, "touch");
    returns(look_up(m, "short"), MEMCACHED_SUCCESS, "it is there at first");
    set_for(m, "e", now - 10);
    lacks(m, "e", "a date in the past: gone at once");
    set_for(m, "e", now + 1000);
    returns(look_up(m, "e"), MEMCACHED_SUCCESS, "a date to come: there");
    returns(memcached_touch(m, "none", 4, 10), MEMCACHED_NOTFOUND, "touch nothing");
    returns(memcached_touch(m, "e", 1, now - 10), MEMCACHED_SUCCESS, "touch the past");
    lacks(m, "e", "ends it");
    /* exist is an add that expires in 1970: it must not leave anything behind. */
    returns(memcached_exist(m, "ghost", 5), MEMCACHED_NOTFOUND, "exist of nothing");
    returns(memcached_exist(m, "ghost", 5), MEMCACHED_NOTFOUND, "makes nothing");
    lacks(m, "ghost", "that a get could see");
    returns(memcached_exist(m, "prolonged", 9), MEMCACHED_SUCCESS, "exist of something");
    check(at_last(look_up(m, "short") == MEMCACHED_NOTFOUND),
          "after two seconds it is gone");
    returns(look_up(m, "prolonged"), MEMCACHED_SUCCESS, "the touched one is there");
    memcached_free(m);
}

static void
flush_takes_all_that_was_there_before(const struct place *place)
{
    memcached_st *m = client_of_all(place);

    memcached_flush(m, 0);
    set_many(m);
    returns(memcached_flush(m, 600), MEMCACHED_SUCCESS, "flush with a delay");
    get_many(m, "before it is due");
    returns(memcached_flush(m, 0), MEMCACHED_SUCCESS, "flush");
    returns(memcached_exist(m, "many:0:0", 8), MEMCACHED_NOTFOUND,
            "takes what was there");
    set_many(m);
    get_many(m, "stored in the same second");
    memcached_free(m);
}

/* Called for each server: is its version the one that VERSION names? */
static memcached_return_t
compare_version(const memcached_st *m, const memcached_instance_st *server, void *context)
{
    const struct place *place = context;
    unsigned            major = 0, minor = 0, micro = 0;

    (void)m;
    sscanf(place->version, "%u.%u.%u", &major, &minor, &micro);
    if (!check(memcached_server_major_version(server) == major &&
                   memcached_server_minor_version(server) == minor &&
                   memcached_server_micro_version(server) == micro,
               "a server's version is %u.%u.%u", major, minor, micro))
        printf("# read as %u.%u.%u\n", memcached_server_major_version(server),
               memcached_server_minor_version(server),
               memcached_server_micro_version(server));
    return MEMCACHED_SUCCESS;
}

/* Called for each line of stats settings: is the port among them? */
static memcached_return_t
find_port(const memcached_instance_st *server, const char *key, size_t key_length,
          const char *value, size_t value_length, void *context)
{
    struct sums *sums = context;
    char         port[16];
    int          length;

    sums->count++;
    length = snprintf(port, sizeof(port), "%u", memcached_server_port(server));
    if (key_length == 7 && memcmp(key, "tcpport", 7) == 0)
        sums->wrong +=
            value_length != (size_t)length || memcmp(value, port, value_length);
    return MEMCACHED_SUCCESS;
}

static void
statistics_are_analyzed(memcached_st *m, memcached_stat_st *stats)
{
    memcached_return_t     rc;
    memcached_analysis_st *report = memcached_analyze(m, stats, &rc);

    check(rc == MEMCACHED_SUCCESS && report->pool_hit_ratio > 0 &&
              report->average_item_size > 0,
          "analyze");
    memcached_analyze_free(report);
}

static void
statistics_and_version_are_readable(const struct place *place)
{
    memcached_st       *m = client_of_first(place);
    memcached_server_fn versions[] = { compare_version };
    struct sums         sums = { 0, 0 };
    memcached_return_t  rc;
    memcached_stat_st  *before, *after;
    char               *value;

    returns(memcached_version(m), MEMCACHED_SUCCESS, "version");
    memcached_server_cursor(m, versions, (void *)place, 1);
    before = memcached_stat(m, NULL, &rc);
    returns(rc, MEMCACHED_SUCCESS, "stat");
    check(strcmp(before->version, place->version) == 0, "its version is the whole one");
    check(before->pid == place->pid, "its pid is the server's");
    check(before->pointer_size == 64 && before->limit_maxbytes == 64 << 20 &&
              before->threads == 4,
          "pointer_size, limit_maxbytes, threads");
    value = memcached_stat_get_value(m, before, "limit_maxbytes", &rc);
    check(value != NULL && strcmp(value, "67108864") == 0, "a statistic by its name");
    free(value);
    store(m, memcached_set, "s", "v");
    look_up(m, "s");
    look_up(m, "missing");
    after = memcached_stat(m, NULL, &rc);
    check(after->cmd_set == before->cmd_set + 1 &&
              after->cmd_get == before->cmd_get + 2 &&
              after->get_hits == before->get_hits + 1 &&
              after->get_misses == before->get_misses + 1 &&
              after->total_items == before->total_items + 1,
          "counters move by what was done");
    memcached_stat_free(m, before);
    statistics_are_analyzed(m, after);
    memcached_stat_free(m, after);
    returns(memcached_stat_execute(m, "settings", find_port, &sums), MEMCACHED_SUCCESS,
            "stat_execute of settings");
    check(sums.count > 40 && sums.wrong == 0, "lists them, tcpport is right");
    /* For it the library opens a connection of its own, in text and without a login. */
    returns(memcached_verbosity(m, 0),
            wants_login() ? MEMCACHED_SOME_ERRORS : MEMCACHED_SUCCESS, "verbosity");
    holds_text(m, "s", "v", "and the dialogue goes on");
    memcached_free(m);
}

static void
a_unix_socket_serves_as_well(const struct place *place)
{
    if (wants_login()) /* the library fails to do so over a unix socket */
        return;
    memcached_st *m = client(place);

    memcached_server_add_unix_socket(m, place->socket);
    set_many(m);
    get_many(m, "over a unix socket");
    memcached_free(m);
}

static void
three_servers_share_the_keys_by_ketama(const struct place *place)
{
    memcached_st      *m = client_of_all(place);
    memcached_stat_st *before, *after;
    memcached_return_t rc;
    unsigned long long least = MANY, sum = 0;
    char               key[KEY_BYTES];
    unsigned           wrong = 0;

    before = memcached_stat(m, NULL, &rc);
    returns(rc, MEMCACHED_SUCCESS, "stat of all three");
    set_many(m);
    get_many(m, "ketama");
    after = memcached_stat(m, NULL, &rc);
    for (unsigned i = 0; i < SERVERS; i++) {
        unsigned long long stored = after[i].cmd_set - before[i].cmd_set;

        sum += stored;
        least = stored < least ? stored : least;
    }
    check(sum == MANY && least > MANY / 10, "each holds its share: %llu of %llu at least",
          least, sum);
    memcached_stat_free(m, before);
    memcached_stat_free(m, after);
    for (unsigned i = 0; i < MANY; i++)
        wrong += memcached_delete(m, key, key_of(key, i), 0) != MEMCACHED_SUCCESS;
    check(wrong == 0, "every key is deleted where it was stored");
    memcached_free(m);
}

/* --- places by another key ------------------------------------------------ */

#define KEY "k", 1

static memcached_st *
client_of(const struct place *place, unsigned server)
{
    memcached_st *m = client(place);

    memcached_server_add(m, "127.0.0.1", place->port[server]);
    return m;
}

/* The name of a group that has another place than KEY, so that it makes a difference. */
static struct bytes
group_apart(memcached_st *m, char name[16])
{
    unsigned i = 0;

    do
        snprintf(name, 16, "group:%u", i++);
    while (memcached_generate_hash(m, name, strlen(name)) ==
           memcached_generate_hash(m, KEY));
    return text(name);
}

static void
holds_by_key(memcached_st *m, struct bytes group, const char *want, const char *name)
{
    memcached_return_t rc;
    uint32_t           flags;
    size_t             length = 0;
    char              *got =
        memcached_get_by_key(m, group.at, group.length, KEY, &length, &flags, &rc);

    check(rc == MEMCACHED_SUCCESS && length == strlen(want) &&
              memcmp(got, want, length) == 0,
          "%s", name);
    free(got);
}

static void
stores_by_another_key(memcached_st *m, struct bytes group)
{
    returns(memcached_set_by_key(m, group.at, group.length, KEY, "v", 1, 0, 0),
            MEMCACHED_SUCCESS, "set");
    memcached_delete_by_key(m, group.at, group.length, KEY, 0);
    returns(memcached_add_by_key(m, group.at, group.length, KEY, "2", 1, 0, 0),
            MEMCACHED_SUCCESS, "add");
    check(memcached_add_by_key(m, group.at, group.length, KEY, "9", 1, 0, 0) !=
              MEMCACHED_SUCCESS,
          "and only once");
    returns(memcached_append_by_key(m, group.at, group.length, KEY, "3", 1, 0, 0),
            MEMCACHED_SUCCESS, "append");
    returns(memcached_prepend_by_key(m, group.at, group.length, KEY, "1", 1, 0, 0),
            MEMCACHED_SUCCESS, "prepend");
    holds_by_key(m, group, "123", "a get finds all of it");
    returns(memcached_replace_by_key(m, group.at, group.length, KEY, "10", 2, 0, 0),
            MEMCACHED_SUCCESS, "replace");
    returns(memcached_touch_by_key(m, group.at, group.length, KEY, 600),
            MEMCACHED_SUCCESS, "touch");
    returns(memcached_exist_by_key(m, group.at, group.length, KEY), MEMCACHED_SUCCESS,
            "exist");
}

static void
counters_by_another_key(memcached_st *m, struct bytes group, bool binary)
{
    uint64_t           n = 0;
    memcached_return_t rc = binary ? MEMCACHED_SUCCESS : MEMCACHED_INVALID_ARGUMENTS;

    memcached_increment_by_key(m, group.at, group.length, KEY, 5, &n);
    check(n == 15, "incr");
    memcached_decrement_by_key(m, group.at, group.length, KEY, 2, &n);
    check(n == 13, "decr");
    returns(memcached_increment_with_initial_by_key(m, group.at, group.length, KEY, 5, 7,
                                                    0, &n),
            rc, "incr with an initial value");
    returns(memcached_decrement_with_initial_by_key(m, group.at, group.length, KEY, 5, 7,
                                                    0, &n),
            rc, "and decr");
    holds_by_key(m, group, "13", "of what is there");
}

static void
many_by_another_key(memcached_st *m, struct bytes group, bool binary)
{
    const char          *keys[] = { "k", "none" };
    size_t               lengths[] = { 1, 4 };
    memcached_execute_fn callbacks[] = { count_value };
    struct sums          sums = { 0, 0 };
    memcached_result_st *result;
    memcached_return_t   rc;
    uint64_t             cas = 0;

    memcached_mget_by_key(m, group.at, group.length, keys, lengths, 2);
    while ((result = memcached_fetch_result(m, NULL, &rc)) != NULL) {
        sums.count++;
        cas = memcached_result_cas(result);
        memcached_result_free(result);
    }
    check(sums.count == 1, "mget finds the one that is there");
    returns(memcached_cas_by_key(m, group.at, group.length, KEY, "0", 1, 0, 0, cas),
            MEMCACHED_SUCCESS, "cas with its number");
    check(memcached_cas_by_key(m, group.at, group.length, KEY, "9", 1, 0, 0, cas) !=
              MEMCACHED_SUCCESS,
          "and only once");
    sums = (struct sums){ 0, 0 };
    returns(memcached_mget_execute_by_key(m, group.at, group.length, keys, lengths, 2,
                                          callbacks, &sums, 1),
            binary ? MEMCACHED_SUCCESS : MEMCACHED_NOT_SUPPORTED, "mget_execute");
    memcached_fetch_execute(m, callbacks, &sums, 1);
    check(sums.count == binary, "finds it in the binary protocol");
}

static void
keys_may_lie_where_another_key_does(const struct place *place)
{
    memcached_st *m = client_of_all(place);
    char          name[16];
    struct bytes  group = group_apart(m, name);
    memcached_st *there =
        client_of(place, memcached_generate_hash(m, group.at, group.length));

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    memcached_callback_set(
        there, MEMCACHED_CALLBACK_PREFIX_KEY,
        memcached_callback_get(m, MEMCACHED_CALLBACK_PREFIX_KEY, NULL));
    memcached_flush(m, 0);
    stores_by_another_key(m, group);
    counters_by_another_key(m, group, place->binary);
    many_by_another_key(m, group, place->binary);
    lacks(m, "k", "by its own key it is not found");
    holds_text(there, "k", "0", "it is where the other key is");
    returns(memcached_delete_by_key(m, group.at, group.length, KEY, 0), MEMCACHED_SUCCESS,
            "delete");
    lacks(there, "k", "takes it away");
    memcached_free(there);
    memcached_free(m);
}

/* --- other ways to read --------------------------------------------------- */

/* Called for each key of a dump. */
static memcached_return_t
count_key(const memcached_st *m, const char *key, size_t length, void *context)
{
    struct sums *sums = context;
    char         want[KEY_BYTES];
    unsigned     i = 0;

    (void)m;
    sums->count++;
    sscanf(key, "many:%u:", &i);
    sums->wrong +=
        i >= MANY || key_of(want, i) != length || memcmp(key, want, length) != 0;
    return MEMCACHED_SUCCESS;
}

/* Which lists one of three segments. */
static bool
is_memcached(const struct place *place)
{
    return strstr(place->version, "larder") == NULL;
}

static void
a_dump_lists_every_key(const struct place *place)
{
    memcached_st     *m = client_of_all(place);
    memcached_dump_fn callbacks[] = { count_key };
    struct sums       sums = { 0, 0 };

    memcached_flush(m, 0);
    set_many(m);
    if (place->binary) {
        returns(memcached_dump(m, callbacks, &sums, 1), MEMCACHED_NOT_SUPPORTED,
                "the binary protocol has no dump");
    } else {
        returns(memcached_dump(m, callbacks, &sums, 1), MEMCACHED_SUCCESS, "dump");
        check(sums.wrong == 0 && (sums.count == MANY || is_memcached(place)),
              "lists every key");
    }
    get_many(m, "and the dialogue goes on");
    memcached_free(m);
}

static void
values_are_read_by_callbacks_or_one_by_one(const struct place *place)
{
    memcached_st        *m = client_of_all(place);
    char                 keys[2][KEY_BYTES], key[MEMCACHED_MAX_KEY], want[KEY_BYTES];
    const char          *pointers[] = { keys[0], keys[1] };
    size_t               lengths[] = { key_of(keys[0], 1), key_of(keys[1], MANY) };
    size_t               key_length, length;
    memcached_execute_fn callbacks[] = { count_value };
    struct sums          sums = { 0, 0 };
    memcached_return_t   rc;
    uint32_t             flags;
    char                *got;

    set_many(m);
    returns(memcached_mget_execute(m, pointers, lengths, 2, callbacks, &sums, 1),
            place->binary ? MEMCACHED_SUCCESS : MEMCACHED_NOT_SUPPORTED, "mget_execute");
    memcached_fetch_execute(m, callbacks, &sums, 1);
    check(sums.count == place->binary && sums.wrong == 0, "finds what is there");
    memcached_mget(m, pointers, lengths, 2);
    got = memcached_fetch(m, key, &key_length, &length, &flags, &rc);
    check(got != NULL && key_length == lengths[0] &&
              memcmp(key, keys[0], key_length) == 0 && flags == 1 &&
              length == value_of(want, 1) && memcmp(got, want, length) == 0,
          "fetch brings it");
    free(got);
    got = memcached_fetch(m, key, &key_length, &length, &flags, &rc);
    check(got == NULL && rc != MEMCACHED_SUCCESS, "and no other");
    memcached_free(m);
}

/* What the library calls when a get misses: it stores what is to be found. */
static memcached_return_t
fetch_for_miss(const memcached_st *m, const char *key, size_t length,
               memcached_result_st *result)
{
    (void)m;
    (void)key;
    (void)length;
    return memcached_result_set_value(result, "fetched", 7);
}

static void
a_miss_is_fetched_and_stored(const struct place *place)
{
    memcached_st            *m = client_of_first(place), *other = client_of_first(place);
    memcached_trigger_key_fn fetch = fetch_for_miss;

    forget(m, "trigger");
    memcached_callback_set(m, MEMCACHED_CALLBACK_GET_FAILURE, *(void **)&fetch);
    holds_text(m, "trigger", "fetched", "a miss calls back");
    memcached_quit(m); /* the store has been done when it returns */
    holds_text(other, "trigger", "fetched", "and the value is stored");
    memcached_free(other);
    memcached_free(m);
}

static void
values_may_be_encrypted(const struct place *place)
{
    memcached_st      *m = client_of_first(place), *other = client_of_first(place);
    memcached_return_t rc;
    uint32_t           flags;
    size_t             length = 0;
    char              *got;

    memcached_set_encoding_key(m, "secret", 6);
    store(m, memcached_set, "hidden", "in clear");
    if (!place->binary) /* there the library does not decrypt what it gets */
        holds_text(m, "hidden", "in clear", "who knows the key reads it");
    got = memcached_get(other, "hidden", 6, &length, &flags, &rc);
    check(rc == MEMCACHED_SUCCESS && length >= 8 && memcmp(got, "in clear", 8) != 0,
          "others do not");
    free(got);
    memcached_free(other);
    memcached_free(m);
}

static memcached_st *
client_with_replicas(const struct place *place)
{
    memcached_st *m = client_of_all(place);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, SERVERS - 1);
    /* Its mget asks for every answer; with so many due it would throw some away, where the
     * server reads more slowly than it writes. */
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_IO_MSG_WATERMARK, 4 * MANY);
    return m;
}

/* Each key by a get of its own: with a server gone, a multi-get of this library does
 * not ask the others for all of them. */
static void
get_one_by_one(memcached_st *m, const char *name)
{
    char     key[KEY_BYTES], want[KEY_BYTES];
    unsigned wrong = 0;

    for (unsigned i = 0; i < MANY; i++) {
        memcached_return_t rc;
        uint32_t           flags = 0;
        size_t             length = 0, want_length = value_of(want, i);
        char *got = memcached_get(m, key, key_of(key, i), &length, &flags, &rc);

        wrong += got == NULL || flags != i || length != want_length ||
                 memcmp(got, want, length) != 0;
        free(got);
    }
    if (!check(wrong == 0, "%s: every key is read", name))
        printf("# %u are not, or are wrong\n", wrong);
}

/* The text protocol has no replicas: there the library ignores their number. */
static void
replicas_serve_when_a_server_has_gone(const struct place *place)
{
    memcached_st      *m, *first;
    memcached_stat_st *before, *after;
    memcached_return_t rc;
    struct sums        sums;
    char               key[KEY_BYTES];

    if (!place->binary)
        return;
    m = client_with_replicas(place);
    memcached_flush(m, 0);
    before = memcached_stat(m, NULL, &rc);
    set_many(m);
    after =
        memcached_stat(m, NULL, &rc); /* the quiet sets have been read when it returns */
    for (unsigned i = 0; i < SERVERS; i++)
        check(after[i].cmd_set - before[i].cmd_set == MANY, "server %u has them all", i);
    get_many(m, "with replicas");
    memcached_stat_free(m, before);
    memcached_stat_free(m, after);
    memcached_free(m);

    ask("@stop", 1, "one of them is stopped");
    m = client_with_replicas(place);
    get_one_by_one(m, "without it");
    memcached_free(m);
    ask("@start", 1, "it is started again");

    m = client_with_replicas(place);
    for (unsigned i = 0; i < MANY; i++)
        memcached_delete(m, key, key_of(key, i), 0);
    memcached_quit(m); /* the quiet deletes have been read when it returns */
    first = client_of_first(place);
    check(count_many(first, &sums) && sums.count == 0, "deletes reach the replicas");
    memcached_free(first);
    memcached_free(m);
}

static void *
increment_often(void *context)
{
    memcached_pool_st *pool = context;
    memcached_return_t rc;
    uintptr_t          failures = 0;
    uint64_t           n;
    struct timespec    patience = { .tv_sec = DEADLINE_S };

    for (unsigned i = 0; i < ROUNDS; i++) {
        memcached_st *m = i % 2 ? memcached_pool_pop(pool, true, &rc)
                                : memcached_pool_fetch(pool, &patience, &rc);

        failures += memcached_increment(m, "tally", 5, 1, &n) != MEMCACHED_SUCCESS;
        if (i % 2)
            memcached_pool_push(pool, m);
        else
            memcached_pool_release(pool, m);
    }
    return (void *)failures;
}

static void
threads_with_a_pool_count_together(const struct place *place)
{
    memcached_st      *m = client_of_first(place);
    memcached_pool_st *pool = memcached_pool_create(m, 1, THREADS);
    pthread_t          threads[THREADS];
    uintptr_t          failures = 0;
    uint64_t           n = 0;
    memcached_st      *check_up;
    memcached_return_t rc;

    check_up = memcached_pool_pop(pool, true, &rc);
    store(check_up, memcached_set, "tally", "0");
    memcached_pool_push(pool, check_up);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, increment_often, pool);
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        failures += (uintptr_t)failed;
    }
    check(failures == 0, "%d increments in each of %d threads", ROUNDS, THREADS);
    memcached_free(memcached_pool_destroy(pool));
    m = client_of_first(place);
    memcached_increment(m, "tally", 5, 0, &n);
    check(n == (uint64_t)THREADS * ROUNDS, "none is lost");
    memcached_free(m);
}

/* Those that take a login, in whichever protocol has one. */
static void
helpers_log_in(const struct place *place)
{
    const char        *login = getenv("CLIENT_LOGIN");
    char              *user = login != NULL ? strdup(login) : NULL, *password = NULL;
    memcached_return_t rc;

    if (user != NULL) {
        password = strchr(user, ' ');
        *password++ = '\0';
    }
    check(libmemcached_util_ping2("127.0.0.1", place->port[0], user, password, &rc),
          "ping2");
    check(libmemcached_util_getpid2("127.0.0.1", place->port[0], user, password, &rc) ==
              place->pid,
          "getpid2");
    free(user);
}

static void
helpers_of_libmemcachedutil_work(const struct place *place)
{
    if (wants_login()) /* there is no way to tell them of one */
        return;
    memcached_st      *m = client_of_first(place);
    memcached_return_t rc;
    memcached_stat_st  stat = { 0 };

    store(m, memcached_set, "u", "v");
    check(libmemcached_util_ping("127.0.0.1", place->port[0], &rc), "ping");
    returns(memcached_stat_servername(&stat, NULL, "127.0.0.1", place->port[0]),
            MEMCACHED_SUCCESS, "stat_servername");
    check((long)stat.pid == place->pid, "of that server");
    check(libmemcached_util_getpid("127.0.0.1", place->port[0], &rc) == place->pid,
          "getpid");
    check(libmemcached_util_version_check(m, 1, 6, 18), "the version is 1.6.18 or later");
    check(!libmemcached_util_version_check(m, 1, 7, 0), "and not 1.7");
    check(libmemcached_util_flush("127.0.0.1", place->port[0], &rc), "flush");
    lacks(m, "u", "takes what was there");
    memcached_free(m);
}

static void
the_client_survives_a_restart(const struct place *place)
{
    memcached_st *m = client_of_first(place);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0);
    store(m, memcached_set, "r", "before");
    store(m, memcached_set, "old", "before");
    ask("@restart", 0, "the server was restarted");
    check(at_last(store(m, memcached_set, "r", "after") == MEMCACHED_SUCCESS),
          "a store succeeds again");
    holds_text(m, "r", "after", "and can be read");
    lacks(m, "old", "from an empty server");
    memcached_free(m);
}

static void
run_all(const struct place *place)
{
    static const struct section sections[] = {
        { "stores", stores_answer_as_each_command_should },
        { "values", values_of_any_bytes_and_sizes_come_back },
        { "keys", keys_may_be_long_and_prefixed },
        { "compare and set", compare_and_set_notices_a_change },
        { "counters", counters_wrap_at_64_bits_and_stop_at_nought },
        { "initial values", missing_counters_begin_where_told },
        { "many keys", hundreds_of_keys_go_in_one_request },
        { "buffering", buffered_requests_arrive_in_order },
        { "noreply", noreply_is_silent_and_still_happens },
        { "expiry", expiry_follows_the_time_given },
        { "flush", flush_takes_all_that_was_there_before },
        { "statistics", statistics_and_version_are_readable },
        { "unix socket", a_unix_socket_serves_as_well },
        { "ketama", three_servers_share_the_keys_by_ketama },
        { "by key", keys_may_lie_where_another_key_does },
        { "reading", values_are_read_by_callbacks_or_one_by_one },
        { "dump", a_dump_lists_every_key },
        { "callback", a_miss_is_fetched_and_stored },
        { "encryption", values_may_be_encrypted },
        { "replicas", replicas_serve_when_a_server_has_gone },
        { "pool", threads_with_a_pool_count_together },
        { "util", helpers_of_libmemcachedutil_work },
        { "util, with a login", helpers_log_in },
        { "restart", the_client_survives_a_restart },
    };

    run_sections(sections, sizeof(sections) / sizeof(sections[0]), place);
}

int
main(int argc, char **argv)
{
    struct place place;

    if (argc != 8) {
        fprintf(stderr,
                "usage: libmemcached text|binary PORT PORT PORT SOCKET VERSION PID\n");
        return EXIT_FAILURE;
    }
    for (unsigned i = 0; i < SERVERS; i++)
        place.port[i] = (in_port_t)strtoul(argv[2 + i], NULL, 10);
    place.binary = strcmp(argv[1], "binary") == 0;
    place.socket = argv[5];
    place.version = argv[6];
    place.pid = strtol(argv[7], NULL, 10);
    run_all(&place);
    return EXIT_SUCCESS;
}
