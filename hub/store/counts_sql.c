/* The SQL text of one indicator: what counts, when, how measured and grouped. counts_query.c runs
 * it.
 *
 *   WITH <common tables> SELECT key, numerator, denominator FROM "r_<type>" AS t <joins> WHERE …
 * GROUP BY 1
 *
 * A row counts when it is not deleted, not invalid, in a state that counts (or that the filter asks
 * for), and not replaced by a correction that town staff verified; a correction counts from then
 * on. Flows are dated in UTC+8; stocks leave out what is dated after the day asked about. With
 * opening balances, rows dated on or before an opening inside its area are left out: the opening
 * holds them already. A person merged into another counts as that other.
 *
 * A common table may bear the name of a typed table: within the statement, filters included, it
 * then stands in for it. Everything looked up for each row is a join with a common table (SQLite
 * indexes those by itself), never a sub-select of its own. */
#include "common/base/break.h"
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <string.h>

const char lm_count_no_category[] = "none";

/* Left out wherever the filter does not name states. */
#define UNCOUNTED "('draft','returned','cancelled','merged')"
/* Town staff (or the county, through them) have settled what a record in these states says. */
#define SETTLED                                                                                    \
    "('verified','locked','active','transferring','moved_out','deceased','approved','paid','"      \
    "closed','rejected','replied',"                                                                \
    "'resolved','transferred','not_accepted','final','archived','issued','reissue')"

/* An id as text, of a column that holds its 16 bytes. */
#define UUID(column)                                                                               \
    "lower(substr(hex(" column "),1,8)||'-'||substr(hex(" column "),9,4)||'-'||substr(hex(" column \
    "),13,4)||'-'||substr(hex(" column "),17,4)||'-'||substr(hex(" column "),21))"
#define SEEN "json_insert(w.seen,'$[#]',json_array(w.id,w.one))"

const char lm_count_opening_live[] =
    "o.deleted_at IS NULL AND o._invalid=0 AND o.state NOT IN " UNCOUNTED
    " AND o.indicator=:indicator AND o.as_of<=:to";

static bool is_type(const struct lm_indicator *ind, const char *name)
{
    return strcmp(ind->type->name, name) == 0;
}

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

/* The day by which a stock's row is there: its reporting date, where people enter one. */
static const struct lm_field *since_field(const struct lm_indicator *ind)
{
    const struct lm_field *field =
        ind->type->reporting_date >= 0 ? &ind->type->fields[ind->type->reporting_date] : NULL;

    return !ind->flow && field && field->fill == LM_FILL_USER && field->ftype == LM_F_DATE ? field
                                                                                           : NULL;
}

/* A correction counts, and what it corrects no longer does, once it is settled. */
static void put_stands(struct lm_buf *sql, const struct lm_type *type, const char *alias)
{
    lm_buf_printf(sql,
                  "(%s.correction_of IS NULL OR %s.state IN " SETTLED
                  ") AND NOT EXISTS (SELECT 1 FROM main.\"r_%s\" AS k WHERE "
                  "k.correction_of=%s.id AND k.id<>%s.id AND k.deleted_at IS NULL AND k._invalid=0 "
                  "AND k.state IN " SETTLED ")",
                  alias, alias, type->name, alias, alias);
}

/* ---- common tables ---- */

static void begin_with(struct lm_buf *sql, bool *any)
{
    lm_buf_text(sql, *any ? ",\n" : "WITH RECURSIVE ");
    *any = true;
}

/* Every column of a type but one, which is given as an expression. */
static void put_columns(struct lm_buf *sql, const struct lm_type *type, const char *alias,
                        const char *column, const char *expr)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *name = type->fields[i].name;

        if (strcmp(name, column) == 0) {
            lm_buf_printf(sql, "%s AS \"%s\",", expr, name);
        } else {
            lm_buf_printf(sql, "%s.\"%s\",", alias, name);
        }
    }
    lm_buf_printf(sql, "%s._invalid", alias);
}

/* Who was merged, and into whom at last. */
static void put_merged(struct lm_buf *sql)
{
    lm_buf_text(
        sql, "\"_hop\"(id,target,n) AS (SELECT id,merged_into,1 FROM main.r_person WHERE "
             "merged_into IS NOT NULL AND "
             "deleted_at IS NULL UNION ALL SELECT h.id,p.merged_into,h.n+1 FROM \"_hop\" h JOIN "
             "main.r_person p ON "
             "p.id=h.target WHERE p.merged_into IS NOT NULL AND p.deleted_at IS NULL AND h.n<8),\n"
             "\"_merged\"(id,target,n) AS MATERIALIZED (SELECT id,target,max(n) FROM \"_hop\" "
             "GROUP BY id)");
}

/* Files with one duplicate key are one person, but for pairs that a person said to differ. Those of
 * such a key are walked in the order of their ids: each joins the first class in which nobody
 * differs from it, or begins one. "one" is the id that began it; seen lists [id, one] of those
 * before. Files that are deleted, merged or cancelled take no part: they may not make one person of
 * two others. */
