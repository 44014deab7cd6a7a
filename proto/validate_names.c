/* Which field a person meant who wrote another name: for the sentence that refuses it. Nothing is
 * ever saved under a guessed name. */
#include "proto/validate_internal.h"

#include <string.h>

#define NAME_MAX_BYTES 40

/* How many letters must be put in, left out or changed to make one name of the other; names longer
 * than the catalogue's count as far apart. */
static size_t name_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_BYTES + 1], n = strlen(a), m = strlen(b);

    if (n > NAME_MAX_BYTES || m > NAME_MAX_BYTES) {
        return NAME_MAX_BYTES;
    }
    for (size_t k = 0; k <= m; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t best = corner + (a[i - 1] != b[k - 1]);

            corner = row[k];
            best = row[k] + 1 < best ? row[k] + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            row[k] = best;
        }
    }
    return row[m];
}

const char *vx_meant_name(const struct lm_type *type, const char *name)
{
    const char *found = NULL;
    size_t best = strlen(name) < 5 ? 2 : 3;

    for (size_t i = 0; i < type->n_fields; i++) {
        const struct lm_field *f = &type->fields[i];
        size_t far = strcmp(f->zh, name) == 0 ? 0 : name_distance(f->name, name);

        if (f->fill != LM_FILL_COMPUTED && far < best) {
            best = far;
            found = f->name;
        }
    }
    return found;
}
