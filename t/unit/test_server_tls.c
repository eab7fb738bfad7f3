/* t/unit/test_server_tls.c - TLS as a socket: whatever comes in pieces, goes out in pieces,
 * or ends too early.
 *
 * The client is OpenSSL's without a socket: the test carries its bytes, and cuts them.
 */
#include "server/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/certificates.h"
#include "t/unit/fixture.h"

enum { ROOM = 64 << 10 };

struct link {
    char                path[64]; /* of certificate and key */
    struct options      options;
    struct certificates certificates;
    SSL_CTX            *context;
    SSL                *client;
    BIO                *in, *out; /* the client's */
    int                 near, far;
    struct tls         *tls;
};

/* ---- both ends ------------------------------------------------------------------- */

static void
write_certificate(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509     *certificate = X509_new();
    FILE     *file = fopen(path, "w");

    ck_assert(key != NULL && certificate != NULL && file != NULL);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void
begin_client(struct link *l)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    l->near = fds[0];
    l->far = fds[1];
    l->client = SSL_new(l->context);
    l->in = BIO_new(BIO_s_mem());
    l->out = BIO_new(BIO_s_mem());
    SSL_set_bio(l->client, l->in, l->out);
    SSL_set_connect_state(l->client);
    l->tls = tls_create(&l->certificates, l->near, LISTEN_TLS);
    ck_assert_ptr_nonnull(l->tls);
}

static void
end_client(struct link *l)
{
    tls_destroy(&l->tls);
    SSL_free(l->client);
    close(l->near);
    if (l->far >= 0)
        close(l->far);
}

static struct link *
link_make(void)
{
    struct link *l = calloc(1, sizeof(*l));
    char         text[256];

    snprintf(l->path, sizeof(l->path), "/tmp/test_tls.XXXXXX");
    close(mkstemp(l->path));
    write_certificate(l->path);
    l->options = (struct options){ .tls = true,
                                   .tls_chain = l->path,
                                   .tls_key_format = 1,
                                   .tls_version_min = OPTIONS_TLS_1_2 };
    ck_assert_msg(certificates_open(&l->certificates, &l->options, text, sizeof(text)) ==
                      CERTIFICATES_OK,
                  "%s", text);
    l->context = SSL_CTX_new(TLS_client_method());
    begin_client(l);
    return l;
}

static void
link_drop(struct link *l)
{
    end_client(l);
    SSL_CTX_free(l->context);
    certificates_close(&l->certificates);
    unlink(l->path);
    free(l);
}

/* What the client has to say, as it goes over the wire. */
static size_t
take_from_client(struct link *l, char bytes[ROOM])
{
    int n = BIO_read(l->out, bytes, ROOM);

    return n > 0 ? (size_t)n : 0;
}

static void
put_on_wire(struct link *l, const char *bytes, size_t length)
{
    if (length > 0)
        ck_assert_int_eq(write(l->far, bytes, length), (ssize_t)length);
}

/* What the server has sent, up to so many bytes, to the client. */
static void
bring_to_client(struct link *l, size_t most)
{
    char    bytes[ROOM];
    ssize_t n = read(l->far, bytes, most < ROOM ? most : ROOM);

    if (n > 0)
        ck_assert_int_eq(BIO_write(l->in, bytes, (int)n), (int)n);
}

