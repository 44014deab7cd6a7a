/* Jobs from the HTTP thread to the writer. */
#include "common/base/log.h"
#include "hub/server.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum lm_status lm_server_desk_open(struct lm_server *server, struct lm_error *err)
{
    struct lm_server_desk *desk = &server->desk;

    pthread_mutex_init(&desk->mutex, NULL);
    pthread_cond_init(&desk->done, NULL);
    desk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return desk->fd >= 0 ? LM_OK
                         : lm_fail(err, LM_ERR_INTERNAL, "internal", "", "无法建立内部通道。",
                                   "No channel can be made inside the program.");
}

enum lm_status lm_server_do(struct lm_server *server, lm_server_job job, void *arg,
                            struct lm_error *err)
{
    struct lm_server_desk *desk = &server->desk;
    enum lm_status status;

    pthread_mutex_lock(&desk->mutex);
    desk->job = job;
    desk->arg = arg;
    desk->err = err;
    desk->status = LM_OK;
    if (!desk->closed && eventfd_write(desk->fd, 1) == 0) {
        while (desk->job && !desk->closed) {
            pthread_cond_wait(&desk->done, &desk->mutex);
        }
    }
    status = desk->status;
    if (desk->job) {
        desk->job = NULL;
        status = lm_fail(err, LM_ERR_BUSY, "ending", "", "服务程序正在停止，请稍后再试。",
                         "The server is ending; try again later.");
    }
    pthread_mutex_unlock(&desk->mutex);
    return status;
}

static enum lm_status run(struct lm_server *server, lm_server_job job, void *arg,
                          struct lm_error *err)
{
    struct lm_store *store = server->hub->store;
    enum lm_status status = lm_store_may_write(store, err);

    if (status == LM_OK) {
        status = lm_store_begin(store, err);
    }
    if (status != LM_OK) {
        return status;
    }
    status = job(server->hub, arg, err);
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    } else {
        lm_store_rollback(store);
    }
    if (lm_store_broken(store)) { /* P2: what was not durable is not told; the process ends */
        lm_log(LM_LOG_ERROR, "serve", "the page's COMMIT failed for I/O; ending");
        server->failed = true;
    }
    return status;
}

void lm_server_desk_run(struct lm_server *server)
{
    struct lm_server_desk *desk = &server->desk;
    eventfd_t ignored;

    (void)eventfd_read(desk->fd, &ignored);
    pthread_mutex_lock(&desk->mutex);
    if (desk->job) {
        lm_server_job job = desk->job;

        pthread_mutex_unlock(&desk->mutex); /* its owner only waits */
        desk->status = run(server, job, desk->arg, desk->err);
        lm_server_news(server);
        pthread_mutex_lock(&desk->mutex);
        desk->job = NULL;
        pthread_cond_signal(&desk->done);
    }
    pthread_mutex_unlock(&desk->mutex);
}

void lm_server_desk_close(struct lm_server *server)
{
    struct lm_server_desk *desk = &server->desk;

    pthread_mutex_lock(&desk->mutex);
    desk->closed = true;
    pthread_cond_signal(&desk->done);
    pthread_mutex_unlock(&desk->mutex);
}

void lm_server_desk_free(struct lm_server *server)
{
    if (server->desk.fd >= 0) {
        (void)close(server->desk.fd);
    }
    pthread_cond_destroy(&server->desk.done);
    pthread_mutex_destroy(&server->desk.mutex);
}
