/* t/unit/test_server_config.c - options from a file and from the environment. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/options_file.h"
#include "server/options_table.h"
#include "t/unit/options_run.h"
#include "t/unit/suite.h"

/* ---- Fixture --------------------------------------------------------------------- */

/* Parse the words, and a file that holds this. */
static struct run
run_bytes(const char *text, size_t length, const char *const *words)
{
    char        path[] = "/tmp/larder-conf-XXXXXX";
    const char *all[ARGUMENTS_MAX + 1];
    int         count = 0, fd = mkstemp(path);
    struct run  run;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
    close(fd);
    for (; *words != NULL; words++)
        all[count++] = *words;
    all[count++] = "--config";
    all[count++] = path;
    all[count] = NULL;
    run = run_words(all);
    memcpy(run.path, path, sizeof(path));
    unlink(path);
    return run;
}

#define RUN(text, ...)                                                                   \
    run_bytes(text, strlen(text),                                                        \
              (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* It is refused, with this line number and reason. */
static void
assert_refused(struct run run, unsigned line, const char *reason)
{
    char wanted[256];

    ck_assert_int_eq(options_exit_code(run.status), 1);
    snprintf(wanted, sizeof(wanted), "larder: %s:%u: %s\n", run.path, line, reason);
    ck_assert_str_eq(run.err, wanted);
    drop(&run);
}

/* ---- Settings -------------------------------------------------------------------- */

START_TEST(settings_have_the_names_of_options_and_of_suboptions)
{
    struct run run = RUN("# a comment\n"
                         "\n"
                         "  memory-limit = 128  # another one\n"
                         "conn_limit=77\n"
                         "listen = \"127.0.0.1,::1\"\n"
                         "listen = '127.0.0.2'\n"
                         "idle-timeout = 60\t\r\n"
                         "hot_lru_pct = 30\n"
                         "pidfile = \"/run/a # b\"\n"
                         "unix-mask = 770");

    ck_assert_str_eq(run.err, "");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_uint_eq(run.o.memory_bytes, 128 << 20);
    ck_assert_uint_eq(run.o.connections_max, 77);
    ck_assert_str_eq(run.o.listen, "127.0.0.1,::1,127.0.0.2");
    ck_assert_uint_eq(run.o.idle_timeout_s, 60);
    ck_assert_uint_eq(run.o.lru_hot_percent, 30);
    ck_assert_str_eq(run.o.pid_file, "/run/a # b");
    ck_assert_uint_eq(run.o.unix_mode, 0770);
    drop(&run);
}
END_TEST

START_TEST(switches_are_on_or_off)
{
    struct run run = RUN("disable-cas\n"
                         "disable-evictions = no\n"
                         "enable-shutdown = yes\n"
                         "disable-dumping = on\n"
                         "no_slab_reassign\n"
                         "slab_automove = off\n"
                         "maxconns_fast = false\n"
                         "lru_maintainer = true\n"
                         "verbose = 2\n");

    ck_assert_str_eq(run.err, "");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert(!run.o.cas);
    ck_assert(run.o.evicts);
    ck_assert(run.o.shutdown_command);
    ck_assert(!run.o.dump);
    ck_assert(!run.o.slab_reassign);
    ck_assert_uint_eq(run.o.slab_automove, 0);
    ck_assert(!run.o.connections_fast);
    ck_assert(run.o.lru_maintainer);
    ck_assert_uint_eq(run.o.verbosity, 2);
    drop(&run);
}
END_TEST

/* A switch that is off changes nothing else either. */
START_TEST(no_large_pages_leave_the_chunks_alone)
{
    struct run run = RUN("enable-largepages = no\n"), plain = RUN("");

    ck_assert(!run.o.large_pages);
    ck_assert_uint_eq(run.o.chunk_bytes_max, plain.o.chunk_bytes_max);
    drop(&run);
    drop(&plain);
}
END_TEST

START_TEST(lines_with_a_hyphen_are_options)
{
    struct run run = RUN("-m 64\n"
                         "-p 11300\n"
                         "-u memcache\n"
                         "-l 127.0.0.1\n"
                         "-o idle_timeout=5,no_slab_automove -C\n"
                         "-vv\n"
                         "--threads=3 # workers\n");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_int_eq(run.o.tcp_port, 11300);
    ck_assert_str_eq(run.o.user, "memcache");
    ck_assert_uint_eq(run.o.idle_timeout_s, 5);
    ck_assert_uint_eq(run.o.slab_automove, 0);
    ck_assert(!run.o.cas);
    ck_assert_uint_eq(run.o.verbosity, 2);
    ck_assert_uint_eq(run.o.threads, 3);
    drop(&run);
}
END_TEST

/* Each option that takes a value and has a name can be said in a file. */
START_TEST(no_option_is_missing)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    char                     text[128];

    for (size_t i = 0; i < count; i++) {
        struct run run;

        if (rows[i].place == PLACE_SETTING || rows[i].name == NULL ||
            rows[i].state != OPTION_WORKS || rows[i].section == SECTION_HELP)
            continue;
        snprintf(text, sizeof(text), "%s = %%\n", rows[i].name);
        run = RUN(text);
        ck_assert_msg(strstr(run.err, "unknown option") == NULL, "%s", run.err);
        drop(&run);
    }
}
END_TEST

/* ---- What overrides what --------------------------------------------------------- */

START_TEST(the_command_line_overrides_the_environment_and_that_the_file)
{
    static const char file[] = "memory-limit = 10\nconn-limit = 10\nthreads = 1\n"
                               "listen = 127.0.0.1\nverbose = 3\n";
    struct run        run;

    setenv("LARDER_OPTIONS", " -c 20  --threads=2 -l '127.0.0.2' -l 127.0.0.3 ", 1);
    run = RUN(file, "-t", "3", "-v");
    ck_assert_str_eq(run.err, "");
    ck_assert_uint_eq(run.o.memory_bytes, 10 << 20);
    ck_assert_uint_eq(run.o.connections_max, 20);
    ck_assert_uint_eq(run.o.threads, 3);
    ck_assert_str_eq(run.o.listen, "127.0.0.2,127.0.0.3");
    ck_assert_uint_eq(run.o.verbosity, 1);
    drop(&run);
    run = RUN(file, "-l", "::1", "-l", "127.0.0.9");
    ck_assert_str_eq(run.o.listen, "::1,127.0.0.9");
    drop(&run);
    unsetenv("LARDER_OPTIONS");
}
END_TEST

START_TEST(what_is_wrong_in_the_environment_is_said_to_be_there)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        { "-m 'a", "larder: LARDER_OPTIONS: a quote is not closed, or these are too many "
                   "words\n" },
        { "-t 0", "larder: LARDER_OPTIONS: -t, --threads takes a whole number from 1 to "
                  "1024, not \"0\"\n" },
        { "-h", "larder: LARDER_OPTIONS: --help is for the command line alone\n" },
        { "11211", "larder: LARDER_OPTIONS: \"11211\" is no option\n" },
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct run run;

        setenv("LARDER_OPTIONS", cases[i].text, 1);
        run = RUN("");
        ck_assert_str_eq(run.err, cases[i].said);
        ck_assert_int_eq(options_exit_code(run.status), 1);
        drop(&run);
    }
    unsetenv("LARDER_OPTIONS");
}
END_TEST

