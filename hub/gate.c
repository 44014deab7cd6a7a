/* The keys that ZAP lets in. See gate.h. One mutex; look-ups are a binary search over a sorted
 * array. */
#include "hub/gate.h"

#include "common/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 200000

struct key {
    uint8_t public_key[32];
    char user_id[41];
};
struct keys {
    struct key *items;
    size_t n, size;
    bool failed;
};
struct lm_gate {
    pthread_mutex_t mutex;
    struct keys keys;
    uint8_t readmit[32];
    bool has_readmit;
};

struct lm_gate *lm_gate_new(void)
{
    struct lm_gate *gate = calloc(1, sizeof *gate);
    if (gate && pthread_mutex_init(&gate->mutex, NULL) != 0) {
        free(gate);
        return NULL;
    }
    return gate;
}

void lm_gate_destroy(struct lm_gate **gate)
{
    if (*gate) {
        pthread_mutex_destroy(&(*gate)->mutex);
        free((*gate)->keys.items);
        free(*gate);
        *gate = NULL;
    }
}

static bool add_key(struct keys *keys, const uint8_t public_key[32], char kind,
                    unsigned long long n)
{
    if (keys->n == keys->size) {
        size_t size = keys->size ? keys->size * 2 : 256;
        struct key *grown = size > KEYS_MAX * 2 ? NULL : realloc(keys->items, size * sizeof *grown);
        if (!grown) {
            keys->failed = true;
            return false;
        }
        keys->items = grown;
        keys->size = size;
    }
    struct key *key = &keys->items[keys->n++];
    memcpy(key->public_key, public_key, 32);
    snprintf(key->user_id, sizeof key->user_id, "%c%llu", kind, n);
    return true;
}

static bool add_replica(void *arg, const struct lm_replica *replica)
{
    return replica->revoked_ms != 0 || add_key(arg, replica->public_key, 'r', replica->number);
}

static bool add_kit(void *arg, const struct lm_kit_row *kit)
{
    return add_key(arg, kit->public_key, 'k', (unsigned long long)kit->id);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct key *)a)->public_key, ((const struct key *)b)->public_key, 32);
}

enum lm_status lm_gate_reload(struct lm_gate *gate, struct lm_store *store, struct lm_error *err)
{
    struct keys fresh = {0};
    enum lm_status status = lm_store_replicas(store, NULL, add_replica, &fresh, err);
    if (status == LM_OK) {
        status = lm_store_kits(store, add_kit, &fresh, err);
    }
    if (status == LM_OK && fresh.failed) {
        status = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "out of memory");
    }
    if (status != LM_OK) {
        free(fresh.items);
        return status;
    }
    if (fresh.n > 0) {
        qsort(fresh.items, fresh.n, sizeof *fresh.items, compare_keys);
    }
    pthread_mutex_lock(&gate->mutex);
    struct keys old = gate->keys;
    gate->keys = fresh;
    pthread_mutex_unlock(&gate->mutex);
    free(old.items);
    return LM_OK;
}

void lm_gate_set_readmit(struct lm_gate *gate, const uint8_t public_key[32])
{
    pthread_mutex_lock(&gate->mutex);
    memcpy(gate->readmit, public_key, sizeof gate->readmit);
    gate->has_readmit = true;
    pthread_mutex_unlock(&gate->mutex);
}

bool lm_gate_allow(void *arg, const uint8_t public_key[32], const char *address,
                   char user_id_out[41])
{
    struct lm_gate *gate = arg;
    struct key wanted;
    memcpy(wanted.public_key, public_key, 32);
    pthread_mutex_lock(&gate->mutex);
    const struct key *found =
        gate->keys.n ? bsearch(&wanted, gate->keys.items, gate->keys.n, sizeof wanted, compare_keys)
                     : NULL;
    bool readmit = !found && gate->has_readmit && memcmp(gate->readmit, public_key, 32) == 0;
    if (found) {
        memcpy(user_id_out, found->user_id, 41);
    } else if (readmit) {
        memcpy(user_id_out, "a0", 3);
    }
    pthread_mutex_unlock(&gate->mutex);
    if (!found && !readmit) {
        lm_log(LM_LOG_WARN, "gate", "refused an unknown or revoked key from %s",
               address ? address : "?");
    }
    return found != NULL || readmit;
}
