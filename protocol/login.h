/* protocol/login.h - what a client may do before it has logged in: next to nothing.
 *
 * Where the host asks for a login, a session answers nothing but this until a password was
 * right. Of text it reads one form only, which looks like a store:
 *
 *    set <any> <any> <any> <n>[ <any>...] CR LF  <user> SP <password> CR LF
 *
 * and of the binary protocol the opcodes of SASL and the version. login_may_run() is the
 * gate: session.c asks it of every request, and what it does not name is refused.
 *
 * Whoever has not logged in yet may be anybody, so everything is short: the line, the
 * password, what waits to be sent, and how often he may be wrong.
 */
#ifndef LARDER_PROTOCOL_LOGIN_H
#define LARDER_PROTOCOL_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/counters.h"
#include "protocol/host.h"
#include "protocol/request.h"

enum {
    LOGIN_LINE_MAX = 2048,    /* bytes of a line, up to its LF                       */
    LOGIN_TOKEN_MAX = 4096,   /* bytes of user and password; longer ones are no use  */
    LOGIN_TOKEN_TOLD = 16384, /* with more than that memcached says why it refuses   */
    LOGIN_REPLY_MAX = 1024,   /* with so much to be sent no more is answered         */
    LOGIN_REFUSALS_MAX = 10,  /* after so many the connection is closed              */
    LOGIN_MECHANISM_MAX = 32, /* bytes of a mechanism's name                         */
};

/* A session's part of it; all zero at the start. */
struct login {
    bool    done : 1;   /* a password was right: the gate is open             */
    bool    begun : 1;  /* SASL: the password is to come with the next step   */
    bool    secret : 1; /* the input of this run may hold a password          */
    uint8_t refusals;   /* since the start, or since a password was right     */
};

/* Text before login; the same contract as text_parse(). PARSE_BAD: a line or a token is
 * too short or too long to be borne. */
enum parse_status login_parse(struct span input, struct request *request);

/* A PLAIN message of SASL (RFC 4616): [name] NUL user NUL password. False if it is none,
 * or if it asks to act for somebody else. */
bool login_read_plain(struct span message, struct span *user, struct span *password);

/* The gate: may this request be run, though nobody has logged in? */
bool login_may_run(const struct request *request);
/* Make of a text request that it is refused. */
void login_deny(struct request *request);

/* Run an OP_LOGIN; `refused` tells how it went. Whoever was logged in before no longer
 * is if it went wrong. */
void login_run(struct login *login, const struct host *host,
               struct command_counters *counters, const struct request *request,
               struct result *result);

/* A request was answered and the gate is still shut. True if that was once too often. */
bool login_note_refusal(struct login *login, const struct request *request,
                        const struct result *result);

#endif
