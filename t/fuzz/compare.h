/* t/fuzz/compare.h - a dialogue must not depend on how its bytes come and go.
 *
 * Two worlds that were made alike go through the same dialogue: in one all bytes come at
 * once and all is taken at once, in the other it goes by a schedule. What the clients are
 * sent must be the same bytes. So that evictions, which do depend on the way, play no part,
 * the worlds are large and made anew from time to time.
 */
#ifndef LARDER_T_FUZZ_COMPARE_H
#define LARDER_T_FUZZ_COMPARE_H

#include "t/fuzz/client.h"

enum { COMPARE_CLIENTS = 4 };

struct compare {
    struct schedule straight, scheduled;
    struct client   client[COMPARE_CLIENTS], other[COMPARE_CLIENTS];
    bool            over; /* the two have parted for a reason that is allowed */
    bool            wants_to_be_alone;
};

/* The bytes of `schedule` are not copied. */
void compare_begin(struct compare *compare, struct schedule schedule, unsigned terms);
/* These bytes are on the way from this client. They are not copied. */
void compare_send(struct compare *compare, unsigned client, struct span bytes);
/* All that is on the way arrives and is answered, in both worlds, and compared. */
void compare_rest(struct compare *compare, unsigned client);
/* The client leaves, and another comes. */
void compare_reopen(struct compare *compare, unsigned client);
void compare_shift(struct compare *compare, int32_t seconds);
void compare_end(struct compare *compare);
/* world_check() on the worlds that are there, between two inputs. */
void compare_check(void);

#endif
