/* PROTOCOL.md tells the truth: its hex blocks are what the code makes from the values that it
 * names.
 *
 * A block starts with a line ```hex NAME and holds hex digits in any layout. Every example of
 * protocol_examples.c has its block, every block its example. After a wanted change of the
 * protocol: LM_PRINT_HEX=1 prints all blocks, and LM_WRITE_SEEDS=DIR writes the examples as fuzz
 * seeds (DIR is tests/fuzz/corpus). */
#include "tests/unit/protocol_examples.h"

#include "common/base/util.h"
#include "proto/bundle.h"
#include "proto/credential.h"
#include "proto/feed.h"
#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *document;

static const char *read_document(void)
{
    static const char path[] = LM_SOURCE_DIR "/proto/PROTOCOL.md";
    FILE *file = fopen(path, "rb");
    long n = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    document = n > 0 ? calloc(1, (size_t)n + 1) : NULL;
    if (document) {
        rewind(file);
        n = (long)fread(document, 1, (size_t)n, file);
    }
    if (file) {
        fclose(file);
    }
    return document;
}

static int setup(void **state)
{
    (void)state;
    make_examples();
    if (getenv("LM_PRINT_HEX")) {
        print_examples();
    }
    return read_document() ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free_examples();
    free(document);
    return 0;
}

/* ---- the document ---- */

/* The block's bytes: from after its first line to the line that closes it. */
static void parse_block(const char *from, struct lm_buf *out)
{
    const char *end = strstr(from, "```");
    int high = -1;
    assert_non_null(end);
    for (const char *p = from; p < end; p++) {
        const char *digits = "0123456789abcdef";
        const char *at = *p ? strchr(digits, *p) : NULL;
        if (!at) {
            assert_true(*p == ' ' || *p == '\n');
            continue;
        }
        if (high < 0) {
            high = (int)(at - digits);
        } else {
            uint8_t byte = (uint8_t)(high << 4 | (int)(at - digits));
            lm_buf_add(out, &byte, 1);
            high = -1;
        }
    }
    assert_int_equal(high, -1);
}

static void every_block_is_what_the_code_makes(void **state)
{
    (void)state;
    static const char mark[] = "```hex ";
    bool found[EXAMPLES_MAX] = {false};
    for (const char *at = document; (at = strstr(at, mark)) != NULL;) {
        char name[64];
        at += sizeof mark - 1;
        size_t n = strcspn(at, "\n");
        assert_true(n < sizeof name);
        memcpy(name, at, n);
        name[n] = '\0';
        at += n + 1;
        const struct lm_buf *made = example(name);
        struct lm_buf said;
        lm_buf_init(&said, LM_FRAME_BYTES_MAX);
        parse_block(at, &said);
        if (said.len != made->len || memcmp(said.data, made->data, said.len) != 0) {
            print_error("block %s differs: LM_PRINT_HEX=1 prints what the code makes\n", name);
        }
        assert_int_equal(said.len, made->len);
        assert_memory_equal(said.data, made->data, said.len);
        for (size_t i = 0; i < n_examples; i++) {
            found[i] = found[i] || made == &examples[i].bytes;
        }
        lm_buf_free(&said);
    }
    for (size_t i = 0; i < n_examples; i++) {
        if (!found[i]) {
            print_error("PROTOCOL.md has no block %s\n", examples[i].name);
        }
        assert_true(found[i]);
    }
}

static enum lm_status count_body(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    static const char *const names[] = {"change-create", "change-edit"};
    const struct lm_buf *made = example(names[i]);
    (*(uint32_t *)arg)++;
    assert_int_equal(n, made->len);
    assert_memory_equal(body, made->data, n);
    return LM_OK;
}

static void the_example_push_unpacks(void **state)
{
    (void)state;
    struct lm_arena arena;
    struct lm_msg_push push;
    struct lm_error err;
    uint32_t n = 0;
    lm_arena_init(&arena, 1 << 20);
    assert_int_equal(lm_push_read(example("PUSH")->data, example("PUSH")->len, &arena, &push, &err),
                     LM_OK);
    assert_int_equal(lm_batch_unpack(push.packed, push.packed_len, push.raw_bytes, push.count,
                                     &arena, count_body, &n, &err),
                     LM_OK);
    assert_int_equal(n, 2);
    lm_arena_free(&arena);
}

static void the_example_kit_reads(void **state)
{
    (void)state;
    const char *from = strstr(document, "```json kit\n");
    assert_non_null(from);
    from += strlen("```json kit\n");
    const char *end = strstr(from, "```");
    struct lm_arena arena;
    struct lm_kit kit;
    struct lm_error err;
    lm_arena_init(&arena, 1 << 20);
    assert_int_equal(lm_kit_read(from, (size_t)(end - from), &arena, &kit, &err), LM_OK);
    assert_memory_equal(kit.hub_sign_key, sign_public, 32);
    assert_string_equal(kit.station, "999999101201");
    assert_int_equal(kit.n_records, 1);
    assert_int_equal(kit.records[0].len, example("body")->len);
    assert_memory_equal(kit.records[0].body, example("body")->data, kit.records[0].len);
    lm_arena_free(&arena);
}

