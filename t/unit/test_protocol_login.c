/* t/unit/test_protocol_login.c - what a client may do before it has logged in.
 *
 * Parsing is tested by itself, the gate through whole sessions: whatever is sent before a
 * login, in either protocol, the cache does not notice.
 */
#include "protocol/login.h"

#include <stdio.h>
#include <sys/uio.h>

#include "protocol/session.h"
#include "t/lib/host.h"
#include "t/unit/fixture.h"

enum { OUT_MAX = 1 << 16, HEADER = 24, TURN = 1000 };

static const struct span refused = SPAN("CLIENT_ERROR unauthenticated\r\n");

/* ---- parsing --------------------------------------------------------------------- */

static enum parse_status
parse(const char *bytes, size_t length, struct request *request)
{
    /* Of its own, so that a sanitizer sees who reads beyond it. */
    char             *copy = malloc(length + (length == 0));
    enum parse_status status;

    memcpy(copy, bytes, length);
    status = login_parse((struct span){ copy, length }, request);
    ck_assert_uint_le(request->length, length);
    if (request->operation == OP_LOGIN) { /* which outlives the copy */
        request->text.at = bytes + (request->text.at - copy);
        request->value.at = bytes + (request->value.at - copy);
    }
    free(copy);
    return status;
}

static void
assert_login(const char *line, const char *user, const char *password)
{
    struct request request;

    ck_assert_int_eq(parse(line, strlen(line), &request), PARSE_OK);
    ck_assert_int_eq(request.operation, OP_LOGIN);
    ck_assert_uint_eq(request.length, strlen(line));
    ck_assert(span_equal(request.text, text_span(user)));
    ck_assert(span_equal(request.value, text_span(password)));
}

static void
assert_said(const char *line, size_t used, const char *answer)
{
    struct request request;

    ck_assert_int_eq(parse(line, strlen(line), &request), PARSE_OK);
    ck_assert_int_eq(request.operation, OP_SAY);
    ck_assert_uint_eq(request.length, used);
    ck_assert(span_equal(request.text, text_span(answer)));
}

START_TEST(a_login_looks_like_a_store)
{
    assert_login("set x 0 0 7\r\nfoo bar\r\n", "foo", "bar");
    assert_login("set x 0 0 7 noreply\r\nfoo bar\r\n", "foo", "bar");
    assert_login("setx a b c 007\r\nfoo bar\r\n", "foo", "bar");
    assert_login("set   x  0 0    7   \r\nfoo bar\r\n", "foo", "bar");
    assert_login("set x 0 0 9\r\nfoo  b r \r\n", "foo", " b r ");
    assert_login("set x 0 0 5\r\n\r\n \r\n\r\n", "\r\n", "\r\n");
    assert_login("set x 0 0 4\r\n bar\r\n", "", "bar");
    assert_login("set x 0 0 1\r\n \r\n", "", "");
}
END_TEST

START_TEST(what_does_not_is_refused_and_only_its_line_is_taken)
{
    static const char *const lines[] = {
        "get foo\r\n",         "version\r\n",
        "SET a 0 0 7\r\n",     " set a 0 0 7\r\n",
        "set a 0 0 x\r\n",     "set a 0 0 -1\r\n",
        "set a 0 0\r\n",       "set a 0 0 7\n",
        "set a 0 0 77\n",      "set a 0 0 +7\r\n",
        "set a 0 0 7\r\r\n",   "shutdown\r\n",
        "set\ta\t0\t0\t7\r\n", "set a 0 0 4294967296\r\n",
        "      \r\n",          "set   \r\n",
        "set a 0 0 \r\n",      "ms a 7\r\n",
        "watch\r\n",           "set a 0 0 000000000007\r\n",
    };

    for (size_t i = 0; i < LENGTH(lines); i++)
        assert_said(lines[i], strlen(lines[i]), "CLIENT_ERROR unauthenticated\r\n");
    assert_said("set a 0 0 3\r\nfoo\r\n", 18,
                "CLIENT_ERROR bad authentication token format\r\n");
    assert_said("set a 0 0 0\r\n\r\n", 15,
                "CLIENT_ERROR bad authentication token format\r\n");
    assert_said("set a 0 0 6\r\nfoo bar\r\n", 21,
                "CLIENT_ERROR bad command line termination\r\n");
    assert_said("set a 0 0 7\r\nfoo bar\n\n", 22,
                "CLIENT_ERROR bad command line termination\r\n");
}
END_TEST

