/* Records: copies, digests, stamps and JSON, on a small type made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/prescan.h"
#include "proto/record.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ID_A "01935f3e-6b7a-7c01-9abc-0123456789ab"
#define ID_B "01935f3e-6b7a-7c01-9abc-0123456789ac"

enum { F_NAME = LM_C_COUNT, F_AMOUNT, F_TOTAL, F_TAGS, F_ITEMS, F_DUP, N_FIELDS };
enum { G_NAME = 3, G_MONEY, G_TAGS, N_GROUPS };

static struct lm_field members[] = {
    {.name = "what", .ftype = LM_F_TEXT},
    {.name = "price", .ftype = LM_F_DECIMAL},
};
static struct lm_field fields[N_FIELDS] = {
    {.name = "id", .ftype = LM_F_UUID, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "village_code", .ftype = LM_F_CHAR, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "station", .ftype = LM_F_CHAR, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "state", .ftype = LM_F_CODE, .common = true, .group = LM_GROUP_STATE},
    {.name = "created_by", .ftype = LM_F_TEXT, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "created_at", .ftype = LM_F_DATETIME, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "device_id", .ftype = LM_F_TEXT, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "deleted_at", .ftype = LM_F_DATETIME, .common = true, .group = LM_GROUP_DELETED},
    {.name = "correction_of", .ftype = LM_F_UUID, .common = true, .group = LM_GROUP_ORIGIN},
    {.name = "delete_reason", .ftype = LM_F_TEXT, .common = true, .group = LM_GROUP_DELETED},
    {.name = "return_note", .ftype = LM_F_TEXT, .common = true, .group = LM_GROUP_STATE},
    {.name = "close_note", .ftype = LM_F_TEXT, .common = true, .group = LM_GROUP_STATE},
    {.name = "name", .ftype = LM_F_TEXT, .group = G_NAME},
    {.name = "amount", .ftype = LM_F_DECIMAL, .group = G_MONEY},
    {.name = "total", .ftype = LM_F_DECIMAL, .group = G_MONEY, .fill = LM_FILL_COMPUTED},
    {.name = "tags", .ftype = LM_F_TEXT, .is_list = true, .group = G_TAGS},
    {.name = "items",
     .ftype = LM_F_MAP,
     .is_list = true,
     .members = members,
     .n_members = 2,
     .group = G_TAGS},
    {.name = "dup_key", .ftype = LM_F_TEXT, .group = G_NAME, .fill = LM_FILL_HUB},
};
static struct lm_group groups[N_GROUPS] = {
    {.name = "origin"}, {.name = "state"}, {.name = "deleted"},
    {.name = "name"},   {.name = "money"}, {.name = "tags"},
};
static struct lm_type type = {
    .name = "gift",
    .fields = fields,
    .n_fields = N_FIELDS,
    .groups = groups,
    .n_groups = N_GROUPS,
};

static struct lm_arena arena;
static const struct lm_version v1 = {0x0123456789ab0000U, 0x1122334455667788U};

static int set_up(void **state)
{
    (void)state;
    lm_arena_init(&arena, 1U << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lm_arena_free(&arena);
    return 0;
}

/* A fresh record: one stamp throughout. */
static struct lm_record *fresh(void)
{
    struct lm_record *rec = lm_record_new(&arena, &type, ID_A);
    assert_non_null(rec);
    rec->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999101201");
    rec->fields[LM_C_STATE] = lm_value_text("submitted");
    rec->fields[F_NAME] = lm_value_text("甲");
    rec->fields[F_AMOUNT] = lm_value_int(125000);
    for (size_t i = 0; i < N_GROUPS; i++) {
        rec->stamps[i] = (struct lm_stamp){v1, 7};
    }
    return rec;
}

/* ---- making and looking ---- */

