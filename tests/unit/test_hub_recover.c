/* What nodes give back after the hub went back (P7), and what nobody gets in that way (P11, P12):
 * the store's part. A second store, made from a copy of the first, stands for the restored one. */
#include "tests/unit/hub_store_world.h"

#include "proto/feed.h"

static uint64_t replica_b;

static bool count(void *arg, const json_t *row)
{
    (void)row;
    (*(size_t *)arg)++;
    return true;
}

static size_t waiting(struct world *w)
{
    size_t n = 0;

    OK(lm_store_recovered(w->store, count, &n, &err_));
    return n;
}

static void pack_body(struct world *w, const char *type, const char *id, struct lm_buf *out)
{
    struct lm_record *rec = get(w, type, id);
    const struct lm_field *hidden;

    lm_buf_init(out, LM_FRAME_BYTES_MAX);
    assert_non_null(rec);
    hidden = lm_type_field(rec->type, "dup_key"); /* never leaves the hub */
    if (hidden) {
        rec->fields[hidden->index] = lm_value_null();
    }
    lm_body_pack(out, rec);
    assert_int_equal(out->status, LM_OK);
}

static void town_edits(struct world *w, const char *id, const char *field, const char *value)
{
    struct lm_act act = {.user = "李职员", .op = LM_OP_EDIT, .id = id};
    struct lm_act_result result;
    json_t *fields = json_pack("{s:s}", field, value);

    act.fields = fields;
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &result, &err_));
    world_commit(w);
    json_decref(fields);
}

static void copy_database(const struct world *w, const char *from, const char *to)
{
    char a[128], b[128];
    FILE *in, *out;
    char bytes[65536];
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

/* Keeps the database as it is, or goes back to that: the next incarnation begins. */
static void keep(struct world *w)
{
    lm_store_close(&w->store);
    copy_database(w, "hub.db", "kept.db");
    world_open(w);
}

static void go_back(struct world *w)
{
    lm_store_close(&w->store);
    copy_database(w, "kept.db", "hub.db");
    world_open(w);
    OK(lm_store_new_incarnation(w->store, "", "restored", w->now, &err_));
}

static void offer(struct world *w, const struct pc *pc, const char *id, const struct lm_buf *body)
{
    struct lm_offer item = {.body = body->data, .len = body->len};
    struct lm_msg_offer m = {.items = &item, .n = 1};
    char last[40];

    (void)snprintf(item.id, sizeof item.id, "%s", id);
    world_begin(w);
    OK(lm_store_recover(w->store, &pc->replica, &m, w->now, last, &err_));
    world_commit(w);
    assert_string_equal(last, id);
}

static struct lm_recovered_result decide(struct world *w, int64_t id, bool accept)
{
    struct lm_recovered_result out;

    world_begin(w);
    OK(lm_store_recovered_decide(w->store, id, accept, "李职员", w->now, &out, &err_));
    world_commit(w);
    return out;
}

/* A person of village A that the town then corrected; the database goes back to before that. */
static struct lm_buf lost_correction(struct world *w, char id[40])
{
    struct lm_buf body;

    new_id(w, id);
    (void)pc_person(w, &w->a, "张三", 1, id);
    push_all(w, &w->a);
    keep(w);
    w->now += 60000;
    town_edits(w, id, "residence_text", "镇里更正");
    pack_body(w, "person", id, &body);
    w->now += 60000;
    go_back(w);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "");
    return body;
}

static void given_back_and_accepted(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_buf body = lost_correction(w, id);
    struct lm_recovered_result out;
    uint64_t digest;
    struct lm_record *rec = NULL;

    assert_int_equal(lm_body_read(w->catalog, body.data, body.len, &w->arena, &rec, &err_), LM_OK);
    digest = lm_record_digest(rec);
    offer(w, &w->a, id, &body);
    offer(w, &w->a, id, &body); /* asked again: the answer was lost */
    assert_int_equal(waiting(w), 1);
    assert_string_equal(text(get(w, "person", id), "residence_text"), ""); /* P11: not yet */
    out = decide(w, 0, true);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.left, 0);
    assert_int_equal(waiting(w), 0);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "镇里更正");
    rec = get(w, "person", id);
    rec->fields[lm_type_field(rec->type, "dup_key")->index] = lm_value_null();
    assert_true(lm_record_digest(rec) == digest); /* version and all */
    assert_int_equal(totals(w).conflicts, 0);
    offer(w, &w->a, id, &body);
    assert_int_equal(waiting(w), 0); /* known now */
    assert_int_equal(verify(w), 0);
    lm_buf_free(&body);
}

/* P6: what was done since the restore is not overwritten by what came before it. */
static void concurrent_with_new_work(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_buf body = lost_correction(w, id);

    town_edits(w, id, "residence_text", "恢复后又改");
    offer(w, &w->a, id, &body);
    assert_int_equal(decide(w, 0, true).n, 1);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "恢复后又改");
    assert_int_equal(totals(w).conflicts, 1);
    assert_int_equal(verify(w), 0);
    lm_buf_free(&body);
}

static void dismissed_stays_out(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_buf body = lost_correction(w, id);
    struct lm_recovered_result out;

    offer(w, &w->a, id, &body);
    assert_int_equal(decide(w, 0, false).n, 1);
    offer(w, &w->a, id, &body);
    assert_int_equal(waiting(w), 0);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "");
    world_begin(w);
    assert_int_equal(
        lm_store_recovered_decide(w->store, 1, true, "", w->now, &out, &err_), LM_ERR_NOT_FOUND);
    lm_store_rollback(w->store);
    lm_buf_free(&body);
}

