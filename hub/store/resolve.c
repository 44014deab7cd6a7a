/* Settling a conflict: a person chose one of the values that are there, and the hub says so in a
 * change of its own. */
#include "hub/store/store_internal.h"
#include "proto/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ARENA_MAX = 32 * 1024 * 1024 };

struct chosen {
    int64_t pos;
    char record[40], type[64], group[64];
    struct lm_version version;
    struct lm_value value;
};

static enum lm_status no_conflict(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_NOT_FOUND, "no_conflict", "id", "没有这条待处理的冲突",
                   "There is no such open conflict");
}

/* settled: one that is settled is looked for, by its own id. */
static enum lm_status find_conflict(struct lm_store *store, const char *id, bool settled,
                                    struct chosen *out, struct lm_error *err)
{
    bool record = !settled && lm_uuid_valid(id, strlen(id));
    char *end = NULL;
    int64_t pos = record ? 0 : strtoll(id, &end, 10);
    struct sqlite3_stmt *stmt =
        lm_query(store, record ? LM_Q_CONFLICT_OPEN : LM_Q_CONFLICT_GET, err);
    size_t n = 0;
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    if (record) {
        lm_bind_id(stmt, 1, id);
        while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
            out->pos = sqlite3_column_int64(stmt, 0);
            lm_column_copy(stmt, 1, out->group, sizeof out->group);
            n++;
        }
        (void)sqlite3_reset(stmt);
        if (n != 1) {
            return n == 0 ? no_conflict(err)
                          : lm_fail(err, LM_ERR_INVALID, "several_conflicts", "id",
                                    "这条记录有几处冲突，请指明是哪一处",
                                    "The record has several conflicts: name one of them");
        }
    } else {
        if (pos <= 0 || *end != '.') {
            (void)sqlite3_reset(stmt);
            return no_conflict(err);
        }
        out->pos = pos;
        (void)snprintf(out->group, sizeof out->group, "%s", end + 1);
    }
    stmt = lm_query(store, LM_Q_CONFLICT_GET, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, out->pos);
    lm_bind_text(stmt, 2, out->group);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_id(stmt, 1, out->record);
        lm_column_copy(stmt, 2, out->type, sizeof out->type);
        status = (sqlite3_column_int(stmt, 4) != 0) != settled ? LM_OK : LM_ERR_NOT_FOUND;
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? no_conflict(err) : status;
}

static enum lm_status find_sibling(struct lm_store *store, int keep, struct lm_arena *arena,
                                   struct chosen *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SIBLING_LIST, err);
    enum lm_status status;
    bool found = false;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, out->pos);
    lm_bind_text(stmt, 2, out->group);
    while ((status = lm_query_step(store, stmt, err)) == LM_OK && !found) {
        if (sqlite3_column_int(stmt, 0) == keep) {
            out->version.hlc = (uint64_t)sqlite3_column_int64(stmt, 1);
            out->version.replica = (uint64_t)sqlite3_column_int64(stmt, 2);
            status = lm_sibling_read(sqlite3_column_blob(stmt, 3),
                                     (size_t)sqlite3_column_bytes(stmt, 3), arena, &out->value);
            found = status == LM_OK;
            if (status != LM_OK) {
                break;
            }
        }
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
        return status;
    }
    return found ? LM_OK
                 : lm_fail(err, LM_ERR_NOT_FOUND, "no_sibling", "keep", "没有编号为 %d 的值",
                           "There is no value number %d", keep);
}

static void set_from(const struct lm_type *type, int group, const struct lm_value *value,
                     struct lm_fieldset *set)
{
    memset(set, 0, sizeof *set);
    for (uint32_t i = 0; value->kind == LM_MAP && i < value->len; i++) {
        const struct lm_field *field =
            lm_type_fieldn(type, value->pairs[i].key, value->pairs[i].key_len);

        if (field && field->group == group && field->fill != LM_FILL_COMPUTED) {
            lm_fieldset_put(set, field->index, value->pairs[i].value);
        }
    }
}

static enum lm_status keep_value(struct lm_store *store, const char *user, const struct chosen *c,
                                 int group, const struct lm_record *rec, int64_t now_ms,
                                 struct lm_act_result *out, struct lm_error *err)
{
    static const enum lm_author authors[] = {LM_BY_TOWN, LM_BY_SYSTEM};
    const struct lm_type *type = rec->type;
    struct lm_own own = {.user = user, .op = LM_OP_EDIT};
    enum lm_status status = LM_ERR_INVALID;

    if (group == LM_GROUP_DELETED) {
        const struct lm_value *at = lm_value_member(&c->value, "deleted_at");
        own.op = at && !lm_value_is_null(at) ? LM_OP_DELETE : LM_OP_UNDELETE;
    }
    /* A person chose among values that are there: what the town may not type itself, the program
     * sets on its behalf. */
    for (size_t i = 0; i < 2 && (status == LM_ERR_INVALID || status == LM_ERR_DENIED); i++) {
        struct lm_fieldset set;

        set_from(type, group, &c->value, &set);
        if (group == LM_GROUP_DELETED) {
            const struct lm_value *reason = lm_fieldset_get(&set, LM_C_DELETE_REASON);
            struct lm_value kept = reason ? *reason : lm_value_null();

            memset(&set, 0, sizeof set);
            if (own.op == LM_OP_DELETE) {
                lm_fieldset_put(&set, LM_C_DELETE_REASON, kept);
            }
        }
        own.by = authors[i];
        lm_issues_init(&out->issues);
        store->judging_periods = true; /* a person chooses, whoever writes it */
        status = lm_own_change(store, &own, type, rec->id, rec, &set, now_ms, out, err);
        store->judging_periods = false;
    }
    return status;
}

