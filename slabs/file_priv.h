/* slabs/file_priv.h - the memory file: pages that outlive their process.
 *
 *    0                      head_bytes                                 grows by a page
 *    +------+---------------+-------------+-------------+-------------+--
 *    | head | page words    | page 1      | page 2      | page 3      |
 *    +------+---------------+-------------+-------------+-------------+--
 *
 * The region's pages (pages_priv.h) are mapped from the file, shared, so what a process has
 * written there is the kernel's and stays when the process is killed. Page 0 is not in the
 * file. The head tells what one needs to read the pages: which classes they are of, how
 * long a chunk is, when tick 0 was, which eras are over.
 *
 * The bytes of the file come from outside. All of the head is looked at before anything is
 * believed (file_open()), each part under a checksum of its own:
 *
 *   layout, seed, origin ...   `sum`: written when the file is begun
 *   states                     two, the same, written one after the other: one is whole
 *                              whenever we are killed
 *   page words                 class (FILE_NO_CLASS: of none) and its complement; when the
 *                              file is sealed also 48 bits of a checksum over the page, and
 *                              all of them under `words_sum`
 *
 * A file is sealed when its cache is destroyed. Then every byte is accounted for. One that
 * is not sealed is the memory of a process that was killed. Nothing but that process should
 * have written to it, so the place of the file and the boot of the system have to be the
 * same (`identity`), and each item has a checksum of its own (sum_priv.h).
 *
 * Locks: states are written under cache->flush_lock, page words under pages->lock.
 */
#ifndef LARDER_SLABS_FILE_PRIV_H
#define LARDER_SLABS_FILE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/cache.h"

/* To be raised whenever what lies in the head or in a chunk means something else. */
enum { FILE_VERSION = 5, FILE_BYTE_ORDER = 0x01020304 };

/* What the word of a page of no class has in place of one; 0 is not in use. */
enum { FILE_NO_CLASS = 128 };

/* How the pages are to be read; it has to be the same to the byte. */
struct file_layout {
    uint32_t version;
    uint32_t byte_order;
    uint32_t page_bytes;
    uint32_t item_header;
    uint32_t stripe_bits;
    uint32_t unit_shift; /* from here on options matter */
    uint64_t classes;    /* a checksum of the chunk sizes */
};

/* What changes while the cache is in use. */
struct file_state {
    uint64_t sequence; /* of two states the later one counts   */
    uint64_t sum;      /* of all that follows and the sequence */
    uint32_t now;      /* ticks: the clock goes on from there  */
    uint32_t era;
    uint32_t flushed_below;
    uint32_t flush_at;
    uint32_t limit;  /* pages, as in struct pages            */
    uint32_t sealed; /* 1: as a whole under checksums        */
};

struct file_head {
    char               magic[16];
    uint64_t           sum; /* of what follows, up to the states */
    struct file_layout layout;
    uint64_t           head_bytes;
    uint64_t           hash_seed;
    int64_t            origin_s; /* Unix time at tick 0 */
    char               identity[CACHE_FILE_IDENTITY_MAX];
    struct file_state  states[2];
    uint64_t           words_sum;
    uint64_t words[]; /* [0] is page 1's; 0: not in use, and so are all behind */
};

/* A memory file that is in use. */
struct file {
    int               fd;
    struct file_head *head;       /* mapped; NULL: there is no file       */
    size_t            head_bytes; /* of it, with its words                */
    uint32_t          kept_pages; /* that hold items of a process before  */
    bool              was_sealed; /* and their checksums are there        */
    struct file_state state;      /* as last written                      */
    void (*progress)(void *arg, uint32_t pages, uint32_t all); /* of struct cache_file */
    void *progress_arg;
};

/* What a file is to be like. */
struct file_wish {
    struct file_layout layout;
    uint32_t           pages;    /* that the region has room for, page 0 included  */
    uint32_t           limit;    /* pages->limit at the start                      */
    uint32_t           granted;  /* pages that may be had beyond it                */
    unsigned           classes;  /* their count                                    */
    uint64_t           seed;     /* for a new file                                 */
    int64_t            origin_s; /* for a new file                                 */
    uint32_t           now;      /* for a new file                                 */
};

/* A checksum of such things. */
uint64_t file_sum(const void *bytes, size_t length, uint64_t seed);

/*
 * Look at a file, and make it a new one unless it is a cache that can be restored; tells
 * from->found, and for that one from->origin_s and from->now as well. True if the file can
 * be used: then file_close() ends it.
 */
bool file_open(struct file *file, struct cache_file *from, const struct file_wish *wish);
/* Unmap the head. What is open stays open. */
void file_close(struct file *file);
/* How many pages it has room for, page 0 included. */
uint32_t file_capacity(const struct file *file);
/* The class of a page that is kept, 0: none. */
unsigned file_page_class(const struct file *file, uint32_t page);
/* Tell whoever asks that so many of so many pages are done. */
void file_tell_progress(const struct file *file, uint32_t pages, uint32_t all);

/* Is a kept page as it was sealed? True where it was not. */
bool file_page_is_whole(const struct file *file, uint32_t page, const void *bytes);
/* Make room in the file for a page. False where the file system is full. */
bool file_reserve_page(struct file *file, uint32_t page);
/* A page for which there is room is of this class from now on, 0: of none. */
void file_set_page(struct file *file, uint32_t page, unsigned size_class);
/* Write file->state, twice, under the next sequences. */
void file_write_state(struct file *file);
/* Bring all but pages and page words to the disk: what is there is no sealed file. */
void file_sync(const struct file *file);
/* Account for every byte of the pages 1..used - 1, at `base`, and say so. */
void file_seal(struct file *file, const char *base, uint32_t used);

#endif
