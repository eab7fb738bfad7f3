/* t/fuzz/parse.h - what holds for a parser, whatever bytes it is given. */
#ifndef LARDER_T_FUZZ_PARSE_H
#define LARDER_T_FUZZ_PARSE_H

#include "protocol/session.h"
#include "slabs/span.h"

/*
 * Parse the input as a session would, request by request, and abort unless
 *   - parsing is pure: the same bytes give the same request a second time,
 *   - a request is no longer than the input, and each one brings the dialogue on,
 *   - its spans lie in the input, or where a key is decoded to,
 *   - with less of the input there is no request yet, or the same one.
 */
void parse_check(struct span input, enum session_protocol protocol);

#endif
