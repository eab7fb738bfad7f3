/* t/unit/test_server_options.c - the command line: what is accepted, refused and shown.
 *
 * The lists of options below are written down from PROTOCOL.md section 13, the rows of
 * `stats settings` from its section 4.4, and both are held against the table in both
 * directions: what one of them has and the other has not is a failure.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "server/options_table.h"
#include "t/unit/options_run.h"
#include "t/unit/suite.h"

enum { FILE_BYTES = 1 << 16, COUNT_BYTES = 1 << 8 };

/* ---- Fixture --------------------------------------------------------------------- */

#define RUN(...) run_words((const char *const[]){ __VA_ARGS__, NULL })

static void
assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in:\n%s", part, text);
}

/* Run it, expect this exit code, and this in what was said on standard error. */
static void
assert_refused(struct run run, int exit_code, const char *part)
{
    ck_assert_int_ne(run.status, OPTIONS_OK);
    ck_assert_int_eq(options_exit_code(run.status), exit_code);
    assert_has(run.err, part);
    drop(&run);
}

static char *
read_file(const char *path)
{
    char  *text = calloc(1, FILE_BYTES);
    FILE  *file = fopen(path, "r");
    size_t length;

    ck_assert_msg(file != NULL, "cannot open %s: run me from the work tree's top", path);
    length = fread(text, 1, FILE_BYTES - 1, file);
    ck_assert_uint_lt(length, FILE_BYTES - 1);
    fclose(file);
    return text;
}

/* ---- Every option of memcached --------------------------------------------------- */

enum answer {
    WORKS, /* accepted, and not a word about it                   */
    NOTED, /* accepted, and at -v there is a note                 */
    ASKS,  /* refused with exit code 64, "... needs" another one  */
    NEVER, /* refused with exit code 1, "... is left out on purpose" */
    SHOWN, /* answered on standard output, exit code 0            */
};

/* PROTOCOL.md section 13, first table. */
static const struct {
    char        letter;
    const char *name;
    const char *value; /* NULL: takes none */
    enum answer answer;
} command_line[] = {
    { 'p', "port", "11300", WORKS },
    { 'U', "udp-port", "0", WORKS },
    { 'U', "udp-port", "11300", WORKS },
    { 's', "unix-socket", "/tmp/s", WORKS },
    { 'a', "unix-mask", "770", WORKS },
    { 'A', "enable-shutdown", NULL, WORKS },
    { 'l', "listen", "127.0.0.1", WORKS },
    { 'd', "daemon", NULL, WORKS },
    { 'r', "enable-coredumps", NULL, WORKS },
    { 'u', "user", "nobody", WORKS },
    { 'm', "memory-limit", "100", WORKS },
    { 'M', "disable-evictions", NULL, WORKS },
    { 'c', "conn-limit", "200", WORKS },
    { 'k', "lock-memory", NULL, WORKS },
    { 'v', "verbose", NULL, WORKS },
    { 'h', "help", NULL, SHOWN },
    { 'i', "license", NULL, SHOWN },
    { 'V', "version", NULL, SHOWN },
    { '\0', "config", "/dev/null", WORKS },
    { 'P', "pidfile", "/tmp/p", WORKS },
    { 'f', "slab-growth-factor", "1.5", WORKS },
    { 'n', "slab-min-size", "72", WORKS },
    { 'L', "enable-largepages", NULL, WORKS },
    { 'D', NULL, "/", WORKS },
    { 't', "threads", "2", WORKS },
    { 'R', "max-reqs-per-event", "30", WORKS },
    { 'C', "disable-cas", NULL, WORKS },
    { 'b', "listen-backlog", "100", WORKS },
    { 'B', "protocol", "auto", WORKS },
    { 'B', "protocol", "ascii", WORKS },
    { 'I', "max-item-size", "512k", WORKS },
    { 'I', "max-item-size", "2m", WORKS },
    { 'S', "enable-sasl", NULL, WORKS },
    { 'F', "disable-flush-all", NULL, WORKS },
    { 'X', "disable-dumping", NULL, WORKS },
    { 'W', "disable-watch", NULL, WORKS },
    { 'Y', "auth-file", "/tmp/a", WORKS },
    { 'e', "memory-file", "/tmp/m", WORKS },
    { 'Z', "enable-ssl", NULL, ASKS },
    { 'N', "napi-ids", "2", NOTED },
    { 'o', "extended", "modern", NOTED },
};

/* The list below it: -o. What stands with no_ there stands so here. */
static const struct {
    const char *name;
    const char *value;
    enum answer answer;
} extended[] = {
    { "maxconns_fast", NULL, WORKS },
    { "no_maxconns_fast", NULL, WORKS },
    { "hashpower", "18", NOTED },
    { "no_hashexpand", NULL, NOTED },
    { "slab_reassign", NULL, WORKS },
    { "no_slab_reassign", NULL, WORKS },
    { "slab_automove", NULL, WORKS },
    { "slab_automove", "2", WORKS },
    { "no_slab_automove", NULL, WORKS },
    { "slab_automove_ratio", "0.5", WORKS },
    { "slab_automove_window", "20", NOTED },
    { "slab_automove_freeratio", "0.02", NOTED },
    { "tail_repair_time", "60", NOTED },
    { "hash_algorithm", "jenkins", NOTED },
    { "hash_algorithm", "murmur3", NOTED },
    { "hash_algorithm", "xxh3", NOTED },
    { "lru_crawler", NULL, WORKS },
    { "no_lru_crawler", NULL, WORKS },
    { "lru_crawler_sleep", "200", WORKS },
    { "lru_crawler_tocrawl", "10", WORKS },
    { "lru_maintainer", NULL, WORKS },
    { "no_lru_maintainer", NULL, WORKS },
    { "hot_lru_pct", "30", WORKS },
    { "warm_lru_pct", "30", WORKS },
    { "hot_max_factor", "0.3", WORKS },
    { "warm_max_factor", "3", WORKS },
    { "temporary_ttl", "30", WORKS },
    { "idle_timeout", "30", WORKS },
    { "watcher_logbuf_size", "128", WORKS },
    { "worker_logbuf_size", "32", WORKS },
    { "slab_sizes", "100-200-400", NOTED },
    { "slab_chunk_max", "256", WORKS },
    { "no_chunked_items", NULL, WORKS },
    { "track_sizes", NULL, WORKS },
    { "modern", NULL, NOTED },
    { "no_modern", NULL, NOTED },
    { "inline_ascii_resp", NULL, NOTED },
    { "no_inline_ascii_resp", NULL, NOTED },
    { "drop_privileges", NULL, WORKS },
    { "no_drop_privileges", NULL, WORKS },
    { "relaxed_privileges", NULL, NOTED },
    { "resp_obj_mem_limit", "10", NOTED },
    { "read_buf_mem_limit", "10", NOTED },
    { "sock_cookie_id", "7", WORKS },
    { "ssl_chain_cert", "/c", WORKS },
    { "ssl_key", "/k", WORKS },
    { "ssl_verify_mode", "1", WORKS },
    { "ssl_keyformat", "1", WORKS },
    { "ssl_ciphers", "HIGH", WORKS },
    { "ssl_ca_cert", "/c", WORKS },
    { "ssl_wbuf_size", "16", NOTED },
    { "ssl_session_cache", NULL, WORKS },
    { "ssl_kernel_tls", NULL, WORKS },
    { "ssl_min_version", "2", WORKS },
    { "ext_path", "/e:1g", NEVER },
    { "ext_page_size", "64", NEVER },
    { "ext_wbuf_size", "4", NEVER },
    { "ext_threads", "1", NEVER },
    { "ext_io_depth", "1", NEVER },
    { "ext_item_size", "512", NEVER },
    { "ext_item_age", "10", NEVER },
    { "ext_low_ttl", "1", NEVER },
    { "ext_recache_rate", "2000", NEVER },
    { "ext_compact_under", "1", NEVER },
    { "ext_drop_under", "1", NEVER },
    { "ext_max_frag", "0.8", NEVER },
    { "ext_max_sleep", "1000000", NEVER },
    { "ext_drop_unread", NULL, NEVER },
    { "proxy_config", "/etc/proxy.lua", NEVER },
    { "proxy_arg", "a", NEVER },
    { "proxy_uring", NULL, NEVER },
    { "proxy_memprofile", NULL, NEVER },
    { "debug_commands", NULL, WORKS }, /* these three are larder's own */
    { "udp_amplification", "20", WORKS },
    { "ssl_handshake_timeout", "5", WORKS },
    { "header_timeout", "5", WORKS },
    { "body_timeout", "5", WORKS },
    { "write_timeout", "5", WORKS },
    { "conn_mem_limit", "64", WORKS },
    { "log_format", "json", WORKS },
    { "log_target", "stderr", WORKS },
};

