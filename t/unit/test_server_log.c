/* t/unit/test_server_log.c - messages, as lines on standard error and as entries of a journal. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "server/log.h"
#include "t/unit/suite.h"

/* ---- Fixture --------------------------------------------------------------------- */

/* Standard error is one end of something, and the test reads the other one. */
struct fixture {
    struct log       log;
    struct options   options;
    _Atomic unsigned verbosity;
    int              ours, own_stderr;
    char             told[1 << 20]; /* more than any test says */
};

static struct fixture *
make(int theirs, int ours)
{
    struct fixture *f = calloc(1, sizeof(*f));

    ck_assert_ptr_nonnull(f);
    f->ours = ours;
    f->own_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(dup2(theirs, STDERR_FILENO), STDERR_FILENO);
    close(theirs);
    return f;
}

static struct fixture *
make_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    return make(ends[1], ends[0]);
}

static void
open_log(struct fixture *f, const char *journal)
{
    char text[256] = "";

    ck_assert_msg(
        log_open(&f->log, &f->options, &f->verbosity, journal, text, sizeof(text)), "%s",
        text);
}

/* All that was told since the last look. */
static const char *
told(struct fixture *f)
{
    size_t  used = 0;
    ssize_t got;

    while ((got = read(f->ours, f->told + used, sizeof(f->told) - 1 - used)) > 0)
        used += (size_t)got;
    f->told[used] = '\0';
    return f->told;
}

static void
drop(struct fixture *f)
{
    log_close(&f->log);
    dup2(f->own_stderr, STDERR_FILENO);
    close(f->own_stderr);
    close(f->ours);
    free(f);
}

/* ---- Lines of text --------------------------------------------------------------- */

START_TEST(text_is_the_message_and_a_warning_says_that_it_is_one)
{
    struct fixture *f = make_pipe();

    open_log(f, LOG_JOURNAL);
    log_say(&f->log, LOG_START_FAILED, LOG_FIELDS(LOG_NUMBER("port", 1)), "port %d", 1);
    log_say(&f->log, LOG_START_WARNING, NULL, "no huge pages");
    ck_assert_str_eq(told(f), "port 1\nwarning: no huge pages\n");
    drop(f);
}
END_TEST

START_TEST(verbosity_decides_what_is_told)
{
    static const char *const wanted[] = { "notice\n", "notice\ninfo\n",
                                          "notice\ninfo\ndebug\n" };
    struct fixture          *f = make_pipe();

    open_log(f, LOG_JOURNAL);
    for (unsigned i = 0; i < 5; i++) {
        atomic_store(&f->verbosity, i);
        log_say(&f->log, LOG_MEMORY_RESTORED, NULL, "notice");
        log_say(&f->log, LOG_PASSWORDS_READ, NULL, "info");
        log_say(&f->log, LOG_REQUEST, NULL, "debug");
        ck_assert_str_eq(told(f), wanted[i < 2 ? i : 2]);
    }
    drop(f);
}
END_TEST

START_TEST(what_is_no_printable_character_is_shown_as_bytes)
{
    static const char *const texts[][2] = {
        { "a b~", "a b~" },
        { "\n\r\t\x7f\x1b[2J", "\\x0a\\x0d\\x09\\x7f\\x1b[2J" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xff\xc3", "\\xff\\xc3" },                            /* cut */
        { "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf" }, /* too long */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },                   /* half of a pair */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },          /* above U+10FFFF */
        { "\xc2\x9b", "\\xc2\\x9b" }, /* a control character of terminals */
        { "\xe2\x82"
          "x",
          "\\xe2\\x82x" },
    };
    struct fixture *f = make_pipe();

    open_log(f, LOG_JOURNAL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char wanted[256];

        snprintf(wanted, sizeof(wanted), "%s\n", texts[i][1]);
        log_say(&f->log, LOG_START_FAILED, NULL, "%s", texts[i][0]);
        ck_assert_str_eq(told(f), wanted);
    }
    drop(f);
}
END_TEST

/* ---- Lines of JSON --------------------------------------------------------------- */

