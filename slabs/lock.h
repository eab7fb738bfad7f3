/* slabs/lock.h - mutexes with a rank.
 *
 * A thread may only take a lock whose rank is higher than every lock it holds, so
 * no two threads can wait for each other. Debug builds keep the locks a thread
 * holds on a thread-local stack and check the order at every acquisition.
 * doc/LOCKING.md has a row for each rank.
 *
 * A mutex is one word and stands beside what it guards; taking one that is free costs
 * one instruction here instead of a call. Who has to wait spins a little, then sleeps
 * in the kernel (futex(2)).
 */
#ifndef LARDER_SLABS_LOCK_H
#define LARDER_SLABS_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

enum lock_rank {
    RANK_OWNER = 1, /* of whoever uses the engine, and calls it under this      */
    RANK_STRIPE,    /* a stripe of the hash table and the items linked in it    */
    RANK_LRU,       /* the eviction list of a size class                        */
    RANK_THREADS,   /* the list of handles                                      */
    RANK_MAGAZINE,  /* the free chunks of a size class that a thread keeps      */
    RANK_CLASS,     /* the free chunks of a size class                          */
    RANK_PAGES,     /* which page belongs to whom                               */
    RANK_LEAF,      /* anything under which no other lock is taken              */
};

enum lock_state {
    LOCK_FREE,
    LOCK_HELD,
    LOCK_AWAITED, /* held, and somebody may sleep until it is free */
};

struct lock {
    _Atomic uint32_t state;
#if LARDER_DEBUG
    enum lock_rank rank;
#endif
};

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_fini(struct lock *lock);

/* Take a lock that was not free; wake who sleeps. Only for what follows. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline void
lock_acquire(struct lock *lock)
{
    uint32_t state = LOCK_FREE;

    if (!atomic_compare_exchange_strong_explicit(
            &lock->state, &state, LOCK_HELD, memory_order_acquire, memory_order_relaxed))
        lock_wait(lock);
}

static inline void
lock_release(struct lock *lock)
{
    if (atomic_exchange_explicit(&lock->state, LOCK_FREE, memory_order_release) ==
        LOCK_AWAITED)
        lock_wake(lock);
}

#if LARDER_DEBUG

void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);
/* Abort unless the calling thread holds this lock. */
void lock_must_be_held(const struct lock *lock);
/* Abort unless the calling thread holds no lock at all. */
void locks_must_be_none(void);

#else

static inline void
lock_take(struct lock *lock)
{
    lock_acquire(lock);
}

static inline void
lock_drop(struct lock *lock)
{
    lock_release(lock);
}

static inline void
lock_must_be_held(const struct lock *lock)
{
    (void)lock;
}

static inline void
locks_must_be_none(void)
{
}

#endif
#endif
