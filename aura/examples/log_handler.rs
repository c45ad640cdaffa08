//! Receives the library's log messages in a closure that adds a time and leaves out what is not
//! wanted.
//!
//! ```sh
//! cargo run --release -p aura --example log_handler            # notices and worse
//! cargo run --release -p aura --example log_handler -- debug   # everything
//! ```

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aura::{Engine, LogLevel};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: log_handler [LEVEL]

Prints log messages of LEVEL (err, warn, notice, info or debug; default: notice) and worse to stderr.";

const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warning, LogLevel::Notice, LogLevel::Info, LogLevel::Debug];

fn main() -> ExitCode {
    support::main(USAGE, log_handler)
}

fn log_handler(arguments: &[OsString]) -> Outcome {
    let threshold = match arguments {
        [] => LogLevel::Notice,
        [name] => *LEVELS
            .iter()
            .find(|level| name.eq_ignore_ascii_case(level.name()))
            .ok_or("there is no such level; try --help")?,
        _ => return Err("it takes one level; try --help".into()),
    };

    let printed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&printed);
    // There is one handler for the whole process, and it is called on any thread, in the middle of
    // something else: it should be quick, and must not process completions.
    aura::set_log_handler(move |level, message| {
        // The worse, the smaller, as in syslog.
        if level <= threshold {
            eprintln!("[{}] {level:6} {message}", unix_time());
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });

    // A program can send its own messages the same way.
    for level in LEVELS {
        aura::log_emit(level, &format!("a message of level {}", level.name()));
    }
    let expected = LEVELS.iter().filter(|level| **level <= threshold).count();
    check("each message passed that should", printed.load(Ordering::Relaxed) == expected)?;

    // The engine says when something is wrong, for example when a callback panics: that ends
    // neither the engine nor the thread. (`panic!` would print a message of Rust's besides.)
    let engine = Engine::new()?;
    engine.nop(|_| std::panic::resume_unwind(Box::new("on purpose")))?;
    engine.drain(-1)?;
    check("the engine's message did", printed.load(Ordering::Relaxed) == expected + 1)?;

    aura::clear_log_handler();
    aura::log_emit(LogLevel::Error, "nobody hears this");
    check("without a handler all is silent", printed.load(Ordering::Relaxed) == expected + 1)
}

/// Seconds since 1970, with milliseconds.
fn unix_time() -> String {
    // A clock that is set before 1970 is no reason to lose the message.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", now.as_secs(), now.subsec_millis())
}
