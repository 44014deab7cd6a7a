/* The history of a record: what this PC did to it, from the outbox, and what the hub told of what
 * others did (HISTORY), when a person wanted to know. The latter is a copy, never more: it may be
 * forgotten at any time. */
#include "node/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *op_name(enum lm_op op)
{
    switch (op) {
    case LM_OP_CREATE:
        return "create";
    case LM_OP_EDIT:
        return "edit";
    case LM_OP_DELETE:
        return "delete";
    case LM_OP_UNDELETE:
        return "undelete";
    }
    return "?";
}

void ns_set_time(json_t *row, const char *key, int64_t ms)
{
    char text[LM_TIME_TEXT + 8];

    lm_time_format(ms, text);
    (void)json_object_set_new(row, key, json_string(text));
}

json_t *ns_fields_json(const struct lm_type *type, const struct lm_value *fields)
{
    json_t *out = json_object();

    for (uint32_t i = 0; fields->kind == LM_MAP && i < fields->len; i++) {
        const struct lm_pair *pair = &fields->pairs[i];
        const struct lm_field *field = type ? lm_type_fieldn(type, pair->key, pair->key_len) : NULL;
        json_t *value = field && !lm_value_is_null(&pair->value)
                            ? lm_field_to_json(field, &pair->value)
                            : lm_value_to_json(&pair->value);

        (void)json_object_set_new(out, pair->key, value);
    }
    return out;
}

/* As text: beyond what a reader with doubles for numbers can hold. */
static json_t *number_text(uint64_t u)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, u);
    return json_string(text);
}

/* Of each field that an edit sets: the HLC of the change that had set it when its author saw it. */
static json_t *bases_json(const struct lm_type *type, const struct lm_change *change)
{
    json_t *out = json_object();

    for (uint32_t i = 0; type && change->fields.kind == LM_MAP && i < change->fields.len; i++) {
        const struct lm_pair *pair = &change->fields.pairs[i];
        const struct lm_field *field = lm_type_fieldn(type, pair->key, pair->key_len);

        if (field) {
            (void)json_object_set_new(
                out, field->name,
                number_text(lm_change_base(change, type->groups[field->group].name).hlc));
        }
    }
    return out;
}

static void put_fields(struct lm_nstore *s, json_t *row, const struct lm_change *change)
{
    const struct lm_type *type = lm_catalog_type(s->catalog, change->type);

    (void)json_object_set_new(row, "fields", ns_fields_json(type, &change->fields));
    if (change->op == LM_OP_EDIT) {
        (void)json_object_set_new(row, "bases", bases_json(type, change));
    }
}

static json_t *history_row(struct lm_nstore *s, sqlite3_stmt *q, const struct lm_me *me,
                           struct lm_arena *arena)
{
    struct lm_change change;
    struct lm_error err = {0};
    uint64_t branch = ns_column_u64(q, 0), seq = ns_column_u64(q, 1);
    json_t *row = json_pack("{s:I,s:I}", "branch", (json_int_t)branch, "seq", (json_int_t)seq);

    if (!row || lm_change_read(sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3), arena,
                               &change, &err) != LM_OK) {
        return row;
    }
    (void)json_object_set_new(row, "hlc", number_text(change.hlc));
    ns_set_time(row, "at",
                lm_hlc_ms(change.hlc) + change.wall_delta_ms +
                    (change.offset_known ? change.offset_ms : 0));
    (void)json_object_set_new(row, "user", json_string(change.user));
    (void)json_object_set_new(row, "op", json_string(op_name(change.op)));
    put_fields(s, row, &change);
    (void)json_object_set_new(row, "acked",
                              json_boolean(branch < me->branch || seq <= me->acked.seq));
    if (sqlite3_column_type(q, 4) != SQLITE_NULL) {
        static const char *const names[] = {"code", "field", "text", "text_en"};

        (void)json_object_set_new(
            row, "verdict",
            json_string(lm_verdict_name((enum lm_verdict)sqlite3_column_int(q, 4))));
        for (int i = 0; i < 4; i++) {
            (void)json_object_set_new(row, names[i],
                                      json_string((const char *)sqlite3_column_text(q, 5 + i)));
        }
        (void)json_object_set_new(row, "open", json_boolean(sqlite3_column_int(q, 9) != 0));
    }
    return row;
}

