/* server/listen.c - from -l, -p, -U and -s to sockets that listen.
 *
 * An element of -l is read into a struct wish; each address of its host becomes a socket.
 * An address whose family the host lacks is passed over as long as the same element gives
 * another one (`*` without IPv6, `localhost` without ::1); anything else that goes wrong
 * fails the start, so nobody finds out later that half of the listeners are missing.
 */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/listen_priv.h"
#include "server/process.h"

enum {
    TAG_MAX = 8,
    PORT_MAX = 65535,
    NAME_BYTES = 160,            /* an address and its port, for a message */
    SEND_BUFFER_BYTES = 4 << 20, /* of a UDP socket; the system may give less */
    LISTENERS_MOST = 256,        /* of TCP, and of UDP */
};

/* What one element of -l asks for. */
struct wish {
    const char           *host; /* NULL: all addresses */
    int                   port; /* 0: any              */
    enum options_protocol protocol;
    enum listen_tls       tls;
};

enum listen_status
listen_fail(const struct opening *opening, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(opening->text, opening->text_bytes, format, arguments);
    va_end(arguments);
    return LISTEN_FAILED;
}

enum listen_status
listen_bad_value(const struct opening *opening, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(opening->text, opening->text_bytes, format, arguments);
    va_end(arguments);
    return LISTEN_BAD_VALUE;
}

/* A socket could not be had, or not be put to use; `name` is its address. */
static enum listen_status
fail_open(const struct opening *opening, const char *name, int error)
{
    listen_fail(opening, "cannot listen on %s: %s", name, strerror(error));
    if (error != EMFILE)
        return LISTEN_FAILED;
    listen_fail(opening, "%s", PROCESS_FEW_TEXT);
    return LISTEN_FEW;
}

/* ---- Reading an element of -l ---------------------------------------------------- */

/* If *text begins with `prefix`, step over it. */
static bool
skip(char **text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(*text, prefix, length) != 0)
        return false;
    *text += length;
    return true;
}

/* If *text begins with `open`, something, and `close`, step over them and cut something
 * out. */
static bool
cut_bracketed(char **text, const char *open, const char *close, char **inside)
{
    char *rest = *text, *end;

    if (!skip(&rest, open) || (end = strstr(rest, close)) == NULL)
        return false;
    *end = '\0';
    *inside = rest;
    *text = end + strlen(close);
    return true;
}

static enum listen_status
read_prefixes(const struct opening *opening, char **text, struct wish *wish)
{
    const struct options *o = opening->o;
    char                 *name;

    wish->tls = o->tls ? LISTEN_TLS : LISTEN_PLAIN;
    if (skip(text, "notls:"))
        wish->tls = LISTEN_PLAIN;
    else if (skip(text, "btls:"))
        wish->tls = LISTEN_TLS_ANYBODY;
    else if (skip(text, "mtls:"))
        wish->tls = LISTEN_TLS_KNOWN;
    if (wish->tls != LISTEN_PLAIN && !o->tls)
        return listen_bad_value(opening, "-l with btls: or mtls: is for TLS (-Z)");
    if (wish->tls == LISTEN_TLS_KNOWN && o->tls_ca == NULL)
        return listen_bad_value(opening, "-l with mtls: needs -o ssl_ca_cert");
    if (cut_bracketed(text, "proto[", "]:", &name)) {
        if (strcmp(name, "binary") == 0)
            wish->protocol = OPTIONS_PROTOCOL_BINARY;
        else if (strcmp(name, "ascii") == 0)
            wish->protocol = OPTIONS_PROTOCOL_ASCII;
        else if (strcmp(name, "negotiating") == 0)
            wish->protocol = OPTIONS_PROTOCOL_AUTO;
    }
    /* Tags are for memcached's proxy; larder has none and only checks them. */
    if (cut_bracketed(text, "tag[", "]:", &name) ||
        cut_bracketed(text, "tag_", "_:", &name)) {
        if (*name == '\0' || strlen(name) > TAG_MAX)
            return listen_bad_value(
                opening, "-l: a tag has 1 to %d characters, not \"%s\"", TAG_MAX, name);
    }
    return LISTEN_OK;
}

enum listen_status
listen_check_protocol(const struct opening *opening, const char *where,
                      enum options_protocol *protocol)
{
    const struct options *o = opening->o;

