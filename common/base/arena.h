/* A capped arena: many small allocations that end together. Not thread-safe: one owner. */
#ifndef LM_BASE_ARENA_H
#define LM_BASE_ARENA_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_arena_block;
struct lm_arena {
    struct lm_arena_block *head;
    size_t used; /* bytes handed out since init or the last reset */
    size_t cap;  /* bytes; passing it makes alloc return NULL */
    bool full;   /* an allocation has failed at the cap since init or the last reset */
};

/* cap: bytes this arena may hand out in all. Allocates nothing yet. */
void lm_arena_init(struct lm_arena *arena, size_t cap);
/* Zeroed memory aligned to 16, or NULL when out of memory or past the cap. n = 0 gives a pointer.
 */
void *lm_arena_alloc(struct lm_arena *arena, size_t n) LM_MUST_USE;
/* A NUL-terminated copy of n bytes, or NULL. */
char *lm_arena_text(struct lm_arena *arena, const char *text, size_t n) LM_MUST_USE;
/* Why an allocation of n bytes just gave NULL: LM_ERR_LIMIT (past the cap) or LM_ERR_MEMORY. */
enum lm_status lm_arena_status(const struct lm_arena *arena, size_t n);
char *lm_arena_printf(struct lm_arena *arena, const char *fmt, ...) LM_PRINTF(2, 3) LM_MUST_USE;
/* Forgets every allocation but keeps the first block for reuse. */
void lm_arena_reset(struct lm_arena *arena);
/* Frees everything; the arena may be used again. Accepts NULL. */
void lm_arena_free(struct lm_arena *arena);

#endif
