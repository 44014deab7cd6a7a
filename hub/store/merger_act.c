/* Merging two villages (mergers.c) as one act of an administrator: whether it may be, what it would
 * do, and doing it. The preview does all of it inside the caller's transaction, which is then taken
 * back: every rule has its say. */
#include "hub/store/merger_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_CHARS_MAX = 200 };

/* ---- whether it may be ---- */

static enum lm_status check_day(const struct lm_merge_villages *a, int64_t now_ms,
                                struct lm_error *err)
{
    char today[16];
    int64_t day;

    lm_date_format(lm_day_utc8(now_ms), today);
    if (!lm_date_parse(a->on, strlen(a->on), &day)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_date", "on", "撤并日期应写成 2026-01-31 这样",
                       "The day of the merger is written like 2026-01-31");
    }
    if (strcmp(a->on, today) > 0) {
        return lm_fail(err, LM_ERR_INVALID, "future_date", "on",
                       "撤并日期还没到，请到那天以后再登记",
                       "The day of the merger is still to come: enter it then");
    }
    return LM_OK;
}

static enum lm_status check(struct lm_store *store, const struct lm_merge_villages *a,
                            int64_t now_ms, struct lm_station *from, struct lm_station *into,
                            struct lm_error *err)
{
    struct lm_merger *all = calloc(LM_MERGERS_MAX, sizeof *all);
    const struct lm_merger *m;
    size_t n = 0;
    enum lm_status status =
        all ? lm_store_mergers(store, all, LM_MERGERS_MAX, &n, err) : LM_ERR_MEMORY;

    if (status != LM_OK) {
        free(all);
        return status;
    }
    if (!lm_is_village(store, a->code, from)) {
        status = lm_fail(err, LM_ERR_NOT_FOUND, "no_station", "code", "没有登记这个村：%.40s",
                         "No such village: %.40s", a->code);
    } else if (!lm_is_village(store, a->into, into)) {
        status = lm_fail(err, LM_ERR_INVALID, "no_station", "into", "没有登记并入的村：%.40s",
                         "No such village to merge into: %.40s", a->into);
    } else if (strcmp(a->code, a->into) == 0) {
        status = lm_fail(err, LM_ERR_INVALID, "same_village", "into", "不能并入自己",
                         "A village cannot be merged into itself");
    } else if ((m = lm_merger_find(all, n, a->code)) != NULL) {
        status = lm_fail(err, LM_ERR_EXISTS, "merged", "code", "%s已于 %s 撤并，不能再登记一次",
                         "%s was merged on %s already", from->name, m->on);
    } else if ((m = lm_merger_find(all, n, a->into)) != NULL) {
        status = lm_fail(err, LM_ERR_INVALID, "merged", "into", "%s已于 %s 撤并，请选它并入的村",
                         "%s was itself merged on %s", into->name, m->on);
    } else if (n == LM_MERGERS_MAX) {
        status = lm_fail(err, LM_ERR_LIMIT, "too_many", "code", "登记的撤并太多",
                         "Too many mergers are recorded");
    }
    free(all);
    return status == LM_OK ? check_day(a, now_ms, err) : status;
}

static enum lm_status check_reason(const char *reason, struct lm_error *err)
{
    size_t chars = 0;

    if (!reason || reason[strspn(reason, " \t")] == '\0') {
        return lm_fail(err, LM_ERR_INVALID, "required", "reason", "请写明依据，例如批复文号",
                       "Say by what it was decided, e.g. the document's number");
    }
    return lm_utf8_valid(reason, strlen(reason), &chars) && chars <= REASON_CHARS_MAX &&
                   !lm_utf8_has_control(reason, strlen(reason))
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "reason", "依据最多 %d 个字，不能换行",
                         "The reason takes at most %d characters in one line", REASON_CHARS_MAX);
}

static bool take_unit_id(void *arg, const struct lm_record *rec)
{
    char *id = arg;

    if (lm_text_of(rec, "valid_to")[0]) {
        return true;
    }
    (void)snprintf(id, 40, "%s", rec->id);
    return false;
}

/* A's row of the area ends. Stricter than what follows: this one must not be left. */
static enum lm_status end_area(struct lm_moving *m, const struct lm_merge_villages *a)
{
    const struct lm_type *type = lm_catalog_type(m->store->catalog, "area_unit");
    const struct lm_where at = {.field = "code", .value = m->code};
    char id[40] = "";
    json_t *fields = json_pack("{s:s,s:s,s:s}", "valid_to", a->on, "end_kind", "merged",
                               "successor_code", a->into);
    const struct lm_act act = {
        .user = m->user, .id = id, .fields = fields, .op = LM_OP_EDIT, .merging = true};
    struct lm_act_result out;
    enum lm_status status =
        lm_tables_list(m->store->tables, NULL, type, NULL, &at, 1, false, take_unit_id, id, m->err);

