/* server/main.c - from the command line to a server that serves, and back.
 *
 * Only this file ends the process. The order of the steps is memcached's, because file
 * owners and rights follow from it: server/process.h.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/descriptors.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"
#include "server/tls_buffers.h"
#include "server/trace.h"

/* What main() has to undo or remember. */
struct start {
    struct server         server;
    struct process_daemon daemon;
    enum sandbox_status   sandbox;   /* what there has been to say of it */
    char                  text[256]; /* why something failed */
};

static int
fail(struct start *start, int exit_code)
{
    log_say(&start->server.log, LOG_START_FAILED, NULL, "%s", start->text);
    return exit_code;
}

static void
warn(struct start *start, enum process_status status)
{
    if (status != PROCESS_OK)
        log_say(&start->server.log, LOG_START_WARNING, NULL, "%s", start->text);
}

/* What libevent warns of comes back as an error as well; what ends it does not. */
static void
on_event_log(int severity, const char *text)
{
    if (severity == EVENT_LOG_ERR)
        fprintf(stderr, "the event library cannot go on: %s\n", text);
}

/* It must not come back from here, and any thread may be in the midst of anything. */
static void
on_event_fatal(int code)
{
    (void)code;
    _exit(EX_OSERR);
}

/* Those of a service manager are open already; it may have one itself, and the journal. */
static unsigned
count_descriptors(const struct start *start)
{
    const struct server  *server = &start->server;
    const struct options *options = &server->options;
    unsigned              listeners =
        server->activation.count > 0 ? 0 : descriptors_of_listeners(options);

    return descriptors_needed(options, listeners,
                              (server->systemd.fd >= 0) + server->log.to_journal);
}

/* Limits and user, while the process may still be root. */
static enum process_status
prepare_process(struct start *start)
{
    const struct options *options = &start->server.options;
    char                 *text = start->text;
    size_t                bytes = sizeof(start->text);
    enum process_status   status = PROCESS_OK;

    if (options->core_dumps)
        status = process_raise_core_limit(text, bytes);
    if (status == PROCESS_OK)
        status = process_limit_descriptors(options->connections_max, text, bytes);
    if (status == PROCESS_OK)
        status = process_check_descriptors(options->connections_max,
                                           count_descriptors(start), text, bytes);
    if (options->lock_memory)
        process_raise_lock_limit();
    if (status == PROCESS_OK)
        status = process_drop_privileges(options->user, options->core_dumps, text, bytes);
    if (status == PROCESS_OK && !server_open_memory(&start->server, text, bytes))
        status = PROCESS_NO_MEMORY_FILE;
    if (status == PROCESS_OK && options->daemon)
        status = process_daemonize(&start->daemon, options->core_dumps,
                                   options->verbosity > 0, text, bytes);
    return status;
}

static void
take_memory(struct start *start)
{
    warn(start, process_check_huge_pages(start->text, sizeof(start->text)));
    if (!cache_take_memory(start->server.cache))
        log_say(&start->server.log, LOG_START_WARNING, NULL,
                "the system does not give all of -m in advance (-L)");
}

/* Look at the sandbox after it has changed, and say what is to be said, once. */
static enum process_status
judge(struct start *start, enum sandbox_status status)
{
    if (status == SANDBOX_REFUSED)
        return PROCESS_OS_ERROR;
    if (status != start->sandbox)
        log_say(&start->server.log, LOG_START_WARNING, NULL, "%s", start->text);
    start->sandbox = status;
    return PROCESS_OK;
}

/* With everything open. */
static enum process_status
finish_process(struct start *start)
{
    const struct options *options = &start->server.options;
    char                 *text = start->text;
    size_t                bytes = sizeof(start->text);
    enum process_status   status;

    status = process_check_descriptors(options->connections_max, 1, text, bytes);
    if (status != PROCESS_OK)
        return status;
    if (options->lock_memory)
        warn(start, process_lock_memory(text, bytes));
    if (options->large_pages)
        take_memory(start);
    if (options->pid_file != NULL)
        warn(start, process_write_pid(options->pid_file, text, bytes));
    status = judge(start, server_await_sandbox(&start->server, text, bytes));
    if (status == PROCESS_OK)
        status = process_daemon_ready(&start->daemon, text, bytes);
    if (status != PROCESS_OK)
        return status;
    if (!options->core_dumps)
        process_forbid_dumps();
    return judge(start, server_enter_sandbox(&start->server, text, bytes));
}

/* Who has said where to listen, and finds it otherwise, has to be told. */
static void
say_ignored(struct start *start)
{
    const struct options *options = &start->server.options;
    const char           *ignored = NULL;

    if (options->unix_path != NULL)
        ignored = "-s (unix-socket)";
    else if (options->listen != NULL && !options->listen_is_default)
        ignored = "-l (listen)";
    if (ignored != NULL)
        log_say(
            &start->server.log, LOG_LISTEN_IGNORED, NULL,
            "%s has no effect: it listens on the sockets of the service manager alone",
            ignored);
}

