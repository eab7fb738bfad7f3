/* server/direct.h - recv() and send() for those who call them at every request.
 *
 * In a process with threads glibc makes each of its own a point where a thread may be
 * cancelled, which costs it two atomic operations before and two after. No thread here is
 * ever cancelled. Sanitizers look at glibc's, so there they are what is called.
 */
#ifndef LARDER_SERVER_DIRECT_H
#define LARDER_SERVER_DIRECT_H

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t
direct_recv(int fd, void *to, size_t bytes)
{
#if defined(SYS_recvfrom) && !LARDER_DEBUG
    return syscall(SYS_recvfrom, fd, to, bytes, 0, NULL, NULL);
#else
    return recv(fd, to, bytes, 0);
#endif
}

static inline ssize_t
direct_send(int fd, const void *from, size_t bytes, int flags)
{
#if defined(SYS_sendto) && !LARDER_DEBUG
    return syscall(SYS_sendto, fd, from, bytes, flags, NULL, 0);
#else
    return send(fd, from, bytes, flags);
#endif
}

#endif
