/* Records in memory: making, copying, looking at them, digests, JSON. Pure.
 *
 * The digest is BLAKE2b-256 over a run of msgpack values in their shortest form (proto/pack.h), its
 * first 8 bytes read little-endian: type name, record id, then for each field that is neither null,
 * computed, nor the id itself, known here or not, in byte order of the names: name, value; then hlc
 * and replica of the origin's version; then for each group with another version, known here or not,
 * in byte order of the names: name, hlc, replica. Nothing in it depends on the holder's catalogue.
 * It is fed to the hash piece by piece, so that no memory is needed and it can't fail. */
#include "proto/record.h"

#include "common/base/util.h"
#include "proto/pack.h"
#include "proto/prescan.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct lm_record *lm_record_new(struct lm_arena *arena, const struct lm_type *type, const char *id)
{
    struct lm_record *rec = lm_arena_alloc(arena, sizeof(*rec));
    if (!rec) {
        return NULL;
    }
    rec->type = type;
    rec->fields = lm_arena_alloc(arena, type->n_fields * sizeof(*rec->fields));
    rec->stamps = lm_arena_alloc(arena, type->n_groups * sizeof(*rec->stamps));
    if (!rec->fields || !rec->stamps) {
        return NULL;
    }
    /* An id is 36 characters; anything longer is cut here and found wrong where ids are checked. */
    size_t n = strnlen(id, sizeof(rec->id) - 1);
    memcpy(rec->id, id, n);
    if (n && type->n_fields > LM_C_ID) {
        rec->fields[LM_C_ID] = lm_value_textn(rec->id, n);
    }
    return rec;
}

struct lm_record *lm_record_copy(struct lm_arena *arena, const struct lm_record *from)
{
    const struct lm_type *type = from->type;
    struct lm_record *rec = lm_record_new(arena, type, from->id);
    if (!rec) {
        return NULL;
    }
    struct lm_value *fields = rec->fields;
    struct lm_stamp *stamps = rec->stamps;
    struct lm_value id = type->n_fields > LM_C_ID ? fields[LM_C_ID] : lm_value_null();
    *rec = *from;
    rec->fields = fields;
    rec->stamps = stamps;
    if (type->n_fields) {
        memcpy(fields, from->fields, type->n_fields * sizeof(*fields));
    }
    if (type->n_groups) {
        memcpy(stamps, from->stamps, type->n_groups * sizeof(*stamps));
    }
    if (type->n_fields > LM_C_ID) {
        fields[LM_C_ID] = id; /* it points into the record itself: into this one */
    }
    return rec;
}

const struct lm_value *lm_record_get(const struct lm_record *rec, const char *field)
{
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        if (strcmp(rec->type->fields[i].name, field) == 0) {
            return &rec->fields[i];
        }
    }
    return NULL;
}

const char *lm_record_text(const struct lm_record *rec, int field_index)
{
    LM_CHECK(field_index >= 0 && (size_t)field_index < rec->type->n_fields);
    const struct lm_value *v = &rec->fields[field_index];
    return v->kind == LM_TEXT ? v->text : "";
}

bool lm_record_deleted(const struct lm_record *rec)
{
    return !lm_value_is_null(&rec->fields[LM_C_DELETED_AT]);
}

/* ---- digests ---- */

static void hash_bytes(crypto_generichash_state *state, const void *data, size_t n)
{
    if (n) {
        (void)crypto_generichash_update(state, data, n);
    }
}

static void hash_head(crypto_generichash_state *state, enum lm_wire kind, size_t n)
{
    uint8_t head[LM_PACK_HEAD];
    hash_bytes(state, head, lm_pack_head_of(head, kind, n));
}

static void hash_text(crypto_generichash_state *state, const char *text, size_t n)
{
    hash_head(state, LM_WIRE_TEXT, n);
    hash_bytes(state, text, n);
}

static void hash_version(crypto_generichash_state *state, struct lm_version version)
{
    uint8_t head[LM_PACK_HEAD];
    hash_bytes(state, head, lm_pack_head_uint(head, version.hlc));
    hash_bytes(state, head, lm_pack_head_uint(head, version.replica));
}

