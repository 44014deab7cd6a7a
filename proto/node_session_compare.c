/* The node's session: is what lies here what the hub says that lies here? The last page of the feed
 * carries the sum of all digests of the scope. When nothing is on its way and the node's own sum is
 * another one, ids and digests are compared, and what differs is wanted. That happens when
 * something went past the programs: a row written by hand, a disk's fault, a mistake of ours.
 *
 * Invariants: one question at a time; a whole comparison at most once in LM_NODE_COMPARE_AGAIN_MS,
 * so that what cannot be mended does not cost the line. */
#include "proto/node_session_internal.h"

#include <string.h>

enum { ENTRY_BYTES = 28, TRIES_MAX = 5 };

void lm_ns_compare_begin(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    s->compare.has_sum = false;
    s->compare.active = false;
    s->compare.asking = false;
    s->compare.same = false;
}

void lm_ns_compare_page(struct lm_node_session *s, bool has_sum, uint64_t sum, uint64_t acked_seq)
{
    s->compare.has_sum = has_sum;
    s->compare.sum = sum;
    s->compare.at = s->config.cursor;
    s->compare.acked_seq = acked_seq;
}

bool lm_ns_compare_done(const struct lm_node_session *s)
{
    return !s->compare.checking && !s->compare.active && !s->compare.looking;
}

static void give_up(struct lm_ns_step *st)
{
    st->s->compare.active = false;
    st->s->compare.again_ms = st->now_ms + LM_NODE_COMPARE_AGAIN_MS;
}

void lm_ns_compare_summed(struct lm_ns_step *st, enum lm_sum_outcome outcome)
{
    struct lm_node_session *s = st->s;

    if (!s->compare.checking) {
        lm_ns_log(st, "SUM that was not asked for", outcome);
        return;
    }
    s->compare.checking = false;
    if (s->state != LM_NS_LIVE) {
        return;
    }
    if (outcome == LM_SUM_SAME) {
        s->compare.same = true;
        s->compare.same_sum = s->compare.checked;
    } else if (outcome == LM_SUM_DIFFERENT) {
        s->compare.same = false;
        lm_ns_log(st, "the scope's sum differs; comparing", s->compare.checked);
        s->compare.active = true;
        s->compare.tries = 0;
        s->compare.after[0] = '\0';
    }
}

void lm_ns_compare_digests(struct lm_ns_step *st, const struct lm_msg_digests *m)
{
    struct lm_node_session *s = st->s;

    if (m->session != s->session || m->branch != s->config.branch || !s->compare.asking ||
        strcmp(m->after, s->compare.after) != 0) {
        lm_ns_log(st, "DIGESTS that were not asked for", m->n);
        return;
    }
    lm_pace_came(&s->down, st->ev->message.n, st->now_ms - s->compare.sent_ms);
    s->compare.asking = false;
    s->compare.tries = 0;
    s->compare.looking = true;
    s->compare.last = m->done;
    if (m->n > 0) {
        memcpy(s->compare.next, m->items[m->n - 1].id, sizeof(s->compare.next));
    }
    lm_ns_add(st, LM_NX_COMPARE)->digests = m;
}

void lm_ns_compare_looked(struct lm_ns_step *st, bool ok, uint64_t wanted)
{
    struct lm_node_session *s = st->s;

    if (!s->compare.looking) {
        lm_ns_log(st, "COMPARED that was not asked for", wanted);
        return;
    }
    s->compare.looking = false;
    if (s->state != LM_NS_LIVE || !s->compare.active) {
        return;
    }
    if (!ok) {
        give_up(st);
        return;
    }
    s->wanted = wanted;
    if (s->compare.last) {
        give_up(st);
        s->news = true; /* the next page tells whether it is mended */
    } else {
        memcpy(s->compare.after, s->compare.next, sizeof(s->compare.after));
    }
}

void lm_ns_compare_refused(struct lm_ns_step *st)
{
    st->s->compare.asking = false;
    st->s->compare.held_ms = st->now_ms + LM_NODE_REFUSED_MS;
}

static void ask(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    uint32_t max = s->down.bytes / ENTRY_BYTES;
    struct lm_msg_compare m = {.session = s->session,
                               .max = max < LM_COMPARE_MAX ? max : LM_COMPARE_MAX};

    memcpy(m.after, s->compare.after, sizeof(m.after));
    lm_compare_pack(&st->fx->bytes, &m);
    if (!lm_ns_send(st, LM_MSG_COMPARE, offset, 0)) {
        s->compare.held_ms = st->now_ms + LM_NODE_REFUSED_MS;
        return;
    }
    s->compare.asking = true;
    s->compare.sent_ms = st->now_ms;
}

static void pump_questions(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (s->compare.asking &&
        st->now_ms - s->compare.sent_ms >= lm_pace_wait_ms(&s->down, LM_PULL_AGAIN_MS)) {
        lm_ns_log(st, "no DIGESTS", s->compare.tries);
        lm_pace_missed(&s->down);
        s->compare.asking = false;
        if (++s->compare.tries >= TRIES_MAX) {
            give_up(st);
            return;
        }
    }
    if (!s->compare.asking && !s->pulling && !s->wanting && !s->applying &&
        st->now_ms >= s->compare.held_ms && st->now_ms >= s->quiet_until_ms) {
        ask(st);
    }
}

void lm_ns_compare_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;

    if (s->compare.checking || s->compare.looking) {
        return;
    }
    if (s->compare.active) {
        pump_questions(st);
        return;
    }
    if (!s->compare.has_sum || !lm_ns_up_done(s) || !lm_ns_down_done(s)) {
        return;
    }
    s->compare.has_sum = false;
    if ((s->compare.same && s->compare.same_sum == s->compare.sum) ||
        st->now_ms < s->compare.again_ms) {
        return;
    }
    s->compare.checking = true;
    s->compare.checked = s->compare.sum;
    e = lm_ns_add(st, LM_NX_CHECK_SUM);
    e->sum.sum = s->compare.sum;
    e->sum.cursor = s->compare.at;
    e->sum.acked_seq = s->compare.acked_seq;
}