    if (status == LM_OK && !id[0]) {
        status = lm_fail(m->err, LM_ERR_NOT_FOUND, "no_area", "code", "没有这个村在用的区划记录",
                         "The village has no area row in force");
    }
    if (status == LM_OK) {
        status = fields ? lm_store_act(m->store, &act, m->now_ms, &out, m->err) : LM_ERR_MEMORY;
    }
    json_decref(fields);
    return status;
}

/* ---- what a person should know before ---- */

static bool count_row(void *arg, const json_t *row)
{
    (void)row;
    ++*(json_int_t *)arg;
    return true;
}

struct held_rows {
    const char *station;
    json_int_t n;
};

static bool count_held(void *arg, const json_t *row)
{
    struct held_rows *h = arg;
    const char *station = json_string_value(json_object_get(row, "station"));

    h->n += station && strcmp(station, h->station) == 0;
    return true;
}

struct pcs {
    json_int_t n, pending;
    int64_t last_ms;
};

static bool take_pc(void *arg, const struct lm_replica *r)
{
    struct pcs *p = arg;

    if (r->revoked_ms == 0) {
        p->n++;
        p->pending += r->head.seq > r->acked.seq ? (json_int_t)(r->head.seq - r->acked.seq) : 0;
        p->last_ms = r->last_contact_ms > p->last_ms ? r->last_contact_ms : p->last_ms;
    }
    return true;
}

static enum lm_status add_waiting(struct lm_moving *m, json_t *doc)
{
    struct pcs pcs = {0};
    struct held_rows held = {.station = m->code};
    json_int_t returned = 0;
    char last[LM_TIME_TEXT + 8];
    enum lm_status status = lm_store_replicas(m->store, m->code, take_pc, &pcs, m->err);

    if (status == LM_OK) {
        status = lm_store_held(m->store, count_held, &held, m->err);
    }
    if (status == LM_OK) {
        status = lm_store_returned(m->store, m->code, count_row, &returned, m->err);
    }
    if (status != LM_OK) {
        return status;
    }
    lm_time_format(pcs.last_ms, last);
    return json_object_set_new(doc, "waits",
                               json_pack("{s:I,s:I,s:o,s:I,s:I}", "pcs", pcs.n, "pending",
                                         pcs.pending, "last_contact",
                                         pcs.last_ms ? json_string(last) : json_null(), "held",
                                         held.n, "returned", returned)) == 0
               ? LM_OK
               : LM_ERR_MEMORY;
}

static bool count_rec(void *arg, const struct lm_record *rec)
{
    (void)rec;
    ++*(json_int_t *)arg;
    return true;
}

/* Before anything moves: all rows of the village. */
static enum lm_status count_all(struct lm_moving *m, json_int_t *out)
{
    enum lm_status status = LM_OK;

    *out = 0;
    for (size_t t = 0; t < m->store->catalog->n_types && status == LM_OK; t++) {
        const struct lm_type *type = &m->store->catalog->types[t];

        if (type->feed == LM_FEED_OWN && strcmp(type->name, "station") != 0 &&
            strcmp(type->name, "station_account") != 0 && strcmp(type->name, "attachment") != 0) {
            status = lm_tables_list(m->store->tables, NULL, type, m->code, NULL, 0, false,
                                    count_rec, out, m->err);
        }
    }
    return status;
}

/* How many of them stay the old village's: what has taken place there. */
static enum lm_status add_staying(const struct lm_moving *m, json_int_t all, json_t *doc)
{
    json_int_t moving = 0;
    size_t i;
    json_t *row;

    json_array_foreach(m->types, i, row)
    {
        moving += json_integer_value(json_object_get(row, "n"));
    }
    return json_object_set_new(doc, "stays", json_integer(all - moving)) == 0 ? LM_OK
                                                                              : LM_ERR_MEMORY;
}

static json_t *answer(const struct lm_moving *m, const struct lm_station *from,
                      const struct lm_station *into)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:I,s:I,s:O,s:I,s:O,s:I}", "code", m->code, "name",
                     from->name, "into", m->into, "into_name", into->name, "on", m->on, "moves",
                     m->types, "posts", (json_int_t)m->posts, "renumbered",
                     (json_int_t)m->households, "left", m->left, "left_n", (json_int_t)m->n_left,
                     "kept", m->kept, "kept_n", (json_int_t)m->n_kept);
}

