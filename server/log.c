/* server/log.c - messages for whoever runs the server. See log.h. */
#include "server/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "server/monotonic.h"
#include "server/printable.h"
#include "slabs/must.h"

enum {
    MESSAGE_BYTES = 1024,
    LINE_BYTES = PIPE_BUF, /* of that length it goes into a pipe whole, or not at all */
    TEXT_MOST =
        LINE_BYTES - 512, /* text ends here: the rest is for what stands around it */
    ESCAPE_MOST = 5,      /* bytes that one byte may become, as in \\x1b */
};

struct row {
    const char *name;
    int         priority;
    bool        limited;
};

static const struct row rows[] = {
#define ROW(row, name, priority, limited) { name, priority, limited },
    LOG_EVENTS(ROW)
#undef ROW
};

/* A line, or an entry of the journal, as it is made. */
struct line {
    char   text[LINE_BYTES];
    size_t used;
};

/* ---- text ------------------------------------------------------------------------ */

static void
put(struct line *line, const char *bytes, size_t length)
{
    must(length <= sizeof(line->text) - line->used);
    memcpy(line->text + line->used, bytes, length);
    line->used += length;
}

static void put_format(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put_format(struct line *line, const char *format, ...)
{
    char    text[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    put(line, text, strlen(text));
}

static void
put_text(struct line *line, struct span text, bool json)
{
    const char *backslash = json ? "\\\\" : "\\";

    while (text.length > 0 && line->used <= TEXT_MOST - ESCAPE_MOST) {
        size_t length = printable_length(text);

        if (length == 0)
            put_format(line, "%sx%02x", backslash, (unsigned char)text.at[0]);
        else if (json && (text.at[0] == '"' || text.at[0] == '\\'))
            put_format(line, "\\%c", text.at[0]);
        else
            put(line, text.at, length);
        length += length == 0;
        text = (struct span){ text.at + length, text.length - length };
    }
}

static void
write_text(struct line *line, const struct row *row, struct span message)
{
    if (row->priority == LOG_WARNING)
        put_format(line, "warning: ");
    put_text(line, message, false);
    put(line, "\n", 1);
}

static void
put_json(struct line *line, const char *name, struct span text)
{
    put_format(line, ",\"%s\":\"", name);
    put_text(line, text, true);
    put(line, "\"", 1);
}

/* Source: RFC 3339, section 5.6; syslog(3) for the names of priorities. */
static void
write_json(struct line *line, const struct row *row, struct span message,
           const struct log_field *fields)
{
    static const char *const levels[] = { "emerg",   "alert",  "crit", "err",
                                          "warning", "notice", "info", "debug" };
    struct timespec          now;
    struct tm                utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    put_format(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ\"",
               utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
               utc.tm_sec, now.tv_nsec / 1000);
    put_format(line, ",\"level\":\"%s\",\"event\":\"%s\"", levels[row->priority],
               row->name);
    put_json(line, "message", message);
    for (; fields != NULL && fields->name != NULL; fields++) {
        if (fields->text.at != NULL)
            put_json(line, fields->name, fields->text);
        else
            put_format(line, ",\"%s\":%" PRIu64, fields->name, fields->number);
    }
    put(line, "}\n", 2);
}

static void
write_entry(struct line *line, const struct row *row, struct span message,
            const struct log_field *fields)
{
    put_format(line, "PRIORITY=%d\nSYSLOG_IDENTIFIER=larder\nLARDER_EVENT=%s\nMESSAGE=",
               row->priority, row->name);
    put_text(line, message, false);
    for (; fields != NULL && fields->name != NULL; fields++) {
        put_format(line, "\nLARDER_");
        for (const char *at = fields->name; *at != '\0'; at++)
            put_format(line, "%c", toupper((unsigned char)*at));
        put(line, "=", 1);
        if (fields->text.at != NULL)
            put_text(line, fields->text, false);
        else
            put_format(line, "%" PRIu64, fields->number);
    }
    put(line, "\n", 1);
}

/* ---- where it goes --------------------------------------------------------------- */

/* It may be that standard error could not be opened anew; then who else writes to it can
 * still take the room that was found here. */
static bool
has_room(void)
{
    struct pollfd poll_fd = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) != 0;
}

/* A terminal may take a part of a line. */
static bool
send_line(struct log *log, const struct line *line)
{
    ssize_t sent = -1;

    lock_take(&log->lock);
    if (has_room() && (!log->cut || write(STDERR_FILENO, "\n", 1) == 1)) {
        log->cut = false;
        sent = write(STDERR_FILENO, line->text, line->used);
        log->cut = sent > 0 && (size_t)sent < line->used;
    }
    lock_drop(&log->lock);
    return sent == (ssize_t)line->used;
}

static bool
send_entry(const struct log *log, const struct line *line)
{
    return sendto(log->journal_fd, line->text, line->used, MSG_NOSIGNAL,
                  (const struct sockaddr *)&log->journal, sizeof(log->journal)) >= 0;
}

static void
tell(struct log *log, enum log_event event, const struct log_field *fields,
     struct span message)
{
    const struct row *row = &rows[event];
    struct line       line;
    bool              sent;

    line.used = 0;
    if (log->to_journal)
        write_entry(&line, row, message, fields);
    else if (atomic_load_explicit(&log->format, memory_order_relaxed) == OPTIONS_LOG_JSON)
        write_json(&line, row, message, fields);
    else
        write_text(&line, row, message);
    sent = log->to_journal ? send_entry(log, &line) : send_line(log, &line);
    if (!sent)
        atomic_fetch_add(&log->dropped, 1);
    if (log->says_failures_twice && event == LOG_START_FAILED)
        fprintf(stderr, "%.*s\n", (int)message.length, message.at);
}

/* ---- how often ------------------------------------------------------------------- */

static void
tell_suppressed(struct log *log, enum log_event event)
{
    uint64_t count = atomic_exchange(&log->rates[event].suppressed, 0);
    char     text[128];
    int      length;

    if (count == 0)
        return;
    length = snprintf(text, sizeof(text), "suppressed %" PRIu64 " messages: %s", count,
                      rows[event].name);
    tell(log, LOG_SUPPRESSED,
         LOG_FIELDS(LOG_NUMBER("count", count), LOG_STRING("of", rows[event].name)),
         (struct span){ text, (size_t)length });
}

/* Begin a new window if the last one is over. Who is the first to see it does so. The time is
 * read second, so that it is not before a beginning. */
static void
renew(struct log *log, enum log_event event)
{
    struct log_rate *rate = &log->rates[event];
    uint64_t         since = atomic_load(&rate->since_us), now = monotonic_us();

    if (now - since < LOG_WINDOW_S * UINT64_C(1000000) ||
        !atomic_compare_exchange_strong(&rate->since_us, &since, now))
        return;
    atomic_store(&rate->told, 0);
    tell_suppressed(log, event);
}

static bool
is_too_much(struct log *log, enum log_event event)
{
    struct log_rate *rate = &log->rates[event];

    if (!rows[event].limited)
        return false;
    renew(log, event);
    if (atomic_fetch_add(&rate->told, 1) < LOG_BURST)
        return false;
    atomic_fetch_add(&rate->suppressed, 1);
    atomic_fetch_add(&log->suppressed, 1);
    return true;
}

void
log_tick(struct log *log)
{
    for (enum log_event event = 0; event < LOG_EVENT_COUNT; event++) {
        if (atomic_load(&log->rates[event].suppressed) > 0)
            renew(log, event);
    }
}

void
log_count(const struct log *log, struct log_counters *counters)
{
    counters->dropped = atomic_load(&log->dropped);
    counters->suppressed = atomic_load(&log->suppressed);
}

/* ---- to say something ------------------------------------------------------------ */

bool
log_wants(const struct log *log, enum log_event event)
{
    unsigned verbosity = atomic_load_explicit(log->verbosity, memory_order_relaxed);

    return rows[event].priority <= LOG_NOTICE + (int)(verbosity < 2 ? verbosity : 2);
}

void
log_say(struct log *log, enum log_event event, const struct log_field *fields,
        const char *format, ...)
{
    char    text[MESSAGE_BYTES];
    va_list arguments;

    if (!log_wants(log, event) || is_too_much(log, event))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    tell(log, event, fields, (struct span){ text, strlen(text) });
}

/* ---- birth and death ------------------------------------------------------------- */

/* Is standard error connected with the journal? systemd.exec(5), JOURNAL_STREAM. */
static bool
leads_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char        own[64];

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

/* The way in which a pipe or a terminal is open is shared with whoever else has it, so that
 * it must not be changed: open it anew. Where the system does not allow it, see has_room(). */
static void
unblock_stderr(void)
{
    struct stat st;
    int         fd;

    if (fstat(STDERR_FILENO, &st) != 0 || (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
        return;
    fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

static bool
open_journal(struct log *log, const char *path)
{
    size_t length = strlen(path);

    if (length >= sizeof(log->journal.sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    log->journal.sun_family = AF_UNIX;
    memcpy(log->journal.sun_path, path, length + 1);
    if (access(path, W_OK) == 0)
        log->journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return log->journal_fd >= 0;
}

bool
log_open(struct log *log, const struct options *options,
         const _Atomic unsigned *verbosity, const char *journal, char *text,
         size_t text_bytes)
{
    bool by_systemd = leads_to_journal();

    *log = (struct log){ .journal_fd = -1,
                         .format = options->log_format,
                         .verbosity = verbosity };
    lock_init(&log->lock, RANK_LEAF);
    tzset(); /* or gmtime_r() would read files, later */
    unblock_stderr();
    if (options->log_target == OPTIONS_LOG_STDERR ||
        (options->log_target == OPTIONS_LOG_AUTO && !by_systemd))
        return true;
    log->to_journal = open_journal(log, journal);
    log->says_failures_twice = log->to_journal && !by_systemd;
    if (log->to_journal || options->log_target == OPTIONS_LOG_AUTO)
        return true;
    snprintf(text, text_bytes, "no journal at %s: %s", journal, strerror(errno));
    return false;
}

void
log_close(struct log *log)
{
    for (enum log_event event = 0; event < LOG_EVENT_COUNT; event++)
        tell_suppressed(log, event);
    if (log->journal_fd >= 0)
        close(log->journal_fd);
    log->journal_fd = -1;
    lock_fini(&log->lock);
}