/* Every stated number of limits.h that the document repeats. */
static void the_limits_are_those_of_the_code(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        long long value;
    } limits[] = {
        {"change", LM_CHANGE_BYTES_MAX},
        {"fields of a change", LM_CHANGE_FIELDS_MAX},
        {"text", LM_TEXT_CHARS_MAX},
        {"list", LM_LIST_ITEMS_MAX},
        {"batch bytes", LM_BATCH_BYTES_MAX},
        {"batch changes", LM_BATCH_CHANGES_MAX},
        {"frame", LM_FRAME_BYTES_MAX},
        {"frames", LM_FRAMES_MAX},
        {"window", LM_WINDOW_MAX},
        {"feed bytes", LM_FEED_BYTES_MAX},
        {"feed entries", LM_FEED_ENTRIES_MAX},
        {"wanted", LM_WANT_MAX},
        {"compared", LM_COMPARE_MAX},
        {"history", LM_HISTORY_MAX},
        {"history bytes", LM_HISTORY_BYTES_MAX},
        {"offered records", LM_OFFER_RECORDS_MAX},
        {"offered bytes", LM_OFFER_BYTES_MAX},
        {"recovered", LM_RECOVERED_MAX},
        {"held for moves", LM_HELD_MOVED_MAX},
        {"lost moves", LM_MOVED_DAYS},
        {"ack verdicts", LM_ACK_VERDICTS_MAX},
        {"checkpoints", LM_CHECKPOINTS_MAX},
        {"hub keys", 2},
        {"user", LM_USER_CHARS_MAX},
        {"depth", LM_DEPTH_MAX},
        {"nodes", LM_NODES_MAX},
        {"bundle", LM_BUNDLE_BYTES_MAX},
        {"bundle parts", LM_BUNDLE_PARTS_MAX},
        {"bundle histories", LM_BUNDLE_PASTS_MAX},
        {"skew", LM_SKEW_MS},
        {"pull again", LM_PULL_AGAIN_MS},
        {"catalogue", LM_CATALOG_BYTES_MAX},
        {"catalogue part", LM_CATALOG_PART_BYTES_MAX},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        char row[128];
        snprintf(row, sizeof row, "| %s | %lld |", limits[i].label, limits[i].value);
        if (!strstr(document, row)) {
            print_error("PROTOCOL.md lacks the row %s\n", row);
        }
        assert_non_null(strstr(document, row));
    }
}

/* ---- seeds ---- */

static void write_seed(const char *target, const char *name, const void *a, size_t an,
                       const void *b, size_t bn)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", getenv("LM_WRITE_SEEDS"), target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", getenv("LM_WRITE_SEEDS"), target, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(a, 1, an, file), an);
    assert_int_equal(fwrite(b, 1, bn, file), bn);
    assert_int_equal(fclose(file), 0);
}

static void seeds_are_written_when_asked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t kind;
    } messages[] = {
        {"ENROL", LM_MSG_ENROL},
        {"ENROLLED", LM_MSG_ENROLLED},
        {"HELLO", LM_MSG_HELLO},
        {"WELCOME", LM_MSG_WELCOME},
        {"WELCOME-keys", LM_MSG_WELCOME},
        {"KEY", LM_MSG_KEY},
        {"PUSH", LM_MSG_PUSH},
        {"PUSH-empty", LM_MSG_PUSH},
        {"ACK", LM_MSG_ACK},
        {"PULL", LM_MSG_PULL},
        {"FEED", LM_MSG_FEED},
        {"WANT", LM_MSG_WANT},
        {"BODIES", LM_MSG_BODIES},
        {"NEWS", LM_MSG_NEWS},
        {"ERROR", LM_MSG_ERROR},
        {"certificate", 0},
        {"COMPARE", LM_MSG_COMPARE},
        {"DIGESTS", LM_MSG_DIGESTS},
        {"HISTORY-ask", LM_MSG_HISTORY},
        {"HISTORY", LM_MSG_HISTORY},
    };
    if (!getenv("LM_WRITE_SEEDS")) {
        return;
    }
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const struct lm_buf *bytes = example(messages[i].name);
        write_seed("fuzz_message", messages[i].name, &messages[i].kind, 1, bytes->data, bytes->len);
        write_seed("fuzz_prescan", messages[i].name, bytes->data, bytes->len, "", 0);
    }
    const char *kit = strstr(document, "```json kit\n");
    kit = kit ? kit + strlen("```json kit\n") : "";
    write_seed("fuzz_message", "kit", "\xff", 1, kit, strcspn(kit, "`"));
    static const char *const changes[] = {"change-create", "change-edit", "change-delete"};
    for (size_t i = 0; i < 3; i++) {
        write_seed("fuzz_change", changes[i], example(changes[i])->data, example(changes[i])->len,
                   "", 0);
        write_seed("fuzz_prescan", changes[i], example(changes[i])->data, example(changes[i])->len,
                   "", 0);
    }
    const struct lm_buf *content = example("bundle-content");
    write_seed("fuzz_bundle", "file", "\x00", 1, example("bundle")->data, example("bundle")->len);
    write_seed("fuzz_bundle", "frames", "\x01", 1, content->data + LM_HASH_BYTES,
               content->len - LM_HASH_BYTES);
    write_seed("fuzz_prescan", "body", example("body")->data, example("body")->len, "", 0);
    write_seed("fuzz_feed", "unknown-type", example("body")->data, example("body")->len, "", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_what_the_code_makes),
        cmocka_unit_test(the_example_push_unpacks),
        cmocka_unit_test(the_example_kit_reads),
        cmocka_unit_test(the_limits_are_those_of_the_code),
        cmocka_unit_test(seeds_are_written_when_asked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
