/* server/watch.c - rings in, lines out. See watch.h. */
#include "server/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "protocol/events.h"
#include "server/peer.h"
#include "server/sandbox.h"
#include "server/tls.h"
#include "server/wake.h"
#include "slabs/counters.h"

enum {
    DATE_ROOM = 80,      /* of what stands before a line, `skipped` included */
    WAIT_MS = 1000,      /* at most, though nobody says anything             */
    LINES_A_ROUND = 512, /* before the sockets have their turn               */
};

/* ---- rings ----------------------------------------------------------------------- */

/* What lies before a line in a ring. Records do not wrap: one of kind 0 fills the end. */
struct record {
    uint32_t length; /* of the text */
    uint32_t kind;
    uint64_t sequence;
    int64_t  s, us;
};

static size_t
record_bytes(size_t length)
{
    return (sizeof(struct record) + length + 7) & ~(size_t)7;
}

static bool
ring_init(struct watch_ring *ring, struct watch *watch, size_t bytes)
{
    ring->watch = watch;
    for (ring->size = 4096; ring->size < bytes;)
        ring->size *= 2;
    ring->bytes = malloc(ring->size);
    return ring->bytes != NULL;
}

/* The place for so many bytes in one piece; NULL where the ring is too full. */
static char *
ring_room(struct watch_ring *ring, size_t bytes)
{
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    size_t   at = written & (ring->size - 1), end = ring->size - at;
    size_t   wanted = bytes <= end ? bytes : end + bytes;

    if (wanted > ring->size - (size_t)(written - taken))
        return NULL;
    if (bytes <= end)
        return ring->bytes + at;
    if (end >= sizeof(struct record)) /* or the reader knows that there is none */
        *(struct record *)(void *)(ring->bytes + at) = (struct record){ 0 };
    atomic_store_explicit(&ring->written, written + end, memory_order_release);
    return ring->bytes;
}

void
watch_wake(struct watch *watch)
{
    if (atomic_exchange(&watch->sleeping, false))
        wake_up(watch->wake_fd);
}

bool
watch_answers(struct watch *watch)
{
    bool answered = pulse_call(&watch->pulse);

    wake_up(watch->wake_fd);
    return answered;
}

