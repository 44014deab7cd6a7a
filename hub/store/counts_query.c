/* Counting one indicator: runs the statements of counts_sql.c, folds medians, adds opening
 * balances, names the groups. */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

void lm_count_groups_free(struct lm_count_groups *groups)
{
    free(groups->items);
    memset(groups, 0, sizeof *groups);
}

struct lm_count_group *lm_count_group(struct lm_count_groups *groups, const char *key)
{
    size_t low = 0, high = groups->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(groups->items[mid].key, key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < groups->n && strcmp(groups->items[low].key, key) == 0) {
        return &groups->items[low];
    }
    if (groups->n == groups->size) {
        size_t size = groups->size ? groups->size * 2 : 64;
        void *grown = size > LM_COUNT_GROUPS_MAX
                          ? NULL
                          : realloc(groups->items, size * sizeof *groups->items);
        if (!grown) {
            return NULL;
        }
        groups->items = grown;
        groups->size = size;
    }
    memmove(&groups->items[low + 1], &groups->items[low],
            (groups->n - low) * sizeof *groups->items);
    groups->n++;
    struct lm_count_group *group = &groups->items[low];
    memset(group, 0, sizeof *group);
    snprintf(group->key, sizeof group->key, "%s", key);
    group->value.den = 1;
    return group;
}

/* ---- running ---- */

static void bind_name(sqlite3_stmt *stmt, const char *name, const char *value)
{
    int index = sqlite3_bind_parameter_index(stmt, name);
    if (index > 0) {
        sqlite3_bind_text(stmt, index, value, -1, SQLITE_STATIC);
    }
}

static enum lm_status prepare(struct lm_store *store, struct lm_buf *sql,
                              const struct lm_indicator *ind, const struct lm_count_scope *scope,
                              sqlite3_stmt **out, struct lm_error *err)
{
    if (sql->status != LM_OK) {
        return lm_fail(err, sql->status, "internal", "", "统计语句过长",
                       "a counting statement is too long");
    }
    enum lm_status status = lm_db_prepare(store->db, (const char *)sql->data, out, err);
    if (status != LM_OK) {
        return status;
    }
    bind_name(*out, ":from", scope->from);
    bind_name(*out, ":to", scope->to);
    bind_name(*out, ":as_of", scope->to);
    bind_name(*out, ":today", scope->today);
    bind_name(*out, ":station", scope->station);
    bind_name(*out, ":town", scope->town);
    bind_name(*out, ":indicator", ind ? ind->id : NULL);
    int index = sqlite3_bind_parameter_index(*out, ":year");
    if (index > 0) {
        sqlite3_bind_int(*out, index, scope->year);
    }
    return LM_OK;
}

/* First column of the first row as a number. */
static enum lm_status scalar(struct lm_store *store, struct lm_buf *sql,
                             const struct lm_indicator *ind, const struct lm_count_scope *scope,
                             double *out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = prepare(store, sql, ind, scope, &stmt, err);
    *out = 0;
    if (status == LM_OK) {
        int rc = sqlite3_step(stmt);
        *out = rc == SQLITE_ROW ? sqlite3_column_double(stmt, 0) : 0;
        status = lm_db_status(store->db, rc, "count", err);
    }
    sqlite3_finalize(stmt);
    return status;
}

