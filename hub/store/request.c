/* What follows when the town agrees to a change request (变更申请): the new value is written into
 * the record that it is about, as a change of the hub by whoever agreed, journaled like any other,
 * in one SAVEPOINT with the verification: both, or nothing.
 *
 * It is written over what its author saw and over nothing else. Where the record holds another
 * value by now, is gone, or is another village's, the request stays as it is and who agrees is told
 * what to do; the town may always say no, or send the request back. */
#include "proto/request.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum { REQUEST_ARENA_MAX = 32 * 1024 * 1024 };

struct asked {
    const struct lm_type *type; /* of the record that it is about */
    const struct lm_field *field;
    struct lm_record *request, *now;
    char id[LM_UUID_TEXT + 1];
};

static bool agreed(const struct lm_record *request)
{
    const char *state = lm_record_text(request, LM_C_STATE);

    return (strcmp(state, "verified") == 0 || strcmp(state, "locked") == 0) &&
           strcmp(lm_text_of(request, "decision"), "approved") == 0;
}

static enum lm_status read_request(struct lm_store *store, const char *id, struct lm_arena *arena,
                                   struct lm_record **out)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, LM_REQUEST_TYPE);

    return type ? lm_tables_get(store->tables, arena, type, id, out) : LM_ERR_NOT_FOUND;
}

static enum lm_status read_asked(struct lm_store *store, const char *id, struct lm_arena *arena,
                                 struct asked *a)
{
    enum lm_status status = read_request(store, id, arena, &a->request);

    if (status != LM_OK) {
        return status;
    }
    a->type = lm_request_target(store->catalog, a->request, a->id);
    a->field = a->type ? lm_request_field(a->type, lm_text_of(a->request, "field")) : NULL;
    status =
        a->type ? lm_tables_get(store->tables, arena, a->type, a->id, &a->now) : LM_ERR_NOT_FOUND;
    if (status == LM_ERR_NOT_FOUND) {
        a->now = NULL;
        status = LM_OK;
    }
    return status;
}

static bool holds(const struct asked *a, const char *name)
{
    char scratch[LM_REQUEST_TEXT_MAX];

    return strcmp(lm_request_text(&a->now->fields[a->field->index], scratch),
                  lm_text_of(a->request, name)) == 0;
}

static enum lm_status refuse(struct lm_act_result *out, struct lm_error *err, const char *code,
                             const char *field, const char *zh, const char *en)
{
    lm_issue_add(&out->issues, LM_REFUSE, code, field, zh, en);
    return lm_fail(err, LM_ERR_INVALID, code, field, "%s%.0s", "%.0s%s", zh, en);
}

