/* The journal and the branches: appending, marks, finding a change by identity, chain hashes at any
 * seq.
 *
 * mark(n) = BLAKE2b-256(mark(n-1) || every column of row n in a fixed packing), mark(0) = 32 zero
 * bytes. Numbers are 8 bytes little-endian, texts and blobs are preceded by their length. */
#include "hub/store/store_internal.h"

#include "proto/pack.h"
#include "proto/prescan.h"

#include <string.h>

enum {
    STRETCH_MAX = 1024, /* changes of one stretch when single acts lengthen it: bounds what a hash
                           in its middle costs */
    LATER_BYTES_MAX = 8192, /* an act about no change: names, ids and one note */
};

static uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        *p++ = (uint8_t)(v >> (8 * i));
    }
    return p;
}

static uint8_t *put_text(uint8_t *p, const char *text, size_t max)
{
    size_t n = strnlen(text, max);

    p = put_u64(p, n);
    memcpy(p, text, n);
    return p + n;
}

void lm_journal_mark(const uint8_t before[LM_HASH_BYTES], const struct lm_jentry *e,
                     uint8_t out[LM_HASH_BYTES])
{
    uint8_t head[512], *p = head;
    uint8_t id[16];
    const char *reason = e->reason ? e->reason : "";

    memcpy(p, before, LM_HASH_BYTES);
    p += LM_HASH_BYTES;
    p = put_u64(p, e->pos);
    p = put_u64(p, (uint64_t)e->kind);
    p = put_u64(p, e->replica);
    p = put_u64(p, e->branch);
    p = put_u64(p, e->seq);
    p = put_text(p, e->station, 15);
    p = put_text(p, e->type, 64);
    if (e->record[0] && lm_uuid_parse(e->record, strlen(e->record), id)) {
        p = put_u64(p, 16);
        memcpy(p, id, 16);
        p += 16;
    } else {
        p = put_u64(p, 0);
    }
    p = put_u64(p, e->hlc);
    p = put_u64(p, (uint64_t)e->verdict);
    p = put_text(p, e->code, 31);
    p = put_u64(p, e->rank);
    p = put_u64(p, (uint64_t)e->received_ms);
    p = put_u64(p, (uint64_t)e->offset_ms);
    p = put_u64(p, e->catalog);
    p = put_u64(p, e->by);
    p = put_u64(p, e->reason ? strlen(reason) + 1 : 0); /* null and '' differ */
    p = put_u64(p, e->body_len);
    lm_hash(out, head, (size_t)(p - head), e->body, e->body_len, reason, strlen(reason));
}

enum lm_status lm_journal_append(struct lm_store *store, struct lm_jentry *e, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_ADD, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    e->pos = store->state.head.position + 1;
    e->catalog = store->catalog->number;
    lm_journal_mark(store->state.head.hash, e, e->mark);
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)e->pos);
    (void)sqlite3_bind_int(stmt, 2, e->kind);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)e->replica);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)e->branch);
    (void)sqlite3_bind_int64(stmt, 5, (int64_t)e->seq);
    lm_bind_text(stmt, 6, e->station);
    lm_bind_text(stmt, 7, e->type);
    lm_bind_id(stmt, 8, e->record);
    (void)sqlite3_bind_int64(stmt, 9, (int64_t)e->hlc);
    lm_bind_blob(stmt, 10, e->body, e->body_len);
    (void)sqlite3_bind_int(stmt, 11, (int)e->verdict);
    lm_bind_text(stmt, 12, e->code);
    lm_bind_text(stmt, 13, e->reason);
    (void)sqlite3_bind_int64(stmt, 14, (int64_t)e->rank);
    (void)sqlite3_bind_int64(stmt, 15, e->received_ms);
    (void)sqlite3_bind_int64(stmt, 16, e->offset_ms);
    (void)sqlite3_bind_int64(stmt, 17, e->catalog);
    (void)sqlite3_bind_int(stmt, 18, (int)e->by);
    (void)sqlite3_bind_blob(stmt, 19, e->mark, LM_HASH_BYTES, SQLITE_STATIC);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.head.position = e->pos;
        memcpy(store->state.head.hash, e->mark, LM_HASH_BYTES);
    }
    return status;
}

static const char *copy_column(struct sqlite3_stmt *stmt, int column, struct lm_arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? lm_arena_text(arena, text, strlen(text)) : NULL;
}

enum lm_status lm_journal_row(struct sqlite3_stmt *stmt, struct lm_arena *arena,
                              struct lm_jentry *out)
{
    const void *body = sqlite3_column_blob(stmt, 9);
    size_t n = (size_t)sqlite3_column_bytes(stmt, 9);
    uint8_t *copy = lm_arena_alloc(arena, n);
    bool has_reason = sqlite3_column_type(stmt, 12) != SQLITE_NULL;

