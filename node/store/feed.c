/* Taking in a page of the feed: one transaction that holds records, verdicts, the wanted list and
 * the cursor together.
 *
 * A page is judged by its own acked position: a group of fields that an own change above it touches
 * keeps the local value, everything else becomes the hub's (design "Applying at the node"). So a
 * page may be applied any number of times. */
#include "node/store/store_internal.h"

#include "common/base/break.h"
#include "common/base/log.h"
#include "proto/feed.h"
#include "proto/validate.h"

#include <string.h>

/* One page at work. */
struct page {
    struct lm_nstore *s;
    const struct lm_msg_feed *msg;
    bool is_bodies;
    uint64_t acked_seq; /* the page's own: what it says of our changes ends there */
    struct lm_me me;
    struct lm_lookup lookup;
    struct lm_arena arena; /* of one entry */
    struct lm_error *err;
};

static enum lm_status want(struct page *p, const char *id, bool wanted)
{
    sqlite3_stmt *q = ns_stmt(p->s, wanted ? NS_WANT_ADD : NS_WANT_DROP);

    if (LM_BREAK(WANT_NOT_STORED) && wanted) {
        return LM_OK;
    }
    ns_bind_text(q, 1, id);
    return ns_run(p->s, q, "note what is wanted", p->err);
}

static enum lm_status get_local(struct page *p, const struct lm_type *type, const char *id,
                                struct lm_record **out)
{
    enum lm_status st = lm_tables_get(p->s->tables, &p->arena, type, id, out);

    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static const char *level_of(const struct page *p, const struct lm_record *rec)
{
    const char *code = lm_record_text(rec, LM_C_VILLAGE_CODE);
    const char *level =
        strcmp(code, p->me.station) == 0 ? p->me.level : p->lookup.area_level(p->lookup.ctx, code);

    return level ? level : p->me.level;
}

static enum lm_status take_body(struct page *p, const struct lm_feed_entry *e)
{
    struct lm_error why = {0};
    struct lm_record *hub = NULL, *local = NULL, *rec = NULL;
    bool pending[LM_GROUPS_PER_TYPE_MAX], any;
    enum lm_status st = lm_body_read(p->s->catalog, e->body, e->body_len, &p->arena, &hub, &why);

    if (st == LM_ERR_NOT_FOUND || st == LM_ERR_INVALID || st == LM_ERR_VERSION) {
        /* Of a newer catalogue, as a rule: kept until that is here. Asking again gives the same. */
        lm_log(LM_LOG_WARN, "feed", "record %s cannot be read: %s", e->id, why.code);
        st = LM_BREAK(TYPE_DROPPED)
                 ? LM_OK
                 : ns_later_put(p->s, e->id, e->type, e->body, e->body_len, p->err);
        return st == LM_OK ? want(p, e->id, false) : st;
    }
    if (st != LM_OK) {
        return st;
    }
    if (strcmp(hub->id, e->id) != 0) {
        lm_log(LM_LOG_WARN, "feed", "entry %s holds another record", e->id);
        return LM_OK;
    }
    st = ns_later_drop(p->s, e->id, p->err);
    if (st == LM_OK) {
        st = get_local(p, hub->type, hub->id, &local);
    }
    if (st == LM_OK) {
        st = lm_nstore_pending(p->s, hub->type, hub->id, p->msg->branch, p->acked_seq, pending,
                               &any, p->err);
    }
    if (st == LM_OK) {
        st = lm_feed_take(local, hub, pending, &p->arena, &rec);
    }
    if (st == LM_OK) {
        st = lm_compute(p->s->catalog, rec, false, level_of(p, rec), &p->lookup, &p->arena);
    }
    if (st == LM_OK) {
        st = lm_tables_put(p->s->tables, rec, local == NULL, p->err);
    }
    if (st == LM_OK && !local) {
        sqlite3_stmt *q = ns_stmt(p->s, NS_GONE_DROP);

        ns_bind_text(q, 1, e->id);
        st = ns_run(p->s, q, "note a record that came back", p->err);
    }
    if (st == LM_OK) {
        st = ns_town_account_take(p->s, rec, p->err);
    }
    return st == LM_OK ? want(p, e->id, false) : st;
}

static enum lm_status take_digest(struct page *p, const struct lm_feed_entry *e)
{
    const struct lm_type *type = lm_catalog_type(p->s->catalog, e->type);
    struct lm_record *local = NULL;
    enum lm_status st;

