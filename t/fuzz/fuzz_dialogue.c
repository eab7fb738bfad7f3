/* t/fuzz/fuzz_dialogue.c - several clients, over a transport that makes trouble.
 *
 * The first byte of the input says in which world and on which terms, the second
 * how many requests make a turn, the next eight how much the transport delivers or
 * takes at each step (client.c). The rest is what the clients send, by turns, and between
 * it, behind an escape byte:
 *
 *    0 1 2 3     from here on this client sends
 *    v N         half a KiB for each of N, made up: so that large values fit small inputs
 *    t N         N seconds pass
 *    x           the client leaves, and another one comes
 *    s r         the client stops to read; it reads again
 *    escape      that byte itself
 *
 * In the first world all is compared with a dialogue whose bytes go through as they come
 * (compare.h). In the others the clients' steps interleave, replies wait while others
 * write, and memory is so tight that items are evicted, or refused.
 */
#include <stdlib.h>

#include "slabs/must.h"
#include "t/fuzz/compare.h"
#include "t/fuzz/fuzz.h"

enum {
    CLIENTS = COMPARE_CLIENTS,
    ESCAPE = 0x1b,
    HEADER = 10,
    MADE_UP_MAX = 256 << 10, /* bytes of `v` in one input   */
    TIGHT_BYTES = 1 << 20,
    INPUTS_A_CHECK = 512,
};

enum world_kind { KIND_COMPARE, KIND_EVICTING, KIND_REFUSING, KIND_LEFT_OVER, KINDS };

static char made_up[MADE_UP_MAX];

/* Who clients are, and what happens to them. */
struct scene {
    enum world_kind kind;
    struct compare  compare; /* KIND_COMPARE, or...  */
    struct world   *world;   /* ...the others' world */
    struct schedule schedule;
    struct client   client[CLIENTS];
    unsigned        terms; /* enum world_terms      */
    unsigned        now;   /* the client that sends */
    size_t          made_up;
};

/* ---- clients whose steps interleave ---------------------------------------------- */

static void
open_client(struct scene *scene, unsigned client)
{
    client_open(&scene->client[client], scene->world, &scene->schedule, NULL, false);
}

/* A step for each client, in turn, until none has one; or only once. */
static void
step_all(struct scene *scene, bool to_the_end)
{
    bool moved;

    do {
        moved = false;
        for (unsigned i = 0; i < CLIENTS; i++)
            moved |= client_step(&scene->client[i]);
    } while (to_the_end && moved);
}

static void
send_interleaved(struct scene *scene, struct span bytes)
{
    struct client *client = &scene->client[scene->now];

    if (client_send(client, bytes))
        return;
    client->stalled = false;
    step_all(scene, true);
    must(client_send(client, bytes));
}

/* ---- what an input says ---------------------------------------------------------- */

static void
send_bytes(struct scene *scene, struct span bytes)
{
    if (bytes.length == 0)
        return;
    if (scene->kind == KIND_COMPARE)
        compare_send(&scene->compare, scene->now, bytes);
    else
        send_interleaved(scene, bytes);
}

/* What was sent up to now was sent together. */
static void
end_of_sending(struct scene *scene)
{
    if (scene->kind == KIND_COMPARE)
        compare_rest(&scene->compare, scene->now);
    else
        step_all(scene, false);
}

static void
send_made_up(struct scene *scene, unsigned n)
{
    size_t bytes = (size_t)n * 513;

    if (bytes > MADE_UP_MAX - scene->made_up)
        return;
    /* Different ones each time. */
    send_bytes(scene, (struct span){ made_up + scene->made_up, bytes });
    scene->made_up += bytes;
}

static void
pass_time(struct scene *scene, unsigned seconds)
{
    if (scene->kind == KIND_COMPARE)
        compare_shift(&scene->compare, (int32_t)seconds);
    else
        world_shift(scene->world, (int32_t)seconds);
}

static void
reopen(struct scene *scene)
{
    if (scene->kind == KIND_COMPARE) {
        compare_reopen(&scene->compare, scene->now);
    } else {
        client_close(&scene->client[scene->now]);
        open_client(scene, scene->now);
    }
}

