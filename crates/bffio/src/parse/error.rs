//! What can be wrong with a command line or a job file.

use std::fmt;

/// An error found before any I/O: what, where, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// `file:line` or the command-line argument, if the error is at a place.
    pub place: Option<String>,
    /// Cause and remedy, one sentence or two.
    pub message: String,
}

impl Error {
    pub(super) fn at(place: &str, message: impl Into<String>) -> Self {
        Self { place: Some(place.to_owned()), message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(formatter, "{place}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}
