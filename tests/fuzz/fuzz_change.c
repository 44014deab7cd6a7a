/* Any bytes as a change: what reads packs to bytes that read the same, and stays within the stated
 * bounds. */
#include "proto/change.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct lm_change *c)
{
    LM_CHECK(c->hlc > 0 && c->hlc <= INT64_MAX);
    LM_CHECK(c->type[0] != '\0' && strlen(c->type) <= 40);
    LM_CHECK(lm_uuid_valid(c->id, strlen(c->id)));
    LM_CHECK(c->op <= LM_OP_UNDELETE);
    LM_CHECK(c->fields.kind == LM_NULL || c->fields.kind == LM_MAP);
    LM_CHECK(c->fields.kind != LM_MAP || c->fields.len <= LM_CHANGE_FIELDS_MAX);
    LM_CHECK(c->n_bases <= LM_CHANGE_FIELDS_MAX);
    LM_CHECK((c->op == LM_OP_CREATE) == (c->base_all.hlc == 0));
    LM_CHECK(c->op != LM_OP_CREATE || c->n_bases == 0);
}

static void check_same(const struct lm_change *a, const struct lm_change *b)
{
    LM_CHECK(strcmp(a->type, b->type) == 0 && strcmp(a->id, b->id) == 0 &&
             strcmp(a->user, b->user) == 0);
    LM_CHECK(a->op == b->op && a->hlc == b->hlc && a->catalog == b->catalog);
    LM_CHECK(a->wall_delta_ms == b->wall_delta_ms && a->offset_ms == b->offset_ms);
    LM_CHECK(a->offset_known == b->offset_known && a->has_seen == b->has_seen &&
             a->seen == b->seen);
    LM_CHECK(lm_value_equal(&a->fields, &b->fields));
    LM_CHECK(lm_version_equal(a->base_all, b->base_all) && a->n_bases == b->n_bases);
    for (size_t i = 0; i < a->n_bases; i++) {
        LM_CHECK(strcmp(a->bases[i].group, b->bases[i].group) == 0);
        LM_CHECK(lm_version_equal(a->bases[i].version, b->bases[i].version));
        LM_CHECK(lm_version_equal(lm_change_base(a, a->bases[i].group), a->bases[i].version));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_arena arena;
    struct lm_change change, again;
    struct lm_error err;
    lm_arena_init(&arena, 16 << 20);
    if (lm_change_read(data, size, &arena, &change, &err) == LM_OK) {
        struct lm_buf buf;
        check_bounds(&change);
        lm_buf_init(&buf, LM_CHANGE_BYTES_MAX);
        lm_change_pack(&buf, &change);
        LM_CHECK(buf.status == LM_OK); /* the shortest forms are never longer than what was read */
        LM_CHECK(buf.len <= size);
        LM_CHECK(lm_change_read(buf.data, buf.len, &arena, &again, &err) == LM_OK);
        check_same(&change, &again);
        lm_buf_free(&buf);
    } else {
        LM_CHECK(err.code[0] != '\0');
    }
    lm_arena_free(&arena);
    return 0;
}
