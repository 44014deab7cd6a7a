/* Base: statuses and their texts, arena, buffer, log, UTF-8, hex, UUIDs, randomness, hashes, dates
 * and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- status ---- */

static void fail_fills_both_languages(void **state)
{
    (void)state;
    struct lm_error err;
    assert_int_equal(lm_fail(&err, LM_ERR_LIMIT, "too_large", "fields.note", "超过 %d 个%s。",
                             "More than %d %s.", 7, "x"),
                     LM_ERR_LIMIT);
    assert_string_equal(err.code, "too_large");
    assert_string_equal(err.field, "fields.note");
    assert_string_equal(err.zh, "超过 7 个x。");
    assert_string_equal(err.en, "More than 7 x.");
    assert_int_equal(lm_fail(NULL, LM_ERR_IO, "io", "", "坏", "bad"), LM_ERR_IO);
}

static void fail_may_wrap_its_own_text(void **state)
{
    (void)state;
    struct lm_error err;
    (void)lm_fail(&err, LM_ERR_IO, "inner", "f", "里", "inside");
    (void)lm_fail(&err, LM_ERR_IO, err.code, err.field, "外：%s%s", "out: %s%s", err.zh, err.en);
    assert_string_equal(err.code, "inner");
    assert_string_equal(err.field, "f");
    assert_string_equal(err.zh, "外：里inside");
    assert_string_equal(err.en, "out: 里inside");
}

static void fail_mends_what_a_format_shortened(void **state)
{
    struct lm_error err;

    (void)state;
    (void)lm_fail(&err, LM_ERR_INVALID, "x", "", "没有类型 %.4s，请核对。", "No %.1s.", "期期期");
    assert_string_equal(err.zh, "没有类型 期，请核对。");
    assert_string_equal(err.en, "No .");
}

static void fail_cuts_at_whole_characters(void **state)
{
    (void)state;
    char text[1200];
    /* Every alignment of 3-byte characters against the end of each buffer. */
    for (size_t shift = 0; shift < 4; shift++) {
        size_t n = 0;
        for (; n < shift; n++) {
            text[n] = 'a';
        }
        for (size_t i = 0; i < 300; i++, n += 3) {
            memcpy(text + n, "村", 3);
        }
        text[n] = '\0';
        struct lm_error err;
        (void)lm_fail(&err, LM_ERR_INVALID, text, text, "%s", "%s", text);
        const char *parts[] = {err.code, err.field, err.zh, err.en};
        const size_t sizes[] = {sizeof(err.code), sizeof(err.field), sizeof(err.zh),
                                sizeof(err.en)};
        for (size_t i = 0; i < COUNT(parts); i++) {
            size_t len = strlen(parts[i]);
            assert_true(lm_utf8_valid(parts[i], len, NULL));
            assert_true(len < sizes[i]);
            assert_true(len + 3 >= sizes[i]); /* and no more than one character is lost */
        }
    }
}

static void status_names_are_distinct(void **state)
{
    (void)state;
    for (int a = LM_OK; a <= LM_ERR_INTERNAL; a++) {
        for (int b = LM_OK; b < a; b++) {
            assert_string_not_equal(lm_status_name((enum lm_status)a),
                                    lm_status_name((enum lm_status)b));
        }
    }
    assert_string_equal(lm_status_name(LM_ERR_NOT_FOUND), "not_found");
    assert_non_null(lm_status_name((enum lm_status)99));
}

/* ---- arena ---- */

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct lm_arena arena;
    lm_arena_init(&arena, 1U << 20);
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < 3000; n += 61) {
            unsigned char *p = lm_arena_alloc(&arena, n);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(p[i], 0);
            }
            memset(p, 0xAB, n);
        }
        lm_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    lm_arena_free(&arena);
    lm_arena_free(NULL);
}

