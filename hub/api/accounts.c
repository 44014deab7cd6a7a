/* Accounts of the stations (hub/station_accounts.h): made, given new passwords, disabled and handed
 * over by who keeps accounts. A password is shown once, to who asked for it; its verifier to
 * nobody. */
#include "hub/api/api.h"
#include "hub/station_accounts.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct job {
    const char *user;
    char id[LM_UUID_TEXT + 1];
    bool add;
    struct lm_station_account_new new;
    struct lm_station_account_edit edit;
    struct lm_station_account account; /* as it is then */
};

static enum lm_status run_job(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct job *job = arg;
    int64_t now = lm_clock_wall_ms();
    enum lm_status st;

    if (job->add) {
        return lm_station_account_add(hub->store, job->user, &job->new, now, &job->account, err);
    }
    st = lm_station_account_edit(hub->store, job->user, job->id, &job->edit, now, err);
    return st == LM_OK ? lm_station_account(hub->store, job->id, NULL, NULL, &job->account, err)
                       : st;
}

/* "password" of the body or a made one, and its verifier. */
static enum lm_status take_password(struct lm_api_call *call, const char *name,
                                    char made[LM_PASSWORD_MADE_BYTES],
                                    char verifier[LM_PASSWORD_HASH_BYTES])
{
    const char *password;
    enum lm_status st = lm_api_text(call, "password", false, &password);

    made[0] = '\0';
    if (st == LM_OK && (!password || !password[0])) {
        lm_password_make(name, made);
        password = made;
    } else if (st == LM_OK) {
        st = lm_password_check(name, password, LM_PASSWORD_CHARS_MIN, &call->err);
    }
    return st == LM_OK ? lm_password_hash(password, verifier, &call->err) : st;
}

static json_t *account_json(const struct lm_station_account *a)
{
    char at[LM_TIME_TEXT + 8];

    lm_time_format(a->changed_ms, at);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s}", "id", a->id, "station", a->station,
                     "name", a->name, "shown", a->shown, "role", a->role, "disabled",
                     (int)a->disabled, "replaces", a->replaces, "changed", at);
}