static enum lm_status own_rows(struct lm_nstore *store, const char *id, json_t *rows,
                               struct lm_error *err)
{
    sqlite3_stmt *q;
    struct lm_arena arena;
    struct lm_me me;
    enum lm_status st = lm_nstore_me(store, &me, err);

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    if (st == LM_OK) {
        q = ns_stmt(store, NS_OUT_HISTORY);
        ns_bind_text(q, 1, id);
        while ((st = ns_row(store, q, "read the history", err)) == LM_OK) {
            lm_arena_reset(&arena);
            (void)json_array_append_new(rows, history_row(store, q, &me, &arena));
        }
    }
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* ---- what the hub told ---- */

static json_t *past_row(struct lm_nstore *s, sqlite3_stmt *q, struct lm_arena *arena)
{
    static const char *const names[] = {"code", "text", "text_en"};
    struct lm_change change;
    struct lm_error err = {0};
    json_t *row = json_pack("{s:I,s:b}", "position", (json_int_t)ns_column_u64(q, 0), "hub", 1);

    if (!row) {
        return NULL;
    }
    if (ns_column_u64(q, 1) > 0) {
        (void)json_object_set_new(row, "of", json_integer((json_int_t)ns_column_u64(q, 1)));
    }
    (void)json_object_set_new(row, "replica", number_text(ns_column_u64(q, 2)));
    (void)json_object_set_new(row, "hlc", number_text(ns_column_u64(q, 3)));
    (void)json_object_set_new(row, "station", json_string((const char *)sqlite3_column_text(q, 4)));
    (void)json_object_set_new(row, "user", json_string((const char *)sqlite3_column_text(q, 5)));
    (void)json_object_set_new(row, "op", json_string((const char *)sqlite3_column_text(q, 6)));
    ns_set_time(row, "at", sqlite3_column_int64(q, 7));
    (void)json_object_set_new(
        row, "verdict", json_string(lm_verdict_name((enum lm_verdict)sqlite3_column_int(q, 8))));
    for (int i = 0; i < 3; i++) {
        (void)json_object_set_new(row, names[i],
                                  json_string((const char *)sqlite3_column_text(q, 9 + i)));
    }
    if (sqlite3_column_bytes(q, 12) > 0 &&
        lm_change_read(sqlite3_column_blob(q, 12), (size_t)sqlite3_column_bytes(q, 12), arena,
                       &change, &err) == LM_OK) {
        put_fields(s, row, &change);
    }
    return row;
}

static enum lm_status past_rows(struct lm_nstore *s, const char *id, json_t *rows,
                                struct lm_error *err)
{
    struct lm_arena arena;
    sqlite3_stmt *q = ns_stmt(s, NS_PAST_LIST);
    enum lm_status st;

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    ns_bind_text(q, 1, id);
    while ((st = ns_row(s, q, "read the history", err)) == LM_OK) {
        lm_arena_reset(&arena);
        (void)json_array_append_new(rows, past_row(s, q, &arena));
    }
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status ns_past_forget(struct lm_nstore *s, struct lm_error *err)
{
    enum lm_status st = ns_run(s, ns_stmt(s, NS_PAST_FORGET), "forget records' pasts", err);

    return st == LM_OK ? ns_run(s, ns_stmt(s, NS_PAST_FORGET_OF), "forget records' pasts", err)
                       : st;
}

static enum lm_status run_for(struct lm_nstore *s, enum ns_query query, const char *id,
                              struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, query);

    ns_bind_text(q, 1, id);
    return ns_run(s, q, "forget a record's past", err);
}

/* The bound: what was asked for longest ago is forgotten. */
static enum lm_status prune(struct lm_nstore *s, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_PAST_OLDEST);
    char id[40];
    enum lm_status st;

