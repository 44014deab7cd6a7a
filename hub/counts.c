/* The counts document: periods, groups, ratios, rounding, openings. Coverage is in coverage.c. See
 * counts.h. */
#include "hub/counts.h"

#include "common/base/util.h"
#include "hub/store/counts_internal.h"

#include <stdlib.h>
#include <string.h>

#define RATIO_DEPTH_MAX 4
#define OPENING_KEY "opening" /* the group of a figure that its opening balances are */

struct counting {
    struct kept *kept; /* [KEPT_MAX] or NULL */
    size_t n_kept;
    struct lm_store *store;
    const struct lm_catalog *catalog;
    const struct lm_count_query *query;
    struct lm_count_scope scope;
    enum lm_count_by by;
    json_t *
        coverage_villages; /* code → complete within the freshness asked for; for stations_within */
    struct lm_error *err;
};

/* What ratios of one question share: persons served are half of several. */
#define KEPT_MAX 24

struct lm_result { /* an indicator, ratios included */
    bool reported;
    struct lm_figure value; /* opening not included; den 0 = nothing to divide by */
    int64_t opening, opening_unverified;
    struct lm_count_groups groups;
};

struct kept {
    const struct lm_indicator *ind;
    enum lm_count_by by;
    const struct lm_dimension *category;
    struct lm_result result;
};

/* ---- rounding ---- */

static void show_yu(int64_t num, int64_t unit, char out[48])
{
    if (num < unit) {
        snprintf(out, 48, "%lld", (long long)num);
    } else {
        snprintf(out, 48, "%lld%s", (long long)(num / unit * unit), num % unit ? "余" : "");
    }
}

static void show_yuan(int64_t fen, char out[48])
{
    snprintf(out, 48, "%s%lld.%02lld", fen < 0 ? "-" : "", (long long)(llabs(fen) / 100),
             (long long)(llabs(fen) % 100));
}

void lm_count_display(enum lm_rounding rounding, int64_t num, int64_t den, char out[48])
{
    const int64_t wan_fen = 1000000; /* 万元 in fen */
    if (den == 0) {
        snprintf(out, 48, "—");
        return;
    }
    switch (rounding) {
    case LM_R_EXACT:
        if (num % den == 0) {
            snprintf(out, 48, "%lld", (long long)(num / den));
        } else {
            snprintf(out, 48, "%.1f", (double)num / (double)den);
        }
        break;
    case LM_R_YU10:
        show_yu(num / den, 10, out);
        break;
    case LM_R_YU100:
        show_yu(num / den, 100, out);
        break;
    case LM_R_YU1000:
        show_yu(num / den, 1000, out);
        break;
    case LM_R_YU10000YUAN:
        if (num / den < wan_fen) {
            show_yuan(num / den, out);
        } else {
            snprintf(out, 48, "%lld万%s", (long long)(num / den / wan_fen),
                     num / den % wan_fen ? "余" : "");
        }
        break;
    case LM_R_PCT0: {
        /* Half up; 100 % only if all. */
        int64_t percent = (200 * num + den) / (2 * den);
        if (percent >= 100 && num < den) {
            percent = 99;
        }
        snprintf(out, 48, "%lld%%", (long long)percent);
        break;
    }
    case LM_R_YUAN:
        show_yuan(num / den, out);
        break;
    }
}

/* ---- values ---- */

static bool is_share(const struct lm_indicator *ind)
{
    return ind->rounding == LM_R_PCT0;
}

/* Counts as integers, shares as percent, halves as reals. */
static json_t *figure_json(const struct lm_indicator *ind, struct lm_figure value)
{
    if (value.den == 0) {
        return json_null();
    }
    if (is_share(ind)) {
        double percent = 100.0 * (double)value.num / (double)value.den;
        return json_real((double)(int64_t)(percent * 10000.0 + 0.5) / 10000.0);
    }
    if (value.num % value.den == 0) {
        return json_integer(value.num / value.den);
    }
    return json_real((double)value.num / (double)value.den);
}

