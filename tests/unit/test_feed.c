/* Record bodies: what the hub holds is what a node reads; what a node keeps of its own while it
 * takes one in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/feed.h"
#include "proto/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "01932f00-1111-7222-8333-444444444444"

static struct lm_catalog *catalog;
static struct lm_arena arena;
static struct lm_error err;

static int setup(void **state)
{
    (void)state;
    lm_arena_init(&arena, 64 << 20);
    return lm_catalog_load_embedded(&catalog, &err) == LM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lm_catalog_destroy(&catalog);
    lm_arena_free(&arena);
    return 0;
}

/* A value of the shape that the field asks for. */
static struct lm_value some_value(const struct lm_field *field, bool element, int seed)
{
    char text[64];
    snprintf(text, sizeof text, "text %d", seed);
    if (field->is_list && !element) {
        struct lm_value *items = lm_arena_alloc(&arena, 2 * sizeof *items);
        assert_non_null(items);
        items[0] = some_value(field, true, seed);
        items[1] = some_value(field, true, seed + 1);
        return (struct lm_value){.kind = LM_LIST, .len = 2, .items = items};
    }
    switch ((int)field->ftype) {
    case LM_F_BOOL:
        return lm_value_bool(seed % 2);
    case LM_F_INT:
    case LM_F_DECIMAL:
        return lm_value_int(seed * 10000);
    case LM_F_UUID:
    case LM_F_FILE:
        lm_uuid_of(text, strlen(text), text);
        break;
    case LM_F_MAP: {
        struct lm_pair *pairs = lm_arena_alloc(&arena, field->n_members * sizeof *pairs);
        assert_non_null(pairs);
        for (size_t i = 0; i < field->n_members; i++) {
            pairs[i] = (struct lm_pair){.key = field->members[i].name,
                                        .key_len = (uint32_t)strlen(field->members[i].name),
                                        .value = some_value(&field->members[i], false, seed)};
        }
        return (struct lm_value){.kind = LM_MAP, .len = (uint32_t)field->n_members, .pairs = pairs};
    }
    default:
        break;
    }
    return lm_value_text(lm_arena_text(&arena, text, strlen(text)));
}

static struct lm_record *full_record(const struct lm_type *type)
{
    struct lm_record *rec = lm_record_new(&arena, type, ID);
    assert_non_null(rec);
    for (size_t i = 0; i < type->n_fields; i++) {
        if (i != LM_C_ID && i % 5 != 4) {
            rec->fields[i] = some_value(&type->fields[i], false, (int)i);
        }
    }
    for (size_t g = 0; g < type->n_groups; g++) {
        rec->stamps[g] = (struct lm_stamp){.version = {1000 + g % 3, 7}, .rank = 1000 + g % 3};
    }
    rec->position = 12345;
    return rec;
}

static struct lm_buf packed(const struct lm_record *rec)
{
    struct lm_buf buf;
    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    lm_body_pack(&buf, rec);
    assert_int_equal(buf.status, LM_OK);
    return buf;
}

static struct lm_record *read_back(const struct lm_buf *buf)
{
    struct lm_record *rec = NULL;
    assert_int_equal(lm_body_read(catalog, buf->data, buf->len, &arena, &rec, &err), LM_OK);
    assert_non_null(rec);
    return rec;
}

