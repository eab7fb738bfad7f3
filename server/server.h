/* server/server.h - the daemon: one cache, its workers, its listeners, its clock.
 *
 * The main thread calls server_start(), server_run() and server_stop(), accepts
 * connections, ticks the clock and turns signals into events. Everything hangs off
 * struct server and is passed; there are no globals.
 */
#ifndef LARDER_SERVER_SERVER_H
#define LARDER_SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "protocol/counters.h"
#include "protocol/host.h"
#include "server/acceptor.h"
#include "server/activation.h"
#include "server/certificates.h"
#include "server/limits.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/memory_file.h"
#include "server/options.h"
#include "server/passwords.h"
#include "server/prefixes.h"
#include "server/refresh.h"
#include "server/reload.h"
#include "server/sandbox.h"
#include "server/systemd.h"
#include "server/timekeeper.h"
#include "server/upkeep.h"
#include "server/watch.h"
#include "server/worker.h"
#include "slabs/cache.h"
#include "slabs/clock.h"
#include "slabs/counters.h"
#include "slabs/lock.h"

/*
 * What `version` and `stats` say. Clients read major.minor.micro off its front to learn
 * what a server can do (libmemcached with strtol, dalli and others with a comparison of
 * versions), so it begins with the memcached version whose behaviour larder has, and a
 * suffix tells a person the truth.
 */
#define LARDER_WIRE_VERSION "1.6.45-larder-" PACKAGE_VERSION

/* All counters of a moment, summed over their threads: 64-bit numbers throughout. */
struct totals {
    struct cache_counters       cache;
    struct cache_class_counters cache_classes[CACHE_CLASS_MAX + 1];
    struct command_counters     commands;
    struct worker_counters      workers;
    struct watch_counters       watch;
    struct upkeep_counters      upkeep;
    struct log_counters         log;
};

struct server {
    struct options       options; /* frozen */
    struct clock         clock;
    struct timekeeper    timekeeper;
    struct cache        *cache;
    struct cache_thread *cache_thread; /* the main thread's */
    struct memory_file   memory;    /* of -e; opened and closed by who owns the server */
    bool                 sealing;   /* what is in it, at the end                       */
    struct host          host;      /* frozen            */
    unsigned         turn_requests; /* that one connection may run in one turn; frozen */
    _Atomic unsigned verbosity;
    struct limits    limits;

    struct event_base  *base; /* the main thread's */
    struct event       *tick_event;
    unsigned            ticks;
    struct event       *signal_events[4];
    struct listeners    listeners;
    struct listeners    udp_sockets; /* read by the workers; frozen                    */
    _Atomic bool        serving; /* all is there: datagrams may be answered from now */
    struct acceptor     acceptor;
    struct worker      *workers; /* options.threads of them */
    unsigned            workers_started;
    struct upkeep       upkeep;
    struct sandbox      sandbox; /* all threads enter it by themselves */
    struct prefixes     prefixes;
    struct passwords    passwords;              /* of -Y, or of -S */
    struct certificates certificates;           /* with -Z */
    struct refresh      refresh;                /* with -Z */
    _Atomic uint32_t    certificates_read_at_s; /* clock_seconds() */
    struct watch        watch;                  /* rings: one a worker, one of upkeep */
    struct systemd      systemd;    /* made and ended by who owns the server, */
    struct activation   activation; /* like this                              */
    struct reload       reload;     /* and this                               */
    struct log          log;        /* and this                               */

    struct lock              reset_lock; /* RANK_OWNER; guards the next              */
    struct totals            reset_at;   /* what `stats reset` wants to be forgotten */
    struct acceptor_counters reset_acceptor; /* the same for the acceptor  */
};

/* Read who may log in, where anybody has to: before server_start(), while the process still
 * is who it was started as. False, with one line in `text`, if that is not possible. Who
 * called it closes server->passwords after server_stop(). */
bool server_read_passwords(struct server *server, char *text, size_t text_bytes);
/* Log it if everybody can read them. */
void server_warn_of_passwords(struct server *server);
/* The same for what TLS needs, with -Z, and server->certificates. */
bool server_read_certificates(struct server *server, char *text, size_t text_bytes);
/* Read it again; what is wrong is logged. The main thread alone: others ask it,
 * refresh_ask(). */
enum certificates_status server_reload_certificates(struct server *server);
/* Open the file that memory is in, if there is to be one: as the user who serves. False, with
 * one line in `text`, if that is not possible. Who called it closes server->memory after
 * server_stop(). */
bool server_open_memory(struct server *server, char *text, size_t text_bytes);
/* Create cache, workers and listeners for server->options. False, with one line in
 * `text` and an exit code, when something is not to be had. */
bool server_start(struct server *server, char *text, size_t text_bytes, int *exit_code);
/* Have all threads but this one entered the sandbox? What is not SANDBOX_OK has one line in
 * `text`. */
enum sandbox_status server_await_sandbox(struct server *server, char *text,
                                         size_t text_bytes);
/* Enter it as well: from here on nothing can be opened any more. The status is that of all
 * threads. */
enum sandbox_status server_enter_sandbox(struct server *server, char *text,
                                         size_t text_bytes);
/* Serve until a signal says stop. */
void server_run(struct server *server);
/* Stop the workers, close all connections, free everything. */
void server_stop(struct server *server);

/* Change the ceiling of memory, and see to it at once; false where it is out of bounds. */
bool server_set_memory_limit(struct server *server, size_t bytes);
/* Change how pages move between classes by themselves, from now on. */
void server_set_automove(struct server *server, unsigned mode);

/* Sum what all workers have counted since the start. */
void server_sum(struct server *server, struct totals *totals);

/* A worker has closed a connection. Any thread. */
void server_connection_closed(struct server *server);

#endif
