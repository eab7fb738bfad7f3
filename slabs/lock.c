/* slabs/lock.c - ranked locks, and what an assertion prints when it fails.
 *
 * The stack of held locks exists in debug builds alone. It is thread-local, so it
 * needs no lock of its own.
 */
#include "slabs/lock.h"

#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "slabs/must.h"

#if LARDER_DEBUG

enum { HELD_MAX = 8 };

static _Thread_local const struct lock *held[HELD_MAX];
static _Thread_local unsigned           held_count;

void
lock_take(struct lock *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        must(held[i]->rank < lock->rank);
    must(held_count < HELD_MAX);
    lock_acquire(lock);
    held[held_count++] = lock;
}

void
lock_drop(struct lock *lock)
{
    unsigned i = held_count;

    while (i > 0 && held[i - 1] != lock)
        i--;
    must(i > 0);
    for (; i < held_count; i++)
        held[i - 1] = held[i];
    held_count--;
    lock_release(lock);
}

void
lock_must_be_held(const struct lock *lock)
{
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i] == lock)
            return;
    }
    must_fail("the lock is held", __FILE__, __LINE__);
}

void
locks_must_be_none(void)
{
    must(held_count == 0);
}

static void
print_held_locks(void)
{
    for (unsigned i = 0; i < held_count; i++)
        fprintf(stderr, "  holds a lock of rank %d\n", (int)held[i]->rank);
}

#else

static void
print_held_locks(void)
{
}

#endif

/* Looks at a lock before a thread goes to sleep: about as long as most are held. */
enum { SPINS = 100 };

static void
spin_pause(void)
{
#ifdef __SSE2__
    _mm_pause();
#endif
}

void
lock_wait(struct lock *lock)
{
    for (unsigned i = 0; i < SPINS; i++) {
        uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);

        if (state == LOCK_FREE && atomic_compare_exchange_weak_explicit(
                                      &lock->state, &state, LOCK_HELD,
                                      memory_order_acquire, memory_order_relaxed))
            return;
        spin_pause();
    }
    /* Who has slept cannot know whether others do, so the lock stays awaited. */
    while (atomic_exchange_explicit(&lock->state, LOCK_AWAITED, memory_order_acquire) !=
           LOCK_FREE)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, LOCK_AWAITED, NULL);
}

void
lock_wake(struct lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}

void
lock_init(struct lock *lock, enum lock_rank rank)
{
    atomic_init(&lock->state, LOCK_FREE);
#if LARDER_DEBUG
    lock->rank = rank;
#else
    (void)rank;
#endif
}

void
lock_fini(struct lock *lock)
{
    must(atomic_load(&lock->state) == LOCK_FREE);
}

void
must_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "larder: %s:%d: this must hold and does not: %s\n", file, line,
            condition);
    print_held_locks();
    abort();
}
