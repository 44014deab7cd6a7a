/* The SQL text of one indicator: what counts, when, how measured and grouped. counts_query.c runs
 * it.
 *
 *   WITH <common tables> SELECT key, numerator, denominator FROM [places] "r_<type>" AS t <joins>
 *   WHERE … GROUP BY 1
 *
 * or, where groups only add up, SELECT lm_tally(key, number) (counts_tally.c): nothing is sorted.
 * What happened is read place by place, from the one index that holds all that a figure needs
 * (common/tables_schema.c): a million rows are some hundred milliseconds.
 *
 * A row counts when it is not deleted, not invalid, in a state that counts (or that the filter asks
 * for), and not replaced by a correction that town staff verified; a correction counts from then
 * on. Flows are dated in UTC+8; stocks leave out what is dated after the day asked about. With
 * opening balances, rows dated on or before an opening inside its area are left out: the opening
 * holds them already. A person merged into another counts as that other.
 *
 * The common tables are in counts_with.c. */
#include "common/base/break.h"
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <string.h>

const char lm_count_no_category[] = "none";

/* Left out wherever the filter does not name states. */
#define UNCOUNTED "('draft','returned','cancelled','merged')"
const char lm_count_opening_live[] =
    "o.deleted_at IS NULL AND o._invalid=0 AND o.state NOT IN " UNCOUNTED
    " AND o.indicator=:indicator AND o.as_of<=:to";

/* The column that says which village a row of this type is about. */
const char *lm_count_place(const struct lm_type *type)
{
    return strcmp(type->name, "area_unit") == 0 ? "code"
           : strcmp(type->name, "station") == 0 ? "area_code"
                                                : "village_code";
}

bool lm_count_openings(const struct lm_indicator *ind, const struct lm_count_scope *scope)
{
    return ind->opening && ind->flow && !scope->from;
}

static bool is_person(const struct lm_indicator *ind, const char *name)
{
    const struct lm_field *field = lm_type_field(ind->type, name);

    return field && field->ftype == LM_F_UUID && !field->is_list && field->ref &&
           strcmp(field->ref, "person") == 0;
}

/* The one argument of distinct(person_id), or NULL. */
static const char *person_arg(const struct lm_indicator *ind)
{
    return ind->measure == LM_M_DISTINCT && ind->n_args == 1 && is_person(ind, ind->args[0])
               ? ind->args[0]
               : NULL;
}

/* ---- conditions ---- */

/* The calendar day in UTC+8 of a date or date-time column of t. */
static void put_day(struct lm_buf *sql, const struct lm_field *field)
{
    lm_buf_printf(sql, field->ftype == LM_F_DATETIME ? "date(t.\"%s\",'+8 hours')" : "t.\"%s\"",
                  field->name);
}

/* Does the filter ask for records in this state ("state = x", "state in (…|x|…)")? "state != y"
 * asks for none in particular. */
static bool asks_for(const struct lm_indicator *ind, const char *state)
{
    const char *text = ind->filter_text ? ind->filter_text : "", *clause = text;
    size_t n = strlen(state);

    for (; (clause = strstr(clause, "state ")) != NULL; clause++) {
        const char *words = clause + strlen("state "), *end = words + strcspn(words, "&)");

        if ((clause > text && clause[-1] != ' ' && clause[-1] != '&') ||
            (strncmp(words, "in", 2) != 0 && words[0] != '=')) {
            continue;
        }
        for (const char *p = strstr(words, state); p && p + n <= end; p = strstr(p + 1, state)) {
            if (strchr(" (|=", p[-1]) &&
                strchr(" )|&", p[n])) { /* strchr finds the end of the text too */
                return true;
            }
        }
    }
    return false;
}

