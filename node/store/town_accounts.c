/* Accounts that the town made for this station (record type station_account) stand in the table of
 * accounts beside the local ones, so that whoever logs in is judged by one row, offline, with one
 * lock-out. The record's verifier is the first password's; what the person chose after that is this
 * PC's alone and stays until the town gives another.
 *
 * Words are ordered by their HLC, not by arrival: a hub that was restored tells of accounts as they
 * were in its backup, or that there are none, and changes nothing here. What it forgot comes back
 * to it as "recovered" (offers.c). */
#include "node/store/store_internal.h"

#include "common/account.h"
#include "common/base/log.h"

#include <string.h>

#define TYPE "station_account"

static const char *text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *v = lm_record_get(rec, field);

    return v && v->kind == LM_TEXT ? v->text : "";
}

static enum lm_status put(struct lm_nstore *s, const struct lm_record *rec, uint64_t said,
                          bool disabled, struct lm_error *err)
{
    const char *verifier = text_of(rec, "verifier");
    sqlite3_stmt *q = ns_stmt(s, NS_TOWN_ACCOUNT_PUT);

    /* The program of another day may make others; no password fits "". */
    if (!lm_password_hash_usable(verifier)) {
        lm_log(LM_LOG_WARN, "accounts", "the password of account %s cannot be used here", rec->id);
        verifier = "";
    }
    ns_bind_text(q, 1, text_of(rec, "name"));
    ns_bind_text(q, 2, strcmp(text_of(rec, "role"), "admin") == 0 ? "admin" : "secretary");
    ns_bind_text(q, 3, verifier);
    (void)sqlite3_bind_int64(q, 4, lm_hlc_ms(said));
    (void)sqlite3_bind_int(q, 5, disabled);
    ns_bind_text(q, 6, rec->id);
    ns_bind_text(q, 7, text_of(rec, "shown"));
    ns_bind_u64(q, 8, said);
    return ns_run(s, q, "take in an account of the town", err);
}

static enum lm_status take_drafts(struct lm_nstore *s, const char *old, const char *name,
                                  struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_DRAFT_TAKE);

    ns_bind_text(q, 1, old);
    ns_bind_text(q, 2, name);
    return ns_run(s, q, "hand drafts over", err);
}

enum lm_status ns_town_account_take(struct lm_nstore *s, const struct lm_record *rec,
                                    struct lm_error *err)
{
    const struct lm_value *disabled = lm_record_get(rec, "disabled");
    bool shut = lm_record_deleted(rec) || (disabled && disabled->kind == LM_BOOL && disabled->b);
    const char *name, *replaces;
    uint64_t said;
    int group;
    struct lm_me me;
    enum lm_status st;

    if (strcmp(rec->type->name, TYPE) != 0) {
        return LM_OK;
    }
    st = lm_nstore_me(s, &me, err);
    group = lm_type_group(rec->type, "account", 7);
    name = text_of(rec, "name");
    replaces = text_of(rec, "replaces");
    if (st != LM_OK || group < 0 || !name[0] || rec->stamps[group].version.hlc == 0 ||
        strcmp(lm_record_text(rec, LM_C_VILLAGE_CODE), me.station) != 0) {
        return st; /* of another station, or by no word of the town */
    }
    said = rec->stamps[group].version.hlc;
    if (lm_record_deleted(rec) && rec->stamps[LM_GROUP_DELETED].version.hlc > said) {
        said = rec->stamps[LM_GROUP_DELETED].version.hlc;
    }
    st = put(s, rec, said, shut, err);
    if (st == LM_OK && !shut && replaces[0] && strcmp(replaces, name) != 0 &&
        sqlite3_changes(lm_db_handle(s->db)) > 0) {
        st = take_drafts(s, replaces, name, err);
    }
    return st;
}

enum lm_status ns_town_account_end(struct lm_nstore *s, const char *id, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_TOWN_ACCOUNT_END);

    ns_bind_text(q, 1, id);
    return ns_run(s, q, "close an account of the town", err);
}

struct all {
    struct lm_nstore *s;
    struct lm_error *err;
    enum lm_status st;
};

static bool take_one(void *arg, const struct lm_record *rec)
{
    struct all *a = arg;

    a->st = ns_town_account_take(a->s, rec, a->err);
    return a->st == LM_OK;
}

enum lm_status ns_town_accounts_all(struct lm_nstore *s, struct lm_error *err)
{
    const struct lm_type *type = lm_catalog_type(s->catalog, TYPE);
    struct all a = {.s = s, .err = err};
    enum lm_status st =
        type ? lm_tables_list(s->tables, NULL, type, NULL, NULL, 0, false, take_one, &a, err)
             : LM_OK;

    return st == LM_OK ? a.st : st;
}
