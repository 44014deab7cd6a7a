/* The bytes of a change, their bounds, the chain; and batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/change.h"
#include "proto/message.h"
#include "proto/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define ID "01932f00-1111-7222-8333-444444444444"
#define ID2 "01932f00-aaaa-7bbb-8ccc-dddddddddddd"

static struct lm_arena arena;

static int setup(void **state)
{
    (void)state;
    lm_arena_init(&arena, 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lm_arena_free(&arena);
    return 0;
}

static struct lm_pair pair(const char *key, struct lm_value value)
{
    return (struct lm_pair){.key = key, .key_len = (uint32_t)strlen(key), .value = value};
}

static struct lm_value map(struct lm_pair *pairs, size_t n)
{
    return (struct lm_value){.kind = LM_MAP, .len = (uint32_t)n, .pairs = pairs};
}

static struct lm_change creation(struct lm_pair *pairs, size_t n)
{
    struct lm_change c = {.type = "visit",
                          .id = ID,
                          .op = LM_OP_CREATE,
                          .hlc = 0x19a0b1c2d3e40001,
                          .user = "张三",
                          .catalog = 3,
                          .wall_delta_ms = -5};
    c.fields = n ? map(pairs, n) : lm_value_null();
    return c;
}

static void pack(struct lm_buf *buf, const struct lm_change *c)
{
    lm_buf_init(buf, LM_CHANGE_BYTES_MAX);
    lm_change_pack(buf, c);
    assert_int_equal(buf->status, LM_OK);
}

static void check_same(const struct lm_change *a, const struct lm_change *b)
{
    assert_string_equal(a->type, b->type);
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->hlc, b->hlc);
    assert_string_equal(a->user, b->user);
    assert_int_equal(a->catalog, b->catalog);
    assert_int_equal(a->wall_delta_ms, b->wall_delta_ms);
    assert_int_equal(a->offset_known, b->offset_known);
    assert_int_equal(a->offset_ms, b->offset_ms);
    assert_true(lm_value_equal(&a->fields, &b->fields));
    assert_true(lm_version_equal(a->base_all, b->base_all));
    assert_int_equal(a->n_bases, b->n_bases);
    for (size_t i = 0; i < a->n_bases; i++) {
        assert_string_equal(a->bases[i].group, b->bases[i].group);
        assert_true(lm_version_equal(a->bases[i].version, b->bases[i].version));
    }
    assert_int_equal(a->has_seen, b->has_seen);
    assert_int_equal(a->seen, b->seen);
}

static void check_round(const struct lm_change *c)
{
    struct lm_buf buf;
    struct lm_change got;
    struct lm_error err;
    pack(&buf, c);
    assert_int_equal(lm_change_read(buf.data, buf.len, &arena, &got, &err), LM_OK);
    check_same(c, &got);
    lm_buf_free(&buf);
}

static void check_bad(const struct lm_change *c, enum lm_status status, const char *field)
{
    struct lm_buf buf;
    struct lm_change got;
    struct lm_error err;
    lm_buf_init(&buf, 1 << 20);
    lm_change_pack(&buf, c);
    assert_int_equal(buf.status, LM_OK);
    assert_int_equal(lm_change_read(buf.data, buf.len, &arena, &got, &err), status);
    assert_string_equal(err.field, field);
    lm_buf_free(&buf);
}

static void every_shape_reads_back(void **state)
{
    (void)state;
    struct lm_value items[] = {lm_value_text("a"), lm_value_int(-7)};
    struct lm_pair inner[] = {pair("x", lm_value_int(INT64_MIN)), pair("y", lm_value_null())};
    struct lm_pair pairs[] = {
        pair("subject", lm_value_text(ID2)),
        pair("note", lm_value_text("春节走访")),
        pair("gone", lm_value_null()),
        pair("yes", lm_value_bool(true)),
        pair("list", (struct lm_value){.kind = LM_LIST, .len = 2, .items = items}),
        pair("map", map(inner, 2)),
        pair("big", lm_value_int(INT64_MAX)),
    };
    struct lm_base bases[] = {{"state", {5, 6}}, {"note", {7, INT64_MAX}}, {"never", {0, 0}}};
    struct lm_change c = creation(pairs, 7);
    check_round(&c);
    c = creation(NULL, 0);
    check_round(&c);
    c = creation(pairs, 2);
    c.op = LM_OP_EDIT;
    c.base_all = (struct lm_version){1, 0};
    check_round(&c);
    c.bases = bases;
    c.n_bases = 3;
    c.hlc = INT64_MAX;
    c.offset_known = true;
    c.offset_ms = -(((int64_t)1 << 53) - 1);
    c.wall_delta_ms = ((int64_t)1 << 53) - 1;
    c.has_seen = true;
    c.seen = UINT64_MAX;
    c.user = "";
    c.catalog = UINT32_MAX;
    check_round(&c);
    c.op = LM_OP_DELETE;
    c.seen = 0;
    check_round(&c);
    c.op = LM_OP_UNDELETE;
    check_round(&c);
}

static void every_bound_is_checked(void **state)
{
    (void)state;
    struct lm_base bases[] = {{"state", {5, 6}}};
    struct lm_change good = creation(NULL, 0);
    struct lm_change c = good;
    c.type = "";
    check_bad(&c, LM_ERR_INVALID, "change.type");
    c.type = "Visit";
    check_bad(&c, LM_ERR_INVALID, "change.type");
    c.type = "vis.it";
    check_bad(&c, LM_ERR_INVALID, "change.type");
    c.type = "a2345678901234567890123456789012345678901";
    check_bad(&c, LM_ERR_LIMIT, "change.type");
    c = good;
    strcpy(c.id, "nothing");
    check_bad(&c, LM_ERR_INVALID, "change.id");
    c = good;
    c.op = (enum lm_op)4;
    check_bad(&c, LM_ERR_INVALID, "change.op");
    c = good;
    c.hlc = 0;
    check_bad(&c, LM_ERR_INVALID, "change.hlc");
    c.hlc = (uint64_t)1 << 63;
    check_bad(&c, LM_ERR_INVALID, "change.hlc");
    c = good;
    c.user = "十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十十"
             "十十十十十十十十十十十十十十十十十十十十十十十";
    check_bad(&c, LM_ERR_LIMIT, "change.user");
    c.user = "a\x01";
    check_bad(&c, LM_ERR_INVALID, "change.user");
    c = good;
    c.wall_delta_ms = (int64_t)1 << 53;
    check_bad(&c, LM_ERR_INVALID, "change.wall_delta_ms");
    c = good;
    c.offset_known = true;
    c.offset_ms = INT64_MIN;
    check_bad(&c, LM_ERR_INVALID, "change.offset_ms");
    c = good;
    c.op = LM_OP_EDIT; /* an edit of nothing */
    check_bad(&c, LM_ERR_INVALID, "change.bases");
    c = good;
    c.base_all = (struct lm_version){5, 5}; /* a creation that builds on something */
    check_bad(&c, LM_ERR_INVALID, "change.bases");
    c.op = LM_OP_EDIT;
    c.base_all.replica = (uint64_t)1 << 63;
    check_bad(&c, LM_ERR_INVALID, "change.bases");
    c.base_all = (struct lm_version){0, 0};
    c.bases = bases;
    c.n_bases = 1;
    check_bad(&c, LM_ERR_INVALID, "change.bases");
    c.base_all = (struct lm_version){5, 5};
    bases[0].version = (struct lm_version){0, 5};
    check_bad(&c, LM_ERR_INVALID, "change.bases");
    bases[0].version = (struct lm_version){5, 5};
    bases[0].group = "no way";
    check_bad(&c, LM_ERR_INVALID, "change.bases");
}

