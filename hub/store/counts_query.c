/* The SQL of one indicator: measure, filter, period, openings and grouping over the typed tables.
 *
 * A row counts when it is not deleted, not invalid, in a state that counts (unless the filter names states), and not replaced by a
 * verified correction. Flows are dated in UTC+8. With opening balances, rows dated on or before an opening inside its area are left
 * out: the opening holds them already. A person merged into another counts as that other. */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX (64 * 1024)

/* ---- groups ----------------------------------------------------------------------------------- */

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
        void *grown = size > LM_COUNT_GROUPS_MAX ? NULL : realloc(groups->items, size * sizeof *groups->items);
        if (!grown) {
            return NULL;
        }
        groups->items = grown;
        groups->size = size;
    }
    memmove(&groups->items[low + 1], &groups->items[low], (groups->n - low) * sizeof *groups->items);
    groups->n++;
    struct lm_count_group *group = &groups->items[low];
    memset(group, 0, sizeof *group);
    snprintf(group->key, sizeof group->key, "%s", key);
    group->value.den = 1;
    return group;
}

/* ---- pieces of SQL ---------------------------------------------------------------------------- */

static const char no_category[] = "none";

/* The calendar day in UTC+8 of a date or date-time column of t. */
static void put_day(struct lm_buf *sql, const struct lm_field *field)
{
    lm_buf_printf(sql, field->ftype == LM_F_DATETIME ? "date(t.\"%s\",'+8 hours')" : "t.\"%s\"", field->name);
}

static bool has_state(const struct lm_type *type, const char *state)
{
    return lm_list_code(type->states, state) != NULL;
}

/* Rows that count, whatever the filter says. */
static void put_live(struct lm_buf *sql, const struct lm_indicator *ind)
{
    const struct lm_type *type = ind->type;
    lm_buf_text(sql, "t.deleted_at IS NULL AND t._invalid=0");
    if (!ind->filter_names_state) {
        lm_buf_text(sql, " AND t.state NOT IN ('draft','returned','cancelled','merged')");
    }
    if (has_state(type, "verified")) {
        lm_buf_printf(sql,
                      " AND (t.correction_of IS NULL OR t.state IN ('verified','locked')) AND NOT EXISTS (SELECT 1 FROM \"r_%s\" k "
                      "WHERE k.correction_of=t.id AND k.deleted_at IS NULL AND k._invalid=0 AND k.state IN ('verified','locked'))",
                      type->name);
    } else {
        lm_buf_printf(sql,
                      " AND NOT EXISTS (SELECT 1 FROM \"r_%s\" k WHERE k.correction_of=t.id AND k.deleted_at IS NULL AND "
                      "k._invalid=0 AND k.state NOT IN ('draft','returned','cancelled','merged'))",
                      type->name);
    }
}

/* Openings that hold what lies inside their area up to their day. area is t's village_code. */
static const char opening_live[] =
    "o.deleted_at IS NULL AND o._invalid=0 AND o.state NOT IN ('draft','returned','cancelled','merged') AND o.indicator=:indicator AND "
    "o.as_of<=:to";
static const char opening_covers[] =
    "(o.area_code=:town OR o.area_code=t.village_code OR o.area_code=(SELECT a.parent_code FROM r_area_unit a WHERE a.code=t.village_code "
    "AND a.deleted_at IS NULL ORDER BY a.valid_from DESC LIMIT 1))";

static bool counts_openings(const struct lm_indicator *ind, const struct lm_count_scope *scope)
{
    return ind->opening && ind->flow && !scope->from;
}

