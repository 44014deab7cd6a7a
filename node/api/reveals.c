/* Who looked at whole numbers (ID, bank account). The page covers them and says here that somebody
 * uncovered some before it shows them: design.md, "revealing is logged". */
#include "node/api/api.h"

/* POST records/{id}/reveal */
enum lm_status lm_api_reveal(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    enum lm_status st = lm_api_id(call, 0, id);
    const struct lm_reveal reveal = {
        .at_ms = lm_clock_wall_ms(), .user = call->session->user, .record = id};

    if (st == LM_OK && !lm_nstore_type_of(call->api->store, id)) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                     "There is no such record.");
    }
    return st == LM_OK ? lm_nstore_reveal_note(call->api->store, &reveal, &call->err) : st;
}

struct rows {
    struct lm_api_call *call;
    struct lm_arena arena;
    json_t *list;
};

static bool add_reveal(void *arg, const struct lm_reveal *reveal)
{
    struct rows *r = arg;
    struct lm_nstore *store = r->call->api->store;
    const struct lm_type *type = lm_nstore_type_of(store, reveal->record);
    char at[LM_TIME_TEXT + 8], label[LM_LABEL_BYTES] = "";
    struct lm_record *rec = NULL;

    lm_time_format(reveal->at_ms, at);
    lm_arena_reset(&r->arena);
    if (type &&
        lm_tables_get(lm_nstore_tables(store), &r->arena, type, reveal->record, &rec) == LM_OK) {
        lm_node_label(store, r->call->api->english, rec, label);
    }
    return json_array_append_new(r->list, json_pack("{s:I,s:s,s:s,s:s,s:s?,s:s}", "no",
                                                    (json_int_t)reveal->id, "at", at, "user",
                                                    reveal->user, "id", reveal->record, "type",
                                                    type ? type->name : NULL, "label", label)) == 0;
}

/* GET reveals?before=&limit= */
enum lm_status lm_api_reveals(struct lm_api_call *call)
{
    struct rows r = {.call = call, .list = json_array()};
    int64_t before = 0, n = 0;
    enum lm_status st = lm_api_number(call, "before", 1, INT64_MAX, INT64_MAX, &before);

    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, LM_API_ROWS_MAX, LM_API_ROWS_DEFAULT, &n);
    }
    lm_arena_init(&r.arena, 1 << 20);
    if (st == LM_OK) {
        st = lm_nstore_reveals(call->api->store, before, n, add_reveal, &r, &call->err);
    }
    lm_arena_free(&r.arena);
    call->answer = st == LM_OK ? json_pack("{s:O}", "reveals", r.list) : NULL;
    json_decref(r.list);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
