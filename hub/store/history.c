/* What became of one record: the journal's entries about it, as rows for people and as HISTORY for
 * a station that took it over. Also what such rows are made of. */
#include "hub/store/store_internal.h"

#include "proto/prescan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ARENA_MAX = 32 * 1024 * 1024 };

void lm_row_text(json_t *row, const char *name, const char *text)
{
    (void)json_object_set_new(row, name, json_string(text));
}

void lm_row_time(json_t *row, const char *name, int64_t ms)
{
    char text[LM_TIME_TEXT + 8];

    lm_time_format(ms, text);
    lm_row_text(row, name, text);
}

void lm_row_number(json_t *row, const char *name, uint64_t number)
{
    (void)json_object_set_new(row, name, json_integer((json_int_t)number));
}

/* Replica numbers have 63 bits: as text, because readers of JSON take numbers for doubles. */
static void row_replica(json_t *row, const char *name, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    lm_row_text(row, name, text);
}

/* {field: value} of a change, decimals scaled as the catalogue says; fields not known here as they
 * are. */
json_t *lm_row_fields(const struct lm_type *type, const struct lm_value *fields)
{
    json_t *out = json_object();

    for (uint32_t i = 0; out && fields->kind == LM_MAP && i < fields->len; i++) {
        const struct lm_pair *pair = &fields->pairs[i];
        const struct lm_field *field = type ? lm_type_fieldn(type, pair->key, pair->key_len) : NULL;

        (void)json_object_setn_new(out, pair->key, pair->key_len,
                                   field ? lm_field_to_json(field, &pair->value)
                                         : lm_value_to_json(&pair->value));
    }
    return out;
}

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
    return "";
}

/* When the author made it, by the hub's clock as far as it is known. */
int64_t lm_jentry_made_ms(const struct lm_jentry *e, const struct lm_change *change)
{
    int64_t at = lm_hlc_ms(change->hlc) + change->wall_delta_ms + e->offset_ms;

    return at < e->received_ms ? at : e->received_ms;
}

static const char *later_name(enum lm_later what)
{
    return what == LM_LATER_RELEASE  ? "release"
           : what == LM_LATER_REFUSE ? "refuse"
           : what == LM_LATER_SETTLE ? "settle"
                                     : "again";
}

/* ---- history ---- */

static json_t *history_row(struct lm_store *store, const struct lm_jentry *e,
                           struct lm_arena *arena)
{
    json_t *row = json_object();
    struct lm_change change;
    struct lm_error why;
    char waits_for[96];

    if (!row) {
        return NULL;
    }
    lm_row_number(row, "position", e->pos);
    row_replica(row, "replica", e->replica);
    lm_row_text(row, "station", e->station);
    lm_row_number(row, "branch", e->branch);
    if (e->branch >= LM_SALVAGE_BRANCH) {
        (void)json_object_set_new(row, "salvaged", json_true());
    }
    lm_row_number(row, "seq", e->seq);
    row_replica(row, "hlc", e->hlc);
    lm_row_time(row, "received_at", e->received_ms);
    if (e->kind == LM_J_CHANGE &&
        lm_change_read(e->body, e->body_len, arena, &change, NULL) == LM_OK) {
        lm_row_time(row, "at", lm_jentry_made_ms(e, &change));
        /* The author's clock as it stood, and what it was off by as far as was known. */
        lm_row_time(row, "clock_at", lm_hlc_ms(change.hlc) + change.wall_delta_ms);
        (void)json_object_set_new(row, "clock_offset_ms", json_integer(e->offset_ms));
        lm_row_text(row, "user", change.user);
        lm_row_text(row, "op", op_name(change.op));
        (void)json_object_set_new(
            row, "fields",
            lm_row_fields(lm_catalog_type(store->catalog, change.type), &change.fields));
    } else if (e->kind == LM_J_LATER) {
        enum lm_later what;
        uint64_t pos;
        const char *user, *a, *b;

        lm_row_time(row, "at", e->received_ms);
        if (lm_later_read(e, arena, &what, &pos, &user, &a, &b)) {
            lm_row_text(row, "user", user);
            lm_row_text(row, "op", later_name(what));
            lm_row_number(row, "of", pos);
        }
        (void)json_object_set_new(row, "fields", json_object());
    }
    lm_reason_read(e->reason, &why, waits_for);
    lm_row_text(row, "verdict", lm_verdict_name(e->verdict));
    lm_row_text(row, "code", e->code);
    lm_row_text(row, "text", why.zh);
    lm_row_text(row, "text_en", why.en);
    row_replica(row, "rank", e->rank);
    return row;
}

