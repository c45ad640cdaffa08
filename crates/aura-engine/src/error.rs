//! What can go wrong in a call on the engine, as the `errno` that the C interface reports plus
//! the words that say what was wrong.

use std::io;

/// A call was refused or failed. Results of *operations* are not errors of a call: they arrive in
/// the callback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `EINVAL`: an argument makes no sense; the text says which and why.
    #[error("invalid argument: {0}")]
    Invalid(&'static str),
    /// `EAGAIN`: as much is in flight as the limit allows. Process completions, then try again.
    #[error("the in-flight limit is reached: call poll or wait, then try again")]
    AtLimit,
    /// `ESHUTDOWN`: the engine is being destroyed, or has a fatal error.
    #[error("the engine is shut down")]
    Shutdown,
    /// `ENOENT`: a registered buffer or file was named, but none is registered.
    #[error("no {0} are registered")]
    NotRegistered(&'static str),
    /// `EBUSY`: the resource is in use or being unregistered.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// `EALREADY`: the request has completed already.
    #[error("the request has already completed")]
    AlreadyCompleted,
    /// `ETIMEDOUT`: time ran out with operations still in flight.
    #[error("timed out with {in_flight} operations still in flight")]
    TimedOut {
        /// Operations in flight when time ran out.
        in_flight: u64,
    },
    /// `EDEADLK`: the call would wait for itself.
    #[error("{0} must not be called from a completion callback")]
    InCallback(&'static str),
    /// `ENOSYS`: the kernel does not have this operation.
    #[error("the kernel has no {0}")]
    Unsupported(&'static str),
    /// A ring could not be created.
    #[error(transparent)]
    Setup(#[from] aura_ring::SetupError),
    /// The kernel refused a call; the text says what was attempted.
    #[error("{attempted}: {source}")]
    Os {
        /// What was attempted.
        attempted: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// The result of a call on the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The `errno` that stands for this error.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Invalid(_) => libc::EINVAL,
            Self::AtLimit => libc::EAGAIN,
            Self::Shutdown => libc::ESHUTDOWN,
            Self::NotRegistered(_) => libc::ENOENT,
            Self::Busy(_) => libc::EBUSY,
            Self::AlreadyCompleted => libc::EALREADY,
            Self::TimedOut { .. } => libc::ETIMEDOUT,
            Self::InCallback(_) => libc::EDEADLK,
            Self::Unsupported(_) => libc::ENOSYS,
            Self::Setup(error) => error.raw_os_error(),
            Self::Os { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
        }
    }

    /// Wraps what the kernel answered with what was attempted: `.map_err(Error::os("epoll_wait"))`.
    pub(crate) fn os<E: Into<io::Error>>(attempted: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Os { attempted, source: source.into() }
    }
}