static bool
has_answer(const struct link *l)
{
    char byte;

    return recv(l->far, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Let the server hear what is on the wire. It has answered if there is more for the client. */
static enum tls_handshake
go_on(struct link *l)
{
    bool               before = has_answer(l);
    enum tls_handshake got = tls_shake_hands(l->tls);

    ck_assert((got == TLS_READY) == tls_is_ready(l->tls));
    if (got == TLS_READY)
        return got;
    ck_assert(got == TLS_ANSWERED || got == TLS_WAITS);
    ck_assert(before || (got == TLS_ANSWERED) == has_answer(l));
    return got;
}

/* The whole handshake, of which each flight of the client is cut in two. */
static void
shake_hands(struct link *l, size_t cut)
{
    enum tls_handshake got = TLS_WAITS;
    char               bytes[ROOM];

    for (unsigned turn = 0;
         turn < 10 && (got != TLS_READY || !SSL_is_init_finished(l->client)); turn++) {
        size_t length, first;

        bring_to_client(l, ROOM);
        (void)SSL_do_handshake(l->client);
        length = take_from_client(l, bytes);
        first = cut < length ? cut : length;
        put_on_wire(l, bytes, first);
        if (got != TLS_READY && first > 0)
            got = go_on(l);
        put_on_wire(l, bytes + first, length - first);
        if (got != TLS_READY && first < length)
            got = go_on(l);
    }
    ck_assert_int_eq(got, TLS_READY);
    ck_assert(tls_is_ready(l->tls) && !tls_is_resumed(l->tls));
    ck_assert(SSL_is_init_finished(l->client));
}

/* A record of the client's, on the wire. */
static size_t
encrypt(struct link *l, const char *text, size_t length, char bytes[ROOM])
{
    ck_assert_int_eq(SSL_write(l->client, text, (int)length), (int)length);
    return take_from_client(l, bytes);
}

static ssize_t
receive(struct link *l, char *to, size_t room)
{
    struct iovec vector = { to, room };

    return tls_receive(l->tls, &vector, 1);
}

static void
assert_waits(struct link *l)
{
    char byte;

    ck_assert_int_eq(receive(l, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(!tls_holds_input(l->tls) && !tls_waits_to_write(l->tls));
}

/* ---- the handshake --------------------------------------------------------------- */

START_TEST(a_handshake_may_be_cut_anywhere)
{
    struct link *l = link_make();

    SSL_CTX_set_max_proto_version(l->context, _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    for (size_t cut = 1; cut < 320; cut += 11) {
        end_client(l);
        begin_client(l);
        shake_hands(l, cut);
    }
    link_drop(l);
}
END_TEST

START_TEST(who_leaves_without_a_word_has_left)
{
    struct link *l = link_make();

    close(l->far);
    l->far = -1;
    ck_assert_int_eq(tls_shake_hands(l->tls), TLS_LEFT);
    link_drop(l);
}
END_TEST

START_TEST(who_speaks_no_tls_or_leaves_in_the_midst_is_refused)
{
    struct link *l = link_make();
    char         bytes[ROOM];
    size_t       length;

    put_on_wire(l, "get a\r\n", 7);
    ck_assert_int_eq(tls_shake_hands(l->tls), TLS_REFUSED);
    ck_assert_str_ne(tls_trouble(l->tls), "");

    end_client(l);
    begin_client(l);
    (void)SSL_do_handshake(l->client);
    length = take_from_client(l, bytes);
    put_on_wire(l, bytes, length / 2);
    ck_assert_int_eq(tls_shake_hands(l->tls), TLS_WAITS);
    close(l->far);
    l->far = -1;
    ck_assert_int_eq(tls_shake_hands(l->tls), TLS_REFUSED);
    ck_assert_str_ne(tls_trouble(l->tls), "");
    link_drop(l);
}
END_TEST

/* ---- in -------------------------------------------------------------------------- */

START_TEST(a_record_that_is_cut_anywhere_comes_as_one)
{
    static const char text[] = "set k 0 0 5\r\nvalue\r\n";
    struct link      *l = link_make();
    char              bytes[ROOM], got[ROOM];
    size_t            length = ROOM;

    shake_hands(l, ROOM);
    for (size_t cut = 1; cut < length; cut++) {
        length = encrypt(l, text, sizeof(text), bytes);
        put_on_wire(l, bytes, cut);
        assert_waits(l);
        put_on_wire(l, bytes + cut, length - cut);
        ck_assert_int_eq(receive(l, got, sizeof(got)), sizeof(text));
        ck_assert_str_eq(got, text);
        ck_assert(!tls_holds_input(l->tls));
    }
    link_drop(l);
}
END_TEST

START_TEST(many_records_come_at_once_as_far_as_there_is_room)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[100];
    size_t       total = 0;

    shake_hands(l, ROOM);
    for (unsigned i = 0; i < 30; i++)
        put_on_wire(l, bytes, encrypt(l, "0123456789", 10, bytes));
    while (total < 300) {
        size_t room = total % 97 + 1, left = 300 - total;

        ck_assert_int_eq(receive(l, got, room), (ssize_t)(room < left ? room : left));
        for (size_t i = 0; i < room && i < left; i++)
            ck_assert_int_eq(got[i], '0' + (int)((total + i) % 10));
        total += room < left ? room : left;
        ck_assert(tls_holds_input(l->tls) == (total < 300));
    }
    assert_waits(l);
    link_drop(l);
}
END_TEST

START_TEST(vectors_are_filled_one_after_the_other)
{
    struct link *l = link_make();
    char         bytes[ROOM], first[4], second[100];
    struct iovec vectors[] = { { first, sizeof(first) }, { second, sizeof(second) } };

    shake_hands(l, ROOM);
    put_on_wire(l, bytes, encrypt(l, "ab", 2, bytes));
    put_on_wire(l, bytes, encrypt(l, "cdefg", 5, bytes));
    ck_assert_int_eq(tls_receive(l->tls, vectors, 2), 7);
    ck_assert_mem_eq(first, "abcd", 4);
    ck_assert_mem_eq(second, "efg", 3);
    link_drop(l);
}
END_TEST

START_TEST(the_end_comes_behind_what_was_sent_however_it_comes)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[100];

    shake_hands(l, ROOM);
    put_on_wire(l, bytes, encrypt(l, "last", 4, bytes));
    if (_i == 0) {
        (void)SSL_shutdown(l->client);
        put_on_wire(l, bytes, take_from_client(l, bytes));
    }
    close(l->far);
    l->far = -1;
    ck_assert_int_eq(receive(l, got, sizeof(got)), 4);
    ck_assert_int_eq(receive(l, got, sizeof(got)), 0);
    ck_assert_int_eq(receive(l, got, sizeof(got)), 0);
    link_drop(l);
}
END_TEST

START_TEST(half_a_record_at_the_end_is_none)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[100];
    size_t       length;

    shake_hands(l, ROOM);
    length = encrypt(l, "half a value", 12, bytes);
    put_on_wire(l, bytes, length - 1);
    close(l->far);
    l->far = -1;
    ck_assert_int_eq(receive(l, got, sizeof(got)), 0);
    link_drop(l);
}
END_TEST

START_TEST(a_record_that_was_changed_breaks_the_connection_behind_those_before_it)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[100];
    size_t       length;

    shake_hands(l, ROOM);
    put_on_wire(l, bytes, encrypt(l, "good", 4, bytes));
    length = encrypt(l, "bad", 3, bytes);
    bytes[length - 1] ^= 1;
    put_on_wire(l, bytes, length);
    ck_assert_int_eq(receive(l, got, sizeof(got)), 4);
    ck_assert(tls_holds_input(l->tls)); /* nothing else would tell of it */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(receive(l, got, sizeof(got)), -1);
        ck_assert_int_eq(errno, EPROTO);
    }
    ck_assert_str_ne(tls_trouble(l->tls), "");
    link_drop(l);
}
END_TEST

