/* Values in memory, and their msgpack and JSON forms. Pure.
 * Recursion follows nesting, which every way in (lm_read_value, lm_value_from_json) bounds by
 * LM_DEPTH_MAX. */
#include "proto/value.h"

#include "common/base/util.h"
#include "proto/limits.h"
#include "proto/pack.h"

#include <string.h>

struct lm_value lm_value_null(void)
{
    return (struct lm_value){.kind = LM_NULL};
}

struct lm_value lm_value_bool(bool b)
{
    return (struct lm_value){.kind = LM_BOOL, .b = b};
}

struct lm_value lm_value_int(int64_t i)
{
    return (struct lm_value){.kind = LM_INT, .i = i};
}

struct lm_value lm_value_textn(const char *text, size_t n)
{
    if (n == 0) {
        return lm_value_null();
    }
    LM_CHECK(n <= UINT32_MAX);
    return (struct lm_value){.kind = LM_TEXT, .len = (uint32_t)n, .text = text};
}

struct lm_value lm_value_text(const char *text)
{
    return lm_value_textn(text, text ? strlen(text) : 0);
}

bool lm_value_is_null(const struct lm_value *v)
{
    return v->kind == LM_NULL;
}

static bool same_bytes(const char *a, size_t an, const char *b, size_t bn)
{
    return an == bn && (an == 0 || memcmp(a, b, an) == 0);
}

bool lm_value_is(const struct lm_value *v, const char *text)
{
    return v->kind == LM_TEXT && same_bytes(v->text, v->len, text, strlen(text));
}

bool lm_value_equal(const struct lm_value *a, const struct lm_value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case LM_NULL:
        return true;
    case LM_BOOL:
        return a->b == b->b;
    case LM_INT:
        return a->i == b->i;
    case LM_TEXT:
        return same_bytes(a->text, a->len, b->text, b->len);
    case LM_LIST:
        for (uint32_t i = 0; a->len == b->len && i < a->len; i++) {
            if (!lm_value_equal(&a->items[i], &b->items[i])) {
                return false;
            }
        }
        return a->len == b->len;
    case LM_MAP:
        for (uint32_t i = 0; a->len == b->len && i < a->len; i++) {
            const struct lm_pair *x = &a->pairs[i];
            const struct lm_pair *y = &b->pairs[i];
            if (!same_bytes(x->key, x->key_len, y->key, y->key_len) ||
                !lm_value_equal(&x->value, &y->value)) {
                return false;
            }
        }
        return a->len == b->len;
    }
    return false;
}

const struct lm_value *lm_value_member(const struct lm_value *map, const char *key)
{
    if (map->kind != LM_MAP) {
        return NULL;
    }
    size_t n = strlen(key);
    for (uint32_t i = 0; i < map->len; i++) {
        if (same_bytes(map->pairs[i].key, map->pairs[i].key_len, key, n)) {
            return &map->pairs[i].value;
        }
    }
    return NULL;
}

/* ---- copies ---- */

static enum lm_status copy_text(struct lm_arena *arena, const char *text, size_t n,
                                const char **out)
{
    *out = lm_arena_text(arena, text, n);
    return *out ? LM_OK : lm_arena_status(arena, n + 1);
}

static enum lm_status new_items(struct lm_arena *arena, size_t n, struct lm_value *out)
{
    out->items = lm_arena_alloc(arena, n * sizeof(*out->items));
    return out->items ? LM_OK : lm_arena_status(arena, n * sizeof(*out->items));
}

static enum lm_status new_pairs(struct lm_arena *arena, size_t n, struct lm_value *out)
{
    out->pairs = lm_arena_alloc(arena, n * sizeof(*out->pairs));
    return out->pairs ? LM_OK : lm_arena_status(arena, n * sizeof(*out->pairs));
}

static enum lm_status copy_value(struct lm_arena *arena, const struct lm_value *from,
                                 struct lm_value *out)
{
    enum lm_status status = LM_OK;
    struct lm_value made = *from;
    switch (from->kind) {
    case LM_NULL:
    case LM_BOOL:
    case LM_INT:
        break;
    case LM_TEXT:
        status = copy_text(arena, from->text, from->len, &made.text);
        break;
    case LM_LIST:
        status = new_items(arena, from->len, &made);
        for (uint32_t i = 0; status == LM_OK && i < from->len; i++) {
            status = copy_value(arena, &from->items[i], &made.items[i]);
        }
        break;
    case LM_MAP:
        status = new_pairs(arena, from->len, &made);
        for (uint32_t i = 0; status == LM_OK && i < from->len; i++) {
            const struct lm_pair *pair = &from->pairs[i];
            made.pairs[i].key_len = pair->key_len;
            status = copy_text(arena, pair->key, pair->key_len, &made.pairs[i].key);
            if (status == LM_OK) {
                status = copy_value(arena, &pair->value, &made.pairs[i].value);
            }
        }
        break;
    }
    *out = status == LM_OK ? made : lm_value_null();
    return status;
}

enum lm_status lm_value_copy(struct lm_arena *arena, const struct lm_value *from,
                             struct lm_value *out)
{
    return copy_value(arena, from, out);
}

/* ---- msgpack ---- */

/* A UUID in its canonical lower-case form: only that comes back the same from 16 bytes. */
static bool canonical_uuid(const char *text, size_t n, uint8_t id[16])
{
    char again[LM_UUID_TEXT + 1];
    if (!lm_uuid_parse(text, n, id)) {
        return false;
    }
    lm_uuid_format(id, again);
    return memcmp(text, again, LM_UUID_TEXT) == 0;
}

