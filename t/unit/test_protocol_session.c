/* t/unit/test_protocol_session.c - whole dialogues without a socket.
 *
 * Each dialogue is fed whole, byte by byte, cut in two at every place, with a budget of
 * one request, and with large pieces read straight into their chunks: what comes out must
 * be the same bytes each time.
 */
#include "protocol/session.h"

#include <stdio.h>
#include <sys/uio.h>

#include "t/lib/host.h"
#include "t/unit/fixture.h"

enum { OUT_MAX = 1 << 20, STATS_LINES = 20000, DUMP_ITEMS = 3000 };

/* A session, and what it has said. */
struct talk {
    struct stub            stub;
    struct fixture         f;
    struct host            host;
    struct session_worker *worker;
    struct session         session;
    struct reply          *reply;
    char                  *out;
    size_t                 out_length;
    unsigned runs, runs_to_a_line; /* all, and after how many a line had ended */
    char     kept[1 << 16];        /* input that was not used */
    size_t   kept_length;
    bool     closed;
};

/* `stats conns` is long here. */
static void
some_stats(void *server, enum stats_kind kind, host_emit *emit, void *ctx)
{
    (void)server;
    for (unsigned i = 0; i < (kind == STATS_CONNS ? STATS_LINES : 1); i++)
        emit(ctx, "pid", "1");
}

static struct talk *
talk_begin(void)
{
    struct talk *t = calloc(1, sizeof(*t));

    fixture_init(&t->f);
    t->host = stub_host(&t->stub, t->f.cache, &t->f.clock);
    t->host.stats = some_stats;
    t->worker = calloc(1, sizeof(*t->worker));
    t->worker->executor.cache = t->f.cache;
    t->worker->executor.thread = t->f.thread;
    t->worker->executor.host = &t->host;
    t->reply = reply_create(t->f.thread);
    t->out = malloc(OUT_MAX);
    session_init(&t->session, SESSION_AUTO);
    return t;
}

static void
talk_end(struct talk *t)
{
    session_fini(&t->session, t->worker);
    reply_destroy(&t->reply);
    fixture_fini(&t->f);
    free(t->worker);
    free(t->out);
    free(t);
}

/* Send what the reply holds, three bytes of each vector at first to try that too. */
static void
drain(struct talk *t)
{
    while (reply_left(t->reply) > 0) {
        struct iovec vectors[3];
        unsigned     count = reply_vectors(t->reply, vectors, 3);
        size_t       n = vectors[0].iov_len > 3 ? 3 : vectors[0].iov_len;

        ck_assert_uint_ge(count, 1);
        ck_assert_uint_le(t->out_length + n, OUT_MAX);
        memcpy(t->out + t->out_length, vectors[0].iov_base, n);
        t->out_length += n;
        reply_advance(t->reply, n);
        if (n == 3) {
            struct reply *saved = reply_save(t->reply);

            ck_assert_ptr_nonnull(saved);
            ck_assert_uint_eq(reply_left(t->reply), 0);
            reply_destroy(&t->reply);
            t->reply = saved;
        }
    }
    reply_destroy(&t->reply);
    t->reply = reply_create(t->f.thread);
}

/* Feed bytes as a connection does. `turn` is the budget of one run. */
static void
feed(struct talk *t, struct span bytes, unsigned turn)
{
    memcpy(t->kept + t->kept_length, bytes.at, bytes.length);
    t->kept_length += bytes.length;
    while (!t->closed) {
        unsigned            budget = turn;
        size_t              used;
        struct span         input = { t->kept, t->kept_length };
        enum session_status status =
            session_run(&t->session, t->worker, input, &used, t->reply, &budget);

        ck_assert_uint_le(used, t->kept_length);
        memmove(t->kept, t->kept + used, t->kept_length - used);
        t->kept_length -= used;
        drain(t);
        t->runs++;
        t->runs_to_a_line += t->out_length > 0 && t->out[t->out_length - 1] == '\n';
        t->closed = status == SESSION_CLOSE || status == SESSION_DROP;
        if (status == SESSION_MORE)
            break;
    }
}

/* Feed the first bytes of an upload where a connection would read them to. */
static void
feed_direct(struct talk *t, struct span bytes)
{
    while (bytes.length > 0 && !t->closed) {
        size_t room, n = bytes.length;
        char  *to = session_upload_room(&t->session, t->worker, &room);

        if (room == 0) {
            n = 1;
            feed(t, (struct span){ bytes.at, 1 }, 100);
        } else {
            n = n < room ? n : room;
            memcpy(to, bytes.at, n);
            session_upload_fill(&t->session, n);
            feed(t, (struct span){ "", 0 }, 100);
        }
        bytes = (struct span){ bytes.at + n, bytes.length - n };
    }
}