    (void)sqlite3_bind_int(q, 1, LM_NPAST_RECORDS_MAX);
    st = ns_row(s, q, "count records' pasts", err);
    if (st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    ns_column_text(q, 0, id, sizeof id);
    ns_done(q);
    st = run_for(s, NS_PAST_DROP, id, err);
    return st == LM_OK ? run_for(s, NS_PAST_DROP_OF, id, err) : st;
}

enum lm_status lm_nstore_past_want(struct lm_nstore *store, const char *id, int64_t now_ms,
                                   struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        q = ns_stmt(store, NS_PAST_WANT);
        ns_bind_text(q, 1, id);
        (void)sqlite3_bind_int64(q, 2, now_ms);
        st = ns_run(store, q, "ask for a record's past", err);
    }
    if (st == LM_OK) {
        st = prune(store, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_past_next(struct lm_nstore *store, char id_out[40], uint64_t *after_out,
                                   struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_PAST_NEXT);
    enum lm_status st = ns_row(store, q, "read whose past is wanted", err);

    id_out[0] = '\0';
    *after_out = 0;
    if (st == LM_OK) {
        ns_column_text(q, 0, id_out, 40);
        *after_out = ns_column_u64(q, 1);
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_past_wanted(struct lm_nstore *store, size_t max,
                                     bool (*visit)(void *arg, const char *id, uint64_t after),
                                     void *arg, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_PAST_WANTED);
    enum lm_status st;
    bool on = true;

    (void)sqlite3_bind_int64(q, 1, (int64_t)max);
    while (on && (st = ns_row(store, q, "read whose past is wanted", err)) == LM_OK) {
        on = visit(arg, (const char *)sqlite3_column_text(q, 0), ns_column_u64(q, 1));
    }
    ns_done(q);
    return on && st != LM_ERR_NOT_FOUND ? st : LM_OK;
}

static enum lm_status put_entry(struct lm_nstore *s, const char *id, const struct lm_past *e,
                                struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_PAST_PUT);

    ns_bind_text(q, 1, id);
    ns_bind_u64(q, 2, e->position);
    ns_bind_u64(q, 3, e->of);
    ns_bind_u64(q, 4, e->replica);
    ns_bind_u64(q, 5, e->hlc);
    ns_bind_text(q, 6, e->station);
    ns_bind_text(q, 7, e->user);
    ns_bind_text(q, 8, e->op);
    (void)sqlite3_bind_int64(q, 9, e->at_ms);
    (void)sqlite3_bind_int(q, 10, (int)e->verdict);
    ns_bind_text(q, 11, e->code);
    ns_bind_text(q, 12, e->zh);
    ns_bind_text(q, 13, e->en);
    ns_bind_blob(q, 14, e->len > 0 ? (const void *)e->body : "", e->len);
    return ns_run(s, q, "keep a record's past", err);
}

/* In the caller's transaction. */
static enum lm_status store_past(struct lm_nstore *store, const struct lm_msg_past *m,
                                 int64_t contact_ms, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = LM_OK;

    for (size_t i = 0; st == LM_OK && i < m->n; i++) {
        st = put_entry(store, m->id, &m->items[i], err);
    }
    if (st == LM_OK) {
        q = ns_stmt(store, NS_PAST_TOLD);
        ns_bind_text(q, 1, m->id);
        ns_bind_u64(q, 2, m->n > 0 ? m->items[m->n - 1].position : m->after);
        (void)sqlite3_bind_int(q, 3, !m->done);
        (void)sqlite3_bind_int64(q, 4, contact_ms);
        st = ns_run(store, q, "keep a record's past", err);
    }
    return st;
}

enum lm_status lm_nstore_past_store(struct lm_nstore *store, const struct lm_msg_past *m,
                                    int64_t contact_ms, struct lm_error *err)
{
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        st = store_past(store, m, contact_ms, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

/* Positions are of one history of the hub: an answer to a question that stands no more, because the
 * hub went back or the network was faster, would leave a gap. */
enum lm_status lm_nstore_past_answer(struct lm_nstore *store, const struct lm_msg_past *m,
                                     int64_t contact_ms, bool *taken_out, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    *taken_out = false;
    if (st == LM_OK) {
        q = ns_stmt(store, NS_PAST_STATE);
        ns_bind_text(q, 1, m->id);
        st = ns_row(store, q, "look for a record's past", err);
        if (st == LM_OK) {
            *taken_out = sqlite3_column_int(q, 0) != 0 && ns_column_u64(q, 2) == m->after;
            ns_done(q);
        }
        st = st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    if (st == LM_OK && *taken_out) {
        st = store_past(store, m, contact_ms, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    *taken_out = *taken_out && st == LM_OK;
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_past_state(struct lm_nstore *store, const char *id, bool *wanted,
                                    int64_t *fetched_ms, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_PAST_STATE);
    enum lm_status st;

    *wanted = false;
    *fetched_ms = 0;
    ns_bind_text(q, 1, id);
    st = ns_row(store, q, "look for a record's past", err);
    if (st == LM_OK) {
        *wanted = sqlite3_column_int(q, 0) != 0;
        *fetched_ms = sqlite3_column_int64(q, 1);
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* ---- all of it ---- */

/* A verdict given again stands behind the change that it is about. */
static int by_hlc(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    const char *tx = json_string_value(json_object_get(x, "hlc"));
    const char *ty = json_string_value(json_object_get(y, "hlc"));
    uint64_t hx = tx ? strtoull(tx, NULL, 10) : 0, hy = ty ? strtoull(ty, NULL, 10) : 0;
    json_int_t px = json_integer_value(json_object_get(x, "position"));
    json_int_t py = json_integer_value(json_object_get(y, "position"));

    return hx != hy ? (hx < hy ? -1 : 1) : px != py ? (px < py ? -1 : 1) : 0;
}

enum lm_status lm_nstore_history(struct lm_nstore *store, const char *id,
                                 void (*print)(void *arg, json_t *row), void *arg, size_t *n_out,
                                 struct lm_error *err)
{
    json_t *rows = json_array();
    size_t n = 0;
    json_t **order = NULL;
    enum lm_status st = rows ? own_rows(store, id, rows, err) : LM_ERR_MEMORY;

    if (st == LM_OK) {
        st = past_rows(store, id, rows, err);
    }
    n = json_array_size(rows);
    order = st == LM_OK ? calloc(n + 1, sizeof(json_t *)) : NULL;
    if (st == LM_OK && !order) {
        st = LM_ERR_MEMORY;
    }
    for (size_t i = 0; st == LM_OK && i < n; i++) {
        order[i] = json_array_get(rows, i);
    }
    if (st == LM_OK) {
        qsort(order, n, sizeof *order, by_hlc);
    }
    for (size_t i = 0; st == LM_OK && i < n; i++) {
        print(arg, order[i]);
    }
    free(order);
    json_decref(rows);
    if (n_out) {
        *n_out = n;
    }
    return st == LM_ERR_MEMORY && !err->code[0]
               ? lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.")
               : st;
}
