/* server/memory_file.h - -e: the file that a cache's memory is in, so that the next process
 * finds it.
 *
 * Here the file is opened, locked and judged from outside: whose it is, who may read it,
 * which file it is and since when the system runs. What is in it is the engine's business
 * (slabs/file_priv.h).
 *
 * Threads: the main thread; memory_file_restore() starts some for as long as it lasts.
 * Errors:  `text` gets one line for a person, without a newline.
 */
#ifndef LARDER_SERVER_MEMORY_FILE_H
#define LARDER_SERVER_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/cache.h"

struct memory_file {
    const char       *path; /* borrowed; NULL: there is no such file */
    struct cache_file file; /* fd is -1 while it is not open         */
};

/* Open the file, or make it, and lock it against other servers. As the user that serves, and
 * before the directory is changed. */
bool memory_file_open(struct memory_file *memory, const char *path, char *text,
                      size_t text_bytes) __attribute__((warn_unused_result));
void memory_file_close(struct memory_file *memory);

/* Why cache_create() did not take it. */
void memory_file_refused(const struct memory_file *memory, char *text, size_t text_bytes);
/* A line on what was found in it when the cache is not restored; false where there is
 * nothing to say. */
bool memory_file_cold(const struct memory_file *memory, char *text, size_t text_bytes);
/* Restore the cache by as many threads as there are processors, `threads` at most; a line on
 * what came of it. False where there is no memory for it. */
bool memory_file_restore(const struct memory_file *memory, struct cache *cache,
                         struct cache_thread *thread, unsigned threads, char *text,
                         size_t text_bytes);
/* A line that warns when the file system has less room than the cache may want; false where
 * there is nothing to say. */
bool memory_file_is_tight(const struct memory_file *memory, uint64_t wanted_bytes,
                          char *text, size_t text_bytes);

#endif