/* `run` was made with -v and the option whose short or -o form is `name`. */
static void
assert_answer(struct run run, const char *name, enum answer answer)
{
    switch (answer) {
    case WORKS:
        ck_assert_msg(run.status == OPTIONS_OK, "%s: %s", name, run.err);
        ck_assert_str_eq(run.err, "");
        break;
    case NOTED:
        ck_assert_msg(run.status == OPTIONS_OK, "%s: %s", name, run.err);
        assert_has(run.err, name);
        assert_has(run.err, " has no effect: ");
        break;
    case ASKS:
        ck_assert_msg(run.status == OPTIONS_CONFLICT, "%s: %s", name, run.err);
        assert_has(run.err, name);
        assert_has(run.err, " needs ");
        break;
    case NEVER:
        ck_assert_msg(run.status == OPTIONS_BAD_VALUE, "%s: %s", name, run.err);
        ck_assert_int_eq(options_exit_code(run.status), 1);
        assert_has(run.err, name);
        assert_has(run.err, " is left out on purpose: ");
        break;
    case SHOWN:
        ck_assert_int_eq(run.status, OPTIONS_DONE);
        ck_assert_int_eq(options_exit_code(run.status), 0);
        ck_assert_str_eq(run.err, "");
        ck_assert_str_ne(run.out, "");
        break;
    }
    if (answer != SHOWN)
        ck_assert_str_eq(run.out, "");
    drop(&run);
}

/* In a loop test: one option each. */
START_TEST(every_option_of_the_command_line_is_answered_as_designed)
{
    const char *value = command_line[_i].value;
    char        letter[] = { '-', command_line[_i].letter, '\0' };
    char        name[64], both[128];

    if (letter[1] != '\0')
        assert_answer(RUN("-v", letter, value), letter, command_line[_i].answer);
    if (command_line[_i].name == NULL)
        return;
    snprintf(name, sizeof(name), "--%s", command_line[_i].name);
    assert_answer(RUN("-v", name, value), letter, command_line[_i].answer);
    if (value == NULL)
        return;
    snprintf(both, sizeof(both), "%s=%s", name, value);
    assert_answer(RUN("-v", both), letter, command_line[_i].answer);
}
END_TEST

/* "NAME" or "NAME=VALUE", and "-o NAME" as notes call it: without its no_. */
static void
write_suboption(size_t i, char *text, size_t text_bytes, char *name, size_t name_bytes)
{
    const char *called = extended[i].name;

    snprintf(text, text_bytes, "%s%s%s", called, extended[i].value ? "=" : "",
             extended[i].value ? extended[i].value : "");
    if (strncmp(called, "no_", 3) == 0 && strcmp(called, "no_hashexpand") != 0 &&
        strcmp(called, "no_chunked_items") != 0)
        called += 3;
    snprintf(name, name_bytes, "-o %s", called);
}

START_TEST(every_suboption_is_answered_as_designed)
{
    char text[128], pair[160], name[64];

    write_suboption((size_t)_i, text, sizeof(text), name, sizeof(name));
    assert_answer(RUN("-v", "-o", text), name, extended[_i].answer);

    /* Behind another, and with one behind it. */
    snprintf(pair, sizeof(pair), "idle_timeout=5,%s,maxconns_fast", text);
    assert_answer(RUN("-v", "-o", pair), name, extended[_i].answer);
}
END_TEST

/* --check-config looks at a file: test_server_config.c. */
static bool
is_listed(const struct option_row *row)
{
    if (row->type == TYPE_CHECK_CONFIG)
        return true;
    for (size_t i = 0; i < LENGTH(command_line); i++) {
        const char *name = command_line[i].name;

        if (row->place == PLACE_COMMAND_LINE && row->letter == command_line[i].letter &&
            (name == NULL ? row->name == NULL
                          : row->name != NULL && strcmp(name, row->name) == 0))
            return true;
    }
    for (size_t i = 0; i < LENGTH(extended); i++) {
        if (row->place == PLACE_EXTENDED && strcmp(row->name, extended[i].name) == 0)
            return true;
    }
    return false;
}

START_TEST(the_table_has_no_option_that_is_not_listed_here)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].place != PLACE_SETTING)
            ck_assert_msg(is_listed(&rows[i]), "-%c --%s", rows[i].letter, rows[i].name);
    }
}
END_TEST

START_TEST(a_flag_without_a_no_form_has_none)
{
    assert_refused(RUN("-o", "no_track_sizes"), 1,
                   "Illegal suboption \"no_track_sizes\"\n");
    assert_refused(RUN("-o", "no_idle_timeout"), 1, "Illegal suboption");
    assert_refused(RUN("-o", "no_no_modern"), 1, "Illegal suboption");
    assert_refused(RUN("-o", "no_"), 1, "Illegal suboption");
}
END_TEST

/* ---- Values ---------------------------------------------------------------------- */

START_TEST(without_options_the_defaults_are_memcacheds)
{
    struct run run = run_words((const char *const[]){ NULL });

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.err, "");
    ck_assert_str_eq(run.out, "");
    ck_assert_int_eq(run.o.tcp_port, 11211);
    ck_assert_uint_eq(run.o.memory_bytes, 64 << 20);
    ck_assert_uint_eq(run.o.item_bytes_max, 1 << 20);
    ck_assert_uint_eq(run.o.connections_max, 1024);
    ck_assert_uint_eq(run.o.threads, 4);
    ck_assert_uint_eq(run.o.requests_max, 20);
    ck_assert_uint_eq(run.o.backlog, 1024);
    ck_assert_uint_eq(run.o.unix_mode, 0700);
    ck_assert_uint_eq(run.o.value_bytes_min, 48);
    ck_assert(!run.o.value_bytes_min_given);
    ck_assert_double_eq(run.o.growth, 1.25);
    ck_assert(run.o.connections_fast && run.o.evicts && run.o.cas && run.o.flush);
    ck_assert(run.o.dump && run.o.watch);
    ck_assert(!run.o.debug_commands && !run.o.daemon && !run.o.core_dumps);
    ck_assert(!run.o.lock_memory && !run.o.large_pages && !run.o.shutdown_command);
    ck_assert_int_eq(run.o.protocol, OPTIONS_PROTOCOL_AUTO);
    ck_assert_ptr_null(run.o.user);
    ck_assert_ptr_null(run.o.unix_path);
    ck_assert_ptr_null(run.o.pid_file);
    ck_assert_ptr_null(run.o.port_file);
    drop(&run);
}
END_TEST

START_TEST(what_is_said_is_what_the_struct_holds)
{
    struct run run = RUN("-p11300", "-m", "100", "-I512k", "-MCFrkL", "-vv", "-n", "72",
                         "-f", "1.5", "--threads=2", "-u", "nobody", "-P", "/tmp/p",
                         "-oidle_timeout=9,sock_cookie_id=7,debug_commands");

    ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
    ck_assert_int_eq(run.o.tcp_port, 11300);
    ck_assert_uint_eq(run.o.memory_bytes, 100 << 20);
    ck_assert_uint_eq(run.o.item_bytes_max, 512 << 10);
    ck_assert(!run.o.evicts && !run.o.cas && !run.o.flush);
    ck_assert(run.o.core_dumps && run.o.lock_memory && run.o.large_pages);
    ck_assert_uint_eq(run.o.verbosity, 2);
    ck_assert_uint_eq(run.o.value_bytes_min, 72);
    ck_assert(run.o.value_bytes_min_given);
    ck_assert_double_eq(run.o.growth, 1.5);
    ck_assert_uint_eq(run.o.threads, 2);
    ck_assert_str_eq(run.o.user, "nobody");
    ck_assert_str_eq(run.o.pid_file, "/tmp/p");
    ck_assert_uint_eq(run.o.idle_timeout_s, 9);
    ck_assert_uint_eq(run.o.socket_mark, 7);
    ck_assert(run.o.debug_commands);
    drop(&run);
}
END_TEST

