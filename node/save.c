/* Saving: see save.h. What a save depends on (sequence number, HLC, the present record) is read
 * inside its transaction, since other processes save into the same database. */
#include "node/save.h"

#include "common/base/break.h"
#include "common/base/util.h"
#include "common/nil_report.h"
#include "node/save_check.h"
#include "proto/merge.h"
#include "proto/request.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define HLC_SKIP 4096 /* 1/16 ms */

#define ARENA_BYTES (32 * 1024 * 1024)

/* One entry at work. */
struct save {
    struct lm_node_saver *saver;
    const struct lm_entry *entry;
    struct lm_entry_result *result;
    struct lm_error *err;
    const struct lm_catalog *catalog;
    const struct lm_type *type;
    const struct lm_record *current; /* NULL = creation */
    struct lm_record *after;
    struct lm_fieldset set;
    struct lm_change change;
    struct lm_lookup lookup;
    bool again; /* a refused creation is sent again, corrected */
};

void lm_node_rev(const struct lm_record *rec, char out[LM_REV_TEXT + 1])
{
    (void)snprintf(out, LM_REV_TEXT + 1, "%016" PRIx64, lm_record_digest(rec));
}

void lm_node_saver_init(struct lm_node_saver *saver, struct lm_nstore *store, const char *dir,
                        const char *user)
{
    memset(saver, 0, sizeof *saver);
    saver->store = store;
    saver->dir = dir;
    saver->user = user;
    lm_arena_init(&saver->arena, ARENA_BYTES);
}

void lm_node_saver_free(struct lm_node_saver *saver)
{
    if (saver->open && LM_BREAK(SAVE_BEFORE_COMMIT)) {
        (void)!lm_nstore_commit(saver->store, NULL);
        saver->open = false;
    }
    if (saver->open) {
        lm_nstore_rollback(saver->store);
    }
    lm_arena_free(&saver->arena);
}

/* ---- the change ---- */

static enum lm_status out_of_memory(struct save *s)
{
    return lm_fail(s->err, LM_ERR_MEMORY, "memory", "", "内存不足，没有保存。",
                   "Out of memory; nothing was saved.");
}

/* set → the change's map, in the order of the set. Nulls say something in edits only. */
static enum lm_status fill_fields(struct save *s)
{
    struct lm_value *fields = &s->change.fields;
    size_t n = s->set.n;

    *fields = lm_value_null();
    if (n == 0) {
        return LM_OK;
    }
    fields->pairs = lm_arena_alloc(&s->saver->arena, n * sizeof *fields->pairs);
    if (!fields->pairs) {
        return out_of_memory(s);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = s->type->fields[s->set.index[i]].name;

        if (s->change.op == LM_OP_CREATE && lm_value_is_null(&s->set.value[i])) {
            continue;
        }
        fields->pairs[fields->len++] = (struct lm_pair){
            .key = name, .key_len = (uint32_t)strlen(name), .value = s->set.value[i]};
    }
    if (fields->len > 0) {
        fields->kind = LM_MAP;
    }
    return LM_OK;
}

/* Stamps the change: HLC, what its author saw, clocks. */
static enum lm_status fill_change(struct save *s, enum lm_op op, const char *id)
{
    const struct lm_me *me = &s->saver->me;
    struct lm_change *c = &s->change;
    int64_t wall_ms = lm_clock_wall_ms();
    uint64_t highest = 0;
    enum lm_status st;

    c->type = s->type->name;
    (void)snprintf(c->id, sizeof c->id, "%s", id);
    c->op = op;
    c->user = s->saver->user;
    c->catalog = s->catalog->number;
    st = lm_change_see(s->type, op == LM_OP_CREATE ? NULL : s->current, &s->set, c,
                       &s->saver->arena, &highest);
    if (st != LM_OK) {
        return out_of_memory(s);
    }
    c->hlc = lm_hlc_next(me->hlc, highest, wall_ms);
    /* Where the clock does not lead (it stands, or begins with the same day at every start), a PC
     * that was set back would come to the HLC of a change that the hub has already, and the hub
     * would take the two for one. */
    if (c->hlc > lm_hlc_of_ms(wall_ms) && c->hlc < LM_HLC_FAR - HLC_SKIP) {
        c->hlc += randombytes_uniform(HLC_SKIP);
    }
    c->wall_delta_ms = wall_ms - lm_hlc_ms(c->hlc);
    c->offset_known = me->offset_known;
    c->offset_ms = me->offset_ms;
    return fill_fields(s);
}