    if (o->sasl && o->auth_file == NULL) {
        if (*protocol == OPTIONS_PROTOCOL_ASCII)
            return listen_bad_value(opening,
                                    "%s proto[ascii]: with -S and without -Y there is no "
                                    "login in the text protocol",
                                    where);
        *protocol = OPTIONS_PROTOCOL_BINARY;
    } else if (o->auth_file != NULL && !o->sasl) {
        if (*protocol == OPTIONS_PROTOCOL_BINARY)
            return listen_bad_value(
                opening,
                "%s proto[binary]: with -Y and without -S there is no "
                "login in the binary protocol",
                where);
        *protocol = OPTIONS_PROTOCOL_ASCII;
    }
    return LISTEN_OK;
}

/* Digits, or -1 and 0 for any port. */
static bool
read_port(const char *text, int *port)
{
    *port = 0;
    if (strcmp(text, "-1") == 0)
        return true;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *port = *port * 10 + (*text - '0');
        if (*port > PORT_MAX)
            return false;
    }
    return true;
}

/* host, host:port, [v6], [v6]:port, or an IPv6 address without brackets and port. */
static enum listen_status
read_address(const struct opening *opening, char *text, struct wish *wish)
{
    char *port = NULL, *colon;

    wish->host = text;
    if (*text == '[') {
        char *end = strchr(text, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return listen_bad_value(opening, "-l %s: the brackets do not hold an address",
                                    text);
        wish->host = text + 1;
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
    } else if ((colon = strchr(text, ':')) != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        port = colon + 1;
    }
    if (port != NULL && !read_port(port, &wish->port))
        return listen_bad_value(opening, "-l %s: \"%s\" is not a port", wish->host, port);
    if (*wish->host == '\0')
        return listen_bad_value(opening, "-l: an address is missing");
    if (strcmp(wish->host, "*") == 0)
        wish->host = NULL;
    return LISTEN_OK;
}

/* ---- TCP and UDP ----------------------------------------------------------------- */

static void
set_flag(int fd, int level, int name)
{
    int on = 1;

    /* What cannot be set on this kind of socket does no harm when it is missing. */
    (void)setsockopt(fd, level, name, &on, sizeof(on));
}

void
listen_tune_stream(int fd)
{
    struct linger none = { .l_onoff = 0 };

    set_flag(fd, SOL_SOCKET, SO_KEEPALIVE);
    set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

uint16_t
listen_bound_port(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t               length = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void
set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)address)->sin_port = htons(port);
}

/* There is no SO_REUSEADDR: with it a second server would share the port unnoticed. */
void
listen_tune_datagrams(int fd, int family)
{
    int bytes = SEND_BUFFER_BYTES;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (family == AF_INET6)
        set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    else
        set_flag(fd, IPPROTO_IP, IP_PKTINFO);
}

/* A packet filter relies on the mark: no mark, no listener. */
bool
listen_mark(const struct options *o, int fd)
{
    return o->socket_mark == 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &o->socket_mark,
                                             sizeof(o->socket_mark)) == 0;
}

/* Could the socket be bound, whoever has the port now? It gets any port of the address. What is
 * bound cannot be bound again, but before the kernel says so it looks whether we may have that
 * port at all. */
static bool
may_bind(int fd, const struct addrinfo *info)
{
    struct sockaddr_storage any = { 0 };

    memcpy(&any, info->ai_addr, info->ai_addrlen);
    set_port((struct sockaddr *)&any, 0);
    if (bind(fd, (const struct sockaddr *)&any, info->ai_addrlen) != 0)
        return false;
    return bind(fd, info->ai_addr, info->ai_addrlen) == 0 || errno == EINVAL;
}

static bool
take_address(const struct opening *opening, int fd, const struct addrinfo *info)
{
    if (opening->is_trial)
        return may_bind(fd, info);
    return bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
           (opening->is_udp || listen(fd, (int)opening->o->backlog) == 0);
}

/* A socket bound to the address and, with TCP, listening; -1 and errno when one step
 * fails. */
