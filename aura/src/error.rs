//! What can go wrong: errors of calls, and of operations.

use std::io;

use aura_engine::Error as EngineError;

/// An error of a call on the engine, or of an operation.
///
/// Beside its text each has an `errno`, see [`errno`](Self::errno).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's answer: an operation failed, or a call other than a submission did.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The engine could not be created. The text names the cause (seccomp, sysctl, an old kernel,
    /// locked memory, descriptors) and the remedy.
    #[error("the engine could not be created: {0}")]
    EngineCreate(#[source] io::Error),
    /// No buffer could be had from the pool.
    #[error("no buffer could be allocated: {0}")]
    BufferAlloc(#[source] io::Error),
    /// The operation was not taken; its callback will not be called. `EAGAIN`: the limit is
    /// reached; `ESHUTDOWN`: no more operations; `ENOENT`: nothing is registered; `ENOSYS`: the
    /// kernel does not have it.
    #[error("the operation was not submitted: {0}{hint}", hint = hint(.0))]
    Submission(#[source] io::Error),
    /// The operation was cancelled.
    #[error("the operation was cancelled")]
    Cancelled,
    /// An argument makes no sense; the text says which.
    #[error("invalid argument: {0}")]
    InvalidArgument(&'static str),
}

/// The result of calls and operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error for an `errno`: [`Error::Cancelled`] for `ECANCELED`, [`Error::Io`] otherwise.
    ///
    /// ```
    /// use aura::Error;
    /// assert!(matches!(Error::from_raw_os_error(libc::ECANCELED), Error::Cancelled));
    /// assert!(matches!(Error::from_raw_os_error(libc::EBADF), Error::Io(_)));
    /// ```
    #[must_use]
    pub fn from_raw_os_error(code: i32) -> Self {
        match code {
            libc::ECANCELED => Self::Cancelled,
            _ => Self::Io(io::Error::from_raw_os_error(code)),
        }
    }

    /// The `errno` that stands for this error.
    ///
    /// ```
    /// assert_eq!(aura::Error::Cancelled.errno(), libc::ECANCELED);
    /// assert_eq!(aura::Error::InvalidArgument("no").errno(), libc::EINVAL);
    /// ```
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Io(error)
            | Self::EngineCreate(error)
            | Self::BufferAlloc(error)
            | Self::Submission(error) => errno_of(error),
            Self::Cancelled => libc::ECANCELED,
            Self::InvalidArgument(_) => libc::EINVAL,
        }
    }

    /// An error of a call that submits.
    pub(crate) fn of_call(error: EngineError) -> Self {
        let errno = error.errno();
        match error {
            EngineError::Invalid(text) => Self::InvalidArgument(text),
            EngineError::AtLimit
            | EngineError::Shutdown
            | EngineError::NotRegistered(_)
            | EngineError::Unsupported(_) => Self::Submission(io::Error::from_raw_os_error(errno)),
            EngineError::Os { source, .. } => Self::Io(source),
            _ => Self::Io(io::Error::from_raw_os_error(errno)),
        }
    }

    /// `EINVAL`, with the reason.
    pub(crate) fn misaligned(misaligned: &aura_engine::Misalignment) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::InvalidInput, misaligned.to_string()))
    }

    /// An error of creating an engine, with everything that is known about the cause.
    pub(crate) fn of_creation(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(text) => Self::InvalidArgument(text),
            error => {
                let kind = io::Error::from_raw_os_error(error.errno()).kind();
                Self::EngineCreate(io::Error::new(kind, error))
            }
        }
    }
}

/// What to do about a refused submission, as a continuation of the error's text.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => "; the in-flight limit is reached: call poll or wait, then retry",
        Some(libc::ESHUTDOWN) => "; the engine is being destroyed or has a fatal error",
        Some(libc::ENOENT) => "; nothing is registered that it could name",
        Some(libc::ENOSYS) => "; the kernel is too old for this operation",
        _ => "",
    }
}

/// The `errno` of an error that came from the kernel, or that wraps one of the engine's.
fn errno_of(error: &io::Error) -> i32 {
    let inner = || error.get_ref()?.downcast_ref::<EngineError>().map(EngineError::errno);
    let by_kind = || match error.kind() {
        io::ErrorKind::InvalidInput => libc::EINVAL,
        io::ErrorKind::OutOfMemory => libc::ENOMEM,
        _ => libc::EIO,
    };
    error.raw_os_error().or_else(inner).unwrap_or_else(by_kind)
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECANCELED) => Self::Cancelled,
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    /// The kernel's own error where there is one, otherwise one that carries the text.
    fn from(error: Error) -> Self {
        match error {
            Error::Io(inner) | Error::BufferAlloc(inner) | Error::Submission(inner) => inner,
            Error::EngineCreate(inner) => inner,
            Error::Cancelled => Self::from_raw_os_error(libc::ECANCELED),
            Error::InvalidArgument(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_cross_threads() {
        fn check<T: std::error::Error + Send + Sync + 'static>() {}
        check::<Error>();
    }

    #[test]
    fn each_error_of_the_engine_gets_the_documented_variant() {
        let submission = |errno| move |error: &Error| matches!(error, Error::Submission(io) if io.raw_os_error() == Some(errno));
        assert!(submission(libc::EAGAIN)(&Error::of_call(EngineError::AtLimit)));
        assert!(submission(libc::ESHUTDOWN)(&Error::of_call(EngineError::Shutdown)));
        assert!(submission(libc::ENOENT)(&Error::of_call(EngineError::NotRegistered("files"))));
        let busy = Error::of_call(EngineError::Busy("draining"));
        assert!(matches!(busy, Error::Io(ref io) if io.raw_os_error() == Some(libc::EBUSY)));
        let late = Error::of_call(EngineError::TimedOut { in_flight: 1 });
        assert!(matches!(late, Error::Io(ref io) if io.raw_os_error() == Some(libc::ETIMEDOUT)));
        let bad = Error::of_call(EngineError::Invalid("x"));
        assert!(matches!(bad, Error::InvalidArgument("x")));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = Error::of_call(EngineError::AtLimit).to_string();
        assert!(text.contains("poll or wait"), "{text}");
    }

    #[test]
    fn io_errors_keep_their_number_on_the_way_through() {
        let error = Error::from(io::Error::from_raw_os_error(libc::ENOSPC));
        assert_eq!(error.errno(), libc::ENOSPC);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(libc::ENOSPC));
        let cancelled = Error::from(io::Error::from_raw_os_error(libc::ECANCELED));
        assert!(matches!(cancelled, Error::Cancelled));
    }
}
