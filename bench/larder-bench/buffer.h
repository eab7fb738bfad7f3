/* bench/larder-bench/buffer.h - bytes that are added at one end and taken at the other. */
#ifndef LARDER_BENCH_BUFFER_H
#define LARDER_BENCH_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* All zero is empty. The bytes are data[start] to data[end - 1]. */
struct buffer {
    char  *data; /* owned: buffer_fini() */
    size_t start, end, room;
};

static inline size_t
buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* Where so many bytes may be written behind the others; who has written them moves `end`. What
 * was got from it before is no longer valid. */
char *buffer_reserve(struct buffer *buffer, size_t bytes);

void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_number(struct buffer *buffer, uint64_t number);

/* The first so many bytes are done with. */
void buffer_take(struct buffer *buffer, size_t bytes);

void buffer_fini(struct buffer *buffer);

#endif