/* LM_WRITE_SEEDS=DIR (tests/fuzz/corpus): the bodies made here are the fuzz target's seeds. */
static void write_seed(const char *name, const struct lm_buf *buf)
{
    char path[1024];
    if (!getenv("LM_WRITE_SEEDS")) {
        return;
    }
    snprintf(path, sizeof path, "%s/fuzz_feed/%s", getenv("LM_WRITE_SEEDS"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(buf->data, 1, buf->len, file), buf->len);
    assert_int_equal(fclose(file), 0);
}

static void every_type_reads_back(void **state)
{
    (void)state;
    assert_true(catalog->n_types >= 39);
    for (size_t t = 0; t < catalog->n_types; t++) {
        const struct lm_type *type = &catalog->types[t];
        struct lm_record *rec = full_record(type);
        struct lm_buf buf = packed(rec);
        struct lm_record *got = read_back(&buf);
        assert_ptr_equal(got->type, type);
        assert_string_equal(got->id, ID);
        assert_int_equal(got->position, 12345);
        assert_false(got->invalid);
        for (size_t i = 0; i < type->n_fields; i++) {
            bool computed = type->fields[i].fill == LM_FILL_COMPUTED && i != LM_C_ID;
            assert_true(computed ? lm_value_is_null(&got->fields[i])
                                 : lm_value_equal(&got->fields[i], &rec->fields[i]));
        }
        for (size_t g = 0; g < type->n_groups; g++) {
            assert_true(lm_version_equal(got->stamps[g].version, rec->stamps[g].version));
            assert_int_equal(got->stamps[g].rank, rec->stamps[g].rank);
        }
        assert_true(lm_record_digest(got) == lm_record_digest(rec));
        struct lm_buf again = packed(got);
        assert_int_equal(again.len, buf.len);
        assert_memory_equal(again.data, buf.data, buf.len);
        for (size_t n = 0; n < buf.len; n += 7) {
            struct lm_record *none;
            assert_int_not_equal(lm_body_read(catalog, buf.data, n, &arena, &none, &err), LM_OK);
            assert_null(none);
        }
        write_seed(type->name, &buf);
        lm_buf_free(&again);
        lm_buf_free(&buf);
        lm_arena_reset(&arena);
    }
}

static void issues_and_unknown_fields_travel(void **state)
{
    (void)state;
    const struct lm_type *type = lm_catalog_type(catalog, "visit");
    struct lm_record *rec = full_record(type);
    struct lm_pair pairs[] = {
        {.key = "of_tomorrow", .key_len = 11, .value = lm_value_text("x")},
        {.key = "another", .key_len = 7, .value = lm_value_int(5)},
    };
    rec->unknown = (struct lm_value){.kind = LM_MAP, .len = 2, .pairs = pairs};
    rec->invalid = true;
    strcpy(rec->issue_code, "required");
    strcpy(rec->issue_field, "note");
    rec->issue_zh = "请填写。";
    rec->issue_en = "Fill it in.";
    struct lm_buf buf = packed(rec);
    struct lm_record *got = read_back(&buf);
    assert_true(lm_value_equal(&got->unknown, &rec->unknown));
    assert_true(got->invalid);
    assert_string_equal(got->issue_code, "required");
    assert_string_equal(got->issue_field, "note");
    assert_string_equal(got->issue_zh, "请填写。");
    assert_string_equal(got->issue_en, "Fill it in.");
    lm_buf_free(&buf);
}

/* A body written by hand: [type, id, position, stamps, fields, unknown, issue]. */
static void begin_body(struct lm_buf *buf, const char *type)
{
    uint8_t id[16];
    assert_true(lm_uuid_parse(ID, 36, id));
    lm_buf_init(buf, LM_FRAME_BYTES_MAX);
    lm_pack_array(buf, 7);
    lm_pack_text(buf, type, strlen(type));
    lm_pack_bin(buf, id, sizeof id);
    lm_pack_uint(buf, 1);
    lm_buf_add(buf, "\x91\x94\x05\x06\x07\xc0", 6); /* one stamp: hlc 5, replica 6, rank 7 */
}

static enum lm_status read_hand_made(const char *fields, size_t fields_len, const char *unknown,
                                     size_t unknown_len, struct lm_record **rec)
{
    struct lm_buf buf;
    begin_body(&buf, "visit");
    lm_buf_add(&buf, fields, fields_len);
    lm_buf_add(&buf, unknown, unknown_len);
    lm_pack_nil(&buf);
    enum lm_status status = lm_body_read(catalog, buf.data, buf.len, &arena, rec, &err);
    lm_buf_free(&buf);
    return status;
}
#define HAND_MADE(fields, unknown, rec)                                                            \
    read_hand_made(fields, sizeof fields - 1, unknown, sizeof unknown - 1, rec)

static void bodies_of_other_catalogues(void **state)
{
    (void)state;
    struct lm_record *rec;
    /* A newer hub's field stays with the record. */
    assert_int_equal(HAND_MADE("\x82\xa3zzz\x07\xa5state\xa5"
                               "draft",
                               "\xc0", &rec),
                     LM_OK);
    assert_string_equal(lm_record_text(rec, LM_C_STATE), "draft");
    assert_int_equal(lm_value_member(&rec->unknown, "zzz")->i, 7);
    assert_int_equal(rec->stamps[LM_GROUP_STATE].version.hlc, 5);
    assert_int_equal(rec->stamps[LM_GROUP_STATE].rank, 7);
    /* An older hub's unknown field, known here. */
    assert_int_equal(HAND_MADE("\x80",
                               "\x81\xa5state\xa5"
                               "draft",
                               &rec),
                     LM_OK);
    assert_string_equal(lm_record_text(rec, LM_C_STATE), "draft");
    assert_true(lm_value_is_null(&rec->unknown));
    /* The same unknown name twice; a value of another shape; an id that differs is ignored. */
    assert_int_equal(HAND_MADE("\x81\xa3zzz\x07", "\x81\xa3zzz\x08", &rec), LM_ERR_INVALID);
    assert_string_equal(err.field, "body.unknown");
    assert_int_equal(HAND_MADE("\x81\xa5state\x07", "\xc0", &rec), LM_ERR_INVALID);
    assert_string_equal(err.field, "body.fields");
    assert_int_equal(HAND_MADE("\x81\xa5state\x91\xa1x", "\xc0", &rec), LM_ERR_INVALID);
    assert_int_equal(HAND_MADE("\x81\xa2id\xa1x", "\xc0", &rec), LM_OK);
    assert_string_equal(lm_record_text(rec, LM_C_ID), ID);
    assert_int_equal(HAND_MADE("\x81\xa0\x07", "\xc0", &rec), LM_ERR_INVALID);
    assert_int_equal(HAND_MADE("\xc0", "\xc0", &rec), LM_ERR_INVALID);
    /* A type that is not known: the caller keeps the bytes. */
    struct lm_buf buf;
    begin_body(&buf, "of_tomorrow");
    lm_buf_add(&buf, "\x80\xc0\xc0", 3);
    assert_int_equal(lm_body_read(catalog, buf.data, buf.len, &arena, &rec, &err),
                     LM_ERR_NOT_FOUND);
    assert_string_equal(err.code, "unknown_type");
    lm_buf_free(&buf);
}

static void pending_groups_stay(void **state)
{
    (void)state;
    const struct lm_type *type = lm_catalog_type(catalog, "visit");
    struct lm_record *hub = full_record(type);
    struct lm_record *local = lm_record_copy(&arena, hub);
    struct lm_record *out;
    bool pending[LM_GROUPS_PER_TYPE_MAX] = {false};
    int mine = type->fields[type->n_fields - 1].group;
    for (size_t i = 0; i < type->n_fields; i++) {
        if (i != LM_C_ID) {
            local->fields[i] = some_value(&type->fields[i], false, 500 + (int)i);
        }
    }
    for (size_t g = 0; g < type->n_groups; g++) {
        local->stamps[g] = (struct lm_stamp){.version = {9000, 1}};
    }
    local->invalid = true;
    pending[mine] = true;
    assert_int_equal(lm_feed_take(local, hub, pending, &arena, &out), LM_OK);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct lm_record *from = i != LM_C_ID && type->fields[i].group == mine ? local : hub;
        assert_true(lm_value_equal(&out->fields[i], &from->fields[i]));
    }
    for (size_t g = 0; g < type->n_groups; g++) {
        assert_int_equal(out->stamps[g].version.hlc,
                         (int)g == mine ? 9000 : hub->stamps[g].version.hlc);
    }
    assert_false(out->invalid);
    assert_int_equal(out->position, hub->position);
    assert_ptr_equal(out->fields[LM_C_ID].text, out->id);
    /* Nothing pending, or nothing here yet: the hub's. */
    pending[mine] = false;
    assert_int_equal(lm_feed_take(local, hub, pending, &arena, &out), LM_OK);
    assert_true(lm_record_digest(out) == lm_record_digest(hub));
    assert_int_equal(lm_feed_take(NULL, hub, pending, &arena, &out), LM_OK);
    assert_true(lm_record_digest(out) == lm_record_digest(hub));
    /* Another record is no answer. */
    local->id[0] = 'f';
    assert_int_equal(lm_feed_take(local, hub, pending, &arena, &out), LM_ERR_INVALID);
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_back),
        cmocka_unit_test(issues_and_unknown_fields_travel),
        cmocka_unit_test(bodies_of_other_catalogues),
        cmocka_unit_test(pending_groups_stay),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
