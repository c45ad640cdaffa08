//! Reporting failure: a value, `errno`, and words for whoever listens to the log.
//!
//! `errno` is set last, when everything is dropped and logged, because all of that may change it.

use std::ptr::NonNull;

use aura_engine::Error;
use aura_engine::log::{Level, emit};
use libc::c_int;

/// What a function returns when it failed.
pub(crate) trait Failure {
    const FAILED: Self;
}

impl Failure for c_int {
    const FAILED: Self = -1;
}

impl<T> Failure for *mut T {
    const FAILED: Self = std::ptr::null_mut();
}

impl Failure for () {
    const FAILED: Self = ();
}

/// The C form of a result.
#[inline]
pub(crate) fn give<T: Failure>(result: Result<T, Refusal>) -> T {
    match result {
        Ok(value) => value,
        Err(refusal) => refusal.report(),
    }
}

/// Why a call fails.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The engine's word.
    Engine(Error),
    /// This interface's own: the errno, and why.
    Own(c_int, &'static str),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl Refusal {
    pub(crate) const NO_ENGINE: Self =
        Self::invalid("engine is NULL, or no name of an engine that is alive");

    pub(crate) const fn invalid(why: &'static str) -> Self {
        Self::Own(libc::EINVAL, why)
    }

    /// A failure that was explained to the log already.
    pub(crate) const fn told(errno: c_int) -> Self {
        Self::Own(errno, "")
    }

    pub(crate) fn errno(&self) -> c_int {
        match self {
            Self::Engine(error) => error.errno(),
            Self::Own(errno, _) => *errno,
        }
    }

    /// Says why, if that is news to the caller, and sets `errno`.
    #[cold]
    pub(crate) fn report<T: Failure>(self) -> T {
        let errno = self.errno();
        match &self {
            // Part of ordinary life, and told completely by the number.
            Self::Engine(Error::AtLimit | Error::AlreadyCompleted | Error::TimedOut { .. }) => {}
            Self::Engine(error) => emit(Level::Debug, format_args!("{error}")),
            Self::Own(_, "") => {}
            Self::Own(_, why) => emit(Level::Debug, format_args!("{why}")),
        }
        drop(self);
        set(errno);
        T::FAILED
    }
}

pub(crate) fn set(errno: c_int) {
    // SAFETY: the address of the calling thread's errno.
    unsafe { *libc::__errno_location() = errno };
}

/// A pointer that must not be null.
#[inline]
pub(crate) fn required<T>(pointer: *const T, why: &'static str) -> Result<NonNull<T>, Refusal> {
    NonNull::new(pointer.cast_mut()).ok_or(Refusal::invalid(why))
}
