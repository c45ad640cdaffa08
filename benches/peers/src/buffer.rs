//! The memory of one read as compio, monoio and tokio-uring take it.
//!
//! Aligned, because `O_DIRECT` wants it, which none of their own types is. This file is `unsafe` because
//! these crates' traits are: they hand the memory to the kernel.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use aura_bench::BLOCK_BYTES;
use aura_bench::row::Block;

/// One block, always initialised and full. A pointer rather than a box: whoever moves a box claims its
/// content, which the kernel may be writing to.
#[derive(Debug)]
pub(crate) struct Buffer(NonNull<Block>);

// SAFETY: the buffer owns its memory, which is plain bytes.
unsafe impl Send for Buffer {}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(Block([0; BLOCK_BYTES])))))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` leaked the box, and the buffer is its only owner.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Deref for Buffer {
    type Target = [u8; BLOCK_BYTES];

    fn deref(&self) -> &Self::Target {
        // SAFETY: the memory lives as long as the buffer; who has the buffer has no read in flight.
        unsafe { &self.0.as_ref().0 }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: as in `deref`, and the buffer is borrowed for writing.
        unsafe { &mut self.0.as_mut().0 }
    }
}

impl compio::buf::IoBuf for Buffer {
    fn as_init(&self) -> &[u8] {
        &self[..]
    }
}

impl compio::buf::SetLen for Buffer {
    unsafe fn set_len(&mut self, _: usize) {} // Always full.
}

impl compio::buf::IoBufMut for Buffer {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: initialised bytes may be seen as such that need not be; compio writes what it read.
        unsafe { self.0.cast::<[MaybeUninit<u8>; BLOCK_BYTES]>().as_mut() }
    }
}

// SAFETY: the pointer stays the same wherever the buffer moves, and all bytes are initialised.
unsafe impl monoio::buf::IoBuf for Buffer {
    fn read_ptr(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    fn bytes_init(&self) -> usize {
        BLOCK_BYTES
    }
}

// SAFETY: as above; the whole block may be written to.
unsafe impl monoio::buf::IoBufMut for Buffer {
    fn write_ptr(&mut self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    fn bytes_total(&mut self) -> usize {
        BLOCK_BYTES
    }

    unsafe fn set_init(&mut self, _: usize) {} // Always full.
}

// SAFETY: the pointer stays the same wherever the buffer moves, and all bytes are initialised.
unsafe impl tokio_uring::buf::IoBuf for Buffer {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    fn bytes_init(&self) -> usize {
        BLOCK_BYTES
    }

    fn bytes_total(&self) -> usize {
        BLOCK_BYTES
    }
}

// SAFETY: as above; the whole block may be written to.
unsafe impl tokio_uring::buf::IoBufMut for Buffer {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    unsafe fn set_init(&mut self, _: usize) {} // Always full.
}
