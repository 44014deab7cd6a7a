/* What town staff do to many records at once, for the command line and the page. */
#ifndef LM_HUB_ACTS_H
#define LM_HUB_ACTS_H

#include "hub/store.h"

#define LM_PERSON_BYTES 260

/* The state that `approve` leads to from submitted ("active", "verified"), or NULL: this type is
 * not verified in bulk. */
const char *lm_approved_state(const struct lm_type *type);
/* Approves one inside the caller's transaction. LM_OK also when a rule is against it: then a row
 * {"id","code","field","text","text_en"} is added to left, and *approved_out stays as it is. */
enum lm_status lm_approve_one(struct lm_store *store, const char *user, const char *state,
                              const char *id, int64_t now_ms, json_t *left, size_t *approved_out,
                              struct lm_error *err) LM_MUST_USE;
/* A period's lock that is verified and not deleted. */
bool lm_is_lock_in_force(struct lm_store *store, const char *id);
/* Sends one back with a note (the village sees it as 退回); a period's lock in force is opened by
 * it, which who locked it does not do (LM_ERR_DENIED "second_person"). Inside the caller's
 * transaction; when a rule is against it, err says which. */
enum lm_status lm_send_back(struct lm_store *store, const char *user, const char *id,
                            const char *note, int64_t now_ms, struct lm_error *err) LM_MUST_USE;

/* Whose act it was that a change of that station names as its user: the person of the town's
 * account; elsewhere whom the account shows; who has no account, the name itself. Two accounts of
 * one person are one person (lm_same_person). */
void lm_person_of(struct lm_store *store, const char *station, const char *user,
                  char out[LM_PERSON_BYTES]);
/* Whether `user` of the town, with that or another account, is behind one of the record's changes
 * for which counts() holds (NULL: any). */
enum lm_status lm_acted_on(struct lm_store *store, const char *user, const char *id,
                           bool (*counts)(const json_t *row), bool *out,
                           struct lm_error *err) LM_MUST_USE;

/* LM_ERR_DENIED "second_person" when the record is of a type that another than its author must
 * verify (opening balances), and user entered it or changed what it says. */
enum lm_status lm_second_person(struct lm_store *store, const char *user, const char *id,
                                struct lm_error *err) LM_MUST_USE;
/* LM_ERR_DENIED "verified" when rec is a verified opening balance or lock of a period and the act
 * changes what it says, deletes it or brings it back: two persons stand for it, so one alone does
 * not change it. A lock in force ends by lm_send_back alone. */
enum lm_status lm_verified_stands(const struct lm_record *rec, const struct lm_act *act,
                                  struct lm_error *err) LM_MUST_USE;

#endif