/* Does the job, notes it, and answers with the account, and the password if it was made here. */
static enum lm_status act(struct lm_api_call *call, struct job *job, const char *what,
                          char made[LM_PASSWORD_MADE_BYTES], int status)
{
    char object[sizeof job->account.station + sizeof job->account.name];
    enum lm_status st;

    job->user = call->session->user;
    st = lm_server_do(call->api->server, run_job, job, &call->err);
    if (st == LM_OK) {
        (void)snprintf(object, sizeof object, "%s %s", job->account.station, job->account.name);
        st = lm_town_log(call, what, object, "",
                         job->account.replaces[0] && job->add ? job->account.replaces
                                                              : job->account.role);
    }
    if (st == LM_OK) {
        call->answer = account_json(&job->account);
        if (call->answer && made[0]) {
            (void)json_object_set_new(call->answer, "password", json_string(made));
        }
        call->response->status = status;
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    sodium_memzero(made, LM_PASSWORD_MADE_BYTES);
    return st;
}

static bool add_row(void *arg, const struct lm_station_account *account)
{
    json_t *row = account_json(account);

    return row && json_array_append_new(arg, row) == 0;
}

static bool latest(void *arg, const struct lm_replica *replica)
{
    int64_t *at = arg;

    if (replica->revoked_ms == 0 && replica->last_contact_ms > *at) {
        *at = replica->last_contact_ms;
    }
    return true;
}

struct stations {
    struct lm_api_call *call;
    json_t *rows;
    enum lm_status st;
};

/* With when one of its PCs was heard of last: whether what was changed can have arrived. */
static bool add_station(void *arg, const struct lm_station *station)
{
    struct stations *s = arg;
    char at[LM_TIME_TEXT + 8];
    int64_t contact_ms = 0;

    s->st =
        lm_store_replicas(s->call->api->store, station->code, latest, &contact_ms, &s->call->err);
    lm_time_format(contact_ms, at);
    (void)json_array_append_new(s->rows,
                                json_pack("{s:s,s:s,s:s?}", "code", station->code, "name",
                                          station->name, "last_contact", contact_ms ? at : NULL));
    return s->st == LM_OK;
}

/* GET accounts */
enum lm_status lm_town_accounts(struct lm_api_call *call)
{
    struct stations s = {.call = call, .rows = json_array()};
    json_t *rows = json_array();
    enum lm_status st = lm_station_accounts(call->api->store, NULL, add_row, rows, &call->err);

    if (st == LM_OK) {
        st = lm_store_stations(call->api->store, add_station, &s, &call->err);
    }
    st = st == LM_OK ? s.st : st;
    call->answer = json_pack("{s:o,s:o}", "accounts", rows, "stations", s.rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* POST accounts {"station","user","shown"?,"role"?,"password"?} */
enum lm_status lm_town_account_add(struct lm_api_call *call)
{
    struct job job = {.add = true};
    char made[LM_PASSWORD_MADE_BYTES] = "", verifier[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_api_text(call, "station", true, &job.new.station);

    if (st == LM_OK) {
        st = lm_api_text(call, "user", true, &job.new.name);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "shown", false, &job.new.shown);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "role", false, &job.new.role);
    }
    if (st == LM_OK) {
        st = take_password(call, job.new.name, made, verifier);
    }
    job.new.verifier = verifier;
    return st == LM_OK ? act(call, &job, "account_add", made, 201) : st;
}

/* PATCH accounts/{id} {"disabled"?,"shown"?,"role"?} */
enum lm_status lm_town_account_edit(struct lm_api_call *call)
{
    struct job job = {0};
    char made[LM_PASSWORD_MADE_BYTES] = "";
    const json_t *disabled = json_object_get(call->body, "disabled");
    enum lm_status st = lm_api_id(call, 0, job.id);

    if (st == LM_OK) {
        st = lm_api_text(call, "shown", false, &job.edit.shown);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "role", false, &job.edit.role);
    }
    if (st == LM_OK && disabled && !json_is_boolean(disabled)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "disabled", "“disabled”应为是或否。",
                     "\"disabled\" must be true or false.");
    }
    job.edit.disable = json_is_true(disabled);
    job.edit.enable = json_is_false(disabled);
    return st == LM_OK ? act(call, &job,
                             job.edit.disable  ? "account_disable"
                             : job.edit.enable ? "account_enable"
                                               : "account_edit",
                             made, 200)
                       : st;
}

/* POST accounts/{id}/password {"password"?}: for who forgot theirs. */
enum lm_status lm_town_account_password(struct lm_api_call *call)
{
    struct job job = {0};
    struct lm_station_account account;
    char made[LM_PASSWORD_MADE_BYTES] = "", verifier[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_api_id(call, 0, job.id);

    if (st == LM_OK) {
        st = lm_station_account(call->api->store, job.id, NULL, NULL, &account, &call->err);
    }
    if (st == LM_OK) {
        st = take_password(call, account.name, made, verifier);
    }
    job.edit.verifier = verifier;
    return st == LM_OK ? act(call, &job, "account_password", made, 200) : st;
}

/* POST accounts/{id}/successor {"user","shown"?,"password"?}: the old one is disabled. */
enum lm_status lm_town_account_succeed(struct lm_api_call *call)
{
    struct job job = {.add = true, .new = {.replaces = job.id}};
    char made[LM_PASSWORD_MADE_BYTES] = "", verifier[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_api_id(call, 0, job.id);

    if (st == LM_OK) {
        st = lm_api_text(call, "user", true, &job.new.name);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "shown", false, &job.new.shown);
    }
    if (st == LM_OK) {
        st = take_password(call, job.new.name, made, verifier);
    }
    job.new.verifier = verifier;
    return st == LM_OK ? act(call, &job, "account_hand_over", made, 201) : st;
}