static void put_live(struct lm_buf *sql, const struct lm_indicator *ind)
{
    static const char *const uncounted[] = {"draft", "returned", "cancelled", "merged"};

    lm_buf_text(sql, "t.deleted_at IS NULL AND t._invalid=0 AND t.state NOT IN (''");
    for (size_t i = 0; i < sizeof uncounted / sizeof *uncounted; i++) {
        if (!ind->filter_names_state || !asks_for(ind, uncounted[i])) {
            lm_buf_printf(sql, ",'%s'", uncounted[i]);
        }
    }
    lm_buf_text(sql, ")");
    if (!lm_count_is_plan(ind)) { /* its common table has seen to that */
        lm_buf_text(sql, " AND ");
        lm_count_put_stands(sql, ind->type, "t");
    }
    if (strcmp(ind->type->name, "station_assessment") == 0) { /* of a station that is still one */
        lm_buf_text(sql, " AND NOT EXISTS (SELECT 1 FROM main.\"r_station\" AS gone WHERE"
                         " gone.area_code=t.village_code AND gone.closed_on<:to"
                         " AND gone.deleted_at IS NULL AND gone._invalid=0)");
    }
    if (!lm_count_is_plan(ind) && lm_count_since(ind)) {
        const char *since = lm_count_since(ind)->name;

        lm_buf_printf(sql, " AND (t.\"%s\" IS NULL OR t.\"%s\"<=:to)", since, since);
    }
}

/* The same range for the index, a day wider either way: an index knows times, not days. */
static void put_range(struct lm_buf *sql, const struct lm_count_sql *in,
                      const struct lm_field *date)
{
    if (date->ftype == LM_F_DATETIME) {
        if (in->scope->from) {
            lm_buf_printf(sql, " AND t.\"%s\">=date(:from,'-1 day')", date->name);
        }
        lm_buf_printf(sql, " AND t.\"%s\"<date(:to,'+1 day')", date->name);
    }
}

static void put_period(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const struct lm_field *date = lm_type_field(in->ind->type, in->ind->date_field);

    LM_CHECK(date != NULL); /* the catalogue's loader checks it */
    if (in->scope->from) {
        lm_buf_text(sql, " AND ");
        put_day(sql, date);
        lm_buf_text(sql, ">=:from");
    }
    lm_buf_text(sql, " AND ");
    put_day(sql, date);
    lm_buf_text(sql, "<=:to");
    put_range(sql, in, date);
    if (lm_count_is_covered(in)) {
        lm_buf_text(sql, " AND ");
        put_day(sql, date);
        /* A place that the registry of areas does not know lies inside the town all the same. */
        lm_buf_text(sql, ">coalesce(c.day,(SELECT day FROM \"_cover\" WHERE code=:town),'')");
    }
}

static enum lm_status put_where(struct lm_buf *sql, struct lm_store *store,
                                const struct lm_count_sql *in)
{
    const struct lm_indicator *ind = in->ind;
    enum lm_status status = LM_OK;

    lm_buf_text(sql, lm_count_by_place(in) ? "\nWHERE t.village_code IS p.code AND " : "\nWHERE ");
    put_live(sql, ind);
    if (ind->filter) {
        lm_buf_text(sql, " AND (");
        status = lm_expr_sql(ind->filter, store->catalog, ind->type, "t",
                             lm_count_asks_level(ind) ? "a.level" : NULL, sql);
        lm_buf_text(sql, ")");
    }
    if (ind->flow) {
        put_period(sql, in);
    }
    if (ind->measure == LM_M_MEDIAN_DAYS) {
        lm_buf_printf(sql, " AND t.\"%s\" IS NOT NULL AND t.\"%s\" IS NOT NULL", ind->args[0],
                      ind->args[1]);
    }
    if (in->scope->station) {
        lm_buf_printf(sql, " AND t.\"%s\"=:station", lm_count_place(ind->type));
    }
    return status;
}

/* ---- measures ---- */

bool lm_count_by_dup_key(const struct lm_indicator *ind)
{
    return ind->measure == LM_M_DISTINCT && strcmp(ind->args[0], "dup_key") == 0;
}

/* distinct(a,b): the pair; a row that lacks a part which its type requires is none.
 * distinct(dup_key,id): the first that is set (the index knows the row's number, which is as good
 * as its id), so that one person in two villages counts once; a file that a person held against
 * another of its key counts as what put_one makes of it. */