static void
say_where(struct start *start)
{
    const struct options *options = &start->server.options;
    struct log           *log = &start->server.log;

    if (options->verbosity >= TRACE_DIALOGUE)
        trace_classes(log, start->server.cache);
    if (start->server.activation.count > 0)
        say_ignored(start);
    if (start->server.activation.count > 0)
        log_say(log, LOG_ACTIVATED,
                LOG_FIELDS(LOG_NUMBER("sockets", start->server.activation.count)),
                "listening on %u sockets of the service manager; -l, -p, -s and -U have "
                "no effect",
                start->server.activation.count);
    else if (options->listen_is_default)
        log_say(log, LOG_LOOPBACK_ONLY, NULL,
                "listening on loopback only; -l opens other addresses");
}

static bool
read_passwords(struct start *start)
{
    if (!server_read_passwords(&start->server, start->text, sizeof(start->text)))
        return false;
    server_warn_of_passwords(&start->server);
    return true;
}

static bool
read_certificates(struct start *start)
{
    static const enum log_event events[CERTIFICATES_WARNINGS] = {
        [CERTIFICATES_EXPOSED] = LOG_SECRET_EXPOSED,
        [CERTIFICATES_DATED] = LOG_CERTIFICATES_DATED,
        [CERTIFICATES_NO_KERNEL] = LOG_START_WARNING,
        [CERTIFICATES_NO_OLD_VERSIONS] = LOG_START_WARNING,
    };
    struct server *server = &start->server;
    char           text[512];

    if (!server_read_certificates(server, start->text, sizeof(start->text)))
        return false;
    for (unsigned i = 0; server->options.tls && i < CERTIFICATES_WARNINGS; i++) {
        if (certificates_warn(&server->certificates, i, text, sizeof(text)))
            log_say(&server->log, events[i], NULL, "%s", text);
    }
    return true;
}

/* What was read as root has to be read again as somebody else, when HUP comes. */
static void
warn_of_unreadable(struct start *start, const char *path)
{
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;

    if (path == NULL)
        return;
    if (fd >= 0)
        close(fd);
    else
        log_say(&start->server.log, LOG_FILE_UNREADABLE,
                LOG_FIELDS(LOG_STRING("file", path)),
                "%s cannot be read again when HUP comes: %s", path, strerror(errno));
}

static void
look_at_files(struct start *start)
{
    const struct server       *server = &start->server;
    const struct certificates *certificates = &server->certificates;

    warn_of_unreadable(start, server->options.config_file);
    warn_of_unreadable(start, server->passwords.path);
    warn_of_unreadable(start, certificates->chain);
    if (certificates->chain == NULL ||
        strcmp(certificates->chain, certificates->key) != 0)
        warn_of_unreadable(start, certificates->key);
    warn_of_unreadable(start, certificates->ca);
}

static int
serve(struct start *start)
{
    struct server      *server = &start->server;
    enum process_status status;
    int                 exit_code;

    if (!systemd_init(&server->systemd, &server->log, start->text, sizeof(start->text)) ||
        !activation_init(&server->activation, start->text, sizeof(start->text)) ||
        !read_passwords(start))
        return fail(start, EXIT_FAILURE);
    if (!read_certificates(start))
        return fail(start, EX_USAGE);
    status = prepare_process(start);
    if (status == PROCESS_PARENT)
        return start->daemon.exit_code;
    if (status != PROCESS_OK)
        return fail(start, process_exit_code(status));
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(on_event_log);
    event_set_fatal_callback(on_event_fatal);
    if (!server_start(server, start->text, sizeof(start->text), &exit_code))
        return fail(start, exit_code);
    status = finish_process(start);
    if (status == PROCESS_OK) {
        say_where(start);
        look_at_files(start);
        systemd_tell_ready(&server->systemd);
        server_run(server);
        exit_code = 0;
    } else {
        exit_code = fail(start, process_exit_code(status));
    }
    server_stop(server);
    if (server->options.daemon && server->options.pid_file != NULL)
        process_remove_pid(server->options.pid_file);
    return exit_code;
}

static int
serve_and_log(struct start *start)
{
    struct server *server = &start->server;
    int            exit_code;

    if (!log_open(&server->log, &server->options, &server->verbosity, LOG_JOURNAL,
                  start->text, sizeof(start->text))) {
        fprintf(stderr, "larder: %s\n", start->text);
        return EXIT_FAILURE;
    }
    exit_code = serve(start);
    log_close(&server->log);
    return exit_code;
}

/* Whoever starts us may have closed what everybody takes for open. Then the next file would have
 * that number, be it that of the cache, and messages would go there. */
static bool
have_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

int
main(int argc, char **argv)
{
    struct start       *start;
    enum options_status status;
    int                 exit_code;

    process_hear_hangup(false);
    process_return_memory();
    tls_buffers_keep();
    start = have_standard_files() ? calloc(1, sizeof(*start)) : NULL;
    if (start == NULL) {
        fprintf(stderr, "larder: out of memory\n");
        return EXIT_FAILURE;
    }
    start->daemon.ready_fd = -1;
    start->server.memory.file.fd = -1;
    start->server.systemd.fd = -1;
    start->server.reload = (struct reload){ .argc = argc, .argv = argv };
    status = options_parse(&start->server.options, argc, argv, stdout, stderr);
    exit_code = status == OPTIONS_OK ? serve_and_log(start) : options_exit_code(status);
    memory_file_close(&start->server.memory);
    passwords_close(&start->server.passwords);
    certificates_close(&start->server.certificates);
    systemd_fini(&start->server.systemd);
    activation_fini(&start->server.activation);
    reload_fini(&start->server.reload);
    options_fini(&start->server.options);
    free(start);
    return exit_code;
}