/* ---- What is wrong --------------------------------------------------------------- */

static const struct {
    const char *line, *reason;
} bad_lines[] = {
    { "idel_timeout = 4",
      "unknown option \"idel_timeout\"; did you mean \"idle_timeout\"?" },
    { "memory_limt=3", "unknown option \"memory_limt\"; did you mean \"memory-limit\"?" },
    { "Threads = 3", "unknown option \"Threads\"; did you mean \"threads\"?" },
    { "logfile = /var/log/x", "unknown option \"logfile\"" },
    { "no_port", "unknown option \"no_port\"" },
    { "= 3", "unknown option \"\"" },
    { "port 11211", "between a name and its value belongs a =" },
    { "port =", "a value is missing behind the =" },
    { "port = # 3", "a value is missing behind the =" },
    { "port = 1 2", "there is more than one value; quotes keep blanks together" },
    { "port = \"12", "a quote is not closed" },
    { "user", "-u, --user needs a value" },
    { "port = 99999", "-p, --port takes a whole number from -1 to 65535, not \"99999\"" },
    { "disable-cas = maybe", "disable-cas is on or off, not \"maybe\"" },
    { "verbose = much", "verbose takes a number from 0 to 9, not \"much\"" },
    { "help", "--help is for the command line alone" },
    { "config = /x", "--config is for the command line alone" },
    { "-m 64 128", "\"128\" is no option" },
    { "-m '64", "a quote is not closed, or these are too many words" },
    { "-Q", "invalid option -- 'Q'" },
    { "--thread=2 --nosuch", "unrecognized or ambiguous option '--nosuch'" },
    { "-o idle_timeout=1,nosuch=1", "unknown option \"-o nosuch\"" },
    { "-o 'idel_timeout=1'",
      "unknown option \"-o idel_timeout\"; did you mean \"-o idle_timeout\"?" },
    { "\x1b[2Jx\x07 = 1", "unknown option \"\\x1b[2Jx\\x07\"" },
    { "threads = \xff\r2\x7f",
      "there is more than one value; quotes keep blanks together" },
    { "threads = \xff\xc3\xa4\x7f",
      "-t, --threads takes a whole number from 1 to 1024, not "
      "\"\\xff\xc3\xa4\\x7f\"" },
    { "\xef\xbb\xbfport = 1", "unknown option \"\xef\xbb\xbfport\"" },
};

