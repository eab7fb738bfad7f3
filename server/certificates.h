/* server/certificates.h - who the server is, and whom it trusts: what TLS is done with.
 *
 * The files of -o ssl_chain_cert, ssl_key and ssl_ca_cert, and the rules of the other ssl_
 * options, are read into one object of OpenSSL. Reading them again makes another one, and
 * only if all of it is good does it take the place of the first. A connection keeps what it
 * began with.
 *
 * Threads: certificates_take() from any thread. The rest, which reads files, belongs to the
 *          main thread.
 * Locks:   the lock guards which object is in force; nothing else is done under it.
 */
#ifndef LARDER_SERVER_CERTIFICATES_H
#define LARDER_SERVER_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "server/options.h"
#include "slabs/lock.h"

struct bio_method_st; /* OpenSSL's BIO_METHOD and SSL_CTX */
struct ssl_ctx_st;

struct certificates {
    const struct options *options;
    char                 *chain, *key, *ca; /* absolute paths; ca may be NULL */
    struct bio_method_st *socket;           /* tls_socket_create()            */
    bool                  kernel_encrypts;  /* it was asked to, and can */
    struct lock           lock;             /* RANK_LEAF; guards the next     */
    struct ssl_ctx_st    *context;
};

enum certificates_status {
    CERTIFICATES_OK,
    CERTIFICATES_BAD_CHAIN,
    CERTIFICATES_BAD_KEY, /* or it is not that of the first certificate */
    CERTIFICATES_BAD_CA,
    CERTIFICATES_BAD_CIPHERS,
    CERTIFICATES_NO_MEMORY,
    CERTIFICATES_STOPPING, /* of refresh_ask(): there is nobody left to read them */
};

/* Read what the options name, which outlive it. On failure there is nothing to be closed,
 * and `text` has one line that says what is wrong with which file. */
enum certificates_status certificates_open(struct certificates  *certificates,
                                           const struct options *options, char *text,
                                           size_t text_bytes)
    __attribute__((warn_unused_result));
/* Read it again; where that fails, as above, what was there stays in force. */
enum certificates_status certificates_reload(struct certificates *certificates,
                                             char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
void certificates_close(struct certificates *certificates);

/* A reference to what is in force, for SSL_CTX_free(). */
struct ssl_ctx_st *certificates_take(struct certificates *certificates);

/* Can everybody on this machine read the key? */
bool certificates_are_exposed(const struct certificates *certificates);
/* Is the kernel asked for to encrypt, and cannot? */
bool certificates_lack_kernel(const struct certificates *certificates);

#endif
