/* See station_accounts.h. */
#include "hub/station_accounts.h"

#include <stdio.h>
#include <string.h>

#define TYPE "station_account"

/* ---- reading ---- */

static const char *text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *v = lm_record_get(rec, field);

    return v && v->kind == LM_TEXT ? v->text : "";
}

static void read_account(const struct lm_record *rec, struct lm_station_account *out)
{
    const struct lm_value *disabled = lm_record_get(rec, "disabled");
    int group = lm_type_group(rec->type, "account", 7);

    memset(out, 0, sizeof *out);
    (void)snprintf(out->id, sizeof out->id, "%s", rec->id);
    (void)snprintf(out->station, sizeof out->station, "%.12s",
                   lm_record_text(rec, LM_C_VILLAGE_CODE));
    (void)snprintf(out->name, sizeof out->name, "%s", text_of(rec, "name"));
    (void)snprintf(out->shown, sizeof out->shown, "%s", text_of(rec, "shown"));
    (void)snprintf(out->role, sizeof out->role, "%.15s", text_of(rec, "role"));
    (void)snprintf(out->replaces, sizeof out->replaces, "%s", text_of(rec, "replaces"));
    out->disabled = disabled && disabled->kind == LM_BOOL && disabled->b;
    out->changed_ms = group >= 0 ? lm_hlc_ms(rec->stamps[group].version.hlc) : 0;
}

struct listing {
    bool (*visit)(void *arg, const struct lm_station_account *account);
    void *arg;
};

static bool list_one(void *arg, const struct lm_record *rec)
{
    struct listing *l = arg;
    struct lm_station_account account;

    read_account(rec, &account);
    return l->visit(l->arg, &account);
}

enum lm_status lm_station_accounts(struct lm_store *store, const char *station,
                                   bool (*visit)(void *arg,
                                                 const struct lm_station_account *account),
                                   void *arg, struct lm_error *err)
{
    struct listing l = {.visit = visit, .arg = arg};

    /* A catalogue of before there were any is no error: nobody has made one. */
    return lm_catalog_type(lm_store_catalog(store), TYPE)
               ? lm_store_list(store, NULL, TYPE, station, NULL, 0, list_one, &l, err)
               : LM_OK;
}

struct finding {
    const char *id, *name;
    struct lm_station_account *out;
    size_t n;
    bool found;
};

static bool find_one(void *arg, const struct lm_station_account *account)
{
    struct finding *f = arg;

    f->n++;
    if (!f->found &&
        (f->id ? strcmp(f->id, account->id) == 0 : strcmp(f->name, account->name) == 0)) {
        *f->out = *account;
        f->found = true;
    }
    return true;
}

static enum lm_status find(struct lm_store *store, const char *station, struct finding *f,
                           struct lm_error *err)
{
    return lm_station_accounts(store, station, find_one, f, err);
}

enum lm_status lm_station_account(struct lm_store *store, const char *id, const char *station,
                                  const char *name, struct lm_station_account *out,
                                  struct lm_error *err)
{
    struct finding f = {.id = id, .name = name ? name : "", .out = out};
    enum lm_status st = find(store, id ? NULL : station, &f, err);

    return st == LM_OK && !f.found
               ? lm_fail(err, LM_ERR_NOT_FOUND, "no_user", "user", "没有这个服务站账号。",
                         "There is no such account of a station.")
               : st;
}

/* ---- acts ---- */

static enum lm_status act(struct lm_store *store, const struct lm_act *a, int64_t now_ms,
                          struct lm_act_result *done, struct lm_error *err)
{
    enum lm_status st;

    memset(done, 0, sizeof *done);
    lm_issues_init(&done->issues);
    st = lm_store_act(store, a, now_ms, done, err);
    if (st != LM_OK && lm_issues_first_refusal(&done->issues) && !err->code[0]) {
        *err = *lm_issues_first_refusal(&done->issues);
    }
    return st;
}

static enum lm_status check_shown(const char *shown, struct lm_error *err)
{
    size_t n = strlen(shown), chars = 0;

    return n > 0 && lm_utf8_valid(shown, n, &chars) && chars <= LM_SHOWN_CHARS_MAX &&
                   !lm_utf8_has_control(shown, n)
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "shown", "显示姓名应为 1 至 %d 个字。",
                         "A shown name has 1 to %d characters.", LM_SHOWN_CHARS_MAX);
}

static enum lm_status check_role(const char *role, struct lm_error *err)
{
    return strcmp(role, "secretary") == 0 || strcmp(role, "admin") == 0
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_code", "role",
                         "角色只能是 secretary（村级人员）或 admin（管理本机）。",
                         "The role is secretary or admin (who manages the PC).");
}