static void put_one(struct lm_buf *sql)
{
    lm_buf_text(
        sql,
        "\"_apart\"(x,y) AS MATERIALIZED (SELECT " UUID("a") "," UUID(
            "b") " FROM main.duplicates WHERE type='person' AND open=2),\n"
                 "\"_same\"(key,id) AS MATERIALIZED (SELECT p.dup_key,p.id FROM main.r_person p "
                 "WHERE p.deleted_at IS NULL AND p.state NOT IN ('merged','cancelled','withdrawn') "
                 "AND p.dup_key IN (SELECT f.dup_key FROM \"_apart\" a JOIN main.r_person f ON "
                 "f.id=a.x JOIN main.r_person g ON g.id=a.y AND g.dup_key=f.dup_key)),\n"
                 "\"_walk\"(key,id,one,seen) AS (SELECT key,min(id),min(id),json_array() FROM "
                 "\"_same\" GROUP BY key UNION ALL SELECT w.key,n.id,coalesce((SELECT j.value->>1 "
                 "FROM json_each(" SEEN
                 ") j LEFT JOIN \"_apart\" a ON a.x=j.value->>0 AND a.y=n.id "
                 "GROUP BY 1 HAVING count(a.x)=0 ORDER BY 1 LIMIT 1),n.id)," SEEN
                 " FROM \"_walk\" w JOIN \"_same\" n ON n.key=w.key AND n.id=(SELECT min(o.id) "
                 "FROM "
                 "\"_same\" o WHERE o.key=w.key AND o.id>w.id)),\n"
                 "\"_one\"(id,one) AS MATERIALIZED (SELECT id,one FROM \"_walk\")");
}

/* A plan's next day follows from the visits of that person, whenever those came in: the stored one
 * may be older than they are. */
static void put_due(struct lm_buf *sql, const struct lm_type *plan)
{
    static const char due[] =
        "CASE WHEN p.start_on IS NOT NULL THEN "
        "min(date(max(p.start_on,coalesce(w.day,p.start_on)),'+'||f.months||' months'),"
        "date(max(p.start_on,coalesce(w.day,p.start_on)),'start of month','+'||(f.months+1)||' "
        "months','-1 day')) END";

    lm_buf_text(sql,
                "\"_visited\"(person,day) AS MATERIALIZED (SELECT "
                "coalesce(m.target,j.value),max(v.visit_on) FROM main.r_visit "
                "v JOIN json_each(v.persons) AS j LEFT JOIN \"_merged\" m ON m.id=j.value WHERE "
                "v.deleted_at IS NULL AND "
                "v._invalid=0 AND v.state NOT IN " UNCOUNTED " AND v.visit_on<=:to GROUP BY 1),\n"
                "\"_every\"(frequency,months) AS "
                "(VALUES('month',1),('quarter',3),('half',6),('year',12)),\n");
    lm_buf_printf(sql, "\"r_%s\" AS MATERIALIZED (SELECT ", plan->name);
    put_columns(sql, plan, "p", "next_due", due);
    lm_buf_printf(sql,
                  " FROM main.\"r_%s\" p LEFT JOIN \"_every\" f ON f.frequency=p.frequency LEFT "
                  "JOIN \"_merged\" m ON "
                  "m.id=p.person_id LEFT JOIN \"_visited\" w ON "
                  "w.person=coalesce(m.target,p.person_id) WHERE ",
                  plan->name);
    put_stands(sql, plan, "p");
    lm_buf_text(sql, ")");
}

/* What belongs to a person who was merged belongs to the other one. The few rows that moved stand
 * apart, so that the rest is still found through the table's own index. */
static void put_children(struct lm_buf *sql, const struct lm_type *child, bool merged)
{
    if (merged) {
        lm_buf_text(sql, "\"_moved\" AS MATERIALIZED (SELECT ");
        put_columns(sql, child, "i", "person_id", "m.target");
        lm_buf_printf(sql, " FROM \"_merged\" m JOIN main.\"r_%s\" AS i ON i.person_id=m.id WHERE ",
                      child->name);
        put_stands(sql, child, "i");
        lm_buf_text(sql, "),\n");
    }
    lm_buf_printf(sql, "\"r_%s\" AS NOT MATERIALIZED (SELECT ", child->name);
    put_columns(sql, child, "i", "", "");
    lm_buf_printf(sql, " FROM main.\"r_%s\" AS i WHERE ", child->name);
    put_stands(sql, child, "i");
    lm_buf_text(sql, merged ? " UNION ALL SELECT * FROM \"_moved\")" : ")");
}

/* A stock's rows as of the day: filters that look at other rows of the type (latest, same_holder)
 * see no others either. */
static void put_stock(struct lm_buf *sql, const struct lm_indicator *ind)
{
    const struct lm_field *since = since_field(ind);

    lm_buf_printf(sql, "\"r_%s\" AS NOT MATERIALIZED (SELECT * FROM main.\"r_%s\" AS s WHERE ",
                  ind->type->name, ind->type->name);
    if (since) {
        lm_buf_printf(sql, "(s.\"%s\" IS NULL OR s.\"%s\"<=:to) AND ", since->name, since->name);
    }
    put_stands(sql, ind->type, "s");
    lm_buf_text(sql, ")");
}