static enum lm_status begin(struct lm_moving *m, struct lm_store *store,
                            const struct lm_merge_villages *a, int64_t now_ms,
                            struct lm_station *from, struct lm_station *into, struct lm_error *err)
{
    enum lm_status status = check(store, a, now_ms, from, into, err);

    *m = (struct lm_moving){
        .store = store, .user = a->user ? a->user : "", .now_ms = now_ms, .err = err};
    if (status == LM_OK) {
        (void)snprintf(m->code, sizeof m->code, "%s", from->code);
        (void)snprintf(m->into, sizeof m->into, "%s", into->code);
        (void)snprintf(m->on, sizeof m->on, "%.10s", a->on);
        status = lm_moving_begin(m);
    }
    return status;
}

enum lm_status lm_store_merge_villages_preview(struct lm_store *store,
                                               const struct lm_merge_villages *a, int64_t now_ms,
                                               json_t **out, struct lm_error *err)
{
    struct lm_station from, into;
    struct lm_moving m;
    json_t *waits = json_object(), *doc = NULL;
    json_int_t all = 0;
    enum lm_status status = begin(&m, store, a, now_ms, &from, &into, err);

    *out = NULL;
    if (status == LM_OK) {
        status = waits ? add_waiting(&m, waits) : LM_ERR_MEMORY;
    }
    if (status == LM_OK) {
        status = count_all(&m, &all);
    }
    if (status == LM_OK) {
        status = end_area(&m, a);
    }
    if (status == LM_OK) {
        status = lm_move_all(&m);
    }
    if (status == LM_OK) {
        doc = answer(&m, &from, &into);
        status =
            doc && json_object_update(doc, waits) == 0 ? add_staying(&m, all, doc) : LM_ERR_MEMORY;
    }
    if (status == LM_OK) {
        *out = json_incref(doc);
    }
    json_decref(doc);
    json_decref(waits);
    lm_moving_free(&m);
    return status;
}

/* What would not move stops all of it: who merges sees to that first. */
static enum lm_status not_left(const struct lm_moving *m)
{
    const json_t *first = json_array_get(m->left, 0);
    const char *type = json_string_value(json_object_get(first, "type")),
               *id = json_string_value(json_object_get(first, "id")),
               *zh = json_string_value(json_object_get(first, "text")),
               *en = json_string_value(json_object_get(first, "text_en"));
    const struct lm_type *of = type ? lm_catalog_type(m->store->catalog, type) : NULL;
    char say_zh[256], say_en[256];

    if (m->n_left == 0) {
        return LM_OK;
    }
    (void)snprintf(say_zh, sizeof say_zh, "有 %zu 条记录不能转过去，请先处理，例如%s %s：%.100s",
                   m->n_left, of ? of->zh : "", id ? id : "", zh ? zh : "");
    (void)snprintf(say_en, sizeof say_en,
                   "%zu rows can't be moved, see to them first, e.g. %s %s: %.100s", m->n_left,
                   type ? type : "", id ? id : "", en ? en : "");
    return lm_fail(m->err, LM_ERR_INVALID, "not_moved", "code", "%s%.0s", "%.0s%s", say_zh, say_en);
}

enum lm_status lm_store_merge_villages(struct lm_store *store, const struct lm_merge_villages *a,
                                       int64_t now_ms, json_t **out, struct lm_error *err)
{
    struct lm_station from, into;
    struct lm_moving m;
    struct lm_jentry entry = {.received_ms = now_ms, .by = LM_BY_TOWN};
    char what[64];
    enum lm_status status = begin(&m, store, a, now_ms, &from, &into, err);

    *out = NULL;
    if (status == LM_OK) {
        status = check_reason(a->reason, err);
    }
    if (status == LM_OK) {
        (void)snprintf(what, sizeof what, "%.12s %.12s %.10s", m.code, m.into, m.on);
        status = lm_journal_later(store, &entry, LM_LATER_MERGED, 0, m.user, what, a->reason, err);
    }
    if (status == LM_OK) {
        status = end_area(&m, a);
    }
    if (status == LM_OK) {
        status = lm_move_all(&m);
    }
    if (status == LM_OK) {
        status = not_left(&m);
    }
    if (status == LM_OK) {
        *out = answer(&m, &from, &into);
        status = *out ? LM_OK : LM_ERR_MEMORY;
    }
    lm_moving_free(&m);
    return status;
}