static int compare_days(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Rows (key, days) come sorted by key: each run becomes its median, kept in halves. */
struct medians {
    int64_t *days;
    size_t n, size;
    char key[256];
};

static enum lm_status end_median(struct medians *m, struct lm_counted *out)
{
    if (m->n == 0) {
        return LM_OK;
    }
    qsort(m->days, m->n, sizeof *m->days, compare_days);
    int64_t low = m->days[(m->n - 1) / 2], high = m->days[m->n / 2];
    struct lm_figure median = {.num = low + high, .den = 2};
    m->n = 0;
    if (m->key[0] == '\0') {
        out->value = median;
        return LM_OK;
    }
    struct lm_count_group *group = lm_count_group(&out->groups, m->key);
    if (!group) {
        return LM_ERR_LIMIT;
    }
    group->value = median;
    return LM_OK;
}

static enum lm_status fold_medians(struct lm_store *store, sqlite3_stmt *stmt,
                                   struct lm_counted *out, struct lm_error *err)
{
    struct medians m = {0};
    enum lm_status status = LM_OK;
    int rc;
    out->value = (struct lm_figure){.num = 0, .den = 0};
    while (status == LM_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *key = lm_column_str(stmt, 0);
        if (strcmp(key, m.key) != 0) {
            status = end_median(&m, out);
            snprintf(m.key, sizeof m.key, "%s", key);
        }
        if (m.n == m.size) {
            size_t size = m.size ? m.size * 2 : 256;
            int64_t *grown = realloc(m.days, size * sizeof *grown);
            if (!grown) {
                status = LM_ERR_MEMORY;
                break;
            }
            m.days = grown;
            m.size = size;
        }
        m.days[m.n++] = sqlite3_column_int64(stmt, 1);
    }
    if (status == LM_OK) {
        status = lm_db_status(store->db, rc, "count", err);
    }
    if (status == LM_OK) {
        status = end_median(&m, out);
    }
    free(m.days);
    return status;
}

static enum lm_status fold_rows(struct lm_store *store, sqlite3_stmt *stmt, bool grouped,
                                struct lm_counted *out, struct lm_error *err)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct lm_figure value = {.num = sqlite3_column_int64(stmt, 1),
                                  .den = sqlite3_column_int64(stmt, 2)};
        if (!grouped) {
            out->value = value;
            continue;
        }
        struct lm_count_group *group = lm_count_group(&out->groups, lm_column_str(stmt, 0));
        if (!group) {
            return lm_fail(err, LM_ERR_LIMIT, "too_many_groups", "by", "分组太多",
                           "too many groups");
        }
        group->value = value;
    }
    return lm_db_status(store->db, rc, "count", err);
}

/* Nothing comes back but the groups themselves. */
static enum lm_status fold_tally(struct lm_store *store, sqlite3_stmt *stmt, struct lm_counted *out,
                                 struct lm_error *err)
{
    int rc;

    lm_count_tally_bind(stmt, &out->groups);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_NOMEM && out->groups.n > 0) {
        return lm_fail(err, LM_ERR_LIMIT, "too_many_groups", "by", "分组太多", "too many groups");
    }
    out->value = (struct lm_figure){.num = 0, .den = 1};
    for (size_t i = 0; i < out->groups.n; i++) {
        out->value.num += out->groups.items[i].value.num;
    }
    return lm_db_status(store->db, rc, "count", err);
}

static enum lm_status run_measure(struct lm_store *store, const struct lm_count_sql *in,
                                  struct lm_counted *out, struct lm_error *err)
{
    bool grouped = in->scope->by != LM_BY_NOTHING;
    struct lm_buf sql;
    sqlite3_stmt *stmt = NULL;

    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    enum lm_status status = lm_count_sql_put(store, in, &sql);
    if (status == LM_OK) {
        status = prepare(store, &sql, in->ind, in->scope, &stmt, err);
    } else {
        status = lm_fail(err, status, "internal", "", "统计语句过长或内存不足",
                         "a counting statement is too long, or memory is short");
    }
    if (status == LM_OK && lm_count_adds_up(in->ind, in->scope)) {
        status = fold_tally(store, stmt, out, err);
    } else if (status == LM_OK && in->ind->measure == LM_M_MEDIAN_DAYS) {
        status = fold_medians(store, stmt, out, err);
    } else if (status == LM_OK) {
        status = fold_rows(store, stmt, grouped, out, err);
    }
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
    return status;
}

/* Of several openings of one area the newest holds the older ones. */
static void put_openings(struct lm_buf *sql, const struct lm_count_scope *scope, const char *what,
                         const char *which)
{
    lm_buf_printf(sql,
                  "SELECT %s FROM (SELECT o.id,o.area_code,o.value,o.state,max(o.as_of) FROM "
                  "r_opening_balance o WHERE %s%s GROUP BY o.area_code) %s",
                  what, lm_count_opening_live, scope->station ? " AND o.area_code=:station" : "",
                  which);
}

