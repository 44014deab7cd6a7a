/* Kits and certificates: whole ones read back, changed ones are told apart from other files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "proto/credential.h"

#include <sodium.h>
#include <string.h>

static uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];
static uint8_t sign_secret[LM_SIGN_SECRET_BYTES];
static const uint8_t bodies[2][5] = {{1, 2, 3, 4, 5}, {0xff, 0xfe, 0, 0, 1}};
static struct lm_kit_record records[2] = {{bodies[0], 5}, {bodies[1], 4}};

static int setup(void **state)
{
    (void)state;
    uint8_t seed[32];
    memset(seed, 7, sizeof seed);
    return sodium_init() < 0 ? -1 : crypto_sign_seed_keypair(sign_public, sign_secret, seed);
}

static struct lm_kit sample(void)
{
    struct lm_kit kit = {
        .town = "示范镇",
        .endpoint = "tcp://hub.example:5800",
        .station = "999999101201",
        .station_name = "一村“服务站”",
        .level = "village",
        .expires_ms = 1795420800000,
        .records = records,
        .n_records = 2,
    };
    strcpy(kit.hub_public_key, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    strcpy(kit.enrol_public_key, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    strcpy(kit.enrol_secret_key, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");
    return kit;
}

static struct lm_buf written(const struct lm_kit *kit)
{
    struct lm_buf buf;
    struct lm_error err;
    lm_buf_init(&buf, LM_KIT_BYTES_MAX);
    assert_int_equal(lm_kit_write(kit, sign_secret, &buf, &err), LM_OK);
    return buf;
}

static void check_read(const char *text, size_t n, enum lm_status status, const char *code)
{
    struct lm_arena arena;
    struct lm_kit kit;
    struct lm_error err = {.code = ""};
    lm_arena_init(&arena, 1 << 20);
    assert_int_equal(lm_kit_read(text, n, &arena, &kit, &err), status);
    assert_string_equal(err.code, code);
    lm_arena_free(&arena);
}

static void kit_reads_back(void **state)
{
    (void)state;
    struct lm_kit kit = sample();
    struct lm_buf buf = written(&kit);
    struct lm_arena arena;
    struct lm_kit got;
    struct lm_error err;
    uint8_t hub_id[16];
    lm_arena_init(&arena, 1 << 20);
    assert_int_equal(lm_kit_read((char *)buf.data, buf.len, &arena, &got, &err), LM_OK);
    lm_hub_id_of(sign_public, hub_id);
    assert_memory_equal(got.hub_id, hub_id, 16);
    assert_memory_equal(got.hub_sign_key, sign_public, 32);
    assert_string_equal(got.town, kit.town);
    assert_string_equal(got.endpoint, kit.endpoint);
    assert_string_equal(got.hub_public_key, kit.hub_public_key);
    assert_string_equal(got.station, kit.station);
    assert_string_equal(got.station_name, kit.station_name);
    assert_string_equal(got.level, kit.level);
    assert_string_equal(got.enrol_public_key, kit.enrol_public_key);
    assert_string_equal(got.enrol_secret_key, kit.enrol_secret_key);
    assert_int_equal(got.expires_ms, kit.expires_ms);
    assert_int_equal(got.n_records, 2);
    assert_int_equal(got.records[0].len, 5);
    assert_memory_equal(got.records[0].body, bodies[0], 5);
    assert_int_equal(got.records[1].len, 4);
    assert_memory_equal(got.records[1].body, bodies[1], 4);
    lm_arena_free(&arena);
    lm_buf_free(&buf);
}

static void kit_survives_a_byte_order_mark(void **state)
{
    (void)state;
    struct lm_kit kit = sample();
    struct lm_buf buf = written(&kit);
    struct lm_buf marked;
    lm_buf_init(&marked, LM_KIT_BYTES_MAX);
    lm_buf_text(&marked, "\xef\xbb\xbf");
    lm_buf_add(&marked, buf.data, buf.len);
    check_read((char *)marked.data, marked.len, LM_OK, "");
    lm_buf_free(&marked);
    lm_buf_free(&buf);
}

/* Replaces the first `from` by `to`, of any length, and expects the outcome. */
static void check_changed(const char *from, const char *to, enum lm_status status, const char *code)
{
    struct lm_kit kit = sample();
    struct lm_buf buf = written(&kit);
    struct lm_buf changed;
    char *at = strstr((char *)buf.data, from);
    assert_non_null(at);
    size_t before = (size_t)(at - (char *)buf.data);
    lm_buf_init(&changed, LM_KIT_BYTES_MAX);
    lm_buf_add(&changed, buf.data, before);
    lm_buf_text(&changed, to);
    lm_buf_text(&changed, at + strlen(from));
    check_read((char *)changed.data, changed.len, status, code);
    lm_buf_free(&changed);
    lm_buf_free(&buf);
}

