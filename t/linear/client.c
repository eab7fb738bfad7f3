/* t/linear/client.c - random commands.
 *
 * Most go to a few hot keys, which change from round to round, so that they overlap; the
 * rest go to all keys, which so have time to expire and to be evicted. Even keys are mostly
 * numbers, odd ones mostly texts. Values are unique, but for small numbers.
 */
#include "t/linear/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/linear/memory.h"

enum {
    TAG_BYTES = 40, /* at the most, before the letters of a text */
    HOT_PERCENT = 85,
    HOT_STEP = 4,  /* so many hot keys are others in the next round             */
    SLOW_EACH = 4, /* one in so many clients makes the server wait: it holds what it
                      sends for longer                                           */
    BORDER_PERMILLE = 15, /* of the texts                                        */
    BORDERS = 4,          /* the first so many multiples                         */
    BORDER_BEFORE = 240,  /* bytes: what an item and its pieces have besides     */
    BORDER_BEHIND = 40,
};

bool
client_start(struct client *c, const struct options *opt, struct key *keys,
             unsigned number)
{
    *c = (struct client){ .opt = opt, .keys = keys, .number = number };
    c->dice.state = mix(opt->seed * 1000 + number);
    c->data = memory_resize(NULL, opt->value_max + TAG_BYTES + BORDER_BEHIND, 1);
    return wire_open(&c->wire, opt, number % SLOW_EACH == 0);
}

void
client_stop(struct client *c)
{
    wire_close(&c->wire);
    free(c->data);
}

static bool
percent(struct client *c, unsigned n)
{
    return dice_below(&c->dice, 100) < n;
}

/* ---- keys, numbers, values --------------------------------------------------------- */

static uint32_t
choose_key(struct client *c)
{
    uint64_t a = dice_below(&c->dice, c->opt->hot), b = dice_below(&c->dice, c->opt->hot);

    if (!percent(c, HOT_PERCENT))
        return (uint32_t)dice_below(&c->dice, c->opt->keys);
    return (uint32_t)(((uint64_t)c->round * HOT_STEP + (a < b ? a : b)) % c->opt->keys);
}

static int32_t
choose_ttl(struct client *c)
{
    uint64_t roll = dice_below(&c->dice, 100);

    if (roll < 60)
        return 0;
    if (roll < 90)
        return (int32_t)(1 + dice_below(&c->dice, 3));
    return roll < 98 ? 100 : -1;
}

/* Never one that is over at once, so that what is told of the item can be held against it. */
static int32_t
choose_life(struct client *c)
{
    int32_t ttl = choose_ttl(c);

    return ttl < 0 ? 5 : ttl;
}

static uint32_t
choose_flags(struct client *c)
{
    return percent(c, 50) ? 0 : (uint32_t)dice_below(&c->dice, UINT64_C(1) << 31);
}

/* Some near a power of ten, where the length changes, and near 2^64. */
static uint64_t
choose_number(struct client *c)
{
    uint64_t roll = dice_below(&c->dice, 100), power = 10;

    if (roll < 50)
        return dice_below(&c->dice, UINT64_C(1) << 62);
    if (roll < 60)
        return dice_below(&c->dice, 200);
    if (roll < 65)
        return UINT64_MAX - dice_below(&c->dice, 1000);
    for (uint64_t n = dice_below(&c->dice, 18); n > 0; n--)
        power *= 10;
    return power + dice_below(&c->dice, 200) - (power > 100 ? 100 : 0);
}

static uint64_t
choose_delta(struct client *c)
{
    return percent(c, 90) ? dice_below(&c->dice, 100) : choose_number(c);
}

/* The last id that somebody saw; seldom one that nobody saw. */
static uint64_t
choose_id(struct client *c, uint32_t key)
{
    uint64_t id = atomic_load_explicit(&c->keys[key].last_id, memory_order_relaxed);

    if (percent(c, 3))
        id += dice_below(&c->dice, 5) - 2;
    return id > 0 ? id : 1;
}

/* An id that the server has not given out, and that its next one is above: those of a key are
 * thousands apart. It may be below the one that the item has by now. */
static void
choose_new_id(struct client *c, struct op *op)
{
    if (c->opt->old || !percent(c, 5))
        return;
    op->asks |= ASK_CHOOSE;
    op->new_cas = atomic_load_explicit(&c->keys[op->key].last_id, memory_order_relaxed) +
                  1 + dice_below(&c->dice, 3);
}

/* So much that the item, or a piece of its chain, just fits a chunk, or just does not. */
static size_t
choose_border(struct client *c)
{
    uint32_t border = c->opt->border;
    uint64_t most = c->opt->value_max / border;

    return border * (1 + dice_below(&c->dice, most < BORDERS ? most : BORDERS)) -
           BORDER_BEFORE + dice_below(&c->dice, BORDER_BEFORE + BORDER_BEHIND);
}

