/* server/certificates_priv.h - what certificates.c and certificates_read.c share. */
#ifndef LARDER_SERVER_CERTIFICATES_PRIV_H
#define LARDER_SERVER_CERTIFICATES_PRIV_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "server/certificates.h"

/* One reading of the files. */
struct reading {
    const struct certificates *certificates;
    SSL_CTX                   *context;
    struct certificate_dates   dates;
    certificates_tell *tell; /* of each that is wrong; NULL: the first is the last */
    void              *tell_arg;
    char              *text; /* what is wrong */
    size_t             text_bytes;
};

/* Say what is wrong with `what`: this, or if it is NULL what OpenSSL has noted. */
enum certificates_status certificates_fail(const struct reading    *reading,
                                           enum certificates_status status,
                                           const char *what, const char *why);

/* Take the files into the context, and note their dates. */
enum certificates_status certificates_read_chain(struct reading *reading);
enum certificates_status certificates_read_key(struct reading *reading);
enum certificates_status certificates_read_ca(struct reading *reading);

#endif
