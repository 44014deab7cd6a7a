/* Values, versions and msgpack: golden bytes, round trips, and what the prescan and the reader
 * refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/prescan.h"
#include "proto/value.h"
#include "proto/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define UUID "01935f3e-6b7a-7c01-9abc-0123456789ab"

static struct lm_arena arena;

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

/* ---- versions ---- */

static void hlc_cases(void **state)
{
    (void)state;
    const uint64_t top = (((uint64_t)1 << 48) - 1) << 16;
    assert_true(lm_hlc_next(0, 0, 5) == 5U << 16);
    assert_true(lm_hlc_next(9U << 16, 0, 5) == (9U << 16) + 1);        /* clock went back */
    assert_true(lm_hlc_next(0, (9U << 16) + 3, 5) == (9U << 16) + 4);  /* above the base */
    assert_true(lm_hlc_next(5U << 16, 5U << 16, 5) == (5U << 16) + 1); /* same millisecond */
    assert_true(lm_hlc_next((5U << 16) | 0xFFFF, 0, 5) == 6U << 16);   /* counter runs over */
    assert_true(lm_hlc_next(0, 0, -7) == 1);
    assert_true(lm_hlc_next(0, 0, INT64_MIN) == 1);
    assert_true(lm_hlc_next(0, 0, INT64_MAX) == 1); /* no clock */
    assert_true(lm_hlc_next(7, 0, lm_hlc_ms(LM_HLC_FAR)) == 8);
    assert_true(lm_hlc_next(7, 0, lm_hlc_ms(LM_HLC_FAR) - 1) == LM_HLC_FAR - 65536);
    assert_true(lm_hlc_next(0, LM_HLC_FAR, 5) == LM_HLC_FAR + 1); /* above a base in any case */
    assert_true(lm_hlc_next(UINT64_MAX, 0, 5) == UINT64_MAX); /* never wraps */
    assert_true(lm_hlc_ms(lm_hlc_of_ms(1795420800000)) == 1795420800000);
    assert_true(lm_hlc_of_ms(-1) == 0);
    assert_true(lm_hlc_of_ms(INT64_MAX) == top);
    struct lm_version a = {5, 1};
    struct lm_version b = {5, 2};
    struct lm_version c = {6, 0};
    assert_int_equal(lm_version_compare(a, b), -1);
    assert_int_equal(lm_version_compare(c, b), 1);
    assert_int_equal(lm_version_compare(a, a), 0);
    assert_true(lm_version_equal(a, a));
    assert_false(lm_version_equal(a, b));
    assert_false(lm_version_equal(b, c));
}

/* ---- golden bytes ---- */

static void check_bytes(const struct lm_value *v, const char *hex)
{
    struct lm_buf buf;
    uint8_t want[64];
    size_t n = strlen(hex) / 2;
    assert_true(lm_hex_decode(hex, want, n));
    lm_buf_init(&buf, 4096);
    lm_value_pack(&buf, v);
    assert_int_equal(buf.status, LM_OK);
    assert_int_equal(buf.len, n);
    assert_memory_equal(buf.data, want, n);
    /* And back. */
    struct lm_reader reader;
    struct lm_value back;
    assert_int_equal(lm_prescan(buf.data, buf.len, 100, NULL), LM_OK);
    lm_reader_init(&reader, buf.data, buf.len);
    assert_true(lm_read_value(&reader, &arena, &back));
    assert_true(lm_reader_done(&reader));
    assert_true(lm_value_equal(&back, v));
    lm_buf_free(&buf);
}

