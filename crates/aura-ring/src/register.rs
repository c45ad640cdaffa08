//! Registered files and buffers: resources that the kernel looks up once, not at every operation.
//!
//! This file is `unsafe` where memory is pinned for the kernel. Registering, updating and
//! unregistering may happen while other threads push and reap; among themselves the calls here
//! must be serialised by the caller, or they answer `EBUSY` and `ENXIO` in turn.

use std::io;
use std::os::fd::RawFd;

use crate::ring::Ring;

/// The most buffers a ring's table can hold (`IORING_MAX_REG_BUFFERS`).
pub const MAX_BUFFERS: u32 = 1 << 14;
/// The most files a ring's table can hold on every kernel (`IORING_MAX_FIXED_FILES`; newer ones
/// allow more).
pub const MAX_FILES: u32 = 1 << 15;

impl Ring {
    /// Registers descriptors; an entry of -1 is an empty place. Operations name them by their
    /// index, see [`Target::Registered`](crate::Target::Registered). The ring holds the files open
    /// until they are unregistered, whatever becomes of the descriptors.
    ///
    /// # Errors
    ///
    /// `EBUSY` if files are registered already, `EBADF` for a bad descriptor, `EMFILE` for more
    /// than `RLIMIT_NOFILE` or than the kernel takes, which is at least [`MAX_FILES`]. `EINVAL` for
    /// none at all.
    pub fn register_files(&self, fds: &[RawFd]) -> io::Result<()> {
        self.uring.submitter().register_files(fds)
    }

    /// Replaces registered descriptors from `first` on; -1 empties a place.
    ///
    /// # Errors
    ///
    /// `ENXIO` if no files are registered, `EINVAL` beyond the table, `EBADF` for a bad
    /// descriptor. The places before the failing one are replaced.
    pub fn update_files(&self, first: u32, fds: &[RawFd]) -> io::Result<()> {
        let replaced = self.uring.submitter().register_files_update(first, fds)?;
        if replaced == fds.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }

    /// Empties the table of registered files. Operations in flight keep their file.
    ///
    /// # Errors
    ///
    /// `ENXIO` if none are registered.
    pub fn unregister_files(&self) -> io::Result<()> {
        self.uring.submitter().unregister_files()
    }

    /// Makes an empty table for `places` buffers, to be filled by
    /// [`update_buffers`](Self::update_buffers). Linux 5.19 or later.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a table already, `EINVAL` above [`MAX_BUFFERS`] or on older kernels.
    pub fn register_buffer_table(&self, places: u32) -> io::Result<()> {
        self.uring.submitter().register_buffers_sparse(places)
    }

    /// Pins buffers and puts them into the table from `first` on. What a place held before is let
    /// go when the last operation on it has completed.
    ///
    /// # Errors
    ///
    /// `ENXIO` without a table, `EINVAL` beyond it, `ENOMEM` above `RLIMIT_MEMLOCK`, `EFAULT` for
    /// memory that is not mapped writable, `EOPNOTSUPP` for memory mapped from a file. The places
    /// before the failing one are filled.
    ///
    /// # Safety
    ///
    /// The memory must stay mapped until it is cleared from the table and no operation on it is in
    /// flight: the kernel writes to the pages it pinned, whatever is mapped there by then.
    pub unsafe fn update_buffers(&self, first: u32, buffers: &[libc::iovec]) -> io::Result<()> {
        // One by one: of several, the kernel reports a failure only if the first one fails, and
        // otherwise a count that `register_buffers_update` does not pass on.
        for (place, buffer) in (first..=u32::MAX).zip(buffers) {
            let one = std::slice::from_ref(buffer);
            // SAFETY: the caller vouches for the memory.
            unsafe { self.uring.submitter().register_buffers_update(place, one, None)? };
        }
        Ok(())
    }

    /// Takes `count` buffers out of the table from `first` on. Operations in flight still use
    /// them: this is no barrier.
    ///
    /// # Errors
    ///
    /// `ENXIO` without a table, `EINVAL` beyond it.
    pub fn clear_buffers(&self, first: u32, count: u32) -> io::Result<()> {
        if count > MAX_BUFFERS {
            return Err(io::Error::from_raw_os_error(libc::EINVAL)); // And nothing is allocated.
        }
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let places = vec![empty; count as usize];
        // SAFETY: an empty entry names no memory.
        unsafe { self.uring.submitter().register_buffers_update(first, &places, None) }
    }

    /// Drops the whole table of buffers. Operations in flight still use them: this is no barrier.
    ///
    /// # Errors
    ///
    /// `ENXIO` without a table.
    pub fn unregister_buffers(&self) -> io::Result<()> {
        self.uring.submitter().unregister_buffers()
    }
}
