/* server/printable.h - which bytes may go to a terminal or a log as they are.
 *
 * Threads: any.
 */
#ifndef LARDER_SERVER_PRINTABLE_H
#define LARDER_SERVER_PRINTABLE_H

#include <stddef.h>

#include "slabs/span.h"

/* The bytes of the character that `text`, which is not empty, begins with; 0: it is none of
 * UTF-8, or is not to be printed. Source: RFC 3629, section 4. */
size_t printable_length(struct span text);

#endif
