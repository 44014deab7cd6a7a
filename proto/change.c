/* The bytes of a change, and the hash chain over them. Pure; PROTOCOL.md "Change" and "Chain".
 *
 * What the reader lets through is bounded in every part, whether or not a catalogue knows the
 * field: the rest of the hub relies on that for fields that are only kept and forwarded. */
#include "proto/change.h"

#include "proto/message_in.h"
#include "proto/prescan.h"

#include <string.h>

enum { FORMAT = 1, ELEMENTS = 12 };

/* ---- writing ---- */

static void pack_bases(struct lm_buf *buf, const struct lm_change *change)
{
    if (change->base_all.hlc == 0 && change->n_bases == 0) {
        lm_pack_nil(buf);
        return;
    }
    lm_pack_array(buf, change->n_bases > 0 ? 3 : 2);
    lm_pack_uint(buf, change->base_all.hlc);
    lm_pack_uint(buf, change->base_all.replica);
    if (change->n_bases > 0) {
        lm_pack_map(buf, change->n_bases);
        for (size_t i = 0; i < change->n_bases; i++) {
            lm_out_text(buf, change->bases[i].group);
            lm_out_version(buf, change->bases[i].version);
        }
    }
}

void lm_change_pack(struct lm_buf *buf, const struct lm_change *change)
{
    lm_pack_array(buf, ELEMENTS);
    lm_pack_uint(buf, FORMAT);
    lm_out_text(buf, change->type);
    lm_out_uuid(buf, change->id);
    lm_pack_uint(buf, (uint64_t)change->op);
    lm_pack_uint(buf, change->hlc);
    lm_out_text(buf, change->user);
    lm_pack_uint(buf, change->catalog);
    lm_pack_int(buf, change->wall_delta_ms);
    if (change->offset_known) {
        lm_pack_int(buf, change->offset_ms);
    } else {
        lm_pack_nil(buf);
    }
    if (change->fields.kind == LM_MAP) {
        lm_value_pack(buf, &change->fields);
    } else {
        lm_pack_map(buf, 0);
    }
    pack_bases(buf, change);
    if (change->has_seen) {
        lm_pack_uint(buf, change->seen);
    } else {
        lm_pack_nil(buf);
    }
}

/* ---- reading ---- */

/* A format above ours is told apart from damage: only its first element has to be sound. */
static bool format_is_newer(const uint8_t *data, size_t n)
{
    struct lm_reader reader;
    size_t count;
    uint64_t format;
    lm_reader_init(&reader, data, n);
    return lm_read_array(&reader, &count) && lm_read_uint(&reader, &format) && format > FORMAT;
}

/* Bounds that hold for any value, known to a catalogue or not. Nesting is bounded by the prescan.
 */
static bool value_in_bounds(const struct lm_value *v)
{
    size_t chars = 0;
    switch (v->kind) {
    case LM_TEXT:
        return v->len <= LM_TEXT_CHARS_MAX ||
               (lm_utf8_valid(v->text, v->len, &chars) && chars <= LM_TEXT_CHARS_MAX);
    case LM_LIST:
        if (v->len > LM_LIST_ITEMS_MAX) {
            return false;
        }
        for (uint32_t i = 0; i < v->len; i++) {
            if (!value_in_bounds(&v->items[i])) {
                return false;
            }
        }
        return true;
    case LM_MAP:
        if (v->len > LM_CHANGE_FIELDS_MAX) {
            return false;
        }
        for (uint32_t i = 0; i < v->len; i++) {
            if (v->pairs[i].key_len > LM_IN_NAME_BYTES_MAX ||
                !value_in_bounds(&v->pairs[i].value)) {
                return false;
            }
        }
        return true;
    case LM_NULL:
    case LM_BOOL:
    case LM_INT:
        return true;
    }
    return false;
}

