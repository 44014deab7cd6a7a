/* What is due: people to be contacted (contact_plan: the same rule as the indicator I13), materials
 * that are still missing (service_item), and how far the visits of the next festival are. */
#include "node/api/api.h"

#include "proto/caldate.h"

#include <stdlib.h>
#include <string.h>

#define TASKS_MAX 200
#define SOON_DAYS 14
#define FESTIVAL_DAYS 30 /* before it */
#define VISITED_MAX 100000

struct seen { /* a person's newest visit, and whether it was the festival's */
    char person[40];
    int64_t day;
    bool festival;
};
struct task {
    const char *kind; /* "contact", "materials" */
    int64_t due;
    char record[40], person[40];
};
struct tasks {
    struct lm_api *api;
    int64_t today;
    const char *occasion; /* of the festival that is near, or NULL */
    int64_t festival;     /* its day */
    struct seen *seen;
    size_t n_seen, seen_size;
    struct task *items;
    size_t n, size;
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

static bool take_visit(void *arg, const struct lm_record *rec)
{
    struct tasks *t = arg;
    const struct lm_value *persons = lm_record_get(rec, "persons");
    int64_t day;

    if (!stands(rec) || !day_of(rec, "visit_on", &day) || !persons || persons->kind != LM_LIST) {
        return true;
    }
    for (uint32_t i = 0; i < persons->len; i++) {
        bool festival = t->occasion && strcmp(text_of(rec, "occasion"), t->occasion) == 0 &&
                        day > t->festival - FESTIVAL_DAYS - SOON_DAYS;

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
        t->seen[t->n_seen++].festival = festival;
    }
    return true;
}

/* ---- what is due ---- */

static bool add(struct tasks *t, const char *kind, const struct lm_record *rec, int64_t due)
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
    (void)snprintf(task->record, sizeof task->record, "%s", rec->id);
    (void)snprintf(task->person, sizeof task->person, "%s", text_of(rec, "person_id"));
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

/* ---- the answer ---- */

/* The festival whose preparation falls on this day: 1 August and 1 October, and the Spring
 * Festival, which lies between 21 January and 20 February. */
static void find_festival(struct tasks *t)
{
    char date[16];
    int month, day;

    lm_date_format(t->today, date);
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

static void label_of(struct lm_api_call *call, const char *type, const char *id, char *out,
                     size_t n)
{
    const struct lm_type *t = lm_catalog_type(lm_nstore_catalog(call->api->store), type);
    struct lm_record *rec = NULL;
    struct lm_arena arena;

    out[0] = '\0';
    lm_arena_init(&arena, 1024 * 1024);
    if (t && id[0] &&
        lm_tables_get(lm_nstore_tables(call->api->store), &arena, t, id, &rec) == LM_OK) {
        lm_api_label(call->api, rec, out, n);
    }
    lm_arena_free(&arena);
}

static json_t *rows(struct lm_api_call *call, struct tasks *t)
{
    json_t *list = json_array();

    if (t->n > 1) {
        qsort(t->items, t->n, sizeof *t->items, by_due);
    }
    for (size_t i = 0; i < t->n && i < TASKS_MAX; i++) {
        const struct task *task = &t->items[i];
        char due[16], name[200];

        lm_date_format(task->due, due);
        label_of(call, "person", task->person, name, sizeof name);
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:s,s:b,s:s,s:s,s:s}", "kind", task->kind,
                                              "due", due, "overdue", task->due < t->today, "record",
                                              task->record, "person", task->person, "name", name));
    }
    return list;
}

enum lm_status lm_api_tasks(struct lm_api_call *call)
{
    struct tasks t = {.api = call->api};
    struct lm_me me;
    size_t festival = 0;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st != LM_OK) {
        return st;
    }
    t.today = lm_day_utc8(lm_clock_wall_ms() + (me.offset_known ? me.offset_ms : 0));
    find_festival(&t);
    st = each(call, "visit", take_visit, &t);
    fold_seen(&t);
    if (st == LM_OK) {
        st = each(call, "contact_plan", take_plan, &t);
    }
    if (st == LM_OK) {
        st = each(call, "service_item", take_item, &t);
    }
    for (size_t i = 0; i < t.n_seen; i++) {
        festival += t.seen[i].festival;
    }
    if (st == LM_OK && !t.failed) {
        char day[16];

        lm_date_format(t.festival, day);
        call->answer = json_pack(
            "{s:I,s:o,s:o}", "total", (json_int_t)t.n, "tasks", rows(call, &t), "festival",
            t.occasion ? json_pack("{s:s,s:s,s:I}", "occasion", t.occasion, "until", day, "visited",
                                   (json_int_t)festival)
                       : json_null());
    }
    free(t.seen);
    free(t.items);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