/* ---- groupings ---- */

static const char *by_name(enum lm_count_by by)
{
    static const char *const names[] = {"", "village", "office", "month", "category"};
    return names[by];
}

static const struct lm_dimension *dimension_of(const struct lm_indicator *ind, enum lm_count_by by)
{
    for (size_t i = 0; i < ind->n_dimensions; i++) {
        if (strcmp(ind->dimensions[i].name, by_name(by)) == 0) {
            return &ind->dimensions[i];
        }
    }
    return NULL;
}

/* ---- indicators ---- */

/* Follows no day: what stands now, whatever period is asked for (persons have no day of their own
 * that people entered). Of a share, gap or figure. */
static bool stands_now(const struct lm_catalog *catalog, const struct lm_indicator *ind, int depth)
{
    static const char *const by_day[] = {"open_at(", "@as_of", "@year"};

    if (ind->measure == LM_M_RATIO || ind->measure == LM_M_GAP) {
        for (size_t i = 0; i < ind->n_args && depth < RATIO_DEPTH_MAX; i++) {
            const struct lm_indicator *arg = lm_catalog_indicator(catalog, ind->args[i]);

            if (arg && stands_now(catalog, arg, depth + 1)) {
                return true;
            }
        }
        return false;
    }
    for (size_t i = 0; ind->filter_text && i < sizeof by_day / sizeof *by_day; i++) {
        if (strstr(ind->filter_text, by_day[i])) {
            return false;
        }
    }
    return !ind->flow && ind->type && !lm_count_since(ind);
}

/* Half of a share stands now and the other follows the day: of a day that is over it says nothing.
 */
static bool is_of_two_days(const struct counting *c, const struct lm_indicator *ind)
{
    size_t now = 0;

    if (ind->measure != LM_M_RATIO && ind->measure != LM_M_GAP) {
        return false;
    }
    for (size_t i = 0; i < ind->n_args; i++) {
        const struct lm_indicator *arg = lm_catalog_indicator(c->catalog, ind->args[i]);

        now += arg && stands_now(c->catalog, arg, 1);
    }
    return now > 0 && now < ind->n_args && strcmp(c->scope.to, c->scope.today) < 0;
}

static enum lm_status run_indicator(struct counting *c, const struct lm_indicator *ind,
                                    enum lm_count_by by, const struct lm_dimension *category,
                                    int depth, struct lm_result *out);

static void add_fresh(struct counting *c, const char *code, enum lm_count_by by,
                      struct lm_result *out)
{
    char key[16];
    if (c->query->station && strcmp(c->query->station, code) != 0) {
        return;
    }
    out->value.num++;
    if (by == LM_BY_NOTHING) {
        return;
    }
    snprintf(key, sizeof key, "%s", code);
    if (by == LM_BY_OFFICE) {
        lm_count_office_of(c->store, code, c->scope.town, key);
    }
    struct lm_count_group *group = lm_count_group(&out->groups, key);
    if (group) {
        group->value.num++;
        lm_count_area_label(c->store, key, group->label, sizeof group->label);
    }
}

/* The stations that a share of ind is a share of: of what is left out there, none is fresh. */
static const struct lm_indicator *whole_of(const struct lm_catalog *catalog,
                                           const struct lm_indicator *ind)
{
    for (size_t i = 0; i < catalog->n_indicators; i++) {
        const struct lm_indicator *ratio = &catalog->indicators[i];

        if (ratio->measure == LM_M_RATIO && strcmp(ratio->args[0], ind->id) == 0) {
            const struct lm_indicator *whole = lm_catalog_indicator(catalog, ratio->args[1]);

            return whole && whole->type ? whole : NULL;
        }
    }
    return NULL;
}

static const struct lm_count_group *find_group(const struct lm_count_groups *groups,
                                               const char *key);

