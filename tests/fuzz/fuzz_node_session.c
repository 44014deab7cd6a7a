/* A whole node under a hub that says anything: the input is a sequence of events (messages well
 * formed, twisted and not; saves; time; sockets that fail; the process killed), carried out by the
 * real link, session and store. What must hold stands at the head of node_world.c. */
#include "tests/fuzz/node_world.h"

#include "proto/feed.h"
#include "proto/proof.h"
#include "tests/fuzz/seams.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 120, ENTRIES_MAX = 6, TWISTS_MAX = 4 };

struct hub {
    struct node_world *w;
    const uint8_t *at, *end;
    struct lm_arena arena;
    struct lm_buf out, part;
    uint64_t session, position;
    uint64_t incarnation;
    struct {
        uint8_t at, with;
    } twists[TWISTS_MAX]; /* of the next message's bytes */
    size_t n_twists;
};

static uint8_t take(struct hub *h)
{
    return h->at < h->end ? *h->at++ : 0;
}

/* Small as a rule, now and then at an edge. */
static uint64_t number(struct hub *h)
{
    static const uint64_t edges[] = {
        INT64_MAX,         INT64_MAX - 1, (uint64_t)1 << 62, (uint64_t)1 << 53,
        (uint64_t)1 << 32, UINT32_MAX,    (uint64_t)1 << 31, 65536};
    uint8_t b = take(h);

    return b < 248 ? b : edges[b - 248];
}

static void say(struct hub *h, uint8_t kind)
{
    for (size_t i = 0; i < h->n_twists && h->out.len > 0; i++) {
        h->out.data[h->twists[i].at % h->out.len] ^= h->twists[i].with;
    }
    h->n_twists = 0;
    if (h->out.status == LM_OK) {
        nw_deliver(h->w, kind, h->out.data, h->out.len);
    }
}

static struct lm_mark mark_at(uint64_t position)
{
    struct lm_mark mark = {.position = position};

    (void)crypto_generichash(mark.hash, sizeof mark.hash, (const uint8_t *)&position,
                             sizeof position, NULL, 0);
    return mark;
}

/* A position of the node's log: one that it has, or any. */
static struct lm_head head_of(struct hub *h, uint8_t how)
{
    const struct lm_node_config *c = &h->w->link.session.config;
    struct lm_head head = c->head;

    switch (how % 4) {
    case 0:
        return c->acked;
    case 1:
        return c->head;
    case 2:
        head.seq = c->acked.seq + 1;
        (void)nw_hash_at(h->w, head.seq, &head);
        return head;
    default:
        head.seq = number(h);
        if (head.seq == 0) {
            lm_chain_start(NW_REPLICA, c->branch, head.hash);
        } else if (!nw_hash_at(h->w, head.seq, &head)) {
            head.hash[0] = take(h);
        }
        return head;
    }
}

/* As the hub does, or now and then somebody else. */
static void sign(uint8_t signature[64], struct lm_incarnation incarnation, struct lm_mark head,
                 bool badly)
{
    struct lm_proof proof = {.incarnation = incarnation, .mark = head};

    lm_proof_sign(&proof, nw_sign_secret());
    proof.signature[0] ^= badly;
    memcpy(signature, proof.signature, sizeof proof.signature);
}

static void say_welcome(struct hub *h)
{
    const struct lm_node_session *s = &h->w->link.session;
    uint8_t how = take(h), more = take(h);
    struct lm_msg_welcome m = {.protocol = 1, .session = ++h->session, .branch = s->config.branch};

    memset(m.hub_id, how & 1 ? 7 : 7 + (more == 255), sizeof m.hub_id);
    h->incarnation += how >> 1 & 1;
    m.incarnation = (struct lm_incarnation){h->incarnation, h->incarnation + (more == 254)};
    m.acked = head_of(h, how >> 2 & 3);
    m.safe_seq = m.acked.seq / 2;
    m.lease = (struct lm_lease){s->config.lease.counter + 1 - (more == 253), number(h)};
    h->position = how & 16 ? h->position + take(h) : h->position;
    h->position = how & 32 ? take(h) : h->position;
    m.head = mark_at(h->position);
    m.common = how & 64 ? s->hello_seen : number(h);
    m.catalog = s->config.catalog + (how >> 7);
    memcpy(m.catalog_hash, s->config.catalog_hash, sizeof m.catalog_hash);
    m.catalog_hash[0] ^= how >> 7;
    m.hub_time_ms = seam_clock.wall_ms + (more & 1 ? (int64_t)more * 86400000 : 0);
    m.hlc_known = more & 2 ? number(h) : 0;
    m.credit = 1 + (more >> 2) % LM_WINDOW_MAX;
    sign(m.signature, m.incarnation, m.head, more == 252);
    lm_welcome_pack(&h->out, &m);
    say(h, LM_MSG_WELCOME);
}