/* Texts are hashed as str, UUIDs too: which of them travel as bin is the transport's matter. */
static void hash_value(crypto_generichash_state *state, const struct lm_value *v)
{
    uint8_t head[LM_PACK_HEAD];
    switch (v->kind) {
    case LM_NULL:
        hash_bytes(state, "\xc0", 1);
        return;
    case LM_BOOL:
        hash_bytes(state, v->b ? "\xc3" : "\xc2", 1);
        return;
    case LM_INT:
        hash_bytes(state, head, lm_pack_head_int(head, v->i));
        return;
    case LM_TEXT:
        hash_text(state, v->text, v->len);
        return;
    case LM_LIST:
        hash_head(state, LM_WIRE_ARRAY, v->len);
        for (uint32_t i = 0; i < v->len; i++) {
            hash_value(state, &v->items[i]);
        }
        return;
    case LM_MAP:
        hash_head(state, LM_WIRE_MAP, v->len);
        for (uint32_t i = 0; i < v->len; i++) {
            hash_text(state, v->pairs[i].key, v->pairs[i].key_len);
            hash_value(state, &v->pairs[i].value);
        }
        return;
    }
}

static uint64_t hash_end(crypto_generichash_state *state)
{
    uint8_t hash[LM_HASH_BYTES];
    (void)crypto_generichash_final(state, hash, sizeof(hash));
    uint64_t out = 0;
    for (int i = 7; i >= 0; i--) {
        out = out << 8 | hash[i];
    }
    return out;
}

/* A name with what it stands for: a field's value or a group's version. */
struct named {
    const char *name;
    size_t n;
    const struct lm_value *value;
    struct lm_version version;
    int unknown;
};

enum {
    FIELDS_MAX = LM_FIELDS_PER_TYPE_MAX + LM_MAP_PAIRS_MAX,
    GROUPS_MAX = LM_GROUPS_PER_TYPE_MAX + LM_UNKNOWN_STAMPS_MAX
};

/* Byte order, a shorter one before a longer one that begins with it. */
static int compare_names(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->name, y->name, n) : 0;

    if (order == 0) {
        order = (x->n > y->n) - (x->n < y->n);
    }
    return order ? order
                 : x->unknown - y->unknown; /* an unknown value that does not fit its field */
}

static void hash_fields(crypto_generichash_state *state, const struct lm_record *rec)
{
    const struct lm_type *type = rec->type;
    struct named order[FIELDS_MAX];
    size_t n = 0;

    LM_CHECK(type->n_fields <= LM_FIELDS_PER_TYPE_MAX);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct lm_field *field = &type->fields[i];

        if (i != LM_C_ID && field->fill != LM_FILL_COMPUTED && !lm_value_is_null(&rec->fields[i])) {
            order[n++] =
                (struct named){field->name, strlen(field->name), &rec->fields[i], {0, 0}, 0};
        }
    }
    for (uint32_t i = 0; rec->unknown.kind == LM_MAP && i < rec->unknown.len; i++) {
        const struct lm_pair *pair = &rec->unknown.pairs[i];

        if (!lm_value_is_null(&pair->value) && n < FIELDS_MAX) {
            order[n++] = (struct named){pair->key, pair->key_len, &pair->value, {0, 0}, 1};
        }
    }
    qsort(order, n, sizeof(order[0]), compare_names);
    for (size_t i = 0; i < n; i++) {
        hash_text(state, order[i].name, order[i].n);
        hash_value(state, order[i].value);
    }
}

/* The groups whose version is not the origin's. */
static void hash_groups(crypto_generichash_state *state, const struct lm_record *rec)
{
    const struct lm_type *type = rec->type;
    struct named order[GROUPS_MAX];
    struct lm_version origin;
    size_t n = 0;

    LM_CHECK(type->n_groups <= LM_GROUPS_PER_TYPE_MAX);
    if (type->n_groups == 0) {
        return;
    }
    origin = rec->stamps[LM_GROUP_ORIGIN].version;
    for (size_t i = 1; i < type->n_groups; i++) {
        if (!lm_version_equal(rec->stamps[i].version, origin)) {
            const char *name = type->groups[i].name;
            order[n++] = (struct named){name, strlen(name), NULL, rec->stamps[i].version, 0};
        }
    }
    for (size_t i = 0; i < rec->n_unknown_stamps && n < GROUPS_MAX; i++) {
        const struct lm_unknown_stamp *u = &rec->unknown_stamps[i];

        if (!lm_version_equal(u->stamp.version, origin)) {
            order[n++] = (struct named){u->group, strlen(u->group), NULL, u->stamp.version, 1};
        }
    }
    qsort(order, n, sizeof(order[0]), compare_names);
    for (size_t i = 0; i < n; i++) {
        hash_text(state, order[i].name, order[i].n);
        hash_version(state, order[i].version);
    }
}

