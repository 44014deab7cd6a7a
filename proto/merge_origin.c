/* What the author's program and the hub must make alike: origin, the author's own copy, and what it
 * saw. */
#include "proto/merge_internal.h"

#include <stdio.h>
#include <string.h>

/* The last instant that a canonical date-time can name: 9999-12-31T23:59:59.999Z. */
#define TIME_MAX_MS 253402300799999LL

static int64_t add_clamped(int64_t a, int64_t b)
{
    int64_t sum;

    if (!__builtin_add_overflow(a, b, &sum)) {
        return sum;
    }
    return b > 0 ? INT64_MAX : INT64_MIN;
}

int64_t merge_author_offset(const struct lm_change *change)
{
    return change->offset_known ? change->offset_ms : 0;
}

enum lm_status merge_time(const struct lm_change *change, int64_t offset_ms, int64_t received_ms,
                          struct lm_arena *arena, struct lm_value *out)
{
    int64_t ms = add_clamped(add_clamped(lm_hlc_ms(change->hlc), change->wall_delta_ms), offset_ms);
    char text[LM_TIME_TEXT + 8];
    char *kept;

    if (ms > received_ms) {
        ms = received_ms;
    }
    if (ms < 0) {
        ms = 0;
    }
    if (ms > TIME_MAX_MS) {
        ms = TIME_MAX_MS;
    }
    lm_time_format(ms, text);
    kept = lm_arena_text(arena, text, strlen(text));
    if (kept == NULL) {
        return LM_ERR_MEMORY;
    }
    *out = lm_value_text(kept);
    return LM_OK;
}

void lm_user_id(const char *station, const char *user, char out[LM_UUID_TEXT + 1])
{
    /* A user name has at most LM_USER_CHARS_MAX characters of up to 4 bytes; longer ones are cut,
     * not trusted. */
    char text[4 + 16 + LM_USER_CHARS_MAX * 4 + 1];
    int n = snprintf(text, sizeof(text), "user%.16s%s", station, user);
    size_t len = n < 0 ? 0 : (size_t)n;

    lm_uuid_of(text, len < sizeof(text) ? len : sizeof(text) - 1, out);
}

static void device_id(uint64_t replica, char out[LM_UUID_TEXT + 1])
{
    uint8_t bytes[7 + 8] = {'r', 'e', 'p', 'l', 'i', 'c', 'a'};

    for (size_t i = 0; i < 8; i++) {
        bytes[7 + i] = (uint8_t)(replica >> (8 * i));
    }
    lm_uuid_of(bytes, sizeof(bytes), out);
}

static enum lm_status put_text(struct lm_record *rec, int field, const char *text,
                               struct lm_arena *arena)
{
    char *kept = lm_arena_text(arena, text, strlen(text));

    if (kept == NULL) {
        return LM_ERR_MEMORY;
    }
    rec->fields[field] = lm_value_text(kept);
    return LM_OK;
}

enum lm_status lm_origin_fill(struct lm_record *rec, const struct lm_change *change,
                              struct lm_merge_author author, int64_t offset_ms, int64_t received_ms,
                              struct lm_arena *arena)
{
    const struct lm_value *named = NULL;
    char id[LM_UUID_TEXT + 1];
    enum lm_status status;

    if (author.by != LM_BY_VILLAGE) {
        named = lm_value_member(&change->fields, "village_code");
    }
    if (named != NULL && named->kind == LM_TEXT) {
        char *code = lm_arena_text(arena, named->text, named->len);
        if (code == NULL) {
            return LM_ERR_MEMORY;
        }
        rec->fields[LM_C_VILLAGE_CODE] = lm_value_text(code);
    } else {
        status = put_text(rec, LM_C_VILLAGE_CODE, author.station, arena);
        if (status != LM_OK) {
            return status;
        }
    }
    status = put_text(rec, LM_C_STATION, author.station, arena);
    if (status != LM_OK) {
        return status;
    }
    lm_user_id(author.station, change->user, id);
    status = put_text(rec, LM_C_CREATED_BY, id, arena);
    if (status != LM_OK) {
        return status;
    }
    device_id(author.replica, id);
    status = put_text(rec, LM_C_DEVICE_ID, id, arena);
    if (status != LM_OK) {
        return status;
    }
    return merge_time(change, offset_ms, received_ms, arena, &rec->fields[LM_C_CREATED_AT]);
}

static int key_order(const struct lm_pair *a, const struct lm_pair *b)
{
    size_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = memcmp(a->key, b->key, n);

    if (order != 0) {
        return order;
    }
    return a->key_len < b->key_len ? -1 : a->key_len > b->key_len;
}

