/* Addresses from which Excel or WPS refreshes figures (table.c), for the administrator: made,
 * listed with when each was last used, revoked. The address itself is told once, to who made it:
 * what is kept is a hash (store/tokens.c). Whoever has one reads the town's figures, with their
 * coverage: no names and no rows. */
#include "hub/api/api.h"

#include <stdio.h>
#include <string.h>

struct job {
    const char *name, *user;
    char token[LM_TOKEN_TEXT];
    bool revoke;
};

static enum lm_status run_job(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct job *j = arg;

    return j->revoke ? lm_store_token_revoke(hub->store, j->name, err)
                     : lm_store_token_add(hub->store, j->name, j->user, lm_clock_wall_ms(),
                                          j->token, err);
}

struct list {
    struct lm_api_call *call;
    json_t *rows;
    enum lm_status st;
};

/* The audit log has each use. One of the same name that was revoked before is another: what was
 * used before this one was made does not count. */
static bool add_row(void *arg, const char *name, const char *user, int64_t made_ms)
{
    struct list *l = arg;
    char made[LM_TIME_TEXT + 8];
    json_t *used = NULL;
    const char *at;

    lm_time_format(made_ms, made);
    l->st = lm_audit_list(l->call->api->audit, "table", name, 0, 1, &used, &l->call->err);
    if (l->st != LM_OK) {
        return false;
    }
    at = json_string_value(json_object_get(json_array_get(json_object_get(used, "rows"), 0), "at"));
    (void)json_array_append_new(l->rows, json_pack("{s:s,s:s,s:s,s:s?}", "name", name, "user", user,
                                                   "made", made, "last_used",
                                                   at && strcmp(at, made) >= 0 ? at : NULL));
    json_decref(used);
    return true;
}

/* GET tokens */
enum lm_status lm_town_tokens(struct lm_api_call *call)
{
    struct list l = {.call = call, .rows = json_array(), .st = LM_OK};
    enum lm_status st = lm_store_tokens(call->api->store, add_row, &l, &call->err);

    call->answer = json_pack("{s:o,s:i}", "tokens", l.rows, "max", LM_TOKENS_MAX);
    st = st == LM_OK ? l.st : st;
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* A name that the page would cover could not be given to be revoked. */
static enum lm_status check_name(struct lm_api_call *call, const char *name)
{
    json_t *copy = json_string(name);
    bool numbers = lm_town_cover_string(copy, false);

    json_decref(copy);
    return numbers ? lm_fail(&call->err, LM_ERR_INVALID, "bad_text", "name",
                             "名称里不要写身份证号，写谁在用就行。",
                             "No ID number in the name: say who uses it.")
                   : LM_OK;
}

/* POST tokens {"name":"镇办公室"} */
enum lm_status lm_town_token_add(struct lm_api_call *call)
{
    struct job j = {.user = call->session->user};
    enum lm_status st = lm_api_text(call, "name", true, &j.name);

    if (st == LM_OK) {
        st = check_name(call, j.name);
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, run_job, &j, &call->err);
    }
    if (st == LM_OK) {
        st = lm_town_log(call, "token_add", j.name, "", "");
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:s,s:s,s:s+}", "name", j.name, "token", j.token, "path",
                                 LM_API_V "tables/", j.token);
        call->response->status = 201;
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* DELETE tokens/{name} */
enum lm_status lm_town_token_revoke(struct lm_api_call *call)
{
    struct job j = {.name = call->request->params[0], .revoke = true};
    enum lm_status st = lm_server_do(call->api->server, run_job, &j, &call->err);

    return st == LM_OK ? lm_town_log(call, "token_revoke", j.name, "", "") : st;
}
