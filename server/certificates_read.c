/* server/certificates_read.c - certificates and keys, from regular files into OpenSSL.
 *
 * OpenSSL's own functions that take a path would wait at a FIFO until somebody writes to it, and
 * with them the main thread. So files are opened here, without waiting, and read as a whole.
 */
#include "server/certificates_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_BYTES_MOST = 4 << 20
}; /* all authorities of a distribution are a quarter of a MB */

/* ---- files ----------------------------------------------------------------------- */

/* The bytes of a file, as one that OpenSSL reads. */
struct source {
    const char *path;
    char       *bytes;
    size_t      length;
    BIO        *bio;
};

static const char *
read_whole(struct source *source, int fd)
{
    struct stat about;
    ssize_t     n;

    if (fstat(fd, &about) != 0)
        return strerror(errno);
    if (!S_ISREG(about.st_mode))
        return "it is not a regular file";
    if (about.st_size > FILE_BYTES_MOST)
        return "it is larger than 4 MB";
    source->bytes = malloc((size_t)about.st_size + 1);
    if (source->bytes == NULL)
        return "out of memory";
    do {
        n = read(fd, source->bytes + source->length,
                 (size_t)about.st_size - source->length);
        source->length += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? strerror(errno) : NULL;
}

static void
close_source(struct source *source)
{
    BIO_free(source->bio);
    OPENSSL_cleanse(source->bytes, source->length);
    free(source->bytes);
    *source = (struct source){ 0 };
}

/* NULL, or why it cannot be read; then there is nothing to be closed. */
static const char *
open_source(struct source *source, const char *path)
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *why;

    *source = (struct source){ .path = path };
    if (fd < 0)
        return strerror(errno);
    why = read_whole(source, fd);
    close(fd);
    if (why == NULL) {
        source->bio = BIO_new_mem_buf(source->bytes, (int)source->length);
        why = source->bio == NULL ? "out of memory" : NULL;
    }
    if (why != NULL)
        close_source(source);
    return why;
}

/* A key under a passphrase is none that a server can use: nobody is there to be asked. */
static int
no_passphrase(char *to, int bytes, int writing, void *arg)
{
    (void)to, (void)bytes, (void)writing, (void)arg;
    return -1;
}

/* ---- dates ----------------------------------------------------------------------- */

static int64_t
unix_time(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Of the first certificate that is not good now it is told; the rest waits until that is
 * mended. */
static void
note_dates(struct reading *reading, const char *path, const X509 *certificate)
{
    struct certificate_dates *dates = &reading->dates;
    int64_t                   now = time(NULL);
    int64_t                   begins = unix_time(X509_get0_notBefore(certificate));
    int64_t                   ends = unix_time(X509_get0_notAfter(certificate));
    char                      name[128], day[32];
    struct tm                 tm;
    time_t                    when = begins > now ? begins : ends;

    if (dates->warning[0] != '\0' || (begins <= now && now <= ends))
        return;
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof(name));
    gmtime_r(&when, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(dates->warning, sizeof(dates->warning), "%s: the certificate of %s %s %s",
             path, name, begins > now ? "is not valid before" : "has expired at", day);
}

/* ---- what is in them ------------------------------------------------------------- */

/* The next certificate that a file holds; the first may have more than others say. */
static X509 *
next_certificate(const struct source *source, bool first)
{
    return first ? PEM_read_bio_X509_AUX(source->bio, NULL, no_passphrase, NULL)
                 : PEM_read_bio_X509(source->bio, NULL, no_passphrase, NULL);
}

/* No certificate came. Was that the end of the file? */
static bool
is_end(void)
{
    unsigned long error = ERR_peek_last_error();

    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

/* The server's own certificate. */
static bool
take_first(struct reading *reading, const struct source *source)
{
    X509 *certificate = next_certificate(source, true);
    bool  good = certificate != NULL &&
                SSL_CTX_use_certificate(reading->context, certificate) == 1;

    if (good) {
        reading->dates.not_before = unix_time(X509_get0_notBefore(certificate));
        reading->dates.not_after = unix_time(X509_get0_notAfter(certificate));
        note_dates(reading, source->path, certificate);
    }
    X509_free(certificate);
    return good;
}

/* Those that lead to its authority. */
static bool
take_rest(struct reading *reading, const struct source *source)
{
    X509 *certificate;

    while ((certificate = next_certificate(source, false)) != NULL) {
        note_dates(reading, source->path, certificate);
        if (SSL_CTX_add0_chain_cert(reading->context, certificate) != 1) {
            X509_free(certificate);
            return false;
        }
    }
    return is_end();
}

enum certificates_status
certificates_read_chain(struct reading *reading)
{
    const char   *path = reading->certificates->chain;
    struct source source;
    const char   *why = open_source(&source, path);
    bool          good;

    if (why != NULL)
        return certificates_fail(reading, CERTIFICATES_BAD_CHAIN, path, why);
    good = take_first(reading, &source) && take_rest(reading, &source);
    close_source(&source);
    return good ? CERTIFICATES_OK
                : certificates_fail(reading, CERTIFICATES_BAD_CHAIN, path, NULL);
}

enum certificates_status
certificates_read_key(struct reading *reading)
{
    const char   *path = reading->certificates->key;
    bool          is_pem = reading->certificates->options->tls_key_format == 1;
    struct source source;
    const char   *why = open_source(&source, path);
    EVP_PKEY     *key;
    bool          good;

    if (why != NULL)
        return certificates_fail(reading, CERTIFICATES_BAD_KEY, path, why);
    key = is_pem ? PEM_read_bio_PrivateKey(source.bio, NULL, no_passphrase, NULL)
                 : d2i_PrivateKey_bio(source.bio, NULL);
    good = key != NULL && SSL_CTX_use_PrivateKey(reading->context, key) == 1 &&
           (SSL_CTX_get0_certificate(reading->context) == NULL || /* that is told of */
            SSL_CTX_check_private_key(reading->context) == 1);
    EVP_PKEY_free(key);
    close_source(&source);
    return good ? CERTIFICATES_OK
                : certificates_fail(reading, CERTIFICATES_BAD_KEY, path, NULL);
}

/* Trust it, and say so to clients. */
static bool
trust(struct reading *reading, const struct source *source, X509 *certificate)
{
    note_dates(reading, source->path, certificate);
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(reading->context), certificate) ==
               1 &&
           SSL_CTX_add_client_CA(reading->context, certificate) == 1;
}

/* All of a file, which has to hold at least one. */
static bool
trust_all(struct reading *reading, const struct source *source)
{
    X509    *certificate;
    unsigned count = 0;
    bool     good = true;

    while (good && (certificate = next_certificate(source, true)) != NULL) {
        good = trust(reading, source, certificate);
        X509_free(certificate);
        count++;
    }
    return good && count > 0 && is_end();
}

enum certificates_status
certificates_read_ca(struct reading *reading)
{
    const char   *path = reading->certificates->ca;
    struct source source;
    const char   *why;
    bool          good;

    if (path == NULL)
        return CERTIFICATES_OK;
    why = open_source(&source, path);
    if (why != NULL)
        return certificates_fail(reading, CERTIFICATES_BAD_CA, path, why);
    good = trust_all(reading, &source);
    close_source(&source);
    return good ? CERTIFICATES_OK
                : certificates_fail(reading, CERTIFICATES_BAD_CA, path, NULL);
}