static void integers_take_their_shortest_form(void **state)
{
    (void)state;
    static const struct {
        int64_t i;
        const char *hex;
    } cases[] = {
        {0, "00"},
        {127, "7f"},
        {128, "cc80"},
        {255, "ccff"},
        {256, "cd0100"},
        {65535, "cdffff"},
        {65536, "ce00010000"},
        {4294967295, "ceffffffff"},
        {4294967296, "cf0000000100000000"},
        {INT64_MAX, "cf7fffffffffffffff"},
        {-1, "ff"},
        {-32, "e0"},
        {-33, "d0df"},
        {-128, "d080"},
        {-129, "d1ff7f"},
        {-32768, "d18000"},
        {-32769, "d2ffff7fff"},
        {INT32_MIN, "d280000000"},
        {(int64_t)INT32_MIN - 1, "d3ffffffff7fffffff"},
        {INT64_MIN, "d38000000000000000"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lm_value v = lm_value_int(cases[i].i);
        check_bytes(&v, cases[i].hex);
    }
}

static void other_kinds_have_their_bytes(void **state)
{
    (void)state;
    struct lm_value v = lm_value_null();
    check_bytes(&v, "c0");
    v = lm_value_bool(true);
    check_bytes(&v, "c3");
    v = lm_value_bool(false);
    check_bytes(&v, "c2");
    v = lm_value_text("走访");
    check_bytes(&v, "a6e8b5b0e8aebf");
    v = lm_value_text(UUID);
    check_bytes(&v, "c41001935f3e6b7a7c019abc0123456789ab");
    /* Not canonical, so it stays what it is. */
    v = lm_value_text("01935F3E-6b7a-7c01-9abc-0123456789ab");
    check_bytes(&v, "d9243031393335463345"
                    "2d366237612d376330312d396162632d303132333435363738396162");
    struct lm_value items[] = {lm_value_int(1), lm_value_text("a"), lm_value_null()};
    v = (struct lm_value){.kind = LM_LIST, .len = 3, .items = items};
    check_bytes(&v, "9301a161c0");
    struct lm_pair pairs[] = {{"b", 1, lm_value_int(2)}, {"a", 1, v}};
    struct lm_value map = {.kind = LM_MAP, .len = 2, .pairs = pairs};
    check_bytes(&map, "82a16202a1619301a161c0"); /* the order given */
    map.len = 0;
    check_bytes(&map, "80");
}

static void empty_is_null(void **state)
{
    (void)state;
    struct lm_buf buf;
    struct lm_value v = lm_value_text("");
    assert_true(lm_value_is_null(&v));
    v = lm_value_text(NULL);
    assert_true(lm_value_is_null(&v));
    lm_buf_init(&buf, 100);
    v = (struct lm_value){.kind = LM_LIST};
    lm_value_pack(&buf, &v);
    v = (struct lm_value){.kind = LM_TEXT, .text = ""};
    lm_value_pack(&buf, &v);
    assert_memory_equal(buf.data, "\xc0\xc0", 3);
    /* And what another writer made of it is read as null. */
    struct lm_reader reader;
    lm_reader_init(&reader, (const uint8_t *)"\xa0\x90", 2);
    assert_true(lm_read_value(&reader, &arena, &v));
    assert_true(lm_value_is_null(&v));
    assert_true(lm_read_value(&reader, &arena, &v));
    assert_true(lm_value_is_null(&v));
    lm_buf_free(&buf);
}

static void lengths_take_their_shortest_form(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *text, *bin, *array, *map;
    } cases[] = {
        {0, "a0", "c400", "90", "80"},
        {15, "af", "c40f", "9f", "8f"},
        {16, "b0", "c410", "dc0010", "de0010"},
        {31, "bf", "c41f", "dc001f", "de001f"},
        {32, "d920", "c420", "dc0020", "de0020"},
        {255, "d9ff", "c4ff", "dc00ff", "de00ff"},
        {256, "da0100", "c50100", "dc0100", "de0100"},
        {65535, "daffff", "c5ffff", "dcffff", "deffff"},
        {65536, "db00010000", "c600010000", "dd00010000", "df00010000"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const enum lm_wire kinds[] = {LM_WIRE_TEXT, LM_WIRE_BIN, LM_WIRE_ARRAY, LM_WIRE_MAP};
        const char *want[] = {cases[i].text, cases[i].bin, cases[i].array, cases[i].map};
        for (size_t k = 0; k < COUNT(kinds); k++) {
            uint8_t head[LM_PACK_HEAD];
            char hex[2 * LM_PACK_HEAD + 1];
            lm_hex_encode(head, lm_pack_head_of(head, kinds[k], cases[i].n), hex);
            assert_string_equal(hex, want[k]);
        }
    }
}

/* ---- copies and members ---- */

static void copies_are_deep(void **state)
{
    (void)state;
    char text[] = "abc";
    char key[] = "k";
    struct lm_value item = lm_value_text(text);
    struct lm_value list = {.kind = LM_LIST, .len = 1, .items = &item};
    struct lm_pair pair = {key, 1, list};
    struct lm_value map = {.kind = LM_MAP, .len = 1, .pairs = &pair};
    struct lm_value copy;
    assert_int_equal(lm_value_copy(&arena, &map, &copy), LM_OK);
    assert_true(lm_value_equal(&map, &copy));
    text[0] = 'x';
    assert_false(lm_value_equal(&map, &copy));
    text[0] = 'a';
    key[0] = 'x';
    assert_false(lm_value_equal(&map, &copy));
    const struct lm_value *member = lm_value_member(&copy, "k");
    assert_non_null(member);
    assert_true(lm_value_is(&member->items[0], "abc"));
    assert_false(lm_value_is(&member->items[0], "ab"));
    assert_null(lm_value_member(&copy, "kk"));
    assert_null(lm_value_member(member, "k"));
    struct lm_arena small;
    lm_arena_init(&small, 40);
    assert_int_equal(lm_value_copy(&small, &map, &copy), LM_ERR_LIMIT);
    assert_true(lm_value_is_null(&copy));
    lm_arena_free(&small);
}

static void kinds_are_not_equal(void **state)
{
    (void)state;
    struct lm_value values[] = {lm_value_null(),   lm_value_bool(false), lm_value_bool(true),
                                lm_value_int(0),   lm_value_int(1),      lm_value_text("0"),
                                lm_value_text("1")};
    for (size_t i = 0; i < COUNT(values); i++) {
        for (size_t k = 0; k < COUNT(values); k++) {
            assert_int_equal(lm_value_equal(&values[i], &values[k]), i == k);
        }
    }
    struct lm_value one = {.kind = LM_LIST, .len = 1, .items = values};
    struct lm_value two = {.kind = LM_LIST, .len = 2, .items = values};
    assert_false(lm_value_equal(&one, &two));
}

/* ---- JSON ---- */

static void json_round_trip(void **state)
{
    (void)state;
    static const char text[] =
        "{\"b\": [1, -2, \"走访\", true, {\"x\": 9007199254740993}], \"a\": null, \"c\": false}";
    json_t *json = json_loads(text, 0, NULL);
    struct lm_value v;
    assert_non_null(json);
    assert_int_equal(lm_value_from_json(&arena, json, &v), LM_OK);
    assert_int_equal(v.kind, LM_MAP);
    assert_string_equal(v.pairs[0].key, "b");
    json_t *back = lm_value_to_json(&v);
    assert_true(json_equal(json, back));
    json_decref(back);
    json_decref(json);
}

static void json_cases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum lm_status status;
    } cases[] = {
        {"1.5", LM_ERR_INVALID},
        {"[1, [2.0]]", LM_ERR_INVALID},
        {"\"a\\u0000b\"", LM_ERR_INVALID},
        {"{\"a\\u0000b\": 1}", LM_ERR_INVALID},
        {"[[[[[[[[1]]]]]]]]", LM_OK},
        {"[[[[[[[[[1]]]]]]]]]", LM_ERR_LIMIT},
        {"{}", LM_OK},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *json = json_loads(cases[i].text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        struct lm_value v;
        if (!json) { /* jansson never takes U+0000 in a key */
            continue;
        }
        assert_int_equal(lm_value_from_json(&arena, json, &v), cases[i].status);
        json_decref(json);
    }
    json_t *json = json_pack("[s, [], {}]", "");
    struct lm_value v;
    assert_int_equal(lm_value_from_json(&arena, json, &v), LM_OK);
    assert_int_equal(v.items[0].kind, LM_NULL);
    assert_int_equal(v.items[1].kind, LM_NULL);
    assert_int_equal(v.items[2].kind, LM_MAP);
    json_decref(json);
    assert_int_equal(lm_value_from_json(&arena, NULL, &v), LM_ERR_INVALID);
}