START_TEST(a_cut_anywhere_asks_for_more_and_consumes_nothing)
{
    static const char line[] = "set x 0 0 7\r\nfoo bar\r\n";
    struct request    request;

    for (size_t cut = 0; cut < sizeof(line) - 1; cut++) {
        ck_assert_int_eq(parse(line, cut, &request), PARSE_MORE);
        ck_assert_uint_eq(request.length, 0);
    }
}
END_TEST

START_TEST(a_line_of_less_than_six_bytes_is_not_borne)
{
    static const char *const lines[] = { "quit\r\n", "abcd\r\n", "\r\n\r\n",
                                         "\n\n\n",   "mn\r\n",   "\x80\n\x00" };
    struct request           request;

    for (size_t i = 0; i < LENGTH(lines); i++)
        ck_assert_int_eq(parse(lines[i], strlen(lines[i]) + (i == 5), &request),
                         PARSE_BAD);
    ck_assert_int_eq(parse("\r\n", 2, &request), PARSE_MORE);
    assert_said("abcde\r\n", 7, "CLIENT_ERROR unauthenticated\r\n");
}
END_TEST

START_TEST(a_line_may_have_2048_bytes)
{
    char           line[LOGIN_LINE_MAX + 2];
    struct request request;

    memset(line, 'a', sizeof(line));
    ck_assert_int_eq(parse(line, LOGIN_LINE_MAX, &request), PARSE_MORE);
    ck_assert_int_eq(parse(line, LOGIN_LINE_MAX + 1, &request), PARSE_BAD);
    line[LOGIN_LINE_MAX - 1] = '\n';
    ck_assert_int_eq(parse(line, LOGIN_LINE_MAX, &request), PARSE_OK);
    line[LOGIN_LINE_MAX - 1] = 'a';
    line[LOGIN_LINE_MAX] = '\n';
    ck_assert_int_eq(parse(line, LOGIN_LINE_MAX + 1, &request), PARSE_BAD);
}
END_TEST

START_TEST(a_token_may_have_4096_bytes)
{
    static char    input[64 + LOGIN_TOKEN_MAX];
    struct request request;
    size_t         line = (size_t)snprintf(input, sizeof(input), "set a 0 0 4096\r\n");

    memset(input + line, 'x', LOGIN_TOKEN_MAX);
    input[line + 3] = ' ';
    memcpy(input + line + LOGIN_TOKEN_MAX, "\r\n", 2);
    ck_assert_int_eq(parse(input, line + LOGIN_TOKEN_MAX + 1, &request), PARSE_MORE);
    ck_assert_int_eq(parse(input, line + LOGIN_TOKEN_MAX + 2, &request), PARSE_OK);
    ck_assert_int_eq(request.operation, OP_LOGIN);
    ck_assert_uint_eq(request.value.length, LOGIN_TOKEN_MAX - 4);
    ck_assert_int_eq(parse("set a 0 0 4097\r\n", 16, &request), PARSE_BAD);
    ck_assert_int_eq(parse("set a 0 0 16384\r\n", 17, &request), PARSE_BAD);
    assert_said("set a 0 0 16385\r\n", 17, "CLIENT_ERROR auth token too long\r\n");
    assert_said("set a 0 0 4294967295\r\n", 22, "CLIENT_ERROR auth token too long\r\n");
}
END_TEST

START_TEST(a_plain_message_has_three_parts)
{
    static const struct {
        struct span message;
        const char *user, *password; /* NULL: it is none */
    } messages[] = {
        { SPAN("\0foo\0bar"), "foo", "bar" },
        { SPAN("foo\0foo\0bar"), "foo", "bar" },
        { SPAN("\0foo\0"), "foo", "" },
        { SPAN("\0\0"), "", "" },
        { SPAN(""), NULL, NULL },
        { SPAN("\0"), NULL, NULL },
        { SPAN("foo"), NULL, NULL },
        { SPAN("foo\0"), NULL, NULL },
        { SPAN("foo\0bar"), NULL, NULL },
        { SPAN("admin\0foo\0bar"), NULL, NULL },
        { SPAN("fo\0foo\0bar"), NULL, NULL },
    };

    for (size_t i = 0; i < LENGTH(messages); i++) {
        struct span user, password;
        bool        good = login_read_plain(messages[i].message, &user, &password);

        ck_assert_int_eq(good, messages[i].user != NULL);
        if (!good)
            continue;
        ck_assert(span_equal(user, text_span(messages[i].user)));
        ck_assert(span_equal(password, text_span(messages[i].password)));
    }
}
END_TEST