static void put_distinct(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const struct lm_indicator *ind = in->ind;
    bool first_set = lm_count_by_dup_key(ind);
    const char *person = person_arg(ind);

    lm_buf_text(sql, "lm_distinct(");
    if (person) {
        lm_buf_printf(sql, "coalesce(m.target,t.\"%s\"))", person);
        return;
    }
    lm_buf_text(sql, in->apart ? "coalesce(s.one," : first_set ? "coalesce(" : "");
    for (size_t i = first_set && LM_BREAK(DOUBLES_COUNTED) ? 1 : 0; i < ind->n_args; i++) {
        const struct lm_field *field = lm_type_field(ind->type, ind->args[i]);
        bool optional =
            ind->n_args > 1 && field && field->required == LM_OPTIONAL && !field->n_conditions;

        if (i > 0 && !(first_set && LM_BREAK(DOUBLES_COUNTED))) {
            lm_buf_text(sql, first_set ? "," : "||char(31)||");
        }
        lm_buf_printf(sql, !first_set && optional ? "coalesce(t.\"%s\",'')" : "t.\"%s\"",
                      first_set && strcmp(ind->args[i], "id") == 0 ? "rowid" : ind->args[i]);
    }
    lm_buf_text(sql, !first_set ? ")" : LM_BREAK(DOUBLES_COUNTED) ? ",NULL))" : "))");
}

static void put_filled(struct lm_buf *sql, const struct lm_count_sql *in)
{
    size_t n = in->n_filled ? in->n_filled : in->ind->n_args;

    lm_buf_text(sql, "coalesce(sum(0");
    for (size_t i = 0; i < n; i++) {
        lm_buf_printf(sql, "+(t.\"%s\" IS NOT NULL)",
                      in->n_filled ? in->filled[i] : in->ind->args[i]);
    }
    lm_buf_printf(sql, "),0),count(*)*%zu", n);
}

/* Two columns: numerator and denominator. each_item: the row stands for one item of a list. */
static void put_measure(struct lm_buf *sql, const struct lm_count_sql *in, bool each_item)
{
    const struct lm_indicator *ind = in->ind;

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
        put_distinct(sql, in);
        lm_buf_text(sql, ",1");
        break;
    case LM_M_FILLED:
        put_filled(sql, in);
        break;
    case LM_M_MEDIAN_DAYS: /* one row a case; counts_query.c folds them */
        lm_buf_printf(sql, "CAST(julianday(t.\"%s\")-julianday(t.\"%s\") AS INTEGER),1",
                      ind->args[1], ind->args[0]);
        break;
    case LM_M_RATIO:
    case LM_M_GAP:
    case LM_M_STATIONS_WITHIN:
        LM_CHECK(false);
    }
}

/* ---- groups ---- */

static void put_category(struct lm_buf *key, struct lm_buf *join, bool *each_item,
                         const struct lm_count_sql *in)
{
    const struct lm_dimension *category = in->scope->category;
    const struct lm_field *field;

    if (category->child) {
        /* Through children that count: a person with two identities stands in two groups, one with
         * none in no group. */
        lm_buf_printf(join,
                      " JOIN (SELECT DISTINCT person_id AS parent,\"%s\" AS value FROM \"r_%s\" "
                      "WHERE deleted_at IS NULL AND "
                      "_invalid=0 AND state NOT IN " UNCOUNTED ") AS g ON g.parent=t.id",
                      category->field, category->child);
        lm_buf_printf(key, "coalesce(g.value,'%s')", lm_count_no_category);
        return;
    }
    field = lm_type_field(in->ind->type, category->field);
    LM_CHECK(field != NULL);
    if (!field->is_list) {
        lm_buf_printf(key, "coalesce(t.\"%s\",'%s')", field->name, lm_count_no_category);
        return;
    }
    /* One row an item of the measured list; its category stands at the same place of the aligned
     * list. */
    lm_buf_printf(join, " JOIN json_each(t.\"%s\") AS j",
                  in->ind->n_args ? in->ind->args[0] : field->name);
    lm_buf_printf(key,
                  "coalesce(json_extract(t.\"%s\",'$['||j.key||'].identity'),json_extract(t.\"%s\","
                  "'$['||j.key||'].benefit'),'%s')",
                  field->name, field->name, lm_count_no_category);
    *each_item = true;
}

