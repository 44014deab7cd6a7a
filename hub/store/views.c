/* What other programs read of the master database (DB Browser, Metabase, sqlite3): a view for each
 * record type, with labels as comments, codes in words and money in yuan. Made from the catalogue;
 * made anew when its text differs. What the catalogue calls sensitivity 2 (ID and bank numbers,
 * illness, hardship) is in no view. A text that somebody typed a number into which may be a
 * person's (15 digits or more, or a mobile number, also in groups) is not shown: the column says so
 * instead. A view cannot cover the number alone as the pages do (hub/api/numbers.c), for SQLite has
 * no function for that and other programs bring none of ours; so it may hide a text with two dates
 * side by side.
 *
 *   v_<type>   live records, one row each; "<field>_zh" is a code in words
 *   v_station_board  stations and how complete their data is
 *   v_about    the views and what they hold;  v_columns  their columns
 *
 * Nothing of this program reads them. */
#include "hub/store/store_internal.h"

#include <string.h>

#define SQL_BYTES_MAX (4 * 1024 * 1024)

static void quoted(struct lm_buf *sql, char mark, const char *text)
{
    lm_buf_add(sql, &mark, 1);
    for (; *text; text++) {
        lm_buf_add(sql, text, 1);
        if (*text == mark) {
            lm_buf_add(sql, &mark, 1);
        }
    }
    lm_buf_add(sql, &mark, 1);
}

static void name(struct lm_buf *sql, const char *text)
{
    quoted(sql, '"', text);
}

static void literal(struct lm_buf *sql, const char *text)
{
    quoted(sql, '\'', text ? text : "");
}

/* Labels are data: what could end a comment is left out. */
static void comment(struct lm_buf *sql, const char *zh, const char *en)
{
    const char *parts[3] = {zh ? zh : "", en && *en ? " / " : "", en ? en : ""};

    lm_buf_text(sql, "/* ");
    for (int i = 0; i < 3; i++) {
        for (const char *p = parts[i]; *p; p++) {
            bool bad = (unsigned char)*p < 0x20 || *p == '*';

            lm_buf_add(sql, bad ? " " : p, 1);
        }
    }
    lm_buf_text(sql, " */ ");
}

static bool ends_in_fen(const char *field)
{
    size_t n = strlen(field);

    return n > 4 && strcmp(field + n - 4, "_fen") == 0;
}

static bool shown(const struct lm_field *f)
{
    return !f->common && f->sensitivity < 2 && f->ftype != LM_F_HEX && f->ftype != LM_F_FILE;
}

/* ---- columns ---- */

/* One column: into the view, and a row of v_columns. */
struct views {
    struct lm_buf sql, columns, about;
    const char *view;
    bool first_column, first_about;
};

static void begin_column(struct views *v, const char *column, const char *zh, const char *en)
{
    lm_buf_text(&v->sql, ",\n  ");
    comment(&v->sql, zh, en);
    lm_buf_text(&v->columns, v->first_column ? "" : ",\n  ");
    v->first_column = false;
    lm_buf_text(&v->columns, "(");
    literal(&v->columns, v->view);
    lm_buf_text(&v->columns, ",");
    literal(&v->columns, column);
    lm_buf_text(&v->columns, ",");
    literal(&v->columns, zh);
    lm_buf_text(&v->columns, ",");
    literal(&v->columns, en);
    lm_buf_text(&v->columns, ")");
}

static void plain(struct views *v, const char *of, const char *column, const char *zh,
                  const char *en)
{
    begin_column(v, column, zh, en);
    lm_buf_printf(&v->sql, "%s.", of);
    name(&v->sql, column);
    lm_buf_text(&v->sql, " AS ");
    name(&v->sql, column);
}

static void in_words(struct views *v, const char *column, const struct lm_list *list,
                     const char *zh, const char *en)
{
    char words[LM_KEY_CHARS_MAX * 4 + 8];

    (void)snprintf(words, sizeof words, "%s_zh", column);
    begin_column(v, words, zh, en);
    lm_buf_text(&v->sql, "CASE r.");
    name(&v->sql, column);
    for (size_t i = 0; i < list->n_codes; i++) {
        lm_buf_text(&v->sql, " WHEN ");
        literal(&v->sql, list->codes[i].code);
        lm_buf_text(&v->sql, " THEN ");
        literal(&v->sql, list->codes[i].zh);
    }
    lm_buf_text(&v->sql, " END AS ");
    name(&v->sql, words);
}