    *out = (struct lm_jentry){0};
    out->pos = (uint64_t)sqlite3_column_int64(stmt, 0);
    out->kind = sqlite3_column_int(stmt, 1);
    out->replica = (uint64_t)sqlite3_column_int64(stmt, 2);
    out->branch = (uint64_t)sqlite3_column_int64(stmt, 3);
    out->seq = (uint64_t)sqlite3_column_int64(stmt, 4);
    out->station = copy_column(stmt, 5, arena);
    out->type = copy_column(stmt, 6, arena);
    lm_column_id(stmt, 7, out->record);
    out->hlc = (uint64_t)sqlite3_column_int64(stmt, 8);
    out->body = copy;
    out->body_len = n;
    out->verdict = (enum lm_verdict)sqlite3_column_int(stmt, 10);
    out->code = copy_column(stmt, 11, arena);
    out->reason = has_reason ? copy_column(stmt, 12, arena) : NULL;
    out->rank = (uint64_t)sqlite3_column_int64(stmt, 13);
    out->received_ms = sqlite3_column_int64(stmt, 14);
    out->offset_ms = sqlite3_column_int64(stmt, 15);
    out->catalog = (uint32_t)sqlite3_column_int64(stmt, 16);
    out->by = (unsigned)sqlite3_column_int(stmt, 17);
    lm_column_bytes(stmt, 18, out->mark, LM_HASH_BYTES);
    if (!copy || !out->station || !out->type || !out->code || (has_reason && !out->reason)) {
        return LM_ERR_MEMORY;
    }
    if (n > 0) {
        memcpy(copy, body, n);
    }
    return LM_OK;
}

enum lm_status lm_journal_at(struct lm_store *store, uint64_t pos, struct lm_arena *arena,
                             struct lm_jentry *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_AT, NULL);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)pos);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        status = lm_journal_row(stmt, arena, out);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

/* The first entry of an identity is the change; later ones of the same identity are repetitions. */
enum lm_status lm_journal_find(struct lm_store *store, struct lm_arena *arena, const char *record,
                               struct lm_version version, struct lm_jentry *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_FIND, NULL);
    enum lm_status status;
    bool found = false;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, record);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)version.replica);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)version.hlc);
    while ((status = lm_query_step(store, stmt, NULL)) == LM_OK) {
        struct lm_jentry row;
        enum lm_later what;
        uint64_t pos;
        const char *user, *a, *b;
        int kind = sqlite3_column_int(stmt, 1);

        if ((kind == LM_J_CHANGE) == found) {
            continue;
        }
        status = lm_journal_row(stmt, arena, &row);
        if (status != LM_OK) {
            break;
        }
        if (kind == LM_J_CHANGE) {
            *out = row;
            found = true;
        } else if (lm_later_read(&row, arena, &what, &pos, &user, &a, &b) && pos == out->pos &&
                   (what == LM_LATER_REDRIVE || what == LM_LATER_RELEASE ||
                    what == LM_LATER_REFUSE)) {
            out->verdict = row.verdict;
            out->rank = row.rank;
            out->code = row.code;
            out->reason = row.reason;
        }
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    return found ? LM_OK : LM_ERR_NOT_FOUND;
}

/* ---- later verdicts: [what, position, user, a, b]
 * ------------------------------------------------------------------------------ */

void lm_later_pack(struct lm_buf *buf, enum lm_later what, uint64_t pos, const char *user,
                   const char *a, const char *b)
{
    lm_pack_array(buf, 5);
    lm_pack_uint(buf, (uint64_t)what);
    lm_pack_uint(buf, pos);
    lm_pack_text(buf, user, strlen(user));
    lm_pack_text(buf, a, strlen(a));
    lm_pack_text(buf, b, strlen(b));
}

enum lm_status lm_journal_later(struct lm_store *store, struct lm_jentry *e, enum lm_later what,
                                uint64_t pos, const char *user, const char *a, const char *b,
                                struct lm_error *err)
{
    struct lm_buf body;
    enum lm_status status;

    e->kind = LM_J_LATER;
    e->station = store->town.code;
    e->type = e->type ? e->type : "";
    e->verdict = LM_V_APPLIED;
    e->code = "";
    lm_buf_init(&body, LATER_BYTES_MAX);
    lm_later_pack(&body, what, pos, user, a, b);
    e->body = body.data;
    e->body_len = body.len;
    status = body.status == LM_OK ? lm_journal_append(store, e, err) : body.status;
    e->body = NULL;
    e->body_len = 0;
    lm_buf_free(&body);
    return status;
}

static const char *read_copy(struct lm_reader *reader, struct lm_arena *arena)
{
    const char *text;
    size_t n;

    if (!lm_read_text(reader, &text, &n)) {
        return NULL;
    }
    return lm_arena_text(arena, text, n);
}

