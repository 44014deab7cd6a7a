/* What a save must look up in the node's own tables: references and natural keys. */
#ifndef LM_NODE_SAVE_CHECK_H
#define LM_NODE_SAVE_CHECK_H

#include "node/store.h"
#include "proto/validate.h"

/* Every reference that the set newly makes. A record of this station must be there
 * ("unknown_reference"); one of the town's may still be on its way (a warning); accounts, devices
 * and files are not looked for. before NULL: creation. id: the record itself. */
enum lm_status lm_node_check_references(struct lm_nstore *store, const struct lm_type *type,
                                        const struct lm_record *before,
                                        const struct lm_fieldset *set, const char *id,
                                        struct lm_issues *issues) LM_MUST_USE;
/* Whether the set holds a field of the type's natural key, of what decides whether the key applies,
 * or (persons) of name and birth. */
bool lm_node_touches_key(const struct lm_type *type, const struct lm_fieldset *set);
/* Another record of the same village with the same key: refused ("not_unique") or warned of
 * ("near_duplicate"); other then is its id, else it is left alone. */
enum lm_status lm_node_check_key(struct lm_nstore *store, const struct lm_record *rec,
                                 const char *station, struct lm_issues *issues,
                                 char other[40]) LM_MUST_USE;

/* Warns where the record says something in a reporting period that the town has locked: there it
 * will wait until somebody has seen to it. before NULL: it is new. */
enum lm_status lm_node_check_period(struct lm_nstore *store, const struct lm_record *before,
                                    const struct lm_record *after,
                                    struct lm_issues *issues) LM_MUST_USE;

/* What a change request asks for must not make two records of one key; said beside "new_value".
 * other as above. */
enum lm_status lm_node_check_request(struct lm_nstore *store, const struct lm_validate_in *in,
                                     const char *station, struct lm_arena *arena,
                                     struct lm_issues *issues, char other[40]) LM_MUST_USE;

#endif
