/* server/options_table.c - the one list of options: what each is called, takes, means,
 * and shows in `stats settings`. How to read a row: server/options_table.h.
 *
 * The order of the rows with a `setting` is what clients see (PROTOCOL.md section 4.4).
 * Bounds and defaults are memcached's (section 13); where it has no upper bound, ours.
 */
#include "server/options_table.h"

#include <limits.h>

#include "server/options.h"

#define KIB 1024
#define MIB (1024 * KIB)
#define GIB (1024LL * MIB)
#define TIB (1024LL * GIB)

#define COMMAND(char, long) .letter = (char), .name = (long)
#define EXTENDED(suboption) .place = PLACE_EXTENDED, .name = (suboption)
#define SETTING .place = PLACE_SETTING

/* The offset of a field, which has to be of that type. */
#define FIELD(ctype, name)                                                               \
    .offset = offsetof(struct options, name) +                                           \
              0 * sizeof(&((struct options *)NULL)->name == (__typeof__(ctype) *)NULL)

#define ON(name) .type = TYPE_ON, FIELD(bool, name)
#define OFF(name) .type = TYPE_OFF, FIELD(bool, name)
#define COUNTED(name) .type = TYPE_COUNTED, FIELD(unsigned, name)
#define NUMBER(name, low, high)                                                          \
    .type = TYPE_NUMBER, FIELD(unsigned, name), .min = (low), .max = (high)
#define SIGNED(name, low, high)                                                          \
    .type = TYPE_SIGNED, FIELD(int, name), .min = (low), .max = (high)
#define OCTAL(name, high) .type = TYPE_OCTAL, FIELD(unsigned, name), .max = (high)
#define BYTES(name, low, high, of)                                                       \
    .type = TYPE_BYTES, FIELD(uint64_t, name), .min = (low), .max = (high), .unit = (of)
#define RATIO(name, low, high)                                                           \
    .type = TYPE_RATIO, FIELD(double, name), .above = (low), .top = (high)
#define CHOICE(ctype, name, list) .type = TYPE_CHOICE, FIELD(ctype, name), .words = (list)
#define TEXT(name) .type = TYPE_TEXT, FIELD(char *, name)
#define LIST(name) .type = TYPE_LIST, FIELD(char *, name)
#define LETTER(name) .type = TYPE_LETTER, FIELD(char[2], name)

