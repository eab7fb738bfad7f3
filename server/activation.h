/* server/activation.h - sockets that a service manager has opened: sd_listen_fds(3), without its
 * library.
 *
 * With LISTEN_FDS systemd says how many descriptors from 3 on are sockets for us. They are
 * then all that there is to listen on: what -l, -p, -s and -U say has no effect, for who
 * opens sockets in a unit has said there where. LISTEN_FDNAMES (FileDescriptorName= of the
 * unit) says what is spoken on them, in the words of -l, with commas between them:
 *
 *    notls, btls, mtls                   as `notls:` and the like
 *    ascii, binary, negotiating          as `proto[ascii]:` and the like
 *
 * A name that ends in .socket is systemd's default and says nothing, and so do no name at all
 * and `unknown`. Any other one is an error: a word with a mistake in it must not open
 * what it was to close.
 *
 * Source: sd_listen_fds(3), "Notes", and systemd.socket(5).
 * Threads: the main thread, before there are others.
 */
#ifndef LARDER_SERVER_ACTIVATION_H
#define LARDER_SERVER_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "server/listen.h"

/* Zero where nobody has opened anything for us. */
struct activation {
    unsigned count; /* descriptors from 3 on                      */
    char    *names; /* of them, with colons between them, or NULL */
};

/* Read the environment, and take it out of there: it is not for anybody else. False, with
 * one line in `text`, where it makes no sense. */
bool activation_init(struct activation *activation, char *text, size_t text_bytes);
void activation_fini(struct activation *activation);

/*
 * Make listeners of these descriptors: of those for datagrams, or of the others. On failure
 * there is none, and `text` holds one line for a person; a descriptor that cannot be used is
 * one, whatever it is. What is not returned here is the other call's.
 */
enum listen_status activation_listen(const struct activation *activation, bool udp,
                                     struct listeners *l, const struct options *o,
                                     char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

#endif
