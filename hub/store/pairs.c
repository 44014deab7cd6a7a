/* What people decide about possible doubles: one person's two files become one (a redirect, no
 * reference is rewritten), that is undone, or the two are said to be different. Each is in the
 * journal. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum { PAIR_ARENA_MAX = 32 * 1024 * 1024 };

static void put_side(struct lm_store *store, json_t *list, const char *type, const char *id,
                     struct lm_arena *arena)
{
    struct lm_record *rec = NULL;
    json_t *side = json_pack("{s:s}", "id", id);

    if (side && lm_store_get(store, arena, type, id, &rec) == LM_OK) {
        (void)json_object_set_new(side, "village_code",
                                  json_string(lm_record_text(rec, LM_C_VILLAGE_CODE)));
        (void)json_object_set_new(side, "state", json_string(lm_record_text(rec, LM_C_STATE)));
        if (lm_text_of(rec, "name")[0]) {
            (void)json_object_set_new(side, "name", json_string(lm_text_of(rec, "name")));
        }
    }
    (void)json_array_append_new(list, side);
}

enum lm_status lm_store_duplicates(struct lm_store *store, lm_row_visit visit, void *arg,
                                   struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_arena arena;
    bool more = true;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_DUPLICATE_LIST], &stmt, err);

    if (status != LM_OK) {
        return status;
    }
    lm_arena_init(&arena, PAIR_ARENA_MAX);
    while (more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        char a[40], b[40], type[64];
        json_t *sides = json_array(), *row;

        lm_arena_reset(&arena);
        lm_column_id(stmt, 0, a);
        lm_column_id(stmt, 1, b);
        lm_column_copy(stmt, 2, type, sizeof type);
        put_side(store, sides, type, a, &arena);
        put_side(store, sides, type, b, &arena);
        row = json_pack("{s:s,s:I,s:o}", "type", type, "position",
                        (json_int_t)sqlite3_column_int64(stmt, 3), "records", sides);
        if (!row) {
            status = LM_ERR_MEMORY;
            break;
        }
        more = visit(arg, row);
        json_decref(row);
    }
    (void)sqlite3_finalize(stmt);
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status person(struct lm_store *store, struct lm_arena *arena, const char *id,
                             struct lm_record **out, struct lm_error *err)
{
    enum lm_status status = lm_uuid_valid(id, strlen(id))
                                ? lm_store_get(store, arena, "person", id, out)
                                : LM_ERR_NOT_FOUND;

    return status == LM_ERR_NOT_FOUND
               ? lm_fail(err, status, "no_such_record", "id", "没有这份服务对象档案:%.40s",
                         "There is no such person: %.40s", id)
               : status;
}

static enum lm_status system_edit(struct lm_store *store, const char *user, const char *id,
                                  json_t *fields, int64_t now_ms, struct lm_act_result *out,
                                  struct lm_error *err)
{
    const struct lm_act act = {
        .user = user, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = true};
    enum lm_status status = fields ? lm_store_act(store, &act, now_ms, out, err) : LM_ERR_MEMORY;

    json_decref(fields);
    return status;
}

static bool is_verified(const struct lm_record *rec)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    return strcmp(state, "draft") != 0 && strcmp(state, "submitted") != 0 &&
           strcmp(state, "returned") != 0;
}

enum lm_status lm_store_merge(struct lm_store *store, const char *user, const char *id,
                              const char *into, int64_t now_ms, struct lm_act_result *out,
                              struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL, *target = NULL;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    lm_issues_init(&out->issues);
    lm_arena_init(&arena, PAIR_ARENA_MAX);
    status = person(store, &arena, id, &rec, err);
    if (status == LM_OK) {
        status = person(store, &arena, into, &target, err);
    }
    if (status == LM_OK && lm_text_of(rec, "merged_into")[0] &&
        strcmp(lm_text_of(rec, "merged_into"), target->id) != 0) {
        status = lm_fail(
            err, LM_ERR_INVALID, "merged_already", "id", "这份档案已并入 %.40s,请先用 unmerge 撤销",
            "It was merged into %.40s: unmerge it first", lm_text_of(rec, "merged_into"));
    }
    if (status == LM_OK && strcmp(lm_record_text(rec, LM_C_STATE), "transferring") == 0) {
        status = lm_fail(err, LM_ERR_INVALID, "moving", "id",
                         "这份档案正在转移，请先核定或退回这次转移，再合并",
                         "This file is being moved: decide on the move first, then merge");
    }
    if (status == LM_OK && (lm_record_deleted(rec) || lm_record_deleted(target))) {
        status = lm_fail(err, LM_ERR_INVALID, "deleted", "id", "档案已删除,不能合并",
                         "A deleted record can't be merged");
    }
    if (status == LM_OK && (strcmp(lm_record_text(target, LM_C_STATE), "merged") == 0 ||
                            strcmp(lm_record_text(target, LM_C_STATE), "cancelled") == 0)) {
        status = lm_fail(err, LM_ERR_INVALID, "bad_target", "into",
                         "保留的档案本身已合并或注销,请选有效的那一份",
                         "The record to keep is itself merged or cancelled: name the one that is");
    }
    if (status == LM_OK && strcmp(lm_record_text(rec, LM_C_STATE), "active") == 0 &&
        !is_verified(target)) { /* the person would leave the register */
        status =
            lm_fail(err, LM_ERR_INVALID, "unverified_target", "into",
                    "要保留的档案还没有核定，在册的档案不能并入它：请反过来合并，或者先核定那一份",
                    "The record to keep is not verified, and a file on the register does not "
                    "go into it: merge the other way, or verify that one first");
    }
    if (status == LM_OK) {
        status = system_edit(store, user, rec->id,
                             json_pack("{s:s,s:s}", "state", "merged", "merged_into", target->id),
                             now_ms, out, err);
    }
    lm_arena_free(&arena);
    return status;
}

