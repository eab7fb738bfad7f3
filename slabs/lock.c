/* slabs/lock.c - ranked mutexes, and what an assertion prints when it fails.
 *
 * The stack of held locks exists in debug builds alone. It is thread-local, so it
 * needs no lock of its own.
 */
#include "slabs/lock.h"

#include <stdio.h>
#include <stdlib.h>

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
    must(pthread_mutex_lock(&lock->mutex) == 0);
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
    must(pthread_mutex_unlock(&lock->mutex) == 0);
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

void
lock_init(struct lock *lock, enum lock_rank rank)
{
    must(pthread_mutex_init(&lock->mutex, NULL) == 0);
#if LARDER_DEBUG
    lock->rank = rank;
#else
    (void)rank;
#endif
}

void
lock_fini(struct lock *lock)
{
    must(pthread_mutex_destroy(&lock->mutex) == 0);
}

void
must_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "larder: %s:%d: this must hold and does not: %s\n", file, line,
            condition);
    print_held_locks();
    abort();
}
