/* What is due: people to be contacted (contact_plan: the same rule as the indicator I13), materials
 * that are still missing (service_item), what a visit left to do (visit.follow_up_on, until the
 * person is visited again or is no longer ours); how far the visits of the next festival are, what
 * the town said to change requests, and whether a backup is due. */
#include "node/api/api.h"

#include "proto/caldate.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX 200
#define SOON_DAYS 14
#define VISITED_MAX 100000
#define ANSWERS_MAX 20
#define ANSWER_DAYS 14 /* as long as the town's answer to a request is shown */
#define BACKUP_DAYS 7  /* unless the town's setting says otherwise */
#define MATERIALS_ARENA (1024 * 1024)
#define PERSON_ARENA (1024 * 1024)

struct seen { /* of a person */
    char person[40];
    int64_t day;     /* of the newest visit */
    int64_t own_day; /* of the newest that was not a festival's, or INT64_MIN */
    bool festival;   /* there was one for the festival that is near */
};
struct task {
    const char *kind; /* "contact", "materials", "follow_up" */
    int64_t due;
    int64_t from; /* of a follow-up: the day of the visit that left it */
    char record[40], person[40];
};
struct tasks {
    struct lm_api *api;
    int64_t today;
    const char *occasion; /* of the festival that is near, or NULL */
    int64_t festival;     /* its day */
    int64_t year;         /* in which it is */
    struct seen *seen;
    size_t n_seen, seen_size;
    struct task *items;
    size_t n, size;
    int64_t people, visited; /* on the register; of them, for the festival */
    json_t *answers;         /* {"record","label","target"…}, at most ANSWERS_MAX */
    int64_t backup_days;
    bool failed;
};

static const char *text_of(const struct lm_record *rec, const char *name)
{
    const struct lm_field *f = lm_type_field(rec->type, name);

    return f ? lm_record_text(rec, f->index) : "";
}

static bool day_of(const struct lm_record *rec, const char *name, int64_t *out)
{
    const struct lm_value *v = lm_record_get(rec, name);

    return v && lm_value_day(v, out);
}

static bool stands(const struct lm_record *rec)
{
    static const char *const uncounted[] = {"draft", "returned", "cancelled", "merged"};
    const char *state = lm_record_text(rec, LM_C_STATE);

    for (size_t i = 0; i < sizeof uncounted / sizeof *uncounted; i++) {
        if (strcmp(state, uncounted[i]) == 0) {
            return false;
        }
    }
    return !lm_record_deleted(rec);
}

/* ---- visits ---- */

static int by_person(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    return strcmp(x->person, y->person);
}

/* The rows of one person, sorted beside each other, become one: the newest. */
static void fold_seen(struct tasks *t)
{
    size_t kept = 0;

    if (t->n_seen > 1) {
        qsort(t->seen, t->n_seen, sizeof *t->seen, by_person);
    }
    for (size_t i = 0; i < t->n_seen; i++) {
        struct seen *last = kept ? &t->seen[kept - 1] : NULL;

        if (last && strcmp(last->person, t->seen[i].person) == 0) {
            last->day = t->seen[i].day > last->day ? t->seen[i].day : last->day;
            last->own_day = t->seen[i].own_day > last->own_day ? t->seen[i].own_day : last->own_day;
            last->festival = last->festival || t->seen[i].festival;
        } else {
            t->seen[kept++] = t->seen[i];
        }
    }
    t->n_seen = kept;
}

static const struct seen *last_visit(const struct tasks *t, const char *person)
{
    struct seen key;

    (void)snprintf(key.person, sizeof key.person, "%s", person);
    return t->n_seen ? bsearch(&key, t->seen, t->n_seen, sizeof *t->seen, by_person) : NULL;
}

/* ---- what is due ---- */

static bool add_of(struct tasks *t, const char *kind, const struct lm_record *rec,
                   const char *person, int64_t due, int64_t from)
{
    struct task *task;

    if (due > t->today + SOON_DAYS) {
        return true;
    }
    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 64;
        struct task *items = realloc(t->items, size * sizeof *items);

        if (!items) {
            t->failed = true;
            return false;
        }
        t->items = items;
        t->size = size;
    }
    task = &t->items[t->n++];
    task->kind = kind;
    task->due = due;
    task->from = from;
    (void)snprintf(task->record, sizeof task->record, "%s", rec->id);
    (void)snprintf(task->person, sizeof task->person, "%s", person);
    return true;
}

static bool add(struct tasks *t, const char *kind, const struct lm_record *rec, int64_t due)
{
    return add_of(t, kind, rec, text_of(rec, "person_id"), due, 0);
}