START_TEST(the_last_of_two_values_counts)
{
    struct run run = RUN("-t", "2", "-u", "one", "-t", "3", "-u", "two", "-o",
                         "maxconns_fast", "-o", "no_maxconns_fast");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_uint_eq(run.o.threads, 3);
    ck_assert_str_eq(run.o.user, "two");
    ck_assert(!run.o.connections_fast);
    drop(&run);
}
END_TEST

START_TEST(memory_is_in_megabytes_or_in_the_unit_of_its_suffix)
{
    static const struct {
        const char *said;
        uint64_t    bytes;
    } cases[] = {
        { "64", UINT64_C(64) << 20 },     { "64m", UINT64_C(64) << 20 },
        { "64M", UINT64_C(64) << 20 },    { "3g", UINT64_C(3) << 30 },
        { "65536k", UINT64_C(64) << 20 }, { "16777216", UINT64_C(16) << 40 },
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct run run = RUN("-m", cases[i].said);

        ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
        ck_assert_uint_eq(run.o.memory_bytes, cases[i].bytes);
        drop(&run);
    }
}
END_TEST

/* What is just inside, and what is just outside. */
static const struct {
    const char *option;
    const char *value;
    int         exit_code;
} bounds[] = {
    { "-p", "-1", 0 },
    { "-p", "0", 0 },
    { "-p", "65535", 0 },
    { "-p", "65536", 1 },
    { "-p", "-2", 1 },
    { "-p", "", 1 },
    { "-p", "x", 1 },
    { "-p", "1x", 1 },
    { "-p", " 1", 1 },
    { "-p", "99999999999999999999", 1 },
    { "-U", "65535", 0 },
    { "-U", "65536", 1 },
    { "-U", "-1", 1 },
    { "-o", "udp_amplification=0", 0 },
    { "-o", "udp_amplification=1000000", 0 },
    { "-o", "udp_amplification=1000001", 1 },
    { "-o", "udp_amplification", 1 },
    { "-t", "1", 0 },
    { "-t", "1024", 0 },
    { "-t", "1025", 1 },
    { "-t", "0", 1 },
    { "-t", "-1", 1 },
    { "-t", "2.5", 1 },
    { "-c", "1", 0 },
    { "-c", "2147483647", 0 },
    { "-c", "2147483648", 1 },
    { "-c", "0", 1 },
    { "-c", "-1", 1 },
    { "-R", "1", 0 },
    { "-R", "0", 1 },
    { "-R", "-1", 1 },
    { "-b", "0", 0 },
    { "-b", "-1", 1 },
    { "-n", "1", 0 },
    { "-n", "0", 1 },
    { "-n", "1048576", 0 },
    { "-n", "1048577", 1 },
    { "-f", "1.0001", 0 },
    { "-f", "1000", 0 },
    { "-f", "1000.1", 1 },
    { "-f", "1.0", 1 },
    { "-f", "0.5", 1 },
    { "-f", "-2", 1 },
    { "-f", "nan", 1 },
    { "-f", "inf", 1 },
    { "-f", "0x2", 1 },
    { "-f", "1e999", 1 },
    { "-f", "", 1 },
    { "-a", "0", 0 },
    { "-a", "7777", 0 },
    { "-a", "10000", 1 },
    { "-a", "778", 1 },
    { "-a", "rwx", 1 },
    { "-m", "2", 0 },
    { "-m", "1", 64 },
    { "-m", "0", 64 },
    { "-m", "abc", 64 },
    { "-m", "64mb", 64 },
    { "-m", "16777217", 64 },
    { "-m", "17592186044480", 64 }, /* 64 megabytes, modulo 2^64 */
    { "-m", "99999999999999999999g", 64 },
    { "-m", "9999999999999999999g", 64 },
    { "-I", "1m", 0 },
    { "-I", "1048576", 0 },
    { "-I", "512k", 0 },
    { "-I", "1023", 64 },
    { "-I", "1024", 64 },
    { "-I", "1000000", 64 },
    { "-I", "2g", 64 },
    { "-I", "40m", 64 },
    { "-I", "1mb", 64 },
    { "-I", "abc", 64 },
    { "-I", "32m", 0 },
    { "-B", "negotiating", 64 },
    { "-B", "AUTO", 64 },
    { "-B", "", 64 },
    { "-N", "1", 0 },
    { "-N", "4", 0 },
    { "-N", "0", 1 },
    { "-N", "5", 64 },
    { "-D", "ab", 0 },
    { "-D", "", 1 },
    { "-u", "", 1 },
    { "-l", "", 1 },
    { "-o", "", 0 },
    { "-o", "modern,", 0 },
    { "-o", ",modern", 1 },
    { "-o", "modern,,modern", 1 },
    { "-o", "hashpower=12", 0 },
    { "-o", "hashpower=32", 0 },
    { "-o", "hashpower=11", 1 },
    { "-o", "hashpower=33", 1 },
    { "-o", "hashpower=", 1 },
    { "-o", "hashpower", 1 },
    { "-o", "slab_automove=0", 0 },
    { "-o", "slab_automove=3", 1 },
    { "-o", "slab_automove=-1", 1 },
    { "-o", "slab_automove_ratio=1", 0 },
    { "-o", "slab_automove_ratio=0", 1 },
    { "-o", "slab_automove_ratio=1.1", 1 },
    { "-o", "slab_automove_window=3", 0 },
    { "-o", "slab_automove_window=2", 1 },
    { "-o", "slab_automove_window=1800", 0 },
    { "-o", "slab_automove_window=1801", 1 },
    { "-o", "tail_repair_time=10", 0 },
    { "-o", "tail_repair_time=9", 1 },
    { "-o", "hash_algorithm=md5", 1 },
    { "-o", "hash_algorithm", 1 },
    { "-o", "lru_crawler_sleep=0", 0 },
    { "-o", "lru_crawler_sleep=1000000", 0 },
    { "-o", "lru_crawler_sleep=1000001", 1 },
    { "-o", "lru_crawler_tocrawl=4294967295", 0 },
    { "-o", "lru_crawler_tocrawl=4294967296", 1 },
    { "-o", "lru_crawler_tocrawl=-1", 1 },
    { "-o", "hot_lru_pct=1", 0 },
    { "-o", "hot_lru_pct=0", 1 },
    { "-o", "hot_lru_pct=79,warm_lru_pct=1", 0 },
    { "-o", "hot_lru_pct=80", 1 },
    { "-o", "hot_lru_pct=41", 64 },
    { "-o", "hot_lru_pct=40", 0 },
    { "-o", "warm_lru_pct=79,hot_lru_pct=2", 64 },
    { "-o", "hot_max_factor=0", 1 },
    { "-o", "hot_max_factor=0.001", 0 },
    { "-o", "warm_max_factor=-1", 1 },
    { "-o", "temporary_ttl=0", 0 },
    { "-o", "temporary_ttl=30,no_lru_maintainer", 64 },
    { "-o", "no_lru_maintainer,temporary_ttl=30", 64 },
    { "-o", "log_format=xml", 1 },
    { "-o", "log_format", 1 },
    { "-o", "log_target=syslog", 1 },
    { "-o", "idle_timeout=0", 0 },
    { "-o", "idle_timeout=-1", 1 },
    { "-o", "idle_timeout=abc", 1 },
    { "-o", "idle_timeout", 1 },
    { "-o", "header_timeout=0,body_timeout=0,write_timeout=0", 0 },
    { "-o", "body_timeout=-1", 1 },
    { "-o", "write_timeout=abc", 1 },
    { "-o", "conn_mem_limit=0", 0 },
    { "-o", "conn_mem_limit=1", 0 },
    { "-o", "conn_mem_limit=-1", 1 },
    { "-o", "watcher_logbuf_size=abc", 1 },
    { "-o", "worker_logbuf_size=1", 0 },
    { "-o", "slab_chunk_max=1", 0 },
    { "-o", "slab_chunk_max=0", 1 },
    { "-o", "slab_chunk_max=1024", 0 },
    { "-o", "slab_chunk_max=1025", 1 },
    { "-o", "slab_chunk_max=3", 64 },
    { "-o", "read_buf_mem_limit=0", 0 },
    { "-o", "read_buf_mem_limit=abc", 1 },
    { "-o", "sock_cookie_id=4294967295", 0 },
    { "-o", "sock_cookie_id=4294967296", 1 },
    { "-o", "slab_sizes=", 1 },
    { "-o", "maxconns_fast=1", 0 }, /* memcached does not look at it either */
    { "-o", "foo", 1 },
    { "-o", "proxy_config=x", 1 }, /* as a memcached without proxy */
};

