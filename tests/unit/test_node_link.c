/* What the link makes of the hub's answers: pages of the feed, verdicts, welcomes, forks. There is
 * no socket: messages are given to the link by hand, and what it would send is refused, as when the
 * hub is away. */
#include "tests/unit/node_world.h"

#include "node/link.h"
#include "proto/merge.h"
#include "proto/proof.h"

#include <sodium.h>

#define V7(two) "018f0000-0000-7000-8000-0000000000" two

/* ---- pages ---- */

struct page {
    struct lm_msg_feed msg;
    struct lm_feed_entry entries[8];
    struct lm_buf bodies[8];
    struct lm_feed_verdict verdicts[4];
};

static void page_begin(struct nw *w, struct page *p)
{
    struct lm_me me = nw_me(w);

    memset(p, 0, sizeof *p);
    p->msg.from = me.cursor;
    p->msg.next = me.cursor;
    p->msg.branch = me.branch;
    p->msg.done = true;
    p->msg.entries = p->entries;
    for (size_t i = 0; i < 8; i++) {
        lm_buf_init(&p->bodies[i], LM_FRAME_BYTES_MAX);
    }
}

static struct lm_feed_entry *page_add(struct page *p, enum lm_entry_kind kind, const char *type,
                                      const char *id)
{
    struct lm_feed_entry *e = &p->entries[p->msg.n_entries++];

    e->kind = kind;
    e->type = type;
    (void)snprintf(e->id, sizeof e->id, "%s", id);
    e->position = ++p->msg.next.position;
    (void)snprintf(p->msg.next.id, sizeof p->msg.next.id, "%s", id);
    p->msg.head.position = p->msg.next.position;
    return e;
}

static struct lm_feed_entry *page_body(struct page *p, struct lm_record *rec)
{
    struct lm_buf *buf = &p->bodies[p->msg.n_entries];
    struct lm_feed_entry *e = page_add(p, LM_ENTRY_BODY, rec->type->name, rec->id);

    rec->position = (int64_t)e->position;
    lm_body_pack(buf, rec);
    assert_int_equal(buf->status, LM_OK);
    e->body = buf->data;
    e->body_len = buf->len;
    return e;
}

/* Applies and forgets the page; returns how many ids are wanted. */
static uint64_t page_apply(struct nw *w, struct page *p, bool is_bodies)
{
    struct lm_cursor cursor;
    uint64_t wanted = 0;
    struct lm_error err = {0};

    if (lm_nstore_apply_page(w->store, &p->msg, is_bodies, 1795000000000, &cursor, &wanted, &err) !=
        LM_OK) {
        fail_msg("page: %s", err.en);
    }
    if (!is_bodies) {
        assert_true(cursor.position == p->msg.next.position);
    }
    for (size_t i = 0; i < 8; i++) {
        lm_buf_free(&p->bodies[i]);
    }
    return wanted;
}

/* The record as the hub has it: a copy of ours with one text field set by somebody else. */
static struct lm_record *as_hub(struct nw *w, const char *type, const char *id, const char *field,
                                const char *text)
{
    struct lm_record *rec = lm_record_copy(&w->arena, nw_get(w, type, id));
    const struct lm_field *f = lm_type_field(rec->type, field);

    assert_non_null(f);
    rec->fields[f->index] = lm_value_text(text);
    rec->stamps[f->group].version =
        (struct lm_version){.hlc = lm_hlc_of_ms(1900000000000), .replica = 0};
    return rec;
}

static void ack_all(struct page *p, struct lm_me me)
{
    p->msg.acked = me.head;
}

static void pending_groups_keep_the_local_value(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_head acked;
    struct lm_record *hub;

    nw_create(w, "person", NW_PERSON, id);
    acked = nw_me(w).head;
    hub = as_hub(w, "person", id, "phone", "13911111111");
    hub->fields[lm_type_field(hub->type, "household_no")->index] = lm_value_text("7");
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL); /* not acked */
    page_begin(w, &p);
    p.msg.acked = acked;
    page_body(&p, hub);
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_string_equal(nw_text(nw_get(w, "person", id), "phone"), "13900000000");
    assert_string_equal(nw_text(nw_get(w, "person", id), "household_no"), "7");
    /* The same page once the edit is acked: the hub's value. */
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_body(&p, hub);
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_string_equal(nw_text(nw_get(w, "person", id), "phone"), "13911111111");
}

