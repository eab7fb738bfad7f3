/* protocol/tell.h - telling watchers what came of a request. */
#ifndef LARDER_PROTOCOL_TELL_H
#define LARDER_PROTOCOL_TELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/events.h"
#include "protocol/exec.h"
#include "protocol/request.h"

/* Does anybody watch one of these, enum watch_kind? */
static inline bool
tell_is_wanted(const struct executor *executor, uint32_t kinds)
{
    return atomic_load_explicit(executor->host->watched, memory_order_relaxed) & kinds;
}

void tell_watched_request(const struct executor *executor, const struct request *request,
                          const struct result *result);

/* Tell of look-ups, stores and deletes, if anybody wants to know. */
static inline void
tell_request(const struct executor *executor, const struct request *request,
             const struct result *result)
{
    if (tell_is_wanted(executor, WATCH_FETCHERS | WATCH_MUTATIONS | WATCH_DELETIONS))
        tell_watched_request(executor, request, result);
}

#endif