static enum lm_status run_fresh(struct counting *c, const struct lm_indicator *ind,
                                enum lm_count_by by, int depth, struct lm_result *out)
{
    const struct lm_indicator *whole = whole_of(c->catalog, ind);
    struct lm_result standing = {0};
    enum lm_status status =
        whole ? run_indicator(c, whole, LM_BY_VILLAGE_CODE, NULL, depth + 1, &standing) : LM_OK;
    const char *code;
    json_t *fresh;

    out->reported = true;
    out->value = (struct lm_figure){.num = 0, .den = 1};
    json_object_foreach(c->coverage_villages, code, fresh)
    {
        if (status == LM_OK && json_is_true(fresh) &&
            (!whole || find_group(&standing.groups, code))) {
            add_fresh(c, code, by, out);
        }
    }
    lm_count_groups_free(&standing.groups);
    return status;
}

static struct lm_figure ratio_of(struct lm_figure a, struct lm_figure b)
{
    struct lm_figure ratio = {.num = a.num * b.den, .den = b.num * a.den};
    return ratio;
}

static struct lm_figure gap_of(struct lm_figure served, struct lm_figure staff, int64_t unit)
{
    int64_t needed = (served.num + unit - 1) / unit;
    struct lm_figure gap = {.num = needed > staff.num ? needed - staff.num : 0, .den = 1};
    return gap;
}

static const struct lm_count_group *find_group(const struct lm_count_groups *groups,
                                               const char *key)
{
    for (size_t i = 0; i < groups->n; i++) {
        if (strcmp(groups->items[i].key, key) == 0) {
            return &groups->items[i];
        }
    }
    return NULL;
}

static struct lm_figure value_of(const struct lm_count_groups *groups, const char *key)
{
    const struct lm_count_group *group = find_group(groups, key);
    struct lm_figure none = {.num = 0, .den = 1};

    return group ? group->value : none;
}

/* 未填报 is no 0: nothing counted in a village is 0 where something of the kind was entered, and
 * not known where nothing ever was, as the share of that village alone says. Only what is missing
 * is asked for, of at most each station and office; other groupings have no place of their own. */
static enum lm_status look_whether_entered(struct counting *c, const struct lm_indicator *ind,
                                           enum lm_count_by by, const struct lm_result side[2],
                                           struct lm_result *out)
{
    const struct lm_indicator *top = lm_catalog_indicator(c->catalog, ind->args[0]);
    bool places = by == LM_BY_VILLAGE_CODE || by == LM_BY_OFFICE;
    struct lm_count_scope scope = c->scope;
    enum lm_status status = LM_OK;

    scope.by = by;
    for (size_t i = 0; status == LM_OK && i < out->groups.n; i++) {
        struct lm_count_group *group = &out->groups.items[i];
        bool entered = out->reported;

        if (entered && places && ind->measure == LM_M_RATIO && top->type &&
            !find_group(&side[0].groups, group->key)) {
            status = lm_count_query_entered(c->store, top, &scope, group->key, &entered, c->err);
        }
        group->unreported = !entered;
    }
    return status;
}

static enum lm_status fold_pair(const struct lm_indicator *ind, const struct lm_result *a,
                                const struct lm_result *b, int64_t unit, struct lm_result *out,
                                struct lm_error *err)
{
    const struct lm_count_groups *sides[2] = {&a->groups, &b->groups};
    bool gap = ind->measure == LM_M_GAP;
    out->reported = a->reported && b->reported;
    out->value = gap ? gap_of(a->value, b->value, unit) : ratio_of(a->value, b->value);
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->n; i++) {
            const struct lm_count_group *from = &sides[s]->items[i];
            struct lm_count_group *group = lm_count_group(&out->groups, from->key);
            if (!group) {
                return lm_fail(err, LM_ERR_LIMIT, "too_many_groups", "by", "分组太多",
                               "too many groups");
            }
            struct lm_figure top = value_of(&a->groups, from->key),
                             bottom = value_of(&b->groups, from->key);
            snprintf(group->label, sizeof group->label, "%s", from->label);
            group->value = gap ? gap_of(top, bottom, unit) : ratio_of(top, bottom);
        }
    }
    return LM_OK;
}