static bool of_festival(const char *occasion)
{
    return strcmp(occasion, "spring") == 0 || strcmp(occasion, "army_day") == 0 ||
           strcmp(occasion, "national") == 0;
}

static bool take_visit(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const struct lm_value *persons = lm_record_get(rec, "persons");
    int64_t day, follow;
    bool follows = day_of(rec, "follow_up_on", &follow);
    const char *occasion = text_of(rec, "occasion");
    const struct lm_value *year = lm_record_get(rec, "occasion_year");
    /* as the page of many visits counts: what the visit says it was for, whenever it was paid */
    bool festival = t->occasion && strcmp(occasion, t->occasion) == 0 && year &&
                    year->kind == LM_INT && year->i == t->year;

    if (!stands(rec) || !day_of(rec, "visit_on", &day) || !persons || persons->kind != LM_LIST) {
        return true;
    }
    for (uint32_t i = 0; i < persons->len; i++) {
        if (persons->items[i].kind != LM_TEXT) {
            continue;
        }
        if (t->n_seen == t->seen_size) {
            size_t size = t->seen_size ? 2 * t->seen_size : 512;
            struct seen *seen =
                size > VISITED_MAX ? NULL : realloc(t->seen, size * sizeof *t->seen);

            if (!seen) {
                t->failed = true;
                return false;
            }
            t->seen = seen;
            t->seen_size = size;
        }
        (void)snprintf(t->seen[t->n_seen].person, sizeof t->seen[t->n_seen].person, "%s",
                       persons->items[i].text);
        t->seen[t->n_seen].day = day;
        t->seen[t->n_seen].own_day = of_festival(occasion) ? INT64_MIN : day;
        t->seen[t->n_seen++].festival = festival;
        if (follows && !add_of(t, "follow_up", rec, persons->items[i].text, follow, day)) {
            return false;
        }
    }
    return true;
}

/* Who moved out or died is not visited any more. */
static bool is_ours(const struct lm_record *rec)
{
    static const char *const left[] = {"moved_out", "deceased", "merged", "cancelled"};
    const char *state = lm_record_text(rec, LM_C_STATE);

    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        if (strcmp(state, left[i]) == 0) {
            return false;
        }
    }
    return !lm_record_deleted(rec);
}

