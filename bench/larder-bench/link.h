/* bench/larder-bench/link.h - where a server is, and connections to it: TCP, unix, TLS. */
#ifndef LARDER_BENCH_LINK_H
#define LARDER_BENCH_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ssl_st; /* OpenSSL's */
struct ssl_ctx_st;

/* Where to connect to. Text behind pointers is borrowed. */
struct address {
    char        host[256];
    uint16_t    port;
    const char *path; /* of a unix socket; NULL: it is TCP */
    bool        tls;
    const char *tls_ca;   /* who must have signed the server; NULL: it is not asked */
    const char *tls_cert; /* ours, and its key; NULL: we have none */
    const char *tls_key;
    unsigned    patience_s; /* for connecting, and for each answer */
};

struct link {
    int            fd;
    struct ssl_st *ssl; /* NULL without TLS */
};

enum { LINK_ERROR = -3, LINK_CLOSED = -2, LINK_WAIT = -1 };

/* Waits until it is connected, and its handshake is over; from then on it does not block. What
 * goes wrong ends the program. `context` is that of link_context(). */
void link_open(struct link *link, const struct address *address,
               struct ssl_ctx_st *context);

/* NULL without TLS. For all connections to that address, of all threads. */
struct ssl_ctx_st *link_context(const struct address *address);
void               link_context_free(struct ssl_ctx_st *context);

/* How many bytes were moved, or one of the above. After LINK_ERROR, errno says why. */
ssize_t link_read(struct link *link, char *to, size_t length);
ssize_t link_write(struct link *link, const char *from, size_t length);

void link_close(struct link *link);

/* "127.0.0.1:11211", or the path. */
void address_name(const struct address *address, char *text, size_t length);

/* Does somebody accept connections there? Never waits for long. */
bool address_answers(const struct address *address);

#endif