/* ---- out ------------------------------------------------------------------------- */

enum { REPLY_LENGTH = 300 * 1000, PIECES = 40 };

/* The rest of a reply from `sent` on, in the pieces that it has; how many. */
static unsigned
gather(const char *reply, size_t sent, struct iovec vectors[PIECES])
{
    unsigned count = 0;
    size_t   end = 0;

    for (unsigned i = 0; i < PIECES; i++) {
        size_t start = end;

        /* Small ones, and some of many records. */
        end += i % 10 == 9 ? 70 * 1000 + i : 1 + i * 37;
        if (end > REPLY_LENGTH || i == PIECES - 1)
            end = REPLY_LENGTH;
        if (start < sent)
            start = sent < end ? sent : end;
        if (start < end)
            vectors[count++] =
                (struct iovec){ (void *)(uintptr_t)(reply + start), end - start };
    }
    return count;
}

static size_t
decrypt(struct link *l, const char *reply, size_t from)
{
    char got[ROOM];
    int  n;

    while ((n = SSL_read(l->client, got, sizeof(got))) > 0) {
        ck_assert_mem_eq(got, reply + from, n);
        from += (size_t)n;
    }
    ck_assert_int_eq(SSL_get_error(l->client, n), SSL_ERROR_WANT_READ);
    return from;
}

