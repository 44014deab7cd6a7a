/* Backups from the page, for the administrator (GET and POST backups). One at a time, made by the
 * code of the command (lm_hub_backup, backup-noted) on a thread of its own, so that nobody at the
 * page waits for it.
 *
 * Where it goes is the operator's: the folder that `serve --backups` names, and a file whose name
 * is made here, beginning with the time and never taking the place of another. Nothing of a request
 * becomes part of a path, and how many files a folder takes is bounded: an administrator's password
 * in wrong hands writes nothing elsewhere and fills no disk. The audit log has who asked before it
 * begins, and how it ended; what a request reads is under the mutex, the rest is the thread's. */
#include "common/base/log.h"
#include "hub/api/api.h"
#include "hub/program.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NOTE_TIMEOUT_S 60
#define LAST_LOOKED_AT 50 /* rows of the log, to find the newest backup that was made */

static const char prefix[] = "hub-", suffix[] = ".db";

struct lm_town_backup {
    const struct lm_hub *hub;
    pthread_mutex_t mutex;
    pthread_t thread;
    bool joinable; /* the HTTP thread's */
    /* under the mutex; file, user and began_ms do not change while it runs: */
    bool running, known; /* known: the last one that was asked for here has ended, like this: */
    char file[PATH_MAX], user[4 * LM_USER_CHARS_MAX + 1];
    int64_t began_ms, ended_ms, bytes;
    enum lm_status status;
    struct lm_error err;
};

/* ---- the thread ---- */

/* The writer notes it, as for the command: there it also gets its row in the audit log. */
static enum lm_status note(const struct lm_town_backup *b, struct lm_backup_words *words,
                           struct lm_error *err)
{
    static char user_option[] = "--user";
    char user[sizeof b->user], *text = NULL;
    char *argv[] = {words->argv[0],
                    words->argv[1],
                    words->argv[2],
                    words->argv[3],
                    words->argv[4],
                    user_option,
                    user};
    size_t n = 0;
    FILE *said = open_memstream(&text, &n);
    int code = 1;
    enum lm_status st;

    if (!said) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    (void)snprintf(user, sizeof user, "%s", b->user);
    st =
        lm_control_call_to(b->hub->dir.path, 7, argv, NULL, NOTE_TIMEOUT_S, said, said, &code, err);
    (void)fclose(said);
    if (st != LM_OK || code != 0) {
        lm_log(LM_LOG_WARN, "backup", "made but not noted: %s", st != LM_OK ? err->en : text);
        st =
            lm_fail(err, LM_ERR_IO, "not_noted", "", "备份文件已经做好，但没能登记。请再备份一次。",
                    "The file was made, but could not be noted. Make another backup.");
    }
    free(text);
    return st;
}

static void tell_failure(const struct lm_town_backup *b, const struct lm_error *why)
{
    char detail[120];
    struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                   .user = b->user,
                                   .role = "admin",
                                   .what = "backup",
                                   .object = b->file,
                                   .reason = "",
                                   .detail = detail};
    struct lm_audit *audit = NULL;
    struct lm_error ignored = {0};

    (void)snprintf(detail, sizeof detail, "failed: %.80s", why->code);
    if (lm_audit_open(&b->hub->dir, &audit, &ignored) != LM_OK ||
        lm_audit_add(audit, &entry, &ignored) != LM_OK) {
        lm_log(LM_LOG_WARN, "backup", "the audit log does not have its failure: %s", ignored.en);
    }
    lm_audit_close(&audit);
}

