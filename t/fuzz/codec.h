/* t/fuzz/codec.h - all that holds for a codec: see parse.h and compare.h. */
#ifndef LARDER_T_FUZZ_CODEC_H
#define LARDER_T_FUZZ_CODEC_H

#include "protocol/session.h"

/* The parser is tried by itself. Half of the inputs then go through a session with a cache
 * behind it: as a whole, and either cut in two or byte by byte. */
void codec_check(struct span input, enum session_protocol protocol);

#endif
