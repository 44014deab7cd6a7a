/* Villages merged (撤并): village A is abolished into village B on a day.
 *
 * What says so is A's area_unit row (valid_to, end_kind merged, successor_code); all else follows
 * from it, each consequence a change of the hub like any other: A's station row closes, its open
 * posts end, and what lives on becomes B's, with its history: the files of persons (as a transfer
 * takes them along, residency.c), plaques, facilities, and what is not settled yet. What has taken
 * place (visits, paid aid, receptions …) stays A's, so that figures of periods past do not move;
 * service items too, which count from the day on which they were begun: one moved would be counted
 * beside A's opening balance that holds it.
 *
 * A's PCs stay enrolled until a person revokes them: what they had not sent may come weeks later.
 * Whatever is stored for a merged village (pushed, brought by a stick, salvaged, released, entered
 * on behalf) is noted as a stray and moved before the COMMIT that holds it: there is no state in
 * between, and nothing to resume.
 *
 * Household numbers are a village's own: A's get the last three digits of A's code in front
 * ("201-12"), or two households of B would become one. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 200000, /* of one type in one village */
    HOPS_MAX = 16,     /* A into B into C … */
    ROUNDS_MAX = 4,    /* strays that make strays */
    LEFT_MAX = 20,
    HOUSEHOLD_CHARS_MAX = 20,
    REASON_CHARS_MAX = 200,
};

/* ---- what lives on ---- */