/* ---- prescan ---- */

static void prescan_cases(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum lm_status status;
    } cases[] = {
        {"c0", LM_OK},
        {"cfffffffffffffffff", LM_OK},
        {"c403010203", LM_OK},
        {"9101", LM_OK},
        {"dc000101", LM_OK}, /* a longer form than needed: another writer's */
        {"82a16101a16202", LM_OK},
        {"82a16181a16101a16202", LM_OK}, /* the same key on another level */
        {"9281a1610181a16101", LM_OK},   /* and in a neighbour */
        {"", LM_ERR_INVALID},
        {"c0c0", LM_ERR_INVALID}, /* trailing */
        {"910101", LM_ERR_INVALID},
        {"dd7fffffff", LM_ERR_INVALID}, /* five bytes that ask for 2^31 items */
        {"ddffffffff01", LM_ERR_INVALID},
        {"dfffffffff", LM_ERR_INVALID},
        {"df80000001", LM_ERR_INVALID}, /* twice this is 2 in 32 bits */
        {"dbffffffff61", LM_ERR_INVALID},
        {"c6ffffffff00", LM_ERR_INVALID},
        {"a361", LM_ERR_INVALID}, /* cut short */
        {"cd01", LM_ERR_INVALID},
        {"d9", LM_ERR_INVALID},
        {"92", LM_ERR_INVALID},
        {"9201", LM_ERR_INVALID},
        {"81a161", LM_ERR_INVALID},
        {"8101", LM_ERR_INVALID},
        {"810102", LM_ERR_INVALID}, /* key not text */
        {"81c4016101", LM_ERR_INVALID},
        {"81c001", LM_ERR_INVALID},
        {"819001", LM_ERR_INVALID},
        {"82a16101a16102", LM_ERR_INVALID}, /* the same key twice */
        {"82a161019100", LM_ERR_INVALID},
        {"82a0c0d900c0", LM_ERR_INVALID}, /* the same empty key in two forms */
        {"a180", LM_ERR_INVALID},         /* UTF-8 */
        {"a2c080", LM_ERR_INVALID},
        {"a3eda080", LM_ERR_INVALID},
        {"81a18001", LM_ERR_INVALID},
        {"a3610062", LM_ERR_INVALID},   /* U+0000 */
        {"ca00000000", LM_ERR_INVALID}, /* float */
        {"cb0000000000000000", LM_ERR_INVALID},
        {"d40101", LM_ERR_INVALID}, /* ext */
        {"c7010161", LM_ERR_INVALID},
        {"c1", LM_ERR_INVALID}, /* never used */
        {"91c1", LM_ERR_INVALID},
        {"9191919191919191c0", LM_OK}, /* eight deep */
        {"919191919191919190", LM_ERR_LIMIT},
        {"81a16181a16181a16181a16181a16181a16181a16181a16181a161c0", LM_ERR_LIMIT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].hex) / 2;
        uint8_t *data = malloc(n ? n : 1); /* exact size: an overread is seen */
        assert_non_null(data);
        assert_true(lm_hex_decode(cases[i].hex, data, n));
        struct lm_error err = {.code = ""};
        enum lm_status status = lm_prescan(data, n, 100, &err);
        if (status != cases[i].status || (status != LM_OK && (!err.code[0] || !err.zh[0]))) {
            fail_msg("prescan of %s: %d", cases[i].hex, status);
        }
        /* The reader never leaves the bytes, prescanned or not, and skip agrees about
         * well-formedness. */
        struct lm_reader reader;
        struct lm_value v;
        lm_reader_init(&reader, data, n);
        (void)lm_read_value(&reader, &arena, &v);
        lm_reader_init(&reader, data, n);
        bool skipped = lm_reader_skip(&reader);
        assert_true(skipped || status != LM_OK);
        assert_true(status != LM_OK || lm_reader_done(&reader));
        free(data);
        lm_arena_reset(&arena);
    }
}