static void *work(void *arg)
{
    struct lm_town_backup *b = arg;
    struct lm_backup_words words;
    struct lm_error err = {0};
    enum lm_status st = lm_hub_backup(b->hub, b->file, &words, &err);

    if (st == LM_OK) {
        st = note(b, &words, &err);
    }
    if (st != LM_OK) {
        tell_failure(b, &err);
    }
    pthread_mutex_lock(&b->mutex);
    b->status = st;
    b->err = err;
    b->bytes = (int64_t)words.made.bytes;
    b->ended_ms = lm_clock_wall_ms();
    b->known = true;
    b->running = false;
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static void join(struct lm_town_backup *b)
{
    if (b->joinable) {
        (void)pthread_join(b->thread, NULL);
        b->joinable = false;
    }
}

void lm_town_backup_free(struct lm_town_backup **b)
{
    if (*b) {
        join(*b); /* a copy is made to its end: half a minute for a large town */
        pthread_mutex_destroy(&(*b)->mutex);
        free(*b);
        *b = NULL;
    }
}

/* ---- what there is ---- */

static json_t *time_text(int64_t ms)
{
    char text[LM_TIME_TEXT + 8];

    lm_time_format(ms, text);
    return json_string(text);
}

/* The newest that was made, checked and noted, by the page or by command; null: none, or none since
 * a restore. The database has when, the log where. */
static enum lm_status newest_one(struct lm_api_call *call, json_t **out)
{
    json_t *log = NULL, *row;
    size_t i;
    int64_t at_ms = 0;
    struct stat info;
    enum lm_status st = lm_store_backup_ms(call->api->store, &at_ms, &call->err);

    *out = json_null();
    if (st != LM_OK || at_ms <= 0) {
        return st;
    }
    *out = json_pack("{s:o,s:b}", "at", time_text(at_ms), "checked", 1);
    st = lm_audit_list(call->api->audit, "backup", NULL, 0, LAST_LOOKED_AT, &log, &call->err);
    json_array_foreach(json_object_get(log, "rows"), i, row)
    {
        const char *detail = json_string_value(json_object_get(row, "detail"));
        const char *file = json_string_value(json_object_get(row, "object"));

        if (strncmp(detail, "done", 4) == 0) {
            bool there = stat(file, &info) == 0 && S_ISREG(info.st_mode);

            (void)json_object_set(*out, "file", json_object_get(row, "object"));
            (void)json_object_set(*out, "user", json_object_get(row, "user"));
            (void)json_object_set_new(*out, "there", json_boolean(there));
            (void)json_object_set_new(*out, "bytes",
                                      there ? json_integer((json_int_t)info.st_size) : json_null());
            break;
        }
    }
    json_decref(log);
    return st;
}

/* How the one that was asked for here stands, into doc. */
static void put_run(struct lm_town_backup *b, json_t *doc)
{
    pthread_mutex_lock(&b->mutex);
    if (b->running) {
        (void)json_object_set_new(doc, "running",
                                  json_pack("{s:s,s:s,s:o}", "file", b->file, "user", b->user,
                                            "since", time_text(b->began_ms)));
    } else if (b->known) {
        json_t *error = b->status == LM_OK ? json_null() : lm_error_json(&b->err);

        (void)json_object_set_new(doc, "result",
                                  json_pack("{s:s,s:s,s:o,s:I,s:o}", "file", b->file, "user",
                                            b->user, "at", time_text(b->ended_ms), "bytes",
                                            (json_int_t)b->bytes, "error", error));
    }
    pthread_mutex_unlock(&b->mutex);
}

/* GET backups → {"folder","newest","running","result"}, each null where there is none. */
enum lm_status lm_town_backups(struct lm_api_call *call)
{
    const char *folder = call->api->server->backups;
    json_t *newest = NULL;
    enum lm_status st = newest_one(call, &newest);

    call->answer =
        json_pack("{s:o,s:o,s:n,s:n}", "folder", folder ? json_string(folder) : json_null(),
                  "newest", newest, "running", "result");
    if (st == LM_OK && call->answer && call->api->backup) {
        put_run(call->api->backup, call->answer);
    }
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* ---- making one ---- */

static int64_t size_of(const struct lm_datadir *dir, const char *name)
{
    char path[PATH_MAX];
    struct stat info;

    return lm_datadir_path(dir, name, path, sizeof path) == LM_OK && stat(path, &info) == 0
               ? (int64_t)info.st_size
               : 0;
}

static enum lm_status fits(const struct lm_hub *hub, const char *folder, struct lm_error *err)
{
    int64_t room = lm_free_bytes(folder);
    int64_t wanted = size_of(&hub->dir, "hub.db") + size_of(&hub->dir, "hub.db-wal") +
                     size_of(&hub->dir, "audit.db") + LM_FREE_BYTES_MIN;
    struct dirent *entry;
    DIR *dir = opendir(folder);
    size_t n = 0;

    if (!dir) {
        return lm_fail(err, LM_ERR_INVALID, "no_folder", "", "备份文件夹打不开，请技术员检查：%s。",
                       "The folder for backups cannot be opened: %s.", folder);
    }
    while ((entry = readdir(dir)) != NULL) {
        size_t chars = strlen(entry->d_name);

        n += strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0 && chars > sizeof suffix &&
             strcmp(entry->d_name + chars - (sizeof suffix - 1), suffix) == 0;
    }
    (void)closedir(dir);
    if (n >= LM_TOWN_BACKUPS_MAX) {
        return lm_fail(err, LM_ERR_EXISTS, "too_many", "",
                       "备份文件夹里已有 %zu 份备份，请技术员把旧的移走再备份。",
                       "There are %zu backups in the folder: have the old ones moved away.", n);
    }
    return room < 0 || room >= wanted
               ? LM_OK
               : lm_fail(err, LM_ERR_FULL, "disk_full", "",
                         "备份文件夹所在的磁盘空间不够：要 %lld MB，还有 %lld MB。",
                         "Not enough space for a backup: %lld MB are needed, %lld MB are free.",
                         (long long)(wanted >> 20), (long long)(room >> 20));
}

/* Its name: when, by the clock on the wall here (UTC+8). */
static bool name_it(const char *folder, int64_t now_ms, char out[PATH_MAX])
{
    time_t seconds = (time_t)(now_ms / 1000 + 8 * 3600);
    struct tm tm;
    char at[32];

    return gmtime_r(&seconds, &tm) && strftime(at, sizeof at, "%Y%m%d-%H%M%S", &tm) > 0 &&
           snprintf(out, PATH_MAX, "%s/%s%s-%03d%s", folder, prefix, at, (int)(now_ms % 1000),
                    suffix) < PATH_MAX;
}

static enum lm_status begin(struct lm_api_call *call, struct lm_town_backup *b, const char *folder)
{
    bool running;
    enum lm_status st;

    pthread_mutex_lock(&b->mutex);
    running = b->running;
    pthread_mutex_unlock(&b->mutex);
    if (running) {
        return lm_fail(&call->err, LM_ERR_EXISTS, "running", "", "正在备份，请等这一份做完。",
                       "A backup is being made: wait for it.");
    }
    join(b);
    st = fits(b->hub, folder, &call->err);
    if (st != LM_OK) {
        return st;
    }
    b->began_ms = lm_clock_wall_ms();
    b->known = false;
    (void)snprintf(b->user, sizeof b->user, "%s", call->session->user);
    if (!name_it(folder, b->began_ms, b->file)) {
        return lm_fail(&call->err, LM_ERR_LIMIT, "path_too_long", "", "路径太长。",
                       "The path is too long.");
    }
    st = lm_town_log(call, "backup", b->file, "", "begun"); /* before it is there */
    if (st != LM_OK) {
        return st;
    }
    b->running = true;
    if (pthread_create(&b->thread, NULL, work, b) != 0) {
        b->running = false;
        return lm_api_no_memory(call);
    }
    b->joinable = true;
    return LM_OK;
}

/* POST backups {}: begins one, and answers as GET does. */
enum lm_status lm_town_backup_make(struct lm_api_call *call)
{
    struct lm_api *api = call->api;
    const char *folder = api->server->backups;
    enum lm_status st;

    if (!folder) {
        return lm_fail(&call->err, LM_ERR_INVALID, "no_folder", "",
                       "还没有指定备份放在哪里：请技术员用 serve --backups 文件夹 启动中心程序。",
                       "No folder for backups: start the hub with serve --backups DIR.");
    }
    if (!api->backup) {
        api->backup = calloc(1, sizeof *api->backup);
        if (!api->backup) {
            return lm_api_no_memory(call);
        }
        api->backup->hub = api->server->hub;
        pthread_mutex_init(&api->backup->mutex, NULL);
    }
    st = begin(call, api->backup, folder);
    return st == LM_OK ? lm_town_backups(call) : st;
}
