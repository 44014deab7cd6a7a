/* What a judged change leaves beside the record itself: feed rows, what was sent back, what waits,
 * conflicts, duplicates.
 *
 * All of it follows from the journal alone. The counts in store->state of open rows spare the
 * look-ups that would find nothing, which is nearly every change's case. */
#include "common/base/break.h"
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scopes ---- */

static bool scope_number(const char *code, int64_t *out)
{
    if (strlen(code) != 12 || strspn(code, "0123456789") != 12) {
        return false;
    }
    *out = strtoll(code, NULL, 10);
    return *out > 0;
}

static void add_scope(struct lm_scopes *scopes, const char *code)
{
    int64_t number;

    if (!scope_number(code, &number)) {
        return;
    }
    for (size_t i = 0; i < scopes->n; i++) {
        if (scopes->code[i] == number) {
            return;
        }
    }
    if (scopes->n < LM_SCOPES_MAX) {
        scopes->code[scopes->n++] = number;
    }
}

void lm_scopes_of(const struct lm_record *rec, struct lm_scopes *out)
{
    switch (rec->type->feed) {
    case LM_FEED_ALL:
        if (out->n < LM_SCOPES_MAX) {
            out->code[out->n++] = 0;
        }
        break;
    case LM_FEED_OWN:
        add_scope(out, lm_record_text(rec, LM_C_VILLAGE_CODE));
        if (lm_is_residency(rec)) {
            add_scope(out, lm_record_text(rec, LM_C_STATION));
            if (!lm_residency_is_open_claim(rec)) { /* what a village guesses is not told around */
                add_scope(out, lm_text_of(rec, "from_village"));
                add_scope(out, lm_text_of(rec, "to_village"));
            }
        }
        break;
    case LM_FEED_HUB:
        break;
    }
}

bool lm_in_scope(const struct lm_record *rec, const char *station)
{
    switch (rec->type->feed) {
    case LM_FEED_ALL:
        return true;
    case LM_FEED_HUB:
        return false;
    case LM_FEED_OWN:
        break;
    }
    return strcmp(lm_record_text(rec, LM_C_VILLAGE_CODE), station) == 0 ||
           (lm_is_residency(rec) && (strcmp(lm_record_text(rec, LM_C_STATION), station) == 0 ||
                                     (!lm_residency_is_open_claim(rec) &&
                                      (strcmp(lm_text_of(rec, "from_village"), station) == 0 ||
                                       strcmp(lm_text_of(rec, "to_village"), station) == 0))));
}

static void note_touched(struct lm_store *store, int64_t scope, uint64_t replica)
{
    for (size_t i = 0; i < store->n_touched && store->n_touched <= LM_TOUCHED_MAX; i++) {
        if (store->touched[i].scope == scope) {
            if (store->touched[i].replica != replica) {
                store->touched[i].replica = 0;
            }
            return;
        }
    }
    if (store->n_touched < LM_TOUCHED_MAX) {
        store->touched[store->n_touched].scope = scope;
        store->touched[store->n_touched].replica = replica;
    }
    if (store->n_touched <= LM_TOUCHED_MAX) {
        store->n_touched++;
    }
}

bool lm_store_news_for(const struct lm_store *store, const struct lm_replica *replica)
{
    int64_t own = 0;

    if (store->n_touched > LM_TOUCHED_MAX) {
        return true;
    }
    (void)scope_number(replica->station, &own);
    for (size_t i = 0; i < store->n_touched; i++) {
        const struct lm_touched *t = &store->touched[i];

        if ((t->scope == 0 || t->scope == own) && t->replica != replica->number) {
            return true;
        }
    }
    return false;
}

bool lm_store_has_news(const struct lm_store *store)
{
    return store->n_touched > 0;
}

void lm_store_news_clear(struct lm_store *store)
{
    store->n_touched = 0;
}

