/* Any text as a filter of the catalogue's grammar: what parses can be evaluated on an empty record
 * and put into SQL; what does not has a reason. The first byte chooses the record type. */
#include "proto/expr.h"
#include "proto/record.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lm_catalog *catalog(void)
{
    static struct lm_catalog *loaded;
    struct lm_error err;
    if (!loaded) {
        LM_CHECK(lm_catalog_load_embedded(&loaded, &err) == LM_OK);
    }
    return loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lm_expr_env base = {
        .as_of = "2026-11-22", .today = "2026-11-22", .year = 2026};
    struct lm_expr_env env = base;
    const struct lm_expr *expr = NULL;
    struct lm_arena arena;
    struct lm_error err;
    char text[2001];

    if (size < 1 || size > sizeof(text)) {
        return 0;
    }
    const struct lm_type *type = &catalog()->types[data[0] % catalog()->n_types];
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    env.catalog = catalog();
    err.code[0] = err.zh[0] = '\0';
    lm_arena_init(&arena, 16 << 20);
    if (lm_expr_parse(&arena, catalog(), type, text, &expr, &err) == LM_OK) {
        struct lm_buf sql;
        struct lm_record *rec = lm_record_new(&arena, type, "01932f00-1111-7222-8333-444444444444");
        bool yes = false;
        LM_CHECK(expr != NULL && rec != NULL);
        LM_CHECK(lm_expr_eval(expr, rec, &env, &arena, &yes) == LM_OK);
        (void)lm_expr_complete(expr, rec);
        (void)lm_expr_names(expr, "state");
        lm_buf_init(&sql, 4 << 20);
        enum lm_status status = lm_expr_sql(expr, catalog(), type, "r", NULL, &sql);
        LM_CHECK(status != LM_OK ||
                 (sql.status == LM_OK && sql.len > 0 && memchr(sql.data, '\0', sql.len) == NULL));
        lm_buf_free(&sql);
    } else {
        LM_CHECK(err.zh[0] != '\0');
    }
    lm_arena_free(&arena);
    return 0;
}
