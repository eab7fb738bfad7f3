/* bench/larder-bench/buffer.c - see buffer.h. */
#include "bench/larder-bench/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/fail.h"
#include "slabs/decimal.h"

char *
buffer_reserve(struct buffer *buffer, size_t bytes)
{
    size_t length = buffer_length(buffer);

    if (buffer->room - buffer->end >= bytes)
        return buffer->data + buffer->end;
    /* What was taken leaves room in front, which is used before there is more of it. */
    if (buffer->room - length < bytes || length > buffer->room / 2) {
        buffer->room = 2 * buffer->room + bytes;
        buffer->data = realloc(buffer->data, buffer->room);
        if (buffer->data == NULL)
            fail("no memory for %zu bytes", buffer->room);
    }
    memmove(buffer->data, buffer->data + buffer->start, length);
    buffer->start = 0;
    buffer->end = length;
    return buffer->data + length;
}

void
buffer_add(struct buffer *buffer, const char *bytes, size_t length)
{
    memcpy(buffer_reserve(buffer, length), bytes, length);
    buffer->end += length;
}

void
buffer_add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void
buffer_add_number(struct buffer *buffer, uint64_t number)
{
    char *to = buffer_reserve(buffer, DECIMAL_MAX);

    buffer->end += (size_t)(decimal_write(to, number) - to);
}

void
buffer_take(struct buffer *buffer, size_t bytes)
{
    buffer->start += bytes;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

void
buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}
