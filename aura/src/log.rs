//! Log messages of the library and its user, through one handler of the process.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aura_engine::log::{Level, clear_handler, emit, set_handler};

/// How bad it is; the numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum LogLevel {
    /// Something failed.
    Error = 3,
    /// Something works worse than it should.
    Warning = 4,
    /// Something worth knowing in normal operation.
    Notice = 5,
    /// What is going on.
    Info = 6,
    /// What is going on, in detail.
    Debug = 7,
}

impl LogLevel {
    /// The short name: `"ERR"`, `"WARN"`, `"NOTICE"`, `"INFO"`, `"DEBUG"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "ERR",
            Self::Warning => "WARN",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }

    fn from_engine(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
            Level::Notice => Self::Notice,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
        }
    }

    fn to_engine(self) -> Level {
        match self {
            Self::Error => Level::Error,
            Self::Warning => Level::Warning,
            Self::Notice => Level::Notice,
            Self::Info => Level::Info,
            Self::Debug => Level::Debug,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Installs the log handler of the process, in place of the one before. The library is silent
/// until there is one (except for the `log` facade, which it always uses).
///
/// The handler is called on whichever thread has something to say, one call at a time. It must not
/// process completions. Messages that it causes itself are dropped; a panic in it is caught.
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, messages) = mpsc::channel();
/// aura::set_log_handler(move |level, message| {
///     let _ = sender.send(format!("{level}: {message}"));
/// });
/// aura::log_emit(aura::LogLevel::Notice, "ready");
/// aura::clear_log_handler();
/// aura::log_emit(aura::LogLevel::Notice, "nobody listens");
/// assert_eq!(messages.iter().collect::<Vec<_>>(), ["NOTICE: ready"]);
/// ```
pub fn set_log_handler<F>(handler: F)
where
    F: Fn(LogLevel, &str) + Send + 'static,
{
    // The handler need not be `Sync`, so calls take turns.
    let handler = Mutex::new(handler);
    set_handler(move |level, message| {
        let handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
        handler(LogLevel::from_engine(level), message);
    });
}

/// Removes the log handler.
pub fn clear_log_handler() {
    clear_handler();
}

/// Sends a message to the log handler and the `log` facade.
pub fn log_emit(level: LogLevel, message: &str) {
    emit(level.to_engine(), format_args!("{message}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_agree_with_the_engines_and_with_syslog() {
        for number in 3..=7 {
            let level = Level::from_i32(number).unwrap();
            let ours = LogLevel::from_engine(level);
            assert_eq!((ours as i32, ours.to_engine()), (number, level));
        }
        assert_eq!(format!("{:>6}|", LogLevel::Warning), "  WARN|");
        assert!(LogLevel::Error < LogLevel::Debug);
    }
}
