//! The error of an operation that owned a buffer: the buffer comes back with it.
//!
//! This file is `unsafe` where it promises that an error may be shared though its buffer may not.

use std::fmt;
use std::io;

use crate::error::Error;

/// An operation failed; this is why, and the buffer it owned.
///
/// `?` turns it into [`Error`] or [`std::io::Error`]; who wants the buffer takes it out first.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let folder = aura::File::from_std(&engine, std::fs::File::open("/").unwrap());
/// let error = aura::block_on(&engine, folder.read_at(vec![0; 10], 0)).unwrap_err();
/// assert_eq!(error.errno(), libc::EISDIR);
/// assert_eq!(error.into_buffer().unwrap().len(), 10);
/// # Ok::<(), aura::Error>(())
/// ```
pub struct OpError<B> {
    error: Error,
    transferred: usize,
    buffer: Option<B>,
}

// SAFETY: a shared reference gives no access to the buffer, so that it need not be `Sync` for the
// error to be: errors are put into boxes that demand it.
unsafe impl<B: Send> Sync for OpError<B> {}

impl<B> OpError<B> {
    pub(crate) fn new(error: Error, buffer: Option<B>) -> Self {
        Self { error, transferred: 0, buffer }
    }

    /// With the number of bytes that were moved before it failed.
    pub(crate) fn after(mut self, transferred: usize) -> Self {
        self.transferred = transferred;
        self
    }

    pub(crate) fn map_buffer<C>(self, map: impl FnOnce(B) -> C) -> OpError<C> {
        let Self { error, transferred, buffer } = self;
        OpError { error, transferred, buffer: buffer.map(map) }
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The `errno` that stands for the error.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.error.errno()
    }

    /// How many bytes were moved before it failed, by those functions that repeat an operation
    /// until all is done; 0 by the others.
    #[must_use]
    pub fn transferred(&self) -> usize {
        self.transferred
    }

    /// The buffer. It is missing only if the engine was given up while the operation was in the
    /// kernel and could not be cancelled: then the kernel keeps the memory.
    #[must_use]
    pub fn into_buffer(self) -> Option<B> {
        self.buffer
    }

    /// Error and buffer, see [`into_buffer`](Self::into_buffer).
    #[must_use]
    pub fn into_parts(self) -> (Error, Option<B>) {
        (self.error, self.buffer)
    }
}

impl<B> From<OpError<B>> for Error {
    fn from(error: OpError<B>) -> Self {
        error.error
    }
}

impl<B> From<OpError<B>> for io::Error {
    fn from(error: OpError<B>) -> Self {
        error.error.into()
    }
}

impl<B> fmt::Debug for OpError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpError")
            .field("error", &self.error)
            .field("transferred", &self.transferred)
            .field("has_buffer", &self.buffer.is_some())
            .finish()
    }
}

impl<B> fmt::Display for OpError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<B> std::error::Error for OpError<B> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fit_into_the_boxes_of_applications() {
        fn check<T: std::error::Error + Send + Sync + 'static>() {}
        check::<OpError<crate::Buffer>>();
        check::<OpError<Vec<u8>>>();
    }
}