/* ---- a session behind the gate --------------------------------------------------- */

struct talk {
    struct stub            stub; /* first: see there */
    struct fixture         f;
    struct host            host;
    struct session_worker *worker;
    struct session         session;
    struct reply          *reply;
    char                   out[OUT_MAX];
    size_t                 out_length;
    char                   kept[1 << 16];
    size_t                 kept_length;
    bool                   closed;
    unsigned               asked; /* how often for a password */
};

static bool
authenticate(void *server, struct span user, struct span password)
{
    ((struct talk *)server)->asked++;
    return span_equal(user, SPAN("foo")) && span_equal(password, SPAN("bar"));
}

static struct talk *
talk_begin(enum session_protocol protocol, bool sasl)
{
    struct talk *t = calloc(1, sizeof(*t));

    fixture_init(&t->f);
    t->host = stub_host(&t->stub, t->f.cache, &t->f.clock);
    t->host.debug_enabled = true; /* without a function: it must not be reached */
    t->host.auth_required = true;
    t->host.sasl_enabled = sasl;
    t->host.authenticate = authenticate;
    t->worker = calloc(1, sizeof(*t->worker));
    t->worker->executor.cache = t->f.cache;
    t->worker->executor.thread = t->f.thread;
    t->worker->executor.host = &t->host;
    t->reply = reply_create(t->f.thread);
    session_init(&t->session, protocol);
    return t;
}

static void
talk_end(struct talk *t)
{
    session_fini(&t->session, t->worker);
    reply_destroy(&t->reply);
    fixture_fini(&t->f);
    free(t->worker);
    free(t);
}

static void
drain(struct talk *t)
{
    while (reply_left(t->reply) > 0) {
        struct iovec vector;

        ck_assert_uint_ge(reply_vectors(t->reply, &vector, 1), 1);
        ck_assert_uint_le(t->out_length + vector.iov_len, OUT_MAX);
        memcpy(t->out + t->out_length, vector.iov_base, vector.iov_len);
        t->out_length += vector.iov_len;
        reply_advance(t->reply, vector.iov_len);
    }
    reply_clear(t->reply);
}

static void
feed(struct talk *t, struct span bytes)
{
    memcpy(t->kept + t->kept_length, bytes.at, bytes.length);
    t->kept_length += bytes.length;
    while (!t->closed) {
        unsigned            budget = TURN;
        size_t              used;
        struct span         input = { t->kept, t->kept_length };
        enum session_status status =
            session_run(&t->session, t->worker, input, &used, t->reply, &budget);

        memmove(t->kept, t->kept + used, t->kept_length - used);
        t->kept_length -= used;
        ck_assert_uint_le(reply_left(t->reply),
                          t->session.login.done ? REPLY_BYTES : LOGIN_REPLY_MAX + 64);
        drain(t);
        t->closed = status == SESSION_CLOSE || status == SESSION_DROP;
        if (status == SESSION_MORE)
            break;
    }
}

/* All that was said since the last call is this. */
static void
assert_out(struct talk *t, struct span expected)
{
    ck_assert_msg(span_equal((struct span){ t->out, t->out_length }, expected),
                  "said %.*s", (int)t->out_length, t->out);
    t->out_length = 0;
}

/* Nobody has asked the cache for anything or obeyed an order, and nothing is in it. */
static void
assert_untouched(struct talk *t)
{
    struct command_counters           *counters = &t->worker->executor.counters;
    struct cache_counters              of_cache;
    static struct cache_class_counters of_class[CACHE_CLASS_MAX + 1];
    const uint64_t                    *each = (const uint64_t *)counters;

    counters->auth_cmds = counters->auth_errors = 0;
    for (size_t i = 0; i < sizeof(*counters) / sizeof(*each); i++)
        quick_assert(each[i] == 0);
    cache_counters_sum(t->f.cache, &of_cache, of_class);
    ck_assert_uint_eq(of_cache.items_linked, 0);
    ck_assert_uint_eq(t->stub.orders, 0);
}