static enum lm_status run_pair(struct counting *c, const struct lm_indicator *ind,
                               enum lm_count_by by, const struct lm_dimension *category, int depth,
                               struct lm_result *out)
{
    struct lm_result side[2];
    enum lm_status status = LM_OK;
    memset(side, 0, sizeof side);
    for (size_t i = 0; i < 2 && status == LM_OK; i++) {
        const struct lm_indicator *arg = lm_catalog_indicator(c->catalog, ind->args[i]);
        status = arg ? run_indicator(c, arg, by, category, depth + 1, &side[i]) : LM_ERR_INTERNAL;
    }
    if (status == LM_OK) {
        int64_t unit = ind->measure == LM_M_GAP
                           ? lm_count_setting(c->store, "staff_ratio", ind->arg_number)
                           : 1;
        status = fold_pair(ind, &side[0], &side[1], unit, out, c->err);
    }
    if (status == LM_OK) {
        status = look_whether_entered(c, ind, by, side, out);
    }
    if (status == LM_OK && is_of_two_days(c, ind)) {
        out->value = (struct lm_figure){0};
        for (size_t i = 0; i < out->groups.n; i++) {
            out->groups.items[i].value = (struct lm_figure){0};
        }
    }
    lm_count_groups_free(&side[0].groups);
    lm_count_groups_free(&side[1].groups);
    return status;
}

static enum lm_status copy_result(const struct lm_result *from, struct lm_result *out)
{
    *out = *from;
    out->groups = (struct lm_count_groups){.n = from->groups.n, .size = from->groups.n};
    if (from->groups.n > 0) {
        out->groups.items = malloc(from->groups.n * sizeof *from->groups.items);
        if (!out->groups.items) {
            memset(&out->groups, 0, sizeof out->groups);
            return LM_ERR_MEMORY;
        }
        memcpy(out->groups.items, from->groups.items, from->groups.n * sizeof *from->groups.items);
    }
    return LM_OK;
}

/* Is it part of a share, so that one question may count it more than once? */
static bool is_shared(const struct lm_catalog *catalog, const struct lm_indicator *ind)
{
    for (size_t i = 0; i < catalog->n_indicators; i++) {
        const struct lm_indicator *other = &catalog->indicators[i];

        for (size_t a = 0; !other->type && a < other->n_args; a++) {
            if (strcmp(other->args[a], ind->id) == 0) {
                return true;
            }
        }
    }
    return false;
}

static enum lm_status run_indicator(struct counting *c, const struct lm_indicator *ind,
                                    enum lm_count_by by, const struct lm_dimension *category,
                                    int depth, struct lm_result *out)
{
    memset(out, 0, sizeof *out);
    LM_CHECK(depth < RATIO_DEPTH_MAX); /* the catalogue's loader refuses cycles */
    if (ind->measure == LM_M_RATIO || ind->measure == LM_M_GAP) {
        return run_pair(c, ind, by, category, depth, out);
    }
    if (ind->measure == LM_M_STATIONS_WITHIN) {
        return run_fresh(c, ind, by, depth, out);
    }
    for (size_t i = 0; i < c->n_kept; i++) {
        const struct kept *k = &c->kept[i];

        if (k->ind == ind && k->by == by && k->category == category) {
            return copy_result(&k->result, out);
        }
    }
    struct lm_count_scope scope = c->scope;
    struct lm_counted counted;
    scope.by = by;
    scope.category = category;
    enum lm_status status = lm_count_query_run(c->store, ind, &scope, &counted, c->err);
    out->reported = counted.reported;
    out->value = counted.value;
    out->opening = counted.opening;
    out->opening_unverified = counted.opening_unverified;
    out->groups = counted.groups;
    if (status == LM_OK && c->kept && c->n_kept < KEPT_MAX && is_shared(c->catalog, ind)) {
        struct kept *k = &c->kept[c->n_kept];

        *k = (struct kept){.ind = ind, .by = by, .category = category};
        status = copy_result(out, &k->result);
        c->n_kept += status == LM_OK;
    }
    return status;
}

