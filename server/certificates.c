/* server/certificates.c - reading them, and the rules of TLS. See certificates.h. */
#include "server/certificates.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/certificates_priv.h"
#include "server/process.h"
#include "server/tls.h"
#include "slabs/must.h"

/* Ciphers that also authenticate what they encrypt. Those with 128 bits come first: nobody
 * can search for so many, and the larger keys cost a third more. */
#define SUITES_OF_1_2                                                                    \
    "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
#define SUITES_OF_1_3                                                                    \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

enum certificates_status
certificates_fail(const struct reading *reading, enum certificates_status status,
                  const char *what, const char *why)
{
    if (why == NULL)
        why = ERR_reason_error_string(ERR_peek_error());
    snprintf(reading->text, reading->text_bytes, "%s: %s", what,
             why != NULL ? why : "it cannot be used");
    ERR_clear_error();
    return status;
}

/* ---- rules ----------------------------------------------------------------------- */

/* The kernel knows the name of the module, or does not; this socket has no use for it. */
static bool
kernel_has_tls(void)
{
    static const char name[] = "tls";
    int               fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool              there = false;

    if (fd < 0)
        return false;
    there = setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof(name)) == 0 ||
            errno == ENOTCONN;
    close(fd);
    return there;
}

static int
version_of(enum options_tls_version version)
{
    switch (version) {
    case OPTIONS_TLS_1_0:
        return TLS1_VERSION;
    case OPTIONS_TLS_1_1:
        return TLS1_1_VERSION;
    case OPTIONS_TLS_1_2:
        return TLS1_2_VERSION;
    case OPTIONS_TLS_1_3:
        break;
    }
    return TLS1_3_VERSION;
}

/* The numbers of ssl_verify_mode are memcached's. */
static int
verify_mode_of(unsigned number)
{
    static const int modes[] = {
        SSL_VERIFY_NONE,
        SSL_VERIFY_PEER,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE,
    };

    return modes[number];
}

/* Nothing is kept here of a session that may be resumed: the client has it as a ticket,
 * under keys that are lost with this object. */
static void
set_sessions(SSL_CTX *context, bool on)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, on ? 1 : 0);
    if (!on)
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

static bool
set_rules(SSL_CTX *context, const struct certificates *certificates)
{
    const struct options *options = certificates->options;

    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* a record comes with one read */
    SSL_CTX_set_verify(context, verify_mode_of(options->tls_verify_mode), NULL);
    set_sessions(context, options->tls_sessions);
    if (certificates->kernel_encrypts)
        SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    return SSL_CTX_set_min_proto_version(context, version_of(options->tls_version_min)) &&
           SSL_CTX_set_ciphersuites(context, SUITES_OF_1_3);
}

/* ---- files ----------------------------------------------------------------------- */

static enum certificates_status
take_ciphers(struct reading *reading)
{
    const char *ciphers = reading->certificates->options->tls_ciphers;

    ciphers = ciphers != NULL ? ciphers : SUITES_OF_1_2;
    return SSL_CTX_set_cipher_list(reading->context, ciphers) == 1
               ? CERTIFICATES_OK
               : certificates_fail(reading, CERTIFICATES_BAD_CIPHERS, ciphers, NULL);
}

/* Up to what is wrong first; or all, where somebody is told of it. */
static enum certificates_status
read_all(struct reading *reading)
{
    static enum certificates_status (*const steps[])(struct reading *) = {
        take_ciphers, certificates_read_chain, certificates_read_key, certificates_read_ca
    };
    enum certificates_status first = CERTIFICATES_OK;

    if (reading->context == NULL || !set_rules(reading->context, reading->certificates))
        return certificates_fail(reading, CERTIFICATES_NO_MEMORY, "TLS", NULL);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        enum certificates_status status = steps[i](reading);

        if (status == CERTIFICATES_OK)
            continue;
        if (reading->tell == NULL)
            return status;
        reading->tell(reading->tell_arg, status, reading->text);
        first = first == CERTIFICATES_OK ? status : first;
    }
    return first;
}

static enum certificates_status
take_over(struct certificates *certificates, struct reading *reading)
{
    enum certificates_status status;
    SSL_CTX                 *left;

    reading->certificates = certificates;
    reading->context = left = SSL_CTX_new(TLS_server_method());
    status = read_all(reading);
    if (status == CERTIFICATES_OK) {
        lock_take(&certificates->lock);
        left = certificates->context;
        certificates->context = reading->context;
        certificates->dates = reading->dates;
        lock_drop(&certificates->lock);
    }
    SSL_CTX_free(left);
    return status;
}