static const struct {
    const char *in, *out;
} dialogues[] = {
    { "set a 5 0 3\r\nabc\r\nget a\r\n", "STORED\r\nVALUE a 5 3\r\nabc\r\nEND\r\n" },
    { "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nget a x b  a \r\n",
      "STORED\r\nSTORED\r\nVALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nVALUE a 0 "
      "1\r\n1\r\nEND\r\n" },
    { "set a 0 0 3\r\nabcdef\r\nmn\r\n",
      "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\nMN\r\n" },
    { "set a 0 0 0\r\n\r\nappend a 0 0 2\r\nxy\r\nprepend a 0 0 1\r\nw\r\nget a\r\n",
      "STORED\r\nSTORED\r\nSTORED\r\nVALUE a 0 3\r\nwxy\r\nEND\r\n" },
    { "add a 0 0 1 noreply\r\n5\r\nincr a 10\r\ndecr a 6\r\nget a\r\ndecr a 100\r\n",
      "15\r\n9\r\nVALUE a 0 2\r\n9 \r\nEND\r\n0\r\n" },
    { "incr a 1\r\ndelete a\r\ntouch a 0\r\ngat 0 a\r\nreplace a 0 0 1\r\nx\r\n",
      "NOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\nEND\r\nNOT_STORED\r\n" },
    { "set a 0 abc 5\r\nhello\r\nset a 0 0 x\r\nversion\r\n",
      "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n"
      "VERSION 1.6.45-test\r\n" },
    { "foo\r\nfoo noreply\r\n\r\nab\nget\r\nverbosity 1\r\nflush_all\r\n",
      "ERROR\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line "
      "format\r\n"
      "CLIENT_ERROR bad command line format\r\nOK\r\nOK\r\n" },
    { "set a 0 0 1\r\n1\r\nquit\r\nget a\r\n", "STORED\r\n" },
    { "version\r\nGET / HTTP/1.1\r\nversion\r\n", NULL }, /* closes, whatever it said */
    { "stats\r\nstats reset\r\n", "STAT pid 1\r\nEND\r\nRESET\r\n" },
    { "ms a 3 T30 F7\r\nabc\r\nmg a s v f t k Oq\r\nmg b v\r\nmn\r\n",
      "HD\r\nVA 3 s3 f7 t30 ka Oq\r\nabc\r\nEN\r\nMN\r\n" },
    { "ms a 2\r\nhi\r\nmd a I\r\nmg a v\r\nmg a v\r\nms a 3 q\r\nnew\r\nmg a v\r\nmd a "
      "q\r\nmn\r\n",
      "HD\r\nHD\r\nVA 2 X W\r\nhi\r\nVA 2 Z X\r\nhi\r\nVA 3\r\nnew\r\nMN\r\n" },
    { "mg a N30 v t\r\nmg a N30 v\r\nma c N0 J13 v\r\nma c D7 v\r\nma c MD D3 v\r\n",
      "VA 0 t30 W\r\n\r\nVA 0 Z\r\n\r\nVA 2\r\n13\r\nVA 2\r\n20\r\nVA 2\r\n17\r\n" },
    { "ms Zm9v 2 b k\r\nhi\r\nget foo\r\nmg foo k v\r\nmg Zg b\r\n",
      "HD kZm9v b\r\nVALUE foo 0 2\r\nhi\r\nEND\r\nVA 2 kZm9v b\r\nhi\r\n"
      "CLIENT_ERROR error decoding key\r\n" },
    { "ms a abc\r\nms a 2 S~ \r\nhi\r\nms a 2 I I\r\nhi\r\nms a 2 MX\r\nhi\r\nmn\r\n",
      NULL }, /* only that all ways agree */
};

/* Is this what the dialogue says? The first way of feeding it sets what NULL stands for. */
static void
check_and_end(struct talk *t, int i, const char *way, char **expected)
{
    if (*expected == NULL) {
        *expected = calloc(1, t->out_length + 1);
        memcpy(*expected, t->out, t->out_length);
    }
    t->out[t->out_length] = '\0';
    ck_assert_msg(t->out_length == strlen(*expected) && strcmp(t->out, *expected) == 0,
                  "dialogue %d, %s:\n%s\nbut expected:\n%s", i, way, t->out, *expected);
    talk_end(t);
}