/* The group's key, and what is joined for it. */
static void put_key(struct lm_buf *key, struct lm_buf *join, bool *each_item,
                    const struct lm_count_sql *in)
{
    const char *place = lm_count_place(in->ind->type);

    switch (in->scope->by) {
    case LM_BY_NOTHING:
        lm_buf_text(key, "''");
        break;
    case LM_BY_VILLAGE_CODE:
        lm_buf_printf(key, "t.\"%s\"", place);
        break;
    case LM_BY_OFFICE: /* put_from joins the areas */
        lm_buf_text(key,
                    "CASE WHEN a.level='village' THEN coalesce(a.parent,:town) ELSE :town END");
        break;
    case LM_BY_MONTH:
        lm_buf_text(key, "substr(");
        put_day(key, lm_type_field(in->ind->type, in->ind->date_field));
        lm_buf_text(key, ",1,7)");
        break;
    case LM_BY_CATEGORY:
        put_category(key, join, each_item, in);
        break;
    }
    if (person_arg(in->ind)) {
        lm_buf_printf(join, " LEFT JOIN \"_merged\" AS m ON m.id=t.\"%s\"", person_arg(in->ind));
    }
    if (in->apart) {
        lm_buf_text(join, " LEFT JOIN \"_one\" AS s ON s.id=t.id");
    }
}

/* Where rows come from: what depends on the place alone is looked up once a place. */
static void put_from(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const char *place = lm_count_place(in->ind->type);
    struct lm_buf joins;

    lm_buf_init(&joins, 4096);
    if (lm_count_needs_areas(in)) {
        lm_buf_text(&joins, " LEFT JOIN \"_area\" AS a ON a.code=");
        if (lm_count_by_place(in)) {
            lm_buf_text(&joins, "p.code");
        } else {
            lm_buf_printf(&joins, "t.\"%s\"", place);
        }
    }
    if (lm_count_is_covered(in)) {
        lm_buf_text(&joins, " LEFT JOIN \"_cover\" AS c ON c.code=");
        if (lm_count_by_place(in)) {
            lm_buf_text(&joins, "p.code");
        } else {
            lm_buf_printf(&joins, "t.\"%s\"", place);
        }
    }
    lm_buf_text(sql, "\nFROM ");
    if (lm_count_by_place(in)) {
        lm_buf_text(sql, "\"_place\" AS p");
        lm_buf_add(sql, joins.data, joins.len);
        lm_buf_text(sql, " CROSS JOIN ");
    }
    lm_buf_printf(sql, "%s\"r_%s\" AS t", lm_count_is_plan(in->ind) ? "" : "main.",
                  in->ind->type->name);
    if (!lm_count_by_place(in)) {
        lm_buf_add(sql, joins.data, joins.len);
    }
    lm_buf_free(&joins);
}

/* Each row stands in one group and groups add up: the whole is their sum. */
bool lm_count_adds_up(const struct lm_indicator *ind, const struct lm_count_scope *scope)
{
    const struct lm_field *field;
    bool adds =
        ind->measure == LM_M_COUNT || ind->measure == LM_M_SUM || ind->measure == LM_M_SUM_LEN;

    if (!adds || scope->by == LM_BY_NOTHING) {
        return false;
    }
    if (scope->by == LM_BY_CATEGORY) {
        field = scope->category->child ? NULL : lm_type_field(ind->type, scope->category->field);
        return field && !field->is_list;
    }
    return true;
}

static void put_tally(struct lm_buf *sql, const struct lm_count_sql *in, const struct lm_buf *key)
{
    lm_buf_text(sql, "lm_tally(:groups,");
    lm_buf_add(sql, key->data, key->len);
    lm_buf_text(sql, ",");
    if (in->ind->measure == LM_M_SUM_LEN) {
        lm_buf_printf(sql, "json_array_length(t.\"%s\")", in->ind->args[0]);
    } else if (in->ind->measure == LM_M_SUM) {
        lm_buf_printf(sql, "t.\"%s\"", in->ind->args[0]);
    } else {
        lm_buf_text(sql, "1");
    }
    lm_buf_text(sql, ")");
}

