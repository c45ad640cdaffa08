// Log messages of the library, and of the program through it, go to syslog: journalctl -t aura-example -n 5
#include "support.hpp"

#include <aura/syslog.hpp>

#include <syslog.h>

int main() {
  return example([] {
    aura::syslog_install({.ident = "aura-example", .facility = LOG_LOCAL0, .log_options = LOG_PID});
    aura::log_emit(aura::LogLevel::Notice, "started");
    bool refused = false;
    try {
      const aura::Engine engine(aura::Options().queue_depth(-5)); // The log has the reason.
    } catch (const aura::Error &error) {
      refused = error.is_invalid();
    }
    ensure(refused, "the depth is refused");
    aura::syslog_remove();
  });
}
