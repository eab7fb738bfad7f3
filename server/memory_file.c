/* server/memory_file.c - -e: the file that a cache's memory is in. See memory_file.h. */
#include "server/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/monotonic.h"
#include "slabs/must.h"

enum { RESTORERS_MAX = 16, BOOT_ID_BYTES = 64 };

#define MIB (1u << 20)

/* ---- opening --------------------------------------------------------------------- */

/* Which boot of the system this is; false where it does not say. */
static bool
read_boot_id(char *id, size_t id_bytes)
{
    int     fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, id, id_bytes - 1);
    close(fd);
    id[got > 0 ? got : 0] = '\0';
    id[strcspn(id, "\n")] = '\0';
    return id[0] != '\0';
}

/* The bytes of a process that was killed are right in this very file, not in a copy that was
 * made meanwhile, and only until the system is started again. */
static void
identify(struct cache_file *file, const struct stat *st)
{
    char boot_id[BOOT_ID_BYTES];

    memset(file->identity, 0, sizeof(file->identity));
    if (read_boot_id(boot_id, sizeof(boot_id)))
        snprintf(file->identity, sizeof(file->identity), "%s %ju:%ju", boot_id,
                 (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
}

/* Nobody but us may have written to it, and none but us may read what clients store. */
static const char *
what_is_wrong(int fd, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "it is not a regular file";
    if (st->st_uid != geteuid())
        return "it belongs to another user";
    if ((st->st_mode & 077) == 0)
        return NULL;
    if (st->st_size == 0 && fchmod(fd, 0600) == 0)
        return NULL;
    return "others may read it or write to it (its mode should be 600)";
}

static bool
fail(struct memory_file *memory, char *text, size_t text_bytes, const char *why)
{
    snprintf(text, text_bytes, "cannot keep memory in %s: %s", memory->path, why);
    memory_file_close(memory);
    return false;
}

bool
memory_file_open(struct memory_file *memory, const char *path, char *text,
                 size_t text_bytes)
{
    struct stat st;
    const char *wrong;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    *memory = (struct memory_file){ .path = path, .file.fd = fd };
    if (fd < 0)
        return fail(memory, text, text_bytes,
                    errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    /* First of all: what another server does with it would change the rest. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return fail(memory, text, text_bytes,
                    errno == EWOULDBLOCK ? "another server uses it" : strerror(errno));
    if (fstat(fd, &st) != 0)
        return fail(memory, text, text_bytes, strerror(errno));
    wrong = what_is_wrong(fd, &st);
    if (wrong != NULL)
        return fail(memory, text, text_bytes, wrong);
    memory->file.bytes = (size_t)st.st_size;
    identify(&memory->file, &st);
    return true;
}

void
memory_file_close(struct memory_file *memory)
{
    if (memory->path != NULL && memory->file.fd >= 0)
        close(memory->file.fd); /* and the lock goes with it */
    *memory = (struct memory_file){ .file.fd = -1 };
}

/* ---- what is said of it ---------------------------------------------------------- */

void
memory_file_refused(const struct memory_file *memory, char *text, size_t text_bytes)
{
    const char *path = memory->path;

    if (memory->file.found == CACHE_FILE_FOREIGN)
        snprintf(text, text_bytes,
                 "%s is not a memory file of larder; it is left as it is. Remove it, or "
                 "name another one.",
                 path);
    else
        snprintf(text, text_bytes,
                 "the file system does not give %s the room to begin with", path);
}

static const char *
why_cold(enum cache_file_found found)
{
    switch (found) {
    case CACHE_FILE_OLD:
        return "it is of another version of larder, or of another machine";
    case CACHE_FILE_LAYOUT:
        return "it was made with another -f, -n or slab_chunk_max, or an -m or -I "
               "of another order";
    case CACHE_FILE_BROKEN:
        return "it is damaged";
    case CACHE_FILE_SHORT:
        return "a part of it is missing";
    case CACHE_FILE_TORN:
        return "its server did not end by itself before the system was restarted, or the "
               "file was copied";
    case CACHE_FILE_AGED:
        return "its clock has come to its end";
    case CACHE_FILE_WARM:
    case CACHE_FILE_NEW:
    case CACHE_FILE_FOREIGN:
    case CACHE_FILE_NO_SPACE:
        break;
    }
    return NULL;
}

bool
memory_file_cold(const struct memory_file *memory, char *text, size_t text_bytes)
{
    const char *why = why_cold(memory->file.found);

    if (why == NULL)
        return false;
    snprintf(text, text_bytes, "%s cannot be restored, the cache begins empty: %s",
             memory->path, why);
    return true;
}

bool
memory_file_is_tight(const struct memory_file *memory, uint64_t wanted_bytes, char *text,
                     size_t text_bytes)
{
    struct statvfs fs;
    struct stat    st;
    uint64_t       there;

    if (fstatvfs(memory->file.fd, &fs) != 0 || fstat(memory->file.fd, &st) != 0)
        return false;
    there = (uint64_t)fs.f_bavail * fs.f_frsize + (uint64_t)st.st_blocks * 512;
    if (there >= wanted_bytes)
        return false;
    snprintf(text, text_bytes,
             "there is room for %" PRIu64 " MB in %s, and -m is %" PRIu64
             ": what is not there will not be used",
             there / MIB, memory->path, wanted_bytes / MIB);
    return true;
}

/* ---- restoring ------------------------------------------------------------------- */

static void *
take_part(void *arg)
{
    struct cache_thread *thread = arg;

    return cache_restore(thread) ? thread : NULL;
}

/* One part is done by this thread, others by as many as there are. */
static bool
take_parts(struct cache *cache, struct cache_thread *thread, unsigned others)
{
    pthread_t            threads[RESTORERS_MAX];
    struct cache_thread *handles[RESTORERS_MAX];
    unsigned             started = 0;
    bool                 done;

    for (; started < others; started++) {
        handles[started] = cache_thread_create(cache);
        if (handles[started] == NULL)
            break;
        if (pthread_create(&threads[started], NULL, take_part, handles[started]) != 0) {
            cache_thread_destroy(&handles[started]);
            break;
        }
    }
    done = cache_restore(thread);
    while (started-- > 0) {
        void *result;

        pthread_join(threads[started], &result);
        cache_thread_destroy(&handles[started]);
        done |= result != NULL;
    }
    return done;
}

bool
memory_file_restore(const struct memory_file *memory, struct cache *cache,
                    struct cache_thread *thread, unsigned threads, char *text,
                    size_t text_bytes)
{
    long                  processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t              start_us = monotonic_us();
    struct cache_restored restored;
    int                   length;

    if (processors > 0 && threads > (unsigned long)processors)
        threads = (unsigned)processors;
    if (threads > RESTORERS_MAX)
        threads = RESTORERS_MAX;
    if (!take_parts(cache, thread, threads > 0 ? threads - 1 : 0))
        return false;
    cache_restore_end(thread, &restored);
    length = snprintf(text, text_bytes,
                      "%s: %" PRIu64 " items restored in %.2f s, %" PRIu64 " had ended",
                      memory->path, restored.items,
                      (double)(monotonic_us() - start_us) / 1e6, restored.dead);
    if (length > 0 && (size_t)length < text_bytes &&
        restored.bad + restored.bad_pages > 0)
        snprintf(text + length, text_bytes - (size_t)length,
                 "; dropped as damaged: %" PRIu64 " items, and %" PRIu64
                 " pages as a whole",
                 restored.bad, restored.bad_pages);
    return true;
}
