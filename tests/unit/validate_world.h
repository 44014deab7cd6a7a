/* One save as a program makes it of an input line, and what validation says to it; over the
 * catalogue that the programs use. What came of the last save stands in the variables below. */
#ifndef LM_TESTS_VALIDATE_WORLD_H
#define LM_TESTS_VALIDATE_WORLD_H

#include "proto/validate.h"
#include "tests/support/records.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern struct fx fx;
extern struct lm_issues issues;
extern struct lm_record *after; /* the record after the last save; in fx.arena */
extern int64_t now_ms;          /* 2026-06-30T02:00:00Z until a test sets it */

int validate_setup(void **state);
int validate_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, validate_setup, validate_teardown)

json_t *object(const char *json); /* with ' for " */

struct save {
    const char *type;
    const struct lm_record *before;
    const char *json;
    enum lm_author author;
    bool deleting, clock_doubtful;
    const char *station;
};
void save(const struct save *s); /* author 0: the village */

/* What the issues must hold; `what` stands in the message when they do not. */
void expect_ok(const char *what); /* nothing refused */
void expect(enum lm_level level, const char *code, const char *field, const char *what);
void expect_refused(const char *code, const char *field, const char *what);
const struct lm_issue *find(const char *code, const char *field); /* NULL: none */
void print_issues(const char *what);

/* The fields of a person who is accepted, without braces. */
#define PERSON                                                                                     \
    "'name':'王测试','id_status':'valid','id_no':'999999195308010012','is_resident':true,"      \
    "'household_village':'999999100201'"

#endif