static void prescan_counts_nodes_and_pairs(void **state)
{
    (void)state;
    struct lm_buf buf;
    lm_buf_init(&buf, 1U << 20);
    lm_pack_array(&buf, 1000);
    for (int i = 0; i < 1000; i++) {
        lm_pack_nil(&buf);
    }
    assert_int_equal(lm_prescan(buf.data, buf.len, 1001, NULL), LM_OK);
    assert_int_equal(lm_prescan(buf.data, buf.len, 1000, NULL), LM_ERR_LIMIT);
    for (size_t pairs = LM_MAP_PAIRS_MAX; pairs <= LM_MAP_PAIRS_MAX + 1; pairs++) {
        lm_buf_reset(&buf);
        lm_pack_map(&buf, pairs);
        for (size_t i = 0; i < pairs; i++) {
            char key[16];
            int n = snprintf(key, sizeof(key), "k%zu", i);
            lm_pack_text(&buf, key, (size_t)n);
            lm_pack_bool(&buf, true);
        }
        assert_int_equal(lm_prescan(buf.data, buf.len, 10000, NULL),
                         pairs <= LM_MAP_PAIRS_MAX ? LM_OK : LM_ERR_LIMIT);
    }
    /* A hundred thousand brackets: refused at the ninth, whatever the stack. */
    lm_buf_reset(&buf);
    for (int i = 0; i < 100000; i++) {
        lm_pack_array(&buf, 1);
    }
    lm_pack_nil(&buf);
    assert_int_equal(lm_prescan(buf.data, buf.len, 1U << 20, NULL), LM_ERR_LIMIT);
    struct lm_reader reader;
    struct lm_value v;
    lm_reader_init(&reader, buf.data, buf.len);
    assert_false(lm_read_value(&reader, &arena, &v));
    assert_int_equal(reader.status, LM_ERR_LIMIT);
    lm_buf_free(&buf);
}

