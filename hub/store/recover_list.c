/* The list of what nodes gave back and a person has to decide on, each row with why "accept all"
 * leaves it and what to do about that. */
#include "hub/store/recover_internal.h"

#include <inttypes.h>

/* What decides whether a row is left. */
struct waiting {
    int64_t id;
    uint64_t replica;
    const char *author; /* the station of its author's PC; "": the town, or a PC unknown here */
    bool came, awaited, disputed, other, gives;
};

static void set(json_t *row, const char *name, json_t *value)
{
    (void)json_object_set_new(row, name, value);
}

/* Why "accept all" leaves the row, and what to do, where no try has left its own reason. */
static void set_why(json_t *row, const struct waiting *r)
{
    struct lm_error why = {0};

    if (r->came) {
        (void)lm_fail(&why, LM_ERR_EXISTS, "came_by_itself", "",
                      "写它的电脑已经自己补传，不缺了；下一次 recovered accept --all 时结清。",
                      "The PC that wrote it has sent it itself, nothing is missing; the next "
                      "`recovered accept --all` closes it.");
    } else if (r->awaited) {
        (void)lm_fail(
            &why, LM_ERR_BUSY, "author_may_send", "",
            "电脑 %" PRIu64
            "（服务站 %s）写的，还能用的会自己补传；已报废、丢失的，先停用（station "
            "revoke %s --replica %" PRIu64
            "，或“村站”页），再全部确认；也可按编号确认（recovered accept %lld）。",
            "PC %" PRIu64 " (station %s) wrote it, and sends it itself when it connects; if that "
            "PC is gone revoke it (`station revoke %s --replica %" PRIu64
            "`), then accept all; or accept this by its number (`recovered accept %lld`).",
            r->replica, r->author, r->author, r->replica, (long long)r->id);
    } else if (r->disputed) {
        (void)lm_fail(&why, LM_ERR_EXISTS, "disputed", "",
                      "各村交还的内容不一样：请核对，采用一份（recovered accept 编号），其余舍弃。",
                      "What was given back differs: look, accept one by its number and dismiss the "
                      "others.");
    } else if (r->other) {
        (void)lm_fail(&why, LM_ERR_DENIED, "other_station", "",
                      "这份档案现在属于别的村：先确认转移、撤并；确实是交还的村改的，按编号确认"
                      "（recovered accept %lld）。",
                      "The record is another village's now: accept the move or the merger first; "
                      "or, if it is true, accept this by its number (`recovered accept %lld`).",
                      (long long)r->id);
    } else if (r->gives) {
        (void)lm_fail(&why, LM_ERR_DENIED, "gives_records", "",
                      "会把档案转给别的村，还只有一个村交还：等另一个村也交还，或核实以后按编号确认"
                      "（recovered accept %lld）。",
                      "It would give records to another village, and only one gave it back so far: "
                      "wait for the other, or look and accept it by its number (`recovered accept "
                      "%lld`).",
                      (long long)r->id);
    }
    if (why.code[0]) {
        set(row, "why",
            json_pack("{s:s,s:s,s:s,s:s}", "code", why.code, "field", "", "zh", why.zh, "en",
                      why.en));
    }
}

static json_t *row_json(struct lm_store *store, struct sqlite3_stmt *stmt, struct lm_arena *arena,
                        enum lm_status *status)
{
    const struct lm_catalog *catalog = store->catalog;
    static const char *const ops[] = {"create", "edit", "delete", "undelete"};
    struct lm_change change;
    char at[LM_TIME_TEXT + 8], id[40], author[24];
    uint64_t replica = (uint64_t)sqlite3_column_int64(stmt, 3);
    const char *why = lm_column_str(stmt, 10), *type = lm_column_str(stmt, 2);
    struct waiting waiting = {.id = sqlite3_column_int64(stmt, 0),
                              .replica = replica,
                              .author = replica == 0 ? "" : lm_column_str(stmt, 14),
                              .disputed = sqlite3_column_int(stmt, 11) != 0,
                              .awaited = sqlite3_column_int(stmt, 12) != 0,
                              .came = sqlite3_column_int(stmt, 15) != 0};
    json_t *row = json_object();

    lm_column_id(stmt, 1, id);
    (void)snprintf(author, sizeof author, "%" PRIu64, replica);
    set(row, "id", json_integer(waiting.id));
    set(row, "from_station", json_string(lm_column_str(stmt, 8)));
    set(row, "record", json_string(id));
    set(row, "type", json_string(type));
    set(row, "author", json_string(replica == 0 ? "town" : author));
    if (waiting.author[0]) {
        set(row, "author_station", json_string(waiting.author));
    }
    if (sqlite3_column_int64(stmt, 4) != 0 &&
        lm_change_read(sqlite3_column_blob(stmt, 6), (size_t)sqlite3_column_bytes(stmt, 6), arena,
                       &change, NULL) == LM_OK) {
        lm_time_format(lm_hlc_ms(change.hlc), at);
        set(row, "at", json_string(at));
        set(row, "op", json_string(ops[change.op & 3]));
        set(row, "fields", lm_row_fields(lm_catalog_type(catalog, change.type), &change.fields));
        waiting.gives =
            sqlite3_column_int(stmt, 13) == 0 && lm_recovered_gives_records(type, &change);
    }
    lm_time_format(sqlite3_column_int64(stmt, 9), at);
    set(row, "received", json_string(at));
    set(row, "disputed", json_boolean(waiting.disputed));
    set(row, "author_may_send", json_boolean(waiting.awaited && !waiting.came));
    *status =
        lm_recovered_is_others(store, type, id, lm_column_str(stmt, 8), arena, &waiting.other);
    set(row, "other_station", json_boolean(waiting.other));
    if (why[0] && !waiting.came) {
        set(row, "why", json_loads(why, 0, NULL));
    } else {
        set_why(row, &waiting);
    }
    return row;
}

enum lm_status lm_store_recovered(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_RECOVERED_LIST, err);
    struct lm_arena arena;
    enum lm_status status = LM_OK;
    bool more = true;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, 0);
    (void)sqlite3_bind_int64(stmt, 2, 0);
    (void)sqlite3_bind_int64(stmt, 3, 0);
    lm_arena_init(&arena, LM_RECOVER_ARENA_BYTES);
    while (more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        json_t *row;

        lm_arena_reset(&arena);
        row = row_json(store, stmt, &arena, &status);
        if (status != LM_OK) {
            json_decref(row);
            break;
        }
        more = visit(arg, row);
        json_decref(row);
    }
    (void)sqlite3_reset(stmt);
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
