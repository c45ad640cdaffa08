//! An array in memory of its own, zeroed by the kernel and resident only where it was touched.
//!
//! This file is `unsafe` because it turns mapped memory into references.

use std::io;
use std::ops::Deref;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// A fixed number of `T`s that start as zeros.
pub(crate) struct Mapping<T> {
    start: NonNull<T>,
    count: usize,
}

// SAFETY: it owns its elements, as a boxed slice does.
unsafe impl<T: Send> Send for Mapping<T> {}
// SAFETY: it gives out shared references only.
unsafe impl<T: Sync> Sync for Mapping<T> {}

impl<T> Mapping<T> {
    /// # Safety
    ///
    /// A `T` of all zeros is valid.
    pub(crate) unsafe fn zeroed(count: usize) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= 4096, "pages are aligned no better") };
        assert!(size_of::<T>() * count > 0, "an empty mapping is of no use");
        let (read_write, private) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        let length = size_of::<T>() * count;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), length, read_write, private)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, count })
    }
}

impl<T> Mapping<T> {
    /// Makes the kernel clear it in the child of a fork.
    pub(crate) fn wipe_on_fork(&self) -> io::Result<()> {
        let length = size_of::<T>() * self.count;
        // SAFETY: the mapping is ours; the advice changes what a child finds in it, nothing here.
        unsafe { madvise(self.start.as_ptr().cast(), length, Advice::LinuxWipeOnFork)? };
        Ok(())
    }
}

impl<T> Deref for Mapping<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `count` elements, valid as zeros or as later written.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody refers to it any more. Failure would mean that
        // the address or length is wrong, which they are not.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), size_of::<T>() * self.count) };
    }
}
