/* The catalogue: record types, fields, code lists, life cycles and indicators as data.
 *
 * It is read from JSON files (proto/catalog/, embedded in both programs), checked once for
 * soundness when loaded, and is then immutable and shared by all threads. Everything it points to
 * lives in its own arena. proto/catalog/README.md describes the files. */
#ifndef LM_PROTO_CATALOG_H
#define LM_PROTO_CATALOG_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"
#include "proto/limits.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stdint.h>

struct lm_expr; /* proto/expr.h: a compiled filter */
struct lm_type;

/* Who writes, as a mask: in fields (edit_by), transitions (by). */
enum lm_author { LM_BY_VILLAGE = 1, LM_BY_TOWN = 2, LM_BY_SYSTEM = 4 };

enum lm_ftype {
    LM_F_TEXT, /* string(n), text(n): max_chars */
    LM_F_CODE, /* a code of list */
    LM_F_CHAR, /* exactly max_chars ASCII characters (12 = division code, 18 = ID number, 15 = old
                  one) */
    LM_F_INT,  /* min … max */
    LM_F_DECIMAL, /* 4 places, min … max in ten-thousandths */
    LM_F_BOOL,
    LM_F_DATE,
    LM_F_DATETIME,
    LM_F_UUID, /* reference to a record of type ref (NULL: a user account or device, not checked) */
    LM_F_REF,  /* "type:uuid", type among ref_types */
    LM_F_FILE, /* uuid of an attachment, which may follow days later: never checked for existence */
    LM_F_HEX,
    LM_F_MAP, /* only as an element: has members */
};

/* A field that no person reads: it has a value for programs only (a password's verifier).
 * lm_field_to_json covers it, so that no answer, row or file holds it, and a type that has one is
 * shown and entered by its own routes alone (lm_catalog_shown). */
#define LM_SENSITIVITY_SECRET 3

/* Where a system field's value comes from. A change may carry LM_FILL_USER and LM_FILL_PROGRAM
 * fields. */
enum lm_fill {
    LM_FILL_USER,    /* a person enters it (edit_by says who) */
    LM_FILL_PROGRAM, /* filled by the program that saves and sent in the change (category_at_visit,
                        mime …) */
    LM_FILL_HUB, /* set at the hub by merge or town acts only (registered_on, dup_key, merged_into
                    …) */
    LM_FILL_COMPUTED, /* computed by both sides from other fields, never sent (accept_due, next_due,
                         level) */
};

enum lm_level {
    LM_REFUSE,
    LM_ENTER,
    LM_WARN
}; /* at saving; on being in the states named; never refuses */
enum lm_required { LM_OPTIONAL, LM_REQUIRED, LM_CONDITIONAL };

struct lm_code {
    const char *code, *zh, *en;
    bool retired; /* still valid in stored records, refused in new values */
};
struct lm_list {
    const char *name;
    struct lm_code *codes; /* in the order of display */
    size_t n_codes;
    const uint16_t *by_code; /* positions in code order, for look-ups */
};

struct lm_condition {
    const struct lm_expr *when; /* required while this holds */
    enum lm_level level;
    const char *text; /* the filter as written */
};

struct lm_field {
    const char *name, *zh, *en;
    enum lm_ftype ftype;
    bool is_list; /* LM_LIST of elements of ftype; else a single value */
    size_t min_items, max_items;
    bool unique_items; /* no repeats */
    size_t max_chars;  /* LM_F_TEXT, LM_F_CHAR */
    int64_t min, max;  /* LM_F_INT, LM_F_DECIMAL; INT64_MIN/MAX when unbounded */
    bool not_future;   /* dates and times: <= now (a warning while the clock is not confirmed) */
    /* A named check or NULL, one of lm_catalog_formats: "name", "phone", "idno", "division",
     * "area_code" (a division code that fits its level), "digits", "month" (YYYY-MM, not after this
     * month), "record_type" (a type's name), and across fields "person_or_name" (each petitioner),
     * "late_materials" (numbers of the matter's materials that may be late), "stage_dates" (not
     * falling, the last stage = state), "aligned_persons" (as many as persons). */
    const char *format;
    const struct lm_list *list; /* LM_F_CODE; NULL otherwise */
    const char *ref;            /* LM_F_UUID: type name, or NULL */
    const char **ref_types;     /* LM_F_REF: NULL-terminated; NULL = any type */
    struct lm_field *members;   /* LM_F_MAP elements */
    size_t n_members;
    enum lm_required required;
    struct lm_condition *conditions;
    size_t n_conditions;
    struct lm_value preset; /* default when absent at creation; LM_NULL = none */
    int sensitivity;        /* 0, 1, 2; LM_SENSITIVITY_SECRET */
    unsigned edit_by;       /* mask of enum lm_author */
    enum lm_fill fill;
    const char *compute; /* LM_FILL_COMPUTED: name of the rule, e.g. "petition.accept_due" */
    const char *
        *frozen_in; /* NULL-terminated states in which a village may not edit it; NULL = none */
    bool retired;
    bool common; /* one of the fields that every record has */
    int group;   /* index in type->groups */
    int index;   /* own index in type->fields */
};

