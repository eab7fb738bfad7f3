/* server/activation.c - sockets that a service manager has opened. See activation.h. */
#include "server/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/listen_priv.h"

enum { FIRST = 3, WHERE_BYTES = 64 };

/* ---- the environment ------------------------------------------------------------- */

static bool
read_number(const char *text, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* Is it for us? Who forgets that a child inherits his environment is not answered. */
static bool
is_for_us(void)
{
    const char *pid = getenv("LISTEN_PID");
    long        number;

    return pid != NULL && read_number(pid, &number) && number == (long)getpid();
}

/* No program may inherit them; and there they have to be. */
static bool
close_on_exec(unsigned count, char *text, size_t text_bytes)
{
    for (unsigned i = 0; i < count; i++) {
        int fd = FIRST + (int)i;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            snprintf(text, text_bytes, "LISTEN_FDS=%u: descriptor %d: %s", count, fd,
                     strerror(errno));
            return false;
        }
    }
    return true;
}

static bool
take(struct activation *activation, char *text, size_t text_bytes)
{
    const char *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    long        count;

    if (fds == NULL || !is_for_us())
        return true;
    if (!read_number(fds, &count) || count < 0 || count > INT_MAX - FIRST) {
        snprintf(text, text_bytes, "LISTEN_FDS=%s is no number of sockets", fds);
        return false;
    }
    if (!close_on_exec((unsigned)count, text, text_bytes))
        return false;
    activation->count = (unsigned)count;
    if (names != NULL)
        activation->names = strdup(names);
    if (names == NULL || activation->names != NULL)
        return true;
    snprintf(text, text_bytes, "out of memory");
    return false;
}

bool
activation_init(struct activation *activation, char *text, size_t text_bytes)
{
    bool good;

    *activation = (struct activation){ 0 };
    good = take(activation, text, text_bytes);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return good;
}

void
activation_fini(struct activation *activation)
{
    free(activation->names);
    *activation = (struct activation){ 0 };
}

/* ---- a name ---------------------------------------------------------------------- */

/* The name of the descriptor `index`: *length characters, 0 where it has none. */
static const char *
name_of(const struct activation *activation, unsigned index, size_t *length)
{
    const char *at = activation->names != NULL ? activation->names : "";

    for (; index > 0 && *at != '\0'; index--) {
        at += strcspn(at, ":");
        at += *at == ':';
    }
    *length = strcspn(at, ":");
    return at;
}

static bool
says_nothing(const char *name, size_t length)
{
    static const char unit[] = ".socket", unknown[] = "unknown";
    const size_t      suffix = sizeof(unit) - 1;

    return length == 0 ||
           (length == sizeof(unknown) - 1 && memcmp(name, unknown, length) == 0) ||
           (length > suffix && memcmp(name + length - suffix, unit, suffix) == 0);
}

static bool
take_word(struct listener *listener, const char *word, size_t length)
{
    static const struct {
        const char *word;
        int         tls, protocol; /* -1: not this */
    } words[] = {
        { "notls", LISTEN_PLAIN, -1 },
        { "btls", LISTEN_TLS_ANYBODY, -1 },
        { "mtls", LISTEN_TLS_KNOWN, -1 },
        { "ascii", -1, OPTIONS_PROTOCOL_ASCII },
        { "binary", -1, OPTIONS_PROTOCOL_BINARY },
        { "negotiating", -1, OPTIONS_PROTOCOL_AUTO },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) != length || memcmp(words[i].word, word, length) != 0)
            continue;
        if (words[i].tls >= 0)
            listener->tls = (enum listen_tls)words[i].tls;
        if (words[i].protocol >= 0)
            listener->protocol = (enum options_protocol)words[i].protocol;
        return true;
    }
    return false;
}

static enum listen_status
read_name(const struct opening *opening, const char *where, const char *name,
          size_t length, struct listener *listener)
{
    const char *end = name + length;

    if (says_nothing(name, length))
        return LISTEN_OK;
    for (const char *word = name; word < end; word++) {
        const char *comma = memchr(word, ',', (size_t)(end - word));
        size_t      n = (size_t)((comma != NULL ? comma : end) - word);

        if (!take_word(listener, word, n))
            return listen_bad_value(opening,
                                    "%s: its name is \"%.*s\", where only notls, btls, "
                                    "mtls, ascii, binary and "
                                    "negotiating have a meaning",
                                    where, (int)length, name);
        word += n;
    }
    return LISTEN_OK;
}

/* ---- a socket -------------------------------------------------------------------- */

