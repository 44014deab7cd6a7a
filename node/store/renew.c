/* Another enrolment takes over: what this installation had not sent yet goes on under a new
 * replica, in a new branch. For a PC that was refused as a clone, or revoked by mistake.
 *
 * A change's author is known from its log, not from its bytes; but the bytes name versions that the
 * author saw, and those of its own unsent changes are (HLC, new replica) from now on. So each
 * unsent change is written anew, with its bases, and the digest of what it saw, in the new names;
 * the records here get the new names too. Bytes of the closed branches stay as they were.
 *
 * Invariants: HLCs, order and content of the changes are unchanged; all of it is one transaction.
 */
#include "node/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

#define RENEW_ARENA_BYTES (64 * 1024 * 1024)
#define RENEW_RECORD_CHANGES_MAX 4096 /* unsent changes of one record */

struct renew {
    struct lm_nstore *s;
    struct lm_me me; /* as it was */
    uint64_t to, branch;
    struct lm_arena arena; /* of one record */
    struct lm_error *err;
    /* one record's unsent changes, in their order: */
    size_t n;
    uint64_t *seq;
    struct lm_change *changes;
};

/* The new name of a version, when it is that of an unsent change of this record. */
static struct lm_version renamed(const struct renew *r, struct lm_version v)
{
    if (v.replica == r->me.replica) {
        for (size_t i = 0; i < r->n; i++) {
            if (r->changes[i].hlc == v.hlc) {
                v.replica = r->to;
                break;
            }
        }
    }
    return v;
}

