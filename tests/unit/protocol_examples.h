/* The bytes behind the hex blocks of PROTOCOL.md: what the code makes from the values that the
 * document names, under the blocks' names. */
#ifndef LM_TESTS_PROTOCOL_EXAMPLES_H
#define LM_TESTS_PROTOCOL_EXAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"

enum { EXAMPLES_MAX = 64 };

extern struct example {
    const char *name;
    struct lm_buf bytes;
} examples[EXAMPLES_MAX];
extern size_t n_examples;
extern uint8_t sign_public[32], sign_secret[64]; /* the hub's, from a fixed seed */

void make_examples(void); /* all of them, once */
void free_examples(void);
const struct lm_buf *example(const char *name); /* fails when there is none */
void print_examples(void);                      /* as blocks for the document, the kit too */

#endif
