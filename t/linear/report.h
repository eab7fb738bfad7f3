/* t/linear/report.h - shows a violation: the fewest operations that no order explains. */
#ifndef LARDER_T_LINEAR_REPORT_H
#define LARDER_T_LINEAR_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "t/linear/search.h"

/* `found` is where a search of these operations ended; it is used up, for `s` searches on. */
void report_violation(FILE *to, struct search *s, const struct search_end *found,
                      const struct op *const *ops, size_t count);

#endif
