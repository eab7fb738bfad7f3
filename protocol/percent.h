/* protocol/percent.h - keys as text: all but letters, digits and -._~ as %XX (RFC 3986). */
#ifndef LARDER_PROTOCOL_PERCENT_H
#define LARDER_PROTOCOL_PERCENT_H

#include "slabs/span.h"

/* Bytes that encoding n bytes takes at most. */
#define PERCENT_ROOM(n) (3 * (n))

/* Write the text at `to`; its end is returned. */
char *percent_encode(char *to, struct span bytes);

#endif