/* No row: the file went to another village. */
static enum lm_status look_up(struct tasks *t, struct lm_arena *arena, const char *person,
                              bool *ours_out)
{
    const struct lm_type *type = lm_catalog_type(lm_nstore_catalog(t->api->store), "person");
    struct lm_record *rec = NULL;
    enum lm_status st = LM_ERR_NOT_FOUND;

    lm_arena_reset(arena);
    if (type) {
        st = lm_tables_get(lm_nstore_tables(t->api->store), arena, type, person, &rec);
    }
    *ours_out = st == LM_OK && is_ours(rec);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* A festival's visits tick off everybody: none is the visit that was promised for a later day. */
static bool is_followed(const struct seen *last, const struct task *task)
{
    return last &&
           (last->own_day > task->from || (last->day > task->from && last->day >= task->due));
}

/* What a visit left to do is done with the next one to that person. */
static enum lm_status drop_followed(struct tasks *t)
{
    enum lm_status st = LM_OK;
    struct lm_arena arena;
    size_t kept = 0;

    lm_arena_init(&arena, PERSON_ARENA);
    for (size_t i = 0; i < t->n && st == LM_OK; i++) {
        bool ours = false;

        if (is_followed(last_visit(t, t->items[i].person), &t->items[i])) {
            continue;
        }
        st = look_up(t, &arena, t->items[i].person, &ours);
        if (ours) {
            t->items[kept++] = t->items[i];
        }
    }
    lm_arena_free(&arena);
    t->n = kept;
    return st;
}

/* Whom a festival's visits are for: who is on the register, or about to be. */
static bool take_person(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const struct seen *visit = last_visit(t, rec->id);

    if (is_ours(rec) && strcmp(lm_record_text(rec, LM_C_STATE), "draft") != 0) {
        t->people++;
        t->visited += visit && visit->festival;
    }
    return true;
}

static bool take_plan(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const char *frequency = text_of(rec, "frequency");
    int months = strcmp(frequency, "month") == 0     ? 1
                 : strcmp(frequency, "quarter") == 0 ? 3
                 : strcmp(frequency, "half") == 0    ? 6
                 : strcmp(frequency, "year") == 0    ? 12
                                                     : 0;
    const struct seen *visit = last_visit(t, text_of(rec, "person_id"));
    int64_t from, end;

    if (!stands(rec) || months == 0 || day_of(rec, "end_on", &end) ||
        !day_of(rec, "start_on", &from)) {
        return true;
    }
    from = visit && visit->day > from ? visit->day : from;
    return add(t, "contact", rec, lm_day_add_months(from, months));
}

static bool take_item(void *arg, const struct lm_record *rec)
{
    int64_t due, closed;

    if (!stands(rec) || day_of(rec, "closed_on", &closed) || !day_of(rec, "missing_due", &due)) {
        return true;
    }
    return add(arg, "materials", rec, due);
}

/* What the town said to a request, while it is news. */
static bool take_answer(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const struct lm_version *said = &rec->stamps[LM_GROUP_STATE].version;
    const char *decision = text_of(rec, "decision");
    char at[LM_TIME_TEXT + 8];

    if (lm_record_deleted(rec) || strcmp(lm_record_text(rec, LM_C_STATE), "verified") != 0 ||
        decision[0] == '\0' || json_array_size(t->answers) >= ANSWERS_MAX ||
        lm_day_utc8(lm_hlc_ms(said->hlc)) < t->today - ANSWER_DAYS) {
        return true;
    }
    lm_time_format(lm_hlc_ms(said->hlc), at);
    t->failed |= json_array_append_new(
                     t->answers, json_pack("{s:s,s:s,s:b,s:s,s:s,s:s}", "record", rec->id, "at", at,
                                           "agreed", strcmp(decision, "approved") == 0, "target",
                                           text_of(rec, "target"), "field", text_of(rec, "field"),
                                           "why", lm_record_text(rec, LM_C_RETURN_NOTE))) != 0;
    return !t->failed;
}

static bool take_setting(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const char *value = text_of(rec, "value");
    char *end = NULL;
    long days = strtol(value, &end, 10);

    if (!lm_record_deleted(rec) && strcmp(text_of(rec, "key"), "backup_days") == 0 &&
        strcmp(lm_record_text(rec, LM_C_STATE), "draft") != 0 && end != value && *end == '\0' &&
        days >= 1 && days <= 90) {
        t->backup_days = days;
    }
    return true;
}

/* ---- the answer ---- */

/* The festival whose preparation falls on this day: 1 August and 1 October, and the Spring
 * Festival, which lies between 21 January and 20 February. */
static void find_festival(struct tasks *t)
{
    char date[16];
    int month, day;

    lm_date_format(t->today, date);
    t->year = strtol(date, NULL, 10);
    month = (int)strtol(date + 5, NULL, 10);
    day = (int)strtol(date + 8, NULL, 10);
    t->occasion = month == 1 || (month == 2 && day <= 20)   ? "spring"
                  : month == 7 || (month == 8 && day == 1)  ? "army_day"
                  : month == 9 || (month == 10 && day == 1) ? "national"
                                                            : NULL;
    (void)snprintf(date + 4, sizeof date - 4, "%s",
                   month <= 2   ? "-02-20"
                   : month <= 8 ? "-08-01"
                                : "-10-01");
    if (!t->occasion || !lm_date_parse(date, 10, &t->festival)) {
        t->occasion = NULL;
    }
}

static enum lm_status each(struct lm_api_call *call, const char *name,
                           bool (*visit)(void *arg, const struct lm_record *rec), struct tasks *t)
{
    const struct lm_type *type = lm_catalog_type(lm_nstore_catalog(call->api->store), name);

    return type ? lm_tables_list(lm_nstore_tables(call->api->store), NULL, type, NULL, NULL, 0,
                                 false, visit, t, &call->err)
                : LM_OK;
}

static int by_due(const void *a, const void *b)
{
    const struct task *x = a, *y = b;

    return x->due != y->due ? (x->due > y->due) - (x->due < y->due) : strcmp(x->record, y->record);
}

static void label_of(struct lm_api_call *call, const char *type, const char *id,
                     char out[LM_LABEL_BYTES])
{
    const struct lm_type *t = lm_catalog_type(lm_nstore_catalog(call->api->store), type);
    struct lm_record *rec = NULL;
    struct lm_arena arena;

    out[0] = '\0';
    lm_arena_init(&arena, 1024 * 1024);
    if (t && id[0] &&
        lm_tables_get(lm_nstore_tables(call->api->store), &arena, t, id, &rec) == LM_OK) {
        lm_node_label(call->api->store, call->api->english, rec, out);
    }
    lm_arena_free(&arena);
}

/* The names of what is missing, as the matter's list has them. */
static json_t *missing_of(struct lm_api_call *call, const char *id)
{
    struct lm_tables *tables = lm_nstore_tables(call->api->store);
    const struct lm_catalog *catalog = lm_nstore_catalog(call->api->store);
    const struct lm_type *items = lm_catalog_type(catalog, "service_item");
    const struct lm_type *matters = lm_catalog_type(catalog, "matter");
    const struct lm_value *missing, *all = NULL;
    struct lm_record *item = NULL, *matter = NULL;
    struct lm_arena arena;
    json_t *names = json_array();

    lm_arena_init(&arena, MATERIALS_ARENA);
    if (items && matters && lm_tables_get(tables, &arena, items, id, &item) == LM_OK &&
        lm_tables_get(tables, &arena, matters, text_of(item, "matter_id"), &matter) == LM_OK) {
        all = lm_record_get(matter, "materials");
    }
    missing = item ? lm_record_get(item, "missing_materials") : NULL;
    for (uint32_t i = 0;
         all && all->kind == LM_LIST && missing && missing->kind == LM_LIST && i < missing->len;
         i++) {
        for (uint32_t k = 0; k < all->len; k++) {
            const struct lm_value *no = lm_value_member(&all->items[k], "no");
            const struct lm_value *name = lm_value_member(&all->items[k], "name");

            if (no && no->kind == LM_INT && no->i == missing->items[i].i && name &&
                name->kind == LM_TEXT) {
                (void)json_array_append_new(names, json_stringn(name->text, name->len));
            }
        }
    }
    lm_arena_free(&arena);
    return names;
}

static json_t *rows(struct lm_api_call *call, struct tasks *t)
{
    json_t *list = json_array();

    if (t->n > 1) {
        qsort(t->items, t->n, sizeof *t->items, by_due);
    }
    for (size_t i = 0; i < t->n && i < TASKS_MAX; i++) {
        const struct task *task = &t->items[i];
        char due[16], name[LM_LABEL_BYTES];

        lm_date_format(task->due, due);
        label_of(call, "person", task->person, name);
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:o*}", "kind", task->kind, "due", due,
                            "overdue", task->due < t->today, "record", task->record, "person",
                            task->person, "name", name, "missing",
                            strcmp(task->kind, "materials") == 0 ? missing_of(call, task->record)
                                                                 : NULL));
    }
    return list;
}