/* Fields that only make sense together are versioned as one. Every field is in exactly one group.
 * The first three are the same in every type: */
enum { LM_GROUP_ORIGIN = 0, LM_GROUP_STATE = 1, LM_GROUP_DELETED = 2 };
struct lm_group {
    const char *name; /* the single field's name, or the group's; "origin", "state", "deleted" */
    bool guarded;     /* a transition that saw another version of it waits for confirmation */
};

struct lm_rule { /* cross-field rule: need must hold whenever when holds (NULL = always) */
    const char *code, *field, *zh, *en;
    const struct lm_expr *when, *need;
    const char *when_text, *need_text; /* as written; when_text may be NULL */
    enum lm_level level;               /* LM_REFUSE or LM_WARN */
};

struct lm_transition {
    const char *from; /* NULL = creation */
    const char *to;
    unsigned by;           /* mask of enum lm_author */
    struct lm_rule *rules; /* checked when this transition is made */
    size_t n_rules;
};

enum lm_key_mode { LM_KEY_FREE, LM_KEY_WARN, LM_KEY_UNIQUE };
enum lm_feed { LM_FEED_OWN, LM_FEED_ALL, LM_FEED_HUB };

struct lm_type {
    const char *name, *zh, *en;
    unsigned kept_by;        /* mask: LM_BY_VILLAGE | LM_BY_TOWN */
    struct lm_field *fields; /* the common fields first, in the same order in every type */
    size_t n_fields;
    struct lm_group *groups;
    size_t n_groups;
    const struct lm_list *states;
    const char *default_state;
    struct lm_transition *transitions;
    size_t n_transitions;
    const char **village_edits_in; /* states in which a village may edit; NULL-terminated; NULL =
                                      every state */
    int *natural_key;              /* field indexes */
    size_t n_natural_key;
    enum lm_key_mode key_mode;
    const struct lm_expr
        *key_when; /* rows that the key speaks of (one plan without end_on …), or NULL */
    const char *key_when_text; /* as written */
    int reporting_date;        /* field index */
    enum lm_feed feed;
    int *list_columns;
    size_t n_list_columns;
    struct lm_rule *rules;
    size_t n_rules;
    int sensitivity_max; /* of its own fields */
    int index;
    const uint16_t *fields_by_name, *groups_by_name; /* positions in name order, for look-ups */
};

/* Indexes of the common fields, the same in every type. */
enum {
    LM_C_ID,
    LM_C_VILLAGE_CODE,
    LM_C_STATION,
    LM_C_STATE,
    LM_C_CREATED_BY,
    LM_C_CREATED_AT,
    LM_C_DEVICE_ID,
    LM_C_DELETED_AT,
    LM_C_CORRECTION_OF,
    LM_C_DELETE_REASON,
    LM_C_RETURN_NOTE,
    LM_C_CLOSE_NOTE,
    LM_C_COUNT
};

enum lm_measure {
    LM_M_COUNT,
    LM_M_SUM,
    LM_M_SUM_LEN,
    LM_M_DISTINCT,
    LM_M_RATIO,
    LM_M_GAP,
    LM_M_FILLED,
    LM_M_MEDIAN_DAYS,
    LM_M_STATIONS_WITHIN
};
enum lm_rounding {
    LM_R_EXACT,
    LM_R_YU10,
    LM_R_YU100,
    LM_R_YU1000,
    LM_R_YU10000YUAN,
    LM_R_PCT0,
    LM_R_YUAN
};

struct lm_dimension {  /* category and further groupings: "category=person_identity.code",
                          "age=band(birth_on)" */
    const char *name;  /* "village", "office", "month", "category", or another name */
    const char *text;  /* right of "=", or NULL */
    const char *child; /* type name when through a child ("person_identity"), else NULL */
    const char *field; /* field of the type or of the child, or NULL */
};

struct lm_indicator {
    const char *id, *zh, *en, *unit, *source_figure;
    const struct lm_type *type; /* NULL for ratio, gap and @coverage */
    enum lm_measure measure;
    const char *
        *args; /* fields, or ids of the indicators that ratio and gap use; NULL-terminated */
    size_t n_args;
    int64_t arg_number;           /* gap: 500; stations_within: days */
    const struct lm_expr *filter; /* NULL = none */
    bool filter_names_state; /* else draft, returned, cancelled, merged, invalid, held are left out
                              */
    const char *filter_text;
    const char *date_field; /* NULL for ratios; "@as_of" for stocks */
    struct lm_dimension *dimensions;
    size_t n_dimensions;
    enum lm_rounding rounding;
    bool flow;    /* else a stock */
    bool opening; /* opening balances allowed */
};

