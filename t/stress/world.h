/* t/stress/world.h - what the parts of the load program know of each other.
 *
 * Six kinds of key say what right means when any item may be missing at any time:
 *
 *   owned    one client writes, everybody reads. Every write has a sequence number; a read
 *            never shows less than the last write known when it was asked for, nor a deleted,
 *            expired, flushed or never completed one, nor an append lost or done twice. What
 *            was once seen missing stays missing until its owner writes again.
 *   shared   everybody writes: values are whole, and made of parts that were really written.
 *   tiny     1 to 47 bytes, each a function of key and length.
 *   counter  one client counts, and predicts every answer.
 *   ticket   everybody increments by one: no number is given out twice.
 *   raced    everybody competes with cas: one id wins once, and is always the same value.
 *
 * Threads: a client belongs to one thread. What others read of it (`struct mark`, floors and
 *          generations of keys) is atomic; raced keys and tickets have a lock each.
 * Order:   who reads a key loads floors and flushes BEFORE the key's generation; who abandons
 *          a connection raises generations BEFORE anything else. So a reader that knows the
 *          new floor never asks for the old name, which requests still under way may write.
 */
#ifndef LARDER_T_STRESS_WORLD_H
#define LARDER_T_STRESS_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "t/stress/dice.h"

enum {
    KEY_BYTES = 251,     /* the longest key and a NUL                             */
    REQUESTS = 1024,     /* pending on one connection; a power of two             */
    WANTED = 4096,       /* keys asked for and not answered; a power of two       */
    BURST_MAX = 64,      /* requests made at once                                 */
    MULTIGET_MAX = 100,  /* keys in one get                                       */
    DONE = 256,          /* finished requests remembered for error messages       */
    HISTORY = 12,        /* of them printed                                       */
    COUNTERS = 8,        /* a client                                              */
    TICKETS = 16,        /*                                                       */
    RACED = 16,          /*                                                       */
    VOIDS = 8,           /* abandoned ranges of sequence numbers kept, a client   */
    FLUSHES = 4096,      /* and then no more                                      */
    SEEN = 4096,         /* numbers, and CAS ids, remembered for each hot key     */
    VIOLATIONS_MAX = 10, /* then the run stops                                    */
    READ_CHUNK = 65536,
    LINE_MAX_BYTES = 2048,
    TTL_LONG_S = 1000000, /* relative, and never reached                           */
};

#define NEVER UINT64_MAX

/* ---- what everybody shares ------------------------------------------------------------- */

struct options {
    const char *host, *path;    /* path: a unix socket instead of TCP               */
    unsigned    port, tls_port; /* tls_port: clients speak TLS there; 0: they do not */
    unsigned    threads, clients, keys;
    unsigned    seconds;  /* 0: until `operations`                            */
    unsigned    flush_s;  /* between two flush_all; 0: none                   */
    unsigned    stall_s;  /* a reply or a connection may take so long         */
    unsigned    grace_ms; /* a value may outlive its TTL so long              */
    uint64_t    operations, seed;
    size_t      max_value;
    bool        must_evict;
    bool        half_closed_drops; /* replies may be missing after our shutdown()  */
};

/* Key kinds, each with index ranges of its own. */
enum kind { KEY_OWNED, KEY_SHARED, KEY_TINY, KEY_COUNTER, KEY_TICKET, KEY_RACED };

struct key {
    enum kind kind;
    uint32_t  index;
    uint32_t  generation; /* part of the name; rises when writes may still be under way */
};

/* What is known about a key that one client writes. Versions are the client's sequence
 * numbers. `floor` > `top`: the key is known to be missing. */
struct owned {
    _Atomic uint64_t floor;   /* a read asked for now shows at least this, or nothing */
    _Atomic uint64_t dying;   /* a whole write with a short TTL; 0 while it changes */
    _Atomic uint64_t dies_ms; /* when that TTL is over at the latest               */
    _Atomic uint32_t generation; /* as in struct key                                  */
    /* For its owner only: */
    uint32_t parts; /* since `base`: parts known to be there              */
    uint32_t maybe; /* and such as may be there: sent noreply             */
    uint64_t top;   /* the latest version that may be there               */
    uint64_t base;  /* the latest known whole write                       */
};

struct counter {
    _Atomic uint32_t generation;
    bool             missing; /* for sure                                          */
    uint64_t         value;   /* if not missing                                    */
};

