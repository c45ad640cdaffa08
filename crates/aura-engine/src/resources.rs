//! Registered buffers and files: their life cycle, the same on every ring.
//!
//! ```text
//! none --register--> registered --request_unregister--> draining --last use done--> none
//! ```
//!
//! While draining, new operations on registered buffers are refused; what is in flight completes.
//! The poller finishes the draining. Only then is the memory the caller's again: unregistering is
//! no barrier in the kernel, the reaped completions are.
//!
//! # Synchronization
//!
//! The buffers' table is a snapshot that submitters read without a lock of its own, under their
//! ring's submission lock. Closing the table and then taking every submission lock once therefore
//! makes sure that no submitter still works with it. `lifecycle` serialises the calls here.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aura_ring::Opcode;
use aura_ring::register::{MAX_BUFFERS, MAX_FILES};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::files::Places;
use crate::given_away::FileName;
use crate::late::Late;
use crate::log::say;
use crate::op::Op;

/// Places of a ring's table for the user's buffers; the upper quarter is kept for the pool's
/// slabs, so that the two never compete for an index.
pub const MAX_USER_BUFFERS: u32 = MAX_BUFFERS / 4 * 3;

#[derive(Debug, Default)]
pub(crate) struct Resources {
    buffers: ArcSwapOption<BufferTable>,
    /// The buffers' table is closed and waits for its last use. Written under `lifecycle`.
    draining: AtomicBool,
    lifecycle: Mutex<Lifecycle>,
}

/// What the kernel holds, as opposed to what submitters may use.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    /// How many rings, from the first, have a table of buffers, full or empty. It is made once and
    /// kept.
    tables: usize,
    /// Buffers in the table.
    buffers: u32,
    /// How many files are registered as a table.
    pub(crate) files: Option<usize>,
    /// The table of files registered one by one. It is made once and kept, unless a table of the
    /// user's takes its place while it is empty.
    pub(crate) places: Option<Places>,
}

#[derive(Debug)]
struct BufferTable {
    buffers: Vec<Range>,
}

/// A buffer by its numbers; the memory is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: usize,
    len: usize,
}

pub(crate) struct Resolved {
    pub(crate) addr: *mut u8,
    pub(crate) index: u16,
}

impl Resources {
    /// The address of a place in a registered buffer. Under the submission lock.
    pub(crate) fn resolve(&self, (index, offset): (u32, usize), op: &Op) -> Result<Resolved> {
        let table = self.buffers.load();
        let Some(table) = table.as_ref() else {
            return Err(if self.draining.load(Ordering::Acquire) {
                Error::Busy("the registered buffers are being unregistered")
            } else {
                Error::NotRegistered("buffers")
            });
        };
        let buffer = table.buffers.get(index as usize);
        let buffer = buffer.ok_or(Error::Invalid("the registered buffer index is out of range"))?;
        let len = op.sqe.parts().len as usize;
        // Subtracting cannot overflow, adding could.
        if offset > buffer.len || len > buffer.len - offset {
            return Err(Error::Invalid("the range lies outside the registered buffer"));
        }
        Ok(Resolved { addr: (buffer.start + offset) as *mut u8, index: index as u16 })
    }

    /// Whether the poller has a draining to look after. One load.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl<B: Backend> Engine<B> {
    /// Registers buffers, to be named by index in [`Memory::Registered`](crate::Memory).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for none, more than [`MAX_USER_BUFFERS`], a null or empty one, or two
    /// that overlap; [`Error::Busy`] while others are registered or being unregistered;
    /// [`Error::Os`] for the kernel's refusal (`ENOMEM`: above `RLIMIT_MEMLOCK`), after which
    /// nothing is registered.
    ///
    /// # Safety
    ///
    /// The memory stays mapped, and is not moved, until the buffers are unregistered: until
    /// [`unregister_buffers`](Self::unregister_buffers) returned outside a callback, or
    /// registering again works.
    pub unsafe fn register_buffers(&self, buffers: &[libc::iovec]) -> Result<()> {
        self.may_register()?;
        let ranges = checked_ranges(buffers)?;
        let mut life = self.lifecycle();
        if life.buffers > 0 {
            return Err(Error::Busy(if self.resources.is_draining() {
                "the buffers registered before are still in use by operations in flight"
            } else {
                "buffers are registered already; unregister them first"
            }));
        }
        self.make_buffer_tables(&mut life)?;
        for (done, ring) in self.rings.iter().enumerate() {
            // SAFETY: the caller vouches for the memory.
            if let Err(error) = unsafe { ring.backend.update_buffers(0, buffers) } {
                self.rings[..=done].iter().for_each(|ring| {
                    // Best effort: a place that was never filled may refuse to be cleared.
                    let _ = ring.backend.clear_buffers(0, buffers.len() as u32);
                });
                return Err(Error::os("registering buffers with io_uring")(error));
            }
        }
        life.buffers = buffers.len() as u32;
        self.resources.buffers.store(Some(Arc::new(BufferTable { buffers: ranges })));
        Ok(())
    }

