/* See settings.h. */
#include "hub/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOWN_CHARS_MAX 40 /* as `init` takes it */
#define VALUE_TEXT 2500   /* the catalogue's 800 characters */
#define FIELDS_MAX 32     /* LM_COUNT_FILLED_MAX */

/* min 0: the value is a list of a person's fields, or with max a text of so many characters.
 * fallback 0: as the catalogue's indicator has it; of a text, as the hub was made. */
static const struct setting {
    const char *key, *zh, *en, *unit, *note, *note_en;
    int64_t min, max, fallback;
} settings[] = {
    {"complete_days", "几天内报全算报全", "Days until a station is stale", "天",
     "村里最近几天之内报全过，就算“已报全”；超过的列为没有报全，总览的村格变灰。没报完就这么多天没"
     "有联系的，列为“可能有缺口”。",
     "A village that was complete within so many days counts as complete; else it is named and "
     "greyed. One that has been silent for so long before it had sent all is named as a possible "
     "gap.",
     1, 90, 7},
    {"report_days", "月报几号（含）前算按时", "Day by which a month is reported", "日",
     "月报情况里，次月这一天（含）以前报的算按时，以后报的算迟报。",
     "In the monthly reports: by this day of the next month is in time.", 1, 28, 5},
    {"backup_days", "村里几天备份一次", "Days between a village's backups", "天",
     "村里超过这么多天没有备份到U盘，首页“要办的事”会提醒。",
     "After so many days without a backup to a stick the village's first page reminds of it.", 1,
     90, 7},
    {"staff_ratio", "多少人配一名工作人员", "People served by one member of staff", "人",
     "人员配比缺口按“每这么多服务对象配一名工作人员”来算。",
     "The gap in staff: one member for so many people on the register.", 1, 100000, 0},
    {"file_fields", "档案完整率看哪些项", "What a complete file has", "",
     "档案完整率 = 这些项里填了的占几成。必填项总是有的，不用列进来。",
     "File completeness is the share of these that are filled in.", 0, 0, 0},
    {"publicity_workdays", "困难帮扶公示至少几个工作日",
     "Working days of publicity for hardship aid", "天",
     "公示起止之间（首尾都算，周末不算）不满这么多天的，不能进公示、报县。法定假日程序不认得，请自"
     "己加上。",
     "From the first to the last day of publicity, weekends left out; fewer are refused. Public "
     "holidays are not known here.",
     1, 30, 5},
    {"idle_minutes", "闲置几分钟锁屏", "Idle minutes until the screen locks", "分钟",
     "镇里的网页这么多分钟没人动就锁屏，要再输密码。",
     "The town's pages lock when nobody used them for so long.", 3, 60, 15},
    {"town_name", "镇名", "The town's name", "",
     "页眉、工作总结和打印件上用的镇名。代码不变；已签发的总结不变。",
     "On the pages, in the summary and on paper. The code stays, and so do signed summaries.", 0,
     TOWN_CHARS_MAX, 0},
};
#define N_SETTINGS (sizeof settings / sizeof *settings)

static const struct setting *find(const char *key)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (strcmp(settings[i].key, key) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

static bool is_text(const struct setting *s)
{
    return s->min == 0 && s->max > 0;
}

/* The indicator that the setting is about, where the fallback is the catalogue's. */
static const struct lm_indicator *indicator_of(const struct lm_catalog *catalog,
                                               const struct setting *s)
{
    enum lm_measure measure = s->min > 0 ? LM_M_GAP : LM_M_FILLED;

    for (size_t i = 0; s->fallback == 0 && !is_text(s) && i < catalog->n_indicators; i++) {
        if (catalog->indicators[i].measure == measure) {
            return &catalog->indicators[i];
        }
    }
    return NULL;
}

/* A field of a person's file that may be empty. */
static bool is_optional(const struct lm_field *f)
{
    return f && !f->common && !f->retired && f->fill == LM_FILL_USER &&
           f->required != LM_REQUIRED && f->sensitivity < LM_SENSITIVITY_SECRET;
}

/* ---- what may be ---- */

static enum lm_status check_number(const struct setting *s, const char *value, struct lm_error *err)
{
    char *end = NULL;
    bool digits = value[0] && strspn(value, "0123456789") == strlen(value) && strlen(value) <= 9;
    long long n = digits ? strtoll(value, &end, 10) : 0;

    return digits && n >= s->min && n <= s->max
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, digits ? "out_of_range" : "bad_number", "value",
                         "“%s%.0s”应为 %lld 到 %lld 的整数。",
                         "%.0s\"%s\" must be a whole number from %lld to %lld.", s->zh, s->en,
                         (long long)s->min, (long long)s->max);
}

