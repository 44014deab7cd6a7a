/* What a session's effects do to the socket and the database. They are carried out in their order;
 * the answers that they call for are gathered and given afterwards, each in a step of its own. */
#include "node/link_internal.h"

#include "common/base/log.h"
#include "common/base/util.h"

#include <inttypes.h>
#include <string.h>

/* Hub time as far as it is known: what "last contact" is told in. */
static int64_t contact_ms(const struct lm_link *link)
{
    int64_t ms = lm_node_session_hub_time(&link->session, lm_clock_mono_ms());

    return ms > 0 ? ms : lm_clock_wall_ms();
}

void lm_link_fail(struct lm_link *link, const char *doing, const struct lm_error *err)
{
    lm_log(LM_LOG_ERROR, "link", "%s: %s (%s); starting anew", doing, err->en, err->code);
    lm_dealer_close(&link->dealer);
    link->open_at_ms = -1;
    link->readmit_until_ms = -1;
    link->n_events = 0;
    link->restart_at_ms = lm_clock_mono_ms() + LM_LINK_RESTART_MS;
}

static struct lm_node_event *answer(struct lm_link *link, enum lm_node_event_kind kind)
{
    struct lm_node_event *ev;

    LM_CHECK(link->n_events < LM_LINK_EVENTS_MAX);
    ev = &link->events[link->n_events++];
    memset(ev, 0, sizeof *ev);
    ev->kind = kind;
    return ev;
}

static void do_send(struct lm_link *link, const struct lm_node_effect *e)
{
    enum lm_status st = LM_ERR_BUSY;
    struct lm_node_event *ev;

    if (link->dealer && link->readmit_until_ms < 0) {
        st = lm_dealer_send(link->dealer, e->send.kind, lm_node_effect_bytes(&link->fx, e),
                            e->send.len);
    }
    if (st != LM_OK) {
        ev = answer(link, LM_NE_SEND_REFUSED);
        ev->refused.kind = e->send.kind;
        ev->refused.first_seq = e->send.first_seq;
    }
}

static void do_reset(struct lm_link *link, const struct lm_node_effect *e)
{
    if (lm_link_refused(link)) {
        link->refused_ms = link->refused_ms >= 0 ? link->refused_ms : lm_clock_mono_ms();
    }
    link->readmit_until_ms = -1;
    /* What ended for another reason begins with the key in force. */
    link->use_second = link->use_second && lm_link_wrong_hub(link);
    link->tried_other = false;
    lm_dealer_close(&link->dealer);
    link->open_at_ms = lm_clock_mono_ms() + e->reset.delay_ms;
}

static void do_read_batch(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    struct lm_node_batch batch;
    enum lm_status st =
        lm_nstore_read_batch(link->store, e->read_batch.from_seq, e->read_batch.max_changes,
                             e->read_batch.max_bytes, &link->batch, &link->packed, &batch, &err);

    if (st != LM_OK) {
        lm_link_fail(link, "cannot read the outbox", &err);
        return;
    }
    answer(link, LM_NE_BATCH)->batch = batch;
}

static void do_check_hash(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    bool same = false;

    if (lm_nstore_hash_is(link->store, &e->check, &same, &err) != LM_OK) {
        lm_link_fail(link, "cannot read the outbox", &err);
        return;
    }
    answer(link, LM_NE_HASH_CHECKED)->hash_ok = same;
}

static void do_store_welcome(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    struct lm_me me;
    uint64_t wanted = 0;
    bool offers = false;
    struct lm_node_event *ev;

    /* By itself: what the hub has signed of its keys is true whatever becomes of the rest. */
    if (e->welcome.pins &&
        lm_nstore_pin(link->store, link->key->hub_public_key, e->welcome.pins, &err) != LM_OK) {
        lm_link_fail(link, "cannot pin the hub's key", &err);
        return;
    }
    if (e->welcome.switched) {
        lm_log(LM_LOG_INFO, "link", "the hub has gone over to its next key");
        link->use_second = false;
    }
    if (lm_nstore_welcome(link->store, e->welcome.welcome, e->welcome.hub_offset_ms,
                          e->welcome.hub_went_back, &me, &wanted, &err) != LM_OK ||
        lm_nstore_has_offers(link->store, &offers, &err) != LM_OK) {
        lm_link_fail(link, "cannot store the hub's welcome", &err);
        return;
    }
    link->refused_ms = -1;
    link->tried_other = false;
    ev = answer(link, LM_NE_WELCOME_STORED);
    ev->stored.cursor = me.cursor;
    ev->stored.wanted = wanted;
    ev->stored.offers = offers;
    ev->stored.branch = me.branch;
    ev->stored.head = me.head;
    ev->stored.acked = me.acked;
}

