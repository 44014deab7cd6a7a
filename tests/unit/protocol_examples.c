/* See protocol_examples.h. */
#include "tests/unit/protocol_examples.h"

#include "common/base/util.h"
#include "proto/bundle.h"
#include "proto/credential.h"
#include "proto/feed.h"
#include "proto/hubkey.h"
#include "proto/message.h"
#include "proto/pack.h"
#include "proto/proof.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ID_A "01932f00-1111-7222-8333-444444444444"
#define ID_B "01932f00-5555-7666-8777-888888888888"
#define T0 1795334400000 /* 2026-11-22T08:00:00Z */
enum { REPLICA = 0x11223344, BRANCH = 1 };

struct example examples[EXAMPLES_MAX];
size_t n_examples;
uint8_t sign_public[32], sign_secret[64];

static struct lm_buf *add_example(const char *name)
{
    assert_true(n_examples < EXAMPLES_MAX);
    examples[n_examples].name = name;
    lm_buf_init(&examples[n_examples].bytes, LM_FRAME_BYTES_MAX);
    return &examples[n_examples++].bytes;
}

const struct lm_buf *example(const char *name)
{
    for (size_t i = 0; i < n_examples; i++) {
        if (strcmp(examples[i].name, name) == 0) {
            return &examples[i].bytes;
        }
    }
    fail_msg("no example %s", name);
    return NULL;
}

static struct lm_pair pair(const char *key, struct lm_value value)
{
    return (struct lm_pair){.key = key, .key_len = (uint32_t)strlen(key), .value = value};
}

static struct lm_value map(struct lm_pair *pairs, size_t n)
{
    return (struct lm_value){.kind = LM_MAP, .len = (uint32_t)n, .pairs = pairs};
}

/* ---- changes, chain, batch ---- */

static uint8_t chain[3][LM_HASH_BYTES]; /* before the first, after it, after the second */

static void make_changes(void)
{
    struct lm_pair created[] = {pair("title", lm_value_text("走访")),
                                pair("amount", lm_value_int(125000)),
                                pair("person_id", lm_value_text(ID_B))};
    struct lm_pair edited[] = {pair("title", lm_value_text("春节走访")),
                               pair("amount", lm_value_null())};
    struct lm_pair deleted[] = {pair("delete_reason", lm_value_text("重复"))};
    struct lm_base bases[] = {{"amount", {lm_hlc_of_ms(T0) + 7, 0}}};
    struct lm_change c = {.type = "example",
                          .id = ID_A,
                          .op = LM_OP_CREATE,
                          .hlc = lm_hlc_of_ms(T0),
                          .user = "李四",
                          .catalog = 1,
                          .wall_delta_ms = 0,
                          .fields = map(created, 3)};
    lm_change_pack(add_example("change-create"), &c);
    c.op = LM_OP_EDIT;
    c.hlc = lm_hlc_of_ms(T0 + 60000) + 1;
    c.wall_delta_ms = -2000;
    c.offset_known = true;
    c.offset_ms = 1500;
    c.fields = map(edited, 2);
    c.base_all = (struct lm_version){lm_hlc_of_ms(T0), REPLICA};
    c.bases = bases;
    c.n_bases = 1;
    lm_change_pack(add_example("change-edit"), &c);
    c.op = LM_OP_DELETE;
    c.hlc += 1;
    c.fields = map(deleted, 1);
    c.n_bases = 0;
    c.has_seen = true;
    c.seen = 0x0123456789abcdef;
    lm_change_pack(add_example("change-delete"), &c);
    lm_chain_start(REPLICA, BRANCH, chain[0]);
    lm_chain_next(chain[0], example("change-create")->data, example("change-create")->len,
                  chain[1]);
    lm_chain_next(chain[1], example("change-edit")->data, example("change-edit")->len, chain[2]);
    lm_buf_add(add_example("chain-start"), chain[0], LM_HASH_BYTES);
    lm_buf_add(add_example("chain-next"), chain[1], LM_HASH_BYTES);
}

/* The batch before zstd, and one zstd frame that holds it as a raw block: any compressor's output
 * is as good, but not the same from version to version. */
static uint32_t batch_raw_bytes;

