/* What a hub that went back is offered: the records that this PC had taken in behind the point
 * where the two histories part, as they were at that moment. Set aside in the transaction that
 * stores the WELCOME, before a page of the new history can change them, and kept even when the hub
 * has them: should it go back once more before a person has confirmed them, they are offered again.
 */
#include "node/store/store_internal.h"

#include "proto/feed.h"

#include <string.h>

/* What makes a RECOVER longer than its records. */
#define MESSAGE_BYTES 512
#define RECORD_BYTES 32
#define TIMES_MAX 16 /* contents of one record that are kept: a hub may go back as often */

/* The hub gets this PC's own changes from the outbox. */
static bool all_own(const struct lm_record *rec, uint64_t replica)
{
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        if (rec->stamps[g].version.hlc != 0 && rec->stamps[g].version.replica != replica) {
            return false;
        }
    }
    return rec->n_unknown_stamps == 0;
}

static enum lm_status keep(struct lm_nstore *s, const struct lm_type *type, const char *id,
                           uint64_t replica, struct lm_arena *arena, struct lm_error *err)
{
    struct lm_record *rec = NULL;
    struct lm_buf body;
    sqlite3_stmt *q;
    enum lm_status st = lm_tables_get(s->tables, arena, type, id, &rec);

    if (st != LM_OK || all_own(rec, replica)) {
        return st;
    }
    lm_buf_init(&body, LM_FRAME_BYTES_MAX - MESSAGE_BYTES);
    lm_body_pack(&body, rec);
    st = body.status;
    if (st == LM_ERR_LIMIT) {
        st = LM_OK; /* such a record did not come in a page either */
    } else if (st == LM_OK) {
        q = ns_stmt(s, NS_OFFER_PUT);
        ns_bind_text(q, 1, id);
        ns_bind_blob(q, 2, body.data, body.len);
        (void)sqlite3_bind_int(q, 3, TIMES_MAX);
        st = ns_run(s, q, "set a record aside", err);
    }
    lm_buf_free(&body);
    return st;
}

static enum lm_status keep_type(struct lm_nstore *s, const struct lm_type *type, uint64_t common,
                                uint64_t replica, struct lm_error *err)
{
    struct lm_arena arena;
    sqlite3_stmt *stmt = NULL;
    char sql[128], id[40];
    enum lm_status st;

    (void)sqlite3_snprintf(sizeof sql, sql, "SELECT id FROM \"r_%w\" WHERE _pos > ?1", type->name);
    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    st = lm_db_prepare(s->db, sql, &stmt, err);
    if (st == LM_OK) {
        ns_bind_u64(stmt, 1, common);
    }
    while (st == LM_OK && (st = ns_row(s, stmt, "read what the hub lacks", err)) == LM_OK) {
        lm_arena_reset(&arena);
        ns_column_text(stmt, 0, id, sizeof id);
        st = keep(s, type, id, replica, &arena, err);
    }
    (void)sqlite3_finalize(stmt);
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status ns_offers_keep(struct lm_nstore *s, uint64_t common, const struct lm_me *me,
                              struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_OFFER_PROOF_PUT);
    enum lm_status st;

    if (me->proof.incarnation.counter == 0) {
        return LM_OK; /* the hub never signed anything: it would not believe us */
    }
    ns_bind_u64(q, 1, me->proof.incarnation.counter);
    ns_bind_u64(q, 2, me->proof.incarnation.random);
    ns_bind_u64(q, 3, me->proof.mark.position);
    ns_bind_blob(q, 4, me->proof.mark.hash, LM_HASH_BYTES);
    ns_bind_blob(q, 5, me->proof.signature, sizeof me->proof.signature);
    st = ns_run(s, q, "keep a proof", err);
    if (st == LM_OK) {
        st = ns_run(s, ns_stmt(s, NS_OFFER_AGAIN), "offer again", err);
    }
    for (size_t i = 0; i < s->catalog->n_types && st == LM_OK; i++) {
        st = keep_type(s, &s->catalog->types[i], common, me->replica, err);
    }
    return st == LM_OK ? ns_run(s, ns_stmt(s, NS_OFFER_LATER), "set records aside", err) : st;
}

static enum lm_status read_proof(struct lm_nstore *s, struct lm_proof *out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_OFFER_PROOF_GET);
    enum lm_status st = ns_row(s, q, "read a proof", err);

    memset(out, 0, sizeof *out);
    if (st != LM_OK) {
        return st;
    }
    out->incarnation.counter = ns_column_u64(q, 0);
    out->incarnation.random = ns_column_u64(q, 1);
    out->mark.position = ns_column_u64(q, 2);
    ns_column_hash(q, 3, out->mark.hash);
    if (sqlite3_column_bytes(q, 4) == (int)sizeof out->signature) {
        memcpy(out->signature, sqlite3_column_blob(q, 4), sizeof out->signature);
    }
    ns_done(q);
    return LM_OK;
}

/* The hub answers with an id: contents of one record are not parted, unless they are all. */
static size_t whole(const struct lm_offer *items, size_t n, const char *next)
{
    size_t kept = n;

    while (kept > 0 && strcmp(items[kept - 1].id, next) == 0) {
        kept--;
    }
    return kept > 0 ? kept : n;
}

enum lm_status lm_nstore_offers(struct lm_nstore *store, const char *after, size_t max_bytes,
                                struct lm_arena *arena, struct lm_proof *proof,
                                struct lm_offer **out, size_t *n_out, struct lm_error *err)
{
    sqlite3_stmt *q;
    size_t bytes = 0, n = 0;
    enum lm_status st = read_proof(store, proof, err);

    *n_out = 0;
    *out = NULL;
    if (st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    *out = lm_arena_alloc(arena, LM_OFFER_RECORDS_MAX * sizeof **out);
    if (!*out) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    q = ns_stmt(store, NS_OFFER_LIST);
    (void)sqlite3_bind_int(q, 1, LM_OFFER_RECORDS_MAX + 1);
    ns_bind_text(q, 2, after);
    while ((st = ns_row(store, q, "read what is to be offered", err)) == LM_OK) {
        size_t len = (size_t)sqlite3_column_bytes(q, 1);
        uint8_t *copy;

        bytes += len + RECORD_BYTES;
        if (n == LM_OFFER_RECORDS_MAX || (n > 0 && bytes > max_bytes)) {
            n = whole(*out, n, (const char *)sqlite3_column_text(q, 0));
            break;
        }
        copy = lm_arena_alloc(arena, len);
        if (!copy) {
            st = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
            break;
        }
        memcpy(copy, sqlite3_column_blob(q, 1), len);
        ns_column_text(q, 0, (*out)[n].id, sizeof(*out)[n].id);
        (*out)[n].body = copy;
        (*out)[n++].len = len;
    }
    ns_done(q);
    *n_out = n;
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_offers_drop(struct lm_nstore *store, const char *id, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OFFER_SENT);

    ns_bind_text(q, 1, id);
    return ns_run(store, q, "forget what was offered", err);
}

enum lm_status lm_nstore_has_offers(struct lm_nstore *store, bool *out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OFFER_LIST);
    enum lm_status st;

    (void)sqlite3_bind_int(q, 1, 1);
    ns_bind_text(q, 2, "");
    st = ns_row(store, q, "read what is to be offered", err);
    ns_done(q);
    *out = st == LM_OK;
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
