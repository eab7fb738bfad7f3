/* slabs/cache.h - the storage engine as its users see it.
 *
 * Threads: every function that takes a `struct cache_thread` is called by the thread
 *          that owns the handle; the rest may be called by any thread.
 * Locks:   none may be held on entry, none are held on return - but for a reading,
 *          which may hold the stripe of its item until cache_read_end().
 * Time:    read from config.clock, never from the system.
 * Keys:    1..CACHE_KEY_MAX bytes of any value.
 */
#ifndef LARDER_SLABS_CACHE_H
#define LARDER_SLABS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slabs/span.h"

struct cache;        /* opaque: layout in slabs/cache_priv.h */
struct cache_thread; /* a thread's handle: its counters and its free chunks */
struct cache_class_counters;
struct cache_counters;
struct cache_reading;
struct clock;
struct item;
struct stripe;

enum {
    CACHE_KEY_MAX = 250,
    CACHE_CLASS_MAX = 127,
};

/* The lists of a size class, in memcached's order; see lru_priv.h. */
enum cache_segment {
    CACHE_HOT,
    CACHE_WARM,
    CACHE_COLD,
    CACHE_TEMP,
    CACHE_SEGMENTS,
};

/* How items are kept in segments. */
struct cache_lru {
    bool     segmented; /* false: in one list                                    */
    bool     temporary; /* items with a TTL up to the next have a segment        */
    uint32_t temporary_ttl_s;
    uint32_t hot_percent;  /* of the class's items that may be in HOT               */
    uint32_t warm_percent; /* ...and in WARM                                        */
    double   hot_factor;   /* how old HOT may be, of the age of COLD's oldest item  */
    double   warm_factor;  /* ...and WARM                                           */
};

enum { CACHE_PAGE_LEAST = 32 << 10, CACHE_PAGE_MOST = 1 << 20 };

struct cache_config {
    size_t              memory_bytes;   /* ceiling for pages; the table is extra        */
    size_t              memory_most;    /* what the ceiling may be raised to later      */
    size_t              memory_floor;   /* a lower ceiling is raised by the part of the
                                           difference that the classes in use are of all */
    uint32_t            page_bytes;     /* a power of two between those above           */
    size_t              item_bytes_max; /* by cache_item_weight(), up to 1 GiB          */
    size_t              chunk_bytes_max; /* a power of two; larger items are chains, and
                                            what is larger than a page                  */
    uint32_t            smallest_value; /* least room for key, flags and value a chunk  */
    double              growth;         /* ratio between large size classes, > 1        */
    bool                evicts;         /* false: out of memory is an answer            */
    bool                tracks_sizes;   /* count items by size: cache_sizes_sum()       */
    struct cache_lru    lru;
    uint64_t            hash_seed; /* random, or keys can be made to collide       */
    const struct clock *clock;     /* borrowed; outlives the cache                 */
    struct cache_file  *file;      /* where its memory is; NULL: nowhere else      */
};

enum cache_status {
    CACHE_OK,
    CACHE_MISS,        /* no live item under that key                                   */
    CACHE_EXISTS,      /* the item's CAS id is another                                  */
    CACHE_NOT_STORED,  /* the rule of add, replace, append or prepend said no           */
    CACHE_TOO_LARGE,   /* no item may be that large                                     */
    CACHE_NO_MEMORY,   /* nothing could be evicted right now; a retry is fair           */
    CACHE_NOT_NUMERIC, /* the value is not a decimal number that fits 64 bits           */
};

/* NULL when memory is not to be had, or config->file cannot be used: its `found` tells.
 * destroy: no thread may use the cache any more. What is in a file stays there. */
struct cache *cache_create(const struct cache_config *config);
void          cache_destroy(struct cache **cache);

/* ---- memory in a file ------------------------------------------------------------ */

enum { CACHE_FILE_IDENTITY_MAX = 128 };

