/* Messages: each reads back as it was packed; cut, stretched or altered ones are refused, never
 * believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/message.h"
#include "proto/pack.h"
#include "proto/version.h"

#include <string.h>

#define ID "01932f00-1111-7222-8333-444444444444"
#define MAX63 ((uint64_t)INT64_MAX)
#define MAX62 (((uint64_t)1 << 62) - 1)

static struct lm_arena arena;
static struct lm_buf buf;
static struct lm_error err;

static int setup(void **state)
{
    (void)state;
    lm_arena_init(&arena, 64 << 20);
    lm_buf_init(&buf, 2 * LM_FRAME_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lm_arena_free(&arena);
    lm_buf_free(&buf);
    return 0;
}

static struct lm_head head_of(uint64_t seq)
{
    struct lm_head head = {.seq = seq};
    memset(head.hash, (int)(seq & 0xff), sizeof head.hash);
    return head;
}

static struct lm_mark mark_of(uint64_t position)
{
    struct lm_mark mark = {.position = position};
    memset(mark.hash, 0x77, sizeof mark.hash);
    return mark;
}

static void check_head(struct lm_head a, struct lm_head b)
{
    assert_int_equal(a.seq, b.seq);
    assert_memory_equal(a.hash, b.hash, sizeof a.hash);
}

static void check_mark(struct lm_mark a, struct lm_mark b)
{
    assert_int_equal(a.position, b.position);
    assert_memory_equal(a.hash, b.hash, sizeof a.hash);
}

/* For every message: its bytes cut anywhere, or with something after them, are refused; so is one
 * with its outer array a size larger or smaller. */
