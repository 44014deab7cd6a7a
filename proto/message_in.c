/* Element by element readers and writers that the codecs share. Pure; see message_in.h. */
#include "proto/message_in.h"

#include <string.h>

bool lm_in_ok(const struct lm_in *in)
{
    return in->status == LM_OK;
}

bool lm_in_fail(struct lm_in *in, const char *element, enum lm_status status)
{
    if (in->status == LM_OK) {
        in->status = status;
        in->bad = element;
        lm_reader_fail(&in->reader);
    }
    return false;
}

/* After a reader call: its failure, if it is the first, becomes ours. */
static bool took(struct lm_in *in, const char *element)
{
    if (in->status == LM_OK && in->reader.failed) {
        in->status = in->reader.status == LM_OK ? LM_ERR_INVALID : in->reader.status;
        in->bad = element;
    }
    return in->status == LM_OK;
}

static enum lm_status complain(const struct lm_in *in, struct lm_error *err)
{
    char field[96];
    size_t n = strlen(in->what) + (in->bad ? strlen(in->bad) + 1 : 0);
    LM_CHECK(n < sizeof field);
    strcpy(field, in->what);
    if (in->bad) {
        strcat(field, ".");
        strcat(field, in->bad);
    }
    switch ((int)in->status) {
    case LM_ERR_MEMORY:
        return lm_fail(err, LM_ERR_MEMORY, "memory", field, "内存不足（%s）。",
                       "Out of memory (%s).", field);
    case LM_ERR_LIMIT:
        return lm_fail(err, LM_ERR_LIMIT, "too_large", field, "数据超出限制（%s）。",
                       "A limit was passed (%s).", field);
    case LM_ERR_VERSION:
        return lm_fail(err, LM_ERR_VERSION, "newer", field, "数据由更新版本的程序生成（%s）。",
                       "Made by a newer program (%s).", field);
    default:
        return lm_fail(err, in->status, "malformed", field, "数据格式有误（%s）。",
                       "Malformed data (%s).", field);
    }
}

bool lm_in_begin(struct lm_in *in, const char *what, const uint8_t *data, size_t n,
                 size_t bytes_max, size_t elements, struct lm_arena *arena, struct lm_error *err)
{
    *in = (struct lm_in){.arena = arena, .what = what, .status = LM_OK};
    if (n > bytes_max) {
        lm_reader_init(&in->reader, data, 0);
        return lm_in_fail(in, NULL, LM_ERR_LIMIT);
    }
    lm_reader_init(&in->reader, data, n);
    enum lm_status status = lm_prescan(data, n, LM_NODES_MAX, err);
    if (status != LM_OK) {
        return lm_in_fail(in, NULL, status);
    }
    lm_in_array_of(in, NULL, elements);
    return lm_in_ok(in);
}

enum lm_status lm_in_end(struct lm_in *in, struct lm_error *err)
{
    if (in->status == LM_OK && !lm_reader_done(&in->reader)) {
        lm_in_fail(in, NULL, LM_ERR_INVALID);
    }
    return in->status == LM_OK ? LM_OK : complain(in, err);
}

uint64_t lm_in_uint(struct lm_in *in, const char *element, uint64_t min, uint64_t max)
{
    uint64_t u = 0;
    lm_read_uint(&in->reader, &u);
    if (!took(in, element)) {
        return 0;
    }
    if (u < min || u > max) {
        lm_in_fail(in, element, LM_ERR_INVALID);
        return 0;
    }
    return u;
}

int64_t lm_in_int(struct lm_in *in, const char *element, int64_t min, int64_t max)
{
    int64_t i = 0;
    lm_read_int(&in->reader, &i);
    if (!took(in, element)) {
        return 0;
    }
    if (i < min || i > max) {
        lm_in_fail(in, element, LM_ERR_INVALID);
        return 0;
    }
    return i;
}

bool lm_in_bool(struct lm_in *in, const char *element)
{
    bool b = false;
    lm_read_bool(&in->reader, &b);
    return took(in, element) && b;
}

