/* t/unit/test_server_passwords.c - which files are taken, and whom they let in. */
#include "server/passwords.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/unit/fixture.h"

/* "secret" with the salt "salt-of-sixteen!" and 1000 iterations; the same with another
 * salt; and with 2000. */
#define HASHED                                                                           \
    "$pbkdf2-sha256$1000$c2FsdC1vZi1zaXh0ZWVuIQ==$"                                      \
    "y0HvRtc6r8B7rj6Kw05dWso3PLVLFXIn1bYKo34MqT0="
#define HASHED_OTHERWISE                                                                 \
    "$pbkdf2-sha256$1000$c2FsdCBvZiB0aGlydHktdHdvIGJ5dGVzLCByZWFsbHk=$"                  \
    "P+kFnjr2YFyAThxOEyUluHRUkUE5ir/dYJtgDCYk4FY="
#define HASHED_LONGER                                                                    \
    "$pbkdf2-sha256$2000$c2FsdC1vZi1zaXh0ZWVuIQ==$"                                      \
    "jgJEmQHyAf13Yz1a1p1Sc6FbsQIvp6N+Jvi3hgP3Kbw="

struct file {
    char             path[64];
    char             text[256];
    struct passwords passwords;
};

static void
fill(struct file *f, struct span bytes)
{
    int fd = open(f->path, O_WRONLY | O_TRUNC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes.at, bytes.length), (ssize_t)bytes.length);
    close(fd);
}