START_TEST(values_are_held_against_their_bounds)
{
    struct run run = RUN(bounds[_i].option, bounds[_i].value);

    ck_assert_msg(options_exit_code(run.status) == bounds[_i].exit_code &&
                      (run.status == OPTIONS_OK) == (bounds[_i].exit_code == 0),
                  "%s \"%s\": exit code %d, not %d: %s", bounds[_i].option,
                  bounds[_i].value, options_exit_code(run.status), bounds[_i].exit_code,
                  run.err);
    ck_assert_int_eq(run.err[0] != '\0', run.status != OPTIONS_OK || run.o.threads > 64 ||
                                             run.o.tcp_port == 0);
    drop(&run);
}
END_TEST

START_TEST(a_small_largest_item_needs_small_chunks_in_whichever_order)
{
    struct run run = RUN("-I", "64k", "-o", "slab_chunk_max=16");

    ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
    drop(&run);
    run = RUN("-o", "slab_chunk_max=16", "-I", "64k");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    run = RUN("-I", "1m", "-m", "2");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    run = RUN("-I", "1g", "-m", "2048");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    assert_refused(RUN("-I", "1g", "-m", "2047"), 64, "more than half of the memory");
    assert_refused(RUN("-I", "768k", "-o", "slab_chunk_max=384"), 64,
                   "-o slab_chunk_max does not divide 1024");
}
END_TEST

/* ---- Logging in ------------------------------------------------------------------ */

START_TEST(a_login_leaves_the_protocols_that_it_is_for)
{
    static const struct {
        const char           *arguments[5];
        enum options_protocol protocol;
    } cases[] = {
        { { "-S" }, OPTIONS_PROTOCOL_BINARY },
        { { "-Y", "/f" }, OPTIONS_PROTOCOL_ASCII },
        { { "-Y", "/f", "-S" }, OPTIONS_PROTOCOL_AUTO },
        { { "-S", "-B", "binary" }, OPTIONS_PROTOCOL_BINARY },
        { { "-Y", "/f", "-B", "ascii" }, OPTIONS_PROTOCOL_ASCII },
        { { "-Y", "/f", "-S", "-Bbinary" }, OPTIONS_PROTOCOL_BINARY },
    };
    const char *const *a = cases[_i].arguments;
    struct run         run = RUN(a[0], a[1], a[2], a[3], a[4]);

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_int_eq(run.o.protocol, cases[_i].protocol);
    drop(&run);
}
END_TEST

START_TEST(a_login_refuses_the_protocol_that_it_is_not_for)
{
    assert_refused(RUN("-S", "-B", "ascii"), 64, "which -B ascii turns off");
    assert_refused(RUN("-S", "-Y", "/f", "-B", "ascii"), 64, "which -B ascii turns off");
    assert_refused(RUN("-Y", "/f", "-B", "binary"), 64, "which -B binary turns off");
    assert_refused(RUN("-Y", "/f", "-U", "11211"), 64, "cannot do so by UDP (-U)");
    assert_refused(RUN("-S", "-U", "11211"), 64, "cannot do so by UDP (-U)");
    assert_refused(RUN("-Y", ""), 1, "-Y, --auth-file needs a value");
}
END_TEST

START_TEST(a_login_refuses_listeners_that_it_is_not_for)
{
    assert_refused(RUN("-S", "-l", "proto[ascii]:127.0.0.1"), 1, "-l proto[ascii]:");
    assert_refused(RUN("-l", "proto[binary]:127.0.0.1", "-Y", "/f"), 1,
                   "-l proto[binary]:");
}
END_TEST

START_TEST(the_passwords_of_sasl_are_named_by_the_environment)
{
    struct run run;

    setenv("MEMCACHED_SASL_PWDB", "/some/file", 1);
    run = RUN("-S");
    unsetenv("MEMCACHED_SASL_PWDB");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.o.sasl_file, "/some/file");
    drop(&run);
}
END_TEST

/* ---- Messages -------------------------------------------------------------------- */

START_TEST(complaints_name_the_option_and_what_it_takes)
{
    assert_refused(
        RUN("-t", "0"), 1,
        "larder: -t, --threads takes a whole number from 1 to 1024, not \"0\"\n");
    assert_refused(RUN("--port=x"), 1,
                   "-p, --port takes a whole number from -1 to 65535");
    assert_refused(RUN("-a", "9"), 1,
                   "-a, --unix-mask takes an octal number up to 7777, not \"9\"");
    assert_refused(RUN("-f", "1"), 1, "takes a number above 1 and up to 1000, not \"1\"");
    assert_refused(RUN("-B", "foo"), 64, "takes one of auto, ascii, binary, not \"foo\"");
    assert_refused(RUN("-m", "x"), 64,
                   "in megabytes or with a suffix k, m or g, not \"x\"");
    assert_refused(RUN("-u", ""), 1, "-u, --user needs a value");
    assert_refused(RUN("-o", "hashpower=x"), 1,
                   "-o hashpower takes a whole number from 12");
    assert_refused(RUN("-m", "1"), 64, "more than half of the memory");
}
END_TEST

START_TEST(unknown_options_are_named)
{
    assert_refused(RUN("-Q"), 1, "invalid option -- 'Q'\nIllegal argument \"?\"\n");
    assert_refused(RUN("--nosuch"), 1, "option '--nosuch'\nIllegal argument \"?\"\n");
    assert_refused(RUN("--max=5"), 1, "ambiguous option '--max=5'\n");
    assert_refused(RUN("-p"), 1, "-p, --port needs a value\nIllegal argument \"?\"\n");
    assert_refused(RUN("--port"), 1,
                   "-p, --port needs a value\nIllegal argument \"?\"\n");
    assert_refused(RUN("--daemon=5"), 1,
                   "-d, --daemon takes no value\nIllegal argument \"?\"\n");
    assert_refused(RUN("-o", "foo"), 1, "Illegal suboption \"foo\"\n");
    assert_refused(RUN("-o", "modern,foo=3,modern"), 1, "Illegal suboption \"foo=3\"\n");
    assert_refused(RUN("-o", ",modern"), 1, "Illegal suboption \"\"\n");
}
END_TEST

START_TEST(tls_says_what_it_lacks)
{
    struct run run =
        RUN("-Z", "-o", "ssl_chain_cert=/c,ssl_ca_cert=/a,ssl_verify_mode=2");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert(run.o.tls);
    ck_assert_uint_eq(run.o.tls_verify_mode, 2);
    ck_assert_uint_eq(run.o.tls_handshake_s, 10);
    drop(&run);
    assert_refused(RUN("-Z", "-o", "ssl_key=/k"), 64, "needs the server's certificate");
    assert_refused(RUN("-Z", "-o", "ssl_chain_cert=/c,ssl_verify_mode=1"), 64,
                   "-o ssl_verify_mode needs -o ssl_ca_cert");
    assert_refused(RUN("-Z", "-o", "ssl_chain_cert=/c,conn_mem_limit=1", "-t", "3"), 64,
                   "no room for the handshakes of TLS");
    run = RUN("-Z", "-o", "ssl_chain_cert=/c,conn_mem_limit=1", "-t", "2");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    run = RUN("-o", "conn_mem_limit=1", "-t", "5");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    assert_refused(RUN("-o", "ssl_verify_mode=4"), 1, "from 0 to 3");
    assert_refused(RUN("-o", "ssl_min_version=4"), 1, "one of 0, 1, 2, 3");
    assert_refused(RUN("-o", "ssl_keyformat=3"), 64, "from 1 to 2");
    assert_refused(RUN("-o", "ssl_handshake_timeout=0"), 1, "from 1 to");
}
END_TEST

