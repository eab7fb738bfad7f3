/* server/wake.h - telling a thread, by its eventfd, that there is something to do. */
#ifndef LARDER_SERVER_WAKE_H
#define LARDER_SERVER_WAKE_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

static inline void
wake_up(int fd)
{
    uint64_t one = 1;
    ssize_t  n;

    do
        n = write(fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the thread has been told already. */
}

#endif
