/* protocol/tell.h - telling watchers what came of a request. */
#ifndef LARDER_PROTOCOL_TELL_H
#define LARDER_PROTOCOL_TELL_H

#include "protocol/exec.h"
#include "protocol/request.h"

/* Tell of look-ups, stores and deletes, if anybody wants to know. */
void tell_request(const struct executor *executor, const struct request *request,
                  const struct result *result);

#endif
