//! Log messages: one handler for the whole process, silent until one is installed, and the `log`
//! facade beside it.
//!
//! # Synchronization
//!
//! The handler is swapped as a whole; a message that is being delivered keeps the handler it
//! started with. A handler may be called from several threads at once unless it asks not to be.
//! A message that a handler causes while it runs, on the same thread, is dropped: it would be
//! delivered to itself.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// How bad it is; the numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Level {
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

impl Level {
    /// The level with syslog's number.
    #[must_use]
    pub fn from_i32(number: i32) -> Option<Self> {
        Some(match number {
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            7 => Self::Debug,
            _ => return None,
        })
    }

    /// The facade has no "notice"; it becomes "info".
    fn facade(self) -> log::Level {
        match self {
            Self::Error => log::Level::Error,
            Self::Warning => log::Level::Warn,
            Self::Notice | Self::Info => log::Level::Info,
            Self::Debug => log::Level::Debug,
        }
    }
}

type Handler = Box<dyn Fn(Level, &str) + Send + Sync>;

static HANDLER: ArcSwapOption<Handler> = ArcSwapOption::const_empty();

/// Installs the handler of the process, in place of the one before.
pub fn set_handler(handler: impl Fn(Level, &str) + Send + Sync + 'static) {
    HANDLER.store(Some(Arc::new(Box::new(handler))));
}

/// Removes the handler: the library is silent again, except for the `log` facade.
pub fn clear_handler() {
    HANDLER.store(None);
}

/// Delivers a message to the handler and to the `log` facade. Costs two loads when nobody listens.
pub fn emit(level: Level, message: fmt::Arguments<'_>) {
    #[cfg(feature = "tracing")]
    crate::traced::message(level, message);
    emit_untraced(level, message);
}

/// As [`emit`], for what `tracing` hears in another form.
pub(crate) fn emit_untraced(level: Level, message: fmt::Arguments<'_>) {
    log::log!(target: "aura", level.facade(), "{message}");
    if HANDLER.load().is_some() {
        deliver(level, message);
    }
}

#[cold]
fn deliver(level: Level, message: fmt::Arguments<'_>) {
    thread_local!(static DELIVERING: Cell<bool> = const { Cell::new(false) });
    // During thread exit the flag may be gone; then nothing of ours is delivered any more.
    let nested = DELIVERING.try_with(|flag| flag.replace(true)).unwrap_or(true);
    if nested {
        return;
    }
    if let Some(handler) = HANDLER.load_full() {
        let call = std::panic::AssertUnwindSafe(|| handler(level, &message.to_string()));
        // A handler that panics must not take the poller with it, and has nobody to be told to.
        let _ = std::panic::catch_unwind(call);
    }
    let _ = DELIVERING.try_with(|flag| flag.set(false));
}

macro_rules! say {
    ($level:ident, $($format:tt)+) => {
        $crate::log::emit($crate::log::Level::$level, format_args!($($format)+))
    };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// One test for everything that touches the process-wide handler.
    #[test]
    fn messages_reach_the_handler_until_it_is_removed_and_never_nest() {
        static SEEN: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());
        set_handler(|level, message| {
            SEEN.lock().unwrap().push((level, message.to_owned()));
            say!(Info, "from inside the handler");
        });
        say!(Warning, "one {}", 1);
        set_handler(|_, _| panic!("a bad handler"));
        say!(Error, "survived");
        clear_handler();
        say!(Error, "unheard");
        assert_eq!(*SEEN.lock().unwrap(), [(Level::Warning, "one 1".to_owned())]);
    }

    #[test]
    fn levels_have_syslogs_numbers() {
        for number in 3..=7 {
            assert_eq!(Level::from_i32(number).map(|level| level as i32), Some(number));
        }
        assert_eq!(Level::from_i32(2), None);
    }
}