START_TEST(json_has_time_level_event_message_and_fields)
{
    struct fixture *f = make_pipe();
    const char     *line;
    int             year, month, day, hour, minute, second, us, used = 0;

    f->options.log_format = OPTIONS_LOG_JSON;
    open_log(f, LOG_JOURNAL);
    log_say(&f->log, LOG_SECRET_EXPOSED,
            LOG_FIELDS(LOG_NUMBER("fd", 7),
                       LOG_TEXT("path", SPAN("a\"b\\c\n\xff\xc3\xa9")),
                       LOG_TEXT("none", SPAN(""))),
            "in \"%s\"", "\\");
    line = told(f);
    ck_assert_int_eq(sscanf(line, "{\"time\":\"%4d-%2d-%2dT%2d:%2d:%2d.%6dZ\"%n", &year,
                            &month, &day, &hour, &minute, &second, &us, &used),
                     7);
    ck_assert_int_eq(used, 37);
    ck_assert_int_ge(year, 2026);
    ck_assert_str_eq(line + used,
                     ",\"level\":\"warning\",\"event\":\"secret_exposed\","
                     "\"message\":\"in \\\"\\\\\\\"\",\"fd\":7,"
                     "\"path\":\"a\\\"b\\\\c\\\\x0a\\\\xff\xc3\xa9\",\"none\":\"\"}\n");
    drop(f);
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_still_json)
{
    static const char *const kinds[] = { "x", "\"", "\x01", "\xe2\x82\xac" };
    struct fixture          *f = make_pipe();

    f->options.log_format = OPTIONS_LOG_JSON;
    open_log(f, LOG_JOURNAL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        static char field[9000];
        size_t      length = strlen(kinds[i]), used;
        const char *line, *at;

        for (size_t at_byte = 0; at_byte + length <= sizeof(field); at_byte += length)
            memcpy(field + at_byte, kinds[i], length);
        log_say(&f->log, LOG_START_FAILED,
                LOG_FIELDS(LOG_TEXT("a", ((struct span){ field, sizeof(field) })),
                           LOG_TEXT("b", ((struct span){ field, sizeof(field) })),
                           LOG_NUMBER("c", UINT64_MAX)),
                "%.*s", (int)sizeof(field), field);
        line = told(f);
        used = strlen(line);
        ck_assert_uint_le(used, PIPE_BUF);
        ck_assert_uint_gt(used, PIPE_BUF / 2);
        at = strstr(line, "\",\"b\":\"\",\"c\":18446744073709551615}\n");
        ck_assert_ptr_nonnull(at);
        ck_assert_str_eq(at + strlen("\",\"b\":\"\",\"c\":18446744073709551615}\n"), "");
    }
    drop(f);
}
END_TEST

/* ---- How often ------------------------------------------------------------------- */

