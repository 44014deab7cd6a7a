/* Records that may be the same thing twice: persons by a keyed hash of their ID number (or of name
 * and birth), everything else with a unique key by that key within its village. Both records stay;
 * a person decides. */
#include "hub/store/store_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum lm_status lm_dup_key_fill(struct lm_store *store, struct lm_record *rec,
                               struct lm_arena *arena)
{
    const struct lm_field *field;
    const char *id_no, *name, *birth;
    uint8_t hash[32];
    char text[256 + 64], *hex;

    if (!store->has_dup_key || strcmp(rec->type->name, "person") != 0) {
        return LM_OK;
    }
    field = lm_type_field(rec->type, "dup_key");
    if (!field) {
        return LM_OK;
    }
    id_no = lm_text_of(rec, "id_no");
    name = lm_text_of(rec, "name");
    birth = lm_text_of(rec, "birth_on");
    if (id_no[0]) {
        (void)snprintf(text, sizeof text, "id:%s", id_no);
    } else if (name[0] && birth[0]) {
        (void)snprintf(text, sizeof text, "nb:%s|%s", name, birth);
    } else {
        rec->fields[field->index] = lm_value_null();
        return LM_OK;
    }
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)text, strlen(text), store->dup_key,
                             sizeof store->dup_key);
    hex = lm_arena_alloc(arena, 2 * sizeof hash + 1);
    if (!hex) {
        return LM_ERR_MEMORY;
    }
    lm_hex_encode(hash, sizeof hash, hex);
    rec->fields[field->index] = lm_value_text(hex);
    return LM_OK;
}

struct pairing {
    struct lm_store *store;
    const struct lm_record *rec;
    uint64_t pos;
    enum lm_status status;
    struct lm_error *err;
};

static bool pair_with(struct pairing *p, const char *other)
{
    struct sqlite3_stmt *stmt = lm_query(p->store, LM_Q_DUPLICATE_PUT, p->err);
    bool first = strcmp(p->rec->id, other) < 0;

    lm_changes_note(p->store, "duplicates");
    if (!stmt) {
        p->status = LM_ERR_IO;
        return false;
    }
    lm_bind_id(stmt, 1, first ? p->rec->id : other);
    lm_bind_id(stmt, 2, first ? other : p->rec->id);
    lm_bind_text(stmt, 3, p->rec->type->name);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)p->pos);
    p->status = lm_query_run(p->store, stmt, p->err);
    if (p->status == LM_OK) {
        p->store->state.n_duplicates += sqlite3_changes(p->store->sql);
    }
    return p->status == LM_OK;
}

static bool pair_record(void *arg, const struct lm_record *other)
{
    return pair_with(arg, other->id);
}

static bool ended(const struct lm_record *rec)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    return lm_record_deleted(rec) || strcmp(state, "merged") == 0 ||
           strcmp(state, "cancelled") == 0 || strcmp(state, "withdrawn") == 0;
}

static bool field_differs(const struct lm_record *a, const struct lm_record *b, int index)
{
    return !lm_value_equal(&a->fields[index], &b->fields[index]);
}

/* Whether a record that was looked at before has to be compared with the others again. */
static bool key_changed(const struct lm_record *before, const struct lm_record *rec)
{
    const struct lm_field *dup = lm_type_field(rec->type, "dup_key");

    if (!before || ended(before)) {
        return true;
    }
    if (dup && field_differs(before, rec, dup->index)) {
        return true;
    }
    for (size_t i = 0; i < rec->type->n_natural_key; i++) {
        if (field_differs(before, rec, rec->type->natural_key[i])) {
            return true;
        }
    }
    return field_differs(before, rec, LM_C_VILLAGE_CODE);
}

static enum lm_status find_persons(struct pairing *p)
{
    struct sqlite3_stmt *stmt = lm_query(p->store, LM_Q_DUPLICATE_PERSON, p->err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, lm_text_of(p->rec, "dup_key"));
    lm_bind_text(stmt, 2, p->rec->id);
    while ((status = lm_query_step(p->store, stmt, p->err)) == LM_OK) {
        if (!pair_with(p, lm_column_str(stmt, 0))) {
            status = p->status;
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status close_pairs(struct lm_store *store, const char *id, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (store->state.n_duplicates == 0) {
        return LM_OK;
    }
    lm_changes_note(store, "duplicates");
    stmt = lm_query(store, LM_Q_DUPLICATE_CLOSE, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    status = lm_query_run(store, stmt, err);
    store->state.n_duplicates -= status == LM_OK ? sqlite3_changes(store->sql) : 0;
    return status;
}

enum lm_status lm_effect_duplicates(struct lm_store *store, const struct lm_effect *f,
                                    struct lm_error *err)
{
    const struct lm_record *rec = f->merge->record;
    struct pairing p = {
        .store = store, .rec = rec, .pos = f->entry->pos, .status = LM_OK, .err = err};
    enum lm_status status;

    if (!rec || rec->type->key_mode != LM_KEY_UNIQUE) {
        return LM_OK;
    }
    if (ended(rec)) {
        return close_pairs(store, rec->id, err);
    }
    if (!key_changed(f->before, rec)) {
        return LM_OK;
    }
    /* What it was paired with under its former key may be no double any more. */
    status = f->before ? close_pairs(store, rec->id, err) : LM_OK;
    if (status != LM_OK) {
        return status;
    }
    if (strcmp(rec->type->name, "person") == 0 && store->has_dup_key) {
        return lm_text_of(rec, "dup_key")[0] ? find_persons(&p) : LM_OK;
    }
    /* A key that speaks of a village names it, so the search is for the whole town. */
    status = lm_tables_same_key(store->tables, &store->arena, rec, NULL, pair_record, &p);
    return status == LM_OK ? p.status : status;
}
