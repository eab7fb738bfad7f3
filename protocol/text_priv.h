/* protocol/text_priv.h - what the classic and the meta commands share: lines.
 *
 * Both are lines of tokens, and both stand in text.c's one table of commands.
 */
#ifndef LARDER_PROTOCOL_TEXT_PRIV_H
#define LARDER_PROTOCOL_TEXT_PRIV_H

#include <stdbool.h>

#include "protocol/request.h"
#include "slabs/span.h"

enum {
    TOKENS_MAX = 23,                /* further ones do not exist for a command        */
    TEXT_VALUE_MAX = INT32_MAX - 2, /* bytes that a storage command may declare       */
};

/* A line without its end, split into tokens. */
struct line {
    unsigned    count;
    struct span token[TOKENS_MAX];
    bool        silent;   /* the last token is noreply                        */
    bool        indented; /* spaces lead                                      */
    struct span rest;     /* input after the line: where a value would be     */
    char       *key_room; /* TEXT_KEY_ROOM bytes for a decoded key            */
};

struct command {
    struct span name;
    void (*parse)(const struct command *command, const struct line *line,
                  struct request *request);
    uint8_t  operation;
    uint8_t  mode;   /* OP_STORE                                                      */
    uint32_t flags;  /* enum request_flag that the command implies                    */
    uint8_t  arity;  /* tokens that it needs, its name included; fewer: bad format    */
    bool indentable; /* spaces may lead                                               */
};

#define TEXT_ERROR SPAN("ERROR\r\n")
#define TEXT_NO_MEMORY SPAN("SERVER_ERROR out of memory\r\n")
#define TEXT_BAD_FORMAT_LINE "CLIENT_ERROR bad command line format\r\n"
#define TEXT_BAD_FORMAT SPAN(TEXT_BAD_FORMAT_LINE)

/* Answer with this text and do nothing. */
static inline void
text_say(struct request *request, struct span text)
{
    request->operation = OP_SAY;
    request->text = text;
}

/* Sub-command words may be shortened to any prefix. */
bool text_abbreviates(struct span token, struct span word);

/* What both say of a write that went wrong; length 0: it did not, or an item decided it. */
struct span text_failure(const struct request *request, const struct result *result);

/* The value of value_length bytes behind the line: here, or still arriving; or to be skipped
 * where the request already is what is wrong with it. */
void text_take_value(const struct line *line, struct request *request);

#endif