/* Puts pair among the n sorted ones, or over the one of the same key. */
static uint32_t insert_pair(struct lm_pair *pairs, uint32_t n, const struct lm_pair *pair)
{
    uint32_t at = 0;

    while (at < n && key_order(&pairs[at], pair) < 0) {
        at++;
    }
    if (at < n && key_order(&pairs[at], pair) == 0) {
        pairs[at] = *pair;
        return n;
    }
    memmove(&pairs[at + 1], &pairs[at], (n - at) * sizeof(*pairs));
    pairs[at] = *pair;
    return n + 1;
}

/* Fields that nobody here knows have no group and so no version: the last one to arrive stands.
 * Kept in key order, so that the record does not depend on the order of keys in a change. A null
 * removes. */
enum lm_status merge_unknown(struct lm_record *rec, const struct lm_value *unknown,
                             struct lm_arena *arena)
{
    uint32_t old = rec->unknown.kind == LM_MAP ? rec->unknown.len : 0, n = 0, kept = 0;
    struct lm_pair *pairs;

    if (unknown->kind != LM_MAP || unknown->len == 0) {
        return LM_OK;
    }
    pairs = lm_arena_alloc(arena, ((size_t)old + unknown->len) * sizeof(*pairs));
    if (pairs == NULL) {
        return LM_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < old; i++) {
        n = insert_pair(pairs, n, &rec->unknown.pairs[i]);
    }
    for (uint32_t i = 0; i < unknown->len; i++) {
        n = insert_pair(pairs, n, &unknown->pairs[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!lm_value_is_null(&pairs[i].value)) {
            pairs[kept++] = pairs[i];
        }
    }
    rec->unknown = lm_value_null();
    if (kept > 0) {
        rec->unknown.kind = LM_MAP;
        rec->unknown.len = kept;
        rec->unknown.pairs = pairs;
    }
    return LM_OK;
}

/* An unknown field is taken for a group of its own, as most are: its stamp then is the one that its
 * author gave it. rec's own array is left alone: copies share it. */
enum lm_status merge_unknown_stamps(struct lm_record *rec, const struct lm_value *unknown,
                                    struct lm_stamp stamp, struct lm_arena *arena)
{
    struct lm_unknown_stamp *made;
    size_t n = rec->n_unknown_stamps;

    if (unknown->kind != LM_MAP || unknown->len == 0) {
        return LM_OK;
    }
    made = lm_arena_alloc(arena, (n + unknown->len) * sizeof(*made));
    if (made == NULL) {
        return LM_ERR_MEMORY;
    }
    if (n > 0) {
        memcpy(made, rec->unknown_stamps, n * sizeof(*made));
    }
    for (uint32_t i = 0; i < unknown->len; i++) {
        const struct lm_pair *pair = &unknown->pairs[i];
        size_t at = 0;

        if (pair->key_len == 0 || pair->key_len > LM_NAME_BYTES_MAX) {
            continue; /* no field can have that name */
        }
        while (at < n && (strlen(made[at].group) != pair->key_len ||
                          memcmp(made[at].group, pair->key, pair->key_len) != 0)) {
            at++;
        }
        n += at == n;
        memcpy(made[at].group, pair->key, pair->key_len);
        made[at].group[pair->key_len] = '\0';
        made[at].stamp = stamp;
    }
    rec->unknown_stamps = made;
    rec->n_unknown_stamps = n;
    return LM_OK;
}

enum lm_status lm_change_apply_local(const struct lm_catalog *catalog,
                                     const struct lm_record *current,
                                     const struct lm_change *change, const struct lm_fieldset *set,
                                     struct lm_merge_author author, struct lm_arena *arena,
                                     struct lm_record **out)
{
    const struct lm_type *type = lm_catalog_type(catalog, change->type);
    struct lm_stamp stamp = {.version = {.hlc = change->hlc, .replica = author.replica}, .rank = 0};
    bool creates = current == NULL && change->op == LM_OP_CREATE;
    struct lm_record *rec;
    enum lm_status status;