/* there: a record of this type is there, it was not only named. */
static enum lm_status touch(struct lm_store *store, int64_t scope, const char *record,
                            const char *type, bool there, uint64_t pos, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_FEED_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, scope);
    lm_bind_id(stmt, 2, record);
    lm_bind_text(stmt, 3, type);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)pos);
    (void)sqlite3_bind_int(stmt, 5, there);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_effect_feed(struct lm_store *store, const struct lm_effect *f,
                              struct lm_error *err)
{
    const struct lm_jentry *e = f->entry;
    const struct lm_merge_out *merge = f->merge;
    struct lm_scopes scopes = {.n = 0};
    enum lm_status status = LM_OK;

    if (merge->record) {
        if (f->before && f->before->type->feed == LM_FEED_OWN) {
            lm_scopes_of(f->before, &scopes); /* where it was: a scope it has left learns that */
        }
        lm_scopes_of(merge->record, &scopes);
    }
    if (e->replica != 0 && !(merge->verdict == LM_V_APPLIED && merge->as_sent) &&
        !(merge->record && merge->record->type->feed == LM_FEED_ALL)) {
        add_scope(&scopes, e->station);
    }
    if (LM_BREAK(FEED_ONLY_APPLIED) && merge->verdict == LM_V_CONCURRENT) {
        return LM_OK;
    }
    for (size_t i = 0; i < scopes.n && status == LM_OK; i++) {
        /* A verdict that came later is news to the change's author too. */
        note_touched(store, scopes.code[i], e->kind == LM_J_LATER ? 0 : e->replica);
        status =
            touch(store, scopes.code[i], e->record, e->type, merge->record != NULL, e->pos, err);
    }
    return status;
}

struct lm_record *lm_record_for_feed(struct lm_arena *arena, const struct lm_record *rec)
{
    const struct lm_field *field = lm_type_field(rec->type, "dup_key");
    struct lm_record *copy = lm_record_copy(arena, rec);

    if (copy && field) {
        copy->fields[field->index] = lm_value_null();
    }
    return copy;
}

/* ---- sent back ---- */

static enum lm_status put_return(struct lm_store *store, const struct lm_effect *f,
                                 struct lm_error *err)
{
    const struct lm_jentry *e = f->entry;
    const struct lm_error *why = &f->merge->reason;
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_RETURN_PUT, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)f->target);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)e->replica);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)e->hlc);
    lm_bind_id(stmt, 4, e->record);
    lm_bind_text(stmt, 5, e->type);
    lm_bind_text(stmt, 6, e->station);
    (void)sqlite3_bind_int(stmt, 7, (int)f->merge->verdict);
    lm_bind_text(stmt, 8, why->code);
    lm_bind_text(stmt, 9, why->field);
    lm_bind_text(stmt, 10, why->zh);
    lm_bind_text(stmt, 11, why->en);
    lm_bind_text(stmt, 12, f->change ? f->change->user : "");
    (void)sqlite3_bind_int64(stmt, 13, e->received_ms);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_returns++;
    }
    return status;
}

static enum lm_status close_returns(struct lm_store *store, enum lm_query query,
                                    const struct lm_effect *f, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, f->entry->record);
    if (query == LM_Q_RETURN_CLOSE_STATION) {
        lm_bind_text(stmt, 2, f->entry->station);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)f->target);
    } else if (query == LM_Q_RETURN_CLOSE_REFUSED) {
        (void)sqlite3_bind_int64(stmt, 2, (int64_t)f->entry->replica);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)f->target);
    }
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_returns -= sqlite3_changes(store->sql);
    }
    return status;
}

/* A later change of the same station or of the hub mends what was invalid; one of the same replica
 * supersedes what was refused. */
static enum lm_status settle_returns(struct lm_store *store, const struct lm_effect *f,
                                     struct lm_error *err)
{
    enum lm_verdict verdict = f->merge->verdict;
    bool valid = f->merge->record && !f->merge->record->invalid, hub = f->entry->replica == 0;
    enum lm_status status = LM_OK;

