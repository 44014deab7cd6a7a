/* Which checkpoints are kept. See checkpoint.h. */
#include "proto/checkpoint.h"

#include <string.h>

/* The one whose loss leaves the smallest gap for its age; the newest and the oldest stay. */
static size_t least_needed(const struct lm_checkpoints *c)
{
    uint64_t newest = c->items[c->n - 1].mark.position;
    size_t best = 1;
    double best_ratio = 0;

    for (size_t i = 1; i + 1 < c->n; i++) {
        double gap = (double)(c->items[i + 1].mark.position - c->items[i - 1].mark.position);
        double age = (double)(newest - c->items[i - 1].mark.position);
        double ratio = gap / age;

        if (i == 1 || ratio < best_ratio) {
            best = i;
            best_ratio = ratio;
        }
    }
    return best;
}

void lm_checkpoints_add(struct lm_checkpoints *c, const struct lm_mark *mark,
                        const struct lm_cursor *cursor, uint64_t *dropped_out)
{
    if (dropped_out != NULL) {
        *dropped_out = 0;
    }
    if (mark->position == 0 || (c->n > 0 && mark->position < c->items[c->n - 1].mark.position)) {
        return;
    }
    if (c->n > 0 && mark->position == c->items[c->n - 1].mark.position) {
        c->n--;
    } else if (c->n == LM_CHECKPOINTS_MAX) {
        size_t drop = least_needed(c);

        if (dropped_out != NULL) {
            *dropped_out = c->items[drop].mark.position;
        }
        memmove(&c->items[drop], &c->items[drop + 1], (c->n - drop - 1) * sizeof(c->items[0]));
        c->n--;
    }
    c->items[c->n].mark = *mark;
    c->items[c->n].cursor = *cursor;
    c->n++;
}

void lm_checkpoints_cut(struct lm_checkpoints *c, uint64_t position)
{
    while (c->n > 0 && c->items[c->n - 1].mark.position > position) {
        c->n--;
    }
}

const struct lm_checkpoint *lm_checkpoints_at(const struct lm_checkpoints *c, uint64_t position)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].mark.position == position) {
            return &c->items[i];
        }
    }
    return NULL;
}
