/* See acts.h. */
#include "hub/acts.h"

#include "common/account.h"
#include "common/cli.h"
#include "hub/station_accounts.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

#define LOCK_ARENA_BYTES (1024 * 1024)

const char *lm_approved_state(const struct lm_type *type)
{
    static const char *const targets[] = {"active", "verified"};

    for (size_t i = 0; i < 2; i++) {
        if (lm_type_transition(type, "submitted", targets[i], LM_BY_TOWN)) {
            return targets[i];
        }
    }
    return NULL;
}

/* A refusal names a rule; what the store says otherwise is in err. */
static enum lm_status act(struct lm_store *store, const struct lm_act *a, int64_t now_ms,
                          struct lm_error *err)
{
    struct lm_act_result done;
    enum lm_status status;

    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    memset(err, 0, sizeof *err);
    status = lm_store_act(store, a, now_ms, &done, err);
    if (status != LM_OK && lm_issues_first_refusal(&done.issues) && !err->code[0]) {
        *err = *lm_issues_first_refusal(&done.issues);
    }
    return status;
}

void lm_person_of(struct lm_store *store, const char *station, const char *user,
                  char out[LM_PERSON_BYTES])
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_station_account account;
    struct lm_error ignored = {0};
    struct lm_user town;

    (void)snprintf(out, LM_PERSON_BYTES, "%s", user);
    if (strcmp(station, lm_store_town(store)->code) == 0) {
        if (lm_store_user_get(store, user, &town, hash, &ignored) == LM_OK) {
            (void)snprintf(out, LM_PERSON_BYTES, "%s", town.person);
        }
    } else if (lm_station_account(store, NULL, station, user, &account, &ignored) == LM_OK) {
        (void)snprintf(out, LM_PERSON_BYTES, "%s", account.shown);
    }
}

struct authors {
    struct lm_store *store;
    const char *user;
    char person[LM_PERSON_BYTES];
    bool (*counts)(const json_t *row);
    bool found;
};

static bool look_for_author(void *arg, const json_t *row)
{
    struct authors *a = arg;
    const char *user = json_string_value(json_object_get(row, "user"));
    const char *station = json_string_value(json_object_get(row, "station"));
    char person[LM_PERSON_BYTES];

    if (!a->found && user && user[0] && (!a->counts || a->counts(row))) {
        lm_person_of(a->store, station ? station : "", user, person);
        a->found = strcmp(user, a->user) == 0 || lm_same_person(person, a->person);
    }
    return true;
}

enum lm_status lm_acted_on(struct lm_store *store, const char *user, const char *id,
                           bool (*counts)(const json_t *row), bool *out, struct lm_error *err)
{
    struct authors a = {.store = store, .user = user, .counts = counts};
    enum lm_status status;

    lm_person_of(store, lm_store_town(store)->code, user, a.person);
    status = lm_store_history(store, id, look_for_author, &a, err);
    *out = a.found;
    return status;
}

/* Something that the record says: who verified it or sent it back wrote no word of it. */
static bool is_word_of_it(const json_t *row)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(row, "fields"), name, value)
    {
        if (strcmp(name, "state") != 0 && strcmp(name, "return_note") != 0) {
            return true;
        }
    }
    return false;
}

/* Who opened it before did not lock it. */
static bool is_of_the_lock(const json_t *row)
{
    const char *to = json_string_value(json_object_get(json_object_get(row, "fields"), "state"));

    return !to || strcmp(to, "returned") != 0;
}

static bool is_of(struct lm_store *store, const char *id, const char *type)
{
    const char *name = lm_store_type_of(store, id);

    return name && strcmp(name, type) == 0;
}

enum lm_status lm_second_person(struct lm_store *store, const char *user, const char *id,
                                struct lm_error *err)
{
    bool found = false;
    enum lm_status status = is_of(store, id, "opening_balance")
                                ? lm_acted_on(store, user, id, is_word_of_it, &found, err)
                                : LM_OK;

    return status == LM_OK && found
               ? lm_fail(err, LM_ERR_DENIED, "second_person", "state",
                         "期初数要由另一人核定，录入的人不能自己核定（换一个账号也不行）。",
                         "Another person than the one who entered it verifies an opening balance, "
                         "whatever account is used.")
               : status;
}

