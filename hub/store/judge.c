/* One change: from its bytes to its verdict, its journal entry, and its effects.
 *
 * Everything a verdict depends on is the entry itself (bytes, replica, branch, station, author,
 * receipt time, offset), the journal before it and the tables that follow from that journal.
 * lm_verify replays through this same file. */
#include "common/base/break.h"
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CREATIONS_MAX = 16,
    CREATION_ARENA_MAX = 8 * 1024 * 1024, /* one change, decoded, whatever it holds */
};

/* ---- reasons ---- */

const char *lm_reason_text(struct lm_arena *arena, const struct lm_error *reason,
                           const char *waits_for)
{
    json_t *doc;
    char *text, *copy;

    if (reason->code[0] == '\0') {
        return NULL;
    }
    doc = json_pack("{s:s,s:s,s:s,s:s}", "code", reason->code, "field", reason->field, "zh",
                    reason->zh, "en", reason->en);
    if (doc && waits_for && waits_for[0]) {
        (void)json_object_set_new(doc, "waits_for", json_string(waits_for));
    }
    text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    copy = text ? lm_arena_text(arena, text, strlen(text)) : NULL;
    free(text);
    json_decref(doc);
    return copy;
}

static void copy_member(const json_t *doc, const char *name, char *out, size_t n)
{
    const char *text = json_string_value(json_object_get(doc, name));

    (void)snprintf(out, n, "%s", text ? text : "");
}

void lm_reason_read(const char *text, struct lm_error *out, char waits_for[96])
{
    json_t *doc = text ? json_loads(text, 0, NULL) : NULL;

    memset(out, 0, sizeof *out);
    waits_for[0] = '\0';
    if (doc) {
        copy_member(doc, "code", out->code, sizeof out->code);
        copy_member(doc, "field", out->field, sizeof out->field);
        copy_member(doc, "zh", out->zh, sizeof out->zh);
        copy_member(doc, "en", out->en, sizeof out->en);
        copy_member(doc, "waits_for", waits_for, 96);
    }
    json_decref(doc);
}

/* ---- what is there ---- */

static enum lm_status known(void *ctx, struct lm_arena *arena, const char *id,
                            struct lm_version version, struct lm_known_change *out)
{
    struct lm_store *store = ctx;
    struct lm_jentry entry;
    enum lm_status status = lm_journal_find(store, arena, id, version, &entry);

    if (status != LM_OK) {
        return status;
    }
    out->verdict = entry.verdict;
    out->rank = entry.rank;
    status = lm_change_read(entry.body, entry.body_len, arena, &out->change, NULL);
    return status == LM_OK || status == LM_ERR_MEMORY ? status : LM_ERR_NOT_FOUND;
}

static enum lm_status journal_has(struct lm_store *store, const char *id, bool *out,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_HAS, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    status = lm_query_step(store, stmt, err);
    (void)sqlite3_reset(stmt);
    *out = status == LM_OK;
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* The type under which the journal knows the id, "" when it does not; refused changes count only
 * when with_refused. */
static enum lm_status journal_type(struct lm_store *store, const char *id, bool with_refused,
                                   char out[64], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_TYPE, err);
    enum lm_status status;

    out[0] = '\0';
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_id(stmt, 1, id);
    (void)sqlite3_bind_int(stmt, 2, with_refused);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, out, 64);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

const char *lm_store_type_of(struct lm_store *store, const char *id)
{
    char name[64];
    const struct lm_type *type;

    if (journal_type(store, id, true, name, NULL) != LM_OK || name[0] == '\0') {
        return NULL;
    }
    type = lm_catalog_type(store->catalog, name);
    return type ? type->name : NULL;
}

/* Whether the id was used for a record whose every creation was refused. */
static enum lm_status creation_refused(struct lm_store *store, const char *record, bool *out,
                                       struct lm_error *err)
{
    struct {
        uint64_t replica, hlc;
        bool refused;
    } seen[CREATIONS_MAX];
    size_t n = 0;
    struct lm_arena arena;
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_OF, err);
    enum lm_status status;

    *out = false;
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_arena_init(&arena, CREATION_ARENA_MAX);
    lm_bind_id(stmt, 1, record);
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        uint64_t replica = (uint64_t)sqlite3_column_int64(stmt, 2),
                 hlc = (uint64_t)sqlite3_column_int64(stmt, 8);
        int verdict = sqlite3_column_int(stmt, 10);
        struct lm_change change;

        if (sqlite3_column_int(stmt, 1) == LM_J_LATER) {
            for (size_t i = 0; i < n; i++) {
                if (seen[i].replica == replica && seen[i].hlc == hlc) {
                    seen[i].refused = verdict == LM_V_REFUSED;
                }
            }
            continue;
        }
        if (verdict == LM_V_DUPLICATE || n == CREATIONS_MAX) {
            continue;
        }
        lm_arena_reset(&arena);
        if (lm_change_read(sqlite3_column_blob(stmt, 9), (size_t)sqlite3_column_bytes(stmt, 9),
                           &arena, &change, NULL) == LM_OK &&
            change.op == LM_OP_CREATE) {
            seen[n].replica = replica;
            seen[n].hlc = hlc;
            seen[n++].refused = verdict == LM_V_REFUSED;
        }
    }
    (void)sqlite3_reset(stmt);
    lm_arena_free(&arena);
    *out = n > 0;
    for (size_t i = 0; i < n; i++) {
        *out = *out && seen[i].refused;
    }
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