/* What was in the file. */
enum cache_file_found {
    CACHE_FILE_WARM, /* a cache, which has to be restored: cache_restore()             */
    CACHE_FILE_NEW,  /* nothing                                                        */
    /* A cache, but it is lost: */
    CACHE_FILE_OLD,    /* of another version, or of another kind of machine            */
    CACHE_FILE_LAYOUT, /* made with other size classes, or handles of another unit     */
    CACHE_FILE_BROKEN, /* what tells how to read it is damaged                         */
    CACHE_FILE_SHORT,  /* a part is missing                                            */
    CACHE_FILE_TORN,   /* not destroyed, and since then its identity has changed       */
    CACHE_FILE_AGED,   /* its clock or its era comes to an end                         */
    /* There is no cache, and the file is as it was: */
    CACHE_FILE_FOREIGN, /* it holds something else                                     */
    /* There is no cache: */
    CACHE_FILE_NO_SPACE, /* the file system does not take it                           */
};

/* A file for the memory of a cache, which nobody else writes to. */
struct cache_file {
    int    fd;    /* for reading and writing; borrowed; outlives the cache      */
    size_t bytes; /* its length                                                 */
    /* What is in it is believed, though its cache was not destroyed, where this is the
     * same as it was: the file is this one, and the system was not started anew. Padded
     * with zeros; empty: it is not believed. */
    char identity[CACHE_FILE_IDENTITY_MAX];
    bool only_warm; /* leave it as it is, and make no cache, unless it can be restored */
    /* Called while all pages are restored, or sealed when the cache is destroyed, which may take
     * long: by each thread at work, at each page, with how many are done. NULL: nobody asks. */
    void (*progress)(void *arg, uint32_t pages, uint32_t all);
    void *progress_arg;
    /* cache_create() sets: */
    enum cache_file_found found;
    int64_t origin_s; /* with CACHE_FILE_WARM the clock has to be set to this origin,   */
    uint32_t now;     /* and to this time or a later one, before it is restored         */
};

/* The config.page_bytes without which what is in the file is lost; 0: any will do. */
uint32_t cache_file_page_bytes(const struct cache_file *file);

/* What has become of the items in the file. */
struct cache_restored {
    uint64_t items; /* that are there again                                            */
    uint64_t dead;  /* were there, but have expired or were flushed                    */
    uint64_t bad;   /* could not be right, or not be kept; were dropped                */
    uint64_t bad_pages; /* pages that were not what they had been: all of their items
                           were dropped, and are not in `bad`                          */
};

/*
 * Restore what is in the file: nothing else may be done with the cache before. Any number
 * of threads take part, each with a handle of its own, and the call returns when there is
 * nothing left to begin with; false where there was no memory to take part. When all have
 * returned, one ends it.
 */
bool cache_restore(struct cache_thread *thread);
void cache_restore_end(struct cache_thread *thread, struct cache_restored *restored);

/* Handles are created and destroyed by any thread; NULL when out of memory. What a
 * destroyed handle has counted stays in the sums. */
struct cache_thread *cache_thread_create(struct cache *cache);
void                 cache_thread_destroy(struct cache_thread **thread);

/* A live item is evicted: it is told of with its stripe held, and only looked at. */
typedef void cache_on_eviction(void *ctx, struct span key,
                               const struct cache_reading *item);
/* Tell of what this handle's thread evicts, from now on; NULL: no longer. */
void          cache_watch_evictions(struct cache_thread *thread, cache_on_eviction *tell,
                                    void *ctx);
struct cache *cache_of(const struct cache_thread *thread);

/* ---- keys ------------------------------------------------------------------------ */

struct cache_key {
    struct span bytes; /* borrowed */
    uint64_t    hash;  /* cache_key() sets it */
};

struct cache_key cache_key(const struct cache *cache, struct span bytes);

/* Hints before a batch of look-ups: ask for all buckets first, then for all items. */
void cache_prefetch_bucket(const struct cache *cache, const struct cache_key *key);
void cache_prefetch_item(const struct cache *cache, const struct cache_key *key);

/* ---- reading --------------------------------------------------------------------- */

/*
 * An item that is being read. A small value is to be copied at once, since its stripe is
 * held (`pinned` is false) until cache_read_end(). A large one is pinned: the reading may
 * be kept, copied, moved and ended later, and the value will not change meanwhile.
 */