static void arena_keeps_its_cap(void **state)
{
    (void)state;
    struct lm_arena arena;
    lm_arena_init(&arena, 100);
    assert_null(lm_arena_alloc(&arena, 101));
    assert_null(lm_arena_alloc(&arena, SIZE_MAX));
    assert_int_equal(lm_arena_status(&arena, 101), LM_ERR_LIMIT);
    assert_non_null(lm_arena_alloc(&arena, 100));
    assert_null(lm_arena_alloc(&arena, 1));
    lm_arena_reset(&arena);
    assert_non_null(lm_arena_alloc(&arena, 64));
    assert_int_equal(arena.used, 64);
    assert_non_null(lm_arena_alloc(&arena, 36));
    assert_null(lm_arena_text(&arena, "abc", 3));
    lm_arena_free(&arena);
    lm_arena_init(&arena, 0);
    assert_null(lm_arena_alloc(&arena, 1));
    lm_arena_free(&arena);
    /* Nothing at all still takes room, so that a loop of empty allocations ends. */
    lm_arena_init(&arena, 160);
    int given = 0;
    while (given < 1000 && lm_arena_alloc(&arena, 0)) {
        given++;
    }
    assert_in_range(given, 10, 11);
    lm_arena_free(&arena);
}

static void arena_mixes_large_and_small(void **state)
{
    (void)state;
    struct lm_arena arena;
    unsigned char *kept[40];
    lm_arena_init(&arena, 64U << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(kept); i++) {
            size_t n = i % 5 == 4 ? 300000 + i : 1000 + i;
            kept[i] = lm_arena_alloc(&arena, n);
            assert_non_null(kept[i]);
            memset(kept[i], (int)i, n);
        }
        for (size_t i = 0; i < COUNT(kept); i++) {
            size_t n = i % 5 == 4 ? 300000 + i : 1000 + i;
            assert_int_equal(kept[i][0], i);
            assert_int_equal(kept[i][n - 1], i);
        }
        lm_arena_reset(&arena);
    }
    lm_arena_free(&arena);
}

static void arena_makes_texts(void **state)
{
    (void)state;
    struct lm_arena arena;
    lm_arena_init(&arena, 4096);
    assert_string_equal(lm_arena_text(&arena, "abcdef", 3), "abc");
    assert_string_equal(lm_arena_text(&arena, NULL, 0), "");
    assert_string_equal(lm_arena_printf(&arena, "%s-%03d", "村", 7), "村-007");
    assert_null(lm_arena_printf(&arena, "%5000d", 1));
    lm_arena_free(&arena);
}

/* ---- buffer ---- */

static void buf_grows_and_ends_with_nul(void **state)
{
    (void)state;
    struct lm_buf buf;
    lm_buf_init(&buf, 10000);
    lm_buf_text(&buf, "");
    assert_string_equal((char *)buf.data, "");
    for (int i = 0; i < 1000; i++) {
        lm_buf_printf(&buf, "%03d,", i);
        assert_int_equal(buf.data[buf.len], 0);
    }
    assert_int_equal(buf.status, LM_OK);
    assert_int_equal(buf.len, 4000);
    assert_memory_equal(buf.data + 3996, "999,", 5);
    lm_buf_free(&buf);
}

static void buf_failure_is_sticky(void **state)
{
    (void)state;
    struct lm_buf buf;
    lm_buf_init(&buf, 8);
    lm_buf_text(&buf, "12345678"); /* exactly the maximum */
    assert_int_equal(buf.status, LM_OK);
    lm_buf_add(&buf, "", 0);
    assert_int_equal(buf.status, LM_OK);
    lm_buf_reset(&buf);
    lm_buf_text(&buf, "123456");
    lm_buf_text(&buf, "789");
    assert_int_equal(buf.status, LM_ERR_LIMIT);
    lm_buf_text(&buf, "7"); /* would fit, but one append is missing */
    lm_buf_printf(&buf, "%d", 7);
    assert_int_equal(buf.len, 6);
    assert_string_equal((char *)buf.data, "123456");
    lm_buf_reset(&buf);
    assert_int_equal(buf.status, LM_OK);
    lm_buf_printf(&buf, "%s", "12345678");
    assert_int_equal(buf.len, 8);
    lm_buf_printf(&buf, "%s", "9");
    assert_int_equal(buf.status, LM_ERR_LIMIT);
    lm_buf_free(&buf);
    struct lm_buf zeroed = {0};
    lm_buf_free(&zeroed);
    lm_buf_text(&zeroed, "a");
    assert_int_equal(zeroed.status, LM_ERR_LIMIT);
    lm_buf_free(&zeroed);
}