struct situation {
    const struct lm_type *type; /* of the change; NULL: unknown here */
    struct lm_record *current;
    bool known_id;
    char type_of[64];
    bool creation_refused;
};

static enum lm_status look_around(struct lm_store *store, const struct lm_change *change,
                                  struct situation *s, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    memset(s, 0, sizeof *s);
    s->type = lm_catalog_type(store->catalog, change->type);
    if (change->op != LM_OP_CREATE && s->type) {
        status = lm_tables_get(store->tables, &store->arena, s->type, change->id, &s->current);
        if (status == LM_ERR_NOT_FOUND) {
            s->current = NULL;
            status = LM_OK;
        }
    }
    if (status != LM_OK) {
        return status;
    }
    if (s->current) {
        s->known_id = true;
        (void)snprintf(s->type_of, sizeof s->type_of, "%s", s->type->name);
        return LM_OK;
    }
    status = journal_has(store, change->id, &s->known_id, err);
    if (status != LM_OK || !s->known_id) {
        return status;
    }
    status = journal_type(store, change->id, false, s->type_of, err);
    if (status == LM_OK && change->op == LM_OP_CREATE && s->type) {
        status = lm_tables_get(store->tables, &store->arena, s->type, change->id, &s->current);
        if (status == LM_ERR_NOT_FOUND) {
            s->current = NULL;
            status = LM_OK;
        }
    }
    if (status == LM_OK && !s->current && change->op != LM_OP_CREATE) {
        status = creation_refused(store, change->id, &s->creation_refused, err);
    }
    return status;
}

static void decide(struct lm_merge_out *merge, enum lm_verdict verdict, const char *code,
                   const char *zh, const char *en)
{
    memset(merge, 0, sizeof *merge);
    merge->verdict = verdict;
    if (code) {
        (void)lm_fail(&merge->reason, LM_OK, code, "", "%s", "%s", zh);
        (void)snprintf(merge->reason.en, sizeof merge->reason.en, "%s", en);
    }
}

static bool waits_for_move(const struct lm_merge_out *merge)
{
    return merge->verdict == LM_V_HELD && strcmp(merge->reason.code, "moved") == 0;
}

/* Whoever writes other villages' records to a hub that went back makes only so many of them wait.
 */
static enum lm_status bound_moved(struct lm_store *store, const struct lm_jentry *e,
                                  struct lm_merge_out *merge)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (!waits_for_move(merge)) {
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_HELD_MOVED, NULL);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, e->station);
    (void)sqlite3_bind_int(stmt, 2, LM_HELD_MOVED_MAX);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK && sqlite3_column_int(stmt, 0) >= LM_HELD_MOVED_MAX) {
        decide(merge, LM_V_REFUSED, "too_many_held",
               "等着记录转到本村的修改太多，这条没有采用。请镇里先处理“等着处理的改动”，再重新保存",
               "Too many changes wait for records to move to this village: the town sees to those "
               "first, then save this again");
    }
    (void)sqlite3_reset(stmt);
    return status;
}

/* What a village says about a period whose figures were reported waits for the town, which opens
 * the period, takes it in, or refuses it. */
static enum lm_status hold_late(struct lm_store *store, const struct situation *s,
                                struct lm_merge_out *merge)
{
    struct lm_period lock;
    bool enters = false;
    enum lm_status status;