/* Whether the name at p stands in the list before it too. */
static bool is_named(const char *list, const char *p, size_t length)
{
    while (list < p) {
        size_t n = strcspn(list, ",");

        if (n == length && strncmp(list, p, n) == 0) {
            return true;
        }
        list += n + 1;
    }
    return false;
}

/* Names with commas between them, as the page writes them. */
static enum lm_status check_fields(const struct lm_catalog *catalog, const char *value,
                                   struct lm_error *err)
{
    const struct lm_type *person = lm_catalog_type(catalog, "person");
    size_t n = 0;

    for (const char *p = value; person && *p;) {
        size_t length = strcspn(p, ",");

        if (!is_optional(lm_type_fieldn(person, p, length))) {
            return lm_fail(err, LM_ERR_INVALID, "unknown_field", "value",
                           "服务对象没有可不填的项目“%.*s”。",
                           "A person has no field %.*s that may be empty.",
                           (int)(length < 40 ? length : 40), p);
        }
        if (is_named(value, p, length)) {
            return lm_fail(err, LM_ERR_INVALID, "bad_list", "value", "“%.*s”写了两次。",
                           "%.*s is named twice.", (int)(length < 40 ? length : 40), p);
        }
        n++;
        p += length;
        p += *p == ',' ? 1 : 0;
    }
    return n >= 1 && n <= FIELDS_MAX
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_list", "value", "请选 1 至 %d 项。",
                         "Choose 1 to %d fields.", FIELDS_MAX);
}

static enum lm_status check_text(const struct setting *s, const char *value, struct lm_error *err)
{
    size_t chars = 0;

    return lm_utf8_valid(value, strlen(value), &chars) && value[strspn(value, " ")] != '\0' &&
                   chars <= (size_t)s->max && !lm_utf8_has_control(value, strlen(value)) &&
                   !strpbrk(value, "\n\t")
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "value", "“%s”应为一行 1 到 %lld 个字。",
                         "\"%s\" must be one line of 1 to %lld characters.", s->zh,
                         (long long)s->max);
}

enum lm_status lm_setting_check(const struct lm_catalog *catalog, const char *key,
                                const char *value, struct lm_error *err)
{
    const struct setting *s = find(key);

    if (!s) {
        return lm_fail(err, LM_ERR_INVALID, "unknown_setting", "key", "没有这个设置项目：%.40s。",
                       "There is no such setting: %.40s.", key);
    }
    return !value       ? LM_OK
           : s->min > 0 ? check_number(s, value, err)
           : s->max > 0 ? check_text(s, value, err)
                        : check_fields(catalog, value, err);
}

/* ---- what is ---- */

static bool take_last(void *arg, const json_t *row)
{
    json_t *last = arg;

    (void)json_object_set(last, "at", json_object_get(row, "at"));
    (void)json_object_set(last, "user", json_object_get(row, "user"));
    return true;
}

static json_t *default_of(struct lm_store *store, const struct setting *s)
{
    const struct lm_catalog *catalog = lm_store_catalog(store);
    const struct lm_indicator *ind = indicator_of(catalog, s);
    char text[VALUE_TEXT] = "";
    size_t n = 0;

    if (s->min > 0) {
        (void)snprintf(text, sizeof text, "%lld",
                       (long long)(s->fallback ? s->fallback
                                   : ind       ? ind->arg_number
                                               : 0));
    }
    if (is_text(s)) {
        return json_string(lm_store_town(store)->name);
    }
    for (size_t i = 0; s->min == 0 && ind && i < ind->n_args && n < sizeof text; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? "," : "", ind->args[i]);
    }
    return json_string(text);
}

static json_t *optional_fields(const struct lm_catalog *catalog)
{
    const struct lm_type *person = lm_catalog_type(catalog, "person");
    json_t *names = json_array();

    for (size_t i = 0; person && i < person->n_fields; i++) {
        if (is_optional(&person->fields[i])) {
            (void)json_array_append_new(names, json_string(person->fields[i].name));
        }
    }
    return names;
}

enum lm_status lm_settings_list(struct lm_store *store, json_t **out, struct lm_error *err)
{
    const struct lm_catalog *catalog = lm_store_catalog(store);
    json_t *rows = json_array();
    enum lm_status st = rows ? LM_OK : LM_ERR_MEMORY;

