/* server/options.h - the command line, read into one plain struct.
 *
 * Every option of memcached 1.6.45 is known here, short, long and as a -o sub-option,
 * so that a start script written for memcached starts larder. What an option is called,
 * takes, means and shows in `stats settings` stands in server/options_table.c and
 * nowhere else: parsing, -h and `stats settings` read it there, and a test holds
 * the manual page against it.
 *
 * Threads: options_parse() uses getopt_long() and therefore its globals: call it from
 *          one thread. The struct is constant after start; any thread may read it.
 * Errors:  nothing here exits. The status says how main() ends.
 */
#ifndef LARDER_SERVER_OPTIONS_H
#define LARDER_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_protocol {
    OPTIONS_PROTOCOL_AUTO, /* the first byte of a connection decides */
    OPTIONS_PROTOCOL_ASCII,
    OPTIONS_PROTOCOL_BINARY,
};

enum options_hash {
    OPTIONS_HASH_JENKINS,
    OPTIONS_HASH_MURMUR3,
    OPTIONS_HASH_XXH3,
};

enum options_log_format {
    OPTIONS_LOG_TEXT,
    OPTIONS_LOG_JSON,
};

enum options_log_target {
    OPTIONS_LOG_AUTO, /* the journal, where standard error leads there */
    OPTIONS_LOG_STDERR,
    OPTIONS_LOG_JOURNALD,
};

enum options_tls_version {
    OPTIONS_TLS_1_0,
    OPTIONS_TLS_1_1,
    OPTIONS_TLS_1_2,
    OPTIONS_TLS_1_3
};

/* The parsed command line. Text is owned by the struct; NULL where nothing was given. */
struct options {
    char *config_file; /* --config, from / on; NULL: none */

    /* Where to listen. */
    int      tcp_port;          /* -p: 1..65535, 0 no TCP, -1 any free port            */
    unsigned udp_port;          /* -U: 0 no UDP                                        */
    unsigned udp_amplification; /* -o: an answer by its request, in bytes; 0 any       */
    char    *listen;            /* -l: list for server/listen; NULL with -s or -p 0    */
    bool     listen_is_default; /* nobody said -l: loopback, and ::1 may be missing    */
    char    *unix_path;         /* -s: then there is no TCP                            */
    unsigned unix_mode;         /* -a: permission bits                                 */
    unsigned backlog;           /* -b: connections the kernel holds for accept()       */
    unsigned socket_mark;       /* -o sock_cookie_id: SO_MARK of listeners, 0 none     */
    char    *port_file;         /* MEMCACHED_PORT_FILENAME: where to write the ports   */

    /* Connections. */
    unsigned connections_max;   /* -c: descriptors, as memcached counts them           */
    bool     connections_fast;  /* refuse at the limit, rather than let them wait      */
    unsigned idle_timeout_s;    /* -o idle_timeout: seconds, 0 never                   */
    unsigned header_timeout_s;  /* -o header_timeout: seconds, 0 never; so are these   */
    unsigned body_timeout_s;    /* -o body_timeout                                     */
    unsigned write_timeout_s;   /* -o write_timeout                                    */
    uint64_t conn_memory_bytes; /* -o conn_mem_limit: 0 none                           */
    unsigned requests_max;      /* -R: requests of one connection before the others    */
    uint64_t read_memory_bytes; /* -o read_buf_mem_limit: 0 none                       */
    enum options_protocol protocol; /* -B: for listeners that name none                */

    /* The cache. */
    uint64_t memory_bytes;          /* -m: for items                                    */
    uint64_t item_bytes_max;        /* -I: header, key and value of one item            */
    uint64_t chunk_bytes_max;       /* -o slab_chunk_max: larger items are chains       */
    unsigned value_bytes_min;       /* -n: least room for key, value and flags          */
    bool     value_bytes_min_given; /* somebody said -n; else small classes go lower   */
    double   growth;                /* -f: from size class to size class, > 1           */
    char    *class_sizes;           /* -o slab_sizes: as given, not used                */
    bool     evicts;                /* false with -M: out of memory is an answer        */
    bool     cas;                   /* false with -C                                    */
    bool     flush;                 /* false with -F: flush_all is refused              */
    bool     large_pages;           /* -L: take it all at once, in huge pages           */
    bool     lock_memory;           /* -k                                               */
    bool     track_sizes;           /* -o track_sizes                                   */
    char    *memory_file;           /* -e: where memory is, and stays; NULL: nowhere    */

    /* Threads and process. */
    unsigned threads;         /* -t: workers                                           */
    unsigned threads_per_udp; /* for `stats settings` alone                            */
    unsigned napi_ids;        /* -N                                                    */
    unsigned verbosity;       /* -v: how often it was said                             */
    bool     daemon;          /* -d                                                    */
    bool     core_dumps;      /* -r                                                    */
    bool     filter;          /* false with -o no_drop_privileges: any system call     */
    bool     filter_demanded; /* somebody said -o drop_privileges: not without it      */
    char    *user;            /* -u                                                    */
    char    *pid_file;        /* -P                                                    */
    enum options_log_format log_format; /* -o log_format                              */
    enum options_log_target log_target; /* -o log_target                              */

