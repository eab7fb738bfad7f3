/* t/unit/test_bench_protocol.c - what is sent, and what is taken as an answer.
 *
 * Each dialogue is a request, its bytes, an answer to it, and what that says. The answer is also
 * cut everywhere, which has to ask for more and for no more than there will be, and followed by
 * something else, of which nothing may be taken.
 */
#include "bench/larder-bench/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/value.h"
#include "t/unit/suite.h"

/* A literal with its length: the binary protocol has zeros. */
#define BYTES(text)                                                                      \
    {                                                                                    \
        "" text, sizeof(text) - 1                                                        \
    }

struct dialogue {
    const struct protocol *protocol;
    enum op                op;
    unsigned               keys; /* that are asked for: "a", "b" ... */
    struct span            sent; /* none: it has a value, and is looked at elsewhere */
    struct span            came;
    enum outcome           outcomes[4]; /* of the parts of the answer */
    unsigned               parts;
    const char            *value; /* of the first hit */
    uint64_t               number;
};

/* clang-format off */
static const struct dialogue dialogues[] = {
    { &protocol_text, OP_GET, 1, BYTES("get a\r\n"), BYTES("VALUE a 0 5\r\nhe\r\no\r\nEND\r\n"),
      { OUTCOME_HIT }, 1, "he\r\no", 0 },
    { &protocol_text, OP_GET, 1, BYTES("get a\r\n"), BYTES("END\r\n"), { OUTCOME_MISS }, 1, NULL, 0 },
    { &protocol_text, OP_MGET, 3, BYTES("get a b c\r\n"),
      BYTES("VALUE a 0 1\r\nx\r\nVALUE c 0 0\r\n\r\nEND\r\n"),
      { OUTCOME_HIT, OUTCOME_HIT, OUTCOME_NONE }, 3, "x", 0 },
    { &protocol_text, OP_CAS, 1, BYTES("gets a\r\n"), BYTES("VALUE a 0 1 77\r\nx\r\nEND\r\n"),
      { OUTCOME_HIT }, 1, "x", 77 },
    { &protocol_text, OP_SET_CAS, 1, { NULL, 0 }, BYTES("EXISTS\r\n"), { OUTCOME_REFUSED }, 1, NULL, 0 },
    { &protocol_text, OP_SET, 1, { NULL, 0 }, BYTES("STORED\r\n"), { OUTCOME_STORED }, 1, NULL, 0 },
    { &protocol_text, OP_INCR, 1, BYTES("incr a 1\r\n"), BYTES("42\r\n"), { OUTCOME_NUMBER }, 1, NULL, 42 },
    { &protocol_text, OP_INCR, 1, BYTES("incr a 1\r\n"), BYTES("NOT_FOUND\r\n"), { OUTCOME_MISS }, 1, NULL, 0 },
    { &protocol_text, OP_DELETE, 1, BYTES("delete a\r\n"), BYTES("DELETED\r\n"), { OUTCOME_STORED }, 1, NULL, 0 },

    { &protocol_meta, OP_GET, 1, BYTES("mg a v k\r\n"), BYTES("VA 2 ka\r\nhi\r\n"), { OUTCOME_HIT }, 1, "hi", 0 },
    { &protocol_meta, OP_GET, 1, BYTES("mg a v k\r\n"), BYTES("EN\r\n"), { OUTCOME_MISS }, 1, NULL, 0 },
    { &protocol_meta, OP_MGET, 2, BYTES("mg a v k q\r\nmg b v k q\r\nmn\r\n"),
      BYTES("VA 1 kb\r\nx\r\nMN\r\n"), { OUTCOME_HIT, OUTCOME_NONE }, 2, "x", 0 },
    { &protocol_meta, OP_CAS, 1, BYTES("mg a v k c\r\n"), BYTES("VA 1 ka c9\r\nx\r\n"), { OUTCOME_HIT }, 1, "x", 9 },
    { &protocol_meta, OP_INCR, 1, BYTES("ma a v\r\n"), BYTES("VA 2\r\n42\r\n"), { OUTCOME_NUMBER }, 1, NULL, 42 },
    { &protocol_meta, OP_SET, 1, { NULL, 0 }, BYTES("HD\r\n"), { OUTCOME_STORED }, 1, NULL, 0 },
    { &protocol_meta, OP_SET_CAS, 1, { NULL, 0 }, BYTES("EX\r\n"), { OUTCOME_REFUSED }, 1, NULL, 0 },
    { &protocol_meta, OP_DELETE, 1, BYTES("md a\r\n"), BYTES("NF\r\n"), { OUTCOME_MISS }, 1, NULL, 0 },

    { &protocol_binary, OP_GET, 1,
      BYTES("\x80\0\0\1\0\0\0\0" "\0\0\0\1\0\0\0\0" "\0\0\0\0\0\0\0\0" "a"),
      BYTES("\x81\0\0\0\4\0\0\0" "\0\0\0\6\0\0\0\0" "\0\0\0\0\0\0\0\7" "\0\0\0\0hi"),
      { OUTCOME_HIT }, 1, "hi", 0 },
    { &protocol_binary, OP_GET, 1,
      BYTES("\x80\0\0\1\0\0\0\0" "\0\0\0\1\0\0\0\0" "\0\0\0\0\0\0\0\0" "a"),
      BYTES("\x81\0\0\0\0\0\0\1" "\0\0\0\x09\0\0\0\0" "\0\0\0\0\0\0\0\0" "Not found"),
      { OUTCOME_MISS }, 1, NULL, 0 },
    { &protocol_binary, OP_MGET, 1,
      BYTES("\x80\x0d\0\1\0\0\0\0" "\0\0\0\1\0\0\0\0" "\0\0\0\0\0\0\0\0" "a"
            "\x80\x0a\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0"),
      BYTES("\x81\x0d\0\1\4\0\0\0" "\0\0\0\6\0\0\0\0" "\0\0\0\0\0\0\0\7" "\0\0\0\0ax"
            "\x81\x0a\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0"),
      { OUTCOME_HIT, OUTCOME_NONE }, 2, "x", 0 },
    { &protocol_binary, OP_INCR, 1, { NULL, 0 },
      BYTES("\x81\5\0\0\0\0\0\0" "\0\0\0\x08\0\0\0\0" "\0\0\0\0\0\0\0\7" "\0\0\0\0\0\0\1\0"),
      { OUTCOME_NUMBER }, 1, NULL, 256 },
    { &protocol_binary, OP_SET, 1, { NULL, 0 },
      BYTES("\x81\1\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\7"), { OUTCOME_STORED }, 1, NULL, 0 },
    { &protocol_binary, OP_SET_CAS, 1, { NULL, 0 },
      BYTES("\x81\1\0\0\0\0\0\2" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\7"), { OUTCOME_REFUSED }, 1, NULL, 0 },

    { &protocol_resp, OP_GET, 1, BYTES("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), BYTES("$2\r\nhi\r\n"),
      { OUTCOME_HIT }, 1, "hi", 0 },
    { &protocol_resp, OP_GET, 1, BYTES("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), BYTES("$-1\r\n"),
      { OUTCOME_MISS }, 1, NULL, 0 },
    { &protocol_resp, OP_MGET, 2, BYTES("*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n"),
      BYTES("*2\r\n$-1\r\n$1\r\nx\r\n"), { OUTCOME_NONE, OUTCOME_MISS, OUTCOME_HIT }, 3, "x", 0 },
    { &protocol_resp, OP_INCR, 1, BYTES("*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"), BYTES(":42\r\n"),
      { OUTCOME_NUMBER }, 1, NULL, 42 },
    { &protocol_resp, OP_DELETE, 1, BYTES("*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"), BYTES(":1\r\n"),
      { OUTCOME_STORED }, 1, NULL, 1 },
    { &protocol_resp, OP_SET, 1, { NULL, 0 }, BYTES("+OK\r\n"), { OUTCOME_STORED }, 1, NULL, 0 },
};

/* What nobody may take for an answer. */
static const struct {
    const struct protocol *protocol;
    enum op                op;
    struct span            came;
} wrong[] = {
    { &protocol_text, OP_GET, BYTES("STORED\r\n") },
    { &protocol_text, OP_GET, BYTES("SERVER_ERROR out of memory\r\n") },
    { &protocol_text, OP_GET, BYTES("VALUE a 0\r\n") },
    { &protocol_text, OP_GET, BYTES("VALUE a 0 x\r\n") },
    { &protocol_text, OP_GET, BYTES("VALUE a 0 99999999999\r\n") },
    { &protocol_text, OP_GET, BYTES("VALUE a 0 1\r\nxyz\r\nEND\r\n") },
    { &protocol_text, OP_GET, BYTES("VALUE a 0 1\r\nx\r\nEMD\r\n") },
    { &protocol_text, OP_GET, BYTES("END\n") },
    { &protocol_text, OP_CAS, BYTES("VALUE a 0 1\r\nx\r\nEND\r\n") },
    { &protocol_text, OP_SET, BYTES("END\r\n") },
    { &protocol_text, OP_SET, BYTES("5\r\n") },
    { &protocol_text, OP_INCR, BYTES("5 \r\n") },
    { &protocol_meta, OP_GET, BYTES("VA x\r\n") },
    { &protocol_meta, OP_GET, BYTES("VA 1 ka\r\nxx\r\n") },
    { &protocol_meta, OP_INCR, BYTES("VA 1\r\nx\r\n") },
    { &protocol_meta, OP_CAS, BYTES("VA 1 cx\r\ny\r\n") },
    { &protocol_meta, OP_SET, BYTES("CLIENT_ERROR bad\r\n") },
    { &protocol_meta, OP_MGET, BYTES("EN\r\n") },
    { &protocol_binary, OP_GET, BYTES("END\r\n                   ") },
    { &protocol_binary, OP_GET, BYTES("\x81\1\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\7") },
    { &protocol_binary, OP_GET, BYTES("\x81\0\0\0\4\0\0\0" "\0\0\0\3\0\0\0\0" "\0\0\0\0\0\0\0\7" "\0\0\0") },
    { &protocol_binary, OP_SET, BYTES("\x81\1\0\0\0\0\0\x82" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\7") },
    { &protocol_resp, OP_GET, BYTES("+OK\r\n") },
    { &protocol_resp, OP_GET, BYTES("$x\r\n") },
    { &protocol_resp, OP_GET, BYTES("\r\n") },
    { &protocol_resp, OP_MGET, BYTES("*7\r\n") },
    { &protocol_resp, OP_SET, BYTES("-ERR no\r\n") },
};
/* clang-format on */

enum {
    DIALOGUES = sizeof(dialogues) / sizeof(dialogues[0]),
    WRONG = sizeof(wrong) / sizeof(wrong[0]),
};

/* A copy of exactly that length, so that the address sanitizer sees who reads beyond it. */
static struct span
copy(struct span bytes, size_t length)
{
    char *at = malloc(length > 0 ? length : 1);

    memcpy(at, bytes.at, length);
    return (struct span){ at, length };
}

/* Take all parts of the answer; how many bytes they have together. */
static size_t
take(const struct dialogue *d, struct span data, const char **value)
{
    struct request request = { .op = d->op, .count = d->keys };
    size_t         at = 0, used;
    struct answer  answer;

    *value = NULL;
    for (; request.parts < d->parts; request.parts++, at += used) {
        struct span rest = { data.at + at, data.length - at };

        ck_assert_int_eq(d->protocol->parse(rest, &request, &answer, &used), PARSED);
        ck_assert_int_eq(answer.outcome, d->outcomes[request.parts]);
        ck_assert_int_eq(answer.last, request.parts == d->parts - 1);
        if (answer.outcome == OUTCOME_HIT && *value == NULL)
            *value = strndup(answer.value.at, answer.value.length);
    }
    if (d->op == OP_CAS)
        ck_assert_uint_eq(answer.cas, d->number);
    else
        ck_assert_uint_eq(answer.number, d->number);
    return at;
}

START_TEST(a_request_is_sent_to_the_byte)
{
    const struct dialogue *d = &dialogues[_i];
    struct key             keys[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };
    struct request         request = { .op = d->op, .count = d->keys, .keys = keys };
    struct buffer          out = { 0 };

    if (d->sent.length == 0)
        return;
    d->protocol->compose(&out, &request);
    ck_assert_uint_eq(buffer_length(&out), d->sent.length);
    ck_assert_mem_eq(out.data, d->sent.at, d->sent.length);
    buffer_fini(&out);
}
END_TEST

START_TEST(an_answer_is_taken_to_the_byte_whatever_follows)
{
    const struct dialogue *d = &dialogues[_i];
    struct span            alone = copy(d->came, d->came.length), more;
    char                   both[1000];
    const char            *value;

    ck_assert_uint_eq(take(d, alone, &value), d->came.length);
    ck_assert(value != NULL ? d->value != NULL && strcmp(value, d->value) == 0
                            : d->value == NULL);
    free((char *)value);
    memcpy(both, d->came.at, d->came.length);
    memset(both + d->came.length, 'E', 100);
    more = (struct span){ both, d->came.length + 100 };
    ck_assert_uint_eq(take(d, more, &value), d->came.length);
    free((char *)value);
    free((char *)alone.at);
}
END_TEST

START_TEST(a_cut_anywhere_asks_for_more_but_not_for_too_much)
{
    const struct dialogue *d = &dialogues[_i];
    struct request         request = { .op = d->op, .count = d->keys };
    struct answer          answer;
    size_t                 first, used;

    ck_assert_int_eq(d->protocol->parse(d->came, &request, &answer, &first), PARSED);
    for (size_t length = 0; length < first; length++) {
        struct span part = copy(d->came, length);

        ck_assert_int_eq(d->protocol->parse(part, &request, &answer, &used), PARSED_LESS);
        ck_assert_uint_gt(used, length);
        ck_assert_uint_le(used, first);
        free((char *)part.at);
    }
}
END_TEST

START_TEST(what_is_no_answer_is_told_from_one_that_is_to_come)
{
    struct request request = { .op = wrong[_i].op, .count = 2 };
    struct span    came = copy(wrong[_i].came, wrong[_i].came.length);
    struct answer  answer;
    size_t         used;

    ck_assert_int_eq(wrong[_i].protocol->parse(came, &request, &answer, &used),
                     PARSED_WRONG);
    free((char *)came.at);
}
END_TEST

START_TEST(a_line_without_an_end_is_no_answer)
{
    static const struct protocol *const with_lines[] = { &protocol_text, &protocol_meta,
                                                         &protocol_resp };
    struct request                      request = { .op = OP_GET, .count = 1 };
    struct answer                       answer;
    char                                line[PROTOCOL_LINE_MOST];
    size_t                              used;

    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 3; i++) {
        struct span data = { line, sizeof(line) };

        ck_assert_int_eq(with_lines[i]->parse(data, &request, &answer, &used),
                         PARSED_WRONG);
        data.length--;
        ck_assert_int_eq(with_lines[i]->parse(data, &request, &answer, &used),
                         PARSED_LESS);
    }
}
END_TEST

/* What stands before and behind the 10 bytes of a value. */
static void
assert_stores(const struct protocol *protocol, enum op op, struct span before,
              struct span behind)
{
    struct key     key = { "a", 1 };
    struct request request = { op, 1, &key, 10, 7, 0 };
    struct buffer  out = { 0 };

    value_init();
    protocol->compose(&out, &request);
    ck_assert_uint_eq(buffer_length(&out), before.length + 10 + behind.length);
    ck_assert_mem_eq(out.data, before.at, before.length);
    ck_assert_uint_eq(value_verify(value_hash("a", 1), out.data + before.length, 10), 10);
    ck_assert_mem_eq(out.data + before.length + 10, behind.at, behind.length);
    buffer_fini(&out);
}

START_TEST(a_value_is_sent_with_its_length_and_a_cas_with_its_id)
{
    assert_stores(&protocol_text, OP_SET, SPAN("set a 0 0 10\r\n"), SPAN("\r\n"));
    assert_stores(&protocol_text, OP_SET_CAS, SPAN("cas a 0 0 10 7\r\n"), SPAN("\r\n"));
    assert_stores(&protocol_meta, OP_SET, SPAN("ms a 10\r\n"), SPAN("\r\n"));
    assert_stores(&protocol_meta, OP_SET_CAS, SPAN("ms a 10 C7\r\n"), SPAN("\r\n"));
    assert_stores(&protocol_resp, OP_SET, SPAN("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\n"),
                  SPAN("\r\n"));
    assert_stores(&protocol_binary, OP_SET,
                  SPAN("\x80\1\0\1\x08\0\0\0"
                       "\0\0\0\x13\0\0\0\0"
                       "\0\0\0\0\0\0\0\0"
                       "\0\0\0\0\0\0\0\0a"),
                  SPAN(""));
    assert_stores(&protocol_binary, OP_SET_CAS,
                  SPAN("\x80\1\0\1\x08\0\0\0"
                       "\0\0\0\x13\0\0\0\0"
                       "\0\0\0\0\0\0\0\7"
                       "\0\0\0\0\0\0\0\0a"),
                  SPAN(""));
}
END_TEST

START_TEST(protocols_are_found_by_their_names)
{
    ck_assert_ptr_eq(protocol_find("binary"), &protocol_binary);
    ck_assert_ptr_eq(protocol_find("resp"), &protocol_resp);
    ck_assert_ptr_null(protocol_find("telnet"));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/protocol");
    TCase *tcase = fixture_case_of_one(suite, "protocol");

    tcase_add_loop_test(tcase, a_request_is_sent_to_the_byte, 0, DIALOGUES);
    tcase_add_loop_test(tcase, an_answer_is_taken_to_the_byte_whatever_follows, 0,
                        DIALOGUES);
    tcase_add_loop_test(tcase, a_cut_anywhere_asks_for_more_but_not_for_too_much, 0,
                        DIALOGUES);
    tcase_add_loop_test(tcase, what_is_no_answer_is_told_from_one_that_is_to_come, 0,
                        WRONG);
    tcase_add_test(tcase, a_line_without_an_end_is_no_answer);
    tcase_add_test(tcase, a_value_is_sent_with_its_length_and_a_cas_with_its_id);
    tcase_add_test(tcase, protocols_are_found_by_their_names);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
