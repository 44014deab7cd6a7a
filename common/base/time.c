/* Dates and times as text, proleptic Gregorian, years 1–9999.
 * The day arithmetic follows Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
#include "common/base/util.h"

#include <stdio.h>
#include <time.h>

#define DAY_MS 86400000LL
#define DAY_MIN (-719162LL) /* 0001-01-01 */
#define DAY_MAX 2932896LL   /* 9999-12-31 */
#define MS_MIN (DAY_MIN * DAY_MS)
#define MS_MAX (DAY_MAX * DAY_MS + DAY_MS - 1)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of(int year, int month, int day)
{
    /* Years begin in March, so that the leap day is the last of its year. */
    int64_t y = year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly n decimal digits. */
static bool read_digits(const char *text, size_t n, int *out)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return true;
}

bool lm_date_parse(const char *text, size_t n, int64_t *day_out)
{
    int year;
    int month;
    int day;
    if (n != 10 || text[4] != '-' || text[7] != '-' || !read_digits(text, 4, &year) ||
        !read_digits(text + 5, 2, &month) || !read_digits(text + 8, 2, &day)) {
        return false;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month)) {
        return false;
    }
    *day_out = days_of(year, month, day);
    return true;
}

/* The last n decimal digits, without printf: every merged change has a date or two. */
static void put_digits(char *out, unsigned value, int n)
{
    while (n-- > 0) {
        out[n] = (char)('0' + value % 10);
        value /= 10;
    }
}

void lm_date_format(int64_t day, char out[16])
{
    int y;
    int m;
    int d;
    civil_of(day < DAY_MIN ? DAY_MIN : day > DAY_MAX ? DAY_MAX : day, &y, &m, &d);
    put_digits(out, (unsigned)y, 4);
    out[4] = '-';
    put_digits(out + 5, (unsigned)m, 2);
    out[7] = '-';
    put_digits(out + 8, (unsigned)d, 2);
    out[10] = '\0';
}

/* "Z" or "±hh:mm", filling the n bytes. */
static bool parse_offset(const char *text, size_t n, int64_t *ms_out)
{
    int hours;
    int minutes;
    if (n == 1 && text[0] == 'Z') {
        *ms_out = 0;
        return true;
    }
    if (n != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
        !read_digits(text + 1, 2, &hours) || !read_digits(text + 4, 2, &minutes) || hours > 23 ||
        minutes > 59) {
        return false;
    }
    int64_t ms = (hours * 60LL + minutes) * 60000;
    *ms_out = text[0] == '-' ? -ms : ms;
    return true;
}

bool lm_time_parse(const char *text, size_t n, int64_t *ms_out)
{
    int64_t day;
    int hour;
    int minute;
    int second;
    int64_t offset;
    if (n < 20 || !lm_date_parse(text, 10, &day) || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || !read_digits(text + 11, 2, &hour) ||
        !read_digits(text + 14, 2, &minute) || !read_digits(text + 17, 2, &second)) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    size_t at = 19;
    int64_t ms = 0;
    if (text[at] == '.') {
        size_t digits = 0;
        int64_t unit = 100;
        for (at++; at < n && text[at] >= '0' && text[at] <= '9'; at++, digits++) {
            ms += (text[at] - '0') * unit;
            unit /= 10;
        }
        if (digits < 1 || digits > 9) {
            return false;
        }
    }
    if (!parse_offset(text + at, n - at, &offset)) {
        return false;
    }
    ms += ((day * 24 + hour) * 60 + minute) * 60000 + second * 1000LL - offset;
    if (ms < MS_MIN || ms > MS_MAX) {
        return false;
    }
    *ms_out = ms;
    return true;
}

void lm_time_format(int64_t ms, char out[LM_TIME_TEXT + 8])
{
    ms = ms < MS_MIN ? MS_MIN : ms > MS_MAX ? MS_MAX : ms;
    int64_t day = floor_div(ms, DAY_MS);
    unsigned rest = (unsigned)(ms - day * DAY_MS);
    lm_date_format(day, out);
    out[10] = 'T';
    put_digits(out + 11, rest / 3600000, 2);
    out[13] = ':';
    put_digits(out + 14, rest / 60000 % 60, 2);
    out[16] = ':';
    put_digits(out + 17, rest / 1000 % 60, 2);
    out[19] = '.';
    put_digits(out + 20, rest % 1000, 3);
    out[23] = 'Z';
    out[24] = '\0';
}

int64_t lm_day_utc8(int64_t ms)
{
    /* Split first: adding eight hours to the last instants would overflow. */
    int64_t rest = ms % DAY_MS;
    rest += rest < 0 ? DAY_MS : 0;
    return floor_div(ms, DAY_MS) + (rest >= 16 * 3600000LL);
}