struct kind {
    const char *type, *settled; /* settled: once this field is filled, the row stays; or NULL */
    const char *over[8];        /* states in which it stays */
};
static const struct kind kinds[] = {
    {.type = "person"},
    {.type = "plaque"},
    {.type = "facility"},
    {.type = "aid_case", .settled = "paid_on", .over = {"closed", "withdrawn", "rejected"}},
    {.type = "petition",
     .settled = "resolved_on",
     .over = {"not_accepted", "transferred", "resolved", "withdrawn", "archived", "final"}},
    {.type = "change_request", .over = {"verified"}},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind *kind_at(size_t i, struct kind *file)
{
    if (i < N_KINDS) {
        return &kinds[i];
    }
    *file =
        (struct kind){.type = i - N_KINDS < lm_n_file_types ? lm_file_types[i - N_KINDS] : NULL};
    return file->type ? file : NULL;
}

static bool stays(const struct kind *kind, const struct lm_record *rec)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    if (kind->settled && lm_text_of(rec, kind->settled)[0]) {
        return true;
    }
    for (size_t i = 0; i < sizeof kind->over / sizeof kind->over[0] && kind->over[i]; i++) {
        if (strcmp(state, kind->over[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool moves(const char *type)
{
    struct kind file;
    const struct kind *kind;

    for (size_t i = 0; (kind = kind_at(i, &file)) != NULL; i++) {
        if (strcmp(kind->type, type) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- which villages are merged ---- */

struct reading {
    struct lm_merger *out;
    size_t max, n;
};

static bool in_force(const struct lm_record *rec)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    return !rec->invalid && strcmp(state, "draft") != 0 && strcmp(state, "returned") != 0;
}

static bool take_unit(void *arg, const struct lm_record *rec)
{
    struct reading *r = arg;

    if (r->n < r->max && in_force(rec) && strcmp(lm_text_of(rec, "level"), "village") == 0 &&
        lm_text_of(rec, "valid_to")[0]) {
        struct lm_merger *m = &r->out[r->n++];

        (void)snprintf(m->code, sizeof m->code, "%.12s", lm_text_of(rec, "code"));
        (void)snprintf(m->into, sizeof m->into, "%.12s", lm_text_of(rec, "successor_code"));
        (void)snprintf(m->on, sizeof m->on, "%.10s", lm_text_of(rec, "valid_to"));
        m->entered_ms =
            lm_hlc_ms(rec->stamps[lm_type_field(rec->type, "end_kind")->group].version.hlc);
    }
    return r->n < r->max;
}

enum lm_status lm_store_mergers(struct lm_store *store, struct lm_merger *out, size_t max,
                                size_t *n_out, struct lm_error *err)
{
    struct reading r = {.out = out, .max = max};
    const struct lm_where merged = {.field = "end_kind", .value = "merged"};
    const struct lm_type *type = lm_catalog_type(store->catalog, "area_unit");
    enum lm_status status = type ? lm_tables_list(store->tables, NULL, type, NULL, &merged, 1,
                                                  false, take_unit, &r, err)
                                 : LM_OK;

    *n_out = r.n;
    return status;
}

const struct lm_merger *lm_merger_find(const struct lm_merger *all, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].code, code) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* The writer's own list: read again after an area_unit was stored. */
static enum lm_status known(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    if (!store->mergers_known) {
        status = lm_store_mergers(store, store->mergers, LM_MERGERS_MAX, &store->n_mergers, err);
        store->mergers_known = status == LM_OK;
    }
    return status;
}

enum lm_status lm_merger_now(struct lm_store *store, const char *code, char out[16],
                             struct lm_error *err)
{
    enum lm_status status = known(store, err);
    const struct lm_merger *m;

    (void)snprintf(out, 16, "%.12s", code);
    for (int i = 0; status == LM_OK && i < HOPS_MAX; i++) {
        m = lm_merger_find(store->mergers, store->n_mergers, out);
        if (!m) {
            break;
        }
        (void)snprintf(out, 16, "%.12s", m->into);
    }
    return status;
}

/* ---- strays ---- */

void lm_mergers_forget(struct lm_store *store)
{
    store->mergers_known = false;
    store->n_strays = 0;
}

static void add_stray(struct lm_store *store, const char *code, int64_t now_ms)
{
    store->stray_ms = now_ms > store->stray_ms ? now_ms : store->stray_ms;
    for (size_t i = 0; i < store->n_strays; i++) {
        if (strcmp(store->strays[i], code) == 0) {
            return;
        }
    }
    if (store->n_strays < LM_MERGERS_MAX) {
        (void)snprintf(store->strays[store->n_strays++], sizeof store->strays[0], "%.12s", code);
    }
}

enum lm_status lm_mergers_note(struct lm_store *store, const struct lm_record *rec, int64_t now_ms,
                               struct lm_error *err)
{
    const char *village = lm_record_text(rec, LM_C_VILLAGE_CODE);
    enum lm_status status;

    if (store->replaying) {
        return LM_OK; /* a replay finds the moves in the journal */
    }
    if (strcmp(rec->type->name, "area_unit") == 0) {
        store->mergers_known = false;
        if (!lm_record_deleted(rec) && strcmp(lm_text_of(rec, "end_kind"), "merged") == 0) {
            add_stray(store, lm_text_of(rec, "code"), now_ms);
        }
        return LM_OK;
    }
    status = lm_record_deleted(rec) ? LM_OK : known(store, err);
    if (status == LM_OK && store->n_mergers > 0 && !lm_record_deleted(rec) &&
        moves(rec->type->name) && lm_merger_find(store->mergers, store->n_mergers, village)) {
        add_stray(store, village, now_ms);
    }
    return status;
}

/* ---- moving ---- */

struct moving {
    struct lm_store *store;
    const char *user;
    char code[16], into[16], on[16];
    int64_t now_ms;
    bool count_only;
    json_t *types;             /* [{"type","zh","en","n"}] of what moves */
    json_t *left;              /* [{"type","id","code","text","text_en"}] of what would not */
    size_t n_left, households; /* households: rows whose number is written anew */
    int64_t posts;
    struct lm_error *err;
};

struct row {
    char id[40], household[96];
    bool registered; /* a person whose household is registered in the village */
};
struct rows {
    struct row *items;
    size_t n, size;
    bool full;
    const struct kind *kind;
    const char *village, *empty; /* empty: a field that must be empty, or NULL */
};

static bool take_row(void *arg, const struct lm_record *rec)
{
    struct rows *r = arg;

    if ((r->kind && stays(r->kind, rec)) || (r->empty && lm_text_of(rec, r->empty)[0])) {
        return true;
    }
    if (r->n == r->size) {
        size_t size = r->size ? 2 * r->size : 64;
        void *grown = size <= 2 * ROWS_MAX ? realloc(r->items, size * sizeof *r->items) : NULL;

        if (!grown) {
            r->full = true;
            return false;
        }
        r->items = grown;
        r->size = size;
    }
    struct row *row = &r->items[r->n++];

    memset(row, 0, sizeof *row);
    (void)snprintf(row->id, sizeof row->id, "%s", rec->id);
    (void)snprintf(row->household, sizeof row->household, "%s",
                   lm_type_field(rec->type, "household_no") ? lm_text_of(rec, "household_no") : "");
    row->registered = lm_type_field(rec->type, "household_village") &&
                      strcmp(lm_text_of(rec, "household_village"), r->village) == 0;
    return true;
}

static enum lm_status rows_of(struct moving *m, const char *type_name, const struct lm_where *where,
                              struct rows *out)
{
    const struct lm_type *type = lm_catalog_type(m->store->catalog, type_name);
    enum lm_status status = LM_OK;

    out->village = m->code;
    if (type) {
        status = lm_tables_list(m->store->tables, NULL, type, where ? NULL : m->code, where,
                                where ? 1 : 0, false, take_row, out, m->err);
    }
    return status == LM_OK && out->full
               ? lm_fail(m->err, LM_ERR_LIMIT, "too_many", "code", "这个村的记录太多，请联系技术员",
                         "The village has too many rows: ask the technician")
               : status;
}

static enum lm_status leave(struct moving *m, const char *type, const char *id,
                            const struct lm_error *why)
{
    m->n_left++;
    return json_array_size(m->left) >= LEFT_MAX ||
                   json_array_append_new(m->left, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", type,
                                                            "id", id, "code", why->code, "text",
                                                            why->zh, "text_en", why->en)) == 0
               ? LM_OK
               : LM_ERR_MEMORY;
}

/* fields is taken over. What a rule forbids is left, with the reason. */
static enum lm_status edit(struct moving *m, const char *type, const char *id, bool by_system,
                           json_t *fields)
{
    const struct lm_act act = {
        .user = m->user, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = by_system};
    struct lm_act_result out;
    struct lm_error why = {0};
    enum lm_status status =
        fields ? lm_store_act(m->store, &act, m->now_ms, &out, &why) : LM_ERR_MEMORY;

    json_decref(fields);
    if (status == LM_OK || lm_is_fatal(status)) {
        if (status != LM_OK && m->err) {
            *m->err = why;
        }
        return status;
    }
    return leave(m, type, id, &why);
}

static void new_household(const struct moving *m, const char *old, char out[128])
{
    size_t chars = 0;

    (void)snprintf(out, 128, "%s-%s", m->code + 9, old);
    if (!lm_utf8_valid(out, strlen(out), &chars) || chars > HOUSEHOLD_CHARS_MAX) {
        (void)snprintf(out, 128, "%s", old);
    }
}

static enum lm_status move_row(struct moving *m, const char *type, const struct row *row)
{
    json_t *fields = json_pack("{s:s}", "village_code", m->into);
    char number[128];

    if (row->household[0]) {
        new_household(m, row->household, number);
        (void)json_object_set_new(fields, "household_no", json_string(number));
    }
    if (row->registered) {
        (void)json_object_set_new(fields, "household_village", json_string(m->into));
    }
    return edit(m, type, row->id, true, fields);
}

static enum lm_status move_kind(struct moving *m, const struct kind *kind)
{
    const struct lm_type *type = lm_catalog_type(m->store->catalog, kind->type);
    struct rows rows = {.kind = kind};
    enum lm_status status = rows_of(m, kind->type, NULL, &rows);

    for (size_t i = 0; i < rows.n && status == LM_OK; i++) {
        m->households += rows.items[i].household[0] != '\0';
        if (!m->count_only) {
            status = move_row(m, kind->type, &rows.items[i]);
        }
    }
    if (status == LM_OK && rows.n > 0 &&
        json_array_append_new(m->types,
                              json_pack("{s:s,s:s,s:s,s:I}", "type", kind->type, "zh", type->zh,
                                        "en", type->en, "n", (json_int_t)rows.n)) != 0) {
        status = LM_ERR_MEMORY;
    }
    free(rows.items);
    return status;
}

/* The posts of a village that is no more end with it; who goes on in B gets one there. */
static enum lm_status end_posts(struct moving *m)
{
    struct rows rows = {.empty = "to_on"};
    enum lm_status status = rows_of(m, "staff_post", NULL, &rows);

    m->posts = (int64_t)rows.n;
    for (size_t i = 0; i < rows.n && status == LM_OK && !m->count_only; i++) {
        status = edit(m, "staff_post", rows.items[i].id, false, json_pack("{s:s}", "to_on", m->on));
    }
    free(rows.items);
    return status;
}

static enum lm_status close_station(struct moving *m)
{
    const struct lm_where at = {.field = "area_code", .value = m->code};
    struct rows rows = {.empty = "closed_on"};
    enum lm_status status = rows_of(m, "station", &at, &rows);

    for (size_t i = 0; i < rows.n && status == LM_OK && !m->count_only; i++) {
        status =
            edit(m, "station", rows.items[i].id, false, json_pack("{s:s}", "closed_on", m->on));
    }
    free(rows.items);
    return status;
}

static enum lm_status move_all(struct moving *m)
{
    struct kind file;
    const struct kind *kind;
    enum lm_status status = close_station(m);

    if (status == LM_OK) {
        status = end_posts(m);
    }
    for (size_t i = 0; status == LM_OK && (kind = kind_at(i, &file)) != NULL; i++) {
        status = move_kind(m, kind);
    }
    return status;
}

static void moving_free(struct moving *m)
{
    json_decref(m->types);
    json_decref(m->left);
}

static bool is_village(struct lm_store *store, const char *code, struct lm_station *out)
{
    return lm_store_station_get(store, code, out) == LM_OK && strcmp(out->level, "village") == 0;
}

static enum lm_status settle_one(struct lm_store *store, const char *code, struct lm_error *err)
{
    struct moving m = {.store = store, .user = "", .now_ms = store->stray_ms, .err = err};
    const struct lm_merger *merger;
    struct lm_station there;
    char today[16];
    enum lm_status status = known(store, err);

    merger = status == LM_OK ? lm_merger_find(store->mergers, store->n_mergers, code) : NULL;
    lm_date_format(lm_day_utc8(store->stray_ms), today);
    if (!merger || strcmp(merger->on, today) > 0) {
        return status; /* taken back, or still to come */
    }
    (void)snprintf(m.code, sizeof m.code, "%s", code);
    (void)snprintf(m.on, sizeof m.on, "%s", merger->on);
    status = lm_merger_now(store, code, m.into, err);
    if (status != LM_OK || !is_village(store, m.into, &there) || strcmp(m.into, code) == 0) {
        return status;
    }
    m.types = json_array();
    m.left = json_array();
    status = m.types && m.left ? move_all(&m) : LM_ERR_MEMORY;
    moving_free(&m);
    return status;
}

enum lm_status lm_mergers_settle(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    for (int round = 0; status == LM_OK && store->n_strays > 0 && round < ROUNDS_MAX; round++) {
        size_t n = store->n_strays;

        for (size_t i = 0; status == LM_OK && i < n; i++) {
            char code[16];

            (void)snprintf(code, sizeof code, "%s", store->strays[i]);
            status = settle_one(store, code, err);
        }
        memmove(store->strays, store->strays + n, (store->n_strays - n) * sizeof store->strays[0]);
        store->n_strays -= n;
    }
    store->n_strays = 0;
    store->stray_ms = 0;
    return lm_is_fatal(status) ? status : LM_OK;
}

/* ---- the act ---- */

static enum lm_status check_day(const struct lm_merge_villages *a, int64_t now_ms,
                                struct lm_error *err)
{
    char today[16];
    int64_t day;

    lm_date_format(lm_day_utc8(now_ms), today);
    if (!lm_date_parse(a->on, strlen(a->on), &day)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_date", "on", "撤并日期应写成 2026-01-31 这样",
                       "The day of the merger is written like 2026-01-31");
    }
    if (strcmp(a->on, today) > 0) {
        return lm_fail(err, LM_ERR_INVALID, "future_date", "on",
                       "撤并日期还没到，请到那天以后再登记",
                       "The day of the merger is still to come: enter it then");
    }
    return LM_OK;
}

static enum lm_status check(struct lm_store *store, const struct lm_merge_villages *a,
                            int64_t now_ms, struct lm_station *from, struct lm_station *into,
                            struct lm_error *err)
{
    struct lm_merger *all = calloc(LM_MERGERS_MAX, sizeof *all);
    const struct lm_merger *m;
    size_t n = 0;
    enum lm_status status =
        all ? lm_store_mergers(store, all, LM_MERGERS_MAX, &n, err) : LM_ERR_MEMORY;

    if (status != LM_OK) {
        free(all);
        return status;
    }
    if (!is_village(store, a->code, from)) {
        status = lm_fail(err, LM_ERR_NOT_FOUND, "no_station", "code", "没有登记这个村：%.40s",
                         "No such village: %.40s", a->code);
    } else if (!is_village(store, a->into, into)) {
        status = lm_fail(err, LM_ERR_INVALID, "no_station", "into", "没有登记并入的村：%.40s",
                         "No such village to merge into: %.40s", a->into);
    } else if (strcmp(a->code, a->into) == 0) {
        status = lm_fail(err, LM_ERR_INVALID, "same_village", "into", "不能并入自己",
                         "A village cannot be merged into itself");
    } else if ((m = lm_merger_find(all, n, a->code)) != NULL) {
        status = lm_fail(err, LM_ERR_EXISTS, "merged", "code", "%s已于 %s 撤并，不能再登记一次",
                         "%s was merged on %s already", from->name, m->on);
    } else if ((m = lm_merger_find(all, n, a->into)) != NULL) {
        status = lm_fail(err, LM_ERR_INVALID, "merged", "into", "%s已于 %s 撤并，请选它并入的村",
                         "%s was itself merged on %s", into->name, m->on);
    } else if (n == LM_MERGERS_MAX) {
        status = lm_fail(err, LM_ERR_LIMIT, "too_many", "code", "登记的撤并太多",
                         "Too many mergers are recorded");
    }
    free(all);
    return status == LM_OK ? check_day(a, now_ms, err) : status;
}

static enum lm_status check_reason(const char *reason, struct lm_error *err)
{
    size_t chars = 0;

    if (!reason || reason[strspn(reason, " \t")] == '\0') {
        return lm_fail(err, LM_ERR_INVALID, "required", "reason", "请写明依据，例如批复文号",
                       "Say by what it was decided, e.g. the document's number");
    }
    return lm_utf8_valid(reason, strlen(reason), &chars) && chars <= REASON_CHARS_MAX &&
                   !lm_utf8_has_control(reason, strlen(reason))
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "reason", "依据最多 %d 个字，不能换行",
                         "The reason takes at most %d characters in one line", REASON_CHARS_MAX);
}

static bool take_unit_id(void *arg, const struct lm_record *rec)
{
    char *id = arg;

    if (lm_text_of(rec, "valid_to")[0]) {
        return true;
    }
    (void)snprintf(id, 40, "%s", rec->id);
    return false;
}

/* A's row of the area ends. Stricter than what follows: this one must not be left. */
static enum lm_status end_area(struct moving *m, const struct lm_merge_villages *a)
{
    const struct lm_type *type = lm_catalog_type(m->store->catalog, "area_unit");
    const struct lm_where at = {.field = "code", .value = m->code};
    char id[40] = "";
    json_t *fields = json_pack("{s:s,s:s,s:s}", "valid_to", a->on, "end_kind", "merged",
                               "successor_code", a->into);
    const struct lm_act act = {
        .user = m->user, .id = id, .fields = fields, .op = LM_OP_EDIT, .merging = true};
    struct lm_act_result out;
    enum lm_status status =
        lm_tables_list(m->store->tables, NULL, type, NULL, &at, 1, false, take_unit_id, id, m->err);

    if (status == LM_OK && !id[0]) {
        status = lm_fail(m->err, LM_ERR_NOT_FOUND, "no_area", "code", "没有这个村在用的区划记录",
                         "The village has no area row in force");
    }
    if (status == LM_OK) {
        status = fields ? lm_store_act(m->store, &act, m->now_ms, &out, m->err) : LM_ERR_MEMORY;
    }
    json_decref(fields);
    return status;
}

/* ---- what a person should know before ---- */

static bool count_row(void *arg, const json_t *row)
{
    (void)row;
    ++*(json_int_t *)arg;
    return true;
}

struct held_rows {
    const char *station;
    json_int_t n;
};

static bool count_held(void *arg, const json_t *row)
{
    struct held_rows *h = arg;
    const char *station = json_string_value(json_object_get(row, "station"));

    h->n += station && strcmp(station, h->station) == 0;
    return true;
}

struct pcs {
    json_int_t n, pending;
    int64_t last_ms;
};

static bool take_pc(void *arg, const struct lm_replica *r)
{
    struct pcs *p = arg;

    if (r->revoked_ms == 0) {
        p->n++;
        p->pending += r->head.seq > r->acked.seq ? (json_int_t)(r->head.seq - r->acked.seq) : 0;
        p->last_ms = r->last_contact_ms > p->last_ms ? r->last_contact_ms : p->last_ms;
    }
    return true;
}

static enum lm_status add_waiting(struct moving *m, json_t *doc)
{
    struct pcs pcs = {0};
    struct held_rows held = {.station = m->code};
    json_int_t returned = 0;
    char last[LM_TIME_TEXT + 8];
    enum lm_status status = lm_store_replicas(m->store, m->code, take_pc, &pcs, m->err);

    if (status == LM_OK) {
        status = lm_store_held(m->store, count_held, &held, m->err);
    }
    if (status == LM_OK) {
        status = lm_store_returned(m->store, m->code, count_row, &returned, m->err);
    }
    if (status != LM_OK) {
        return status;
    }
    lm_time_format(pcs.last_ms, last);
    return json_object_set_new(doc, "waits",
                               json_pack("{s:I,s:I,s:o,s:I,s:I}", "pcs", pcs.n, "pending",
                                         pcs.pending, "last_contact",
                                         pcs.last_ms ? json_string(last) : json_null(), "held",
                                         held.n, "returned", returned)) == 0
               ? LM_OK
               : LM_ERR_MEMORY;
}

static bool count_rec(void *arg, const struct lm_record *rec)
{
    (void)rec;
    ++*(json_int_t *)arg;
    return true;
}

/* How many rows stay the old village's: what has taken place there. */
static enum lm_status add_staying(struct moving *m, json_t *doc)
{
    json_int_t all = 0, moving = 0;
    size_t i;
    json_t *row;
    enum lm_status status = LM_OK;

    for (size_t t = 0; t < m->store->catalog->n_types && status == LM_OK; t++) {
        const struct lm_type *type = &m->store->catalog->types[t];

        if (type->feed == LM_FEED_OWN && strcmp(type->name, "station") != 0 &&
            strcmp(type->name, "station_account") != 0 && strcmp(type->name, "attachment") != 0) {
            status = lm_tables_list(m->store->tables, NULL, type, m->code, NULL, 0, false,
                                    count_rec, &all, m->err);
        }
    }
    json_array_foreach(m->types, i, row)
    {
        moving += json_integer_value(json_object_get(row, "n"));
    }
    return status == LM_OK && json_object_set_new(doc, "stays", json_integer(all - moving)) != 0
               ? LM_ERR_MEMORY
               : status;
}

static json_t *answer(const struct moving *m, const struct lm_station *from,
                      const struct lm_station *into)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:I,s:I,s:O}", "code", m->code, "name", from->name,
                     "into", m->into, "into_name", into->name, "on", m->on, "moves", m->types,
                     "posts", (json_int_t)m->posts, "renumbered", (json_int_t)m->households, "left",
                     m->left);
}