enum certificates_status
certificates_reload(struct certificates *certificates, char *text, size_t text_bytes)
{
    struct reading reading = { .text = text, .text_bytes = text_bytes };

    return take_over(certificates, &reading);
}

static bool
set_path(char **path, const char *said)
{
    if (said != NULL)
        *path = process_full_path(said);
    return said == NULL || *path != NULL;
}

static enum certificates_status
open_with(struct certificates *certificates, const struct options *options,
          struct reading *reading)
{
    const char *key = options->tls_key ? options->tls_key : options->tls_chain;
    enum certificates_status status = CERTIFICATES_NO_MEMORY;

    *certificates = (struct certificates){ .options = options,
                                           .socket = tls_socket_create(),
                                           .kernel_encrypts =
                                               options->tls_kernel && kernel_has_tls() };
    lock_init(&certificates->lock, RANK_LEAF);
    if (certificates->socket == NULL)
        snprintf(reading->text, reading->text_bytes, "TLS: out of memory");
    else if (set_path(&certificates->chain, options->tls_chain) &&
             set_path(&certificates->key, key) &&
             set_path(&certificates->ca, options->tls_ca))
        status = take_over(certificates, reading);
    else
        snprintf(reading->text, reading->text_bytes, "%s: %s", options->tls_chain,
                 strerror(errno));
    if (status != CERTIFICATES_OK)
        certificates_close(certificates);
    return status;
}

enum certificates_status
certificates_open(struct certificates *certificates, const struct options *options,
                  char *text, size_t text_bytes)
{
    struct reading reading = { .text = text, .text_bytes = text_bytes };

    return open_with(certificates, options, &reading);
}

enum certificates_status
certificates_inspect(struct certificates *certificates, const struct options *options,
                     certificates_tell *tell, void *arg)
{
    char           text[512];
    struct reading reading = {
        .tell = tell, .tell_arg = arg, .text = text, .text_bytes = sizeof(text)
    };
    enum certificates_status status = open_with(certificates, options, &reading);

    if (status == CERTIFICATES_NO_MEMORY)
        tell(arg, status, text);
    return status;
}

void
certificates_close(struct certificates *certificates)
{
    SSL_CTX_free(certificates->context);
    BIO_meth_free(certificates->socket);
    free(certificates->chain);
    free(certificates->key);
    free(certificates->ca);
    lock_fini(&certificates->lock);
    *certificates = (struct certificates){ 0 };
}

SSL_CTX *
certificates_take(struct certificates *certificates)
{
    SSL_CTX *context;
    int      taken;

    lock_take(&certificates->lock);
    context = certificates->context;
    taken = SSL_CTX_up_ref(context);
    lock_drop(&certificates->lock);
    must(taken == 1);
    return context;
}

void
certificates_look(struct certificates *certificates, struct certificate_dates *dates)
{
    lock_take(&certificates->lock);
    *dates = certificates->dates;
    lock_drop(&certificates->lock);
}

static bool
everybody_can_read(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && about.st_mode & S_IROTH;
}

/* OpenSSL's security level has to be 0 for what was there before TLS 1.2. */
static bool
lacks_old_versions(const struct certificates *certificates)
{
    return certificates->options->tls_version_min < OPTIONS_TLS_1_2 &&
           SSL_CTX_get_security_level(certificates->context) > 0;
}

bool
certificates_warn(const struct certificates *certificates, enum certificates_warning of,
                  char *text, size_t text_bytes)
{
    const struct options *o = certificates->options;
    bool                  is_so = false;

    switch (of) {
    case CERTIFICATES_EXPOSED:
        is_so = everybody_can_read(certificates->key);
        snprintf(text, text_bytes, "everybody can read the key in %s", certificates->key);
        break;
    case CERTIFICATES_DATED:
        is_so = certificates->dates.warning[0] != '\0';
        snprintf(text, text_bytes, "%s", certificates->dates.warning);
        break;
    case CERTIFICATES_NO_KERNEL:
        is_so = o->tls_kernel && !certificates->kernel_encrypts;
        snprintf(text, text_bytes,
                 "the kernel has no TLS, -o ssl_kernel_tls has no effect");
        break;
    case CERTIFICATES_NO_OLD_VERSIONS:
        is_so = lacks_old_versions(certificates);
        snprintf(text, text_bytes,
                 "nothing older than TLS 1.2 will be spoken, whatever -o ssl_min_version "
                 "says: OpenSSL wants @SECLEVEL=0 in ssl_ciphers for that");
        break;
    case CERTIFICATES_WARNINGS:
        break;
    }
    return is_so;
}