uint64_t lm_record_digest(const struct lm_record *rec)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, LM_HASH_BYTES);
    hash_text(&state, rec->type->name, strlen(rec->type->name));
    hash_text(&state, rec->id, strlen(rec->id));
    hash_fields(&state, rec);
    if (rec->type->n_groups) {
        hash_version(&state, rec->stamps[LM_GROUP_ORIGIN].version);
    }
    hash_groups(&state, rec);
    return hash_end(&state);
}

uint64_t lm_record_seen(const struct lm_record *rec)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, LM_HASH_BYTES);
    hash_groups(&state, rec);
    return hash_end(&state);
}

/* ---- JSON ---- */

static json_t *decimal_to_json(int64_t i)
{
    return i % LM_DECIMAL_SCALE ? json_real((double)i / LM_DECIMAL_SCALE)
                                : json_integer(i / LM_DECIMAL_SCALE);
}

static const struct lm_field *member_of(const struct lm_field *field, const struct lm_pair *pair)
{
    for (size_t i = 0; i < field->n_members; i++) {
        const char *name = field->members[i].name;
        if (strlen(name) == pair->key_len && memcmp(name, pair->key, pair->key_len) == 0) {
            return &field->members[i];
        }
    }
    return NULL;
}

/* One element: what the field is, without its being a list. */
static json_t *element_to_json(const struct lm_field *field, const struct lm_value *v)
{
    if (field->ftype == LM_F_DECIMAL && v->kind == LM_INT) {
        return decimal_to_json(v->i);
    }
    if (field->ftype != LM_F_MAP || v->kind != LM_MAP) {
        return lm_value_to_json(v);
    }
    json_t *object = json_object();
    for (uint32_t i = 0; object && i < v->len; i++) {
        const struct lm_pair *pair = &v->pairs[i];
        if (lm_value_is_null(&pair->value)) {
            continue;
        }
        const struct lm_field *member = member_of(field, pair);
        json_t *item =
            member ? lm_field_to_json(member, &pair->value) : lm_value_to_json(&pair->value);
        if (json_object_setn_new(object, pair->key, pair->key_len, item) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *lm_field_to_json(const struct lm_field *field, const struct lm_value *v)
{
    if (field->sensitivity >= LM_SENSITIVITY_SECRET) {
        return lm_value_is_null(v) ? json_null() : json_string("＊＊＊");
    }
    if (!field->is_list || v->kind != LM_LIST) {
        return element_to_json(field, v);
    }
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < v->len; i++) {
        if (json_array_append_new(array, element_to_json(field, &v->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* The id stands outside, beside `fields`: it is not something that an edit may set. */
static json_t *fields_to_json(const struct lm_record *rec)
{
    json_t *fields = json_object();
    for (size_t i = 0; fields && i < rec->type->n_fields; i++) {
        const struct lm_field *field = &rec->type->fields[i];
        if (i == LM_C_ID || lm_value_is_null(&rec->fields[i])) {
            continue;
        }
        json_t *value = lm_field_to_json(field, &rec->fields[i]);
        if (json_object_set_new(fields, field->name, value) != 0) {
            json_decref(fields);
            return NULL;
        }
    }
    return fields;
}

json_t *lm_record_to_json(const struct lm_record *rec)
{
    json_t *out = json_object();
    if (!out) {
        return NULL;
    }
    int failed = json_object_set_new(out, "id", json_string(rec->id));
    failed |= json_object_set_new(out, "type", json_string(rec->type->name));
    failed |=
        json_object_set_new(out, "village_code", lm_value_to_json(&rec->fields[LM_C_VILLAGE_CODE]));
    failed |= json_object_set_new(out, "state", lm_value_to_json(&rec->fields[LM_C_STATE]));
    failed |= json_object_set_new(out, "fields", fields_to_json(rec));
    if (rec->invalid) {
        failed |= json_object_set_new(out, "invalid",
                                      json_pack("{s:s, s:s, s:s, s:s}", "code", rec->issue_code,
                                                "field", rec->issue_field, "zh",
                                                rec->issue_zh ? rec->issue_zh : "", "en",
                                                rec->issue_en ? rec->issue_en : ""));
    }
    if (failed) {
        json_decref(out);
        return NULL;
    }
    return out;
}