void lm_value_pack(struct lm_buf *buf, const struct lm_value *v)
{
    uint8_t id[16];
    switch (v->kind) {
    case LM_NULL:
        lm_pack_nil(buf);
        return;
    case LM_BOOL:
        lm_pack_bool(buf, v->b);
        return;
    case LM_INT:
        lm_pack_int(buf, v->i);
        return;
    case LM_TEXT:
        if (v->len == 0) {
            lm_pack_nil(buf);
        } else if (canonical_uuid(v->text, v->len, id)) {
            lm_pack_bin(buf, id, sizeof(id));
        } else {
            lm_pack_text(buf, v->text, v->len);
        }
        return;
    case LM_LIST:
        if (v->len == 0) {
            lm_pack_nil(buf);
            return;
        }
        lm_pack_array(buf, v->len);
        for (uint32_t i = 0; i < v->len; i++) {
            lm_value_pack(buf, &v->items[i]);
        }
        return;
    case LM_MAP:
        lm_pack_map(buf, v->len);
        for (uint32_t i = 0; i < v->len; i++) {
            lm_pack_text(buf, v->pairs[i].key, v->pairs[i].key_len);
            lm_value_pack(buf, &v->pairs[i].value);
        }
        return;
    }
}

/* ---- JSON ---- */

static json_t *list_to_json(const struct lm_value *v)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < v->len; i++) {
        /* Takes the item, and refuses NULL, so that one failure ends it all. */
        if (json_array_append_new(array, lm_value_to_json(&v->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *map_to_json(const struct lm_value *v)
{
    json_t *object = json_object();
    for (uint32_t i = 0; object && i < v->len; i++) {
        const struct lm_pair *pair = &v->pairs[i];
        if (json_object_setn_new(object, pair->key, pair->key_len,
                                 lm_value_to_json(&pair->value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *lm_value_to_json(const struct lm_value *v)
{
    switch (v->kind) {
    case LM_NULL:
        return json_null();
    case LM_BOOL:
        return json_boolean(v->b);
    case LM_INT:
        return json_integer(v->i);
    case LM_TEXT:
        return json_stringn(v->text, v->len);
    case LM_LIST:
        return list_to_json(v);
    case LM_MAP:
        return map_to_json(v);
    }
    return NULL;
}

static enum lm_status from_json(struct lm_arena *arena, const json_t *json, unsigned depth,
                                struct lm_value *out);

static enum lm_status text_from_json(struct lm_arena *arena, const json_t *json,
                                     struct lm_value *out)
{
    const char *text = json_string_value(json);
    size_t n = json_string_length(json);
    const char *copy;
    if (n > UINT32_MAX) {
        return LM_ERR_LIMIT;
    }
    if (n == 0) {
        return LM_OK;
    }
    if (memchr(text, 0, n)) {
        return LM_ERR_INVALID;
    }
    enum lm_status status = copy_text(arena, text, n, &copy);
    if (status == LM_OK) {
        *out = lm_value_textn(copy, n);
    }
    return status;
}

static enum lm_status list_from_json(struct lm_arena *arena, const json_t *json, unsigned depth,
                                     struct lm_value *out)
{
    size_t n = json_array_size(json);
    if (n > UINT32_MAX) {
        return LM_ERR_LIMIT;
    }
    if (n == 0) {
        return LM_OK;
    }
    struct lm_value made = {.kind = LM_LIST, .len = (uint32_t)n};
    enum lm_status status = new_items(arena, n, &made);
    for (size_t i = 0; status == LM_OK && i < n; i++) {
        status = from_json(arena, json_array_get(json, i), depth + 1, &made.items[i]);
    }
    if (status == LM_OK) {
        *out = made;
    }
    return status;
}

/* jansson keeps the order of an object's members, so the map has the order written. */
static enum lm_status map_from_json(struct lm_arena *arena, const json_t *json, unsigned depth,
                                    struct lm_value *out)
{
    size_t n = json_object_size(json);
    if (n > UINT32_MAX) {
        return LM_ERR_LIMIT;
    }
    struct lm_value made = {.kind = LM_MAP, .len = (uint32_t)n};
    enum lm_status status = new_pairs(arena, n, &made);
    size_t at = 0;
    const char *key;
    size_t key_len;
    json_t *item;
    json_object_keylen_foreach((json_t *)(uintptr_t)json, key, key_len, item)
    {
        if (status != LM_OK) {
            break;
        }
        struct lm_pair *pair = &made.pairs[at++];
        pair->key_len = (uint32_t)key_len;
        status =
            memchr(key, 0, key_len) ? LM_ERR_INVALID : copy_text(arena, key, key_len, &pair->key);
        if (status == LM_OK) {
            status = from_json(arena, item, depth + 1, &pair->value);
        }
    }
    if (status == LM_OK) {
        *out = made;
    }
    return status;
}

static enum lm_status from_json(struct lm_arena *arena, const json_t *json, unsigned depth,
                                struct lm_value *out)
{
    *out = lm_value_null();
    switch (json_typeof(json)) {
    case JSON_NULL:
        return LM_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = lm_value_bool(json_is_true(json));
        return LM_OK;
    case JSON_INTEGER:
        *out = lm_value_int(json_integer_value(json));
        return LM_OK;
    case JSON_STRING:
        return text_from_json(arena, json, out);
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (depth >= LM_DEPTH_MAX) {
            return LM_ERR_LIMIT;
        }
        return json_is_array(json) ? list_from_json(arena, json, depth, out)
                                   : map_from_json(arena, json, depth, out);
    case JSON_REAL:
        return LM_ERR_INVALID;
    }
    return LM_ERR_INVALID;
}

enum lm_status lm_value_from_json(struct lm_arena *arena, const json_t *json, struct lm_value *out)
{
    *out = lm_value_null();
    return json ? from_json(arena, json, 0, out) : LM_ERR_INVALID;
}
