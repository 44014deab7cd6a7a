/* Which folders are villages: those with the key of an enrolment that was answered. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "node/villages/villages.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKS_FILE "villages.json"
#define MARKS_BYTES_MAX (64 * 1024)

/* ---- marks ---- */

static void read_marks(struct lm_villages *all)
{
    char path[PATH_MAX], *text = NULL;
    struct lm_error err = {0};
    json_t *doc;
    size_t n = 0;
    enum lm_status st = lm_datadir_path(&all->folder, MARKS_FILE, path, sizeof path);

    if (st == LM_OK) {
        st = lm_file_read(path, MARKS_BYTES_MAX, &text, &n, &err);
    }
    doc = st == LM_OK ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!lm_village_marks_read(doc, &all->marks) && st != LM_ERR_NOT_FOUND) {
        lm_log(LM_LOG_WARN, "villages",
               MARKS_FILE " cannot be read: ports and colours are given anew");
    }
    json_decref(doc);
    free(text);
}

/* Without the file they are given anew at the next start, to whoever comes first. */
static void write_marks(struct lm_villages *all)
{
    char path[PATH_MAX];
    struct lm_error err = {0};
    json_t *doc = lm_village_marks_json(&all->marks);
    char *text = doc ? json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;

    if (!text || lm_datadir_path(&all->folder, MARKS_FILE, path, sizeof path) != LM_OK ||
        lm_file_write(path, text, strlen(text), 0600, &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "villages", MARKS_FILE " was not written: %s", err.en);
    }
    free(text);
    json_decref(doc);
}

/* ---- the list ---- */

static struct lm_village *find(const struct lm_villages *all, const char *folder)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->at[i]->folder, folder) == 0) {
            return all->at[i];
        }
    }
    return NULL;
}

/* Whether it is one: enrolled, or with a key that cannot be read, which its own program then says.
 */
static bool read_key(const char *path, struct lm_node_key *key)
{
    struct lm_datadir dir = {.lock_fd = -1};
    struct lm_error err = {0};

    memset(key, 0, sizeof *key);
    (void)snprintf(dir.path, sizeof dir.path, "%s", path);
    return lm_node_key_enrolled(&dir, key, &err) == LM_OK || strcmp(err.code, "not_enrolled") != 0;
}

static void say_too_many(struct lm_villages *all, const char *folder)
{
    if (!all->too_many) {
        lm_log(LM_LOG_ERROR, "villages",
               "%s is left out: one PC serves at most %d villages / 一台电脑最多 %d 个村", folder,
               LM_VILLAGES_MAX, LM_VILLAGES_MAX);
    }
    all->too_many = true;
}

static enum lm_status add(struct lm_villages *all, const char *folder, const char *path,
                          bool *marks_changed, struct lm_error *err)
{
    struct lm_node_key key;
    struct lm_village *village;
    bool changed = false;
    int mark;

    if (!read_key(path, &key)) {
        lm_node_key_wipe(&key);
        return LM_OK;
    }
    mark = all->n < LM_VILLAGES_MAX ? lm_village_mark_take(&all->marks, folder, &changed) : 0;
    *marks_changed = *marks_changed || changed;
    village = mark ? calloc(1, sizeof *village) : NULL;
    if (village) {
        village->all = all;
        village->mark = mark;
        village->err_fd = -1;
        (void)snprintf(village->folder, sizeof village->folder, "%s", folder);
        (void)snprintf(village->path, sizeof village->path, "%s", path);
        (void)snprintf(village->station, sizeof village->station, "%s", key.station);
        (void)snprintf(village->name, sizeof village->name, "%s",
                       key.station_name[0] ? key.station_name : folder);
    }
    lm_node_key_wipe(&key);
    if (!mark) {
        say_too_many(all, folder);
        return LM_OK;
    }
    if (!village) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    pthread_mutex_lock(&all->mutex);
    all->at[all->n++] = village;
    pthread_mutex_unlock(&all->mutex);
    return lm_asker_start(village, err);
}

static bool is_village_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum lm_status lm_villages_look(struct lm_villages *all, struct lm_error *err)
{
    struct dirent **list = NULL;
    bool first = all->n == 0, changed = false;
    int n;
    enum lm_status st = LM_OK;

    if (first) {
        read_marks(all);
    }
    for (size_t i = 0; i < all->n; i++) {
        all->at[i]->leaving = !is_village_folder(all->at[i]->path);
    }
    n = scandir(all->folder.path, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *folder = list[i]->d_name;
        char path[PATH_MAX];

        if (st == LM_OK && folder[0] != '.' && lm_utf8_valid(folder, strlen(folder), NULL) &&
            !lm_utf8_has_control(folder, strlen(folder)) &&
            (size_t)snprintf(path, sizeof path, "%s/%s", all->folder.path, folder) < sizeof path &&
            !find(all, folder) && is_village_folder(path)) {
            st = add(all, folder, path, &changed, err);
        }
        free(list[i]);
    }
    free(list);
    if (changed) {
        write_marks(all);
    }
    return st;
}

void lm_villages_forget(struct lm_villages *all, struct lm_village *village)
{
    pthread_mutex_lock(&all->mutex);
    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i] == village) {
            all->at[i] = all->at[--all->n];
            break;
        }
    }
    pthread_mutex_unlock(&all->mutex);
    lm_asker_stop(village);
    lm_village_mark_leave(&all->marks, village->folder);
    if (village->err_fd >= 0) {
        (void)close(village->err_fd);
    }
    free(village->word);
    free(village);
}