bool lm_in_nil(struct lm_in *in)
{
    return lm_in_ok(in) && lm_read_nil(&in->reader);
}

/* A checked text's copy with a NUL; "" when anything failed. */
static const char *keep_text(struct lm_in *in, const char *element, const char *text, size_t n)
{
    if (!lm_in_ok(in) || n == 0) {
        return "";
    }
    const char *copy = lm_arena_text(in->arena, text, n);
    if (!copy) {
        lm_in_fail(in, element, LM_ERR_MEMORY);
        return "";
    }
    return copy;
}

const char *lm_in_text(struct lm_in *in, const char *element, size_t bytes_max, size_t chars_max)
{
    const char *text = NULL;
    size_t n = 0;
    size_t chars = 0;
    lm_read_text(&in->reader, &text, &n);
    if (!took(in, element)) {
        return "";
    }
    if (n > bytes_max ||
        (n > chars_max && (!lm_utf8_valid(text, n, &chars) || chars > chars_max))) {
        lm_in_fail(in, element, LM_ERR_LIMIT);
    } else if (n > 0 && lm_utf8_has_control(text, n)) {
        lm_in_fail(in, element, LM_ERR_INVALID);
    }
    return keep_text(in, element, text, n);
}

const char *lm_in_name(struct lm_in *in, const char *element, bool may_be_empty)
{
    const char *text = NULL;
    size_t n = 0;
    lm_read_text(&in->reader, &text, &n);
    if (!took(in, element)) {
        return "";
    }
    if (n > LM_IN_NAME_BYTES_MAX || (n == 0 && !may_be_empty)) {
        lm_in_fail(in, element, n == 0 ? LM_ERR_INVALID : LM_ERR_LIMIT);
    }
    for (size_t i = 0; i < n && lm_in_ok(in); i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            lm_in_fail(in, element, LM_ERR_INVALID);
        }
    }
    return keep_text(in, element, text, n);
}

void lm_in_bytes(struct lm_in *in, const char *element, uint8_t *out, size_t n)
{
    lm_read_bin_exact(&in->reader, out, n);
    took(in, element);
}

const uint8_t *lm_in_bin(struct lm_in *in, const char *element, size_t bytes_max, size_t *n_out)
{
    const uint8_t *data = NULL;
    size_t n = 0;
    lm_read_bin(&in->reader, &data, &n);
    *n_out = 0;
    if (!took(in, element)) {
        return NULL;
    }
    if (n > bytes_max) {
        lm_in_fail(in, element, LM_ERR_LIMIT);
        return NULL;
    }
    *n_out = n;
    return data;
}

void lm_in_uuid(struct lm_in *in, const char *element, char out[40])
{
    uint8_t id[16];
    out[0] = '\0';
    lm_read_bin_exact(&in->reader, id, sizeof id);
    if (took(in, element)) {
        lm_uuid_format(id, out);
    }
}

void lm_in_array_of(struct lm_in *in, const char *element, size_t count)
{
    lm_read_array_of(&in->reader, count);
    took(in, element);
}

void *lm_in_items(struct lm_in *in, const char *element, size_t max, size_t item_bytes,
                  size_t *n_out)
{
    size_t n = 0;
    *n_out = 0;
    lm_read_array(&in->reader, &n);
    if (!took(in, element) || n == 0) {
        return NULL;
    }
    if (n > max) {
        lm_in_fail(in, element, LM_ERR_LIMIT);
        return NULL;
    }
    void *items = lm_arena_alloc(in->arena, n * item_bytes);
    if (!items) {
        lm_in_fail(in, element, LM_ERR_MEMORY);
        return NULL;
    }
    *n_out = n;
    return items;
}

void lm_in_value(struct lm_in *in, const char *element, struct lm_value *out)
{
    lm_read_value(&in->reader, in->arena, out);
    took(in, element);
}

struct lm_head lm_in_head(struct lm_in *in, const char *element)
{
    struct lm_head head = {0};
    lm_in_array_of(in, element, 2);
    head.seq = lm_in_uint(in, element, 0, LM_IN_NUMBER_MAX);
    lm_in_bytes(in, element, head.hash, sizeof head.hash);
    return head;
}

