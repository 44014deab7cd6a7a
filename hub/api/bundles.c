/* USB bundles of villages through the page: a file comes in parts (a request holds 1 MiB), is taken
 * in by the same command as the technician's in the server's loop, and what it answers is kept for
 * whoever brought it, to be taken back on the stick. Taken in again it is the same import. */
#include "hub/api/api.h"
#include "proto/bundle.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS                                                                                      \
    8 /* files at work or waiting for their reply to be fetched; the oldest goes first             \
       */
#define PART_BYTES_MAX (768 * 1024)
#define WAIT_S 120

struct upload {
    char id[LM_UUID_TEXT + 1], user[128], name[96]; /* name of the reply's file */
    FILE *file, *reply;                             /* without a name: gone with the process */
    size_t size;
    uint64_t used; /* rises: the least is the oldest */
};
struct lm_town_uploads {
    struct upload slots[SLOTS];
    uint64_t used;
};

static void clear(struct upload *u)
{
    if (u->file) {
        (void)fclose(u->file);
    }
    if (u->reply) {
        (void)fclose(u->reply);
    }
    memset(u, 0, sizeof *u);
}

void lm_town_uploads_free(struct lm_town_uploads **uploads)
{
    for (size_t i = 0; *uploads && i < SLOTS; i++) {
        clear(&(*uploads)->slots[i]);
    }
    free(*uploads);
    *uploads = NULL;
}

/* The caller's own, or NULL. */
static struct upload *find(struct lm_api_call *call, const char *id)
{
    struct lm_town_uploads *all = call->api->uploads;

    for (size_t i = 0; all && i < SLOTS; i++) {
        struct upload *u = &all->slots[i];

        if (u->id[0] && strcmp(u->id, id) == 0 && strcmp(u->user, call->session->user) == 0) {
            u->used = ++all->used;
            return u;
        }
    }
    return NULL;
}

static struct upload *begin(struct lm_api_call *call, const char *id)
{
    struct upload *oldest, *u = find(call, id);

    if (!call->api->uploads) {
        call->api->uploads = calloc(1, sizeof *call->api->uploads);
    }
    if (!call->api->uploads) {
        return NULL;
    }
    oldest = &call->api->uploads->slots[0];
    for (size_t i = 1; i < SLOTS; i++) {
        struct upload *other = &call->api->uploads->slots[i];

        oldest = other->used < oldest->used ? other : oldest;
    }
    u = u ? u : oldest;
    clear(u);
    (void)snprintf(u->id, sizeof u->id, "%s", id);
    (void)snprintf(u->user, sizeof u->user, "%s", call->session->user);
    u->used = ++call->api->uploads->used;
    u->file = tmpfile();
    if (!u->file) {
        clear(u);
        return NULL;
    }
    return u;
}

static enum lm_status take_id(struct lm_api_call *call, const char **id)
{
    enum lm_status st = lm_api_text(call, "upload", true, id);

    if (st == LM_OK && !lm_uuid_valid(*id, strlen(*id))) {
        st =
            lm_fail(&call->err, LM_ERR_INVALID, "bad_id", "upload", "编号不对。", "That is no id.");
    }
    return st;
}

static enum lm_status unknown(struct lm_api_call *call)
{
    return lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "upload",
                   "没有这个文件，请重新选择再传。", "There is no such file: choose it again.");
}

/* POST bundles/parts {"upload":UUID,"offset":0,"data":BASE64} */
enum lm_status lm_town_bundle_part(struct lm_api_call *call)
{
    const char *id, *text;
    const json_t *at = json_object_get(call->body, "offset");
    json_int_t offset = json_integer_value(at);
    unsigned char *data;
    size_t n = 0;
    struct upload *u;
    enum lm_status st = take_id(call, &id);

    if (st == LM_OK) {
        st = lm_api_text(call, "data", true, &text);
    }
    if (st == LM_OK && (!json_is_integer(at) || offset < 0)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_number", "offset", "“offset”不对。",
                     "\"offset\" cannot be that.");
    }
    if (st != LM_OK) {
        return st;
    }
    data = malloc(PART_BYTES_MAX);
    if (!data) {
        return lm_api_no_memory(call);
    }
    u = offset == 0 ? begin(call, id) : find(call, id);
    if (!u) {
        st = offset == 0 ? lm_api_no_memory(call) : unknown(call);
    } else if ((size_t)offset != u->size) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_offset", "offset",
                     "文件没有传完整，请重新选择再传。",
                     "A part of the file is missing: choose it again.");
    } else if (sodium_base642bin(data, PART_BYTES_MAX, text, strlen(text), NULL, &n, NULL,
                                 sodium_base64_VARIANT_ORIGINAL) != 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_data", "data", "“data”不是 Base64。",
                     "\"data\" is not Base64.");
    } else if (u->size + n > LM_BUNDLE_BYTES_MAX) {
        st = lm_fail(&call->err, LM_ERR_LIMIT, "too_large", "data",
                     "文件太大，不是本系统的数据包。", "The file is too large for a bundle.");
    } else if (fwrite(data, 1, n, u->file) != n || fflush(u->file) != 0) {
        st = lm_fail(&call->err, LM_ERR_FULL, "full", "", "服务器的磁盘已满。",
                     "The server's disk is full.");
    } else {
        u->size += n;
    }
    if (st != LM_OK && u) {
        clear(u);
    }
    free(data);
    return st;
}

