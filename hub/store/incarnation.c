/* Which history of the hub this is: incarnations, what a node has seen of them, and the state in
 * which a hub that may have a living twin takes nothing in. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- incarnations ---- */

static enum lm_status put_number(struct lm_store *store, const char *name, uint64_t number,
                                 struct lm_error *err)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return lm_meta_put(store, name, text, err);
}

enum lm_status lm_incarnation_note(struct lm_store *store, const char *why, int64_t now_ms,
                                   struct lm_error *err)
{
    char line[160];

    (void)snprintf(line, sizeof line, "%" PRId64 " %" PRIu64 " %" PRIu64 " %s\n", now_ms,
                   store->town.incarnation.counter, store->town.incarnation.random, why);
    return lm_beside_append(store, LM_INCARNATIONS_FILE, line, err);
}

static enum lm_status journal_act(struct lm_store *store, uint64_t number, const char *user,
                                  const char *why, int64_t now_ms, struct lm_error *err)
{
    struct lm_jentry act = {.received_ms = now_ms, .by = LM_BY_TOWN};

    return lm_journal_later(store, &act, LM_LATER_INCARNATION, number, user, why, "", err);
}

static enum lm_status begin_incarnation(struct lm_store *store, const char *user, const char *why,
                                        int64_t now_ms, struct lm_error *err)
{
    uint64_t counter = store->town.incarnation.counter;
    enum lm_status status;

    if (store->town.rival > counter) {
        counter = store->town.rival;
    }
    status = lm_incarnation_highest(store, &counter, err);
    if (status != LM_OK) {
        return status;
    }
    store->town.incarnation.counter = counter + 1;
    store->town.incarnation.random = lm_rand_next(&store->rnd) >> 1;
    status = lm_incarnation_note(store, why, now_ms, err); /* first: no number is given out twice */
    if (status == LM_OK) {
        status = put_number(store, "incarnation_counter", store->town.incarnation.counter, err);
    }
    if (status == LM_OK) {
        status = put_number(store, "incarnation_random", store->town.incarnation.random, err);
    }
    if (status == LM_OK) {
        status = put_number(store, "rival", 0, err);
    }
    if (status == LM_OK) {
        store->begins = store->state.head.position;
        store->went_back_ms = now_ms;
        status = put_number(store, "incarnation_position", store->begins, err);
    }
    return status == LM_OK
               ? journal_act(store, store->town.incarnation.counter, user, why, now_ms, err)
               : status;
}

enum lm_status lm_store_new_incarnation(struct lm_store *store, const char *user, const char *why,
                                        int64_t now_ms, struct lm_error *err)
{
    struct lm_town town = store->town;
    uint64_t begins = store->begins;
    int64_t went_back_ms = store->went_back_ms;
    enum lm_status status = lm_store_begin(store, err);

    if (status == LM_OK) {
        status = begin_incarnation(store, user, why, now_ms, err);
    }
    if (status == LM_OK) {
        store->town.rival = 0;
        /* The hub's own branch is named by the incarnation: an empty one begins. */
        store->state.hub.seq = 0;
        lm_chain_start(0, store->town.incarnation.counter, store->state.hub.hash);
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
        store->town = town;
        store->begins = begins;
        store->went_back_ms = went_back_ms;
        return status;
    }
    lm_log(LM_LOG_WARN, "store", "incarnation %" PRIu64 " begins: %s",
           store->town.incarnation.counter, why);
    return LM_OK;
}

enum lm_status lm_store_set_rival(struct lm_store *store, uint64_t counter, int64_t now_ms,
                                  struct lm_error *err)
{
    enum lm_status status;

    if (store->town.rival >= counter) {
        return LM_OK;
    }
    status = lm_store_begin(store, err);
    if (status == LM_OK) {
        status = put_number(store, "rival", counter, err);
    }
    if (status == LM_OK) {
        status = journal_act(store, counter, "", LM_INCARNATION_RIVAL, now_ms, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
        return status;
    }
    store->town.rival = counter;
    return LM_OK;
}

enum lm_status lm_store_may_write(const struct lm_store *store, struct lm_error *err)
{
    if (store->town.rival == 0) {
        return LM_OK;
    }
    return lm_fail(err, LM_ERR_DENIED, "read_only", "",
                   "发现可能有两台镇服务器在运行（另一台为第 %" PRIu64
                   " 代），本机只读。请停掉另一台，再运行 lastmile-hub incarnation raise",
                   "Two of this hub may be alive (the other is incarnation %" PRIu64
                   "): this one is read-only. Stop the other one, then run `lastmile-hub "
                   "incarnation raise`",
                   store->town.rival);
}

/* The incarnation's beginning is an entry of the journal, so that a replay finds it there too. */
enum lm_status lm_incarnation_load(struct lm_store *store)
{
    enum lm_later what;
    const char *user, *why, *b;
    struct lm_jentry e;
    struct lm_arena arena;
    uint64_t counter;
    enum lm_status status;

    store->went_back_ms = 0;
    if (store->town.incarnation.counter <= 1) {
        return LM_OK;
    }
    lm_arena_init(&arena, 256 * 1024);
    status = lm_journal_at(store, store->begins + 1, &arena, &e);
    if (status == LM_OK && lm_later_read(&e, &arena, &what, &counter, &user, &why, &b) &&
        what == LM_LATER_INCARNATION) {
        store->went_back_ms = e.received_ms;
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- what a node has seen ---- */

/* Compares the first n bytes of the mark at a position. */
static enum lm_status holds(struct lm_store *store, uint64_t position, const uint8_t *hash,
                            size_t n, bool *out)
{
    struct lm_mark mark;
    enum lm_status status = lm_store_mark_at(store, position, &mark);

    *out = status == LM_OK && memcmp(mark.hash, hash, n) == 0;
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_common(struct lm_store *store, const struct lm_msg_hello *hello,
                               uint64_t *common_out, bool *proof_held_out)
{
    bool held = false;
    enum lm_status status =
        holds(store, hello->seen.position, hello->seen.hash, LM_HASH_BYTES, &held);

    *common_out = held ? hello->seen.position : 0;
    for (size_t i = 0; i < hello->n_checkpoints && status == LM_OK && !held; i++) {
        const struct lm_short_mark *c = &hello->checkpoints[i];
        bool same = false;

        if (c->position > *common_out && c->position < hello->seen.position) {
            status = holds(store, c->position, c->prefix, LM_MARK_PREFIX_BYTES, &same);
            *common_out = same ? c->position : *common_out;
        }
    }
    if (status == LM_OK) {
        status = holds(store, hello->proof.mark.position, hello->proof.mark.hash, LM_HASH_BYTES,
                       proof_held_out);
    }
    return status;
}
