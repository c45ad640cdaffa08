//! Ctrl-C, `SIGTERM`: the first ends the jobs, the second the program.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How shells report a program that a signal ended: 128 + `SIGINT`.
const EXIT_INTERRUPTED: i32 = 130;

/// Listens from now on; the flag is set by the first signal.
pub(super) fn install() -> &'static AtomicBool {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Also where the signal is ignored: shells start background jobs of scripts so, and `kill -INT`
        // is how a script ends a run. Without a handler the run can still be killed.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_INTERRUPTED);
            }
        });
    });
    &INTERRUPTED
}