static size_t
choose_length(struct client *c, bool joins)
{
    uint64_t roll = dice_below(&c->dice, 1000);

    if (c->opt->border != 0 && !joins && roll >= 1000 - BORDER_PERMILLE)
        return choose_border(c);
    if (roll < 700 || (joins && roll < 950))
        return dice_below(&c->dice, 20);
    if (roll < 900)
        return dice_below(&c->dice, 200);
    if (roll < 950 || joins)
        return dice_below(&c->dice, 2000);
    return roll < 996 ? dice_log(&c->dice, 2000, 20000)
                      : dice_log(&c->dice, 20000, c->opt->value_max);
}

static void
put_text(struct client *c, struct op *op, bool joins)
{
    size_t length = choose_length(c, joins);
    int    at = snprintf(c->data, TAG_BYTES, "<%u.%" PRIx64 ">", c->number, c->serial++);

    for (size_t i = 0; i < length; i++)
        c->data[at + (int)i] = (char)('a' + (c->serial + i * i) % 26);
    op->value = value_of(c->data, (size_t)at + length);
}

static void
put_number(struct client *c, struct op *op, uint64_t number)
{
    int length = snprintf(c->data, TAG_BYTES, "%" PRIu64, number);

    op->value = value_of(c->data, (size_t)length);
}

static void
put_value(struct client *c, struct op *op)
{
    bool joins = op->mode == MODE_APPEND || op->mode == MODE_PREPEND;

    if (!percent(c, op->key % 2 == 0 ? 85 : 10))
        put_text(c, op, joins);
    else
        put_number(c, op, joins ? dice_below(&c->dice, 100) : choose_number(c));
}

/* ---- operations -------------------------------------------------------------------- */

/* One of these, more or less at random. */
static uint16_t
some(struct client *c, uint16_t asks)
{
    return asks & (uint16_t)dice_roll(&c->dice);
}

static void
make_get(struct client *c, struct op *op)
{
    op->kind = OP_READ;
    op->asks = ASK_VALUE | ASK_FLAGS | some(c, ASK_CAS);
}

static void
make_gat(struct client *c, struct op *op)
{
    make_get(c, op);
    op->asks |= ASK_TOUCH;
    op->ttl = choose_ttl(c);
}

static void
make_meta_get(struct client *c, struct op *op)
{
    op->kind = OP_READ;
    op->asks = ASK_META | some(c, ASK_VALUE | ASK_FLAGS | ASK_CAS | ASK_TTL);
    op->asks |= percent(c, 5) ? ASK_QUIET : 0;
    switch (dice_below(&c->dice, 8)) {
    case 0:
    case 1:
        op->asks |= ASK_CREATE;
        op->create_ttl = choose_life(c);
        choose_new_id(c, op);
        break;
    case 2:
        op->asks |= ASK_TOUCH;
        op->ttl = choose_ttl(c);
        break;
    case 3:
        op->asks |= ASK_REFRESH;
        op->refresh_ttl = percent(c, 50) ? 2 : 50;
        break;
    case 4:
        if (!c->opt->old)
            op->asks |= ASK_COMPARE | ASK_VALUE;
        op->cas = choose_id(c, op->key);
        break;
    }
}

static void
make_store(struct client *c, struct op *op)
{
    static const enum op_mode modes[] = { MODE_SET,    MODE_SET,    MODE_SET,
                                          MODE_ADD,    MODE_ADD,    MODE_REPLACE,
                                          MODE_APPEND, MODE_PREPEND };

    op->kind = OP_STORE;
    op->mode = (uint8_t)modes[dice_below(&c->dice, 8)];
    op->asks |= percent(c, 5) ? ASK_QUIET : 0;
    op->flags = choose_flags(c);
    op->ttl = op->mode <= MODE_REPLACE ? choose_ttl(c) : 0;
    put_value(c, op);
}

static void
make_cas(struct client *c, struct op *op)
{
    make_store(c, op);
    op->mode = MODE_SET;
    op->asks |= ASK_COMPARE;
    op->cas = choose_id(c, op->key);
}

static void
make_meta_set(struct client *c, struct op *op)
{
    make_store(c, op);
    op->asks |= ASK_META | some(c, ASK_CAS);
    if (op->mode != MODE_ADD && percent(c, 50)) {
        op->asks |= ASK_COMPARE;
        op->cas = choose_id(c, op->key);
    }
    if (op->mode >= MODE_APPEND && !c->opt->old && percent(c, 30)) {
        op->asks |= ASK_CREATE;
        op->create_ttl = choose_life(c);
    }
    if (percent(c, 30))
        op->asks |= ASK_INVALIDATE;
    choose_new_id(c, op);
}

static void
make_delete(struct client *c, struct op *op)
{
    op->kind = OP_DELETE;
    op->asks = percent(c, 5) ? ASK_QUIET : 0;
}

