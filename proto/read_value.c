/* Reading a whole value of any kind into an arena, on top of the cursor of proto/prescan.h: the
 * inverse of lm_value_pack. Recursion is bounded by LM_DEPTH_MAX, also over bytes that were not
 * prescanned. */
#include "proto/prescan.h"

#include "common/base/util.h"

#include <string.h>

static void *reader_alloc(struct lm_reader *reader, struct lm_arena *arena, size_t n)
{
    void *p = lm_arena_alloc(arena, n);
    if (!p) {
        lm_reader_fail_as(reader, lm_arena_status(arena, n));
    }
    return p;
}

static const char *copy_text(struct lm_reader *reader, struct lm_arena *arena, const char *data,
                             size_t n)
{
    char *text = reader_alloc(reader, arena, n + 1);
    if (text && n) {
        memcpy(text, data, n);
    }
    return text;
}

static bool read_value(struct lm_reader *reader, struct lm_arena *arena, unsigned depth,
                       struct lm_value *out);

static bool read_text(struct lm_reader *reader, struct lm_arena *arena, struct lm_value *out)
{
    const char *text;
    size_t n;
    if (!lm_read_text(reader, &text, &n)) {
        return false;
    }
    if (n == 0) {
        return true;
    }
    text = copy_text(reader, arena, text, n);
    if (!text) {
        return false;
    }
    *out = lm_value_textn(text, n);
    return true;
}

static bool read_uuid(struct lm_reader *reader, struct lm_arena *arena, struct lm_value *out)
{
    uint8_t id[16];
    if (!lm_read_bin_exact(reader, id, sizeof(id))) {
        return false;
    }
    char *text = reader_alloc(reader, arena, LM_UUID_TEXT + 1);
    if (!text) {
        return false;
    }
    lm_uuid_format(id, text);
    *out = lm_value_textn(text, LM_UUID_TEXT);
    return true;
}

static bool read_list(struct lm_reader *reader, struct lm_arena *arena, unsigned depth,
                      struct lm_value *out)
{
    size_t n;
    if (!lm_read_array(reader, &n)) {
        return false;
    }
    if (n == 0) {
        return true;
    }
    struct lm_value *items = reader_alloc(reader, arena, n * sizeof(*items));
    for (size_t i = 0; items && i < n; i++) {
        if (!read_value(reader, arena, depth + 1, &items[i])) {
            return false;
        }
    }
    if (!items) {
        return false;
    }
    *out = (struct lm_value){.kind = LM_LIST, .len = (uint32_t)n, .items = items};
    return true;
}

static bool read_map(struct lm_reader *reader, struct lm_arena *arena, unsigned depth,
                     struct lm_value *out)
{
    size_t n;
    if (!lm_read_map(reader, &n)) {
        return false;
    }
    struct lm_pair *pairs = reader_alloc(reader, arena, n * sizeof(*pairs));
    for (size_t i = 0; pairs && i < n; i++) {
        const char *key;
        size_t key_len;
        if (!lm_read_text(reader, &key, &key_len)) {
            return false;
        }
        pairs[i].key = copy_text(reader, arena, key, key_len);
        pairs[i].key_len = (uint32_t)key_len;
        if (!pairs[i].key || !read_value(reader, arena, depth + 1, &pairs[i].value)) {
            return false;
        }
    }
    if (!pairs) {
        return false;
    }
    *out = (struct lm_value){.kind = LM_MAP, .len = (uint32_t)n, .pairs = pairs};
    return true;
}

static bool read_value(struct lm_reader *reader, struct lm_arena *arena, unsigned depth,
                       struct lm_value *out)
{
    *out = lm_value_null();
    enum lm_wire kind = lm_reader_peek_kind(reader);
    if (depth >= LM_DEPTH_MAX && (kind == LM_WIRE_ARRAY || kind == LM_WIRE_MAP)) {
        return lm_reader_fail_as(reader, LM_ERR_LIMIT);
    }
    switch (kind) {
    case LM_WIRE_NIL:
        return lm_read_nil(reader);
    case LM_WIRE_BOOL:
        out->kind = LM_BOOL;
        return lm_read_bool(reader, &out->b);
    case LM_WIRE_INT:
        out->kind = LM_INT;
        return lm_read_int(reader, &out->i);
    case LM_WIRE_TEXT:
        return read_text(reader, arena, out);
    case LM_WIRE_BIN:
        return read_uuid(reader, arena, out);
    case LM_WIRE_ARRAY:
        return read_list(reader, arena, depth, out);
    case LM_WIRE_MAP:
        return read_map(reader, arena, depth, out);
    case LM_WIRE_END:
    case LM_WIRE_OTHER:
        break;
    }
    return lm_reader_fail(reader);
}

bool lm_read_value(struct lm_reader *reader, struct lm_arena *arena, struct lm_value *out)
{
    if (!read_value(reader, arena, 0, out)) {
        *out = lm_value_null();
        return false;
    }
    return true;
}
