/* Promises broken on purpose: see break.h. */
#include "common/base/break.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct lm_break_row lm_breaks[LM_BREAK_COUNT] = {
    [LM_BREAK_NONE] = {"none", "", "nothing is done wrong"},
#define LM_BREAK_ROW(row, text, promise, what) [LM_BREAK_##row] = {text, promise, what},
    LM_BREAKS(LM_BREAK_ROW)
#undef LM_BREAK_ROW
};

#ifdef LM_BREAKABLE

enum lm_break lm_break_chosen = LM_BREAK_NONE;

bool lm_break_choose(const char *name)
{
    for (int i = 0; i < LM_BREAK_COUNT; i++) {
        if (strcmp(lm_breaks[i].name, name) == 0) {
            lm_break_chosen = (enum lm_break)i;
            return true;
        }
    }
    return false;
}

__attribute__((constructor)) static void choose_from_environment(void)
{
    const char *name = getenv("LASTMILE_BREAK");

    if (name && name[0] && !lm_break_choose(name)) {
        (void)fprintf(stderr, "LASTMILE_BREAK=%s: no such mistake\n", name);
        abort();
    }
}

#else

bool lm_break_choose(const char *name)
{
    return strcmp(name, "none") == 0;
}

#endif