/* An inclusive range of sequence numbers; the owner stores, others load. */
struct range {
    _Atomic uint64_t from, to;
};

/* What others may know of one client. */
struct mark {
    _Atomic uint64_t issued;       /* the last sequence number                          */
    struct range     settled;      /* the writes of this connection that were answered  */
    struct range     void_[VOIDS]; /* requests that were never sent to their end        */
    unsigned         voids;        /* (owner only)                                      */
};

/* A flush that was answered: writes in these ranges, one a client, must be gone. */
struct flush {
    uint64_t (*dead)[2];
};

struct ticket {
    pthread_mutex_t lock;
    uint64_t        seen[SEEN]; /* numbers given out, by their low bits              */
};

/* A raced key's value is version v of a chain; a cas that wins makes v + 1 of v. */
struct raced {
    pthread_mutex_t lock;
    struct {
        uint64_t chain, version;
    } won[SEEN]; /* versions that a cas has replaced                      */
    struct {
        uint64_t id, chain, version;
    } ids[SEEN]; /* which value an id was seen with                       */
};

struct world {
    struct options     opt;
    struct ssl_ctx_st *tls; /* with a tls_port                                 */
    uint64_t           run; /* makes names and bytes of this run its own         */
    uint64_t           start_ms;
    uint64_t           ends_ms; /* of the load, at the earliest                    */
    unsigned           nowned, nshared, ntiny;
    struct owned      *owned;
    struct counter    *counters;
    struct mark       *marks;
    struct client     *clients;
    struct ticket     *tickets;
    struct raced      *raced;
    struct flush      *flushes;
    _Atomic unsigned   nflushes; /* how many are published                          */
    _Atomic uint64_t   ticket_serial;
    _Atomic uint64_t   operations;
    _Atomic unsigned   violations;
    _Atomic bool       stop;
    bool               sweeping; /* constant while threads run                      */
    pthread_mutex_t    print_lock;
};

/* ---- requests and clients -------------------------------------------------------------- */

enum op {
    OP_GET,
    OP_GETS,
    OP_GAT,
    OP_GATS,
    OP_SET,
    OP_ADD,
    OP_REPLACE,
    OP_APPEND,
    OP_PREPEND,
    OP_CAS,
    OP_BAD_CHUNK,
    OP_DELETE,
    OP_INCR,
    OP_DECR,
    OP_TOUCH,
    OP_FLUSH,
    OP_VERSION,
    OP_MN,
    OP_STATS,
    OP_UNKNOWN,
    OP_QUIT
};

enum outcome {
    OUT_SILENT,
    OUT_STORED,
    OUT_NOT_STORED,
    OUT_EXISTS,
    OUT_NOT_FOUND,
    OUT_DELETED,
    OUT_TOUCHED,
    OUT_OK,
    OUT_NUMBER,
    OUT_VERSION,
    OUT_MN,
    OUT_ERROR,
    OUT_BAD_CHUNK,
    OUT_NO_MEMORY,
    OUT_NO_MEMORY_READING,
    OUT_NO_MEMORY_COUNTING,
    OUT_TOO_LARGE,
    OUT_UNKNOWN
};

#define CAN(outcome) (1u << (outcome))

/* The word of an operation, and the replies that are ever right. */
struct verb {
    const char *word;
    unsigned    replies;
};

extern const struct verb verbs[]; /* in the order of enum op                       */

/* What a line of one reply means. */
struct answer {
    const char  *line;
    enum outcome outcome;
};

extern const struct answer answers[];
extern const size_t        answers_count;

/* A request that was made and is not answered yet. */
struct request {
    enum op    op;
    bool       noreply;
    bool       kill;     /* touch and gat: with a TTL that ends the item             */
    bool       fresh;    /* asks for what the request before it stored               */
    struct key key;      /* of anything but retrievals                               */
    uint64_t   sequence; /* 0: none                                                  */
    uint64_t   number;   /* incr, decr: the delta; counters: the value; owned: TTL    */
    uint64_t   chain, version; /* raced keys: the value that cas wants to replace    */
    size_t     length;   /* of the value                                             */
    unsigned   keys;     /* retrievals: how many `struct wanted` are its own         */
    unsigned   answered; /* of these                                                 */
    uint64_t   end;      /* all bytes sent on this connection when its last one is   */
    uint64_t   made_ms;
};

