/* A person decides on what nodes gave back. What is accepted goes through the journal like any
 * change, under its own identity, so that whatever builds on it finds it, and with the mark that it
 * was recovered: its author's rights were judged in the history that is gone.
 *
 * What had the author seen? The history that is gone went on from where this one began. So a
 * version that stood before this incarnation began, and is older, was seen; likewise an older
 * change of the PC that gave it back, for that PC would otherwise show its own; and an older one
 * that was recovered too. Anything else is concurrent: both values are kept, and a person chooses.
 */
#include "hub/store/recover_internal.h"
#include "proto/request.h"

#include <inttypes.h>
#include <string.h>

enum { PASSES_MAX = 16 }; /* over what waits: moves that make room for moves */

struct row {
    int64_t id;
    char record[40], station[16], type[64];
    uint64_t hlc, replica, from;
    uint8_t *body;
    size_t n;
    bool disputed, awaited, seconded;
};

struct deciding {
    struct lm_store *store;
    const char *user;
    int64_t now_ms;
    uint64_t branch; /* what is accepted in this call stands in branches of this number */
    struct lm_recovered_result *out;
    struct lm_error *err;
};

/* ---- rows ---- */

static enum lm_status next_row(struct lm_store *store, int64_t id, uint64_t after_hlc,
                               int64_t after_id, struct lm_arena *arena, struct row *out,
                               struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_RECOVERED_LIST, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)after_hlc);
    (void)sqlite3_bind_int64(stmt, 3, after_id);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        out->id = sqlite3_column_int64(stmt, 0);
        lm_column_id(stmt, 1, out->record);
        out->replica = (uint64_t)sqlite3_column_int64(stmt, 3);
        out->hlc = (uint64_t)sqlite3_column_int64(stmt, 4);
        out->n = (size_t)sqlite3_column_bytes(stmt, 6);
        out->from = (uint64_t)sqlite3_column_int64(stmt, 7);
        lm_column_copy(stmt, 8, out->station, sizeof out->station);
        lm_column_copy(stmt, 2, out->type, sizeof out->type);
        out->disputed = sqlite3_column_int(stmt, 11) != 0;
        out->awaited = sqlite3_column_int(stmt, 12) != 0;
        out->seconded = sqlite3_column_int(stmt, 13) != 0;
        out->body = lm_arena_alloc(arena, out->n + 1);
        if (out->body) {
            memcpy(out->body, sqlite3_column_blob(stmt, 6), out->n);
        } else {
            status = LM_ERR_MEMORY;
        }
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum { ACCEPTED = 1, DISMISSED = 2, CAME = 3 };

enum lm_status lm_recovered_is_others(struct lm_store *store, const char *type_name, const char *id,
                                      const char *station, struct lm_arena *arena, bool *out)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, type_name);
    struct lm_record *current = NULL;
    enum lm_status status =
        type ? lm_tables_get(store->tables, arena, type, id, &current) : LM_ERR_NOT_FOUND;

    *out = status == LM_OK && !lm_in_scope(current, station);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

bool lm_recovered_gives_records(const char *type, const struct lm_change *change)
{
    const struct lm_value *state;

    if (strcmp(type, "residency_event") != 0) {
        return strcmp(type, "area_unit") == 0;
    }
    state = lm_value_member(&change->fields, "state");
    return state && lm_value_is(state, "verified");
}

static enum lm_status gives_records(const struct row *row, struct lm_arena *arena, bool *out,
                                    struct lm_error *err)
{
    struct lm_change change;
    enum lm_status status = lm_change_read(row->body, row->n, arena, &change, err);

    *out = status == LM_OK && lm_recovered_gives_records(row->type, &change);
    return status;
}