static void make_batch(void)
{
    struct lm_batch batch;
    struct lm_buf *frame;
    lm_batch_init(&batch);
    assert_true(
        lm_batch_add(&batch, example("change-create")->data, example("change-create")->len));
    assert_true(lm_batch_add(&batch, example("change-edit")->data, example("change-edit")->len));
    batch_raw_bytes = (uint32_t)batch.raw.len;
    assert_in_range(batch_raw_bytes, 1, 255);
    lm_buf_add(add_example("batch"), batch.raw.data, batch.raw.len);
    frame = add_example("batch-zstd");
    uint8_t head[] = {0x28,
                      0xb5,
                      0x2f,
                      0xfd,
                      0x20,
                      (uint8_t)batch_raw_bytes,
                      (uint8_t)(1 | (batch_raw_bytes << 3)),
                      (uint8_t)(batch_raw_bytes >> 5),
                      0};
    lm_buf_add(frame, head, sizeof head);
    lm_buf_add(frame, batch.raw.data, batch.raw.len);
    lm_batch_free(&batch);
}

/* ---- a record ---- */

static struct lm_field fields[LM_C_COUNT + 2];
static struct lm_group groups[] = {
    {"origin", false}, {"state", false}, {"deleted", false}, {"title", false}, {"amount", false}};
static struct lm_type type = {.name = "example",
                              .fields = fields,
                              .n_fields = LM_C_COUNT + 2,
                              .groups = groups,
                              .n_groups = 5};
static const char *const common_names[LM_C_COUNT] = {
    "id",        "village_code", "station",       "state",         "created_by",  "created_at",
    "device_id", "deleted_at",   "correction_of", "delete_reason", "return_note", "close_note"};

static void make_record(struct lm_arena *arena)
{
    static const int common_groups[LM_C_COUNT] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 2, 1, 1};
    for (int i = 0; i < LM_C_COUNT; i++) {
        fields[i] =
            (struct lm_field){.name = common_names[i], .group = common_groups[i], .index = i};
    }
    fields[LM_C_COUNT] = (struct lm_field){.name = "title", .group = 3, .index = LM_C_COUNT};
    fields[LM_C_COUNT + 1] =
        (struct lm_field){.name = "amount", .group = 4, .index = LM_C_COUNT + 1};
    struct lm_record *rec = lm_record_new(arena, &type, ID_A);
    assert_non_null(rec);
    for (size_t g = 0; g < type.n_groups; g++) {
        rec->stamps[g] = (struct lm_stamp){{lm_hlc_of_ms(T0), REPLICA}, lm_hlc_of_ms(T0)};
    }
    rec->fields[LM_C_STATE] = lm_value_text("submitted");
    rec->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999101201");
    rec->fields[LM_C_COUNT] = lm_value_text("走访");
    rec->fields[LM_C_COUNT + 1] = lm_value_int(125000);
    rec->position = 41;
    lm_stamps_pack(add_example("stamps-one"), rec, true);
    rec->stamps[3] =
        (struct lm_stamp){{lm_hlc_of_ms(T0 + 60000) + 1, REPLICA}, lm_hlc_of_ms(T0 + 60000) + 1};
    rec->fields[LM_C_COUNT] = lm_value_text("春节走访");
    lm_stamps_pack(add_example("stamps-two"), rec, true);
    lm_body_pack(add_example("body"), rec);

    struct lm_buf *input = add_example("digest-input");
    lm_pack_text(input, "example", 7);
    lm_pack_text(input, ID_A, 36);
    static const int order[] = {LM_C_COUNT + 1, LM_C_STATE, LM_C_COUNT,
                                LM_C_VILLAGE_CODE}; /* by name */
    for (size_t i = 0; i < 4; i++) {
        lm_pack_text(input, fields[order[i]].name, strlen(fields[order[i]].name));
        lm_value_pack(input, &rec->fields[order[i]]);
    }
    lm_pack_uint(input, rec->stamps[0].version.hlc);
    lm_pack_uint(input, rec->stamps[0].version.replica);
    lm_pack_text(input, "title", 5); /* the one group that was touched since */
    lm_pack_uint(input, rec->stamps[3].version.hlc);
    lm_pack_uint(input, rec->stamps[3].version.replica);
    uint8_t hash[LM_HASH_BYTES];
    lm_hash(hash, input->data, input->len, NULL, 0, NULL, 0);
    lm_buf_add(add_example("digest"), hash, 8);
    uint64_t digest = lm_record_digest(rec), seen = lm_record_seen(rec);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hash[i], (uint8_t)(digest >> (8 * i)));
    }
    uint8_t seen_bytes[8];
    for (int i = 0; i < 8; i++) {
        seen_bytes[i] = (uint8_t)(seen >> (8 * i));
    }
    lm_buf_add(add_example("seen"), seen_bytes, 8);
}

