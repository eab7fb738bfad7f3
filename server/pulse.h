/* server/pulse.h - does a thread go on? It is called, and answers when it next comes by.
 *
 * The thread beats wherever it has done a bounded piece of work, so that one which has much to do
 * is not taken for one that hangs. Who calls sees to it that a thread which sleeps wakes up.
 *
 * Inline because a beat is two instructions, and there are some in each turn of a loop.
 */
#ifndef LARDER_SERVER_PULSE_H
#define LARDER_SERVER_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>

struct pulse {
    _Atomic bool called; /* and has not answered yet */
};

/* By the thread: it goes on. */
static inline void
pulse_beat(struct pulse *pulse)
{
    if (atomic_load_explicit(&pulse->called, memory_order_relaxed))
        atomic_store(&pulse->called, false);
}

/* Call it; has it answered the last call? By one other thread. */
static inline bool
pulse_call(struct pulse *pulse)
{
    return !atomic_exchange(&pulse->called, true);
}

#endif
