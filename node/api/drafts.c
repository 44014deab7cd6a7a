/* Drafts: forms as they are while somebody types. */
#include "node/api/api.h"

#include <stdlib.h>
#include <string.h>

static json_t *draft_json(const char *key, const char *body, int64_t saved_ms)
{
    char at[LM_TIME_TEXT + 8];

    lm_time_format(saved_ms, at);
    return json_pack("{s:s,s:s,s:o}", "key", key, "saved_at", at, "body",
                     json_loads(body, JSON_DECODE_ANY, NULL));
}

static bool add_draft(void *arg, const char *key, const char *body, int64_t saved_ms)
{
    json_t *row = draft_json(key, body, saved_ms);

    return !row || json_array_append_new(arg, row) == 0;
}

enum lm_status lm_api_drafts(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st =
        lm_nstore_drafts(call->api->store, call->session->user, NULL, add_draft, rows, &call->err);

    call->answer = json_pack("{s:o}", "drafts", rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

enum lm_status lm_api_draft_get(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st = lm_nstore_drafts(call->api->store, call->session->user,
                                         call->request->params[0], add_draft, rows, &call->err);

    if (st == LM_OK && json_array_size(rows) == 0) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "key", "没有这份草稿。",
                     "There is no such draft.");
    }
    call->answer = st == LM_OK ? json_incref(json_array_get(rows, 0)) : NULL;
    json_decref(rows);
    return st;
}

enum lm_status lm_api_draft_put(struct lm_api_call *call)
{
    char *text = json_dumps(call->body, JSON_COMPACT);
    enum lm_status st;

    if (!text) {
        return call->body ? lm_api_no_memory(call)
                          : lm_fail(&call->err, LM_ERR_INVALID, "bad_json", "", "缺少内容。",
                                    "The body is missing.");
    }
    st = lm_nstore_draft_put(call->api->store, call->session->user, call->request->params[0], text,
                             lm_clock_wall_ms(), &call->err);
    free(text);
    return st;
}

enum lm_status lm_api_draft_drop(struct lm_api_call *call)
{
    return lm_nstore_draft_drop(call->api->store, call->session->user, call->request->params[0],
                                &call->err);
}
