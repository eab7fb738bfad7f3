/* slabs/lock.h - mutexes with a rank.
 *
 * A thread may only take a lock whose rank is higher than every lock it holds, so
 * no two threads can wait for each other. Debug builds keep the locks a thread
 * holds on a thread-local stack and check the order at every acquisition; release
 * builds are plain mutexes. doc/LOCKING.md has a row for each rank.
 */
#ifndef LARDER_SLABS_LOCK_H
#define LARDER_SLABS_LOCK_H

#include <pthread.h>

enum lock_rank {
    RANK_OWNER = 1, /* of whoever uses the engine, and calls it under this      */
    RANK_STRIPE,    /* a stripe of the hash table and the items linked in it    */
    RANK_LRU,       /* the eviction list of a size class                        */
    RANK_CLASS,     /* the free chunks of a size class                          */
    RANK_PAGES,     /* which page belongs to whom                               */
    RANK_LEAF,      /* anything under which no other lock is taken              */
};

struct lock {
    pthread_mutex_t mutex;
#if LARDER_DEBUG
    enum lock_rank rank;
#endif
};

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_fini(struct lock *lock);

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
    pthread_mutex_lock(&lock->mutex);
}

static inline void
lock_drop(struct lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
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
