/* What goes with a summary onto paper: who wrote it and who signed, and the signed versions of its
 * year with what each says otherwise than the one before it. */
#ifndef LM_HUB_SNAPSHOT_ANNEX_H
#define LM_HUB_SNAPSHOT_ANNEX_H

#include "hub/store.h"

#define LM_ANNEX_VERSIONS_MAX 20 /* the newest; older ones are in the page's list */
#define LM_ANNEX_FIGURES_MAX 80  /* differences of one version that are told one by one */
#define LM_ANNEX_LINES_MAX 40
#define LM_ANNEX_WRITERS_MAX 8

/* Adds to doc, a document of lm_summary (id NULL) or of lm_snapshot_doc:
 * "paper": {"kind":"live"|"draft"|"signed","version","writers":[…],"user":signer or "","at":when or
 *   ""}
 * "versions", oldest first, those signed up to this one, this one always:
 *   [{"version","signed","user","at","hash","figures":[{"label","was","is"}],"gone":[…],"come":[…],
 *   "more":differences beyond the bounds}]
 * hash: lm_snapshot_hash of a signed one, else "". Reads only. */
enum lm_status lm_snapshot_annex(struct lm_store *store, const char *id, json_t *doc,
                                 struct lm_error *err) LM_MUST_USE;

/* What a signed version can be recognized by on paper: SHA-256, in hexadecimal, of its text and
 * figures in UTF-8: the text as kept, then for each figure in the order of its id (as bytes) a line
 * "id TAB value with four places TAB as shown LF"; nothing between the tabs where there is no
 * value. doc: of lm_snapshot_doc. */
#define LM_SNAPSHOT_HASH_TEXT 65
void lm_snapshot_hash(const json_t *doc, char out[LM_SNAPSHOT_HASH_TEXT]);

#endif
