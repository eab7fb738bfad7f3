/* t/clients/libmemcached-udp.c - libmemcached over UDP, where it can write and not read.
 *
 * Run by libmemcached-udp.t, which compiles it and afterwards looks by TCP at what has
 * come of it:
 *
 *   libmemcached-udp text|binary PORT
 *
 * It prints "ok - name" and "not ok - name" lines, and "# done" at the end.
 */
#include <libmemcached/memcached.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/clients/client.h"

static memcached_st *
connect_to(in_port_t port, bool binary)
{
    memcached_st *m = memcached_create(NULL);

    returns(memcached_behavior_set(m, MEMCACHED_BEHAVIOR_USE_UDP, 1), MEMCACHED_SUCCESS,
            "UDP is turned on");
    returns(memcached_behavior_set(m, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, binary),
            MEMCACHED_SUCCESS, "the protocol is chosen");
    returns(memcached_server_add(m, "127.0.0.1", port), MEMCACHED_SUCCESS,
            "the server is added");
    return m;
}

/* Each write is a datagram, and by what the library says it was only sent. */
static void
write_all(memcached_st *m)
{
    char     large[1300];
    uint64_t number;

    memset(large, 'x', sizeof(large));
    returns(memcached_set(m, "number", 6, "10", 2, 0, 7), MEMCACHED_SUCCESS, "set");
    returns(memcached_increment(m, "number", 6, 5, &number), MEMCACHED_SUCCESS, "incr");
    returns(memcached_decrement(m, "number", 6, 1, &number), MEMCACHED_SUCCESS, "decr");
    returns(memcached_add(m, "added", 5, "one", 3, 0, 0), MEMCACHED_SUCCESS, "add");
    returns(memcached_add(m, "added", 5, "two", 3, 0, 0), MEMCACHED_SUCCESS,
            "add, where something is");
    returns(memcached_append(m, "added", 5, "!", 1, 0, 0), MEMCACHED_SUCCESS, "append");
    returns(memcached_prepend(m, "added", 5, "<", 1, 0, 0), MEMCACHED_SUCCESS, "prepend");
    returns(memcached_replace(m, "absent", 6, "x", 1, 0, 0), MEMCACHED_SUCCESS,
            "replace, where nothing is");
    returns(memcached_set(m, "large", 5, large, sizeof(large), 0, 0), MEMCACHED_SUCCESS,
            "set of a value that fills its datagram");
    returns(memcached_set(m, "gone", 4, "x", 1, 0, 0), MEMCACHED_SUCCESS, "set again");
    returns(memcached_delete(m, "gone", 4, 0), MEMCACHED_SUCCESS, "delete");
    returns(memcached_set(m, "last", 4, "done", 4, 0, 0), MEMCACHED_SUCCESS, "the last");
}

/* The library does not offer reading over UDP. */
static void
read_nothing(memcached_st *m)
{
    memcached_return_t result;
    size_t             length;
    uint32_t           flags;
    char              *value = memcached_get(m, "number", 6, &length, &flags, &result);

    returns(result, MEMCACHED_NOT_SUPPORTED, "get is not supported");
    free(value);
}

int
main(int argc, char **argv)
{
    memcached_st *m;

    if (argc != 3)
        return EXIT_FAILURE;
    m = connect_to((in_port_t)strtoul(argv[2], NULL, 10), strcmp(argv[1], "binary") == 0);
    write_all(m);
    read_nothing(m);
    memcached_free(m);
    printf("# done\n");
    return EXIT_SUCCESS;
}