static void do_apply(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    struct lm_cursor cursor;
    uint64_t wanted = 0;
    struct lm_node_event *ev;

    if (lm_nstore_apply_page(link->store, e->feed.page, e->feed.is_bodies, contact_ms(link),
                             &cursor, &wanted, &err) != LM_OK) {
        lm_link_fail(link, "cannot store a page of the feed", &err);
        return;
    }
    ev = answer(link, LM_NE_FEED_APPLIED);
    ev->applied.cursor = cursor;
    ev->applied.wanted = wanted;
}

static void do_read_wanted(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_node_event *ev;
    size_t n = 0;

    if (lm_nstore_wanted(link->store, link->wanted, LM_WANT_MAX, &n, &err) != LM_OK) {
        lm_link_fail(link, "cannot read the wanted list", &err);
        return;
    }
    ev = answer(link, LM_NE_WANTED);
    ev->wanted.ids = link->wanted;
    ev->wanted.n = n;
}

static void do_check_sum(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    enum lm_sum_outcome outcome = LM_SUM_UNSURE;

    if (lm_nstore_check_sum(link->store, e->sum.sum, &e->sum.cursor, e->sum.acked_seq, &outcome,
                            &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot sum up what is here: %s", err.en);
        outcome = LM_SUM_UNSURE;
    }
    if (outcome == LM_SUM_DIFFERENT) {
        link->differed++;
        lm_log(LM_LOG_WARN, "link", "the records here are not the hub's: comparing");
    }
    answer(link, LM_NE_SUM)->sum = outcome;
}

static void do_compare(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    struct lm_node_event *ev;
    uint64_t wanted = 0, differ = 0;
    enum lm_status st = lm_nstore_compare(link->store, e->digests, &wanted, &differ, &err);

    if (st != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot compare with the hub: %s", err.en);
    } else if (differ > 0) {
        lm_log(LM_LOG_WARN, "link", "%" PRIu64 " records differ from the hub's; asking for them",
               differ);
    }
    ev = answer(link, LM_NE_COMPARED);
    ev->compared.ok = st == LM_OK;
    ev->compared.wanted = wanted;
}

static void do_read_offers(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_proof proof;
    struct lm_offer *items = NULL;
    struct lm_node_event *ev;
    size_t n = 0;

    lm_arena_reset(&link->offers);
    if (lm_nstore_offers(link->store, "", LM_OFFER_BYTES_MAX, &link->offers, &proof, &items, &n,
                         &err) != LM_OK) {
        lm_link_fail(link, "cannot read what the hub is to be offered", &err);
        return;
    }
    ev = answer(link, LM_NE_OFFERS);
    ev->offers.proof = proof;
    ev->offers.items = items;
    ev->offers.n = n;
}

static void do_catalog(struct lm_link *link, const struct lm_node_effect *e)
{
    const struct lm_msg_part *part = e->part;
    struct lm_error err = {0};
    enum lm_catalog_outcome outcome = LM_CATALOG_FAILED;
    struct lm_node_event *ev;
    uint64_t offset = 0;
    enum lm_status st = part->n == 0
                            ? lm_nstore_catalog_offer(link->store, part->number, part->hash,
                                                      &outcome, &offset, &err)
                            : lm_nstore_catalog_part(link->store, part, &outcome, &offset, &err);

    if (st != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot store the hub's catalogue: %s", err.en);
        outcome = LM_CATALOG_FAILED;
    }
    ev = answer(link, LM_NE_CATALOG);
    ev->catalog.number = part->number;
    memcpy(ev->catalog.hash, part->hash, sizeof ev->catalog.hash);
    ev->catalog.outcome = outcome;
    ev->catalog.offset = offset;
}

/* What is to be asked for next; "" too when the disk does not tell. */
static void next_past(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_node_event *ev = answer(link, LM_NE_PAST);

    if (lm_nstore_past_next(link->store, ev->past.id, &ev->past.after, &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot read whose past is wanted: %s", err.en);
        ev->past.id[0] = '\0';
    }
}

static void do_store_past(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};

    if (lm_nstore_past_store(link->store, e->past, contact_ms(link), &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot keep a record's past: %s", err.en);
        answer(link, LM_NE_PAST)->past.id[0] = '\0';
        return;
    }
    next_past(link);
}

static void do_fork(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};
    struct lm_me me;
    struct lm_node_event *ev;

    lm_log(LM_LOG_WARN, "link", "forking: %s", e->fork.reason);
    if (lm_nstore_fork(link->store, e->fork.branch_min, &me, &err) != LM_OK) {
        lm_link_fail(link, "cannot open a branch", &err);
        return;
    }
    ev = answer(link, LM_NE_FORKED);
    ev->forked.branch = me.branch;
    ev->forked.head = me.head;
    ev->forked.acked = me.acked;
}

static void do_effect(struct lm_link *link, const struct lm_node_effect *e)
{
    struct lm_error err = {0};

    switch (e->kind) {
    case LM_NX_SEND:
        do_send(link, e);
        break;
    case LM_NX_RESET:
        do_reset(link, e);
        break;
    case LM_NX_READ_BATCH:
        do_read_batch(link, e);
        break;
    case LM_NX_CHECK_HASH:
        do_check_hash(link, e);
        break;
    case LM_NX_STORE_WELCOME:
        do_store_welcome(link, e);
        break;
    case LM_NX_SET_ACKED:
        if (lm_nstore_set_acked(link->store, link->session.config.branch, &e->acked.head,
                                e->acked.safe_seq, contact_ms(link), &err) != LM_OK) {
            /* The session believes it already: begun anew, it believes what the disk says. */
            lm_link_fail(link, "cannot note what is acked", &err);
        }
        break;
    case LM_NX_VERDICT_HINTS:
        if (lm_nstore_verdict_hints(link->store, e->ack, &err) != LM_OK) {
            lm_log(LM_LOG_WARN, "link", "cannot note verdicts: %s", err.en);
        }
        break;
    case LM_NX_APPLY_FEED:
        do_apply(link, e);
        break;
    case LM_NX_READ_WANTED:
        do_read_wanted(link);
        break;
    case LM_NX_CHECK_SUM:
        do_check_sum(link, e);
        break;
    case LM_NX_COMPARE:
        do_compare(link, e);
        break;
    case LM_NX_READ_OFFERS:
        do_read_offers(link);
        break;
    case LM_NX_DROP_OFFERS:
        if (lm_nstore_offers_drop(link->store, e->offered->id, &err) != LM_OK) {
            lm_link_fail(link, "cannot note what the hub has been offered", &err);
        }
        break;
    case LM_NX_READ_PAST:
        next_past(link);
        break;
    case LM_NX_STORE_PAST:
        do_store_past(link, e);
        break;
    case LM_NX_OFFER:
    case LM_NX_STORE_PART:
        do_catalog(link, e);
        break;
    case LM_NX_FORK:
        do_fork(link, e);
        break;
    case LM_NX_STATUS:
        break; /* show() tells it with what the socket knows */
    case LM_NX_SYNCED:
        link->synced++;
        break;
    case LM_NX_LOG:
        lm_log(LM_LOG_DEBUG, "link", "%s %" PRIu64, e->log.what, e->log.number);
        break;
    }
}

static void step(struct lm_link *link, struct lm_node_event *ev)
{
    ev->mono_ms = lm_clock_mono_ms();
    ev->wall_ms = lm_clock_wall_ms();
    lm_node_session_step(&link->session, ev, &link->fx);
    for (size_t i = 0; i < link->fx.n && link->restart_at_ms < 0; i++) {
        do_effect(link, &link->fx.items[i]);
    }
}

void lm_link_give(struct lm_link *link, const struct lm_node_event *event)
{
    struct lm_node_event ev = *event;

    if (link->restart_at_ms >= 0) {
        return;
    }
    step(link, &ev);
    while (link->n_events > 0 && link->restart_at_ms < 0) {
        ev = link->events[0];
        link->n_events--;
        memmove(link->events, link->events + 1, link->n_events * sizeof *link->events);
        step(link, &ev);
    }
}