/* Any single changed byte or cut end: an answer, no overread, and what passes can be read. */
static void prescan_survives_damage(void **state)
{
    (void)state;
    static const char hex[] =
        "86a16101a162c3a16393a178a2797ac0a164c41001935f3e6b7a7c019abc0123456789ab"
        "a16581a16bd1ff7fa166cf0000000100000000";
    size_t n = strlen(hex) / 2;
    uint8_t whole[128];
    assert_true(lm_hex_decode(hex, whole, n));
    assert_int_equal(lm_prescan(whole, n, 100, NULL), LM_OK);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *data = malloc(cut ? cut : 1);
        assert_non_null(data);
        memcpy(data, whole, cut);
        assert_int_not_equal(lm_prescan(data, cut, 100, NULL), LM_OK);
        free(data);
    }
    for (size_t at = 0; at < n; at++) {
        for (int byte = 0; byte < 256; byte++) {
            uint8_t data[128];
            memcpy(data, whole, n);
            data[at] = (uint8_t)byte;
            enum lm_status status = lm_prescan(data, n, 100, NULL);
            struct lm_reader reader;
            struct lm_value v;
            lm_reader_init(&reader, data, n);
            bool skipped = lm_reader_skip(&reader) && lm_reader_done(&reader);
            assert_true(skipped || status != LM_OK);
            lm_reader_init(&reader, data, n);
            if (lm_read_value(&reader, &arena, &v) && status == LM_OK) {
                assert_true(lm_reader_done(&reader));
            }
            lm_arena_reset(&arena);
        }
    }
}

/* ---- the reader ---- */

static void reader_reads_by_kind(void **state)
{
    (void)state;
    struct lm_buf buf;
    lm_buf_init(&buf, 1000);
    lm_pack_array(&buf, 8);
    lm_pack_nil(&buf);
    lm_pack_bool(&buf, true);
    lm_pack_int(&buf, -5);
    lm_pack_uint(&buf, UINT64_MAX);
    lm_pack_text(&buf, "ab", 2);
    lm_pack_bin(&buf, "\x01\x02", 2);
    lm_pack_map(&buf, 1);
    lm_pack_text(&buf, "k", 1);
    lm_pack_array(&buf, 2);
    lm_pack_int(&buf, 1);
    lm_pack_int(&buf, 2);
    lm_pack_text(&buf, "xyz", 3);
    assert_int_equal(lm_prescan(buf.data, buf.len, 100, NULL), LM_OK);
    struct lm_reader r;
    bool b;
    int64_t i;
    uint64_t u;
    const char *text;
    const uint8_t *bin;
    size_t n;
    char copy[4];
    lm_reader_init(&r, buf.data, buf.len);
    assert_int_equal(lm_reader_peek_kind(&r), LM_WIRE_ARRAY);
    assert_true(lm_read_array_of(&r, 8));
    assert_true(lm_read_nil(&r));
    assert_false(lm_read_nil(&r));
    assert_false(r.failed);
    assert_true(lm_read_bool(&r, &b) && b);
    assert_true(lm_read_int(&r, &i) && i == -5);
    assert_true(lm_read_uint(&r, &u) && u == UINT64_MAX);
    assert_true(lm_read_text(&r, &text, &n) && n == 2 && memcmp(text, "ab", 2) == 0);
    assert_true(lm_read_bin(&r, &bin, &n) && n == 2 && bin[1] == 2);
    const uint8_t *before = r.p;
    assert_true(lm_reader_skip(&r));
    assert_int_equal(r.p - before, 6);
    assert_false(lm_reader_done(&r));
    assert_true(lm_read_text_copy(&r, copy, sizeof(copy)));
    assert_string_equal(copy, "xyz");
    assert_true(lm_reader_done(&r));
    assert_int_equal(lm_reader_peek_kind(&r), LM_WIRE_END);
    lm_buf_free(&buf);
}

