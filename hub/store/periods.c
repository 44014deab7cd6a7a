/* Locked reporting periods (报告期锁定). A lock is a period_lock in state "verified"; what is
 * verified and dated inside one is "locked" by the program, and "verified" again when the last lock
 * over its day was opened. Submitted rows stay out of it until they are verified. What comes into a
 * locked period later (a new record, one that was sent back, another date) would change figures
 * that were reported: the town's staff are refused it, a village's change waits among the held ones
 * until the lock is opened or a person releases or refuses it. A correction (correction_of) is
 * neither.
 *
 * All of it follows from what was stored, whoever did it and by whatever way: what a transaction
 * stores is noted, and settled before its COMMIT, as changes of the program in the journal (a
 * replay finds them there and decides nothing anew). A lock over more records than one commit may
 * take notes the rest in meta "period_work", in the same commit; the hub goes on with it at its
 * next start and with every tick. Only the writer's thread comes here, but for lm_period_enters. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"
#include "proto/period.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTED_MAX = 65536,          /* records to look at in one transaction; beyond it, their days */
    COMMIT_MAX = 1000,          /* records that one commit takes along for a lock */
    TRIES_MAX = 2 * COMMIT_MAX, /* those that cannot follow it among them */
    WORK_TEXT = LM_PERIOD_SPANS_MAX * 24 + 1,
    PERIODS_ARENA_MAX = 4 * 1024 * 1024,
};

static const char work_name[] = "period_work";

/* ---- locks ---- */

/* The lock over a day. LM_ERR_NOT_FOUND: none. */
static enum lm_status lock_over(struct lm_store *store, const char *day, struct lm_period *out,
                                struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (!lm_catalog_type(store->catalog, "period_lock")) {
        return LM_ERR_NOT_FOUND;
    }
    stmt = lm_query(store, LM_Q_PERIOD_OVER, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, day);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, out->id, sizeof out->id);
        lm_column_copy(stmt, 1, out->from, sizeof out->from);
        lm_column_copy(stmt, 2, out->to, sizeof out->to);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_period_enters(struct lm_store *store, const struct lm_record *before,
                                const struct lm_record *after, struct lm_period *out, bool *enters,
                                struct lm_error *err)
{
    char was[16], day[16];
    struct lm_period other;
    enum lm_status status;

    *enters = false;
    if (!lm_period_takes(after->type) || !lm_period_speaks(after) || !lm_period_day(after, day)) {
        return LM_OK;
    }
    if (before && lm_period_speaks(before) && lm_period_day(before, was)) {
        if (strcmp(was, day) == 0) {
            return LM_OK;
        }
        status = lock_over(store, was, &other, err);
        if (status != LM_ERR_NOT_FOUND) {
            return status; /* it was in one before */
        }
    }
    status = lock_over(store, day, out, err);
    *enters = status == LM_OK;
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- what is to be looked at ---- */

static bool is_lock(const struct lm_record *rec)
{
    return rec && strcmp(lm_record_text(rec, LM_C_STATE), "verified") == 0 && !rec->invalid &&
           !lm_record_deleted(rec);
}

static void span_of(const struct lm_record *rec, struct lm_span *out)
{
    (void)snprintf(out->from, sizeof out->from, "%.10s", lm_text_of(rec, "from_on"));
    (void)snprintf(out->to, sizeof out->to, "%.10s", lm_text_of(rec, "to_on"));
}

/* One too many becomes one with the last: what lies between is looked at in vain. */
static void add_span(struct lm_span *list, size_t *n, const struct lm_span *span)
{
    struct lm_span *last;

    for (size_t i = 0; i < *n; i++) {
        if (strcmp(list[i].from, span->from) == 0 && strcmp(list[i].to, span->to) == 0) {
            return;
        }
    }
    if (*n < LM_PERIOD_SPANS_MAX) {
        list[(*n)++] = *span;
        return;
    }
    last = &list[*n - 1];
    if (strcmp(span->from, last->from) < 0) {
        memcpy(last->from, span->from, sizeof last->from);
    }
    if (strcmp(span->to, last->to) > 0) {
        memcpy(last->to, span->to, sizeof last->to);
    }
}

static enum lm_status note_record(struct lm_store *store, const struct lm_record *rec)
{
    struct lm_period period;
    struct lm_span span;
    char day[16];
    enum lm_status status;

