/* The node's session: HISTORY, what became of one record. Asked for when a person wants it, of a
 * record whose past other PCs know: a person who moved here, a PC that took another one's place.
 * Which records are wanted, and how far each has come, is in the node's database.
 *
 * Invariants: one question at a time, after everything else that is asked for; a hub that does not
 * answer (an older program) is asked TRIES_MAX times a session. */
#include "proto/node_session_internal.h"

#include <string.h>

enum { TRIES_MAX = 3 };

void lm_ns_past_begin(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    s->past.look = true;
    s->past.active = false;
    s->past.asking = false;
    s->past.tries = 0;
}

bool lm_ns_past_done(const struct lm_node_session *s)
{
    return !s->past.look && !s->past.looking && !s->past.active;
}

void lm_ns_past_looked(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (!s->past.looking) {
        lm_ns_log(st, "PAST that was not asked for", 0);
        return;
    }
    s->past.looking = false;
    if (s->state != LM_NS_LIVE || s->past.look) {
        return; /* of a session that has ended: read anew */
    }
    s->past.active = st->ev->past.id[0] != '\0';
    memcpy(s->past.id, st->ev->past.id, sizeof(s->past.id));
    s->past.after = st->ev->past.after;
}

void lm_ns_past_answer(struct lm_ns_step *st, const struct lm_msg_past *m)
{
    struct lm_node_session *s = st->s;

    if (m->session != s->session || !s->past.asking || strcmp(m->id, s->past.id) != 0 ||
        m->after != s->past.after) {
        lm_ns_log(st, "HISTORY that was not asked for", m->n);
        return;
    }
    lm_pace_came(&s->down, st->ev->message.n, st->now_ms - s->past.sent_ms);
    s->past.asking = false;
    s->past.active = false;
    s->past.tries = 0;
    s->past.looking = true;
    lm_ns_add(st, LM_NX_STORE_PAST)->past = m;
}

void lm_ns_past_refused(struct lm_ns_step *st)
{
    st->s->past.asking = false;
    st->s->past.held_ms = st->now_ms + LM_NODE_REFUSED_MS;
}

static void ask(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_past_ask m = {
        .session = s->session,
        .after = s->past.after,
        .max_bytes = s->down.bytes < LM_HISTORY_BYTES_MAX ? s->down.bytes : LM_HISTORY_BYTES_MAX};

    memcpy(m.id, s->past.id, sizeof(m.id));
    lm_past_ask_pack(&st->fx->bytes, &m);
    if (!lm_ns_send(st, LM_MSG_HISTORY, offset, 0)) {
        s->past.held_ms = st->now_ms + LM_NODE_REFUSED_MS;
        return;
    }
    s->past.asking = true;
    s->past.sent_ms = st->now_ms;
}

void lm_ns_past_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (s->past.asking &&
        st->now_ms - s->past.sent_ms >= lm_pace_wait_ms(&s->down, LM_PULL_AGAIN_MS)) {
        lm_ns_log(st, "no HISTORY", s->past.tries);
        lm_pace_missed(&s->down);
        s->past.asking = false;
        if (++s->past.tries >= TRIES_MAX) {
            s->past.active = false; /* until the next session, or a person asks again */
        }
    }
    if (s->past.looking || s->past.asking || s->pulling || s->wanting || s->applying ||
        st->now_ms < s->past.held_ms || st->now_ms < s->quiet_until_ms) {
        return;
    }
    if (s->past.look) {
        s->past.look = false;
        s->past.looking = true;
        lm_ns_add(st, LM_NX_READ_PAST);
    } else if (s->past.active) {
        ask(st);
    }
}