static void
file_make(struct file *f, struct span bytes)
{
    int fd;

    *f = (struct file){ .path = "/tmp/test_passwords.XXXXXX" };
    fd = mkstemp(f->path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    fill(f, bytes);
}

static void
file_open(struct file *f, struct span bytes)
{
    file_make(f, bytes);
    ck_assert_msg(passwords_open(&f->passwords, f->path, f->text, sizeof(f->text)), "%s",
                  f->text);
}

static void
file_drop(struct file *f)
{
    passwords_close(&f->passwords);
    unlink(f->path);
}

static bool
lets_in(struct file *f, const char *user, const char *password)
{
    return passwords_check(&f->passwords, (struct span){ user, strlen(user) },
                           (struct span){ password, strlen(password) });
}

/* ---- who is let in --------------------------------------------------------------- */

START_TEST(a_user_is_let_in_with_his_password_and_nothing_else)
{
    struct file f;

    file_open(&f, SPAN("foo:bar\nuser:pass:word \nfoo:second\n"));
    ck_assert(lets_in(&f, "foo", "bar"));
    ck_assert(lets_in(&f, "foo", "second"));
    ck_assert(lets_in(&f, "user", "pass:word "));
    ck_assert(!lets_in(&f, "user", "pass:word"));
    ck_assert(!lets_in(&f, "user", "bar"));
    ck_assert(!lets_in(&f, "foo", "ba"));
    ck_assert(!lets_in(&f, "foo", "barr"));
    ck_assert(!lets_in(&f, "fo", "obar"));
    ck_assert(!lets_in(&f, "foo:", "bar"));
    ck_assert(!lets_in(&f, "FOO", "bar"));
    ck_assert(!lets_in(&f, "nobody", "bar"));
    ck_assert(!lets_in(&f, "foo", ""));
    ck_assert(!lets_in(&f, "", "bar"));
    ck_assert(!lets_in(&f, "", ""));
    file_drop(&f);
}
END_TEST

START_TEST(the_last_line_needs_no_end)
{
    struct file f;

    file_open(&f, SPAN("foo:bar\nlast:one"));
    ck_assert(lets_in(&f, "last", "one"));
    file_drop(&f);
}
END_TEST

START_TEST(ends_of_dos_empty_lines_and_comments_do_not_matter)
{
    struct file f;

    file_open(&f, SPAN("# who may\r\n\r\nfoo:bar\r\n\n#\n#colon:word\nlast:one\r"));
    ck_assert(lets_in(&f, "foo", "bar"));
    ck_assert(!lets_in(&f, "foo", "bar\r"));
    ck_assert(lets_in(&f, "last", "one"));
    ck_assert(lets_in(&f, "#colon", "word"));
    ck_assert(!lets_in(&f, "# who may", ""));
    ck_assert(!lets_in(&f, "", ""));
    file_drop(&f);
}
END_TEST

START_TEST(the_longest_line_is_taken_and_compared_to_its_end)
{
    struct file f;
    char        line[PASSWORDS_LINE_MAX + 1] = "u:", *password = line + 2;

    memset(password, 'p', PASSWORDS_LINE_MAX - 2);
    file_open(&f, (struct span){ line, PASSWORDS_LINE_MAX });
    ck_assert(lets_in(&f, "u", password));
    password[PASSWORDS_LINE_MAX - 3] = 'q';
    ck_assert(!lets_in(&f, "u", password));
    file_drop(&f);
}
END_TEST

START_TEST(a_list_of_the_most_lines_lets_all_of_them_in)
{
    char        text[PASSWORDS_MAX * 16], user[16], password[16];
    size_t      used = 0;
    struct file f;

    for (int i = 0; i < PASSWORDS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "u%d:p%d\n", i, i);
    file_open(&f, (struct span){ text, used });
    for (int i = 0; i < PASSWORDS_MAX; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        snprintf(password, sizeof(password), "p%d", i);
        quick_assert(lets_in(&f, user, password));
        snprintf(password, sizeof(password), "p%d", i + 1);
        quick_assert(!lets_in(&f, user, password));
    }
    file_drop(&f);
}
END_TEST

START_TEST(hashes_and_passwords_stand_side_by_side)
{
    struct file f;

    file_open(&f, SPAN("a:" HASHED "\nb:" HASHED_OTHERWISE "\nc:word\n"));
    ck_assert(lets_in(&f, "a", "secret"));
    ck_assert(lets_in(&f, "b", "secret"));
    ck_assert(lets_in(&f, "c", "word"));
    ck_assert(!lets_in(&f, "c", "secret"));
    ck_assert(!lets_in(&f, "d", "secret"));
    ck_assert(!lets_in(&f, "a", "Secret"));
    ck_assert(!lets_in(&f, "b", ""));
    ck_assert_msg(!lets_in(&f, "a", HASHED), "a hash is no password");
    file_drop(&f);
}
END_TEST

START_TEST(what_is_longer_than_a_line_lets_nobody_in)
{
    char        longer[PASSWORDS_LINE_MAX + 2];
    struct file f;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    file_open(&f, SPAN("a:" HASHED "\n"));
    ck_assert(!lets_in(&f, "a", longer));
    ck_assert(!lets_in(&f, longer, "secret"));
    file_drop(&f);
}
END_TEST

/* ---- which files are taken ------------------------------------------------------- */

#define SALT "c2FsdC1vZi1zaXh0ZWVuIQ=="
#define HASH "y0HvRtc6r8B7rj6Kw05dWso3PLVLFXIn1bYKo34MqT0="

static const struct {
    struct span bytes;
    const char *says;
} wrong[] = {
    { SPAN(""), ": nobody stands in it" },
    { SPAN("\n# foo\n\r\n"), ": nobody stands in it" },
    { SPAN("foo:bar\n\nfoo\n"), ":3: not user:password" },
    { SPAN("#foo\n foo\n"), ":2: not user:password" },
    { SPAN("foo\n"), ":1: not user:password" },
    { SPAN(":bar\n"), ":1: the user is empty" },
    { SPAN("foo:\n"), ":1: the password is empty" },
    { SPAN("foo:\r\n"), ":1: the password is empty" },
    { SPAN("foo:b\rr\n"), ":1: the line holds a NUL, or a CR before its end" },
    { SPAN("foo:bar\r\r\n"), ":1: the line holds a NUL, or a CR before its end" },
    { SPAN("foo:b\0r\n"), ":1: the line holds a NUL, or a CR before its end" },
    { SPAN("a:$pbkdf2-sha256$1000$" SALT "\n"), "not $pbkdf2-sha256$ITERATIONS$" },
    { SPAN("a:$pbkdf2-sha256$\n"), "not $pbkdf2-sha256$ITERATIONS$SALT$HASH" },
    { SPAN("a:$pbkdf2-sha256$999$" SALT "$" HASH "\n"), "from 1000 to 10000" },
    { SPAN("a:$pbkdf2-sha256$10001$" SALT "$" HASH "\n"), "from 1000 to 10000" },
    { SPAN("a:$pbkdf2-sha256$99999999999$" SALT "$" HASH "\n"), "from 1000 to 10000" },
    { SPAN("a:$pbkdf2-sha256$-1$" SALT "$" HASH "\n"), "from 1000 to 10000" },
    { SPAN("a:$pbkdf2-sha256$1000$$" HASH "\n"), "the salt is not 8 to 32 bytes" },
    { SPAN("a:$pbkdf2-sha256$1000$YWJj$" HASH "\n"), "the salt is not 8 to 32 bytes" },
    { SPAN("a:$pbkdf2-sha256$1000$" HASH "YWJj$" HASH "\n"), "the salt is not 8 to 32" },
    { SPAN("a:$pbkdf2-sha256$1000$" SALT "$" SALT "\n"), "the hash is not 32 bytes" },
    { SPAN("a:$pbkdf2-sha256$1000$" SALT "$ " HASH "\n"), "the hash is not 32 bytes" },
    { SPAN("a:$pbkdf2-sha256$1000$" SALT "$" HASH "$\n"), "the hash is not 32 bytes" },
    { SPAN("a:" HASHED "\nb:word\nc:" HASHED_LONGER "\n"),
      ":3: the iterations are not the same" },
    { SPAN("a:" HASHED "\na:word\n"), ":2: a user with a hash stands here twice" },
    { SPAN("a:word\na:" HASHED "\n"), ":2: a user with a hash stands here twice" },
};

static void
assert_refused(struct file *f, const char *says)
{
    ck_assert(!passwords_open(&f->passwords, f->path, f->text, sizeof(f->text)));
    ck_assert_ptr_null(f->passwords.list);
    ck_assert_msg(strncmp(f->text, f->path, strlen(f->path)) == 0, "%s", f->text);
    ck_assert_msg(strstr(f->text, says) != NULL, "%s", f->text);
    ck_assert_ptr_null(strchr(f->text, '\n'));
}

START_TEST(a_file_that_is_wrong_is_refused_and_the_line_is_named)
{
    struct file f;

    file_make(&f, wrong[_i].bytes);
    assert_refused(&f, wrong[_i].says);
    file_drop(&f);
}
END_TEST

START_TEST(one_line_or_one_byte_too_many_is_refused)
{
    char        text[PASSWORDS_MAX * (PASSWORDS_LINE_MAX + 1) + 1];
    size_t      used = 0;
    struct file f;

    for (int i = 0; i <= PASSWORDS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "u%d:p\n", i);
    file_make(&f, (struct span){ text, used });
    assert_refused(&f, ":65: there are more than 64 lines");
    memset(text, 'x', sizeof(text));
    memcpy(text, "user:", 5);
    fill(&f, (struct span){ text, PASSWORDS_LINE_MAX + 1 });
    assert_refused(&f, ":1: the line has more than 255 bytes");
    fill(&f, (struct span){ text, sizeof(text) });
    assert_refused(&f, ": it has more than 16384 bytes");
    file_drop(&f);
}
END_TEST

START_TEST(what_is_no_file_or_everybodys_is_refused)
{
    struct file f;

    file_make(&f, SPAN("foo:bar\n"));
    ck_assert_int_eq(chmod(f.path, 0602), 0);
    assert_refused(&f, ": everybody may write to it");
    unlink(f.path);
    assert_refused(&f, ": No such file or directory");
    ck_assert_int_eq(mkfifo(f.path, 0600), 0);
    assert_refused(&f, ": it is no regular file");
    unlink(f.path);
    ck_assert_int_eq(mkdir(f.path, 0700), 0);
    assert_refused(&f, ": it is no regular file");
    rmdir(f.path);
}
END_TEST

START_TEST(passwords_that_everybody_can_read_are_exposed_and_hashes_are_not)
{
    struct file f;

    file_open(&f, SPAN("foo:bar\n"));
    ck_assert(!passwords_are_exposed(&f.passwords));
    ck_assert_int_eq(chmod(f.path, 0644), 0);
    ck_assert(passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    ck_assert(passwords_are_exposed(&f.passwords));
    fill(&f, SPAN("foo:" HASHED "\n"));
    ck_assert(passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    ck_assert(!passwords_are_exposed(&f.passwords));
    file_drop(&f);
}
END_TEST

/* ---- reading it again ------------------------------------------------------------ */

START_TEST(a_reload_replaces_the_list_and_a_bad_file_does_not)
{
    struct file f;

    file_open(&f, SPAN("old:one\n"));
    fill(&f, SPAN("new:two\n"));
    ck_assert_msg(lets_in(&f, "old", "one"), "nothing changes by itself");
    ck_assert(passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    ck_assert(!lets_in(&f, "old", "one"));
    ck_assert(lets_in(&f, "new", "two"));
    fill(&f, SPAN("third:three\nbad\n"));
    ck_assert(!passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    ck_assert(!lets_in(&f, "third", "three"));
    ck_assert(lets_in(&f, "new", "two"));
    unlink(f.path);
    ck_assert(!passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    ck_assert(lets_in(&f, "new", "two"));
    file_drop(&f);
}
END_TEST

START_TEST(a_relative_path_is_found_again_from_elsewhere)
{
    struct file f;
    char        text[256];

    file_make(&f, SPAN("foo:bar\n"));
    ck_assert_int_eq(chdir("/tmp"), 0);
    ck_assert(passwords_open(&f.passwords, f.path + 5, text, sizeof(text)));
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert(passwords_reload(&f.passwords, text, sizeof(text)));
    file_drop(&f);
}
END_TEST

enum { CHECKS = 2000, RELOADS = 200 };

static void *
check_often(void *arg)
{
    for (int i = 0; i < CHECKS; i++)
        quick_assert(lets_in(arg, "foo", "bar") && !lets_in(arg, "foo", "baz"));
    return NULL;
}

START_TEST(lists_are_replaced_while_others_look_at_them)
{
    struct file f;
    pthread_t   threads[2];

    file_open(&f, SPAN("foo:bar\n"));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, check_often, &f), 0);
    for (int i = 0; i < RELOADS; i++)
        quick_assert(passwords_reload(&f.passwords, f.text, sizeof(f.text)));
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    file_drop(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server/passwords");
    TCase *checks = fixture_case(suite, "checks");
    TCase *files = fixture_case(suite, "files");
    TCase *reloads = fixture_case(suite, "reloads");

    tcase_add_test(checks, a_user_is_let_in_with_his_password_and_nothing_else);
    tcase_add_test(checks, the_last_line_needs_no_end);
    tcase_add_test(checks, ends_of_dos_empty_lines_and_comments_do_not_matter);
    tcase_add_test(checks, the_longest_line_is_taken_and_compared_to_its_end);
    tcase_add_test(checks, a_list_of_the_most_lines_lets_all_of_them_in);
    tcase_add_test(checks, hashes_and_passwords_stand_side_by_side);
    tcase_add_test(checks, what_is_longer_than_a_line_lets_nobody_in);
    tcase_add_loop_test(files, a_file_that_is_wrong_is_refused_and_the_line_is_named, 0,
                        LENGTH(wrong));
    tcase_add_test(files, one_line_or_one_byte_too_many_is_refused);
    tcase_add_test(files, what_is_no_file_or_everybodys_is_refused);
    tcase_add_test(files,
                   passwords_that_everybody_can_read_are_exposed_and_hashes_are_not);
    tcase_add_test(reloads, a_reload_replaces_the_list_and_a_bad_file_does_not);
    tcase_add_test(reloads, a_relative_path_is_found_again_from_elsewhere);
    tcase_add_test(reloads, lists_are_replaced_while_others_look_at_them);
    return fixture_run(suite);
}
