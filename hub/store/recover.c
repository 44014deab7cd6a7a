/* What nodes give back after this database went back in time: versions of records that the journal
 * does not have are filed here, one row each, and wait for a person (recover_accept.c). Nothing of
 * it has effect before: who gives it back is only an installation, and much of it is the town's.
 *
 * A record's body says for each group which change set it. So the fields with one version are what
 * is left of that change; filed as a change with that identity and no bases, for what its author
 * saw is not known any more. Several nodes may have kept different parts of it: they are put
 * together. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"
#include "hub/store/counts_internal.h"
#include "hub/store/recover_internal.h"

#include <inttypes.h>
#include <string.h>

enum { CONTENTS_MAX = 4 }; /* different contents of one version that are kept */

struct filing {
    struct lm_store *store;
    struct lm_arena *arena;
    const struct lm_record *rec;     /* as it was given back */
    const struct lm_record *current; /* as it is here; NULL: it is not */
    uint64_t from;
    const char *station;
    int64_t now_ms;
    size_t added;
    struct lm_error *err;
};

/* ---- one row ---- */

enum lm_status lm_recovered_known(struct lm_store *store, const char *record,
                                  struct lm_version version, struct lm_jentry *entry, bool *out)
{
    struct lm_arena arena;
    struct lm_jentry found = {0};
    enum lm_status status;

    lm_arena_init(&arena, LM_RECOVER_ARENA_BYTES);
    status = lm_journal_find(store, &arena, record, version, &found);
    *out = status == LM_OK;
    if (entry) {
        entry->pos = found.pos;
        entry->by = found.by;
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status insert(struct filing *f, const char *type, const char *id,
                             struct lm_version version, int n, const uint8_t *body, size_t len)
{
    struct sqlite3_stmt *stmt = lm_query(f->store, LM_Q_RECOVERED_PUT, f->err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    lm_bind_text(stmt, 2, type);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)version.replica);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)version.hlc);
    (void)sqlite3_bind_int(stmt, 5, n);
    lm_bind_blob(stmt, 6, body, len);
    (void)sqlite3_bind_int64(stmt, 7, (int64_t)f->from);
    lm_bind_text(stmt, 8, f->station);
    (void)sqlite3_bind_int64(stmt, 9, f->now_ms);
    f->added++;
    return lm_query_run(f->store, stmt, f->err);
}

/* Adds to `into` the fields of `from` that it lacks. False: they contradict each other. *alike:
 * they say the very same. */
static bool join(struct lm_arena *arena, struct lm_change *into, const struct lm_change *from,
                 bool *grown, bool *alike, enum lm_status *status)
{
    uint32_t n = into->fields.kind == LM_MAP ? into->fields.len : 0,
             m = from->fields.kind == LM_MAP ? from->fields.len : 0, kept = n;
    struct lm_pair *pairs;

    *grown = false;
    *alike = false;
    if (into->op != from->op) {
        return false;
    }
    pairs = lm_arena_alloc(arena, ((size_t)n + m + 1) * sizeof *pairs);
    if (!pairs) {
        *status = LM_ERR_MEMORY;
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        pairs[i] = into->fields.pairs[i];
    }
    for (uint32_t i = 0; i < m; i++) {
        const struct lm_pair *pair = &from->fields.pairs[i];
        const struct lm_value *there = NULL;

        for (uint32_t j = 0; j < n && !there; j++) {
            if (pairs[j].key_len == pair->key_len &&
                memcmp(pairs[j].key, pair->key, pair->key_len) == 0) {
                there = &pairs[j].value;
            }
        }
        if (!there) {
            pairs[kept++] = *pair;
        } else if (!lm_value_equal(there, &pair->value)) {
            return false;
        }
    }
    *grown = kept > n;
    *alike = kept == n && m == n;
    into->fields = (struct lm_value){.kind = LM_MAP, .len = kept, .pairs = pairs};
    return true;
}

static enum lm_status grow(struct filing *f, int64_t id, const struct lm_change *change)
{
    struct sqlite3_stmt *stmt;
    struct lm_buf body;
    enum lm_status status;

    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    lm_change_pack(&body, change);
    status = body.status;
    stmt = status == LM_OK ? lm_query(f->store, LM_Q_RECOVERED_GROW, f->err) : NULL;
    if (stmt) {
        (void)sqlite3_bind_int64(stmt, 1, id);
        lm_bind_blob(stmt, 2, body.data, body.len);
        status = lm_query_run(f->store, stmt, f->err);
    } else if (status == LM_OK) {
        status = LM_ERR_IO;
    }
    lm_buf_free(&body);
    return status == LM_ERR_LIMIT ? LM_OK : status;
}

