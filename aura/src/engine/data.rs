//! Operations on data: reading, writing, making durable.
//!
//! The functions here are `unsafe` where an operation names memory that the caller must keep.

use std::os::fd::RawFd;

use aura_engine::{Op, Target};

use crate::buffer::BufferRef;
use crate::engine::Engine;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::request::RequestHandle;

/// # Operations on data
///
/// The callback hears the bytes transferred, [`Error::Cancelled`], or the kernel's error. It runs
/// exactly once, inside a call that processes completions and never inside these functions; if one
/// of these returns an error, it is dropped without being called.
///
/// All of them fail with [`Error::InvalidArgument`] for an argument that makes no sense, and with
/// [`Error::Submission`] holding `EAGAIN` at the in-flight limit (process completions, then try
/// again) or `ESHUTDOWN`.
impl Engine {
    /// Reads `len` bytes at `offset` into `buf`. Fewer bytes mean the end of the file, or that the
    /// kernel had no more at hand.
    ///
    /// # Errors
    ///
    /// See above. With a registered buffer also `ENOENT` when none are registered,
    /// [`Error::InvalidArgument`] for a place outside it, and [`Error::Io`] holding `EBUSY` while
    /// they are being unregistered.
    ///
    /// # Safety
    ///
    /// The memory stays valid, and is not used otherwise, until the callback begins.
    pub unsafe fn read<F>(
        &self,
        fd: RawFd,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.submit(Op::read(Target::Fd(fd), buf.memory, len, offset), callback) }
    }

    /// Writes `len` bytes from `buf` at `offset`. Fewer bytes written mean a full device, a limit,
    /// or a signal; the rest can be written by another call.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Safety
    ///
    /// The memory stays valid, and is not changed, until the callback begins.
    pub unsafe fn write<F>(
        &self,
        fd: RawFd,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.submit(Op::write(Target::Fd(fd), buf.memory, len, offset), callback) }
    }

    /// Reads at `offset` into several buffers, one after the other; at most 1024.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// The array **and** the buffers stay valid, and are not used otherwise, until the callback
    /// begins.
    pub unsafe fn readv<F>(
        &self,
        fd: RawFd,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::readv(Target::Fd(fd), iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.submit(op, callback) }
    }

    /// Writes at `offset` from several buffers, one after the other; at most 1024.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// The array **and** the buffers stay valid, and are not changed, until the callback begins.
    pub unsafe fn writev<F>(
        &self,
        fd: RawFd,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::writev(Target::Fd(fd), iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.submit(op, callback) }
    }

    /// Makes what was written durable, metadata included. It covers writes that have completed,
    /// not those in flight.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fsync<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fsync(Target::Fd(fd)), callback) }
    }

    /// Makes what was written durable, without metadata that reading does not need.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fdatasync<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fdatasync(Target::Fd(fd)), callback) }
    }

    /// Does nothing, through the kernel and back. Measures a round trip; the result is 0.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn nop<F>(&self, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Ok(Op::nop()), callback) }
    }
}