/* The state before the merge: what the merge's own base of the state says. The life cycle has no
 * way back to others than these; a file that came from one is to be looked at again. */
static const char *state_before(struct lm_store *store, const struct lm_record *rec,
                                struct lm_arena *arena)
{
    struct lm_version version = rec->stamps[LM_GROUP_STATE].version;
    struct lm_jentry e;
    struct lm_change change;

    for (int i = 0; i < 2; i++) {
        if (lm_journal_find(store, arena, rec->id, version, &e) != LM_OK ||
            lm_change_read(e.body, e.body_len, arena, &change, NULL) != LM_OK) {
            return "submitted";
        }
        if (i == 0) {
            version = lm_change_base(&change, "state");
        }
    }
    const struct lm_value *state = lm_value_member(&change.fields, "state");
    return state && state->kind == LM_TEXT &&
                   lm_type_transition(rec->type, "merged", state->text, LM_BY_SYSTEM)
               ? state->text
               : "submitted";
}

enum lm_status lm_store_unmerge(struct lm_store *store, const char *user, const char *id,
                                int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    lm_issues_init(&out->issues);
    lm_arena_init(&arena, PAIR_ARENA_MAX);
    status = person(store, &arena, id, &rec, err);
    if (status == LM_OK && strcmp(lm_record_text(rec, LM_C_STATE), "merged") != 0) {
        status = lm_fail(err, LM_ERR_INVALID, "not_merged", "id", "这份档案没有被合并",
                         "This record is not merged");
    }
    if (status == LM_OK) {
        status = system_edit(
            store, user, rec->id,
            json_pack("{s:s,s:n}", "state", state_before(store, rec, &arena), "merged_into"),
            now_ms, out, err);
    }
    lm_arena_free(&arena);
    return status;
}

enum lm_status lm_judge_dismiss(struct lm_store *store, const char *user, const char *a,
                                const char *b, int64_t now_ms, struct lm_error *err)
{
    bool first = strcmp(a, b) < 0;
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_DUPLICATE_DISMISS, err);
    struct lm_jentry e = {.received_ms = now_ms, .by = LM_BY_TOWN};
    enum lm_status status;

    lm_changes_note(store, "duplicates");
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, first ? a : b);
    lm_bind_id(stmt, 2, first ? b : a);
    status = lm_query_run(store, stmt, err);
    if (status != LM_OK) {
        return status;
    }
    if (sqlite3_changes(store->sql) == 0) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_pair", "id", "这两条不在待核对的重复之中",
                       "These two are no open pair");
    }
    store->state.n_duplicates--;
    (void)snprintf(e.record, sizeof e.record, "%s", first ? a : b);
    return lm_journal_later(store, &e, LM_LATER_DIFFERENT, 0, user, first ? a : b, first ? b : a,
                            err);
}

enum lm_status lm_store_dismiss(struct lm_store *store, const char *user, const char *a,
                                const char *b, int64_t now_ms, struct lm_error *err)
{
    if (!lm_uuid_valid(a, strlen(a)) || !lm_uuid_valid(b, strlen(b))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "不是合法的编号", "not a UUID");
    }
    return lm_judge_dismiss(store, user ? user : "", a, b, now_ms, err);
}
