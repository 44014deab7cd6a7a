#include "tests/support/records.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum lm_status get(void *ctx, struct lm_arena *arena, const char *type, const char *id,
                          struct lm_record **out)
{
    struct fx *fx = ctx;

    if (fx->fail != LM_OK) {
        return fx->fail;
    }
    for (size_t i = 0; i < fx->n; i++) {
        if (strcmp(fx->records[i]->type->name, type) == 0 && strcmp(fx->records[i]->id, id) == 0) {
            *out = lm_record_copy(arena, fx->records[i]);
            return *out ? LM_OK : LM_ERR_MEMORY;
        }
    }
    return LM_ERR_NOT_FOUND;
}

static bool matches(const struct lm_value *v, const char *text)
{
    for (uint32_t i = 0; v && v->kind == LM_LIST && i < v->len; i++) {
        if (lm_value_is(&v->items[i], text)) {
            return true;
        }
    }
    return v && lm_value_is(v, text);
}

static enum lm_status each(void *ctx, struct lm_arena *arena, const char *type, const char *field,
                           const char *value, bool (*visit)(void *arg, const struct lm_record *rec),
                           void *arg)
{
    struct fx *fx = ctx;

    (void)arena;
    if (fx->fail != LM_OK) {
        return fx->fail;
    }
    for (size_t i = 0; i < fx->n; i++) {
        const struct lm_record *rec = fx->records[i];

        if (strcmp(rec->type->name, type) == 0 && !lm_record_deleted(rec) &&
            matches(lm_record_get(rec, field), value) && !visit(arg, rec)) {
            break;
        }
    }
    return LM_OK;
}

static const char *area_level(void *ctx, const char *code)
{
    (void)ctx;
    return strcmp(code, "999999100000") == 0 ? "town" : code[9] == '2' ? "village" : NULL;
}

void fx_open(struct fx *fx)
{
    struct lm_error err;

    memset(fx, 0, sizeof(*fx));
    memset(&err, 0, sizeof(err));
    if (lm_catalog_load_embedded(&fx->catalog, &err) != LM_OK) {
        fail_msg("catalogue: %s: %s", err.field, err.en);
    }
    lm_arena_init(&fx->arena, 16 * 1024 * 1024);
    fx->lookup = (struct lm_lookup){.ctx = fx, .get = get, .each = each, .area_level = area_level};
}

void fx_close(struct fx *fx)
{
    lm_arena_free(&fx->arena);
    lm_catalog_destroy(&fx->catalog);
}

const struct lm_type *fx_type(const struct fx *fx, const char *type)
{
    const struct lm_type *t = lm_catalog_type(fx->catalog, type);

    assert_non_null(t);
    return t;
}

struct lm_record *fx_make(struct fx *fx, const char *type, const char *id, const char *json)
{
    const struct lm_type *t = fx_type(fx, type);
    struct lm_record *rec = lm_record_new(&fx->arena, t, id);
    char *text = lm_arena_text(&fx->arena, json, strlen(json));
    const char *key;
    json_error_t err;
    json_t *fields;
    json_t *item;

    assert_non_null(rec);
    assert_non_null(text);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    fields = json_loads(text, 0, &err);
    if (!fields) {
        fail_msg("%s: %s", err.text, text);
    }
    rec->fields[LM_C_ID] = lm_value_text(rec->id);
    rec->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999100201");
    rec->fields[LM_C_STATE] = lm_value_text(t->default_state);
    json_object_foreach(fields, key, item)
    {
        const struct lm_field *f = lm_type_field(t, key);

        if (!f) {
            fail_msg("%s has no field %s", type, key);
        }
        assert_int_equal(lm_value_from_json(&fx->arena, item, &rec->fields[f->index]), LM_OK);
    }
    json_decref(fields);
    return rec;
}

struct lm_record *fx_add(struct fx *fx, const char *type, const char *id, const char *json)
{
    assert_true(fx->n < FX_RECORDS_MAX);
    fx->records[fx->n] = fx_make(fx, type, id, json);
    return fx->records[fx->n++];
}
