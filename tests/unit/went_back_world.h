/* A hub whose database goes back to what was kept, what nodes give back to it, and a clerk who
 * accepts all of that. */
#ifndef LM_TESTS_UNIT_WENT_BACK_WORLD_H
#define LM_TESTS_UNIT_WENT_BACK_WORLD_H

#include "tests/unit/hub_store_world.h"

#include "proto/feed.h"

static inline void copy_database(const struct world *w, const char *from, const char *to)
{
    char a[128], b[128], bytes[65536];
    FILE *in, *out;
    size_t n;

    (void)snprintf(a, sizeof a, "%s/%s", w->path, from);
    (void)snprintf(b, sizeof b, "%s/%s", w->path, to);
    in = fopen(a, "rb");
    out = fopen(b, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(bytes, 1, sizeof bytes, in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

static inline void keep(struct world *w)
{
    lm_store_close(&w->store);
    copy_database(w, "hub.db", "kept.db");
    world_open(w);
    w->now += 60000;
}

static inline void go_back(struct world *w)
{
    lm_store_close(&w->store);
    copy_database(w, "kept.db", "hub.db");
    world_open(w);
    w->now += 60000;
    OK(lm_store_new_incarnation(w->store, "", "restored", w->now, &err_));
}

/* A record as a node has it. */
static inline struct lm_buf body_of(struct world *w, const char *type, const char *id)
{
    struct lm_record *rec = get(w, type, id);
    const struct lm_field *hidden;
    struct lm_buf out;

    lm_buf_init(&out, LM_FRAME_BYTES_MAX);
    assert_non_null(rec);
    hidden = lm_type_field(rec->type, "dup_key"); /* never leaves the hub */
    if (hidden) {
        rec->fields[hidden->index] = lm_value_null();
    }
    lm_body_pack(&out, rec);
    assert_int_equal(out.status, LM_OK);
    return out;
}

static inline void offer(struct world *w, const struct pc *pc, const char *id,
                         const struct lm_buf *body)
{
    struct lm_offer item = {.body = body->data, .len = body->len};
    struct lm_msg_offer m = {.items = &item, .n = 1};
    char last[40];

    (void)snprintf(item.id, sizeof item.id, "%s", id);
    world_begin(w);
    OK(lm_store_recover(w->store, &pc->replica, &m, w->now, last, &err_));
    world_commit(w);
}

static inline struct lm_recovered_result accept_all(struct world *w)
{
    struct lm_recovered_result out;

    world_begin(w);
    OK(lm_store_recovered_decide(w->store, 0, true, "李职员", w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    return out;
}

#endif
