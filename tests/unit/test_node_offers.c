/* What a PC sets aside when the hub goes back in time, and when it is offered again (P7). */
#include "tests/unit/node_world.h"

#include "node/store/store_internal.h"

static void welcome(struct nw *w, uint64_t incarnation, uint64_t head, bool went_back)
{
    struct lm_me me = nw_me(w);
    struct lm_error err = {0};
    uint64_t wanted;
    struct lm_msg_welcome m = {.branch = me.branch,
                               .acked = me.acked,
                               .incarnation = {incarnation, 7},
                               .lease = {me.lease.counter + 1, 9},
                               .head = {.position = head},
                               .hub_time_ms = 1790000000000LL};

    assert_int_equal(lm_nstore_welcome(w->store, &m, 0, went_back, &me, &wanted, &err), LM_OK);
}

/* A record of the town's, as the feed brings it. */
static void take_record(struct nw *w, char id_out[40])
{
    struct lm_me me;
    struct lm_feed_entry entry = {.kind = LM_ENTRY_BODY, .type = "consultation", .position = 5};
    struct lm_msg_feed page = {.done = true, .entries = &entry, .n_entries = 1};
    struct lm_cursor cursor;
    struct lm_error err = {0};
    struct lm_record *rec;
    struct lm_buf body;
    struct lm_rand rnd;
    char own[40];
    uint64_t wanted;

    nw_create(w, "consultation",
              "{'on':'2026-01-05','channel':'phone','topic':'policy','item_count':1}", own);
    rec = nw_get(w, "consultation", own);
    lm_rand_seed(&rnd, 3);
    lm_uuid_v7(&rnd, 1790000000000LL, rec->id);
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        rec->stamps[g].version.replica = 0;
    }
    rec->position = 5;
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_body_pack(&body, rec);
    assert_int_equal(body.status, LM_OK);
    me = nw_me(w);
    page.branch = me.branch;
    page.acked = me.acked;
    page.from = me.cursor;
    page.next.position = page.head.position = 5;
    memcpy(page.next.id, rec->id, sizeof page.next.id);
    memcpy(entry.id, rec->id, sizeof entry.id);
    entry.body = body.data;
    entry.body_len = body.len;
    assert_int_equal(lm_nstore_apply_page(w->store, &page, false, 1, &cursor, &wanted, &err),
                     LM_OK);
    memcpy(id_out, rec->id, 40);
    lm_buf_free(&body);
}

static bool offers(struct nw *w)
{
    struct lm_error err = {0};
    bool out;

    assert_int_equal(lm_nstore_has_offers(w->store, &out, &err), LM_OK);
    return out;
}

/* What waits for a person at the hub is not in its journal: a hub that is set back to before it was
 * given back may hold every mark that this PC has seen, and lack it. */
static void test_offered_again_in_every_history(void **state)
{
    struct nw *w = *state;
    struct lm_error err = {0};
    char id[40];

    welcome(w, 1, 3, false);
    take_record(w, id);
    assert_false(offers(w));
    welcome(w, 2, 2, true);
    assert_true(offers(w));
    assert_int_equal(lm_nstore_offers_drop(w->store, id, &err), LM_OK);
    assert_false(offers(w));
    welcome(w, 2, 6, false); /* the same history goes on */
    assert_false(offers(w));
    welcome(w, 3, 6, false);
    assert_true(offers(w));
    nw_check_chain(w); /* and nothing of it is a change of the PC's */
    assert_string_equal(nw_text(nw_get(w, "consultation", id), "topic"), "policy");
}

static void save_one(struct nw *w)
{
    char id[40];

    nw_create(w, "consultation",
              "{'on':'2026-01-05','channel':'phone','topic':'policy','item_count':1}", id);
}

/* The open branch's HLCs rise: the hub refuses others. */
static void check_order(struct nw *w)
{
    struct lm_me me = nw_me(w);
    sqlite3_stmt *q;
    int n = -1;

    assert_int_equal(sqlite3_prepare_v2(lm_db_handle(w->store->db),
                                        "SELECT count(*) FROM outbox AS a JOIN outbox AS b ON "
                                        "b.branch = a.branch AND b.seq = a.seq + 1 AND "
                                        "b.hlc <= a.hlc WHERE a.branch = ?1",
                                        -1, &q, NULL),
                     SQLITE_OK);
    (void)sqlite3_bind_int64(q, 1, (sqlite3_int64)me.branch);
    if (sqlite3_step(q) == SQLITE_ROW) {
        n = sqlite3_column_int(q, 0);
    }
    (void)sqlite3_finalize(q);
    assert_int_equal(n, 0);
}

/* What a fork left in the closed branch was acked by a hub that is gone: it is sent once more. */
static void test_closed_branches_are_sent_again(void **state)
{
    struct nw *w = *state;
    struct lm_me me;
    struct lm_error err = {0};

    welcome(w, 1, 3, false);
    save_one(w);
    save_one(w);
    me = nw_me(w);
    assert_int_equal(lm_nstore_set_acked(w->store, me.branch, &me.head, 0, 1, &err), LM_OK);
    save_one(w); /* unsent */
    assert_int_equal(lm_nstore_fork(w->store, 0, &me, &err), LM_OK);
    assert_int_equal(me.head.seq, 1);
    welcome(w, 1, 4, false);
    assert_int_equal(nw_me(w).head.seq, 1); /* the hub has the others */
    save_one(w); /* later than what the hub lacks: a branch's HLCs rise, so all goes anew */
    me = nw_me(w);
    assert_int_equal(lm_nstore_set_acked(w->store, me.branch, &me.head, 0, 1, &err), LM_OK);
    welcome(w, 2, 2, true);
    assert_int_equal(nw_me(w).branch, me.branch + 1);
    assert_int_equal(nw_me(w).head.seq, 4);
    assert_int_equal(nw_me(w).acked.seq, 0);
    nw_check_chain(w);
    check_order(w);
    welcome(w, 3, 2, true);
    assert_int_equal(nw_me(w).head.seq, 4); /* they are in the open branch now */
    assert_int_equal(nw_me(w).branch, me.branch + 1);
    save_one(w);
    assert_int_equal(nw_me(w).head.seq, 5);
    nw_check_chain(w);
}

/* A hub out of its mind says that it knows the last HLC there is: the next saves differ all the
 * same.
 */
static void test_the_last_hlc_is_not_believed(void **state)
{
    struct nw *w = *state;
    struct lm_me me = nw_me(w);
    struct lm_error err = {0};
    uint64_t wanted, first;
    struct lm_msg_welcome m = {.branch = me.branch,
                               .acked = me.acked,
                               .incarnation = {1, 7},
                               .lease = {1, 9},
                               .head = {.position = 3},
                               .hlc_known = LM_HLC_FAR, /* the town would refuse what follows */
                               .hub_time_ms = 1790000000000LL};

    assert_int_equal(lm_nstore_welcome(w->store, &m, 0, false, &me, &wanted, &err), LM_OK);
    save_one(w);
    first = nw_me(w).hlc;
    save_one(w);
    save_one(w);
    assert_true(first < LM_HLC_FAR);
    assert_true(nw_me(w).hlc >= first + 2 && nw_me(w).hlc < LM_HLC_FAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_closed_branches_are_sent_again, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(test_the_last_hlc_is_not_believed, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(test_offered_again_in_every_history, nw_setup, nw_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