/* ---- text ------------------------------------------------------------------------ */

static const char *const commands[] = {
    "get a\r\n",
    "gets a b\r\n",
    "gat 0 a\r\n",
    "gats 0 a\r\n",
    "mg a v\r\n",
    "me a b c\r\n",
    "md a q\r\n",
    "ma a N0\r\n",
    "delete a\r\n",
    "incr a 1\r\n",
    "decr a 1\r\n",
    "touch a 0\r\n",
    "flush_all\r\n",
    "flush_all noreply\r\n",
    "version\r\n",
    "verbosity 1\r\n",
    "stats\r\n",
    "stats settings\r\n",
    "stats reset\r\n",
    "stats conns\r\n",
    "stats detail on\r\n",
    "stats cachedump 1 1\r\n",
    "shutdown\r\n",
    "refresh_certs\r\n",
    "cache_memlimit 64\r\n",
    "slabs automove 0\r\n",
    "lru mode flat\r\n",
    "watch\r\n",
    "lru_crawler metadump all\r\n",
    "debugtime p\r\n",
    "foo noreply\r\n",
    "GET / HTTP/1.1\r\n",
};

START_TEST(no_command_runs_before_a_login)
{
    struct talk *t = talk_begin(SESSION_TEXT, _i % 2 == 1);

    feed(t, text_span(commands[_i / 2]));
    assert_out(t, refused);
    ck_assert_int_eq(t->closed, false);
    assert_untouched(t);
    talk_end(t);
}
END_TEST

START_TEST(no_store_runs_before_a_login_and_its_value_is_no_command)
{
    static const char *const stores[] = {
        "add a 0 0 7\r\nfoo bar\r\n",    "replace a 0 0 7\r\nfoo bar\r\n",
        "append a 0 0 7\r\nfoo bar\r\n", "prepend a 0 0 7\r\nfoo bar\r\n",
        "cas a 0 0 7 1\r\nfoo bar\r\n",  "ms a 7 T0\r\nfoo bar\r\n",
    };

    for (size_t i = 0; i < LENGTH(stores); i++) {
        struct talk *t = talk_begin(SESSION_TEXT, false);

        feed(t, text_span(stores[i]));
        assert_out(t, SPAN("CLIENT_ERROR unauthenticated\r\n"
                           "CLIENT_ERROR unauthenticated\r\n"));
        assert_untouched(t);
        talk_end(t);
    }
}
END_TEST

static const struct {
    const char *in, *out;
} dialogues[] = {
    { "set x 0 0 7\r\nfoo bar\r\nset x 0 0 1\r\n1\r\nget x\r\nversion\r\n",
      "STORED\r\nSTORED\r\nVALUE x 0 1\r\n1\r\nEND\r\nVERSION 1.6.45-test\r\n" },
    { "set x 0 0 7\r\nfoo baz\r\nget x\r\nset x 0 0 7\r\nfoo bar\r\nget x\r\n",
      "CLIENT_ERROR authentication failure\r\nCLIENT_ERROR unauthenticated\r\n"
      "STORED\r\nEND\r\n" },
    { "set x 0 0 99999\r\nset x 0 0 7\r\nfoo barset x 0 0 7\r\nfoo bar\r\nmn\r\n",
      "CLIENT_ERROR auth token too long\r\nCLIENT_ERROR bad command line termination\r\n"
      "CLIENT_ERROR unauthenticated\r\nCLIENT_ERROR unauthenticated\r\n" },
    { "get a\r\nquit\r\n", "CLIENT_ERROR unauthenticated\r\n" },
};

START_TEST(a_dialogue_is_the_same_however_its_bytes_arrive)
{
    struct span in = text_span(dialogues[_i].in), out = text_span(dialogues[_i].out);

    for (size_t cut = 0; cut < in.length; cut++) {
        struct talk *t = talk_begin(SESSION_AUTO, true);

        feed(t, (struct span){ in.at, cut });
        feed(t, (struct span){ in.at + cut, in.length - cut });
        assert_out(t, out);
        talk_end(t);
    }
}
END_TEST

