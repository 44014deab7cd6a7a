/* The stick: what goes to the town and what came back, backups of this PC and going back to one.
 * The page names a stick and a file of the list that GET usb gives; no other path is opened.
 *
 * What must be done by who holds the link (an import, a restore) goes to the server's loop through
 * the control socket, as a command's does; this thread waits for it. */
#include "node/api/api.h"

#include "node/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STICKS_MAX 8
#define FILES_MAX 200 /* of one kind on a stick */
#define WAIT_S 120    /* for the loop */
#define BACKUP_PREFIX "lm-backup-"

struct sticks {
    char paths[STICKS_MAX][PATH_MAX];
    size_t n;
};

/* ---- which there are ---- */

static bool is_folder(const char *path, dev_t *device)
{
    struct stat info;
    bool folder = lstat(path, &info) == 0 && S_ISDIR(info.st_mode);

    *device = folder ? info.st_dev : 0;
    return folder;
}

/* Folders below `root` where something else is mounted, down to `depth`; any: every folder. */
static void find_below(struct sticks *s, const char *root, int depth, bool any)
{
    dev_t here, there;
    struct dirent *entry;
    DIR *dir = is_folder(root, &here) ? opendir(root) : NULL;

    while (dir && s->n < STICKS_MAX && (entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];

        if (entry->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof path, "%s/%s", root, entry->d_name) >= sizeof path ||
            !is_folder(path, &there)) {
            continue;
        }
        if (any || there != here) {
            (void)snprintf(s->paths[s->n++], PATH_MAX, "%s", path);
        } else if (depth > 1) {
            find_below(s, path, depth - 1, any);
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
}

static void find_sticks(const struct lm_api *api, struct sticks *s)
{
    s->n = 0;
    if (api->sticks) {
        find_below(s, api->sticks, 1, true);
        return;
    }
    find_below(s, "/media", 2, false);
    find_below(s, "/run/media", 2, false);
    find_below(s, "/mnt", 1, false);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

/* name = prefix station "-" … : one stick may carry what is of several villages. */
static bool is_of(const char *name, const char *prefix, const char *station)
{
    size_t n = strlen(prefix), k = strlen(station);

    return strncmp(name, prefix, n) == 0 && strncmp(name + n, station, k) == 0 &&
           name[n + k] == '-';
}

static bool is_reply(const char *name, const char *station)
{
    return is_of(name, "lm-", station) && strstr(name, "-reply-") && ends_with(name, ".lmb");
}

static bool is_backup(const char *name, const char *station)
{
    return is_of(name, BACKUP_PREFIX, station) && ends_with(name, ".db");
}

/* Newest name last: names bear numbers and dates. */
static json_t *files_of(const char *path, const char *station,
                        bool (*wanted)(const char *name, const char *station))
{
    json_t *out = json_array();
    struct dirent **list = NULL;
    int n = scandir(path, &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (wanted(list[i]->d_name, station) && json_array_size(out) < FILES_MAX) {
            (void)json_array_append_new(out, json_string(list[i]->d_name));
        }
        free(list[i]);
    }
    free(list);
    return out;
}

enum lm_status lm_api_usb(struct lm_api_call *call)
{
    static _Thread_local struct sticks s;
    json_t *list;
    struct lm_me me;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st != LM_OK) {
        return st;
    }
    list = json_array();
    find_sticks(call->api, &s);
    for (size_t i = 0; i < s.n; i++) {
        const char *name = strrchr(s.paths[i], '/');

        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:o,s:o}", "path", s.paths[i], "name", name + 1,
                            "free_bytes", (json_int_t)lm_free_bytes(s.paths[i]), "replies",
                            files_of(s.paths[i], me.station, is_reply), "backups",
                            files_of(s.paths[i], me.station, is_backup)));
    }
    call->answer = json_pack("{s:o}", "sticks", list);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

/* The stick that the body names, if it is there. */
static enum lm_status take_stick(struct lm_api_call *call, const char **out)
{
    static _Thread_local struct sticks s;
    const char *path;
    enum lm_status st = lm_api_text(call, "stick", true, &path);

    *out = NULL;
    if (st != LM_OK) {
        return st;
    }
    find_sticks(call->api, &s);
    for (size_t i = 0; i < s.n; i++) {
        if (strcmp(s.paths[i], path) == 0) {
            *out = s.paths[i];
            return LM_OK;
        }
    }
    return lm_fail(&call->err, LM_ERR_NOT_FOUND, "no_stick", "stick",
                   "没有找到这个U盘，可能已被拔出。请插好后再试。",
                   "That stick is not there; it may have been pulled out.");
}