static enum lm_status put_where(struct lm_buf *sql, struct lm_store *store, const struct lm_indicator *ind,
                                const struct lm_count_scope *scope)
{
    enum lm_status status = LM_OK;
    lm_buf_text(sql, " WHERE ");
    put_live(sql, ind);
    if (ind->filter) {
        lm_buf_text(sql, " AND (");
        status = lm_expr_sql(ind->filter, store->catalog, ind->type, "t", sql);
        lm_buf_text(sql, ")");
    }
    if (ind->flow) {
        const struct lm_field *date = lm_type_field(ind->type, ind->date_field);
        LM_CHECK(date != NULL);
        if (scope->from) {
            lm_buf_text(sql, " AND ");
            put_day(sql, date);
            lm_buf_text(sql, ">=:from");
        }
        lm_buf_text(sql, " AND ");
        put_day(sql, date);
        lm_buf_text(sql, "<=:to");
        if (counts_openings(ind, scope)) {
            lm_buf_printf(sql, " AND NOT EXISTS (SELECT 1 FROM r_opening_balance o WHERE %s AND %s AND o.as_of>=", opening_live,
                          opening_covers);
            put_day(sql, date);
            lm_buf_text(sql, ")");
        }
    }
    if (scope->station) {
        lm_buf_text(sql, " AND t.village_code=:station");
    }
    return status;
}

/* A person reference counts as the person it was merged into. */
static void put_arg(struct lm_buf *sql, const struct lm_indicator *ind, const char *name)
{
    const struct lm_field *field = lm_type_field(ind->type, name);
    if (field && field->ftype == LM_F_UUID && field->ref && strcmp(field->ref, "person") == 0) {
        lm_buf_printf(sql, "coalesce((SELECT p.merged_into FROM r_person p WHERE p.id=t.\"%s\"),t.\"%s\")", name, name);
    } else {
        lm_buf_printf(sql, "t.\"%s\"", name);
    }
}

static void put_distinct(struct lm_buf *sql, const struct lm_indicator *ind)
{
    /* distinct(dup_key,id): the first that is set, so that one person in two villages counts once. */
    bool first_set = strcmp(ind->args[0], "dup_key") == 0;
    lm_buf_text(sql, "count(DISTINCT ");
    if (first_set) {
        lm_buf_text(sql, "coalesce(");
    }
    for (size_t i = 0; i < ind->n_args; i++) {
        if (i > 0) {
            lm_buf_text(sql, first_set ? "," : "||char(31)||");
        }
        if (first_set || ind->n_args == 1) {
            put_arg(sql, ind, ind->args[i]);
        } else {
            lm_buf_text(sql, "coalesce(");
            put_arg(sql, ind, ind->args[i]);
            lm_buf_text(sql, ",'')");
        }
    }
    lm_buf_text(sql, first_set ? "))" : ")");
}

/* The measure as a select list of two columns: numerator and denominator. each_item: the row stands for one item of a list. */
static void put_measure(struct lm_buf *sql, const struct lm_indicator *ind, bool each_item)
{
    switch (ind->measure) {
    case LM_M_COUNT:
        lm_buf_text(sql, "count(*),1");
        break;
    case LM_M_SUM:
        lm_buf_printf(sql, "coalesce(sum(t.\"%s\"),0),1", ind->args[0]);
        break;
    case LM_M_SUM_LEN:
        if (each_item) {
            lm_buf_text(sql, "count(*),1");
        } else {
            lm_buf_printf(sql, "coalesce(sum(json_array_length(t.\"%s\")),0),1", ind->args[0]);
        }
        break;
    case LM_M_DISTINCT:
        put_distinct(sql, ind);
        lm_buf_text(sql, ",1");
        break;
    case LM_M_FILLED:
        lm_buf_text(sql, "coalesce(sum(0");
        for (size_t i = 0; i < ind->n_args; i++) {
            lm_buf_printf(sql, "+(t.\"%s\" IS NOT NULL)", ind->args[i]);
        }
        lm_buf_printf(sql, "),0),count(*)*%zu", ind->n_args);
        break;
    case LM_M_MEDIAN_DAYS: /* one row a day count; folded in fold_medians() */
        lm_buf_printf(sql, "CAST(julianday(t.\"%s\")-julianday(t.\"%s\") AS INTEGER),1", ind->args[1], ind->args[0]);
        break;
    case LM_M_RATIO:
    case LM_M_GAP:
    case LM_M_STATIONS_WITHIN:
        LM_CHECK(false);
    }
}

