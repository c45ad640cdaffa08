//! The reserved range of addresses in which all slabs of a pool lie.
//!
//! Unsafe code is here because addresses are reserved, opened and closed with `mmap`, `mprotect` and
//! `madvise`. The safe functions keep every call inside the range this value reserved; that no buffer
//! is in use in a part that is closed is the slab layer's business, and the memory is only ever
//! reached through raw pointers, so closing it cannot invalidate a reference this crate made.
//!
//! # Synchronization
//!
//! `base` and `len` never change after `reserve`. Calls for disjoint parts may run at once: the kernel
//! serialises them. The slab layer never opens and closes one part at the same time.

use std::{io, num::NonZeroUsize, ptr, ptr::NonNull};

use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};

use crate::class::MAX_BUFFER_BYTES;

/// A reserved range whose start is a multiple of the largest buffer, so that a part placed at a
/// multiple of its own power-of-two length is aligned to that length in memory too.
#[derive(Debug)]
pub(crate) struct Arena {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the fields are constant, and the kernel calls made through them may come from any thread.
unsafe impl Send for Arena {}
// SAFETY: as above; no method reads or writes the memory itself.
unsafe impl Sync for Arena {}

impl Arena {
    /// Reserves `len` bytes, a multiple of [`MAX_BUFFER_BYTES`], without committing any memory.
    pub(crate) fn reserve(len: usize) -> io::Result<Self> {
        let padded = len.checked_add(MAX_BUFFER_BYTES).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let start =
            unsafe { mm::mmap_anonymous(ptr::null_mut(), padded, ProtFlags::empty(), flags)? };
        let start = start.cast::<u8>();
        let skip = start.align_offset(MAX_BUFFER_BYTES);
        let tail = padded - skip - len;
        // Failing to cut an edge off (the map count limit) costs addresses, not correctness; what was
        // not unmapped then stays reserved for the life of the process.
        if skip > 0 {
            // SAFETY: the first `skip` bytes of the mapping just made, which nothing uses.
            let _ = unsafe { mm::munmap(start.cast(), skip) };
        }
        if tail > 0 {
            // SAFETY: the last `tail` bytes of the mapping just made, which nothing uses.
            let _ = unsafe { mm::munmap(start.wrapping_add(skip + len).cast(), tail) };
        }
        let base = NonNull::new(start.wrapping_add(skip)).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Offset of an address in the arena, `None` outside of it. One subtraction, one compare.
    #[inline]
    pub(crate) fn offset_of(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base.as_ptr().addr());
        (offset < self.len).then_some(offset)
    }

    /// The pointer at an offset. An offset beyond the arena gives a pointer that must not be used,
    /// but a pointer nevertheless.
    #[inline]
    pub(crate) fn pointer(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.len);
        self.base.map_addr(|base: NonZeroUsize| base.saturating_add(offset))
    }

    /// Makes a part readable and writable. Its bytes read as zero until written.
    pub(crate) fn open(&self, offset: usize, len: usize) -> io::Result<()> {
        let start = self.part(offset, len);
        // SAFETY: `part` checked that the range lies in this arena; more access invalidates nothing.
        unsafe { mm::mprotect(start, len, MprotectFlags::READ | MprotectFlags::WRITE)? };
        Ok(())
    }

    /// Gives the memory of a part back and makes it inaccessible. The caller (the slab layer) knows
    /// that no buffer in it is in use. On error the part is as it was.
    pub(crate) fn close(&self, offset: usize, len: usize) -> io::Result<()> {
        let start = self.part(offset, len);
        // SAFETY: `part` checked that the range lies in this arena; no reference into it exists
        // because all its buffers are free, so losing the content is unobservable.
        let given_back = unsafe {
            mm::madvise(start, len, Advice::LinuxDontNeed)
                // Under mlockall the plain advice is EINVAL; Linux 5.18 has one that is not.
                .or_else(|_| mm::madvise(start, len, Advice::LinuxDontneedLocked))
        };
        given_back?;
        // SAFETY: as above; a stray pointer into the part faults from here on instead of reviving it.
        // Splitting the mapping may exceed the map count: then the part stays open but empty.
        let _ = unsafe { mm::mprotect(start, len, MprotectFlags::empty()) };
        Ok(())
    }

    fn part(&self, offset: usize, len: usize) -> *mut std::ffi::c_void {
        assert!(offset <= self.len && len <= self.len - offset, "part outside of the arena");
        self.base.as_ptr().wrapping_add(offset).cast()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: exactly the range reserved. The life of the pool ended: no handle and no owned
        // buffer is left, and raw buffers are documented to end with it.
        let unmapped = unsafe { mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of the arena: {unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_part_reads_zero_when_reopened() {
        let arena = Arena::reserve(MAX_BUFFER_BYTES).expect("128 MiB of addresses");
        assert_eq!(arena.pointer(0).as_ptr().addr() % MAX_BUFFER_BYTES, 0);
        arena.open(1 << 20, 1 << 18).expect("opens");
        let byte = arena.pointer(1 << 20).as_ptr();
        // SAFETY: the part was just opened and nobody else knows it.
        unsafe {
            assert_eq!(byte.read(), 0);
            byte.write(7);
        }
        arena.close(1 << 20, 1 << 18).expect("closes");
        arena.open(1 << 20, 1 << 18).expect("opens again");
        // SAFETY: opened again.
        assert_eq!(unsafe { byte.read() }, 0);
    }

    #[test]
    fn offsets_cover_the_arena_and_nothing_else() {
        let arena = Arena::reserve(MAX_BUFFER_BYTES).expect("128 MiB of addresses");
        let base = arena.pointer(0).as_ptr().addr();
        assert_eq!(arena.offset_of(base), Some(0));
        assert_eq!(arena.offset_of(base + arena.len() - 1), Some(arena.len() - 1));
        assert_eq!(arena.offset_of(base + arena.len()), None);
        assert_eq!(arena.offset_of(base - 1), None);
        assert_eq!(arena.offset_of(0), None);
    }
}