static void fields_are_bounded(void **state)
{
    (void)state;
    static char names[LM_CHANGE_FIELDS_MAX + 1][8];
    static struct lm_pair pairs[LM_CHANGE_FIELDS_MAX + 1];
    static struct lm_value items[LM_LIST_ITEMS_MAX + 1];
    static char text[3 * (LM_TEXT_CHARS_MAX + 1) + 1];
    for (size_t i = 0; i <= LM_CHANGE_FIELDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        pairs[i] = pair(names[i], lm_value_int(1));
    }
    struct lm_change c = creation(pairs, LM_CHANGE_FIELDS_MAX);
    check_round(&c);
    c = creation(pairs, LM_CHANGE_FIELDS_MAX + 1);
    check_bad(&c, LM_ERR_LIMIT, "change.fields");

    for (size_t i = 0; i <= LM_LIST_ITEMS_MAX; i++) {
        items[i] = lm_value_bool(true);
    }
    pairs[0].value = (struct lm_value){.kind = LM_LIST, .len = LM_LIST_ITEMS_MAX, .items = items};
    c = creation(pairs, 1);
    check_round(&c);
    pairs[0].value.len++;
    check_bad(&c, LM_ERR_LIMIT, "change.fields");

    for (size_t i = 0; i <= LM_TEXT_CHARS_MAX; i++) {
        memcpy(text + 3 * i, "字", 3);
    }
    pairs[0].value = lm_value_textn(text, 3 * LM_TEXT_CHARS_MAX);
    check_round(&c);
    pairs[0].value = lm_value_textn(text, 3 * (LM_TEXT_CHARS_MAX + 1));
    check_bad(&c, LM_ERR_LIMIT, "change.fields");

    pairs[0] = pair("a b", lm_value_int(1));
    check_bad(&c, LM_ERR_INVALID, "change.fields");
    pairs[0] = pair("", lm_value_int(1));
    check_bad(&c, LM_ERR_INVALID, "change.fields");
    pairs[0] = pair("twice", lm_value_int(1));
    pairs[1] = pair("twice", lm_value_int(2));
    c = creation(pairs, 2);
    check_bad(&c, LM_ERR_INVALID, "change");
}