enum lm_status lm_store_history(struct lm_store *store, const char *id, lm_row_visit visit,
                                void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_arena arena;
    bool more = true, any = false;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_JOURNAL_OF], &stmt, err);

    lm_arena_init(&arena, ROW_ARENA_MAX);
    if (status == LM_OK) {
        lm_bind_id(stmt, 1, id);
    }
    while (status == LM_OK && more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct lm_jentry e;

        lm_arena_reset(&arena);
        status = lm_journal_row(stmt, &arena, &e);
        json_t *row = status == LM_OK ? history_row(store, &e, &arena) : NULL;
        if (status == LM_OK && !row) {
            status = LM_ERR_MEMORY;
        }
        any = true;
        more = row && visit(arg, row);
        json_decref(row);
    }
    lm_arena_free(&arena);
    (void)sqlite3_finalize(stmt);
    status = status == LM_ERR_NOT_FOUND ? LM_OK : status;
    return status == LM_OK && !any ? lm_fail(err, LM_ERR_NOT_FOUND, "no_such_record", "id",
                                             "没有这条记录", "There is no such record")
                                   : status;
}

/* ---- HISTORY ---- */

/* What an entry takes besides its texts and its body, at most. */
enum { ENTRY_BYTES = 96 };

static bool to_past(const struct lm_jentry *e, struct lm_arena *arena, struct lm_past *out)
{
    struct lm_change change;
    struct lm_error why;
    char waits_for[96];

    *out = (struct lm_past){.position = e->pos,
                            .replica = e->replica,
                            .hlc = e->hlc,
                            .station = e->station,
                            .user = "",
                            .op = "",
                            .at_ms = e->received_ms,
                            .verdict = e->verdict,
                            .code = e->code};
    if (e->kind == LM_J_LATER) {
        enum lm_later what;
        const char *a, *b;

        if (!lm_later_read(e, arena, &what, &out->of, &out->user, &a, &b)) {
            return false;
        }
        out->op = later_name(what);
    } else {
        if (e->kind != LM_J_CHANGE ||
            lm_change_read(e->body, e->body_len, arena, &change, NULL) != LM_OK) {
            return false; /* a change that nobody can read was refused; its author knows */
        }
        out->at_ms = lm_jentry_made_ms(e, &change);
        out->user = change.user;
        out->op = op_name(change.op);
        out->body = e->body;
        out->len = e->body_len;
    }
    lm_reason_read(e->reason, &why, waits_for);
    out->zh = lm_arena_text(arena, why.zh, strlen(why.zh));
    out->en = lm_arena_text(arena, why.en, strlen(why.en));
    return out->zh && out->en;
}

static enum lm_status sees(struct lm_store *store, const char *station, const char *id,
                           struct lm_arena *arena, bool *out)
{
    const char *name = lm_store_type_of(store, id);
    const struct lm_type *type = name ? lm_catalog_type(store->catalog, name) : NULL;
    struct lm_record *rec = NULL;
    enum lm_status status = LM_ERR_NOT_FOUND;

    if (type) {
        status = lm_tables_get(store->tables, arena, type, id, &rec);
    }
    *out = status == LM_OK && rec && lm_in_scope(rec, station);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status read_past(struct lm_store *store, const struct lm_msg_past_ask *ask,
                                struct lm_arena *arena, struct lm_msg_past *out,
                                struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    size_t bytes = 0;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_JOURNAL_OF], &stmt, err);

    out->done = false;
    if (status == LM_OK) {
        lm_bind_id(stmt, 1, ask->id);
    }
    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct lm_past *p = &out->items[out->n];
        struct lm_jentry e;

        if ((uint64_t)sqlite3_column_int64(stmt, 0) <= ask->after) {
            continue;
        }
        if (out->n == LM_HISTORY_MAX) {
            break;
        }
        status = lm_journal_row(stmt, arena, &e);
        if (status != LM_OK || !to_past(&e, arena, p)) {
            continue;
        }
        bytes += ENTRY_BYTES + p->len + strlen(p->user) + strlen(p->zh) + strlen(p->en);
        if (bytes > ask->max_bytes && out->n > 0) {
            break;
        }
        out->n++;
    }
    (void)sqlite3_finalize(stmt);
    out->done = status == LM_ERR_NOT_FOUND;
    return out->done ? LM_OK : status;
}

enum lm_status lm_store_past(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_msg_past_ask *ask, struct lm_arena *arena,
                             struct lm_msg_past *out, struct lm_error *err)
{
    bool own = false, visible = false;
    enum lm_status status = lm_read_enter(store, &own, err);

    *out = (struct lm_msg_past){.after = ask->after, .done = true};
    memcpy(out->id, ask->id, sizeof out->id);
    if (status == LM_OK) {
        status = sees(store, replica->station, ask->id, arena, &visible);
    }
    if (status == LM_OK && visible) {
        out->items = lm_arena_alloc(arena, (LM_HISTORY_MAX + 1) * sizeof *out->items);
        status = out->items ? read_past(store, ask, arena, out, err) : LM_ERR_MEMORY;
    }
    lm_read_leave(store, own);
    return status;
}