/* ---- messages ---- */

static void fill(uint8_t *out, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(from + i);
    }
}

static struct lm_head head_after(int n)
{
    struct lm_head head = {.seq = (uint64_t)n};
    memcpy(head.hash, chain[n], LM_HASH_BYTES);
    return head;
}

static struct lm_mark mark_of(uint64_t position)
{
    struct lm_mark mark = {.position = position};
    fill(mark.hash, sizeof mark.hash, 0xc0);
    return mark;
}

static void make_enrolment(void)
{
    struct lm_certificate c = {.station = "999999101201", .level = "village", .issued_ms = T0};
    fill(c.public_key, sizeof c.public_key, 0x20);
    c.replica = lm_replica_of(c.public_key);
    lm_certificate_make(add_example("certificate"), &c, sign_secret);
    struct lm_msg_enrol enrol = {
        .protocol_min = 1, .protocol_max = 1, .machine = "pc-01", .program = "lastmile-node 0.1.0"};
    fill(enrol.public_key, sizeof enrol.public_key, 0x20);
    fill(enrol.nonce, sizeof enrol.nonce, 0x40);
    lm_enrol_pack(add_example("ENROL"), &enrol);
    struct lm_msg_enrolled enrolled = {.replica = c.replica,
                                       .station = c.station,
                                       .station_name = "一村服务站",
                                       .level = c.level,
                                       .certificate = example("certificate")->data,
                                       .certificate_len = example("certificate")->len,
                                       .hub_time_ms = T0};
    lm_enrolled_pack(add_example("ENROLLED"), &enrolled);
}

/* WELCOME of protocol 2, under the CURVE key of bytes 80 … 9f, with the one of a0 … bf to follow.
 */
static void make_keys(struct lm_msg_welcome welcome)
{
    uint8_t present[32];
    struct lm_msg_key key = {.session = welcome.session};
    fill(present, sizeof present, 0x80);
    welcome.protocol = 2;
    welcome.keys.has_next = true;
    fill(welcome.keys.next, sizeof welcome.keys.next, 0xa0);
    lm_key_word_sign(&welcome.keys, present, sign_secret);
    lm_welcome_pack(add_example("WELCOME-keys"), &welcome);
    memcpy(key.key, welcome.keys.next, sizeof key.key);
    lm_key_pack(add_example("KEY"), &key);
}

static void make_handshake(void)
{
    struct lm_msg_hello hello = {.protocol_min = 1,
                                 .protocol_max = 1,
                                 .branch = BRANCH,
                                 .head = head_after(2),
                                 .lease = {0, 0},
                                 .seen = {.position = 0},
                                 .catalog = 1,
                                 .wall_ms = T0 - 1500,
                                 .program = "lastmile-node 0.1.0"};
    struct lm_short_mark checkpoints[1] = {{.position = 17}};
    struct lm_proof proof = {.incarnation = {1, 0xabcdef}, .mark = mark_of(40)};
    fill(hello.catalog_hash, 32, 0x60);
    lm_hello_pack(add_example("HELLO"), &hello);
    struct lm_msg_welcome welcome = {.protocol = 1,
                                     .session = 0x5e55101,
                                     .incarnation = {1, 0xabcdef},
                                     .branch = BRANCH,
                                     .acked = head_after(0),
                                     .safe_seq = 0,
                                     .lease = {1, 0x1ea5e},
                                     .head = mark_of(40),
                                     .catalog = 1,
                                     .hub_time_ms = T0,
                                     .hlc_known = 0,
                                     .credit = 4};
    lm_hub_id_of(sign_public, welcome.hub_id);
    fill(welcome.catalog_hash, 32, 0x60);
    lm_proof_sign(&proof, sign_secret);
    memcpy(welcome.signature, proof.signature, sizeof welcome.signature);
    lm_welcome_pack(add_example("WELCOME"), &welcome);
    make_keys(welcome);
    hello.lease = welcome.lease;
    hello.cursor.position = 40;
    (void)snprintf(hello.cursor.id, sizeof hello.cursor.id, "%s",
                   "01932f00-1111-7222-8333-444444444444");
    hello.seen = welcome.head;
    hello.proof = proof;
    fill(checkpoints[0].prefix, LM_MARK_PREFIX_BYTES, 0xa0);
    hello.checkpoints = checkpoints;
    hello.n_checkpoints = 1;
    lm_hello_pack(add_example("HELLO-again"), &hello);
}

