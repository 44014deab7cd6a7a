/* The check of a whole msgpack value, and the cursor over checked bytes.
 *
 * Both stand on token_at(), which reads one head and knows where its payload ends; nothing else
 * here looks at raw tags. It never reads past `end` and never believes a count that the bytes left
 * can't hold. */
#include "proto/prescan.h"

#include "common/base/util.h"

#include <string.h>

struct token {
    enum lm_wire kind;
    const uint8_t *data; /* payload of TEXT and BIN */
    uint64_t n;          /* bytes, items or pairs; the bits of an INT */
    bool negative;       /* INT: n is an int64_t below 0 */
    bool b;
    const uint8_t *next; /* after the head, and after the payload of TEXT and BIN */
};

/* What follows a tag of c0 … df: kind, and bytes of number after the tag. */
static const struct {
    uint8_t kind, bytes;
} tags[32] = {
    [0x00] = {LM_WIRE_NIL, 0},   [0x01] = {LM_WIRE_OTHER, 0}, [0x02] = {LM_WIRE_BOOL, 0},
    [0x03] = {LM_WIRE_BOOL, 0},  [0x04] = {LM_WIRE_BIN, 1},   [0x05] = {LM_WIRE_BIN, 2},
    [0x06] = {LM_WIRE_BIN, 4},   [0x07] = {LM_WIRE_OTHER, 0}, [0x08] = {LM_WIRE_OTHER, 0},
    [0x09] = {LM_WIRE_OTHER, 0}, [0x0a] = {LM_WIRE_OTHER, 0}, [0x0b] = {LM_WIRE_OTHER, 0},
    [0x0c] = {LM_WIRE_INT, 1},   [0x0d] = {LM_WIRE_INT, 2},   [0x0e] = {LM_WIRE_INT, 4},
    [0x0f] = {LM_WIRE_INT, 8},   [0x10] = {LM_WIRE_INT, 1},   [0x11] = {LM_WIRE_INT, 2},
    [0x12] = {LM_WIRE_INT, 4},   [0x13] = {LM_WIRE_INT, 8},   [0x14] = {LM_WIRE_OTHER, 0},
    [0x15] = {LM_WIRE_OTHER, 0}, [0x16] = {LM_WIRE_OTHER, 0}, [0x17] = {LM_WIRE_OTHER, 0},
    [0x18] = {LM_WIRE_OTHER, 0}, [0x19] = {LM_WIRE_TEXT, 1},  [0x1a] = {LM_WIRE_TEXT, 2},
    [0x1b] = {LM_WIRE_TEXT, 4},  [0x1c] = {LM_WIRE_ARRAY, 2}, [0x1d] = {LM_WIRE_ARRAY, 4},
    [0x1e] = {LM_WIRE_MAP, 2},   [0x1f] = {LM_WIRE_MAP, 4},
};

static enum lm_wire kind_of(uint8_t tag)
{
    if (tag < 0x80 || tag >= 0xe0) {
        return LM_WIRE_INT;
    }
    if (tag < 0x90) {
        return LM_WIRE_MAP;
    }
    if (tag < 0xa0) {
        return LM_WIRE_ARRAY;
    }
    if (tag < 0xc0) {
        return LM_WIRE_TEXT;
    }
    return (enum lm_wire)tags[tag - 0xc0].kind;
}

/* A signed number of 1, 2, 4 or 8 bytes, widened to 64. */
static uint64_t widen(uint64_t u, size_t bytes)
{
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    return bytes < 8 ? (u ^ sign) - sign : u;
}

/* False if there is no whole, allowed token at p. */
static bool token_at(const uint8_t *p, const uint8_t *end, struct token *out)
{
    *out = (struct token){.kind = LM_WIRE_END};
    if (p >= end) {
        return false;
    }
    uint8_t tag = *p++;
    out->kind = kind_of(tag);
    if (out->kind == LM_WIRE_OTHER) {
        return false;
    }
    if (tag < 0x80) {
        out->n = tag;
    } else if (tag >= 0xe0) {
        out->n = widen(tag, 1);
        out->negative = true;
    } else if (tag < 0xc0) {
        out->n = tag & (tag < 0xa0 ? 0x0f : 0x1f);
    } else {
        size_t bytes = tags[tag - 0xc0].bytes;
        if (bytes > (size_t)(end - p)) {
            return false;
        }
        for (size_t i = 0; i < bytes; i++) {
            out->n = out->n << 8 | *p++;
        }
        if (tag >= 0xd0 && tag <= 0xd3) {
            out->n = widen(out->n, bytes);
            out->negative = out->n >> 63;
        }
        out->b = tag == 0xc3;
    }
    uint64_t left = (uint64_t)(end - p);
    if (out->kind == LM_WIRE_TEXT || out->kind == LM_WIRE_BIN) {
        if (out->n > left) {
            return false;
        }
        out->data = p;
        p += out->n;
    } else if (out->kind == LM_WIRE_ARRAY && out->n > left) {
        return false;
    } else if (out->kind == LM_WIRE_MAP && out->n > left / 2) {
        return false;
    }
    out->next = p;
    return true;
}

