//! What can go wrong, before and while pushing.

use std::time::Duration;

/// Why there is no exporter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The endpoint is no URL that can be pushed to.
    #[error("endpoint {endpoint:?}: {why}")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A header that HTTP does not allow.
    #[error("header {name:?}: a name is letters, digits and dashes; a value has no line feed")]
    Header {
        /// Its name, as it was given. (The value may be a secret.)
        name: String,
    },
    /// An interval or a time limit of nothing.
    #[error("{what} is zero; a second or more makes sense")]
    Zero {
        /// Which of them.
        what: &'static str,
    },
}

/// Why a push failed. Nothing is lost: the next one has the same numbers and later ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The collector cannot be reached, or hung up.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// It took longer than the time limit.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The collector answered with another status than success.
    #[error("refused with status {0}")]
    Refused(u16),
    /// It took the request and rejected some of the points.
    #[error("{points} points rejected: {message}")]
    Rejected {
        /// How many.
        points: i64,
        /// The collector's words.
        message: String,
    },
    /// The endpoint is `https://`, and the program was built without TLS.
    #[error("no TLS in this program: add `ureq` with its feature `rustls` to its dependencies")]
    NoTls,
    /// What answered does not speak the protocol.
    #[error("not a collector: {0}")]
    NotACollector(String),
    /// The engine is gone, and with it what could be pushed.
    #[error("the engine is gone")]
    EngineGone,
}
