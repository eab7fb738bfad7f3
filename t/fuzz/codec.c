/* t/fuzz/codec.c - see codec.h. */
#include "t/fuzz/codec.h"

#include "t/fuzz/compare.h"
#include "t/fuzz/fuzz.h"
#include "t/fuzz/parse.h"

enum {
    BYTEWISE_MAX = 256, /* longer inputs take too long */
};

/* What an input is tried with besides the parser; chance decides, to save time. */
enum way { WAY_BYTEWISE, WAY_HALVES, WAY_HALVES_TOO, WAY_NONE, WAYS = 6 };

static void
run(struct span input, struct schedule schedule, unsigned terms)
{
    static struct compare compare; /* large */

    compare_begin(&compare, schedule, terms);
    compare_send(&compare, 0, input);
    compare_rest(&compare, 0);
    compare_end(&compare);
}

void
codec_check(struct span input, enum parse_kind kind, enum parse_kind rarely)
{
    struct dice     dice = dice_of(input);
    uint64_t        way = dice_roll(&dice, WAYS);
    uint8_t         one[] = { 1 }, two[] = { (uint8_t)dice_roll(&dice, 192), 255 };
    struct schedule bytewise = { .bytes = one, .count = 1, .turn = 1 };
    unsigned        terms = TERMS_WATCHED | TERMS_DUMPS;
    struct schedule halves = { .bytes = two, .count = 2 };

    if (dice_roll(&dice, 4) == 0)
        kind = rarely;
    if (kind == PARSE_LOGIN || kind == PARSE_SASL)
        terms |= TERMS_LOGIN;
    parse_check(input, kind);
    if (way == WAY_BYTEWISE && input.length <= BYTEWISE_MAX)
        run(input, bytewise, terms);
    else if (way < WAY_NONE)
        run(input, halves, terms);
}
