/* Aggregates that neither sort nor keep a tree.
 *
 * lm_tally adds up by key. SQLite's GROUP BY sorts every row first, which costs more than reading
 * them; there are few groups and rows of one often follow each other.
 *
 * lm_distinct counts what differs, as count(DISTINCT x) does for texts and whole numbers: each
 * value is kept whole in a table of hashes, with a key that nobody outside knows. */
#include "hub/store/counts_internal.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static const char pointer_type[] = "lm_count_groups";

struct tally {
    struct lm_count_groups *groups;
    size_t last; /* where the row before was added */
    bool failed;
};

static void step(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct tally *t = sqlite3_aggregate_context(context, sizeof *t);
    const char *key;
    struct lm_count_group *group;

    (void)n;
    if (!t || t->failed) {
        return;
    }
    if (!t->groups) {
        t->groups = sqlite3_value_pointer(args[0], pointer_type);
    }
    key = (const char *)sqlite3_value_text(args[1]);
    key = key ? key : "";
    if (t->groups && t->last < t->groups->n && strcmp(t->groups->items[t->last].key, key) == 0) {
        t->groups->items[t->last].value.num += sqlite3_value_int64(args[2]);
        return;
    }
    group = t->groups ? lm_count_group(t->groups, key) : NULL;
    if (!group) {
        t->failed = true;
        sqlite3_result_error_nomem(context);
        return;
    }
    group->value.num += sqlite3_value_int64(args[2]);
    t->last = (size_t)(group - t->groups->items);
}

static void end(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

/* ---- distinct ---- */

#define DISTINCT_BYTES_MAX (256u * 1024 * 1024)
#define SLOTS_MIN 64

struct distinct {
    uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t *values; /* length (4 bytes), then the bytes, one value after another */
    uint32_t *slots; /* where a value begins, plus one; 0 = free. A power of two of them */
    size_t used, size, n, n_slots;
    bool failed;
};

static size_t slot_of(const struct distinct *d, const void *bytes, uint32_t n)
{
    uint64_t hash;
    size_t at;

    (void)crypto_shorthash((uint8_t *)&hash, bytes, n, d->key);
    for (at = (size_t)hash & (d->n_slots - 1); d->slots[at]; at = (at + 1) & (d->n_slots - 1)) {
        const uint8_t *value = d->values + d->slots[at] - 1;
        uint32_t length;

        memcpy(&length, value, sizeof length);
        if (length == n && memcmp(value + sizeof length, bytes, n) == 0) {
            break;
        }
    }
    return at;
}

static bool grow_slots(struct distinct *d)
{
    size_t n = d->n_slots ? d->n_slots * 2 : SLOTS_MIN;
    uint32_t *old = d->slots;

    d->slots = calloc(n, sizeof *d->slots);
    if (!d->slots) {
        d->slots = old;
        return false;
    }
    free(old);
    d->n_slots = n;
    for (size_t at = 0; at < d->used;) {
        uint32_t length;

        memcpy(&length, d->values + at, sizeof length);
        d->slots[slot_of(d, d->values + at + sizeof length, length)] = (uint32_t)at + 1;
        at += sizeof length + length;
    }
    return true;
}

static bool add_value(struct distinct *d, const void *bytes, uint32_t n)
{
    size_t at, needed = d->used + sizeof n + n;

    if (d->n * 2 >= d->n_slots && !grow_slots(d)) {
        return false;
    }
    at = slot_of(d, bytes, n);
    if (d->slots[at]) {
        return true;
    }
    if (needed > d->size) {
        size_t size = d->size ? d->size : 4096;
        uint8_t *grown;

        while (size < needed) {
            size *= 2;
        }
        grown = size > DISTINCT_BYTES_MAX ? NULL : realloc(d->values, size);
        if (!grown) {
            return false;
        }
        d->values = grown;
        d->size = size;
    }
    memcpy(d->values + d->used, &n, sizeof n);
    memcpy(d->values + d->used + sizeof n, bytes, n);
    d->slots[at] = (uint32_t)d->used + 1;
    d->used = needed;
    d->n++;
    return true;
}

static void distinct_step(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct distinct *d = sqlite3_aggregate_context(context, sizeof *d);
    sqlite3_int64 number;
    bool added = true;

    (void)n;
    if (!d || d->failed || sqlite3_value_type(args[0]) == SQLITE_NULL) {
        return;
    }
    if (d->n_slots == 0) {
        randombytes_buf(d->key, sizeof d->key);
    }
    if (sqlite3_value_type(args[0]) == SQLITE_INTEGER) { /* a text has no 0xff in it */
        uint8_t bytes[1 + sizeof number] = {0xff};

        number = sqlite3_value_int64(args[0]);
        memcpy(bytes + 1, &number, sizeof number);
        added = add_value(d, bytes, sizeof bytes);
    } else {
        const void *text = sqlite3_value_text(args[0]);

        added = text && add_value(d, text, (uint32_t)sqlite3_value_bytes(args[0]));
    }
    if (!added) {
        d->failed = true;
        sqlite3_result_error_nomem(context);
    }
}

static void distinct_end(sqlite3_context *context)
{
    struct distinct *d = sqlite3_aggregate_context(context, 0);

    if (d && !d->failed) {
        sqlite3_result_int64(context, (sqlite3_int64)d->n);
    } else if (!d) {
        sqlite3_result_int64(context, 0);
    } else {
        sqlite3_result_error_nomem(context);
    }
    if (d) {
        free(d->values);
        free(d->slots);
        memset(d, 0, sizeof *d);
    }
}

enum lm_status lm_count_tally_register(struct sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    bool made = sqlite3_create_function_v2(db, "lm_tally", 3, flags, NULL, NULL, step, end, NULL) ==
                    SQLITE_OK &&
                sqlite3_create_function_v2(db, "lm_distinct", 1, flags, NULL, NULL, distinct_step,
                                           distinct_end, NULL) == SQLITE_OK;

    return made ? LM_OK : LM_ERR_MEMORY;
}

void lm_count_tally_bind(struct sqlite3_stmt *stmt, struct lm_count_groups *groups)
{
    int index = sqlite3_bind_parameter_index(stmt, ":groups");

    if (index > 0) {
        (void)sqlite3_bind_pointer(stmt, index, groups, pointer_type, NULL);
    }
}
