/* What town staff and the program do: JSON to a change of replica 0, judged like any other.
 *
 * A change of the hub that is refused or would have to wait leaves nothing: it is undone and told
 * to who asked. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum { ACT_ARENA_MAX = 32 * 1024 * 1024 };

/* ---- one change of the hub
 * --------------------------------------------------------------------------------------------------------------
 */

static enum lm_status fields_map(struct lm_arena *arena, const struct lm_type *type,
                                 const struct lm_fieldset *set, const char *village,
                                 struct lm_value *out)
{
    struct lm_pair *pairs = lm_arena_alloc(arena, (set->n + 1) * sizeof *pairs);
    uint32_t n = 0;

    if (!pairs) {
        return LM_ERR_MEMORY;
    }
    for (size_t i = 0; i < set->n; i++) {
        const char *name = type->fields[set->index[i]].name;

        pairs[n++] = (struct lm_pair){
            .key = name, .key_len = (uint32_t)strlen(name), .value = set->value[i]};
    }
    if (village) {
        pairs[n++] =
            (struct lm_pair){.key = "village_code", .key_len = 12, .value = lm_value_text(village)};
    }
    *out = n ? (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs} : lm_value_null();
    return LM_OK;
}

static uint64_t highest_hlc(const struct lm_record *rec)
{
    uint64_t highest = 0;

    for (size_t g = 0; rec && g < rec->type->n_groups; g++) {
        highest = rec->stamps[g].version.hlc > highest ? rec->stamps[g].version.hlc : highest;
    }
    return highest;
}

static bool names_value(const struct lm_value *value, const char *id)
{
    size_t n = strlen(id);

    switch (value->kind) {
    case LM_TEXT:
        return value->len >= n && memcmp(value->text + value->len - n, id, n) == 0;
    case LM_LIST:
        for (uint32_t i = 0; i < value->len; i++) {
            if (names_value(&value->items[i], id)) {
                return true;
            }
        }
        return false;
    case LM_MAP:
        for (uint32_t i = 0; i < value->len; i++) {
            if (names_value(&value->pairs[i].value, id)) {
                return true;
            }
        }
        return false;
    case LM_NULL:
    case LM_BOOL:
    case LM_INT:
        break;
    }
    return false;
}

static bool denied_code(const char *code)
{
    static const char *const codes[] = {"not_allowed",  "town_field",    "system_field",
                                        "locked_state", "not_your_type", NULL};

    for (int i = 0; codes[i]; i++) {
        if (strcmp(codes[i], code) == 0) {
            return true;
        }
    }
    return false;
}

/* A verdict that the hub's own change may not have, in words for who asked. */
static enum lm_status refuse(const struct lm_type *type, const struct lm_fieldset *set,
                             const struct lm_judge_out *judged, const char *waits_for,
                             struct lm_act_result *out, struct lm_error *err)
{
    struct lm_error why = judged->reason;
    enum lm_status status = LM_ERR_INVALID;

    if (judged->verdict == LM_V_HELD && strncmp(waits_for, "record:", 7) == 0) {
        const char *field = "";

        for (size_t i = 0; i < set->n; i++) {
            if (names_value(&set->value[i], waits_for + 7)) {
                field = type->fields[set->index[i]].name;
            }
        }
        (void)lm_fail(&why, LM_OK, "no_such_record", field, "所引用的记录不存在",
                      "The record that it refers to is not there");
    }
    lm_issue_add(&out->issues, LM_REFUSE, why.code, why.field, why.zh, why.en);
    if (denied_code(why.code)) {
        status = LM_ERR_DENIED;
    }
    if (err) {
        *err = why;
    }
    return status;
}

struct same_key {
    bool found;
};

static bool found_same(void *arg, const struct lm_record *other)
{
    (void)other;
    ((struct same_key *)arg)->found = true;
    return false;
}

static bool touches_key(const struct lm_type *type, const struct lm_fieldset *set)
{
    for (size_t i = 0; i < type->n_natural_key; i++) {
        if (lm_fieldset_get(set, type->natural_key[i])) {
            return true;
        }
    }
    return false;
}

