/* t/unit/test_server_listen.c - sockets that listen: which, where, and what clients of
 * theirs inherit.
 *
 * Everything happens on loopback and in a folder of its own below /tmp. A host without
 * IPv6 passes too: what needs it is only looked at where the host has it.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/listen.h"
#include "t/unit/suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Fixture --------------------------------------------------------------------- */

struct fixture {
    struct options   o;
    struct listeners l;
    char             text[256];
    char             folder[32];
    char             path[64]; /* of a file in it */
    unsigned         open;     /* descriptors before */
};

static unsigned
count_descriptors(void)
{
    DIR     *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Options for one list of listeners on free ports. */
static struct fixture
fixture_make(const char *list)
{
    struct fixture f = {
        .o = { .tcp_port = -1,
               .listen = (char *)(uintptr_t)list,
               .backlog = 16,
               .unix_mode = 0700 },
        .folder = "/tmp/test_listen.XXXXXX",
    };

    ck_assert_ptr_nonnull(mkdtemp(f.folder));
    snprintf(f.path, sizeof(f.path), "%s/file", f.folder);
    f.open = count_descriptors();
    return f;
}

/* Fails the test if a descriptor or a file but f->path is left over. */
static void
fixture_drop(struct fixture *f)
{
    listen_close(&f->l);
    ck_assert_uint_eq(f->l.count, 0);
    ck_assert_uint_eq(count_descriptors(), f->open);
    (void)unlink(f->path);
    ck_assert_msg(rmdir(f->folder) == 0, "%s: %s", f->folder, strerror(errno));
}

static void
open_all(struct fixture *f)
{
    enum listen_status status = listen_open(&f->l, &f->o, f->text, sizeof(f->text));

    ck_assert_msg(status == LISTEN_OK, "%s", f->text);
}

static void
assert_refused(struct fixture *f, enum listen_status expected, const char *part)
{
    enum listen_status status = listen_open(&f->l, &f->o, f->text, sizeof(f->text));

    ck_assert_int_eq(status, expected);
    ck_assert_msg(strstr(f->text, part) != NULL, "no \"%s\" in: %s", part, f->text);
    ck_assert_msg(strchr(f->text, '\n') == NULL, "more than a line: %s", f->text);
    ck_assert_uint_eq(f->l.count, 0);
    ck_assert_ptr_null(f->l.list);
    ck_assert_uint_eq(count_descriptors(), f->open);
}

static int
get_flag(int fd, int level, int name)
{
    int       value = -1;
    socklen_t length = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

/* A client of 127.0.0.1 at this port. */
static int
connect_tcp(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int
connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool
host_has_ipv6(void)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                    .sin6_addr = in6addr_loopback };
    int                 fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

/* Stands before libc's: what a unix socket's file allowed until its mode was set. */
static mode_t mode_before_chmod;

int
chmod(const char *path, mode_t mode)
{
    struct stat there;

    ck_assert_int_eq(stat(path, &there), 0);
    mode_before_chmod = there.st_mode & 07777;
    return fchmodat(AT_FDCWD, path, mode, 0);
}

/* ---- TCP ------------------------------------------------------------------------- */

START_TEST(a_listener_listens_and_blocks_nobody)
{
    struct fixture f = fixture_make("127.0.0.1");
    int            fd, client;

    open_all(&f);
    ck_assert_uint_eq(f.l.count, 1);
    fd = f.l.list[0].fd;
    ck_assert_int_eq(f.l.list[0].family, LISTEN_INET);
    ck_assert_uint_ne(f.l.list[0].port, 0);
    ck_assert_int_eq(get_flag(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    ck_assert_int_eq(get_flag(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);

    ck_assert_int_eq(accept(fd, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    client = connect_tcp(f.l.list[0].port);
    close(client);
    fixture_drop(&f);
}
END_TEST

START_TEST(accepted_sockets_inherit_keepalive_and_no_delay)
{
    struct fixture f = fixture_make("127.0.0.1");
    struct linger  linger = { .l_onoff = 1 };
    socklen_t      length = sizeof(linger);
    int            client, server;

    open_all(&f);
    client = connect_tcp(f.l.list[0].port);
    server = accept(f.l.list[0].fd, NULL, NULL);
    ck_assert_int_ge(server, 0);
    ck_assert_int_eq(get_flag(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(get_flag(server, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(getsockopt(server, SOL_SOCKET, SO_LINGER, &linger, &length), 0);
    ck_assert_int_eq(linger.l_onoff, 0);
    close(server);
    close(client);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_stream_from_elsewhere_can_be_tuned_alike)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(get_flag(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    listen_tune_stream(fd);
    ck_assert_int_eq(get_flag(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(get_flag(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    close(fd);
}
END_TEST

START_TEST(a_list_opens_all_its_elements_on_one_free_port)
{
    struct fixture f = fixture_make("127.0.0.1,127.0.0.2;127.0.0.3,,");

    open_all(&f);
    ck_assert_uint_eq(f.l.count, 3);
    ck_assert_uint_ne(f.l.list[0].port, 0);
    ck_assert_uint_eq(f.l.list[1].port, f.l.list[0].port);
    ck_assert_uint_eq(f.l.list[2].port, f.l.list[0].port);
    fixture_drop(&f);
}
END_TEST

START_TEST(an_element_without_port_gets_that_of_p)
{
    struct fixture f = fixture_make("127.0.0.1"), again = fixture_make("127.0.0.2");

    open_all(&f);
    again.o.tcp_port = f.l.list[0].port;
    open_all(&again);
    ck_assert_uint_eq(again.l.list[0].port, f.l.list[0].port);
    listen_close(&again.l);
    fixture_drop(&f);
    fixture_drop(&again);
}
END_TEST

START_TEST(an_element_may_have_a_port_of_its_own)
{
    struct fixture f = fixture_make("127.0.0.1"), again;
    char           list[64];

    open_all(&f);
    snprintf(list, sizeof(list), "127.0.0.2:%u", f.l.list[0].port);
    again = fixture_make(list);
    again.o.tcp_port = 1;
    open_all(&again);
    ck_assert_uint_eq(again.l.list[0].port, f.l.list[0].port);
    fixture_drop(&again);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_free_port_that_is_taken_elsewhere_gives_way_to_another)
{
    struct fixture f = fixture_make("127.0.0.1,127.0.0.1"); /* the first one takes it */

    open_all(&f);
    ck_assert_uint_eq(f.l.count, 2);
    ck_assert_uint_ne(f.l.list[0].port, 0);
    ck_assert_uint_ne(f.l.list[1].port, 0);
    ck_assert_uint_ne(f.l.list[1].port, f.l.list[0].port);
    fixture_drop(&f);
}
END_TEST

START_TEST(ipv6_listeners_are_for_ipv6_only)
{
    struct fixture f = fixture_make("127.0.0.1,[::1]");

    if (host_has_ipv6()) {
        open_all(&f);
        ck_assert_uint_eq(f.l.count, 2);
        ck_assert_int_eq(f.l.list[1].family, LISTEN_INET6);
        ck_assert_uint_eq(f.l.list[1].port, f.l.list[0].port);
        ck_assert_int_eq(get_flag(f.l.list[1].fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    } else { /* then the address is missing, and somebody asked for it */
        assert_refused(&f, LISTEN_FAILED, "::1 port");
    }
    fixture_drop(&f);
}
END_TEST

START_TEST(an_ipv6_address_may_do_without_brackets)
{
    struct fixture f = fixture_make("::1");

    if (host_has_ipv6()) {
        open_all(&f);
        ck_assert_int_eq(f.l.list[0].family, LISTEN_INET6);
    } else {
        assert_refused(&f, LISTEN_FAILED, "::1 port");
    }
    fixture_drop(&f);
}
END_TEST

START_TEST(a_star_is_all_addresses_of_all_families)
{
    struct fixture f = fixture_make("*");
    int            client;

    open_all(&f);
    ck_assert_uint_ge(f.l.count, host_has_ipv6() ? 2 : 1);
    for (size_t i = 1; i < f.l.count; i++)
        ck_assert_uint_eq(f.l.list[i].port, f.l.list[0].port);
    client = connect_tcp(f.l.list[0].port);
    close(client);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_port_in_use_fails_all)
{
    struct fixture f = fixture_make("127.0.0.1"), again;
    char           list[64], name[64];

    open_all(&f);
    snprintf(list, sizeof(list), "127.0.0.2,127.0.0.1:%u", f.l.list[0].port);
    snprintf(name, sizeof(name),
             "cannot listen on 127.0.0.1 port %u: Address already in use",
             f.l.list[0].port);
    again = fixture_make(list);
    assert_refused(&again, LISTEN_FAILED, name);
    again.o.listen_is_default = true; /* that forgives a missing address, not this */
    assert_refused(&again, LISTEN_FAILED, name);
    fixture_drop(&again);
    fixture_drop(&f);
}
END_TEST

/* 2001:db8:: is for documentation: no host has an address there. */
START_TEST(a_missing_address_is_forgiven_only_to_the_default)
{
    struct fixture f = fixture_make("127.0.0.1,[2001:db8::7]");

    assert_refused(&f, LISTEN_FAILED, "cannot listen on 2001:db8::7 port");
    f.o.listen_is_default = true;
    open_all(&f);
    ck_assert_uint_eq(f.l.count, 1);
    ck_assert_int_eq(f.l.list[0].family, LISTEN_INET);
    listen_close(&f.l);

    f.o.listen = (char *)(uintptr_t) "[2001:db8::7]"; /* but something has to be there */
    assert_refused(&f, LISTEN_FAILED, "cannot listen on 2001:db8::7 port");
    fixture_drop(&f);
}
END_TEST

START_TEST(port_zero_is_no_tcp)
{
    struct fixture f = fixture_make("127.0.0.1");

    f.o.tcp_port = 0;
    open_all(&f);
    ck_assert_uint_eq(f.l.count, 0);
    fixture_drop(&f);
}
END_TEST

/* ---- Elements of -l ---------------------------------------------------------------- */

static const struct {
    const char           *element;
    enum options_protocol protocol; /* where -B says binary, so that it shows */
} elements[] = {
    { "127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "127.0.0.1:0", OPTIONS_PROTOCOL_BINARY },
    { "127.0.0.1:-1", OPTIONS_PROTOCOL_BINARY },
    { "[127.0.0.1]", OPTIONS_PROTOCOL_BINARY },
    { "[127.0.0.1]:0", OPTIONS_PROTOCOL_BINARY },
    { "notls:127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "proto[ascii]:127.0.0.1", OPTIONS_PROTOCOL_ASCII },
    { "proto[negotiating]:127.0.0.1:0", OPTIONS_PROTOCOL_AUTO },
    { "proto[binary]:127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "proto[whatever]:127.0.0.1", OPTIONS_PROTOCOL_BINARY }, /* as memcached */
    { "tag[a]:127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "tag[abcdefgh]:127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "tag_abc_:127.0.0.1", OPTIONS_PROTOCOL_BINARY },
    { "notls:proto[ascii]:tag[b]:127.0.0.1:0", OPTIONS_PROTOCOL_ASCII },
};

START_TEST(every_form_of_an_element_is_read)
{
    struct fixture f = fixture_make(elements[_i].element);

    f.o.protocol = OPTIONS_PROTOCOL_BINARY;
    ck_assert_int_eq(listen_check(&f.o, f.text, sizeof(f.text)), LISTEN_OK);
    open_all(&f);
    ck_assert_uint_eq(f.l.count, 1);
    ck_assert_int_eq(f.l.list[0].family, LISTEN_INET);
    ck_assert_int_eq(f.l.list[0].protocol, elements[_i].protocol);
    fixture_drop(&f);
}
END_TEST

static const struct {
    const char     *element;
    enum listen_tls tls; /* with -Z */
} tls_elements[] = {
    { "127.0.0.1", LISTEN_TLS },
    { "notls:127.0.0.1", LISTEN_PLAIN },
    { "btls:127.0.0.1", LISTEN_TLS_ANYBODY },
    { "mtls:proto[ascii]:127.0.0.1", LISTEN_TLS_KNOWN },
};

START_TEST(with_tls_a_listener_says_what_it_asks_for)
{
    struct fixture f = fixture_make(tls_elements[_i].element);

    f.o.tls = true;
    if (tls_elements[_i].tls == LISTEN_TLS_KNOWN) {
        assert_refused(&f, LISTEN_BAD_VALUE, "-l with mtls: needs -o ssl_ca_cert");
        f.o.tls_ca = f.path;
    }
    open_all(&f);
    ck_assert_uint_eq(f.l.count, 1);
    ck_assert_int_eq(f.l.list[0].tls, tls_elements[_i].tls);
    fixture_drop(&f);
}
END_TEST

/* 64 letters are more than a name may have between dots: nobody is asked. */
#define LONG_NAME "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"

static const struct {
    const char        *list;
    enum listen_status status;
    const char        *text;
} bad_elements[] = {
    { "127.0.0.1:", LISTEN_BAD_VALUE, "\"\" is not a port" },
    { "127.0.0.1:x", LISTEN_BAD_VALUE, "\"x\" is not a port" },
    { "127.0.0.1:-2", LISTEN_BAD_VALUE, "\"-2\" is not a port" },
    { "127.0.0.1:65536", LISTEN_BAD_VALUE, "\"65536\" is not a port" },
    { "127.0.0.1:4294967297", LISTEN_BAD_VALUE, "is not a port" },
    { ":11211", LISTEN_BAD_VALUE, "an address is missing" },
    { "[]", LISTEN_BAD_VALUE, "an address is missing" },
    { "notls:", LISTEN_BAD_VALUE, "an address is missing" },
    { "[::1", LISTEN_BAD_VALUE, "brackets" },
    { "[::1]11211", LISTEN_BAD_VALUE, "brackets" },
    { ",;,", LISTEN_BAD_VALUE, "no address in it" },
    { "127.0.0.1," LONG_NAME, LISTEN_FAILED, "cannot listen on " LONG_NAME ": " },
    { "tag[]:127.0.0.1", LISTEN_BAD_VALUE, "1 to 8 characters, not \"\"" },
    { "tag[abcdefghi]:127.0.0.1", LISTEN_BAD_VALUE, "not \"abcdefghi\"" },
    { "btls:127.0.0.1", LISTEN_BAD_VALUE, "is for TLS (-Z)" },
    { "127.0.0.1,mtls:127.0.0.2", LISTEN_BAD_VALUE, "is for TLS (-Z)" },
};

START_TEST(every_bad_element_is_refused_with_a_reason)
{
    struct fixture     f = fixture_make(bad_elements[_i].list);
    enum listen_status status = listen_check(&f.o, f.text, sizeof(f.text));

    if (bad_elements[_i].status == LISTEN_FAILED) { /* reading alone cannot know it */
        ck_assert_int_eq(status, LISTEN_OK);
    } else {
        ck_assert_int_eq(status, bad_elements[_i].status);
        ck_assert_ptr_nonnull(strstr(f.text, bad_elements[_i].text));
    }
    assert_refused(&f, bad_elements[_i].status, bad_elements[_i].text);
    fixture_drop(&f);
}
END_TEST

/* ---- Unix sockets ------------------------------------------------------------------ */

START_TEST(a_unix_socket_is_all_there_is)
{
    struct fixture f = fixture_make("127.0.0.1");
    int            client;

    f.o.unix_path = f.path;
    f.o.protocol = OPTIONS_PROTOCOL_ASCII;
    open_all(&f);
    ck_assert_uint_eq(f.l.count, 1);
    ck_assert_int_eq(f.l.list[0].family, LISTEN_UNIX);
    ck_assert_int_eq(f.l.list[0].protocol, OPTIONS_PROTOCOL_ASCII);
    ck_assert_uint_eq(f.l.list[0].port, 0);
    ck_assert(fcntl(f.l.list[0].fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(f.l.list[0].fd, F_GETFD) & FD_CLOEXEC);
    client = connect_unix(f.path);
    ck_assert_int_ge(client, 0);
    close(client);
    fixture_drop(&f);
}
END_TEST

START_TEST(its_file_has_the_mode_of_a_whatever_the_umask)
{
    static const mode_t modes[] = { 0700, 0777, 01777, 0666, 0600, 0 };
    static const mode_t masks[] = { 0, 022, 0777 };

    for (size_t i = 0; i < LENGTH(modes) * LENGTH(masks); i++) {
        struct fixture f = fixture_make(NULL);
        struct stat    there;

        f.o.unix_path = f.path;
        f.o.unix_mode = modes[i / LENGTH(masks)];
        umask(masks[i % LENGTH(masks)]);
        open_all(&f);
        ck_assert_uint_eq(umask(022), masks[i % LENGTH(masks)]);
        ck_assert_int_eq(stat(f.path, &there), 0);
        ck_assert(S_ISSOCK(there.st_mode));
        ck_assert_uint_eq(there.st_mode & 07777, f.o.unix_mode);
        ck_assert_uint_eq(mode_before_chmod, f.o.unix_mode & 0777);
        fixture_drop(&f);
    }
}
END_TEST

START_TEST(a_socket_that_was_left_behind_is_replaced)
{
    struct fixture f = fixture_make(NULL);
    int            client;

    f.o.unix_path = f.path;
    open_all(&f);
    listen_close(&f.l);
    ck_assert_int_eq(access(f.path, F_OK), 0); /* it stays, as memcached's does */
    ck_assert_int_eq(connect_unix(f.path), -1);

    open_all(&f);
    client = connect_unix(f.path);
    ck_assert_int_ge(client, 0);
    close(client);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_socket_in_use_is_not_taken_away)
{
    struct fixture f = fixture_make(NULL), again = fixture_make(NULL);
    int            client;

    f.o.unix_path = f.path;
    open_all(&f);
    again.open = count_descriptors();
    again.o.unix_path = f.path;
    assert_refused(&again, LISTEN_FAILED, "another server does");
    client = connect_unix(f.path);
    ck_assert_int_ge(client, 0);
    close(client);
    fixture_drop(&f);
    again.open = count_descriptors();
    fixture_drop(&again);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_touched)
{
    struct fixture f = fixture_make(NULL);
    FILE          *file = fopen(f.path, "w");
    struct stat    there;

    fputs("precious", file);
    fclose(file);
    f.o.unix_path = f.path;
    assert_refused(&f, LISTEN_FAILED, "what is there is no socket");
    ck_assert_int_eq(stat(f.path, &there), 0);
    ck_assert_int_eq(there.st_size, 8);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_refused)
{
    struct fixture f = fixture_make(NULL);
    char           path[200];

    ck_assert_int_eq(chdir(f.folder), 0);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    f.o.unix_path = path;
    assert_refused(&f, LISTEN_FAILED, "longer than 107");
    path[108] = '\0'; /* its NUL would not fit */
    assert_refused(&f, LISTEN_FAILED, "longer than 107");
    path[107] = '\0';
    open_all(&f);
    ck_assert_int_eq(unlink(path), 0);
    listen_close(&f.l);

    f.o.unix_path = (char *)(uintptr_t) "/nonexistent/folder/socket";
    assert_refused(&f, LISTEN_FAILED, "No such file or directory");
    fixture_drop(&f);
}
END_TEST

/* ---- A trial ------------------------------------------------------------------------- */

static enum listen_status
try_all(struct fixture *f, bool *is_udp, unsigned *count)
{
    enum listen_status status =
        listen_try(&f->o, is_udp, count, f->text, sizeof(f->text));

    ck_assert_uint_eq(count_descriptors(), f->open);
    return status;
}

START_TEST(a_trial_takes_nothing_that_is_in_use)
{
    struct fixture f = fixture_make("127.0.0.1");
    struct fixture trial;
    unsigned       count;
    bool           is_udp;

    open_all(&f);
    trial = fixture_make("127.0.0.1,127.0.0.2");
    trial.o.tcp_port = f.l.list[0].port;
    trial.o.udp_port = f.l.list[0].port;
    ck_assert_int_eq(try_all(&trial, &is_udp, &count), LISTEN_OK);
    ck_assert_uint_eq(count, 4);
    fixture_drop(&trial);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_trial_finds_what_opening_would)
{
    struct fixture f = fixture_make("192.0.2.1");
    unsigned       count;
    bool           is_udp;

    f.o.tcp_port = 11300;
    ck_assert_int_eq(try_all(&f, &is_udp, &count), LISTEN_FAILED);
    ck_assert(!is_udp);
    ck_assert_str_eq(f.text, "cannot listen on 192.0.2.1 port 11300: Cannot assign "
                             "requested address");
    f.o.tcp_port = 0;
    f.o.udp_port = 11300;
    ck_assert_int_eq(try_all(&f, &is_udp, &count), LISTEN_FAILED);
    ck_assert(is_udp);
    f.o.listen = (char *)(uintptr_t) "127.0.0.1";
    ck_assert_int_eq(try_all(&f, &is_udp, &count), LISTEN_OK);
    ck_assert_uint_eq(count, 1);
    f.o.unix_path = f.path;
    ck_assert_int_eq(try_all(&f, &is_udp, &count), LISTEN_OK);
    ck_assert_int_eq(access(f.path, F_OK), -1); /* it is not made */
    f.o.unix_path = f.folder;
    ck_assert_int_eq(try_all(&f, &is_udp, &count), LISTEN_FAILED);
    ck_assert_uint_eq(count, 1);
    fixture_drop(&f);
}
END_TEST

/* ---- The port file ----------------------------------------------------------------- */

START_TEST(the_port_file_has_a_line_for_each_port)
{
    struct listener  list[] = { { .family = LISTEN_INET, .port = 11211 },
                                { .family = LISTEN_UNIX },
                                { .family = LISTEN_INET6, .port = 65535 } };
    struct listeners l = { .list = list, .count = LENGTH(list) };
    struct listeners udp = { .list = list, .count = 1 };
    struct fixture   f = fixture_make(NULL);
    char             locked[80], there[128] = "";
    FILE            *file;

    snprintf(locked, sizeof(locked), "%s.lck", f.path);
    file = fopen(locked, "w"); /* what a crashed start left: not to be continued */
    fputs("TCP INET: 1\n", file);
    fclose(file);
    ck_assert_int_eq(listen_write_ports(&l, &udp, f.path, f.text, sizeof(f.text)),
                     LISTEN_OK);

    file = fopen(f.path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(there, 1, sizeof(there) - 1, file), 0);
    fclose(file);
    ck_assert_str_eq(there, "TCP INET: 11211\nTCP INET6: 65535\nUDP INET: 11211\n");
    ck_assert_int_eq(access(locked, F_OK), -1);
    fixture_drop(&f);
}
END_TEST

START_TEST(a_port_file_that_cannot_be_written_is_an_error)
{
    struct listener  one = { .family = LISTEN_INET, .port = 1 };
    struct listeners l = { .list = &one, .count = 1 }, none = { 0 };
    struct fixture   f = fixture_make(NULL);

    ck_assert_int_eq(
        listen_write_ports(&l, &none, "/nonexistent/ports", f.text, sizeof(f.text)),
        LISTEN_FAILED);
    ck_assert_str_eq(f.text, "cannot write the ports to /nonexistent/ports: "
                             "No such file or directory");
    /* A folder stands in the way of the rename: nothing is left beside it. */
    ck_assert_int_eq(mkdir(f.path, 0700), 0);
    ck_assert_int_eq(listen_write_ports(&l, &none, f.path, f.text, sizeof(f.text)),
                     LISTEN_FAILED);
    ck_assert_int_eq(rmdir(f.path), 0);
    fixture_drop(&f);
}
END_TEST

START_TEST(exit_codes_are_memcacheds)
{
    ck_assert_int_eq(listen_exit_code(LISTEN_OK), 0);
    ck_assert_int_eq(listen_exit_code(LISTEN_FAILED), 71);
    ck_assert_int_eq(listen_exit_code(LISTEN_BAD_VALUE), 1);
}
END_TEST

/* ---- Suite ------------------------------------------------------------------------- */

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/listen");
    TCase *tcp = tcase_create("tcp"), *list = tcase_create("list");
    TCase *local = tcase_create("unix"), *ports = tcase_create("ports");

    tcase_add_test(tcp, a_listener_listens_and_blocks_nobody);
    tcase_add_test(tcp, accepted_sockets_inherit_keepalive_and_no_delay);
    tcase_add_test(tcp, a_stream_from_elsewhere_can_be_tuned_alike);
    tcase_add_test(tcp, a_list_opens_all_its_elements_on_one_free_port);
    tcase_add_test(tcp, an_element_without_port_gets_that_of_p);
    tcase_add_test(tcp, an_element_may_have_a_port_of_its_own);
    tcase_add_test(tcp, a_free_port_that_is_taken_elsewhere_gives_way_to_another);
    tcase_add_test(tcp, ipv6_listeners_are_for_ipv6_only);
    tcase_add_test(tcp, an_ipv6_address_may_do_without_brackets);
    tcase_add_test(tcp, a_star_is_all_addresses_of_all_families);
    tcase_add_test(tcp, a_port_in_use_fails_all);
    tcase_add_test(tcp, a_missing_address_is_forgiven_only_to_the_default);
    tcase_add_test(tcp, port_zero_is_no_tcp);
    suite_add_tcase(suite, tcp);

    tcase_add_loop_test(list, every_form_of_an_element_is_read, 0, (int)LENGTH(elements));
    tcase_add_loop_test(list, with_tls_a_listener_says_what_it_asks_for, 0,
                        (int)LENGTH(tls_elements));
    tcase_add_loop_test(list, with_tls_a_listener_says_what_it_asks_for, 0,
                        (int)LENGTH(tls_elements));
    tcase_add_loop_test(list, every_bad_element_is_refused_with_a_reason, 0,
                        (int)LENGTH(bad_elements));
    suite_add_tcase(suite, list);

    tcase_add_test(local, a_unix_socket_is_all_there_is);
    tcase_add_test(local, its_file_has_the_mode_of_a_whatever_the_umask);
    tcase_add_test(local, a_socket_that_was_left_behind_is_replaced);
    tcase_add_test(local, a_socket_in_use_is_not_taken_away);
    tcase_add_test(local, a_file_that_is_no_socket_is_not_touched);
    tcase_add_test(local, a_path_that_does_not_fit_is_refused);
    tcase_add_test(local, a_trial_takes_nothing_that_is_in_use);
    tcase_add_test(local, a_trial_finds_what_opening_would);
    suite_add_tcase(suite, local);

    tcase_add_test(ports, the_port_file_has_a_line_for_each_port);
    tcase_add_test(ports, a_port_file_that_cannot_be_written_is_an_error);
    tcase_add_test(ports, exit_codes_are_memcacheds);
    suite_add_tcase(suite, ports);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
