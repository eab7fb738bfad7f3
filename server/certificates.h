/* server/certificates.h - who the server is, and whom it trusts: what TLS is done with.
 *
 * The files of -o ssl_chain_cert, ssl_key and ssl_ca_cert, and the rules of the other ssl_
 * options, are read into one object of OpenSSL. Reading them again makes another one, and
 * only if all of it is good does it take the place of the first. A connection keeps what it
 * began with.
 *
 * Threads: certificates_take() and certificates_look() from any thread. The rest, which reads
 *          files, belongs to the main thread.
 * Locks:   the lock guards what is in force; nothing else is done under it.
 */
#ifndef LARDER_SERVER_CERTIFICATES_H
#define LARDER_SERVER_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/options.h"
#include "slabs/lock.h"

struct bio_method_st; /* OpenSSL's BIO_METHOD and SSL_CTX */
struct ssl_ctx_st;

enum { CERTIFICATES_WARNING_BYTES = 384 };

/* When the certificates that are in force can be used. */
struct certificate_dates {
    int64_t not_before, not_after; /* Unix time, of the server's own                    */
    char warning[CERTIFICATES_WARNING_BYTES]; /* of any that cannot be used now; or "" */
};

struct certificates {
    const struct options    *options;
    char                    *chain, *key, *ca; /* absolute paths; ca may be NULL */
    struct bio_method_st    *socket;           /* tls_socket_create()            */
    bool                     kernel_encrypts;  /* it was asked to, and can */
    struct lock              lock;             /* RANK_LEAF; guards the rest     */
    struct ssl_ctx_st       *context;
    struct certificate_dates dates;
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
/* The same, for who wants to know all that is wrong: each is told. */
typedef void             certificates_tell(void *arg, enum certificates_status status,
                                           const char *text);
enum certificates_status certificates_inspect(struct certificates  *certificates,
                                              const struct options *options,
                                              certificates_tell *tell, void *arg)
    __attribute__((warn_unused_result));
/* Read it again; where that fails, as above, what was there stays in force. */
enum certificates_status certificates_reload(struct certificates *certificates,
                                             char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
void certificates_close(struct certificates *certificates);

/* A reference to what is in force, for SSL_CTX_free(). */
struct ssl_ctx_st *certificates_take(struct certificates *certificates);

/* How they were dated when they were read. Any thread. */
void certificates_look(struct certificates      *certificates,
                       struct certificate_dates *dates);
/* What is worth a warning, though it can be served with. */
enum certificates_warning {
    CERTIFICATES_EXPOSED,   /* everybody on this machine can read the key          */
    CERTIFICATES_DATED,     /* one has expired, or is not valid yet                */
    CERTIFICATES_NO_KERNEL, /* it is asked for to encrypt, and cannot              */
    CERTIFICATES_NO_OLD_VERSIONS, /* they are asked for, and nothing will come about     */
    CERTIFICATES_WARNINGS,
};

/* Is it so? Then `text` has a line on it. */
bool certificates_warn(const struct certificates *certificates,
                       enum certificates_warning of, char *text, size_t text_bytes);

#endif
