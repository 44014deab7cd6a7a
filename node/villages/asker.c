/* One thread a village: asks it how it stands, and tells it where the front is. It waits for that
 * village and for nobody else; a question is given up after ANSWER_S. */
#include "common/base/util.h"
#include "common/control.h"
#include "node/villages/villages.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_S 3
#define HURRY_MS 200 /* while it is starting */
#define WORD_BYTES_MAX 16384

static char *ask(const struct lm_village *v, int port, int mark)
{
    static char introduce[] = "introduce", port_option[] = "--port", mark_option[] = "--mark";
    char port_text[16], mark_text[16], *said = NULL, *complaint = NULL;
    char *argv[] = {introduce, port_option, port_text, mark_option, mark_text};
    size_t n = 0, complaint_n = 0;
    struct lm_error ignored;
    int code = LM_EXIT_FAILED;
    FILE *out = open_memstream(&said, &n), *err = open_memstream(&complaint, &complaint_n);
    enum lm_status st = LM_ERR_MEMORY;

    (void)snprintf(port_text, sizeof port_text, "%d", port);
    (void)snprintf(mark_text, sizeof mark_text, "%d", mark);
    if (out && err) {
        st = lm_control_call_to(v->path, 5, argv, NULL, ANSWER_S, out, err, &code, &ignored);
    }
    if (out) {
        (void)fclose(out);
    }
    if (err) {
        (void)fclose(err);
    }
    free(complaint);
    if (st != LM_OK || code != LM_EXIT_OK || n > WORD_BYTES_MAX) {
        free(said);
        return NULL;
    }
    return said;
}

static int port_of(const char *word)
{
    json_t *doc = json_loads(word, 0, NULL);
    int port = lm_village_port(json_string_value(json_object_get(doc, "http")));

    json_decref(doc);
    return port;
}

/* Under the mutex. */
static void wait_a_while(struct lm_village *v)
{
    struct timespec until;
    int64_t ms = v->heard_ms ? LM_VILLAGE_ASK_MS : HURRY_MS;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&v->all->wake, &v->all->mutex, &until);
}

static void *run(void *arg)
{
    struct lm_village *v = arg;
    struct lm_villages *all = v->all;

    pthread_mutex_lock(&all->mutex);
    while (!v->stopping) {
        pid_t pid = v->pid;
        bool runs = pid || v->foreign;
        int mark = all->n > 1 ? v->mark : 0;

        if (runs) {
            char *word;
            int port;

            pthread_mutex_unlock(&all->mutex);
            word = ask(v, all->port, mark);
            port = word ? port_of(word) : 0;
            pthread_mutex_lock(&all->mutex);
            if (word && v->pid == pid) { /* the one that was asked is still there */
                free(v->word);
                v->word = word;
                v->heard_ms = lm_clock_mono_ms();
                v->port = port;
                memset(&v->why, 0, sizeof v->why);
            } else {
                free(word);
            }
        }
        if (!v->stopping) {
            wait_a_while(v);
        }
    }
    pthread_mutex_unlock(&all->mutex);
    return NULL;
}

enum lm_status lm_asker_start(struct lm_village *village, struct lm_error *err)
{
    if (pthread_create(&village->asker, NULL, run, village) != 0) {
        return lm_fail(err, LM_ERR_INTERNAL, "internal", "", "不能启动线程，请检查系统资源。",
                       "A thread could not be started; check the system's resources.");
    }
    village->asked = true;
    return LM_OK;
}

void lm_asker_stop(struct lm_village *village)
{
    if (!village->asked) {
        return;
    }
    pthread_mutex_lock(&village->all->mutex);
    village->stopping = true;
    (void)pthread_cond_broadcast(&village->all->wake);
    pthread_mutex_unlock(&village->all->mutex);
    (void)pthread_join(village->asker, NULL);
    village->asked = false;
}