static int
ask(int fd, int what)
{
    int       answer = -1;
    socklen_t length = sizeof(answer);

    return getsockopt(fd, SOL_SOCKET, what, &answer, &length) == 0 ? answer : -1;
}

/* What it is; NULL, or what is wrong with it. */
static const char *
look_at(int fd, int type, struct listener *listener)
{
    int family = ask(fd, SO_DOMAIN);

    if (type < 0)
        return "it is no socket";
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return "it is of no family that larder knows";
    listener->family = family == AF_INET6  ? LISTEN_INET6
                       : family == AF_UNIX ? LISTEN_UNIX
                                           : LISTEN_INET;
    if (type == SOCK_DGRAM)
        return family != AF_UNIX ? NULL : "datagrams are for UDP (ListenDatagram=)";
    if (type != SOCK_STREAM)
        return "it is neither for a stream nor for datagrams";
    if (ask(fd, SO_ACCEPTCONN) != 1)
        return "it does not listen; with systemd it takes Accept=no";
    return NULL;
}

/* Its TLS and protocol against what has been said and what it is. */
static enum listen_status
check(const struct opening *opening, const char *where, struct listener *listener)
{
    const struct options *o = opening->o;

    if (listener->tls != LISTEN_PLAIN &&
        (listener->family == LISTEN_UNIX || opening->is_udp))
        return listen_bad_value(opening, "%s: TLS is for TCP", where);
    if (listener->tls != LISTEN_PLAIN && !o->tls)
        return listen_bad_value(opening, "%s: btls and mtls are for TLS (-Z)", where);
    if (listener->tls == LISTEN_TLS_KNOWN && o->tls_ca == NULL)
        return listen_bad_value(opening, "%s: mtls needs -o ssl_ca_cert", where);
    if (opening->is_udp && (o->sasl || o->auth_file != NULL))
        return listen_bad_value(
            opening, "%s: who has to log in (-S, -Y) cannot do so by UDP", where);
    return listen_check_protocol(opening, where, &listener->protocol);
}

/* Do with it what is done with those that we open; false and errno where that fails. */
static bool
tune(const struct opening *opening, const struct listener *listener)
{
    int flags = fcntl(listener->fd, F_GETFL);

    if (flags < 0 || fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return false;
    if (opening->is_udp)
        listen_tune_datagrams(listener->fd,
                              listener->family == LISTEN_INET6 ? AF_INET6 : AF_INET);
    else if (listener->family != LISTEN_UNIX)
        listen_tune_stream(listener->fd);
    return listener->family == LISTEN_UNIX || listen_mark(opening->o, listener->fd);
}

static enum listen_status
adopt(const struct opening *opening, const struct activation *activation, unsigned index)
{
    const struct options *o = opening->o;
    struct listener    listener = { .fd = FIRST + (int)index, .protocol = o->protocol };
    char               where[WHERE_BYTES];
    int                type = ask(listener.fd, SO_TYPE);
    const char        *wrong = look_at(listener.fd, type, &listener), *name;
    size_t             length;
    enum listen_status status;

    snprintf(where, sizeof(where), "socket %d of the service manager", listener.fd);
    if (wrong != NULL)
        return listen_fail(opening, "cannot use %s: %s", where, wrong);
    if ((type == SOCK_DGRAM) != opening->is_udp)
        return LISTEN_OK;
    if (o->tls && listener.family != LISTEN_UNIX && !opening->is_udp)
        listener.tls = LISTEN_TLS;
    name = name_of(activation, index, &length);
    status = read_name(opening, where, name, length, &listener);
    if (status == LISTEN_OK)
        status = check(opening, where, &listener);
    if (status != LISTEN_OK)
        return status;
    if (!tune(opening, &listener))
        return listen_fail(opening, "cannot use %s: %s", where, strerror(errno));
    if (listener.family != LISTEN_UNIX)
        listener.port = listen_bound_port(listener.fd);
    if (!listen_add(opening->l, &listener))
        return listen_fail(opening, "out of memory");
    return LISTEN_OK;
}

enum listen_status
activation_listen(const struct activation *activation, bool udp, struct listeners *l,
                  const struct options *o, char *text, size_t text_bytes)
{
    struct opening opening = {
        .l = l, .o = o, .text = text, .text_bytes = text_bytes, .is_udp = udp
    };
    enum listen_status status = LISTEN_OK;

    *l = (struct listeners){ 0 };
    for (unsigned i = 0; status == LISTEN_OK && i < activation->count; i++)
        status = adopt(&opening, activation, i);
    if (status != LISTEN_OK)
        listen_close(l);
    return status;
}
