/* The passwords that are tried first, of eight characters and more: those that head the published
 * lists of leaked ones, in China and elsewhere, and what suggests itself here. Shorter ones are
 * refused for their length, runs of digits and one repeated character by rule (account.c). Lower
 * case, sorted, so that a person can find a word and bsearch too. */
#include "common/account.h"

#include <stdlib.h>
#include <string.h>

#define COMMON_CHARS_MAX 16

static const char *const common[] = {
    "00000000a",     "10203040",      "11112222",     "11223344",    "12121212",     "12341234",
    "12344321",      "123456789a",    "12345678a",    "1234567a",    "123456aa",     "123456abc",
    "123456qq",      "13145200",      "1314520520",   "14725836",    "147258369",    "159357258",
    "19491001",      "1q2w3e4r",      "1q2w3e4r5t",   "1qaz2wsx",    "1qaz2wsx3edc", "20082008",
    "20202020",      "31415926",      "5201314520",   "55555555a",   "66668888",     "88886666",
    "88888888a",     "a1234567",      "a12345678",    "a123456789",  "aa123456",     "aa12345678",
    "abc12345",      "abc123456",     "abc12345678",  "abcd1234",    "abcd12345",    "admin123",
    "admin1234",     "admin12345",    "admin123456",  "admin888",    "admin8888",    "adminadmin",
    "administrator", "asdf1234",      "asdfghjk",     "asdfghjkl",   "baseball",     "beijing2008",
    "changeme",      "changeme1",     "computer",     "default1",    "dragon123",    "football",
    "iloveyou",      "iloveyou1",     "internet",     "jennifer",    "junren123",    "lastmile",
    "lastmile1",     "lastmile123",   "letmein1",     "letmein123",  "master123",    "michelle",
    "mima1234",      "mima123456",    "monkey123",    "p@ssw0rd",    "p@ssw0rd1",    "p@ssw0rd123",
    "p@ssword",      "passw0rd",      "passw0rd1",    "passw0rd123", "password",     "password1",
    "password12",    "password123",   "password1234", "princess",    "q1w2e3r4",     "qazwsx123",
    "qazwsxedc",     "qq123456",      "qq123456789",  "qwerty12",    "qwerty123",    "qwerty1234",
    "qwertyui",      "qwertyuiop",    "root1234",     "root123456",  "shadow123",    "starwars",
    "sunshine",      "superman",      "test1234",     "test123456",  "trustno1",     "tuiyijunren",
    "veteran1",      "veteran123",    "welcome1",     "welcome123",  "whatever",     "woaini123",
    "woaini1314",    "woaini1314520", "woaini520",    "woaini521",   "wodemima",     "zaq12wsx",
    "zhongguo",      "zhonghua",      "zxcvbnm1",     "zxcvbnm123",
};

static int compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

bool lm_password_common(const char *password)
{
    char lower[COMMON_CHARS_MAX + 1];
    size_t n = strlen(password);

    if (n > COMMON_CHARS_MAX) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        char c = password[i];

        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return bsearch(lower, common, sizeof common / sizeof *common, sizeof *common, compare) != NULL;
}
