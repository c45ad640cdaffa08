//! Big tables of atomics of which only the touched pages exist.
//!
//! Unsafe code is here because the table is an anonymous mapping viewed as a slice.

use std::{io, ops::Deref, ptr, ptr::NonNull, slice};

use rustix::mm::{self, Advice, MapFlags, ProtFlags};

/// A type for which memory full of zero bytes is a valid value.
///
/// # Safety
///
/// Every field is an integer or an atomic integer, and dropping the type does nothing.
pub(crate) unsafe trait ZeroValid: Sync {}

// SAFETY: an atomic integer is valid for every bit pattern and has no drop.
unsafe impl ZeroValid for std::sync::atomic::AtomicU32 {}

/// A zero-initialised slice of fixed length, resident page by page as it is touched.
#[derive(Debug)]
pub(crate) struct Table<T: ZeroValid> {
    base: NonNull<T>,
    len: usize,
}

// SAFETY: the table owns its mapping and hands out only shared references to `T: Sync`.
unsafe impl<T: ZeroValid + Send> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: ZeroValid> Sync for Table<T> {}

impl<T: ZeroValid> Table<T> {
    /// A table of `len > 0` zero entries.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), bytes, prot, flags)? };
        // A huge page would make 2 MiB resident for the first entry. Kernels without huge pages
        // refuse the advice, and need none.
        // SAFETY: the mapping just made; the advice changes no content.
        let _ = unsafe { mm::madvise(start, bytes, Advice::LinuxNoHugepage) };
        let base = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }
}

impl<T: ZeroValid> Deref for Table<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `len` entries, is page-aligned, was zero-filled (valid for `T` by
        // `ZeroValid`), lives as long as `self`, and is only ever shared.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T: ZeroValid> Drop for Table<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; `&mut self` shows that no borrow is left.
        let unmapped = unsafe { mm::munmap(self.base.as_ptr().cast(), self.len * size_of::<T>()) };
        debug_assert!(unmapped.is_ok(), "munmap of a table: {unmapped:?}");
    }
}