/* ---- log ---- */

static void log_writes_one_clean_line(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    lm_log_set_level(LM_LOG_INFO);
    lm_log(LM_LOG_DEBUG, "test", "dropped");
    lm_log(LM_LOG_WARN, "test", "a\nforged line %d\r", 5);
    char longer[3000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    lm_log(LM_LOG_ERROR, "test", "%s", longer);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(pipe_fds[1]);
    char got[4096];
    size_t n = 0;
    ssize_t more;
    while (n < sizeof(got) - 1 && (more = read(pipe_fds[0], got + n, sizeof(got) - 1 - n)) > 0) {
        n += (size_t)more;
    }
    (void)close(pipe_fds[0]);
    got[n] = '\0';
    char *end = strchr(got, '\n');
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(got + LM_TIME_TEXT, " warn test: a forged line 5 ");
    int64_t ms;
    assert_true(lm_time_parse(got, LM_TIME_TEXT, &ms));
    char *second = end + 1;
    end = strchr(second, '\n');
    assert_non_null(end);
    assert_ptr_equal(end + 1, got + n); /* two lines in all, the second cut */
    assert_true((size_t)(end - second) <= 1024);
}

/* ---- UTF-8 and hex ---- */

static void utf8_cases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        bool valid;
        size_t chars;
    } cases[] = {
        {"", 0, true, 0},
        {"abc", 3, true, 3},
        {"\0", 1, true, 1},
        {"\x7f", 1, true, 1},
        {"\xc2\x80", 2, true, 1},
        {"\xdf\xbf", 2, true, 1},
        {"\xe0\xa0\x80", 3, true, 1},
        {"退役军人", 12, true, 4},
        {"\xed\x9f\xbf", 3, true, 1},      /* U+D7FF */
        {"\xee\x80\x80", 3, true, 1},      /* U+E000 */
        {"\xef\xbf\xbf", 3, true, 1},      /* U+FFFF */
        {"\xf0\x90\x80\x80", 4, true, 1},  /* U+10000 */
        {"\xf0\xa0\xae\xb7", 4, true, 1},  /* 𠮷 */
        {"\xf4\x8f\xbf\xbf", 4, true, 1},  /* U+10FFFF */
        {"\x80", 1, false, 0},             /* continuation alone */
        {"\xc0\x80", 2, false, 0},         /* overlong NUL */
        {"\xc1\xbf", 2, false, 0},         /* overlong */
        {"\xe0\x9f\xbf", 3, false, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, false, 0}, /* overlong */
        {"\xed\xa0\x80", 3, false, 0},     /* surrogate U+D800 */
        {"\xed\xbf\xbf", 3, false, 0},     /* surrogate U+DFFF */
        {"\xf4\x90\x80\x80", 4, false, 0}, /* U+110000 */
        {"\xf5\x80\x80\x80", 4, false, 0},
        {"\xff", 1, false, 0},
        {"\xc2", 1, false, 0}, /* cut short */
        {"\xe6\x9d", 2, false, 0},
        {"\xf0\x9f\x98", 3, false, 0},
        {"\xe6\x9d\x91\x91", 4, false, 0},
        {"\xc2\x41", 2, false, 0},
        {"\xe6\x41\x91", 3, false, 0},
        {"\xf0\x90\x80\x41", 4, false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t chars = 0;
        /* A copy of exact size: an overread is then an error of the sanitizer. */
        char *copy = malloc(cases[i].n ? cases[i].n : 1);
        assert_non_null(copy);
        memcpy(copy, cases[i].text, cases[i].n);
        bool valid = lm_utf8_valid(copy, cases[i].n, &chars);
        free(copy);
        if (valid != cases[i].valid || (valid && chars != cases[i].chars)) {
            fail_msg("UTF-8 case %zu", i);
        }
    }
}