#define DIGIT "[0-9０-９]"
#define DIGITS_5 DIGIT DIGIT DIGIT DIGIT DIGIT
#define HIDDEN "（内有号码，请在镇里的网页查看）"

/* A text that people write. NULL stays NULL. */
static void typed_text(struct views *v, const struct lm_field *f)
{
    begin_column(v, f->name, f->zh, f->en);
    lm_buf_text(&v->sql, "CASE WHEN replace(replace(r.");
    name(&v->sql, f->name);
    lm_buf_text(&v->sql,
                ",' ',''),'-','') GLOB '*" DIGITS_5 DIGITS_5 DIGITS_5 "*' OR replace(replace(r.");
    name(&v->sql, f->name);
    lm_buf_text(&v->sql, ",' ',''),'-','') GLOB '*[1１][3-9３-９]" DIGITS_5 DIGIT DIGIT DIGIT DIGIT
                         "*' THEN '" HIDDEN "' ELSE r.");
    name(&v->sql, f->name);
    lm_buf_text(&v->sql, " END AS ");
    name(&v->sql, f->name);
}

static void field_columns(struct views *v, const struct lm_field *f)
{
    char yuan[LM_KEY_CHARS_MAX * 4 + 8];

    if (ends_in_fen(f->name) && !f->is_list) {
        (void)snprintf(yuan, sizeof yuan, "%.*s_yuan", (int)strlen(f->name) - 4, f->name);
        begin_column(v, yuan, f->zh, f->en);
        lm_buf_text(&v->sql, "r.");
        name(&v->sql, f->name);
        lm_buf_text(&v->sql, " / 100.0 AS ");
        name(&v->sql, yuan);
        return;
    }
    if (f->ftype == LM_F_TEXT && !f->format) {
        typed_text(v, f);
        return;
    }
    plain(v, "r", f->name, f->zh, f->en);
    if (f->ftype == LM_F_CODE && f->list && !f->is_list) {
        in_words(v, f->name, f->list, f->zh, f->en);
    }
}

/* ---- views ---- */

static void about(struct views *v, const char *zh, const char *en)
{
    lm_buf_text(&v->about, v->first_about ? "" : ",\n  ");
    v->first_about = false;
    lm_buf_text(&v->about, "(");
    literal(&v->about, v->view);
    lm_buf_text(&v->about, ",");
    literal(&v->about, zh);
    lm_buf_text(&v->about, ",");
    literal(&v->about, en);
    lm_buf_text(&v->about, ")");
}

/* Runs sql when the view is not there as it says. */
static enum lm_status put_view(struct lm_db *db, const char *view, const struct lm_buf *sql,
                               struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    char drop[160];
    bool same = false;
    enum lm_status st = lm_db_prepare(
        db, "SELECT sql = ?2 FROM sqlite_master WHERE type = 'view' AND name = ?1", &stmt, err);

    if (st != LM_OK) {
        return st;
    }
    if (sql->status != LM_OK) {
        (void)sqlite3_finalize(stmt);
        return lm_fail(err, sql->status, "memory", "", "视图定义过长或内存不足",
                       "A view's definition is too long, or memory is short");
    }
    (void)sqlite3_bind_text(stmt, 1, view, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, (const char *)sql->data, (int)sql->len, SQLITE_STATIC);
    same = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
    (void)sqlite3_finalize(stmt);
    if (same) {
        return LM_OK;
    }
    (void)snprintf(drop, sizeof drop, "DROP VIEW IF EXISTS \"%s\"", view);
    st = lm_db_exec(db, drop, err);
    if (st == LM_OK) {
        st = lm_db_prepare(db, (const char *)sql->data, &stmt, err);
    }
    if (st == LM_OK) {
        int rc = sqlite3_step(stmt);

        st = rc == SQLITE_DONE ? LM_OK : lm_db_status(db, rc, "make a view", err);
        (void)sqlite3_finalize(stmt);
    }
    return st;
}

static void begin_view(struct views *v, const char *view, const char *zh, const char *en)
{
    v->view = view;
    lm_buf_free(&v->sql);
    lm_buf_init(&v->sql, SQL_BYTES_MAX);
    lm_buf_text(&v->sql, "CREATE VIEW ");
    name(&v->sql, view);
    lm_buf_text(&v->sql, " ");
    comment(&v->sql, zh, en);
    about(v, zh, en);
}

static enum lm_status type_view(struct views *v, struct lm_db *db, const struct lm_type *type,
                                struct lm_error *err)
{
    char view[120];

