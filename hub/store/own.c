/* One change of the hub: made, journaled as replica 0 and merged like any other, in a SAVEPOINT. A
 * verdict that the hub's own change may not have, refused or held, undoes it and is told to who
 * asked. */
#include "common/nil_report.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum { OWN_ARENA_MAX = 32 * 1024 * 1024 };

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

bool lm_denied_code(const char *code)
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
    if (lm_denied_code(why.code)) {
        status = LM_ERR_DENIED;
    }
    if (err) {
        *err = why;
    }
    return status;
}

/* The figures of a locked period were reported: a person opens it first, or says what is corrected.
 */
static enum lm_status check_period(struct lm_store *store, const struct lm_record *before,
                                   const struct lm_record *after, struct lm_act_result *out,
                                   struct lm_error *err)
{
    struct lm_error why = {0};
    struct lm_period lock;
    bool enters = false;
    enum lm_status status = store->judging_periods
                                ? lm_period_enters(store, before, after, &lock, &enters, err)
                                : LM_OK;

    if (status != LM_OK || !enters) {
        return status;
    }
    status = lm_fail(
        &why, LM_ERR_DENIED, "period_locked", after->type->fields[after->type->reporting_date].name,
        "日期在已锁定的报告期（%s 至 "
        "%s）里，不能再补。要补录，请领导先解锁这个报告期；要更正已锁定的记录，请填“更正对象”。",
        "The date is in a reporting period that is locked (%s to %s): have a leader open the "
        "period first, or name the record that this one corrects (correction_of).",
        lock.from, lock.to);
    lm_issue_add(&out->issues, LM_REFUSE, why.code, why.field, why.zh, why.en);
    if (err) {
        *err = why;
    }
    return status;
}

struct same_key {
    const char *corrects; /* a correction resembles what it corrects; NULL: it is none */
    bool found;
    char id[40];
};

static bool found_same(void *arg, const struct lm_record *other)
{
    struct same_key *same = arg;

    if (same->corrects && strcmp(same->corrects, other->id) == 0) {
        return true;
    }
    same->found = true;
    (void)snprintf(same->id, sizeof same->id, "%s", other->id);
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

/* The natural key, as the hub asks it of itself. A key that speaks of a village names it; persons
 * alone are refused within their village and only warned of elsewhere, for two villages may both
 * know one person. */
static enum lm_status check_key(struct lm_store *store, const struct lm_record *rec,
                                const struct lm_fieldset *set, bool appears,
                                struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_type *type = rec->type;
    const char *field;
    struct same_key same = {.found = false};
    bool person = strcmp(type->name, "person") == 0;
    enum lm_status status;

    if (type->key_mode == LM_KEY_FREE || type->n_natural_key == 0 ||
        (!appears && !touches_key(type, set)) || lm_record_deleted(rec)) {
        return LM_OK;
    }
    if (type->key_mode == LM_KEY_WARN) {
        same.corrects = lm_record_text(rec, LM_C_CORRECTION_OF);
    }
    field = type->fields[type->natural_key[0]].name;
    status = lm_tables_same_key(store->tables, &store->arena, rec,
                                person ? lm_record_text(rec, LM_C_VILLAGE_CODE) : NULL, found_same,
                                &same);
    if (status != LM_OK) {
        return status;
    }
    if (same.found && type->key_mode == LM_KEY_UNIQUE) {
        struct lm_error why;

        (void)lm_fail(&why, LM_ERR_INVALID, "not_unique", field,
                      "已有同样的记录(%s),请修改那一条,不要重复登记",
                      "There is such a record already (%s): edit that one", same.id);
        lm_issue_add(&out->issues, LM_REFUSE, why.code, field, why.zh, why.en);
        if (err) {
            *err = why;
        }
        return LM_ERR_INVALID;
    }
    if (!same.found && person) {
        status = lm_tables_same_key(store->tables, &store->arena, rec, NULL, found_same, &same);
    }
    if (status == LM_OK && same.found) {
        struct lm_error why;

        (void)lm_fail(&why, LM_ERR_EXISTS, "near_duplicate", field,
                      "可能已有同样的记录(%s),请核对是否重复登记",
                      "There may be such a record already (%s): check for a double entry", same.id);
        lm_issue_add(&out->issues, LM_WARN, why.code, field, why.zh, why.en);
    }
    return status;
}

/* Of a nil report: says another month or kind than before. */
static bool names_period(const struct lm_fieldset *set, const struct lm_type *type)
{
    for (size_t i = 0; i < set->n; i++) {
        const char *name = type->fields[set->index[i]].name;

        if (strcmp(name, "month") == 0 || strcmp(name, "record") == 0) {
            return true;
        }
    }
    return false;
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
    if (status == LM_OK && !in.deleting &&
        (!before || in.undeleting || names_period(set, after->type))) {
        status = lm_nil_check(store->tables, store->catalog, after,
                              lm_record_text(after, LM_C_VILLAGE_CODE), &out->issues);
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
        .hlc_highest = store->state.hub_hlc,
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
    status = check_period(store, before, judged.record, out, err);
    if (status != LM_OK) {
        return status;
    }
    status =
        check_key(store, judged.record, set, before == NULL || own->op == LM_OP_UNDELETE, out, err);
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

    lm_arena_init(&arena, OWN_ARENA_MAX);
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
    enum lm_status status = lm_store_may_write(store, err);

    if (status == LM_OK) {
        status = lm_query_do(store, LM_Q_SAVEPOINT_PUSH, err);
    }
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
    store->mergers_known = false;
    if (lm_query_do(store, LM_Q_BACK_PUSH, NULL) != LM_OK ||
        lm_query_do(store, LM_Q_RELEASE_PUSH, NULL) != LM_OK) {
        return lm_is_fatal(status) ? status : LM_ERR_IO;
    }
    return status;
}