START_TEST(notes_come_only_at_v_and_only_for_what_was_said)
{
    struct run run = RUN("-o", "hashpower=20", "-A");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.err, "");
    drop(&run);

    run = RUN("-o", "hashpower=20", "-v");
    ck_assert_str_eq(run.err, "larder: -o hashpower has no effect: "
                              "the table grows by itself, without a stop\n");
    drop(&run);
}
END_TEST

START_TEST(many_threads_are_warned_about_without_v)
{
    struct run run = RUN("-t", "64");

    ck_assert_str_eq(run.err, "");
    drop(&run);
    run = RUN("-t", "65");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    assert_has(run.err, "65 threads");
    drop(&run);
}
END_TEST

/* ---- How the command line is written --------------------------------------------- */

START_TEST(a_server_that_nobody_can_reach_is_warned_about_without_v)
{
    struct run run = RUN("-p", "0");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.err,
                     "larder: warning: with -p 0 and without -s, nobody can reach it\n");
    drop(&run);

    run = RUN("-p", "0", "-s", "/tmp/s");
    ck_assert_str_eq(run.err, "");
    drop(&run);

    run = RUN("-p", "0", "-U", "11300");
    ck_assert_str_eq(run.err, "");
    drop(&run);
}
END_TEST

START_TEST(tcp_follows_the_udp_port_where_nobody_says_p)
{
    struct run run = RUN("-U", "11300");

    ck_assert_int_eq(run.o.tcp_port, 11300);
    ck_assert_uint_eq(run.o.udp_amplification, 10);
    drop(&run);

    run = RUN("-U", "11300", "-p", "11211");
    ck_assert_int_eq(run.o.tcp_port, 11211);
    ck_assert_uint_eq(run.o.udp_port, 11300);
    drop(&run);

    run = RUN("-U", "0");
    ck_assert_int_eq(run.o.tcp_port, 11211);
    drop(&run);
}
END_TEST

/* As memcached does: getsubopt() finds no comma at the end, but one at the start. */
START_TEST(an_empty_suboption_is_refused_but_at_the_end)
{
    struct run run = RUN("-o", "modern,");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    run = RUN("-o", "");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    drop(&run);
    assert_refused(RUN("-o", ",,modern"), 1, "Illegal suboption \"\"\n");
    assert_refused(RUN("-o", "idle_timeout=5,,modern"), 1, "Illegal suboption \"\"\n");
    assert_refused(RUN("-o", ","), 1, "Illegal suboption \"\"\n");
}
END_TEST

START_TEST(arguments_that_are_no_options_are_ignored)
{
    struct run run = RUN("-t", "2", "foo", "-c", "77", "--", "-t", "3");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.err, "");
    ck_assert_uint_eq(run.o.threads, 2);
    ck_assert_uint_eq(run.o.connections_max, 77);
    drop(&run);
}
END_TEST

START_TEST(long_options_may_be_cut_short_while_they_are_clear)
{
    struct run run = RUN("--conn=500", "--verb", "--verb");

    ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
    ck_assert_uint_eq(run.o.connections_max, 500);
    ck_assert_uint_eq(run.o.verbosity, 2);
    drop(&run);
}
END_TEST

START_TEST(quotes_in_o_may_hold_commas)
{
    struct run run = RUN("-o", "slab_sizes='1,2',hashpower=\"20\",'idle_timeout=7'");

    ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
    ck_assert_str_eq(run.o.class_sizes, "1,2");
    ck_assert_uint_eq(run.o.hashpower, 20);
    ck_assert_uint_eq(run.o.idle_timeout_s, 7);
    drop(&run);

    run = RUN("-o", "'slab_sizes=a,b',slab_reassign");
    ck_assert_str_eq(run.o.class_sizes, "a,b");
    drop(&run);

    run = RUN("-o", "slab_sizes=it's"); /* only at the beginning it is a quote */
    ck_assert_str_eq(run.o.class_sizes, "it's");
    drop(&run);
}
END_TEST

START_TEST(a_quote_that_stays_open_is_refused)
{
    assert_refused(RUN("-o", "slab_sizes='1,2"), 1, "a quote is not closed");
    assert_refused(RUN("-o", "'slab_sizes=1"), 1, "a quote is not closed");
    assert_refused(RUN("-o", "slab_sizes='1'2"), 1, "a quote is not closed");
    assert_refused(RUN("-o", "slab_sizes='"), 1, "a quote is not closed");
}
END_TEST

START_TEST(parsing_leaves_the_arguments_as_they_were)
{
    char  list[] = "hashpower='20',idle_timeout=3";
    char *argv[] = { (char *)(uintptr_t) "larder", (char *)(uintptr_t) "-o", list, NULL };
    struct options o;

    ck_assert_int_eq(options_parse(&o, 3, argv, stdout, stderr), OPTIONS_OK);
    ck_assert_str_eq(list, "hashpower='20',idle_timeout=3");
    options_fini(&o);
}
END_TEST

START_TEST(listeners_said_one_after_the_other_are_joined)
{
    struct run run =
        RUN("-l", "10.0.0.11", "-l", "10.0.0.1", "-l", "a;b", "-l", "10.0.0.11");

    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.o.listen, "10.0.0.11,10.0.0.1,a;b");
    ck_assert(!run.o.listen_is_default);
    drop(&run);
}
END_TEST

START_TEST(where_nobody_says_l_it_is_loopback_alone)
{
    struct run run = RUN("-p", "11300");

    ck_assert_str_eq(run.o.listen, "127.0.0.1,::1");
    ck_assert(run.o.listen_is_default);
    drop(&run);

    run = RUN("-s", "/tmp/s");
    ck_assert_ptr_null(run.o.listen);
    ck_assert(!run.o.listen_is_default);
    drop(&run);

    run = RUN("-p", "0");
    ck_assert_ptr_null(run.o.listen);
    ck_assert(!run.o.listen_is_default);
    drop(&run);

    run = RUN("-p", "0", "-U", "11300");
    ck_assert_str_eq(run.o.listen, "127.0.0.1,::1");
    drop(&run);
}
END_TEST

START_TEST(the_environment_names_the_port_file)
{
    struct run run;

    setenv("MEMCACHED_PORT_FILENAME", "/tmp/ports", 1);
    setenv("MEMCACHED_HASH_BULK_MOVE", "10", 1);
    run = RUN("-v");
    ck_assert_int_eq(run.status, OPTIONS_OK);
    ck_assert_str_eq(run.o.port_file, "/tmp/ports");
    assert_has(run.err, "MEMCACHED_HASH_BULK_MOVE has no effect");
    drop(&run);

    run = RUN("-s", "/tmp/s");
    ck_assert_ptr_null(run.o.port_file);
    drop(&run);

    setenv("MEMCACHED_PORT_FILENAME", "", 1);
    run = RUN("-t", "1");
    ck_assert_ptr_null(run.o.port_file);
    drop(&run);
}
END_TEST

START_TEST(fini_may_be_called_after_any_outcome_and_twice)
{
    struct run run = RUN("-l", "a", "-u", "b", "-Q");

    ck_assert_int_eq(run.status, OPTIONS_BAD_VALUE);
    options_fini(&run.o);
    ck_assert_ptr_null(run.o.listen);
    ck_assert_ptr_null(run.o.user);
    drop(&run);
}
END_TEST

