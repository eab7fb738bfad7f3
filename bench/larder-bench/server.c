/* bench/larder-bench/server.c - see server.h. */
#include "bench/larder-bench/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/larder-bench/cpu.h"
#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/options.h"

enum {
    START_MS = 30000, /* a large memory that is touched first takes long */
    STOP_MS = 30000,
    END_MS = 200,
    POLL_MS = 5,
    LAST_WORDS = 600, /* bytes that are shown */
};

/* ---- its description -------------------------------------------------------------- */

static char *
copy(const char *text, size_t length)
{
    char *copied = strndup(text, length);

    if (copied == NULL)
        fail("no memory");
    return copied;
}

/* "memcached" of "/usr/bin/memcached -m 64". */
static char *
name_of_command(const char *command)
{
    size_t      length = strcspn(command, " ");
    const char *from = command;

    for (const char *at = command; at < command + length; at++) {
        if (*at == '/')
            from = at + 1;
    }
    return copy(from, (size_t)(command + length - from));
}

static void
take_word(struct server *server, const char *word, size_t length)
{
    char                  *text = copy(word, length);
    const struct protocol *protocol = protocol_find(text);

    if (protocol != NULL)
        server->plan.protocol = protocol;
    else if (strcmp(text, "unverified") == 0)
        server->plan.no_verify = true;
    else if (strcmp(text, "unfilled") == 0)
        server->plan.no_fill = true;
    else
        options_refuse("--vs: '%s' is no protocol, nor unverified or unfilled", text);
    free(text);
}

/* The words between name and equals sign. */
static void
take_words(struct server *server, const char *from, const char *end)
{
    while (from < end) {
        size_t length = strcspn(from + 1, "/=");

        take_word(server, from + 1, length);
        from += 1 + length;
    }
}

void
server_init(struct server *server, const struct plan *plan, const char *text)
{
    static const char name_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t      length = strspn(text, name_chars);
    const char *equals = strchr(text, '=');

    *server = (struct server){ .plan = *plan, .address = plan->address, .said = -1 };
    if (length == 0 || equals == NULL || (text[length] != '/' && text[length] != '=') ||
        memchr(text, ' ', (size_t)(equals - text)) != NULL) {
        server->name = name_of_command(text);
        server->command = text;
        return;
    }
    server->name = copy(text, length);
    take_words(server, text + length, equals);
    if (equals[1] != '@')
        server->command = equals + 1;
    else if (!options_parse_address(equals + 2, &server->address))
        options_refuse("--vs: '%s' is no host:port and no path of a socket", equals + 2);
    if (server->command != NULL && *server->command == '\0')
        options_refuse("--vs: '%s' has no command", text);
}

void
server_fini(struct server *server)
{
    free(server->name);
}

/* ---- its command ------------------------------------------------------------------ */

/* A port that nobody listens on now. */
static uint16_t
free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          length = sizeof(at);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &length) != 0)
        fail("no port: %s", strerror(errno));
    close(fd);
    return ntohs(at.sin_port);
}

/* In a folder of its own, which a server that runs as another user may pass through. */
static void
choose_path(struct server *server)
{
    const char *place = getenv("TMPDIR");
    char        folder[256];

    snprintf(folder, sizeof(folder), "%s/larder-bench.XXXXXX",
             place != NULL ? place : "/tmp");
    if (mkdtemp(folder) == NULL || chmod(folder, 0711) != 0 ||
        asprintf(&server->path, "%s/socket", folder) < 0)
        fail("%s: %s", folder, strerror(errno));
    server->address.path = server->path;
}

/* The command for the shell: it becomes the server, so that its process is the server's. With %P
 * and %S put in; where there is neither, what most servers take is added. To be freed. */
static char *
complete_command(struct server *server)
{
    const char *command = server->command;
    char       *text = NULL;
    size_t      length;
    FILE       *out = open_memstream(&text, &length);

    if (out == NULL)
        fail("no memory");
    if (strstr(command, "%S") != NULL) {
        choose_path(server);
    } else {
        memcpy(server->address.host, "127.0.0.1", sizeof("127.0.0.1"));
        server->address.path = NULL;
        server->address.port = free_port();
    }
    fputs("exec ", out);
    for (const char *at = command; *at != '\0'; at++) {
        if (at[0] != '%' || (at[1] != 'P' && at[1] != 'S'))
            fputc(*at, out);
        else if (*++at == 'P')
            fprintf(out, "%u", server->address.port);
        else
            fputs(server->path, out);
    }
    if (strstr(command, "%P") == NULL && server->path == NULL)
        fprintf(out, " -p %u", server->address.port);
    if (fclose(out) != 0)
        fail("no memory");
    return text;
}

