/* t/unit/test_bench_trace.c - recorded requests, and lines that are none. */
#include "bench/larder-bench/trace.h"

#include <string.h>

#include "t/unit/suite.h"

static bool
parse(const char *text, struct trace *trace, struct trace_error *error)
{
    return trace_parse(strdup(text), trace, error);
}

static void
assert_entry(const struct trace_entry *entry, enum op op, const char *key, uint32_t size)
{
    ck_assert_uint_eq(entry->op, op);
    ck_assert_uint_eq(entry->key_length, strlen(key));
    ck_assert_mem_eq(entry->key, key, strlen(key));
    ck_assert_uint_eq(entry->size, size);
}

START_TEST(a_line_is_an_operation_a_key_and_perhaps_a_size)
{
    struct trace       trace;
    struct trace_error error;

    ck_assert(parse("get a\nset some:key 100\ncas b 0\nincr c\ndelete d\nget e 7", &trace,
                    &error));
    ck_assert_uint_eq(trace.count, 6);
    assert_entry(&trace.entries[0], OP_GET, "a", TRACE_NO_SIZE);
    assert_entry(&trace.entries[1], OP_SET, "some:key", 100);
    assert_entry(&trace.entries[2], OP_CAS, "b", 0);
    assert_entry(&trace.entries[3], OP_INCR, "c", TRACE_NO_SIZE);
    assert_entry(&trace.entries[4], OP_DELETE, "d", TRACE_NO_SIZE);
    assert_entry(&trace.entries[5], OP_GET, "e", 7);
    trace_fini(&trace);
}
END_TEST

START_TEST(blanks_empty_lines_and_remarks_are_passed_over)
{
    struct trace       trace;
    struct trace_error error;

    ck_assert(parse("# recorded today\n\n \t\n  set\t k  5 \r\n  # more\nget k\n\n",
                    &trace, &error));
    ck_assert_uint_eq(trace.count, 2);
    assert_entry(&trace.entries[0], OP_SET, "k", 5);
    assert_entry(&trace.entries[1], OP_GET, "k", TRACE_NO_SIZE);
    trace_fini(&trace);
}
END_TEST

START_TEST(a_wrong_line_is_told_by_its_number_and_why)
{
    static const struct {
        const char *text;
        size_t      line;
        const char *why;
    } wrong[] = {
        { "get a\nput b\n", 2, "none of get, set" },
        { "mget a\n", 1, "none of get, set" },
        { "\n#\nget\n", 3, "no key" },
        { "get a\x01", 1, "no key" },
        { "set a x\n", 1, "no size" },
        { "set a -1\n", 1, "no size" },
        { "set a 134217729\n", 1, "no size" },
        { "set a 5 6\n", 1, "more than three" },
        { "", 0, "no request" },
        { "# nothing\n", 1, "no request" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct trace       trace;
        struct trace_error error;

        ck_assert_msg(!parse(wrong[i].text, &trace, &error), "%s", wrong[i].text);
        ck_assert_uint_eq(error.line, wrong[i].line);
        ck_assert_msg(strstr(error.why, wrong[i].why) != NULL, "%s", error.why);
        trace_fini(&trace);
    }
}
END_TEST

START_TEST(a_key_has_at_most_250_bytes)
{
    struct trace       trace;
    struct trace_error error;
    char               line[300];

    for (size_t length = 249; length <= 251; length++) {
        memcpy(line, "get ", 4);
        memset(line + 4, 'k', length);
        line[4 + length] = '\0';
        ck_assert_int_eq(parse(line, &trace, &error), length <= 250);
        trace_fini(&trace);
    }
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("bench/trace");
    TCase *tcase = fixture_case_of_one(suite, "trace");

    tcase_add_test(tcase, a_line_is_an_operation_a_key_and_perhaps_a_size);
    tcase_add_test(tcase, blanks_empty_lines_and_remarks_are_passed_over);
    tcase_add_test(tcase, a_wrong_line_is_told_by_its_number_and_why);
    tcase_add_test(tcase, a_key_has_at_most_250_bytes);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