    (void)snprintf(view, sizeof view, "v_%.100s", type->name);
    begin_view(v, view, type->zh, type->en);
    lm_buf_text(&v->sql, "AS SELECT\n  r.id AS id");
    plain(v, "r", "village_code", "村（区划代码）", "village (division code)");
    begin_column(v, "village_name", "村名", "the village's name");
    lm_buf_text(&v->sql, "s.name AS village_name");
    plain(v, "r", "state", "状态", "state");
    if (type->states) {
        in_words(v, "state", type->states, "状态", "state");
    }
    plain(v, "r", "created_at", "建立时间", "made at");
    for (size_t i = 0; i < type->n_fields; i++) {
        if (shown(&type->fields[i])) {
            field_columns(v, &type->fields[i]);
        }
    }
    lm_buf_text(&v->sql, "\nFROM ");
    lm_buf_printf(&v->sql, "\"r_%s\" r LEFT JOIN stations s ON s.code = r.village_code",
                  type->name);
    lm_buf_text(&v->sql, "\nWHERE r.deleted_at IS NULL AND r._invalid = 0");
    return put_view(db, view, &v->sql, err);
}

/* Times in the database are milliseconds of Unix time. */
static enum lm_status station_view(struct views *v, struct lm_db *db, struct lm_error *err)
{
    static const struct {
        const char *column, *zh, *en, *sql;
    } columns[] = {
        {"code", "区划代码", "division code", "s.code"},
        {"name", "名称", "name", "s.name"},
        {"level", "级别", "level", "s.level"},
        {"office_name", "办事处", "office", "s.office_name"},
        {"pcs", "在用电脑数", "PCs in use", "count(r.number)"},
        {"last_contact", "上次联系（UTC）", "last contact (UTC)",
         "datetime(nullif(max(r.contact_ms), 0) / 1000, 'unixepoch')"},
        {"complete_through", "数据完整至（UTC）", "complete through (UTC)",
         "datetime(nullif(min(r.complete_ms), 0) / 1000, 'unixepoch')"},
        {"possible_gap", "可能有缺口", "possible gap", "ifnull(max(r.possible_gap), 0)"}};

    begin_view(v, "v_station_board", "村站与数据完整情况",
               "stations and how complete their data is");
    lm_buf_text(&v->sql, "AS SELECT\n  s.code AS station");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        begin_column(v, columns[i].column, columns[i].zh, columns[i].en);
        lm_buf_printf(&v->sql, "%s AS \"%s\"", columns[i].sql, columns[i].column);
    }
    lm_buf_text(&v->sql, "\nFROM stations s LEFT JOIN replicas r ON r.station = s.code AND "
                         "r.revoked_ms = 0\nGROUP BY s.code");
    return put_view(db, "v_station_board", &v->sql, err);
}

static enum lm_status list_view(struct lm_db *db, const char *view, const char *head,
                                const char *columns, const struct lm_buf *rows,
                                struct lm_error *err)
{
    struct lm_buf sql;
    enum lm_status st;

    lm_buf_init(&sql, SQL_BYTES_MAX);
    lm_buf_printf(&sql, "CREATE VIEW \"%s\" /* %s */ (%s) AS VALUES\n  ", view, head, columns);
    lm_buf_add(&sql, rows->data, rows->len);
    st = rows->status == LM_OK ? put_view(db, view, &sql, err) : rows->status;
    lm_buf_free(&sql);
    return st;
}

enum lm_status lm_views_make(struct lm_db *db, const struct lm_catalog *catalog,
                             struct lm_error *err)
{
    struct views v = {.first_column = true, .first_about = true};
    enum lm_status st = LM_OK;

    lm_buf_init(&v.sql, SQL_BYTES_MAX);
    lm_buf_init(&v.columns, SQL_BYTES_MAX);
    lm_buf_init(&v.about, SQL_BYTES_MAX);
    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        st = type_view(&v, db, &catalog->types[i], err);
    }
    if (st == LM_OK) {
        st = station_view(&v, db, err);
    }
    if (st == LM_OK) {
        st = list_view(db, "v_about", "各视图说明 / what each view holds",
                       "\"view\", \"zh\", \"en\"", &v.about, err);
    }
    if (st == LM_OK) {
        st = list_view(db, "v_columns", "各视图的列 / what each column means",
                       "\"view\", \"column\", \"zh\", \"en\"", &v.columns, err);
    }
    lm_buf_free(&v.sql);
    lm_buf_free(&v.columns);
    lm_buf_free(&v.about);
    return st;
}
