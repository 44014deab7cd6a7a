/* Accounts of the stations, made at the hub and valid at their PCs without a network: records of
 * type station_account, which go down with the feed and by USB like any other
 * (node/store/town_accounts.c takes them in). The record holds the verifier of a first password,
 * which its owner must change at the first login; what is chosen then stays at that PC.
 *
 * Each act is one change of the town, in the caller's transaction. Nothing here logs: whoever acts
 * writes to the audit log. */
#ifndef LM_HUB_STATION_ACCOUNTS_H
#define LM_HUB_STATION_ACCOUNTS_H

#include "common/account.h"
#include "hub/store.h"

#define LM_STATION_ACCOUNTS_MAX 20 /* of one station, those that are disabled included */
#define LM_SHOWN_CHARS_MAX 40

struct lm_station_account {
    char id[LM_UUID_TEXT + 1], station[16];
    char name[4 * LM_USER_CHARS_MAX + 1], shown[4 * LM_SHOWN_CHARS_MAX + 1], role[16];
    char replaces[4 * LM_USER_CHARS_MAX + 1]; /* whose place it took, or "" */
    bool disabled;
    int64_t changed_ms; /* the town's last word on it */
};

/* Those of a station, or with NULL of all. */
enum lm_status lm_station_accounts(struct lm_store *store, const char *station,
                                   bool (*visit)(void *arg,
                                                 const struct lm_station_account *account),
                                   void *arg, struct lm_error *err) LM_MUST_USE;
/* By id, or by station and name (id NULL). LM_ERR_NOT_FOUND "no_user". */
enum lm_status lm_station_account(struct lm_store *store, const char *id, const char *station,
                                  const char *name, struct lm_station_account *out,
                                  struct lm_error *err) LM_MUST_USE;

struct lm_station_account_new {
    const char *station, *name;
    const char *shown;    /* NULL: the name */
    const char *role;     /* NULL: secretary; with replaces: that account's */
    const char *verifier; /* lm_password_hash of the first password */
    const char *replaces; /* id of the account that it takes over from, which is disabled; or NULL.
                             The station is that one's */
};
/* LM_ERR_INVALID "bad_text" "bad_code" "unknown_station"; LM_ERR_EXISTS "user_exists";
 * LM_ERR_LIMIT; LM_ERR_NOT_FOUND "no_user". user: who acts. */
enum lm_status lm_station_account_add(struct lm_store *store, const char *user,
                                      const struct lm_station_account_new *what, int64_t now_ms,
                                      struct lm_station_account *out,
                                      struct lm_error *err) LM_MUST_USE;

struct lm_station_account_edit {
    const char *verifier, *shown, *role; /* NULL: as it is */
    bool disable, enable;
};
enum lm_status lm_station_account_edit(struct lm_store *store, const char *user, const char *id,
                                       const struct lm_station_account_edit *what, int64_t now_ms,
                                       struct lm_error *err) LM_MUST_USE;

#endif