/* ---- the document ---- */

static json_t *groups_json(const struct lm_indicator *ind, const struct lm_result *result)
{
    json_t *list = json_array();
    if (result->opening != 0) {
        json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "key", OPENING_KEY, "label", "期初",
                                              "value", (json_int_t)result->opening));
    }
    for (size_t i = 0; i < result->groups.n; i++) {
        const struct lm_count_group *group = &result->groups.items[i];
        if (group->value.num == 0 && group->value.den != 0 && !is_share(ind) &&
            !group->unreported) {
            continue;
        }
        json_t *row = json_pack("{s:s,s:s,s:o}", "key", group->key, "label", group->label, "value",
                                group->unreported ? json_null() : figure_json(ind, group->value));
        if (group->unreported) {
            json_object_set_new(row, "reported", json_false());
        }
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *indicator_json(const struct lm_indicator *ind, const struct lm_result *result,
                              bool now, bool grouped)
{
    char display[48], display_en[48];
    struct lm_figure value = result->value;
    value.num += result->opening * value.den;
    bool known = result->reported && value.den != 0; /* entered, and something to divide by */
    lm_count_display(ind->rounding, value.num, value.den, display);
    lm_count_display_en(display, display_en);
    json_t *doc = json_pack(
        "{s:s,s:s,s:s,s:s,s:o,s:I,s:s,s:s,s:b}", "label", ind->zh, "label_en", ind->en, "unit",
        ind->unit, "unit_en", lm_count_unit_en(ind->unit), "value",
        known ? figure_json(ind, value) : json_null(), "opening", (json_int_t)result->opening,
        "display", result->reported ? display : "(未填报)", "display_en",
        result->reported ? display_en : "(not reported)", "reported", (int)result->reported);
    if (doc && now) {
        json_object_set_new(doc, "now", json_true());
    }
    if (doc && result->opening_unverified != 0) {
        json_object_set_new(doc, "opening_unverified", json_integer(result->opening_unverified));
    }
    if (doc && ind->measure == LM_M_RATIO) {
        json_object_set_new(doc, "numerator", json_integer(value.num));
        json_object_set_new(doc, "denominator", json_integer(value.den));
    }
    if (doc && grouped) {
        json_object_set_new(doc, "groups", groups_json(ind, result));
    }
    return doc;
}

static enum lm_status count_one(struct counting *c, const struct lm_indicator *ind, bool named,
                                json_t *into)
{
    const struct lm_dimension *dimension = c->by == LM_BY_NOTHING ? NULL : dimension_of(ind, c->by);
    struct lm_result result;
    if (c->by != LM_BY_NOTHING && !dimension && named) {
        return lm_fail(c->err, LM_ERR_INVALID, "cannot_group", "by", "指标 %s 不能按 %s 分组",
                       "%s cannot be grouped by %s", ind->id, by_name(c->by));
    }
    enum lm_status status = run_indicator(c, ind, dimension ? c->by : LM_BY_NOTHING,
                                          c->by == LM_BY_CATEGORY ? dimension : NULL, 0, &result);
    if (status == LM_OK) {
        json_t *doc =
            indicator_json(ind, &result, stands_now(c->catalog, ind, 0), dimension != NULL);
        status = doc && json_object_set_new(into, ind->id, doc) == 0 ? LM_OK : LM_ERR_MEMORY;
    }
    lm_count_groups_free(&result.groups);
    return status;
}

/* ---- the question ---- */

static enum lm_status check_date(const char *text, const char *name, struct lm_error *err)
{
    int64_t day;
    if (text && !lm_date_parse(text, strlen(text), &day)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_date", name, "日期不对:%.40s(应为 YYYY-MM-DD)",
                       "not a date: %.40s (YYYY-MM-DD)", text);
    }
    return LM_OK;
}

