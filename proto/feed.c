/* Record bodies of the feed, and what a node makes of one. Pure; PROTOCOL.md "Body".
 *
 * The hub's bytes are trusted no more than others': every value has the shape that its field's type
 * asks for, or the body is refused, because everything that reads records relies on it. Ranges and
 * rules are not judged again: the hub has done so, by a catalogue that may be newer than this one.
 */
#include "proto/feed.h"

#include "proto/message_in.h"

#include <string.h>

enum { ELEMENTS = 7 };

/* ---- writing ---- */

static bool travels(const struct lm_record *rec, size_t i)
{
    return i != LM_C_ID && rec->type->fields[i].fill != LM_FILL_COMPUTED &&
           !lm_value_is_null(&rec->fields[i]);
}

static void pack_fields(struct lm_buf *buf, const struct lm_record *rec)
{
    size_t n = 0;
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        n += travels(rec, i);
    }
    lm_pack_map(buf, n);
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        if (travels(rec, i)) {
            lm_out_text(buf, rec->type->fields[i].name);
            lm_value_pack(buf, &rec->fields[i]);
        }
    }
}

void lm_body_pack(struct lm_buf *buf, const struct lm_record *rec)
{
    lm_pack_array(buf, ELEMENTS);
    lm_out_text(buf, rec->type->name);
    lm_out_uuid(buf, rec->id);
    lm_pack_uint(buf, rec->position > 0 ? (uint64_t)rec->position : 0);
    lm_stamps_pack(buf, rec, true);
    pack_fields(buf, rec);
    if (rec->unknown.kind == LM_MAP && rec->unknown.len > 0) {
        lm_value_pack(buf, &rec->unknown);
    } else {
        lm_pack_nil(buf);
    }
    if (rec->invalid) {
        lm_pack_array(buf, 4);
        lm_out_text(buf, rec->issue_code);
        lm_out_text(buf, rec->issue_field);
        lm_out_text(buf, rec->issue_zh);
        lm_out_text(buf, rec->issue_en);
    } else {
        lm_pack_nil(buf);
    }
}

/* ---- reading ---- */

static bool value_fits(const struct lm_field *field, const struct lm_value *v);

static const struct lm_field *member_of(const struct lm_field *field, const struct lm_pair *pair)
{
    for (size_t i = 0; i < field->n_members; i++) {
        if (strlen(field->members[i].name) == pair->key_len &&
            memcmp(field->members[i].name, pair->key, pair->key_len) == 0) {
            return &field->members[i];
        }
    }
    return NULL;
}

static bool element_fits(const struct lm_field *field, const struct lm_value *v)
{
    switch (field->ftype) {
    case LM_F_BOOL:
        return v->kind == LM_BOOL;
    case LM_F_INT:
    case LM_F_DECIMAL:
        return v->kind == LM_INT;
    case LM_F_MAP:
        for (uint32_t i = 0; v->kind == LM_MAP && i < v->len; i++) {
            const struct lm_field *member = member_of(field, &v->pairs[i]);
            if (member && !value_fits(member, &v->pairs[i].value)) {
                return false;
            }
        }
        return v->kind == LM_MAP;
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_DATETIME:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
        return v->kind == LM_TEXT;
    }
    return false;
}

static bool value_fits(const struct lm_field *field, const struct lm_value *v)
{
    if (lm_value_is_null(v)) {
        return true;
    }
    if (!field->is_list) {
        return element_fits(field, v);
    }
    for (uint32_t i = 0; v->kind == LM_LIST && i < v->len; i++) {
        if (!element_fits(field, &v->items[i])) {
            return false;
        }
    }
    return v->kind == LM_LIST;
}

static bool has_key(const struct lm_value *map, const char *key, size_t n)
{
    for (uint32_t i = 0; i < map->len; i++) {
        if (map->pairs[i].key_len == n && memcmp(map->pairs[i].key, key, n) == 0) {
            return true;
        }
    }
    return false;
}

/* A field that this catalogue lacks: kept as it came. rec->unknown.pairs has room for
 * LM_MAP_PAIRS_MAX. */
