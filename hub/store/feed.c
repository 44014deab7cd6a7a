/* The feed: pages of what changed for a replica, and bodies it asks for.
 *
 * A page is read in one snapshot: entries, acked and the journal's head belong together. A replica
 * sees two scopes, its station's and the one of all stations; both are read in order and merged. */
#include "common/base/break.h"
#include "hub/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENTRY_OVERHEAD = 96, /* bytes on the wire beside a body or verdict texts */
    BODY_BYTES_MAX = LM_FRAME_BYTES_MAX,
    VERDICTS_MAX = 64, /* open verdicts told with one record */
};

struct row {
    uint64_t pos;
    char id[40];
    char type[48];
};

/* ---- one entry ---- */

struct page {
    struct lm_store *store;
    const struct lm_replica *replica;
    struct lm_arena *arena;
    size_t bytes;
    struct lm_error *err;
};

static const char *keep(struct page *p, struct sqlite3_stmt *stmt, int column)
{
    const char *text = lm_column_str(stmt, column);

    p->bytes += strlen(text);
    return lm_arena_text(p->arena, text, strlen(text));
}

static enum lm_status add_verdicts(struct page *p, enum lm_query query, const char *id,
                                   struct lm_feed_entry *e)
{
    struct sqlite3_stmt *stmt = lm_query(p->store, query, p->err);
    bool held = query == LM_Q_HELD_OF;
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    if (LM_BREAK(VERDICT_ONLY_IN_ACK)) {
        return LM_OK;
    }
    lm_bind_id(stmt, 1, id);
    while ((status = lm_query_step(p->store, stmt, p->err)) == LM_OK) {
        struct lm_feed_verdict *v;

        if ((uint64_t)sqlite3_column_int64(stmt, 1) != p->replica->number ||
            e->n_verdicts == VERDICTS_MAX) {
            continue;
        }
        if (!e->verdicts) {
            e->verdicts = lm_arena_alloc(p->arena, VERDICTS_MAX * sizeof *e->verdicts);
        }
        if (!e->verdicts) {
            status = LM_ERR_MEMORY;
            break;
        }
        v = &e->verdicts[e->n_verdicts++];
        v->hlc = (uint64_t)sqlite3_column_int64(stmt, 2);
        v->verdict = held ? (uint8_t)LM_V_HELD : (uint8_t)sqlite3_column_int(stmt, 6);
        v->code = keep(p, stmt, held ? 6 : 7);
        v->field = held ? "" : keep(p, stmt, 8);
        v->zh = keep(p, stmt, held ? 7 : 9);
        v->en = keep(p, stmt, held ? 8 : 10);
        p->bytes += ENTRY_OVERHEAD;
        if (!v->code || !v->field || !v->zh || !v->en) {
            status = LM_ERR_MEMORY;
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static bool is_told(const struct lm_feed_entry *e, uint64_t hlc)
{
    for (size_t i = 0; i < e->n_verdicts; i++) {
        if (e->verdicts[i].hlc == hlc) {
            return true;
        }
    }
    return false;
}

/* Which versions are in an open conflict, and about which groups: who wrote what is in the past of
 * the record (HISTORY), which a node asks for when somebody looks. After what was sent back or
 * waits, which must be told: a node keeps one verdict of an HLC, and an entry so many. */
static enum lm_status add_siblings(struct page *p, const char *id, struct lm_feed_entry *e)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (p->store->state.n_conflicts == 0) {
        return LM_OK;
    }
    stmt = lm_query(p->store, LM_Q_CONFLICT_OF, p->err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    while ((status = lm_query_step(p->store, stmt, p->err)) == LM_OK) {
        struct lm_feed_verdict *v;

        if (e->n_verdicts == VERDICTS_MAX || is_told(e, (uint64_t)sqlite3_column_int64(stmt, 0))) {
            continue;
        }
        if (!e->verdicts) {
            e->verdicts = lm_arena_alloc(p->arena, VERDICTS_MAX * sizeof *e->verdicts);
        }
        if (!e->verdicts) {
            status = LM_ERR_MEMORY;
            break;
        }
        v = &e->verdicts[e->n_verdicts++];
        *v = (struct lm_feed_verdict){.hlc = (uint64_t)sqlite3_column_int64(stmt, 0),
                                      .verdict = LM_V_CONCURRENT,
                                      .code = "sibling",
                                      .field = keep(p, stmt, 1),
                                      .zh = "",
                                      .en = ""};
        p->bytes += ENTRY_OVERHEAD;
        if (!v->field) {
            status = LM_ERR_MEMORY;
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static bool all_own(const struct lm_record *rec, uint64_t replica)
{
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        if (rec->stamps[g].version.replica != replica) {
            return false;
        }
    }
    for (size_t i = 0; i < rec->n_unknown_stamps; i++) {
        if (rec->unknown_stamps[i].stamp.version.replica != replica) {
            return false;
        }
    }
    return true;
}

static enum lm_status put_body(struct page *p, const struct lm_record *rec, struct lm_feed_entry *e)
{
    struct lm_buf buf;
    uint8_t *copy = NULL;
    enum lm_status status;

    lm_buf_init(&buf, BODY_BYTES_MAX);
    lm_body_pack(&buf, rec);
    status = buf.status;
    if (status == LM_OK) {
        copy = lm_arena_alloc(p->arena, buf.len);
        status = copy ? LM_OK : LM_ERR_MEMORY;
    }
    if (copy) {
        memcpy(copy, buf.data, buf.len);
        e->kind = LM_ENTRY_BODY;
        e->body = copy;
        e->body_len = buf.len;
        p->bytes += buf.len;
    }
    lm_buf_free(&buf);
    return status;
}

/* want: the replica asks for the body itself, a digest would not do. */
static enum lm_status make_entry(struct page *p, const struct row *row, bool want,
                                 struct lm_feed_entry *e)
{
    struct lm_store *store = p->store;
    const struct lm_type *type = lm_catalog_type(store->catalog, row->type);
    struct lm_record *rec = NULL, *shown;
    enum lm_status status = LM_ERR_NOT_FOUND;

    *e = (struct lm_feed_entry){.kind = LM_ENTRY_ABSENT, .position = row->pos};
    memcpy(e->id, row->id, sizeof e->id);
    e->type = type ? type->name : lm_arena_text(p->arena, row->type, strlen(row->type));
    p->bytes += ENTRY_OVERHEAD;
    if (!e->type) {
        return LM_ERR_MEMORY;
    }
    lm_arena_reset(&store->arena);
    if (type) {
        status = lm_tables_get(store->tables, &store->arena, type, row->id, &rec);
    }
    if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
        return status;
    }
    status = add_verdicts(p, LM_Q_RETURN_OF, row->id, e);
    if (status == LM_OK) {
        status = add_verdicts(p, LM_Q_HELD_OF, row->id, e);
    }
    if (status == LM_OK && rec && lm_in_scope(rec, p->replica->station)) {
        status = add_siblings(p, row->id, e);
    }
    if (status != LM_OK || !rec) {
        return status;
    }
    if (!lm_in_scope(rec, p->replica->station)) {
        e->kind = LM_ENTRY_GONE;
        return LM_OK;
    }
    shown = lm_record_for_feed(&store->arena, rec);
    if (!shown) {
        return LM_ERR_MEMORY;
    }
    if (!want && !rec->invalid && e->n_verdicts == 0 && all_own(rec, p->replica->number)) {
        e->kind = LM_ENTRY_DIGEST;
        e->digest = lm_record_digest(shown);
        return LM_OK;
    }
    return put_body(p, shown, e);
}

/* ---- what a page says besides ---- */

static enum lm_status put_frame(struct lm_store *store, const struct lm_replica *replica,
                                struct lm_msg_feed *out, struct lm_error *err)
{
    struct lm_branch_row last;
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    out->branch = replica->branch;
    status = lm_branch_last(store, replica->number, replica->branch, &last, err);
    if (status != LM_OK) {
        return status;
    }
    out->acked.seq = last.last_seq;
    memcpy(out->acked.hash, last.after, LM_HASH_BYTES);
    stmt = lm_query(store, LM_Q_JOURNAL_HEAD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        out->head.position = (uint64_t)sqlite3_column_int64(stmt, 0);
        lm_column_bytes(stmt, 1, out->head.hash, LM_HASH_BYTES);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- a page ---- */

struct scope_reader {
    struct row *rows;
    size_t n, at;
};

static enum lm_status read_scope(struct lm_store *store, int64_t scope,
                                 const struct lm_cursor *cursor, struct lm_arena *arena,
                                 struct scope_reader *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_FEED_PAGE, err);
    enum lm_status status;

    *out = (struct scope_reader){0};
    out->rows = lm_arena_alloc(arena, (LM_FEED_ENTRIES_MAX + 1) * sizeof *out->rows);
    if (!stmt || !out->rows) {
        return stmt ? LM_ERR_MEMORY : LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, scope);
    (void)sqlite3_bind_int64(stmt, 2,
                             cursor->position > INT64_MAX ? INT64_MAX : (int64_t)cursor->position);
    lm_bind_id(stmt, 3, cursor->id);
    (void)sqlite3_bind_int(stmt, 4, LM_FEED_ENTRIES_MAX + 1);
    while (out->n <= LM_FEED_ENTRIES_MAX && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct row *row = &out->rows[out->n++];

        row->pos = (uint64_t)sqlite3_column_int64(stmt, 0);
        lm_column_id(stmt, 1, row->id);
        lm_column_copy(stmt, 2, row->type, sizeof row->type);
    }
    if (out->n > LM_FEED_ENTRIES_MAX) {
        status = LM_ERR_NOT_FOUND;
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static const struct row *next_row(struct scope_reader *a, struct scope_reader *b)
{
    const struct row *x = a->at < a->n ? &a->rows[a->at] : NULL,
                     *y = b->at < b->n ? &b->rows[b->at] : NULL;
    bool first;

    if (!x || !y) {
        if (x) {
            a->at++;
        } else if (y) {
            b->at++;
        }
        return x ? x : y;
    }
    first = x->pos != y->pos ? x->pos < y->pos : strcmp(x->id, y->id) <= 0;
    if (x->pos == y->pos && strcmp(x->id, y->id) == 0) {
        b->at++; /* in both scopes: told once */
    }
    if (first) {
        a->at++;
    } else {
        b->at++;
    }
    return first ? x : y;
}

/* Whether the record's last change was the peer's own: see LM_BREAK(BLIND_ECHO). */
static bool last_by_peer(struct page *p, const struct row *row)
{
    struct lm_jentry e;

    lm_arena_reset(&p->store->arena);
    return lm_journal_at(p->store, row->pos, &p->store->arena, &e) == LM_OK &&
           e.replica == p->replica->number;
}

static enum lm_status fill_page(struct page *p, const struct lm_cursor *cursor, size_t max_bytes,
                                struct lm_msg_feed *out)
{
    struct scope_reader own, all;
    const struct row *row;
    enum lm_status status;

    status = read_scope(p->store, strtoll(p->replica->station, NULL, 10), cursor, p->arena, &own,
                        p->err);
    if (status == LM_OK) {
        status = read_scope(p->store, 0, cursor, p->arena, &all, p->err);
    }
    out->entries = status == LM_OK
                       ? lm_arena_alloc(p->arena, LM_FEED_ENTRIES_MAX * sizeof *out->entries)
                       : NULL;
    if (!out->entries) {
        return status == LM_OK ? LM_ERR_MEMORY : status;
    }
    while ((row = next_row(&own, &all)) != NULL) {
        size_t before = p->bytes;

        if (LM_BREAK(BLIND_ECHO) && last_by_peer(p, row)) {
            continue;
        }
        if (out->n_entries == LM_FEED_ENTRIES_MAX) {
            return LM_OK;
        }
        status = make_entry(p, row, false, &out->entries[out->n_entries]);
        if (status != LM_OK) {
            return status;
        }
        if (p->bytes > max_bytes && out->n_entries > 0 && !LM_BREAK(PAGE_UNBOUNDED)) {
            p->bytes = before;
            return LM_OK;
        }
        out->n_entries++;
        out->next.position = row->pos;
        memcpy(out->next.id, row->id, sizeof out->next.id);
    }
    out->done = true;
    return LM_OK;
}

enum lm_status lm_store_feed(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_cursor *cursor, size_t max_bytes,
                             struct lm_arena *arena, struct lm_msg_feed *out, struct lm_error *err)
{
    struct page page = {.store = store, .replica = replica, .arena = arena, .err = err};
    bool own = false;
    enum lm_status status = lm_read_enter(store, &own, err);

    memset(out, 0, sizeof *out);
    out->from = out->next = *cursor;
    if (max_bytes == 0 || max_bytes > LM_FEED_BYTES_MAX) {
        max_bytes = LM_FEED_BYTES_MAX;
    }
    if (status == LM_OK) {
        status = put_frame(store, replica, out, err);
    }
    if (status == LM_OK) {
        status = fill_page(&page, cursor, max_bytes, out);
    }
    if (status == LM_OK && out->done) {
        status = lm_scope_sum(store, replica->station, &out->scope_sum, err);
        out->has_scope_sum = true;
    }
    lm_read_leave(store, own);
    return status;
}

enum lm_status lm_store_bodies(struct lm_store *store, const struct lm_replica *replica,
                               const struct lm_msg_want *want, struct lm_arena *arena,
                               struct lm_msg_feed *out, struct lm_error *err)
{
    struct page page = {.store = store, .replica = replica, .arena = arena, .err = err};
    bool own = false;
    enum lm_status status = lm_read_enter(store, &own, err);

    memset(out, 0, sizeof *out);
    if (status == LM_OK) {
        status = put_frame(store, replica, out, err);
    }
    out->entries = lm_arena_alloc(arena, (want->n_ids < LM_WANT_MAX ? want->n_ids : LM_WANT_MAX) *
                                             sizeof *out->entries);
    if (status == LM_OK && !out->entries) {
        status = LM_ERR_MEMORY;
    }
    for (size_t i = 0; i < want->n_ids && i < LM_WANT_MAX && status == LM_OK; i++) {
        struct row row = {0};
        struct lm_feed_entry *e = &out->entries[out->n_entries];
        const char *type = lm_store_type_of(store, want->ids[i]);

        /* Never heard of (this database went back in time): ABSENT without a type, or the node
         * would ask for ever. */
        (void)snprintf(row.id, sizeof row.id, "%s", want->ids[i]);
        (void)snprintf(row.type, sizeof row.type, "%s", type ? type : "");
        status = make_entry(&page, &row, true, e);
        if (status != LM_OK) {
            break;
        }
        if (page.bytes > LM_FEED_BYTES_MAX && out->n_entries > 0) {
            break; /* the rest is asked for again */
        }
        out->n_entries++;
    }
    out->done = true;
    lm_read_leave(store, own);
    return status;
}
