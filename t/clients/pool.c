/* t/clients/pool.c - many servers as one by libmemcached: what moves, what a dead
 * server costs, and what replicas and a gutter pool make of it.
 *
 * Run by pool.t, which compiles it, starts the servers and numbers what this prints:
 * "ok - name", "not ok - name" and "# remark". "@start N" asks for a server that was
 * killed to be started again, "@advance S" for their clocks to be moved; then a line
 * comes on stdin.
 *
 *   pool SECONDS PORT PORT PORT PORT GUTTER
 *
 * The pool is the first three of the servers, the fourth joins it at times, the last is
 * the gutter. SECONDS is how long a value in the gutter lives.
 * Threads: one. Each section makes its own clients and kills a server by its pid.
 */
#include <libmemcached/memcached.h>
#include <libmemcachedutil-1.0/util.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/clients/client.h"

enum {
    POOL = 3,
    NODES = 5, /* with the one that joins, and the gutter */
    JOINS = 3,
    GUTTER = 4,
    DIES = 1,
    KEYS = 1500,
    TOGETHER = 300, /* keys of one request */
    KEY_BYTES = 40,
};

struct place { /* where the servers are; constant */
    in_port_t port[NODES];
    time_t    gutter_s; /* how long a value in the gutter lives */
};

enum answer { HIT, MISS, FAILURE, ANSWERS };

struct answers { /* what reading every key brought */
    enum answer of[KEYS];
    unsigned    count[ANSWERS];
};

/* --- clients -------------------------------------------------------------- */

static memcached_st *
client(const struct place *place, unsigned first, unsigned count)
{
    memcached_st *m = new_client();

    /* Not even for a moment is a server left alone after it has failed. */
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0);
    for (unsigned i = first; i < first + count; i++)
        memcached_server_add(m, "127.0.0.1", place->port[i]);
    return m;
}

static memcached_st *
ketama(const struct place *place, unsigned count)
{
    memcached_st *m = client(place, 0, count);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_KETAMA, 1);
    return m;
}

static memcached_st *
ketama_with_replica(const struct place *place)
{
    memcached_st *m = ketama(place, POOL);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, 1);
    return m;
}

/* --- every key ------------------------------------------------------------ */

static size_t
key_of(char key[KEY_BYTES], unsigned i)
{
    return (size_t)snprintf(key, KEY_BYTES, "user:%u:profile", i);
}

static unsigned
owner(memcached_st *m, unsigned i)
{
    char key[KEY_BYTES];

    return memcached_generate_hash(m, key, key_of(key, i));
}

static memcached_return_t
set(memcached_st *m, unsigned i, time_t expiry)
{
    char key[KEY_BYTES];

    return memcached_set(m, key, key_of(key, i), "v", 1, expiry, 0);
}

/* How many of them were not stored. */
static unsigned
set_all(memcached_st *m)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < KEYS; i++)
        wrong += set(m, i, 0) != MEMCACHED_SUCCESS;
    return wrong;
}

static size_t
length_of(memcached_st *m, unsigned i, memcached_return_t *rc)
{
    uint32_t flags;
    size_t   length = 0;
    char     key[KEY_BYTES];

    free(memcached_get(m, key, key_of(key, i), &length, &flags, rc));
    return length;
}

static enum answer
get(memcached_st *m, unsigned i)
{
    memcached_return_t rc;

    length_of(m, i, &rc);
    return rc == MEMCACHED_SUCCESS ? HIT : rc == MEMCACHED_NOTFOUND ? MISS : FAILURE;
}

static struct answers
get_all(memcached_st *m)
{
    struct answers a = { .count = { 0 } };

    for (unsigned i = 0; i < KEYS; i++) {
        a.of[i] = get(m, i);
        a.count[a.of[i]]++;
    }
    return a;
}

/* Is this the answer to exactly the keys that belong to the server? */
static bool
only_of(memcached_st *m, unsigned server, const struct answers *a, enum answer answer)
{
    for (unsigned i = 0; i < KEYS; i++)
        if ((owner(m, i) == server) != (a->of[i] == answer))
            return false;
    return true;
}

static unsigned
copies(const struct place *place)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < POOL; i++) {
        memcached_st *m = client(place, i, 1);

        sum += get_all(m).count[HIT];
        memcached_free(m);
    }
    return sum;
}

static void
empty(const struct place *place)
{
    memcached_st *m = client(place, 0, NODES);

    memcached_flush(m, 0);
    memcached_free(m);
}

/* A client of the pool, in which all keys are, and nothing else. */
static memcached_st *
filled(const struct place *place, memcached_st *m)
{
    empty(place);
    check(set_all(m) == 0, "%d keys are set", KEYS);
    return m;
}

/* --- a server that dies --------------------------------------------------- */

