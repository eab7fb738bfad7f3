/* server/prefixes.c - counting by prefix. See prefixes.h. */
#include "server/prefixes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIXES_MOST = 65536 }; /* of further ones nothing is known */

struct prefix {
    struct prefix *next;
    uint64_t       gets, hits, sets, deletes;
    uint32_t       hash;
    uint8_t        length;
    char           text[];
};

void
prefixes_init(struct prefixes *prefixes, char delimiter, bool counts)
{
    *prefixes = (struct prefixes){ .delimiter = delimiter };
    atomic_init(&prefixes->counts, counts);
    lock_init(&prefixes->lock, RANK_LEAF);
}

void
prefixes_fini(struct prefixes *prefixes)
{
    prefixes_reset(prefixes);
    lock_fini(&prefixes->lock);
}

/* FNV-1a: it need not resist anybody, for the number of prefixes is limited. */
static uint32_t
hash_of(struct span text)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 16777619u;
    return hash;
}

/* The prefix, new or known; NULL where there are too many, or no memory. */
static struct prefix *
find_locked(struct prefixes *prefixes, struct span text)
{
    uint32_t        hash = hash_of(text);
    struct prefix **list = &prefixes->list[hash % 1024], *prefix;

    for (prefix = *list; prefix != NULL; prefix = prefix->next) {
        if (prefix->hash == hash &&
            span_equal((struct span){ prefix->text, prefix->length }, text))
            return prefix;
    }
    if (prefixes->count == PREFIXES_MOST) {
        atomic_fetch_add(&prefixes->rejected, 1);
        return NULL;
    }
    prefix = malloc(sizeof(*prefix) + text.length);
    if (prefix == NULL)
        return NULL;
    *prefix =
        (struct prefix){ .next = *list, .hash = hash, .length = (uint8_t)text.length };
    memcpy(prefix->text, text.at, text.length);
    *list = prefix;
    prefixes->count++;
    return prefix;
}

void
prefixes_count(struct prefixes *prefixes, struct span key, enum operation what, bool hit)
{
    const char    *end = memchr(key.at, prefixes->delimiter, key.length);
    struct prefix *prefix;

    if (end == NULL)
        return;
    lock_take(&prefixes->lock);
    prefix = find_locked(prefixes, (struct span){ key.at, (size_t)(end - key.at) });
    if (prefix != NULL) {
        prefix->gets += what == OP_GET;
        prefix->hits += what == OP_GET && hit;
        prefix->sets += what == OP_STORE;
        prefix->deletes += what == OP_DELETE;
    }
    lock_drop(&prefixes->lock);
}

void
prefixes_reset(struct prefixes *prefixes)
{
    lock_take(&prefixes->lock);
    for (size_t i = 0; i < sizeof(prefixes->list) / sizeof(prefixes->list[0]); i++) {
        struct prefix *next;

        for (; prefixes->list[i] != NULL; prefixes->list[i] = next) {
            next = prefixes->list[i]->next;
            free(prefixes->list[i]);
        }
    }
    prefixes->count = 0;
    atomic_store(&prefixes->rejected, 0);
    lock_drop(&prefixes->lock);
}

char *
prefixes_show(struct prefixes *prefixes, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    bool  whole;

    if (out == NULL)
        return NULL;
    lock_take(&prefixes->lock);
    for (size_t i = 0; i < sizeof(prefixes->list) / sizeof(prefixes->list[0]); i++) {
        for (struct prefix *p = prefixes->list[i]; p != NULL; p = p->next)
            fprintf(out, "PREFIX %.*s get %llu hit %llu set %llu del %llu\r\n", p->length,
                    p->text, (unsigned long long)p->gets, (unsigned long long)p->hits,
                    (unsigned long long)p->sets, (unsigned long long)p->deletes);
    }
    lock_drop(&prefixes->lock);
    whole = !ferror(out);
    if (fclose(out) != 0 || !whole) {
        free(text);
        return NULL;
    }
    return text;
}