static void put_areas(struct lm_buf *sql)
{
    lm_buf_text(sql, "\"_area\"(code,level,parent,since) AS MATERIALIZED (SELECT "
                     "code,level,parent_code,max(valid_from) FROM "
                     "main.r_area_unit WHERE deleted_at IS NULL GROUP BY code)");
}

/* The newest day that an opening holds, for each area that lies inside the opening's. */
static void put_cover(struct lm_buf *sql)
{
    lm_buf_printf(sql,
                  "\"_up\"(code,area) AS (SELECT code,code FROM \"_area\" UNION SELECT "
                  "u.code,a.parent FROM \"_up\" u JOIN "
                  "\"_area\" a ON a.code=u.area WHERE a.parent IS NOT NULL),\n"
                  "\"_cover\"(code,day) AS MATERIALIZED (SELECT u.code,max(o.as_of) FROM "
                  "main.r_opening_balance o JOIN \"_up\" u "
                  "ON u.area=o.area_code WHERE %s GROUP BY u.code)",
                  lm_count_opening_live);
}

static void put_with(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const struct lm_indicator *ind = in->ind;
    bool any = false, plan = is_type(ind, "contact_plan"),
         covered = in->covered && lm_count_openings(ind, in->scope);

    if (in->merged || plan) {
        begin_with(sql, &any);
        put_merged(sql);
    }
    if (in->apart) {
        begin_with(sql, &any);
        put_one(sql);
    }
    if (in->child) {
        begin_with(sql, &any);
        put_children(sql, in->child, in->merged);
    }
    if (plan) {
        begin_with(sql, &any);
        put_due(sql, ind->type);
    } else if (!ind->flow) {
        begin_with(sql, &any);
        put_stock(sql, ind);
    }
    if (in->scope->by == LM_BY_OFFICE || covered) {
        begin_with(sql, &any);
        put_areas(sql);
    }
    if (covered) {
        begin_with(sql, &any);
        put_cover(sql);
    }
    lm_buf_text(sql, any ? "\n" : "");
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
    if (ind->flow) { /* stocks: by their common table */
        lm_buf_text(sql, " AND ");
        put_stands(sql, ind->type, "t");
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
    if (in->covered && lm_count_openings(in->ind, in->scope)) {
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

    lm_buf_text(sql, "\nWHERE ");
    put_live(sql, ind);
    if (ind->filter) {
        lm_buf_text(sql, " AND (");
        status = lm_expr_sql(ind->filter, store->catalog, ind->type, "t", sql);
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
 * distinct(dup_key,id): the first that is set, so that one person in two villages counts once; a
 * file that a person held against another of its key counts as what put_one makes of it. */
static void put_distinct(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const struct lm_indicator *ind = in->ind;
    bool first_set = lm_count_by_dup_key(ind);
    const char *person = person_arg(ind);

    lm_buf_text(sql, "count(DISTINCT ");
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
                      ind->args[i]);
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
    case LM_BY_OFFICE:
        lm_buf_printf(join, " LEFT JOIN \"_area\" AS a ON a.code=t.\"%s\"", place);
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
    if (in->covered && lm_count_openings(in->ind, in->scope)) {
        lm_buf_printf(join, " LEFT JOIN \"_cover\" AS c ON c.code=t.\"%s\"", place);
    }
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
    put_with(sql, &in);
    if (in.rows) { /* a row may stand for several items of a list, and is one row all the same */
        lm_buf_text(sql, "SELECT id,day,count(*) OVER () FROM (SELECT DISTINCT t.id AS id,");
        put_day(sql, &in.ind->type->fields[in.ind->type->reporting_date]);
        lm_buf_text(sql, " AS day");
    } else {
        lm_buf_text(sql, "SELECT ");
        lm_buf_add(sql, key.data, key.len);
        lm_buf_text(sql, " AS k,");
        put_measure(sql, &in, each_item);
    }
    lm_buf_printf(sql, "\nFROM \"r_%s\" AS t", in.ind->type->name);
    lm_buf_add(sql, join.data, join.len);
    status = put_where(sql, store, &in);
    if (in.rows && in.key) {
        lm_buf_text(sql, "\nAND (");
        lm_buf_add(sql, key.data, key.len);
        lm_buf_text(sql, ")=:key");
    }
    lm_buf_text(sql, in.rows ? ")\nORDER BY 2 DESC,1 LIMIT :limit OFFSET :offset"
                     : in.ind->measure == LM_M_MEDIAN_DAYS ? "\nORDER BY 1"
                     : in.scope->by != LM_BY_NOTHING       ? "\nGROUP BY 1"
                                                           : "");
    status = status == LM_OK ? key.status : status;
    status = status == LM_OK ? join.status : status;
    lm_buf_free(&key);
    lm_buf_free(&join);
    return status == LM_OK ? sql->status : status;
}