    if (!lm_period_takes(rec->type) || rec->invalid || lm_record_deleted(rec) ||
        strcmp(lm_record_text(rec, LM_C_STATE), "verified") != 0 || !lm_period_day(rec, day)) {
        return LM_OK;
    }
    status = lock_over(store, day, &period, NULL);
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    if (store->n_locking == NOTED_MAX) {
        (void)snprintf(span.from, sizeof span.from, "%.10s", day);
        (void)snprintf(span.to, sizeof span.to, "%.10s", day);
        add_span(store->spans, &store->n_spans, &span);
        return LM_OK;
    }
    if (store->n_locking == store->size_locking) {
        size_t size = store->size_locking ? 2 * store->size_locking : 64;
        void *grown = realloc(store->locking, size * sizeof *store->locking);

        if (!grown) {
            return LM_ERR_MEMORY;
        }
        store->locking = grown;
        store->size_locking = size;
    }
    (void)snprintf(store->locking[store->n_locking++], sizeof *store->locking, "%s", rec->id);
    return LM_OK;
}

enum lm_status lm_periods_note(struct lm_store *store, const struct lm_effect *f)
{
    const struct lm_record *rec = f->merge->record, *before = f->before;
    struct lm_span was = {"", ""}, is = {"", ""};
    char key[96];
    enum lm_status status = LM_OK;

    if (!rec || store->replaying) {
        return LM_OK;
    }
    if (strcmp(rec->type->name, "period_lock") != 0) {
        status = note_record(store, rec);
    } else if (is_lock(before) || is_lock(rec)) {
        if (is_lock(before)) {
            span_of(before, &was);
            add_span(store->spans, &store->n_spans, &was);
        }
        if (is_lock(rec)) {
            span_of(rec, &is);
            add_span(store->spans, &store->n_spans, &is);
        }
        if (is_lock(before) && store->state.n_held > 0 && memcmp(&was, &is, sizeof is) != 0) {
            (void)snprintf(key, sizeof key, "period:%s", rec->id); /* what waits for its opening */
            status = lm_redrive_note(store, key);
        }
        (void)snprintf(store->locked_by, sizeof store->locked_by, "%s",
                       f->change && f->change->user ? f->change->user : "");
    } else {
        return LM_OK;
    }
    if (f->entry->received_ms > store->locking_ms) {
        store->locking_ms = f->entry->received_ms;
    }
    return status;
}

void lm_periods_forget(struct lm_store *store)
{
    store->n_locking = store->n_spans = 0;
    store->locking_ms = 0;
    store->locked_by[0] = '\0';
}

/* ---- settled ---- */

static enum lm_status set_state(struct lm_store *store, const char *id, const char *state,
                                int64_t now_ms, struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", state);
    const struct lm_act act = {
        .user = store->locked_by, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = true};
    struct lm_act_result out;
    enum lm_status status = fields ? lm_store_act(store, &act, now_ms, &out, err) : LM_ERR_MEMORY;

    json_decref(fields);
    return status;
}

static enum lm_status lock_record(struct lm_store *store, const char *id, int64_t now_ms,
                                  struct lm_error *err)
{
    const char *name = lm_store_type_of(store, id);
    struct lm_record *rec = NULL;
    struct lm_period period;
    struct lm_error ignored = {0};
    struct lm_arena arena;
    char day[16];
    enum lm_status status;

