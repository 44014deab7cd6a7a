/* Copies of the embedded catalogue's files with edits: damaged ones, and later versions. For tests
 * only: whatever does not work fails the test. */
#ifndef LM_TESTS_CATALOGS_H
#define LM_TESTS_CATALOGS_H

#include "proto/catalog.h"

#define FILES_MAX 128

struct copy {
    struct lm_catalog_file files[FILES_MAX];
    char *owned[FILES_MAX];
    size_t n;
};

enum op { SET, DELETE, APPEND, RAW, DROP_FILE, ADD_FILE };

void copy_init(struct copy *c);
void copy_free(struct copy *c);
size_t copy_find(const struct copy *c, const char *name);
void copy_put(struct copy *c, size_t i, const char *name, char *text); /* takes text */
/* path: steps behind "/", each a key, a number, or "key=value[,key=value]" that picks the first
 * such element of an array; value: JSON, or the whole file for RAW and ADD_FILE. */
void copy_edit(struct copy *c, const char *file, const char *path, enum op op, const char *value);

struct edit {
    const char *file, *path;
    enum op op;
    const char *value;
};
/* The embedded catalogue with these edits and this number; the caller destroys it. */
struct lm_catalog *catalog_edited(uint32_t number, const struct edit *edits, size_t n);

/* The number of the embedded one, and those that follow it. */
enum { CATALOG_OWN = 3, CATALOG_NEXT, CATALOG_AFTER };

/* What the tests of catalogue evolution publish, one after the other:
 *   next: consultation gets mood (text) and urgency (code, required), loses reception_id (retired);
 *      list channel gets the code pigeon and loses im (retired); new type drill, like facility;
 *   after it: consultation.weather. */
struct lm_catalog *catalog_next(void);
struct lm_catalog *catalog_after(void);

/* One as it was published, from tests/golden: what databases of earlier programs hold. */
struct lm_catalog *catalog_published(uint32_t number);

#endif