/* The natural key, as the hub asks it of itself: unique within the village, a warning elsewhere. */
static enum lm_status check_key(struct lm_store *store, const struct lm_record *rec,
                                const struct lm_fieldset *set, bool creation,
                                struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_type *type = rec->type;
    const char *field;
    struct same_key same = {false};
    bool person = strcmp(type->name, "person") == 0;
    enum lm_status status;

    if (type->key_mode == LM_KEY_FREE || type->n_natural_key == 0 ||
        (!creation && !touches_key(type, set)) || lm_record_deleted(rec)) {
        return LM_OK;
    }
    field = type->fields[type->natural_key[0]].name;
    status = lm_tables_same_key(store->tables, &store->arena, rec,
                                lm_record_text(rec, LM_C_VILLAGE_CODE), found_same, &same);
    if (status != LM_OK) {
        return status;
    }
    if (same.found && type->key_mode == LM_KEY_UNIQUE) {
        lm_issue_add(&out->issues, LM_REFUSE, "not_unique", field, "已有同样的记录",
                     "There is such a record already");
        return lm_fail(err, LM_ERR_INVALID, "not_unique", field, "已有同样的记录",
                       "There is such a record already");
    }
    if (!same.found && person) {
        status = lm_tables_same_key(store->tables, &store->arena, rec, NULL, found_same, &same);
    }
    if (status == LM_OK && same.found) {
        lm_issue_add(&out->issues, LM_WARN, "not_unique", field,
                     "其他站或本站可能已有同样的记录，请核对",
                     "There may be such a record already: check");
    }
    return status;
}

static enum lm_status add_warnings(struct lm_store *store, const struct lm_own *own,
                                   const struct lm_record *before, const struct lm_record *after,
                                   const struct lm_fieldset *set, int64_t now_ms,
                                   struct lm_act_result *out)
{
    struct lm_issues issues;
    const struct lm_validate_in in = {
        .catalog = store->catalog,
        .type = after->type,
        .before = before,
        .after = after,
        .set = set,
        .author = own->by,
        .deleting = own->op == LM_OP_DELETE,
        .undeleting = own->op == LM_OP_UNDELETE,
        .lookup = &store->lookup,
        .now_ms = now_ms,
        .clock_confirmed = true,
    };
    enum lm_status status;

    lm_issues_init(&issues);
    status = lm_validate(&in, &store->arena, &issues);
    for (size_t i = 0; status == LM_OK && i < issues.n; i++) {
        if (issues.items[i].level == LM_WARN) {
            const struct lm_error *w = &issues.items[i].error;
            lm_issue_add(&out->issues, LM_WARN, w->code, w->field, w->zh, w->en);
        }
    }
    return status;
}

static enum lm_status journal_own(struct lm_store *store, const struct lm_own *own,
                                  const struct lm_type *type, const struct lm_record *before,
                                  const struct lm_fieldset *set, const struct lm_buf *body,
                                  int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    struct lm_judge_in in = {
        .entry = {.replica = 0,
                  .branch = store->town.incarnation.counter,
                  .seq = store->state.hub.seq + 1,
                  .station = store->town.code,
                  .body = body->data,
                  .body_len = body->len,
                  .received_ms = now_ms,
                  .by = (unsigned)own->by},
        .hlc_floor = store->state.hub_hlc,
        .offset_given = true,
    };
    struct lm_judge_out judged = {0};
    struct lm_branch_row row = {
        .branch = in.entry.branch, .first_seq = in.entry.seq, .last_seq = in.entry.seq};
    struct lm_error why;
    char waits_for[96];
    enum lm_status status = lm_judge(store, &in, &judged, err);

    if (status != LM_OK) {
        return status;
    }
    if (judged.verdict != LM_V_APPLIED && judged.verdict != LM_V_CONCURRENT) {
        lm_reason_read(in.entry.reason, &why, waits_for);
        return refuse(type, set, &judged, waits_for, out, err);
    }
    status = check_key(store, judged.record, set, before == NULL, out, err);
    if (status == LM_OK) {
        status = add_warnings(store, own, before, judged.record, set, now_ms, out);
    }
    if (status != LM_OK) {
        return status;
    }
    memcpy(row.before, store->state.hub.hash, LM_HASH_BYTES);
    lm_chain_next(row.before, body->data, body->len, row.after);
    row.pos_first = in.entry.pos;
    row.hlc = judged.hlc > store->state.hub_hlc ? judged.hlc : store->state.hub_hlc;
    status = lm_branch_add(store, &row, err);
    if (status == LM_OK) {
        store->state.hub.seq = row.last_seq;
        memcpy(store->state.hub.hash, row.after, LM_HASH_BYTES);
        store->state.hub_hlc = row.hlc;
        status = lm_judge_redrive(store, now_ms, err);
    }
    return status;
}