static bool
is_up(const struct place *place, unsigned server)
{
    memcached_return_t rc;

    return libmemcached_util_ping("127.0.0.1", place->port[server], &rc);
}

static void
kill_server(const struct place *place, unsigned server)
{
    memcached_return_t rc;
    pid_t pid = libmemcached_util_getpid("127.0.0.1", place->port[server], &rc);

    if (check(pid > 1, "a server has a pid"))
        kill(pid, SIGKILL);
    check(at_last(!is_up(place, server)), "and is killed");
}

static void
start_server(unsigned server)
{
    ask("@start", server, "it is started again");
}

/* --- sections ------------------------------------------------------------- */

static void
share(unsigned count, double least, double most, const char *name)
{
    double part = (double)count / KEYS;

    printf("# %.1f %%\n", 100 * part);
    check(least < part && part < most, "%s", name);
}

static void
a_server_more(memcached_st *three, memcached_st *four, const struct place *place)
{
    struct answers a;

    filled(place, three);
    a = get_all(four);
    share(a.count[MISS], 0.12, 0.42, "with a fourth server, about a fourth miss");
    check(only_of(four, JOINS, &a, MISS), "those that it gets, and no other");
}

static void
a_server_less(memcached_st *four, memcached_st *three, const struct place *place)
{
    struct answers a;

    filled(place, four);
    a = get_all(three);
    share(a.count[MISS], 0.12, 0.42, "when it is taken away, about a fourth miss");
    check(only_of(four, JOINS, &a, MISS), "those that it had, and no other");
}

static void
ketama_moves_the_share_of_one_server(const struct place *place)
{
    memcached_st *three = ketama(place, POOL), *four = ketama(place, POOL + 1);
    unsigned      count[POOL] = { 0 };

    for (unsigned i = 0; i < KEYS; i++)
        count[owner(three, i)]++;
    for (unsigned i = 0; i < POOL; i++)
        share(count[i], 0.17, 0.52, "a server of three has about a third");
    a_server_more(three, four, place);
    a_server_less(four, three, place);
    memcached_free(three);
    memcached_free(four);
}

/* Here its address is its name: the ring is made of these. */
static void
a_server_at_another_address_has_another_share(const struct place *place)
{
    memcached_st *three = ketama(place, POOL), *replaced = client(place, 0, DIES);
    unsigned      of_others = 0;

    memcached_behavior_set(replaced, MEMCACHED_BEHAVIOR_KETAMA, 1);
    memcached_server_add(replaced, "127.0.0.1", place->port[JOINS]);
    for (unsigned i = DIES + 1; i < POOL; i++)
        memcached_server_add(replaced, "127.0.0.1", place->port[i]);
    for (unsigned i = 0; i < KEYS; i++)
        of_others += owner(three, i) != DIES && owner(replaced, i) != owner(three, i);
    check(of_others > 0, "at another port a server takes keys of others: %u", of_others);
    memcached_free(three);
    memcached_free(replaced);
}

static void
by_remainder_most_keys_move(const struct place *place)
{
    memcached_st  *three = client(place, 0, POOL), *four = client(place, 0, POOL + 1);
    struct answers a;

    filled(place, three);
    a = get_all(four);
    share(a.count[MISS], 0.7, 0.8, "by the default, three fourths miss");
    memcached_free(three);
    memcached_free(four);
}

static void
keys_of_a_dead_server_fail_and_of_an_empty_one_miss(const struct place *place)
{
    memcached_st  *m = filled(place, ketama(place, POOL));
    struct answers a;

    kill_server(place, DIES);
    a = get_all(m);
    check(only_of(m, DIES, &a, FAILURE) && a.count[MISS] == 0,
          "its keys cannot be read, all others can");
    start_server(DIES);
    /* It may leave a server alone for a while after it has failed. */
    check(at_last(get_all(m).count[FAILURE] == 0), "the client finds it again");
    a = get_all(m);
    check(only_of(m, DIES, &a, MISS), "it is empty: its keys miss, all others are read");
    check(set_all(m) == 0, "they are set again");
    check(get_all(m).count[HIT] == KEYS, "and read");
    memcached_free(m);
}

static void
clients_that_eject_a_server_disagree_with_others(const struct place *place)
{
    memcached_st  *m = ketama(place, POOL), *other = ketama(place, POOL);
    struct answers a;

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_REMOVE_FAILED_SERVERS, 1);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_SERVER_FAILURE_LIMIT, 2);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 1);
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_DEAD_TIMEOUT, 3600);
    filled(place, m);
    kill_server(place, DIES);
    check(at_last(set_all(m) == 0), "when it is ejected, every key can be set");
    check(get_all(m).count[HIT] == KEYS, "and read, from those that are left");
    start_server(DIES);
    a = get_all(other);
    check(only_of(other, DIES, &a, MISS),
          "a client that did not eject it looks for its keys there, in vain");
    memcached_free(other);
    memcached_free(m);
}