struct cache_reading {
    uint64_t    cas;
    uint32_t    client_flags;
    uint32_t    size_class;
    size_t      value_length;
    const char *value; /* see cache_read_value()                           */
    /* Of a value in pieces: where cache_read_value() was last. */
    const struct cache *chained; /* NULL: it is in one piece         */
    const struct item  *piece;
    size_t              piece_from; /* offset of its first byte */
    /* Not told of by cache_read(), which has no time for it: */
    int32_t        ttl_s;      /* seconds left before this reading, -1: never ends */
    uint32_t       idle_s;     /* seconds since it was last used                   */
    bool           fetched;    /* had been read before                             */
    bool           binary_key; /* stored with cache_store.binary_key               */
    bool           stale;      /* out of date: see cache_drop_how.invalidates      */
    bool           leased;     /* another reader is refreshing it                  */
    bool           won;        /* this reader is to refresh it                     */
    bool           created;    /* there was nothing: see cache_read_how.creates    */
    bool           pinned;
    uint8_t        segment; /* enum cache_segment: of these it is told of by all */
    struct item   *item;
    struct stripe *stripe; /* held while not NULL */
};

enum { CACHE_COPY_MAX = 4096 }; /* values up to this are copied, not pinned */

/* What a reading is to do besides; all zero is a plain reading. Expiry times are those
 * of clock_deadline(). */
struct cache_read_how {
    bool    unnoticed; /* do not count as a use                                        */
    bool    touches;   /* give the item a new expiry: `expiry`                         */
    bool    touches_first;   /* before it is asked whether it is about to expire       */
    bool    touches_created; /* also an item that was created just now                 */
    bool    creates; /* where nothing is, make an empty item that ends at create_expiry */
    bool    leases;  /* of all readers of an item that is stale, new by `creates`, or
                           about to expire, let one win, and tell the others            */
    bool    refreshes; /* about to expire means: before refresh_expiry                 */
    bool    names_cas; /* an item that is created gets new_cas, even 0, as its id      */
    int64_t expiry;
    int64_t create_expiry;
    int64_t refresh_expiry;
    uint64_t new_cas;
};

/* Find a live item and begin to read it. CACHE_OK or CACHE_MISS; on a miss there is
 * nothing to end. */
enum cache_status cache_read(struct cache_thread *thread, const struct cache_key *key,
                             struct cache_reading *reading);
enum cache_status cache_read_as(struct cache_thread *thread, const struct cache_key *key,
                                const struct cache_read_how *how,
                                struct cache_reading        *reading);
/* The next piece of the value, from offset `from` on; its length is 0 at the end. Going
 * on from where the last call was costs little; going back begins at the start. */
struct span cache_read_value(struct cache_reading *reading, size_t from);
/* Let the item go; the reading has none afterwards. */
void cache_read_end(struct cache_thread *thread, struct cache_reading *reading);

/* ---- writing --------------------------------------------------------------------- */

enum cache_store_mode {
    CACHE_SET,
    CACHE_ADD,     /* only where nothing is                  */
    CACHE_REPLACE, /* only where something is                */
    CACHE_APPEND,  /* to what is there, whose flags and expiry stay */
    CACHE_PREPEND,
    CACHE_CAS, /* only where the item's id is store.cas      */
};

static inline bool
cache_store_joins(enum cache_store_mode mode)
{
    return mode == CACHE_APPEND || mode == CACHE_PREPEND;
}

struct cache_store {
    enum cache_store_mode mode;
    bool                  compares; /* append, prepend: only where the id is `cas`      */
    bool                  invalidates; /* CACHE_CAS: where the item is newer than `cas`,
                                          store all the same, as a stale value that keeps
                                          the item's expiry                                */
    bool                  creates; /* append, prepend: store where nothing is          */
    bool             binary_key;   /* readings are to tell so                          */
    struct cache_key key;
    uint32_t         client_flags;
    int64_t          expiry; /* as the protocols mean it, see clock_deadline() */
    uint64_t         cas;
    uint64_t         new_cas; /* the item's id from now on; 0: draw one        */
};

