/* server/log.h - messages for whoever runs the server: lines on standard error, or entries of
 * the systemd journal.
 *
 * Each kind of message is a row of LOG_EVENTS, with its priority in syslog's terms. What
 * is INFO is told at -v, what is DEBUG at -vv, all else always.
 *
 * Nobody ever waits for a reader. Standard error, where it is a pipe or a terminal, is opened
 * anew so as not to block, and what finds no room is dropped and counted. Of what others can
 * bring about, no more than LOG_BURST messages of a row are told in LOG_WINDOW_S; then a line
 * says how many there were besides.
 *
 *   text      the message; "warning: " stands before a warning
 *   json      {"time":"2026-11-28T05:40:00.123456Z","level":"err","event":"start_failed",
 *             "message":"...", and what the row has of fields}
 *   journald  MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, and LARDER_EVENT, LARDER_FD and so on,
 *             by the protocol of systemd.io/JOURNAL_NATIVE_PROTOCOL
 *
 * Bytes that are no printable UTF-8 are shown as \xNN in all of them.
 *
 * What is wrong with options is no matter of this file: no log is open then. Nor is what ends
 * the process at once, such as a failed assertion, which is text on standard error.
 *
 * Threads: log_open() and log_close() are main's, before others are there and after they have
 *          gone; after log_open() nothing is opened any more. All else: any.
 */
#ifndef LARDER_SERVER_LOG_H
#define LARDER_SERVER_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/options.h"
#include "slabs/lock.h"
#include "slabs/span.h"

#define LOG_JOURNAL "/run/systemd/journal/socket"

enum { LOG_BURST = 10, LOG_WINDOW_S = 10 };

/* Row, name, priority (LOG_ERR and so on of syslog.h), and whether there may be so many that
 * some have to be left out. */
#define LOG_EVENTS(X)                                                                    \
    X(LOG_START_FAILED, "start_failed", LOG_ERR, false)                                  \
    X(LOG_START_WARNING, "start_warning", LOG_WARNING, false)                            \
    X(LOG_SECRET_EXPOSED, "secret_exposed", LOG_WARNING, false)                          \
    X(LOG_LOOPBACK_ONLY, "loopback_only", LOG_INFO, false)                               \
    X(LOG_ACTIVATED, "sockets_of_manager", LOG_INFO, false)                              \
    X(LOG_LISTEN_IGNORED, "listen_ignored", LOG_WARNING, false)                          \
    X(LOG_MEMORY_SMALL, "memory_file_small", LOG_WARNING, false)                         \
    X(LOG_MEMORY_EMPTY, "memory_file_empty", LOG_NOTICE, false)                          \
    X(LOG_MEMORY_RESTORED, "memory_file_restored", LOG_NOTICE, false)                    \
    X(LOG_CERTIFICATES_REFUSED, "certificates_refused", LOG_ERR, true)                   \
    X(LOG_CERTIFICATES_READ, "certificates_read", LOG_INFO, true)                        \
    X(LOG_CERTIFICATES_DATED, "certificates_dated", LOG_WARNING, true)                   \
    X(LOG_FILE_UNREADABLE, "file_unreadable", LOG_WARNING, false)                        \
    X(LOG_PASSWORDS_REFUSED, "passwords_refused", LOG_ERR, true)                         \
    X(LOG_PASSWORDS_READ, "passwords_read", LOG_INFO, false)                             \
    X(LOG_SETTINGS_REFUSED, "settings_refused", LOG_ERR, false)                          \
    X(LOG_SETTINGS_WARNING, "settings_warning", LOG_WARNING, false)                      \
    X(LOG_SETTINGS_NOTE, "settings_note", LOG_NOTICE, false)                             \
    X(LOG_SETTING_CHANGED, "setting_changed", LOG_NOTICE, false)                         \
    X(LOG_SETTINGS_SAME, "settings_same", LOG_INFO, false)                               \
    X(LOG_MANAGER_DEAF, "manager_deaf", LOG_ERR, false)                                  \
    X(LOG_WORKER_SILENT, "worker_silent", LOG_CRIT, true)                                \
    X(LOG_THREAD_SILENT, "thread_silent", LOG_CRIT, true)                                \
    X(LOG_ACCEPT_PAUSED, "accept_paused", LOG_INFO, true)                                \
    X(LOG_CONNECTION_REJECTED, "connection_rejected", LOG_INFO, true)                    \
    X(LOG_STOPPING_GRACEFULLY, "stopping", LOG_NOTICE, false)                            \
    X(LOG_STOPPING, "stopping", LOG_INFO, false)                                         \
    X(LOG_SUPPRESSED, "suppressed", LOG_WARNING, false)                                  \
    X(LOG_SIZE_CLASS, "size_class", LOG_DEBUG, false)                                    \
    X(LOG_CONNECTION, "connection", LOG_DEBUG, false)                                    \
    X(LOG_REQUEST, "request", LOG_DEBUG, false)                                          \
    X(LOG_REPLY, "reply", LOG_DEBUG, false)

enum log_event {
#define EVENT(row, name, priority, limited) row,
    LOG_EVENTS(EVENT)
#undef EVENT
        LOG_EVENT_COUNT,
};

/* What a message is about, for programs: text, or a number where that is NULL. */
struct log_field {
    const char *name; /* lower case; NULL ends a list */
    struct span text;
    uint64_t    number;
};

#define LOG_NUMBER(field, value)                                                         \
    {                                                                                    \
        .name = (field), .number = (value)                                               \
    }
#define LOG_TEXT(field, value)                                                           \
    {                                                                                    \
        .name = (field), .text = (value)                                                 \
    }
#define LOG_STRING(field, value)                                                         \
    LOG_TEXT(field, ((struct span){ (value), strlen(value) }))
#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { .name = NULL } })

struct log_counters {
    uint64_t dropped;    /* nobody had room for it        */
    uint64_t suppressed; /* there were too many like it   */
};

/* How often a row was told of late. */
struct log_rate {
    _Atomic uint64_t since_us; /* monotonic */
    _Atomic unsigned told;
    _Atomic uint64_t suppressed;
};

struct log {
    _Atomic(enum options_log_format) format;
    const _Atomic unsigned          *verbosity;
    bool                             to_journal;
    bool says_failures_twice; /* to standard error besides                  */
    int  journal_fd;
    struct sockaddr_un journal;
    struct lock        lock; /* RANK_LEAF; of standard error and the next         */
    bool               cut;  /* the last line there is not whole                  */
    _Atomic uint64_t   dropped;
    _Atomic uint64_t   suppressed;
    struct log_rate    rates[LOG_EVENT_COUNT];
};

/* Find out where to, and prepare it. `journal` is LOG_JOURNAL but in tests. False, with one
 * line in `text`, if the journal is asked for and is not there. */
bool log_open(struct log *log, const struct options *options,
              const _Atomic unsigned *verbosity, const char *journal, char *text,
              size_t text_bytes);
/* Tell what is left to tell. */
void log_close(struct log *log);

/* Whether somebody wants to know; to spare the work of finding out what to say. */
bool log_wants(const struct log *log, enum log_event event);
/* Say it, with fields of LOG_FIELDS() or without, NULL. */
void log_say(struct log *log, enum log_event event, const struct log_field *fields,
             const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Tell of what was suppressed, when it is time. */
void log_tick(struct log *log);
void log_count(const struct log *log, struct log_counters *counters);

#endif