static void
stall(struct scene *scene, bool stalled)
{
    if (scene->kind != KIND_COMPARE)
        scene->client[scene->now].stalled = stalled;
}

/* What stands behind an escape byte; its length. */
static size_t
follow(struct scene *scene, struct span order)
{
    unsigned n = order.length > 1 ? (uint8_t)order.at[1] : 0;

    if (order.at[0] != 'v' && order.at[0] != ESCAPE)
        end_of_sending(scene);
    switch (order.at[0]) {
    case '0':
    case '1':
    case '2':
    case '3':
        scene->now = (unsigned)(order.at[0] - '0');
        return 1;
    case 'v':
        send_made_up(scene, n);
        return order.length > 1 ? 2 : 1;
    case 't':
        pass_time(scene, n);
        return order.length > 1 ? 2 : 1;
    case 'x':
        reopen(scene);
        return 1;
    case 's':
    case 'r':
        stall(scene, order.at[0] == 's');
        return 1;
    default:
        send_bytes(scene, (struct span){ order.at, 1 });
        return 1;
    }
}

static void
play(struct scene *scene, struct span script)
{
    while (script.length > 0) {
        const char *escape = memchr(script.at, ESCAPE, script.length);
        size_t      n = escape != NULL ? (size_t)(escape - script.at) : script.length;

        send_bytes(scene, (struct span){ script.at, n });
        script = (struct span){ script.at + n, script.length - n };
        if (script.length == 0)
            break;
        script = (struct span){ script.at + 1, script.length - 1 };
        if (script.length == 0)
            break;
        n = follow(scene, script);
        script = (struct span){ script.at + n, script.length - n };
    }
    end_of_sending(scene);
}

/* ---- one input ------------------------------------------------------------------- */

/* The worlds live from one input to the next. All but the last are made as good as new. */
static struct world *worlds[KINDS];

static struct world *
world_of(enum world_kind kind)
{
    if (worlds[kind] == NULL)
        worlds[kind] = world_create(TIGHT_BYTES, kind != KIND_REFUSING, true);
    if (kind != KIND_LEFT_OVER)
        world_reset(worlds[kind]);
    return worlds[kind];
}

/* No eight bytes that follow each other are the same as eight others nearby. */
static void
make_up(void)
{
    struct dice dice = { 1 };

    if (made_up[0] != 0)
        return;
    for (size_t i = 0; i < sizeof(made_up); i++)
        made_up[i] = (char)('a' + dice_roll(&dice, 26));
}

static void
interleave(struct scene *scene, struct span script)
{
    static unsigned inputs;

    scene->world = world_of(scene->kind);
    world_set_terms(scene->world, scene->terms);
    for (unsigned i = 0; i < CLIENTS; i++)
        open_client(scene, i);
    play(scene, script);
    for (unsigned i = 0; i < CLIENTS; i++)
        scene->client[i].stalled = false;
    step_all(scene, true);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_close(&scene->client[i]);
    if (inputs++ % INPUTS_A_CHECK == 0)
        world_check(scene->world);
}

static void
compare(struct scene *scene, struct span script)
{
    compare_begin(&scene->compare, scene->schedule, scene->terms);
    play(scene, script);
    compare_end(&scene->compare);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    struct span         script = { (const char *)data + HEADER, size - HEADER };

    if (size < HEADER)
        return 0;
    make_up();
    scene.kind = data[0] % KINDS;
    scene.terms = data[0] >> (8 - TERMS);
    scene.schedule = (struct schedule){ .bytes = data + 2,
                                        .count = HEADER - 2,
                                        .turn = data[1] > 0 ? data[1] : 1 };
    scene.now = 0;
    scene.made_up = 0;
    if (scene.kind == KIND_COMPARE)
        compare(&scene, script);
    else
        interleave(&scene, script);
    return 0;
}

void
fuzz_end(void)
{
    compare_check();
    for (unsigned i = 0; i < KINDS; i++) {
        if (worlds[i] != NULL)
            world_check(worlds[i]);
    }
}
