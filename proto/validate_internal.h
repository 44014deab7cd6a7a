/* Shared by validate*.c and compute.c only. */
#ifndef LM_PROTO_VALIDATE_INTERNAL_H
#define LM_PROTO_VALIDATE_INTERNAL_H

#include "proto/validate.h"

#define VX_LONG_TEXT 120 /* texts that may be longer than this many characters may have lines */

/* Where a complaint is: a field, an item of its list (from 0; -1 = none), a member of that item. */
struct vx_place {
    const struct lm_field *field;
    long item;
    const struct lm_field *member;
};
/* The field that was probably meant: its label, or its name with a slip or two; else NULL. */
const char *vx_meant_name(const struct lm_type *type, const char *name);

struct vx_place vx_field(const struct lm_field *field);

/* Adds a complaint "“label”zh" / "\"Label\" en"; both formats take the same arguments. A second
 * complaint with the same code about the same place is dropped. */
void vx_complain(struct lm_issues *issues, enum lm_level level, const char *code,
                 const struct vx_place *place, const char *zh, const char *en, ...) LM_PRINTF(5, 7)
    LM_PRINTF(6, 7);

/* Checks the text of a canonical value against field->format (as far as it needs nothing but the
 * text), complains and returns false when it does not fit. f is the field or member that has the
 * format. */
bool vx_format_check(const struct lm_catalog *catalog, const struct lm_field *f,
                     const struct vx_place *place, const struct lm_value *v,
                     struct lm_issues *issues);
/* Checks that v is canonical for the field: kinds, ranges, codes, lengths, lists. LM_NULL is always
 * canonical. */
bool vx_canonical(const struct lm_catalog *catalog, const struct lm_type *type,
                  const struct lm_field *field, const struct lm_value *v, struct lm_issues *issues);
/* One value that is not a list; f is place's field or member. */
bool vx_canonical_item(const struct lm_catalog *catalog, const struct lm_type *type,
                       const struct lm_field *f, const struct vx_place *place,
                       const struct lm_value *v, struct lm_issues *issues);
/* Length and repeats of a list. */
bool vx_list_check(const struct lm_field *field, const struct lm_value *v,
                   struct lm_issues *issues);
const struct lm_list *vx_list_of(const struct lm_type *type, const struct lm_field *field);

/* Only white space, U+3000 and U+00A0 included. */
bool vx_blank(const char *text, size_t n);
/* Without white space at both ends. */
const char *vx_trim(const char *text, size_t n, size_t *n_out);

/* The checks that look at several values of a record by the name of the field's format. */
enum lm_status vx_across(const struct lm_validate_in *in, const struct lm_field *field, bool draft,
                         struct lm_arena *arena, struct lm_issues *issues) LM_MUST_USE;
/* Required, conditions, numbers of items, members of items. */
enum lm_status vx_required(const struct lm_validate_in *in, const struct lm_expr_env *env,
                           struct lm_arena *arena, struct lm_issues *issues) LM_MUST_USE;
/* What a change request asks for, against the record that it is about (request.c). */
enum lm_status vx_request(const struct lm_validate_in *in, struct lm_arena *arena,
                          struct lm_issues *issues) LM_MUST_USE;
bool vx_changed(const struct lm_validate_in *in, const struct lm_field *field);

#endif
