/* server/systemd.c - telling a service manager how we are. See systemd.h. */
#include "server/systemd.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"
#include "server/monotonic.h"
#include "server/server.h"
#include "server/stats.h"

enum {
    STATUS_S = 10,
    PROGRESS_S = 5,
    EXTENSION_S = 60, /* for the next piece of work: one page, of a slow disk */
    MESSAGE_BYTES = 256,
};

/* ---- the socket ------------------------------------------------------------------ */

static void tell(struct systemd *systemd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A manager that does not listen is no reason not to serve. */
static void
tell(struct systemd *systemd, const char *format, ...)
{
    char    text[MESSAGE_BYTES];
    int     length;
    va_list arguments;

    if (systemd->fd < 0)
        return;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (sendto(systemd->fd, text, (size_t)length, MSG_NOSIGNAL,
               (const struct sockaddr *)&systemd->to, systemd->to_length) >= 0 ||
        systemd->complained)
        return;
    systemd->complained = true;
    log_say(systemd->log, LOG_MANAGER_DEAF, NULL,
            "the service manager cannot be told how we are: %s", strerror(errno));
}

/* A path, or with @ in front a name in the kernel alone. */
static bool
set_address(struct systemd *systemd, const char *path)
{
    size_t length = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || length >= sizeof(systemd->to.sun_path))
        return false;
    systemd->to.sun_family = AF_UNIX;
    memcpy(systemd->to.sun_path, path, length);
    if (path[0] == '@')
        systemd->to.sun_path[0] = '\0';
    systemd->to_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* How long the manager waits, if it is us that it waits for. */
static uint64_t
read_watchdog(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (us == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    return strtoull(us, NULL, 10);
}

bool
systemd_init(struct systemd *systemd, struct log *log, char *text, size_t text_bytes)
{
    const char *path = getenv("NOTIFY_SOCKET");
    bool        good;

    *systemd = (struct systemd){ .fd = -1, .log = log };
    if (path == NULL)
        return true;
    systemd->watchdog_us = read_watchdog();
    good = set_address(systemd, path);
    if (!good)
        snprintf(text, text_bytes, "NOTIFY_SOCKET=%s is no address of a socket", path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (!good)
        return false;
    systemd->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (systemd->fd >= 0)
        return true;
    snprintf(text, text_bytes, "no socket for the service manager: %s", strerror(errno));
    return false;
}

void
systemd_fini(struct systemd *systemd)
{
    if (systemd->fd >= 0)
        close(systemd->fd);
    systemd->fd = -1;
}

/* ---- what it is told ------------------------------------------------------------- */

void
systemd_tell_ready(struct systemd *systemd)
{
    tell(systemd, "READY=1\nMAINPID=%ld", (long)getpid());
}

void
systemd_tell_reloading(struct systemd *systemd)
{
    tell(systemd, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us());
}

void
systemd_tell_stopping(struct systemd *systemd)
{
    tell(systemd, "STOPPING=1\nSTATUS=Stopping");
}

/* Is it time? For one of those who ask. */
static bool
is_time_for_progress(struct systemd *systemd)
{
    uint64_t now_us = monotonic_us(), last_us = atomic_load(&systemd->progress_us);
    uint64_t pause_us = PROGRESS_S * UINT64_C(1000000);

    if (systemd->watchdog_us > 0 && systemd->watchdog_us / 4 < pause_us)
        pause_us = systemd->watchdog_us / 4;
    /* Somebody else may have told since we looked at the clock. */
    return (last_us == 0 || now_us >= last_us + pause_us) &&
           atomic_compare_exchange_strong(&systemd->progress_us, &last_us, now_us);
}

void
systemd_tell_progress(struct systemd *systemd, const char *what, uint64_t done,
                      uint64_t all)
{
    if (systemd->fd >= 0 && is_time_for_progress(systemd))
        tell(systemd,
             "EXTEND_TIMEOUT_USEC=%d000000\nSTATUS=%s the memory file: %" PRIu64
             " of %" PRIu64 " pages%s",
             EXTENSION_S, what, done, all,
             systemd->watchdog_us > 0 ? "\nWATCHDOG=1" : "");
}

static void
on_status(evutil_socket_t fd, short what, void *arg)
{
    struct server     *server = arg;
    struct stats_brief brief;

    (void)fd, (void)what;
    stats_tell_brief(server, &brief);
    tell(&server->systemd,
         "STATUS=%" PRIu64 " items, %" PRIu64 " connections, %.1f %% of %" PRIu64
         " gets hit",
         brief.items, brief.connections,
         brief.gets > 0 ? 100.0 * (double)brief.hits / (double)brief.gets : 0.0,
         brief.gets);
}

/* Call all workers; have they answered the last time? */
static bool
workers_answer(struct server *server)
{
    bool all = true;

    for (unsigned i = 0; i < server->options.threads; i++) {
        if (worker_answers(&server->workers[i]))
            continue;
        log_say(&server->log, LOG_WORKER_SILENT, LOG_FIELDS(LOG_NUMBER("worker", i)),
                "worker %u does not answer", i);
        all = false;
    }
    return all;
}

static bool
say_unless(bool answers, struct server *server, const char *thread)
{
    if (!answers)
        log_say(&server->log, LOG_THREAD_SILENT, LOG_FIELDS(LOG_STRING("thread", thread)),
                "the thread %s does not answer", thread);
    return answers;
}

/* The same of those that work in the background; all are called. */
static bool
others_answer(struct server *server)
{
    bool watch = say_unless(watch_answers(&server->watch), server, "watch");
    bool upkeep = say_unless(upkeep_answers(&server->upkeep), server, "upkeep");

    return watch && upkeep;
}

/* Otherwise be silent: the manager will act when it has not heard of us for long enough. */
static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    bool           workers = workers_answer(server), others = others_answer(server);

    (void)fd, (void)what;
    if (workers && others)
        tell(&server->systemd, "WATCHDOG=1");
}

static struct event *
start_timer(struct event_base *base, uint64_t us, event_callback_fn what,
            struct server *server)
{
    struct timeval every = { (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
    struct event  *event = event_new(base, -1, EV_PERSIST, what, server);

    if (event != NULL && event_add(event, &every) != 0) {
        event_free(event);
        event = NULL;
    }
    return event;
}

bool
systemd_start(struct systemd *systemd, struct server *server, struct event_base *base)
{
    if (systemd->fd < 0)
        return true;
    systemd->status_event =
        start_timer(base, STATUS_S * UINT64_C(1000000), on_status, server);
    /* Who misses one call has time until the third after it. */
    if (systemd->watchdog_us > 0)
        systemd->watchdog_event =
            start_timer(base, systemd->watchdog_us / 4, on_watchdog, server);
    return systemd->status_event != NULL &&
           (systemd->watchdog_us == 0 || systemd->watchdog_event != NULL);
}

void
systemd_stop(struct systemd *systemd)
{
    if (systemd->status_event != NULL)
        event_free(systemd->status_event);
    if (systemd->watchdog_event != NULL)
        event_free(systemd->watchdog_event);
    systemd->status_event = systemd->watchdog_event = NULL;
}
