/* protocol/number.h - numbers as the protocols write them.
 *
 * All of these read exactly the span that they are given; the source of the rules is
 * memcached 1.6.45. "Strict" numbers are digits only, may have leading zeros, and are
 * limited in length as well as in range; signed ones may have one leading minus, and a
 * minus alone means 0. "Lenient" ones are what C's strtoul and strtol take: white space
 * and a plus sign may lead, white space ends them.
 */
#ifndef LARDER_PROTOCOL_NUMBER_H
#define LARDER_PROTOCOL_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "slabs/span.h"

bool number_strict_u64(struct span text, uint64_t *number); /* at most 22 characters */
bool number_strict_u32(struct span text, uint32_t *number); /* at most 11 */
bool number_strict_i32(struct span text, int32_t *number);  /* at most 11 */

/* Client flags and expiry of the storage commands: 64 bits are read, and cut to 32. */
bool number_lenient_flags(struct span text, uint32_t *number);
bool number_lenient_expiry(struct span text, int32_t *number);

#endif