/* ---- the whole ---- */

struct key {
    const uint8_t *data;
    size_t n;
};
struct level {
    uint64_t left; /* values still to come: items, or twice the pairs */
    bool is_map;
    size_t n_keys;
    struct key keys[LM_MAP_PAIRS_MAX];
};

/* Takes one key of a map: str, and unlike the keys before it. Comparing with each is bounded by the
 * limit on pairs and the limit on nodes. */
static enum lm_status add_key(struct level *level, const struct token *token, struct lm_error *err)
{
    if (token->kind != LM_WIRE_TEXT) {
        return lm_fail(err, LM_ERR_INVALID, "malformed", "", "数据格式有误：键不是文本。",
                       "Malformed data: a map key is not text.");
    }
    for (size_t i = 0; i < level->n_keys; i++) {
        if (level->keys[i].n == token->n &&
            memcmp(level->keys[i].data, token->data, (size_t)token->n) == 0) {
            return lm_fail(err, LM_ERR_INVALID, "malformed", "", "数据格式有误：有重复的键。",
                           "Malformed data: a map has the same key twice.");
        }
    }
    level->keys[level->n_keys++] = (struct key){token->data, (size_t)token->n};
    return LM_OK;
}

static enum lm_status enter(struct level *levels, size_t *depth, const struct token *token,
                            struct lm_error *err)
{
    bool is_map = token->kind == LM_WIRE_MAP;
    if (*depth == LM_DEPTH_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "数据嵌套超过 %d 层。",
                       "Data is nested more than %d levels deep.", LM_DEPTH_MAX);
    }
    if (is_map && token->n > LM_MAP_PAIRS_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "一个对象超过 %d 个键。",
                       "A map has more than %d keys.", LM_MAP_PAIRS_MAX);
    }
    struct level *level = &levels[(*depth)++];
    level->left = is_map ? 2 * token->n : token->n;
    level->is_map = is_map;
    level->n_keys = 0;
    return LM_OK;
}

enum lm_status lm_prescan(const uint8_t *data, size_t n, size_t max_nodes, struct lm_error *err)
{
    struct level levels[LM_DEPTH_MAX];
    size_t depth = 0;
    size_t nodes = 0;
    const uint8_t *p = data;
    const uint8_t *end = data + n;
    do {
        struct token token;
        struct level *in = depth ? &levels[depth - 1] : NULL;
        if (!token_at(p, end, &token)) {
            return lm_fail(err, LM_ERR_INVALID, "malformed", "",
                           "数据格式有误：不完整或类型不允许。",
                           "Malformed data: cut short, or of a kind that is not allowed.");
        }
        if (++nodes > max_nodes) {
            return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "数据超过 %zu 项。",
                           "Data holds more than %zu values.", max_nodes);
        }
        if (token.kind == LM_WIRE_TEXT &&
            (!lm_utf8_valid((const char *)token.data, (size_t)token.n, NULL) ||
             memchr(token.data, 0, (size_t)token.n))) {
            return lm_fail(err, LM_ERR_INVALID, "malformed", "", "数据格式有误：文本不是 UTF-8。",
                           "Malformed data: text is not UTF-8.");
        }
        enum lm_status status = LM_OK;
        if (in && in->is_map && in->left % 2 == 0) {
            status = add_key(in, &token, err);
        }
        if (in) {
            in->left--;
        }
        if (status == LM_OK && (token.kind == LM_WIRE_ARRAY || token.kind == LM_WIRE_MAP)) {
            status = enter(levels, &depth, &token, err);
        }
        if (status != LM_OK) {
            return status;
        }
        p = token.next;
        while (depth && levels[depth - 1].left == 0) {
            depth--;
        }
    } while (depth);
    if (p != end) {
        return lm_fail(err, LM_ERR_INVALID, "malformed", "", "数据格式有误：末尾有多余内容。",
                       "Malformed data: something follows the end.");
    }
    return LM_OK;
}

/* ---- the cursor ---- */

