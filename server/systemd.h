/* server/systemd.h - telling a service manager how we are: sd_notify(3), without its library.
 *
 * Where NOTIFY_SOCKET names a socket, as systemd does it for units of Type=notify, it is told
 * when the server serves, reloads and stops, and now and then in a line what it has got to
 * do. With WATCHDOG_USEC it is told often enough that all threads are alive: each worker
 * and each thread in the background has to answer a call first, so one that hangs is restarted,
 * and not just a main thread that does.
 *
 * A start that has a large memory file to restore, and an end that has one to seal, may take longer
 * than the manager waits. It is asked for more time as long as that goes on, and told how far it
 * has come. The watchdog waits for us only from READY on, but may do so while we end, when no loop
 * runs any more: so that is a sign of life, too.
 *
 * Source: sd_notify(3), "Notes", and systemd.service(5). The manager may be any that speaks
 * so; without NOTIFY_SOCKET nothing here does anything.
 *
 * Threads: main's, but for systemd_tell_progress().
 */
#ifndef LARDER_SERVER_SYSTEMD_H
#define LARDER_SERVER_SYSTEMD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct event;
struct event_base;
struct log;
struct server;

struct systemd {
    int                fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t          to_length;
    uint64_t           watchdog_us; /* that it waits for a sign of life; 0: it does not */
    struct event      *watchdog_event;
    struct event      *status_event;
    _Atomic uint64_t   progress_us; /* when it was last told of progress */
    _Atomic bool       complained;  /* that it cannot be told */
    struct log        *log;
};

/* Read the environment, and take it out of there: it is not for anybody else. False, with
 * one line in `text`, where it makes no sense or the system gives no socket. */
bool systemd_init(struct systemd *systemd, struct log *log, char *text,
                  size_t text_bytes);
/* Begin to give signs of life, from this loop. */
bool systemd_start(struct systemd *systemd, struct server *server,
                   struct event_base *base);
/* End that. */
void systemd_stop(struct systemd *systemd);
void systemd_fini(struct systemd *systemd);

void systemd_tell_ready(struct systemd *systemd);
void systemd_tell_reloading(struct systemd *systemd);
void systemd_tell_stopping(struct systemd *systemd);
/* So many of so many pages of the memory file are done, and it goes on. Any thread, as often as it
 * likes: it is told once in some seconds. */
void systemd_tell_progress(struct systemd *systemd, const char *what, uint64_t done,
                           uint64_t all);

#endif