/* What the openings say, in the indicator's own unit. */
static enum lm_status sum_openings(struct lm_store *store, const struct lm_indicator *ind,
                                   const struct lm_count_scope *scope, const char *which,
                                   int64_t *out, struct lm_error *err)
{
    bool yuan = ind->rounding == LM_R_YUAN || ind->rounding == LM_R_YU10000YUAN;
    struct lm_buf sql;
    double sum = 0;

    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    put_openings(&sql, scope, "sum(value)", which);
    enum lm_status status = scalar(store, &sql, ind, scope, &sum, err);
    lm_buf_free(&sql);
    /* People enter an opening of money in yuan, as the indicator's unit says; money is counted in
     * fen. */
    *out = (int64_t)(sum * (yuan ? 100 : 1) + 0.5);
    return status;
}

static enum lm_status run_opening(struct lm_store *store, const struct lm_indicator *ind,
                                  const struct lm_count_scope *scope, struct lm_counted *out,
                                  struct lm_error *err)
{
    enum lm_status status = sum_openings(store, ind, scope, "", &out->opening, err);

    if (status == LM_OK && out->opening != 0) {
        status = sum_openings(store, ind, scope, "WHERE state='submitted'",
                              &out->opening_unverified, err);
    }
    return status;
}

/* Was anything ever entered that speaks of this indicator: a row of its type beyond a draft
 * (deleted since or not), an opening balance of it, a nil report of its type? at: a condition on
 * the place. */
static enum lm_status entered_at(struct lm_store *store, const struct lm_indicator *ind,
                                 const struct lm_count_scope *scope, const char *at, bool *out,
                                 struct lm_error *err)
{
    const char *name = ind->type->name;
    struct lm_buf sql;
    double found = 0;

    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    lm_buf_printf(&sql,
                  "SELECT EXISTS (SELECT 1 FROM \"r_%s\" WHERE state<>'draft' AND \"%s\"%s) OR "
                  "EXISTS (SELECT 1 FROM r_nil_report "
                  "WHERE record='%s' AND deleted_at IS NULL AND _invalid=0 AND state NOT IN "
                  "('draft','returned') AND village_code%s)",
                  name, lm_count_place(ind->type), at, name, at);
    if (ind->opening) {
        lm_buf_printf(&sql,
                      " OR EXISTS (SELECT 1 FROM r_opening_balance o WHERE %s AND o.area_code%s)",
                      lm_count_opening_live, at);
    }
    enum lm_status status = scalar(store, &sql, ind, scope, &found, err);
    *out = found > 0;
    lm_buf_free(&sql);
    return status;
}

static enum lm_status ever_entered(struct lm_store *store, const struct lm_indicator *ind,
                                   const struct lm_count_scope *scope, bool *out,
                                   struct lm_error *err)
{
    return entered_at(store, ind, scope, scope->station ? "=:station" : " IS NOT NULL", out, err);
}

enum lm_status lm_count_query_entered(struct lm_store *store, const struct lm_indicator *indicator,
                                      const struct lm_count_scope *scope, const char *area,
                                      bool *out, struct lm_error *err)
{
    static const char under[] = " IN (SELECT code FROM r_area_unit WHERE deleted_at IS NULL AND "
                                "(code=:station OR parent_code=:station))";
    struct lm_count_scope there = *scope;

    there.station = area;
    return entered_at(store, indicator, &there, scope->by == LM_BY_OFFICE ? under : "=:station",
                      out, err);
}

static enum lm_status exists(struct lm_store *store, const char *what,
                             const struct lm_indicator *ind, const struct lm_count_scope *scope,
                             bool *out, struct lm_error *err)
{
    struct lm_buf sql;
    double found = 0;

    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    lm_buf_printf(&sql, "SELECT EXISTS (SELECT 1 FROM %s)", what);
    enum lm_status status = scalar(store, &sql, ind, scope, &found, err);
    *out = found > 0;
    lm_buf_free(&sql);
    return status;
}

/* ---- labels ---- */

static void one_text(struct lm_store *store, const char *sql, const char *a, const char *b,
                     char *out, size_t n)
{
    sqlite3_stmt *stmt = NULL;
    if (lm_db_prepare(store->db, sql, &stmt, NULL) == LM_OK) {
        sqlite3_bind_text(stmt, 1, a, -1, SQLITE_STATIC);
        if (b) {
            sqlite3_bind_text(stmt, 2, b, -1, SQLITE_STATIC);
        }
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            snprintf(out, n, "%s", lm_column_str(stmt, 0));
        }
    }
    sqlite3_finalize(stmt);
}

