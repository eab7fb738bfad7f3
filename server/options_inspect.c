/* server/options_inspect.c - --check-config: what the start would find wrong, without starting.
 *
 * First what is read as who starts the server, then, as the user who serves, what he opens or
 * has to read again when HUP comes. Nothing is made, written or locked, and no port is taken:
 * the server may be running, and be about to be told of these options.
 */
#include "server/options_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/certificates.h"
#include "server/descriptors.h"
#include "server/listen.h"
#include "server/passwords.h"
#include "server/process.h"

enum { TEXT_BYTES = 512 };

/* What is said, and of which field of struct options. */
struct finding {
    const struct parser *p;
    enum options_status  status;
};

static void
find_either(struct finding *finding, size_t field, size_t other, const char *text)
{
    options_say_of(finding->p, OPTIONS_WRONG, field, other, text);
    finding->status = OPTIONS_BAD_VALUE;
}

static void
find(struct finding *finding, size_t field, const char *text)
{
    find_either(finding, field, field, text);
}

static void
warn(const struct finding *finding, size_t field, const char *text)
{
    options_say_of(finding->p, OPTIONS_WARNING, field, field, text);
}

/* ---- what is read at the start ----------------------------------------------------- */

static void
on_certificate(void *arg, enum certificates_status status, const char *text)
{
    struct finding       *finding = arg;
    const struct options *o = finding->p->o;
    size_t                field = offsetof(struct options, tls_chain);

    if (status == CERTIFICATES_BAD_KEY && o->tls_key != NULL)
        field = offsetof(struct options, tls_key);
    else if (status == CERTIFICATES_BAD_CA)
        field = offsetof(struct options, tls_ca);
    else if (status == CERTIFICATES_BAD_CIPHERS)
        field = offsetof(struct options, tls_ciphers);
    find(finding, field, text);
}

static void
inspect_certificates(struct finding *finding)
{
    static const size_t fields[CERTIFICATES_WARNINGS] = {
        [CERTIFICATES_EXPOSED] = offsetof(struct options, tls_key),
        [CERTIFICATES_DATED] = offsetof(struct options, tls_chain),
        [CERTIFICATES_NO_KERNEL] = offsetof(struct options, tls_kernel),
        [CERTIFICATES_NO_OLD_VERSIONS] = offsetof(struct options, tls_version_min),
    };
    struct certificates certificates;
    char                text[TEXT_BYTES];

    if (!finding->p->o->tls ||
        certificates_inspect(&certificates, finding->p->o, on_certificate, finding) !=
            CERTIFICATES_OK)
        return;
    for (unsigned i = 0; i < CERTIFICATES_WARNINGS; i++) {
        if (certificates_warn(&certificates, i, text, sizeof(text)))
            warn(finding, fields[i], text);
    }
    certificates_close(&certificates);
}

static const char *
password_file(const struct options *o)
{
    if (!o->sasl && o->auth_file == NULL)
        return NULL;
    return o->auth_file != NULL ? o->auth_file : o->sasl_file;
}

static void
inspect_passwords(struct finding *finding)
{
    const struct options *o = finding->p->o;
    const char           *path = password_file(o);
    struct passwords      passwords;
    char                  text[TEXT_BYTES];

    if (path == NULL) {
        if (o->sasl)
            find(finding, offsetof(struct options, sasl), PASSWORDS_WANTED);
        return;
    }
    if (!passwords_open(&passwords, path, text, sizeof(text))) {
        find(finding, offsetof(struct options, auth_file), text);
        return;
    }
    snprintf(text, sizeof(text), "everybody can read the passwords in %s", path);
    if (passwords_are_exposed(&passwords))
        warn(finding, offsetof(struct options, auth_file), text);
    passwords_close(&passwords);
}

/* ---- limits ---------------------------------------------------------------------- */

/* May as many descriptors be open as -c says, and would so many of them be left? The limit is
 * then as it was before, so that it stands in nobody's way who looks at something else. */
static enum process_status
try_descriptors(const struct options *o, unsigned wanted, char *text, size_t text_bytes)
{
    struct rlimit       before, after;
    bool                known = getrlimit(RLIMIT_NOFILE, &before) == 0;
    enum process_status status =
        process_limit_descriptors(o->connections_max, text, text_bytes);

    if (status == PROCESS_OK)
        status = process_check_descriptors(o->connections_max, wanted, text, text_bytes);
    if (known && getrlimit(RLIMIT_NOFILE, &after) == 0) {
        after.rlim_cur = before.rlim_cur;
        (void)setrlimit(RLIMIT_NOFILE, &after); /* it has been possible before */
    }
    return status;
}

/* While we may still be root, who can raise them. */
static bool
inspect_limits(struct finding *finding)
{
    const struct options *o = finding->p->o;
    char                  text[TEXT_BYTES];

    if (o->core_dumps && process_raise_core_limit(text, sizeof(text)) != PROCESS_OK)
        find(finding, offsetof(struct options, core_dumps), text);
    if (try_descriptors(o, 0, text, sizeof(text)) == PROCESS_OK)
        return true;
    find(finding, offsetof(struct options, connections_max), text);
    return false;
}

/* ---- who serves ------------------------------------------------------------------ */

