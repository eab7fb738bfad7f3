/* t/stress/reply.h - takes replies apart, to the byte.
 */
#ifndef LARDER_T_STRESS_REPLY_H
#define LARDER_T_STRESS_REPLY_H

#include "t/stress/world.h"

/* Works through what was received. Silent requests are done once a later one is answered. */
void client_check(struct client *c);

#endif
