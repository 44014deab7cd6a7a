/* What goes over a USB stick, in the database: which exports were made, from which state, and which
 * have been answered.
 *
 * Invariants: an export's number is committed before a file bears it, and never given twice. What a
 * reply says of acked, cursor and incarnation counts as the newest word of the hub only while the
 * node has heard nothing else since the export that it answers. */
#include "node/store/store_internal.h"

#include "common/base/util.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <string.h>

#define EXPORTS_KEPT 64

static void export_row(sqlite3_stmt *q, struct lm_export *out)
{
    memset(out, 0, sizeof *out);
    out->number = ns_column_u64(q, 0);
    out->branch = ns_column_u64(q, 1);
    out->lease.counter = ns_column_u64(q, 2);
    out->lease.random = ns_column_u64(q, 3);
    out->incarnation.counter = ns_column_u64(q, 4);
    out->incarnation.random = ns_column_u64(q, 5);
    out->seen.position = ns_column_u64(q, 6);
    ns_column_hash(q, 7, out->seen.hash);
    out->cursor.position = ns_column_u64(q, 8);
    ns_column_text(q, 9, out->cursor.id, sizeof out->cursor.id);
    out->taken = (int)sqlite3_column_int(q, 10);
}

static enum lm_status one_export(struct lm_nstore *store, sqlite3_stmt *q, struct lm_export *out,
                                 struct lm_error *err)
{
    enum lm_status st = ns_row(store, q, "read an export", err);

    if (st == LM_OK) {
        export_row(q, out);
        ns_done(q);
    }
    return st;
}

enum lm_status lm_nstore_export_begin(struct lm_nstore *store, struct lm_me *me,
                                      struct lm_checkpoints *checkpoints, struct lm_export *out,
                                      int64_t now_ms, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        st = lm_nstore_me(store, me, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_checkpoints(store, checkpoints, err);
    }
    if (st == LM_OK) {
        st = one_export(store, ns_stmt(store, NS_EXPORT_LAST), out, err);
    }
    if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
        goto out;
    }
    *out = (struct lm_export){.number = st == LM_OK ? out->number + 1 : 1,
                              .branch = me->branch,
                              .lease = me->lease,
                              .incarnation = me->incarnation,
                              .seen = me->seen,
                              .cursor = me->cursor};
    q = ns_stmt(store, NS_EXPORT_ADD);
    ns_bind_u64(q, 1, out->number);
    ns_bind_u64(q, 2, out->branch);
    ns_bind_u64(q, 3, out->lease.counter);
    ns_bind_u64(q, 4, out->lease.random);
    ns_bind_u64(q, 5, out->incarnation.counter);
    ns_bind_u64(q, 6, out->incarnation.random);
    ns_bind_u64(q, 7, out->seen.position);
    ns_bind_blob(q, 8, out->seen.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 9, out->cursor.position);
    ns_bind_text(q, 10, out->cursor.id);
    (void)sqlite3_bind_int64(q, 11, now_ms);
    st = ns_run(store, q, "number an export", err);
    if (st == LM_OK && out->number > EXPORTS_KEPT) {
        q = ns_stmt(store, NS_EXPORT_PRUNE);
        ns_bind_u64(q, 1, out->number - EXPORTS_KEPT);
        st = ns_run(store, q, "forget old exports", err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
out:
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_export_get(struct lm_nstore *store, uint64_t number, struct lm_export *out,
                                    struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_EXPORT_GET);

    ns_bind_u64(q, 1, number);
    return one_export(store, q, out, err);
}

enum lm_status lm_nstore_export_newest_taken(struct lm_nstore *store, uint64_t *number_out,
                                             struct lm_error *err)
{
    struct lm_export row;
    enum lm_status st = one_export(store, ns_stmt(store, NS_EXPORT_TAKEN), &row, err);

    *number_out = st == LM_OK ? row.number : 0;
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_export_take(struct lm_nstore *store, uint64_t number, int taken,
                                     struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_EXPORT_TAKE);

    ns_bind_u64(q, 1, number);
    (void)sqlite3_bind_int(q, 2, taken);
    return ns_run(store, q, "note a reply", err);
}

/* ---- a reply's WELCOME ---- */

static bool nothing_since(const struct lm_me *me, const struct lm_export *e)
{
    return me->branch == e->branch && me->lease.counter == e->lease.counter &&
           me->lease.random == e->lease.random &&
           me->incarnation.counter == e->incarnation.counter &&
           me->incarnation.random == e->incarnation.random &&
           me->seen.position == e->seen.position &&
           memcmp(me->seen.hash, e->seen.hash, LM_HASH_BYTES) == 0 &&
           me->cursor.position == e->cursor.position && strcmp(me->cursor.id, e->cursor.id) == 0;
}

static bool same_incarnation(struct lm_incarnation a, struct lm_incarnation b)
{
    return a.counter == b.counter && a.random == b.random;
}

static enum lm_status put_welcome(struct lm_nstore *store, const struct lm_me *me,
                                  struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_USB_WELCOME);

    ns_bind_u64(q, 1, me->incarnation.counter);
    ns_bind_u64(q, 2, me->incarnation.random);
    ns_bind_u64(q, 3, me->acked.seq);
    ns_bind_blob(q, 4, me->acked.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 5, me->safe_seq);
    ns_bind_u64(q, 6, me->hlc);
    ns_bind_u64(q, 7, me->seen.position);
    ns_bind_blob(q, 8, me->seen.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 9, me->cursor.position);
    ns_bind_text(q, 10, me->cursor.id);
    (void)sqlite3_bind_int64(q, 11, me->offset_ms);
    (void)sqlite3_bind_int64(q, 12, me->last_contact_ms);
    ns_bind_u64(q, 13, me->proof.mark.position);
    ns_bind_blob(q, 14, me->proof.mark.hash, LM_HASH_BYTES);
    ns_bind_blob(q, 15, me->proof.signature, sizeof me->proof.signature);
    return ns_run(store, q, "store a reply", err);
}

