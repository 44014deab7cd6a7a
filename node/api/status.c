/* Where this PC stands with the town, the stream that says when something changed; and what does
 * not change: the catalogue and the description of the API. */
#include "common/catalog_json.h"
#include "node/api/api.h"

#include <string.h>

extern const char lm_node_openapi[], lm_node_openapi_end[];

enum lm_status lm_api_status_json(struct lm_nstore *store, json_t **out, struct lm_error *err)
{
    struct lm_me me;
    size_t waiting = 0, returned = 0, held = 0, conflicts = 0;
    enum lm_status st = lm_nstore_me(store, &me, err);

    *out = NULL;
    if (st == LM_OK) {
        st = lm_nstore_count_pending(store, &me, &waiting, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_returned(store, NULL, NULL, &returned, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_open(store, LM_V_HELD, &held, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_conflicts(store, &conflicts, err);
    }
    if (st == LM_OK && !(*out = lm_node_status_json(&me, waiting, returned, held, conflicts))) {
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

static json_t *catalog_of_villages(const struct lm_catalog *catalog)
{
    return lm_catalog_json(catalog, LM_BY_VILLAGE);
}

enum lm_status lm_api_catalog(struct lm_api_call *call)
{
    return lm_catalog_answer(call, &call->api->catalog, lm_nstore_catalog(call->api->store),
                             catalog_of_villages);
}

enum lm_status lm_api_openapi(struct lm_api_call *call)
{
    call->response->fixed = lm_node_openapi;
    call->response->fixed_n = (size_t)(lm_node_openapi_end - lm_node_openapi);
    return LM_OK;
}