/* Where root says no -u, a service manager has to see to it. */
static bool
become_user(struct finding *finding)
{
    const size_t        field = offsetof(struct options, user);
    char                text[TEXT_BYTES];
    enum process_status status =
        process_drop_privileges(finding->p->o->user, false, text, sizeof(text));

    if (status == PROCESS_USAGE)
        warn(finding, field,
             "root is refused at the start without -u; what another user may is not "
             "looked at");
    else if (status != PROCESS_OK)
        find(finding, field, text);
    return status == PROCESS_OK || status == PROCESS_USAGE;
}

static void
inspect_again(const struct finding *finding, size_t field, const char *path)
{
    char text[TEXT_BYTES];
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;

    if (path == NULL)
        return;
    if (fd >= 0) {
        close(fd);
        return;
    }
    snprintf(text, sizeof(text), "%s cannot be read again when HUP comes: %s", path,
             strerror(errno));
    warn(finding, field, text);
}

/* ---- where something is to be made ------------------------------------------------- */

/* The directory of `path`; to be freed. NULL: out of memory. */
static char *
directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* NULL, or why nothing can be made in the directory of `path`. */
static const char *
cannot_make(const char *path)
{
    char       *directory = directory_of(path);
    struct stat about;
    const char *why = NULL;

    if (directory == NULL)
        return "out of memory";
    if (stat(directory, &about) != 0)
        why = strerror(errno);
    else if (!S_ISDIR(about.st_mode))
        why = strerror(ENOTDIR);
    else if (access(directory, W_OK | X_OK) != 0)
        why = strerror(errno);
    free(directory);
    return why;
}

/* NULL, or why this cannot be the file of -e. Others may be using it, so it is not opened. */
static const char *
cannot_keep_memory(const char *path)
{
    struct stat about;

    if (lstat(path, &about) != 0)
        return errno == ENOENT ? cannot_make(path) : strerror(errno);
    if (S_ISLNK(about.st_mode))
        return "it is a symbolic link";
    if (!S_ISREG(about.st_mode))
        return "it is not a regular file";
    return access(path, R_OK | W_OK) != 0 ? strerror(errno) : NULL;
}

static void
inspect_places(struct finding *finding)
{
    const struct options *o = finding->p->o;
    char                  text[TEXT_BYTES];
    const char           *why;

    why = o->memory_file != NULL ? cannot_keep_memory(o->memory_file) : NULL;
    if (why != NULL) {
        snprintf(text, sizeof(text), "cannot keep memory in %s: %s", o->memory_file, why);
        find(finding, offsetof(struct options, memory_file), text);
    }
    why = o->unix_path != NULL ? cannot_make(o->unix_path) : NULL;
    if (why != NULL) {
        snprintf(text, sizeof(text), "cannot listen at %s: %s", o->unix_path, why);
        find(finding, offsetof(struct options, unix_path), text);
    }
    why = o->pid_file != NULL ? cannot_make(o->pid_file) : NULL;
    if (why != NULL) {
        snprintf(text, sizeof(text), "cannot write the pid file %s: %s", o->pid_file,
                 why);
        warn(finding, offsetof(struct options, pid_file), text);
    }
    why = o->port_file != NULL ? cannot_make(o->port_file) : NULL;
    if (why != NULL) {
        snprintf(text, sizeof(text), "cannot write the ports to %s: %s", o->port_file,
                 why);
        find(finding, offsetof(struct options, port_file), text);
    }
}

static void
inspect_listeners(struct finding *finding, bool limit_is_good)
{
    const struct options *o = finding->p->o;
    char                  text[TEXT_BYTES];
    unsigned              count;
    bool                  is_udp;

    if (listen_try(o, &is_udp, &count, text, sizeof(text)) != LISTEN_OK) {
        find_either(finding,
                    o->unix_path != NULL ? offsetof(struct options, unix_path)
                                         : offsetof(struct options, listen),
                    is_udp ? offsetof(struct options, udp_port)
                           : offsetof(struct options, tcp_port),
                    text);
        count = descriptors_of_listeners(o);
    }
    if (limit_is_good && try_descriptors(o, descriptors_needed(o, count, 0), text,
                                         sizeof(text)) != PROCESS_OK)
        find_either(finding, offsetof(struct options, connections_max),
                    offsetof(struct options, threads), text);
}

enum options_status
options_inspect(const struct parser *p)
{
    struct finding        finding = { .p = p, .status = OPTIONS_OK };
    const struct options *o = p->o;
    bool                  limit_is_good;

    inspect_certificates(&finding);
    inspect_passwords(&finding);
    limit_is_good = inspect_limits(&finding);
    if (become_user(&finding)) {
        inspect_places(&finding);
        inspect_listeners(&finding, limit_is_good);
    }
    if (finding.status != OPTIONS_OK)
        return finding.status;
    inspect_again(&finding, offsetof(struct options, config_file), o->config_file);
    inspect_again(&finding, offsetof(struct options, auth_file), password_file(o));
    if (o->tls) {
        inspect_again(&finding, offsetof(struct options, tls_chain), o->tls_chain);
        inspect_again(&finding, offsetof(struct options, tls_key), o->tls_key);
        inspect_again(&finding, offsetof(struct options, tls_ca), o->tls_ca);
    }
    return finding.status;
}
