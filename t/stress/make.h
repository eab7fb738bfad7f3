/* t/stress/make.h - requests: what is asked, written into a client's output.
 *
 * Every request leaves a `struct request` behind, in the order in which the server will
 * answer, with all that its reply must be checked against.
 */
#ifndef LARDER_T_STRESS_MAKE_H
#define LARDER_T_STRESS_MAKE_H

#include "t/stress/world.h"

/* Room for so many bytes at the end of the buffer, which may move. */
char *buffer_reserve(struct buffer *b, size_t room);

/* May a burst be made, or are too many requests pending? */
bool client_has_room(const struct client *c);

/* A request that is one word. */
void make_word(struct client *c, enum op op);

/* A random number of requests; the last one has a reply. There must be room. */
void make_burst(struct client *c);

/* The n-th key that this client reads in the last phase. */
bool sweep_key(const struct client *c, uint64_t n, struct key *key);

#endif