/* A reply was some days on its way: all that it shows of the clock is that it is not earlier now.
 */
static void learn_clock(struct lm_me *me, int64_t hub_time_ms, int64_t wall_ms)
{
    int64_t behind_ms = hub_time_ms - wall_ms, known_ms = me->offset_known ? me->offset_ms : 0;

    me->offset_ms = behind_ms > known_ms ? behind_ms : known_ms;
    me->last_contact_ms = hub_time_ms > me->last_contact_ms ? hub_time_ms : me->last_contact_ms;
}

/* What a WELCOME of another history asks for, as in lm_nstore_welcome, but for the cursor: the hub
 * sends its feed from the beginning then. */
static enum lm_status other_history(struct lm_nstore *store, const struct lm_msg_welcome *w,
                                    bool went_back, struct lm_me *me, struct lm_error *err)
{
    enum lm_status st;

    if (!went_back) { /* what waits there for a person is not in its journal */
        st = ns_run(store, ns_stmt(store, NS_OFFER_AGAIN), "offer again", err);
        return st == LM_OK ? ns_carry_closed(store, me, err) : st;
    }
    st = ns_offers_keep(store, w->common, me, err);
    if (st == LM_OK) {
        st = ns_want_newer(store, w->common, err);
    }
    if (st == LM_OK) {
        st = ns_checkpoints_cut(store, w->common, err);
    }
    if (st == LM_OK) {
        st = ns_carry_closed(store, me, err);
    }
    return st == LM_OK ? ns_past_forget(store, err) : st;
}

enum lm_status lm_nstore_usb_welcome(struct lm_nstore *store, const struct lm_export *e,
                                     const struct lm_msg_welcome *w, const struct lm_usb_pins *pins,
                                     int64_t wall_ms, struct lm_usb_welcome *out,
                                     struct lm_error *err)
{
    struct lm_hub_pins pinned = *pins->pins;
    struct lm_me me;
    bool fits = false, newest, went_back;
    enum lm_status st = lm_nstore_begin(store, err);

    memset(out, 0, sizeof *out);
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK && w->branch == me.branch) {
        st = lm_nstore_hash_is(store, &w->acked, &fits, err);
    }
    if (st != LM_OK) {
        goto out;
    }
    newest = nothing_since(&me, e);
    out->resumed = !newest && e->taken == LM_EXPORT_TAKING &&
                   me.lease.counter == e->lease.counter && me.lease.random == e->lease.random &&
                   same_incarnation(me.incarnation, w->incarnation);
    out->older_hub =
        me.incarnation.counter != 0 && (w->incarnation.counter < me.incarnation.counter ||
                                        (w->incarnation.counter == me.incarnation.counter &&
                                         w->incarnation.random != me.incarnation.random));
    out->acked_before = me.acked.seq;
    newest = newest && !out->older_hub;
    out->fork = newest && w->branch == me.branch && !fits;
    /* Judged by what the hub holds of what was seen: its journal may have grown past it since. */
    went_back = newest && w->common < e->seen.position;
    out->answers = (newest || out->resumed) && same_incarnation(e->incarnation, w->incarnation) &&
                   w->common >= e->seen.position;
    if (went_back || (newest && me.incarnation.counter != 0 &&
                      w->incarnation.counter > me.incarnation.counter)) {
        st = other_history(store, w, went_back, &me, err);
        if (st != LM_OK) {
            goto out;
        }
    }
    if (newest) {
        me.incarnation = w->incarnation;
        me.proof = lm_proof_of(w); /* signed for this incarnation: another's shows nothing */
        if (went_back) {
            me.cursor = (struct lm_cursor){0};
            me.seen = w->head;
        } else if (w->head.position > me.seen.position) {
            me.seen = w->head;
        }
    }
    if (w->branch != me.branch) {
        out->fork = fits = false; /* all of it goes into another branch already */
    }
    if (fits && (newest || w->acked.seq > me.acked.seq)) {
        me.acked = w->acked;
        me.safe_seq = w->safe_seq;
    }
    me.hlc = w->hlc_known > me.hlc && w->hlc_known < LM_HLC_FAR ? w->hlc_known : me.hlc;
    learn_clock(&me, w->hub_time_ms, wall_ms);
    st = put_welcome(store, &me, err);
    if (st == LM_OK && (newest || out->resumed)) {
        st = lm_nstore_export_take(store, e->number, LM_EXPORT_TAKING, err);
    }
    /* With it: taken without its pin, and never again, the next export would be for a key that is
     * over. */
    if (st == LM_OK && lm_pins_learn(&pinned, pins->verdict, w, newest || out->resumed)) {
        st = lm_nstore_pin(store, pins->kit_key, &pinned, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st == LM_OK) {
        *pins->pins = pinned;
    }
    out->newest = newest;
    out->went_back = went_back;
    out->me = me;
out:
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_usb_restart(struct lm_nstore *store, struct lm_error *err)
{
    return ns_run(store, ns_stmt(store, NS_USB_RESTART), "begin the feed anew", err);
}
