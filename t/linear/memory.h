/* t/linear/memory.h - memory that is there, or the program ends. */
#ifndef LARDER_T_LINEAR_MEMORY_H
#define LARDER_T_LINEAR_MEMORY_H

#include <stdio.h>
#include <stdlib.h>

static inline void *
memory_resize(void *old, size_t count, size_t size)
{
    void *room = reallocarray(old, count, size);

    if (room == NULL) {
        fputs("linear: out of memory\n", stderr);
        exit(2);
    }
    return room;
}

#endif
