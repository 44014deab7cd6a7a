/* Where this PC stands with the town, and the stream that says when something changed. */
#include "node/api/api.h"

#include <string.h>

enum lm_status lm_api_status_json(struct lm_nstore *store, json_t **out, struct lm_error *err)
{
    struct lm_me me;
    size_t returned = 0, held = 0, conflicts = 0;
    enum lm_status st = lm_nstore_me(store, &me, err);

    *out = NULL;
    if (st == LM_OK) {
        st = lm_nstore_returned(store, NULL, NULL, &returned, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_open(store, LM_V_HELD, &held, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_open(store, LM_V_CONCURRENT, &conflicts, err);
    }
    if (st == LM_OK && !(*out = lm_node_status_json(&me, returned, held, conflicts))) {
        st = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    return st;
}

enum lm_status lm_api_status(struct lm_api_call *call)
{
    return lm_api_status_json(call->api->store, &call->answer, &call->err);
}

enum lm_status lm_api_events(struct lm_api_call *call)
{
    call->response->stream = true;
    return LM_OK;
}

enum lm_status lm_api_sync(struct lm_api_call *call)
{
    call->api->sync(call->api->sync_arg);
    call->response->status = 202;
    call->answer = json_pack("{s:b}", "asked", 1);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}