START_TEST(the_tenth_refusal_in_a_row_is_the_last)
{
    struct talk *t = talk_begin(SESSION_TEXT, false);

    for (int i = 0; i < LOGIN_REFUSALS_MAX - 1; i++)
        feed(t, i % 2 == 0 ? SPAN("get foo\r\n") : SPAN("set x 0 0 7\r\nfoo baz\r\n"));
    ck_assert_int_eq(t->closed, false);
    t->out_length = 0;
    feed(t, SPAN("get foo\r\nget foo\r\n"));
    ck_assert_int_eq(t->closed, true);
    assert_out(t, refused);
    talk_end(t);
}
END_TEST

START_TEST(what_holds_a_password_is_marked_as_secret)
{
    struct talk *t = talk_begin(SESSION_TEXT, false);

    feed(t, SPAN("set x 0 0 9\r\nfoo bar\r\n"));
    ck_assert(t->session.login.secret);
    feed(t, SPAN("set x 0 0 7\r\nfoo bar\r\n"));
    feed(t, SPAN("set x 0 0 7\r\nfoo bar\r\n"));
    ck_assert_msg(t->session.login.secret, "the login itself");
    feed(t, SPAN("get x\r\n"));
    ck_assert(!t->session.login.secret);
    talk_end(t);
}
END_TEST

/* ---- binary ---------------------------------------------------------------------- */

/* Build a request at `to`; its length. */
static size_t
build(char *to, uint8_t opcode, size_t extras, struct span key, struct span value)
{
    size_t body = extras + key.length + value.length;

    memset(to, 0, HEADER + extras);
    to[0] = (char)0x80;
    to[1] = (char)opcode;
    to[2] = (char)(key.length >> 8);
    to[3] = (char)key.length;
    to[4] = (char)extras;
    to[8] = (char)(body >> 24);
    to[9] = (char)(body >> 16);
    to[10] = (char)(body >> 8);
    to[11] = (char)body;
    to[15] = (char)opcode; /* the opaque */
    memcpy(to + HEADER + extras, key.at, key.length);
    if (value.length > 0)
        memcpy(to + HEADER + extras + key.length, value.at, value.length);
    return HEADER + body;
}

static void
ask(struct talk *t, uint8_t opcode, struct span key, struct span value)
{
    char request[HEADER + 8192];

    t->out_length = 0;
    feed(t, (struct span){ request, build(request, opcode, 0, key, value) });
}

/* The one answer has this status and this body. */
static void
assert_answer(struct talk *t, unsigned status, struct span body)
{
    ck_assert_uint_eq(t->out_length, HEADER + body.length);
    ck_assert_uint_eq((uint8_t)t->out[0], 0x81);
    ck_assert_uint_eq((unsigned)((uint8_t)t->out[6] << 8 | (uint8_t)t->out[7]), status);
    ck_assert(span_equal((struct span){ t->out + HEADER, body.length }, body));
}

#define FAILURE 0x20, SPAN("Auth failure.")
#define GRANTED 0x00, SPAN("Authenticated")

START_TEST(no_opcode_runs_before_a_login)
{
    static const struct {
        size_t      extras;
        struct span key, value;
    } shapes[] = { { 0, SPAN(""), SPAN("") },    { 0, SPAN("k"), SPAN("") },
                   { 0, SPAN("k"), SPAN("v") },  { 4, SPAN("k"), SPAN("") },
                   { 8, SPAN("k"), SPAN("v") },  { 20, SPAN("k"), SPAN("") },
                   { 0, SPAN(""), SPAN("junk") } };
    char request[HEADER + 64];

    for (size_t i = 0; i < LENGTH(shapes); i++) {
        struct talk *t = talk_begin(SESSION_BINARY, true);

        feed(t, (struct span){ request, build(request, (uint8_t)_i, shapes[i].extras,
                                              shapes[i].key, shapes[i].value) });
        assert_untouched(t);
        if (_i == 0x0b || (_i >= 0x20 && _i <= 0x22)) {
            ck_assert_int_eq(t->session.login.done, false);
        } else {
            assert_answer(t, FAILURE);
            ck_assert_int_eq(t->closed, true);
        }
        ck_assert_uint_eq(t->asked, 0);
        talk_end(t);
    }
}
END_TEST

