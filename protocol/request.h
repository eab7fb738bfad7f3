/* protocol/request.h - what a client asks, whatever it speaks.
 *
 * A codec turns bytes into requests; exec.c runs them; the codec turns what came of it
 * into bytes again. A multi-get is as many requests as it has keys, so a line of any
 * length is handled in constant memory. Spans point into the input buffer.
 */
#ifndef LARDER_PROTOCOL_REQUEST_H
#define LARDER_PROTOCOL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "slabs/cache.h"
#include "slabs/span.h"

enum operation {
    OP_SAY, /* nothing is to be done: answer with `text` */
    OP_GET,
    OP_STORE,
    OP_DELETE,
    OP_ARITHMETIC,
    OP_TOUCH,
    OP_FLUSH,
    OP_NOOP,
    OP_VERSION,
    OP_VERBOSITY,
    OP_STATS,
    OP_DUMP,
    OP_ORDER,
    OP_WATCH, /* what `delta` says, enum watch_kind */
    OP_LOGIN, /* as `text`, with the password `value` */
    OP_MECHANISMS,
    OP_DEBUG_TIME,
    OP_QUIT,
    OP_COUNT
};

enum parse_status {
    PARSE_OK,   /* one request; request->length bytes are its own             */
    PARSE_MORE, /* not a whole request yet; nothing is consumed               */
    PARSE_BAD,  /* not to be borne: the connection is to be closed, silently  */
};

/* Which codec answers. */
enum codec { CODEC_TEXT, CODEC_META, CODEC_BINARY };

enum stats_kind {
    STATS_GENERAL,
    STATS_SETTINGS,
    STATS_ITEMS,
    STATS_SLABS,
    STATS_SIZES,
    STATS_CONNS,
    STATS_EXTSTORE, /* there is none: nothing to show */
    STATS_PREFIXES, /* one text, see host.prefixes    */
    STATS_PREFIXES_ON,
    STATS_PREFIXES_OFF,
    STATS_RESET,
};

/* How the items of a dump are listed. */
enum dump_kind { DUMP_META, DUMP_KEYS, DUMP_CACHE };

/* What an administrator tells the server to do; numbers are in delta and initial. */
enum order {
    ORDER_MEMORY_LIMIT,        /* MiB: delta                                     */
    ORDER_SLABS_REASSIGN,      /* a page of class delta (-1: any) for `initial`  */
    ORDER_AUTOMOVE,            /* 0 not, 1 when it pays, 2 at every eviction: delta */
    ORDER_AUTOMOVE_RATIO,      /* text                                          */
    ORDER_AUTOMOVE_FREE_RATIO, /* text                                          */
    ORDER_AUTOMOVE_WINDOW,     /* seconds: delta                                */
    ORDER_CRAWLER_ENABLE,
    ORDER_CRAWLER_DISABLE,
    ORDER_CRAWLER_SLEEP, /* microseconds between steps: delta              */
    ORDER_CRAWLER_MOST,  /* items a class, 0 all: delta                    */
    ORDER_CRAWLER_CRAWL, /* the classes named in text                      */
    ORDER_LRU_TUNE,      /* shares and factors: text                       */
    ORDER_LRU_MODE,      /* delta: 1 segmented, 0 flat                     */
    ORDER_LRU_TEMPORARY, /* TTL up to which items are: delta, signed       */
    ORDER_SHUTDOWN,      /* delta: 1 gracefully                            */
    ORDER_RELOAD_CERTIFICATES,
};

/* What an OP_LOGIN brings. */
enum login_kind {
    LOGIN_TRY,
    LOGIN_BEGIN,    /* SASL: nothing yet, but it asks to go on */
    LOGIN_STEP,     /* ... and this is what follows            */
    LOGIN_HOPELESS, /* nothing that could be right             */
};