void lm_count_area_label(struct lm_store *store, const char *code, char *out, size_t n)
{
    snprintf(out, n, "%s", code);
    /* What a merged village has from before stays its own, and is shown as such. */
    one_text(store,
             "SELECT CASE WHEN a.end_kind='merged' AND a.successor_code IS NOT NULL THEN "
             "substr(a.name,1,25)||'（已并入'||substr(coalesce((SELECT b.name FROM r_area_unit b "
             "WHERE b.code=a.successor_code AND b.deleted_at IS NULL ORDER BY b.valid_from DESC "
             "LIMIT 1),a.successor_code),1,25)||'）' ELSE a.name END FROM r_area_unit a WHERE "
             "a.code=?1 AND a.deleted_at IS NULL ORDER BY a.valid_from DESC LIMIT 1",
             code, NULL, out, n);
}

void lm_count_office_of(struct lm_store *store, const char *code, const char *town, char out[16])
{
    snprintf(out, 16, "%s", town);
    one_text(store,
             "SELECT parent_code FROM r_area_unit WHERE code=?1 AND level='village' AND deleted_at "
             "IS NULL ORDER BY valid_from DESC LIMIT 1",
             code, NULL, out, 16);
}

static void label_category(struct lm_store *store, const struct lm_indicator *ind,
                           const struct lm_dimension *category, struct lm_count_group *group)
{
    const struct lm_type *type =
        category->child ? lm_catalog_type(store->catalog, category->child) : ind->type;
    const struct lm_field *field = type ? lm_type_field(type, category->field) : NULL;
    const struct lm_code *code = NULL;
    snprintf(group->label, sizeof group->label, "%s",
             strcmp(group->key, lm_count_no_category) == 0 ? "未分类" : group->key);
    if (!field) {
        return;
    }
    if (field->ftype == LM_F_MAP) { /* category_at_visit: an identity, else a benefit */
        for (size_t i = 0; i < field->n_members && !code; i++) {
            code = field->members[i].list ? lm_list_code(field->members[i].list, group->key) : NULL;
        }
    } else if (field->list) {
        code = lm_list_code(field->list, group->key);
    } else if (field->ftype == LM_F_UUID && field->ref) {
        bool matter = strcmp(field->ref, "matter") == 0, org = strcmp(field->ref, "org_group") == 0;
        if (matter || org) {
            one_text(store,
                     matter ? "SELECT name FROM r_matter WHERE id=?1"
                            : "SELECT name FROM r_org_group WHERE id=?1",
                     group->key, NULL, group->label, sizeof group->label);
        }
    }
    if (code && (field->list || strcmp(group->key, lm_count_no_category) !=
                                    0)) { /* a list may have a code "none" */
        snprintf(group->label, sizeof group->label, "%s", code->zh);
    }
}

static void label_groups(struct lm_store *store, const struct lm_indicator *ind,
                         const struct lm_count_scope *scope, struct lm_count_groups *groups)
{
    for (size_t i = 0; i < groups->n; i++) {
        struct lm_count_group *group = &groups->items[i];
        if (scope->by == LM_BY_VILLAGE_CODE || scope->by == LM_BY_OFFICE) {
            lm_count_area_label(store, group->key, group->label, sizeof group->label);
        } else if (scope->by == LM_BY_CATEGORY) {
            label_category(store, ind, scope->category, group);
        } else {
            snprintf(group->label, sizeof group->label, "%s", group->key);
        }
    }
}

/* ---- settings ---- */

static void setting_text(struct lm_store *store, const char *key, char *out, size_t n)
{
    out[0] = '\0';
    one_text(store,
             "SELECT value FROM r_setting WHERE key=?1 AND deleted_at IS NULL AND _invalid=0 AND "
             "state IN ('submitted','verified','locked') "
             "ORDER BY id DESC LIMIT 1",
             key, NULL, out, n);
}

int64_t lm_count_setting(struct lm_store *store, const char *key, int64_t fallback)
{
    char text[64], *end = NULL;

    setting_text(store, key, text, sizeof text);
    long long n = strtoll(text, &end, 10);
    return text[0] && *end == '\0' && n >= 1 && n <= LM_COUNT_SETTING_MAX ? n : fallback;
}

