/* Any bytes as a catalogue. The first byte says how: as the packed form, as a CATALOG message of
 * either side, or as one file among those built in (the second byte says which). What loads packs
 * to what loads to the same hash; whatever follows whatever, the comparison ends and never breaks.
 */
#include "proto/catalog.h"
#include "proto/message.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lm_catalog *own(void)
{
    static struct lm_catalog *loaded;
    struct lm_error err;
    if (!loaded) {
        LM_CHECK(lm_catalog_load_embedded(&loaded, &err) == LM_OK);
    }
    return loaded;
}

static void take_breach(void *arg, const struct lm_error *breach)
{
    LM_CHECK(breach->code[0] && breach->zh[0] && breach->en[0]);
    ++*(size_t *)arg;
}

static void loaded(struct lm_catalog *c)
{
    struct lm_catalog *again = NULL;
    struct lm_error err;
    size_t told = 0, n;
    LM_CHECK(c->number > 0 && c->grammar <= LM_CATALOG_GRAMMAR && c->packed_len > 0);
    LM_CHECK(lm_catalog_load_packed(c->packed, c->packed_len, &again, &err) == LM_OK);
    LM_CHECK(memcmp(c->hash, again->hash, 32) == 0);
    LM_CHECK(lm_catalog_compare(c, again, NULL, NULL) == 1); /* only the number does not rise */
    n = lm_catalog_compare(own(), c, take_breach, &told);
    LM_CHECK(told == (n < LM_CATALOG_BREACHES_MAX ? n : LM_CATALOG_BREACHES_MAX));
    (void)lm_catalog_compare(c, own(), NULL, NULL);
    lm_catalog_destroy(&again);
    lm_catalog_destroy(&c);
}

static void as_file(const uint8_t *data, size_t size)
{
    struct lm_catalog_file files[LM_CATALOG_FILES_MAX];
    struct lm_catalog *c = NULL;
    struct lm_error err = {0};
    size_t n;
    const struct lm_catalog_file *built_in = lm_catalog_embedded(&n);
    if (size == 0) {
        return;
    }
    memcpy(files, built_in, n * sizeof *files);
    files[data[0] % n].data = (const char *)data + 1;
    files[data[0] % n].size = size - 1;
    if (lm_catalog_load(files, n, &c, &err) == LM_OK) {
        loaded(c);
    } else {
        LM_CHECK(c == NULL && err.code[0] && err.zh[0] && err.en[0]);
    }
}

static void as_message(const uint8_t *data, size_t size)
{
    struct lm_msg_part part;
    struct lm_msg_ask ask;
    struct lm_arena arena;
    struct lm_error err;
    struct lm_buf buf;
    lm_arena_init(&arena, 1 << 20);
    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    if (lm_part_read(data, size, &arena, &part, &err) == LM_OK) {
        LM_CHECK(part.n <= LM_CATALOG_PART_BYTES_MAX && part.offset + part.n <= part.total);
        lm_part_pack(&buf, &part);
        LM_CHECK(buf.status == LM_OK && buf.len <= size);
    }
    lm_buf_reset(&buf);
    if (lm_ask_read(data, size, &arena, &ask, &err) == LM_OK) {
        lm_ask_pack(&buf, &ask);
        LM_CHECK(buf.status == LM_OK && buf.len <= size);
    }
    lm_buf_free(&buf);
    lm_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_catalog *c = NULL;
    struct lm_error err = {0};
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        if (lm_catalog_load_packed(data + 1, size - 1, &c, &err) == LM_OK) {
            loaded(c);
        } else {
            LM_CHECK(c == NULL && err.code[0]);
        }
        break;
    case 1:
        as_message(data + 1, size - 1);
        break;
    default:
        as_file(data + 1, size - 1);
        break;
    }
    return 0;
}
