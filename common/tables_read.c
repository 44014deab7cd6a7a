/* Typed tables: from a row to a record, by column position. What is stored is ours, but a disk may
 * have changed it: whatever does not fit is LM_ERR_CORRUPT. */
#include "common/tables_internal.h"

#include "proto/prescan.h"

#include <string.h>

void tb_put_columns(struct lm_buf *sql, const struct lm_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        tb_put_column(sql, "r", type->fields[i].name);
        lm_buf_text(sql, ", ");
    }
    for (int i = 0; i < TB_TAIL_COUNT; i++) {
        lm_buf_text(sql, i ? ", " : "");
        tb_put_column(sql, "r", tb_tail_names[i]);
    }
}

static enum lm_status read_text(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                struct lm_value *out)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    char *copy;

    if (!text) {
        return LM_ERR_MEMORY;
    }
    copy = lm_arena_text(arena, text, n);
    if (!copy) {
        return lm_arena_status(arena, n + 1);
    }
    *out = lm_value_textn(copy, n);
    return LM_OK;
}

static enum lm_status load_json(sqlite3_stmt *stmt, int column, json_t **out)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    if (!text) {
        return LM_ERR_MEMORY;
    }
    *out =
        json_loadb(text, (size_t)sqlite3_column_bytes(stmt, column), JSON_REJECT_DUPLICATES, NULL);
    return *out ? LM_OK : LM_ERR_CORRUPT;
}

static enum lm_status read_field(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                 const struct lm_field *field, struct lm_value *out)
{
    json_t *json = NULL;
    enum lm_status st;
    int64_t scaled;

    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        return LM_OK; /* the record starts with nulls */
    }
    if (tb_is_json(field)) {
        st = load_json(stmt, column, &json);
        if (st == LM_OK) {
            st = tb_read_json(arena, field, json, 0, out);
        }
        json_decref(json);
        return st;
    }
    switch (field->ftype) {
    case LM_F_INT:
        *out = lm_value_int(sqlite3_column_int64(stmt, column));
        return LM_OK;
    case LM_F_BOOL:
        *out = lm_value_bool(sqlite3_column_int(stmt, column) != 0);
        return LM_OK;
    case LM_F_DECIMAL:
        if (!tb_scale(sqlite3_column_double(stmt, column), &scaled)) {
            return LM_ERR_CORRUPT;
        }
        *out = lm_value_int(scaled);
        return LM_OK;
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_DATETIME:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
    case LM_F_MAP:
        break;
    }
    return read_text(stmt, column, arena, out);
}

static void copy_member(const json_t *json, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(json, key));

    (void)sqlite3_snprintf((int)size, out, "%s", text ? text : "");
}

static enum lm_status read_issue(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                 struct lm_record *rec)
{
    const char *keys[2] = {"zh", "en"};
    const char **texts[2] = {&rec->issue_zh, &rec->issue_en};
    json_t *json = NULL;
    enum lm_status st;

    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        return LM_OK;
    }
    st = load_json(stmt, column, &json);
    if (st != LM_OK) {
        return st;
    }
    copy_member(json, "code", rec->issue_code, sizeof(rec->issue_code));
    copy_member(json, "field", rec->issue_field, sizeof(rec->issue_field));
    for (int i = 0; st == LM_OK && i < 2; i++) {
        const char *text = json_string_value(json_object_get(json, keys[i]));

        *texts[i] = text && *text ? lm_arena_text(arena, text, strlen(text)) : NULL;
        if (text && *text && !*texts[i]) {
            st = lm_arena_status(arena, strlen(text) + 1);
        }
    }
    json_decref(json);
    return st;
}

static enum lm_status read_unknown(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                   struct lm_value *out)
{
    const uint8_t *data = sqlite3_column_blob(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    struct lm_reader reader;

    if (!data || n == 0) {
        return LM_OK;
    }
    if (lm_prescan(data, n, LM_NODES_MAX, NULL) != LM_OK) {
        return LM_ERR_CORRUPT;
    }
    lm_reader_init(&reader, data, n);
    if (lm_read_value(&reader, arena, out) && lm_reader_done(&reader)) {
        return LM_OK;
    }
    return reader.status == LM_ERR_INVALID || reader.status == LM_OK ? LM_ERR_CORRUPT
                                                                     : reader.status;
}

enum lm_status tb_read_row(struct lm_tables *t, sqlite3_stmt *stmt, struct lm_arena *arena,
                           const struct lm_type *type, struct lm_record **out)
{
    const char *id = (const char *)sqlite3_column_text(stmt, LM_C_ID);
    int n = (int)type->n_fields;
    struct lm_record *rec = id ? lm_record_new(arena, type, id) : NULL;
    enum lm_status st = LM_OK;

    (void)t;
    *out = NULL;
    if (!rec) {
        return id ? lm_arena_status(arena, sizeof(*rec) + type->n_fields * sizeof(*rec->fields) +
                                               type->n_groups * sizeof(*rec->stamps))
                  : LM_ERR_MEMORY;
    }
    for (int i = LM_C_ID + 1; st == LM_OK && i < n; i++) {
        st = read_field(stmt, i, arena, &type->fields[i], &rec->fields[i]);
    }
    if (st == LM_OK && sqlite3_column_bytes(stmt, n + TB_STAMPS) > 0) {
        st = lm_stamps_unpack(rec, sqlite3_column_blob(stmt, n + TB_STAMPS),
                              (size_t)sqlite3_column_bytes(stmt, n + TB_STAMPS), arena);
        st = st == LM_ERR_INVALID ? LM_ERR_CORRUPT : st;
    }
    if (st == LM_OK) {
        st = read_unknown(stmt, n + TB_UNKNOWN, arena, &rec->unknown);
    }
    if (st == LM_OK) {
        st = read_issue(stmt, n + TB_ISSUE, arena, rec);
    }
    rec->invalid = sqlite3_column_int(stmt, n + TB_INVALID) != 0;
    rec->position = sqlite3_column_int64(stmt, n + TB_POS);
    *out = st == LM_OK ? rec : NULL;
    return st;
}