START_TEST(a_bad_line_is_named_with_what_is_wrong)
{
    char text[256];

    snprintf(text, sizeof(text), "# first\nthreads = 2\n%s\nthreads = 3\n",
             bad_lines[_i].line);
    assert_refused(RUN(text), 3, bad_lines[_i].reason);
}
END_TEST

START_TEST(a_file_may_hold_no_zero_byte)
{
    static const char text[] = "threads = 2\nthreads = 3\0\n";

    assert_refused(run_bytes(text, sizeof(text) - 1, (const char *const[]){ NULL }), 2,
                   "a character of code 0");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
    struct run run = RUN("", "--config", "/nonexistent"), other;
    char      *argv[] = { (char *)(uintptr_t) "larder", (char *)(uintptr_t) "--config",
                          (char *)(uintptr_t) "/", NULL };

    drop(&run); /* the last one that is named counts: there it is */
    ck_assert_int_eq(run.status, OPTIONS_OK);
    other.status = options_parse(&other.o, 3, argv, stdout, stderr);
    ck_assert_int_eq(options_exit_code(other.status), 1);
    options_fini(&other.o);
}
END_TEST

/* All that is wrong is said, not only the first. */
START_TEST(every_mistake_is_named)
{
    static const char text[] = "thread = 2\n"
                               "port = 99999\n"
                               "idle_timeout = 5\n"
                               "-t 0 -o hot_lru_pct=x,nosuch=1,warm_lru_pct=y -Q\n"
                               "memory-limit = 1\n"
                               "max-item-size = 2m\n"
                               "hot_lru_pct = 60\n"
                               "warm_lru_pct = 60\n"
                               "listen = 127.0.0.1:x\n";
    static const struct {
        unsigned    line;
        const char *reason;
    } wanted[] = {
        { 1, "unknown option \"thread\"; did you mean \"threads\"?" },
        { 2, "-p, --port takes a whole number from -1 to 65535, not \"99999\"" },
        { 4, "-t, --threads takes a whole number from 1 to 1024, not \"0\"" },
        { 4, "-o hot_lru_pct takes a whole number from 1 to 79, not \"x\"" },
        { 4, "unknown option \"-o nosuch\"" },
        { 4, "-o warm_lru_pct takes a whole number from 1 to 79, not \"y\"" },
        { 4, "invalid option -- 'Q'" },
        { 6, "the largest item (-I) is more than half of the memory (-m)" },
        { 8, "-o hot_lru_pct and warm_lru_pct together are more than 80" },
        { 9, "-l 127.0.0.1: \"x\" is not a port" },
    };
    struct run run = RUN(text, "--check-config", "-c", "none");
    char      *rest = run.err, line[256];

    ck_assert_int_eq(options_exit_code(run.status), 1);
    ck_assert_str_eq(run.out, "");
    for (size_t i = 0; i < LENGTH(wanted); i++) {
        if (i == 7) /* between the lines and what concerns several of them */
            ck_assert_str_eq(strsep(&rest, "\n"),
                             "larder: -c, --conn-limit takes a whole number from 1 to "
                             "2147483647, not \"none\"");
        snprintf(line, sizeof(line), "larder: %s:%u: %s", run.path, wanted[i].line,
                 wanted[i].reason);
        ck_assert_str_eq(strsep(&rest, "\n"), line);
    }
    ck_assert_str_eq(rest, "");
    drop(&run);
}
END_TEST

/* A value that is refused is not what was meant: nothing is said of what follows from it. */
START_TEST(what_follows_from_a_mistake_is_none)
{
    assert_refused(RUN("hot_lru_pct = 60\nwarm_lru_pct = 1O\n"), 2,
                   "-o warm_lru_pct takes a whole number from 1 to 79, not \"1O\"");
}
END_TEST

START_TEST(the_mark_of_an_editor_is_passed_over)
{
    struct run run = RUN("\xef\xbb\xbfthreads = 3\nport = 1\n");

    ck_assert_str_eq(run.err, "");
    ck_assert_uint_eq(run.o.threads, 3);
    ck_assert_int_eq(run.o.tcp_port, 1);
    drop(&run);
    run = RUN("\xef\xbb\xbf");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
}
END_TEST

