/* t/fuzz/parse.h - what holds for a parser, whatever bytes it is given. */
#ifndef LARDER_T_FUZZ_PARSE_H
#define LARDER_T_FUZZ_PARSE_H

#include "slabs/span.h"

/* Which parser. */
enum parse_kind {
    PARSE_TEXT,  /* and meta                                    */
    PARSE_LOGIN, /* text, before a login                       */
    PARSE_BINARY,
    PARSE_SASL, /* binary, where there are opcodes to log in   */
};

/*
 * Parse the input as a session would, request by request, and abort unless
 *   - parsing is pure: the same bytes give the same request a second time,
 *   - a request is no longer than the input, and each one brings the dialogue on,
 *   - its spans lie in the input, or where a key is decoded to,
 *   - with less of the input there is no request yet, or the same one.
 */
void parse_check(struct span input, enum parse_kind kind);

#endif