static void say_ack(struct hub *h)
{
    static const char *const codes[] = {"required", "not_allowed", "internal", "waiting"};
    uint8_t how = take(h);
    struct lm_ack_verdict verdicts[3];
    struct lm_msg_ack m = {.branch = h->w->link.session.config.branch + (how >> 7),
                           .acked = head_of(h, how),
                           .verdicts = verdicts,
                           .n_verdicts = how >> 2 & 3,
                           .credit = 1 + (how >> 4 & 3)};

    m.safe_seq = how & 64 ? m.acked.seq : 0;
    for (size_t i = 0; i < m.n_verdicts; i++) {
        verdicts[i] = (struct lm_ack_verdict){
            .seq = number(h), .verdict = (uint8_t)(1 + take(h) % 6), .code = codes[take(h) % 4]};
    }
    lm_ack_pack(&h->out, &m);
    say(h, LM_MSG_ACK);
}

/* ---- pages ---- */

static void some_id(struct hub *h, char out[40])
{
    uint8_t which = take(h);

    if (which < 128 && h->w->n_own > 0) {
        (void)snprintf(out, 40, "%s", h->w->own[which % h->w->n_own].id);
    } else {
        (void)snprintf(out, 40, "01932f00-1111-7222-8333-4444444444%02x", which & 15);
    }
}

static struct lm_value some_value(struct hub *h, const struct lm_field *field)
{
    struct lm_value v = lm_value_null(), *items;

    switch (field->ftype) {
    case LM_F_INT:
    case LM_F_DECIMAL:
        v = lm_value_int((int64_t)number(h));
        break;
    case LM_F_BOOL:
        v = lm_value_bool(take(h) & 1);
        break;
    case LM_F_CODE:
        v = lm_value_text(field->list->codes[take(h) % field->list->n_codes].code);
        break;
    case LM_F_DATE:
        v = lm_value_text(take(h) & 1 ? "2026-01-02" : "1950-02-28");
        break;
    case LM_F_DATETIME:
        v = lm_value_text("2026-01-02T03:04:05.678Z");
        break;
    case LM_F_UUID:
    case LM_F_FILE:
        v = lm_value_text("01932f00-1111-7222-8333-444444444401");
        break;
    case LM_F_REF:
        v = lm_value_text("person:01932f00-1111-7222-8333-444444444401");
        break;
    case LM_F_TEXT:
    case LM_F_CHAR:
        v = lm_value_text(take(h) & 1 ? "甲" : NW_STATION);
        break;
    case LM_F_HEX:
    case LM_F_MAP:
        break;
    }
    if (field->is_list && v.kind != LM_NULL && (items = lm_arena_alloc(&h->arena, sizeof *items))) {
        *items = v;
        v = (struct lm_value){.kind = LM_LIST, .len = 1, .items = items};
    }
    return v;
}

/* A record as a hub could hold it: the node's own with changes, or another. */
static struct lm_record *some_record(struct hub *h, const struct lm_type *type, const char *id)
{
    struct lm_record *rec = NULL;
    uint8_t n_fields = take(h) % 6, stamps = take(h);
    struct lm_version by = {.hlc = lm_hlc_of_ms(seam_clock.wall_ms) + take(h),
                            .replica = stamps & 1 ? NW_REPLICA : stamps >> 1 & 3};

