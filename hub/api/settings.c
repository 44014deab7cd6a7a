/* The town's settings: everybody who is logged in may read them (no persons are in them), clerks
 * and the administrator set them, the audit log has what was and what is. */
#include "hub/settings.h"
#include "common/tables.h"
#include "hub/api/api.h"

#include <stdio.h>
#include <string.h>

#define LOCKS_MAX 200

static const char *text_of(const struct lm_record *rec, const char *name)
{
    const struct lm_value *v = lm_record_get(rec, name);

    return v && v->kind == LM_TEXT ? v->text : "";
}

static bool add_lock(void *arg, const struct lm_record *rec)
{
    json_t *locks = arg;
    char rev[LM_REV_TEXT + 1];

    lm_town_rev(rec, rev);
    return lm_record_deleted(rec) ||
           (json_array_append_new(locks, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "id", rec->id,
                                                   "rev", rev, "from_on", text_of(rec, "from_on"),
                                                   "to_on", text_of(rec, "to_on"), "locked_on",
                                                   text_of(rec, "locked_on"), "reason",
                                                   text_of(rec, "reason"))) == 0 &&
            json_array_size(locks) < LOCKS_MAX);
}

/* GET settings: with the locks of reporting periods that are in force, which leaders open. */
enum lm_status lm_town_settings(struct lm_api_call *call)
{
    const struct lm_where verified = {.field = "state", .value = "verified"};
    json_t *rows = NULL, *locks = json_array();
    enum lm_status st = lm_settings_list(call->api->store, &rows, &call->err);

    if (st == LM_OK) {
        st = lm_store_list(call->api->store, NULL, "period_lock", NULL, &verified, 1, add_lock,
                           locks, &call->err);
    }
    call->answer = json_pack("{s:o?,s:o,s:I}", "settings", rows, "locks", locks, "idle_ms",
                             (json_int_t)call->api->sessions.idle_ms);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

struct put {
    const char *user, *key, *value, *was;
};

static enum lm_status put(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    const struct put *p = arg;

    return lm_setting_put(hub->store, p->user, p->key, p->value, p->was, lm_clock_wall_ms(), err);
}

/* A text or null; it must be there. */
static enum lm_status text_or_null(struct lm_api_call *call, const char *name, const char **out)
{
    *out = NULL;
    return json_is_null(json_object_get(call->body, name)) ? LM_OK
                                                           : lm_api_text(call, name, true, out);
}

/* PUT settings/{key} {"value":text|null,"was":text|null} */
enum lm_status lm_town_setting_put(struct lm_api_call *call)
{
    struct put p = {.user = call->session->user, .key = call->request->params[0]};
    char detail[200];
    enum lm_status st = text_or_null(call, "value", &p.value);

    if (st == LM_OK) {
        st = text_or_null(call, "was", &p.was);
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, put, &p, &call->err);
    }
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%.80s → %.80s", p.was ? p.was : "—",
                       p.value ? p.value : "—");
        st = lm_town_log(call, "setting", p.key, "", detail);
    }
    return st;
}