static void unknown_record_arrives(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_record *hub;

    nw_create(w, "person", NW_PERSON, id);
    hub = lm_record_copy(&w->arena, nw_get(w, "person", id));
    memcpy(hub->id, V7("31"), sizeof V7("31"));
    page_begin(w, &p);
    page_body(&p, hub);
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_non_null(nw_get(w, "person", V7("31")));
    assert_true(nw_me(w).cursor.position == 1);
    assert_true(nw_me(w).seen.position == 1);
}

static void digest_that_differs_is_wanted(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_record *local;
    char ids[4][40];
    size_t n = 0;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, id);
    local = nw_get(w, "person", id);
    /* Equal: nothing but the position. */
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = lm_record_digest(local);
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_int_equal(nw_get(w, "person", id)->position, 1);
    /* Another, and a record that is not here. */
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = lm_record_digest(local) + 1;
    page_add(&p, LM_ENTRY_DIGEST, "person", V7("41"))->digest = 5;
    assert_int_equal(page_apply(w, &p, false), 2);
    assert_int_equal(lm_nstore_wanted(w->store, ids, 4, &n, &err), LM_OK);
    assert_int_equal(n, 2);
    assert_string_equal(ids[0], id);
    /* The body takes it off the list; BODIES leave the cursor alone. */
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_body(&p, as_hub(w, "person", id, "phone", "13911111111"));
    page_add(&p, LM_ENTRY_ABSENT, "person", V7("41"));
    assert_int_equal(page_apply(w, &p, true), 0);
    assert_true(nw_me(w).cursor.position == 3);
    /* While an own change is under way digests are not compared. */
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13922222222'}", NULL);
    page_begin(w, &p);
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = 1;
    assert_int_equal(page_apply(w, &p, false), 0);
}

static void gone_waits_for_own_acks(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];

    nw_create(w, "person", NW_PERSON, id);
    page_begin(w, &p); /* acked 0 */
    page_add(&p, LM_ENTRY_GONE, "person", id);
    assert_int_equal(page_apply(w, &p, false), 1);
    assert_non_null(nw_get(w, "person", id));
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_add(&p, LM_ENTRY_GONE, "person", id);
    assert_int_equal(page_apply(w, &p, true), 0);
    assert_null(nw_get(w, "person", id));
}

static void page_elsewhere_is_dropped(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_cursor cursor;
    uint64_t wanted;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, id);
    page_begin(w, &p);
    page_add(&p, LM_ENTRY_DIGEST, "person", V7("41"));
    p.msg.from.position = 9;
    assert_int_equal(lm_nstore_apply_page(w->store, &p.msg, false, 1, &cursor, &wanted, &err),
                     LM_OK);
    assert_int_equal(wanted, 0);
    assert_true(cursor.position == 0);
    p.msg.from.position = 0;
    p.msg.branch = 2;
    assert_int_equal(lm_nstore_apply_page(w->store, &p.msg, false, 1, &cursor, &wanted, &err),
                     LM_OK);
    assert_int_equal(wanted, 0);
    assert_true(nw_me(w).cursor.position == 0);
}

/* ---- verdicts ---- */

static void take_row(void *arg, json_t *row)
{
    assert_int_equal(json_array_append(arg, row), 0);
}

static json_t *returned(struct nw *w)
{
    struct lm_error err = {0};
    json_t *rows = json_array();
    size_t n = 0;

    assert_int_equal(lm_nstore_returned(w->store, take_row, rows, &n, &err), LM_OK);
    assert_int_equal(json_array_size(rows), n);
    return rows;
}

static void returned_is(struct nw *w, size_t n, const char *verdict)
{
    json_t *rows = returned(w);

    assert_int_equal(json_array_size(rows), n);
    if (n > 0) {
        assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "verdict")),
                            verdict);
    }
    json_decref(rows);
}