static void make_push_and_feed(void)
{
    struct lm_msg_push push = {.branch = BRANCH,
                               .first_seq = 1,
                               .count = 2,
                               .raw_bytes = batch_raw_bytes,
                               .packed = example("batch-zstd")->data,
                               .packed_len = example("batch-zstd")->len,
                               .head = head_after(2),
                               .as_of_ms = T0 + 90000};
    memcpy(push.before, chain[0], LM_HASH_BYTES);
    lm_push_pack(add_example("PUSH"), &push);
    struct lm_msg_push beat = {
        .branch = BRANCH, .first_seq = 3, .head = head_after(2), .as_of_ms = T0 + 150000};
    memcpy(beat.before, chain[2], LM_HASH_BYTES);
    lm_push_pack(add_example("PUSH-empty"), &beat);
    struct lm_ack_verdict verdict = {.seq = 2, .verdict = LM_V_INVALID, .code = "required"};
    struct lm_msg_ack ack = {.branch = BRANCH,
                             .acked = head_after(2),
                             .safe_seq = 0,
                             .credit = 4,
                             .verdicts = &verdict,
                             .n_verdicts = 1};
    lm_ack_pack(add_example("ACK"), &ack);
    struct lm_msg_pull pull = {.session = 0x5e55101, .max_bytes = LM_FEED_BYTES_MAX};
    lm_pull_pack(add_example("PULL"), &pull);
    struct lm_feed_verdict open = {.hlc = lm_hlc_of_ms(T0 + 60000) + 1,
                                   .verdict = LM_V_INVALID,
                                   .code = "required",
                                   .field = "amount",
                                   .zh = "请填写金额。",
                                   .en = "Fill in the amount."};
    struct lm_feed_entry entries[] = {
        {.kind = LM_ENTRY_BODY,
         .id = ID_A,
         .type = "example",
         .position = 41,
         .body = example("body")->data,
         .body_len = example("body")->len,
         .verdicts = &open,
         .n_verdicts = 1},
        {.kind = LM_ENTRY_DIGEST,
         .id = ID_B,
         .type = "example",
         .position = 42,
         .digest = 0x0123456789abcdef},
        {.kind = LM_ENTRY_GONE, .id = ID_B, .type = "example", .position = 43},
        {.kind = LM_ENTRY_ABSENT, .id = ID_B, .type = "", .position = 44},
    };
    struct lm_msg_feed feed = {.session = 0x5e55101,
                               .next = {.position = 44, .id = ID_B},
                               .branch = BRANCH,
                               .acked = head_after(2),
                               .head = mark_of(44),
                               .done = true,
                               .scope_sum = 0xfedcba9876543210,
                               .has_scope_sum = true,
                               .entries = entries,
                               .n_entries = 4,
                               .has_signature = true};
    struct lm_proof seen = {.incarnation = {1, 0xabcdef}, .mark = feed.head};
    lm_proof_sign(&seen, sign_secret);
    memcpy(feed.signature, seen.signature, sizeof feed.signature);
    lm_feed_pack(add_example("FEED"), &feed);
    static char ids[1][40] = {ID_B};
    struct lm_msg_want want = {.session = 0x5e55101, .ids = ids, .n_ids = 1};
    lm_want_pack(add_example("WANT"), &want);
    feed.from = feed.next;
    feed.has_scope_sum = false;
    feed.n_entries = 1;
    entries[0].n_verdicts = 0;
    lm_feed_pack(add_example("BODIES"), &feed);
}