static enum lm_status second(struct filing *f, int64_t id)
{
    struct sqlite3_stmt *stmt = lm_query(f->store, LM_Q_RECOVERED_SECOND, f->err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    return lm_query_run(f->store, stmt, f->err);
}

/* One who may speak of the record as it is here vouches for what another gave back first. */
static enum lm_status take_over(struct filing *f, int64_t id, const char *station)
{
    struct sqlite3_stmt *stmt;

    if (!f->current || lm_in_scope(f->current, station) || !lm_in_scope(f->current, f->station)) {
        return LM_OK;
    }
    stmt = lm_query(f->store, LM_Q_RECOVERED_FROM, f->err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)f->from);
    lm_bind_text(stmt, 3, f->station);
    return lm_query_run(f->store, stmt, f->err);
}

/* Puts the change to what others gave back of it. *done: nothing is left to be filed. */
static enum lm_status meet(struct filing *f, const struct lm_change *change,
                           struct lm_version version, int *n_out, bool *done)
{
    struct {
        int64_t id;
        char station[16];
        struct lm_change change;
    } found[CONTENTS_MAX];
    struct sqlite3_stmt *stmt = lm_query(f->store, LM_Q_RECOVERED_SAME, f->err);
    enum lm_status status;
    int n = 0;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, change->id);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)version.replica);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)version.hlc);
    while (n < CONTENTS_MAX && (status = lm_query_step(f->store, stmt, f->err)) == LM_OK) {
        size_t len = (size_t)sqlite3_column_bytes(stmt, 2);
        uint8_t *copy = lm_arena_alloc(f->arena, len + 1);

        *done = *done || sqlite3_column_int(stmt, 1) != 0; /* decided: not asked again */
        if (!copy) {
            status = LM_ERR_MEMORY;
            break;
        }
        memcpy(copy, sqlite3_column_blob(stmt, 2), len);
        found[n].id = sqlite3_column_int64(stmt, 0);
        lm_column_copy(stmt, 3, found[n].station, sizeof found[n].station);
        status = lm_change_read(copy, len, f->arena, &found[n].change, f->err);
        if (status != LM_OK) {
            break;
        }
        n++;
    }
    (void)sqlite3_reset(stmt);
    *n_out = n;
    *done = *done || n == CONTENTS_MAX;
    status = status == LM_ERR_NOT_FOUND ? LM_OK : status;
    for (int i = 0; i < n && status == LM_OK && !*done; i++) {
        bool grown, alike;

        *done = join(f->arena, &found[i].change, change, &grown, &alike, &status);
        if (*done && grown && status == LM_OK) {
            status = grow(f, found[i].id, &found[i].change);
        }
        if (*done && alike && status == LM_OK && strcmp(found[i].station, f->station) != 0) {
            status = second(f, found[i].id);
        }
        if (*done && status == LM_OK) {
            status = take_over(f, found[i].id, found[i].station);
        }
    }
    return status;
}

static enum lm_status file_change(struct filing *f, const struct lm_change *change,
                                  struct lm_version version)
{
    struct lm_buf body;
    bool done = false;
    int n = 0;
    enum lm_status status = meet(f, change, version, &n, &done);

    if (status != LM_OK || done) {
        return status;
    }
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    lm_change_pack(&body, change);
    status = body.status;
    if (status == LM_OK) {
        status = insert(f, change->type, change->id, version, n, body.data, body.len);
    } else if (status == LM_ERR_LIMIT) {
        lm_log(LM_LOG_WARN, "store", "what replica %" PRIu64 " gave back of record %s is too large",
               f->from, change->id);
        status = LM_OK;
    }
    lm_buf_free(&body);
    return status;
}

/* ---- from a record to changes ---- */

static void put_pair(struct lm_pair *pairs, uint32_t *n, const char *name, struct lm_value value)
{
    pairs[(*n)++] =
        (struct lm_pair){.key = name, .key_len = (uint32_t)strlen(name), .value = value};
}

/* The author's wall clock as the record tells it in a field: so the field comes out the same. */
static void take_time(const struct lm_record *rec, int field, struct lm_change *change)
{
    const char *text = lm_record_text(rec, field);
    int64_t ms;

    if (text[0] && lm_time_parse(text, strlen(text), &ms)) {
        change->wall_delta_ms = ms - lm_hlc_ms(change->hlc);
    }
}

static bool travels(const struct lm_field *field)
{
    return field->fill != LM_FILL_COMPUTED && field->index != LM_C_ID &&
           field->index != LM_C_DELETED_AT && strcmp(field->name, "dup_key") != 0 &&
           (field->group != LM_GROUP_ORIGIN || field->index == LM_C_VILLAGE_CODE);
}

