/* Citizen identity numbers, GB 11643-1999: 6 digits of place, 8 of birth, 3 of order (odd = male),
 * a check character (ISO 7064 MOD 11-2). Pure. */
#ifndef LM_PROTO_IDNUMBER_H
#define LM_PROTO_IDNUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum lm_idno { LM_IDNO_OK, LM_IDNO_LENGTH, LM_IDNO_DIGITS, LM_IDNO_BIRTH, LM_IDNO_CHECK };

/* Checks n bytes; accepts a lower-case x. On LM_IDNO_OK fills birth_out ("1953-08-01", nullable, 11
 * bytes) and *sex_out ('1' male, '2' female; nullable). */
enum lm_idno lm_idno_check(const char *text, size_t n, char birth_out[11], char *sex_out);
/* The check character for 17 digits. */
char lm_idno_check_char(const char digits[17]);

#endif
