/* Concurrent edits of one merge group: every value is kept as a numbered sibling, one stands, and
 * the conflict stays open until a change that had seen what stands sets the group anew. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    OPEN_CONFLICTS_MAX = LM_GROUPS_PER_TYPE_MAX,
    SIBLING_BYTES_MAX = 2 * LM_CHANGE_BYTES_MAX,
};

struct open_conflict {
    int64_t pos;
    int group;
    bool again; /* the change is in conflict about it, too */
};
struct open_conflicts {
    struct open_conflict items[OPEN_CONFLICTS_MAX];
    size_t n;
};

static enum lm_status read_open(struct lm_store *store, const struct lm_record *rec,
                                struct open_conflicts *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status = LM_ERR_NOT_FOUND;

    out->n = 0;
    if (store->state.n_conflicts == 0) {
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_CONFLICT_OPEN, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, rec->id);
    while (out->n < OPEN_CONFLICTS_MAX && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        const char *name = lm_column_str(stmt, 1);
        int group = lm_type_group(rec->type, name, strlen(name));

        if (group >= 0) {
            out->items[out->n++] = (struct open_conflict){
                .pos = sqlite3_column_int64(stmt, 0), .group = group, .again = false};
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status add_sibling(struct lm_store *store, int64_t pos, const char *group,
                                  struct lm_version version, const struct lm_value *value,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SIBLING_NEXT, err);
    struct lm_buf packed;
    enum lm_status status;
    int n = 0, there = 0;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, pos);
    lm_bind_text(stmt, 2, group);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)version.hlc);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)version.replica);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        n = sqlite3_column_int(stmt, 0);
        there = sqlite3_column_int(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_OK || there) {
        return status;
    }
    stmt = lm_query(store, LM_Q_SIBLING_PUT, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_buf_init(&packed, SIBLING_BYTES_MAX);
    lm_value_pack(&packed, value);
    status = packed.status;
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, pos);
        lm_bind_text(stmt, 2, group);
        (void)sqlite3_bind_int(stmt, 3, n + 1);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)version.hlc);
        (void)sqlite3_bind_int64(stmt, 5, (int64_t)version.replica);
        lm_bind_blob(stmt, 6, packed.data, packed.len);
        status = lm_query_run(store, stmt, err);
        (void)sqlite3_clear_bindings(stmt);
    }
    lm_buf_free(&packed);
    return status;
}

static enum lm_status put_conflict(struct lm_store *store, const struct lm_effect *f,
                                   const struct lm_sibling_out *sibling,
                                   struct open_conflicts *open, struct lm_error *err)
{
    const struct lm_jentry *e = f->entry;
    const char *group = f->merge->record->type->groups[sibling->group].name;
    int64_t pos = 0;
    enum lm_status status = LM_OK;

    for (size_t i = 0; i < open->n; i++) {
        if (open->items[i].group == sibling->group) {
            open->items[i].again = true;
            pos = open->items[i].pos;
        }
    }
    if (pos == 0) {
        struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CONFLICT_ADD, err);

        if (!stmt) {
            return LM_ERR_IO;
        }
        pos = (int64_t)e->pos;
        (void)sqlite3_bind_int64(stmt, 1, pos);
        lm_bind_id(stmt, 2, e->record);
        lm_bind_text(stmt, 3, f->merge->record->type->name);
        lm_bind_text(stmt, 4, group);
        (void)sqlite3_bind_int64(stmt, 5, e->received_ms);
        status = lm_query_run(store, stmt, err);
        if (status == LM_OK && sqlite3_changes(store->sql) > 0) {
            store->state.n_conflicts++;
        }
    }
    if (status == LM_OK) {
        status =
            add_sibling(store, pos, group, sibling->current_version, &sibling->current_value, err);
    }
    if (status == LM_OK) {
        status =
            add_sibling(store, pos, group, sibling->change_version, &sibling->change_value, err);
    }
    return status;
}

static enum lm_status close_conflict(struct lm_store *store, int64_t pos, const char *group,
                                     struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CONFLICT_CLOSE, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, pos);
    lm_bind_text(stmt, 2, group);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_conflicts--;
    }
    return status;
}

static bool sets_anew(const struct lm_effect *f, int group)
{
    const struct lm_version now = f->merge->record->stamps[group].version;

    return now.hlc == f->entry->hlc && now.replica == f->entry->replica;
}

/* Who deletes a record after all, having seen what stands in it, leaves nothing to be decided. */
static bool ends_with_deletion(const struct lm_effect *f, const struct open_conflicts *open)
{
    bool over_deletion = false;

    for (size_t i = 0; i < open->n; i++) {
        over_deletion = over_deletion || open->items[i].group == LM_GROUP_DELETED;
    }
    return over_deletion && f->merge->n_conflicts == 0 && lm_record_deleted(f->merge->record) &&
           sets_anew(f, LM_GROUP_DELETED);
}

/* New siblings; and an open conflict ends when a change that had seen what stands sets the group
 * anew. */
enum lm_status lm_effect_conflicts(struct lm_store *store, const struct lm_effect *f,
                                   struct lm_error *err)
{
    const struct lm_record *rec = f->merge->record;
    struct open_conflicts open = {.n = 0};
    bool ends_all;
    enum lm_status status;

    if (!rec || !f->before || (store->state.n_conflicts == 0 && f->merge->n_conflicts == 0)) {
        return LM_OK;
    }
    status = read_open(store, rec, &open, err);
    for (size_t i = 0; i < f->merge->n_conflicts && status == LM_OK; i++) {
        status = put_conflict(store, f, &f->merge->conflicts[i], &open, err);
    }
    ends_all = ends_with_deletion(f, &open);
    for (size_t i = 0; i < open.n && status == LM_OK; i++) {
        if (ends_all || (!open.items[i].again && sets_anew(f, open.items[i].group))) {
            status = close_conflict(store, open.items[i].pos,
                                    rec->type->groups[open.items[i].group].name, err);
        }
    }
    return status;
}

enum lm_status lm_judge_settle(struct lm_store *store, const char *user, const char *record,
                               const char *type, const char *group, int64_t now_ms,
                               struct lm_error *err)
{
    const struct lm_type *t = lm_catalog_type(store->catalog, type);
    int g = t ? lm_type_group(t, group, strlen(group)) : -1;
    struct open_conflicts open = {.n = 0};
    struct lm_record *rec = NULL;
    struct lm_jentry e = {.type = type, .received_ms = now_ms, .by = LM_BY_TOWN};
    struct lm_merge_out merge = {.verdict = LM_V_APPLIED, .as_sent = true};
    struct lm_effect effect = {.entry = &e, .merge = &merge};
    enum lm_status status;

    lm_arena_reset(&store->arena);
    if (g < 0) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_conflict", "", "没有这条冲突",
                       "There is no such conflict");
    }
    status = lm_tables_get(store->tables, &store->arena, t, record, &rec);
    if (status == LM_OK) {
        status = read_open(store, rec, &open, err);
    }
    if (status != LM_OK) {
        return status;
    }
    (void)snprintf(e.record, sizeof e.record, "%s", record);
    status = lm_journal_later(store, &e, LM_LATER_SETTLE, 0, user, type, group, err);
    for (size_t i = 0; i < open.n && status == LM_OK; i++) {
        if (open.items[i].group == g) {
            status = close_conflict(store, open.items[i].pos, group, err);
        }
    }
    if (status == LM_OK) {
        effect.before = rec;
        merge.record = rec;
        status = lm_effect_feed(store, &effect, err);
    }
    return status;
}
