/* t/fuzz/fuzz_meta.c - the meta commands: any bytes, as what a client sends. */
#include "t/fuzz/codec.h"
#include "t/fuzz/compare.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    codec_check((struct span){ (const char *)data, size }, PARSE_TEXT, PARSE_TEXT);
    return 0;
}

void
fuzz_end(void)
{
    compare_check();
}
