/* server/listen.h - from -l, -p, -U and -s to sockets that listen.
 *
 * listen_open() makes every socket the options ask for, or none. Host names are resolved,
 * so it may block: it is for the start, before there are workers.
 *
 * Threads: the main thread alone.
 * Locks:   none. But the umask is changed for a moment while a unix socket is bound, and
 *          that is the whole process's: no other thread may create files meanwhile.
 */
#ifndef LARDER_SERVER_LISTEN_H
#define LARDER_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/options.h"

enum listen_family {
    LISTEN_INET,
    LISTEN_INET6,
    LISTEN_UNIX,
};

/* What is asked of those who come by a listener. */
enum listen_tls {
    LISTEN_PLAIN,       /* no TLS                                                     */
    LISTEN_TLS,         /* TLS, with a certificate as -o ssl_verify_mode says         */
    LISTEN_TLS_ANYBODY, /* btls: TLS, without one                                     */
    LISTEN_TLS_KNOWN,   /* mtls: TLS, with one that -o ssl_ca_cert vouches for        */
};

/* One listening socket: non-blocking, close-on-exec, with TCP in the state LISTEN. */
struct listener {
    int                   fd;
    enum listen_family    family;
    enum options_protocol protocol; /* what its clients speak                       */
    enum listen_tls       tls;
    uint16_t              port; /* bound, host order; 0 for a unix socket       */
};

/* All of them; made by listen_open(), freed by listen_close(). */
struct listeners {
    struct listener *list; /* `count` of them; NULL when there are none */
    size_t           count;
};

enum listen_status {
    LISTEN_OK = 0,
    LISTEN_FAILED,    /* the system or the address said no                         */
    LISTEN_FEW,       /* -c leaves no descriptor for a listener                    */
    LISTEN_BAD_VALUE, /* what -l says is no list of addresses                      */
};

/* Can -l of `o` be read, as far as it counts? Nothing is opened and no name resolved. */
enum listen_status listen_check(const struct options *o, char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/*
 * Open what `o` asks for: with -s the unix socket alone, else TCP on each address of -l,
 * else loopback. With -p 0 and no -s the result is no listener and LISTEN_OK. On
 * failure nothing is open and `text` holds one line for a person, without a newline.
 *
 * Accepted sockets need no setting up: Linux hands keepalive, no-delay and linger on from
 * the listener, O_NONBLOCK and FD_CLOEXEC are for accept4().
 */
enum listen_status listen_open(struct listeners *l, const struct options *o, char *text,
                               size_t text_bytes) __attribute__((warn_unused_result));

/* Open the UDP sockets of `o`, in the same way: with -U, and without -s, one on each
 * address of -l. They say on which of its addresses a datagram has come (IP_PKTINFO,
 * IPV6_RECVPKTINFO). */
enum listen_status listen_open_udp(struct listeners *l, const struct options *o,
                                   char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/*
 * Could listen_open() and listen_open_udp() open it all, were it not for a server that has it
 * open now? Addresses, rights to ports, and the path of -s are tried; no port and no path is
 * taken, and nobody can connect. `count` is how many listeners there would be, and on failure
 * `is_udp` whether -U is what goes wrong. Names are resolved.
 */
enum listen_status listen_try(const struct options *o, bool *is_udp, unsigned *count,
                              char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* Close all and free the list. The file of a unix socket stays, as memcached's does. */
void listen_close(struct listeners *l);

/*
 * Write the ports of the listeners to `path` (MEMCACHED_PORT_FILENAME), a line each,
 * `TCP INET: 11211` or `UDP INET6: 11211`. The file appears whole: it is written as
 * `path`.lck and renamed.
 */
enum listen_status listen_write_ports(const struct listeners *tcp,
                                      const struct listeners *udp, const char *path,
                                      char *text, size_t text_bytes)
    __attribute__((warn_unused_result));

/* Keepalive, no-delay, no linger: for a TCP socket that did not come from a listener. */
void listen_tune_stream(int fd);

/* 71 (EX_OSERR) for LISTEN_FAILED, else 1: PROTOCOL.md section 13. */
int listen_exit_code(enum listen_status status);

#endif
