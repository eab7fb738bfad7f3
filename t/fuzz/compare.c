/* t/fuzz/compare.c - see compare.h. */
#include "t/fuzz/compare.h"

#include "slabs/must.h"

enum {
    WORLD_BYTES = 32 << 20,
    INPUTS_A_WORLD = 4096,
    BYTES_A_WORLD = 16 << 20,
    INPUTS_A_CHECK = 2048,
};

/* The two worlds live from one input to the next, to be quick. */
static struct world *world, *other_world;
static struct record records[COMPARE_CLIENTS];
static unsigned      inputs, unchecked;
static size_t        bytes_sent;
/* They went different ways: CAS ids and the order of a dump would tell so. */
static bool have_parted;

static void
prepare_worlds(void)
{
    inputs++;
    if (inputs >= INPUTS_A_WORLD || bytes_sent >= BYTES_A_WORLD || have_parted) {
        world_destroy(&world);
        world_destroy(&other_world);
    }
    if (world == NULL) {
        world = world_create(WORLD_BYTES, true, false);
        other_world = world_create(WORLD_BYTES, true, false);
        inputs = 0;
        bytes_sent = 0;
        have_parted = false;
    }
    world_reset(world);
    world_reset(other_world);
}

static void
open_both(struct compare *compare, unsigned client)
{
    records[client].length = 0;
    client_open(&compare->client[client], world, &compare->straight, &records[client],
                false);
    client_open(&compare->other[client], other_world, &compare->scheduled,
                &records[client], true);
}

void
compare_begin(struct compare *compare, struct schedule schedule, unsigned terms)
{
    prepare_worlds();
    world_set_terms(world, terms);
    world_set_terms(other_world, terms);
    compare->straight = (struct schedule){ 0 };
    compare->scheduled = schedule;
    compare->over = compare->wants_to_be_alone = false;
    for (unsigned i = 0; i < COMPARE_CLIENTS; i++)
        open_both(compare, i);
}

static void
rest(struct client *client)
{
    while (client_step(client))
        continue;
    must(client->closed || (client->pending == NULL && client->queued == 0));
}

static bool
has(struct span text, struct span words)
{
    return memmem(text.at, text.length, words.at, words.length) != NULL;
}

/* A key that is too long takes back what its line has said, as far as it is not sent. */
static bool
has_retracted(const struct record *record)
{
    return has((struct span){ record->bytes, record->length },
               SPAN("bad command line format\r\n\r\n"));
}

/* These are refused while other answers wait to be sent, and that may be refused in
 * silence. One word of them or the other comes in one piece. */
static bool
has_lonely_command(struct span text)
{
    return has(text, SPAN("lru_crawler")) || has(text, SPAN("metadump")) ||
           has(text, SPAN("mgdump")) || has(text, SPAN("watch"));
}

static bool
may_differ(const struct client *client)
{
    return client->dropped || client->too_long || client->too_much;
}

void
compare_send(struct compare *compare, unsigned client, struct span bytes)
{
    struct client *one = &compare->client[client], *other = &compare->other[client];

    if (compare->over)
        return;
    bytes_sent += bytes.length;
    compare->wants_to_be_alone |= has_lonely_command(bytes);
    if (!client_send(one, bytes) || !client_send(other, bytes))
        compare->over = true; /* too much; what was sent is not of interest */
}

void
compare_rest(struct compare *compare, unsigned client)
{
    struct client *one = &compare->client[client], *other = &compare->other[client];
    bool           same;

    if (compare->over)
        return;
    rest(one);
    rest(other);
    same = !other->differs && other->sent == records[client].length;
    if (may_differ(one) || may_differ(other) ||
        (!same && (compare->wants_to_be_alone || has_retracted(&records[client])))) {
        compare->over = have_parted = true;
        return;
    }
    must(same);
    must(one->closed == other->closed);
    must(one->closed ||
         session_is_idle(&one->session) == session_is_idle(&other->session));
}

void
compare_reopen(struct compare *compare, unsigned client)
{
    client_close(&compare->client[client]);
    client_close(&compare->other[client]);
    open_both(compare, client);
}

void
compare_shift(struct compare *compare, int32_t seconds)
{
    (void)compare;
    world_shift(world, seconds);
    world_shift(other_world, seconds);
}

void
compare_end(struct compare *compare)
{
    for (unsigned i = 0; i < COMPARE_CLIENTS; i++) {
        client_close(&compare->client[i]);
        client_close(&compare->other[i]);
    }
    if (++unchecked == INPUTS_A_CHECK) {
        unchecked = 0;
        compare_check();
    }
}

void
compare_check(void)
{
    if (world == NULL)
        return;
    world_check(world);
    world_check(other_world);
}
