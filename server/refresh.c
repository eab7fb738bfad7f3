/* server/refresh.c - `refresh_certs`, carried out by the main thread. See refresh.h. */
#include "server/refresh.h"

#include <event2/event.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/server.h"
#include "server/wake.h"

/* What tells that a file is another one, or has been written to. */
static void
look_at(const char *path, struct refresh_file *seen)
{
    struct stat is;

    *seen = (struct refresh_file){ 0 };
    if (path == NULL || stat(path, &is) != 0)
        return;
    seen->device = is.st_dev;
    seen->number = is.st_ino;
    seen->bytes = is.st_size;
    seen->changed_s = is.st_ctim.tv_sec;
    seen->changed_ns = is.st_ctim.tv_nsec;
}

/* Reading takes as long as a thousand requests, and who asks for it needs no permission. So
 * files that are as they were are not read again. One that has changed just now may change
 * once more without looking otherwise, and what has failed may have failed for another reason
 * than the files: that is tried again, but not at once. */
static bool
is_known(const struct refresh *refresh, const struct refresh_file seen[REFRESH_FILES])
{
    for (unsigned i = 0; i < REFRESH_FILES; i++) {
        if (memcmp(&seen[i], &refresh->seen[i], sizeof(seen[i])) != 0 ||
            seen[i].changed_s + 1 >= refresh->read_at_s)
            return false;
    }
    return refresh->answer == CERTIFICATES_OK || time(NULL) <= refresh->read_at_s + 1;
}

static enum certificates_status
refresh_now(struct server *server)
{
    struct refresh            *refresh = &server->refresh;
    const struct certificates *files = &server->certificates;
    const char *const          paths[] = { files->chain, files->key, files->ca };
    struct refresh_file        seen[REFRESH_FILES];

    for (unsigned i = 0; i < REFRESH_FILES; i++)
        look_at(paths[i], &seen[i]);
    if (is_known(refresh, seen))
        return refresh->answer;
    memcpy(refresh->seen, seen, sizeof(seen));
    refresh->read_at_s = time(NULL);
    return server_reload_certificates(server);
}

static void
on_asked(evutil_socket_t fd, short what, void *arg)
{
    struct server           *server = arg;
    struct refresh          *refresh = &server->refresh;
    enum certificates_status answer;
    uint64_t                 asked;

    (void)what;
    if (read(fd, &asked, sizeof(asked)) != (ssize_t)sizeof(asked))
        return;
    pthread_mutex_lock(&refresh->mutex);
    asked = refresh->asked;
    pthread_mutex_unlock(&refresh->mutex);
    answer = refresh_now(server);
    pthread_mutex_lock(&refresh->mutex);
    refresh->answer = answer;
    refresh->done = asked;
    pthread_cond_broadcast(&refresh->told);
    pthread_mutex_unlock(&refresh->mutex);
}

bool
refresh_start(struct refresh *refresh, struct server *server, struct event_base *base)
{
    pthread_mutex_init(&refresh->mutex, NULL);
    pthread_cond_init(&refresh->told, NULL);
    refresh->started = true;
    refresh->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (refresh->wake_fd < 0)
        return false;
    refresh->event =
        event_new(base, refresh->wake_fd, EV_READ | EV_PERSIST, on_asked, server);
    return refresh->event != NULL && event_add(refresh->event, NULL) == 0;
}

enum certificates_status
refresh_ask(struct refresh *refresh)
{
    enum certificates_status answer = CERTIFICATES_STOPPING;
    uint64_t                 mine;

    pthread_mutex_lock(&refresh->mutex);
    mine = ++refresh->asked;
    wake_up(refresh->wake_fd);
    while (refresh->done < mine && !refresh->closed)
        pthread_cond_wait(&refresh->told, &refresh->mutex);
    if (refresh->done >= mine)
        answer = refresh->answer;
    pthread_mutex_unlock(&refresh->mutex);
    return answer;
}

void
refresh_close(struct refresh *refresh)
{
    if (!refresh->started)
        return;
    pthread_mutex_lock(&refresh->mutex);
    refresh->closed = true;
    pthread_cond_broadcast(&refresh->told);
    pthread_mutex_unlock(&refresh->mutex);
}

void
refresh_fini(struct refresh *refresh)
{
    if (!refresh->started)
        return;
    if (refresh->event != NULL)
        event_free(refresh->event);
    if (refresh->wake_fd >= 0)
        close(refresh->wake_fd);
    pthread_mutex_destroy(&refresh->mutex);
    pthread_cond_destroy(&refresh->told);
    refresh->started = false;
}
