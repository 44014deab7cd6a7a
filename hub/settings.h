/* The town's settings (设置): records of type setting that the counts and the monthly reports read.
 * Each has a meaning, bounds, and a value when nobody has set it. Which there are is said here
 * alone: the catalogue takes any key, and a rule of the store (store/rules.c) only these. */
#ifndef LM_HUB_SETTINGS_H
#define LM_HUB_SETTINGS_H

#include "hub/store.h"

#define LM_TOWN_NAME_BYTES 200

/* Whether there is this key, and may have this value (NULL: not asked). LM_ERR_INVALID
 * "unknown_setting", "out_of_range", "bad_number", "bad_list", "bad_text", "unknown_field": err says
 * what may be. */
enum lm_status lm_setting_check(const struct lm_catalog *catalog, const char *key,
                                const char *value, struct lm_error *err) LM_MUST_USE;

/* [{"key","zh","en","note","note_en","unit","value","default","min","max"|"fields"|"max_chars","changed"}]:
 * value null = nobody set it, changed {"at","user"} or null. Reads only. */
enum lm_status lm_settings_list(struct lm_store *store, json_t **out,
                                struct lm_error *err) LM_MUST_USE;

/* The number that is in force; what cannot be read or is out of its bounds is the default. */
int64_t lm_setting_number(struct lm_store *store, const char *key);
/* The town's name on pages, in summaries and on paper: as it is set, else as the hub was made. */
void lm_town_name(struct lm_store *store, char out[LM_TOWN_NAME_BYTES]);
/* Sets one inside the caller's transaction; value NULL: back to the value of nobody. was: what its
 * author saw (NULL: nobody had set it); another one by now is LM_ERR_EXISTS "changed_meanwhile".
 * LM_ERR_NOT_FOUND "no_setting". */
enum lm_status lm_setting_put(struct lm_store *store, const char *user, const char *key,
                              const char *value, const char *was, int64_t now_ms,
                              struct lm_error *err) LM_MUST_USE;

#endif