static void make_questions(void)
{
    struct lm_msg_compare compare = {.session = 0x5e55101, .max = 1170};
    lm_compare_pack(add_example("COMPARE"), &compare);
    struct lm_scope_entry digest_of[] = {{ID_A, 0x0123456789abcdef}, {ID_B, 7}};
    struct lm_msg_digests digests = {.session = 0x5e55101,
                                     .branch = BRANCH,
                                     .acked = head_after(2),
                                     .done = true,
                                     .items = digest_of,
                                     .n = 2};
    lm_digests_pack(add_example("DIGESTS"), &digests);
    struct lm_msg_past_ask past_ask = {
        .session = 0x5e55101, .id = ID_A, .after = 40, .max_bytes = 32768};
    lm_past_ask_pack(add_example("HISTORY-ask"), &past_ask);
    struct lm_past pasts[] = {{.position = 41,
                               .replica = REPLICA,
                               .hlc = 0x01a20244e8000000,
                               .station = "999999101201",
                               .user = "王秀兰",
                               .op = "create",
                               .at_ms = 1763000000000,
                               .verdict = LM_V_APPLIED,
                               .code = "",
                               .zh = "",
                               .en = "",
                               .body = example("change-create")->data,
                               .len = example("change-create")->len},
                              {.position = 44,
                               .of = 41,
                               .replica = REPLICA,
                               .hlc = 0x01a20244e8000000,
                               .station = "999999101201",
                               .user = "",
                               .op = "again",
                               .at_ms = 1763000060000,
                               .verdict = LM_V_INVALID,
                               .code = "required",
                               .zh = "标题必填。",
                               .en = "The title is required.",
                               .body = (const uint8_t *)""}};
    struct lm_msg_past past = {
        .session = 0x5e55101, .id = ID_A, .after = 40, .done = true, .items = pasts, .n = 2};
    lm_past_pack(add_example("HISTORY"), &past);
    struct lm_msg_news news = {.position = 45};
    lm_news_pack(add_example("NEWS"), &news);
}

static void make_recovery_and_catalog(void)
{
    struct lm_msg_offer offer = {.session = 0x5e55101, .n = 1};
    struct lm_offer offered = {
        .id = ID_A, .body = example("body")->data, .len = example("body")->len};
    struct lm_msg_offered answer = {.session = 0x5e55101, .id = ID_A};
    offer.items = &offered;
    offer.proof.incarnation = (struct lm_incarnation){1, 0xabcdef};
    offer.proof.mark = mark_of(40);
    lm_proof_sign(&offer.proof, sign_secret);
    struct lm_msg_readmit readmit = {.certificate = example("certificate")->data,
                                     .certificate_len = example("certificate")->len};
    struct lm_msg_readmitted readmitted = {.replica = 0x0a6570942c1cf020};
    lm_readmit_pack(add_example("READMIT"), &readmit);
    lm_readmitted_pack(add_example("READMITTED"), &readmitted);
    lm_offer_pack(add_example("RECOVER"), &offer);
    lm_offered_pack(add_example("RECOVER-answer"), &answer);
    struct lm_msg_ask ask = {.number = 2, .offset = 65536};
    struct lm_msg_part part = {.number = 2, .total = 65540, .offset = 65536, .n = 4};
    fill(ask.hash, sizeof ask.hash, 0x60);
    fill(part.hash, sizeof part.hash, 0x60);
    part.bytes = part.hash;
    lm_ask_pack(add_example("CATALOG-ask"), &ask);
    lm_part_pack(add_example("CATALOG-part"), &part);
    struct lm_msg_error error = {.code = "busy", .text = "try later", .retry_after_s = 30};
    lm_error_pack(add_example("ERROR"), &error);
}

static void make_names(void)
{
    uint8_t hub_id[16], key[32];
    fill(key, sizeof key, 0x20);
    lm_hub_id_of(sign_public, hub_id);
    lm_buf_add(add_example("hub-id"), hub_id, sizeof hub_id);
    uint64_t replica = lm_replica_of(key);
    uint8_t big[8];
    for (int i = 0; i < 8; i++) {
        big[i] = (uint8_t)(replica >> (56 - 8 * i));
    }
    lm_buf_add(add_example("replica"), big, sizeof big);
    lm_buf_add(add_example("sign-public"), sign_public, sizeof sign_public);
}

