/* Between link.c and link_effects.c only. */
#ifndef LM_NODE_LINK_INTERNAL_H
#define LM_NODE_LINK_INTERNAL_H

#include "node/link.h"

#define LM_LINK_RESTART_MS 5000 /* after a failure of the database or of making a socket */

/* A failure of this PC (the database, the socket): the session ends, and begins anew from what is
 * stored LM_LINK_RESTART_MS later. doing: for the log. */
void lm_link_fail(struct lm_link *link, const char *doing, const struct lm_error *err);
/* Whether the hub refuses this PC's own key on the socket that is open. */
bool lm_link_refused(struct lm_link *link);
/* Whether what answers there has another key than the one that the socket holds it to. */
bool lm_link_wrong_hub(struct lm_link *link);

#endif