static enum lm_status make_own(struct lm_store *store, const struct lm_own *own,
                               const struct lm_type *type, const char *id,
                               const struct lm_record *before, struct lm_fieldset *set,
                               int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_buf body;
    struct lm_change change = {.type = type->name,
                               .op = own->op,
                               .user = own->user,
                               .catalog = store->catalog->number,
                               .offset_known = true};
    uint64_t highest = 0, stamps = highest_hlc(before);
    const char *village = !before && own->station ? own->station : NULL;
    enum lm_status status;

    lm_arena_init(&arena, ACT_ARENA_MAX);
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    (void)snprintf(change.id, sizeof change.id, "%s", id);
    if (before && own->op == LM_OP_EDIT) {
        lm_fieldset_complete(type, before, own->by, set);
    }
    status = fields_map(&arena, type, set, village, &change.fields);
    if (status == LM_OK) {
        status = lm_change_see(type, before, set, &change, &arena, &highest);
    }
    if (status == LM_OK) {
        change.hlc = lm_hlc_next(store->state.hub_hlc, highest > stamps ? highest : stamps, now_ms);
        change.wall_delta_ms = now_ms - lm_hlc_ms(change.hlc);
        lm_change_pack(&body, &change);
        status = body.status;
        if (status == LM_ERR_LIMIT) {
            status = lm_fail(err, LM_ERR_LIMIT, "too_large", "", "内容太多，请缩短",
                             "Too much content: shorten it");
        }
    }
    if (status == LM_OK) {
        status = journal_own(store, own, type, before, set, &body, now_ms, out, err);
    }
    lm_buf_free(&body);
    lm_arena_free(&arena);
    return status;
}

enum lm_status lm_own_change(struct lm_store *store, const struct lm_own *own,
                             const struct lm_type *type, const char *id,
                             const struct lm_record *before, struct lm_fieldset *set,
                             int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    struct lm_store_state state = store->state;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_PUSH, err);

    if (status != LM_OK) {
        return status;
    }
    store->n_redrive = 0;
    status = make_own(store, own, type, id, before, set, now_ms, out, err);
    if (status == LM_OK) {
        return lm_query_do(store, LM_Q_RELEASE_PUSH, err);
    }
    store->state = state;
    store->n_redrive = 0;
    if (lm_query_do(store, LM_Q_BACK_PUSH, NULL) != LM_OK ||
        lm_query_do(store, LM_Q_RELEASE_PUSH, NULL) != LM_OK) {
        return lm_is_fatal(status) ? status : LM_ERR_IO;
    }
    return status;
}

/* ---- saves: the same one again
 * ---------------------------------------------------------------------------------------------------------
 */

static enum lm_status save_look(struct lm_store *store, const char *key, const uint8_t hash[32],
                                char id[40], bool *found, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SAVE_GET, err);
    uint8_t old[32];
    enum lm_status status;

    *found = false;
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, key);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, id, 40);
        lm_column_bytes(stmt, 1, old, sizeof old);
        *found = true;
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return LM_OK;
    }
    if (status == LM_OK && memcmp(old, hash, sizeof old) != 0) {
        return lm_fail(err, LM_ERR_EXISTS, "key_reused", strncmp(key, "id:", 3) == 0 ? "id" : "key",
                       "同一标识已用于另一内容", "The same id or key was used with other content");
    }
    return status;
}

static enum lm_status save_put(struct lm_store *store, const char *key, const char *id,
                               const uint8_t hash[32], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SAVE_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, key);
    lm_bind_text(stmt, 2, id);
    lm_bind_blob(stmt, 3, hash, 32);
    return lm_query_run(store, stmt, err);
}

/* What "the same save" means: type, station and values, in the order of the catalogue. */
static enum lm_status content_hash(const struct lm_type *type, const char *station,
                                   const struct lm_fieldset *set, uint8_t out[32])
{
    struct lm_buf buf;
    enum lm_status status;

    lm_buf_init(&buf, 2 * LM_CHANGE_BYTES_MAX);
    lm_buf_printf(&buf, "%s|%s|", type->name, station);
    for (size_t f = 0; f < type->n_fields; f++) {
        const struct lm_value *value = lm_fieldset_get(set, (int)f);

        if (value && !lm_value_is_null(value)) {
            lm_buf_printf(&buf, "%s=", type->fields[f].name);
            lm_value_pack(&buf, value);
        }
    }
    status = buf.status;
    if (status == LM_OK) {
        lm_hash(out, buf.data, buf.len, NULL, 0, NULL, 0);
    }
    lm_buf_free(&buf);
    return status;
}

