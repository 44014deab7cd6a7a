/* See acts.h. */
#include "hub/acts.h"

#include "common/cli.h"

#include <string.h>

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

struct authors {
    const char *user;
    bool found;
};

static bool look_for_author(void *arg, const json_t *row)
{
    struct authors *a = arg;
    const char *user = json_string_value(json_object_get(row, "user"));
    const char *name;
    json_t *value;

    if (user && strcmp(user, a->user) == 0) {
        json_object_foreach(json_object_get(row, "fields"), name, value)
        {
            a->found = a->found || strcmp(name, "state") != 0;
        }
    }
    return true;
}

enum lm_status lm_second_person(struct lm_store *store, const char *user, const char *id,
                                struct lm_error *err)
{
    struct authors a = {.user = user};
    const char *type = lm_store_type_of(store, id);
    enum lm_status status = LM_OK;

    if (!type || strcmp(type, "opening_balance") != 0) {
        return LM_OK;
    }
    status = lm_store_history(store, id, look_for_author, &a, err);
    return status == LM_OK && a.found
               ? lm_fail(err, LM_ERR_DENIED, "second_person", "state",
                         "期初数要由另一人核定，录入的人不能自己核定。",
                         "Another person than the one who entered it verifies an opening balance.")
               : status;
}

enum lm_status lm_approve_one(struct lm_store *store, const char *user, const char *state,
                              const char *id, int64_t now_ms, json_t *left, size_t *approved_out,
                              struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", state), *row;
    const struct lm_act a = {.user = user, .id = id, .fields = fields, .op = LM_OP_EDIT};
    enum lm_status status;

    memset(err, 0, sizeof *err);
    status = lm_second_person(store, user, id, err);
    if (status == LM_OK) {
        status = act(store, &a, now_ms, err);
    }
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

enum lm_status lm_send_back(struct lm_store *store, const char *user, const char *id,
                            const char *note, int64_t now_ms, struct lm_error *err)
{
    json_t *fields = json_pack("{s:s,s:s}", "state", "returned", "return_note", note);
    const struct lm_act a = {.user = user, .id = id, .fields = fields, .op = LM_OP_EDIT};
    enum lm_status status;

    if (!fields) {
        return lm_fail(err, LM_ERR_INVALID, "bad_utf8", "note", "说明不是合法的文字",
                       "the note is not valid text");
    }
    status = act(store, &a, now_ms, err);
    json_decref(fields);
    return status;
}
