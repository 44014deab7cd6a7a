/* Typed tables: what stands in the schema. Tables and columns carry the catalogue's labels as
 * comments, so that
 * `.schema` in any SQLite tool explains itself.
 *
 * Migration is additive and idempotent: whatever is missing is made, no table and no column is
 * changed or dropped. An index is named after its columns, so that another key in a later catalogue
 * makes another index; the one that the hub counts by takes its forerunner's place. */
#include "common/tables_internal.h"

#include <stdlib.h>
#include <string.h>

const char *const tb_tail_names[TB_TAIL_COUNT] = {"_stamps", "_unknown", "_invalid", "_issue",
                                                  "_pos"};

static const struct {
    const char *sql_type, *constraint, *comment;
} tail_columns[TB_TAIL_COUNT] = {
    {"BLOB", "", "各字段组的版本与次序 / version and rank of each merge group (msgpack)"},
    {"BLOB", "",
     "本版本目录不认识的字段，原样保留 / fields this catalogue does not know, kept (msgpack)"},
    {"INTEGER", " NOT NULL DEFAULT 0 CHECK (\"_invalid\" IN (0, 1))",
     "1 = 退回，不计入统计 / 1 = returned, not counted"},
    {"TEXT", "", "退回原因 JSON / why it is returned: {code,field,zh,en}"},
    {"INTEGER", " NOT NULL DEFAULT 0",
     "最后一次变更在流水账中的位置 / journal position of the last change"},
};

/* ---- writing SQL ---- */

static void put_quoted(struct lm_buf *sql, const char *a, const char *b)
{
    const char *parts[2] = {a, b};

    lm_buf_text(sql, "\"");
    for (int i = 0; i < 2; i++) {
        for (const char *p = parts[i]; *p; p++) {
            lm_buf_add(sql, p, 1);
            if (*p == '"') {
                lm_buf_text(sql, "\"");
            }
        }
    }
    lm_buf_text(sql, "\"");
}

void tb_put_name(struct lm_buf *sql, const char *name)
{
    put_quoted(sql, name, "");
}

void tb_put_table(struct lm_buf *sql, const struct lm_type *type)
{
    put_quoted(sql, "r_", type->name);
}

void tb_put_column(struct lm_buf *sql, const char *alias, const char *name)
{
    tb_put_name(sql, alias);
    lm_buf_text(sql, ".");
    tb_put_name(sql, name);
}

/* Labels are data: whatever could end or confuse a comment becomes a space. */
static void put_label(struct lm_buf *sql, const char *text)
{
    for (const char *p = text ? text : ""; *p; p++) {
        bool bad = (unsigned char)*p < 0x20 || (*p == '*' && p[1] == '/');

        lm_buf_add(sql, bad ? " " : p, 1);
    }
}

static void put_comment(struct lm_buf *sql, const char *zh, const char *en)
{
    lm_buf_text(sql, "/* ");
    put_label(sql, zh);
    if (en && *en) {
        lm_buf_text(sql, " / ");
        put_label(sql, en);
    }
    lm_buf_text(sql, " */");
}

bool tb_is_json(const struct lm_field *field)
{
    return field->is_list || field->ftype == LM_F_MAP;
}