struct lm_mark lm_in_mark(struct lm_in *in, const char *element)
{
    struct lm_mark mark = {0};
    lm_in_array_of(in, element, 2);
    mark.position = lm_in_uint(in, element, 0, LM_IN_COUNT_MAX);
    lm_in_bytes(in, element, mark.hash, sizeof mark.hash);
    return mark;
}

struct lm_cursor lm_in_cursor(struct lm_in *in, const char *element)
{
    struct lm_cursor cursor = {0};
    lm_in_array_of(in, element, 2);
    cursor.position = lm_in_uint(in, element, 0, LM_IN_COUNT_MAX);
    if (!lm_in_nil(in)) {
        lm_in_uuid(in, element, cursor.id);
    }
    return cursor;
}

void lm_in_pair(struct lm_in *in, const char *element, uint64_t *counter, uint64_t *random)
{
    lm_in_array_of(in, element, 2);
    *counter = lm_in_uint(in, element, 0, LM_IN_COUNT_MAX);
    *random = lm_in_uint(in, element, 0, UINT64_MAX);
}

struct lm_version lm_in_version(struct lm_in *in, const char *element, bool zero_ok)
{
    struct lm_version version = {0};
    lm_in_array_of(in, element, 2);
    version.hlc = lm_in_uint(in, element, zero_ok ? 0 : 1, LM_IN_NUMBER_MAX);
    version.replica = lm_in_uint(in, element, 0, LM_IN_NUMBER_MAX);
    if (version.hlc == 0 && version.replica != 0) {
        lm_in_fail(in, element, LM_ERR_INVALID);
    }
    return version;
}

/* ---- writing ---- */

void lm_out_text(struct lm_buf *buf, const char *text)
{
    lm_pack_text(buf, text ? text : "", text ? strlen(text) : 0);
}

void lm_out_uuid(struct lm_buf *buf, const char *text)
{
    uint8_t id[16];
    if (text && lm_uuid_parse(text, strlen(text), id)) {
        lm_pack_bin(buf, id, sizeof id);
    } else {
        lm_pack_nil(buf);
    }
}

void lm_out_head(struct lm_buf *buf, const struct lm_head *head)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, head->seq);
    lm_pack_bin(buf, head->hash, sizeof head->hash);
}

void lm_out_mark(struct lm_buf *buf, const struct lm_mark *mark)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, mark->position);
    lm_pack_bin(buf, mark->hash, sizeof mark->hash);
}

void lm_out_cursor(struct lm_buf *buf, const struct lm_cursor *cursor)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, cursor->position);
    lm_out_uuid(buf, cursor->id);
}

void lm_out_pair(struct lm_buf *buf, uint64_t counter, uint64_t random)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, counter);
    lm_pack_uint(buf, random);
}

void lm_out_version(struct lm_buf *buf, struct lm_version version)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, version.hlc);
    lm_pack_uint(buf, version.replica);
}

void lm_out_proof(struct lm_buf *buf, const struct lm_proof *proof)
{
    if (proof->incarnation.counter == 0) {
        lm_pack_nil(buf);
        return;
    }
    lm_pack_array(buf, 3);
    lm_out_pair(buf, proof->incarnation.counter, proof->incarnation.random);
    lm_out_mark(buf, &proof->mark);
    lm_pack_bin(buf, proof->signature, sizeof proof->signature);
}

struct lm_proof lm_in_proof(struct lm_in *in, const char *element)
{
    struct lm_proof out = {0};
    if (lm_in_nil(in)) {
        return out;
    }
    lm_in_array_of(in, element, 3);
    lm_in_pair(in, element, &out.incarnation.counter, &out.incarnation.random);
    out.mark = lm_in_mark(in, element);
    lm_in_bytes(in, element, out.signature, sizeof out.signature);
    if (lm_in_ok(in) && out.incarnation.counter == 0) {
        lm_in_fail(in, element, LM_ERR_INVALID);
    }
    return out;
}
