/* t/stress/value.h - values whose every byte can be checked, and the check.
 *
 * A value is one whole part (set), with prepended parts before it and appended ones behind.
 * All bytes of a part follow from its header, and the header carries a check of itself: so a
 * reader compares with what must be there, which is stricter than a checksum of what is.
 */
#ifndef LARDER_T_STRESS_VALUE_H
#define LARDER_T_STRESS_VALUE_H

#include "t/stress/world.h"

enum place { PART_WHOLE, PART_BEFORE, PART_AFTER }; /* set, prepended, appended */

/* The header of a part. The bytes behind it are drawn from dice that `check` seeds. */
struct part {
    uint64_t key;      /* hash of the key's name                              */
    uint32_t length;   /* header and what follows                             */
    uint16_t place;    /* enum place                                          */
    uint16_t writer;   /* client                                              */
    uint64_t sequence; /* of the writer; raced keys: the chain                */
    uint64_t number;   /* raced keys: the version; others: the TTL            */
    uint64_t check;
};
_Static_assert(sizeof(struct part) == 40, "a part's header has no padding");

enum { TINY_MAX = 47, PART_MIN = sizeof(struct part) };

/* What a value turned out to be. */
struct value {
    struct part whole;
    uint64_t    newest; /* highest sequence number of its parts                    */
    unsigned    parts;
};

/* Writes the bytes that seed `from` stands for. */
void bytes_draw(uint64_t from, char *to, size_t length);

/* The offset of the first byte that is not as drawn; `length` if all are. */
size_t bytes_verify(uint64_t from, const char *data, size_t length);

/* Writes a part, all but `check` of whose header is given. */
void part_write(const struct world *w, struct part p, char *to);

/* The client flags that belong to a value; often 0, which the server may treat apart. */
uint32_t flags_for(const struct world *w, uint64_t what);

/* Parses one part; false, after a complaint, if a byte is wrong. */
bool part_read(struct client *c, const struct request *r, const struct key *key,
               uint64_t hash, const char *data, size_t left, struct part *p);

/* Reads a value made of parts, as owned and shared keys have. */
bool value_read(struct client *c, const struct request *r, const struct key *key,
                const char *data, size_t length, struct value *v);

/* Was the main part written before a flush that was over when the value was asked for?
 * Complains if so. */
bool value_is_flushed(struct client *c, const struct request *r, const struct wanted *q,
                      const struct value *v);

/* The seed of a tiny key's bytes, which have no header. */
uint64_t tiny_seed(const struct world *w, struct key key, size_t length);

#endif