/* The categories of the persons visited are kept as they are on the day of saving. */
static enum lm_status fill_categories(struct save *s)
{
    const struct lm_field *persons = lm_type_field(s->type, "persons");
    const struct lm_field *category = lm_type_field(s->type, "category_at_visit");
    const struct lm_value *value;
    struct lm_value out = lm_value_null();
    enum lm_status st;

    if (strcmp(s->type->name, "visit") != 0 || !persons || !category) {
        return LM_OK;
    }
    value = lm_fieldset_get(&s->set, persons->index);
    if (!value) {
        return LM_OK;
    }
    st = lm_visit_categories(s->catalog, value, &s->lookup, &s->saver->arena, &out);
    if (st == LM_OK) {
        lm_fieldset_put(&s->set, category->index, out);
    }
    return st;
}

/* ---- judging ---- */

static enum lm_status refused(const struct save *s)
{
    return lm_issues_first_refusal(&s->result->issues) ? LM_ERR_INVALID : LM_OK;
}

static enum lm_status judge(struct save *s)
{
    const struct lm_record *before = s->again ? NULL : s->current;
    const struct lm_validate_in in = {.catalog = s->catalog,
                                      .type = s->type,
                                      .before = before,
                                      .after = s->after,
                                      .set = &s->set,
                                      .author = LM_BY_VILLAGE,
                                      .station = s->saver->me.station,
                                      .deleting = s->change.op == LM_OP_DELETE,
                                      .undeleting = s->change.op == LM_OP_UNDELETE,
                                      .lookup = &s->lookup,
                                      .now_ms = lm_clock_wall_ms() + s->saver->me.offset_ms,
                                      .clock_confirmed = s->saver->me.offset_known};
    enum lm_status st = lm_validate(&in, &s->saver->arena, &s->result->issues);

    if (st == LM_OK && !in.deleting) {
        st = lm_node_check_references(s->saver->store, s->type, before, &s->set, s->change.id,
                                      &s->result->issues);
    }
    if (st == LM_OK && !in.deleting &&
        (!before || in.undeleting || lm_node_touches_key(s->type, &s->set))) {
        st = lm_node_check_key(s->saver->store, s->after, s->saver->me.station, &s->result->issues,
                               s->result->other);
        st = st == LM_OK ? lm_nil_check(lm_nstore_tables(s->saver->store), s->catalog, s->after,
                                        s->saver->me.station, &s->result->issues)
                         : st;
    }
    if (st == LM_OK && !in.deleting && lm_is_request(s->type) && refused(s) == LM_OK) {
        st = lm_node_check_request(s->saver->store, &in, s->saver->me.station, &s->saver->arena,
                                   &s->result->issues, s->result->other);
    }
    if (st == LM_OK && !in.deleting) {
        st = lm_node_check_period(s->saver->store, before, s->after, &s->result->issues);
    }
    return st == LM_OK ? refused(s) : st;
}

/* Builds the record as it is after the change, judges it, and writes both. */
static enum lm_status commit_change(struct save *s, enum lm_op op, const char *id)
{
    const struct lm_merge_author author = {
        .replica = s->saver->me.replica, .by = LM_BY_VILLAGE, .station = s->saver->me.station};
    const struct lm_record *base = op == LM_OP_CREATE ? NULL : s->current;
    struct lm_buf body;
    enum lm_status st = fill_change(s, op, id);

    if (st == LM_OK) {
        st = lm_change_apply_local(s->catalog, base, &s->change, &s->set, author, &s->saver->arena,
                                   &s->after);
    }
    if (st == LM_OK) {
        st = lm_compute(s->catalog, s->after, base == NULL, s->saver->me.level, &s->lookup,
                        &s->saver->arena);
    }
    if (st == LM_OK) {
        st = judge(s);
    }
    if (st != LM_OK) {
        return st;
    }
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    lm_change_pack(&body, &s->change);
    if (body.status == LM_ERR_LIMIT) {
        st = lm_fail(s->err, LM_ERR_LIMIT, "too_large", "", "这条记录太大，请缩短文字或分开填写。",
                     "The record is too large: shorten it or split it.");
    } else if (body.status != LM_OK) {
        st = out_of_memory(s);
    }
    if (st == LM_OK) {
        st = lm_nstore_append(s->saver->store, &s->saver->me, &s->change, body.data, body.len,
                              s->err);
    }
    if (st == LM_OK) {
        if (s->current) { /* what the hub said of it stays until the hub says otherwise */
            s->after->position = s->current->position;
        }
        st = lm_tables_put(lm_nstore_tables(s->saver->store), s->after, s->current == NULL, s->err);
        s->saver->dirty = true;
    }
    lm_buf_free(&body);
    return st;
}

