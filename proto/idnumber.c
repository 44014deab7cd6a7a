/* Citizen identity numbers (GB 11643-1999). Pure; reads exactly the bytes given. */
#include "proto/idnumber.h"

#include "common/base/util.h"

#include <string.h>

char lm_idno_check_char(const char digits[17])
{
    static const int weights[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;

    for (int i = 0; i < 17; i++) {
        sum += (digits[i] - '0') * weights[i];
    }
    return "10X98765432"[((sum % 11) + 11) % 11];
}

enum lm_idno lm_idno_check(const char *text, size_t n, char birth_out[11], char *sex_out)
{
    char birth[11];
    int64_t day;
    char check;

    if (n != 18) {
        return LM_IDNO_LENGTH;
    }
    for (size_t i = 0; i < 17; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return LM_IDNO_DIGITS;
        }
    }
    check = text[17] == 'x' ? 'X' : text[17];
    if (check != 'X' && (check < '0' || check > '9')) {
        return LM_IDNO_DIGITS;
    }
    memcpy(birth, text + 6, 4);
    birth[4] = '-';
    memcpy(birth + 5, text + 10, 2);
    birth[7] = '-';
    memcpy(birth + 8, text + 12, 2);
    birth[10] = 0;
    if (!lm_date_parse(birth, 10, &day)) {
        return LM_IDNO_BIRTH;
    }
    if (check != lm_idno_check_char(text)) {
        return LM_IDNO_CHECK;
    }
    if (birth_out) {
        memcpy(birth_out, birth, sizeof(birth));
    }
    if (sex_out) {
        *sex_out = (text[16] - '0') % 2 ? '1' : '2';
    }
    return LM_IDNO_OK;
}
