/* A restore over a damaged database: what can be read out of the file, whatever part of it is gone,
 * is kept (P1, P8), nothing of it is believed that does not fit its chain, and what is lost is
 * counted. */
#include "tests/unit/node_world.h"

#include "node/store/damaged.h"
#include "node/store/store_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define SAVES 400

static char backup[PATH_MAX + 16], database[PATH_MAX + 16];

static void fields_of(char *out, size_t n, unsigned i)
{
    (void)snprintf(out, n,
                   "{'on':'2026-01-05','channel':'phone','topic':'policy','item_count':%u,'state':"
                   "'submitted'}",
                   i + 1);
}

/* A story of so many characters: its change does not fit a page. */
static void save_long(struct nw *w, unsigned chars, char id[40])
{
    size_t n = 3 * chars + 512, at;
    char *text = malloc(n);

    assert_non_null(text);
    at = (size_t)snprintf(text, n, "{'title':'先进事迹','publish_consent':true,'story':'");
    for (unsigned i = 0; i < chars; i++) {
        at += (size_t)snprintf(text + at, n - at, "%s", i % 7 ? "访" : "问");
    }
    (void)snprintf(text + at, n - at, "'}");
    nw_create(w, "model_case", text, id);
    free(text);
}

/* A tenth is in the backup; the rest is not, part of it only in the log beside the file. */
static void fill(struct nw *w)
{
    char fields[160], id[40];
    uint64_t bytes;

    (void)snprintf(backup, sizeof backup, "%s/kept", w->dir.path);
    (void)snprintf(database, sizeof database, "%s/node.db", w->dir.path);
    for (unsigned i = 0; i < SAVES; i++) {
        fields_of(fields, sizeof fields, i);
        nw_create(w, "consultation", fields, id);
        if (i == SAVES / 10) {
            assert_int_equal(lm_nstore_backup(w->store, backup, &bytes, &w->err), LM_OK);
        }
        if (i == SAVES / 2) {
            lm_db_checkpoint(w->store->db);
        }
    }
}

static void put(uint64_t at, const void *data, size_t n)
{
    int fd = open(database, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, (off_t)at), n);
    assert_int_equal(close(fd), 0);
}

static void overwrite(uint64_t from, uint64_t n)
{
    uint8_t noise[PAGE];
    struct lm_rand rnd;

    lm_rand_seed(&rnd, from + 7);
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)lm_rand_next(&rnd);
    }
    for (uint64_t at = 0; at < n; at += PAGE) {
        put(from + at, noise, PAGE);
    }
}

static struct lm_restore_done mend(struct nw *w, const struct lm_me *known)
{
    struct lm_restore_done done;
    char staged[LM_STAGED_NAME];

    assert_int_equal(lm_nstore_stage(&w->dir, backup, staged, &w->err), LM_OK);
    if (lm_nstore_mend(&w->dir, w->catalog, staged, NW_REPLICA, NW_STATION, known, 1790000000000LL,
                       &done, &w->err) != LM_OK) {
        fail_msg("mend: %s %s", w->err.code, w->err.en);
    }
    lm_nstore_unstage(&w->dir, staged);
    nw_open_store(w);
    assert_int_equal(lm_nstore_check(w->store, &w->err), LM_OK);
    nw_check_chain(w);
    return done;
}

/* The database without its process: as a power cut leaves it, with the log beside it. */
static void leave(struct nw *w)
{
    char copy[PATH_MAX + 32], wal[PATH_MAX + 32], from[PATH_MAX + 32], command[4 * PATH_MAX];

    (void)snprintf(copy, sizeof copy, "%s/as-it-was", w->dir.path);
    (void)snprintf(wal, sizeof wal, "%s/as-it-was-wal", w->dir.path);
    (void)snprintf(from, sizeof from, "%s-wal", database);
    (void)snprintf(command, sizeof command, "cp '%s' '%s' && cp '%s' '%s'", database, copy, from,
                   wal);
    assert_int_equal(system(command), 0);
    nw_close_store(w);
    assert_int_equal(rename(copy, database), 0);
    assert_int_equal(rename(wal, from), 0);
}