    if (store->state.n_returns > 0 && f->merge->record && !LM_BREAK(RETURN_STAYS)) {
        if (valid && hub) {
            status = close_returns(store, LM_Q_RETURN_CLOSE_VALID, f, err);
        } else if (valid || verdict == LM_V_INVALID) {
            status = close_returns(store, LM_Q_RETURN_CLOSE_STATION, f, err);
        }
        if (status == LM_OK && verdict != LM_V_INVALID && !hub) {
            status = close_returns(store, LM_Q_RETURN_CLOSE_REFUSED, f, err);
        }
    }
    if (status == LM_OK && !hub && (verdict == LM_V_INVALID || verdict == LM_V_REFUSED)) {
        status = put_return(store, f, err);
    }
    return status;
}

/* ---- what waits ---- */

static enum lm_status put_held(struct lm_store *store, const struct lm_effect *f,
                               struct lm_error *err)
{
    const struct lm_jentry *e = f->entry;
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_PUT, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)f->target);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)e->replica);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)e->hlc);
    lm_bind_id(stmt, 4, e->record);
    lm_bind_text(stmt, 5, e->type);
    lm_bind_text(stmt, 6, e->station);
    lm_bind_text(stmt, 7, f->merge->reason.code);
    lm_bind_text(stmt, 8, f->merge->reason.zh);
    lm_bind_text(stmt, 9, f->merge->reason.en);
    lm_bind_text(stmt, 10, f->merge->waits_for);
    (void)sqlite3_bind_int64(stmt, 11, e->received_ms);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK && e->kind == LM_J_CHANGE) {
        store->state.n_held++;
    }
    return status;
}

static enum lm_status end_held(struct lm_store *store, uint64_t pos, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_DELETE, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)pos);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_held -= sqlite3_changes(store->sql);
    }
    return status;
}

/* Notes what others may wait for: this record, its move to another village, and this change as a
 * base. A refusal is worth a second look as well: what was built on it is refused rather than held.
 */
static enum lm_status note_available(struct lm_store *store, const struct lm_effect *f)
{
    const struct lm_jentry *e = f->entry;
    const struct lm_record *now = f->merge->record;
    char key[96];
    enum lm_status status;

    if (store->state.n_held == 0 || store->replaying || e->record[0] == '\0') {
        return LM_OK;
    }
    (void)snprintf(key, sizeof key, "record:%s", e->record);
    status = lm_redrive_note(store, key);
    if (status == LM_OK) {
        (void)snprintf(key, sizeof key, "base:%" PRIu64 ":%" PRIu64, e->hlc, e->replica);
        status = lm_redrive_note(store, key);
    }
    if (status == LM_OK && f->before && now &&
        strcmp(lm_record_text(f->before, LM_C_VILLAGE_CODE),
               lm_record_text(now, LM_C_VILLAGE_CODE)) != 0) {
        (void)snprintf(key, sizeof key, "moved:%s", e->record);
        status = lm_redrive_note(store, key);
    }
    return status;
}

/* ---- all of it ---- */

enum lm_status lm_effect_apply(struct lm_store *store, const struct lm_effect *f,
                               struct lm_error *err)
{
    const struct lm_jentry *e = f->entry;
    enum lm_verdict verdict = f->merge->verdict;
    enum lm_status status = LM_OK;

    if (verdict == LM_V_DUPLICATE) {
        /* A PC that was set back sends again what is known, and may lack what it made afterwards. A
         * page that came before this was acked could not be compared: so it is told once more. */
        return e->record[0] ? lm_effect_feed(store, f, err) : LM_OK;
    }
    if (verdict == LM_V_HELD) {
        status = put_held(store, f, err);
    } else if (e->kind == LM_J_LATER) {
        status = end_held(store, f->target, err);
    }
    if (status == LM_OK && e->record[0]) {
        status = lm_effect_feed(store, f, err);
    }
    if (status == LM_OK) {
        status = settle_returns(store, f, err);
    }
    if (status == LM_OK) {
        status = lm_effect_conflicts(store, f, err);
    }
    if (status == LM_OK) {
        status = lm_effect_duplicates(store, f, err);
    }
    if (status == LM_OK) {
        status = lm_moves_note(store, f);
    }
    if (status == LM_OK) {
        status = lm_periods_note(store, f);
    }
    return status == LM_OK && verdict != LM_V_HELD && !LM_BREAK(NO_REDRIVE)
               ? note_available(store, f)
               : status;
}