static const char office_sql[] =
    "coalesce((SELECT a.parent_code FROM r_area_unit a WHERE a.code=t.village_code AND a.level='village' AND a.deleted_at IS NULL ORDER BY "
    "a.valid_from DESC LIMIT 1),:town)";

/* The group's key as an SQL expression, and what must be joined for it. */
static void put_key(struct lm_buf *key, struct lm_buf *join, bool *each_item, const struct lm_indicator *ind,
                    const struct lm_count_scope *scope)
{
    const struct lm_dimension *category = scope->category;
    *each_item = false;
    switch (scope->by) {
    case LM_BY_NOTHING:
        lm_buf_text(key, "''");
        break;
    case LM_BY_VILLAGE_CODE:
        lm_buf_text(key, "t.village_code");
        break;
    case LM_BY_OFFICE:
        lm_buf_text(key, office_sql);
        break;
    case LM_BY_MONTH:
        lm_buf_text(key, "substr(");
        put_day(key, lm_type_field(ind->type, ind->date_field));
        lm_buf_text(key, ",1,7)");
        break;
    case LM_BY_CATEGORY:
        if (category->child) {
            /* Through children that count: a person with two identities stands in two groups. */
            lm_buf_printf(join,
                          " JOIN (SELECT DISTINCT person_id AS parent,\"%s\" AS value FROM \"r_%s\" WHERE deleted_at IS NULL AND _invalid=0 "
                          "AND state NOT IN ('draft','returned','cancelled','merged')) AS g ON g.parent=t.id",
                          category->field, category->child);
            lm_buf_text(key, "coalesce(g.value,'')");
            break;
        }
        const struct lm_field *field = lm_type_field(ind->type, category->field);
        if (field->is_list) {
            /* One row an item of the measured list; the aligned category by the same index. */
            lm_buf_printf(join, ",json_each(t.\"%s\") AS j", ind->n_args ? ind->args[0] : field->name);
            lm_buf_printf(key,
                          "coalesce(json_extract(t.\"%s\",'$['||j.key||'].identity'),json_extract(t.\"%s\",'$['||j.key||'].benefit'),'%s')",
                          field->name, field->name, no_category);
            *each_item = true;
        } else {
            lm_buf_printf(key, "coalesce(t.\"%s\",'%s')", field->name, no_category);
        }
        break;
    }
}

/* ---- running ---------------------------------------------------------------------------------- */

static void bind_name(sqlite3_stmt *stmt, const char *name, const char *value)
{
    int index = sqlite3_bind_parameter_index(stmt, name);
    if (index > 0) {
        sqlite3_bind_text(stmt, index, value, -1, SQLITE_STATIC);
    }
}

static enum lm_status prepare(struct lm_store *store, struct lm_buf *sql, const struct lm_indicator *ind,
                              const struct lm_count_scope *scope, sqlite3_stmt **out, struct lm_error *err)
{
    if (sql->status != LM_OK) {
        return lm_fail(err, sql->status, "internal", "", "统计语句过长", "a counting statement is too long");
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
static enum lm_status scalar(struct lm_store *store, struct lm_buf *sql, const struct lm_indicator *ind,
                             const struct lm_count_scope *scope, double *out, struct lm_error *err)
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
    char key[80];
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

static enum lm_status fold_medians(struct lm_store *store, sqlite3_stmt *stmt, struct lm_counted *out,
                                   struct lm_error *err)
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

static enum lm_status fold_rows(struct lm_store *store, sqlite3_stmt *stmt, bool grouped, struct lm_counted *out,
                                struct lm_error *err)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct lm_figure value = {.num = sqlite3_column_int64(stmt, 1), .den = sqlite3_column_int64(stmt, 2)};
        if (!grouped) {
            out->value = value;
            continue;
        }
        struct lm_count_group *group = lm_count_group(&out->groups, lm_column_str(stmt, 0));
        if (!group) {
            return lm_fail(err, LM_ERR_LIMIT, "too_many_groups", "by", "分组太多", "too many groups");
        }
        group->value = value;
    }
    return lm_db_status(store->db, rc, "count", err);
}