static void new_records_are_empty(void **state)
{
    (void)state;
    struct lm_record *rec = lm_record_new(&arena, &type, ID_A);
    assert_non_null(rec);
    assert_string_equal(rec->id, ID_A);
    assert_string_equal(lm_record_text(rec, LM_C_ID), ID_A);
    for (int i = 1; i < N_FIELDS; i++) {
        assert_true(lm_value_is_null(&rec->fields[i]));
        assert_string_equal(lm_record_text(rec, i), "");
    }
    assert_true(rec->stamps[G_TAGS].version.hlc == 0);
    assert_false(lm_record_deleted(rec));
    assert_null(lm_record_get(rec, "nothing"));
    assert_ptr_equal(lm_record_get(rec, "tags"), &rec->fields[F_TAGS]);
    rec->fields[LM_C_DELETED_AT] = lm_value_text("2026-11-23T08:00:00.000Z");
    assert_true(lm_record_deleted(rec));
    struct lm_arena small;
    lm_arena_init(&small, sizeof(*rec) + 64);
    assert_null(lm_record_new(&small, &type, ID_A));
    assert_null(lm_record_copy(&small, rec));
    lm_arena_free(&small);
}

static void copies_stand_alone(void **state)
{
    (void)state;
    struct lm_record *rec = fresh();
    rec->position = 42;
    struct lm_record *copy = lm_record_copy(&arena, rec);
    assert_non_null(copy);
    assert_true(copy->position == 42);
    assert_true(lm_record_digest(copy) == lm_record_digest(rec));
    assert_ptr_equal(copy->fields[LM_C_ID].text, copy->id);
    copy->fields[F_NAME] = lm_value_text("乙");
    copy->stamps[G_NAME].rank = 99;
    assert_string_equal(lm_record_text(rec, F_NAME), "甲");
    assert_true(rec->stamps[G_NAME].rank == 7);
}

/* ---- digests ---- */

static void digest_has_its_documented_bytes(void **state)
{
    (void)state;
    /* The same run of values written out, as PROTOCOL.md tells it. */
    struct lm_buf buf;
    uint8_t hash[LM_HASH_BYTES];
    static const struct {
        const char *name, *text;
        int64_t i;
    } want[] = {
        {"amount", NULL, 125000},
        {"name", "甲", 0},
        {"state", "submitted", 0},
        {"village_code", "999999101201", 0},
    };
    lm_buf_init(&buf, 4096);
    lm_pack_text(&buf, "gift", 4);
    lm_pack_text(&buf, ID_A, strlen(ID_A));
    for (size_t i = 0; i < COUNT(want); i++) {
        lm_pack_text(&buf, want[i].name, strlen(want[i].name));
        if (want[i].text) {
            lm_pack_text(&buf, want[i].text, strlen(want[i].text));
        } else {
            lm_pack_int(&buf, want[i].i);
        }
    }
    lm_pack_uint(&buf, v1.hlc);
    lm_pack_uint(&buf, v1.replica);
    lm_hash(hash, buf.data, buf.len, NULL, 0, NULL, 0);
    uint64_t digest = 0;
    for (int i = 7; i >= 0; i--) {
        digest = digest << 8 | hash[i];
    }
    assert_true(lm_record_digest(fresh()) == digest);
    lm_buf_free(&buf);
}

static struct lm_value unknown_map(struct lm_pair *pairs, uint32_t n)
{
    return (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs};
}