/* ---- its process ------------------------------------------------------------------ */

/* In the child, where there is nobody to tell but who reads the server's last words. */
static _Noreturn void
give_up(const struct server *server, const char *what)
{
    dprintf(server->said, "%s: %s\n", what, strerror(errno));
    _exit(126);
}

/* In the child. Its descriptors are closed by the exec, but for the three. */
static _Noreturn void
become_server(const struct server *server, const char *command, pid_t parent)
{
    const char *cpus = server->plan.server_cpus;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up(server, "prctl");
    if (getppid() != parent)
        _exit(126); /* it has gone before it could take us with it */
    errno = EINVAL;
    if (cpus != NULL && !cpu_pin(cpus))
        give_up(server, "--server-cpus");
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* what a terminal sends is for us, who end it in our way */
    if (freopen("/dev/null", "r", stdin) == NULL ||
        freopen("/dev/null", "w", stdout) == NULL ||
        dup2(server->said, STDERR_FILENO) < 0)
        give_up(server, "standard files");
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    give_up(server, "/bin/sh");
}

/* The end of what it has written. */
static void
show_last_words(const struct server *server)
{
    char    words[LAST_WORDS + 1];
    off_t   length = lseek(server->said, 0, SEEK_END);
    off_t   from = length > LAST_WORDS ? length - LAST_WORDS : 0;
    ssize_t got = pread(server->said, words, LAST_WORDS, from);

    if (got <= 0)
        return;
    words[got] = '\0';
    fprintf(stderr, "%s has said:\n%s", server->name, words);
    if (words[got - 1] != '\n')
        fputc('\n', stderr);
}

/* Has it ended? Then it is said how. */
static bool
has_ended(struct server *server)
{
    int status;

    if (server->pid == 0 || waitpid(server->pid, &status, WNOHANG) != server->pid)
        return false;
    server->pid = 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s was ended by signal %d (%s)\n", server->name,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "%s has ended with exit status %d\n", server->name,
                WEXITSTATUS(status));
    return true;
}

/* Its connections are closed a little before it is gone. */
static void
tell_end(struct server *server)
{
    for (int waited = 0; waited < END_MS; waited += POLL_MS) {
        if (has_ended(server)) {
            show_last_words(server);
            return;
        }
        poll(NULL, 0, POLL_MS);
    }
}

static void
wait_for_answer(struct server *server)
{
    for (int waited = 0; !address_answers(&server->address); waited += POLL_MS) {
        fail_if_interrupted();
        if (server->pid == 0 || has_ended(server) || waited >= START_MS) {
            show_last_words(server);
            fail("%s does not accept connections: %s", server->name, server->command);
        }
        poll(NULL, 0, POLL_MS);
    }
}

void
server_start(struct server *server)
{
    pid_t parent = getpid();
    char *command;

    if (server->command == NULL) {
        server->pid = cpu_find_listener(&server->address);
        return;
    }
    command = complete_command(server);
    server->said = memfd_create("said", MFD_CLOEXEC);
    if (server->said < 0)
        fail("no file in memory: %s", strerror(errno));
    server->pid = fork();
    if (server->pid < 0)
        fail("fork: %s", strerror(errno));
    if (server->pid == 0)
        become_server(server, command, parent);
    wait_for_answer(server);
    free(command);
}

static void
remove_path(struct server *server)
{
    if (server->path == NULL)
        return;
    unlink(server->path);
    *strrchr(server->path, '/') = '\0';
    rmdir(server->path);
    free(server->path);
    server->path = NULL;
}

void
server_stop(struct server *server)
{
    int status;

    if (server->command == NULL)
        return;
    if (server->pid != 0)
        kill(server->pid, SIGTERM);
    for (int waited = 0; server->pid != 0; waited += POLL_MS) {
        if (waitpid(server->pid, &status, WNOHANG) != 0)
            server->pid = 0;
        else if (waited >= STOP_MS)
            kill(server->pid, SIGKILL);
        if (server->pid != 0)
            poll(NULL, 0, POLL_MS);
    }
    close(server->said);
    server->said = -1;
    remove_path(server);
}

void
server_abandon(struct server *server)
{
    if (server->command == NULL)
        return;
    if (server->pid != 0)
        tell_end(server);
    if (server->pid != 0)
        kill(server->pid, SIGKILL);
    remove_path(server);
}
