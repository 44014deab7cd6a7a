/* Calendar arithmetic. Invariant: years stay within 1–9999, so that a day always has a four-digit
 * text. */
#include "proto/caldate.h"

#include "common/base/util.h"

#include <stdio.h>
#include <stdlib.h>

static int number(const char *digits, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        v = v * 10 + (digits[i] - '0');
    }
    return v;
}

static void split(int64_t day, int *year, int *month, int *mday)
{
    char text[16];

    lm_date_format(day, text); /* YYYY-MM-DD */
    *year = number(text, 4);
    *month = number(text + 5, 2);
    *mday = number(text + 8, 2);
}

static int month_days(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

int64_t lm_day_add_months(int64_t day, int64_t months)
{
    int year;
    int month;
    int mday;
    int64_t total;
    int64_t out = day;
    char text[48];
    int n;

    split(day, &year, &month, &mday);
    if (months > 12 * 9999 || months < -12 * 9999) {
        return day;
    }
    total = (int64_t)year * 12 + (month - 1) + months;
    if (total < 12) {
        total = 12;
    }
    if (total > 9999 * 12 + 11) {
        total = 9999 * 12 + 11;
    }
    year = (int)(total / 12);
    month = (int)(total % 12) + 1;
    if (mday > month_days(year, month)) {
        mday = month_days(year, month);
    }
    n = snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, mday);
    if (n <= 0 || !lm_date_parse(text, (size_t)n, &out)) {
        return day;
    }
    return out;
}

bool lm_value_day(const struct lm_value *v, int64_t *day_out)
{
    int64_t ms;

    if (!v || v->kind != LM_TEXT) {
        return false;
    }
    if (v->len == 10) {
        return lm_date_parse(v->text, v->len, day_out);
    }
    if (!lm_time_parse(v->text, v->len, &ms)) {
        return false;
    }
    *day_out = lm_day_utc8(ms);
    return true;
}
