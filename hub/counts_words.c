/* Units and rounded numbers in English, for the page. The catalogue's units and the roundings of
 * the yearly text are Chinese. */
#include "hub/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAN "万"
#define YU "余"
#define WAN_TIMES 10000

/* "" where the figure's name says what is counted. */
const char *lm_count_unit_en(const char *unit)
{
    static const char *const words[][2] = {
        {"%", "%"},        {"个", ""},         {"人", "people"},     {"人次", "person-visits"},
        {"件", "cases"},   {"起", "cases"},    {"条", "items"},      {"项", "items"},
        {"批", "groups"},  {"名", "people"},   {"位", "people"},     {"元", "yuan"},
        {"类", "kinds"},   {"篇", "articles"}, {"户", "households"}, {"张", "cards"},
        {"家", "outlets"}, {"天", "days"},     {"场次", "sessions"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(unit, words[i][0]) == 0) {
            return words[i][1];
        }
    }
    return unit; /* of a town's own catalogue: as it says */
}

/* "2000余" is "2000+", "12万余" "120000+". */
void lm_count_display_en(const char *display, char out[48])
{
    char *end = NULL;
    long long number = strtoll(display, &end, 10);
    bool wan = strncmp(end, WAN, sizeof WAN - 1) == 0;
    const char *rest = wan ? end + sizeof WAN - 1 : end;

    if (end == display || (!wan && strcmp(rest, YU) != 0)) {
        (void)snprintf(out, 48, "%s", display);
    } else {
        (void)snprintf(out, 48, "%lld%s", wan ? number * WAN_TIMES : number,
                       strcmp(rest, YU) == 0 ? "+" : "");
    }
}