START_TEST(without_sasl_a_binary_session_can_do_nothing)
{
    struct talk *t = talk_begin(SESSION_BINARY, false);

    ask(t, 0x21, SPAN("PLAIN"), SPAN("\0foo\0bar"));
    assert_answer(t, FAILURE);
    ck_assert_int_eq(t->closed, true);
    talk_end(t);
}
END_TEST

START_TEST(sasl_lets_in_who_knows_the_password)
{
    struct talk *t = talk_begin(SESSION_AUTO, true);

    ask(t, 0x20, SPAN(""), SPAN(""));
    assert_answer(t, 0, SPAN("PLAIN"));
    ask(t, 0x0b, SPAN(""), SPAN(""));
    assert_answer(t, 0, SPAN("1.6.45-test"));
    ask(t, 0x21, SPAN("PLAIN"), SPAN("\0foo\0baz"));
    assert_answer(t, FAILURE);
    ask(t, 0x21, SPAN("PLAIN"), SPAN("foo\0bar"));
    assert_answer(t, FAILURE);
    ask(t, 0x21, SPAN("plain"), SPAN("\0foo\0bar"));
    assert_answer(t, FAILURE);
    ask(t, 0x21, SPAN("PLAIN"), SPAN("\0foo\0bar"));
    assert_answer(t, GRANTED);
    ask(t, 0x0a, SPAN(""), SPAN(""));
    assert_answer(t, 0, SPAN(""));
    ck_assert_int_eq(t->closed, false);
    ck_assert_uint_eq(t->worker->executor.counters.auth_cmds, 4);
    ck_assert_uint_eq(t->worker->executor.counters.auth_errors, 3);
    talk_end(t);
}
END_TEST

START_TEST(a_step_needs_a_beginning)
{
    struct talk *t = talk_begin(SESSION_BINARY, true);

    ask(t, 0x22, SPAN("PLAIN"), SPAN("\0foo\0bar"));
    assert_answer(t, FAILURE);
    ask(t, 0x21, SPAN("PLAIN"), SPAN(""));
    assert_answer(t, 0x21, SPAN(""));
    ask(t, 0x22, SPAN("PLAIN"), SPAN("\0foo\0bar"));
    assert_answer(t, GRANTED);
    ask(t, 0x22, SPAN("PLAIN"), SPAN("\0foo\0bar"));
    assert_answer(t, FAILURE);
    ask(t, 0x0a, SPAN(""), SPAN(""));
    assert_answer(t, FAILURE);
    ck_assert_int_eq(t->closed, true);
    talk_end(t);
}
END_TEST

START_TEST(a_login_that_goes_wrong_ends_the_one_before)
{
    static const struct {
        uint8_t     opcode;
        struct span message;
    } logins[] = { { 0x21, SPAN("\0foo\0baz") },
                   { 0x21, SPAN("nonsense") },
                   { 0x21, SPAN("") },
                   { 0x22, SPAN("\0foo\0bar") } };

    for (size_t i = 0; i < LENGTH(logins); i++) {
        struct talk *t = talk_begin(SESSION_BINARY, true);
        char         both[2 * HEADER + 64];
        size_t       first;

        ask(t, 0x21, SPAN("PLAIN"), SPAN("\0foo\0bar"));
        assert_answer(t, GRANTED);
        /* In one packet, so that the second is parsed together with the first. */
        first = build(both, logins[i].opcode, 0, SPAN("PLAIN"), logins[i].message);
        feed(t, (struct span){
                    both, first + build(both + first, 0x00, 0, SPAN("key"), SPAN("")) });
        ck_assert_int_eq(t->closed, true);
        ck_assert_uint_eq(t->worker->executor.counters.get_misses, 0);
        talk_end(t);
    }
}
END_TEST