/* Of people on the register: how many there are, how many were visited, and so who is left. */
static json_t *festival_json(const struct tasks *t)
{
    char day[16];

    if (!t->occasion) {
        return json_null();
    }
    lm_date_format(t->festival, day);
    return json_pack("{s:s,s:s,s:I,s:I}", "occasion", t->occasion, "until", day, "visited",
                     (json_int_t)t->visited, "people", (json_int_t)t->people);
}

/* When one was last written, after how many days the next is due, and whether it is: also when the
 * last is said to be of a day to come, which a wrong clock once noted. There is nothing to lose
 * before the first person is entered. */
static json_t *backup_json(const struct tasks *t, int64_t last_ms)
{
    char at[LM_TIME_TEXT + 8] = "";
    int64_t days = t->today - lm_day_utc8(last_ms);
    bool due = t->people > 0 && (!last_ms || days < 0 || days > t->backup_days);

    if (last_ms) {
        lm_time_format(last_ms, at);
    }
    return json_pack("{s:s,s:I,s:b}", "made_at", at, "days", (json_int_t)t->backup_days, "due",
                     due);
}

enum lm_status lm_api_tasks(struct lm_api_call *call)
{
    struct tasks t = {.api = call->api, .answers = json_array(), .backup_days = BACKUP_DAYS};
    struct lm_me me;
    int64_t last_backup = 0;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st != LM_OK || !t.answers) {
        json_decref(t.answers);
        return st != LM_OK ? st : lm_api_no_memory(call);
    }
    t.today = lm_day_utc8(lm_clock_wall_ms() + (me.offset_known ? me.offset_ms : 0));
    find_festival(&t);
    st = each(call, "visit", take_visit, &t);
    fold_seen(&t);
    if (st == LM_OK) {
        st = drop_followed(&t);
    }
    if (st == LM_OK) {
        st = each(call, "person", take_person, &t);
    }
    if (st == LM_OK) {
        st = each(call, "change_request", take_answer, &t);
    }
    if (st == LM_OK) {
        st = each(call, "setting", take_setting, &t);
    }
    if (st == LM_OK) {
        st = lm_nstore_last_backup(call->api->store, &last_backup, &call->err);
    }
    if (st == LM_OK) {
        st = each(call, "contact_plan", take_plan, &t);
    }
    if (st == LM_OK) {
        st = each(call, "service_item", take_item, &t);
    }
    if (st == LM_OK && !t.failed) {
        call->answer = json_pack("{s:I,s:o,s:o,s:O,s:o}", "total", (json_int_t)t.n, "tasks",
                                 rows(call, &t), "festival", festival_json(&t), "answers",
                                 t.answers, "backup", backup_json(&t, last_backup));
    }
    json_decref(t.answers);
    free(t.seen);
    free(t.items);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