enum lm_status lm_verified_stands(const struct lm_record *rec, const struct lm_act *act,
                                  struct lm_error *err)
{
    bool lock = strcmp(rec->type->name, "period_lock") == 0;
    const char *name, *said = act->op == LM_OP_EDIT && !lock ? NULL : "state";
    json_t *value;

    if ((!lock && strcmp(rec->type->name, "opening_balance") != 0) ||
        strcmp(lm_record_text(rec, LM_C_STATE), "verified") != 0) {
        return LM_OK;
    }
    json_object_foreach((json_t *)(uintptr_t)act->fields, name, value)
    {
        if (!said && strcmp(name, "state") != 0 && strcmp(name, "return_note") != 0) {
            said = name;
        }
    }
    return !said  ? LM_OK
           : lock ? lm_fail(err, LM_ERR_DENIED, "verified", said,
                            "锁定已生效，不能直接改或删。要改，请领导在“设置”页写明原因解锁。",
                            "This lock is in force. A leader opens it first, with a reason, on the "
                            "settings page.")
                  : lm_fail(err, LM_ERR_DENIED, "verified", said,
                            "期初数已核定，不能直接改或删。请先退回（写明原因），改好以后再由另一人"
                            "核定。",
                            "This opening balance is verified: send it back with a reason first, "
                            "then correct it and have another person verify it again.");
}

enum lm_status lm_approve_one(struct lm_store *store, const char *user, const char *state,
                              const char *id, int64_t now_ms, json_t *left, size_t *approved_out,
                              struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", state), *row;
    const struct lm_act a = {.user = user, .id = id, .fields = fields, .op = LM_OP_EDIT};
    const char *type = lm_store_type_of(store, id);
    enum lm_status status;

    if (type && strcmp(type, LM_REQUEST_TYPE) == 0) { /* to verify what somebody asks is to agree */
        (void)json_object_set_new(fields, "decision", json_string("approved"));
    }
    status = act(store, &a, now_ms, err);
    json_decref(fields);
    if (status == LM_OK) {
        (*approved_out)++;
    } else if (status == LM_ERR_INVALID || status == LM_ERR_DENIED || status == LM_ERR_EXISTS ||
               status == LM_ERR_NOT_FOUND) {
        row = lm_error_json(err);
        (void)json_object_set_new(row, "id", json_string(id));
        (void)json_array_append_new(left, row);
        status = LM_OK;
    }
    return status;
}

bool lm_is_lock_in_force(struct lm_store *store, const char *id)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    bool yes = false;

    if (is_of(store, id, "period_lock")) {
        lm_arena_init(&arena, LOCK_ARENA_BYTES);
        yes = lm_store_get(store, &arena, "period_lock", id, &rec) == LM_OK &&
              strcmp(lm_record_text(rec, LM_C_STATE), "verified") == 0 && !lm_record_deleted(rec);
        lm_arena_free(&arena);
    }
    return yes;
}

enum lm_status lm_send_back(struct lm_store *store, const char *user, const char *id,
                            const char *note, int64_t now_ms, struct lm_error *err)
{
    json_t *fields;
    struct lm_act a = {.user = user, .id = id, .op = LM_OP_EDIT};
    bool locked_it = false;
    enum lm_status status = lm_is_lock_in_force(store, id)
                                ? lm_acted_on(store, user, id, is_of_the_lock, &locked_it, err)
                                : LM_OK;

    if (status == LM_OK && locked_it) {
        status = lm_fail(err, LM_ERR_DENIED, "second_person", "state",
                         "锁定的人不能自己解锁（换一个账号也不行），请由另一位领导解锁。",
                         "Who locked a period does not open it, whatever account is used.");
    }
    if (status != LM_OK) {
        return status;
    }
    a.fields = fields = json_pack("{s:s,s:s}", "state", "returned", "return_note", note);

    if (!fields) {
        return lm_fail(err, LM_ERR_INVALID, "bad_utf8", "note", "说明不是合法的文字",
                       "the note is not valid text");
    }
    status = act(store, &a, now_ms, err);
    json_decref(fields);
    return status;
}