#define CHECK_STRICT(name)                                                                         \
    do {                                                                                           \
        struct lm_msg_##name other;                                                                \
        for (size_t n = 0; n < buf.len; n++) {                                                     \
            assert_int_equal(lm_##name##_read(buf.data, n, &arena, &other, &err), LM_ERR_INVALID); \
            assert_string_equal(err.code, "malformed");                                            \
        }                                                                                          \
        buf.data[0]++;                                                                             \
        assert_int_not_equal(lm_##name##_read(buf.data, buf.len, &arena, &other, &err), LM_OK);    \
        buf.data[0] -= 2;                                                                          \
        assert_int_not_equal(lm_##name##_read(buf.data, buf.len, &arena, &other, &err), LM_OK);    \
        buf.data[0]++;                                                                             \
        lm_buf_add(&buf, "\xc0", 1);                                                               \
        assert_int_equal(lm_##name##_read(buf.data, buf.len, &arena, &other, &err),                \
                         LM_ERR_INVALID);                                                          \
    } while (0)

#define PACK(name, m)                                                                              \
    do {                                                                                           \
        lm_buf_reset(&buf);                                                                        \
        lm_##name##_pack(&buf, m);                                                                 \
        assert_int_equal(buf.status, LM_OK);                                                       \
    } while (0)

#define READ(name, got)                                                                            \
    assert_int_equal(lm_##name##_read(buf.data, buf.len, &arena, got, &err), LM_OK)

#define REFUSED(name, m, element)                                                                  \
    do {                                                                                           \
        struct lm_msg_##name other;                                                                \
        PACK(name, m);                                                                             \
        assert_int_not_equal(lm_##name##_read(buf.data, buf.len, &arena, &other, &err), LM_OK);    \
        assert_string_equal(err.field, #name "." element);                                         \
    } while (0)

static void enrol(void **state)
{
    (void)state;
    struct lm_msg_enrol m = {
        .protocol_min = 1, .protocol_max = 2, .machine = "", .program = "lastmile-node 0.1.0"};
    struct lm_msg_enrol got;
    memset(m.public_key, 1, sizeof m.public_key);
    memset(m.nonce, 2, sizeof m.nonce);
    PACK(enrol, &m);
    READ(enrol, &got);
    assert_int_equal(got.protocol_min, 1);
    assert_int_equal(got.protocol_max, 2);
    assert_memory_equal(got.public_key, m.public_key, 32);
    assert_memory_equal(got.nonce, m.nonce, 16);
    assert_string_equal(got.machine, "");
    assert_string_equal(got.program, m.program);
    CHECK_STRICT(enrol);
    m.protocol_max = 0;
    REFUSED(enrol, &m, "protocol_max");
    m.protocol_max = 65536;
    REFUSED(enrol, &m, "protocol_max");
    m.protocol_max = 1;
    m.protocol_min = 0;
    REFUSED(enrol, &m, "protocol_min");
    m.protocol_min = 1;
    m.machine = "0123456789012345678901234567890123456789012345678901234567890123x";
    REFUSED(enrol, &m, "machine");
    m.machine = "two\x7flines";
    REFUSED(enrol, &m, "machine");
}

static void enrolled(void **state)
{
    (void)state;
    uint8_t certificate[257] = {9};
    struct lm_msg_enrolled m = {.replica = MAX63,
                                .station = "999999101201",
                                .station_name = "一村服务站",
                                .level = "village",
                                .certificate = certificate,
                                .certificate_len = 200,
                                .hub_time_ms = 1795334400000};
    struct lm_msg_enrolled got;
    PACK(enrolled, &m);
    READ(enrolled, &got);
    assert_int_equal(got.replica, m.replica);
    assert_string_equal(got.station, m.station);
    assert_string_equal(got.station_name, m.station_name);
    assert_string_equal(got.level, m.level);
    assert_int_equal(got.certificate_len, 200);
    assert_memory_equal(got.certificate, certificate, 200);
    assert_int_equal(got.hub_time_ms, m.hub_time_ms);
    CHECK_STRICT(enrolled);
    m.replica = 0;
    REFUSED(enrolled, &m, "replica");
    m.replica = MAX63 + 1;
    REFUSED(enrolled, &m, "replica");
    m.replica = 1;
    m.station = "99999910120";
    REFUSED(enrolled, &m, "station");
    m.station = "99999910120a";
    REFUSED(enrolled, &m, "station");
    m.station = "999999101201";
    m.level = "county";
    REFUSED(enrolled, &m, "level");
    m.level = "town";
    m.certificate_len = 257;
    REFUSED(enrolled, &m, "certificate");
    m.certificate_len = 1;
    m.hub_time_ms = -1;
    REFUSED(enrolled, &m, "hub_time_ms");
}

static void hello(void **state)
{
    (void)state;
    struct lm_short_mark checkpoints[LM_CHECKPOINTS_MAX + 1] = {{9, "abcdefg"}, {MAX62, "x"}};
    struct lm_msg_hello m = {.protocol_min = 1,
                             .protocol_max = 1,
                             .branch = 2,
                             .head = head_of(17),
                             .lease = {3, UINT64_MAX},
                             .cursor = {.position = 5, .id = ID},
                             .seen = mark_of(MAX62),
                             .proof = {.incarnation = {1, 77}, .mark = mark_of(8)},
                             .catalog = 4,
                             .wall_ms = -62135596800000,
                             .program = "p",
                             .checkpoints = checkpoints,
                             .n_checkpoints = 2};
    struct lm_msg_hello got;
    memset(m.catalog_hash, 6, sizeof m.catalog_hash);
    PACK(hello, &m);
    READ(hello, &got);
    assert_int_equal(got.branch, 2);
    check_head(got.head, m.head);
    assert_int_equal(got.lease.counter, 3);
    assert_true(got.lease.random == UINT64_MAX);
    assert_int_equal(got.cursor.position, 5);
    assert_string_equal(got.cursor.id, ID);
    check_mark(got.seen, m.seen);
    assert_int_equal(got.proof.incarnation.counter, 1);
    assert_int_equal(got.proof.incarnation.random, 77);
    check_mark(got.proof.mark, m.proof.mark);
    assert_memory_equal(got.proof.signature, m.proof.signature, sizeof got.proof.signature);
    assert_int_equal(got.n_checkpoints, 2);
    assert_true(got.checkpoints[1].position == MAX62);
    assert_memory_equal(got.checkpoints[0].prefix, "abcdefg", LM_MARK_PREFIX_BYTES);
    assert_int_equal(got.catalog, 4);
    assert_memory_equal(got.catalog_hash, m.catalog_hash, 32);
    assert_true(got.wall_ms == m.wall_ms);
    assert_string_equal(got.program, "p");
    CHECK_STRICT(hello);
    memset(&m.cursor, 0, sizeof m.cursor);
    PACK(hello, &m);
    READ(hello, &got);
    assert_int_equal(got.cursor.position, 0);
    assert_string_equal(got.cursor.id, "");
    m.branch = 0;
    REFUSED(hello, &m, "branch");
    m.branch = 1;
    m.head.seq = MAX63 + 1;
    REFUSED(hello, &m, "head");
    m.head.seq = 0;
    m.wall_ms = INT64_MIN;
    REFUSED(hello, &m, "wall_ms");
    m.wall_ms = 0;
    m.checkpoints[1].position = 0;
    REFUSED(hello, &m, "checkpoints");
    m.n_checkpoints = LM_CHECKPOINTS_MAX + 1;
    REFUSED(hello, &m, "checkpoints");
    m.n_checkpoints = 0;
    m.proof.mark.position = MAX62 + 1;
    REFUSED(hello, &m, "proof");
    memset(&m.proof, 0, sizeof m.proof); /* none */
    PACK(hello, &m);
    READ(hello, &got);
    assert_int_equal(got.proof.incarnation.counter, 0);
}

static void welcome(void **state)
{
    (void)state;
    struct lm_msg_welcome m = {.protocol = 1,
                               .session = UINT64_MAX,
                               .incarnation = {2, 3},
                               .branch = 1,
                               .acked = head_of(9),
                               .safe_seq = 8,
                               .lease = {4, 5},
                               .head = mark_of(6),
                               .catalog = 7,
                               .hub_time_ms = 1795334400000,
                               .hlc_known = LM_HLC_TOP - 1,
                               .credit = 4,
                               .common = 5,
                               .signature = {1, 2, 3}};
    struct lm_msg_welcome got;
    memset(m.hub_id, 0xab, sizeof m.hub_id);
    PACK(welcome, &m);
    READ(welcome, &got);
    assert_int_equal(got.protocol, 1);
    assert_true(got.session == UINT64_MAX);
    assert_memory_equal(got.hub_id, m.hub_id, 16);
    assert_int_equal(got.incarnation.counter, 2);
    check_head(got.acked, m.acked);
    assert_int_equal(got.safe_seq, 8);
    assert_int_equal(got.lease.random, 5);
    check_mark(got.head, m.head);
    assert_int_equal(got.hub_time_ms, m.hub_time_ms);
    assert_true(got.hlc_known == LM_HLC_TOP - 1);
    assert_int_equal(got.credit, 4);
    assert_int_equal(got.common, 5);
    assert_memory_equal(got.signature, m.signature, sizeof got.signature);
    CHECK_STRICT(welcome);
    m.credit = 5;
    REFUSED(welcome, &m, "credit");
    m.credit = 0;
    REFUSED(welcome, &m, "credit");
    m.credit = 1;
    m.hlc_known = LM_HLC_TOP;
    REFUSED(welcome, &m, "hlc_known");
    m.hlc_known = 0;
    m.lease.counter = MAX62 + 1;
    REFUSED(welcome, &m, "lease");
    m.lease.counter = MAX62;
    m.head.position = MAX62 + 1;
    REFUSED(welcome, &m, "head");
    m.head.position = MAX62;
    m.common = MAX62 + 1;
    REFUSED(welcome, &m, "common");
}

static void push(void **state)
{
    (void)state;
    uint8_t packed[100] = {1, 2, 3};
    struct lm_msg_push m = {.branch = 1,
                            .first_seq = 5,
                            .count = 3,
                            .raw_bytes = 120,
                            .packed = packed,
                            .packed_len = sizeof packed,
                            .head = head_of(7),
                            .as_of_ms = 1795334400000};
    struct lm_msg_push got;
    PACK(push, &m);
    READ(push, &got);
    assert_int_equal(got.first_seq, 5);
    assert_memory_equal(got.before, m.before, 32);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.raw_bytes, 120);
    assert_int_equal(got.packed_len, sizeof packed);
    assert_memory_equal(got.packed, packed, sizeof packed);
    check_head(got.head, m.head);
    assert_int_equal(got.as_of_ms, m.as_of_ms);
    CHECK_STRICT(push);
    m.count = 0; /* and yet it brings bytes */
    REFUSED(push, &m, "count");
    m.raw_bytes = 0;
    REFUSED(push, &m, "count");
    m.packed_len = 0;
    PACK(push, &m);
    READ(push, &got);
    m.count = LM_BATCH_CHANGES_MAX + 1;
    REFUSED(push, &m, "count");
    m.count = 1;
    m.raw_bytes = LM_BATCH_BYTES_MAX + 1;
    REFUSED(push, &m, "raw_bytes");
    m.raw_bytes = 1;
    m.first_seq = 0;
    REFUSED(push, &m, "first_seq");
    m.first_seq = MAX63;
    REFUSED(push, &m, "first_seq");
}

static void ack(void **state)
{
    (void)state;
    struct lm_ack_verdict verdicts[LM_ACK_VERDICTS_MAX + 1];
    for (size_t i = 0; i <= LM_ACK_VERDICTS_MAX; i++) {
        verdicts[i] =
            (struct lm_ack_verdict){.seq = i + 1, .verdict = LM_V_REFUSED, .code = "not_yours"};
    }
    struct lm_msg_ack m = {.branch = 1,
                           .acked = head_of(10),
                           .safe_seq = 0,
                           .credit = 0,
                           .verdicts = verdicts,
                           .n_verdicts = 2};
    struct lm_msg_ack got;
    PACK(ack, &m);
    READ(ack, &got);
    check_head(got.acked, m.acked);
    assert_int_equal(got.n_verdicts, 2);
    assert_int_equal(got.verdicts[1].seq, 2);
    assert_int_equal(got.verdicts[1].verdict, LM_V_REFUSED);
    assert_string_equal(got.verdicts[1].code, "not_yours");
    CHECK_STRICT(ack);
    m.n_verdicts = LM_ACK_VERDICTS_MAX;
    PACK(ack, &m);
    READ(ack, &got);
    m.n_verdicts++;
    REFUSED(ack, &m, "verdicts");
    m.n_verdicts = 1;
    verdicts[0].verdict = 7;
    REFUSED(ack, &m, "verdicts");
    verdicts[0].verdict = 0;
    REFUSED(ack, &m, "verdicts");
    verdicts[0].verdict = LM_V_HELD;
    verdicts[0].seq = 0;
    REFUSED(ack, &m, "verdicts");
    verdicts[0].seq = 1;
    verdicts[0].code = "a_code_that_is_longer_than_31_by";
    REFUSED(ack, &m, "verdicts");
}

static void history(void **state)
{
    (void)state;
    struct lm_msg_past_ask ask = {.session = 3, .id = ID, .after = 7, .max_bytes = 1}, got_ask;
    struct lm_past items[] = {{.position = 8,
                               .replica = MAX63,
                               .hlc = 9,
                               .station = "999999101201",
                               .user = "王秀兰",
                               .op = "create",
                               .at_ms = -1,
                               .verdict = LM_V_HELD,
                               .code = "base",
                               .zh = "等",
                               .en = "waits",
                               .body = (const uint8_t *)"xy",
                               .len = 2},
                              {.position = 10,
                               .of = 8,
                               .station = "",
                               .user = "",
                               .op = "again",
                               .verdict = LM_V_APPLIED,
                               .code = "",
                               .zh = "",
                               .en = "",
                               .body = (const uint8_t *)""}};
    struct lm_msg_past m = {.session = 3, .id = ID, .after = 7, .items = items, .n = 2}, got;
    PACK(past_ask, &ask);
    READ(past_ask, &got_ask);
    assert_true(got_ask.after == 7 && got_ask.max_bytes == 1);
    CHECK_STRICT(past_ask);
    ask.max_bytes = LM_HISTORY_BYTES_MAX + 1;
    REFUSED(past_ask, &ask, "max_bytes");

    PACK(past, &m);
    READ(past, &got);
    assert_int_equal(got.n, 2);
    assert_string_equal(got.items[0].user, "王秀兰");
    assert_true(got.items[0].len == 2 && got.items[0].at_ms == -1);
    assert_true(got.items[1].of == 8 && got.items[1].len == 0 && !got.done);
    CHECK_STRICT(past);
    items[1].position = 8; /* twice */
    REFUSED(past, &m, "entries.position");
    items[1].position = 10;
    m.after = 8; /* not behind what was asked for */
    REFUSED(past, &m, "entries.position");
    m.n = 0; /* neither an entry nor the end */
    REFUSED(past, &m, "entries");
    m.done = true;
    PACK(past, &m);
    READ(past, &got);
    assert_true(got.done && got.n == 0);
}

static void compare_and_digests(void **state)
{
    (void)state;
    struct lm_msg_compare ask = {.session = 3, .after = ID, .max = LM_COMPARE_MAX}, got_ask;
    struct lm_scope_entry items[] = {{ID, MAX63}, {"ffffffff-ffff-7fff-8fff-ffffffffffff", 1}};
    struct lm_msg_digests m = {.session = 3, .branch = 1, .done = true, .items = items, .n = 2},
                          got;
    PACK(compare, &ask);
    READ(compare, &got_ask);
    assert_int_equal(got_ask.max, LM_COMPARE_MAX);
    assert_string_equal(got_ask.after, ID);
    CHECK_STRICT(compare);
    ask.after[0] = '\0';
    PACK(compare, &ask);
    READ(compare, &got_ask);
    assert_string_equal(got_ask.after, "");
    ask.max = 0;
    REFUSED(compare, &ask, "max");
    ask.max = LM_COMPARE_MAX + 1;
    REFUSED(compare, &ask, "max");

    PACK(digests, &m);
    READ(digests, &got);
    assert_int_equal(got.n, 2);
    assert_true(got.items[0].digest == MAX63 && got.done);
    assert_string_equal(got.items[1].id, items[1].id);
    CHECK_STRICT(digests);
    memcpy(m.after, ID, sizeof ID); /* the first does not lie behind it */
    REFUSED(digests, &m, "items.id");
    m.after[0] = '\0';
    memcpy(items[1].id, ID, sizeof ID); /* twice */
    REFUSED(digests, &m, "items.id");
    m.n = 0;
    m.done = false; /* leads nowhere */
    REFUSED(digests, &m, "items");
}

static void pull_and_news_and_error(void **state)
{
    (void)state;
    struct lm_msg_pull pull = {
        .session = 3, .cursor = {.position = 4, .id = ID}, .max_bytes = LM_FEED_BYTES_MAX};
    struct lm_msg_pull got_pull;
    struct lm_msg_news news = {.position = MAX62};
    struct lm_msg_news got_news;
    struct lm_msg_error error = {
        .code = "busy", .text = "稍后再试 / try later", .retry_after_s = 86400};
    struct lm_msg_error got_error;
    PACK(pull, &pull);
    READ(pull, &got_pull);
    assert_int_equal(got_pull.session, 3);
    assert_int_equal(got_pull.cursor.position, 4);
    assert_string_equal(got_pull.cursor.id, ID);
    assert_int_equal(got_pull.max_bytes, LM_FEED_BYTES_MAX);
    CHECK_STRICT(pull);
    pull.max_bytes = 0;
    REFUSED(pull, &pull, "max_bytes");
    PACK(news, &news);
    READ(news, &got_news);
    assert_true(got_news.position == MAX62);
    CHECK_STRICT(news);
    PACK(error, &error);
    READ(error, &got_error);
    assert_string_equal(got_error.code, "busy");
    assert_string_equal(got_error.text, error.text);
    assert_int_equal(got_error.retry_after_s, 86400);
    CHECK_STRICT(error);
    error.retry_after_s++;
    REFUSED(error, &error, "retry_after_s");
    error.retry_after_s = 0;
    error.code = "";
    REFUSED(error, &error, "code");
}

static void want(void **state)
{
    (void)state;
    static char ids[LM_WANT_MAX + 1][40];
    struct lm_msg_want m = {.session = 1, .ids = ids, .n_ids = LM_WANT_MAX};
    struct lm_msg_want got;
    for (size_t i = 0; i <= LM_WANT_MAX; i++) {
        strcpy(ids[i], ID);
        ids[i][35] = (char)('0' + i % 10);
    }
    PACK(want, &m);
    READ(want, &got);
    assert_int_equal(got.n_ids, LM_WANT_MAX);
    assert_string_equal(got.ids[499], ids[499]);
    m.n_ids++;
    REFUSED(want, &m, "ids");
    m.n_ids = 1;
    strcpy(ids[0], "no uuid");
    REFUSED(want, &m, "ids");
    strcpy(ids[0], ID);
    m.n_ids = 2;
    PACK(want, &m);
    CHECK_STRICT(want);
}

static void feed(void **state)
{
    (void)state;
    struct lm_feed_verdict verdicts[101] = {
        {.hlc = 9,
         .verdict = LM_V_INVALID,
         .code = "required",
         .field = "fields.note",
         .zh = "请填写“备注”。",
         .en = "Note is required."},
    };
    struct lm_feed_entry entries[] = {
        {.kind = LM_ENTRY_BODY,
         .id = ID,
         .type = "visit",
         .position = 7,
         .body = (const uint8_t *)"body",
         .body_len = 4,
         .verdicts = verdicts,
         .n_verdicts = 1},
        {.kind = LM_ENTRY_DIGEST, .id = ID, .type = "visit", .position = 8, .digest = UINT64_MAX},
        {.kind = LM_ENTRY_GONE, .id = ID, .type = "person", .position = 9},
        {.kind = LM_ENTRY_ABSENT, .id = ID, .type = "", .position = 10},
    };
    struct lm_msg_feed m = {.session = 5,
                            .from = {.position = 1, .id = ""},
                            .next = {.position = 10, .id = ID},
                            .branch = 1,
                            .acked = head_of(3),
                            .head = mark_of(11),
                            .done = true,
                            .scope_sum = UINT64_MAX,
                            .has_scope_sum = true,
                            .entries = entries,
                            .n_entries = 4};
    struct lm_msg_feed got;
    PACK(feed, &m);
    READ(feed, &got);
    assert_int_equal(got.session, 5);
    assert_string_equal(got.from.id, "");
    assert_string_equal(got.next.id, ID);
    check_head(got.acked, m.acked);
    check_mark(got.head, m.head);
    assert_true(got.done && got.has_scope_sum && got.scope_sum == UINT64_MAX);
    assert_int_equal(got.n_entries, 4);
    assert_int_equal(got.entries[0].kind, LM_ENTRY_BODY);
    assert_string_equal(got.entries[0].id, ID);
    assert_int_equal(got.entries[0].body_len, 4);
    assert_memory_equal(got.entries[0].body, "body", 4);
    assert_int_equal(got.entries[0].n_verdicts, 1);
    assert_int_equal(got.entries[0].verdicts[0].hlc, 9);
    assert_string_equal(got.entries[0].verdicts[0].code, "required");
    assert_string_equal(got.entries[0].verdicts[0].field, "fields.note");
    assert_string_equal(got.entries[0].verdicts[0].zh, verdicts[0].zh);
    assert_string_equal(got.entries[0].verdicts[0].en, verdicts[0].en);
    assert_true(got.entries[1].digest == UINT64_MAX);
    assert_int_equal(got.entries[2].kind, LM_ENTRY_GONE);
    assert_string_equal(got.entries[3].type, "");
    CHECK_STRICT(feed);
    m.has_scope_sum = m.done = false;
    m.n_entries = 0;
    PACK(feed, &m);
    READ(feed, &got);
    assert_false(got.done || got.has_scope_sum);
    assert_int_equal(got.n_entries, 0);
    m.n_entries = 1;
    entries[0].body_len = 0;
    REFUSED(feed, &m, "entries.body");
    entries[0].body_len = 4;
    entries[0].type = "";
    REFUSED(feed, &m, "entries.type");
    entries[0].type = "visit";
    verdicts[0].hlc = 0;
    REFUSED(feed, &m, "entries.verdicts.hlc");
    for (size_t i = 0; i < 101; i++) {
        verdicts[i] = (struct lm_feed_verdict){
            .hlc = i + 1, .verdict = LM_V_HELD, .code = "", .field = "", .zh = "", .en = ""};
    }
    entries[0].n_verdicts = 101;
    REFUSED(feed, &m, "entries.verdicts");
    entries[0].n_verdicts = 100;
    PACK(feed, &m);
    READ(feed, &got);
}

static void feed_of_1000_entries(void **state)
{
    (void)state;
    static struct lm_feed_entry entries[LM_FEED_ENTRIES_MAX + 1];
    for (size_t i = 0; i <= LM_FEED_ENTRIES_MAX; i++) {
        entries[i] = (struct lm_feed_entry){
            .kind = LM_ENTRY_DIGEST, .id = ID, .type = "visit", .position = i};
    }
    struct lm_msg_feed m = {.branch = 1, .entries = entries, .n_entries = LM_FEED_ENTRIES_MAX};
    struct lm_msg_feed got;
    PACK(feed, &m);
    READ(feed, &got);
    assert_int_equal(got.entries[999].position, 999);
    m.n_entries++;
    REFUSED(feed, &m, "entries");
}

/* Every single-bit change of every message is read or refused, and never harms (sanitizers watch).
 */
static void flipped_bits_do_no_harm(void **state)
{
    (void)state;
    struct lm_feed_entry entry = {.kind = LM_ENTRY_BODY,
                                  .id = ID,
                                  .type = "visit",
                                  .position = 7,
                                  .body = (const uint8_t *)"body",
                                  .body_len = 4};
    struct lm_msg_feed m = {.branch = 1, .entries = &entry, .n_entries = 1};
    struct lm_msg_feed f;
    struct lm_msg_hello h;
    struct lm_msg_want w;
    size_t refused = 0;
    PACK(feed, &m);
    for (size_t i = 0; i < buf.len * 8; i++) {
        buf.data[i / 8] ^= (uint8_t)(1 << i % 8);
        lm_arena_reset(&arena);
        refused += lm_feed_read(buf.data, buf.len, &arena, &f, &err) != LM_OK;
        assert_int_not_equal(lm_hello_read(buf.data, buf.len, &arena, &h, &err), LM_OK);
        assert_int_not_equal(lm_want_read(buf.data, buf.len, &arena, &w, &err), LM_OK);
        buf.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_true(refused > buf.len);
}

static void verdicts_have_names(void **state)
{
    (void)state;
    assert_string_equal(lm_verdict_name(LM_V_APPLIED), "applied");
    assert_string_equal(lm_verdict_name(LM_V_CONCURRENT), "concurrent");
    assert_string_equal(lm_verdict_name(LM_V_INVALID), "invalid");
    assert_string_equal(lm_verdict_name(LM_V_HELD), "held");
    assert_string_equal(lm_verdict_name(LM_V_REFUSED), "refused");
    assert_string_equal(lm_verdict_name(LM_V_DUPLICATE), "duplicate");
    assert_string_equal(lm_verdict_name((enum lm_verdict)99), "unknown");
}

static void too_large_and_out_of_memory(void **state)
{
    (void)state;
    struct lm_msg_error m = {.code = "busy", .text = "later"};
    struct lm_msg_error got;
    struct lm_arena small;
    PACK(error, &m);
    lm_arena_init(&small, 1);
    assert_int_equal(lm_error_read(buf.data, buf.len, &small, &got, &err), LM_ERR_MEMORY);
    assert_string_equal(got.code, "");
    lm_arena_free(&small);
    static const uint8_t zeros[LM_FRAME_BYTES_MAX];
    lm_buf_add(&buf, zeros, sizeof zeros);
    assert_int_equal(lm_error_read(buf.data, buf.len, &arena, &got, &err), LM_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enrol),
        cmocka_unit_test(enrolled),
        cmocka_unit_test(hello),
        cmocka_unit_test(welcome),
        cmocka_unit_test(push),
        cmocka_unit_test(ack),
        cmocka_unit_test(compare_and_digests),
        cmocka_unit_test(history),
        cmocka_unit_test(pull_and_news_and_error),
        cmocka_unit_test(want),
        cmocka_unit_test(feed),
        cmocka_unit_test(feed_of_1000_entries),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(verdicts_have_names),
        cmocka_unit_test(too_large_and_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