static void keep_unknown(struct lm_in *in, struct lm_record *rec, const char *name, size_t n,
                         struct lm_value value)
{
    struct lm_value *unknown = &rec->unknown;
    if (unknown->kind == LM_NULL) {
        struct lm_pair *pairs = lm_arena_alloc(in->arena, LM_MAP_PAIRS_MAX * sizeof *pairs);
        if (!pairs) {
            lm_in_fail(in, "unknown", LM_ERR_MEMORY);
            return;
        }
        *unknown = (struct lm_value){.kind = LM_MAP, .pairs = pairs};
    }
    if (has_key(unknown, name, n)) {
        lm_in_fail(in, "unknown", LM_ERR_INVALID);
        return;
    }
    const char *key = lm_arena_text(in->arena, name, n);
    if (unknown->len == LM_MAP_PAIRS_MAX || !key) {
        lm_in_fail(in, "unknown", key ? LM_ERR_LIMIT : LM_ERR_MEMORY);
        return;
    }
    unknown->pairs[unknown->len++] =
        (struct lm_pair){.key = key, .key_len = (uint32_t)n, .value = value};
}

/* Whether what another catalogue did not know can be this field's value. What does not fit stays
 * where it is, for the digest's sake. */
static bool adoptable(const struct lm_record *rec, const struct lm_field *field,
                      const struct lm_value *value)
{
    return field->index != LM_C_ID && field->fill != LM_FILL_COMPUTED &&
           lm_value_is_null(&rec->fields[field->index]) && value_fits(field, value);
}

bool lm_record_adopt(struct lm_record *rec)
{
    uint32_t kept = 0, n = rec->unknown.kind == LM_MAP ? rec->unknown.len : 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct lm_pair *pair = &rec->unknown.pairs[i];
        const struct lm_field *field = lm_type_fieldn(rec->type, pair->key, pair->key_len);

        if (field && adoptable(rec, field, &pair->value)) {
            rec->fields[field->index] = pair->value;
        } else {
            rec->unknown.pairs[kept++] = *pair;
        }
    }
    if (kept == n) {
        return false;
    }
    rec->unknown.len = kept;
    rec->unknown = kept ? rec->unknown : lm_value_null();
    return true;
}

/* Either map of a body. A name from `unknown` that this catalogue does know (the hub's is older)
 * becomes a field too. */
static void read_values(struct lm_in *in, const char *element, bool is_unknown,
                        struct lm_record *rec)
{
    size_t n = 0;
    if (!lm_in_ok(in) || !lm_read_map(&in->reader, &n)) {
        lm_in_fail(in, element, LM_ERR_INVALID);
        return;
    }
    for (size_t i = 0; i < n && lm_in_ok(in); i++) {
        const char *name = NULL;
        size_t name_len = 0;
        struct lm_value value;
        if (!lm_read_text(&in->reader, &name, &name_len) || name_len == 0 ||
            name_len > LM_IN_NAME_BYTES_MAX) {
            lm_in_fail(in, element, LM_ERR_INVALID);
            return;
        }
        lm_in_value(in, element, &value);
        if (!lm_in_ok(in)) {
            return;
        }
        const struct lm_field *field = lm_type_fieldn(rec->type, name, name_len);
        if (!field || (is_unknown && !adoptable(rec, field, &value))) {
            keep_unknown(in, rec, name, name_len, value);
        } else if (!value_fits(field, &value)) {
            lm_in_fail(in, element, LM_ERR_INVALID);
        } else if (field->index != LM_C_ID && field->fill != LM_FILL_COMPUTED &&
                   lm_value_is_null(&rec->fields[field->index])) {
            rec->fields[field->index] = value;
        }
    }
}

static bool stamp_in_range(const struct lm_stamp *stamp)
{
    return stamp->version.hlc < LM_HLC_TOP && stamp->version.replica <= LM_IN_NUMBER_MAX &&
           stamp->rank <= LM_IN_NUMBER_MAX;
}