/* ---- acts
 * -----------------------------------------------------------------------------------------------------------------------------------
 */

static enum lm_status fill_visit(struct lm_store *store, const struct lm_type *type,
                                 struct lm_fieldset *set, struct lm_arena *arena)
{
    const struct lm_field *persons, *category;
    const struct lm_value *value;
    struct lm_value filled;
    enum lm_status status;

    if (strcmp(type->name, "visit") != 0) {
        return LM_OK;
    }
    persons = lm_type_field(type, "persons");
    category = lm_type_field(type, "category_at_visit");
    value = persons ? lm_fieldset_get(set, persons->index) : NULL;
    if (!value || !category || lm_fieldset_get(set, category->index)) {
        return LM_OK;
    }
    status = lm_visit_categories(store->catalog, value, &store->lookup, arena, &filled);
    if (status == LM_OK) {
        lm_fieldset_put(set, category->index, filled);
    }
    return status;
}

static enum lm_status first_refusal(const struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_error *why = lm_issues_first_refusal(&out->issues);

    if (!why) {
        return LM_OK;
    }
    if (err) {
        *err = *why;
    }
    return denied_code(why->code) ? LM_ERR_DENIED : LM_ERR_INVALID;
}

static enum lm_status read_fields(struct lm_store *store, const struct lm_act *act,
                                  const struct lm_type *type, struct lm_arena *arena,
                                  struct lm_fieldset *set, struct lm_act_result *out,
                                  struct lm_error *err)
{
    enum lm_status status = LM_OK;

    memset(set, 0, sizeof *set);
    if (act->fields && act->by_system) { /* what the program sets, nobody types: canonical values,
                                            the hub's own fields too */
        struct lm_value map;

        status = lm_value_from_json(arena, act->fields, &map);
        if (status == LM_OK) {
            status = lm_fields_check(store->catalog, type, &map, arena, set, &out->issues);
        }
    } else if (act->fields) {
        status = lm_fields_from_json(store->catalog, type, act->fields, arena, set, &out->issues);
    }
    if (status == LM_OK || status == LM_ERR_INVALID) {
        enum lm_status refused = first_refusal(out, err);
        return refused != LM_OK ? refused : status;
    }
    return status;
}

static enum lm_status new_id(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             char out[40], struct lm_error *err)
{
    const char *type;

    if (!act->id) {
        lm_uuid_v7(&store->rnd, now_ms, out);
        return LM_OK;
    }
    if (!lm_uuid_is_v7(act->id, strlen(act->id))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "记录标识不是UUIDv7",
                       "The record's id is not a UUIDv7");
    }
    uint8_t bytes[16];
    if (!lm_uuid_parse(act->id, strlen(act->id), bytes)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "记录标识不是UUIDv7",
                       "The record's id is not a UUIDv7");
    }
    lm_uuid_format(bytes, out);
    type = lm_store_type_of(store, out);
    return type ? lm_fail(err, LM_ERR_EXISTS, "key_reused", "id", "这个标识已有记录",
                          "There is a record of this id already")
                : LM_OK;
}

static enum lm_status create(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             struct lm_arena *arena, struct lm_act_result *out,
                             struct lm_error *err)
{
    const struct lm_type *type = act->type ? lm_catalog_type(store->catalog, act->type) : NULL;
    const char *station = act->station && act->station[0] ? act->station : store->town.code;
    const struct lm_own own = {.user = act->user ? act->user : "",
                               .station = station,
                               .by = act->by_system ? LM_BY_SYSTEM : LM_BY_TOWN,
                               .op = LM_OP_CREATE};
    struct lm_station there;
    struct lm_fieldset set;
    char id_key[64], key[8 + 4 * LM_KEY_CHARS_MAX + 1];
    uint8_t hash[32];
    bool found = false;
    enum lm_status status;