static void digest_changes_with_each_ingredient(void **state)
{
    (void)state;
    static struct lm_value tags[] = {{.kind = LM_TEXT, .len = 1, .text = "a"},
                                     {.kind = LM_TEXT, .len = 1, .text = "b"}};
    static struct lm_pair pair = {"future", 6, {.kind = LM_INT, .i = 1}};
    static struct lm_pair pair2 = {"future", 6, {.kind = LM_INT, .i = 2}};
    static struct lm_pair pair3 = {"futures", 7, {.kind = LM_INT, .i = 1}};
    struct lm_type other = type;
    other.name = "gifts";
    struct lm_record *r[16];
    size_t n = 0;
    r[n++] = fresh();
    r[n] = fresh();
    r[n++]->type = &other;
    r[n] = fresh();
    memcpy(r[n++]->id, ID_B, sizeof(ID_B));
    r[n] = fresh();
    r[n++]->fields[F_NAME] = lm_value_text("乙");
    r[n] = fresh();
    r[n++]->fields[F_NAME] = lm_value_null();
    r[n] = fresh();
    r[n++]->fields[F_AMOUNT] = lm_value_int(125001);
    r[n] = fresh();
    r[n++]->stamps[G_NAME].version.hlc++;
    r[n] = fresh();
    r[n++]->stamps[G_NAME].version.replica++;
    r[n] = fresh();
    r[n++]->fields[F_TAGS] = (struct lm_value){.kind = LM_LIST, .len = 1, .items = tags};
    r[n] = fresh();
    r[n++]->fields[F_TAGS] = (struct lm_value){.kind = LM_LIST, .len = 2, .items = tags};
    r[n] = fresh();
    r[n++]->fields[F_DUP] = lm_value_text("k"); /* of the hub only, and in the feed */
    r[n] = fresh();
    r[n++]->fields[LM_C_DELETED_AT] = lm_value_text("2026-11-23T08:00:00.000Z");
    r[n] = fresh();
    r[n++]->unknown = unknown_map(&pair, 1);
    r[n] = fresh();
    r[n++]->unknown = unknown_map(&pair2, 1);
    r[n] = fresh();
    r[n++]->unknown = unknown_map(&pair3, 1);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (lm_record_digest(r[i]) == lm_record_digest(r[k])) {
                fail_msg("records %zu and %zu have the same digest", k, i);
            }
        }
    }
}

static void digest_ignores_what_is_no_state(void **state)
{
    (void)state;
    struct lm_record *rec = fresh();
    uint64_t digest = lm_record_digest(rec);
    rec->fields[F_TOTAL] = lm_value_int(5); /* computed by each side itself */
    rec->position = 9;
    rec->invalid = true;
    rec->stamps[G_NAME].rank = 1;      /* a node does not know it */
    rec->fields[LM_C_ID] = lm_value_null();
    assert_true(lm_record_digest(rec) == digest);
    /* The order in which unknown fields came, and empty ones, are no state either. */
    struct lm_pair ab[] = {
        {"a", 1, lm_value_int(1)}, {"ab", 2, lm_value_int(2)}, {"b", 1, lm_value_null()}};
    struct lm_pair ba[] = {ab[1], ab[0]};
    struct lm_record *other = fresh();
    rec->unknown = unknown_map(ab, 3);
    other->unknown = unknown_map(ba, 2);
    assert_true(lm_record_digest(rec) == lm_record_digest(other));
    assert_true(lm_record_digest(rec) != digest);
}

static void digest_ignores_the_catalogues_order(void **state)
{
    (void)state;
    struct lm_field swapped[N_FIELDS];
    struct lm_type other = type;
    memcpy(swapped, fields, sizeof(fields));
    swapped[F_NAME] = fields[F_AMOUNT];
    swapped[F_AMOUNT] = fields[F_NAME];
    other.fields = swapped;
    struct lm_record *a = fresh();
    struct lm_record *b = fresh();
    b->type = &other;
    b->fields[F_NAME] = a->fields[F_AMOUNT];
    b->fields[F_AMOUNT] = a->fields[F_NAME];
    assert_true(lm_record_digest(a) == lm_record_digest(b));
}

static void seen_covers_every_version(void **state)
{
    (void)state;
    uint64_t seen[N_GROUPS + 1];
    seen[N_GROUPS] = lm_record_seen(fresh());
    for (size_t i = 0; i < N_GROUPS; i++) {
        struct lm_record *rec = fresh();
        rec->stamps[i].version.hlc++;
        seen[i] = lm_record_seen(rec);
        rec->stamps[i].version.hlc--;
        rec->stamps[i].rank++;
        rec->fields[F_NAME] = lm_value_null();
        assert_true(lm_record_seen(rec) == seen[N_GROUPS]); /* neither ranks nor values */
    }
    for (size_t i = 0; i < N_GROUPS; i++) {
        for (size_t k = i + 1; k <= N_GROUPS; k++) {
            assert_true(seen[i] != seen[k]);
        }
    }
    /* Groups listed otherwise. */
    struct lm_group swapped[N_GROUPS];
    struct lm_type other = type;
    memcpy(swapped, groups, sizeof(groups));
    swapped[G_NAME] = groups[G_TAGS];
    swapped[G_TAGS] = groups[G_NAME];
    other.groups = swapped;
    struct lm_record *a = fresh();
    struct lm_record *b = fresh();
    a->stamps[G_NAME].version.hlc = 5;
    b->stamps[G_TAGS].version.hlc = 5;
    b->type = &other;
    assert_true(lm_record_seen(a) == lm_record_seen(b));
}

