/* See tries.h. */
#include "common/tries.h"

#include <sodium.h>
#include <string.h>

static void key_of(const char *text, uint8_t key[16])
{
    (void)crypto_generichash(key, 16, (const unsigned char *)text, strlen(text), NULL, 0);
}

static struct lm_tries_address *find(struct lm_tries *tries, const uint8_t key[16])
{
    for (size_t i = 0; i < LM_TRIES_ADDRESSES_MAX; i++) {
        if (tries->addresses[i].used && memcmp(tries->addresses[i].key, key, 16) == 0) {
            return &tries->addresses[i];
        }
    }
    return NULL;
}

/* Known addresses go last: who comes from many pushes out his own. */
static bool goes_before(const struct lm_tries_address *a, const struct lm_tries_address *b)
{
    return a->used != b->used ? !a->used : a->good != b->good ? !a->good : a->used_ms < b->used_ms;
}

static struct lm_tries_address *at(struct lm_tries *tries, const char *address, int64_t now_ms)
{
    struct lm_tries_address *slot;
    uint8_t key[16];

    key_of(address, key);
    slot = find(tries, key);
    if (!slot) {
        slot = &tries->addresses[0];
        for (size_t i = 1; i < LM_TRIES_ADDRESSES_MAX; i++) {
            slot = goes_before(&tries->addresses[i], slot) ? &tries->addresses[i] : slot;
        }
        *slot = (struct lm_tries_address){.used = true};
        memcpy(slot->key, key, sizeof slot->key);
    }
    slot->used_ms = now_ms;
    return slot;
}

#define ONE 1000 /* thousandths */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What came back since. Then: how long until one more fits. */
static int64_t wait_ms(struct lm_tries_budget *b, int burst, int least_ms, int64_t now_ms)
{
    int64_t each_ms = larger(b->each_ms, least_ms), back = (now_ms - b->at_ms) * ONE / each_ms;
    int64_t over;

    /* What is less than a thousandth stays with the time: asked often, it would never come back. */
    b->spent = larger(b->spent - larger(back, 0), 0);
    b->at_ms = b->spent > 0 && back >= 0 ? b->at_ms + back * each_ms / ONE : now_ms;
    over = b->spent + ONE - (int64_t)burst * ONE;
    return over > 0 ? (over * each_ms + ONE - 1) / ONE : 0;
}

static void settle(struct lm_tries_budget *b, bool right, int64_t took_ms)
{
    if (right) {
        b->spent = larger(b->spent - ONE, 0);
    } else {
        b->each_ms = LM_TRIES_SHARE * took_ms;
        b->each_ms = b->each_ms < LM_TRIES_MS_MAX ? b->each_ms : LM_TRIES_MS_MAX;
    }
}

int64_t lm_tries_begin(struct lm_tries *tries, const char *address, int64_t mono_ms)
{
    struct lm_tries_address *a = at(tries, address, mono_ms);
    int64_t wait = wait_ms(&a->budget, LM_TRIES_BURST, LM_TRIES_MS, mono_ms);

    if (!a->good) {
        wait = larger(wait, wait_ms(&tries->all, LM_TRIES_BURST_ALL, LM_TRIES_ALL_MS, mono_ms));
    }
    if (wait > 0) {
        tries->refused_ms = tries->refused ? tries->refused_ms : mono_ms;
        tries->refused += tries->refused < UINT32_MAX;
        return wait;
    }
    tries->began_ms = mono_ms;
    a->budget.spent += ONE;
    tries->all.spent += a->good ? 0 : ONE;
    return 0;
}

void lm_tries_end(struct lm_tries *tries, const char *address, bool right, int64_t mono_ms)
{
    struct lm_tries_address *a = at(tries, address, mono_ms);
    int64_t took_ms = mono_ms - tries->began_ms;

    settle(&a->budget, right, took_ms);
    if (!a->good) {
        settle(&tries->all, right, took_ms);
    }
    a->good = a->good || right;
}

unsigned lm_tries_told(struct lm_tries *tries, int64_t mono_ms, bool at_once)
{
    unsigned n = tries->refused;

    if (n == 0 || (!at_once && mono_ms - tries->refused_ms < LM_TRIES_TOLD_MS)) {
        return 0;
    }
    tries->refused = 0;
    return n;
}

/* ---- names that are no account's ---- */

void lm_tries_unknown(const struct lm_tries *tries, const char *name, unsigned *failures_out,
                      int64_t *failed_ms_out)
{
    uint8_t key[16];

    *failures_out = 0;
    *failed_ms_out = 0;
    key_of(name, key);
    for (size_t i = 0; i < LM_TRIES_NAMES_MAX; i++) {
        if (tries->names[i].failures > 0 && memcmp(tries->names[i].key, key, 16) == 0) {
            *failures_out = tries->names[i].failures;
            *failed_ms_out = tries->names[i].failed_ms;
        }
    }
}

void lm_tries_unknown_failed(struct lm_tries *tries, const char *name, int64_t wall_ms)
{
    struct lm_tries_name *slot = &tries->names[0];
    uint8_t key[16];

    key_of(name, key);
    for (size_t i = 0; i < LM_TRIES_NAMES_MAX; i++) {
        struct lm_tries_name *n = &tries->names[i];

        if (n->failures > 0 && memcmp(n->key, key, 16) == 0) {
            slot = n;
            break;
        }
        slot = n->failed_ms < slot->failed_ms ? n : slot; /* the oldest gives way */
    }
    if (memcmp(slot->key, key, 16) != 0) {
        memcpy(slot->key, key, 16);
        slot->failures = 0;
    }
    slot->failures += slot->failures < UINT32_MAX;
    slot->failed_ms = wall_ms;
}