/* Before and after the box is closed. */
static void make_bundle(void)
{
    struct lm_bundle_head head = {.kind = LM_BUNDLE_UP, .part = 1, .parts = 1, .number = 7};
    struct lm_buf *content = add_example("bundle-content"), *file = add_example("bundle");
    uint8_t own_secret[32], hub_secret[32], hub_public[32], nonce[LM_BUNDLE_NONCE_BYTES];
    uint8_t hash[LM_HASH_BYTES];
    memset(own_secret, 0x32, sizeof own_secret);
    memset(hub_secret, 0x31, sizeof hub_secret);
    assert_int_equal(crypto_scalarmult_base(head.key, own_secret), 0);
    assert_int_equal(crypto_scalarmult_base(hub_public, hub_secret), 0);
    lm_hub_id_of(sign_public, head.hub_id);
    for (size_t i = 0; i < sizeof nonce; i++) {
        nonce[i] = (uint8_t)(0x40 + i);
    }
    lm_bundle_begin(file);
    assert_true(lm_bundle_add(file, LM_MSG_HELLO, example("HELLO")->data, example("HELLO")->len));
    assert_true(
        lm_bundle_add(file, LM_MSG_PUSH, example("PUSH-empty")->data, example("PUSH-empty")->len));
    struct lm_buf frames;
    lm_buf_init(&frames, LM_FRAME_BYTES_MAX);
    lm_buf_add(&frames, file->data + LM_BUNDLE_HEAD_BYTES + 16 + LM_HASH_BYTES,
               file->len - LM_BUNDLE_HEAD_BYTES - 16 - LM_HASH_BYTES);
    assert_int_equal(lm_bundle_seal(file, &head, own_secret, hub_public, nonce), LM_OK);
    lm_hash(hash, file->data, LM_BUNDLE_HEAD_BYTES, NULL, 0, NULL, 0);
    lm_buf_add(content, hash, sizeof hash);
    lm_buf_add(content, frames.data, frames.len);
    lm_buf_free(&frames);
}

/* ---- all of it ---- */

void make_examples(void)
{
    struct lm_arena arena;
    uint8_t seed[32];

    memset(seed, 0x11, sizeof seed);
    assert_true(sodium_init() >= 0);
    assert_int_equal(crypto_sign_seed_keypair(sign_public, sign_secret, seed), 0);
    lm_arena_init(&arena, 1 << 20);
    make_names();
    make_changes();
    make_batch();
    make_record(&arena);
    make_enrolment();
    make_handshake();
    make_push_and_feed();
    make_questions();
    make_recovery_and_catalog();
    make_bundle();
    lm_arena_free(&arena);
}

void free_examples(void)
{
    for (size_t i = 0; i < n_examples; i++) {
        lm_buf_free(&examples[i].bytes);
    }
    n_examples = 0;
}

static void print_kit(void)
{
    struct lm_kit_record record = {example("body")->data, example("body")->len};
    struct lm_kit kit = {.town = "示范镇",
                         .endpoint = "tcp://hub.example:5800",
                         .station = "999999101201",
                         .station_name = "一村服务站",
                         .level = "village",
                         .expires_ms = T0 + 72 * 3600000LL,
                         .hub_public_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                         .enrol_public_key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
                         .enrol_secret_key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
                         .records = &record,
                         .n_records = 1};
    struct lm_error err;
    struct lm_buf text;
    lm_buf_init(&text, LM_KIT_BYTES_MAX);
    assert_int_equal(lm_kit_write(&kit, sign_secret, &text, &err), LM_OK);
    printf("```json kit\n%s```\n", (const char *)text.data);
    lm_buf_free(&text);
}

void print_examples(void)
{
    for (size_t i = 0; i < n_examples; i++) {
        printf("```hex %s\n", examples[i].name);
        for (size_t k = 0; k < examples[i].bytes.len; k++) {
            printf("%02x%s", examples[i].bytes.data[k],
                   k % 32 == 31 && k + 1 < examples[i].bytes.len ? "\n" : "");
        }
        printf("\n```\n");
    }
    print_kit();
}