static int
open_ip(const struct opening *opening, const struct addrinfo *info)
{
    int saved, fd;

    fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (info->ai_family == AF_INET6)
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (opening->is_udp) {
        listen_tune_datagrams(fd, info->ai_family);
    } else {
        set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
        listen_tune_stream(fd); /* accepted sockets inherit it */
    }
    if (!listen_mark(opening->o, fd) || !take_address(opening, fd, info))
        goto fail;
    return fd;

fail:
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Any port, but the one that the first such listener got, if it is free here too: who
 * asks for any port on 127.0.0.1 and ::1 wants to tell people one number. */
static int
open_any_port(struct opening *opening, const struct addrinfo *info)
{
    int fd;

    set_port(info->ai_addr, opening->any_port);
    fd = open_ip(opening, info);
    if (fd < 0 && errno == EADDRINUSE && opening->any_port != 0) {
        set_port(info->ai_addr, 0);
        fd = open_ip(opening, info);
    }
    if (fd >= 0 && opening->any_port == 0)
        opening->any_port = listen_bound_port(fd);
    return fd;
}

bool
listen_add(struct listeners *l, const struct listener *listener)
{
    struct listener *list = reallocarray(l->list, l->count + 1, sizeof(*list));

    if (list == NULL)
        return false;
    l->list = list;
    l->list[l->count++] = *listener;
    return true;
}

/* "127.0.0.1 port 11211", "127.0.0.1 UDP port 11211" */
static void
name_address(const struct addrinfo *info, char *name, size_t name_bytes)
{
    char host[NAME_BYTES / 2], port[16];

    if (getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(name, name_bytes, "an address");
    else
        snprintf(name, name_bytes, "%s %sport %s", host,
                 info->ai_socktype == SOCK_DGRAM ? "UDP " : "", port);
}

/* What errno says of an address that this host does not have. */
static bool
is_missing(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EPROTONOSUPPORT;
}

/* Resolvers may name an address twice. */
static bool
is_repeated(const struct addrinfo *first, const struct addrinfo *info)
{
    for (const struct addrinfo *i = first; i != info; i = i->ai_next) {
        if (i->ai_addrlen == info->ai_addrlen &&
            memcmp(i->ai_addr, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    }
    return false;
}

static enum listen_status
open_address(struct opening *opening, const struct wish *wish,
             const struct addrinfo *info, bool *missing)
{
    struct listener listener = { .protocol = wish->protocol, .tls = wish->tls };
    char            name[NAME_BYTES];

    if (opening->l->count == LISTENERS_MOST)
        return listen_bad_value(opening, "-l: more than %d addresses", LISTENERS_MOST);
    listener.fd = wish->port == 0 ? open_any_port(opening, info) : open_ip(opening, info);
    if (listener.fd < 0) {
        int error = errno;

        *missing = is_missing(error);
        name_address(info, name, sizeof(name));
        return fail_open(opening, name, error);
    }
    listener.family = info->ai_family == AF_INET6 ? LISTEN_INET6 : LISTEN_INET;
    listener.port = listen_bound_port(listener.fd);
    if (!listen_add(opening->l, &listener)) {
        close(listener.fd);
        return listen_fail(opening, "out of memory");
    }
    return LISTEN_OK;
}

/* Every address of the list; at least one has to be there. */
static enum listen_status
open_addresses(struct opening *opening, const struct wish *wish, struct addrinfo *first)
{
    size_t before = opening->l->count;

    for (struct addrinfo *i = first; i != NULL; i = i->ai_next) {
        enum listen_status status;
        bool               missing = false;

        if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) ||
            is_repeated(first, i))
            continue;
        status = open_address(opening, wish, i, &missing);
        if (status != LISTEN_OK && !missing)
            return status;
    }
    if (opening->l->count > before)
        return LISTEN_OK;
    /* Nobody asked for ::1 by name: a host without it is served on 127.0.0.1. */
    if (opening->o->listen_is_default && opening->l->count > 0)
        return LISTEN_OK;
    return LISTEN_FAILED; /* the text is that of the last address */
}

static enum listen_status
open_wish(struct opening *opening, const struct wish *wish)
{
    struct addrinfo  hints = { .ai_socktype = opening->is_udp ? SOCK_DGRAM : SOCK_STREAM,
                               .ai_flags = AI_PASSIVE };
    struct addrinfo *first;
    enum listen_status status;
    char               port[16];
    int                error;

    snprintf(port, sizeof(port), "%d", wish->port);
    error = getaddrinfo(wish->host, port, &hints, &first);
    if (error != 0)
        return listen_fail(opening, "cannot listen on %s: %s",
                           wish->host ? wish->host : "*",
                           error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    listen_fail(opening, "cannot listen on %s: it has no address",
                wish->host ? wish->host : "*");
    status = open_addresses(opening, wish, first);
    freeaddrinfo(first);
    return status;
}

/* ---- The list -------------------------------------------------------------------- */

static enum listen_status
read_element(const struct opening *opening, char *element, struct wish *wish)
{
    int port = opening->is_udp ? (int)opening->o->udp_port : opening->o->tcp_port;
    enum listen_status status;

    *wish =
        (struct wish){ .protocol = opening->o->protocol, .port = port < 0 ? 0 : port };
    status = read_prefixes(opening, &element, wish);
    if (status == LISTEN_OK)
        status = listen_check_protocol(opening, "-l", &wish->protocol);
    return status == LISTEN_OK ? read_address(opening, element, wish) : status;
}

static enum listen_status
check_element(struct opening *opening, char *element)
{
    struct wish wish;

    return read_element(opening, element, &wish);
}

static enum listen_status
open_element(struct opening *opening, char *element)
{
    struct wish        wish;
    enum listen_status status = read_element(opening, element, &wish);

    return status == LISTEN_OK ? open_wish(opening, &wish) : status;
}

/* An element may be written to by what is done with it. */
static enum listen_status
for_each_element(struct opening *opening,
                 enum listen_status (*step)(struct opening *opening, char *element))
{
    const char        *list = opening->o->listen;
    enum listen_status status = LISTEN_OK;
    bool               empty = true;

    while (status == LISTEN_OK && *list != '\0') {
        size_t length = strcspn(list, ",;");

        if (length > 0) {
            char *element = strndup(list, length);

            if (element == NULL)
                return listen_fail(opening, "out of memory");
            status = step(opening, element);
            free(element);
            empty = false;
        }
        list += length;
        list += *list != '\0';
    }
    if (empty)
        return listen_bad_value(opening, "-l %s: there is no address in it",
                                opening->o->listen);
    return status;
}

/* ---- The unix socket ------------------------------------------------------------- */

/* Take away a socket that nobody listens on any more. Only a refusal says that: a full
 * backlog means a server, and where we may not connect there may be one. */
static enum listen_status
remove_stale(const struct opening *opening, const struct sockaddr_un *address)
{
    const char *path = address->sun_path;
    int         error = 0;
    int         fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    if (error == 0 || error == EAGAIN)
        return listen_fail(opening, "cannot listen on %s: another server does", path);
    if (error != ECONNREFUSED)
        return listen_fail(
            opening,
            "cannot listen on %s: it cannot be told whether another server "
            "does (%s); if none does, remove it",
            path, strerror(error));
    (void)unlink(path); /* if it stays, bind() says why that matters */
    return LISTEN_OK;
}

/* Bind, so that at no moment anybody whom `mode` shuts out could connect: the umask takes
 * the bits away as the file appears, and nobody can connect before listen(). */
static int
bind_unix(int fd, const struct sockaddr_un *address, mode_t mode)
{
    mode_t before = umask(~mode & 0777);
    int    result = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    umask(before);
    if (result != 0)
        return result;
    return chmod(address->sun_path,
                 mode); /* a default ACL of the folder beats the umask */
}

/* Could there be a socket of this name? There may be one. */
static enum listen_status
name_unix(const struct opening *opening, const char *path, struct sockaddr_un *address,
          bool *is_there)
{
    struct stat there;

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address->sun_path))
        return listen_fail(opening, "cannot listen on %s: the path is longer than %zu",
                           path, sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, strlen(path) + 1);
    *is_there = lstat(path, &there) == 0;
    if (*is_there && !S_ISSOCK(there.st_mode))
        return listen_fail(opening, "cannot listen on %s: what is there is no socket",
                           path);
    return LISTEN_OK;
}

static enum listen_status
open_unix(struct opening *opening, const char *path)
{
    struct sockaddr_un address;
    struct listener    listener = { .family = LISTEN_UNIX,
                                    .protocol = opening->o->protocol };
    bool               is_there;

    if (name_unix(opening, path, &address, &is_there) != LISTEN_OK ||
        (is_there && remove_stale(opening, &address) != LISTEN_OK))
        return LISTEN_FAILED;
    listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener.fd < 0)
        return fail_open(opening, path, errno);
    if (bind_unix(listener.fd, &address, opening->o->unix_mode) != 0 ||
        listen(listener.fd, (int)opening->o->backlog) != 0)
        listen_fail(opening, "cannot listen on %s: %s", path, strerror(errno));
    else if (!listen_add(opening->l, &listener))
        listen_fail(opening, "out of memory");
    else
        return LISTEN_OK;
    close(listener.fd);
    return LISTEN_FAILED;
}