static enum lm_status read_query(struct counting *c)
{
    static const char *const words[] = {"", "village", "office", "month", "category"};
    const struct lm_count_query *q = c->query;
    struct lm_station station;
    enum lm_status status = check_date(q->from, "from", c->err);
    if (status == LM_OK) {
        status = check_date(q->to, "to", c->err);
    }
    if (status != LM_OK) {
        return status;
    }
    if (q->from && strcmp(q->from, c->scope.to) > 0) {
        return lm_fail(c->err, LM_ERR_INVALID, "bad_period", "from", "起始日 %s 在截止日 %s 之后",
                       "from %s is after to %s", q->from, c->scope.to);
    }
    if (q->by) {
        for (int i = 1; i < 5 && c->by == LM_BY_NOTHING; i++) {
            c->by = strcmp(q->by, words[i]) == 0 ? (enum lm_count_by)i : LM_BY_NOTHING;
        }
        if (c->by == LM_BY_NOTHING) {
            return lm_fail(c->err, LM_ERR_INVALID, "bad_code", "by",
                           "不能按“%.40s”分组，只能是 village、office、month 或 category。",
                           "There is no grouping by \"%.40s\": it is village, office, month or "
                           "category.",
                           q->by);
        }
    }
    if (q->station && lm_store_station_get(c->store, q->station, &station) != LM_OK) {
        return lm_fail(c->err, LM_ERR_INVALID, "unknown_station", "station", "没有登记服务站 %.40s",
                       "no station %.40s", q->station);
    }
    for (size_t i = 0; i < q->n_indicators; i++) {
        if (!lm_catalog_indicator(c->catalog, q->indicators[i])) {
            return lm_fail(c->err, LM_ERR_INVALID, "unknown_indicator", "indicator",
                           "没有指标 %.40s", "no indicator %.40s", q->indicators[i]);
        }
    }
    return LM_OK;
}

static void fill_scope(struct counting *c, char to[16])
{
    int64_t today = lm_day_utc8(c->query->now_ms);
    lm_date_format(today, c->scope.today);
    snprintf(to, 16, "%s",
             c->query->to && strlen(c->query->to) == 10 ? c->query->to : c->scope.today);
    c->scope.to = to;
    c->scope.from = c->query->from;
    c->scope.station = c->query->station;
    c->scope.town = lm_store_town(c->store)->code;
    c->scope.year = (int)strtol(to, NULL, 10);
}

static enum lm_status count_all(struct counting *c, json_t *into)
{
    enum lm_status status = LM_OK;
    if (c->query->n_indicators > 0) {
        for (size_t i = 0; i < c->query->n_indicators && status == LM_OK; i++) {
            status =
                count_one(c, lm_catalog_indicator(c->catalog, c->query->indicators[i]), true, into);
        }
        return status;
    }
    for (size_t i = 0; i < c->catalog->n_indicators && status == LM_OK; i++) {
        status = count_one(c, &c->catalog->indicators[i], false, into);
    }
    return status;
}

enum lm_status lm_counts(struct lm_store *store, const struct lm_count_query *query, json_t **out,
                         struct lm_error *err)
{
    struct counting c = {
        .store = store, .catalog = lm_store_catalog(store), .query = query, .err = err};
    char to[16], now[40];
    json_t *coverage = NULL, *indicators = json_object();
    fill_scope(&c, to);
    enum lm_status status = read_query(&c);
    bool reading = false;
    c.kept = calloc(KEPT_MAX, sizeof *c.kept); /* without it everything is counted anew */
    if (status == LM_OK) {
        status = lm_store_read_begin(store, err); /* figures and coverage of one moment */
        reading = status == LM_OK;
    }
    if (status == LM_OK) {
        status = lm_coverage_villages(store, query->to, query->now_ms, &coverage,
                                      &c.coverage_villages, err);
    }
    if (status == LM_OK) {
        status = count_all(&c, indicators);
    }
    if (reading) {
        lm_store_read_end(store);
    }
    if (status == LM_OK) {
        lm_time_format(query->now_ms, now);
        *out = json_pack("{s:s,s:o,s:s,s:O,s:O}", "as_of", now, "from",
                         query->from ? json_string(query->from) : json_null(), "to", to, "coverage",
                         coverage, "indicators", indicators);
        status = *out ? LM_OK : LM_ERR_MEMORY;
    }
    for (size_t i = 0; i < c.n_kept; i++) {
        lm_count_groups_free(&c.kept[i].result.groups);
    }
    free(c.kept);
    json_decref(coverage);
    json_decref(c.coverage_villages);
    json_decref(indicators);
    return status;
}

