/* server/tls.h - one client's TLS: what recv() and sendmsg() are to a plain socket.
 *
 * What it has in hand, half a record in or out, is its own, and shows in two questions only:
 * what the socket has to be waited for, and whether there is more input than the socket
 * tells of. Who serves a connection sees bytes, and errors as errno.
 *
 * A record out holds up to 16 KiB, put together from as many pieces of the reply as it
 * takes. What the socket did not take has to be offered again: the bytes behind those that
 * tls_send() has counted, and at least as many as before.
 *
 * Threads: that of whoever has the connection; it may be handed over.
 */
#ifndef LARDER_SERVER_TLS_H
#define LARDER_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "server/listen.h"

struct bio_method_st; /* OpenSSL's BIO_METHOD */
struct certificates;
struct tls;

enum tls_handshake {
    TLS_READY,    /* it is done                                                     */
    TLS_ANSWERED, /* the client has been told something, and it is its turn         */
    TLS_WAITS,    /* for the client, whose turn it was already                      */
    TLS_LEFT,     /* the client went before it said a word                          */
    TLS_REFUSED,  /* no handshake comes about: tls_trouble() says why               */
};

/* How TLS reads from its sockets, for all of them; NULL: out of memory. */
struct bio_method_st *tls_socket_create(void);
/* For a connection that came by a listener of this kind. NULL: out of memory. */
struct tls *tls_create(struct certificates *certificates, int fd, enum listen_tls kind);
/* Says goodbye to the client if that can be done at once; the descriptor stays open. */
void tls_destroy(struct tls **tls);

/* Go on with the handshake, when the socket is as it was waited for. */
enum tls_handshake tls_shake_hands(struct tls *tls);
bool               tls_is_ready(const struct tls *tls);
/* Was it the continuation of an earlier session? */
bool tls_is_resumed(const struct tls *tls);

/* As readv() and sendmsg(): bytes, 0 at the end, -1 and errno. It is EAGAIN when the socket
 * has to be waited for, EPROTO when what the client sends is no TLS. */
ssize_t tls_receive(struct tls *tls, const struct iovec *vectors, unsigned count);
ssize_t tls_send(struct tls *tls, const struct iovec *vectors, unsigned count);

/* After EAGAIN: must the socket take bytes before it goes on, rather than bring some? */
bool tls_waits_to_write(const struct tls *tls);
/* Has it left input that the socket will not tell of? */
bool tls_holds_input(const struct tls *tls);

/* Has part of a record come, and not all of it? */
bool tls_is_amid_record(const struct tls *tls);

/* After EPROTO or TLS_REFUSED: what was wrong. */
const char *tls_trouble(const struct tls *tls);

#endif
