/* bench/larder-bench/cpu.c - see cpu.h. */
#include "bench/larder-bench/cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- who listens ------------------------------------------------------------------ */

/*
 * Its inode, in a table of the kernel's:
 *
 *     sl local_address remote_address st ... inode        tcp, tcp6: st 0A listens
 *      0: 0100007F:2BCB 00000000:0000 0A ... 12345
 *
 * Only the port is compared: a second server on another address of this port is rare.
 */
static uint64_t
find_port(const char *table, uint16_t port)
{
    FILE    *in = fopen(table, "r");
    char     line[512];
    uint64_t inode, found = 0;
    unsigned at, state;

    while (in != NULL && found == 0 && fgets(line, sizeof(line), in) != NULL) {
        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*u %*u %" SCNu64, &at,
                   &state, &inode) == 3 &&
            at == port && state == 0x0a)
            found = inode;
    }
    if (in != NULL)
        fclose(in);
    return found;
}

/* The same for "Num RefCount Protocol Flags Type St Inode Path". */
static uint64_t
find_path(const char *path)
{
    FILE    *in = fopen("/proc/net/unix", "r");
    char     line[512], at[256];
    uint64_t inode, found = 0;

    while (in != NULL && found == 0 && fgets(line, sizeof(line), in) != NULL) {
        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %" SCNu64 " %255s", &inode, at) == 2 &&
            strcmp(at, path) == 0)
            found = inode;
    }
    if (in != NULL)
        fclose(in);
    return found;
}

static bool
has_open(const char *pid, const char *socket)
{
    char           folder[64], path[sizeof(folder) + 256 + 1], link[64];
    struct dirent *entry;
    bool           has = false;
    DIR           *files;

    snprintf(folder, sizeof(folder), "/proc/%.20s/fd", pid);
    files = opendir(folder);
    while (files != NULL && !has && (entry = readdir(files)) != NULL) {
        ssize_t length;

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        length = readlink(path, link, sizeof(link) - 1);
        link[length > 0 ? length : 0] = '\0';
        has = strcmp(link, socket) == 0;
    }
    if (files != NULL)
        closedir(files);
    return has;
}

static pid_t
find_owner(uint64_t inode)
{
    char           socket[64];
    struct dirent *entry;
    pid_t          owner = 0;
    DIR           *processes = opendir("/proc");

    snprintf(socket, sizeof(socket), "socket:[%" PRIu64 "]", inode);
    while (processes != NULL && owner == 0 && (entry = readdir(processes)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && has_open(entry->d_name, socket))
            owner = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    if (processes != NULL)
        closedir(processes);
    return owner;
}

static bool
is_local(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

pid_t
cpu_find_listener(const struct address *address)
{
    uint64_t inode = 0;

    if (address->path != NULL)
        inode = find_path(address->path);
    else if (is_local(address->host))
        inode = find_port("/proc/net/tcp", address->port);
    if (inode == 0 && address->path == NULL && is_local(address->host))
        inode = find_port("/proc/net/tcp6", address->port);
    return inode != 0 ? find_owner(inode) : 0;
}

/* ---- its time --------------------------------------------------------------------- */

/* Its user and system time, behind the name, which may have blanks and brackets in it. */
static bool
read_ticks(pid_t pid, struct cpu_time *time)
{
    char          path[64], line[1024], *behind = NULL;
    unsigned long user, system;
    double        tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    FILE         *in;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    in = fopen(path, "r");
    if (in == NULL)
        return false;
    if (fgets(line, sizeof(line), in) != NULL)
        behind = strrchr(line, ')');
    fclose(in);
    if (behind == NULL ||
        sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        return false;
    time->user_ns = (double)user * tick_ns;
    time->system_ns = (double)system * tick_ns;
    return true;
}

/* The nanoseconds of all threads that there are; 0 if the kernel does not count them. */
static double
sum_of_threads(pid_t pid)
{
    char           folder[64], path[sizeof(folder) + 256 + 16];
    struct dirent *entry;
    double         sum = 0;
    DIR           *tasks;

    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
    tasks = opendir(folder);
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        uint64_t ns;
        FILE    *in;

        snprintf(path, sizeof(path), "%s/%s/schedstat", folder, entry->d_name);
        in = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (in == NULL)
            continue;
        if (fscanf(in, "%" SCNu64, &ns) == 1)
            sum += (double)ns;
        fclose(in);
    }
    if (tasks != NULL)
        closedir(tasks);
    return sum;
}

bool
cpu_read(pid_t pid, struct cpu_time *time)
{
    if (!read_ticks(pid, time))
        return false;
    time->all_ns = sum_of_threads(pid);
    if (time->all_ns == 0)
        time->all_ns = time->user_ns + time->system_ns;
    return true;
}

void
cpu_subtract(struct cpu_time *time, const struct cpu_time *before)
{
    time->all_ns -= before->all_ns;
    time->user_ns -= before->user_ns;
    time->system_ns -= before->system_ns;
}

/* ---- where it runs ---------------------------------------------------------------- */

bool
cpu_pin(const char *list)
{
    cpu_set_t set;
    char     *rest;

    CPU_ZERO(&set);
    for (;; list = rest + 1) {
        unsigned long first = strtoul(list, &rest, 10), last = first;

        if (!isdigit((unsigned char)*list))
            return false;
        if (*rest == '-') {
            list = rest + 1;
            last = strtoul(list, &rest, 10);
        }
        if (!isdigit((unsigned char)*list) || last >= CPU_SETSIZE || first > last)
            return false;
        while (first <= last)
            CPU_SET(first++, &set);
        if (*rest == '\0')
            return sched_setaffinity(0, sizeof(set), &set) == 0;
        if (*rest != ',')
            return false;
    }
}