static unsigned
count_lines(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

START_TEST(what_comes_too_often_is_counted_and_told_of_once)
{
    struct fixture     *f = make_pipe();
    struct log_counters counters;

    open_log(f, LOG_JOURNAL);
    for (unsigned i = 0; i < LOG_BURST + 5; i++)
        log_say(&f->log, LOG_PASSWORDS_REFUSED, NULL, "refused");
    ck_assert_uint_eq(count_lines(told(f)), LOG_BURST);
    log_tick(&f->log);
    ck_assert_str_eq(told(f), "");
    log_say(&f->log, LOG_CERTIFICATES_REFUSED, NULL, "another one");
    ck_assert_str_eq(told(f), "another one\n");

    /* The time is over. */
    atomic_fetch_sub(&f->log.rates[LOG_PASSWORDS_REFUSED].since_us,
                     LOG_WINDOW_S * 1000000);
    log_tick(&f->log);
    ck_assert_str_eq(told(f), "warning: suppressed 5 messages: passwords_refused\n");
    log_tick(&f->log);
    ck_assert_str_eq(told(f), "");
    log_say(&f->log, LOG_PASSWORDS_REFUSED, NULL, "refused");
    ck_assert_str_eq(told(f), "refused\n");
    log_count(&f->log, &counters);
    ck_assert_uint_eq(counters.suppressed, 5);
    ck_assert_uint_eq(counters.dropped, 0);
    drop(f);
}
END_TEST

START_TEST(what_was_suppressed_is_told_at_the_end)
{
    struct fixture *f = make_pipe();

    open_log(f, LOG_JOURNAL);
    for (unsigned i = 0; i < LOG_BURST + 1; i++)
        log_say(&f->log, LOG_PASSWORDS_REFUSED, NULL, "refused");
    told(f);
    log_close(&f->log);
    ck_assert_str_eq(told(f), "warning: suppressed 1 messages: passwords_refused\n");
    open_log(f, LOG_JOURNAL);
    drop(f);
}
END_TEST

START_TEST(what_an_administrator_has_asked_for_is_never_suppressed)
{
    struct fixture *f = make_pipe();

    open_log(f, LOG_JOURNAL);
    atomic_store(&f->verbosity, 2);
    for (unsigned i = 0; i < 10 * LOG_BURST; i++) {
        log_say(&f->log, LOG_REQUEST, NULL, "<1 get k");
        log_say(&f->log, LOG_PASSWORDS_READ, NULL, "the passwords were read again");
    }
    ck_assert_uint_eq(count_lines(told(f)), 20 * LOG_BURST);
    drop(f);
}
END_TEST

/* ---- Who does not read ----------------------------------------------------------- */

/* More than any buffer holds. */
static void
say_much(struct fixture *f)
{
    open_log(f, LOG_JOURNAL);
    atomic_store(&f->verbosity, 2);
    for (unsigned i = 0; i < 100000; i++)
        log_say(&f->log, LOG_REQUEST, NULL, "<1 get key_%06u", i);
}

static void
assert_whole_lines_and_the_rest_counted(struct fixture *f)
{
    struct log_counters counters;
    unsigned            lines = 0, number;
    size_t              left = 0;
    char               *text = NULL, *at;
    size_t              bytes = 0;

    do {
        const char *more = told(f);

        left = strlen(more);
        text = realloc(text, bytes + left + 1);
        ck_assert_ptr_nonnull(text);
        memcpy(text + bytes, more, left + 1);
        bytes += left;
    } while (left > 0);
    for (at = text; *at != '\0'; at = strchr(at, '\n') + 1, lines++) {
        ck_assert_int_eq(sscanf(at, "<1 get key_%6u", &number), 1);
        ck_assert_int_eq(at[17], '\n');
        ck_assert_uint_eq(number, lines);
    }
    log_count(&f->log, &counters);
    ck_assert_uint_gt(lines, 0);
    ck_assert_uint_gt(counters.dropped, 0);
    ck_assert_uint_eq(lines + counters.dropped, 100000);
    log_say(&f->log, LOG_REQUEST, NULL, "on");
    ck_assert_str_eq(told(f), "on\n");
    free(text);
}

START_TEST(a_full_pipe_costs_lines_and_no_waiting)
{
    struct fixture *f;
    int             ends[2], other;

    ck_assert_int_eq(pipe(ends), 0);
    other = dup(ends[1]);
    f = make(ends[1], ends[0]);
    say_much(f);
    ck_assert_int_eq(fcntl(other, F_GETFL) & O_NONBLOCK, 0); /* it is not ours alone */
    close(other);
    assert_whole_lines_and_the_rest_counted(f);
    drop(f);
}
END_TEST

/* A socket cannot be opened anew. */
START_TEST(a_full_socket_costs_lines_and_no_waiting)
{
    struct fixture *f;
    int             ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    f = make(ends[0], ends[1]);
    say_much(f);
    assert_whole_lines_and_the_rest_counted(f);
    drop(f);
}
END_TEST

/* A terminal takes parts of lines. What comes when somebody reads on begins a new one. */
START_TEST(a_stopped_terminal_costs_lines_and_no_waiting)
{
    struct fixture     *f;
    struct log_counters counters;
    struct termios      raw;
    int                 ours = posix_openpt(O_RDWR | O_NOCTTY), theirs;
    const char         *rest;

    ck_assert_int_ge(ours, 0);
    ck_assert_int_eq(grantpt(ours), 0);
    ck_assert_int_eq(unlockpt(ours), 0);
    theirs = open(ptsname(ours), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(theirs, 0);
    ck_assert_int_eq(tcgetattr(theirs, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(theirs, TCSANOW, &raw), 0);
    f = make(theirs, ours);
    say_much(f);
    log_count(&f->log, &counters);
    ck_assert_uint_gt(counters.dropped, 0);
    do
        rest = told(f);
    while (rest[0] != '\0' && strlen(rest) == sizeof(f->told) - 1);
    log_say(&f->log, LOG_REQUEST, NULL, "on");
    rest = told(f);
    ck_assert_msg(strcmp(rest, "on\n") == 0 || strcmp(rest, "\non\n") == 0, "%s", rest);
    drop(f);
}
END_TEST

/* ---- Many threads ---------------------------------------------------------------- */

enum { TALKERS = 4, LINES = 5000 };

static void *
talk(void *arg)
{
    struct log *log = arg;

    for (unsigned i = 0; i < LINES; i++) {
        log_say(log, LOG_REQUEST, NULL, "<%06u xxxxxxxxxxxxxxxxxxxxxxxx>", i);
        if (i % 100 == 0)
            log_say(log, LOG_CERTIFICATES_REFUSED, NULL, "refused");
    }
    return NULL;
}

START_TEST(lines_of_threads_are_whole_and_all_are_counted)
{
    struct fixture     *f = make_pipe();
    struct log_counters counters;
    pthread_t           threads[TALKERS];
    unsigned            lines = 0, refused = 0, alive = TALKERS, number;

    open_log(f, LOG_JOURNAL);
    atomic_store(&f->verbosity, 2);
    for (unsigned i = 0; i < TALKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, talk, &f->log), 0);
    while (alive > 0) {
        const char *at;

        log_tick(&f->log);
        if (pthread_tryjoin_np(threads[alive - 1], NULL) == 0)
            alive--;
        for (at = told(f); *at != '\0'; at = strchr(at, '\n') + 1) {
            int end = 0;

            if (strncmp(at, "refused\n", 8) == 0) {
                refused++;
                continue;
            }
            if (strncmp(at, "warning: ", 9) == 0)
                continue; /* this took longer than a window */
            sscanf(at, "<%6u xxxxxxxxxxxxxxxxxxxxxxxx>%n", &number, &end);
            ck_assert_int_eq(end, 33);
            ck_assert_int_eq(at[end], '\n');
            lines++;
        }
    }
    log_count(&f->log, &counters);
    ck_assert_uint_ge(refused + counters.suppressed + counters.dropped,
                      TALKERS * LINES / 100);
    ck_assert_uint_eq(lines + refused + counters.suppressed + counters.dropped,
                      TALKERS * LINES + TALKERS * LINES / 100);
    drop(f);
}
END_TEST

/* ---- The journal ----------------------------------------------------------------- */

struct journal {
    char path[108];
    int  fd;
    char entry[PIPE_BUF + 1];
};

static void
make_journal(struct journal *journal)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(journal->path, sizeof(journal->path), "/tmp/larder-journal-%ld",
             (long)getpid());
    unlink(journal->path);
    memcpy(address.sun_path, journal->path, sizeof(address.sun_path));
    journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(journal->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static const char *
next_entry(struct journal *journal)
{
    ssize_t got = recv(journal->fd, journal->entry, sizeof(journal->entry) - 1, 0);

    journal->entry[got > 0 ? got : 0] = '\0';
    return journal->entry;
}

static void
drop_journal(struct journal *journal)
{
    close(journal->fd);
    unlink(journal->path);
}

/* Standard error leads to the journal, or so says who has started us. */
static void
set_stream(long more)
{
    char        text[64];
    struct stat st;

    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino + (uintmax_t)more);
    setenv("JOURNAL_STREAM", text, 1);
}

START_TEST(the_journal_is_told_where_standard_error_leads_there)
{
    struct fixture *f = make_pipe();
    struct journal  journal;

    make_journal(&journal);
    set_stream(0);
    open_log(f, journal.path);
    log_say(&f->log, LOG_START_FAILED,
            LOG_FIELDS(LOG_NUMBER("fd", 7), LOG_TEXT("path", SPAN("a\nb=\xff"))),
            "line\n%d", 1);
    ck_assert_str_eq(next_entry(&journal),
                     "PRIORITY=3\nSYSLOG_IDENTIFIER=larder\nLARDER_EVENT=start_failed\n"
                     "MESSAGE=line\\x0a1\nLARDER_FD=7\nLARDER_PATH=a\\x0ab=\\xff\n");
    ck_assert_str_eq(told(f), "");
    drop(f);
    drop_journal(&journal);
}
END_TEST

START_TEST(it_is_not_where_standard_error_leads_elsewhere_or_it_is_not_asked_for)
{
    struct fixture *f = make_pipe();
    struct journal  journal;

    make_journal(&journal);
    for (unsigned i = 0; i < 3; i++) {
        set_stream(i == 0);
        if (i == 1)
            unsetenv("JOURNAL_STREAM");
        f->options.log_target = i == 2 ? OPTIONS_LOG_STDERR : OPTIONS_LOG_AUTO;
        open_log(f, journal.path);
        log_say(&f->log, LOG_MEMORY_RESTORED, NULL, "restored");
        ck_assert_str_eq(told(f), "restored\n");
        ck_assert_str_eq(next_entry(&journal), "");
        log_close(&f->log);
    }
    open_log(f, journal.path);
    drop(f);
    drop_journal(&journal);
}
END_TEST

START_TEST(asked_for_by_name_it_is_told_all_and_a_person_why_nothing_starts)
{
    struct fixture *f = make_pipe();
    struct journal  journal;

    make_journal(&journal);
    unsetenv("JOURNAL_STREAM");
    f->options.log_target = OPTIONS_LOG_JOURNALD;
    open_log(f, journal.path);
    log_say(&f->log, LOG_MEMORY_RESTORED, NULL, "restored");
    log_say(&f->log, LOG_START_FAILED, NULL, "in use");
    ck_assert_ptr_nonnull(strstr(next_entry(&journal), "PRIORITY=5\n"));
    ck_assert_ptr_nonnull(strstr(next_entry(&journal), "MESSAGE=in use\n"));
    ck_assert_str_eq(told(f), "in use\n");
    drop(f);
    drop_journal(&journal);
}
END_TEST

START_TEST(a_journal_that_is_asked_for_has_to_be_there)
{
    struct fixture *f = make_pipe();
    char            text[256];

    unsetenv("JOURNAL_STREAM");
    f->options.log_target = OPTIONS_LOG_JOURNALD;
    ck_assert(!log_open(&f->log, &f->options, &f->verbosity, "/nonexistent/socket", text,
                        sizeof(text)));
    ck_assert_str_eq(text,
                     "no journal at /nonexistent/socket: No such file or directory");

    f->options.log_target = OPTIONS_LOG_AUTO; /* there is standard error */
    set_stream(0);
    open_log(f, "/nonexistent/socket");
    log_say(&f->log, LOG_MEMORY_RESTORED, NULL, "restored");
    ck_assert_str_eq(told(f), "restored\n");
    drop(f);
}
END_TEST

START_TEST(a_journal_that_does_not_read_costs_entries_and_no_waiting)
{
    struct fixture     *f = make_pipe();
    struct journal      journal;
    struct log_counters counters;
    unsigned            entries = 0;

    make_journal(&journal);
    f->options.log_target = OPTIONS_LOG_JOURNALD;
    open_log(f, journal.path);
    atomic_store(&f->verbosity, 2);
    for (unsigned i = 0; i < 10000; i++)
        log_say(&f->log, LOG_REQUEST, NULL, "<1 get k");
    while (next_entry(&journal)[0] != '\0')
        entries++;
    log_count(&f->log, &counters);
    ck_assert_uint_gt(entries, 0);
    ck_assert_uint_gt(counters.dropped, 0);
    ck_assert_uint_eq(entries + counters.dropped, 10000);
    drop(f);
    drop_journal(&journal);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server_log");
    TCase *lines = fixture_case(suite, "lines"), *rate = fixture_case(suite, "rate");
    TCase *full = fixture_case(suite, "full"), *journal = fixture_case(suite, "journal");

    tcase_add_test(lines, text_is_the_message_and_a_warning_says_that_it_is_one);
    tcase_add_test(lines, verbosity_decides_what_is_told);
    tcase_add_test(lines, what_is_no_printable_character_is_shown_as_bytes);
    tcase_add_test(lines, json_has_time_level_event_message_and_fields);
    tcase_add_test(lines, what_is_too_long_is_cut_and_still_json);
    tcase_add_test(rate, what_comes_too_often_is_counted_and_told_of_once);
    tcase_add_test(rate, what_was_suppressed_is_told_at_the_end);
    tcase_add_test(rate, what_an_administrator_has_asked_for_is_never_suppressed);
    tcase_add_test(full, a_full_pipe_costs_lines_and_no_waiting);
    tcase_add_test(full, a_full_socket_costs_lines_and_no_waiting);
    tcase_add_test(full, a_stopped_terminal_costs_lines_and_no_waiting);
    tcase_add_test(full, lines_of_threads_are_whole_and_all_are_counted);
    tcase_add_test(journal, the_journal_is_told_where_standard_error_leads_there);
    tcase_add_test(journal,
                   it_is_not_where_standard_error_leads_elsewhere_or_it_is_not_asked_for);
    tcase_add_test(journal,
                   asked_for_by_name_it_is_told_all_and_a_person_why_nothing_starts);
    tcase_add_test(journal, a_journal_that_is_asked_for_has_to_be_there);
    tcase_add_test(journal, a_journal_that_does_not_read_costs_entries_and_no_waiting);
    return fixture_run(suite);
}