/* What the command printed: a line of JSON, behind which the reply stands. */
static enum lm_status take_output(struct lm_api_call *call, struct upload *u,
                                  const struct lm_buf *out)
{
    const uint8_t *end = memchr(out->data, '\n', out->len);
    size_t line = end ? (size_t)(end - out->data) : out->len, n = end ? out->len - line - 1 : 0;
    const char *station, *kind;
    json_t *row = json_loadb((const char *)out->data, line, 0, NULL);

    if (!row) {
        return lm_api_no_memory(call);
    }
    station = json_string_value(json_object_get(row, "station"));
    kind = json_string_value(json_object_get(row, "kind"));
    if (n > 0) {
        u->reply = tmpfile();
        if (!u->reply || fwrite(out->data + line + 1, 1, n, u->reply) != n) {
            json_decref(row); /* the data is in: taken again it makes the reply anew */
            return lm_fail(&call->err, LM_ERR_FULL, "full", "",
                           "数据已收下，只是回复没写成：请再导入一次。",
                           "The data is in; only the reply was not written: import again.");
        }
        (void)snprintf(u->name, sizeof u->name, "lm-%.12s-%s%lld.lmb", station ? station : "",
                       kind && strcmp(kind, "enrolment") == 0 ? "enrolled-" : "reply-",
                       (long long)json_integer_value(json_object_get(row, "export")));
        (void)json_object_set_new(row, "reply", json_string(u->name));
    }
    call->answer = row;
    return LM_OK;
}

/* POST bundles {"upload":UUID}: what came of it; "reply" is the answer's file name. */
enum lm_status lm_town_bundle_take(struct lm_api_call *call)
{
    static char bundle[] = "bundle", import[] = "import", dash[] = "-", json[] = "--json";
    char user[160], detail[96];
    char *argv[] = {bundle, import, dash, user, json};
    const char *id;
    struct upload *u = NULL;
    struct lm_buf out;
    enum lm_status st = take_id(call, &id);

    if (st == LM_OK) {
        u = find(call, id);
        st = u ? LM_OK : unknown(call);
    }
    if (st != LM_OK) {
        return st;
    }
    if (u->reply) { /* again: it is made again */
        (void)fclose(u->reply);
        u->reply = NULL;
    }
    rewind(u->file);
    (void)snprintf(user, sizeof user, "--user=%s", call->session->user);
    lm_buf_init(&out, LM_BUNDLE_BYTES_MAX + 65536);
    st = lm_api_command(call, call->api->server->hub->dir.path, 5, argv, u->file, WAIT_S, &out);
    if (st == LM_OK) {
        st = take_output(call, u, &out);
    }
    lm_buf_free(&out);
    if (st == LM_OK) {
        const char *station = json_string_value(json_object_get(call->answer, "station"));

        (void)snprintf(detail, sizeof detail, "%lld",
                       (long long)json_integer_value(json_object_get(call->answer, "new")));
        st = lm_town_log(call, "bundle", station ? station : "", "", detail);
    }
    return st;
}

/* GET bundles/{upload}/reply */
enum lm_status lm_town_bundle_reply(struct lm_api_call *call)
{
    uint8_t chunk[65536];
    struct upload *u = find(call, call->request->params[0]);
    size_t n;

    if (!u || !u->reply) {
        return unknown(call);
    }
    rewind(u->reply);
    while ((n = fread(chunk, 1, sizeof chunk, u->reply)) > 0) {
        lm_buf_add(&call->response->body, chunk, n);
    }
    call->response->content_type = "application/octet-stream";
    (void)snprintf(call->response->disposition, sizeof call->response->disposition,
                   "attachment; filename=\"%s\"", u->name);
    return call->response->body.status == LM_OK ? LM_OK : lm_api_no_memory(call);
}
