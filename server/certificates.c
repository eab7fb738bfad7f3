/* server/certificates.c - reading them, and the rules of TLS. See certificates.h. */
#include "server/certificates.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/process.h"
#include "server/tls.h"
#include "slabs/must.h"

/* Ciphers that also authenticate what they encrypt. Those with 128 bits come first: nobody
 * can search for so many, and the larger keys cost a third more. */
#define SUITES_OF_1_2                                                                    \
    "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
#define SUITES_OF_1_3                                                                    \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* One reading of the files. */
struct reading {
    const struct certificates *certificates;
    SSL_CTX                   *context;
    char                      *text;
    size_t                     text_bytes;
};

static enum certificates_status
fail(const struct reading *reading, enum certificates_status status, const char *what)
{
    unsigned long error = ERR_peek_error();
    const char   *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                                   : ERR_reason_error_string(error);

    snprintf(reading->text, reading->text_bytes, "%s: %s", what,
             reason != NULL ? reason : "it cannot be used");
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

/* A key under a passphrase is none that a server can use: nobody is there to be asked. */
static int
no_passphrase(char *to, int bytes, int writing, void *arg)
{
    (void)to, (void)bytes, (void)writing, (void)arg;
    return -1;
}

static enum certificates_status
read_ca(const struct reading *reading)
{
    const char                *path = reading->certificates->ca;
    struct stack_st_X509_NAME *names;

    if (path == NULL)
        return CERTIFICATES_OK;
    if (SSL_CTX_load_verify_locations(reading->context, path, NULL) != 1 ||
        (names = SSL_load_client_CA_file(path)) == NULL)
        return fail(reading, CERTIFICATES_BAD_CA, path);
    SSL_CTX_set_client_CA_list(reading->context, names);
    return CERTIFICATES_OK;
}

static enum certificates_status
read_all(const struct reading *reading)
{
    const struct certificates *certificates = reading->certificates;
    const struct options      *options = certificates->options;
    SSL_CTX                   *context = reading->context;
    const char *ciphers = options->tls_ciphers ? options->tls_ciphers : SUITES_OF_1_2;

    if (context == NULL || !set_rules(context, certificates))
        return fail(reading, CERTIFICATES_NO_MEMORY, "TLS");
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificates->chain) != 1)
        return fail(reading, CERTIFICATES_BAD_CHAIN, certificates->chain);
    if (SSL_CTX_use_PrivateKey_file(context, certificates->key,
                                    (int)options->tls_key_format) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return fail(reading, CERTIFICATES_BAD_KEY, certificates->key);
    if (SSL_CTX_set_cipher_list(context, ciphers) != 1)
        return fail(reading, CERTIFICATES_BAD_CIPHERS, ciphers);
    return read_ca(reading);
}

enum certificates_status
certificates_reload(struct certificates *certificates, char *text, size_t text_bytes)
{
    struct reading           reading = { .certificates = certificates,
                                         .context = SSL_CTX_new(TLS_server_method()),
                                         .text = text,
                                         .text_bytes = text_bytes };
    SSL_CTX                 *left = reading.context;
    enum certificates_status status = read_all(&reading);

    if (status == CERTIFICATES_OK) {
        lock_take(&certificates->lock);
        left = certificates->context;
        certificates->context = reading.context;
        lock_drop(&certificates->lock);
    }
    SSL_CTX_free(left);
    return status;
}

static bool
set_path(char **path, const char *said)
{
    if (said != NULL)
        *path = process_full_path(said);
    return said == NULL || *path != NULL;
}

enum certificates_status
certificates_open(struct certificates *certificates, const struct options *options,
                  char *text, size_t text_bytes)
{
    const char *key = options->tls_key ? options->tls_key : options->tls_chain;
    enum certificates_status status = CERTIFICATES_NO_MEMORY;

    *certificates = (struct certificates){ .options = options,
                                           .socket = tls_socket_create(),
                                           .kernel_encrypts =
                                               options->tls_kernel && kernel_has_tls() };
    lock_init(&certificates->lock, RANK_LEAF);
    if (certificates->socket == NULL)
        snprintf(text, text_bytes, "TLS: out of memory");
    else if (set_path(&certificates->chain, options->tls_chain) &&
             set_path(&certificates->key, key) &&
             set_path(&certificates->ca, options->tls_ca))
        status = certificates_reload(certificates, text, text_bytes);
    else
        snprintf(text, text_bytes, "%s: %s", options->tls_chain, strerror(errno));
    if (status != CERTIFICATES_OK)
        certificates_close(certificates);
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

bool
certificates_are_exposed(const struct certificates *certificates)
{
    struct stat about;

    return stat(certificates->key, &about) == 0 && about.st_mode & S_IROTH;
}

bool
certificates_lack_kernel(const struct certificates *certificates)
{
    return certificates->options->tls_kernel && !certificates->kernel_encrypts;
}
