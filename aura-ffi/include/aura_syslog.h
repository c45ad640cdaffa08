/*
 * aura_syslog.h - log messages go to syslog.
 *
 * A log handler of the process (see aura_set_log_handler()) that calls syslog(3). Levels are syslog's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AURA_SYSLOG_H
#define AURA_SYSLOG_H

#include <aura.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this interface. */
#define AURA_SYSLOG_SCHEMA_VERSION "v0"
/** How much that version is to be relied upon. */
#define AURA_SYSLOG_SCHEMA_STABILITY "experimental"

/** What openlog(3) is told. */
typedef struct {
  /** The name that messages carry. Blanks and control characters become '_'. NULL: "aura". Copied. */
  const char *ident;
  /** LOG_USER, LOG_DAEMON, LOG_LOCAL0 and so on; -1: LOG_USER. (0 is LOG_KERN.) */
  int facility;
  /** LOG_PID and so on; -1: LOG_PID | LOG_NDELAY. */
  int log_options;
} aura_syslog_options_t;

/* ---- Log messages to syslog ---------------------------------------------------------------------- */

/**
 * Sends log messages to syslog from now on, in place of the log handler before. Calls openlog(3), so it also
 * decides what the program's own syslog(3) calls carry. Calling it again changes the options.
 *
 * @param options  NULL: the defaults.
 * @return  0, or -1 with EINVAL: no such facility, or unknown options. Then nothing is changed.
 */
AURA_API int aura_syslog_install(const aura_syslog_options_t *options);

/**
 * Undoes aura_syslog_install(): the library is silent again. Does nothing without it; a log handler that
 * was set since then stays.
 */
AURA_API void aura_syslog_remove(void);

#ifdef __cplusplus
}
#endif

#endif /* AURA_SYSLOG_H */