/* The rows of one group; a month also as a range for the index. */
static void put_group(struct lm_buf *sql, const struct lm_count_sql *in, const struct lm_buf *key)
{
    const struct lm_field *date = lm_type_field(in->ind->type, in->ind->date_field);

    lm_buf_text(sql, "\nAND (");
    lm_buf_add(sql, key->data, key->len);
    lm_buf_text(sql, ")=:key");
    if (in->scope->by == LM_BY_MONTH && date) {
        lm_buf_printf(sql,
                      " AND t.\"%s\">=date(:key||'-01','-1 day') AND "
                      "t.\"%s\"<date(:key||'-01','+1 month')",
                      date->name, date->name);
    }
}

/* A row may stand for several items of a list, or belong to several groups, and is one row all the
 * same. A contact plan's common table has no rowid. */
static void put_rows(struct lm_buf *sql, const struct lm_count_sql *in, bool several)
{
    const char *row = lm_count_is_plan(in->ind) ? "t.id" : "t.rowid";

    if (in->total) {
        lm_buf_printf(sql, "SELECT count(%s%s)", several ? "DISTINCT " : "", row);
        return;
    }
    lm_buf_printf(sql, "SELECT m.id FROM (SELECT %s%s AS row,", several ? "DISTINCT " : "", row);
    put_day(sql, &in->ind->type->fields[in->ind->type->reporting_date]);
    lm_buf_text(sql, " AS day");
}

static void put_rows_end(struct lm_buf *sql, const struct lm_count_sql *in)
{
    if (!in->total) {
        lm_buf_printf(
            sql,
            "\nORDER BY 2 DESC,1 LIMIT :limit OFFSET :offset) AS r JOIN main.\"r_%s\" AS m "
            "ON m.%s=r.row ORDER BY r.day DESC,r.row",
            in->ind->type->name, lm_count_is_plan(in->ind) ? "id" : "rowid");
    }
}

bool lm_count_has_floor(const struct lm_count_sql *in)
{
    const struct lm_type *type = in->ind->type;

    return lm_count_by_place(in) && type->reporting_date >= 0 &&
           strcmp(type->fields[type->reporting_date].name, in->ind->date_field) == 0;
}

enum lm_status lm_count_sql_put(struct lm_store *store, const struct lm_count_sql *given,
                                struct lm_buf *sql)
{
    struct lm_count_sql in = *given;
    struct lm_buf key, join;
    bool each_item = false;
    enum lm_status status;

    in.merged = in.merged || person_arg(in.ind);
    lm_buf_init(&key, LM_COUNT_SQL_MAX);
    lm_buf_init(&join, LM_COUNT_SQL_MAX);
    put_key(&key, &join, &each_item, &in);
    lm_count_put_with(sql, &in);
    if (in.rows) {
        put_rows(sql, &in, in.scope->by == LM_BY_CATEGORY);
    } else if (lm_count_adds_up(in.ind, in.scope)) {
        lm_buf_text(sql, "SELECT ");
        put_tally(sql, &in, &key);
    } else {
        lm_buf_text(sql, "SELECT ");
        lm_buf_add(sql, key.data, key.len);
        lm_buf_text(sql, " AS k,");
        put_measure(sql, &in, each_item);
    }
    put_from(sql, &in);
    lm_buf_add(sql, join.data, join.len);
    status = put_where(sql, store, &in);
    if (in.rows && in.key) {
        put_group(sql, &in, &key);
    }
    if (in.rows) {
        if (in.floor) {
            lm_buf_printf(sql, "\nAND t.\"%s\">=:floor", in.ind->date_field);
        }
        put_rows_end(sql, &in);
    } else {
        lm_buf_text(sql, in.ind->measure == LM_M_MEDIAN_DAYS ? "\nORDER BY 1"
                         : lm_count_adds_up(in.ind, in.scope) || in.scope->by == LM_BY_NOTHING
                             ? ""
                             : "\nGROUP BY 1");
    }
    status = status == LM_OK ? key.status : status;
    status = status == LM_OK ? join.status : status;
    lm_buf_free(&key);
    lm_buf_free(&join);
    return status == LM_OK ? sql->status : status;
}