    *out = NULL;
    if (type == NULL || (current == NULL && !creates)) {
        return LM_ERR_INVALID;
    }
    rec = creates ? lm_record_new(arena, type, change->id) : lm_record_copy(arena, current);
    if (rec == NULL) {
        return LM_ERR_MEMORY;
    }
    if (creates) {
        status = lm_origin_fill(rec, change, author, merge_author_offset(change), INT64_MAX, arena);
        if (status != LM_OK) {
            return status;
        }
        for (size_t g = 0; g < type->n_groups; g++) {
            rec->stamps[g] = stamp;
        }
    }
    for (size_t i = 0; i < set->n; i++) {
        const struct lm_field *field = &type->fields[set->index[i]];
        if (creates && field->group == LM_GROUP_ORIGIN) {
            continue; /* lm_origin_fill has taken what may be taken */
        }
        rec->fields[set->index[i]] = set->value[i];
        rec->stamps[field->group] = stamp;
    }
    if (creates && lm_value_is_null(&rec->fields[LM_C_STATE]) && type->default_state != NULL) {
        rec->fields[LM_C_STATE] = lm_value_text(type->default_state);
    }
    status = merge_unknown(rec, &set->unknown, arena);
    if (status == LM_OK && !creates) {
        status = merge_unknown_stamps(rec, &set->unknown, stamp, arena);
    }
    if (status != LM_OK) {
        return status;
    }
    if (change->op == LM_OP_DELETE && !creates && lm_record_deleted(current)) {
        rec->fields[LM_C_DELETE_REASON] = current->fields[LM_C_DELETE_REASON];
        rec->stamps[LM_GROUP_DELETED] = stamp; /* confirmed */
    } else if (change->op == LM_OP_DELETE) {
        status = merge_time(change, merge_author_offset(change), INT64_MAX, arena,
                            &rec->fields[LM_C_DELETED_AT]);
        if (status != LM_OK) {
            return status;
        }
        rec->stamps[LM_GROUP_DELETED] = stamp;
    } else if (change->op == LM_OP_UNDELETE) {
        rec->fields[LM_C_DELETED_AT] = lm_value_null();
        rec->fields[LM_C_DELETE_REASON] = lm_value_null();
        rec->stamps[LM_GROUP_DELETED] = stamp;
    }
    *out = rec;
    return LM_OK;
}

enum lm_status lm_change_see(const struct lm_type *type, const struct lm_record *current,
                             const struct lm_fieldset *set, struct lm_change *change,
                             struct lm_arena *arena, uint64_t *highest_out)
{
    const struct lm_value *state = lm_fieldset_get(set, LM_C_STATE);
    bool whole; /* the act speaks of the record as it was seen */
    uint64_t highest = 0;
    bool *named;

    change->base_all = (struct lm_version){0, 0};
    change->bases = NULL;
    change->n_bases = 0;
    change->has_seen = false;
    change->seen = 0;
    if (highest_out != NULL) {
        *highest_out = 0;
    }
    if (current == NULL) {
        return LM_OK;
    }
    whole = change->op == LM_OP_DELETE ||
            (state != NULL && !lm_value_equal(state, &current->fields[LM_C_STATE]));
    named = lm_arena_alloc(arena, type->n_groups * sizeof(*named));
    change->bases = lm_arena_alloc(arena, type->n_groups * sizeof(*change->bases));
    if (named == NULL || change->bases == NULL) {
        return LM_ERR_MEMORY;
    }
    named[LM_GROUP_STATE] = named[LM_GROUP_DELETED] = true;
    for (size_t i = 0; i < set->n; i++) {
        named[type->fields[set->index[i]].group] = true;
    }
    for (size_t g = 0; whole && g < type->n_groups; g++) {
        named[g] = named[g] || type->groups[g].guarded;
    }
    change->base_all = current->stamps[LM_GROUP_STATE].version;
    for (size_t g = 0; g < type->n_groups; g++) {
        struct lm_version version = current->stamps[g].version;
        if (!named[g]) {
            continue;
        }
        highest = version.hlc > highest ? version.hlc : highest;
        /* Guarded groups are always named: base_all speaks for touched groups only. */
        if (!lm_version_equal(version, change->base_all) || (whole && type->groups[g].guarded)) {
            change->bases[change->n_bases].group = type->groups[g].name;
            change->bases[change->n_bases++].version = version;
        }
    }
    if (whole) {
        change->has_seen = true;
        change->seen = lm_record_seen(current);
    }
    if (highest_out != NULL) {
        *highest_out = highest;
    }
    return LM_OK;
}

void lm_fieldset_complete(const struct lm_type *type, const struct lm_record *current,
                          enum lm_author author, struct lm_fieldset *set)
{
    const char *state = lm_record_text(current, LM_C_STATE);
    size_t n = set->n; /* as the author set it */

    for (size_t f = LM_C_COUNT; f < type->n_fields; f++) {
        const struct lm_field *field = &type->fields[f];
        bool touched = false;

        for (size_t i = 0; i < n; i++) {
            touched = touched || type->fields[set->index[i]].group == field->group;
        }
        if (!touched || lm_fieldset_get(set, (int)f) != NULL || set->n >= LM_CHANGE_FIELDS_MAX ||
            field->retired || (field->edit_by & author) == 0 ||
            (field->fill != LM_FILL_USER && field->fill != LM_FILL_PROGRAM) ||
            (author == LM_BY_VILLAGE && merge_state_in(field->frozen_in, state))) {
            continue;
        }
        lm_fieldset_put(set, (int)f, current->fields[f]);
    }
}
