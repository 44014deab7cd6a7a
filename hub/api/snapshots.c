/* Versions of the annual summary: made and edited by clerks, signed by somebody else. */
#include "hub/api/api.h"
#include "hub/snapshot.h"
#include "hub/snapshot_annex.h"

#include <stdio.h>
#include <string.h>

struct job {
    const char *user, *text, *seen;
    char id[LM_UUID_TEXT + 8];
    int year;
    bool figures;
};

/* GET summaries */
enum lm_status lm_town_snapshots(struct lm_api_call *call)
{
    return lm_snapshot_list(call->api->store, &call->answer, &call->err);
}

/* GET summaries/{id}, or its paper with format=html or docx */
enum lm_status lm_town_snapshot(struct lm_api_call *call)
{
    const char *format = lm_town_paper(call);
    char id[LM_UUID_TEXT + 1], text[48], hash[LM_SNAPSHOT_HASH_TEXT];
    json_t *doc = NULL;
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_snapshot_doc(call->api->store, id, &doc, &call->err);
    }
    if (st == LM_OK && format) {
        st = lm_town_log(call, "export", id, "", format);
    }
    if (st == LM_OK && format) {
        (void)snprintf(text, sizeof text, "%lld-%lld",
                       (long long)json_integer_value(json_object_get(doc, "year")),
                       (long long)json_integer_value(json_object_get(doc, "version")));
        st = lm_town_put_paper(call, format, id, text, doc);
    } else if (st == LM_OK &&
               strcmp(json_string_value(json_object_get(doc, "state")), "locked") == 0) {
        lm_snapshot_hash(doc, hash);
        (void)json_object_set_new(doc, "hash", json_string(hash));
    }
    if (format || st != LM_OK) {
        json_decref(doc);
    } else {
        call->answer = doc;
    }
    return st;
}

static enum lm_status make(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct job *j = arg;

    return lm_snapshot_make(hub->store, j->user, j->year, lm_clock_wall_ms(), j->id, err);
}

static enum lm_status edit(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct job *j = arg;

    return lm_snapshot_edit(hub->store, j->user, j->id, j->seen, j->text, j->figures,
                            lm_clock_wall_ms(), err);
}

static enum lm_status sign(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct job *j = arg;

    return lm_snapshot_sign(hub->store, j->user, j->id, j->seen, lm_clock_wall_ms(), err);
}

static enum lm_status run(struct lm_api_call *call, lm_server_job act, struct job *j,
                          const char *what)
{
    enum lm_status st;

    j->user = call->session->user;
    st = lm_server_do(call->api->server, act, j, &call->err);
    if (st == LM_OK) {
        st = lm_town_log(call, what, j->id, "", "");
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:s}", "id", j->id);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* POST summaries {"year":2026}; 0 = since the beginning */
enum lm_status lm_town_snapshot_make(struct lm_api_call *call)
{
    const json_t *year = json_object_get(call->body, "year");
    struct job j = {.year = (int)json_integer_value(year)};
    enum lm_status st;

    if (!json_is_integer(year) || json_integer_value(year) < 0 || json_integer_value(year) > 9999) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_year", "year", "请选择年份。",
                       "Say which year.");
    }
    st = run(call, make, &j, "summary_make");
    if (st == LM_OK) {
        call->response->status = 201;
    }
    return st;
}

/* PATCH summaries/{id} {"text"?:…,"figures"?:true,"rev":…}: rev is the version's that its author
 * saw; without one no text is taken. */
enum lm_status lm_town_snapshot_edit(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct job j = {.figures = json_is_true(json_object_get(call->body, "figures"))};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "text", false, &j.text);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "rev", j.text != NULL, &j.seen);
    }
    if (st == LM_OK && j.text && strstr(j.text, "****")) {
        json_t *doc = NULL;

        st = lm_snapshot_doc(call->api->store, id, &doc, &call->err);
        if (st == LM_OK) {
            st = lm_town_not_covered("text", j.text,
                                     json_string_value(json_object_get(doc, "text")), &call->err);
        }
        json_decref(doc);
    }
    if (st == LM_OK && !j.text && !j.figures) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "text", "缺少“text”。",
                     "\"text\" is missing.");
    }
    (void)snprintf(j.id, sizeof j.id, "%s", st == LM_OK ? id : "");
    return st == LM_OK ? run(call, edit, &j, "summary_edit") : st;
}

/* POST summaries/{id}/sign {"rev"}: the version's that its reader saw */
enum lm_status lm_town_snapshot_sign(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct job j = {0};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "rev", true, &j.seen);
    }
    (void)snprintf(j.id, sizeof j.id, "%s", st == LM_OK ? id : "");
    return st == LM_OK ? run(call, sign, &j, "summary_sign") : st;
}
