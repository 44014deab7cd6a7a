/* See periods.h. */
#include "hub/periods.h"

#include "common/base/util.h"
#include "common/tables.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (1024 * 1024)
#define LOCKS_MAX 200

struct span {
    char from[16], to[16];
};
struct work {
    struct span span, others[LOCKS_MAX];
    size_t n_others;
    const char *id;
    int date; /* index of the type's reporting date */
    bool lock;
    char ids[LM_PERIOD_BATCH][40];
    size_t n;
};

static void span_of(const struct lm_record *rec, struct span *out)
{
    const struct lm_value *from = lm_record_get(rec, "from_on"), *to = lm_record_get(rec, "to_on");

    (void)snprintf(out->from, sizeof out->from, "%.10s",
                   from && from->kind == LM_TEXT ? from->text : "");
    (void)snprintf(out->to, sizeof out->to, "%.10s", to && to->kind == LM_TEXT ? to->text : "");
}

static bool inside(const struct span *span, const char *day)
{
    return strcmp(day, span->from) >= 0 && strcmp(day, span->to) <= 0;
}

static bool add_lock(void *arg, const struct lm_record *rec)
{
    struct work *w = arg;

    if (!lm_record_deleted(rec) && strcmp(rec->id, w->id) != 0) {
        span_of(rec, &w->others[w->n_others++]);
    }
    return w->n_others < LOCKS_MAX;
}

/* A time counts by its day in the town. */
static bool day_of(const struct lm_record *rec, int date, char out[16])
{
    const char *text = lm_record_text(rec, date);
    int64_t ms;

    if (strlen(text) > 10 && lm_time_parse(text, strlen(text), &ms)) {
        lm_date_format(lm_day_utc8(ms), out);
    } else {
        (void)snprintf(out, 16, "%.10s", text);
    }
    return out[0] != '\0';
}

static bool take(void *arg, const struct lm_record *rec)
{
    struct work *w = arg;
    char day[16];
    bool wanted = !lm_record_deleted(rec) && day_of(rec, w->date, day) && inside(&w->span, day);

    for (size_t i = 0; wanted && !w->lock && i < w->n_others; i++) {
        wanted = !inside(&w->others[i], day);
    }
    if (wanted) {
        (void)snprintf(w->ids[w->n++], 40, "%s", rec->id);
    }
    return w->n < LM_PERIOD_BATCH;
}

static enum lm_status set_state(struct lm_store *store, const char *user, const char *id,
                                const char *state, int64_t now_ms, struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", state);
    const struct lm_act act = {
        .user = user, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = true};
    struct lm_act_result done;
    enum lm_status st;

    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    st = lm_store_act(store, &act, now_ms, &done, err);
    json_decref(fields);
    return st;
}

enum lm_status lm_period_apply(struct lm_store *store, const char *user, const char *id,
                               int64_t now_ms, size_t *n_out, struct lm_error *err)
{
    static struct work w; /* the writer's thread alone */
    const struct lm_catalog *catalog = lm_store_catalog(store);
    const struct lm_where verified = {.field = "state", .value = "verified"};
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status st;

    *n_out = 0;
    memset(&w, 0, sizeof w);
    w.id = id;
    lm_arena_init(&arena, ARENA_BYTES);
    st = lm_store_get(store, &arena, "period_lock", id, &rec);
    if (st == LM_OK) {
        span_of(rec, &w.span);
        w.lock =
            strcmp(lm_record_text(rec, LM_C_STATE), "verified") == 0 && !lm_record_deleted(rec);
        st = lm_store_list(store, NULL, "period_lock", NULL, &verified, 1, add_lock, &w, err);
    }
    for (size_t i = 0; st == LM_OK && w.n < LM_PERIOD_BATCH && i < catalog->n_types; i++) {
        const struct lm_type *type = &catalog->types[i];
        const struct lm_where where = {.field = "state", .value = w.lock ? "verified" : "locked"};

        if (!lm_type_transition(type, "verified", "locked", LM_BY_SYSTEM) ||
            type->reporting_date < 0) {
            continue;
        }
        w.date = type->reporting_date;
        st = lm_store_list(store, NULL, type->name, NULL, &where, 1, take, &w, err);
    }
    for (size_t i = 0; st == LM_OK && i < w.n; i++) {
        st = set_state(store, user, w.ids[i], w.lock ? "locked" : "verified", now_ms, err);
    }
    *n_out = w.n;
    lm_arena_free(&arena);
    return st;
}