START_TEST(exit_codes_are_memcacheds)
{
    ck_assert_int_eq(options_exit_code(OPTIONS_OK), 0);
    ck_assert_int_eq(options_exit_code(OPTIONS_DONE), 0);
    ck_assert_int_eq(options_exit_code(OPTIONS_BAD_VALUE), 1);
    ck_assert_int_eq(options_exit_code(OPTIONS_CONFLICT), 64);
    ck_assert_int_eq(options_exit_code(OPTIONS_NO_MEMORY), 1);
}
END_TEST

/* ---- stats settings -------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *value;
} settings[] = {
    { "maxbytes", "67108864" },
    { "maxconns", "1024" },
    { "tcpport", "11211" },
    { "udpport", "0" },
    { "inter", "127.0.0.1,::1" }, /* memcached: NULL, and it listens on all addresses */
    { "verbosity", "0" },
    { "oldest", "0" },
    { "evictions", "on" },
    { "domain_socket", "NULL" },
    { "umask", "700" },
    { "shutdown_command", "no" },
    { "growth_factor", "1.25" },
    { "chunk_size", "48" },
    { "num_threads", "4" },
    { "num_threads_per_udp", "4" },
    { "stat_key_prefix", ":" },
    { "detail_enabled", "no" },
    { "reqs_per_event", "20" },
    { "cas_enabled", "yes" },
    { "tcp_backlog", "1024" },
    { "binding_protocol", "auto-negotiate" },
    { "auth_enabled_sasl", "no" },
    { "auth_enabled_ascii", "no" },
    { "item_size_max", "1048576" },
    { "maxconns_fast", "yes" },
    { "hashpower_init", "0" },
    { "slab_reassign", "yes" },
    { "slab_automove", "1" },
    { "slab_automove_ratio", "0.80" },
    { "slab_automove_window", "10" },
    { "slab_chunk_max", "524288" },
    { "lru_crawler", "yes" },
    { "lru_crawler_sleep", "100" },
    { "lru_crawler_tocrawl", "0" },
    { "tail_repair_time", "0" },
    { "flush_enabled", "yes" },
    { "dump_enabled", "yes" },
    { "hash_algorithm", "murmur3" },
    { "lru_maintainer_thread", "yes" },
    { "lru_segmented", "yes" },
    { "hot_lru_pct", "20" },
    { "warm_lru_pct", "40" },
    { "hot_max_factor", "0.20" },
    { "warm_max_factor", "2.00" },
    { "temp_lru", "no" },
    { "temporary_ttl", "61" },
    { "idle_timeout", "0" },
    { "watcher_logbuf_size", "262144" },
    { "worker_logbuf_size", "65536" },
    { "read_buf_mem_limit", "0" },
    { "track_sizes", "no" },
    { "inline_ascii_response", "no" },
    { "ssl_enabled", "no" },
    { "ssl_chain_cert", "(null)" },
    { "ssl_key", "(null)" },
    { "ssl_verify_mode", "0" },
    { "ssl_keyformat", "1" },
    { "ssl_ciphers", "NULL" },
    { "ssl_ca_cert", "NULL" },
    { "ssl_wbuf_size", "16384" },
    { "ssl_session_cache", "no" },
    { "ssl_kernel_tls", "no" },
    { "ssl_min_version", "tlsv1.2" },
    { "num_napi_ids", "0" },
    { "memory_file", "(null)" },
    { "client_flags_size", "4" },
    /* Not memcached's. */
    { "header_timeout", "60" },
    { "body_timeout", "60" },
    { "write_timeout", "60" },
    { "conn_mem_limit", "268435456" },
    { "ssl_handshake_timeout", "10" },
    { "udp_amplification", "10" },
};

/* All rows, "name value\n". */
static void
write_row(void *ctx, const char *name, const char *value)
{
    fprintf(ctx, "%s %s\n", name, value);
}

static char *
show_settings(const struct options *o)
{
    char  *text;
    size_t bytes;
    FILE  *file = open_memstream(&text, &bytes);

    options_emit_settings(o, write_row, file);
    fclose(file);
    return text;
}

START_TEST(settings_have_memcacheds_rows_in_its_order_and_then_ours)
{
    struct run run = run_words((const char *const[]){ NULL });
    char      *text = show_settings(&run.o), *expected;
    size_t     bytes;
    FILE      *file = open_memstream(&expected, &bytes);

    for (size_t i = 0; i < LENGTH(settings); i++)
        write_row(file, settings[i].name, settings[i].value);
    fclose(file);
    ck_assert_str_eq(text, expected);
    free(text);
    free(expected);
    drop(&run);
}
END_TEST

/* The arguments, and the rows that differ by them: "name value". */
static const struct {
    const char *arguments[5];
    const char *rows[9];
} changes[] = {
    { { "-m", "128" }, { "maxbytes 134217728" } },
    { { "-c", "500" }, { "maxconns 500" } },
    { { "-p", "-1" }, { "tcpport -1" } },
    { { "-p", "0" }, { "tcpport 0", "inter NULL" } },
    { { "-U", "11300" }, { "tcpport 11300", "udpport 11300" } },
    { { "-l", "127.0.0.1" }, { "inter 127.0.0.1" } },
    { { "-l", "localhost", "-l", "::1" },
      { "inter localhost,::1", "num_threads_per_udp 1" } },
    { { "-vvv" }, { "verbosity 3" } },
    { { "-M" }, { "evictions off" } },
    { { "-s", "/tmp/s" }, { "inter NULL", "domain_socket /tmp/s" } },
    { { "-a", "0777" }, { "umask 777" } },
    { { "-A" }, { "shutdown_command yes" } },
    { { "-f", "1.5" }, { "growth_factor 1.50" } },
    { { "-n", "100" }, { "chunk_size 100" } },
    { { "-t", "3" }, { "num_threads 3", "num_threads_per_udp 3" } },
    { { "-D", "ab" }, { "stat_key_prefix a", "detail_enabled yes" } },
    { { "-R", "50" }, { "reqs_per_event 50" } },
    { { "-C" }, { "cas_enabled no" } },
    { { "-b", "512" }, { "tcp_backlog 512" } },
    { { "-B", "ascii" }, { "binding_protocol ascii" } },
    { { "-I", "512k" }, { "item_size_max 524288" } },
    { { "-F" }, { "flush_enabled no" } },
    { { "-X" }, { "dump_enabled no" } },
    { { "-N", "2" }, { "num_napi_ids 2" } },
    { { "-o", "no_maxconns_fast" }, { "maxconns_fast no" } },
    { { "-o", "hashpower=18" }, { "hashpower_init 18" } },
    { { "-o", "no_slab_reassign" }, { "slab_reassign no" } },
    { { "-o", "no_slab_automove" }, { "slab_automove 0" } },
    { { "-o", "slab_automove=2" }, { "slab_automove 2" } },
    { { "-o", "slab_automove_ratio=0.5" }, { "slab_automove_ratio 0.50" } },
    { { "-o", "slab_automove_window=20" }, { "slab_automove_window 20" } },
    { { "-o", "slab_chunk_max=256" }, { "slab_chunk_max 262144" } },
    { { "-o", "no_chunked_items" }, { "slab_chunk_max 1048576" } },
    { { "-o", "no_lru_crawler" }, { "lru_crawler no" } },
    { { "-o", "lru_crawler_sleep=5" }, { "lru_crawler_sleep 5" } },
    { { "-o", "lru_crawler_tocrawl=6" }, { "lru_crawler_tocrawl 6" } },
    { { "-o", "tail_repair_time=60" }, { "tail_repair_time 60" } },
    { { "-o", "hash_algorithm=xxh3" }, { "hash_algorithm xxh3" } },
    { { "-o", "no_lru_maintainer" }, { "lru_maintainer_thread no", "lru_segmented no" } },
    { { "-o", "hot_lru_pct=30,warm_lru_pct=50" },
      { "hot_lru_pct 30", "warm_lru_pct 50" } },
    { { "-o", "hot_max_factor=0.5,warm_max_factor=3" },
      { "hot_max_factor 0.50", "warm_max_factor 3.00" } },
    { { "-o", "temporary_ttl=30" }, { "temp_lru yes", "temporary_ttl 30" } },
    { { "-o", "temporary_ttl=61" }, { "temp_lru yes" } },
    { { "-o", "idle_timeout=30" }, { "idle_timeout 30" } },
    { { "-S" }, { "binding_protocol binary", "auth_enabled_sasl yes" } },
    { { "-Y", "/f" }, { "binding_protocol ascii", "auth_enabled_ascii /f" } },
    { { "-o", "watcher_logbuf_size=128,worker_logbuf_size=32" },
      { "watcher_logbuf_size 131072", "worker_logbuf_size 32768" } },
    { { "-o", "read_buf_mem_limit=16" }, { "read_buf_mem_limit 16777216" } },
    { { "-o", "track_sizes" }, { "track_sizes yes" } },
    { { "-o", "inline_ascii_resp" }, { NULL } },
    { { "-o", "header_timeout=1,body_timeout=2,write_timeout=3" },
      { "header_timeout 1", "body_timeout 2", "write_timeout 3" } },
    { { "-o", "conn_mem_limit=5,ssl_handshake_timeout=6,udp_amplification=7" },
      { "conn_mem_limit 5242880", "ssl_handshake_timeout 6", "udp_amplification 7" } },
    { { "-o", "modern" }, { NULL } },
    { { "-o", "no_modern" },
      { "maxconns_fast no", "slab_reassign no", "slab_automove 0",
        "slab_chunk_max 1048576", "lru_crawler no", "hash_algorithm jenkins",
        "lru_maintainer_thread no", "lru_segmented no" } },
    { { "-o", "no_modern,maxconns_fast,lru_maintainer,no_slab_automove" },
      { "slab_reassign no", "slab_automove 0", "slab_chunk_max 1048576", "lru_crawler no",
        "hash_algorithm jenkins" } },
};