/* A refused creation is corrected by an edit: the whole record goes again as a creation. */
static void refused_creation_can_be_corrected(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_batch batch;
    struct lm_buf packed;
    struct lm_node_batch out;
    struct lm_feed_entry *e;
    struct lm_error err = {0};
    uint64_t hlc;

    nw_create(w, "person", NW_PERSON, id);
    hlc = nw_get(w, "person", id)->stamps[0].version.hlc;
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    e = page_add(&p, LM_ENTRY_ABSENT, "person", id);
    p.verdicts[0] = (struct lm_feed_verdict){.hlc = hlc,
                                             .verdict = LM_V_REFUSED,
                                             .code = "not_your_type",
                                             .field = "",
                                             .zh = "不收",
                                             .en = "no"};
    e->verdicts = p.verdicts;
    e->n_verdicts = 1;
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_non_null(nw_get(w, "person", id));
    assert_true(lm_nstore_refused(w->store, hlc));
    returned_is(w, 1, "refused");
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 2);
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    assert_int_equal(lm_nstore_read_batch(w->store, 2, 1, 1, &batch, &packed, &out, &err), LM_OK);
    {
        struct lm_change change;
        /* the batch is one msgpack bin: c5 length length, or c4 length */
        const uint8_t *raw = batch.raw.data;
        size_t head = raw[0] == 0xc4 ? 2 : 3;

        assert_int_equal(lm_change_read(raw + head, batch.raw.len - head, &w->arena, &change, &err),
                         LM_OK);
        assert_int_equal(change.op, LM_OP_CREATE);
        assert_non_null(lm_value_member(&change.fields, "name"));
        assert_non_null(lm_value_member(&change.fields, "phone"));
    }
    lm_batch_free(&batch);
    lm_buf_free(&packed);
    /* Applied now: the entry comes without verdicts, which closes the old one. */
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = lm_record_digest(nw_get(w, "person", id));
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_false(lm_nstore_refused(w->store, hlc));
    returned_is(w, 0, "");
}

/* Its id is another station's record: the hub says that the record is not of this scope. What was
 * entered is nowhere else. */
static void refused_creation_of_anothers_id_is_kept(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_feed_entry *e;

    nw_create(w, "person", NW_PERSON, id);
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    e = page_add(&p, LM_ENTRY_GONE, "person", id);
    p.verdicts[0] = (struct lm_feed_verdict){.hlc = nw_get(w, "person", id)->stamps[0].version.hlc,
                                             .verdict = LM_V_REFUSED,
                                             .code = "not_your_record",
                                             .field = "",
                                             .zh = "不属于本站",
                                             .en = "another's"};
    e->verdicts = p.verdicts;
    e->n_verdicts = 1;
    assert_int_equal(page_apply(w, &p, true), 0);
    assert_non_null(nw_get(w, "person", id));
    returned_is(w, 1, "refused");
    nw_save(w, LM_OP_DELETE, NULL, id, "{'delete_reason':'不再需要'}", NULL);
    returned_is(w, 0, "");
}

static void refused_creation_can_be_given_up(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_feed_entry *e;

    nw_create(w, "person", NW_PERSON, id);
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    e = page_add(&p, LM_ENTRY_ABSENT, "person", id);
    p.verdicts[0] = (struct lm_feed_verdict){.hlc = nw_get(w, "person", id)->stamps[0].version.hlc,
                                             .verdict = LM_V_REFUSED,
                                             .code = "x",
                                             .field = "",
                                             .zh = "不",
                                             .en = "no"};
    e->verdicts = p.verdicts;
    e->n_verdicts = 1;
    assert_int_equal(page_apply(w, &p, false), 0);
    nw_save(w, LM_OP_DELETE, NULL, id, "{'delete_reason':'不再需要'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 1);
    assert_true(lm_record_deleted(nw_get(w, "person", id)));
    returned_is(w, 0, "");
}

static void invalid_and_sent_back_are_returned(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_record *hub;

    nw_create(w, "person", NW_PERSON, id);
    hub = as_hub(w, "person", id, "phone", "1");
    hub->invalid = true;
    (void)snprintf(hub->issue_code, sizeof hub->issue_code, "bad_format");
    (void)snprintf(hub->issue_field, sizeof hub->issue_field, "phone");
    hub->issue_zh = "电话不对";
    hub->issue_en = "wrong";
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_body(&p, hub);
    assert_int_equal(page_apply(w, &p, false), 0);
    returned_is(w, 1, "invalid");
    /* Correcting it here leaves the flag: only the hub takes it off. */
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    returned_is(w, 1, "invalid");
    hub = as_hub(w, "person", id, "return_note", "请核对");
    hub->invalid = false;
    hub->fields[LM_C_STATE] = lm_value_text("returned");
    page_begin(w, &p);
    ack_all(&p, nw_me(w));
    page_body(&p, hub);
    assert_int_equal(page_apply(w, &p, false), 0);
    returned_is(w, 1, "returned");
}

/* A hint about a change that the page did not know of yet survives the page. */
static void newer_hint_survives_an_older_page(void **state)
{
    struct nw *w = *state;
    struct page p;
    char id[40];
    struct lm_ack_verdict verdict = {.seq = 2, .verdict = LM_V_REFUSED, .code = "frozen_field"};
    struct lm_msg_ack ack = {.branch = 1, .verdicts = &verdict, .n_verdicts = 1};
    struct lm_head first;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, id);
    first = nw_me(w).head;
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    assert_int_equal(lm_nstore_verdict_hints(w->store, &ack, &err), LM_OK);
    returned_is(w, 1, "refused");
    page_begin(w, &p);
    p.msg.acked = first;
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = 1;
    assert_int_equal(page_apply(w, &p, false), 0);
    returned_is(w, 1, "refused");
}