/* Whether the query of one id finds a row. */
static enum lm_status finds(struct lm_store *store, enum lm_query query, const char *id, bool *out,
                            struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    status = lm_query_step(store, stmt, err);
    (void)sqlite3_reset(stmt);
    *out = status == LM_OK;
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* What a clerk sees is one of two: which was agreed to? */
static enum lm_status no_conflict(struct lm_store *store, const char *id, struct lm_act_result *out,
                                  struct lm_error *err)
{
    bool open = false;
    enum lm_status status = finds(store, LM_Q_CONFLICT_OPEN, id, &open, err);

    return status == LM_OK && open
               ? refuse(out, err, "open_conflict", "new_value",
                        "这份申请两边都改过，还没选定用哪个。请先在“冲突”里选定，再同意。",
                        "The request itself was changed on two sides: settle that conflict first.")
               : status;
}

/* What is against writing it, before the value itself is looked at. */
static enum lm_status may_write(const struct asked *a, struct lm_act_result *out,
                                struct lm_error *err)
{
    if (!a->now) {
        return refuse(out, err, "no_such_record", "target",
                      "要更正的记录不存在，不能同意。请退回申请并写明原因。",
                      "The record to change is not there: send the request back and say why.");
    }
    if (!a->field) {
        return refuse(out, err, "unknown_field", "field",
                      "申请的字段不能这样更正，不能同意。请退回申请，或在那条记录里直接改。",
                      "That field is not changed by a request: send it back, or edit the record.");
    }
    if (lm_record_deleted(a->now)) {
        return refuse(out, err, "deleted", "target",
                      "要更正的记录已删除，不能同意。请退回申请；删错的，先恢复那条记录。",
                      "The record to change is deleted: send the request back, or bring the record "
                      "back first.");
    }
    if (strcmp(lm_record_text(a->now, LM_C_STATE), "merged") == 0) {
        return refuse(out, err, "merged", "target",
                      "要更正的档案已并入另一份，不能同意。请退回申请，由村里对保留的那一份提出。",
                      "The file to change was merged into another: send the request back, the "
                      "village asks about the one that is kept.");
    }
    if (strcmp(lm_record_text(a->now, LM_C_STATE), "locked") == 0) {
        return refuse(out, err, "locked", "target",
                      "要更正的记录所在的报告期已锁定，不能同意。请先解锁，或退回申请。",
                      "The reporting period of the record to change is locked: open it first, or "
                      "send the request back.");
    }
    if (strcmp(lm_record_text(a->now, LM_C_VILLAGE_CODE),
               lm_record_text(a->request, LM_C_VILLAGE_CODE)) != 0) {
        return refuse(out, err, "other_village", "target",
                      "要更正的记录现在不属于提出申请的村，不能同意。请退回申请，由现在的村提出。",
                      "The record to change is another village's now: send the request back, that "
                      "village asks for it.");
    }
    return LM_OK;
}

static enum lm_status write_value(struct lm_store *store, const char *user, const struct asked *a,
                                  int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    json_t *fields = lm_request_fields(a->type, a->field, lm_text_of(a->request, "new_value"));
    const struct lm_act act = {.user = user, .id = a->id, .fields = fields, .op = LM_OP_EDIT};
    struct lm_act_result done;
    struct lm_error why = {0};
    enum lm_status status = fields ? lm_store_act(store, &act, now_ms, &done, &why) : LM_ERR_MEMORY;
    char zh[sizeof why.zh], en[sizeof why.en];

    json_decref(fields);
    if (lm_is_fatal(status)) {
        return status;
    }
    if (status == LM_OK) {
        for (size_t i = 0; i < done.issues.n; i++) {
            const struct lm_error *warning = &done.issues.items[i].error;

            lm_issue_add(&out->issues, LM_WARN, warning->code, "new_value", warning->zh,
                         warning->en);
        }
        return LM_OK;
    }
    (void)snprintf(zh, sizeof zh, "新值不能写入档案：%.280s 请退回申请，或选不同意。", why.zh);
    (void)snprintf(en, sizeof en, "The new value can't be written: %.280s Send it back.", why.en);
    return refuse(out, err, why.code, "new_value", zh, en);
}

enum lm_status lm_request_agreed(struct lm_store *store, const char *id, bool *out)
{
    struct lm_record *request = NULL;
    struct lm_arena arena;
    enum lm_status status;

    *out = false;
    lm_arena_init(&arena, REQUEST_ARENA_MAX);
    status = read_request(store, id, &arena, &request);
    if (status == LM_OK) {
        *out = agreed(request);
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_request_follow(struct lm_store *store, const char *user, const char *id,
                                 int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    struct asked a = {0};
    struct lm_arena arena;
    enum lm_status status;

    lm_arena_init(&arena, REQUEST_ARENA_MAX);
    status = read_asked(store, id, &arena, &a);
    if (status == LM_OK) {
        status = no_conflict(store, id, out, err);
    }
    if (status == LM_OK) {
        status = may_write(&a, out, err);
    }
    if (status == LM_OK && !holds(&a, "new_value")) { /* it may hold it by now: then it is done */
        status = holds(&a, "old_value")
                     ? write_value(store, user, &a, now_ms, out, err)
                     : refuse(out, err, "stale_value", "old_value",
                              "档案里这一项后来改过，不是申请里的原值了，不能同意。请打开档案核对，"
                              "退回申请，由村里按现在的内容重新提出。",
                              "The record was changed since and does not hold the old value: look "
                              "at it and send the request back, the village asks anew.");
    }
    lm_arena_free(&arena);
    return status;
}

/* What was written may be given back as the record's own change, under its own identity: writing it
 * once more would only quarrel with that. */
static enum lm_status given_back(struct lm_store *store, const char *id, bool *out,
                                 struct lm_error *err)
{
    return finds(store, LM_Q_RECOVERED_OPEN, id, out, err);
}

enum lm_status lm_request_recovered(struct lm_store *store, const char *user, const char *id,
                                    int64_t now_ms, struct lm_error *err)
{
    struct asked a = {0};
    struct lm_act_result out;
    struct lm_arena arena;
    bool waits = false;
    enum lm_status status;

    memset(&out, 0, sizeof out);
    lm_issues_init(&out.issues);
    lm_arena_init(&arena, REQUEST_ARENA_MAX);
    status = read_asked(store, id, &arena, &a);
    if (status == LM_OK && a.now && a.field && holds(&a, "old_value")) {
        status = given_back(store, a.id, &waits, err);
        if (status == LM_OK && !waits) {
            status = lm_request_follow(store, user, id, now_ms, &out, err);
        }
    }
    lm_arena_free(&arena);
    return status;
}

enum lm_status lm_request_stays(struct lm_store *store, const struct lm_record *before,
                                struct lm_act_result *out, struct lm_error *err)
{
    static const char *const what[] = {"target", "field", "old_value", "new_value", "decision"};
    struct lm_record *after = NULL;
    struct lm_arena arena;
    bool same;
    enum lm_status status;

    lm_arena_init(&arena, REQUEST_ARENA_MAX);
    status = read_request(store, before->id, &arena, &after);
    same = status == LM_OK && agreed(after);
    for (size_t i = 0; same && i < sizeof what / sizeof what[0]; i++) {
        same = strcmp(lm_text_of(before, what[i]), lm_text_of(after, what[i])) == 0;
    }
    lm_arena_free(&arena);
    return status != LM_OK || same
               ? status
               : refuse(out, err, "in_force", "state",
                        "已同意并写入档案，不能再退回或改；有误请另提申请，或在档案里直接改",
                        "It was agreed to and written: ask for another change, or edit the "
                        "record");
}