static void control_characters(void **state)
{
    (void)state;
    assert_false(lm_utf8_has_control("走访\n\t ok", strlen("走访\n\t ok")));
    assert_false(lm_utf8_has_control("\xc2\xa0", 2)); /* U+00A0 */
    assert_true(lm_utf8_has_control("\0", 1));
    assert_true(lm_utf8_has_control("a\r", 2));
    assert_true(lm_utf8_has_control("\x1b[0m", 4));
    assert_true(lm_utf8_has_control("\x7f", 1));
    assert_true(lm_utf8_has_control("\xc2\x80", 2));
    assert_true(lm_utf8_has_control("\xc2\x9f", 2));
}

static void hex_both_ways(void **state)
{
    (void)state;
    const uint8_t data[] = {0x00, 0x0f, 0xa5, 0xff};
    char text[9];
    uint8_t back[4];
    lm_hex_encode(data, sizeof(data), text);
    assert_string_equal(text, "000fa5ff");
    assert_true(lm_hex_decode("000FA5fF", back, 4));
    assert_memory_equal(back, data, 4);
    assert_false(lm_hex_decode("000fa5f", back, 4));
    assert_false(lm_hex_decode("000fa5ff0", back, 4));
    assert_false(lm_hex_decode("000fa5fg", back, 4));
    assert_false(lm_hex_decode("", back, 4));
    assert_true(lm_hex_decode("", back, 0));
}

/* ---- ids, randomness, hashes ---- */

static void uuid_cases(void **state)
{
    (void)state;
    static const char good[] = "01935f3e-6b7a-7c01-9abc-0123456789ab";
    uint8_t id[16];
    char text[LM_UUID_TEXT + 1];
    assert_true(lm_uuid_valid(good, 36));
    assert_true(lm_uuid_is_v7(good, 36));
    assert_true(lm_uuid_parse("01935F3E-6B7A-7C01-9ABC-0123456789AB", 36, id));
    lm_uuid_format(id, text);
    assert_string_equal(text, good);
    static const char *const bad[] = {
        "01935f3e-6b7a-7c01-9abc-0123456789a",
        "01935f3e-6b7a-7c01-9abc-0123456789abc",
        "01935f3e06b7a-7c01-9abc-0123456789ab",
        "01935f3e-6b7a-7c01-9abc-0123456789ag",
        "-1935f3e-6b7a-7c01-9abc-0123456789ab",
        "{1935f3e-6b7a-7c01-9abc-012345678}ab",
        "",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(lm_uuid_valid(bad[i], strlen(bad[i])));
    }
    assert_false(lm_uuid_is_v7("01935f3e-6b7a-4c01-9abc-0123456789ab", 36)); /* version 4 */
    assert_false(lm_uuid_is_v7("01935f3e-6b7a-7c01-cabc-0123456789ab", 36)); /* other variant */
}

static void uuid_v7_carries_the_time(void **state)
{
    (void)state;
    struct lm_rand rnd;
    char a[LM_UUID_TEXT + 1];
    char b[LM_UUID_TEXT + 1];
    lm_rand_seed(&rnd, 7);
    lm_uuid_v7(&rnd, 0x01935F3E6B7ALL, a);
    assert_true(lm_uuid_is_v7(a, 36));
    assert_memory_equal(a, "01935f3e-6b7a-7", 15);
    lm_uuid_v7(&rnd, 0x01935F3E6B7ALL, b);
    assert_string_not_equal(a, b);
    lm_uuid_v7(&rnd, -5, a);
    assert_memory_equal(a, "00000000-0000-7", 15);
    lm_uuid_v7(&rnd, INT64_MAX, a);
    assert_memory_equal(a, "ffffffff-ffff-7", 15);
    assert_true(lm_uuid_is_v7(a, 36));
    lm_uuid_of("abc", 3, a);
    assert_string_equal(a, "cf4ab791-c62b-8d2b-a109-c90275287816");
    lm_uuid_of("abd", 3, b);
    assert_string_not_equal(a, b);
}