/* What a write found or made. */
struct cache_result {
    uint64_t cas;          /* of the item that is there now */
    uint32_t size_class;   /* of the item that was found or made */
    uint64_t number;       /* cache_arithmetic: the new value */
    uint32_t client_flags; /* cache_touch */
    size_t   value_length; /* cache_store: of the value that was sent or that is there */
    int32_t  ttl_s;        /* cache_arithmetic: seconds left before it, -1: never ends */
    bool     created;      /* cache_arithmetic: there was nothing */
    bool     found;        /* there was an item: */
    unsigned found_class;  /* its size class     */
    size_t   found_length; /* and its value's    */
};

/* Store a value that is at hand as a whole. OK, MISS, EXISTS, NOT_STORED, TOO_LARGE or
 * NO_MEMORY; after the last two nothing has changed. */
enum cache_status cache_store(struct cache_thread      *thread,
                              const struct cache_store *store, struct span value,
                              struct cache_result *result);

/*
 * A value that is still arriving. A chunk is reserved for it at once, for one that no
 * chunk holds the pieces of a chain as it arrives; nobody sees it before
 * cache_upload_commit().
 */
struct cache_upload {
    struct item *item;
    size_t       length;
    size_t       filled;
    struct item *piece; /* the last one of a chain */
    char        *to;    /* where the next bytes go */
    size_t       room;  /* how many                */
    size_t       first; /* bytes for the first piece of a chain, 0: as for the others */
    bool         sums;  /* each piece is to have a checksum                          */
};

/* The size class that such an item would be of; 0 if it is too large to be stored. */
unsigned cache_class_for(const struct cache *cache, size_t key_length,
                         uint32_t client_flags, size_t value_length);
/* OK, TOO_LARGE or NO_MEMORY. The upload ends by commit or abandon. */
enum cache_status cache_upload_begin(struct cache_thread      *thread,
                                     const struct cache_store *store, size_t length,
                                     struct cache_upload *upload);
/* Where the next bytes go: a piece of the value's memory, of length 0 when it is full, or
 * when there is no memory for another piece. *room is written to, then
 * cache_upload_fill() says how much. */
char *cache_upload_room(struct cache_thread *thread, struct cache_upload *upload,
                        size_t *room);
void  cache_upload_fill(struct cache_upload *upload, size_t bytes);

static inline bool
cache_upload_is_full(const struct cache_upload *upload)
{
    return upload->filled == upload->length;
}

/* Store what has arrived; the key in `store` is not read, its hash and the rest are. */
enum cache_status cache_upload_commit(struct cache_thread      *thread,
                                      const struct cache_store *store,
                                      struct cache_upload      *upload,
                                      struct cache_result      *result);
void cache_upload_abandon(struct cache_thread *thread, struct cache_upload *upload);

/* How an item is to go. */
struct cache_drop_how {
    bool     compares;    /* only where its id is `cas`                               */
    bool     invalidates; /* it stays, marked as stale, under a new id                */
    bool     empties;     /* it stays, with an empty value and client_flags; its expiry
                             becomes `expiry`, or never                               */
    bool     touches;     /* with one of these: its expiry becomes `expiry`           */
    int64_t  expiry;
    uint32_t client_flags;
    uint64_t cas;
    uint64_t new_cas; /* of an item that stays; 0: draw one, or keep it when emptied  */
};

/* Drop an item. OK, MISS or EXISTS; NO_MEMORY when it cannot be emptied. */
enum cache_status cache_drop(struct cache_thread *thread, const struct cache_key *key,
                             const struct cache_drop_how *how,
                             struct cache_result         *result);
/* Give an item a new expiry. OK or MISS. */
enum cache_status cache_touch(struct cache_thread *thread, const struct cache_key *key,
                              int64_t expiry, struct cache_result *result);
struct cache_count_how {
    bool     subtracts;
    bool     compares; /* only where the item's id is `cas`                   */
    bool     creates;  /* where nothing is, make `initial`, ending at create_expiry */
    bool     touches;  /* give it a new expiry: `expiry`                      */
    bool     touches_created; /* also one that was made just now              */
    int64_t  expiry;
    int64_t  create_expiry;
    uint64_t delta;
    uint64_t initial;
    uint64_t cas;
    uint64_t new_cas; /* the item's id from now on; 0: draw one */
};