static enum lm_status close_row(struct deciding *d, int64_t id, int state)
{
    struct sqlite3_stmt *stmt = lm_query(d->store, LM_Q_RECOVERED_CLOSE, d->err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int(stmt, 2, state);
    lm_bind_text(stmt, 3, d->user);
    (void)sqlite3_bind_int64(stmt, 4, d->now_ms);
    return lm_query_run(d->store, stmt, d->err);
}

static enum lm_status leave_row(struct deciding *d, int64_t id, const struct lm_error *why)
{
    struct sqlite3_stmt *stmt = lm_query(d->store, LM_Q_RECOVERED_WHY, d->err);
    struct lm_arena arena;
    const char *text;
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    d->out->left++;
    lm_arena_init(&arena, 64 * 1024);
    text = lm_reason_text(&arena, why, NULL);
    (void)sqlite3_bind_int64(stmt, 1, id);
    lm_bind_text(stmt, 2, text ? text : "");
    status = lm_query_run(d->store, stmt, d->err);
    lm_arena_free(&arena);
    return status;
}

/* ---- bases ---- */

static enum lm_status was_seen(struct deciding *d, const struct row *row,
                               const struct lm_stamp *stamp, bool *out)
{
    struct lm_jentry entry = {0};
    bool known = false;
    enum lm_status status = LM_OK;

    *out = stamp->version.hlc == 0;
    if (*out || stamp->version.hlc >= row->hlc) {
        return LM_OK;
    }
    *out = stamp->version.replica == row->from;
    if (!*out) {
        status = lm_recovered_known(d->store, row->record, stamp->version, &entry, &known);
        *out = known && (entry.pos <= d->store->begins || (entry.by & LM_BY_RECOVERED) != 0);
    }
    return status;
}

/* One base for each group of the record: what was seen as it stands, what was not as never set. */
static enum lm_status find_bases(struct deciding *d, const struct row *row,
                                 struct lm_change *change, struct lm_arena *arena)
{
    const struct lm_type *type = lm_catalog_type(d->store->catalog, change->type);
    struct lm_record *current = NULL;
    bool touched[LM_GROUPS_PER_TYPE_MAX] = {false};
    enum lm_status status = type ? LM_OK : LM_ERR_NOT_FOUND;

    if (change->op == LM_OP_CREATE) {
        return LM_OK;
    }
    if (status == LM_OK) {
        status = lm_tables_get(d->store->tables, arena, type, change->id, &current);
    }
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status; /* the merge says what is missing */
    }
    touched[LM_GROUP_STATE] = touched[LM_GROUP_DELETED] = true;
    for (uint32_t i = 0; change->fields.kind == LM_MAP && i < change->fields.len; i++) {
        const struct lm_pair *pair = &change->fields.pairs[i];

        for (size_t f = 0; f < type->n_fields; f++) {
            if (strlen(type->fields[f].name) == pair->key_len &&
                memcmp(type->fields[f].name, pair->key, pair->key_len) == 0) {
                touched[type->fields[f].group] = true;
            }
        }
    }
    change->bases = lm_arena_alloc(arena, type->n_groups * sizeof *change->bases);
    if (!change->bases) {
        return LM_ERR_MEMORY;
    }
    change->n_bases = 0;
    /* A move since may be newer than the change: it cannot build on that. Every group that counts
     * has a base of its own below. */
    if (current->stamps[LM_GROUP_ORIGIN].version.hlc < row->hlc) {
        change->base_all = current->stamps[LM_GROUP_ORIGIN].version;
    } else {
        change->base_all = (struct lm_version){.hlc = 1}; /* as recover.c: of nothing here */
    }
    for (size_t g = 0; g < type->n_groups && status == LM_OK; g++) {
        bool seen = false;

        if (!touched[g]) {
            continue;
        }
        status = was_seen(d, row, &current->stamps[g], &seen);
        change->bases[change->n_bases++] =
            (struct lm_base){.group = type->groups[g].name,
                             .version = seen ? current->stamps[g].version : (struct lm_version){0}};
    }
    return status;
}

/* ---- one row ---- */

static enum lm_status author_of(struct lm_store *store, const struct row *row, char station[16])
{
    struct lm_replica author;
    enum lm_status status = LM_ERR_NOT_FOUND;

    if (row->replica == 0) {
        (void)snprintf(station, 16, "%s", store->town.code);
        return LM_OK;
    }
    status = lm_store_replica_get(store, row->replica, &author);
    (void)snprintf(station, 16, "%s", status == LM_OK ? author.station : row->station);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status journal_row(struct deciding *d, const struct row *row,
                                  const struct lm_buf *body, struct lm_judge_out *judged)
{
    struct lm_store *store = d->store;
    char station[16];
    struct lm_branch_row last, add;
    struct lm_judge_in in = {
        .entry = {.replica = row->replica,
                  .branch = d->branch,
                  .station = station,
                  .body = body->data,
                  .body_len = body->len,
                  .received_ms = d->now_ms,
                  .by =
                      LM_BY_RECOVERED | (unsigned)(row->replica == 0 ? LM_BY_TOWN : LM_BY_VILLAGE)},
        .offset_given = true,
    };
    enum lm_status status = author_of(store, row, station);

    if (status == LM_OK) {
        status = lm_branch_last(store, row->replica, d->branch, &last, d->err);
    }
    if (status != LM_OK) {
        return status;
    }
    in.entry.seq = last.last_seq + 1;
    in.hlc_floor = last.hlc;
    status = lm_judge(store, &in, judged, d->err);
    if (status != LM_OK || judged->verdict == LM_V_HELD || judged->verdict == LM_V_REFUSED) {
        return status;
    }
    add = (struct lm_branch_row){.replica = row->replica,
                                 .branch = d->branch,
                                 .first_seq = in.entry.seq,
                                 .last_seq = in.entry.seq,
                                 .pos_first = in.entry.pos,
                                 .hlc = row->hlc};
    memcpy(add.before, last.after, LM_HASH_BYTES);
    lm_chain_next(add.before, body->data, body->len, add.after);
    if (row->replica == 0 && row->hlc > store->state.hub_hlc) {
        store->state.hub_hlc = row->hlc; /* the town's next change comes after it */
    }
    return lm_branch_add(store, &add, d->err);
}

/* What the town's verification of a change of residence led to may not be given back with it: a
 * file that moved is not seen by the village that it has left here, and the one that has it now is
 * another's here. So it is made again, now, as far as it is not there already. Likewise what a
 * change request led to that the town had agreed to. */
static enum lm_status follow(struct deciding *d, const struct row *row, bool request, bool before,
                             struct lm_error *why)
{
    bool after = false;
    enum lm_status status = request ? lm_request_agreed(d->store, row->record, &after)
                                    : lm_residency_in_force(d->store, row->record, &after);

