/* The stick at the node: the incarnation's proof (P7), and HLCs where the clock does not lead (P3,
 * P8). What is given back: test_node_usb_recover.c; what a reply brings: test_node_usb_replies.c.
 */
#include "tests/unit/usb_world.h"

#include "node/store/store_internal.h"

static bool proof_holds(struct nw *w, uint64_t incarnation)
{
    struct lm_me me = nw_me(w);

    return me.incarnation.counter == incarnation && me.proof.incarnation.counter == incarnation &&
           lm_proof_verifies(&me.proof, hub.sign_public);
}

static void a_true_proof_is_kept_and_shown(void **state)
{
    struct nw *w = *state;
    struct lm_export_done done;
    struct lm_msg_hello hello;

    assert_int_equal(nw_me(w).proof.incarnation.counter, 0);
    (void)welcomed(w, 1, 5, 0);
    assert_true(proof_holds(w, 1));
    assert_int_equal(nw_me(w).proof.mark.position, 5);
    done = make_export(w, LM_BUNDLE_BYTES_MAX);
    hello = hello_of(w, &done);
    assert_true(lm_proof_verifies(&hello.proof, hub.sign_public));
    assert_int_equal(hello.proof.mark.position, 5);
    assert_int_equal(hello.seen.position, 5);
}

/* Who has the box's key and not the signing key speaks for no history; nothing of it is taken. */
static void a_false_or_missing_proof_changes_nothing(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    struct lm_me before, after;
    const enum signature bad[] = {FALSE_ONE, MISSING};

    (void)welcomed(w, 1, 5, 0);
    nw_create(w, "consultation", CONSULTATION, (char[40]){0});
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    before = nw_me(w);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_msg_welcome m = welcome_of(w, 2, 9);

        m.acked = nw_me(w).head;
        m.common = 0;
        begin_reply(m, bad[i]);
        add_page(w, (struct lm_cursor){0}, (struct lm_cursor){.position = 9}, 9, NULL, 0);
        assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
        assert_string_equal(w->err.code, "bad_proof");
        after = nw_me(w);
        assert_memory_equal(&before.proof, &after.proof, sizeof before.proof);
        assert_memory_equal(&before.acked, &after.acked, sizeof before.acked);
        assert_int_equal(after.incarnation.counter, 1);
        assert_int_equal(after.cursor.position, before.cursor.position);
        assert_int_equal(after.last_contact_ms, before.last_contact_ms);
    }
    /* Of another incarnation than it signs for. */
    {
        struct lm_msg_welcome m = welcome_of(w, 1, 9);
        struct lm_proof proof = {.incarnation = {4, 4}, .mark = m.head};
        struct lm_buf body;

        lm_proof_sign(&proof, hub.sign_secret);
        memcpy(m.signature, proof.signature, sizeof m.signature);
        lm_bundle_begin(&hub.reply);
        lm_buf_init(&body, LM_FRAME_BYTES_MAX);
        lm_welcome_pack(&body, &m);
        frame(LM_MSG_WELCOME, &body);
        assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
    }
    /* The same export's true reply counts after all. */
    begin_reply(welcome_of(w, 1, 9), TRUE_ONE);
    taken(w, &done);
    assert_int_equal(nw_me(w).proof.mark.position, 9);
    assert_true(proof_holds(w, 1));
}

static void go_back_to(struct nw *w, const char *backup)
{
    struct lm_restore_done done;
    char staged[LM_STAGED_NAME];

    if (lm_nstore_stage(&w->dir, backup, staged, &w->err) != LM_OK ||
        lm_nstore_restore(w->store, &w->dir, staged, 1790000000000LL, &done, &w->err) != LM_OK) {
        fail_msg("restore: %s", w->err.en);
    }
    lm_nstore_unstage(&w->dir, staged);
}

/* A restore must not make the PC follow a hub that it knows to be over, nor leave it with a word of
 * the hub that fits no incarnation: then nobody would notice that the hub went back. */
static void a_restore_keeps_the_newest_incarnations_proof(void **state)
{
    struct nw *w = *state;
    uint64_t bytes;
    char first[PATH_MAX + 16], second[PATH_MAX + 16];

    (void)snprintf(first, sizeof first, "%s/first", w->dir.path);
    (void)snprintf(second, sizeof second, "%s/second", w->dir.path);
    assert_int_equal(lm_nstore_backup(w->store, first, &bytes, &w->err), LM_OK); /* none yet */
    (void)welcomed(w, 1, 5, 0);
    (void)welcomed(w, 1, 8, 5);
    go_back_to(w, first);
    assert_true(proof_holds(w, 1));
    assert_int_equal(nw_me(w).proof.mark.position, 8);
    assert_int_equal(lm_nstore_backup(w->store, second, &bytes, &w->err), LM_OK);
    (void)welcomed(w, 1, 11, 8);
    go_back_to(w, second); /* the same incarnation: the older word holds as well */
    assert_true(proof_holds(w, 1));
    (void)welcomed(w, 2, 6, 0);
    assert_true(proof_holds(w, 2));
    go_back_to(w, second);
    assert_true(proof_holds(w, 2));
    assert_int_equal(nw_me(w).proof.mark.position, 6);
    go_back_to(w, first);
    assert_true(proof_holds(w, 2));
}

/* ---- HLCs where the clock does not lead ---- */

/* The HLC of a save that is taken back: the PC was set back to before it. */
static uint64_t hlc_of_a_save(struct nw *w)
{
    uint64_t hlc;

    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "consultation", NULL, NULL, CONSULTATION),
                     LM_OK);
    hlc = w->saver.me.hlc;
    nw_close_store(w); /* without a flush: nothing was saved */
    nw_open_store(w);
    return hlc;
}

static void put_hlc(struct nw *w, uint64_t hlc)
{
    char sql[80];

    (void)snprintf(sql, sizeof sql, "UPDATE me SET hlc = %llu", (unsigned long long)hlc);
    assert_int_equal(lm_db_exec(w->store->db, sql, &w->err), LM_OK);
}

/* Where the clock leads, the HLC is the clock; where it stands, a PC that was set back must not
 * come to the same HLC for another change: the hub would take the two for one. */
static void hlcs_of_a_standing_clock_differ(void **state)
{
    struct nw *w = *state;
    uint64_t ahead = lm_hlc_of_ms(lm_clock_wall_ms() + 3600 * 1000), seen[24];
    size_t same = 0;

    assert_int_equal(hlc_of_a_save(w) & 0xffff, 0);
    put_hlc(w, ahead);
    for (size_t i = 0; i < 24; i++) {
        seen[i] = hlc_of_a_save(w);
        assert_in_range(seen[i], ahead + 1, ahead + 4096);
        for (size_t j = 0; j < i; j++) {
            same += seen[j] == seen[i];
        }
    }
    assert_true(same <= 2); /* 276 pairs of 4,096: 3 or more in one run of 20,000 */
    /* At the end of what an HLC may be there is no room to skip. */
    put_hlc(w, LM_HLC_FAR - 10);
    assert_int_equal(hlc_of_a_save(w), LM_HLC_FAR - 9);
    assert_int_equal(hlc_of_a_save(w), LM_HLC_FAR - 9);
}

#define T(f) cmocka_unit_test_setup_teardown(f, usb_setup, nw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_true_proof_is_kept_and_shown),
        T(a_false_or_missing_proof_changes_nothing),
        T(a_restore_keeps_the_newest_incarnations_proof),
        T(hlcs_of_a_standing_clock_differ),
    };
    return cmocka_run_group_tests(tests, usb_group_setup, usb_group_teardown);
}