static void rand_is_the_reference_generator(void **state)
{
    (void)state;
    struct lm_rand rnd;
    lm_rand_seed(&rnd, 1);
    assert_true(lm_rand_next(&rnd) == 0xb3f2af6d0fc710c5U);
    assert_true(lm_rand_next(&rnd) == 0x853b559647364ceaU);
    assert_true(lm_rand_next(&rnd) == 0x92f89756082a4514U);
    unsigned seen[5] = {0};
    for (int i = 0; i < 5000; i++) {
        uint64_t x = lm_rand_below(&rnd, 5);
        assert_true(x < 5);
        seen[x]++;
    }
    for (size_t i = 0; i < COUNT(seen); i++) {
        assert_in_range(seen[i], 800, 1200);
    }
    assert_true(lm_rand_below(&rnd, 1) == 0);
    struct lm_rand other;
    lm_rand_seed_system(&rnd);
    lm_rand_seed_system(&other);
    assert_true(lm_rand_next(&rnd) != lm_rand_next(&other));
}

static void hash_is_blake2b_over_the_parts(void **state)
{
    (void)state;
    uint8_t want[LM_HASH_BYTES];
    uint8_t got[LM_HASH_BYTES];
    assert_true(lm_hex_decode("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
                              want, sizeof(want)));
    lm_hash(got, "abc", 3, NULL, 0, NULL, 0);
    assert_memory_equal(got, want, sizeof(want));
    lm_hash(got, "a", 1, "b", 1, "c", 1);
    assert_memory_equal(got, want, sizeof(want));
    lm_hash(got, NULL, 9, "abc", 3, NULL, 9);
    assert_memory_equal(got, want, sizeof(want));
}

/* ---- dates and times ---- */

static void date_cases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t day;
    } cases[] = {
        {"1970-01-01", true, 0},       {"1969-12-31", true, -1},
        {"2000-02-29", true, 11016},   {"2026-11-23", true, 20780},
        {"0001-01-01", true, -719162}, {"9999-12-31", true, 2932896},
        {"2024-02-29", true, 19782},   {"1900-02-28", true, -25509},
        {"1900-02-29", false, 0},      {"2100-02-29", false, 0},
        {"2023-02-29", false, 0},      {"2026-00-10", false, 0},
        {"2026-13-10", false, 0},      {"2026-04-31", false, 0},
        {"2026-01-00", false, 0},      {"2026-01-32", false, 0},
        {"0000-01-01", false, 0},      {"2026-1-01", false, 0},
        {"2026/01/01", false, 0},      {"2026-01-01 ", false, 0},
        {"+026-01-01", false, 0},      {"", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t day = 12345678;
        if (lm_date_parse(cases[i].text, strlen(cases[i].text), &day) != cases[i].valid ||
            (cases[i].valid && day != cases[i].day)) {
            fail_msg("date %s: %lld", cases[i].text, (long long)day);
        }
        if (cases[i].valid) {
            char text[16];
            lm_date_format(day, text);
            assert_string_equal(text, cases[i].text);
        }
    }
    char text[16];
    lm_date_format(INT64_MIN, text);
    assert_string_equal(text, "0001-01-01");
    lm_date_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31");
}

static void every_day_follows_the_one_before(void **state)
{
    (void)state;
    for (int64_t day = -60000; day < 60000; day++) { /* 1805 … 2134 */
        char text[16];
        int64_t back;
        lm_date_format(day, text);
        assert_true(lm_date_parse(text, strlen(text), &back));
        assert_true(back == day);
    }
}