    if (status == LM_OK && !before && after) {
        status = lm_judge_redrive(d->store, d->now_ms, d->err); /* its list is each change's own */
        status = status != LM_OK ? status
                 : request ? lm_request_recovered(d->store, d->user, row->record, d->now_ms, why)
                           : lm_residency_recovered(d->store, d->user, row->record, d->now_ms, why);
    }
    return status;
}

/* In a SAVEPOINT: what cannot be taken over leaves nothing but its reason. */
static enum lm_status accept_change(struct deciding *d, const struct row *row,
                                    const struct lm_change *change)
{
    struct lm_store *store = d->store;
    struct lm_store_state state;
    size_t n_redrive;
    struct lm_judge_out judged = {0};
    struct lm_error why = {0};
    struct lm_buf body;
    bool taken = false, before = false, request = strcmp(change->type, LM_REQUEST_TYPE) == 0;
    bool follows = request || strcmp(change->type, "residency_event") == 0;
    /* What follows a change of residence works that list off, and would take it along when it is
     * undone: what waits for earlier ones goes first. */
    enum lm_status status = follows ? lm_judge_redrive(store, d->now_ms, d->err) : LM_OK;

    state = store->state;
    n_redrive = store->n_redrive;
    if (status == LM_OK) {
        status = lm_query_do(store, LM_Q_SAVEPOINT_ONE, d->err);
    }
    if (status == LM_OK && follows) {
        status = request ? lm_request_agreed(store, row->record, &before)
                         : lm_residency_in_force(store, row->record, &before);
    }
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    if (status == LM_OK) {
        lm_change_pack(&body, change);
        status = body.status == LM_OK ? journal_row(d, row, &body, &judged) : body.status;
        taken = status == LM_OK && judged.verdict != LM_V_HELD && judged.verdict != LM_V_REFUSED;
        why = judged.reason;
        if (taken && follows) {
            status = follow(d, row, request, before, &why);
            taken = status == LM_OK;
            status = lm_is_fatal(status) ? status : LM_OK; /* why says what is against it */
        }
        if (taken && (strcmp(change->type, "setting") == 0 ||
                      strcmp(change->type, "opening_balance") == 0)) {
            status = lm_rules_after(store, NULL, row->record, NULL, &why);
            taken = status == LM_OK;
            status = lm_is_fatal(status) ? status : LM_OK;
        }
        if (status != LM_OK && !lm_is_fatal(status)) {
            (void)lm_fail(&why, status, "internal", "", "处理时出错", "It could not be worked on");
        }
        if (!taken && !lm_is_fatal(status)) {
            store->state = state;
            store->n_redrive = n_redrive;
            status = lm_query_do(store, LM_Q_BACK_ONE, d->err);
        }
    }
    if (status == LM_OK) {
        status = lm_query_do(store, LM_Q_RELEASE_ONE, d->err);
    }
    lm_buf_free(&body);
    if (status != LM_OK) {
        return status;
    }
    if (!taken) {
        return leave_row(d, row->id, &why);
    }
    d->out->n++;
    return close_row(d, row->id, ACCEPTED);
}

static enum lm_status accept_row(struct deciding *d, const struct row *row, struct lm_arena *arena)
{
    struct lm_change change;
    bool known = false;
    enum lm_status status = lm_change_read(row->body, row->n, arena, &change, d->err);