struct wanted {
    struct key key;
    unsigned   flushes; /* published when it was asked for                           */
    uint64_t   floor;
};

struct done {
    enum op      op;
    enum outcome outcome;
    bool         noreply;
    struct key   key;
    uint64_t     sequence;
};

struct buffer {
    char  *data;
    size_t at, end, capacity; /* unread bytes are [at, end)                        */
};

/* The last CAS id a client saw on a raced key. */
struct memo {
    bool     known, add;
    uint64_t id, chain, version;
};

enum ending { GOES_ON, QUITS, SHUTS, STOPS_HALFWAY };

/* All uint64_t, so that they can be summed as an array. */
struct counts {
    uint64_t requests, values, bytes, hits, asked, stored, refused, connections, aborts;
    uint64_t cas_won, cas_lost, increments, fresh, fresh_missed, flushes, unanswered;
};

/* One client: a connection at a time, and keys of its own. Its thread's alone. */
struct client {
    struct world  *world;
    unsigned       number;
    struct dice    dice;
    int            fd;    /* -1: not connected */
    struct ssl_st *tls;   /* NULL: without, or not connected                     */
    size_t         stuck; /* bytes that TLS wants to be given again            */
    struct buffer  in, out;
    uint64_t       sent; /* bytes, on this connection                          */
    struct request requests[REQUESTS];
    struct wanted  wanted[WANTED];
    uint64_t       first, next;               /* requests pending                  */
    uint64_t       first_wanted, next_wanted; /*                                   */
    struct done    done[DONE];
    uint64_t       ndone;
    uint64_t       sequence; /* the last one given                                 */
    struct memo    memos[RACED];
    bool           ticket_missing[TICKETS];
    enum ending    ending;
    unsigned       bursts; /* left on this connection                              */
    unsigned       depth;  /* requests that may be pending when more are made      */
    unsigned       small_cuts, slow_reads; /* left in this burst                   */
    uint64_t       pause_ms;               /* nothing is sent or made before       */
    uint64_t       read_ms;                /* nothing is read before               */
    uint64_t       progress_ms;            /* when something last came or went     */
    uint64_t       flush_ms;               /* when to flush next (client 0)        */
    uint64_t       sweep;                  /* keys read in the last phase          */
    bool           broken;                 /* its replies cannot be trusted        */
    bool           finished;
    struct counts  counts;
};

static inline struct request *
client_request(struct client *c, uint64_t n)
{
    return &c->requests[n % REQUESTS];
}

static inline struct wanted *
client_wanted(struct client *c, uint64_t n)
{
    return &c->wanted[n % WANTED];
}

static inline bool
client_pending(const struct client *c)
{
    return c->first != c->next;
}

static inline unsigned
owner_of(const struct world *w, struct key key)
{
    return key.kind == KEY_COUNTER ? key.index / COUNTERS : key.index % w->opt.clients;
}

/* Owned keys whose every value has a short TTL, and is never touched. */
static inline bool
key_expires(const struct world *w, struct key key)
{
    return key.kind == KEY_OWNED && key.index / w->opt.clients % 8 == 7;
}

static inline bool
op_joins(enum op op)
{
    return op == OP_APPEND || op == OP_PREPEND;
}

/* Writes the key's name and returns its length. Most are short; some have up to 250 bytes,
 * some bytes above 127. */
size_t key_name(const struct world *w, struct key key, char name[KEY_BYTES]);

/* The name of the moment. To be called after all other facts about the key were loaded. */
struct key key_current(struct world *w, enum kind kind, uint32_t index);

/* calloc that ends the program where there is no memory. */
void *allocate(size_t count, size_t size);

struct world *world_create(const struct options *opt);

/* All clients, not connected yet. To be called once. */
void world_prepare_clients(struct world *w);

/* What the clients did so far, summed. No thread may run. */
struct counts world_counts(const struct world *w);

void world_destroy(struct world **world);

/* Reports that a client was told what is wrong, and gives its connection up. `r`, `key` and
 * `seen`, the bytes that came, may be NULL. */
__attribute__((format(printf, 6, 7))) void
complain(struct client *c, const struct request *r, const struct key *key,
         const char *seen, size_t length, const char *format, ...);

/* Reports a violation that is no single client's, unless `ok`. */
__attribute__((format(printf, 3, 4))) void world_expect(struct world *w, bool ok,
                                                        const char *format, ...);

#endif