static void time_cases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"1969-12-31T23:59:59.999Z", true, -1},
        {"2026-11-23T08:00:00.000Z", true, 1795420800000},
        {"2026-11-23T16:00:00+08:00", true, 1795420800000},
        {"2026-11-22T20:30:00.5-11:30", true, 1795420800500},
        {"2026-11-23T08:00:00.123456789Z", true, 1795420800123},
        {"2026-11-23T08:00:00.0009Z", true, 1795420800000},
        {"2026-11-23T08:00:00-00:00", true, 1795420800000},
        {"0001-01-01T00:00:00Z", true, -62135596800000},
        {"9999-12-31T23:59:59.999Z", true, 253402300799999},
        {"0001-01-01T00:00:00+00:01", false, 0}, /* before year 1 */
        {"9999-12-31T23:59:59-00:01", false, 0}, /* after year 9999 */
        {"2026-11-23T08:00:00.1234567890Z", false, 0},
        {"2026-11-23T08:00:00.Z", false, 0},
        {"2026-11-23T08:00:00", false, 0},
        {"2026-11-23T08:00Z", false, 0},
        {"2026-11-23 08:00:00Z", false, 0},
        {"2026-11-23t08:00:00z", false, 0},
        {"2026-11-23T24:00:00Z", false, 0},
        {"2026-11-23T08:60:00Z", false, 0},
        {"2026-11-23T08:00:60Z", false, 0},
        {"2026-02-29T08:00:00Z", false, 0},
        {"2026-11-23T08:00:00+0800", false, 0},
        {"2026-11-23T08:00:00+08", false, 0},
        {"2026-11-23T08:00:00+24:00", false, 0},
        {"2026-11-23T08:00:00+08:60", false, 0},
        {"2026-11-23T08:00:00+08:00 ", false, 0},
        {"2026-11-23T08:00:00ZZ", false, 0},
        {"2026-11-23T-8:00:00Z", false, 0},
        {"2026-11-23", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ms = 12345678;
        if (lm_time_parse(cases[i].text, strlen(cases[i].text), &ms) != cases[i].valid ||
            (cases[i].valid && ms != cases[i].ms)) {
            fail_msg("time %s: %lld", cases[i].text, (long long)ms);
        }
    }
}

static void time_round_trip(void **state)
{
    (void)state;
    static const int64_t times[] = {
        0, -1, 1795420800000, 951782399999, -62135596800000, 253402300799999};
    char text[LM_TIME_TEXT + 8];
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t back;
        lm_time_format(times[i], text);
        assert_int_equal(strlen(text), LM_TIME_TEXT);
        assert_true(lm_time_parse(text, strlen(text), &back));
        assert_true(back == times[i]);
    }
    lm_time_format(1795420800000, text);
    assert_string_equal(text, "2026-11-23T08:00:00.000Z");
    lm_time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    lm_time_format(INT64_MIN, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000Z");
}

static void day_turns_at_midnight_in_china(void **state)
{
    (void)state;
    assert_true(lm_day_utc8(0) == 0);
    assert_true(lm_day_utc8(16 * 3600000LL - 1) == 0);
    assert_true(lm_day_utc8(16 * 3600000LL) == 1);
    assert_true(lm_day_utc8(-8 * 3600000LL) == 0);
    assert_true(lm_day_utc8(-8 * 3600000LL - 1) == -1);
    assert_true(lm_day_utc8(INT64_MAX) > 0);
    assert_true(lm_day_utc8(INT64_MIN) < 0);
}

static void clocks_run(void **state)
{
    (void)state;
    int64_t mono = lm_clock_mono_ms();
    assert_true(lm_clock_wall_ms() > 1700000000000);
    assert_true(lm_clock_mono_ms() >= mono);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_both_languages),
        cmocka_unit_test(fail_may_wrap_its_own_text),
        cmocka_unit_test(fail_cuts_at_whole_characters),
        cmocka_unit_test(fail_mends_what_a_format_shortened),
        cmocka_unit_test(status_names_are_distinct),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_keeps_its_cap),
        cmocka_unit_test(arena_mixes_large_and_small),
        cmocka_unit_test(arena_makes_texts),
        cmocka_unit_test(buf_grows_and_ends_with_nul),
        cmocka_unit_test(buf_failure_is_sticky),
        cmocka_unit_test(log_writes_one_clean_line),
        cmocka_unit_test(utf8_cases),
        cmocka_unit_test(control_characters),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(uuid_cases),
        cmocka_unit_test(uuid_v7_carries_the_time),
        cmocka_unit_test(rand_is_the_reference_generator),
        cmocka_unit_test(hash_is_blake2b_over_the_parts),
        cmocka_unit_test(date_cases),
        cmocka_unit_test(every_day_follows_the_one_before),
        cmocka_unit_test(time_cases),
        cmocka_unit_test(time_round_trip),
        cmocka_unit_test(day_turns_at_midnight_in_china),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
