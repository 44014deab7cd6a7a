/* Whether what lies here is what the hub says: the sum of all digests, and record by record. What
 * differs goes into the wanted list and is mended by bodies of the hub's, like anything else.
 *
 * Left out are records that the hub does not have by its own word: those that were made here and
 * have not been applied (position 0), and those that changes not acked yet touch. */
#include "node/store/store_internal.h"

#include "common/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the sum ---- */

static bool add(void *arg, const struct lm_record *rec)
{
    if (rec->position > 0) {
        *(uint64_t *)arg += lm_record_digest(rec);
    }
    return true;
}

static enum lm_status each_record(struct lm_nstore *s,
                                  bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                                  struct lm_error *err)
{
    enum lm_status st = LM_OK;

    for (size_t i = 0; st == LM_OK && i < s->catalog->n_types; i++) {
        const struct lm_type *type = &s->catalog->types[i];

        if (type->feed != LM_FEED_HUB) {
            st = lm_tables_list(s->tables, NULL, type, NULL, NULL, 0, true, visit, arg, err);
        }
    }
    return st;
}

static enum lm_status later_count(struct lm_nstore *s, uint64_t *out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_LATER_COUNT);
    enum lm_status st = ns_row(s, q, "count what is kept for later", err);

    *out = 0;
    if (st == LM_OK) {
        *out = ns_column_u64(q, 0);
        ns_done(q);
    }
    return st;
}

enum lm_status lm_nstore_check_sum(struct lm_nstore *store, uint64_t sum,
                                   const struct lm_cursor *cursor, uint64_t acked_seq,
                                   enum lm_sum_outcome *out, struct lm_error *err)
{
    struct lm_me me;
    uint64_t wanted = 0, later = 0, here = 0;
    enum lm_status st = lm_db_begin_read(store->db, err);

    *out = LM_SUM_UNSURE;
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK) {
        st = ns_wanted_count(store, &wanted, err);
    }
    if (st == LM_OK) {
        st = later_count(store, &later, err);
    }
    /* Only a state that the sum speaks of: nothing came or was made since. */
    if (st == LM_OK && wanted == 0 && later == 0 && me.head.seq == me.acked.seq &&
        me.head.seq == acked_seq && me.cursor.position == cursor->position &&
        strcmp(me.cursor.id, cursor->id) == 0) {
        st = each_record(store, add, &here, err);
        *out = here == sum ? LM_SUM_SAME : LM_SUM_DIFFERENT;
    }
    lm_db_rollback(store->db);
    return st;
}

/* ---- record by record ---- */

struct compare {
    const struct lm_msg_digests *msg;
    const char
        *last;  /* id of the last entry; beyond it nothing is said unless the page is the last */
    bool *seen; /* of each entry */
    char (*differ)[40]; /* up to 2 * LM_COMPARE_MAX */
    size_t n;
};

static void note(struct compare *c, const char *id)
{
    if (c->n < 2 * LM_COMPARE_MAX) { /* what is left over is found the next time */
        (void)snprintf(c->differ[c->n++], sizeof c->differ[0], "%s", id);
    }
}

static int by_id(const void *key, const void *entry)
{
    return strcmp(key, ((const struct lm_scope_entry *)entry)->id);
}

static bool look(void *arg, const struct lm_record *rec)
{
    struct compare *c = arg;
    const struct lm_scope_entry *e;

    if (strcmp(rec->id, c->msg->after) <= 0 || (!c->msg->done && strcmp(rec->id, c->last) > 0)) {
        return true;
    }
    e = c->msg->n > 0 ? bsearch(rec->id, c->msg->items, c->msg->n, sizeof *e, by_id) : NULL;
    if (e) {
        c->seen[e - c->msg->items] = true;
    }
    if (e ? e->digest != lm_record_digest(rec) : rec->position > 0) {
        note(c, rec->id);
    }
    return true;
}

static enum lm_status want_all(struct lm_nstore *s, const struct compare *c, uint64_t *n_out,
                               struct lm_error *err)
{
    enum lm_status st = LM_OK;

    *n_out = 0;
    for (size_t i = 0; st == LM_OK && i < c->n; i++) {
        sqlite3_stmt *q;

        if (lm_nstore_unacked(s, c->differ[i], c->msg->branch, c->msg->acked.seq)) {
            continue;
        }
        q = ns_stmt(s, NS_WANT_ADD);
        ns_bind_text(q, 1, c->differ[i]);
        st = ns_run(s, q, "note what is wanted", err);
        *n_out += st == LM_OK;
    }
    return st;
}

enum lm_status lm_nstore_compare(struct lm_nstore *store, const struct lm_msg_digests *digests,
                                 uint64_t *wanted, uint64_t *differ_out, struct lm_error *err)
{
    struct compare c = {.msg = digests,
                        .last = digests->n > 0 ? digests->items[digests->n - 1].id : "",
                        .seen = calloc(digests->n + 1, sizeof *c.seen),
                        .differ = calloc(2 * LM_COMPARE_MAX, sizeof *c.differ)};
    struct lm_me me;
    enum lm_status st = c.seen && c.differ ? lm_nstore_begin(store, err) : LM_ERR_MEMORY;

    *differ_out = 0;
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK && digests->branch == me.branch) {
        st = each_record(store, look, &c, err);
        for (size_t i = 0; st == LM_OK && i < digests->n; i++) {
            if (!c.seen[i]) {
                note(&c, digests->items[i].id);
            }
        }
        if (st == LM_OK) {
            st = want_all(store, &c, differ_out, err);
        }
    }
    if (st == LM_OK) {
        st = ns_wanted_count(store, wanted, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    free(c.seen);
    free(c.differ);
    return st;
}
