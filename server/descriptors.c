/* server/descriptors.c - what the server has open. See descriptors.h. */
#include "server/descriptors.h"

#include <stddef.h>

#include "server/options.h"

enum { LOOP_DESCRIPTORS = 3 }; /* of an event base: epoll's, libevent's signal pipe */

unsigned
descriptors_of_listeners(const struct options *options)
{
    unsigned count = 1;

    if (options->unix_path != NULL)
        return 1;
    if (options->listen == NULL)
        return 0;
    for (const char *at = options->listen; *at != '\0'; at++)
        count += *at == ',' || *at == ';';
    return count * ((options->tcp_port != 0) + (options->udp_port != 0));
}

/* Of main's and each worker's event base, the wakers of workers and of the watch thread,
 * of listeners, of one client, with -d of the wire to the parent, with -e of the file, and with
 * -Z of the waker for refresh_certs. */
unsigned
descriptors_needed(const struct options *options, unsigned listeners, unsigned others)
{
    return LOOP_DESCRIPTORS + options->threads * (LOOP_DESCRIPTORS + 1) + 1 + listeners +
           1 + (options->daemon ? 1 : 0) + (options->memory_file != NULL ? 1 : 0) +
           (options->tls ? 1 : 0) + others;
}