static void
make_meta_delete(struct client *c, struct op *op)
{
    make_delete(c, op);
    op->asks |= ASK_META | some(c, ASK_COMPARE | ASK_INVALIDATE);
    op->cas = choose_id(c, op->key);
    if (!c->opt->old && percent(c, 25)) {
        op->asks |= ASK_EMPTY;
        op->flags = choose_flags(c);
    }
    if (op->asks & (ASK_EMPTY | ASK_INVALIDATE) && percent(c, 50)) {
        op->asks |= ASK_TOUCH;
        op->ttl = choose_ttl(c);
    }
    choose_new_id(c, op);
}

static void
make_count(struct client *c, struct op *op)
{
    op->kind = OP_COUNT;
    op->delta = choose_delta(c);
    op->asks = some(c, ASK_SUBTRACT) | (percent(c, 5) ? ASK_QUIET : 0);
}

static void
make_meta_count(struct client *c, struct op *op)
{
    make_count(c, op);
    op->asks |= ASK_META | some(c, ASK_VALUE | ASK_CAS | ASK_TTL);
    if (percent(c, 30)) {
        op->asks |= ASK_CREATE;
        op->create_ttl = choose_life(c);
        op->initial = choose_number(c);
    } else if (percent(c, 20)) {
        op->asks |= ASK_TOUCH;
        op->ttl = choose_life(c);
    }
    if (percent(c, 20)) {
        op->asks |= ASK_COMPARE;
        op->cas = choose_id(c, op->key);
    }
    choose_new_id(c, op);
}

static void
make_touch(struct client *c, struct op *op)
{
    op->kind = OP_TOUCH;
    op->asks = percent(c, 5) ? ASK_QUIET : 0;
    op->ttl = choose_ttl(c);
}

static const struct {
    unsigned percent;
    void (*make)(struct client *c, struct op *op);
} makers[] = {
    { 20, make_get },       { 3, make_gat },         { 17, make_meta_get },
    { 16, make_store },     { 9, make_cas },         { 13, make_meta_set },
    { 4, make_delete },     { 4, make_meta_delete }, { 6, make_count },
    { 5, make_meta_count }, { 3, make_touch },
};

static void
make_any(struct client *c, struct op *op)
{
    uint64_t roll = dice_below(&c->dice, 100);
    size_t   i = 0;

    for (; roll >= makers[i].percent; i++)
        roll -= makers[i].percent;
    makers[i].make(c, op);
}

/* ---- turns ------------------------------------------------------------------------- */

static struct op *
record_room(struct record *r)
{
    if (r->room - r->count < COMMAND_KEYS_MAX) {
        r->room = r->room > 0 ? r->room * 2 : 1024;
        r->ops = memory_resize(r->ops, r->room, sizeof(*r->ops));
    }
    memset(&r->ops[r->count], 0, COMMAND_KEYS_MAX * sizeof(*r->ops));
    return &r->ops[r->count];
}

/* Says the command, and keeps it and its answer. */
static bool
run(struct client *c, struct command *command, struct record *record)
{
    if (!command_run(&c->wire, command, c->wrong, sizeof(c->wrong)))
        return false;
    for (unsigned i = 0; i < command->count; i++) {
        const struct op *op = &command->ops[i];

        if (op->tells & TELL_CAS)
            atomic_store_explicit(&c->keys[op->key].last_id, op->got_cas,
                                  memory_order_relaxed);
    }
    record->count += command->count;
    return true;
}

/* A classic read may ask for more keys at once; not for one twice. */
static void
add_keys(struct client *c, struct command *command)
{
    struct op *op = command->ops;

    if (op->kind != OP_READ || op->asks & ASK_META || !percent(c, 20))
        return;
    while (command->count < COMMAND_KEYS_MAX && !percent(c, 25)) {
        uint32_t key = choose_key(c);

        for (unsigned i = 0; i < command->count; i++) {
            if (op[i].key == key)
                return;
        }
        op[command->count] = op[0];
        op[command->count].key = key;
        command->keys[command->count++] = c->keys[key].name;
    }
}

static void
make_flush(struct op *op)
{
    op->kind = OP_FLUSH;
    op->key = OP_EVERY_KEY;
}

bool
client_turn(struct client *c, struct record *record)
{
    struct op     *op = record_room(record);
    struct command command = { .ops = op, .count = 1, .data = c->data };

    op->client = (uint16_t)c->number;
    if (c->opt->flush_ops != 0 && dice_one_in(&c->dice, c->opt->flush_ops)) {
        make_flush(op);
        return run(c, &command, record);
    }
    op->key = choose_key(c);
    command.keys[0] = c->keys[op->key].name;
    make_any(c, op);
    add_keys(c, &command);
    return run(c, &command, record);
}

bool
client_look(struct client *c, unsigned key, struct record *record)
{
    struct op     *op = record_room(record);
    struct command command = { .ops = op, .count = 1, .keys = { c->keys[key].name } };

    op->client = (uint16_t)c->number;
    op->key = key;
    op->kind = OP_READ;
    op->asks = ASK_META | ASK_VALUE | ASK_CAS | ASK_FLAGS | ASK_TTL;
    return run(c, &command, record);
}