/* ---- stamps ---- */

static void check_stamps(const struct lm_record *rec, bool with_rank, const char *hex)
{
    struct lm_buf buf;
    lm_buf_init(&buf, 4096);
    lm_stamps_pack(&buf, rec, with_rank);
    assert_int_equal(buf.status, LM_OK);
    if (hex) {
        char got[512];
        assert_true(buf.len < sizeof(got) / 2);
        lm_hex_encode(buf.data, buf.len, got);
        assert_string_equal(got, hex);
    }
    assert_int_equal(lm_prescan(buf.data, buf.len, 1000, NULL), LM_OK);
    struct lm_record *back = lm_record_new(&arena, rec->type, rec->id);
    assert_non_null(back);
    assert_int_equal(lm_stamps_unpack(back, buf.data, buf.len, &arena), LM_OK);
    for (size_t i = 0; i < rec->type->n_groups; i++) {
        assert_true(lm_version_equal(back->stamps[i].version, rec->stamps[i].version));
        assert_true(back->stamps[i].rank == (with_rank ? rec->stamps[i].rank : 0));
    }
    lm_buf_free(&buf);
}

static void stamps_round_trip(void **state)
{
    (void)state;
    struct lm_record *rec = fresh();
    check_stamps(rec, false, "9193cf0123456789ab0000cf1122334455667788c0");
    check_stamps(rec, true, "9194cf0123456789ab0000cf112233445566778807c0");
    /* One group edited since. */
    rec->stamps[G_MONEY] = (struct lm_stamp){{5, 0}, 6};
    check_stamps(rec, false,
                 "9293cf0123456789ab0000cf1122334455667788c0"
                 "93050091a56d6f6e6579");
    /* The origin's stands first, though most have another. */
    for (size_t i = 1; i < N_GROUPS; i++) {
        rec->stamps[i] = (struct lm_stamp){{5, 0}, 6};
    }
    check_stamps(rec, true, NULL);
    rec->stamps[LM_GROUP_ORIGIN] = (struct lm_stamp){{5, 0}, 6};
    check_stamps(rec, true, "9194050006c0");
    /* Ranks that differ count only when they are written. */
    rec = fresh();
    rec->stamps[G_TAGS].rank = 8;
    check_stamps(rec, false, "9193cf0123456789ab0000cf1122334455667788c0");
    check_stamps(rec, true, NULL);
    /* All different. */
    for (size_t i = 0; i < N_GROUPS; i++) {
        rec->stamps[i] = (struct lm_stamp){{i, i * i}, UINT64_MAX - i};
    }
    check_stamps(rec, false, NULL);
    check_stamps(rec, true, NULL);
    rec = lm_record_new(&arena, &type, ID_A);
    check_stamps(rec, true, "9194000000c0");
}

static void stamps_of_another_catalogue(void **state)
{
    (void)state;
    struct lm_record *rec = fresh();
    /* "later" is a group of a newer catalogue: kept, and written again. */
    static const uint8_t newer[] = "\x92\x93\x05\x06\xc0\x93\x07\x08\x92\xa5later\xa4tags";
    assert_int_equal(lm_stamps_unpack(rec, newer, sizeof(newer) - 1, &arena), LM_OK);
    assert_true(rec->stamps[G_TAGS].version.hlc == 7 && rec->stamps[G_TAGS].version.replica == 8);
    assert_true(rec->stamps[G_NAME].version.hlc == 5 && rec->stamps[G_NAME].version.replica == 6);
    assert_true(rec->stamps[G_NAME].rank == 0);
    assert_int_equal(rec->n_unknown_stamps, 1);
    assert_string_equal(rec->unknown_stamps[0].group, "later");
    assert_true(rec->unknown_stamps[0].stamp.version.hlc == 7);
    struct lm_buf buf;
    lm_buf_init(&buf, 4096);
    lm_stamps_pack(&buf, rec, false);
    static const uint8_t again[] =
        "\x93\x93\x05\x06\xc0\x93\x07\x08\x91\xa4tags\x93\x07\x08\x91\xa5later";
    assert_int_equal(buf.len, sizeof(again) - 1);
    assert_memory_equal(buf.data, again, buf.len);
    lm_buf_free(&buf);
}

