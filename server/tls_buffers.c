/* server/tls_buffers.c - memory for OpenSSL. See tls_buffers.h. */
#include "server/tls_buffers.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

/* What is nearly as large as a record is given as much as any: its buffers differ by a few bytes
 * in and out, and by the version of the protocol. */
enum { LEAST_BYTES = 16 << 10, BYTES = 18 << 10, KEPT_MOST = 2 };

static _Thread_local struct {
    void    *at[KEPT_MOST];
    unsigned count;
} kept;

static void *
allocate(size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    if (bytes == 0)
        return NULL;
    if (bytes < LEAST_BYTES || bytes > BYTES)
        return malloc(bytes);
    return kept.count > 0 ? kept.at[--kept.count] : malloc(BYTES);
}

static void
release(void *memory, const char *file, int line)
{
    size_t bytes = memory != NULL ? malloc_usable_size(memory) : 0;

    (void)file, (void)line;
    if (bytes >= BYTES && bytes < 2 * BYTES && kept.count < KEPT_MOST)
        kept.at[kept.count++] = memory;
    else
        free(memory);
}

void
tls_buffers_keep(void)
{
#if !LARDER_DEBUG /* sanitizers are to see who uses what is no longer his */
    (void)CRYPTO_set_mem_functions(allocate, NULL, release);
#else
    (void)allocate, (void)release;
#endif
}