bool lm_later_read(const struct lm_jentry *e, struct lm_arena *arena, enum lm_later *what,
                   uint64_t *pos, const char **user, const char **a, const char **b)
{
    struct lm_reader reader;
    uint64_t number;

    if (e->kind != LM_J_LATER || lm_prescan(e->body, e->body_len, 16, NULL) != LM_OK) {
        return false;
    }
    lm_reader_init(&reader, e->body, e->body_len);
    if (!lm_read_array_of(&reader, 5) || !lm_read_uint(&reader, &number) ||
        !lm_read_uint(&reader, pos)) {
        return false;
    }
    *what = (enum lm_later)number;
    *user = read_copy(&reader, arena);
    *a = read_copy(&reader, arena);
    *b = read_copy(&reader, arena);
    return *user && *a && *b && lm_reader_done(&reader);
}

/* ---- branches ---- */

static void branch_row(struct sqlite3_stmt *stmt, struct lm_branch_row *out)
{
    out->first_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    out->last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
    out->pos_first = (uint64_t)sqlite3_column_int64(stmt, 2);
    lm_column_bytes(stmt, 3, out->before, LM_HASH_BYTES);
    lm_column_bytes(stmt, 4, out->after, LM_HASH_BYTES);
    out->hlc = (uint64_t)sqlite3_column_int64(stmt, 5);
}

enum lm_status lm_branch_last(struct lm_store *store, uint64_t replica, uint64_t branch,
                              struct lm_branch_row *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_BRANCH_LAST, err);
    enum lm_status status;

    *out = (struct lm_branch_row){.replica = replica, .branch = branch};
    lm_chain_start(replica, branch, out->after);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)branch);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        branch_row(stmt, out);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_branch_add(struct lm_store *store, const struct lm_branch_row *row,
                             struct lm_error *err)
{
    struct lm_branch_row last;
    struct sqlite3_stmt *stmt;
    enum lm_status status = lm_branch_last(store, row->replica, row->branch, &last, err);

    if (status != LM_OK) {
        return status;
    }
    if (last.last_seq > 0 && last.last_seq + 1 == row->first_seq &&
        last.pos_first + (last.last_seq - last.first_seq) + 1 == row->pos_first &&
        row->last_seq - last.first_seq < STRETCH_MAX) {
        stmt = lm_query(store, LM_Q_BRANCH_EXTEND, err);
        if (!stmt) {
            return LM_ERR_IO;
        }
        (void)sqlite3_bind_int64(stmt, 1, (int64_t)row->replica);
        (void)sqlite3_bind_int64(stmt, 2, (int64_t)row->branch);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)last.first_seq);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)row->last_seq);
        (void)sqlite3_bind_blob(stmt, 5, row->after, LM_HASH_BYTES, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 6, (int64_t)row->hlc);
        return lm_query_run(store, stmt, err);
    }
    stmt = lm_query(store, LM_Q_BRANCH_ADD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)row->replica);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)row->branch);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)row->first_seq);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)row->last_seq);
    (void)sqlite3_bind_int64(stmt, 5, (int64_t)row->pos_first);
    (void)sqlite3_bind_blob(stmt, 6, row->before, LM_HASH_BYTES, SQLITE_STATIC);
    (void)sqlite3_bind_blob(stmt, 7, row->after, LM_HASH_BYTES, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 8, (int64_t)row->hlc);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_branch_hash(struct lm_store *store, uint64_t replica, uint64_t branch,
                              uint64_t seq, uint8_t out[LM_HASH_BYTES], struct lm_error *err)
{
    struct lm_branch_row row = {0};
    struct sqlite3_stmt *stmt;
    enum lm_status status;
    uint64_t n = 0;

    if (seq == 0) {
        lm_chain_start(replica, branch, out);
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_BRANCH_AT, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)branch);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)seq);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        branch_row(stmt, &row);
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_OK) {
        return status;
    }
    if (seq > row.last_seq) {
        return LM_ERR_NOT_FOUND;
    }
    if (seq == row.last_seq) {
        memcpy(out, row.after, LM_HASH_BYTES);
        return LM_OK;
    }
    memcpy(out, row.before, LM_HASH_BYTES);
    stmt = lm_query(store, LM_Q_JOURNAL_BODIES, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)row.pos_first);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)(row.pos_first + (seq - row.first_seq)));
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        lm_chain_next(out, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                      out);
        n++;
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    return n == seq - row.first_seq + 1
               ? LM_OK
               : lm_fail(err, LM_ERR_CORRUPT, "journal_gap", "", "日志中缺少条目，请运行 verify",
                         "Entries are missing from the journal: run verify");
}
