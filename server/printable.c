/* server/printable.c - UTF-8 that may be shown. See printable.h. */
#include "server/printable.h"

size_t
printable_length(struct span text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    unsigned             low = 0x80, high = 0xbf;
    size_t               length;

    if (at[0] >= ' ' && at[0] < 0x7f)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (at[0] == 0xc2 || at[0] == 0xe0)
        low = 0xa0; /* after C2 control characters, after E0 what is too long */
    if (at[0] == 0xf0)
        low = 0x90;
    if (at[0] == 0xed)
        high = 0x9f;
    if (at[0] == 0xf4)
        high = 0x8f;
    if (length > text.length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    }
    return length;
}
