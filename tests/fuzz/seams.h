/* What stands in for the world when whole programs' parts are fuzzed: clocks and randomness that
 * repeat, and a disk in memory that is put back in no time, so that each input starts from the same
 * database. Linked in place of common/base/clock.c. One thread. */
#ifndef LM_TESTS_FUZZ_SEAMS_H
#define LM_TESTS_FUZZ_SEAMS_H

#include <stddef.h>
#include <stdint.h>

/* What lm_clock_wall_ms and lm_clock_mono_ms tell. */
struct seam_clock {
    int64_t wall_ms, mono_ms;
};
extern struct seam_clock seam_clock;

/* From here on libsodium's randomness is that of this seed. */
void seam_random(uint64_t seed);

/* SQLite's default VFS from here on: databases and their logs live in memory, by name. Several
 * connections may be open, one at a time is used; nothing is locked. */
void seam_disk_install(void);
/* Remembers all files as they are. No transaction may be open. */
void seam_disk_keep(void);
/* Every file is again as it was at seam_disk_keep; one that came later is empty. Connections may
 * stay open (no transaction): they see a log that changed, as if another process had written. */
void seam_disk_restore(void);
/* How often was written to files whose names contain this, ever. */
int64_t seam_disk_written(const char *part);

#endif