/* How many of the vectors to offer: more at one time than at another, but never less than
 * was offered already, up to *end of the reply. */
static unsigned
offer(const struct iovec *vectors, unsigned count, unsigned turn, size_t sent,
      size_t *end)
{
    unsigned some = turn % count, offered = 0;

    for (size_t at = sent; offered < count && (offered <= some || at < *end); offered++)
        at += vectors[offered].iov_len;
    for (unsigned i = 0; i < offered; i++)
        sent += vectors[i].iov_len;
    *end = sent;
    return offered;
}

START_TEST(whatever_the_socket_takes_the_reply_arrives_whole)
{
    static const size_t takes[] = { 97, 1000, 5000, ROOM };
    struct link        *l = link_make();
    struct iovec        vectors[PIECES];
    char               *reply = malloc(REPLY_LENGTH);
    int                 little = 4096;
    size_t              sent = 0, got = 0, end = 0;
    unsigned            waits = 0;

    for (size_t i = 0; i < REPLY_LENGTH; i++)
        reply[i] = (char)(i * 31 + i / 251);
    shake_hands(l, ROOM);
    ck_assert_int_eq(setsockopt(l->near, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)),
                     0);
    for (unsigned turn = 0; sent < REPLY_LENGTH; turn++) {
        unsigned count = gather(reply, sent, vectors);
        ssize_t  n = tls_send(l->tls, vectors, offer(vectors, count, turn, sent, &end));

        ck_assert(n > 0 || (n == -1 && errno == EAGAIN && tls_waits_to_write(l->tls)));
        sent += n > 0 ? (size_t)n : 0;
        waits += n < 0;
        bring_to_client(l, takes[_i]);
        got = decrypt(l, reply, got);
    }
    while (got < REPLY_LENGTH) {
        bring_to_client(l, ROOM);
        got = decrypt(l, reply, got);
    }
    ck_assert_uint_gt(waits, 0);
    free(reply);
    link_drop(l);
}
END_TEST

START_TEST(small_pieces_share_a_record)
{
    struct link *l = link_make();
    struct iovec vectors[] = { { (void *)(uintptr_t) "VALUE k 0 5\r\n", 13 },
                               { (void *)(uintptr_t) "", 0 },
                               { (void *)(uintptr_t) "value", 5 },
                               { (void *)(uintptr_t) "\r\nEND\r\n", 7 } };
    char         got[100];

    shake_hands(l, ROOM);
    ck_assert_int_eq(tls_send(l->tls, vectors, 4), 25);
    bring_to_client(l, ROOM);
    ck_assert_int_eq(SSL_read(l->client, got, sizeof(got)), 25);
    ck_assert_mem_eq(got, "VALUE k 0 5\r\nvalue\r\nEND\r\n", 25);
    link_drop(l);
}
END_TEST