    lm_arena_init(&arena, PERIODS_ARENA_MAX);
    status = name ? lm_store_get(store, &arena, name, id, &rec) : LM_ERR_NOT_FOUND;
    if (status == LM_OK && !rec->invalid && !lm_record_deleted(rec) && lm_period_day(rec, day) &&
        strcmp(lm_record_text(rec, LM_C_STATE), "verified") == 0) {
        status = lock_over(store, day, &period, err);
        if (status == LM_OK) { /* a rule against it leaves it verified */
            status = set_state(store, id, "locked", now_ms, &ignored);
            status = lm_is_fatal(status) ? status : LM_OK;
        }
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* The ids of records of a type that are in one state and have to be in the other, behind one. */
static enum lm_status select_ids(struct lm_store *store, const struct lm_type *type, bool locks,
                                 const struct lm_span *span, const char *behind, size_t max,
                                 char (*ids)[40], size_t *n_out, struct lm_error *err)
{
    const struct lm_field *date = &type->fields[type->reporting_date];
    char sql[900], day[160];
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status;

    *n_out = 0;
    (void)snprintf(day, sizeof day,
                   date->ftype == LM_F_DATETIME ? "date(r.\"%s\", '+8 hours')" : "r.\"%s\"",
                   date->name);
    (void)snprintf(
        sql, sizeof sql,
        "SELECT r.id FROM \"r_%s\" AS r WHERE r.state = ?1 AND r.deleted_at IS NULL"
        " AND r._invalid = 0 AND r.id > ?5 AND %s BETWEEN ?2 AND ?3 AND %s (SELECT 1"
        " FROM r_period_lock AS p WHERE p.state = 'verified' AND p.deleted_at IS NULL"
        " AND p._invalid = 0 AND %s BETWEEN p.from_on AND p.to_on) ORDER BY r.id LIMIT ?4",
        type->name, day, locks ? "EXISTS" : "NOT EXISTS", day);
    status = lm_db_prepare(store->db, sql, &stmt, err);
    if (status == LM_OK) {
        lm_bind_text(stmt, 1, locks ? "verified" : "locked");
        lm_bind_text(stmt, 2, span->from);
        lm_bind_text(stmt, 3, span->to);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)max);
        lm_bind_text(stmt, 5, behind);
    }
    while (status == LM_OK && *n_out < max && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        lm_column_copy(stmt, 0, ids[(*n_out)++], 40);
    }
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* What one commit may still do. */
struct budget {
    size_t follow, tries;
};

static size_t page_of(const struct budget *b)
{
    return b->follow < b->tries ? b->follow : b->tries;
}

/* A span from where at says, as far as the budget goes. *more: it ended before the span did, and at
 * says where. What a rule keeps from following its lock is passed over: it costs a try, and is not
 * come back to, so that the rest has its turn and the work an end. */
static enum lm_status settle_span(struct lm_store *store, const struct lm_span *span,
                                  int64_t now_ms, struct lm_settle_at *at, struct budget *budget,
                                  bool *more, struct lm_error *err)
{
    char(*ids)[40] = calloc(COMMIT_MAX, sizeof *ids);
    enum lm_status status = ids ? LM_OK : LM_ERR_MEMORY;
    size_t stuck = 0;

    *more = false;
    while (status == LM_OK && at->t < 2 * store->catalog->n_types) {
        const struct lm_type *type = &store->catalog->types[at->t / 2];
        bool locks = at->t % 2 == 0;
        size_t n = 0, max = page_of(budget);

        if (lm_period_takes(type)) {
            if (max == 0) {
                *more = true;
                break;
            }
            status = select_ids(store, type, locks, span, at->id, max, ids, &n, err);
        }
        for (size_t i = 0; status == LM_OK && i < n; i++) {
            struct lm_error ignored = {0};

            status = set_state(store, ids[i], locks ? "locked" : "verified", now_ms, &ignored);
            budget->tries--;
            budget->follow -= status == LM_OK;
            stuck += status != LM_OK;
            status = lm_is_fatal(status) ? status : LM_OK;
            (void)snprintf(at->id, sizeof at->id, "%s", ids[i]);
        }
        if (status == LM_OK && (!lm_period_takes(type) || n < max)) {
            *at = (struct lm_settle_at){.t = at->t + 1};
        }
    }
    if (status == LM_OK && stuck > 0) {
        lm_log(LM_LOG_ERROR, "store", "%zu records of %s to %s cannot follow their period's lock",
               stuck, span->from, span->to);
    }
    if (!*more) {
        *at = (struct lm_settle_at){.t = 0};
    }
    free(ids);
    return status;
}

static void read_work(const char *text, struct lm_span *list, size_t *n)
{
    struct lm_span span;

    for (*n = 0; strlen(text) >= 21 && *n < LM_PERIOD_SPANS_MAX; text += text[21] ? 22 : 21) {
        (void)snprintf(span.from, sizeof span.from, "%.10s", text);
        (void)snprintf(span.to, sizeof span.to, "%.10s", text + 11);
        list[(*n)++] = span;
        if (!text[21]) {
            break;
        }
    }
}

static enum lm_status put_work(struct lm_store *store, const struct lm_span *list, size_t n,
                               struct lm_error *err)
{
    char text[WORK_TEXT] = "";
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", i ? ";" : "", list[i].from,
                               list[i].to);
    }
    return lm_meta_put(store, work_name, text, err);
}