static const char *
row_of(const char *const *rows, const char *name)
{
    size_t length = strlen(name);

    for (; *rows != NULL; rows++) {
        if (strncmp(*rows, name, length) == 0 && (*rows)[length] == ' ')
            return *rows + length + 1;
    }
    return NULL;
}

START_TEST(an_option_shows_in_its_row_and_in_no_other)
{
    struct run run = run_words(changes[_i].arguments);
    char      *text = show_settings(&run.o), *expected;
    size_t     bytes;
    FILE      *file = open_memstream(&expected, &bytes);

    ck_assert_msg(run.status == OPTIONS_OK, "%s", run.err);
    for (size_t i = 0; i < LENGTH(settings); i++) {
        const char *changed = row_of(changes[_i].rows, settings[i].name);

        write_row(file, settings[i].name, changed != NULL ? changed : settings[i].value);
    }
    fclose(file);
    ck_assert_str_eq(text, expected);
    free(text);
    free(expected);
    drop(&run);
}
END_TEST

START_TEST(a_running_server_shows_what_has_changed_since)
{
    struct run     run = RUN("-t", "1");
    struct options now = run.o;
    char          *text;

    now.verbosity = 2;
    now.oldest_s = 17;
    text = show_settings(&now);
    assert_has(text, "\nverbosity 2\n");
    assert_has(text, "\noldest 17\n");
    free(text);
    drop(&run);
}
END_TEST

/* ---- -h, -i, -V and the manual ---------------------------------------------------- */

/* The option with its argument: "-p, --port=<num>", "-D <char>". */
static void
write_usage(const struct option_row *row, char *text, size_t text_bytes)
{
    const char *argument = row->argument != NULL ? row->argument : "";
    const char *equals = row->argument != NULL ? "=" : "";
    const char *open = row->optional ? "[" : "", *close = row->optional ? "]" : "";

    if (row->place == PLACE_EXTENDED)
        snprintf(text, text_bytes, "-o %s%s%s%s%s%s", row->negatable ? "[no_]" : "",
                 row->name, open, equals, argument, close);
    else if (row->name == NULL)
        snprintf(text, text_bytes, "-%c %s", row->letter, argument);
    else if (row->letter == '\0')
        snprintf(text, text_bytes, "--%s%s%s", row->name, equals, argument);
    else
        snprintf(text, text_bytes, "-%c, --%s%s%s", row->letter, row->name, equals,
                 argument);
}

/* A line that begins with a space and `usage`, and goes on with a space or ends. */
static bool
has_usage(const char *help, const char *usage)
{
    char line[160];

    snprintf(line, sizeof(line), "\n %s", usage);
    for (const char *at = help; (at = strstr(at, line)) != NULL; at++) {
        char next = at[strlen(line)];

        if (next == ' ' || next == '\n')
            return true;
    }
    return false;
}

START_TEST(help_lists_every_option)
{
    struct run               run = RUN("-h");
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    char                     usage[128];

    for (size_t i = 0; i < count; i++) {
        if (rows[i].place == PLACE_SETTING)
            continue;
        write_usage(&rows[i], usage, sizeof(usage));
        ck_assert_msg(has_usage(run.out, usage), "%s is not in -h", usage);
    }
    drop(&run);
}
END_TEST

START_TEST(help_begins_with_the_version_and_says_what_it_listens_on)
{
    struct run run = RUN("-h");

    ck_assert_int_eq(strncmp(run.out,
                             "larder " PACKAGE_VERSION " (speaks memcached 1.6.45)\n",
                             strlen(PACKAGE_VERSION) + 34),
                     0);
    assert_has(run.out, "127.0.0.1 and ::1");
    assert_has(run.out, "MEMCACHED_PORT_FILENAME");
    drop(&run);
}
END_TEST

START_TEST(help_fits_a_terminal_of_eighty_columns)
{
    struct run run = RUN("-h");

    for (char *line = run.out; *line != '\0'; line += strcspn(line, "\n") + 1) {
        int length = (int)strcspn(line, "\n");

        ck_assert_msg(length <= 80, "%.*s", length, line);
        ck_assert_msg(length == 0 || line[length - 1] != ' ', "%.*s|", length, line);
    }
    drop(&run);
}
END_TEST

START_TEST(the_version_is_one_line)
{
    struct run run = RUN("-V");

    ck_assert_str_eq(run.out, "larder " PACKAGE_VERSION " (speaks memcached 1.6.45)\n");
    drop(&run);
}
END_TEST

START_TEST(what_comes_before_v_is_still_checked)
{
    struct run run = RUN("-X", "foo", "-V");

    ck_assert_int_eq(run.status, OPTIONS_DONE);
    drop(&run);
    assert_refused(RUN("-Q", "-V"), 1, "invalid option");
}
END_TEST

START_TEST(the_license_is_that_of_the_file_copying)
{
    struct run run = RUN("-i");
    char      *copying = read_file("COPYING");

    assert_has(run.out, copying);
    assert_has(run.out, "libevent");
    free(copying);
    drop(&run);
}
END_TEST

/* The line of the manual with the option as it stands in -h: .BI "\-p, \-\-port=" num */
static void
write_tag(const struct option_row *row, char *text, size_t text_bytes)
{
    char   usage[128], head[160] = "", argument[64] = "";
    size_t used = 0, cut;

    write_usage(row, usage, sizeof(usage));
    cut = row->argument == NULL ? strlen(usage) : strcspn(usage, "<");
    cut -= row->optional ? 2 : 0; /* "[=" goes with the argument */
    for (size_t i = 0; i < cut; i++)
        used += (size_t)snprintf(head + used, sizeof(head) - used,
                                 usage[i] == '-' ? "\\-" : "%c", usage[i]);
    used = 0;
    for (const char *at = usage + cut; *at != '\0'; at++) {
        if (*at != '<' && *at != '>')
            argument[used++] = *at;
    }
    if (used == 0)
        snprintf(text, text_bytes, "\n.TP\n.B \"%s\"\n", head);
    else
        snprintf(text, text_bytes, "\n.TP\n.BI \"%s\" %s\n", head, argument);
}

