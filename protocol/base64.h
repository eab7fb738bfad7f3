/* protocol/base64.h - keys as base64 (RFC 4648, the standard alphabet with padding).
 *
 * Decoding is as lenient as memcached's: bytes outside the alphabet are skipped, and what
 * follows the first padded group is ignored.
 */
#ifndef LARDER_PROTOCOL_BASE64_H
#define LARDER_PROTOCOL_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "slabs/span.h"

/* Bytes that encoding n bytes takes. */
#define BASE64_ROOM(n) (((n) + 2) / 3 * 4)

/* Write the text at `to`; its end is returned. */
char *base64_encode(char *to, struct span bytes);
/* Write at most `room` bytes at `to`. False where the text is no base64, or decodes to
 * nothing, or to more. */
bool base64_decode(struct span text, char *to, size_t room, size_t *length);

#endif
