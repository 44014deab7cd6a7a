/* Shared by the catalogue's loader (catalog_*.c) only.
 *
 * The loader keeps one sticky status: after the first failure every reader does nothing, so that
 * callers check once at the end of a step. The first failure's words stay in err. */
#ifndef LM_PROTO_CATALOG_INTERNAL_H
#define LM_PROTO_CATALOG_INTERNAL_H

#include "proto/catalog.h"

#include <jansson.h>

#define CAT_NAME_MAX 40     /* characters of a name that becomes an SQL identifier */
#define CAT_LABEL_MAX 200   /* bytes of a label */
#define CAT_FILTER_MAX 1000 /* bytes of a filter */
#define CAT_FILES_MAX LM_CATALOG_FILES_MAX
#define CAT_CODES_MAX 1024 /* codes of one list */
#define CAT_LISTS_MAX 512
#define CAT_INDICATORS_MAX 512
#define CAT_RULES_MAX 64 /* of one type or transition */
#define CAT_STATES_MAX 64
#define CAT_ARENA_BYTES (64 * 1024 * 1024)

struct cat_loader {
    struct lm_catalog *cat;
    struct lm_error *err;
    const char *file; /* in hand, for messages */
    char place[96];   /* in hand: "person.id_no" */
    enum lm_status status;
    const json_t *roots[CAT_FILES_MAX]; /* parsed files, in the order given */
    const struct lm_catalog_file *files;
    size_t n_files;
};

/* catalog_read.c: strict access to JSON. */
void cat_at(struct cat_loader *l, const char *fmt, ...) LM_PRINTF(2, 3);
/* Records the first failure. zh and en are one sentence each without file and place; detail
 * (nullable) follows. */
void cat_bad(struct cat_loader *l, const char *zh, const char *en, const char *detail);
/* Wraps the words of a failure below (an expression). */
void cat_wrap(struct cat_loader *l, enum lm_status status, const struct lm_error *inner);
void *cat_alloc(struct cat_loader *l, size_t n, size_t size); /* NULL after a failure */
bool cat_object(struct cat_loader *l, const json_t *obj,
                const char *const *keys); /* object with only these keys */
const char *cat_text(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                     size_t max);
const char *cat_name(struct cat_loader *l, const json_t *obj,
                     const char *key); /* required, [a-z][a-z0-9_]* */
void cat_labels(struct cat_loader *l, const json_t *obj, const char **zh, const char **en);
bool cat_flag(struct cat_loader *l, const json_t *obj, const char *key, bool otherwise);
int64_t cat_int(struct cat_loader *l, const json_t *obj, const char *key, int64_t min, int64_t max,
                int64_t otherwise); /* otherwise when absent */
/* Array of required objects or texts; NULL when absent or null. */
const json_t *cat_array(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                        size_t max);
const char **cat_texts(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                       size_t *n_out);
/* Position of the text in words (NULL-terminated), or otherwise when absent (-1 = it is required).
 */
int cat_word(struct cat_loader *l, const json_t *obj, const char *key, const char *const *words,
             int otherwise);
unsigned cat_authors(struct cat_loader *l, const json_t *obj, const char *key);

/* catalog.c: positions of n items of stride bytes in the order of the text each begins with;
 * refuses doubles. */
const uint16_t *cat_index(struct cat_loader *l, const void *items, size_t n, size_t stride);
const json_t *cat_file(struct cat_loader *l,
                       const char *name); /* sets l->file; refuses when missing */

/* The steps, in this order. */
void cat_read_lists(struct cat_loader *l);      /* catalog_field.c */
void cat_read_types(struct cat_loader *l);      /* catalog_type.c */
void cat_check_types(struct cat_loader *l);     /* catalog_check.c: references, life cycles */
void cat_compile(struct cat_loader *l);         /* catalog_check.c: expressions of types */
void cat_read_indicators(struct cat_loader *l); /* catalog_indicator.c */

/* catalog_field.c: one field of the type (its states must be known). */
void cat_read_field(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                    bool common, struct lm_field *out);
/* Texts of the rules of a type or transition; compiled later. */
void cat_read_rules(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                    struct lm_rule **out, size_t *n_out);

#endif