void lm_reader_init(struct lm_reader *reader, const uint8_t *data, size_t n)
{
    *reader = (struct lm_reader){.p = data, .end = data + n};
}

bool lm_reader_done(const struct lm_reader *reader)
{
    return !reader->failed && reader->p == reader->end;
}

bool lm_reader_fail_as(struct lm_reader *reader, enum lm_status status)
{
    if (!reader->failed) {
        reader->failed = true;
        reader->status = status;
    }
    return false;
}

bool lm_reader_fail(struct lm_reader *reader)
{
    return lm_reader_fail_as(reader, LM_ERR_INVALID);
}

enum lm_wire lm_reader_peek_kind(const struct lm_reader *reader)
{
    return reader->failed || reader->p >= reader->end ? LM_WIRE_END : kind_of(*reader->p);
}

/* Takes the next token, which must be of `kind`. */
static bool take(struct lm_reader *reader, enum lm_wire kind, struct token *token)
{
    *token = (struct token){.kind = LM_WIRE_END};
    if (reader->failed) {
        return false;
    }
    if (!token_at(reader->p, reader->end, token) || token->kind != kind) {
        *token = (struct token){.kind = LM_WIRE_END};
        return lm_reader_fail(reader);
    }
    reader->p = token->next;
    return true;
}

bool lm_read_nil(struct lm_reader *reader)
{
    if (lm_reader_peek_kind(reader) != LM_WIRE_NIL) {
        return false;
    }
    reader->p++;
    return true;
}

bool lm_read_bool(struct lm_reader *reader, bool *out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_BOOL, &token);
    *out = token.b;
    return ok;
}

bool lm_read_int(struct lm_reader *reader, int64_t *out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_INT, &token);
    if (ok && !token.negative && token.n > INT64_MAX) {
        ok = lm_reader_fail(reader);
    }
    *out = ok ? (int64_t)token.n : 0;
    return ok;
}

bool lm_read_uint(struct lm_reader *reader, uint64_t *out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_INT, &token);
    if (ok && token.negative) {
        ok = lm_reader_fail(reader);
    }
    *out = ok ? token.n : 0;
    return ok;
}

bool lm_read_text(struct lm_reader *reader, const char **text_out, size_t *n_out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_TEXT, &token);
    *text_out = (const char *)token.data;
    *n_out = (size_t)token.n;
    return ok;
}

bool lm_read_bin(struct lm_reader *reader, const uint8_t **data_out, size_t *n_out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_BIN, &token);
    *data_out = token.data;
    *n_out = (size_t)token.n;
    return ok;
}

bool lm_read_bin_exact(struct lm_reader *reader, uint8_t *out, size_t n)
{
    struct token token;
    if (!take(reader, LM_WIRE_BIN, &token) || token.n != n) {
        memset(out, 0, n);
        return lm_reader_fail(reader);
    }
    memcpy(out, token.data, n);
    return true;
}

bool lm_read_text_copy(struct lm_reader *reader, char *out, size_t size)
{
    struct token token;
    out[0] = '\0';
    if (!take(reader, LM_WIRE_TEXT, &token) || token.n >= size) {
        return lm_reader_fail(reader);
    }
    memcpy(out, token.data, (size_t)token.n);
    out[token.n] = '\0';
    return true;
}

bool lm_read_array(struct lm_reader *reader, size_t *count_out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_ARRAY, &token);
    *count_out = (size_t)token.n;
    return ok;
}

bool lm_read_map(struct lm_reader *reader, size_t *count_out)
{
    struct token token;
    bool ok = take(reader, LM_WIRE_MAP, &token);
    *count_out = (size_t)token.n;
    return ok;
}

bool lm_read_array_of(struct lm_reader *reader, size_t count)
{
    size_t n;
    return lm_read_array(reader, &n) && (n == count || lm_reader_fail(reader));
}

bool lm_reader_skip(struct lm_reader *reader)
{
    if (reader->failed) {
        return false;
    }
    /* How many values are still to pass; a count can't exceed the bytes left, so the sum stays
     * small. */
    uint64_t left = 1;
    const uint8_t *p = reader->p;
    while (left) {
        struct token token;
        if (!token_at(p, reader->end, &token)) {
            return lm_reader_fail(reader);
        }
        p = token.next;
        left--;
        if (token.kind == LM_WIRE_ARRAY) {
            left += token.n;
        } else if (token.kind == LM_WIRE_MAP) {
            left += 2 * token.n;
        }
        if (left > (uint64_t)(reader->end - p)) {
            return lm_reader_fail(reader);
        }
    }
    reader->p = p;
    return true;
}