/* --- what goes to all servers --------------------------------------------- */

static memcached_return_t
count_version(const memcached_st *m, const memcached_instance_st *server, void *context)
{
    unsigned *count = context;

    (void)m;
    *count += memcached_server_major_version(server) == 1;
    return MEMCACHED_SUCCESS;
}

static memcached_return_t
count_verbose(const memcached_instance_st *server, const char *key, size_t key_length,
              const char *value, size_t value_length, void *context)
{
    unsigned *count = context;

    (void)server;
    *count += key_length == 9 && memcmp(key, "verbosity", 9) == 0 && value_length == 1 &&
              *value == '1';
    return MEMCACHED_SUCCESS;
}

static void
administration_goes_to_all_servers(const struct place *place, bool binary)
{
    memcached_st       *m = ketama(place, POOL);
    memcached_server_fn versions[] = { count_version };
    memcached_stat_st  *stats;
    memcached_return_t  rc;
    unsigned            count = 0;

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, binary);
    filled(place, m);
    stats = memcached_stat(m, NULL, &rc);
    check(stats[0].pid != stats[1].pid && stats[1].pid != stats[2].pid &&
              stats[2].pid != stats[0].pid,
          "stats: of all servers");
    memcached_stat_free(m, stats);
    memcached_version(m);
    memcached_server_cursor(m, versions, &count, 1);
    check(count == POOL, "version: of all");
    count = 0;
    memcached_verbosity(m, 1);
    memcached_stat_execute(m, "settings", count_verbose, &count);
    memcached_verbosity(m, 0);
    check(count == POOL, "verbosity: on all");
    memcached_flush(m, 0);
    check(get_all(m).count[MISS] == KEYS && copies(place) == 0, "flush: on all");
    memcached_free(m);
}

static void
both_protocols_administrate_all_servers(const struct place *place)
{
    administration_goes_to_all_servers(place, false);
    administration_goes_to_all_servers(place, true);
}

/* --- replicas ------------------------------------------------------------- */

static memcached_return_t
count_result(const memcached_st *m, memcached_result_st *result, void *context)
{
    unsigned *count = context;

    (void)m;
    (void)result;
    ++*count;
    return MEMCACHED_SUCCESS;
}

/* How many a single request finds. With replicas, of much more than a thousand keys the
 * library loses some even while all servers are there, memcached's too. */
static unsigned
count_together(memcached_st *m)
{
    static char          keys[TOGETHER][KEY_BYTES];
    const char          *pointers[TOGETHER];
    size_t               lengths[TOGETHER];
    memcached_execute_fn callbacks[] = { count_result };
    unsigned             count = 0;

    for (unsigned i = 0; i < TOGETHER; i++) {
        lengths[i] = key_of(keys[i], i);
        pointers[i] = keys[i];
    }
    memcached_mget(m, pointers, lengths, TOGETHER);
    memcached_fetch_execute(m, callbacks, &count, 1);
    return count;
}

static unsigned
first_of(memcached_st *m, unsigned server)
{
    unsigned i = 0;

    while (owner(m, i) != server)
        i++;
    return i;
}

static void
changes_do_not_reach_the_copy_but_deletes_do(memcached_st *m)
{
    memcached_return_t rc;
    unsigned           i = first_of(m, DIES);
    char               key[KEY_BYTES];
    size_t             length = key_of(key, i);

    check(memcached_set(m, key, length, "longer", 6, 0, 0) != MEMCACHED_SUCCESS,
          "such a key cannot be set");
    check(length_of(m, i, &rc) == 1, "its copy keeps the old value");
    check(memcached_delete(m, key, length, 0) != MEMCACHED_SUCCESS,
          "a delete reports an error");
    check(get(m, i) == MISS, "but takes the copy away");
}

static void
text_has_no_replicas(const struct place *place)
{
    memcached_st *m = ketama_with_replica(place);

    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0);
    filled(place, m);
    check(copies(place) == KEYS, "each key is on one server");
    memcached_free(m);
}

static void
a_replica_is_read_while_a_server_is_dead(const struct place *place)
{
    memcached_st  *m = filled(place, ketama_with_replica(place)), *fresh;
    struct answers a;

    memcached_quit(m); /* the quiet stores have been done when it returns */
    check(copies(place) == 2 * KEYS, "each key is on two servers");
    check(count_together(m) == TOGETHER, "one request for %d keys finds all", TOGETHER);
    kill_server(place, DIES);
    check(get_all(m).count[FAILURE] <= 1, "a client that had it notices by one request");
    check(get_all(m).count[HIT] == KEYS, "then every key is still read");
    check(count_together(m) == TOGETHER, "%d in one request, too", TOGETHER);
    changes_do_not_reach_the_copy_but_deletes_do(m);
    start_server(DIES);
    fresh = ketama_with_replica(place);
    a = get_all(fresh);
    check(only_of(fresh, DIES, &a, MISS),
          "it comes back empty: its keys miss, although there are copies");
    check(set_all(fresh) == 0 && get_all(fresh).count[HIT] == KEYS,
          "until they are set again");
    memcached_free(fresh);
    memcached_free(m);
}