static enum lm_status begin(struct moving *m, struct lm_store *store,
                            const struct lm_merge_villages *a, int64_t now_ms,
                            struct lm_station *from, struct lm_station *into, struct lm_error *err)
{
    enum lm_status status = check(store, a, now_ms, from, into, err);

    *m = (struct moving){
        .store = store, .user = a->user ? a->user : "", .now_ms = now_ms, .err = err};
    if (status == LM_OK) {
        (void)snprintf(m->code, sizeof m->code, "%s", from->code);
        (void)snprintf(m->into, sizeof m->into, "%s", into->code);
        (void)snprintf(m->on, sizeof m->on, "%.10s", a->on);
        m->types = json_array();
        m->left = json_array();
        status = m->types && m->left ? LM_OK : LM_ERR_MEMORY;
    }
    return status;
}

enum lm_status lm_store_merge_villages_preview(struct lm_store *store,
                                               const struct lm_merge_villages *a, int64_t now_ms,
                                               json_t **out, struct lm_error *err)
{
    struct lm_station from, into;
    struct moving m;
    json_t *doc = NULL;
    enum lm_status status = begin(&m, store, a, now_ms, &from, &into, err);

    *out = NULL;
    m.count_only = true;
    if (status == LM_OK) {
        status = move_all(&m);
    }
    if (status == LM_OK) {
        doc = answer(&m, &from, &into);
        status = doc ? add_waiting(&m, doc) : LM_ERR_MEMORY;
    }
    if (status == LM_OK) {
        status = add_staying(&m, doc);
    }
    if (status == LM_OK) {
        *out = json_incref(doc);
    }
    json_decref(doc);
    moving_free(&m);
    return status;
}