struct lm_catalog {
    struct lm_arena arena;
    uint32_t number;       /* rises with every published edit */
    uint32_t grammar;      /* of the files: what a program must understand of them */
    const uint8_t *packed; /* the files as they are stored and sent: lm_catalog_pack() */
    size_t packed_len;
    uint8_t hash[32]; /* BLAKE2b-256 of the files' bytes, name and length included, in name order */
    struct lm_list *lists;
    size_t n_lists;
    struct lm_type
        *types; /* parents before children where the source has them so; index = position */
    size_t n_types;
    struct lm_indicator *indicators;
    size_t n_indicators;
    const uint16_t *lists_by_name, *types_by_name, *indicators_by_id;
};

/* The names that a field's format may have; NULL-terminated. */
extern const char *const lm_catalog_formats[];

struct lm_catalog_file {
    const char *name; /* "types/person.json" */
    const char *data;
    size_t size;
};

/* The grammar of the files that this program understands: raised when a file may say something that
 * an older program could not obey (a new kind of field, of rule, of measure). */
#define LM_CATALOG_GRAMMAR 1

/* Reads and checks all files. *out is owned by the caller (lm_catalog_destroy).
 * LM_ERR_INVALID with err naming file, type, field and reason; LM_ERR_VERSION "newer_grammar": the
 * program must be upgraded first; LM_ERR_LIMIT; LM_ERR_MEMORY. */
enum lm_status lm_catalog_load(const struct lm_catalog_file *files, size_t n_files,
                               struct lm_catalog **out, struct lm_error *err) LM_MUST_USE;
/* The files built into the program (catalog_embedded.S). */
const struct lm_catalog_file *lm_catalog_embedded(size_t *n_out);
/* lm_catalog_load(lm_catalog_embedded()). */
enum lm_status lm_catalog_load_embedded(struct lm_catalog **out, struct lm_error *err) LM_MUST_USE;
void lm_catalog_destroy(struct lm_catalog **catalog);

/* ---- as it is stored and sent (catalog_pack.c; PROTOCOL.md "Catalogue") ---- */

/* BLAKE2b-256 over name, length and bytes of each file in name order. LM_ERR_MEMORY. */
enum lm_status lm_catalog_hash(const struct lm_catalog_file *files, size_t n_files,
                               uint8_t out[32]) LM_MUST_USE;
/* One zstd frame with the files in name order; appended to out, at most
 * LM_CATALOG_PACKED_BYTES_MAX. LM_ERR_LIMIT, LM_ERR_MEMORY. */
enum lm_status lm_catalog_pack(const struct lm_catalog_file *files, size_t n_files,
                               struct lm_buf *out) LM_MUST_USE;
/* The inverse; everything out points to lives in arena (up to twice LM_CATALOG_BYTES_MAX).
 * LM_ERR_INVALID "malformed"; LM_ERR_LIMIT "too_large"; LM_ERR_MEMORY. */
enum lm_status lm_catalog_unpack(const uint8_t *data, size_t n, struct lm_arena *arena,
                                 struct lm_catalog_file **files_out, size_t *n_out,
                                 struct lm_error *err) LM_MUST_USE;
/* Unpacks and loads. */
enum lm_status lm_catalog_load_packed(const uint8_t *data, size_t n, struct lm_catalog **out,
                                      struct lm_error *err) LM_MUST_USE;

/* ---- from one version to the next (catalog_compare.c) ---- */

/* Whether `next` only adds to `now` or asks for less: what records, stored under either, can be
 * read with both. report (nullable) is called for each breach with a sentence that names it, at
 * most LM_CATALOG_BREACHES_MAX times. Returns how many there are; 0: it may follow. */
#define LM_CATALOG_BREACHES_MAX 200
size_t lm_catalog_compare(const struct lm_catalog *now, const struct lm_catalog *next,
                          void (*report)(void *arg, const struct lm_error *breach), void *arg);

/* Look-ups: NULL or -1 when there is none. O(log n) or better. */
const struct lm_type *lm_catalog_type(const struct lm_catalog *catalog, const char *name);
/* The same for what a person or a page named: types that have a secret field are not there. */
const struct lm_type *lm_catalog_shown(const struct lm_catalog *catalog, const char *name);
/* Whether lists, cards, histories and forms may be about it; false for NULL. */
bool lm_type_shown(const struct lm_type *type);
const struct lm_list *lm_catalog_list(const struct lm_catalog *catalog, const char *name);
const struct lm_indicator *lm_catalog_indicator(const struct lm_catalog *catalog, const char *id);
const struct lm_code *lm_list_code(const struct lm_list *list, const char *code);
const struct lm_field *lm_type_field(const struct lm_type *type, const char *name);
const struct lm_field *lm_type_fieldn(const struct lm_type *type, const char *name, size_t n);
int lm_type_group(const struct lm_type *type, const char *name, size_t n);
/* The transition from → to (from NULL = creation) that `author` (one bit) may make, or NULL. */
const struct lm_transition *lm_type_transition(const struct lm_type *type, const char *from,
                                               const char *to, unsigned author);

#endif