static int64_t count(struct nw *w, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t n = -1;

    assert_int_equal(lm_db_prepare(w->store->db, sql, &q, &w->err), LM_OK);
    if (sqlite3_step(q) == SQLITE_ROW) {
        n = sqlite3_column_int64(q, 0);
    }
    (void)sqlite3_finalize(q);
    return n;
}

static bool is_there(const struct nw *w, const char *name, const char *more)
{
    char path[2 * PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/%s%s", w->dir.path, name, more);
    return access(path, F_OK) == 0;
}

static void all_is_there(struct nw *w)
{
    assert_int_equal(count(w, "SELECT count(*) FROM r_consultation"), SAVES);
    assert_int_equal(count(w, "SELECT count(DISTINCT item_count) FROM r_consultation"), SAVES);
    assert_int_equal(nw_me(w).head.seq, SAVES);
}

static void a_lost_header_costs_nothing(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    uint64_t hlc;

    fill(w);
    hlc = nw_me(w).hlc;
    leave(w);
    assert_true(lm_nstore_header_is_whole(&w->dir));
    overwrite(0, PAGE);
    assert_false(lm_nstore_header_is_whole(&w->dir));
    done = mend(w, NULL);
    assert_true(done.damaged);
    assert_false(done.end_known);
    assert_int_equal(done.lost, 0);
    assert_int_equal(done.repeated, SAVES - SAVES / 10 - 1);
    all_is_there(w);
    assert_int_equal(nw_me(w).hlc, hlc);
    assert_true(is_there(w, done.aside, ""));
    assert_true(is_there(w, done.aside, "-wal"));
    /* It goes on, and a reply to an export that the lost database made is not taken for a later's.
     */
    assert_int_equal(count(w, "SELECT max(number) FROM exports WHERE taken = 2"), 1000);
    nw_create(w, "consultation",
              "{'on':'2026-01-05','channel':'phone','topic':'policy','item_count':9}",
              (char[40]){0});
    nw_check_chain(w);
    assert_true(nw_me(w).hlc > hlc);
}

static void a_file_without_a_byte_leaves_its_log(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    uint64_t in_log;

    fill(w);
    leave(w);
    assert_int_equal(truncate(database, 0), 0);
    done = mend(w, NULL);
    in_log = done.repeated;
    assert_in_range(in_log, SAVES / 3, SAVES - SAVES / 10 - 1); /* since the checkpoint */
    assert_int_equal(done.repeated + done.lost, SAVES - SAVES / 10 - 1);
    assert_int_equal(nw_me(w).head.seq, SAVES / 10 + 1 + in_log);
    /* And when that is gone as well. */
    nw_close_store(w);
    assert_int_equal(truncate(database, 0), 0);
    done = mend(w, NULL);
    assert_int_equal(done.repeated, 0);
    assert_false(done.end_known);
    assert_int_equal(nw_me(w).head.seq, SAVES / 10 + 1);
}

static void each_page_may_be_lost(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    struct lm_me known;
    struct stat info;
    char whole[PATH_MAX + 32], command[4 * PATH_MAX];
    uint64_t pages, least = SAVES;

    fill(w);
    known = nw_me(w);
    nw_close_store(w); /* all of it is in the file */
    (void)snprintf(whole, sizeof whole, "%s/whole", w->dir.path);
    (void)snprintf(command, sizeof command, "cp '%s' '%s'", database, whole);
    assert_int_equal(system(command), 0);
    assert_int_equal(stat(database, &info), 0);
    pages = (uint64_t)info.st_size / PAGE;
    for (uint64_t page = 1; page < pages; page += 5) {
        (void)snprintf(command, sizeof command, "cp '%s' '%s'", whole, database);
        assert_int_equal(system(command), 0);
        overwrite(page * PAGE, PAGE);
        done = mend(w, &known);
        assert_true(done.end_known);
        assert_int_equal(done.repeated + done.lost, SAVES - SAVES / 10 - 1);
        assert_true(done.lost < 40); /* a page's */
        assert_int_equal(nw_me(w).head.seq, SAVES - done.lost);
        assert_int_equal(count(w, "SELECT count(*) FROM r_consultation"), SAVES - done.lost);
        least = done.lost > 0 && done.lost < least ? done.lost : least;
        nw_close_store(w);
    }
    assert_true(least < SAVES); /* some page was one of the outbox */
    nw_open_store(w);
}

/* The change of a row whose bytes were altered does not fit the chain: better lost and said so. */
static void altered_bytes_are_not_believed(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    struct lm_me known;
    char *data = NULL, id[40] = "";
    size_t n = 0, hits = 0;

    fill(w);
    known = nw_me(w);
    assert_int_equal(lm_nstore_begin(w->store, &w->err), LM_OK);
    {
        sqlite3_stmt *q = NULL;

        assert_int_equal(
            lm_db_prepare(w->store->db, "SELECT record FROM outbox WHERE seq = 300", &q, &w->err),
            LM_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        (void)snprintf(id, sizeof id, "%s", (const char *)sqlite3_column_text(q, 0));
        (void)sqlite3_finalize(q);
    }
    lm_nstore_rollback(w->store);
    nw_close_store(w);
    assert_int_equal(lm_file_read(database, 64 * 1024 * 1024, &data, &n, &w->err), LM_OK);
    /* "policy" inside the change of this row becomes "police": it still reads. */
    for (size_t i = 0; i + 300 < n; i++) {
        if (memcmp(data + i, id, 36) == 0 && memcmp(data + i + 36, "consultation", 12) == 0) {
            char *text = memmem(data + i, 300, "\xa6policy", 7);

            if (text) {
                put((uint64_t)(text - data) + 1, "police", 6);
                hits++;
            }
        }
    }
    free(data);
    assert_true(hits > 0);
    overwrite(0, PAGE);
    done = mend(w, &known);
    assert_int_equal(done.lost, 1);
    assert_int_equal(nw_me(w).head.seq, SAVES - 1);
    assert_int_equal(count(w, "SELECT count(*) FROM r_consultation WHERE topic <> 'policy'"), 0);
}

static void long_changes_and_chains_of_pages(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    char id[3][40];
    uint64_t bytes;

    (void)snprintf(backup, sizeof backup, "%s/kept", w->dir.path);
    (void)snprintf(database, sizeof database, "%s/node.db", w->dir.path);
    assert_int_equal(lm_nstore_backup(w->store, backup, &bytes, &w->err), LM_OK);
    save_long(w, 1300, id[0]);
    save_long(w, 1360, id[1]);
    save_long(w, 2900, id[2]);
    nw_close_store(w);
    overwrite(0, PAGE);
    done = mend(w, NULL);
    assert_int_equal(done.repeated, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(nw_get(w, "model_case", id[i]));
    }
    assert_int_equal(strlen(nw_text(nw_get(w, "model_case", id[2]), "story")), 3 * 2900);
}

static void noise_and_nothing(void **state)
{
    struct nw *w = *state;
    struct lm_restore_done done;
    struct stat info;

    fill(w);
    nw_close_store(w);
    assert_int_equal(stat(database, &info), 0);
    overwrite(0, (uint64_t)info.st_size);
    done = mend(w, NULL);
    assert_int_equal(done.repeated, 0);
    nw_close_store(w);
    assert_int_equal(unlink(database), 0);
    done = mend(w, NULL);
    assert_int_equal(done.repeated, 0);
    assert_string_equal(done.aside, "");
    assert_int_equal(nw_me(w).head.seq, SAVES / 10 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lost_header_costs_nothing, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(a_file_without_a_byte_leaves_its_log, nw_setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(each_page_may_be_lost, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(altered_bytes_are_not_believed, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(long_changes_and_chains_of_pages, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(noise_and_nothing, nw_setup, nw_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
