/* A capped arena: a list of blocks, the newest first. One owner; no locks.
 *
 * Invariants: `used` counts what was handed out, rounded up to the alignment; every block but the
 * head is never allocated from again before a reset; the last block of the list is the first one
 * made, and the one that a reset keeps. Under AddressSanitizer whatever was not handed out is
 * poisoned, with a gap after each allocation, so that an overrun inside a block is seen. */
#include "common/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
/* A block above 128 KiB would be mapped anew each time, its shadow cleared and given back. */
enum { GAP = 16, BLOCK_MAX = 64 * 1024 };
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
enum { GAP = 0, BLOCK_MAX = 1024 * 1024 };
#endif

enum { ALIGN = 16, BLOCK_MIN = 16 * 1024 };

struct lm_arena_block {
    struct lm_arena_block *next;
    size_t size; /* of data */
    size_t pos;  /* the next free byte of data; a multiple of ALIGN */
    _Alignas(16) unsigned char data[];
};

void lm_arena_init(struct lm_arena *arena, size_t cap)
{
    *arena = (struct lm_arena){.cap = cap};
}

static struct lm_arena_block *block_new(size_t size)
{
    /* aligned_alloc: malloc gives only 8 on some 32-bit systems. */
    struct lm_arena_block *block = aligned_alloc(ALIGN, sizeof(*block) + size);
    if (!block) {
        return NULL;
    }
    block->next = NULL;
    block->size = size;
    block->pos = 0;
    POISON(block->data, size);
    return block;
}

static void block_free(struct lm_arena_block *block)
{
    UNPOISON(block->data, block->size);
    free(block);
}

/* A block with room for `need` bytes (a multiple of ALIGN), linked in; NULL when out of memory. */
static struct lm_arena_block *block_for(struct lm_arena *arena, size_t need)
{
    struct lm_arena_block *head = arena->head;
    if (head && head->size - head->pos >= need) {
        return head;
    }
    size_t size = BLOCK_MIN;
    if (head) {
        size = head->size < BLOCK_MAX / 2 ? head->size * 2 : BLOCK_MAX;
    }
    struct lm_arena_block *block = block_new(need > size ? need : size);
    if (!block) {
        return NULL;
    }
    if (need > size && head && head->next) {
        /* A single large one goes behind the head, whose rest stays in use. (Never behind the last
         * block: that place belongs to the first one made.) */
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->head = block;
    }
    return block;
}

void *lm_arena_alloc(struct lm_arena *arena, size_t n)
{
    if (n > arena->cap || arena->used > arena->cap - n || n > SIZE_MAX / 2) {
        arena->full = true;
        return NULL;
    }
    size_t take = n ? (n + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    struct lm_arena_block *block = block_for(arena, take + GAP);
    if (!block) {
        return NULL;
    }
    unsigned char *p = block->data + block->pos;
    block->pos += take + GAP;
    arena->used += take;
    UNPOISON(p, n ? n : 1);
    memset(p, 0, n ? n : 1);
    return p;
}

enum lm_status lm_arena_status(const struct lm_arena *arena, size_t n)
{
    return n > arena->cap || arena->used > arena->cap - n ? LM_ERR_LIMIT : LM_ERR_MEMORY;
}

char *lm_arena_text(struct lm_arena *arena, const char *text, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = lm_arena_alloc(arena, n + 1);
    if (copy && n) {
        memcpy(copy, text, n);
    }
    return copy;
}

char *lm_arena_printf(struct lm_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    char *text = NULL;
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0) {
        text = lm_arena_alloc(arena, (size_t)n + 1);
        if (text) {
            (void)vsnprintf(text, (size_t)n + 1, fmt, again);
        }
    }
    va_end(again);
    va_end(args);
    return text;
}

void lm_arena_reset(struct lm_arena *arena)
{
    while (arena->head && arena->head->next) {
        struct lm_arena_block *next = arena->head->next;
        block_free(arena->head);
        arena->head = next;
    }
    if (arena->head) {
        arena->head->pos = 0;
        POISON(arena->head->data, arena->head->size);
    }
    arena->used = 0;
    arena->full = false;
}

void lm_arena_free(struct lm_arena *arena)
{
    if (!arena) {
        return;
    }
    while (arena->head) {
        struct lm_arena_block *next = arena->head->next;
        block_free(arena->head);
        arena->head = next;
    }
    arena->used = 0;
    arena->full = false;
}