    /// Unregisters the buffers. Outside a callback it returns when the last operation on them has
    /// completed, and the memory is the caller's again; callbacks may run meanwhile. From a
    /// callback it does what [`request_unregister_buffers`](Self::request_unregister_buffers)
    /// does.
    ///
    /// # Errors
    ///
    /// [`Error::NotRegistered`], or the kernel's refusal.
    pub fn unregister_buffers(&self) -> Result<()> {
        self.request_unregister_buffers()?;
        while self.resources.draining.load(Ordering::Acquire) && !self.gate.is_mine() {
            self.process_for(Duration::from_millis(10))?;
            self.finish_draining();
        }
        Ok(())
    }

    /// Refuses new operations on the registered buffers from now on, and unregisters them when
    /// the last one in flight has completed. Never waits for that; safe in callbacks.
    ///
    /// # Errors
    ///
    /// [`Error::NotRegistered`]. Asking again while draining is no error.
    pub fn request_unregister_buffers(&self) -> Result<()> {
        self.door.check()?;
        let life = self.lifecycle();
        if life.buffers == 0 {
            return Err(Error::NotRegistered("buffers"));
        }
        self.resources.draining.store(true, Ordering::SeqCst);
        self.resources.buffers.store(None);
        drop(life);
        self.finish_draining();
        Ok(())
    }

    /// Finishes unregistering buffers, if nothing uses them any more.
    pub(crate) fn finish_draining(&self) {
        if self.are_buffers_in_use() {
            return;
        }
        let mut life = self.lifecycle();
        // Asked again: other buffers may have been registered meanwhile, and be draining by now.
        if !self.resources.is_draining() || self.are_buffers_in_use() {
            return;
        }
        for ring in &self.rings {
            if let Err(error) = ring.backend.clear_buffers(0, life.buffers) {
                // They stay pinned until the ring is closed; nothing will use them.
                say!(Warning, "unregistering buffers: {error}");
            }
        }
        life.buffers = 0;
        self.resources.draining.store(false, Ordering::Release);
    }

    fn are_buffers_in_use(&self) -> bool {
        self.rings.iter().any(|ring| {
            // Whoever still found the table open counts its operation before it lets go of this.
            let _no_submitter = ring.lock();
            ring.registered_in_flight() > 0
        })
    }

    /// Registers files; operations name them by index in
    /// [`Target::Registered`](crate::Target::Registered). -1 is an empty place.
    ///
    /// A descriptor and a registered index are different names on purpose: operations on the
    /// descriptor keep going through the process's table, because a registered file lives on when
    /// its descriptor is closed, and the number may by then belong to another file.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for none, too many, or a descriptor below -1; [`Error::Busy`] while
    /// others are registered; [`Error::Os`] for the kernel's refusal.
    pub fn register_files(&self, fds: &[RawFd]) -> Result<()> {
        self.may_register()?;
        if fds.is_empty() || fds.len() > MAX_FILES as usize {
            return Err(Error::Invalid("register 1 to 32768 files"));
        }
        if fds.iter().any(|fd| *fd < -1) {
            return Err(Error::Invalid("a file descriptor is below -1"));
        }
        let mut life = self.lifecycle();
        if life.files.is_some() {
            return Err(Error::Busy("files are registered already; unregister them first"));
        }
        match &life.places {
            Some(places) if !places.is_unused() => {
                return Err(Error::Busy("files are registered one by one; drop them first"));
            }
            Some(_) => {
                self.rings.iter().for_each(|ring| drop(ring.backend.unregister_files()));
                life.places = None;
            }
            None => {}
        }
        self.register_on_all(fds)?;
        life.files = Some(fds.len());
        Ok(())
    }

    /// A table of files on every ring, or on none. What was queued before finds none.
    pub(crate) fn register_on_all(&self, fds: &[RawFd]) -> Result<()> {
        for (done, ring) in self.rings.iter().enumerate() {
            let register = || ring.backend.register_files(fds);
            if let Err(error) = self.with_nothing_queued(ring, register) {
                self.rings[..done].iter().for_each(|ring| drop(ring.backend.unregister_files()));
                return Err(Error::os("registering files with io_uring")(error));
            }
        }
        Ok(())
    }

    /// Replaces a registered file; -1 empties the place. Operations that were submitted before
    /// use the file that was there before.
    ///
    /// # Errors
    ///
    /// [`Error::NotRegistered`], [`Error::Invalid`] for an index outside the table or a descriptor
    /// below -1, [`Error::Busy`] while an operation in flight has yet to look the file up (see `late`),
    /// [`Error::Os`] for the kernel's refusal: then some rings may have the new file and
    /// others the old one; unregister and register again.
    pub fn update_file(&self, index: i32, fd: RawFd) -> Result<()> {
        self.may_register()?;
        let life = self.lifecycle();
        let count = life.files.ok_or(Error::NotRegistered("files"))?;
        let index = usize::try_from(index).ok().filter(|index| *index < count);
        let index = index.ok_or(Error::Invalid("the registered file index is out of range"))?;
        if fd < -1 {
            return Err(Error::Invalid("the file descriptor is below -1"));
        }
        let name = FileName::Place(index as i32);
        if self.is_late(|late| late.has(name)) {
            return Err(Error::Busy("an operation in flight may have yet to look this file up"));
        }
        self.give_away(name);
        for ring in &self.rings {
            self.with_nothing_queued(ring, || ring.backend.update_files(index as u32, &[fd]))
                .map_err(Error::os("updating a registered file"))?;
        }
        Ok(())
    }