    for (size_t i = 0; st == LM_OK && i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        struct lm_setting_row now;
        char value[VALUE_TEXT];
        json_t *last = json_object(), *row;

        st = lm_store_setting(store, s->key, &now, value, sizeof value, err);
        if (st == LM_OK && now.id[0]) {
            st = lm_store_history(store, now.id, take_last, last, err);
        }
        row = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "key", s->key, "zh", s->zh, "en",
                        s->en, "note", s->note, "note_en", s->note_en, "unit", s->unit, "value",
                        now.counts ? json_string(value) : json_null(), "default",
                        default_of(store, s));
        if (s->min > 0) {
            (void)json_object_set_new(row, "min", json_integer((json_int_t)s->min));
            (void)json_object_set_new(row, "max", json_integer((json_int_t)s->max));
        } else if (is_text(s)) {
            (void)json_object_set_new(row, "max_chars", json_integer((json_int_t)s->max));
        } else {
            (void)json_object_set_new(row, "fields", optional_fields(catalog));
        }
        (void)json_object_set_new(row, "changed",
                                  json_object_size(last) > 0 ? json_incref(last) : json_null());
        json_decref(last);
        st = st == LM_OK && json_array_append_new(rows, row) != 0 ? LM_ERR_MEMORY : st;
    }
    if (st != LM_OK) {
        json_decref(rows);
        rows = NULL;
    }
    *out = rows;
    return st != LM_ERR_MEMORY ? st
                               : lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.");
}

int64_t lm_setting_number(struct lm_store *store, const char *key)
{
    const struct setting *s = find(key);
    struct lm_setting_row now;
    struct lm_error ignored = {0};
    char value[VALUE_TEXT];
    long long n = 0;

    if (s && lm_store_setting(store, key, &now, value, sizeof value, &ignored) == LM_OK &&
        now.counts && check_number(s, value, &ignored) == LM_OK) {
        n = strtoll(value, NULL, 10);
    }
    return n > 0 ? n : s ? s->fallback : 0;
}

void lm_town_name(struct lm_store *store, char out[LM_TOWN_NAME_BYTES])
{
    const struct setting *s = find("town_name");
    struct lm_setting_row now;
    struct lm_error ignored = {0};
    char value[VALUE_TEXT] = "";
    bool set = lm_store_setting(store, s->key, &now, value, sizeof value, &ignored) == LM_OK &&
               now.counts && check_text(s, value, &ignored) == LM_OK;

    (void)snprintf(out, LM_TOWN_NAME_BYTES, "%s", set ? value : lm_store_town(store)->name);
}

/* ---- setting ---- */

static enum lm_status do_act(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             struct lm_error *err)
{
    struct lm_act_result done;
    enum lm_status st;

    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    st = lm_store_act(store, act, now_ms, &done, err);
    if (st != LM_OK && lm_issues_first_refusal(&done.issues) && !err->code[0]) {
        *err = *lm_issues_first_refusal(&done.issues);
    }
    return st;
}

/* One that waits in another state than those that count (draft, returned) is put in force with its
 * new value; a deleted one stays deleted, and another is made. */
static enum lm_status write(struct lm_store *store, const char *user, const char *key,
                            const char *value, const struct lm_setting_row *now, int64_t now_ms,
                            struct lm_error *err)
{
    struct lm_act act = {.user = user};
    json_t *fields;
    enum lm_status st;

    if (now->id[0] && !now->deleted) {
        act.op = value ? LM_OP_EDIT : LM_OP_DELETE;
        act.id = now->id;
        fields = value ? json_pack("{s:s}", "value", value)
                       : json_pack("{s:s}", "delete_reason", "恢复原值");
        if (value && !now->counts) {
            (void)json_object_set_new(fields, "state", json_string("submitted"));
        }
    } else {
        act.op = LM_OP_CREATE;
        act.type = "setting";
        fields = json_pack("{s:s,s:s}", "key", key, "value", value);
    }
    if (!fields) {
        return lm_fail(err, LM_ERR_INVALID, "bad_utf8", "value", "内容不是合法的文字。",
                       "The value is not valid text.");
    }
    act.fields = fields;
    st = do_act(store, &act, now_ms, err);
    json_decref(fields);
    return st;
}

enum lm_status lm_setting_put(struct lm_store *store, const char *user, const char *key,
                              const char *value, const char *was, int64_t now_ms,
                              struct lm_error *err)
{
    struct lm_setting_row now;
    char present[VALUE_TEXT];
    enum lm_status st = LM_OK;

    if (!find(key)) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_setting", "key", "没有这个设置项目：%.40s。",
                       "There is no such setting: %.40s.", key);
    }
    if (value) {
        st = lm_setting_check(lm_store_catalog(store), key, value, err);
    }
    if (st == LM_OK) {
        st = lm_store_setting(store, key, &now, present, sizeof present, err);
    }
    if (st == LM_OK && (was ? !now.counts || strcmp(was, present) != 0 : now.counts)) {
        st = lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", "value",
                     "这一项刚刚被改过，请看过现在的值再改。",
                     "It was changed meanwhile: look at its present value first.");
    }
    if (st != LM_OK || (!value && (!now.id[0] || now.deleted))) {
        return st;
    }
    return write(store, user, key, value, &now, now_ms, err);
}
