/* What mergers.c, merger_moves.c and merger_act.c share. */
#ifndef LM_HUB_STORE_MERGER_INTERNAL_H
#define LM_HUB_STORE_MERGER_INTERNAL_H

#include "hub/store/store_internal.h"

/* One village's rows on their way to another. */
struct lm_moving {
    struct lm_store *store;
    const char *user;
    char code[16], into[16], on[16];
    int64_t now_ms;
    json_t *types;             /* [{"type","zh","en","n"}] of what moves */
    json_t *left;              /* [{"type","id","code","text","text_en"}] of what would not */
    json_t *kept;              /* [{"type","id","household_no","taken"}]: numbers without room */
    size_t n_left, households; /* households: rows whose number is written anew */
    size_t n_kept;
    int64_t posts;
    struct lm_error *err;
};

/* What is told of it, all lists empty. Whatever the status, lm_moving_free follows. */
enum lm_status lm_moving_begin(struct lm_moving *m) LM_MUST_USE;
void lm_moving_free(struct lm_moving *m);
/* Station, posts, and all that lives on. Rows that do not let themselves be moved stay, and are
 * told in left; only what ends a commit fails. */
enum lm_status lm_move_all(struct lm_moving *m) LM_MUST_USE;
/* Whether rows of the type live on in the other village. */
bool lm_moves_on(const char *type);

bool lm_is_village(struct lm_store *store, const char *code, struct lm_station *out);

#endif