    if (lm_tables_get(lm_nstore_tables(h->w->store), &h->arena, type, id, &rec) != LM_OK) {
        rec = lm_record_new(&h->arena, type, id);
        LM_CHECK(rec);
        rec->fields[LM_C_ID] = lm_value_text(rec->id);
        rec->fields[LM_C_VILLAGE_CODE] = lm_value_text(NW_STATION);
        rec->fields[LM_C_STATE] = lm_value_text(type->default_state);
        for (size_t g = 0; g < type->n_groups; g++) {
            rec->stamps[g] = (struct lm_stamp){by, by.hlc};
        }
    }
    for (int i = 0; i < n_fields; i++) {
        const struct lm_field *field = &type->fields[take(h) % type->n_fields];

        if (field->index != LM_C_ID && field->fill != LM_FILL_COMPUTED) {
            rec->fields[field->index] = some_value(h, field);
            rec->stamps[field->group] = (struct lm_stamp){by, by.hlc + (stamps >> 4)};
        }
    }
    rec->position = (int64_t)number(h);
    rec->invalid = (stamps & 8) != 0;
    if (rec->invalid) {
        (void)snprintf(rec->issue_code, sizeof rec->issue_code, "required");
        rec->issue_zh = "缺少";
        rec->issue_en = "missing";
    }
    return rec;
}

static void some_entry(struct hub *h, struct lm_feed_entry *e)
{
    const struct lm_catalog *catalog = lm_nstore_catalog(h->w->store);
    uint8_t how = take(h);
    const struct lm_type *type = how & 4 ? &catalog->types[take(h) % catalog->n_types]
                                         : lm_catalog_type(catalog, "consultation");
    struct lm_record *rec;

    memset(e, 0, sizeof *e);
    some_id(h, e->id);
    e->kind = (enum lm_entry_kind)(how & 3);
    e->type = how & 8 ? "of_later_days" : type->name;
    e->position = number(h);
    if (e->kind == LM_ENTRY_DIGEST) {
        e->digest = number(h);
        if (how & 16 &&
            lm_tables_get(lm_nstore_tables(h->w->store), &h->arena, type, e->id, &rec) == LM_OK) {
            e->digest = lm_record_digest(rec);
        }
    } else if (e->kind == LM_ENTRY_BODY) {
        uint8_t *copy;

        lm_buf_reset(&h->part);
        lm_body_pack(&h->part, some_record(h, type, e->id));
        copy = lm_arena_alloc(&h->arena, h->part.len + 1);
        LM_CHECK(copy && h->part.status == LM_OK);
        memcpy(copy, h->part.data, h->part.len);
        if (how & 32) {
            copy[number(h) % h->part.len] ^= take(h);
        }
        e->body = copy;
        e->body_len = h->part.len;
    }
    e->n_verdicts = how >> 6 & 1;
    if (e->n_verdicts > 0) {
        e->verdicts = lm_arena_alloc(&h->arena, sizeof *e->verdicts);
        LM_CHECK(e->verdicts);
        *e->verdicts = (struct lm_feed_verdict){
            .hlc = h->w->n_own ? h->w->own[take(h) % h->w->n_own].hlc : 1 + number(h),
            .verdict = (uint8_t)(1 + take(h) % 6),
            .code = "required",
            .field = "on",
            .zh = "缺少",
            .en = "missing"};
    }
}

static void say_page(struct hub *h, uint8_t kind)
{
    const struct lm_node_config *c = &h->w->link.session.config;
    struct lm_feed_entry entries[ENTRIES_MAX];
    uint8_t how = take(h), more = take(h);
    struct lm_msg_feed m = {.session = h->w->link.session.session ^ (more == 255),
                            .from = c->cursor,
                            .next = c->cursor,
                            .branch = c->branch + (more == 254),
                            .acked = head_of(h, how),
                            .entries = entries,
                            .n_entries = (how >> 2) % (ENTRIES_MAX + 1),
                            .done = how >> 5 & 1,
                            .has_scope_sum = how >> 6 & how >> 5 & 1,
                            .has_signature = how >> 7};

    if (more & 1 && kind == LM_MSG_FEED) {
        m.next.position = c->cursor.position + number(h);
        m.next.position = m.next.position > INT64_MAX ? INT64_MAX : m.next.position;
        m.next.id[0] = '\0';
        if (more & 2) {
            some_id(h, m.next.id);
        }
    }
    if (more & 4) {
        m.from.position ^= more >> 3 & 1;
    }
    h->position = more & 16 ? number(h) : h->position + (more >> 5 & 1);
    m.head = mark_at(h->position);
    sign(m.signature, c->incarnation, m.head, more == 253);
    m.scope_sum = m.has_scope_sum ? number(h) : 0;
    for (size_t i = 0; i < m.n_entries; i++) {
        some_entry(h, &entries[i]);
    }
    lm_feed_pack(&h->out, &m);
    say(h, kind);
}

