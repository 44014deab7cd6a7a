/* How many passwords may be tried. To judge one takes about 0.1 s and 64 MiB on the HTTP server's
 * only thread: who has no account must not be able to take that thread from those who have, nor
 * learn which names exist. Two bounds, both in memory of a fixed size:
 *
 *   A login without success costs its address (of IPv6 its network, http.h) one of LM_TRIES_BURST
 * tries, and all addresses together one of LM_TRIES_BURST_ALL. One comes back every LM_TRIES_MS and
 * LM_TRIES_ALL_MS, and not before LM_TRIES_SHARE times what it took: on a slow PC too strangers get
 * a quarter of the thread. Beyond that a login is refused before anything is computed. A right
 * password costs nothing; an address from which somebody came in is bound by its own budget only,
 * so that a flood from elsewhere keeps nobody out who was there before. Whoever is logged in
 * (unlocking the screen, a new password) is not counted here: the lock-out bounds them.
 *
 *   Wrong passwords for names that do not exist are counted like those of accounts, so that both
 *   lock alike (account.h).
 *
 * One thread's. Zeroed memory is ready for use. */
#ifndef LM_COMMON_TRIES_H
#define LM_COMMON_TRIES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LM_TRIES_BURST = 8, /* more than the wrong ones that lock an account */
    LM_TRIES_MS = 1000,
    LM_TRIES_BURST_ALL = 12,
    LM_TRIES_ALL_MS = 500,
    LM_TRIES_SHARE = 4,
    LM_TRIES_MS_MAX = 30 * 1000, /* what a stalled PC makes of the two above */
    LM_TRIES_ADDRESSES_MAX = 256,
    LM_TRIES_NAMES_MAX = 256,
    LM_TRIES_TOLD_MS = 60 * 1000, /* refusals are told once in so long */
};

/* Tries that were spent, in thousandths, as of at_ms (mono); one comes back in each_ms (0: the
 * least). */
struct lm_tries_budget {
    int64_t spent, at_ms, each_ms;
};

struct lm_tries {
    struct lm_tries_address {
        uint8_t key[16];
        struct lm_tries_budget budget;
        int64_t used_ms;
        bool used, good; /* good: somebody came in from there */
    } addresses[LM_TRIES_ADDRESSES_MAX];
    struct lm_tries_name {
        uint8_t key[16];
        unsigned failures;
        int64_t failed_ms; /* wall */
    } names[LM_TRIES_NAMES_MAX];
    struct lm_tries_budget all;
    int64_t began_ms;   /* mono; the try at work */
    int64_t refused_ms; /* mono; when the first of `refused` was */
    unsigned refused;   /* since they were told */
};

/* A login from this address (text, may be ""). 0: it may be tried. Else: refused, and after how
 * many ms it may be. */
int64_t lm_tries_begin(struct lm_tries *tries, const char *address, int64_t mono_ms);
/* After lm_tries_begin gave 0 and the password was judged. Right: what begin took is given back. */
void lm_tries_end(struct lm_tries *tries, const char *address, bool right, int64_t mono_ms);
/* How many were refused, once a minute is over since the first of them (at_once: whatever is
 * there); 0: nothing to tell. They are counted anew from here. */
unsigned lm_tries_told(struct lm_tries *tries, int64_t mono_ms, bool at_once);

/* Wrong passwords in a row for a name that is no account's, and when the last was. */
void lm_tries_unknown(const struct lm_tries *tries, const char *name, unsigned *failures_out,
                      int64_t *failed_ms_out);
void lm_tries_unknown_failed(struct lm_tries *tries, const char *name, int64_t wall_ms);

#endif