static void read_stamps(struct lm_in *in, struct lm_record *rec)
{
    const uint8_t *from = in->reader.p;
    if (!lm_in_ok(in)) {
        return;
    }
    enum lm_status status = LM_ERR_INVALID;
    if (lm_reader_skip(&in->reader)) {
        status = lm_stamps_unpack(rec, from, (size_t)(in->reader.p - from), in->arena);
    }
    for (size_t i = 0; status == LM_OK && i < rec->type->n_groups; i++) {
        status = stamp_in_range(&rec->stamps[i]) ? LM_OK : LM_ERR_INVALID;
    }
    for (size_t i = 0; status == LM_OK && i < rec->n_unknown_stamps; i++) {
        status = stamp_in_range(&rec->unknown_stamps[i].stamp) ? LM_OK : LM_ERR_INVALID;
    }
    if (status != LM_OK) {
        lm_in_fail(in, "stamps", status);
    }
}

static void read_issue(struct lm_in *in, struct lm_record *rec)
{
    if (lm_in_nil(in)) {
        return;
    }
    lm_in_array_of(in, "issue", 4);
    const char *code =
        lm_in_text(in, "issue.code", sizeof rec->issue_code - 1, sizeof rec->issue_code - 1);
    const char *field =
        lm_in_text(in, "issue.field", sizeof rec->issue_field - 1, sizeof rec->issue_field - 1);
    rec->issue_zh = lm_in_text(in, "issue.zh", LM_TEXT_CHARS_MAX, LM_TEXT_CHARS_MAX);
    rec->issue_en = lm_in_text(in, "issue.en", LM_TEXT_CHARS_MAX, LM_TEXT_CHARS_MAX);
    strcpy(rec->issue_code, code);
    strcpy(rec->issue_field, field);
    rec->invalid = lm_in_ok(in);
}

static void read_rest(struct lm_in *in, struct lm_record *rec)
{
    rec->position = lm_in_int(in, "position", 0, (int64_t)LM_IN_COUNT_MAX);
    read_stamps(in, rec);
    read_values(in, "fields", false, rec);
    if (!lm_in_nil(in)) {
        read_values(in, "unknown", true, rec);
    }
    read_issue(in, rec);
}

enum lm_status lm_body_read(const struct lm_catalog *catalog, const uint8_t *data, size_t n,
                            struct lm_arena *arena, struct lm_record **out, struct lm_error *err)
{
    struct lm_in in;
    char id[40];
    *out = NULL;
    if (!lm_in_begin(&in, "body", data, n, LM_FRAME_BYTES_MAX, ELEMENTS, arena, err)) {
        return lm_in_end(&in, err);
    }
    const char *name = lm_in_name(&in, "type", false);
    lm_in_uuid(&in, "id", id);
    if (!lm_in_ok(&in)) {
        return lm_in_end(&in, err);
    }
    const struct lm_type *type = lm_catalog_type(catalog, name);
    if (!type) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "unknown_type", "type", "目录中没有记录类型“%s”。",
                       "The catalogue has no record type \"%s\".", name);
    }
    struct lm_record *rec = lm_record_new(arena, type, id);
    if (!rec) {
        lm_in_fail(&in, NULL, LM_ERR_MEMORY);
    } else {
        read_rest(&in, rec);
    }
    enum lm_status status = lm_in_end(&in, err);
    if (status == LM_OK) {
        *out = rec;
    }
    return status;
}

/* ---- taking in ---- */

enum lm_status lm_feed_take(const struct lm_record *local, const struct lm_record *hub,
                            const bool *pending, struct lm_arena *arena, struct lm_record **out)
{
    *out = NULL;
    if (local && (local->type != hub->type || strcmp(local->id, hub->id) != 0)) {
        return LM_ERR_INVALID;
    }
    struct lm_record *rec = lm_record_copy(arena, hub);
    if (!rec) {
        return LM_ERR_MEMORY;
    }
    for (size_t i = 0; local && i < hub->type->n_groups; i++) {
        if (pending[i]) {
            rec->stamps[i] = local->stamps[i];
        }
    }
    for (size_t i = 0; local && i < hub->type->n_fields; i++) {
        if (i != LM_C_ID && pending[hub->type->fields[i].group]) {
            rec->fields[i] = local->fields[i];
        }
    }
    *out = rec;
    return LM_OK;
}