/* ---- what stands behind a figure ---- */

struct rows {
    struct lm_store *store;
    const struct lm_type *type;
    struct lm_arena arena;
    json_t *(*row)(void *arg, const struct lm_record *rec);
    void *arg;
    json_t *into;
    enum lm_status status;
};

static bool add_counted(void *arg, const char *id)
{
    struct rows *r = arg;
    struct lm_record *rec = NULL;
    enum lm_status status;

    lm_arena_reset(&r->arena);
    status = lm_store_get(r->store, &r->arena, r->type->name, id, &rec);
    if (status == LM_OK && json_array_append_new(r->into, r->row(r->arg, rec)) != 0) {
        status = LM_ERR_MEMORY;
    }
    r->status = status == LM_ERR_NOT_FOUND ? LM_OK : status;
    return r->status == LM_OK;
}

enum lm_status lm_count_rows(struct lm_store *store, const struct lm_count_query *query,
                             const char *key, size_t offset, size_t limit,
                             json_t *(*row)(void *arg, const struct lm_record *rec), void *arg,
                             json_t **out, struct lm_error *err)
{
    struct counting c = {
        .store = store, .catalog = lm_store_catalog(store), .query = query, .err = err};
    struct rows r = {.store = store, .row = row, .arg = arg, .into = json_array()};
    const struct lm_indicator *ind;
    const struct lm_dimension *dimension = NULL;
    size_t total = 0;
    char to[16];

    *out = NULL;
    lm_arena_init(&r.arena, 4 * 1024 * 1024);
    fill_scope(&c, to);
    enum lm_status status = read_query(&c);
    ind = status == LM_OK ? lm_catalog_indicator(c.catalog, query->indicators[0]) : NULL;
    for (int depth = 0; ind && ind->measure == LM_M_RATIO && depth < RATIO_DEPTH_MAX; depth++) {
        ind = lm_catalog_indicator(c.catalog, ind->args[0]);
    }
    if (status == LM_OK && (!ind || !ind->type || ind->measure == LM_M_GAP)) {
        status = lm_fail(err, LM_ERR_INVALID, "no_rows", "indicator", "这个数不是由记录数出来的。",
                         "This figure is not counted from records.");
    }
    if (status == LM_OK && c.by != LM_BY_NOTHING) {
        dimension = dimension_of(ind, c.by);
        if (!dimension) {
            status = lm_fail(err, LM_ERR_INVALID, "cannot_group", "by", "指标 %s 不能按 %s 分组",
                             "%s cannot be grouped by %s", ind->id, by_name(c.by));
        }
    }
    if (status == LM_OK) {
        c.scope.by = c.by;
        c.scope.category = c.by == LM_BY_CATEGORY ? dimension : NULL;
        if (key && strcmp(key, OPENING_KEY) == 0) {
            r.type = lm_catalog_type(c.catalog, "opening_balance");
            status = lm_count_query_openings(store, ind, &c.scope, offset, limit, add_counted, &r,
                                             &total, err);
        } else {
            r.type = ind->type;
            status = lm_count_query_rows(store, ind, &c.scope, key, offset, limit, add_counted, &r,
                                         &total, err);
        }
        status = status == LM_OK ? r.status : status;
    }
    lm_arena_free(&r.arena);
    if (status == LM_OK) {
        *out = json_pack("{s:I,s:s,s:O}", "total", (json_int_t)total, "type", r.type->name,
                         "records", r.into);
        status = *out ? LM_OK : LM_ERR_MEMORY;
    }
    json_decref(r.into);
    return status;
}
