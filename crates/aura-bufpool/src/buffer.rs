//! The owned buffer: a slice that returns to its pool by itself, even after the pool's handles.
//!
//! Unsafe code is here because the buffer's memory is a raw part of the arena, viewed as a slice.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    slice,
};

use crate::life::Tenant;

/// A buffer of a [`Pool`](crate::Pool), as long as was asked for; gives itself back when dropped.
///
/// It derefs to `[u8]`. The bytes are initialised, zero at first and later what the last user left.
/// It may be sent to and dropped on any thread, and keeps its pool's memory alive without costing a
/// shared reference count. [`Pool::free`](crate::Pool::free) refuses its pointer.
///
/// Forgetting it (`mem::forget`) leaks the buffer and thereby the pool.
pub struct PoolBuffer {
    start: NonNull<u8>,
    len: usize,
    tenant: Tenant,
}

// SAFETY: the buffer owns its bytes like a `Box<[u8]>`, and `Tenant` is `Send`.
unsafe impl Send for PoolBuffer {}
// SAFETY: sharing it shares bytes for reading only.
unsafe impl Sync for PoolBuffer {}

impl PoolBuffer {
    /// `start` was just taken for this buffer, with `len` requested.
    #[inline]
    pub(crate) fn new(start: NonNull<u8>, len: usize, tenant: Tenant) -> Self {
        Self { start, len, tenant }
    }

    /// All bytes there are, at least `len()`: what a larger request of the same class would get.
    pub fn capacity(&self) -> usize {
        // SAFETY: `self` is the live owned buffer.
        unsafe { self.tenant.capacity_for(self.len) }
    }

    /// Parts with the buffer, to pass it through a foreign interface. It stays taken, and keeps the
    /// pool alive, until [`from_raw`](Self::from_raw) makes it a `PoolBuffer` again.
    pub fn into_raw(self) -> RawBuffer {
        let raw = RawBuffer { start: self.start, len: self.len, pool: self.tenant.into_raw() };
        mem::forget(self);
        raw
    }

    /// The reverse of [`into_raw`](Self::into_raw).
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw` unchanged, this is the only call with it, and nobody else uses the
    /// bytes any more.
    pub unsafe fn from_raw(raw: RawBuffer) -> Self {
        Self { start: raw.start, len: raw.len, tenant: Tenant::from_raw(raw.pool) }
    }
}

/// A [`PoolBuffer`] taken apart; see [`PoolBuffer::into_raw`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawBuffer {
    /// First byte.
    pub start: NonNull<u8>,
    /// Length in bytes, as requested.
    pub len: usize,
    /// Names the pool; opaque.
    pub pool: NonNull<()>,
}

impl Drop for PoolBuffer {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken as an owned buffer of this pool, and `self` ends here.
        unsafe { self.tenant.give(self.start, self.len) };
    }
}

impl Deref for PoolBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are accessible, initialised (the kernel zeroed them), and
        // this buffer's alone until it is dropped, which the borrow excludes. `len` is at most the
        // capacity, far below `isize::MAX`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for PoolBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, with `&mut self` making the borrow the only one.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for PoolBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for PoolBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for PoolBuffer {
    /// Address and length; the content may be megabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuffer").field("start", &self.start).field("len", &self.len).finish()
    }
}