START_TEST(a_dialogue_is_the_same_however_its_bytes_arrive)
{
    struct span  in = text_span(dialogues[_i].in);
    char        *expected = dialogues[_i].out != NULL ? strdup(dialogues[_i].out) : NULL;
    struct talk *t = talk_begin();

    feed(t, in, 1000);
    check_and_end(t, _i, "whole", &expected);

    t = talk_begin();
    feed(t, in, 1);
    check_and_end(t, _i, "with a budget of one", &expected);

    t = talk_begin();
    for (size_t i = 0; i < in.length; i++)
        feed(t, (struct span){ in.at + i, 1 }, 1000);
    check_and_end(t, _i, "byte by byte", &expected);

    t = talk_begin();
    feed_direct(t, in);
    check_and_end(t, _i, "with values read straight into their chunks", &expected);

    for (size_t cut = 1; cut < in.length; cut++) {
        t = talk_begin();
        feed(t, (struct span){ in.at, cut }, 1000);
        feed(t, (struct span){ in.at + cut, in.length - cut }, 1000);
        check_and_end(t, _i, "cut in two", &expected);
    }
    free(expected);
}
END_TEST

START_TEST(large_values_are_gathered_between_small_ones)
{
    struct talk *t = talk_begin();
    size_t       length = 3 * CACHE_COPY_MAX;
    char        *value = malloc(length);
    char         line[64];

    pattern_fill(value, length, 9);
    feed(t, text_span("set s 0 0 1\r\nx\r\n"), 100);
    snprintf(line, sizeof(line), "set l 0 0 %zu\r\n", length);
    feed(t, text_span(line), 100);
    feed(t, (struct span){ value, length }, 100);
    feed(t, text_span("\r\n"), 100);
    t->out_length = 0;
    feed(t, text_span("get s l s l\r\n"), 100);
    ck_assert_uint_gt(t->out_length, 2 * length);
    ck_assert_mem_eq(t->out, "VALUE s 0 1\r\nx\r\nVALUE l 0 12288\r\n", 33);
    ck_assert_mem_eq(t->out + 33, value, length);
    ck_assert_mem_eq(t->out + t->out_length - 7 - length, value, length);
    ck_assert_mem_eq(t->out + t->out_length - 7, "\r\nEND\r\n", 7);
    free(value);
    talk_end(t);
}
END_TEST

START_TEST(statistics_of_any_length_come_whole_and_before_what_follows)
{
    static const char line[] = "STAT pid 1\r\n";
    size_t            lines = STATS_LINES * (sizeof(line) - 1);
    struct talk      *t = talk_begin();

    feed(t, text_span("mn\r\nstats conns\r\nmn\r\n"), 100);
    ck_assert_uint_eq(t->out_length, 4 + lines + 5 + 4);
    ck_assert_mem_eq(t->out, "MN\r\nSTAT pid 1\r\n", 16);
    for (size_t at = 4; at < 4 + lines; at += sizeof(line) - 1)
        quick_assert(memcmp(t->out + at, line, sizeof(line) - 1) == 0);
    ck_assert_mem_eq(t->out + 4 + lines, "END\r\nMN\r\n", 9);
    talk_end(t);
}
END_TEST

START_TEST(a_dump_lists_every_item_and_the_dialogue_goes_on)
{
    struct talk *t = talk_begin();
    unsigned     listed = 0;
    char         line[64];

    for (unsigned i = 0; i < DUMP_ITEMS; i++) {
        snprintf(line, sizeof(line), "set key-%u 0 0 1 noreply\r\nx\r\n", i);
        feed(t, text_span(line), 100);
    }
    t->runs = t->runs_to_a_line = 0;
    feed(t, text_span("lru_crawler mgdump all\r\nmn\r\n"), 100);
    ck_assert_uint_gt(t->runs, 1);
    ck_assert_uint_eq(t->runs_to_a_line, 1);
    for (size_t at = 0; at + 3 < t->out_length; at++)
        listed += memcmp(t->out + at, "mg ", 3) == 0;
    ck_assert_uint_ge(listed, DUMP_ITEMS); /* one that moves may be listed twice */
    ck_assert_mem_eq(t->out, "OK\r\nmg key-", 11);
    ck_assert_mem_eq(t->out + t->out_length - 8, "EN\r\nMN\r\n", 8);
    talk_end(t);
}
END_TEST