static void no_cut_and_nothing_after(void **state)
{
    (void)state;
    struct lm_pair pairs[] = {pair("note", lm_value_text("春节走访")),
                              pair("n", lm_value_int(70000))};
    struct lm_change c = creation(pairs, 2);
    struct lm_change got;
    struct lm_error err;
    struct lm_buf buf;
    pack(&buf, &c);
    for (size_t n = 0; n < buf.len; n++) {
        assert_int_equal(lm_change_read(buf.data, n, &arena, &got, &err), LM_ERR_INVALID);
    }
    lm_buf_add(&buf, "\xc0", 1);
    assert_int_equal(lm_change_read(buf.data, buf.len, &arena, &got, &err), LM_ERR_INVALID);
    lm_buf_free(&buf);
}

static void newer_formats_and_large_bodies_are_told_apart(void **state)
{
    (void)state;
    static uint8_t large[LM_CHANGE_BYTES_MAX + 1];
    struct lm_change got;
    struct lm_error err;
    const uint8_t newer[] = {0x92, 0x02, 0xa1, 'x'};
    assert_int_equal(lm_change_read(newer, sizeof newer, &arena, &got, &err), LM_ERR_VERSION);
    assert_int_equal(lm_change_read(large, sizeof large, &arena, &got, &err), LM_ERR_LIMIT);
    struct lm_arena small;
    struct lm_pair pairs[] = {pair("note", lm_value_text("春节走访"))};
    struct lm_change c = creation(pairs, 1);
    struct lm_buf buf;
    pack(&buf, &c);
    lm_arena_init(&small, 16);
    assert_int_not_equal(lm_change_read(buf.data, buf.len, &small, &got, &err), LM_OK);
    assert_int_not_equal(err.code[0], 0);
    lm_arena_free(&small);
    lm_buf_free(&buf);
}

static void bases_answer_by_group(void **state)
{
    (void)state;
    struct lm_base bases[] = {{"note", {7, 8}}};
    struct lm_change c = {.base_all = {1, 2}, .bases = bases, .n_bases = 1};
    assert_int_equal(lm_change_base(&c, "note").hlc, 7);
    assert_int_equal(lm_change_base(&c, "state").hlc, 1);
    assert_int_equal(lm_change_base(&c, "state").replica, 2);
}

static void chain_depends_on_all(void **state)
{
    (void)state;
    uint8_t a[32], b[32], c[32];
    lm_chain_start(1, 1, a);
    lm_chain_start(1, 2, b);
    assert_memory_not_equal(a, b, 32);
    lm_chain_start(2, 1, b);
    assert_memory_not_equal(a, b, 32);
    lm_chain_next(a, (const uint8_t *)"x", 1, b);
    lm_chain_next(a, (const uint8_t *)"y", 1, c);
    assert_memory_not_equal(b, c, 32);
    lm_chain_next(a, (const uint8_t *)"x", 1, a); /* in place */
    assert_memory_equal(a, b, 32);
}

/* ---- batches ---- */

struct gathered {
    uint32_t n;
    size_t bytes;
    uint32_t stop_at;
};

static enum lm_status gather(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct gathered *g = arg;
    assert_int_equal(i, g->n);
    assert_non_null(body);
    g->n++;
    g->bytes += n;
    return g->n == g->stop_at ? LM_ERR_DENIED : LM_OK;
}