static enum lm_status run_measure(struct lm_store *store, const struct lm_indicator *ind,
                                  const struct lm_count_scope *scope, struct lm_counted *out, struct lm_error *err)
{
    struct lm_buf sql, key, join;
    sqlite3_stmt *stmt = NULL;
    bool each_item = false, grouped = scope->by != LM_BY_NOTHING;
    bool median = ind->measure == LM_M_MEDIAN_DAYS;
    lm_buf_init(&sql, SQL_MAX);
    lm_buf_init(&key, SQL_MAX);
    lm_buf_init(&join, SQL_MAX);
    put_key(&key, &join, &each_item, ind, scope);
    lm_buf_text(&sql, "SELECT ");
    lm_buf_text(&sql, (const char *)key.data);
    lm_buf_text(&sql, " AS k,");
    put_measure(&sql, ind, each_item);
    lm_buf_printf(&sql, " FROM \"r_%s\" AS t%s", ind->type->name, join.data ? (const char *)join.data : "");
    enum lm_status status = put_where(&sql, store, ind, scope);
    lm_buf_text(&sql, median ? " ORDER BY 1" : grouped ? " GROUP BY 1" : "");
    if (status == LM_OK) {
        status = prepare(store, &sql, ind, scope, &stmt, err);
    }
    if (status == LM_OK) {
        status = median ? fold_medians(store, stmt, out, err) : fold_rows(store, stmt, grouped, out, err);
    }
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
    lm_buf_free(&key);
    lm_buf_free(&join);
    return status;
}

static enum lm_status run_opening(struct lm_store *store, const struct lm_indicator *ind,
                                  const struct lm_count_scope *scope, bool *any, struct lm_counted *out,
                                  struct lm_error *err)
{
    struct lm_buf sql;
    double sum = 0, rows = 0;
    /* Of several openings of one area the newest holds the older ones. */
    static const char newest[] =
        "NOT EXISTS (SELECT 1 FROM r_opening_balance n WHERE n.indicator=o.indicator AND n.area_code=o.area_code AND n.as_of>o.as_of AND "
        "n.as_of<=:to AND n.deleted_at IS NULL AND n._invalid=0 AND n.state NOT IN ('draft','returned','cancelled','merged'))";
    lm_buf_init(&sql, SQL_MAX);
    lm_buf_printf(&sql, "SELECT coalesce(sum(o.value),0) FROM r_opening_balance o WHERE %s AND %s%s", opening_live, newest,
                  scope->station ? " AND o.area_code=:station" : "");
    enum lm_status status = scalar(store, &sql, ind, scope, &sum, err);
    lm_buf_reset(&sql);
    lm_buf_printf(&sql, "SELECT count(*) FROM r_opening_balance o WHERE %s%s", opening_live,
                  scope->station ? " AND o.area_code=:station" : "");
    if (status == LM_OK) {
        status = scalar(store, &sql, ind, scope, &rows, err);
    }
    lm_buf_free(&sql);
    bool yuan = ind->rounding == LM_R_YUAN || ind->rounding == LM_R_YU10000YUAN;
    sum = sum * (yuan ? 100 : 1); /* openings of money are entered in yuan, counted in fen */
    out->opening = (int64_t)(sum + 0.5);
    *any = rows > 0;
    return status;
}

