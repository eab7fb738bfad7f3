/* server/tls.c - OpenSSL as a socket. See tls.h. */
#include "server/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/certificates.h"
#include "server/direct.h"

enum { RECORD_BYTES = SSL3_RT_MAX_PLAIN_LENGTH };

struct tls {
    struct certificates *certificates;
    SSL                 *ssl; /* NULL until the client has sent something */
    const char          *trouble;
    int                  fd;
    int                  broken_by; /* errno, once no more is to be said or heard */
    unsigned char        kind;      /* enum listen_tls, of the listener           */
    bool                 ready;
    bool                 waits_to_write;
    bool                 holds_input;
    bool                 ended; /* the socket brings no more                  */
    bool                 more;  /* behind what is being sent comes a record   */
};

/* ---- the socket, as OpenSSL sees it ------------------------------------------------ */

/* OpenSSL's own uses read() and write(), which cost more than these, and would send each
 * record of a large value by itself. */
static int
socket_read(BIO *bio, char *to, int bytes)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t     n = direct_recv(tls->fd, to, (size_t)bytes);

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    tls->ended = n == 0;
    return (int)n;
}

static int
socket_write(BIO *bio, const char *from, int bytes)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t     n = direct_send(tls->fd, from, (size_t)bytes,
                                MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));

    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)n;
}

static long
socket_control(BIO *bio, int what, long number, void *arg)
{
    const struct tls *tls = BIO_get_data(bio);

    (void)number, (void)arg;
    return what == BIO_CTRL_EOF ? tls->ended : what == BIO_CTRL_FLUSH;
}

struct bio_method_st *
tls_socket_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");

    if (method == NULL || !BIO_meth_set_read(method, socket_read) ||
        !BIO_meth_set_write(method, socket_write) ||
        !BIO_meth_set_ctrl(method, socket_control)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* With the kernel's TLS it has to be OpenSSL's own. */
static bool
connect_socket(struct tls *tls)
{
    BIO *bio;

    if (SSL_get_options(tls->ssl) & SSL_OP_ENABLE_KTLS)
        return SSL_set_fd(tls->ssl, tls->fd) == 1;
    bio = BIO_new(tls->certificates->socket);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

/* ---- birth and death --------------------------------------------------------------- */

struct tls *
tls_create(struct certificates *certificates, int fd, enum listen_tls kind)
{
    struct tls *tls = malloc(sizeof(*tls));

    if (tls != NULL)
        *tls = (struct tls){ .certificates = certificates,
                             .fd = fd,
                             .kind = (unsigned char)kind,
                             .trouble = "" };
    return tls;
}

void
tls_destroy(struct tls **tls)
{
    if (*tls == NULL)
        return;
    if ((*tls)->ready && (*tls)->broken_by == 0) {
        (void)SSL_shutdown((*tls)->ssl); /* a courtesy, where it can be done at once */
        ERR_clear_error();
    }
    SSL_free((*tls)->ssl);
    free(*tls);
    *tls = NULL;
}

/* OpenSSL tells by its list of errors, too, how an operation has ended. Clearing it takes
 * longer than a look. */
static void
forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* What an operation has come to that did not succeed: as errno, 0 for the end. */
static int
look_into(struct tls *tls, int result)
{
    int           at_once = errno;
    int           what = SSL_get_error(tls->ssl, result);
    unsigned long error = ERR_peek_error();

    tls->waits_to_write = what == SSL_ERROR_WANT_WRITE;
    switch (what) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        tls->trouble = "the client has left";
        return 0;
    case SSL_ERROR_SYSCALL:
        tls->broken_by = at_once != 0 && at_once != EAGAIN ? at_once : ECONNRESET;
        tls->trouble = "the connection is gone";
        return tls->broken_by;
    default:
        break;
    }
    tls->broken_by = EPROTO;
    tls->trouble = ERR_reason_error_string(error);
    if (tls->trouble == NULL)
        tls->trouble = "unknown";
    ERR_clear_error();
    return EPROTO;
}

/* ---- the handshake --------------------------------------------------------------- */

/* What is asked of the client. A session may be resumed only where the same is asked. */
static bool
ask(SSL *ssl, enum listen_tls kind)
{
    unsigned char name = (unsigned char)kind;

    if (kind == LISTEN_TLS_ANYBODY)
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    if (kind == LISTEN_TLS_KNOWN)
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return SSL_set_session_id_context(ssl, &name, sizeof(name)) == 1;
}

static bool
begin(struct tls *tls)
{
    SSL_CTX *context = certificates_take(tls->certificates);

    tls->ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (tls->ssl == NULL || !connect_socket(tls) || !ask(tls->ssl, tls->kind)) {
        ERR_clear_error();
        tls->trouble = "out of memory";
        return false;
    }
    SSL_set_accept_state(tls->ssl);
    return true;
}

enum tls_handshake
tls_shake_hands(struct tls *tls)
{
    uint64_t written;
    int      result;

    if (tls->ssl == NULL && !begin(tls))
        return TLS_REFUSED;
    written = BIO_number_written(SSL_get_wbio(tls->ssl));
    forget_errors();
    result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->ready = true;
        return TLS_READY;
    }
    if (look_into(tls, result) == EAGAIN)
        return BIO_number_written(SSL_get_wbio(tls->ssl)) > written ? TLS_ANSWERED
                                                                    : TLS_WAITS;
    return BIO_number_read(SSL_get_rbio(tls->ssl)) == 0 ? TLS_LEFT : TLS_REFUSED;
}