static enum lm_status check_new(struct lm_store *store, const struct lm_station_account_new *what,
                                const char *station, const char *shown, const char *role,
                                struct lm_station_account *out, struct lm_error *err)
{
    struct finding f = {.name = what->name, .out = out};
    struct lm_station there;
    enum lm_status st = lm_account_name_check(what->name, err);

    if (st == LM_OK) {
        st = check_shown(shown, err);
    }
    if (st == LM_OK) {
        st = check_role(role, err);
    }
    if (st == LM_OK && lm_store_station_get(store, station, &there) != LM_OK) {
        st = lm_fail(err, LM_ERR_INVALID, "unknown_station", "station", "没有登记服务站 %.40s。",
                     "No station %.40s is registered.", station);
    }
    if (st == LM_OK) {
        st = find(store, station, &f, err);
    }
    if (st == LM_OK && f.found) {
        st = lm_fail(err, LM_ERR_EXISTS, "user_exists", "user",
                     "这个站已有账号“%.80s”，请重设它的密码，或换一个账号名。",
                     "The station has an account \"%.80s\" already: give it a new password, or "
                     "choose another name.",
                     what->name);
    } else if (st == LM_OK && f.n >= LM_STATION_ACCOUNTS_MAX) {
        st = lm_fail(err, LM_ERR_LIMIT, "limit", "user", "一个站最多 %d 个账号（含停用的）。",
                     "A station has at most %d accounts (disabled ones included).",
                     LM_STATION_ACCOUNTS_MAX);
    }
    return st;
}

static enum lm_status disable(struct lm_store *store, const char *user, const char *id,
                              int64_t now_ms, struct lm_error *err)
{
    const struct lm_station_account_edit what = {.disable = true};

    return lm_station_account_edit(store, user, id, &what, now_ms, err);
}

enum lm_status lm_station_account_add(struct lm_store *store, const char *user,
                                      const struct lm_station_account_new *what, int64_t now_ms,
                                      struct lm_station_account *out, struct lm_error *err)
{
    struct lm_station_account old = {0};
    struct lm_act_result done;
    const char *station, *role, *shown = what->shown ? what->shown : what->name;
    enum lm_status st =
        what->replaces ? lm_station_account(store, what->replaces, NULL, NULL, &old, err) : LM_OK;
    json_t *fields;

    if (st != LM_OK) {
        return st;
    }
    station = what->replaces ? old.station : what->station;
    role = what->role ? what->role : what->replaces ? old.role : "secretary";
    st = check_new(store, what, station, shown, role, out, err);
    if (st != LM_OK) {
        return st;
    }
    fields = json_pack("{s:s,s:s,s:s,s:s,s:b,s:s*,s:s}", "name", what->name, "shown", shown, "role",
                       role, "verifier", what->verifier, "disabled", 0, "replaces",
                       what->replaces ? old.name : NULL, "state", "verified");
    if (!fields) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    {
        const struct lm_act a = {.user = user,
                                 .type = TYPE,
                                 .station = station,
                                 .fields = fields,
                                 .op = LM_OP_CREATE,
                                 .by_system = true};

        st = act(store, &a, now_ms, &done, err);
    }
    json_decref(fields);
    if (st == LM_OK && what->replaces && !old.disabled) {
        st = disable(store, user, old.id, now_ms, err);
    }
    return st == LM_OK ? lm_station_account(store, done.id, NULL, NULL, out, err) : st;
}

enum lm_status lm_station_account_edit(struct lm_store *store, const char *user, const char *id,
                                       const struct lm_station_account_edit *what, int64_t now_ms,
                                       struct lm_error *err)
{
    struct lm_station_account there;
    struct lm_act_result done;
    json_t *fields = json_pack("{s:s*,s:s*,s:s*}", "verifier", what->verifier, "shown", what->shown,
                               "role", what->role);
    const struct lm_act a = {
        .user = user, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = true};
    enum lm_status st =
        fields ? lm_station_account(store, id, NULL, NULL, &there, err)
               : lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");

    if (st == LM_OK && what->shown) {
        st = check_shown(what->shown, err);
    }
    if (st == LM_OK && what->role) {
        st = check_role(what->role, err);
    }
    if (st == LM_OK && (what->disable || what->enable)) {
        (void)json_object_set_new(fields, "disabled", json_boolean(what->disable));
    }
    if (st == LM_OK) {
        st = act(store, &a, now_ms, &done, err);
    }
    json_decref(fields);
    return st;
}
