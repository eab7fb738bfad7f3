/* bench/larder-bench/link.c - see link.h. */
#include "bench/larder-bench/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/larder-bench/fail.h"

void
address_name(const struct address *address, char *text, size_t length)
{
    bool v6 = address->path == NULL && strchr(address->host, ':') != NULL;

    if (address->path != NULL)
        snprintf(text, length, "%s", address->path);
    else
        snprintf(text, length, v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
}

/* ---- sockets ---------------------------------------------------------------------- */

static int
connect_socket(int family, const struct sockaddr *to, socklen_t length,
               unsigned patience_s)
{
    struct timeval patience = { .tv_sec = patience_s };
    int            fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, to, length) == 0)
        return fd;
    error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = error;
    return -1;
}

static int
connect_unix(const struct address *address)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    if (strlen(address->path) >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, address->path, strlen(address->path));
    return connect_socket(AF_UNIX, (struct sockaddr *)&to, sizeof(to),
                          address->patience_s);
}

/* The first address of that name that accepts. */
static int
connect_tcp(const struct address *address)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *all;
    char            port[6];
    int             fd = -1, yes = 1, error;

    snprintf(port, sizeof(port), "%u", address->port);
    error = getaddrinfo(address->host, port, &want, &all);
    if (error != 0)
        fail("%s: %s", address->host, gai_strerror(error));
    errno = EADDRNOTAVAIL;
    for (const struct addrinfo *one = all; one != NULL && fd < 0; one = one->ai_next)
        fd = connect_socket(one->ai_family, one->ai_addr, one->ai_addrlen,
                            address->patience_s);
    error = errno;
    freeaddrinfo(all);
    errno = error;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

static int
connect_any(const struct address *address)
{
    return address->path != NULL ? connect_unix(address) : connect_tcp(address);
}

bool
address_answers(const struct address *address)
{
    int fd = connect_any(address);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- TLS -------------------------------------------------------------------------- */

/* What OpenSSL says was wrong; it may also have been the socket. */
static const char *
tls_trouble(void)
{
    unsigned long code = ERR_get_error();
    const char   *why = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (why != NULL)
        return why;
    return errno != 0 ? strerror(errno) : "the server has hung up";
}

struct ssl_ctx_st *
link_context(const struct address *address)
{
    SSL_CTX *context;

    if (!address->tls)
        return NULL;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        fail("TLS: %s", tls_trouble());
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    if (address->tls_ca != NULL) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        if (SSL_CTX_load_verify_locations(context, address->tls_ca, NULL) != 1)
            fail("%s: %s", address->tls_ca, tls_trouble());
    }
    if (address->tls_cert != NULL &&
        (SSL_CTX_use_certificate_chain_file(context, address->tls_cert) != 1 ||
         SSL_CTX_use_PrivateKey_file(context, address->tls_key, SSL_FILETYPE_PEM) != 1))
        fail("%s: %s", address->tls_cert, tls_trouble());
    return context;
}

void
link_context_free(struct ssl_ctx_st *context)
{
    SSL_CTX_free(context);
}

static void
shake_hands(struct link *link, const char *name, SSL_CTX *context)
{
    link->ssl = SSL_new(context);
    if (link->ssl == NULL)
        fail("TLS: %s", tls_trouble());
    errno = 0;
    if (SSL_set_fd(link->ssl, link->fd) != 1 || SSL_connect(link->ssl) != 1)
        fail("%s: no TLS: %s", name, tls_trouble());
}

/* What became of a call that has moved nothing. */
static ssize_t
tls_result(const struct link *link, int result)
{
    switch (SSL_get_error(link->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return LINK_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return LINK_CLOSED;
    case SSL_ERROR_SYSCALL:
        return errno != 0 ? LINK_ERROR : LINK_CLOSED;
    default:
        ERR_clear_error();
        errno = EPROTO;
        return LINK_ERROR;
    }
}

/* ---- connections ------------------------------------------------------------------ */

void
link_open(struct link *link, const struct address *address, struct ssl_ctx_st *context)
{
    char name[256];

    address_name(address, name, sizeof(name));
    *link = (struct link){ .fd = connect_any(address) };
    if (link->fd < 0)
        fail("%s: %s", name, strerror(errno));
    if (context != NULL)
        shake_hands(link, name, context);
    if (fcntl(link->fd, F_SETFL, O_NONBLOCK) != 0)
        fail("%s: %s", name, strerror(errno));
}

static ssize_t
socket_result(ssize_t moved)
{
    if (moved > 0)
        return moved;
    if (moved == 0)
        return LINK_CLOSED;
    return errno == EAGAIN || errno == EINTR ? LINK_WAIT : LINK_ERROR;
}

ssize_t
link_read(struct link *link, char *to, size_t length)
{
    size_t moved;
    int    result;

    if (link->ssl == NULL)
        return socket_result(recv(link->fd, to, length, 0));
    errno = 0;
    result = SSL_read_ex(link->ssl, to, length, &moved);
    return result == 1 ? (ssize_t)moved : tls_result(link, result);
}

ssize_t
link_write(struct link *link, const char *from, size_t length)
{
    size_t moved;
    int    result;

    if (link->ssl == NULL)
        return socket_result(send(link->fd, from, length, MSG_NOSIGNAL));
    errno = 0;
    result = SSL_write_ex(link->ssl, from, length, &moved);
    return result == 1 ? (ssize_t)moved : tls_result(link, result);
}

void
link_close(struct link *link)
{
    SSL_free(link->ssl);
    close(link->fd);
    *link = (struct link){ .fd = -1 };
}