/* Was anything of that type ever entered here: a row in any state but a draft, or a nil report? */
static enum lm_status ever_entered(struct lm_store *store, const struct lm_indicator *ind,
                                   const struct lm_count_scope *scope, bool *out, struct lm_error *err)
{
    struct lm_buf sql;
    double found = 0;
    const char *at = scope->station ? " AND village_code=:station" : "";
    lm_buf_init(&sql, SQL_MAX);
    lm_buf_printf(&sql,
                  "SELECT EXISTS (SELECT 1 FROM \"r_%s\" WHERE deleted_at IS NULL AND state<>'draft'%s) OR EXISTS (SELECT 1 FROM r_nil_report "
                  "WHERE record='%s' AND deleted_at IS NULL AND _invalid=0 AND state NOT IN ('draft','returned')%s)",
                  ind->type->name, at, ind->type->name, at);
    enum lm_status status = scalar(store, &sql, ind, scope, &found, err);
    *out = found > 0;
    lm_buf_free(&sql);
    return status;
}

/* ---- labels ----------------------------------------------------------------------------------- */

static void one_text(struct lm_store *store, const char *sql, const char *a, const char *b, char *out, size_t n)
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
    one_text(store, "SELECT name FROM r_area_unit WHERE code=?1 AND deleted_at IS NULL ORDER BY valid_from DESC LIMIT 1", code, NULL, out,
             n);
}

void lm_count_office_of(struct lm_store *store, const char *code, const char *town, char out[16])
{
    snprintf(out, 16, "%s", town);
    one_text(store,
             "SELECT parent_code FROM r_area_unit WHERE code=?1 AND level='village' AND deleted_at IS NULL ORDER BY valid_from DESC LIMIT 1",
             code, NULL, out, 16);
}

static void label_category(struct lm_store *store, const struct lm_indicator *ind,
                           const struct lm_dimension *category, struct lm_count_group *group)
{
    const struct lm_type *type = category->child ? lm_catalog_type(store->catalog, category->child) : ind->type;
    const struct lm_field *field = type ? lm_type_field(type, category->field) : NULL;
    const struct lm_code *code = NULL;
    snprintf(group->label, sizeof group->label, "%s", strcmp(group->key, no_category) == 0 ? "未分类" : group->key);
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
            one_text(store, matter ? "SELECT name FROM r_matter WHERE id=?1" : "SELECT name FROM r_org_group WHERE id=?1", group->key, NULL,
                     group->label, sizeof group->label);
        }
    }
    if (code && strcmp(group->key, no_category) != 0) {
        snprintf(group->label, sizeof group->label, "%s", code->zh);
    } else if (code && field->list) {
        snprintf(group->label, sizeof group->label, "%s", code->zh); /* a list may have a code "none" */
    }
}

static void label_groups(struct lm_store *store, const struct lm_indicator *ind, const struct lm_count_scope *scope,
                         struct lm_count_groups *groups)
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

/* ---- one indicator ---------------------------------------------------------------------------- */

enum lm_status lm_count_query_run(struct lm_store *store, const struct lm_indicator *indicator,
                                  const struct lm_count_scope *scope, struct lm_counted *out, struct lm_error *err)
{
    struct lm_count_scope total = *scope;
    bool entered = false, opened = false;
    memset(out, 0, sizeof *out);
    out->value.den = 1;
    total.by = LM_BY_NOTHING;
    enum lm_status status = ever_entered(store, indicator, scope, &entered, err);
    if (status == LM_OK) {
        status = run_measure(store, indicator, &total, out, err);
    }
    if (status == LM_OK && counts_openings(indicator, scope)) {
        status = run_opening(store, indicator, scope, &opened, out, err);
    }
    if (status == LM_OK && scope->by != LM_BY_NOTHING) {
        struct lm_figure value = out->value;
        status = run_measure(store, indicator, scope, out, err);
        out->value = value;
        label_groups(store, indicator, scope, &out->groups);
    }
    out->reported = entered || opened;
    return status;
}

int64_t lm_count_setting(struct lm_store *store, const char *key, int64_t fallback)
{
    char text[64] = "";
    one_text(store,
             "SELECT value FROM r_setting WHERE key=?1 AND deleted_at IS NULL AND _invalid=0 AND state IN ('submitted','verified','locked') "
             "ORDER BY id DESC LIMIT 1",
             key, NULL, text, sizeof text);
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    return text[0] && *end == '\0' && n >= 1 ? n : fallback;
}