static const char *column_type(const struct lm_field *field)
{
    if (tb_is_json(field)) {
        return "TEXT";
    }
    switch (field->ftype) {
    case LM_F_INT:
    case LM_F_BOOL:
        return "INTEGER";
    case LM_F_DECIMAL:
        return "REAL";
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
    return "TEXT";
}

/* The comment stands between name and type: there ALTER TABLE keeps it too. */
static void put_field_column(struct lm_buf *sql, const struct lm_field *field)
{
    tb_put_name(sql, field->name);
    lm_buf_text(sql, " ");
    put_comment(sql, field->zh, field->en);
    lm_buf_printf(sql, " %s%s", column_type(field),
                  field->index == LM_C_ID ? " NOT NULL PRIMARY KEY" : "");
}

static void put_tail_column(struct lm_buf *sql, int i)
{
    tb_put_name(sql, tb_tail_names[i]);
    lm_buf_text(sql, " ");
    put_comment(sql, tail_columns[i].comment, NULL);
    lm_buf_printf(sql, " %s%s", tail_columns[i].sql_type, tail_columns[i].constraint);
}

static enum lm_status run(struct lm_db *db, struct lm_buf *sql, struct lm_error *err)
{
    enum lm_status st = sql->status;

    if (st != LM_OK) {
        return lm_fail(err, st, lm_status_name(st), "", "建表语句过长或内存不足。",
                       "A table's definition is too long, or memory is short.");
    }
    return lm_db_exec(db, (const char *)sql->data, err);
}

/* ---- tables and columns ---- */

static enum lm_status create_table(struct lm_db *db, const struct lm_type *type, struct lm_buf *sql,
                                   struct lm_error *err)
{
    lm_buf_reset(sql);
    lm_buf_text(sql, "CREATE TABLE ");
    tb_put_table(sql, type);
    lm_buf_text(sql, " ");
    put_comment(sql, type->zh, type->en);
    lm_buf_text(sql, " (\n");
    for (size_t i = 0; i < type->n_fields; i++) {
        lm_buf_text(sql, "  ");
        put_field_column(sql, &type->fields[i]);
        lm_buf_text(sql, ",\n");
    }
    for (int i = 0; i < TB_TAIL_COUNT; i++) {
        lm_buf_text(sql, "  ");
        put_tail_column(sql, i);
        lm_buf_text(sql, i + 1 < TB_TAIL_COUNT ? ",\n" : "\n");
    }
    lm_buf_text(sql, ") STRICT");
    return run(db, sql, err);
}

static enum lm_status add_column(struct lm_db *db, const struct lm_type *type, int field, int tail,
                                 struct lm_buf *sql, struct lm_error *err)
{
    lm_buf_reset(sql);
    lm_buf_text(sql, "ALTER TABLE ");
    tb_put_table(sql, type);
    lm_buf_text(sql, " ADD COLUMN ");
    if (field >= 0) {
        put_field_column(sql, &type->fields[field]);
    } else {
        put_tail_column(sql, tail);
    }
    return run(db, sql, err);
}

/* What a table has: marks fields and tail columns found. *exists_out = the table is there. */
static enum lm_status read_columns(struct lm_db *db, const struct lm_type *type, struct lm_buf *sql,
                                   bool *fields, bool tail[TB_TAIL_COUNT], bool *exists_out,
                                   struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;
    int rc = SQLITE_DONE;

    lm_buf_reset(sql);
    lm_buf_text(sql, "PRAGMA table_info(");
    tb_put_table(sql, type);
    lm_buf_text(sql, ")");
    st =
        sql->status == LM_OK ? lm_db_prepare(db, (const char *)sql->data, &stmt, err) : sql->status;
    while (st == LM_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        const char *sql_type = (const char *)sqlite3_column_text(stmt, 2);
        const struct lm_field *field = name ? lm_type_field(type, name) : NULL;

        *exists_out = true;
        if (field && sql_type && strcmp(sql_type, column_type(field)) != 0) {
            st = lm_fail(
                err, LM_ERR_VERSION, "column_type", field->name,
                "表 r_%s 的列 %s 是 %s，目录要求 %s。字段的类型不能改变，请新增字段。",
                "In table r_%s the column %s is %s and the catalogue asks for %s. A field's type "
                "can't change: add a new field.",
                type->name, field->name, sql_type, column_type(field));
        } else if (field) {
            fields[field->index] = true;
        }
        for (int i = 0; name && i < TB_TAIL_COUNT; i++) {
            tail[i] = tail[i] || strcmp(name, tb_tail_names[i]) == 0;
        }
    }
    if (st == LM_OK) {
        st = lm_db_status(db, rc, "read a table's columns", err);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

static enum lm_status migrate_table(struct lm_db *db, const struct lm_type *type,
                                    struct lm_buf *sql, struct lm_error *err)
{
    bool tail[TB_TAIL_COUNT] = {false};
    bool *fields = calloc(type->n_fields, sizeof(*fields));
    bool exists = false;
    enum lm_status st;

    if (!fields) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    st = read_columns(db, type, sql, fields, tail, &exists, err);
    if (st == LM_OK && !exists) {
        st = create_table(db, type, sql, err);
    } else {
        for (size_t i = 0; st == LM_OK && i < type->n_fields; i++) {
            st = fields[i] ? LM_OK : add_column(db, type, (int)i, -1, sql, err);
        }
        for (int i = 0; st == LM_OK && i < TB_TAIL_COUNT; i++) {
            st = tail[i] ? LM_OK : add_column(db, type, -1, i, sql, err);
        }
    }
    free(fields);
    return st;
}

/* ---- indexes ---- */

enum { INDEX_FIELDS_MAX = 48, INDEX_TEXT_MAX = 64 };

/* Fields in order; counted: what the hub counts rows of this type by follows the place and the day,
 * so that a figure is read from the index alone. */
struct index_spec {
    int fields[INDEX_FIELDS_MAX];
    size_t n;
    bool counted;
};
typedef enum lm_status (*index_visit)(void *arg, const struct lm_type *type,
                                      const struct index_spec *spec);

static bool key_has_index(const struct lm_type *type)
{
    return type->key_mode == LM_KEY_UNIQUE && type->n_natural_key > 0 &&
           type->natural_key[0] != LM_C_ID;
}

/* The unique natural key's single-valued fields; a list can't be indexed. */
static void key_fields(const struct lm_type *type, struct index_spec *out)
{
    *out = (struct index_spec){.n = 0};
    for (size_t i = 0; key_has_index(type) && i < type->n_natural_key && out->n < 16; i++) {
        if (!tb_is_json(&type->fields[type->natural_key[i]])) {
            out->fields[out->n++] = type->natural_key[i];
        }
    }
}

static bool names_field(const char *const *names, size_t n, const struct lm_field *field)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], field->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Does an indicator of this type measure, filter, date or group by the field? */
static bool counts_by(const struct lm_indicator *ind, const struct lm_field *field)
{
    bool used = lm_expr_reads(ind->filter, field) ||
                (ind->date_field && strcmp(ind->date_field, field->name) == 0) ||
                (ind->measure != LM_M_FILLED && names_field(ind->args, ind->n_args, field));

    for (size_t i = 0; i < ind->n_dimensions && !used; i++) {
        const struct lm_dimension *d = &ind->dimensions[i];

        used = strcmp(d->name, "category") == 0 && !d->child && d->field &&
               strcmp(d->field, field->name) == 0;
    }
    return used;
}

/* Lists and long texts stay out. */
static bool fits_index(const struct lm_field *field)
{
    return !tb_is_json(field) && (field->ftype != LM_F_TEXT || field->max_chars <= INDEX_TEXT_MAX);
}

static void count_fields(const struct lm_catalog *catalog, const struct lm_type *type,
                         struct index_spec *spec)
{
    static const int always[] = {LM_C_STATE, LM_C_DELETED_AT};
    bool any = false;

    for (size_t i = 0; i < catalog->n_indicators; i++) {
        any = any || catalog->indicators[i].type == type;
    }
    if (!any || type->reporting_date == LM_C_VILLAGE_CODE) {
        return;
    }
    spec->counted = true;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        spec->fields[spec->n++] = always[i];
    }
    for (size_t f = LM_C_COUNT; f < type->n_fields && spec->n < INDEX_FIELDS_MAX; f++) {
        const struct lm_field *field = &type->fields[f];
        bool used = false;

        for (size_t i = 0; i < catalog->n_indicators && !used; i++) {
            const struct lm_indicator *ind = &catalog->indicators[i];

            used = ind->type == type && counts_by(ind, field);
        }
        if (used && (int)f != type->reporting_date && fits_index(field)) {
            spec->fields[spec->n++] = (int)f;
        }
    }
}

/* Every index that this type should have; each is paid for at every merge. Single fields are
 * indexed where they are set (most corrections and many references never are), and not at all where
 * they lead the key's index. */
static enum lm_status each_index(const struct lm_catalog *catalog, const struct lm_type *type,
                                 bool for_hub, index_visit visit, void *arg)
{
    struct index_spec key, spec = {.n = 0};
    enum lm_status st = LM_OK;

    key_fields(type, &key);
    if (type->reporting_date >= 0) {
        spec.fields[spec.n++] = LM_C_VILLAGE_CODE;
        if (type->reporting_date != LM_C_VILLAGE_CODE) {
            spec.fields[spec.n++] = type->reporting_date;
        }
        if (for_hub) {
            count_fields(catalog, type, &spec);
        }
        st = visit(arg, type, &spec);
    }
    if (st == LM_OK && key.n > 0) {
        st = visit(arg, type, &key);
    }
    for (size_t i = 0; st == LM_OK && i < type->n_fields; i++) {
        const struct lm_field *field = &type->fields[i];
        bool reference = field->ftype == LM_F_UUID && !field->is_list && field->ref;
        bool duplicate = for_hub && !field->is_list && strcmp(field->name, "dup_key") == 0;
        /* a node looks for namesakes at each save of a person (node/save_check.c) */
        bool namesake =
            !for_hub && strcmp(field->name, "name") == 0 && strcmp(type->name, "person") == 0;

        if ((reference || duplicate || namesake) && !(key.n > 0 && key.fields[0] == (int)i)) {
            spec = (struct index_spec){.fields = {(int)i}, .n = 1};
            st = visit(arg, type, &spec);
        }
    }
    return st;
}

struct marks {
    bool *keyed, *indexed;
};

static enum lm_status mark(void *arg, const struct lm_type *type, const struct index_spec *spec)
{
    struct marks *marks = arg;

    (void)type;
    for (size_t i = 0; i < spec->n; i++) {
        marks->indexed[spec->fields[i]] = true;
        if (!spec->counted || i < 2) { /* place and day */
            marks->keyed[spec->fields[i]] = true;
        }
    }
    return LM_OK;
}

void tb_mark_indexed(const struct lm_catalog *catalog, const struct lm_type *type, bool *keyed,
                     bool *indexed)
{
    struct marks marks = {.keyed = keyed, .indexed = indexed};

    LM_CHECK(each_index(catalog, type, true, mark, &marks) == LM_OK);
    keyed[LM_C_ID] = indexed[LM_C_ID] = true;
}

struct index_arg {
    struct lm_db *db;
    struct lm_buf *sql;
    struct lm_error *err;
};

/* i_<type>_<place>_<day>: what those of an earlier catalogue began with. */
static void index_name(struct lm_buf *name, const struct lm_type *type,
                       const struct index_spec *spec, size_t n)
{
    lm_buf_printf(name, "i_%s", type->name);
    for (size_t i = 0; i < n; i++) {
        lm_buf_printf(name, "_%s", type->fields[spec->fields[i]].name);
    }
    if (spec->counted && n == spec->n) {
        lm_buf_text(name, "__invalid");
    }
}

static void put_index_columns(struct lm_buf *sql, const struct lm_type *type,
                              const struct index_spec *spec)
{
    for (size_t i = 0; i < spec->n; i++) {
        lm_buf_text(sql, i ? ", " : "");
        tb_put_name(sql, type->fields[spec->fields[i]].name);
    }
    lm_buf_text(sql, spec->counted ? ", \"_invalid\"" : "");
}

/* Others of the same beginning are paid for at every merge and never read again. */
static enum lm_status drop_others(struct index_arg *in, const struct lm_type *type,
                                  const struct index_spec *spec, const char *name)
{
    struct lm_buf prefix;
    sqlite3_stmt *stmt = NULL;
    char old[512] = "";
    enum lm_status st;

    lm_buf_init(&prefix, 4096);
    index_name(&prefix, type, spec, 2);
    st = prefix.status != LM_OK
             ? prefix.status
             : lm_db_prepare(in->db,
                             "SELECT name FROM sqlite_schema WHERE type='index' AND "
                             "tbl_name='r_'||?3 AND name<>?2 AND (name=?1 OR "
                             "substr(name,1,length(?1)+17)=?1||'_state_deleted_at')",
                             &stmt, in->err);
    if (st == LM_OK) {
        (void)sqlite3_bind_text(stmt, 1, (const char *)prefix.data, (int)prefix.len, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 3, type->name, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            (void)snprintf(old, sizeof old, "%s", (const char *)sqlite3_column_text(stmt, 0));
        }
    }
    (void)sqlite3_finalize(stmt);
    lm_buf_free(&prefix);
    if (st == LM_OK && old[0]) {
        lm_buf_reset(in->sql);
        lm_buf_text(in->sql, "DROP INDEX ");
        tb_put_name(in->sql, old);
        st = run(in->db, in->sql, in->err);
    }
    return st;
}

static enum lm_status create_index(void *arg, const struct lm_type *type,
                                   const struct index_spec *spec)
{
    struct index_arg *in = arg;
    struct lm_buf name;
    enum lm_status st;

    lm_buf_init(&name, 4096);
    index_name(&name, type, spec, spec->n);
    st = name.status;
    if (st == LM_OK && spec->counted) {
        st = drop_others(in, type, spec, (const char *)name.data);
    }
    lm_buf_reset(in->sql);
    lm_buf_text(in->sql, "CREATE INDEX IF NOT EXISTS ");
    tb_put_name(in->sql, name.status == LM_OK ? (const char *)name.data : "");
    lm_buf_text(in->sql, " ON ");
    tb_put_table(in->sql, type);
    lm_buf_text(in->sql, " (");
    put_index_columns(in->sql, type, spec);
    lm_buf_text(in->sql, ")");
    if (spec->n == 1) { /* "= x" implies it, so that SQLite uses the index */
        lm_buf_text(in->sql, " WHERE ");
        tb_put_name(in->sql, type->fields[spec->fields[0]].name);
        lm_buf_text(in->sql, " IS NOT NULL");
    }
    st = st == LM_OK ? run(in->db, in->sql, in->err) : st;
    lm_buf_free(&name);
    return st;
}

enum lm_status lm_tables_migrate(struct lm_db *db, const struct lm_catalog *catalog, bool for_hub,
                                 struct lm_error *err)
{
    bool own = !lm_db_in_transaction(db);
    enum lm_status st = own ? lm_db_begin(db, err) : LM_OK;
    struct lm_buf sql;
    struct index_arg arg = {.db = db, .sql = &sql, .err = err};

    if (st != LM_OK) {
        return st;
    }
    lm_buf_init(&sql, TB_SQL_BYTES_MAX);
    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        st = migrate_table(db, &catalog->types[i], &sql, err);
        if (st == LM_OK) {
            st = each_index(catalog, &catalog->types[i], for_hub, create_index, &arg);
        }
    }
    if (own && st == LM_OK) {
        st = lm_db_commit(db, err);
    } else if (own) {
        lm_db_rollback(db);
    }
    lm_buf_free(&sql);
    return st;
}