/* ---- the four operations ---- */

static enum lm_status read_fields(struct save *s)
{
    enum lm_status st = lm_fields_from_json(s->catalog, s->type, s->entry->fields, &s->saver->arena,
                                            &s->set, &s->result->issues);

    return st == LM_OK ? refused(s) : st;
}

/* A record is deleted by deleting it: a reason set like a value would stand in a live record. */
static enum lm_status no_deletion(struct save *s)
{
    for (size_t i = 0; i < s->set.n; i++) {
        const struct lm_field *f = &s->type->fields[s->set.index[i]];

        if (f->group == LM_GROUP_DELETED && (s->current || !lm_value_is_null(&s->set.value[i]))) {
            return lm_fail(s->err, LM_ERR_INVALID, "use_delete", f->name,
                           "“%s”不能当作内容填写：要删除请用“删除”，要恢复请用“恢复”。%.0s",
                           "%.0sThe field %s is not set like a value: delete the record, or bring "
                           "it back.",
                           f->zh, f->name);
        }
    }
    return LM_OK;
}

/* Whether a record that is there already is what this save asks for: then it is the same save,
 * whose note was lost. */
static bool says_the_same(const struct save *s, const struct lm_record *rec)
{
    for (size_t i = 0; i < s->set.n; i++) {
        if (!lm_value_equal(&s->set.value[i], &rec->fields[s->set.index[i]])) {
            return false;
        }
    }
    return true;
}

static enum lm_status key_reused(struct save *s)
{
    return s->entry->id ? lm_fail(s->err, LM_ERR_EXISTS, "key_reused", "id",
                                  "这个 id 已用于另一条内容不同的记录。",
                                  "This id was used for a record with other content.")
                        : lm_fail(s->err, LM_ERR_EXISTS, "key_reused", "key",
                                  "这个 key 已用于另一条内容不同的记录。",
                                  "This key was used for a record with other content.");
}