/* Add to (modulo 2^64) or subtract from (not below 0) a decimal value. A shorter result
 * is padded with spaces to the old length where it is written in place. OK, MISS, EXISTS,
 * NOT_NUMERIC or NO_MEMORY. */
enum cache_status cache_arithmetic(struct cache_thread          *thread,
                                   const struct cache_key       *key,
                                   const struct cache_count_how *how,
                                   struct cache_result          *result);

/* ---- all items ------------------------------------------------------------------- */

/*
 * A walk over all items, a few at a time; all zero at the start. It meets every item that
 * is there all the while, once, or twice where the table grows meanwhile.
 */
struct cache_walk {
    uint32_t stripe;
    uint32_t bucket;
};

/* A live item, with its stripe held: only to be looked at. It is not counted as a use. */
typedef void cache_visit(void *ctx, struct span key, const struct cache_reading *item);

/* Visit what a few buckets hold, a dozen items or none; false when the walk has ended. */
bool cache_walk_step(struct cache_thread *thread, struct cache_walk *walk,
                     cache_visit *visit, void *ctx);
/* The same, but drop what is dead. `left` says how many items of each size class are to be
 * looked at yet, and is lowered. */
bool cache_reap_step(struct cache_thread *thread, struct cache_walk *walk,
                     uint64_t left[CACHE_CLASS_MAX + 1]);

/* ---- upkeep ---------------------------------------------------------------------- */

/* How items are kept, and to keep them otherwise from now on: what is in segments that are
 * to be empty leaves them by and by. Any thread. */
struct cache_lru cache_lru(const struct cache *cache);
void             cache_set_lru(struct cache *cache, const struct cache_lru *lru);

/* Look after a size class, for a bounded number of items: let those move on whose segment
 * is too long or too old, and drop the dead of those with a short time to live. False
 * where there was nothing to do. */
bool cache_upkeep_step(struct cache_thread *thread, unsigned size_class);
/* Get memory for the table before a store has to wait for it: as much again as it has, up to some
 * megabytes, but no more than a full cache would need if its items stay as they are. And for
 * pages: an eighth of what is in use, up to 64 MiB, within the limit. A bounded piece at a time; false where
 * there was nothing to do. One thread at a time. */
bool cache_populate_step(struct cache_thread *thread);

/* ---- the whole ------------------------------------------------------------------- */

/* Everything stored up to now is gone; costs nothing. */
void cache_flush(struct cache_thread *thread);
/* The same at an expiry time to come; one flush at most is pending, the latest. Times
 * <= 0 and Unix times that have passed mean now, those before the clock's start nothing
 * but that what was pending is taken back. A flush to come happens in the cache_tick()
 * that finds its time reached. */
void cache_flush_later(struct cache_thread *thread, int64_t expiry);
/* To be called whenever the clock has moved. */
void cache_tick(struct cache_thread *thread);

/* Seconds that an item with this expiry would have left, -1: it would never end. */
int32_t cache_ttl_of(const struct cache *cache, int64_t expiry);
/* What memcached 1.6.45 would call the item's size: limits are given in it. */
size_t cache_item_weight(size_t key_length, uint32_t client_flags, size_t value_length);

/* Sums over all threads, these too that have ended; of_class, for CACHE_CLASS_MAX + 1 size
 * classes, may be NULL. */
void cache_counters_sum(struct cache *cache, struct cache_counters *sum,
                        struct cache_class_counters *of_class);

/* Items by size: sums[i] counts those whose cache_item_weight() is more than (i - 1) and
 * at most i times CACHE_SIZE_STEP; the last one those that are larger, too. All zero unless
 * config.tracks_sizes. */
enum { CACHE_SIZE_STEP = 32, CACHE_SIZES = (1 << 20) / CACHE_SIZE_STEP + 2 };
void cache_sizes_sum(struct cache *cache, int64_t sums[CACHE_SIZES]);

/* What a size class has. */
struct cache_class {
    uint32_t chunk_bytes;
    uint32_t pages;          /* of cache_page_bytes()                              */
    uint64_t chunks_used;    /* by items, by pieces, and by what is arriving       */
    uint64_t items;          /* in the table                                       */
    uint32_t evicted_idle_s; /* since the last one that was evicted had been used  */
    struct {
        uint64_t items;
        uint32_t oldest_idle_s; /* since the next one to leave it was used */
    } segment[CACHE_SEGMENTS];
};

