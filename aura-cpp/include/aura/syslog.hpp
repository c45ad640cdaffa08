// Log messages to syslog. Not part of aura.hpp: include it where it is used.
#ifndef AURA_SYSLOG_HPP
#define AURA_SYSLOG_HPP

#include <aura/error.hpp>
#include <aura/log.hpp>

#include <aura_syslog.h>

#include <string>

namespace aura {

/// What openlog(3) is told.
struct SyslogOptions {
  /// The name that messages carry.
  std::string ident = "aura";
  /// LOG_USER, LOG_DAEMON, LOG_LOCAL0 and so on; -1: LOG_USER.
  int facility = -1;
  /// LOG_PID and so on; -1: LOG_PID | LOG_NDELAY.
  int log_options = -1;
};

/// Sends log messages to syslog from now on, in place of the log handler before.
/// @throws Error (EINVAL) for a facility or options that openlog(3) does not know.
inline void syslog_install(const SyslogOptions &options = {}) {
  const aura_syslog_options_t all = {options.ident.c_str(), options.facility, options.log_options};
  check(aura_syslog_install(&all) == 0, "aura_syslog_install");
}

/// Undoes that: the library is silent again. A log handler that was set since then stays.
inline void syslog_remove() noexcept { aura_syslog_remove(); }

} // namespace aura

#endif
