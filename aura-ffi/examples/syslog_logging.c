/*
 * Log messages of the library, and of the program through it, go to syslog:
 *
 *   journalctl -t aura-example -n 5   or   grep aura-example /var/log/syslog
 */
#include "support.h"

#include <aura_syslog.h>
#include <syslog.h>

int main(int argc, char **argv) {
  const aura_syslog_options_t options = {
      .ident = argc > 1 ? argv[1] : "aura-example",
      .facility = LOG_LOCAL0,
      .log_options = LOG_PID | LOG_NDELAY,
  };
  ensure(aura_syslog_install(&options) == 0, "installing");
  aura_log_emit(AURA_LOG_NOTICE, "started, library %s", aura_version());

  /* What the library has to say goes the same way: here, why these settings make no sense. */
  aura_options_t settings;
  aura_options_init(&settings);
  settings.queue_depth = -5;
  ensure(aura_create_with_options(&settings) == NULL && errno == EINVAL, "the depth is refused");

  aura_log_emit(AURA_LOG_ERR, "%s", "percent signs: 100% %s %n, and a line\nfeed");
  aura_syslog_remove();
  return 0;
}