static void known_fields(const struct lm_record *rec, struct lm_version version, bool creation,
                         struct lm_pair *pairs, uint32_t *n)
{
    for (size_t i = 0; i < rec->type->n_fields && *n < LM_CHANGE_FIELDS_MAX; i++) {
        const struct lm_field *field = &rec->type->fields[i];

        if (travels(field) && lm_version_equal(rec->stamps[field->group].version, version) &&
            !(creation && lm_value_is_null(&rec->fields[i]))) {
            put_pair(pairs, n, field->name, rec->fields[i]);
        }
    }
}

static bool unknown_fields(const struct lm_record *rec, struct lm_version version,
                           struct lm_pair *pairs, uint32_t *n)
{
    uint32_t before = *n;

    for (uint32_t i = 0; rec->unknown.kind == LM_MAP && i < rec->unknown.len; i++) {
        const struct lm_pair *pair = &rec->unknown.pairs[i];
        struct lm_version of = rec->stamps[LM_GROUP_ORIGIN].version;

        for (size_t s = 0; s < rec->n_unknown_stamps; s++) {
            if (strlen(rec->unknown_stamps[s].group) == pair->key_len &&
                memcmp(rec->unknown_stamps[s].group, pair->key, pair->key_len) == 0) {
                of = rec->unknown_stamps[s].stamp.version;
            }
        }
        if (lm_version_equal(of, version) && *n < LM_CHANGE_FIELDS_MAX) {
            pairs[(*n)++] = *pair;
        }
    }
    return *n > before;
}

static enum lm_status file_version(struct filing *f, struct lm_version version)
{
    const struct lm_record *rec = f->rec;
    struct lm_change change = {.type = rec->type->name,
                               .op = LM_OP_EDIT,
                               .hlc = version.hlc,
                               .catalog = f->store->catalog->number,
                               .offset_known = true,
                               /* bases are found when a person accepts it */
                               .base_all = {.hlc = 1}};
    bool creation = !f->current && lm_version_equal(rec->stamps[LM_GROUP_ORIGIN].version, version);
    bool deletion = !creation && lm_version_equal(rec->stamps[LM_GROUP_DELETED].version, version) &&
                    !lm_version_equal(rec->stamps[LM_GROUP_ORIGIN].version, version);
    struct lm_pair *pairs = lm_arena_alloc(f->arena, (LM_CHANGE_FIELDS_MAX + 1) * sizeof *pairs);
    char *user = lm_arena_alloc(f->arena, 64);
    uint32_t n = 0;

    if (!pairs || !user) {
        return LM_ERR_MEMORY;
    }
    (void)snprintf(user, 64, "找回自%.12s", f->station);
    change.user = user;
    memcpy(change.id, rec->id, sizeof change.id);
    if (creation) {
        change.op = LM_OP_CREATE;
        change.base_all = (struct lm_version){0};
        take_time(rec, LM_C_CREATED_AT, &change);
    } else if (deletion && lm_record_deleted(rec)) {
        change.op = LM_OP_DELETE;
        take_time(rec, LM_C_DELETED_AT, &change);
    } else if (deletion) {
        change.op = LM_OP_UNDELETE;
    }
    if (!deletion) {
        known_fields(rec, version, creation, pairs, &n);
        if (unknown_fields(rec, version, pairs, &n)) {
            change.catalog++; /* of a newer catalogue than is in force here */
        }
    } else if (change.op == LM_OP_DELETE) {
        put_pair(pairs, &n, "delete_reason", rec->fields[LM_C_DELETE_REASON]);
    }
    if (n > 0) {
        change.fields = (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs};
    } else if (!deletion) {
        return LM_OK; /* says nothing */
    }
    return file_change(f, &change, version);
}

/* Whether there is something to file under this version: not the giver's own, which it sends
 * itself; not what the journal has. */
static enum lm_status look_at(struct filing *f, struct lm_version version)
{
    bool known = false;
    enum lm_status status;

    if (version.hlc == 0 || version.hlc >= LM_HLC_FAR || version.replica == f->from) {
        return LM_OK;
    }
    status = lm_recovered_known(f->store, f->rec->id, version, NULL, &known);
    return status == LM_OK && !known ? file_version(f, version) : status;
}

static enum lm_status file_record(struct filing *f)
{
    const struct lm_record *rec = f->rec;
    enum lm_status status = LM_OK;