/* --- a gutter ------------------------------------------------------------- */

struct service { /* a cache of a pool and a gutter, before a database */
    memcached_st *pool;
    memcached_st *gutter;
    time_t        gutter_s;
    unsigned      queries; /* to the database, of the last round */
};

static void
serve(struct service *s, unsigned i)
{
    enum answer answer = get(s->pool, i);

    if (answer == HIT)
        return;
    if (answer == MISS) {
        s->queries++;
        set(s->pool, i, 0);
    } else if (get(s->gutter, i) != HIT) {
        s->queries++;
        set(s->gutter, i, s->gutter_s);
    }
}

static unsigned
serve_all(struct service *s)
{
    s->queries = 0;
    for (unsigned i = 0; i < KEYS; i++)
        serve(s, i);
    return s->queries;
}

static unsigned
keys_of(memcached_st *m, unsigned server)
{
    unsigned count = 0;

    for (unsigned i = 0; i < KEYS; i++)
        count += owner(m, i) == server;
    return count;
}

/* While the gutter has old values: until their time is up they may be served again. */
static void
a_change_does_not_reach_the_gutter(const struct place *place, struct service *s)
{
    memcached_return_t rc;
    char               key[KEY_BYTES];
    unsigned           i = first_of(s->pool, DIES);

    memcached_set(s->pool, key, key_of(key, i), "longer", 6, 0, 0);
    kill_server(place, DIES);
    check(get(s->pool, i) == FAILURE && length_of(s->gutter, i, &rc) == 1,
          "it dies again: the gutter has the old value");
    start_server(DIES);
    check(at_last(get_all(s->pool).count[FAILURE] == 0), "the client finds it again");
    serve_all(s);
}

static void
a_gutter_stands_in_for_a_dead_server(const struct place *place)
{
    struct service s = { ketama(place, POOL), client(place, GUTTER, 1), place->gutter_s,
                         0 };
    unsigned       its_own = keys_of(s.pool, DIES);

    filled(place, s.pool);
    check(serve_all(&s) == 0, "the database is not asked");
    kill_server(place, DIES);
    check(serve_all(&s) == its_own, "once for each key of the dead server, it is");
    check(serve_all(&s) == 0, "and not again: the gutter has them");
    check(get_all(s.gutter).count[HIT] == its_own, "and no others");
    start_server(DIES);
    check(at_last(get_all(s.pool).count[FAILURE] == 0), "the client finds it again");
    check(serve_all(&s) == its_own, "it is empty: once more for each of its keys");
    check(serve_all(&s) == 0, "and not again");
    a_change_does_not_reach_the_gutter(place, &s);
    ask("@advance", place->gutter_s + 1, "a short time later");
    check(at_last(get_all(s.gutter).count[HIT] == 0),
          "nothing old is left in the gutter");
    check(serve_all(&s) == 0, "and all is in the pool");
    memcached_free(s.pool);
    memcached_free(s.gutter);
}

static void
run_all(const struct place *place)
{
    static const struct section sections[] = {
        { "ketama", ketama_moves_the_share_of_one_server },
        { "addresses", a_server_at_another_address_has_another_share },
        { "remainder", by_remainder_most_keys_move },
        { "death", keys_of_a_dead_server_fail_and_of_an_empty_one_miss },
        { "ejection", clients_that_eject_a_server_disagree_with_others },
        { "administration", both_protocols_administrate_all_servers },
        { "replicas in text", text_has_no_replicas },
        { "replicas", a_replica_is_read_while_a_server_is_dead },
        { "gutter", a_gutter_stands_in_for_a_dead_server },
    };

    run_sections(sections, sizeof(sections) / sizeof(sections[0]), place);
}

int
main(int argc, char **argv)
{
    struct place place;

    if (argc != 2 + NODES) {
        fprintf(stderr, "usage: pool SECONDS PORT PORT PORT PORT GUTTER\n");
        return EXIT_FAILURE;
    }
    place.gutter_s = strtol(argv[1], NULL, 10);
    for (unsigned i = 0; i < NODES; i++)
        place.port[i] = (in_port_t)strtoul(argv[2 + i], NULL, 10);
    run_all(&place);
    return EXIT_SUCCESS;
}
