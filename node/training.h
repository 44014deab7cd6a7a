/* The training copy (练习): people that nobody is, in DIR/training/training.db, behind the same
 * door at /training/, with a cookie of its own. It is made when it is first asked for, and again
 * whenever somebody wants to begin anew.
 *
 * Nothing of it can get into the queue of the real data: the file has an application id of its own
 * (LM_APP_TRAINING), so that no command that sends, exports, backs up or restores opens it, under
 * whatever name; no key of an enrolment belongs to its replica; its addresses hold no stick and no
 * synchronisation; and the link has the real database's handle only. Of the real data it reads the
 * names of villages. All of it belongs to the HTTP thread. */
#ifndef LM_NODE_TRAINING_H
#define LM_NODE_TRAINING_H

#include "node/api/api.h"

#define LM_TRAINING_BASE "/training"
#define LM_TRAINING_USER "练习员"
#define LM_TRAINING_PASSWORD "246810"
#define LM_TRAINING_ROUTES_MAX 96

struct lm_training;
/* real: the API of the real data, which outlives it. Nothing is opened or made yet. */
enum lm_status lm_training_new(struct lm_api *real, struct lm_training **out,
                               struct lm_error *err) LM_MUST_USE;
void lm_training_free(struct lm_training **training);
/* After how long without anybody its page locks itself. */
void lm_training_idle(struct lm_training *training, int64_t idle_ms);
/* The same as the real data's. */
void lm_training_front(struct lm_training *training, atomic_int *front);
/* Its page and its API: at most LM_TRAINING_ROUTES_MAX, which live as long as it. How many. */
size_t lm_training_routes(struct lm_training *training, struct lm_http_route *routes);

#endif
