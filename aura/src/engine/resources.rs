//! Registered buffers and files.
//!
//! Registering buffers is `unsafe`: the kernel keeps using the memory.

use std::os::fd::RawFd;

#[cfg(doc)]
use crate::buffer::BufferRef;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// # Registered buffers and files
///
/// These calls must not be made at the same time; submitting goes on meanwhile.
impl Engine {
    /// Registers buffers: the kernel pins them once instead of at every operation. Name them with
    /// [`BufferRef::fixed`]. At most 12 288.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for none, too many, an empty one, or two that overlap;
    /// [`Error::Io`] with `EBUSY` while others are registered or being unregistered, `ENOMEM`
    /// above `RLIMIT_MEMLOCK`.
    ///
    /// # Safety
    ///
    /// The memory stays valid, at the same address, until
    /// [`unregister_buffers`](Self::unregister_buffers) has returned outside a callback, or
    /// registering again works. Dropping the engine is not enough: it gives up on operations that
    /// the kernel can neither finish nor cancel, and those may still write.
    pub unsafe fn register_buffers(&self, buffers: &[&mut [u8]]) -> Result<()> {
        let iovs: Vec<libc::iovec> = buffers
            .iter()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_ptr().cast_mut().cast(),
                iov_len: buffer.len(),
            })
            .collect();
        // SAFETY: the caller's promise.
        unsafe { self.inner.register_buffers(&iovs) }.map_err(Error::of_call)
    }

    /// Unregisters the buffers, and waits until no operation uses them; callbacks may run
    /// meanwhile. In a callback it does not wait, as
    /// [`request_unregister_buffers`](Self::request_unregister_buffers).
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn unregister_buffers(&self) -> Result<()> {
        self.inner.unregister_buffers().map_err(Error::of_call)
    }

    /// Refuses new operations on the registered buffers (`EBUSY`) and unregisters them when the
    /// last one in flight is done, some time later inside a call that processes completions. For
    /// callbacks.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn request_unregister_buffers(&self) -> Result<()> {
        self.inner.request_unregister_buffers().map_err(Error::of_call)
    }

    /// Registers files with the kernel; -1 is an empty place. At most 32 768.
    ///
    /// They are used by their place in the table, see [`fixed_file`](Self::fixed_file).
    /// Operations on a descriptor keep using the descriptor: a registered file lives on when its
    /// descriptor is closed, and the number may by then be another file's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for none, too many or a number below -1; [`Error::Io`] with
    /// `EBUSY` while others are registered, `EBADF` for one that is not open.
    pub fn register_files(&self, fds: &[RawFd]) -> Result<()> {
        self.inner.register_files(fds).map_err(Error::of_call)
    }

    /// Replaces the registered file at `index`; -1 empties the place. Operations submitted before
    /// use the file that was there.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered, [`Error::InvalidArgument`]
    /// for an index outside the table, [`Error::Io`] with `EBUSY` while a sync, allocation, truncation
    /// or chain in flight names the place, or with `EBADF`. After an error of the kernel rings may
    /// differ: unregister and register again.
    pub fn update_file(&self, index: i32, fd: RawFd) -> Result<()> {
        self.inner.update_file(index, fd).map_err(Error::of_call)
    }

    /// Unregisters the files. Operations in flight keep theirs; but syncs, allocations, truncations and
    /// chains find their file when the kernel begins them: outside callbacks this returns when those are
    /// over, and callbacks may run meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn unregister_files(&self) -> Result<()> {
        self.inner.unregister_files().map_err(Error::of_call)
    }

    /// As [`unregister_files`](Self::unregister_files), without waiting; safe in callbacks. What has yet to
    /// find its file fails with `EBADF`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn request_unregister_files(&self) -> Result<()> {
        self.inner.request_unregister_files().map_err(Error::of_call)
    }
}