    /// Unregisters the files. What is in flight keeps its file, but for operations that have yet to look it
    /// up (see `late`): outside callbacks this returns when those have completed, and callbacks may run
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::NotRegistered`], or the kernel's refusal.
    pub fn unregister_files(&self) -> Result<()> {
        self.door.check()?;
        while self.is_late(Late::has_places) && !self.gate.is_mine() {
            self.process_for(Duration::from_millis(10))?;
        }
        self.request_unregister_files()
    }

    /// As [`unregister_files`](Self::unregister_files), but waits for nothing; safe in callbacks. Operations
    /// that have yet to look their file up fail with `-EBADF`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn request_unregister_files(&self) -> Result<()> {
        self.door.check()?;
        let mut life = self.lifecycle();
        life.files.take().ok_or(Error::NotRegistered("files"))?;
        self.give_away(FileName::EveryPlace);
        for ring in &self.rings {
            self.with_nothing_queued(ring, || ring.backend.unregister_files())
                .map_err(Error::os("unregistering files"))?;
        }
        Ok(())
    }

    /// Changes a ring's files when the kernel has taken all that was queued before, so that no
    /// queued operation meets a file that it was not meant for.
    pub(crate) fn with_nothing_queued(
        &self,
        ring: &crate::ring::EngineRing<B>,
        change: impl FnOnce() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        loop {
            if !ring.empty_queue()? {
                return Err(std::io::Error::from_raw_os_error(libc::EAGAIN));
            }
            let _no_submitter = ring.lock();
            if ring.backend.queued() == 0 {
                return change();
            }
        }
    }

    /// On the rings that have none yet: if one refuses, a later call goes on from there.
    pub(crate) fn make_buffer_tables(&self, life: &mut Lifecycle) -> Result<()> {
        for ring in &self.rings[life.tables..] {
            if !ring.backend.supports(Opcode::ReadFixed) {
                return Err(Error::Unsupported("registered buffers"));
            }
            ring.backend
                .register_buffer_table(MAX_BUFFERS)
                .map_err(Error::os("making io_uring's table of buffers"))?;
            life.tables += 1;
        }
        Ok(())
    }

    pub(crate) fn may_register(&self) -> Result<()> {
        self.door.check()?;
        if self.is_closed() { Err(Error::Shutdown) } else { Ok(()) }
    }

    pub(crate) fn lifecycle(&self) -> std::sync::MutexGuard<'_, Lifecycle> {
        self.resources.lifecycle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn checked_ranges(buffers: &[libc::iovec]) -> Result<Vec<Range>> {
    if buffers.is_empty() || buffers.len() > MAX_USER_BUFFERS as usize {
        return Err(Error::Invalid("register 1 to 12288 buffers"));
    }
    let ranges: Vec<Range> =
        buffers.iter().map(|iov| Range { start: iov.iov_base.addr(), len: iov.iov_len }).collect();
    if ranges.iter().any(|range| range.start == 0 || range.len == 0) {
        return Err(Error::Invalid("a buffer to register is null or empty"));
    }
    if ranges.iter().any(|range| range.start.checked_add(range.len).is_none()) {
        return Err(Error::Invalid("a buffer to register wraps around the address space"));
    }
    let mut sorted = ranges.clone();
    sorted.sort_unstable_by_key(|range| range.start);
    if sorted.windows(2).any(|pair| pair[0].start + pair[0].len > pair[1].start) {
        return Err(Error::Invalid("two of the buffers to register overlap"));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iov(start: usize, len: usize) -> libc::iovec {
        libc::iovec { iov_base: std::ptr::without_provenance_mut(start), iov_len: len }
    }

    #[test]
    fn buffers_that_cannot_be_meant_are_refused() {
        for (buffers, word) in [
            (vec![], "1 to"),
            (vec![iov(8, 1); MAX_USER_BUFFERS as usize + 1], "1 to"),
            (vec![iov(0, 1)], "null"),
            (vec![iov(8, 0)], "empty"),
            (vec![iov(8, usize::MAX)], "wraps"),
            (vec![iov(100, 10), iov(8, 8), iov(109, 1)], "overlap"),
        ] {
            let error = checked_ranges(&buffers).expect_err(word).to_string();
            assert!(error.contains(word), "{error} should mention {word}");
        }
        assert!(checked_ranges(&[iov(100, 10), iov(110, 5), iov(8, 8)]).is_ok());
    }
}