/* P5: two that hold the same record with different catalogues make the same digests of it, edits of
 * what only one of them knows included. */
static void digests_do_not_depend_on_the_catalogue(void **state)
{
    (void)state;
    struct lm_field more[N_FIELDS + 1];
    struct lm_group more_groups[N_GROUPS + 1];
    struct lm_type newer = type;
    memcpy(more, fields, sizeof(fields));
    memcpy(more_groups, groups, sizeof(groups));
    more[N_FIELDS] = fields[F_NAME];
    more[N_FIELDS].name = "later";
    more[N_FIELDS].index = N_FIELDS;
    more[N_FIELDS].group = N_GROUPS;
    more_groups[N_GROUPS] = (struct lm_group){.name = "later"};
    newer.fields = more;
    newer.groups = more_groups;
    newer.n_fields = N_FIELDS + 1;
    newer.n_groups = N_GROUPS + 1;
    for (int edited = 0; edited < 3; edited++) {
        struct lm_record *old = fresh(), *now;
        struct lm_pair pair = {"later", 5, lm_value_text("将来")};
        struct lm_buf buf;

        if (edited == 2) { /* a transfer sets the origin anew */
            old->stamps[LM_GROUP_ORIGIN].version.hlc += 9;
        }
        now = lm_record_new(&arena, &newer, ID_A);
        assert_non_null(now);
        memcpy(&now->fields[1], &old->fields[1], (N_FIELDS - 1) * sizeof(*now->fields));
        memcpy(now->stamps, old->stamps, N_GROUPS * sizeof(*now->stamps));
        now->fields[N_FIELDS] = pair.value;
        now->stamps[N_GROUPS] = now->stamps[edited == 0 ? LM_GROUP_ORIGIN : G_NAME];
        now->stamps[N_GROUPS].version.hlc += edited == 1;
        lm_buf_init(&buf, 4096);
        lm_stamps_pack(&buf, now, true);
        assert_int_equal(lm_stamps_unpack(old, buf.data, buf.len, &arena), LM_OK);
        old->unknown = unknown_map(&pair, 1);
        assert_true(lm_record_digest(old) == lm_record_digest(now));
        assert_true(lm_record_seen(old) == lm_record_seen(now));
        assert_int_equal(old->n_unknown_stamps, edited == 0 ? 0 : 1);
        /* And back, when the catalogue has come. */
        struct lm_buf back;
        lm_buf_init(&back, 4096);
        lm_stamps_pack(&back, old, true);
        memset(now->stamps, 0, (N_GROUPS + 1) * sizeof(*now->stamps));
        assert_int_equal(lm_stamps_unpack(now, back.data, back.len, &arena), LM_OK);
        assert_true(lm_record_digest(old) == lm_record_digest(now));
        assert_int_equal(now->n_unknown_stamps, 0);
        lm_buf_free(&back);
        lm_buf_free(&buf);
    }
}

