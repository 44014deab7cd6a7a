/* The node's session, downwards: PULL and FEED, WANT and BODIES.
 *
 * Invariants: one page is asked for, or being applied, at a time; a page is applied only if it is
 * of this session and starts at the node's cursor. WANT waits until the feed is caught up. */
#include "common/base/break.h"
#include "proto/node_session_internal.h"
#include "proto/proof.h"

#include <string.h>

enum { WANT_BODY_BYTES = 512 }; /* of a record, as a rule */

void lm_ns_down_begin(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    s->pulling = false;
    s->wanting = false;
    s->news = false;
    s->feed_done = false;
    s->pull_at_ms = 0;
    s->want_at_ms = 0;
    s->epoch++; /* this session's feed has not been seen to its end yet */
}

bool lm_ns_down_outstanding(const struct lm_node_session *s)
{
    return s->pulling || s->wanting;
}

bool lm_ns_down_done(const struct lm_node_session *s)
{
    return s->feed_done && s->done_epoch == s->epoch && !s->pulling && !s->applying &&
           !s->wanting && !s->reading_wanted && !s->news && s->wanted == 0;
}

static bool cursor_equal(const struct lm_cursor *a, const struct lm_cursor *b)
{
    return a->position == b->position && strcmp(a->id, b->id) == 0;
}

/* A page's head is what the hub is asked about in the next HELLO: false, it would look as if the
 * true hub had gone back. */
static bool is_proven(const struct lm_node_session *s, const struct lm_msg_feed *page)
{
    struct lm_proof proof = {.incarnation = s->config.incarnation, .mark = page->head};

    memcpy(proof.signature, page->signature, sizeof(proof.signature));
    return !page->has_signature || lm_proof_verifies(&proof, s->config.hub_sign_key);
}

void lm_ns_down_page(struct lm_ns_step *st, const struct lm_msg_feed *page, bool is_bodies)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;

    if (page->session != s->session || page->branch != s->config.branch) {
        lm_ns_log(st, "page of another session", page->session);
        return;
    }
    if (s->applying || !(is_bodies ? s->wanting : s->pulling)) {
        lm_ns_log(st, "page that was not asked for", page->from.position);
        return;
    }
    if (page->head.position < s->config.seen.position && !LM_BREAK(PAGE_FROM_ANYWHERE)) {
        /* Read before something that is here: its bodies would put older values back, and the
         * feed has passed the newer ones. */
        lm_ns_log(st, "page older than what was seen", page->head.position);
        return; /* asked again */
    }
    if (!is_bodies && !cursor_equal(&page->from, &s->config.cursor) &&
        !LM_BREAK(PAGE_FROM_ANYWHERE)) {
        lm_ns_log(st, "page that does not start at the cursor", page->from.position);
        return;
    }
    if (!is_bodies && (page->next.position < page->from.position ||
                       (!page->done && cursor_equal(&page->next, &page->from)))) {
        lm_ns_log(st, "page that leads nowhere", page->next.position);
        return; /* asked again after LM_PULL_AGAIN_MS */
    }
    if (!is_proven(s, page)) {
        lm_ns_reset(st, "hub_unproven");
        return;
    }
    lm_pace_came(&s->down, st->ev->message.n,
                 st->now_ms - (is_bodies ? s->want_sent_ms : s->pull_sent_ms));
    if (is_bodies) {
        s->wanting = false;
    } else {
        s->pulling = false;
    }
    s->applying = true;
    s->applying_bodies = is_bodies;
    s->applying_done = page->done;
    s->applying_session = page->session;
    s->applying_next = page->next;
    s->applying_mark = page->head;
    s->applying_has_sum = page->has_scope_sum && page->done && !is_bodies;
    s->applying_sum = page->scope_sum;
    s->applying_acked_seq = page->acked.seq;
    s->applying_signed = page->has_signature;
    memcpy(s->applying_signature, page->signature, sizeof(s->applying_signature));
    e = lm_ns_add(st, LM_NX_APPLY_FEED);
    e->feed.page = page;
    e->feed.is_bodies = is_bodies;
}

