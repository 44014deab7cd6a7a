/* What town staff do to many records at once, for the command line and the page. */
#ifndef LM_HUB_ACTS_H
#define LM_HUB_ACTS_H

#include "hub/store.h"

/* The state that `approve` leads to from submitted ("active", "verified"), or NULL: this type is
 * not verified in bulk. */
const char *lm_approved_state(const struct lm_type *type);
/* Approves one inside the caller's transaction. LM_OK also when a rule is against it: then a row
 * {"id","code","field","text","text_en"} is added to left, and *approved_out stays as it is. */
enum lm_status lm_approve_one(struct lm_store *store, const char *user, const char *state,
                              const char *id, int64_t now_ms, json_t *left, size_t *approved_out,
                              struct lm_error *err) LM_MUST_USE;
/* Sends one back with a note (the village sees it as 退回). Inside the caller's transaction; when a
 * rule is against it, err says which. */
enum lm_status lm_send_back(struct lm_store *store, const char *user, const char *id,
                            const char *note, int64_t now_ms, struct lm_error *err) LM_MUST_USE;

/* LM_ERR_DENIED "second_person" when the record is of a type that another than its author must
 * verify (opening balances), and user entered it or changed what it says. */
enum lm_status lm_second_person(struct lm_store *store, const char *user, const char *id,
                                struct lm_error *err) LM_MUST_USE;

#endif