    if (!type) {
        return lm_fail(err, LM_ERR_INVALID, "unknown_type", "type", "没有这种记录：%.40s",
                       "There is no record type %.40s", act->type ? act->type : "");
    }
    if (lm_store_station_get(store, station, &there) != LM_OK) {
        return lm_fail(err, LM_ERR_INVALID, "no_station", "station", "没有登记这个服务站：%.40s",
                       "No such station: %.40s", station);
    }
    status = read_fields(store, act, type, arena, &set, out, err);
    if (status == LM_OK) {
        status = content_hash(type, station, &set, hash);
    }
    (void)snprintf(id_key, sizeof id_key, "id:%.40s", act->id ? act->id : "");
    (void)snprintf(key, sizeof key, "key:%s", act->key ? act->key : "");
    if (status == LM_OK && act->id) {
        status = save_look(store, id_key, hash, out->id, &found, err);
    }
    if (status == LM_OK && !found && act->key) {
        status = save_look(store, key, hash, out->id, &found, err);
    }
    if (status != LM_OK || found) {
        out->repeated = found && status == LM_OK;
        return status;
    }
    status = new_id(store, act, now_ms, out->id, err);
    if (status == LM_OK) {
        status = fill_visit(store, type, &set, arena);
    }
    if (status == LM_OK && !lm_fieldset_get(&set, LM_C_STATE) && type->default_state) {
        lm_fieldset_put(&set, LM_C_STATE, lm_value_text(type->default_state));
    }
    if (status == LM_OK) {
        status = lm_own_change(store, &own, type, out->id, NULL, &set, now_ms, out, err);
    }
    if (status == LM_OK && act->id) {
        status = save_put(store, id_key, out->id, hash, err);
    }
    if (status == LM_OK && act->key) {
        status = save_put(store, key, out->id, hash, err);
    }
    return status;
}

static void drop_unchanged(const struct lm_record *rec, struct lm_fieldset *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (!lm_value_equal(&set->value[i], &rec->fields[set->index[i]])) {
            set->index[n] = set->index[i];
            set->value[n++] = set->value[i];
        }
    }
    set->n = n;
}

static enum lm_status change_record(struct lm_store *store, const struct lm_act *act,
                                    int64_t now_ms, struct lm_arena *arena,
                                    struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_own own = {.user = act->user ? act->user : "",
                               .by = act->by_system ? LM_BY_SYSTEM : LM_BY_TOWN,
                               .op = act->op};
    const char *name = act->id ? lm_store_type_of(store, act->id) : NULL;
    const struct lm_type *type = name ? lm_catalog_type(store->catalog, name) : NULL;
    struct lm_record *before = NULL;
    struct lm_fieldset set;
    enum lm_status status =
        type ? lm_tables_get(store->tables, arena, type, act->id, &before) : LM_ERR_NOT_FOUND;

    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, status, "no_such_record", "id", "没有这条记录",
                       "There is no such record");
    }
    if (status != LM_OK) {
        return status;
    }
    (void)snprintf(out->id, sizeof out->id, "%s", before->id);
    status = read_fields(store, act, type, arena, &set, out, err);
    if (status == LM_OK && act->op == LM_OP_EDIT) {
        status = fill_visit(store, type, &set, arena);
        drop_unchanged(before, &set);
    }
    if (status != LM_OK) {
        return status;
    }
    if ((act->op == LM_OP_EDIT && set.n == 0) ||
        (act->op == LM_OP_DELETE && lm_record_deleted(before)) ||
        (act->op == LM_OP_UNDELETE && !lm_record_deleted(before))) {
        out->repeated = true;
        return LM_OK;
    }
    return lm_own_change(store, &own, type, before->id, before, &set, now_ms, out, err);
}

enum lm_status lm_store_act(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                            struct lm_act_result *out, struct lm_error *err)
{
    struct lm_arena arena;
    size_t chars = 0;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    lm_issues_init(&out->issues);
    if (act->user &&
        (!lm_utf8_valid(act->user, strlen(act->user), &chars) || chars > LM_USER_CHARS_MAX)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "user", "账号名太长",
                       "The user's name is too long");
    }
    if (act->key && (!lm_utf8_valid(act->key, strlen(act->key), &chars) || chars == 0 ||
                     chars > LM_KEY_CHARS_MAX)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "key", "key 应为 1 至 80 个字符",
                       "A key has 1 to 80 characters");
    }
    lm_arena_init(&arena, ACT_ARENA_MAX);
    status = act->op == LM_OP_CREATE ? create(store, act, now_ms, &arena, out, err)
                                     : change_record(store, act, now_ms, &arena, out, err);
    lm_arena_free(&arena);
    return status;
}
