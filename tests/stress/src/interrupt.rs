//! Leaving early: the first Ctrl-C (or `SIGTERM`) asks for the summary so far, the second one insists.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::verdict::EXIT_INTERRUPTED;

/// Signals so far. Nothing else is published with it, so relaxed suffices.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

/// Catches `SIGINT`, `SIGTERM` and `SIGHUP` from now on.
///
/// # Errors
///
/// When the handler cannot be installed, or was before.
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if SIGNALS.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(EXIT_INTERRUPTED.into());
        }
    })
}

/// Whether the user wants out.
#[must_use]
pub fn requested() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}