/* ---- What others call ------------------------------------------------------------ */

static bool
wants_tcp(const struct options *o)
{
    return o->unix_path == NULL && o->tcp_port != 0;
}

static bool
wants_udp(const struct options *o)
{
    return o->unix_path == NULL && o->udp_port != 0;
}

enum listen_status
listen_check(const struct options *o, char *text, size_t text_bytes)
{
    struct opening opening = { .o = o, .text = text, .text_bytes = text_bytes };

    return wants_tcp(o) || wants_udp(o) ? for_each_element(&opening, check_element)
                                        : LISTEN_OK;
}

/* All that is asked for with TCP or UDP is tried and closed again. */
static enum listen_status
try_elements(const struct opening *trial, bool is_udp, unsigned *count)
{
    struct listeners   l = { 0 };
    struct opening     opening = *trial;
    enum listen_status status;

    opening.l = &l;
    opening.is_udp = is_udp;
    status = for_each_element(&opening, open_element);
    *count += (unsigned)l.count;
    listen_close(&l);
    return status;
}

enum listen_status
listen_try(const struct options *o, bool *is_udp, unsigned *count, char *text,
           size_t text_bytes)
{
    const struct opening opening = {
        .o = o, .text = text, .text_bytes = text_bytes, .is_trial = true
    };
    struct sockaddr_un address;
    bool               is_there;
    enum listen_status status = LISTEN_OK;

    *is_udp = false;
    *count = o->unix_path != NULL;
    if (o->unix_path != NULL)
        return name_unix(&opening, o->unix_path, &address, &is_there);
    if (wants_tcp(o))
        status = try_elements(&opening, false, count);
    if (status != LISTEN_OK || !wants_udp(o))
        return status;
    *is_udp = true;
    return try_elements(&opening, true, count);
}

