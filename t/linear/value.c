/* t/linear/value.c - hashes of values, and the numbers in them. */
#include "t/linear/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Odd, so that no byte's contribution ever vanishes. */
#define BASE UINT64_C(0x9e3779b97f4a7c15)

enum { DIGITS_MAX = 20 };

static uint64_t
hash_on(uint64_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = hash * BASE + (unsigned char)bytes[i] + 1;
    return hash;
}

static uint64_t
base_to_the(uint32_t exponent)
{
    uint64_t power = 1, square = BASE;

    for (; exponent > 0; exponent >>= 1, square *= square) {
        if (exponent & 1)
            power *= square;
    }
    return power;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Finds out what incr would read. */
static void
look_for_number(struct value *v, const char *bytes, size_t length)
{
    uint64_t number = 0;
    size_t   at = 0;

    for (; at < length && is_digit(bytes[at]); at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(bytes[at] - '0'), &number))
            return;
    }
    if (at == 0 || at > UINT16_MAX || (at < length && bytes[at] != ' '))
        return;
    v->kind = at == length ? VALUE_NUMBER : VALUE_NUMBER_AND;
    v->digits = (uint16_t)at;
    v->number = number;
}

struct value
value_of(const char *bytes, size_t length)
{
    struct value v = { .hash = hash_on(0, bytes, length), .length = (uint32_t)length };

    memcpy(v.head, bytes, length < VALUE_HEAD ? length : VALUE_HEAD);
    look_for_number(&v, bytes, length);
    return v;
}

/* Digits after digits are one number, if it is not too large. */
static void
join_numbers(struct value *joined, const struct value *first, const struct value *second)
{
    uint64_t number = first->number;

    for (unsigned i = 0; i < second->digits; i++) {
        if (__builtin_mul_overflow(number, 10, &number))
            return;
    }
    if (__builtin_add_overflow(number, second->number, &number))
        return;
    joined->number = number;
    joined->kind = second->kind;
    joined->digits = (uint16_t)(first->digits + second->digits);
}

static void
join_kinds(struct value *joined, const struct value *first, const struct value *second)
{
    bool space = second->head[0] == ' ';

    if (first->kind == VALUE_TEXT)
        return;
    if (first->kind == VALUE_NUMBER && !space) {
        if (second->kind != VALUE_TEXT)
            join_numbers(joined, first, second);
        return;
    }
    joined->kind = VALUE_NUMBER_AND;
    joined->number = first->number;
    joined->digits = first->digits;
}

struct value
value_join(const struct value *first, const struct value *second)
{
    struct value joined = {
        .hash = first->hash * base_to_the(second->length) + second->hash,
        .length = first->length + second->length,
    };

    if (first->length == 0)
        return *second;
    if (second->length == 0)
        return *first;
    memcpy(joined.head, first->head, VALUE_HEAD);
    if (first->length < VALUE_HEAD)
        memcpy(joined.head + first->length, second->head, VALUE_HEAD - first->length);
    join_kinds(&joined, first, second);
    return joined;
}

struct value
value_count(uint64_t number, uint32_t length)
{
    char         digits[DIGITS_MAX + 1];
    int          written = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    struct value v = value_of(digits, (size_t)written);

    for (; v.length < length; v.length++) {
        if (v.length < VALUE_HEAD)
            v.head[v.length] = ' ';
        v.hash = hash_on(v.hash, " ", 1);
        v.kind = VALUE_NUMBER_AND;
    }
    return v;
}