static void say_digests(struct hub *h)
{
    const struct lm_node_session *s = &h->w->link.session;
    struct lm_scope_entry items[4];
    uint8_t how = take(h);
    struct lm_msg_digests m = {.session = s->session,
                               .branch = s->config.branch,
                               .acked = head_of(h, how),
                               .done = how >> 2 & 1,
                               .items = items,
                               .n = how >> 3 & 3};

    (void)snprintf(m.after, sizeof m.after, "%s", how & 32 ? "" : s->compare.after);
    for (size_t i = 0; i < m.n; i++) {
        some_id(h, items[i].id);
        items[i].digest = number(h);
    }
    lm_digests_pack(&h->out, &m);
    say(h, LM_MSG_DIGESTS);
}

/* Some of a catalogue that is none: its bytes are the input's, its hash may be right. */
static void say_part(struct hub *h)
{
    const struct lm_node_session *s = &h->w->link.session;
    uint8_t how = take(h);
    size_t left = (size_t)(h->end - h->at), n = take(h);
    struct lm_msg_part m = {.number = s->config.catalog + (how & 3), .bytes = h->at};

    left = (size_t)(h->end - h->at);
    m.n = how & 4 ? 0 : n < left ? n : left;
    m.total = how & 8 ? number(h) : m.n + (how >> 4 & 1);
    m.offset = how & 32 ? number(h) : how & 64 ? s->catalog.part.offset : 0;
    (void)crypto_generichash(m.hash, sizeof m.hash, m.bytes, m.n, NULL, 0);
    if (how & 128) {
        memcpy(m.hash, s->catalog.part.hash, sizeof m.hash);
    }
    lm_part_pack(&h->out, &m);
    h->at += m.n <= (size_t)(h->end - h->at) ? m.n : 0;
    say(h, LM_MSG_CATALOG);
}

static void say_error(struct hub *h)
{
    static const char *const codes[] = {
        "busy",  "hello_first", "rolled_back", "revoked",  "unknown",
        "clone", "protocol",    "rival",       "internal", "x"};
    struct lm_msg_error m = {
        .code = codes[take(h) % 10], .text = "branch=", .retry_after_s = take(h)};
    char text[40];

    (void)snprintf(text, sizeof text, "branch=%llu", (unsigned long long)number(h));
    m.text = text;
    lm_error_pack(&h->out, &m);
    say(h, LM_MSG_ERROR);
}

/* What became of a record, asked for or not; of entries whose bodies are no changes too. */
static void say_past(struct hub *h)
{
    const struct lm_node_session *s = &h->w->link.session;
    uint8_t how = take(h);
    struct lm_past items[3];
    struct lm_msg_past m = {
        .session = s->session, .after = s->past.after, .done = how & 1, .items = items};

    memcpy(m.id, s->past.id, sizeof m.id);
    if (how & 2 || !m.id[0]) {
        some_id(h, m.id);
    }
    for (m.n = 0; m.n < (how >> 2) % 4u; m.n++) {
        items[m.n] = (struct lm_past){.position = m.after + m.n + 1 + (how >> 6),
                                      .of = how & 16 ? 1 : 0,
                                      .replica = NW_REPLICA,
                                      .hlc = number(h),
                                      .station = "999999101201",
                                      .user = "x",
                                      .op = "edit",
                                      .verdict = (enum lm_verdict)(1 + take(h) % 6),
                                      .code = "",
                                      .zh = "",
                                      .en = "",
                                      .body = h->at,
                                      .len = how & 32 ? 0 : (size_t)(h->end - h->at) % 64};
    }
    lm_past_pack(&h->out, &m);
    say(h, LM_MSG_HISTORY);
}

