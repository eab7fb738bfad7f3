/* t/fuzz/codec.h - all that holds for a codec: see parse.h and compare.h. */
#ifndef LARDER_T_FUZZ_CODEC_H
#define LARDER_T_FUZZ_CODEC_H

#include "t/fuzz/parse.h"

/* The parser is tried by itself; a quarter of the inputs goes to its other kind. Half of the inputs then go through a session with a cache
 * behind it: as a whole, and either cut in two or byte by byte. */
void codec_check(struct span input, enum parse_kind kind, enum parse_kind rarely);

#endif