static void reader_failure_is_sticky(void **state)
{
    (void)state;
    static const uint8_t data[] = {0x01, 0xa1, 'x', 0x91, 0x02};
    struct lm_reader r;
    bool b = true;
    int64_t i = 9;
    uint64_t u = 9;
    const char *text = "";
    const uint8_t *bin = data;
    size_t n = 9;
    char copy[4] = "abc";
    uint8_t two[2] = {9, 9};
    lm_reader_init(&r, data, sizeof(data));
    assert_false(lm_read_text(&r, &text, &n)); /* an int stands there */
    assert_null(text);
    assert_int_equal(n, 0);
    assert_true(r.failed);
    assert_int_equal(r.status, LM_ERR_INVALID);
    assert_false(lm_read_int(&r, &i)); /* though it would be right */
    assert_true(i == 0);
    assert_false(lm_read_uint(&r, &u));
    assert_true(u == 0);
    assert_false(lm_read_bool(&r, &b));
    assert_false(b);
    assert_false(lm_read_bin(&r, &bin, &n));
    assert_null(bin);
    n = 9;
    assert_false(lm_read_array(&r, &n));
    assert_int_equal(n, 0);
    n = 9;
    assert_false(lm_read_map(&r, &n));
    assert_int_equal(n, 0);
    assert_false(lm_read_text_copy(&r, copy, sizeof(copy)));
    assert_string_equal(copy, "");
    assert_false(lm_read_bin_exact(&r, two, 2));
    assert_int_equal(two[0], 0);
    assert_false(lm_read_nil(&r));
    assert_false(lm_reader_skip(&r));
    assert_false(lm_reader_done(&r));
}

static void reader_keeps_ranges(void **state)
{
    (void)state;
    struct lm_reader r;
    int64_t i;
    uint64_t u;
    char copy[3];
    uint8_t bytes[3];
    struct lm_value v;
    lm_reader_init(&r, (const uint8_t *)"\xcf\x80\0\0\0\0\0\0\0", 9);
    assert_false(lm_read_int(&r, &i));
    lm_reader_init(&r, (const uint8_t *)"\xcf\x80\0\0\0\0\0\0\0", 9);
    assert_false(lm_read_value(&r, &arena, &v));
    lm_reader_init(&r, (const uint8_t *)"\xff", 1);
    assert_false(lm_read_uint(&r, &u));
    lm_reader_init(&r, (const uint8_t *)"\xd3\0\0\0\0\0\0\0\x07",
                   9); /* signed form, not negative */
    assert_true(lm_read_uint(&r, &u) && u == 7);
    lm_reader_init(&r, (const uint8_t *)"\xa3xyz", 4);
    assert_false(lm_read_text_copy(&r, copy, sizeof(copy)));
    lm_reader_init(&r, (const uint8_t *)"\xc4\x02xy", 4);
    assert_false(lm_read_bin_exact(&r, bytes, 3));
    lm_reader_init(&r, (const uint8_t *)"\xc4\x02xy", 4);
    assert_false(lm_read_value(&r, &arena, &v)); /* only 16 bytes are a value */
    lm_reader_init(&r, (const uint8_t *)"\x92\x01\x02", 3);
    assert_false(lm_read_array_of(&r, 1));
    struct lm_arena small;
    lm_arena_init(&small, 8);
    lm_reader_init(&r,
                   (const uint8_t *)"\xa9"
                                    "123456789",
                   10);
    assert_false(lm_read_value(&r, &small, &v));
    assert_int_equal(r.status, LM_ERR_LIMIT);
    lm_arena_free(&small);
}

static void pack_failure_is_sticky(void **state)
{
    (void)state;
    struct lm_buf buf;
    lm_buf_init(&buf, 4);
    lm_pack_text(&buf, "abcd", 4);
    assert_int_equal(buf.status, LM_ERR_LIMIT);
    lm_pack_nil(&buf);
    assert_true(buf.len <= 1);
    lm_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hlc_cases),
        cmocka_unit_test(integers_take_their_shortest_form),
        cmocka_unit_test(other_kinds_have_their_bytes),
        cmocka_unit_test(empty_is_null),
        cmocka_unit_test(lengths_take_their_shortest_form),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(kinds_are_not_equal),
        cmocka_unit_test(json_round_trip),
        cmocka_unit_test(json_cases),
        cmocka_unit_test(prescan_cases),
        cmocka_unit_test(prescan_counts_nodes_and_pairs),
        cmocka_unit_test(prescan_survives_damage),
        cmocka_unit_test(reader_reads_by_kind),
        cmocka_unit_test(reader_failure_is_sticky),
        cmocka_unit_test(reader_keeps_ranges),
        cmocka_unit_test(pack_failure_is_sticky),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