static enum lm_status take_file(struct lm_api_call *call,
                                bool (*wanted)(const char *name, const char *station),
                                char out[PATH_MAX])
{
    const char *stick, *file;
    struct lm_me me;
    enum lm_status st = take_stick(call, &stick);

    if (st == LM_OK) {
        st = lm_api_text(call, "file", true, &file);
    }
    if (st == LM_OK) {
        st = lm_nstore_me(call->api->store, &me, &call->err);
    }
    if (st == LM_OK && (!wanted(file, me.station) || strchr(file, '/') ||
                        (size_t)snprintf(out, PATH_MAX, "%s/%s", stick, file) >= PATH_MAX)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_file", "file", "不能用这个文件：%.100s",
                     "This file cannot be used: %.100s", file);
    }
    return st;
}

/* ---- by who holds the link ---- */

static enum lm_status ask_loop(struct lm_api_call *call, int argc, char **argv, FILE *in)
{
    struct lm_buf text;
    enum lm_status st;

    lm_buf_init(&text, 65536);
    st = lm_api_command(call, call->api->node->dir.path, argc, argv, in, WAIT_S, &text);
    if (st == LM_OK) {
        call->answer = json_loadb((const char *)text.data, text.len, 0, NULL);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    lm_buf_free(&text);
    return st;
}

/* ---- what is done ---- */

enum lm_status lm_api_usb_export(struct lm_api_call *call)
{
    struct lm_export_done done;
    struct lm_node_key key;
    const char *stick;
    json_t *files;
    char path[PATH_MAX];
    enum lm_status st = take_stick(call, &stick);

    memset(&key, 0, sizeof key);
    if (st == LM_OK) {
        st = lm_node_key_enrolled(&call->api->node->dir, &key, &call->err);
    }
    if (st == LM_OK) {
        st = lm_node_export(call->api->store, &key, stick, LM_BUNDLE_BYTES_MAX, &done, &call->err);
    }
    lm_node_key_wipe(&key);
    if (st != LM_OK) {
        return st;
    }
    files = json_array();
    for (uint16_t part = 1; part <= done.parts; part++) {
        if (lm_node_part_name(done.first, part, path, sizeof path)) {
            (void)json_array_append_new(files, json_string(strrchr(path, '/') + 1));
        }
    }
    call->answer =
        json_pack("{s:I,s:I,s:I,s:o}", "export", (json_int_t)done.number, "changes",
                  (json_int_t)done.changes, "unsent", (json_int_t)done.unsent, "files", files);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

enum lm_status lm_api_usb_import(struct lm_api_call *call)
{
    static char bundle[] = "bundle", import[] = "import", json[] = "--json";
    char *argv[] = {bundle, import, json};
    char path[PATH_MAX];
    FILE *file;
    enum lm_status st = take_file(call, is_reply, path);

    if (st != LM_OK) {
        return st;
    }
    file = fopen(path, "rbe");
    if (!file) {
        return lm_fail(&call->err, LM_ERR_NOT_FOUND, "no_file", "file", "打不开文件（%s）。",
                       "The file cannot be opened (%s).", strerror(errno));
    }
    st = ask_loop(call, 3, argv, file);
    (void)fclose(file);
    return st;
}

enum lm_status lm_api_usb_backup(struct lm_api_call *call)
{
    const char *stick;
    char path[PATH_MAX], at[32] = "";
    time_t now = (time_t)(lm_clock_wall_ms() / 1000);
    struct tm tm;
    struct lm_me me;
    uint64_t bytes = 0;
    enum lm_status st = take_stick(call, &stick);

    if (st == LM_OK) {
        st = lm_nstore_me(call->api->store, &me, &call->err);
    }
    if (st == LM_OK &&
        (!gmtime_r(&now, &tm) || strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm) == 0 ||
         (size_t)snprintf(path, sizeof path, "%s/" BACKUP_PREFIX "%s-%s.db", stick, me.station,
                          at) >= sizeof path)) {
        st = LM_ERR_LIMIT;
    }
    if (st == LM_OK) {
        st = lm_nstore_backup(call->api->store, path, &bytes, &call->err);
    }
    if (st == LM_OK) {
        st = lm_nstore_backed_up(call->api->store, lm_clock_wall_ms(), &call->err);
    }
    if (st == LM_OK) {
        call->answer =
            json_pack("{s:s,s:I}", "file", strrchr(path, '/') + 1, "bytes", (json_int_t)bytes);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

enum lm_status lm_api_usb_restore(struct lm_api_call *call)
{
    static char command[] = "restore-adopt", json[] = "--json";
    char staged[LM_STAGED_NAME], path[PATH_MAX];
    char *argv[] = {command, staged, json};
    const struct lm_datadir *dir = &call->api->node->dir;
    enum lm_status st = take_file(call, is_backup, path);

    if (st == LM_OK) {
        st = lm_nstore_stage(dir, path, staged, &call->err);
    }
    if (st == LM_OK) {
        st = ask_loop(call, 3, argv, NULL);
        lm_nstore_unstage(dir, staged);
    }
    return st;
}
