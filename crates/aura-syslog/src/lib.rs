#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aura::LogLevel;
use syslog::{Formatter5424, Logger, LoggerBackend};

pub use syslog::Facility;

/// Where daemons listen.
const SOCKET: &str = "/dev/log";
/// As RFC 5424 has it for the name of an application.
const IDENT_BYTES_MAX: usize = 48;

/// What messages carry, and where they go.
#[derive(Clone, Debug)]
pub struct Syslog {
    ident: String,
    facility: Facility,
    socket: PathBuf,
    max_level: LogLevel,
}

/// What has become of messages.
#[derive(Clone, Debug)]
pub struct Installed {
    dropped: Arc<AtomicU64>,
}

impl Default for Syslog {
    fn default() -> Self {
        Self::new()
    }
}

impl Syslog {
    /// The name `aura`, the facility of user programs, the socket `/dev/log`, messages up to
    /// [`LogLevel::Info`].
    #[must_use]
    pub fn new() -> Self {
        let (facility, max_level) = (Facility::LOG_USER, LogLevel::Info);
        Self { ident: "aura".into(), facility, socket: SOCKET.into(), max_level }
    }

    /// The name of the program. What the format does not allow in it becomes `_`: blanks, control
    /// characters, everything but ASCII; it is cut to 48 bytes.
    #[must_use]
    pub fn ident(mut self, ident: &str) -> Self {
        let allowed = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        self.ident = ident.chars().map(allowed).take(IDENT_BYTES_MAX).collect();
        if self.ident.is_empty() {
            self.ident = "-".into(); // The format's word for nothing.
        }
        self
    }

    /// What kind of program it is.
    #[must_use]
    pub fn facility(mut self, facility: Facility) -> Self {
        self.facility = facility;
        self
    }

    /// The socket of the daemon.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = path.into();
        self
    }

    /// The least important level that is sent. [`LogLevel::Debug`] has each decision of the controller.
    #[must_use]
    pub fn max_level(mut self, level: LogLevel) -> Self {
        self.max_level = level;
        self
    }

    /// Sends log messages to syslog from now on, in place of the log handler before.
    /// [`aura::clear_log_handler`] ends that.
    ///
    /// # Errors
    ///
    /// That of connecting to the socket: without a daemon `NotFound` or `ConnectionRefused`. Then nothing
    /// is changed.
    pub fn install(self) -> io::Result<Installed> {
        let dropped = Arc::new(AtomicU64::new(0));
        let installed = Installed { dropped: Arc::clone(&dropped) };
        let formatter = Formatter5424 {
            facility: self.facility,
            process: self.ident,
            pid: std::process::id(),
            ..Formatter5424::default()
        };
        let logger = connect(&self.socket, &formatter)?;
        let (socket, max_level) = (self.socket, self.max_level);
        let link = Mutex::new(Link { logger, socket, formatter });
        aura::set_log_handler(move |level, message| {
            if level > max_level {
                return;
            }
            let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
            if link.send(level, &one_line(message)).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(installed)
    }
}

impl Installed {
    /// Messages that the daemon did not take.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

struct Link {
    logger: Logger<LoggerBackend, Formatter5424>,
    socket: PathBuf,
    formatter: Formatter5424,
}

impl Link {
    /// Sends a message; a daemon that was started anew is looked for once.
    fn send(&mut self, level: LogLevel, message: &str) -> Result<(), syslog::Error> {
        let Err(error) = send(&mut self.logger, level, message) else { return Ok(()) };
        let Ok(again) = connect(&self.socket, &self.formatter) else { return Err(error) };
        self.logger = again;
        send(&mut self.logger, level, message)
    }
}

fn send(
    logger: &mut Logger<LoggerBackend, Formatter5424>,
    level: LogLevel,
    message: &str,
) -> Result<(), syslog::Error> {
    // No identifier of the message, no structured data.
    let message = (0, BTreeMap::new(), message);
    match level {
        LogLevel::Error => logger.err(message),
        LogLevel::Warning => logger.warning(message),
        LogLevel::Notice => logger.notice(message),
        LogLevel::Info => logger.info(message),
        LogLevel::Debug => logger.debug(message),
    }
}

/// A connection that never blocks.
fn connect(
    socket: &Path,
    formatter: &Formatter5424,
) -> io::Result<Logger<LoggerBackend, Formatter5424>> {
    let datagram = UnixDatagram::unbound()?;
    datagram.connect(socket)?;
    datagram.set_nonblocking(true)?;
    Ok(Logger::new(LoggerBackend::Unix(datagram), formatter.clone()))
}

/// Control characters would be taken for the end of a line, or worse.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}