/* What would not move stops all of it: who merges sees to that first. */
static enum lm_status not_left(const struct moving *m)
{
    const json_t *first = json_array_get(m->left, 0);
    const char *type = json_string_value(json_object_get(first, "type")),
               *id = json_string_value(json_object_get(first, "id")),
               *zh = json_string_value(json_object_get(first, "text")),
               *en = json_string_value(json_object_get(first, "text_en"));
    const struct lm_type *of = type ? lm_catalog_type(m->store->catalog, type) : NULL;
    char say_zh[256], say_en[256];

    if (m->n_left == 0) {
        return LM_OK;
    }
    (void)snprintf(say_zh, sizeof say_zh, "有 %zu 条记录不能转过去，请先处理，例如%s %s：%.100s",
                   m->n_left, of ? of->zh : "", id ? id : "", zh ? zh : "");
    (void)snprintf(say_en, sizeof say_en,
                   "%zu rows can't be moved, see to them first, e.g. %s %s: %.100s", m->n_left,
                   type ? type : "", id ? id : "", en ? en : "");
    return lm_fail(m->err, LM_ERR_INVALID, "not_moved", "code", "%s%.0s", "%.0s%s", say_zh, say_en);
}

enum lm_status lm_store_merge_villages(struct lm_store *store, const struct lm_merge_villages *a,
                                       int64_t now_ms, json_t **out, struct lm_error *err)
{
    struct lm_station from, into;
    struct moving m;
    struct lm_jentry entry = {.received_ms = now_ms, .by = LM_BY_TOWN};
    char what[64];
    enum lm_status status = begin(&m, store, a, now_ms, &from, &into, err);

    *out = NULL;
    if (status == LM_OK) {
        status = check_reason(a->reason, err);
    }
    if (status == LM_OK) {
        (void)snprintf(what, sizeof what, "%.12s %.12s %.10s", m.code, m.into, m.on);
        status = lm_journal_later(store, &entry, LM_LATER_MERGED, 0, m.user, what, a->reason, err);
    }
    if (status == LM_OK) {
        status = end_area(&m, a);
    }
    if (status == LM_OK) {
        status = move_all(&m);
    }
    if (status == LM_OK) {
        status = not_left(&m);
    }
    if (status == LM_OK) {
        *out = answer(&m, &from, &into);
        status = *out ? LM_OK : LM_ERR_MEMORY;
    }
    moving_free(&m);
    return status;
}
