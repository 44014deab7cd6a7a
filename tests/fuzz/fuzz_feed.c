/* Any bytes as a record body, read with the catalogue built in: what reads packs to bytes that read
 * to a record of the same digest, and every value has the shape that its field asks for. */
#include "proto/feed.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lm_catalog *catalog(void)
{
    static struct lm_catalog *loaded;
    struct lm_error err;
    if (!loaded) {
        LM_CHECK(lm_catalog_load_embedded(&loaded, &err) == LM_OK);
    }
    return loaded;
}

static void check_record(const struct lm_record *rec)
{
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        const struct lm_field *field = &rec->type->fields[i];
        const struct lm_value *v = &rec->fields[i];
        LM_CHECK(lm_value_is_null(v) || !field->is_list || v->kind == LM_LIST);
        LM_CHECK(lm_value_is_null(v) || field->is_list || field->ftype != LM_F_BOOL ||
                 v->kind == LM_BOOL);
        LM_CHECK(field->fill != LM_FILL_COMPUTED || i == LM_C_ID || lm_value_is_null(v));
    }
    LM_CHECK(rec->position >= 0);
    LM_CHECK(strcmp(lm_record_text(rec, LM_C_ID), rec->id) == 0);
    json_t *json = lm_record_to_json(rec);
    LM_CHECK(json != NULL);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_arena arena;
    struct lm_record *rec, *again, *taken;
    struct lm_error err;
    lm_arena_init(&arena, 64 << 20);
    if (lm_body_read(catalog(), data, size, &arena, &rec, &err) == LM_OK) {
        bool pending[LM_GROUPS_PER_TYPE_MAX] = {false};
        struct lm_buf buf;
        check_record(rec);
        lm_buf_init(&buf, 2 * LM_FRAME_BYTES_MAX);
        lm_body_pack(&buf, rec);
        LM_CHECK(buf.status == LM_OK);
        LM_CHECK(lm_body_read(catalog(), buf.data, buf.len, &arena, &again, &err) == LM_OK);
        LM_CHECK(lm_record_digest(rec) == lm_record_digest(again));
        LM_CHECK(lm_record_seen(rec) == lm_record_seen(again));
        for (size_t g = 0; g < rec->type->n_groups; g++) {
            pending[g] = g % 2;
        }
        LM_CHECK(lm_feed_take(rec, again, pending, &arena, &taken) == LM_OK);
        LM_CHECK(lm_record_digest(taken) == lm_record_digest(rec));
        lm_buf_free(&buf);
    } else {
        LM_CHECK(rec == NULL && err.code[0] != '\0');
    }
    lm_arena_free(&arena);
    return 0;
}
