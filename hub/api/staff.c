/* Who works at a station: whom a record may name as the one who received somebody or who keeps in
 * touch (a uuid without a type of its own: reception.handler, contact_plan.owner,
 * opening_balance.approved_by). What node/api/staff.c says of its own station; and the town's own
 * accounts, since the town enters on a village's behalf. */
#include "hub/api/api.h"

#include "hub/station_accounts.h"
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

static bool add(json_t *rows, const char *id, const char *name, const char *post, bool now)
{
    return json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:b}", "id", id, "name", name,
                                                 "post", post, "now", (int)now)) == 0;
}

static bool take_post(void *arg, const struct lm_record *rec)
{
    struct staff *s = arg;
    const char *to = text_of(rec, "to_on"), *state = lm_record_text(rec, LM_C_STATE);
    bool now = (!to[0] || strcmp(to, s->today) >= 0) && strcmp(state, "draft") != 0 &&
               strcmp(state, "returned") != 0;

    return lm_record_deleted(rec) ||
           (add(s->rows, rec->id, text_of(rec, "holder_name"), text_of(rec, "post"), now) &&
            json_array_size(s->rows) < STAFF_POSTS_MAX);
}

static bool take_account(void *arg, const struct lm_station_account *a)
{
    struct staff *s = arg;
    char id[LM_UUID_TEXT + 1];

    lm_user_id(a->station, a->name, id);
    return add(s->rows, id, a->shown, "", !a->disabled);
}

static bool take_user(void *arg, const struct lm_user *user)
{
    struct staff *s = arg;

    return add(s->rows, user->id, user->name, "", !user->disabled);
}

/* GET staff?station=… */
enum lm_status lm_town_staff(struct lm_api_call *call)
{
    struct lm_store *store = call->api->store;
    const struct lm_town *town = lm_store_town(store);
    const char *station = call->request->query(call->request, "station");
    struct staff s = {.rows = json_array()};
    char me[LM_UUID_TEXT + 1];
    enum lm_status st;

    station = station && station[0] ? station : town->code;
    lm_user_id(town->code, call->session->user, me);
    lm_date_format(lm_day_utc8(lm_clock_wall_ms()), s.today);
    st = lm_store_list(store, NULL, "staff_post", station, NULL, 0, take_post, &s, &call->err);
    if (st == LM_OK && strcmp(station, town->code) != 0) {
        st = lm_station_accounts(store, station, take_account, &s, &call->err);
    }
    if (st == LM_OK) {
        st = lm_store_users(store, take_user, &s, &call->err);
    }
    call->answer = json_pack("{s:s,s:o}", "me", me, "staff", s.rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
