/* The node's session: the hub's catalogue, in parts.
 *
 * WELCOME and CATALOG without bytes say which catalogue the hub has. The program says whether it is
 * wanted and from which byte on; parts are asked for one at a time and stored as they come, so that
 * a lost connection costs one of them. Invariants: one question and one look of the program at a
 * time; a part is stored only if it is of the catalogue asked for and begins where what is stored
 * ends; whatever else comes is an offer at most. */
#include "proto/node_session_internal.h"

#include <string.h>

static bool same(const struct lm_msg_part *a, uint32_t number, const uint8_t hash[32])
{
    return a->number == number && memcmp(a->hash, hash, sizeof(a->hash)) == 0;
}

static void look(struct lm_ns_step *st, enum lm_node_effect_kind kind,
                 const struct lm_msg_part *part)
{
    st->s->catalog.looking = true;
    lm_ns_add(st, kind)->part = part;
}

/* The hub has this one. */
static void offered(struct lm_ns_step *st, uint32_t number, const uint8_t hash[32])
{
    struct lm_node_session *s = st->s;

    if (same(&s->catalog.part, number, hash) && (s->catalog.kept_out || s->catalog.wanted)) {
        s->catalog.tries = 0;
        return;
    }
    if (s->catalog.looking || number == 0 ||
        (s->config.catalog == number &&
         memcmp(s->config.catalog_hash, hash, sizeof(s->config.catalog_hash)) == 0)) {
        return; /* our own; while the program looks, the hub says it again within a minute */
    }
    memset(&s->catalog, 0, sizeof(s->catalog));
    s->catalog.part.number = number;
    memcpy(s->catalog.part.hash, hash, sizeof(s->catalog.part.hash));
    look(st, LM_NX_OFFER, &s->catalog.part);
}

void lm_ns_catalog_begin(struct lm_ns_step *st)
{
    bool looking = st->s->catalog.looking;

    memset(&st->s->catalog, 0, sizeof(st->s->catalog));
    st->s->catalog.looking = looking;
    offered(st, st->s->welcome.catalog, st->s->welcome.catalog_hash);
}

void lm_ns_catalog_part(struct lm_ns_step *st, const struct lm_msg_part *part)
{
    struct lm_node_session *s = st->s;

    if (part->n == 0) {
        s->catalog.asking = s->catalog.asking && same(&s->catalog.part, part->number, part->hash);
        s->catalog.wanted = s->catalog.wanted && same(&s->catalog.part, part->number, part->hash);
        offered(st, part->number, part->hash);
        return;
    }
    if (!s->catalog.asking || !same(&s->catalog.part, part->number, part->hash) ||
        part->offset != s->catalog.part.offset) {
        lm_ns_log(st, "part of a catalogue that was not asked for", part->offset);
        return;
    }
    s->catalog.asking = false;
    s->catalog.tries = 0;
    look(st, LM_NX_STORE_PART, part);
}

void lm_ns_catalog_looked(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    const struct lm_node_event *ev = st->ev;

    if (!s->catalog.looking) {
        lm_ns_log(st, "CATALOG without an offer", ev->catalog.number);
        return;
    }
    s->catalog.looking = false;
    if (ev->catalog.outcome == LM_CATALOG_IN_FORCE) {
        lm_node_session_catalog(s, ev->catalog.number, ev->catalog.hash);
        memset(&s->catalog, 0, sizeof(s->catalog));
        if (s->state == LM_NS_LIVE) { /* the hub must know what we have now */
            lm_ns_begin_hello(st, st->now_ms);
            lm_ns_set_status(st, "resync");
        }
        return;
    }
    if (!same(&s->catalog.part, ev->catalog.number, ev->catalog.hash)) {
        return; /* of a session that has ended */
    }
    s->catalog.wanted = ev->catalog.outcome == LM_CATALOG_ASK;
    s->catalog.kept_out = ev->catalog.outcome == LM_CATALOG_KEPT_OUT;
    s->catalog.part.offset = ev->catalog.offset;
    if (ev->catalog.outcome == LM_CATALOG_FAILED) {
        memset(&s->catalog, 0, sizeof(s->catalog)); /* with the next offer */
    }
}

void lm_ns_catalog_refused(struct lm_ns_step *st)
{
    if (st->s->catalog.asking) {
        st->s->catalog.asking = false;
        st->s->catalog.at_ms = st->now_ms + LM_NODE_REFUSED_MS;
    }
}

bool lm_ns_catalog_done(const struct lm_node_session *s)
{
    return !s->catalog.looking && !s->catalog.wanted;
}

void lm_ns_catalog_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_ask m = {.number = s->catalog.part.number, .offset = s->catalog.part.offset};

    if (s->catalog.asking && st->now_ms - s->catalog.sent_ms >= LM_PULL_AGAIN_MS) {
        lm_ns_log(st, "no part of the catalogue: asking again", s->catalog.part.offset);
        s->catalog.asking = false;
    }
    if (!s->catalog.wanted || s->catalog.looking || s->catalog.asking ||
        st->now_ms < s->catalog.at_ms || st->now_ms < s->quiet_until_ms) {
        return;
    }
    if (s->catalog.tries >= LM_NODE_CATALOG_TRIES_MAX) {
        lm_ns_log(st, "the hub does not give its catalogue", s->catalog.part.number);
        s->catalog.wanted = false;
        return;
    }
    memcpy(m.hash, s->catalog.part.hash, sizeof(m.hash));
    lm_ask_pack(&st->fx->bytes, &m);
    if (lm_ns_send(st, LM_MSG_CATALOG, offset, 0)) {
        s->catalog.asking = true;
        s->catalog.tries++;
        s->catalog.sent_ms = st->now_ms;
    } else {
        s->catalog.at_ms = st->now_ms + LM_NODE_REFUSED_MS;
    }
}
