/* protocol/session.h - one client's dialogue: bytes in, bytes out, no sockets.
 *
 * Whoever owns the connection reads bytes, calls session_run(), sends what the reply
 * holds, and calls again with the bytes that were not used. A session that waits for its
 * client owns no buffers: a few hundred bytes in all.
 *
 * Threads: a session and all it is called with belong to one worker.
 */
#ifndef LARDER_PROTOCOL_SESSION_H
#define LARDER_PROTOCOL_SESSION_H

#include "protocol/exec.h"
#include "protocol/login.h"
#include "protocol/reply.h"
#include "protocol/text.h"

enum { SESSION_BATCH = 64 }; /* requests that are parsed ahead */

enum session_status {
    SESSION_MORE,  /* more input is needed to go on                                   */
    SESSION_FULL,  /* the reply is full: send it and call again                       */
    SESSION_YIELD, /* the budget is used up: let others have their turn               */
    SESSION_CLOSE, /* send the reply, then close                                      */
    SESSION_DROP,  /* close at once                                                   */
    SESSION_WATCH, /* from now on the client watches: session_watches()               */
};

/* What a connection speaks. */
enum session_protocol {
    SESSION_AUTO, /* the first byte tells */
    SESSION_TEXT, /* classic and meta     */
    SESSION_BINARY,
};

/* A store whose value is arriving, with its own copy of what the answer repeats. */
struct arriving {
    struct request      request;
    struct cache_upload upload;
    char                copied[]; /* key and flags */
};

struct dump;

/* What has begun, and has to end before there is another command. */
enum session_task {
    TASK_NONE,
    TASK_ARRIVING, /* a value is stored  */
    TASK_SKIPPING, /* a value, or what is left of one, is not */
    TASK_DUMPING,  /* keys are listed    */
};

struct session {
    struct text_state text;
    uint8_t           protocol; /* enum session_protocol      */
    struct login      login;
    bool              offended;       /* it ends for what the client has sent  */
    bool              over_datagrams; /* set after session_init() by who serves UDP */
    uint8_t           task;           /* enum session_task, of...              */
    uint16_t          watches;        /* enum watch_kind that it has asked for */
    union {
        struct arriving *arriving;
        uint64_t         skip; /* input bytes, more than 0 */
        struct dump     *dump;
    };
};

/* What one worker's sessions share. */
struct session_worker {
    struct executor executor;
    struct request  batch[SESSION_BATCH];
    char            key_room[SESSION_BATCH][TEXT_KEY_ROOM];
};

void session_init(struct session *session, enum session_protocol protocol);
/* Gives up an upload that is under way. */
void session_fini(struct session *session, struct session_worker *worker);

/*
 * Go on with the dialogue. *used is how much of the input is done with; *budget is
 * lowered by each request. The reply need not be empty.
 */
enum session_status session_run(struct session *session, struct session_worker *worker,
                                struct span input, size_t *used, struct reply *reply,
                                unsigned *budget);

/* Where the next bytes from the client may be written to directly, ahead of any other
 * input; *room is 0 when no value is arriving, or there is no memory for more of it. Then
 * session_upload_fill(). */
char *session_upload_room(struct session *session, struct session_worker *worker,
                          size_t *room);
void  session_upload_fill(struct session *session, size_t bytes);

/* After SESSION_WATCH: what the client wants to watch, or that it is not to be, for there
 * are too many or it failed. */
uint32_t session_watches(const struct session *session);
void session_refuse_watch(struct session *session, bool too_many, struct reply *reply);

/* Say, in an empty reply, that what `request` was answered with is too much to be sent. */
void session_say_too_much(const struct session *session, struct span request,
                          struct reply *reply);

/* True while it goes on without input. */
bool session_has_more_to_say(const struct session *session);

/* True while a value arrives, to be stored or to be skipped; and how much of it is to come. */
bool     session_is_receiving(const struct session *session);
uint64_t session_to_come(const struct session *session);

/* True between two requests: nothing has begun that has not ended. */
bool session_is_idle(const struct session *session);

#endif