static const char *const off_on[] = { "off", "on", NULL };
static const char *const protocol_words[] = { "auto", "ascii", "binary", NULL };
static const char *const protocol_shown[] = { "auto-negotiate", "ascii", "binary", NULL };
static const char *const no_file[] = { "no", NULL };
static const char *const null_file[] = { "(null)", NULL };
static const char *const tls_words[] = { "0", "1", "2", "3", NULL };
static const char *const tls_shown[] = { "tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3",
                                         NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const log_targets[] = { "auto", "stderr", "journald", NULL };
static const char *const hash_words[] = { "jenkins", "murmur3", "xxh3", NULL };

/* ---- What some options change besides their own field ---------------------------- */

static void
then_value_given(struct options *o, bool on)
{
    o->value_bytes_min_given = on;
}

static void
then_filter_demanded(struct options *o, bool on)
{
    o->filter_demanded = on;
}

static void
then_prefix_stats(struct options *o, bool on)
{
    o->prefix_stats = on;
}

static void
then_temporary_lru(struct options *o, bool on)
{
    o->temporary_lru = on;
}

static void
then_segmented(struct options *o, bool on)
{
    o->lru_segmented = on;
}

static void
then_automove(struct options *o, bool on)
{
    if (!on)
        o->slab_automove = 0;
}

static void
then_whole_pages(struct options *o, bool on)
{
    (void)on;
    o->chunk_bytes_max = MIB;
}

/* no_modern: the defaults of memcached 1.4. What is said after it counts again. */
static void
then_modern(struct options *o, bool on)
{
    if (on)
        return;
    o->hash = OPTIONS_HASH_JENKINS;
    o->slab_reassign = false;
    o->slab_automove = 0;
    o->lru_crawler = false;
    o->lru_maintainer = false;
    o->lru_segmented = false;
    o->connections_fast = false;
    o->chunk_bytes_max = MIB;
}

/* ---- The table ------------------------------------------------------------------- */

/* clang-format off */
static const struct option_row rows[] = {
    /* What `stats settings` shows, in its order. */
    { COMMAND('m', "memory-limit"), .argument = "<mb>", .section = SECTION_MEMORY,
      BYTES(memory_bytes, MIB, 16 * TIB, MIB), .preset = "64", .setting = "maxbytes",
      .usage = true,
      .help = "memory for items, in megabytes; with a suffix k, m or g "
              "in that unit" },
    { COMMAND('c', "conn-limit"), .argument = "<num>", .section = SECTION_CONNECTIONS,
      NUMBER(connections_max, 1, INT_MAX), .preset = "1024", .setting = "maxconns",
      .help = "file descriptors of the server, and so connections" },
    { COMMAND('p', "port"), .argument = "<num>", .section = SECTION_LISTEN,
      SIGNED(tcp_port, -1, 65535), .preset = "11211", .setting = "tcpport",
      .help = "TCP port; 0: no TCP, -1: any free port" },
    { COMMAND('U', "udp-port"), .argument = "<num>", .section = SECTION_LISTEN,
      NUMBER(udp_port, 0, 65535), .preset = "0", .setting = "udpport",
      .help = "UDP port; 0: no UDP. With it and without -p, TCP has the same "
              "port" },
    { COMMAND('l', "listen"), .argument = "<addr>", .section = SECTION_LISTEN,
      LIST(listen), .setting = "inter",
      .help = "addresses to listen on, separated by commas: host, host:port, "
              "[v6]:port, * for all. The default is loopback only, 127.0.0.1 "
              "and ::1; memcached listens on all addresses" },
    { COMMAND('v', "verbose"), .section = SECTION_PROCESS,
      COUNTED(verbosity), .preset = "0", .setting = "verbosity",
      .changed_by = "verbosity",
      .help = "log more; -vv and -vvv even more" },
    { SETTING,
      NUMBER(oldest_s, 0, UINT_MAX), .preset = "0", .setting = "oldest" },
    { COMMAND('M', "disable-evictions"), .section = SECTION_MEMORY,
      OFF(evicts), .preset = "on", .shown = off_on, .setting = "evictions",
      .help = "when memory is full, answer with an error and evict nothing" },
    { COMMAND('s', "unix-socket"), .argument = "<path>", .section = SECTION_LISTEN,
      TEXT(unix_path), .setting = "domain_socket",
      .help = "listen on this unix socket and nowhere else" },
    { COMMAND('a', "unix-mask"), .argument = "<mode>", .section = SECTION_LISTEN,
      OCTAL(unix_mode, 07777), .preset = "700", .setting = "umask",
      .help = "permissions of the unix socket, octal" },
    { COMMAND('A', "enable-shutdown"), .section = SECTION_CLIENTS,
      ON(shutdown_command), .preset = "off", .setting = "shutdown_command",
      .help = "let clients stop the server: shutdown" },
    { COMMAND('f', "slab-growth-factor"), .argument = "<ratio>",
      .section = SECTION_MEMORY,
      RATIO(growth, 1, 1000), .preset = "1.25", .setting = "growth_factor",
      .help = "ratio between the sizes of large chunks, more than 1" },
    { COMMAND('n', "slab-min-size"), .argument = "<bytes>", .section = SECTION_MEMORY,
      NUMBER(value_bytes_min, 1, MIB), .preset = "48", .setting = "chunk_size",
      .then = then_value_given,
      .help = "room for key, flags and value in the smallest chunk; "
              "where it is not given, chunks start smaller than memcached's" },
    { COMMAND('t', "threads"), .argument = "<num>", .section = SECTION_PROCESS,
      NUMBER(threads, 1, 1024), .preset = "4", .setting = "num_threads",
      .help = "worker threads" },
    { SETTING,
      NUMBER(threads_per_udp, 0, UINT_MAX), .preset = "0",
      .setting = "num_threads_per_udp" },
    { .letter = 'D', .argument = "<char>", .section = SECTION_CLIENTS,
      LETTER(prefix_delimiter), .preset = ":", .setting = "stat_key_prefix",
      .then = then_prefix_stats,
      .help = "what ends a key's prefix, and count by prefix: stats detail" },
    { SETTING,
      ON(prefix_stats), .preset = "off", .setting = "detail_enabled",
      .changed_by = "stats detail" },
    { COMMAND('R', "max-reqs-per-event"), .argument = "<num>",
      .section = SECTION_CONNECTIONS,
      NUMBER(requests_max, 1, INT_MAX), .preset = "20", .setting = "reqs_per_event",
      .help = "steps of 64 requests before other connections get their turn" },
    { COMMAND('C', "disable-cas"), .section = SECTION_MEMORY,
      OFF(cas), .preset = "on", .setting = "cas_enabled",
      .help = "no CAS: every item shows the number 0" },
    { COMMAND('b', "listen-backlog"), .argument = "<num>", .section = SECTION_LISTEN,
      NUMBER(backlog, 0, INT_MAX), .preset = "1024", .setting = "tcp_backlog",
      .help = "connections that may wait for being accepted" },
    { COMMAND('B', "protocol"), .argument = "<auto|ascii|binary>", .section = SECTION_LISTEN,
      CHOICE(enum options_protocol, protocol, protocol_words), .preset = "auto",
      .shown = protocol_shown, .setting = "binding_protocol", .usage = true,
      .help = "what clients speak; auto: the first byte tells" },
    { COMMAND('S', "enable-sasl"), .section = SECTION_CLIENTS,
      ON(sasl), .preset = "off", .setting = "auth_enabled_sasl",
      .help = "clients of the binary protocol have to log in, by SASL PLAIN; without -Y "
              "there is no other protocol" },
    { COMMAND('Y', "auth-file"), .argument = "<file>", .section = SECTION_CLIENTS,
      TEXT(auth_file), .shown = no_file, .setting = "auth_enabled_ascii",
      .help = "clients have to log in, as the file says in lines of user:password; "
              "without -S in the text protocol alone" },
    { COMMAND('I', "max-item-size"), .argument = "<size>", .section = SECTION_MEMORY,
      BYTES(item_bytes_max, KIB, GIB, 1), .preset = "1m", .setting = "item_size_max",
      .usage = true,
      .help = "largest item, in bytes or with a suffix k, m or g; up to 1g" },
    { EXTENDED("maxconns_fast"), .negatable = true,
      .section = SECTION_CONNECTIONS,
      ON(connections_fast), .preset = "on", .setting = "maxconns_fast",
      .help = "at the limit of connections, refuse new ones at once rather "
              "than let them wait" },
    { EXTENDED("hashpower"), .argument = "<num>", .state = OPTION_IGNORED,
      NUMBER(hashpower, 12, 32), .preset = "0", .setting = "hashpower_init",
      .help = "the table grows by itself, without a stop" },
    { EXTENDED("slab_reassign"), .negatable = true, .section = SECTION_MEMORY,
      ON(slab_reassign), .preset = "on", .setting = "slab_reassign",
      .help = "let memory move between size classes" },
    { EXTENDED("slab_automove"), .argument = "<num>", .optional = true,
      .negatable = true, .section = SECTION_MEMORY,
      NUMBER(slab_automove, 0, 2), .preset = "1", .setting = "slab_automove",
      .changed_by = "slabs automove", .then = then_automove,
      .help = "move memory to where it brings hits: 0 never, 1 when that is "
              "sure, 2 at the first sign" },
    { EXTENDED("slab_automove_ratio"), .argument = "<ratio>", .section = SECTION_MEMORY,
      RATIO(slab_automove_ratio, 0, 1), .preset = "0.8", .setting = "slab_automove_ratio",
      .changed_by = "slabs automove ratio",
      .help = "only where one class loses less than so much of what another "
              "one gains" },
    { EXTENDED("slab_automove_window"), .argument = "<s>", .state = OPTION_IGNORED,
      NUMBER(slab_automove_window, 3, 1800), .preset = "10",
      .setting = "slab_automove_window", .changed_by = "slabs automove window",
      .help = "what has happened since counts, however long ago that is" },
    { EXTENDED("slab_chunk_max"), .argument = "<kb>", .section = SECTION_MEMORY,
      BYTES(chunk_bytes_max, KIB, MIB, KIB), .preset = "512", .setting = "slab_chunk_max",
      .help = "largest chunk, in kilobytes; larger items are chains of them" },
    { EXTENDED("lru_crawler"), .negatable = true, .section = SECTION_MEMORY,
      ON(lru_crawler), .preset = "on", .setting = "lru_crawler",
      .changed_by = "lru_crawler enable",
      .help = "drop expired items in the background" },
    { EXTENDED("lru_crawler_sleep"), .argument = "<us>", .section = SECTION_MEMORY,
      NUMBER(lru_crawler_sleep_us, 0, 1000000), .preset = "100",
      .setting = "lru_crawler_sleep", .changed_by = "lru_crawler sleep",
      .help = "microseconds between two steps of that" },
    { EXTENDED("lru_crawler_tocrawl"), .argument = "<num>", .section = SECTION_MEMORY,
      NUMBER(lru_crawler_tocrawl, 0, UINT_MAX), .preset = "0",
      .setting = "lru_crawler_tocrawl", .changed_by = "lru_crawler tocrawl",
      .help = "items of a size class in one round of that; 0: all" },
    { EXTENDED("tail_repair_time"), .argument = "<s>",
      .state = OPTION_IGNORED,
      NUMBER(tail_repair_s, 10, INT_MAX), .preset = "0", .setting = "tail_repair_time",
      .help = "there are no items to repair: pins do not leak" },
    { COMMAND('F', "disable-flush-all"), .section = SECTION_CLIENTS,
      OFF(flush), .preset = "on", .setting = "flush_enabled",
      .help = "refuse flush_all" },
    { COMMAND('X', "disable-dumping"), .section = SECTION_CLIENTS,
      OFF(dump), .preset = "on", .setting = "dump_enabled",
      .help = "no lists of keys: stats cachedump, stats detail, "
              "lru_crawler metadump" },
    { EXTENDED("hash_algorithm"), .argument = "<jenkins|murmur3|xxh3>",
      .state = OPTION_IGNORED,
      CHOICE(enum options_hash, hash, hash_words), .preset = "murmur3",
      .setting = "hash_algorithm",
      .help = "keys are always hashed by XXH3 with a random seed" },
    { EXTENDED("lru_maintainer"), .negatable = true, .section = SECTION_MEMORY,
      ON(lru_maintainer), .preset = "on", .setting = "lru_maintainer_thread",
      .then = then_segmented,
      .help = "keep items in segments, so that no scan evicts what is popular" },
    { SETTING,
      ON(lru_segmented), .preset = "on", .setting = "lru_segmented",
      .changed_by = "lru mode" },
    { EXTENDED("hot_lru_pct"), .argument = "<num>", .section = SECTION_MEMORY,
      NUMBER(lru_hot_percent, 1, 79), .preset = "20", .setting = "hot_lru_pct",
      .changed_by = "lru tune",
      .help = "share of the segment of new items in a size class" },
    { EXTENDED("warm_lru_pct"), .argument = "<num>", .section = SECTION_MEMORY,
      NUMBER(lru_warm_percent, 1, 79), .preset = "40", .setting = "warm_lru_pct",
      .changed_by = "lru tune",
      .help = "share of the segment of popular items" },
    { EXTENDED("hot_max_factor"), .argument = "<ratio>", .section = SECTION_MEMORY,
      RATIO(lru_hot_factor, 0, 1e9), .preset = "0.2", .setting = "hot_max_factor",
      .changed_by = "lru tune",
      .help = "how long an item is new, in ages of the coldest item" },
    { EXTENDED("warm_max_factor"), .argument = "<ratio>", .section = SECTION_MEMORY,
      RATIO(lru_warm_factor, 0, 1e9), .preset = "2.0", .setting = "warm_max_factor",
      .changed_by = "lru tune",
      .help = "how long it stays popular unread, in the same" },
    { SETTING,
      ON(temporary_lru), .preset = "off", .setting = "temp_lru",
      .changed_by = "lru temp_ttl" },
    { EXTENDED("temporary_ttl"), .argument = "<s>", .section = SECTION_MEMORY,
      NUMBER(temporary_ttl_s, 0, INT_MAX), .preset = "61", .setting = "temporary_ttl",
      .changed_by = "lru temp_ttl", .then = then_temporary_lru,
      .help = "items that live no longer are kept apart until they end" },
    { EXTENDED("idle_timeout"), .argument = "<s>",
      .section = SECTION_CONNECTIONS,
      NUMBER(idle_timeout_s, 0, 100000000), .preset = "0", .setting = "idle_timeout",
      .help = "close TCP connections that were idle so long; 0: never" },
    { EXTENDED("watcher_logbuf_size"), .argument = "<kb>",
      .section = SECTION_CLIENTS,
      BYTES(watcher_log_bytes, KIB, GIB, KIB), .preset = "256",
      .setting = "watcher_logbuf_size",
      .help = "lines that wait for one slow watcher; more are skipped" },
    { EXTENDED("worker_logbuf_size"), .argument = "<kb>",
      .section = SECTION_CLIENTS,
      BYTES(worker_log_bytes, KIB, GIB, KIB), .preset = "64",
      .setting = "worker_logbuf_size",
      .help = "lines of one worker that wait for being sent; more are dropped" },
    { EXTENDED("read_buf_mem_limit"), .argument = "<mb>",
      .state = OPTION_IGNORED,
      BYTES(read_memory_bytes, 0, 16 * TIB, MIB), .preset = "0",
      .setting = "read_buf_mem_limit",
      .help = "connections share one buffer a worker" },
    { EXTENDED("track_sizes"), .section = SECTION_MEMORY,
      ON(track_sizes), .preset = "off", .setting = "track_sizes",
      .help = "count items by size: stats sizes" },
    { EXTENDED("inline_ascii_resp"), .negatable = true,
      .state = OPTION_IGNORED,
      .preset = "no", .setting = "inline_ascii_response",
      .help = "memcached ignores it too" },
    { COMMAND('Z', "enable-ssl"), .section = SECTION_TLS,
      ON(tls), .preset = "off", .setting = "ssl_enabled",
      .help = "clients speak TLS, but for those of -s and of -l notls:" },
    { EXTENDED("ssl_chain_cert"), .argument = "<file>", .section = SECTION_TLS,
      TEXT(tls_chain), .shown = null_file, .setting = "ssl_chain_cert",
      .help = "the server's certificate and those that lead to its CA, in PEM" },
    { EXTENDED("ssl_key"), .argument = "<file>", .section = SECTION_TLS,
      TEXT(tls_key), .shown = null_file, .setting = "ssl_key",
      .help = "its private key, where it is not in that file" },
    { EXTENDED("ssl_verify_mode"), .argument = "<num>", .section = SECTION_TLS,
      NUMBER(tls_verify_mode, 0, 3), .preset = "0", .setting = "ssl_verify_mode",
      .help = "of clients, 0: ask for no certificate, 1: verify the one that is shown, "
              "2 or 3: refuse who shows none" },
    { EXTENDED("ssl_keyformat"), .argument = "<num>", .section = SECTION_TLS,
      NUMBER(tls_key_format, 1, 2), .preset = "1", .setting = "ssl_keyformat",
      .usage = true,
      .help = "the key is in 1: PEM, 2: DER" },
    { EXTENDED("ssl_ciphers"), .argument = "<list>", .section = SECTION_TLS,
      TEXT(tls_ciphers), .setting = "ssl_ciphers",
      .help = "ciphers below TLS 1.3, in OpenSSL's words, separated by colons; by default "
              "those that are AEAD, with a key of their own for each connection" },
    { EXTENDED("ssl_ca_cert"), .argument = "<file>", .section = SECTION_TLS,
      TEXT(tls_ca), .setting = "ssl_ca_cert",
      .help = "who signs the certificates of clients, in PEM" },
    { EXTENDED("ssl_wbuf_size"), .argument = "<kb>", .state = OPTION_IGNORED,
      BYTES(tls_write_bytes, KIB, GIB, KIB), .preset = "16", .setting = "ssl_wbuf_size",
      .help = "a record holds what there is to say, up to 16k" },
    { EXTENDED("ssl_session_cache"), .section = SECTION_TLS,
      ON(tls_sessions), .preset = "off", .setting = "ssl_session_cache",
      .help = "let clients resume their sessions, by tickets" },
    { EXTENDED("ssl_kernel_tls"), .section = SECTION_TLS,
      ON(tls_kernel), .preset = "off", .setting = "ssl_kernel_tls",
      .help = "let the kernel encrypt, where it can" },
    { EXTENDED("ssl_min_version"), .argument = "<0|1|2|3>", .section = SECTION_TLS,
      CHOICE(enum options_tls_version, tls_version_min, tls_words), .preset = "2",
      .shown = tls_shown, .setting = "ssl_min_version",
      .help = "the oldest TLS that is spoken, 0: 1.0, 1: 1.1, 2: 1.2, 3: 1.3" },
    { COMMAND('N', "napi-ids"), .argument = "<num>", .state = OPTION_IGNORED,
      NUMBER(napi_ids, 1, 1024), .preset = "0", .setting = "num_napi_ids",
      .help = "a connection goes to the worker that has fewest" },
    { COMMAND('e', "memory-file"), .argument = "<file>", .section = SECTION_MEMORY,
      TEXT(memory_file), .shown = null_file, .setting = "memory_file",
      .help = "keep memory in this file, on tmpfs best: the next start has it "
              "again, after a kill too" },
    { SETTING, .preset = "4", .setting = "client_flags_size" },
    /* Limits that memcached does not have. */
    { EXTENDED("header_timeout"), .argument = "<s>", .section = SECTION_CONNECTIONS,
      NUMBER(header_timeout_s, 0, 100000000), .preset = "60", .setting = "header_timeout",
      .help = "close connections that take longer to send a command; 0: never" },
    { EXTENDED("body_timeout"), .argument = "<s>", .section = SECTION_CONNECTIONS,
      NUMBER(body_timeout_s, 0, 100000000), .preset = "60", .setting = "body_timeout",
      .help = "close connections that in so many seconds send neither the rest of a value "
              "nor a kilobyte of it a second; 0: never" },
    { EXTENDED("write_timeout"), .argument = "<s>", .section = SECTION_CONNECTIONS,
      NUMBER(write_timeout_s, 0, 100000000), .preset = "60", .setting = "write_timeout",
      .help = "the same of those that do not take what they have asked for" },
    { EXTENDED("conn_mem_limit"), .argument = "<mb>", .section = SECTION_CONNECTIONS,
      BYTES(conn_memory_bytes, 0, 16 * TIB, MIB), .preset = "256", .setting = "conn_mem_limit",
      .help = "memory for what connections have not sent or taken as a whole; beyond it those "
              "that keep most are closed; 0: no limit" },
    { EXTENDED("ssl_handshake_timeout"), .argument = "<s>", .section = SECTION_TLS,
      NUMBER(tls_handshake_s, 1, 100000000), .preset = "10", .setting = "ssl_handshake_timeout",
      .help = "close connections whose handshake takes longer" },
    { EXTENDED("udp_amplification"), .argument = "<num>", .section = SECTION_CLIENTS,
      NUMBER(udp_amplification, 0, 1000000), .preset = "10", .setting = "udp_amplification",
      .help = "an answer by UDP has at most so many times the bytes of its "
              "request, so that nobody is hit by it who did not ask; 0: any" },

    /* What it does not show. */
    { COMMAND('d', "daemon"), .section = SECTION_PROCESS,
      ON(daemon), .preset = "off",
      .help = "run in the background; the start ends when it serves" },
    { COMMAND('u', "user"), .argument = "<name>", .section = SECTION_PROCESS,
      TEXT(user),
      .help = "become this user, when started as root; then it is needed, "
              "and -u root stays root" },
    { COMMAND('P', "pidfile"), .argument = "<file>", .section = SECTION_PROCESS,
      TEXT(pid_file),
      .help = "write the process id there; removed at the end with -d" },
    { COMMAND('r', "enable-coredumps"), .section = SECTION_PROCESS,
      ON(core_dumps), .preset = "off",
      .help = "raise the limit of core files" },
    { COMMAND('k', "lock-memory"), .section = SECTION_MEMORY,
      ON(lock_memory), .preset = "off",
      .help = "keep memory from being swapped out" },
    { COMMAND('L', "enable-largepages"), .section = SECTION_MEMORY,
      ON(large_pages), .preset = "off",
      .help = "take all memory for items at the start, in huge pages where the system "
              "has them" },
    { COMMAND('W', "disable-watch"), .section = SECTION_CLIENTS,
      OFF(watch), .preset = "on",
      .help = "refuse watch" },
    { COMMAND('o', "extended"), .argument = "<list>", .section = SECTION_HELP,
      .type = TYPE_EXTENDED,
      .help = "more options, shown here with -o, separated by commas; a "
              "value with a comma in it stands in quotes" },
    { COMMAND('\0', "config"), .argument = "<file>", .section = SECTION_HELP,
      .type = TYPE_CONFIG,
      .help = "read options from this file, which the environment and the "
              "command line override" },
    { COMMAND('\0', "check-config"), .section = SECTION_HELP,
      .type = TYPE_CHECK_CONFIG,
      .help = "say whether the options are good, those of /etc/larder/larder.conf "
              "or the file too, and end" },
    { COMMAND('h', "help"), .section = SECTION_HELP, .type = TYPE_HELP,
      .help = "print this and end" },
    { COMMAND('i', "license"), .section = SECTION_HELP, .type = TYPE_LICENSE,
      .help = "print the license and end" },
    { COMMAND('V', "version"), .section = SECTION_HELP, .type = TYPE_VERSION,
      .help = "print the version and end" },
    { EXTENDED("sock_cookie_id"), .argument = "<num>",
      .section = SECTION_LISTEN,
      NUMBER(socket_mark, 0, UINT_MAX), .preset = "0",
      .help = "mark sockets for packet filters (SO_MARK; needs CAP_NET_ADMIN)" },
    { EXTENDED("log_format"), .argument = "<text|json>", .section = SECTION_PROCESS,
      CHOICE(enum options_log_format, log_format, log_formats), .preset = "text",
      .help = "what the lines on standard error are" },
    { EXTENDED("log_target"), .argument = "<auto|stderr|journald>", .section = SECTION_PROCESS,
      CHOICE(enum options_log_target, log_target, log_targets), .preset = "auto",
      .help = "where messages go; auto: to the journal of systemd where standard "
              "error leads there anyway, else to standard error" },
    { EXTENDED("debug_commands"), .section = SECTION_CLIENTS,
      ON(debug_commands), .preset = "off",
      .help = "let clients move the server's clock (debugtime), and check at the end "
              "that all memory is where it should be; for tests" },
    { EXTENDED("no_hashexpand"), .state = OPTION_IGNORED,
      .help = "the table grows by itself, without a stop" },
    { EXTENDED("no_chunked_items"), .section = SECTION_MEMORY,
      .then = then_whole_pages,
      .help = "an item of up to 1m always has one chunk" },
    { EXTENDED("slab_sizes"), .argument = "<a-b-c>", .state = OPTION_IGNORED,
      TEXT(class_sizes),
      .help = "size classes follow from -n and -f" },
    { EXTENDED("slab_automove_freeratio"), .argument = "<ratio>",
      .state = OPTION_IGNORED,
      RATIO(slab_automove_freeratio, 0, 1), .preset = "0.01",
      .help = "it is for extstore" },
    { EXTENDED("modern"), .negatable = true, .state = OPTION_IGNORED,
      .then = then_modern,
      .help = "nothing is left to turn on or, but for maxconns_fast, off" },
    { EXTENDED("drop_privileges"), .negatable = true, .section = SECTION_PROCESS,
      ON(filter), .preset = "on", .then = then_filter_demanded,
      .help = "once it serves, allow each thread only the system calls that it has need "
              "of; where it is said and the system has no such filter, the start fails" },
    { EXTENDED("relaxed_privileges"), .state = OPTION_IGNORED,
      .help = "tests need no more system calls than other clients" },
    { EXTENDED("resp_obj_mem_limit"), .argument = "<mb>",
      .state = OPTION_IGNORED,
      .help = "memcached ignores it too" },

    /* Of a memcached that was built with extstore. */
    { EXTENDED("ext_path"), .argument = "<file:size>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_page_size"), .argument = "<mb>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_wbuf_size"), .argument = "<mb>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_threads"), .argument = "<num>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_io_depth"), .argument = "<num>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_item_size"), .argument = "<bytes>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_item_age"), .argument = "<s>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_low_ttl"), .argument = "<s>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_recache_rate"), .argument = "<num>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_compact_under"), .argument = "<num>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_drop_under"), .argument = "<num>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_max_frag"), .argument = "<ratio>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_max_sleep"), .argument = "<us>",
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },
    { EXTENDED("ext_drop_unread"),
      .state = OPTION_LEFT_OUT, .help = "larder keeps no values on flash" },

    /* Of a memcached that was built as a proxy. */
    { EXTENDED("proxy_config"), .argument = "<file>",
      .state = OPTION_LEFT_OUT, .help = "larder is no proxy" },
    { EXTENDED("proxy_arg"), .argument = "<arg>",
      .state = OPTION_LEFT_OUT, .help = "larder is no proxy" },
    { EXTENDED("proxy_uring"),
      .state = OPTION_LEFT_OUT, .help = "larder is no proxy" },
    { EXTENDED("proxy_memprofile"),
      .state = OPTION_LEFT_OUT, .help = "larder is no proxy" },
};
/* clang-format on */

const struct option_row *
options_table(size_t *count)
{
    *count = sizeof(rows) / sizeof(rows[0]);
    return rows;
}