    if (!merge->record || merge->verdict == LM_V_HELD || merge->verdict == LM_V_REFUSED) {
        return LM_OK;
    }
    status = lm_period_enters(store, s->current, merge->record, &lock, &enters, NULL);
    if (status != LM_OK || !enters) {
        return status;
    }
    decide(merge, LM_V_HELD, "period_locked", "", "");
    (void)snprintf(merge->reason.zh, sizeof merge->reason.zh,
                   "日期在已锁定的报告期（%s 至 %s）里，来晚了，先不计数。镇里放行或解锁这个报告期"
                   "以后自动采用；不采用的，镇里写明原因退回",
                   lock.from, lock.to);
    (void)snprintf(merge->reason.en, sizeof merge->reason.en,
                   "Its date is in a reporting period that is locked (%s to %s): it came late and "
                   "does not count yet. The town releases it, or opens the period and it is taken "
                   "in, or refuses it with the reason",
                   lock.from, lock.to);
    (void)snprintf(merge->waits_for, sizeof merge->waits_for, "period:%s", lock.id);
    return LM_OK;
}

static enum lm_status ask_merge(struct lm_store *store, const struct lm_jentry *e,
                                const struct lm_change *change, const struct situation *s,
                                bool released, struct lm_merge_out *out)
{
    struct lm_merge_in in = {
        .catalog = store->catalog,
        .change = change,
        .author = {.replica = e->replica,
                   .by = (enum lm_author)(e->by & ~LM_BY_RECOVERED),
                   .station = e->station},
        .current = s->current,
        .type_of_id = s->type_of[0] ? s->type_of : NULL,
        .creation_refused = s->creation_refused,
        .received_ms = e->received_ms,
        .went_back_ms = store->went_back_ms,
        .offset_used_ms = e->offset_ms,
        .lookup = &store->lookup,
        .known = known,
        .known_ctx = store,
        .released = released || (e->by & LM_BY_RECOVERED) != 0,
        .recovered = (e->by & LM_BY_RECOVERED) != 0,
    };

    memset(out, 0, sizeof *out);
    enum lm_status status = LM_OK;
    if (change->catalog < store->catalog->number) {
        status = lm_catalogs_get(store, change->catalog, &in.made_with, NULL);
    }
    if (status == LM_OK) {
        status = lm_merge(&in, &store->arena, out);
    }
    if (status == LM_OK && out->verdict == LM_V_HELD && out->waits_for[0] == '\0' &&
        strcmp(out->reason.code, "catalogue") == 0) {
        (void)snprintf(out->waits_for, sizeof out->waits_for,
                       "catalog"); /* judged again when it grows */
    }
    if (status == LM_OK && !in.released && in.author.by == LM_BY_VILLAGE) {
        status = hold_late(store, s, out);
    }
    return status;
}

/* ---- the entry and what follows from it
 * ------------------------------------------------------------------------------------------ */

static enum lm_status finish(struct lm_store *store, struct lm_jentry *e, uint64_t target,
                             const struct lm_change *change, const struct situation *s,
                             struct lm_merge_out *merge, struct lm_judge_out *out,
                             struct lm_error *err)
{
    struct lm_effect effect = {
        .entry = e, .change = change, .before = s ? s->current : NULL, .merge = merge};
    enum lm_status status;

    e->verdict = merge->verdict;
    e->rank = merge->rank;
    e->code = merge->reason.code;
    e->reason = lm_reason_text(&store->arena, &merge->reason, merge->waits_for);
    if (merge->reason.code[0] && !e->reason) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "Out of memory");
    }
    if (merge->record) {
        merge->record->position = (int64_t)(store->state.head.position + 1);
        status = lm_dup_key_fill(store, merge->record, &store->arena);
        if (status != LM_OK) {
            return status;
        }
    }
    status = lm_journal_append(store, e, err);
    if (status == LM_OK && merge->record) {
        status = lm_tables_put(store->tables, merge->record, s->current == NULL, err);
    }
    if (status == LM_OK && merge->record) {
        status = lm_scope_sums_move(store, s->current, merge->record, err);
    }
    if (status == LM_OK && merge->record) {
        status = lm_mergers_note(store, merge->record, e->received_ms, err);
    }
    if (status == LM_OK) {
        effect.target = target ? target : e->pos;
        status = lm_effect_apply(store, &effect, err);
    }
    if (status == LM_OK && out) {
        out->verdict = merge->verdict;
        out->reason = merge->reason;
        out->record = merge->record;
        out->hlc = e->hlc;
    }
    return status;
}