    for (size_t g = 0; g < rec->type->n_groups && status == LM_OK; g++) {
        bool before = false;

        for (size_t i = 0; i < g && !before; i++) {
            before = lm_version_equal(rec->stamps[i].version, rec->stamps[g].version);
        }
        if (!before) {
            status = look_at(f, rec->stamps[g].version);
        }
    }
    for (size_t i = 0; i < rec->n_unknown_stamps && status == LM_OK; i++) {
        bool before = false;

        for (size_t g = 0; g < rec->type->n_groups && !before; g++) {
            before = lm_version_equal(rec->stamps[g].version, rec->unknown_stamps[i].stamp.version);
        }
        if (!before) {
            status = look_at(f, rec->unknown_stamps[i].stamp.version);
        }
    }
    return status;
}

/* ---- one body ---- */

static enum lm_status file_raw(struct filing *f, const char *id, const uint8_t *body, size_t n)
{
    struct sqlite3_stmt *stmt = lm_query(f->store, LM_Q_RECOVERED_SAME, f->err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, 0);
    (void)sqlite3_bind_int64(stmt, 3, 0);
    status = lm_query_step(f->store, stmt, f->err);
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? insert(f, "", id, (struct lm_version){0}, 0, body, n)
                                      : status;
}

enum lm_status lm_recovered_file(struct lm_store *store, const char *id, uint64_t replica,
                                 const char *station, const uint8_t *body, size_t n, int64_t now_ms,
                                 size_t *added_out, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL, *current = NULL;
    struct lm_error why = {0};
    struct filing f = {.store = store,
                       .arena = &arena,
                       .from = replica,
                       .station = station,
                       .now_ms = now_ms,
                       .err = err};
    enum lm_status status;

    *added_out = 0;
    lm_arena_init(&arena, LM_RECOVER_ARENA_BYTES);
    status = lm_body_read(store->catalog, body, n, &arena, &rec, &why);
    if (status == LM_ERR_NOT_FOUND) {
        status = file_raw(&f, id, body, n);
    } else if (status == LM_ERR_INVALID || status == LM_ERR_LIMIT || status == LM_ERR_VERSION ||
               (rec && strcmp(rec->id, id) != 0)) {
        lm_log(LM_LOG_WARN, "store", "what replica %" PRIu64 " gave back of %s cannot be read",
               replica, id);
        status = LM_OK;
    } else if (status == LM_OK) {
        status = lm_tables_get(store->tables, &arena, rec->type, id, &current);
        f.rec = rec;
        f.current = status == LM_OK ? current : NULL;
        status = status == LM_ERR_NOT_FOUND ? LM_OK : status;
        if (status == LM_OK && lm_in_scope(rec, station)) { /* a station speaks of what it sees */
            status = file_record(&f);
        }
    }
    *added_out = f.added;
    lm_arena_free(&arena);
    return status;
}

/* ---- one message ---- */

static enum lm_status check_load(struct lm_store *store, uint64_t replica, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_RECOVERED_LOAD, err);
    enum lm_status status;
    bool full = false;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        full = sqlite3_column_int64(stmt, 0) >= LM_RECOVERED_MAX ||
               sqlite3_column_int64(stmt, 1) >= LM_RECOVERED_BYTES_MAX;
    }
    (void)sqlite3_reset(stmt);
    return full ? lm_fail(err, LM_ERR_LIMIT, "recovered_full", "",
                          "等待确认的找回内容太多，请先处理（recovered）",
                          "Too much of this installation waits already: decide on it first")
                : status;
}

enum lm_status lm_recovered_missed(struct lm_store *store, void (*visit)(void *arg, const char *),
                                   void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_RECOVERED_MISSED, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        const struct lm_type *type = lm_catalog_type(store->catalog, lm_column_str(stmt, 1));

        visit(arg, type && type->feed == LM_FEED_ALL ? store->town.code : lm_column_str(stmt, 0));
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_recover(struct lm_store *store, const struct lm_replica *replica,
                                const struct lm_msg_offer *offer, int64_t now_ms, char last_out[40],
                                struct lm_error *err)
{
    enum lm_status status = check_load(store, replica->number, err);
    size_t added = 0, all = 0;

    last_out[0] = '\0';
    for (size_t i = 0; i < offer->n && status == LM_OK; i++) {
        const struct lm_offer *o = &offer->items[i];

        status = lm_recovered_file(store, o->id, replica->number, replica->station, o->body, o->len,
                                   now_ms, &added, err);
        all += added;
        memcpy(last_out, o->id, sizeof o->id);
    }
    if (all > 0 && status == LM_OK) {
        lm_log(LM_LOG_WARN, "store",
               "station %s gave back %zu changes that this database lacks: see `recovered`",
               replica->station, all);
    }
    return status;
}
