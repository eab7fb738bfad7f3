/* server/tls_buffers.h - OpenSSL's buffers, kept by a thread from one connection to the next.
 *
 * A connection with TLS gives its buffers back whenever it is idle, so a request takes two of
 * them and gives two back. They are too large for malloc's quick ways, which made that a tenth
 * of the instructions that a get takes. A thread keeps the last ones for whoever is next.
 *
 * Threads: any. What a thread has kept is gone with the process, not with the thread.
 */
#ifndef LARDER_SERVER_TLS_BUFFERS_H
#define LARDER_SERVER_TLS_BUFFERS_H

/* From now on, before anything is asked of OpenSSL: later, nothing changes. */
void tls_buffers_keep(void);

#endif
