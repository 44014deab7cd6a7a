/* Logs: one line an event on stderr: time, level, area, text. No personal data may enter a log
 * line: ids, codes and counts only. Thread-safe (one write per line). */
#ifndef LM_BASE_LOG_H
#define LM_BASE_LOG_H

#include "common/base/status.h"

enum lm_log_level { LM_LOG_ERROR, LM_LOG_WARN, LM_LOG_INFO, LM_LOG_DEBUG };

/* Lines above this level are dropped. Default LM_LOG_INFO; LASTMILE_LOG=error|warn|info|debug. */
void lm_log_set_level(enum lm_log_level level);
void lm_log(enum lm_log_level level, const char *area, const char *fmt, ...) LM_PRINTF(3, 4);

#endif