bool
tls_is_ready(const struct tls *tls)
{
    return tls->ready;
}

bool
tls_is_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

/* ---- bytes in -------------------------------------------------------------------- */

/* Fill one vector. False, and errno, when it did not become full. */
static bool
fill(struct tls *tls, const struct iovec *vector, size_t *total)
{
    size_t n = 0;

    for (size_t at = 0; at < vector->iov_len; at += n) {
        char *to = (char *)vector->iov_base + at;

        forget_errors();
        if (SSL_read_ex(tls->ssl, to, vector->iov_len - at, &n) != 1) {
            errno = look_into(tls, 0);
            /* It comes to light with the next read, which the socket may not tell of. */
            tls->holds_input = *total > 0 && (errno != EAGAIN || tls->waits_to_write);
            return false;
        }
        *total += n;
        if (SSL_has_pending(tls->ssl) == 0) {
            errno = EAGAIN;
            return false;
        }
    }
    return true;
}

ssize_t
tls_receive(struct tls *tls, const struct iovec *vectors, unsigned count)
{
    size_t   total = 0;
    unsigned filled = 0;

    tls->holds_input = tls->waits_to_write = false;
    errno = tls->broken_by;
    if (errno != 0)
        return -1;
    while (filled < count && fill(tls, &vectors[filled], &total))
        filled++;
    if (filled == count)
        tls->holds_input = SSL_has_pending(tls->ssl) == 1;
    if (total > 0)
        return (ssize_t)total;
    return errno == 0 ? 0 : -1;
}

bool
tls_waits_to_write(const struct tls *tls)
{
    return tls->waits_to_write;
}

bool
tls_holds_input(const struct tls *tls)
{
    return tls->holds_input;
}

bool
tls_is_amid_record(const struct tls *tls)
{
    /* Of its first five bytes it has some, or it has them all and waits for the rest. */
    return SSL_has_pending(tls->ssl) == 1 ||
           strcmp(SSL_rstate_string(tls->ssl), "RB") == 0;
}

/* ---- bytes out ------------------------------------------------------------------- */

/* Where in a list of vectors the next byte is. */
struct cursor {
    const struct iovec *vector, *end;
    size_t              at; /* in the first of them */
};

static void
move_on(struct cursor *cursor, size_t bytes)
{
    cursor->at += bytes;
    while (cursor->vector != cursor->end && cursor->at >= cursor->vector->iov_len) {
        cursor->at -= cursor->vector->iov_len;
        cursor->vector++;
    }
}

/* Is there anything behind so many bytes? */
static bool
has_more(struct cursor cursor, size_t bytes)
{
    move_on(&cursor, bytes);
    return cursor.vector != cursor.end;
}

/* The next record: a piece of one vector, or of several, copied to `room`. */
static const char *
next_record(struct cursor cursor, char room[RECORD_BYTES], size_t *length)
{
    const char *first = (const char *)cursor.vector->iov_base + cursor.at;

    *length = cursor.vector->iov_len - cursor.at;
    if (*length >= RECORD_BYTES || cursor.vector + 1 == cursor.end) {
        if (*length > RECORD_BYTES)
            *length = RECORD_BYTES;
        return first;
    }
    for (*length = 0; *length < RECORD_BYTES && cursor.vector != cursor.end;) {
        size_t part = cursor.vector->iov_len - cursor.at;

        if (part > RECORD_BYTES - *length)
            part = RECORD_BYTES - *length;
        memcpy(room + *length, (const char *)cursor.vector->iov_base + cursor.at, part);
        *length += part;
        move_on(&cursor, part);
    }
    return room;
}

ssize_t
tls_send(struct tls *tls, const struct iovec *vectors, unsigned count)
{
    struct cursor cursor = { vectors, vectors + count, 0 };
    char          room[RECORD_BYTES];
    size_t        total = 0;

    move_on(&cursor, 0);
    while (cursor.vector != cursor.end) {
        size_t      length, n;
        const char *record = next_record(cursor, room, &length);

        tls->more = has_more(cursor, length);
        forget_errors();
        if (SSL_write_ex(tls->ssl, record, length, &n) != 1) {
            int error = look_into(tls, 0);

            /* A write waits for nothing but the socket: there is no renegotiation. */
            errno = error != EAGAIN || tls->waits_to_write ? error : EPROTO;
            break;
        }
        total += n;
        move_on(&cursor, n);
    }
    tls->more = false;
    return total > 0 ? (ssize_t)total : -1;
}

const char *
tls_trouble(const struct tls *tls)
{
    return tls->trouble;
}
