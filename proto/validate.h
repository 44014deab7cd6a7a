/* The rules of a record, the same code on both sides. Pure: what it must look up comes through
 * lm_lookup.
 *
 * A save goes through lm_fields_from_json (shape of each value) and lm_validate (everything else).
 * The hub, which gets canonical values in changes, uses lm_fields_check and lm_validate. */
#ifndef LM_PROTO_VALIDATE_H
#define LM_PROTO_VALIDATE_H

#include "proto/catalog.h"
#include "proto/expr.h"
#include "proto/record.h"

#include <jansson.h>

struct lm_issue {
    enum lm_level level; /* LM_REFUSE or LM_WARN */
    struct lm_error error;
};
struct lm_issues {
    struct lm_issue items[LM_ISSUES_MAX];
    size_t n; /* warnings and refusals; further ones are dropped */
    size_t n_refused;
};
void lm_issues_init(struct lm_issues *issues);
void lm_issue_add(struct lm_issues *issues, enum lm_level level, const char *code,
                  const char *field, const char *zh, const char *en);
const struct lm_error *lm_issues_first_refusal(const struct lm_issues *issues); /* NULL: none */

/* The fields of one change: catalogue fields by index, with canonical values, and those nobody here
 * knows. */
struct lm_fieldset {
    size_t n;
    int index[LM_CHANGE_FIELDS_MAX];
    struct lm_value value[LM_CHANGE_FIELDS_MAX];
    struct lm_value unknown; /* LM_MAP or LM_NULL */
};
/* The value set for a field index, or NULL when this set does not touch it. */
const struct lm_value *lm_fieldset_get(const struct lm_fieldset *set, int index);
void lm_fieldset_put(struct lm_fieldset *set, int index,
                     struct lm_value value); /* replaces or appends */

/* JSON object → canonical values in arena. Unknown names are refused (a person typed them). Numbers
 * as text are accepted for decimals only. ID numbers with lower-case x become X; date-times become
 * UTC with ms. LM_OK: see issues; a value that does not fit is left out of *out. LM_ERR_LIMIT,
 * LM_ERR_MEMORY: the arena is out. */
enum lm_status lm_fields_from_json(const struct lm_catalog *catalog, const struct lm_type *type,
                                   const json_t *fields, struct lm_arena *arena,
                                   struct lm_fieldset *out, struct lm_issues *issues) LM_MUST_USE;
/* A change's map → fieldset: known fields checked to be canonical and in range, unknown ones kept.
 * Values are copied into the arena (their text NUL-terminated). Computed fields are refused; who
 * may set the others is lm_authorize's. */
enum lm_status lm_fields_check(const struct lm_catalog *catalog, const struct lm_type *type,
                               const struct lm_value *map, struct lm_arena *arena,
                               struct lm_fieldset *out, struct lm_issues *issues) LM_MUST_USE;

struct lm_validate_in {
    const struct lm_catalog *catalog;
    const struct lm_type *type;
    const struct lm_record *before; /* NULL = creation */
    const struct lm_record
        *after; /* with the change's values, defaults and computed fields filled in */
    const struct lm_fieldset *set; /* what the change sets */
    enum lm_author author;
    const char
        *station; /* the author's division code; NULL: whose record it is is judged elsewhere */
    bool deleting, undeleting;
    const struct lm_lookup *lookup;
    int64_t now_ms;
    bool clock_confirmed; /* else dates ahead are warnings */
};
/* Who may set what, transitions, required and conditional fields, rules, formats across fields.
 * LM_OK: see issues. Drafts need only what they hold to be well-formed. Other statuses: a look-up
 * failed. Natural keys and references are not judged here: the stores do (they own the indexes). */
enum lm_status lm_validate(const struct lm_validate_in *in, struct lm_arena *arena,
                           struct lm_issues *issues) LM_MUST_USE;
/* Only the part that says whether this author may do this at all (fields, states, transition): what
 * the hub refuses outright, while the rest makes a record invalid. Setting a field to the value
 * that it has, or at creation to its preset, is no edit. A village deletes only records in states
 * in which it may create them, drafts and returned ones. */
enum lm_status lm_authorize(const struct lm_validate_in *in, struct lm_arena *arena,
                            struct lm_issues *issues) LM_MUST_USE;

/* Fills defaults (creation only) and every computed field of rec. station_level: "village" or
 * "town" of the record's village_code. Values go into arena. next_due needs lookup (visits). */
enum lm_status lm_compute(const struct lm_catalog *catalog, struct lm_record *rec, bool creation,
                          const char *station_level, const struct lm_lookup *lookup,
                          struct lm_arena *arena) LM_MUST_USE;

/* visit.category_at_visit of these persons (a list of ids, or null): for each, in order, the first
 * identity by code, the first benefit without end_on by code, and the difficulty ("none" when not
 * known). Members that are null are left out. Without lookup everybody is {difficulty: none}. *out
 * lives in the arena. */
enum lm_status lm_visit_categories(const struct lm_catalog *catalog, const struct lm_value *persons,
                                   const struct lm_lookup *lookup, struct lm_arena *arena,
                                   struct lm_value *out) LM_MUST_USE;

#endif