/* P11: another station's record is not spoken of; two contents of one change are a person's to
 * choose from; what its author may still send is not taken from others. */
static void strangers_and_liars(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_buf body = lost_correction(w, id), other;
    struct lm_record *rec = NULL;
    struct lm_recovered_result out;

    offer(w, &w->b, id, &body);
    assert_int_equal(waiting(w), 0); /* village B does not see it */
    assert_int_equal(lm_body_read(w->catalog, body.data, body.len, &w->arena, &rec, &err_), LM_OK);
    rec->fields[lm_type_field(rec->type, "residence_text")->index] = lm_value_text("假的");
    lm_buf_init(&other, LM_FRAME_BYTES_MAX);
    lm_body_pack(&other, rec);
    offer(w, &w->a, id, &body);
    offer(w, &w->a, id, &other);
    assert_int_equal(waiting(w), 2);
    out = decide(w, 0, true);
    assert_int_equal(out.n, 0);
    assert_int_equal(out.left, 2);
    assert_int_equal(decide(w, 1, true).n, 1);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "镇里更正");
    assert_int_equal(decide(w, 2, true).came, 1);
    assert_string_equal(text(get(w, "person", id), "residence_text"), "镇里更正");
    /* A version of B's PC, which is enrolled and sends its own. */
    rec->stamps[lm_type_field(rec->type, "phone")->group].version =
        (struct lm_version){.hlc = lm_hlc_of_ms(w->now), .replica = w->b.replica.number};
    rec->fields[lm_type_field(rec->type, "phone")->index] = lm_value_text("13900000009");
    lm_buf_reset(&other);
    lm_body_pack(&other, rec);
    offer(w, &w->a, id, &other);
    assert_int_equal(waiting(w), 1);
    out = decide(w, 0, true);
    assert_int_equal(out.n, 0);
    assert_int_equal(out.left, 1);
    /* Rubbish is dropped and does not come back. */
    lm_buf_reset(&other);
    lm_buf_add(&other, "\x97\xa6person", 8);
    offer(w, &w->a, id, &other);
    assert_int_equal(waiting(w), 1);
    assert_int_equal(verify(w), 0);
    lm_buf_free(&other);
    lm_buf_free(&body);
}

/* A change whose author's PC is gone is taken over, and when that PC turns up after all, its own
 * bytes are judged like any change: nothing is refused for being known. */
static void the_author_comes_after_all(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_buf body;
    size_t n = 0;

    new_id(w, id);
    keep(w);
    (void)pc_person(w, &w->b, "李四", 2, id);
    push_all(w, &w->b);
    pack_body(w, "person", id, &body);
    w->now += 60000;
    go_back(w);
    replica_b = w->b.replica.number;
    struct pc second = {.replica = w->b.replica};
    second.replica.number = replica_b + 1; /* another PC of that village gives it back */
    offer(w, &second, id, &body);
    assert_int_equal(waiting(w), 1);
    assert_int_equal(decide(w, 0, true).left, 1); /* its author may still send it */
    world_begin(w);
    OK(lm_store_revoke(w->store, "", VILLAGE_B, replica_b, w->now, &n, &err_));
    world_commit(w);
    assert_int_equal(decide(w, 0, true).n, 1);
    assert_string_equal(text(get(w, "person", id), "name"), "李四");
    assert_string_equal(text(get(w, "person", id), "village_code"), VILLAGE_B);
    assert_int_equal(verify(w), 0);
    lm_buf_free(&body);
}

static void bounded(void **state)
{
    struct world *w = *state;
    char id[40], last[40];
    struct lm_buf body = lost_correction(w, id);
    struct lm_record *rec = NULL;
    struct lm_offer *items = calloc(LM_OFFER_RECORDS_MAX, sizeof *items);
    struct lm_msg_offer m = {.items = items};
    enum lm_status status = LM_OK;
    uint64_t hlc = lm_hlc_of_ms(w->now);

    assert_non_null(items);
    assert_int_equal(lm_body_read(w->catalog, body.data, body.len, &w->arena, &rec, &err_), LM_OK);
    struct lm_buf many[LM_OFFER_RECORDS_MAX];
    for (size_t i = 0; i < LM_OFFER_RECORDS_MAX; i++) {
        lm_buf_init(&many[i], LM_FRAME_BYTES_MAX);
    }
    world_begin(w);
    for (size_t round = 0; status == LM_OK && round < LM_RECOVERED_MAX / LM_OFFER_RECORDS_MAX + 1;
         round++) {
        for (size_t i = 0; i < LM_OFFER_RECORDS_MAX; i++) {
            rec->stamps[lm_type_field(rec->type, "phone")->group].version =
                (struct lm_version){.hlc = ++hlc};
            lm_buf_reset(&many[i]);
            lm_body_pack(&many[i], rec);
            items[i].body = many[i].data;
            items[i].len = many[i].len;
            memcpy(items[i].id, id, sizeof items[i].id);
        }
        m.n = LM_OFFER_RECORDS_MAX;
        status = lm_store_recover(w->store, &w->a.replica, &m, w->now, last, &err_);
    }
    assert_int_equal(status, LM_ERR_LIMIT); /* P12 */
    assert_string_equal(err_.code, "recovered_full");
    lm_store_rollback(w->store);
    for (size_t i = 0; i < LM_OFFER_RECORDS_MAX; i++) {
        lm_buf_free(&many[i]);
    }
    free(items);
    lm_buf_free(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_back_and_accepted), TEST(concurrent_with_new_work), TEST(dismissed_stays_out),
        TEST(strangers_and_liars),     TEST(the_author_comes_after_all), TEST(bounded),
    };

    return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