/* "file_fields": names of fields with anything between them; what is no field of the type is passed
 * over. */
static void read_filled(struct lm_store *store, struct lm_count_sql *in)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    char text[2048];

    setting_text(store, "file_fields", text, sizeof text);
    for (const char *p = text; *p && in->n_filled < LM_COUNT_FILLED_MAX;) {
        size_t n = strspn(p, letters);
        const struct lm_field *field = n ? lm_type_fieldn(in->ind->type, p, n) : NULL;
        if (field) {
            in->filled[in->n_filled++] = field->name;
        }
        p += n ? n : 1;
    }
}

/* ---- one indicator ---- */

/* What the statement needs to know of the data. */
static enum lm_status look_around(struct lm_store *store, const struct lm_indicator *indicator,
                                  const struct lm_count_scope *scope, struct lm_count_sql *in,
                                  struct lm_error *err)
{
    char openings[512];
    enum lm_status status;

    if (strcmp(indicator->type->name, "person") == 0) {
        in->child = lm_catalog_type(store->catalog, "person_identity");
    }
    if (indicator->measure == LM_M_FILLED) {
        read_filled(store, in);
    }
    snprintf(openings, sizeof openings, "r_opening_balance o WHERE %s", lm_count_opening_live);
    status =
        exists(store, "r_person WHERE merged_into IS NOT NULL", indicator, scope, &in->merged, err);
    if (status == LM_OK && lm_count_by_dup_key(indicator)) {
        status = exists(store, "duplicates WHERE type='person' AND open=2", indicator, scope,
                        &in->apart, err);
    }
    if (status == LM_OK && lm_count_openings(indicator, scope)) {
        status = exists(store, openings, indicator, scope, &in->covered, err);
    }
    return status;
}

static void bind_number(sqlite3_stmt *stmt, const char *name, size_t value)
{
    int index = sqlite3_bind_parameter_index(stmt, name);

    if (index > 0) {
        sqlite3_bind_int64(stmt, index, (int64_t)value);
    }
}

struct rows_of {
    const char *key, *floor;
    size_t offset, limit;
    bool (*visit)(void *arg, const char *id);
    void *arg;
    size_t n; /* visited, or the total */
};

static enum lm_status run_rows(struct lm_store *store, const struct lm_count_sql *in,
                               struct rows_of *rows, struct lm_error *err)
{
    struct lm_buf sql;
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_DONE;
    enum lm_status status;

    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    status = lm_count_sql_put(store, in, &sql);
    if (status == LM_OK) {
        status = prepare(store, &sql, in->ind, in->scope, &stmt, err);
    }
    if (status == LM_OK) {
        bind_name(stmt, ":key", rows->key);
        bind_name(stmt, ":floor", rows->floor);
        bind_number(stmt, ":limit", rows->limit);
        bind_number(stmt, ":offset", rows->offset);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            if (in->total) {
                rows->n = (size_t)sqlite3_column_int64(stmt, 0);
            } else {
                rows->n++;
                if (!rows->visit(rows->arg, lm_column_str(stmt, 0))) {
                    rc = SQLITE_DONE;
                    break;
                }
            }
        }
        status = lm_db_status(store->db, rc, "list what is counted", err);
    }
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
    return status;
}

/* The day from which on there are at least n rows, or "" for all of them. */
static enum lm_status find_floor(struct lm_store *store, const struct lm_count_sql *in, size_t n,
                                 const char *key, char out[16], struct lm_error *err)
{
    static const int spans[] = {7, 62, 366};
    struct lm_count_sql some = *in;
    enum lm_status status = LM_OK;
    int64_t to;

    some.total = some.floor = true;
    for (size_t i = 0; i < sizeof spans / sizeof *spans && status == LM_OK; i++) {
        struct rows_of rows = {.key = key, .floor = out};

        if (!lm_date_parse(in->scope->to, strlen(in->scope->to), &to)) {
            break;
        }
        lm_date_format(to - spans[i], out);
        status = run_rows(store, &some, &rows, err);
        if (status == LM_OK && rows.n >= n) {
            return LM_OK;
        }
    }
    out[0] = '\0';
    return status;
}