/* What was agreed to was written: another value chosen afterwards would say that something else
 * was. And nobody agrees by choosing among versions: nothing would be written. */
static enum lm_status request_stays(struct lm_store *store, const struct chosen *c, int group,
                                    bool stands, struct lm_error *err)
{
    const struct lm_value *state = lm_value_member(&c->value, "state");
    bool agreed = false;
    enum lm_status status = LM_OK;

    if (stands || strcmp(c->type, LM_REQUEST_TYPE) != 0) {
        return LM_OK;
    }
    status = lm_request_agreed(store, c->record, &agreed);
    if (status == LM_OK && (agreed || (group == LM_GROUP_STATE && state && state->kind == LM_TEXT &&
                                       strcmp(state->text, "verified") == 0))) {
        status =
            lm_fail(err, LM_ERR_INVALID, "request_decided", "",
                    agreed ? "申请已经同意并写入档案，只能保留现在的内容；还要改的，请重新申请。"
                           : "不能在这里选“已核定”：请打开申请，按“同意”或“不同意”。",
                    agreed ? "The request was agreed to and written: keep what stands; for "
                             "another change ask anew."
                           : "A request is decided on its own page, not by choosing here.");
    }
    return status;
}

static bool is_locked(const struct lm_record *rec)
{
    return strcmp(lm_record_text(rec, LM_C_STATE), "locked") == 0;
}

/* Nothing but a value is chosen anew: a state goes its own steps, with what they ask for. */
static enum lm_status may_choose_again(int group, struct lm_error *err)
{
    return group != LM_GROUP_STATE && group != LM_GROUP_DELETED
               ? LM_OK
               : lm_fail(err, LM_ERR_DENIED, "state_moves_on", "keep",
                         "办理状态、删除不能改选，请在记录上办下一步或恢复。",
                         "A state or a deletion is not chosen anew: take the record's next step.");
}

static enum lm_status choose(struct lm_store *store, const char *user, const char *id, int keep,
                             bool again, int64_t now_ms, struct lm_act_result *out,
                             struct lm_error *err)
{
    struct chosen c = {0};
    struct lm_arena arena;
    const struct lm_type *type;
    struct lm_record *rec = NULL;
    int group = -1;
    bool stands = false;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    lm_issues_init(&out->issues);
    lm_arena_init(&arena, ROW_ARENA_MAX);
    status = find_conflict(store, id, again, &c, err);
    if (status == LM_OK) {
        status = find_sibling(store, keep, &arena, &c, err);
    }
    if (status == LM_OK) {
        type = lm_catalog_type(store->catalog, c.type);
        group = type ? lm_type_group(type, c.group, strlen(c.group)) : -1;
        status = group >= 0 ? lm_tables_get(store->tables, &arena, type, c.record, &rec)
                            : no_conflict(err);
    }
    if (status == LM_OK && again && !is_locked(rec)) {
        status = may_choose_again(group, err);
    }
    if (status == LM_OK) {
        (void)snprintf(out->id, sizeof out->id, "%s", c.record);
        stands = !again && lm_version_equal(rec->stamps[group].version, c.version);
        if (group == LM_GROUP_DELETED) {
            const struct lm_value *at = lm_value_member(&c.value, "deleted_at");
            stands = lm_record_deleted(rec) == (at && !lm_value_is_null(at));
        }
        status = request_stays(store, &c, group, stands, err);
    }
    if (status == LM_OK && is_locked(rec) && !stands) { /* its figures were reported */
        status =
            lm_fail(err, LM_ERR_DENIED, "locked", "state",
                    "所在的报告期已锁定，不能再改：只能保留现在的内容，要改请先解锁。",
                    "Its reporting period is locked: keep what stands, or open the period first.");
    }
    if (status == LM_OK) {
        if (stands && (group == LM_GROUP_DELETED || group == LM_GROUP_STATE || is_locked(rec))) {
            status =
                lm_judge_settle(store, user ? user : "", c.record, c.type, c.group, now_ms, err);
        } else {
            status = keep_value(store, user ? user : "", &c, group, rec, now_ms, out, err);
            if (stands && (status == LM_ERR_INVALID || status == LM_ERR_DENIED)) {
                lm_issues_init(&out->issues);
                status = lm_judge_settle(store, user ? user : "", c.record, c.type, c.group, now_ms,
                                         err);
            }
        }
    }
    lm_arena_free(&arena);
    return status;
}

enum lm_status lm_store_resolve(struct lm_store *store, const char *user, const char *id, int keep,
                                int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    return choose(store, user, id, keep, false, now_ms, out, err);
}

enum lm_status lm_store_choose_again(struct lm_store *store, const char *user, const char *id,
                                     int keep, int64_t now_ms, struct lm_act_result *out,
                                     struct lm_error *err)
{
    return choose(store, user, id, keep, true, now_ms, out, err);
}