static enum lm_status no_memory(struct renew *r)
{
    return lm_fail(r->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

static enum lm_status read_changes(struct renew *r, const char *record)
{
    sqlite3_stmt *q = ns_stmt(r->s, NS_RENEW_RECORD);
    enum lm_status st;

    r->n = 0;
    r->seq = lm_arena_alloc(&r->arena, RENEW_RECORD_CHANGES_MAX * sizeof *r->seq);
    r->changes = lm_arena_alloc(&r->arena, RENEW_RECORD_CHANGES_MAX * sizeof *r->changes);
    if (!r->seq || !r->changes) {
        return no_memory(r);
    }
    ns_bind_text(q, 1, record);
    ns_bind_u64(q, 2, r->me.branch);
    ns_bind_u64(q, 3, r->me.acked.seq);
    while ((st = ns_row(r->s, q, "read the outbox", r->err)) == LM_OK) {
        if (r->n == RENEW_RECORD_CHANGES_MAX) {
            ns_done(q);
            return lm_fail(r->err, LM_ERR_LIMIT, "too_many", "",
                           "记录 %s 的未上传修改太多（最多 %d 条）。",
                           "The record %s has too many unsent changes (at most %d).", record,
                           RENEW_RECORD_CHANGES_MAX);
        }
        r->seq[r->n] = ns_column_u64(q, 0);
        st = lm_change_read(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1),
                            &r->arena, &r->changes[r->n], r->err);
        if (st != LM_OK) {
            ns_done(q);
            return st;
        }
        r->n++;
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static bool touches(const struct lm_type *type, const struct lm_change *c, size_t group)
{
    if (c->op == LM_OP_CREATE) {
        return true;
    }
    if (c->op != LM_OP_EDIT && group == LM_GROUP_DELETED) {
        return true;
    }
    for (uint32_t i = 0; c->fields.kind == LM_MAP && i < c->fields.len; i++) {
        const struct lm_pair *pair = &c->fields.pairs[i];
        const struct lm_field *field = lm_type_fieldn(type, pair->key, pair->key_len);

        if (field && (size_t)field->group == group) {
            return true;
        }
    }
    return false;
}

/* The digest of what a change saw, in the new names. before: the record's stamps as they were when
 * it was made, as far as that can still be told; if they do not give the digest that it has, it is
 * left alone, and the hub takes it for concurrent. */
static enum lm_status rename_seen(struct renew *r, struct lm_change *c, const struct lm_record *rec,
                                  const struct lm_stamp *before)
{
    struct lm_record *copy = lm_record_copy(&r->arena, rec);

    if (!copy) {
        return no_memory(r);
    }
    memcpy(copy->stamps, before, rec->type->n_groups * sizeof *before);
    if (lm_record_seen(copy) == c->seen) {
        for (size_t g = 0; g < rec->type->n_groups; g++) {
            copy->stamps[g].version = renamed(r, copy->stamps[g].version);
        }
        c->seen = lm_record_seen(copy);
    }
    return LM_OK;
}

/* From the newest change back: what each one saw is what the next left, less its own groups. */
static enum lm_status rename_all_seen(struct renew *r, const struct lm_record *rec)
{
    const struct lm_type *type = rec->type;
    struct lm_stamp *stamps = lm_arena_alloc(&r->arena, type->n_groups * sizeof *stamps);
    enum lm_status st = LM_OK;

    if (!stamps) {
        return no_memory(r);
    }
    memcpy(stamps, rec->stamps, type->n_groups * sizeof *stamps);
    for (size_t i = r->n; i-- > 0 && st == LM_OK;) {
        struct lm_change *c = &r->changes[i];

        for (size_t g = 0; g < type->n_groups; g++) {
            if (touches(type, c, g)) {
                stamps[g].version = lm_change_base(c, type->groups[g].name);
            }
        }
        if (c->has_seen) {
            st = rename_seen(r, c, rec, stamps);
        }
    }
    return st;
}

static enum lm_status write_change(struct renew *r, size_t i)
{
    struct lm_change *c = &r->changes[i];
    sqlite3_stmt *q = ns_stmt(r->s, NS_OUT_ADD);
    static const uint8_t no_hash[LM_HASH_BYTES];
    struct lm_buf body;
    enum lm_status st;

    c->base_all = renamed(r, c->base_all);
    for (size_t b = 0; b < c->n_bases; b++) {
        c->bases[b].version = renamed(r, c->bases[b].version);
    }
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    lm_change_pack(&body, c);
    if (body.status != LM_OK) {
        lm_buf_free(&body);
        return lm_fail(r->err, LM_ERR_LIMIT, "too_large", "", "记录 %s 的修改太大。",
                       "A change of the record %s is too large.", c->id);
    }
    ns_bind_u64(q, 1, r->branch);
    ns_bind_u64(q, 2, r->seq[i] - r->me.acked.seq);
    ns_bind_text(q, 3, c->id);
    ns_bind_text(q, 4, c->type);
    ns_bind_u64(q, 5, c->hlc);
    ns_bind_text(q, 6, c->user);
    ns_bind_blob(q, 7, body.data, body.len);
    ns_bind_blob(q, 8, no_hash, sizeof no_hash); /* chained below, when all are there */
    st = ns_run(r->s, q, "carry a change over", r->err);
    lm_buf_free(&body);
    return st;
}

static enum lm_status renew_record(struct renew *r, const char *record)
{
    struct lm_record *rec = NULL;
    const struct lm_type *type;
    enum lm_status st;

    lm_arena_reset(&r->arena);
    st = read_changes(r, record);
    type = st == LM_OK && r->n > 0 ? lm_catalog_type(r->s->catalog, r->changes[0].type) : NULL;
    if (type) {
        st = lm_tables_get(r->s->tables, &r->arena, type, record, &rec);
        st = st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    if (st == LM_OK && rec) {
        st = rename_all_seen(r, rec);
        for (size_t g = 0; g < type->n_groups; g++) {
            rec->stamps[g].version = renamed(r, rec->stamps[g].version);
        }
        if (st == LM_OK) {
            st = lm_tables_put(r->s->tables, rec, false, r->err);
        }
    }
    for (size_t i = 0; i < r->n && st == LM_OK; i++) {
        st = write_change(r, i);
    }
    return st;
}

/* Every record with unsent changes, by id: rows are written while the list is read, so it is read
 * anew after each. */
static enum lm_status renew_records(struct renew *r)
{
    char record[40] = "";
    enum lm_status st;

    for (;;) {
        sqlite3_stmt *q = ns_stmt(r->s, NS_RENEW_NEXT);

        ns_bind_u64(q, 1, r->me.branch);
        ns_bind_u64(q, 2, r->me.acked.seq);
        ns_bind_text(q, 3, record);
        st = ns_row(r->s, q, "read the outbox", r->err);
        if (st != LM_OK) {
            return st == LM_ERR_NOT_FOUND ? LM_OK : st;
        }
        ns_column_text(q, 0, record, sizeof record);
        ns_done(q);
        st = renew_record(r, record);
        if (st != LM_OK) {
            return st;
        }
    }
}

/* The hashes of the new branch, in its order. */
static enum lm_status chain(struct renew *r, struct lm_head *head)
{
    enum lm_status st = LM_OK;

    head->seq = 0;
    lm_chain_start(r->to, r->branch, head->hash);
    while (st == LM_OK) {
        sqlite3_stmt *q = ns_stmt(r->s, NS_RENEW_BODY), *put;

        ns_bind_u64(q, 1, r->branch);
        ns_bind_u64(q, 2, head->seq + 1);
        st = ns_row(r->s, q, "read the outbox", r->err);
        if (st != LM_OK) {
            return st == LM_ERR_NOT_FOUND ? LM_OK : st;
        }
        lm_chain_next(head->hash, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0),
                      head->hash);
        ns_done(q);
        head->seq++;
        put = ns_stmt(r->s, NS_RENEW_HASH);
        ns_bind_u64(put, 1, r->branch);
        ns_bind_u64(put, 2, head->seq);
        ns_bind_blob(put, 3, head->hash, sizeof head->hash);
        st = ns_run(r->s, put, "chain a change", r->err);
    }
    return st;
}

static enum lm_status move_me(struct renew *r, const struct lm_head *head)
{
    sqlite3_stmt *q = ns_stmt(r->s, NS_ME_RENEW);
    uint8_t start[LM_HASH_BYTES];

    lm_chain_start(r->to, r->branch, start);
    ns_bind_u64(q, 1, r->to);
    ns_bind_u64(q, 2, r->branch);
    ns_bind_u64(q, 3, head->seq);
    ns_bind_blob(q, 4, head->hash, sizeof head->hash);
    ns_bind_blob(q, 5, start, sizeof start);
    return ns_run(r->s, q, "take the new enrolment", r->err);
}

enum lm_status lm_nstore_renew(struct lm_nstore *store, uint64_t replica, uint64_t *n_out,
                               struct lm_error *err)
{
    struct renew r = {.s = store, .to = replica, .err = err};
    struct lm_head head = {0};
    enum lm_status st = lm_nstore_begin(store, err);

    *n_out = 0;
    if (st != LM_OK) {
        return st;
    }
    lm_arena_init(&r.arena, RENEW_ARENA_BYTES);
    st = lm_nstore_me(store, &r.me, err);
    if (st == LM_OK && r.me.replica == replica) {
        goto out; /* done before */
    }
    r.branch = r.me.branch + 1;
    if (st == LM_OK) {
        st = renew_records(&r);
    }
    if (st == LM_OK) {
        st = chain(&r, &head);
    }
    if (st == LM_OK && head.seq != r.me.head.seq - r.me.acked.seq) {
        st = lm_fail(err, LM_ERR_CORRUPT, "corrupt", "",
                     "待发队列有 %" PRIu64 " 条，只找到 %" PRIu64 " 条。",
                     "The outbox has %" PRIu64 " unsent changes, but %" PRIu64 " were found.",
                     r.me.head.seq - r.me.acked.seq, head.seq);
    }
    if (st == LM_OK) {
        st = move_me(&r, &head);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    *n_out = st == LM_OK ? head.seq : 0;
out:
    lm_nstore_rollback(store);
    lm_arena_free(&r.arena);
    return st;
}