/* ---- --check-config -------------------------------------------------------------- */

START_TEST(a_check_says_good_and_ends)
{
    struct run run = RUN("threads = 2\n", "--check-config", "-u", "root");
    char       wanted[64];

    snprintf(wanted, sizeof(wanted), "%s: good\n", run.path);
    ck_assert_int_eq(run.status, OPTIONS_DONE);
    ck_assert_str_eq(run.out, wanted);
    ck_assert_str_eq(run.err, "");
    drop(&run);
}
END_TEST

START_TEST(a_check_finds_what_cannot_stand_together)
{
    struct run run = RUN("max-item-size = 60m\n", "--check-config");

    ck_assert_int_eq(options_exit_code(run.status), 64);
    ck_assert_str_eq(run.out, "");
    ck_assert_ptr_nonnull(strstr(run.err, "more than half of the memory"));
    drop(&run);
    assert_refused(RUN("thread = 2\n", "--check-config"), 1,
                   "unknown option \"thread\"; did you mean \"threads\"?");
}
END_TEST

START_TEST(what_cannot_stand_together_is_where_it_was_said_last)
{
    static const char *const texts[] = { "\nmemory-limit = 1\n", "-I 2m\n-m 3\n",
                                         "-m 3\n-I 2m\nthreads = 1\n",
                                         "threads = 1\n-m 3 -I 2m\n" };
    struct run               run;
    char                     wanted[256];

    for (size_t i = 0; i < LENGTH(texts); i++) {
        run = RUN(texts[i]);
        ck_assert_int_eq(options_exit_code(run.status), 64);
        snprintf(wanted, sizeof(wanted),
                 "larder: %s:2: the largest item (-I) is more than half of the memory "
                 "(-m)\n",
                 run.path);
        ck_assert_str_eq(run.err, wanted);
        drop(&run);
    }
    assert_refused(RUN("port = 1\nthreads = 2\nlisten = 127.0.0.1:x\n"), 3,
                   "-l 127.0.0.1: \"x\" is not a port");

    /* Here it is not the file's fault. */
    run = RUN("-I 2m\n", "-m", "3");
    ck_assert_str_eq(
        run.err, "larder: the largest item (-I) is more than half of the memory (-m)\n");
    drop(&run);
    setenv("LARDER_OPTIONS", "-m 3", 1);
    run = RUN("-I 2m\n");
    ck_assert_str_eq(run.err,
                     "larder: LARDER_OPTIONS: the largest item (-I) is more than "
                     "half of the memory (-m)\n");
    drop(&run);
    unsetenv("LARDER_OPTIONS");
}
END_TEST

/* ---- Words ----------------------------------------------------------------------- */

START_TEST(words_are_split_at_blanks_that_are_not_quoted)
{
    char text[] = " one  'two words' th\"re e\"'!'\t\"\" ", *words[4];
    char many[] = "a b c";

    ck_assert_int_eq(options_split(text, words, 4), 4);
    ck_assert_str_eq(words[0], "one");
    ck_assert_str_eq(words[1], "two words");
    ck_assert_str_eq(words[2], "thre e!");
    ck_assert_str_eq(words[3], "");
    ck_assert_int_eq(options_split(many, words, 2), -1);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/config");
    TCase *tcase = tcase_create("config");

    tcase_add_test(tcase, settings_have_the_names_of_options_and_of_suboptions);
    tcase_add_test(tcase, switches_are_on_or_off);
    tcase_add_test(tcase, no_large_pages_leave_the_chunks_alone);
    tcase_add_test(tcase, lines_with_a_hyphen_are_options);
    tcase_add_test(tcase, no_option_is_missing);
    tcase_add_test(tcase, the_command_line_overrides_the_environment_and_that_the_file);
    tcase_add_test(tcase, what_is_wrong_in_the_environment_is_said_to_be_there);
    tcase_add_loop_test(tcase, a_bad_line_is_named_with_what_is_wrong, 0,
                        (int)LENGTH(bad_lines));
    tcase_add_test(tcase, a_file_may_hold_no_zero_byte);
    tcase_add_test(tcase, a_file_that_cannot_be_read_is_named);
    tcase_add_test(tcase, every_mistake_is_named);
    tcase_add_test(tcase, what_follows_from_a_mistake_is_none);
    tcase_add_test(tcase, the_mark_of_an_editor_is_passed_over);
    tcase_add_test(tcase, a_check_says_good_and_ends);
    tcase_add_test(tcase, a_check_finds_what_cannot_stand_together);
    tcase_add_test(tcase, what_cannot_stand_together_is_where_it_was_said_last);
    tcase_add_test(tcase, words_are_split_at_blanks_that_are_not_quoted);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