enum listen_status
listen_open(struct listeners *l, const struct options *o, char *text, size_t text_bytes)
{
    struct opening opening = { .l = l, .o = o, .text = text, .text_bytes = text_bytes };
    enum listen_status status = LISTEN_OK;

    *l = (struct listeners){ 0 };
    if (o->unix_path != NULL)
        status = open_unix(&opening, o->unix_path);
    else if (wants_tcp(o))
        status = for_each_element(&opening, open_element);
    if (status != LISTEN_OK)
        listen_close(l);
    return status;
}

enum listen_status
listen_open_udp(struct listeners *l, const struct options *o, char *text,
                size_t text_bytes)
{
    struct opening opening = {
        .l = l, .o = o, .text = text, .text_bytes = text_bytes, .is_udp = true
    };
    enum listen_status status = LISTEN_OK;

    *l = (struct listeners){ 0 };
    if (wants_udp(o))
        status = for_each_element(&opening, open_element);
    if (status != LISTEN_OK)
        listen_close(l);
    return status;
}

void
listen_close(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++)
        close(l->list[i].fd);
    free(l->list);
    *l = (struct listeners){ 0 };
}

static void
print_ports(const struct listeners *l, const char *transport, FILE *file)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct listener *listener = &l->list[i];

        if (listener->family != LISTEN_UNIX)
            fprintf(file, "%s %s: %u\n", transport,
                    listener->family == LISTEN_INET6 ? "INET6" : "INET", listener->port);
    }
}

enum listen_status
listen_write_ports(const struct listeners *tcp, const struct listeners *udp,
                   const char *path, char *text, size_t text_bytes)
{
    struct opening whom = { .text = text, .text_bytes = text_bytes };
    char          *locked;
    FILE          *file;
    bool           good;

    if (asprintf(&locked, "%s.lck", path) < 0)
        return listen_fail(&whom, "out of memory");
    file = fopen(locked, "we");
    good = file != NULL;
    if (good) {
        print_ports(tcp, "TCP", file);
        print_ports(udp, "UDP", file);
        good = fflush(file) == 0 && !ferror(file);
        good = fclose(file) == 0 && good;
    }
    good = good && rename(locked, path) == 0;
    if (!good) {
        listen_fail(&whom, "cannot write the ports to %s: %s", path, strerror(errno));
        (void)unlink(locked);
    }
    free(locked);
    return good ? LISTEN_OK : LISTEN_FAILED;
}

int
listen_exit_code(enum listen_status status)
{
    switch (status) {
    case LISTEN_OK:
        return 0;
    case LISTEN_FAILED:
        return 71; /* EX_OSERR */
    default:
        return 1;
    }
}