void lm_ns_down_applied(struct lm_ns_step *st, const struct lm_cursor *cursor, uint64_t wanted)
{
    struct lm_node_session *s = st->s;
    bool progress = wanted < s->wanted;

    if (!s->applying) {
        lm_ns_log(st, "FEED_APPLIED without a page", cursor->position);
        return;
    }
    s->applying = false;
    s->wanted = wanted;
    if (s->state == LM_NS_LIVE && s->applying_session != s->session) {
        return; /* of the former session; WELCOME_STORED has said since where to pull from */
    }
    s->config.cursor = *cursor;
    if (!s->applying_bodies && cursor_equal(cursor, &s->applying_next)) {
        lm_checkpoints_add(&s->config.checkpoints, &s->applying_mark, cursor, NULL);
    }
    if (s->applying_mark.position > s->config.seen.position &&
        (s->applying_bodies || cursor_equal(cursor, &s->applying_next))) {
        s->config.seen = s->applying_mark;
    }
    if (s->applying_signed && s->config.proof.incarnation.counter != 0 &&
        s->applying_mark.position > s->config.proof.mark.position &&
        (s->applying_bodies || cursor_equal(cursor, &s->applying_next))) {
        s->config.proof.mark = s->applying_mark;
        memcpy(s->config.proof.signature, s->applying_signature, sizeof(s->config.proof.signature));
    }
    if (s->state != LM_NS_LIVE) {
        return;
    }
    if (s->applying_bodies) {
        lm_ns_compare_page(s, false, 0, 0); /* they may be newer than the sum of the last page */
        s->want_at_ms = progress ? 0 : st->now_ms + LM_PULL_AGAIN_MS;
        return;
    }
    if (!cursor_equal(cursor, &s->applying_next)) {
        lm_ns_log(st, "page could not be applied", cursor->position);
        s->news = true;
        s->pull_held_ms = st->now_ms + LM_PULL_AGAIN_MS;
        return;
    }
    s->feed_done = s->applying_done;
    if (s->feed_done) {
        /* A late page of an earlier question may have been read before what was acked since. */
        if (s->applying_acked_seq >= s->config.acked.seq) {
            s->done_epoch = s->pull_epoch;
        } else {
            s->news = true;
        }
        s->pull_at_ms = st->now_ms + LM_PULL_AGAIN_MS;
        lm_ns_compare_page(s, s->applying_has_sum, s->applying_sum, s->applying_acked_seq);
    }
}

void lm_ns_down_news(struct lm_ns_step *st, uint64_t position)
{
    (void)position; /* the page that is under way may have been read before it: ask again in any
                       case */
    st->s->news = true;
}

static void pull(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_pull m = {
        .session = s->session, .cursor = s->config.cursor, .max_bytes = s->down.bytes};

    lm_pull_pack(&st->fx->bytes, &m);
    if (!lm_ns_send(st, LM_MSG_PULL, offset, 0)) {
        s->pull_held_ms = st->now_ms + LM_NODE_REFUSED_MS;
        return;
    }
    s->pulling = true;
    s->pull_sent_ms = st->now_ms;
    s->pull_epoch = s->epoch;
    s->pull_at_ms = st->now_ms;
    s->news = false;
}

void lm_ns_down_wanted(struct lm_ns_step *st, char (*ids)[40], size_t n)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_want m = {.session = s->session, .n_ids = n};
    size_t max = s->down.bytes / WANT_BODY_BYTES;

    if (!s->reading_wanted) {
        lm_ns_log(st, "WANTED that was not asked for", n);
        return;
    }
    s->reading_wanted = false;
    if (s->state != LM_NS_LIVE || s->pulling || s->applying) {
        return;
    }
    if (n == 0) {
        s->wanted = 0;
        return;
    }
    LM_CHECK(n <= LM_WANT_MAX);
    m.ids = ids;
    m.n_ids = n < max ? n : max; /* BODIES has no bound of the node's own */
    lm_want_pack(&st->fx->bytes, &m);
    if (!lm_ns_send(st, LM_MSG_WANT, offset, 0)) {
        s->want_at_ms = st->now_ms + LM_NODE_REFUSED_MS;
        return;
    }
    s->wanting = true;
    s->want_sent_ms = st->now_ms;
}

void lm_ns_down_refused(struct lm_ns_step *st, uint8_t kind)
{
    struct lm_node_session *s = st->s;

    if (kind == LM_MSG_PULL && s->pulling) {
        s->pulling = false;
        s->news = true; /* still to be asked */
        s->pull_held_ms = st->now_ms + LM_NODE_REFUSED_MS;
    } else if (kind == LM_MSG_WANT && s->wanting) {
        s->wanting = false;
        s->want_at_ms = st->now_ms + LM_NODE_REFUSED_MS;
    }
}

void lm_ns_down_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    bool due;
    int64_t wait_ms = lm_pace_wait_ms(&s->down, LM_PULL_AGAIN_MS);

    if (s->pulling && st->now_ms - s->pull_sent_ms >= wait_ms) {
        lm_ns_log(st, "no FEED: asking again", s->config.cursor.position);
        lm_pace_missed(&s->down);
        s->pulling = false;
        s->news = true;
    }
    if (s->wanting && st->now_ms - s->want_sent_ms >= wait_ms) {
        lm_ns_log(st, "no BODIES: asking again", s->wanted);
        lm_pace_missed(&s->down);
        s->wanting = false;
    }
    if (s->pulling || s->wanting || s->applying || s->reading_wanted ||
        st->now_ms < s->quiet_until_ms) {
        return;
    }
    /* What was acked may have come out other than sent: the feed tells, so look once more when all
     * is sent. */
    due = !s->feed_done || s->news || st->now_ms >= s->pull_at_ms ||
          (s->done_epoch != s->epoch && lm_ns_up_done(s));
    if (due) {
        if (st->now_ms >= s->pull_held_ms) {
            pull(st);
        }
        return;
    }
    if (s->wanted > 0 && st->now_ms >= s->want_at_ms) {
        s->reading_wanted = true;
        lm_ns_add(st, LM_NX_READ_WANTED);
    }
}
