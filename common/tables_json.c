/* Typed tables: lists and maps as JSON text. Written compactly, pairs in the order of the value,
 * decimals as the shortest exact number; read back with jansson. */
#include "common/tables_internal.h"

#include "proto/limits.h"

#include <string.h>

bool tb_scale(double real, int64_t *out)
{
    if (!(real > -9e14 && real < 9e14)) { /* not a number fails as well */
        return false;
    }
    real *= LM_DECIMAL_SCALE;
    *out = (int64_t)(real < 0 ? real - 0.5 : real + 0.5);
    return true;
}

void tb_put_json_text(struct lm_buf *out, const char *text, size_t n)
{
    size_t from = 0;

    lm_buf_text(out, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        lm_buf_add(out, text + from, i - from);
        if (c < 0x20) {
            lm_buf_printf(out, "\\u%04x", c);
        } else {
            lm_buf_printf(out, "\\%c", c);
        }
        from = i + 1;
    }
    lm_buf_add(out, text + from, n - from);
    lm_buf_text(out, "\"");
}

/* Ten-thousandths as the shortest exact decimal. */
static void put_json_decimal(struct lm_buf *out, int64_t v)
{
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char part[8];
    size_t n;

    lm_buf_printf(out, "%s%llu", v < 0 ? "-" : "", (unsigned long long)(size / LM_DECIMAL_SCALE));
    if (size % LM_DECIMAL_SCALE == 0) {
        return;
    }
    (void)sqlite3_snprintf(sizeof(part), part, "%04d", (int)(size % LM_DECIMAL_SCALE));
    n = strlen(part);
    while (part[n - 1] == '0') {
        n--;
    }
    lm_buf_text(out, ".");
    lm_buf_add(out, part, n);
}

static const struct lm_field *member_of(const struct lm_field *field, const char *key, size_t n)
{
    for (size_t i = 0; field && i < field->n_members; i++) {
        const char *name = field->members[i].name;

        if (strlen(name) == n && memcmp(name, key, n) == 0) {
            return &field->members[i];
        }
    }
    return NULL;
}

/* field: what describes v, or NULL for a member that this catalogue does not know. */
void tb_put_json(struct lm_buf *out, const struct lm_field *field, const struct lm_value *v)
{
    switch (v->kind) {
    case LM_NULL:
        lm_buf_text(out, "null");
        break;
    case LM_BOOL:
        lm_buf_text(out, v->b ? "true" : "false");
        break;
    case LM_INT:
        if (field && field->ftype == LM_F_DECIMAL) {
            put_json_decimal(out, v->i);
        } else {
            lm_buf_printf(out, "%lld", (long long)v->i);
        }
        break;
    case LM_TEXT:
        tb_put_json_text(out, v->text, v->len);
        break;
    case LM_LIST:
        lm_buf_text(out, "[");
        for (uint32_t i = 0; i < v->len; i++) {
            lm_buf_text(out, i ? "," : "");
            tb_put_json(out, field, &v->items[i]);
        }
        lm_buf_text(out, "]");
        break;
    case LM_MAP:
        lm_buf_text(out, "{");
        for (uint32_t i = 0; i < v->len; i++) {
            const struct lm_pair *pair = &v->pairs[i];

            lm_buf_text(out, i ? "," : "");
            tb_put_json_text(out, pair->key, pair->key_len);
            lm_buf_text(out, ":");
            tb_put_json(out, member_of(field, pair->key, pair->key_len), &pair->value);
        }
        lm_buf_text(out, "}");
        break;
    }
}

static enum lm_status read_json_map(struct lm_arena *arena, const struct lm_field *field,
                                    const json_t *json, int depth, struct lm_value *out)
{
    size_t n = json_object_size(json), i = 0;
    struct lm_pair *pairs = lm_arena_alloc(arena, n * sizeof(*pairs));
    enum lm_status st = pairs ? LM_OK : lm_arena_status(arena, n * sizeof(*pairs));
    const char *key;
    json_t *item;
    /* jansson's iterator takes no const; nothing is changed. */
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = json};

    json_object_foreach(object.out, key, item)
    {
        size_t len = strlen(key);

        if (st != LM_OK) {
            break;
        }
        pairs[i].key = lm_arena_text(arena, key, len);
        pairs[i].key_len = (uint32_t)len;
        st = pairs[i].key
                 ? tb_read_json(arena, member_of(field, key, len), item, depth + 1, &pairs[i].value)
                 : lm_arena_status(arena, len + 1);
        i++;
    }
    *out = (struct lm_value){.kind = n ? LM_MAP : LM_NULL, .len = (uint32_t)n, .pairs = pairs};
    return st;
}

static enum lm_status read_json_list(struct lm_arena *arena, const struct lm_field *field,
                                     const json_t *json, int depth, struct lm_value *out)
{
    size_t n = json_array_size(json);
    struct lm_value *items = lm_arena_alloc(arena, n * sizeof(*items));
    enum lm_status st = items ? LM_OK : lm_arena_status(arena, n * sizeof(*items));

    for (size_t i = 0; st == LM_OK && i < n; i++) {
        st = tb_read_json(arena, field, json_array_get(json, i), depth + 1, &items[i]);
    }
    *out = (struct lm_value){.kind = n ? LM_LIST : LM_NULL, .len = (uint32_t)n, .items = items};
    return st;
}

/* The inverse of tb_put_json: pairs keep their stored order, which is the canonical one they were
 * written in. */
enum lm_status tb_read_json(struct lm_arena *arena, const struct lm_field *field,
                            const json_t *json, int depth, struct lm_value *out)
{
    bool decimal = field && field->ftype == LM_F_DECIMAL;
    int64_t scaled;
    char *text;

    *out = lm_value_null();
    if (depth > LM_DEPTH_MAX) {
        return LM_ERR_CORRUPT;
    }
    switch (json_typeof(json)) {
    case JSON_NULL:
        return LM_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = lm_value_bool(json_is_true(json));
        return LM_OK;
    case JSON_INTEGER:
        *out = lm_value_int(json_integer_value(json));
        if (decimal && __builtin_mul_overflow(out->i, (int64_t)LM_DECIMAL_SCALE, &out->i)) {
            return LM_ERR_CORRUPT;
        }
        return LM_OK;
    case JSON_REAL:
        if (!decimal || !tb_scale(json_real_value(json), &scaled)) {
            return LM_ERR_CORRUPT;
        }
        *out = lm_value_int(scaled);
        return LM_OK;
    case JSON_STRING:
        text = lm_arena_text(arena, json_string_value(json), json_string_length(json));
        if (!text) {
            return lm_arena_status(arena, json_string_length(json) + 1);
        }
        *out = lm_value_textn(text, json_string_length(json));
        return LM_OK;
    case JSON_ARRAY:
        return read_json_list(arena, field, json, depth, out);
    case JSON_OBJECT:
        return read_json_map(arena, field, json, depth, out);
    }
    return LM_ERR_CORRUPT;
}
