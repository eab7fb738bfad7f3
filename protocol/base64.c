/* protocol/base64.c - see base64.h. */
#include "protocol/base64.h"

#include <stdint.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode(char *to, struct span bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.at;

    for (size_t left = bytes.length; left > 0; at += 3) {
        uint32_t group = (uint32_t)at[0] << 16;

        group |= left > 1 ? (uint32_t)at[1] << 8 : 0;
        group |= left > 2 ? (uint32_t)at[2] : 0;
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[group & 63] : '=';
        left = left > 3 ? left - 3 : 0;
    }
    return to;
}

/* 0..63, or -1 for what is not in the alphabet. */
static int
digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

bool
base64_decode(struct span text, char *to, size_t room, size_t *length)
{
    uint32_t group = 0;
    unsigned digits = 0, padding = 0;
    size_t   all = 0;

    for (size_t i = 0; i < text.length; i++)
        all += digit_of(text.at[i]) >= 0 || text.at[i] == '=';
    *length = 0;
    if (all == 0 || all % 4 != 0)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        int digit = digit_of(text.at[i]);

        if (digit < 0 && text.at[i] != '=')
            continue;
        padding += digit < 0;
        group = group << 6 | (digit > 0 ? (uint32_t)digit : 0);
        if (++digits < 4)
            continue;
        if (padding > 2 || room - *length < 3 - padding)
            return false;
        for (unsigned byte = 0; byte < 3 - padding; byte++)
            to[(*length)++] = (char)(group >> (16 - 8 * byte));
        if (padding > 0)
            break;
        digits = 0;
        group = 0;
    }
    return true;
}
