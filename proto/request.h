/* What a change request (变更申请) asks for: one value of one field of a person's file, an identity
 * or a benefit, which a village may not change itself. The values are text in the request: a code,
 * a date, a number in digits, true or false, as they would be typed. Pure. */
#ifndef LM_PROTO_REQUEST_H
#define LM_PROTO_REQUEST_H

#include "common/base/util.h"
#include "proto/validate.h"

#define LM_REQUEST_TYPE "change_request"
#define LM_REQUEST_TEXT_MAX 32 /* a number or a truth as text, NUL included */

bool lm_is_request(const struct lm_type *type);
/* The record it is about; NULL when "target" names no record of a type that it may name. */
const struct lm_type *lm_request_target(const struct lm_catalog *catalog,
                                        const struct lm_record *request, char id[LM_UUID_TEXT + 1]);
/* The field of that name if a request may be about it: one single value, that a person enters and
 * the town may set. NULL: there is none, or it may not. */
const struct lm_field *lm_request_field(const struct lm_type *type, const char *name);
/* Whether the village may change the field itself in this state of its record. */
bool lm_request_needless(const struct lm_type *type, const struct lm_field *field,
                         const char *state);
/* A value as a request writes it; "" for null. scratch holds what is not text in the value. */
const char *lm_request_text(const struct lm_value *value, char scratch[LM_REQUEST_TEXT_MAX]);
/* {field: value} as somebody would enter it, for lm_fields_from_json and lm_store_act; an ID number
 * brings the date of birth and the sex along that it says. New reference, NULL: no memory. */
json_t *lm_request_fields(const struct lm_type *type, const struct lm_field *field,
                          const char *text);
/* Judges what the new value would be in the record that is there, as an entry by the town is; what
 * is against it is added as about the request's own fields. *out: the record as it would be, in
 * arena; NULL when it is refused. now NULL: the record is not known, only the value is judged. */
enum lm_status lm_request_judge(const struct lm_validate_in *in, const struct lm_type *type,
                                const struct lm_field *field, const struct lm_record *now,
                                struct lm_arena *arena, struct lm_issues *issues,
                                struct lm_record **out) LM_MUST_USE;

#endif
