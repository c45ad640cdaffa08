//! Leaving early and cleanly: the first Ctrl-C (or `SIGTERM`) asks, the second one insists.
//!
//! Test files have no name (see [`crate::subject`]), so even the second way leaves nothing behind.
//!
//! This file is `unsafe` because it sets the disposition of a signal.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{EXIT_INTERRUPTED, Error};

/// Signals so far. Written by the handler's thread, read by loops; nothing else is published with it,
/// so relaxed suffices.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

/// Catches `SIGINT`, `SIGTERM` and `SIGHUP` from now on, and lets `SIGPIPE` end the program, as it ends
/// any other whose output nobody reads: `cargo xtask demo | head` is no bug to be reported with a
/// backtrace.
///
/// # Errors
///
/// When the handler cannot be installed, or was before.
pub fn install() -> Result<(), Error> {
    // SAFETY: the default action runs no code of ours, so nothing can be interrupted in the middle.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    ctrlc::set_handler(|| {
        if SIGNALS.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(EXIT_INTERRUPTED.into());
        }
    })?;
    Ok(())
}

/// Whether the user wants out.
#[inline]
#[must_use]
pub fn requested() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}

/// The user wants out. Programs end with [`EXIT_INTERRUPTED`] on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