enum request_flag {
    REQUEST_SILENT = 1 << 0,     /* text: noreply, say nothing, errors included       */
    REQUEST_QUIET = 1 << 1,      /* meta, binary: say nothing where all went as usual */
    REQUEST_WITH_CAS = 1 << 2,   /* text: show CAS ids                                */
    REQUEST_WITH_KEY = 1 << 3,   /* binary: show the key                              */
    REQUEST_WITH_VALUE = 1 << 4, /* meta: show the value                              */
    REQUEST_LAST_KEY = 1 << 5,   /* text: the last key of its line                    */
    REQUEST_DESCRIBE = 1 << 6,   /* meta: me, show all that is known of an item       */
    /* How it is to be done: see the structs of slabs/cache.h. */
    REQUEST_SUBTRACT = 1 << 7,
    REQUEST_TOUCH = 1 << 8,   /* give the item `expiry`                            */
    REQUEST_COMPARE = 1 << 9, /* `cas` must be the item's id                       */
    REQUEST_CREATE = 1 << 10, /* where nothing is, with create_expiry              */
    REQUEST_UNNOTICED = 1 << 11,
    REQUEST_REFRESH = 1 << 12, /* refresh_expiry is given                           */
    REQUEST_INVALIDATE = 1 << 13,
    REQUEST_EMPTY = 1 << 14,
    REQUEST_BINARY_KEY = 1 << 15,  /* the key came in base64                            */
    REQUEST_NAME_CAS = 1 << 24,    /* new_cas is given, be it 0                         */
    REQUEST_TOUCH_FIRST = 1 << 25, /* the expiry stood before that of REQUEST_REFRESH  */
    REQUEST_TOUCH_LAST = 1 << 26,  /* ... behind that of REQUEST_CREATE                */
    REQUEST_BAD_OPAQUE = 1 << 27,  /* meta: found when it is answered                  */
    REQUEST_OR_NOTHING = 1 << 23,  /* OP_STORE: without room for it, the old value goes */
    REQUEST_OPEN = 1 << 28,        /* to be answered before login, see login.h          */
    /* What becomes of the input. */
    REQUEST_BAD_CHUNK = 1 << 16, /* OP_STORE: the value does not end as it should     */
    REQUEST_ARRIVING = 1 << 17,  /* OP_STORE: the value is not here as a whole yet    */
    REQUEST_SWALLOW = 1 << 18,   /* value_length + tail bytes that follow are skipped */
    REQUEST_RETRACT = 1 << 19,   /* take back what this line has said so far          */
    REQUEST_SKIP_LINE = 1 << 20, /* skip input to the end of the line                 */
    REQUEST_CLOSE = 1 << 21,     /* close when it is answered                         */
    REQUEST_DROP = 1 << 22,      /* close at once; what is unsent is lost             */
};

enum { VALUE_TAIL = 2 }; /* CR LF after a value, where the protocol has it */

struct request {
    uint8_t          operation; /* enum operation                                      */
    uint8_t          mode;      /* cache_store_mode, order, or a kind of its operation */
    uint8_t          codec;     /* enum codec                                          */
    uint8_t          opcode;    /* binary: to be echoed                                */
    uint32_t         flags;     /* enum request_flag                                   */
    uint32_t         length;    /* of its input; what follows belongs to the next      */
    uint32_t         opaque;    /* binary: to be echoed                                */
    uint32_t         client_flags;
    int64_t          refresh_expiry;
    int64_t          expiry; /* as the protocols mean it; OP_VERBOSITY: the level      */
    int64_t          create_expiry;
    struct cache_key key;
    uint64_t         cas;
    uint64_t         new_cas; /* the item's id from now on, 0: any                     */
    uint64_t         delta;
    uint64_t         initial;
    size_t           value_length;
    size_t           tail;  /* bytes after the value                                   */
    struct span      value; /* OP_STORE, unless it is arriving                         */
    struct span text; /* OP_SAY: the answer; OP_STATS...: the argument; meta: flags */
};

/* An id that was given makes a store one of CACHE_CAS, but for what joins values: that
 * compares besides, and takes an id of 0 for none. */
static inline void
request_set_mode(struct request *request, enum cache_store_mode mode)
{
    request->mode = mode;
    if (cache_store_joins(mode) && request->cas == 0)
        request->flags &= ~(uint32_t)REQUEST_COMPARE;
    else if (request->flags & REQUEST_COMPARE && !cache_store_joins(mode))
        request->mode = CACHE_CAS;
}

/* What came of a request. */
struct result {
    enum cache_status    status;
    bool                 refused; /* OP_FLUSH, OP_LOGIN: no; OP_DEBUG_TIME: unknown */
    struct span          text;    /* OP_ORDER: the answer                          */
    struct cache_result  cache;
    struct cache_reading reading; /* OP_GET..: with CACHE_OK, to be ended by the codec */
};

/* Clear one of them, for each key anew: in pieces, for gcc 12 goes word by word through what is
 * longer than 80 bytes. sizeof() of it is a constant. */
static inline void
request_clear_bytes(void *at, size_t bytes)
{
#pragma GCC unroll 4
    for (size_t from = 0; from < bytes; from += 64)
        memset((char *)at + from, 0, bytes - from < 64 ? bytes - from : 64);
}

#endif