START_TEST(a_sasl_login_is_whole_or_it_is_waited_for)
{
    char   request[HEADER + 64];
    size_t length = build(request, 0x21, 0, SPAN("PLAIN"), SPAN("\0foo\0bar"));

    for (size_t cut = 0; cut < length; cut++) {
        struct talk *t = talk_begin(SESSION_AUTO, true);

        feed(t, (struct span){ request, cut });
        ck_assert_uint_eq(t->asked, 0);
        ck_assert_uint_eq(t->kept_length, cut);
        feed(t, (struct span){ request + cut, length - cut });
        assert_answer(t, GRANTED);
        talk_end(t);
    }
}
END_TEST

START_TEST(a_sasl_login_has_limits)
{
    static char  message[LOGIN_TOKEN_MAX];
    struct talk *t = talk_begin(SESSION_BINARY, true);
    struct span  longest = { message, LOGIN_TOKEN_MAX - 5 };
    struct span  longer = { message, LOGIN_TOKEN_MAX - 4 };

    memset(message, 'x', sizeof(message));
    message[0] = message[4] = '\0';
    ask(t, 0x21, SPAN("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"), SPAN("x"));
    assert_answer(t, 0x04, SPAN("Invalid arguments"));
    ck_assert_int_eq(t->closed, false);
    ask(t, 0x21, SPAN("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"), SPAN("x"));
    assert_answer(t, FAILURE);
    ask(t, 0x21, SPAN("PLAIN"), longest);
    assert_answer(t, FAILURE);
    ck_assert_uint_eq(t->asked, 1);
    ck_assert_int_eq(t->closed, false);
    ask(t, 0x21, SPAN("PLAIN"), longer);
    assert_answer(t, FAILURE);
    ck_assert_uint_eq(t->asked, 1);
    ck_assert_int_eq(t->closed, true);
    talk_end(t);
}
END_TEST

/* feed() holds what waits against LOGIN_REPLY_MAX. */
START_TEST(what_waits_to_be_sent_before_a_login_is_little)
{
    struct talk *t = talk_begin(SESSION_BINARY, true);
    char         many[200 * HEADER];

    for (size_t i = 0; i < 200; i++)
        build(many + i * HEADER, i % 2 ? 0x0b : 0x20, 0, SPAN(""), SPAN(""));
    feed(t, (struct span){ many, sizeof(many) });
    ck_assert_uint_eq(t->out_length, 100 * (2 * HEADER + 5 + 11));
    ck_assert_int_eq(t->closed, false);
    talk_end(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("protocol/login");
    TCase *parsing = fixture_case(suite, "parsing");
    TCase *text = fixture_case(suite, "text");
    TCase *binary = fixture_case(suite, "binary");

    tcase_add_test(parsing, a_login_looks_like_a_store);
    tcase_add_test(parsing, what_does_not_is_refused_and_only_its_line_is_taken);
    tcase_add_test(parsing, a_cut_anywhere_asks_for_more_and_consumes_nothing);
    tcase_add_test(parsing, a_line_of_less_than_six_bytes_is_not_borne);
    tcase_add_test(parsing, a_line_may_have_2048_bytes);
    tcase_add_test(parsing, a_token_may_have_4096_bytes);
    tcase_add_test(parsing, a_plain_message_has_three_parts);
    tcase_add_loop_test(text, no_command_runs_before_a_login, 0, 2 * LENGTH(commands));
    tcase_add_test(text, no_store_runs_before_a_login_and_its_value_is_no_command);
    tcase_add_loop_test(text, a_dialogue_is_the_same_however_its_bytes_arrive, 0,
                        LENGTH(dialogues));
    tcase_add_test(text, the_tenth_refusal_in_a_row_is_the_last);
    tcase_add_test(text, what_holds_a_password_is_marked_as_secret);
    tcase_add_loop_test(binary, no_opcode_runs_before_a_login, 0, 256);
    tcase_add_test(binary, without_sasl_a_binary_session_can_do_nothing);
    tcase_add_test(binary, sasl_lets_in_who_knows_the_password);
    tcase_add_test(binary, a_step_needs_a_beginning);
    tcase_add_test(binary, a_login_that_goes_wrong_ends_the_one_before);
    tcase_add_test(binary, a_sasl_login_is_whole_or_it_is_waited_for);
    tcase_add_test(binary, a_sasl_login_has_limits);
    tcase_add_test(binary, what_waits_to_be_sent_before_a_login_is_little);
    return fixture_run(suite);
}
