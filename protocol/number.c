/* protocol/number.c - reading decimal numbers. */
#include "protocol/number.h"

#include "slabs/decimal.h"

/* The number with this digit after it; false where it is none, or does not fit. */
static inline bool
add_digit(char c, uint64_t *number)
{
    unsigned digit = (unsigned)(unsigned char)c - '0';

    return digit <= 9 && !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, digit, number);
}

/* Digits to the end of the span. */
static bool
digits(struct span text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!add_digit(text.at[i], number))
            return false;
    }
    return true;
}

static struct span
skip(struct span text, size_t n)
{
    return (struct span){ text.at + n, text.length - n };
}

bool
number_strict_u64(struct span text, uint64_t *number)
{
    return text.length >= 1 && text.length <= 22 && digits(text, number);
}

bool
number_strict_u32(struct span text, uint32_t *number)
{
    uint64_t wide;

    if (text.length < 1 || text.length > 11 || !digits(text, &wide) || wide > UINT32_MAX)
        return false;
    *number = (uint32_t)wide;
    return true;
}

bool
number_strict_i32(struct span text, int32_t *number)
{
    bool     minus = text.length >= 1 && text.at[0] == '-';
    uint64_t wide;

    if (text.length < 1 || text.length > 11 || !digits(skip(text, minus), &wide) ||
        wide > (uint64_t)INT32_MAX + minus)
        return false;
    *number = (int32_t)(minus ? -(int64_t)wide : (int64_t)wide);
    return true;
}

/* The sign and the digits between leading white space and what ends a number; false
 * where there are none or something else follows. */
static bool
lenient(struct span text, bool *minus, uint64_t *number)
{
    size_t at = 0, first;

    while (at < text.length && decimal_is_space(text.at[at]))
        at++;
    *minus = at < text.length && text.at[at] == '-';
    if (*minus || (at < text.length && text.at[at] == '+'))
        at++;
    first = at;
    *number = 0;
    while (at < text.length && add_digit(text.at[at], number))
        at++;
    return at > first &&
           (at == text.length || decimal_is_space(text.at[at]) || text.at[at] == '\0');
}

bool
number_lenient_flags(struct span text, uint32_t *number)
{
    uint64_t wide;
    bool     minus;

    if (!lenient(text, &minus, &wide))
        return false;
    if (minus)
        wide = -wide;
    /* -N is refused where it looks negative; C's strtoul wraps the rest round. */
    if (minus && (int64_t)wide < 0)
        return false;
    *number = (uint32_t)wide;
    return true;
}

bool
number_lenient_expiry(struct span text, int32_t *number)
{
    uint64_t wide;
    bool     minus;

    if (!lenient(text, &minus, &wide) || wide > (uint64_t)INT64_MAX + minus)
        return false;
    *number = (int32_t)(uint32_t)(minus ? -wide : wide);
    return true;
}