    if (status == LM_OK) {
        status = lm_recovered_known(d->store, row->record,
                                    (struct lm_version){.hlc = row->hlc, .replica = row->replica},
                                    NULL, &known);
    }
    if (status == LM_OK && known) {
        d->out->came++;
        return close_row(d, row->id, CAME);
    }
    if (status == LM_OK) {
        status = find_bases(d, row, &change, arena);
    }
    return status == LM_OK ? accept_change(d, row, &change) : status;
}

/* A record that could not be read when it came: its versions are filed if it can be now. */
static enum lm_status accept_raw(struct deciding *d, const struct row *row, struct lm_arena *arena)
{
    struct lm_record *rec = NULL;
    struct lm_error why = {0};
    size_t added = 0;
    enum lm_status status = lm_body_read(d->store->catalog, row->body, row->n, arena, &rec, &why);

    if (status != LM_OK) {
        return status == LM_ERR_MEMORY ? status : leave_row(d, row->id, &why);
    }
    status = close_row(d, row->id, ACCEPTED);
    return status == LM_OK ? lm_recovered_file(d->store, row->record, row->from, row->station,
                                               row->body, row->n, d->now_ms, &added, d->err)
                           : status;
}

static enum lm_status decide_row(struct deciding *d, const struct row *row, bool accept,
                                 bool by_number, struct lm_arena *arena)
{
    bool aside = false;
    enum lm_status status = LM_OK;

    if (!accept) {
        d->out->n++;
        return close_row(d, row->id, DISMISSED);
    }
    if (row->hlc == 0) {
        return accept_raw(d, row, arena);
    }
    if (!by_number) {
        status =
            lm_recovered_is_others(d->store, row->type, row->record, row->station, arena, &aside);
        aside = aside || row->disputed || row->awaited;
        if (status == LM_OK && !aside && !row->seconded) {
            status = gives_records(row, arena, &aside, d->err);
        }
    }
    if (status == LM_OK && aside) {
        bool known = false;

        status = lm_recovered_known(d->store, row->record,
                                    (struct lm_version){.hlc = row->hlc, .replica = row->replica},
                                    NULL, &known);
        d->out->left += !known;
        d->out->awaited += !known && row->awaited;
        d->out->came += known;
        return status == LM_OK && known ? close_row(d, row->id, CAME) : status;
    }
    return status == LM_OK ? accept_row(d, row, arena) : status;
}

/* Every row, or the one of that number, in the order of the changes. */
static enum lm_status decide_rows(struct deciding *d, int64_t id, bool accept, bool *found)
{
    struct lm_arena arena;
    struct row row = {0};
    uint64_t after_hlc = 0;
    int64_t after_id = 0;
    enum lm_status status = LM_OK;

    d->branch = LM_RECOVER_BRANCH + d->store->state.head.position; /* it has risen since the last */
    d->out->left = d->out->awaited = 0;
    lm_arena_init(&arena, LM_RECOVER_ARENA_BYTES);
    while (status == LM_OK &&
           (status = next_row(d->store, id, after_hlc, after_id, &arena, &row, d->err)) == LM_OK) {
        after_hlc = row.hlc;
        after_id = row.id;
        *found = true;
        status = decide_row(d, &row, accept, id != 0, &arena);
        lm_arena_reset(&arena);
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* What was accepted takes effect now: villages that merged, and what waited for any of it. */
static enum lm_status take_effect(struct deciding *d)
{
    enum lm_status status = lm_judge_redrive(d->store, d->now_ms, d->err);

    return status == LM_OK ? lm_mergers_settle(d->store, d->err) : status;
}

enum lm_status lm_store_recovered_decide(struct lm_store *store, int64_t id, bool accept,
                                         const char *user, int64_t now_ms,
                                         struct lm_recovered_result *out, struct lm_error *err)
{
    struct deciding d = {.store = store, .user = user, .now_ms = now_ms, .out = out, .err = err};
    bool found = false, accepted;
    enum lm_status status = lm_store_may_write(store, err);

    *out = (struct lm_recovered_result){0};
    if (status == LM_OK) {
        status = decide_rows(&d, id, accept, &found);
    }
    if (status == LM_OK && id != 0 && !found) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_recovered", "", "没有这条等待确认的找回内容",
                       "Nothing recovered of that number waits");
    }
    /* A move that was accepted may have brought records to who gives back what was passed over. */
    accepted = accept && id == 0 && out->n > 0;
    for (int i = 1; status == LM_OK && accepted && out->left > 0 && i < PASSES_MAX; i++) {
        size_t before = out->n;

        status = take_effect(&d);
        if (status == LM_OK) {
            status = decide_rows(&d, 0, true, &found);
        }
        accepted = out->n > before;
    }
    return status == LM_OK ? lm_judge_redrive(store, now_ms, err) : status;
}