void
watch_tell(struct watch_ring *ring, uint32_t kind, struct span text)
{
    size_t          bytes = record_bytes(text.length);
    char           *to = ring_room(ring, bytes);
    struct timespec now;

    if (to == NULL) {
        counter_add(&ring->dropped[__builtin_ctz(kind)], 1);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    *(struct record *)(void *)to = (struct record){
        .length = (uint32_t)text.length,
        .kind = kind,
        .sequence = atomic_fetch_add(&ring->watch->sequence, 1) + 1,
        .s = now.tv_sec,
        .us = now.tv_nsec / 1000,
    };
    memcpy(to + sizeof(struct record), text.at, text.length);
    counter_add(&ring->lines, 1);
    atomic_fetch_add(&ring->written, bytes);
}

void
watch_tell_eviction(void *arg, struct span key, const struct cache_reading *item)
{
    struct watch_ring *ring = arg;
    char               line[EVENTS_LINE_MAX];

    if (watch_wants(ring->watch, WATCH_EVICTIONS))
        watch_tell(ring, WATCH_EVICTIONS, events_eviction(line, key, item));
}

/* The next record, or NULL. */
static const struct record *
ring_peek(struct watch_ring *ring)
{
    for (;;) {
        uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        uint64_t written = atomic_load_explicit(&ring->written, memory_order_acquire);
        size_t   at = taken & (ring->size - 1), end = ring->size - at;
        const struct record *record = (const void *)(ring->bytes + at);

        if (taken == written)
            return NULL;
        if (end >= sizeof(*record) && record->kind != 0)
            return record;
        atomic_store_explicit(&ring->taken, taken + end, memory_order_release);
    }
}

static void
ring_pass(struct watch_ring *ring, const struct record *record)
{
    atomic_fetch_add_explicit(&ring->taken, record_bytes(record->length),
                              memory_order_release);
}

/* ---- watchers -------------------------------------------------------------------- */

struct watcher {
    struct watcher     *next; /* while it arrives */
    struct watch_client client;
    uint32_t            kinds;
    uint64_t            skipped; /* lines since it was last told of some */
    size_t              used;
    char               *buffer; /* what it is to be sent */
};

static struct watcher *
watcher_create(const struct watch_client *client, uint32_t kinds, size_t bytes)
{
    struct watcher *watcher = malloc(sizeof(*watcher));

    if (watcher == NULL)
        return NULL;
    *watcher =
        (struct watcher){ .client = *client, .kinds = kinds, .buffer = malloc(bytes) };
    if (watcher->buffer == NULL) {
        free(watcher);
        return NULL;
    }
    memcpy(watcher->buffer, "OK\r\n", 4);
    watcher->used = 4;
    return watcher;
}

static void
watcher_destroy(struct watch *watch, unsigned at)
{
    struct watcher *watcher = watch->present[at];

    lock_take(&watch->lock);
    watch->present[at] = NULL;
    lock_drop(&watch->lock);
    tls_destroy(&watcher->client.tls);
    close(watcher->client.fd);
    free(watcher->buffer);
    free(watcher);
    atomic_fetch_sub(&watch->watchers, 1);
    watch->closed(watch->server);
}

bool
watch_add(struct watch *watch, const struct watch_client *client, uint32_t kinds,
          bool *too_many)
{
    struct watcher *watcher = NULL;

    *too_many = atomic_fetch_add(&watch->watchers, 1) >= WATCHERS_MOST;
    if (*too_many)
        atomic_fetch_add(&watch->rejected, 1);
    else
        watcher = watcher_create(client, kinds, watch->buffer_bytes);
    if (watcher == NULL) {
        atomic_fetch_sub(&watch->watchers, 1);
        return false;
    }
    lock_take(&watch->lock);
    watcher->next = watch->arrived;
    watch->arrived = watcher;
    lock_drop(&watch->lock);
    /* From here on, so that nothing is missed that happens after this command. */
    atomic_fetch_or(&watch->kinds, kinds);
    watch_wake(watch);
    return true;
}

void
watch_each(struct watch *watch, watch_visit *visit, void *ctx)
{
    lock_take(&watch->lock);
    for (struct watcher *w = watch->arrived; w != NULL; w = w->next)
        visit(ctx, &w->client);
    for (unsigned i = 0; i < WATCHERS_MOST; i++) {
        if (watch->present[i] != NULL)
            visit(ctx, &watch->present[i]->client);
    }
    lock_drop(&watch->lock);
}

static void
append(struct watch *watch, struct watcher *watcher, const struct record *record)
{
    const char *text = (const char *)(record + 1);
    int         date;

    if (watch->buffer_bytes - watcher->used < DATE_ROOM + record->length + 1) {
        watcher->skipped++;
        atomic_fetch_add(&watch->skipped, 1);
        return;
    }
    if (watcher->skipped > 0)
        watcher->used +=
            (size_t)snprintf(watcher->buffer + watcher->used, DATE_ROOM, "skipped=%llu\n",
                             (unsigned long long)watcher->skipped);
    watcher->skipped = 0;
    date = snprintf(watcher->buffer + watcher->used, DATE_ROOM, "ts=%lld.%lld gid=%llu ",
                    (long long)record->s, (long long)record->us,
                    (unsigned long long)record->sequence);
    watcher->used += (size_t)date;
    memcpy(watcher->buffer + watcher->used, text, record->length);
    watcher->used += record->length;
    watcher->buffer[watcher->used++] = '\n';
    atomic_fetch_add(&watch->sent, 1);
}

/* Send what it takes; false where it has gone. */
static bool
flush(struct watcher *watcher)
{
    struct iovec all = { watcher->buffer, watcher->used };
    ssize_t      n = 0;

    if (watcher->used > 0 && watcher->client.tls != NULL)
        n = tls_send(watcher->client.tls, &all, 1);
    else if (watcher->used > 0)
        n = send(watcher->client.fd, watcher->buffer, watcher->used,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    watcher->used -= (size_t)n;
    memmove(watcher->buffer, watcher->buffer + n, watcher->used);
    return true;
}

/* What a watcher says is not listened to; false where it has gone. */
static bool
ignore_input(struct watcher *watcher)
{
    char         bytes[512];
    struct iovec room = { bytes, sizeof(bytes) };
    ssize_t      n = watcher->client.tls != NULL
                         ? tls_receive(watcher->client.tls, &room, 1)
                         : recv(watcher->client.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* ---- the thread ------------------------------------------------------------------ */

static void
let_in(struct watch *watch)
{
    unsigned at = 0;

    lock_take(&watch->lock);
    for (; watch->arrived != NULL; watch->arrived = watch->arrived->next) {
        while (watch->present[at] != NULL) /* as many places as may be let in */
            at++;
        watch->present[at] = watch->arrived;
    }
    lock_drop(&watch->lock);
}

/* What was dropped from a ring is missing to all who watch its kind. */
static void
note_losses(struct watch *watch, struct watch_ring *ring)
{
    for (unsigned kind = 0; kind < WATCH_KINDS; kind++) {
        uint64_t dropped = counter_read(&ring->dropped[kind]);

        for (unsigned i = 0; i < WATCHERS_MOST; i++) {
            struct watcher *watcher = watch->present[i];

            if (watcher != NULL && watcher->kinds & 1U << kind)
                watcher->skipped += dropped - ring->noted[kind];
        }
        ring->noted[kind] = dropped;
    }
}

/* The ring with the line that was told first, or NULL. */
static struct watch_ring *
oldest_ring(struct watch *watch)
{
    struct watch_ring *oldest = NULL;
    uint64_t           first = UINT64_MAX;

    for (unsigned i = 0; i < watch->ring_count; i++) {
        const struct record *record = ring_peek(&watch->rings[i]);

        if (record == NULL || record->sequence >= first)
            continue;
        first = record->sequence;
        oldest = &watch->rings[i];
    }
    return oldest;
}

/* Hand out some lines; false when there were none. */
static bool
hand_out(struct watch *watch)
{
    struct watch_ring *ring = NULL;
    unsigned           lines;

    for (lines = 0; lines < LINES_A_ROUND; lines++) {
        const struct record *record;

        ring = oldest_ring(watch);
        if (ring == NULL)
            break;
        record = ring_peek(ring);
        note_losses(watch, ring); /* of lines before this one */
        for (unsigned i = 0; i < WATCHERS_MOST; i++) {
            if (watch->present[i] != NULL && watch->present[i]->kinds & record->kind)
                append(watch, watch->present[i], record);
        }
        ring_pass(ring, record);
    }
    return lines > 0;
}

/* Those that have gone leave. What is watched is what the others watch; whoever arrives
 * meanwhile adds to that after it, or is in the list. */
static void
see_off(struct watch *watch, const bool gone[WATCHERS_MOST])
{
    uint32_t kinds = 0;
    bool     any = false;

    for (unsigned i = 0; i < WATCHERS_MOST; i++) {
        struct watcher *watcher = watch->present[i];

        if (watcher == NULL)
            continue;
        if (gone[i]) {
            peer_tell_closed(&watch->rings[watch->ring_count - 1], watcher->client.fd,
                             &watcher->client.peer, EVENTS_CLOSED_BY_ERROR);
            watcher_destroy(watch, i);
            any = true;
        } else {
            kinds |= watcher->kinds;
        }
    }
    if (!any)
        return;
    lock_take(&watch->lock);
    for (struct watcher *w = watch->arrived; w != NULL; w = w->next)
        kinds |= w->kinds;
    atomic_store(&watch->kinds, kinds);
    lock_drop(&watch->lock);
}

/* Wait for lines, or for sockets that go on. Only those that are there are polled: more than
 * there may be descriptors (-c) is an error, and would be no wait. */
static void
wait_a_while(struct watch *watch, bool at_once)
{
    struct pollfd polled[WATCHERS_MOST + 1] = { { watch->wake_fd, POLLIN, 0 } };
    unsigned      who[WATCHERS_MOST + 1], count = 1;
    bool          gone[WATCHERS_MOST] = { false };
    uint64_t      times;

    for (unsigned i = 0; i < WATCHERS_MOST; i++) {
        struct watcher *watcher = watch->present[i];

        if (watcher == NULL)
            continue;
        who[count] = i;
        polled[count++] =
            (struct pollfd){ watcher->client.fd,
                             watcher->used > 0 ? POLLIN | POLLOUT : POLLIN, 0 };
    }
    poll(polled, count, at_once ? 0 : WAIT_MS);
    if (polled[0].revents != 0 &&
        read(watch->wake_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
        times = 0; /* somebody else's wake: look and see */
    for (unsigned i = 1; i < count; i++) {
        struct watcher *watcher = watch->present[who[i]];
        short           what = polled[i].revents;
        bool           *is_gone = &gone[who[i]];

        if (what & (POLLIN | POLLHUP | POLLERR))
            *is_gone = !ignore_input(watcher);
        if (what & POLLOUT && !*is_gone)
            *is_gone = !flush(watcher);
    }
    see_off(watch, gone);
}

static void *
run(void *arg)
{
    struct watch *watch = arg;

    pthread_setname_np(pthread_self(), "watch");
    sandbox_enter(watch->sandbox, SANDBOX_WATCH);
    while (!atomic_load(&watch->stopping)) {
        bool busy;

        pulse_beat(&watch->pulse);
        atomic_store(&watch->sleeping, true);
        for (unsigned i = 0; i < watch->ring_count; i++)
            note_losses(watch, &watch->rings[i]);
        let_in(watch);
        busy = hand_out(watch);
        wait_a_while(watch, busy);
    }
    let_in(watch);
    while (hand_out(watch)) /* who was closed at the end is told of as well */
        wait_a_while(watch, true);
    for (unsigned i = 0; i < WATCHERS_MOST; i++) {
        if (watch->present[i] != NULL)
            watcher_destroy(watch, i);
    }
    return NULL;
}

void
watch_count(const struct watch *watch, struct watch_counters *counters)
{
    *counters = (struct watch_counters){ .sent = atomic_load(&watch->sent),
                                         .skipped = atomic_load(&watch->skipped),
                                         .rejected = atomic_load(&watch->rejected) };
    for (unsigned i = 0; i < watch->ring_count; i++) {
        counters->written += counter_read(&watch->rings[i].lines);
        for (unsigned kind = 0; kind < WATCH_KINDS; kind++)
            counters->dropped += counter_read(&watch->rings[i].dropped[kind]);
    }
}

/* ---- birth and death ------------------------------------------------------------- */

static void
fini(struct watch *watch)
{
    for (unsigned i = 0; i < watch->ring_count; i++)
        free(watch->rings[i].bytes);
    free(watch->rings);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    lock_fini(&watch->lock);
}

bool
watch_start(struct watch *watch, unsigned producers, size_t ring_bytes,
            size_t buffer_bytes)
{
    sigset_t all, before;
    bool     good;

    lock_init(&watch->lock, RANK_LEAF);
    watch->buffer_bytes = buffer_bytes;
    watch->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    watch->rings = calloc(producers + 1, sizeof(*watch->rings));
    good = watch->wake_fd >= 0 && watch->rings != NULL;
    while (good && watch->ring_count < producers + 1)
        good = ring_init(&watch->rings[watch->ring_count++], watch, ring_bytes);
    if (good) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        good = watch->started = pthread_create(&watch->thread, NULL, run, watch) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!good)
        fini(watch);
    return good;
}

void
watch_stop(struct watch *watch)
{
    if (!watch->started)
        return;
    atomic_store(&watch->stopping, true);
    atomic_store(&watch->sleeping, true);
    watch_wake(watch);
    pthread_join(watch->thread, NULL);
    watch->started = false;
    fini(watch);
}