START_TEST(the_manual_describes_every_option_with_its_default)
{
    char                    *manual = read_file("doc/larder.1");
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    char                     tag[256], preset[64];

    for (size_t i = 0; i < count; i++) {
        char *entry, *end;

        if (rows[i].place == PLACE_SETTING)
            continue;
        write_tag(&rows[i], tag, sizeof(tag));
        entry = strstr(manual, tag);
        ck_assert_msg(entry != NULL, "not in doc/larder.1:%s", tag);
        entry += strlen(tag);
        end = strstr(entry, "\n.TP\n");
        ck_assert_msg(end > entry, "nothing is said of%s", tag);
        if (rows[i].state != OPTION_WORKS || rows[i].preset == NULL ||
            (rows[i].argument == NULL && !rows[i].negatable))
            continue;
        snprintf(preset, sizeof(preset), "Default: %s.\n", rows[i].preset);
        entry = strstr(entry, preset);
        ck_assert_msg(entry != NULL && entry < end, "no \"%s\" below%s", preset, tag);
    }
    free(manual);
}
END_TEST

START_TEST(the_manual_describes_no_option_that_is_not_there)
{
    char                    *manual = read_file("doc/larder.1"), *options, *end;
    size_t                   count, wanted = 0, found = 0;
    const struct option_row *rows = options_table(&count);

    for (size_t i = 0; i < count; i++)
        wanted += rows[i].place != PLACE_SETTING;
    options = strstr(manual, "\n.SH OPTIONS\n");
    ck_assert_ptr_nonnull(options);
    end = strstr(options, "\n.SH ENVIRONMENT\n");
    ck_assert_ptr_nonnull(end);
    for (char *at = options; (at = strstr(at, "\n.TP\n")) != NULL && at < end; at++)
        found++;
    ck_assert_uint_eq(found, wanted);
    free(manual);
}
END_TEST

/* ---- The table itself -------------------------------------------------------------- */

START_TEST(a_choice_shows_its_words)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);

    for (size_t i = 0; i < count; i++) {
        char   text[64] = "<";
        size_t used = 1;

        if (rows[i].type != TYPE_CHOICE)
            continue;
        for (const char *const *word = rows[i].words; *word != NULL; word++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%c", *word,
                                     word[1] != NULL ? '|' : '>');
        ck_assert_str_eq(rows[i].argument, text);
    }
}
END_TEST

START_TEST(letters_and_names_are_used_once)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);
    unsigned                 letters[COUNT_BYTES] = { 0 };

    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_le(letters[(unsigned char)rows[i].letter]++,
                          rows[i].letter == '\0' ? COUNT_BYTES : 0);
        for (size_t j = 0; j < i && rows[i].name != NULL; j++) {
            if (rows[j].name != NULL && rows[j].place == rows[i].place)
                ck_assert_str_ne(rows[i].name, rows[j].name);
        }
    }
}
END_TEST

START_TEST(every_row_is_made_as_its_kind_demands)
{
    size_t                   count;
    const struct option_row *rows = options_table(&count);

    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];

        if (row->place != PLACE_COMMAND_LINE)
            ck_assert_int_eq(row->letter, '\0');
        else if (row->letter == '\0')
            ck_assert_ptr_nonnull(row->name);
        ck_assert_int_eq(row->place == PLACE_SETTING, row->help == NULL);
        if (row->place == PLACE_EXTENDED)
            ck_assert_ptr_nonnull(row->name);
        /* What does not work is listed under its state, what works under a heading. */
        ck_assert_int_eq(row->section != SECTION_NONE,
                         row->place != PLACE_SETTING && row->state == OPTION_WORKS);
        if (row->state == OPTION_LEFT_OUT)
            ck_assert_int_eq(row->type, TYPE_NONE);
        if (row->setting != NULL && row->type == TYPE_NONE)
            ck_assert_ptr_nonnull(row->preset);
    }
}
END_TEST

/* ---- Suite ------------------------------------------------------------------------- */

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/options");
    TCase *accepted = tcase_create("accepted"), *values = tcase_create("values");
    TCase *written = tcase_create("written"), *shown = tcase_create("shown");

    tcase_add_loop_test(accepted,
                        every_option_of_the_command_line_is_answered_as_designed, 0,
                        (int)LENGTH(command_line));
    tcase_add_loop_test(accepted, every_suboption_is_answered_as_designed, 0,
                        (int)LENGTH(extended));
    tcase_add_test(accepted, the_table_has_no_option_that_is_not_listed_here);
    tcase_add_test(accepted, a_flag_without_a_no_form_has_none);
    tcase_add_test(accepted, a_choice_shows_its_words);
    tcase_add_test(accepted, letters_and_names_are_used_once);
    tcase_add_test(accepted, every_row_is_made_as_its_kind_demands);
    suite_add_tcase(suite, accepted);

    tcase_add_test(values, without_options_the_defaults_are_memcacheds);
    tcase_add_test(values, what_is_said_is_what_the_struct_holds);
    tcase_add_test(values, the_last_of_two_values_counts);
    tcase_add_test(values, memory_is_in_megabytes_or_in_the_unit_of_its_suffix);
    tcase_add_loop_test(values, values_are_held_against_their_bounds, 0,
                        (int)LENGTH(bounds));
    tcase_add_test(values, a_small_largest_item_needs_small_chunks_in_whichever_order);
    tcase_add_loop_test(values, a_login_leaves_the_protocols_that_it_is_for, 0, 6);
    tcase_add_test(values, a_login_refuses_the_protocol_that_it_is_not_for);
    tcase_add_test(values, a_login_refuses_listeners_that_it_is_not_for);
    tcase_add_test(values, the_passwords_of_sasl_are_named_by_the_environment);
    tcase_add_test(values, complaints_name_the_option_and_what_it_takes);
    tcase_add_test(values, unknown_options_are_named);
    tcase_add_test(values, tls_says_what_it_lacks);
    tcase_add_test(values, notes_come_only_at_v_and_only_for_what_was_said);
    tcase_add_test(values, many_threads_are_warned_about_without_v);
    tcase_add_test(values, a_server_that_nobody_can_reach_is_warned_about_without_v);
    tcase_add_test(values, tcp_follows_the_udp_port_where_nobody_says_p);
    tcase_add_test(values, an_empty_suboption_is_refused_but_at_the_end);
    tcase_add_test(values, exit_codes_are_memcacheds);
    suite_add_tcase(suite, values);

    tcase_add_test(written, arguments_that_are_no_options_are_ignored);
    tcase_add_test(written, long_options_may_be_cut_short_while_they_are_clear);
    tcase_add_test(written, quotes_in_o_may_hold_commas);
    tcase_add_test(written, a_quote_that_stays_open_is_refused);
    tcase_add_test(written, parsing_leaves_the_arguments_as_they_were);
    tcase_add_test(written, listeners_said_one_after_the_other_are_joined);
    tcase_add_test(written, where_nobody_says_l_it_is_loopback_alone);
    tcase_add_test(written, the_environment_names_the_port_file);
    tcase_add_test(written, fini_may_be_called_after_any_outcome_and_twice);
    suite_add_tcase(suite, written);

    tcase_add_test(shown, settings_have_memcacheds_rows_in_its_order_and_then_ours);
    tcase_add_loop_test(shown, an_option_shows_in_its_row_and_in_no_other, 0,
                        (int)LENGTH(changes));
    tcase_add_test(shown, a_running_server_shows_what_has_changed_since);
    tcase_add_test(shown, help_lists_every_option);
    tcase_add_test(shown, help_begins_with_the_version_and_says_what_it_listens_on);
    tcase_add_test(shown, help_fits_a_terminal_of_eighty_columns);
    tcase_add_test(shown, the_version_is_one_line);
    tcase_add_test(shown, what_comes_before_v_is_still_checked);
    tcase_add_test(shown, the_license_is_that_of_the_file_copying);
    tcase_add_test(shown, the_manual_describes_every_option_with_its_default);
    tcase_add_test(shown, the_manual_describes_no_option_that_is_not_there);
    suite_add_tcase(suite, shown);
    return suite;
}

int
main(void)
{
    unsetenv("MEMCACHED_PORT_FILENAME");
    unsetenv("MEMCACHED_HASH_BULK_MOVE");
    return fixture_run(make_suite());
}