static void malformed_stamps_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "c0",
        "90",       /* no entry */
        "919305",   /* cut */
        "91920506", /* too short an entry */
        "9195050607c0c0",
        "91930506a0", /* the first names no group */
        "9193050690",
        "9193ff06c0", /* negative */
        "9193a106c0",
        "92930506c0930506c0",                     /* nil in a later entry */
        "92930506c09305069105",                   /* a name that is no text */
        "92930506c093050692a474616773a474616773", /* the same twice */
        "93930506c093050691a47461677393070891a474616773",
        "91930506c0c0", /* trailing */
        "92930506c093050692a474616773",
        "92930506c09305069fa474616773",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t data[64];
        size_t n = strlen(bad[i]) / 2;
        struct lm_record *rec = fresh();
        assert_true(lm_hex_decode(bad[i], data, n));
        if (lm_stamps_unpack(rec, data, n, &arena) != LM_ERR_INVALID) {
            fail_msg("stamps %s", bad[i]);
        }
        for (size_t k = 0; k < N_GROUPS; k++) {
            assert_true(lm_version_equal(rec->stamps[k].version, v1));
            assert_true(rec->stamps[k].rank == 7);
        }
    }
}

/* ---- JSON ---- */

static void check_json(const struct lm_record *rec, const char *want)
{
    json_t *got = lm_record_to_json(rec);
    json_t *expected = json_loads(want, 0, NULL);
    assert_non_null(got);
    assert_non_null(expected);
    if (!json_equal(got, expected)) {
        char text[2048];
        size_t n = json_dumpb(got, text, sizeof(text) - 1, JSON_REAL_PRECISION(15));
        text[n < sizeof(text) ? n : sizeof(text) - 1] = '\0';
        fail_msg("JSON is %s", text);
    }
    json_decref(expected);
    json_decref(got);
}

static void json_of_a_record(void **state)
{
    (void)state;
    struct lm_record *rec = fresh();
    struct lm_value tags[] = {lm_value_text("a"), lm_value_text("b")};
    struct lm_pair item[] = {{"what", 4, lm_value_text("米")}, {"price", 5, lm_value_int(30000)}};
    struct lm_pair bare[] = {{"what", 4, lm_value_null()},
                             {"price", 5, lm_value_int(-1)},
                             {"other", 5, lm_value_int(10000)}};
    struct lm_value maps[] = {{.kind = LM_MAP, .len = 2, .pairs = item},
                              {.kind = LM_MAP, .len = 3, .pairs = bare}};
    rec->fields[F_TAGS] = (struct lm_value){.kind = LM_LIST, .len = 2, .items = tags};
    rec->fields[F_ITEMS] = (struct lm_value){.kind = LM_LIST, .len = 2, .items = maps};
    rec->fields[F_TOTAL] = lm_value_int(50000);
    check_json(rec, "{\"id\":\"" ID_A "\",\"type\":\"gift\",\"village_code\":\"999999101201\","
                    "\"state\":\"submitted\",\"fields\":{\"village_code\":\"999999101201\","
                    "\"state\":\"submitted\",\"name\":\"甲\",\"amount\":12.5,\"total\":5,"
                    "\"tags\":[\"a\",\"b\"],\"items\":[{\"what\":\"米\",\"price\":3},"
                    "{\"price\":-0.0001,\"other\":10000}]}}");
    rec = lm_record_new(&arena, &type, ID_B);
    rec->invalid = true;
    memcpy(rec->issue_code, "required", 9);
    memcpy(rec->issue_field, "name", 5);
    rec->issue_zh = "缺少姓名。";
    check_json(rec, "{\"id\":\"" ID_B "\",\"type\":\"gift\",\"village_code\":null,\"state\":null,"
                    "\"fields\":{},\"invalid\":{\"code\":\"required\",\"field\":\"name\","
                    "\"zh\":\"缺少姓名。\",\"en\":\"\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_records_are_empty),
        cmocka_unit_test(copies_stand_alone),
        cmocka_unit_test(digest_has_its_documented_bytes),
        cmocka_unit_test(digest_changes_with_each_ingredient),
        cmocka_unit_test(digest_ignores_what_is_no_state),
        cmocka_unit_test(digest_ignores_the_catalogues_order),
        cmocka_unit_test(seen_covers_every_version),
        cmocka_unit_test(stamps_round_trip),
        cmocka_unit_test(stamps_of_another_catalogue),
        cmocka_unit_test(digests_do_not_depend_on_the_catalogue),
        cmocka_unit_test(malformed_stamps_change_nothing),
        cmocka_unit_test(json_of_a_record),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