/* Repetitions and the order of HLCs. True: decided. */
static enum lm_status check_identity(struct lm_store *store, const struct lm_judge_in *in,
                                     const struct lm_change *change, struct lm_merge_out *merge,
                                     bool *decided)
{
    const struct lm_jentry *e = &in->entry;
    struct lm_jentry old;
    enum lm_status status;

    *decided = false;
    if (change->hlc <= in->hlc_known && !LM_BREAK(DEDUPE_BY_SEQ)) {
        status =
            lm_journal_find(store, &store->arena, change->id,
                            (struct lm_version){.hlc = change->hlc, .replica = e->replica}, &old);
        if (status == LM_OK && (old.by & LM_BY_RECOVERED) != 0) {
            status =
                LM_ERR_NOT_FOUND; /* the author has it after all: all of it, not what others saw */
        }
        if (status == LM_OK) {
            *decided = true;
            if (old.body_len == e->body_len && memcmp(old.body, e->body, e->body_len) == 0) {
                decide(merge, LM_V_DUPLICATE, NULL, NULL, NULL);
            } else {
                decide(merge, LM_V_REFUSED, "identity", "同一编号的修改内容不同",
                       "Another change with the same identity is known already");
            }
            return LM_OK;
        }
        if (status != LM_ERR_NOT_FOUND) {
            return status;
        }
    }
    if (change->hlc <= in->hlc_floor) {
        *decided = true;
        decide(merge, LM_V_REFUSED, "hlc_order", "修改的时间次序不对",
               "The change does not come after the one before it");
    }
    return LM_OK;
}

/* No change can have made such a version: what names it as seen would wait for ever. */
static bool saw_the_end(const struct lm_change *change)
{
    bool far = change->base_all.hlc >= LM_HLC_TOP;

    for (size_t i = 0; i < change->n_bases; i++) {
        far = far || change->bases[i].version.hlc >= LM_HLC_TOP;
    }
    return far;
}

/* An HLC at the end of time would leave no higher one to the town or to another installation that
 * works on the record: beyond LM_HLC_FAR a change may only follow, by small steps, what is there.
 */
static bool too_far(const struct lm_judge_in *in, const struct lm_change *change,
                    const struct lm_record *current)
{
    uint64_t highest = in->hlc_highest;

    if (saw_the_end(change)) {
        return true;
    }
    if (change->hlc < LM_HLC_FAR) {
        return false;
    }
    for (size_t g = 0; current && g < current->type->n_groups; g++) {
        uint64_t hlc = current->stamps[g].version.hlc;
        highest = hlc > highest ? hlc : highest;
    }
    highest = highest < LM_HLC_FAR ? LM_HLC_FAR : highest;
    return change->hlc > highest && change->hlc - highest > LM_HLC_FAR_STEP;
}

static enum lm_status judge(struct lm_store *store, struct lm_judge_in *in,
                            struct lm_judge_out *out, struct lm_error *err)
{
    struct lm_jentry *e = &in->entry;
    struct lm_change change;
    struct situation s = {0};
    struct lm_merge_out merge;
    struct lm_error why = {0};
    enum lm_status status;
    bool decided = false, far = false;

    lm_arena_reset(&store->arena);
    e->kind = LM_J_CHANGE;
    e->type = "";
    e->record[0] = '\0';
    e->hlc = 0;
    status = lm_change_read(e->body, e->body_len, &store->arena, &change, &why);
    if (status == LM_ERR_MEMORY) {
        return status;
    }
    if (status != LM_OK) {
        if (in->held_internal) {
            decide(&merge, LM_V_HELD, "internal", "中心处理时出错，等待人工处理",
                   "The hub failed on it; a person must look");
        } else if (status == LM_ERR_VERSION) {
            decide(&merge, LM_V_HELD, "newer_format", "由更新版本的程序生成，等待中心升级",
                   "Made by a newer program: it waits until the hub is upgraded");
            (void)snprintf(merge.waits_for, sizeof merge.waits_for, "catalog");
        } else {
            decide(&merge, LM_V_REFUSED, why.code[0] ? why.code : "malformed", why.zh, why.en);
            (void)snprintf(merge.reason.field, sizeof merge.reason.field, "%s", why.field);
        }
        return finish(store, e, 0, NULL, NULL, &merge, out, err);
    }
    e->type = change.type;
    e->hlc = change.hlc;
    (void)snprintf(e->record, sizeof e->record, "%s", change.id);
    if (!in->offset_given && change.offset_known) {
        e->offset_ms = change.offset_ms;
    }
    if (in->held_internal) {
        decide(&merge, LM_V_HELD, "internal", "中心处理时出错，等待人工处理",
               "The hub failed on it; a person must look");
        return finish(store, e, 0, &change, &s, &merge, out, err);
    }
    status = check_identity(store, in, &change, &merge, &decided);
    if (status == LM_OK && !decided) {
        status = look_around(store, &change, &s, err);
        far = status == LM_OK && too_far(in, &change, s.current);
        if (far) {
            decide(&merge, LM_V_REFUSED, "clock", "修改的时间超出范围，请校对电脑的日期后重新保存",
                   "Its time is out of range: set this computer's date and save it again");
        } else if (status == LM_OK) {
            status = ask_merge(store, e, &change, &s, false, &merge);
            status = status == LM_OK ? bound_moved(store, e, &merge) : status;
        }
    }
    if (status == LM_OK) {
        status = finish(store, e, 0, &change, &s, &merge, out, err);
    }
    if (far && out) {
        out->hlc = 0; /* no later change may follow it */
    }
    return status;
}