/* ---- welcomes and forks ---- */

struct hub {
    struct lm_node_key key;
    struct lm_link link;
    struct lm_arena arena;
    uint64_t lease;
};

static const uint8_t *hub_sign_secret(void)
{
    static uint8_t secret[LM_SIGN_SECRET_BYTES], sign_public[LM_SIGN_PUBLIC_BYTES];

    if (secret[0] == 0) {
        uint8_t seed[32] = {3};

        assert_int_equal(crypto_sign_seed_keypair(sign_public, secret, seed), 0);
    }
    return secret;
}

static void hub_begin(struct nw *w, struct hub *h)
{
    struct lm_error err = {0};
    const struct lm_node_event connected = {.kind = LM_NE_CONNECTED};

    memset(h, 0, sizeof *h);
    lm_arena_init(&h->arena, 16 * 1024 * 1024);
    struct lm_me me;

    (void)snprintf(h->key.endpoint, sizeof h->key.endpoint, "tcp://127.0.0.1:1");
    assert_int_equal(lm_nstore_me(w->store, &me, &err), LM_OK);
    assert_int_equal(lm_link_open(&h->link, w->store, &h->key, &err), LM_ERR_CORRUPT);
    assert_string_equal(err.code, "other_key"); /* a renewal that was cut off */
    lm_link_close(&h->link);
    h->key.replica = me.replica;
    memcpy(h->key.hub_sign_key, hub_sign_secret() + LM_SIGN_SECRET_BYTES - LM_SIGN_PUBLIC_BYTES,
           sizeof h->key.hub_sign_key);
    assert_int_equal(lm_link_open(&h->link, w->store, &h->key, &err), LM_OK);
    lm_link_give(&h->link, &connected);
    assert_int_equal(h->link.session.state, LM_NS_HELLO);
}

static void hub_end(struct hub *h)
{
    lm_link_close(&h->link);
    lm_arena_free(&h->arena);
}

static struct lm_msg_welcome hub_welcome(struct hub *h, const struct lm_me *me)
{
    struct lm_msg_welcome m = {.protocol = LM_PROTOCOL_MIN, /* a hub that says nothing of keys */
                               .session = 77,
                               .branch = me->branch,
                               .acked = me->acked,
                               .hub_time_ms = lm_clock_wall_ms() + 60000,
                               .credit = 2};

    m.incarnation = (struct lm_incarnation){.counter = 1, .random = 5};
    m.lease = (struct lm_lease){.counter = ++h->lease, .random = 9};
    return m;
}

static void hub_says(struct hub *h, uint8_t kind, const struct lm_buf *body)
{
    struct lm_node_event ev = {.kind = LM_NE_MESSAGE};

    assert_int_equal(body->status, LM_OK);
    ev.message.kind = kind;
    ev.message.body = body->data;
    ev.message.n = body->len;
    ev.message.arena = &h->arena;
    lm_link_give(&h->link, &ev);
    lm_arena_reset(&h->arena);
}

