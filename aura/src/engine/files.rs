//! Operations on files: opening, closing, asking, allocating.
//!
//! `statx` is `unsafe` because it names memory that the caller must keep.

use std::ffi::CStr;
use std::os::fd::RawFd;

use aura_engine::{Op, Target};

use crate::engine::Engine;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::request::RequestHandle;

/// # Operations on files
///
/// The same rules as for operations on data. Paths are copied.
impl Engine {
    /// Opens `pathname` relative to `dirfd` (or `libc::AT_FDCWD`); the result is the new
    /// descriptor. `flags` are `libc::O_*`; `mode` is for files that are created.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn openat<F>(
        &self,
        dirfd: RawFd,
        pathname: &CStr,
        flags: i32,
        mode: u32,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let path = pathname.to_owned();
        let op = Op::openat(dirfd, &path, flags, mode);
        let keeping_path = move |result| {
            drop(path);
            callback(result);
        };
        // SAFETY: the callback owns the path, whose bytes do not move with it.
        unsafe { self.submit(op, keeping_path) }
    }

    /// Closes a descriptor. Operations on it that were submitted before still find it open: the close is
    /// carried out after those that the kernel looks the file up late for, such as syncs.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn close<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::close(fd), callback) }
    }

    /// Fetches metadata of `pathname` relative to `dirfd` into `statxbuf`. `flags` are
    /// `libc::AT_*`, `mask` is `libc::STATX_*`.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// `statxbuf` stays valid, and is not used otherwise, until the callback begins.
    pub unsafe fn statx<F>(
        &self,
        dirfd: RawFd,
        pathname: &CStr,
        flags: i32,
        mask: u32,
        statxbuf: *mut libc::statx,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let path = pathname.to_owned();
        let op = Op::statx(dirfd, &path, flags, mask, statxbuf);
        let keeping_path = move |result| {
            drop(path);
            callback(result);
        };
        // SAFETY: the callback owns the path; the caller keeps the buffer.
        unsafe { self.submit(op, keeping_path) }
    }

    /// Allocates (mode 0), punches, zeroes or shifts `len` bytes at `offset`; modes are
    /// `libc::FALLOC_FL_*`.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fallocate<F>(
        &self,
        fd: RawFd,
        mode: i32,
        offset: i64,
        len: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fallocate(Target::Fd(fd), mode, offset, len), callback) }
    }

    /// Sets the file's length. Linux 6.9 or later; before, [`Error::Submission`] holds `ENOSYS`.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn ftruncate<F>(&self, fd: RawFd, length: i64, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::ftruncate(Target::Fd(fd), length), callback) }
    }

    /// Starts or awaits write-out of `nbytes` at `offset` (0: to the end of the file), by
    /// `libc::SYNC_FILE_RANGE_*`. Makes nothing durable: that is for [`fsync`](Self::fsync).
    ///
    /// # Errors
    ///
    /// See above.
    pub fn sync_file_range<F>(
        &self,
        fd: RawFd,
        offset: i64,
        nbytes: i64,
        flags: u32,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::sync_file_range(Target::Fd(fd), offset, nbytes, flags);
        // SAFETY: no memory is named.
        unsafe { self.submit(op, callback) }
    }
}