void     cache_class_show(struct cache *cache, unsigned size_class,
                          struct cache_class *shown);
unsigned cache_class_count(const struct cache *cache);
/* Chunk size of a class, 0 if there is no such class. */
uint32_t cache_class_bytes(const struct cache *cache, unsigned size_class);
size_t   cache_memory_limit(const struct cache *cache);
/* Will there be evictions soon, or are there already? */
bool cache_memory_is_short(struct cache *cache);
/* Take as much memory as the limit allows, now, in huge pages if the system has them; false
 * where it does not give all. In a memory file there is none to take. */
bool cache_take_memory(struct cache *cache);
/* Change the ceiling, rounded down to pages. Memory above a lower one stays in use until
 * cache_move_step() has given it up. False where it is more than config.memory_most. */
bool   cache_memory_set_limit(struct cache *cache, size_t bytes);
size_t cache_table_bytes(const struct cache *cache);
/* log2 of the number of slots in the table. */
unsigned cache_table_power(const struct cache *cache);
/* Bytes that a size class gets at a time. */
uint32_t cache_page_bytes(const struct cache *cache);
/* Pages that were some class's and are no class's now. */
uint32_t cache_pages_in_pool(struct cache *cache);

/* ---- memory from one class to another -------------------------------------------- */

enum cache_move_answer {
    CACHE_MOVE_OK,
    CACHE_MOVE_SAME,      /* from and to are one                                   */
    CACHE_MOVE_BAD_CLASS, /* there is no such class, or none with a page to spare  */
    CACHE_MOVE_NO_SPARE,  /* the class has no page to spare                        */
    CACHE_MOVE_BUSY,      /* another page is on its way                            */
};

enum { CACHE_POOL = 0, CACHE_ANY_CLASS = -1 };

/* Ask for a page of one class to go to another one, or to the pool, or from there. It goes
 * in steps, its items move into other chunks of their class. Any thread. */
enum cache_move_answer cache_move_ask(struct cache *cache, int64_t from, int64_t to);

enum cache_move_state {
    CACHE_MOVE_NOTHING, /* there is nothing to do                     */
    CACHE_MOVE_MORE,    /* the next step has something to do          */
    CACHE_MOVE_WAITS,   /* for what is in use; a moment later, maybe  */
    CACHE_MOVE_DONE,    /* a page has moved, see cache_last_move()    */
    CACHE_MOVE_FREE,    /* the same, and nothing had to be copied     */
    CACHE_MOVE_FAILED,  /* none was to be had: the same               */
};

/* Between which classes a page has moved last, or has not. For who takes the steps. */
void cache_last_move(const struct cache *cache, unsigned *from, unsigned *to);

/* When pages are to move without being asked for. */
enum cache_automove_mode {
    CACHE_AUTOMOVE_NEVER,
    CACHE_AUTOMOVE_SURE,  /* when it is sure that it pays */
    CACHE_AUTOMOVE_EAGER, /* at the first sign            */
};

struct cache_automove {
    enum cache_automove_mode mode;
    double ratio; /* one class is to lose at most so much of what another
                                       gains */
};

/* Look whether memory is where it brings most hits, and if not, ask for a page to move. To
 * be called some times a second, by the thread that calls cache_move_step(). False if
 * since the last time nothing was evicted and no class got memory. */
bool cache_balance(struct cache_thread *thread, const struct cache_automove *how);
/* Did that find a class that can give more than it has to just now? What others take is
 * soon to be replaced then. For who takes the steps. */
bool cache_has_spare(const struct cache *cache);

/* Go on with what was asked for, or with giving up memory above the limit: some dozens of
 * items. Only one thread may call it at a time. */
enum cache_move_state cache_move_step(struct cache_thread *thread);
bool                  cache_is_moving(const struct cache *cache);

/*
 * For tests: walk everything while no thread is at work, and abort unless every chunk is
 * in exactly one place, lists are linked both ways, counters are sums, and (quiet = true)
 * nothing is pinned or being uploaded.
 */
void cache_check(struct cache *cache, bool quiet);

#endif
