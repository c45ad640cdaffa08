//! Log messages to syslog: `syslog_logging [SOCKET]`. Without a daemon there it says so, and is done.

use aura::{LogLevel, Options};
use aura_syslog::{Facility, Syslog};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut syslog = Syslog::new().ident("aura-example").facility(Facility::LOG_LOCAL0);
    if let Some(socket) = std::env::args_os().nth(1) {
        syslog = syslog.socket(socket);
    }
    let installed = match syslog.install() {
        Ok(installed) => installed,
        Err(error) => {
            eprintln!(
                "SKIP: no syslog daemon here ({error}): apt-get install rsyslog, and start it"
            );
            return Ok(());
        }
    };
    aura::log_emit(LogLevel::Notice, &format!("started, library {}", aura::version()));
    // What the library has to say goes the same way: that an engine was ended, say.
    assert!(aura::Engine::with_options(&Options::new().queue_depth(-5)).is_err());
    aura::log_emit(LogLevel::Error, "percent signs: 100% %s %n, and a line\nfeed");
    aura::clear_log_handler();
    println!("sent; {} messages were dropped", installed.dropped());
    Ok(())
}