    if (!type) {
        /* Made here before this PC was set back behind a newer catalogue: its body, asked for, is
         * kept for later. */
        return want(p, e->id, true);
    }
    st = get_local(p, type, e->id, &local);
    if (st != LM_OK) {
        return st;
    }
    if (!local) {
        return want(p, e->id, true);
    }
    if (!lm_nstore_unacked(p->s, e->id, p->msg->branch, p->acked_seq) &&
        (lm_record_digest(local) != e->digest || local->invalid)) {
        return want(p, e->id, true);
    }
    local->position = (int64_t)e->position;
    return lm_tables_put(p->s->tables, local, false, p->err);
}

static enum lm_status delete_row(struct page *p, const struct lm_type *type, const char *id)
{
    sqlite3_stmt *stmt = NULL;
    char sql[128];
    enum lm_status st;

    (void)sqlite3_snprintf(sizeof sql, sql, "DELETE FROM \"r_%w\" WHERE id = ?1", type->name);
    st = lm_db_prepare(p->s->db, sql, &stmt, p->err);
    if (st == LM_OK) {
        ns_bind_text(stmt, 1, id);
        st = ns_run(p->s, stmt, "remove a record that went to another village", p->err);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

static enum lm_status note_gone(struct page *p, const struct lm_feed_entry *e)
{
    sqlite3_stmt *q = ns_stmt(p->s, NS_GONE_PUT);
    enum lm_status st;

    if (LM_BREAK(GONE_FORGOTTEN)) {
        return LM_OK;
    }
    ns_bind_text(q, 1, e->id);
    ns_bind_u64(q, 2, e->position);
    st = ns_run(p->s, q, "note a record that went to another village", p->err);
    return st == LM_OK ? ns_run(p->s, ns_stmt(p->s, NS_GONE_TRIM), "forget old ones", p->err) : st;
}

/* Whether what stands here is a creation that the hub refused, as the entry itself tells: its id is
 * another station's record, and what was entered is nowhere else. */
static bool refused_here(const struct lm_feed_entry *e, const struct lm_record *local)
{
    for (size_t i = 0; local && local->position == 0 && i < e->n_verdicts; i++) {
        if (e->verdicts[i].verdict == LM_V_REFUSED &&
            e->verdicts[i].hlc == local->stamps[LM_GROUP_ORIGIN].version.hlc) {
            return true;
        }
    }
    return false;
}

/* The record left this scope. What was changed here and is not acked is kept until it is: then the
 * hub is asked again. */
static enum lm_status take_gone(struct page *p, const struct lm_feed_entry *e)
{
    const struct lm_type *type = lm_catalog_type(p->s->catalog, e->type);
    struct lm_record *local = NULL;
    enum lm_status st = LM_OK;

    if (lm_nstore_unacked(p->s, e->id, p->msg->branch, p->acked_seq)) {
        return want(p, e->id, true);
    }
    if (type) {
        st = get_local(p, type, e->id, &local);
    }
    if (st == LM_OK && refused_here(e, local)) {
        return want(p, e->id, false);
    }
    st = st == LM_OK && type ? delete_row(p, type, e->id) : st;
    st = st == LM_OK ? ns_town_account_end(p->s, e->id, p->err) : st;
    st = st == LM_OK ? ns_later_drop(p->s, e->id, p->err) : st;
    st = st == LM_OK ? note_gone(p, e) : st;
    return st == LM_OK ? want(p, e->id, false) : st;
}

/* The hub has no such record. What was begun here is ours, with the verdicts that tell why it is
 * not there; what came from the hub was in a history of it that is gone (offers.c has set it
 * aside). */
static enum lm_status take_absent(struct page *p, const struct lm_feed_entry *e)
{
    const struct lm_type *type = lm_catalog_type(p->s->catalog, e->type);
    struct lm_record *local = NULL;
    enum lm_status st = LM_OK;

    type = type ? type : lm_nstore_type_of(p->s, e->id);
    if (type) {
        st = get_local(p, type, e->id, &local);
    }
    if (st == LM_OK && local && local->position > 0 &&
        local->stamps[LM_GROUP_ORIGIN].version.replica != p->me.replica &&
        !lm_nstore_unacked(p->s, e->id, p->msg->branch, p->acked_seq)) {
        st = delete_row(p, type, e->id);
    } else if (st == LM_OK && local && local->position > 0) {
        local->position = 0; /* not one of those that the hub has: store/compare.c */
        st = lm_tables_put(p->s->tables, local, false, p->err);
    }
    return st == LM_OK ? want(p, e->id, false) : st;
}

/* The open verdicts that an entry brings are all that are open of this record, as far as the page
 * knows our changes. */
static enum lm_status take_verdicts(struct page *p, const struct lm_feed_entry *e)
{
    sqlite3_stmt *q = ns_stmt(p->s, NS_VERDICT_CLOSE);
    enum lm_status st;

    if (LM_BREAK(VERDICT_ONLY_IN_ACK)) {
        return LM_OK;
    }
    ns_bind_text(q, 1, e->id);
    ns_bind_u64(q, 2, p->msg->branch);
    ns_bind_u64(q, 3, p->acked_seq);
    st = ns_run(p->s, q, "close verdicts", p->err);
    for (size_t i = 0; st == LM_OK && i < e->n_verdicts; i++) {
        const struct lm_feed_verdict *v = &e->verdicts[i];

        q = ns_stmt(p->s, NS_VERDICT_PUT);
        ns_bind_u64(q, 1, v->hlc);
        ns_bind_text(q, 2, e->id);
        ns_bind_text(q, 3, e->type);
        (void)sqlite3_bind_int(q, 4, v->verdict);
        ns_bind_text(q, 5, v->code);
        ns_bind_text(q, 6, v->field);
        ns_bind_text(q, 7, v->zh);
        ns_bind_text(q, 8, v->en);
        st = ns_run(p->s, q, "note a verdict", p->err);
    }
    return st;
}

static enum lm_status take_entry(struct page *p, const struct lm_feed_entry *e)
{
    enum lm_status st = LM_OK;

    lm_arena_reset(&p->arena);
    switch (e->kind) {
    case LM_ENTRY_BODY:
        st = take_body(p, e);
        break;
    case LM_ENTRY_DIGEST:
        st = take_digest(p, e);
        break;
    case LM_ENTRY_GONE:
        st = take_gone(p, e);
        break;
    case LM_ENTRY_ABSENT:
        st = take_absent(p, e);
        break;
    }
    return st == LM_OK ? take_verdicts(p, e) : st;
}

static enum lm_status move_cursor(struct page *p, int64_t contact_ms)
{
    sqlite3_stmt *q;
    enum lm_status st;

    if (!p->is_bodies) {
        if (LM_BREAK(PAGE_FROM_ANYWHERE) && p->msg->next.position < p->me.cursor.position) {
            return LM_OK;
        }
        p->me.cursor = p->msg->next;
    }
    /* The mark of BODIES too: what they bring may be newer than any page so far, and is gone with
     * it when the hub goes back. */
    q = ns_stmt(p->s, NS_ME_CURSOR);
    ns_bind_u64(q, 1, p->me.cursor.position);
    ns_bind_text(q, 2, p->me.cursor.id);
    ns_bind_u64(q, 3, p->msg->head.position);
    ns_bind_blob(q, 4, p->msg->head.hash, LM_HASH_BYTES);
    (void)sqlite3_bind_int64(q, 5, contact_ms);
    st = ns_run(p->s, q, "move the cursor", p->err);
    if (st == LM_OK && p->msg->has_signature) {
        q = ns_stmt(p->s, NS_ME_PROOF);
        ns_bind_u64(q, 1, p->msg->head.position);
        ns_bind_blob(q, 2, p->msg->head.hash, LM_HASH_BYTES);
        ns_bind_blob(q, 3, p->msg->signature, sizeof p->msg->signature);
        st = ns_run(p->s, q, "keep a proof", p->err);
    }
    return st == LM_OK && !p->is_bodies
               ? ns_checkpoint_add(p->s, &p->msg->head, &p->me.cursor, p->err)
               : st;
}

enum lm_status lm_nstore_apply_page(struct lm_nstore *store, const struct lm_msg_feed *page,
                                    bool is_bodies, int64_t contact_ms, struct lm_cursor *cursor,
                                    uint64_t *wanted, struct lm_error *err)
{
    struct page p = {.s = store, .msg = page, .is_bodies = is_bodies, .err = err};
    enum lm_status st;

    lm_arena_init(&p.arena, NS_RECORD_ARENA_BYTES);
    st = lm_nstore_begin(store, err);
    p.lookup = lm_tables_lookup(store->tables); /* of the catalogue that is in force now */
    if (st == LM_OK) {
        st = lm_nstore_me(store, &p.me, err);
    }
    /* The cursor may have been set back by another process's WELCOME since this page was asked for:
     * drop it then. */
    if (st == LM_OK &&
        (page->branch != p.me.branch || (!is_bodies && !LM_BREAK(PAGE_FROM_ANYWHERE) &&
                                         (page->from.position != p.me.cursor.position ||
                                          strcmp(page->from.id, p.me.cursor.id) != 0)))) {
        lm_log(LM_LOG_WARN, "feed", "a page that does not continue here was dropped");
    } else {
        if (st == LM_OK && LM_BREAK(CURSOR_BEFORE_PAGE)) {
            st = move_cursor(&p, contact_ms);
            st = st == LM_OK ? lm_nstore_commit(store, err) : st;
            st = st == LM_OK ? lm_nstore_begin(store, err) : st;
        }
        p.acked_seq = LM_BREAK(NEWEST_ACKED) ? p.me.acked.seq : page->acked.seq;
        for (size_t i = 0; st == LM_OK && i < page->n_entries; i++) {
            st = take_entry(&p, &page->entries[i]);
        }
        if (st == LM_OK) {
            st = move_cursor(&p, contact_ms);
        }
    }
    if (st == LM_OK) {
        st = ns_wanted_count(store, wanted, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    *cursor = p.me.cursor;
    lm_nstore_rollback(store);
    lm_arena_free(&p.arena);
    if (st != LM_OK && err && !err->code[0]) {
        (void)lm_fail(err, st, lm_status_name(st), "", "同步来的记录无法写入。",
                      "A page of the feed could not be stored.");
    }
    return st;
}

/* What was kept of records that could not be read, judged by what is acked now: nothing can have
 * been made here about a record of a type that was not known. */
enum lm_status ns_later_take(struct lm_nstore *s, struct lm_error *err)
{
    struct lm_msg_feed msg = {0};
    struct page p = {.s = s, .msg = &msg, .err = err, .lookup = lm_tables_lookup(s->tables)};
    char after[40] = "";
    enum lm_status st = lm_nstore_me(s, &p.me, err);
    struct lm_arena bodies;

    if (st == LM_ERR_NOT_FOUND) {
        return LM_OK; /* not enrolled yet */
    }
    msg.branch = p.me.branch;
    msg.acked = p.me.acked;
    lm_arena_init(&p.arena, NS_RECORD_ARENA_BYTES);
    lm_arena_init(&bodies, NS_RECORD_ARENA_BYTES);
    while (st == LM_OK) {
        struct lm_feed_entry e = {.kind = LM_ENTRY_BODY};
        sqlite3_stmt *q = ns_stmt(s, NS_LATER_NEXT);
        uint8_t *copy;

        lm_arena_reset(&p.arena);
        lm_arena_reset(&bodies);
        ns_bind_text(q, 1, after);
        st = ns_row(s, q, "read what was kept", err);
        if (st != LM_OK) {
            break;
        }
        ns_column_text(q, 0, e.id, sizeof e.id);
        e.type = lm_arena_text(&bodies, (const char *)sqlite3_column_text(q, 1),
                               (size_t)sqlite3_column_bytes(q, 1));
        e.body_len = (size_t)sqlite3_column_bytes(q, 2);
        copy = lm_arena_alloc(&bodies, e.body_len);
        if (copy && e.body_len) {
            memcpy(copy, sqlite3_column_blob(q, 2), e.body_len);
        }
        ns_done(q);
        e.body = copy;
        (void)snprintf(after, sizeof after, "%s", e.id);
        st = copy && e.type ? take_body(&p, &e) : LM_ERR_MEMORY;
    }
    lm_arena_free(&p.arena);
    lm_arena_free(&bodies);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_put_kit_record(struct lm_nstore *store, const uint8_t *body, size_t n,
                                        const char *level, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    struct lm_lookup lookup = lm_tables_lookup(store->tables);
    enum lm_status st;

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    st = lm_body_read(store->catalog, body, n, &arena, &rec, err);
    if (st == LM_ERR_NOT_FOUND) {
        st = LM_OK; /* of a newer catalogue */
    } else if (st == LM_OK && !lm_tables_exists(store->tables, rec->type, rec->id)) {
        st = lm_compute(store->catalog, rec, false, level, &lookup, &arena);
        if (st == LM_OK) {
            st = lm_tables_put(store->tables, rec, true, err);
        }
    }
    lm_arena_free(&arena);
    return st;
}