/* What takes more than one change may use is that change's fault. Taken for the machine's, it would
 * end the process, and again each time the station sends it. */
static enum lm_status blame(const struct lm_store *store, enum lm_status status,
                            struct lm_error *err)
{
    if (status != LM_ERR_MEMORY || !store->arena.full) {
        return status;
    }
    return lm_fail(err, LM_ERR_LIMIT, "too_costly", "", "处理这条修改所需的内存超过限制",
                   "The change takes more memory to judge than one change may");
}

enum lm_status lm_judge(struct lm_store *store, struct lm_judge_in *in, struct lm_judge_out *out,
                        struct lm_error *err)
{
    return blame(store, judge(store, in, out, err), err);
}

/* ---- again ---- */

static enum lm_status held_row(struct lm_store *store, uint64_t pos, char waits_for[96],
                               char code[32], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_AT, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)pos);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, waits_for, 96);
        lm_column_copy(stmt, 1, code, 32);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

static enum lm_status judge_again(struct lm_store *store, uint64_t pos, enum lm_later what,
                                  const char *user, const char *why, int64_t now_ms,
                                  bool *changed_out, struct lm_error *err)
{
    char waits_for[96], code[32];
    struct lm_jentry old, e;
    struct lm_change change;
    struct situation s;
    struct lm_merge_out merge;
    struct lm_buf body;
    enum lm_status status;

    *changed_out = false;
    lm_arena_reset(&store->arena);
    status = held_row(store, pos, waits_for, code, err);
    if (status == LM_OK) {
        status = lm_journal_at(store, pos, &store->arena, &old);
    }
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "not_held", "", "没有这条等待处理的修改",
                       "No held change of that position");
    }
    if (status != LM_OK) {
        return status;
    }
    status = lm_change_read(old.body, old.body_len, &store->arena, &change, NULL);
    if (status == LM_ERR_VERSION) {
        return LM_OK; /* still newer than this program */
    }
    if (status == LM_OK) {
        status = look_around(store, &change, &s, err);
    }
    if (status == LM_OK && what == LM_LATER_REFUSE) {
        decide(&merge, LM_V_REFUSED, "turned_down", why, why);
    } else if (status == LM_OK) {
        status = ask_merge(store, &old, &change, &s, what == LM_LATER_RELEASE, &merge);
        if (status == LM_OK && what == LM_LATER_RELEASE && waits_for_move(&merge)) {
            return lm_fail(
                err, LM_ERR_INVALID, "still_held", "",
                "这条记录还属于别的村，不能放行。先把它转到写这条修改的村，会自动采用；没有转移"
                "这回事的，请选“不予采纳”",
                "The record is still another village's: this can't be released. Move the "
                "record there and it is taken in; if there was no move, refuse it");
        }
        if (status == LM_OK && strcmp(code, "moved") != 0) {
            status = bound_moved(store, &old, &merge);
        }
    }
    if (status != LM_OK) {
        return status;
    }
    if (merge.verdict == LM_V_HELD && strcmp(merge.waits_for, waits_for) == 0 &&
        strcmp(merge.reason.code, code) == 0) {
        return LM_OK;
    }
    e = old;
    e.kind = LM_J_LATER;
    e.branch = e.seq = 0;
    e.type = change.type;
    e.hlc = change.hlc;
    (void)snprintf(e.record, sizeof e.record, "%s", change.id);
    e.received_ms = now_ms;
    lm_buf_init(&body, 1024);
    lm_later_pack(&body, what, pos, user, why, "");
    status = body.status;
    if (status == LM_OK) {
        e.body = body.data;
        e.body_len = body.len;
        status = finish(store, &e, pos, &change, &s, &merge, NULL, err);
        *changed_out = status == LM_OK;
    }
    lm_buf_free(&body);
    return status;
}

enum lm_status lm_judge_again(struct lm_store *store, uint64_t pos, enum lm_later what,
                              const char *user, const char *why, int64_t now_ms, bool *changed_out,
                              struct lm_error *err)
{
    return blame(store, judge_again(store, pos, what, user, why, now_ms, changed_out, err), err);
}
