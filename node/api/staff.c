/* Who works at this station: whom a record may name as the one who received somebody or who keeps
 * in touch (a uuid without a type of its own: reception.handler, contact_plan.owner). Posts are the
 * town's records; a village that has none yet still has the accounts of its PC. */
#include "node/api/api.h"

#include "proto/caldate.h"
#include "proto/merge.h"

#include <string.h>

#define STAFF_POSTS_MAX 200

struct staff {
    json_t *rows;
    char today[16];
};

static const char *text_of(const struct lm_record *rec, const char *name)
{
    const struct lm_field *f = lm_type_field(rec->type, name);

    return f ? lm_record_text(rec, f->index) : "";
}

/* "now": may be chosen. Others are listed for the names of what was entered while they were here.
 */
static bool take_post(void *arg, const struct lm_record *rec)
{
    struct staff *s = arg;
    const char *to = text_of(rec, "to_on"), *state = lm_record_text(rec, LM_C_STATE);
    bool now = (!to[0] || strcmp(to, s->today) >= 0) && strcmp(state, "draft") != 0 &&
               strcmp(state, "returned") != 0;

    (void)json_array_append_new(s->rows, json_pack("{s:s,s:s,s:s,s:b}", "id", rec->id, "name",
                                                   text_of(rec, "holder_name"), "post",
                                                   text_of(rec, "post"), "now", (int)now));
    return json_array_size(s->rows) < STAFF_POSTS_MAX;
}

static enum lm_status add_accounts(struct lm_api_call *call, const char *station, json_t *rows)
{
    static _Thread_local struct lm_account accounts[LM_ACCOUNTS_LISTED];
    char id[LM_UUID_TEXT + 1];
    size_t n = 0;
    enum lm_status st = lm_nstore_accounts(call->api->store, accounts, &n, &call->err);

    for (size_t i = 0; st == LM_OK && i < n; i++) {
        const struct lm_account *a = &accounts[i];

        lm_user_id(station, a->name, id);
        (void)json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:b}", "id", id, "name",
                                                    a->shown[0] ? a->shown : a->name, "post", "",
                                                    "now", (int)!a->disabled));
    }
    return st;
}

enum lm_status lm_api_staff(struct lm_api_call *call)
{
    const struct lm_type *posts =
        lm_catalog_type(lm_nstore_catalog(call->api->store), "staff_post");
    struct staff s = {.rows = json_array()};
    char me_id[LM_UUID_TEXT + 1] = "";
    struct lm_me me;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st == LM_OK) {
        lm_date_format(lm_day_utc8(lm_clock_wall_ms() + (me.offset_known ? me.offset_ms : 0)),
                       s.today);
        lm_user_id(me.station, call->session->user, me_id);
    }
    if (st == LM_OK && posts) {
        st = lm_tables_list(lm_nstore_tables(call->api->store), NULL, posts, me.station, NULL, 0,
                            false, take_post, &s, &call->err);
    }
    if (st == LM_OK) {
        st = add_accounts(call, me.station, s.rows);
    }
    call->answer = json_pack("{s:s,s:o}", "me", me_id, "staff", s.rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