static bool is_field_name(const struct lm_pair *pair)
{
    for (uint32_t i = 0; i < pair->key_len; i++) {
        char c = pair->key[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return pair->key_len > 0;
}

static void read_fields(struct lm_in *in, struct lm_change *out)
{
    if (lm_in_ok(in) && lm_reader_peek_kind(&in->reader) != LM_WIRE_MAP) {
        lm_in_fail(in, "fields", LM_ERR_INVALID);
        return;
    }
    lm_in_value(in, "fields", &out->fields);
    if (!lm_in_ok(in)) {
        return;
    }
    if (out->fields.kind != LM_MAP || out->fields.len == 0) {
        out->fields = lm_value_null();
        return;
    }
    if (!value_in_bounds(&out->fields)) {
        lm_in_fail(in, "fields", LM_ERR_LIMIT);
        return;
    }
    for (uint32_t i = 0; i < out->fields.len; i++) {
        if (!is_field_name(&out->fields.pairs[i])) {
            lm_in_fail(in, "fields", LM_ERR_INVALID);
            return;
        }
    }
}

static void read_group_bases(struct lm_in *in, struct lm_change *out)
{
    size_t n = 0;
    if (!lm_in_ok(in)) {
        return;
    }
    if (!lm_read_map(&in->reader, &n) || n == 0) {
        lm_in_fail(in, "bases", LM_ERR_INVALID);
        return;
    }
    if (n > LM_CHANGE_FIELDS_MAX) {
        lm_in_fail(in, "bases", LM_ERR_LIMIT);
        return;
    }
    out->bases = lm_arena_alloc(in->arena, n * sizeof *out->bases);
    if (!out->bases) {
        lm_in_fail(in, "bases", LM_ERR_MEMORY);
        return;
    }
    for (size_t i = 0; i < n && lm_in_ok(in); i++) {
        out->bases[i].group = lm_in_name(in, "bases", false);
        out->bases[i].version = lm_in_version(in, "bases", true);
    }
    out->n_bases = n;
}

static void read_bases(struct lm_in *in, struct lm_change *out)
{
    size_t n = 0;
    if (lm_in_nil(in)) {
        if (out->op != LM_OP_CREATE) {
            lm_in_fail(in, "bases", LM_ERR_INVALID);
        }
        return;
    }
    if (!lm_in_ok(in)) {
        return;
    }
    /* A creation builds on nothing. */
    if (out->op == LM_OP_CREATE || !lm_read_array(&in->reader, &n) || n < 2 || n > 3) {
        lm_in_fail(in, "bases", LM_ERR_INVALID);
        return;
    }
    out->base_all.hlc = lm_in_uint(in, "bases", 1, LM_IN_NUMBER_MAX);
    out->base_all.replica = lm_in_uint(in, "bases", 0, LM_IN_NUMBER_MAX);
    if (n == 3) {
        read_group_bases(in, out);
    }
}

enum lm_status lm_change_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                              struct lm_change *out, struct lm_error *err)
{
    struct lm_in in;
    *out = (struct lm_change){.type = "", .user = ""};
    if (!lm_in_begin(&in, "change", data, n, LM_CHANGE_BYTES_MAX, ELEMENTS, arena, err)) {
        if (in.status == LM_ERR_INVALID && format_is_newer(data, n)) {
            in.status = LM_ERR_VERSION;
        }
        return lm_in_end(&in, err);
    }
    uint64_t format = lm_in_uint(&in, "format", 1, UINT64_MAX);
    if (format > FORMAT) {
        lm_in_fail(&in, "format", LM_ERR_VERSION);
    }
    out->type = lm_in_name(&in, "type", false);
    lm_in_uuid(&in, "id", out->id);
    out->op = (enum lm_op)lm_in_uint(&in, "op", LM_OP_CREATE, LM_OP_UNDELETE);
    out->hlc = lm_in_uint(&in, "hlc", 1, LM_IN_NUMBER_MAX);
    out->user = lm_in_text(&in, "user", 4 * LM_USER_CHARS_MAX, LM_USER_CHARS_MAX);
    out->catalog = (uint32_t)lm_in_uint(&in, "catalog", 0, UINT32_MAX);
    out->wall_delta_ms = lm_in_int(&in, "wall_delta_ms", -LM_IN_TIME_MAX, LM_IN_TIME_MAX);
    if (!lm_in_nil(&in)) {
        out->offset_ms = lm_in_int(&in, "offset_ms", -LM_IN_TIME_MAX, LM_IN_TIME_MAX);
        out->offset_known = lm_in_ok(&in);
    }
    read_fields(&in, out);
    read_bases(&in, out);
    if (!lm_in_nil(&in)) {
        out->seen = lm_in_uint(&in, "seen", 0, UINT64_MAX);
        out->has_seen = lm_in_ok(&in);
    }
    return lm_in_end(&in, err);
}

struct lm_version lm_change_base(const struct lm_change *change, const char *group)
{
    for (size_t i = 0; i < change->n_bases; i++) {
        if (strcmp(change->bases[i].group, group) == 0) {
            return change->bases[i].version;
        }
    }
    return change->base_all;
}

/* ---- chain ---- */

static void put_u64le(uint8_t out[8], uint64_t u)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(u >> (8 * i));
    }
}

void lm_chain_start(uint64_t replica, uint64_t branch, uint8_t out[LM_HASH_BYTES])
{
    static const char label[] = "lastmile branch";
    uint8_t a[8];
    uint8_t b[8];
    put_u64le(a, replica);
    put_u64le(b, branch);
    lm_hash(out, label, sizeof label - 1, a, sizeof a, b, sizeof b);
}

void lm_chain_next(const uint8_t before[LM_HASH_BYTES], const uint8_t *body, size_t n,
                   uint8_t out[LM_HASH_BYTES])
{
    uint8_t hash[LM_HASH_BYTES];
    lm_hash(hash, before, LM_HASH_BYTES, body, n, NULL, 0);
    memcpy(out, hash, sizeof hash);
}