/* A person wants to see what others did to a record. */
static void ask_past(struct hub *h)
{
    struct lm_error err;
    char id[40];

    some_id(h, id);
    (void)!lm_nstore_past_want(h->w->link.store, id, seam_clock.wall_ms, &err);
    lm_link_hurry(&h->w->link);
    nw_round(h->w);
}

static void say_small(struct hub *h)
{
    uint8_t what = take(h);

    struct lm_msg_news news = {.position = number(h)};
    struct lm_msg_offered offered = {.session = h->w->link.session.session};
    struct lm_msg_readmitted readmitted = {.replica = NW_REPLICA};

    switch (what % 3) {
    case 0:
        lm_news_pack(&h->out, &news);
        say(h, LM_MSG_NEWS);
        break;
    case 1:
        some_id(h, offered.id);
        lm_offered_pack(&h->out, &offered);
        say(h, LM_MSG_RECOVER);
        break;
    default:
        if (what / 3 % 2 == 1) {
            say_past(h);
            break;
        }
        lm_readmitted_pack(&h->out, &readmitted);
        say(h, LM_MSG_READMITTED);
    }
}

static void say_noise(struct hub *h)
{
    uint8_t kind = take(h);
    size_t n = take(h), left = (size_t)(h->end - h->at);

    n = n < left ? n : left;
    lm_buf_add(&h->out, h->at, n);
    h->at += n;
    say(h, kind);
}

/* ---- the rest of the world ---- */

static void pass_time(struct hub *h)
{
    uint8_t b = take(h);
    int64_t ms = b < 128 ? b * 20 : (b - 127) * 2000;

    seam_clock.mono_ms += ms;
    seam_clock.wall_ms += ms;
    nw_round(h->w);
}

static void befall(struct hub *h)
{
    static const char *const states[] = {"connected", "refused by the hub (unknown or revoked key)",
                                         "wrong hub key", "not a Lastmile hub"};
    uint8_t how = take(h);

    switch (how % 6) {
    case 0:
        nw_restart(h->w);
        break;
    case 1:
        h->w->refuse = !h->w->refuse;
        break;
    case 2:
        h->w->state = states[how / 6 % 4];
        nw_round(h->w);
        break;
    case 3:
        if (how / 6 % 4 == 1) {
            ask_past(h);
            break;
        }
        lm_link_hurry(&h->w->link);
        nw_round(h->w);
        break;
    case 4: /* a clock that is set */
        seam_clock.wall_ms += ((int64_t)how - 128) * 86400000;
        break;
    default:
        if (h->n_twists < TWISTS_MAX) {
            h->twists[h->n_twists].at = take(h);
            h->twists[h->n_twists++].with = take(h);
        }
    }
}

static void event(struct hub *h)
{
    uint8_t how;

    lm_buf_reset(&h->out);
    lm_arena_reset(&h->arena);
    switch (take(h) % 16) {
    case 0:
    case 1:
        pass_time(h);
        break;
    case 2:
    case 3:
        how = take(h);
        nw_save(h->w, how >> 4, how % 16 == 15 ? -1 : 1 + how % 16);
        break;
    case 4:
    case 5:
        say_welcome(h);
        break;
    case 6:
        say_ack(h);
        break;
    case 7:
    case 8:
        say_page(h, LM_MSG_FEED);
        break;
    case 9:
        say_page(h, LM_MSG_BODIES);
        break;
    case 10:
        say_digests(h);
        break;
    case 11:
        say_part(h);
        break;
    case 12:
        say_error(h);
        break;
    case 13:
        say_small(h);
        break;
    case 14:
        say_noise(h);
        break;
    default:
        befall(h);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node_world w;
    struct hub h = {.w = &w, .at = data, .end = data + size, .incarnation = 5};

    nw_begin(&w);
    lm_arena_init(&h.arena, 16 << 20);
    lm_buf_init(&h.out, LM_FRAME_BYTES_MAX);
    lm_buf_init(&h.part, LM_FRAME_BYTES_MAX);
    nw_round(&w); /* the first socket, the first HELLO */
    for (int i = 0; i < EVENTS_MAX && h.at < h.end; i++) {
        event(&h);
    }
    nw_end(&w);
    lm_buf_free(&h.out);
    lm_buf_free(&h.part);
    lm_arena_free(&h.arena);
    return 0;
}