START_TEST(a_client_that_has_gone_is_an_error_and_no_signal)
{
    struct link *l = link_make();
    struct iovec vector = { (void *)(uintptr_t) "text", 4 };

    shake_hands(l, ROOM);
    close(l->far);
    l->far = -1;
    ck_assert_int_eq(tls_send(l->tls, &vector, 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    link_drop(l);
}
END_TEST

START_TEST(the_end_is_said_to_a_client_that_is_there)
{
    struct link *l = link_make();
    char         got[10];

    shake_hands(l, ROOM);
    tls_destroy(&l->tls);
    bring_to_client(l, ROOM);
    ck_assert_int_eq(SSL_read(l->client, got, sizeof(got)), 0);
    ck_assert_int_eq(SSL_get_error(l->client, 0), SSL_ERROR_ZERO_RETURN);
    link_drop(l);
}
END_TEST

/* ---- both ------------------------------------------------------------------------ */

START_TEST(new_keys_in_the_midst_of_a_dialogue_change_nothing)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[100];
    struct iovec answer = { (void *)(uintptr_t) "answer", 6 };

    shake_hands(l, ROOM);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(SSL_key_update(l->client, SSL_KEY_UPDATE_REQUESTED), 1);
        put_on_wire(l, bytes, encrypt(l, "request", 7, bytes));
        ck_assert_int_eq(receive(l, got, sizeof(got)), 7);
        ck_assert_mem_eq(got, "request", 7);
        ck_assert_int_eq(tls_send(l->tls, &answer, 1), 6);
        bring_to_client(l, ROOM);
        ck_assert_int_eq(SSL_read(l->client, got, sizeof(got)), 6);
        ck_assert_mem_eq(got, "answer", 6);
    }
    link_drop(l);
}
END_TEST

START_TEST(nobody_begins_a_second_handshake)
{
    struct link *l = link_make();
    char         bytes[ROOM], got[10];

    SSL_CTX_set_max_proto_version(l->context, TLS1_2_VERSION);
    end_client(l);
    begin_client(l);
    shake_hands(l, ROOM);
    ck_assert_int_eq(SSL_renegotiate(l->client), 1);
    ck_assert_int_le(SSL_do_handshake(l->client), 0);
    put_on_wire(l, bytes, take_from_client(l, bytes));
    assert_waits(l); /* it is refused, and the connection goes on */
    bring_to_client(l, ROOM);
    ck_assert_int_le(SSL_read(l->client, got, sizeof(got)), 0);
    ck_assert_int_eq(SSL_get_error(l->client, -1), SSL_ERROR_SSL);
    link_drop(l);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server/tls");
    TCase *handshakes = fixture_case(suite, "handshakes");
    TCase *in = fixture_case(suite, "in");
    TCase *out = fixture_case(suite, "out");
    TCase *both = fixture_case(suite, "both");

    tcase_add_loop_test(handshakes, a_handshake_may_be_cut_anywhere, 0, 2);
    tcase_add_test(handshakes, who_leaves_without_a_word_has_left);
    tcase_add_test(handshakes, who_speaks_no_tls_or_leaves_in_the_midst_is_refused);
    tcase_add_test(in, a_record_that_is_cut_anywhere_comes_as_one);
    tcase_add_test(in, many_records_come_at_once_as_far_as_there_is_room);
    tcase_add_test(in, vectors_are_filled_one_after_the_other);
    tcase_add_loop_test(in, the_end_comes_behind_what_was_sent_however_it_comes, 0, 2);
    tcase_add_test(in, half_a_record_at_the_end_is_none);
    tcase_add_test(
        in, a_record_that_was_changed_breaks_the_connection_behind_those_before_it);
    tcase_add_loop_test(out, whatever_the_socket_takes_the_reply_arrives_whole, 0, 4);
    tcase_add_test(out, small_pieces_share_a_record);
    tcase_add_test(out, a_client_that_has_gone_is_an_error_and_no_signal);
    tcase_add_test(out, the_end_is_said_to_a_client_that_is_there);
    tcase_add_test(both, new_keys_in_the_midst_of_a_dialogue_change_nothing);
    tcase_add_test(both, nobody_begins_a_second_handshake);
    return fixture_run(suite);
}