static void hub_welcomes(struct hub *h, const struct lm_msg_welcome *m)
{
    struct lm_msg_welcome said = *m;
    struct lm_proof proof = lm_proof_of(m);
    struct lm_buf buf;

    lm_proof_sign(&proof, hub_sign_secret());
    memcpy(said.signature, proof.signature, sizeof said.signature);
    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    lm_welcome_pack(&buf, &said);
    hub_says(h, LM_MSG_WELCOME, &buf);
    lm_buf_free(&buf);
}

static void welcome_is_durable(void **state)
{
    struct nw *w = *state;
    struct hub h;
    struct lm_me me;
    char id[40];
    struct lm_msg_welcome m;

    nw_create(w, "person", NW_PERSON, id);
    hub_begin(w, &h);
    me = nw_me(w);
    m = hub_welcome(&h, &me);
    m.hlc_known = lm_hlc_of_ms(lm_clock_wall_ms() + 86400000);
    hub_welcomes(&h, &m);
    assert_int_equal(h.link.session.state, LM_NS_LIVE);
    me = nw_me(w);
    assert_true(me.lease.counter == 1 && me.lease.random == 9);
    assert_true(me.incarnation.counter == 1);
    assert_true(me.offset_known && me.offset_ms > 50000 && me.offset_ms < 70000);
    assert_true(me.hlc == m.hlc_known);
    /* What the hub knows of us is never used again, whatever the clock says. */
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    assert_true(nw_me(w).hlc > m.hlc_known);
    hub_end(&h);
}

static void ack_is_noted(void **state)
{
    struct nw *w = *state;
    struct hub h;
    struct lm_me me = nw_me(w);
    char id[40];
    struct lm_msg_welcome m;
    struct lm_msg_ack ack = {.branch = 1, .safe_seq = 0, .credit = 2};
    struct lm_buf buf;

    nw_create(w, "person", NW_PERSON, id);
    hub_begin(w, &h);
    m = hub_welcome(&h, &me);
    hub_welcomes(&h, &m);
    ack.acked = nw_me(w).head;
    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    lm_ack_pack(&buf, &ack);
    hub_says(&h, LM_MSG_ACK, &buf);
    assert_int_equal(nw_me(w).acked.seq, 1);
    /* A late one does not lower it. */
    ack.acked = me.acked;
    lm_buf_reset(&buf);
    lm_ack_pack(&buf, &ack);
    hub_says(&h, LM_MSG_ACK, &buf);
    assert_int_equal(nw_me(w).acked.seq, 1);
    lm_buf_free(&buf);
    hub_end(&h);
}

/* The hub acked more than is here: this PC's data went back in time. What is unsent goes into a new
 * branch. */
static void rolled_back_node_forks(void **state)
{
    struct nw *w = *state;
    struct hub h;
    struct lm_me me;
    char a[40], b[40];
    struct lm_msg_welcome m;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, a);
    me = nw_me(w);
    assert_int_equal(lm_nstore_set_acked(w->store, 1, &me.head, 0, 1, &err), LM_OK);
    nw_create(w, "person", NW_PERSON, b);
    hub_begin(w, &h);
    me = nw_me(w);
    m = hub_welcome(&h, &me);
    m.acked.seq = 5;
    memset(m.acked.hash, 7, sizeof m.acked.hash);
    hub_welcomes(&h, &m);
    me = nw_me(w);
    assert_int_equal(me.branch, 2);
    assert_int_equal(me.head.seq, 1);
    assert_int_equal(me.acked.seq, 0);
    assert_int_equal(h.link.session.state, LM_NS_HELLO);
    assert_int_equal(h.link.session.config.branch, 2);
    nw_check_chain(w);
    assert_true(lm_nstore_unacked(w->store, b, 2, 0));
    assert_false(lm_nstore_unacked(w->store, a, 2, 0));
    /* The new branch is welcomed and goes on. */
    m = hub_welcome(&h, &me);
    hub_welcomes(&h, &m);
    assert_int_equal(h.link.session.state, LM_NS_LIVE);
    nw_save(w, LM_OP_EDIT, NULL, b, "{'phone':'13900000000'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 2);
    nw_check_chain(w);
    hub_end(&h);
}