/* Works on the spans, on the first from where at says; what the budget does not reach is left
 * noted. */
static enum lm_status settle_spans(struct lm_store *store, const struct lm_span *spans, size_t n,
                                   int64_t now_ms, struct lm_settle_at *at, bool *more_out,
                                   struct lm_error *err)
{
    struct lm_span left[LM_PERIOD_SPANS_MAX];
    struct budget budget = {.follow = COMMIT_MAX, .tries = TRIES_MAX};
    size_t n_left = 0;
    enum lm_status status = LM_OK;

    for (size_t i = 0; status == LM_OK && i < n; i++) {
        bool more = page_of(&budget) == 0;

        if (!more) {
            status = settle_span(store, &spans[i], now_ms, at, &budget, &more, err);
        }
        if (more) {
            add_span(left, &n_left, &spans[i]);
        }
    }
    *more_out = n_left > 0;
    return status == LM_OK ? put_work(store, left, n_left, err) : status;
}

enum lm_status lm_periods_settle(struct lm_store *store, struct lm_error *err)
{
    struct lm_span spans[LM_PERIOD_SPANS_MAX];
    char text[WORK_TEXT];
    size_t n_ids = store->n_locking, n = 0;
    int64_t now_ms = store->locking_ms;
    struct lm_settle_at at = {.t = 0};
    bool more;
    enum lm_status status = LM_OK;

    if (store->settling_periods || (n_ids == 0 && store->n_spans == 0)) {
        return LM_OK;
    }
    store->settling_periods = true;
    for (size_t i = 0; status == LM_OK && i < n_ids; i++) {
        char id[40];

        (void)snprintf(id, sizeof id, "%s", store->locking[i]); /* the list may move */
        status = lock_record(store, id, now_ms, err);
    }
    if (status == LM_OK && store->n_spans > 0) {
        status = lm_meta_get(store, work_name, text, sizeof text, err);
        read_work(text, spans, &n);
        for (size_t i = 0; i < store->n_spans; i++) {
            add_span(spans, &n, &store->spans[i]);
        }
        /* A lock that changed: those before where the ticks were are looked at again. */
        store->settle_at = at;
        status = status == LM_OK ? settle_spans(store, spans, n, now_ms, &at, &more, err) : status;
    }
    store->settling_periods = false;
    lm_periods_forget(store);
    return status;
}

enum lm_status lm_store_periods_more(struct lm_store *store, int64_t now_ms, bool *more_out,
                                     struct lm_error *err)
{
    struct lm_span spans[LM_PERIOD_SPANS_MAX];
    char text[WORK_TEXT];
    size_t n = 0;
    enum lm_status status = lm_meta_get(store, work_name, text, sizeof text, err);

    *more_out = false;
    read_work(status == LM_OK ? text : "", spans, &n);
    if (status != LM_OK || n == 0 || lm_store_may_write(store, NULL) != LM_OK) {
        return status;
    }
    status = lm_store_begin(store, err);
    if (status == LM_OK) {
        store->settling_periods = true;
        status = settle_spans(store, spans, n, now_ms, &store->settle_at, more_out, err);
        store->settling_periods = false;
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        store->settle_at = (struct lm_settle_at){.t = 0};
        lm_store_rollback(store);
    }
    return status;
}
