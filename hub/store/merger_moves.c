/* What a merged village's rows do (mergers.c): what lives on becomes the other village's, each row
 * by a change of the hub; what is settled stays.
 *
 * Household numbers are a village's own: A's get the last three digits of A's code in front
 * ("201-12"), or two households of B would become one. A number with no room for them stays as it
 * is, and the preview names it. A hub that went back may do a merger a second time: what has its
 * digits already gets no more of them, and where B has given a number of its own since (it waits
 * for the file to move here) that one is to stand, not a newer stamp of the hub's. */
#include "hub/store/merger_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 200000, /* of one type in one village */
    LEFT_MAX = 20,
    KEPT_MAX = 20,
    HOUSEHOLD_CHARS_MAX = 20,
    CHANGE_ARENA_MAX = 8 * 1024 * 1024, /* one change, decoded, whatever it holds */
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

bool lm_moves_on(const char *type)
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

/* ---- moving ---- */

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

static enum lm_status rows_of(struct lm_moving *m, const char *type_name,
                              const struct lm_where *where, struct rows *out)
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

static enum lm_status leave(struct lm_moving *m, const char *type, const char *id,
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
static enum lm_status edit(struct lm_moving *m, const char *type, const char *id, bool by_system,
                           json_t *fields)
{
    const struct lm_act act = {.user = m->user,
                               .id = id,
                               .fields = fields,
                               .op = LM_OP_EDIT,
                               .by_system = by_system,
                               .merging = true};
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

/* The change at a position gives the household a number. */
static enum lm_status sets_number(struct lm_moving *m, int64_t position, bool *out)
{
    struct lm_jentry entry;
    struct lm_change change;
    struct lm_arena arena;
    enum lm_status status;

    lm_arena_init(&arena, CHANGE_ARENA_MAX);
    status = lm_journal_at(m->store, (uint64_t)position, &arena, &entry);
    if (status == LM_OK &&
        lm_change_read(entry.body, entry.body_len, &arena, &change, NULL) == LM_OK) {
        *out = *out || lm_value_member(&change.fields, "household_no") != NULL;
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* The village that takes it over numbered it itself, after a merger that this hub forgot: that
 * waits for the file to move, and is taken in when it does. */
static enum lm_status numbered_there(struct lm_moving *m, const char *id, bool *out)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status = LM_OK;

    *out = false;
    if (m->store->went_back_ms == 0 || m->store->state.n_held == 0) {
        return LM_OK;
    }
    stmt = lm_query(m->store, LM_Q_HELD_OF, m->err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    while (!*out && (status = lm_query_step(m->store, stmt, m->err)) == LM_OK) {
        if (strcmp(lm_column_str(stmt, 5), m->into) == 0 &&
            strcmp(lm_column_str(stmt, 6), "moved") == 0) {
            status = sets_number(m, sqlite3_column_int64(stmt, 0), out);
        }
        if (status != LM_OK) {
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return *out || status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static bool found_one(void *arg, const struct lm_record *rec)
{
    (void)rec;
    *(bool *)arg = true;
    return false;
}

/* Told, at most KEPT_MAX of them with whether the other village has a household of that number. */
static enum lm_status keep_number(struct lm_moving *m, const char *type, const struct row *row)
{
    const struct lm_type *of = lm_catalog_type(m->store->catalog, type);
    const struct lm_where same = {.field = "household_no", .value = row->household};
    bool taken = false;
    enum lm_status status;

    m->n_kept++;
    if (json_array_size(m->kept) >= KEPT_MAX) {
        return LM_OK;
    }
    status = lm_tables_list(m->store->tables, NULL, of, m->into, &same, 1, false, found_one, &taken,
                            m->err);
    return status != LM_OK ||
                   json_array_append_new(m->kept, json_pack("{s:s,s:s,s:s,s:b}", "type", type, "id",
                                                            row->id, "household_no", row->household,
                                                            "taken", (int)taken)) == 0
               ? status
               : LM_ERR_MEMORY;
}

/* The number that the row gets, "": it keeps its own. */
static enum lm_status new_number(struct lm_moving *m, const char *type, const struct row *row,
                                 char out[128])
{
    const char *digits = m->code + 9;
    size_t chars = 0, n = strlen(digits);
    bool there = false;
    enum lm_status status;

    out[0] = '\0';
    if (!row->household[0] || (m->store->went_back_ms != 0 && row->household[n] == '-' &&
                               strncmp(row->household, digits, n) == 0)) {
        return LM_OK;
    }
    status = numbered_there(m, row->id, &there);
    if (status != LM_OK || there) {
        return status;
    }
    (void)snprintf(out, 128, "%s-%s", digits, row->household);
    if (!lm_utf8_valid(out, strlen(out), &chars) || chars > HOUSEHOLD_CHARS_MAX) {
        out[0] = '\0';
        return keep_number(m, type, row);
    }
    m->households++;
    return LM_OK;
}

static enum lm_status move_row(struct lm_moving *m, const char *type, const struct row *row)
{
    json_t *fields;
    char number[128];
    enum lm_status status = new_number(m, type, row, number);

    if (status != LM_OK) {
        return status;
    }
    fields = json_pack("{s:s}", "village_code", m->into);
    if (number[0]) {
        (void)json_object_set_new(fields, "household_no", json_string(number));
    }
    if (row->registered) {
        (void)json_object_set_new(fields, "household_village", json_string(m->into));
    }
    return edit(m, type, row->id, true, fields);
}

static enum lm_status move_kind(struct lm_moving *m, const struct kind *kind)
{
    const struct lm_type *type = lm_catalog_type(m->store->catalog, kind->type);
    struct rows rows = {.kind = kind};
    enum lm_status status = rows_of(m, kind->type, NULL, &rows);

    for (size_t i = 0; i < rows.n && status == LM_OK; i++) {
        status = move_row(m, kind->type, &rows.items[i]);
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
static enum lm_status end_posts(struct lm_moving *m)
{
    struct rows rows = {.empty = "to_on"};
    enum lm_status status = rows_of(m, "staff_post", NULL, &rows);

    m->posts = (int64_t)rows.n;
    for (size_t i = 0; i < rows.n && status == LM_OK; i++) {
        status = edit(m, "staff_post", rows.items[i].id, false, json_pack("{s:s}", "to_on", m->on));
    }
    free(rows.items);
    return status;
}

static enum lm_status close_station(struct lm_moving *m)
{
    const struct lm_where at = {.field = "area_code", .value = m->code};
    struct rows rows = {.empty = "closed_on"};
    enum lm_status status = rows_of(m, "station", &at, &rows);

    for (size_t i = 0; i < rows.n && status == LM_OK; i++) {
        status =
            edit(m, "station", rows.items[i].id, false, json_pack("{s:s}", "closed_on", m->on));
    }
    free(rows.items);
    return status;
}

enum lm_status lm_move_all(struct lm_moving *m)
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

enum lm_status lm_moving_begin(struct lm_moving *m)
{
    m->types = json_array();
    m->left = json_array();
    m->kept = json_array();
    return m->types && m->left && m->kept ? LM_OK : LM_ERR_MEMORY;
}

void lm_moving_free(struct lm_moving *m)
{
    json_decref(m->types);
    json_decref(m->left);
    json_decref(m->kept);
}
