/* Any bytes: the prescan judges them, and what it lets through every reader can walk; a value that
 * reads packs to bytes that read equal. */
#include "proto/pack.h"
#include "proto/prescan.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The cursor must stay inside its bytes also when nobody scanned them. */
static void walk(const uint8_t *data, size_t size, bool scanned)
{
    struct lm_reader reader;
    lm_reader_init(&reader, data, size);
    bool whole = lm_reader_skip(&reader) && lm_reader_done(&reader);
    LM_CHECK(!scanned || whole);
    lm_reader_init(&reader, data, size);
    for (int i = 0; i < 64 && !reader.failed; i++) {
        const uint8_t *bytes;
        const char *text;
        uint64_t u;
        size_t n;
        switch ((int)lm_reader_peek_kind(&reader)) {
        case LM_WIRE_ARRAY:
            lm_read_array(&reader, &n);
            break;
        case LM_WIRE_MAP:
            lm_read_map(&reader, &n);
            break;
        case LM_WIRE_TEXT:
            lm_read_text(&reader, &text, &n);
            break;
        case LM_WIRE_BIN:
            lm_read_bin(&reader, &bytes, &n);
            break;
        case LM_WIRE_NIL:
            lm_read_nil(&reader);
            break;
        default:
            lm_read_uint(&reader, &u);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_arena arena;
    struct lm_reader reader;
    struct lm_value value;
    struct lm_error err;
    bool scanned = lm_prescan(data, size, LM_NODES_MAX, &err) == LM_OK;
    walk(data, size, scanned);
    lm_arena_init(&arena, 64 << 20);
    lm_reader_init(&reader, data, size);
    if (lm_read_value(&reader, &arena, &value) && lm_reader_done(&reader)) {
        struct lm_value again;
        struct lm_buf buf;
        lm_buf_init(&buf, 4 << 20);
        lm_value_pack(&buf, &value);
        LM_CHECK(buf.status == LM_OK);
        if (scanned) {
            LM_CHECK(lm_prescan(buf.data, buf.len, LM_NODES_MAX, &err) == LM_OK);
        }
        lm_reader_init(&reader, buf.data, buf.len);
        LM_CHECK(lm_read_value(&reader, &arena, &again) && lm_reader_done(&reader));
        LM_CHECK(lm_value_equal(&value, &again));
        lm_buf_free(&buf);
    }
    lm_arena_free(&arena);
    return 0;
}