static enum lm_status unpack(const struct lm_buf *packed, uint32_t raw, uint32_t count,
                             struct gathered *g)
{
    struct lm_error err;
    lm_arena_reset(&arena);
    return lm_batch_unpack(packed->data, packed->len, raw, count, &arena, gather, g, &err);
}

static void batch_of_noise_fits_a_frame(void **state)
{
    (void)state;
    static uint8_t noise[LM_CHANGE_BYTES_MAX];
    struct lm_rand rnd;
    struct lm_batch batch;
    struct lm_buf packed;
    struct gathered g = {0};
    size_t bytes = 0;
    lm_rand_seed(&rnd, 1);
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    for (size_t n = sizeof noise;;) {
        for (size_t i = 0; i < n; i++) {
            noise[i] = (uint8_t)lm_rand_next(&rnd);
        }
        if (!lm_batch_add(&batch, noise, n)) {
            if (n == 1) {
                break;
            }
            n /= 2;
            continue;
        }
        bytes += n;
    }
    assert_true(batch.raw.len > LM_BATCH_BYTES_MAX - 16 && batch.raw.len <= LM_BATCH_BYTES_MAX);
    assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK);
    assert_true(packed.len < LM_FRAME_BYTES_MAX - 1024);
    assert_int_equal(unpack(&packed, (uint32_t)batch.raw.len, batch.count, &g), LM_OK);
    assert_int_equal(g.n, batch.count);
    assert_int_equal(g.bytes, bytes);
    struct lm_arena small;
    struct lm_error err;
    g = (struct gathered){0};
    lm_arena_init(&small, 1024);
    assert_int_equal(lm_batch_unpack(packed.data, packed.len, (uint32_t)batch.raw.len, batch.count,
                                     &small, gather, &g, &err),
                     LM_ERR_MEMORY);
    assert_string_equal(err.code, "memory");
    assert_int_equal(g.n, 0);
    lm_arena_free(&small);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
}

static void batch_takes_8192_changes(void **state)
{
    (void)state;
    struct lm_batch batch;
    struct lm_buf packed;
    struct gathered g = {0};
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    while (lm_batch_add(&batch, (const uint8_t *)"change", 6)) {
    }
    assert_int_equal(batch.count, LM_BATCH_CHANGES_MAX);
    assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK);
    uint32_t raw = (uint32_t)batch.raw.len;
    assert_int_equal(unpack(&packed, raw, batch.count, &g), LM_OK);
    assert_int_equal(g.n, LM_BATCH_CHANGES_MAX);
    /* Anything said wrongly about it is refused before the first change is seen. */
    g = (struct gathered){0};
    assert_int_equal(unpack(&packed, raw - 1, batch.count, &g), LM_ERR_INVALID);
    assert_int_equal(unpack(&packed, raw + 1, batch.count, &g), LM_ERR_INVALID);
    assert_int_equal(unpack(&packed, raw, batch.count - 1, &g), LM_ERR_INVALID);
    assert_int_equal(unpack(&packed, raw, batch.count + 1, &g), LM_ERR_LIMIT);
    assert_int_equal(unpack(&packed, LM_BATCH_BYTES_MAX + 1, batch.count, &g), LM_ERR_LIMIT);
    assert_int_equal(unpack(&packed, raw, 0, &g), LM_ERR_INVALID);
    packed.len--;
    assert_int_equal(unpack(&packed, raw, batch.count, &g), LM_ERR_INVALID);
    packed.len++;
    lm_buf_add(&packed, "", 1);
    assert_int_equal(unpack(&packed, raw, batch.count, &g), LM_ERR_INVALID);
    assert_int_equal(g.n, 0);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
}

static void batch_bounds_and_stops(void **state)
{
    (void)state;
    static uint8_t large[LM_CHANGE_BYTES_MAX + 1];
    struct lm_batch batch;
    struct lm_buf packed;
    struct gathered g = {.stop_at = 2};
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    assert_false(lm_batch_add(&batch, large, sizeof large));
    assert_false(lm_batch_add(&batch, large, 0));
    assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK); /* nothing in it, nothing made */
    assert_int_equal(packed.len, 0);
    assert_int_equal(unpack(&packed, 0, 0, &g), LM_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(lm_batch_add(&batch, large, sizeof large - 1));
    }
    assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK);
    assert_true(packed.len < 1024);
    assert_int_equal(unpack(&packed, (uint32_t)batch.raw.len, 3, &g), LM_ERR_DENIED);
    assert_int_equal(g.n, 2);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
}