/* The hub went back: acked is lowered, the feed starts over. */
static void hub_that_went_back(void **state)
{
    struct nw *w = *state;
    struct hub h;
    struct lm_me me, start = nw_me(w);
    struct page p;
    char id[40];
    struct lm_msg_welcome m;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, id);
    me = nw_me(w);
    assert_int_equal(lm_nstore_set_acked(w->store, 1, &me.head, 0, 1, &err), LM_OK);
    page_begin(w, &p);
    ack_all(&p, me);
    page_add(&p, LM_ENTRY_DIGEST, "person", id)->digest = lm_record_digest(nw_get(w, "person", id));
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_true(nw_me(w).cursor.position == 1);
    hub_begin(w, &h);
    m = hub_welcome(&h, &me);
    m.acked = start.acked; /* and journal head 0, below what was seen */
    hub_welcomes(&h, &m);
    assert_int_equal(h.link.session.state, LM_NS_LIVE);
    me = nw_me(w);
    assert_int_equal(me.acked.seq, 0);
    assert_true(me.cursor.position == 0);
    assert_true(me.seen.position == 0);
    assert_non_null(nw_get(w, "person", id));
    hub_end(&h);
}

/* It went back behind what this PC took in, but not behind a checkpoint: the feed goes on from
 * there, and what was taken in since is asked for by name, for it may have changed only in the
 * history that is gone: a person who moved away since lives here again. */
static void hub_went_back_to_a_checkpoint(void **state)
{
    struct nw *w = *state;
    struct hub h;
    struct lm_me me;
    struct page p;
    char a[40], b[40], c[40];
    struct lm_msg_welcome m;
    struct lm_checkpoints kept;
    struct lm_error err = {0};

    nw_create(w, "person", NW_PERSON, a);
    nw_create(w, "person", NW_PERSON, b);
    nw_create(w, "person", NW_PERSON, c);
    me = nw_me(w);
    assert_int_equal(lm_nstore_set_acked(w->store, 1, &me.head, 0, 1, &err), LM_OK);
    page_begin(w, &p);
    ack_all(&p, me);
    page_add(&p, LM_ENTRY_DIGEST, "person", a)->digest = lm_record_digest(nw_get(w, "person", a));
    assert_int_equal(page_apply(w, &p, false), 0);
    page_begin(w, &p);
    ack_all(&p, me);
    page_add(&p, LM_ENTRY_DIGEST, "person", b)->digest = lm_record_digest(nw_get(w, "person", b));
    page_add(&p, LM_ENTRY_GONE, "person", c);
    assert_int_equal(page_apply(w, &p, false), 0);
    assert_true(nw_me(w).seen.position == 3);
    hub_begin(w, &h);
    assert_int_equal(h.link.session.config.checkpoints.n, 2);
    m = hub_welcome(&h, &me);
    m.head.position = 9;
    m.common = 1;
    hub_welcomes(&h, &m);
    me = nw_me(w);
    assert_true(me.cursor.position == 1 && strcmp(me.cursor.id, a) == 0);
    assert_true(me.seen.position == 9);
    assert_true(me.proof.incarnation.counter == 1 && me.proof.mark.position == 9 &&
                lm_proof_verifies(&me.proof, h.key.hub_sign_key));
    assert_true(h.link.session.wanted == 2);
    assert_int_equal(lm_nstore_checkpoints(w->store, &kept, &err), LM_OK);
    assert_int_equal(kept.n, 1);
    hub_end(&h);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, nw_setup, nw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pending_groups_keep_the_local_value),
        TEST(unknown_record_arrives),
        TEST(digest_that_differs_is_wanted),
        TEST(gone_waits_for_own_acks),
        TEST(page_elsewhere_is_dropped),
        TEST(refused_creation_can_be_corrected),
        TEST(refused_creation_of_anothers_id_is_kept),
        TEST(refused_creation_can_be_given_up),
        TEST(invalid_and_sent_back_are_returned),
        TEST(newer_hint_survives_an_older_page),
        TEST(welcome_is_durable),
        TEST(ack_is_noted),
        TEST(rolled_back_node_forks),
        TEST(hub_that_went_back),
        TEST(hub_went_back_to_a_checkpoint),
    };
    return cmocka_run_group_tests_name("node_link", tests, NULL, NULL);
}