enum lm_status lm_count_query_openings(struct lm_store *store, const struct lm_indicator *indicator,
                                       const struct lm_count_scope *scope, size_t offset,
                                       size_t limit, bool (*visit)(void *arg, const char *id),
                                       void *arg, size_t *total_out, struct lm_error *err)
{
    struct lm_count_sql in = {.ind = indicator, .scope = scope};
    struct lm_buf sql;
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = look_around(store, indicator, scope, &in, err);

    *total_out = 0;
    if (status != LM_OK || !in.covered) {
        return status;
    }
    lm_buf_init(&sql, LM_COUNT_SQL_MAX);
    put_openings(&sql, scope, "id", "ORDER BY area_code");
    status = prepare(store, &sql, indicator, scope, &stmt, err);
    if (status == LM_OK) {
        int rc;

        for (bool wanted = true; (rc = sqlite3_step(stmt)) == SQLITE_ROW; (*total_out)++) {
            if (wanted && *total_out >= offset && *total_out - offset < limit) {
                wanted = visit(arg, lm_column_str(stmt, 0));
            }
        }
        status = lm_db_status(store->db, rc, "list openings", err);
    }
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
    return status;
}

enum lm_status lm_count_query_rows(struct lm_store *store, const struct lm_indicator *indicator,
                                   const struct lm_count_scope *scope, const char *key,
                                   size_t offset, size_t limit,
                                   bool (*visit)(void *arg, const char *id), void *arg,
                                   size_t *total_out, struct lm_error *err)
{
    struct lm_count_sql in = {.ind = indicator, .scope = scope, .rows = true, .key = key};
    struct rows_of total = {.key = key},
                   rows = {
                       .key = key, .offset = offset, .limit = limit, .visit = visit, .arg = arg};
    char floor[16] = "";
    enum lm_status status = look_around(store, indicator, scope, &in, err);

    if (status == LM_OK) {
        in.total = true;
        status = run_rows(store, &in, &total, err);
        in.total = false;
    }
    if (status == LM_OK && lm_count_has_floor(&in) && total.n > offset + limit) {
        status = find_floor(store, &in, offset + limit, key, floor, err);
    }
    if (status == LM_OK) {
        in.floor = floor[0] != '\0';
        rows.floor = floor;
        status = run_rows(store, &in, &rows, err);
    }
    *total_out = total.n;
    return status;
}

static enum lm_status run_now(struct lm_store *store, const struct lm_indicator *indicator,
                              const struct lm_count_scope *scope, struct lm_counted *out,
                              struct lm_error *err)
{
    struct lm_count_scope total = *scope;
    struct lm_count_sql in = {.ind = indicator, .scope = &total};

    memset(out, 0, sizeof *out);
    out->value.den = 1;
    total.by = LM_BY_NOTHING;
    enum lm_status status = ever_entered(store, indicator, scope, &out->reported, err);
    if (status == LM_OK) {
        status = look_around(store, indicator, scope, &in, err);
    }
    if (status == LM_OK && lm_count_adds_up(indicator, scope)) {
        in.scope = scope;
        status = run_measure(store, &in, out, err);
    } else if (status == LM_OK) {
        status = run_measure(store, &in, out, err);
        if (status == LM_OK && scope->by != LM_BY_NOTHING) {
            struct lm_figure value = out->value;
            in.scope = scope;
            status = run_measure(store, &in, out, err);
            out->value = value;
        }
    }
    if (status == LM_OK && in.covered) {
        status = run_opening(store, indicator, scope, out, err);
    }
    if (status == LM_OK && scope->by != LM_BY_NOTHING) {
        label_groups(store, indicator, scope, &out->groups);
    }
    return status;
}

enum lm_status lm_count_query_run(struct lm_store *store, const struct lm_indicator *indicator,
                                  const struct lm_count_scope *scope, struct lm_counted *out,
                                  struct lm_error *err)
{
    enum lm_status status;

    if (lm_kept_figures_find(store, indicator, scope, out)) {
        return LM_OK;
    }
    lm_kept_figures_listen(store);
    status = run_now(store, indicator, scope, out, err);
    lm_kept_figures_keep(store, indicator, scope, status == LM_OK ? out : NULL);
    return status;
}