START_TEST(a_multi_get_of_any_length_runs_in_constant_memory)
{
    struct talk *t = talk_begin();

    feed(t, text_span("set a 0 0 1\r\n1\r\nget"), 1000);
    t->out_length = 0;
    /* Once the line is longer than a line may be, keys are served as they come. */
    for (unsigned i = 0; i < 50000; i++) {
        feed(t, text_span(" missing"), 1000);
        ck_assert_uint_le(t->kept_length, TEXT_LINE_MAX + 16);
    }
    feed(t, text_span(" a\r\nmn\r\n"), 1000);
    ck_assert_uint_eq(t->out_length, 25);
    ck_assert_mem_eq(t->out, "VALUE a 0 1\r\n1\r\nEND\r\nMN\r\n", 25);
    talk_end(t);
}
END_TEST

START_TEST(a_half_sent_value_is_given_up_with_its_session)
{
    struct talk *t = talk_begin();

    feed(t, text_span("set a 0 0 1000\r\nonly this"), 100);
    ck_assert(!session_is_idle(&t->session));
    session_fini(&t->session, t->worker);
    ck_assert(session_is_idle(&t->session));
    ck_assert_int_eq(peek(&t->f, "a"), CACHE_MISS);
    talk_end(t); /* the chunk is back: cache_check() says so */
}
END_TEST

/* A binary request: header, extras, key, value. */
static size_t
frame(char *to, uint8_t opcode, const char *extras, uint8_t extras_length,
      const char *key, const char *value)
{
    size_t body = extras_length + strlen(key) + strlen(value);

    memset(to, 0, 24);
    to[0] = (char)0x80;
    to[1] = (char)opcode;
    to[3] = (char)strlen(key);
    to[4] = (char)extras_length;
    to[10] = (char)(body >> 8);
    to[11] = (char)body;
    memcpy(to + 24, extras, extras_length);
    memcpy(to + 24 + extras_length, key, strlen(key));
    memcpy(to + 24 + extras_length + strlen(key), value, strlen(value));
    return 24 + body;
}

START_TEST(binary_requests_are_the_same_however_their_bytes_arrive)
{
    static const char none[8];
    char              in[512], *expected = NULL;
    size_t            length = 0;
    struct talk      *t = talk_begin();

    length += frame(in + length, 0x01, none, 8, "k", "value");
    length += frame(in + length, 0x0c, none, 0, "k", "");
    length += frame(in + length, 0x09, none, 0, "missing", "");
    length += frame(in + length, 0x1b, none, 0, "unknown", "abc");
    length += frame(in + length, 0x0e, none, 0, "k", "more");
    length += frame(in + length, 0x00, none, 0, "k", "");
    length += frame(in + length, 0x04, none, 0, "k", "");
    length += frame(in + length, 0x0a, none, 0, "", "");
    feed(t, (struct span){ in, length }, 1000);
    ck_assert_uint_gt(t->out_length, 7 * 24);
    expected = malloc(t->out_length);
    memcpy(expected, t->out, t->out_length);
    for (size_t cut = 1; cut < length; cut++) {
        struct talk *other = talk_begin();

        feed(other, (struct span){ in, cut }, 1000);
        feed(other, (struct span){ in + cut, length - cut }, 1);
        ck_assert_uint_eq(other->out_length, t->out_length);
        /* CAS ids differ from cache to cache only by their stripe: seeds are the same. */
        ck_assert_mem_eq(other->out, expected, t->out_length);
        talk_end(other);
    }
    free(expected);
    talk_end(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("protocol/session");
    TCase *tcase = fixture_case(suite, "dialogues");

    tcase_add_loop_test(tcase, a_dialogue_is_the_same_however_its_bytes_arrive, 0,
                        LENGTH(dialogues));
    tcase_add_test(tcase, large_values_are_gathered_between_small_ones);
    tcase_add_test(tcase, statistics_of_any_length_come_whole_and_before_what_follows);
    tcase_add_test(tcase, a_dump_lists_every_item_and_the_dialogue_goes_on);
    tcase_add_test(tcase, a_multi_get_of_any_length_runs_in_constant_memory);
    tcase_add_test(tcase, a_half_sent_value_is_given_up_with_its_session);
    tcase_add_test(tcase, binary_requests_are_the_same_however_their_bytes_arrive);
    return fixture_run(suite);
}
