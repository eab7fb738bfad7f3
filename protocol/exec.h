/* protocol/exec.h - running requests.
 *
 * request + cache -> result. Knows nothing of text, meta or binary; counts what the
 * commands count.
 */
#ifndef LARDER_PROTOCOL_EXEC_H
#define LARDER_PROTOCOL_EXEC_H

#include "protocol/counters.h"
#include "protocol/host.h"
#include "protocol/request.h"

/* What the requests of one worker are run with. */
struct executor {
    struct cache           *cache;
    struct cache_thread    *thread;
    const struct host      *host;
    int                     client; /* descriptor of who asks just now, for watchers */
    void                   *ring;   /* where host.tell writes to                     */
    struct command_counters counters;
};

/* Run one request. A store whose value is arriving is begun instead: the result is
 * CACHE_OK and the upload is open, or says why not. OP_SAY, OP_QUIT and OP_STATS do
 * nothing here. */
void exec_request(struct executor *executor, const struct request *request,
                  struct cache_upload *upload, struct result *result);

/* There is no memory to wait for the value of a store that was begun: end it. */
void exec_refuse(struct executor *executor, const struct request *request,
                 struct cache_upload *upload, struct result *result);

/* The value of a store has arrived; end the upload and the request. */
void exec_commit(struct executor *executor, const struct request *request,
                 struct cache_upload *upload, struct result *result);

#endif