static void kit_changes_are_seen(void **state)
{
    (void)state;
    check_changed("999999101201", "999999101202", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("hub.example", "hub2.example", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("\"village\"", "\"town\"", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("AQIDBAU=", "AQIDBAY=", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("\"signature\": \"", "\"signature\": \"A", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("\"hub_id\": \"", "\"hub_id\": \"0", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("\"town\": ", "\"extra\": 1, \"town\": ", LM_ERR_CORRUPT, "kit_tampered");
    check_changed("\"lastmile_kit\": 1", "\"lastmile_kit\": 2", LM_ERR_VERSION, "kit_newer");
    check_changed("\"lastmile_kit\": 1", "\"lastmile_kit\": 0", LM_ERR_INVALID, "not_a_kit");
    check_changed("\"lastmile_kit\": 1", "\"lastmile_kit\": \"1\"", LM_ERR_INVALID, "not_a_kit");
    check_changed("\"expires\"", "\"expired\"", LM_ERR_INVALID, "not_a_kit");
    check_changed("示范镇", "示范镇\\nendpoint=tcp://x", LM_ERR_INVALID, "not_a_kit");
    check_changed("\n}\n", "\n", LM_ERR_INVALID, "not_a_kit");
    check_read("", 0, LM_ERR_INVALID, "not_a_kit");
    check_read("[]", 2, LM_ERR_INVALID, "not_a_kit");
    check_read("PK\3\4", 4, LM_ERR_INVALID, "not_a_kit");
}

/* A kit of another hub is whole in itself: its hub id tells it apart. */
static void kit_of_another_hub_has_another_id(void **state)
{
    (void)state;
    struct lm_kit kit = sample();
    uint8_t other_public[32], other_secret[64], seed[32] = {9}, mine[16], other[16];
    struct lm_buf buf;
    struct lm_arena arena;
    struct lm_kit got;
    struct lm_error err;
    crypto_sign_seed_keypair(other_public, other_secret, seed);
    lm_buf_init(&buf, LM_KIT_BYTES_MAX);
    assert_int_equal(lm_kit_write(&kit, other_secret, &buf, &err), LM_OK);
    lm_arena_init(&arena, 1 << 20);
    assert_int_equal(lm_kit_read((char *)buf.data, buf.len, &arena, &got, &err), LM_OK);
    lm_hub_id_of(sign_public, mine);
    lm_hub_id_of(other_public, other);
    assert_memory_equal(got.hub_id, other, 16);
    assert_memory_not_equal(got.hub_id, mine, 16);
    lm_arena_free(&arena);
    lm_buf_free(&buf);
}

static void check_refused(struct lm_kit kit, const char *member)
{
    struct lm_buf buf;
    struct lm_error err;
    lm_buf_init(&buf, LM_KIT_BYTES_MAX);
    assert_int_equal(lm_kit_write(&kit, sign_secret, &buf, &err), LM_ERR_INVALID);
    assert_string_equal(err.field, member);
    assert_int_equal(buf.len, 0);
    lm_buf_free(&buf);
}

static void kit_rules_hold_when_writing(void **state)
{
    (void)state;
    struct lm_kit kit = sample();
    kit.town = "";
    check_refused(kit, "town");
    kit = sample();
    kit.station_name = "一村\n二村";
    check_refused(kit, "station_name");
    kit = sample();
    kit.endpoint = "ipc:///tmp/x";
    check_refused(kit, "endpoint");
    kit = sample();
    kit.station[11] = 'x';
    check_refused(kit, "station");
    kit = sample();
    strcpy(kit.level, "county");
    check_refused(kit, "level");
    kit = sample();
    kit.enrol_secret_key[3] = '"';
    check_refused(kit, "enrol_secret_key");
    kit = sample();
    kit.n_records = LM_KIT_RECORDS_MAX + 1;
    check_refused(kit, "records");
}

static void kit_memory_is_bounded(void **state)
{
    (void)state;
    struct lm_kit kit = sample();
    struct lm_buf buf = written(&kit);
    struct lm_arena arena;
    struct lm_kit got;
    struct lm_error err;
    lm_arena_init(&arena, 64);
    assert_int_equal(lm_kit_read((char *)buf.data, buf.len, &arena, &got, &err), LM_ERR_MEMORY);
    assert_null(got.town);
    lm_arena_free(&arena);
    lm_buf_free(&buf);
}

/* ---- certificates ---- */

static struct lm_certificate sample_certificate(void)
{
    struct lm_certificate c = {
        .station = "999999101201", .level = "village", .issued_ms = 1795334400000};
    memset(c.public_key, 0x42, sizeof c.public_key);
    c.replica = lm_replica_of(c.public_key);
    return c;
}

static void certificate_reads_back(void **state)
{
    (void)state;
    struct lm_certificate c = sample_certificate();
    struct lm_certificate got;
    struct lm_error err;
    struct lm_buf buf;
    uint8_t hub_id[16];
    lm_buf_init(&buf, LM_CERTIFICATE_BYTES_MAX);
    lm_certificate_make(&buf, &c, sign_secret);
    assert_int_equal(buf.status, LM_OK);
    assert_int_equal(lm_certificate_check(buf.data, buf.len, sign_public, &got, &err), LM_OK);
    lm_hub_id_of(sign_public, hub_id);
    assert_memory_equal(got.hub_id, hub_id, 16);
    assert_string_equal(got.station, c.station);
    assert_string_equal(got.level, c.level);
    assert_int_equal(got.replica, c.replica);
    assert_memory_equal(got.public_key, c.public_key, 32);
    assert_int_equal(got.issued_ms, c.issued_ms);
    lm_buf_free(&buf);
}

/* No byte of it may change, and none may be missing or added. */
static void certificate_changes_are_seen(void **state)
{
    (void)state;
    struct lm_certificate c = sample_certificate();
    struct lm_certificate got;
    struct lm_error err;
    struct lm_buf buf;
    lm_buf_init(&buf, LM_CERTIFICATE_BYTES_MAX);
    lm_certificate_make(&buf, &c, sign_secret);
    for (size_t i = 0; i < buf.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            buf.data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(lm_certificate_check(buf.data, buf.len, sign_public, &got, &err),
                                 LM_OK);
            assert_int_equal(got.replica, 0);
            buf.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t n = 0; n < buf.len; n++) {
        assert_int_equal(lm_certificate_check(buf.data, n, sign_public, &got, &err),
                         LM_ERR_INVALID);
    }
    lm_buf_add(&buf, "", 1);
    assert_int_equal(lm_certificate_check(buf.data, buf.len, sign_public, &got, &err),
                     LM_ERR_INVALID);
    assert_string_equal(err.code, "not_a_certificate");
    lm_buf_free(&buf);
}

static void certificate_outcomes_are_told_apart(void **state)
{
    (void)state;
    struct lm_certificate c = sample_certificate();
    struct lm_certificate got;
    struct lm_error err;
    struct lm_buf buf;
    uint8_t other_public[32], other_secret[64], seed[32] = {9};
    crypto_sign_seed_keypair(other_public, other_secret, seed);
    lm_buf_init(&buf, LM_CERTIFICATE_BYTES_MAX);
    lm_certificate_make(&buf, &c, sign_secret);
    assert_int_equal(lm_certificate_check(buf.data, buf.len, other_public, &got, &err),
                     LM_ERR_CORRUPT);
    assert_string_equal(err.code, "certificate_tampered");
    char *version = memmem(buf.data, buf.len, "cert-1", 6);
    assert_non_null(version);
    version[5] = '2';
    assert_int_equal(lm_certificate_check(buf.data, buf.len, sign_public, &got, &err),
                     LM_ERR_VERSION);
    assert_string_equal(err.code, "certificate_newer");
    /* A replica number that is not the key's: signed, and yet refused. */
    lm_buf_reset(&buf);
    c.replica++;
    lm_certificate_make(&buf, &c, sign_secret);
    assert_int_equal(lm_certificate_check(buf.data, buf.len, sign_public, &got, &err),
                     LM_ERR_CORRUPT);
    lm_buf_free(&buf);
}

static void replica_numbers_have_63_bits(void **state)
{
    (void)state;
    uint8_t key[32] = {0};
    for (int i = 0; i < 256; i++) {
        key[0] = (uint8_t)i;
        uint64_t replica = lm_replica_of(key);
        assert_true(replica > 0 && replica <= INT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kit_reads_back),
        cmocka_unit_test(kit_survives_a_byte_order_mark),
        cmocka_unit_test(kit_changes_are_seen),
        cmocka_unit_test(kit_of_another_hub_has_another_id),
        cmocka_unit_test(kit_rules_hold_when_writing),
        cmocka_unit_test(kit_memory_is_bounded),
        cmocka_unit_test(certificate_reads_back),
        cmocka_unit_test(certificate_changes_are_seen),
        cmocka_unit_test(certificate_outcomes_are_told_apart),
        cmocka_unit_test(replica_numbers_have_63_bits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
