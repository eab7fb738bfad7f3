/* bench/larder-bench/trace.c - see trace.h. */
#include "bench/larder-bench/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/protocol.h"
#include "bench/larder-bench/sizes.h"
#include "protocol/number.h"

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line, which ends at `end`; empty if there is none. */
static const char *
take_word(const char **at, const char *end, size_t *length)
{
    const char *word;

    while (*at < end && is_blank(**at))
        ++*at;
    word = *at;
    while (*at < end && !is_blank(**at))
        ++*at;
    *length = (size_t)(*at - word);
    return word;
}

static bool
is_key(const char *key, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)key[i] <= ' ' || key[i] == 0x7f)
            return false;
    }
    return length > 0 && length <= KEY_MOST;
}

static bool
read_size(const char *word, size_t length, uint32_t *size)
{
    return number_strict_u32((struct span){ word, length }, size) &&
           *size <= SIZES_BYTES_MOST;
}

/* NULL, or why it is no request. */
static const char *
parse_line(const char *at, const char *end, struct trace_entry *entry)
{
    size_t      length;
    const char *word = take_word(&at, end, &length);

    entry->op = (uint8_t)op_find(word, length);
    if (entry->op == OP_USERS || entry->op == OP_MGET)
        return "it begins with none of get, set, cas, incr, delete";
    entry->key = take_word(&at, end, &length);
    if (!is_key(entry->key, length))
        return "its second word is no key";
    entry->key_length = (uint8_t)length;
    entry->size = TRACE_NO_SIZE;
    word = take_word(&at, end, &length);
    if (length > 0 && !read_size(word, length, &entry->size))
        return "its third word is no size in bytes";
    take_word(&at, end, &length);
    return length > 0 ? "it has more than three words" : NULL;
}

static size_t
count_lines(const char *text)
{
    size_t lines = 1;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        lines++;
    return lines;
}

bool
trace_parse(char *text, struct trace *trace, struct trace_error *error)
{
    const char *line = text, *end, *first;
    size_t      length;

    *trace = (struct trace){ .text = text };
    *error = (struct trace_error){ 0 };
    trace->entries = allot(count_lines(text), sizeof(*trace->entries));
    for (; *line != '\0'; line = end + (*end != '\0')) {
        end = strchrnul(line, '\n');
        error->line++;
        first = line;
        if (*take_word(&first, end, &length) == '#' || length == 0)
            continue;
        error->why = parse_line(line, end, &trace->entries[trace->count]);
        if (error->why != NULL)
            return false;
        trace->count++;
    }
    if (trace->count == 0)
        error->why = "there is no request";
    return trace->count > 0;
}

/* All of a file, and a 0. */
static char *
read_all(const char *path)
{
    FILE  *in = fopen(path, "r");
    size_t room = 1 << 16, length = 0, got;
    char  *text = allot(room, 1);

    if (in == NULL)
        fail("%s: %s", path, strerror(errno));
    while ((got = fread(text + length, 1, room - length - 1, in)) > 0) {
        length += got;
        if (room - length - 1 > 0)
            continue;
        room *= 2;
        text = realloc(text, room);
        if (text == NULL)
            fail("%s: no memory for it", path);
    }
    if (ferror(in))
        fail("%s: %s", path, strerror(errno));
    fclose(in);
    text[length] = '\0';
    if (memchr(text, '\0', length) != NULL)
        fail("%s: it is not text", path);
    return text;
}

void
trace_read(const char *path, struct trace *trace)
{
    struct trace_error error;

    if (!trace_parse(read_all(path), trace, &error))
        fail("%s: line %zu: %s", path, error.line, error.why);
}

void
trace_fini(struct trace *trace)
{
    free(trace->entries);
    free(trace->text);
    *trace = (struct trace){ 0 };
}
