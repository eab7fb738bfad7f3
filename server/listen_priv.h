/* server/listen_priv.h - what the files that make listeners share: listen.c opens them itself,
 * activation.c gets them from a service manager.
 */
#ifndef LARDER_SERVER_LISTEN_PRIV_H
#define LARDER_SERVER_LISTEN_PRIV_H

#include "server/listen.h"

/* One run, which ends with all listeners or none. */
struct opening {
    struct listeners     *l;
    const struct options *o;
    char                 *text; /* for what is wrong */
    size_t                text_bytes;
    bool                  is_udp;
    bool                  is_trial; /* no port is taken, and nobody can connect */
    uint16_t any_port; /* the first that the system chose: others follow it */
};

enum listen_status listen_fail(const struct opening *opening, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum listen_status listen_bad_value(const struct opening *opening, const char *format,
                                    ...) __attribute__((format(printf, 2, 3)));

/* Nobody may come in by a protocol that he cannot log in with. `where` begins a complaint. */
enum listen_status listen_check_protocol(const struct opening *opening, const char *where,
                                         enum options_protocol *protocol);

/* A whole answer goes out at once, and has to fit; who is asked on one address of several
 * answers from that one. */
void listen_tune_datagrams(int fd, int family);
/* The mark of -o sock_cookie_id, where there is to be one; false and errno without it. */
bool listen_mark(const struct options *o, int fd);
/* Host order. 0 where there is none. */
uint16_t listen_bound_port(int fd);
/* False: out of memory. */
bool listen_add(struct listeners *l, const struct listener *listener);

#endif