    /* What clients may do. */
    bool shutdown_command; /* -A: clients may stop the server          */
    bool dump;             /* false with -X: no cachedump, no metadump */
    bool watch;            /* false with -W: no watch                  */
    bool debug_commands;   /* -o debug_commands: debugtime, for tests  */

    /* Who they are. */
    bool  sasl;      /* -S: they log in by SASL, if they speak binary             */
    char *auth_file; /* -Y: users and passwords, and they log in if they speak text */
    char *sasl_file; /* MEMCACHED_SASL_PWDB: the same for -S without -Y           */

    /* TLS. */
    bool  tls;         /* -Z                                                       */
    char *tls_chain;   /* -o ssl_chain_cert                                        */
    char *tls_key;     /* -o ssl_key: NULL, it is in the same file                 */
    char *tls_ca;      /* -o ssl_ca_cert                                           */
    char *tls_ciphers; /* -o ssl_ciphers: NULL, ours                               */
    unsigned
        tls_verify_mode; /* -o ssl_verify_mode: 0..3                                 */
    unsigned
         tls_key_format; /* -o ssl_keyformat: as OpenSSL counts them                 */
    bool tls_sessions;   /* -o ssl_session_cache: sessions may be resumed            */
    bool tls_kernel;     /* -o ssl_kernel_tls                                        */
    unsigned
        tls_handshake_s; /* -o ssl_handshake_timeout: seconds                        */
    uint64_t
        tls_write_bytes; /* -o ssl_wbuf_size: not used                               */
    enum options_tls_version
        tls_version_min; /* -o ssl_min_version                       */

    /* Known to memcached's engine, shown in `stats settings`, of no effect here. */
    char              prefix_delimiter[2]; /* -D: one character                        */
    bool              prefix_stats;        /* -D turns them on                         */
    unsigned          hashpower;           /* 12..32, or 0: not given                  */
    enum options_hash hash;                /* larder hashes with XXH3 whatever it says */
    bool              slab_reassign;
    unsigned          slab_automove;
    double            slab_automove_ratio;
    double            slab_automove_freeratio;
    unsigned          slab_automove_window; /* seconds                                 */
    bool              lru_crawler;
    unsigned          lru_crawler_sleep_us;
    unsigned          lru_crawler_tocrawl; /* items a class, 0 all                     */
    bool              lru_maintainer;
    bool              lru_segmented;
    unsigned          lru_hot_percent;
    unsigned          lru_warm_percent;
    double            lru_hot_factor;
    double            lru_warm_factor;
    bool              temporary_lru;
    unsigned          temporary_ttl_s;
    unsigned          tail_repair_s; /* 0 off */
    uint64_t          watcher_log_bytes;
    uint64_t          worker_log_bytes;

    /* No option sets it: whoever shows settings of a running server may fill it in. */
    unsigned oldest_s; /* server time of the last flush_all, as memcached shows it */
};

enum options_status {
    OPTIONS_OK = 0,    /* go on                                                       */
    OPTIONS_DONE,      /* -h, -i or -V has been answered on `out`                     */
    OPTIONS_BAD_VALUE, /* an unknown option, or a value out of bounds                 */
    OPTIONS_CONFLICT,  /* options that cannot stand together                          */
    OPTIONS_NO_MEMORY,
};

/*
 * Read the command line and the environment into *o. What a person asked to see goes to
 * `out`; complaints, and at -v notes on options that have no effect, go to `err`. Any
 * status other than OPTIONS_OK means: end now, with options_exit_code(). *o is to be
 * handed to options_fini() in every case. argv is permuted as getopt_long() does.
 */
enum options_status options_parse(struct options *o, int argc, char **argv, FILE *out,
                                  FILE *err) __attribute__((warn_unused_result));

/* What is said of options. */
enum options_level {
    OPTIONS_WRONG,   /* they are refused                                 */
    OPTIONS_WARNING, /* they are good, but hardly what somebody wants    */
    OPTIONS_NOTE,    /* at -v: they have no effect                       */
};

/* Hears a line of that, with the place that it is about, and without its end. */
typedef void options_hear(void *arg, enum options_level level, const char *line);

/* The same once more, from the file that `before` was read from as it is now, the environment,
 * and argv after options_parse() has had it. What there is to say goes to `hear`. */
enum options_status options_parse_again(struct options *o, const struct options *before,
                                        int argc, char **argv, options_hear *hear,
                                        void *arg) __attribute__((warn_unused_result));

/* Free the text in *o. */
void options_fini(struct options *o);

/* 0, 1 or 64 (EX_USAGE): PROTOCOL.md section 13. */
int options_exit_code(enum options_status status);

/*
 * The rows of `stats settings` in wire order (PROTOCOL.md section 4.4), one call each;
 * both strings are gone after the call. A server whose values have changed since its
 * start (verbosity, oldest_s) hands in a copy of its options with the new ones.
 */
void options_emit_settings(const struct options *o,
                           void (*emit)(void *ctx, const char *name, const char *value),
                           void *ctx);

#endif
