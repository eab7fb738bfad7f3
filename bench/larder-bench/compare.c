/* bench/larder-bench/compare.c - see compare.h. */
#include "bench/larder-bench/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/larder-bench/fail.h"
#include "bench/larder-bench/options.h"
#include "bench/larder-bench/server.h"

/* The one that is being measured, for the message if it ends: fail() has no arguments to give. */
static struct server *measuring;

static void
abandon(void)
{
    if (measuring != NULL)
        server_abandon(measuring);
}

/* The one server of --server, as one that runs already. */
static void
init_only(struct server *server, const struct plan *plan)
{
    char name[256];

    address_name(&plan->address, name, sizeof(name));
    *server = (struct server){ .plan = *plan, .address = plan->address, .said = -1 };
    server->name = strdup(name);
    if (server->name == NULL)
        fail("no memory");
}

static void
measure(struct server *server, struct measured *measured)
{
    struct cpu_time unused;

    measuring = server;
    server_start(server);
    if (server->plan.pid != 0)
        server->pid = (pid_t)server->plan.pid;
    if (server->plan.pid != 0 && !cpu_read(server->pid, &unused))
        fail("--pid: there is no process %d", (int)server->pid);
    load_measure(&server->plan, &server->address, server->name, server->pid, measured);
    server_stop(server);
    measuring = NULL;
}

void
compare_servers(const struct plan *plan, struct results *results)
{
    unsigned       count = plan->server_count > 0 ? plan->server_count : 1;
    struct server *servers = allot(count, sizeof(*servers));

    *results = (struct results){ .servers = count, .rounds = (unsigned)plan->rounds };
    for (unsigned i = 0; i < count; i++) {
        if (plan->server_count > 0)
            server_init(&servers[i], plan, plan->servers[i]);
        else
            init_only(&servers[i], plan);
        results->names[i] = strdup(servers[i].name);
        results->measured[i] = allot(plan->rounds, sizeof(struct measured));
    }
    fail_hint(abandon);
    if (plan->load_cpus != NULL && !cpu_pin(plan->load_cpus))
        options_refuse("--load-cpus: '%s' is no list of CPUs that are there",
                       plan->load_cpus);
    for (unsigned round = 0; round < results->rounds; round++) {
        for (unsigned i = 0; i < count; i++)
            measure(&servers[i], &results->measured[i][round]);
    }
    for (unsigned i = 0; i < count; i++)
        server_fini(&servers[i]);
    free(servers);
}

void
compare_fini(struct results *results)
{
    for (unsigned i = 0; i < results->servers; i++) {
        free(results->measured[i]);
        free((char *)results->names[i]);
    }
}
