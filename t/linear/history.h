/* t/linear/history.h - operations and states as text, for people and for test files.
 *
 * A line is one operation; t/linear/histories explains the words. Values of up to
 * VALUE_HEAD printable bytes stand there as they are (a space as `_`), others as
 * `#length:hash:beginning`, which is enough to tell them apart.
 */
#ifndef LARDER_T_LINEAR_HISTORY_H
#define LARDER_T_LINEAR_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "t/linear/model.h"
#include "t/linear/op.h"

/* One line, its times in microseconds since `origin`. */
void history_print_op(FILE *to, const struct op *op, uint64_t origin);
void history_print_state(FILE *to, const struct state *s, uint64_t origin);

/* A line without its end; false where it says nothing that can be understood. */
bool history_parse_op(char *line, struct op *op);

#endif
