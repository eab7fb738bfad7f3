/* bench/larder-bench/protocol.c - which protocols there are, and what several of them need. */
#include "bench/larder-bench/protocol.h"

#include <string.h>

#include "bench/larder-bench/sizes.h"
#include "bench/larder-bench/value.h"

const struct protocol *
protocol_find(const char *name)
{
    static const struct protocol *const all[] = { &protocol_text, &protocol_meta,
                                                  &protocol_binary, &protocol_resp };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    }
    return NULL;
}

size_t
protocol_value_bytes(const struct request *request)
{
    return request->op == OP_ZERO ? 1 : request->value_bytes;
}

void
protocol_add_value(struct buffer *out, const struct request *request)
{
    const struct key *key = request->keys;
    size_t            bytes = protocol_value_bytes(request);
    char             *to = buffer_reserve(out, bytes);

    if (request->op == OP_ZERO)
        *to = '0';
    else
        value_write(value_hash(key->text, key->length), to, bytes);
    out->end += bytes;
}

enum parsed
protocol_take_line(struct span data, struct span *line, size_t *used)
{
    size_t seen = data.length < PROTOCOL_LINE_MOST ? data.length : PROTOCOL_LINE_MOST;
    const char *end = memchr(data.at, '\n', seen);

    *used = data.length + 1;
    if (end == NULL)
        return seen < PROTOCOL_LINE_MOST ? PARSED_LESS : PARSED_WRONG;
    if (end == data.at || end[-1] != '\r')
        return PARSED_WRONG;
    *used = (size_t)(end + 1 - data.at);
    *line = (struct span){ data.at, *used - 2 };
    return PARSED;
}

struct span
protocol_take_word(struct span *line)
{
    const char *blank = memchr(line->at, ' ', line->length);
    struct span word = { line->at,
                         blank != NULL ? (size_t)(blank - line->at) : line->length };
    size_t      cut = word.length + (blank != NULL);

    *line = (struct span){ line->at + cut, line->length - cut };
    return word;
}

bool
protocol_is(struct span text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.at, expected, text.length) == 0;
}

enum parsed
protocol_take_value(struct span data, uint64_t bytes, struct span *value, size_t *used)
{
    const char *from = data.at + *used;

    if (bytes > SIZES_BYTES_MOST)
        return PARSED_WRONG;
    *used += bytes + 2;
    if (data.length < *used)
        return PARSED_LESS;
    if (memcmp(from + bytes, "\r\n", 2) != 0)
        return PARSED_WRONG;
    *value = (struct span){ from, bytes };
    return PARSED;
}
