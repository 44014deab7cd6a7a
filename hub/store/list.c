/* Records by question: one, or a list. */
#include "hub/store/store_internal.h"

const char *lm_text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *value = lm_record_get(rec, field);

    return value && value->kind == LM_TEXT ? value->text : "";
}

struct lm_lookup lm_store_lookup(struct lm_store *store)
{
    return store->lookup;
}

static const struct lm_type *type_named(struct lm_store *store, const char *type,
                                        struct lm_error *err)
{
    const struct lm_type *found = lm_catalog_type(store->catalog, type);

    if (!found) {
        (void)lm_fail(err, LM_ERR_INVALID, "unknown_type", "type", "没有这种记录：%.40s",
                      "There is no record type %.40s", type);
    }
    return found;
}

enum lm_status lm_store_get(struct lm_store *store, struct lm_arena *arena, const char *type,
                            const char *id, struct lm_record **out)
{
    const struct lm_type *found = type_named(store, type, NULL);

    *out = NULL;
    return found ? lm_tables_get(store->tables, arena, found, id, out) : LM_ERR_NOT_FOUND;
}

enum lm_status lm_store_list(struct lm_store *store, struct lm_arena *arena, const char *type,
                             const char *village, const struct lm_where *where, size_t n_where,
                             bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                             struct lm_error *err)
{
    const struct lm_type *found = type_named(store, type, err);

    return found ? lm_tables_list(store->tables, arena, found, village, where, n_where, false,
                                  visit, arg, err)
                 : LM_ERR_INVALID;
}