/* *done_out: the save was made before, or cannot be made. */
static enum lm_status repeated(struct save *s, const char *key, const uint8_t hash[32],
                               bool *done_out)
{
    char id[40];
    uint8_t known[32];
    enum lm_status st = lm_nstore_saved(s->saver->store, key, id, known, s->err);

    *done_out = st != LM_ERR_NOT_FOUND;
    if (st == LM_OK && memcmp(known, hash, sizeof known) != 0) {
        return key_reused(s);
    }
    if (st == LM_OK) {
        (void)snprintf(s->result->id, sizeof s->result->id, "%s", id);
        s->result->repeated = true;
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* An own id that is known already, though not from a save noted here. */
static enum lm_status known_id(struct save *s, const char *id, bool *done_out)
{
    const struct lm_type *type = lm_nstore_type_of(s->saver->store, id);
    struct lm_record *rec = NULL;
    enum lm_status st;

    *done_out = type != NULL;
    if (!type) {
        return LM_OK;
    }
    if (type != s->type) {
        return lm_fail(s->err, LM_ERR_EXISTS, "other_type", "id", "这个 id 已是另一类记录（%s）。",
                       "A record of another type (%s) has this id.", type->name);
    }
    st = lm_tables_get(lm_nstore_tables(s->saver->store), &s->saver->arena, type, id, &rec);
    if (st == LM_OK && !says_the_same(s, rec)) {
        return key_reused(s);
    }
    (void)snprintf(s->result->id, sizeof s->result->id, "%s", id);
    s->result->repeated = true;
    return st;
}

static enum lm_status own_id(struct save *s, char id[LM_UUID_TEXT + 1])
{
    uint8_t bytes[16];
    struct lm_rand rnd;

    if (!s->entry->id) {
        lm_rand_seed_system(&rnd);
        lm_uuid_v7(&rnd, lm_clock_wall_ms(), id);
        return LM_OK;
    }
    if (!lm_uuid_is_v7(s->entry->id, strlen(s->entry->id)) ||
        !lm_uuid_parse(s->entry->id, strlen(s->entry->id), bytes)) {
        return lm_fail(s->err, LM_ERR_INVALID, "bad_uuid", "id", "自带的 id 应为 UUIDv7。",
                       "An own id must be a UUIDv7.");
    }
    lm_uuid_format(bytes, id);
    return LM_OK;
}

static enum lm_status create(struct save *s)
{
    char id[LM_UUID_TEXT + 1], key[4 + LM_KEY_CHARS_MAX * 4 + 1] = "";
    uint8_t hash[32];
    bool done = false;
    enum lm_status st;

    s->type = lm_catalog_type(s->catalog, s->entry->type);
    if (!s->type) {
        return lm_fail(s->err, LM_ERR_INVALID, "unknown_type", "type", "没有记录类型“%.40s”。",
                       "No record type \"%.40s\".", s->entry->type);
    }
    if (!(s->type->kept_by & LM_BY_VILLAGE)) {
        return lm_fail(
            s->err, LM_ERR_DENIED, "not_your_type", "type", "“%s”由镇服务站登记，请联系镇里。%.0s",
            "%.0sRecords of type %s are kept by the town station.", s->type->zh, s->type->name);
    }
    st = own_id(s, id);
    if (st == LM_OK) {
        st = lm_entry_hash(s->type->name, NULL, s->entry->fields, hash);
    }
    if (st == LM_OK && (s->entry->id || s->entry->key)) {
        (void)snprintf(key, sizeof key, s->entry->id ? "id:%s" : "key:%s",
                       s->entry->id ? id : s->entry->key);
        st = repeated(s, key, hash, &done);
    }
    if (st == LM_OK && !done) {
        st = read_fields(s);
    }
    if (st == LM_OK && !done) {
        st = no_deletion(s);
    }
    if (st == LM_OK && !done && s->entry->id) {
        st = known_id(s, id, &done);
    }
    if (st != LM_OK || done) {
        return st;
    }
    st = fill_categories(s);
    if (st == LM_OK) {
        st = commit_change(s, LM_OP_CREATE, id);
    }
    if (st == LM_OK && key[0]) {
        st = lm_nstore_save_key(s->saver->store, key, id, hash, s->err);
    }
    (void)snprintf(s->result->id, sizeof s->result->id, "%s", id);
    return st;
}

/* Leaves out what sets a field to what it is already, unless two values of it are to be decided
 * between: then it says that this one is right. */
static void drop_unchanged(struct save *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->set.n; i++) {
        const struct lm_type *type = s->current->type;

        if (!lm_value_equal(&s->set.value[i], &s->current->fields[s->set.index[i]]) ||
            lm_nstore_in_conflict(s->saver->store, s->current->id,
                                  type->groups[type->fields[s->set.index[i]].group].name)) {
            s->set.index[kept] = s->set.index[i];
            s->set.value[kept++] = s->set.value[i];
        }
    }
    s->set.n = kept;
}

/* The hub refused the creation: it knows nothing of the record, so the whole of it goes again. */
static void take_whole(struct save *s)
{
    for (size_t f = 0; f < s->type->n_fields; f++) {
        const struct lm_field *field = &s->type->fields[f];
        bool sent =
            field->fill == LM_FILL_PROGRAM ||
            (field->fill == LM_FILL_USER && (field->edit_by & LM_BY_VILLAGE) && !field->retired);

        if (sent && field->group != LM_GROUP_DELETED && !lm_value_is_null(&s->current->fields[f]) &&
            !lm_fieldset_get(&s->set, (int)f) && s->set.n < LM_CHANGE_FIELDS_MAX) {
            lm_fieldset_put(&s->set, (int)f, s->current->fields[f]);
        }
    }
}

/* Whether a field that is set still is as the author saw it. Null and absent are the same. */
static enum lm_status check_seen(struct save *s)
{
    for (size_t i = 0; s->entry->was && i < s->set.n; i++) {
        const struct lm_field *f = &s->type->fields[s->set.index[i]];
        const json_t *was = json_object_get(s->entry->was, f->name);
        const struct lm_value *now = &s->current->fields[s->set.index[i]];
        json_t *now_json = lm_value_is_null(now) ? json_null() : lm_field_to_json(f, now);
        bool same = now_json && json_equal(was ? was : json_null(), now_json);

        json_decref(now_json);
        if (!same) {
            return lm_fail(s->err, LM_ERR_EXISTS, "changed_meanwhile", f->name,
                           "“%s”刚被改过（可能在另一个窗口，或镇里），没有保存。请核对后再存。%.0s",
                           "%.0sThe field %s was changed meanwhile, in another window or by the "
                           "town; nothing was saved.",
                           f->zh, f->name);
        }
    }
    return LM_OK;
}

/* Whether the record as a whole still is the one that the author saw. */
static enum lm_status check_rev(struct save *s)
{
    char rev[LM_REV_TEXT + 1];

    lm_node_rev(s->current, rev);
    if (!s->entry->rev || strcmp(s->entry->rev, rev) == 0) {
        return LM_OK;
    }
    return lm_fail(s->err, LM_ERR_EXISTS, "changed_meanwhile", "rev",
                   "这条记录后来又改过（可能在另一个窗口，或镇里），所以没有动它。请打开看看。",
                   "The record was changed since, in another window or by the town, so nothing was "
                   "done. Open it and look.");
}

static enum lm_status edit(struct save *s)
{
    const char *id = s->current->id;
    enum lm_status st;

    if (lm_record_deleted(s->current)) {
        return lm_fail(s->err, LM_ERR_INVALID, "deleted", "id", "记录已删除，请先恢复再修改。",
                       "The record is deleted: bring it back before editing it.");
    }
    st = read_fields(s);
    if (st != LM_OK) {
        return st;
    }
    drop_unchanged(s);
    if (s->set.n == 0) {
        return LM_OK;
    }
    st = no_deletion(s);
    if (st == LM_OK) {
        st = check_rev(s);
    }
    if (st == LM_OK) {
        st = check_seen(s);
    }
    if (st != LM_OK) {
        return st;
    }
    st = fill_categories(s);
    if (st != LM_OK) {
        return st;
    }
    if (s->again) {
        take_whole(s);
        return commit_change(s, LM_OP_CREATE, id);
    }
    lm_fieldset_complete(s->type, s->current, LM_BY_VILLAGE, &s->set);
    return commit_change(s, LM_OP_EDIT, id);
}

/* What the hub refused to take in exists here only: it is deleted here only. */
static enum lm_status give_up(struct save *s)
{
    struct lm_record *rec = lm_record_copy(&s->saver->arena, s->current);
    char *at = lm_arena_alloc(&s->saver->arena, LM_TIME_TEXT + 8);
    const struct lm_value *reason = lm_fieldset_get(&s->set, LM_C_DELETE_REASON);
    enum lm_status st;

    if (!rec || !at) {
        return out_of_memory(s);
    }
    if (!reason) {
        return lm_fail(s->err, LM_ERR_INVALID, "required", "delete_reason",
                       "删除要写明原因（\"reason\"）。", "A deletion needs its \"reason\".");
    }
    lm_time_format(lm_clock_wall_ms() + s->saver->me.offset_ms, at);
    rec->fields[LM_C_DELETED_AT] = lm_value_text(at);
    rec->fields[LM_C_DELETE_REASON] = *reason;
    st = lm_tables_put(lm_nstore_tables(s->saver->store), rec, false, s->err);
    if (st == LM_OK) {
        st = lm_nstore_close_verdicts(s->saver->store, rec->id, s->err);
    }
    s->saver->dirty = true;
    return st;
}

static enum lm_status delete_or_undelete(struct save *s)
{
    bool deleting = s->entry->op == LM_OP_DELETE;
    enum lm_status st = LM_OK;

    if (deleting) {
        st = read_fields(s);
    }
    /* What is so already is not done again, unless that is to be decided: then it says that this
     * is right. */
    if (st != LM_OK || (lm_record_deleted(s->current) == deleting &&
                        !lm_nstore_to_decide(s->saver->store, s->current, LM_GROUP_DELETED))) {
        return st;
    }
    st = check_rev(s);
    if (st != LM_OK) {
        return st;
    }
    if (deleting && s->again) {
        return give_up(s);
    }
    return commit_change(s, s->entry->op, s->current->id);
}

static enum lm_status change_existing(struct save *s)
{
    char id[LM_UUID_TEXT + 1];
    uint8_t bytes[16];
    struct lm_record *rec = NULL;
    enum lm_status st;

    if (!lm_uuid_parse(s->entry->id, strlen(s->entry->id), bytes)) {
        return lm_fail(s->err, LM_ERR_INVALID, "bad_uuid", "id", "“id”不是合法的 UUID。",
                       "\"id\" is not a UUID.");
    }
    lm_uuid_format(bytes, id);
    s->type = lm_nstore_type_of(s->saver->store, id);
    if (!s->type) {
        return lm_fail(s->err, LM_ERR_NOT_FOUND, "not_found", "id", "本站没有这条记录：%s。",
                       "There is no record %s here.", id);
    }
    st = lm_tables_get(lm_nstore_tables(s->saver->store), &s->saver->arena, s->type, id, &rec);
    if (st != LM_OK) {
        return st;
    }
    s->current = rec;
    s->again = rec->position == 0 &&
               lm_nstore_refused(s->saver->store, rec->stamps[LM_GROUP_ORIGIN].version.hlc);
    (void)snprintf(s->result->id, sizeof s->result->id, "%s", id);
    return s->entry->op == LM_OP_EDIT ? edit(s) : delete_or_undelete(s);
}

/* ---- batches ---- */

static bool ends_batch(enum lm_status st)
{
    return st == LM_ERR_IO || st == LM_ERR_FULL || st == LM_ERR_BUSY || st == LM_ERR_MEMORY ||
           st == LM_ERR_CORRUPT;
}

static enum lm_status break_batch(struct lm_node_saver *saver, enum lm_status st,
                                  const struct lm_error *err)
{
    lm_nstore_rollback(saver->store);
    saver->open = false;
    saver->dirty = false;
    saver->broken = st;
    saver->why = *err;
    if (!saver->why.code[0]) {
        (void)lm_fail(&saver->why, st, lm_status_name(st), "", "未能保存，这一批都没有写入。",
                      "Not saved: nothing of this batch was written.");
    }
    return st;
}

static enum lm_status begin(struct lm_node_saver *saver, struct lm_error *err)
{
    int64_t free_bytes = lm_free_bytes(saver->dir);
    enum lm_status st;

    if (free_bytes >= 0 && free_bytes < LM_FREE_BYTES_MIN) {
        return lm_fail(err, LM_ERR_FULL, "disk_full", "",
                       "磁盘剩余空间不足 50 MB，没有保存。请清理磁盘后重试。",
                       "Less than 50 MB of disk space is left; nothing was saved. Free some space "
                       "and try again.");
    }
    st = lm_nstore_begin(saver->store, err);
    if (st == LM_OK) {
        st = lm_nstore_me(saver->store, &saver->me, err);
    }
    saver->open = st == LM_OK;
    return st;
}

enum lm_status lm_node_save(void *ctx, const struct lm_entry *entry, struct lm_entry_result *result,
                            struct lm_error *err)
{
    struct lm_node_saver *saver = ctx;
    struct save s = {.saver = saver, .entry = entry, .result = result, .err = err};
    struct lm_me before;
    enum lm_status st = LM_OK, undone;

    if (!saver->open) {
        st = begin(saver, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_savepoint(saver->store, err);
    }
    if (st != LM_OK) {
        return break_batch(saver, st, err);
    }
    before = saver->me;
    lm_arena_reset(&saver->arena);
    s.catalog = lm_nstore_catalog(saver->store);
    s.lookup = lm_tables_lookup(lm_nstore_tables(saver->store));
    st = entry->op == LM_OP_CREATE ? create(&s) : change_existing(&s);
    if (ends_batch(st)) {
        return break_batch(saver, st, err);
    }
    undone = lm_nstore_release(saver->store, st == LM_OK, st == LM_OK ? err : NULL);
    if (undone != LM_OK) {
        return break_batch(saver, undone, err);
    }
    if (st != LM_OK) {
        saver->me = before;
    }
    return st;
}

enum lm_status lm_node_saver_flush(void *ctx, struct lm_error *err)
{
    struct lm_node_saver *saver = ctx;
    enum lm_status st;

    if (saver->broken != LM_OK) {
        *err = saver->why;
        return saver->broken;
    }
    if (!saver->open) {
        return LM_OK;
    }
    if (LM_BREAK(SAVE_BEFORE_COMMIT)) {
        saver->saved = saver->saved || saver->dirty;
        return LM_OK;
    }
    st = lm_nstore_commit(saver->store, err);
    saver->open = false;
    if (st != LM_OK) {
        return break_batch(saver, st, err);
    }
    saver->saved = saver->saved || saver->dirty;
    saver->dirty = false;
    return LM_OK;
}