/* Frames that zstd itself would take: without a size, with a second frame, of content that is no
 * batch. */
static void batch_refuses_other_frames(void **state)
{
    (void)state;
    uint8_t raw[] = {0xc4, 3, 'a', 'b', 'c'};
    uint8_t text[] = {0xa3, 'a', 'b', 'c', 0xc0};
    uint8_t out[256];
    struct lm_buf packed;
    struct gathered g = {0};
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, 0);
    lm_buf_add(&packed, out, ZSTD_compress2(cctx, out, sizeof out, raw, sizeof raw));
    assert_int_equal(unpack(&packed, sizeof raw, 1, &g), LM_ERR_INVALID);
    ZSTD_freeCCtx(cctx);
    lm_buf_reset(&packed);
    lm_buf_add(&packed, out, ZSTD_compress(out, sizeof out, text, sizeof text, 3));
    assert_int_equal(unpack(&packed, sizeof text, 1, &g), LM_ERR_INVALID);
    lm_buf_reset(&packed);
    lm_buf_add(&packed, out, ZSTD_compress(out, sizeof out, raw, sizeof raw, 3));
    assert_int_equal(unpack(&packed, sizeof raw, 1, &g), LM_OK);
    lm_buf_add(&packed, out, ZSTD_compress(out, sizeof out, raw, 0, 3)); /* an empty frame behind */
    assert_int_equal(unpack(&packed, sizeof raw, 1, &g), LM_ERR_INVALID);
    lm_buf_free(&packed);
}

/* What a village's register costs on the wire: a typical new visit within 170 bytes. */
static void batch_of_visits_is_small(void **state)
{
    (void)state;
    static const char *const notes[] = {"", "家中老人身体尚可", "反映低保未落实，已记录",
                                        "送去慰问品米面油", "外出务工，由家属代述"};
    struct lm_rand rnd;
    struct lm_batch batch;
    struct lm_buf packed;
    struct lm_buf buf;
    lm_rand_seed(&rnd, 5);
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    lm_buf_init(&buf, LM_CHANGE_BYTES_MAX);
    for (int i = 0; i < 1000; i++) {
        char person[40];
        char visitor[40];
        char date[16];
        lm_uuid_v7(&rnd, 1790000000000 + (int64_t)lm_rand_below(&rnd, 1000000), person);
        lm_uuid_v7(&rnd, 1780000000000, visitor);
        lm_date_format(20700 + (int64_t)lm_rand_below(&rnd, 365), date);
        struct lm_pair pairs[] = {
            pair("person_id", lm_value_text(person)),
            pair("state", lm_value_text("submitted")),
            pair("visit_on", lm_value_text(date)),
            pair("kind", lm_value_text("spring_festival")),
            pair("visited_by", lm_value_text(visitor)),
            pair("place", lm_value_text("home")),
            pair("category_at_visit", lm_value_text("veteran")),
            pair("duration_min", lm_value_int(30)),
            pair("note", lm_value_text(notes[lm_rand_below(&rnd, 5)])),
        };
        struct lm_change c = creation(pairs, 9);
        lm_uuid_v7(&rnd, 1795000000000 + i * 60000, c.id);
        c.hlc = lm_hlc_of_ms(1795000000000 + i * 60000);
        c.wall_delta_ms = 0;
        lm_buf_reset(&buf);
        lm_change_pack(&buf, &c);
        assert_true(lm_batch_add(&batch, buf.data, buf.len));
    }
    assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK);
    print_message("a visit: %zu bytes, packed %zu\n", batch.raw.len / 1000, packed.len / 1000);
    assert_true(packed.len / 1000 <= 170);
    lm_buf_free(&buf);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_reads_back),
        cmocka_unit_test(every_bound_is_checked),
        cmocka_unit_test(fields_are_bounded),
        cmocka_unit_test(no_cut_and_nothing_after),
        cmocka_unit_test(newer_formats_and_large_bodies_are_told_apart),
        cmocka_unit_test(bases_answer_by_group),
        cmocka_unit_test(chain_depends_on_all),
        cmocka_unit_test(batch_of_noise_fits_a_frame),
        cmocka_unit_test(batch_takes_8192_changes),
        cmocka_unit_test(batch_bounds_and_stops),
        cmocka_unit_test(batch_refuses_other_frames),
        cmocka_unit_test(batch_of_visits_is_small),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
